"""Scores: one tidy table of results, the same from every task, report and benchmark."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

OURS = "retailor"
"""The row of the system that answers: in a table it comes first."""
MOST_DECIMALS = 4


@dataclass(frozen=True)
class Score:
    """One figure: the system (`row`), its metric, and a 95 % interval over `n` test cases."""

    row: str
    metric: str
    value: float
    low: float
    high: float
    n: int
    seconds: float = 0.0
    bucket: str = "all"
    """The part of the test cases it is over: 'all', or e.g. 'item seen 1-2'."""
    draws: NDArray[np.float64] | None = field(default=None, compare=False, repr=False)
    """The metric over resamples of the cases, the same resamples for every system; not saved."""


def decimals(low: float, high: float) -> int:
    """How many decimals an interval bears: two significant digits of half its length, four at most."""
    half = (high - low) / 2
    if not (math.isfinite(half) and half > 0):
        return MOST_DECIMALS
    return min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(half))))


def as_text(score: Score) -> str:
    """A figure as people read it: the value ± half of its interval, or that there was no case."""
    if not score.n or not math.isfinite(score.value):
        return "no cases"
    half, n = (score.high - score.low) / 2, decimals(score.low, score.high)
    return f"{score.value:.{n}f}" + (f" ±{half:.{n}f}" if math.isfinite(half) and half > 0 else "")


@dataclass(frozen=True)
class Scores:
    """Figures of several systems on one test set, the cheap baselines among them."""

    rows: tuple[Score, ...] = ()

    def __iter__(self) -> Iterator[Score]:
        return iter(self.rows)

    def __len__(self) -> int:
        return len(self.rows)

    def __add__(self, other: Scores) -> Scores:
        return Scores(self.rows + other.rows)

    def value(self, row: str, metric: str, bucket: str = "all") -> float:
        """The one figure so named. Raises KeyError when there is none."""
        for score in self.rows:
            if (score.row, score.metric, score.bucket) == (row, metric, bucket):
                return score.value
        raise KeyError((row, metric, bucket))

    def to_dicts(self) -> list[dict[str, Any]]:
        """Rows as plain dictionaries, for JSON."""
        names = [part.name for part in fields(Score) if part.name != "draws"]
        return [{name: getattr(score, name) for name in names} for score in self.rows]

    @classmethod
    def from_dicts(cls, rows: Iterable[dict[str, Any]]) -> Scores:
        """The inverse of `to_dicts`."""
        return cls(tuple(Score(**row) for row in rows))

    def __str__(self) -> str:
        """A plain text table: a line a system and bucket, our own first, and a column a metric.

        A cell is a value ± half of its interval, in as many digits as that bears.
        """
        metrics = list(dict.fromkeys(score.metric for score in self.rows))
        cells: dict[tuple[str, str], dict[str, str]] = {}
        sizes: dict[tuple[str, str], int] = {}
        for score in sorted(self.rows, key=lambda score: score.row != OURS):
            key = (score.row, score.bucket)
            cells.setdefault(key, {})[score.metric] = as_text(score)
            sizes[key] = score.n
        head = ["system", "bucket", *metrics, "n"]
        lines = [
            [row, bucket, *(found.get(metric, "") for metric in metrics), f"{sizes[row, bucket]:,}"]
            for (row, bucket), found in cells.items()
        ]
        widths = [max(len(line[i]) for line in [head, *lines]) for i in range(len(head))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
            for line in [head, *lines]
        )
