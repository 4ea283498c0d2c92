"""People taken out of a saved recommender: ids, histories, what is kept of each, vectors of what they wrote.

Sums over all customers (popularity, links, weights of networks) stay until the next fit.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor.retrieval.histories import Histories
from retailor.shop.gone import Gone
from retailor.tasks.recommend.scorers.parts import parts_of, tensors_of

_CUSTOMERS, _PARTS, _STATE = "customers.parquet", "parts.safetensors", "recommend.json"
_READ = "user_reviews/reviews"
_BY_CUSTOMER = ("tifu_knn", "up_cf")
"""Parts that keep a row of each customer, in the order of the histories."""


def forget(folder: Path, gone: Gone) -> bool:
    """See `Entry.forget`."""
    users = pl.read_parquet(folder / _CUSTOMERS)
    kept = ~users["user_id"].is_in(list(gone.user_ids)).to_numpy()
    if kept.all():
        return False
    tensors: dict[str, NDArray[Any]] = load_file(folder / _PARTS)
    names = ("offsets", "items", "weights")
    offsets, items, weights = (tensors[f"history/{name}"] for name in names)
    reviews, baskets = tensors.get("history/reviews"), tensors.get("history/baskets")
    left = Histories(offsets, items, weights, reviews, baskets).at(np.flatnonzero(kept))
    tensors |= {f"history/{name}": getattr(left, name) for name in names}
    if left.baskets is not None:
        tensors["history/baskets"] = left.baskets
    tensors |= _among(tensors, kept)
    if left.reviews is not None:
        rows = np.unique(left.reviews[left.reviews >= 0])
        number = np.searchsorted(rows, left.reviews)
        tensors["history/reviews"] = np.where(left.reviews >= 0, number, -1).astype(np.int32)
        if _READ in tensors:
            tensors[_READ] = tensors[_READ][rows]
    for name in (_CUSTOMERS, _PARTS):
        (folder / name).unlink()
    users.filter(pl.Series(kept)).write_parquet(folder / _CUSTOMERS)
    _unsure(folder / _STATE)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / _PARTS)
    return True


def _unsure(path: Path) -> None:
    """Sums over all customers are not those of the histories that are left: an update counts them anew."""
    state = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    path.write_text(json.dumps({**state, "counted": None}, ensure_ascii=False), encoding="utf-8")


def _among(tensors: dict[str, NDArray[Any]], kept: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
    """Those of the parts that keep a row of each customer, of the customers that are `kept`."""
    parts: Any = parts_of({name: t for name, t in tensors.items() if name.startswith(_BY_CUSTOMER)})
    # Customers that came after the fit are behind the last row.
    rows = {name: np.flatnonzero(kept[: part.customers.shape[0]]) for name, part in parts.items()}
    return tensors_of({name: part.among(rows[name]) for name, part in parts.items()})
