"""The pictures of an insight, as inline SVG in the report's colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retailor.report import drawing

WIDTH, SMALL, ROW = 300, 215, 22
MAX_LABEL = 26


def aspects_chart(rows: Sequence[Mapping[str, Any]], said: Mapping[str, str]) -> str:
    """A bar an aspect: customers against, neither and for, in that order. Rows: name, n_negative, …."""
    alt = drawing.altair()
    parts = (("n_negative", "bad"), ("n_neutral", "base"), ("n_positive", "good"))
    values = [
        {"name": short(row["name"]), "n": row[part], "order": order, "paint": drawing.PAINT[paint]}
        for row in rows
        for order, (part, paint) in enumerate(parts)
    ]
    names = [short(row["name"]) for row in rows]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(height={"band": 0.62})
        .encode(
            x=alt.X("n:Q", axis=alt.Axis(title=said["customers"], tickCount=5, format="~s")),
            y=alt.Y("name:N", sort=names, axis=alt.Axis(title=None, labelLimit=190, domain=False)),
            color=alt.Color("paint:N", scale=None),
            order="order:Q",
        )
        .properties(width=WIDTH + 120, height=ROW * max(len(names), 1))
    )
    return drawing.svg(chart, said["label"])


def shares_chart(rows: Sequence[Mapping[str, Any]], said: Mapping[str, str]) -> str:
    """The share against each aspect with its 95 % interval. Rows: name, share, low, high."""
    alt = drawing.altair()
    values = [{**row, "name": short(row["name"])} for row in rows]
    names = [row["name"] for row in values]
    y = alt.Y("name:N", sort=names, axis=alt.Axis(title=None, labelLimit=190, domain=False))
    x = {"scale": alt.Scale(domain=[0, 1]), "axis": alt.Axis(title=said["share"], tickCount=5, format="%")}
    data, paint = alt.Data(values=values), drawing.PAINT["bad"]
    span = alt.Chart(data).mark_rule(strokeWidth=2, opacity=0.55, color=paint)
    dot = alt.Chart(data).mark_circle(size=70, opacity=1, color=paint)
    chart = span.encode(x=alt.X("low:Q", **x), x2="high:Q", y=y) + dot.encode(x=alt.X("share:Q", **x), y=y)
    return drawing.svg(chart.properties(width=WIDTH, height=ROW * max(len(names), 1)), said["label"])


def trend_chart(rows: Sequence[Mapping[str, Any]], since: str | None, said: Mapping[str, str]) -> str:
    """The share of reviews that complain by period; a line where it changed. Rows: period, share, n."""
    alt = drawing.altair()
    values = [{"period": str(row["period"]), "share": row["share"], "n": row["n"]} for row in rows]
    x = alt.X("period:T", axis=alt.Axis(title=None, tickCount=4, labelOverlap="greedy"))
    y = alt.Y("share:Q", axis=alt.Axis(title=said["share"], tickCount=4, format="%"))
    base = alt.Chart(alt.Data(values=values))
    line = base.mark_line(color=drawing.PAINT["bad"], strokeWidth=1.8).encode(x=x, y=y)
    dots = base.mark_circle(color=drawing.PAINT["bad"], opacity=0.8).encode(
        x=x, y=y, size=alt.Size("n:Q", legend=None, scale=alt.Scale(range=[8, 90]))
    )
    layers = [line, dots]
    if since:
        mark = alt.Chart(alt.Data(values=[{"since": since}]))
        layers.append(
            mark.mark_rule(color=drawing.PAINT["s1"], strokeDash=[4, 3], strokeWidth=1.5).encode(x="since:T")
        )
    return drawing.svg(alt.layer(*layers).properties(width=SMALL, height=110), said["label"])


def short(name: str) -> str:
    """A name that fits beside a bar."""
    return name if len(name) <= MAX_LABEL else f"{name[: MAX_LABEL - 1]}…"
