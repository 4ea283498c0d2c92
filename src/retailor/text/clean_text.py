"""Cleaning one text: mojibake, HTML, full-width forms, control characters, repeats, white space, contacts."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Sequence

from retailor.scripts import CJK, HAN
from retailor.text.private import mask, may_hold

# anything that some step below could change; a text without it is clean already
_SUSPICIOUS = re.compile(
    r"[<>&{\x00-\x1f\x7f-\u024f\u02c6-\u02dc\u0370-\u058f\u1680\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2122"
    r"\u3000\ud800-\uf8ff\ufeff"
    r"\uff02-\uff07\uff0a\uff0b\uff0d-\uff19\uff1c-\uff1e\uff20-\uff5e\uffe0-\uffff]"
    r"|^ | $|  |锟斤拷"
)
_ENTITY = re.compile(r"&(?:#\d{1,7};?|#[xX][0-9a-fA-F]{1,6};?|[A-Za-z][A-Za-z0-9]{1,30};|nbsp\b)")
_NAMES = (
    "a|abbr|article|aside|b|big|blockquote|body|br|button|center|cite|code|col|dd|del|div|dl|dt|em|embed|"
    "fieldset|figcaption|figure|font|footer|form|h[1-6]|head|header|hr|html|i|iframe|img|input|ins|label|legend|li|link|"
    "main|meta|nav|noscript|object|ol|option|p|param|pre|q|s|script|section|select|small|source|span|strike|strong|"
    "style|sub|sup|svg|table|tbody|td|template|textarea|tfoot|th|thead|title|tr|tt|u|ul|video"
)
_TAG = re.compile(rf"<(?:!--|!doctype|/?(?:{_NAMES})(?:\s[^<>]*)?/?>)", re.IGNORECASE)
_CUT_TAG = re.compile(
    rf"<(?:!--|/?(?:{_NAMES})\s+[\w-]+\s*=[^<>]*|/?(?:script|style|span|div)\b[^<>]*)$", re.IGNORECASE
)
_SCRAP = re.compile(r'"\s*/>|^[^<>"]{0,80}(?:class|style|href|src)="[^"<>]*"\s*/?>', re.IGNORECASE)
_CSS = re.compile(r"[.#][A-Za-z][\w-]*\s*\{[^}]*(?:\}|$)")
_CODE = re.compile(r"\(?function\s*\([\w, ]*\)\s*\{[^\n]*", re.IGNORECASE)
_BLOCK = re.compile(
    r"<(?=/?(?:br|p|div|li|ul|ol|h[1-6]|tr|td|th|table|hr|dd|dt|dl|section|article|blockquote)\b)",
    re.IGNORECASE,
)
# of these, what begins or ends a line: not a cell of a row, nor an end after which the next item begins
_LINE = re.compile(
    r"<(?=/?(?:br|p|div|ul|ol|h[1-6]|table|hr|dl|section|article|blockquote)\b|(?:li|tr|dd|dt)\b)",
    re.IGNORECASE,
)
_UNREADABLE = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\xad\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f"
    "\ue000-\uf8ff\ufeff\ufff0-\uffff\ud800-\udfff]|锟斤拷"
)
_MOJIBAKE = re.compile(r"[\x80-\u024f\u02c6-\u02dc\u0370-\u058f\u2013-\u2122\ufffd]")

_LATIN_WIDTH = {0xFF01 + i: 0x21 + i for i in range(94)}
_HAN_POINTS = {ord(point) for point in "！，．：；？（）"}
_WIDE_SIGNS = {code: to for code, to in _LATIN_WIDTH.items() if code not in _HAN_POINTS}
_WIDE = re.compile("[\uff01-\uff5e\u3000\uffe5\uffe1\uffe0]")
_ASIAN = re.compile(f"[{CJK}]")

_REPEAT = re.compile(r"([^\d])\1{3,}")
_REPEAT_PHRASE = re.compile(rf"([{HAN}][^\d]{{1,11}}?)\1{{3,}}")
_NO_MARKUP = dict.fromkeys(map(ord, "<>&{}"))
_MAX_ROUNDS = 12
_SPACE = re.compile(r"\s+")
_LINE_END = re.compile(r"[^\S\n]*(?:\r\n?|[\n\x0b\x0c\x85\u2028\u2029])[^\S\n]*")
_SPACE_IN_LINE = re.compile(r"[^\S\n]+")
_BLANK_LINES = re.compile(r"\n{3,}")


def clean_text(text: str, *, lines: bool = False) -> str:
    """The text without what no reader needs: one line, readable characters, contacts masked.

    With `lines` its lines stay: those of plain text, and in HTML the blocks (an item of a list, a paragraph);
    no more than one blank line in a row.
    Nothing is repeated more than three times in a row; links, e-mail addresses, phone numbers and the like
    become `[link]`, `[email]`, `[phone]` (see `private.mask`); prices, dates, ISBN and model numbers stay.
    Cleaning twice changes nothing.
    """
    if _is_clean(text):
        return text
    steps = _STEPS_OF_LINES if lines else _STEPS
    rounds = 0
    while (better := _pass(text, steps)) != text:
        rounds += 1
        # markup nested this deep is an attack, and costs one round a level
        text = better.translate(_NO_MARKUP) if rounds % _MAX_ROUNDS == 0 else better
    return text


def _is_clean(text: str) -> bool:
    if _SUSPICIOUS.search(text) or _REPEAT.search(text) or may_hold(text):
        return False
    return text.isascii() or not _is_odd(text)


def _is_odd(text: str) -> bool:
    if _WIDE.search(text) and not _ASIAN.search(text):
        return True
    return bool(_REPEAT_PHRASE.search(text)) or not unicodedata.is_normalized("NFC", text)


def _pass(text: str, steps: Sequence[Callable[[str], str]]) -> str:
    """One round; rounds are needed because an entity may hide a tag, and a tag a link."""
    for step in steps:
        text = step(text)
    return text


def _characters(text: str) -> str:
    text = _UNREADABLE.sub("", text)
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def _mojibake(text: str) -> str:
    if not _MOJIBAKE.search(text):
        return text
    from ftfy import TextFixerConfig, fix_text
    from ftfy.badness import is_bad

    if not is_bad(text):
        return text
    config = TextFixerConfig(unescape_html=False, fix_character_width=False, uncurl_quotes=False)
    return fix_text(text, config)


def _width(text: str) -> str:
    """Full-width letters, digits and signs to ASCII; points of Chinese sentences stay in Asian texts."""
    if not _WIDE.search(text):
        return text
    text = text.replace("\u3000", " ").replace("\uffe5", "¥").replace("\uffe1", "£").replace("\uffe0", "¢")
    if not _ASIAN.search(text):
        return text.translate(_LATIN_WIDTH)
    text = re.sub("(?<=[0-9A-Za-z０-９Ａ-Ｚａ-ｚ])．(?=[0-9A-Za-z０-９Ａ-Ｚａ-ｚ])", ".", text)
    return text.translate(_WIDE_SIGNS).replace("．", "。")


def _entities(text: str) -> str:
    return _ENTITY.sub(lambda found: html.unescape(found[0]), text) if "&" in text else text


def _markup(text: str) -> str:
    if "<" not in text and "{" not in text and "/>" not in text and '">' not in text:
        return text
    if _TAG.search(text):
        from selectolax.lexbor import LexborHTMLParser

        tree = LexborHTMLParser(_BLOCK.sub(" <", text))
        tree.strip_tags(["script", "style", "noscript", "iframe", "svg", "template"], recursive=True)
        text = tree.root.text(separator="") if tree.root is not None else ""
    text = _SCRAP.sub("", _CUT_TAG.sub("", text))
    return _CODE.sub("", _CSS.sub("", text)) if "{" in text else text


def _markup_of_lines(text: str) -> str:
    if _TAG.search(text) and _LINE.search(text):
        # Where blocks make the lines, a line of the source is only white space.
        text = _LINE.sub("\n<", _SPACE.sub(" ", text))
    return _markup(text)


def _repeats(text: str) -> str:
    return _REPEAT_PHRASE.sub(r"\1\1\1", _REPEAT.sub(r"\1\1\1", text))


def _spaces(text: str) -> str:
    return _SPACE.sub(" ", text).strip()


def _spaces_of_lines(text: str) -> str:
    return _BLANK_LINES.sub("\n\n", _SPACE_IN_LINE.sub(" ", _LINE_END.sub("\n", text))).strip()


_STEPS: tuple[Callable[[str], str], ...] = (
    _mojibake,
    _characters,
    _width,
    _entities,
    mask,  # before the markup goes: a rule of CSS is like the end of an address before a brace
    _markup,
    mask,  # and after it: a tag may stand inside of an address
    _spaces,
    _repeats,
)
_LINEWISE: dict[Callable[[str], str], Callable[[str], str]] = {
    _markup: _markup_of_lines,
    _spaces: _spaces_of_lines,
}
_STEPS_OF_LINES = tuple(_LINEWISE.get(step, step) for step in _STEPS)
