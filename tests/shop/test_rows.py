"""A row means the same whatever stands beside it, however the file is laid out and wherever it is cut."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from retailor.errors import DataError
from retailor.shop.files import documents as documents_module
from retailor.shop.files import lines as lines_module
from retailor.shop.files.delimited import delimited
from retailor.shop.files.documents import any_objects, row_blocks
from retailor.shop.read import read, read_into
from retailor.shop.readers.amazon_eras import ERAS, Foreign
from retailor.shop.readers.amazon_reviews import parse_reviews

FEW = settings(max_examples=60, deadline=None)
GOOD = b'{"overall": 5.0, "reviewerID": "A0", "asin": "B0", "reviewText": "ok", "unixReviewTime": 1529193600}'

raw_values = st.sampled_from(
    [
        b"5",
        b"5.0",
        b"5e0",
        b"-0",
        b"0.5e1",
        b"1e999",
        b"NaN",
        b"-Infinity",
        b"true",
        b"null",
        b'"5"',
        b'"4.0"',
        b"[5]",
        b"{}",
        b'["a", "b"]',
        b'[{"a": 1}]',
        b'"\\u0000"',
        b'"a\\u0000b"',
        b'"\\ud83d"',
        b'"\\ud83d\\ude00"',
        b'" x "',
        b'""',
        b'"[sic]"',
        b'"{"',
        b"18446744073709551616",
        b"9007199254740993",
        b"123456789012345678901234567890",
        b"1529193600",
        b'"1529193600"',
        b"1529193600.7",
        b"4611686018427387904",
        b'"1,234"',
        b'" 3 "',
        b'"1e3"',
        b"01",
        b"1.",
        b"[1,]",
        b"'q'",
        b'"caf\xc3\xa9"',
        b'"\xff"',
        b"[" * 1100 + b"]" * 1100,
        b'"\\u2028"',
        b'"\x1c"',
    ]
)
keys = st.sampled_from(
    [
        b'"overall"',
        b'"reviewerID"',
        b'"asin"',
        b'"reviewText"',
        b'"summary"',
        b'"unixReviewTime"',
        b'"vote"',
        b'"style"',
        b'"helpful"',
        b'"rating"',
        b'"revie\\u0077Text"',
        b'"reviewTime"',
        b"'asin'",
    ]
)


@st.composite
def review_lines(draw: st.DrawFn) -> bytes:
    """A good row with a few pairs more, some of them again, or a line that is broken otherwise."""
    pairs = draw(st.lists(st.tuples(keys, raw_values), max_size=4))
    pairs = [
        (b'"overall"', b"4"),
        (b'"reviewerID"', b'"A1"'),
        (b'"asin"', b'"B1"'),
        (b'"unixReviewTime"', b"1529193600"),
        *pairs,
    ]
    line = b"{" + b", ".join(key + b": " + value for key, value in draw(st.permutations(pairs))) + b"}"
    breaks = [
        lambda: line,
        lambda: line[:-1],
        lambda: line + b",",
        lambda: line + line,
        lambda: b"\xef\xbb\xbf" + line,
        lambda: b"  " + line + b" \r",
        lambda: b"[" + line + b"]",
        lambda: b"",
        lambda: b"\0",
        lambda: b"{",
        lambda: b"[1]",
    ]
    return draw(st.sampled_from([breaks[0]] * 12 + breaks))()


def reviews_of(lines: list[bytes]) -> dict[int, Any]:
    """Line number to the row or the reason, read as a whole file of Amazon 2018."""
    told: dict[int, Any] = {}

    def reject(line: int, reason: str) -> None:
        told[line] = reason.removesuffix(" (the last line, without an end: it is cut off)")

    data = io.BytesIO(b"\n".join([*lines, b""]))
    for block in row_blocks("x", data, reject, is_row=lambda row: "asin" in row):
        frame = parse_reviews(ERAS["amazon-2018"], block, reject, Foreign())
        told |= {row[0]: row[1:] for row in frame.rows()}
    return told


@FEW
@given(st.lists(review_lines(), min_size=1, max_size=8), st.integers(3, 400))
def test_a_review_alone_is_the_review_in_any_block(lines: list[bytes], block_bytes: int) -> None:
    alone = [reviews_of([GOOD, GOOD, GOOD, line]).get(4) for line in lines]
    fill = [GOOD] * (len(lines) + 2)
    for some in (lines, lines[::-1]):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(lines_module, "BLOCK_BYTES", block_bytes)
            together = reviews_of([*fill, *some])
        found = [together.get(len(fill) + 1 + i) for i in range(len(some))]
        assert found == (alone if some is lines else alone[::-1])


def test_one_meaning_of_a_row_is_the_last_of_a_key_and_exact_numbers() -> None:
    lines = [
        GOOD[:-1] + more + b"}"
        for more in (
            b', "asin": "B9"',
            b', "asin": 123456789012345678901',
            b', "asin": 123456789012345678902',
            b', "overall": 5e0',
            b', "asin": "\\u0000"',
            b', "asin": NaN',
        )
    ]
    for beside in ([], [b"{broken"]):
        found = reviews_of([*lines, *beside, GOOD, GOOD])
        assert [found[i][1] for i in (1, 2, 3, 4)] == [
            "B9",
            "123456789012345678901",
            "123456789012345678902",
            "B0",
        ]
        assert found[5] == found[6] == "no 'asin'"


cells = st.text(st.sampled_from('ab,;"\n\r\t 好é'), max_size=5)
records = st.lists(cells, min_size=3, max_size=3)
broken_lines = st.sampled_from(
    [b"short", b"a,b,c,d", b"\xff,b,c", b"\0,b,c", b'"open,b,c', b"", b'x"y,2,3', b",,"]
)


def written(record: list[str]) -> bytes:
    quoted = ['"' + cell.replace('"', '""') + '"' if set(cell) & set('",\n\r') else cell for cell in record]
    return ",".join(quoted).encode()


def cells_of(parts: list[bytes]) -> tuple[dict[int, Any], list[int]]:
    """Line to the record or the reason, and the line on which each part starts."""
    told: dict[int, Any] = {}
    data = b"\n".join([b"a,b,c", *parts, b""])
    for frame, lines in delimited("t", io.BytesIO(data), told.__setitem__):
        told.update(zip(lines, frame.rows(), strict=True))
    starts = [2]
    for part in parts:
        starts.append(starts[-1] + 1 + part.count(b"\n"))
    return told, starts[:-1]


@FEW
@given(st.lists(st.one_of(records.map(written), broken_lines), max_size=9), st.integers(3, 200))
def test_a_record_alone_is_the_record_in_any_block(parts: list[bytes], block_bytes: int) -> None:
    # Three lines that are no UTF-8 and nothing else beyond ASCII: the file is refused, its encoding named.
    assume(parts.count(b"\xff,b,c") < 3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "BLOCK_BYTES", block_bytes)
        together, starts = cells_of(parts)
    if b'"open,b,c' in parts:  # it may take what comes after it for its own
        parts = parts[: parts.index(b'"open,b,c')]
    for part, start in zip(parts, starts, strict=False):
        alone, _ = cells_of([part])
        assert together.get(start) == alone.get(2), part


@pytest.mark.parametrize("rows", [200_000])
def test_quotes_that_never_close_take_no_long_time(rows: int) -> None:
    import time

    for line in ('a","b,c', '"aaa""', '"x', '",'):
        start = time.process_time()
        cells_of([line.encode()] * (1_000_000 // (len(line) + 1)))
        assert time.process_time() - start < 20


json_rows = st.lists(
    st.dictionaries(
        st.sampled_from(["id", "name", "more"]),
        st.recursive(
            st.one_of(st.text(max_size=6), st.integers(), st.booleans(), st.none(), st.just('}{]["\\')),
            lambda inner: (
                st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
            ),
            max_leaves=4,
        ),
        max_size=3,
    ).map(lambda row: {"id": 1, **row}),
    min_size=1,
    max_size=6,
)
LAYOUTS = {
    "lines": lambda rows, wide: "".join(json.dumps(row) + "\n" for row in rows),
    "array": lambda rows, wide: json.dumps(rows, indent=wide),
    "array on one line": lambda rows, wide: json.dumps(rows, ensure_ascii=False),
    "a row a line": lambda rows, wide: "[\n" + ",\n".join(json.dumps(row) for row in rows) + "\n]\n",
    "objects": lambda rows, wide: "\n".join(json.dumps(row, indent=wide) for row in rows),
    "a list in an object": lambda rows, wide: json.dumps(
        {"n": 3, "of": {"products": rows}, "z": 1}, indent=wide
    ),
    "pages": lambda rows, wide: "".join(json.dumps({"products": [row]}) + "\n" for row in rows),
}


def objects_of(text: str | bytes, told: list[tuple[int, str]] | None = None) -> list[tuple[int, Any]]:
    data = io.BytesIO(text.encode("utf-8", "replace") if isinstance(text, str) else text)
    rejects = told if told is not None else []
    batches = any_objects("x", data, lambda *r: rejects.append(r), is_row=lambda row: "id" in row)
    return [each for batch in batches for each in batch]


@FEW
@given(json_rows, st.sampled_from(sorted(LAYOUTS)), st.sampled_from([1, 4]), st.integers(1, 300))
def test_rows_are_the_same_in_every_layout_of_a_document(
    rows: list[dict[str, Any]], layout: str, wide: int, block_bytes: int
) -> None:
    text = LAYOUTS[layout](rows, wide)
    told: list[tuple[int, str]] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "BLOCK_BYTES", block_bytes)
        patch.setattr(documents_module, "_HEAD_BYTES", 4000)
        found = objects_of(text, told)
    assert [row for _, row in found] == rows and not told
    where = [i + 1 for i, line in enumerate(text.split("\n")) if line.startswith("{")]
    if layout in ("lines", "a row a line"):
        assert [line for line, _ in found] == where


def test_what_is_wrong_in_a_document_is_told_with_its_line() -> None:
    told: list[tuple[int, str]] = []
    text = '[\n {"id": 1},\n 7, "x",\n {"id": tru},\n [1],\n {"id": 2}, 8\n]\n'
    assert [row for _, row in objects_of(text, told)] == [{"id": 1}, {"id": 2}]
    assert sorted(line for line, _ in told) == [3, 3, 4, 5, 6]
    told.clear()
    assert objects_of('[{"id": 1}] {"id": 2}\n{"x":\n3}', told) == [(1, {"id": 1})]
    assert [line for line, _ in told] == [1, 2]
    for text in ('[\n{"id": 1},\n{"id": 2,', '{\n"products": [\n{"id": 1},\n{"id"', '[{"id": 1}', "[\n\n{"):
        with pytest.raises(DataError, match=r"line [134]: the JSON .* is cut off or broken"):
            objects_of(text)
    with pytest.raises(DataError, match=r"several lists \(a, b\)"):
        objects_of('{"a": [{"x": 1}], "b": [{"y": 1}]}')


def test_a_row_too_long_in_a_document_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lines_module, documents_module):
        monkeypatch.setattr(module, "LONGEST_BYTES", 300)
    monkeypatch.setattr(lines_module, "BLOCK_BYTES", 64)
    long = '{"id": 1, "text": "' + 'x\\\\"[{' * 300 + '", "a": [{}]}'
    told: list[tuple[int, str]] = []
    found = objects_of(f'[\n{{"id": 0}},\n{long},\n{{"id": 2}}\n]'.replace('\\\\"', '\\"'), told)
    assert found == [(2, {"id": 0}), (4, {"id": 2})] and [line for line, _ in told] == [3]


def test_a_document_is_read_in_bounded_memory(tmp_path: Path) -> None:
    """Eighty mebibytes on one line, seen by what waits between pieces."""

    class Endless(io.RawIOBase):
        n = 0

        def read1(self, n: int) -> bytes:
            self.n += 1
            row = b'{"id": 1, "text": "' + b"x" * 1000 + b'"},'
            return b"[" if self.n == 1 else row * 1000 if self.n < 80 else b"{}]" if self.n == 80 else b""

    sizes = [len(block.data) for block in row_blocks("x", Endless(), lambda *r: None)]  # type: ignore[arg-type]
    assert sum(sizes) > 79e6 and max(sizes) < 2 * lines_module.BLOCK_BYTES


def amazon_as(layout: str) -> str:
    return LAYOUTS[layout]([json.loads(GOOD) | {"asin": f"B{i}"} for i in range(5)], 2)


@pytest.mark.parametrize("layout", ["lines", "array", "array on one line", "objects"])
def test_amazon_files_are_read_in_every_layout(layout: str, tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(amazon_as(layout))
    shop = read("amazon-2018", tmp_path / "a.json")
    assert shop.reviews["item_id"].to_list() == [f"B{i}" for i in range(5)]


def test_two_halves_of_a_file_are_the_file(tmp_path: Path) -> None:
    lines = [GOOD.replace(b"B0", b"B%d" % i) if i % 7 else b"{broken" for i in range(60)]
    for name, part in (("whole", lines), ("one", lines[:23]), ("two", lines[23:])):
        (tmp_path / f"{name}.json").write_bytes(b"\n".join([*part, b""]))
    whole = read("amazon-2018", tmp_path / "whole.json")
    halves = read("amazon-2018", tmp_path / "one.json", tmp_path / "two.json")
    assert whole.reviews.equals(halves.reviews) and len(whole.rejects) == len(halves.rejects)


def test_one_row_of_another_era_among_ten_thousand_is_counted(tmp_path: Path) -> None:
    foreign = {"rating": 5.0, "user_id": "A1", "parent_asin": "P1", "timestamp": 1588687728923, "text": "x"}
    lines = [GOOD] * 10_000
    lines[4_321] = json.dumps(foreign).encode()
    path = tmp_path / "reviews.json"
    path.write_bytes(b"\n".join([*lines, b""]))
    count = read_into("amazon-2018", [path], tmp_path / "shop")
    assert count.rows["reviews"] == 9_999 and count.rejects == 1
    assert "line 4322" in str(count) and "this is amazon-2023, read it as that" in str(count)
