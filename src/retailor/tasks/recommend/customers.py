"""From the shop's tables to what the scorers take: a catalogue and the customers' histories."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.errors import MissingTable
from retailor.retrieval.counting import Changed
from retailor.retrieval.growing import appended, longer, with_places
from retailor.retrieval.histories import Histories
from retailor.retrieval.ragged import Ragged
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.text.fields import is_language, item_texts

T = TypeVar("T", bound=np.generic)


@dataclass(frozen=True)
class Catalogue:
    """The items that can be recommended, in rows; a row's number means nothing."""

    item_ids: Sequence[str]
    titles: Sequence[str]
    categories: Sequence[tuple[str, ...]]
    prices: NDArray[np.float64]
    """NaN where the price is not known."""
    texts: tuple[str, ...] = field(default=(), repr=False)
    """Only while fitting: the item as text."""

    def __len__(self) -> int:
        return len(self.item_ids)

    @cached_property
    def ix(self) -> Mapping[str, int]:
        """item_id to row."""
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def ties(self) -> NDArray[np.uint64]:
        """A hash of each item_id, to order equal scores by [I]."""
        digests = b"".join(hashlib.blake2b(one.encode(), digest_size=8).digest() for one in self.item_ids)
        return np.frombuffer(digests, np.uint64)

    @cached_property
    def by_category(self) -> dict[str, NDArray[np.int64]]:
        """Category name, in lower case, to the rows of its items."""
        rows: dict[str, list[int]] = {}
        for row, path in enumerate(self.categories):
            for name in dict.fromkeys(step.strip().lower() for step in path):
                rows.setdefault(name, []).append(row)
        return {name: np.array(found) for name, found in rows.items()}

    @cached_property
    def category_shares(self) -> sp.csr_matrix:
        """How much of each item lies in each category of its path, all steps alike [I, C]."""
        names = list(self.by_category.values())
        columns = np.repeat(np.arange(len(names)), [len(found) for found in names])
        rows = np.concatenate([*names, np.zeros(0, np.int64)])
        each = sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(self), len(names)))
        n_each = np.asarray(each.sum(axis=1)).ravel()
        return sp.csr_matrix(sp.diags(1 / np.maximum(n_each, 1)) @ each)

    def with_items(self, other: Catalogue, rows: Sequence[int]) -> Catalogue:
        """This catalogue with some items of another behind its own, whose ids it lacks."""
        ids = tuple(other.item_ids[row] for row in rows)
        grown = Catalogue(
            longer(self.item_ids, ids),
            longer(self.titles, tuple(other.titles[row] for row in rows)),
            longer(self.categories, tuple(other.categories[row] for row in rows)),
            appended(self.prices, other.prices[list(rows)]),
        )
        # What was worked out of the ids is taken along: to hash all of them again would cost the most.
        ties = appended(self.ties, Catalogue(ids, (), (), self.prices[:0]).ties)
        vars(grown).update(ties=ties, ix=with_places(self.ix, ids))
        return grown

    def rows(self, item_ids: Iterable[str]) -> list[int]:
        """The rows of the items that are in the catalogue, in order."""
        return [self.ix[item_id] for item_id in item_ids if item_id in self.ix]

    def title(self, row: int) -> str:
        return self.titles[row] or self.item_ids[row]

    def table(self) -> pl.DataFrame:
        """The catalogue as it is saved."""
        return pl.DataFrame(
            {
                "item_id": list(self.item_ids),
                "title": list(self.titles),
                "category": [list(path) for path in self.categories],
                "price": pl.Series(self.prices, dtype=pl.Float64),
            },
            schema_overrides={"item_id": pl.String, "title": pl.String, "category": pl.List(pl.String)},
        )

    @classmethod
    def of_table(cls, table: pl.DataFrame) -> Catalogue:
        """The inverse of `table`."""
        return cls(
            tuple(table["item_id"]),
            tuple(table["title"]),
            tuple(tuple(path) for path in table["category"].to_list()),
            table["price"].to_numpy(),
        )


def read_catalogue(shop: Shop) -> Catalogue:
    """Every item that the shop lists or that has an event; without the items table, their ids alone.

    In the order of their ids, so that nothing random depends on the order of the tables.
    """
    listed = shop.items.filter(pl.col("item_id").is_not_null()).unique(
        "item_id", keep="first", maintain_order=True
    )
    known = pl.concat([listed["item_id"], shop.events["item_id"].drop_nulls()]).unique().sort()
    items = pl.DataFrame({"item_id": known}).join(listed, on="item_id", how="left", maintain_order="left")
    return Catalogue(
        tuple(items["item_id"]),
        tuple(items["title"].fill_null("")),
        tuple(tuple(name for name in path or () if name) for path in items["category"].to_list()),
        items["price"].cast(pl.Float64).fill_null(float("nan")).to_numpy(),
        tuple(item_texts(items)),
    )


