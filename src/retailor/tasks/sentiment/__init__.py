"""Sentiment: a task whose parts are in this folder, each readable alone.

The names below are loaded when first used, so that `entry` and `shapes` can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retailor.tasks.sentiment.settings import SentimentSettings as SentimentSettings
    from retailor.tasks.sentiment.task import SentimentReader as SentimentReader
    from retailor.tasks.sentiment.texts import AspectReview as AspectReview

__all__ = ["AspectReview", "SentimentReader", "SentimentSettings"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from retailor.tasks.sentiment import task

    return getattr(task, name)
