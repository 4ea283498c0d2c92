"""Figures of a ledger: scores over seeds and cases, what a row gained, where to stop; and it in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.interval import bounds
from retailor.prove.contract import Cell
from retailor.prove.settings import Step
from retailor.seeds import stream

Floats = NDArray[np.float64]
N_RESAMPLES = 4000
BLOCK = 250
Gain = tuple[float, float, float]
"""A difference over the same seeds and test cases, and its interval."""


@dataclass(frozen=True)
class Cost:
    """What a row took, means over seeds; `shared_seconds` are spent once, whatever the share of the data."""

    seconds: float
    examples_seen: float
    parameters_trained: int
    shared_seconds: float = 0.0


@dataclass(frozen=True)
class Row:
    """One step on so much of the data."""

    step: str
    n: int
    score: float
    low: float
    high: float
    spread: float
    """Standard deviation over seeds."""
    against: str | None
    """The row above, None for the first."""
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    """Of all gains with so much data at once: see `Finding`."""
    cost: Cost
    n_test: int
    n_seeds: int
    has_model: bool = True
    validation: float | None = None
    stands: str = ""
    """Which systems it was, where it is the best of several on validation."""
    mark: str = ""
    """'stop': no dearer row is told apart from it; 'best': the highest; 'stop, best' for both."""

    def told_apart(self) -> bool:
        """Whether the interval of the gain excludes zero."""
        if self.gain_low is None or self.gain_high is None:
            return False
        return self.gain_low > 0 or self.gain_high < 0

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Finding:
    """What the rows on so much of the data say together.

    The control is the best row without a language model, the model the best one with it, both chosen on
    validation where all rows have one, else by the test. Every interval is Bonferroni's over `n_looks`
    comparisons: those with the row above, and as many with the best row or the control.
    """

    n: int
    stop: str
    """The first row, so the cheapest, that cannot be told from the best."""
    best: str
    control: str | None
    model: str | None
    gain: float | None
    """Of the model on the control."""
    gain_low: float | None
    gain_high: float | None
    n_looks: int

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)


# intervals ----------------------------------------------------------------------------------------


def interval(values: Floats, *, n_looks: int = 1, seed: int = 0) -> tuple[float, float]:
    """The 95 % bootstrap interval of the mean of values [S, n], over seeds and test cases at once.

    Seeds and cases are both drawn with replacement (Efron & Tibshirani, 1993): which texts were labelled and
    which were tested are both chance. With one seed, over cases alone. A case that a seed lacks is NaN.
    """
    return bounds(means_of(values[None], seed=seed)[0], n_looks=n_looks)


def means_of(values: Floats, *, seed: int = 0) -> Floats:
    """The means [R, B] of values [R, S, n] under B resamples of seeds and cases, the same for all R.

    Of NaN, cases that a seed does not have, the mean is over those that are drawn and there.
    """
    rng = stream(seed, "prove", "interval")
    n_rows, n_seeds, n = values.shape
    there = ~np.isnan(values)
    whole, values = bool(there.all()), np.where(there, values, 0.0)
    found = np.empty((n_rows, N_RESAMPLES))
    for start in range(0, N_RESAMPLES, BLOCK):
        size = min(BLOCK, N_RESAMPLES - start)
        seeds = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size) / n_seeds  # [b, S]
        cases = rng.multinomial(n, np.full(n, 1 / n), size) / n  # [b, n]
        means = np.einsum("rsb,bs->rb", values @ cases.T, seeds)
        if not whole:
            drawn = np.einsum("rsb,bs->rb", there @ cases.T, seeds)
            means = np.divide(means, drawn, out=np.full_like(means, np.nan), where=drawn > 0)
        found[:, start : start + size] = means
    return found


# rows ---------------------------------------------------------------------------------------------


def rows_of(
    steps: Sequence[Step],
    cells: Sequence[Sequence[Cell]],
    n: int,
    shared: Sequence[float],
    *,
    kind: str = "",
    model: str | None = None,
    n_kinds: int = 1,
) -> tuple[tuple[Row, ...], Finding]:
    """The rows of one size, and what they say together; `cells` are those of each step's seeds.

    Of one `kind` of cases, of `n_kinds` that are looked at, the control is the best row without a language
    model on these very cases, which can only make it stronger, and `model` names the row to compare with it.
    """
    values = np.stack(
        [np.stack([cell.kinds[kind] if kind else cell.values for cell in each]) for each in cells]
    )  # [R, S, n]
    values = values[:, :, ~np.isnan(values).all(axis=(0, 1))]
    n_looks = max(1, len(steps) - 1) * n_kinds
    rows = []
    for i, (step, each) in enumerate(zip(steps, cells, strict=True)):
        above = (steps[i - 1].name, values[i - 1]) if i else None
        cost = Cost(
            float(np.mean([cell.seconds for cell in each])),
            float(np.mean([cell.examples_seen for cell in each])),
            each[0].parameters_trained,
            shared[i],
        )
        row = row_of(step.name, n, values[i], cost, above, n_looks=n_looks)
        validation = None if kind else _validation(each)
        rows.append(replace(row, has_model=step.has_model, validation=validation, stands=_stands(each)))
    finding = _finding(rows, values, n_looks, model)
    return tuple(replace(row, mark=_mark(row.step, finding)) for row in rows), finding


def row_of(
    step: str,
    n: int,
    values: Floats,
    cost: Cost,
    above: tuple[str, Floats] | None,
    *,
    n_looks: int = 1,
    seed: int = 0,
) -> Row:
    """The row of values [S, n], compared with the (name, values) above it on the same seeds and cases.

    A case that a seed does not have is NaN, in all rows alike.
    """
    low, high = interval(values, seed=seed)
    gain, gain_low, gain_high = None, None, None
    if above is not None:
        gain, gain_low, gain_high = gain_of(values, above[1], n_looks=n_looks, seed=seed)
    return Row(
        step=step,
        n=n,
        score=float(np.nanmean(values)),
        low=low,
        high=high,
        spread=float(np.nanmean(values, axis=1).std(ddof=1)) if len(values) > 1 else 0.0,
        against=None if above is None else above[0],
        gain=gain,
        gain_low=gain_low,
        gain_high=gain_high,
        cost=cost,
        n_test=values.shape[1],
        n_seeds=len(values),
    )


def gain_of(values: Floats, other: Floats, *, n_looks: int, seed: int = 0) -> Gain:
    """The mean of values − other [S, n], and its interval."""
    difference = values - other
    low, high = interval(difference, n_looks=n_looks, seed=seed)
    return float(np.nanmean(difference)), low, high


def _validation(cells: Sequence[Cell]) -> float | None:
    known = [cell.validation for cell in cells if cell.validation is not None]
    return float(np.mean(known)) if len(known) == len(cells) else None


def _stands(cells: Sequence[Cell]) -> str:
    return ", ".join(sorted({cell.stands for cell in cells if cell.stands}))


def _finding(rows: Sequence[Row], values: Floats, n_looks: int, model: str | None) -> Finding:
    best = max(range(len(rows)), key=lambda i: rows[i].score)
    stop = next(i for i in range(len(rows)) if i == best or _level(values[best], values[i], n_looks))
    named = [i for i, row in enumerate(rows) if row.step == model]
    chosen = _chosen(rows, has_model=False), (named[0] if named else _chosen(rows, has_model=True))
    control, ours = (None if i is None else rows[i].step for i in chosen)
    gain: tuple[float | None, float | None, float | None] = (None, None, None)
    if chosen[0] is not None and chosen[1] is not None:
        gain = gain_of(values[chosen[1]], values[chosen[0]], n_looks=n_looks)
    return Finding(rows[0].n, rows[stop].step, rows[best].step, control, ours, *gain, n_looks)


def _level(best: Floats, other: Floats, n_looks: int) -> bool:
    return gain_of(best, other, n_looks=n_looks)[1] <= 0


def _chosen(rows: Sequence[Row], *, has_model: bool) -> int | None:
    """The best of the rows with a language model, or of those without one."""
    able = [i for i, row in enumerate(rows) if row.has_model is has_model]
    if not able:
        return None
    told = [rows[i].validation for i in able]
    by = [rows[i].score for i in able] if None in told else told
    return able[int(np.argmax(np.array(by, np.float64)))]


def _mark(step: str, finding: Finding) -> str:
    return ", ".join(
        name for name, where in (("stop", finding.stop), ("best", finding.best)) if where == step
    )


# in words -----------------------------------------------------------------------------------------


def points(value: float, low: float, high: float) -> str:
    """A difference in points with half the width of its interval: '+1.8 ± 0.6'."""
    half = 100 * (high - low) / 2
    digits = 2 if 0.005 <= half < 0.5 else 1
    return f"{100 * value:+.{digits}f} ± {half:.{digits}f}"


def verdict(step: str, rows: Sequence[Row], unit: str = "labels") -> str:
    """One sentence on a step over all sizes of the data, the small first."""
    parts = [_part(row, unit) for row in rows if row.step == step and row.gain is not None]
    return f"{step}: {', '.join(parts)}" if parts else f"{step}: nothing to compare it with"


def _part(row: Row, unit: str) -> str:
    assert row.gain is not None and row.gain_low is not None and row.gain_high is not None
    found, data = points(row.gain, row.gain_low, row.gain_high), f"with {row.n:,} {unit}"
    if not row.told_apart():
        return f"not distinguishable from zero {data} ({found})"
    return f"{found} points {data}"


def said(finding: Finding, unit: str) -> str:
    """What a merchant should do with so much data, in a sentence or two."""
    data = f"With {finding.n:,} {unit}"
    stop = f"Stop at '{finding.stop}'"
    if finding.stop != finding.best:
        stop += f": what comes after it, up to '{finding.best}', is not better beyond chance."
    else:
        stop += ": nothing cheaper comes as far."
    if finding.gain is None or finding.gain_low is None or finding.gain_high is None:
        return f"{data}: {stop}"
    found = points(finding.gain, finding.gain_low, finding.gain_high)
    model, control = finding.model, finding.control
    if finding.gain_low > 0:
        told = f"the language model pays: '{model}' is {found} points ahead of '{control}'."
    elif finding.gain_high < 0:
        told = f"the language model costs: '{model}' is {found} points from '{control}', which needs none."
    else:
        told = f"'{control}' is enough: '{model}' cannot be told from it ({found} points)."
    return f"{data} {told} {stop}"
