"""What compression saved and what it cost, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeGuard

from retailor.metrics.scores import Scores
from retailor.report import charts

_NEARNESS = {
    "cosine_mean": "cosine to the original, on average",
    "cosine_min": "cosine to the original, at worst",
    "overlap_10": "of the ten nearest texts kept",
    "n": "texts compared",
}
_SEEN = {
    *("name", "weights", "embeddings", "parity", "size_before_bytes", "size_after_bytes", "size_ratio"),
    *("texts_per_s", "speed_ratios", "n_speed", "scores", "search"),
}


def compression_view(told: Mapping[str, Any]) -> dict[str, Any]:
    """Facts, charts, a results table a task ('scores'), and under 'rest' what this page does not know."""
    parity = told["parity"] if isinstance(told.get("parity"), Mapping) else {}
    facts = [
        (name, told[key])
        for key, name in {"size_ratio": "times smaller"}.items()
        if _is_number(told.get(key))
    ]
    ratios = told.get("speed_ratios")
    if isinstance(ratios, Mapping):
        facts += [(f"times faster than {name}", ratio) for name, ratio in ratios.items() if _is_number(ratio)]
    facts += [(name, parity[key]) for key, name in _NEARNESS.items() if key in parity]
    return {
        "facts": facts,
        "charts": _charts(told),
        "scores": _scores(told.get("scores")),
        "tried": _tried(told.get("search")),
        "why": _why(told.get("search")),
        "rest": {key: value for key, value in told.items() if key not in _SEEN},
        "model": ", ".join(str(told[key]) for key in ("name", "weights") if told.get(key)),
    }


def _charts(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    drawn = []
    before, after = told.get("size_before_bytes"), told.get("size_after_bytes")
    if _is_number(before) and _is_number(after):
        parts = [("original", before / 1e6), ("compressed", after / 1e6)]
        drawn.append(("Size", charts.bars_chart(parts, "MB")))
    if _tried(told.get("search")):
        search = told["search"]
        drawn.append(("Search", charts.frontier_chart(search["candidates"], search["keep"])))
        return drawn
    speeds = told.get("texts_per_s")
    if isinstance(speeds, Mapping) and speeds and all(map(_is_number, speeds.values())):
        drawn.append(("Speed", charts.bars_chart(list(speeds.items()), "texts a second")))
    return drawn


def _tried(search: Any) -> list[dict[str, Any]]:
    """A row for each encoder that was tried; none where none was searched for."""
    if not isinstance(search, Mapping):
        return []
    return [
        {
            "name": one["name"],
            "megabytes": one["size_bytes"] / 1e6,
            "texts_per_s": one["texts_per_s"],
            "one_ms": one["one_ms"],
            "nearest kept": one["parity"]["overlap_10"],
            **{f"{task} kept": share["value"] for task, share in one["kept"].items()},
        }
        for one in search["candidates"]
    ]


def _why(search: Any) -> str:
    """Why the encoder was taken, and what a smaller vocabulary did to texts that had no say in it."""
    if not _tried(search):
        return ""
    pieces = search.get("pieces")
    return str(search["why"]) + (f" {pieces['told']}." if isinstance(pieces, Mapping) else "")


def _scores(told: Any) -> dict[str, Scores]:
    """A task's scores before ('retailor') and after ('compressed')."""
    if not isinstance(told, Mapping):
        return {}
    return {
        str(task): rows if isinstance(rows, Scores) else Scores.from_dicts(rows)
        for task, rows in told.items()
    }


def _is_number(value: Any) -> TypeGuard[float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
