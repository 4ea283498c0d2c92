"""The values of the kinds of cases: of cold items, of customers with few events, of those who only wrote."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.ranking import NOT_FOUND, Ranked, ndcg_at, tied_ranks
from retailor.models.encoding import memo_vectors
from retailor.models.shapes import Encoder, Role
from retailor.prove.kinds import LEAST_CASES
from retailor.prove.trials.recommend_cases import COLD_CUSTOMERS, COLD_ITEMS, SELDOM, TEXT_ONLY, Asked
from retailor.retrieval.blend import Blend, standardise
from retailor.retrieval.histories import Histories
from retailor.tasks.recommend.blend.coldness import ColdBlend, joined
from retailor.tasks.recommend.evaluate.next_item import BLOCK_SCORES
from retailor.tasks.recommend.model import Fitted, Understanding
from retailor.tasks.recommend.query.ask import text_scores

Floats = NDArray[np.float64]
F32 = NDArray[np.float32]
Rows = NDArray[np.int64]


def kinds_of(
    fitted: Fitted,
    blend: Blend | ColdBlend,
    asked: Asked,
    values: Floats,
    reader: Understanding | None,
    work: Path,
    *,
    masked: bool,
) -> dict[str, Floats]:
    """NDCG@10 of each case [n] by kind, NaN where it is none; `values` are those of all cases as they are.

    `reader` is what this row reads a customer's words with, None for nothing. What the customer has had is
    masked for every kind, also where the row is not told of it.
    """
    cases, histories = asked.cases, asked.histories(fitted.customers)
    there = cases.targets >= 0
    n_seen = fitted.n_seen[np.maximum(cases.targets, 0)]
    ranking = _Ranking(fitted, asked, histories, masked)
    found = {COLD_ITEMS: np.where(there & (n_seen <= SELDOM), values, np.nan)}
    real = asked.really_cold()
    if real.sum() >= LEAST_CASES:
        found[COLD_CUSTOMERS] = np.where(real, values, np.nan)
    else:
        known = np.append(histories.lengths(), 0)[cases.customers] > 0
        short = histories.latest(SELDOM)
        found[COLD_CUSTOMERS] = ranking.values(
            np.flatnonzero(known), lambda rows: _blended(fitted, blend, short.at(cases.customers[rows]))
        )
    wrote = np.flatnonzero([bool(text) for text in asked.written])
    words = _words(fitted, reader, asked.written, wrote, work)
    found[TEXT_ONLY] = ranking.values(wrote, words)
    return found


@dataclass(frozen=True)
class _Ranking:
    fitted: Fitted
    asked: Asked
    histories: Histories
    masked: bool

    def values(self, some: Rows, scores_of: Callable[[Rows], F32]) -> Floats:
        """NDCG@10 of `some` of the cases by scores [m, I] of blocks of them; NaN for the others [n]."""
        cases = self.asked.cases
        found = np.full(len(cases), np.nan)
        n_items = len(self.fitted.catalogue)
        size = max(1, BLOCK_SCORES // n_items)
        for start in range(0, len(some), size):
            rows = some[start : start + size]
            scores = scores_of(rows)
            if self.masked:
                own = self.histories.at(cases.customers[rows])
                scores[own.owners(), own.items] = -np.inf
            targets = cases.targets[rows]
            ranks = tied_ranks(scores, np.maximum(targets, 0))
            ranks = np.where((targets >= 0)[:, None], ranks, NOT_FOUND)
            found[rows] = ndcg_at(Ranked.single(ranks), 10)
        return found


def _blended(fitted: Fitted, blend: Blend | ColdBlend, own: Histories) -> F32:
    z = {name: standardise(fitted.parts[name].scores(own)) for name in blend.used()}
    return joined(blend, z, own, fitted.item_groups)


def _words(
    fitted: Fitted, reader: Understanding | None, written: Sequence[str], wrote: Rows, work: Path
) -> Callable[[Rows], F32]:
    """What scores cases by the words of their customers, as the recommender answers a query of words alone.

    By what is popular where nothing is read, or nothing that was written is known.
    """
    popular = np.asarray(fitted.n_seen, np.float32)
    known = None if reader is None else _remembering(reader, [written[row] for row in wrote], work)

    def one(row: int) -> F32:
        fit = popular if known is None else text_scores(known, written[row], len(popular))
        return fit if fit.any() else popular

    return lambda rows: np.stack([one(row) for row in rows])


def _remembering(reader: Understanding, texts: Sequence[str], work: Path) -> Understanding:
    """The same, whose encoder has read the texts, once for all cells."""
    if reader.encoder is None or not texts:
        return reader
    vectors = memo_vectors(reader.encoder, texts, role="query", work=work)
    return replace(reader, encoder=_Remembering(reader.encoder, dict(zip(texts, vectors, strict=True))))


class _Remembering:
    """An encoder that has read some texts, and reads no others."""

    def __init__(self, encoder: Encoder, known: Mapping[str, F32]) -> None:
        self.name, self.dim, self.known = encoder.name, encoder.dim, known
        self.tokenizer: Any = getattr(encoder, "tokenizer", None)

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> F32:
        return np.stack([self.known[text] for text in texts])

    def save(self, folder: Path) -> None:
        raise NotImplementedError
