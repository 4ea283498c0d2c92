"""A profile of a shop: what a merchant and a modeller should know before they train on it."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import polars as pl

from retailor.shop.joins import gaps
from retailor.shop.pseudonyms import personal_ids, personal_note
from retailor.shop.tables import NOT_FILLED, SCHEMAS, TIME, Shop
from retailor.shop.unread import unread_lines
from retailor.text.languages import LATIN_SCRIPT, script_of
from retailor.text.private import mask

COLD_BUCKETS = (("0", 0, 0), ("1–2", 1, 2), ("3–5", 3, 5), ("6–10", 6, 10), ("more", 11, None))
_QUANTILES = {"min": 0.0, "p25": 0.25, "median": 0.5, "p75": 0.75, "p90": 0.9, "p99": 0.99, "max": 1.0}
_TEXTS = {
    "items": ("title", "description"),
    "reviews": ("title", "text"),
    "questions": ("question", "answer"),
}
_MAX_TEXTS = 100_000
_MAX_STEPS = 48
_MAX_LINES = 20
_SCRIPT_NAMES = {
    LATIN_SCRIPT: "Latin script", "ru": "Cyrillic script", "ar": "Arabic script", "el": "Greek script",
    "he": "Hebrew script", "hi": "Devanagari", "th": "Thai script",
}  # fmt: skip
"""Of scripts that are no one language's."""


