"""The demo shop: a simulated bilingual shop with known right answers, the same for the same size and seed.

Nobody in it exists. Customers have tastes over latent themes; every theme is told in many words that do not
overlap, in two languages, so that whoever understands the words knows what to recommend when an item is new.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import numpy as np
import polars as pl
from numpy.random import Generator
from numpy.typing import NDArray

from retailor.errors import ConfigError
from retailor.seeds import stream
from retailor.shop.demo_words import ENGLISH, Aspect, Language, Product, Theme
from retailor.shop.demo_words_zh import CHINESE
from retailor.shop.tables import Shop, label_of_rating

_START = datetime(2023, 1, 2, tzinfo=UTC)
_DAYS = 730
_PRICE = {"outdoor": 110.0, "baby": 45.0, "kitchen": 48.0, "audio": 95.0, "skincare": 19.0, "pets": 28.0}
_GRAMS = {"outdoor": 900, "baby": 600, "kitchen": 750, "audio": 350, "skincare": 110, "pets": 1400}
_POSITIVE = {1: 0.06, 2: 0.22, 3: 0.5, 4: 0.82, 5: 0.95}  # chance that a sentence praises, by stars

T = TypeVar("T")


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


@dataclass(frozen=True)
class _Item:
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


@dataclass(frozen=True)
class _Customer:
    user_id: str
    language: Language
    taste: NDArray[np.float64]
    mood: float
    budget: float
    n_choices: int


@dataclass(frozen=True)
class _Choice:
    """One customer meets one item at a time in [0, 1]; `stars` is None when nothing was bought."""

    customer: _Customer
    item: _Item
    time: float
    stars: int | None


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
    items = _items(size, seed)
    customers = _customers(2 * size, seed)
    choices = _choices(items, customers, seed)
    reviews, aspects = _reviews(choices, seed)
    questions, kinds = _questions(items, aspects, 2 * size, seed)
    shop = Shop.of(
        items=pl.DataFrame([_item_row(item, stream(seed, "rendering", item.item_id)) for item in items]),
        events=_events(choices, seed),
        reviews=reviews,
        questions=questions,
        judgments=_judgments(items, min(120, 20 + size // 5), seed),
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
    )
    return shop, truth


def _pick(rng: Generator, things: Sequence[T]) -> T:
    return things[int(rng.integers(len(things)))]


def _some(rng: Generator, things: Sequence[T], n: int) -> list[T]:
    return [things[i] for i in rng.permutation(len(things))[:n]]


def _when(time: float) -> datetime:
    return _START + timedelta(seconds=int(time * _DAYS * 86400))


# items --------------------------------------------------------------------------------------------


def _items(size: int, seed: int) -> list[_Item]:
    rng = stream(seed, "items")
    kinds = [
        (language, theme, product)
        for language in (ENGLISH, ENGLISH, CHINESE)
        for theme in language.themes
        for product in theme.products
    ]
    numbers = rng.permutation(900_000)[:size] + 100_000
    models: set[str] = set()
    items: list[_Item] = []
    while len(items) < size:
        for k in rng.permutation(len(kinds)):
            if len(items) < size:
                language, theme, product = kinds[k]
                item_id = f"P{numbers[len(items)]}"
                items.append(_item(language, theme, product, item_id, models, rng))
    return items


def _item(
    language: Language, theme: Theme, product: Product, item_id: str, models: set[str], rng: Generator
) -> _Item:
    words = {
        "brand": _pick(rng, language.brands),
        "model": _model(models, rng),
        "name": _pick(rng, product.names),
        "material": _pick(rng, product.materials),
        "special": _pick(rng, product.special[1]),
        "colour": _pick(rng, language.colours),
        "adjective": _pick(rng, language.adjectives),
        "mood": _pick(rng, theme.moods),
        "n": str(rng.integers(2, 8)),
    }
    order = rng.permutation(len(theme.facts))
    n_facts = int(rng.integers(2, 4))
    facts = []
    for fact in (theme.facts[i] for i in order[:n_facts]):
        n = int(rng.integers(fact.low, fact.high + 1))
        facts.append((fact.sentence.format(n=n), fact.question, fact.answer.format(n=n)))
    base = rng.normal(0.1, 0.5)
    late = rng.random()
    return _Item(
        item_id=item_id,
        language=language,
        theme=theme,
        product=product,
        words=words,
        attributes=_attributes(language, theme, product, words, rng),
        facts=tuple(facts),
        unsaid=tuple(theme.facts[i].question for i in order[n_facts:]),
        sentences=_sentences(language, product, words, facts, rng),
        quality={
            aspect.key: float(np.clip(base + rng.normal(0, 0.6), -1, 1))
            for aspect in (*theme.aspects, *language.aspects)
        },
        appeal=float(rng.pareto(1.3) + 0.15),
        arrives=0.0 if late < 0.6 else float(rng.uniform(0.0, 0.9) if late < 0.9 else rng.uniform(0.9, 0.97)),
        price=float(np.exp(rng.normal(np.log(_PRICE[theme.key]), 0.5))),
    )


def _model(used: set[str], rng: Generator) -> str:
    while True:
        letters = "".join(_pick(rng, "ABCDEFGHKLMNPRSTVWXZ") for _ in range(2))
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
    intro = _pick(rng, language.intros).format(**words)
    middle = [*(fact[0] for fact in facts), *_some(rng, product.about, int(rng.integers(1, 3)))]
    closing = [_pick(rng, language.closings).format(**words)] if rng.random() < 0.6 else []
    intro = intro[0].upper() + intro[1:]
    return (intro, *_some(rng, middle, len(middle)), *closing)


def _item_row(item: _Item, rng: Generator) -> dict[str, Any]:
    zh = item.language.code == "zh"
    return {
        "item_id": item.item_id,
        "title": _mess_title(_pick(rng, item.language.titles).format(**item.words), zh, rng),
        "description": _mess(item.sentences, item.language.join, zh, rng),
        "brand": item.words["brand"] if rng.random() < 0.92 else None,
        "category": list(item.product.category),
        "price": round(item.price * (7.1 if zh else 1.0), 2) if rng.random() < 0.95 else None,
        "currency": "CNY" if zh else "USD",
        "attributes": [{"name": name, "value": value} for name, value in item.attributes],
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


# customers ----------------------------------------------------------------------------------------


def _customers(n: int, seed: int) -> list[_Customer]:
    rng = stream(seed, "customers")
    numbers = rng.permutation(900_000)[:n] + 100_000
    return [
        _Customer(
            user_id=f"U{number}",
            language=ENGLISH if rng.random() < 0.64 else CHINESE,
            taste=rng.dirichlet(np.full(len(ENGLISH.themes), 0.18)),
            mood=float(rng.normal(0, 0.35)),
            budget=float(rng.normal(0, 0.6)),
            n_choices=2 + int(rng.exponential(3.8)),
        )
        for number in numbers
    ]


def _choices(items: Sequence[_Item], customers: Sequence[_Customer], seed: int) -> list[_Choice]:
    rng = stream(seed, "choices")
    theme_ix = np.array([[t.key for t in ENGLISH.themes].index(item.theme.key) for item in items])
    chinese = np.array([item.language.code == "zh" for item in items])
    appeal = np.array([item.appeal for item in items])
    arrives = np.array([item.arrives for item in items])
    dearness = np.array([np.log(item.price / _PRICE[item.theme.key]) for item in items])
    choices = []
    for customer in customers:
        foreign = chinese != (customer.language.code == "zh")
        liking = (customer.taste[theme_ix] + 0.004) * appeal * np.where(foreign, 0.04, 1.0)  # [I]
        liking *= np.exp(-0.5 * np.abs(dearness - customer.budget))
        for time in _times(customer.n_choices, rng):
            fresh = 1.0 + 2.0 * np.exp(-(time - arrives) / 0.08)  # new items are shown more
            weight = np.where(arrives <= time, liking * fresh, 0.0)
            if weight.sum() <= 0:
                break
            i = int(np.searchsorted(np.cumsum(weight), rng.random() * weight.sum(), side="right"))
            liking[i] = 0.0
            choices.append(_Choice(customer, items[i], time, _stars(customer, items[i], rng)))
    return choices


def _times(n: int, rng: Generator) -> list[float]:
    first = rng.beta(1.2, 1.0)
    spread = rng.uniform(0.05, 1.0)
    return sorted(float(t) for t in np.clip(first + spread * (rng.random(n) - 0.5), 0.001, 0.999))


def _stars(customer: _Customer, item: _Item, rng: Generator) -> int | None:
    if rng.random() > 0.62:
        return None
    quality = float(np.mean(list(item.quality.values())))
    return int(np.clip(round(3.85 + 1.5 * quality + customer.mood + rng.normal(0, 0.8)), 1, 5))


def _events(choices: Sequence[_Choice], seed: int) -> pl.DataFrame:
    rng = stream(seed, "events")
    rows: list[tuple[str, str, str, float | None, datetime]] = []
    for choice in choices:
        for kind, delay_s in _behaviours(choice, rng):
            stars = float(choice.stars) if kind == "rate" and choice.stars is not None else None
            moment = _when(choice.time) + timedelta(seconds=delay_s)
            rows.append((choice.customer.user_id, choice.item.item_id, kind, stars, moment))
    columns = ["user_id", "item_id", "kind", "rating", "time"]
    return pl.DataFrame(rows, schema=columns, orient="row").sort("time", "user_id", "item_id", "kind")


def _behaviours(choice: _Choice, rng: Generator) -> Iterator[tuple[str, int]]:
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


# reviews ------------------------------------------------------------------------------------------


def _reviews(choices: Sequence[_Choice], seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    rng = stream(seed, "reviews")
    rows: list[dict[str, Any]] = []
    aspects: list[tuple[str, str, str, int, str]] = []
    bought = [choice for choice in choices if choice.stars is not None and rng.random() < 0.97]
    for number, choice in enumerate(bought):
        row, said = _review(f"R{number:06d}", choice, rng)
        rows.append(row)
        aspects.extend((row["review_id"], choice.item.item_id, *one) for one in said)
    reviews = pl.DataFrame(rows).with_columns(label_of_rating(pl.col("rating")).alias("label"))
    schema = ["review_id", "item_id", "aspect", "polarity", "sentence"]
    return reviews.sort("time", "review_id"), pl.DataFrame(aspects, schema=schema, orient="row")


def _review(
    review_id: str, choice: _Choice, rng: Generator
) -> tuple[dict[str, Any], list[tuple[str, int, str]]]:
    stars = choice.stars or 3
    # a few write against their stars, so that nobody can read every label off the text
    voice = stars if rng.random() > 0.04 else int(rng.integers(1, 6))
    text, said = _review_text(choice, voice, rng)
    delay = timedelta(days=int(rng.integers(2, 30)), seconds=int(rng.integers(86400)))
    headlines = choice.customer.language.headlines[voice]
    return {
        "review_id": review_id,
        "user_id": choice.customer.user_id,
        "item_id": choice.item.item_id,
        "rating": float(stars),
        "title": _pick(rng, headlines) if rng.random() < 0.8 else None,
        "text": text,
        "helpful": int(rng.poisson(0.8)),
        "time": _when(choice.time) + delay,
        "language": choice.customer.language.code,
    }, said


def _review_text(choice: _Choice, voice: int, rng: Generator) -> tuple[str, list[tuple[str, int, str]]]:
    language = choice.customer.language
    theme = next(theme for theme in language.themes if theme.key == choice.item.theme.key)
    slots = {
        "n": str(rng.integers(2, 9)),
        "user": choice.customer.user_id.lower(),
        **_native(choice, language, rng),
    }
    said: list[tuple[str, int, str]] = []
    for aspect in _some(rng, (*theme.aspects, *theme.aspects, *language.aspects), int(rng.integers(1, 5))):
        if aspect.key not in [key for key, _, _ in said]:
            praise = rng.random() < np.clip(
                _POSITIVE[voice] + 0.15 * choice.item.quality[aspect.key], 0.02, 0.98
            )
            said.append((aspect.key, 1 if praise else -1, _pick(rng, aspect.good if praise else aspect.bad)))
    sentences = [sentence for _, _, sentence in said]
    if rng.random() < 0.4:
        sentences.insert(int(rng.integers(len(sentences) + 1)), _pick(rng, language.neutral).format(**slots))
    if rng.random() < 0.55:
        verdict = _pick(rng, language.verdicts[voice]).format(**slots)
        sentences.insert(0 if rng.random() < 0.5 else len(sentences), verdict)
    if rng.random() < 0.02:
        sentences.append(_pick(rng, language.contact).format(**slots))
    join = "<br /><br />" if rng.random() < 0.03 else language.join
    return join.join(sentences), said


def _native(choice: _Choice, language: Language, rng: Generator) -> dict[str, str]:
    """The name and colour of the item in the customer's own language."""
    item = choice.item
    if item.language.code == language.code:
        return {"name": item.words["name"].lower(), "colour": item.words["colour"]}
    products = next(theme for theme in language.themes if theme.key == item.theme.key).products
    product = next(product for product in products if product.key == item.product.key)
    return {"name": product.names[0].lower(), "colour": _pick(rng, language.colours)}


