"""Phone numbers in a text: as the world writes them, told from what else is written in digits in a shop."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise

Span = tuple[int, int]

_WORDS = (
    "me|us|him|her|them|my|our|your|their|his|the|this|that|a|store|shop|seller|office|home|work|number|numbers|num|no|nr|"
    "is|was|are|on|at|to|via|by|back|under|now|today|please|customer|service|support|or|and|it|directly|anytime|hotline|"
    "phone|mobile|cell|tel|telephone|line|desk|free|toll|for|help|info|call|text|message|with|from|here|am|whatsapp|sms|fax"
)
_CUE = (
    r"(?<![A-Za-z])(?:tel(?:ephone|efon\w{0,2}|éfono)?|t[ée]l[ée]phone|ph|phones?|mob(?:ile)?|móvil|handy(?:nummer)?|"
    r"cell(?: ?phone)?|fax|whats ?app|telegram|viber|call(?:s|ed|ing)?|ring|rang|dial(?:l?ed|l?ing)?|"
    r"text(?:ed|ing)?|sms|"
    r"contact|reach(?:ed)?|hotline|helpline|landline|number is|number was|numbers are)(?![A-Za-z0-9])"
    rf"(?: ?(?:(?:{_WORDS})(?![A-Za-z])|[.:#=(-])){{0,6}} ?"
)
_ASIAN_CUE = (
    r"(?:(?:电话|電話|电联|致电|来电|手机号?|手機|座机|固话|热线|熱線|客服|传真|拨打?|联系(?:人|方式)?|聯繫|号码|短信|"
    r"微信号?|加微|威信|扣扣|(?<![A-Za-z])(?:QQ群?|VX|wx)|打)"
    r"[ :：,，是为在到给我们他她你您的号码请可以加、(【吧来找卖家店主客服老板本]{0,8})"
)
_NUMBER = r"(?:\+ ?)?\(?\d(?:[ ().\-/]{0,2}\d){5,14}+(?!\d)"
_CUED = re.compile(
    rf"(?:{_CUE}|{_ASIAN_CUE})({_NUMBER})((?: ?(?:or|and|/|,|、|，|或|和|&) ?{_NUMBER})*)", re.IGNORECASE
)
_ONE = re.compile(_NUMBER)

_INTERNATIONAL = re.compile(
    r"(?<![A-Za-z0-9])(?:\+ ?(?:\([1-9]\d{0,3}\)|[1-9])(?:[ ().\-/]{0,3}\d){6,14}"
    r"|00 ?[1-9]\d{0,2}[ .\-/(]{1,2}\d(?:[ ().\-/]{0,3}\d){6,12})(?!\d|[.,]\d)"
)
_SURE = re.compile(
    r"(?<![A-Za-z0-9_.,$¥€£+#/-])(?<!\d )(?:"
    r"(?:1[-. ]?)?\([2-9]\d\d\)[-. ]{0,2}[2-9]\d\d[-. ]\d{4}"  # (555) 555-5555
    r"|(?:1[-. ])?[2-9]\d\d([-.])[2-9]\d\d\1\d{4}"  # 1-800-555-5555
    r"|(?:1 )?[2-9]\d\d [2-9]\d\d[ -]\d{4}"
    r"|1[38]00 \d{3} \d{3}"
    r"|(?:86[- ]?)?1[3-9]\d(?:\d{8}|([- ])\d{4}\2\d{4})"  # Chinese mobile
    r"|(?:86[- ])?\(?0\d{2,3}(?:[- ]|\) ?)\d{7,8}(?:-\d{1,5})?"  # Chinese landline
    r"|0(?:10|2\d)[2-8]\d{7}"
    r"|[48]00([- ])\d{3,4}\3\d{3,4}"
    r"|0[1-9]\d{0,4}(?: ?[-/] ?| )(?:\d{2,8}[- ]){0,4}(?:\d{3,8}|\d\d[- ]\d\d)"  # with the 0 of a trunk
    r"|0[1-9](?:\.\d\d){4}"
    r"|\(0?\d{1,5}\) ?-? ?\d{2,8}(?:[- ]\d{2,6}){0,3}"  # an area in brackets
    r"|0[1-9]\d{8,9}"
    r"|8 ?\(\d{3,5}\) ?\d{1,3}(?:[- ]\d{2,3}){1,2}|8 \d{3} \d{3}[- ]\d\d[- ]\d\d"
    r"|[2-9]\d{1,2} \d{3} \d{4}|[5-79]\d\d \d{2} \d{2} \d{2}|[6-9]\d{4} \d{5}|\d\d \d{3} \d\d \d\d"
    r"|[2-9]\d{2,3}[- ]\d{4}"  # without an area
    r"|[2-9]\d(?: \d\d){3}"
    r")(?![A-Za-z0-9_%]|[-.,/]\d| \d)"
)

_UNIT_AFTER = re.compile(
    r" ?(?:[x×*/] ?\d|[%°\"'″′²³]|(?:[munpk]?m|cm|inch(?:es)?|in|ft|feet|yards?|[kmgt]?hz|[kmg]?bit|[kmgt]b|"
    r"[km]?w|kwh|[km]?v|m?ah|k?g|mg|lbs?|oz|m?l|rpm|dpi|ppi|lm|lux|nits?|k|cd|fps|mbps|mp|pixels?|pages?|"
    r"pcs|pieces?|sheets|watts?|volts?|usd|eur|gbp|rmb|dollars?|euros?|years?|days?|hours?|times|people|"
    r"units?|points?|stars?|reviews?|items?)(?![A-Za-z])"
    r"|[元块圆円万亿千百个件只台套条张页次年月天日号人本毫厘米克斤升度寸像瓦伏分折])",
    re.IGNORECASE,
)
_FACT_BEFORE = re.compile(
    r"(?:[$¥€£₹₽]|(?<![A-Za-z])(?:usd|eur|gbp|rmb|cny|rs\.?) ?"
    r"|(?<![A-Za-z])(?:models?|parts?|items?|sku|art(?:icle)?|ref(?:erence)?|serial|isbn(?:-?1[03])?|asin|upc|ean|gtin|orders?|type|series|code|"
    r"mpn|version|product|invoice|lot|batch|p/?n|s/?n|from|between|years?|range|sizes?|about|approx\.?)"
    r"(?: ?(?:no|nr|numbers?|id|code|is))*[ .:#]*"
    r"|(?:型号|货号|编号|订单号?|款号|批号|条码|书号|尺寸|规格|价格?|约|从)[ :：是为]*)$",
    re.IGNORECASE,
)
_DATE = re.compile(
    r"\(?(?:(?:1[89]|20)\d\d ?[-./ ] ?(?:0?[1-9]|1[0-2]) ?[-./ ] ?(?:0?[1-9]|[12]\d|3[01])"
    r"|(?:0?[1-9]|[12]\d|3[01]) ?[-./ ] ?(?:0?[1-9]|[12]\d|3[01]) ?[-./ ] ?(?:1[89]|20)\d\d"
    r"|(?:1[89]|20)\d\d ?[-./ ] ?(?:1[89]|20)\d\d"
    r"|(?:1[89]|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01]))(?!\d)"
)

_MODEL_OF_YEAR = re.compile(r"\d{4}[- ](?:1[89]|20)\d\d")


def phones(text: str) -> Iterator[Span]:
    """Where phone numbers stand in a text whose digits, dashes and spaces are ASCII; in order.

    After `+` or `00`; after a word such as "call", "tel", "电话" six digits are enough; else in the shape of
    a national number: an area in brackets or after a 0, groups as phones have them, a Chinese mobile, or
    `555-0123`. Such a shape stays where a unit follows it or a word such as "model" or "order" stands before
    it, and where it is a date, years, a range of round numbers, or an ISBN.
    """
    found = sorted([*_international(text), *_cued(text), *_national(text)])
    end = 0
    for start, stop in found:
        if start >= end:
            yield start, stop
            end = stop


def _international(text: str) -> Iterator[Span]:
    if "+" in text or "00" in text:
        yield from (found.span() for found in _INTERNATIONAL.finditer(text))


def _cued(text: str) -> Iterator[Span]:
    for found in _CUED.finditer(text):
        for number in _ONE.finditer(text, found.start(1), found.end()):
            slash = "/" in number[0] and number[0][0] not in "0(+"
            if not (slash or _DATE.match(text, number.start()) or _is_measured(text, number)):
                yield number.span()


def _national(text: str) -> Iterator[Span]:
    for found in _SURE.finditer(text):
        digits = re.sub(r"\D", "", found[0])
        if not 7 <= len(digits) <= 12 or _DATE.match(text, found.start()) or _is_measured(text, found):
            continue
        if _FACT_BEFORE.search(text[max(0, found.start() - 24) : found.start()]):
            continue
        if _MODEL_OF_YEAR.fullmatch(found[0]):
            continue
        if len(digits) < 9 and (_is_range(found[0]) or found[0][0] in "0("):
            continue
        if digits == found[0] and len(digits) == 10 and _is_isbn(digits):
            continue
        yield found.span()


def _is_measured(text: str, number: re.Match[str]) -> bool:
    """Whether a unit follows a number of less than nine digits."""
    short = sum(map(str.isdigit, number[0])) < 9
    return short and _UNIT_AFTER.match(text, number.end()) is not None


def _is_range(text: str) -> bool:
    """Whether it is like "200-1500", "36 38 40 42" or "2402-2480": each number larger, two of them round or
    within a tenth of each other, as one in twenty phone numbers of twice four digits are too."""
    numbers = re.findall(r"\d+", text)
    if not all(int(low) < int(high) for low, high in pairwise(numbers)):
        return False
    first, last = numbers[0], numbers[-1]
    is_near = len(first) == len(last) and int(last) <= 1.1 * int(first)
    return is_near or len(numbers) > 2 or all(number[-1] in "05" for number in numbers)


def _is_isbn(digits: str) -> bool:
    """ISO 2108, of ten digits: their sum, weighted 10 down to 1, is a multiple of 11."""
    return sum(int(digit) * (10 - i) for i, digit in enumerate(digits)) % 11 == 0
