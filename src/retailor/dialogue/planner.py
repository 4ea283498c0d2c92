"""A turn's reply without any generator: what the customer does, which products, which tools, which words.

What a turn does is read off the table in `acts`, what it speaks of by `refer`; then the first step of STEPS
that feels concerned answers. A step calls tools and words what they found; nothing is said that they did not
find.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace

from retailor.dialogue import follow_ups, saying, wishes
from retailor.dialogue.acts import acts, without, without_chatter
from retailor.dialogue.one_turn import N_SHOWN, OneTurn, focused, untold
from retailor.dialogue.pointing import THE_ONE, TWO, WHICH
from retailor.dialogue.refer import counts_too_far
from retailor.dialogue.shapes import Call, Door, Reply, State
from retailor.dialogue.verdict import verdict
from retailor.errors import ServeError
from retailor.retrieval.tokens import HAS_CHINESE, content_words
from retailor.tasks.answer.forms.overall import side_asked
from retailor.tasks.answer.question import kinds

MAX_SAID = 500
_SPOKEN = ("greet", "thanks", "bye", "fine", "chitchat")
_LATIN = re.compile(r"[a-z]{2}", re.IGNORECASE)


def tidy(text: str) -> str:
    """A customer's words on one line, without control characters, at most MAX_SAID characters."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())[:MAX_SAID]


def respond(text: str, state: State, door: Door, tell: Callable[[Call], None] = untold, /) -> Reply:
    """The reply to a turn; `tell` hears of each tool as it is used. ServeError 422 on an empty text."""
    said = tidy(text)
    if not said:
        raise ServeError("the message is empty; say something.", status=422)
    turn = OneTurn(said, state_for(said, state), door, tell)
    try:
        for step in STEPS:
            made = step(turn)
            if made is not None:
                return made
    except ServeError as error:
        if error.status != 501:
            raise
        return turn.unknown(saying.say("cannot", turn.language))  # the run does not have the task
    return turn.unknown(saying.say("unclear", turn.language))


def state_for(said: str, state: State) -> State:
    """The state in the language of the turn; one of numbers and signs alone leaves it."""
    if HAS_CHINESE.search(said):
        return replace(state, language="zh")
    return replace(state, language="en") if _LATIN.search(said) else state


# steps ---------------------------------------------------------------------------------------------
# Each gives the reply, or None where the turn is not its business. The order is what decides.


def _upset(turn: OneTurn) -> Reply | None:
    for act, reason in (("human", "asked"), ("upset", "upset"), ("order", "order")):
        if not turn.asked(act):
            continue
        about = turn.referred or side_asked(turn.said)  # 'is it rubbish?', 有差评吗 ask about a product
        if act == "upset" and turn.asked("question") and about and not turn.asked("human"):
            continue
        if turn.referred and turn.referred.how in ("named", "brand"):
            turn.state = focused(turn.state, turn.referred.item_ids[0])
        return turn.hand(reason)  # type: ignore[arg-type]
    return None


def _spoken(turn: OneTurn) -> Reply | None:
    """Greetings, thanks and small talk, where nothing else is said."""
    spoken = [name for name in _SPOKEN if name in turn.done]
    if not spoken:
        return None
    name = next(each for each in ("chitchat", "bye", "thanks", "greet", "fine") if each in spoken)
    rest = without_chatter(without(turn.said, *_SPOKEN))
    named = turn.referred is not None and turn.referred.how != "it"
    if name != "chitchat" and (named or (turn.asked("question", "find", "tell") and content_words(rest))):
        return None
    if name == "chitchat" and (named or turn.asked("find")):
        return None
    if name != "chitchat" and content_words(rest) and name not in ("thanks", "bye"):
        return None
    return turn.finish(saying.say(name, turn.language), turn.state)


def _too_far(turn: OneTurn) -> Reply | None:
    """'The seventh one' of five: no other is taken in its place."""
    named = turn.referred is not None and turn.referred.how not in ("place", "it")
    if named or not turn.asked("question", "tell", "compare") or not counts_too_far(turn.said, turn.state):
        return None
    return turn.finish(saying.say("too_far", turn.language), turn.state, known=False)


def _compare(turn: OneTurn) -> Reply | None:
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
        turn.state = focused(turn.state, item_id)
    state = replace(turn.state, pair=ids, focus=best or ids[-1], question="")
    return turn.finish(saying.comparison(result.data, said, turn.language), state, ids)


def _compared(ids: tuple[str, ...], turn: OneTurn) -> tuple[str, ...]:
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


def _opinions(turn: OneTurn) -> Reply | None:
    """'Any complaints?', 大家怎么评价: what customers think of a product, on the whole."""
    if side_asked(turn.said) is None:
        return None
    item_id = turn.beside
    return None if item_id is None else turn.answer(turn.said, item_id)


