"""Answering questions as the doors see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.gone import Gone
from retailor.tasks.answer.examples import examples
from retailor.tasks.answer.http import AnswerReply, DialogueBody, QuestionUrl, shown
from retailor.tasks.answer.settings import AnswerSettings
from retailor.tasks.answer.shapes import Answered, AnswerQuery
from retailor.tasks.entry import Command, Entry, Http, Panel, Said, needs_its_item

if TYPE_CHECKING:
    from retailor.tasks.answer.task import Answerer


def _uses_generator(settings: AnswerSettings) -> bool:
    return settings.wording == "generator"


def _make(encoder: Encoder | None, generator: Generator | None, settings: Any) -> Answerer:
    from retailor.tasks.answer.task import Answerer

    assert encoder is not None, "the entry says that it uses one"
    return Answerer(encoder, generator if _uses_generator(settings) else None, settings)


def _load(folder: Path, *, open_encoder: OpenEncoder | None = None) -> Answerer:
    from retailor.tasks.answer.task import Answerer

    return Answerer.load(folder, open_encoder=open_encoder)


def _query(
    question: Annotated[str, typer.Argument(help="The customer's question.")],
    item: Annotated[str | None, typer.Option(help="The item it is about.")] = None,
) -> AnswerQuery:
    """Answers a question from the catalogue, with its evidence, or says that it does not know."""
    return AnswerQuery(question, item)


def _lines(answer: Answered, title: Callable[[str], str]) -> Iterator[str]:
    yield answer.text
    for each in answer.evidence:
        yield f"  [{each.source}, {each.item_id or each.where}, {each.score:.3f}] {each.text}"


def _forget(folder: Path, gone: Gone) -> bool:
    from retailor.tasks.answer.forget import forget

    return forget(folder, gone)


ENTRY = Entry(
    name="answer",
    settings=AnswerSettings,
    answer=Answered,
    make=_make,
    load=_load,
    http=Http(
        summary="An answer from the shop's own text, with its evidence, or that there is none.",
        body=DialogueBody,
        url=QuestionUrl,
        reply=AnswerReply,
        shown=shown,
    ),
    command=Command(_query, _lines),
    panel=Panel(tab=Said("Ask", "问答"), draws="dialogue"),
    examples=examples,
    checked=needs_its_item,
    forget=_forget,
    uses_generator=_uses_generator,
)
