"""House rules that a reader can rely on."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "src" / "retailor").rglob("*.py"))


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_pickle_and_no_remote_code(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\b(import pickle|joblib|torch\.save\(|allow_pickle=True)", text)
    assert not re.search(r"trust_remote_code\s*=\s*True", text)
    assert not re.search(r"weights_only\s*=\s*False", text)


def test_no_dumping_grounds() -> None:
    assert not {path.stem for path in SOURCES} & {"utils", "common", "helpers", "manager", "misc"}
