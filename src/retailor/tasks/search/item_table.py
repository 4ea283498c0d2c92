"""What items can be told apart by: prices, brands, colours, quantities and stars, a column each."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import parts_of
from retailor.shop.tables import Shop
from retailor.tasks.prices import Prices
from retailor.tasks.search.attributes import PAIRS, Attributes, fold
from retailor.tasks.search.facets import Coded, price_facet_of, star_facet
from retailor.tasks.search.filters import Vocabulary
from retailor.tasks.search.lexicon import COLOURS
from retailor.tasks.search.shapes import Facet, Filter
from retailor.text.clean_text import clean_text
from retailor.text.fields import item_texts
from retailor.text.quantities import Quantity, dimension_of, parse_quantities

Bools = NDArray[np.bool_]
NO_ROWS = np.zeros(0, np.int64)
_COLUMNS: dict[str, Any] = {
    "title": pl.String,
    "words": pl.String,
    "brand": pl.String,
    "category": pl.String,
    "path": pl.String,
    "price": pl.Float64,
    "currency": pl.String,
    "rating": pl.Float64,
    "colours": pl.List(pl.String),
    "quantities": pl.List(pl.Struct({"dimension": pl.String, "base": pl.Float64})),
    "attributes": PAIRS,
    "in_stock": pl.Boolean,
}
_COLOUR_NAME = re.compile(r"colou?r|颜色", re.IGNORECASE)
_TOLD = re.compile(r"brand|manufacturer|品牌", re.IGNORECASE)
"""Attributes that are a facet of their own, as colours are."""
_OF_THE_BOX = re.compile(r"packag|pallet|master|carton|box|包装|外箱", re.IGNORECASE)
"""Attributes that measure what the item comes in."""
_NEAR, _SAME = 0.2, 0.01
"""How far from a number 'about' reaches, and what counts as the same size: shares of the number."""
_NAMED = {"category": "category", "brand": "brand", "colour": "colours"}
"""The facets of names, and their columns."""
LEAST_BRAND_SHARE = 0.6
"""A word is read as a brand where so many of the items that have it in their title are of that brand."""


@dataclass(frozen=True)
class ItemTable:
    """One row an item [I], in the order of the index."""

    frame: pl.DataFrame
    titles: BM25Index | None = field(default=None, compare=False)
    details: BM25Index | None = field(default=None, compare=False)
    """Where words of titles, and of all that is known of an item, are looked up; else every text is read."""

    def indexed(self, titles: BM25Index, details: BM25Index) -> Self:
        """The same with indexes to look words up in."""
        return replace(self, titles=titles, details=details)

    @classmethod
    def of(cls, shop: Shop) -> Self:
        """The table of a shop's items; stars are the mean of their reviews."""
        stars = (
            shop.reviews.drop_nulls(["item_id", "rating"]).group_by("item_id").agg(pl.col("rating").mean())
        )
        ratings = dict(stars.iter_rows())
        rows = [_row(item, ratings.get(item["item_id"])) for item in shop.items.iter_rows(named=True)]
        return cls(pl.DataFrame(rows, schema=_COLUMNS))

    def replaced(self, rows: Sequence[int], items: pl.DataFrame) -> Self:
        """The table with `items` in `rows`; those behind the last one are new. Stars stay with their row."""
        stars = self.frame["rating"]
        made = [
            _row(item, stars[row] if row < len(self) else None)
            for row, item in zip(rows, items.iter_rows(named=True), strict=True)
        ]
        new = pl.DataFrame(made, schema=_COLUMNS).with_columns(row=pl.Series(rows, dtype=pl.UInt32))
        old = self.frame.with_row_index("row").filter(~pl.col("row").is_in(list(rows)))
        return type(self)(pl.concat([old.select(new.columns), new]).sort("row").drop("row"))

    def save(self, folder: Path) -> None:
        self.frame.write_parquet(folder / "items.parquet")

    @classmethod
    def load(cls, folder: Path) -> Self:
        frame = pl.read_parquet(folder / "items.parquet")
        # an artifact of before attributes were kept knows none
        lacking = [pl.lit(None, dtype).alias(name) for name, dtype in _COLUMNS.items() if name not in frame]
        return cls(frame.with_columns(lacking).select(list(_COLUMNS)))

    def __len__(self) -> int:
        return len(self.frame)

    def ready(self) -> None:
        """Makes what is made once of all items."""
        _ = self.vocabulary, self._coded, self._measured, self._prices, self._attributes

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What this catalogue can tell items apart by."""
        frame = self.frame
        dimensions = frame["quantities"].explode().struct.field("dimension") if len(frame) else pl.Series()
        return Vocabulary(
            brands=self._brands(),
            colours=frozenset(frame["colours"].explode().drop_nulls().to_list()),
            dimensions=frozenset(dimensions.drop_nulls().to_list()),
            priced=frame["price"].is_not_null().any(),
            currencies=frozenset(self._prices.currencies),
            rated=frame["rating"].is_not_null().any(),
            stocked=frame["in_stock"].is_not_null().any(),
            says=self.says,
        )

    def says(self, phrase: str) -> bool:
        """Whether some title has the phrase in it."""
        rows = _with_all(self.titles, phrase)
        titles = self._titles if rows is None else self._titles.gather(rows)
        return bool(titles.str.contains(phrase, literal=True).any())

    def title(self, row: int) -> str:
        """The title of one item, '' without."""
        return self.frame["title"][int(row)] or ""

    @cached_property
    def _titles(self) -> pl.Series:
        return self.frame["title"].fill_null("").str.to_lowercase()

    def _brands(self) -> dict[str, str]:
        """Brands that their name tells: most items with it in the title are theirs, or no title has it."""
        counts = Counter(self.frame["brand"].drop_nulls().to_list())
        lowers = {brand: brand.lower() for brand, n in counts.items() if n >= 2}
        lowers = {brand: each for brand, each in lowers.items() if len(each) >= 2 and not each.isdigit()}
        titles = self._titles_with(list(dict.fromkeys(lowers.values())))
        found = {}
        for brand, lower in lowers.items():
            rows = titles.get(lower, NO_ROWS)
            named = self._titles.gather(rows).str.contains(rf"(?:^|\W){re.escape(lower)}(?:$|\W)")
            of_it = (self.frame["brand"].gather(rows) == brand) & named
            if int(of_it.sum()) >= LEAST_BRAND_SHARE * int(named.sum()):
                found[lower] = brand
        return found

    def _titles_with(self, names: list[str]) -> dict[str, NDArray[np.int64]]:
        """Name to the rows of the titles that have its letters anywhere; not of names that no title has."""
        if not names:
            return {}
        found = self._titles.str.extract_many(names, overlapping=True)
        pairs = pl.DataFrame({"row": pl.int_range(len(found), eager=True), "name": found}).explode("name")
        parts = pairs.drop_nulls().unique(maintain_order=True).partition_by("name", as_dict=True)
        return {str(name): part["row"].to_numpy() for (name,), part in parts.items()}

    # which items will do

    def passing(self, filters: Sequence[Filter]) -> Bools:
        """Which items [I] meet every filter; of several equal colours or brands one is enough."""
        kept = np.ones(len(self), dtype=bool)
        for (*_, is_any), group in _grouped(filters).items():
            met = [self._meets(each) for each in group]
            kept &= np.logical_or.reduce(met) if is_any else np.logical_and.reduce(met)
        return kept

    def _meets(self, one: Filter) -> Bools:
        if one.field == "price":
            held = _compared(self._prices.amounts, one.op, float(one.value))
            return held & self._prices.comparable(one.unit)
        if one.field == "rating":
            return _compared(self._stars, one.op, float(one.value))
        if one.field == "stock":  # what there is none of is found by nobody (`SearchQuery.hidden`)
            return np.ones(len(self), dtype=bool)
        if one.field == "attribute":
            same = self._attributes.having(one.name, str(one.value))
            return ~same if one.op == "!=" else same
        if one.field == "quantity":
            return self._measures(one)
        if one.field in ("brand", "category", "colour"):
            same = self._coded[one.field].having(str(one.value), folded=one.field != "colour")
            return ~same if one.op == "!=" else same
        has = self._having(str(one.value))
        return ~has if one.op == "!=" else has

    def _having(self, word: str) -> Bools:
        """Which items [I] have a word, in the singular or with an s."""
        rows, plural = (_with_all(self.details, each) for each in (word, f"{word}s"))
        some = None if rows is None or plural is None else np.union1d(rows, plural)
        texts = self.frame["words"] if some is None else self.frame["words"].gather(some)
        has = texts.str.contains(_whole(word)).fill_null(False).to_numpy()
        if some is None:
            return has
        found = np.zeros(len(self), np.bool_)
        found[some[has]] = True
        return found

    def _measures(self, one: Filter) -> Bools:
        wanted = Quantity(float(one.value), one.unit, "", "").base
        rows, bases = self._measured.get(dimension_of(one.unit), (NO_ROWS, np.zeros(0)))
        found = np.zeros(len(self), dtype=bool)
        found[rows[_compared(bases, one.op, wanted)]] = True
        return found

    @cached_property
    def _measured(self) -> dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]:
        """By dimension the rows [n] of the items that have quantities of it, and these, one each."""
        rows = self.frame.select(pl.int_range(pl.len()).alias("row"), "quantities").explode("quantities")
        rows = rows.unnest("quantities").drop_nulls("dimension")
        parts = rows.partition_by("dimension", as_dict=True)
        return {
            str(name): (part["row"].to_numpy(), part["base"].to_numpy()) for (name,), part in parts.items()
        }

    def sorted_by(self, sort: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The rows by 'price', '-price' or 'rating' (best first), equals as they stood, unknown ones last.

        Prices in several currencies have no order: those of the currency that most of them are in come first.
        """
        values = (self._stars if sort == "rating" else self._prices.amounts)[rows]
        signed = values if sort == "price" else -values
        groups = np.zeros(len(rows), np.int64) if sort == "rating" else self._prices.groups(rows)
        return rows[np.lexsort((signed, groups, np.isnan(values)))]

    @property
    def paths(self) -> NDArray[np.int32]:
        """The number of each item's category [I], its whole path; −1 without one."""
        found = self._coded["path"].by_row
        assert found is not None
        return found

    def beside(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """The items, ascending, in the categories of some; of those without one none."""
        wanted = np.zeros(len(self._coded["path"].names) + 1, np.bool_)  # the last is of −1
        wanted[self.paths[rows]] = True
        wanted[-1] = False
        return np.flatnonzero(wanted[self.paths])

    def facets(self, rows: NDArray[np.int64]) -> tuple[Facet, ...]:
        """How many of some items are of each brand, category, colour, range of prices and stars."""
        found = [Facet(name, self._coded[name].counts(rows)) for name in _NAMED]
        found += [price_facet_of(self._prices, rows), star_facet(self._stars[rows])]
        return tuple(each for each in found if each.counts)

    def attributes(self, rows: NDArray[np.int64], best: NDArray[np.int64]) -> tuple[Facet, ...]:
        """What the shop's own attributes say of some items, where that tells the `best` of them apart."""
        return self._attributes.facets(rows, best)

    @cached_property
    def _coded(self) -> dict[str, Coded]:
        """The columns of names that facets and filters are about, by facet, and whole paths."""
        columns = {**_NAMED, "path": "path"}
        return {facet: Coded.of(self.frame[column]) for facet, column in columns.items()}

    @cached_property
    def _attributes(self) -> Attributes:
        return Attributes.of(self.frame["attributes"])

    @cached_property
    def _stars(self) -> NDArray[np.float64]:
        """The mean stars of each item [I], NaN where nobody gave any."""
        return self.frame["rating"].cast(pl.Float64).to_numpy()

    @cached_property
    def _prices(self) -> Prices:
        return Prices.of(self.frame["price"], self.frame["currency"])


def _with_all(index: BM25Index | None, phrase: str) -> NDArray[np.integer] | None:
    """The rows of the texts that may have a phrase, None where all may."""
    parts = [] if index is None else parts_of(phrase)
    if index is None or not parts:
        return None
    found = sorted((index.docs_with(part) for part in parts), key=len)
    rows: NDArray[np.integer] = found[0]
    for docs in found[1:]:
        if len(docs):
            rows = rows[docs[np.minimum(np.searchsorted(docs, rows), len(docs) - 1)] == rows]
    return rows


def _grouped(filters: Sequence[Filter]) -> dict[tuple[str, str, bool], list[Filter]]:
    groups: dict[tuple[str, str, bool], list[Filter]] = {}
    for each in filters:
        is_any = each.op == "=" and each.field in ("brand", "category", "colour", "attribute")
        groups.setdefault((each.field, fold(each.name), is_any), []).append(each)
    return groups


def _compared(values: NDArray[np.float64], op: str, wanted: float) -> Bools:
    """An unknown value meets nothing."""
    with np.errstate(invalid="ignore"):
        if op == "<=":
            return values <= wanted
        if op == "<":
            return values < wanted
        if op == ">=":
            return values >= wanted
        off = np.abs(values - wanted)
        if op == "!=":
            return off > _SAME * abs(wanted)
        return off <= (_NEAR if op == "~" else _SAME) * abs(wanted)


def _whole(word: str) -> str:
    return re.escape(word.lower()) if not word.isascii() else rf"(?:^|\W){re.escape(word.lower())}s?(?:$|\W)"


def _row(item: dict[str, Any], rating: float | None) -> dict[str, Any]:
    title = clean_text(item["title"] or "")
    pairs = [(each["name"] or "", each["value"] or "") for each in item["attributes"] or []]
    measured = [title, *(value for name, value in pairs if not _OF_THE_BOX.search(name))]
    quantities = {
        (q.dimension, round(q.base, 6))
        for text in measured
        for q in parse_quantities(text)
        if q.dimension != "money"
    }
    said = [title, *(value for name, value in pairs if _COLOUR_NAME.search(name))]
    words = " ".join([title, item["brand"] or "", *(item["category"] or []), *(value for _, value in pairs)])
    return {
        "title": title or None,
        "words": words.lower(),
        "brand": item["brand"],
        "category": (item["category"] or [None])[-1],
        "path": " > ".join(filter(None, item["category"] or [])) or None,
        "price": item["price"],
        "currency": item["currency"],
        "rating": rating,
        "colours": sorted({colour for text in said for colour in _colours(text)}),
        "quantities": [{"dimension": dimension, "base": base} for dimension, base in sorted(quantities)],
        "attributes": [
            {"name": name, "value": value}
            for name, value in pairs
            if not (_COLOUR_NAME.search(name) or _TOLD.search(name))
        ],
        "in_stock": item["in_stock"],
    }


def _colours(text: str) -> Iterator[str]:
    lower = text.lower()
    for word in re.findall(r"[a-z]+", lower):
        if word in COLOURS:
            yield COLOURS[word]
    for word, colour in COLOURS.items():
        if not word.isascii() and (f"{word}色" in lower or lower == word):
            yield colour


def word_texts(items: pl.DataFrame, *, attributes: bool) -> list[str]:
    """What BM25 reads of each item: title, brand, category, description, and attributes when asked."""
    texts = []
    for item in items.select("title", "brand", "category", "description", "attributes").iter_rows(named=True):
        parts = [item["title"], item["brand"], *(item["category"] or []), item["description"]]
        if attributes:
            parts += [f"{each['name']} {each['value']}" for each in item["attributes"] or []]
        texts.append(clean_text(" ".join(part for part in parts if part)))
    return texts


def texts_of(items: pl.DataFrame) -> dict[str, list[str]]:
    """What each index reads of the items."""
    return {
        "words": word_texts(items, attributes=False),
        "details": word_texts(items, attributes=True),
        "titles": [clean_text(title or "") for title in items["title"]],
    }


def meanings(items: pl.DataFrame) -> list[str]:
    """What the encoder reads of the items: attributes blur a vector more than they tell it."""
    return item_texts(items.with_columns(attributes=pl.lit(None)))
