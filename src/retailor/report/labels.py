"""Names and sentences that runs fill in - systems, buckets, axes, notes, reasons - read back, in Chinese."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache

from retailor.tasks.reasons import SENTENCES

NAMES: Mapping[str, str] = {
    # systems; EASE, BM25, item-knn and the like keep their names
    "popularity": "热门商品",
    "majority": "多数类",
    "encoder": "编码器",
    "frozen probe": "冻结编码器加分类头",
    "fine-tuned": "微调",
    "from scratch": "从零训练",
    "pretrained, frozen": "预训练，冻结",
    "domain adaptation": "领域适应",
    "augmentation": "数据增强",
    "adversarial": "对抗训练",
    "layer-wise rates": "分层学习率",
    "cheap baseline": "廉价基线",
    "collaborative filter": "协同过滤",
    "with words": "加上文字",
    "everything without a model": "不用模型的全部",
    "frozen encoder": "冻结的编码器",
    "fine-tuned on behaviour": "用行为微调",
    "weights averaged": "权重平均",
    "customers' reviews": "顾客的评论",
    "everything blended": "全部混合",
    "words, learned ranker": "文字加学习的排序器",
    "learned ranker": "学习的排序器",
    "prompt only": "只用提示",
    "panel": "评审组",
    "blended": "混合",
    "template": "模板",
    "nearest review": "最近的评论",
    "retailor without reading": "retailor，不解读查询",
    "retailor, first look": "retailor，只看一遍",
    "real review": "真实评论",
    "encoder kernel + knn": "编码器核 + knn",
    "tf-idf kernel + knn": "tf-idf 核 + knn",
    "tf-idf + knn": "tf-idf + knn",
    "embedding_kernel": "嵌入核",
    "picture_kernel": "图片核",
    "picture kernel + knn": "图片核 + knn",
    "retailor without pictures": "retailor，不看图片",
    "retailor without text": "retailor，不看文字",
    "retailor with words alone": "retailor，只看词语",
    "retailor with every text": "retailor，词语和模型都看",
    "tfidf_kernel": "tf-idf 核",
    "tfidf": "tf-idf",
    "user_reviews": "顾客自己的评论",
    "user reviews": "顾客自己的评论",
    "user_frequency": "顾客常选",
    "user_recency": "顾客最近所选",
    "tifu_knn": "tifu-knn",
    "up_cf": "up-cf",
    "item_knn": "item-knn",
    "sequential_knn": "sequential-knn",
    "two-tower": "双塔",
    "two_tower": "双塔",
    # buckets and counts
    "item never seen": "从未出现的商品",
    "item seen more": "出现更多次的商品",
    "new items": "新商品",
    "repeats": "重复选择",
    "distinct": "不重复",
    "made from attributes": "由属性生成",
    "more": "更多",
    "view": "浏览",
    "cart": "加购",
    "buy": "购买",
    "favourite": "收藏",
    "rate": "评分",
    "negative": "负面",
    "neutral": "中性",
    "positive": "正面",
    "recommend": "推荐",
    "search": "搜索",
    "answer": "问答",
    "sentiment": "情感",
    "review": "评论草稿",
    "items": "商品",
    "events": "行为",
    "reviews": "评论",
    "questions": "问答",
    "preferences": "草稿偏好",
    "judgments": "相关性评判",
    # leaks
    "same row": "同一行",
    "near-duplicate": "近似重复",
    "target in the features": "特征中含有答案",
    "future": "来自未来",
    "id": "编号",
    "row order": "行的次序",
    "customer on both sides": "两边都有的顾客",
    "own label": "自报标注",
    "the same words in training": "训练部分有相同的文字",
    "the review stands in the text of its item": "评论就在商品的文字里",
    "the answer stands in its question": "回答就在问题里",
    "the query stands in an attribute of an item that answers it": "查询就在所答商品的属性里",
    "the query stands in the description of an item that answers it": "查询就在所答商品的描述里",
    "sorted by grade": "按评级排序",
    "sorted by rating": "按星级排序",
    "dated after today": "日期晚于今天",
    "customers with a training row from after their test row": "顾客在训练部分的行晚于其测试行",
    "the customer has reviewed the same item in training": "顾客在训练部分评论过同一商品",
    "the letters at its beginning": "开头的字母",
    "its first character": "第一个字符",
    "its last character": "最后一个字符",
    "its last two characters": "最后两个字符",
    "the words in it": "其中的词",
    "first": "第一",
    "last": "最后",
    "a form": "格式化的文字",
    "the text": "正文",
    "the title": "标题",
    # axes and pictures
    "step": "步",
    "seconds": "秒",
    "loss": "损失",
    "on held-out data": "在留出数据上",
    "labels": "标注",
    "judged queries": "评判过的查询",
    "score by size of the data, a line a step": "各步骤的得分随数据多少的变化",
    "cold items": "冷门商品",
    "cold customers": "新顾客",
    "text-only customers": "只留下文字的顾客",
    "customers known by the latest review that they wrote, and by no event; a row that reads no text answers "
    "with what is popular": "只知其最近一条评论、不知其任何行为的顾客；不读文字的行以热门商品作答",
    "texts a second": "每秒文字数",
    "original": "压缩前",
    "compressed": "压缩后",
    "counts": "计数",
    # what the ledger and the drafts say
    "nothing to compare it with": "没有可比的对象",
    "A forecast by events is surer than it should be: of 81 that were held against the truth, in three "
    "shops, .556 of the 80 % intervals held it (benchmarks/results/forecast.json). Read its middle, not its "
    "interval.": "按行为数的预测过于自信：与真值核对过的 81 个预测（三家店铺）中，只有 .556 的 80 % 区间"
    "包含真值（benchmarks/results/forecast.json）。请看其中值，不要看其区间。",
    "Forecasts by this unit of data were never held against the truth: of the 80 % intervals by labels .914 "
    "held it, by events .556 (benchmarks/results/forecast.json).": "按这种数据单位的预测从未与真值核对过："
    "按标签数的 80 % 区间有 .914 包含真值，按行为数的有 .556（benchmarks/results/forecast.json）。",
    "the model said too little": "模型写得太少",
    "a customer": "一位顾客",
    "customers": "顾客",
    "one customer": "一位顾客",
    "read the items' file too": "请把商品文件也一并读入",
}
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October",
    "November", "December",
)  # fmt: skip
_PATTERNS: Mapping[str, str] = {
    "{a} of every system, with 95 % intervals": "各系统的 {a}，附 95 % 区间",
    "{a} (lower is better)": "{a}（越低越好）",
    "{a} by bucket": "按分组的 {a}",
    "{a} by step": "{a}随步数的变化",
    "rows over time of {list}": "{list}各时间的行数",
    "item seen {a}": "出现 {a} 次的商品",
    "rating {a}": "{a} 星",
    "{a} alone": "仅{a}",
    "retailor before tuning": "retailor（调优前）",
    "retailor before preferences": "retailor（学习偏好前）",
    "retailor, {a}": "retailor，{a}",
    "retailor less {a}": "retailor 减去 {a}",
    "{a} (ids only)": "{a}（只用编号）",
    "{a} (control)": "{a}（对照）",
    "+ {list}": "+ {list}",
    "Times faster than {a} float32": "比 {a} float32 快的倍数",
    "… {a} more": "……另有 {a} 条",
    "the model cannot write '{a}'": "模型不会写 '{a}'",
    # of the ledger
    "not distinguishable from zero with {n} {a} ({b})": "{n} 条{a}时与零无法区分（{b}）",
    "{b} points with {n} {a}": "{n} 条{a}时 {b} 个百分点",
    "score of each step with {n} {a}": "{n} 条{a}时各步骤的得分",
    "{a}, a logarithmic scale": "{a}（对数刻度）",
    "items that {n} customers at most have in the events learned from": (
        "学习所用的行为中至多有 {n} 位顾客拥有的商品"
    ),
    "customers of whom 1 to {n} events are known": "已知行为为 1 至 {n} 条的顾客",
    "every customer, known by the latest {n} events alone, as only {m} cases are of customers with so few": (
        "所有顾客，各只看最近 {n} 条行为，因为只有 {m} 个样例的顾客行为这样少"
    ),
    "with {n} {a} about {x} (80 %: {y} – {z}), {u} points take about {m} more ({v} – {w})": (
        "{n} 条{a}时约 {x}（80 %：{y} – {z}），再高 {u} 个百分点约需再加 {m} 条（{v} – {w}）"
    ),
    "with {n} {a} about {x} (80 %: {y} – {z}), {u} points take more than {m} times the data": (
        "{n} 条{a}时约 {x}（80 %：{y} – {z}），再高 {u} 个百分点需要 {m} 倍以上的数据"
    ),
    # notes
    "Customers' ids are pseudonyms, under the key in the environment variable '{a}'.": (
        "顾客编号是化名，密钥在环境变量 '{a}' 中。"
    ),
    "{task} is no better on held-out customers with these parts, dropped: {list}.": (
        "{task} 加上这些部件后在留出的顾客上并无改进，已去掉：{list}。"
    ),
    "{task}, dropped: {list}": "{task}，已去掉：{list}",
    "unlabelled {n}": "没有标注的 {n} 条",
    "empty {n}": "空的 {n} 条",
    "repeated {n}": "重复的 {n} 条",
    "refit-{task}": "重新拟合的{task}",
    "encoder = 'auto' took '{x}' ({y}) for texts in {z}.": "encoder = 'auto'：文字为 {z}，选用 '{x}'。",
    "{task}, notes: {a}": "{task}，说明：{a}",
    "{task}, note: {a}": "{task}，说明：{a}",
    "{a} The part '{b}' leads that blend and answers alone.": "{a}单独的部件“{b}”领先，由它回答。",
    "no text": "不看文字",
    "words alone": "只看词语",
    "words and the encoder": "词语和模型",
    (
        "answers by {a}: on {n} held-out customers NDCG@10 is {x} with no text, {y} with words alone, "
        "{z} with words and the encoder; the lead on {b} is {u} ± {v}, more than chance."
    ): (
        "回答依据：{a}；在 {n} 位留出的顾客上，NDCG@10 不看文字为 {x}，只看词语为 {y}，词语和模型为 {z}；"
        "比{b}高 {u} ± {v}，不是偶然。"
    ),
    (
        "answers by {a}: on {n} held-out customers NDCG@10 is {x} with no text, {y} with words alone, "
        "{z} with words and the encoder; the lead on {b} is {u} ± {v}, no more than chance."
    ): (
        "回答依据：{a}；在 {n} 位留出的顾客上，NDCG@10 不看文字为 {x}，只看词语为 {y}，词语和模型为 {z}；"
        "比{b}高 {u} ± {v}，也可能是偶然。"
    ),
    # pictures
    "{n} items have a picture{more}.": "{n} 件商品有图片{more}。",
    "; of others it could not be read: {x}": "；其他商品的图片无法读取：{x}",
    "; of others it could not be read: {x}; the pictures of {n} pairs are as good as the same ({y})": (
        "；其他商品的图片无法读取：{x}；有 {n} 对商品的图片几乎相同（{y}）"
    ),
    "; the pictures of {n} pairs are as good as the same ({y})": "；有 {n} 对商品的图片几乎相同（{y}）",
    # what the test gives away
    "Leak: {a}, {task}: {n} of {m} ({x}): {b}": "泄漏：{a}，{task}：{m} 行中有 {n} 行（{x}）：{b}",
    "the same {x} in training": "训练部分有相同的 {x}",
    "in training, from after {x}, when the test begins": "在训练部分，却晚于测试开始的 {x}",
    "{a} of {x} tells the label in {y} of the rows ({z} by chance)": (
        "{x} 的{a}在 {y} 的行中说出了标注（偶然为 {z}）"
    ),
    "{x} in its order tells the label in {y} of the rows ({z} by chance)": (
        "{x} 的次序在 {y} 的行中说出了标注（偶然为 {z}）"
    ),
    "{x} holds the id of the item that it means": "{x} 含有所指商品的编号",
    "neighbours have one label in {y} of the rows ({z} by chance)": (
        "相邻的行在 {y} 的情况下标注相同（偶然为 {z}）"
    ),
    "the {a} passage is relevant in {y} of the rows ({z} by chance)": (
        "{a}的段落在 {y} 的情况下相关（偶然为 {z}）"
    ),
    "a customer's training reviews tell the label in {y} of the rows ({z} by chance)": (
        "顾客在训练部分的评论在 {y} 的行中说出了标注（偶然为 {z}）"
    ),
    "{a} says the stars or the label, and {y} of them rightly": "{a}说出了星级或标注，其中 {y} 说对了",
    # tables that do not match
    "{a}: {n} of {m} customers have no events{more}": "{a}：{m} 位顾客中有 {n} 位没有行为{more}",
    "{a}: {n} of {m} rows are about items that the catalogue lacks{more}": (
        "{a}：{m} 行中有 {n} 行所指的商品不在目录中{more}"
    ),
    "{a}: {n} of {m} rows are about items, and there is no catalogue{more}": (
        "{a}：{m} 行中有 {n} 行涉及商品，但没有商品目录{more}"
    ),
    "{a}: {n} of {m} have no title{more}": "{a}：{m} 件中有 {n} 件没有标题{more}",
    ", like '{x}'": "，例如 '{x}'",
    ", like '{x}'; {a}": "，例如 '{x}'；{a}",
    "; {a}": "；{a}",
    "{n} would join {a}: '{x}' against '{y}'": "{a}后有 {n} 行可以对上：'{x}' 与 '{y}'",
    "without the white space around them": "去掉首尾空白",
    "in small letters": "改为小写",
    "without leading zeros": "去掉开头的零",
    "without a '.0' at the end": "去掉末尾的 '.0'",
    "without dashes, dots and spaces": "去掉连字符、点和空格",
}
"""English to Chinese. {a} and {b} are names or such sentences themselves, {list} several of them; others stay
as they are."""


def label(text: str) -> str:
    """The Chinese of a name or a filled sentence; the text itself where it is neither, as a shop's own is."""
    if text in NAMES:
        return NAMES[text]
    if text in _MONTHS:
        return f"{_MONTHS.index(text) + 1}月"
    for reader, chinese in _readers():
        if found := reader.fullmatch(text):
            return chinese.format(**{name: _part(name, part) for name, part in found.groupdict().items()})
    return text


