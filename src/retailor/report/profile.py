"""The shop's profile as the page shows it: facts, small pictures of what is counted, and two tables."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from retailor.report import charts

Row = Mapping[str, Any]

_COUNTED = {
    "events_by_kind": "Events by kind",
    "ratings": "Reviews and ratings by stars",
    "labels": "Reviews by label",
    "items_by_events": "Items by their number of events",
}
_SEEN = ("rows", "n_users", "n_pairs", "n_items", "density", "first_time", "last_time", "rows_by_time",
         "languages", "missing", "duplicates", "rejects", "unread", "gaps",
         "events_per_user", *_COUNTED)  # fmt: skip


def profile_view(profile: Mapping[str, Any]) -> dict[str, Any]:
    """Facts, charts, tables, and under 'rest' whatever a profile holds that this page does not know."""
    drawn = [(title, profile[key]) for key, title in _COUNTED.items() if _is_counts(profile.get(key))]
    by_time = charts.time_chart(_rows(profile.get("rows_by_time")))
    return {
        "facts": _facts(profile),
        "charts": [
            *((title, charts.bars_chart(list(counts.items()), "")) for title, counts in drawn),
            *([("Rows over time", by_time)] if by_time else []),
        ],
        "tables": [
            (title, rows)
            for title, rows in (
                ("Languages, by table", _pivoted(_rows(profile.get("languages")))),
                ("Missing values, where there are any", _missing(_rows(profile.get("missing")))),
                ("Tables that do not match", _told(profile.get("gaps"))),
                ("Cells that could not be read, and are empty", _told(profile.get("unread"))),
            )
            if rows
        ],
        "rest": {key: value for key, value in profile.items() if key not in _SEEN},
    }


def _facts(profile: Mapping[str, Any]) -> list[tuple[str, Any]]:
    rows = profile.get("rows") if isinstance(profile.get("rows"), Mapping) else {}
    facts = [(name, n) for name, n in dict(rows or {}).items() if n and name != "rejects"]
    told = {name for name, _ in facts}
    facts += [
        (key, profile[key])
        for key in ("n_users", "n_items", "n_pairs")
        if key in profile and key[2:] not in told
    ]
    density = profile.get("density")
    if isinstance(density, float):
        facts.append(("pairs that are empty", _percent(1 - density)))
    first, last = str(profile.get("first_time") or ""), str(profile.get("last_time") or "")
    if first and last:
        facts.append(("time span", f"{first[:10]} – {last[:10]}"))
    quantiles = profile.get("events_per_user")
    if isinstance(quantiles, Mapping) and "median" in quantiles:
        facts.append(("events per user, median", quantiles["median"]))
    for key, name in (("duplicates", "duplicates"), ("rejects", "rows not readable")):
        counts = profile.get(key)
        if isinstance(counts, Mapping):
            facts.append((name, sum(n for n in counts.values() if isinstance(n, int))))
    return facts


def _is_counts(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and bool(value)
        and all(isinstance(n, (int, float)) for n in value.values())
    )


def _rows(value: Any) -> Sequence[Row]:
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, (list, tuple)) else []


def _pivoted(rows: Sequence[Row]) -> list[dict[str, str]]:
    """A line a table, a column a language."""
    languages = list(dict.fromkeys(str(row.get("language")) for row in rows))[:12]
    tables = dict.fromkeys(str(row.get("table")) for row in rows)
    share = {(str(row.get("table")), str(row.get("language"))): row.get("share", 0.0) for row in rows}
    return [
        {"table": table, **{name: _percent(share.get((table, name), 0.0)) for name in languages}}
        for table in tables
    ]


def _told(lines: Any) -> list[dict[str, str]]:
    """A row a line."""
    return [{"what": str(line)} for line in lines[:50]] if isinstance(lines, (list, tuple)) else []


def _missing(rows: Sequence[Row]) -> list[dict[str, str]]:
    """A line a table that misses anything: its columns, the emptiest first."""
    found: dict[str, list[str]] = {}
    for row in sorted(rows, key=lambda row: -float(row.get("share", 0))):
        if row.get("share"):
            found.setdefault(str(row.get("table")), []).append(
                f"{row.get('column')} {_percent(row['share'])}"
            )
    return [{"table": table, "missing": ", ".join(columns)} for table, columns in found.items()]


def _percent(share: float) -> str:
    text = f"{100 * share:.3g}" if share < 0.999 else f"{100 * share:.4g}"
    return f"{text}\u00a0%"
