"""How well the values of a column fit one of ours: what they forbid, and what they say by themselves."""

from __future__ import annotations

from collections.abc import Callable

from retailor.shop.propose.profile import Profile
from retailor.shop.propose.words import GRADES, KINDS, LABEL_NUMBERS, LABELS

NEVER = -1.0
_MOST = 0.8
_STARS = 0.4
"""What numbers say that go from 1 to 5, with few others between."""

Fit = Callable[[Profile], float]


def fit(table: str, ours: str, seen: Profile) -> float:
    """NEVER where the values cannot be that, else from -0.3 to 0.5."""
    if not seen.n:
        return 0.0
    if seen.objects > 0.5 and ours != "attributes":
        return NEVER
    if ours == "item_id":
        return _item_id(table, seen)
    if ours == "title" and table == "reviews":
        return _short_text(seen)
    return _FITS[ours](seen)


def _item_id(table: str, seen: Profile) -> float:
    if (
        seen.url > 0.5
        or seen.email > 0.5
        or seen.length > 60
        or (seen.rating > _MOST and seen.n_distinct <= 9 < seen.n)
    ):
        return NEVER
    if seen.time > _MOST and seen.whole < _MOST:
        return NEVER
    if seen.decimals > 0.1:
        return NEVER
    score = 0.1 if seen.id > 0.9 else -0.2
    if table == "items" and seen.n >= 5:
        score += 0.25 if seen.distinct > 0.95 else -0.25 if seen.distinct < 0.5 else 0.0
    return score


def _user_id(seen: Profile) -> float:
    if seen.url > 0.5 or seen.length > 60 or (seen.time > _MOST and seen.whole < _MOST):
        return NEVER
    if seen.rating > _MOST and seen.n_distinct <= 9 < seen.n:
        return NEVER
    return 0.1 if seen.id > 0.9 else 0.0


def _own_id(seen: Profile) -> float:
    if seen.distinct < 0.9 or seen.id < 0.9 or seen.time > _MOST > seen.whole:
        return NEVER
    return 0.1


def _title(seen: Profile) -> float:
    if seen.letters < 0.5 or seen.url > 0.5 or seen.time > _MOST or seen.email > 0.5:
        return NEVER
    return 0.2 if seen.words > 1.5 and seen.distinct > 0.5 else 0.0


def _short_text(seen: Profile) -> float:
    return NEVER if seen.letters < 0.5 or seen.url > 0.5 or seen.time > _MOST else 0.0


def _long_text(seen: Profile) -> float:
    if seen.letters < 0.6 or seen.url > 0.5 or seen.time > _MOST or seen.email > 0.5:
        return NEVER
    return 0.35 if seen.words > 6 and seen.length > 30 else 0.1 if seen.words > 3 else -0.25


def _brand(seen: Profile) -> float:
    if seen.letters < 0.6 or seen.url > 0.5 or seen.time > _MOST or seen.length > 60:
        return NEVER
    return 0.05 if seen.words < 4 else -0.2


def _category(seen: Profile) -> float:
    if seen.url > 0.5 or seen.time > _MOST or seen.money > 0.5 or seen.decimals > 0.1:
        return NEVER
    if seen.length < 2:
        return -0.3
    return 0.25 if seen.path > 0.5 else 0.0 if seen.letters > 0.5 else -0.2


def _price(seen: Profile) -> float:
    if seen.number < _MOST or seen.low < 0 or (seen.time > _MOST and seen.whole > 0.9):
        return NEVER
    return 0.4 if seen.money > 0.5 else 0.15


def _currency(seen: Profile) -> float:
    return 0.45 if seen.currency > 0.9 else NEVER


def _attributes(seen: Profile) -> float:
    return 0.3 if seen.pairs > 0.5 else NEVER


def _image(seen: Profile) -> float:
    if seen.image > 0.6:
        return 0.4
    return 0.1 if seen.url > 0.6 else NEVER


def _language(seen: Profile) -> float:
    return 0.3 if seen.language > 0.9 else NEVER


