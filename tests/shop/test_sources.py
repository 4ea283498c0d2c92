"""Databases and lakes: the same shop as from a file, and later only what is new, each row once."""

from __future__ import annotations

import json
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.errors import ConfigError, DataError, RetailorError
from retailor.shop.read import read_sources
from retailor.shop.sources.kept import take_new
from retailor.shop.sources.origin import Origin
from retailor.shop.sources.settings import Source
from retailor.shop.sources.spool import read_batches
from retailor.shop.tables import Shop, open_shop

START = datetime(2026, 3, 1, 12)
EVENTS = {"columns": {"user_id": "customer", "item_id": "sku", "time": "Bought at", "rating": "paid"},
          "constants": {"kind": "buy"}, "optional": ["time"]}  # fmt: skip
KINDS = ("sqlite", "postgresql", "duckdb", "parquet", "delta", "iceberg")
Rows = list[tuple[str | None, str | None, datetime | None, float]]


def rows(n: int, first: int = 0, step: timedelta = timedelta(hours=1)) -> Rows:
    return [(f"c{i % 7}", f"s{i % 5}", START + step * i, 1 + i % 5) for i in range(first, first + n)]


@dataclass
class Place:
    """A table of orders somewhere, with a door to put rows in."""

    source: Source
    add: Callable[[Rows], None]


def frame_of(some: Rows) -> pl.DataFrame:
    schema = {"customer": pl.String, "sku": pl.String, "Bought at": pl.Datetime("us"), "paid": pl.Float64}
    return pl.DataFrame(some, schema=schema, orient="row")


QUERY = 'SELECT customer, sku, bought AS "Bought at", paid FROM orders -- a: b'
CREATE = "CREATE TABLE orders (customer TEXT, sku TEXT, bought {time}, paid DOUBLE PRECISION)"


def sqlite(tmp: Path) -> Place:
    path = tmp / "shop.db"

    def add(some: Rows) -> None:
        with sqlite3.connect(path) as connection:
            texts = [(c, s, t.isoformat(sep=" ") if t else None, p) for c, s, t, p in some]
            connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?)", texts)
        connection.close()

    with sqlite3.connect(path) as connection:
        connection.execute(CREATE.format(time="TEXT"))
    connection.close()
    return Place(Source(url=f"sqlite:///{path}", query=QUERY, tables={"events": EVENTS}), add)


def postgresql(socket: Path) -> Place:
    import sqlalchemy as sa

    name = f"shop_{uuid.uuid4().hex[:12]}"
    server = f"postgresql+psycopg://retailor@/{{}}?host={socket}"
    engine = sa.create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine = sa.create_engine(server.format(name), poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(CREATE.format(time="TIMESTAMP")))

    def add(some: Rows) -> None:
        with engine.begin() as connection:
            values = [dict(zip(("c", "s", "t", "p"), row, strict=True)) for row in some]
            if values:
                connection.execute(sa.text("INSERT INTO orders VALUES (:c, :s, :t, :p)"), values)

    return Place(Source(url=server.format(name), query=QUERY, tables={"events": EVENTS}), add)


def duckdb(tmp: Path) -> Place:
    import duckdb

    path = tmp / "shop.duckdb"

    def run(sql: str, values: Sequence[Any] = ()) -> None:
        with duckdb.connect(str(path)) as connection:
            connection.executemany(sql, values) if values else connection.execute(sql)

    run(CREATE.format(time="TIMESTAMP"))
    return Place(
        Source(url=str(path), query=QUERY, tables={"events": EVENTS}),
        lambda some: run("INSERT INTO orders VALUES (?, ?, ?, ?)", some) if some else None,
    )


def parquet(tmp: Path) -> Place:
    folder = tmp / "lake"
    folder.mkdir()

    def add(some: Rows) -> None:
        for month, part in frame_of(some).with_columns(month=pl.col("Bought at").dt.month()).group_by("month"):
            place = folder / f"month={month[0] or 0}"
            place.mkdir(exist_ok=True)
            part.drop("month").write_parquet(place / f"{uuid.uuid4().hex}.parquet")

    return Place(Source(url=str(folder), tables={"events": EVENTS}), add)


def delta(tmp: Path) -> Place:
    from deltalake import write_deltalake

    def add(some: Rows) -> None:
        write_deltalake(str(tmp / "delta"), frame_of(some).to_arrow(), mode="append")

    add([])
    return Place(Source(url=str(tmp / "delta"), tables={"events": EVENTS}), add)


