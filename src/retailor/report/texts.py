"""The report's own words: English as the code has them, and their Chinese in one table."""

# ruff: noqa: E501

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache

from retailor.report.labels import label
from retailor.tasks.reasons import Language

LANGUAGES: Mapping[Language, str] = {"en": "English", "zh": "中文"}

CHINESE: Mapping[str, str] = {
    # the frame
    "Sections": "各节",
    "Summary": "概要",
    "Results": "结果",
    "Ledger": "迁移账本",
    "Learning": "学习",
    "Compression": "压缩",
    "Examples": "示例",
    "Data": "数据",
    "How it was made": "制作过程",
    "Made {made} with Retailor {version}, in {time} of work.": "{made} 由 Retailor {version} 生成，用时 {time}。",
    "Made {made} with Retailor {version}.": "{made} 由 Retailor {version} 生成。",
    "One file, no scripts, no requests: it can be mailed, printed and kept. Lower is better where a ↓ stands.":
    "单个文件，无脚本，无网络请求：可邮寄、打印和留存。带 ↓ 的指标越低越好。",
    "Recommendation": "推荐",
    "Search": "搜索",
    "Answering questions": "问答",
    "Sentiment": "情感",
    "Drafting reviews": "评论草稿",
    # verdicts
    "Did it pay?": "值得吗？",
    "better": "更好",
    "ahead, in doubt": "领先，但存疑",
    "level": "持平",
    "not better": "没有更好",
    "worse": "更差",
    "unknown": "未知",
    "Each verdict compares our row with the best cheap baseline on the same test cases, which no training has "
    "seen. Where a paired difference is given, it is over the same resamples of the same cases, with a 95 % "
    "bootstrap interval; elsewhere the two intervals are compared, which is the more careful reading.":
    "每条结论都在同一批测试样例上，把我们的一行与最好的廉价基线相比；任何训练都没有见过这些样例。"
    "给出配对差值时，它来自同一批样例的同一组重抽样，并附 95 % 自助法区间；其余情况比较两个区间，这种读法更为谨慎。",
    "No task was evaluated in this run, so there is nothing to judge.": "本次运行没有评估任何任务，因此无可评判。",
    "There was no test case, so nothing can be said.": "没有测试样例，因此无法下结论。",
    "{metric} {ours}; there is no baseline beside it.": "{metric} 为 {ours}；没有可比的基线。",
    "Beats the best baseline: {metric} {ours} against {base} of {name}; {proof} ({n} cases).":
    "胜过最好的基线：{metric} 为 {ours}，{name} 为 {base}；{proof}（{n} 个样例）。",
    "Ahead of the best baseline, but not beyond doubt: {metric} {ours} against {base} of {name}; {proof} "
    "({n} cases).": "领先于最好的基线，但并非毫无疑问：{metric} 为 {ours}，{name} 为 {base}；{proof}（{n} 个样例）。",
    "Level with the best baseline: {metric} {ours}, as {name} has ({n} cases). The baseline is cheaper.":
    "与最好的基线持平：{metric} 为 {ours}，与 {name} 相同（{n} 个样例）。基线更省。",
    "Not better than the best baseline: {metric} {ours} against {base} of {name}; {proof} ({n} cases).":
    "没有胜过最好的基线：{metric} 为 {ours}，{name} 为 {base}；{proof}（{n} 个样例）。",
    "Worse than the best baseline: {metric} {ours} against {base} of {name}; {proof} ({n} cases). Use {name} "
    "here.": "不如最好的基线：{metric} 为 {ours}，{name} 为 {base}；{proof}（{n} 个样例）。此处请用 {name}。",
    "the paired difference is {}, 95 % interval {} to {}": "配对差值为 {}，95 % 区间为 {} 至 {}",
    "the 95 % intervals are apart": "两个 95 % 区间不重叠",
    "the 95 % intervals overlap": "两个 95 % 区间重叠",
    " Before tuning it was {before}.": "调优前为 {before}。",
    " With {few} cases, only large differences can show.": "只有 {few} 个样例，仅能看出较大的差别。",
    # notes
    "This shop is simulated: its figures show that the road works, not what a shop gains.":
    "这家店铺是模拟的：数字只说明流程可行，不说明店铺能得到什么。",
    "The plan skips: {what}.": "计划跳过：{what}。",
    "{what} was left out: {why}": "{what} 未做：{why}",
    "What is served was fitted again, with what was chosen, on the whole shop with its test part; the figures "
    "are those of the fit before, which had not seen that part.":
    "对外服务的模型已用选定的设置在整个店铺（含测试部分）上重新拟合；数字来自此前那次拟合，它没有见过测试部分。",
    # results
    "Results against baselines": "与基线相比的结果",
    "System": "系统",
    "Cases": "样例数",
    "By how cold the item is": "按商品的冷热",
    "By kind of test case": "按测试样例的种类",
    "The figures of {n} buckets": "{n} 个分组的数字",
    "–: not measured for this row, or no test case to measure it on.": "–：此行没有测量该指标，或没有可测的样例。",
    "No task was evaluated: the plan had none, or the shop lacks the tables they need.":
    "没有评估任何任务：计划中没有，或店铺缺少所需的表。",
    # ledger
    "What each step of transfer was worth": "迁移的每一步值多少",
    "{task} with {encoder}, on {n} test cases, over one seed. Each row is compared with the one above it.":
    "{task}，编码器 {encoder}，{n} 个测试样例，一个随机种子。每一行与上一行相比。",
    "{task} with {encoder}, on {n} test cases, over {seeds} seeds. Each row is compared with the one above it.":
    "{task}，编码器 {encoder}，{n} 个测试样例，{seeds} 个随机种子。每一行与上一行相比。",
    "How much data each step needs": "每一步需要多少数据",
    "Only {kind}": "仅看{kind}",
    "With {n} {unit}: {cases} cases, too few to say.": "有 {n} 条{unit}时：只有 {cases} 个样例，太少，不下结论。",
    "({cases} cases)": "（{cases} 个样例）",
    "Step by step": "逐步比较",
    "with {n} {unit}": "{n} 条{unit}",
    "With {n} {unit}": "{n} 条{unit}",
    "stop here": "到此为止",
    "With {n} {unit} the language model pays: {model} is {points} points ahead of {control}.":
    "有 {n} 条{unit}时，语言模型值得：“{model}”比“{control}”高 {points} 个百分点。",
    "With {n} {unit} the language model costs: {model} is {points} points from {control}, which needs none.":
    "有 {n} 条{unit}时，语言模型得不偿失：“{model}”与不需要它的“{control}”相差 {points} 个百分点。",
    "With {n} {unit} {control} is enough: {model} cannot be told from it ({points} points).":
    "有 {n} 条{unit}时，“{control}”就够了：“{model}”与它无法区分（{points} 个百分点）。",
    "With {n} {unit}:": "有 {n} 条{unit}时：",
    "Stop at {stop}: what comes after it, up to {best}, is not better beyond chance.":
    "到“{stop}”为止：其后直到“{best}”的各步，都不比它好得超出偶然。",
    "Stop at {stop}: nothing cheaper comes as far.": "到“{stop}”为止：更便宜的都达不到。",
    "Step": "步骤",
    "accuracy": "准确率",
    "Gain, points": "增益（百分点）",
    "Seconds": "秒",
    "Examples seen": "见过的样例",
    "Weights trained": "训练的权重",
    "95 % intervals over seeds and test cases together; those of gains hold for all {n} steps at once "
    "(Bonferroni). A gain in grey cannot be told from zero: that step need not be paid for. Stop here: the "
    "cheapest row that cannot be told from the best. Seconds are of training; those of domain adaptation and "
    "of reading the catalogue are spent once, whatever the size of the data.":
    "95 % 区间同时涵盖随机种子与测试样例；增益的区间对全部 {n} 步同时成立（Bonferroni 校正）。灰色的增益与零无法区分：不必为那一步付出。"
    "“到此为止”是与最好的一行无法区分的最便宜的一行。秒数为训练用时；领域适应与读取目录的用时，无论数据多少只花一次。",
    # learning, compression, examples
    "Learning curves": "学习曲线",
    "How much to answer": "回答多少",
    "Answered is what the task is at least {caution} sure of: {answered} of the questions, of which {wrong} wrongly. Answering all of them would be wrong in {all_wrong}.": "把握至少为 {caution} 时才回答：回答了 {answered} 的问题，其中 {wrong} 答错；全部回答则有 {all_wrong} 答错。",
    "Nothing was trained in this run, or no curve was kept.": "本次运行没有训练，或没有保留曲线。",
    "Compression against loss": "压缩与损失",
    "{task}, before and after": "{task}，压缩前后",
    "No model was compressed in this run.": "本次运行没有压缩模型。",
    "Size": "大小",
    "Speed": "速度",
    "Times smaller": "体积缩小倍数",
    "Cosine to the original, on average": "与原模型的平均余弦",
    "Cosine to the original, at worst": "与原模型的最低余弦",
    "Of the ten nearest texts kept": "十条最近文字的保留比例",
    "Texts compared": "比较的文字数",
    "Examples from the test part": "测试部分的示例",
    "No examples were kept.": "没有保留示例。",
    "History": "历史",
    "Recommended": "推荐",
    "Then": "之后选择",
    "Title": "标题",
    "Reason": "理由",
    "Query": "搜索词",
    "Found": "找到",
    "Item": "商品",
    "Question": "问题",
    "Answer": "回答",
    "Known": "知道",
    "Evidence": "依据",
    "Reference": "参考答案",
    "Text": "文字",
    "Stars": "星级",
    "Label": "标注",
    "Predicted": "预测",
    "Probabilities": "概率",
    "Negative": "负面",
    "Neutral": "中性",
    "Positive": "正面",
    "Draft": "草稿",
    "Generated": "机器生成",
    "Real review": "真实评论",
    "yes": "是",
    "no": "否",
    "none": "无",
    # data
    "The data": "数据",
    "The shop was not profiled in this run.": "本次运行没有统计店铺数据。",
    "The shop's own words": "店铺自己的用词",
    "Items": "商品",
    "Events": "行为",
    "Reviews": "评论",
    "Questions": "问答",
    "Judgments": "相关性评判",
    "Users": "顾客",
    "Pairs": "顾客与商品对",
    "Pairs that are empty": "空白的顾客与商品对",
    "Time span": "时间跨度",
    "Events per user, median": "每位顾客的行为数（中位数）",
    "Duplicates": "重复行",
    "Rows not readable": "无法读取的行",
    "Events by kind": "各类行为",
    "Reviews and ratings by stars": "各星级的评论与评分",
    "Reviews by label": "各标注的评论",
    "Items by their number of events": "按行为数划分的商品",
    "Rows over time": "各时间的行数",
    "Languages, by table": "各表的语言",
    "Missing values, where there are any": "缺失值",
    "Tables that do not match": "互不匹配的表",
    "Cells that could not be read, and are empty": "无法读取而留空的单元格",
    "Table": "表",
    "Missing": "缺失",
    "What": "内容",
    # how
    "Commands": "命令",
    "Stages": "阶段",
    "Settings": "设置",
    "Every setting, defaults included": "全部设置（含默认值）",
    "The settings were not kept.": "没有保留设置。",
    "Seeds": "随机种子",
    "Plan": "计划",
    "Versions": "版本",
    "{n} packages": "{n} 个软件包",
}  # fmt: skip
NOTES = (
    "{what} was left out: {why}",
    "The plan skips: {what}.",
)
"""Patterns of notes, which come filled in."""


def said(text: str, language: Language = "en") -> str:
    """The text in a language; as it is where the tables do not have it, as words of the shop are."""
    if language == "en":
        return text
    return CHINESE[text] if text in CHINESE else label(text)


def note(text: str, language: Language = "en") -> str:
    """A note that came filled in, in a language; as it is where no pattern fits."""
    for pattern in NOTES if language == "zh" else ():
        if found := _reader(pattern).fullmatch(text):
            return CHINESE[pattern].format(**found.groupdict())
    return said(text, language)


@lru_cache
def _reader(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"\{(\w+)\}", pattern)
    return re.compile(
        "".join(f"(?P<{part}>.+?)" if i % 2 else re.escape(part) for i, part in enumerate(parts)), re.DOTALL
    )
