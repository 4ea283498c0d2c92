"""The lock holds what the project asks for, in the versions that it is tested with, each with hashes."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

ROOT = Path(__file__).parent.parent
PIN = re.compile(r"^([\w.-]+)==([^\s;\\]+)", re.MULTILINE)


def pins(name: str) -> dict[str, str]:
    text = (ROOT / name).read_text(encoding="utf-8")
    return {re.sub(r"[-_.]+", "-", found[1]).lower(): found[2] for found in PIN.finditer(text)}


def test_the_lock_has_the_versions_of_the_constraints_and_hashes() -> None:
    locked, tested = pins("requirements.lock"), pins("constraints.txt")
    assert {name for name in locked.keys() & tested.keys() if locked[name] != tested[name]} == set()
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    for block in re.split(r"\n(?=\S)", text.strip()):
        assert "--hash=sha256:" in block, block
    assert "://" not in text


NOT_IN_ALL = ("all", "dev", "tfhub", "quantised", "docs")


def test_the_lock_has_whatever_is_asked_for() -> None:
    told = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = told["optional-dependencies"]
    asked = [
        *told["dependencies"],
        # The lock is of `all`: TensorFlow, four bits and the docs are asked for by name.
        *(each for name in extras if name not in NOT_IN_ALL for each in extras[name]),
    ]
    names = {re.match(r"[\w-]+", each)[0].lower().replace("_", "-") for each in asked}  # type: ignore[index]
    assert names - pins("requirements.lock").keys() == set()
    versions = [name.rsplit(" ", 1)[1] for name in told["classifiers"] if " :: 3." in name]
    assert versions[0] == told["requires-python"].removeprefix(">=")
