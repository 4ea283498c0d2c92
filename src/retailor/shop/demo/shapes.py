"""The shape of the demo shop's words, the same for every language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Product:
    """One kind of product: its names do not share words, so that only meaning joins them."""

    key: str
    names: tuple[str, ...]
    category: tuple[str, ...]
    materials: tuple[str, ...]
    special: tuple[str, tuple[str, ...]]
    """An attribute of this kind of product alone: its name and its possible values."""
    about: tuple[str, ...]


@dataclass(frozen=True)
class Fact:
    """A sentence for descriptions, the question it answers, and the answer; `{n}` is drawn an item."""

    sentence: str
    question: str
    answer: str
    low: int = 2
    high: int = 9


@dataclass(frozen=True)
class Aspect:
    """What reviews talk about: sentences for and against it, and the question a customer asks."""

    key: str
    question: str
    good: tuple[str, ...]
    bad: tuple[str, ...]


@dataclass(frozen=True)
class Theme:
    """A latent interest of customers, and all that a shop says about it."""

    key: str
    products: tuple[Product, ...]
    moods: tuple[str, ...]
    facts: tuple[Fact, ...]
    aspects: tuple[Aspect, ...]
    needs: tuple[str, ...]
    """Searches for the theme that name no product."""


@dataclass(frozen=True)
class Language:
    """All words of one language."""

    code: str
    themes: tuple[Theme, ...]
    facts: tuple[Fact, ...]
    """Facts that any item may have, so that sharing one says nothing about the theme."""
    brands: tuple[str, ...]
    adjectives: tuple[str, ...]
    colours: tuple[str, ...]
    titles: tuple[str, ...]
    intros: tuple[str, ...]
    closings: tuple[str, ...]
    attribute_names: Mapping[str, str]
    attribute_questions: tuple[str, ...]
    attribute_answers: tuple[str, ...]
    aspects: tuple[Aspect, ...]
    verdicts: Mapping[int, tuple[str, ...]]
    """Whole-review sentences, by stars."""
    headlines: Mapping[int, tuple[str, ...]]
    neutral: tuple[str, ...]
    contact: tuple[str, ...]
    unanswerable: tuple[str, ...]
    search: tuple[str, ...]
    join: str


def facts(*rows: tuple[str, str, str] | tuple[str, str, str, int, int]) -> tuple[Fact, ...]:
    """The rows as facts."""
    return tuple(Fact(*row) for row in rows)
