"""Search as the doors see it."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retailor.errors import DataError
from retailor.models.pictures.decoding import MAX_BYTES
from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.tables import Shop
from retailor.tasks.entry import Command, Entry, Extra, Happened, HowMany, Http, Panel, PanelField, Said
from retailor.tasks.search.examples import examples
from retailor.tasks.search.http import (
    SearchBody,
    SearchReply,
    SearchUrl,
    SuggestReply,
    SuggestUrl,
    shown,
    shown_suggestions,
)
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.shapes import Found, SearchQuery, Suggestions, Typed

if TYPE_CHECKING:
    from retailor.models.pictures.items import ItemPictures
    from retailor.tasks.search.task import Search


def _make(encoder: Encoder | None, generator: Generator | None, settings: Any) -> Search:
    from retailor.tasks.search.task import Search

    assert encoder is not None, "the entry says that it uses one"
    return Search(encoder, settings)


def _with_pictures(task: Any, pictures: ItemPictures) -> Search:
    task.pictures = pictures
    return task  # type: ignore[no-any-return]


def _load(folder: Path, *, open_encoder: OpenEncoder | None = None) -> Search:
    from retailor.tasks.search.task import Search

    return Search.load(folder, open_encoder=open_encoder)


def _query(
    words: Annotated[str, typer.Argument(help="What to find: red mug under 20.")] = "",
    k: HowMany = 10,
    plain: Annotated[bool, typer.Option("--plain", help="Read no filters, mend no words.")] = False,
    image: Annotated[Path | None, typer.Option(help="A picture to find items like.")] = None,
) -> SearchQuery:
    """Finds items by words, by a picture, or by both."""
    if image is None and not words.strip():
        raise typer.BadParameter("give words, a picture with --image, or both.")
    return SearchQuery(words, k, read=not plain, image="" if image is None else _base64_of(image))


def _base64_of(path: Path) -> str:
    """The bytes of a file as text. Raises DataError on one that cannot be read, or is too large."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(
                f"this is no picture to search by: it has more than {MAX_BYTES:,} bytes.", path=path
            )
        return base64.b64encode(path.read_bytes()).decode()
    except OSError as error:
        raise DataError(f"the picture cannot be read ({error.strerror}).", path=path) from None


def _after(query: SearchQuery, happened: Happened) -> SearchQuery:
    """Nothing that cannot be bought is found."""
    return replace(query, hidden=happened.not_to_show())


def _update(task: Any, shop: Shop) -> Search:
    updated: Search = copy(task).update(shop)
    return updated


def _lines(answer: Found, title: Callable[[str], str]) -> Iterator[str]:
    if answer.filters or answer.mended:
        said = ", ".join(f"{one.field} {one.op} {one.value}{one.unit}" for one in answer.filters)
        yield f"searched for '{answer.searched}'" + (f", {said}" if said else "")
    for one in answer.relaxed:
        yield f"no item is left with {one.field} {one.op} {one.value}{one.unit}: left out"
    if answer.is_nearest:
        yield "nothing matches; the nearest are:"
    for each in answer.items:
        yield f"{each.score:9.4f}  {each.item_id}  {title(each.item_id)}"


def _typed(
    beginning: Annotated[str, typer.Argument(help="The beginning of a query: wireless m.")], k: HowMany = 10
) -> Typed:
    """Completes the beginning of a query: earlier queries, categories, brands, titles."""
    return Typed(beginning, k)


def _suggestions(answer: Suggestions, title: Callable[[str], str]) -> Iterator[str]:
    if answer.mended:
        yield f"read as '{answer.mended}'"
    for each in answer.items:
        yield f"{each.kind:8}  {each.text}" + (f"  ({each.n:,} items)" if each.n is not None else "")


_SUGGEST = Extra(
    name="suggest",
    ask=lambda task, typed: task.suggest(typed),
    http=Http(
        summary="What may be meant by the beginning of a query, best first.",
        body=SuggestUrl,
        url=SuggestUrl,
        reply=SuggestReply,
        shown=shown_suggestions,
    ),
    command=Command(_typed, _suggestions),
)

ENTRY = Entry(
    name="search",
    settings=SearchSettings,
    answer=Found,
    make=_make,
    load=_load,
    http=Http(
        summary="Items found by words, best first.",
        body=SearchBody,
        url=SearchUrl,
        reply=SearchReply,
        shown=shown,
        has_reasons=True,
    ),
    command=Command(_query, _lines),
    panel=Panel(
        tab=Said("Search", "搜索"),
        draws="items",
        fields=(
            PanelField(
                "text",
                Said("What are you looking for?", "想找什么？"),
                Said("light tent for two", "双人轻便帐篷"),
                kind="search",
                required=True,
                suggests="/suggest",
            ),
            PanelField("image", Said("or by a photo", "或用图片找"), kind="picture"),
        ),
        button=Said("Search", "搜索"),
        empty=Said(
            "Describe what you want in your own words; meaning counts, not only the exact words.",
            "用自己的话描述即可：看重含义，而不只是字面。",
        ),
        always={"k": 24},
    ),
    examples=examples,
    after=_after,
    update=_update,
    extras=(_SUGGEST,),
    files=("synonyms",),
    with_pictures=_with_pictures,
)
