"""Values as people read them: figures, times, sizes, names, and how the template shows each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def figure(value: float, n_decimals: int) -> str:
    """A figure of a results table."""
    return f"{value:,.{n_decimals}f}" if math.isfinite(value) else "–"


def plain(value: Any, key: Any = "") -> str:
    """Any single value as people read it; `key` tells a size in bytes."""
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if not isinstance(value, (int, float)):
        return str(value)
    if not math.isfinite(value):
        return "–"
    if str(key).endswith("_bytes"):
        return _bytes(value)
    if value == int(value):
        return f"{int(value):,}"
    if 0 < abs(value) < 0.001:
        return f"{value:.2g}"
    return f"{value:.4f}".rstrip("0") if abs(value) < 10 else f"{value:,.1f}"


def _bytes(value: float) -> str:
    for unit in ("B", "kB", "MB"):
        if value < 1000:
            return f"{value:.3g} {unit}"
        value /= 1000
    return f"{value:,.3g} GB"


def is_short(value: Any) -> bool:
    """Whether a value is a figure or a word or two."""
    return kind_of(value) == "figure" or (isinstance(value, str) and len(value) <= 24)


def is_handful(value: Any) -> bool:
    """Whether a value is a few named figures, such as three probabilities."""
    return isinstance(value, Mapping) and len(value) <= 5 and all(map(is_short, value.values()))


def seconds(value: float) -> str:
    """A time as people say it."""
    if value < 60:
        return f"{value:.1f} s"
    minutes, rest = divmod(round(value), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def words(name: Any) -> str:
    """A key as words: 'n_items' becomes 'Items', 'size_bytes' becomes 'Size', 'texts_per_s' 'Texts per s'."""
    text = str(name).removeprefix("n_").removesuffix("_bytes").replace("_", " ").replace("-", " ").strip()
    return text[:1].upper() + text[1:]


def kind_of(value: Any) -> str:
    """How the template shows a value: 'table', 'list', 'group', 'text' or 'figure'."""
    if isinstance(value, Mapping):
        return "group"
    if isinstance(value, (list, tuple)):
        maps = [each for each in value if isinstance(each, Mapping)]
        flat = all(not isinstance(part, (Mapping, list)) for each in maps for part in each.values())
        return "table" if maps and len(maps) == len(value) and flat else "list"
    return "text" if isinstance(value, str) else "figure"
