# ruff: noqa: E501 (a pattern a line)
"""The cheapest, the lightest, the best rated of a kind of products: found by their values, never by words."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.forms.held import values_told
from retailor.tasks.answer.forms.naming import kind_named, of_kind
from retailor.tasks.answer.shapes import Evidence

_TABLE = (
    ("price", False, r"\bcheapest\b|\bleast expensive\b|\blowest[- ]pric\w*|\bmost affordable\b|最便宜|价格最低|最低价|最实惠"),
    ("price", True, r"\bmost expensive\b|\bpriciest\b|\bdearest\b|\bhighest[- ]pric\w*|最贵|价格最高"),
    ("weight", False, r"\blightest\b|\bleast heavy\b|最轻"),
    ("weight", True, r"\bheaviest\b|最重"),
    ("volume", True, r"\b(?:largest|biggest|highest|greatest) (?:capacity|volume)\b|容量最大|最大容量|最能装"),
    ("running", True, r"\blongest (?:battery life|battery|play ?time|run ?time)\b|续航最[长久]"),
    ("people", True, r"\b(?:sleeps?|seats?|holds?|fits?) (?:the )?most people\b|\bmost (?:people|sleeping places|seats)\b|\broomiest\b|容纳人数最多|[睡住坐]的?人最多"),
    ("power", True, r"\bmost powerful\b|\bhighest wattage\b|功率最[大高]"),
    ("brightness", True, r"\bbrightest\b|最亮"),
    ("stars", True, r"\b(?:best|highest|top)[- ](?:rated|reviewed|ratings?)\b|评分最高|评价最好|口碑最好"),
    ("stars", False, r"\b(?:worst|lowest)[- ](?:rated|reviewed|ratings?)\b|评分最低|评价最差"),
)  # fmt: skip
_PATTERNS = tuple((kind, most, re.compile(pattern, re.IGNORECASE)) for kind, most, pattern in _TABLE)
LEAST_REVIEWS = 3
"""An item with fewer has no rating to compare."""


@dataclass(frozen=True)
class Superlative:
    """What a question asks to be compared: 'price', 'weight', 'stars' …; the most of it, or the least."""

    kind: str
    most: bool
    said: str
    """As the question says it: 'cheapest'."""
    rest: tuple[str, ...]
    """The other words of the question, which name the kind of product."""

    @property
    def adjective(self) -> str:
        """As an answer says it: what 'sleeps the most people' is the roomiest."""
        return "roomiest" if self.kind == "people" and self.said.isascii() else self.said


@dataclass(frozen=True)
class Compared:
    """Items of one kind with their values, the one that is asked for first."""

    ranked: tuple[tuple[str, float, Evidence], ...]
    """(item, value in base units, the passage that tells it)."""
    unit: str
    """Of the values: those of other currencies are not compared."""
    category: str
    """'' where the kind is what has the words in its title."""

    def ties(self) -> int:
        """How many share the first place."""
        return sum(value == self.ranked[0][1] for _, value, _ in self.ranked)


def superlative_in(question: str) -> Superlative | None:
    """The one superlative of a question that values can decide; None for none or several."""
    found = [(kind, most, match) for kind, most, pattern in _PATTERNS if (match := pattern.search(question))]
    if len(found) != 1:
        return None
    kind, most, match = found[0]
    rest = f"{question[: match.start()]} {question[match.end() :]}"
    return Superlative(kind, most, match[0], kind_named(rest))


def compared(asked: Superlative, index: PassageIndex) -> Compared | None:
    """The items of the kind that is named, compared; None where no kind is, or fewer than two have a value."""
    items, category = of_kind(asked.rest, index)
    told = _told(asked.kind, items, index)
    if len(told) < 2:
        return None
    unit = Counter(unit for _, _, unit, _ in told).most_common(1)[0][0]
    same = [(item, value, evidence) for item, value, own, evidence in told if own == unit]
    ranked = sorted(same, key=lambda row: (-row[1] if asked.most else row[1], row[0]))
    return Compared(tuple(ranked), unit, category) if len(ranked) > 1 else None


Told = tuple[str, float, str, Evidence]


def _told(kind: str, items: Sequence[str], index: PassageIndex) -> list[Told]:
    """(item, value in base units, unit that it can be compared in, passage) of the items that tell one."""
    rows = (_stars(item, index) if kind == "stars" else _value(kind, item, index) for item in items)
    return [row for row in rows if row is not None]


def _value(kind: str, item: str, index: PassageIndex) -> Told | None:
    page = [
        index.evidence(row, 0.0) for row in index.page(item).tolist() if index.sources[row] == "attribute"
    ]
    for evidence, values in values_told(page, frozenset((kind,))):
        if len({each.base for each in values}) == 1:
            unit = values[0].unit if values[0].dimension == "money" else values[0].dimension
            return item, values[0].base, unit, evidence
    return None


def _stars(item: str, index: PassageIndex) -> Told | None:
    rows = index.page(item).tolist()
    stars: Mapping[str, float] = {
        review: given
        for row in rows
        for review, given in zip(index.reviews[row], index.stars[row], strict=True)
        if given is not None
    }
    if len(stars) < LEAST_REVIEWS:
        return None
    title = next((row for row in rows if index.sources[row] == "title"), rows[0])
    return item, round(sum(stars.values()) / len(stars), 2), "stars", index.evidence(title, 0.0)
