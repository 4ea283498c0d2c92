"""The items and training reviews that a draft stands on: facts, style, near reviews, copies."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.errors import DataError, MissingTable
from retailor.metrics.generation import CopyIndex, tokens
from retailor.retrieval.bm25 import BM25Index
from retailor.shop.tables import Shop, conform, label_of_rating
from retailor.tasks.review.aspects import cleaned
from retailor.tasks.review.facts import Names, source_of
from retailor.tasks.review.prompts import Wanted, nameless, rounded_length
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.review.text import private_free
from retailor.tasks.review.topics import Topics
from retailor.text.clean_shop import clean_text, language_of
from retailor.text.fields import item_text, sentences

N_FACT_TOKENS = 28
N_SAMPLES = 2
MAX_SAMPLE_CHARS = 90
UNKNOWN = "und"


class Past:
    """Training reviews in the order of time, each row with its item; texts are clean and name no contacts."""

    def __init__(
        self, items: pl.DataFrame, reviews: pl.DataFrame, purchases: pl.DataFrame | None = None
    ) -> None:
        self.items = items
        self.reviews = reviews
        self.purchases = purchases
        self._bought = set() if purchases is None else set(purchases.iter_rows())
        self.texts: list[str] = reviews["text"].to_list()
        self.users: list[str | None] = reviews["user_id"].to_list()
        self.languages: list[str] = reviews["language"].to_list()
        self.stars: NDArray[np.int64] = np.asarray(reviews["rating"].round(0).to_numpy(), dtype=np.int64)
        self._item_rows = {item_id: i for i, item_id in enumerate(items["item_id"].to_list())}
        self._rows_of: dict[str, list[int]] = {}
        for row, user in enumerate(self.users):
            if user is not None:
                self._rows_of.setdefault(user, []).append(row)

    @classmethod
    def of(cls, shop: Shop, *, max_reviews: int, keep_purchases: bool = False) -> tuple[Self, dict[str, int]]:
        """The usable reviews of a shop, the newest `max_reviews`, and how many were dropped and why.

        With `keep_purchases`, who bought what as well. Raises MissingTable where no event is a purchase.
        """
        known = set(shop.items["item_id"].to_list())
        frame = shop.reviews.with_row_index("row").sort("time", "row", nulls_last=False).drop("row")
        rated = frame.filter(pl.col("rating").is_between(1, 5))
        with_item = rated.filter(pl.col("item_id").is_in(list(known)))
        texts = [private_free(clean_text(text or "")) for text in with_item["text"].to_list()]
        languages = [
            given or language_of(text)
            for given, text in zip(with_item["language"].to_list(), texts, strict=True)
        ]
        tidied = with_item.with_columns(
            pl.Series("text", texts, pl.String), pl.Series("language", languages, pl.String)
        )
        written = tidied.filter(pl.col("text").str.len_chars() > 0)
        dropped = {
            "without stars": len(frame) - len(rated),
            "of unknown items": len(rated) - len(with_item),
            "without text": len(tidied) - len(written),
            "older than the newest kept": max(0, len(written) - max_reviews),
        }
        purchases = _purchases(shop) if keep_purchases else None
        return cls(shop.items, written.tail(max_reviews), purchases), {k: v for k, v in dropped.items() if v}

    def __len__(self) -> int:
        return len(self.texts)

    # items ------------------------------------------------------------------------------------------

    def item(self, item_id: str) -> dict[str, Any]:
        """The item's row. Raises DataError when the shop has none of that name."""
        row = self._item_rows.get(item_id)
        if row is None:
            raise DataError(
                f"there is no item '{item_id}' in this shop, so nothing can be drafted of it.",
                column="item_id",
                value=item_id,
            )
        return self.items.row(row, named=True)

    def has_item(self, item_id: str) -> bool:
        """Whether the shop has that item."""
        return item_id in self._item_rows

    @cached_property
    def names(self) -> Names:
        """The brands and values of attributes of the whole catalogue."""
        return Names.of(self.items)

    @cached_property
    def topics(self) -> Topics:
        """The words of each category of the shop."""
        return Topics.of(self.items, self.reviews)

    def bought(self, user_id: str | None, item_id: str) -> bool:
        """Whether a customer bought an item; False where purchases are not kept."""
        return user_id is not None and (user_id, item_id) in self._bought

    # style ------------------------------------------------------------------------------------------

    def wanted(self, query: ReviewQuery, *, before: int | None = None) -> Wanted:
        """What the draft for a query should be like.

        With `before`, only the customer's reviews above that row count: what was known when it was written.
        Raises DataError on an unknown item, or stars outside 1–5.
        """
        item = self.item(query.item_id)
        if not 1 <= query.rating <= 5:
            raise DataError(
                f"a rating of {query.rating:g} stars: it must be from 1 to 5.",
                column="rating",
                value=query.rating,
            )
        own = [row for row in self._rows_of.get(query.user_id or "", []) if before is None or row < before]
        known = query.language if query.language != UNKNOWN else None
        language = known or self.language_of(item, own)
        own = [row for row in own if self.languages[row] == language]
        title = clean_text(item["title"] or "") or nameless(language)
        aspects = cleaned(query.aspects)
        return Wanted(
            title=title,
            facts=clean_text(item_text(item, max_tokens=N_FACT_TOKENS, count=_n_tokens)) or title,
            stars=int(np.floor(query.rating + 0.5)),
            language=language,
            n_words=rounded_length(self._length(own, language)),
            aspects=aspects,
            samples=tuple(self._sample(row) for row in own[::-1][:N_SAMPLES]),
            source=source_of(item, aspects),
            n_left_out=len(set(query.aspects)) - len(aspects),
        )

    def language_of(self, item: dict[str, Any], own: Sequence[int] = ()) -> str:
        """The language of the customer's newest review among `own`; else the item's, else the shop's."""
        spoken = [self.languages[row] for row in own if self.languages[row] != UNKNOWN]
        if spoken:
            return spoken[-1]
        told = item["language"]
        return str(told) if told and told != UNKNOWN else self._usual_language

    @cached_property
    def _usual_language(self) -> str:
        counts = Counter(language for language in self.languages if language != UNKNOWN)
        return counts.most_common(1)[0][0] if counts else "en"

    def _length(self, own: list[int], language: str) -> float:
        if own:
            return float(np.median([self._sizes[row] for row in own[-5:]]))
        return self._usual_lengths.get(language, 20.0)

    @cached_property
    def _sizes(self) -> list[int]:
        return [len(tokens(text)) for text in self.texts]

    @cached_property
    def _usual_lengths(self) -> dict[str, float]:
        frame = pl.DataFrame({"language": self.languages, "size": self._sizes})
        medians = frame.group_by("language").agg(pl.col("size").median())
        return {str(language): float(size) for language, size in medians.iter_rows()}

    def size(self, row: int) -> int:
        """The length of a review in words."""
        return self._sizes[row]

    def _sample(self, row: int) -> str:
        return (sentences(self.texts[row]) or [""])[0][:MAX_SAMPLE_CHARS]

    # neighbours and copies --------------------------------------------------------------------------

    def others(self, user_id: str | None) -> NDArray[np.bool_]:
        """Which reviews [rows] somebody else wrote."""
        mask = np.ones(len(self), dtype=np.bool_)
        mask[self._rows_of.get(user_id or "", [])] = False
        return mask

    @cached_property
    def copies(self) -> CopyIndex:
        """The training reviews, to be asked what a text copies out of them."""
        return CopyIndex(self.texts)

    @cached_property
    def _index(self) -> BM25Index:
        titles = [self.item(item_id)["title"] or "" for item_id in self.reviews["item_id"]]
        return BM25Index.of(f"{title} {text}" for title, text in zip(titles, self.texts, strict=True))

    @cached_property
    def _categories(self) -> list[frozenset[str]]:
        return [frozenset(self.item(item_id)["category"] or ()) for item_id in self.reviews["item_id"]]

    def nearest(self, wanted: Wanted, query: ReviewQuery, n: int = 1) -> list[int]:
        """The rows of the n reviews by others that come nearest to what is wanted, best first.

        Language first, then sentiment, then the same item, its categories, the stars, and shared words.
        """
        rows = np.flatnonzero(self.others(query.user_id))
        if not len(rows):
            return []
        category = frozenset(self.item(query.item_id)["category"] or ())
        overlap = np.array([len(category & self._categories[row]) for row in rows])
        same_item = (self.reviews["item_id"] == query.item_id).to_numpy()[rows]
        same_language = np.array([self.languages[row] == wanted.language for row in rows])
        apart = np.abs(self.stars[rows] - wanted.stars)
        same_label = _side(self.stars[rows]) == _side(np.array([wanted.stars]))
        words = self._index.score(" ".join((wanted.title, *wanted.aspects)))[rows]
        order = np.lexsort((-rows, -words, apart, -overlap, ~same_item, ~same_label, ~same_language))
        return [int(row) for row in rows[order[:n]]]

    def labels(self) -> list[str]:
        """The sentiment that the stars of each review stand for."""
        return self.reviews.select(label_of_rating(pl.col("rating"))).to_series().to_list()

    # disk -------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Writes `items.parquet`, `reviews.parquet` and, where they are kept, `purchases.parquet`."""
        if self.purchases is not None:
            self.purchases.write_parquet(folder / "purchases.parquet")
        self.items.write_parquet(folder / "items.parquet")
        self.reviews.write_parquet(folder / "reviews.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        items, reviews = (
            conform(name, pl.read_parquet(folder / f"{name}.parquet")) for name in ("items", "reviews")
        )
        path = folder / "purchases.parquet"
        purchases = pl.read_parquet(path) if path.exists() else None
        return cls(items, reviews, purchases)


def _purchases(shop: Shop) -> pl.DataFrame:
    """Customer and item of every purchase, each pair once."""
    bought = shop.events.filter(pl.col("kind") == "buy").select("user_id", "item_id").unique()
    if not len(bought):
        raise MissingTable(
            "only_own_purchases needs events of kind 'buy', and this shop has none: give them, or leave "
            "the setting at false."
        )
    return bought.sort("user_id", "item_id")


def _side(stars: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.digitize(stars, [3, 4])


def _n_tokens(text: str) -> int:
    """About how many tokens a model makes of a text: more in Chinese than characters."""
    return -(-len(text.encode()) // 4)
