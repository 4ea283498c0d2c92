"""From evidence to an answer in words."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retailor.retrieval.tokens import HAS_CHINESE, content_words
from retailor.tasks.answer.evidence.features import CHOICE, is_yes_no, says_yes_no
from retailor.tasks.answer.evidence.passages import sentences
from retailor.tasks.answer.shapes import Compared, Counts, Evidence, Value, Verdict

_TRUE = frozenset(("true", "yes", "是", "有", "支持", "可以", "能"))
_FALSE = frozenset(("false", "no", "none", "否", "无", "没有", "不支持", "不可以", "不能"))
NEGATION = re.compile(
    r"\b(?:no|not|never|none|cannot|can't|without|nor|false|un\w+able)\b|n't\b|[不没无非勿否]", re.IGNORECASE
)
_CONDITION = re.compile(
    r"\b(?:if|unless|except|only|but|however|though|depends|maybe)\b|[但除]|如果|可能", re.IGNORECASE
)
YES = re.compile(
    r"^\W*(?:yes|yep|yeah|sure|correct|absolutely|definitely|是|可以|能|会|有)(?:\b|[，,。！的])",
    re.IGNORECASE,
)
MAX_QUOTE_CHARS = 140
"""A longer passage is quoted by its best sentence; the length is chosen on HetPQA's training answers."""
MAX_RULE_CHARS = 240
MAX_QUOTES = 3


def is_chinese(text: str) -> bool:
    """Whether the text has Chinese characters: then the answer to it is in Chinese."""
    return HAS_CHINESE.search(text) is not None


def unknown_text(question: str, *, item: bool) -> str:
    """That we do not know, in the question's language; `item`: asked on the page of one item."""
    if is_chinese(question):
        return (
            "抱歉，我不知道：该商品的资料里没有答案。" if item else "抱歉，我不知道：本店的资料里没有答案。"
        )
    where = "this product's page" if item else "the shop's catalogue"
    return f"I don't know: nothing in {where} answers that."


def overruled(question: str, text: str) -> str:
    """That a text of the shop says otherwise, and what counts."""
    text = " ".join(text.split())[:MAX_RULE_CHARS]
    if is_chinese(question):
        return f"（另有文字写着“{text}”，以本店核实过的规则为准。）"
    return f"(Another text says “{text}”; the shop's checked rule counts.)"


def unknown_rest(question: str) -> str:
    """That a part of the question has no answer."""
    return "其余的我不知道。" if is_chinese(question) else "The rest I don't know."


def sentences_joined(texts: Sequence[str]) -> str:
    """Sentences in a row, with a space where their language has one."""
    joined = ""
    for text in texts:
        joined += text if not joined or joined[-1] in "。！？”" else f" {text}"
    return joined


def with_value(
    question: str, evidence: Evidence, value: Value, verdict: Verdict | None, *, title: str | None
) -> str:
    """The value with its unit, in that of the question too, and what it makes of a limit."""
    chinese = is_chinese(question)
    body = _body(question, evidence, chinese)
    if value.converted:
        told = f"（约{value.converted}）。" if chinese else f" ({value.converted})."
        body = body.rstrip("。.") + told
    return _named(title, chinese) + _lead_of(question, verdict, chinese) + body


def counted(
    question: str, counts: Counts, yes: Sequence[str], no: Sequence[str], *, title: str | None
) -> str:
    """How many of the customers who write about it say yes, and no; each side quoted, the larger first."""
    chinese, asked = is_chinese(question), is_yes_no(question)
    sides = sorted(((counts.yes, True, yes), (counts.no, False, no)), key=lambda side: -side[0])
    told = [(n, is_yes, quotes[0] if quotes else "") for n, is_yes, quotes in sides if n]
    if chinese:
        ways = {True: "认为是", False: "认为不是"} if asked else {True: "评价好", False: "评价不好"}
        parts = [f"{n}位{ways[is_yes]}" + (f"：“{quote}”" if quote else "") for n, is_yes, quote in told]
        return f"{_named(title, True)}有{counts.n}位顾客写到这一点，" + "，".join(parts) + "。"
    customers = f"{counts.n} customers who write about it"
    if asked:
        parts = [
            f"{n} {'says' if n == 1 and i else 'say'} {'yes' if is_yes else 'no'}"
            for i, (n, is_yes, _) in enumerate(told)
        ]
        parts[0] = parts[0].replace(" say", f" of {customers} say", 1)
    else:
        parts = [f"{n} with {'praise' if is_yes else 'blame'}" for n, is_yes, _ in told]
    shown = "; ".join(
        f"{part}: “{quote}”" if asked else f"{part}, “{quote}”"
        for part, (_, _, quote) in zip(parts, told, strict=True)
    )
    lead = "" if asked else f"{counts.n} customers write about it: "
    return f"{_named(title, False)}{lead}{shown}."


