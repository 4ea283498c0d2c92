"""Texts of a shop that belong together: what an encoder can learn nearness from without a label."""

from __future__ import annotations

from typing import Literal

import polars as pl

from retailor.shop.tables import Shop

__all__ = ["shop_pairs"]

MAX_A_TITLE = 20


def shop_pairs(shop: Shop, which: Literal["descriptions", "reviews", "all"] = "all") -> list[tuple[str, str]]:
    """Pairs of an item's title and its description, of a review's text and its item's title, or both kinds.

    An item gives at most twenty of its reviews, the longest, so that a best-seller is not the whole lesson.
    Rows without one of the two texts give no pair; a description that only repeats its title gives none.
    """
    titles = shop.items.filter(pl.col("title").is_not_null()).select("item_id", "title", "description")
    found: list[tuple[str, str]] = []
    if which in ("descriptions", "all"):
        said = titles.filter(pl.col("description").is_not_null() & (pl.col("description") != pl.col("title")))
        found += [(str(title), str(text)) for _, title, text in said.iter_rows()]
    if which in ("reviews", "all"):
        found += _reviews(shop, titles)
    return list(dict.fromkeys(found))


def _reviews(shop: Shop, titles: pl.DataFrame) -> list[tuple[str, str]]:
    longest = (
        shop.reviews.filter(pl.col("text").is_not_null())
        .select("item_id", "text", pl.col("text").str.len_chars().alias("n"))
        .sort("item_id", "n", "text", descending=[False, True, False])
        .group_by("item_id", maintain_order=True)
        .head(MAX_A_TITLE)
    )
    joined = longest.join(titles.select("item_id", "title"), on="item_id", how="inner", maintain_order="left")
    return [(str(text), str(title)) for text, title in joined.select("text", "title").iter_rows()]
