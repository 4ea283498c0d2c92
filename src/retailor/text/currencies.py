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
_ASKED_IN = re.compile(
    rf"\b(?:in|into|to|as)\s+(?:us\s+|american\s+|chinese\s+)?(?P<en>{WORD})|(?P<zh>{CHINESE})", re.IGNORECASE
)


def currency_of(written: str) -> str:
    """A currency as its code of three letters, as far as it is known: '$' and 'usd' are USD."""
    return CODES.get(written.strip().lower(), written.strip().upper())


def currency_among(said: str, known: Collection[str]) -> str:
    """The code of what was said, '' for nothing. A sign or a word that several currencies go by is the one of
    them that is `known`, '' where several of these alone are."""
    code = CODES.get(said, "")
    if said not in SHARED or code in known:
        return code
    others = [each for each in SHARED[said] if each in known]
    return {0: code, 1: "".join(others)}.get(len(others), "")


def asked_in(text: str) -> tuple[str, ...]:
    """The codes of the currencies that a text may want prices in, the likeliest first: 'in euros' is EUR, 'in
    dollars' USD and others that go by that name; () where it names none."""
    found = _ASKED_IN.search(text)
    if found is None:
        return ()
    said = (found["en"] or found["zh"]).lower()
    said = said if said in CODES else said.rstrip("s")
    return (CODES[said], *SHARED.get(said, ()))
