"""Values that hold further values: attributes and evidence, out of JSON or of JSON text in a column."""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from retailor.shop.files.records import as_number, as_text

_LONGEST_LITERAL = 1 << 16  # a syntax tree takes a hundred times its text
_PAIR = re.compile(r"([^=:：|]{1,60}?)\s*[=:：]\s*([^=]*\S)", re.DOTALL)


def nested_of_text(name: str, text: str) -> list[dict[str, Any]] | None:
    """The value of our column `name` ('attributes' or 'evidence') in a JSON text; None without one.

    Attributes may also be 'name=value' or 'name:value' pairs, with commas, semicolons or bars between.
    """
    made = NESTED[name](loaded(text))
    return made or pairs_of_text(text) if name == "attributes" else made


def pairs_of_text(text: str) -> list[dict[str, Any]] | None:
    """Name and value of 'color=Blue,size=M', 'material : oak | legs : four', '颜色:红色;尺码:XL'.

    None where a part has no name of at most 60 letters, or no value.
    """
    if len(text) > _LONGEST_LITERAL or text[:1] in "[{" or "://" in text:
        return None
    for between in ("|", ";", "；", "\n", ",", "，"):
        parts = [part for part in text.split(between) if part.strip()]
        pairs = [_PAIR.fullmatch(part.strip()) for part in parts]
        if parts and all(pairs) and (len(parts) > 1 or between == "，"):
            return [{"name": pair[1].strip(), "value": pair[2].strip()} for pair in pairs if pair]
    return None


def loaded(text: str) -> Any:
    """What a JSON text or a Python literal holds; None where it is neither, or longer than 64 KiB."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        pass
    if len(text) > _LONGEST_LITERAL or text[:1] not in "[{(":
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # old literals hold escapes that Python frowns on
            return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return None


def path_of_text(text: str) -> list[str] | None:
    """The parts of a category path in a JSON or Python list, maybe none; None where the text is no list."""
    value = loaded(text)
    return path_of(value) or [] if isinstance(value, (list, tuple)) else None


def path_of(value: Any) -> list[str] | None:
    """The category path in a list of texts, of objects with a name, or of paths, the first one; else None."""
    if not isinstance(value, (list, tuple)):
        return None
    if value and isinstance(value[0], (list, tuple)):
        return path_of(next((path for path in value if path), []))
    named = (each.get("name", each.get("title")) if isinstance(each, Mapping) else each for each in value)
    return [text.strip() for text in map(as_text, named) if text] or None


def pairs_of(value: Any) -> list[dict[str, str]] | None:
    """Name and value pairs of an object, or of a list of objects with name and value; None without any."""
    if isinstance(value, Mapping):
        entries = list(value.items())
    elif isinstance(value, list):
        entries = [(e.get("name"), e.get("value")) for e in value if isinstance(e, Mapping)]
    else:
        return None
    texts = [(as_text(name), as_text(worth)) for name, worth in entries]
    return [{"name": name.strip(), "value": worth.strip()} for name, worth in texts if name and worth] or None


def evidence_of(value: Any) -> list[dict[str, Any]] | None:
    """Evidence out of a list of texts, or of objects with text, source and relevance; None without any."""
    if not isinstance(value, list):
        return None
    found = []
    for entry in value:
        given = entry if isinstance(entry, Mapping) else {"text": entry}
        text, relevance = as_text(given.get("text")), None
        with suppress(TypeError):
            relevance = as_number(given.get("relevance"))
        if text:
            found.append({"text": text, "source": as_text(given.get("source")), "relevance": relevance})
    return found or None


NESTED = {"attributes": pairs_of, "evidence": evidence_of}
