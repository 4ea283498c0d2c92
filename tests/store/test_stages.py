"""Stages: made once, found again, made anew when damaged, and safe to kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from functools import partial
from pathlib import Path

import pytest

from retailor.errors import DataError, MissingTable
from retailor.store import artifact, keys
from retailor.store.stages import ABSENT, PASSED, Done, Stage, is_made, run_stages


def write(text: str, inputs: Mapping[str, Path], folder: Path, work: Path) -> None:
    before = "".join((path / "text").read_text(encoding="utf-8") for path in inputs.values())
    with artifact.writing(folder, "note") as new:
        (new / "text").write_text(before + text, encoding="utf-8")


def missing(inputs: Mapping[str, Path], folder: Path, work: Path) -> None:
    raise MissingTable("review needs the table 'reviews', and this shop has no rows in it.")


def chain(*texts: str) -> list[Stage]:
    names = [f"s{i}" for i in range(len(texts))]
    return [
        Stage(name, "note", partial(write, text), needs=tuple(names[i - 1 : i]) if i else (), key=(text,))
        for i, (name, text) in enumerate(zip(names, texts, strict=True))
    ]


def test_a_second_run_makes_nothing_and_a_change_remakes_what_follows(tmp_path: Path) -> None:
    first = run_stages(chain("a", "b", "c"), tmp_path)
    assert (tmp_path / first[-1].folder / "text").read_text(encoding="utf-8") == "abc"
    assert [done.skipped for done in run_stages(chain("a", "b", "c"), tmp_path)] == [True, True, True]
    changed = run_stages(chain("a", "x", "c"), tmp_path)
    assert [done.skipped for done in changed] == [True, False, False]
    assert (tmp_path / changed[-1].folder / "text").read_text(encoding="utf-8") == "axc"
    assert not (tmp_path / "work").exists()


def test_a_damaged_artifact_is_named_and_made_again(tmp_path: Path) -> None:
    done = run_stages(chain("a", "b"), tmp_path)
    (tmp_path / done[0].folder / "text").write_text("z", encoding="utf-8")
    lines: list[str] = []
    again = run_stages(chain("a", "b"), tmp_path, lines.append)
    assert [each.skipped for each in again] == [False, True]
    assert any("text: the file is corrupt" in line for line in lines)


def test_a_stage_without_its_data_is_absent_and_so_is_what_needs_it(tmp_path: Path) -> None:
    stages = [
        Stage("fit", "note", missing, may_be_absent=True),
        Stage("evaluate", "note", partial(write, "b"), needs=("fit",)),
    ]
    for _ in range(2):
        done = run_stages(stages, tmp_path)
        assert [each.kind for each in done] == [ABSENT, ABSENT]
        assert "needs the table 'reviews'" in done[1].reason
    with pytest.raises(MissingTable):
        run_stages([Stage("fit", "note", missing)], tmp_path / "strict")


def test_a_stage_that_takes_absent_ones_is_made_all_the_same(tmp_path: Path) -> None:
    def report(inputs: Mapping[str, Path], folder: Path, work: Path) -> None:
        text = ", ".join(f"{name} {is_made(inputs, name)}" for name in (*inputs, "other"))
        write(text, {}, folder, work)

    stages = [
        Stage("fit", "note", missing, may_be_absent=True),
        Stage("split", "note", partial(write, "b")),
        Stage("report", "note", report, needs=("fit", "split"), takes_absent=True),
    ]
    done = run_stages(stages, tmp_path)
    assert [each.kind for each in done] == [ABSENT, "note", "note"]
    text = (tmp_path / done[2].folder / "text").read_text(encoding="utf-8")
    assert text == "fit False, split True, other False"


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    def again(inputs: Mapping[str, Path], folder: Path, work: Path) -> None:
        run_stages(chain("a"), tmp_path)

    with pytest.raises(DataError, match="another run is at work"):
        run_stages([Stage("outer", "note", again)], tmp_path)


SLOW = """
import sys, time
from functools import partial
from pathlib import Path
from retailor.store import artifact
from retailor.store import keys
from retailor.store.stages import Stage, run_stages

