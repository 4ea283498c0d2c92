"""What the page shows of an insight, in one language: bounded lists of plain records, and pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from retailor.insight import charts
from retailor.insight.changes import STARS, Change
from retailor.insight.complaints import Complaint, Quote
from retailor.insight.general import GENERAL
from retailor.insight.insight import Insight
from retailor.insight.questions import Gap
from retailor.insight.texts import kind_name, said
from retailor.tasks.reasons import Language

MAX_CHANGES, MAX_COMPLAINTS, MAX_ASPECTS, MAX_TRENDS, MAX_GAPS, MAX_ASKED = 30, 20, 40, 9, 40, 20
LEAST_PERIODS = 3
READERS = {
    "run": "the run's sentiment reader",
    "words": "a reader of words, fitted on the shop's own stars",
    "opinions": "words of praise and blame that are the same in every shop, for too few reviews have stars",
}


def view(insight: Insight, language: Language) -> dict[str, Any]:
    """The parts of the page."""
    of_shop = _figures(insight, "shop", "", language)
    kinds = insight.complaints
    return {
        "facts": _facts(insight, language),
        "changes": [_change(insight, change, language) for change in insight.changes.found[:MAX_CHANGES]],
        "complaints": {
            level: [_complaint(insight, each, language) for each in kinds if each.level == level][
                :MAX_COMPLAINTS
            ]
            for level in ("shop", "item", "category")
        },
        "n_complaints": len(kinds),
        "aspects": of_shop[:MAX_ASPECTS],
        "charts": _charts(of_shop[:18], language),
        "trends": _trends(insight, of_shop, language),
        "gaps": [_gap(insight, gap, language) for gap in insight.questions.gaps[:MAX_GAPS]],
        "asked": [
            {**vars(each), "kind": kind_name(each.kind, language)}
            for each in insight.questions.by_category
            if each.n_untold
        ][:MAX_ASKED],
        "items": _items(insight, language),
        "reader": said(READERS[insight.read_by], language),
        "n_general": len(GENERAL),
    }


def aspect_name(insight: Insight, aspect: int, language: Language) -> str:
    """The aspect in a language: a mined term is as customers write it."""
    if aspect == STARS:
        return said("low stars (one or two)", language)
    found = insight.aspects.all[aspect]
    return found.english if language == "en" else found.chinese


def cited_rows(insight: Insight, parts: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The reviews that any part quotes, in full, by row."""
    rows = sorted({quote["row"] for quote in _quotes(parts)})
    table = insight.voices.table.filter(pl.col("row").is_in(rows))
    return [
        {
            **row,
            "time": row["time"] and row["time"].date().isoformat(),
            "title": insight.titles.get(row["item_id"]),
        }
        for row in table.select("row", "review_id", "item_id", "stars", "time", "text").to_dicts()
    ]


def _quotes(part: Any) -> list[dict[str, Any]]:
    if isinstance(part, Mapping):
        if "row" in part and part["row"] is not None:
            return [dict(part)]
        return [quote for each in part.values() for quote in _quotes(each)]
    return [quote for each in part for quote in _quotes(each)] if isinstance(part, (list, tuple)) else []


def _facts(insight: Insight, language: Language) -> list[tuple[int, str]]:
    voices = insight.voices.table
    found = (
        (len(voices), "customers who wrote a review"),
        (voices["item_id"].n_unique(), "products with reviews"),
        (len(insight.aspects.all), "aspects"),
        (len(insight.mentions), "sentences about them"),
        (insight.questions.n_questions, "questions"),
        (len(insight.changes.found), "changes found"),
    )
    return [(n, said(name, language)) for n, name in found]


def _place(insight: Insight, level: str, key: str, language: Language) -> str:
    return said("Whole shop", language) if level == "shop" else insight.titles.get(key, key)


def _quote(quote: Quote) -> dict[str, Any]:
    return vars(quote)


def _change(insight: Insight, change: Change, language: Language) -> dict[str, Any]:
    return {
        **vars(change),
        "place": _place(insight, change.level, change.key, language),
        "name": aspect_name(insight, change.aspect, language),
        "p": f"{change.p:.2g}",
        "quotes": [_quote(quote) for quote in change.quotes],
    }


