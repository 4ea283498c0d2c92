"""Objects out of lines, one JSON object or one Python literal each, and what their values mean."""

from __future__ import annotations

import ast
import gc
import json
import math
import warnings
from collections.abc import Iterator
from typing import Any

import orjson

from retailor.shop.files.lines import Block, Reject, unreadable

Row = dict[str, Any]
_LONGEST_LITERAL = 1 << 20  # a syntax tree takes a hundred times its text
_LONG_NUMBER = b"0" * 19
_DIGITS = bytes(ord("0") if chr(byte).isdigit() and byte < 128 else ord(" ") for byte in range(256))
_LOADS = orjson.loads
AT_ONCE = 512
"""Lines parsed before the first is used: a block of them would not stay in the processor's cache."""


def objects(block: Block, reject: Reject) -> Iterator[tuple[int, Row]]:
    """Line number and object of each line; what is no object goes to `reject`, blank lines are skipped."""
    raws = lines_of(block)
    exact = not _has_long_number(block.data)
    for start in range(0, len(raws), AT_ONCE):
        part = raws[start : start + AT_ONCE]
        for i, row in enumerate(parsed(part) if exact else [None] * len(part), start):
            found = row if type(row) is dict else object_of(block, i, raws[i], reject)
            if found is not None:
                yield block.number(i), found


def lines_of(block: Block) -> list[bytes]:
    """The lines of a block without their ends."""
    return block.data.split(b"\n")[:-1]


def object_of(block: Block, i: int, raw: bytes, reject: Reject) -> Row | None:
    """The object that the block's line i holds; None where it is blank or none, which goes to `reject`."""
    if not raw.strip():
        return None
    row = parse_object(raw)
    if not isinstance(row, str):
        return row
    cut = block.cut and i == block.n_lines - 1
    reject(block.number(i), row + (" (the last line, without an end: it is cut off)" if cut else ""))
    return None


def parsed(raws: list[bytes]) -> list[Any]:
    """What orjson makes of each line: quick, but none of long numbers, NaN and literals; None for no JSON.

    Counting references to find cycles would take as long as parsing.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        return [_LOADS(raw) for raw in raws]
    except orjson.JSONDecodeError:
        return [_quick(raw) for raw in raws]
    finally:
        if was_on:
            gc.enable()


def _quick(raw: bytes) -> Any:
    try:
        return _LOADS(raw)
    except orjson.JSONDecodeError:
        return None


def _has_long_number(data: bytes) -> bool:
    """Whether so many digits stand in a row that orjson would make a float of a whole number."""
    return _LONG_NUMBER in data.translate(_DIGITS)


def parse_object(raw: bytes) -> Row | str:
    """The object that a line holds as JSON or as a Python literal, or the reason why it holds none.

    The meaning is orjson's: of a repeated key the last value counts. Beyond it: whole numbers of any length
    are exact, NaN and infinities are read (and are no numbers later), and so are Python literals.
    """
    try:
        value = _LOADS(raw)
        if _has_long_number(raw):
            value = json.loads(raw)
    except (ValueError, RecursionError) as error:
        value = _loose(raw, str(error))
        if isinstance(value, _Bad):
            return value
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return f"{name_of(value)} where an object is expected"
    return value


def name_of(value: Any) -> str:
    """What JSON calls it."""
    if value is None or isinstance(value, bool):
        return json.dumps(value)
    if isinstance(value, (int, float)):
        return "a number"
    for kind, name in ((str, "a string"), (list, "an array"), (dict, "keys that are no text")):
        if isinstance(value, kind):
            return name
    return "a literal"


class _Bad(str):
    """A reason."""


def _loose(raw: bytes, reason: str) -> Any:
    """What the standard reader makes of it (NaN, long numbers), else the Python literal, else a reason."""
    if (broken := unreadable(raw)) is not None:
        return _Bad(broken)
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        value = _literal(raw, reason)
    return _Bad("half of a character (a lone surrogate) in the line") if _has_half(raw, value) else value


def _literal(raw: bytes, reason: str) -> Any:
    if not raw.lstrip().startswith(b"{"):
        return _Bad(f"neither JSON nor a Python literal ({reason})")
    if len(raw) > _LONGEST_LITERAL:
        return _Bad(f"no JSON ({reason}), and a Python literal may have {_LONGEST_LITERAL >> 20} MiB")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old literals hold escapes that Python frowns on
        try:
            return ast.literal_eval(raw.decode().strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            return _Bad(f"neither JSON nor a Python literal ({reason})")


def _has_half(raw: bytes, value: Any) -> bool:
    """Whether a text in the value cannot be written: only an escape can bring half a character in."""
    if b"\\u" not in raw and b"\\U" not in raw:
        return False
    try:
        json.dumps(value, ensure_ascii=False, default=str, skipkeys=True).encode()
    except (UnicodeEncodeError, RecursionError):
        return True
    return False


def as_text(value: Any) -> str | None:
    """Any value as text without NULs: numbers and structures as JSON; None for NaN and mere white space."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value
    elif type(value) is int or type(value) is float:
        return None if value != value or value in (math.inf, -math.inf) else repr(value)
    elif isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        text = "\n".join(part for part in value if part.strip())
    elif isinstance(value, (list, tuple, dict, bool)):
        text = json.dumps(value, ensure_ascii=False, default=str)
    else:
        text = str(value)
    if "\0" in text or not text.isascii():
        text = text.replace("\0", "").encode("utf-8", "replace").decode()
    return text if text.strip() else None


def as_number(value: Any) -> float | None:
    """A finite number, from a number or from text that is one; None otherwise."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        number = float(value.replace(",", "") if isinstance(value, str) else value)
    except (ValueError, TypeError, OverflowError):
        return None
    return number if math.isfinite(number) else None
