"""What `retailor init` says and writes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from retailor.errors import DataError
from retailor.shop.facts import FACTS_FILE
from retailor.shop.propose.proposal import Found
from retailor.shop.propose.write import plan_text
from retailor.shop.rules import PAGES

_MOST_FILES = 1_000
_NO_TABLES = frozenset(
    (
        ".jpg",
        ".jpeg",
        ".png",
        ".gif",
        ".webp",
        ".avif",
        ".bmp",
        ".svg",
        ".mp4",
        ".mov",
        ".pdf",
        ".md",
        ".toml",
    )
)
"""What lies in a folder beside its tables."""
_MARKDOWN = (".md", ".markdown")
_OF_RULES = re.compile(
    r"rule|polic|terms|deliver|shipping|return|warrant|help|faq|service|规则|政策|条款|配送|退|保修|帮助|服务|售后",
    re.IGNORECASE,
)


def rules_in(paths: Sequence[Path]) -> list[Path]:
    """The folders inside those given that hold the shop's rules, by their names; none inside another.

    They hold pages and nothing else but `facts.toml`: Markdown among them, or the folder is called by what
    such pages are about.
    """
    made: list[Path] = []
    for path in paths:
        inside = sorted(path.rglob("*")) if path.is_dir() else []
        for folder in [one for one in inside if one.is_dir() and not _is_hidden(one, path)]:
            if not any(known in folder.parents for known in made) and _holds_rules(folder):
                made.append(folder)
    return list(dict.fromkeys(made))


def _holds_rules(folder: Path) -> bool:
    files = [one for one in folder.rglob("*") if one.is_file() and not _is_hidden(one, folder)]
    pages = [one for one in files if one.suffix.lower() in PAGES]
    if not pages or any(one not in pages and one.name != FACTS_FILE for one in files):
        return False
    return bool(_OF_RULES.search(folder.name)) or any(one.suffix.lower() in _MARKDOWN for one in pages)


def files_in(paths: Sequence[Path], without: Sequence[Path] = ()) -> list[Path]:
    """The files, and those below each folder among them, in order of their names.

    Of a folder, hidden files, pictures and papers are left out, and the folders `without` in it.
    Raises DataError for a folder without a file, and for more than 1,000 files.
    """
    made: list[Path] = []
    for path in paths:
        if not path.is_dir():
            made.append(path)
            continue
        inside = sorted(
            one
            for one in path.rglob("*")
            if one.is_file() and _may_be_table(one, path) and not any(each in one.parents for each in without)
        )
        if not inside:
            raise DataError("this folder holds no files.", path=path)
        made += inside
    if len(made) > _MOST_FILES:
        raise DataError(f"{len(made):,} files are more than {_MOST_FILES:,}: name those that hold tables.")
    return list(dict.fromkeys(made))


def _may_be_table(path: Path, folder: Path) -> bool:
    return not _is_hidden(path, folder) and path.suffix.lower() not in _NO_TABLES


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def describe(found: Sequence[Found], rules: Sequence[Path] = ()) -> str:
    """A paragraph a file: what it is, and which column becomes what; and the folders of rules."""
    lines = [line for each in found for line in _lines(each)]
    for i, folder in enumerate(rules):
        told = "the shop's own rules" if i == 0 else "rules as well, left out: a plan has one folder of them"
        lines.append(f"{folder.name}: {told}")
    return "\n".join(lines)


def _lines(each: Found) -> list[str]:
    sample = each.sample
    more = f", {sample.n_rejects:,} lines that are no rows" if sample.n_rejects else ""
    size = f" ({'first ' if sample.cut else ''}{sample.n_rows:,} rows{more})" if sample.columns else ""
    reader = f", read by '{each.reader}'" if each.reader not in (None, "tabular") else ""
    lines = [f"{sample.name}: {each.what}{reader}{size}"]
    for table in each.tables:
        for ours, source in table.settings.get("columns", {}).items():
            if each.reader != "tabular" and source not in _names(each):
                continue  # made by its reader, or not in this file
            lines.append(f"  {source} → {table.table}.{ours}")
        for detail, source in table.settings.get("attributes", {}).items():
            if source not in _names(each):
                continue
            lines.append(f"  {source} → {table.table}.attributes ({detail})")
        for ours, value in table.settings.get("constants", {}).items():
            lines.append(f"  every row → {table.table}.{ours} = {value}")
        lines += [f"  unsure: {note}" for note in table.unsure]
    if each.unused and each.reader == "tabular":
        lines.append(f"  not used: {', '.join(each.unused[:25])}{' …' if len(each.unused) > 25 else ''}")
    return lines


def _names(each: Found) -> set[str]:
    sample = each.sample
    return {*sample.columns, *(name for columns in sample.lists.values() for name in columns)}


def write_plan(found: Sequence[Found], out: Path, rules: Path | None = None) -> None:
    """Writes the plan, whole or not at all; `rules` is the folder of the shop's own."""
    name = re.sub(r"[^\w.-]", "-", out.stem).strip("-") or "shop"
    out.parent.mkdir(parents=True, exist_ok=True)
    new = out.with_name(f".{out.name}.new")
    new.write_text(plan_text(found, out.parent, name, rules), encoding="utf-8")
    new.replace(out)
