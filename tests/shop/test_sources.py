"""Databases and lakes: the same shop as from a file, and later only what is new, each row once."""

from __future__ import annotations

import json
import re
import sqlite3
import tempfile
import uuid
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from traceback import format_exception
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit

import polars as pl
import pyarrow as pa
import pytest
import tomli_w
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import make_url
from typer.testing import CliRunner

from retailor.cli import app
from retailor.config import as_dict
from retailor.errors import ConfigError, DataError, RetailorError
from retailor.live.people.kept_rows import forget_kept
from retailor.live.standing import refreshes_of
from retailor.plan.refresh import _new_times
from retailor.plan.rows import with_rows
from retailor.plan.run import resolved_toml
from retailor.plan.settings import Plan, make_plan, read_plan
from retailor.plan.shop_stages import shop_stages
from retailor.shop.read import read, read_sources
from retailor.shop.sources.database import secrets_of
from retailor.shop.sources.kept import kept_files, take_new
from retailor.shop.sources.origin import Origin
from retailor.shop.sources.query import one_select
from retailor.shop.sources.settings import Source
from retailor.shop.sources.spool import read_batches
from retailor.shop.tables import Shop, open_shop
from retailor.store.stages import run_stages
from retailor.tasks.registry import TASKS

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


NO_SELECT = (
             "DELETE FROM orders", "SELECT 1; DROP TABLE orders", "COPY orders TO 'x'", "", None, "SELEC 1",
             "/* SELECT */ DROP TABLE orders", "with x as (select 1) insert into orders select * from x",
             "PRAGMA user_version = 3", "EXPLAIN DELETE FROM orders", "SELECT * INTO other FROM orders",
             "WITH x AS (UPDATE orders SET sku = 'a' RETURNING *) SELECT * FROM x")  # fmt: skip
SECRET = "pass&word/1"
QUERY = 'SELECT customer, sku, bought AS "Bought at", paid FROM orders -- a: b'
CREATE = "CREATE TABLE orders (customer TEXT, sku TEXT, bought {time}, paid DOUBLE PRECISION)"


def in_sqlite(tmp: Path) -> Place:
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


def in_postgresql(socket: Path) -> Place:
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


def in_duckdb(tmp: Path) -> Place:
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


def in_parquet(tmp: Path) -> Place:
    folder = tmp / "lake"
    folder.mkdir()

    def add(some: Rows) -> None:
        for month, part in (
            frame_of(some).with_columns(month=pl.col("Bought at").dt.month()).group_by("month")
        ):
            place = folder / f"month={month[0] or 0}"
            place.mkdir(exist_ok=True)
            part.drop("month").write_parquet(place / f"{uuid.uuid4().hex}.parquet")

    return Place(Source(url=str(folder), tables={"events": EVENTS}), add)


def in_delta(tmp: Path) -> Place:
    from deltalake import write_deltalake

    def add(some: Rows) -> None:
        write_deltalake(str(tmp / "delta"), frame_of(some).to_arrow(), mode="append")

    add([])
    return Place(Source(url=str(tmp / "delta"), tables={"events": EVENTS}), add)


def in_iceberg(tmp: Path) -> Place:
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
        return in_postgresql(request.getfixturevalue("postgresql"))
    makers = {
        "sqlite": in_sqlite,
        "duckdb": in_duckdb,
        "parquet": in_parquet,
        "delta": in_delta,
        "iceberg": in_iceberg,
    }
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
    place = in_sqlite(tmp_path)
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


@pytest.mark.parametrize("at", [1, 3, 5, 7, 8])
def test_a_kill_at_any_moment_leaves_what_was_or_what_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at: int
) -> None:
    import retailor.shop.sources.kept as module

    place = in_sqlite(tmp_path)
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
    place = in_sqlite(tmp_path)
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
    with pytest.raises(DataError, match="no column 'id', which row_id names; it has customer, sku"):
        shop_of(replace(source, keep=str(tmp_path / "new"), row_id="id"), tmp_path / "shop")
    with pytest.raises(DataError, match="would count double"):
        read_sources([place.source, place.source], tmp_path / "shop")


