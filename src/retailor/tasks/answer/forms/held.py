# ruff: noqa: E501 (a pattern a line)
"""An item's value held against what the question names: 'is it under 2 kg?' gets yes or no, and the value."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from retailor.tasks.answer.forms.measures import (
    Limit,
    comparable,
    converted,
    limit_in,
    quantities,
    unit_asked,
)
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import Evidence, Value, Verdict
from retailor.text.quantities import Quantity

_BY_DIMENSION = {"mass": "weight", "length": "size", "volume": "volume", "money": "price", "power": "power",
                 "brightness": "brightness", "temperature": "temperature"}  # fmt: skip
"""What a limit is about where the question names nothing else: 'is it under 2 kg?' is about the weight."""
_CAPACITY = frozenset(("load", "volume", "content", "temperature", "running", "range", "guarantee", "people"))
"""Of these more is enough: what holds 3 litres holds 2, and what runs 30 hours runs 8."""
_NARROW = frozenset(("load", "range", "people", "device", "clothes"))
"""A name that tells one of these tells no weight or size: 'maximum load'."""
_BEARS = re.compile(
    r"\b(?:hold|support|carry|bear|take|lift|stand|for)s?\b.{0,24}\d[\d.]* ?(?:kg|kilos?|lbs?|pounds?)\b(?! bag)|[能可][以]?(?:坐|承|放|载|站|撑|承受)[^，。？]{0,6}\d+ ?(?:公斤|千克|斤|kg)",
    re.IGNORECASE,
)
_SOURCES = ("attribute", "title", "description", "answer")


@dataclass(frozen=True)
class Held:
    """The passage with the value, the value, and what it makes of the question's limit."""

    evidence: Evidence
    value: Value
    verdict: Verdict | None


def held(question: str, found: Sequence[Evidence]) -> Held | None:
    """What the ranked passages of an item say to a measure that is asked for; None where they say none.

    What customers write is no data sheet: only the shop's own texts and earlier answers count.
    """
    limit, unit = limit_in(question), unit_asked(question)
    wanted = _wanted(question, limit)
    if not wanted:
        return None
    limit = _enough(limit, wanted)
    for evidence, values in values_told(found, wanted):
        if limit is not None and not comparable(values, limit.quantity):
            continue
        same = [each for each in values if limit is None or each.dimension == limit.quantity.dimension]
        best = max(same, key=lambda each: each.base) if limit is not None and limit.longest else same[0]
        other = unit if limit is None else limit.quantity.unit
        shown = converted(best, other) if other and _same_dimension(best, other) else None
        verdict = limit.holds(values) if limit is not None else None
        return Held(evidence, Value(best.value, best.unit, shown), verdict)
    return None


def may_hold(question: str, evidence: Evidence) -> bool:
    """Whether a passage can answer a question that names a limit: it has a quantity to hold against it."""
    limit = limit_in(question)
    if limit is None or not _wanted(question, limit):
        return True
    return bool(comparable(quantities(evidence.text), limit.quantity))


def _wanted(question: str, limit: Limit | None) -> frozenset[str]:
    """The kinds of measure that are asked for; {} where the question asks for none."""
    asked = frozenset(k.name for k in kinds.asked(question) if k.sort == "fact" and k.dimensions)
    if limit is None:
        return asked if kinds.wants_number(question) else frozenset()
    dimension = limit.quantity.dimension
    if _BEARS.search(question) and dimension == "mass":
        return frozenset(("load",))
    own = frozenset(k.name for k in kinds.KINDS if k.name in asked and dimension in k.dimensions)
    asks_other = limit.order != "within" and any(k.sort == "fact" for k in kinds.asked(question))
    if own or asks_other:
        return own
    return frozenset((_BY_DIMENSION[dimension],)) if dimension in _BY_DIMENSION else frozenset()


def _enough(limit: Limit | None, wanted: frozenset[str]) -> Limit | None:
    if limit is not None and limit.order in ("equal", "within") and wanted <= _CAPACITY:
        return replace(limit, order="at least")
    return limit


def values_told(
    found: Sequence[Evidence], wanted: frozenset[str]
) -> list[tuple[Evidence, Sequence[Quantity]]]:
    """Passages with a quantity of the kinds that are wanted, the data sheet first, in the order given."""
    told: list[tuple[int, Evidence, Sequence[Quantity]]] = []
    dimensions = {d for k in kinds.KINDS if k.name in wanted for d in k.dimensions}
    for each in found:
        values = [q for q in quantities(each.text) if q.dimension in dimensions]
        if not values or each.source not in _SOURCES or not _tells(each, wanted):
            continue
        told.append((_SOURCES.index(each.source), each, values))
    told.sort(key=lambda row: row[0])
    return [(each, values) for _, each, values in told]


def _tells(each: Evidence, wanted: frozenset[str]) -> bool:
    if each.source == "attribute":
        told = kinds.told(each.text.partition(":")[0])
        return bool(wanted & told) and not (told & _NARROW) - wanted
    # In running text a quantity is told by the words beside it, unless they speak of something else.
    return bool(wanted & kinds.told(each.text))


def _same_dimension(quantity: Quantity, unit: str) -> bool:
    return converted(quantity, unit) is not None
