"""What a draft is asked to be about, and the draft."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class ReviewQuery:
    """What a draft should be about. The same query and seed give the same draft."""

    item_id: str
    rating: float = 5.0
    aspects: tuple[str, ...] = ()
    user_id: str | None = None
    language: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class DescribeQuery:
    """Which item is described, in which language (the item's own for None); another seed, another draft."""

    item_id: str
    language: str | None = None
    seed: int = 0


@dataclass(frozen=True)
class Draft:
    """A drafted review. It always carries the mark that it is generated, in words and for machines."""

    text: str
    title: str
    item_id: str
    rating: float
    generated: Mapping[str, Any]
    """{"generated": true, "by": model, "at": UTC time, "sha256": of the text, …}: never empty."""
