"""The contract of a Task. Give it a shop, an unfitted task and some queries."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import DataError
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.shapes import Refittable


class TaskContract:
    """Subclass, and override `shop`, `task` and `queries` (fixtures or methods with `self` alone)."""

    baselines: tuple[str, ...] = ()
    """Names of the baseline rows that `evaluate` must show beside the task's own."""

    def shop(self) -> Shop:
        raise NotImplementedError

    def test_shop(self) -> Shop:
        return self.shop()

    test_shop.__test__ = False  # type: ignore[attr-defined]

    def task(self) -> Any:
        raise NotImplementedError

    def queries(self) -> list[Any]:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def fitted(cls) -> Any:
        contract = cls()
        return contract.task().fit(contract.shop())

    def test_fit_names_the_missing_table(self) -> None:
        with pytest.raises(DataError, match=r"table '\w+'"):
            self.task().fit(Shop.of())

    def test_one_answer_a_query_in_order(self, fitted: Any) -> None:
        queries = self.queries()
        answers = fitted.predict(queries)
        assert len(answers) == len(queries)
        assert fitted.predict(queries[::-1]) == answers[::-1]
        assert fitted.predict([]) == []

    def test_a_batch_gives_what_singles_give(self, fitted: Any) -> None:
        queries = self.queries()
        assert [fitted.predict([query])[0] for query in queries] == fitted.predict(queries)

    def test_load_of_save_predicts_the_same(self, fitted: Any, tmp_path: Path) -> None:
        fitted.save(tmp_path / "task")
        loaded = type(fitted).load(tmp_path / "task")
        assert loaded.predict(self.queries()) == fitted.predict(self.queries())
        assert artifact.read_manifest(tmp_path / "task").kind == fitted.kind

    def test_a_corrupt_file_is_named(self, fitted: Any, tmp_path: Path) -> None:
        fitted.save(tmp_path / "task")
        name = next(iter(artifact.read_manifest(tmp_path / "task").files))
        path = tmp_path / "task" / name
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
        with pytest.raises(DataError, match=name.rsplit("/", 1)[-1].replace(".", r"\.")):
            type(fitted).load(tmp_path / "task")

    def test_a_refit_on_the_same_shop_answers_alike(self, fitted: Any) -> None:
        if not isinstance(self.task(), Refittable):
            pytest.skip("this task has no refit")
        again: Any = self.task().refit(self.shop(), fitted)
        assert again.predict(self.queries()) == fitted.predict(self.queries())

    def test_scores_show_the_baselines(self, fitted: Any) -> None:
        scores = fitted.evaluate(self.test_shop())
        rows = {score.row for score in scores}
        assert set(self.baselines) <= rows and len(rows) > len(self.baselines)
        for score in scores:
            assert score.n >= 0 and (score.n == 0 or math.isfinite(score.value))
            assert score.n == 0 or score.low <= score.value <= score.high
