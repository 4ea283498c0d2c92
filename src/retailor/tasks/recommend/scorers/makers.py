"""How each part of the recommender is made of a shop, and when: one maker a part."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.ease import fit_ease
from retailor.retrieval.histories import Histories, Scorer, Tensors
from retailor.retrieval.ials import fit_ials
from retailor.retrieval.item_to_item import ItemToItem
from retailor.retrieval.neighbours import fit_item_knn, fit_sequential_knn, latest_within
from retailor.retrieval.next_basket import TifuKnn, UpCf
from retailor.retrieval.popularity import fit_popularity
from retailor.store.artifact import fingerprint
from retailor.store.memo import digest, memo_tensors
from retailor.tasks.recommend.cases import Cases
from retailor.tasks.recommend.scorers.parts import Features
from retailor.tasks.recommend.scorers.sasrec import fit_sasrec
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer
from retailor.tasks.recommend.scorers.two_tower import fit_two_tower
from retailor.tasks.recommend.scorers.user_history import UserHistory
from retailor.tasks.recommend.scorers.user_reviews import UserReviews
from retailor.tasks.recommend.settings import RecommendSettings

Makers = dict[str, Callable[[], Scorer | None]]
"""Part to what makes it; None where the shop has nothing to learn it from."""


def fit_parts(
    histories: Histories,
    n_items: int,
    features: Features,
    settings: RecommendSettings,
    *,
    cases: Cases | None = None,
    learned: Mapping[str, Scorer] | None = None,
    scales: Mapping[str, float] | None = None,
    work: Path | None = None,
) -> tuple[dict[str, Scorer], dict[str, Any]]:
    """Every part that this shop allows, by name, and a log of seconds and of trainings.

    Parts in `learned` are taken as they are; the others are learned, networks as they are best on `cases`.
    `scales` are factors on the ridge and kernel of closed forms.
    """
    matrix, factors = histories.matrix(n_items), scales or {}
    closed = closed_forms(matrix, features, settings, work)
    trainings: dict[str, Any] = {}
    makers: Makers = {
        **counted(histories, matrix, settings),
        **{name: partial(make, factors.get(name, 1.0)) for name, make in closed.items()},
        **by_text(n_items, features, settings),
        **networks(histories, n_items, features, settings, cases, work, trainings),
    }
    parts: dict[str, Scorer] = {}
    seconds: dict[str, float] = {}
    for name, make in makers.items():
        started = time.perf_counter()
        made = (learned or {}).get(name) or make()
        if made is not None:
            parts[name] = made
            seconds[name] = round(time.perf_counter() - started, 3)
    return parts, {"seconds": seconds, "training": trainings}


def counted(
    histories: Histories, matrix: sp.csr_matrix, settings: RecommendSettings
) -> dict[str, Callable[[], Scorer]]:
    """Parts that are counted, not learned; `matrix` [n, I] is of the histories. Those of what the customer
    chose before are there where repeats count."""
    n_items = matrix.shape[1]
    near, n_links = paired(histories, settings.max_pairs), settings.links(n_items)
    near_matrix = matrix if near is histories else near.matrix(n_items)
    makers: dict[str, Callable[[], Scorer]] = {
        "popularity": lambda: fit_popularity(matrix),
        "item_knn": lambda: fit_item_knn(near_matrix, n_links=n_links),
        "sequential_knn": lambda: fit_sequential_knn(near, n_items, decay=settings.decay, n_links=n_links),
    }
    for name, own in own_choices(n_items, settings).items():
        makers[name] = partial(_as_it_is, own)
    if histories.baskets is not None and are_compared(len(histories), n_items, settings):
        makers["tifu_knn"] = lambda: TifuKnn.fit(histories, n_items)
        makers["up_cf"] = lambda: UpCf.fit(histories, n_items)
    return makers


def _as_it_is(part: Scorer) -> Scorer:
    return part


def own_choices(n_items: int, settings: RecommendSettings) -> dict[str, Scorer]:
    """The parts that score what the customer chose before, where repeats count."""
    if not settings.repeats:
        return {}
    return {
        "user_frequency": UserHistory(n_items, 0.0),
        "user_recency": UserHistory(n_items, max(settings.decay, 0.5)),
    }


def are_compared(n_customers: int, n_items: int, settings: RecommendSettings) -> bool:
    """Whether there are parts that compare the baskets of so many customers."""
    return n_customers <= settings.max_compared and not settings.by_candidates(n_items)


def paired(histories: Histories, max_pairs: int) -> Histories:
    """The histories, or as many latest events of each as make no more than `max_pairs` pairs."""
    n = latest_within(np.bincount(histories.lengths()), max_pairs)
    return histories if n is None else histories.latest(n)


def closed_forms(
    matrix: sp.csr_matrix, features: Features, settings: RecommendSettings, work: Path | None = None
) -> dict[str, Callable[[float], Scorer]]:
    """EASE without and with kernels; iALS in their place where the catalogue is too large.

    Each takes a factor on its ridge and its kernel. A `work` folder keeps what was solved.
    """
    if matrix.shape[1] > settings.max_closed_form:
        return {
            "ials": lambda scale: fit_ials(
                matrix, n_factors=settings.factors, regularisation=0.05 * scale, seed=settings.seed
            )
        }
    kernels: dict[str, tuple[float, Any]] = {
        "ease": (0.0, None),
        "tfidf_kernel": (settings.tfidf_kernel, features.tfidf),
        "embedding_kernel": (settings.embedding_kernel, features.embeddings),
        "picture_kernel": (settings.picture_kernel, features.pictures),
    }
    events = "" if work is None else digest(matrix.data, matrix.indices, matrix.indptr)
    return {
        name: partial(_ease, name, matrix, events, weight, table, settings, work)
        for name, (weight, table) in kernels.items()
        if name == "ease" or (weight and table is not None)
    }


def _ease(
    name: str,
    matrix: sp.csr_matrix,
    events: str,
    weight: float,
    table: Any,
    settings: RecommendSettings,
    work: Path | None,
    scale: float,
) -> ItemToItem:
    """EASE with `table` [I, d] as a kernel, if there is one; `events` is a digest of the matrix."""
    ridge, kernel = scale * settings.regularisation, scale * weight

    def solve() -> Tensors:
        kernels = [] if table is None else [(kernel, table)]
        return fit_ease(
            matrix, regularisation=ridge, kernels=kernels, decay=settings.decay, n_links=settings.n_links
        ).tensors()

    known = "" if work is None or table is None else digest(*_arrays(table))
    key = fingerprint(events, known, ridge, kernel, settings.decay, settings.n_links)
    return ItemToItem.of(memo_tensors(work, name, key, solve))


def _arrays(table: Any) -> tuple[NDArray[Any], ...]:
    """What a dense or sparse matrix is made of."""
    return (table.data, table.indices, table.indptr) if sp.issparse(table) else (table,)


def by_text(n_items: int, features: Features, settings: RecommendSettings) -> Makers:
    """Parts that compare texts as they are: TF-IDF where EASE has no room for it, and customers' reviews."""
    tfidf, embeddings, reviews, decay = features.tfidf, features.embeddings, features.reviews, settings.decay
    makers: Makers = {}
    if tfidf is not None and n_items > settings.max_closed_form:
        makers["tfidf"] = lambda: TfidfScorer(tfidf, decay)
    if reviews is not None and embeddings is not None and not settings.by_candidates(n_items):
        makers["user_reviews"] = lambda: UserReviews(reviews, embeddings, decay)
    return makers


