"""Reviews and titles out of fixed sentences: the cheap baseline, and what stands in where a model fails."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retailor.seeds import derive
from retailor.tasks.review.prompts import Wanted, nameless

MAX_TITLE_CHARS = 48
_TITLE_END = re.compile(r"\s+[-–—|]\s+|\s*[(（【\[|｜]|,\s|，")

_TITLES = {
    "en": ("Very disappointed", "Not good", "It is all right", "Good", "Very happy with it"),
    "zh": ("非常失望", "不太满意", "一般", "不错", "非常满意"),
}
_OPENINGS = {
    "en": (
        (
            "I am very disappointed with {title}.",
            "{title} was a real disappointment.",
            "Sadly, {title} is not worth it.",
        ),
        (
            "{title} did not do what I had hoped for.",
            "I had expected more of {title}.",
            "I am not satisfied with {title}.",
        ),
        (
            "{title} is all right, neither good nor bad.",
            "{title} is average.",
            "I have mixed feelings about {title}.",
        ),
        ("I am satisfied with {title}.", "{title} is a good choice.", "On the whole I like {title}."),
        ("I am very happy with {title}.", "I love {title}.", "{title} is excellent."),
    ),
    "zh": (
        ("对{title}非常失望。", "{title}真的很差。", "{title}让人后悔购买。"),
        ("{title}不太满意。", "{title}没有想象中好。", "对{title}有点失望。"),
        ("{title}一般，不好也不坏。", "{title}还可以，中规中矩。", "{title}有好有坏。"),
        ("对{title}比较满意。", "{title}不错。", "总的来说喜欢{title}。"),
        ("对{title}非常满意。", "很喜欢{title}。", "{title}非常好。"),
    ),
}
_ASPECTS = {
    "en": (
        "What disappointed me most: {aspects}.",
        "What could be better: {aspects}.",
        "About {aspects}: average, no more.",
        "What I like: {aspects}.",
        "What I like best: {aspects}.",
    ),
    "zh": (
        "最让人失望的是{aspects}。",
        "{aspects}有待改进。",
        "{aspects}一般。",
        "{aspects}不错。",
        "最满意的是{aspects}。",
    ),
}
_CLOSINGS = {
    "en": (
        ("I would not buy it again.", "I cannot recommend it.", "I regret buying it."),
        ("I would look for another one.", "I would not choose it again.", "It is not what I wanted."),
        ("It does its job.", "It could be better, and it could be worse.", "Good enough, no more."),
        ("I would buy it again.", "I can recommend it.", "A good buy, all in all."),
        ("I would buy it again at once.", "I recommend it to everyone.", "I could not be happier with it."),
    ),
    "zh": (
        ("不会再买了。", "不推荐。", "不建议购买。"),
        ("下次会看看别的。", "本来期望更高。", "不太值得。"),
        ("能用。", "还可以更好。", "要求不高的话可以。"),
        ("会再买。", "值得推荐。", "整体不错。"),
        ("一定会再买。", "强烈推荐。", "非常值得。"),
    ),
}


def title_of(wanted: Wanted) -> str:
    """A short title that says what the stars say, in the language of the review."""
    return _TITLES.get(wanted.language, _TITLES["en"])[wanted.stars - 1]


def template(wanted: Wanted, seed: int = 0) -> str:
    """A review out of fixed sentences: it claims nothing but the stars and what it was asked to mention."""
    language = wanted.language if wanted.language in _OPENINGS else "en"
    ix = wanted.stars - 1
    title = short_title(wanted.title)
    opening = _one(_OPENINGS[language][ix], seed, "opening", title).format(title=title)
    parts = [opening[0].upper() + opening[1:] if title == nameless(language) else opening]
    if wanted.aspects:
        parts.append(_ASPECTS[language][ix].format(aspects=listed(wanted.aspects, language)))
    parts.append(_one(_CLOSINGS[language][ix], seed, "closing", title))
    return ("" if language == "zh" else " ").join(parts)


def _one(choices: Sequence[str], seed: int, what: str, title: str) -> str:
    return choices[derive(seed, what, title) % len(choices)]


def listed(parts: Sequence[str], language: str) -> str:
    """'a, b and c', as the language has it."""
    if language == "zh":
        return "、".join(parts)
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def short_title(title: str) -> str:
    """The part of a title that one says: up to a dash, a bracket or a comma, and whole words."""
    head = _TITLE_END.split(title, maxsplit=1)[0].strip() or title
    if len(head) <= MAX_TITLE_CHARS:
        return head
    cut = head[:MAX_TITLE_CHARS]
    return (cut.rsplit(" ", 1)[0] if " " in cut else cut).rstrip(" ,.-&")
