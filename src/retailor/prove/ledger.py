"""The ledger of a task on a shop: every step of transfer as a row, with what it gained and what it took."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retailor.config import as_dict
from retailor.errors import MissingTable
from retailor.metrics.scores import decimals
from retailor.models.encoding import Sent
from retailor.models.shapes import Encoder, Generator
from retailor.prove.contract import Cell, Inputs, Trial
from retailor.prove.figures import Cost, Finding, Row, rows_of, said, verdict
from retailor.prove.forecast import Forecast, caution, forecasts, foretold
from retailor.prove.kinds import OfKind, of_kind
from retailor.prove.settings import ROWS, ProveSettings, Step
from retailor.prove.shards import Asked, cells_in, row_of_cells
from retailor.prove.trials.table import trial_of
from retailor.runner import is_away, over_shards
from retailor.shop.split import split_by_time
from retailor.shop.tables import Shop

Tell = Callable[[str], None]
NOT_DIALS = ("tasks", "labels", "shares", "seeds", "steps", "test")
"""Settings that change which cells there are, and no cell."""


@dataclass(frozen=True)
class Ledger:
    """Rows by size of the data, then by step; what each size says, and a verdict a step."""

    task: str
    encoder: str
    metric: str
    unit: str
    rows: tuple[Row, ...]
    findings: tuple[Finding, ...]
    advice: tuple[str, ...]
    """What to do with so much data, a sentence or two a size."""
    verdicts: tuple[str, ...]
    """What each step was worth."""
    forecasts: tuple[Forecast, ...] = ()
    """Of each step, what more data would give; none with fewer than three sizes."""
    notes: tuple[str, ...] = ()
    kinds: tuple[OfKind, ...] = ()
    """The same rows on cases of one kind: items or customers of whom little is known."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return {
            "task": self.task,
            "encoder": self.encoder,
            "metric": self.metric,
            "unit": self.unit,
            "rows": [row.to_dict() for row in self.rows],
            "findings": [finding.to_dict() for finding in self.findings],
            "advice": list(self.advice),
            "verdicts": list(self.verdicts),
            "forecasts": [each.to_dict() for each in self.forecasts],
            "foretold": self.foretold(),
            "notes": list(self.notes),
            "kinds": [each.to_dict() for each in self.kinds],
        }

    @classmethod
    def from_dict(cls, told: dict[str, Any]) -> Ledger:
        """The inverse of `to_dict`."""
        return cls(
            task=told["task"],
            encoder=told["encoder"],
            metric=told["metric"],
            unit=told["unit"],
            rows=tuple(Row(**{**row, "cost": Cost(**row["cost"])}) for row in told["rows"]),
            findings=tuple(Finding(**each) for each in told["findings"]),
            advice=tuple(told["advice"]),
            verdicts=tuple(told["verdicts"]),
            forecasts=tuple(Forecast(**each) for each in told["forecasts"]),
            notes=tuple(told["notes"]),
            kinds=tuple(OfKind.from_dict(each) for each in told["kinds"]),
        )

    def sizes(self) -> list[int]:
        """How much data there was, the little first."""
        return list(dict.fromkeys(row.n for row in self.rows))

    def foretold(self) -> list[str]:
        """What more data would give the rows that matter, in words."""
        last = self.findings[-1] if self.findings else None
        names = (last.stop, last.best, last.control, last.model) if last else ()
        return [foretold(each, self.unit) for each in self.forecasts if each.step in names]

    def __str__(self) -> str:
        """A plain text table a size, then the verdicts, then a table a kind of cases."""
        lines = []
        for n in self.sizes():
            lines += [f"{n:,} {self.unit}", _head(self.metric)]
            lines += [_line(row) for row in self.rows if row.n == n] + [""]
        n_looks = max((finding.n_looks for finding in self.findings), default=1)
        how = f"Gains: 95 % intervals that hold for all {n_looks} steps of a size at once (Bonferroni)."
        ahead = [*self.foretold(), ""] if self.forecasts else []
        kinds = [line for each in self.kinds for line in ("", *each.table(self.unit))]
        return "\n".join([*lines, how, *self.notes, "", *self.advice, "", *ahead, *self.verdicts, *kinds])


def _head(metric: str) -> str:
    return (
        f"  {'step':<28}{metric:<18}{'gain on the row above':<26}"
        f"{'seconds':>9}{'examples':>10}{'weights':>13}"
    )


