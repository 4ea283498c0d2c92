"""Archives of model hubs (.tar.gz): fetched and unpacked within bounds."""

from __future__ import annotations

import re
import shutil
import tarfile
import urllib.request
import zlib
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import urlsplit

from retailor.errors import DataError, ModelError
from retailor.models.files import first_line

SUFFIXES = (".tar.gz", ".tgz")
MAX_BYTES = 8 * 2**30
"""Of an archive, and of what is in it."""
MAX_FILES = 1_000
_TIMEOUT_S = 30
_PIECE = 1 << 20
_HUB = "https://tfhub.dev/"
_KAGGLE = re.compile(
    r"https://www\.kaggle\.com/models/([\w.-]+)/([\w.-]+)/(?:frameworks/)?([\w.-]+)/(?:variations/)?([\w.-]+)"
    r"/(?:versions/)?(\d+)/?"
)
HANDLE = re.compile(r"(?:https://(?:tfhub\.dev|www\.kaggle\.com/models)/.+|tfhub:.*)")
"""Names of models that are handles of a hub."""


def archive_url(handle: str) -> str:
    """The address of a handle's archive. Raises ModelError where it is none.

    `google/nnlm-en-dim128/2` and addresses of tfhub.dev, addresses of a version at Kaggle, any other https.
    """
    handle = handle.removeprefix("tfhub:")
    if found := _KAGGLE.fullmatch(handle):
        return f"https://www.kaggle.com/api/v1/models/{'/'.join(found.groups())}/download"
    if re.fullmatch(r"[\w.-]+(?:/[\w.-]+)+", handle):
        handle = _HUB + handle
    if handle.startswith(_HUB):
        return f"{handle.split('?')[0]}?tf-hub-format=compressed"
    if urlsplit(handle).scheme != "https":
        raise ModelError(
            f"'{handle}' is no handle of a model: it looks like tfhub:google/nnlm-en-dim128/2, or is an "
            "https address of an archive.",
            asked=handle,
        )
    return handle


def fetch_archive(handle: str, path: Path) -> Path:
    """Writes the archive of a handle to `path`. Raises ModelError where the hub does not give it."""
    url = archive_url(handle)
    try:
        with _opener().open(url, timeout=_TIMEOUT_S) as reply, path.open("wb") as file:
            size = 0
            while piece := reply.read(_PIECE):
                size += len(piece)
                if size > MAX_BYTES:
                    raise ValueError(f"it has more than {MAX_BYTES:,} bytes")
                file.write(piece)
    except (OSError, ValueError) as error:
        raise ModelError(
            f"the hub did not give '{handle}' ({first_line(error)}): check the handle and the network, or "
            "fetch the archive elsewhere and name its file (model.tar.gz) or the unpacked folder.",
            asked=handle,
        ) from None
    return path


class _StaysSecure(urllib.request.HTTPRedirectHandler):
    """Follows a hub to where it keeps its files, and never to an address without encryption."""

    def redirect_request(self, req: Any, fp: Any, code: int, msg: str, headers: Any, newurl: str) -> Any:
        if urlsplit(req.full_url).scheme == "https" and urlsplit(newurl).scheme != "https":
            raise ValueError("it sends on to an address without encryption")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _opener() -> urllib.request.OpenerDirector:
    return urllib.request.build_opener(_StaysSecure())


def unpack(archive: Path, folder: Path) -> None:
    """The files of an archive, below `folder`. Links and devices are no files of a model: they are refused.

    Raises DataError for an archive that is corrupt, larger than MAX_BYTES, of more than MAX_FILES files, or
    with a name that leads out of the folder.
    """
    size = n = 0
    try:
        with tarfile.open(archive, "r:gz") as packed:
            for member in packed:
                name = PurePosixPath(member.name)
                size, n = size + member.size, n + 1
                if size > MAX_BYTES or n > MAX_FILES:
                    raise DataError(
                        f"it unpacks to more than {MAX_FILES:,} files or {MAX_BYTES:,} bytes.", path=archive
                    )
                if name.is_absolute() or ".." in name.parts or not (member.isfile() or member.isdir()):
                    raise DataError(f"'{member.name[:200]}' in it is no file below its folder.", path=archive)
                if member.isfile():
                    _write(packed, member, folder / name)
    except (tarfile.TarError, OSError, EOFError, zlib.error) as error:
        raise DataError(f"this archive is cut off or corrupt ({first_line(error)}).", path=archive) from None


def _write(packed: tarfile.TarFile, member: tarfile.TarInfo, path: Path) -> None:
    source = packed.extractfile(member)
    assert source is not None
    path.parent.mkdir(parents=True, exist_ok=True)
    with source, path.open("wb") as file:
        shutil.copyfileobj(source, file, _PIECE)
