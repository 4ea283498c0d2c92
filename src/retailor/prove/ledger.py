"""The ledger of a task on a shop: every step of transfer as a row, with what it gained and what it took."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from retailor.config import as_dict
from retailor.errors import DataError, ModelError
from retailor.metrics.scores import decimals
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.shapes import Encoder
from retailor.prove.cells import Cell, drawn, kept_cell, sentiment_cell
from retailor.prove.figures import Cost, Floats, Row, row_of, verdict
from retailor.prove.settings import ProveSettings
from retailor.seeds import stream
from retailor.shop.split import split_by_time
from retailor.shop.tables import Shop
from retailor.store.keys import key_of
from retailor.tasks.sentiment.texts import Examples, read_examples
from retailor.text.fields import texts

LEAST_TEST = 20


@dataclass(frozen=True)
class Ledger:
    """Rows by number of labels, then by step; and a verdict a step."""

    task: str
    encoder: str
    rows: tuple[Row, ...]
    verdicts: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return {
            "task": self.task,
            "encoder": self.encoder,
            "rows": [row.to_dict() for row in self.rows],
            "verdicts": list(self.verdicts),
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Ledger:
        """The inverse of `to_dict`."""
        rows = tuple(Row(**{**row, "cost": Cost(**row["cost"])}) for row in told["rows"])
        return cls(told["task"], told["encoder"], rows, tuple(told["verdicts"]))

    def __str__(self) -> str:
        """A plain text table a number of labels, then the verdicts."""
        lines = []
        for n_labels in dict.fromkeys(row.n_labels for row in self.rows):
            lines += [f"{n_labels:,} labels", _HEAD]
            lines += [_line(row) for row in self.rows if row.n_labels == n_labels] + [""]
        return "\n".join([*lines, *self.verdicts])


_HEAD = (
    f"  {'step':<20}{'accuracy':<18}{'gain on the row above':<26}"
    f"{'seconds':>9}{'examples':>10}{'weights':>13}"
)


def _line(row: Row) -> str:
    n = decimals(row.low, row.high)
    score = f"{row.score:.{n}f} ±{(row.high - row.low) / 2:.{n}f}"
    gain = "" if row.gain is None else f"{row.gain:+.4f} ({row.gain_low:+.4f} to {row.gain_high:+.4f})"
    seconds = row.cost.seconds + row.cost.shared_seconds
    cost = f"{seconds:>9.1f}{row.cost.examples_seen:>10,.0f}{row.cost.parameters_trained:>13,}"
    return f"  {row.step:<20}{score:<18}{gain:<26}{cost}"


def prove(
    shop: Shop,
    encoder: Encoder,
    settings: ProveSettings | None = None,
    *,
    work: Path,
    test: Shop | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> Ledger:
    """The ledger of reading sentiment in `shop`, tested on `test`, or on a part of the shop held out by time.

    Every cell (a step, a number of labels, a seed) is kept in `work`: a killed call goes on, and more seeds
    or labels cost only themselves. `tell` gets a line a cell. Raises ModelError when the encoder cannot be
    trained here, DataError when there are too few labelled reviews to test on.
    """
    given = settings or ProveSettings()
    if not isinstance(encoder, LocalEncoder):
        raise ModelError(
            f"the encoder '{encoder.name}' has no network here that could be trained from scratch: a ledger "
            "needs a local model, by name or folder.",
            asked=encoder.name,
        )
    train, test = (shop, test) if test is not None else split_by_time(shop, test=given.test)
    cases = _test_cases(test, given)
    known = read_examples(train, once=True)
    sizes = _sizes(len(known), given, tell)
    adapted, shared = _adapted(encoder, train, given, work)
    found: dict[tuple[str, int], list[Cell]] = {}
    for n_labels in sizes:
        for step in given.steps:
            for seed in given.seeds:
                cell = _cell(step, n_labels, seed, train, cases, (encoder, adapted), given, work)
                found.setdefault((step, n_labels), []).append(cell)
                tell(f"{n_labels or len(known):,} labels, {step}, seed {seed}: {cell.hits.mean():.4f}")
    rows = _rows(found, len(known), given, shared)
    verdicts = tuple(verdict(step, rows) for step in given.steps[1:])
    return Ledger("sentiment", encoder.name, rows, verdicts)


def _test_cases(test: Shop, given: ProveSettings) -> Examples:
    cases = read_examples(test, once=False)
    if len(cases) < LEAST_TEST:
        raise DataError(
            f"a ledger needs {LEAST_TEST} labelled or rated reviews to test on, and there are {len(cases)}."
        )
    order = stream(0, "prove", "test").permutation(len(cases))[: given.max_test]
    return cases.take(np.sort(order))


def _sizes(n: int, given: ProveSettings, tell: Callable[[str], None]) -> list[int]:
    """Numbers of labels, the few first; a number that the shop does not have is left out and told."""
    for size in given.labels:
        if size >= n:
            tell(f"{size:,} labels are not fewer than the {n:,} that there are: left out")
    return sorted(size for size in set(given.labels) if 0 < size < n) + [0] * (0 in given.labels)


def _adapted(
    encoder: LocalEncoder, train: Shop, given: ProveSettings, work: Path
) -> tuple[LocalEncoder, float]:
    """The encoder adapted to the shop's texts, and the seconds it took; itself where no row asks for it."""
    if "domain adaptation" not in given.steps:
        return encoder, 0.0
    from retailor.train.adapt import AdaptSettings, adapt_with_log

    # A head is fitted on the vectors, so they need not stay near where they were.
    usual, most = AdaptSettings(), given.adapt_steps
    chosen = AdaptSettings(
        train=replace(usual.train, max_steps=most),
        head_steps=usual.head_steps if most is None else min(usual.head_steps, most),
        max_texts=given.adapt_texts, max_tokens=given.max_tokens, keep=0.0,
    )  # fmt: skip
    mark = key_of(as_dict(chosen), encoder.name, _sample(encoder, train))[:16]
    folder = work / f"adapted-{mark}"
    if not (folder / "log.json").exists():
        made, log = adapt_with_log(encoder, texts(train), chosen, work=work / f"adapting-{mark}")
        made.save(folder / "model")
        (folder / "log.json").write_text(json.dumps({"seconds": log.seconds}), encoding="utf-8")
        shutil.rmtree(work / f"adapting-{mark}", ignore_errors=True)
    opened = load_encoder(folder / "model")
    assert isinstance(opened, LocalEncoder)
    return opened, float(json.loads((folder / "log.json").read_text(encoding="utf-8"))["seconds"])


