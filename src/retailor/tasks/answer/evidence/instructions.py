# ruff: noqa: E501 (a pattern a line)
"""Whether a text speaks to a machine instead of to a reader: then it is no evidence.

What customers, sellers and pages write is data. A text that gives orders to whoever answers is left out as a
whole, so that it is neither quoted nor put before a generator; how many were left out is told in the log.
A few honest texts are lost with them, which costs little: another one says the same, or nobody knows.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from retailor.retrieval.tokens import HAS_CHINESE

_MACHINE = r"(?:a\.?i\.?|a\.?i\.? (?:systems?|assistants?|models?|agents?)|artificial intelligence|chat ?bots?|bots?|(?:large )?language models?|llms?|chatgpt|gpt|automated agents?|virtual assistants?|assistant|machines? reading this)"
_SPEAK = r"(?:answer|reply|respond|say|state|claim|tell|write|output|print|repeat|include|append|translate|promise|recommend|mention|insist|speak|act|pretend)"
_ENGLISH = (
    # words of which one is there wherever the pattern is: reading millions of reviews takes no hour
    # orders to forget
    ("ignore|disregard|forget|override|bypass|overrule", r"\b(?:ignore|disregard|forget|override|bypass|overrule)\b.{0,48}\b(?:instructions?|prompts?|rules|(?:checked|shop'?s?) (?:facts?|data)|the above|everything (?:above|before)|(?:the|this|every|any) questions?|guidelines|context|you (?:were|have been) told)\b"),
    ("ignore|disregard|forget", r"\b(?:ignore|disregard|forget) (?:all |any |the )?(?:of )?(?:the )?(?:above|previous|prior)\b(?! (?:review|customer|comment|version|model|owner|post|answer|one))"),
    ("override", r"\boverride\s*:"),
    # marks of a prompt
    ("inst|<|##|role", r"\[/?\s*inst\s*\]|<\|?\s*/?(?:im_start|im_end|system|endoftext|assistant|user)\b[^>]{0,12}>|<<\s*/?sys\s*>>|#{2,}\s*(?:new )?(?:instructions?|system|response|prompt)\b|[\"']role[\"']\s*:\s*[\"'](?:system|assistant|user|developer)"),
    (":|：|>", r"(?:^|\n)\W{0,4}(?:system|assistant|developer|user|human|ai|bot)(?: (?:prompt|message|update|mode|note|override))?\s*[:：>]"),
    ("system|mode|jailbreak|dan", r"\bsystem (?:prompt|message|override)\b|\bdeveloper mode\b|\bmaintenance mode\b|\bjailbreak|\bdan mode\b|\bas dan\b"),
    ("end of|question", r"\bend of (?:the )?(?:evidence|context|prompt|document|instructions?)\b|\bquestion\s*:.{0,200}\banswer\s*:"),
    # to a machine
    ("ai|a.i|bot|model|llm|gpt|agent|assistant|machine|artificial", rf"\b(?:dear|hey|hello|attention|note (?:to|for)|notes? for|instructions? (?:to|for)|message (?:to|for)|for|to) (?:the |any |all |every |an? |this )?{_MACHINE}\b(?=[^.!?]{{0,60}}[:,;]|\s+(?:reading|that|which|who))"),
    ("ai|a.i|bot|model|llm|gpt|agent|assistant|machine|artificial", rf"\b(?:if you are|you are(?: now)?|as|act as|pretend to be|behave as) (?:an? |the )?{_MACHINE}\b(?=[^.!?]{{0,40}}(?:,|\byou\b|\breading\b|\b{_SPEAK}\b))"),
    ("ai|a.i|bot|model|llm|gpt|agent|assistant|machine|artificial", rf"(?:^|[.!?\n\"'<-])\s*{_MACHINE}\s*[:,]\s*(?:please |always |you |now )?\b{_SPEAK}\b"),
    # orders to say
    ("you must|you should|you will|you have to|you are to|from now on|always|instead|please|only|simply|must|just", rf"(?:\b(?:you must|you should|you will|you have to|you are to|from now on,?(?: you)?)|(?:^|[.!?:;\n]\s*|\band |\bassistant )(?:always|instead,?|please|must|only|just|simply))\s+(?:now |only |always |also )?{_SPEAK}\b.{{0,24}}(?:\bthat\b|\bwith\b|\bto (?:every|any|all|the|each)\b|\bin\b|[\"'“‘:]|\bthe (?:customer|user|shopper|buyer)|\b(?:yes|no)\b)"),
    ("answer|reply|respond", r"\byou (?:may |can |must |should )?(?:answer|reply|respond) only\b|(?<!will )(?<!can )(?<!to )\b(?:reply|respond|answer)\b.{0,24}\bto (?:every|any|all|each)\b"),
    ("tell |inform|assure|convince", r"(?:^|[.!?:;,\n]\s*|\bplease )(?:tell|inform|assure|convince) (?:the |every |all |any |each )?(?:customers?|users?|shoppers?|buyers?|people|them|him|her|everyone)\b"),
    ("ask", r"\bwhen(?:ever)? (?:an? |the |any |some)?(?:customers?|buyers?|users?|shoppers?|body|one)\b.{0,20}\basks?\b|\bwhenever (?:you are )?asked\b|\bwhen asked\b"),
    ("answer|reply|response", r"\bthe (?:correct|right|only|standard|true|official) (?:answer|reply|response)\b.{0,30}(?:\bis\b|:)"),
    ("respond|reply|answer", r"\b(?:respond|reply|answer) (?:with|in)\b.{0,6}(?:[\"'“‘]|the words?|pirate|the (?:phrase|text))|\brespond with\b"),
    ("do not|quote this", r"\bdo not (?:quote|cite|mention|use|repeat|reveal)\b.{0,12}\b(?:this|that|these)\b|\bquote this\b"),
    ("answer|repl|respon|output", r"\b(?:add|put|include|insert|append|end|begin|start)\b.{0,24}\b(?:your|each|every|the|an?) (?:answers?|repl(?:y|ies)|responses?|outputs?)\b"),
    ("generat", r"\bgenerat(?:e|ing) (?:an? |the |your )?(?:answers?|repl(?:y|ies)|responses?)\b"),
    ("new ", r"\bnew (?:task|rules?|instructions?|role|persona)\s*:|\byour new (?:task|rule|role|instruction)"),
    ("prompt|history|data|instruction", r"\b(?:print|reveal|output|show|leak|repeat)\b.{0,24}\b(?:prompt|chat history|customers?'?s? (?:history|data)|instructions)\b"),
    ("say|state|claim|answer|reply", r"(?:^|[.!?:;\n]\s*)(?:now )?(?:say|state|claim|answer|reply) (?:that|only|yes|no|[\"'“‘])"),
    ("instruction", r"\binstructions? for\b.{0,30}\b(?:agents?|bots?|models?|assistants?|ai)\b"),
    ("from now on|you promised", r"\bfrom now on\b.{0,40}\b(?:price|answer|reply|you|every)\b|\byou promised me\b.{0,60}\bconfirm\b"),
)  # fmt: skip
_ZH_MACHINE = (
    r"(?:AI|人工智能|机器人|聊天机器人|语言模型|大模型|智能助手|智能客服|助手|助理|自动程序|爬虫|GPT)"
)
_CHINESE = (
    r"(?:忽略|无视|忘[掉记]|别管|不要管|不要理会|绕过|覆盖).{0,16}(?:指令|提示|规则|店铺资料|以上|上面的?一切|之前的|前面的|(?:管|理会|视|略)问题|一切|设定)|指令覆盖",
    r"系统(?:提示词?|更新|消息|指令|设定)\s*[:：]|系统(?:提示词|指令)|提示词|开发者模式|维护模式|越狱|(?:你|请|现在|规则[，,]?)(?:来)?扮演|扮演(?:DAN|一个)",
    r"(?:^|\n)\W{0,3}(?:系统|助手|助理|用户|店家|客服|机器人)\s*[:：]",
    rf"(?:作为|你是|你现在是|如果你是|身为)(?:一个|一名|个)?.{{0,4}}{_ZH_MACHINE}",
    rf"(?:亲爱的|致|给|写给|请){_ZH_MACHINE}|{_ZH_MACHINE}(?:系统|助手)?(?:[,，:：]|请|须知|的话|的?隐藏|必须|应该|应当)",
    r"(?:请(?:AI|你|只|用|以)?|必须|只许|只能|应该|应当|一律|都要|你要)(?:你)?(?:在回答[里中])?[^不没，。！？]{0,4}(?:回答|回复|答复|输出|声称|谎称)(?!我|一下|了|啊|[，。！？!?]|$)|所有问题都(?:回答|回复)",
    r"(?:请|就|要|必须|应该)(?:你)?(?:告诉|告知|通知)(?:顾客|买家|用户|客户|他|她|所有|大家|每)|告诉所有|(?:^|[，。；：,.;:\n])(?:请)?告诉(?:顾客|买家|用户|客户)|向(?:顾客|买家|用户|客户)(?:承诺|保证|推荐)",
    r"(?:正确|标准|唯一|官方)(?:的)?(?:答案|回答|回复)(?:是|为|[:：])",
    r"新(?:规则|任务|指令|角色)[:：]|你的新(?:规则|任务)|从现在起|从现在开始",
    r"不要(?:引用|提及|使用|透露)(?:这条|本条|此)|资料结束|(?:问题|提问)[:：].{0,80}(?:回答|答案)[:：]",
    r"(?:问到|有人问|顾客问|客户问|用户问|买家问|凡是问).{0,16}(?:就|都|请|要|一律)|有人问价",
    r"直接(?:说|回答)[:：“\"]|回答[:：]?[“\"]|生成回答|每次回答|在回答里|请用.{1,6}口吻|改成推荐|请(?:说|声称|输出|附上)",
    r"(?:输出|透露|打印|显示).{0,12}(?:提示词|系统|聊天记录|指令)|你答应过",
)  # fmt: skip
_MARKS = tuple((tuple(words.split("|")), re.compile(pattern, re.IGNORECASE)) for words, pattern in _ENGLISH)
_CHINESE_MARKS = re.compile("|".join(f"(?:{pattern})" for pattern in _CHINESE), re.IGNORECASE)
_HIDDEN = re.compile(r"[​-‏‪-‮⁠-⁤﻿­]")
_SPACED = re.compile(r"\b(?:\w[ ._*-]){5,}\w\b")


@lru_cache(maxsize=65536)
def is_instruction(text: str) -> bool:
    """Whether a text gives orders to whoever answers from it, in English or Chinese, in plain sight or hidden."""
    plain = _HIDDEN.sub("", unicodedata.normalize("NFKC", text))
    plain = _SPACED.sub(lambda match: re.sub(r"[ ._*-]", "", match.group()), plain)
    small = plain.lower()
    if any(any(word in small for word in words) and pattern.search(plain) for words, pattern in _MARKS):
        return True
    return HAS_CHINESE.search(plain) is not None and _CHINESE_MARKS.search(plain) is not None
