"""Single English nouns by the company they keep: what stands after an article and before a verb or a stop."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from retailor.text.common_words import ENGLISH_STOP_WORDS, OPINIONS

_TOKEN = re.compile(r"[a-z][a-z'’&-]*[a-z0-9]|\d+|[^\w\s]|[a-z]")
_BEFORE = frozenset(
    re.findall(r"\S+", "the a an this that these those my its your their his her our no any some of with")
)
_AFTER = frozenset(re.findall(r"\S+", """
    is are was were has have had isn't wasn't aren't doesn't does will would can and but or that which for
    on in at to with of from when while after broke breaks
"""))  # fmt: skip
LEAST_BEFORE, LEAST_AFTER = 0.3, 0.5
"""The shares of a noun's places: after an article or a possessive, and where it can end its phrase."""


def nouns_of(texts: Iterable[str], least: int) -> list[str]:
    """The words that stand like nouns in English texts, in at least so many of them, the commonest first."""
    n, before, after, n_texts = Counter[str](), Counter[str](), Counter[str](), Counter[str]()
    for text in texts:
        tokens = [".", *_TOKEN.findall(text.lower()), "."]
        inner = list(enumerate(tokens))[1:-1]
        words = [(i, word) for i, word in inner if len(word) > 2 and word.replace("-", "").isalpha()]
        n.update(word for _, word in words)
        n_texts.update({word for _, word in words})
        before.update(word for i, word in words if tokens[i - 1] in _BEFORE)
        after.update(word for i, word in words if _ends(tokens[i + 1]))
    return [
        word
        for word, count in n_texts.most_common()
        if count >= least
        and before[word] >= LEAST_BEFORE * n[word]
        and after[word] >= LEAST_AFTER * n[word]
        and word not in ENGLISH_STOP_WORDS
        and word not in OPINIONS
    ]


def _ends(token: str) -> bool:
    return token in _AFTER or not token[0].isalnum()
