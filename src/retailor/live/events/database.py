"""The database of a log: durable SQLite, or PostgreSQL; one writer at a time, nothing left of what goes."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from retailor.errors import ConfigError, ServeError

KNOWN = ("sqlite", "postgresql")
BUSY_S = 10
"""How long SQLite waits for another writer."""


def opened(url: str, tables: sa.MetaData, later: Sequence[sa.Index]) -> sa.Engine:
    """The database of a URL with its tables, made where there are none; `later` are indices that tables of
    before may lack. Raises ConfigError when the URL or its database is no use."""
    try:
        engine = sa.create_engine(url, pool_pre_ping=True)
        if engine.dialect.name not in KNOWN:
            raise ConfigError(
                f"events are kept in SQLite or PostgreSQL, not in {engine.dialect.name}.", key="events_url"
            )
        if engine.dialect.name == "sqlite":
            sa.event.listen(engine, "connect", _durable)
            sa.event.listen(engine, "begin", _begin)
        with engine.begin() as connection:
            one_at_a_time(connection)  # several workers open it at once
            tables.create_all(connection)
            for index in later:
                index.create(connection, checkfirst=True)
    except (sa.exc.SQLAlchemyError, ModuleNotFoundError) as error:
        # The message of the library has the whole URL in it, and that may have a password.
        raise ConfigError(
            f"the database of the events cannot be opened ({type(error).__name__}); give a URL such as "
            "sqlite:///shop.db.",
            key="events_url",
        ) from None
    return engine


def go_on_behind(connection: sa.Connection, table: str, number: int) -> bool:
    """Has the next row of a table get a number behind this one; whether it would have had another."""
    name = {"name": table, "number": number}
    is_sqlite = connection.dialect.name == "sqlite"
    if is_sqlite:
        given = "SELECT seq FROM sqlite_sequence WHERE name = :name"
        gives = "INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"
    else:
        sequence = "pg_get_serial_sequence(:name, 'number')::regclass"
        given = f"SELECT pg_sequence_last_value({sequence})"
        gives = f"SELECT setval({sequence}, :number)"
    if (connection.scalar(sa.text(given), {"name": table}) or 0) >= number:
        return False
    if is_sqlite:
        connection.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :name"), name)
    connection.execute(sa.text(gives), name)
    return True


def _begin(connection: sa.Connection) -> None:
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


def one_at_a_time(connection: sa.Connection) -> None:
    """Lets one writer in at a time, so that numbers appear in their order: who reads on misses none.

    SQLite does so by itself.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(7_231_905)))


def down(error: Exception) -> ServeError:
    return ServeError(
        f"the database of the events does not answer ({type(error).__name__}); send them again.",
        status=503,
        retry_after_s=2.0,
    )


def _durable(connection: Any, record: Any) -> None:
    """SQLite as it must be set: readers beside a writer, and a commit that waits for the disk."""
    connection.isolation_level = None  # the driver would begin late, and let another writer in between
    cursor = connection.cursor()
    for setting in (f"busy_timeout = {1000 * BUSY_S}", "synchronous = FULL", "secure_delete = ON"):
        cursor.execute(f"PRAGMA {setting}")
    _with_write_ahead(cursor)
    cursor.close()


def _with_write_ahead(cursor: Any) -> None:
    """SQLite does not wait where another process is at it: several workers open a new log at once."""
    until = time.monotonic() + BUSY_S
    while True:
        try:
            cursor.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(0.01)


def swept(engine: sa.Engine, table: str) -> None:
    """What was deleted of a table leaves the files: the log of writes is emptied, dead rows are vacuumed."""
    if engine.dialect.name == "sqlite":
        raw: Any = engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        finally:
            raw.close()
        return
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(sa.text(f"VACUUM {table}"))
