"""What is asked over HTTP and what comes back, with limits and examples."""

from __future__ import annotations

from pydantic import BaseModel

from retailor.tasks.http import IN_A_URL, Served, Tag, Text, strict
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery


class SentimentBody(BaseModel):
    """A text to read, as a whole or about one aspect of it."""

    model_config = strict({"text": "Soft and warm, but the zip broke.", "aspect": "zip"})
    text: Text
    aspect: Tag | None = None

    def query(self) -> SentimentQuery:
        return SentimentQuery(self.text, self.aspect)


class SentimentUrl(SentimentBody):
    model_config = IN_A_URL


class SentimentReply(BaseModel):
    """The most likely label, and the probability of each."""

    label: str
    probabilities: dict[str, float]
    cached: bool


def shown(answer: Sentiment, served: Served) -> SentimentReply:
    """A sentiment."""
    return SentimentReply(label=answer.label, probabilities=dict(answer.probabilities), cached=served.cached)
