"""Which currencies a sign, a word or a code can stand for, as ISO 4217 codes out of the CLDR."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache

from babel import Locale
from babel.core import get_global

from retailor.shop.cells.plain import plain

_LOCALES = [
    "en", "en_GB", "en_CA", "en_AU", "en_NZ", "en_IN", "en_SG", "en_HK", "en_ZA", "zh",
    "zh_Hant_TW", "zh_Hant_HK", "ja", "ko", "de", "de_CH", "fr", "fr_CA", "es", "es_MX", "es_AR",
    "es_CO", "es_CL", "it", "pt", "pt_PT", "nl", "pl", "cs", "hu", "ro", "bg", "ru", "uk", "tr",
    "sv", "nb", "da", "is", "fi", "el", "he", "ar", "ar_EG", "fa", "hi", "th", "vi", "id", "ms",
]  # fmt: skip
_WORDS = {
    "rmb": "CNY",
    "人民币": "CNY",
    "人民幣": "CNY",
    "块": "CNY",
    "圆": "CNY",
    "円": "JPY",
    "日元": "JPY",
    "美元": "USD",
    "欧元": "EUR",
    "港币": "HKD",
    "港元": "HKD",
    "台币": "TWD",
    "euro": "EUR",
    "euros": "EUR",
    "원": "KRW",
    "руб": "RUB",
    "р": "RUB",
    "грн": "UAH",
    "лв": "BGN",
    "lei": "RON",
    "₤": "GBP",
    "fr": "CHF",
    "sfr": "CHF",
}
_CROWNS = frozenset({"DKK", "NOK", "SEK", "ISK"})
_YUAN = frozenset({"CNY", "TWD", "HKD"})
"""What 元 is short for, where the map names one of them."""


def codes_of(token: str, default: str | None = None) -> frozenset[str]:
    """The codes that a token of a cell may mean: none, one, or several, as for '$', '¥' and 'kr'.

    `default`, what the column map says, settles it where it is one of them.
    """
    found = _codes(token.strip().rstrip("."))
    if token == "元" and default in _YUAN:
        found = _YUAN
    return frozenset({default}) if default in found else found


@cache
def _codes(token: str) -> frozenset[str]:
    if token.upper() in active() and (token.isupper() or token.upper() in _SAFE):
        return frozenset({token.upper()})
    word = _WORDS.get(token.casefold())
    if word:
        return frozenset({word})
    if token.casefold() == "kr":
        return _CROWNS
    return _signs().get(token.casefold(), frozenset())


_SAFE = frozenset([
    "USD", "EUR", "GBP", "CNY", "JPY", "CHF", "INR", "AUD", "CAD", "BRL", "RUB", "KRW", "SEK",
    "NOK", "DKK", "PLN", "CZK", "HUF", "MXN", "TWD", "HKD",
])  # fmt: skip
"""Codes read in small letters too; others are English words, as 'all', 'top' and 'try' are."""


def known_first(codes: Iterable[str]) -> str:
    """Some of the codes in words, those that most people know first."""
    order = sorted(codes, key=lambda code: (code not in _SAFE, code != "USD", code))
    return ", ".join(order[:4]) + (" …" if len(order) > 4 else "")


@cache
def active() -> frozenset[str]:
    """The codes of the currencies that some country uses today."""
    given = get_global("territory_currencies").values()
    return frozenset(code for entries in given for code, _, end, _ in entries if end is None)


@cache
def _signs() -> dict[str, frozenset[str]]:
    """Sign to codes, over the locales above. A sign that several of them use has several codes."""
    found: dict[str, set[str]] = {}
    for name in _LOCALES:
        for code, sign in Locale.parse(name).currency_symbols.items():
            key = plain(sign).casefold().rstrip(".").replace(" ", "")
            if code in active() and sign != code and key and key != "¤":
                found.setdefault(key, set()).add(code)
    return {sign: frozenset(codes) for sign, codes in found.items()}
