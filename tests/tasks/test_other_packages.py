"""A task of another package is fitted, evaluated, served, shown and asked without a change to Retailor."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import fields, replace
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any

import pytest

from retailor.cli import app
from retailor.errors import DataError
from retailor.plan.settings import ASKED, SECTIONS, STEPS, Head
from retailor.serve.opening import contents_of
from retailor.tasks.entry import Entry
from retailor.tasks.registry import OURS, TAKEN, TASKS, gather

TOY = Path(__file__).parent / "toy_task"
SOURCES = Path(__file__).parents[2] / "src"
PLAN = """
name = "counted"
skip = ["adapt", "compress", "recommend", "search", "answer", "sentiment", "review"]
[shop]
reader = "demo"
size = 30
[count]
min_letters = 3
"""


def environment(*folders: Path) -> dict[str, str]:
    """The environment of a process that finds the packages in these folders."""
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, (SOURCES, *folders))),
        "OMP_NUM_THREADS": "1",
    }


def retailor(*arguments: str | Path, packages: Path = TOY) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "retailor", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment(packages), timeout=240)


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run of a plan with the section [count]."""
    folder = tmp_path_factory.mktemp("counted")
    (folder / "plan.toml").write_text(PLAN, encoding="utf-8")
    ended = retailor("run", folder / "plan.toml", "-o", folder / "out")
    assert ended.returncode == 0, ended.stderr
    assert "count: " in ended.stdout
    return folder / "out"


@pytest.fixture(scope="module")
def url(done: Path, served: Callable[..., str]) -> str:
    command = [sys.executable, "-m", "retailor", "serve", str(done), "--port", "0"]
    return served(command, environment(TOY))


