"""Whether an item holds the words of a condition that no filter reads: 'leather', 'cast iron', '铸铁'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retailor.dialogue.acts import without_chatter
from retailor.retrieval.tokens import content_words, words
from retailor.scripts import HAN

_MEASURE = re.compile(rf"\d+(?:\.\d+)?\s*(?:[a-z%°]{{1,9}}(?![a-z])|个?[{HAN}]{{1,2}})?", re.IGNORECASE)
_EMPTY = frozenset(["dollar", "euro", "buck", "yuan", "work", "big", "small", "size"])
_EMPTY_ZH = frozenset("能可以住装放用做适合块元点大小一些多少个的得要是有")
"""Words, and characters of words, around a condition that no item has to hold."""
_MADE_OF = re.compile(r"([木竹铁钢铜铝银金皮棉毛麻丝瓷纸布胶])[头制质料子做]?")
"""What something is made of, as it is asked for: 木头 is held by 榉木."""
_PREFIX = 4
"""'wooden' is held by 'wood': a word of so many letters that the other one begins with."""


def text_of(details: Mapping[str, Any]) -> str:
    """All that the catalogue says of an item, in lower case."""
    values = [pair["value"] or "" for pair in details.get("attributes", [])]
    parts = [details.get("title"), details.get("brand"), *(details.get("category") or []), *values]
    return " ".join([*(part or "" for part in parts), details.get("description") or ""]).lower()


def wanted_words(conditions: str, read: Iterable[str], searched: str) -> list[str]:
    """What an item should hold: the words of the conditions that no filter was read from, numbers with units.

    Words that were searched for before do not count again.
    """
    rest = conditions
    for each in read:
        rest = re.sub(re.escape(each), " ", rest, flags=re.IGNORECASE)
    rest = without_chatter(rest)
    measures = [match[0] for match in _MEASURE.finditer(rest)]
    known = set(content_words(searched)) | _EMPTY
    plain = [
        word for word in content_words(_MEASURE.sub(" ", rest)) if word not in known and set(word) - _EMPTY_ZH
    ]
    return list(dict.fromkeys([*(_close(each) for each in measures), *plain]))


def best_holding(details: Sequence[Mapping[str, Any]], wanted: Sequence[str]) -> tuple[list[str], bool]:
    """The ids of the items that hold most of what is wanted, in their order, and whether that is all of it.

    All items and false where none holds half.
    """
    if not wanted:
        return [each["item_id"] for each in details], True
    shares = [share(each, wanted) for each in details]
    best = max(shares, default=0.0)
    if best < 0.5:
        return [each["item_id"] for each in details], False
    return [each["item_id"] for each, of in zip(details, shares, strict=True) if of == best], best == 1.0


def share(details: Mapping[str, Any], wanted: Sequence[str]) -> float:
    """How much of what is wanted the item's texts have, in any inflection."""
    text = text_of(details)
    told, close = set(words(text)), _close(text)
    return sum(_told(word, told, close) for word in wanted) / len(wanted)


def _close(text: str) -> str:
    """Without spaces, and without the 个 between a number and what it counts: '4 个人' is '4人'."""
    return re.sub(r"(?<=\d)个(?=\w)", "", re.sub(r"\s+", "", text.lower()))


def _told(word: str, told: set[str], close: str) -> bool:
    if word[0].isdigit():
        return re.search(rf"(?<![\d.]){re.escape(word)}", close) is not None
    if word in told or (not word.isascii() and word in close):
        return True
    if made := _MADE_OF.fullmatch(word):
        return made[1] in close
    if not word.isascii() or len(word) < _PREFIX or not word.isalpha():
        return False
    return any(
        each.isalpha() and len(each) >= _PREFIX and (each.startswith(word) or word.startswith(each))
        for each in told
    )
