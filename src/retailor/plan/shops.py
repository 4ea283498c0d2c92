"""The shop that a command is about: a shop's own folder, or the one inside a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retailor.errors import DataError
from retailor.plan.encoder import AUTO, encoder_for
from retailor.plan.run import open_run
from retailor.plan.settings import read_plan
from retailor.shop.tables import Shop, open_shop


@dataclass(frozen=True)
class Found:
    """A shop to learn from, the part to test on where it is split already, and the plan's encoder."""

    train: Shop
    test: Shop | None
    encoder: str
    adapted: Path | None = None
    """The folder of the run's own encoder, where it has adapted one."""
    dials: Mapping[str, Any] = field(default_factory=dict)
    """The plan's sections by name."""


def shop_and_split(source: Path) -> Found:
    """The shop of a folder that `read` wrote, of a run's folder, or of a plan that has run into `out/NAME`.

    Raises DataError when there is none, or when the plan has not run yet.
    """
    if source.suffix == ".toml":
        return _of_run(Path("out") / read_plan(source).head.name)
    if (source / "run.json").exists():
        return _of_run(source)
    if not source.exists():
        raise DataError("there is no such shop, run or plan.", path=source)
    shop = open_shop(source)
    return Found(shop, None, encoder_for(AUTO, shop))


def _of_run(folder: Path) -> Found:
    done = open_run(folder)
    split = next(stage for stage in done.stages if stage.name == "split")
    plan = read_plan(folder / "plan.toml")
    parts = (open_shop(folder / split.folder / part) for part in ("train", "test"))
    train, test = parts
    adapted = next(
        (
            folder / one.folder / "model"
            for one in done.stages
            if one.kind == "adapted" and one.name == "adapt"
        ),
        None,
    )
    named = encoder_for(plan.sections["models"].encoder, train)
    return Found(train, test, named, adapted, plan.sections)
