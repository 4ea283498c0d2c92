"""Currencies as customers and catalogues write them, and their codes of three letters."""

from __future__ import annotations

import re
from collections.abc import Collection

_DOLLARS, _YUAN = ("CAD", "AUD", "NZD", "SGD", "HKD", "TWD", "MXN"), ("JPY", "HKD", "TWD")
SHARED = {
    **dict.fromkeys(("$", "dollar", "buck"), _DOLLARS),
    **dict.fromkeys(("¥", "元", "块", "块钱"), _YUAN),
}
"""Signs and words that other currencies go by too: '$' in a shop that prices in CAD alone is CAD."""
CODES = {
    "$": "USD", "€": "EUR", "£": "GBP", "¥": "CNY", "usd": "USD", "eur": "EUR", "gbp": "GBP", "cny": "CNY",
    "rmb": "CNY", "jpy": "JPY", "dollar": "USD", "buck": "USD", "euro": "EUR", "yuan": "CNY",
    "renminbi": "CNY", "yen": "JPY", "元": "CNY", "块钱": "CNY", "块": "CNY", "人民币": "CNY",
    "美元": "USD", "美金": "USD", "欧元": "EUR", "英镑": "GBP", "日元": "JPY", "港币": "HKD",
}  # fmt: skip
"""What is written, in lower case and the singular, to the code that it most likely is."""
CHINESE = "人民币|美元|美金|欧元|英镑|日元|港币"
SIGN = "[$€£¥]"
WORD = (
    r"(?:(?:usd|euros?|eur|gbp|cny|rmb|dollars?|bucks?|yuan|renminbi|jpy|yen)(?![a-z])"
    rf"|元|块钱|块|{CHINESE})"
)
"""Patterns of what is written."""
_SAID = re.compile(
    rf"\b(?:in|into|to|as)\s+(?:us\s+|american\s+|chinese\s+)?(?P<in>{WORD})|(?P<zh>{CHINESE})"
    rf"|\d\s*(?P<after>(?!块){WORD}|{SIGN})|(?P<before>{SIGN})\s*\d",
    re.IGNORECASE,
)
"""As a price is wanted, or an amount given; 三块 may be three pieces."""


def currency_of(written: str) -> str:
    """A currency as its code of three letters, as far as it is known: '$', 'usd' and 'Dollars' are USD."""
    return CODES.get(singular(written.strip().lower()), written.strip().upper())


def singular(said: str) -> str:
    """'dollars' as 'dollar', what has no such singular as it is; in lower case."""
    return said[:-1] if said.endswith("s") and said[:-1] in CODES else said


def currency_among(said: str, known: Collection[str]) -> str:
    """The code of what was said, '' for nothing. A sign or a word that several currencies go by is the one of
    them that is `known`, '' where several of these alone are."""
    code = CODES.get(said, "")
    if said not in SHARED or code in known:
        return code
    others = [each for each in SHARED[said] if each in known]
    return {0: code, 1: "".join(others)}.get(len(others), "")


def currencies_said(text: str) -> tuple[str, ...]:
    """The codes of the currencies in which a text wants prices or gives an amount, the likeliest first: 'in
    euros' and '€20' are EUR, 'in dollars' USD and others that go by that name; () where it names none."""
    found = _SAID.search(text)
    if found is None:
        return ()
    said = singular(next(each for each in found.groups() if each).lower())
    return (CODES[said], *SHARED.get(said, ()))
