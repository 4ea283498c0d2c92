"""The parts of the recommender, each a scorer that can be used alone, and which systems are made of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval import collaborative, neighbours
from retailor.retrieval.collaborative import Factors, Histories, ItemToItem, Popularity, Scorer, Tensors
from retailor.store.artifact import fingerprint
from retailor.store.memo import digest, memo_tensors
from retailor.tasks.recommend.customers import Cases
from retailor.tasks.recommend.scorers.sasrec import NextItem, fit_sequence
from retailor.tasks.recommend.scorers.tfidf import SharedWords
from retailor.tasks.recommend.scorers.two_tower import Taste, fit_taste
from retailor.tasks.recommend.scorers.user_history import OwnChoices
from retailor.tasks.recommend.scorers.user_reviews import OwnWords
from retailor.tasks.recommend.settings import RecommendSettings

OURS = "retailor"
"""The row of the system that answers."""
OWN = ("own choices", "own latest")
"""Parts that score what the customer chose before: how often, and how lately. Only where repeats count."""
SYSTEMS: dict[str, tuple[str, ...]] = {
    "popularity": ("popularity",),
    "personal frequency": ("own choices", "popularity"),
    "item-knn": ("item-knn",),
    "ease": ("ease",),
    "ials": ("ials",),
    "sequential-knn": ("sequential-knn",),
    "ease + sequential-knn": ("ease", "sequential-knn"),
    "tf-idf kernel + knn": ("word kernel", "sequential-knn"),
    "encoder kernel + knn": ("meaning kernel", "sequential-knn"),
    "shared words + knn": ("shared words", "sequential-knn"),
    "f(u, i) alone": ("taste",),
    "sasrec alone": ("sequence",),
    "own words alone": ("own words",),
    OURS: (
        "word kernel",
        "meaning kernel",
        "taste",
        "sequence",
        "sequential-knn",
        "shared words",
        "own words",
        "ease",
        "ials",
        "popularity",
        *OWN,
    ),
}
"""Row of the results to the parts that it may blend. Which parts there are depends on the shop."""

NETWORKS = ("taste", "sequence")
"""Parts that are learned by steps: once, on the histories less what is held out."""

KINDS: dict[str, Any] = {
    "popularity": Popularity,
    "item-knn": ItemToItem,
    "ease": ItemToItem,
    "sequential-knn": ItemToItem,
    "word kernel": ItemToItem,
    "meaning kernel": ItemToItem,
    "ials": Factors,
    "taste": Taste,
    "sequence": NextItem,
    "shared words": SharedWords,
    "own words": OwnWords,
    **dict.fromkeys(OWN, OwnChoices),
}

WEIGHTS = {
    "word kernel": 1.0,
    "meaning kernel": 1.0,
    "ease": 1.0,
    "ials": 1.0,
    "taste": 0.5,
    "sequence": 0.3,
    "shared words": 0.3,
    "own words": 0.1,
    "sequential-knn": 0.35,
    "popularity": 0.05,
    **dict.fromkeys(OWN, 0.5),
}
"""Where a shop has too few customers to learn the weights from; a kernel takes the place of plain EASE."""


@dataclass(frozen=True)
class Features:
    """What is known of the items beside events: sparse words [I, w] and whitened meaning [I, d], or None.

    `written` [R, d] is the whitened meaning of what customers wrote (`Histories.said`).
    """

    words: sp.csr_matrix | None
    meaning: NDArray[np.float32] | None
    written: NDArray[np.float32] | None = None

    def at(self, rows: NDArray[np.int64]) -> Features:
        """What is known of some items."""
        return Features(
            None if self.words is None else self.words[rows],
            None if self.meaning is None else self.meaning[rows],
        )


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
    matrix = histories.matrix(n_items)
    near = paired(histories, settings.max_pairs)
    near_matrix = matrix if near is histories else near.matrix(n_items)
    n_links = settings.links(n_items)
    makers: dict[str, Callable[[], Scorer | None]] = {
        "popularity": lambda: collaborative.fit_popularity(matrix),
        "item-knn": lambda: neighbours.fit_item_knn(near_matrix, n_links=n_links),
        "sequential-knn": lambda: neighbours.fit_sequential_knn(
            near, n_items, decay=settings.decay, n_links=n_links
        ),
    }
    if settings.repeats:
        makers |= {name: partial(own_part, name, n_items, settings) for name in OWN}
    for name, closed in closed_forms(matrix, features, settings, work).items():
        makers[name] = partial(closed, (scales or {}).get(name, 1.0))
    words, meaning = features.words, features.meaning
    if words is not None and n_items > settings.max_closed_form:
        makers["shared words"] = lambda: SharedWords(words, settings.decay)
    written = features.written
    if written is not None and meaning is not None and not settings.by_candidates(n_items):
        makers["own words"] = lambda: OwnWords(written, meaning, settings.decay)
    log: dict[str, Any] = {"seconds": {}, "training": {}}
    networks: dict[str, Callable[[], tuple[Scorer | None, dict[str, Any]]]] = {}
    room = None if work is None else work / _told_apart(histories, meaning)
    if settings.taste and meaning is not None:
        networks["taste"] = lambda: fit_taste(meaning, histories, settings, cases=cases, work=room)
    dense = len(histories.items) >= settings.sequence_density * n_items
    if settings.sequence and dense and n_items <= settings.max_sequence:
        networks["sequence"] = lambda: fit_sequence(
            meaning, n_items, histories, settings, cases=cases, work=room
        )
    for name, learn in networks.items():
        makers[name] = partial(_learned, name, learn, log["training"])
    parts = {}
    for name, make in makers.items():
        started = time.perf_counter()
        made = (learned or {}).get(name) or make()
        if made is not None:
            parts[name] = made
            log["seconds"][name] = round(time.perf_counter() - started, 3)
    return parts, log


def own_part(name: str, n_items: int, settings: RecommendSettings) -> OwnChoices:
    """One of OWN."""
    return OwnChoices(n_items, 0.0 if name == "own choices" else max(settings.decay, 0.5))


def paired(histories: Histories, max_pairs: int) -> Histories:
    """The histories, or as many latest events of each as make no more than `max_pairs` pairs.

    So that customers with long histories cannot make counting neighbours cost more than the shop has events.
    """
    lengths = np.bincount(histories.lengths())
    sizes = np.arange(len(lengths))
    squares = np.cumsum(lengths * sizes.astype(np.float64) ** 2)
    beyond = lengths.sum() - np.cumsum(lengths)
    fits = np.flatnonzero(squares + beyond * sizes.astype(np.float64) ** 2 <= max_pairs)
    n = max(int(fits[-1]) if len(fits) else 0, 2)
    return histories if n >= len(lengths) - 1 else histories.latest(n)


def _told_apart(histories: Histories, meaning: NDArray[np.float32] | None) -> str:
    """A name for what networks learn from: a training of the same size on other data must not go on."""
    known = () if meaning is None else (meaning,)
    return digest(histories.offsets, histories.items, *known)[:12]


def _learned(
    name: str,
    learn: Callable[[], tuple[Scorer | None, dict[str, Any]]],
    log: dict[str, Any],
) -> Scorer | None:
    """The network learned now, its training noted."""
    made, training = learn()
    if training:
        log[name] = training
    return made


def closed_forms(
    matrix: sp.csr_matrix, features: Features, settings: RecommendSettings, work: Path | None = None
) -> dict[str, Callable[[float], Scorer]]:
    """EASE without and with kernels; least squares in their place where the catalogue is too large.

    Each takes a factor on its ridge and its kernel. A `work` folder keeps what was solved.
    """
    if matrix.shape[1] > settings.max_closed_form:
        return {
            "ials": lambda scale: collaborative.fit_ials(
                matrix, n_factors=settings.factors, regularisation=0.05 * scale, seed=settings.seed
            )
        }
    events = "" if work is None else digest(matrix.data, matrix.indices, matrix.indptr)

    def ease(name: str, weight: float, table: Any, scale: float) -> Scorer:
        ridge, kernel = scale * settings.regularisation, scale * weight

        def solve() -> Tensors:
            kernels = [] if table is None else [(kernel, table)]
            return collaborative.fit_ease(
                matrix, regularisation=ridge, kernels=kernels, decay=settings.decay, n_links=settings.n_links
            ).tensors()

        known = "" if work is None or table is None else digest(*_arrays(table))
        key = fingerprint(events, known, ridge, kernel, settings.decay, settings.n_links)
        return ItemToItem.of(memo_tensors(work, name, key, solve))

    found: dict[str, Callable[[float], Scorer]] = {"ease": partial(ease, "ease", 0.0, None)}
    if features.words is not None and settings.word_kernel:
        found["word kernel"] = partial(ease, "word kernel", settings.word_kernel, features.words)
    if features.meaning is not None and settings.meaning_kernel:
        found["meaning kernel"] = partial(ease, "meaning kernel", settings.meaning_kernel, features.meaning)
    return found


def _arrays(table: Any) -> tuple[NDArray[Any], ...]:
    """What a dense or sparse matrix is made of."""
    return (table.data, table.indices, table.indptr) if sp.issparse(table) else (table,)


def systems_of(parts: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The systems that these parts allow, with the parts each one has here.

    A system that would be another under a grander name is left out; 'retailor' never is.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row, names in SYSTEMS.items():
        if row == OURS:
            kernels = {"word kernel", "meaning kernel"} & set(parts)
            found[row] = tuple(n for n in names if n in parts and not (n == "ease" and kernels))
        elif all(name in parts for name in names):
            found[row] = names
    return found


def tensors_of(parts: Mapping[str, Scorer]) -> Tensors:
    """All parts as named arrays."""
    return {
        f"{name}/{key}": np.ascontiguousarray(value)
        for name, part in parts.items()
        for key, value in part.tensors().items()  # type: ignore[attr-defined]
    }


def parts_of(tensors: Mapping[str, NDArray[Any]]) -> dict[str, Scorer]:
    """The inverse of `tensors_of`."""
    by_part: dict[str, Tensors] = {}
    for full, value in tensors.items():
        name, _, key = full.partition("/")
        by_part.setdefault(name, {})[key] = value
    return {name: KINDS[name].of(found) for name, found in by_part.items()}
