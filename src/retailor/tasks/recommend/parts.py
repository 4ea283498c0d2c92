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

from retailor.retrieval import collab
from retailor.retrieval.collab import Factors, Histories, ItemToItem, Popularity, Scorer, Tensors
from retailor.tasks.recommend.customers import Cases
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.taste import Taste, fit_taste
from retailor.tasks.recommend.words import SharedWords

SYSTEMS: dict[str, tuple[str, ...]] = {
    "popularity": ("popularity",),
    "item-knn": ("item-knn",),
    "ease": ("ease",),
    "ials": ("ials",),
    "sequential-knn": ("sequential-knn",),
    "ease + sequential-knn": ("ease", "sequential-knn"),
    "tf-idf kernel + knn": ("word kernel", "sequential-knn"),
    "encoder kernel + knn": ("meaning kernel", "sequential-knn"),
    "shared words + knn": ("shared words", "sequential-knn"),
    "f(u, i) alone": ("taste",),
    "retailor": (
        "word kernel",
        "meaning kernel",
        "taste",
        "sequential-knn",
        "shared words",
        "ease",
        "ials",
        "popularity",
    ),
}
"""Row of the results to the parts that it may blend. Which parts there are depends on the shop."""

KINDS: dict[str, Any] = {
    "popularity": Popularity,
    "item-knn": ItemToItem,
    "ease": ItemToItem,
    "sequential-knn": ItemToItem,
    "word kernel": ItemToItem,
    "meaning kernel": ItemToItem,
    "ials": Factors,
    "taste": Taste,
    "shared words": SharedWords,
}

WEIGHTS = {
    "word kernel": 1.0,
    "meaning kernel": 1.0,
    "ease": 1.0,
    "ials": 1.0,
    "taste": 0.5,
    "shared words": 0.3,
    "sequential-knn": 0.35,
    "popularity": 0.05,
}
"""Where a shop has too few customers to learn the weights from; a kernel takes the place of plain EASE."""


@dataclass(frozen=True)
class Features:
    """What is known of the items beside events: sparse words [I, w] and whitened meaning [I, d], or None."""

    words: sp.csr_matrix | None
    meaning: NDArray[np.float32] | None


def fit_parts(
    histories: Histories,
    n_items: int,
    features: Features,
    settings: RecommendSettings,
    *,
    cases: Cases | None = None,
    taste: Taste | None = None,
    scales: Mapping[str, float] | None = None,
    work: Path | None = None,
) -> tuple[dict[str, Scorer], dict[str, Any]]:
    """Every part that this shop allows, by name, and a log of seconds and training.

    A `taste` that was learned before is taken as it is; else one is learned, the best on `cases`. `scales`
    are factors on the ridge and kernel of closed forms.
    """
    matrix = histories.matrix(n_items)
    makers: dict[str, Callable[[], Scorer]] = {
        "popularity": lambda: collab.fit_popularity(matrix),
        "item-knn": lambda: collab.fit_item_knn(matrix, n_links=settings.n_links),
        "sequential-knn": lambda: collab.fit_sequential_knn(
            histories, n_items, decay=settings.decay, n_links=settings.n_links
        ),
    }
    for name, closed in closed_forms(matrix, features, settings).items():
        makers[name] = partial(closed, (scales or {}).get(name, 1.0))
    words = features.words
    if words is not None and n_items > settings.max_closed_form:
        makers["shared words"] = lambda: SharedWords(words, settings.decay)
    log: dict[str, Any] = {"seconds": {}}
    if settings.taste and features.meaning is not None:
        vectors = features.meaning

        def learned() -> Scorer:
            if taste is not None:
                return taste
            found, log["taste"] = fit_taste(vectors, histories, settings, cases=cases, work=work)
            return found

        makers["taste"] = learned
    parts = {}
    for name, make in makers.items():
        started = time.perf_counter()
        parts[name] = make()
        log["seconds"][name] = round(time.perf_counter() - started, 3)
    return parts, log


def closed_forms(
    matrix: sp.csr_matrix, features: Features, settings: RecommendSettings
) -> dict[str, Callable[[float], Scorer]]:
    """EASE without and with kernels; least squares in their place where the catalogue is too large.

    Each takes a factor on its ridge and its kernel.
    """
    if matrix.shape[1] > settings.max_closed_form:
        return {
            "ials": lambda scale: collab.fit_ials(matrix, regularisation=0.05 * scale, seed=settings.seed)
        }

    def ease(weight: float, table: Any, scale: float) -> Scorer:
        return collab.fit_ease(
            matrix,
            regularisation=scale * settings.regularisation,
            kernels=[] if table is None else [(scale * weight, table)],
            decay=settings.decay,
            n_links=settings.n_links,
        )

    found: dict[str, Callable[[float], Scorer]] = {"ease": partial(ease, 0.0, None)}
    if features.words is not None and settings.word_kernel:
        found["word kernel"] = partial(ease, settings.word_kernel, features.words)
    if features.meaning is not None and settings.meaning_kernel:
        found["meaning kernel"] = partial(ease, settings.meaning_kernel, features.meaning)
    return found


def names_of(n_items: int, features: Features, settings: RecommendSettings) -> list[str]:
    """The parts that a shop of so many items with such features allows."""
    large = n_items > settings.max_closed_form
    names = ["popularity", "item-knn", "sequential-knn", "ials" if large else "ease"]
    if features.words is not None and settings.word_kernel and not large:
        names.append("word kernel")
    if features.words is not None and large:
        names.append("shared words")
    if features.meaning is not None:
        names += ["meaning kernel"] * (bool(settings.meaning_kernel) and not large)
        names += ["taste"] * settings.taste
    return names


def systems_of(parts: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The systems that these parts allow, with the parts each one has here.

    A system that would be another under a grander name is left out; 'retailor' never is.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row, names in SYSTEMS.items():
        if row == "retailor":
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
