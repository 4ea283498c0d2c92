"""Leaks of labels in words: reviews that name their own."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import polars as pl

from retailor.shop.leaks.shapes import Leak, shown
from retailor.shop.tables import Shop, label_of_rating

LEAST_NAMED, LEAST_RIGHT = 3, 0.8
LEAST_SHARE = {"a form": 0.01, "the text": 0.05, "the title": 0.1}
"""Of the reviews, by where they say it. People write '5 stars!' in a text by themselves, in 1 to 3 of 100,
and more often in a title; 'rating: 5' is written by a machine."""
LIFT = 0.5
"""Share of what guessing gets wrong that the naming sets right."""
_STARS = r"(?P<stars>[1-5])"
_NUMBERS = {
    "one": 1, "two": 2, "three": 3, "four": 4, "five": 5,
    "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5,
}  # fmt: skip
_LABELS = r"positive|negative|neutral"
_ZH = {
    "好评": "positive", "正面": "positive", "差评": "negative", "负面": "negative", "中评": "neutral",
    "中性": "neutral",
}  # fmt: skip
_FORMS = (
    rf"\b(?:rating|stars?|score|rated?) ?[:=] ?{_STARS}(?![\d.])",
    r"(?P<symbols>[★⭐]{1,5})",
    rf"\b(?:label|sentiment|class) ?[:=]+ ?(?P<label>{_LABELS})",
    rf"(?:评分|星级|打分) ?[:：=] ?{_STARS}",
    r"(?:标签|情感|评价) ?[:：=] ?(?P<zh>正面|负面|中性|好评|差评|中评)",
    rf"^\W*(?P<label>{_LABELS})(?:\W*$| ?[:–—|-])",
)
_WORDS = (
    rf"(?<![\d.,]){_STARS}(?:\.0)?[ -]?stars?\b",
    r"\b(?P<word>one|two|three|four|five)[ -]stars?\b",
    rf"(?<![\d./]){_STARS}(?:\.0)? ?(?:/|out of) ?5(?![\d.%])",
    rf"(?<![\d.]){_STARS} ?(?:星|分)(?:好评|差评|中评)?",
    r"(?P<word>[一二两三四五]) ?星(?:好评|差评|中评)?",
    r"(?P<zh>好评|差评|中评)(?=$|[\s,.，。！!；;、])",
)
_HINT = re.compile(rf"star|rat|score|/ ?5|out of ?5|[★⭐星分评签感]|{_LABELS}", re.IGNORECASE)
"""What every one of the patterns has somewhere: most texts have none of it."""
_NAMING = {
    "a form": tuple(re.compile(pattern, re.IGNORECASE | re.MULTILINE) for pattern in _FORMS),
    "the text": tuple(re.compile(pattern, re.IGNORECASE) for pattern in (*_FORMS, *_WORDS)),
}
"""Stars in words, figures and signs, and labels themselves, English and Chinese."""


def labelled(shop: Shop) -> pl.DataFrame:
    """The reviews that have a label or stars, with `label`, in the order of the table."""
    label = pl.coalesce(pl.col("label"), label_of_rating(pl.col("rating")))
    return shop.reviews.with_columns(label=label).filter(pl.col("label").is_not_null())


def own_labels(train: Shop, test: Shop) -> Iterator[Leak]:
    """The leak of reviews that say their stars or their label, in a form, in the text or in the title."""
    reviews = pl.concat([labelled(train), labelled(test)])
    guess = max(Counter(reviews["label"]).values(), default=0) / max(len(reviews), 1)
    for place, least in LEAST_SHARE.items():
        told = [
            (named_label(said, form=place == "a form"), label, said)
            for title, text, label in reviews.select("title", "text", "label").iter_rows()
            if (said := {"the text": text, "the title": title}.get(place, f"{title or ''}\n{text or ''}"))
        ]
        named = [row for row in told if row[0] is not None]
        right = [(label, said) for name, label, said in named if name == label]
        share = len(right) / max(len(named), 1)
        if len(right) < max(LEAST_NAMED, least * len(reviews)) or share < LEAST_RIGHT:
            continue
        if share - guess > LIFT * (1 - guess):
            detail = f"{place} says the stars or the label, and {share:.0%} of them rightly"
            yield Leak("own label", "reviews", len(right), len(reviews), detail, shown(right))


def named_label(text: str, *, form: bool = False) -> str | None:
    """The label that a text names of itself; None where it names none, or more than one.

    With `form` only what is written as a form writes it: 'rating: 5', '★★★★★', 'negative: …'.
    """
    if not _HINT.search(text):
        return None
    patterns = _NAMING["a form" if form else "the text"]
    found = {_label(match) for pattern in patterns for match in pattern.finditer(text)}
    return found.pop() if len(found) == 1 else None


def _label(match: re.Match[str]) -> str:
    [(group, said)] = [(name, value) for name, value in match.groupdict().items() if value is not None]
    if group == "label":
        return said.lower()
    if group == "zh":
        return _ZH[said]
    stars = {"symbols": len(said), "word": _NUMBERS.get(said.lower(), 0)}.get(group) or int(said)
    return "negative" if stars < 3 else "neutral" if stars < 4 else "positive"
