"""A turn over HTTP: the message with the state that came back last time, and the reply with the next one."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from retailor.dialogue.refer import Look
from retailor.dialogue.shapes import (
    MAX_CHARS,
    MAX_FILTERS,
    MAX_LISTED,
    MAX_RECENT,
    MAX_TURNS,
    Door,
    Mention,
    Reply,
    State,
    Turn,
)
from retailor.tasks.http import Id, Words, strict
from retailor.tasks.search.http import FilterBody
from retailor.tasks.search.shapes import Sort

Kept = Annotated[str, StringConstraints(max_length=MAX_CHARS)]
_STRICT = ConfigDict(extra="forbid", strict=True)


class MentionState(BaseModel):
    model_config = _STRICT
    item_id: Id
    words: Kept = ""


class TurnState(BaseModel):
    model_config = _STRICT
    said: Kept
    reply: Kept


class StateBody(BaseModel):
    """What the reply before gave as `state`: send it back as it is."""

    model_config = _STRICT
    language: Literal["en", "zh"] = "en"
    focus: Id | None = None
    listed: list[Id] = Field(default=[], max_length=MAX_LISTED)
    pair: list[Id] = Field(default=[], max_length=4)
    recent: list[MentionState] = Field(default=[], max_length=MAX_RECENT)
    words: Kept = ""
    wished: bool = False
    near: bool = False
    filters: list[FilterBody] = Field(default=[], max_length=MAX_FILTERS)
    sort: Sort = "relevance"
    question: Annotated[str, StringConstraints(max_length=500)] = ""
    turns: list[TurnState] = Field(default=[], max_length=MAX_TURNS)
    n_unknown: Annotated[int, Field(ge=0, le=100)] = 0

    def state(self, door: Door) -> State:
        """The state, without products that the shop no longer has."""
        look = Look(door)
        return State(
            language=self.language,
            focus=self.focus if self.focus and look(self.focus) else None,
            listed=tuple(each for each in self.listed if look(each)),
            pair=tuple(each for each in self.pair if look(each)),
            recent=tuple(Mention(each.item_id, each.words) for each in self.recent if look(each.item_id)),
            words=self.words,
            wished=self.wished,
            near=self.near,
            filters=tuple(each.filter() for each in self.filters),
            sort=self.sort,
            question=self.question,
            turns=tuple(Turn(each.said, each.reply) for each in self.turns),
            n_unknown=self.n_unknown,
        )

    @classmethod
    def of(cls, state: State) -> StateBody:
        """The state as it goes to the client."""
        return cls(
            language=state.language,
            focus=state.focus,
            listed=list(state.listed),
            pair=list(state.pair),
            recent=[MentionState(item_id=each.item_id, words=each.words) for each in state.recent],
            words=state.words,
            wished=state.wished,
            near=state.near,
            filters=[FilterBody.of(each) for each in state.filters],
            sort=state.sort,
            question=state.question,
            turns=[TurnState(said=each.said, reply=each.reply) for each in state.turns],
            n_unknown=state.n_unknown,
        )


class ChatBody(BaseModel):
    """What the customer says, with the state of the conversation; none begins a new one."""

    model_config = strict({"message": "a warm blanket under 40"})
    message: Words
    state: StateBody | None = None


class Used(BaseModel):
    """A tool that was used, with its arguments."""

    tool: str
    arguments: dict[str, Any]


class Shown(BaseModel):
    """A product of the reply."""

    item_id: str
    title: str
    price: float | None
    currency: str | None
    rating: float | None
    image: str | None


class Source(BaseModel):
    """A passage that the reply stands on."""

    item_id: str
    source: str
    text: str


class HandoverReply(BaseModel):
    """The conversation should go to a person, with this summary."""

    reason: Literal["upset", "asked", "unknown", "order"]
    summary: str


class ChatReply(BaseModel):
    """`known` is false where the shop's texts do not tell; `by` says whose words they are."""

    text: str
    items: list[Shown]
    sources: list[Source]
    tools: list[Used]
    known: bool
    handover: HandoverReply | None
    by: Literal["planner", "model"]
    state: StateBody


def shown(reply: Reply, door: Door) -> ChatReply:
    """The reply with what its products look like."""
    look = Look(door)
    cards = [details for each in reply.items if (details := look(each)) is not None]
    told = reply.handover
    return ChatReply(
        text=reply.text,
        items=[Shown(**{name: each[name] for name in Shown.model_fields}) for each in cards],
        sources=[
            Source(item_id=each.item_id, source=each.source, text=each.text)
            for call in reply.calls
            for each in call.result.cited
            if each.text
        ],
        tools=[Used(tool=call.tool, arguments=dict(call.arguments)) for call in reply.calls],
        known=reply.known,
        handover=None if told is None else HandoverReply(reason=told.reason, summary=told.summary),
        by=reply.by,
        state=StateBody.of(reply.state),
    )
