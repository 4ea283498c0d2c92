# ruff: noqa: E501, SIM905 (word lists)
"""What no edit of a text may touch: brands, numbers, units, negations and opinions, English and Chinese."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from retailor.scripts import HAN
from retailor.text.common_words import OPINIONS
from retailor.text.quantities import parse_quantities

_NEGATIONS = frozenset(
    """not no nor none never nothing nobody nowhere neither without cannot hardly barely scarcely rarely seldom unless except
    lack lacks lacked lacking fail fails failed dont doesnt didnt isnt wasnt arent werent wont wouldnt cant couldnt shouldnt
    hasnt havent hadnt aint""".split()
)
_NEGATION = re.compile(r"(?:n['’]t)$")
_WORD = re.compile(rf"[^\W\d_{HAN}]+(?:['’-][^\W\d_{HAN}]+)*")
_HARMLESS = re.compile("特别|分别|区别|别人|别的|个别|级别|类别|性别|非常|不错|差不多|除非|是非")
_HAN_NEGATION = re.compile("[不没無无未非勿莫否甭别毋]|缺乏|缺少")
_NUMBER_WORDS = frozenset(
    """zero one two three four five six seven eight nine ten eleven twelve twenty thirty forty fifty sixty seventy eighty
    ninety hundred hundreds thousand thousands million dozen half quarter double triple single twice once thrice pair
    both first second third last next many several few""".split()
)
_HAN_NUMBERS = frozenset("两半俩仨几双〇")
_MORE_OPINIONS = frozenset(
    """hate hated hates awfully worthless useless disappointed disappointing disappointment broken broke defective faulty waste
    wasted scam fake junk trash garbage rubbish crap refund return returned satisfied unsatisfied dissatisfied pleased
    unhappy sad angry annoying annoyed boring bored dull mediocre average okay superb outstanding brilliant gorgeous
    delicious tasty disgusting cheaply flimsy sturdy durable comfortable uncomfortable impressed impressive
    unfortunately sadly enjoyed enjoyable dislike disliked problem problems issue issues only but however although
    too very so really hardly almost barely""".split()
)
_HAN_OPINION = re.compile(
    "好|差|坏|烂|棒|赞|美|丑|糟|爽|烦|贵|慢|快|假|错|满意|喜欢|失望|垃圾|推荐|后悔|上当|便宜|舒服|难|讨厌|可惜|遗憾|完美|破|脏|臭|香|值|但|却|只|太|很|最|挺"
)


@dataclass(frozen=True)
class Facts:
    """What a text states, to be the same in every copy: compare two of them."""

    quantities: Counter[tuple[float, str]]
    numbers: Counter[str]
    negations: Counter[str]
    names: Counter[str]


def facts(text: str, names: Iterable[str] = ()) -> Facts:
    """The quantities, numbers, negations and given names of a text, each with how often it occurs."""
    return Facts(
        Counter((quantity.value, quantity.unit) for quantity in parse_quantities(text)),
        Counter(re.findall(r"\d+(?:[.,]\d+)*", text)),
        Counter(_negations(text)),
        Counter(match[0].casefold() for match in names_in(text, names)),
    )


def _negations(text: str) -> list[str]:
    found = [word.lower() for word in _WORD.findall(text) if is_negation(word)]
    return found + _HAN_NEGATION.findall(_HARMLESS.sub(" ", text))


def names_in(text: str, names: Iterable[str]) -> list[re.Match[str]]:
    """Where names such as brands stand in the text, whatever their case; longest first where they overlap."""
    pattern = _names_pattern(tuple(names))
    return [] if pattern is None else list(pattern.finditer(text))


@lru_cache(maxsize=8)
def _names_pattern(names: tuple[str, ...]) -> re.Pattern[str] | None:
    known = sorted(
        {name.strip() for name in names if name and name.strip()}, key=lambda name: (-len(name), name)
    )
    if not known:
        return None
    return re.compile("|".join(map(_bounded, known)), re.IGNORECASE)


def _bounded(name: str) -> str:
    """Letters of other words may not adjoin a Latin name; Chinese has no such borders."""
    edge = "[^\\W_" + HAN + "]"
    before = rf"(?<!{edge})" if re.match(edge, name[0]) else ""
    after = rf"(?!{edge})" if re.match(edge, name[-1]) else ""
    return before + re.escape(name) + after


def is_negation(word: str) -> bool:
    """Whether a word, English or Chinese, denies."""
    low = word.lower()
    if low in _NEGATIONS or _NEGATION.search(low):
        return True
    return bool(_HAN_NEGATION.search(_HARMLESS.sub("", word)))


def is_number(word: str) -> bool:
    """Whether a word counts: digits anywhere in it, number words, Chinese numerals."""
    return any(c.isnumeric() or c in _HAN_NUMBERS for c in word) or word.lower() in _NUMBER_WORDS


def is_opinion(word: str) -> bool:
    """Whether a word says what somebody thinks: to lose or to change it could turn a review round."""
    low = word.lower()
    return low in OPINIONS or low in _MORE_OPINIONS or bool(_HAN_OPINION.search(word))