def test_a_clock_that_went_wrong_does_not_hide_what_comes(tmp_path: Path) -> None:
    place = in_sqlite(tmp_path)
    now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
    wrong: Rows = [("c1", "s1", now + timedelta(days=9000), 1.0), ("c2", "s1", now - timedelta(days=9), 1.0)]
    place.add(wrong)
    source = kept(place, tmp_path)
    assert len(shop_of(source, tmp_path / "shop").events) == 2
    place.add(new := [("c3", "s1", now - timedelta(hours=1), 1.0)])
    assert sorted(shop_of(source, tmp_path / "shop").events["user_id"]) == ["c1", "c2", "c3"]
    assert len(new) == 1


@given(data=st.data())
@settings(max_examples=12)
def test_whatever_comes_no_later_than_it_may_is_there_once(data: st.DataObject) -> None:
    """Reads at any moments, rows at any of them, each no more than `late_h` behind the newest: all, once."""
    late_h = data.draw(st.sampled_from([0.0, 1.0, 5.0]))
    there: list[tuple[int, datetime | None]] = []

    def batches(since: datetime | None) -> Iterator[Any]:
        chosen = [(n, at) for n, at in there if since is None or at is None or at >= since]
        for i in range(0, max(1, len(chosen)), 3):
            part = chosen[i : i + 3]
            ids, times = [n for n, _ in part], [at for _, at in part]
            yield pa.record_batch(
                [pa.array(ids, pa.int64()), pa.array(times, pa.timestamp("us"))], ["n", "at"]
            )

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


# what is wrong ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "query", "told"),
    [
        ("sqlite", "SELECT * FROM order", "the SQL is wrong"),
        ("sqlite", "SELECT * FROM ordres", "no such table"),
        ("sqlite", "SELECT sku, price FROM orders", "no such column"),
        ("postgresql", "SELECT * FROM order", "the SQL is wrong"),
        ("postgresql", "SELECT * FROM ordres", "no such table"),
        ("postgresql", "SELECT sku, price FROM orders", "no such column"),
        ("postgresql", "SELECT * FROM pg_authid", "no rights"),
        ("postgresql", "WITH x AS (DELETE\nFROM orders RETURNING *) SELECT * FROM x", "DELETE FROM in it"),
        ("postgresql", "SELECT setval('numbers', 7)", "it would write"),
        ("duckdb", "SELECT * FROM ordres", "no such table"),
        ("duckdb", "SELECT price FROM orders", "no such column"),
        ("duckdb", "SELECT FROM WHERE", "the SQL is wrong"),
    ],
)  # fmt: skip
def test_a_query_that_is_no_use_says_why(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str, query: str | None, told: str
) -> None:
    made = {"sqlite": in_sqlite, "duckdb": in_duckdb}
    place = made[kind](tmp_path) if kind in made else in_postgresql(request.getfixturevalue("postgresql"))
    place.add(rows(3))
    if "setval" in (query or "") or "authid" in (query or ""):
        place = limited(place)
    with pytest.raises(RetailorError, match=told):
        shop_of(replace(place.source, query=query), tmp_path / "shop")
    assert not (tmp_path / "shop").exists() and not list(tmp_path.glob(".shop*"))
    assert len(shop_of(place.source, tmp_path / "shop").events) == 3


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
def test_a_query_that_is_not_one_select_is_refused(tmp_path: Path, kind: str) -> None:
    place = {"sqlite": in_sqlite, "duckdb": in_duckdb}[kind](tmp_path)
    place.add(rows(3))
    for query in NO_SELECT:
        with pytest.raises(ConfigError, match="SELECT"):
            shop_of(replace(place.source, query=query), tmp_path / "shop")
    assert len(shop_of(place.source, tmp_path / "shop").events) == 3


