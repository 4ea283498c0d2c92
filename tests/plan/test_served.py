"""What a run leaves to be served: it has seen everything, and holds each model once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from retailor.plan.run import Run, run
from retailor.plan.settings import make_plan
from retailor.serve.opening import contents_of
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import open_shop
from retailor.store import artifact
from retailor.tasks.recommend import Recommender
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.registry import TASKS
from retailor.testing.models import tiny_encoder


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("served")
    tiny_encoder().save(folder / "encoder")
    plan = make_plan(
        {
            "skip": ["adapt", "review"],
            "models": {"encoder": "encoder"},
            "shop": {"reader": "demo", "size": 40},
            "sentiment": {"mode": "frozen"},
            "recommend": {"two_tower": {"epochs": 1.0}, "sasrec": {"enabled": False}},
            "compress": {"n_speed": 4, "n_parity": 8, "rounds": 1},
        },
        folder,
    )
    return run(plan, folder / "out")


@pytest.fixture(scope="module")
def service(done: Run) -> Iterator[Service]:
    with closing(Service.load(done.out, TASKS, ServeSettings())) as made:
        yield made


def stage(done: Run, name: str) -> Path:
    return done.out / next(each.folder for each in done.stages if each.name == name)


def test_the_newest_events_are_known_to_what_is_served(done: Run, service: Service) -> None:
    shop, test = open_shop(stage(done, "clean")), open_shop(stage(done, "split") / "test")
    newest = test.events.select("user_id", "item_id").unique().sort("user_id", "item_id")
    again = {"fit": 0, "served": 0}
    fitted = Recommender.load(stage(done, "fit-recommend"))
    for user_id, item_id in newest.iter_rows():
        query = RecommendQuery(user_id=user_id, k=10)
        served = {each.item_id for each in service.ask("recommend", query).answer.items}
        seen = set(shop.events.filter(user_id=user_id)["item_id"])
        assert not served & seen
        again["fit"] += item_id in {each.item_id for each in fitted.predict([query])[0].items}
        again["served"] += item_id in served
    assert again["served"] == 0 < again["fit"], again


def test_figures_are_those_of_the_fit_that_had_not_seen_the_test_part(done: Run) -> None:
    test = open_shop(stage(done, "split") / "test")
    alone = Recommender.load(stage(done, "fit-recommend")).evaluate(test)
    assert {(s.row, s.metric, s.value) for s in done.scores["recommend"]} == {
        (s.row, s.metric, s.value) for s in alone
    }
    assert "fitted again, with what was chosen, on the whole shop" in done.report.read_text(encoding="utf-8")


def test_every_task_is_served_from_its_refit(done: Run) -> None:
    contents = contents_of(done.out, TASKS)
    assert {kind: path.name.rpartition("-")[0] for kind, path in contents.tasks.items()} == {
        kind: f"refit-{kind}" for kind in ("recommend", "search", "answer", "sentiment")
    }


def test_an_encoder_lies_once_on_the_disk(done: Run) -> None:
    weights = list((done.out / "stages").glob("*/encoder/model.safetensors"))
    assert len(weights) >= 8 and len({path.stat().st_ino for path in weights}) == 1
    for each in done.stages:
        artifact.verify(done.out / each.folder)


def test_what_was_compressed_is_what_is_served(done: Run, service: Service) -> None:
    small = stage(done, "compress")
    stands_for = artifact.read_manifest(small).settings["stands_for"]
    own = artifact.read_manifest(stage(done, "refit-search") / "encoder").fingerprint
    assert stands_for == [own]
    assert contents_of(done.out, TASKS).compressed == {own: small / "encoder"}
    report = json.loads((small / "report.json").read_text(encoding="utf-8"))
    assert {"answer", "sentiment"} <= set(report["scores"])


def test_without_refit_a_plan_serves_what_it_evaluated(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "encoder")
    plan = make_plan(
        {
            "skip": ["adapt", "review", "refit", "compress", "recommend", "sentiment", "answer"],
            "models": {"encoder": "encoder"},
            "shop": {"reader": "demo", "size": 20},
        },
        tmp_path,
    )
    done = run(plan, tmp_path / "out")
    assert contents_of(done.out, TASKS).tasks["search"] == stage(done, "fit-search").resolve()
