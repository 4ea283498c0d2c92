"""One query to a fitted recommender: the customer's history, every item's score, the filters, the reasons."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.blend import standardise
from retailor.retrieval.histories import Histories
from retailor.retrieval.item_to_item import ItemToItem, between
from retailor.retrieval.languages import without
from retailor.tasks.recommend.blend.coldness import customer_groups
from retailor.tasks.recommend.model import Fitted, Understanding
from retailor.tasks.recommend.query import reasons
from retailor.tasks.recommend.query.candidates import Finder
from retailor.tasks.recommend.query.related import diverse, similar, together
from retailor.tasks.recommend.shapes import Recommendations, RecommendQuery
from retailor.tasks.shapes import Recommended
from retailor.text.languages import reads

F32 = NDArray[np.float32]
N_BECAUSE = 3
LEAST_CHOICE = 5
"""So many candidates a place must be left by the filters, or every item is scored."""


@dataclass(frozen=True)
class Shares:
    """What each part adds to each item's score [I], by part; and the deviation it was divided by."""

    added: Mapping[str, F32]
    spread: Mapping[str, float]

    def total(self) -> F32:
        """The scores [I]."""
        return np.asarray(sum(self.added.values()), np.float32)

    def at(self, places: NDArray[np.int64]) -> Shares:
        """The shares of some of the items."""
        return Shares({name: share[places] for name, share in self.added.items()}, self.spread)


def recommend(fitted: Fitted, query: RecommendQuery, *, text_weight: float) -> Recommendations:
    """The best items of one query. `text_weight` is what its words weigh beside the customer's history."""
    history = history_of(fitted, query)
    if query.by != "customer":
        return _neighbours(fitted, query, history)
    left = allowed(fitted, query, history)
    if fitted.finder is not None and not (query.text or "").strip():
        found = _among(fitted, fitted.finder, query, history, left)
        if found is not None:
            return found
    shares = shares_of(fitted, history, query.text, text_weight)
    total = shares.total()
    total[~left] = -np.inf
    features, ties = fitted.understanding.features, fitted.catalogue.ties
    rows = diverse(total, query.k, query.diversity, features, ties)
    best = explained(fitted, rows, total[rows], shares.at(rows), history)
    return Recommendations(best, unread_text=not reads_text(fitted.understanding, query.text or ""))


def _among(
    fitted: Fitted, finder: Finder, query: RecommendQuery, history: Histories, left: NDArray[np.bool_]
) -> Recommendations | None:
    """The best of the candidates; None where filters leave too few of them to choose from."""
    blend, customer = fitted.blend, int(customer_groups(history)[0])
    names = blend.used() if len(history.items) else ()
    pool = finder.pool(fitted.parts, names, history)
    rows = pool.rows[left[pool.rows]]
    if len(rows) < min(LEAST_CHOICE * query.k, int(left.sum())):
        return None
    there, groups = np.searchsorted(pool.rows, rows), fitted.item_groups[rows]
    added = {name: blend.of_items(name, customer, groups) * pool.z[name][there] for name in names}
    if not any(share.any() for share in added.values()):
        added = {"popularity": finder.popularity.z(rows)[0]}
    shares = Shares(added, pool.spread)
    total = shares.total()
    known = fitted.understanding.features
    features = known.at(rows) if query.diversity else known
    best = diverse(total, query.k, query.diversity, features, fitted.catalogue.ties[rows])
    return Recommendations(explained(fitted, rows[best], total[best], shares.at(best), history))


def _neighbours(fitted: Fitted, query: RecommendQuery, history: Histories) -> Recommendations:
    """What goes with the last of the query's items; nothing for an item that is not in the catalogue."""
    catalogue = fitted.catalogue
    rows = catalogue.rows(query.item_ids[-1:])
    if not rows:
        return Recommendations(())
    scores = similar(fitted, rows[0]) if query.by == "similar" else together(fitted, rows[0])
    scores[~allowed(fitted, query, history)] = -np.inf
    scores[rows[0]] = -np.inf
    found = diverse(scores, query.k, query.diversity, fitted.understanding.features, catalogue.ties)
    title, because = catalogue.title(rows[0]), (catalogue.item_ids[rows[0]],)
    return Recommendations(
        tuple(
            Recommended.of(
                catalogue.item_ids[one],
                float(scores[one]),
                reasons.why(query.by, catalogue.title(one), title, int(fitted.n_seen[one])),
                because,
            )
            for one in found
        )
    )


def history_of(fitted: Fitted, query: RecommendQuery) -> Histories:
    """The customer's known history and the items seen just now, as one."""
    customers = fitted.customers
    row = customers.ix.get(query.user_id, -1) if query.user_id is not None else -1
    known = customers.at(np.array([row] if row >= 0 else [], np.int64))
    now = fitted.catalogue.rows(query.item_ids)
    items = np.concatenate([known.items, np.array(now, np.int32)])
    weights = np.concatenate([known.weights, np.ones(len(now), np.float32)])
    reviews = known.reviews
    if reviews is not None:
        reviews = np.concatenate([reviews, np.full(len(now), -1, np.int32)])
    baskets = known.baskets
    if baskets is not None:  # what is seen now is the basket that is being filled
        baskets = np.concatenate([baskets, np.full(len(now), baskets.max(initial=0) + 1, np.int32)])
    return Histories(np.array([0, len(items)], np.int64), items, weights, reviews, baskets)


