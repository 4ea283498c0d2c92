"""Column maps, delimiters, quotes, times, and what is wrong with them."""

from __future__ import annotations

import csv
import gzip
import io
import json
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import ConfigError, DataError
from retailor.shop.files import delimited as delimited_module
from retailor.shop.files import lines as lines_module
from retailor.shop.files.delimited import delimited
from retailor.shop.files.lines import blocks
from retailor.shop.read import read, read_into
from retailor.shop.tables import Shop

EVENTS: dict[str, Any] = {"columns": {"user_id": "u", "item_id": "i", "kind": "k"}}


def read_text(
    tmp_path: Path, text: str | bytes, tables: dict[str, Any], name: str = "t.csv", **more: Any
) -> Shop:
    path = tmp_path / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return read("tabular", path, tables=tables, **more)


def frames(
    text: str | bytes, **options: Any
) -> tuple[list[tuple[Any, ...]], list[int], list[tuple[int, str]]]:
    """Rows, their lines, and the rejects."""
    rejects: list[tuple[int, str]] = []
    data = text.encode() if isinstance(text, str) else text
    found = list(delimited("t", io.BytesIO(data), lambda *r: rejects.append(r), **options))
    rows = [row for frame, _ in found for row in frame.rows()]
    return rows, [line for _, lines in found for line in lines], rejects


@pytest.mark.parametrize("delimiter", [",", "\t", ";", "|"])
def test_the_delimiter_is_the_one_the_header_speaks_for(delimiter: str, tmp_path: Path) -> None:
    text = "u,i,k\na,b,buy\nc,d,view\n".replace(",", delimiter)
    shop = read_text(tmp_path, text, {"events": EVENTS})
    assert shop.events["kind"].to_list() == ["buy", "view"]


def test_without_a_header(tmp_path: Path) -> None:
    for source in ({"names": ["u", "i", "k"]}, {"columns": {"user_id": "1", "item_id": "2", "kind": "3"}}):
        shop = read_text(tmp_path, "a,b,buy\n", {"events": {**EVENTS, "header": False, **source}})
        assert shop.events.row(0)[:3] == ("a", "b", "buy")


def test_ragged_lines_are_rejects_with_their_numbers() -> None:
    text = "u,i,k\na,b,c\nshort\na,b,c,d,e\n\nx,y,z\n"
    rows, lines, rejects = frames(text)
    assert rows == [("a", "b", "c"), ("x", "y", "z")] and lines == [2, 6]
    assert rejects == [(3, "1 fields where 3 are expected"), (4, "5 fields where 3 are expected")]


def test_one_line_too_short_and_one_too_long_do_not_cancel_out() -> None:
    rows, lines, rejects = frames("a,b\n1\n1,2,3\n4,5\n")
    assert (rows, lines, [line for line, _ in rejects]) == ([("4", "5")], [4], [2, 3])


def test_quoted_fields_hold_delimiters_quotes_and_line_breaks() -> None:
    text = 'a,b\n"x,y","he said ""hi"""\n"two\nlines",2\nplain,3\n'
    rows, lines, rejects = frames(text)
    assert rows == [("x,y", 'he said "hi"'), ("two\nlines", "2"), ("plain", "3")]
    assert lines == [2, 3, 5] and not rejects


def test_a_stray_quote_costs_its_own_line_only() -> None:
    text = 'a,b\n1,2\n"never closed,3\n4,5\n6,7\n12" screen,8\n"x" y,9\n"fine",10\n'
    rows, lines, rejects = frames(text)
    assert rows == [("1", "2"), ("4", "5"), ("6", "7"), ('12" screen', "8"), ("x y", "9"), ("fine", "10")]
    assert lines == [2, 4, 5, 6, 7, 8] and [line for line, _ in rejects] == [3]


def test_a_stray_quote_at_the_end_of_the_file() -> None:
    rows, lines, rejects = frames('a,b\n"x",1\n"open,2\n3,4\n5,6\n')
    assert (rows, lines) == ([("x", "1"), ("3", "4"), ("5", "6")], [2, 4, 5])
    assert [line for line, _ in rejects] == [3]


def test_quotes_can_be_switched_off() -> None:
    rows, _, rejects = frames('a,b\n"x,1\n', quote=None)
    assert rows == [('"x', "1")] and not rejects


