"""One turn while it is answered: what it may look up, the tools it uses, and how it ends."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Literal

from retailor.dialogue import saying
from retailor.dialogue.acts import acts, without_chatter
from retailor.dialogue.asking import question_of
from retailor.dialogue.handing import MAX_UNKNOWN, handover
from retailor.dialogue.refer import Look, refer
from retailor.dialogue.shapes import (
    MAX_CHARS,
    MAX_FILTERS,
    MAX_LISTED,
    MAX_RECENT,
    MAX_TURNS,
    Call,
    Door,
    Mention,
    Reply,
    Result,
    State,
    Turn,
)
from retailor.dialogue.tools import TOOLS
from retailor.errors import ServeError
from retailor.retrieval.tokens import content_words
from retailor.tasks.answer.wording import unknown_text
from retailor.tasks.search.shapes import Filter, Sort
from retailor.text.currencies import currencies_said, currency_of

N_SHOWN = 5


def untold(call: Call) -> None:
    """Nobody listens."""


def focused(state: State, item_id: str) -> State:
    """The state with this product in focus; it counts as spoken of under the words of the search."""
    recent = [each for each in state.recent if each.item_id != item_id]
    earlier = next((each.words for each in state.recent if each.item_id == item_id), "")
    mention = Mention(item_id, state.words if item_id in state.listed else earlier)
    return replace(state, focus=item_id, recent=(*recent, mention)[-MAX_RECENT:])


@dataclass
class OneTurn:
    """What a turn does (`done`), what it speaks of (`referred`), and the tools used so far."""

    said: str
    state: State
    door: Door
    tell: Callable[[Call], None] = untold
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.look = Look(self.door)
        self.done = acts(self.said)
        self.language = self.state.language
        self.referred = refer(self.said, self.state, self.look)

    @property
    def one(self) -> str | None:
        """The product that the turn points at, the first of several."""
        return self.referred.item_ids[0] if self.referred and self.referred.item_ids else None

    @property
    def beside(self) -> str | None:
        """The product that a turn is about: pointed at, else in focus, else first in the list."""
        return self.one or self.state.focus or next(iter(self.state.listed), None)

    def call(self, tool: str, **arguments: Any) -> Result:
        result = TOOLS[tool](self.door, arguments)
        self.calls.append(Call(tool, arguments, result))
        self.tell(self.calls[-1])
        return result

    def finish(self, text: str, state: State, items: tuple[str, ...] = (), **more: Any) -> Reply:
        text = "\n".join(each for each in (text, self.in_other_currency(items)) if each)
        turns = (*state.turns, Turn(self.said[:MAX_CHARS], text[:MAX_CHARS]))[-MAX_TURNS:]
        filters = tuple(dict.fromkeys(state.filters))[-MAX_FILTERS:]
        n_unknown = 0 if more.get("known", True) else state.n_unknown
        state = replace(state, turns=turns, filters=filters, n_unknown=n_unknown)
        return Reply(text, state, tuple(self.calls), items, **more)

    def in_other_currency(self, items: Sequence[str]) -> str:
        """What to say to 'in yuan?' or 'under €20' where no product shown is priced so: no amount stands in
        silence for one of another currency. '' where there is nothing to say."""
        codes = currencies_said(self.said)
        shown = [each for item_id in items if (each := self.look(item_id)) and each["price"] is not None]
        own = sorted({currency_of(each.get("currency") or "") for each in shown} - {""})
        if not codes or not own or set(own) & set(codes):
            return ""
        return saying.priced_in(own, codes[0], self.language)

    def asked(self, *names: str) -> bool:
        return bool(self.done & set(names))

    def unknown(self, text: str, state: State | None = None, **more: Any) -> Reply:
        """A reply that does not know; the second in a row hands over."""
        state = replace(state or self.state, n_unknown=self.state.n_unknown + 1)
        if state.n_unknown < MAX_UNKNOWN:
            return self.finish(text, state, known=False, **more)
        return self.hand("unknown", state)

    def hand(
        self, reason: Literal["upset", "asked", "unknown", "order"], state: State | None = None
    ) -> Reply:
        state = state or self.state
        told = handover(reason, self.said, state, self.look)
        text = saying.say(reason, self.language)
        return self.finish(text, replace(state, n_unknown=0), known=False, handover=told)

    # what a product is asked

    def answer(self, question: str, item_id: str | None) -> Reply:
        about = self.look(item_id) if item_id else None
        question = question_of(question, about) if about else question
        try:
            given = {} if item_id is None else {"item_id": item_id}
            result = self.call("answer", question=question, **given)
        except ServeError as error:
            if error.status != 501 or item_id is None:
                raise
            return self.item(item_id)  # a run without answers still shows what the catalogue says
        state = self.state if item_id is None else focused(self.state, item_id)
        state = replace(state, question=question if item_id else state.question)
        if not result.known or self.tells_nothing(question, result, item_id):
            return self.unknown(unknown_text(question, item=item_id is not None), state)
        if item_id is None:
            return self.finish(result.data["text"], state)
        details = self.look(item_id)
        name = saying.named(details) if details else item_id
        colon = "：" if self.language == "zh" else ": "
        return self.finish(f"{name}{colon}{result.data['text']}", state, (item_id,))

    def tells_nothing(self, question: str, result: Result, item_id: str | None) -> bool:
        """Whether the answer is the product's own name, of which the question has no other word."""
        details = self.look(item_id) if item_id else None
        if details is None or {each.source for each in result.cited} != {"title"}:
            return False
        return not set(content_words(question)) & set(content_words(result.data["text"]))

    def item(self, item_id: str) -> Reply:
        result = self.call("item", item_id=item_id)
        return self.finish(
            saying.details(result.data["item"], self.language), focused(self.state, item_id), (item_id,)
        )

    def listing(self, head: str, result: Result, state: State, only: Sequence[str] | None = None) -> Reply:
        """The products found, or `only` some of them, as a numbered list that the next turns point into."""
        rows = [each for each in result.data["items"] if only is None or each["item_id"] in only]
        items = tuple(each["item_id"] for each in rows)[:MAX_LISTED]
        if not items:
            return self.unknown(saying.say("nothing", self.language), state)
        text = saying.items(head, rows[:MAX_LISTED], self.language)
        focus = items[0] if len(items) == 1 else None
        near = head in ("nearest", "unmet")
        return self.finish(text, replace(state, listed=items, near=near, pair=(), focus=focus), items)

    def found(self, text: str, result: Result) -> Reply:
        """What a search for `text` found, as a new subject."""
        data = result.data
        filters = tuple(Filter(**each) for each in data["filters"])
        state = replace(
            self.state,
            words=(data["searched"] or text)[:MAX_CHARS],
            wished=False,
            filters=filters,
            sort="relevance",
            question="",
        )
        head = "nearest" if data["is_nearest"] else "unmet" if data["relaxed"] else "found"
        return self.listing(head, result, state)

    def again(self, k: int, state: State | None = None) -> Result:
        """What was searched for last, or in another state, with its conditions: `k` results."""
        state = state or self.state
        filters = [asdict(each) for each in state.filters]
        return self.call("filter", text=state.words, filters=filters, sort=state.sort, k=k)

    def narrow(
        self, conditions: str, filters: tuple[Filter, ...], sort: Sort, *, force: bool = False
    ) -> Reply | None:
        """What was found, with more conditions; None where none of it meets them, unless `force`."""
        result = self.call(
            "filter",
            text=self.state.words or without_chatter(self.said) or self.said,
            conditions=conditions,
            filters=[asdict(each) for each in filters],
            sort=sort,
            k=N_SHOWN,
        )
        if not result.data["met"] and not force:
            self.calls.pop()
            return None
        kept = tuple(Filter(**each) for each in result.data["filters"])
        words = " ".join([self.state.words, *result.data["wanted"]])[:MAX_CHARS]
        state = replace(self.state, filters=kept, sort=sort)
        if result.data["met"] and result.data["wanted"]:
            state = replace(state, words=words, wished=False)
        was_found = set(result.items) <= set(self.state.listed) and not self.state.near
        is_near = result.data["is_nearest"] and not was_found
        head = "unmet" if not result.data["met"] else "nearest" if is_near else "narrowed"
        return self.listing(head, result, state)
