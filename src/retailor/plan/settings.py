"""A Plan: what `retailor run` does, read from TOML, with every default resolved."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Literal, TypeVar

from retailor.compress.settings import CompressSettings
from retailor.config import Field, as_dict, read_settings, settings
from retailor.errors import ConfigError, DataError, nearest
from retailor.insight.settings import InsightSettings
from retailor.live.settings import DriftSettings, RefreshSettings
from retailor.models.formats.archives import SUFFIXES
from retailor.prove.settings import ProveSettings
from retailor.serve.settings import ServeSettings
from retailor.shop.sources.kept import Taken
from retailor.shop.sources.settings import Source, url_from
from retailor.tasks.registry import REFUSED, TASKS
from retailor.train.adapt import AdaptSettings
from retailor.train.settings import DeviceSettings

S = TypeVar("S")
STEPS = ("adapt", "adapt-generator", "refit", "compress", "prove", "insight", "pictures", *TASKS)
"""What `skip` may name."""


@settings
class ShopPlan:
    """[shop]: where the tables come from."""

    reader: str = "demo"
    """A reader's name (`retailor read --help` lists them), or 'demo' for the simulated shop."""
    files: tuple[str, ...] = ()
    """Paths; relative ones are relative to the plan's folder."""
    size: int = Field(200, ge=20, le=1_000_000)
    """Number of items of the demo shop."""
    max_rejects: int | float | None = Field(None, ge=0)
    """More unreadable rows than this stop the run: a number of rows, or the share of them, 0.05."""
    tables: dict[str, Any] | None = None
    """The column maps of reader 'tabular', one a table."""
    sources: tuple[Source, ...] = ()
    """Files of several formats, each `[[shop.sources]]` with a reader, files and tables of its own; or with
    the `url` of a database, a lake or a bucket in the place of files."""
    events_url: str | None = None
    """The log of a server that takes events in (`[serve] events_url`): what it has by now is fitted too."""
    events_until: int | None = Field(None, ge=0)
    """The number of the last line of that log that is taken; none: all there are."""
    rules: str | None = None
    """A folder with the shop's own rules (delivery, returns, payment …): Markdown or HTML,
    and `facts.toml`."""
    pseudonym_key_env: str | None = None
    """The environment variable that holds a key: ids of customers and reviews become a keyed hash."""


@settings
class SplitPlan:
    """[split]: how the test part is held out."""

    by: Literal["time", "leave-last-out"] = "time"
    test: float = Field(0.1, gt=0, lt=0.9)
    """The share of the events that is the test part, for `by = 'time'`."""
    since: str | None = None
    """An instant, such as 2026-11-28T09:30:00Z: what happened from then on is the test part, in the place of
    a share; of what has no time it is a share still."""


@settings
class ModelsPlan:
    """[models]: names, folders or addresses for `load_model`."""

    encoder: str = "auto"
    """'auto' takes 'minilm' for a shop in English, and 'e5' where other languages have a twentieth of it."""
    generator: str = "smollm2"
    runtime: Literal["torch", "openvino"] = "torch"
    """What a local decoder generates with; 'openvino' needs the extra `fast` and is several times faster."""


@settings
class PicturesPlan:
    """[pictures]: what the items look like, for the tasks that can see. Asked for by the section."""

    model: str = "efficientnet"
    """A name, folder or model of the hub for `load_pictures`."""
    folder: str = "."
    """Where the paths in the items' column `image` start, relative to the plan's folder."""
    fetch: bool = False
    """Whether pictures at addresses are fetched; from public addresses alone."""
    max_fetched: int = Field(10_000, ge=0)
    """So many addresses at most."""
    max_fetch_s: float = Field(3600.0, gt=0)
    """And for so long at most; a killed run goes on where it was."""


