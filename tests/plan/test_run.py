"""A finished run is opened; anything else is a clear error."""

from __future__ import annotations

from pathlib import Path

import pytest

from retailor.errors import DataError
from retailor.plan.main_job import stages_of
from retailor.plan.run import open_run, run
from retailor.plan.settings import make_plan
from retailor.testing.models import tiny_encoder


def test_a_folder_without_a_finished_run_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no finished run here"):
        open_run(tmp_path)
    (tmp_path / "run.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match=r"run\.json: the record is corrupt"):
        open_run(tmp_path)


def test_a_generator_is_asked_for_where_answers_are_to_be_worded_by_one(tmp_path: Path) -> None:
    def needs(**answer: str) -> dict[str, tuple[str, ...]]:
        plan = make_plan({"skip": ["review"], "answer": answer}, tmp_path)
        return {stage.name: stage.needs for stage in stages_of(plan)}

    assert "adapt-generator" not in needs()
    assert needs(wording="generator")["fit-answer"] == ("split", "adapt", "adapt-generator")
    assert needs(wording="generator")["fit-search"] == ("split", "adapt")


def test_a_shop_of_a_few_words_keeps_its_model_as_it_came_and_has_a_report(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "encoder")
    rows = "".join(f"i{i}\n" for i in range(4))
    (tmp_path / "items.csv").write_text(f"id\n{rows}", encoding="utf-8")
    plan = make_plan(
        {
            "skip": ["recommend", "review"],
            "models": {"encoder": "encoder"},
            "shop": {
                "reader": "tabular",
                "files": ["items.csv"],
                "tables": {"items": {"columns": {"item_id": "id", "title": "id"}}},
            },
        },
        tmp_path,
    )
    done = run(plan, tmp_path / "out")
    assert "different texts" in done.absent()["adapt"]
    assert {"evaluate-search", "evaluate-answer", "fit-sentiment"} <= set(done.absent())
    assert "fit-search" not in done.absent() and "left out" in done.report.read_text(encoding="utf-8")


def test_a_settled_plan_names_the_same_files_from_anywhere(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    other = {"reader": "taobao", "files": ["b.csv", "c.csv"]}
    for shop in ({"reader": "taobao", "files": ["a.csv"], "sources": [other]}, {"sources": [other]}):
        plan = make_plan({"shop": shop}, tmp_path / "here")
        elsewhere = make_plan(plan.settled().to_dict(), tmp_path)
        assert elsewhere.files() == plan.files() and elsewhere.sources() == plan.sources()
        assert [path.parent for path in plan.files()] == [tmp_path / "here"] * len(plan.files())
