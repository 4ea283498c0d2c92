"""A question, and its answer with evidence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Form = Literal[
    "quote", "value", "verdict", "opinions", "comparison", "superlative", "range", "rule", "worded", "unknown"
]
Verdict = Literal["yes", "no", "depends"]


@dataclass(frozen=True)
class AnswerQuery:
    """A customer's question, about one item or the whole catalogue, with the dialogue before it."""

    question: str
    item_id: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    """Earlier turns, oldest first: (question, answer)."""


@dataclass(frozen=True)
class Evidence:
    """A passage of the shop's own text.

    `source` is attribute, title, description, review, answer, or of the shop: rule, fact.
    """

    text: str
    source: str
    item_id: str | None
    """None for what is about the whole shop."""
    score: float
    where: str | None = None
    """File and heading of a rule; file and name of a checked fact."""
    reviews: tuple[str, ...] = ()
    """The reviews that say it, by id."""


@dataclass(frozen=True)
class Counts:
    """Reviews that speak of what is asked: `n`, of them `yes` and `no`; the rest take no side."""

    n: int
    yes: int
    no: int


@dataclass(frozen=True)
class Value:
    """A number with its unit, as the evidence has it, and in the unit of the question."""

    value: float
    unit: str
    converted: str | None = None


@dataclass(frozen=True)
class Compared:
    """An attribute of two items: as a row of a table."""

    name: str
    own: str | None
    other: str | None


@dataclass(frozen=True)
class Answered:
    """An answer with what it stands on. When `known` is False, `text` says so and nothing is made up."""

    text: str
    known: bool
    confidence: float
    evidence: tuple[Evidence, ...] = ()
    form: Form = "quote"
    """The kind of answer that the question asks for."""
    verdict: Verdict | None = None
    """Only where the evidence says it, or customers do and are counted."""
    value: Value | None = None
    counts: Counts | None = None
    table: tuple[Compared, ...] = ()
    """The item asked about beside the one that the question names, whose id is `other_id`."""
    other_id: str | None = None
