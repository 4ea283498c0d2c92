# ruff: noqa: E501 (lists of words)
"""What a text says that can be looked up: numbers, units, names, materials, colours and properties.

A draft may say such a thing only where the item's own row, or the customer, says it too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from retailor.metrics.generation import tokens
from retailor.scripts import CJK
from retailor.text.clean_text import clean_text
from retailor.text.common_words import english_share
from retailor.text.opinions import BLAME, PRAISE
from retailor.text.quantities import parse_quantities

_COUNTS = {
    word: str(number)
    for number, words in enumerate(
        ["two 二 两", "three 三", "four 四", "five 五", "six 六", "seven 七", "eight 八", "nine 九", "ten 十", "eleven 十一", "twelve 十二"], 2
    )
    for word in words.split()
} | {"dozen": "12", "twenty": "20", "thirty": "30", "fifty": "50", "hundred": "100", "thousand": "1000"}  # fmt: skip
_WORD_NUMBER = re.compile(
    rf"\b(?P<en>{'|'.join(word for word in _COUNTS if word.isascii())})\b"
    r"|(?P<zh>[二两三四五六七八九十])(?=[多来几]?(?:个|款)?(?:[月年天周日次元块斤米瓶盒包件只双台岁寸]|小时|分钟|星期|公斤|厘米|毫升))"
    r"|(?P<span>一)(?=[多来几]?个?(?:年|月|周|星期|小时|公斤|斤))",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_STARS = re.compile(
    r"\b(?P<en>\d|one|two|three|four|five)[- ]?stars?\b|(?P<zh>[1-5一二三四五])(?:颗)?星(?!期)", re.IGNORECASE
)
_STAR_WORDS = dict(
    zip(["one", "two", "three", "four", "five", "一", "二", "三", "四", "五"], "1234512345", strict=True)
)
_NAME = re.compile(r"(?<=[\w,;:）)] )(?P<name>[A-Z][\w’'&-]+(?: [A-Z][\w’'&-]+)*)")
MATERIALS = """
    cotton leather wool silk linen polyester nylon plastic steel aluminium aluminum titanium ceramic porcelain
    glass wood wooden bamboo silicone rubber velvet denim cashmere suede canvas oak pine marble brass copper gold
    golden bronze chrome foam memory-foam acrylic metal cardboard iron
    纯棉 棉质 真皮 皮质 羊毛 真丝 亚麻 涤纶 尼龙 塑料 不锈钢 铝合金 钛 陶瓷 玻璃 木质 实木 竹 硅胶 橡胶 天鹅绒 铜 铁 金属 纸板
"""
COLOURS = """
    black white red blue green yellow orange purple violet pink brown grey gray beige navy turquoise maroon teal
    silver cream ivory burgundy lilac crimson scarlet
    黑色 白色 红色 蓝色 绿色 黄色 橙色 紫色 粉色 粉红 棕色 灰色 米色 银色 金色 咖啡色 卡其
"""
PROPERTIES = """
    waterproof water-resistant wireless rechargeable foldable bluetooth dishwasher microwave organic vegan
    gluten-free bpa-free machine-washable stainless led usb wifi wi-fi cordless adjustable inflatable hypoallergenic
    fireproof windproof shockproof biodegradable recyclable handmade scented unscented fragrance-free sugar-free
    touchscreen voice-controlled
    防水 无线 充电 可折叠 蓝牙 洗碗机 微波炉 有机 无糖 可水洗 可机洗 防摔 防风 手工 触屏 环保