@given(
    st.sampled_from(NO_SELECT[3:] + NO_SELECT[:3]), st.sampled_from(["", " ", "\n-- a;b\n", "/* ; */", "("])
)
def test_whatever_stands_before_it_no_other_statement_is_one_select(query: str | None, before: str) -> None:
    with pytest.raises(ConfigError):
        one_select(before + (query or ""))


@pytest.mark.parametrize(
    "query",
    [
        'select call, copy, created, "into" from updates',
        "SELECT 'DELETE FROM x; y' AS text FROM orders;  ",
        "(SELECT 1) UNION ALL (SELECT 2) -- ; drop table x",
        "WITH x AS (SELECT $$ ; insert into $$ AS a) SELECT * FROM x",
        "VALUES (1, 'a;b')",
    ],
)
def test_what_only_reads_is_taken_as_it_is(query: str) -> None:
    assert one_select(query) == re.sub(r"\s*;?\s*$", "", query) or ";" in query


def limited(place: Place) -> Place:
    """The same database as somebody who may only read the orders, and write the numbers."""
    import sqlalchemy as sa

    assert place.source.url is not None
    name = f"reader_{uuid.uuid4().hex[:12]}"
    engine = sa.create_engine(place.source.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("CREATE SEQUENCE numbers"))
        connection.execute(sa.text(f"CREATE ROLE {name} LOGIN PASSWORD '{SECRET}'"))
        connection.execute(sa.text(f"GRANT SELECT ON orders TO {name}"))
        connection.execute(sa.text(f"GRANT ALL ON SEQUENCE numbers TO {name}"))
    url = place.source.url.replace("retailor@", f"{name}@")
    return replace(place, source=replace(place.source, url=url))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg://reader@127.0.0.1:9/shop", "cannot be reached: is it up"),
        ("postgresql+psycopg://reader@no-such-host.invalid/shop", "cannot be reached"),
        ("postgresql+psycopg://reader@/shop?host=/no/such/socket", "cannot be reached"),
        ("mysql+pymysql://reader@127.0.0.1/shop", "pip install pymysql"),
        ("nosql://reader@127.0.0.1/shop", "no dialect"),
        ("sqlite:///nowhere.db", "no such file of SQLite"),
        ("nowhere", "no such file or folder"),
        ("duckdb:///nowhere.duckdb", "no such file of DuckDB"),
    ],
)
def test_an_address_that_is_no_use_says_why(tmp_path: Path, url: str, told: str) -> None:
    with pytest.raises(RetailorError, match=told):
        shop_of(Source(url=url, query=QUERY, tables={"events": EVENTS}), tmp_path / "shop")


def all_files(folder: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in folder.rglob("*") if path.is_file())


@pytest.fixture
def guarded(postgresql: Path) -> Iterator[Place]:
    """A database of a server that asks for passwords, for somebody who has one."""
    place = limited(in_postgresql(postgresql))
    place.add(rows(3))
    rules = postgresql / "data" / "pg_hba.conf"
    before = rules.read_text()
    name = urlsplit(str(place.source.url)).username
    rules.write_text(f"local all {name} scram-sha-256\n{before}")
    reloaded(place)
    yield place
    rules.write_text(before)
    reloaded(place)


def reloaded(place: Place) -> None:
    import sqlalchemy as sa

    assert place.source.url is not None
    owner = re.sub("reader_\\w+@", "retailor@", place.source.url)
    engine = sa.create_engine(owner, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text("SELECT pg_reload_conf()"))
        connection.execute(sa.text("SELECT pg_sleep(0.3)"))


