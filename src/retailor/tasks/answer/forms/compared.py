# ruff: noqa: E501 (a pattern a line)
"""Two items side by side: the attributes that are asked for, or all that they share, and which has more."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retailor.retrieval.tokens import HAS_CHINESE, words
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.forms.measures import LESS, MORE, comparable, quantities
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import Compared, Evidence, Verdict

MAX_ROWS = 8
_MORE = re.compile(
    rf"\b(?:{MORE})\b|更?[重长大高宽厚深贵亮](?=吗|么|一?[些点]|[？?]|$)|更[重长大高宽厚深贵亮]",
    re.IGNORECASE,
)
_LESS = re.compile(
    rf"\b(?:{LESS})\b|更?[轻短小矮窄薄便](?:宜)?(?=吗|么|一?[些点]|[？?]|$)|更(?:[轻短小矮窄薄]|便宜)",
    re.IGNORECASE,
)
_OF_PRICE = re.compile(r"\b(?:cheaper|expensive|dearer|pricier)\b|更?贵|便宜", re.IGNORECASE)


def attributes(index: PassageIndex, item_id: str) -> dict[str, int]:
    """Name of each of an item's attributes to its row."""
    rows = (row for row in index.page(item_id).tolist() if index.sources[row] == "attribute")
    return {index.texts[row].partition(":")[0].strip(): row for row in rows}


def table(question: str, index: PassageIndex, own: str, other: str) -> list[tuple[Compared, int, int | None]]:
    """Rows of the comparison, each with the rows of the index behind it; [] where the items share none.

    An attribute is the same by its name, or by the kind of thing that the name tells.
    """
    mine, theirs = attributes(index, own), attributes(index, other)
    bare = _without(question, index.titles.get(other, ""))
    wanted = {kind.name for kind in kinds.asked(bare) if kind.sort == "fact"}
    wanted |= {"price"} if _OF_PRICE.search(question) else set()
    found: list[tuple[Compared, int, int | None]] = []
    for name, row in mine.items():
        if wanted and not wanted & kinds.told(name):
            continue
        match = _same(name, theirs)
        if match is None and wanted:
            continue
        value = None if match is None else _value(index, match)
        found.append((Compared(name, _value(index, row), value), row, match))
    if not any(match is not None for _, _, match in found):
        return []
    found.sort(key=lambda each: each[2] is None)
    return found[:MAX_ROWS]


def verdict(question: str, rows: Sequence[Compared]) -> Verdict | None:
    """Whether the item has more, or less, as the question asks; None where it asks neither, or values do not say."""
    more, less = _MORE.search(question) is not None, _LESS.search(question) is not None
    if more == less or len(rows) != 1 or rows[0].own is None or rows[0].other is None:
        return None
    mine, theirs = quantities(rows[0].own), quantities(rows[0].other)
    if not mine or not theirs:
        return None
    own, other = comparable(mine, theirs[0]), comparable(theirs, theirs[0])
    if not own or max(own) == max(other):
        return "no" if own else None
    return "yes" if (max(own) > max(other)) == more else "no"


def cited(index: PassageIndex, rows: Sequence[tuple[Compared, int, int | None]]) -> tuple[Evidence, ...]:
    """The attributes of both items as evidence."""
    pairs = ((own, other) for _, own, other in rows)
    return tuple(index.evidence(row, 0.0) for pair in pairs for row in pair if row is not None)


def _without(question: str, title: str) -> str:
    """The question without the words that name the other item: a glass kettle asks for no material."""
    if HAS_CHINESE.search(title):
        named = sorted(words(title), key=len, reverse=True)
        return re.sub("|".join(map(re.escape, named)) or "(?!)", " ", question, flags=re.IGNORECASE)
    named = [re.escape(word) for word in re.findall(r"\w+", title)]
    return re.sub(rf"\b(?:{'|'.join(named) or '(?!)'})\b", " ", question, flags=re.IGNORECASE)


def _value(index: PassageIndex, row: int) -> str:
    return index.texts[row].partition(":")[2].strip()


def _same(name: str, theirs: dict[str, int]) -> int | None:
    by_name = {each.casefold(): row for each, row in theirs.items()}
    if name.casefold() in by_name:
        return by_name[name.casefold()]
    told = _facts(name)
    return next((row for each, row in theirs.items() if told and told == _facts(each)), None)


def _facts(name: str) -> set[str]:
    """The facts that an attribute's name tells."""
    return {kind.name for kind in kinds.KINDS if kind.sort == "fact"} & kinds.told(name)