field = st.text(st.characters(blacklist_categories=("Cs", "Cc"), blacklist_characters="\ufeff"), max_size=6)
broken_field = st.one_of(field, st.sampled_from(['"', "a\nb", 'a""', ",", '",', "\n\n"]))


@given(st.lists(st.tuples(broken_field, broken_field), max_size=12))
def test_what_the_csv_module_writes_is_read_back(rows: list[tuple[str, str]]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows([("a", "b"), *rows])
    found, _, rejects = frames(out.getvalue())
    blank = [(x or None, y or None) for x, y in rows]
    assert [row for row in found if row != (None, None)] == [row for row in blank if row != (None, None)]
    assert not rejects


@given(
    st.lists(st.sampled_from(["1,2", "1", "1,2,3", '"a",b', '"a\nb",c', '"open,1', "", 'x"y,2']), max_size=30)
)
def test_no_line_is_lost_whatever_the_blocks(parts: list[str]) -> None:
    """Every line with something in it is in a row or a reject, wherever the blocks are cut."""
    text = "\n".join(["h1,h2", *parts, ""])
    whole = frames(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(lines_module, "BLOCK_BYTES", 7)
        assert frames(text) == whole
    rows, lines, rejects = whole
    told = {line for line, _ in rejects}
    for row, line in zip(rows, lines, strict=True):
        told |= set(range(line, line + 1 + sum((cell or "").count("\n") for cell in row)))
    held = {i + 1 for i, line in enumerate(text.split("\n")) if line.strip() and i}
    assert held <= told


def test_lines_and_blocks_add_up_with_long_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lines_module, "BLOCK_BYTES", 16)
    monkeypatch.setattr(lines_module, "LONGEST_BYTES", 64)
    rejects: list[tuple[int, str]] = []
    data = b"one\n" + b"x" * 500 + b"\nthree\nfour"
    found = list(blocks("t", io.BytesIO(data), lambda *r: rejects.append(r)))
    assert b"".join(block.data for block in found) == b"one\nthree\nfour\n"
    assert [line for line, _ in rejects] == [2] and found[-1].cut
    at = {block.line + i: raw for block in found for i, raw in enumerate(block.data.split(b"\n")[:-1])}
    assert at == {1: b"one", 3: b"three", 4: b"four"}


def test_other_encodings(tmp_path: Path) -> None:
    rows = "".join(f"用户{i},商品{i},buy\n" for i in range(5))
    text = f"u,i,k\n{rows}"
    with pytest.raises(
        DataError, match=r"t.csv line 2: not UTF-8 \(byte 0x.*looks like GBK.*encoding = 'GBK'"
    ):
        read_text(tmp_path, text.encode("gbk"), {"events": EVENTS})
    for encoding in ("gbk", "utf-16", "utf-16-le", "utf-32"):
        given_encoding = {"encoding": encoding} if encoding == "gbk" else {}
        plain = text.replace("用户", "user ").replace("商品", "item ") if encoding == "utf-16-le" else text
        shop = read_text(tmp_path, plain.encode(encoding), {"events": {**EVENTS, **given_encoding}})
        assert len(shop.events) == 5
    latin = "u,i,k\n" + "".join(f"Zoë{i},café,buy\n" for i in range(5))
    with pytest.raises(DataError, match=r"line 2: not UTF-8.*looks like LATIN1"):
        read_text(tmp_path, latin.encode("latin-1"), {"events": EVENTS})
    in_ascii = {"events": {**EVENTS, "encoding": "ascii"}}
    shop = read_text(tmp_path, "u,i,k\na,b,buy\né,b,buy\n", in_ascii)
    assert shop.rejects.row(0)[1:] == (3, "not in the encoding of the file") and len(shop.events) == 1
    with pytest.raises(DataError, match="line 2: most lines are not in the encoding"):
        read_text(tmp_path, "u,i,k\n" + "é,b,buy\n" * 5, in_ascii)


@pytest.mark.parametrize(
    ("given_text", "options"),
    [
        ("1511544070", {"time_unit": "s"}),
        ("1511544070000", {"time_unit": "ms"}),
        ("1511544070000000", {"time_unit": "us"}),
        ("1511544070.0", {"time_unit": "s"}),
        ("2017-11-24 17:21:10", {}),
        ("2017-11-24T17:21:10Z", {}),
        ("2017-11-25T01:21:10+08:00", {}),
        ("2017/11/24 17:21:10", {}),
        ("2017-11-25 01:21:10", {"time_zone": "Asia/Shanghai"}),
        ("24.11.2017 17:21:10", {"time_format": "%d.%m.%Y %H:%M:%S"}),
    ],
)
def test_times(given_text: str, options: dict[str, Any], tmp_path: Path) -> None:
    columns = {**EVENTS["columns"], "time": "t"}
    shop = read_text(
        tmp_path, f"u,i,k,t\na,b,buy,{given_text}\n", {"events": {"columns": columns, **options}}
    )
    assert shop.events["time"].to_list() == [datetime(2017, 11, 24, 17, 21, 10, tzinfo=UTC)]


def test_bad_times_are_rejects_with_a_hint(tmp_path: Path) -> None:
    columns = {**EVENTS["columns"], "time": "t"}
    text = "u,i,k,t\na,b,buy,2024-01-01\na,b,buy,1511544070\na,b,buy,\n"
    shop = read_text(tmp_path, text, {"events": {"columns": columns}})
    assert shop.rejects.row(0)[1:] == (
        3,
        "time '1511544070' is not ISO 8601; give time_unit or time_format",
    )
    assert shop.events["time"].null_count() == 1
    in_ms = {"events": {"columns": columns, "time_unit": "s"}}
    with pytest.raises(DataError, match=r"is in the year 49868: is it a number of s"):
        read_text(tmp_path, "u,i,k,t\na,b,buy,1511544070000\n", in_ms)


def test_values_outside_the_map_are_rejects(tmp_path: Path) -> None:
    table = {**EVENTS, "values": {"kind": {"pv": "view", "buy": "buy"}}}
    shop = read_text(tmp_path, "u,i,k\na,b,pv\na,b,zz\n,b,pv\na,b,\n", {"events": table})
    assert shop.events["kind"].to_list() == ["view"]
    assert shop.rejects["line"].to_list() == [3, 4, 5]
    assert shop.rejects["reason"].to_list() == [
        "kind 'zz' is not one of pv, buy",
        "no user_id (column 'u' is empty)",
        "no kind (column 'k' is empty)",
    ]
    with pytest.raises(DataError, match="kind 'pv' is not one of view, cart, buy, favourite, rate"):
        read_text(tmp_path, "u,i,k\na,b,pv\n", {"events": EVENTS})


def test_labels_follow_stars_or_a_map(tmp_path: Path) -> None:
    stars = {"columns": {"text": "t", "rating": "s"}}
    shop = read_text(tmp_path, "t,s\ngood,5\nmeh,3\nbad,1\nodd,9\nnone,x\n", {"reviews": stars})
    assert shop.reviews["label"].to_list() == ["positive", "neutral", "negative", None, None]
    assert shop.reviews["rating"].to_list() == [5, 3, 1, None, None] and not len(shop.rejects)
    assert shop.unread.sort("reason").select("column", "reason", "n", "examples").rows() == [
        ("rating", "9.0 is not within 1 to 5", 1, ["'9' (line 5)"]),
        ("rating", "is no number", 1, ["'x' (line 6)"]),
    ]
    mapped = {"columns": {"text": "t", "label": "s"}, "values": {"label": {"+": "positive"}}}
    assert read_text(tmp_path, "t,s\ngood,+\n", {"reviews": mapped}).reviews["label"].to_list() == [
        "positive"
    ]


def test_items_with_prices_paths_and_repeats(tmp_path: Path) -> None:
    table = {
        "columns": {"item_id": "id", "title": "name", "price": "price", "category": "path"},
        "constants": {"currency": "EUR", "language": "en"},
        "list_separator": ">",
    }
    text = 'id,name,price,path\n1,Cup,"$1,299.50",Home > Kitchen\n2,Pan,soon,\n1,Cup again,3,Home\n'
    shop = read_text(tmp_path, text, {"items": table})
    assert shop.items["price"].to_list() == [1299.5, None]
    assert shop.items["category"].to_list() == [["Home", "Kitchen"], None]
    assert shop.items["currency"].to_list() == ["EUR", "EUR"]
    assert shop.rejects.row(0)[1:] == (4, "item '1' was already described: the first row is kept")


def test_one_file_fills_several_tables(tmp_path: Path) -> None:
    tables = {
        "events": {**EVENTS, "values": {"kind": {"pv": "view"}}},
        "items": {"columns": {"item_id": "i", "category": "c"}, "derived": True},
    }
    shop = read_text(tmp_path, "u,i,k,c\na,b,pv,x\na,b,pv,x\na,d,??,y\n", tables)
    assert (len(shop.events), shop.items["item_id"].to_list(), len(shop.rejects)) == (2, ["b"], 1)


def test_each_file_goes_to_the_tables_it_has_columns_for(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("id;name\n1;Cup\n")
    (tmp_path / "events.tsv").write_text("u\ti\tk\na\t1\tbuy\n")
    tables = {"items": {"columns": {"item_id": "id", "title": "name"}}, "events": EVENTS}
    shop = read("tabular", tmp_path / "items.csv", tmp_path / "events.tsv", tables=tables)
    assert (len(shop.items), len(shop.events)) == (1, 1)


@pytest.mark.parametrize("form", ["jsonl", "array", "zip", "parquet"])
def test_json_and_parquet(form: str, tmp_path: Path) -> None:
    rows = [
        {
            "id": 1,
            "name": "Cup",
            "price": 2.5,
            "path": [["Home", "Kitchen"]],
            "specs": {"colour": "red", "n": 3},
        },
        {"id": 2, "name": "Pan", "price": None, "path": None, "specs": None},
    ]
    table = {
        "columns": {
            "item_id": "id",
            "title": "name",
            "price": "price",
            "category": "path",
            "attributes": "specs",
        }
    }
    name = {"jsonl": "t.jsonl", "array": "t.json", "zip": "t.json.zip", "parquet": "t.parquet"}[form]
    path = tmp_path / name
    if form == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif form == "array":
        path.write_text(json.dumps(rows, indent=1))
    elif form == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("part.json", json.dumps(rows))
    else:
        for row in rows:
            specs = row["specs"]
            row["specs"] = [{"name": k, "value": str(v)} for k, v in specs.items()] if specs else None  # type: ignore[attr-defined]
        pl.DataFrame(rows).write_parquet(path)
    items = read("tabular", path, tables={"items": table}).items
    assert items["item_id"].to_list() == ["1", "2"] and items["price"].to_list() == [2.5, None]
    assert items["category"].to_list() == [["Home", "Kitchen"], None]
    assert items["attributes"].to_list() == [
        [{"name": "colour", "value": "red"}, {"name": "n", "value": "3"}],
        None,
    ]


def test_a_json_array_has_line_numbers_and_an_end(tmp_path: Path) -> None:
    table = {"items": {"columns": {"item_id": "id", "title": "name"}}}
    text = '[\n {"id": 1, "name": "a"},\n 7,\n {"name": "b"},\n {"id": 2,\n "name": "c"}\n]\n'
    shop = read_text(tmp_path, text, table, "t.json")
    assert shop.items["item_id"].to_list() == ["1", "2"] and shop.rejects["line"].to_list() == [3, 4]
    with pytest.raises(DataError, match="line 5: the JSON array is cut off or broken"):
        read_text(tmp_path, text[:-8], table, "t.json")


def test_corrupt_parquet_and_zip_are_named(tmp_path: Path) -> None:
    pl.DataFrame({"u": ["a"], "i": ["b"], "k": ["buy"]}).write_parquet(tmp_path / "good.parquet")
    whole = (tmp_path / "good.parquet").read_bytes()
    with pytest.raises(DataError, match=r"bad\.parquet: the Parquet file is cut off or corrupt"):
        read_text(tmp_path, whole[:-20], {"events": EVENTS}, "bad.parquet")
    with pytest.raises(DataError, match=r"t\.zip: the zip is cut off or corrupt"):
        read_text(tmp_path, b"PK\x03\x04 not really", {"events": EVENTS}, "t.zip")
    with pytest.raises(DataError, match=r"t.csv.gz line 1: the packed file is cut off or corrupt"):
        read_text(tmp_path, gzip.compress(b"u,i,k\na,b,buy\n")[:12], {"events": EVENTS}, "t.csv.gz")


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"event": EVENTS}, "no table 'event'.*Did you mean 'events'"),
        ({"events": {"columns": {"user": "u"}}}, "'events' has no column 'user'.*Did you mean 'user_id'"),
        ({"events": {"columns": {"user_id": "u", "item_id": "i"}}}, "no column for 'kind'"),
        ({"events": {**EVENTS, "delimeter": ";"}}, "no setting 'delimeter'.*Did you mean 'delimiter'"),
        ({"events": {**EVENTS, "delimiter": ";;"}}, "delimiter"),
        ({"events": {**EVENTS, "time_unit": "h"}}, "time_unit"),
        ({"events": 3}, "a mapping is expected"),
        ({}, "needs a column map"),
        (None, "needs a column map"),
    ],
)
def test_a_wrong_map_names_the_nearest(tables: Any, message: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=message):
        read_text(tmp_path, "u,i,k\na,b,buy\n", tables)


