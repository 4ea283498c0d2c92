# ruff: noqa: E501 (words a line)
"""What customers say to a question, counted: how many write about it, and how many of them say yes."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from retailor.retrieval.tokens import STOP_WORDS, content_words, stem
from retailor.tasks.answer.evidence.features import is_yes_no
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.shapes import Counts, Verdict
from retailor.text.opinions import BLAME, PRAISE, OpinionWords

# Words for and against a product in what customers write of one side of it; of no shop in particular.
_GOOD = """
good well nice fine lovely delightful pleasant decent brilliant fabulous adorable delicious tasty yummy glad enjoy enjoyed comfortable comfy soft sturdy solid durable reliable quiet silent crisp clear bright light lightweight easy easily
simple quick quickly fast smooth smoothly warm dry waterproof watertight strong tough roomy gentle fresh clean beautiful beautifully
helpful friendly accurate secure stable safe fair worth value impressive handy effective effortless effortlessly fits survived survives
holds adores enjoys thrilled flawless flawlessly gorgeous early
好 舒服 舒适 柔软 结实 耐用 扎实 牢固 安静 清晰 清楚 简单 方便 轻松 轻便 快 顺滑 流畅 保暖 暖和 防水 不漏 温和 清爽 干净 漂亮 精美 精致 细致
稳 安全 实惠 划算 值 超值 合适 有效 管用 好用 好吃 爱吃 爱喝 香 精细 严实 放心
"""
_BAD = """
uncomfortable hard stiff scratchy rough flimsy fragile weak cheap cheaply loose loud noisy hiss hisses hissed buzz muffled tinny dim dark heavy bulky difficult
slow late leak leaks leaked leaking soaked wet damp rust rusts rusted jam jams jammed jamming stuck sticks sticky greasy oily burns burned burnt
smell smells smelled stink stinks reeks stench tear tears tore torn rip rips ripped crack cracks cracked crushed crumbled split splits scratched
peels peeled faded stained wobbly wobbles unstable dangerous tight small overpriced expensive rude unhelpful ignored ignores useless fell falls apart pieces died dies
dead stopped fails failed failure missing crooked painful itchy irritated rash overheats clogs clogged disconnects drops lag lags flickers
不舒服 硬 粗糙 扎 薄 松 吵 噪音 杂音 模糊 暗 重 沉 笨重 难 麻烦 慢 漏 漏水 渗水 湿 生锈 卡 卡住 粘 黏 油腻 糊 臭 刺鼻 异味 破 裂 断 掉 掉色 褪色 晃
不稳 危险 小 太小 贵 太贵 不值 坏 不理 敷衍 推来推去 恶劣 压扁 迟到 散架 过敏 红肿 脱皮 断连 断线 卡顿 闷 刮 毛刺
"""
_WORDS = OpinionWords((*PRAISE, *re.findall(r"\S+", _GOOD)), (*BLAME, *re.findall(r"\S+", _BAD)))
_WORDS_OF_QUESTION = OpinionWords(tuple(re.findall(r"\S+", _GOOD)), tuple(re.findall(r"\S+", _BAD)))
_SIDES = frozenset(word for side in (_GOOD, _BAD) for word in content_words(side))
_STOPS = frozenset(map(stem, STOP_WORDS))
_DENIES = re.compile(
    r"\b(?:no|not|never|hardly|barely|zero|without|nothing)\b|n't\b|[不没无未]", re.IGNORECASE
)
_ENOUGH = re.compile(r"\benough\b|够", re.IGNORECASE)
_TOO_MUCH = re.compile(
    r"有(?:没有)?[^，。？?]{0,3}味|味(?:道|儿)?[^，。？?好]{0,2}[大重浓]|(?:噪音|动静)[^，。？?]{0,2}大"
)
"""'Is it loud enough?' asks for the good side by a word of the bad one; 味道大吗 for the bad one by none."""
ABOUT = 0.5
"""Of a question's words by weight, those that a sentence about it has."""
ONE_SIDED = 0.75
"""From this share of one mind on, the answer is yes or no; between them it depends."""


@dataclass(frozen=True)
class Stance:
    """The sentences on each side of a question, the clearest first, and the counts of reviews behind them."""

    counts: Counts
    yes: tuple[int, ...]
    no: tuple[int, ...]
    """Rows of the index."""

    @property
    def verdict(self) -> Verdict | None:
        """What most say; None of fewer than two."""
        n = self.counts.yes + self.counts.no
        if n < 2:
            return None
        share = self.counts.yes / n
        return "yes" if share >= ONE_SIDED else "no" if share <= 1 - ONE_SIDED else "depends"


def stance(question: str, index: PassageIndex, item_id: str, rows: Sequence[int]) -> Stance:
    """What the reviews among `rows` (of one item) say to the question."""
    about = [
        row for row in rows if index.sources[row] == "review" and is_about(question, index, item_id, row)
    ]
    asks_bad = is_yes_no(question) and _orientation(question) < 0
    votes: dict[str, float] = defaultdict(float)
    sides: dict[int, int] = {}
    for row in about:
        side = polarity(index.texts[row], index.stars_of(row)) * (-1 if asks_bad else 1)
        sides[row] = side
        for review in index.reviews[row]:
            votes[review] += side
    yes, no = sum(vote > 0 for vote in votes.values()), sum(vote < 0 for vote in votes.values())
    return Stance(
        Counts(len(votes), yes, no),
        tuple(row for row in about if sides[row] > 0),
        tuple(row for row in about if sides[row] < 0),
    )


def is_about(question: str, index: PassageIndex, item_id: str, row: int) -> bool:
    """Whether a passage of an item speaks of what the question asks."""
    return says_of(question, index.texts[row], index.topic(item_id), index.lexical.idf)


def says_of(question: str, text: str, topic: frozenset[str], idf: Callable[[str], float]) -> bool:
    """Whether a sentence speaks of what is asked: of an opinion's kind, else in most words but the `topic`'s."""
    opinions = [kind for kind in kinds.asked(question) if kind.sort == "opinion"]
    if opinions:
        return any(kinds.tells(kind, question, text) for kind in opinions)
    asked = {word: idf(word) for word in content_words(question) if word not in topic | _STOPS}
    # 'Does the zip jam?' is about the zip: who writes that it runs smoothly says something to it.
    asked = {word: value for word, value in asked.items() if word not in _SIDES} or asked
    told = set(content_words(text))
    return bool(asked) and sum(v for w, v in asked.items() if w in told) >= ABOUT * sum(asked.values())


def polarity(text: str, stars: Sequence[float] = ()) -> int:
    """1 for praise, -1 for blame, 0 where neither words nor stars tell."""
    vote = float(_WORDS.votes([text])[0])
    if not vote and stars:
        mean = sum(stars) / len(stars)
        vote = (mean >= 4) - (mean <= 2)
    return (vote > 0) - (vote < 0)


def _orientation(question: str) -> int:
    """-1 where the question names the bad side ('does it leak?'), whether it denies it or not."""
    if _ENOUGH.search(question):
        return 1
    if _TOO_MUCH.search(question):
        return -1
    vote = float(_WORDS_OF_QUESTION.votes([_DENIES.sub(" ", question)])[0])
    return (vote > 0) - (vote < 0)
