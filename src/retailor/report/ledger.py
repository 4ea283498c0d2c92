"""What each step of transfer was worth, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retailor.report import charts

Row = Mapping[str, Any]


def ledger_view(told: Mapping[str, Any]) -> dict[str, Any]:
    """Of a ledger as plain values: its verdicts, a table and a chart a number of labels, and the curve.

    The curve, score by number of labels, is '' where there is one number alone.
    """
    rows: Sequence[Row] = told["rows"]
    sizes = list(dict.fromkeys(int(row["n_labels"]) for row in rows))
    return {
        "task": told["task"],
        "encoder": told["encoder"],
        "verdicts": [_parts(verdict) for verdict in told["verdicts"]],
        "sizes": [_size(n, [row for row in rows if row["n_labels"] == n]) for n in sizes],
        "curve": charts.efficiency_chart(rows) if len(sizes) > 1 else "",
        "n_seeds": max((int(row["n_seeds"]) for row in rows), default=0),
        "n_test": max((int(row["n_test"]) for row in rows), default=0),
    }


def _parts(verdict: str) -> tuple[str, str]:
    """(step, what it was worth) of a verdict 'step: words'."""
    step, _, said = verdict.partition(": ")
    return (step, said) if said else ("", verdict)


def _size(n_labels: int, rows: Sequence[Row]) -> dict[str, Any]:
    return {
        "n_labels": n_labels,
        "rows": [_line(row) for row in rows],
        "chart": charts.steps_chart(rows, f"accuracy with {n_labels:,} labels"),
    }


def _line(row: Row) -> dict[str, Any]:
    cost = row["cost"]
    gain = row["gain"]
    return {
        "step": row["step"],
        "score": f"{row['score']:.4f}",
        "range": f"{row['low']:.4f} – {row['high']:.4f}",
        "gain": None if gain is None else f"{100 * gain:+.1f}",
        "gain_range": None
        if gain is None
        else f"{100 * row['gain_low']:+.1f} to {100 * row['gain_high']:+.1f}",
        "mark": charts.worth(row),
        "seconds": cost["seconds"] + cost["shared_seconds"],
        "examples": round(cost["examples_seen"]),
        "weights": cost["parameters_trained"],
    }
