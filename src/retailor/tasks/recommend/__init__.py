"""Recommendation: a task whose parts are in this folder, each readable alone."""

from retailor.tasks.recommend.settings import (
    RecommendSettings,
    SasrecSettings,
    TuningSettings,
    TwoTowerSettings,
)
from retailor.tasks.recommend.task import Recommender

__all__ = ["RecommendSettings", "Recommender", "SasrecSettings", "TuningSettings", "TwoTowerSettings"]
