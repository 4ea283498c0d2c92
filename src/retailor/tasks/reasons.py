"""Why an item is listed, as a code with its parts, and the sentence of each code in both languages."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, get_args

Language = Literal["en", "zh"]

SENTENCES: Mapping[str, Mapping[Language, str]] = {
    "text": {"en": "its text fits the words asked for", "zh": "文字与所求相符"},
    "similar": {"en": "its text is close to that of “{item}”{so}", "zh": "文字与“{item}”相近{so}"},
    "together": {"en": "chosen by {who} of “{item}”", "zh": "选择“{item}”的{who}也选了它"},
    "user_frequency": {"en": "chosen before", "zh": "以前选过"},
    "user_recency": {"en": "chosen before, not long ago", "zh": "不久前选过"},
    "user_reviews": {"en": "its text is close to what the customer wrote", "zh": "文字与顾客写过的话相近"},
    "unsold": {"en": "nobody has chosen it yet", "zh": "还没有人选过"},
    "unsold, close": {
        "en": "nobody has chosen it yet; its text is close to “{item}”{so}",
        "zh": "还没有人选过；文字与“{item}”相近{so}",
    },
    "two_tower": {
        "en": "its text is close to what customers of “{item}” choose next",
        "zh": "文字与选择“{item}”的顾客接下来所选的相近",
    },
    "words": {"en": "shares {words} with “{item}”", "zh": "与“{item}”同有{words}"},
    "words and customers": {
        "en": "shares {words} and customers with “{item}”",
        "zh": "与“{item}”同有{words}，也有共同的顾客",
    },
    "embeddings": {"en": "close to “{item}” in meaning", "zh": "含义与“{item}”相近"},
    "embeddings and customers": {
        "en": "close to “{item}” in meaning and in who chose it",
        "zh": "含义与“{item}”相近，也有共同的顾客",
    },
    "pictures": {"en": "looks like “{item}”", "zh": "看起来与“{item}”相似"},
    "pictures and customers": {
        "en": "looks like “{item}” and has customers with it",
        "zh": "看起来与“{item}”相似，也有共同的顾客",
    },
    "alike": {"en": "chosen by {who} with a history like this one", "zh": "历史相似的{who}选过"},
    "history": {"en": "customers with a history like this one chose it", "zh": "历史相似的顾客选过"},
    "history, next": {
        "en": "customers with a history like this one chose it next",
        "zh": "历史相似的顾客接下来选了它",
    },
    "next": {"en": "{who} who chose “{item}” went on to this", "zh": "选择“{item}”的{who}接下来选了它"},
    "too": {"en": "{who} who chose “{item}” chose this too", "zh": "选择“{item}”的{who}也选了它"},
    "popular": {"en": "chosen by {count}", "zh": "{count}选过"},
    "query words": {"en": "shares words with the query{so}", "zh": "与搜索词有相同的词{so}"},
    "query synonyms": {"en": "has another word for what was asked", "zh": "用别的词说的是同一样东西"},
    "query meaning": {"en": "close in meaning", "zh": "含义相近"},
    "query picture": {"en": "looks like the picture", "zh": "与图片相似"},
    "query picture and words": {
        "en": "looks like the picture and shares words with the query{so}",
        "zh": "与图片相似，与搜索词有相同的词{so}",
    },
}
_WHO: Mapping[Language, tuple[str, str]] = {"en": ("a customer", "customers"), "zh": ("一位顾客", "顾客")}
_COUNT: Mapping[Language, tuple[str, str]] = {
    "en": ("one customer", "{n:,} customers"),
    "zh": ("一位顾客", "{n:,} 位顾客"),
}
_QUALITY = re.compile(r"\s*q\s*=\s*(0(?:\.\d{0,3})?|1(?:\.0{0,3})?)\s*\Z", re.IGNORECASE)


@dataclass(frozen=True)
class Why:
    """What speaks for an item: one of SENTENCES, and what stands in it."""

    code: str
    item: str = ""
    """The title of the item from which it has it."""
    words: tuple[str, ...] = ()
    """Words that both items share."""
    n_customers: int = 0

    def text(self, language: Language = "en") -> str:
        """The sentence, in words."""
        many = self.n_customers != 1
        quoted = (", " if language == "en" else "、").join(f"“{word}”" for word in self.words)
        brackets = " ({})" if language == "en" else "（{}）"
        return SENTENCES[self.code][language].format(
            item=self.item,
            words=quoted,
            so=brackets.format(quoted) if quoted else "",
            who=_WHO[language][many],
            count=_COUNT[language][many].format(n=self.n_customers),
        )


def language_of(accepted: str) -> Language:
    """The language that an `Accept-Language` header likes best, English where it names neither."""
    best: tuple[float, Language] = (0.0, "en")
    for each in accepted.split(","):
        name, *rest = each.split(";")
        found = _QUALITY.match(rest[0]) if rest else None
        quality = float(found[1]) if found else 0.0 if rest else 1.0
        kind = re.split("[-_]", name.strip().lower())[0]
        for language in get_args(Language):
            if kind == language and quality > best[0]:
                best = (quality, language)
    return best[1]
