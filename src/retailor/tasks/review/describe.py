"""Drafts of product descriptions from what the catalogue says, and from nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from retailor.errors import DataError
from retailor.metrics.generation import CopyIndex, tokens
from retailor.models.shapes import Generator
from retailor.seeds import derive
from retailor.tasks.review.checks import ASSISTANT, OWN_SCRIPT, can_write
from retailor.tasks.review.facts import Names, invented, source_of
from retailor.tasks.review.prompts import nameless
from retailor.tasks.review.templates import listed
from retailor.tasks.review.text import tidy
from retailor.text.clean_shop import clean_text, language_of
from retailor.text.fields import item_text

LEAST_WORDS, MAX_CHARS, MAX_ATTRIBUTES = 8, 600, 12
_FIRST_PERSON = re.compile(r"\b(?:I|I'[a-z]+|my|me|mine|we|our|us)\b|我|俺|咱")
_SALES = re.compile(
    r"\b(?:best|perfect|guarantee[ds]?|free|discount|cheapest|award)\b|最好|第一|保证|免费|最低价",
    re.IGNORECASE,
)
_ASKED = {
    "en": "Write a description of this product for a shop, in two or three sentences. Use only these facts.",
    "zh": "请为商店写两三句商品描述，只用下面的信息。",
}


@dataclass(frozen=True)
class Described:
    """A drafted description, and why a template stands in for the model ('' when it does not)."""

    text: str
    language: str
    fallback: str = ""


def describe(
    generator: Generator,
    item: Mapping[str, Any],
    names: Names,
    *,
    language: str,
    n_drafts: int = 3,
    max_tokens: int = 96,
    seed: int = 0,
) -> Described:
    """The first draft that says nothing beyond the item's row; else its attributes strung into sentences.

    The description that the row has already is a source of facts, and no more than its words are copied of it
    than of any text. Raises DataError for an item of which nothing is known.
    """
    if not item.get("title") and not item.get("attributes"):
        raise DataError(
            f"item '{item['item_id']}' has no title and no attributes, so there is nothing to describe.",
            column="item_id",
            value=item["item_id"],
        )
    if not can_write(generator, language):
        return Described(
            described_by_template(item, language), language, f"the model cannot write '{language}'"
        )
    asked = _ASKED.get(language, f"{_ASKED['en']} Language: {language}.")
    facts = item_text(item, max_tokens=80)
    prompt, why = f"{asked}\n{facts}", "the model said too little"
    for turn in range(n_drafts):
        said = generator.generate(
            [prompt],
            max_tokens=max_tokens,
            temperature=0.7 if turn else 0.0,
            seed=derive(seed, "describe", str(turn)),
        )[0]
        text = tidy(said, max_chars=MAX_CHARS)
        why = _flaw(text, item, asked, names, language)
        if not why:
            return Described(text, language)
    return Described(described_by_template(item, language), language, why)


def _flaw(text: str, item: Mapping[str, Any], asked: str, names: Names, language: str) -> str:
    """Why a text is no description of the item; '' when it is one."""
    spoken = language_of(text)
    if len(tokens(text)) < LEAST_WORDS:
        return "the model said too little"
    if spoken != language and {spoken, language} & OWN_SCRIPT:
        return f"the model did not write in '{language}'"
    if ASSISTANT.search(text) or CopyIndex([asked]).longest(text).n_tokens >= 5:
        return "the model spoke of its task"
    if _FIRST_PERSON.search(text):
        return "the model spoke as a customer"
    source = source_of(item)
    promised = [word.lower() for word in _SALES.findall(text) if word.lower() not in source.lower()]
    if promised:
        return f"the model promised '{promised[0]}'"
    if not set(tokens(text)) & set(tokens(clean_text(item.get("title") or ""))):
        return "the model did not speak of this product"
    said = invented(text, source, language=language, names=names)
    return f"the model said {said}, and the catalogue does not" if said else ""


def described_by_template(item: Mapping[str, Any], language: str) -> str:
    """The row in sentences: what it is, of whom, and its attributes; no word of praise."""
    zh = language == "zh"
    title = clean_text(item.get("title") or "") or nameless(language)
    brand = clean_text(item.get("brand") or "")
    category = [clean_text(part) for part in item.get("category") or () if part]
    pairs = [
        (clean_text(pair["name"] or ""), clean_text(pair["value"] or ""))
        for pair in (item.get("attributes") or ())[:MAX_ATTRIBUTES]
    ]
    pairs = [(name, value) for name, value in dict.fromkeys(pairs) if name and value]
    by = brand if brand and brand.lower() not in title.lower() else ""
    if zh:
        first = f"{title}{f'，{by}出品' if by else ''}{f'，属于{category[-1]}' if category else ''}。"
        rest = f"{'；'.join(f'{name}：{value}' for name, value in pairs)}。" if pairs else ""
        return first + rest
    head = title + (f" by {by}" if by else "") + (f", from our range {category[-1]}" if category else "")
    said = listed([f"{name.lower()} {value}" for name, value in pairs], "en") if pairs else ""
    return f"{head}. {f'In short: {said}.' if said else ''}".strip()
