"""Recommendation as the doors see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from retailor.errors import MissingTable
from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.gone import Gone
from retailor.shop.tables import Shop, empty
from retailor.shop.view import ShopView
from retailor.tasks.entry import (
    Checked,
    Command,
    Entry,
    Explored,
    Happened,
    HowMany,
    Http,
    Panel,
    Said,
    no_item,
)
from retailor.tasks.recommend.examples import examples
from retailor.tasks.recommend.http import RecommendBody, RecommendReply, RecommendUrl, shown
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.shapes import Recommendations, RecommendQuery

if TYPE_CHECKING:
    from retailor.models.pictures.items import ItemPictures
    from retailor.tasks.recommend.task import Recommender


def _make(encoder: Encoder | None, generator: Generator | None, settings: Any) -> Recommender:
    from retailor.tasks.recommend.task import Recommender

    return Recommender(encoder, settings)


def _with_pictures(task: Any, pictures: ItemPictures) -> Recommender:
    task.pictures = pictures
    return task  # type: ignore[no-any-return]


def _load(folder: Path, *, open_encoder: OpenEncoder | None = None) -> Recommender:
    from retailor.tasks.recommend.task import Recommender

    return Recommender.load(folder, open_encoder=open_encoder)


def _checked(query: RecommendQuery, view: ShopView) -> Checked:
    """The query of a known customer or of a new one, without unknown items; both are noted.

    ServeError 404 when all the query names is items that do not exist.
    """
    known = None if query.user_id is None else view.knows_customer(query.user_id)
    unknown = [each for each in query.item_ids if not view.knows_item(each)]
    needs_item = query.by != "customer" or not (query.user_id or query.text)
    if unknown and len(unknown) == len(query.item_ids) and needs_item:
        raise no_item(unknown[0])
    items = tuple(each for each in query.item_ids if each not in unknown)
    query = replace(query, user_id=None if known is False else query.user_id, item_ids=items)
    return query, {"known_customer": known, "unknown_items": unknown}


def _after(query: RecommendQuery, happened: Happened) -> RecommendQuery:
    """The customer's latest items behind the history of the fit; nothing that cannot be bought is listed."""
    own = () if query.user_id is None or query.by != "customer" else happened.items_of(query.user_id)
    return replace(query, item_ids=own + query.item_ids, hidden=happened.not_to_show())


def _update(task: Any, shop: Shop) -> Recommender:
    """Events that say nothing of taste, such as low ratings alone, are left to the next fit."""
    try:
        updated: Recommender = copy(task).update(shop)
    except MissingTable:
        updated = copy(task).update(shop.with_tables(events=empty("events")))
    return updated


def _query(
    user: Annotated[str | None, typer.Option(help="A customer's id.")] = None,
    item: Annotated[list[str] | None, typer.Option(help="An item seen just now; may be repeated.")] = None,
    text: Annotated[str | None, typer.Option(help="Words: I am looking for …")] = None,
    k: HowMany = 10,
    by: Annotated[
        Literal["customer", "similar", "together"],
        typer.Option(help="Or what is similar to the last --item, or chosen together with it."),
    ] = "customer",
    diversity: Annotated[float, typer.Option(help="0, the plain order, to 1, all unlike.")] = 0.0,
    max_price: Annotated[float | None, typer.Option(help="Only what costs no more.", min=0)] = None,
    currency: Annotated[str, typer.Option(help="Of --max-price: only what is priced in it.")] = "",
) -> RecommendQuery:
    """Recommends items to a customer, known or new."""
    return RecommendQuery(
        user_id=user, item_ids=tuple(item or ()), text=text, k=k, by=by, diversity=diversity,
        max_price=max_price, currency=currency,
    )  # fmt: skip


def _lines(answer: Recommendations, title: Callable[[str], str]) -> Iterator[str]:
    for each in answer.items:
        yield f"{each.score:9.4f}  {each.item_id}  {title(each.item_id)}  ({each.reason})"


def _forget(folder: Path, gone: Gone) -> bool:
    from retailor.tasks.recommend.forget import forget

    return forget(folder, gone)


ENTRY = Entry(
    name="recommend",
    settings=RecommendSettings,
    answer=Recommendations,
    make=_make,
    load=_load,
    http=Http(
        summary="Items for a customer, best first.",
        body=RecommendBody,
        url=RecommendUrl,
        reply=RecommendReply,
        shown=shown,
        has_reasons=True,
    ),
    command=Command(_query, _lines),
    panel=Panel(tab=Said("Recommend", "推荐"), draws="recommendations"),
    examples=examples,
    checked=_checked,
    after=_after,
    update=_update,
    forget=_forget,
    explored=Explored(lambda task, query: task.seen(query), lambda task, item_ids: task.traits(item_ids)),
    with_pictures=_with_pictures,
)
