"""What every cell of the ledger of recommendation is asked, and which cases have curves of their own."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.errors import MissingTable
from retailor.prove.contract import Kind
from retailor.prove.kinds import LEAST_CASES
from retailor.retrieval.histories import Histories
from retailor.seeds import stream
from retailor.shop.tables import Shop, conform
from retailor.tasks.recommend.cases import Cases, read_cases
from retailor.tasks.recommend.catalogue import Catalogue, read_catalogue
from retailor.tasks.recommend.customers import Customers, read_customers, weighed_events
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.text.fields import is_language

LEAST_TEST = 20
SELDOM = 2
"""An item is cold that so many customers at most have in the training part, and a customer with so many
events at most."""
COLD_ITEMS, COLD_CUSTOMERS, TEXT_ONLY = "cold items", "cold customers", "text-only customers"


@dataclass(frozen=True)
class Asked:
    """What every cell is asked: the same cases, of the same histories, among the same items."""

    train: Shop
    """Its table of items has every item that has an event, so that a part of it has the same catalogue."""
    catalogue: Catalogue
    customers: Customers
    cases: Cases
    written: tuple[str, ...]
    """Of each case the latest review that the customer wrote in training, of another item than the one that
    is asked for; '' without any."""

    @classmethod
    def of(cls, train: Shop, test: Shop, settings: RecommendSettings) -> Asked:
        listed = train.items["item_id"].implode()
        more = train.events.select("item_id").drop_nulls().unique().filter(~pl.col("item_id").is_in(listed))
        whole = train.with_tables(items=pl.concat([train.items, conform("items", more)]))
        catalogue = read_catalogue(whole)
        customers = read_customers(whole, catalogue, settings)
        cases, _ = read_cases(test, catalogue, customers, settings)
        if len(cases) < LEAST_TEST:
            raise MissingTable(
                f"a ledger needs {LEAST_TEST} events to test on that repeat nothing, and there are "
                f"{len(cases)}."
            )
        return cls(whole, catalogue, customers, cases, _written(whole, catalogue, customers, cases))

    def part(self, n: int, seed: int, settings: RecommendSettings) -> Shop:
        """The shop with customers drawn until they have `n` events; all of them for 0.

        A smaller part of the same seed lies in a larger one. The others teach nothing, and are asked all the
        same, with what they have chosen: the shop is young, not its customers.
        """
        if not n:
            return self.train
        lengths = weighed_events(self.train, settings)["user_id"].value_counts().sort("user_id")
        order = stream(seed, "prove", "customers").permutation(len(lengths))
        taken = np.cumsum(lengths["count"].to_numpy()[order])
        users = lengths["user_id"].gather(order[: int(np.searchsorted(taken, n)) + 1])
        events = self.train.events.filter(pl.col("user_id").is_in(users.implode()))
        return self.train.with_tables(events=events)

    def histories(self, fitted: Customers) -> Histories:
        """Those of all customers, with the reviews of those that were fitted on."""
        whole = self.customers.histories
        if fitted.histories.reviews is None:
            return whole
        rows = np.array([self.customers.ix[one] for one in fitted.user_ids], np.int64)
        starts, lengths = whole.offsets[:-1][rows], fitted.histories.lengths()
        at = np.repeat(starts - fitted.histories.offsets[:-1], lengths) + np.arange(
            len(fitted.histories.items)
        )
        reviews = np.full(len(whole.items), -1, np.int32)
        reviews[at] = fitted.histories.reviews
        return replace(whole, reviews=reviews)

    def kinds(self) -> tuple[Kind, ...]:
        """The kinds of cases, each with what it is here."""
        n_real = int(self.really_cold().sum())
        cold = f"customers of whom 1 to {SELDOM} events are known"
        if n_real < LEAST_CASES:
            cold = (
                f"every customer, known by the latest {SELDOM} events alone, as only {n_real} cases are of "
                "customers with so few"
            )
        return (
            Kind(COLD_ITEMS, f"items that {SELDOM} customers at most have in the events learned from"),
            Kind(COLD_CUSTOMERS, cold),
            Kind(
                TEXT_ONLY,
                "customers known by the latest review that they wrote, and by no event; a row that reads no "
                "text answers with what is popular",
            ),
        )

    def really_cold(self) -> NDArray[np.bool_]:
        """Which cases are of customers with an event or two [n]."""
        lengths = np.append(self.customers.histories.lengths(), 0)[self.cases.customers]
        return (lengths > 0) & (lengths <= SELDOM)


def _written(shop: Shop, catalogue: Catalogue, customers: Customers, cases: Cases) -> tuple[str, ...]:
    known = shop.reviews.filter(pl.col("user_id").is_in(list(customers.user_ids)))
    told = known.sort("time", nulls_last=False, maintain_order=True).select(
        "user_id",
        "item_id",
        text=pl.concat_str(pl.col("title", "text"), separator=". ", ignore_nulls=True),
    )
    by_customer: dict[str, list[tuple[str | None, str]]] = {}
    for user, item, text in told.iter_rows():
        if text and is_language(text):
            by_customer.setdefault(user, []).append((item, text))
    found = []
    for row, target in zip(cases.customers, cases.targets, strict=True):
        theirs = by_customer.get(customers.user_ids[row], []) if row >= 0 and target >= 0 else []
        asked = catalogue.item_ids[target]
        found.append(next((text for item, text in reversed(theirs) if item != asked), ""))
    return tuple(found)
