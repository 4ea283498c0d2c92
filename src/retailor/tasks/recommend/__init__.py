"""Recommendation: a task whose parts are in this folder, each readable alone."""

from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.task import Recommender

__all__ = ["RecommendSettings", "Recommender"]
