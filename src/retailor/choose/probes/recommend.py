"""Recommendation: whether items that are read alike are chosen after each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.choose.shapes import ChooseSettings, Probe
from retailor.errors import DataError
from retailor.metrics.ranking import Ranked, ndcg_at, tied_ranks
from retailor.models.shapes import Encoder
from retailor.prove.words import WordVectors
from retailor.retrieval.histories import Histories
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.recommend.cases import UNSOLD_A_CASE, Cases, hold_out
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.customers import read_customers
from retailor.tasks.recommend.scorers.two_tower import Whitening, unit
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.text.fields import is_language

F32 = NDArray[np.float32]
LEAST, N_FOLDS = 20, 5
DECAY = 1.0
"""An event that is n events old weighs n ** −DECAY."""
RIDGE = (0.1, 1.0, 10.0, 100.0)
"""Penalties, as multiples of the mean variance of a direction."""
AMONG = "Figures are among the items that these customers chose: they compare models, nothing else."


@dataclass(frozen=True)
class _Asked:
    texts: tuple[str, ...]
    rest: Histories
    """Without what is asked for."""
    cases: Cases

    def customers(self) -> sp.csr_matrix:
        """What those who are asked chose before, newer ones weighing more [n, I]."""
        return self.rest.matrix(len(self.texts), decay=DECAY)[self.cases.customers]


def recommend_probe(shop: Shop, given: ChooseSettings) -> Probe:
    """NDCG@10 of customers' last items, by a linear map f(u, i) = h_uᵀ W h_i and by closeness alone.

    h_u is the sum of the customer's vectors, newer ones weighing more; W is a ridge regression from h_u to
    the vector of the next item, over the customers of the other folds, drawn towards the identity. Raises
    DataError with fewer than 20 such customers, or without texts.
    """
    asked = _asked(shop, given)

    def look(encoder: Encoder) -> Mapping[str, float]:
        return _figures(asked, encoder.encode(asked.texts, role="passage"), given.seed)

    return Probe(
        "recommend", "customers", len(asked.cases), asked.texts, ("linear map", "closeness"), look,
        beside="TF-IDF", control=look(WordVectors(asked.texts)), notes=(AMONG,),
    )  # fmt: skip


def _asked(shop: Shop, given: ChooseSettings) -> _Asked:
    """Customers, drawn until they have chosen as many items as may be read, and their last choices."""
    settings = RecommendSettings()
    catalogue = read_catalogue(shop)
    histories = read_customers(shop, catalogue, settings).histories
    able = np.flatnonzero(histories.lengths() > 1)
    drawn = stream(given.seed, "choose", "customers").permutation(able)[: given.sample]
    chosen = _within(histories.at(drawn), given.max_texts)
    items, rows = np.unique(chosen.items, return_inverse=True)
    texts = tuple(catalogue.texts[row] for row in items)
    n = len(chosen)
    # Also those whose item nobody else chose: what it is called may tell it.
    numbered = replace(chosen, items=rows.astype(np.int32))
    rest, cases = hold_out(numbered, n, given.seed, n_unsold=n * UNSOLD_A_CASE)
    if len(cases) < LEAST or not any(is_language(text) for text in texts):
        raise DataError(
            f"choose needs {LEAST} customers whose last choice is new to them, and items with texts; there "
            f"are {len(cases)}."
        )
    return _Asked(texts, rest, cases)


def _within(histories: Histories, most: int) -> Histories:
    """The first customers, as many as chose `most` items at most."""
    first = np.zeros(len(histories.items), bool)
    first[np.unique(histories.items, return_index=True)[1]] = True
    n_new = np.add.reduceat(first, histories.offsets[:-1]) if len(histories) else np.zeros(0)
    return histories.at(slice(0, int((np.cumsum(n_new) <= most).sum())))


def _figures(asked: _Asked, vectors: F32, seed: int) -> dict[str, float]:
    items = Whitening.of(vectors)(vectors)
    wanted = unit(asked.customers() @ items)
    closeness = _ndcg(wanted @ items.T, asked)
    folds = stream(seed, "choose", "folds").permutation(len(wanted)) % N_FOLDS
    mapped = [_ndcg(_mapped(wanted, items, asked, folds, ridge), asked).mean() for ridge in RIDGE]
    return {"linear map": float(max(mapped)), "closeness": float(closeness.mean())}


def _mapped(wanted: F32, items: F32, asked: _Asked, folds: NDArray[np.int64], ridge: float) -> F32:
    """Scores [n, I] of h_uᵀ W h_i, W learned without the fold that is asked."""
    scores = np.zeros((len(wanted), len(items)), np.float32)
    for fold in range(N_FOLDS):
        known = folds != fold
        before, after = _pairs(asked, np.flatnonzero(known))
        x, y = unit(before @ items), items[after]
        gram, unchanged = x.T @ x, np.eye(x.shape[1], dtype=np.float32)
        penalty = ridge * np.trace(gram) / len(gram)
        mapping = unchanged + np.linalg.solve(gram + penalty * unchanged, x.T @ (y - x))
        scores[~known] = wanted[~known] @ mapping @ items.T
    return scores


def _pairs(asked: _Asked, cases: NDArray[np.int64]) -> tuple[sp.csr_matrix, NDArray[np.int32]]:
    """What customers had chosen [P, I], and what they chose next [P]: all steps, also that to the case."""
    customers = asked.cases.customers[cases]
    histories = asked.rest.at(customers)
    prefixes, nexts = [], []
    for i, target in enumerate(asked.cases.targets[cases]):
        own = histories.items[histories.offsets[i] : histories.offsets[i + 1]]
        steps = [*own.tolist(), int(target)]
        prefixes += [steps[:end] for end in range(1, len(steps))]
        nexts += steps[1:]
    return Histories.of(prefixes).matrix(len(asked.texts), decay=DECAY), np.array(nexts, np.int32)


def _ndcg(scores: F32, asked: _Asked) -> NDArray[np.float64]:
    """NDCG@10 of what came next among all that the customer had not chosen, a value a case."""
    hidden = asked.rest.at(asked.cases.customers)
    scores[hidden.owners(), hidden.items] = -np.inf
    return ndcg_at(Ranked.single(tied_ranks(scores, asked.cases.targets)), 10)
