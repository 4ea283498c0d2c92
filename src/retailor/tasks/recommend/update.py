"""New events and items taken in: a day's without a fit, or a whole shop's with what was chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.models.pictures.items import ItemPictures
from retailor.retrieval.counting import Changed, Counts, How
from retailor.retrieval.ease import with_new_items
from retailor.retrieval.growing import appended, stacked, widened
from retailor.retrieval.histories import Scorer
from retailor.retrieval.ials import Factors
from retailor.retrieval.item_to_item import ItemToItem
from retailor.retrieval.next_basket import TifuKnn, UpCf
from retailor.retrieval.popularity import Popularity
from retailor.retrieval.ragged import Ragged
from retailor.retrieval.vectors import VectorIndex
from retailor.shop.tables import Shop
from retailor.tasks.recommend.catalogue import Catalogue, read_catalogue
from retailor.tasks.recommend.customers import Customers, read_customers, with_reviews
from retailor.tasks.recommend.model import Fitted, Understanding, finder_of, review_embeddings, seen
from retailor.tasks.recommend.query.candidates import Finder
from retailor.tasks.recommend.scorers.makers import are_compared, fit_parts, own_choices
from retailor.tasks.recommend.scorers.parts import NETWORKS, Features
from retailor.tasks.recommend.scorers.sasrec import SASRec
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer
from retailor.tasks.recommend.scorers.two_tower import TwoTower
from retailor.tasks.recommend.scorers.user_history import UserHistory
from retailor.tasks.recommend.scorers.user_reviews import UserReviews
from retailor.tasks.recommend.settings import RecommendSettings

F32 = NDArray[np.float32]
MANY = 0.05
"""So many new events for each one that there was are counted with all the others: it is quicker then."""
COUNTED = ("popularity", "item_knn", "sequential_knn", "user_frequency", "user_recency", "tifu_knn", "up_cf")


def updated(
    fitted: Fitted, shop: Shop, settings: RecommendSettings, scales: Mapping[str, float]
) -> tuple[Fitted, dict[str, int]]:
    """The recommender with the items and events of `shop` added, and how many of each were new.

    Costs what is new, and a copy of some numbers an item and a customer: of popularity and neighbours only
    what the events change is counted again (`retrieval/counting`). What it takes to count on is made at the
    first update of a recommender, and shared by all that follow. New items are known by their text at once:
    TF-IDF and embeddings by the vocabulary and encoder of the fit, links of the closed forms by
    `with_new_items`.
    What was learned by steps, the links among known items and the weights stay until the next fit.
    """
    found = read_catalogue(shop)
    catalogue, texts = _with_new_items(fitted.catalogue, found)
    n_new = len(texts)
    understanding, new = _understood(fitted.understanding, texts)
    parts = {
        name: _grown(
            name, part, fitted.understanding.features, new, understanding.features, settings,
            n=n_new, scale=scales.get(name, 1.0),
        )
        for name, part in fitted.parts.items()
    }  # fmt: skip
    customers, how = fitted.customers, fitted.how
    counts: Counts | None
    if shop.n_rows("events"):
        fresh = _fresh(shop, found, catalogue, settings)
        customers, changed = customers.with_events(fresh, settings.max_history)
        counts = _counts(fitted, customers, changed, len(catalogue), settings)
        n_more = len(customers) - len(fitted.customers)
        parts |= _counted(fitted.parts, counts, customers, changed, n_more, settings)
        how, n_events = counts.how, counts.n_total
    else:
        counts = vars(fitted).get("_counts")
        parts |= {name: _with_room(part, len(catalogue)) for name, part in parts.items() if name in COUNTED}
        n_events = customers.rows.n_entries
    log = {
        "new_items": n_new,
        "new_customers": len(customers) - len(fitted.customers),
        "events": n_events,
    }
    finder = _finder(fitted, parts, catalogue, n_new, settings, counted=customers is not fitted.customers)
    made = Fitted(catalogue, customers, understanding, parts, fitted.systems, fitted.blend, finder, how)
    return made.with_counts(counts), log


def _fresh(shop: Shop, found: Catalogue, catalogue: Catalogue, settings: RecommendSettings) -> Customers:
    """The new events alone, as histories of the catalogue's items; `found` are the items of `shop`."""
    fresh = read_customers(shop, found, settings)
    rows = np.array([catalogue.ix[item_id] for item_id in found.item_ids], np.int32)
    return Customers(fresh.user_ids, replace(fresh.histories, items=rows[fresh.histories.items]))


