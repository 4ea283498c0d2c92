"""Countries named in a text, English and Chinese, by their ISO 3166 codes."""

from __future__ import annotations

import re
from functools import cache

from retailor.scripts import HAN

WORLD = "001"
"""The code for every country."""
EUROPEAN_UNION = frozenset(
    [
        "AT",
        "BE",
        "BG",
        "HR",
        "CY",
        "CZ",
        "DE",
        "DK",
        "EE",
        "ES",
        "FI",
        "FR",
        "GR",
        "HU",
        "IE",
        "IT",
        "LT",
        "LU",
        "LV",
        "MT",
        "NL",
        "PL",
        "PT",
        "RO",
        "SE",
        "SI",
        "SK",
    ]
)
# Names that the common list of territories does not have.
_ALSO = {
    "US": "US|USA|U.S.|U.S.A.|America|the States|美利坚|米国",
    "GB": "UK|U.K.|Britain|Great Britain|England|Scotland|Wales|Northern Ireland|英格兰|苏格兰",
    "NL": "Holland|the Netherlands",
    "CN": "mainland China|PRC|中国大陆|大陆|内地|国内",
    "HK": "Hong Kong|香港|中国香港",
    "MO": "Macau|Macao|澳门|中国澳门",
    "TW": "中国台湾",
    "KR": "Korea|韩国|南韩",
    "CZ": "Czech Republic",
    "AE": "UAE|Emirates|阿联酋",
    "TR": "Turkey",
    "EU": "EU|European Union|欧盟",
    WORLD: "worldwide|world|everywhere|anywhere|all countries|全球|全世界|世界各地",
}
_CODES = frozenset(("US", "UK", "USA", "UAE", "EU", "PRC", "GB", "NZ", "HK", "U.S.", "U.S.A.", "U.K."))
"""Written in capitals alone: 'us' is not a country."""


@cache
def _names() -> dict[str, str]:
    """Name in small letters, or code in capitals, to country."""
    from babel import Locale

    found: dict[str, str] = {}
    for language in ("zh", "en"):
        for code, name in Locale(language).territories.items():
            if code.isalpha() and len(code) == 2 and code not in ("EU", "EZ", "UN", "QO", "ZZ", "XA", "XB"):
                found[name.lower()] = code
    for code, names in _ALSO.items():
        for name in names.split("|"):
            found[name if name in _CODES else name.lower()] = code
    return found


@cache
def _pattern() -> re.Pattern[str]:
    """One match a name, the longest of overlapping ones."""
    latin = sorted((n for n in _names() if not re.search(f"[{HAN}]", n)), key=len, reverse=True)
    han = sorted((n for n in _names() if re.search(f"[{HAN}]", n)), key=len, reverse=True)
    codes = [re.escape(name) for name in latin if name in _CODES]
    words = [re.escape(name) for name in latin if name not in _CODES]
    chinese = "|".join(map(re.escape, han))
    return re.compile(rf"(?<!\w)(?:{'|'.join(codes)}|(?i:{'|'.join(words)}))(?!\w)|{chinese}")


def countries(text: str) -> list[str]:
    """The codes of the countries that a text names, in order, each once; WORLD for 'worldwide', EU for it."""
    found = (match.group() for match in _pattern().finditer(text))
    return list(dict.fromkeys(_names()[name if name in _CODES else name.lower()] for name in found))


def country_of(name: str) -> str | None:
    """The code of one country by its name in English or Chinese or by its code; None for another word."""
    name = name.strip()
    if name.upper() == "UK":
        return "GB"
    known = _names()
    if len(name) == 2 and name.isascii() and name.upper() in {*known.values()}:
        return name.upper()
    return known.get(name) or known.get(name.upper() if name.upper() in _CODES else name.lower())


def country_name(code: str, *, chinese: bool) -> str:
    """The country's name; the code itself for an unknown one."""
    from babel import Locale

    short = {"HK": ("Hong Kong", "香港"), "MO": ("Macao", "澳门"), "GB": ("the United Kingdom", "英国"),
             "US": ("the United States", "美国"), "NL": ("the Netherlands", "荷兰"),
             "EU": ("the European Union", "欧盟"), WORLD: ("all countries", "全球各地")}  # fmt: skip
    if code in short:
        return short[code][chinese]
    return str(Locale("zh" if chinese else "en").territories.get(code, code))


def known_countries() -> list[str]:
    """Every name that is known."""
    return list(_names())


def includes(codes: frozenset[str], code: str) -> bool:
    """Whether `code` is among the countries, which may name the union or the world."""
    if WORLD in codes or code in codes:
        return True
    if code == "EU":
        return codes >= EUROPEAN_UNION
    return code in EUROPEAN_UNION and "EU" in codes
