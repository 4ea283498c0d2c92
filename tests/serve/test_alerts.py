"""The alarms that are shipped name figures that a server has, and labels that these have."""

from __future__ import annotations

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

RULES = Path(__file__).parent.parent.parent / "deploy" / "alerts.yml"


def test_every_figure_is_one_of_a_server(run_folder: Path, tmp_path: Path) -> None:
    settings = ServeSettings(
        hosts=("testserver",), events_url=f"sqlite:///{tmp_path}/live.db",
        impressions={"tasks": ["recommend"]}, bandit={"explore": 0.5},  # type: ignore[arg-type]
    )  # fmt: skip
    with closing(Service.load(run_folder, TOY_TASKS, settings)) as service:
        client = TestClient(make_app(service))
        client.get("/items")
        text = client.get("/metrics").text
    told = dict(re.findall(r"^# TYPE (\w+) (\w+)$", text, re.MULTILINE))
    known = {*told, *(f"{name}_bucket" for name, kind in told.items() if kind == "histogram")}
    # Drift has no figure before a day was counted.
    known |= set(re.findall(r"\w+_drift\w*", Path(metrics.__file__).read_text(encoding="utf-8")))
    rules = RULES.read_text(encoding="utf-8")
    expressions = re.findall(r"^ +expr: (.+)$", rules, re.MULTILINE)
    assert len(expressions) == rules.count("- alert:") == rules.count("summary:") >= 6
    for each in expressions:
        named = set(re.findall(r"retailor_\w+", each))
        assert named and named <= known, (each, named - known)


@pytest.mark.skipif(shutil.which("promtool") is None, reason="needs Prometheus's promtool")
def test_prometheus_reads_the_rules() -> None:
    done = subprocess.run(["promtool", "check", "rules", str(RULES)], capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
