"""The shop's own rules: a folder of Markdown or HTML, cut by heading, and a small file of checked facts."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

from retailor.errors import DataError
from retailor.shop.facts import FACTS_FILE, read_facts
from retailor.shop.tables import SCHEMAS, Shop
from retailor.text.languages import language_of

PAGES = (".md", ".markdown", ".txt", ".html", ".htm")
MAX_FILES = 1_000
MAX_FILE_BYTES = 2 << 20
_HTML = (".html", ".htm")
_ENCODINGS = ("utf-8-sig", "gb18030", "cp1252")
_UNSEEN = (
    "script, style, noscript, template, iframe, object, svg, nav, form, button, select, input, textarea, "
    "head, [hidden], [aria-hidden='true']"
)
_INVISIBLE = re.compile(
    r"display\s*:\s*none|visibility\s*:\s*hidden|font-size\s*:\s*0(?![.\d]*[1-9])|opacity\s*:\s*0(?![.\d]*[1-9])",
    re.IGNORECASE,
)
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6", "summary", "dt", "caption", "legend")
_BLOCKS = frozenset(
    (*_HEADINGS, "p", "li", "tr", "dd", "div", "section", "article", "main", "ul", "ol", "table", "tbody",
     "thead", "blockquote", "pre", "body", "header", "footer", "aside", "details", "dl", "figure", "fieldset",
     "address", "hr")
)  # fmt: skip
_SPACE = re.compile(r"\s+")


@dataclass(frozen=True)
class Rules:
    """What a folder of rules holds, as tables of a shop; files that cannot be read are `rejects`."""

    rules: pl.DataFrame
    facts: pl.DataFrame
    rejects: pl.DataFrame


def read_rules(folder: str | Path) -> Rules:
    """The rules in a folder and those below it. Raises DataError when there is none, or facts are wrong.

    A file of another kind is left alone; one that is empty, over 2 MiB or no text is a reject.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(
            "there is no such folder of rules; give one with Markdown or HTML files.", path=folder
        )
    paths = sorted(path for path in folder.rglob("*") if path.is_file())
    pages = [path for path in paths if path.suffix.lower() in PAGES and path.name[0] != "."]
    if len(pages) > MAX_FILES:
        raise DataError(f"{len(pages):,} files of rules; at most {MAX_FILES:,} are read.", path=folder)
    facts = folder / FACTS_FILE
    documents: dict[str, str] = {}
    rejects: list[tuple[str, int, str]] = []
    for path in pages:
        name = path.relative_to(folder).as_posix()
        text = _text_of(path)
        if isinstance(text, _Unreadable):
            rejects.append((str(path), 1, text.reason))
        else:
            documents[name] = text
    if not pages and not facts.is_file():
        raise DataError(f"no rules here: no file ends in {', '.join(PAGES)}.", path=folder)
    rules = cut(documents)
    told = set(rules["path"])
    rejects += [(str(folder / name), 1, "the file has no text") for name in documents if name not in told]
    return Rules(
        rules,
        read_facts(facts) if facts.is_file() else pl.DataFrame(schema=SCHEMAS["facts"]),
        pl.DataFrame(rejects, schema=SCHEMAS["rejects"], orient="row"),
    )


def with_rules(shop: Shop, folder: str | Path) -> Shop:
    """The shop with the rules of a folder."""
    found = read_rules(folder)
    return shop.with_tables(
        rules=found.rules, facts=found.facts, rejects=pl.concat([shop.rejects, found.rejects])
    )


def cut(documents: Mapping[str, str]) -> pl.DataFrame:
    """The table `rules` of documents by file name: a row a section, its blocks on lines of their own."""
    rows = [
        {"heading": heading, "text": text, "path": name, "language": _language(f"{heading}\n{text}")}
        for name, document in documents.items()
        for heading, text in _sections(name, document)
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["rules"])


@dataclass(frozen=True)
class _Unreadable:
    reason: str


def _text_of(path: Path) -> str | _Unreadable:
    if path.stat().st_size > MAX_FILE_BYTES:
        return _Unreadable(f"the file is over {MAX_FILE_BYTES >> 20} MiB")
    data = path.read_bytes()
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:
        return _Unreadable("the file is no text")
    for encoding in _ENCODINGS:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        # Bytes of a Latin alphabet read as Chinese give a lone rare letter among Latin ones.
        if encoding != "gb18030" or language_of(text) == "zh":
            return text
    return _Unreadable("the file is in no encoding that is known; save it as UTF-8")


def _language(text: str) -> str | None:
    language = language_of(text)
    return None if language == "und" else language


def _sections(name: str, document: str) -> Iterator[tuple[str, str]]:
    """Heading and text of each section that has text; a section is headed by all headings above it."""
    tree = _tree(name, document)
    above: dict[int, str] = {}
    lines: list[str] = []
    for level, line in _lines(tree):
        if level is None:
            lines.append(line)
            continue
        if lines:
            yield _heading(above, name), "\n".join(lines)
            lines = []
        above = {rank: text for rank, text in above.items() if rank < level} | {level: line}
    if lines:
        yield _heading(above, name), "\n".join(lines)


def _heading(above: Mapping[int, str], name: str) -> str:
    return " › ".join(above[rank] for rank in sorted(above)) or re.sub(r"[-_.]+", " ", Path(name).stem)


def _tree(name: str, document: str) -> Any:
    from selectolax.lexbor import LexborHTMLParser

    if Path(name).suffix.lower() not in _HTML:
        from markdown_it import MarkdownIt

        document = MarkdownIt("commonmark").enable("table").render(document)
    parser = LexborHTMLParser(document)
    for node in parser.css(_UNSEEN):
        node.decompose()
    for node in parser.css("[style]"):
        if _INVISIBLE.search(node.attributes.get("style") or ""):
            node.decompose()
    return parser.body


def _lines(node: Any) -> Iterator[tuple[int | None, str]]:
    """The text of each innermost block in order, with its rank where it is a heading, else None."""
    if node is None:
        return
    if node.tag == "tr":
        cells = [_plain(cell.text(separator=" ")) for cell in node.iter() if cell.tag in ("td", "th")]
        if any(cells):
            yield None, ": ".join((cells[0], "; ".join(cells[1:]))) if len(cells) > 1 else cells[0]
        return
    loose: list[str] = []
    for child in node.iter(include_text=True):
        if child.tag in _BLOCKS or (
            child.tag != "-text" and child.css_first("p, li, tr, h1, h2, h3, h4") is not None
        ):
            yield from _own(node, loose)
            loose = []
            yield from _lines(child)
        elif child.tag == "br":
            yield from _own(node, loose)
            loose = []
        elif child.tag != "_comment":
            loose.append(child.text(separator=" ") if child.tag != "-text" else child.text(deep=False))
    yield from _own(node, loose, whole=True)


def _own(node: Any, loose: list[str], *, whole: bool = False) -> Iterator[tuple[int | None, str]]:
    text = _plain("".join(loose))
    if not text:
        return
    if node.tag in _HEADINGS:
        yield (int(node.tag[1]) if node.tag[0] == "h" and node.tag[1:].isdigit() else 7), text
    elif whole and _is_bold(node, text):
        yield 7, text.rstrip(":：")
    else:
        yield None, text


def _is_bold(node: Any, text: str) -> bool:
    """A paragraph that is bold throughout heads what follows it, in pages that know no headings."""
    if node.tag not in ("p", "div") or len(text) > 80:
        return False
    bold = node.css_first("strong, b")
    return bold is not None and _plain(bold.text(separator=" ")) == text


def _plain(text: str) -> str:
    return _SPACE.sub(" ", text).strip()
