"""Structure out of messy item rows, and an item as text within a token budget."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import polars as pl

from retailor.scripts import CJK
from retailor.shop.tables import Shop, conform
from retailor.text.clean_text import clean_text
from retailor.text.quantities import Quantity, parse_quantities

__all__ = ["Quantity", "item_text", "item_texts", "parse_quantities", "structure", "structure_items", "texts"]

_NAMES = {
    "en": {"mass": "Weight", "volume": "Volume", "length": "Size", "count": "Count", "money": "Value",
           "power": "Power", "voltage": "Voltage", "charge": "Battery capacity", "memory": "Memory",
           "frequency": "Frequency", "brightness": "Brightness"},
    "zh": {"mass": "重量", "volume": "容量", "length": "尺寸", "count": "数量", "money": "面值",
           "power": "功率", "voltage": "电压", "charge": "电池容量", "memory": "内存",
           "frequency": "频率", "brightness": "亮度"},
}  # fmt: skip
_NO_ATTRIBUTE = re.compile(
    r"asin|(?:amazon )?best sellers? rank|(?:average )?customer reviews?"
    r"|(?:domestic |international )?shipping"
    r"|date first (?:available|listed).*|商品编号|sku",
    re.IGNORECASE,
)
_NO_VALUE = re.compile(
    r"[\W_]*|n/?a|none|null|unknown|not applicable|does not apply|无|暂无|未知", re.IGNORECASE
)
_COUNTED = re.compile(rf"[{CJK}]|[^\W_]+(?:['.-][^\W_]+)*")
_LETTER = re.compile(r"[^\W\d_]")
_CJK = re.compile(rf"[{CJK}]")
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|(?<=[。！？；])(?![。！？；”’])|\n")
_MAX_VALUE = 60
_MAX_ATTRIBUTES = 8


# structuring --------------------------------------------------------------------------------------


def structure(item: Mapping[str, Any], brands: Iterable[str] = ()) -> dict[str, Any]:
    """The item row with a clean title, a brand, a category path without noise and canonical attributes.

    The brand is filled in when the title begins with one of `brands` or says 'by' it. Quantities of the
    title that no attribute states become attributes ('Weight: 500 g').
    """
    row = dict(item)
    title = clean_text(row.get("title") or "")
    if "title" in row:
        row["title"] = title or None
    if row.get("description"):
        row["description"] = clean_text(row["description"], lines=True) or None
    row["brand"] = clean_text(row.get("brand") or "") or _brand_in(title, brands)
    if row.get("category"):
        row["category"] = _path(row["category"])
    stated = list(_attributes(row.get("attributes") or ()))
    row["attributes"] = stated + list(_quantity_attributes(title, stated))
    return row


def structure_items(items: pl.DataFrame) -> pl.DataFrame:
    """The items table, each row structured; brands that occur in the table are looked for in the titles."""
    counts = Counter(clean_text(brand) for brand in items["brand"].drop_nulls())
    brands = sorted((brand for brand in counts if len(brand) > 1), key=len, reverse=True)
    by_start: dict[str, list[str]] = {}
    for brand in brands:
        by_start.setdefault(brand[:2].lower(), []).append(brand)
    rows = [structure(row, _candidates(row.get("title"), by_start)) for row in items.iter_rows(named=True)]
    return conform("items", pl.DataFrame(rows, schema=dict(items.schema)))


def _candidates(title: str | None, by_start: Mapping[str, list[str]]) -> list[str]:
    if not title:
        return []
    starts = {clean_text(title)[:2].lower()}
    starts.update(found[1].lower() for found in re.finditer(r"\bby (..)", title, re.IGNORECASE))
    return [brand for start in sorted(starts) for brand in by_start.get(start, ())]


def _brand_in(title: str, brands: Iterable[str]) -> str | None:
    for brand in sorted(brands, key=len, reverse=True):
        edge = "" if _CJK.search(brand[-1]) else r"(?!\w)"
        if re.match(rf"[\[【(（]?{re.escape(brand)}{edge}", title, re.IGNORECASE):
            return brand
        if re.search(rf"\bby {re.escape(brand)}{edge}", title, re.IGNORECASE):
            return brand
    return None


def _path(category: Sequence[str | None]) -> list[str]:
    """The path without repeats, markup and the sentences that some scrapes put there."""
    steps = [clean_text(step) for step in category if step]
    return [step for step in dict.fromkeys(steps) if step and len(step) <= 50 and step[-1] not in ".。!！"]


def _attributes(pairs: Iterable[Mapping[str, str | None]]) -> Iterator[dict[str, str]]:
    seen = set()
    for pair in pairs:
        name = _attribute_name(pair.get("name") or "")
        value = clean_text(pair.get("value") or "").rstrip("( ;,:")
        key = (name.lower(), value.lower())
        if _NO_ATTRIBUTE.fullmatch(name) or _NO_VALUE.fullmatch(value) or not name or key in seen:
            continue
        seen.add(key)
        yield {"name": name, "value": value}


def _attribute_name(name: str) -> str:
    """'\\n    Product Dimensions: \\n' to 'Product dimensions', 'item_weight' to 'Item weight'."""
    name = clean_text(name).replace("_", " ").strip(" :：-*•")
    if not name.isascii() or name.isupper():
        return name
    words = [word if word.isupper() or not word.istitle() else word.lower() for word in name.split()]
    joined = " ".join(words)
    return joined[:1].upper() + joined[1:]


def _quantity_attributes(title: str, stated: Sequence[Mapping[str, str]]) -> Iterator[dict[str, str]]:
    names = _NAMES["zh" if _CJK.search(title) else "en"]
    known = {(q.dimension, round(q.base, 6)) for pair in stated for q in parse_quantities(pair["value"])}
    grouped: dict[str, list[Quantity]] = {}
    for quantity in parse_quantities(title):
        key = (quantity.dimension, round(quantity.base, 6))
        if quantity.dimension in names and key not in known:
            known.add(key)
            grouped.setdefault(quantity.dimension, []).append(quantity)
    for dimension, quantities in grouped.items():
        joiner = " x " if dimension == "length" else ", "
        yield {"name": names[dimension], "value": joiner.join(str(quantity) for quantity in quantities)}


# rendering ----------------------------------------------------------------------------------------


def count_words(text: str) -> int:
    """Words of Latin scripts plus characters of Chinese, Japanese and Korean: roughly a tokenizer's count."""
    return len(_COUNTED.findall(text))


