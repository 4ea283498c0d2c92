"""Reading sentiment as the doors see it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.gone import Gone
from retailor.tasks.entry import Command, Entry, Http, Panel, PanelField, Said
from retailor.tasks.sentiment.examples import examples
from retailor.tasks.sentiment.http import SentimentBody, SentimentReply, SentimentUrl, shown
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery

if TYPE_CHECKING:
    from retailor.tasks.sentiment.task import SentimentReader


def _uses_generator(settings: SentimentSettings) -> bool:
    return settings.prompts and settings.prompt_model == "generator"


def _make(encoder: Encoder | None, generator: Generator | None, settings: Any) -> SentimentReader:
    from retailor.tasks.sentiment.task import SentimentReader

    assert encoder is not None, "the entry says that it uses one"
    return SentimentReader(encoder, settings, generator=generator if _uses_generator(settings) else None)


def _load(folder: Path, *, open_encoder: OpenEncoder | None = None) -> SentimentReader:
    from retailor.tasks.sentiment.task import SentimentReader

    return SentimentReader.load(folder, open_encoder=open_encoder)


def _query(text: Annotated[str, typer.Argument(help="A review, or any text.")]) -> SentimentQuery:
    """Reads the sentiment of a text."""
    return SentimentQuery(text)


def _lines(answer: Sentiment, title: Callable[[str], str]) -> Iterator[str]:
    yield answer.label + "  " + "  ".join(f"{name} {p:.3f}" for name, p in answer.probabilities.items())


def _forget(folder: Path, gone: Gone) -> bool:
    from retailor.tasks.sentiment.forget import forget

    return forget(folder, gone)


ENTRY = Entry(
    name="sentiment",
    settings=SentimentSettings,
    answer=Sentiment,
    make=_make,
    load=_load,
    http=Http(
        summary="Whether a text is negative, neutral or positive, with calibrated probabilities.",
        body=SentimentBody,
        url=SentimentUrl,
        reply=SentimentReply,
        shown=shown,
    ),
    command=Command(_query, _lines),
    panel=Panel(
        tab=Said("Sentiment", "情感"),
        draws="bars",
        fields=(
            PanelField(
                "text",
                Said("A review or a message", "评论或留言"),
                Said(
                    "Soft and warm, but the zip broke after a week.",
                    "又软又暖和，可是拉链一周就坏了。",
                ),
                kind="long",
                required=True,
                max_length=10_000,
            ),
            PanelField(
                "aspect",
                Said("About one aspect (optional)", "只看某一方面（可不填）"),
                Said("zip", "拉链"),
                max_length=100,
            ),
        ),
        button=Said("Read", "判断"),
        empty=Said("Paste a text to see how its writer feels.", "粘贴一段文字，看看作者的感受。"),
    ),
    examples=examples,
    forget=_forget,
    uses_generator=_uses_generator,
)
