"""Cells that could not be read: counted by table, column and reason, with a few examples."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import polars as pl

from retailor.shop.tables import SCHEMAS
from retailor.text.private import mask

_N_EXAMPLES = 5
_N_REASONS = 40
"""A column; further reasons are counted together."""
_VALUE = re.compile(r"'[^']*'|\d[\d.,]*")
_LETTERS = 80

Key = tuple[str, str, str, str]


class Unread:
    """Counts of lost cells, and remarks on how a column was read; bounded, whatever the files hold."""

    def __init__(self, names: Mapping[str, str] | None = None) -> None:
        """`names`: path to what it is called instead."""
        self.remarks: list[str] = []
        self._names = {} if names is None else names
        self._found: dict[Key, tuple[str, int, list[str]]] = {}
        self._n_reasons: dict[tuple[str, str, str], int] = {}

    def add(
        self, path: str, table: str, column: str, reason: str, n: int, cells: Iterable[tuple[int, str]]
    ) -> None:
        """Counts `n` cells that are null for one reason; `cells` are the lines and texts of some."""
        place, reason = (self._names.get(path, path), table, column), mask(reason)
        key = (*place, _VALUE.sub("…", reason))
        if key not in self._found:
            self._n_reasons[place] = self._n_reasons.get(place, 0) + 1
            if self._n_reasons[place] > _N_REASONS:
                key = (*place, "other reasons")
                reason = key[-1]
        first, before, examples = self._found.get(key, (reason, 0, []))
        more = [f"'{mask(text[:_LETTERS])}' (line {line})" for line, text in cells]
        self._found[key] = (first, before + n, [*examples, *more][:_N_EXAMPLES])

    def remark(self, path: str, text: str) -> None:
        """Says how something was read that could have been read otherwise."""
        told = f"{Path(self._names.get(path, path)).name}: {text}"
        if told not in self.remarks:
            self.remarks.append(told)

    def counts(self, path: str) -> Iterator[tuple[str, str, int]]:
        """Table, column and the number of lost cells, for the streams of one file."""
        found: dict[tuple[str, str], int] = {}
        for (name, table, column, _), (_, n, _) in self._found.items():
            if name == path or name.startswith(f"{path}/"):
                found[table, column] = found.get((table, column), 0) + n
        for (table, column), n in found.items():
            yield table, column, n

    def frame(self) -> pl.DataFrame:
        """The counts as the table `unread`, the most frequent first."""
        rows = [
            (path, table, column, reason, n, examples)
            for (path, table, column, _), (reason, n, examples) in self._found.items()
        ]
        rows.sort(key=lambda row: -row[4])
        return pl.DataFrame(rows, schema=SCHEMAS["unread"], orient="row")


def unread_lines(unread: pl.DataFrame) -> list[str]:
    """A line for each table, column and reason: how many cells, why, and an example."""
    order = ["table", "column", "reason"]
    counts = unread.group_by(order, maintain_order=True).agg(pl.col("n").sum(), pl.col("examples").first())
    counts = counts.sort("n", descending=True, maintain_order=True)
    return [
        f"{table}.{column}: {n:,} {'cell' if n == 1 else 'cells'} left empty, like "
        f"{', '.join((examples or [])[:3])}, which {reason}"
        for table, column, reason, n, examples in counts.iter_rows()
    ]
