"""The alarms that are shipped name figures that a server has, and labels that these have."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from contextlib import closing
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from retailor.serve import metrics
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.testing.serving import TOY_TASKS

DEPLOY = Path(__file__).parent.parent.parent / "deploy"
RULES = DEPLOY / "alerts.yml"
NOT_YET = ("retailor_drift", "retailor_experiment")
"""No figure before a day was counted, or a customer is in an arm."""


@pytest.fixture(scope="module")
def known(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names of every figure that a server has."""
    settings = ServeSettings(
        hosts=("testserver",), events_url=f"sqlite:///{tmp_path_factory.mktemp('log')}/live.db",
        impressions={"tasks": ["recommend"]}, bandit={"explore": 0.5},  # type: ignore[arg-type]
    )  # fmt: skip
    with closing(Service.load(run_folder, TOY_TASKS, settings)) as service:
        client = TestClient(make_app(service))
        client.get("/items")
        text = client.get("/metrics").text
    told = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    parts = {
        f"{name}_{part}"
        for name, kind in told.items()
        if kind == "histogram"
        for part in ("bucket", "sum", "count")
    }
    source = Path(metrics.__file__).read_text(encoding="utf-8")
    rare = {each for each in re.findall(r'"(retailor_\w+)"', source) if each.startswith(NOT_YET)}
    return {*told, *parts, *rare, *(f"{each}_total" for each in rare)}


def test_every_figure_is_one_of_a_server(known: set[str]) -> None:
    rules = RULES.read_text(encoding="utf-8")
    expressions = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
    assert len(expressions) == rules.count("- alert:") == rules.count("summary:") >= 6
    for each in expressions:
        named = set(re.findall(r"retailor_\w+", each))
        assert named and named <= known, (each, named - known)


def test_the_dashboard_shows_figures_that_a_server_has(known: set[str]) -> None:
    """And nearly all of them: what a server counts is there to be seen."""
    board = json.loads((DEPLOY / "grafana" / "retailor.json").read_text(encoding="utf-8"))
    shown: set[str] = set()
    for panel in board["panels"]:
        assert panel["title"] and panel["targets"]
        for each in panel["targets"]:
            named = set(re.findall(r"(?:retailor|process)_\w+", each["expr"]))
            assert named and named <= known, (panel["title"], named - known)
            shown |= named
    for variable in board["templating"]["list"]:
        assert set(re.findall(r"retailor_\w+", variable["query"]["query"])) <= known
    ours = {
        re.sub("_(total|created|bucket|sum|count)$", "", each)
        for each in known
        if each.startswith("retailor")
    }
    assert ours - {re.sub("_(total|bucket|sum|count)$", "", each) for each in shown} == set()
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    places = [panel["gridPos"] for panel in board["panels"]]
    assert len({(each["x"], each["y"]) for each in places}) == len(places)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus's promtool")
def test_prometheus_reads_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus's promtool")
def test_every_alarm_goes_off_on_a_planted_series_and_not_on_a_server_that_is_well(tmp_path: Path) -> None:
    tests = Path(__file__).parent.parent / "deploy" / "alerts_test.yml"
    done = subprocess.run(["promtool", "test", "rules", str(tests)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    broken = {
        "> 0.01": "> 0.5", 'status="429"': 'status="428"', "== 0 or": "== 2 or", "> 2.5": "> 25",
        "[1h]": "[1m]", "retailor_drift_alarm) >": "retailor_drift_alarm) >=",
        "retailor_bandit_stopped >": "retailor_bandit_stopped <",
    }  # fmt: skip
    for old, new in broken.items():
        rules = RULES.read_text(encoding="utf-8")
        assert old in rules, old
        (tmp_path / "alerts.yml").write_text(rules.replace(old, new))
        mended = tests.read_text(encoding="utf-8").replace("../../deploy/alerts.yml", "alerts.yml")
        (tmp_path / "test.yml").write_text(mended)
        done = subprocess.run(["promtool", "test", "rules", tmp_path / "test.yml"], capture_output=True)
        assert done.returncode != 0, f"a rule with {new} passes"