def make(inputs, folder, work):
    ticks = work / "ticks"
    with artifact.writing(folder, "note") as new:
        for i in range(len(ticks.read_text()) if ticks.exists() else 0, 10):
            with ticks.open("a") as file:
                file.write("x")
            (new / "half").write_text("half")
            time.sleep(0.1)
        (new / "text").write_text(ticks.read_text())

run_stages([Stage("slow", "note", make)], Path(sys.argv[1]))
"""


def test_kill_9_leaves_no_half_artifact_and_the_work_folder_stays(tmp_path: Path) -> None:
    out = tmp_path / "out"
    process = subprocess.Popen([sys.executable, "-c", SLOW, str(out)])
    deadline = time.monotonic() + 20
    while not list(out.glob("work/*/ticks")) and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.15)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    ticked = len(next(out.glob("work/*/ticks")).read_text(encoding="utf-8"))
    assert 0 < ticked < 10 and not list(out.glob("stages/slow-*"))
    subprocess.run([sys.executable, "-c", SLOW, str(out)], check=True)
    (folder,) = [path for path in out.glob("stages/*") if path.is_dir()]
    assert (folder / "text").read_text(encoding="utf-8") == "x" * 10
    assert json.loads(folder.with_suffix(".json").read_text(encoding="utf-8"))["seconds"] > 0


def test_a_record_of_before_the_update_still_reads() -> None:
    record = {"name": "read", "kind": "shop", "folder": "stages/read-0", "fingerprint": "0", "seconds": 1.0}
    assert Done(**record, skipped=False, reason="").asked == ""


def test_an_update_of_code_or_a_library_makes_every_stage_again_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    libraries = keys.library_versions()
    run_stages(chain("a", "b"), tmp_path)
    monkeypatch.setattr(keys, "code_sha256", lambda: "newer")
    lines: list[str] = []
    done = run_stages(chain("a", "b"), tmp_path, lines.append)
    assert [each.skipped for each in done] == [False, False]
    assert lines[0] == "s0: made again, because Retailor's code has changed …"
    assert lines[2] == "s1: made again, because Retailor's code has changed …"
    assert [each.skipped for each in run_stages(chain("a", "b"), tmp_path)] == [True, True]
    monkeypatch.setattr(keys, "library_versions", lambda: {**libraries, "numpy": "9.9"})
    lines.clear()
    run_stages(chain("a", "x"), tmp_path, lines.append)
    assert lines[0].startswith("s0: made again, because numpy ") and lines[0].endswith("→ 9.9 …")
    assert lines[2] == "s1: …"  # of other dials: never made before


def test_a_passing_stage_is_emptied_when_who_needs_it_stands(tmp_path: Path) -> None:
    made: list[str] = []

    def make(name: str, inputs: object, folder: Path, work: Path) -> None:
        made.append(name)
        assert name == "raw" or (inputs["raw"] / "rows").read_text() == "private"  # type: ignore[index]
        with artifact.writing(folder, "note") as new:
            (new / "rows").write_text("private" if name == "raw" else "masked")

    def stages(key: str = "") -> list[Stage]:
        return [
            Stage("raw", "note", partial(make, "raw"), passing=True),
            Stage("one", "note", partial(make, "one"), ("raw",)),
            Stage("two", "note", partial(make, "two"), ("raw",), (key,)),
            Stage("end", "note", _end, ("raw", "two"), takes_absent=True),
        ]

    done = run_stages(stages(), tmp_path)
    assert made == ["raw", "one", "two"] and done[0].kind == PASSED
    assert not [path for path in tmp_path.rglob("rows") if path.read_text() == "private"]
    assert all(each.skipped for each in run_stages(stages(), tmp_path))
    made.clear()
    run_stages(stages("changed"), tmp_path)
    assert made == ["raw", "two"]
    assert not [path for path in tmp_path.rglob("rows") if path.read_text() == "private"]
    assert len(list((tmp_path / "stages").glob("two-*/"))) == 2
    run_stages(stages("changed"), tmp_path, forget=True)
    assert len(list((tmp_path / "stages").glob("two-*/"))) == 1
    stale = tmp_path / "stages" / "raw-0123456789ab"
    (stale / "rows").parent.mkdir()
    run_stages(stages("changed"), tmp_path)
    assert not stale.exists()


def _end(inputs: object, folder: Path, work: Path) -> None:
    with artifact.writing(folder, "note"):
        pass
