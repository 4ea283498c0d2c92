"""Values that hold further values: attributes and evidence, out of JSON or of JSON text in a column."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

import orjson

from retailor.shop.records import as_number, as_text


def nested_of_text(name: str, text: str) -> list[dict[str, Any]] | None:
    """The value of our column `name` ('attributes' or 'evidence') in a JSON text; None without one."""
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        return None
    return NESTED[name](value)


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
