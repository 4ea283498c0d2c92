"""Files that people read, without what names or quotes somebody: JSON by its strings, HTML by its texts."""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from retailor.shop.gone import Gone

_TEXT = re.compile(r">([^<>]+)<")
_QUOTED = re.compile(r'="([^"<>]{8,})"')


def scrubbed_json(text: str, gone: Gone) -> str:
    """Every string that names or quotes them is a mark; a text that has none comes back as it is."""
    value = json.loads(text)
    better = _walked(value, gone)
    return text if better == value else json.dumps(better, ensure_ascii=False, indent=1)


def _walked(value: Any, gone: Gone) -> Any:
    if isinstance(value, str):
        return gone.scrubbed(value)
    if isinstance(value, list):
        return [_walked(each, gone) for each in value]
    if isinstance(value, dict):
        return {gone.scrubbed(key): _walked(each, gone) for key, each in value.items()}
    return value


def scrubbed_html(text: str, gone: Gone) -> str:
    """Texts between tags, and values of attributes."""

    def better(match: re.Match[str]) -> str:
        whole, said = match[0], html.unescape(match[1])
        clean = gone.scrubbed(said)
        return whole if clean == said else whole.replace(match[1], html.escape(clean))

    return _QUOTED.sub(better, _TEXT.sub(better, text))


def scrubbed_csv(text: str, gone: Gone) -> str:
    """By cells."""
    rows = [[gone.scrubbed(cell) for cell in row] for row in csv.reader(io.StringIO(text))]
    if rows == list(csv.reader(io.StringIO(text))):
        return text
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def scrubbed_lines(text: str, gone: Gone) -> str:
    """Line by line."""
    return "".join(gone.scrubbed(line) for line in text.splitlines(keepends=True))


SCRUBBERS: Mapping[str, Callable[[str, Gone], str]] = {
    ".json": scrubbed_json, ".html": scrubbed_html, ".csv": scrubbed_csv, ".md": scrubbed_lines,
    ".txt": scrubbed_lines,
}  # fmt: skip
