"""The demo shop's catalogue: items with natural texts, known themes, and the mess of real databases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np
from numpy.random import Generator

from retailor.seeds import stream
from retailor.shop.demo.shapes import Language, Product, Theme
from retailor.shop.demo.words_en import ENGLISH
from retailor.shop.demo.words_zh import CHINESE

PRICE = {"outdoor": 110.0, "baby": 45.0, "kitchen": 48.0, "audio": 95.0, "skincare": 19.0, "pets": 28.0}
_GRAMS = {"outdoor": 900, "baby": 600, "kitchen": 750, "audio": 350, "skincare": 110, "pets": 1400}

T = TypeVar("T")


@dataclass(frozen=True)
class Item:
    item_id: str
    language: Language
    theme: Theme
    product: Product
    words: Mapping[str, str]
    """Slots of the templates: brand, model, name, material, special, colour, adjective, mood."""
    attributes: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str, str], ...]
    """Sentence, question, answer, with numbers filled in."""
    unsaid: tuple[str, ...]
    """Questions of the theme that this item's texts do not answer."""
    sentences: tuple[str, ...]
    quality: Mapping[str, float]
    appeal: float
    arrives: float
    price: float


def pick(rng: Generator, things: Sequence[T]) -> T:
    return things[int(rng.integers(len(things)))]


def some(rng: Generator, things: Sequence[T], n: int) -> list[T]:
    return [things[i] for i in rng.permutation(len(things))[:n]]


def make_items(size: int, seed: int) -> list[Item]:
    rng = stream(seed, "items")
    kinds = [
        (language, theme, product)
        for language in (ENGLISH, ENGLISH, CHINESE)
        for theme in language.themes
        for product in theme.products
    ]
    numbers = rng.permutation(900_000)[:size] + 100_000
    models: set[str] = set()
    items: list[Item] = []
    while len(items) < size:
        for k in rng.permutation(len(kinds)):
            if len(items) < size:
                language, theme, product = kinds[k]
                item_id = f"P{numbers[len(items)]}"
                items.append(_item(language, theme, product, item_id, models, rng))
    return items


def _item(
    language: Language, theme: Theme, product: Product, item_id: str, models: set[str], rng: Generator
) -> Item:
    words = {
        "brand": pick(rng, language.brands),
        "model": _model(models, rng),
        "name": pick(rng, product.names),
        "material": pick(rng, product.materials),
        "special": pick(rng, product.special[1]),
        "colour": pick(rng, language.colours),
        "adjective": pick(rng, language.adjectives),
        "mood": pick(rng, theme.moods),
        "n": str(rng.integers(2, 8)),
    }
    said, unsaid = _choose_facts(language, theme, rng)
    base = rng.normal(0.1, 0.5)
    late = rng.random()
    return Item(
        item_id=item_id,
        language=language,
        theme=theme,
        product=product,
        words=words,
        attributes=_attributes(language, theme, product, words, rng),
        facts=said,
        unsaid=unsaid,
        sentences=_sentences(language, product, words, said, rng) if said else (),
        quality={
            aspect.key: float(np.clip(base + rng.normal(0, 0.6), -1, 1))
            for aspect in (*theme.aspects, *language.aspects)
        },
        appeal=float(rng.pareto(1.3) + 0.15),
        arrives=0.0
        if late < 0.6
        else float(rng.uniform(0.0, 0.9) if late < 0.86 else rng.uniform(0.9, 0.97)),
        price=float(np.exp(rng.normal(np.log(PRICE[theme.key]), 0.5))),
    )


def _choose_facts(
    language: Language, theme: Theme, rng: Generator
) -> tuple[tuple[tuple[str, str, str], ...], tuple[str, ...]]:
    """The facts that an item's description states, numbers filled in, and the questions it leaves open."""
    own, general = some(rng, theme.facts, 9), some(rng, language.facts, 9)
    # a third of the items are terse, as in real shops: title and data sheet must speak for them
    n_own, n_general = (1, int(rng.integers(1, 3))) if rng.random() < 0.68 else (0, 0)
    said = []
    for fact in (*own[:n_own], *general[:n_general]):
        n = int(rng.integers(fact.low, fact.high + 1))
        said.append((fact.sentence.format(n=n), fact.question, fact.answer.format(n=n)))
    return tuple(said), tuple(fact.question for fact in (*own[n_own:], *general[n_general:]))


