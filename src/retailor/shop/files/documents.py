"""JSON that is laid out otherwise than a row a line: arrays, objects after one another, a list in an object.

Rows come out as lines of JSON again, each with the number of the line it starts on, so that one parser reads
them all. Only brackets and quotes are looked at here, a piece at once: memory does not grow with the file.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import IO, Any

import numpy as np
import orjson
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.shop.files.lines import LONGEST_BYTES, Block, Reject, blocks_of, chunks
from retailor.shop.files.records import Row, name_of, objects, parse_object

_HEAD_BYTES = 1 << 20
_HEAD_LINES = 50
_QUOTE, _BACKSLASH, _NEWLINE, _OPEN, _CLOSE = b'"\\\n{}'

_BETWEEN = b" \t\r\n,"
_START, _END, _HOLDER, _HELD = range(4)
"""Marks: a row begins and ends, what holds the rows opens and closes."""

Ints = NDArray[np.int64]


def row_blocks(
    name: str,
    stream: IO[bytes],
    reject: Reject,
    encoding: str | None = None,
    is_row: Callable[[Row], bool] = lambda row: True,
) -> Iterator[Block]:
    """The rows of a JSON file as blocks of lines, whatever its layout; its first mebibyte tells which.

    `is_row` knows a row by its keys: an object that is none but holds one list of objects stands for these.
    Raises DataError with the line where a document is broken or has no end.
    """
    pieces = chunks(name, stream, encoding)
    head, parts = b"", []
    while len(head) < _HEAD_BYTES and (piece := next(pieces, b"")):
        parts.append(piece)
        head = b"".join(parts) if len(parts) > 1 else piece
    depth = _depth_of_rows(name, head, is_row)
    whole = itertools.chain(parts, pieces)
    if depth is None:
        yield from blocks_of(name, whole, reject)
        return
    document = _Document(name, depth, reject)
    for piece in whole:
        yield from document.rows(piece)
    document.end()


def any_objects(
    name: str,
    stream: IO[bytes],
    reject: Reject,
    encoding: str | None = None,
    is_row: Callable[[Row], bool] = lambda row: True,
) -> Iterator[list[tuple[int, Row]]]:
    """The objects of `row_blocks` with their lines, a batch a block."""
    for block in row_blocks(name, stream, reject, encoding, is_row):
        yield list(objects(block, reject))


def _depth_of_rows(name: str, head: bytes, is_row: Callable[[Row], bool]) -> int | None:
    """How many brackets are open around a row; None for a row a line, also where some lines are broken."""
    lines = list(itertools.islice((raw.strip() for raw in head.split(b"\n") if raw.strip()), _HEAD_LINES))
    if not lines or lines[0][:1] not in (b"{", b"["):
        return None
    first, rest = lines[0], lines[1:]
    if isinstance(parse_object(first), dict) or _is_a_row_a_line(lines, is_row):
        found = [one for one in map(parse_object, lines) if not isinstance(one, str)]
        return _depth_inside(name, found, is_row)
    document = head.lstrip()
    value = _first_value(document)
    if value is None and rest and first not in (b"{", b"[") and first[-1:] not in b"{[,:":
        return None
    if first.startswith(b"["):
        return 1
    if isinstance(value, dict):
        return _depth_inside(name, [value], is_row) or (0 if rest else None)
    return _depth_of_cut(document, is_row) if value is None else None


def _is_a_row_a_line(lines: Sequence[bytes], is_row: Callable[[Row], bool]) -> bool:
    """Whether most lines after the first are objects, or one is a row without a comma beside it."""
    alone = [raw.startswith(b"{") and raw.endswith(b"}") for raw in lines]
    if 2 * sum(alone[1:]) > len(lines) - 1:
        return True
    for before, raw, after in zip([b",", *lines], lines, [*lines[1:], b""], strict=False):
        if raw.startswith(b"{") and raw.endswith(b"}"):
            apart = before[-1:] not in b",:[{" or after.startswith(b"{")
            row = parse_object(raw) if apart else ""
            if not isinstance(row, str) and is_row(row):
                return True
    return False


def _depth_inside(name: str, found: Sequence[Row], is_row: Callable[[Row], bool]) -> int | None:
    """Two or more where every object is no row but holds one list of objects, on the same path."""
    if not found or any(map(is_row, found)):
        return None
    paths = [list(_paths(row)) for row in found]
    if not paths[0] or any(other != paths[0] for other in paths):
        return None
    if len(paths[0]) > 1:
        told = ", ".join(".".join(path) for path in paths[0][:5])
        raise DataError(
            f"this JSON object holds several lists ({told}): write the one you mean to a file of its own.",
            path=name,
        )
    return len(paths[0][0]) + 1


def _paths(row: Row) -> Iterator[tuple[str, ...]]:
    """Keys that lead to a list of objects, through objects alone."""
    for key, value in row.items():
        if isinstance(value, dict):
            yield from ((key, *path) for path in _paths(value))
        elif isinstance(value, list) and value and isinstance(value[0], dict):
            yield (key,)


def _first_value(document: bytes) -> Any:
    """The first value of a document, None where it has no end here or is no JSON."""
    at, opens = _brackets(document, quoted=False)
    ends = np.flatnonzero(np.cumsum(np.where(opens, 1, -1)) == 0)
    if not len(ends):
        return None
    try:
        return orjson.loads(document[: at[ends[0]] + 1])
    except orjson.JSONDecodeError:
        return None


def _depth_of_cut(document: bytes, is_row: Callable[[Row], bool]) -> int:
    """The same for an object that does not end here: a row, or what holds a long list of rows."""
    at, opens = _brackets(document, quoted=False)
    kinds = np.frombuffer(document, np.uint8)[at]
    depth = 0
    for place, is_open, kind in zip(at.tolist(), opens.tolist(), kinds.tolist(), strict=True):
        if not is_open:
            depth -= 1
            continue
        depth += 1
        if kind == ord("["):
            begins = document[place + 1 : place + 200].lstrip()[:1] == b"{"
            return depth if begins and not is_row(_closed(document[:place], depth - 1)) else 0
    return 0


def _closed(document: bytes, depth: int) -> Row:
    """What stands in an object before a list in it."""
    try:
        return dict(orjson.loads(document + b"[]" + b"}" * depth))
    except (orjson.JSONDecodeError, TypeError, ValueError):
        return {}


def _brackets(data: bytes, *, quoted: bool) -> tuple[Ints, NDArray[np.bool_]]:
    """Where brackets stand outside of strings, and which of them open. `quoted`: it starts in a string."""
    codes = np.frombuffer(data, np.uint8)
    quotes = _quotes(codes)
    folded = codes | np.uint8(0x20)  # '[' is then '{', and ']' is '}'
    at = np.flatnonzero((folded == _OPEN) | (folded == _CLOSE))
    inside = (np.searchsorted(quotes, at) + quoted) % 2 == 1
    at = at[~inside]
    return at, folded[at] == _OPEN


def _quotes(codes: NDArray[np.uint8]) -> Ints:
    """Where quotes stand that are not escaped."""
    quotes = np.flatnonzero(codes == _QUOTE)
    slashes = np.flatnonzero(codes == _BACKSLASH)
    if not len(slashes):
        return quotes
    starts = np.r_[True, np.diff(slashes) != 1]
    nth = np.arange(len(slashes)) - np.maximum.accumulate(np.where(starts, np.arange(len(slashes)), 0))
    escaped = slashes[nth % 2 == 0] + 1
    return quotes[~np.isin(quotes, escaped, assume_unique=True)]


def _in_order(marks: Sequence[tuple[Ints, int]]) -> tuple[Ints, Ints]:
    places = np.concatenate([at for at, _ in marks])
    kinds = np.concatenate([np.full(len(at), kind) for at, kind in marks])
    order = np.argsort(places)
    return places[order], kinds[order]


class _Document:
    """The rows of a document, fed piece by piece. What is not yet a whole row waits here."""

    def __init__(self, name: str, depth: int, reject: Reject) -> None:
        self._name, self._depth, self._reject = name, depth, reject
        self._data = b""
        self._line = 1
        self._open = 0
        """Brackets open at the start of what waits."""
        self._in_list = depth == 0
        """Whether rows may stand there: the innermost bracket around them is '[', or there need be none."""
        self._quoted = False
        """Whether it starts in a string: of a row that is too long."""
        self._long = False

    def rows(self, piece: bytes) -> Iterator[Block]:
        """The rows that end in the piece, as one block."""
        self._data += piece
        data = self._data
        at, opens = _brackets(data, quoted=self._quoted)
        depths = self._open + np.cumsum(np.where(opens, 1, -1))
        row, around = self._depth + 1, self._depth
        begin = 0
        ends = at[~opens & (depths == around)]
        if self._open > around and len(ends):  # the end of a row that was too long
            begin, ends = int(ends[0]) + 1, ends[1:]
            self._long = False
        starts = at[opens & (depths == row)]
        begun = starts[len(ends) :]
        marks = [(starts[: len(ends)], _START), (ends, _END)]
        marks += [(at[opens & (depths == around)], _HOLDER), (at[~opens & (depths == around - 1)], _HELD)]
        newlines = np.flatnonzero(np.frombuffer(data, np.uint8) == _NEWLINE)
        block = self._block(begin, *_in_order(marks), newlines)
        if len(begun):
            self._open, self._quoted = around, False
            self._let_go(int(begun[0]), newlines)
        elif len(at):
            self._open, self._quoted = int(depths[-1]), False
            self._let_go(int(at[-1]) + 1, newlines)
        if len(self._data) > LONGEST_BYTES:
            self._skip()
        if block.n_lines:
            yield block

    def _block(self, begin: int, places: Ints, kinds: Ints, newlines: Ints) -> Block:
        """The rows between the marks; what stands between two rows from `begin` on is looked at as well."""
        data, kept, lines = self._data, [], []
        numbers = (self._line + np.searchsorted(newlines, places)).tolist()
        start = 0
        for place, kind, line in zip(places.tolist(), kinds.tolist(), numbers, strict=True):
            if kind == _START:
                start = place
                if self._in_list:
                    self._check_gap(begin, place, newlines)
                    lines.append(line)
            elif kind == _END:
                begin = place + 1
                if self._in_list:
                    kept.append(data[start:begin].replace(b"\n", b"\r"))
            elif kind == _HOLDER:
                self._in_list, begin = data[place] == ord("["), place + 1
                if self._depth == 1 and not self._in_list:
                    self._reject(line, "an object beside the array that holds the rows")
            elif self._depth:
                if self._in_list:
                    self._check_gap(begin, place, newlines)
                self._in_list = False
        whole = b"\n".join([*kept, b""]) if kept else b""
        return Block(lines[0] if lines else self._line, whole, len(lines), numbers=tuple(lines))

    def _check_gap(self, begin: int, end: int, newlines: Ints) -> None:
        """Rejects what stands between rows and is neither white space nor a comma."""
        gap = self._data[begin:end]
        if gap in (b", ", b",", b",\n", b"") or not gap.strip(_BETWEEN):
            return
        begin += len(gap) - len(gap.lstrip(_BETWEEN))
        line = self._line + int(np.searchsorted(newlines, begin))
        try:
            values = orjson.loads(b"[" + gap.strip(_BETWEEN) + b"]")
        except orjson.JSONDecodeError:
            values = []
        for value in values:
            self._reject(line, f"{name_of(value)} where an object is expected")
        if not values:
            self._reject(line, "something that is no JSON stands between two rows")

    def _skip(self) -> None:
        """Forgets a row that is too long, but for what is open in it."""
        if not self._long:
            self._reject(self._line, f"the row is longer than {LONGEST_BYTES >> 20} MiB")
            self._long = True
        data = self._data
        _, opens = _brackets(data, quoted=self._quoted)
        self._open += int(np.where(opens, 1, -1).sum())
        end = len(data.rstrip(b"\\"))
        codes = np.frombuffer(data[:end], np.uint8)
        self._quoted = (len(_quotes(codes)) + self._quoted) % 2 == 1
        self._let_go(end, np.flatnonzero(codes == _NEWLINE))

    def _let_go(self, cut: int, newlines: Ints) -> None:
        self._line += int(np.searchsorted(newlines, cut))
        self._data = self._data[cut:]

    def end(self) -> None:
        """Raises DataError when something is still open; rejects what stands after the last bracket."""
        if self._open > 0 or self._open < 0 or self._brackets_left():
            what = "JSON array" if self._depth else "JSON object"
            raise DataError(
                f"the {what} is cut off or broken in the element that starts here.",
                path=self._name,
                row=self._line + self._blank_lines(),
            )
        if self._data.strip(_BETWEEN):
            self._reject(self._line + self._blank_lines(), "something else than an object at the end")

    def _brackets_left(self) -> bool:
        return self._data.lstrip()[:1] in (b"{", b"[")

    def _blank_lines(self) -> int:
        return self._data[: len(self._data) - len(self._data.lstrip(_BETWEEN))].count(b"\n")
