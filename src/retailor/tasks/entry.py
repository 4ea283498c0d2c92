"""An Entry: all that plan, report, HTTP, page and command line know of a task.

A task's folder gives one, `ENTRY`; another package gives one by an entry point (see `tasks.registry`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol

import numpy as np
import typer
from numpy.typing import NDArray
from pydantic import BaseModel

from retailor.errors import ServeError
from retailor.models.shapes import Encoder, Generator
from retailor.shop.gone import Gone
from retailor.shop.hidden import Hidden
from retailor.shop.pseudonyms import Pseudonyms
from retailor.shop.tables import Shop
from retailor.shop.view import ShopView
from retailor.tasks.http import Served
from retailor.tasks.shapes import Task

if TYPE_CHECKING:
    from retailor.models.pictures.items import ItemPictures

HowMany = Annotated[int, typer.Option("-k", help="How many.")]


class Body(Protocol):
    """The pydantic model of a request, which gives the query."""

    def query(self) -> Any: ...


@dataclass(frozen=True)
class Http:
    """How a task is asked over HTTP, at `/NAME`."""

    summary: str
    """One sentence of the OpenAPI description."""
    body: type[BaseModel]
    """A `Body`: what is posted as JSON."""
    reply: type[BaseModel]
    shown: Callable[[Any, Served], BaseModel]
    """The reply of an answer."""
    url: type[BaseModel] | None = None
    """A `Body` whose fields come in the address, for GET; None where there is no GET."""
    has_reasons: bool = False
    """Whether the reply is in the reader's language, by `Accept-Language`."""
    is_generated: bool = False
    """Whether a machine wrote the answer: it is counted, and the header `X-Generated` says so."""


@dataclass(frozen=True)
class Command:
    """How a task is asked on the command line, as `retailor NAME RUN …`."""

    query: Callable[..., Any]
    """Its parameters are typer's arguments and options, its docstring is the help, its value the query."""
    lines: Callable[[Any, Callable[[str], str]], Iterable[str]]
    """What is printed of an answer; the function that it is given turns an item's id into its title."""


@dataclass(frozen=True)
class Extra:
    """Another thing that a fitted task is asked, at `/NAME` and as `retailor NAME RUN …`.

    It is answered at once: neither batched nor remembered, and by several threads at a time.
    """

    name: str
    ask: Callable[[Any, Any], Any]
    """(fitted task, query) to the answer."""
    http: Http
    command: Command
    checked: Callable[[Any, ShopView], Checked] | None = None
    """Asked before every answer that is served. May raise ServeError."""


@dataclass(frozen=True)
class Said:
    """A text of the page in both of its languages."""

    en: str
    zh: str


@dataclass(frozen=True)
class PanelField:
    """A field of a form; what is written in it goes into the field `name` of the body."""

    name: str
    label: Said
    hint: Said = Said("", "")
    kind: Literal["text", "search", "long", "picture"] = "text"
    """A picture goes into the body in base64, made small; the field is shown where the server takes one, and
    stands in for those that are required."""
    required: bool = False
    max_length: int = 500
    suggests: str = ""
    """The path that completes what is typed; '' for none. See `tasks.search.http.SuggestReply`."""


@dataclass(frozen=True)
class Panel:
    """How the page shows a task: a form made of `fields`, and the reply below it."""

    tab: Said
    draws: Literal["items", "evidence", "bars", "table", "recommendations", "dialogue", "draft", "chat"] = (
        "table"
    )
    """The reply as cards of items, text with evidence, labels with bars, or a table of its fields.

    The last four are forms of their own, in `serve/page`, and take no fields.
    """
    fields: tuple[PanelField, ...] = ()
    button: Said = Said("Ask", "提问")
    empty: Said = Said("", "")
    """What stands where the reply will be."""
    examples: tuple[Said, ...] = ()
    """Texts to try in the first field."""
    always: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the body that the form does not ask for."""
    customer_as: str = ""
    """The field of the body that the chosen customer's id goes into; '' for none. So with the item's."""
    item_as: str = ""


class Happened(Protocol):
    """What has happened in the shop since the task was fitted."""

    def items_of(self, user_id: str, /) -> tuple[str, ...]:
        """The customer's latest items, oldest first."""
        ...

    def not_to_show(self) -> Hidden:
        """Items that are out of stock or gone."""
        ...


