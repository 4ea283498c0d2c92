"""The charts of the report, as inline SVG."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from retailor.metrics.scores import OURS, Score, Scores
from retailor.report import drawing
from retailor.report.data import Curve
from retailor.report.verdicts import REFERENCES, best_baseline, is_ours, lower_is_better

WIDTH, ROW_HEIGHT, CURVE_HEIGHT = 215, 26, 150
MAX_POINTS = 300
MAX_BUCKET_ROWS = 4
APART = 1.02
"""Of neighbouring lines of a curve: so many times the data."""


def results_chart(scores: Scores, metric: str) -> str:
    """Every system's figure and 95 % interval over all test cases: best on top, ours in colour."""
    found = [
        score for score in scores if score.metric == metric and score.bucket == "all" and _drawable(score)
    ]
    sign = 1 if lower_is_better(metric) else -1
    found.sort(key=lambda score: sign * score.value)
    order = [score.row for score in found]
    values = [_point(score, y=score.row, paint=_paint(score.row)) for score in found]
    title = f"{metric}{' (lower is better)' if lower_is_better(metric) else ''}"
    return drawing.svg(_dots(values, order, title, None), f"{metric} of every system, with 95 % intervals")


def buckets_chart(scores: Scores, metric: str) -> str:
    """Our figure and the best baselines', bucket by bucket; '' where there are no buckets."""
    buckets = list(dict.fromkeys(score.bucket for score in scores if score.bucket != "all"))
    rows = _rows_to_compare(scores, metric)
    values = [
        _point(score, y=score.bucket, paint=f"s{rows.index(score.row)}")
        for score in scores
        if score.metric == metric and score.bucket in buckets and score.row in rows and _drawable(score)
    ]
    if not values:
        return ""
    return drawing.svg(_dots(values, buckets, metric, rows), f"{metric} by bucket")


def _rows_to_compare(scores: Scores, metric: str) -> list[str]:
    whole = [score for score in scores if score.metric == metric and score.bucket == "all"]
    sign = 1 if lower_is_better(metric) else -1
    others = sorted(
        (score for score in whole if score.row != OURS and score.row not in REFERENCES and _drawable(score)),
        key=lambda score: sign * score.value,
    )
    return [OURS, *(score.row for score in others)][:MAX_BUCKET_ROWS]


def has_buckets(scores: Scores) -> bool:
    """Whether any figure is over a part of the test cases."""
    return any(score.bucket != "all" for score in scores)


def curve_chart(points: Curve, label: str) -> str:
    """A line of (step, value)."""
    alt = drawing.altair()
    values = [
        {"step": int(step), "value": float(value)} for step, value in _thinned(points) if math.isfinite(value)
    ]
    if not values:
        return ""
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_line(
            color=drawing.PAINT["ours"],
            strokeWidth=1.8,
            point=len(values) < 25 and {"color": drawing.PAINT["ours"], "size": 18},
        )
        .encode(
            x=alt.X("step:Q", axis=alt.Axis(title="step", tickCount=5, format="~s")),
            y=alt.Y("value:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=label, tickCount=5)),
        )
        .properties(width=WIDTH, height=CURVE_HEIGHT)
    )
    return drawing.svg(chart, f"{label} by step")


def coverage_chart(points: Sequence[tuple[float, float]], answered: float) -> str:
    """The share of wrong answers over the share of questions answered, with the place of the bound."""
    alt = drawing.altair()
    step = max(len(points) // MAX_POINTS, 1)
    values = [{"answered": float(x), "wrong": float(y)} for x, y in points[::step]]
    line = (
        alt.Chart(alt.Data(values=values))
        .mark_line(color=drawing.PAINT["ours"], strokeWidth=1.8)
        .encode(
            x=alt.X("answered:Q", axis=alt.Axis(title="% answered, the surest first", tickCount=5)),
            y=alt.Y("wrong:Q", axis=alt.Axis(title="share wrong", tickCount=5)),
        )
    )
    bound = (
        alt.Chart(alt.Data(values=[{"answered": float(answered)}]))
        .mark_rule(color=drawing.PAINT["base"], strokeDash=[4, 3])
        .encode(x="answered:Q")
    )
    chart = alt.layer(line, bound).properties(width=WIDTH, height=CURVE_HEIGHT)
    return drawing.svg(chart, "share of wrong answers by share of questions answered")


def bars_chart(parts: Sequence[tuple[str, float]], label: str) -> str:
    """Horizontal bars, in the order given."""
    alt = drawing.altair()
    values = [{"name": name, "value": float(value)} for name, value in parts]
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_bar(color=drawing.PAINT["ours"], height={"band": 0.6})
        .encode(
            x=alt.X("value:Q", axis=alt.Axis(title=label or None, tickCount=4, format="~s")),
            y=alt.Y("name:N", sort=[name for name, _ in parts], axis=alt.Axis(title=None, labelLimit=150)),
        )
        .properties(width=WIDTH, height=alt.Step(20))
    )
    return drawing.svg(chart, label or "counts")


