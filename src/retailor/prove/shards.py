"""Cells of a ledger as shards: each draw of the data with one seed is made wherever there is a place."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retailor.models.encoding import Sent
from retailor.prove.contract import Cell, Inputs, Trial, cell_of, cell_path
from retailor.prove.settings import ProveSettings, Step
from retailor.prove.trials.table import trial_of
from retailor.shop.tables import Shop


@dataclass(frozen=True)
class Asked:
    """What a trial and its cells are made of, wherever they are made."""

    mark: str
    """Its own among all that a process is given."""
    task: str
    train: Shop
    test: Shop
    encoder: Sent | None
    dials: Any
    given: ProveSettings
    told: Mapping[str, Any]
    """The dials that cells are kept under."""
    steps: tuple[Step, ...]
    work: Path


_ready: dict[str, Trial] = {}


def cells_in(asked: Asked, shard: tuple[int, int]) -> Path:
    """The file of the last cell of a draw: all steps with so much of the data (0 for all) and a seed."""
    n, seed = shard
    trial = _trial(asked)
    made = row_of_cells(trial, asked.steps, n, seed, asked.told, asked.work)
    last = asked.steps[-1].name
    return cell_path(trial, last, n, seed, _all_but(made, last), asked.told, asked.work)


def row_of_cells(
    trial: Trial,
    steps: Sequence[Step],
    n: int,
    seed: int,
    told: Mapping[str, Any],
    work: Path,
    tell: Callable[[str, Cell], None] = lambda step, cell: None,
) -> dict[str, Cell]:
    """The cells of a draw by step, in order; each knows those before it, and `tell` gets each at once."""
    before: dict[str, Cell] = {}
    for step in steps:
        before[step.name] = cell_of(trial, step.name, n, seed, dict(before), told, work)
        tell(step.name, before[step.name])
    return before


def _all_but(made: Mapping[str, Cell], last: str) -> dict[str, Cell]:
    return {name: cell for name, cell in made.items() if name != last}


def _trial(asked: Asked) -> Trial:
    """Made once in a process, which is given one draw after the other."""
    if asked.mark not in _ready:
        _ready.clear()
        encoder = asked.encoder.encoder if asked.encoder else None
        inputs = Inputs(asked.train, asked.test, encoder, None, asked.dials, asked.given, asked.work)
        _ready[asked.mark] = trial_of(asked.task)(inputs)
    return _ready[asked.mark]
