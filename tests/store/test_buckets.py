"""Artifacts in a folder elsewhere and in a bucket of S3 (moto's server): whole or not at all, never mixed."""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import ConfigError, DataError
from retailor.store import artifact, buckets
from retailor.store.buckets import Bucket, fetched_run, filesystem_of
from retailor.store.stages import Stage, as_record, run_stages, write_json


@pytest.fixture(params=["file", pytest.param("s3", marks=pytest.mark.slow)])
def bucket(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    if request.param == "file":
        return Bucket(f"file://{tmp_path}/there")
    from pyarrow import fs

    address = request.getfixturevalue("s3_server")
    told = {"AWS_ENDPOINT_URL": address, "AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "hunter2",
            "AWS_REGION": "us-east-1"}  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    host = address.removeprefix("http://")
    system = fs.S3FileSystem(endpoint_override=host, scheme="http", allow_bucket_creation=True)
    name = f"b{abs(hash(request.node.name))}"
    system.create_dir(name)
    return Bucket(f"s3://{name}/shop")


def made(folder: Path, text: str, n: int = 3) -> Path:
    with artifact.writing(folder, "x", settings={"text": text}) as new:
        (new / "below").mkdir()
        for i in range(n):
            (new / "below" / f"{i}.txt").write_text(text * 10)
    return folder


def said(folder: Path) -> set[str]:
    artifact.verify(folder, "x")
    return {path.read_text() for path in folder.glob("below/*.txt")}


def test_what_is_published_comes_back_to_the_byte(bucket: Bucket, tmp_path: Path) -> None:
    assert not bucket.pull("stages/a", tmp_path / "back")
    bucket.push(made(tmp_path / "a", "one"), "stages/a")
    assert bucket.pull("stages/a", tmp_path / "back") and said(tmp_path / "back") == {"one" * 10}
    bucket.push(made(tmp_path / "a", "two"), "stages/a")
    assert bucket.pull("stages/a", tmp_path / "back") and said(tmp_path / "back") == {"two" * 10}
    bucket.put(tmp_path / "a" / "below" / "0.txt", "note.txt")
    assert bucket.get("note.txt", tmp_path / "n") and (tmp_path / "n").read_text() == "two" * 10
    assert not bucket.get("none.txt", tmp_path / "none")
    bucket.check()


@pytest.mark.parametrize(("written", "before"), [("_write", 0), ("_write", 2), ("_write_whole", 0)])
def test_a_half_written_artifact_is_never_read(
    written: str, before: int, bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A writer that is killed at its first file, its third, or before the manifest."""
    bucket.push(made(tmp_path / "a", "old"), "a")
    real, calls = getattr(buckets, written), list[int]()

    def stop(*given: Any) -> None:
        calls.append(1)
        if len(calls) > before:
            raise KeyboardInterrupt
        real(*given)

    monkeypatch.setattr(buckets, written, stop)
    with pytest.raises(KeyboardInterrupt):
        bucket.push(made(tmp_path / "a", "new"), "a")
    assert len(calls) == before + 1
    assert bucket.pull("a", tmp_path / "back") and said(tmp_path / "back") == {"old" * 10}


def test_two_writers_never_mix(bucket: Bucket, tmp_path: Path) -> None:
    """Two push in turn, over and over, while a third reads: it always gets what one of them wrote."""
    for text in ("ones", "twos"):
        made(tmp_path / text, text)
    bucket.push(tmp_path / "ones", "a")
    ended = threading.Event()

    def push(text: str) -> None:
        while not ended.is_set():
            bucket.push(tmp_path / text, "a")

    writers = [threading.Thread(target=push, args=(text,)) for text in ("ones", "twos")]
    for each in writers:
        each.start()
    try:
        for i in range(12):
            assert bucket.pull("a", tmp_path / f"back{i}")
            assert said(tmp_path / f"back{i}") in ({"ones" * 10}, {"twos" * 10})
    finally:
        ended.set()
        for each in writers:
            each.join()


def test_a_corrupt_file_is_named_and_what_is_here_stays(bucket: Bucket, tmp_path: Path) -> None:
    bucket.push(made(tmp_path / "a", "one"), "a")
    assert bucket.pull("a", tmp_path / "back")
    bucket.push(made(tmp_path / "a", "two"), "a")
    system, root = filesystem_of(bucket.url)
    from pyarrow import fs

    for each in system.get_file_info(fs.FileSelector(root, recursive=True)):
        if each.base_name == "1.txt":
            with system.open_output_stream(each.path) as stream:
                stream.write(b"other")
    with pytest.raises(DataError, match=r"1\.txt: the file is corrupt"):
        bucket.pull("a", tmp_path / "back")
    assert said(tmp_path / "back") == {"one" * 10}
    assert not list(tmp_path.glob(".back*"))


def test_a_manifest_that_leads_out_of_its_folder_is_refused(bucket: Bucket, tmp_path: Path) -> None:
    told = {"kind": "x", "fingerprint": "", "created": "", "version": "",
            "files": {"../../out.txt": {"size_bytes": 1, "sha256": ""}}}  # fmt: skip
    (tmp_path / "manifest.json").write_text(json.dumps(told))
    bucket.put(tmp_path / "manifest.json", "a/manifest.json")
    with pytest.raises(DataError, match="lies outside of the folder"):
        bucket.pull("a", tmp_path / "deep" / "back")


def test_a_run_goes_on_on_another_machine(bucket: Bucket, tmp_path: Path) -> None:
    calls: list[str] = []

    def make(inputs: Any, folder: Path, work: Path) -> None:
        calls.append(folder.name)
        made(folder, "secret" if "read" in folder.name else "open")

    stages = [
        Stage("read", "x", make, passing=True), Stage("clean", "x", make, ("read",)),
        Stage("fit", "x", make, ("clean",)),
    ]  # fmt: skip
    run_stages(stages[:2], tmp_path / "one", bucket=bucket)
    done = run_stages(stages, tmp_path / "two", bucket=bucket)
    assert len(calls) == 3 and [each.skipped for each in done] == [True, True, False]
    again = run_stages(stages, tmp_path / "three", bucket=bucket)
    assert len(calls) == 3 and all(each.skipped for each in again)
    system, root = filesystem_of(bucket.url)
    from pyarrow import fs

    files = [each for each in system.get_file_info(fs.FileSelector(root, recursive=True)) if each.is_file]
    assert not any(b"secret" in system.open_input_file(each.path).read() for each in files)
    bucket.keep_only("stages", {Path(done[2].folder).name})
    assert bucket.pull(done[2].folder, tmp_path / "x") and not bucket.pull(done[1].folder, tmp_path / "y")


def test_a_finished_run_is_fetched_and_checked(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path / "cache"))
    with pytest.raises(DataError, match="no finished run there"):
        fetched_run(bucket.url)
    stages = [Stage("fit", "x", lambda inputs, folder, work: made(folder, "open") and None)]
    done = run_stages(stages, tmp_path / "one", bucket=bucket)
    write_json(tmp_path / "one" / "run.json", {"stages": [as_record(each) for each in done]})
    bucket.put(tmp_path / "one" / "run.json", "run.json")
    folder = fetched_run(bucket.url)
    assert folder.is_relative_to(tmp_path / "cache")
    assert said(folder / done[0].folder) == {"open" * 10} and fetched_run(bucket.url + "/") == folder


@pytest.mark.parametrize(
    ("url", "message"),
    [("ftp://x/y", "'ftp://' is no storage that is known: s3://, gs://, abfs://, file://"),
     ("s3://key:secret@bucket/x", "set them in the environment")],
)  # fmt: skip
def test_an_address_that_is_none_is_said(url: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message) as found:
        filesystem_of(url)
    assert "secret" not in str(found.value)


@pytest.mark.slow
def test_a_bucket_that_is_not_there_is_said_before_any_work(
    s3_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = {"AWS_ENDPOINT_URL": s3_server, "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "hunter2"}
    for name, value in {**told, "AWS_REGION": "us-east-1", "no_proxy": "127.0.0.1"}.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(DataError, match="s3://not-there/x: this storage does not do what is asked") as found:
        Bucket("s3://not-there/x").check()
    assert "hunter2" not in str(found.value)
