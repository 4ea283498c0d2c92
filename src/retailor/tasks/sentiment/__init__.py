"""Sentiment: a task whose parts are in this folder, each readable alone."""

from retailor.tasks.sentiment.task import AspectReview, SentimentReader, SentimentSettings

__all__ = ["AspectReview", "SentimentReader", "SentimentSettings"]
