"""What there is to serve in a folder: a run, one artifact, or a folder of artifacts; and what opens it."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from retailor.cache import Cache, LayeredCache, MemoryCache, layered, open_cache
from retailor.errors import DataError
from retailor.models.shapes import Encoder, OpenEncoder
from retailor.serve.settings import ServeSettings
from retailor.store import artifact

RUN, PLAN = "run.json", "plan.toml"


@dataclass(frozen=True)
class Contents:
    """Where the tasks and the shop of a run are, and which tasks it left out, with the reason."""

    name: str
    tasks: Mapping[str, Path]
    shop: Path | None = None
    absent: Mapping[str, str] = field(default_factory=dict)
    compressed: Mapping[str, Path] = field(default_factory=dict)
    """Fingerprint of an encoder to the folder of the compressed one that answers in its place."""
    insight: Path | None = None
    """The folder of what customers say, as told to the merchant."""
    pictures: Path | None = None
    """Where the paths of the items' pictures start, as the run's plan has it."""


def contents_of(folder: Path, kinds: Collection[str]) -> Contents:
    """The contents of a folder; `kinds` are the tasks that can be loaded.

    Of two artifacts of a kind the later stage wins. Raises DataError when there is no task to serve.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError("there is no such folder.", path=folder)
    found = _of_run(folder, kinds) if (folder / RUN).exists() else _of_folders(folder, kinds)
    if not found.tasks:
        raise DataError(
            f"there is no task to serve here ({', '.join(sorted(kinds))}); "
            "give the folder of a finished `retailor run`, or of a saved task.",
            path=folder,
        )
    return found


def _of_run(folder: Path, kinds: Collection[str]) -> Contents:
    path = folder / RUN
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        name, stages = str(record["name"]), [_stage(row) for row in record["stages"]]
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"this is no record of a run ({error!r}); run it again.", path=path) from None
    tasks: dict[str, Path] = {}
    absent: dict[str, str] = {}
    shops: dict[str, Path] = {}
    compressed: dict[str, Path] = {}
    insight: Path | None = None
    for stage in stages:
        if stage["kind"] in kinds:
            tasks[stage["kind"]] = _inside(folder, stage["folder"])
        elif stage["kind"] == "shop":
            shops[stage["name"]] = _inside(folder, stage["folder"])
        elif stage["kind"] == "compressed":
            compressed |= _compressed(_inside(folder, stage["folder"]))
        elif stage["kind"] == "insight":
            insight = _inside(folder, stage["folder"])
        elif stage["kind"] == "absent":
            absent[stage["name"].removeprefix("fit-")] = stage["reason"]
    missing = {kind: reason for kind, reason in absent.items() if kind in kinds and kind not in tasks}
    strangers = {stage["kind"] for stage in stages if stage["name"] == f"fit-{stage['kind']}"} - {*kinds}
    missing |= dict.fromkeys(sorted(strangers), "the package that has this task is not installed here")
    pictures = _pictures(folder)
    return Contents(name, tasks, _best_shop(shops), missing, compressed, insight, pictures)


def _pictures(folder: Path) -> Path | None:
    path = folder / PLAN
    plan = tomllib.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    named = plan.get("pictures", {}).get("folder")
    return None if named is None else folder / named


def _compressed(folder: Path) -> dict[str, Path]:
    """The encoders that a compressed one was made from, by fingerprint."""
    stands_for = artifact.read_manifest(folder).settings.get("stands_for", ())
    return {str(fingerprint): folder / "encoder" for fingerprint in stands_for}


def _stage(row: Mapping[str, Any]) -> dict[str, str]:
    return {
        **{key: str(row[key]) for key in ("name", "kind", "folder")},
        "reason": str(row.get("reason") or "left out"),
    }


def _inside(folder: Path, relative: str) -> Path:
    """The stage's folder. A record from elsewhere must not make us read outside of its run."""
    path = (folder / relative).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise DataError(
            f"the stage folder '{relative}' lies outside of the run.", path=folder / RUN, value=relative
        )
    return path


def _of_folders(folder: Path, kinds: Collection[str]) -> Contents:
    one = (folder / artifact.MANIFEST).exists()
    inner = sorted(path.parent for path in folder.glob(f"*/{artifact.MANIFEST}"))
    tasks: dict[str, Path] = {}
    shops: dict[str, Path] = {}
    for path in [folder] if one else inner:
        if path.name.startswith("."):
            continue
        kind = artifact.read_manifest(path).kind
        if kind in kinds:
            tasks[kind] = path
        elif kind == "shop":
            shops[path.name] = path
    return Contents(folder.resolve().name, tasks, _best_shop(shops))


def _best_shop(shops: Mapping[str, Path]) -> Path | None:
    """The cleaned shop where there is one, else the last."""
    return shops.get("clean") or next(reversed([*shops.values()]), None)


def cache_of(settings: ServeSettings, space: str = "") -> Cache:
    """The cache of the settings, with memory in front of a slower one; `space` is what keeps it apart from
    others at the same URL."""
    memory = MemoryCache(settings.memory_mb * 2**20)
    if settings.cache_url == "memory:":
        return memory
    behind = open_cache(settings.cache_url, space)
    return behind if isinstance(behind, MemoryCache) else layered(memory, behind)


def nearest_cache(cache: Cache) -> Cache:
    """The part of a cache that is in this process's memory; a get of it waits for nothing."""
    return cache.fast if isinstance(cache, LayeredCache) else cache


def opener_of(settings: ServeSettings) -> OpenEncoder:
    """What opens encoders, in the runtime of the settings."""

    def opened(folder: Path) -> Encoder:
        from retailor.models.runtimes.backends import open_encoder

        return open_encoder(folder, settings.backend, settings.provider)

    return opened