# questions ----------------------------------------------------------------------------------------

_Evidence = tuple[str, str, float]  # text, source, relevance
_Asked = tuple[str, str | None, list[_Evidence]]  # question, answer, evidence


def _questions(
    items: Sequence[_Item], aspects: pl.DataFrame, n: int, seed: int
) -> tuple[pl.DataFrame, dict[str, str]]:
    rng = stream(seed, "questions")
    said: dict[str, dict[str, list[tuple[int, str]]]] = defaultdict(lambda: defaultdict(list))
    for item_id, aspect, polarity, sentence in aspects.select(
        "item_id", "aspect", "polarity", "sentence"
    ).rows():
        said[item_id][aspect].append((polarity, sentence))
    rows, kinds = [], {}
    for number in range(n):
        item = items[number % len(items)]
        kind = str(
            rng.choice(
                ["attribute", "description", "review", "answer", "none"], p=[0.33, 0.28, 0.17, 0.07, 0.15]
            )
        )
        own = {
            key: [s for s in rows_ if _is_chinese(s[1]) == (item.language.code == "zh")]
            for key, rows_ in said[item.item_id].items()
        }
        own = {key: rows_ for key, rows_ in own.items() if rows_}
        kind = "attribute" if kind == "review" and not own else kind
        question, answer, evidence = _ask(item, kind, own, rng)
        question_id = f"Q{number:06d}"
        kinds[question_id] = kind
        rows.append(
            {
                "question_id": question_id,
                "item_id": item.item_id,
                "question": question,
                "answer": answer,
                "evidence": [{"text": t, "source": s, "relevance": r} for t, s, r in evidence],
                "time": _when(item.arrives + (1 - item.arrives) * float(rng.random())),
                "language": item.language.code,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None), kinds


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= c <= "\u9fff" for c in text)


