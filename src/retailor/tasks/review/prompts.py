"""What a review prompt says, in the language of the review."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Wanted:
    """What one draft should be like."""

    title: str
    facts: str
    """The item in one line: what a prompt says about it."""
    stars: int
    language: str
    n_words: int
    """About how long; characters in Chinese."""
    aspects: tuple[str, ...] = ()
    samples: tuple[str, ...] = ()
    """Sentences of the customer's own earlier reviews."""
    source: str = ""
    """All that may be said as a fact: the item's whole row, and the aspects."""
    n_left_out: int = 0
    """Aspects that were asked for and are no topics of a review."""


_WORDS: dict[str, dict[str, Any]] = {
    "en": {
        "task": "Draft a customer review, for the customer to edit. Write only the review.",
        "item": "Product",
        "stars": "Stars",
        "of": "of 5",
        "mood": "The customer is",
        "moods": (
            "very disappointed",
            "not satisfied",
            "neither happy nor unhappy",
            "satisfied",
            "very happy",
        ),
        "aspects": "Write about",
        "length": "Length",
        "words": "about {} words",
        "samples": "This customer wrote before",
        "other": "Another product",
        "review": "Review",
    },
    "zh": {
        "task": "请替顾客起草一条商品评论，供顾客修改。只写评论。",
        "item": "商品",
        "stars": "评分",
        "of": "分（满分5分）",
        "mood": "顾客",
        "moods": ("非常失望", "不太满意", "觉得一般", "比较满意", "非常满意"),
        "aspects": "请写到",
        "length": "长度",
        "words": "约{}字",
        "samples": "这位顾客以前写过",
        "other": "另一件商品",
        "review": "评论",
    },
}
LENGTHS = (10, 20, 40, 80, 120)
"""The lengths that a prompt may ask for: a few round ones are learnt sooner than every number."""


def rounded_length(n_words: float) -> int:
    """The nearest of `LENGTHS`."""
    return min(LENGTHS, key=lambda length: (abs(length - n_words), length))


def prompt_of(wanted: Wanted, examples: Sequence[tuple[Wanted, str]] = ()) -> str:
    """The prompt for one draft; `examples` are other products with their real reviews."""
    words = _WORDS.get(wanted.language, _WORDS["en"])
    lines = [words["task"] if wanted.language in _WORDS else f"{words['task']} Language: {wanted.language}."]
    for other, review in examples:
        lines += [
            f"\n{words['other']}: {other.facts}",
            _stars(other, words),
            _mood(other, words),
            f"{words['review']}: {review}\n",
        ]
    lines.append(f"{words['item']}: {wanted.facts}")
    lines += [_stars(wanted, words), _mood(wanted, words)]
    if wanted.aspects:
        lines.append(f"{words['aspects']}: {', '.join(wanted.aspects)}")
    lines.append(f"{words['length']}: {words['words'].format(wanted.n_words)}")
    if wanted.samples:
        lines.append(f"{words['samples']}: {' '.join(wanted.samples)}")
    lines.append(f"{words['review']}:")
    return "\n".join(lines)


def instructions_of(wanted: Wanted) -> list[str]:
    """The lines of the prompt that say what to do: nothing that a customer would write."""
    words = _WORDS.get(wanted.language, _WORDS["en"])
    about = [f"{words['aspects']}: {', '.join(wanted.aspects)}"] if wanted.aspects else []
    length = f"{words['length']}: {words['words'].format(wanted.n_words)}"
    return [words["task"], _stars(wanted, words), *about, length, f"{words['samples']}: {words['other']}"]


def _stars(wanted: Wanted, words: dict[str, Any]) -> str:
    return f"{words['stars']}: {wanted.stars} {words['of']}"


def _mood(wanted: Wanted, words: dict[str, Any]) -> str:
    """The stars in words: a small model knows these better than numbers."""
    return f"{words['mood']}: {words['moods'][wanted.stars - 1]}"


def nameless(language: str) -> str:
    """What an item without a title is called: its id says nothing to whoever reads the draft."""
    return "这件商品" if language == "zh" else "this product"