def test_a_password_comes_from_the_environment_or_a_file_and_is_told_nowhere(
    guarded: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    (tmp_path / "password").write_text(f"{SECRET}\n")
    source, whole = guarded.source, str(guarded.source.url)
    for n, told in enumerate((
        {"password_env": "SHOP_PASSWORD"},
        {"password_file": str(tmp_path / "password")},
        {"url": None, "url_env": "SHOP_URL"},
    )):  # fmt: skip
        monkeypatch.setenv("SHOP_URL", whole.replace("@", f":{quote_plus(SECRET)}@", 1))
        out = tmp_path / f"shop{n}"
        assert len(shop_of(replace(source, **told), out).events) == 3  # type: ignore[arg-type]
        assert SECRET not in all_files(out) and quote_plus(SECRET) not in all_files(out)
    monkeypatch.setenv("SHOP_PASSWORD", "other-secret")
    with pytest.raises(DataError, match="user or the password is wrong") as caught:
        shop_of(replace(source, password_env="SHOP_PASSWORD"), tmp_path / "shop")
    assert "other-secret" not in str(caught.value)
    with pytest.raises(ConfigError, match="SHOP_NOTHING is not set"):
        shop_of(replace(source, password_env="SHOP_NOTHING"), tmp_path / "shop")


def test_a_url_with_a_password_is_refused_and_not_repeated() -> None:
    for url in (
        "postgresql://reader:hunter2@host/shop",
        "postgresql+psycopg://reader@host/shop?password=hunter2",
        "mysql://host/shop?user=a&passwd=hunter2",
        "s3://key:hunter2@bucket/orders",
        "mssql+pyodbc:///?odbc_connect=DRIVER%3DX%3BUID%3Du%3BPWD%3Dhunter2",
    ):
        with pytest.raises(ConfigError, match="has a password in it") as caught:
            Source(url=url, query=QUERY)
        assert "hunter2" not in str(caught.value) and "hunter2" not in repr(caught.value.value)
        with pytest.raises(ConfigError, match="has a password in it") as caught:
            make_plan({"shop": {"sources": [{"url": url, "query": QUERY}]}}, Path())
        assert "hunter2" not in str(caught.value)


def test_what_a_driver_says_of_its_address_is_told_without_the_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Drivers repeat what they were given: a whole address, the password as a URL has it, ODBC."""
    import psycopg

    def refuse(*args: Any, **named: Any) -> None:
        forms = SECRET, quote_plus(SECRET), quote(SECRET, safe="")
        raise psycopg.OperationalError("no, not " + ", ".join(f"postgresql://u:{form}@h/d" for form in forms))

    monkeypatch.setattr(psycopg, "connect", refuse)
    monkeypatch.setenv("SHOP_PASSWORD", SECRET)
    monkeypatch.setenv("SHOP_URL", f"postgresql+psycopg://u:{quote_plus(SECRET)}@h/d")
    about = {"query": QUERY, "tables": {"events": EVENTS}}
    for values in (
        {"url": "postgresql+psycopg://u@h/d", "password_env": "SHOP_PASSWORD"},
        {"url_env": "SHOP_URL"},
    ):
        with pytest.raises(DataError, match=r"not postgresql://u:\*\*\*@h/d") as caught:
            shop_of(Source(**values, **about), tmp_path / "shop")  # type: ignore[arg-type]
        told = "".join(format_exception(caught.value))
        assert not any(form in told for form in (SECRET, quote_plus(SECRET), quote(SECRET, safe="")))
    odbc = make_url(f"mssql+pyodbc:///?odbc_connect={quote_plus('DRIVER=X;UID=u;PWD=hunter2;')}")
    assert "hunter2" in secrets_of(odbc) and secrets_of(odbc)[-1] == "hunter2"


def test_a_variable_that_holds_something_else_is_not_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for value in ("hunter2", "s3://key:hunter2@bucket/orders", "duckdb:///hunter2.duckdb"):
        monkeypatch.setenv("SHOP_URL", value)
        with pytest.raises(RetailorError) as caught:
            shop_of(Source(url_env="SHOP_URL", query=QUERY, tables={"events": EVENTS}), tmp_path / "shop")
        assert "hunter2" not in "".join(format_exception(caught.value)), value


def test_settings_that_do_not_go_together() -> None:
    for values, told in (
        ({"url": "x", "files": ("a.csv",)}, "not both"),
        ({"files": ("a.csv",), "query": "SELECT 1"}, "this one has files"),
        ({"url": "x", "time_column": "at"}, "needs 'keep' too"),
        ({"url": "x", "keep": "kept"}, "needs 'time_column' too"),
        ({"url": "x", "row_id": "id"}, "of a source that is kept"),
        ({"url": "x", "password_env": "A", "password_file": "b"}, "not both"),
        ({"url": "x", "password_env": "it's hunter2"}, "password_env"),
    ):
        with pytest.raises(ConfigError, match=told):
            Source(**values)  # type: ignore[arg-type]


# values -------------------------------------------------------------------------------------------


def test_values_of_every_kind_of_postgresql_are_read_as_they_are(postgresql: Path, tmp_path: Path) -> None:
    import sqlalchemy as sa

    place = in_postgresql(postgresql)
    assert place.source.url is not None
    engine = sa.create_engine(place.source.url, poolclass=sa.NullPool)
    with engine.begin() as connection:
        connection.execute(sa.text(
            "CREATE TABLE goods (id uuid, name varchar, price numeric(10, 2), kinds text[], facts jsonb, "
            "made timestamptz, day date, size real, sold boolean)"
        ))  # fmt: skip
        connection.execute(sa.text(
            "INSERT INTO goods VALUES "
            "('6f1c2d3e-0000-4000-8000-000000000001', '红茶 100%', 1299.00, '{Tea,Black}', "
            " '{\\:colour: \"red\"}'::text::jsonb, '2026-03-01 12:00+08', '2026-03-01', 1.5, true), "
            "('6f1c2d3e-0000-4000-8000-000000000002', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL)"
            .replace("\\:colour:", '"colour"\\:')
        ))  # fmt: skip
    items = {
        "columns": {"item_id": "id", "title": "name", "price": "price", "category": "kinds",
                    "attributes": "facts"},
        "constants": {"currency": "EUR"}, "optional": ["attributes"],
    }  # fmt: skip
    events = {"columns": {"user_id": "size", "item_id": "id", "time": "made"}, "constants": {"kind": "buy"}}
    source = replace(
        place.source, query="SELECT * FROM goods WHERE name LIKE '%100%' OR price IS NULL ORDER BY id",
        tables={"items": items, "events": events},
    )  # fmt: skip
    shop = shop_of(source, tmp_path / "shop")
    first = shop.items.row(0, named=True)
    assert first["item_id"] == "6f1c2d3e-0000-4000-8000-000000000001" and first["title"] == "红茶 100%"
    assert first["price"] == 1299.0 and list(first["category"]) == ["Tea", "Black"]
    assert "red" in str(first["attributes"])
    assert shop.events["time"].to_list() == [datetime(2026, 3, 1, 4, tzinfo=UTC)]
    assert len(shop.items) == 2 and len(shop.rejects) == 1


def test_columns_whose_types_change_on_the_way_lose_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite keeps any value in any column: each batch may be of another type than those before."""
    from retailor.shop.sources import database

    monkeypatch.setattr(database, "BATCH_ROWS", 2)
    values = [None, None, 7, 8, 9.5, 1, "x-1", b"bytes", 2**62, 10**3]
    with sqlite3.connect(tmp_path / "any.db") as connection:
        connection.execute("CREATE TABLE goods (id, name)")
        connection.executemany(
            "INSERT INTO goods VALUES (?, ?)", [(f"i{i}", v) for i, v in enumerate(values)]
        )
    connection.close()
    items = {"columns": {"item_id": "id", "title": "name"}}
    source = Source(url=f"sqlite:///{tmp_path}/any.db", query="SELECT * FROM goods", tables={"items": items})
    titles = shop_of(source, tmp_path / "shop").items["title"].to_list()
    assert titles == [None, None, "7", "8", "9.5", "1", "x-1", "bytes", str(2**62), "1000"]


@pytest.mark.parametrize("kind", ["timestamptz", "date", "bigint s", "bigint ms", "text", "text Z"])
def test_a_time_column_of_any_kind_is_known_by(postgresql: Path, tmp_path: Path, kind: str) -> None:
    place = in_postgresql(postgresql)
    made = {
        "timestamptz": "bought AT TIME ZONE 'Asia/Shanghai'", "date": "bought::date",
        "bigint s": "extract(epoch FROM bought)::bigint", "bigint ms": "(extract(epoch FROM bought) * "
        "1000)::bigint",
        "text": "to_char(bought, 'YYYY-MM-DD HH24:MI:SS')", "text Z": "to_char(bought, "
        "'YYYY-MM-DD\"T\"HH24:MI:SS.MS\"Z\"')",
    }[kind]  # fmt: skip
    query = f'SELECT customer, sku, {made} AS "Bought at", paid FROM orders'
    source = kept(replace(place, source=replace(place.source, query=query)), tmp_path)
    place.add(rows(100))
    assert len(shop_of(source, tmp_path / "shop").events) == 100
    place.add([*rows(50, 90), (None, None, None, 1.0)])
    assert len(shop_of(source, tmp_path / "shop").events) == 150
    state = json.loads((tmp_path / "kept" / "state.json").read_text())
    assert state["n_settled"] > 50 and len(state["settled"]) == 2


# the doors ----------------------------------------------------------------------------------------


def test_the_command_reads_a_database_and_again_only_what_is_new(tmp_path: Path) -> None:
    place = in_sqlite(tmp_path)
    place.add(rows(9))
    maps = tmp_path / "maps.toml"
    maps.write_text(tomli_w.dumps({"events": EVENTS}))
    out, about = (
        str(tmp_path / "shop"),
        ["--columns", str(maps), "--query", QUERY, "-o", str(tmp_path / "shop")],
    )
    for url in (str(tmp_path / "shop.db"), f"sqlite:///{tmp_path}/shop.db"):
        done = CliRunner().invoke(app, ["read", "tabular", url, *about])
        assert done.exit_code == 0 and "9 events" in done.output, done.output
    keep = ["--time-column", "Bought at", "--keep", str(tmp_path / "kept")]
    for n in (9, 12):
        done = CliRunner().invoke(app, ["read", "tabular", url, *about, *keep])
        assert done.exit_code == 0 and f"{n} events" in done.output, done.output
        place.add(rows(3, 9))
    done = CliRunner().invoke(app, ["read", "tabular", url, "other.csv", *about])
    assert "one address at a time" in str(done.exception)
    assert len(open_shop(Path(out)).events) == 12
    frame_of(rows(9)).write_parquet(tmp_path / "lake" / "a.parquet", mkdir=True)
    assert len(read("tabular", tmp_path / "lake", tables={"events": EVENTS}).events) == 9
    assert len(read("tabular", tmp_path / "shop.db", tables={"events": EVENTS}, query=QUERY).events) == 15
    with pytest.raises(DataError, match=r"this is a folder without a table.*a\.csv"):
        (tmp_path / "exports").mkdir()
        (tmp_path / "exports" / "a.csv").write_text("id\n1\n")
        read("shopify", tmp_path / "exports")


def plan_of(place: Place, tmp_path: Path, **more: Any) -> Plan:
    items = tmp_path / "items.csv"
    items.write_text("id,name\n" + "".join(f"s{i},good number {i}\n" for i in range(5)))
    orders = {k: v for k, v in as_dict(replace(place.source, **more)).items() if v not in (None, [])}
    return make_plan(
        {
            "skip": ["adapt", "compress", "insight", "refit", *TASKS],
            "shop": {"sources": [
                {"files": [str(items)], "tables": {"items": {"columns": {"item_id": "id", "title": "name"}}}},
                orders,
            ]},
        },
        tmp_path,
    )  # fmt: skip


def made(plan: Plan, out: Path) -> tuple[int, set[str]]:
    """Events of a run's clean shop, and the stages that were made; the first stages of a run alone."""
    with with_rows(plan, out, lambda line: None) as whole:
        done = run_stages(shop_stages(whole), out)
    clean = next(each for each in done if each.name == "clean")
    return len(open_shop(out / clean.folder).events), {each.name for each in done if not each.skipped}


def test_a_run_makes_again_what_new_rows_change_and_keeps_none_of_them(tmp_path: Path) -> None:
    place, n = in_sqlite(tmp_path), 30
    place.add(rows(n))
    for i, more in enumerate(({}, {"keep": "kept", "time_column": "Bought at"})):
        plan, out = plan_of(place, tmp_path, **more), tmp_path / f"run{i}"
        n_read, stages = made(plan, out)
        assert n_read == n and {"read", "clean"} <= stages
        assert made(plan, out) == (n, set()), "nothing is new"
        place.add(rows(10, n))
        n += 10
        n_read, stages = made(plan, out)
        assert n_read == n and {"read", "clean"} <= stages
        assert not (out / "rows").exists()
        # The plan of the run is read from wherever it lies.
        (tmp_path / "elsewhere").mkdir(exist_ok=True)
        (tmp_path / "elsewhere" / "plan.toml").write_text(resolved_toml(plan.settled()))
        assert made(read_plan(tmp_path / "elsewhere" / "plan.toml"), out) == (n, set())
    assert list((tmp_path / "kept").glob("rows-*"))


def test_refresh_sees_what_is_new_in_a_database(tmp_path: Path) -> None:
    place = in_sqlite(tmp_path)
    place.add(rows(30))
    plan = plan_of(place, tmp_path, keep="kept", time_column="Bought at")
    made(plan, tmp_path / "run")
    seen = (START + timedelta(hours=29)).replace(tzinfo=UTC)
    refreshes_of(tmp_path / "run").mkdir()
    assert _new_times(tmp_path / "run", plan, seen, print) == (0, [])
    place.add([*rows(3, 30), ("late", "s1", START, 1.0), ("c0", "s0", None, 2.0)])
    number, times = _new_times(tmp_path / "run", plan, seen, print)
    assert number == 0 and times == [seen + timedelta(hours=n) for n in (1, 2, 3)]
    assert not list(refreshes_of(tmp_path / "run").iterdir())


def test_somebody_who_is_forgotten_is_forgotten_in_the_rows_that_are_kept(tmp_path: Path) -> None:
    place = in_sqlite(tmp_path)
    place.add(rows(60))
    plan = plan_of(place, tmp_path, keep="kept", time_column="Bought at")
    out = tmp_path / "run"
    made(plan, out)
    (out / "plan.toml").write_text(resolved_toml(plan.settled()))
    kept = [path.read_bytes() for path in (tmp_path / "kept").glob("rows-*")]
    assert forget_kept(out, ["c3", "nobody"]) == {str(tmp_path / "kept"): 9}
    assert forget_kept(out, ["c3"]) == {}
    left = [pl.read_parquet(path) for path in kept_files(tmp_path / "kept")]
    assert sum(map(len, left)) == 51 and not any("c3" in frame["customer"] for frame in left)
    assert len(kept) == 2
    place.add(rows(7, 60))
    count = read_sources(plan.sources(), tmp_path / "shop")
    # Of what is asked for again the database has them still: there the note of the run leaves them out.
    assert 51 + 7 <= count.rows["events"] < 67 and not [line for line in count.remarks if "late" in line]
