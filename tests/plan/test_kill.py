"""kill -9 in every stage of a run, and in a read: the same command goes on to the same figures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from retailor.shop.tables import open_shop
from retailor.testing.models import tiny_decoder, tiny_encoder

PLAN = """
name = "kill"
[shop]
size = 40
[models]
encoder = "encoder"
generator = "generator"
[adapt]
max_texts = 200
train.max_steps = 4
head_steps = 2
[sentiment]
train.epochs = 0.2
[recommend]
two_tower = {hidden = 16, epochs = 1}
sasrec = {epochs = 1}
n_validation = 50
n_test = 50
[review]
train.max_steps = 2
max_held_out = 2
max_evaluated = 2
max_tries = 1
max_tokens = 8
[compress]
n_parity = 8
n_speed = 8
rounds = 1
"""


SERVER = """
import json, os, signal, sys, threading, traceback
from retailor.plan.run import run

def go(plan, out, doomed, after_s):
    said = open(out + ".log", "w", buffering=1)
    def tell(line):
        print(line, file=said)
        if line == f"{doomed}: …":
            threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGKILL)).start()
        if line.startswith(f"{doomed}: nothing changed"):
            os.kill(os.getpid(), signal.SIGKILL)
    run(plan, out, tell=tell)

for request in sys.stdin:
    pid = os.fork()
    if not pid:
        code = 1
        try:
            go(*json.loads(request))
            code = 0
        except BaseException:
            traceback.print_exc()
        os._exit(code)
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), flush=True)
"""
"""Runs plans in forks of itself, so that torch is imported once; a fork dies some seconds into a stage."""


class Runs:
    """Runs of one plan, each in a process of its own."""

    def __init__(self, plan: Path) -> None:
        self.plan = plan
        self.server = subprocess.Popen(
            [sys.executable, "-c", SERVER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        )

    def go(self, out: Path, doomed: str = "", after_s: float = 0.0) -> tuple[int, list[str]]:
        """The exit code of a run into `out`, killed `after_s` into the stage `doomed`, and what it told."""
        assert self.server.stdin is not None and self.server.stdout is not None
        self.server.stdin.write(json.dumps([str(self.plan), str(out), doomed, after_s]) + "\n")
        self.server.stdin.flush()
        code = int(self.server.stdout.readline())
        return code, Path(f"{out}.log").read_text(encoding="utf-8").splitlines()

    def end(self) -> None:
        """Ends the server."""
        self.server.communicate()


def figures(out: Path) -> dict[str, Any]:
    """Every figure of the run, without what is a matter of the clock."""
    stages = {row["name"]: row["folder"] for row in json.loads((out / "run.json").read_text())["stages"]}
    found = {}
    for name, folder in stages.items():
        if name.startswith("evaluate-") and (out / folder / "scores.json").exists():
            rows = json.loads((out / folder / "scores.json").read_text())
            found[name] = [{k: v for k, v in row.items() if k != "seconds"} for row in rows]
    return found


@pytest.mark.slow
def test_a_run_killed_in_every_stage_ends_with_the_figures_of_one_that_was_not(
    tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    tiny_encoder().save(tmp_path / "encoder")
    tiny_decoder().save(tmp_path / "generator")
    plan = tmp_path / "plan.toml"
    plan.write_text(PLAN, encoding="utf-8")
    runs = Runs(plan)
    request.addfinalizer(runs.end)
    assert runs.go(tmp_path / "whole")[0] == 0
    stages = json.loads((tmp_path / "whole" / "run.json").read_text())["stages"]
    assert {"read", "adapt", "adapt-generator", "fit-review", "evaluate-search", "compress", "report"} <= {
        stage["name"] for stage in stages if stage["kind"] != "absent"
    }
    killed = tmp_path / "killed"
    died_in = set()
    for stage in stages:
        code, said = runs.go(killed, stage["name"], stage["seconds"] / 3)
        if stage is stages[-1] and code == 0:
            continue  # nothing comes after it that could be killed in its stead
        assert code == -signal.SIGKILL and not (killed / "run.json").exists(), said[-1]
        died_in |= {line.removesuffix(": …") for line in said[-1:] if line.endswith(": …")}
    # A clock is not exact: now and then a kill that is meant for a short stage comes in the one after it.
    assert len(died_in) > len(stages) * 2 / 3
    assert runs.go(killed)[0] == 0
    whole = figures(tmp_path / "whole")
    assert len(whole) == 5 and figures(killed) == whole
    assert not [path for path in (killed / "stages").iterdir() if path.name.startswith(".")]
    assert not list((killed / "work").glob("*"))
    report = next(row["folder"] for row in json.loads((killed / "run.json").read_text())["stages"][::-1])
    assert (killed / report / "report.html").stat().st_size > 10_000


def test_kill_9_while_reading_leaves_the_old_shop_or_none(tmp_path: Path) -> None:
    rows = (f"{i % 97},{i % 89},7,pv,{1511600000 + i % 500_000}\n" for i in range(1_200_000))
    files = [tmp_path / "small.csv", tmp_path / "large.csv"]
    files[0].write_text("1,2,3,pv,1511600000\n", encoding="utf-8")
    files[1].write_text("".join(rows), encoding="utf-8")
    code = (
        "import sys; from retailor.shop.read import read_into; "
        "read_into('taobao', [sys.argv[1]], sys.argv[2])"
    )

    def read(file: Path) -> subprocess.Popen[bytes]:
        return subprocess.Popen([sys.executable, "-c", code, str(file), str(tmp_path / "shop")])

    for n_before in (None, 1):
        if n_before:
            assert read(files[0]).wait() == 0
        process = read(files[1])
        deadline = time.monotonic() + 60
        while not list(tmp_path.glob(".shop.*.new/events.parquet")) and time.monotonic() < deadline:
            time.sleep(0.005)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        if n_before is None:
            assert not (tmp_path / "shop").exists()
        else:
            assert len(open_shop(tmp_path / "shop").events) == n_before
    assert read(files[1]).wait() == 0
    assert len(open_shop(tmp_path / "shop").events) == 1_200_000
    assert sorted(path.name for path in tmp_path.iterdir()) == ["large.csv", "shop", "small.csv"]
