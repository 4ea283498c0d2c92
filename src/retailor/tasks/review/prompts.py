"""What a review prompt says, in the language of the review, and the template that writes without a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from retailor.seeds import derive


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


_WORDS = {
    "en": {
        "task": "Draft a customer review, for the customer to edit. Write only the review.",
        "item": "Product",
        "stars": "Stars",
        "of": "of 5",
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
            f"{words['review']}: {review}\n",
        ]
    lines.append(f"{words['item']}: {wanted.facts}")
    lines.append(_stars(wanted, words))
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


def _stars(wanted: Wanted, words: dict[str, str]) -> str:
    return f"{words['stars']}: {wanted.stars} {words['of']}"


_TITLES = {
    "en": ("Very disappointed", "Not good", "It is all right", "Good", "Very happy with it"),
    "zh": ("非常失望", "不太满意", "一般", "不错", "非常满意"),
}
_OPENINGS = {
    "en": (
        "I am very disappointed with {title}.",
        "{title} did not do what I had hoped for.",
        "{title} is all right, neither good nor bad.",
        "I am satisfied with {title}.",
        "I am very happy with {title}.",
    ),
    "zh": (
        "对{title}非常失望。",
        "{title}不太满意。",
        "{title}一般，不好也不坏。",
        "对{title}比较满意。",
        "对{title}非常满意。",
    ),
}
_ASPECTS = {
    "en": (
        "The {aspect} is the worst of it.",
        "The {aspect} could be better.",
        "The {aspect} is average.",
        "The {aspect} is good.",
        "The {aspect} is excellent.",
    ),
    "zh": (
        "{aspect}最让人失望。",
        "{aspect}有待改进。",
        "{aspect}一般。",
        "{aspect}不错。",
        "{aspect}非常好。",
    ),
}
_CLOSINGS = {
    "en": (
        ("I would not buy it again.", "I cannot recommend it."),
        ("I would look for another one.", "I expected more."),
        ("It does its job.", "It could be better."),
        ("I would buy it again.", "I can recommend it."),
        ("I would buy it again at once.", "I recommend it to everyone."),
    ),
    "zh": (
        ("不会再买了。", "不推荐。"),
        ("下次会看看别的。", "本来期望更高。"),
        ("能用。", "还可以更好。"),
        ("会再买。", "值得推荐。"),
        ("一定会再买。", "强烈推荐。"),
    ),
}  # fmt: skip


def title_of(wanted: Wanted) -> str:
    """A short title that says what the stars say, in the language of the review."""
    return _TITLES.get(wanted.language, _TITLES["en"])[wanted.stars - 1]


def nameless(language: str) -> str:
    """What an item without a title is called: its id says nothing to whoever reads the draft."""
    return "这件商品" if language == "zh" else "this product"


def template(wanted: Wanted, seed: int = 0) -> str:
    """A review out of fixed sentences: the baseline, and what stands in where a model fails."""
    language = wanted.language if wanted.language in _OPENINGS else "en"
    ix = wanted.stars - 1
    closings = _CLOSINGS[language][ix]
    opening = _OPENINGS[language][ix].format(title=wanted.title)
    parts = [opening[0].upper() + opening[1:] if wanted.title == nameless(language) else opening]
    parts += [_ASPECTS[language][ix].format(aspect=aspect) for aspect in wanted.aspects]
    parts.append(closings[derive(seed, "closing", wanted.title) % len(closings)])
    return ("" if language == "zh" else " ").join(parts)
