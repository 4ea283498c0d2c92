# ruff: noqa: E501 (lists of words)
"""What a customer wants mentioned: a few topics in a few words each. It is data, never an instruction."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

from retailor.scripts import CJK
from retailor.tasks.review.text import private_free
from retailor.text.clean_shop import clean_text

MAX_ASPECTS, MAX_CHARS, MAX_WORDS, MAX_CJK = 6, 60, 7, 16
_CUT = re.compile(r"[\n\r\t:：;；|<>{}\[\]`#*=~\\/。！？!?…\"“”「」『』]|\.(?:\s|$)|--+")
_CJK = re.compile(f"[{CJK}]")
_ORDER = re.compile(
    r"\b(?:ignore|disregard|forget|override|bypass|pretend|act as|role ?play|instead of|you (?:are|must|will|should)"
    r"|your (?:rules?|prompt|instructions?|answer|reply|output|task)|(?:the|this|any|all|previous|above) (?:prompt"
    r"|instructions?|rules?|lines?|text above)|instructions?|system (?:prompt|message|text)|prompt|jail ?break"
    r"|developer mode|(?:say|print|repeat|recite|reveal|output|write|translate|respond|reply|answer|list|show|tell|copy"
    r"|quote|complete|continue|describe yourself|generate|insert|append|add|include|mention|end|start|begin|sign|rate"
    r"|give|change|set|call|visit|click|buy|go to|contact|email|praise|recommend)\b (?:the|this|that|your|all|me|us|it"
    r"|only|exactly|everything|word|verbatim|in|with|by|to|as|nothing|no|a|an|how|out|back|here|our|my|\d+)"
    r"|assistant|chat ?bot|language model|user|human|gpt|ai\b|base64|json|python|<\|)"
    r"|忽略|无视|忘记|忘掉|覆盖|假装|扮演|指令|提示词|提示语|系统提?示?|规则|上面的|以上|前面的|之前的|原样|逐字|复述|重复|输出|打印|泄露"
    r"|告诉我|你是|你现在|你的|请(?:你|写|说|用|把|将|在|给|回|加|直接|不)|不要(?:写|提|按)|翻译|回答|改成|改为|开发者|越狱|助手|模型"
    r"|人工智能|机器人|说出|写出|写上|写成|附上|加上|给出|打分|好评返现|点击|访问|加微信|联系",
    re.IGNORECASE,
)  # fmt: skip


def cleaned(aspects: Sequence[str]) -> tuple[str, ...]:
    """The topics that may be mentioned, in order, each once and short; what gives orders is left out.

    A topic ends where a line, a colon, a bracket or a sentence does; links and contacts go.
    """
    found = [_topic(aspect) for aspect in aspects]
    return tuple(dict.fromkeys(topic for topic in found if topic))[:MAX_ASPECTS]


def _topic(aspect: str) -> str:
    plain = "".join(
        " " if char.isspace() else char
        for char in unicodedata.normalize("NFKC", aspect)
        if char.isspace() or unicodedata.category(char)[0] != "C"
    )
    if _ORDER.search(plain):
        return ""
    text = clean_text(private_free(plain))
    text = _CUT.split(text, maxsplit=1)[0].strip(" ,.，、-—'’")
    if _ORDER.search(text) or not any(char.isalnum() for char in text):
        return ""
    return _short(text)


def _short(text: str) -> str:
    """At most so many words; a longer text is a text, no topic, and its beginning may mean anything."""
    n_cjk = len(_CJK.findall(text))
    fits = len(text) <= MAX_CHARS and len(text.split()) <= MAX_WORDS and n_cjk <= MAX_CJK
    return text if fits else ""