def _line(row: Row) -> str:
    n = decimals(row.low, row.high)
    score = f"{row.score:.{n}f} ±{(row.high - row.low) / 2:.{n}f}"
    gain = "" if row.gain is None else f"{row.gain:+.4f} ({row.gain_low:+.4f} to {row.gain_high:+.4f})"
    seconds = row.cost.seconds + row.cost.shared_seconds
    cost = f"{seconds:>9.1f}{row.cost.examples_seen:>10,.0f}{row.cost.parameters_trained:>13,}"
    mark = {"stop": "  ← stop here", "best": "  best", "stop, best": "  ← stop here, best"}.get(row.mark, "")
    stands = f"  ({row.stands})" if row.stands else ""
    return f"  {row.step:<28}{score:<18}{gain:<26}{cost}{mark}{stands}"


def prove(
    task: str,
    shop: Shop,
    encoder: Encoder | None,
    settings: ProveSettings | None = None,
    *,
    work: Path,
    test: Shop | None = None,
    generator: Generator | None = None,
    dials: Any = None,
    tell: Tell = lambda line: None,
) -> Ledger:
    """The ledger of a task in `shop`, tested on `test`, or on a part of the shop held out by time.

    Every cell (a step, a share of the data, a seed) is kept in `work`: a killed call goes on, and more seeds
    or shares cost only themselves. 'review' needs a `generator` and no encoder; `dials` are the task's own
    settings; `tell` gets a line a cell. Raises ConfigError on an unknown task, ModelError when the model
    cannot be trained here, DataError when there is too little to test on.
    """
    given = settings or ProveSettings()
    train, test = (shop, test) if test is not None else split_by_time(shop, test=given.test)
    ready = trial_of(task)
    steps = _steps(task, given)
    trial = ready(Inputs(train, test, encoder, generator, dials, given, work))
    told = {name: value for name, value in as_dict(given).items() if name not in NOT_DIALS}
    sizes = _sizes(trial, given, tell)
    if is_away() and generator is None:
        work = work.resolve()
        sent = Sent(encoder, work) if encoder is not None else None
        asked = Asked(uuid.uuid4().hex, task, train, test, sent, dials, given, told, steps, work)
        over_shards(partial(cells_in, asked), [(n, seed) for n in sizes for seed in given.seeds], "cells")
    rows: list[Row] = []
    findings: dict[int, Finding] = {}
    by_size: dict[int, list[list[Cell]]] = {}
    for n in sizes:
        cells: list[list[Cell]] = [[] for _ in steps]
        for seed in given.seeds:
            heard = partial(_tell_cell, tell, f"{task}, {n or trial.n_all:,} {trial.unit}", seed)
            made = row_of_cells(trial, steps, n, seed, told, work, heard)
            for i, cell in enumerate(made.values()):
                cells[i].append(cell)
        shared = trial.shared()
        once = [shared.get(step.name, 0.0) for step in steps]
        size = n or trial.n_all
        found, findings[size] = rows_of(steps, cells, size, once)
        rows += found
        by_size[size] = cells
    ahead = forecasts(rows)
    return Ledger(
        task=task,
        encoder=trial.model,
        metric=trial.metric,
        unit=trial.unit,
        rows=tuple(rows),
        findings=tuple(findings.values()),
        advice=tuple(said(finding, trial.unit) for finding in findings.values()),
        verdicts=tuple(verdict(step.name, rows, trial.unit) for step in steps[1:]),
        forecasts=ahead,
        notes=(*trial.notes, *caution(ahead, trial.unit)),
        kinds=tuple(
            of_kind(kind, len(trial.kinds), steps, by_size, findings, trial.unit) for kind in trial.kinds
        ),
    )


def _tell_cell(tell: Tell, size: str, seed: int, step: str, cell: Cell) -> None:
    tell(f"{size}, {step}, seed {seed}: {cell.values.mean():.4f}")


def _steps(task: str, given: ProveSettings) -> tuple[Step, ...]:
    """The rows that are asked for. Raises MissingTable where none of them is of the task."""
    chosen = tuple(step for step in ROWS[task] if not given.steps or step.name in given.steps)
    if not chosen:
        raise MissingTable(f"none of the rows that are asked for ({', '.join(given.steps)}) is of {task}.")
    return chosen


def _sizes(trial: Trial, given: ProveSettings, tell: Tell) -> Sequence[int]:
    """How much of the data, the little first, 0 for all; what the shop does not have is left out and told."""
    if given.shares or trial.unit != "labels":
        wanted = {0 if share == 1 else max(1, round(share * trial.n_all)) for share in given.shares or (1.0,)}
    else:
        wanted = set(given.labels)
    for size in sorted(wanted):
        if size >= trial.n_all:
            tell(f"{size:,} {trial.unit} are not fewer than the {trial.n_all:,} that there are: left out")
    return sorted(size for size in wanted if 0 < size < trial.n_all) + [0] * (0 in wanted)
