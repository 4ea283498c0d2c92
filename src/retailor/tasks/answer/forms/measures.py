# ruff: noqa: E501 (a pattern a line)
"""Quantities as customers say them, and the limits that they ask about: 'under two kilos?', '能装进50厘米的柜子吗'."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

from retailor.tasks.answer.shapes import Verdict
from retailor.text.quantities import Quantity, dimension_of, parse_quantities, quantity_in

Order = Literal["under", "over", "within", "at least", "equal"]

_ONES = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen"
)
_TENS = dict(
    zip(
        ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"],
        range(20, 100, 10),
        strict=True,
    )
)
_WORDS = {word: n for n, word in enumerate(_ONES.split())} | _TENS | {"a hundred": 100, "one hundred": 100}
_WORD = re.compile(
    rf"\b(?:(?P<tens>{'|'.join(_TENS)})[- ](?P<one>{'|'.join(_ONES.split()[1:10])})|(?P<word>{'|'.join(sorted(_WORDS, key=len, reverse=True))}))"
    r"(?=[ -][a-z])",
    re.IGNORECASE,
)
_UNIT_EN = (
    r"(?:kilos?|kilograms?|kgs?|grams?|pounds?|lbs?|ounces?|oz|lit(?:er|re)s?|millilit(?:er|re)s?|ml|gallons?|pints?|met(?:er|re)s?|inch(?:es)?|"
    r"foot|feet|yards?|centimet(?:er|re)s?|cm|millimet(?:er|re)s?|mm|hours?|minutes?|days?|weeks?|months?|years?|watts?)\b"
)
_ONE_OF = re.compile(rf"\b(?:an?|one)(?= {_UNIT_EN})", re.IGNORECASE)
_HALF = re.compile(rf"\bhalf (?:an? )?(?={_UNIT_EN})", re.IGNORECASE)
_COUPLE = re.compile(r"\ba couple of\b", re.IGNORECASE)
_WORKING = re.compile(r"\b(?:working|business|calendar|week)[ -]?days?\b", re.IGNORECASE)
_PLUS = re.compile(r"(?<=\d)-(?=(?:day|week|month|year|hour|minute)s?\b)", re.IGNORECASE)
_ZH_DIGIT = dict(zip("零一二两三四五六七八九", (0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9), strict=True))
_ZH = re.compile(
    r"(?P<n>[一二两三四五六七八九十百]+)(?=(?:个?(?:星期|礼拜|工作日|月|小时)|[天日周年米斤升瓦磅寸克]|公斤|千克|厘米|毫米|英寸|毫升|分钟))"
)
_ZH_WORDS = (
    ("半个月", "15天"), ("半年", "6个月"), ("半米", "0.5米"), ("半斤", "0.5斤"), ("星期", "周"), ("礼拜", "周"),
    ("个工作日", "天"), ("工作日", "天"), ("个周", "周"), ("个小时", "小时"),
)  # fmt: skip
_ZH_DAYS = re.compile(r"(?<=\d)日")


def said(text: str) -> str:
    """The text with its numbers in digits and its days as days, so that its quantities can be read."""
    text = _PLUS.sub(" ", _COUPLE.sub("two", text))
    text = _WORD.sub(_digits, text)
    text = _ONE_OF.sub("1", _HALF.sub("0.5 ", text))
    text = _WORKING.sub("days", text)
    for word, digits in _ZH_WORDS[:4]:
        text = text.replace(word, digits)
    text = _ZH.sub(lambda match: str(_chinese(match["n"])), text)
    for word, other in _ZH_WORDS[4:]:
        text = text.replace(word, other)
    return _ZH_DAYS.sub("天", text)


def _digits(match: re.Match[str]) -> str:
    if match["word"]:
        return str(_WORDS[match["word"].lower()])
    return str(_TENS[match["tens"].lower()] + _WORDS[match["one"].lower()])


def _chinese(numeral: str) -> int:
    whole, ones = 0, 0
    for char in numeral:
        if char in "十百":
            whole += (ones or 1) * (10 if char == "十" else 100)
            ones = 0
        else:
            ones = _ZH_DIGIT[char]
    return whole + ones


@lru_cache(maxsize=65536)
def quantities(text: str) -> tuple[Quantity, ...]:
    """The quantities of a text as people write it: numbers in words, working days."""
    return tuple(parse_quantities(said(text)))


def days_of(quantity: Quantity) -> float | None:
    """A time in days, a month as 30 of them and a year as 365; None for another dimension."""
    known = {"day": 1.0, "week": 7.0, "month": 30.0, "year": 365.0, "h": 1 / 24}
    return quantity.value * known[quantity.unit] if quantity.unit in known else None


# limits that are asked about -----------------------------------------------------------------------

MORE = "heavier|longer|bigger|larger|taller|wider|thicker|deeper|greater|higher|stronger|brighter|more powerful|more expensive|dearer|pricier"
LESS = "lighter|shorter|smaller|narrower|thinner|lower|weaker|dimmer|less powerful|less expensive|cheaper|quieter"
_NUMBERED = r"(?:an? |about |around |roughly |the )*(?=[\d.$€£¥])"
_ORDERS: tuple[tuple[Order, str], ...] = (
    ("at least", rf"\b(?:at least|no less than|not less than|minimum of|hold up to|up to)\s+{_NUMBERED}|至少|不少于|不低于|不小于|以上"),
    ("within", rf"\b(?:at most|no more than|not more than|not over|maximum of|within)\s+{_NUMBERED}|最多|不超过|不大于|以内|之内|内[吗到能]"
               r"|\bfit\w*\b.{0,40}\b(?:in|into|inside|on|under|through|between|within)\b|\b(?:装|放)(?:得|不)?(?:进|下|入)|[装放塞](?:得|不)?[进下入]"),
    ("under", rf"\b(?:under|below|less than|(?:{LESS}) than)\s+{_NUMBERED}"
              r"|低于|小于|少于|不到|以下|[轻短小薄窄低矮便]于?宜?吗|(?:轻|短|小|薄|窄|低|矮)(?:于|过|一点|吗|么|[？?]?$)"),
    ("over", rf"\b(?:over|above|beyond|more than|(?:{MORE}) than)\s+{_NUMBERED}"
             r"|超过|大于|高于|多于|长于|重于|不止|(?:重|长|大|厚|宽|高|多)(?:于|过|吗|么|[？?]?$)"),
)  # fmt: skip
_COMPILED = tuple((order, re.compile(pattern, re.IGNORECASE)) for order, pattern in _ORDERS)
_LONGEST = re.compile(r"\b(?:long|longer|tall|taller|high|higher)\b|[长高]", re.IGNORECASE)


@dataclass(frozen=True)
class Limit:
    """What a question holds its item against: 'under 2 kg'."""

    order: Order
    quantity: Quantity
    longest: bool
    """Of several lengths the longest is meant."""

    def holds(self, values: Sequence[Quantity]) -> Verdict | None:
        """Whether values of the limit's dimension keep it; 'depends' where some do; None without any."""
        same = comparable(values, self.quantity)
        if not same:
            return None
        if self.longest and self.order in ("over", "at least", "under"):
            same = [max(same)]
        kept = [_keeps(value, self.order, _base(self.quantity)) for value in same]
        return "yes" if all(kept) else "no" if not any(kept) else "depends"


