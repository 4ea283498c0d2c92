"""What a search is asked, and what it finds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from retailor.shop.hidden import NONE_HIDDEN, Hidden
from retailor.tasks.shapes import Recommended

Op = Literal["=", "!=", "<=", ">=", "<", "~"]
FilterField = Literal[
    "price", "quantity", "rating", "brand", "colour", "category", "attribute", "stock", "words"
]  # fmt: skip
Kind = Literal["query", "category", "brand", "item"]
Sort = Literal["relevance", "price", "-price", "rating"]


@dataclass(frozen=True)
class Filter:
    """One condition on items. `text` are the words that it was read from, '' for one that was asked for."""

    field: FilterField
    op: Op
    value: float | str
    """A number of money, of units or of stars; a name for the others."""
    unit: str = ""
    """Of a quantity, as `text.quantities` names it; of a price the currency, '' where none was said."""
    text: str = ""
    name: str = ""
    """Of an attribute, as the shop calls it."""


@dataclass(frozen=True)
class SearchQuery:
    """Words or a picture to find items by, and conditions on them."""

    text: str
    k: int = 10
    filters: tuple[Filter, ...] = ()
    read: bool = True
    """Whether filters are read out of the words, and misspelt words mended."""
    offset: int = 0
    """How many of the best are left out: the pages before."""
    sort: Sort = "relevance"
    exclude: tuple[str, ...] = ()
    """Items that are not to be found."""
    image: str = ""
    """A picture to find items like, in base64: with words, or in their place."""
    hidden: Hidden = NONE_HIDDEN
    """Items that nobody finds, such as those out of stock."""


@dataclass(frozen=True)
class Facet:
    """How many of the items found are of each value, the most frequent first."""

    name: str
    counts: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Found:
    """Items found, best first, with their scores, and how the query was understood."""

    items: tuple[Recommended, ...]
    searched: str = ""
    """The words that were searched for: without the filters, misspelt words mended."""
    filters: tuple[Filter, ...] = ()
    """Those that were asked for and those that were read."""
    mended: Mapping[str, str] = field(default_factory=dict)
    """Misspelt word to the word that was searched for."""
    n_found: int = 0
    """How many items there are in all: those that match, and meet the filters."""
    is_nearest: bool = False
    """Whether nothing matched, so that the items are only the nearest there are."""
    relaxed: tuple[Filter, ...] = ()
    """Filters that no item met and that were therefore left out."""
    facets: tuple[Facet, ...] = ()
    attributes: tuple[Facet, ...] = ()
    """Of the shop's own attributes, those that tell the items found apart."""


@dataclass(frozen=True)
class Suggestion:
    """A phrase to search for, what it is, and how often: items of a category or brand, None where unknown."""

    text: str
    kind: Kind
    n: int | None = None
    item_id: str | None = None
    """Of a title."""


@dataclass(frozen=True)
class Typed:
    """The beginning of a query."""

    text: str
    k: int = 10


@dataclass(frozen=True)
class Suggestions:
    """What may be meant, best first."""

    items: tuple[Suggestion, ...]
    mended: str = ""
    """What was typed, mended, where nothing goes on from what was typed as it is."""
