"""Whether an item holds the words of a condition that no filter reads: 'leather', 'cast iron', '铸铁'."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from retailor.dialogue.acts import without_chatter
from retailor.retrieval.tokens import content_words, words

_PREFIX = 4
"""'wooden' is held by 'wood': a word of so many letters that the other one begins with."""


def text_of(details: Mapping[str, Any]) -> str:
    """All that the catalogue says of an item, in lower case."""
    values = [pair["value"] or "" for pair in details.get("attributes", [])]
    parts = [details.get("title"), details.get("brand"), *(details.get("category") or []), *values]
    return " ".join([*(part or "" for part in parts), details.get("description") or ""]).lower()


def wanted_words(conditions: str, read: Iterable[str], searched: str) -> list[str]:
    """The content words of the conditions without those that filters were read from or searched for before."""
    rest = without_chatter(conditions)
    for each in read:
        rest = re.sub(re.escape(each), " ", rest, flags=re.IGNORECASE)
    known = set(content_words(searched))
    return [word for word in dict.fromkeys(content_words(rest)) if word not in known]


def holds(details: Mapping[str, Any], wanted: Sequence[str]) -> bool:
    """Whether the item's texts have every word, in any inflection."""
    text = text_of(details)
    told = set(words(text))
    return all(_told(word, told, text) for word in wanted)


def _told(word: str, told: set[str], text: str) -> bool:
    if word in told or (not word.isascii() and word in text):
        return True
    if not word.isascii() or len(word) < _PREFIX or not word.isalpha():
        return False
    return any(
        each.isalpha() and len(each) >= _PREFIX and (each.startswith(word) or word.startswith(each))
        for each in told
    )
