"""Ranks models for a task of a shop before any of them is trained."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from retailor.choose.candidates import Asked, looked_at
from retailor.choose.probes.table import probe_of
from retailor.choose.shapes import Choice, ChooseSettings
from retailor.errors import ConfigError, nearest
from retailor.runner import is_away
from retailor.shop.tables import Shop

ELSEWHERE = "Texts a second are of the machine of the cluster that read with the model."


def choose(
    shop: Shop,
    models: Sequence[str],
    settings: ChooseSettings | None = None,
    *,
    task: str = "sentiment",
    work: Path | None = None,
) -> Choice:
    """The named models, ranked for a task of the shop; each reads a sample, and none is trained.

    With `work` what is found of a model is kept there: a killed call goes on, another model costs only
    itself, and on a cluster each is looked at by a task of its own.
    Raises ConfigError without a model, on a task or a figure that there is not, DataError and MissingTable
    when the shop has too little to ask them.
    """
    given = settings or ChooseSettings()
    if not models:
        raise ConfigError("choose: name one model at the least, for example 'minilm'.", key="models")
    probe = probe_of(task)(shop, given)
    by = given.by or probe.figures[0]
    if by not in probe.figures:
        raise ConfigError(
            f"by: '{by}' is no figure of {task}; known: {', '.join(probe.figures)}.",
            key="by",
            value=by,
            nearest=nearest(by, probe.figures),
        )
    found = looked_at(list(dict.fromkeys(models)), probe, Asked(shop, task, given), work)
    found.sort(key=lambda one: one.figures[by], reverse=True)
    notes = (*probe.notes, ELSEWHERE) if is_away() and work is not None else probe.notes
    return Choice(task, tuple(found), by, probe.n, probe.unit, probe.beside, probe.control, notes)
