"""The time in one cell, as the world writes it, in milliseconds since 1970."""

from __future__ import annotations

import re
import zoneinfo
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from functools import cache

from babel import Locale

from retailor.shop.cells.plain import plain

UNITS_PER_MS = {"s": 0.001, "ms": 1.0, "us": 1e3, "ns": 1e6}
FIRST_MS, LAST_MS = 0, 4_102_444_800_000  # 1970, 2100
LIKELY_MS = 631_152_000_000  # 1990: no shop's clock stood earlier
LONGEST = 80

_LOCALES = [
    "en", "de", "fr", "es", "it", "pt", "nl", "pl", "ru", "uk", "cs", "sv", "da", "nb", "fi", "tr",
    "hu", "ro", "id", "el", "ar", "hi", "ko", "ja", "zh",
]  # fmt: skip
_CLOCK = re.compile(r"(?<![\d:])(\d{1,2}):(\d{1,2})(?::(\d{1,2})(?:[.,](\d{1,9}))?)?(?![\d:])")
_DOTTED_CLOCK = re.compile(r"(?<=[ ,])(\d{1,2})\.(\d{2})(?:\.(\d{2}))?()(?= |$)")
_NAMED_ZONE = r"(?:Z|UTC|GMT|UT)"
_ZONE = re.compile(rf"({_NAMED_ZONE})?\s*([+-]\d{{1,2}}(?::?\d{{2}})?)?(?:\s*[(\[].*[)\]])?", re.IGNORECASE)
_HALF = re.compile(
    r"(?:(?P<am>a\.?\s?m\b\.?|上午|午前|오전|凌晨|早上|清晨|ص)|(?P<pm>p\.?\s?m\b\.?|下午|中午|午後|오후|晚上|م))",
    re.IGNORECASE,
)
_COMPACT = re.compile(r"(\d{4})(\d{2})(\d{2})(?:[T ]?(\d{2})(\d{2})(\d{2})?)?(Z|[+-]\d{2}:?\d{2})?")
_YEAR_FIRST = re.compile(r"(\d{4})([-/.]) ?(\d{1,2})\2 ?(\d{1,2})\.?")
_YEAR_LAST = re.compile(r"(\d{1,2})([-/.]) ?(\d{1,2})\2 ?(\d{4}|\d{2})\.?")
_ORDINAL = re.compile(r"(?<=\d)(?:st|nd|rd|th|er|º|ª)\b", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+")
_SIGNS = (
    (re.compile(r"(?<=\d) ?[年년] ?(?=\d)|(?<=\d) ?[月월] ?(?=\d)"), "-"),
    (re.compile(r"(?<=\d) ?[日号일]"), " "),
    (re.compile(r"(?<=\d) ?[时時点點시] ?(?=\d)"), ":"),
    (re.compile(r"(?<=\d) ?[分분] ?(?=\d)"), ":"),
    (re.compile(r"(?<=\d) ?[分秒분초]"), " "),
    (re.compile(r"\(?(?:星期|周|週|礼拜)[一二三四五六日天]\)?|\([月火水木金土日월화수목금토일]\)"), " "),
)  # fmt: skip
_JOINING = frozenset([
    "at", "um", "à", "a", "t", "kl", "klo", "o", "alle", "ore", "de", "del", "den", "des", "of",
    "the", "om", "г", "р", "року", "saat", "las",
])  # fmt: skip
NOT_A_TIME = "is not ISO 8601; give time_unit or time_format"
UNSETTLED = (
    "can be day or month first, and no other cell of the column settles it: give day_first = true or false"
)


@dataclass(frozen=True)
class TimeForm:
    """What is known of a column's times beyond what each cell says itself."""

    day_first: bool | None = None
    """Of '03/04/2018'; None: only cells that can mean one day are read."""
    strict: bool = False
    """The column map said so: other cells are not read, and years may have two digits."""
    zone: str = "UTC"


def read_time(raw: str, form: TimeForm) -> int | str:
    """Milliseconds since 1970 in UTC, or the reason why the cell cannot be read."""
    text = plain(raw)
    if len(text) > LONGEST:
        return "is too long for a time"
    compact = _COMPACT.fullmatch(text)
    try:
        made = _of_parts(compact.groups(), form) if compact else _of_text(text, form)
    except (ValueError, OverflowError):
        return "is no day or hour of the calendar"
    if isinstance(made, str):
        return made
    return made if FIRST_MS <= made < LAST_MS else f"is in the year {year_of(made)}"


def year_of(ms: float) -> int:
    """The year, also of numbers that no calendar holds."""
    return int(1970 + ms // 31_556_952_000)


def _of_parts(parts: tuple[str | None, ...], form: TimeForm) -> int | str:
    year, month, day, hour, minute, second = (int(part or 0) for part in parts[:6])
    return _placed(datetime(year, month, day, hour, minute, second), _offset(parts[6]), form)


def _of_text(text: str, form: TimeForm) -> int | str:
    for sign, ours in _SIGNS:
        text = sign.sub(ours, text)
    clock = _CLOCK.search(text) or _DOTTED_CLOCK.search(text)
    before, after = (text[: clock.start()], text[clock.end() :]) if clock else (text, "")
    half = _HALF.search(after) or (_HALF.search(before) if clock else None)
    if half:
        before, after = before.replace(half[0], " "), after.replace(half[0], " ")
    after, zone = _zone(after)
    if clock and after.strip(" ,."):  # 'Thu Jan 4 09:01:00 2018'
        before, after = f"{before} {after}", ""
    day = _day(before.strip(" ,.;"), form)
    if isinstance(day, str):
        return day
    hour, minute, second, part = clock.groups() if clock else ("0", "0", "0", "0")
    at = datetime(*day, _hour(int(hour), half), int(minute), int(second or 0))
    at += timedelta(milliseconds=int((part or "0")[:3].ljust(3, "0")))
    return _placed(at, zone, form)


def _hour(hour: int, half: re.Match[str] | None) -> int:
    """The hour of the day; raises ValueError on 13 p.m. of a clock of twelve hours."""
    if half is None:
        return hour
    if (not 1 <= hour <= 12 and not half["pm"]) or (half[0] == "晚上" and hour == 12):  # noon or midnight?
        raise ValueError
    return hour % 12 + 12 * bool(half["pm"]) if hour <= 12 else hour


def _zone(after: str) -> tuple[str, timedelta | None]:
    """What stands after the clock without the zone, and the zone's offset; None without one."""
    rest = after.strip(" ,")
    found = _ZONE.match(rest)
    if not rest or found is None or not (found[1] or found[2]):
        return after, None
    left = rest[found.end() :].strip()
    if left and not re.fullmatch(r"\d{4}", left):
        return after, None
    return left, _offset(found[2] or "Z")


def _offset(text: str | None) -> timedelta | None:
    if text is None:
        return None
    if text.upper() == "Z":
        return timedelta(0)
    digits = text[1:].replace(":", "")
    hours, minutes = int(digits[:2]), int(digits[2:] or 0)
    if hours > 14 or minutes > 59:
        raise ValueError
    return timedelta(hours=hours, minutes=minutes) * (-1 if text[0] == "-" else 1)


def _placed(at: datetime, offset: timedelta | None, form: TimeForm) -> int | str:
    if offset is not None:
        placed = at.replace(tzinfo=timezone(offset))
    else:
        placed = at.replace(tzinfo=zoneinfo.ZoneInfo(form.zone))
        if placed.astimezone(UTC).astimezone(placed.tzinfo).replace(tzinfo=None) != at:
            return f"does not exist in {form.zone}: the clocks were put forward"
    since = placed.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    return since // timedelta(milliseconds=1)


def _day(text: str, form: TimeForm) -> tuple[int, int, int] | str:
    first = _YEAR_FIRST.fullmatch(re.sub(r"(?i)[ ,]*\bT$", "", text))
    if first:
        return int(first[1]), int(first[3]), int(first[4])
    text = _ORDINAL.sub("", text)
    words = _LETTERS.findall(text)
    named: frozenset[int] | None = None
    for word in words:
        word = word.casefold()
        if word in _months():
            named = _months()[word] if named is None else named & _months()[word]
        elif word not in _weekdays() and word not in _JOINING:
            return f"holds the word '{word}', which is no month, weekday or known zone"
    last = _YEAR_LAST.fullmatch(_without(text, words) if words else text)
    if last and named is None:
        return _ordered(int(last[1]), int(last[3]), last[4], form)
    first = _YEAR_FIRST.fullmatch(_without(text, words)) if words and named is None else None
    if first:
        return int(first[1]), int(first[3]), int(first[4])
    numbers = re.findall(r"\d+", text)
    years = [number for number in numbers if len(number) == 4]
    days = [number for number in numbers if len(number) <= 2]
    if named is None or len(named) != 1 or len(years) != 1 or len(days) != 1 or len(numbers) != 2:
        return NOT_A_TIME
    return int(years[0]), next(iter(named)), int(days[0])


def _without(text: str, words: list[str]) -> str:
    """The text without its words and the signs around them."""
    for word in words:
        text = text.replace(word, " ")
    return re.sub(r"\s+", " ", text).strip(" ,.;")


def orders_of(first: int, second: int, year: str) -> set[bool]:
    """The orders that a date of this kind can be in: True for day first, False for month first."""
    return {
        day_first
        for day_first, day, month in ((True, first, second), (False, second, first))
        if 1 <= month <= 12 and 1 <= day <= 31
    }


def _ordered(first: int, second: int, year: str, form: TimeForm) -> tuple[int, int, int] | str:
    if len(year) == 2 and not form.strict:
        return "has a year of two digits: give time_format, or day_first = true or false"
    full = int(year) if len(year) == 4 else int(year) + (2000 if int(year) < 70 else 1900)
    orders = orders_of(first, second, year)
    if not orders:
        return "is no day or hour of the calendar"
    if form.strict and form.day_first not in orders:
        return f"does not fit day_first = {str(form.day_first).lower()}"
    if len(orders) == 2 and first != second and form.day_first is None:
        return UNSETTLED
    day_first = form.day_first if len(orders) == 2 else next(iter(orders))
    return (full, second, first) if day_first else (full, first, second)


@cache
def _months() -> dict[str, frozenset[int]]:
    """Word to the months that it names in some language of those above."""
    found: dict[str, set[int]] = {}
    for name in _LOCALES:
        for widths in Locale.parse(name).months.values():
            for width in ("wide", "abbreviated"):
                for month, word in widths[width].items():
                    for letters in _LETTERS.findall(plain(word)):
                        found.setdefault(letters.casefold(), set()).add(month)
    found.pop("月", None), found.pop("월", None)
    found.setdefault("sept", set()).add(9)
    return {word: frozenset(months) for word, months in found.items()}


@cache
def _weekdays() -> frozenset[str]:
    """Names of weekdays in the same languages; a word that is a month as well counts as that."""
    found = set[str]()
    for name in _LOCALES:
        for widths in Locale.parse(name).days.values():
            for width in ("wide", "abbreviated"):
                for word in widths[width].values():
                    found |= {letters.casefold() for letters in _LETTERS.findall(plain(word))}
    return frozenset(found - set(_months()))
