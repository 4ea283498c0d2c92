"""Files that are no table, or hardly one: each is named in a sentence, none takes long."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import lzma
import os
import struct
import tarfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from retailor.errors import DataError
from retailor.shop.files import packed, sink
from retailor.shop.read import read, read_into
from retailor.shop.tables import Shop
from retailor.store import artifact
from tests.shop.fuzz_files import fuzz

EVENTS: dict[str, Any] = {"events": {"columns": {"user_id": "u", "item_id": "i", "kind": "k"}}}
TEXT = b"u,i,k\n" + b"".join(b"u%d,i%d,buy\n" % (i, i % 50) for i in range(3000))


def read_bytes(folder: Path, data: bytes, name: str = "t.csv") -> Shop:
    (folder / name).write_bytes(data)
    return read("tabular", folder / name, tables=EVENTS)


def zipped(*members: tuple[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in members:
            archive.writestr(name, data)
    return out.getvalue()


def patched(data: bytes, at_local: int, at_central: int, value: int) -> bytes:
    """A zip with a field of both headers of its first member set."""
    made = bytearray(data)
    struct.pack_into("<H", made, at_local, value)
    struct.pack_into("<H", made, data.index(b"PK\x01\x02") + at_central, value)
    return bytes(made)


def tarred(mode: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:  # type: ignore[call-overload]
        info = tarfile.TarInfo("t.csv")
        info.size = len(TEXT)
        archive.addfile(info, io.BytesIO(TEXT))
    return out.getvalue()


@pytest.mark.parametrize(
    ("name", "make", "message"),
    [
        ("t.zip", lambda: patched(zipped(("t.csv", TEXT)), 6, 8, 1), r"t\.zip/t\.csv: this is encrypted"),
        ("t.zip", lambda: patched(zipped(("t.csv", TEXT)), 8, 10, 97), "packed by method 97.*deflate"),
        ("t.zip", lambda: zipped(("a.zip", zipped(("t.csv", TEXT)))), "a zip inside another file: unpack"),
        ("t.zip", lambda: zipped(), "there is no file in this zip"),
        ("t.xlsx", lambda: zipped(("[Content_Types].xml", b"<x/>")), "office file .* save it as CSV"),
        ("t.ods", lambda: zipped(("mimetype", b"x"), ("content.xml", b"<x/>")), "OpenDocument"),
        ("t.tar", lambda: tarred("w"), "a tar archive: unpack it"),
        ("t.tar.gz", lambda: tarred("w:gz"), "a tar archive: unpack it"),
        ("t.7z", lambda: b"7z\xbc\xaf\x27\x1c" + bytes(99), "a 7z archive: unpack it"),
        ("t.rar", lambda: b"Rar!\x1a\x07\x01\0" + bytes(99), "a RAR archive: unpack it"),
        ("t.zst", lambda: pa.compress(TEXT, "zstd", asbytes=True), "packed with zstd: unpack it"),
        ("t.pkl", lambda: b"\x80\x04\x95" + bytes(99), "a Python pickle"),
        ("t.csv", lambda: b"\n<!DOCTYPE html><html><form>Log in", "a web page, not data: .* log in"),
        ("t.xml", lambda: b"<?xml version='1.0'?><a/>", "this is XML"),
        ("t.csv", lambda: b"\n" * 9000 + b"  \n", "the file holds no rows"),
        (
            "t.csv",
            lambda: b"u,i,k" + b",x" * 300_000 + b"\n",
            "300,003 columns, and a table may have 200,000",
        ),
        ("t.csv", lambda: b"a" * (17 << 20) + b"\nu,i,k\na,b,buy\n", "line 1: the first line is too long"),
    ],
)
def test_what_is_no_table_is_named(
    name: str, make: Callable[[], bytes], message: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=message):
        read_bytes(tmp_path, make(), name)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress], ids=["gz", "bz2", "xz"])
@pytest.mark.parametrize("where", [0.0, 0.4, 0.99])
@pytest.mark.parametrize("how", ["cut", "flipped"])
def test_a_broken_packing_is_told_wherever_it_breaks(
    pack: Callable[[bytes], bytes], where: float, how: str, tmp_path: Path
) -> None:
    data = pack(TEXT)
    at = max(12, int(where * len(data)))
    broken = (
        data[:at] if how == "cut" else data[:at] + bytes(b ^ 0x5A for b in data[at : at + 9]) + data[at + 9 :]
    )
    told = (
        "cut off or corrupt here" if how == "cut" else r"t\.csv\.x"
    )  # text may be broken before a checksum is
    with pytest.raises(DataError, match=told):
        read_bytes(tmp_path, broken, "t.csv.x")


def test_what_is_packed_twice_or_in_several_members_is_read(tmp_path: Path) -> None:
    assert len(read_bytes(tmp_path, gzip.compress(gzip.compress(TEXT))).events) == 3000
    both = zipped(
        ("a.csv", TEXT), ("b.csv.gz", gzip.compress(TEXT)), ("__MACOSX/a", b"x"), (".DS_Store", b"x")
    )
    assert len(read_bytes(tmp_path, both, "t.zip").events) == 6000
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        assert len(read_bytes(tmp_path, zipped(("a.csv", TEXT), method=method), "t.zip").events) == 3000


def test_pipes_devices_and_what_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(DataError, match="this is a pipe, not a file"):
        read("tabular", tmp_path / "pipe", tables=EVENTS)
    with pytest.raises(DataError, match="this is a device, not a file"):
        read("tabular", "/dev/zero", tables=EVENTS)
    with pytest.raises(DataError, match="file name too long"):
        read("tabular", tmp_path / ("x" * 300), tables=EVENTS)

    opened = Path.open

    def denied(path: Path, *args: Any, **more: Any) -> Any:
        if path.name == "t.csv":
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *args, **more)

    (tmp_path / "t.csv").write_bytes(TEXT)
    monkeypatch.setattr(Path, "open", denied)
    with pytest.raises(DataError, match=r"t\.csv: it cannot be read: permission denied"):
        read("tabular", tmp_path / "t.csv", tables=EVENTS)


def test_a_bomb_is_refused_and_blank_lines_cost_little(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blank = b"\n" * (100 << 20)
    start = time.process_time()
    assert len(read_bytes(tmp_path, gzip.compress(TEXT + blank + b"a,b,buy\n", 1)).events) == 3001
    assert time.process_time() - start < 20
    monkeypatch.setattr(packed, "ALWAYS_BYTES", 1 << 20)
    for pack in (gzip.compress, bz2.compress, lzma.compress):
        with pytest.raises(DataError, match="unpack to more than 400 times as many"):
            read_bytes(tmp_path, pack(blank[: 50 << 20]))
    with pytest.raises(DataError, match="unpack to more than 400 times as many"):
        read_bytes(tmp_path, zipped(("t.csv", blank[: 50 << 20])), "t.zip")


def test_a_hundred_thousand_columns_take_no_long_time(tmp_path: Path) -> None:
    start = time.process_time()
    header = b",".join([b"u", b"i", b"k", *(b"c%d" % (i // 2) for i in range(100_000))])
    row = b"a,b,buy" + b",1" * 100_000
    assert len(read_bytes(tmp_path, b"\n".join([header, *[row] * 4, b""])).events) == 4
    assert time.process_time() - start < 20


def test_no_good_row_for_long_ends_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sink, "_HOPELESS", 1000)
    with pytest.raises(
        DataError, match="none of the last 1,000 rows could be read: is this the right reader"
    ):
        read_bytes(tmp_path, b"u,i,k\na,b,buy\n" + b"x\n" * 5000)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        (pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())), '{"a": 1}'),
        (pa.array([{"a": None}], pa.struct([("a", pa.null())])), '{"a": null}'),
        (pa.array([1], pa.decimal256(60, 2)), "1.00"),
        (pa.array(["x"]).dictionary_encode(), "x"),
    ],
)
def test_parquet_types_that_are_no_text_become_json(kind: Any, text: str, tmp_path: Path) -> None:
    pq.write_table(pa.table({"u": kind, "i": ["b"], "k": ["buy"]}), tmp_path / "t.parquet")
    found = read("tabular", tmp_path / "t.parquet", tables=EVENTS).events["user_id"].to_list()
    assert [value.strip('"') for value in found] == [text]


def test_parquet_with_an_impossible_zone_or_only_nulls(tmp_path: Path) -> None:
    table = {"events": {"columns": {**EVENTS["events"]["columns"], "time": "t"}}}
    for kind in (pa.timestamp("ms", "Mars/Phobos"), pa.timestamp("us", "+05:30")):
        time = pa.array([1_588_687_728_923], pa.timestamp("ms")).cast(pa.timestamp(kind.unit)).view(kind)
        pq.write_table(pa.table({"u": ["a"], "i": ["b"], "k": ["buy"], "t": time}), tmp_path / "t.parquet")
        shop = read("tabular", tmp_path / "t.parquet", tables=table)
        assert shop.events["time"].dt.epoch("ms").to_list() == [1_588_687_728_923]
    pq.write_table(pa.table({"u": pa.nulls(1), "i": ["b"], "k": ["buy"]}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match="no user_id"):
        read("tabular", tmp_path / "t.parquet", tables=EVENTS)


def test_a_full_disk_is_one_error_with_the_space_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "t.csv").write_bytes(TEXT)
    full = OSError(errno.ENOSPC, "No space left on device")
    for error in (full, pl.exceptions.ComputeError("No space left on device (os error 28)")):
        for method in ("write_table", "close"):

            def fail(*args: Any, error: Exception = error, **more: Any) -> None:
                raise error

            with monkeypatch.context() as patch:
                patch.setattr(pq.ParquetWriter, method, fail)
                with pytest.raises(DataError, match=r"shop: the disk is full: [\d,.]+ MB are left there"):
                    read_into("tabular", [tmp_path / "t.csv"], tmp_path / "shop", tables=EVENTS)
    assert [entry.name for entry in tmp_path.iterdir()] == ["t.csv"]
    assert not artifact.is_full_disk(OSError(errno.EACCES, "Permission denied"))


def test_a_slice_of_the_fuzzer_finds_no_traceback(tmp_path: Path) -> None:
    faults: list[str] = []
    outcomes = fuzz(range(250), tmp_path, faults.append)
    assert not faults, faults[0]
    assert sum(outcomes.values()) == 250 and outcomes["read"] > 40


@pytest.mark.slow
def test_fifty_thousand_mutated_files_and_no_traceback(tmp_path: Path) -> None:
    faults: list[str] = []
    fuzz(range(1_000_000, 1_050_000), tmp_path, faults.append)
    assert not faults, faults[0]


@pytest.mark.parametrize("form", ["plain", "large", "dictionary"])
def test_a_parquet_cell_that_is_no_text_is_a_reject_of_its_row(form: str, tmp_path: Path) -> None:
    raw = pa.array([b"a", b"\xd0( b", "好".encode()], pa.binary())
    user = raw.cast(pa.large_binary()).view(pa.large_string()) if form == "large" else raw.view(pa.string())
    user = user.dictionary_encode() if form == "dictionary" else user
    pq.write_table(pa.table({"u": user, "i": ["b"] * 3, "k": ["buy"] * 3}), tmp_path / "t.parquet")
    shop = read("tabular", tmp_path / "t.parquet", tables=EVENTS)
    assert shop.events["user_id"].to_list() == ["a", "好"]
    assert shop.rejects.select("line", "reason").rows() == [(2, "column 'u' is not UTF-8")]


def test_a_parquet_list_with_a_text_that_is_none_is_named(tmp_path: Path) -> None:
    inner = pa.array([b"a", b"\xd0( b"], pa.binary()).view(pa.string())
    user = pa.ListArray.from_arrays([0, 1, 2], inner)
    pq.write_table(pa.table({"u": user, "i": ["b"] * 2, "k": ["buy"] * 2}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"column 'u'.*UTF"):
        read("tabular", tmp_path / "t.parquet", tables=EVENTS)
