"""The dials of an insight."""

from __future__ import annotations

from typing import Literal

from retailor.config import Field, settings


@settings
class InsightSettings:
    """How reviews and questions are counted for the merchant."""

    reader: Literal["auto", "run", "words"] = "auto"
    """What reads the clauses: the run's sentiment reader, or one of words, fitted on the shop's own stars.
    'auto' takes the run's while there are at most `max_read` clauses."""
    max_read: int = Field(default=20_000, ge=0)
    """With more different clauses than this 'auto' reads by words: a network takes minutes for them."""
    n_aspects: int = Field(default=80, ge=0, le=1000)
    """At most so many aspects are mined from the shop's own terms, beside those of every shop."""
    min_reviews: int = Field(default=3, ge=1)
    """An aspect that fewer reviews speak of is none."""
    join: float = Field(default=0.7, gt=0, le=1)
    """Terms of one language whose vectors have at least this cosine are one aspect; 1 joins no others than
    those with the same stem. Without an encoder stems alone join."""
    false_alarms: float = Field(default=0.05, gt=0, lt=0.5)
    """The chance that one report raises any alarm in a shop in which nothing has changed."""
    n_quotes: int = Field(default=3, ge=1, le=20)
    summary_sentences: int = Field(default=6, ge=1, le=30)
    max_items: int = Field(default=30, ge=0, le=500)
    """So many items have their own part in the HTML file; the CSV files and the JSON have all."""
