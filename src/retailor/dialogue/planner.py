"""A turn's reply without any generator: what the customer does, which products, which tools, which words.

What a turn does is read off the table in `acts`, what it speaks of by `refer`; then the first step of STEPS
that feels concerned answers. A step calls tools and words what they found; nothing is said that they did not
find.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from retailor.dialogue import saying
from retailor.dialogue.acts import acts, without, without_chatter
from retailor.dialogue.asking import question_of
from retailor.dialogue.handing import MAX_UNKNOWN, handover
from retailor.dialogue.refer import TWO, WHICH, Look, Referred, refer
from retailor.dialogue.shapes import (
    MAX_CHARS,
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
from retailor.dialogue.verdict import verdict
from retailor.errors import ServeError
from retailor.retrieval.tokens import HAS_CHINESE, content_words
from retailor.tasks.answer import kinds
from retailor.tasks.answer.wording import unknown_text
from retailor.tasks.search.shapes import Filter, Sort

MAX_SAID = 500
N_SHOWN = 5
_SPOKEN = ("greet", "thanks", "bye", "fine", "chitchat")
_LATIN = re.compile(r"[a-z]{2}", re.IGNORECASE)


def tidy(text: str) -> str:
    """A customer's words on one line, without control characters, at most MAX_SAID characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_SAID]


def untold(call: Call) -> None:
    """Nobody listens."""


def respond(text: str, state: State, door: Door, tell: Callable[[Call], None] = untold, /) -> Reply:
    """The reply to a turn; `tell` hears of each tool as it is used. ServeError 422 where the text is empty."""
    said = tidy(text)
    if not said:
        raise ServeError("the message is empty; say something.", status=422)
    return _Planner(said, state_for(said, state), door, tell).reply()


def state_for(said: str, state: State) -> State:
    """The state in the language of the turn; one of numbers and signs alone leaves it."""
    if HAS_CHINESE.search(said):
        return replace(state, language="zh")
    return replace(state, language="en") if _LATIN.search(said) else state


@dataclass
class _Planner:
    """One turn while it is answered."""

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

    def reply(self) -> Reply:
        for step in STEPS:
            made = step(self)
            if made is not None:
                return made
        return self.unknown(saying.say("unclear", self.language))

    # what every step needs

    def call(self, tool: str, **arguments: Any) -> Result:
        result = TOOLS[tool](self.door, arguments)
        self.calls.append(Call(tool, arguments, result))
        self.tell(self.calls[-1])
        return result

    def finish(self, text: str, state: State, items: tuple[str, ...] = (), **more: Any) -> Reply:
        turns = (*state.turns, Turn(self.said[:MAX_CHARS], text[:MAX_CHARS]))[-MAX_TURNS:]
        return Reply(text, replace(state, turns=turns), tuple(self.calls), items, **more)

    def asked(self, *names: str) -> bool:
        return bool(self.done & set(names))

    def focused(self, item_id: str) -> State:
        """The state with this product in focus; it counts as spoken of under the words of the search."""
        recent = [each for each in self.state.recent if each.item_id != item_id]
        earlier = next((each.words for each in self.state.recent if each.item_id == item_id), "")
        mention = Mention(item_id, self.state.words if item_id in self.state.listed else earlier)
        return replace(self.state, focus=item_id, recent=(*recent, mention)[-MAX_RECENT:], n_unknown=0)

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
        result = self.call("answer", question=question, **({} if item_id is None else {"item_id": item_id}))
        state = self.state if item_id is None else self.focused(item_id)
        state = replace(state, question=question if item_id else state.question)
        if not result.known or self.tells_nothing(question, result, item_id):
            return self.unknown(unknown_text(question, item=item_id is not None), state)
        state = replace(state, n_unknown=0)
        if item_id is None:
            return self.finish(result.data["text"], state)
        details = self.look(item_id)
        name = saying.named(details) if details else item_id
        colon = "：" if self.language == "zh" else ": "
        return self.finish(f"{name}{colon}{result.data['text']}", state, (item_id,))

    def tells_nothing(self, question: str, result: Result, item_id: str | None) -> bool:
        """Whether the answer is the product's own name, of which the question has no other word."""
        details = self.look(item_id) if item_id else None
        if details is None or {each.source for each in result.cited} - {"title"}:
            return False
        return not set(content_words(question)) & set(content_words(result.data["text"]))

    def item(self, item_id: str) -> Reply:
        result = self.call("item", item_id=item_id)
        return self.finish(
            saying.details(result.data["item"], self.language), self.focused(item_id), (item_id,)
        )

    def listing(self, head: str, result: Result, state: State, shown: bool = True) -> Reply:
        if not result.items:
            return self.unknown(saying.say("nothing", self.language), state)
        text = saying.items(head, result.data["items"], self.language)
        state = replace(state, listed=result.items[:MAX_LISTED], pair=(), n_unknown=0, focus=None)
        if len(result.items) == 1:
            state = replace(state, focus=result.items[0])
        return self.finish(text, state, result.items)

    def narrow(
        self, conditions: str, filters: tuple[Filter, ...], sort: Sort, *, force: bool = False
    ) -> Reply | None:
        """What was found, with more conditions; None where none of it meets them, unless `force`."""
        result = self.call(
            "filter",
            text=self.state.words or without_chatter(self.said) or self.said,
            conditions=conditions,
            filters=[_condition(each) for each in filters],
            sort=sort,
            k=N_SHOWN,
        )
        if not result.data["met"] and not force:
            self.calls.pop()
            return None
        kept = tuple(Filter(**each) for each in result.data["filters"])
        words = " ".join([self.state.words, *result.data["wanted"]])[:MAX_CHARS]
        state = replace(
            self.state, filters=kept, words=words if result.data["met"] else self.state.words, sort=sort
        )
        return self.listing("narrowed" if result.data["met"] else "unmet", result, state)


