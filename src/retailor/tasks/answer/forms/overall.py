# ruff: noqa: E501 (a pattern a line)
"""What customers think of a product as a whole: 'what do people say about it?', 'any complaints?', 大家评价怎么样."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from retailor.retrieval.tokens import content_words
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.forms.stance import most_say, polarity
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import Counts, Verdict
from retailor.tasks.answer.wording import is_chinese

Side = Literal["both", "good", "bad"]

_PEOPLE = r"(?:(?:other |most |the )?(?:people|customers?|buyers?|others|users?|owners?|reviewers?|reviews?|everyone|everybody|anyone|they))"
_PATTERNS: tuple[tuple[Side, str], ...] = (
    (
        "both",
        r"\bpros (?:and|&) cons\b|(?:advantages|upsides|strengths) and \w+|\b(?:good|best) and (?:the )?(?:bad|worst)\b|优缺点|好坏",
    ),
    (
        "bad",
        r"\bcomplain\w*(?: about)?\b|\b(?:downsides?|drawbacks?|cons|disadvantages?|weakness(?:es)?|weak (?:points?|spots?)|negatives?)\b|\b(?:bad|negative|critical|worst|one.star) (?:reviews?|ratings?|feedback|things?|points?)\b|"
        r"\b(?:any|what|which|known|common) (?:\w+ )?(?:problems?|issues?|faults?|flaws?)\b|what(?:'s| is| was)? (?:so )?(?:bad|wrong|not (?:so |that |very )?good)\b|\b(?:dislike|hate|unhappy (?:with|about)|dissatisfied|don'?t (?:\w+ )?like)\b|"
        r"\bwhy\b.{0,20}\b(?:low|bad|poor|few)\b.{0,12}\b(?:rat\w+|stars?|reviews?)|缺点|不足(?:之处)?|差评|抱怨|吐槽|毛病|槽点|有(?:没有)?什么(?:问题|不好)|(?:哪里|哪儿|什么地方)不好|不好的地方|不满意的?地方|(?:有人|大家|顾客|买家)(?:说|觉得|认为|反映|反馈|嫌)(?:它|这个|这款)?(?:太|很)?(?:不好|不行|差)",
    ),
    (
        "good",
        rf"\b(?:upsides?|advantages?|pros|strengths?|strong points?|positives?)\b|\b(?:good|positive|best|five.star) (?:reviews|things?|points?|side)\b|what(?:'s| is| was)? (?:so )?(?:good|great|nice|special) about|(?:what|why) do {_PEOPLE} (?:\w+ )?(?:like|love|enjoy|praise|buy)\b|优点|好评|亮点|好在(?:哪|什么地方)|(?:哪里|哪儿|什么地方)好|喜欢它什么",
    ),
    (
        "both",
        rf"(?:what|how) (?:do|does|did|have|has|are|is|would) {_PEOPLE} (?:\w+ )?(?:say|said|saying|think|thought|thinking|write|written|writing|find|feel|rate|like)\b|(?:what|how)(?:'s| is| are| do| does)? (?:\w+ ){{0,2}}(?:reviews?|ratings?|feedback|opinions?)\b|"
        rf"\b(?:reviews?|ratings?|feedback|opinions?)\b|\b(?:are|were|is|was) {_PEOPLE} (?:\w+ )?(?:happy|satisfied|pleased|content|disappointed)\b|(?:does|do|would|did|will) {_PEOPLE} (?:\w+ )?(?:like|love|recommend|regret)\b|"
        r"\b(?:is|are|was|were) (?:it|this|that|they|these|those) (?:actually |really |any |a |worth it |as )?(?:good|great|decent|worth (?:it|buying|getting|having))\b|\bany good\b|\bworth (?:it|buying|getting)\b|"
        r"评价|口碑|反馈|(?:大家|别人|买过的?人?|顾客|用户|网友)(?:都|们)?(?:是?怎么|觉得|感觉|认为|说)(?:说|看|想|样|评价|怎么样|如何)?的?|怎么样|好不好|如何$|值不值得?买?|值得买|好用[吗么不]|满意[吗么度]",
    ),
)
_TABLE = tuple((side, re.compile(pattern, re.IGNORECASE)) for side, pattern in _PATTERNS)
_SAYS_NOTHING = frozenset(
    content_words(
        "product item thing one people customer buyer others tell show read anybody anyone really actually honest honestly general overall far "
        "review rating main buy bought buying person 这个 这款 这件 那个 那款 商品 产品 东西 大家 顾客 买 的 吗 呢 有 什么 有没有 有人 人 说 它 是 主要 请问 整体 总体 到底 真的 使用 用 第一 第二"
    )
)


def side_asked(question: str, topic: frozenset[str] = frozenset()) -> Side | None:
    """Which side of what customers think the question asks for; None where it asks of one thing, as of a zip.

    `topic`: the words of the product's name, which name no such thing.
    """
    for side, pattern in _TABLE:
        if pattern.search(question):
            rest = set(content_words(pattern.sub(" ", question))) - _SAYS_NOTHING - topic
            return None if rest else side
    return None


MAX_CHARS = 160
"""Longer sentences are quoted last."""
LEAST_WORDS = 3
"""A sentence without praise or blame is quoted for one only where it says something: 'too big for our cupboard'."""
_OF_THE_SHOP = frozenset(("delivery", "service", "packing"))


@dataclass(frozen=True)
class Overall:
    """What the reviews of an item say of it on the whole. Rows of the index are of sentences."""

    counts: Counts
    """Reviews, those that are pleased, and those that are not; the rest are between them."""
    stars: float | None
    """The mean, where reviews have stars."""
    praise: tuple[int, ...]
    """Rows that tell the good side, what says most first, each of another review where there are several."""
    blame: tuple[int, ...]
    n_praise: int
    """Reviews that are pleased, or have a sentence of praise."""
    n_blame: int

    def verdict(self, side: Side) -> Verdict | None:
        """The yes or no to 'is it any good?', 'has it any downsides?'; None where nobody wrote."""
        if not self.counts.n:
            return None
        if side == "both":
            return most_say(self.counts)
        return "yes" if (self.n_praise if side == "good" else self.n_blame) else "no"

    def in_words(self, question: str, side: Side, praise: Sequence[str], blame: Sequence[str]) -> str:
        """How many think what, their stars, and the sentences given, in the question's language."""
        chinese = is_chinese(question)
        if not self.counts.n:
            return "还没有顾客写过评价。" if chinese else "No customer has written about it yet."
        if side == "both":
            return (self._chinese if chinese else self._english)(praise, blame)
        told, quotes = (self.n_praise, praise) if side == "good" else (self.n_blame, blame)
        return (_side_in_chinese if chinese else _side_in_english)(side, self.counts.n, told, quotes)

    def _english(self, praise: Sequence[str], blame: Sequence[str]) -> str:
        n, pleased, displeased = self.counts.n, self.counts.yes, self.counts.no
        writers = "One customer wrote about it" if n == 1 else f"{n} customers wrote about it"
        mean = "" if self.stars is None else f"{self.stars:g} stars"
        mean = mean and (f", with {mean}" if n == 1 else f", {mean} on average")
        sides = [f"{pleased} {_are(pleased)} pleased"] if pleased else []
        sides += [f"{displeased} {_are(displeased)} not{'' if pleased else ' pleased'}"] if displeased else []
        told = f": {', '.join(sides)}" if n > 1 and sides else ""
        quoted = [
            f"{name}: {_quoted(each, ' ')}"
            for name, each in (("Praise", praise), ("Complaints", blame))
            if each
        ]
        return " ".join([f"{writers}{mean}{told}.", *quoted])

    def _chinese(self, praise: Sequence[str], blame: Sequence[str]) -> str:
        n, pleased, displeased = self.counts.n, self.counts.yes, self.counts.no
        mean = "" if self.stars is None else f"，{'平均' if n > 1 else ''}{self.stars:g}星"
        sides = [f"{count}位{word}" for count, word in ((pleased, "满意"), (displeased, "不满意")) if count]
        told = f"：{'，'.join(sides)}" if n > 1 and sides else ""
        quoted = [
            f"{name}：{_quoted(each, '')}" for name, each in (("好评", praise), ("不满", blame)) if each
        ]
        return "".join([f"{n}位顾客写过评价{mean}{told}。", *quoted])


