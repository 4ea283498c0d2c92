"""Drafting reviews as the doors see it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.gone import Gone
from retailor.tasks.entry import Command, Entry, Extra, Http, Panel, Said, needs_its_item
from retailor.tasks.review.examples import examples
from retailor.tasks.review.http import (
    DescribeReply,
    DescribeUrl,
    ReviewBody,
    ReviewReply,
    shown,
    shown_description,
)
from retailor.tasks.review.marks import mark
from retailor.tasks.review.settings import ReviewSettings
from retailor.tasks.review.shapes import DescribeQuery, Draft, ReviewQuery

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


def _item(
    item: Annotated[str, typer.Argument(help="The item's id.")],
    language: Annotated[str | None, typer.Option(help="Two letters; the item's own unless given.")] = None,
    seed: Annotated[int, typer.Option(min=0, help="Another one gives another draft.")] = 0,
) -> DescribeQuery:
    """Drafts a product description from the item's attributes, as JSON, marked as generated."""
    return DescribeQuery(item, language, seed)


def _description(draft: Draft, title: Callable[[str], str]) -> Iterator[str]:
    told = {"item_id": draft.item_id, "title": draft.title, "description": draft.text}
    yield json.dumps({**told, "generated": draft.generated}, ensure_ascii=False, indent=1)


_DESCRIBE = Extra(
    name="describe",
    ask=lambda task, query: task.describe(query.item_id, language=query.language, seed=query.seed),
    http=Http(
        summary="A drafted product description from the catalogue's row alone; it and the header "
        "`X-Generated` say that a machine wrote it.",
        body=DescribeUrl,
        url=DescribeUrl,
        reply=DescribeReply,
        shown=shown_description,
        is_generated=True,
    ),
    command=Command(_item, _description),
    checked=needs_its_item,
)

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
    extras=(_DESCRIBE,),
    uses_encoder=False,
    uses_generator=lambda settings: True,
)