def _model(used: set[str], rng: Generator) -> str:
    while True:
        letters = "".join(pick(rng, "ABCDEFGHKLMNPRSTVWXZ") for _ in range(2))
        model = f"{letters}-{rng.integers(100, 9999)}"
        if model not in used:
            used.add(model)
            return model


def _attributes(
    language: Language, theme: Theme, product: Product, words: Mapping[str, str], rng: Generator
) -> tuple[tuple[str, str], ...]:
    names = language.attribute_names
    grams = int(_GRAMS[theme.key] * np.exp(rng.normal(0, 0.5)))
    units = ("g", "kg") if language.code == "en" else ("克", "公斤")
    space = " " if language.code == "en" else ""
    weight = f"{grams}{space}{units[0]}" if grams < 1000 else f"{grams / 1000:.1f}{space}{units[1]}"
    years = int(rng.integers(1, 6))
    warranty = (f"{years} year" + "s" * (years > 1)) if language.code == "en" else f"{years}年"
    rows = [
        (names["material"], words["material"]),
        (names["colour"], words["colour"]),
        (product.special[0], words["special"]),
        (names["weight"], weight),
        (names["model"], words["model"]),
    ]
    return tuple(rows + [(names["warranty"], warranty)] * int(rng.random() < 0.6))


def _sentences(
    language: Language,
    product: Product,
    words: Mapping[str, str],
    facts: Sequence[tuple[str, str, str]],
    rng: Generator,
) -> tuple[str, ...]:
    intro = pick(rng, language.intros).format(**words)
    middle = [*(fact[0] for fact in facts), *some(rng, product.about, int(rng.integers(1, 3)))]
    closing = [pick(rng, language.closings).format(**words)] if rng.random() < 0.6 else []
    intro = intro[0].upper() + intro[1:]
    return (intro, *some(rng, middle, len(middle)), *closing)


def item_row(item: Item, rng: Generator) -> dict[str, Any]:
    zh = item.language.code == "zh"
    return {
        "item_id": item.item_id,
        "title": _mess_title(pick(rng, item.language.titles).format(**item.words), zh, rng),
        "description": _mess(item.sentences, item.language.join, zh, rng) if item.sentences else None,
        "brand": item.words["brand"] if rng.random() < 0.92 else None,
        "category": list(item.product.category),
        "price": round(item.price * (7.1 if zh else 1.0), 2) if rng.random() < 0.95 else None,
        "currency": "CNY" if zh else "USD",
        "attributes": [{"name": name, "value": value} for name, value in item.attributes],
        "image": f"{item.item_id}.png",
        "language": item.language.code,
    }


def _mess_title(title: str, zh: bool, rng: Generator) -> str:
    if rng.random() < 0.85:
        return title
    if zh:
        return _full_width(title) + "&nbsp;"
    return title.replace(" & ", " &amp; ").replace("'", "&#39;") + "  "


def _mess(sentences: Sequence[str], join: str, zh: bool, rng: Generator) -> str:
    """The description as a shop's database holds it: half of them clean, the others in scraps of HTML."""
    kind = rng.random()
    if kind < 0.5:
        return join.join(sentences)
    if kind < 0.65:
        return "".join(f"<p>{sentence}</p>\n" for sentence in sentences)
    if kind < 0.8:
        points = "".join(f"<li>{sentence}" for sentence in sentences[1:])
        return f"{sentences[0]}<br /><ul>{points}</ul>"
    if kind < 0.9:
        return f'<span class="a-size-medium a-text-bold">{join.join(sentences)}&nbsp;&nbsp;</div>'
    text = join.join(sentences)
    return _full_width(text) if zh else text.replace("'", "&rsquo;").replace(". ", ".&nbsp; ")


def _full_width(text: str) -> str:
    return "".join(chr(ord(c) + 0xFEE0) if c.isascii() and c.isalnum() else c for c in text)
