"""Folders of Parquet, Delta tables and Iceberg tables, here or in a bucket."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from retailor.errors import ConfigError, DataError, nearest
from retailor.shop.sources.origin import BATCH_ROWS, Origin
from retailor.shop.sources.settings import Source
from retailor.store.buckets import address_of_s3, filesystem_of

Columns = Sequence[str] | None


def open_lake(source: Source, url: str, columns: Columns = None) -> Origin:
    """The rows of a folder, of its columns those in `columns`. Raises DataError where it is no table."""
    if source.query is not None:
        raise ConfigError(
            "'query' is for a database; of a folder of Parquet, Delta or Iceberg all rows are read. "
            "DuckDB can "
            "query them: SELECT … FROM read_parquet('…') in a file of DuckDB.",
            key="query",
        )
    names = listed(url)
    if any(name.startswith("_delta_log/") for name in names):
        return _of_dataset(source, url, _delta(url), columns)
    found = sorted(n for n in names if n.startswith("metadata/") and n.endswith(".metadata.json"))
    if found:
        return _iceberg(source, url, found, columns)
    if not any(_is_parquet(name) for name in names):
        shown = ", ".join(sorted(names)[:5]) or "nothing"
        raise DataError(
            f"this is a folder without a table of Parquet, Delta or Iceberg; it holds {shown}: name the "
            "files in "
            "it.",
            path=url,
        )
    return _of_dataset(source, url, _parquet(url), columns)


def listed(url: str) -> list[str]:
    """The names of the files below a folder, from it on. Raises DataError where it cannot be looked into."""
    from pyarrow import fs

    system, path = filesystem_of(url)
    try:
        found = system.get_file_info(fs.FileSelector(path, recursive=True))
    except (OSError, ValueError) as error:
        raise told(url, error) from None
    return [each.path[len(path) :].lstrip("/") for each in found if each.type == fs.FileType.File]


def told(url: str, error: Exception) -> DataError:
    words = " ".join(str(error).split())[:300]
    low = words.lower()
    if "nosuchbucket" in low.replace(" ", "") or "no_such_bucket" in low or "does not exist" in low:
        do = "there is no such folder or bucket."
    elif any(
        sign in low for sign in ("access_denied", "access denied", "accessdenied", "forbidden", "signature")
    ):
        do = "no rights: look at AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, and what they may read."
    elif any(sign in low for sign in ("network", "connect", "resolve", "timeout")):
        do = "it cannot be reached: look at AWS_ENDPOINT_URL, AWS_REGION and the network."
    else:
        do = "it cannot be looked into."
    return DataError(f"{do} It said: {words}", path=url)


def _is_parquet(name: str) -> bool:
    plain = not any(part.startswith(("_", ".")) for part in name.split("/"))
    return plain and name.lower().endswith((".parquet", ".parq", ".pq"))


def _parquet(url: str) -> Any:
    """All files below as one table; what folders of the kind `day=2026-01-01` say is a column."""
    import pyarrow.dataset as ds

    system, path = filesystem_of(url)
    names = sorted(name for name in listed(url) if _is_parquet(name))
    paths = [f"{path}/{name}" for name in names]
    hive = ds.partitioning(flavor="hive")
    whole = ds.dataset(paths, filesystem=system, format="parquet", partitioning=hive, partition_base_dir=path)
    return whole.replace_schema(
        _unified(url, [each.physical_schema for each in whole.get_fragments()], whole.schema)
    )


def _unified(url: str, schemas: list[Any], whole: Any) -> Any:
    """The columns of all files: the first may lack some. Raises DataError where two cannot be one type."""
    import pyarrow as pa

    try:
        return pa.unify_schemas([whole, *schemas], promote_options="permissive")
    except pa.ArrowException as error:
        said = " ".join(str(error).split())[:200]
        raise DataError(f"its files do not fit together ({said}).", path=url) from None


def _delta(url: str) -> Any:
    from deltalake import DeltaTable
    from deltalake.exceptions import DeltaError

    try:
        if "://" not in url:
            return DeltaTable(str(Path(url).resolve())).to_pyarrow_dataset()
        address = address_of_s3()
        options = {"AWS_ENDPOINT_URL": address} if address else {}
        options |= {"AWS_ALLOW_HTTP": "true"} if (address or "").startswith("http://") else {}
        return DeltaTable(url, storage_options=options).to_pyarrow_dataset()
    except (DeltaError, OSError, ValueError, NotImplementedError) as error:
        said = " ".join(str(error).split())[:300]
        raise DataError(
            f"this Delta table cannot be read ({said}): where it has deletion vectors or column mapping, "
            "write "
            "it anew without.",
            path=url,
        ) from None


def _of_dataset(source: Source, url: str, table: Any, columns: Columns) -> Origin:
    import pyarrow as pa
    import pyarrow.dataset as ds

    time, chosen = source.time_column, _chosen(url, table.schema.names, source, columns)

    def batches(since: Any) -> Iterator[Any]:
        where = None
        if since is not None:
            here = _scalar(since, table.schema.field(time).type)
            where = (ds.field(time) >= here) | ds.field(time).is_null()
        try:
            scan = table.scanner(columns=chosen, filter=where, batch_size=BATCH_ROWS, batch_readahead=2,
                                 fragment_readahead=1)  # fmt: skip
            yield _none(scan.projected_schema)
            yield from scan.to_batches()
        except (pa.ArrowException, OSError) as error:
            raise told(url, error) from None

    def n_before(at: Any) -> int:
        return int(table.count_rows(filter=ds.field(time) < _scalar(at, table.schema.field(time).type)))

    return Origin(url, batches, n_before)


def _none(schema: Any) -> Any:
    """A batch without rows: who gets nothing else still learns the columns."""
    import pyarrow as pa

    return pa.record_batch([pa.array([], field.type) for field in schema], schema=schema)


def _scalar(time: Any, kind: Any) -> Any:
    import pyarrow as pa

    return pa.scalar(time, pa.string()) if pa.types.is_dictionary(kind) else pa.scalar(time).cast(kind)


def _chosen(url: str, names: Sequence[str], source: Source, columns: Columns) -> list[str]:
    """The columns that are asked for and there. Raises DataError where one of the source's own is not."""
    for own in (source.time_column, source.row_id):
        if own is not None and own not in names:
            like = nearest(own, names)
            hint = f" Did you mean '{like}'?" if like else ""
            raise DataError(
                f"there is no column '{own}'; it has {', '.join(names)}.{hint}", path=url, column=own
            )
    wanted = {*(columns or names), *filter(None, (source.time_column, source.row_id))}
    return [name for name in names if name in wanted]