@dataclass(frozen=True)
class Customers:
    """Who has which history: user_id to a row of `histories`."""

    user_ids: Sequence[str]
    kept: Histories | Ragged
    """As the histories are; where some were replaced since they were read, as such rows."""

    @cached_property
    def ix(self) -> Mapping[str, int]:
        return {user_id: row for row, user_id in enumerate(self.user_ids)}

    def __len__(self) -> int:
        return len(self.user_ids)

    @cached_property
    def histories(self) -> Histories:
        """Of all customers, end to end; where some were replaced it is made, which costs by their number."""
        return Histories.of_rows(self.kept) if isinstance(self.kept, Ragged) else self.kept

    @property
    def rows(self) -> Ragged:
        return self.kept if isinstance(self.kept, Ragged) else self.kept.rows()

    def at(self, rows: NDArray[np.int64]) -> Histories:
        """The histories of some customers; costs what they are."""
        return Histories.of_rows(Ragged(*self.rows.gathered(rows)))

    def with_events(self, fresh: Customers, max_history: int) -> tuple[Customers, Changed]:
        """These with the histories of `fresh` at the ends of theirs, the latest events of each, and what has
        changed; who is new comes behind, in the order of `fresh`. Costs what is new."""
        new = tuple(one for one in fresh.user_ids if one not in self.ix)
        user_ids, ix = longer(self.user_ids, new), with_places(self.ix, new)
        rows = np.array([ix[one] for one in fresh.user_ids], np.int64)
        table = self._in_baskets(fresh.histories.baskets is not None).rows.widened(len(user_ids))
        before = Histories.of_rows(Ragged(*table.gathered(rows)))
        now = _one_behind_the_other(before, fresh.histories, self.last_basket).latest(max_history)
        found = now.rows()
        made = Customers(user_ids, table.replaced(rows, found.offsets, found.columns))
        last = int(now.baskets.max(initial=self.last_basket)) if now.baskets is not None else 0
        vars(made).update(ix=ix, last_basket=last)
        order = np.argsort(rows, kind="stable")
        return made, Changed(rows[order], before.at(order), now.at(order), fresh.histories.at(order))

    def _in_baskets(self, wanted: bool) -> Customers:
        if ("baskets" in self.rows.columns) == wanted:
            return self
        none = np.zeros(len(self.histories.items), np.int32) if wanted else None
        return replace(self, kept=replace(self.histories, baskets=none))

    @cached_property
    def last_basket(self) -> int:
        """The number of the newest basket; 0 without baskets."""
        baskets = self.histories.baskets
        return 0 if baskets is None else int(baskets.max(initial=0))


def _one_behind_the_other(before: Histories, fresh: Histories, last_basket: int) -> Histories:
    """Histories of the same customers as one; what is new has no review, and comes in baskets of its own."""
    order = np.argsort(np.concatenate([before.owners(), fresh.owners()]), kind="stable")
    n, m = len(before.items), len(fresh.items)

    def joined(old: NDArray[T], new: NDArray[T]) -> NDArray[T]:
        return np.concatenate([old, new])[order]

    reviews = baskets = None
    if before.reviews is not None:
        reviews = joined(before.reviews, np.full(m, -1, np.int32))
    if fresh.baskets is not None:
        old = np.zeros(n, np.int32) if before.baskets is None else before.baskets
        baskets = joined(old, fresh.baskets + np.int32(last_basket))
    items, weights = joined(before.items, fresh.items), joined(before.weights, fresh.weights)
    return Histories(before.offsets + fresh.offsets, items, weights, reviews, baskets)


def weighed_events(shop: Shop, settings: RecommendSettings) -> pl.DataFrame:
    """user_id, item_id, time, weight of the events that say something of taste, in the table's order.

    Raises MissingTable when none are left.
    """
    shop.require("recommend", "events")
    weights: Mapping[str, float] = settings.behaviours
    told = pl.col("user_id").is_not_null() & pl.col("item_id").is_not_null() & (pl.col("weight") > 0)
    if settings.min_rating is not None:
        told &= (pl.col("rating") >= settings.min_rating).fill_null(True)
    weight = pl.col("kind").replace_strict(dict(weights), default=0.0, return_dtype=pl.Float32)
    events = (
        shop.events.lazy()
        .with_columns(weight=weight)
        .filter(told)
        .select("user_id", "item_id", "time", "weight")
        .collect()
    )
    if not len(events):
        kinds = ", ".join(sorted(set(shop.events["kind"].drop_nulls())))
        raise MissingTable(
            f"recommend needs rows in the table 'events' that say something of taste: none of its kinds "
            f"({kinds}) weighs anything in the setting 'behaviours' ({', '.join(weights)}), or all ratings "
            "are too low."
        )
    return events