def item_text(
    item: Mapping[str, Any], *, max_tokens: int = 96, count: Callable[[str], int] | None = None
) -> str:
    """The item as text: title, brand, category path, attributes in words, whole sentences of the description,
    attributes in numbers.

    Keeps within `max_tokens` as `count` counts them (default `count_words`); only a title or a first sentence
    that alone is longer is cut inside. Missing parts are left out; an item of none gives "", never its id.
    """
    count = count or count_words
    asian = bool(_CJK.search(item.get("title") or item.get("description") or ""))
    text, left = "", max_tokens
    telling, bare = _parts(item, asian)
    for part in telling:
        cost = count(part)
        if cost <= left:
            text, left = _joined(text, part, asian), left - cost
        elif not text:
            return _cut(part, max_tokens, count)
    for number, sentence in enumerate(sentences(clean_text(item.get("description") or "", lines=True))):
        cost = count(sentence)
        if cost > left:
            # a first sentence longer than what is left still says more than none
            return text if number else _joined(text, _cut(sentence, left, count), asian)
        text, left = _joined(text, sentence, asian), left - cost
    for part in bare:
        if (cost := count(part)) <= left:
            text, left = _joined(text, part, asian), left - cost
    return text


def item_texts(items: pl.DataFrame) -> list[str]:
    """`item_text` of every row, in order."""
    return [item_text(row) for row in items.iter_rows(named=True)]


def texts(shop: Shop, *, max_tokens: int = 256) -> list[str]:
    """All the texts of the shop, each once: items, then reviews, then questions with their answers.

    What is no language, such as a category's number alone, is left out.
    """
    found = [item_text(row, max_tokens=max_tokens) for row in shop.items.iter_rows(named=True)]
    for title, text in shop.reviews.select("title", "text").iter_rows():
        found.append(_joined(clean_text(title or ""), clean_text(text or ""), bool(_CJK.search(text or ""))))
    for question, answer in shop.questions.select("question", "answer").iter_rows():
        found.append(
            _joined(clean_text(question or ""), clean_text(answer or ""), bool(_CJK.search(question or "")))
        )
    return [text for text in dict.fromkeys(found) if is_language(text)]


def is_language(text: str) -> bool:
    """Whether a language model can make something of the text: it has a letter, and is no bare number."""
    return _LETTER.search(text) is not None


def _parts(item: Mapping[str, Any], asian: bool) -> tuple[list[str], list[str]]:
    """What is worth saying before the description and after it, most telling first, and nothing twice.

    Attributes with numbers come after: sizes and model numbers tell a language model less than words do.
    """
    title, brand = clean_text(item.get("title") or ""), clean_text(item.get("brand") or "")
    telling = [title] if title else []
    said = title.lower()
    if brand and brand.lower() not in said:
        said = f"{said} {brand.lower()}"
        telling.append(brand)
    path = [step for step in _path(item.get("category") or ()) if step.lower() not in said]
    if path:
        telling.append(" > ".join(path[-3:]))
    colon = "：" if asian else ": "
    words: list[str] = []
    numbers: list[str] = []
    for pair in _attributes(item.get("attributes") or ()):
        value = pair["value"]
        if len(value) <= _MAX_VALUE and value.lower() not in said:
            (numbers if re.search(r"\d", value) else words).append(f"{pair['name']}{colon}{value}")
    return telling + words[:_MAX_ATTRIBUTES], numbers[:_MAX_ATTRIBUTES]


def sentences(text: str) -> list[str]:
    """The sentences of a text, English or Chinese, without surrounding space."""
    return [part.strip() for part in _SENTENCE_END.split(text) if part.strip()]


def _joined(text: str, part: str, asian: bool) -> str:
    if not text or not part:
        return text or part
    if text[-1] in "。！？；…":
        return text + part
    if text[-1] in ".!?;":
        return f"{text} {part}"
    return f"{text}。{part}" if asian else f"{text}. {part}"


def _cut(text: str, max_tokens: int, count: Callable[[str], int]) -> str:
    """The longest beginning of the text, ending at a word, that costs at most `max_tokens`."""
    ends = [found.end() for found in _COUNTED.finditer(text)]
    low, high = 0, len(ends)
    while low < high:
        middle = (low + high + 1) // 2
        if count(text[: ends[middle - 1]]) <= max_tokens:
            low = middle
        else:
            high = middle - 1
    return text[: ends[low - 1]] if low else ""
