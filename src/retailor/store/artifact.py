"""An artifact is a folder: its files, a card, and a manifest that knows every byte of them.

It is written beside its place and renamed into it, so that a kill leaves the old one or none.
"""

from __future__ import annotations

import errno
import glob
import hashlib
import json
import os
import shutil
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retailor.errors import DataError

if TYPE_CHECKING:
    from filelock import BaseFileLock

WHOLE = "RETAILOR_WHOLE"
"""The environment variable of a folder, of processes that start together: a mark in it for each file that one
of them has held against its sha256, so that the others need not."""
MANIFEST = "manifest.json"
CARD = "README.md"


@dataclass(frozen=True)
class Manifest:
    """What an artifact is: its kind, settings, and the size and sha256 of each file."""

    kind: str
    fingerprint: str
    created: str
    version: str
    settings: dict[str, Any] = field(default_factory=dict)
    files: dict[str, dict[str, Any]] = field(default_factory=dict)


def fingerprint(*parts: object) -> str:
    """A sha256 (hex) over JSON-able parts: equal parts, equal fingerprint, in any process."""
    text = json.dumps(parts, sort_keys=True, ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """The sha256 (hex) of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def writing(
    folder: Path, kind: str, *, settings: Mapping[str, Any] | None = None, card: str = ""
) -> Iterator[Path]:
    """A fresh folder to fill; on success it gets its manifest and takes the place of `folder`.

    On an error nothing is left behind and the old artifact, if any, is untouched. What a killed call left
    beside its place is swept away. Raises DataError rather than take the place of something else, and when
    the disk is full.
    """
    folder = Path(folder)
    _refuse_foreign(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    mark = uuid.uuid4().hex[:8]
    new = folder.with_name(f".{folder.name}.{mark}.new")
    lock = owned(new.with_suffix(".lock"))
    new.mkdir()
    try:
        yield new
        if card and not (new / CARD).exists():
            (new / CARD).write_text(card, encoding="utf-8")
        _write_manifest(new, kind, dict(settings or {}))
        _replace(new, folder, folder.with_name(f".{folder.name}.{mark}.old"))
    except Exception as error:
        if is_full_disk(error):
            left = shutil.disk_usage(folder.parent).free
            raise DataError(
                f"the disk is full: {left / 1e6:,.1f} MB are left there; make room, or name another place.",
                path=folder,
            ) from error
        raise
    finally:
        shutil.rmtree(new, ignore_errors=True)
        _release(lock)


def is_full_disk(error: BaseException) -> bool:
    """Whether a write failed for want of room; Polars and safetensors tell it in words only."""
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
        return True
    words = str(error).lower()
    return any(sign in words for sign in ("no space left on device", "disk quota exceeded", "os error 28"))


def _refuse_foreign(folder: Path) -> None:
    """Raises DataError when the place is taken by a file, or by a folder that is no artifact."""
    if folder.is_dir() and ((folder / MANIFEST).is_file() or not any(folder.iterdir())):
        return
    if folder.exists() or not folder.name:
        kind = "a folder of other things" if folder.is_dir() else "a file"
        raise DataError(f"this is {kind}, which Retailor does not replace; name another place.", path=folder)


def _sweep(folder: Path) -> None:
    """Removes what killed calls left half-written beside `folder`; a call at work holds its own lock."""
    left = folder.parent.glob(f".{glob.escape(folder.name)}.{'[0-9a-f]' * 8}.*")
    for stem in sorted({path.with_suffix("") for path in left if path.suffix in (".new", ".old", ".lock")}):
        lock = owned(stem.with_name(f"{stem.name}.lock"))
        if lock is not None:
            for kind in ("new", "old"):
                shutil.rmtree(stem.with_name(f"{stem.name}.{kind}"), ignore_errors=True)
            _release(lock)


def owned(path: Path) -> BaseFileLock | None:
    """A lock on the file, held until it is released, by a kill too; None when another call holds it."""
    from filelock import FileLock, Timeout

    lock = FileLock(path)
    try:
        lock.acquire(blocking=False)
    except Timeout:
        return None
    return lock


def _release(lock: BaseFileLock | None) -> None:
    """Gives up a lock that nobody waits for, and its file."""
    if lock is None:
        return
    path = Path(lock.lock_file)
    try:
        path.unlink()  # before the release, where the system lets an open file go
    except OSError:
        lock.release()
        path.unlink(missing_ok=True)
    lock.release()


def _write_manifest(folder: Path, kind: str, settings: dict[str, Any]) -> None:
    files = {
        path.relative_to(folder).as_posix(): {
            "size_bytes": path.stat().st_size,
            "sha256": file_sha256(path),
        }
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path != folder / MANIFEST
    }
    manifest = Manifest(
        kind=kind,
        fingerprint=fingerprint(kind, settings, {k: v["sha256"] for k, v in _content(files)}),
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        version=retailor_version(),
        settings=settings,
        files=files,
    )
    with (folder / MANIFEST).open("w", encoding="utf-8") as file:
        json.dump(asdict(manifest), file, indent=1, ensure_ascii=False)
        file.flush()
        os.fsync(file.fileno())


def _content(files: dict[str, dict[str, Any]]) -> list[tuple[str, dict[str, Any]]]:
    """The files that make the content: an inner manifest carries a date, so it does not count."""
    return [(name, entry) for name, entry in files.items() if not name.endswith("/" + MANIFEST)]


def _replace(new: Path, folder: Path, old: Path) -> None:
    if folder.exists():
        folder.rename(old)
    new.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def read_manifest(folder: Path, kind: str | None = None) -> Manifest:
    """The manifest of an artifact. Raises DataError when it is missing, unreadable or of another kind."""
    path = Path(folder) / MANIFEST
    try:
        manifest = Manifest(**json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        raise DataError("no manifest here, so this is not a Retailor artifact.", path=path) from None
    except (ValueError, TypeError) as error:
        raise DataError(f"the manifest is corrupt ({error}); make the artifact again.", path=path) from None
    if kind is not None and manifest.kind != kind:
        raise DataError(f"this is a '{manifest.kind}', not a '{kind}'.", path=folder, value=manifest.kind)
    return manifest


def verify(folder: Path, kind: str | None = None) -> Manifest:
    """The manifest, after every file was checked against it. Raises DataError that names the bad file.

    A file that another of a group of processes has checked (`WHOLE`), and nobody has touched since, is whole.
    """
    folder = Path(folder)
    manifest = read_manifest(folder, kind)
    for name, entry in manifest.files.items():
        path = folder / name
        if not path.is_file():
            raise DataError("the file is missing; make the artifact again.", path=path)
        mark = _mark_of(path, entry)
        if mark is not None and mark.exists():
            continue
        if path.stat().st_size != entry["size_bytes"] or file_sha256(path) != entry["sha256"]:
            raise DataError(
                "the file is corrupt (its bytes differ from the manifest); make the artifact again.",
                path=path,
            )
        if mark is not None:
            mark.touch()
    return manifest


def _mark_of(path: Path, entry: Mapping[str, Any]) -> Path | None:
    """The mark that a file is what its manifest says, as it was read: of another time, size or place on the
    disk it is another mark. None where no processes share any."""
    marks = os.environ.get(WHOLE)
    if not marks:
        return None
    about = path.stat()
    when = (about.st_dev, about.st_ino, about.st_size, about.st_mtime_ns, about.st_ctime_ns)
    return Path(marks) / fingerprint(*when, entry["sha256"])


def inside(folder: Path, name: str) -> Path:
    """The path of a name in a folder. Raises DataError where a record from elsewhere leads out of it."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()) or path == folder.resolve():
        raise DataError(f"'{name}' lies outside of the folder.", path=folder, value=name)
    return path


def share_files(folder: Path, others: Sequence[Path], *, least_bytes: int = 2**16) -> int:
    """Makes equal large files of artifacts one file on disk (a hard link); the number of those shared.

    Each folder stays whole: copied elsewhere it has its own files again. Where the disk has no links, or
    the folders lie on two disks, nothing is shared.
    """
    known = {
        entry["sha256"]: other / name
        for other in others
        for name, entry in read_manifest(other).files.items()
        if entry["size_bytes"] >= least_bytes
    }
    n_shared = 0
    for name, entry in read_manifest(folder).files.items():
        twin, path = known.get(entry["sha256"]), Path(folder) / name
        if twin is None or entry["size_bytes"] < least_bytes or path.samefile(twin):
            continue
        new = path.with_name(f".{path.name}.link")
        try:
            new.unlink(missing_ok=True)
            os.link(twin, new)
            new.replace(path)
        except OSError:
            new.unlink(missing_ok=True)
            return n_shared
        n_shared += 1
    return n_shared


def retailor_version() -> str:
    """The installed version, or '0' in a bare source tree."""
    try:
        return version("retailor")
    except PackageNotFoundError:
        return "0"