def _ask(item: _Item, kind: str, said: Mapping[str, Sequence[tuple[int, str]]], rng: Generator) -> _Asked:
    if kind == "none":
        unknown = item.unsaid if rng.random() < 0.5 else item.language.unanswerable
        return _pick(rng, unknown), None, []
    if kind == "review":
        question, answer, gold = _ask_reviews(item, said, rng)
    elif kind == "description":
        sentence, question, answer = _pick(rng, item.facts)
        gold = [(sentence, "description", 1.0)]
    else:
        question, answer, gold = _ask_attribute(item, rng)
    if kind == "answer":
        gold = [(answer, "answer", 1.0), *gold]
    known = {text for text, _, _ in gold}
    others: list[_Evidence] = [
        (text, source, 0.0) for text, source in _passages(item, said) if text not in known
    ]
    evidence = [*gold, *_some(rng, others, int(rng.integers(3, 7)))]
    return question, answer, _some(rng, evidence, len(evidence))


def _ask_attribute(item: _Item, rng: Generator) -> tuple[str, str, list[_Evidence]]:
    name, value = _pick(rng, item.attributes)
    asked = name.lower() if name[0].isascii() and not name.isupper() else name
    question = _pick(rng, item.language.attribute_questions).format(attribute=asked, name=item.words["name"])
    answer = _pick(rng, item.language.attribute_answers).format(attribute=asked, value=value)
    return (
        question[0].upper() + question[1:],
        answer[0].upper() + answer[1:],
        [(f"{name}: {value}", "attribute", 1.0)],
    )


