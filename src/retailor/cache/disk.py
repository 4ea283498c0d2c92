"""A cache in an LMDB folder."""

from __future__ import annotations

import hashlib
import logging
import math
import struct
import threading
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from retailor.errors import ConfigError, MissingExtra

DISK_BYTES = 256 * 2**20
_log = logging.getLogger(__name__)
_HEADER = struct.Struct("<dQI")  # when it expires (unix seconds), its place in the order of puts, a checksum


class LmdbCache:
    """In a folder, kept over restarts: the file stays below `size_bytes`, and the oldest puts go first.

    A broken file is made anew, with a warning in the log that names it. Several processes may share the
    folder; within one process it is opened once.
    """

    def __init__(
        self, folder: Path, size_bytes: int = DISK_BYTES, *, clock: Callable[[], float] = time.time
    ) -> None:
        self.folder = Path(folder)
        self.size_bytes = max(size_bytes, 2**20)
        self.n_failures = 0
        self._clock = clock
        self._lock = threading.Lock()
        self._lmdb, self._fcntl = _import_lmdb(), _import_fcntl()
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._guard = (self.folder / "guard").open("a")
            self._check()
            self._env = self._open()
        except (OSError, self._lmdb.Error) as error:
            if hasattr(self, "_guard"):
                self._guard.close()
            raise ConfigError(
                f"no cache can be kept in {folder} ({error}); name a folder of its own that can be written.",
                key="cache",
                value=str(folder),
            ) from None

    def _open(self) -> Any:
        # No fsync: a killed process loses nothing, and what a power cut breaks is found by the check.
        env = self._lmdb.open(
            str(self.folder), map_size=self.size_bytes, max_dbs=2, sync=False, metasync=False, mode=0o600
        )
        self._values, self._order = env.open_db(b"values"), env.open_db(b"order")
        return env

    def _check(self) -> None:
        """Makes a broken file anew, unless another process has it open and so has checked it."""
        try:
            self._fcntl.flock(self._guard, self._fcntl.LOCK_EX | self._fcntl.LOCK_NB)
        except BlockingIOError:
            self._fcntl.flock(self._guard, self._fcntl.LOCK_SH)
            return
        path = self.folder / "data.mdb"
        problem = self._problem(path)
        if problem:
            _log.warning("%s: the cache was broken (%s) and is made anew, empty.", path, problem)
            path.unlink()
            (self.folder / "lock.mdb").unlink(missing_ok=True)
        self._fcntl.flock(self._guard, self._fcntl.LOCK_SH)

    def _problem(self, path: Path) -> str:
        """What is wrong with the file, or ''. LMDB trusts its pages: a broken one can end the process."""
        from lmdb.verify import VerifyError, verify

        if not path.exists():
            return ""
        try:
            found = list(verify(str(self.folder)))  # type: ignore[no-untyped-call]
        except VerifyError as error:
            return str(error)
        return str(found[0]) if found else ""

    def get(self, key: str) -> bytes | None:
        name = _name(key)
        with self._lock:
            entry = self._try(lambda: self._read(name))
            if entry is None:
                return None
            expires, _, checksum = _HEADER.unpack_from(entry)
            value = bytes(entry[_HEADER.size :])
            if expires > self._clock() and checksum == _checksum(name, expires, value):
                return value
            self._try(lambda: self._write(lambda txn: self._drop(txn, name)))
            return None

    def _read(self, name: bytes) -> bytes | None:
        with self._env.begin(self._values) as txn:
            found: bytes | None = txn.get(name)
        return found if found is not None and len(found) >= _HEADER.size else None

    def put(self, key: str, value: bytes, ttl_s: float | None = None) -> None:
        if len(value) > self.size_bytes // 8:
            self.delete(key)
            return
        expires = math.inf if ttl_s is None else self._clock() + ttl_s
        with self._lock:
            self._try(lambda: self._write(lambda txn: self._add(txn, _name(key), expires, value)))

    def _add(self, txn: Any, name: bytes, expires: float, value: bytes) -> None:
        self._drop(txn, name)
        self._evict(txn)
        cursor = txn.cursor(self._order)
        place = int.from_bytes(cursor.key(), "big") + 1 if cursor.last() else 0
        header = _HEADER.pack(expires, place, _checksum(name, expires, value))
        txn.put(place.to_bytes(8, "big"), name, db=self._order)
        txn.put(name, header + value, db=self._values)

    def _evict(self, txn: Any) -> None:
        """Half of the file stays free: pages of a deleted value can be used again only two writes later."""
        used = self._used_bytes(txn)
        if used <= self.size_bytes // 2:
            return
        while used > self.size_bytes * 2 // 5:
            cursor = txn.cursor(self._order)
            if not cursor.first():
                return
            self._drop(txn, cursor.value())
            if cursor.first() and txn.get(cursor.value(), db=self._values) is None:
                cursor.delete()
            used = self._used_bytes(txn)

    def _used_bytes(self, txn: Any) -> int:
        stats = [txn.stat(db) for db in (self._values, self._order)]
        pages = ("branch_pages", "leaf_pages", "overflow_pages")
        return sum(int(stat["psize"]) * sum(int(stat[page]) for page in pages) for stat in stats)

    def _drop(self, txn: Any, name: bytes) -> None:
        entry = txn.get(name, db=self._values)
        if entry is not None:
            if len(entry) >= _HEADER.size:
                txn.delete(_HEADER.unpack_from(entry)[1].to_bytes(8, "big"), db=self._order)
            txn.delete(name, db=self._values)

    def _write(self, change: Callable[[Any], None]) -> None:
        try:
            with self._env.begin(write=True) as txn:
                change(txn)
        except self._lmdb.MapFullError:
            with self._env.begin(write=True) as txn:
                txn.drop(self._values, delete=False)
                txn.drop(self._order, delete=False)
            with self._env.begin(write=True) as txn:
                change(txn)

    def _try(self, act: Callable[[], Any]) -> Any:
        """What `act` returns; None after close, and None, counted, when LMDB fails."""
        if self._env is None:
            return None
        try:
            return act()
        except (self._lmdb.Error, OSError):
            self.n_failures += 1
            return None

    def delete(self, key: str) -> None:
        with self._lock:
            self._try(lambda: self._write(lambda txn: self._drop(txn, _name(key))))

    def clear(self) -> None:
        """LMDB leaves what it drops on its free pages, so the file goes: another process that has it open
        goes on with its own until it is started anew."""
        with self._lock:
            if self._env is not None:
                self._env.close()
                for name in ("data.mdb", "lock.mdb"):
                    (self.folder / name).unlink(missing_ok=True)
                self._env = self._open()

    def __len__(self) -> int:
        def count() -> int:
            with self._env.begin() as txn:
                return int(txn.stat(self._values)["entries"])

        with self._lock:
            return self._try(count) or 0

    def close(self) -> None:
        with self._lock:
            if self._env is not None:
                self._env.close()
                self._guard.close()
                self._env = None


def _import_lmdb() -> Any:
    try:
        import lmdb
    except ImportError:
        raise MissingExtra("lmdb", install="pip install 'retailor[serve]'") from None
    return lmdb


def _import_fcntl() -> Any:
    try:
        import fcntl
    except ImportError:
        raise ConfigError(
            "a cache in a folder needs locks that this system does not have: take 'memory:' or 'redis://'.",
            key="cache",
            value="lmdb:",
        ) from None
    return fcntl


def _name(key: str) -> bytes:
    """LMDB bounds the length of a key, so each goes under its hash."""
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).digest()


def _checksum(name: bytes, expires: float, value: bytes) -> int:
    return zlib.crc32(value, zlib.crc32(name + struct.pack("<d", expires)))
