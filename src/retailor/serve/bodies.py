"""What requests and responses look like over HTTP, with their limits and examples."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from retailor.tasks.answer.shapes import AnswerQuery
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.search.shapes import SearchQuery
from retailor.tasks.sentiment.shapes import SentimentQuery

Id = Annotated[str, StringConstraints(min_length=1, max_length=200)]
Words = Annotated[str, StringConstraints(min_length=1, max_length=500, strip_whitespace=True)]
Text = Annotated[str, StringConstraints(min_length=1, max_length=10_000, strip_whitespace=True)]
Tag = Annotated[str, StringConstraints(min_length=1, max_length=100, strip_whitespace=True)]
Count = Annotated[int, Field(ge=1, le=100)]
Place = Annotated[int, Field(ge=1, le=1_000_000)]


def _strict(example: dict[str, Any]) -> ConfigDict:
    """No unknown field, and no value of another type: in JSON `true` is no 1, and "5" no 5."""
    return ConfigDict(extra="forbid", strict=True, json_schema_extra={"example": example})


_IN_A_URL = ConfigDict(strict=False)
"""In an address every value is a text."""


# requests -----------------------------------------------------------------------------------------


class RecommendBody(BaseModel):
    """Who to recommend to: a customer, items seen just now, words, any mix of them, or nobody known."""

    model_config = _strict({"user_id": "u17", "item_ids": [], "k": 5})
    user_id: Id | None = None
    item_ids: list[Id] = Field(default=[], max_length=100)
    text: Words | None = None
    k: Count = 10
    exclude: list[Id] = Field(default=[], max_length=1000)
    exclude_seen: bool = True
    categories: list[Tag] = Field(default=[], max_length=50)
    max_price: float | None = Field(default=None, ge=0, allow_inf_nan=False)
    diversity: float = Field(default=0.0, ge=0, le=1)
    by: Literal["customer", "similar", "together"] = "customer"

    @model_validator(mode="after")
    def _has_an_item(self) -> Self:
        if self.by != "customer" and not self.item_ids:
            raise ValueError(f"by = '{self.by}' needs an item in item_ids")
        return self

    def query(self) -> RecommendQuery:
        return RecommendQuery(
            self.user_id, tuple(self.item_ids), self.text, self.k, tuple(self.exclude), self.exclude_seen,
            tuple(self.categories), self.max_price, self.diversity, self.by,
        )  # fmt: skip


class RecommendUrl(RecommendBody):
    model_config = _IN_A_URL


class SearchBody(BaseModel):
    """Words to find items by."""

    model_config = _strict({"text": "warm blanket", "k": 5})
    text: Words
    k: Count = 10

    def query(self) -> SearchQuery:
        return SearchQuery(self.text, self.k)


class SearchUrl(SearchBody):
    model_config = _IN_A_URL


class Turn(BaseModel):
    """One earlier question and its answer."""

    model_config = ConfigDict(extra="forbid", strict=True)
    question: Annotated[str, StringConstraints(max_length=1000)]
    answer: Annotated[str, StringConstraints(max_length=4000)]


class QuestionBody(BaseModel):
    """A question about one item, or about the whole catalogue."""

    model_config = _strict({"question": "Is it machine washable?", "item_id": "i3"})
    question: Words
    item_id: Id | None = None

    def query(self) -> AnswerQuery:
        return AnswerQuery(self.question, self.item_id)


class QuestionUrl(QuestionBody):
    model_config = _IN_A_URL


class DialogueBody(QuestionBody):
    """A question with the dialogue before it, oldest turn first."""

    model_config = _strict(
        {
            "question": "And the blue one?",
            "item_id": "i3",
            "history": [{"question": "Is it machine washable?", "answer": "Yes, at 40 °C."}],
        }
    )
    history: list[Turn] = Field(default=[], max_length=20)

    def query(self) -> AnswerQuery:
        turns = tuple((turn.question, turn.answer) for turn in self.history)
        return AnswerQuery(self.question, self.item_id, turns)


class SentimentBody(BaseModel):
    """A text to read, as a whole or about one aspect of it."""

    model_config = _strict({"text": "Soft and warm, but the zip broke.", "aspect": "zip"})
    text: Text
    aspect: Tag | None = None

    def query(self) -> SentimentQuery:
        return SentimentQuery(self.text, self.aspect)


class SentimentUrl(SentimentBody):
    model_config = _IN_A_URL


class ReviewBody(BaseModel):
    """What a drafted review should be about. The same request gives the same draft."""

    model_config = _strict({"item_id": "i3", "rating": 4, "aspects": ["warmth"], "language": "en"})
    item_id: Id
    rating: float = Field(default=5.0, ge=1, le=5, allow_inf_nan=False)
    aspects: list[Tag] = Field(default=[], max_length=10)
    user_id: Id | None = None
    language: Annotated[str, StringConstraints(pattern="^[a-z]{2}$")] | None = None
    seed: int = Field(default=0, ge=0, lt=2**31)

    def query(self) -> ReviewQuery:
        return ReviewQuery(
            self.item_id, self.rating, tuple(self.aspects), self.user_id, self.language, self.seed
        )


class ItemsBody(BaseModel):
    """Items by id, or else by words, a page at a time."""

    model_config = _strict({"text": "blanket", "page": 1, "size": 20}) | _IN_A_URL
    item_id: list[Id] = Field(default=[], max_length=100)
    text: Annotated[str, StringConstraints(max_length=200)] = ""
    page: Place = 1
    size: Count = 20


class CustomersBody(BaseModel):
    """One customer's history by id, or else customers by a part of the id, a page at a time."""

    model_config = _strict({"text": "", "page": 1, "size": 20}) | _IN_A_URL
    user_id: Id | None = None
    text: Annotated[str, StringConstraints(max_length=200)] = ""
    page: Place = 1
    size: Count = 20


