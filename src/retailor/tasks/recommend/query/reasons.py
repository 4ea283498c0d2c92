"""Why an item is recommended: which history items carried it, and a sentence that says so."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.collab import Histories, ItemToItem, Scorer, between, entries
from retailor.retrieval.words import shared_words
from retailor.tasks.recommend.scorers.own import OwnChoices
from retailor.tasks.recommend.scorers.taste import Taste
from retailor.tasks.recommend.scorers.words import SharedWords

F32 = NDArray[np.float32]

SENTENCES = {
    "sequential-knn": "customers who chose “{item}” often went on to this",
    "item-knn": "customers who chose “{item}” often chose this too",
    "ease": "customers who chose “{item}” often chose this too",
    "ials": "customers with a history like this one often chose it",
    "word kernel": "shares {words} and customers with “{item}”",
    "meaning kernel": "close to “{item}” in meaning and in who chose it",
    "shared words": "shares {words} with “{item}”",
    "taste": "its text is close to what customers of “{item}” choose next",
    "sequence": "often the next choice of customers with a history like this one",
    "own words": "its text is close to what the customer wrote",
    "own choices": "chosen before",
    "own latest": "chosen before, not long ago",
    "similar": "its text is close to that of “{item}”{so}",
    "together": "often chosen by customers of “{item}”",
    "text": "its text fits the words asked for",
    "popularity": "chosen by {n} customers",
}
NEW = "new here, and its text is close to “{item}”{so}"
N_WORDS = 3


def carried(
    parts: Mapping[str, Scorer],
    part_weights: Mapping[str, F32],
    spread: Mapping[str, float],
    history: Histories,
    rows: NDArray[np.int64],
) -> tuple[NDArray[np.int32], F32]:
    """The different items of one history [E], and what each adds to the score of `rows` [E, len(rows)].

    `part_weights` are what each part weighs for each of the rows, `spread` the deviation of its scores, by
    which the blend divides them. Exact for item-to-item parts and shared words; of the taste it is what the
    untrained half of W says; factors and the transformer have no share.
    """
    items = np.unique(history.items)
    total = np.zeros((len(items), len(rows)), np.float32)
    for name, own in part_weights.items():
        part, scale = parts[name], spread.get(name, 0.0)
        if scale <= 0:
            continue
        if isinstance(part, ItemToItem):
            weights = history.weighed(part.decay)[2]  # in the order of `items`
            total += (own / scale) * weights[:, None] * between(part.links, items, rows)
        elif isinstance(part, SharedWords):
            weights = history.weighed(part.decay)[2]
            words = np.unique(part.features.indices[entries(part.features, rows)[1]])
            shared = between(part.features, items, words) @ between(part.features, rows, words).T
            total += (own / scale) * weights[:, None] * shared
        elif isinstance(part, OwnChoices):
            _, own_items, values = part.each(history)
            sums = np.bincount(np.searchsorted(items, own_items), values, minlength=len(items))
            total += (own / scale) * sums[:, None] * (items[:, None] == rows)
        elif isinstance(part, Taste):
            total += (own / scale) * _pulls(part, history, items, rows)
    return items, total


def _pulls(taste: Taste, history: Histories, items: NDArray[np.int32], rows: NDArray[np.int64]) -> F32:
    """How far each item of the history pulls the customer's mean towards each of `rows` [E, len(rows)]."""
    weights = history.weighed(taste.decay)[2]
    each = weights[:, None] * taste.items[items]  # [E, d]
    length = max(float(np.linalg.norm(each.sum(axis=0))), 1e-9)
    return np.asarray(each @ taste.candidates[rows].T / length, np.float32)


def strongest_part(shares: Mapping[str, float]) -> str:
    """The name of the part that gave an item most, the first in the alphabet of equals."""
    return min(shares, key=lambda name: (-shares[name], name))


def sentence(part: str, title: str, because: str | None, n_customers: int) -> str:
    """The reason why the item of this title is shown, in words.

    `because` is the title of the history item that carried most, if any did.
    """
    pattern = SENTENCES[part]
    if because is None:
        known = part in ("text", "popularity", "ials", "sequence", "own words")
        pattern = SENTENCES[part if known else "popularity"]
    elif not n_customers and part not in ("text", "popularity"):
        pattern = NEW
    words = ""
    if because is not None and ("{words}" in pattern or "{so}" in pattern):
        words = ", ".join(f"“{word}”" for word in shared_words(title, because)[:N_WORDS])
    return pattern.format(
        item=_short(because or ""),
        n=f"{n_customers:,}",
        words=words or "words",
        so=f" ({words})" if words else "",
    )


def _short(title: str, n_chars: int = 60) -> str:
    return title if len(title) <= n_chars else title[: n_chars - 1].rstrip() + "…"
