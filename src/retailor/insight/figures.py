"""Counts and intervals of an aspect: of the whole shop, a category, an item; and by month or week."""

from __future__ import annotations

from datetime import datetime

import polars as pl

from retailor.metrics.interval import wilson

LEVELS = ("shop", "category", "item")
PERIODS = (("1w", 180), ("1mo", 1100), ("1q", 4000))
"""A period, and how many days the reviews may span for it."""


def key_of(level: str) -> pl.Expr:
    """What tells the shop (all the same), the categories or the items apart."""
    return pl.lit("") if level == "shop" else pl.col("item_id" if level == "item" else "category")


def once(rows: pl.DataFrame, *of: str) -> pl.DataFrame:
    """The rows with the first of each voice and `of`: a text under several items is one of their category."""
    return rows.unique([*of, "voice"], keep="first", maintain_order=True)


def opinions_of(mentions: pl.DataFrame) -> pl.DataFrame:
    """A row a review and aspect: `says` 'negative', 'positive' or 'neutral', by the mean of its sentences."""
    by_review = mentions.group_by("row", "aspect", maintain_order=True).agg(
        pl.col("negative").mean(), pl.col("positive").mean()
    )
    return by_review.with_columns(says=says())


def says() -> pl.Expr:
    """'negative', 'positive' or 'neutral', whichever is the most probable; of equals the mildest."""
    negative, positive = pl.col("negative"), pl.col("positive")
    neutral = 1 - negative - positive
    return (
        pl.when((negative > positive) & (negative > neutral))
        .then(pl.lit("negative"))
        .when((positive > negative) & (positive > neutral))
        .then(pl.lit("positive"))
        .otherwise(pl.lit("neutral"))
    )


def placed(opinions: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """The opinions with item, category and time of the voices; an item without a category has none."""
    told = voices.select("row", "voice", "item_id", "time", "category")
    return opinions.join(told, on="row", how="left", maintain_order="left")


def quotable(mentions: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """The mentions with what a quote says of its review: id, item, category, day, stars, helpful votes."""
    day = pl.col("time").dt.date().cast(pl.String)
    about = voices.select("row", "review_id", "item_id", "category", day, "stars", "helpful")
    return mentions.join(about, on="row", how="left", maintain_order="left")


def categories_of(items: pl.DataFrame) -> pl.DataFrame:
    """`item_id` and `category`, the innermost one of each item."""
    unique = items.unique("item_id", keep="first", maintain_order=True)
    return unique.select("item_id", category=pl.col("category").list.last())


def figures_of(opinions: pl.DataFrame) -> pl.DataFrame:
    """A row a level, key and aspect: customers who spoke of it, those against, for and neither, with 95 %
    Wilson intervals of the share against; `sure` is the lower end times the customers: that many complain.
    """
    parts = []
    for level in LEVELS:
        rows = opinions.with_columns(level=pl.lit(level), key=key_of(level)).filter(
            pl.col("key").is_not_null()
        )
        parts.append(
            once(rows, "key", "aspect")
            .group_by("level", "key", "aspect", maintain_order=True)
            .agg(
                n=pl.len(),
                n_negative=(pl.col("says") == "negative").sum(),
                n_positive=(pl.col("says") == "positive").sum(),
                n_neutral=(pl.col("says") == "neutral").sum(),
            )
        )
    table = pl.concat(parts)
    low, high = wilson(table["n_negative"].to_numpy(), table["n"].to_numpy())
    return table.with_columns(
        share=pl.col("n_negative") / pl.col("n"), low=pl.Series(low), high=pl.Series(high)
    ).with_columns(sure=pl.col("low") * pl.col("n"))


def periods_of(opinions: pl.DataFrame, voices: pl.DataFrame) -> pl.DataFrame:
    """A row an aspect and period (see `period_of`): `n_reviews` in it, those that speak of the aspect and
    those against. Empty for a shop without times."""
    timed = once(voices.filter(pl.col("time").is_not_null()))
    if not len(timed):
        return pl.DataFrame()
    every = period_of(timed)
    of = pl.col("time").dt.truncate(every).dt.date()
    n_reviews = timed.group_by(period=of).len("n_reviews")
    told = once(opinions.filter(pl.col("time").is_not_null()), "aspect")
    counted = told.group_by("aspect", period=of)
    counts = counted.agg(n=pl.len(), n_negative=(pl.col("says") == "negative").sum())
    return counts.join(n_reviews, on="period").sort("aspect", "period")


def period_of(voices: pl.DataFrame) -> str:
    """'1w', '1mo', '1q' or '1y', by the span of the times: some dozens of periods; '' without times."""
    first, last = voices["time"].min(), voices["time"].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return ""
    days = (last - first).days
    return next((every for every, most in PERIODS if days <= most), "1y")