def _are(n: int) -> str:
    return "is" if n == 1 else "are"


def _quoted(quotes: Sequence[str], between: str = "") -> str:
    return between.join(f"“{each}”" for each in quotes)


def _side_in_english(side: Side, n: int, told: int, quotes: Sequence[str]) -> str:
    one, many = ("praises it", "praise it") if side == "good" else ("complains", "complain")
    writers = "one customer who wrote about it" if n == 1 else f"{n} customers who wrote about it"
    if not told:
        return f"The {writers} does not {many}." if n == 1 else f"None of the {writers} {one}."
    who = f"The {writers}" if n == 1 else f"{told} of the {writers}"
    return f"{who} {one if told == 1 else many}: {_quoted(quotes, ' ')}"


def _side_in_chinese(side: Side, n: int, told: int, quotes: Sequence[str]) -> str:
    what = "好评" if side == "good" else "不满"
    said = f"{told}位有{what}：{_quoted(quotes, '')}" if told else f"没有人有{what}。"
    return f"写过评价的{n}位顾客中，{said}"


def overall(index: PassageIndex, rows: Sequence[int]) -> Overall:
    """What the reviews among `rows` (of one item) say on the whole: by their stars, else by their words."""
    votes: dict[str, float] = defaultdict(float)
    stars: dict[str, float] = {}
    in_words: dict[int, int] = {}
    for row in rows:
        if index.sources[row] != "review":
            continue
        in_words[row] = polarity(index.texts[row])
        for review, given in zip(index.reviews[row], index.stars[row], strict=True):
            votes[review] += in_words[row]
            if given is not None:
                stars[review] = given
    sides = {review: _side(stars.get(review), vote) for review, vote in votes.items()}
    told = [_told(sign, in_words, sides, index) for sign in (1, -1)]
    (praise, n_praise), (blame, n_blame) = told
    mean = round(sum(stars.values()) / len(stars), 1) if stars else None
    pleased, displeased = (sum(own == sign for own in sides.values()) for sign in (1, -1))
    return Overall(Counts(len(votes), pleased, displeased), mean, praise, blame, n_praise, n_blame)


