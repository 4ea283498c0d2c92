"""A task's setting that names a file: found from the plan's folder, and known by what is in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retailor.plan.main_job import stages_of
from retailor.plan.settings import make_plan


def key_of_fit(folder: Path) -> Any:
    plan = make_plan({"search": {"synonyms": "mine.txt"}}, folder)
    return next(stage for stage in stages_of(plan) if stage.name == "fit-search").key


def test_a_file_is_named_from_the_plans_folder_and_a_resolved_plan_has_its_whole_path(tmp_path: Path) -> None:
    plan = make_plan({"search": {"synonyms": "words/mine.txt"}}, tmp_path)
    assert plan.section("search").synonyms == str(tmp_path / "words" / "mine.txt")
    assert plan.settled().sections["search"].synonyms == str(tmp_path / "words" / "mine.txt")
    assert make_plan({}, tmp_path).section("search").synonyms is None


def test_search_is_fitted_again_where_the_file_says_something_else(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    missing = key_of_fit(tmp_path)
    path.write_text("pram, stroller\n", encoding="utf-8")
    first = key_of_fit(tmp_path)
    path.write_text("pram, pushchair\n", encoding="utf-8")
    second = key_of_fit(tmp_path)
    path.write_text("pram, stroller\n", encoding="utf-8")
    assert first == key_of_fit(tmp_path) and len({str(key) for key in (missing, first, second)}) == 3
