"""A question, and its answer with evidence."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class AnswerQuery:
    """A customer's question, about one item or the whole catalogue, with the dialogue before it."""

    question: str
    item_id: str | None = None
    history: tuple[tuple[str, str], ...] = ()
    """Earlier turns, oldest first: (question, answer)."""


@dataclass(frozen=True)
class Evidence:
    """A passage of the shop's own text; `source` is attribute, title, description, review or answer."""

    text: str
    source: str
    item_id: str
    score: float


@dataclass(frozen=True)
class Answered:
    """An answer with what it stands on. When `known` is False, `text` says so and nothing is made up."""

    text: str
    known: bool
    confidence: float
    evidence: tuple[Evidence, ...] = ()
