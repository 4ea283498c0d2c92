"""How well the name of a column says which of ours it is."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from retailor.scripts import HAN
from retailor.shop.propose.words import DETAILS, NAMES, NOTHING, ORDERS

_TIERS = (1.0, 0.8, 0.5)
_END, _START, _INSIDE = 0.86, 0.72, 0.6
"""What a name is worth that ends, begins or goes on around one that is known."""
_SOME_ID = 0.5
_ATOMIC = re.compile(r":(?:token|float)(?:_seq)?$")
_CAMEL = re.compile(r"(?<=[a-z\d])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_HAN = re.compile(f"[{HAN}]")
_APART = re.compile(rf"[^a-z0-9{HAN}]+")
ENTITIES = (
    "product", "item", "good", "article", "sku", "order", "review", "question", "answer", "user", "customer",
    "buyer", "member", "account", "visitor", "商品", "产品", "宝贝", "订单", "评价", "评论",
    "问题", "回答", "用户", "买家", "会员", "客户",
)  # fmt: skip
_FEW = 2
_SHORT = {
    "cust": "customer", "prod": "product", "art": "article", "qty": "quantity", "cat": "category",
    "img": "image", "desc": "description", "descr": "description", "usr": "user",
    "amt": "amount", "no": "number",
    "nr": "number",
    "num": "number", "itm": "item", "acct": "account", "txn": "transaction", "ord": "order", "inv": "invoice",
    "cd": "code", "nm": "name", "dat": "date", "dt": "date", "ts": "timestamp", "tstamp": "timestamp",
    "mfr": "manufacturer", "curr": "currency", "lang": "language", "pic": "picture", "pk": "id", "uid": "uid",
}  # fmt: skip
"""What short words of columns stand for."""
_IDS = ("key", "sn", "ref", "identifier", "uuid", "guid")
"""Words at the end of a name that say 'id'."""
_ALONE = frozenset((("id",), ("number",), ("code",), ("key",)))
"""Names that mean ours only where nothing else stands beside them: a shelf's id is not the item's."""
_PREFIXES = ("g", "tbl", "col", "fld", "f", "c")

_OF_ITEMS = frozenset(
    ("product", "item", "good", "movie", "book", "business", "lineitem", "article", "listing", "sku")
)
_OF_ITEMS_ZH = ("商品", "宝贝", "产品", "货品", "品名")

Words = tuple[str, ...]


@cache
def words_of(name: str, *, is_path: bool = False) -> Words:
    """The words of a column's name without their plurals; of a path into JSON those of its last key.

    Where the key around it is one of the things that a shop has, its words stand before them: product.id.
    """
    name = _ATOMIC.sub("", name.strip())
    if is_path and "." in name:
        *around, name = name.split(".")
        own = words_of(name)
        before = tuple(word for word in words_of(around[-1]) if not word.isdecimal())
        if before and before[-1] in ENTITIES and own[:1] and own[0] not in ENTITIES:
            return (*before, *own) if len(before) <= _FEW else (before[-1], *own)
        return own
    parts = [part for part in _APART.split(_CAMEL.sub(" ", name).lower()) if part]
    if len(parts) > 1 and parts[0] in _PREFIXES:
        parts = parts[1:]
    words = [_SHORT.get(part, part) for part in map(_single, parts)]
    if len(words) > 1 and words[-1] in _IDS:
        words[-1] = "id"
    return tuple(words)


def _single(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        return word[:-3] + "y"
    return (
        word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")) else word
    )


def likeness(name: Words, known: Words) -> float:
    """1 for the same name, less for one that only holds the known one; 0 for another."""
    if not name or not known:
        return 0.0
    whole, sought = "".join(name), "".join(known)
    if whole == sought:
        return 1.0
    if _HAN.search(sought):
        return _inside(whole, sought) if len(sought) > 1 else 0.0
    n, k = len(name), len(known)
    if k >= n or known in _ALONE:
        return 0.0
    share = 0.5 + 0.5 * k / n
    if name[-k:] == known:
        return _END * share
    if name[:k] == known:
        return _START * share
    return _INSIDE * share if any(name[i : i + k] == known for i in range(n - k)) else 0.0


def _inside(whole: str, sought: str) -> float:
    if sought not in whole:
        return 0.0
    share = 0.5 + 0.5 * len(sought) / len(whole)
    return share * (_END if whole.endswith(sought) else _START if whole.startswith(sought) else _INSIDE)


@cache
def scores(table: str, name: Words) -> Mapping[str, float]:
    """Our column of a table to how well a name says that it is it, from 0 to 1.

    A name that is more like one of nothing, or of another of ours, says little else.
    """
    like = {
        ours: max(((likeness(name, known), weight) for weight, known in _known(table, ours)), key=_worth)
        for ours in NAMES[table]
    }
    none, best = nothing(name), max(map(_worth, like.values()))
    made = {}
    for ours, (alike, weight) in like.items():
        score = alike * weight
        made[ours] = score * (0.3 if none > alike + 0.05 else 1.0 if score >= best else 0.85)
    if is_id(name) and none < 0.8 and best < _SOME_ID:
        made["item_id"] = _SOME_ID
    return made


def is_id(name: Words) -> bool:
    """Whether a name is that of the id of something, maybe of what a shop sells: 'rest id', 'aid'."""
    alone = len(name) == 1 and len(name[0]) == 3 and name[0].endswith("id")
    if _HAN.search("".join(name)):
        return name[-1].endswith(("id", "编号", "编码")) and len(name[-1]) > 2
    return alone or (len(name) > 1 and name[-1] in ("id", "uid", "code"))


def _worth(pair: tuple[float, float]) -> float:
    return pair[0] * pair[1]


@cache
def _known(table: str, ours: str) -> tuple[tuple[float, Words], ...]:
    tiers = NAMES[table][ours].split("|")
    return tuple(
        (weight, words_of(phrase.strip()))
        for weight, tier in zip(_TIERS, tiers, strict=False)
        for phrase in tier.split(",")
        if phrase.strip()
    )


@cache
def _nothing() -> tuple[Words, ...]:
    return tuple(words_of(phrase.strip()) for phrase in NOTHING.split(",") if phrase.strip())


@cache
def nothing(name: Words) -> float:
    """How well a name says that the column is none of ours."""
    return max((likeness(name, known) for known in _nothing()), default=0.0)


def detail_of(name: Words) -> str | None:
    """The detail of an item that a column of that name holds: 'color'; None where it is no known one."""
    for detail, phrases in DETAILS.items():
        if any(likeness(name, words_of(phrase.strip())) == 1.0 for phrase in phrases.split(",")):
            return detail
    return None


def is_of_item(name: Words) -> bool:
    """Whether a name says that it is something of an item: 'product title', '商品标题'."""
    return bool(set(name) & _OF_ITEMS) or any(word in "".join(name) for word in _OF_ITEMS_ZH)


def is_of_order(name: Words) -> bool:
    """Whether a name is that of a column of orders: their number, a quantity, who pays how."""
    return any(likeness(name, known) >= 0.8 for known in _orders())


@cache
def _orders() -> tuple[Words, ...]:
    return tuple(words_of(phrase.strip()) for phrase in ORDERS.split(","))
