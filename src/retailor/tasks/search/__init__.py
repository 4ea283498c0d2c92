"""Search: a task whose parts are in this folder, each readable alone."""

from retailor.tasks.search.task import Search, SearchSettings

__all__ = ["Search", "SearchSettings"]