def limit_in(question: str) -> Limit | None:
    """The one limit that a question names; None where it names none or several."""
    text = said(question)
    found = [each for each in parse_quantities(text) if each.dimension != "count"]
    if len({(each.value, each.unit) for each in found}) != 1:
        return None
    for order, pattern in _COMPILED:
        if pattern.search(text):
            return Limit(order, found[0], bool(_LONGEST.search(text)))
    return Limit("equal", found[0], longest=False)


def comparable(values: Sequence[Quantity], other: Quantity) -> list[float]:
    """The values in base units that can be held against the other: of its dimension, of money its currency."""
    return [
        _base(each)
        for each in values
        if each.dimension == other.dimension and (each.unit == other.unit or each.dimension != "money")
    ]


def _base(quantity: Quantity) -> float:
    if quantity.unit == "°F":
        return (quantity.value - 32) / 1.8
    return quantity.base


def _keeps(value: float, order: Order, limit: float) -> bool:
    near = 1e-6 * max(abs(limit), 1e-9)
    if order == "under":
        return value < limit - near
    if order == "over":
        return value > limit + near
    if order == "within":
        return value <= limit + near
    if order == "at least":
        return value >= limit - near
    return abs(value - limit) <= 0.01 * abs(limit) + near


# another unit --------------------------------------------------------------------------------------

_IN_UNIT = re.compile(
    rf"\b(?:in|how many) (?P<en>{_UNIT_EN})|[几多]少?(?P<zh>公斤|千克|斤|克|磅|厘米|毫米|米|英寸|升|毫升)",
    re.IGNORECASE,
)


def unit_asked(question: str) -> str | None:
    """The canonical unit in which the answer is wanted; None where none is named."""
    match = _IN_UNIT.search(question)
    if not match:
        return None
    found = parse_quantities(f"1 {match['en']}" if match["en"] else f"1{match['zh']}")
    return found[0].unit if found else None


def converted(quantity: Quantity, unit: str) -> str | None:
    """The quantity in another unit of its dimension, '1.98 lb'; None where it cannot be, or is so already."""
    if quantity.unit == unit or dimension_of(unit) != quantity.dimension or quantity.dimension == "money":
        return None
    value = quantity_in(quantity, unit)
    return f"{value:.3g} {unit}" if abs(value) < 1000 else f"{value:,.0f} {unit}"
