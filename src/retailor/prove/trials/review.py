"""The rows of drafting reviews: a template, the nearest review, and a generator as it learns."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl

from retailor.config import as_dict
from retailor.errors import MissingTable, ModelError
from retailor.metrics.generation import rouge_l
from retailor.models.local import LocalGenerator, load_generator
from retailor.models.shapes import Generator
from retailor.prove.contract import Cell, Cells, Inputs, Trial
from retailor.prove.settings import ProveSettings
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.store.keys import key_of
from retailor.tasks.review import ReviewSettings, ReviewWriter
from retailor.tasks.review.past import Past
from retailor.text.fields import texts

LEAST_TEST = 20
ROWS = {"template": "template", "nearest review": "nearest review"}
"""Step to the row of the writer's own figures; any other step is what the writer itself writes."""


def review_trial(inputs: Inputs) -> Trial:
    """Drafting reviews, ready to be tried. Raises MissingTable with too few reviews, ModelError."""
    # What people made of drafts is no review: it would teach rows that are said to have learned from nothing.
    train = inputs.train.with_tables(preferences=inputs.train.preferences.clear())
    test, given = inputs.test, inputs.given
    generator, work = inputs.generator, inputs.work
    train.require("the ledger of review", "items", "reviews")
    if not isinstance(generator, LocalGenerator):
        raise ModelError("a ledger of review needs a local generator, by name or folder.", asked="review")
    usable, _ = Past.of(test.with_tables(items=train.items), max_reviews=given.max_test)
    if len(usable) < LEAST_TEST:
        raise MissingTable(
            f"a ledger of review needs {LEAST_TEST} reviews with text, stars and a known item to test on, "
            f"and there are {len(usable)}."
        )
    base: ReviewSettings = inputs.dials or ReviewSettings()
    n = max(LEAST_TEST, base.max_evaluated)
    drawn = np.sort(stream(0, "prove", "test").permutation(len(usable))[:n])
    asked = test.with_tables(reviews=usable.reviews[drawn.tolist()])
    base = replace(base, max_evaluated=n)
    trying = _Trying(train, asked, generator, base, given, work)
    return Trial(
        task="review",
        model=generator.name,
        metric="rouge_l",
        unit="reviews",
        n_all=len(train.reviews),
        make=trying.cell,
        mark=[generator.name, trying.mark, int(asked.reviews.hash_rows(seed=0).sum() or 0), as_dict(base)],
        shared=trying.shared,
    )


@dataclass(frozen=True)
class _Trying:
    train: Shop
    test: Shop
    generator: LocalGenerator
    base: ReviewSettings
    given: ProveSettings
    work: Path

    def cell(self, step: str, n: int, seed: int, before: Cells) -> Cell:
        part, tunes = self._part(n, seed), step == "fine-tuned"
        most = self.given.train.max_steps
        settings = replace(self.base, seed=seed, tune=tunes)
        if most is not None:
            settings = replace(settings, train=replace(settings.train, max_steps=most))
        model = self._adapted[0] if step in ("domain adaptation", "fine-tuned") else self.generator
        writer = ReviewWriter(model, settings).fit(part)
        written, cases = writer.drafted(self.test, ROWS.get(step, "retailor"))
        training = writer.log.get("training", writer.log)
        return Cell(
            rouge_l(written, [case.text for case in cases]),
            seconds=float(training.get("seconds", 0.0)) if tunes else 0.0,
            examples_seen=int(training.get("examples_seen", 0)) if tunes else len(part.reviews),
            parameters_trained=int(training.get("n_parameters_trained", 0)) if tunes else 0,
        )

    def _part(self, n: int, seed: int) -> Shop:
        """The shop with so many reviews, drawn; all of them for 0. A smaller part lies in a larger."""
        if not n:
            return self.train
        drawn = np.sort(stream(seed, "prove", "reviews").permutation(len(self.train.reviews))[:n])
        return self.train.with_tables(reviews=self.train.reviews[drawn.tolist()])

    @cached_property
    def mark(self) -> list[int]:
        """What tells the training part from others."""
        told = (self.train.reviews, self.train.items.select(pl.col(pl.String)))
        return [int(table.hash_rows(seed=0).sum() or 0) for table in told]

    def shared(self) -> dict[str, float]:
        """Seconds of adapting to the shop's texts."""
        if self.given.steps and not {"domain adaptation", "fine-tuned"} & set(self.given.steps):
            return {}
        return {"domain adaptation": self._adapted[1]}

    @cached_property
    def _adapted(self) -> tuple[Generator, float]:
        """The generator, adapted to the shop's texts, and the seconds that it took."""
        from retailor.train.adapt import AdaptSettings, adapt_with_log

        usual = AdaptSettings()
        chosen = AdaptSettings(
            train=replace(usual.train, max_steps=self.given.adapt_steps),
            max_texts=self.given.adapt_texts, max_tokens=self.given.max_tokens,
        )  # fmt: skip
        mark = key_of(as_dict(chosen), self.generator.name, self.mark)[:16]
        folder = self.work / f"adapted-generator-{mark}"
        if not (folder / "log.json").exists():
            room = self.work / f"adapting-generator-{mark}"
            made, log = adapt_with_log(self.generator, texts(self.train), chosen, work=room)
            made.save(folder / "model")
            (folder / "log.json").write_text(json.dumps(log.seconds), encoding="utf-8")
            shutil.rmtree(room, ignore_errors=True)
        seconds = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        return load_generator(folder / "model"), float(seconds)