def _part(name: str, text: str) -> str:
    if name == "list":
        return "、".join(map(label, text.split(", ")))
    if name in ("so", "words"):
        text = text.replace("”, “", "”、“")
        return f"（{text[2:-1]}）" if text.startswith(" (") else text
    return label(text) if name in ("a", "b", "who", "count", "more", "task") else text


@cache
def _readers() -> list[tuple[re.Pattern[str], str]]:
    reasons = {told["en"]: told["zh"] for told in SENTENCES.values()}
    patterns = {**_PATTERNS, **reasons, "{n} customers": "{n} 位顾客"}
    most_words_first = sorted(patterns, key=lambda pattern: -len(re.sub(r"\{\w+\}", "", pattern)))
    return [(_reader(english), patterns[english]) for english in most_words_first]


def _reader(pattern: str) -> re.Pattern[str]:
    """The pattern as a regular expression: a number where it says n or m, any text elsewhere."""
    made = ""
    for i, part in enumerate(re.split(r"\{(\w+)\}", pattern)):
        if not i % 2:
            made += re.escape(part)
        elif part in ("n", "m"):
            made += rf"(?P<{part}>[\d,]+)"
        else:
            made += f"(?P<{part}>.{'*' if part in ('so', 'more') else '+'}?)"
    return re.compile(made, re.DOTALL)
