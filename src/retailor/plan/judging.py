"""Champion and challenger on the newest days, which neither has seen, case by case.

Why it is fair. The instant of the cut lies behind all that the champion was fitted on. The challenger that is
scored was fitted on what happened before the cut; the champion that is scored is the one that is served, and
has taken in what happened between its fit and the cut, as its server has. So both know everything until
the cut and nothing after it, both are asked the same cases, and each case is compared with itself. What is
served after a promotion is the same recipe fitted on the days behind the cut as well: that it is not judged
itself is the price of judging anything at all. Items that were taken out meanwhile are asked of neither; the
champion still ranks them, which its server would not show.

A table without times is split by a hash of its rows, which puts the same rows into the test part of both:
there the champion's fit on its training part is scored, for the one that is served has seen the test part.
What that part has all the same, because it was split otherwise, is no case.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from retailor.errors import RetailorError
from retailor.live.settings import RefreshSettings
from retailor.metrics.interval import bounds
from retailor.metrics.scores import Score
from retailor.report.verdicts import lower_is_better, main_metric, our_score
from retailor.shop.tables import Shop, open_shop
from retailor.store.stages import ABSENT
from retailor.tasks.entry import Entry

CASES = {
    "recommend": "events", "search": "judgments", "answer": "questions", "sentiment": "reviews",
    "review": "reviews",
}  # fmt: skip
"""Task to the table that its cases come from."""
OWN = ["user_id", "item_id", "kind", "time"]


@dataclass(frozen=True)
class Judged:
    """A task's figures; `lower` is what the challenger is better by at least, with the certainty asked."""

    task: str
    metric: str = ""
    n: int = 0
    champion: float | None = None
    challenger: float | None = None
    difference: float | None = None
    interval: tuple[float, float] | None = None
    """Of 95 %, of the difference."""
    lower: float | None = None
    decides: bool = False
    reason: str = ""
    """Why it decides nothing."""

    def passes(self, worst: float) -> bool:
        """Whether the challenger is not worse than what the plan allows."""
        return self.lower is not None and self.lower >= worst

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


Stages = Mapping[str, tuple[str, Path]]
"""Name of a stage to its kind and folder."""


def judge(
    champion: Stages, challenger: Stages, entries: Mapping[str, Entry], settings: RefreshSettings
) -> list[Judged]:
    """The tasks of `judged`, those that decide and those that do not."""
    known = open_shop(champion["clean"][1])
    train, test = (open_shop(challenger["split"][1] / part) for part in ("train", "test"))
    fresh, test = since_fit(train, known), of_items(test, train.items["item_id"])
    found = []
    for name in settings.judged:
        if name not in entries or name not in CASES:
            found.append(Judged(name, reason="there is no way to judge this task"))
        elif not len(test.tables()[CASES[name]]):
            found.append(Judged(name, reason=f"the newest days have no {CASES[name]}"))
        else:
            found.append(_one(entries[name], champion, challenger, fresh, test, settings))
    return found


def since_fit(train: Shop, known: Shop) -> Shop:
    """The events and items of `train` that a shop of before does not have, or has otherwise."""
    events = train.events.join(known.events, on=OWN, how="anti", nulls_equal=True, maintain_order="left")
    old = dict(zip(known.items["item_id"], known.items.iter_rows(), strict=True))
    other = [old.get(row[0]) != row for row in train.items.select(known.items.columns).iter_rows()]
    return Shop.of(events=events, items=train.items.filter(pl.Series(other, dtype=pl.Boolean)))


def of_items(shop: Shop, item_ids: pl.Series) -> Shop:
    """The cases of a shop that are about some items, or about none."""
    kept = pl.col("item_id").is_in(item_ids.implode()) | pl.col("item_id").is_null()
    return shop.with_tables(**{name: shop.tables()[name].filter(kept) for name in set(CASES.values())})


def unseen(table: pl.DataFrame, train: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table without times whose words are not in what the champion was fitted on."""
    words = [name for name in ("query", "question", "text") if name in table.columns]
    return (
        table.join(train, on=words, how="anti", nulls_equal=True, maintain_order="left") if words else table
    )


def _one(
    entry: Entry, champion: Stages, challenger: Stages, fresh: Shop, test: Shop, settings: RefreshSettings
) -> Judged:
    table = test.tables()[CASES[entry.name]]
    untimed = "time" in table.columns and table["time"].null_count() == len(table)
    if untimed:
        name = CASES[entry.name]
        train = open_shop(champion["split"][1] / "train").tables()[name]
        test = test.with_tables(**{name: unseen(table, train)})
    before = _folder(champion, entry.name, ("fit",) if untimed else ("refit", "fit"))
    after = _folder(challenger, entry.name, ("fit",))
    if before is None or after is None:
        return Judged(entry.name, reason=f"the {'champion' if before is None else 'challenger'} has none")
    try:
        old = entry.load(before)
        if entry.update is not None:
            old = entry.update(old, fresh)
        a, b = entry.load(after).evaluate(test), old.evaluate(test)
    except RetailorError as error:
        return Judged(entry.name, reason=str(error))
    metric = main_metric(a)
    ours, theirs = our_score(a, metric), our_score(b, metric)
    if ours is None or theirs is None:
        return Judged(entry.name, metric, reason="there was no case")
    return compared(entry.name, ours, theirs, settings)


def compared(task: str, challenger: Score, champion: Score, settings: RefreshSettings) -> Judged:
    """The paired difference of two figures over the same cases; more is better, whatever the metric is."""
    a, b, n = challenger.draws, champion.draws, challenger.n
    figures = (task, challenger.metric, n, champion.value, challenger.value)
    if a is None or b is None or n != champion.n or a.shape != b.shape:
        return Judged(*figures, reason="the two were not asked the same cases")
    sign = -1 if lower_is_better(challenger.metric) else 1
    draws = sign * (a - b)
    difference = sign * (challenger.value - champion.value)
    finite = draws[np.isfinite(draws)]
    lower = float(np.quantile(finite, 1 - settings.confidence)) if len(finite) else math.nan
    reason = f"{n} cases are fewer than {settings.least_cases}" if n < settings.least_cases else ""
    if not math.isfinite(lower):
        return Judged(*figures, reason=reason or "the difference of the two has no figure")
    return Judged(*figures, difference, bounds(draws), lower, not reason, reason)


def _folder(stages: Stages, task: str, steps: tuple[str, ...]) -> Path | None:
    """Of the first of the steps whose artifact is there."""
    made = [stages[f"{step}-{task}"] for step in steps if f"{step}-{task}" in stages]
    return next((folder for kind, folder in made if kind != ABSENT), None)
