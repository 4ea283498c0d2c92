"""People taken out of a saved review writer: what they wrote and bought."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from retailor.shop.gone import Gone


def forget(folder: Path, gone: Gone) -> bool:
    """See `Entry.forget`."""
    found = False
    for path in (folder / "reviews.parquet", folder / "purchases.parquet"):
        if not path.is_file():
            continue
        frame = pl.read_parquet(path)
        left = frame.filter(~pl.col("user_id").is_in(list(gone.user_ids)).fill_null(False))
        if len(left) < len(frame):
            path.unlink()
            left.write_parquet(path)
            found = True
    return found
