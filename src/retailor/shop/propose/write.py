"""A proposal as a plan: TOML that runs, with what is not sure as comments."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from retailor.shop.propose.proposal import Found, merged
from retailor.shop.read import TABULAR
from retailor.shop.sources.settings import Source

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SHOWN = 25


def plan_text(found: Sequence[Found], folder: Path, name: str, rules: Path | None = None) -> str:
    """The plan for what was found, its paths relative to the folder that it is written into."""
    sources = _sources(found)
    lines = [
        "# Proposed by `retailor init` from the files themselves: look it over, then",
        f"#   retailor run {name}.toml" if name != "plan" else "#   retailor run plan.toml",
        f"name = {toml(name)}",
        "",
        "[shop]",
        *([] if rules is None else [f"rules = {toml(_relative(rules, folder))}"]),
    ]
    one = len(sources) == 1
    for reader, some in sources.items():
        where = "shop" if one else "shop.sources"
        lines += [] if one else ["", "[[shop.sources]]"]
        lines += [f"reader = {toml(reader)}", *_files(some, folder)]
        if reader == TABULAR:
            lines += _tables(some, where)
        else:
            lines += [f"# {each.sample.name}: {each.what}" for each in some]
    for each in found:
        if each.reader is None:
            shown = ", ".join(each.unused[:_SHOWN])
            lines += ["", f"# {each.sample.name}: {each.what}, it is left out. It has: {_on_a_line(shown)}"]
    return "\n".join(lines) + "\n"


def sources_of(found: Sequence[Found]) -> list[Source]:
    """The same for `read_sources`, with paths as they were given."""
    return [
        Source(
            reader=reader,
            files=tuple(str(path) for path in dict.fromkeys(each.sample.path for each in some)),
            tables=_maps(some) if reader == TABULAR else None,
        )
        for reader, some in _sources(found).items()
    ]


def _sources(found: Sequence[Found]) -> dict[str, list[Found]]:
    """The files by reader; catalogues first, for what another file says of an item comes second."""
    sources: dict[str, list[Found]] = {}
    for each in sorted(found, key=lambda each: not _is_catalogue(each)):
        if each.reader is not None:
            sources.setdefault(each.reader, []).append(each)
    return sources


def _is_catalogue(each: Found) -> bool:
    return any(table.table == "items" and not table.settings.get("derived") for table in each.tables)


def _maps(some: Sequence[Found]) -> dict[str, list[dict[str, Any]]]:
    tables: dict[str, list[dict[str, Any]]] = {}
    for each in merged(some):
        for table in each.tables:
            tables.setdefault(table.table, []).append(dict(table.settings))
    return tables


def _files(some: Sequence[Found], folder: Path) -> list[str]:
    paths = [_relative(path, folder) for path in dict.fromkeys(each.sample.path for each in some)]
    if len(paths) == 1:
        return [f"files = {toml(paths)}"]
    return ["files = [", *(f"  {toml(path)}," for path in paths), "]"]


def _relative(path: Path, folder: Path) -> str:
    path = path.resolve()
    inside = os.path.relpath(path, folder.resolve())
    return Path(inside if inside.count("..") <= 2 else path).as_posix()


def _tables(some: Sequence[Found], where: str) -> list[str]:
    lines: list[str] = []
    for each in merged(some):
        for i, table in enumerate(each.tables):
            lines += [
                "",
                f"# {each.sample.name}: {each.what if i == 0 else table.table + ' out of the same rows'}",
            ]
            lines.append(f"[[{where}.tables.{table.table}]]")
            settings = dict(table.settings)
            columns = settings.pop("columns", {})
            lines += [f"{key} = {toml(value)}" for key, value in settings.items()]
            lines += ["[" + f"{where}.tables.{table.table}.columns]"]
            lines += [f"{ours} = {toml(source)}" for ours, source in columns.items()]
            lines += [f"# unsure: {_on_a_line(note)}" for note in table.unsure]
        if each.unused:
            shown = ", ".join(each.unused[:_SHOWN]) + (" …" if len(each.unused) > _SHOWN else "")
            lines.append(f"# not used: {_on_a_line(shown)}")
    return lines


def _on_a_line(text: str) -> str:
    return " ".join(re.sub(r"[\x00-\x1f\x7f]", " ", text).split())


def toml(value: Any) -> str:
    """A value in one line of TOML. The strings of JSON are strings of TOML."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{_key(key)} = {toml(each)}" for key, each in value.items()) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(toml, value)) + "]"
    return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else toml(key)
