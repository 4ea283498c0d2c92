"""What the demo shop's customers write: reviews after aspects and stars, and questions with evidence."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import polars as pl
from numpy.random import Generator

from retailor.scripts import HAN
from retailor.seeds import stream
from retailor.shop.demo.catalogue import Item, pick, some
from retailor.shop.demo.customers import Choice, when
from retailor.shop.demo.shapes import Aspect, Language
from retailor.shop.tables import label_of_rating

_POSITIVE = {1: 0.06, 2: 0.22, 3: 0.5, 4: 0.82, 5: 0.95}  # chance that a sentence praises, by stars


def make_reviews(choices: Sequence[Choice], seed: int) -> tuple[pl.DataFrame, pl.DataFrame]:
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
    review_id: str, choice: Choice, rng: Generator
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
        "title": pick(rng, headlines) if rng.random() < 0.8 else None,
        "text": text,
        "helpful": int(rng.poisson(0.8)),
        "time": when(choice.time) + delay,
        "language": choice.customer.language.code,
    }, said


def _review_text(choice: Choice, voice: int, rng: Generator) -> tuple[str, list[tuple[str, int, str]]]:
    language = choice.customer.language
    theme = next(theme for theme in language.themes if theme.key == choice.item.theme.key)
    slots = {
        "n": str(rng.integers(2, 9)),
        "user": choice.customer.user_id.lower(),
        **_native(choice, language, rng),
    }
    said: list[tuple[str, int, str]] = []
    for aspect in some(rng, (*theme.aspects, *theme.aspects, *language.aspects), int(rng.integers(1, 5))):
        if aspect.key not in [key for key, _, _ in said]:
            praise = rng.random() < np.clip(
                _POSITIVE[voice] + 0.15 * choice.item.quality[aspect.key], 0.02, 0.98
            )
            said.append((aspect.key, 1 if praise else -1, pick(rng, aspect.good if praise else aspect.bad)))
    sentences = [sentence for _, _, sentence in said]
    if rng.random() < 0.4:
        sentences.insert(int(rng.integers(len(sentences) + 1)), pick(rng, language.neutral).format(**slots))
    if rng.random() < 0.55:
        verdict = pick(rng, language.verdicts[voice]).format(**slots)
        sentences.insert(0 if rng.random() < 0.5 else len(sentences), verdict)
    if rng.random() < 0.02:
        sentences.append(pick(rng, language.contact).format(**slots))
    join = "<br /><br />" if rng.random() < 0.03 else language.join
    return join.join(sentences), said


def _native(choice: Choice, language: Language, rng: Generator) -> dict[str, str]:
    """The name and colour of the item in the customer's own language."""
    item = choice.item
    if item.language.code == language.code:
        return {"name": item.words["name"].lower(), "colour": item.words["colour"]}
    products = next(theme for theme in language.themes if theme.key == item.theme.key).products
    product = next(product for product in products if product.key == item.product.key)
    return {"name": product.names[0].lower(), "colour": pick(rng, language.colours)}


# questions ----------------------------------------------------------------------------------------

_Evidence = tuple[str, str, float]  # text, source, relevance
_Asked = tuple[str, str | None, list[_Evidence]]  # question, answer, evidence


def make_questions(
    items: Sequence[Item], aspects: pl.DataFrame, n: int, seed: int
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
        if (kind == "review" and not own) or (kind == "description" and not item.facts):
            kind = "attribute"
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
                "time": when(item.arrives + (1 - item.arrives) * float(rng.random())),
                "language": item.language.code,
            }
        )
    return pl.DataFrame(rows, infer_schema_length=None), kinds


def _is_chinese(text: str) -> bool:
    return re.search(f"[{HAN}]", text) is not None


def _ask(item: Item, kind: str, said: Mapping[str, Sequence[tuple[int, str]]], rng: Generator) -> _Asked:
    if kind == "none":
        unknown = item.unsaid if rng.random() < 0.5 else item.language.unanswerable
        return pick(rng, unknown), None, []
    if kind == "review":
        question, answer, gold = _ask_reviews(item, said, rng)
    elif kind == "description":
        sentence, question, answer = pick(rng, item.facts)
        gold = [(sentence, "description", 1.0)]
    else:
        question, answer, gold = _ask_attribute(item, rng)
    if kind == "answer":
        gold = [(answer, "answer", 1.0), *gold]
    known = {text for text, _, _ in gold}
    others: list[_Evidence] = [
        (text, source, 0.0) for text, source in _passages(item, said) if text not in known
    ]
    evidence = [*gold, *some(rng, others, int(rng.integers(3, 7)))]
    return question, answer, some(rng, evidence, len(evidence))


def _ask_attribute(item: Item, rng: Generator) -> tuple[str, str, list[_Evidence]]:
    name, value = pick(rng, item.attributes)
    asked = name.lower() if name[0].isascii() and not name.isupper() else name
    question = pick(rng, item.language.attribute_questions).format(attribute=asked, name=item.words["name"])
    answer = pick(rng, item.language.attribute_answers).format(attribute=asked, value=value)
    return (
        question[0].upper() + question[1:],
        answer[0].upper() + answer[1:],
        [(f"{name}: {value}", "attribute", 1.0)],
    )


def _ask_reviews(
    item: Item, said: Mapping[str, Sequence[tuple[int, str]]], rng: Generator
) -> tuple[str, str, list[_Evidence]]:
    key = pick(rng, sorted(said))
    about: Aspect = next(a for a in (*item.theme.aspects, *item.language.aspects) if a.key == key)
    majority = 1 if sum(polarity for polarity, _ in said[key]) >= 0 else -1
    sentences = list(dict.fromkeys(s for polarity, s in said[key] if polarity == majority)) or [
        said[key][0][1]
    ]
    return about.question, sentences[0], [(sentence, "review", 1.0) for sentence in sentences[:3]]


def _passages(item: Item, said: Mapping[str, Sequence[tuple[int, str]]]) -> Iterator[tuple[str, str]]:
    for name, value in item.attributes:
        yield f"{name}: {value}", "attribute"
    for sentence in item.sentences:
        yield sentence, "description"
    for rows in said.values():
        yield rows[0][1], "review"