def iceberg(tmp: Path) -> Place:
    pytest.importorskip("pyiceberg")
    from pyiceberg.catalog.memory import InMemoryCatalog

    catalog = InMemoryCatalog("test", warehouse=f"file://{tmp}/warehouse")
    catalog.create_namespace("shop")
    table = catalog.create_table("shop.orders", schema=frame_of([]).to_arrow().schema)
    return Place(
        Source(url=table.location().removeprefix("file://"), tables={"events": EVENTS}),
        lambda some: table.append(frame_of(some).to_arrow()) if some else None,
    )


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    if request.param == "postgresql":
        return postgresql(request.getfixturevalue("postgresql"))
    makers = {"sqlite": sqlite, "duckdb": duckdb, "parquet": parquet, "delta": delta, "iceberg": iceberg}
    return makers[request.param](tmp_path)


def shop_of(source: Source, out: Path) -> Shop:
    read_sources([source], out)
    return open_shop(out)


def same(shop: Shop, some: Rows, tmp: Path) -> bool:
    """Whether the events are those of the same rows in a CSV file, each as often."""
    frame_of(some).write_csv(tmp / "same.csv")
    source = Source(files=(str(tmp / "same.csv"),), tables={"events": EVENTS})
    order = ["time", "user_id", "item_id", "rating"]
    found, expected = (
        each.events.sort(order, nulls_last=True) for each in (shop, shop_of(source, tmp / "of-csv"))
    )
    return found.equals(expected)


def test_a_database_or_lake_gives_the_shop_that_a_file_gives(place: Place, tmp_path: Path) -> None:
    some = [*rows(60), (None, "s1", START, 1.0), ("红", "茶", START, 2.5)]
    place.add(some)
    shop = shop_of(place.source, tmp_path / "shop")
    assert same(shop, some, tmp_path)
    assert len(shop.rejects) == 1 and "no user_id" in shop.rejects["reason"][0]
    assert f"{tmp_path}/shop/" not in str(shop.rejects["path"][0])
    assert not [path for path in (tmp_path / "shop").iterdir() if path.name.startswith(".")]


def test_a_later_read_takes_only_what_is_new_and_each_row_once(place: Place, tmp_path: Path) -> None:
    source = replace(place.source, keep=str(tmp_path / "kept"), time_column="Bought at", late_h=6.0)
    place.add(some := rows(50))
    assert same(shop_of(source, tmp_path / "shop"), some, tmp_path)
    # At the edge: of the newest time itself, late by an hour, without a time; and much newer.
    more: Rows = [("late", "s1", START + timedelta(hours=49 - each), 1.0) for each in (0, 0, 1, 5)]
    more += [*rows(20, 50), ("never", "s1", None, 2.0)]
    place.add(more)
    assert same(shop_of(source, tmp_path / "shop"), some + more, tmp_path)
    state = json.loads((tmp_path / "kept" / "state.json").read_text())
    asked_again = pl.read_parquet(tmp_path / "kept" / state["settled"][1])
    assert len(state["settled"]) == 2 and asked_again["Bought at"].cast(pl.String).min() > "2026-03-03 06"  # type: ignore[operator]
    before = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "kept").glob("rows-*")}
    shop_of(source, tmp_path / "shop")
    assert {p.name: p.stat().st_mtime_ns for p in (tmp_path / "kept").glob("rows-*")} == before, "nothing new"


def test_rows_that_come_too_late_are_said(place: Place, tmp_path: Path) -> None:
    source = replace(place.source, keep=str(tmp_path / "kept"), time_column="Bought at", late_h=6.0)
    place.add(rows(50))
    assert not [line for line in read_sources([source], tmp_path / "shop").remarks if "late" in line]
    place.add([("late", "s1", START, 1.0)])
    count = read_sources([source], tmp_path / "shop")
    assert count.rows["events"] == 50
    assert any("45 rows" in line or "44 rows" in line for line in count.remarks), count.remarks


# what changes, what is killed ---------------------------------------------------------------------


def kept(place: Place, tmp_path: Path, **more: Any) -> Source:
    return replace(place.source, keep=str(tmp_path / "kept"), time_column="Bought at", **more)


def test_a_row_that_changes_takes_the_place_of_the_older_one(tmp_path: Path) -> None:
    place = sqlite(tmp_path)
    place.add(rows(50))
    source = kept(place, tmp_path, row_id="customer", late_h=1.0)
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        connection.execute("DELETE FROM orders WHERE rowid > 7")
    connection.close()
    assert len(shop_of(source, tmp_path / "shop").events) == 7
    place.add([("c9", "s1", START + timedelta(days=9), 1.0)])
    with sqlite3.connect(tmp_path / "shop.db") as connection:
        newer = (START + timedelta(days=9)).isoformat(sep=" ")
        connection.execute("UPDATE orders SET paid = 5, bought = ? WHERE customer = 'c2'", [newer])
    connection.close()
    count = read_sources([source], tmp_path / "shop")
    events = open_shop(tmp_path / "shop").events
    assert sorted(events["user_id"]) == [*(f"c{i}" for i in range(7)), "c9"]
    assert events.filter(pl.col("user_id") == "c2")["rating"].to_list() == [5.0]
    assert not [line for line in count.remarks if "late" in line]