def _condition(one: Filter) -> dict[str, Any]:
    return {"field": one.field, "op": one.op, "value": one.value, "unit": one.unit}


# steps ---------------------------------------------------------------------------------------------
# Each gives the reply, or None where the turn is not its business. The order is what decides.


def _upset(turn: _Planner) -> Reply | None:
    for act, reason in (("human", "asked"), ("upset", "upset"), ("order", "order")):
        if not turn.asked(act):
            continue
        if act == "upset" and turn.asked("question") and turn.referred and not turn.asked("human"):
            continue  # 'is it rubbish?' asks about a product
        if turn.referred and turn.referred.how in ("named", "brand"):
            turn.state = turn.focused(turn.referred.item_ids[0])
        return turn.hand(reason)  # type: ignore[arg-type]
    return None


def _spoken(turn: _Planner) -> Reply | None:
    """Greetings, thanks and small talk, where nothing else is said."""
    spoken = [name for name in _SPOKEN if name in turn.done]
    if not spoken:
        return None
    name = next(each for each in ("chitchat", "bye", "thanks", "greet", "fine") if each in spoken)
    rest = without_chatter(without(turn.said, *_SPOKEN))
    named = turn.referred is not None and turn.referred.how != "it"
    if name != "chitchat" and (named or turn.asked("question", "find", "tell") and content_words(rest)):
        return None
    if name == "chitchat" and (named or turn.asked("find")):
        return None
    if name != "chitchat" and content_words(rest) and name not in ("thanks", "bye"):
        return None
    return turn.finish(saying.say(name, turn.language), turn.state)


def _compare(turn: _Planner) -> Reply | None:
    """Two products side by side: those named, one named and the one in focus, or the two spoken of last."""
    referred = turn.referred
    extreme = referred is not None and referred.how == "extreme"
    ids = referred.item_ids if referred and not extreme and referred.how != "it" else ()
    which = WHICH.search(turn.said) is not None
    if not (turn.asked("compare") or (which and (len(ids) > 1 or (extreme and turn.state.pair)))):
        return None
    ids = _compared(ids, turn)
    if len(ids) < 2:
        return None
    result = turn.call("compare", item_ids=list(ids))
    details = [each for item_id in ids if (each := turn.look(item_id)) is not None]
    said, best = verdict(turn.said, details, turn.language)
    for item_id in ids:
        turn.state = turn.focused(item_id)
    state = replace(turn.state, pair=ids, focus=best or ids[-1], question="")
    return turn.finish(saying.comparison(result.data, said, turn.language), state, ids)


def _compared(ids: tuple[str, ...], turn: _Planner) -> tuple[str, ...]:
    """The products to compare, at most four; fewer than two where it is not clear which."""
    state = turn.state
    if len(ids) == 1 and state.focus and state.focus not in ids:
        ids = (state.focus, *ids)
    if len(ids) >= 2:
        return ids[:4]
    recent = tuple(each.item_id for each in state.recent[-2:])
    if state.pair:
        return state.pair
    if len(recent) == 2 and (TWO.search(turn.said) or not state.listed):
        return recent
    return state.listed[:2] if TWO.search(turn.said) else state.listed[:4]


def _recommend(turn: _Planner) -> Reply | None:
    """Products like the one pointed at, or for a wish."""
    if turn.asked("similar"):
        like = _one(turn.referred) or turn.state.focus or next(iter(turn.state.listed), None)
        details = turn.look(like) if like else None
        if like is not None and details is not None:
            result = turn.call("recommend", item_id=like, k=N_SHOWN)
            path = details["category"] or []
            filters = (Filter("category", "=", path[-1]),) if path else ()
            state = replace(turn.focused(like), words=details["title"][:MAX_CHARS], filters=filters)
            return turn.listing("similar", result, replace(state, sort="relevance"))
    if not turn.asked("recommend") or (turn.referred and turn.referred.how != "it"):
        return None
    wish = without_chatter(turn.said) or turn.said
    result = turn.call("recommend", text=wish, k=N_SHOWN)
    if not result.items:
        turn.calls.pop()
        return None
    filters = tuple(Filter(**each) for each in result.data["filters"])
    return turn.listing("recommended", result, replace(turn.state, words=wish[:MAX_CHARS], filters=filters))


