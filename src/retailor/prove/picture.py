"""The picture of a ledger, and the folder it is written to."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from retailor.errors import MissingExtra
from retailor.prove.figures import Row
from retailor.prove.ledger import Ledger

_BLUE, _GREY, _RED = "#2a6f97", "#9aa5b1", "#b23a48"
_WIDTH, _ROW_HEIGHT = 260, 26
_APART = 1.02
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

    Then each kind of cases, by its curve or, of one size, by a panel; one with too few cases is left out. A
    step is blue where its gain on the row above is told apart from zero, red where it is a loss.
    """
    try:
        import altair as alt
        import vl_convert  # noqa: F401
    except ImportError:
        raise MissingExtra("altair or vl-convert", install="pip install 'retailor[report]'") from None
    sizes = ledger.sizes()
    panels = [_panel(alt, ledger, ledger.rows, n, first=n == sizes[0]) for n in sizes]
    below = [_curve(alt, ledger, ledger.rows, _TITLE)] if len(sizes) > 1 else []
    for kind in (kind for kind in ledger.kinds if kind.rows):
        known = list(dict.fromkeys(row.n for row in kind.rows))
        title = f"Only {kind.name}: {kind.about}"
        if len(known) > 1:
            below.append(_curve(alt, ledger, kind.rows, title))
        else:
            title = f"{title}, with {known[0]:,} {ledger.unit}"
            below.append(_panel(alt, ledger, kind.rows, known[0], first=True, title=title))
    chart: Any = alt.hconcat(*panels, spacing=24)
    if below:
        chart = alt.vconcat(chart, *below, spacing=30).resolve_scale(color="independent")
    title = f"What each step was worth: {ledger.task} with {ledger.encoder}"
    chart = chart.properties(title=title).configure_view(stroke=None)
    chart = chart.configure_title(anchor="start", fontSize=13, offset=10)
    path.parent.mkdir(parents=True, exist_ok=True)
    chart.save(str(path))


def _panel(
    alt: Any, ledger: Ledger, some: Sequence[Row], n: int, *, first: bool, title: str | None = None
) -> Any:
    rows = [row for row in some if row.n == n]
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
    told = alt.TitleParams(title or f"{n:,} {ledger.unit}", fontSize=12)
    return (span + dot).properties(width=_WIDTH, height=alt.Step(_ROW_HEIGHT), title=told)


def _colour(row: Any) -> str:
    if row.gain is None or not row.told_apart():
        return _GREY
    return _BLUE if row.gain > 0 else _RED


def _curve(alt: Any, ledger: Ledger, rows: Sequence[Row], title: str) -> Any:
    """How much data each step needs: its score by the size of the data; dashed without a language model.

    The lines of one size stand a little apart, so that their intervals can be told from each other.
    """
    steps = list(dict.fromkeys(row.step for row in rows))
    values = [
        {"step": row.step, "n": row.n * _APART ** (steps.index(row.step) - (len(steps) - 1) / 2),
         "score": row.score, "low": row.low, "high": row.high,
         "model": "with" if row.has_model else "without"}
        for row in rows
    ]  # fmt: skip
    ticks = sorted({row.n for row in rows})
    ways = alt.Scale(domain=["with", "without"], range=[[1, 0], [5, 3]])
    scale = alt.Scale(type="log", domain=[ticks[0] / 1.2, ticks[-1] * 1.2], nice=False)
    base = alt.Chart(alt.Data(values=values)).encode(
        x=alt.X("n:Q", scale=scale, axis=alt.Axis(values=ticks, format=",", title=ledger.unit)),
        color=alt.Color("step:N", sort=steps, legend=alt.Legend(title=None)),
    )
    line = base.mark_line(point=True).encode(
        y=alt.Y("score:Q", scale=alt.Scale(zero=False), axis=alt.Axis(title=ledger.metric, tickCount=5)),
        strokeDash=alt.StrokeDash("model:N", scale=ways, legend=None),
    )
    span = base.mark_rule(opacity=0.45).encode(y=alt.Y("low:Q"), y2="high:Q")
    told = alt.TitleParams(title, fontSize=12)
    return (span + line).properties(width=2 * _WIDTH, height=240, title=told)