@pytest.mark.parametrize("at", range(1, 9))
def test_a_kill_at_any_moment_leaves_what_was_or_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    import retailor.shop.sources.kept as module

    place = sqlite(tmp_path)
    place.add(first := rows(50))
    source = kept(place, tmp_path, late_h=5.0)
    shop_of(source, tmp_path / "shop")
    place.add(second := rows(30, 45))
    n_calls = 0

    def killed_before(name: str) -> Callable[..., Any]:
        real = getattr(module, name)

        def call(*args: Any, **named: Any) -> Any:
            nonlocal n_calls
            n_calls += 1
            if n_calls == at:
                raise KeyboardInterrupt
            return real(*args, **named)

        return call

    for name in ("spool", "settled_before", "_written", "_same", "write_json", "_sweep"):
        monkeypatch.setattr(module, name, killed_before(name))
    try:
        shop_of(source, tmp_path / "shop")
    except KeyboardInterrupt:
        assert len(open_shop(tmp_path / "shop").events) == 50
    monkeypatch.undo()
    shop = shop_of(source, tmp_path / "shop")
    assert same(shop, first + second, tmp_path)
    files = {path.name for path in (tmp_path / "kept").glob("rows-*")}
    state = json.loads((tmp_path / "kept" / "state.json").read_text())
    assert files == {*state["settled"], state["open"]}
    assert n_calls >= at or at == 8


def test_a_folder_keeps_the_rows_of_one_source(tmp_path: Path) -> None:
    place = sqlite(tmp_path)
    place.add(rows(5))
    source = kept(place, tmp_path)
    shop_of(source, tmp_path / "shop")
    with pytest.raises(DataError, match="keeps the rows of another 'query'"):
        shop_of(replace(source, query="SELECT * FROM orders"), tmp_path / "shop")
    (tmp_path / "kept" / "state.json").write_text("{")
    with pytest.raises(DataError, match="is corrupt"):
        shop_of(source, tmp_path / "shop")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letters.txt").write_text("dear")
    with pytest.raises(DataError, match="holds other things"):
        shop_of(replace(source, keep=str(tmp_path / "other")), tmp_path / "shop")


def test_a_clock_that_went_wrong_does_not_hide_what_comes(tmp_path: Path) -> None:
    place = sqlite(tmp_path)
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    wrong: Rows = [("c1", "s1", now + timedelta(days=9000), 1.0), ("c2", "s1", now - timedelta(days=9), 1.0)]
    place.add(wrong)
    source = kept(place, tmp_path)
    assert len(shop_of(source, tmp_path / "shop").events) == 2
    place.add(new := [("c3", "s1", now - timedelta(hours=1), 1.0)])
    assert sorted(shop_of(source, tmp_path / "shop").events["user_id"]) == ["c1", "c2", "c3"]
    assert len(new) == 1


@given(data=st.data())
@settings(max_examples=40)
def test_whatever_comes_no_later_than_it_may_is_there_once(data: st.DataObject) -> None:
    """Reads at any moments, rows at any of them, each no more than `late_h` behind the newest: all, once."""
    late_h = data.draw(st.sampled_from([0.0, 1.0, 5.0]))
    there: list[tuple[int, datetime | None]] = []

    def batches(since: datetime | None) -> Iterator[Any]:
        chosen = [(n, at) for n, at in there if since is None or at is None or at >= since]
        for i in range(0, max(1, len(chosen)), 3):
            part = chosen[i : i + 3]
            ids, times = [n for n, _ in part], [at for _, at in part]
            yield pa.record_batch([pa.array(ids, pa.int64()), pa.array(times, pa.timestamp("us"))], ["n", "at"])

    def n_before(time: datetime) -> int:
        return sum(at is not None and at < time for _, at in there)

    with tempfile.TemporaryDirectory() as folder:
        source = Source(url="x", keep=f"{folder}/kept", time_column="at", late_h=late_h)
        newest = START
        for _ in range(data.draw(st.integers(1, 5))):
            seen = newest
            for minutes in data.draw(st.lists(st.none() | st.integers(-60 * int(late_h), 600), max_size=8)):
                at = None if minutes is None else seen + timedelta(minutes=minutes)
                there.append((len(there), at))
                newest = max(newest, at or newest)
            taken = take_new(source, Origin("x", batches, n_before))
            found = [n for batch in read_batches(taken.files) for n in batch.column(0).to_pylist()]
            assert sorted(found) == list(range(len(there))) and taken.remarks == ()