@settings
class Head:
    """The top of the file."""

    name: str = Field("shop", pattern=r"^[\w.-]+$")
    seed: int = Field(0, ge=0)
    skip: tuple[str, ...] = ()
    """Stages to leave out: adapt, adapt-generator, refit, compress, prove, insight, pictures, or a task.

    Without 'refit' the tasks are served as they were evaluated: they have not seen the test part.
    """


SECTIONS: dict[str, type[Any]] = {
    "shop": ShopPlan,
    "split": SplitPlan,
    "models": ModelsPlan,
    "train": DeviceSettings,
    "adapt": AdaptSettings,
    "compress": CompressSettings,
    "serve": ServeSettings,
    **{name: entry.settings for name, entry in TASKS.items()},
    "insight": InsightSettings,
    "refresh": RefreshSettings,
    "drift": DriftSettings,
}
ASKED: dict[str, type[Any]] = {"prove": ProveSettings, "pictures": PicturesPlan}
"""Sections of stages that run only where the plan has the section, be it empty: they take long, or need
what few shops have."""


@dataclass(frozen=True)
class Plan:
    """A resolved plan: the head and one settings object a section; of `ASKED`, those that it asks for."""

    head: Head
    sections: Mapping[str, Any]
    folder: Path
    """Relative paths start here."""
    taken: Mapping[int, Taken] = field(default_factory=dict)
    """The rows of sources with an address, by their number, where they were taken already."""

    def to_dict(self) -> dict[str, Any]:
        """Every setting, defaults included, as JSON-able values."""
        return {**as_dict(self.head), **{name: as_dict(value) for name, value in self.sections.items()}}

    def settled(self) -> Plan:
        """The same plan from whatever folder it is read: files and folders by their whole paths."""
        shop, models, adapt = (self.sections[name] for name in ("shop", "models", "adapt"))
        rules, general = self.rules(), adapt.general_file
        shop = replace(
            shop,
            files=tuple(map(self._whole, shop.files)),
            sources=tuple(map(self._whole_source, shop.sources)),
            rules=None if rules is None else str(rules),
        )
        adapt = replace(adapt, general_file=None if general is None else self._whole(general))
        named = {kind: getattr(models, kind) for kind in ("encoder", "generator")}
        whole = {kind: self._whole(name) for kind, name in named.items() if self.model(name) != name}
        models = replace(models, **whole)
        sections = {**self.sections, "shop": shop, "models": models, "adapt": adapt}
        sections |= {name: self.section(name) for name in TASKS if name in sections}
        if (seen := self.sections.get("pictures")) is not None:
            model = self._whole(seen.model) if (self.folder / seen.model).is_dir() else seen.model
            sections["pictures"] = replace(seen, folder=self._whole(seen.folder), model=model)
        return Plan(self.head, sections, self.folder, self.taken)

    def section(self, name: str) -> Any:
        """The settings of a task, files that they name by their whole paths."""
        settings = self.sections[name]
        named = {each: getattr(settings, each) for each in TASKS[name].files}
        whole = {each: self._whole(path) for each, path in named.items() if path is not None}
        return replace(settings, **whole) if whole else settings

    def _whole(self, name: str) -> str:
        return str((self.folder / name).resolve())

    def _whole_source(self, source: Source) -> Source:
        def whole(name: str | None) -> str | None:
            return None if name is None else self._whole(name)

        return replace(
            source,
            files=tuple(map(self._whole, source.files)),
            url=None if source.url is None else url_from(source.url, self.folder),
            password_file=whole(source.password_file),
            keep=whole(source.keep),
        )

    def model(self, name: str) -> str:
        """A model's name as `load_model` takes it: a relative folder or archive is relative to the plan."""
        beside = self.folder / name
        return str(beside) if beside.is_dir() or (beside.is_file() and name.endswith(SUFFIXES)) else name

    def rules(self) -> Path | None:
        """The folder of the shop's rules, absolute."""
        rules = self.sections["shop"].rules
        return None if rules is None else (self.folder / rules).resolve()

    def files(self) -> list[Path]:
        """The shop's files, absolute; also those of the rows that were taken."""
        return [path for files in self.files_by_source() for path in files]

    def files_by_source(self) -> list[list[Path]]:
        """The same, source by source."""
        return [
            [*map(Path, source.files), *self.taken.get(i, Taken()).files]
            for i, source in enumerate(self.sources())
        ]

    def sources(self) -> list[Source]:
        """The shop's files by format, absolute: of `[shop]` itself and of each `[[shop.sources]]`."""
        shop = self.sections["shop"]
        own = Source(reader=shop.reader, files=shop.files, tables=shop.tables)
        return [
            self._whole_source(source)
            for source in ([own] if shop.files or not shop.sources else []) + list(shop.sources)
        ]


