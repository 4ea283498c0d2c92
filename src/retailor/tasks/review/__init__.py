"""Review drafting: a task whose parts are in this folder, each readable alone.

The names below are loaded when first used, so that `entry` and `shapes` can be read without torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retailor.tasks.review.marks import body_of as body_of
    from retailor.tasks.review.marks import is_generated as is_generated
    from retailor.tasks.review.marks import is_untouched as is_untouched
    from retailor.tasks.review.marks import mark as mark
    from retailor.tasks.review.settings import ReviewSettings as ReviewSettings
    from retailor.tasks.review.task import ReviewWriter as ReviewWriter

__all__ = ["ReviewSettings", "ReviewWriter", "body_of", "is_generated", "is_untouched", "mark"]


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
    from retailor.tasks.review import task

    return getattr(task, name)
