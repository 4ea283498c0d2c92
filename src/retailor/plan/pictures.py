"""The stage that looks at the items' pictures, and the tasks that are given what it saw."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from retailor.config import as_dict
from retailor.errors import DataError, MissingTable
from retailor.models.pictures.items import ItemPictures
from retailor.models.pictures.opening import load_pictures, open_pictures
from retailor.plan.settings import Plan
from retailor.plan.shop_stages import DEMO, files_key
from retailor.shop.demo.drawings import draw_pictures
from retailor.shop.fetching import Fetcher
from retailor.shop.images import images_of, picture_files
from retailor.shop.tables import open_shop
from retailor.store import artifact
from retailor.store.stages import Stage, is_made
from retailor.tasks.entry import Entry

NAME = "pictures"
Inputs = Mapping[str, Path]


def picture_stages(plan: Plan) -> list[Stage]:
    """The stage `pictures` of a plan that asks for it. Raises DataError without its folder; those of the
    demo shop are drawn into it."""
    if NAME not in plan.sections or NAME in plan.head.skip:
        return []
    settings, folder = plan.sections[NAME], _folder(plan)
    if not folder.is_dir() and plan.sections["shop"].reader == DEMO:
        draw_pictures(folder, plan.sections["shop"].size, plan.head.seed)
    if not folder.is_dir():
        raise DataError("[pictures]: there is no such folder.", path=folder)
    model = plan.folder / settings.model
    seen = [
        [path.relative_to(folder).as_posix(), artifact.file_sha256(path)] for path in picture_files(folder)
    ]
    dials = {name: value for name, value in as_dict(settings).items() if name != "folder"}
    key = (dials, dict(files_key(model)) if model.is_dir() else "", seen)
    return [Stage(NAME, "pictures", partial(_look, plan), ("clean",), key, may_be_absent=True)]


def _folder(plan: Plan) -> Path:
    folder: Path = (plan.folder / plan.sections[NAME].folder).resolve()
    return folder


def _look(plan: Plan, inputs: Inputs, folder: Path, work: Path) -> None:
    """The vectors of the pictures of the whole catalogue: no behaviour and no judgment is in them."""
    items = open_shop(inputs["clean"]).items
    model = plan.sections[NAME].model
    beside = plan.folder / model
    encoder = load_pictures(beside if beside.is_dir() else model)
    settings, fetcher = plan.sections[NAME], None
    if settings.fetch:
        fetcher = Fetcher(work / "fetched", settings.max_fetched, settings.max_fetch_s)
    found = ItemPictures.of(images_of(items, _folder(plan), fetcher), encoder, work=work)
    if not found.item_ids:
        told = "; ".join(f"{n:,} × {why}" for why, n in found.unread.items())
        raise MissingTable(
            f"no item of this shop has a picture that can be read{': ' + told if told else ''}."
        )
    found.save(folder)


def picture_note(inputs: Inputs) -> str:
    """What the report says of the items' pictures; '' where none were looked at."""
    if NAME not in inputs or not is_made(inputs, NAME):
        return ""
    about = artifact.read_manifest(inputs[NAME]).settings
    told = f"{about['n_items']:,} items have a picture"
    if about["unread"]:
        told += "; of others it could not be read: " + ", ".join(
            f"{n:,} × {why}" for why, n in about["unread"].items()
        )
    pairs = about["near_duplicates"]
    if pairs:
        some = ", ".join(f"{one} and {other}" for one, other in pairs[:5]) + " …" * (len(pairs) > 5)
        told += f"; the pictures of {len(pairs):,} pairs are as good as the same ({some})"
    return told + "."


def seeing(entry: Entry, task: Any, inputs: Inputs) -> Any:
    """The task with the pictures of the items, where there are any and it can see."""
    if entry.with_pictures is None or NAME not in inputs or not is_made(inputs, NAME):
        return task
    return entry.with_pictures(task, ItemPictures.load(inputs[NAME], open_pictures))