def _complaint(insight: Insight, complaint: Complaint, language: Language) -> dict[str, Any]:
    return {
        **vars(complaint),
        "place": _place(insight, complaint.level, complaint.key, language),
        "name": aspect_name(insight, complaint.aspect, language),
        "share": percent(complaint.n_negative / complaint.n),
        "low": percent(complaint.low),
        "high": percent(complaint.high),
        "quotes": [_quote(quote) for quote in complaint.quotes],
    }


def _figures(insight: Insight, level: str, key: str, language: Language) -> list[dict[str, Any]]:
    rows = insight.figures.filter((pl.col("level") == level) & (pl.col("key") == key))
    return [
        {
            **row,
            "name": aspect_name(insight, row["aspect"], language),
            "words": ", ".join(insight.aspects.all[row["aspect"]].forms[:4]),
        }
        for row in rows.sort("n", "aspect", descending=[True, False]).iter_rows(named=True)
    ]


def _charts(rows: Sequence[Mapping[str, Any]], language: Language) -> list[tuple[str, str]]:
    if not rows:
        return []
    every, share = "Customers by aspect: against, neither, for", "Share against, with 95 % intervals"
    words = {each: said(each, language) for each in ("customers",)} | {
        "share": said("share against", language)
    }
    figures = [{name: row[name] for name in ("name", "share", "low", "high")} for row in rows]
    return [
        (said(every, language), charts.aspects_chart(rows, {**words, "label": said(every, language)})),
        (said(share, language), charts.shares_chart(figures, {**words, "label": said(share, language)})),
    ]


def _trends(
    insight: Insight, of_shop: Sequence[Mapping[str, Any]], language: Language
) -> list[tuple[str, str]]:
    """The aspects that most complain of, month by month."""
    changed = {change.aspect: change.since for change in insight.changes.found if change.level == "shop"}
    order = sorted(of_shop, key=lambda row: (row["aspect"] not in changed, -row["n_negative"]))
    found: list[tuple[str, str]] = []
    for row in order:
        periods = insight.periods.filter(pl.col("aspect") == row["aspect"]) if len(insight.periods) else ()
        values = _by_period(insight, periods)
        if len(found) == MAX_TRENDS or len(values) < LEAST_PERIODS or not row["n_negative"]:
            continue
        words = {"share": said("share of reviews that complain", language), "label": row["name"]}
        found.append((row["name"], charts.trend_chart(values, changed.get(row["aspect"]), words)))
    return found


def _by_period(insight: Insight, rows: Any) -> list[dict[str, Any]]:
    """Every period of the shop, those in which nobody spoke of the aspect with a share of 0."""
    if not len(rows):
        return []
    every = insight.periods.select("period", "n_reviews").unique().sort("period")
    joined = every.join(rows.select("period", "n_negative"), on="period", how="left").fill_null(0)
    return [
        {"period": period, "share": n_negative / n_reviews, "n": n_reviews}
        for period, n_reviews, n_negative in joined.iter_rows()
    ]


def _gap(insight: Insight, gap: Gap, language: Language) -> dict[str, Any]:
    facts = [{**vars(fact), "name": said(fact.source, language)} for fact in gap.facts]
    return {
        **vars(gap),
        "title": insight.titles.get(gap.item_id, gap.item_id),
        "kind": kind_name(gap.kind, language),
        "facts": facts,
    }


def _items(insight: Insight, language: Language) -> list[dict[str, Any]]:
    by_item: dict[str, list[Complaint]] = {}
    for complaint in insight.complaints:
        if complaint.level == "item":
            by_item.setdefault(complaint.key, []).append(complaint)
    return [
        {
            "item_id": summary.item_id,
            "title": insight.titles.get(summary.item_id, summary.item_id),
            "n": summary.n_voices,
            "good": summary.n_positive,
            "bad": summary.n_negative,
            "said": [
                {
                    "quote": _quote(each.quote),
                    "says": each.says,
                    "names": [aspect_name(insight, aspect, language) for aspect in each.aspects],
                }
                for each in summary.said
            ],
            "figures": _figures(insight, "item", summary.item_id, language)[:12],
            "complaints": [
                _complaint(insight, each, language) for each in by_item.get(summary.item_id, ())[:5]
            ],
        }
        for summary in insight.summaries[: insight.settings.max_items]
    ]


def percent(share: float) -> str:
    """A share as people read it."""
    return f"{100 * share:.0f} %"
