"""Why an item is recommended: which history items carried it, and a sentence that says so.

A sentence claims only what the shop's tables bear out: shared customers where there is one, shared words
where there are some, and that an item was chosen where somebody has chosen it.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories, Scorer
from retailor.retrieval.item_to_item import ItemToItem, between, entries
from retailor.retrieval.next_basket import TifuKnn, UpCf
from retailor.retrieval.tokens import shared_words
from retailor.tasks.reasons import Why
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer
from retailor.tasks.recommend.scorers.two_tower import TwoTower
from retailor.tasks.recommend.scorers.user_history import UserHistory

F32 = NDArray[np.float32]
N_WORDS = 3
BY_TEXT = ("text", "user_reviews")
"""Parts that speak of no item of the history, and need nobody who chose this one."""
BASKETS = ("tifu_knn", "up_cf")
"""Parts that speak of the item itself where the customer has chosen it, else of customers alike."""
BY_OTHERS = ("ials", "sasrec", "popularity", *BASKETS)
"""Parts that speak of no item of the history, but of others who chose this one."""


def carried(
    parts: Mapping[str, Scorer],
    part_weights: Mapping[str, F32],
    spread: Mapping[str, float],
    history: Histories,
    rows: NDArray[np.int64],
) -> tuple[NDArray[np.int32], dict[str, F32]]:
    """The different items of one history [E], and what each adds to the score of `rows`, a part at a time
    [E, len(rows)].

    `part_weights` are what each part weighs for each of the rows, `spread` the deviation of its scores, by
    which the blend divides them. Exact for item-to-item parts and TF-IDF; of the two towers it is what the
    untrained half of W says; factors and the transformer have no share.
    """
    items = np.unique(history.items)
    found: dict[str, F32] = {}
    for name, own in part_weights.items():
        part, scale = parts[name], spread.get(name, 0.0)
        if scale <= 0:
            continue
        if isinstance(part, ItemToItem):
            weights = history.weighed(part.decay)[2]  # in the order of `items`
            found[name] = (own / scale) * weights[:, None] * between(part.links, items, rows)
        elif isinstance(part, TfidfScorer):
            weights = history.weighed(part.decay)[2]
            words = np.unique(entries(part.features, rows)[1])
            shared = between(part.features, items, words) @ between(part.features, rows, words).T
            found[name] = (own / scale) * weights[:, None] * shared
        elif isinstance(part, UserHistory):
            _, own_items, values = part.each(history)
            sums = np.bincount(np.searchsorted(items, own_items), values, minlength=len(items))
            found[name] = (own / scale) * sums[:, None] * (items[:, None] == rows)
        elif isinstance(part, TifuKnn | UpCf):
            found[name] = (own / scale) * part.of_own(history, items)[:, None] * (items[:, None] == rows)
        elif isinstance(part, TwoTower):
            found[name] = (own / scale) * _pulls(part, history, items, rows)
    return items, found


def _pulls(towers: TwoTower, history: Histories, items: NDArray[np.int32], rows: NDArray[np.int64]) -> F32:
    """How far each item of the history pulls the customer's mean towards each of `rows` [E, len(rows)]."""
    weights = history.weighed(towers.decay)[2]
    each = weights[:, None] * towers.items[items]  # [E, d]
    length = max(float(np.linalg.norm(each.sum(axis=0))), 1e-9)
    return np.asarray(each @ towers.candidates[rows].T / length, np.float32)


def reason_of(shares: Mapping[str, float], pulls: Mapping[str, F32], chosen: bool) -> tuple[str, int | None]:
    """The part that gave an item most and has a true sentence about it, and the place of the history item
    from which it has it: None where it speaks of no item.

    `shares` are the parts' shares of its score, `pulls` what each history item adds by part [E]; `chosen`
    says that some customer has it. The first in the alphabet of equals; 'popularity' where no part has
    anything to say.
    """
    for name in sorted(shares, key=lambda name: (-shares[name], name)):
        if shares[name] <= 0:
            break
        pulled = name in pulls and len(pulls[name]) and pulls[name].max() > 0
        if name in BASKETS and pulled:
            return name, int(pulls[name].argmax())
        if name in BY_TEXT or (name in BY_OTHERS and chosen):
            return name, None
        if pulled:
            return name, int(pulls[name].argmax())
    return "popularity", None


def why(part: str, title: str, because: str | None, n_customers: int, *, shared: bool = False) -> Why:
    """The reason why the item of this title is shown.

    `because` is the title of the history item that `part` has it from, if it is from one; `n_customers` have
    chosen the item, and `shared` says that one of them has chosen both.
    """
    words = tuple(shared_words(title, because or "")[:N_WORDS])
    code = _code(part, because is not None, bool(words), n_customers, shared)
    return Why(code, _short(because or ""), words, n_customers)


def _code(part: str, from_one: bool, has_words: bool, n_customers: int, shared: bool) -> str:
    """The code of the sentence; `from_one` says that `part` has the item from one of the history."""
    if part in ("text", "similar", "together"):
        return part
    if not from_one:
        return _by_history(part, n_customers)
    if part in ("user_frequency", "user_recency"):
        return part
    if part in BASKETS:
        return "user_frequency"
    if not n_customers:
        return "unsold, close"
    if part == "two_tower":
        return part
    if part in ("tfidf_kernel", "tfidf") and has_words:
        return "words and customers" if shared and part == "tfidf_kernel" else "words"
    if part == "picture_kernel":
        return "pictures and customers" if shared else "pictures"
    if part == "embedding_kernel":
        return "embeddings and customers" if shared else "embeddings"
    if not shared:
        return "alike"
    return "next" if part == "sequential_knn" else "too"


def _by_history(part: str, n_customers: int) -> str:
    """The code of a part that names no item."""
    if part == "user_reviews":
        return part
    if not n_customers:
        return "unsold"
    if part in BASKETS:
        return "history"
    return {"ials": "history", "sasrec": "history, next"}.get(part, "popular")


def _short(title: str, n_chars: int = 60) -> str:
    return title if len(title) <= n_chars else title[: n_chars - 1].rstrip() + "…"
