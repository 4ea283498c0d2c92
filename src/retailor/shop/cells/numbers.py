"""Numbers and money of one cell, as the world writes them: what they can mean, and what settles it.

A number has one or two readings: with the point for the decimal sign, and with the comma. '1,299.00' has one,
'1.299' has two, which only another cell of the column or the column map can settle.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal

from retailor.shop.cells.currencies import codes_of
from retailor.shop.cells.plain import plain

LONGEST = 60
"""Letters of a cell that can be a number; more is prose."""
_TOKEN = re.compile(
    r"\d+(?:\.\d+)?[eE][+-]?\d{1,3}(?![\d.,])"
    r"|(?:\d+|(?=[.,]\d))(?:[.,'\u066b\u066c]\d+| \d{3}(?!\d))*(?:[.,]-+)?"
)
_EXPONENT = re.compile(r"[eE]")
_TIMES = {"百": 100, "千": 1000, "万": 10_000, "萬": 10_000, "百万": 1_000_000, "亿": 10**8, "億": 10**8}
_CHINESE = re.compile("[元圆块円百千万萬亿億币幣]")
_LOW = frozenset([
    "from", "ab", "à", "a", "partir", "de", "od", "desde", "da", "fra", "från", "vanaf", "от", "起", "より",
    "only", "now", "nur", "jetzt",
])  # fmt: skip
_NOTES = frozenset([
    "incl", "inkl", "excl", "exkl", "zzgl", "mwst", "vat", "tax", "ttc", "ht", "iva", "inc", "ex",
    "each", "含税", "促销价", "特价", "价格", "约", "整", "正", "仅",
])  # fmt: skip
_FREE = frozenset([
    "free", "gratis", "kostenlos", "gratuit", "gratuito", "безкоштовно", "бесплатно", "免费", "免費",
    "無料", "무료",
])  # fmt: skip
NONE_WORDS = frozenset([
    "n/a", "na", "n.a.", "none", "null", "nil", "nan", "nat", "-", "--", "---", "?", "tbd", "tba",
    "k.a.", "unknown", "无", "無", "暂无", "待定", "未知", "\\n", "#n/a", "[]", "{}",
])  # fmt: skip
_TO = frozenset(["to", "bis", "à", "a", "至", "到"])
_BETWEEN = re.compile(r"#[^#]*(?:-|~|/|\bto\b|\bbis\b|\bà\b|\ba\b|至|到)[^#]*#")
_WORD = re.compile(r"[^\s#\-+~()/,:;*]+")
_APART = re.compile(r"\b(US|CA|C|AU|A|NZ|HK|NT|SG|S|MX|R|F) (?=\$|CFA)")


@dataclass(frozen=True)
class NumberForm:
    """What is known of a column's numbers beyond what each cell says itself."""

    decimal: str | None = None
    """'.' or ','; None: cells that can mean two numbers are not read."""
    thousands: str | None = None
    strict: bool = False
    """The column map said so: a cell that is written otherwise is not read."""
    currency: str | None = None
    """What the map says; it settles a sign of several currencies."""


@dataclass(frozen=True)
class Amount:
    """A sum of money, and the codes of the currencies that the cell may mean: none where it names none."""

    value: float
    codes: frozenset[str] = frozenset()


def is_none(text: str) -> bool:
    """True for text that says that there is no value: '', 'N/A', '-'."""
    return not text.strip() or plain(text).casefold() in NONE_WORDS


def readings(token: str, thousands: str | None = None) -> dict[str, str]:
    """Decimal sign ('.', ',') to the digits that the token means under it, where it fits."""
    if _EXPONENT.search(token):
        return {".": token, ",": token}
    token = re.sub(r"([.,])-+$", r"\g<1>00", token)  # '19,-'
    if "\u066b" in token or "\u066c" in token:  # Arabic signs mean one thing each
        found = _under(token.replace("\u066c", "'").replace("\u066b", "."), ".", None)
        return {} if found is None else {".": found}
    both = {sign: _under(token, sign, thousands) for sign in ".,"}
    return {sign: digits for sign, digits in both.items() if digits is not None}


