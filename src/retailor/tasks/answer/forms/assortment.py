# ruff: noqa: E501 (a pattern a line)
"""Whether the shop has a kind of products: 'do you sell tents?', '有没有帐篷'."""

from __future__ import annotations

import re
from dataclasses import dataclass

from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.forms.naming import kind_named, of_kind

_ASKS = re.compile(
    r"^\W*(?:hi,? |hello,? )?(?:(?:do|can|does|will) (?:you|the shop|this shop|your shop)(?: guys)? (?:also )?(?:sell|have|carry|stock|offer)|have you got|got any|(?:is|are) there any)\b"
    r"|^\W*(?:请问)?(?:你们|你家|贵店|店里|这里)?(?:这里|家|店)?(?:还)?(?:有没有|有卖|卖不卖|卖|有)(?=.{1,12}$)",
    re.IGNORECASE,
)
SHOWN = 3


@dataclass(frozen=True)
class Range:
    """The items of a kind that is asked for, and its category."""

    items: tuple[str, ...]
    category: str


def range_in(question: str, index: PassageIndex) -> Range | None:
    """The kind of products that the question asks whether there are; None where it asks otherwise, or none is known.

    A kind that no title names may be there under another name: that it is not is never said.
    """
    asks = _ASKS.search(question)
    if asks is None:
        return None
    items, category = of_kind(kind_named(question[asks.end() :]), index)
    return Range(tuple(items), category) if category else None
