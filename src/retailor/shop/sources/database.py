"""Any database that SQLAlchemy has a dialect for: the rows of one SELECT, read-only where it can be."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import sqlalchemy as sa

from retailor.errors import ConfigError, DataError
from retailor.shop.sources.origin import BATCH_ROWS, Origin, is_sqlite
from retailor.shop.sources.query import one_select
from retailor.shop.sources.settings import PASSWORD_IN_ODBC, Source
from retailor.shop.sources.spool import batch_of

_DRIVERS = {"mysql": "pymysql", "mariadb": "pymysql", "mssql": "pyodbc", "oracle": "oracledb"}
_TOLD = (
    ("no such table",
     r"42P01|no such table|doesn't exist|table .*not exist|1146|invalid object name|ORA-00942"),
    ("no such column", r"42703|no such column|unknown column|invalid column name|ORA-00904"),
    ("no rights", r"42501|permission denied|access denied|denied for|1142|1044|ORA-01031|not authorized"),
    ("it would write", r"25006|readonly database|read-only|1792"),
    ("no such database", r"3D000|database \"[^\"]*\" does not exist|unknown database|1049|unable to open"),
    ("the user or the password is wrong",
     r"28P01|28000|password|1045|authentication|role .*does not exist|ORA-01017"),
    ("it cannot be reached",
     r"08001|08006|could not connect|connection refused|connection failed|timed? ?out|can't connect"
     r"|could not translate|name or service|network is unreachable|no such file or directory|connection"),
    ("the SQL is wrong", r"42601|syntax"),
)  # fmt: skip
"""What is wrong, and SQLSTATEs or words of drivers that say so; the first that is found counts."""
_DO = {
    "no such table": "name one that is there in the query, with its schema where it has one.",
    "no such column": "look at the columns of the table, and mend the query.",
    "no rights": "let this user read the tables of the query (GRANT SELECT), or name another user.",
    "it would write": "the query must only read.",
    "no such database": "look at the end of the URL.",
    "the user or the password is wrong": "name the environment variable that holds it by 'password_env', "
    "and look at the user.",
    "it cannot be reached": "is it up, and are host and port right?",
    "the SQL is wrong": "try the query in the database's own client.",
}
_CONNECT_S = 15


def open_database(source: Source, url: str) -> Origin:
    """The rows of the source's query. Raises ConfigError for a URL, a password or a query that is no use."""
    query = one_select(source.query)
    engine, name, secrets = _engine(source, url)

    def batches(since: Any) -> Iterator[Any]:
        try:
            yield from _batches(engine, *_asked(engine, query, source.time_column, since))
        except sa.exc.SQLAlchemyError as error:
            raise _told(name, error, secrets) from None
        finally:
            engine.dispose()

    def n_before(time: Any) -> int:
        try:
            column = _quoted(engine, source.time_column or "")
            chosen = f"SELECT count(*) FROM ({query}\n) retailor_rows WHERE {column} < :retailor_time"
            with _reading(engine) as connection:
                return int(connection.scalar(_text(chosen), {"retailor_time": time}) or 0)
        except sa.exc.SQLAlchemyError as error:
            raise _told(name, error, secrets) from None
        finally:
            engine.dispose()

    return Origin(name, batches, n_before)


def _engine(source: Source, url: str) -> tuple[sa.Engine, str, list[str]]:
    """The engine, what messages call it, and the texts that no message may have."""
    try:
        place = sa.engine.make_url(url)
        password = _password(source)
        if password is not None:
            place = place.set(password=password)
        # Of SQLite the path is the database: it must be there, for SQLite makes what is not.
        if place.get_backend_name() == "sqlite":
            _check_file(place)
            whole = Path(str(place.database)).resolve().as_uri()
            place = place.set(database=whole, query={"mode": "ro", "uri": "true"})
        secrets = secrets_of(place)
        return (
            sa.create_engine(place, connect_args=_connect_args(place), poolclass=sa.NullPool),
            name_of(url),
            secrets,
        )
    except sa.exc.NoSuchModuleError:
        kind = url.split(":", 1)[0]
        raise ConfigError(
            f"'url' begins with '{kind}', for which SQLAlchemy has no dialect here: such are "
            "postgresql+psycopg, "
            "sqlite, mysql+pymysql, mssql+pyodbc.",
            key="url",
        ) from None
    except ModuleNotFoundError as error:
        kind = sa.engine.make_url(url).get_backend_name()
        driver = _DRIVERS.get(kind, str(error.name))
        raise ConfigError(
            f"the driver '{error.name}' of this database is not installed: `pip install {driver}`, and "
            "begin the "
            f"URL with {kind}+{driver}://.",
            key="url",
        ) from None
    except (sa.exc.ArgumentError, ValueError):
        raise ConfigError(
            "'url' is no URL of a database; it looks like postgresql+psycopg://user@host/database.", key="url"
        ) from None


