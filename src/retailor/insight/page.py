"""The page of an insight: one HTML file in both languages that loads nothing from anywhere."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path
from typing import Any

from retailor.errors import MissingExtra
from retailor.insight.insight import Insight
from retailor.insight.texts import said
from retailor.insight.view import cited_rows, percent, view
from retailor.report.texts import LANGUAGES
from retailor.store.artifact import retailor_version
from retailor.tasks.reasons import Language

MAX_TEXT = 1200


def page(insight: Insight, name: str, *, now: datetime | None = None) -> str:
    """The page as text; `name` is the shop's or the run's, `now` the time that it says it was made."""
    views = {language: view(insight, language) for language in LANGUAGES}
    made = (now or datetime.now(UTC)).strftime("%Y-%m-%d %H:%M UTC")
    bodies = [
        (language, label, _markup(_body(insight, views[language], language, name, made)))
        for language, label in LANGUAGES.items()
    ]
    return str(
        _environment()
        .from_string(_text("insight", "page.jinja"))
        .render(
            name=name,
            version=retailor_version(),
            style=_markup(_text("report", "style.css")),
            bodies=bodies,
            cited=cited_rows(insight, [*views.values()]),
        )
    )


def write_page(insight: Insight, name: str, path: Path) -> Path:
    """The path of the written page. Raises MissingExtra without the extra 'report'."""
    path.parent.mkdir(parents=True, exist_ok=True)
    half = path.with_name(f".{path.name}.new")
    half.write_text(page(insight, name), encoding="utf-8")
    return half.replace(path)


def _body(insight: Insight, shown: dict[str, Any], language: Language, name: str, made: str) -> str:
    environment = _environment()
    environment.globals.update(
        t=lambda text: said(text, language), mark="" if language == "en" else f"{language}-"
    )
    for key in ("charts", "trends"):
        shown = {**shown, key: [(label, _markup(chart)) for label, chart in shown[key]]}
    return str(
        environment.from_string(_text("insight", "body.jinja")).render(
            insight=insight,
            v=shown,
            name=name,
            made=made,
            version=retailor_version(),
            rate=percent(insight.settings.false_alarms),
        )
    )


def _text(room: str, name: str) -> str:
    return files(f"retailor.{room}").joinpath(name).read_text(encoding="utf-8")


def _markup(text: str) -> Any:
    """Our own drawing or page: what the template may take as it is."""
    from markupsafe import Markup

    return Markup(text)


def _environment() -> Any:
    try:
        from jinja2 import Environment, StrictUndefined
    except ImportError:
        raise MissingExtra(
            "jinja2, which writes the page,", install="pip install 'retailor[report]'"
        ) from None
    environment = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(percent=percent, cut=_cut)
    return environment


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else f"{text[: MAX_TEXT - 1]}…"
