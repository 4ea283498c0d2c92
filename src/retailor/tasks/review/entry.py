"""Drafting reviews as the doors see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.gone import Gone
from retailor.tasks.entry import Command, Entry, Http, Panel, Said, needs_its_item
from retailor.tasks.review.examples import examples
from retailor.tasks.review.http import ReviewBody, ReviewReply, shown
from retailor.tasks.review.marks import mark
from retailor.tasks.review.settings import ReviewSettings
from retailor.tasks.review.shapes import Draft, ReviewQuery

if TYPE_CHECKING:
    from retailor.tasks.review.task import ReviewWriter


def _make(encoder: Encoder | None, generator: Generator | None, settings: Any) -> ReviewWriter:
    from retailor.tasks.review.task import ReviewWriter

    assert generator is not None, "the entry says that it uses one"
    return ReviewWriter(generator, settings)


def _load(folder: Path, *, open_encoder: OpenEncoder | None = None) -> ReviewWriter:
    from retailor.tasks.review.task import ReviewWriter

    return ReviewWriter.load(folder, open_encoder=open_encoder)


def _query(
    item: Annotated[str, typer.Argument(help="The item's id.")],
    stars: Annotated[float, typer.Option(min=1, max=5, help="1 to 5.")] = 5,
    aspect: Annotated[list[str] | None, typer.Option(help="Something to mention; may be repeated.")] = None,
    user: Annotated[str | None, typer.Option(help="Whose style to follow.")] = None,
) -> ReviewQuery:
    """Drafts a review as JSON, marked as generated."""
    return ReviewQuery(item, stars, tuple(aspect or ()), user)


def _lines(draft: Draft, title: Callable[[str], str]) -> Iterator[str]:
    yield json.dumps(mark(draft), ensure_ascii=False, indent=1)


def _forget(folder: Path, gone: Gone) -> bool:
    from retailor.tasks.review.forget import forget

    return forget(folder, gone)


ENTRY = Entry(
    name="review",
    settings=ReviewSettings,
    answer=Draft,
    make=_make,
    load=_load,
    http=Http(
        summary="A drafted review; it and the header `X-Generated` say that a machine wrote it.",
        body=ReviewBody,
        reply=ReviewReply,
        shown=shown,
        is_generated=True,
    ),
    command=Command(_query, _lines),
    panel=Panel(tab=Said("Draft a review", "评论草稿"), draws="draft"),
    examples=examples,
    checked=needs_its_item,
    forget=_forget,
    uses_encoder=False,
    uses_generator=lambda settings: True,
)
