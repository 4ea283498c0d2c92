# ruff: noqa: E501 (a pattern a line)
"""A question taken apart: the several things it asks for, and whether it compares."""

from __future__ import annotations

import re

from retailor.scripts import HAN
from retailor.tasks.answer.question import kinds

MAX_PARTS = 3
_JOINT = re.compile(
    r"[?？;；,，、]\s*(?:and |as well as )?|\s+(?:and|as well as|plus)\s+"
    rf"|(?<=[{HAN}])(?:和|还有|以及)(?=[{HAN}])",
    re.IGNORECASE,
)
_COMPARES = re.compile(
    r"\bcompar(?:e|es|ed|ing|ison)\b|\bversus\b|\bvs\b|\bdiffer\w*|\bthan (?!\d)|"
    r"\bbetter (?:one|choice|buy)\b|"
    r"\bwhich (?:one )?(?:is|are|has|have|holds|weighs|lasts)\b.{0,40}\bor\b|\bthis (?:one )?or\b|"
    r"(?<!性价)比(?![例赛如价])|区别|不同|差别|哪个(?:更|比较)|[和跟与].{1,20}哪个",
    re.IGNORECASE,
)
_WHO_SAYS = re.compile(
    r"^\W*what (?:do|does|did) (?:people|others?|other (?:people|customers|buyers)|customers|buyers|reviewers?|reviews|everyone) (?:say|think|write)|^\W*(?:大家|顾客|别人|买家|评价)(?:都)?(?:怎么|是怎么|如何)(?:说|看|评价)",
    re.IGNORECASE,
)
"""Whom the rest of the question is put to: no thing of its own."""
_OF_ORDERS = frozenset(("time", "price", "size"))


def parts(question: str) -> list[str]:
    """The parts of a question that asks for several facts, each part alone; else the question itself.

    Each part must ask for a kind that the others do not; comparisons stay whole, and so does a question about
    the shop whose other part may be of the order ('do you ship to Canada, and how long does it take?').
    """
    if compares(question):
        return [question]
    found: list[str] = []
    seen: set[str] = set()
    for piece in _JOINT.split(question):
        if _WHO_SAYS.search(piece):
            continue
        own = {kind.name for kind in kinds.rules_asked(piece) or kinds.asked(piece)}
        if own & _OF_ORDERS and kinds.rules_asked(question):
            return [question]
        if not own or own <= seen:
            if piece.strip() and not own:
                return [question]
            continue
        seen |= own
        found.append(piece.strip())
    return found if 1 < len(found) <= MAX_PARTS else [question]


def compares(question: str) -> bool:
    """Whether the question compares its item with something else."""
    return _COMPARES.search(question) is not None