def _iceberg(source: Source, url: str, found: list[str], columns: Columns) -> Origin:
    from pyiceberg import expressions
    from pyiceberg.exceptions import NotInstalledError, ValidationError
    from pyiceberg.table import StaticTable

    place = url.rstrip("/") if "://" in url else str(Path(url).resolve())
    terms: Any = expressions  # its types want more than a name of a column, which it takes
    try:
        given = {"s3.endpoint": address} if (address := address_of_s3()) else {}
        table = StaticTable.from_metadata(f"{place}/{_newest(found)}", given)
        chosen = _chosen(url, [field.name for field in table.schema().fields], source, columns)
    except (OSError, ValueError, NotInstalledError, ValidationError) as error:
        raise told(url, error) from None

    def batches(since: Any) -> Iterator[Any]:
        where = terms.AlwaysTrue()
        if since is not None:
            own = source.time_column or ""
            where = terms.Or(terms.GreaterThanOrEqual(own, _iso(since)), terms.IsNull(own))
        reader = table.scan(row_filter=where, selected_fields=tuple(chosen)).to_arrow_batch_reader()
        yield _none(reader.schema)
        yield from reader

    def n_before(at: Any) -> int:
        return int(table.scan(row_filter=terms.LessThan(source.time_column or "", _iso(at))).count())

    return Origin(url, batches, n_before)


def _iso(time: Any) -> Any:
    return time.isoformat() if hasattr(time, "isoformat") else time


def _newest(names: list[str]) -> str:
    """The description of the last version: 'v3.metadata.json', or '00003-….metadata.json'."""

    def number(name: str) -> tuple[int, str]:
        digits = "".join(
            c for c in name.rsplit("/", 1)[-1].lstrip("v").split("-")[0].split(".")[0] if c.isdigit()
        )
        return int(digits or 0), name

    return max(names, key=number)
