"""Artifacts and runs in a bucket or a folder elsewhere, by URL: an artifact is there whole or not at all.

Files lie below the sha256 of their manifest, and the manifest is written last, as one object: a reader finds
the old artifact or the new one, a half-written one is never named, and two writers never mix. What a killed
writer left is named by no manifest.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from retailor.errors import ConfigError, DataError, first_line
from retailor.store import artifact
from retailor.store.user_cache import cache_folder

KINDS = ("s3", "gs", "abfs", "file")
NOTES = ("plan.toml", "versions.json", "run.json")
"""What a run writes beside its stages; the record last."""
BUFFER = 4 << 20
TRIES = 6


def is_url(place: str | Path) -> bool:
    """Whether a place is a URL, and no path."""
    return "://" in str(place)


def filesystem_of(url: str) -> tuple[Any, str]:
    """The file system of pyarrow that a URL or a path is in, and the path there.

    Keys, region and address of a bucket are those of the environment (of s3: AWS_ACCESS_KEY_ID,
    AWS_SECRET_ACCESS_KEY, AWS_REGION, AWS_ENDPOINT_URL) or of ~/.aws. Raises ConfigError on any other kind.
    """
    from pyarrow import fs

    if not is_url(url):
        return fs.LocalFileSystem(), str(Path(url).resolve())
    kind, _, path = url.partition("://")
    if kind not in KINDS:
        raise ConfigError(
            f"'{kind}://' is no storage that is known: {', '.join(f'{each}://' for each in KINDS)}.",
            key="url",
        )
    if "@" in path.partition("/")[0]:
        raise ConfigError("keys do not belong into a URL: set them in the environment.", key="url")
    if kind == "file":
        return fs.LocalFileSystem(), f"/{path.strip('/')}"
    return (_s3(), path.strip("/")) if kind == "s3" else fs.FileSystem.from_uri(url)


def address_of_s3() -> str | None:
    """Of a bucket's server, where it is not Amazon's."""
    return os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")


def _s3() -> Any:
    from pyarrow import fs

    # what fits into one request is written by one: an object is there at once, or not
    given: dict[str, Any] = {"connect_timeout": 15, "request_timeout": 60, "allow_delayed_open": True}
    if address := address_of_s3():
        scheme, _, host = address.rpartition("://")
        given |= {"endpoint_override": host.rstrip("/"), "scheme": scheme or "https"}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    return fs.S3FileSystem(**given, **({"region": region} if region else {}))


@dataclass(frozen=True)
class Bucket:
    """A folder at a URL."""

    url: str

    def push(self, folder: Path, place: str) -> None:
        """Publishes an artifact at `place`. Raises DataError where it is corrupt or cannot be written."""
        manifest = artifact.verify(folder)
        told = (folder / artifact.MANIFEST).read_bytes()
        with self._open() as (system, root):
            if _bytes_at(system, f"{root}/{place}/{artifact.MANIFEST}") == told:
                return
            below = f"{root}/{place}/{hashlib.sha256(told).hexdigest()}"
            for name in manifest.files:
                _write(system, f"{below}/{name}", folder / name)
            _write_whole(system, f"{root}/{place}/{artifact.MANIFEST}", told)

    def pull(self, place: str, folder: Path) -> bool:
        """Fetches the artifact at `place` into `folder`, checked to the byte; whether there is one.

        Raises DataError that names the file that differs from the manifest.
        """
        with self._open() as (system, root):
            told = _bytes_at(system, f"{root}/{place}/{artifact.MANIFEST}")
            if told is None:
                return False
            own = folder / artifact.MANIFEST
            if own.is_file() and own.read_bytes() == told:
                artifact.verify(folder)
                return True
            new = folder.with_name(f".{folder.name}.{uuid.uuid4().hex[:8]}.new")
            new.mkdir(parents=True)
            try:
                (new / artifact.MANIFEST).write_bytes(told)
                below = f"{root}/{place}/{hashlib.sha256(told).hexdigest()}"
                for name in artifact.read_manifest(new).files:
                    _read(system, f"{below}/{name}", artifact.inside(new, name))
                artifact.verify(new)
                shutil.rmtree(folder, ignore_errors=True)
                new.rename(folder)
            finally:
                shutil.rmtree(new, ignore_errors=True)
        return True

    def put(self, path: Path, name: str) -> None:
        """Publishes a small file, as one object; nothing where there is none."""
        if path.is_file():
            with self._open() as (system, root):
                _write_whole(system, f"{root}/{name}", path.read_bytes())

    def get(self, name: str, path: Path) -> bool:
        """Fetches a small file; whether there is one."""
        with self._open() as (system, root):
            found = _bytes_at(system, f"{root}/{name}")
        if found is None:
            return False
        path.parent.mkdir(parents=True, exist_ok=True)
        new = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.new")
        new.write_bytes(found)
        new.replace(path)
        return True

    def keep_only(self, below: str, names: set[str]) -> None:
        """Removes the folders and files in `below` that are of none of the names."""
        from pyarrow import fs

        with self._open() as (system, root):
            selector = fs.FileSelector(f"{root}/{below}", allow_not_found=True)
            for each in system.get_file_info(selector):
                if each.base_name.removesuffix(".json") not in names:
                    is_folder = each.type == fs.FileType.Directory
                    (system.delete_dir if is_folder else system.delete_file)(each.path)

    def check(self) -> None:
        """Raises DataError where nothing can be written there, and taken away again."""
        name = f".seen-{uuid.uuid4().hex[:8]}"
        with self._open() as (system, root):
            _write_whole(system, f"{root}/{name}", b"")
            system.delete_file(f"{root}/{name}")

    @contextmanager
    def _open(self) -> Iterator[tuple[Any, str]]:
        try:
            yield filesystem_of(self.url)
        except OSError as error:  # a bucket's words may have the whole request in them
            said = first_line(error)[:200]
            raise DataError(f"this storage does not do what is asked of it: {said}", path=self.url) from None


def fetched_run(url: str) -> Path:
    """The finished run at a URL as a folder here, in the user's cache, each artifact checked to the byte.

    Raises DataError where there is no finished run.
    """
    folder = cache_folder() / "runs" / hashlib.sha256(url.rstrip("/").encode()).hexdigest()[:16]
    bucket = Bucket(url.rstrip("/"))
    bucket.get("plan.toml", folder / "plan.toml")
    if not bucket.get("run.json", folder / ".run.json"):
        raise DataError("no finished run there; make one with `retailor run --out`.", path=url)
    record = json.loads((folder / ".run.json").read_text(encoding="utf-8"))
    for stage in record["stages"]:
        if not bucket.pull(stage["folder"], artifact.inside(folder, stage["folder"])):
            raise DataError(f"the stage '{stage['name']}' is not there; run it again.", path=url)
    (folder / ".run.json").replace(folder / "run.json")
    return folder


def _bytes_at(system: Any, path: str) -> bytes | None:
    """A small file of JSON or TOML; it is asked for again where it was replaced while it was read."""
    from pyarrow import fs

    for left in reversed(range(TRIES)):
        if system.get_file_info(path).type != fs.FileType.File:
            return None
        try:
            with system.open_input_stream(path, compression=None) as stream:
                found: bytes = stream.read()
            if path.endswith(".json"):
                json.loads(found)
            return found
        except (OSError, ValueError) as error:
            if not left:
                raise OSError(str(error)) from None
            time.sleep(0.05)
    return None


def _write(system: Any, path: str, file: Path) -> None:
    with file.open("rb") as source, _object(system, path) as stream:
        shutil.copyfileobj(source, stream, BUFFER)


def _write_whole(system: Any, path: str, content: bytes) -> None:
    with _object(system, path) as stream:
        stream.write(content)


@contextmanager
def _object(system: Any, path: str) -> Iterator[Any]:
    """A stream to what takes its place at once: an object of a bucket, or a file that is renamed."""
    is_local = system.type_name == "local"
    at = f"{path}.{uuid.uuid4().hex[:8]}.new" if is_local else path
    if is_local:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    with system.open_output_stream(at, compression=None) as stream:
        yield stream
    if is_local:
        Path(at).replace(path)


def _read(system: Any, path: str, file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with system.open_input_stream(path, compression=None) as stream, file.open("wb") as target:
        shutil.copyfileobj(stream, target, BUFFER)
