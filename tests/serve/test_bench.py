"""A run is timed task by task with questions of its own shop, and tables of machines are compared."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import ConfigError, DataError
from retailor.serve.bench import Bench, bench, compared
from retailor.testing.serving import TOY_TASKS


@pytest.fixture(scope="module")
def found(run_folder: Path) -> Bench:
    return bench(run_folder, TOY_TASKS, seconds=0.05)


def test_every_task_is_timed_alone_at_once_and_remembered(found: Bench) -> None:
    assert {(row.task, row.how) for row in found.rows} == {
        (task, how) for task in TOY_TASKS for how in ("alone", "8 at once", "remembered")
    } - {("review", "8 at once")}
    assert all(0 < row.p50_ms <= row.p99_ms and row.ok == row.n >= 1 and row.per_s > 0 for row in found.rows)
    assert found.run == "toy" and "core" in found.machine and found.load_s > 0
    assert "search" in str(found) and "failed" not in str(found)


def test_nothing_remembered_answers_but_where_it_says_so(run_folder: Path, monkeypatch) -> None:
    from retailor.serve.service import Service

    seen: list[tuple[str, bool]] = []
    ask = Service.ask

    def watched(self: Service, kind: str, query: object):
        reply = ask(self, kind, query)
        seen.append((kind, reply.cached))
        return reply

    monkeypatch.setattr(Service, "ask", watched)
    made = bench(run_folder, {"search": TOY_TASKS["search"]}, seconds=0.05)
    n = {row.how: row.n for row in made.rows}
    # the first question, those alone and at once are made; of the remembered ones each is made once more
    assert [cached for _, cached in seen[: 1 + n["alone"] + n["8 at once"]]] == [False] * (
        1 + n["alone"] + n["8 at once"]
    )
    assert [cached for _, cached in seen[-n["remembered"] :]] == [True] * n["remembered"]


def test_what_stands_twice_among_the_queries_is_asked_once_a_round(
    run_folder: Path, tmp_path: Path, monkeypatch
) -> None:
    from retailor.serve import bench as module

    rounds: list[list[str]] = []
    at_once = module._at_once

    def watched(service: Any, kind: str, queries: Any, seconds: float) -> Any:
        rounds.append([query.text for query in queries])
        return at_once(service, kind, queries, seconds)

    monkeypatch.setattr(module, "_at_once", watched)
    path = tmp_path / "queries"
    path.write_text("".join(f"tent {i % 12}\n" for i in range(40)))
    bench(run_folder, {"search": TOY_TASKS["search"]}, queries=path, seconds=1.0)
    assert rounds == [[f"tent {i}" for i in range(12)]]


def test_a_file_of_queries_is_asked_instead_and_what_fails_is_counted(
    run_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "queries"
    path.write_text('tent\n{"task": "dance"}\n{"task": "review", "item_id": "not there"}\n')
    found = bench(run_folder, TOY_TASKS, queries=path, seconds=0.02)
    assert {row.task for row in found.rows} == {"search", "review"}
    assert "1 lines of it no queries (first line 2: 'task' is none of" in found.queries
    review = next(row for row in found.rows if row.task == "review")
    assert (review.ok, review.n) == (0, 5) and "5 failed: there is no item 'not there'" in str(found)


def test_it_is_said_when_nothing_can_be_asked(run_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "queries").write_text("{}\n")
    with pytest.raises(DataError, match="there is nothing to ask"):
        bench(run_folder, TOY_TASKS, queries=tmp_path / "queries", seconds=0.02)
    with pytest.raises(ConfigError, match="the queries cannot be read"):
        bench(run_folder, TOY_TASKS, queries=tmp_path / "absent", seconds=0.02)


def test_tables_are_read_back_and_compared(found: Bench, tmp_path: Path) -> None:
    path = tmp_path / "here.json"
    path.write_text(json.dumps(found.to_dict()))
    assert Bench.read(path) == found
    fast = tuple(replace(row, per_s=row.per_s * 2) for row in found.rows if row.task != "answer")
    other = replace(found, machine="another", version="9", rows=fast)
    table = compared([found, other]).splitlines()
    assert table[1] == "2: toy on another (another version)"
    ratios = {line.split()[0]: line.rsplit(None, 2)[-2:] for line in table[3:]}
    assert ratios["search"] == ["2.00", "×"] and ratios["answer"][-1] == "–"
    path.write_text("{}")
    with pytest.raises(DataError, match="no table of `retailor bench`"):
        Bench.read(path)
