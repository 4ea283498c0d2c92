"""Metadata rows of Amazon Reviews, all eras, as rows of the items table."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import orjson

from retailor.shop.files.records import Row, as_number, as_text

_PRICE = re.compile(
    r"(?:from\s*)?(?:US\s*)?\$?\s*(\d[\d,]*(?:\.\d+)?)\s*(?:(?:-|–|to)\s*\$?\s*[\d,]+(?:\.\d+)?)?\s*"
)
_SPACE = re.compile(r"\s+")
# `rank`, `also_buy` and the like describe the market, not the thing; ratings would leak held-out reviews
_DETAIL_TABLES = ("details", "tech1", "tech2")
_DETAIL_TEXTS = ("fit", "date", "subtitle", "author")


def item_row(row: Row, id_key: str) -> Row | str:
    """A row of items, or the reason why there is none."""
    item_id = (as_text(row.get(id_key)) or "").strip()
    if not item_id:
        return f"no '{id_key}'"
    price = price_of(row.get("price"))
    attributes = list(_attributes(row))
    brand = row.get("brand") or row.get("store")
    if not brand:
        brand = next((a["value"] for a in attributes if a["name"].lower() in ("brand", "brand name")), None)
    return {
        "item_id": item_id,
        "title": as_text(row.get("title")),
        "description": _description(row),
        "brand": as_text(brand),
        "category": category_of(row),
        "price": price,
        "currency": None if price is None else "USD",
        "attributes": attributes or None,
        "image": _image(row),
        "language": None,
    }


def price_of(value: Any) -> float | None:
    """US dollars: 12.99, '$1,299.00', the low end of '$12.99 - $20.00'; None for anything else.

    Shops write stray style sheets into the field, so only text that is a price as a whole counts.
    """
    if isinstance(value, str):
        match = _PRICE.fullmatch(value.strip())
        value = match[1] if match else None
    price = as_number(value)
    return price if price is not None and price >= 0 else None


def _description(row: Row) -> str | None:
    parts = [part for key in ("description", "feature", "features") for part in _texts(row.get(key))]
    return "\n".join(parts) or None


def _texts(value: Any) -> Iterator[str]:
    for part in value if isinstance(value, (list, tuple)) else [value]:
        text = as_text(part)
        if text is not None:
            yield text.strip()


def category_of(row: Row) -> list[str] | None:
    """The path from wide to narrow: the first one where an item has several, `main_cat` where it has none."""
    for key in ("categories", "category", "main_category", "main_cat"):
        value = row.get(key)
        if isinstance(value, (list, tuple)) and value and isinstance(value[0], (list, tuple)):
            value = next((path for path in value if path), [])
        path = list(_texts(value))
        if path:
            return path
    return None


def _attributes(row: Row) -> Iterator[dict[str, str]]:
    for key in _DETAIL_TABLES:
        table = _table(row.get(key))
        for name, value in table.items():
            name = _SPACE.sub(" ", str(name)).strip().rstrip(":").strip()
            text = as_text(value)
            if name and text and name.upper() != "ASIN":
                yield {"name": as_text(name) or name, "value": text.strip()}
    for key in _DETAIL_TEXTS:
        text = as_text(row.get(key))
        if text and not text.lstrip().startswith("<"):
            yield {"name": key, "value": text.strip()}


def _table(value: Any) -> Row:
    """A mapping, also one written as a JSON text (as some copies of 2023 have it)."""
    if isinstance(value, str) and value.startswith("{"):
        try:
            value = orjson.loads(value)
        except orjson.JSONDecodeError:
            return {}
    return value if isinstance(value, dict) else {}


def _image(row: Row) -> str | None:
    """The largest image of the first place that has one."""
    for key in ("imUrl", "imageURLHighRes", "imageURL", "image", "images"):
        value = row.get(key)
        if isinstance(value, dict):  # columns of lists
            value = value.get("hi_res") or value.get("large") or value.get("thumb")
        if isinstance(value, (list, tuple)):
            value = next((entry for entry in value if entry), None)
        if isinstance(value, dict):
            value = value.get("hi_res") or value.get("large") or value.get("thumb")
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None
