"""What a search is asked, and what it finds."""

from __future__ import annotations

from dataclasses import dataclass

from retailor.tasks.shapes import Recommended


@dataclass(frozen=True)
class SearchQuery:
    """Words to find items by."""

    text: str
    k: int = 10


@dataclass(frozen=True)
class Found:
    """Items found, best first, with their scores."""

    items: tuple[Recommended, ...]
