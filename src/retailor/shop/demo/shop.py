"""The demo shop: a simulated bilingual shop with known right answers, the same for the same size and seed.

Nobody in it exists. Customers have tastes over latent themes; every theme is told in many words that do not
overlap, in two languages, so that whoever understands the words knows what to recommend when an item is new.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from retailor.errors import ConfigError
from retailor.seeds import stream
from retailor.shop.demo.catalogue import Item, item_row, make_items, pick
from retailor.shop.demo.customers import make_choices, make_customers, make_events
from retailor.shop.demo.drawings import Look, look_of
from retailor.shop.demo.rules import facts, rules
from retailor.shop.demo.talk import make_questions, make_reviews
from retailor.shop.demo.words_en import ENGLISH
from retailor.shop.tables import Shop


@dataclass(frozen=True)
class DemoTruth:
    """What the simulation knows and the shop's tables do not say."""

    themes: Mapping[str, str]
    """item_id to theme."""
    products: Mapping[str, str]
    """item_id to kind of product, the same key in both languages."""
    late: frozenset[str]
    """Items that arrive in the last tenth of the time span: cold under a split by time."""
    tastes: Mapping[str, Mapping[str, float]]
    """user_id to theme to share, summing to one."""
    question_kinds: Mapping[str, str]
    """question_id to where its answer lies: attribute, description, review, answer, or none."""
    aspects: pl.DataFrame
    """review_id, item_id, aspect, polarity (1 praises, -1 complains), sentence."""
    looks: Mapping[str, Look]
    """item_id to what its picture shows; shape and pattern are told by no text."""


def demo_shop(size: int = 200, seed: int = 0) -> Shop:
    """A simulated shop of `size` items, about 2 × customers, 20 × events, 6 × reviews and 2 × questions.

    Raises ConfigError when `size` is below 12.
    """
    return _simulate(size, seed)[0]


def demo_truth(size: int = 200, seed: int = 0) -> DemoTruth:
    """The right answers behind `demo_shop(size, seed)`."""
    return _simulate(size, seed)[1]


def _simulate(size: int, seed: int) -> tuple[Shop, DemoTruth]:
    if size < 12:
        raise ConfigError(f"A demo shop needs at least 12 items, not {size}.", key="size", value=size)
    items = make_items(size, seed)
    customers = make_customers(2 * size, seed)
    choices = make_choices(items, customers, seed)
    reviews, aspects = make_reviews(choices, seed)
    questions, kinds = make_questions(items, aspects, 2 * size, seed)
    shop = Shop.of(
        items=pl.DataFrame([item_row(item, stream(seed, "rendering", item.item_id)) for item in items]),
        events=make_events(choices, seed),
        reviews=reviews,
        questions=questions,
        judgments=_judgments(items, min(120, 20 + size // 5), seed),
        rules=rules(),
        facts=facts(),
    )
    truth = DemoTruth(
        themes={item.item_id: item.theme.key for item in items},
        products={item.item_id: item.product.key for item in items},
        late=frozenset(item.item_id for item in items if item.arrives >= 0.9),
        tastes={
            c.user_id: {t.key: float(c.taste[i]) for i, t in enumerate(ENGLISH.themes)} for c in customers
        },
        question_kinds=kinds,
        aspects=aspects,
        looks={item.item_id: look_of(item, seed) for item in items},
    )
    return shop, truth


def _judgments(items: Sequence[Item], n: int, seed: int) -> pl.DataFrame:
    """Graded 3 right in every word, 2 same product, 1 same theme; another language costs one."""
    rng = stream(seed, "judgments")
    grades: dict[tuple[str, str], int] = {}
    for number in range(n):
        asked = pick(rng, items)
        if number % 3 == 0:
            query, slot = pick(rng, asked.theme.needs), "need"
        else:
            template = pick(rng, asked.language.search)
            query = template.format(**asked.words)
            slot = next((s for s in ("material", "colour", "special") if f"{{{s}}}" in template), "name")
        query = query.lower()
        for item in items:
            grade = _grade(asked, item, slot)
            if grade or rng.random() < 5 / len(items):
                grades[query, item.item_id] = max(grade, grades.get((query, item.item_id), 0))
    rows = [(query, item_id, float(grade)) for (query, item_id), grade in grades.items()]
    return pl.DataFrame(rows, schema=["query", "item_id", "grade"], orient="row")


def _grade(asked: Item, item: Item, slot: str) -> int:
    if asked.theme.key != item.theme.key:
        return 0
    grade = 1
    if slot == "need":
        grade = 3
    elif asked.product.key == item.product.key:
        same = slot == "name" or asked.words[slot] == item.words[slot]
        grade = 3 if same else 2
    return grade - (asked.language.code != item.language.code)
