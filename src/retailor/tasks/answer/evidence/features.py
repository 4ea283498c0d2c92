"""What a question and a passage have in common, as numbers.

Nothing here knows the list that a passage stands in: a passage has the same features beside any others,
so that a probability learned from them can also say that none of them answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import HAS_CHINESE, content_words, words
from retailor.scripts import HAN
from retailor.tasks.answer.question import kinds

SOURCES = ("attribute", "title", "description", "review", "answer", "rule")

CHOICE = rf"([{HAN}])[不没]\1"
"""How Chinese asks by a choice, 是不是 or 重不重: its 不 denies nothing."""
_YES_NO = re.compile(
    rf"^(?:so |and |but |hi,? |hello,? )?(?:is|are|was|were|do|does|did|can|could|will|would"
    rf"|has|have|had|should|may)(?:n'?t)?\b|吗|(?<![什怎这那多])么[？?]?$|{CHOICE}|是否|能否",
    re.IGNORECASE,
)
_SAYS_YES_NO = re.compile(
    r"^\W*(?:yes|no|yep|yeah|nope|not|absolutely|definitely|sure|correct|是的?|不|没有?|可以|能|会|有)(?:\b|[，,。！!的])",
    re.IGNORECASE,
)

FEATURES = (
    "words", "words_log", "cosine", "cosine_above_chance", "question_covered", "passage_covered",
    "name_in_question", "kind_told", "kind_missed", "kind_named", "quantity_told", "of_another_kind",
    "beside", "number_given", "number_missed", "yes_no_given",
    "is_attribute", "is_title", "is_review", "is_answer", "length",
    "cosine_of_attribute", "words_of_attribute",
)  # fmt: skip


@dataclass(frozen=True)
class Chance:
    """The cosine of a question with passages taken at random: what 'no better than chance' means for it."""

    mean: float
    spread: float


_WEAK = frozenset(
    content_words(
        "make makes made come comes came use uses used using work works get gets got see seen need needs "
        "want wants go goes take takes give gives put thing things way time day free"
    )
)
"""Words of any question: 'made for canoe trips' shares no matter with 'is it made by children?'."""


def of_one_script(question: str, text: str) -> bool:
    """Whether both are written with Chinese characters, or neither: others share no word."""
    return (HAS_CHINESE.search(question) is None) == (HAS_CHINESE.search(text) is None)


def is_beside(question: str, asked: Set[str], text: str, told: Sequence[str] | None = None) -> bool:
    """Whether a passage has no word of a question whose kind is not known: only its sound speaks for it.

    `asked`: the question's content words but those that name the item; `told`: the passage's. Of HetPQA's
    judged passages that answer such a question 13 in 100 are so, of the others half.
    """
    if kinds.asked(question) or not asked or not of_one_script(question, text):
        return False
    return not ((asked - _WEAK) or asked) & set(content_words(text) if told is None else told)


def is_yes_no(question: str) -> bool:
    """Whether the question can be answered by yes or no."""
    return _YES_NO.search(question.strip()) is not None


def says_yes_no(text: str) -> bool:
    """Whether a passage begins with a yes or a no."""
    return _SAYS_YES_NO.search(text) is not None


def features(
    question: str,
    topic: frozenset[str],
    texts: Sequence[str],
    sources: Sequence[str],
    cosines: NDArray[np.float32],
    index: BM25Index,
    chance: Chance,
) -> NDArray[np.float32]:
    """FEATURES of each passage [n, F].

    `topic`: words that say which item is meant; a passage of that item need not repeat them.
    `cosines` [n]: of the question with each passage.
    """
    asked = _Asked.of(question, topic, index)
    lexical = index.weigh(question, texts)
    rows = np.zeros((len(texts), len(FEATURES)), dtype=np.float32)
    for row, text, source, score, cosine in zip(rows, texts, sources, lexical, cosines, strict=True):
        label = text.partition(":")[0] if source == "attribute" else ""
        told = content_words(text)
        of_attribute = float(source == "attribute")
        words_share = min(float(score) / asked.bound, 1.5)
        row[:] = (
            words_share,
            np.log1p(score) / 3,
            cosine,
            (cosine - chance.mean) / chance.spread / 3,
            *asked.covered(told, label),
            *asked.kinds_told(text, told, label, source),
            *(source == each for each in ("attribute", "title", "review", "answer")),
            np.log1p(len(told)) / 3,
            cosine * of_attribute,
            words_share * of_attribute,
        )
    return rows


@dataclass(frozen=True)
class _Asked:
    """What a question asks: its words with their weights, and its kinds."""

    question: str
    idf: dict[str, float]
    """Of its content words, but for those that say which item is meant."""
    bound: float
    """The score by BM25 of a passage that has all of its words, about."""
    wanted: Sequence[kinds.Kind]
    yes_no: bool
    number: bool

    @classmethod
    def of(cls, question: str, topic: frozenset[str], index: BM25Index) -> _Asked:
        idf = {word: index.idf(word) for word in dict.fromkeys(content_words(question)) if word not in topic}
        bound = sum(index.idf(word) for word in dict.fromkeys(words(question)) if word not in topic) or 1.0
        wanted = kinds.asked(question)
        return cls(question, idf, bound, wanted, is_yes_no(question), kinds.wants_number(question))

    def covered(self, told: Sequence[str], label: str) -> tuple[float, float, float]:
        """The shares of question, passage and attribute's name that the others have."""
        name = set(content_words(label))
        return (
            sum(self.idf[word] for word in dict.fromkeys(told) if word in self.idf)
            / (sum(self.idf.values()) or 1.0),
            sum(word in self.idf for word in told) / max(len(told), 1),
            len(name & self.idf.keys()) / len(name) if name else 0.0,
        )

    def kinds_told(self, text: str, words_told: Sequence[str], label: str, source: str) -> tuple[float, ...]:
        """From 'kind_told' to 'yes_no_given'."""
        shared = sum(kinds.tells(kind, self.question, text) for kind in self.wanted) / max(
            len(self.wanted), 1
        )
        measures = frozenset().union(*(kind.dimensions for kind in self.wanted))
        has_number = kinds.gives_number(text)
        return (
            shared,
            bool(self.wanted) and not shared,
            any(kind.name in kinds.told(label) for kind in self.wanted),
            bool(measures & kinds.dimensions(text)),
            kinds.of_another_kind(self.question, text, source),
            is_beside(self.question, self.idf.keys(), text, words_told),
            self.number and has_number,
            self.number and not has_number,
            self.yes_no and says_yes_no(text),
        )
