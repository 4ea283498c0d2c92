"""What is made once, and made again when anything that made it has changed."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.store import artifact, keys, memo

Change = Callable[[pytest.MonkeyPatch], None]


def other_code(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(keys, "code_sha256", lambda: "other")


def other_library(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(keys, "library_versions", lambda: {"numpy": "0.1"})


MAKERS = [other_code, other_library]


def counted(made: list[int], value: float = 1.0) -> Callable[[], memo.Tensors]:
    def make() -> memo.Tensors:
        made.append(1)
        return {"x": np.full(3, value)}

    return make


def test_tensors_are_made_once_and_again_under_another_key(tmp_path: Path) -> None:
    made: list[int] = []
    for key in ("a", "a", "b", "a"):
        assert memo.memo_tensors(tmp_path, "vectors", key, counted(made))["x"].tolist() == [1, 1, 1]
    assert len(made) == 2
    memo.memo_tensors(None, "vectors", "a", counted(made))
    assert len(made) == 3 and len(list(tmp_path.iterdir())) == 2


@pytest.mark.parametrize("change", MAKERS)
def test_what_other_code_or_other_libraries_made_is_never_found(
    change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[int] = []
    fill = lambda folder: (folder / "x").write_text(str(made.append(1)))  # noqa: E731
    for _ in range(2):
        memo.memo_tensors(tmp_path, "v", "a", counted(made))
        memo.memo_folder(tmp_path, "f", {"a": 1}, fill)
    assert len(made) == 2
    change(monkeypatch)
    memo.memo_tensors(tmp_path, "v", "a", counted(made))
    assert not memo.memo_folder(tmp_path, "f", {"a": 1}, fill)[1]
    assert len(made) == 4


def test_a_memo_folder_is_whole_or_made_again(tmp_path: Path) -> None:
    fill = lambda folder: (folder / "x").write_text("whole")  # noqa: E731
    folder, found = memo.memo_folder(tmp_path, "a stage", ["dials", 1], fill)
    assert not found and memo.memo_folder(tmp_path, "a stage", ["dials", 1], fill) == (folder, True)
    (folder / "x").write_text("whol3")
    assert memo.memo_folder(tmp_path, "a stage", ["dials", 1], fill) == (folder, False)
    assert (folder / "x").read_text() == "whole"

    def fails(folder: Path) -> None:
        (folder / "x").write_text("half")
        raise ValueError

    with pytest.raises(ValueError):
        memo.memo_folder(tmp_path, "other", 1, fails)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_of_those_who_ask_at_once_one_makes_it(tmp_path: Path) -> None:
    made: list[int] = []
    start = threading.Barrier(4)

    def fill(folder: Path) -> None:
        made.append(1)
        threading.Event().wait(0.1)  # so that the others come meanwhile
        (folder / "x").write_text("x")

    def ask(number: int) -> tuple[Path, bool]:
        start.wait()
        return memo.memo_folder(tmp_path, "graph", 1, fill)

    # As one leaves it that was killed: nobody holds it.
    (tmp_path / f".{memo.memo_name('graph', 1)}.lock").touch()
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(ask, range(4)))
    assert len(made) == 1 and sorted(there for _, there in found) == [False, True, True, True]
    assert [path.name for path in tmp_path.iterdir()] == [found[0][0].name]


def test_those_used_lately_stay_whatever_their_number(tmp_path: Path) -> None:
    fill = lambda folder: (folder / "x").write_text("x")  # noqa: E731
    folders = [memo.memo_folder(tmp_path, "graph", i, fill)[0] for i in range(6)]
    for age, folder in enumerate(folders):
        os.utime(folder, (0, 1000 - age))  # long ago, the first made the latest
    memo.memo_folder(tmp_path, "graph", 4, fill)
    memo.sweep(tmp_path, "graph", folders[5], kept=3)
    assert {path for path in folders if path.exists()} == {folders[0], folders[4], folders[5]}
    memo.sweep(tmp_path, "graph", folders[5], kept=1)
    assert {path for path in folders if path.exists()} == {folders[4], folders[5]}


def test_data_is_known_by_content(tmp_path: Path) -> None:
    for place in ("a", "b"):
        (tmp_path / place / "deep").mkdir(parents=True)
        (tmp_path / place / "deep" / "x.csv").write_text("1")
    first = memo.files_sha256([tmp_path / "a"])
    assert first == memo.files_sha256([tmp_path / "b"])
    (tmp_path / "b" / "deep" / "x.csv").write_text("2")
    assert first != memo.files_sha256([tmp_path / "b"])
    assert memo.files_sha256([tmp_path / "a" / "deep" / "x.csv"]) != memo.files_sha256([])


def test_the_hash_of_the_sources_sees_every_file_but_leavings(tmp_path: Path) -> None:
    package = Path(keys.__file__).parent.parent
    copy = tmp_path / "retailor"
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    assert keys.sources_sha256(copy) == keys.code_sha256()
    (copy / "__pycache__").mkdir()
    for leaving in ("__pycache__/x.pyc", ".x.swp", "seeds.py~"):
        (copy / leaving).write_text("x")
    (copy / "seeds.py").write_bytes((copy / "seeds.py").read_bytes().replace(b"\n", b"\r\n"))
    assert keys.sources_sha256(copy) == keys.code_sha256()
    for name in ("seeds.py", "store/memo.py", "tasks/recommend/fit.py", "report/page.jinja"):
        before = keys.sources_sha256(copy)
        with (copy / name).open("a") as file:
            file.write("# other\n")
        assert keys.sources_sha256(copy) != before


def test_a_wheel_holds_every_source_that_is_hashed() -> None:
    package = Path(keys.__file__).parent.parent
    told = tomllib.loads((package.parent.parent / "pyproject.toml").read_text(encoding="utf-8"))
    patterns = ["*.py", *told["tool"]["setuptools"]["package-data"]["retailor"]]
    for name, _ in keys._sources(package, ""):
        assert any(fnmatch(name, pattern) or fnmatch(f"/{name}", pattern) for pattern in patterns), name


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=6,
)


@given(JSON, JSON)
def test_two_keys_share_a_place_only_if_they_are_one(one: object, other: object) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (memo.memo_name("x", one) == memo.memo_name("x", other)) == same
    assert memo.memo_name("x", [one, other]) != memo.memo_name("x", [[one, other]])


def test_a_key_costs_no_heavy_import_and_depends_on_every_part() -> None:
    code = "import sys; from retailor.store import keys; keys.key_of(1); print(sorted(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert not any(f"'{name}'" in said for name in ("torch", "numpy", "polars", "scipy"))
    found = {keys.key_of(*parts) for parts in ((1,), (2,), (1, 2), ({"seed": 0},), ({"seed": 1},))}
    assert len(found) == 5 and keys.key_of({"a": 1, "b": 2}) == keys.key_of({"b": 2, "a": 1})


def test_what_has_changed_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    before = keys.made_by()
    assert keys.what_changed(before) == ""
    other_code(monkeypatch)
    assert keys.what_changed(before) == "Retailor's code has changed"
    assert "numpy 1.0 → " in keys.what_changed({**before, "numpy": "1.0"})


@pytest.mark.parametrize("module", ["store.artifact", "store.memo", "store.stages", "cache", "cli"])
def test_nothing_needs_fcntl_at_import(module: str) -> None:
    code = f"import sys; sys.modules['fcntl'] = None; import retailor.{module}"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_lock_is_held_by_one_and_leaves_nothing(tmp_path: Path) -> None:
    first = artifact.owned(tmp_path / "lock")
    assert first is not None and artifact.owned(tmp_path / "lock") is None
    artifact._release(first)
    assert not list(tmp_path.iterdir())


def test_json_is_made_once_and_again_where_it_is_corrupt(tmp_path: Path) -> None:
    path, made = tmp_path / "work" / "a.json", []

    def make() -> dict[str, object]:
        made.append(1)
        return {"名": [1, None, "x"]}

    assert [memo.memo_json(path, make) for _ in range(3)] == [{"名": [1, None, "x"]}] * 3
    assert len(made) == 1 and [each.name for each in path.parent.iterdir()] == ["a.json"]
    path.write_text('{"half')
    assert memo.memo_json(path, make) == {"名": [1, None, "x"]} and len(made) == 2