def get(url: str, body: dict[str, Any] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    asked = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    with urllib.request.urlopen(asked, timeout=20) as reply:
        return json.load(reply)


def test_it_is_in_the_plan_and_in_the_report(done: Path) -> None:
    said = next(done.glob("stages/report*/report.html")).read_text(encoding="utf-8")
    assert "known words" in said and "Counted title" in said and "min_letters" in said


def test_it_is_asked_on_the_command_line(done: Path) -> None:
    asked = retailor("count", done, "zzzz of")
    assert (asked.returncode, asked.stdout, asked.stderr) == (0, "0 of 1 words\n", "")
    assert "Counts the words of a text" in retailor("--help").stdout
    assert "Any text." in retailor("count", "--help").stdout


def test_it_is_served_and_described(url: str) -> None:
    assert list(get(f"{url}/ready")["tasks"]) == ["count"]
    for path in ("/count", "/v1/count"):
        assert get(f"{url}{path}", {"text": "zzzz of"}) | {"cached": 0} == {
            "known": 0,
            "words": 1,
            "cached": 0,
        }
        assert get(f"{url}{path}?text=zzzz")["words"] == 1
    schema = get(f"{url}/openapi.json")
    asked = schema["paths"]["/count"]
    assert (asked["post"]["operationId"], asked["get"]["operationId"]) == ("count", "count_by_url")
    assert asked["post"]["description"] == "How many words of a text the catalogue has."
    assert {"CountBody", "CountReply"} <= set(schema["components"]["schemas"])
    with pytest.raises(urllib.error.HTTPError) as refused:
        get(f"{url}/count", {"text": "zzzz", "texts": "zzzz"})
    assert refused.value.code == 422 and "Did you mean 'text'?" in refused.value.read().decode()


def test_it_is_shown_on_the_page(page: Any, url: str) -> None:
    page.goto(url)
    page.click("#tab-count")
    page.fill("#text", "zzzz of")
    page.click("button.main")
    page.wait_for_selector("table.reply")
    assert page.inner_text("table.reply").split() == ["known", "0", "words", "1"]
    page.click("text=travel blanket")
    page.wait_for_selector("table.reply:has-text('2')")
    page.click("#language")
    assert page.inner_text("#tab-count") == "数词" and page.inner_text("button.main") == "计数"


def test_without_its_package_its_section_is_unknown_and_its_run_says_what_is_missing(
    done: Path, tmp_path: Path
) -> None:
    assert TASKS.keys() == {entry.name for entry in OURS}
    refused = retailor("run", done / "plan.toml", "-o", tmp_path / "out", packages=tmp_path)
    assert refused.returncode == 1 and "there is no section [count]" in refused.stderr
    with pytest.raises(DataError, match="no task to serve here"):
        contents_of(done, TASKS)


@pytest.mark.parametrize(
    ("module", "reason"),
    [
        ("raise RuntimeError('no licence')", "does not load: RuntimeError: no licence."),
        ("import no_such_package\nENTRY = 1", "does not load: ModuleNotFoundError"),
        ("ENTRY = 'count'", "is no retailor.tasks.entry.Entry, but a str."),
        pytest.param("", "does not load: AttributeError", marks=pytest.mark.slow),
        pytest.param("raise SystemExit(3)", "does not load: SystemExit: 3.", marks=pytest.mark.slow),
    ],
)
def test_a_package_that_does_not_load_is_told_and_harms_nobody(
    module: str, reason: str, tmp_path: Path
) -> None:
    shutil.copytree(TOY, tmp_path / "broken", ignore=shutil.ignore_patterns("__pycache__"))
    (tmp_path / "broken" / "count_task.py").write_text(module, encoding="utf-8")
    told = retailor("look", tmp_path / "nowhere", packages=tmp_path / "broken")
    first = told.stderr.splitlines()[0]
    assert first.startswith("retailor: another package's task 'count' is left out: 'count_task:ENTRY'")
    assert reason in first and first.endswith("It comes from the package 'retailor-count'.")
    (tmp_path / "plan.toml").write_text(PLAN, encoding="utf-8")
    planned = retailor("run", tmp_path / "plan.toml", packages=tmp_path / "broken").stderr.splitlines()[-1]
    assert "there is no section [count]" in planned and reason in planned
    assert "recommend" in retailor("--help", packages=tmp_path / "broken").stdout


@pytest.mark.parametrize("name", ["recommend", "review", *sorted(TAKEN)[:3]])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    ours = {entry.name: entry for entry in OURS}
    point = EntryPoint(name, "retailor.tasks.search.entry:ENTRY", "retailor.tasks")
    tasks, refused = gather(OURS, [point])
    assert tasks == ours and set(refused) == {name}


class NoSettings:
    """No dataclass."""


def _options_of_nowhere(text: Nowhere) -> None:  # type: ignore[name-defined]  # noqa: F821
    """Cannot be read."""


@pytest.mark.parametrize(
    ("flawed", "reason"),
    [
        (replace(TASKS["search"], name="other"), "calls itself 'other'"),
        (replace(TASKS["search"], name="found", settings=NoSettings), "is no dataclass"),
        (
            replace(TASKS["search"], name="found", http=replace(TASKS["search"].http, body=NoSettings)),
            "has no method 'query'",
        ),
        (
            replace(
                TASKS["search"],
                name="found",
                command=replace(TASKS["search"].command, query=_options_of_nowhere),
            ),
            "the options of its command cannot be read: NameError",
        ),
    ],
)
def test_an_entry_that_would_stop_a_door_is_refused(
    flawed: Entry, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(EntryPoint, "load", lambda self: flawed)
    tasks, refused = gather(OURS, [EntryPoint("found", "elsewhere:ENTRY", "retailor.tasks")])
    assert tasks.keys() == TASKS.keys() and reason in refused["found"]


def test_every_name_that_is_there_is_taken() -> None:
    commands = {each.name or getattr(each.callback, "__name__", "") for each in app.registered_commands}
    golden = json.loads((TOY.parents[1] / "serve" / "openapi.json").read_text(encoding="utf-8"))
    paths = {path.split("/")[1] for path in golden["paths"]} | {"page", "docs", "v1", "openapi"}
    head = {each.name for each in fields(Head)}
    there = commands | paths | head | {*SECTIONS, *ASKED, *STEPS}
    assert {name for name in there - TASKS.keys() if "-" not in name} <= TAKEN
