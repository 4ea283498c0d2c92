"""The picture of a profile, through altair."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from retailor.errors import ConfigError, MissingExtra

if TYPE_CHECKING:
    from retailor.shop.look import Profile

_BLUE = "#2a6f97"
_WIDTH, _HEIGHT = 300, 170


def draw(profile: Profile, path: Path) -> None:
    """Writes `path`, a .png (twice the pixels) or .svg file.

    Raises MissingExtra when altair or vl-convert is absent, ConfigError on another kind of file.
    """
    if path.suffix not in (".png", ".svg"):
        raise ConfigError(f"picture: '{path.name}' must end in .png or .svg.", key="path", value=str(path))
    try:
        import altair as alt
        import vl_convert  # noqa: F401
    except ImportError:
        raise MissingExtra("altair or vl-convert", install="pip install 'retailor[report]'") from None
    panels = _panels(alt, profile)
    chart: Any = alt.concat(*panels, columns=2, spacing=35)
    if profile.rejects:  # its long labels would push the columns apart
        reasons = dict(list(profile.rejects.items())[:8])
        chart = alt.vconcat(chart, _reasons(alt, reasons), spacing=35)
    chart = chart.properties(title=_title(profile)).configure_view(stroke=None)
    path.parent.mkdir(parents=True, exist_ok=True)
    chart = chart.configure_axis(grid=False, labelFontSize=11, titleFontSize=11)
    chart = chart.configure_title(anchor="start", fontSize=13, offset=10)
    if path.suffix == ".png":
        chart.save(str(path), scale_factor=2)
    else:
        chart.save(str(path))


def _title(profile: Profile) -> str:
    rows = ", ".join(f"{n:,} {name}" for name, n in profile.rows.items() if n)
    return f"The shop: {rows or 'no rows'}"


def _panels(alt: Any, profile: Profile) -> list[Any]:
    """One small chart for each thing that the shop has."""
    counted = (
        ("Rows by time", None),
        ("Events by kind", profile.events_by_kind),
        ("Stars", profile.ratings),
        ("Labels of reviews", profile.labels),
        ("Items by number of events", profile.items_by_events),
        ("Events of a customer (quantiles)", profile.events_per_user),
    )
    panels = []
    for title, values in counted:
        if values is None and profile.rows_by_time:
            panels.append(_over_time(alt, title, profile.rows_by_time))
        elif values:
            panels.append(_bars(alt, title, values))
    if any(entry["share"] for entry in profile.missing):
        panels.append(_shares(alt, "Missing values", profile.missing))
    return panels or [_bars(alt, "Rows", profile.rows)]


def _bars(alt: Any, title: str, values: dict[str, Any]) -> Any:
    data = alt.Data(values=[{"name": name, "n": n, "text": f"{n:,.6g}"} for name, n in values.items()])
    base = alt.Chart(data, title=title).encode(
        x=alt.X("name:N", sort=None, title=None, axis=alt.Axis(labelAngle=0)),
        y=alt.Y("n:Q", title=None, axis=alt.Axis(format="~s", tickCount=4)),
    )
    bars = base.mark_bar(color=_BLUE, size=min(46, _WIDTH // (len(values) + 1)))
    words = base.mark_text(dy=-6, fontSize=10).encode(text="text:N")
    return (bars + words).properties(width=_WIDTH, height=_HEIGHT)


def _reasons(alt: Any, values: dict[str, int]) -> Any:
    """Thin bars with their words above them, for reasons are too long to stand beside."""
    rows = [{"name": name, "n": n, "text": f"{n:,} × {name[:90]}"} for name, n in values.items()]
    base = alt.Chart(alt.Data(values=rows), title="Rejects by reason").encode(
        y=alt.Y("name:N", sort=None, axis=None)
    )
    bars = base.mark_bar(color=_BLUE, size=7).encode(x=alt.X("n:Q", axis=None))
    words = base.mark_text(align="left", dy=-11, fontSize=11).encode(x=alt.value(0), text="text:N")
    return (bars + words).properties(width=2 * _WIDTH, height=34 * len(rows))


def _over_time(alt: Any, title: str, rows: list[dict[str, Any]]) -> Any:
    many = len({row["table"] for row in rows}) > 1
    encode = {
        "x": alt.X("time:T", title=None, axis=alt.Axis(labelOverlap=True, tickCount=6)),
        "y": alt.Y("n:Q", title=None, axis=alt.Axis(format="~s", tickCount=4)),
    }
    if many:
        encode["color"] = alt.Color("table:N", title=None, legend=alt.Legend(orient="top"))
    chart = alt.Chart(alt.Data(values=rows), title=title).mark_line(
        **({} if many else {"color": _BLUE}), point=len(rows) < 20
    )
    return chart.encode(**encode).properties(width=_WIDTH, height=_HEIGHT)


def _shares(alt: Any, title: str, missing: list[dict[str, Any]]) -> Any:
    """Columns with gaps, the emptiest first, at most 14."""
    gaps = sorted((e for e in missing if e["share"]), key=lambda e: -e["share"])[:14]
    data = alt.Data(
        values=[
            {"name": f"{e['table']}.{e['column']}", "share": e["share"], "text": _percent(e["share"])}
            for e in gaps
        ]
    )
    base = alt.Chart(data, title=title).encode(
        y=alt.Y("name:N", sort=None, title=None, axis=alt.Axis(labelLimit=160)),
        x=alt.X(
            "share:Q", title=None, scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%", tickCount=4)
        ),
    )
    words = base.mark_text(align="left", dx=3, fontSize=10).encode(text="text:N")
    return (base.mark_bar(color=_BLUE) + words).properties(width=_WIDTH, height=max(_HEIGHT, 16 * len(gaps)))


def _percent(share: float) -> str:
    return "< 1%" if share < 0.01 else f"{share:.0%}"
