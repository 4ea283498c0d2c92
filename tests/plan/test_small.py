"""A plan that asks for a smaller encoder: what is searched for, judged by and served."""

from __future__ import annotations

from pathlib import Path

import pytest

from retailor.models.local import load_encoder
from retailor.models.runtimes.onnx import OnnxEncoder
from retailor.models.static import StaticEncoder
from retailor.plan.run import run
from retailor.plan.settings import make_plan
from retailor.plan.summary import read_json
from retailor.testing.models import tiny_encoder


@pytest.mark.slow
def test_the_tasks_judge_on_one_half_and_the_other_half_tells(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "encoder")
    plan = make_plan(
        {
            "skip": ["adapt", "review", "sentiment", "answer", "refit", "insight"],
            "shop": {"size": 100},
            "split": {"test": 0.4},
            "models": {"encoder": "encoder"},
            "recommend": {"sasrec": {"enabled": False}, "two_tower": {"enabled": False}},
            "compress": {
                "keep": 0.2, "n_speed": 4, "n_parity": 8, "rounds": 1,
                "student": {"layers_steps": 2, "table_epochs": 0.2},
            },
        },
        tmp_path,
    )  # fmt: skip
    done = run(plan, tmp_path / "out")
    stage = next(one for one in done.stages if one.name == "compress")
    told = read_json(done.out / stage.folder / "report.json")
    tried = {one["name"]: one for one in told["search"]["candidates"]}
    assert {"original", "onnx int8", "1 layer, onnx int8", "word vectors"} <= set(tried)
    n_judged = tried["original"]["kept"]["search"]["n"]
    rows = {row["row"]: row for row in told["scores"]["search"] if row["metric"] == "ndcg@10"}
    assert set(rows) == {"retailor", "compressed"}
    assert n_judged > 0 and rows["retailor"]["n"] > 0
    scores = read_json(done.out / _folder(done, "evaluate-search") / "scores.json")
    assert n_judged + rows["retailor"]["n"] == next(row["n"] for row in scores if row["row"] == "retailor")
    small = load_encoder(done.out / stage.folder / "encoder")
    assert isinstance(small, OnnxEncoder | StaticEncoder)
    # the recommender reads new texts by the encoder, and cannot be scored over another one
    assert "of the ten nearest texts for recommend" in told["search"]["why"]
    page = done.report.read_text(encoding="utf-8")
    assert told["search"]["why"][:20] in page.replace("&#39;", "'") and "word vectors" in page


def _folder(done, name: str) -> str:
    return next(one.folder for one in done.stages if one.name == name)
