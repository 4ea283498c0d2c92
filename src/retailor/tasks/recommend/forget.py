"""People taken out of a saved recommender: their ids, histories, and the vectors of what they wrote.

Sums over all customers (popularity, links, weights of networks) stay until the next fit.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor.retrieval.histories import Histories
from retailor.shop.gone import Gone

_CUSTOMERS, _PARTS, _READ = "customers.parquet", "parts.safetensors", "user_reviews/reviews"


def forget(folder: Path, gone: Gone) -> bool:
    """See `Entry.forget`."""
    users = pl.read_parquet(folder / _CUSTOMERS)
    kept = ~users["user_id"].is_in(list(gone.user_ids)).to_numpy()
    if kept.all():
        return False
    tensors: dict[str, NDArray[Any]] = load_file(folder / _PARTS)
    names = ("offsets", "items", "weights")
    offsets, items, weights = (tensors[f"history/{name}"] for name in names)
    all_of_them = Histories(offsets, items, weights, tensors.get("history/reviews"))
    left = all_of_them.at(np.flatnonzero(kept))
    tensors |= {f"history/{name}": getattr(left, name) for name in names}
    if left.reviews is not None:
        rows = np.unique(left.reviews[left.reviews >= 0])
        number = np.searchsorted(rows, left.reviews)
        tensors["history/reviews"] = np.where(left.reviews >= 0, number, -1).astype(np.int32)
        if _READ in tensors:
            tensors[_READ] = tensors[_READ][rows]
    for name in (_CUSTOMERS, _PARTS):
        (folder / name).unlink()
    users.filter(pl.Series(kept)).write_parquet(folder / _CUSTOMERS)
    save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, folder / _PARTS)
    return True
