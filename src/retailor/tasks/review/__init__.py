"""Review drafting: a task whose parts are in this folder, each readable alone."""

from retailor.tasks.review.task import (
    ReviewSettings,
    ReviewWriter,
    body_of,
    is_generated,
    is_untouched,
    mark,
)

__all__ = ["ReviewSettings", "ReviewWriter", "body_of", "is_generated", "is_untouched", "mark"]
