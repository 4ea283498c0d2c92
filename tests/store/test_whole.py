"""Processes that start together hold each file against its sha256 once; what changes is looked at again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from retailor.errors import DataError
from retailor.serve.opening import contents_of
from retailor.serve.server import Place
from retailor.serve.settings import ServeSettings
from retailor.serve.workers import crew
from retailor.shop.demo import demo_shop
from retailor.store import artifact
from retailor.store.shared import SHARED
from retailor.testing.serving import TOY_TASKS, toy_run


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    with artifact.writing(tmp_path / "made", "toy") as new:
        (new / "a.bin").write_bytes(b"a" * 1000)
        with artifact.writing(new / "inner", "toy") as inner:
            (inner / "b.bin").write_bytes(b"b" * 1000)
    return tmp_path / "made"


@pytest.fixture
def hashed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read to be hashed."""
    found: list[str] = []
    sha256 = artifact.file_sha256

    def counted(path: Path) -> str:
        found.append(path.name)
        return sha256(path)

    monkeypatch.setattr(artifact, "file_sha256", counted)
    return found


def test_what_one_has_checked_the_others_need_not(
    saved: Path, hashed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(artifact.WHOLE, str(tmp_path / "marks"))
    (tmp_path / "marks").mkdir()
    for _ in range(3):
        assert artifact.verify(saved, "toy").kind == "toy"
    artifact.verify(saved / "inner")  # of which the outer one knew already
    assert sorted(hashed) == ["a.bin", "b.bin", "manifest.json"]


def test_a_file_that_changes_is_found_out(
    saved: Path, hashed: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one of the same size and time: what it was before says nothing of it."""
    monkeypatch.setenv(artifact.WHOLE, str(tmp_path / "marks"))
    (tmp_path / "marks").mkdir()
    artifact.verify(saved)
    path = saved / "a.bin"
    was = path.stat()
    path.write_bytes(b"x" * 1000)
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))
    for _ in range(2):
        with pytest.raises(DataError, match="corrupt"):
            artifact.verify(saved)
    path.write_bytes(b"a" * 1000)
    artifact.verify(saved)
    path.unlink()
    with pytest.raises(DataError, match="missing"):
        artifact.verify(saved)


def test_without_a_group_each_looks_for_itself(saved: Path, hashed: list[str]) -> None:
    assert artifact.WHOLE not in os.environ
    for _ in range(2):
        artifact.verify(saved)
    assert len(hashed) == 6


def test_the_parent_of_workers_checks_what_they_load(tmp_path: Path, hashed: list[str]) -> None:
    """In the environment of its workers a load hashes nothing; a corrupt file keeps the server shut."""
    run = toy_run(tmp_path / "run", demo_shop(30))
    (tmp_path / "shared").mkdir()
    place = Place(run, ServeSettings(workers=2))
    contents = contents_of(run, TOY_TASKS)
    with crew._environment(tmp_path / "shared", place, []):
        assert os.environ[SHARED] == str(tmp_path / "shared")
        crew._check(contents)
        assert len(hashed) > 5
        hashed.clear()
        for kind, folder in contents.tasks.items():
            TOY_TASKS[kind].load(folder, open_encoder=None)
        assert contents.shop is not None
        artifact.verify(contents.shop)
        assert hashed == []
        (contents.tasks["search"] / "state.json").write_text("{")
        with pytest.raises(DataError, match=r"state\.json"):
            crew._check(contents)
    assert artifact.WHOLE not in os.environ