def _buy(turn: OneTurn) -> Reply | None:
    """An order, which this conversation cannot take: it says so, and where."""
    item_id = turn.one or turn.state.focus
    details = turn.look(item_id) if item_id else None
    if not turn.asked("buy") or details is None or item_id is None:
        return None
    text = f"{saying.say('buy', turn.language)} {saying.line(details, turn.language)}"
    return turn.finish(text, focused(turn.state, item_id), (item_id,))


def _product(turn: OneTurn) -> Reply | None:
    """A question about the product that the turn points at, or what there is to say of it."""
    if turn.referred is None or not turn.referred.item_ids:
        return None
    item_id, how = turn.referred.item_ids[0], turn.referred.how
    if how == "it" and turn.state.focus is None and turn.asked("find", "refine"):
        return None
    if how == "it" and turn.asked("shop"):
        return None
    if _asks(without(THE_ONE.sub(" ", turn.said), *_EXTREMES) if how == "extreme" else turn.said):
        return turn.answer(turn.said, item_id)
    if how != "it" and _BARE.search(turn.said) and not turn.asked("tell"):
        return turn.answer(turn.state.question, item_id) if turn.state.question else turn.item(item_id)
    if turn.asked("question") and not turn.asked("tell") and how != "extreme":
        return turn.answer(turn.said, item_id)
    if how == "it" and not turn.asked("tell"):
        return None
    return turn.item(item_id)


_EXTREMES = ("cheapest", "dearest", "least", "most", "best")
_BARE = re.compile(r"^(?:and|or|what about|how about|so|the)\b|呢[？?。]*$|^(?:那|换成?)", re.IGNORECASE)
"""A product and nothing else: 'and the second one?' asks again what was asked last."""


def _asks(said: str) -> bool:
    """Whether the turn asks for something that the table of kinds knows; 'a tent for two' looks for one."""
    asked = {kind.name for kind in kinds.asked(said)} - (
        {"people"} if "question" not in acts(said) else set()
    )
    return bool(asked) or "opinions" in acts(said)


def _rule(turn: OneTurn) -> Reply | None:
    """The shop's rules, where no product is meant: delivery, returns, payment, opening hours."""
    if turn.asked("shop") or (
        _is_rule(turn.said) and not (turn.asked("find") and not turn.asked("question"))
    ):
        return turn.answer(turn.said, None)
    return None


def _is_rule(said: str) -> bool:
    return any(kind.sort == "rule" for kind in kinds.asked(said))


def _refine(turn: OneTurn) -> Reply | None:
    """A condition on what is listed: 'in blue', 'under 50', 'only leather', 铸铁的."""
    state = turn.state
    if not state.words or _ASKS_WHAT.search(turn.said):
        return None
    if turn.asked("question") and not turn.asked("refine", "find"):
        return None
    if turn.asked("refine") or len(content_words(without_chatter(turn.said))) <= 3:
        return turn.narrow(
            turn.said, state.filters, state.sort, force=_WHICH_ONES.search(turn.said) is not None
        )
    return None


_ASKS_WHAT = re.compile(r"^(?:what|why|how|who|when)\b(?! about)|什么|多少|怎么|为什么|几", re.IGNORECASE)
_WHICH_ONES = re.compile(
    r"\bones\b|^(?:and )?in [\w ]{3,14}\??$|的(?:有吗|有没有|呢)?[。！!？?]*$", re.IGNORECASE
)
"""Says only which of those listed: it is no new subject, even where none fits."""


def _focus(turn: OneTurn) -> Reply | None:
    """A question without a product, asked of the one in focus or first in the list."""
    item_id = turn.state.focus or next(iter(turn.state.listed), None)
    if item_id is None or turn.asked("find") or not (_asks(turn.said) or turn.asked("question")):
        return None
    return turn.answer(turn.said, item_id)


def _search(turn: OneTurn) -> Reply | None:
    """A new subject."""
    text = without_chatter(turn.said) or turn.said
    if not content_words(text):
        return None
    return turn.found(text, turn.call("search", text=text, k=N_SHOWN))


STEPS: tuple[Callable[[OneTurn], Reply | None], ...] = (
    _upset,
    _buy,
    _spoken,
    _too_far,
    follow_ups.first,
    follow_ups.in_order,
    _compare,
    _opinions,
    wishes.similar,
    wishes.recommend,
    follow_ups.cheaper,
    wishes.budget,
    follow_ups.beyond,
    follow_ups.brand,
    follow_ups.colours,
    follow_ups.more,
    _product,
    _rule,
    _refine,
    _focus,
    _search,
)
