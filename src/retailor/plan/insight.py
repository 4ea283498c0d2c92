"""The shop, the reader and the encoder that an insight is made of: those of a run, or a bare shop's."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from retailor.config import as_dict
from retailor.errors import DataError
from retailor.insight.polarity import Reader, open_reader
from retailor.insight.settings import InsightSettings
from retailor.models.shapes import Encoder
from retailor.plan.run import Run, open_run
from retailor.plan.settings import changed, read_plan
from retailor.shop.tables import Shop, open_shop


@dataclass(frozen=True)
class Source:
    """What `find_insight` takes; a bare shop has neither reader nor encoder."""

    name: str
    shop: Shop
    settings: InsightSettings
    reader: Reader | None = None
    encoder: Encoder | None = None


def insight_source(folder: Path, overrides: Mapping[str, str]) -> Source:
    """The source in the folder of a run, with the section [insight] of its plan, or in a shop's folder.

    `overrides` are laid over the settings. Raises DataError when the folder is neither.
    """
    if (folder / "run.json").exists():
        return _of_run(folder, overrides)
    if not folder.is_dir():
        raise DataError("there is no such shop or run.", path=folder)
    settings = changed(InsightSettings, {}, overrides, "retailor insight")
    return Source(folder.resolve().name, open_shop(folder), settings)


def _of_run(folder: Path, overrides: Mapping[str, str]) -> Source:
    from retailor.models.local import load_encoder

    done, plan = open_run(folder), read_plan(folder / "plan.toml")
    settings = changed(InsightSettings, as_dict(plan.sections["insight"]), overrides, "retailor insight")
    adapted = _folder(done, "adapted")
    fitted = _folder(done, "sentiment")
    shop = next(done.out / stage.folder for stage in done.stages if stage.name == "clean")
    return Source(
        plan.head.name,
        open_shop(shop),
        settings,
        open_reader(fitted) if fitted and settings.reader != "words" else None,
        load_encoder(adapted / "model") if adapted else None,
    )


def _folder(done: Run, kind: str) -> Path | None:
    """The folder of the last stage of a kind: the first of the adapted models is the encoder."""
    folders = [done.out / stage.folder for stage in done.stages if stage.kind == kind]
    if kind == "adapted":
        return folders[0] if folders else None
    return folders[-1] if folders else None
