"""The head of a query: the word that names the thing which is asked for.

'keyboard' of "quiet keyboard for the office", 礼物 of 给孩子的礼物: the last word before the first
preposition, in Chinese before the first space, without numbers and units.
"""

from __future__ import annotations

from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import HAS_CHINESE, STOP_WORDS, UNITS, content_words, words
from retailor.tasks.search.lexicon import ANYTHING
from retailor.tasks.search.synonyms.expansion import Synonyms, docs_with

_ENDS = "for with without that in of to from against by and who which when whose on at under over"
PREPOSITIONS = frozenset(_ENDS.split())
_ANYTHING = frozenset(index for word in ANYTHING for index in words(word))


def head_of(query: str) -> list[str]:
    """The index words that the head of a query may be found by; none of one that names no thing ("something
    to sit on", 给孩子的礼物)."""
    found = _chinese(query) if HAS_CHINESE.search(query) else _latin(query)
    return [] if any(_names_nothing(each) for each in found) else found


def is_known(query: str, titles: BM25Index, synonyms: Synonyms) -> bool:
    """Whether some title has the head of a query, or a synonym of it; so too of a query without a head."""
    head = head_of(query)
    others = synonyms.docs(titles, query) if head else {}
    return not head or any(len(docs_with(titles, each, others)) for each in head)


def _latin(query: str) -> list[str]:
    written = query.lower().split()
    cut = next((i for i, word in enumerate(written) if i and word in PREPOSITIONS), len(written))
    found: list[str] = []
    for word in written[:cut]:
        index = content_words(word)
        if index and word not in UNITS and not any(map(str.isdigit, word)):
            found = index
    return found


def _chinese(query: str) -> list[str]:
    """The last word of the first phrase, and the pairs of characters that end it, however it is cut."""
    phrases = [each for each in query.split() if HAS_CHINESE.search(each)]
    said = [word for word in content_words(phrases[0]) if HAS_CHINESE.search(word)]
    if not said:
        return []
    end = phrases[0].rindex(said[-1]) + len(said[-1]) if said[-1] in phrases[0] else len(phrases[0])
    pairs = [
        word
        for word in words(phrases[0][:end])
        if len(word) > 1 and word not in STOP_WORDS and phrases[0][:end].endswith(word)
    ]
    return list(dict.fromkeys([said[-1], *pairs]))


def _names_nothing(word: str) -> bool:
    return word in _ANYTHING or bool(
        HAS_CHINESE.search(word)
        and any(word.endswith(each) for each in _ANYTHING if HAS_CHINESE.search(each))
    )