def read_plan(path: Path, overrides: Mapping[str, str] | None = None) -> Plan:
    """The plan in a TOML file, with overrides such as {'sentiment.train.epochs': '2'} laid over it.

    Raises DataError when the file cannot be read and ConfigError on an unknown or bad setting.
    """
    path = Path(path)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError("there is no such plan; `plans/demo.toml` is one to start from.", path=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"this is not valid TOML: {error}.", path=path) from None
    for key, text in (overrides or {}).items():
        _override(values, key, text)
    return make_plan(values, path.resolve().parent)


def changed(cls: type[S], values: Mapping[str, Any], overrides: Mapping[str, str], where: str) -> S:
    """Settings of one class, with overrides such as {'train.epochs': '2'} laid over `values`."""
    laid = deepcopy(dict(values))
    for key, text in overrides.items():
        _override(laid, key, text)
    return read_settings(cls, laid, where)


def _override(values: dict[str, Any], key: str, text: str) -> None:
    try:
        value = tomllib.loads(f"x = {text}")["x"]
    except tomllib.TOMLDecodeError:
        value = text
    *sections, last = key.split(".")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {key}: '{section}' is a setting, not a section.", key=key, value=text)
    values[last] = value


def make_plan(values: Mapping[str, Any], folder: Path) -> Plan:
    """The plan of a nested mapping. Raises ConfigError that names the nearest known key."""
    head_values = {key: value for key, value in values.items() if not isinstance(value, Mapping)}
    known = {**SECTIONS, **ASKED}
    for key in values:
        if isinstance(values[key], Mapping) and key not in known:
            raise ConfigError(
                f"there is no section [{key}]; known: {', '.join(known)}.{_refused(key)}",
                key=key,
                nearest=nearest(key, known),
            )
        if key in known and not isinstance(values[key], Mapping):
            raise ConfigError(f"'{key}' is a section: write [{key}] and its settings below it.", key=key)
    head = read_settings(Head, head_values, "the plan")
    for name in head.skip:
        if name not in STEPS:
            raise ConfigError(
                f"skip: there is no stage '{name}'; known: {', '.join(STEPS)}.",
                key="skip",
                value=name,
                nearest=nearest(name, STEPS),
            )
    sections = {
        name: read_settings(cls, _laid(cls, values.get(name, {}), values, head.seed), f"[{name}]")
        for name, cls in known.items()
        if name in SECTIONS or name in values
    }
    return Plan(head, sections, folder)


def _refused(name: str) -> str:
    return f" The task '{name}' is left out: {REFUSED[name]}" if name in REFUSED else ""


def _laid(cls: type[Any], own: Mapping[str, Any], plan: Mapping[str, Any], seed: int) -> dict[str, Any]:
    """The plan's seed and its [train] are the defaults of every section that has them."""
    known = {field.name for field in fields(cls)}
    laid = {**({"seed": seed} if "seed" in known else {}), **own}
    train = laid.get("train", {})
    if "train" in known and isinstance(train, Mapping) and (plan.get("train") or train):
        laid["train"] = {**plan.get("train", {}), **train}
    return laid