def networks(
    histories: Histories,
    n_items: int,
    features: Features,
    settings: RecommendSettings,
    cases: Cases | None,
    work: Path | None,
    log: dict[str, Any],
) -> Makers:
    """Parts that are learned by steps; each training is noted in `log`."""
    embeddings, sasrec = features.embeddings, settings.sasrec
    room = None if work is None else work / _told_apart(histories, embeddings)
    learn: dict[str, Callable[[], tuple[Scorer | None, dict[str, Any]]]] = {}
    if settings.two_tower.enabled and embeddings is not None:
        learn["two_tower"] = lambda: fit_two_tower(embeddings, histories, settings, cases=cases, work=room)
    dense = len(histories.items) >= sasrec.min_density * n_items
    if sasrec.enabled and dense and n_items <= sasrec.max_items:
        learn["sasrec"] = lambda: fit_sasrec(embeddings, n_items, histories, settings, cases=cases, work=room)
    return {name: partial(_learned, name, each, log) for name, each in learn.items()}


def _told_apart(histories: Histories, embeddings: NDArray[np.float32] | None) -> str:
    """A name for what networks learn from: a training of the same size on other data must not go on."""
    known = () if embeddings is None else (embeddings,)
    return digest(histories.offsets, histories.items, *known)[:12]


def _learned(
    name: str, learn: Callable[[], tuple[Scorer | None, dict[str, Any]]], log: dict[str, Any]
) -> Scorer | None:
    """The network learned now, its training noted."""
    made, training = learn()
    if training:
        log[name] = training
    return made
