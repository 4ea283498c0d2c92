"""What is recommended: like a product, for a wish, and for the same wish below a price.

Each step gives the reply, or None where the turn is not its business.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from retailor.dialogue.acts import acts, without_chatter
from retailor.dialogue.holding import wanted_words
from retailor.dialogue.one_turn import N_SHOWN, OneTurn, focused
from retailor.dialogue.shapes import MAX_CHARS, Reply, Result
from retailor.dialogue.tools import prices_in
from retailor.errors import ServeError
from retailor.retrieval.tokens import content_words
from retailor.tasks.search.shapes import Filter

_ONLY_ASKS = re.compile(
    r"\b(?:recommend\w*|suggest\w*|ideas?|gifts?|presents?|popular|bestsell\w*|me|us)\b"
    r"|你?们?推荐(?:一下|点|些)?(?:什么?|哪[些款个种])?|建议|礼物|热销|畅销|爆款|你",
    re.IGNORECASE,
)
_CLAUSE = re.compile(r"[,;:.!?，；：。！？]+")
_FOR_SOMEBODY = re.compile(r"\bgifts?\b|\bpresents?\b|\bsurprise\b|送|礼物", re.IGNORECASE)


def similar(turn: OneTurn) -> Reply | None:
    """Products like the one pointed at, in focus, or first in the list."""
    like = turn.beside if turn.asked("similar") else None
    details = turn.look(like) if like else None
    if like is None or details is None:
        return None
    result = turn.call("recommend", item_id=like, k=N_SHOWN)
    path = details["category"] or []
    filters = tuple(Filter("category", "=", name) for name in path[-1:])
    state = replace(focused(turn.state, like), words=details["title"][:MAX_CHARS], filters=filters)
    return turn.listing("similar", result, replace(state, sort="relevance", wished=False))


def recommend(turn: OneTurn) -> Reply | None:
    """Products for a wish, or of the kind that it names."""
    if not turn.asked("recommend") or (turn.referred and turn.referred.how != "it"):
        return None
    wish = _wish(turn)
    if wish and not _FOR_SOMEBODY.search(turn.said) and (found := _of_a_kind(turn)) is not None:
        return found
    result = turn.call("recommend", k=N_SHOWN, **({"text": wish} if wish else {}))
    if not result.items:
        turn.calls.pop()
        return None
    filters = tuple(Filter(**each) for each in result.data["filters"])
    state = replace(turn.state, words=wish[:MAX_CHARS], wished=True, filters=filters)
    return turn.listing("recommended", result, state)


def _wish(turn: OneTurn) -> str:
    """What something is wished for; what was searched for, if anything, where the turn names nothing."""
    named = content_words(without_chatter(_ONLY_ASKS.sub(" ", turn.said)))
    return without_chatter(turn.said) if named else turn.state.words


def _of_a_kind(turn: OneTurn) -> Reply | None:
    """'She loves the coast: recommend me a tent' is answered with tents.

    None where what asks names no kind of product.
    """
    asking = next(each for each in (*_CLAUSE.split(turn.said), turn.said) if "recommend" in acts(each))
    text = without_chatter(" ".join(_ONLY_ASKS.sub(" ", asking).split()))
    if not content_words(text):
        return None
    try:
        result = turn.call("search", text=text, k=N_SHOWN)
    except ServeError as error:
        if error.status != 501:
            raise
        return None  # a run without search recommends
    if result.items and any(each["field"] == "category" for each in result.data["filters"]):
        return turn.found(text, result)
    turn.calls.pop()
    return None


def budget(turn: OneTurn) -> Reply | None:
    """'Under 40', 200元以内的 after a recommendation: recommended again below that price."""
    limits = prices_in(turn.door, turn.said) if turn.state.wished and turn.referred is None else ()
    if [each.op for each in limits] != ["<="]:
        return None
    rest = wanted_words(turn.said, [limits[0].text], turn.state.words)
    return None if rest else below(turn, limits[0])


def below(turn: OneTurn, limit: Filter) -> Reply | None:
    """What the conversation wished for, recommended at no more than a price; None where nothing is."""
    result = again(turn, N_SHOWN, limit)
    if not result.items:
        turn.calls.pop()
        return None
    filters = tuple(Filter(**each) for each in result.data["filters"])
    return turn.listing("recommended", result, replace(turn.state, filters=filters))


def again(turn: OneTurn, k: int, limit: Filter | None = None) -> Result:
    """`k` products for what the conversation wished for, at no more than a price."""
    wish: dict[str, Any] = {"text": turn.state.words} if turn.state.words else {}
    if limit is not None:
        wish |= {"max_price": float(limit.value), "currency": limit.unit}
    return turn.call("recommend", **wish, k=k)
