"""Filters in the words of a query: prices, sizes, stars, brands, colours and what is not wanted.

"red headphones under 50" and "500克以下的键盘" say what to look for and which items will do. What is read is
given back beside what is left to search for, so that whoever asked can see it and take it off. Nothing is
read that the catalogue cannot tell items apart by, and a phrase that the catalogue itself uses stays a
phrase ("non-stick", "do not disturb").
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from retailor.scripts import HAN
from retailor.tasks.search.lexicon import BRANDS_ZH, COLOURS, CUES, NUMERALS_ZH
from retailor.tasks.search.shapes import Filter, Op
from retailor.text.currencies import CHINESE, CODES, SIGN, WORD, currency_among, singular
from retailor.text.quantities import dimension_of, parse_quantities


@dataclass(frozen=True)
class Reading:
    """What a query asks for: words to search by, and conditions."""

    rest: str
    """Without the words that filters were read from."""
    filters: tuple[Filter, ...] = ()
    searched: str = ""
    """The same with brands, colours and sizes: they say what is looked for as well as any other word."""


@dataclass(frozen=True)
class Vocabulary:
    """What a catalogue can tell items apart by."""

    brands: Mapping[str, str] = field(default_factory=dict)
    """Lower case to the brand as it is written."""
    colours: frozenset[str] = frozenset()
    """Colours that some item has, by their English names."""
    dimensions: frozenset[str] = frozenset()
    """Dimensions of `text.quantities` in which some item has a quantity."""
    priced: bool = True
    currencies: frozenset[str] = frozenset()
    """Codes of those that some item is priced in."""
    rated: bool = False
    stocked: bool = False
    """Whether the shop says of some item whether there is any."""
    says: Callable[[str], bool] = lambda phrase: False
    """Whether some title has the phrase, lower case, as it is."""


def read_filters(query: str, known: Vocabulary) -> Reading:
    """The filters in a query, in the order of its words, and the rest of it.

    A query of filters alone is its own rest: something has to be searched for.
    """
    draft = _Draft(unicodedata.normalize("NFKC", query), known)
    for step in (_stock, _ratings, _ranges, _bounds, _sizes, _unwanted, _brands, _colours):
        step(draft)
    return draft.reading(query)


class _Draft:
    """A query while it is read: what was taken out of it is blank, so that places stay."""

    def __init__(self, text: str, known: Vocabulary) -> None:
        self.known = known
        self.text = self.searched = text
        self.lower = text.lower() if len(text.lower()) == len(text) else text
        self.found: list[tuple[int, Filter]] = []

    def take(self, start: int, end: int, *filters: Filter) -> None:
        words = self.text[start:end].strip(" ,，、的")
        self.found += [(start, replace(each, text=words)) for each in filters]
        self.text, self.lower = _blanked(self.text, start, end), _blanked(self.lower, start, end)
        if any(each.op != "=" or each.field == "stock" for each in filters):
            self.searched = _blanked(self.searched, start, end)

    def matches(self, pattern: re.Pattern[str]) -> Iterator[re.Match[str]]:
        """Every match in what is left at its turn."""
        place = 0
        while match := pattern.search(self.lower, place):
            before = self.lower
            yield match
            place = match.start() if before != self.lower else match.end()

    def reading(self, query: str) -> Reading:
        filters = tuple(each for _, each in sorted(self.found, key=lambda pair: pair[0]))
        whole = query.strip()
        if not filters:
            return Reading(whole, (), whole)
        return Reading(_tidy(self.text) or whole, filters, _tidy(self.searched) or whole)


def _blanked(text: str, start: int, end: int) -> str:
    return text[:start] + " " * (end - start) + text[end:]


# numbers ------------------------------------------------------------------------------------------

_DIGITS = r"\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+(?:\.\d+)?"
_HANZI = f"[{NUMERALS_ZH}]+"
_COUNTED = f"元|块|毛|rmb|{CHINESE}|星|米|克|斤|公斤|千克|升|毫升|寸|个?人|左右|以"
_NUMBER = rf"(?:{_DIGITS}|{_HANZI}(?=\s*(?:{_COUNTED})))"
_UNIT = r"g内存|[a-z°\"″%]{1,12}\.?|[克斤升米寸瓦伏人]|个人|千克|公斤|毫升|厘米|毫米|英寸|小时|分钟|毫安"


def _amount(name: str) -> str:
    """A pattern of a number with a sign of money before it, or a unit of anything after it."""
    unit = rf"(?:\s*-?(?P<u{name}>{WORD}|{SIGN}|{_UNIT}))?"
    return rf"(?P<s{name}>{SIGN})?\s*(?P<n{name}>{_NUMBER})(?![\d.,]*\d){unit}"


MOST = 1e15
"""Numbers are read up to here: of hundreds of digits a float makes infinity, which no JSON has."""


def number_of(text: str) -> float:
    """'1,299.50' or '一千二百' as a number."""
    if re.fullmatch(_DIGITS, text):
        return min(float(text.replace(",", "")), MOST)
    total, part = 0.0, 0.0
    units = {"十": 10.0, "百": 100.0, "千": 1000.0, "万": 10_000.0}
    for char in text:
        if char in units:
            if char == "万":
                total, part = (total + part) * units[char], 0.0
            else:
                total, part = total + (part or 1.0) * units[char], 0.0
        else:
            part = float("零一二三四五六七八九".find(char if char != "两" else "二"))
    return total + part


_NO_UNIT = re.compile(
    r"(?:and|or|but|not|with|without|for|in|please|from|by|no|to|each|max|that|which|then|instead|now|ok|okay|thanks)"
)
"""Words that may follow a price."""


def _measured(
    draft: _Draft, match: re.Match[str], name: str, op: Op, unit: str | None = None
) -> Filter | None:
    """The filter that a number with its unit makes: a price, a quantity, or None where neither is known."""
    sign, number = match[f"s{name}"], number_of(match[f"n{name}"])
    written = (unit if unit is not None else match[f"u{name}"]) or ""
    said = sign or singular(written)
    if said in CODES or not written:
        if not draft.known.priced:
            return None
        return Filter("price", op, number, currency_among(said, draft.known.currencies))
    if _NO_UNIT.fullmatch(written):
        return Filter("price", op, number) if draft.known.priced else None
    # As it was written: 16G and 16g are not the same.
    place = match.span(f"u{name}") if unit is None else (0, 0)
    as_written = draft.text[slice(*place)] or written
    quantities = parse_quantities(f"{number:g}{as_written}") or parse_quantities(
        f"{number:g} {written.upper()}"
    )
    if len(quantities) == 1 and quantities[0].dimension in draft.known.dimensions:
        return Filter("quantity", op, min(quantities[0].value, MOST), quantities[0].unit)
    return None


# steps --------------------------------------------------------------------------------------------

_STARS = re.compile(
    r"(?:at least|over|above|至少|不低于)?\s*(?P<n>[1-5](?:\.\d)?|[一二三四五])\s*(?:\+\s*)?"
    r"(?:-?\s*stars?|颗?星)"
    r"\s*(?:and (?:up|above|more)|or (?:more|better|higher|above|up)|\+|(?:及|或)?以上|起)?"
)


def _ratings(draft: _Draft) -> None:
    for match in draft.matches(_STARS):
        bounded = re.search(r"least|over|above|and|or|\+|至少|不低于|以上|起", match[0])
        if draft.known.rated and bounded:
            draft.take(*match.span(), Filter("rating", ">=", number_of(match["n"])))


_STOCK = re.compile(
    r"(?:(?:that|which)\s+(?:is|are)\s+)?(?<![\w-])(?:(?:currently|now)\s+)?"
    r"(?:in[- ]stock|available\s+(?:now|today|immediately)|ready\s+to\s+ship)(?:\s+now)?(?![\w-])"
    r"|(?<![没无])(?:有现货|有货|现货)的?"
)
_DENIED = re.compile(r"(?:\b(?:not|no|never)|n['’]t)\s+(?:\w+\s+)?$")
IN_STOCK = "in stock"


def _stock(draft: _Draft) -> None:
    for match in draft.matches(_STOCK):
        is_denied = _DENIED.search(draft.lower[: match.start()])
        if draft.known.stocked and not is_denied and not draft.known.says(match[0].strip(" 的")):
            draft.take(*match.span(), Filter("stock", "=", IN_STOCK))


_BUDGET = r"(?:(?:priced?|budget|cost(?:s|ing)?|价格|价位|价钱|预算|售价)(?:\s*(?:is|of|在|是|为))?\s*)?"
_RANGE = re.compile(
    rf"{_BUDGET}(?P<word>between|from|从)?\s*{_amount('a')}\s*(?:and|to|-|–|~|到|至)\s*{_amount('b')}(?P<zh>之间)?"
)


def _ranges(draft: _Draft) -> None:
    for match in draft.matches(_RANGE):
        said = match["word"] or match["zh"] or match["sa"] or match["ub"] or match["sb"]
        low = _measured(
            draft, match, "a", ">=", None if match["sa"] or match["ua"] else (match["ub"] or match["sb"])
        )
        high = _measured(draft, match, "b", "<=", None if match["sb"] or match["ub"] else match["sa"])
        if said and low and high and float(low.value) < float(high.value):
            draft.take(*match.span(), low, high)


_BOUNDS: list[tuple[re.Pattern[str], Any]] = [
    (  # the cue comes first
        re.compile(rf"{_BUDGET}(?P<not>{CUES['not']})?(?:{before})\s*(?:of\s+)?{_amount('')}(?:{after})?"),
        op,
    )
    for op, before, after in (
        ("<=", CUES["most"], r"\s*(?:max|以内|以下|之内)"),
        (">=", CUES["least"], r"\s*(?:min|以上)"),
        ("~", CUES["about"], r"\s*(?:左右)"),
    )
] + [
    (re.compile(rf"{_BUDGET}{_amount('')}\s*(?:{after})"), op)
    for op, after in (("<=", CUES["or less"]), (">=", CUES["or more"]), ("~", CUES["or so"]))
]
_TURNED: dict[Op, Op] = {"<=": ">=", ">=": "<=", "~": "~"}


def _bounds(draft: _Draft) -> None:
    for pattern, op in _BOUNDS:
        for match in draft.matches(pattern):
            is_turned = match.groupdict().get("not")
            made = _measured(draft, match, "", _TURNED[op] if is_turned else op)
            if made:
                is_unit = not _NO_UNIT.fullmatch(match["u"] or "")
                draft.take(match.start(), match.end() if is_unit else match.start("u"), made)


_EXACT = re.compile(rf"(?<![\w.]){_amount('')}")
_TOO_COMMON = ("count", "time", "share", "money", "temperature")


def _sizes(draft: _Draft) -> None:
    for match in draft.matches(_EXACT):
        if not match["u"] or match["s"]:
            continue
        made = _measured(draft, match, "", "=")
        if made and made.field == "quantity" and dimension_of(made.unit) not in _TOO_COMMON:
            draft.take(*match.span(), made)
    for each in parse_quantities(draft.lower):  # 'two-person', 双人
        if each.dimension == "people" and each.dimension in draft.known.dimensions:
            start = draft.lower.find(each.text)
            draft.take(start, start + len(each.text), Filter("quantity", "=", each.value, each.unit))


_JOIN = r"(?:\s*(?:,|，|、|和|或|以及)\s*|\s+(?:and|or|nor)\s+)"
_VERBS = ("do", "does", "did", "will", "would", "can", "could", "should", "must")
_NO_VERB = "".join(rf"(?<!\b{verb} )" for verb in _VERBS)
"""What does not stick is no refusal of what sticks: the words say what a thing is like."""
_NOT_EN = re.compile(
    rf"(?<![\w-])(?:{_NO_VERB}(?:(?:but\s+)?not|no|without|except(?:\s+for)?|excluding"
    r"|anything but|other than)\s+"
    r"|non[- ])"
    rf"(?:(?:a|an|the|any|from|by|with)\s+)?(?P<what>[^\W_{HAN}][\w'’.&-]*(?:{_JOIN}[^\W_{HAN}][\w'’.&-]*)*)"
)
_NOT_ZH = re.compile(
    rf"(?:不要|不想要|别要|(?<!含)不含|(?<!带)不带|(?<!有)没有|排除|除了|(?<!去)除(?=[{HAN}\w]+?[以之]外)|非(?![常洲凡]))"
    rf"\s*(?P<what>[{HAN}\w]+?(?:{_JOIN}[{HAN}\w]+?)*)"
    rf"(?:(?:以外|之外)?的|以外|之外|牌|(?=[\s,，。;；]|$))"
)


def _unwanted(draft: _Draft) -> None:
    for pattern in (_NOT_EN, _NOT_ZH):
        for match in draft.matches(pattern):
            whole = match[0].strip(" 的,，")
            if draft.known.says(whole):
                continue
            parts = [part for part in re.split(_JOIN, match["what"]) if part]
            brands = [_brand(draft.known, part) for part in parts]
            # "not a gaming mouse, blue": only brands go on after a comma, other words end with the first.
            n = max(1, next((i for i, brand in enumerate(brands) if brand is None), len(brands)))
            end = match.end() if n == len(parts) else match.start("what") + match["what"].find(parts[n])
            end = match.start("what") + len(parts[0]) if n == 1 and len(parts) > 1 else end
            made = [
                Filter("brand", "!=", brand) if brand else Filter("words", "!=", part)
                for part, brand in zip(parts[:n], brands, strict=False)
            ]
            draft.take(match.start(), end, *made)


def _brand(known: Vocabulary, word: str) -> str | None:
    lower = word.lower().strip()
    return known.brands.get(lower) or known.brands.get(BRANDS_ZH.get(lower, "\0"))


def _brands(draft: _Draft) -> None:
    names = [*draft.known.brands, *(zh for zh, name in BRANDS_ZH.items() if name in draft.known.brands)]
    # A shop may have thousands: a pattern is made of those alone whose letters are there.
    for name in sorted((name for name in names if name in draft.lower), key=len, reverse=True):
        edges = ("", "") if re.search(f"[{HAN}]", name) else (r"(?<![\w-])", r"(?![\w-])")
        for match in draft.matches(re.compile(edges[0] + re.escape(name) + edges[1])):
            brand = _brand(draft.known, name)
            if brand is None:
                break
            draft.take(*match.span(), Filter("brand", "=", brand))


_COLOUR = re.compile(
    "|".join(
        rf"(?<![\w-]){word}(?![\w-])" if word.isascii() else rf"{word}色?"
        for word in sorted(COLOURS, key=len, reverse=True)
    )
)


def _colours(draft: _Draft) -> None:
    for match in draft.matches(_COLOUR):
        word = match[0]
        colour = COLOURS.get(word) or COLOURS.get(word.removesuffix("色"))
        if colour not in draft.known.colours or (not word.isascii() and not word.endswith("色")):
            continue
        following = re.match(r"\s+([^\W\d_]+)", draft.lower[match.end() :])
        if word.isascii() and following and draft.known.says(f"{word} {following[1]}"):
            continue
        draft.take(*match.span(), Filter("colour", "=", str(colour)))


_EDGE = re.compile(
    r"^(?:的|,|，|、|;|；|and\b|or\b|或|和|with\b|for\b|in\b|\s)+|(?:的|,|，|、|;|；|\band|\bor|\bwith|\bin|\bfor|\s)+$"
)


def _tidy(text: str) -> str:
    """What is left, without the joints that held it to what was taken out."""
    text = re.sub(r"\s*(?:,|，|、)\s*(?=,|，|、|\s|$)", " ", text)
    text = re.sub(rf"(?<=[{HAN}])\s+(?=[{HAN}])", " ", text)
    text = " ".join(text.split())
    return _EDGE.sub("", _EDGE.sub("", text)).strip()
