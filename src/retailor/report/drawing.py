"""How a chart becomes a picture of the page: drawn once by Vega, in colours that are CSS variables."""

from __future__ import annotations

import re
from typing import Any

from retailor.errors import MissingExtra

# Vega wants real colours: each of these is one that no chart shows, and stands for a CSS variable.
PAINT = {
    "text": "#010203",
    "line": "#040506",
    "ours": "#070809",
    "base": "#0a0b0c",
    "soft": "#0d0e0f",
    "s0": "#101112",
    "s1": "#131415",
    "s2": "#161718",
    "s3": "#191a1b",
    "good": "#1c1d1e",
    "bad": "#1f2021",
}


def altair() -> Any:
    """The package altair. Raises MissingExtra where it is not installed."""
    try:
        import altair
    except ImportError:
        raise MissingExtra(
            "altair, which draws the report's charts,", install="pip install 'retailor[report]'"
        ) from None
    return altair


def svg(chart: Any, label: str) -> str:
    """The chart as one <svg> element that takes its colours from the page and is read out as `label`."""
    try:
        import vl_convert
    except ImportError:
        raise MissingExtra(
            "vl-convert, which draws the charts,", install="pip install 'retailor[report]'"
        ) from None
    drawn = vl_convert.vegalite_to_svg(_styled(chart).to_dict())
    for name, colour in PAINT.items():
        drawn = drawn.replace(colour, "currentColor" if name == "text" else f"var(--{name})")
    drawn = re.sub(r' (?:aria-[a-z]+|role)="[^"]*"', "", drawn)  # read out as one, by its own label
    drawn = re.sub(r' xmlns:xlink="[^"]*"| xmlns="[^"]*"', "", drawn)
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{_attribute(label)}" ', drawn, count=1)


def _attribute(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")


def _styled(chart: Any) -> Any:
    text, line = PAINT["text"], PAINT["line"]
    return (
        chart.configure(background="transparent", font="sans-serif", padding=4)
        .configure_view(stroke=None)
        .configure_axis(
            labelColor=text,
            titleColor=text,
            labelFontSize=12,
            titleFontSize=12,
            titleFontWeight="normal",
            gridColor=line,
            domainColor=line,
            tickColor=line,
            gridOpacity=1,
        )
        .configure_axisY(grid=True)
        .configure_legend(labelColor=text, labelFontSize=12)
    )
