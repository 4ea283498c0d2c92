"""New events and items taken in: a day's without a fit, or a whole shop's with what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.models.encoding import memo_vectors
from retailor.retrieval import collaborative, neighbours
from retailor.retrieval.collaborative import Factors, Histories, ItemToItem, Scorer
from retailor.shop.tables import Shop
from retailor.tasks.recommend.customers import (
    Catalogue,
    Customers,
    read_catalogue,
    read_customers,
    with_written,
)
from retailor.tasks.recommend.model import Fitted, Understanding, finder_of
from retailor.tasks.recommend.scorers.parts import NETWORKS, OWN, Features, fit_parts, own_part, paired
from retailor.tasks.recommend.scorers.sasrec import NextItem
from retailor.tasks.recommend.scorers.tfidf import SharedWords
from retailor.tasks.recommend.scorers.two_tower import Taste
from retailor.tasks.recommend.scorers.user_reviews import OwnWords
from retailor.tasks.recommend.settings import RecommendSettings

F32 = NDArray[np.float32]


def updated(
    fitted: Fitted, shop: Shop, settings: RecommendSettings, scales: Mapping[str, float]
) -> tuple[Fitted, dict[str, int]]:
    """The recommender with the items and events of `shop` added, and how many of each were new.

    Histories, popularity and neighbours are counted anew. New items are known by their text at once: words
    and vectors by the vocabulary and encoder of the fit, links of the closed forms by `with_new_items`. What
    was learned by steps, the links among known items and the weights stay until the next fit.
    """
    catalogue, texts = _with_new_items(fitted.catalogue, shop)
    n_new = len(texts)
    understanding, new = _understood(fitted.understanding, texts)
    customers = _with_new_events(fitted.customers, shop, catalogue, settings)
    parts = {
        name: _grown(name, part, fitted.understanding.features, new, n_new, settings, scales.get(name, 1.0))
        for name, part in fitted.parts.items()
    }
    parts |= _counted(customers.histories, len(catalogue), settings)
    log = {
        "new_items": n_new,
        "new_customers": len(customers) - len(fitted.customers),
        "events": len(customers.histories.items),
    }
    finder = finder_of(parts, fitted.blend, catalogue, settings)
    return Fitted(catalogue, customers, understanding, parts, fitted.systems, fitted.blend, finder), log


def refitted(
    fitted: Fitted, shop: Shop, settings: RecommendSettings, scales: Mapping[str, float], work: Path | None
) -> tuple[Fitted, dict[str, Any]]:
    """The recommender of the whole `shop`, of which `fitted` knows a part, and what was made anew.

    Weights and networks stay as they were chosen on held-out customers; all else is fitted again.
    """
    catalogue, texts = _with_new_items(fitted.catalogue, shop)
    n, old = len(catalogue), fitted.understanding
    understanding, new = _understood(old, texts)
    customers = read_customers(shop, catalogue, settings)
    # A loaded recommender keeps what customers wrote in the part alone.
    n_written = settings.max_written if "own words" in fitted.parts else 0
    customers, written = with_written(shop, catalogue, customers, n_written)
    if written and understanding.encoder is not None and understanding.whitening is not None:
        said = understanding.whitening(memo_vectors(understanding.encoder, list(written), work=work))
        understanding = replace(understanding, features=replace(understanding.features, written=said))
    networks = {
        name: _grown(name, part, old.features, new, len(texts), settings, 1.0)
        for name, part in fitted.parts.items()
        if name in NETWORKS
    }
    parts, log = fit_parts(
        customers.histories,
        n,
        understanding.features,
        replace(settings, taste="taste" in networks, sequence="sequence" in networks),
        learned=networks,
        scales=scales,
        work=work,
    )
    parts = {name: part for name, part in parts.items() if name in fitted.parts}
    finder = finder_of(parts, fitted.blend, catalogue, settings)
    made = Fitted(catalogue, customers, understanding, parts, fitted.systems, fitted.blend, finder)
    return made, {
        "n_items": n,
        "n_customers": len(customers),
        "n_events": len(customers.histories.items),
        "seconds": log["seconds"],
    }


def _with_new_items(known: Catalogue, shop: Shop) -> tuple[Catalogue, tuple[str, ...]]:
    """The catalogue with the items of `shop` that it lacks at the end, and the texts of those."""
    found = read_catalogue(shop)
    rows = [row for row, item_id in enumerate(found.item_ids) if item_id not in known.ix]
    grown = Catalogue(
        known.item_ids + tuple(found.item_ids[row] for row in rows),
        known.titles + tuple(found.titles[row] for row in rows),
        known.categories + tuple(found.categories[row] for row in rows),
        np.concatenate([known.prices, found.prices[rows]]),
    )
    return grown, tuple(found.texts[row] for row in rows)


def _understood(known: Understanding, texts: tuple[str, ...]) -> tuple[Understanding, Features]:
    """The features of all items, and of the new ones alone."""
    words = meaning = None
    if known.features.words is not None and known.words is not None:
        words = known.words.features(texts)
    if known.features.meaning is not None and known.encoder is not None and known.whitening is not None:
        vectors = known.encoder.encode(texts)
        vectors[[not text.strip() for text in texts]] = 0
        meaning = known.whitening(vectors)
    new = Features(words, meaning)
    whole = Features(
        None if words is None else sp.vstack([known.features.words, words], format="csr"),
        None if meaning is None else np.concatenate([known.features.meaning, meaning]),
    )
    return replace(known, features=whole), new


def _with_new_events(
    known: Customers, shop: Shop, catalogue: Catalogue, settings: RecommendSettings
) -> Customers:
    """The histories with the events of `shop` at their ends, the latest `max_history` of each customer."""
    if not len(shop.events):
        return known
    fresh = read_customers(shop, catalogue, settings)
    user_ids = known.user_ids + tuple(one for one in fresh.user_ids if one not in known.ix)
    tables = []
    for some in (known, fresh):
        owners = np.array([some.user_ids[row] for row in some.histories.owners()], dtype=object)
        said = some.histories.said
        columns = {
            "item": some.histories.items,
            "weight": some.histories.weights,
            "said": np.full(len(owners), -1, np.int32) if said is None else said,
        }
        tables.append(pl.DataFrame({"user": pl.Series(owners, dtype=pl.String), **columns}))
    lines = (
        pl.concat(tables)
        .join(pl.DataFrame({"user": user_ids, "row": range(len(user_ids))}), on="user", maintain_order="left")
        .sort("row", maintain_order=True)
        .group_by("row", maintain_order=True)
        .tail(settings.max_history)
    )
    lengths = np.bincount(lines["row"].to_numpy(), minlength=len(user_ids))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    items, weights, rows = (lines[name].to_numpy() for name in ("item", "weight", "said"))
    return Customers(user_ids, Histories(offsets, items, weights, rows))


def _counted(histories: Histories, n_items: int, settings: RecommendSettings) -> dict[str, Scorer]:
    """The parts that are counted, not learned."""
    own = {name: own_part(name, n_items, settings) for name in OWN} if settings.repeats else {}
    near, links = paired(histories, settings.max_pairs), settings.links(n_items)
    return {
        **own,
        "popularity": collaborative.fit_popularity(histories.matrix(n_items)),
        "item-knn": neighbours.fit_item_knn(near.matrix(n_items), n_links=links),
        "sequential-knn": neighbours.fit_sequential_knn(near, n_items, decay=settings.decay, n_links=links),
    }


def _grown(
    name: str, part: Scorer, old: Features, new: Features, n: int, settings: RecommendSettings, scale: float
) -> Scorer:
    """A part with room for n further items, linked by their features where the part knows any."""
    if isinstance(part, (Taste, OwnWords)) and new.meaning is not None:
        return part.with_items(new.meaning)
    if isinstance(part, NextItem):
        return part.with_items(n, new.meaning)
    if isinstance(part, SharedWords) and new.words is not None:
        return replace(part, features=sp.vstack([part.features, new.words], format="csr"))
    if isinstance(part, Factors):
        return replace(
            part, items=np.concatenate([part.items, np.zeros((n, part.items.shape[1]), np.float32)])
        )
    if isinstance(part, ItemToItem) and part.inverse_diagonal is not None:
        weight, kernel = _kernel(name, old, new, settings)
        if kernel is None:
            weight, kernel = 0.0, sp.csr_matrix((part.links.shape[0], n), dtype=np.float32)
        own = scale * (weight + settings.regularisation)
        return collaborative.with_new_items(part, scale * weight * kernel, own, n_links=settings.n_links)
    return part


def _kernel(
    name: str, old: Features, new: Features, settings: RecommendSettings
) -> tuple[float, sp.csr_matrix | None]:
    """The weight of a closed form's kernel, and the shared features of known and new items [I, n], if any."""
    if name == "word kernel" and old.words is not None and new.words is not None:
        return settings.word_kernel, (old.words @ new.words.T).tocsr()
    if name == "meaning kernel" and old.meaning is not None and new.meaning is not None:
        shared: Any = old.meaning @ new.meaning.T
        return settings.meaning_kernel, sp.csr_matrix(shared)
    return 0.0, None
