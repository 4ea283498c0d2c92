"""What reaches a person in a text, masked: addresses, links, numbers of phones, accounts, papers, hosts."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator

from retailor.scripts import HAN
from retailor.text.phones import phones

LINK, EMAIL, PHONE, ACCOUNT, ID, ADDRESS = "[link]", "[email]", "[phone]", "[account]", "[id]", "[address]"

Span = tuple[int, int]

# One character for one, so that places stay: every digit, dash and space of the world as the ASCII one.
_ZEROS = (0x0660, 0x06F0, 0x0966, 0x09E6, 0x0E50, 0xFF10)
_PLAIN: dict[int, int | str] = {
    **{zero + i: 0x30 + i for zero in _ZEROS for i in range(10)},
    **{0xFF21 + i + case: 0x41 + i + case for case in (0, 32) for i in range(26)},
    **dict.fromkeys([0x2010, 0x2011, 0x2012, 0x2013, 0x2014, 0x2015, 0x2212, 0xFE63, 0xFF0D], "-"),
    **dict.fromkeys([0xA0, *range(0x2000, 0x200B), 0x202F, 0x205F, 0x3000], " "),
    0xFF08: "(",
    0xFF09: ")",
    0xFF0B: "+",
    0xFF0E: ".",
    0xFF0F: "/",
    0xFF1A: ":",
    0xFF20: "@",
}
_HINT = re.compile(
    r"@|://|www\.|\.\w+/|\d(?:[^\dA-Za-z\n]{0,4}\d){5}|\d\.\d{1,3}\.\d|[0-9a-f]:[0-9a-f]{0,4}:"
    r"|[(\[{<] ?(?:at|艾特) ?[)\]}>]|\bdot\b|[a-z]{2}\d{2} ?[a-z0-9]{4} ?\d",
    re.IGNORECASE,
)


def may_hold(text: str) -> bool:
    """False where `mask` would change nothing; it is fast, and may be True where there is nothing."""
    return _HINT.search(text if text.isascii() else text.translate(_PLAIN)) is not None


def mask(text: str) -> str:
    """Text with what reaches a person as `[link]`, `[email]`, `[phone]`, `[account]`, `[id]`, `[address]`.

    E-mail addresses in any script, quoted, or spelled as "name (at) host dot com"; links; IBAN and payment
    cards with a right checksum; Chinese identity numbers with one; public IP addresses; phone numbers (see
    `phones`). Prices, sizes, dates, ISBN, EAN and model numbers stay. Masking twice changes nothing; the time
    grows as the text.
    """
    if not may_hold(text):
        return text
    while (better := _pass(text)) != text:
        text = better
    return text


def _pass(text: str) -> str:
    for mark, find in _KINDS:
        text = _with_mark(text, find(text if text.isascii() else text.translate(_PLAIN)), mark)
    return text


def _with_mark(text: str, spans: Iterator[Span], mark: str) -> str:
    parts, end = [], 0
    for start, stop in spans:
        parts += [text[end:start], mark]
        end = stop
    return "".join([*parts, text[end:]]) if parts else text


# links --------------------------------------------------------------------------------------------

_WIDE = "\u2e80-\ua4cf\uac00-\ud7af\uf900-\ufaff\uff00-\uffef\U00020000-\U0003134f"
_STOP = rf"\s<>\"'\[\]{{}}{_WIDE}…“”‘’"
_LINK = re.compile(
    rf"(?:https?|ftp)://[^{_STOP}]+|(?<![\w@.])www\.[A-Za-z0-9-]+\.[^{_STOP}]+"
    r"|(?<![\w@./-])(?:[A-Za-z0-9-]+\.)+(?:com|net|org|info|cn|io|co|uk|de|jp|fr|ca|edu|gov|biz)"
    rf"/[^{_STOP}]+",
    re.IGNORECASE | re.ASCII,
)
_LINKISH = re.compile(r"://|[Ww][Ww][Ww]\.|\.[A-Za-z]+/")


def _links(text: str) -> Iterator[Span]:
    if _LINKISH.search(text):
        for found in _LINK.finditer(text):
            yield found.start(), found.start() + len(found[0].rstrip(".,;:!?)*~"))


# e-mail -------------------------------------------------------------------------------------------

_LETTER = "0-9A-Za-z\u00c0-\u1fff"  # of every script but those that are written without spaces
_HAN_ENDS = (
    "公司|网络|網絡|中国|中國|香港|台湾|台灣|商城|商店|网店|网址|网站|在线|集团|公益|政务|移动|信息|购物"
)
_LABEL = rf"[{_LETTER}](?:[{_LETTER}-]{{0,61}}[{_LETTER}])?"
_HOST = re.compile(
    rf"(?:{_LABEL}\.){{1,126}}(?:xn--[a-z0-9-]{{2,59}}|[A-Za-z\u00c0-\u1fff]{{2,24}})"
    rf"|(?:[{_LETTER}{HAN}-]{{1,63}}\.){{1,4}}(?:{_HAN_ENDS})"
    r"|\[(?:IPv6:)?[0-9A-Fa-f.:]{3,45}\]",
    re.IGNORECASE,
)
_NO_HOST = re.compile(r"\.(?:png|jpe?g|gif|svg|webp|js|css|pdf|html?)$", re.IGNORECASE)
_IN_NAME = re.compile(rf"[{_LETTER}{HAN}.!#$%&'*+/=?^_`{{|}}~-]")
_MAX_NAME = 64

_AT = r" ?[(\[{<] ?(?:at|@|艾特) ?[)\]}>] ?"
_DOT = r"(?: ?[(\[{<] ?(?:dot|点|\.) ?[)\]}>] ?|\.| dot )"
_ENDS = (
    "(?:com|net|org|edu|gov|info|biz|io|co|me|cn|uk|de|fr|jp|ca|au|in|ru|it|es|nl|eu|us|hk|tw|kr|br|mx|ch|at|se)"
    r"(?![A-Za-z0-9])"
)
_MAILERS = (
    "(?:gmail|googlemail|yahoo|hotmail|outlook|live|icloud|me|aol|gmx|web|proton|protonmail|qq|163|126|sina)"
)
_WORDED = rf" at (?:[A-Za-z0-9-]{{1,63}} dot ){{1,4}}{_ENDS}"
_SPELLED = re.compile(
    r"(?<![A-Za-z0-9._+-])[A-Za-z0-9][A-Za-z0-9._+-]{0,63}"
    rf"(?:{_AT}(?:[A-Za-z0-9-]{{1,63}}{_DOT}){{1,4}}{_ENDS}"
    rf"|(?: @ ?|@ ){_MAILERS}{_DOT}{_ENDS}|(?<=[0-9]){_WORDED})"
    # "look at amazon dot com" is none: a word before "at" must be like a name, or stand after "mail"
    rf"|(?<![A-Za-z0-9._+-])[A-Za-z0-9]+[._][A-Za-z0-9._+-]{{1,63}}{_WORDED}"
    rf"|(?:(?<=mail )|(?<=mail: )|(?<=mail me at )|(?<=邮箱)|(?<=邮箱:))"
    rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,63}}{_WORDED}",
    re.IGNORECASE,
)
_SPELLEDISH = re.compile(r"[(\[{<] ?(?:at|@|艾特) ?[)\]}>]|\bdot\b| @|@ ", re.IGNORECASE)


def _emails(text: str) -> Iterator[Span]:
    end, at = 0, text.find("@")
    while at >= 0:
        start, host = _name_start(text, at, end), _HOST.match(text, at + 1)
        if start < at and host and not _NO_HOST.search(host[0]):
            end = host.end()
            yield start, end
        at = text.find("@", max(at + 1, end))


def _name_start(text: str, at: int, least: int) -> int:
    """Where the name before the sign at `at` begins; `at` itself where there is none."""
    least = max(least, at - _MAX_NAME)
    if at - 1 >= least and text[at - 1] == '"':
        opened = text.rfind('"', least, at - 1)
        return opened if opened >= 0 and "\n" not in text[opened:at] else at
    start = at
    # A name in Latin letters ends where Chinese begins: "邮箱me@x.org" has no space between.
    han = at > least and "\u3400" <= text[at - 1] <= "\u9fff"
    while start > least and _IN_NAME.match(text[start - 1]):
        if not han and "\u3400" <= text[start - 1] <= "\u9fff":
            break
        start -= 1
    begin = start
    while start < at and not (text[start].isalnum() or text[start] in "_+"):
        start += 1
    return start if start < at else begin


def _spelled(text: str) -> Iterator[Span]:
    if _SPELLEDISH.search(text):
        yield from (found.span() for found in _SPELLED.finditer(text))


# accounts, papers, machines -----------------------------------------------------------------------

_IBAN_LENGTHS = {
    country: length
    for length, countries in {
        15: "NO", 16: "BE", 18: "DK FI FO GL NL SD", 19: "MK SI", 20: "AT BA EE KZ LT LU XK MN",
        21: "CH HR LI LV", 22: "BG BH CR DE GB GE IE ME RS VA", 23: "AE GI IL IQ OM SO TL",
        24: "AD CZ ES MD PK RO SA SE SK TN VG", 25: "LY PT ST", 26: "IS TR", 27: "BI DJ FR GR IT MC MR SM",
        28: "AL AZ BY CY DO GT HU LB NI PL SV", 29: "BR EG PS QA UA", 30: "JO KW MU", 31: "MT SC", 32: "LC",
        33: "RU",
    }.items()
    for country in countries.split()
}  # fmt: skip
_IBAN = re.compile(r"(?<![A-Za-z0-9])[A-Za-z]{2}\d{2}(?=[ -]?[A-Za-z0-9])")
_REST = {n: re.compile(rf"(?:[ -]?[A-Za-z0-9]){{{n - 4}}}(?![A-Za-z0-9])") for n in _IBAN_LENGTHS.values()}
_CARD = re.compile(r"(?<![A-Za-z0-9.,-])(?:\d[ -]?){13,18}\d(?![A-Za-z0-9]|[.,-]\d)")
_ISSUER = re.compile(
    r"(?:4\d{15}|5[1-5]\d{14}|2(?:22[1-9]|2[3-9]\d|[3-6]\d\d|7[01]\d|720)\d{12}|3[47]\d{13}|3(?:0[0-5]|[68]\d)\d{11}"
    r"|6(?:011|5\d\d|4[4-9]\d)\d{12}|35\d{14}|62\d{14,17})"
)
_CITIZEN = re.compile(
    r"(?<![A-Za-z0-9])[1-9]\d{5}(?:18|19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])\d{3}[\dXx](?![A-Za-z0-9])"
)
_CITIZEN_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_IP = re.compile(
    r"(?<![\w.:-])(?:\d{1,3}(?:\.\d{1,3}){3}|(?=[0-9a-fA-F]*:)[0-9a-fA-F:]{6,39})(?![\w:-]|\.\d)", re.ASCII
)
_RELEASE = re.compile(
    r"(?:\bv(?:er(?:sion)?)?|release|firmware|driver|build|版本号?|固件)[ .:]*$", re.IGNORECASE
)


def _accounts(text: str) -> Iterator[Span]:
    end = 0
    for found in _IBAN.finditer(text):
        length = _IBAN_LENGTHS.get(found[0][:2].upper())
        rest = _REST[length].match(text, found.end()) if length and found.start() >= end else None
        if rest and _is_iban(text[found.start() : rest.end()]):
            end = rest.end()
            yield found.start(), end


def _is_iban(text: str) -> bool:
    """ISO 13616: the first four to the end, letters as 10 to 35, and the rest by 97 is 1."""
    signs = [sign for sign in text.upper() if sign.isalnum()]
    return int("".join(str(int(sign, 36)) for sign in signs[4:] + signs[:4])) % 97 == 1


def _cards(text: str) -> Iterator[Span]:
    for found in _CARD.finditer(text):
        digits = found[0].replace(" ", "").replace("-", "")
        if _ISSUER.fullmatch(digits) and _is_luhn(digits):
            yield found.span()


def _is_luhn(digits: str) -> bool:
    """ISO/IEC 7812: every second digit from the right doubled, its digits summed; the sum ends in 0."""
    doubled = [int(digit) * (1 + i % 2) for i, digit in enumerate(reversed(digits))]
    return sum(n - 9 if n > 9 else n for n in doubled) % 10 == 0


def _citizens(text: str) -> Iterator[Span]:
    for found in _CITIZEN.finditer(text):
        digits = found[0].upper()
        total = sum(int(d) * w for d, w in zip(digits[:17], _CITIZEN_WEIGHTS, strict=True))
        if "10X98765432"[total % 11] == digits[17]:  # GB 11643
            yield found.span()


def _addresses(text: str) -> Iterator[Span]:
    for found in _IP.finditer(text):
        try:
            address = ipaddress.ip_address(found[0])
        except ValueError:
            continue
        # Those of home networks are in every manual; a version can look like any of the rest.
        if address.is_global and not _RELEASE.search(text[max(0, found.start() - 16) : found.start()]):
            small = address.version == 4 and max(address.packed) < 100
            if not small or re.search(
                r"\bip\W{0,3}\w{0,8}\W{0,3}$", text[max(0, found.start() - 20) : found.start()], re.I
            ):
                yield found.span()


_KINDS: tuple[tuple[str, Callable[[str], Iterator[Span]]], ...] = (
    (LINK, _links),
    (EMAIL, _emails),
    (EMAIL, _spelled),
    (ACCOUNT, _accounts),
    (ACCOUNT, _cards),
    (ID, _citizens),
    (ADDRESS, _addresses),
    (PHONE, phones),
)