def read_customers(shop: Shop, catalogue: Catalogue, settings: RecommendSettings) -> Customers:
    """The history of every customer with an event, in time; an item several times in a row is one event.

    Where repeats count the events of one time are a basket, and an item is several times in a row only within
    one. Events of the same time keep the order of the table. Ids become row numbers first: to sort and to
    join many millions of strings would take several times the memory.
    """
    events = weighed_events(shop, settings)
    user_ids = events["user_id"].unique().sort()
    lines = events.select(
        user=rows_in("user_id", user_ids),
        item=rows_in("item_id", pl.Series(list(catalogue.item_ids), dtype=pl.String)),
        time="time",
        weight="weight",
    )
    del events
    lines = lines.sort("user", "time", maintain_order=True)
    baskets = _baskets(lines) if settings.repeats else None
    lines = lines.drop("time")
    users, items = lines["user"].to_numpy(), lines["item"].to_numpy().astype(np.int32)
    first = np.ones(len(items), bool)
    first[1:] = (users[1:] != users[:-1]) | (items[1:] != items[:-1])
    if baskets is not None:
        first[1:] |= baskets[1:] != baskets[:-1]
        baskets = baskets[first]
    weights = np.maximum.reduceat(lines["weight"].to_numpy(), np.flatnonzero(first))
    lengths = np.bincount(users[first], minlength=len(user_ids))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    whole = Histories(offsets, items[first], weights, None, baskets)
    return Customers(tuple(user_ids), whole.latest(settings.max_history))


def _baskets(lines: pl.DataFrame) -> NDArray[np.int32]:
    """The number of the basket of each of the events, which lie in order: those of a customer at one time.

    An event without a time is a basket of its own.
    """
    users, times = lines["user"].to_numpy(), lines["time"].to_physical()
    new = np.ones(len(lines), bool)
    same = (times == times.shift(1)).fill_null(False).to_numpy()
    new[1:] = (users[1:] != users[:-1]) | ~same[1:]
    return np.cumsum(new).astype(np.int32)


def with_reviews(
    shop: Shop, catalogue: Catalogue, customers: Customers, n: int
) -> tuple[Customers, tuple[str, ...]]:
    """The customers with their reviews of items, and the texts of those: n at most, the latest first."""
    reviews = shop.reviews.filter(
        pl.col("text").is_not_null(), pl.col("user_id").is_not_null(), pl.col("item_id").is_not_null()
    )
    if not n or not len(reviews):
        return customers, ()
    histories = customers.histories
    done = pl.DataFrame({"user": histories.owners(), "item": histories.items, "age": histories.ages()})
    ids = pl.DataFrame({"user_id": list(customers.user_ids)}).with_row_index("user")
    items = pl.DataFrame({"item_id": list(catalogue.item_ids)}).with_row_index("item")
    told = reviews.join(ids, on="user_id").join(items, on="item_id")
    told = told.unique(["user", "item"], keep="last", maintain_order=True).select(
        pl.col("user", "item").cast(pl.Int64),
        review=pl.concat_str(pl.col("title", "text"), separator=". ", ignore_nulls=True),
    )
    lines = (
        done.with_row_index("event")
        .with_columns(pl.col("user", "item").cast(pl.Int64))
        .join(told, on=["user", "item"], maintain_order="left")
        .sort("age", maintain_order=True)
        .unique(["user", "item"], keep="first", maintain_order=True)
        .filter(pl.col("review").map_elements(is_language, return_dtype=pl.Boolean))
        .head(n)
    )
    rows = np.full(len(histories.items), -1, np.int32)
    rows[lines["event"].to_numpy()] = np.arange(len(lines))
    return replace(customers, kept=replace(histories, reviews=rows)), tuple(lines["review"])


def rows_in(column: str, ids: pl.Series) -> pl.Expr:
    """The row in `ids` of each id of the column."""
    return pl.col(column).cast(pl.Enum(ids)).to_physical()


SCORES_AT_ONCE = 60_000_000
UNSOLD_A_CASE = 10
"""So many items that nobody has chosen stand beside each that a case asks for: its odds are then theirs."""