def _sorted(turn: _Planner) -> Reply | None:
    if not turn.asked("sort") or not turn.state.words:
        return None
    sort: Sort = (
        "rating" if turn.asked("best") else ("-price" if turn.asked("dearest", "dearer") else "price")
    )
    return turn.narrow("", turn.state.filters, sort, force=True)


def _cheaper(turn: _Planner) -> Reply | None:
    """'Cheaper': below the price of the product pointed at, in focus, or first in the list."""
    state = turn.state
    extreme = turn.referred is not None and turn.referred.how == "extreme"
    if not turn.asked("cheaper", "dearer") or extreme or not state.words:
        return None
    beside = _one(turn.referred) or state.focus or next(iter(state.listed), None)
    details = turn.look(beside) if beside else None
    if details is None or details["price"] is None:
        return None
    op: Literal["<=", ">="] = "<=" if turn.asked("cheaper") else ">="
    bound = round(details["price"] - 0.01 if op == "<=" else details["price"] + 0.01, 2)
    others = tuple(each for each in state.filters if (each.field, each.op) != ("price", op))
    return turn.narrow("", (*others, Filter("price", op, bound)), state.sort, force=True)


def _one(referred: Referred | None) -> str | None:
    return referred.item_ids[0] if referred and referred.item_ids else None


def _product(turn: _Planner) -> Reply | None:
    """A question about the product that the turn points at, or what there is to say of it."""
    if turn.referred is None or not turn.referred.item_ids:
        return None
    item_id, how = turn.referred.item_ids[0], turn.referred.how
    if how == "it" and turn.state.focus is None and turn.asked("find", "refine"):
        return None
    if how == "it" and turn.asked("shop"):
        return None
    if _asks(turn.said):
        return turn.answer(turn.said, item_id)
    if how != "it" and _BARE.search(turn.said) and not turn.asked("tell"):
        return turn.answer(turn.state.question, item_id) if turn.state.question else turn.item(item_id)
    if turn.asked("question") and not turn.asked("tell") and how != "extreme":
        return turn.answer(turn.said, item_id)
    if how == "it" and not turn.asked("tell"):
        return None
    return turn.item(item_id)


_BARE = re.compile(r"^(?:and|or|what about|how about|so|the)\b|呢[？?。]*$|^(?:那|换成?)", re.IGNORECASE)
"""A product and nothing else: 'and the second one?' asks again what was asked last."""


def _asks(said: str) -> bool:
    """Whether the turn asks for something that the table of kinds knows."""
    return bool(kinds.asked(said)) or "opinions" in acts(said)


def _rule(turn: _Planner) -> Reply | None:
    """The shop's rules, where no product is meant: delivery, returns, payment, opening hours."""
    if turn.asked("shop") or (
        _is_rule(turn.said) and not (turn.asked("find") and not turn.asked("question"))
    ):
        return turn.answer(turn.said, None)
    return None


def _is_rule(said: str) -> bool:
    return any(kind.sort == "rule" for kind in kinds.asked(said))


def _refine(turn: _Planner) -> Reply | None:
    """A condition on what is listed: 'in blue', 'under 50', 'only leather', 铸铁的."""
    state = turn.state
    if not state.words or not (turn.asked("refine", "find") or not turn.asked("question")):
        return None
    if turn.asked("refine") or len(content_words(without_chatter(turn.said))) <= 3:
        return turn.narrow(
            turn.said, state.filters, state.sort, force=_WHICH_ONES.search(turn.said) is not None
        )
    return None


_WHICH_ONES = re.compile(
    r"\bones\b|^(?:and )?in [\w ]{3,14}\??$|的(?:有吗|有没有|呢)?[。！!？?]*$", re.IGNORECASE
)
"""Says only which of those listed: it is no new subject, even where none fits."""


def _focus(turn: _Planner) -> Reply | None:
    """A question without a product, asked of the one in focus or first in the list."""
    item_id = turn.state.focus or next(iter(turn.state.listed), None)
    if item_id is None or turn.asked("find") or not (_asks(turn.said) or turn.asked("question")):
        return None
    return turn.answer(turn.said, item_id)


def _search(turn: _Planner) -> Reply | None:
    """A new subject."""
    text = without_chatter(turn.said) or turn.said
    if not content_words(text):
        return None
    result = turn.call("search", text=text, k=N_SHOWN)
    data: Mapping[str, Any] = result.data
    filters = tuple(Filter(**each) for each in data["filters"])
    state = replace(
        turn.state,
        words=(data["searched"] or text)[:MAX_CHARS],
        filters=filters,
        sort="relevance",
        question="",
    )
    return turn.listing("nearest" if data["is_nearest"] else "found", result, state)


STEPS: tuple[Callable[[_Planner], Reply | None], ...] = (
    _upset,
    _spoken,
    _sorted,
    _compare,
    _recommend,
    _cheaper,
    _product,
    _rule,
    _refine,
    _focus,
    _search,
)
