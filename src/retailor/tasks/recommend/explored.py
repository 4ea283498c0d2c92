"""What a bandit knows of a recommender's items and customers: their texts, in few directions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retailor.tasks.recommend.model import Fitted
from retailor.tasks.recommend.query.ask import history_of
from retailor.tasks.recommend.shapes import RecommendQuery

N_TRAITS = 16
N_SEEN = 10


def seen(fitted: Fitted, query: RecommendQuery) -> tuple[str, ...] | None:
    """The customer's latest items, of the fit and since; None where what goes with an item is asked."""
    if query.by != "customer" or query.diversity or (query.text or "").strip():
        return None
    rows = history_of(fitted, query).items[-N_SEEN:]
    return tuple(fitted.catalogue.item_ids[row] for row in rows)


def traits(fitted: Fitted, item_ids: Sequence[str]) -> NDArray[np.float64]:
    """The items in the directions in which the catalogue's texts differ most [n, N_TRAITS], each with about
    unit deviation; zero for an item without a text, and nothing at all [n, 0] where there is no encoder."""
    known = fitted.understanding
    table = known.features.embeddings
    if table is None or known.whitening is None:
        return np.zeros((len(item_ids), 0))
    # Whitening divides by an axis' deviation, so the texts differ most along the axes that it stretches
    # least. Whitened rows have length 1: each of d coordinates is about 1/√d.
    axes = known.whitening.axes[:, :N_TRAITS] * np.sqrt(table.shape[1])
    found = np.zeros((len(item_ids), axes.shape[1]))
    rows = [fitted.catalogue.ix.get(each, -1) for each in item_ids]
    there = [place for place, row in enumerate(rows) if row >= 0]
    found[there] = table[[rows[place] for place in there]] @ axes
    return found
