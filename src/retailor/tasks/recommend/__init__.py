"""Recommendation: a task whose parts are in this folder, each readable alone.

The names below are loaded when first used, so that `entry` and `shapes` can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retailor.tasks.recommend.settings import RecommendSettings as RecommendSettings
    from retailor.tasks.recommend.settings import SasrecSettings as SasrecSettings
    from retailor.tasks.recommend.settings import TuningSettings as TuningSettings
    from retailor.tasks.recommend.settings import TwoTowerSettings as TwoTowerSettings
    from retailor.tasks.recommend.task import Recommender as Recommender

__all__ = ["RecommendSettings", "Recommender", "SasrecSettings", "TuningSettings", "TwoTowerSettings"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from retailor.tasks.recommend import settings, task

    return getattr(task if name == "Recommender" else settings, name)
