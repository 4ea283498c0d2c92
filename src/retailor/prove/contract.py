"""What every ledger is made of: cells, and a task that is ready to be tried on a shop."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.models.shapes import Encoder, Generator
from retailor.prove.settings import ProveSettings
from retailor.shop.tables import Shop
from retailor.store.keys import key_of

Floats = NDArray[np.float64]
N_DIGITS = 6
"""Of a value in a kept cell."""


@dataclass(frozen=True)
class Cell:
    """One step on one share of the data with one seed: the metric of each test case [n], and what it took."""

    values: Floats
    seconds: float
    examples_seen: int
    parameters_trained: int
    validation: float | None = None
    """The metric on what was held out of the training part; None where nothing was."""
    stands: str = ""
    """Which system it is, where the row is the best of several on validation."""
    kinds: Mapping[str, Floats] = field(default_factory=dict)
    """By kind of case: the metric of each test case of that kind [n], NaN where a case is none."""


@dataclass(frozen=True)
class Kind:
    """A kind of test cases that has curves of its own: those of some cases, or of all, asked otherwise."""

    name: str
    about: str
    """Which cases they are, in words."""


@dataclass(frozen=True)
class Inputs:
    """What the rows of a task are made of."""

    train: Shop
    test: Shop
    encoder: Encoder | None
    generator: Generator | None
    dials: Any
    """The task's own settings; None for its defaults."""
    given: ProveSettings
    work: Path


Cells = Mapping[str, Cell]
"""Step to cell, of those that stand before a row, on the same data with the same seed."""


@dataclass(frozen=True)
class Trial:
    """A task on one shop, ready to be tried."""

    task: str
    model: str
    """The name of the language model."""
    metric: str
    unit: str
    """What there may be little of: labels, events, judged queries, questions, reviews."""
    n_all: int
    """All of it in the training part."""
    make: Callable[[str, int, int, Cells], Cell]
    """(step, so much of it or 0 for all, seed, the cells before) to a cell."""
    mark: Any
    """JSON-able: all that tells this shop, its test cases and its models from others."""
    shared: Callable[[], Mapping[str, float]] = dict
    """Seconds of a step that are spent once, whatever the share; asked when its cells are made."""
    notes: tuple[str, ...] = ()
    """What a reader must know of the figures."""
    kinds: tuple[Kind, ...] = ()
    """Those that every cell tells apart."""


def kept_cell(path: Path, make: Callable[[], Cell]) -> Cell:
    """The cell kept at `path`, made now if it is not there; written whole or not at all."""
    if not path.exists():
        made = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        kinds = {name: _listed(values) for name, values in made.kinds.items()}
        told = {**vars(made), "values": _listed(made.values), "kinds": kinds}
        new = path.with_suffix(f".{uuid.uuid4().hex[:8]}.new")
        new.write_text(json.dumps(told), encoding="utf-8")
        new.replace(path)
    kept = json.loads(path.read_text(encoding="utf-8"))
    values, kinds = np.array(kept.pop("values"), np.float64), kept.pop("kinds")
    return Cell(values, **kept, kinds={name: np.array(some, np.float64) for name, some in kinds.items()})


def _listed(values: Floats) -> list[float | None]:
    """As JSON, which has no NaN."""
    return [None if np.isnan(value) else round(float(value), N_DIGITS) for value in values]


def cell_of(trial: Trial, step: str, n: int, seed: int, before: Cells, dials: Any, work: Path) -> Cell:
    """The cell of a trial, kept in `work` under all that made it, so that a killed ledger goes on."""
    path = cell_path(trial, step, n, seed, before, dials, work)
    return kept_cell(path, lambda: trial.make(step, n, seed, before))


def cell_path(trial: Trial, step: str, n: int, seed: int, before: Cells, dials: Any, work: Path) -> Path:
    """Where `cell_of` keeps a cell."""
    mark = key_of(trial.task, trial.mark, dials, [*before, step], n, seed)[:16]
    name = "".join(c if c.isalnum() else "-" for c in step)
    return work / "cells" / f"{trial.task}-{name}-{n}-{seed}-{mark}.json"


def adaptation_pays(before: Cells) -> bool:
    """Whether the adapted encoder is no worse than the frozen one, on validation where there is one."""
    pair = [before[step] for step in ("frozen encoder", "domain adaptation") if step in before]
    told = [cell.validation for cell in pair if cell.validation is not None]
    return told[1] >= told[0] if len(told) == 2 else "domain adaptation" in before
