"""The rows of recommendation: what words and a language model add to the same collaborative filter.

From 'with words' to 'customers' reviews' every row is EASE with a kernel, what follows what, and popularity,
the kernel's texts read by one thing or another; the two rows 'everything' are the whole recommender, without
and with a language model.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl
from numpy.typing import NDArray

from retailor.config import as_dict
from retailor.errors import MissingTable
from retailor.metrics.ranking import Ranked, ndcg_at
from retailor.models.local import LocalEncoder
from retailor.models.shapes import Encoder
from retailor.prove.contract import Cell, Cells, Inputs, Trial
from retailor.prove.encoders import Encoders, Kept, averaged, kept, local, mark_of
from retailor.prove.settings import ProveSettings
from retailor.prove.trials.recommend_cases import Asked
from retailor.prove.trials.recommend_kinds import kinds_of
from retailor.shop.tables import Shop
from retailor.store.keys import key_of
from retailor.tasks.recommend.customers import weighed_events
from retailor.tasks.recommend.evaluate.next_item import rank_cases
from retailor.tasks.recommend.fit import fit, tuned_encoder
from retailor.tasks.recommend.model import Fitted, Understanding
from retailor.tasks.recommend.scorers.parts import OURS
from retailor.tasks.recommend.settings import (
    RecommendSettings,
    SasrecSettings,
    TuningSettings,
    TwoTowerSettings,
)

FILTERS = (
    "ease + sequential-knn", "ease", "ials", "sequential-knn", "item-knn", "personal frequency", "tifu-knn",
    "up-cf",
)  # fmt: skip
"""Systems without text; the first that there is stands where no held-out customers can choose."""
ENCODERS = ("frozen encoder", "domain adaptation", "fine-tuned on behaviour", "weights averaged")


def recommend_trial(inputs: Inputs) -> Trial:
    """Recommendation, ready to be tried. Raises MissingTable without events to learn from and test on."""
    train, test, given = inputs.train, inputs.test, inputs.given
    train.require("the ledger of recommend", "events", "items")
    test.require("the ledger of recommend", "events")
    base = replace(inputs.dials or RecommendSettings(), n_test=given.max_test, tuning=TuningSettings())
    asked = Asked.of(train, test, base)
    if not any(text.strip() for text in asked.catalogue.texts):
        raise MissingTable(
            "no item of this shop has a text: there is nothing that a language model could read."
        )
    own, told = local(inputs.encoder), [text for text in asked.catalogue.texts if text.strip()]
    encoders = Encoders(own, asked.train, given, inputs.work, told)
    trying = _Trying(asked, encoders, base, given, inputs.work)
    return Trial(
        task="recommend",
        model=own.name,
        metric="ndcg@10",
        unit="events",
        n_all=len(weighed_events(asked.train, base)),
        make=trying.cell,
        mark=[mark_of(own, train), _hash(train.events), _hash(test.events), as_dict(base)],
        shared=encoders.shared,
        kinds=asked.kinds(),
    )


def _hash(table: pl.DataFrame) -> int:
    return int(table.hash_rows(seed=0).sum() or 0)


@dataclass(frozen=True)
class _Trying:
    asked: Asked
    encoders: Encoders
    base: RecommendSettings
    given: ProveSettings
    work: Path
    last: dict[tuple[int, int], tuple[Fitted, dict[str, Any]]] = field(default_factory=dict)
    """The fit without a model that three rows are read off."""

    def cell(self, step: str, n: int, seed: int, before: Cells) -> Cell:
        settings = replace(self.base, seed=seed, validation_seed=seed)
        part = self.asked.part(n, seed, self.base)
        if step in ("popularity", "collaborative filter", "with words"):
            if (n, seed) not in self.last:
                self.last.clear()
                self.last[n, seed] = self._fit(part, None, _narrow(settings))
            fitted, log = self.last[n, seed]
            row, stands = _row_of(step, fitted, log)
            reader = fitted.understanding if step == "with words" else None
            return self._cell(fitted, log, row, reader, stands)
        if step == "everything without a model":
            fitted, log = self._fit(part, self.encoders.words, settings)
            return self._cell(fitted, log, OURS, fitted.understanding)
        if step == "everything blended":
            chosen = _best_encoder(before)
            changed = self._encoder(chosen, n, seed, part)
            fitted, log = self._fit(part, changed.encoder, settings)
            return self._cell(fitted, log, OURS, fitted.understanding, chosen, changed)
        reads = step == "customers' reviews"
        chosen = _best_encoder(before) if reads else step
        changed = self._encoder(chosen, n, seed, part)
        narrow = replace(_narrow(settings), tfidf_kernel=0.0)
        narrow = replace(narrow, max_reviews=settings.max_reviews if reads else 0)
        fitted, log = self._fit(part, changed.encoder, narrow)
        # Its kernel reads by the encoder alone, and so it reads what a customer wrote.
        reader = replace(fitted.understanding, vectorizer=None)
        return self._cell(fitted, log, OURS, reader, chosen if reads else "", changed)

    def _encoder(self, step: str, n: int, seed: int, part: Shop) -> Kept:
        """The encoder of a row, and what it took beyond that of the rows above."""
        if step == "frozen encoder":
            self.encoders.read(self.encoders.own)
            return Kept(self.encoders.own, 0.0)
        adapted = self.encoders.adapted
        if step == "domain adaptation":
            self.encoders.read(adapted.encoder)
            return replace(adapted, seconds=0.0)
        tuned = self._tuned(adapted.encoder, n, seed, part)
        if step == "weights averaged":
            return replace(tuned, encoder=averaged(adapted.encoder, tuned.encoder, self.given.averaged))
        return tuned

    def _tuned(self, adapted: LocalEncoder, n: int, seed: int, part: Shop) -> Kept:
        tuning = TuningSettings(steps=self.given.behaviour_steps, seed=seed)
        settings = replace(self.base, seed=seed, validation_seed=seed, tuning=tuning)
        mark = key_of(mark_of(adapted, part), _hash(part.events), as_dict(settings))[:16]

        def make() -> Kept:
            made, log = tuned_encoder(part, adapted, settings, self.work)
            assert isinstance(made, LocalEncoder)
            return Kept(
                made,
                float(log.get("seconds", 0.0)),
                int(log.get("examples_seen", 0)),
                int(log.get("n_parameters_trained", 0)),
            )

        return kept(self.work / f"tuned-{mark}", make)

    def _fit(
        self, part: Shop, encoder: Encoder | None, settings: RecommendSettings
    ) -> tuple[Fitted, dict[str, Any]]:
        return fit(part, encoder, settings, self.work)

    def _cell(
        self,
        fitted: Fitted,
        log: Mapping[str, Any],
        row: str,
        reader: Understanding | None,
        stands: str = "",
        changed: Kept | None = None,
    ) -> Cell:
        blend = fitted.blend if row == OURS else fitted.systems[row]
        used = blend.used()
        ranks = rank_cases(
            fitted.parts, {row: blend}, self.asked.cases, self.asked.histories(fitted.customers),
            fitted.catalogue.ties, masked=not self.base.repeats,
        )  # fmt: skip
        taught = [each for name, each in log.get("training", {}).items() if name in used]
        extra = Kept(self.encoders.own, 0.0) if changed is None else changed
        values = ndcg_at(Ranked.single(ranks.ranks[row]), 10)
        return Cell(
            values,
            seconds=extra.seconds + _seconds(log, used),
            examples_seen=int(log["n_events"])
            + extra.examples_seen
            + sum(_count(each, "examples_seen") for each in taught),
            parameters_trained=extra.parameters_trained
            + sum(_count(each, "n_parameters_trained") for each in taught)
            + sum(_n_numbers(fitted.parts[name]) for name in used if name not in log.get("training", {})),
            validation=_validation(log, row),
            stands=stands,
            kinds=kinds_of(
                fitted, blend, self.asked, values, reader, self.work, masked=not self.base.repeats
            ),
        )


def _narrow(settings: RecommendSettings) -> RecommendSettings:
    """The collaborative filter with texts inside, whether they pay or not, and nothing else."""
    without = TwoTowerSettings(enabled=False), SasrecSettings(enabled=False)
    return replace(settings, text="encoder", two_tower=without[0], sasrec=without[1])


def _row_of(step: str, fitted: Fitted, log: Mapping[str, Any]) -> tuple[str, str]:
    """The system of a row without a language model, and its name where it was chosen among several."""
    if step == "popularity":
        return "popularity", ""
    if step == "with words":
        return OURS, ""
    tried = log["validation"].get("systems", {})
    there = [name for name in FILTERS if name in fitted.systems]
    chosen = max(there, key=lambda name: tried[name]["value"] if name in tried else 0.0)
    return chosen, chosen


def _best_encoder(before: Cells) -> str:
    """Of the rows that differ by the encoder alone, the best on validation; the frozen one without any."""
    known = {step: before[step].validation for step in ENCODERS if step in before}
    told = {step: value for step, value in known.items() if value is not None}
    return max(told, key=lambda step: told[step]) if told else "frozen encoder"


def _validation(log: Mapping[str, Any], row: str) -> float | None:
    """NDCG@10 on the customers that were held out; that of a blend out of fold, where it was made so."""
    found = log["validation"].get("systems", {}).get(row)
    if found is None:
        return None
    fair = found.get("out of fold") or {}
    return float(fair[fair["served"]]) if fair else float(found["value"])


def _seconds(log: Mapping[str, Any], used: Any) -> float:
    took = log["seconds"]
    of_parts = (took["parts"], took.get("validation", {}))
    return float(sum(each.get(name, 0.0) for each in of_parts for name in used))


def _count(training: Mapping[str, Any], name: str) -> int:
    return int(training.get(name, 0))


def _n_numbers(part: Any) -> int:
    """Learned numbers of a part: of its tables all but the texts' own."""
    told: dict[str, NDArray[Any]] = part.tensors()
    return sum(
        value.size
        for name, value in told.items()
        if value.dtype.kind == "f" and name not in ("items", "reviews")
    )
