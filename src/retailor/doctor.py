"""What is there and what is missing: versions, extras, device, weights, and, if asked, the network."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from retailor.errors import ConfigError, DataError, MissingExtra, nearest
from retailor.extras import EXTRAS
from retailor.machine import n_cores, processor
from retailor.models.weights import BUILT_IN, package_path
from retailor.store.artifact import retailor_version
from retailor.store.user_cache import cache_folder

PLACES = ("https://pypi.org/simple/", "https://huggingface.co")
"""Where packages and models come from."""
_TIMEOUT_S = 5.0
_FEW_GB = 2.0


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    about: str
    is_fine: bool
    said: str
    do: str = ""
    """What would mend it."""
    is_needed: bool = False
    """Whether the command fails where it is not fine."""


@dataclass(frozen=True)
class Checkup:
    """All that was looked at, in order."""

    checks: tuple[Check, ...]

    @property
    def is_fine(self) -> bool:
        """Whether all that is needed is there."""
        return all(check.is_fine for check in self.checks if check.is_needed)

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return {"is_fine": self.is_fine, "checks": [asdict(check) for check in self.checks]}

    def __str__(self) -> str:
        width = max(len(check.about) for check in self.checks)
        lines = []
        for check in self.checks:
            sign = "ok" if check.is_fine else "MISSING" if check.is_needed else "none"
            hint = f"; {check.do}" if check.do and not check.is_fine else ""
            lines.append(f"{check.about:<{width}}  {sign:<7}  {check.said}{hint}")
        return "\n".join(lines)


def examine(need: Sequence[str] = (), *, network: bool = False) -> Checkup:
    """What this installation has. `need`: extras, or names of models, that must be there.

    Raises ConfigError for a name that is neither. Nothing is opened, sent or asked of the network without
    `network`; then the registry and the model hub are asked for one page each, and must answer.
    """
    known = [*EXTRAS, *BUILT_IN]
    for name in need:
        if name not in known:
            raise ConfigError(
                f"--need {name}: there is no such extra or model; known: {', '.join(known)}.",
                key="need",
                value=name,
                nearest=nearest(name, known),
            )
    checks = [*_basics(), *(_extra(name, name in need) for name in EXTRAS), _device()]
    checks += [_weights(name, name in need) for name in BUILT_IN]
    checks += [_cache(), *(_reached(url) for url in PLACES if network)]
    return Checkup(tuple(checks))


def _basics() -> list[Check]:
    memory = (
        os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30 if hasattr(os, "sysconf") else None
    )
    machine = f"{platform.system()} {platform.machine()}, {n_cores()} of {os.cpu_count()} cores"
    return [
        Check("retailor", True, f"{retailor_version()}, in {Path(__file__).parent}"),
        Check(
            "python", sys.version_info >= (3, 11), platform.python_version(), "3.11 or newer", is_needed=True
        ),
        Check("machine", True, machine + (f", {memory:.1f} GiB memory" if memory else "")),
        _packages("core", _core(), "pip install --force-reinstall retailor", is_needed=True),
    ]


def _core() -> tuple[str, ...]:
    """The distributions that every installation needs."""
    try:
        wanted = metadata.requires("retailor") or []
    except metadata.PackageNotFoundError:  # run from its sources
        return ("numpy", "polars", "pyarrow", "pydantic", "typer")
    return tuple(
        one.split(";")[0].split(">")[0].split("=")[0].strip() for one in wanted if "extra ==" not in one
    )


def _packages(about: str, names: Sequence[str], do: str, *, is_needed: bool) -> Check:
    there = {name: version for name in names if (version := _version(name)) is not None}
    absent = [name for name in names if name not in there]
    listed = ", ".join(f"{name} {version}".strip() for name, version in there.items())
    said = f"without {', '.join(absent)}" + (f"; has {listed}" if listed else "") if absent else listed
    return Check(about, not absent, said, do, is_needed=is_needed)


def _version(name: str) -> str | None:
    """The version of a distribution or module; '' where it is there and has none, None where it is not."""
    for one in (name, name.replace("_", "-")):
        try:
            return metadata.version(one)
        except metadata.PackageNotFoundError:
            continue
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        return None
    owners = metadata.packages_distributions().get(name, []) if found else []
    return metadata.version(owners[0]) if owners else "" if found else None


def _extra(name: str, is_needed: bool) -> Check:
    return _packages(f"extra {name}", EXTRAS[name], f"pip install 'retailor[{name}]'", is_needed=is_needed)


def _device() -> Check:
    if _version("torch") is None:
        return Check("device", False, "no torch: models cannot run here", "pip install 'retailor[models]'")
    import torch

    from retailor.models.hardware import default_device, native_bf16

    device = default_device()
    name = torch.cuda.get_device_name() if device.type == "cuda" else processor()
    bf16 = "with" if native_bf16(device.type) else "without"
    return Check(
        "device", True, f"{device.type} ({name}), {torch.get_num_threads()} threads, {bf16} bf16 of its own"
    )


def _weights(name: str, is_needed: bool) -> Check:
    what = BUILT_IN[name].what
    try:
        path = package_path(name)
    except MissingExtra:
        return Check(f"model {name}", False, what, BUILT_IN[name].carriers[0].install, is_needed=is_needed)
    except DataError as error:
        return Check(f"model {name}", False, str(error), is_needed=True)
    return Check(f"model {name}", True, f"{what}: {path.name}, {path.stat().st_size / 2**20:,.0f} MiB")


def _cache() -> Check:
    try:
        folder = cache_folder()
    except ConfigError as error:
        return Check("cache", False, str(error), "set RETAILOR_CACHE to a folder with some GiB")
    there = next(one for one in (folder, *folder.parents) if one.exists())
    free = shutil.disk_usage(there).free / 2**30
    may = os.access(there, os.W_OK)
    said = f"{folder}, {free:.1f} GiB free" + ("" if may else ", no right to write there")
    return Check("cache", may and free > _FEW_GB, said, "set RETAILOR_CACHE to a folder with some GiB")


def _reached(url: str) -> Check:
    request = urllib.request.Request(url, method="HEAD", headers={"User-Agent": "retailor-doctor"})
    try:
        with urllib.request.urlopen(request, timeout=_TIMEOUT_S) as answer:
            said = f"answers {answer.status}"
    except urllib.error.HTTPError as error:
        said = f"answers {error.code}"
    except (OSError, ValueError) as error:
        reason = getattr(error, "reason", error)
        return Check(
            url,
            False,
            f"cannot be reached ({reason})",
            "models and packages from files work without",
            is_needed=True,
        )
    return Check(url, True, said)