def shares_of(fitted: Fitted, history: Histories, text: str | None, text_weight: float) -> Shares:
    """The shares of every part in use; of what is popular where there is nothing to go by."""
    added: dict[str, F32] = {}
    spread: dict[str, float] = {}
    blend, customer = fitted.blend, int(customer_groups(history)[0])
    for name in blend.used() if len(history.items) else ():
        scores = fitted.parts[name].scores(history)
        spread[name] = float(scores.std())
        added[name] = blend.of_items(name, customer, fitted.item_groups) * standardise(scores)[0]
    if text is not None and text.strip():
        fit = text_scores(fitted.understanding, text, len(fitted.catalogue))
        if fit.any():
            added["text"] = np.float32(text_weight if added else 1.0) * fit
    if not any(share.any() for share in added.values()):
        added = {"popularity": standardise(fitted.parts["popularity"].scores(history))[0]}
    return Shares(added, spread)


def text_scores(known: Understanding, text: str, n_items: int) -> F32:
    """How well each item's text fits some words [I]: z-scores of embeddings and of TF-IDF, summed.

    Words that no item has all of say less than what they mean: those of TF-IDF weigh the square of its cosine
    with the best item. Embeddings are compared across languages. Of words that the encoder cannot read its
    embeddings would be chance: they have no say.
    """
    found = np.zeros((1, n_items), np.float32)
    if known.vectorizer is not None and known.features.tfidf is not None:
        shared: Any = (known.features.tfidf @ known.vectorizer.features([text]).T).toarray().T
        found += standardise(shared) * np.float32(shared.max(initial=0.0) ** 2)
    encoder, whitening, embeddings = known.encoder, known.whitening, known.features.embeddings
    if encoder is not None and whitening is not None and embeddings is not None and reads_text(known, text):
        vector = whitening(encoder.encode([text], role="query"))
        found += standardise((embeddings @ without(vector, known.between)[0])[None])
    fit: F32 = standardise(found)[0]
    return fit


def reads_text(known: Understanding, text: str) -> bool:
    """Whether the encoder knows what the text is written with; True without one, which has no say anyway."""
    return text.isascii() or reads(getattr(known.encoder, "tokenizer", None), text)


def allowed(fitted: Fitted, query: RecommendQuery, history: Histories) -> NDArray[np.bool_]:
    """Which items the query's filters leave [I]. A price limit leaves out items without a known price
    and, with a currency, those priced in another."""
    catalogue = fitted.catalogue
    left = np.ones(len(catalogue), bool)
    if query.categories:
        left[:] = False
        for name in query.categories:
            left[catalogue.by_category.get(name.strip().lower(), [])] = True
    if query.max_price is not None:
        left &= catalogue.prices.amounts <= query.max_price
        left &= catalogue.prices.comparable(query.currency)
    if query.exclude_seen:
        left[history.items] = False
    left[catalogue.rows(query.exclude)] = False
    left[query.hidden.rows(catalogue.ix)] = False
    return left


def explained(
    fitted: Fitted, rows: NDArray[np.int64], total: F32, shares: Shares, history: Histories
) -> tuple[Recommended, ...]:
    """The rows as answers, each with the history items that carried it and the reason in words.

    `total` and `shares` are of those rows alone.
    """
    if not len(rows):
        return ()
    catalogue = fitted.catalogue
    customer, groups = int(customer_groups(history)[0]), fitted.item_groups[rows]
    weights = {name: fitted.blend.of_items(name, customer, groups) for name in shares.spread}
    items, pulls = reasons.carried(fitted.parts, weights, shares.spread, history, rows)
    carried = np.asarray(sum(pulls.values(), np.zeros((len(items), len(rows)))), np.float32)
    links = fitted.parts["item_knn"]
    assert isinstance(links, ItemToItem)
    both = between(links.links, items, rows) > 0
    found = []
    for column, row in enumerate(rows):
        n_seen = int(fitted.n_seen[row])
        part, lead = reasons.reason_of(
            {name: float(share[column]) for name, share in shares.added.items()},
            {name: pull[:, column] for name, pull in pulls.items()},
            n_seen > 0,
        )
        order = [i for i in np.lexsort((catalogue.ties[items], -carried[:, column])) if i != lead]
        because = ([] if lead is None else [lead]) + [i for i in order if carried[i, column] > 0]
        title = None if lead is None else catalogue.title(int(items[lead]))
        shared = lead is not None and bool(both[lead, column])
        why = reasons.why(part, catalogue.title(row), title, n_seen, shared=shared)
        ids = tuple(catalogue.item_ids[int(items[i])] for i in because[:N_BECAUSE])
        found.append(Recommended.of(catalogue.item_ids[row], float(total[column]), why, ids))
    return tuple(found)
