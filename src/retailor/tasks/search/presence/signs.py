"""What tells that a query finds what it asks for, and not only the nearest there is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import top_items
from retailor.retrieval.tokens import HAS_CHINESE, content_words
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.synonyms.expansion import docs_with

F32 = NDArray[np.float32]
Bools = NDArray[np.bool_]
NAMES = ("meaning", "meaning, apart", "chinese", "texts", "of one kind")
N_BEST, N_NEAREST = 10, 3
"""So many of the nearest tell one kind, and how near they are. Cosines between Chinese texts are higher."""


class Asked(NamedTuple):
    """A query, and how near in meaning some items are to it [n], the nearest N_BEST of all at least.

    They are `rows`, ascending, with their cosines, and the z-scores of these.
    """

    text: str
    rows: NDArray[np.int64]
    cosines: F32
    z: F32


def signs_of(asked: Asked, catalogue: Catalogue, left: Bools) -> F32:
    """The signs [len(NAMES)] of a query among the items that are `left` [I], at least one."""
    n = min(N_BEST, int(np.count_nonzero(left)))
    able = asked.cosines if left.all() else np.where(left[asked.rows], asked.cosines, -np.inf)
    best = top_items(able[None], n)[0]
    words = dict.fromkeys(content_words(asked.text))
    idf = {word: catalogue.details.idf(word) for word in words}
    others = catalogue.synonyms.docs(catalogue.details, asked.text)
    docs = {word: _left_with(docs_with(catalogue.details, word, others), left) for word in words}
    kinds = catalogue.categories.of_item[asked.rows[best]]
    known = kinds[kinds >= 0]
    return np.array(
        [
            asked.cosines[best[:N_NEAREST]].mean(),
            asked.z[best[:N_NEAREST]].mean(),
            float(HAS_CHINESE.search(asked.text) is not None),
            _most_covered(idf, docs, len(left)),
            np.bincount(known).max() / n if len(known) else 0.0,
        ],
        np.float32,
    )


def _left_with(docs: NDArray[np.integer], left: Bools) -> NDArray[np.integer]:
    return docs if left.all() else np.asarray(docs[left[docs]])


def _most_covered(weights: dict[str, float], docs: dict[str, NDArray[np.integer]], n: int) -> float:
    """The largest share of the words' weight that one item has."""
    whole = sum(weights.values())
    if not whole:
        return 0.0
    has = np.zeros(n, np.float32)
    for word, weight in weights.items():
        has[docs[word]] += np.float32(weight / whole)
    return float(has.max(initial=0.0))
