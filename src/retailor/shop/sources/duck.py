"""A file of DuckDB: the rows of one SELECT, opened to be read alone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from retailor.errors import ConfigError, DataError
from retailor.shop.sources.origin import BATCH_ROWS, Origin
from retailor.shop.sources.query import one_select
from retailor.shop.sources.settings import Source


def open_duckdb(source: Source, path: Path) -> Origin:
    """The rows of the source's query. Nothing is fetched or installed, whatever the query names."""
    import duckdb

    query, where = one_select(source.query), str(path)
    column = '"' + (source.time_column or "").replace('"', '""') + '"'

    def batches(since: Any) -> Iterator[Any]:
        asked = query
        if since is not None:
            asked = f"SELECT * FROM ({query}\n) WHERE {column} >= $time OR {column} IS NULL"
        with _opened(path) as connection:
            try:
                _check(connection, query)
                params = None if since is None else {"time": since}
                yield from connection.sql(asked, params=params).to_arrow_reader(BATCH_ROWS)
            except duckdb.Error as error:
                raise _told(where, error) from None

    def n_before(time: Any) -> int:
        with _opened(path) as connection:
            try:
                asked = f"SELECT count(*) FROM ({query}\n) WHERE {column} < $time"
                return int(connection.execute(asked, {"time": time}).fetchall()[0][0])
            except duckdb.Error as error:
                raise _told(where, error) from None

    return Origin(where, batches, n_before)


def _opened(path: Path) -> Any:
    import duckdb

    off: dict[str, Any] = {"autoinstall_known_extensions": "false", "allow_community_extensions": "false"}
    try:
        return duckdb.connect(str(path), read_only=True, config=off)
    except duckdb.Error as error:
        raise _told(str(path), error) from None


def _check(connection: Any, query: str) -> None:
    """Raises ConfigError where DuckDB itself reads the query as anything but one SELECT."""
    statements = connection.extract_statements(query)
    if len(statements) != 1 or statements[0].type.name != "SELECT":
        raise ConfigError("'query' must be one SELECT, which only reads.", key="query", value=query[:200])


def _told(where: str, error: Exception) -> DataError:
    words = " ".join(str(error).split())[:300]
    kind = type(error).__name__
    do = {
        "CatalogException": "no such table or function: name one that is there in the query.",
        "BinderException": "no such column: look at the columns of the table, and mend the query.",
        "ParserException": "the SQL is wrong: try the query in DuckDB itself.",
        "IOException": "it cannot be opened: is it a file of DuckDB, of no newer version, that nobody "
        "writes to?",
    }.get(kind, "the query failed.")
    return DataError(f"{do} It said: {words}", path=where)