def _counts(
    fitted: Fitted, customers: Customers, changed: Changed, n_items: int, settings: RecommendSettings
) -> Counts:
    """What is counted of the customers' histories now: of what has changed alone, or of all."""
    n_links, most = settings.links(n_items), settings.max_pairs
    if len(changed.fresh.items) <= fitted.customers.rows.n_entries * MANY:
        before = fitted.counts(settings).widened(n_items)
        after = before.after(customers.rows, changed, n_links, most)
        if after is not None:
            return after
    return Counts.of(customers.histories, n_items, n_links, most)


def _counted(
    before: Mapping[str, Scorer],
    counts: Counts,
    customers: Customers,
    changed: Changed,
    n_new: int,
    settings: RecommendSettings,
) -> dict[str, Scorer]:
    """The parts that are counted, not learned; the last `n_new` customers are new."""
    n_items = len(counts.popular)
    made: dict[str, Scorer] = {
        "popularity": Popularity(counts.popular),
        "item_knn": ItemToItem(counts.item_knn, 0.0),
        "sequential_knn": ItemToItem(counts.sequential, settings.decay),
    }
    made |= own_choices(n_items, settings)
    compared = "baskets" in customers.rows.columns and are_compared(len(customers), n_items, settings)
    kinds: dict[str, type[TifuKnn] | type[UpCf]] = {"tifu_knn": TifuKnn, "up_cf": UpCf}
    for name, kind in kinds.items():
        part = before.get(name)
        if not compared:
            made |= {} if part is None else {name: _with_room(part, n_items)}
        elif isinstance(part, kind) and part.customers.shape[0] + n_new == len(customers):
            made[name] = part.with_customers(changed.rows, changed.now, len(customers), n_items)
        else:
            made[name] = kind.fit(customers.histories, n_items)
    return made


def _finder(
    fitted: Fitted,
    parts: Mapping[str, Scorer],
    catalogue: Catalogue,
    n_new: int,
    settings: RecommendSettings,
    *,
    counted: bool,
) -> Finder | None:
    """The finder that was, grown; built anew where there was none, or where it has too many fresh items."""
    grown = None
    if fitted.finder is not None and settings.by_candidates(len(catalogue)):
        grown = fitted.finder.grown(parts, catalogue.ties, n_new, counted=counted)
    return grown or finder_of(parts, fitted.blend, catalogue, settings, _graphs(fitted))


def _graphs(fitted: Fitted) -> dict[str, VectorIndex]:
    """Those over factors, which new items have none of: nothing new is to be found in them."""
    near = {} if fitted.finder is None else fitted.finder.near
    return {name: each.index for name, each in near.items() if isinstance(fitted.parts[name], Factors)}


def _with_room(part: Scorer, n: int) -> Scorer:
    """A counted part with room for items that nobody has chosen, n in all."""
    if isinstance(part, Popularity):
        return Popularity(appended(part.counts, np.zeros(n - len(part.counts), np.float32)))
    if isinstance(part, ItemToItem):
        links = part.links
        return replace(part, links=links.widened(n) if isinstance(links, Ragged) else widened(links, n))
    if isinstance(part, TifuKnn):
        return replace(part, customers=_wider(part.customers, n))
    if isinstance(part, UpCf):
        return replace(part, customers=_wider(part.customers, n), bought=_wider(part.bought, n))
    assert isinstance(part, UserHistory)
    return replace(part, n_items=n)


def _wider(table: sp.csr_matrix, n: int) -> sp.csr_matrix:
    """The table [C, I] with room for n columns."""
    return sp.csr_matrix((table.data, table.indices, table.indptr), shape=(table.shape[0], n))


def refitted(
    fitted: Fitted,
    shop: Shop,
    settings: RecommendSettings,
    scales: Mapping[str, float],
    work: Path | None,
    pictures: ItemPictures | None = None,
) -> tuple[Fitted, dict[str, Any]]:
    """The recommender of the whole `shop`, of which `fitted` knows a part, and what was made anew.

    Weights and networks stay as they were chosen on held-out customers; all else is fitted again.
    """
    catalogue, texts = _with_new_items(fitted.catalogue, read_catalogue(shop))
    n, old = len(catalogue), fitted.understanding
    understanding, new = _understood(old, texts)
    customers = read_customers(shop, catalogue, settings)
    # A loaded recommender keeps the reviews in the part alone.
    n_reviews = settings.max_reviews if "user_reviews" in fitted.parts else 0
    customers, reviews = with_reviews(shop, catalogue, customers, n_reviews)
    read = review_embeddings(understanding, reviews, work)
    if read is not None:
        understanding = replace(understanding, features=replace(understanding.features, reviews=read))
    networks = {
        name: _grown(name, part, old.features, new, understanding.features, settings, n=len(texts), scale=1.0)
        for name, part in fitted.parts.items()
        if name in NETWORKS
    }
    parts, log = fit_parts(
        customers.histories,
        n,
        replace(understanding.features, pictures=seen(pictures, catalogue)),
        _only(settings, networks),
        learned=networks,
        scales=scales,
        work=work,
    )
    parts = {name: part for name, part in parts.items() if name in fitted.parts}
    finder = finder_of(parts, fitted.blend, catalogue, settings)
    how = How.of(customers.histories, settings.links(n), settings.max_pairs)
    made = Fitted(catalogue, customers, understanding, parts, fitted.systems, fitted.blend, finder, how)
    return made, {
        "n_items": n,
        "n_customers": len(customers),
        "n_events": len(customers.histories.items),
        "seconds": log["seconds"],
    }


