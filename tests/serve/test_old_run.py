"""A run of an earlier version: what it can still read answers, and the rest says what to do.

`old_run.tar.xz` was made by the code of 2026-11-28 (commit b2b48c1) on `demo_shop(24)` with a `HashEncoder`.
"""

from __future__ import annotations

import json
import tarfile
from contextlib import closing
from pathlib import Path

import pytest

from retailor.errors import DataError
from retailor.models.local import load_encoder
from retailor.serve.service import Service
from retailor.shop.tables import open_shop
from retailor.tasks.registry import TASKS
from retailor.tasks.sentiment.shapes import SentimentQuery

REFUSED = {"recommend", "search", "answer"}


@pytest.fixture
def run(tmp_path: Path) -> Path:
    with tarfile.open(Path(__file__).parent / "old_run.tar.xz") as packed:
        packed.extractall(tmp_path, filter="data")
    return tmp_path / "oldrun"


@pytest.mark.parametrize("kind", ["recommend", "search", "answer", "sentiment"])
def test_a_task_of_before_opens_or_says_to_fit_it_again(kind: str, run: Path) -> None:
    if kind not in REFUSED:
        TASKS[kind].load(run / kind, open_encoder=load_encoder)
        return
    with pytest.raises(DataError, match=r"fit (it|the task) again"):
        TASKS[kind].load(run / kind, open_encoder=load_encoder)


def test_its_shop_opens_so_that_all_can_be_fitted_again(run: Path) -> None:
    shop = open_shop(run / "clean")
    assert shop.items.height == 24 and shop.events.height > 100


def test_a_server_names_what_is_to_be_made_again_and_serves_what_is_left(run: Path) -> None:
    with pytest.raises(DataError, match=r"oldrun/recommend.*fit it again"):
        Service.load(run, TASKS)
    record = json.loads((run / "run.json").read_text(encoding="utf-8"))
    record["stages"] = [each for each in record["stages"] if each["kind"] not in REFUSED]
    (run / "run.json").write_text(json.dumps(record), encoding="utf-8")
    with closing(Service.load(run, TASKS)) as service:
        assert service.ask("sentiment", SentimentQuery("I love it.")).answer.label
        assert service.ready()["n_items"] == 24
