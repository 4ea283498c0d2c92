"""The report page: figures, pictures and words in one template, written as a file that loads nothing."""

from __future__ import annotations

import html
import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.resources import files
from itertools import groupby
from pathlib import Path
from typing import Any

from retailor.errors import MissingExtra
from retailor.metrics.scores import OURS, Score, Scores, decimals
from retailor.report import charts
from retailor.report.compression import compression_view
from retailor.report.data import ReportData
from retailor.report.ledger import ledger_view
from retailor.report.profile import profile_view
from retailor.report.texts import LANGUAGES, note, said
from retailor.report.values import figure, is_handful, is_short, kind_of, plain, seconds, words
from retailor.report.verdicts import (
    REFERENCES,
    Verdict,
    is_descriptive,
    is_ours,
    lower_is_better,
    main_metric,
    verdict,
)
from retailor.store.artifact import retailor_version
from retailor.tasks.reasons import Language

__all__ = ["ReportData", "page", "write_report"]

TITLES = {
    "recommend": "Recommendation",
    "search": "Search",
    "answer": "Answering questions",
    "sentiment": "Sentiment",
    "review": "Drafting reviews",
}
_DRAWING = re.compile("<svg.*?</svg>", re.DOTALL)
OUR_TEXTS = ("reason", "label", "predicted", "fallback", "table", "what")
"""Fields of examples and columns of the profile whose texts are Retailor's own words."""
MAX_TABLE_ROWS = 30
MAX_TEXT = 600


def write_report(run: ReportData | Mapping[str, Any], path: Path) -> Path:
    """The path of the written file: one HTML page in both languages that loads nothing from anywhere.

    `run` is a ReportData, or a mapping of its parts. Raises MissingExtra without the extra 'report'.
    """
    data = run if isinstance(run, ReportData) else ReportData.of(run)
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.new")
    half.write_text(page(data, languages=tuple(LANGUAGES)), encoding="utf-8")
    half.replace(path)
    return path


def page(data: ReportData, *, now: datetime | None = None, languages: Sequence[Language] = ("en",)) -> str:
    """The page as text, a reader's choice among `languages`; `now` is the time it says it was made."""
    now = now or datetime.now(UTC)
    shown = _view(data, now)
    bodies = [(each, LANGUAGES[each], _safe(_body(data, shown, each))) for each in languages]
    template = _environment().from_string(_text("page.jinja"))
    return str(
        template.render(
            data=data, version=retailor_version(), bodies=bodies, language=languages[0],
            style=_safe(_text("style.css")),
        )
    )  # fmt: skip


def _view(data: ReportData, now: datetime) -> dict[str, Any]:
    """Figures and pictures, which are the same in every language."""
    return {
        "data": data,
        "made": now.strftime("%Y-%m-%d %H:%M UTC"),
        "version": retailor_version(),
        "results": [_results(task, data) for task in data.scores],
        "trainings": _trainings(data),
        "stages": _stages(data.stages),
        "compression": _compression(data.compression),
        "ledgers": [_ledger(told) for told in data.ledgers],
        "profile": _profile(data.profile),
        "examples": {task: _cards(some) for task, some in data.examples.items() if some},
        "settings": _settings(data.settings),
        "titles": TITLES,
    }


def _body(data: ReportData, view: Mapping[str, Any], language: Language) -> str:
    environment = _environment()
    environment.filters["plain"] = lambda value, key="": _plain_in(value, key, language)
    environment.globals.update(
        t=lambda text: said(text, language),
        told_note=lambda text: note(text, language),
        told_parts=lambda told: ", ".join(said(part, language) for part in told.split(", ")),
        mark="" if language == "en" else f"{language}-",
    )
    verdicts = [_verdict(task, data, language) for task in data.scores]
    body = str(environment.from_string(_text("body.jinja")).render(**view, verdicts=verdicts))
    return _DRAWING.sub(lambda svg: _drawing_in(svg[0], language), body) if language != "en" else body