def _under(token: str, decimal: str, thousands: str | None) -> str | None:
    """The digits under one decimal sign, in groups of three or, in India, two; None where it does not fit."""
    whole, *rest = token.split(decimal)
    if len(rest) > 1 or (rest and not rest[0].isdecimal()):
        return None
    signs = set(re.findall(r"\D", whole))
    if len(signs) > 1 or (thousands and signs - {thousands}):
        return None
    first, *groups = re.split(r"\D", whole)
    if groups and not _are_groups(first, groups, by_comma=signs == {","}):
        return None
    digits = "".join([first, *groups])
    if not digits and not rest:
        return None
    return f"{digits or 0}.{rest[0]}" if rest else digits


def _are_groups(first: str, groups: list[str], *, by_comma: bool) -> bool:
    """Whether digits are grouped as thousands, or, with commas, as lakhs and crores: '12,34,567'."""
    if not first or first.startswith("0"):
        return False
    sizes = [len(group) for group in groups]
    if len(first) <= 3 and set(sizes) == {3}:
        return True
    return by_comma and len(first) <= 2 and sizes[-1] == 3 and set(sizes[:-1]) <= {2}


def decimal_of(token: str) -> str | None:
    """The decimal sign that a token settles; None where it says nothing or can mean two numbers."""
    if _EXPONENT.search(token):
        return None
    found = readings(token)
    return next(iter(found)) if len(found) == 1 and not {"\u066b", "\u066c"} & set(token) else None


def number_of(token: str, form: NumberForm) -> Decimal | str:
    """The number of a token, or the reason why it cannot be told."""
    found = readings(token, form.thousands)
    if form.strict and form.decimal:
        found = {sign: digits for sign, digits in found.items() if sign == form.decimal}
        if not found:
            return f"is not written with decimal = '{form.decimal}'"
    if not found:
        return "is no number"
    values = {sign: Decimal(digits) for sign, digits in found.items()}
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    if form.decimal:
        return values[form.decimal]
    return "can mean two numbers, and no other cell of the column settles it: give decimal = '.' or ','"


def tokens_of(text: str) -> list[str]:
    """The numbers in a plain text, as written."""
    return [token for token in _TOKEN.findall(text) if token]


def read_amount(raw: str, form: NumberForm) -> Amount | str | None:
    """The price in a cell, None where the cell says that there is none, or the reason why it cannot be read.

    Of a range the low end; 'free' is 0.
    """
    if is_none(raw):
        return None
    text = plain(raw)
    if len(text) > LONGEST:
        return "is too long for a price"
    if text.casefold() in _FREE:
        return Amount(0.0)
    tokens = tokens_of(text)
    shape = _TOKEN.sub(lambda match: "#" if match[0] else "", text)
    if wrong := _no_price(text, tokens, shape):
        return wrong
    codes, times, unknown = _words(shape, form)
    if unknown:
        return f"holds the word '{unknown}'"
    if _CHINESE.search(shape) and not form.strict:
        form = NumberForm(decimal=".", currency=form.currency)
    low = _low_end(tokens, form)
    if isinstance(low, str):
        return low
    amount = float(low * times)
    if _is_negative(text, shape) or not math.isfinite(amount):
        return "is negative" if math.isfinite(amount) else "is too large"
    meant = frozenset.intersection(*codes) if codes else frozenset()
    return Amount(amount, meant) if meant or not codes else "names two currencies"


def _no_price(text: str, tokens: list[str], shape: str) -> str:
    """Why a text with these numbers in it, '#' each in its shape, is no price; '' where it may be one."""
    if not tokens:
        return "holds no number"
    if "%" in text:
        return "is a share, no price"
    between = shape[shape.index("#") : shape.rindex("#") + 1]
    if len(tokens) > 2 or (len(tokens) == 2 and not _BETWEEN.fullmatch(between)):
        return "holds several numbers"
    return ""


def _low_end(tokens: list[str], form: NumberForm) -> Decimal | str:
    """The number, of two the first, or the reason why it cannot be told."""
    values = []
    for token in tokens:
        value = number_of(token, form)
        if isinstance(value, str):
            return value
        values.append(value)
    return "is a range from more to less" if values[0] > values[-1] else values[0]