@dataclass(frozen=True)
class NothingHappened:
    """A shop since whose fit nothing is known to have happened."""

    sold_out: Hidden
    """Items that its catalogue says there are none of."""

    def items_of(self, user_id: str) -> tuple[str, ...]:
        return ()

    def not_to_show(self) -> Hidden:
        return self.sold_out


@dataclass(frozen=True)
class Explored:
    """What a bandit must know to order a task's answers, whose `items` it moves, by what was clicked."""

    seen: Callable[[Any, Any], tuple[str, ...] | None]
    """(fitted task, query) to the customer's latest items, oldest first; None: its order is not to be
    touched."""
    traits: Callable[[Any, Sequence[str]], NDArray[np.float64]]
    """(fitted task, item ids) to what the language model makes of their texts [n, t], about unit deviation a
    column; zero for an item that has no text or is not known."""


def unmoved(query: Any, happened: Happened) -> Any:
    """The query as it is."""
    return query


Checked = tuple[Any, Mapping[str, Any]]
"""A query, and what the reply should say of it."""


def unchecked(query: Any, view: ShopView) -> Checked:
    """The query as it is."""
    return query, {}


def needs_its_item(query: Any, view: ShopView) -> Checked:
    """The query as it is; ServeError 404 when the shop does not have its `item_id`."""
    if query.item_id is not None and not view.knows_item(query.item_id):
        raise no_item(query.item_id)
    return query, {}


def no_item(item_id: str) -> ServeError:
    """The error of an item that the shop does not have."""
    return ServeError(f"there is no item '{item_id}' in this shop.", status=404)


def no_examples(task: Task[Any, Any], train: Shop, test: Shop, seed: int) -> list[dict[str, Any]]:
    """Nothing to show in the report."""
    return []


@dataclass(frozen=True)
class Entry:
    """A task as its doors see it. Nothing here may load torch: `make` and `load` import inside themselves."""

    name: str
    """Its section in a plan, its path, its command; the `kind` of its artifacts."""
    settings: type[Any]
    answer: type[Any]
    """A frozen dataclass, by which answers are remembered. Queries are frozen dataclasses too; in a field
    `user_id` of one the shop's own id of a customer becomes the pseudonym, where the shop has these."""
    make: Callable[[Encoder | None, Generator | None, Any], Task[Any, Any]]
    load: Callable[..., Task[Any, Any]]
    http: Http
    command: Command
    panel: Panel
    examples: Callable[[Task[Any, Any], Shop, Shop, int], list[dict[str, Any]]] = no_examples
    """For the report: (fitted task, training shop, test shop, seed) to a few predictions beside the truth."""
    checked: Callable[[Any, ShopView], Checked] = unchecked
    """Asked before every answer that is served. May raise ServeError."""
    after: Callable[[Any, Happened], Any] = unmoved
    """The query with what has happened since the fit, where the server knows it; asked before `checked`."""
    update: Callable[[Task[Any, Any], Shop], Task[Any, Any]] | None = None
    """Another task that knows new items and events too, the given one unchanged; None: only a fit can."""
    forget: Callable[[Path, Gone], bool] | None = None
    """Takes people out of a copy of a saved task's folder, and says whether they were in it. Its files may be
    links: one is removed before it is written anew. None: the task keeps nothing of anybody."""
    extras: tuple[Extra, ...] = ()
    files: tuple[str, ...] = ()
    """Settings that name a file, from the folder of the plan on: what is made hangs on what is in it."""
    explored: Explored | None = None
    """None: no bandit may order its answers."""
    with_pictures: Callable[[Any, ItemPictures], Any] | None = None
    """(what `make` gave, pictures of the items) to the task that sees them; None: it has no use for any."""
    uses_encoder: bool = True
    uses_generator: Callable[[Any], bool] = lambda settings: False
    """Whether the task, so set, needs a generator."""


def with_pseudonym(query: Any, pseudonyms: Pseudonyms | None) -> Any:
    """The query with the id that the run knows its customer by; the shop's own ids are found as well."""
    if pseudonyms is None or not is_dataclass(query) or isinstance(query, type):
        return query
    if "user_id" not in {each.name for each in fields(query)}:
        return query
    user_id = query.user_id  # type: ignore[attr-defined]
    return query if user_id is None else replace(query, user_id=pseudonyms.of(user_id))  # type: ignore[call-arg]
