"""The demo shop's customers: tastes over themes, what they come across when, and what they do about it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Self

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from retailor.seeds import stream
from retailor.shop.demo.catalogue import PRICE, Item
from retailor.shop.demo.shapes import Language
from retailor.shop.demo.words_en import ENGLISH
from retailor.shop.demo.words_zh import CHINESE

_START = datetime(2023, 1, 2, tzinfo=UTC)
_DAYS = 730


@dataclass(frozen=True)
class Customer:
    user_id: str
    language: Language
    taste: NDArray[np.float64]
    mood: float
    budget: float
    n_choices: int


@dataclass(frozen=True)
class Choice:
    """One customer meets one item at a time in [0, 1]; `stars` is None when nothing was bought."""

    customer: Customer
    item: Item
    time: float
    stars: int | None


def when(time: float) -> datetime:
    return _START + timedelta(seconds=int(time * _DAYS * 86400))


def make_customers(n: int, seed: int) -> list[Customer]:
    rng = stream(seed, "customers")
    numbers = rng.permutation(900_000)[:n] + 100_000
    return [
        Customer(
            user_id=f"U{number}",
            language=ENGLISH if rng.random() < 0.64 else CHINESE,
            taste=rng.dirichlet(np.full(len(ENGLISH.themes), 0.14)),
            mood=float(rng.normal(0, 0.35)),
            budget=float(rng.normal(0, 0.6)),
            n_choices=2 + int(rng.exponential(3.8)),
        )
        for number in numbers
    ]


@dataclass(frozen=True)
class _Wares:
    """The items as columns [I]."""

    theme_ix: NDArray[np.int64]
    chinese: NDArray[np.bool_]
    appeal: NDArray[np.float64]
    dearness: NDArray[np.float64]

    @classmethod
    def of(cls, items: Sequence[Item]) -> Self:
        return cls(
            np.array([[t.key for t in ENGLISH.themes].index(item.theme.key) for item in items]),
            np.array([item.language.code == "zh" for item in items]),
            np.array([item.appeal for item in items]),
            np.array([np.log(item.price / PRICE[item.theme.key]) for item in items]),
        )

    def liking(self, customer: Customer) -> NDArray[np.float64]:
        """How much a customer is after each item."""
        foreign = self.chinese != (customer.language.code == "zh")
        liking = customer.taste[self.theme_ix] ** 1.3 + 0.002
        liking = liking * self.appeal * np.where(foreign, 0.04, 1.0)
        liking *= np.exp(-0.5 * np.abs(self.dearness - customer.budget))
        return np.asarray(liking)


def likings(items: Sequence[Item], customers: Sequence[Customer]) -> NDArray[np.float64]:
    """How much each customer is after each item [U, I], whenever it arrives."""
    wares = _Wares.of(items)
    return np.array([wares.liking(customer) for customer in customers])


def make_choices(items: Sequence[Item], customers: Sequence[Customer], seed: int) -> list[Choice]:
    rng = stream(seed, "choices")
    wares = _Wares.of(items)
    arrives = np.array([item.arrives for item in items])
    choices = []
    for customer in customers:
        liking = wares.liking(customer)
        for time in _times(customer.n_choices, rng):
            fresh = 1.0 + 5.0 * np.exp(-(time - arrives) / 0.06)  # new items are shown more
            weight = np.where(arrives <= time, liking * fresh, 0.0)
            if weight.sum() <= 0:
                break
            i = int(np.searchsorted(np.cumsum(weight), rng.random() * weight.sum(), side="right"))
            liking[i] = 0.0
            choices.append(Choice(customer, items[i], time, _stars(customer, items[i], rng)))
    return choices


def _times(n: int, rng: Generator) -> list[float]:
    first = rng.beta(1.6, 0.9)
    spread = rng.uniform(0.05, 1.0)
    times = np.abs(first + spread * (rng.random(n) - 0.5))
    return sorted(float(t) for t in np.where(times < 1, times, 2 - times))  # mirrored, so that none pile up


def _stars(customer: Customer, item: Item, rng: Generator) -> int | None:
    if rng.random() > 0.62:
        return None
    quality = float(np.mean(list(item.quality.values())))
    return int(np.clip(round(3.7 + 1.9 * quality + customer.mood + rng.normal(0, 1.0)), 1, 5))


def make_events(choices: Sequence[Choice], seed: int) -> pl.DataFrame:
    rng = stream(seed, "events")
    rows: list[tuple[str, str, str, float | None, datetime]] = []
    for choice in choices:
        for kind, delay_s in _behaviours(choice, rng):
            stars = float(choice.stars) if kind == "rate" and choice.stars is not None else None
            moment = when(choice.time) + timedelta(seconds=delay_s)
            rows.append((choice.customer.user_id, choice.item.item_id, kind, stars, moment))
    columns = ["user_id", "item_id", "kind", "rating", "time"]
    return pl.DataFrame(rows, schema=columns, orient="row").sort("time", "user_id", "item_id", "kind")


def _behaviours(choice: Choice, rng: Generator) -> Iterator[tuple[str, int]]:
    if choice.stars is None or rng.random() < 0.6:
        yield "view", 0
    if rng.random() < 0.18:
        yield "favourite", int(rng.integers(10, 200))
    if choice.stars is None:
        return
    if rng.random() < 0.45:
        yield "cart", int(rng.integers(200, 900))
    yield "buy", int(rng.integers(900, 4000))
    if rng.random() < 0.8:
        yield "rate", int(rng.integers(2, 20)) * 86400 + int(rng.integers(86400))