def _in_stock(seen: Profile) -> float:
    if seen.money > 0.1 or seen.url > 0.5 > seen.stock or (seen.time > _MOST > seen.whole):
        return NEVER
    return 0.2 if seen.stock > _MOST else NEVER


def _time(seen: Profile) -> float:
    if seen.time <= _MOST:
        return NEVER
    return 0.45 if seen.clock > 0.5 else 0.4


def _rating(seen: Profile) -> float:
    if seen.rating < _MOST or seen.n_distinct > 50 or seen.high > 5:
        return NEVER
    return _STARS if seen.high == 5 and seen.low > 0 and 4 <= seen.n_distinct <= 10 else 0.25


def _helpful(seen: Profile) -> float:
    return 0.05 if seen.whole > _MOST and seen.low >= 0 else NEVER


def _kind(seen: Profile) -> float:
    if seen.n_distinct > 60 or seen.length > 40:
        return NEVER
    return 0.45 if kinds_of(seen.values) else NEVER


def _label(seen: Profile) -> float:
    if seen.n_distinct > 5:
        return NEVER
    return 0.3 if seen.values <= labels_of(seen.values).keys() else NEVER


def _question(seen: Profile) -> float:
    if seen.letters < 0.6 or seen.url > 0.5 or seen.time > _MOST:
        return NEVER
    return 0.45 if seen.question > 0.5 else 0.0 if seen.words > 3 else -0.2


def _answer(seen: Profile) -> float:
    return NEVER if seen.letters < 0.5 or seen.time > _MOST or seen.url > 0.5 else 0.1


def _query(seen: Profile) -> float:
    if seen.letters < 0.5 or seen.url > 0.5 or seen.time > _MOST or seen.length > 120:
        return NEVER
    return 0.1 if seen.words <= 6 else -0.3


def _grade(seen: Profile) -> float:
    if seen.values <= grades_of(seen.values).keys():
        return 0.4
    return 0.1 if seen.number > 0.95 and seen.n_distinct <= 20 else NEVER


_FITS: dict[str, Fit] = {
    "title": _title, "description": _long_text, "brand": _brand, "category": _category, "price": _price,
    "currency": _currency, "attributes": _attributes, "image": _image, "language": _language,
    "user_id": _user_id, "kind": _kind, "rating": _rating, "time": _time, "review_id": _own_id,
    "question_id": _own_id, "label": _label, "text": _long_text, "helpful": _helpful,
    "question": _question, "answer": _answer, "query": _query, "grade": _grade, "in_stock": _in_stock,
}  # fmt: skip


def kinds_of(values: frozenset[str]) -> dict[str, str]:
    """The values that name a kind of event, to ours."""
    return _listed(values, KINDS)


def labels_of(values: frozenset[str]) -> dict[str, str]:
    """The values that name a sentiment, to our label: words by themselves, numbers as a whole scale."""
    plain = {value.strip().removesuffix(".0"): value for value in values}
    for scale in LABEL_NUMBERS:
        if set(scale) == set(plain):
            names = ("negative", "neutral", "positive") if len(scale) == 3 else ("negative", "positive")
            return {plain[number]: name for number, name in zip(scale, names, strict=True)}
    return _listed(values, LABELS)


def grades_of(values: frozenset[str]) -> dict[str, float]:
    """The values that say in words or letters how well an item fits, to our grade."""
    known = {value: GRADES.get(value.strip().lower()) for value in values}
    return {value: float(grade) for value, grade in known.items() if grade is not None}


def _listed(values: frozenset[str], known: dict[str, str]) -> dict[str, str]:
    ours = {plain_word(word): name for name, words in known.items() for word in words.split(",")}
    ours |= {f"{word}s": name for word, name in ours.items() if word.isascii()}
    made = {value: ours.get(plain_word(value)) for value in values}
    return {value: name for value, name in made.items() if name is not None}


def plain_word(word: str) -> str:
    """The word without what joins its parts: 'Add_To-Cart' is 'addtocart'."""
    return "".join(letter for letter in word.lower() if letter not in " _-.:'\"")
