"""A summary of an item's reviews in their own sentences: what most speak of, praise and blame as they are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import polars as pl

from retailor.insight.complaints import QUOTED, Quote, different
from retailor.insight.figures import says

LEAST_VOICES = 2
_WORDS_FROM, _WORDS_TO = 4, 30


@dataclass(frozen=True)
class Said:
    """A cited sentence, and the aspects that it stands for: (aspect, 'negative' or 'positive')."""

    quote: Quote
    says: str
    aspects: tuple[int, ...]


@dataclass(frozen=True)
class Summary:
    """Of `n` opinions about aspects of the item so many praise and blame; the sentences keep these shares."""

    item_id: str
    n_voices: int
    n_positive: int
    n_negative: int
    said: tuple[Said, ...]


def summaries_of(quoted: pl.DataFrame, opinions: pl.DataFrame, n_sentences: int) -> list[Summary]:
    """A summary of each item of which two customers or more speak, the most spoken of first.

    Sentences are chosen one by one, as many of praise and of blame as their shares give (the largest rest
    takes the last one): each time the one that stands for the most opinions that no chosen sentence stands
    for yet, of equals the more certain one.
    """
    clear = pl.col("says") != "neutral"
    counts = {
        item_id: (n, good, bad)
        for item_id, n, good, bad in opinions.group_by("item_id")
        .agg(
            pl.col("row").n_unique(),
            good=(pl.col("says") == "positive").sum(),
            bad=(pl.col("says") == "negative").sum(),
        )
        .iter_rows()
    }
    weights = {
        (item_id, aspect, side): n
        for item_id, aspect, side, n in opinions.filter(clear)
        .group_by("item_id", "aspect", "says")
        .len()
        .iter_rows()
    }
    candidates = _candidates(quoted, opinions)
    found = []
    for (item_id,), rows in candidates.group_by("item_id", maintain_order=True):
        n, good, bad = counts[str(item_id)]
        if n >= LEAST_VOICES:
            said = _chosen(rows, weights, str(item_id), _shares(n_sentences, good, bad))
            found.append(Summary(str(item_id), n, good, bad, said))
    return sorted(found, key=lambda summary: (-summary.n_voices, summary.item_id))


def _candidates(quoted: pl.DataFrame, opinions: pl.DataFrame) -> pl.DataFrame:
    """A row a sentence of a review: the aspects of which it says what its review says on the whole."""
    sure = pl.max_horizontal("negative", "positive")
    told = quoted.with_columns(says=says(), sure=sure).filter(pl.col("says") != "neutral")
    agreeing = told.join(opinions.select("row", "aspect", "says"), on=["row", "aspect", "says"], how="semi")
    n_units = pl.col("sentence").str.count_matches(r"[A-Za-z0-9']+|\p{Han}{2}")
    return (
        agreeing.group_by(*QUOTED, "says", maintain_order=True)
        .agg(pl.col("aspect").unique(maintain_order=True), pl.col("sure").mean())
        .with_columns(short=n_units < _WORDS_FROM, long=n_units > _WORDS_TO)
    )


def _shares(n: int, good: int, bad: int) -> dict[str, int]:
    """How many of the n sentences praise and blame, in the shares of the opinions."""
    n_bad = round(n * bad / max(good + bad, 1))
    return {"positive": n - n_bad, "negative": n_bad}


def _chosen(
    rows: pl.DataFrame, weights: dict[tuple[str, int, str], int], item_id: str, wanted: dict[str, int]
) -> tuple[Said, ...]:
    found: list[Said] = []
    for side, n in sorted(wanted.items(), key=lambda pair: -pair[1]):
        left = rows.filter(pl.col("says") == side).to_dicts()
        covered: set[int] = set()
        picked: list[dict[str, Any]] = []
        while len(picked) < n:
            left.sort(key=lambda row: _worth(row, covered, weights, item_id), reverse=True)
            best = next((row for row in left if _is_new(row, picked)), None)
            if best is None:
                break
            picked.append(best)
            covered.update(best["aspect"])
        found.extend(Said(_quote(row), side, tuple(row["aspect"])) for row in picked)
    return tuple(found)


def _is_new(row: dict[str, Any], picked: list[dict[str, Any]]) -> bool:
    quotes = [_quote(each) for each in [*picked, row]]
    return len(different(quotes, len(quotes))) == len(quotes)


def _worth(
    row: dict[str, Any], covered: set[int], weights: dict[tuple[str, int, str], int], item_id: str
) -> tuple[int, bool, float, int]:
    new = sum(
        weights.get((item_id, aspect, row["says"]), 0) for aspect in row["aspect"] if aspect not in covered
    )
    return new, not (row["short"] or row["long"]), row["sure"], -row["row"]


def _quote(row: dict[str, Any]) -> Quote:
    return Quote(**{name: row[name] for name in QUOTED})
