"""Which encoder a plan means: 'auto' goes by the languages of the shop's texts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from retailor.models.weights import BUILT_IN
from retailor.shop.tables import Shop

AUTO = "auto"
ENGLISH, MANY = "minilm", "e5"
OTHER_SHARE = 0.05
"""Where so many texts are not in English, an encoder that knows English alone is the wrong one."""


def language_shares(shop: Shop) -> dict[str, float]:
    """The share of each language in the titles and reviews whose language is known, the commonest first."""
    counts: Counter[str] = Counter()
    for table in (shop.items, shop.reviews):
        known = table["language"].drop_nulls()
        counts.update(language for language in known if language != "und")
    total = counts.total()
    return {language: n / total for language, n in counts.most_common()} if total else {}


def encoder_for(name: str, shop: Shop) -> str:
    """The name itself, or for 'auto' the encoder that the shop's languages ask for."""
    return encoder_of_shares(name, language_shares(shop)) if name == AUTO else name


def encoder_of_shares(name: str, shares: Mapping[str, float]) -> str:
    """The same by the share of each language."""
    if name != AUTO:
        return name
    return MANY if _others(shares) >= OTHER_SHARE else ENGLISH


def encoder_note(name: str, shop: Shop) -> str:
    """What to know of the encoder and the shop's languages; '' where there is nothing to say."""
    shares = language_shares(shop)
    others = _others(shares)
    told = ", ".join(f"{language} {share:.0%}" for language, share in shares.items() if share >= 0.005)
    if name == AUTO and shares:
        chosen = encoder_for(name, shop)
        return f"encoder = 'auto' took '{chosen}' ({BUILT_IN[chosen].what}) for texts in {told}."
    if name == ENGLISH and others >= OTHER_SHARE:
        return (
            f"The encoder '{ENGLISH}' knows English alone, and {others:.0%} of this shop's texts are in "
            f"other languages ({told}): set encoder = '{MANY}', or 'auto'."
        )
    return ""


def _others(shares: Mapping[str, float]) -> float:
    return sum(share for language, share in shares.items() if language != "en")
