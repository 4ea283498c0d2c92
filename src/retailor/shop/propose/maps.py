"""Column maps out of matches: what a map must say beside its columns, and what it cannot know."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any

from retailor.scripts import HAN
from retailor.shop.cells.times import UNSETTLED, TimeForm, read_time
from retailor.shop.propose.doubts import rivals, undone
from retailor.shop.propose.match import Hints, Match, score, words_for
from retailor.shop.propose.names import Words, detail_of, is_of_item
from retailor.shop.propose.profile import Profile
from retailor.shop.propose.sample import Columns
from retailor.shop.propose.values import grades_of, kinds_of, labels_of

_SEPARATORS = (" > ", ">", "|", "»", "›", " / ", "/", "、", ";", ",")
_READ_ANYWAY = frozenset((" > ", ">", "|", "»", "›"))
_BUY = frozenset(
    [
        "order",
        "purchase",
        "lineitem",
        "quantity",
        "qty",
        "invoice",
        "transaction",
        "sale",
        "paid",
        "checkout",
    ]
)
_BUY_ZH = ("订单", "购买", "下单", "成交", "付款", "支付", "订购", "买家")
_VIEW = frozenset(["view", "click", "visit", "page", "impression", "session", "browse", "pageview"])
_VIEW_ZH = ("浏览", "点击", "访问")
_HAN = re.compile(f"[{HAN}]")
_ZONED = re.compile(r"(?i)(?:Z|UTC|GMT|[+-]\d\d(?::?\d\d)?)$")
_LOOKED_AT = 500
_DERIVED = ("title", "brand", "category", "price", "currency", "image")

Made = tuple[dict[str, Any], list[str]]


def map_of(match: Match, cells: Columns, profiles: Mapping[str, Profile], hints: Hints) -> Made:
    """The settings of a ColumnMap for a match, and what a person should look at."""
    settings: dict[str, Any] = {"columns": dict(match.columns)}
    notes: list[str] = []
    if match.table == "items":
        notes += _of_items(settings, match, profiles, hints)
    if match.table == "events":
        notes += _of_events(settings, match, cells, profiles, hints)
    if match.table == "reviews" and "label" in match.columns:
        values = labels_of(profiles[match.columns["label"]].values)
        settings["values"] = {"label": values}
        if any(value.strip("-.").isdigit() for value in values):
            meant = ", ".join(f"{value} is {label}" for value, label in sorted(values.items()))
            notes.append(f"label: {meant}; nothing but custom says so")
    if match.table == "judgments":
        seen = profiles[match.columns["grade"]]
        if seen.number < 0.95:
            settings["values"] = {"grade": grades_of(seen.values)}
            notes.append("grade: what each word is worth is a guess")
    if "time" in match.columns:
        notes += _of_days(settings, profiles[match.columns["time"]])
        if match.table != "events" and profiles[match.columns["time"]].time < 1:
            settings["optional"] = ["time"]
            notes.append("time: some cells are none; their rows are kept without a time")
        notes += _of_time(profiles[match.columns["time"]], is_chinese=any(map(_HAN.search, profiles)))
    return settings, notes


def _of_items(
    settings: dict[str, Any], match: Match, profiles: Mapping[str, Profile], hints: Hints
) -> list[str]:
    notes = []
    columns = match.columns
    if "category" in columns and (between := separator(profiles[columns["category"]])):
        settings["list_separator"] = between
        notes.append(f"category: parts are taken to stand between {between!r}")
    details = details_of(profiles, hints, set(columns.values()))
    if details:
        settings["attributes"] = details
    notes += of_prices(columns, profiles)
    if profiles[columns["item_id"]].distinct < 0.95:
        notes.append(f"item_id: {columns['item_id']!r} repeats; the first row of an item is kept")
    return notes


def of_prices(columns: Mapping[str, str], profiles: Mapping[str, Profile]) -> list[str]:
    """What the prices of a map do not say of their currency."""
    if "price" not in columns or "currency" in columns:
        return []
    seen = profiles[columns["price"]]
    if not seen.money:
        usual = "CNY" if any(map(_HAN.search, profiles)) else "EUR"
        return [f'prices name no currency: currency = "{usual}", or whichever it is, would say']
    if any("$" in value or "¥" in value for value in seen.values):
        return ['the sign of the prices is that of several currencies: currency = "USD" or "CNY" would say']
    return []


def details_of(profiles: Mapping[str, Profile], hints: Hints, taken: set[str]) -> dict[str, str]:
    """Detail of an item to its column: 'color', 'size' …, of those that are no column of ours."""
    found: dict[str, str] = {}
    for name, seen in profiles.items():
        detail = detail_of(words_for(name, hints))
        if detail and name not in taken and seen.n and seen.length < 80:
            found.setdefault(detail, name)
    return found


def separator(seen: Profile) -> str | None:
    """What stands between the parts of a category, where reading does not know it by itself."""
    some = [value for value in seen.values if not value.startswith(("[", "{", "("))]
    if not some or len(some) * 2 < len(seen.values):
        return None
    for between in _SEPARATORS:
        if 2 * sum(between in value for value in some) > len(some):
            return None if between in _READ_ANYWAY else between
    return None


def _of_events(
    settings: dict[str, Any], match: Match, cells: Columns, profiles: Mapping[str, Profile], hints: Hints
) -> list[str]:
    if "kind" in match.columns:
        kinds, items = cells[match.columns["kind"]], cells[match.columns["item_id"]]
        values = frozenset(kind for kind in kinds if kind)
        # a kind that names no item is none of this map's: the lines of an order are read by another
        known = kinds_of(frozenset(kind for kind, item in zip(kinds, items, strict=True) if kind and item))
        settings["values"] = {"kind": dict(sorted(known.items()))}
        others = sorted(values - known.keys())
        if not others:
            return []
        settings["leave_out"] = ["kind"]
        return [f"kind: rows of {', '.join(map(repr, others[:8]))} are left out"]
    kind, sure = kind_of(match, [words_for(name, hints) for name in cells])
    settings["constants"] = {"kind": kind}
    notes = undone(match, profiles, hints) if kind == "buy" else []
    if not sure:
        notes.append(
            f"kind: nothing says what the customers did; '{kind}' is a guess "
            "(view, cart, buy, favourite, rate)"
        )
    return notes


def kind_of(match: Match, names: list[Words]) -> tuple[str, bool]:
    """What the rows of a log without kinds are, by its columns, and whether they say one thing alone.

    A price says nothing: what was looked at has one too.
    """
    if "rating" in match.columns:
        return "rate", True
    said = {word for words in names if "price" not in words for word in words}
    whole = " ".join(said)
    bought = bool(said & _BUY) or any(word in whole for word in _BUY_ZH)
    seen = bool(said & _VIEW) or any(word in whole for word in _VIEW_ZH)
    return "view" if seen and not bought else "buy", bought != seen


def _of_time(seen: Profile, *, is_chinese: bool) -> list[str]:
    if seen.whole > 0.9 or all(_ZONED.search(value) for value in list(seen.values)[:50]):
        return []
    zone = "Asia/Shanghai" if is_chinese else "Europe/Berlin"
    return [f'times that name no zone are read as UTC; time_zone = "{zone}" would say otherwise']


def _of_days(settings: dict[str, Any], seen: Profile) -> list[str]:
    """Sets `day_first` where years of two digits need it, and says where nothing tells day from month."""
    some = sorted(seen.values)
    some = some[:: max(1, len(some) // _LOOKED_AT)]
    reads = {first: _reads(some, TimeForm(first, strict=True)) for first in (False, True)}
    open_ones = [one for one in some if read_time(one, TimeForm()) == UNSETTLED]
    is_tied = reads[False] == reads[True]
    if max(reads.values()) > max(_reads(some, TimeForm(first)) for first in (False, True)):
        settings["day_first"] = reads[True] > reads[False]
        if is_tied:
            return [
                "time: years of two digits need day_first; nothing says which it is, and false is a guess"
            ]
        return ["time: years of two digits need day_first; look at the first rows whether it is right"]
    if open_ones and is_tied:
        return [
            f"time: {open_ones[0]!r} can be day or month first: such rows are rejects until "
            "day_first = true or false says which"
        ]
    return []


def _reads(some: Collection[str], form: TimeForm) -> int:
    return sum(isinstance(read_time(one, form), int) for one in some)


def ratings_as_events(match: Match) -> dict[str, Any] | None:
    """Reviews as events of kind 'rate', for a shop that has no others; None without stars or raters."""
    if not {"user_id", "item_id", "rating"} <= match.columns.keys():
        return None
    columns = {
        ours: match.columns[ours]
        for ours in ("user_id", "item_id", "rating", "time")
        if ours in match.columns
    }
    return {"columns": columns, "constants": {"kind": "rate"}}


def derived_items(match: Match, profiles: Mapping[str, Profile], hints: Hints) -> Made | None:
    """The items that rows of another table mention, for a shop without a catalogue; None without titles."""
    if "item_id" not in match.columns:
        return None
    columns = {"item_id": match.columns["item_id"]}
    free = [
        name for name in _siblings(columns["item_id"], profiles, hints) if name not in match.columns.values()
    ]
    for ours in _DERIVED:
        fits = {name: score("items", ours, name, profiles[name], hints) for name in free}
        best = max(fits, key=lambda name: fits[name], default=None)
        if (
            best is not None
            and fits[best] >= (0.45 if ours == "title" else 0.55)
            and (ours != "title" or _is_title(best, match, hints))
        ):
            columns[ours] = best
            free.remove(best)
    if "title" not in columns:
        return None
    settings: dict[str, Any] = {"columns": columns, "derived": True}
    if "category" in columns and (between := separator(profiles[columns["category"]])):
        settings["list_separator"] = between
    around = {name: profiles[name] for name in [*free, *columns.values()]}
    notes = rivals("items", {ours: name for ours, name in columns.items() if ours in _DERIVED}, around, hints)
    return settings, [*notes, *of_prices(columns, profiles)]


def _is_title(name: str, match: Match, hints: Hints) -> bool:
    """Whether a title is that of an item: by its name, because it stands beside the item's id in an object of
    its own, or because a log has no other titles."""
    words = words_for(name, hints)
    return (
        is_of_item(words)
        or ("." in name and hints.is_path)
        or (match.table == "events" and words in (("title",), ("description",)))
    )


def _siblings(name: str, names: Collection[str], hints: Hints) -> list[str]:
    """The columns of the same object."""
    around = name.rpartition(".")[0] if hints.is_path else ""
    return [one for one in names if not hints.is_path or one.rpartition(".")[0] == around]