def _only(settings: RecommendSettings, networks: Mapping[str, Scorer]) -> RecommendSettings:
    """The settings with none but these networks."""
    return replace(
        settings,
        two_tower=replace(settings.two_tower, enabled="two_tower" in networks),
        sasrec=replace(settings.sasrec, enabled="sasrec" in networks),
    )


def _with_new_items(known: Catalogue, found: Catalogue) -> tuple[Catalogue, tuple[str, ...]]:
    """The catalogue with the items that it lacks of those found at the end, and the texts of those."""
    rows = [row for row, item_id in enumerate(found.item_ids) if item_id not in known.ix]
    if not rows:
        return known, ()
    return known.with_items(found, rows), tuple(found.texts[row] for row in rows)


def _understood(known: Understanding, texts: tuple[str, ...]) -> tuple[Understanding, Features]:
    """The features of all items, and of the new ones alone."""
    tfidf = embeddings = None
    if not texts:
        features = Features(known.features.tfidf, known.features.embeddings)
        return replace(known, features=features), Features(None, None)
    if known.features.tfidf is not None and known.vectorizer is not None:
        tfidf = known.vectorizer.features(texts)
    table = known.features.embeddings
    if table is not None and known.encoder is not None and known.whitening is not None:
        vectors = known.encoder.encode(texts)
        vectors[[not text.strip() for text in texts]] = 0
        embeddings = known.whitening(vectors)
    new = Features(tfidf, embeddings)
    whole = Features(
        None if tfidf is None else stacked(known.features.tfidf, tfidf),
        None if table is None or embeddings is None else appended(table, embeddings),
    )
    return replace(known, features=whole), new


def _grown(
    name: str,
    part: Scorer,
    old: Features,
    new: Features,
    whole: Features,
    settings: RecommendSettings,
    *,
    n: int,
    scale: float,
) -> Scorer:
    """A part with room for n further items, linked by their features where the part knows any.

    A table that is one of the features is so afterwards: it is there once.
    """
    if not n:
        return part
    if isinstance(part, (TwoTower, UserReviews)) and new.embeddings is not None:
        shared = whole.embeddings if part.items is old.embeddings else None
        return part.with_items(new.embeddings, shared)
    if isinstance(part, SASRec):
        return part.with_items(n, new.embeddings)
    if isinstance(part, TfidfScorer) and new.tfidf is not None:
        if part.features is old.tfidf:
            return replace(part, features=whole.tfidf)
        return replace(part, features=stacked(part.features, new.tfidf))
    if isinstance(part, Factors):
        return part.with_items(n)
    if isinstance(part, ItemToItem) and part.inverse_diagonal is not None:
        weight, kernel = _kernel(name, old, new, settings)
        if kernel is None:
            weight, kernel = 0.0, sp.csr_matrix((part.n_items, n), dtype=np.float32)
        own = scale * (weight + settings.regularisation)
        return with_new_items(part, scale * weight * kernel, own, n_links=settings.n_links)
    return part


def _kernel(
    name: str, old: Features, new: Features, settings: RecommendSettings
) -> tuple[float, sp.csr_matrix | None]:
    """The weight of a closed form's kernel, and the shared features of known and new items [I, n], if any."""
    if name == "tfidf_kernel" and old.tfidf is not None and new.tfidf is not None:
        return settings.tfidf_kernel, (old.tfidf @ new.tfidf.T).tocsr()
    if name == "embedding_kernel" and old.embeddings is not None and new.embeddings is not None:
        shared: Any = old.embeddings @ new.embeddings.T
        return settings.embedding_kernel, sp.csr_matrix(shared)
    return 0.0, None