def secrets_of(place: sa.URL) -> list[str]:
    """What no message may have: the password and its like, as they are and as a URL writes them."""
    own = [str(place.password)] if place.password else []
    for key, value in place.query.items():
        if any(sign in key.lower() for sign in ("pass", "pwd", "token", "secret", "odbc_connect")):
            own += [str(each) for each in (value if isinstance(value, tuple) else (value,))]
    own += PASSWORD_IN_ODBC.findall(" ".join(own))
    forms = {form for each in own for form in (each, quote(each, safe=""), quote_plus(each))}
    return sorted(filter(None, forms), key=len, reverse=True)


def name_of(url: str) -> str:
    """A URL of a database without its password and what else may be a secret."""
    shown = sa.engine.make_url(url)
    return sa.URL.create(
        shown.drivername, shown.username, None, shown.host, shown.port, shown.database
    ).render_as_string()


def _password(source: Source) -> str | None:
    if source.password_env is not None:
        found = os.environ.get(source.password_env)
        if not found:
            raise ConfigError(
                f"password_env: the environment variable {source.password_env} is not set.",
                key="password_env",
            )
        return found
    if source.password_file is not None:
        try:
            return Path(source.password_file).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError):
            raise ConfigError(
                f"password_file: {source.password_file} cannot be read.", key="password_file"
            ) from None
    return None


def _check_file(place: sa.URL) -> None:
    path = Path(place.database or "")
    if not path.is_file():
        raise DataError("there is no such file of SQLite.", path=path)
    if not is_sqlite(path):
        raise DataError("this is no database of SQLite.", path=path)


def _connect_args(place: sa.URL) -> dict[str, Any]:
    kind = place.get_backend_name()
    if kind in ("postgresql", "mysql", "mariadb"):
        return {} if "connect_timeout" in place.query else {"connect_timeout": _CONNECT_S}
    return {}


def _reading(engine: sa.Engine) -> sa.Connection:
    """A connection whose transaction only reads, where the database can be told so; nothing is committed."""
    connection = engine.connect()
    try:
        if engine.dialect.name == "postgresql":
            connection = connection.execution_options(postgresql_readonly=True)
        elif engine.dialect.name in ("mysql", "mariadb", "oracle"):
            connection.exec_driver_sql("SET TRANSACTION READ ONLY")
        elif engine.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA query_only = ON")
    except BaseException:
        connection.close()
        raise
    return connection


def _asked(
    engine: sa.Engine, query: str, column: str | None, since: Any
) -> tuple[sa.TextClause, dict[str, Any]]:
    if since is None:
        return _text(query), {}
    name = _quoted(engine, column or "")
    where = f"{name} >= :retailor_time OR {name} IS NULL"
    return _text(f"SELECT * FROM ({query}\n) retailor_rows WHERE {where}"), {"retailor_time": since}


def _text(query: str) -> sa.TextClause:
    """The query with nothing in it for SQLAlchemy to fill in but our own time."""
    own = query.replace(":", r"\:").replace(r"\:retailor_time", ":retailor_time")
    return sa.text(own)


def _quoted(engine: sa.Engine, column: str) -> str:
    return str(engine.dialect.identifier_preparer.quote(column))


def _batches(engine: sa.Engine, query: sa.TextClause, values: dict[str, Any]) -> Iterator[Any]:
    with _reading(engine) as connection:
        found = connection.execution_options(stream_results=True, yield_per=BATCH_ROWS).execute(query, values)
        names = _once(list(found.keys()))
        none = True
        for rows in found.partitions(BATCH_ROWS):
            none = False
            yield batch_of(names, rows)
        if none:
            yield batch_of(names, [])


def _once(names: list[str]) -> list[str]:
    again = next((name for name in names if names.count(name) > 1), None)
    if again is not None:
        raise DataError(f"the query gives two columns '{again}': name one otherwise (AS …).", column=again)
    return names


def _told(name: str, error: Exception, secrets: list[str]) -> DataError:
    """One sentence on what went wrong, with the driver's own words but for the password."""
    raw = getattr(error, "orig", None) or error
    words = " ".join(str(raw).split())
    for secret in secrets:
        words = words.replace(secret, "***")
    said = f"{getattr(raw, 'sqlstate', None) or ''} {words}"
    kind = next((kind for kind, signs in _TOLD if re.search(signs, said, re.IGNORECASE)), None)
    told = f"{kind}: {_DO[kind]} " if kind else "the query failed. "
    return DataError(f"{told}It said: {words[:300]}", path=name)
