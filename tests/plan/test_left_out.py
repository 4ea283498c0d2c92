"""A task that cannot be fitted is left out with its reason; a broken file still ends the run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from retailor.errors import DataError, MissingExtra, ModelError, RetailorError
from retailor.plan import main_job
from retailor.plan.run import Run, open_run, run
from retailor.plan.settings import make_plan
from retailor.testing.models import tiny_encoder


def run_of_a_small_shop(folder: Path) -> Run:
    tiny_encoder().save(folder / "encoder")
    rows = "".join(f"i{i},kettle {i} of steel,kitchen\n" for i in range(8))
    (folder / "items.csv").write_text(f"id,title,category\n{rows}", encoding="utf-8")
    columns = {"item_id": "id", "title": "title", "category": "category"}
    plan = make_plan(
        {
            "skip": ["recommend", "sentiment", "adapt"],
            "models": {"encoder": "encoder"},
            "shop": {"reader": "tabular", "files": ["items.csv"], "tables": {"items": {"columns": columns}}},
        },
        folder,
    )
    return run(plan, folder / "out")


def broken(monkeypatch: pytest.MonkeyPatch, task: str, error: RetailorError) -> None:
    made = main_job._made

    def made_or_not(plan: Any, name: str, inputs: Any) -> Any:
        if name == task:
            raise error
        return made(plan, name, inputs)

    monkeypatch.setattr(main_job, "_made", made_or_not)


@pytest.mark.parametrize(
    "error",
    [
        DataError("all 8 titles are the same, and nothing can be told apart."),
        ModelError("the weights hold no tensor of this network."),
        MissingExtra("bm25s, which finds words,", install="pip install 'retailor[search]'"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_task_that_cannot_be_fitted_is_left_out_with_its_reason(
    error: RetailorError, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, "search", error)
    done = run_of_a_small_shop(tmp_path)
    assert done.absent()["fit-search"] == str(error)
    assert {"evaluate-search", "refit-search"} <= set(done.absent())
    assert {"fit-answer", "report"} <= {stage.name for stage in done.stages} - set(done.absent())
    assert any(note == f"fit-search was left out: {error}" for note in done.notes)
    assert open_run(tmp_path / "out").absent()["fit-search"] == str(error)


def test_a_broken_file_ends_the_run_and_names_the_stage(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken(monkeypatch, "search", DataError("it is cut off.", path=tmp_path / "items.parquet"))
    with pytest.raises(DataError, match=r"items\.parquet: it is cut off") as found:
        run_of_a_small_shop(tmp_path)
    assert "in the stage 'fit-search'" in found.value.__notes__
