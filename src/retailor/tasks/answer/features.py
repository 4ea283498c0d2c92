"""What a question and a passage have in common, as numbers, and what the two are about, as concepts.

Nothing here knows the list that a passage stands in: a passage has the same features beside any others,
so that a probability learned from them can also say that none of them answers.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.lexical import BM25Index
from retailor.retrieval.words import content_words, words

SOURCES = ("attribute", "title", "description", "review", "answer")

# What shops are asked about: cues of the question, then cues of a passage that tells it. Cues are stems.
_CONCEPTS = {
    "weight": (
        "weigh weight heavy light pound kg 重 多重 重量 几斤 轻",
        "weigh weight gram g kg lb pound ounce oz kilogram 重 重量 克 千克 公斤 斤",
    ),
    "size": (
        "size big large small long length tall high height wide width dimension measurement diameter deep "
        "depth thick inch cm fit foot 大小 尺寸 多大 多长 多高 多宽 高度 宽度 长度 直径 尺码 厚",
        "size length height width dimension measure diameter depth inch cm mm foot ft tall long wide high "
        "thick small medium large 尺寸 高度 宽度 长度 直径 厘米 毫米 米 尺码 大小 长 宽 高",
    ),
    "age": (
        "age old year month toddler baby kid child adult boy girl 年龄 岁 几岁 多大 孩子 宝宝",
        "age year month toddler adult minimum 年龄 岁 个月 宝宝 儿童",
    ),
    "material": (
        "material make made fabric plastic metal wood cotton leather rubber 材质 材料 面料 做 料",
        "material make made fabric plastic metal wood cotton leather rubber vinyl steel 材质 材料 面料 棉 钢",
    ),
    "colour": ("color colour 颜色 色", "color colour red blue green black white pink 颜色 色"),
    "power": (
        "battery power charge charger rechargeable volt voltage watt plug aa aaa 电池 电 充电 电压 功率 续航",
        "battery power charge charger rechargeable volt voltage watt aa aaa mah 电池 充电 电压 功率 续航",
    ),
    "count": (
        "many piece number quantity set come include pack 多少 几个 几 数量 包含 件",
        "piece number quantity set include pack count item component 个 件 只 数量 包含 套",
    ),
    "price": ("price cost much expensive 价格 多少钱 价钱", "price cost 价格 元"),
    "care": (
        "wash washable clean dishwasher machine dry 洗 清洗 机洗 洗碗机",
        "wash washable clean dishwasher machine dry wipe 洗 清洗 机洗 洗碗机",
    ),
    "origin": (
        "where china country origin usa 哪里 产地 国产 进口",
        "china country origin usa made import 产地 国 制造 进口",
    ),
    "brand": ("brand who manufacturer 品牌 牌子 厂家", "brand manufacturer by vendor 品牌 厂家"),
    "model": ("model version 型号 款式", "model version number 型号"),
    "warranty": (
        "warranty guarantee return 质保 保修 保质期 退",
        "warranty guarantee return year 质保 保修 年",
    ),
    "capacity": (
        "capacity hold volume liter litre gallon 容量 装 升",
        "capacity hold volume liter litre gallon l ml gb 容量 升 毫升",
    ),
    "fit": (
        "work compatible compatibility fit use support 兼容 适配 适用 支持 配",
        "work compatible compatibility fit support platform 兼容 适配 适用 支持",
    ),
    "water": (
        "waterproof water wet rain 防水 淋 水",
        "waterproof water resistant rain splash 防水 防泼溅 水",
    ),
    "assembly": (
        "assembly assemble install setup 安装 组装",
        "assembly assemble install setup instruction 安装 组装",
    ),
    "speed": ("fast speed mph quick 多快 速度", "speed mph fast km 速度"),
    "time": (
        "how_long last hour minute 多久 多长时间 几天",
        "hour minute min day second last 小时 分钟 天 秒",
    ),
    "safety": (
        "safe toxic bpa lead certified 安全 有毒 无毒",
        "safe toxic non bpa lead certified 安全 无毒 认证",
    ),
}
_NUMBER = re.compile(
    r"\d|\b(?:one|two|three|four|five|six|seven|eight|nine|ten|twelve)\b|[一二两三四五六七八九十百千]"
)
_WANTS_NUMBER = re.compile(
    r"\bhow (?:many|much|long|tall|high|big|large|wide|deep|thick|heavy|old|far|fast|hot|often|small)\b"
    r"|\bwhat (?:size|age|length|height|width|weight|diameter|number|is the (?:size|weight|length|age))\b"
    r"|\b(?:weight|dimensions?|measurements?|diameter|length|height|width)\b"
    r"|多少|几[个件只岁天年月斤]|多[大长高宽重久远快厚]|尺寸|重量|容量",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"^(?:so |and |but |hi,? |hello,? )?(?:is|are|was|were|do|does|did|can|could|will|would"
    r"|has|have|had|should|may)(?:n'?t)?\b|吗|么[？?]?$|是不是|能不能|有没有|会不会|可不可以|是否|能否",
    re.IGNORECASE,
)
_SAYS_YES_NO = re.compile(
    r"^\W*(?:yes|no|yep|yeah|nope|not|absolutely|definitely|sure|correct|是的?|不|没有?|可以|能|会|有)(?:\b|[，,。！!的])",
    re.IGNORECASE,
)

FEATURES = (
    "words", "words_log", "cosine", "cosine_above_chance", "question_covered", "passage_covered",
    "name_in_question", "concept_shared", "concept_missed", "number_given", "number_missed", "yes_no_given",
    "is_attribute", "is_title", "is_review", "is_answer", "length",
    "cosine_of_attribute", "words_of_attribute",
)  # fmt: skip


@dataclass(frozen=True)
class Chance:
    """The cosine of a question with passages taken at random: what 'no better than chance' means for it."""

    mean: float
    spread: float


def wants_number(question: str) -> bool:
    """Whether the question asks for a number or a measure."""
    return _WANTS_NUMBER.search(question) is not None


def is_yes_no(question: str) -> bool:
    """Whether the question can be answered by yes or no."""
    return _YES_NO.search(question.strip()) is not None


def says_yes_no(text: str) -> bool:
    """Whether a passage begins with a yes or a no."""
    return _SAYS_YES_NO.search(text) is not None


@lru_cache(maxsize=4096)
def asked_concepts(question: str) -> frozenset[str]:
    """What the question asks for, by its cues."""
    return _concepts(question, 0)


@lru_cache(maxsize=65536)
def told_concepts(passage: str) -> frozenset[str]:
    """What a passage tells, by its cues."""
    return _concepts(passage, 1)


def _concepts(text: str, side: int) -> frozenset[str]:
    found = set(words(text))
    if "how long" in text.lower():
        found.add("how_long")
    for whole in [word for word in found if word[0].isdigit()]:
        found.add(whole.lstrip("0123456789.,"))
    return frozenset(name for name, cues in _CUES.items() if cues[side] & found)


def _cue_words(cues: str) -> frozenset[str]:
    """The cues as index words: English stems; of Chinese, no single character cut out of a longer cue."""
    found = set(cues.split())
    found |= {word for cue in cues.split() if "_" not in cue for word in words(cue) if len(word) > 1}
    return frozenset(found)


_CUES = {name: (_cue_words(asked), _cue_words(told)) for name, (asked, told) in _CONCEPTS.items()}


def features(
    question: str,
    topic: frozenset[str],
    texts: Sequence[str],
    sources: Sequence[str],
    cosines: NDArray[np.float32],
    index: BM25Index,
    chance: Chance,
) -> NDArray[np.float32]:
    """FEATURES of each passage [n, F].

    `topic`: words that say which item is meant; a passage of that item need not repeat them.
    `cosines` [n]: of the question with each passage.
    """
    asked = [word for word in dict.fromkeys(content_words(question)) if word not in topic]
    idf = {word: index.idf(word) for word in asked}
    total = sum(idf.values()) or 1.0
    bound = sum(index.idf(word) for word in dict.fromkeys(words(question)) if word not in topic) or 1.0
    lexical = index.weigh(question, texts)
    wanted, yes_no, number = asked_concepts(question), is_yes_no(question), wants_number(question)
    rows = np.zeros((len(texts), len(FEATURES)), dtype=np.float32)
    for row, text, source, score, cosine in zip(rows, texts, sources, lexical, cosines, strict=True):
        told = content_words(text)
        name = set(content_words(text.partition(":")[0])) if source == "attribute" else set()
        has_number = _NUMBER.search(text.lower()) is not None
        shared = len(wanted & told_concepts(text)) / len(wanted) if wanted else 0.0
        words_share = min(float(score) / bound, 1.5)
        row[:] = (
            words_share,
            np.log1p(score) / 3,
            cosine,
            (cosine - chance.mean) / chance.spread / 3,
            sum(idf[word] for word in dict.fromkeys(told) if word in idf) / total,
            sum(word in idf for word in told) / max(len(told), 1),
            len(name & idf.keys()) / len(name) if name else 0.0,
            shared,
            bool(wanted) and not shared,
            number and has_number,
            number and not has_number,
            yes_no and says_yes_no(text),
            source == "attribute",
            source == "title",
            source == "review",
            source == "answer",
            np.log1p(len(told)) / 3,
            cosine if source == "attribute" else 0.0,
            words_share if source == "attribute" else 0.0,
        )
    return rows