def _words(shape: str, form: NumberForm) -> tuple[list[frozenset[str]], int, str]:
    """Possible currencies of each sign, the factor ('万' is 10,000), and the first word that is neither."""
    codes: list[frozenset[str]] = []
    times = 1
    between = shape.count("#") > 1
    for word in _WORD.findall(_APART.sub(r"\1", shape)):
        mark = re.match("百万|[百千万萬亿億]", word)
        if mark:
            times, word = _TIMES[mark[0]], word[mark.end() :]
        rest = re.sub("起$", "", word).rstrip(".")
        if not rest or rest.casefold() in _LOW | _NOTES or (between and rest.casefold() in _TO):
            continue
        found = codes_of(rest, form.currency)
        if not found:
            return codes, times, rest
        codes.append(found)
    return codes, times, ""


def _is_negative(text: str, shape: str) -> bool:
    """'-5', '€ -5', '5-' and '(5)'; the dash of '19,-' and of a range is none."""
    before, after = shape.split("#", 1)[0], shape.rsplit("#", 1)[1]
    return "-" in before or after.strip().startswith("-") or (text.startswith("(") and text.endswith(")"))


def read_count(raw: str) -> float | str | None:
    """A whole number, so that '1.299' can only mean 1299; None where the cell says that there is none."""
    if is_none(raw):
        return None
    sign, text = _signed(raw)
    whole = {Decimal(digits) for digits in readings(text).values()} if tokens_of(text) == [text] else set()
    whole = {number for number in whole if number == number.to_integral_value() and number < 10**15}
    return sign * float(max(whole)) if whole else "is no whole number"


def read_number(raw: str, form: NumberForm) -> float | str | None:
    """A number and nothing beside it; None where the cell says that there is none."""
    if is_none(raw):
        return None
    sign, text = _signed(raw)
    if tokens_of(text) != [text]:
        return "is no number"
    value = number_of(text, form)
    if isinstance(value, str):
        return value
    return sign * float(value) if math.isfinite(float(value)) else "is too large"


def _signed(raw: str) -> tuple[int, str]:
    text = plain(raw)
    if len(text) > LONGEST:
        return 1, ""
    return -1 if text.startswith("-") else 1, text.lstrip("+-").strip()


_OF_FIVE = re.compile(
    r"(?P<stars>#) ?(?:(?:/|out of|of|von|sur|sobre|de|su|van|av|из|満点中|／) ?(?P<most>#))? ?"
    r"(?:stars?|sterne?n?|étoiles?|estrellas?|stelle|звезд[аы]?|[星分点점★⭐])?", re.IGNORECASE
)  # fmt: skip
_STARS = re.compile(r"(?P<full>[★⭐\ufe0f🌟]+)(?P<half>\.5|⯨|⯪)?(?P<empty>[☆✩]*)")


def read_rating(raw: str) -> float | str | None:
    """Stars of five: '4,5', '4.5 out of 5', '4/5', '★★★★☆'; None where the cell says that there are none."""
    if is_none(raw):
        return None
    text = plain(raw)
    drawn = _STARS.fullmatch(text.replace(" ", ""))
    if drawn:
        full = sum(letter in "★⭐🌟" for letter in drawn["full"])
        stars, n = full + 0.5 * bool(drawn["half"]), full + bool(drawn["half"]) + len(drawn["empty"])
        return stars if n == 5 or (not drawn["empty"] and n <= 5) else f"shows {n} stars, not five"
    tokens = tokens_of(text)
    shape = _TOKEN.sub(lambda match: "#" if match[0] else "", text)
    if len(text) > LONGEST or not tokens or not _OF_FIVE.fullmatch(shape):
        return "is no number"
    # nothing of five has thousands: '4.500' is four and a half
    values = [number_of(token.replace(",", "."), NumberForm(decimal=".")) for token in tokens]
    if any(isinstance(value, str) for value in values):
        return next(value for value in values if isinstance(value, str))
    stars, most = float(values[0]), float(values[1]) if len(values) > 1 else 5.0
    if most != 5:
        return f"is of {most:g}, not of 5"
    return stars if 1 <= stars <= 5 else f"{stars} is not within 1 to 5"
