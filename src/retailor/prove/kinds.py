"""What each step is worth on the cases of one kind, by size of the data: curves beside that of all cases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from retailor.metrics.scores import decimals
from retailor.prove.contract import Cell, Kind
from retailor.prove.figures import Cost, Finding, Row, rows_of, said
from retailor.prove.settings import Step

LEAST_CASES = 20
"""Of a kind, with each seed: with fewer nothing is said."""


@dataclass(frozen=True)
class OfKind:
    """The rows of the cases of one kind, and what they say; a size with too few cases has neither."""

    name: str
    about: str
    cases: Mapping[int, int]
    """How many there are, by size of the data, with the seed that has the fewest."""
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    advice: tuple[str, ...]

    def few(self) -> dict[int, int]:
        """The sizes of which nothing is said, and how many cases each has."""
        told = {row.n for row in self.rows}
        return {n: cases for n, cases in self.cases.items() if n not in told}

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        rows, findings = ([each.to_dict() for each in some] for some in (self.rows, self.findings))
        cases = [[n, cases] for n, cases in self.cases.items()]
        return {**asdict(self), "cases": cases, "rows": rows, "findings": findings}

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> OfKind:
        """The inverse of `to_dict`."""
        return cls(
            name=told["name"],
            about=told["about"],
            cases={int(n): int(cases) for n, cases in told["cases"]},
            rows=tuple(Row(**{**row, "cost": Cost(**row["cost"])}) for row in told["rows"]),
            findings=tuple(Finding(**each) for each in told["findings"]),
            advice=tuple(told["advice"]),
        )

    def table(self, unit: str) -> list[str]:
        """Lines of text: a column a size, a row a step with its interval; then what it says."""
        sizes = list(dict.fromkeys(row.n for row in self.rows))
        head = "".join(f"{f'{n:,} {unit}':<20}" for n in sizes)
        lines = [f"{self.name}: {self.about}"] + ([f"  {'step':<28}{head}".rstrip()] if sizes else [])
        for step in dict.fromkeys(row.step for row in self.rows):
            told = "".join(f"{_score(row):<20}" for row in self.rows if row.step == step)
            lines.append(f"  {step:<28}{told}".rstrip())
        if sizes:
            lines.append(f"  {'cases':<28}{''.join(f'{self.cases[n]:<20,}' for n in sizes)}".rstrip())
        few = [f"With {n:,} {unit}: {cases:,} cases, too few to say." for n, cases in self.few().items()]
        return [*lines, *(f"  {one}" for one in (*few, *self.advice))]


def _score(row: Row) -> str:
    n = decimals(row.low, row.high)
    return f"{row.score:.{n}f} ±{(row.high - row.low) / 2:.{n}f}"


def of_kind(
    kind: Kind,
    n_kinds: int,
    steps: Sequence[Step],
    by_size: Mapping[int, Sequence[Sequence[Cell]]],
    findings: Mapping[int, Finding],
    unit: str,
) -> OfKind:
    """The rows of one of `n_kinds`, of the cells of each step's seeds by size of the data.

    `findings` are those of all cases, whose model is compared with the control here too.
    """
    cases: dict[int, int] = {}
    rows: list[Row] = []
    found: list[Finding] = []
    for n, cells in by_size.items():
        counts = [int((~np.isnan(cell.kinds[kind.name])).sum()) for cell in cells[0]]
        cases[n] = min(counts)
        if cases[n] < LEAST_CASES:
            continue
        free = [0.0] * len(steps)
        some, finding = rows_of(
            steps, cells, n, free, kind=kind.name, model=findings[n].model, n_kinds=n_kinds
        )
        rows += some
        found.append(finding)
    advice = tuple(said(finding, unit) for finding in found)
    return OfKind(kind.name, kind.about, cases, tuple(rows), tuple(found), advice)