def n_scored(n: int, n_items: int, *, least: int = 30) -> int:
    """Of n cases so many that their scores of every item fit in memory."""
    return min(n, max(least, SCORES_AT_ONCE // max(n_items, 1)))


@dataclass(frozen=True)
class Cases:
    """Questions with a known answer: whose history (row, −1 a new customer), and the item that came next."""

    customers: NDArray[np.int64]
    targets: NDArray[np.int64]
    """−1: the item is not in the catalogue, so that nobody can find it."""

    def __len__(self) -> int:
        return len(self.targets)

    def first(self, n: int) -> Cases:
        """The first n."""
        return Cases(self.customers[:n], self.targets[:n])


def hold_out(
    histories: Histories, n: int, seed: int, *, repeats: bool = False, n_unsold: int = 0
) -> tuple[Histories, Cases]:
    """The histories without the last event of n customers at most, and those events as cases.

    Only customers whose last item is new to them and not their first are asked. `n_unsold` items of the
    catalogue have no event: of items that are left without one, at most one in UNSOLD_A_CASE of that many is
    asked for. With fewer unsold items, to have no event would itself be a sign of the answer; and if no such
    item were asked for, a shop of many unsold items would choose its weights on the easy cases alone.

    Of histories in baskets the whole last one is held out, since its other items would give the answer away,
    and one item of it, drawn, is the case.
    """
    if histories.baskets is not None:
        return _last_baskets(histories, n, seed, n_unsold)
    last = histories.offsets[1:] - 1
    lengths = histories.lengths()
    asked = np.flatnonzero(lengths > 0)
    again = np.zeros(len(histories), np.int64)
    if len(asked):
        same = histories.items == np.repeat(histories.items[last[asked]], lengths[asked])
        again[asked] = np.add.reduceat(same, histories.offsets[asked], dtype=np.int64)
    able = np.flatnonzero((lengths > 1) & (repeats | (again == 1)))
    chosen = stream(seed, "validation").permutation(able)[:n]
    held = histories.items[last[chosen]]
    n_items = int(histories.items.max(initial=-1)) + 1
    n_left = np.bincount(histories.items, minlength=n_items) - np.bincount(held, minlength=n_items)
    new = n_left[held] == 0
    chosen = np.sort(chosen[~new | (np.cumsum(new) <= n_unsold // UNSOLD_A_CASE)])
    keep = np.ones(len(histories.items), bool)
    keep[last[chosen]] = False
    lengths[chosen] -= 1
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    rest = histories.events(keep, offsets)
    return rest, Cases(chosen, histories.items[last[chosen]].astype(np.int64))


def _last_baskets(histories: Histories, n: int, seed: int, n_unsold: int) -> tuple[Histories, Cases]:
    owners, in_last = histories.owners(), histories.basket_ages() == 1
    earlier = np.bincount(owners[~in_last], minlength=len(histories))
    chosen = stream(seed, "validation").permutation(np.flatnonzero(earlier))[:n]
    drawn = np.zeros(len(histories), np.int64)
    mixed = stream(seed, "validation items").permutation(np.flatnonzero(in_last))
    drawn[owners[mixed]] = mixed
    held = histories.items[drawn[chosen]]
    left = ~(in_last & np.isin(owners, chosen))
    new = np.bincount(histories.items[left], minlength=int(histories.items.max(initial=-1)) + 1)[held] == 0
    chosen = np.sort(chosen[~new | (np.cumsum(new) <= n_unsold // UNSOLD_A_CASE)])
    keep = ~(in_last & np.isin(owners, chosen))
    lengths = np.bincount(owners[keep], minlength=len(histories))
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    return histories.events(keep, offsets), Cases(chosen, histories.items[drawn[chosen]].astype(np.int64))


def read_cases(
    shop: Shop, catalogue: Catalogue, customers: Customers, settings: RecommendSettings
) -> tuple[Cases, dict[str, int]]:
    """Each event of `shop` as a case, given the customers' known histories, and how many were left out why.

    An item that the customer already has is not asked for, since it is masked, unless `repeats` count; an
    event that repeats another of `shop` is asked once.
    """
    events = (
        weighed_events(shop, settings)
        .sort("user_id", "time", maintain_order=True)
        .unique(["user_id", "item_id"], keep="first", maintain_order=True)
    )
    n_all = len(events)
    users = np.array(events["user_id"].unique().sort(), dtype=object)
    users = stream(settings.seed, "test").permutation(users)
    events = events.filter(pl.col("user_id").is_in(users[: settings.n_test].tolist()))
    n_sampled = len(events)
    histories = customers.histories
    rows = np.array([customers.ix.get(one, -1) for one in events["user_id"]], np.int64)
    targets = np.array([catalogue.ix.get(one, -1) for one in events["item_id"]], np.int64)
    seen = np.zeros(len(rows), bool)
    for i, (row, target) in enumerate(zip(rows, targets, strict=True)):
        if row >= 0:
            own = histories.items[histories.offsets[row] : histories.offsets[row + 1]]
            seen[i] = bool((own == target).any())
    if settings.repeats:
        seen[:] = False
    counts = {"events": n_all, "not drawn": n_all - n_sampled, "already in the history": int(seen.sum())}
    return Cases(rows[~seen], targets[~seen]), counts
