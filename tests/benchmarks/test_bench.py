"""Benchmarks: stages kept only for what made them, results that say what made them, stale ones told."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from retailor.store import keys

BENCHMARKS = Path(__file__).parent.parent.parent / "benchmarks"
ROWS = [{"row": "ours", "metric": "accuracy", "value": 0.5, "n": 4}]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with a benchmark 'fake', its data, and nothing else."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import bench
    import canaries
    import keeping
    import runs

    (tmp_path / "fake.py").write_text("import near\nimport bench\n")
    (tmp_path / "near.py").write_text("DIAL = 1\n")
    (tmp_path / "bench.py").write_text("")
    (tmp_path / "data" / "set").mkdir(parents=True)
    (tmp_path / "data" / "set" / "rows.csv").write_text("1,2\n")
    table = (runs.Run("fake", 1, ("set",)), runs.Run("fake_fast", 1, ("set",), "fake", "--rate 2"))
    monkeypatch.setattr(runs, "RUNS", table)
    monkeypatch.setattr(runs, "BY_NAME", {run.name: run for run in table})
    monkeypatch.setattr(keeping, "HERE", tmp_path)
    monkeypatch.setattr(sys, "argv", ["benchmarks/fake.py"])
    monkeypatch.setattr(bench, "ROOT", tmp_path)
    for module in (bench, canaries):
        monkeypatch.setattr(module, "RESULTS", tmp_path / "results")
    monkeypatch.setattr(canaries, "COMMITTED", tmp_path / "canaries")
    monkeypatch.setattr(canaries, "TODAY", tmp_path / "today")
    monkeypatch.setattr(canaries, "in_one_thread", lambda: None)
    monkeypatch.setattr(canaries, "of_today", lambda name, data: "song")
    monkeypatch.setattr(bench, "commit", lambda: "0123abc")
    yield tmp_path


def door(place: Path, *argv: str) -> Any:
    import bench

    parser = bench.parser_of("fake")
    parser.add_argument("--rate", type=float, default=1.0)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    data = ["--data", str(place / "data"), "--work", str(place / "work")]
    return bench.begin(parser, canary={"rate": 9.0}, argv=[*data, *argv])


def fitted(place: Path, *argv: str) -> tuple[list[str], dict[str, Any]]:
    """Which seeds were fitted now, and what the store tells of its stages."""
    made: list[str] = []
    found = door(place, *argv)

    def fit(seed: int) -> dict[str, Any]:
        made.append(str(seed))
        return {"x": np.full(2, found.given.rate + seed)}

    for seed in found.given.seeds:
        got = found.store.tensors(f"fit {seed}", lambda work, seed=seed: fit(seed), seed)
        assert got["x"].tolist() == [found.given.rate + seed] * 2
    return made, found.store.stages


Change = Callable[[Path, pytest.MonkeyPatch], None]
CHANGES: dict[str, Change] = {
    "data": lambda place, _: (place / "data" / "set" / "rows.csv").write_text("1,3\n") and None,
    "code of the benchmark": lambda place, _: (place / "fake.py").write_text("import near # 2\n") and None,
    "code it imports": lambda place, _: (place / "near.py").write_text("DIAL = 2\n") and None,
    "code of the package": lambda _, patch: patch.setattr(keys, "code_sha256", lambda: "other"),
    "libraries": lambda _, patch: patch.setattr(keys, "library_versions", dict),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_stage_is_kept_for_the_same_call_and_made_again_for_another(
    change: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fitted(place)[0] == ["0"] and fitted(place)[0] == []
    assert fitted(place)[1]["fit 0"]["made"] == "kept"
    assert fitted(place, "--seeds", "0", "1")[0] == ["1"]
    assert fitted(place, "--rate", "3")[0] == ["0"]
    CHANGES[change](place, monkeypatch)
    made, stages = fitted(place)
    assert made == ["0"] and stages["fit 0"]["made"] == "now"
    assert fitted(place)[0] == []


def test_the_harness_decides_no_figure(place: Path) -> None:
    fitted(place)
    (place / "bench.py").write_text("# another door\n")
    assert fitted(place)[0] == []


def test_a_killed_stage_finds_its_work_again_and_leaves_none(place: Path) -> None:
    store = door(place).store

    def killed(folder: Path, work: Path) -> None:
        (work / "checkpoint").write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        store.folder("fit", killed)
    seen = []
    for _ in range(2):
        store.folder("fit", lambda folder, work: seen.append((work / "checkpoint").read_text()))
    assert seen == ["half"] and not list((place / "work" / "work").iterdir())


def test_a_result_says_what_made_it(place: Path) -> None:
    found = door(place, "--seeds", "0")
    found.store.value("old", lambda work: 1)
    again = door(place)
    again.store.value("old", lambda work: 1)
    path = again.write(ROWS, [0])
    told = json.loads(path.read_text())
    assert path == place / "results" / "fake.json"
    assert told["command"] == "python benchmarks/fake.py" and told["commit"] == "0123abc"
    assert told["dials"] == {"rate": 1.0, "seeds": [0]} and told["canary"] == "song"
    assert told["libraries"] == keys.made_by() and told["seeds"] == [0]
    assert told["machine"] and told["seconds"] >= 0 and set(told["data"]) == {"set"}
    assert told["stages"]["old"]["made"] == "kept" and told["rows"][0]["made"] == "kept"


def test_the_file_and_its_command_agree(place: Path) -> None:
    assert door(place, "--rate", "2").write(ROWS, [0]) == place / "results" / "fake_fast.json"
    path = door(place, "--rate", "5").write(ROWS, [0])
    assert path == place / "build" / "rehearsals" / "fake.json"
    assert json.loads(path.read_text())["command"] == "python benchmarks/fake.py --rate 5.0 --seeds 0"
    assert not (place / "results" / "fake.json").exists()


def test_no_result_comes_from_a_dirty_tree_but_a_rehearsal_does(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench

    monkeypatch.setattr(bench, "commit", lambda: "0123abc+")
    with pytest.raises(SystemExit, match="differ from the commit"):
        door(place)
    path = door(place, "--out", str(place / "elsewhere")).write(ROWS, [0])
    assert path == place / "elsewhere" / "fake.json" and not (place / "results").exists()
    assert json.loads(path.read_text())["commit"] == "0123abc+"


@pytest.mark.parametrize("change", ["commit", "benchmark", "package"])
def test_no_result_comes_from_code_that_changed_meanwhile(
    change: str, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import bench

    found = door(place)
    if change == "commit":
        monkeypatch.setattr(bench, "commit", lambda: "4567def")
    if change == "benchmark":
        (place / "near.py").write_text("DIAL = 3\n")
    if change == "package":
        monkeypatch.setattr(keys, "sources_sha256", lambda folder: "newer")
    with pytest.raises(SystemExit, match="changed while this ran"):
        found.write(ROWS, [0])
    assert not (place / "results").exists()


def test_data_that_are_not_there_are_named(place: Path) -> None:
    with pytest.raises(SystemExit, match="there is no set in"):
        door(place, "--data", str(place))


# canaries -----------------------------------------------------------------------------------------


def sung(place: Path, value: float, capsys: pytest.CaptureFixture[str]) -> str:
    found = door(place, "--canary")
    assert found.given.rate == 9.0
    found.write([{**ROWS[0], "value": value}, {"row": "ours", "metric": "texts_per_s", "value": value}], [0])
    return capsys.readouterr().out


def test_a_canary_compares_what_is_exact(place: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import canaries

    assert "no figures are committed" in sung(place, 0.5, capsys)
    today = canaries.read_json(place / "today" / "fake.json")
    assert today is not None and today["command"] == "python benchmarks/fake.py --canary"
    assert today["figures"] == [
        ["ours", "all", "accuracy", 0.5, 4],
        ["ours", "all", "texts_per_s", None, None],
    ]
    canaries.settle("fake", today, write=True)
    assert "are those committed" in sung(place, 0.5, capsys)
    assert "accuracy: 0.5 of 4 → 0.75 of 4" in sung(place, 0.75, capsys)


def test_a_result_is_stale_once_its_canary_sings_otherwise(place: Path) -> None:
    import canaries

    def committed(value: float, processor: str = "p", **how: bool) -> list[str]:
        figures = [["ours", "all", "accuracy", value, 4]]
        told = {"commit": "4567def", "processor": processor, "figures": figures}
        return list(canaries.settle("fake", told, write=True, **how))

    result = {"benchmark": "fake", "command": "python benchmarks/fake.py", "canary": None}
    assert canaries.stale(result) == "made before canaries"
    result["canary"] = canaries.digest([["ours", "all", "accuracy", 0.5, 4]])
    assert canaries.stale(result) == "its canary is gone"
    assert committed(0.5) == ["none was committed"] and canaries.stale(result) == ""
    assert committed(0.5 + 5e-7) == [] and canaries.stale(result) == ""
    assert len(committed(0.6, processor="another")) == 2 and canaries.stale(result) == ""
    assert committed(0.6) and canaries.stale(result) == "the figures changed at 4567def"
    assert committed(0.5, processor="another", force=True) and canaries.stale(result) == ""
    assert canaries.stale({**result, "command": "python benchmarks/other.py"}) == "made by another command"


@pytest.mark.parametrize(
    ("after", "told"),
    [
        ([["a", "all", "m", 1.0, 5]], []),
        ([["a", "all", "m", 1.0 + 1e-7, 5]], []),
        ([["a", "all", "m", 1.00001, 5]], ["a all m: 1.0 of 5 → 1.00001 of 5"]),
        ([["a", "all", "m", 1.0, 6]], ["a all m: 1.0 of 5 → 1.0 of 6"]),
        ([["a", "all", "m", None, 5]], ["a all m: 1.0 of 5 → None of 5"]),
        ([["b", "all", "m", 1.0, 5]], ["a all m: is no more", "b all m: is new"]),
    ],
)
def test_differences_are_told(after: list[list[Any]], told: list[str], place: Path) -> None:
    import canaries

    assert canaries.differences([["a", "all", "m", 1.0, 5]], after) == told


def test_json_reads_back_and_has_a_figure_a_line(place: Path) -> None:
    import canaries

    told = {
        "a": [['ours, "x"', "all", "m", 0.5, None], ["[b]", "all", "n", None, 3]],
        "b": ["x", "y"],
        "c": {},
    }
    canaries.write_json(place / "x.json", told)
    assert canaries.read_json(place / "x.json") == told
    assert '"all", "m", 0.5, null],\n' in (place / "x.json").read_text()


@pytest.mark.parametrize("metric", ["seconds", "p99_ms", "fit_cpu_s", "peak_gib", "texts_per_s", "ratio"])
def test_speeds_are_not_compared(metric: str, place: Path) -> None:
    import canaries

    assert canaries.figures_of([{"row": "r", "metric": metric, "value": 2.0, "n": 3}]) == [
        ["r", "all", metric, None, 3]
    ]


@pytest.mark.parametrize("metric", ["ndcg@10", "macro_f1", "ece", "recall of scan@10", "rouge_l"])
def test_figures_are_compared(metric: str, place: Path) -> None:
    import canaries

    row = {"row": "r", "metric": metric, "value": 2.0, "n": 3}
    assert canaries.figures_of([row]) == [["r", "all", metric, 2.0, 3]]


# the benchmarks that there are --------------------------------------------------------------------


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import runs

    return runs


def test_every_benchmark_goes_through_the_door_and_has_a_canary(table: ModuleType) -> None:
    scripts = {path.stem for path in BENCHMARKS.glob("*.py") if "begin(" in path.read_text(encoding="utf-8")}
    assert scripts - {"bench"} == set(table.BENCHMARKS)
    for name in table.BENCHMARKS:
        tree = ast.parse((BENCHMARKS / f"{name}.py").read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        (begun,) = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "begin"]
        assert "canary" in {word.arg for word in begun.keywords}
        assert not any(isinstance(call.func, ast.Name) and call.func.id == "save_file" for call in calls), (
            name
        )


def test_every_result_has_a_command_that_makes_it(table: ModuleType) -> None:
    assert {path.stem for path in (BENCHMARKS / "results").glob("*.json")} <= set(table.BY_NAME)
    for path in (BENCHMARKS / "results").glob("*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        assert not result.get("canary") or result["command"] == table.BY_NAME[path.stem].command


def test_what_is_stale_is_made_again_and_a_failure_stops_nothing(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import canaries
    import make_again

    called: list[list[str]] = []

    def run(command: list[str], **_: Any) -> Any:
        called.append(command)
        return subprocess.CompletedProcess(
            command, int("benchmarks/fake.py" in command and "--rate" not in command)
        )

    monkeypatch.setattr(make_again.subprocess, "run", run)
    monkeypatch.setattr(make_again, "ROOT", place)
    monkeypatch.setattr(make_again, "LOGS", place / "logs")
    monkeypatch.setattr(canaries, "stale_results", lambda: {"fake": "absent", "fake_fast": "made before"})
    (place / "build" / "fake").mkdir(parents=True)
    monkeypatch.setattr(sys, "argv", ["make_again.py", "--from-nothing"])
    with pytest.raises(SystemExit, match=r"failed: fake$"):
        make_again.main()
    own = [command[command.index("benchmarks/fake.py") :] for command in called[:2]]
    assert [words[1:3] for words in own] == [["--data", "../shared/data"], ["--rate", "2"]]
    assert called[2][-1].endswith("readme_table.py") and not (place / "build" / "fake").exists()
    called.clear()
    monkeypatch.setattr(canaries, "stale_results", lambda: {"fake": "", "fake_fast": ""})
    monkeypatch.setattr(sys, "argv", ["make_again.py"])
    with pytest.raises(SystemExit) as ended:
        make_again.main()
    assert ended.value.code == 0 and len(called) == 1


def test_the_interval_over_categories_is_the_one_of_the_package(place: Path) -> None:
    """Of a single category it is that category's own; the tails are decided in one place."""
    import online_shopping_leave_one_out as benchmark

    from retailor.metrics.interval import interval

    hits = np.random.default_rng(0).integers(0, 2, 60).astype(np.float64)
    assert benchmark.mean_over_categories([hits]) == (hits.mean(), *interval(hits, seed=0))


def test_intervals_of_forecasts_resample_whole_shops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import forecast

    one = dict.fromkeys(forecast.SHOWN, 0.0)
    told = {"a": [{**one, "inside": 1.0}] * 50, "b": [{**one, "inside": 0.0}] * 50}
    inside = next(row for row in forecast.rows_of(told, "events") if row["metric"] == "truth inside")
    assert (inside["value"], inside["low"], inside["high"]) == (0.5, 0.0, 1.0)
    assert (inside["n"], inside["shops"]) == (100, 2)


def test_loud_words_in_a_hundred_do_not_grow_with_the_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    import review_preferences

    found = {"loud": np.array([1.0, 0.0, 3.0]), "words": np.array([10.0, 10.0, 20.0])}
    longer = {name: 2 * values for name, values in found.items()}
    row = review_preferences.a_hundred_words("ours", found)
    assert row["value"] == 10.0 and row["low"] < 10 < row["high"]
    apart = review_preferences.a_hundred_words("ours", longer, found)
    assert (apart["value"], apart["low"], apart["high"]) == (0.0, 0.0, 0.0)
