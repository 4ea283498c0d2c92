"""A plain wheel without an extra: every command works, or names the extra that it needs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import retailor
from retailor.extras import EXTRAS
from retailor.shop.demo import demo_shop

_CHILD = """
import contextlib, io, json, sys
blocked = set(json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in blocked:
            raise ModuleNotFoundError(f"No module named '{name}'", name=name)

sys.meta_path.insert(0, Absent())
from retailor.cli import main
for command in json.loads(sys.argv[2]):
    sys.argv = ["retailor", *command]
    said, status = io.StringIO(), None
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        try:
            main()
        except SystemExit as end:
            status = end.code
        except BaseException as error:
            status = f"{type(error).__name__}: {error}"
    print(json.dumps([command, status, said.getvalue()]))
"""
_PLAN = """
name = "x"
seed = 0
skip = ["adapt", "adapt-generator", "compress", "answer", "review", "sentiment", "recommend"]
[shop]
reader = "demo"
size = 40
"""


def said(extra: str, tmp_path: Path, commands: list[list[str]]) -> list[tuple[list[str], object, str]]:
    """Command, exit status and words of each, in one process without the packages of an extra."""
    given = [sys.executable, "-c", _CHILD, json.dumps(EXTRAS[extra]), json.dumps(commands)]
    home = str(Path(retailor.__file__).parents[1])
    environment = {**os.environ, "PYTHONPATH": home}
    done = subprocess.run(
        given, capture_output=True, text=True, cwd=tmp_path, timeout=600, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return [tuple(json.loads(line)) for line in done.stdout.splitlines()]  # type: ignore[misc]


@pytest.fixture
def commands(tmp_path: Path) -> list[list[str]]:
    demo_shop(40, 0).save(tmp_path / "shop")
    (tmp_path / "plan.toml").write_text(_PLAN)
    (tmp_path / "t.csv").write_text("u,i,k\na,b,buy\n")
    (tmp_path / "map.toml").write_text('[events.columns]\nuser_id = "u"\nitem_id = "i"\nkind = "k"\n')
    return [
        ["read", "tabular", "t.csv", "--columns", "map.toml", "-o", "out"],
        ["look", "shop"], ["look", "shop", "--picture", "x.png"], ["terms", "shop"],
        ["adapt", "shop", "--steps", "1"], ["run", "plan.toml", "-o", "run"],
        ["report", "run"],
        ["prove", "shop", "--steps", "1", "--seeds", "1"], ["choose", "shop", "--models", "minilm"],
        ["serve", "run"], ["recommend", "run", "--user", "a"], ["search", "run", "x"],
        ["answer", "run", "x?"],
        ["sentiment", "run", "x"], ["review", "run", "x"],
    ]  # fmt: skip


def check(extra: str, found: list[tuple[list[str], object, str]]) -> None:
    for command, status, words in found:
        assert status in (0, 1), (command, status)
        assert "No module named" not in words and "Traceback" not in words, (command, words)
        if status == 1 and any(package in words for package in EXTRAS[extra]):
            assert f"retailor[{extra}]" in words, (command, words)


def test_serving_names_the_extra_that_it_needs(tmp_path: Path, commands: list[list[str]]) -> None:
    some = [command for command in commands if command[0] in ("read", "look", "adapt", "serve", "search")]
    found = said("models", tmp_path, some)
    check("models", found)
    status = {command[0]: (status, words) for command, status, words in found if "--picture" not in command}
    assert status["read"][0] == status["look"][0] == 0
    for name in ("adapt", "serve", "search"):
        assert status[name][0] == 1 and "pip install 'retailor[models]'" in status[name][1], status[name]
    (without,) = said("serve", tmp_path, [["serve", "run"]])
    assert without[1] == 1 and "pip install 'retailor[serve]'" in without[2]


@pytest.mark.slow
@pytest.mark.weights
@pytest.mark.parametrize("extra", EXTRAS)
def test_every_command_without_every_extra(extra: str, tmp_path: Path, commands: list[list[str]]) -> None:
    check(extra, said(extra, tmp_path, commands))
