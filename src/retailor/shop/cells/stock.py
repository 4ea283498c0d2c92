"""Whether there is any of an item, as catalogues and feeds write it: a count, or words for yes and no."""

from __future__ import annotations

import re

from retailor.shop.cells.plain import plain

_HERE = frozenset([
    "in stock", "instock", "available", "yes", "y", "true", "t", "on stock", "limited availability",
    "low stock", "online only", "auf lager", "verfügbar", "lieferbar", "en stock", "disponible", "ja",
    "oui", "si", "sí", "有货", "有貨", "现货", "現貨", "有现货", "有库存",
    "充足", "库存充足", "库存紧张", "是", "有", "在售",
])  # fmt: skip
_GONE = frozenset([
    "out of stock", "outofstock", "out stock", "sold out", "soldout", "unavailable", "not available",
    "discontinued", "no", "n", "false", "f", "nicht auf lager", "nicht verfügbar", "ausverkauft",
    "rupture de stock", "épuisé", "agotado", "esaurito", "nein", "non", "无货", "無貨", "缺货", "缺貨",
    "售罄",
    "售完", "断货", "无库存", "否", "无", "無", "没有", "下架", "已下架",
])  # fmt: skip
_COUNT = re.compile(
    r"^[>≥]? ?([+-]?\d+(?:,\d{3})*(?:\.\d+)?) ?\+? ?(?:pcs|pc|pieces?|units?|items?|left|in stock|available"
    r"|stk|stück|件|个|個|只|盒|包|瓶|套|支|台|本|双|條|条|张|份)?\.?$",
    re.IGNORECASE,
)
_NOTE = re.compile(r" ?\([^()]*\)$")
_SCHEMA_ORG = re.compile(r"^https?://schema\.org/", re.IGNORECASE)
_PARTS = re.compile(r"[\s_-]+|(?<=[a-z])(?=[A-Z])")


def read_stock(text: str) -> bool | str:
    """Whether there is any of it: a count above zero, or words; else a part of a sentence that says why not.

    A count may have a unit ('12 pcs', '5件'), words may be schema.org's ('https://schema.org/OutOfStock'),
    and both a note in brackets. What is made or sent for when it is ordered ('preorder', 'backorder') is
    neither, nor is a bound from above ('<5').
    """
    cell = _NOTE.sub("", plain(text))
    if count := _COUNT.match(cell):
        return float(count[1].replace(",", "")) > 0
    words = " ".join(_PARTS.split(_SCHEMA_ORG.sub("", cell))).lower().strip(" .!")
    if words in _HERE:
        return True
    if words in _GONE:
        return False
    return "is neither a count nor words for 'in stock' or 'out of stock'"
