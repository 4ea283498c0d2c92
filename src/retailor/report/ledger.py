"""What each step of transfer was worth, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retailor.report import charts

Row = Mapping[str, Any]
PAYS = "With {n} {unit} the language model pays: {model} is {points} points ahead of {control}."
COSTS = (
    "With {n} {unit} the language model costs: {model} is {points} points from {control}, which needs none."
)
LEVEL = "With {n} {unit} {control} is enough: {model} cannot be told from it ({points} points)."
ALONE = "With {n} {unit}:"
STOP = "Stop at {stop}: what comes after it, up to {best}, is not better beyond chance."
LAST = "Stop at {stop}: nothing cheaper comes as far."


def ledger_view(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of a ledger as plain values: its advice and verdicts, a table and a chart a size, and the curve.

    The curve, score by size of the data, is '' where there is one size alone.
    """
    rows: Sequence[Row] = told["rows"]
    unit, metric = str(told["unit"]), str(told["metric"])
    sizes = list(dict.fromkeys(int(row["n"]) for row in rows))
    return {
        "task": told["task"],
        "encoder": told["encoder"],
        "unit": unit,
        "metric": metric,
        "advice": [_advice(each) for each in told["findings"]],
        "n_looks": max((int(each["n_looks"]) for each in told["findings"]), default=1),
        "verdicts": [_parts(verdict) for verdict in told["verdicts"]],
        "notes": told["notes"],
        "foretold": [_parts(each) for each in told["foretold"]],
        "sizes": [_size(n, [row for row in rows if row["n"] == n], metric, unit) for n in sizes],
        "curve": charts.efficiency_chart(rows, metric, unit) if len(sizes) > 1 else "",
        "kinds": [_kind(each, metric, unit) for each in told.get("kinds", ())],
        "n_seeds": max((int(row["n_seeds"]) for row in rows), default=0),
        "n_test": max((int(row["n_test"]) for row in rows), default=0),
    }


def _kind(told: Mapping[str, Any], metric: str, unit: str) -> dict[str, Any]:
    """Cases of one kind: how many and what they say, by size; and a curve, or a chart of one size."""
    rows: Sequence[Row] = told["rows"]
    cases = {int(n): int(count) for n, count in told["cases"]}
    sizes = list(dict.fromkeys(int(row["n"]) for row in rows))
    chart = ""
    if len(sizes) > 1:
        chart = charts.efficiency_chart(rows, metric, unit)
    elif sizes:
        chart = charts.steps_chart(rows, metric, f"score of each step with {sizes[0]:,} {unit}")
    return {
        "name": told["name"],
        "about": told["about"],
        "advice": [{**_advice(each), "cases": cases[int(each["n"])]} for each in told["findings"]],
        "few": [{"n": n, "cases": count} for n, count in cases.items() if n not in sizes],
        "chart": chart,
    }


def _advice(finding: Mapping[str, Any]) -> dict[str, Any]:
    """A finding as sentences to fill: what the language model is worth, and where to stop."""
    low, high = finding["gain_low"], finding["gain_high"]
    sentence = ALONE if low is None else PAYS if low > 0 else COSTS if high < 0 else LEVEL
    return {
        **finding,
        "sentence": sentence,
        "points": "" if low is None else _points(finding["gain"], low, high),
        "last": STOP if finding["stop"] != finding["best"] else LAST,
    }


def _points(value: float, low: float, high: float) -> str:
    half = 50 * (high - low)
    digits = 2 if 0.005 <= half < 0.5 else 1
    return f"{100 * value:+.{digits}f} ± {half:.{digits}f}"


def _parts(verdict: str) -> tuple[str, str]:
    """(step, what it was worth) of a verdict 'step: words'."""
    step, _, said = verdict.partition(": ")
    return (step, said) if said else ("", verdict)


def _size(n: int, rows: Sequence[Row], metric: str, unit: str) -> dict[str, Any]:
    return {
        "n": n,
        "rows": [_line(row) for row in rows],
        "chart": charts.steps_chart(rows, metric, f"score of each step with {n:,} {unit}"),
    }


def _line(row: Row) -> dict[str, Any]:
    cost = row["cost"]
    gain, low, high = row["gain"], row["gain_low"], row["gain_high"]
    digits = 1 if gain is None or high - low >= 0.01 else 2
    return {
        "step": row["step"],
        "stop": "stop" in row["mark"],
        "score": f"{row['score']:.4f}",
        "range": f"{row['low']:.4f} – {row['high']:.4f}",
        "gain": None if gain is None else f"{100 * gain:+.{digits}f}",
        "gain_range": None if gain is None else f"{100 * low:+.{digits}f} to {100 * high:+.{digits}f}",
        "mark": charts.worth(row),
        "seconds": cost["seconds"] + cost["shared_seconds"],
        "examples": round(cost["examples_seen"]),
        "weights": cost["parameters_trained"],
    }