def _plain_in(value: Any, key: Any, language: Language) -> str:
    """A value as people read it; a text only where it is ours, for those of the shop stay as they are."""
    is_ours = not isinstance(value, str) or str(key) in OUR_TEXTS or value.startswith("… ")
    return said(plain(value, key), language) if is_ours else value or plain(value, key)


def _drawing_in(svg: str, language: Language) -> str:
    """A drawing with its words in a language: a chart is drawn once for all of them."""
    svg = re.sub(r'(?<= aria-label=")[^"]*', lambda found: _said_in_markup(found[0], language), svg, count=1)
    return re.sub(r"(?<=>)[^<>]+(?=</text>)", lambda found: _said_in_markup(found[0], language), svg)


def _said_in_markup(markup: str, language: Language) -> str:
    return html.escape(said(html.unescape(markup), language))


def _text(name: str) -> str:
    return files("retailor.report").joinpath(name).read_text(encoding="utf-8")


def _environment() -> Any:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise MissingExtra(
            "jinja2, which writes the report,", install="pip install 'retailor[report]'"
        ) from None
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(
        plain=plain, words=words, kind=kind_of, seconds=seconds, short=is_short, handful=is_handful
    )
    return environment


# the tasks ------------------------------------------------------------------------------------------


def _verdict(task: str, data: ReportData, language: Language) -> Verdict:
    paired = data.paired.get(task, Scores())
    return verdict(task, data.scores[task], data.main_metrics.get(task, ""), paired=paired, language=language)


def _results(task: str, data: ReportData) -> dict[str, Any]:
    scores = data.scores[task]
    main = main_metric(scores, data.main_metrics.get(task, ""))
    drawn = charts.chart_metrics(scores, main) if main else []
    buckets = [chart for metric in drawn[:2] if (chart := charts.buckets_chart(scores, metric))]
    return {
        "task": task,
        "charts": [_safe(charts.results_chart(scores, metric)) for metric in drawn],
        "table": _table(scores, "all"),
        "coverage": _coverage(data.coverage.get(task)),
        "buckets": [_safe(chart) for chart in buckets],
        "legend": charts.legend(scores, main) if buckets else [],
        "bucket_tables": [
            (bucket, _table(scores, bucket))
            for bucket in dict.fromkeys(score.bucket for score in scores)
            if bucket != "all"
        ],
    }


