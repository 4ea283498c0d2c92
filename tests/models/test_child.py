"""A process that works for another one ends with it, however that ends, and leaves nothing half-made."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retailor.models.runtimes.child import run

CHILD = """
import sys, time
from pathlib import Path
from retailor.models.runtimes.child import end_with_parent

new = Path(sys.argv[1])
end_with_parent(new)
new.mkdir()
(new / "half").write_text("a half")
print("done", flush=True)
time.sleep(float(sys.argv[2]))
"""
PARENT = """
import sys

import polars  # which hears Ctrl-C too
from retailor.models.runtimes.child import run

run([sys.executable, "-c", *sys.argv[1:]])
"""
needs_signals = pytest.mark.skipif(not hasattr(os, "killpg"), reason="a system without groups of processes")


def until(true: Callable[[], Any]) -> None:
    started = time.monotonic()
    while not true():
        assert time.monotonic() - started < 60
        time.sleep(0.02)


def test_what_it_said_comes_back(tmp_path: Path) -> None:
    done = run([sys.executable, "-c", CHILD, str(tmp_path / "new"), "0"])
    assert (done.returncode, done.stdout) == (0, "done\n")


@needs_signals
@pytest.mark.parametrize(
    ("number", "is_told_to_all"),
    [(signal.SIGKILL, False), (signal.SIGTERM, False), (signal.SIGTERM, True), (signal.SIGINT, True)],
)
def test_it_ends_with_who_runs_it(tmp_path: Path, number: signal.Signals, is_told_to_all: bool) -> None:
    new = tmp_path / "new"
    command = [sys.executable, "-c", PARENT, CHILD, str(new), "600"]
    parent = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    until((new / "half").exists)
    os.killpg(parent.pid, number) if is_told_to_all else parent.send_signal(number)
    # Its end of the pipe is the child's too: this waits for both.
    said = parent.communicate(timeout=60)[1]
    assert parent.returncode == -number and not new.exists()
    assert said.count("Traceback") <= (number == signal.SIGINT)  # of the parent alone


@pytest.mark.parametrize(
    "command",
    [
        ("retailor.models.runtimes.export_process", "no folder", "{new}"),
        ("retailor.serve.workers.graphs", "auto", "cpu", "no folder"),
    ],
)
def test_exports_end_with_who_asked(tmp_path: Path, command: tuple[str, ...]) -> None:
    new = tmp_path / "new"
    new.mkdir()
    given = [part.format(new=new) for part in command]
    done = subprocess.run(
        [sys.executable, "-m", *given], input="", capture_output=True, text=True, timeout=300, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "")
    assert new.exists() == ("{new}" not in command)
