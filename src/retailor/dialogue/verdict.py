"""Which of several compared products is the lightest, cheapest or best rated, where a turn asks for that."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from retailor.dialogue.saying import named, say
from retailor.tasks.reasons import Language
from retailor.text.quantities import parse_quantities

# how it is asked | fact | what is said | whether the greatest wins
_ASKED: tuple[tuple[str, str, str, bool], ...] = (
    (r"cheap|less expensive|costs? less|lower price|affordable|便宜|实惠", "price", "lower", False),
    (r"expensive|costs? more|dearer|pricier|priciest|更贵|哪个贵|贵一|最贵", "price", "higher", True),
    (r"\blight(?:er|est)\b|weighs? less|轻", "mass", "lighter", False),
    (r"heav|weighs? more|更重|最重|哪个重|重一", "mass", "heavier", True),
    (r"better|best|rated|stars|reviews|评分|评价|口碑|更好|最好|哪个好|好一点", "rating", "rated", True),
    (r"holds? more|bigger|biggest|larger|largest|room(?:ier|iest)|tall(?:er|est)|long(?:er|est)|"
     r"high(?:er|est)|strong(?:er|est)|powerful|bright(?:er|est)|更大|最大|装得多|容量|大一|更长|最长|[更最]高|[更最]亮|最强",
     "size", "more", True),
    (r"small(?:er|est)|short(?:er|est)|更小|最小|小一|更短|最短", "size", "less", False),
)  # fmt: skip
_SIZES = ("people", "volume", "length", "area", "power", "brightness", "memory")
"""What 'bigger' may mean, the likeliest first: the first one that all the products have."""
_WEIGHT = re.compile(r"weight|重", re.IGNORECASE)


def verdict(said: str, details: Sequence[Mapping[str, Any]], language: Language) -> tuple[str, str | None]:
    """The sentence, and the id of the item that wins; ('', None) where nothing is asked or known of all."""
    for pattern, fact, word, is_greatest in _ASKED:
        if re.search(pattern, said, re.IGNORECASE):
            best = _best(details, fact, is_greatest)
            if best is not None:
                colon, stop = ("：", "。") if language == "zh" else (": ", ".")
                return f"{say(word, language)}{colon}{named(best)}{stop}", best["item_id"]
    return "", None


def beyond(
    said: str, beside: Mapping[str, Any], others: Sequence[Mapping[str, Any]], *, larger: bool
) -> list[str] | None:
    """The ids of those that are smaller, lighter or shorter than `beside`, or larger, in their order.

    None where nothing is known of `beside`.
    """
    facts = ("mass",) if re.search(r"light|heav|[轻重]", said, re.IGNORECASE) else (*_SIZES, "mass")
    for name in facts:
        own = _value(beside, name)
        if own is not None:
            values = [(_value(each, name), each["item_id"]) for each in others]
            return [
                item_id
                for value, item_id in values
                if value is not None and (value > own if larger else value < own)
            ]
    return None


def _best(details: Sequence[Mapping[str, Any]], fact: str, is_greatest: bool) -> Mapping[str, Any] | None:
    """The item with the greatest, or the least, value; None unless all have one and they differ."""
    for name in _SIZES if fact == "size" else (fact,):
        values = [_value(each, name) for each in details]
        known = [value for value in values if value is not None]
        if name == "price" and len({each.get("currency") for each in details}) > 1:
            return None  # 80 USD and 300 CNY: nobody said what a yuan is worth
        if len(known) == len(details) and len(set(known)) > 1:
            return details[values.index((max if is_greatest else min)(known))]
    return None


def _value(details: Mapping[str, Any], fact: str) -> float | None:
    """The number of a fact: a price, stars, or the greatest quantity of a dimension in the attributes."""
    if fact in ("price", "rating"):
        return None if details.get(fact) is None else float(details[fact])
    for pair in details["attributes"]:
        if fact == "mass" and not _WEIGHT.search(pair["name"]):
            continue
        found = [each.base for each in parse_quantities(pair["value"]) if each.dimension == fact]
        if found:
            return max(found)
    return None
