"""The picture of a ledger, and the folder it is written to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from retailor.errors import MissingExtra
from retailor.prove.ledger import Ledger

_BLUE, _GREY, _RED = "#2a6f97", "#9aa5b1", "#b23a48"
_WIDTH, _ROW_HEIGHT = 260, 26
_TITLE = "How much data each step needs (dashed: without a language model)"


def write_ledger(ledger: Ledger, folder: Path) -> None:
    """Writes `ledger.json`, `ledger.txt` and `ledger.svg` into the folder.

    Raises MissingExtra when altair or vl-convert is absent; the other two files are there by then.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(ledger.to_dict(), indent=1, ensure_ascii=False)
    (folder / "ledger.json").write_text(text + "\n", encoding="utf-8")
    (folder / "ledger.txt").write_text(f"{ledger}\n", encoding="utf-8")
    draw(ledger, folder / "ledger.svg")


def draw(ledger: Ledger, path: Path) -> None:
    """A panel a size of the data: the score of each step with its interval; the curve over sizes below.

    A step is blue where its gain on the row above is told apart from zero, red where it is a loss.
    """
    try:
        import altair as alt
        import vl_convert  # noqa: F401
    except ImportError:
        raise MissingExtra("altair or vl-convert", install="pip install 'retailor[report]'") from None
    sizes = ledger.sizes()
    panels = [_panel(alt, ledger, n, first=n == sizes[0]) for n in sizes]
    chart: Any = alt.hconcat(*panels, spacing=24)
    if len(sizes) > 1:
        chart = alt.vconcat(chart, _curve(alt, ledger), spacing=30).resolve_scale(color="independent")
    title = f"What each step was worth: {ledger.task} with {ledger.encoder}"
    chart = chart.properties(title=title).configure_view(stroke=None)
    chart = chart.configure_title(anchor="start", fontSize=13, offset=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(path))


def _panel(alt: Any, ledger: Ledger, n: int, *, first: bool) -> Any:
    rows = [row for row in ledger.rows if row.n == n]
    values = [
        {"step": row.step, "score": row.score, "low": row.low, "high": row.high, "colour": _colour(row)}
        for row in rows
    ]
    axis = alt.Axis(title=None, labels=first, ticks=False, domain=False, labelLimit=160)
    base = alt.Chart(alt.Data(values=values)).encode(
        y=alt.Y("step:N", sort=[row.step for row in rows], axis=axis),
        color=alt.Color("colour:N", scale=None),
    )
    scale = alt.Scale(zero=False, nice=True, padding=6)
    span = base.mark_rule(strokeWidth=2).encode(x=alt.X("low:Q", scale=scale), x2="high:Q")
    dot = base.mark_circle(size=70, opacity=1).encode(
        x=alt.X("score:Q", scale=scale, axis=alt.Axis(title=ledger.metric, tickCount=4))
    )
    title = alt.TitleParams(f"{n:,} {ledger.unit}", fontSize=12)
    return (span + dot).properties(width=_WIDTH, height=alt.Step(_ROW_HEIGHT), title=title)


def _colour(row: Any) -> str:
    if row.gain is None or not row.told_apart():
        return _GREY
    return _BLUE if row.gain > 0 else _RED


def _curve(alt: Any, ledger: Ledger) -> Any:
    """How much data each step needs: its score by the size of the data; dashed without a language model."""
    values = [
        {"step": row.step, "n": row.n, "score": row.score, "model": "with" if row.has_model else "without"}
        for row in ledger.rows
    ]
    steps = list(dict.fromkeys(row.step for row in ledger.rows))
    ways = alt.Scale(domain=["with", "without"], range=[[1, 0], [5, 3]])
    dash = alt.StrokeDash("model:N", scale=ways, legend=None)
    return (
        alt.Chart(alt.Data(values=values))
        .mark_line(point=True)
        .encode(
            x=alt.X("n:Q", scale=alt.Scale(type="log"), axis=alt.Axis(tickCount=5, title=ledger.unit)),
            y=alt.Y("score:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=ledger.metric, tickCount=5)),
            color=alt.Color("step:N", sort=steps, legend=alt.Legend(title=None)),
            strokeDash=dash,
        )
        .properties(width=2 * _WIDTH, height=240, title=_TITLE)
    )