def test_a_missing_column_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 1: no column 'u'; it has usr, i, k"):
        read_text(tmp_path, "usr,i,k\na,b,buy\n", {"events": EVENTS})
    named = {"events": {"columns": {"user_id": "user_id", "item_id": "i", "kind": "k"}}}
    with pytest.raises(DataError, match="Did you mean 'userid'"):
        read_text(tmp_path, "userid,i,k\na,b,buy\n", named)
    with pytest.raises(DataError, match="no column 'user_id'; it has i, k, userid"):
        read_text(tmp_path, '{"userid": 1, "i": 2, "k": "buy"}\n', named, "t.jsonl")


def test_presets_take_no_maps(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="only 'tabular' takes column maps"):
        read("taobao", tmp_path / "x", tables={"events": EVENTS})


def test_memory_of_rejects_is_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from retailor.shop.files import sink

    monkeypatch.setattr(sink, "_REJECTS_A_BATCH", 10)
    text = "u,i,k\na,b,buy\n" + "".join(f"bad{i}\n" for i in range(95))
    shop = read_text(tmp_path, text, {"events": EVENTS})
    assert shop.rejects["line"].to_list() == list(range(3, 98))


def test_a_field_longer_than_the_limit_is_a_reject(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited_module, "_MAX_LENGTH", 1000)
    rows, lines, rejects = frames('a,b\n"x\n' + "y" * 2000 + '\nz",1\n2,3\n"q",4\n')
    assert rows == [('z"', "1"), ("2", "3"), ("q", "4")] and lines == [4, 5, 6]
    assert [line for line, _ in rejects] == [2, 3]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"encoding": "nonsense"}, "there is no encoding 'nonsense'"),
        ({"encoding": "rot13"}, "there is no encoding 'rot13'"),
        ({"time_zone": "Asia/Shangai"}, "no time zone 'Asia/Shangai'.*Did you mean 'Asia/Shanghai'"),
        ({"since": "soon"}, "'since' = 'soon'"),
        ({"optional": ["kind"]}, "'events' needs 'kind', so it cannot be optional"),
        ({"constants": {"rating": "high"}}, "'high' cannot be a value of 'rating'"),
        ({"constants": {"rating": 9}}, "9 cannot be a value of 'rating'"),
        ({"values": {"kind": {"click": "stare"}}}, "'stare' cannot be a value of 'kind'"),
        ({"names": ["u", "i", "k", "u"], "header": False}, "'names' has 'u' twice"),
    ],
)
def test_a_map_that_cannot_work_is_refused_before_reading(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=message):
        read("tabular", tmp_path / "there is none", tables={"events": {**EVENTS, **options}})