def _sample(encoder: LocalEncoder, train: Shop) -> Any:
    """What tells the encoder's weights and the shop's texts: some vectors, and hashes of three tables."""
    vectors = np.round(encoder.encode(["a", "好"]), 3).tolist()
    told = (train.reviews, train.items.select(pl.col(pl.String)), train.questions.select(pl.col(pl.String)))
    return vectors, [int(table.hash_rows(seed=0).sum() or 0) for table in told]


def _cell(
    step: str,
    n_labels: int,
    seed: int,
    train: Shop,
    cases: Examples,
    encoders: tuple[LocalEncoder, LocalEncoder],
    given: ProveSettings,
    work: Path,
) -> Cell:
    dials = {k: v for k, v in as_dict(given).items() if k not in ("labels", "seeds", "steps")}
    before = [s for s in given.steps if given.steps.index(s) <= given.steps.index(step)]
    queries = [(query.text, query.aspect) for query in cases.queries]
    mark = key_of(dials, before, queries, cases.y.tolist(), _sample(encoders[0], train))[:16]
    name = step.replace(" ", "-").replace(",", "")
    path = work / "cells" / f"{name}-{n_labels}-{seed}-{mark}.json"
    return kept_cell(
        path, lambda: sentiment_cell(step, seed, drawn(train, n_labels, seed), cases, encoders, given)
    )


def _rows(
    found: dict[tuple[str, int], list[Cell]], n_all: int, given: ProveSettings, shared: float
) -> tuple[Row, ...]:
    rows: list[Row] = []
    above: tuple[str, Floats] | None = None
    size: int | None = None
    for (step, n_labels), cells in found.items():
        above, size = (above if n_labels == size else None), n_labels
        hits = np.stack([cell.hits for cell in cells])
        cost = Cost(
            float(np.mean([cell.seconds for cell in cells])),
            float(np.mean([cell.examples_seen for cell in cells])),
            cells[0].parameters_trained,
            shared if step == "domain adaptation" else 0.0,
        )
        rows.append(row_of(step, n_labels or n_all, hits, cost, above))
        above = (step, hits)
    return tuple(rows)