def _side(stars: float | None, vote: float) -> int:
    if stars is not None:
        return (stars >= 4) - (stars <= 2)
    return (vote > 0) - (vote < 0)


def _told(
    sign: int, in_words: Mapping[int, int], sides: Mapping[str, int], index: PassageIndex
) -> tuple[tuple[int, ...], int]:
    """The rows that tell a side, by their words or else by their reviews, and how many reviews do."""
    by_words = [row for row, own in in_words.items() if own == sign]
    others = [
        row
        for row, own in in_words.items()
        if own == 0 and all(sides[review] == sign for review in index.reviews[row])
    ]
    writers = {review for row in by_words for review in index.reviews[row]}
    writers |= {review for review, own in sides.items() if own == sign}
    long = [row for row in others if len(content_words(index.texts[row])) >= LEAST_WORDS]
    return _best([*by_words, *long], index, frozenset(by_words)), len(writers)


def _best(rows: Sequence[int], index: PassageIndex, by_words: frozenset[int]) -> tuple[int, ...]:
    """The sentences that say most: in plain words, of a side of the product that has a name, by many, not too long.

    One a review and one a kind come first; the others after them.
    """

    def order(row: int) -> tuple[bool, bool, bool, int, int]:
        text = index.texts[row]
        return (
            len(text) > MAX_CHARS,
            row not in by_words,
            not _kinds_told(text),
            -len(index.reviews[row]),
            row,
        )

    first: list[int] = []
    rest: list[int] = []
    writers: set[str] = set()
    told: set[str] = set()
    for row in sorted(rows, key=order):
        own = _kinds_told(index.texts[row])
        fresh = not writers & set(index.reviews[row]) and not (own and own <= told)
        (first if fresh else rest).append(row)
        if fresh:
            writers |= set(index.reviews[row])
            told |= own
    return (*first, *rest)


def _kinds_told(text: str) -> set[str]:
    """The kinds of opinions on a product in a sentence: 'the zip jams' says more than 'I am happy with it'."""
    names = {kind.name for kind in kinds.KINDS if kind.sort == "opinion" and kind.tells.search(text)}
    return names - _OF_THE_SHOP
