"""A text to read, and the sentiment read in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class SentimentQuery:
    """A text to read, as a whole or about one aspect of it."""

    text: str
    aspect: str | None = None


UNKNOWN = "unknown"
"""The label of a text in which nothing can be read, such as "..."."""


@dataclass(frozen=True)
class Sentiment:
    """The most likely label, or 'unknown'; calibrated probabilities of negative, neutral and positive."""

    label: str
    probabilities: Mapping[str, float] = field(default_factory=dict)
