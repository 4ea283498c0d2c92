"""The one entrance for rows at an address: `take` puts them into Parquet files, which a reader then reads."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from retailor.errors import ConfigError, DataError
from retailor.extras import naming_extras
from retailor.progress import track
from retailor.shop.sources.duck import open_duckdb
from retailor.shop.sources.kept import Taken, take_new
from retailor.shop.sources.lakes import open_lake, told
from retailor.shop.sources.origin import Origin, is_duckdb, is_sqlite
from retailor.shop.sources.settings import Source, check_url
from retailor.shop.sources.spool import spool
from retailor.store.buckets import filesystem_of


def take(source: Source, folder: Path, columns: Sequence[str] | None = None) -> Taken:
    """The rows at a source's address as Parquet files: in `folder`, or where the source keeps them.

    `columns`: those that are asked for, where not all are needed. One file in a bucket is fetched as it is.
    Memory: a batch. Raises DataError for an address or a query that gives no rows, ConfigError for settings.
    """
    url = url_of(source)
    if _is_file_in_bucket(url):
        return Taken((_fetched(source, url, folder),))
    with naming_extras():
        origin = _opened(source, url, columns)
        if source.keep is not None:
            return take_new(source, origin)
        batches = track(origin.batches(None), f"taking {origin.name}")
        return Taken(tuple(spool(batches, folder)))


def is_address(name: str) -> bool:
    """Whether a name is one of rows rather than of a file of rows: a URL, a folder, a file of a database."""
    path = Path(name)
    return "://" in name or os.path.isdir(name) or is_duckdb(path) or is_sqlite(path)  # noqa: PTH112


def url_of(source: Source) -> str:
    """The source's URL. Raises ConfigError where the environment does not have it."""
    if source.url is not None:
        return source.url
    found = os.environ.get(source.url_env or "")
    if not found:
        raise ConfigError(f"url_env: the environment variable {source.url_env} is not set.", key="url_env")
    if not _is_database(found):
        # Only what opens databases keeps a password to itself; the keys of a bucket have names of their own.
        check_url(found)
    return found


def _is_database(url: str) -> bool:
    return "://" in url and not url.startswith(("s3://", "duckdb://"))


def _opened(source: Source, url: str, columns: Sequence[str] | None) -> Origin:
    # The value of a variable is not told: who put something else there may have put the secret.
    named = url if source.url is not None else f"${source.url_env}"
    if url.startswith("duckdb://"):
        return open_duckdb(source, _file(url.removeprefix("duckdb:///").removeprefix("duckdb://"), named))
    if _is_database(url):
        from retailor.shop.sources.database import open_database

        return open_database(source, url)
    if "://" not in url and Path(url).is_file():
        path = Path(url)
        if is_duckdb(path):
            return open_duckdb(source, path)
        if is_sqlite(path):
            from retailor.shop.sources.database import open_database

            return open_database(source, f"sqlite:///{path}")
        raise ConfigError(f"'url' = '{named}' is a file of the shop: name it in 'files'.", key="url")
    if "://" not in url and not Path(url).is_dir():
        raise DataError("there is no such file or folder.", path=named)
    return open_lake(source, url, columns)


def _file(name: str, named: str) -> Path:
    path = Path(name)
    if not path.is_file():
        raise DataError("there is no such file of DuckDB.", path=named.removeprefix("duckdb:///"))
    return path


def _is_file_in_bucket(url: str) -> bool:
    """Whether a URL names one file in a bucket, of any format but those of lakes."""
    if not url.startswith("s3://"):
        return False
    from pyarrow import fs

    system, path = filesystem_of(url)
    try:
        return bool(system.get_file_info(path).type == fs.FileType.File)
    except OSError as error:
        raise told(url, error) from None


def _fetched(source: Source, url: str, folder: Path) -> Path:
    """The file, copied to the disk piece by piece."""
    for name in ("query", "time_column", "row_id", "keep"):
        if getattr(source, name) is not None:
            raise ConfigError(f"'{name}' is not for a single file in a bucket: leave it out.", key=name)
    system, path = filesystem_of(url)
    folder.mkdir(parents=True, exist_ok=True)
    made = folder / path.rsplit("/", 1)[-1]
    try:
        with system.open_input_stream(path, compression=None) as stream, made.open("wb") as file:
            while part := stream.read(1 << 20):
                file.write(part)
    except OSError as error:
        raise told(url, error) from None
    return made