def _named(title: str | None, chinese: bool) -> str:
    return "" if title is None else (f"{title}：" if chinese else f"{title}: ")


def _lead(verdict: Verdict | None, chinese: bool) -> str:
    if verdict is None:
        return ""
    zh = {"yes": "是的。", "no": "不是。", "depends": "看情况。"}
    en = {"yes": "Yes. ", "no": "No. ", "depends": "It depends. "}
    return zh[verdict] if chinese else en[verdict]


_ZH_VERBS = (
    ("能", "能。", "不能。"),
    ("可以", "可以。", "不可以。"),
    ("会", "会。", "不会。"),
    ("够", "够。", "不够。"),
)


def _lead_of(question: str, verdict: Verdict | None, chinese: bool) -> str:
    """The yes or no in the verb of a Chinese question."""
    if chinese and verdict in ("yes", "no"):
        for verb, yes, no in _ZH_VERBS:
            if verb in question:
                return yes if verdict == "yes" else no
    return _lead(verdict, chinese)


def opinions(question: str, quoted: Sequence[Evidence], writers: int, *, title: str | None = None) -> str:
    """What customers write, in their words; with how many of them where there are several."""
    if len(quoted) == 1 and writers <= 1:
        return compose(question, quoted[0], title=title)
    chinese = is_chinese(question)
    name = _named(title, chinese)
    texts = [each.text[: 2 * MAX_RULE_CHARS] for each in quoted]
    if chinese:
        return f"{name}有{writers}位顾客写到：" + "".join(f"“{text}”" for text in texts)
    return f"{name}{writers} customers write about it: " + " ".join(f"“{text}”" for text in texts)


def comparison(question: str, rows: Sequence[Compared], verdict: Verdict | None, title: str) -> str:
    """The same facts of two items, side by side."""
    chinese = is_chinese(question)
    ends = "。" if chinese else "."
    sides = []
    for own in (True, False):
        values = [(row.name, row.own if own else row.other) for row in rows]
        told = [f"{name}{'：' if chinese else ': '}{value.rstrip('.。')}" for name, value in values if value]
        sides.append(("；" if chinese else "; ").join(told) + ends)
    lead = _lead(verdict, chinese)
    if chinese:
        return f"{lead}本商品，{sides[0]}{title}，{sides[1]}"
    return f"{lead}This one: {sides[0]} {title}: {sides[1]}"


def superlative(
    question: str,
    said: str,
    title: str,
    evidence: Evidence,
    stars: str | None,
    n: int,
    category: str,
    ties: int,
    *,
    currency: str = "",
) -> str:
    """Which product is first of how many, and the value that says so; how many share the place."""
    chinese = is_chinese(question)
    if chinese:
        tells = f"以{currency}标价" if currency else "写明这一点"
        told = f"{stars}星。" if stars else _attribute(evidence.text, True)
        among = f"“{category}”中{tells}的{n}件商品" if category else f"标题里有这些词、{tells}的{n}件商品"
        more = f"另有{ties - 1}件相同。" if ties > 1 else ""
        return f"{among}里，{said}的是{title}：{told}{more}"
    tells = f"priced in {currency}" if currency else "that tell it"
    told = f"{stars} stars." if stars else _attribute(evidence.text, False)
    among = (
        f"the {n} products in “{category}”" if category else f"the {n} products with these words in the title"
    )
    more = f" {ties - 1} more {'has' if ties == 2 else 'have'} the same." if ties > 1 else ""
    return f"Of {among} {tells}, the {said.lower()} is {title}: {told}{more}"


