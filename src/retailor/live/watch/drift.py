"""Drift: each day's events beside the days that the run was fitted on, with limits that a shop can rely on.

A figure's limit is a tolerance bound of the normal distribution (Krishnamoorthy & Mathew 2009, 1.4): mean ±
k·s of the reference days, with k from the noncentral t, so that with 95 % certainty no more than the share α
of usual days lies outside. α is what may be raised falsely a day, shared among figures and sides. A day with
fewer events than are usual has wider limits, by the root of how many fewer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import stats

from retailor.errors import DataError
from retailor.live.settings import DriftSettings

CERTAINTY = 0.95
FIGURES = {
    "unknown items": "share of events of items that the run was not fitted on",
    "new customers": "share of events of customers who had none before that day",
    "categories": "how far the shares of categories are from the usual ones",
    "kinds": "how far the shares of views, carts, purchases are from the usual ones",
    "price": "mean of the logarithm of the price",
}
BOTH_SIDES = ("new customers", "price")
"""Figures of which less is news as well."""


@dataclass(frozen=True)
class Alarm:
    """A figure of a day outside its limits."""

    figure: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Day:
    """A day with its figures; no alarms where it has too few events to say anything."""

    day: date
    n: int
    figures: dict[str, float]
    alarms: tuple[Alarm, ...] = ()


def drift(
    fitted: pl.DataFrame, since: pl.DataFrame, items: pl.DataFrame, settings: DriftSettings
) -> list[Day]:
    """The days of the events `since` the fit on events `fitted` of a catalogue `items`, oldest first.

    Events have user_id, item_id, kind and time. Raises DataError where the fit has too few days.
    """
    newest = fitted["time"].max()
    if not isinstance(newest, datetime):
        raise DataError("drift needs a fit on events with times, and this one has none.", column="time")
    since = since.filter(pl.col("time") > newest)
    events = _described(pl.concat([fitted.select(since.columns), since]).drop_nulls("time"), items)
    counts = events.group_by("day").len().sort("day")
    last = newest.date()
    usual = counts.filter((pl.col("day") <= last) & (pl.col("len") >= settings.least_events))["day"]
    usual = usual[-settings.reference_days :]
    if len(usual) < 10:
        raise DataError(
            f"the fit has {len(usual)} days with {settings.least_events} events or more, and 10 are needed "
            "to say what is usual; set drift.least_events lower.",
            column="time",
        )
    days = _figures(events, usual)
    reference = [each for each in days if each.day in set(usual)]
    limits = _limits(reference, settings)
    n_usual = float(np.median([each.n for each in reference]))
    return [_judged(each, limits, n_usual, settings) for each in days if each.day > last]


def _described(events: pl.DataFrame, items: pl.DataFrame) -> pl.DataFrame:
    """The events with day, category, logarithm of the price, and what was new on that day."""
    about = items.select(
        "item_id",
        category=pl.col("category").list.first().fill_null("none"),
        price=pl.when(pl.col("price") > 0).then(pl.col("price").log()),
        is_known=pl.lit(True),
    ).unique("item_id")
    day = pl.col("time").dt.date()
    return events.join(about, on="item_id", how="left").with_columns(
        day=day,
        unknown=pl.col("is_known").is_null(),
        new=day == day.min().over("user_id"),
        category=pl.col("category").fill_null("unknown item"),
    )


def _figures(events: pl.DataFrame, usual: pl.Series) -> list[Day]:
    by_day = events.group_by("day").agg(
        pl.len().alias("n"),
        pl.col("unknown").mean().alias("unknown items"),
        pl.col("new").mean().alias("new customers"),
        pl.col("price").mean().fill_null(0.0),
    )
    for name, column in (("categories", "category"), ("kinds", "kind")):
        by_day = by_day.join(_distances(events, column, usual).rename({"far": name}), on="day")
    return [
        Day(row["day"], row["n"], {name: float(row[name]) for name in FIGURES})
        for row in by_day.sort("day").iter_rows(named=True)
    ]


def _distances(events: pl.DataFrame, column: str, usual: pl.Series) -> pl.DataFrame:
    """Of each day half the sum of differences of shares, less what chance alone makes of so many events."""
    counts = events.group_by("day", column).len("n")
    base = counts.filter(pl.col("day").is_in(usual.implode())).group_by(column).agg(pl.col("n").sum())
    shares = base.select(column, p=pl.col("n") / pl.col("n").sum())
    grid = events.select(pl.col("day").unique()).join(
        pl.concat([shares.select(column), events.select(column)]).unique(), how="cross"
    )
    table = (
        grid.join(counts, on=["day", column], how="left")
        .join(shares, on=column, how="left")
        .with_columns(pl.col("n", "p").fill_null(0))
    )
    total = pl.col("n").sum().over("day")
    chance = (2 * pl.col("p") * (1 - pl.col("p")) / (math.pi * total)).sqrt()
    off = ((pl.col("n") / total - pl.col("p")).abs() - chance) / 2
    return table.with_columns(off=off).group_by("day").agg(far=pl.col("off").sum())


def _limits(reference: Iterable[Day], settings: DriftSettings) -> dict[str, tuple[float, float]]:
    """Mean of each figure, and how far from it a usual day may be."""
    days = list(reference)
    n_sides = len(FIGURES) + len(BOTH_SIDES)
    k = tolerance(len(days), settings.alarms_per_year / 365 / n_sides)
    found = {}
    for name in FIGURES:
        values: NDArray[np.float64] = np.array([each.figures[name] for each in days])
        found[name] = float(values.mean()), max(k * float(values.std(ddof=1)), settings.least_change)
    return found


def tolerance(n: int, alpha: float) -> float:
    """So many deviations above the mean of n values lies no more than the share alpha, with CERTAINTY."""
    shift = stats.norm.isf(alpha) * math.sqrt(n)
    return float(stats.nct.ppf(CERTAINTY, n - 1, shift) / math.sqrt(n))


def _judged(day: Day, limits: dict[str, tuple[float, float]], n_usual: float, settings: DriftSettings) -> Day:
    if day.n < settings.least_events:
        return day
    wider = math.sqrt(max(1.0, n_usual / day.n))
    alarms = []
    for name, (middle, off) in limits.items():
        low = middle - wider * off if name in BOTH_SIDES else -math.inf
        high, value = middle + wider * off, day.figures[name]
        if not low <= value <= high:
            alarms.append(Alarm(name, value, low, high))
    return Day(day.day, day.n, day.figures, tuple(alarms))