def frontier_chart(candidates: Sequence[Mapping[str, Any]], keep: float) -> str:
    """Each candidate's speed against the least share of a score that it keeps; a rule at what was asked."""
    alt = drawing.altair()
    values = [
        {"name": str(one["name"]), "speed": float(one["texts_per_s"]), "kept": float(one["kept_least"])}
        for one in candidates
        if math.isfinite(float(one["kept_least"])) and float(one["texts_per_s"]) > 0
    ]
    x = alt.X("speed:Q", scale=alt.Scale(type="log"), axis=alt.Axis(title="texts a second", format="~s"))
    y = alt.Y("kept:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title="share kept", tickCount=5))
    base = alt.Chart(alt.Data(values=values)).encode(x=x, y=y)
    dots = base.mark_circle(size=70, opacity=1, color=drawing.PAINT["ours"])
    names = base.mark_text(align="left", dx=7, color=drawing.PAINT["text"]).encode(text="name:N")
    asked = alt.Chart(alt.Data(values=[{"keep": keep}])).mark_rule(
        color=drawing.PAINT["base"], strokeDash=[4, 3]
    )
    drawn = (asked.encode(y="keep:Q") + dots + names).properties(width=2 * WIDTH, height=CURVE_HEIGHT)
    return drawing.svg(drawn, "speed against the share of the score that is kept")


def time_chart(rows: Sequence[Mapping[str, Any]]) -> str:
    """A line a table of its rows over time; '' for fewer than three times. Rows: table, ISO time, n."""
    tables = list(dict.fromkeys(str(row.get("table")) for row in rows))[:4]
    values = [
        {
            "time": str(row["time"]),
            "n": row["n"],
            "paint": drawing.PAINT[f"s{tables.index(str(row.get('table')))}"],
        }
        for row in rows
        if str(row.get("table")) in tables and "time" in row and "n" in row
    ]
    if len(values) < 3:
        return ""
    alt = drawing.altair()
    chart = (
        alt.Chart(alt.Data(values=values))
        .mark_line(strokeWidth=1.8)
        .encode(
            x=alt.X("time:T", axis=alt.Axis(title=None, tickCount=4, labelOverlap="greedy")),
            y=alt.Y("n:Q", axis=alt.Axis(title=None, tickCount=4, format="~s")),
            color=alt.Color("paint:N", scale=None),
        )
        .properties(width=WIDTH, height=110)
    )
    return drawing.svg(chart, f"rows over time of {', '.join(tables)}")


def worth(row: Mapping[str, Any]) -> str:
    """'good' or 'bad' where the interval of a ledger row's gain excludes zero, else 'base'."""
    if row["gain_low"] is None or row["gain_low"] <= 0 <= row["gain_high"]:
        return "base"
    return "good" if row["gain"] > 0 else "bad"


def steps_chart(rows: Sequence[Mapping[str, Any]], metric: str, label: str) -> str:
    """Score and interval of each row of a ledger, in their order; painted by what the row gained."""
    values = [
        {"y": row["step"], "value": row["score"], "low": row["low"], "high": row["high"],
         "paint": drawing.PAINT[worth(row)]}
        for row in rows
    ]  # fmt: skip
    return drawing.svg(_dots(values, [row["step"] for row in rows], metric, None), label)


def efficiency_chart(rows: Sequence[Mapping[str, Any]], metric: str, unit: str) -> str:
    """Score and 95 % interval by size of the data, a line a step of a ledger.

    The lines of one size stand a little apart, so that their intervals can be told from each other.
    """
    alt = drawing.altair()
    steps = list(dict.fromkeys(row["step"] for row in rows))
    values = [
        {"step": row["step"], "n": row["n"] * APART ** (steps.index(row["step"]) - (len(steps) - 1) / 2),
         "score": row["score"], "low": row["low"], "high": row["high"]}
        for row in rows
    ]  # fmt: skip
    # Four colours, then the same with dashes and dots: lines that a colour-blind reader can tell apart too.
    paints = [drawing.PAINT[f"s{i % 4}"] for i in range(len(steps))]
    dashes = [([1, 0], [5, 3], [2, 2])[min(i // 4, 2)] for i in range(len(steps))]
    legend = alt.Legend(title=None, symbolType="stroke", symbolSize=300, symbolStrokeWidth=2)
    ticks = sorted({row["n"] for row in rows})
    scale = alt.Scale(type="log", domain=[ticks[0] / 1.2, ticks[-1] * 1.2], nice=False)
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("n:Q", scale=scale,
                axis=alt.Axis(title=f"{unit}, a logarithmic scale", values=ticks, format=",")),
        color=alt.Color("step:N", sort=steps, legend=legend, scale=alt.Scale(domain=steps, range=paints)),
    )  # fmt: skip
    line = base.mark_line(strokeWidth=1.8, point={"size": 26}).encode(
        y=alt.Y("score:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=metric, tickCount=5)),
        strokeDash=alt.StrokeDash(
            "step:N", sort=steps, legend=legend, scale=alt.Scale(domain=steps, range=dashes)
        ),
    )
    span = base.mark_rule(strokeWidth=1.2, opacity=0.45).encode(y=alt.Y("low:Q"), y2="high:Q")
    chart = (span + line).properties(width=2 * WIDTH, height=220)
    return drawing.svg(chart, "score by size of the data, a line a step")


def _point(score: Score, *, y: str, paint: str) -> dict[str, Any]:
    return {
        "y": y,
        "row": score.row,
        "value": score.value,
        "low": score.low,
        "high": score.high,
        "paint": drawing.PAINT[paint],
    }


def _drawable(score: Score) -> bool:
    return all(math.isfinite(figure) for figure in (score.value, score.low, score.high))


def _paint(row: str) -> str:
    if row == OURS:
        return "ours"
    return "soft" if is_ours(row) else "base"


def _dots(values: list[dict[str, Any]], order: list[str], title: str, rows: list[str] | None) -> Any:
    """Points with interval lines, a line a system; with `rows`, several systems a line."""
    alt = drawing.altair()
    paint = alt.Color("paint:N", scale=None)
    y: dict[str, Any] = {
        "y": alt.Y("y:N", sort=order, axis=alt.Axis(title=None, labelLimit=150, domain=False))
    }
    if rows is not None:
        y["yOffset"] = alt.YOffset("row:N", sort=rows)
    x = alt.X(
        "value:Q",
        scale=alt.Scale(zero=False, nice=True, padding=8),
        axis=alt.Axis(title=title, tickCount=4, labelOverlap="greedy"),
    )
    data = alt.Data(values=values)
    span = (
        alt.Chart(data)
        .mark_rule(strokeWidth=2, opacity=0.55)
        .encode(x=alt.X("low:Q"), x2="high:Q", color=paint, **y)
    )
    dot = alt.Chart(data).mark_circle(size=70, opacity=1).encode(x=x, color=paint, **y)
    step = ROW_HEIGHT if rows is None else 14 * len(rows) + 10
    return (span + dot).properties(width=WIDTH, height=step * len(order))


def _thinned(points: Curve) -> Curve:
    step = max(1, -(-len(points) // MAX_POINTS))
    return points if step == 1 else [*points[:-1:step], points[-1]]


def legend(scores: Scores, metric: str) -> list[tuple[str, str]]:
    """(CSS variable, row) of the systems in the buckets chart."""
    return [(f"s{i}", row) for i, row in enumerate(_rows_to_compare(scores, metric))]


def chart_metrics(scores: Scores, main: str, *, at_most: int = 3) -> list[str]:
    """The metrics worth a picture: the main one, then others that our row and a baseline both have."""
    named = dict.fromkeys(score.metric for score in scores if score.row == OURS and score.bucket == "all")
    others = [metric for metric in named if metric != main and best_baseline(scores, metric) is not None]
    return [main, *others][:at_most]