def of_range(question: str, category: str, n: int, titles: Sequence[str]) -> str:
    """That there are `n` products of a category, and some of them by name."""
    if is_chinese(question):
        return f"有。“{category}”里有{n}件商品，例如{'、'.join(titles)}。"
    return f"Yes. There are {n} in “{category}”, such as {'; '.join(titles)}."


def compose(question: str, best: Evidence, *, title: str | None = None) -> str:
    """The answer that the best evidence gives, in its own words; `title` is put first where it is given."""
    chinese = is_chinese(question)
    return (
        _named(title, chinese) + _lead(verdict_of(question, best), chinese) + _body(question, best, chinese)
    )


def _body(question: str, best: Evidence, chinese: bool) -> str:
    return _attribute(best.text, chinese) if best.source == "attribute" else _quote(question, best, chinese)


def _attribute(text: str, chinese: bool) -> str:
    name, _, value = text.partition(":")
    name, value = name.strip(), value.strip().rstrip(".。")
    return f"{name}：{value}。" if chinese else f"{name[:1].upper()}{name[1:]}: {value}."


def _quote(question: str, best: Evidence, chinese: bool) -> str:
    text = _in_a_row(best.text)
    if len(text) > (MAX_RULE_CHARS if best.source == "rule" else MAX_QUOTE_CHARS):
        asked = set(content_words(question))
        text = max(sentences(text) or [text], key=lambda part: len(asked & set(content_words(part))))
        text = text if len(text) <= 2 * MAX_RULE_CHARS else text[: 2 * MAX_RULE_CHARS].rstrip() + "…"
    if text[-1:].isalnum():
        text += "。" if chinese else "."
    if best.source == "review":
        return f"有顾客写道：“{text}”" if chinese else f"A customer writes: “{text}”"
    return text


def _in_a_row(text: str) -> str:
    """The lines of a rule as one, set apart where they are no sentences."""
    lines = text.split("\n")
    ended = [line if line[-1:] in ".!?。！？；;:：" else f"{line};" for line in lines[:-1]]
    return sentences_joined([*ended, lines[-1]])


def verdict_of(question: str, best: Evidence) -> Verdict | None:
    """The yes or no that `compose` puts first."""
    found = _verdict(question, best)
    return None if found is None else "yes" if found else "no"


def says_yes(text: str) -> bool | None:
    """Whether a text begins with a yes (True) or a no; None where with neither."""
    return YES.search(text) is not None if says_yes_no(text) else None


def _verdict(question: str, best: Evidence) -> bool | None:
    """Yes or no, only where the evidence says it outright; None where the reader must judge."""
    if not is_yes_no(question) or NEGATION.search(_without_choice(question)):
        return None
    asked = set(content_words(question))
    if best.source == "attribute":
        return _verdict_of_attribute(question, asked, best.text)
    told = set(content_words(best.text))
    plain = best.source in ("description", "title") and not _CONDITION.search(best.text)
    if plain and asked and asked <= told and not NEGATION.search(best.text):
        return True
    return None


def _without_choice(question: str) -> str:
    """The question without words that have a denial in them and deny nothing."""
    return re.sub(rf"{CHOICE}|是否|能否|不锈钢|无线", "", question)


def _verdict_of_attribute(question: str, asked: set[str], text: str) -> bool | None:
    name, _, value = text.partition(":")
    named, said = set(content_words(name)), value.strip().lower()
    if said in _TRUE | _FALSE:
        return said in _TRUE if named and named <= asked else None
    valued = content_words(value)
    if any(char.isdigit() for char in value):
        # A number says yes only beside its own words: '2 people' is not said by 'people' and '2 kg'.
        return True if " ".join(valued) in " ".join(content_words(question)) else None
    return True if valued and {*valued} <= asked and not NEGATION.search(value) else None
