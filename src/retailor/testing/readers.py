"""The contract of a reader. Give it the lines of a good file; it tries what files go through."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from polars.testing import assert_frame_equal

from retailor.errors import DataError
from retailor.shop.read import read, read_into
from retailor.shop.tables import Shop, open_shop


class ReaderContract:
    """Subclass, and override `reader` (with `tables` where it is 'tabular'), `lines` and `rows`."""

    reader = ""
    tables: Mapping[str, Any] | None = None
    file_name = "data.jsonl"
    n_header = 0
    """Lines at the top that are no row."""
    broken = b'{"never": "closed'
    """A line that is no row."""

    def lines(self) -> list[bytes]:
        """The lines of a good file: three or more, at least one with more than ASCII in it."""
        raise NotImplementedError

    def rows(self) -> dict[str, int]:
        """Table to the rows in it that the file gives; tables without any may be left out."""
        raise NotImplementedError

    def write(self, folder: Path, data: bytes | None = None) -> Path:
        path = folder / self.file_name
        path.write_bytes(b"\n".join([*self.lines(), b""]) if data is None else data)
        return path

    def read(self, path: Path, max_rejects: int | None = None) -> Shop:
        return read(self.reader, path, tables=self.tables, max_rejects=max_rejects)

    @pytest.fixture
    def shop(self, tmp_path: Path) -> Shop:
        return self.read(self.write(tmp_path))

    def test_every_row_is_there(self, shop: Shop) -> None:
        found = {name: len(table) for name, table in shop.tables().items() if len(table)}
        assert found == self.rows()

    def test_read_save_open_is_the_identity(self, shop: Shop, tmp_path: Path) -> None:
        shop.save(tmp_path / "saved")
        _same(open_shop(tmp_path / "saved"), shop)

    def test_reading_into_a_folder_gives_the_same_and_counts_it(self, shop: Shop, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        count = read_into(self.reader, [path], tmp_path / "shop", tables=self.tables)
        _same(open_shop(tmp_path / "shop"), shop)
        assert dict(count.rows) == self.rows() and count.rejects == 0

    @pytest.mark.parametrize("form", ["gz", "crlf", "bom", "utf-16", "no last newline", "blank lines"])
    def test_other_forms_of_the_file_read_the_same(self, shop: Shop, tmp_path: Path, form: str) -> None:
        text = b"\n".join([*self.lines(), b""])
        forms = {
            "gz": lambda: gzip.compress(text),
            "crlf": lambda: text.replace(b"\n", b"\r\n"),
            "bom": lambda: b"\xef\xbb\xbf" + text,
            "utf-16": lambda: text.decode().encode("utf-16"),
            "no last newline": lambda: text[:-1],
            "blank lines": lambda: text + b"\n\n",
        }
        _same(self.read(self.write(tmp_path, forms[form]())), shop)

    @pytest.mark.parametrize("bad", ["broken", "not UTF-8", "NUL"])
    def test_a_bad_line_is_a_reject_with_its_number(self, shop: Shop, tmp_path: Path, bad: str) -> None:
        lines = self.lines()
        at = len(lines) - 1
        wrong = {"broken": self.broken, "not UTF-8": lines[at][:-1] + b"\xb0\xa1\xff", "NUL": b"\0" * 40}[bad]
        path = self.write(tmp_path, b"\n".join([*lines[:at], wrong, *lines[at:], b""]))
        found = self.read(path)
        assert found.rejects["line"].to_list() == [at + 1]
        assert found.rejects["path"].to_list() == [str(path)]
        assert found.rejects["reason"][0]
        _same(found, shop)

    def test_more_rejects_than_allowed_are_an_error(self, tmp_path: Path) -> None:
        lines = self.lines()
        path = self.write(tmp_path, b"\n".join([*lines, self.broken, b""]))
        assert len(self.read(path, max_rejects=1).rejects) == 1
        with pytest.raises(DataError, match=f"max_rejects is 0.*line {len(lines) + 1}"):
            self.read(path, max_rejects=0)

    def test_a_file_without_one_good_row_is_an_error(self, tmp_path: Path) -> None:
        header = self.lines()[: self.n_header]
        path = self.write(tmp_path, b"\n".join([*header, self.broken, self.broken, b""]))
        with pytest.raises(DataError):
            self.read(path)

    def test_a_cut_off_gzip_names_file_and_line(self, tmp_path: Path) -> None:
        packed = gzip.compress(b"\n".join([*self.lines(), b""]))
        path = self.write(tmp_path, packed[: len(packed) - 12])
        with pytest.raises(DataError, match=rf"{self.file_name} line \d+: the packed file is cut off"):
            self.read(path)

    def test_no_file_is_named(self, tmp_path: Path) -> None:
        path = self.write(tmp_path)
        with pytest.raises(DataError, match=f"no such file. Did you mean '.*{self.file_name}'"):
            self.read(path.with_name("x" + path.name))
        with pytest.raises(DataError, match=f"is a folder.*{self.file_name}"):
            self.read(tmp_path)
        with pytest.raises(DataError, match="is empty"):
            self.read(self.write(tmp_path, b""))

    def test_a_failed_reading_leaves_nothing_behind(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, b"\n".join([*self.lines(), self.broken, b""]))
        with pytest.raises(DataError):
            read_into(self.reader, [path], tmp_path / "shop", tables=self.tables, max_rejects=0)
        assert [entry.name for entry in tmp_path.iterdir()] == [self.file_name]


def _same(one: Shop, other: Shop) -> None:
    for name, table in one.tables().items():
        if name != "rejects":
            assert_frame_equal(table, other.tables()[name])
