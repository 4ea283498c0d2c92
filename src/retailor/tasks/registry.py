"""The one table of names: tasks and their settings. Readers are in `shop.read`, models in `models.weights`.

Importing this loads torch, so doors import it only when they are about to fit or serve.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from retailor.models.shapes import Encoder, Generator
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.review import ReviewSettings, ReviewWriter
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.shapes import Task


@dataclass(frozen=True)
class Entry:
    """How to make a task from models and settings, and how to load it."""

    settings: type[Any]
    make: Callable[[Encoder, Generator | None, Any], Task[Any, Any]]
    load: Callable[..., Task[Any, Any]]
    uses_encoder: bool = True
    uses_generator: Callable[[Any], bool] = lambda settings: False
    """Whether the task, so set, needs a generator."""


def _answerer(encoder: Encoder, generator: Generator | None, settings: AnswerSettings) -> Answerer:
    return Answerer(encoder, generator if _generated(settings) else None, settings)


def _generated(settings: AnswerSettings) -> bool:
    return settings.wording == "generator"


def _sentiment_reader(
    encoder: Encoder, generator: Generator | None, settings: SentimentSettings
) -> SentimentReader:
    return SentimentReader(encoder, settings, generator=generator if _prompted(settings) else None)


def _prompted(settings: SentimentSettings) -> bool:
    return settings.prompts and settings.prompt_model == "generator"


def _review_writer(encoder: Encoder, generator: Generator | None, settings: ReviewSettings) -> ReviewWriter:
    assert generator is not None, "the plan leaves this task out when there is no generator"
    return ReviewWriter(generator, settings)


TASKS: dict[str, Entry] = {
    "recommend": Entry(RecommendSettings, lambda e, g, s: Recommender(e, s), Recommender.load),
    "search": Entry(SearchSettings, lambda e, g, s: Search(e, s), Search.load),
    "answer": Entry(AnswerSettings, _answerer, Answerer.load, uses_generator=_generated),
    "sentiment": Entry(SentimentSettings, _sentiment_reader, SentimentReader.load, uses_generator=_prompted),
    "review": Entry(
        ReviewSettings,
        _review_writer,
        ReviewWriter.load,
        uses_encoder=False,
        uses_generator=lambda settings: True,
    ),
}
LOADERS: dict[str, Callable[..., Task[Any, Any]]] = {name: entry.load for name, entry in TASKS.items()}
