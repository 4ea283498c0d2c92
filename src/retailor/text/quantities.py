# ruff: noqa: E501 (one unit a line)
"""Quantities in titles and data sheets, '1.7 Oz', '250ml', '43.2 cm (17")', '2 包', '$50', as number and unit."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_PEOPLE = r"persons?|people|adults?|sleepers?|seaters?"
# dimension -> canonical unit -> (how many base units it is, the spellings); the first unit has factor 1
_UNITS: dict[str, dict[str, tuple[float, str]]] = {
    "mass": {
        "g": (1.0, r"g|gr|grams?|grammes?|克"),
        "mg": (0.001, r"mg|milligrams?|毫克"),
        "kg": (1000.0, r"kgs?|KGS?|Kg|kilos?|kilograms?|公斤|千克"),
        "jin": (500.0, r"斤"),
        "oz": (28.349523125, r"oz\.?|ounces?"),
        "lb": (453.59237, r"lbs?\.?|pounds?|磅"),
    },
    "volume": {
        "ml": (1.0, r"ml|mls|millilit(?:er|re)s?|毫升|cc"),
        "cl": (10.0, r"cl"),
        "l": (1000.0, r"l|L|lit(?:er|re)s?|升"),
        "fl oz": (29.5735295625, r"fl\.?\s*oz\.?|fluid ounces?"),
        "gal": (3785.411784, r"gal\.?|gallons?"),
        "qt": (946.352946, r"qts?\.?|quarts?"),
        "cup": (236.5882365, r"cups?"),
    },
    "length": {
        "cm": (1.0, r"cms?|centimet(?:er|re)s?|厘米|公分"),
        "mm": (0.1, r"mm|millimet(?:er|re)s?|毫米"),
        "m": (100.0, r"m|met(?:er|re)s?|米"),
        "km": (100_000.0, r"km|kilomet(?:er|re)s?|公里|千米"),
        "in": (2.54, r"in\.|inch(?:es)?|\"|''|”|″|英寸|寸"),
        "ft": (30.48, r"ft\.?|feet|foot|英尺"),
        "yd": (91.44, r"yds?\.?|yards?"),
    },
    "count": {
        "count": (
            1.0,
            r"counts?|ct\.?|pcs?\.?|pc\(s\)|pieces?|sheets?|capsules?|tablets?|bags?|bars?|uses|个|只|片|粒|颗|支|枚|张|块|条|根|枝|瓶|罐|双|本|件",
        ),
        "pack": (1.0, r"packs?|pks?\.?|sets?|pairs?|包|盒|套|袋|箱|装|提"),
    },
    "people": {"person": (1.0, rf"{_PEOPLE}|个人|人")},
    "power": {"W": (1.0, r"w|W|watts?|Watts?|瓦"), "kW": (1000.0, r"kw|kW|KW|千瓦"), "mW": (0.001, r"mW")},
    "voltage": {"V": (1.0, r"v|V|volts?|Volts?|伏")},
    "charge": {"mAh": (1.0, r"mah|mAh|MAH|毫安"), "Ah": (1000.0, r"Ah|AH")},
    "memory": {
        "GB": (1.0, r"GB|gb|Gb|gigabytes?|G内存"),
        "MB": (0.001, r"MB|mb|Mb"),
        "TB": (1000.0, r"TB|tb|Tb"),
        "KB": (0.000001, r"KB|kb"),
    },
    "frequency": {
        "Hz": (1.0, r"Hz|hz|HZ"),
        "kHz": (1e3, r"k[Hh]z"),
        "MHz": (1e6, r"M[Hh]z"),
        "GHz": (1e9, r"G[Hh]z|ghz"),
    },
    "brightness": {"lm": (1.0, r"lm|lumens?|流明")},
    "temperature": {"°C": (1.0, r"°\s?C|℃|摄氏度"), "°F": (1.0, r"°\s?F|℉")},
    "time": {
        "s": (1.0, r"seconds?|secs?|秒"),
        "min": (60.0, r"min(?:ute)?s?\.?|分钟"),
        "h": (3600.0, r"h|hrs?\.?|hours?|小时"),
        "day": (86_400.0, r"days?|天"),
        "week": (604_800.0, r"weeks?|周"),
        "month": (2_629_800.0, r"months?|个月"),
        "year": (31_557_600.0, r"years?|yrs?\.?|年"),
    },
    "share": {"%": (1.0, r"%|percent")},
    "money": {
        "USD": (1.0, r"dollars?|USD|usd|美元"),
        "CNY": (1.0, r"元|RMB|rmb|CNY|块钱"),
        "EUR": (1.0, r"euros?|EUR|欧元"),
        "GBP": (1.0, r"GBP|英镑"),
        "JPY": (1.0, r"JPY|日元"),
    },
}
_SIGNS = {"$": "USD", "¥": "CNY", "￥": "CNY", "€": "EUR", "£": "GBP"}
_CASED = frozenset({"g", "m", "l", "L", "w", "W", "v", "V", "h", "mb", "Mb", "MB", "mW"})
_COUNTED_EN = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
_DIGITS = dict(zip("零一二两三四五六七八九十半", (0, 1, 2, 2, 3, 4, 5, 6, 7, 8, 9, 10, 0.5), strict=True))

_BY_GROUP = [
    (dimension, unit, spelling)
    for dimension, units in _UNITS.items()
    for unit, (_, spelling) in units.items()
]
_DIMENSIONS = {unit: dimension for dimension, unit, _ in _BY_GROUP}
_FACTORS = {unit: factor for units in _UNITS.values() for unit, (factor, _) in units.items()}


def _alternatives() -> tuple[str, dict[str, tuple[str, str]]]:
    """One pattern of all spellings, longest first, and which unit each was written for."""
    plain: dict[str, tuple[str, str]] = {}
    patterns = []
    for dimension, unit, spellings in _BY_GROUP:
        for spelling in _split(spellings):
            patterns.append(spelling)
            plain[spelling] = (dimension, unit)
    return "|".join(sorted(patterns, key=len, reverse=True)), plain


def _split(spellings: str) -> list[str]:
    """The alternatives of a pattern, split where no bracket is open."""
    parts, depth = [""], 0
    for char in spellings:
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            parts.append("")
        else:
            parts[-1] += char
    return parts


_ANY, _PLAIN = _alternatives()
_MEANS = [(re.compile(spelling), place) for spelling, place in _PLAIN.items()]
_MEANS_ANY_CASE = [(re.compile(spelling, re.IGNORECASE), place) for spelling, place in _PLAIN.items()]
_NUMBER = r"(?:\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?(?:[ -]\d{1,2}/\d{1,2})?|(?<!\d)\.\d+)"
_TIMES = r"\s*(?:\"|cm|mm|in\.?|厘米|毫米)?\s*[xX×*]\s*"
_QUANTITY = re.compile(
    rf"(?:(?<![\w)])(?P<minus>[-−])|(?<![A-Za-z0-9_.,/-]))(?P<numbers>{_NUMBER}(?:{_TIMES}{_NUMBER}){{0,2}})[ -]?(?P<unit>{_ANY})(?![A-Za-z0-9])"
    rf"|(?<!第)(?P<digit>[零一二两三四五六七八九十半])(?P<measure>包|盒|套|袋|箱|瓶|罐|片|支|只|双|条|斤|件|个月|个?人)"
    rf"|(?P<single>[单双])人|\b(?P<word>{'|'.join(_COUNTED_EN)})[ -](?:{_PEOPLE})\b"
    rf"|(?P<sign>[$¥￥€£])\s?(?P<money>{_NUMBER})(?![\d%])"
    rf"|(?P<of>\b(?:pack|set|box|case|bundle)\s+of\s+)(?P<packed>\d{{1,4}})(?!\d)",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Quantity:
    """A number with its canonical unit, and the words it was read from."""

    value: float
    unit: str
    dimension: str
    text: str

    @property
    def base(self) -> float:
        """The value in the first unit of its dimension: g, ml, cm, W, s, …; money and temperatures as they are."""
        return self.value * _FACTORS[self.unit]

    def __str__(self) -> str:
        return f"{self.value:g} {self.unit}"


def is_unit(unit: str) -> bool:
    """Whether this is a canonical unit."""
    return unit in _DIMENSIONS


def dimension_of(unit: str) -> str:
    """The dimension of a canonical unit; KeyError for any other."""
    return _DIMENSIONS[unit]


def quantity_in(quantity: Quantity, unit: str) -> float:
    """The value in another canonical unit of its dimension."""
    if "°F" in (unit, quantity.unit):
        celsius = (quantity.value - 32) / 1.8 if quantity.unit == "°F" else quantity.value
        return celsius * 1.8 + 32 if unit == "°F" else celsius
    return quantity.base / _FACTORS[unit]


def parse_quantities(text: str) -> list[Quantity]:
    """The quantities of a text, in order; '30 x 20 cm' gives two lengths.

    Letters whose case matters are kept apart: '5g' is a mass, '5G' is not; '3 m' is a length, '3M' is not.
    """
    found = []
    for match in _QUANTITY.finditer(text):
        found.extend(_read(match))
    return found


def _read(match: re.Match[str]) -> list[Quantity]:
    text = match[0].strip()
    if match["sign"]:
        return [Quantity(_number(match["money"]), _SIGNS[match["sign"]], "money", text)]
    if match["of"]:
        return [Quantity(float(match["packed"]), "pack", "count", text)]
    if match["single"] or match["word"]:
        n = 1 + _COUNTED_EN.index(match["word"].lower()) if match["word"] else 1 + (match["single"] == "双")
        return [Quantity(float(n), "person", "people", text)]
    if match["digit"]:
        dimension, unit = _meaning(match["measure"]) or ("count", "count")
        return [Quantity(float(_DIGITS[match["digit"]]), unit, dimension, text)]
    meaning = _meaning(match["unit"])
    if meaning is None:
        return []
    dimension, unit = meaning
    # a dash before a number is a minus only where below zero means something
    sign = -1 if match["minus"] and dimension == "temperature" else 1
    numbers = re.findall(_NUMBER, match["numbers"])
    return [Quantity(sign * _number(number), unit, dimension, text) for number in numbers]


@lru_cache(maxsize=1024)
def _meaning(unit: str) -> tuple[str, str] | None:
    for pattern, place in _MEANS:
        if pattern.fullmatch(unit):
            return place
    if len(unit) == 1 or unit in _CASED:
        return None
    return next((place for pattern, place in _MEANS_ANY_CASE if pattern.fullmatch(unit)), None)


def _number(text: str) -> float:
    whole, _, fraction = text.replace(",", "").replace("-", " ").partition(" ")
    if not fraction:
        return float(whole)
    top, bottom = fraction.split("/")
    return float(whole) + (int(top) / int(bottom) if int(bottom) else 0.0)