"""
_SAYABLE = {
    word: kind
    for kind, words in (("material", MATERIALS), ("colour", COLOURS), ("property", PROPERTIES))
    for word in words.split()
}
_ASCII = [re.escape(word).replace(r"\-", "[- ]") for word in _SAYABLE if word.isascii()]
_FACT_WORD = re.compile(
    rf"\b(?:{'|'.join(sorted(_ASCII, key=len, reverse=True))})\b"
    rf"|{'|'.join(sorted((word for word in _SAYABLE if not word.isascii()), key=len, reverse=True))}",
    re.IGNORECASE,
)
_GREY = {"gray": "grey", "aluminum": "aluminium", "wooden": "wood", "golden": "gold"}
_FEELINGS = frozenset(word for word in (*PRAISE, *BLAME) if word.isascii())
EVERYDAY_SHARE = 2e-5
"""Commoner words than this are no names."""
MAX_NAME_TOKENS = 4
_ASIAN = re.compile(f"[{CJK}]")


@dataclass(frozen=True)
class Names:
    """Brands and values of attributes of a whole catalogue, as words with a space between."""

    known: frozenset[str] = frozenset()

    @classmethod
    def of(cls, items: pl.DataFrame) -> Names:
        """Those that name something: no everyday word, no number, at most four words."""
        said = {row["brand"] or "" for row in items.select("brand").unique().iter_rows(named=True)}
        for pairs in items["attributes"].drop_nulls():
            said |= {pair["value"] or "" for pair in pairs}
        split = (tokens(text) for text in said)
        return cls(
            frozenset(
                " ".join(words) for words in split if len(words) <= MAX_NAME_TOKENS and _is_telling(words)
            )
        )

    def within(self, text: str) -> Iterator[str]:
        """The names that a text says."""
        words = tokens(text)
        for size in range(1, MAX_NAME_TOKENS + 1):
            for start in range(len(words) - size + 1):
                found = " ".join(words[start : start + size])
                if found in self.known:
                    yield found


def _is_telling(words: list[str]) -> bool:
    letters = "".join(words)
    if len(letters) < (2 if _ASIAN.search(letters) else 3) or any(one.isdigit() for one in letters):
        return False
    return not all(is_everyday(word) for word in words)


def is_everyday(word: str) -> bool:
    """Whether a word of English is common, or says no more than a feeling."""
    return word in _FEELINGS or english_share(word) > EVERYDAY_SHARE


def source_of(item: Mapping[str, Any], aspects: Iterable[str] = ()) -> str:
    """All that may be said of an item: every field of its row, and what the customer wants mentioned."""
    pairs = [f"{pair['name']} {pair['value']}" for pair in item.get("attributes") or ()]
    price = item.get("price")
    told = [
        item.get("title"), item.get("brand"), item.get("description"), *(item.get("category") or ()), *pairs,
        "" if price is None else f"{price:g} {item.get('currency') or ''}", *aspects,
    ]  # fmt: skip
    return " . ".join(clean_text(part) for part in told if part)


def invented(
    text: str, source: str, *, language: str = "en", stars: int = 0, names: Names | None = None
) -> str:
    """The first thing that the text says and the source does not, with its kind; '' for none.

    Numbers, in digits or words, and quantities in any unit of the same kind; names (in English by their
    capitals, of the catalogue everywhere); materials, colours and properties. The draft's own number of
    `stars` may be said.
    """
    given = {_stars_of(match): match[0] for match in _STARS.finditer(text)}
    text = _STARS.sub(" ", text)
    for found in (
        next((f"'{said}'" for n, said in given.items() if n != str(stars)), ""),
        _number(text, source),
        _fact_word(text, source),
        _name(text, source) if language == "en" else "",
        _known_name(text, source, names or Names()),
    ):
        if found:
            return found
    return ""


def _stars_of(match: re.Match[str]) -> str:
    said = (match["en"] or match["zh"]).lower()
    return _STAR_WORDS.get(said, said)


def _numbers(text: str) -> dict[str, str]:
    """Number in digits to how the text says it."""
    found = {_plain(match[0]): match[0] for match in _NUMBER.finditer(text)}
    for match in _WORD_NUMBER.finditer(text):
        said = (match["en"] or match["zh"] or match["span"]).lower()
        found[_COUNTS.get(said, "1")] = match[0]
    return found


def _plain(number: str) -> str:
    """'1,200' and '1200', '5.0' and '5' are the same."""
    bare = number.replace(",", "")
    return f"{float(bare):g}" if bare.count(".") <= 1 else bare


def _number(text: str, source: str) -> str:
    there, known = _numbers(source), parse_quantities(source)
    quantities = {(one.dimension, round(one.base, 6)) for one in known}
    bare = there.keys() - {f"{one.value:g}" for one in known}
    measured = parse_quantities(text)
    for one in measured:
        if (one.dimension, round(one.base, 6)) not in quantities and f"{one.value:g}" not in bare:
            return f"the quantity '{one}'"
    right = {f"{one.value:g}" for one in measured}
    for number, said in _numbers(text).items():
        if number not in there and number not in right:
            return f"the number '{said}'"
    return ""


def _fact_words(text: str) -> dict[str, str]:
    said = (match[0].lower().replace(" ", "-") for match in _FACT_WORD.finditer(text))
    return {_GREY.get(word, word): word for word in said}


def _fact_word(text: str, source: str) -> str:
    there, whole = _fact_words(source), source.lower()
    for word, said in _fact_words(text).items():
        if word not in there and not (_ASIAN.search(word) and word.removesuffix("色") in whole):
            return f"the {_SAYABLE.get(said, _SAYABLE.get(word, 'property'))} '{said}'"
    return ""


def _name(text: str, source: str) -> str:
    """A capitalised word within a sentence that is no everyday word."""
    there = set(tokens(source))
    for match in _NAME.finditer(text):
        for word in tokens(match["name"]):
            if len(word) > 1 and word not in there and not is_everyday(word.split("'")[0]):
                return f"the name '{match['name']}'"
    return ""


def _known_name(text: str, source: str, names: Names) -> str:
    there = f" {' '.join(tokens(source))} "
    for name in names.within(text):
        if f" {name} " not in there:
            return f"'{name}', which is another product's"
    return ""
