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
    (r"more expensive|costs? more|dearer|pricier|更贵|哪个贵|贵一", "price", "higher", True),
    (r"light|weighs? less|轻", "mass", "lighter", False),
    (r"heav|weighs? more|重", "mass", "heavier", True),
    (r"better|best|rated|stars|评分|评价|更好|哪个好|好一点", "rating", "rated", True),
    (r"holds? more|bigger|larger|roomier|capacity|volume|更大|装得多|容量|容积|大一", "volume", "more", True),
)
_WEIGHT = re.compile(r"weight|重", re.IGNORECASE)


def verdict(said: str, details: Sequence[Mapping[str, Any]], language: Language) -> tuple[str, str | None]:
    """The sentence, and the id of the item that wins; ('', None) where nothing is asked or known."""
    for pattern, fact, word, is_greatest in _ASKED:
        if not re.search(pattern, said, re.IGNORECASE):
            continue
        values = [(value, each) for each in details if (value := _value(each, fact)) is not None]
        if len(values) < len(details) or len({value for value, _ in values}) < 2:
            continue
        best = (max if is_greatest else min)(values, key=lambda pair: pair[0])[1]
        colon = "：" if language == "zh" else ": "
        return f"{say(word, language)}{colon}{named(best)}{'。' if language == 'zh' else '.'}", best[
            "item_id"
        ]
    return "", None


def _value(details: Mapping[str, Any], fact: str) -> float | None:
    """The number of a fact: a price of one currency, stars, or the first quantity of a dimension."""
    if fact in ("price", "rating"):
        return None if details.get(fact) is None else float(details[fact])
    for pair in details["attributes"]:
        if fact == "mass" and not _WEIGHT.search(pair["name"]):
            continue
        found = [each.base for each in parse_quantities(pair["value"]) if each.dimension == fact]
        if found:
            return found[0]
    return None
