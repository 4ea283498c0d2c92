"""Objects out of files: one JSON object a line, one Python literal a line, or one JSON array."""

from __future__ import annotations

import ast
import codecs
import itertools
import json
import math
import re
import warnings
from collections.abc import Iterable, Iterator
from typing import IO, Any

import orjson

from retailor.errors import DataError
from retailor.shop.lines import LONGEST_BYTES, Block, Reject, bad_byte, blocks_of, chunks

Row = dict[str, Any]
_LONGEST_LITERAL = 1 << 20  # a syntax tree takes a hundred times its text
_SPACE = re.compile(r"[ \t\r\n,]*")
_DECODE = json.JSONDecoder().raw_decode


def objects(block: Block, reject: Reject) -> Iterator[tuple[int, Row]]:
    """Line number and object of each line; what is no object goes to `reject`, blank lines are skipped."""
    raws = block.data.split(b"\n")[:-1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old literals hold escapes that Python frowns on
        for i, raw in enumerate(raws):
            if not raw.strip():
                continue
            row = parse_object(raw)
            if isinstance(row, str):
                cut = (
                    " (the last line, without an end: it is cut off)"
                    if block.cut and i == len(raws) - 1
                    else ""
                )
                reject(block.line + i, row + cut)
            else:
                yield block.line + i, row


def parse_object(raw: bytes) -> Row | str:
    """The object that a line holds as JSON or as a Python literal, or the reason why it holds none."""
    try:
        value = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        value = _loose(raw, str(error))
        if isinstance(value, _Bad):
            return value
    if not isinstance(value, dict) or not all(isinstance(key, str) for key in value):
        return f"{_name(value)} where an object is expected"
    return value


def _name(value: Any) -> str:
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
    """What the standard reader makes of it (NaN, lone surrogates), else the Python literal, else a reason."""
    if b"\0" in raw:
        return _Bad("NUL bytes in the line")
    if (byte := bad_byte(raw)) is not None:
        return _Bad(f"not UTF-8 (byte 0x{byte:02x})")
    try:
        return json.loads(raw)
    except (ValueError, RecursionError):
        pass
    if raw.lstrip().startswith(b"{"):
        if len(raw) > _LONGEST_LITERAL:
            return _Bad(f"no JSON ({reason}), and a Python literal may have {_LONGEST_LITERAL >> 20} MiB")
        try:
            return ast.literal_eval(raw.decode().strip())
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            pass
    return _Bad(f"neither JSON nor a Python literal ({reason})")


def any_objects(
    name: str, stream: IO[bytes], reject: Reject, encoding: str | None = None
) -> Iterator[list[tuple[int, Row]]]:
    """Batches of objects with their lines, from JSON lines or one JSON array: the first character tells."""
    pieces = chunks(name, stream, encoding)
    first = next(pieces, b"")
    whole = itertools.chain([first], pieces)
    if first.lstrip().startswith(b"["):
        yield from _array(name, whole, reject)
    else:
        for block in blocks_of(name, whole, reject):
            yield list(objects(block, reject))


def _array(name: str, pieces: Iterable[bytes], reject: Reject) -> Iterator[list[tuple[int, Row]]]:
    """Objects of one JSON array, a batch a piece, so that no more than one element is held unparsed.

    Raises DataError with the line where an element is broken or the array has no end.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    text, line, opened = "", 1, False
    for piece in pieces:
        text += decoder.decode(piece)
        values, at, n_lines, opened, closed = _elements(text, opened)
        batch = []
        for offset, value in values:
            if isinstance(value, dict):
                batch.append((line + offset, value))
            else:
                reject(line + offset, f"{_name(value)} where an object is expected")
        yield batch
        if closed:
            return
        text, line = text[at:], line + n_lines
        if len(text) > LONGEST_BYTES:
            break
    raise DataError(
        "the JSON array is cut off or broken in the element that starts here.", path=name, row=line
    )


def _elements(text: str, opened: bool) -> tuple[list[tuple[int, Any]], int, int, bool, bool]:
    """Whole elements with line offsets; where the rest starts, lines before it; opened, closed."""
    values: list[tuple[int, Any]] = []
    at = n_lines = 0
    while True:
        start = _SPACE.match(text, at).end()  # type: ignore[union-attr]
        n_lines += text.count("\n", at, start)
        at = start
        if at < len(text) and not opened:
            opened, at = True, at + 1
            continue
        if at >= len(text) or text[at] == "]":
            return values, at, n_lines, opened, at < len(text)
        try:
            value, end = _DECODE(text, at)
        except (ValueError, RecursionError):
            return values, at, n_lines, opened, False
        values.append((n_lines, value))
        n_lines += text.count("\n", at, end)
        at = end


def as_text(value: Any) -> str | None:
    """Any value as text without NULs: numbers and structures as JSON; None for nothing but white space."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value
    elif type(value) is int or type(value) is float:
        return repr(value)
    elif isinstance(value, (list, tuple)) and all(isinstance(part, str) for part in value):
        text = "\n".join(part for part in value if part.strip())
    else:
        text = json.dumps(value, ensure_ascii=False, default=str)
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