def test_constants_become_the_columns_type(tmp_path: Path) -> None:
    table = {"columns": {"user_id": "u", "item_id": "i"}, "constants": {"kind": "buy", "time": "2024-01-02"}}
    items = {"columns": {"item_id": "i"}, "constants": {"category": "toys"}, "derived": True}
    shop = read_text(tmp_path, "u,i\na,b\n", {"events": table, "items": items})
    assert shop.events["time"].to_list() == [datetime(2024, 1, 2, tzinfo=UTC)]
    assert shop.items["category"].to_list() == [["toys"]]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "this is a PNG image, not text"),
        (bytes(range(1, 256)) * 40, "this is a binary file, not text"),
        (b"u,i,k\ra,b,buy\rc,d,buy\r", "its lines end in a carriage return alone"),
        (b"\n \n\n", "the file holds no rows"),
        (b"a" * 200_000, r"no column 'u'; it has a{40}\."),
    ],
)
def test_what_is_no_table_is_said_in_a_sentence(data: bytes, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read_text(tmp_path, data, {"events": EVENTS})


def test_an_office_file_is_named(tmp_path: Path) -> None:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("[Content_Types].xml", "<x/>")
    with pytest.raises(DataError, match="office file"):
        read_text(tmp_path, packed.getvalue(), {"events": EVENTS}, "book.xlsx")


def test_blank_lines_before_the_header_keep_the_numbers(tmp_path: Path) -> None:
    shop = read_text(tmp_path, "\n\nu,i,k\na,b,buy\nshort\n", {"events": EVENTS})
    assert len(shop.events) == 1 and shop.rejects["line"].to_list() == [5]


def test_utf16_without_a_mark_holds_chinese_too(tmp_path: Path) -> None:
    text = "u,i,k\n" + "".join(f"用户上一{i},商品吊一{i},buy\n" for i in range(9))
    for encoding in ("utf-16-le", "utf-16-be"):
        assert len(read_text(tmp_path, text.encode(encoding), {"events": EVENTS}).events) == 9
    shop = read_text(tmp_path, b"u,i,k\na\0,b,buy\n" + b"c,d,buy\n" * 99, {"events": EVENTS})
    assert len(shop.events) == 99 and shop.rejects["line"].to_list() == [2]


def test_bytes_of_parquet_are_text_or_rejects(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    frame = pl.DataFrame({"u": [b"a", b"\xff", None], "i": ["x"] * 3, "k": ["buy"] * 3})
    frame.write_parquet(path)
    shop = read("tabular", path, tables={"events": EVENTS})
    assert shop.events["user_id"].to_list() == ["a"]
    assert [reason[:8] for reason in shop.rejects["reason"]] == ["column '", "no user_"]
    frame.with_columns(u=pl.duration(days=1)).write_parquet(path)
    with pytest.raises(DataError, match="column 'u' is of type duration"):
        read("tabular", path, tables={"events": EVENTS})


def test_attributes_are_read_out_of_json_text_and_structs(tmp_path: Path) -> None:
    table = {"items": {"columns": {"item_id": "id", "attributes": "a"}}}
    text = 'id;a\n1;{"Colour": "red"}\n2;\n3;red\n'
    shop = read_text(tmp_path, text, {"items": {**table["items"], "quote": ""}})
    assert shop.items["attributes"].to_list() == [[{"name": "Colour", "value": "red"}], None, None]
    assert shop.unread.row(0)[2:] == ("attributes", "is no JSON of that kind", 1, ["'red' (line 4)"])
    more = {"id": ["1"], "a": [[{"name": "Size", "value": "5", "unit": "cm"}]]}
    pl.DataFrame(more).write_parquet(tmp_path / "t.parquet")
    shop = read("tabular", tmp_path / "t.parquet", tables=table)
    assert shop.items["attributes"].to_list() == [[{"name": "Size", "value": "5"}]]


def test_a_file_named_twice_and_less_than_no_rejects_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("u,i,k\na,b,buy\n", encoding="utf-8")
    with pytest.raises(DataError, match="named twice"):
        read("tabular", path, tmp_path / "." / "t.csv", tables={"events": EVENTS})
    with pytest.raises(ConfigError, match="0 or more"):
        read("tabular", path, tables={"events": EVENTS}, max_rejects=-1)


def test_a_count_shows_the_first_reject_of_each_kind(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("u,i,k\na,b,buy\na,b,x\na,b,y\n,b,buy\n", encoding="utf-8")
    count = read_into("tabular", [path], tmp_path / "shop", tables={"events": EVENTS})
    assert str(count).splitlines() == [
        "1 events; 3 rows could not be read:",
        "  2 × like t.csv line 3: kind 'x' is not one of view, cart, buy, favourite, rate",
        "  1 × like t.csv line 5: no user_id (column 'u' is empty)",
    ]
