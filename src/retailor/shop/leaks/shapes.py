"""A leak, and all that were found."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import polars as pl

from retailor.text.private import mask

KINDS: dict[str, str] = {
    "same row": "rows that are in training and in the test",
    "near-duplicate": "test texts that nearly are a training text",
    "target in the features": "the text to be found or written stands in what is known before",
    "future": "rows from after the test, in training, or from after today",
    "id": "ids that carry the answer",
    "row order": "the order of rows carries the answer",
    "customer on both sides": "customers on both sides whose rows give each other's answer away",
    "own label": "reviews that name their own label",
}
"""Kind to what it is. Each was planted, and found; see `tests/shop/test_leaks.py`."""
SHOWN = 5
MAX_CHARS = 90


@dataclass(frozen=True)
class Leak:
    """One way in which the answer is known before the question."""

    kind: str
    table: str
    n: int
    """Rows that have it."""
    of: int
    """Rows that were looked at for it."""
    detail: str
    """What was seen, in a few words."""
    rows: tuple[tuple[str, ...], ...]
    """Some of them: the row, and what it was seen by; without personal data, cut."""

    def __str__(self) -> str:
        share = f" ({self.n / self.of:.1%})" if self.of else ""
        told = f"{self.kind}, {self.table}: {self.n:,} of {self.of:,}{share}: {self.detail}"
        return "\n".join([told, *("    " + "  |  ".join(row) for row in self.rows)])


@dataclass(frozen=True)
class Leaks:
    """What was found, and how much was looked at."""

    leaks: tuple[Leak, ...]
    looked_at: dict[str, int]
    """Table to rows of it that were looked at, both parts together."""
    sampled: tuple[str, ...] = ()
    """Tables too large to be looked at whole: some of their rows, drawn."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    def lines(self) -> list[str]:
        """A sentence a leak, without its rows."""
        return [str(leak).partition("\n")[0] for leak in self.leaks]

    def __str__(self) -> str:
        rows = ", ".join(f"{n:,} {table}" for table, n in self.looked_at.items())
        some = f"; of {', '.join(self.sampled)} a part, drawn" if self.sampled else ""
        head = f"looked at {rows or 'nothing'}{some}"
        if not self.leaks:
            return f"{head}\nno leak found, of {len(KINDS)} kinds: {', '.join(KINDS)}"
        return "\n".join([head, *map(str, self.leaks)])


def shown(rows: Iterable[Sequence[Any]]) -> tuple[tuple[str, ...], ...]:
    """The first rows as they may be shown: masked, cut, one line each."""
    found: list[tuple[str, ...]] = []
    for row in rows:
        if len(found) == SHOWN:
            break
        found.append(tuple(_cut(mask(str(cell))) for cell in row if cell is not None))
    return tuple(found)


def _cut(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= MAX_CHARS else line[: MAX_CHARS - 1] + "…"


def rows_of(frame: pl.DataFrame) -> tuple[tuple[str, ...], ...]:
    """The first rows of a frame, as they may be shown."""
    return shown(frame.head(SHOWN).iter_rows())
