# ruff: noqa: E501 (a sentence a line)
"""The words of an insight's page: English as the code has them, and their Chinese in one table."""

from __future__ import annotations

from collections.abc import Mapping

from retailor.tasks.reasons import Language

CHINESE: Mapping[str, str] = {
    "Insight": "洞察",
    "What customers say of {name}": "顾客怎么说：{name}",
    "Made {made} with Retailor {version}.": "{made} 由 Retailor {version} 生成。",
    "One file, no scripts, no requests. Contacts in reviews are masked; no customer is named.": "单个文件，无脚本，无网络请求。评论中的联系方式已遮盖，不出现任何顾客身份。",
    "New problems": "新问题",
    "Complaints": "抱怨",
    "Aspects": "各方面",
    "Trends": "趋势",
    "Descriptions": "商品描述",
    "Products": "商品",
    "How it was counted": "统计方法",
    "customers who wrote a review": "写过评论的顾客",
    "products with reviews": "有评论的商品",
    "aspects": "方面",
    "sentences about them": "涉及这些方面的句子",
    "questions": "提问",
    "changes found": "发现的变化",
    # changes
    "Tested were {n} rows of reviews in the order of time, of the shop, each category and each product. Where nothing has changed, the chance that this report raises any alarm is at most {rate}; of the alarms it raises, at most {rate} are false on average. The test is exact: given how many complain, every order of the reviews is equally likely where nothing has changed.":
    "按时间顺序检验了 {n} 组评论：全店、每个类目、每件商品。若没有任何变化，本报告发出任何警报的概率至多为 {rate}；在发出的警报中，平均至多有 {rate} 是误报。检验是精确的：给定抱怨的总数，若无变化，则评论的每种顺序等可能。",
    "Each look at the shop is one report: whoever makes one every week has this chance every week.": "每看一次就是一份报告：每周生成一份，则每周都有这样的概率。",
    "The reviews of this shop have no times, so no change can be seen.": "本店评论没有时间，因此看不出变化。",
    "Nothing changed beyond what chance explains.": "没有超出偶然的变化。",
    "Worse since {since}": "自 {since} 起变差",
    "Better since {since}": "自 {since} 起好转",
    "{k_after} of {n_after} reviews complain since then, {k_before} of {n_before} did before": "此后 {n_after} 条评论中有 {k_after} 条抱怨，此前 {n_before} 条中有 {k_before} 条",
    "chance of so loud a change where there is none: {p}": "若无变化，出现如此明显变化的概率：{p}",
    "and {n} more in changes.csv": "另有 {n} 条，见 changes.csv",
    "low stars (one or two)": "低星（一星或二星）",
    # complaints
    "Ranked by how many customers surely complain: the lower end of the share's 95 % interval, times those who wrote about it. One of one is not 100 %.":
    "按“至少有多少顾客确实在抱怨”排序：占比的 95 % 区间下限乘以谈到它的人数。一人中的一人不算 100 %。",
    "Nobody complains of anything twice.": "没有任何一件事被抱怨过两次。",
    "Whole shop": "全店",
    "By product": "按商品",
    "By category": "按类目",
    "{k} of {n} customers who wrote about it complain": "谈到它的 {n} 位顾客中有 {k} 位抱怨",
    "share {share}, 95 % interval {low} to {high}": "占比 {share}，95 % 区间 {low} 至 {high}",
    "and {n} more in complaints.csv": "另有 {n} 条，见 complaints.csv",
    # aspects
    "Customers, not sentences, are counted: one review of a product a customer.": "按顾客而非句子计数：每位顾客对每件商品计一条评论。",
    "No review speaks of anything that others speak of, too.": "没有被多条评论共同谈到的内容。",
    "against": "负面",
    "neither": "中性",
    "for": "正面",
    "Aspect": "方面",
    "Customers": "顾客数",
    "Against": "负面",
    "Neither": "中性",
    "For": "正面",
    "Share against": "负面占比",
    "Words": "用词",
    "share against": "负面占比",
    "customers": "顾客数",
    "share of reviews that complain": "抱怨的评论占比",
    "of every shop": "通用",
    "the shop's own": "本店自有",
    "Customers by aspect: against, neither, for": "各方面的顾客数：负面、中性、正面",
    "Share against, with 95 % intervals": "负面占比及 95 % 区间",
    # trends
    "Share of reviews that complain, by {period}; a dashed line where it changed. Larger dots are of more reviews.": "每{period}抱怨的评论占比；虚线处为变化。点越大，评论越多。",
    "week": "周",
    "month": "月",
    "quarter": "季度",
    "year": "年",
    "This shop's reviews have no times.": "本店评论没有时间。",
    "There are fewer than three weeks, months or years with reviews.": "有评论的周、月或年不足三个。",
    # descriptions
    "Questions whose answer is not in title, attributes or description, the most asked first. Beside them what an earlier answer or a review tells: check it before you write it.":
    "标题、属性和描述都没有回答的提问，问得最多的在前。旁边是以往回答或评论所说的内容：写入前请核实。",
    "Nobody has asked anything.": "没有任何提问。",
    "The catalogue tells all that was asked of it.": "目录已回答所有提问。",
    "Of {n} questions {told} are told by the page already, {rules} are about the shop itself, {other} for nothing that the table of kinds knows.":
    "共 {n} 条提问：{told} 条页面已有答案，{rules} 条与店铺本身有关，{other} 条不在已知类别中。",
    "Product": "商品",
    "Asked for": "所问",
    "Times": "次数",
    "Questions": "提问",
    "What answers and reviews tell": "回答和评论所说",
    "nothing tells it": "无处可查",
    "answer": "回答",
    "review": "评论",
    "By category: how many products do not tell what is asked": "按类目：多少商品没有写明所问内容",
    "Category": "类目",
    "Products asked about": "被问的商品",
    "do not tell it": "未写明",
    "and {n} more in questions.csv": "另有 {n} 条，见 questions.csv",
    # products
    "The products with the most reviews. Sentences are the customers' own; praise and blame stand in their true shares.": "评论最多的商品。句子均为顾客原话；褒贬按真实比例。",
    "{n} customers; {good} opinions for, {bad} against": "{n} 位顾客；正面意见 {good} 条，负面 {bad} 条",
    "No product has two customers who speak of the same thing.": "没有哪件商品有两位顾客谈到同一件事。",
    "all others are in summaries.csv": "其余见 summaries.csv",
    # method
    "Sentiment is read clause by clause by: {by} ({n} different sentences).": "逐分句判断情感，所用：{by}（{n} 个不同句子）。",
    "run": "本次运行的情感模型",
    "words": "用本店星级训练的词语模型",
    "opinions": "通用褒贬词（本店有星级的评论太少）",
    "the run's sentiment reader": "本次运行的情感模型",
    "a reader of words, fitted on the shop's own stars": "用本店星级训练的词语模型",
    "words of praise and blame that are the same in every shop, for too few reviews have stars": "通用褒贬词（本店有星级的评论太少）",
    "{empty} reviews that say nothing, {copies} copies of a longer text and {earlier} earlier reviews by the same customer of the same product are left out.":
    "未计入：{empty} 条无内容评论，{copies} 条较长文字的重复，{earlier} 条同一顾客对同一商品的早先评论。",
    "An aspect is one of {general} of every shop, or a term of this shop's own reviews; names of products and brands are none. Terms with one stem, or with near vectors, are one aspect.":
    "方面包括 {general} 个通用方面，以及从本店评论中挖掘的词语；商品名和品牌不算。词干相同或向量相近的词语合为一个方面。",
    "What a reader of sentiment reads wrong is counted wrong: the sentences are in sentences.csv, so that any figure can be checked.": "情感判断有误则计数有误：所有句子见 sentences.csv，任何数字均可核对。",
    "Reviews cited": "引用的评论",
    "Cited reviews": "引用的评论",
    "row": "行",
    "stars": "星",
}  # fmt: skip