def _coverage(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The curve of risk over coverage and the bound in words; None where nothing was left to be answered."""
    if not told or not told["risks"]:
        return None
    chart = charts.coverage_chart([(x, y) for x, y in told["risks"]], told["answered_percent"])
    return {
        "chart": _safe(chart),
        "caution": f"{told['caution']:.2f}",
        "answered": f"{told['answered_percent']:.0f} %",
        "wrong": f"{100 * told['wrong']:.0f} %",
        "all_wrong": f"{100 * told['risks'][-1][1]:.0f} %",
    }


def _safe(svg: str) -> Any:
    """Our own drawing: the one thing that the template may take as it is."""
    from markupsafe import Markup

    return Markup(svg)


def _table(scores: Scores, bucket: str) -> dict[str, Any]:
    """A line a system, our own first, a cell a metric; the best figure of each column is marked."""
    part = sorted((score for score in scores if score.bucket == bucket), key=lambda score: score.row != OURS)
    metrics = list(dict.fromkeys(score.metric for score in part))
    found = {(score.row, score.metric): score for score in part}
    best = {metric: _best(part, metric) for metric in metrics}
    cells = [found.get((row, metric)) for row in {score.row for score in part} for metric in metrics]
    return {
        "n_cases": max((score.n for score in part), default=0),
        "gaps": any(cell is None or not math.isfinite(cell.value) for cell in cells),
        "metrics": metrics,
        "lower": [metric for metric in metrics if lower_is_better(metric)],
        "rows": [
            {
                "row": row,
                "ours": is_ours(row),
                "cells": [_cell(found.get((row, metric)), best[metric]) for metric in metrics],
                "n": max(score.n for score in part if score.row == row),
            }
            for row in dict.fromkeys(score.row for score in part)
        ],
    }


def _best(part: Sequence[Score], metric: str) -> float:
    values = [
        score.value
        for score in part
        if score.metric == metric and score.row not in REFERENCES and math.isfinite(score.value)
    ]
    if len(values) < 2 or is_descriptive(metric):
        return math.nan
    return min(values) if lower_is_better(metric) else max(values)


def _cell(score: Score | None, best: float) -> dict[str, Any] | None:
    if score is None:
        return None
    n = decimals(score.low, score.high)
    return {
        "value": figure(score.value, n),
        "range": f"{figure(score.low, n)} – {figure(score.high, n)}",
        "best": score.value == best and score.row not in REFERENCES,
    }


# the rest -------------------------------------------------------------------------------------------


def _cards(some: Sequence[Mapping[str, Any]]) -> list[list[tuple[bool, dict[str, Any]]]]:
    """The fields of each example in their order, those in a row that are short in every example together.

    A field that is short in one card only keeps its place, so that cards can be read side by side.
    """
    examples = [_shown(example) for example in some]
    long = {key for example in examples for key, value in example.items() if not is_short(value)}

    def is_together(field: tuple[str, Any]) -> bool:
        return field[0] not in long

    return [
        [(both, dict(fields)) for both, fields in groupby(each.items(), is_together)] for each in examples
    ]


def _trainings(data: ReportData) -> list[dict[str, Any]]:
    found = []
    for name in dict.fromkeys((*data.curves, *data.validations)):
        drawn = [
            charts.curve_chart(points[name], label)
            for points, label in ((data.curves, "loss"), (data.validations, "on held-out data"))
            if points.get(name)
        ]
        found.append({"name": name, "charts": [_safe(chart) for chart in drawn if chart]})
    return found


def _stages(stages: Mapping[str, float]) -> dict[str, Any] | None:
    if not stages:
        return None
    return {"chart": _safe(charts.bars_chart(list(stages.items()), "seconds")), "total": sum(stages.values())}


def _compression(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not told:
        return None
    view = compression_view(told)
    return {
        **view,
        "charts": [(title, _safe(chart)) for title, chart in view["charts"]],
        "scores": {task: _table(scores, "all") for task, scores in view["scores"].items()},
        "rest": _shown(view["rest"]),
    }


def _ledger(told: Mapping[str, Any]) -> dict[str, Any]:
    view = ledger_view(told)
    for size in view["sizes"]:
        size["chart"] = _safe(size["chart"])
    return {**view, "curve": _safe(view["curve"])}


def _profile(told: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not told:
        return None
    view = profile_view(told)
    drawn = [(title, _safe(chart)) for title, chart in view["charts"]]
    return {**view, "charts": drawn, "rest": _shown(view["rest"])}


def _settings(settings: Mapping[str, Any] | str | None) -> Any:
    """Nested settings; TOML text is read into them, and shown as it is where it cannot be."""
    if isinstance(settings, str):
        try:
            return tomllib.loads(settings)
        except tomllib.TOMLDecodeError:
            return settings
    return settings


def _shown(value: Any) -> Any:
    """Plain values, bounded: long texts are cut and long tables say how much is left out."""
    if isinstance(value, Mapping):
        return {str(key): _shown(each) for key, each in value.items()}
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"{value[: MAX_TEXT - 1]}…"
    if isinstance(value, Sequence):
        rows = [_shown(each) for each in value[:MAX_TABLE_ROWS]]
        if len(value) > MAX_TABLE_ROWS:
            more = f"… {len(value) - MAX_TABLE_ROWS:,} more"
            rows.append({next(iter(rows[0]), ""): more} if isinstance(rows[0], dict) else more)
        return rows
    return value


# filters --------------------------------------------------------------------------------------------
