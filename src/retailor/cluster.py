"""Which cluster is meant, and whether a machine of it can take part: same Python, code, libraries, folder."""

from __future__ import annotations

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from retailor.errors import ConfigError, DataError
from retailor.store.artifact import file_sha256
from retailor.store.keys import made_by


@dataclass(frozen=True)
class Cluster:
    """The machines of a run: how many shards have a place at once, and what the smallest machine has."""

    places: int
    """GPUs where every machine has some, else processors."""
    cpus_a_node: int
    gpus_a_node: int
    nodes: int = 1
    shared: Path = Path()
    """The folder that all machines see."""


def cluster_of(resources: Sequence[Mapping[str, float]], shared: Path = Path()) -> Cluster:
    """The cluster of machines with such resources. Raises ConfigError without any."""
    if not resources:
        raise ConfigError("the Ray cluster has no machine with a processor to work on.", key="on")
    cpus, gpus = ([int(each.get(kind, 0)) for each in resources] for kind in ("CPU", "GPU"))
    places = sum(gpus) if min(gpus) else sum(cpus)
    return Cluster(places, max(1, min(cpus)), min(gpus), len(resources), shared)


def address_of(on: str) -> str:
    """The address for Ray: of 'ray' that of RAY_ADDRESS, or 'auto'. Raises ConfigError on what is none."""
    if on == "ray":
        return os.environ.get("RAY_ADDRESS") or "auto"
    host, port = host_and_port(on) if on.startswith("ray://") else ("", 0)
    if not host or not port:
        raise ConfigError(f"'{on}' is no place to run on: local, ray or ray://host:port.", key="on", value=on)
    return on


def host_and_port(address: str) -> tuple[str, int]:
    """Of 'host:port', with a scheme before it or not; '' and 0 for what is not there."""
    parts = urlsplit(address if "://" in address else f"//{address}")
    try:
        return parts.hostname or "", parts.port or 0
    except ValueError:  # a port that is no number
        return "", 0


@contextmanager
def token_in(shared: Path) -> Iterator[Path]:
    """A file in a folder for others to find, and to answer beside; all is gone afterwards."""
    token = shared.resolve() / f".seen-{uuid.uuid4().hex[:8]}"
    token.write_text(token.name, encoding="utf-8")
    try:
        yield token
    finally:
        for path in token.parent.glob(f"{token.name}*"):
            path.unlink(missing_ok=True)


def arrived(path: Path, sha256: str) -> Path:
    """The path, of a file that another machine has written. Raises DataError where it is not that file."""
    if not path.is_file() or file_sha256(path) != sha256:
        raise DataError(
            "another machine has written this, and here it is not or differs: the folder of the run must lie "
            "on storage that all machines share.",
            path=path,
        )
    return path


def probe() -> Callable[[str], Mapping[str, Any]]:
    """A function that says what the machine is where it runs; it travels whole, since another version of
    this file may be there."""

    def seen(token: str) -> Mapping[str, Any]:
        from pathlib import Path

        try:
            from retailor.store.keys import made_by
        except ImportError:
            return {"error": "Retailor is not installed there"}
        path = Path(token)
        try:
            Path(f"{token}-{id(path):x}").write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
        except OSError as error:
            return {"made_by": made_by(), "unseen": error.strerror or str(error)}
        return {"made_by": made_by(), "unseen": ""}

    return seen


def refuse(address: str, answer: Mapping[str, Any], shared: Path) -> None:
    """Raises ConfigError where a machine cannot take part."""
    if "error" in answer:
        raise ConfigError(f"the machine {address} of the cluster: {answer['error']}.", key="on")
    own, other = made_by(), answer["made_by"]
    apart = [name for name in sorted({*own, *other} - {"code"}) if own.get(name) != other.get(name)]
    told = [f"{name} {other.get(name, 'absent')} (here {own.get(name, 'absent')})" for name in apart]
    if other["code"] != own["code"]:
        told.insert(0, "another version of Retailor")
    if told:
        raise ConfigError(
            f"the machine {address} of the cluster has {', '.join(told)}: install the same on all.", key="on"
        )
    if answer["unseen"]:
        raise ConfigError(
            f"the machine {address} of the cluster does not see {shared} ({answer['unseen']}): name a folder "
            "that all machines share and may write in, with --out.",
            key="on",
        )
