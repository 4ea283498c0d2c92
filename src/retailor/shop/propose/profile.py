"""What the values of a column look like, whatever its name is."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retailor.scripts import HAN
from retailor.shop.cells.currencies import active
from retailor.shop.cells.numbers import Amount, NumberForm, is_none, read_amount, read_count, read_rating
from retailor.shop.cells.stock import read_stock
from retailor.shop.cells.times import LAST_MS, LIKELY_MS, UNITS_PER_MS, TimeForm, read_time
from retailor.shop.files.nested import nested_of_text, pairs_of_text

_LOOKED_AT = 400
_URL = re.compile(r"(?i)^(?:https?:)?//\S+$")
_IMAGE = re.compile(r"(?i)\.(?:jpe?g|png|webp|gif|avif|bmp)(?:[?#!,;|\s].*)?$")
_EMAIL = re.compile(r"^\S+@\S+\.\w+$")
_PATH = re.compile(r"\S\s*(?:>|›|»|→|/|\|)\s*\S")
_HAN = re.compile(f"[{HAN}]")
_LETTER = re.compile(r"[^\W\d_]")
_LANGUAGES = frozenset(
    [
        "en",
        "zh",
        "de",
        "fr",
        "es",
        "it",
        "pt",
        "nl",
        "pl",
        "ru",
        "uk",
        "cs",
        "sv",
        "da",
        "nb",
        "no",
        "fi",
        "tr",
        "hu",
        "ro",
        "id",
        "el",
        "ar",
        "hi",
        "ko",
        "ja",
        "vi",
        "th",
        "he",
        "bg",
        "hr",
        "sk",
    ]
)
_ID = re.compile(r"^[^\s]{1,64}$")
_DECIMAL = re.compile(r"^-?\d+[.,]\d+$")
_PLAIN = re.compile(r"^-?\d{1,18}(?:\.\d+)?$")


@dataclass(frozen=True)
class Profile:
    """Shares are of the cells that hold something; lengths are in letters, a Chinese one counts for two."""

    n: int
    filled: float
    distinct: float
    """Distinct cells by cells."""
    n_distinct: int
    length: float
    words: float
    number: float
    """Amounts, whatever stands beside the digits."""
    decimals: float
    """Numbers with a fraction and nothing beside."""
    whole: float
    low: float
    high: float
    money: float
    """Amounts with a sign or code of a currency."""
    rating: float
    time: float
    clock: float
    """Times with an hour, or numbers since 1970."""
    url: float
    image: float
    email: float
    objects: float
    """Objects of JSON."""
    letters: float
    path: float
    pairs: float
    currency: float
    language: float
    stock: float
    """Counts, and words for in stock or not."""
    question: float
    id: float
    values: frozenset[str]
    """The distinct cells, of at most 20,000."""


def profile(cells: Sequence[str | None]) -> Profile:
    """The profile of a column; every share of an empty one is 0."""
    said = [cell.strip() for cell in cells if cell is not None and not is_none(cell)]
    values = dict.fromkeys(said)
    some = list(values)[:: max(1, len(values) // _LOOKED_AT)][:_LOOKED_AT]
    numbers = [float(cell) for cell in some if _PLAIN.match(cell)]
    amounts = [_amount(cell) for cell in some]

    def share(holds: Callable[[str], object]) -> float:
        return sum(bool(holds(cell)) for cell in some) / len(some) if some else 0.0

    return Profile(
        n=len(said),
        filled=len(said) / len(cells) if cells else 0.0,
        distinct=len(values) / len(said) if said else 0.0,
        n_distinct=len(values),
        length=_mean([len(cell) + len(_HAN.findall(cell)) for cell in some]),
        words=_mean([len(cell.split()) + len(_HAN.findall(cell)) / 2 for cell in some]),
        number=sum(amount is not None for amount in amounts) / len(some) if some else 0.0,
        decimals=share(lambda cell: _DECIMAL.match(cell)),
        whole=share(lambda cell: isinstance(read_count(cell), float)),
        low=min(numbers, default=0.0),
        high=max(numbers, default=0.0),
        money=sum(bool(amount and amount.codes) for amount in amounts) / len(some) if some else 0.0,
        rating=share(lambda cell: isinstance(read_rating(cell), float) or cell in ("0", "0.5", "0.0")),
        time=share(_is_time),
        clock=share(lambda cell: ":" in cell or (cell.isdecimal() and len(cell) > 8)),
        url=share(lambda cell: _URL.match(cell.split(",")[0].split("\n")[0].strip())),
        image=share(_IMAGE.search),
        email=share(_EMAIL.match),
        objects=share(lambda cell: cell.startswith("{")),
        letters=share(_LETTER.search),
        path=share(lambda cell: _PATH.search(cell) and not _URL.match(cell)),
        pairs=share(lambda cell: nested_of_text("attributes", cell) or pairs_of_text(cell)),
        currency=share(lambda cell: cell.upper() in active()),
        language=share(lambda cell: re.split(r"[-_]", cell.lower())[0] in _LANGUAGES and len(cell) <= 6),
        stock=share(lambda cell: isinstance(read_stock(cell), bool)),
        question=share(lambda cell: cell.rstrip().endswith(("?", "？"))),
        id=share(lambda cell: _ID.match(cell) and not _URL.match(cell)),
        values=frozenset(values),
    )


def _mean(numbers: Sequence[float]) -> float:
    return sum(numbers) / len(numbers) if numbers else 0.0


def _amount(cell: str) -> Amount | None:
    for sign in ".,":
        made = read_amount(cell, NumberForm(sign))
        if isinstance(made, Amount):
            return made
    return None


def _is_time(cell: str) -> bool:
    if re.fullmatch(r"\d{9,19}(?:\.\d+)?", cell):
        number = float(cell)
        return any(LIKELY_MS * per_ms <= number < LAST_MS * per_ms for per_ms in UNITS_PER_MS.values())
    if len(cell) < 6 or cell.replace(".", "", 1).isdecimal():
        return len(cell) == 8 and cell[:2] in ("19", "20") and isinstance(read_time(cell, TimeForm()), int)
    forms = [TimeForm(first, strict) for first in (True, False) for strict in (False, True)]
    return any(isinstance(read_time(cell, form), int) for form in forms)
