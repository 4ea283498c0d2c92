# ruff: noqa: E501 (patterns)
"""The words by which a customer points at a product: 'the second one', 'it', 'the cheaper one', 那个便宜的."""

from __future__ import annotations

import re

CODE = re.compile(r"(?<![A-Za-z0-9])(?:[A-Za-z]{1,5}-?|[A-Z]{2,5} )\d{2,6}[A-Za-z]{0,3}\d?(?![A-Za-z0-9])")
"""A model number; letters and digits apart only in capitals, since 'with 16' is none."""
ID = re.compile(r"(?<![\w-])[\w-]{3,40}(?![\w-])", re.ASCII)
PLACES_EN = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
COUNTS_EN = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
COUNTS_ZH = "一二三四五六七八九十"
PLACE = re.compile(
    rf"\b(?:the|from|that|and|your)? ?\b(?P<en>{'|'.join(PLACES_EN)}|\d{{1,2}}(?:st|nd|rd|th))\b(?! (?:time|year|month|week|day|night|tooth))"
    rf"|\b(?:number|no\.?|nr\.?|option|item)\s*(?P<no>\d{{1,2}}|{'|'.join(COUNTS_EN)})\b|#(?P<hash>\d{{1,2}})\b"
    rf"|第\s*(?P<zh>[{COUNTS_ZH}两]|\d{{1,2}})\s*[个款件条种双把只张]?",
    re.IGNORECASE,
)
BEYOND = re.compile(
    rf"(?:the|from|that|and|your)? ?(?:(?:{'|'.join(PLACES_EN)})(?: one\b|\s*[?.!]*$)|\d{{1,2}}(?:st|nd|rd|th) one\b)"
    rf"|(?:number|option)\s*(?:\d{{1,2}}|{'|'.join(COUNTS_EN)})\b|第\s*(?:[{COUNTS_ZH}两]|\d{{1,2}})\s*[个款件条双把只]",
    re.IGNORECASE,
)
"""A place that can be nothing else: 'the 24th of May' and 第三代 are none."""
FIRST_FEW = re.compile(r"\b(?:first|top) (two|three|four|[2-4])\b|前([两二三四2-4])[个款件]?", re.IGNORECASE)
FEW = {"two": 2, "three": 3, "four": 4, "两": 2, "二": 2, "三": 3, "四": 4}
LAST = re.compile(
    r"\bthe last (?:one|of)\b|\b(?:the )?last one\b|\bthe last\b(?= *[?.!]?$)|最后[一那]?[个款件条种]|倒数第一",
    re.IGNORECASE,
)
BEFORE = re.compile(r"one before(?: (?:that|it))?|\bprevious one\b|上一?[个款件]|前一[个款件]", re.IGNORECASE)
AFTER = re.compile(r"one after(?: (?:that|it))?|\bnext one\b|下一?[个款件]|后一[个款件]", re.IGNORECASE)
IT = re.compile(
    r"\b(?:it|its|it's|they|them|their|this|that|these|those)\b(?! (?:is|are) (?:ridiculous|all))|它|这个|这款|这件|那个|那款|该",
    re.IGNORECASE,
)
OTHER = re.compile(r"\bthe other(?: one)?\b|另(?:外)?一?[个款件]", re.IGNORECASE)
THE_ONE = re.compile(
    r"\bthe (?:cheap(?:er)?|more expensive|dearer|pricier|lighter|heavier|bigger|smaller|larger|longer|shorter|better|taller)\b"
    r"(?! (?:than|ones))|[便宜贵轻重大小长短好]的?那|那[个款]?(?:便宜|贵|轻|重|大|小|长|短|好)一?点?的|要便宜的|便宜的是",
    re.IGNORECASE,
)
DEFINITE = re.compile(
    r"\b(?:the|that|this|your|versus|vs|with|than|about)\b|[那这][个款件把双条]|的那", re.IGNORECASE
)
BARE_PLACE = re.compile(r"(?<![\w.,-])(\d{1,2})(?![\w.,%-])")
"""'Compare 1 and 2': numbers that stand alone."""
TWO = re.compile(r"\b(?:two|both|either)\b|[两俩]个?|二者|两者", re.IGNORECASE)
WHICH = re.compile(r"\bwhich\b|哪[个款一]|谁", re.IGNORECASE)
PLURAL = re.compile(r"\bones\b|\b(?:any|some|all|from)\b|有吗|有没有|有什么|的都", re.IGNORECASE)