# responses ----------------------------------------------------------------------------------------


class Card(BaseModel):
    """What the catalogue says of an item."""

    item_id: str
    title: str
    description: str
    brand: str | None
    category: list[str]
    price: float | None
    currency: str | None
    image: str | None
    language: str | None
    n_events: int


class Because(BaseModel):
    """An item of the history that carried a recommendation."""

    item_id: str
    title: str


class Hit(BaseModel):
    """One item of a list, best first; `item` is null when the catalogue does not have it."""

    item_id: str
    score: float
    reason: str
    because: list[Because]
    item: Card | None


class RecommendReply(BaseModel):
    """`known_customer` is false for a customer without a history, who is answered like a new one."""

    items: list[Hit]
    known_customer: bool | None
    unknown_items: list[str]
    cached: bool


class SearchReply(BaseModel):
    items: list[Hit]
    cached: bool


class Passage(BaseModel):
    """A passage of the shop's own text that the answer stands on."""

    text: str
    source: str
    item_id: str
    title: str
    score: float


class AnswerReply(BaseModel):
    """When `known` is false, `text` says so and nothing is made up."""

    text: str
    known: bool
    confidence: float
    evidence: list[Passage]
    cached: bool


class SentimentReply(BaseModel):
    """The most likely label, and the probability of each."""

    label: str
    probabilities: dict[str, float]
    cached: bool


class ReviewReply(BaseModel):
    """A drafted review. `generated` marks it as written by a machine, and by which."""

    title: str
    text: str
    item_id: str
    rating: float
    generated: dict[str, Any]
    cached: bool


class ItemsReply(BaseModel):
    items: list[Card]
    n_total: int


class Customer(BaseModel):
    """A customer, with the titles of the last items."""

    user_id: str
    n_events: int
    recent: list[str]


class Event(BaseModel):
    """Something a customer did, latest first."""

    item_id: str
    kind: str | None
    rating: float | None
    time: str | None
    item: Card | None


class CustomersReply(BaseModel):
    """`history` is there only when one customer was asked for."""

    customers: list[Customer]
    n_total: int
    history: list[Event] | None = None


class Health(BaseModel):
    status: str = "alive"


class Ready(BaseModel):
    """What is served: task kinds with fingerprints, and those the run left out, with the reason."""

    ready: bool
    name: str
    tasks: dict[str, str]
    absent: dict[str, str]
    n_items: int
    n_customers: int


class Problem(BaseModel):
    """Why a request was not answered: a code for machines, a sentence for people."""

    model_config = ConfigDict(
        json_schema_extra={"example": {"error": "not_found", "detail": "there is no item 'x' in this shop."}}
    )
    error: str
    detail: str
