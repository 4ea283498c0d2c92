"""Search: a task whose parts are in this folder, each readable alone.

The names below are loaded when first used, so that `entry` and `shapes` can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retailor.tasks.search.settings import SearchSettings as SearchSettings
    from retailor.tasks.search.task import Search as Search

__all__ = ["Search", "SearchSettings"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from retailor.tasks.search import task

    return getattr(task, name)
