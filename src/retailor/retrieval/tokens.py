"""Texts to index words, English and Chinese alike; the same words for every lexical scorer.

English words are lower-cased and lightly stemmed. A model number, or a number with its unit, is kept whole
however it was spelled (`WH-1000XM4`, `wh1000xm4`; `500 ml`, `500ml`), and its parts are words too. Chinese is
cut by a dictionary (jieba), and character bigrams are added, since shops coin words no dictionary has.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from typing import Any

from retailor.scripts import HAN

_UNITS = (
    "mm cm m km inch inches in ft feet yard yd mg g kg oz lb lbs pound pounds ml cl l litre liter gal "
    "w kw watt watts v kv volt volts a ma mah wh kwh hz khz mhz ghz kb mb gb tb mp dpi rpm bar psi db "
    "h hr hrs hour hours min mins minutes s sec seconds day days month months year years pcs pack pieces"
)
UNITS = frozenset(_UNITS.split())
_STOP_WORDS = (
    "a an and are as at be been but by can could did do does for from had has have he her his how i if in "
    "into is it its it's me my of on or our she should so than that the their them then there these they "
    "this those to was we were what when where which who why will with would you your am any about also s t "
    "的 了 吗 呢 吧 啊 是 在 和 与 或 我 你 您 他 她 它 这 那 这个 那个 请问 请 有 就 都 也 么 "
    "什么 怎么 个 款 多少 几 能 可以 会 不会 能不能 可不可以 有没有 是不是"
)
_CODE = rf"[^\W_{HAN}]+(?:[-/.'’][^\W_{HAN}]+)*"
_TOKEN = re.compile(rf"(?P<chinese>[{HAN}]+)|(?P<word>{_CODE})")
_QUANTITY = re.compile(
    rf"(?<![^\W_])(\d+(?:[.,]\d+)*)[\s-]?({'|'.join(sorted(UNITS, key=len, reverse=True))})(?![^\W_{HAN}])"
)
_PART = re.compile(rf"\d+(?:[.,]\d+)*|[^\W\d_{HAN}]+")
_VOWEL = re.compile("[aeiouy]")
HAS_CHINESE = re.compile(f"[{HAN}]")


def words(text: str, *, bigrams: bool = True) -> list[str]:
    """The index words of a text, in order; [] for a text with none. `bigrams`: with those of Chinese."""
    text = unicodedata.normalize("NFKC", text).lower().replace("_", " ")
    text = _QUANTITY.sub(r"\1\2", text)
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        run = match.group()
        found.extend(_chinese(run, bigrams) if match.lastgroup == "chinese" else _latin(run))
    return found


def content_words(text: str) -> list[str]:
    """`words` without stop words and without Chinese bigrams: what a text is about."""
    return [word for word in words(text, bigrams=False) if word not in STOP_WORDS]


def parts_of(phrase: str) -> list[str]:
    """Index words that every text has in which the phrase stands as whole words.

    Of Chinese the pairs of characters, however it is cut there; [] where nothing is known.
    """
    text = _QUANTITY.sub(r"\1\2", unicodedata.normalize("NFKC", phrase).lower().replace("_", " "))
    found: list[str] = []
    for match in _TOKEN.finditer(text):
        run = match.group()
        if match.lastgroup == "chinese":
            found += [run[i : i + 2] for i in range(len(run) - 1)]
        elif run.isalpha():
            found.append(stem(run))
        else:
            parts = _PART.findall(run)
            plain = not any(part[0].isdigit() for part in parts)
            found += [stem(part) for part in parts if len(part) > 1] if plain else parts
    return found


def shared_words(text: str, other: str) -> list[str]:
    """The words of `text` as they are written there, each once, that `other` has in any inflection.

    Without stop words, and without single letters and digits.
    """
    known = _content_set(other)
    found: dict[str, str] = {}
    for written, forms in _written(text):
        if len(written) > 1 and forms and known.issuperset(forms):
            found.setdefault(forms[0], written)
    return list(found.values())


@lru_cache(maxsize=8192)
def _content_set(text: str) -> frozenset[str]:
    return frozenset(content_words(text))


@lru_cache(maxsize=1024)
def _written(text: str) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """The words of a text as they are written there, each with its index words."""
    return tuple(
        (written, tuple(content_words(written)))
        for match in _TOKEN.finditer(unicodedata.normalize("NFKC", text))
        for written in (_chinese(match[0], False) if match.lastgroup == "chinese" else [match[0]])
    )


def places_of(text: str, other: str) -> list[tuple[int, int]]:
    """From where to where in `text`, as it is written, words stand that `other` has in any inflection.

    Offsets of characters, ascending; without stop words. A run of letters counts as one word.
    """
    known = set(content_words(other))
    found: list[tuple[int, int]] = []
    for match in _TOKEN.finditer(text):
        start = match.start()
        for written in _chinese(match[0], False) if match.lastgroup == "chinese" else [match[0]]:
            if known & set(content_words(written)):
                found.append((start, start + len(written)))
            start += len(written)
    return found


@lru_cache(maxsize=65536)
def _latin(run: str) -> tuple[str, ...]:
    if run.isalpha():
        return (stem(run),)
    parts = _PART.findall(run)
    if not any(part[0].isdigit() for part in parts):
        # A plain compound (`water-proof`, `it's`): the joined form finds the other spelling.
        stems = [stem(part) for part in parts if len(part) > 1 or len(parts) == 1]
        joined = stem("".join(parts))
        return (joined, *stems) if len(stems) > 1 else tuple(stems or [joined])
    whole = "".join(char for char in run if char.isalnum() or char in ".,").strip(".,")
    return (whole,) if parts == [whole] else (whole, *parts)


def _chinese(run: str, bigrams: bool) -> list[str]:
    cut = [str(word) for word in _cutter().cut(run)]
    if not bigrams:
        return cut
    pairs = [run[i : i + 2] for i in range(len(run) - 1)]
    known = set(cut)
    return cut + [pair for pair in pairs if pair not in known]


@cache
def _cutter() -> Any:
    import rjieba

    return rjieba


def stem(word: str) -> str:
    """A lower-case English word without its inflection: plural (Harman 1991's S-stemmer), -ed, -ing, final e.

    Light on purpose: it never joins a noun and a verb by derivation, which costs precision on product names.
    """
    word = _singular(word)
    for ending in ("ing", "ed"):
        rest = word.removesuffix(ending)
        if rest != word and len(rest) > 2 and _VOWEL.search(rest):
            doubled = rest[-1] == rest[-2] and rest[-1] not in "lsz"
            return rest[:-1] if doubled else rest.removesuffix("e")
    return word[:-1] if len(word) > 4 and word.endswith("e") and not word.endswith("ee") else word


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("ches", "shes", "xes", "sses", "zes")):
        return word[:-2]
    return word[:-1]


STOP_WORDS = frozenset({each for word in _STOP_WORDS.split() for each in (word, stem(word))})
"""Words that say nothing about what a text is about, as written and as index words ('does', 'doe')."""
