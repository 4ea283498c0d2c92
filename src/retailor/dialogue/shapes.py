"""What a conversation is made of: its state, the calls of a turn, and the reply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from retailor.tasks.reasons import Language
from retailor.tasks.search.shapes import Filter, Sort

MAX_LISTED, MAX_RECENT, MAX_TURNS, MAX_FILTERS, MAX_CHARS = 10, 8, 6, 20, 300
"""How much of a conversation its state keeps; longer texts are cut."""


class Answering(Protocol):
    """An answer of a task."""

    @property
    def answer(self) -> Any: ...


class Door(Protocol):
    """The loaded tasks and the shop view, as the tools ask them. `serve.service.Service` is one."""

    def ask(self, kind: str, query: Any) -> Answering:
        """The answer of a task. ServeError 501 where the run does not have it."""
        ...

    def details(self, item_id: str) -> dict[str, Any]:
        """What the catalogue says of an item, with its attributes and stars. ServeError 404 where unknown."""
        ...


@dataclass(frozen=True)
class Cited:
    """A passage that a reply stands on."""

    item_id: str
    source: str
    text: str


@dataclass(frozen=True)
class Result:
    """What a tool found: data as JSON, the items in it, the passages behind it."""

    data: Mapping[str, Any]
    items: tuple[str, ...] = ()
    cited: tuple[Cited, ...] = ()
    known: bool = True
    """False where the shop's texts do not tell."""


@dataclass(frozen=True)
class Call:
    """A tool that was used in a turn."""

    tool: str
    arguments: Mapping[str, Any]
    result: Result


@dataclass(frozen=True)
class Mention:
    """A product spoken of, with the words that it had been searched by."""

    item_id: str
    words: str = ""


@dataclass(frozen=True)
class Turn:
    """What the customer said and what was replied, cut to MAX_CHARS."""

    said: str
    reply: str


@dataclass(frozen=True)
class State:
    """All that is known of a conversation. It travels with the client: the server keeps nothing."""

    language: Language = "en"
    focus: str | None = None
    """The product that is spoken of."""
    listed: tuple[str, ...] = ()
    """The products shown last."""
    pair: tuple[str, ...] = ()
    """The products compared last."""
    recent: tuple[Mention, ...] = ()
    """Products that were in focus, the latest last."""
    words: str = ""
    """What was searched for last, without the filters."""
    wished: bool = False
    """Whether the words are a wish that products were recommended for."""
    near: bool = False
    """Whether what is listed is only near what was asked for."""
    filters: tuple[Filter, ...] = ()
    sort: Sort = "relevance"
    question: str = ""
    """What was asked of a product last."""
    turns: tuple[Turn, ...] = ()
    n_unknown: int = 0
    """Turns in a row that had no answer."""


@dataclass(frozen=True)
class Handover:
    """The conversation should go to a person; `summary` is for that person."""

    reason: Literal["upset", "asked", "unknown", "order"]
    summary: str


@dataclass(frozen=True)
class Reply:
    """A turn's reply, and the state to send with the next turn."""

    text: str
    state: State
    calls: tuple[Call, ...] = ()
    items: tuple[str, ...] = ()
    """Products named in the text, in its order."""
    known: bool = True
    handover: Handover | None = None
    by: Literal["planner", "model"] = "planner"
    notes: Mapping[str, Any] = field(default_factory=dict)
    """Why a model's words were not given, where they were not."""

    @property
    def tools(self) -> tuple[str, ...]:
        """The names of the tools used, in order."""
        return tuple(call.tool for call in self.calls)