KINDS: Mapping[str, str] = {
    "weight": "重量", "load": "承重", "content": "净含量", "volume": "容量", "memory": "内存", "size": "尺寸", "power": "功率",
    "voltage": "电压", "brightness": "亮度", "frequency": "频率", "range": "距离", "temperature": "温度", "speed": "速度",
    "guarantee": "保修", "opened": "开封后", "shelf": "保质期", "running": "续航", "charging": "充电", "boiling": "烧水", "age": "适用年龄",
    "year": "年份", "time": "时间", "material": "材质", "colour": "颜色", "origin": "产地", "brand": "品牌", "model": "型号", "price": "价格",
    "author": "作者", "people": "人数", "protection": "防晒指数", "standard": "标准", "clothes": "尺码", "device": "适用设备", "batteries": "电池",
    "dishwasher": "洗碗机", "machine": "机洗", "toxic": "安全无毒", "tests": "动物实验", "water": "防水", "assembly": "安装", "feature": "功能",
    "flight": "随身行李", "person": "设计者", "edition": "版本", "smell": "气味", "flavour": "口味", "sound": "声音", "texture": "质地",
    "cleaning": "清洁", "comfort": "舒适", "quality": "质量", "durability": "耐用", "value": "性价比", "liking": "喜爱", "safe": "安全",
    "effect": "效果", "connection": "连接", "heat": "受热", "delivery": "物流", "packing": "包装", "service": "服务",
}  # fmt: skip
"""The kinds of `tasks/answer/question/kinds`, as far as they have a Chinese name here."""


def said(text: str, language: Language) -> str:
    """A text of this page in a language; as it is where the table does not have it."""
    return text if language == "en" else CHINESE.get(text, text)


def kind_name(name: str, language: Language) -> str:
    """The name of a kind of question."""
    return name if language == "en" else KINDS.get(name, name)