@dataclass(frozen=True)
class Profile:
    """The figures of `look`. Shares are of 1; times are ISO text in UTC."""

    rows: dict[str, int]
    n_users: int
    n_items: int
    """Items in the catalogue or in the events."""
    n_pairs: int
    """Distinct pairs of a user and an item in the events."""
    density: float | None
    """n_pairs / (users × items); 1 − sparsity. None without events."""
    events_by_kind: dict[str, int]
    events_per_user: dict[str, float]
    ratings: dict[str, int]
    labels: dict[str, int]
    items_by_events: dict[str, int]
    """How cold the items are: the number of items with 0, 1–2, … events."""
    stock: dict[str, int]
    """Items that there are some of ('in stock') or none, and those of which nothing is said; {} of all."""
    languages: list[dict[str, Any]]
    missing: list[dict[str, Any]]
    duplicates: dict[str, int]
    """Rows whose title (items) or text (reviews) already stood in an earlier row."""
    first_time: str | None
    last_time: str | None
    rows_by_time: list[dict[str, Any]]
    rejects: dict[str, int]
    unread: list[str]
    """Cells that could not be read and are null: by table, column and reason, with examples."""
    gaps: list[str]
    """Tables that do not join, in words."""
    personal_ids: dict[str, int]
    """How many customers' ids are an e-mail address ('email'), a phone number ('phone') and the like."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    def __str__(self) -> str:
        return "\n".join(_lines(self))


def look(shop: Shop) -> Profile:
    """The profile of a shop. Empty tables are fine; languages are counted on at most 100,000 rows a table."""
    events = shop.events
    # by 64-bit hashes: a table of all pairs of ids would take several times the memory of the events
    pairs = events.select("user_id", "item_id").drop_nulls().hash_rows(seed=0).n_unique()
    n_users = events["user_id"].drop_nulls().n_unique()
    counts = _events_per_item(shop)
    first, last = _span(shop)
    return Profile(
        rows={name: len(table) for name, table in shop.tables().items() if name != "unread"},
        n_users=n_users,
        n_items=len(counts),
        n_pairs=pairs,
        density=pairs / (n_users * len(counts)) if pairs else None,
        events_by_kind=_counted(events["kind"]),
        events_per_user=_quantiles(_rows_of_each(events, "user_id")["len"]),
        ratings=_ratings(shop),
        labels=_counted(shop.reviews["label"]),
        items_by_events=_cold(counts),
        stock=_stock(shop.items),
        languages=_languages(shop),
        missing=_missing(shop),
        duplicates={
            "items by title": _repeats(shop.items["title"]),
            "reviews by text": _repeats(shop.reviews["text"]),
        },
        first_time=first,
        last_time=last,
        rows_by_time=_by_time(shop),
        rejects=_reasons(shop),
        unread=unread_lines(shop.unread),
        gaps=[str(gap) for gap in gaps(shop)],
        personal_ids=personal_ids(shop),
    )


def _events_per_item(shop: Shop) -> pl.Series:
    """Events of each item of the catalogue and of the events."""
    known = pl.concat([shop.items["item_id"], shop.events["item_id"]]).drop_nulls().unique().to_frame()
    counts = _rows_of_each(shop.events, "item_id")
    return known.join(counts, on="item_id", how="left")["len"].fill_null(0)


def _rows_of_each(table: pl.DataFrame, column: str) -> pl.DataFrame:
    """How many rows have each value of a column that is not null; the rows are never copied all at once."""
    counts = table.lazy().select(column).drop_nulls().group_by(column).len()
    return counts.collect(engine="streaming")


def _cold(counts: pl.Series) -> dict[str, int]:
    if not len(counts):
        return {}
    return {
        name: int(((counts >= low) & (counts <= (high if high is not None else counts.max()))).sum())
        for name, low, high in COLD_BUCKETS
    }


def _counted(values: pl.Series) -> dict[str, int]:
    """Value to count, most frequent first; nulls left out."""
    counts = values.drop_nulls().value_counts(name="n").sort("n", values.name, descending=[True, False])
    return dict(counts.iter_rows())


def _quantiles(values: pl.Series) -> dict[str, float]:
    if not len(values):
        return {}
    return {name: float(values.quantile(q, "nearest") or 0) for name, q in _QUANTILES.items()}


def _ratings(shop: Shop) -> dict[str, int]:
    """Stars to count, of the reviews or, where these have none, of the events."""
    ratings = shop.reviews["rating"].drop_nulls()
    if not len(ratings):
        ratings = shop.events["rating"].drop_nulls()
    counts = ratings.value_counts(name="n").sort("rating")
    return {f"{stars:g}": n for stars, n in counts.iter_rows()}


def _missing(shop: Shop) -> list[dict[str, Any]]:
    """Share of rows without a value, by column of the tables with rows; empty lists and blank text count."""
    found = []
    for name in SCHEMAS:
        table = shop.tables()[name]
        if not len(table) or name in NOT_FILLED:
            continue
        for column, kind in table.schema.items():
            none = pl.col(column).is_null()
            if kind == pl.String:
                none = none | (pl.col(column).str.strip_chars() == "").fill_null(False)
            elif isinstance(kind, pl.List):
                none = none | (pl.col(column).list.len() == 0).fill_null(False)
            share = table.select(none.mean()).item()
            found.append({"table": name, "column": column, "share": round(float(share), 4)})
    return found


def _stock(items: pl.DataFrame) -> dict[str, int]:
    told = items["in_stock"]
    if told.null_count() == len(told):
        return {}
    n_some, n_none = int(told.sum()), int((~told).sum())
    return {"in stock": n_some, "out of stock": n_none, "not said": len(told) - n_some - n_none}


def _repeats(values: pl.Series) -> int:
    values = values.drop_nulls().str.strip_chars().str.to_lowercase()
    values = values.filter(values != "")
    return len(values) - values.n_unique()


def _languages(shop: Shop) -> list[dict[str, Any]]:
    """Rows a language, of the column where it is filled, else told by the script of the text."""
    found = []
    for name, columns in _TEXTS.items():
        table = shop.tables()[name]
        if not len(table):
            continue
        step = -(-len(table) // _MAX_TEXTS)
        text = pl.concat_str([pl.col(c).str.slice(0, 300).fill_null("") for c in columns], separator=" ")
        told = table.gather_every(step).select(
            pl.coalesce(pl.col("language"), script_of(text).replace(_SCRIPT_NAMES))
            .fill_null("no letters")
            .alias("language")
        )
        for language, n in _counted(told["language"]).items():
            found.append({"table": name, "language": language, "share": round(n / len(told), 4)})
    return found


def _times(shop: Shop) -> dict[str, pl.Series]:
    """The times of the rows that have one by table: of the events, or else of reviews and questions."""
    names = ("events",) if len(shop.events) else ("reviews", "questions")
    times = {name: shop.tables()[name]["time"].drop_nulls() for name in names}
    return {name: each for name, each in times.items() if len(each)}


def _span(shop: Shop) -> tuple[str | None, str | None]:
    times = _times(shop).values()
    if not times:
        return None, None
    every = pl.concat(pl.Series([each.min(), each.max()], dtype=TIME) for each in times)
    ends = pl.Series([every.min(), every.max()]).dt.strftime("%Y-%m-%dT%H:%M:%SZ")
    return ends[0], ends[1]


def _by_time(shop: Shop) -> list[dict[str, Any]]:
    """Rows a step of time, at most 48 steps of a round length."""
    times = _times(shop)
    if not times:
        return []
    first, last = (pl.Series([f(each) for each in times.values()]) for f in (pl.Series.min, pl.Series.max))
    days = float((last.max() - first.min()).total_seconds() // 3600) / 24  # type: ignore[operator,union-attr]
    steps = (("1h", 1 / 24), ("6h", 0.25), ("1d", 1), ("1w", 7), ("1mo", 30), ("1q", 91), ("1y", 365))
    step = next((name for name, length in steps if days / length <= _MAX_STEPS), "1y")
    found = []
    for name, each in times.items():
        counts = each.to_frame("time").lazy().group_by(pl.col("time").dt.truncate(step)).len()
        rows = counts.collect(engine="streaming").sort("time").iter_rows()
        found += [{"table": name, "time": f"{time:%Y-%m-%dT%H:%M}", "n": n} for time, n in rows]
    return sorted(found, key=lambda row: row["table"])


def _reasons(shop: Shop) -> dict[str, int]:
    """Reasons with the values in them left out, most frequent first."""
    kinds = _counted(shop.rejects["reason"].str.replace_all(r"'[^']*'|\"[^\"]*\"|\d+", "…"))
    told: Counter[str] = Counter()
    for reason, n in kinds.items():
        told[mask(reason)] += n
    return dict(told.most_common())


def _lines(profile: Profile) -> list[str]:
    rows = ", ".join(f"{n:,} {name}" for name, n in profile.rows.items() if n and name != "rejects")
    lines = [f"rows         {rows or 'none'}"]

    def add(label: str, text: str) -> None:
        if text:
            lines.append(f"{label:<13}{text}")

    def listed(values: dict[str, int]) -> str:
        total = sum(values.values())
        return ", ".join(f"{name} {n:,} ({n / total:.1%})" for name, n in values.items() if total)

    if profile.density is not None:
        add("customers", f"{profile.n_users:,}; items {profile.n_items:,}; density {profile.density:.4%}")
    add("events", listed(profile.events_by_kind))
    add("a customer", ", ".join(f"{name} {value:g}" for name, value in profile.events_per_user.items()))
    add("cold items", listed(profile.items_by_events) + (" by number of events" if profile.density else ""))
    add("stock", listed({name: n for name, n in profile.stock.items() if n}))
    add("stars", listed(profile.ratings))
    add("labels", listed(profile.labels))
    for table in dict.fromkeys(entry["table"] for entry in profile.languages):
        told = [f"{e['language']} {e['share']:.1%}" for e in profile.languages if e["table"] == table]
        add("languages", f"{table}: {', '.join(told)}")
    for table in dict.fromkeys(entry["table"] for entry in profile.missing):
        gaps = [e for e in profile.missing if e["table"] == table and e["share"]]
        gaps.sort(key=lambda entry: -entry["share"])
        add(
            "missing",
            f"{table}: " + (", ".join(f"{e['column']} {e['share']:.1%}" for e in gaps) or "nothing"),
        )
    add("duplicates", ", ".join(f"{n:,} {name}" for name, n in profile.duplicates.items() if n))
    if profile.first_time:
        add("time", f"{profile.first_time[:16]} to {(profile.last_time or '')[:16]} UTC")
    add("personal", personal_note(profile.personal_ids, None))
    n_rejects = profile.rows.get("rejects", 0)
    add("rejects", f"{n_rejects:,}" if n_rejects else "none")
    lines += [f"{'':<13}{n:,} × {reason}" for reason, n in list(profile.rejects.items())[:10]]
    for line in profile.unread[:_MAX_LINES]:
        add("unread", line)
    for line in profile.gaps:
        add("gaps", line)
    return lines


def picture(profile: Profile, path: str | Path) -> None:
    """Draws the profile to `path`, a .png or .svg file. Raises MissingExtra without altair and vl-convert."""
    from retailor.shop.picture import draw

    draw(profile, Path(path))
