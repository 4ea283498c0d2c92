"""What follows on what was shown: the first of its kind, cheaper, smaller, in another order or colour, more.

Each step gives the reply, or None where the turn is not its business.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal

from retailor.dialogue import saying, wishes
from retailor.dialogue.one_turn import N_SHOWN, OneTurn, focused
from retailor.dialogue.shapes import Reply
from retailor.dialogue.tools import without_sizes
from retailor.dialogue.verdict import beyond as further
from retailor.retrieval.tokens import content_words
from retailor.tasks.answer.forms.superlative import superlative_in
from retailor.tasks.search.shapes import Filter, Sort
from retailor.text.currencies import currency_of

N_MORE = 20


def first(turn: OneTurn) -> Reply | None:
    """'Your lightest tent?', then 'and the heaviest?': the first of a kind, by what the catalogue tells."""
    question = _of_a_kind(turn)
    asked = superlative_in(question)
    pointed = turn.referred is not None and turn.referred.how != "extreme"
    if asked is None or not asked.rest or pointed:
        return None
    of_the_list = set(asked.rest) <= set(content_words(turn.state.words))
    narrowed = any(each.field != "category" for each in turn.state.filters)
    if of_the_list and (turn.referred is not None or narrowed):
        return None
    result = turn.call("answer", question=question)
    first = next((each.item_id for each in result.cited if each.item_id), None)
    if not result.known or first is None:
        turn.calls.pop()
        return None
    return turn.finish(result.data["text"], focused(turn.state, first), (first,))


def _of_a_kind(turn: OneTurn) -> str:
    """The turn, with the kind of product that the one before named, or that is listed, where it has none."""
    asked = superlative_in(turn.said)
    if asked is None or asked.rest:
        return turn.said
    for before in reversed(turn.state.turns):
        last = superlative_in(before.said)
        if last is None:
            break
        if last.rest:
            return before.said.replace(last.said, asked.said)
    return f"{turn.state.words} {asked.said}"


def in_order(turn: OneTurn) -> Reply | None:
    """'Cheapest first', 'best rated': what was found, in another order."""
    if not turn.asked("sort") or not turn.state.words:
        return None
    sort: Sort = (
        "rating"
        if turn.asked("best") or _BETTER.search(turn.said)
        else ("-price" if turn.asked("dearest", "dearer") else "price")
    )
    return turn.narrow("", turn.state.filters, sort, force=True)


_BETTER = re.compile(r"rat\w+|review|评|口碑", re.IGNORECASE)


def cheaper(turn: OneTurn) -> Reply | None:
    """'Cheaper': below the price of the product pointed at, in focus, or first in the list."""
    state = turn.state
    extreme = turn.referred is not None and turn.referred.how == "extreme"
    if not turn.asked("cheaper", "dearer") or extreme or not (state.words or state.wished):
        return None
    beside = turn.beside
    details = turn.look(beside) if beside else None
    if details is None or details["price"] is None:
        return None
    op: Literal["<=", ">="] = "<=" if turn.asked("cheaper") else ">="
    bound = round(details["price"] - 0.01 if op == "<=" else details["price"] + 0.01, 2)
    others = tuple(each for each in state.filters if (each.field, each.op) != ("price", op))
    limit = Filter("price", op, bound, currency_of(details.get("currency") or ""))
    again = wishes.below(turn, limit) if state.wished and op == "<=" else None
    return again or turn.narrow("", (*others, limit), state.sort, force=True)


def beyond(turn: OneTurn) -> Reply | None:
    """'Smaller', 'a lighter one': than the product pointed at, in focus, or first in the list."""
    state = turn.state
    extreme = turn.referred is not None and turn.referred.how == "extreme"
    if not turn.asked("smaller", "larger") or extreme or not state.words or re.search(r"\d", turn.said):
        return None
    beside = turn.look(turn.beside or "")
    if beside is None:
        return None
    left = tuple(each for each in state.filters if (each.field, each.op) != ("quantity", "="))
    state = replace(state, words=without_sizes(turn.door, state.words), filters=left)
    result = turn.again(N_MORE, state)
    others = [each for item_id in result.items if (each := turn.look(item_id)) is not None]
    larger = turn.asked("larger")
    found = further(turn.said, beside, others, larger=larger)
    if not found:
        turn.calls.pop()
        is_none = found is not None and _LOOKS.search(turn.said) is not None
        return turn.finish(saying.say("none_so", turn.language), turn.state) if is_none else None
    return turn.listing("narrowed", result, state, found[:N_SHOWN])


_LOOKS = re.compile(
    r"^(?:and |or )?(?:any|some|got|do you have|have you|is there|are there|show)|有没有|有.{0,6}[吗嘛么]",
    re.I,
)


def colours(turn: OneTurn) -> Reply | None:
    """What was searched for in other colours than the product's in focus."""
    beside = turn.look(turn.beside or "")
    own = _colour_of(beside)
    if not turn.asked("colours") or own is None or not turn.state.words:
        return None
    result = turn.again(N_MORE)
    others = [each for each in result.items if _colour_of(turn.look(each)) not in (None, own)]
    if not others:
        turn.calls.pop()
        return None
    return turn.listing("narrowed", result, turn.state, others[:N_SHOWN])


def _colour_of(details: Mapping[str, Any] | None) -> str | None:
    pairs = details["attributes"] if details else ()
    return next((each["value"] for each in pairs if _COLOUR.search(each["name"])), None)


_COLOUR = re.compile(r"colou?r|颜色", re.IGNORECASE)


def more(turn: OneTurn) -> Reply | None:
    """What comes after the last one shown."""
    state = turn.state
    if not turn.asked("more") or not (state.words or state.wished) or not state.listed:
        return None
    if state.wished:
        limit = next((each for each in state.filters if (each.field, each.op) == ("price", "<=")), None)
        result = wishes.again(turn, N_MORE, limit)
    else:
        result = turn.again(N_MORE)
    last = max((result.items.index(each) for each in state.listed if each in result.items), default=-1)
    left = result.items[last + 1 : last + 1 + N_SHOWN]
    if not left:
        return turn.finish(saying.say("no_more", turn.language), state)
    return turn.listing("recommended" if state.wished else "found", result, state, left)


def brand(turn: OneTurn) -> Reply | None:
    """More of the brand of the product in focus."""
    details = turn.look(turn.state.focus or "")
    if not turn.asked("brand") or not turn.asked("find", "more") or not details or not details["brand"]:
        return None
    result = turn.call("search", text=details["brand"], k=N_SHOWN)
    state = replace(turn.state, words=details["brand"], wished=False, filters=())
    return turn.listing("found", result, state)
