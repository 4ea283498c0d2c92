"""Rows and files in a bucket, of a server of S3 on this machine: moto's, where it is installed."""

from __future__ import annotations

import gzip
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from retailor.errors import DataError
from retailor.shop.read import read_sources
from retailor.shop.sources.settings import Source
from retailor.shop.tables import open_shop

pytestmark = pytest.mark.slow
EVENTS = {"columns": {"user_id": "customer", "item_id": "sku", "time": "at"}, "constants": {"kind": "buy"}}


@pytest.fixture
def bucket(s3_server: str, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Any:
    """A new bucket; its name and a file system that writes."""
    from pyarrow import fs

    told = {"AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hunter2",
            "AWS_REGION": "us-east-1", "AWS_S3_ALLOW_UNSAFE_RENAME": "true"}  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    system = fs.S3FileSystem(
        endpoint_override=s3_server.removeprefix("http://"), scheme="http", allow_bucket_creation=True,
        allow_delayed_open=True,
    )  # fmt: skip
    name = f"shop-{abs(hash(request.node.name))}"
    system.create_dir(name)
    return name, system


def frame(n: int, first: int = 0) -> pl.DataFrame:
    at = pl.datetime_range(pl.datetime(2026, 3, 1), pl.datetime(2026, 3, 9), "1h", eager=True, time_unit="us")
    some = pl.DataFrame({"customer": [f"c{i % 5}" for i in range(len(at))], "sku": "s1", "at": at})
    return some[first : first + n]


def put(bucket: Any, name: str, content: bytes) -> str:
    place, system = bucket
    with system.open_output_stream(f"{place}/{name}", compression=None) as file:
        file.write(content)
    return f"s3://{place}/{name}"


def parquet_bytes(some: pl.DataFrame, tmp: Path) -> bytes:
    some.write_parquet(tmp / "some.parquet")
    return (tmp / "some.parquet").read_bytes()


def test_a_folder_of_parquet_in_a_bucket_whole_and_then_what_is_new(bucket: Any, tmp_path: Path) -> None:
    put(bucket, "orders/day=1/a.parquet", parquet_bytes(frame(50), tmp_path))
    source = Source(url=f"s3://{bucket[0]}/orders", tables={"events": EVENTS})
    kept = replace(source, keep=str(tmp_path / "kept"), time_column="at")
    for each in (source, kept):
        assert read_sources([each], tmp_path / "shop").rows["events"] == 50
    put(bucket, "orders/day=2/b.parquet", parquet_bytes(frame(20, 50), tmp_path))
    for each in (source, kept):
        assert read_sources([each], tmp_path / "shop").rows["events"] == 70
    assert open_shop(tmp_path / "shop").events["time"].n_unique() == 70


def test_a_file_in_a_bucket_is_read_as_a_file_is(bucket: Any, tmp_path: Path) -> None:
    url = put(
        bucket, "exports/orders.csv.gz", gzip.compress(frame(9).write_csv().encode() + b",s1,2026-03-01\n")
    )
    count = read_sources([Source(url=url, tables={"events": EVENTS})], tmp_path / "shop")
    assert count.rows["events"] == 9 and count.rejects == 1
    assert "hunter2" not in "".join(p.read_text("latin-1") for p in (tmp_path / "shop").iterdir())


def test_a_delta_table_in_a_bucket(bucket: Any, tmp_path: Path) -> None:
    from deltalake import write_deltalake

    options = {"AWS_ALLOW_HTTP": "true"}
    write_deltalake(f"s3://{bucket[0]}/delta", frame(30).to_arrow(), storage_options=options)
    source = Source(url=f"s3://{bucket[0]}/delta", tables={"events": EVENTS})
    assert read_sources([source], tmp_path / "shop").rows["events"] == 30


def test_an_iceberg_table_in_a_bucket(
    bucket: Any, s3_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pyiceberg.catalog.memory import InMemoryCatalog
    from pyiceberg.io.pyarrow import PyArrowFileIO

    place, system = bucket
    with monkeypatch.context() as writing:
        # moto calls the end of an upload in parts a "Response" where S3 says "Result", and Arrow takes that
        # for an error: small files are written whole, by the file system that does so
        writing.setattr(PyArrowFileIO, "_initialize_s3_fs", lambda self, netloc: system)
        catalog = InMemoryCatalog("t", **{"warehouse": f"s3://{place}/ice", "s3.endpoint": s3_server})
        catalog.create_namespace("shop")
        table = catalog.create_table("shop.orders", schema=frame(0).to_arrow().schema)
        table.append(frame(30).to_arrow())
        location = table.location()
    source = Source(url=location, tables={"events": EVENTS})
    assert read_sources([source], tmp_path / "shop").rows["events"] == 30


@pytest.mark.parametrize(("name", "told"), [("nowhere-at-all", "no such folder or bucket"), ("", "no such")])
def test_a_bucket_that_is_not_there(bucket: Any, tmp_path: Path, name: str, told: str) -> None:
    url = f"s3://{name or bucket[0]}/nothing/here"
    with pytest.raises(DataError, match=told) as caught:
        read_sources([Source(url=url, tables={"events": EVENTS})], tmp_path / "shop")
    assert "hunter2" not in str(caught.value)


def test_a_server_that_does_not_answer(bucket: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(DataError, match="cannot be reached"):
        read_sources([Source(url="s3://shop/orders", tables={"events": EVENTS})], tmp_path / "shop")
