"""What every task promises, and the queries and answers of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, Protocol, Self, TypeVar, runtime_checkable

from retailor.metrics.scores import Scores
from retailor.models.shapes import OpenEncoder
from retailor.shop.tables import Shop
from retailor.tasks.reasons import Why

Query = TypeVar("Query", contravariant=True)
Answer = TypeVar("Answer")


@runtime_checkable
class Refittable(Protocol):
    """A task that can be fitted again with what was chosen: after `evaluate`, on what was held out for it.

    `before` is the same task, fitted on a part of `shop`. Its weights, dials and trained networks are taken
    over or trained the same way; whatever is counted, solved or indexed is made anew of the whole shop.
    """

    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self: ...


@runtime_checkable
class Task(Protocol[Query, Answer]):
    """fit, predict, evaluate, save, load: the whole life of a task.

    `fit` takes the tables it needs and names the one that is missing; with a `work` folder it keeps its
    checkpoints there, and a second call with the same folder goes on where a killed one stopped.
    `evaluate` scores the task beside its cheap baselines, all fitted on the shop of `fit`.
    """

    kind: ClassVar[str]

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self: ...
    def predict(self, queries: Sequence[Query]) -> list[Answer]:
        """One answer a query: same length, same order."""
        ...

    def evaluate(self, shop: Shop) -> Scores: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """The saved task. `open_encoder` opens the encoder inside, if it has one; None: `load_encoder`."""
        ...


# recommend ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RecommendQuery:
    """Who to recommend to: a known customer, a bag of items, words, or any mix of the three."""

    user_id: str | None = None
    item_ids: tuple[str, ...] = ()
    """Items seen just now, oldest first; they follow the customer's known history."""
    text: str | None = None
    k: int = 10
    exclude: tuple[str, ...] = ()
    exclude_seen: bool = True
    categories: tuple[str, ...] = ()
    """When given, only items with one of these in their category path."""
    max_price: float | None = None
    diversity: float = 0.0
    """From 0, the plain order, to 1, where only being unlike the items before counts."""
    by: Literal["customer", "similar", "together"] = "customer"
    """'similar' lists what is like the last of `item_ids`, 'together' what its customers chose too."""


@dataclass(frozen=True)
class Recommended:
    """One recommended item; `reason` says in words which evidence carried it."""

    item_id: str
    score: float
    reason: str = ""
    because: tuple[str, ...] = ()
    """The history items that carried it, strongest first."""
    why: Why | None = None
    """The reason as a code with its parts, for a reader of another language; `reason` is its English."""

    @classmethod
    def of(cls, item_id: str, score: float, why: Why, because: tuple[str, ...] = ()) -> Self:
        """One item whose reason is worded here; the score is rounded to five digits."""
        return cls(item_id, round(score, 5), why.text(), because, why)


@dataclass(frozen=True)
class Recommendations:
    """Best first; fewer than k only when the filters leave fewer."""

    items: tuple[Recommended, ...]


# search -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SearchQuery:
    """Words to find items by."""

    text: str
    k: int = 10


@dataclass(frozen=True)
class Found:
    """Items found, best first, with their scores."""

    items: tuple[Recommended, ...]


# answer -------------------------------------------------------------------------------------------


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


# sentiment ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SentimentQuery:
    """A text to read, as a whole or about one aspect of it."""

    text: str
    aspect: str | None = None


UNKNOWN = "unknown"
"""The label of a text in which nothing can be read, such as "..."."""


@dataclass(frozen=True)
class Sentiment:
    """The most likely label, or 'unknown'; calibrated probabilities of negative, neutral and positive."""

    label: str
    probabilities: Mapping[str, float] = field(default_factory=dict)


# review -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class ReviewQuery:
    """What a draft should be about. The same query and seed give the same draft."""

    item_id: str
    rating: float = 5.0
    aspects: tuple[str, ...] = ()
    user_id: str | None = None
    language: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Draft:
    """A drafted review. It always carries the mark that it is generated, in words and for machines."""

    text: str
    title: str
    item_id: str
    rating: float
    generated: Mapping[str, Any]
    """{"generated": true, "by": model, "at": UTC time, "sha256": of the text, …}: never empty."""