def _ask_reviews(
    item: _Item, said: Mapping[str, Sequence[tuple[int, str]]], rng: Generator
) -> tuple[str, str, list[_Evidence]]:
    key = _pick(rng, sorted(said))
    about: Aspect = next(a for a in (*item.theme.aspects, *item.language.aspects) if a.key == key)
    majority = 1 if sum(polarity for polarity, _ in said[key]) >= 0 else -1
    sentences = list(dict.fromkeys(s for polarity, s in said[key] if polarity == majority)) or [
        said[key][0][1]
    ]
    return about.question, sentences[0], [(sentence, "review", 1.0) for sentence in sentences[:3]]


def _passages(item: _Item, said: Mapping[str, Sequence[tuple[int, str]]]) -> Iterator[tuple[str, str]]:
    for name, value in item.attributes:
        yield f"{name}: {value}", "attribute"
    for sentence in item.sentences:
        yield sentence, "description"
    for rows in said.values():
        yield rows[0][1], "review"


# judgments ----------------------------------------------------------------------------------------


def _judgments(items: Sequence[_Item], n: int, seed: int) -> pl.DataFrame:
    """Graded 3 right in every word, 2 same product, 1 same theme; another language costs one."""
    rng = stream(seed, "judgments")
    grades: dict[tuple[str, str], int] = {}
    for number in range(n):
        asked = _pick(rng, items)
        if number % 3 == 0:
            query, slot = _pick(rng, asked.theme.needs), "need"
        else:
            template = _pick(rng, asked.language.search)
            query = template.format(**asked.words)
            slot = next((s for s in ("material", "colour", "special") if f"{{{s}}}" in template), "name")
        query = query.lower()
        for item in items:
            grade = _grade(asked, item, slot)
            if grade or rng.random() < 5 / len(items):
                grades[query, item.item_id] = max(grade, grades.get((query, item.item_id), 0))
    rows = [(query, item_id, float(grade)) for (query, item_id), grade in grades.items()]
    return pl.DataFrame(rows, schema=["query", "item_id", "grade"], orient="row")


def _grade(asked: _Item, item: _Item, slot: str) -> int:
    if asked.theme.key != item.theme.key:
        return 0
    grade = 1
    if slot == "need":
        grade = 3
    elif asked.product.key == item.product.key:
        same = slot == "name" or asked.words[slot] == item.words[slot]
        grade = 3 if same else 2
    return grade - (asked.language.code != item.language.code)
