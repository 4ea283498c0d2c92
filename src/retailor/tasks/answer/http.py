"""What is asked over HTTP and what comes back, with limits and examples."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from retailor.tasks.answer.shapes import Answered, AnswerQuery, Form, Verdict
from retailor.tasks.http import IN_A_URL, Id, Served, Words, strict


class Turn(BaseModel):
    """One earlier question and its answer."""

    model_config = ConfigDict(extra="forbid", strict=True)
    question: Annotated[str, StringConstraints(max_length=1000)]
    answer: Annotated[str, StringConstraints(max_length=4000)]


class QuestionBody(BaseModel):
    """A question about one item, or about the whole catalogue."""

    model_config = strict({"question": "Is it machine washable?", "item_id": "i3"})
    question: Words
    item_id: Id | None = None

    def query(self) -> AnswerQuery:
        return AnswerQuery(self.question, self.item_id)


class QuestionUrl(QuestionBody):
    model_config = IN_A_URL


class DialogueBody(QuestionBody):
    """A question with the dialogue before it, oldest turn first."""

    model_config = strict(
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


class Passage(BaseModel):
    """A passage of the shop's own text that the answer stands on."""

    text: str
    source: str
    item_id: str | None
    """None for a rule of the shop."""
    title: str
    """Of the item; of a rule, its file and heading."""
    score: float
    reviews: list[str]
    """The reviews that say it, by id."""


class ValueReply(BaseModel):
    """A number with its unit, and in the unit of the question where that is another."""

    value: float
    unit: str
    converted: str | None


class CountsReply(BaseModel):
    """Of `n` reviews that speak of what is asked, those that say yes and no; the rest take no side."""

    n: int
    yes: int
    no: int


class ComparedRow(BaseModel):
    """An attribute of two items."""

    name: str
    own: str | None
    other: str | None


class AnswerReply(BaseModel):
    """When `known` is false, `text` says so and nothing is made up."""

    text: str
    known: bool
    confidence: float
    evidence: list[Passage]
    form: Form
    """The kind of answer that the question asks for."""
    verdict: Verdict | None
    value: ValueReply | None
    counts: CountsReply | None
    """Reviews that speak of it."""
    table: list[ComparedRow]
    """Attributes of the item beside those of the item that the question names."""
    other: str | None
    """The title of that item."""
    cached: bool


def shown(answer: Answered, served: Served) -> AnswerReply:
    """An answer whose evidence carries item titles."""
    evidence = [
        Passage(
            text=each.text,
            source=each.source,
            item_id=each.item_id,
            title=each.where or "" if each.item_id is None else served.view.title(each.item_id),
            score=each.score,
            reviews=list(each.reviews),
        )
        for each in answer.evidence
    ]
    return AnswerReply(
        text=answer.text,
        known=answer.known,
        confidence=answer.confidence,
        evidence=evidence,
        form=answer.form,
        verdict=answer.verdict,
        value=None if answer.value is None else ValueReply(**vars(answer.value)),
        counts=None if answer.counts is None else CountsReply(**vars(answer.counts)),
        table=[ComparedRow(**vars(row)) for row in answer.table],
        other=None if answer.other_id is None else served.view.title(answer.other_id),
        cached=served.cached,
    )
