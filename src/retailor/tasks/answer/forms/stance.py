"""What customers say to a question, counted: how many write about it, and how many of them say yes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retailor.retrieval.tokens import content_words
from retailor.tasks.answer.evidence.features import is_yes_no
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.forms.asked_side import asks_for_bad_side
from retailor.tasks.answer.forms.sides import BAD, GOOD
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import Counts, Verdict
from retailor.text.opinions import BLAME, PRAISE, OpinionWords

_WORDS = OpinionWords((*PRAISE, *GOOD), (*BLAME, *BAD))
_SIDES = frozenset(word for side in (GOOD, BAD) for word in content_words(" ".join(side)))
_TO_BITS = re.compile("(?:得|到)不(?:行|得了)")
"""爱得不行 loves it to bits: its 不行 blames nothing."""
ABOUT = 0.5
"""Of a question's words by weight, those that a sentence about it has."""
ONE_SIDED = 0.75
"""From this share of one mind on, the answer is yes or no; between them it depends."""


@dataclass(frozen=True)
class Stance:
    """The sentences on each side of a question, the clearest first, and the counts of reviews behind them."""

    counts: Counts
    yes: tuple[int, ...]
    no: tuple[int, ...]
    """Rows of the index."""

    @property
    def verdict(self) -> Verdict | None:
        """What most say; None of fewer than two."""
        return most_say(self.counts)


def most_say(counts: Counts) -> Verdict | None:
    """Yes or no where nearly all who take a side are of one mind, else 'depends'; None of fewer than two."""
    n = counts.yes + counts.no
    if n < 2:
        return None
    share = counts.yes / n
    return "yes" if share >= ONE_SIDED else "no" if share <= 1 - ONE_SIDED else "depends"


def stance(question: str, index: PassageIndex, item_id: str, rows: Sequence[int]) -> Stance:
    """What the reviews among `rows` (of one item) say to the question."""
    about = [
        row for row in rows if index.sources[row] == "review" and is_about(question, index, item_id, row)
    ]
    asks_bad = is_yes_no(question) and asks_for_bad_side(question)
    votes: dict[str, float] = defaultdict(float)
    sides: dict[int, int] = {}
    for row in about:
        side = polarity(index.texts[row], index.stars_of(row)) * (-1 if asks_bad else 1)
        sides[row] = side
        for review in index.reviews[row]:
            votes[review] += side
    yes, no = sum(vote > 0 for vote in votes.values()), sum(vote < 0 for vote in votes.values())
    return Stance(
        Counts(len(votes), yes, no),
        tuple(row for row in about if sides[row] > 0),
        tuple(row for row in about if sides[row] < 0),
    )


def is_about(question: str, index: PassageIndex, item_id: str, row: int) -> bool:
    """Whether a passage of an item speaks of what the question asks."""
    return says_of(question, index.texts[row], index.topic(item_id), index.lexical.idf)


def says_of(question: str, text: str, topic: frozenset[str], idf: Callable[[str], float]) -> bool:
    """Whether a sentence speaks of what is asked: of an opinion's kind, else in most words not of `topic`."""
    opinions = [kind for kind in kinds.asked(question) if kind.sort == "opinion"]
    if opinions:
        return any(kinds.tells(kind, question, text) for kind in opinions)
    asked = {word: idf(word) for word in content_words(question) if word not in topic}
    # 'Does the zip jam?' is about the zip: who writes that it runs smoothly says something to it.
    asked = {word: value for word, value in asked.items() if word not in _SIDES} or asked
    told = set(content_words(text))
    return bool(asked) and sum(v for w, v in asked.items() if w in told) >= ABOUT * sum(asked.values())


def polarity(text: str, stars: Sequence[float] = ()) -> int:
    """1 for praise, -1 for blame, 0 where neither words nor stars tell."""
    vote = float(_WORDS.votes([_TO_BITS.sub("", text)])[0])
    if not vote and stars:
        mean = sum(stars) / len(stars)
        vote = (mean >= 4) - (mean <= 2)
    return (vote > 0) - (vote < 0)
