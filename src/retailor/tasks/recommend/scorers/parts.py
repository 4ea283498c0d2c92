"""The table of the recommender's parts, each a scorer that can be used alone, and the systems of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.retrieval.histories import Scorer, Tensors
from retailor.retrieval.ials import Factors
from retailor.retrieval.item_to_item import ItemToItem
from retailor.retrieval.next_basket import TifuKnn, UpCf
from retailor.retrieval.popularity import Popularity
from retailor.tasks.recommend.scorers.sasrec import SASRec
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer
from retailor.tasks.recommend.scorers.two_tower import TwoTower
from retailor.tasks.recommend.scorers.user_history import UserHistory
from retailor.tasks.recommend.scorers.user_reviews import UserReviews


@dataclass(frozen=True)
class Part:
    """What a part is made as, and what it weighs where a shop has too few customers to learn weights from."""

    kind: Any
    weight: float
    network: bool = False
    """It is learned by steps: once, on the histories less what is held out."""


PARTS = {
    "popularity": Part(Popularity, 0.05),
    "item_knn": Part(ItemToItem, 1.0),
    "sequential_knn": Part(ItemToItem, 0.35),
    "user_frequency": Part(UserHistory, 0.5),
    "user_recency": Part(UserHistory, 0.5),
    "tifu_knn": Part(TifuKnn, 0.5),
    "up_cf": Part(UpCf, 0.5),
    "ease": Part(ItemToItem, 1.0),
    "tfidf_kernel": Part(ItemToItem, 1.0),
    "embedding_kernel": Part(ItemToItem, 1.0),
    "picture_kernel": Part(ItemToItem, 0.5),
    "ials": Part(Factors, 1.0),
    "tfidf": Part(TfidfScorer, 0.3),
    "user_reviews": Part(UserReviews, 0.1),
    "two_tower": Part(TwoTower, 0.5, network=True),
    "sasrec": Part(SASRec, 0.3, network=True),
}
"""Every part by name. Which of them there are depends on the shop: `makers.py` says when."""
WEIGHTS = {name: part.weight for name, part in PARTS.items()}
NETWORKS = tuple(name for name, part in PARTS.items() if part.network)
KERNELS = {"tfidf_kernel", "embedding_kernel", "picture_kernel"}
"""EASE with texts or pictures inside: where there is one, the system that answers has no plain EASE."""

OURS = "retailor"
"""The row of the system that answers."""
BLIND = "retailor without pictures"
"""The same without pictures, where there are some, with one weighting for all: what pictures are worth."""
NO_TEXT = "retailor without text"
BY_WORDS = "retailor with words alone"
ALL_TEXTS = "retailor with every text"
"""Where an encoder has parts: the same without texts, without the encoder, and with all, where that does not
answer anyway. With one weighting for all customers and items."""
WORDS = {"tfidf_kernel", "tfidf"}
BY_ENCODER = {"embedding_kernel", "two_tower"}
READERS = BY_ENCODER | {"sasrec", "user_reviews"}
"""Parts that read the encoder's vectors, where there is one; `BY_ENCODER` are there only with one."""
SYSTEMS: dict[str, tuple[str, ...]] = {
    "popularity": ("popularity",),
    "personal frequency": ("user_frequency", "popularity"),
    "tifu-knn": ("tifu_knn",),
    "up-cf": ("up_cf",),
    "item-knn": ("item_knn",),
    "ease": ("ease",),
    "ials": ("ials",),
    "sequential-knn": ("sequential_knn",),
    "ease + sequential-knn": ("ease", "sequential_knn"),
    "tf-idf kernel + knn": ("tfidf_kernel", "sequential_knn"),
    "encoder kernel + knn": ("embedding_kernel", "sequential_knn"),
    "picture kernel + knn": ("picture_kernel", "sequential_knn"),
    "tf-idf + knn": ("tfidf", "sequential_knn"),
    "two-tower alone": ("two_tower",),
    "sasrec alone": ("sasrec",),
    "user reviews alone": ("user_reviews",),
    OURS: (
        "tfidf_kernel",
        "embedding_kernel",
        "picture_kernel",
        "two_tower",
        "sasrec",
        "sequential_knn",
        "tfidf",
        "user_reviews",
        "ease",
        "ials",
        "popularity",
        "user_frequency",
        "user_recency",
        "tifu_knn",
        "up_cf",
    ),
}
"""Row of the results to the parts that it may blend."""


@dataclass(frozen=True)
class Features:
    """What is known of the items beside events: TF-IDF [I, w] and whitened embeddings [I, d], or None.

    `reviews` [R, d] are the whitened embeddings of what customers wrote (`Histories.reviews`), `pictures`
    [I, p] the whitened vectors of the items' pictures, zero for an item without one.
    """

    tfidf: sp.csr_matrix | None
    embeddings: NDArray[np.float32] | None
    reviews: NDArray[np.float32] | None = None
    pictures: NDArray[np.float32] | None = None

    def at(self, rows: NDArray[np.int64]) -> Features:
        """What is known of some items."""
        return Features(
            None if self.tfidf is None else self.tfidf[rows],
            None if self.embeddings is None else self.embeddings[rows],
        )


def systems_of(parts: Mapping[str, object]) -> dict[str, tuple[str, ...]]:
    """The systems that these parts allow, with the parts each one has here.

    A system that would be another under a grander name is left out; 'retailor' never is.
    """
    found: dict[str, tuple[str, ...]] = {}
    for row, names in SYSTEMS.items():
        if row == OURS:
            found[row] = _ours(names, set(parts))
            if "picture_kernel" in parts:
                found[BLIND] = _ours(names, set(parts) - {"picture_kernel"})
            if BY_ENCODER & set(parts):
                left = set(parts) - READERS
                found |= {BY_WORDS: _ours(names, left)} if WORDS & left else {}
                found |= {NO_TEXT: _ours(names, left - WORDS)} if left - WORDS else {}
        elif all(name in parts for name in names):
            found[row] = names
    return found


def _ours(names: tuple[str, ...], parts: set[str]) -> tuple[str, ...]:
    """Those of the names that are parts; of EASE with kernels and without, the former."""
    return tuple(name for name in names if name in parts and not (name == "ease" and KERNELS & parts))


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
    return {name: PARTS[name].kind.of(found) for name, found in by_part.items()}
