"""A run is fitted anew beside the old one, judged on days that neither saw, and promoted by the rule."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError, DataError
from retailor.live.events.log import Log
from retailor.live.settings import RefreshSettings
from retailor.live.shapes import Line
from retailor.live.standing import back, place_of, refreshes_of, set_standing, standing_number, standing_run
from retailor.metrics.interval import score_mean
from retailor.plan import refresh as refreshing
from retailor.plan.judging import compared, of_items, since_fit, unseen
from retailor.plan.refresh import refresh
from retailor.plan.run import open_run, run
from retailor.plan.settings import make_plan
from retailor.seeds import stream
from retailor.shop.split import split_by_time
from retailor.shop.tables import Shop, open_shop
from retailor.testing.models import tiny_encoder

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, whose log has ten days more of what customers chose."""
    folder = tmp_path_factory.mktemp("refresh")
    tiny_encoder().save(folder / "encoder")
    plan = make_plan(
        {
            "skip": ["adapt", "compress", "insight", "search", "answer", "sentiment", "review"],
            "models": {"encoder": "encoder"},
            "shop": {"reader": "demo", "size": 30},
            "serve": {"events_url": f"sqlite:///{folder}/live.db"},
            "recommend": {
                "two_tower": {"enabled": False}, "sasrec": {"enabled": False}, "n_validation": 30,
                "tfidf_kernel": 0.0, "embedding_kernel": 0.0, "max_tuned": 0, "max_reviews": 0,
            },
            "refresh": {"days": 3.0, "least_cases": 20, "worst": -1.0},
        },
        folder,
    )  # fmt: skip
    done = run(plan, folder / "run")
    with closing(Log.open(f"sqlite:///{folder}/live.db")) as log:
        log.append(new_events(clean_of(done.out), 10))
    return folder


@pytest.fixture
def place(made: Path, tmp_path: Path) -> Path:
    """The run in a place of its own, with its log."""
    shutil.copytree(made, tmp_path / "shop")
    text = (made / "run" / "plan.toml").read_text().replace(f"{made}/live.db", f"{tmp_path}/shop/live.db")
    (tmp_path / "shop" / "run" / "plan.toml").write_text(text)
    return tmp_path / "shop" / "run"


def clean_of(folder: Path) -> Shop:
    done = open_run(folder)
    return open_shop(folder / next(each.folder for each in done.stages if each.name == "clean"))


def newest_of(shop: Shop) -> datetime:
    """Reviews may be younger than events."""
    times = [shop.tables()[name]["time"].max() for name in ("events", "reviews", "questions")]
    return max(each for each in times if isinstance(each, datetime))


def new_events(shop: Shop, n_days: int, first: int = 0) -> list[Line]:
    rng = stream(first, "new events")
    users, items = shop.events["user_id"].unique().sort(), shop.items["item_id"]
    last = newest_of(shop)
    return [
        Line(
            f"e{first}-{n}", "event", last + DAY * (first + n_days * (n + 1) / 400),
            users[int(rng.integers(len(users)))], items[int(rng.integers(len(items)))], "view",
        )
        for n in range(400)
    ]  # fmt: skip


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def test_it_is_judged_on_days_that_neither_saw_and_promoted_and_taken_back(place: Path) -> None:
    before = files_of(place)
    receipt = refresh(place)
    assert receipt is not None and receipt["decision"] == "promoted" and receipt["reasons"] == []
    assert standing_run(place) == place_of(place, 1) / "run"
    assert json.loads((place_of(place, 1) / "receipt.json").read_text()) == json.loads(json.dumps(receipt))
    assert files_of(place) == before, "the champion is only read"

    cut = datetime.fromisoformat(receipt["cut"])
    new = open_run(standing_run(place))
    parts = next(new.out / each.folder for each in new.stages if each.name == "split")
    train, test = open_shop(parts / "train"), open_shop(parts / "test")
    assert newest_of(clean_of(place)) < cut and newest_of(train) < cut <= test.events["time"].min()  # type: ignore[operator]
    assert test.events["time"].max() - cut == pytest.approx(3 * DAY, abs=DAY / 100)  # type: ignore[operator]
    assert len(clean_of(standing_run(place)).events) > len(clean_of(place).events), "and it serves all"
    judged = {each["task"]: each for each in receipt["judged"]}
    assert judged["recommend"]["decides"] and judged["recommend"]["n"] >= 20
    assert judged["sentiment"]["reason"] == "the newest days have no reviews"

    assert back(place)["to"] == 0 and standing_run(place) == place
    with pytest.raises(DataError, match="nothing to go back to"):
        back(place)


@pytest.mark.slow
def test_one_that_may_be_worse_than_the_rule_allows_is_not_promoted(place: Path) -> None:
    receipt = refresh(place, overrides={"refresh.worst": "0", "refresh.confidence": "0.9999"})
    assert receipt is not None and receipt["decision"] == "kept"
    assert "recommend: its ndcg@10 may change by -" in receipt["reasons"][0]
    assert standing_run(place) == place
    with pytest.raises(DataError, match="nothing to go back to"):
        back(place)


def test_without_news_or_with_too_little_it_makes_nothing(place: Path) -> None:
    told: list[str] = []
    assert refresh(place, overrides={"refresh.least_cases": "390"}, tell=told.append) is None
    assert "too little is new" in told[-1]
    empty = {"shop.events_url": f"sqlite:///{place}/other.db"}
    assert refresh(place, overrides=empty, tell=told.append) is None
    assert "nothing is new" in told[-1]
    assert not list(refreshes_of(place).glob("0*"))


@pytest.mark.slow
@pytest.mark.parametrize("moment", ["run", "judge", "set_standing", "write_json"])
def test_killed_at_any_moment_it_goes_on_to_the_same(
    place: Path, moment: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    real = getattr(refreshing, moment)

    def killed(*args: Any, **more: Any) -> Any:
        if moment == "write_json" and args[0].name == "begun.json":
            return real(*args, **more)
        if moment != "write_json":  # the receipt is what a kill leaves unwritten
            real(*args, **more)
        raise Killed

    monkeypatch.setattr(refreshing, moment, killed)
    with pytest.raises(Killed):
        refresh(place)
    monkeypatch.undo()
    # What comes in after the beginning waits for the next one.
    with closing(Log.open(f"sqlite:///{place.parent}/live.db")) as log:
        log.append(new_events(clean_of(place), 5, first=10))
    receipt = refresh(place)
    assert receipt is not None and receipt["number"] == 1 and receipt["decision"] == "promoted"
    assert receipt["champion"]["number"] == 0 and standing_number(place) == 1
    assert receipt["challenger"]["log_until"] == 400
    again = refresh(place)
    assert again is not None and again["champion"]["number"] == 1 and again["challenger"]["log_until"] == 800


def test_only_one_at_a_time_and_old_runs_are_swept(place: Path) -> None:
    for number in (1, 2, 3):
        (place_of(place, number) / "run").mkdir(parents=True)
        (place_of(place, number) / "begun.json").write_text(json.dumps({"champion": number - 1}))
        (place_of(place, number) / "receipt.json").write_text("{}")
    set_standing(place, 3)
    refreshing._sweep(place, kept=1)
    assert [(place_of(place, n) / "run").is_dir() for n in (1, 2, 3)] == [False, True, True]
    assert (place_of(place, 1) / "receipt.json").exists()


@pytest.mark.slow
def test_the_command_says_what_was_judged(place: Path) -> None:
    runner = CliRunner()
    told = runner.invoke(app, ["refresh", str(place)])
    assert told.exit_code == 0, told.output
    assert "promoted: refresh 1 answers" in told.output and "recommend: ndcg@10" in told.output
    assert "back: the run itself answers" in runner.invoke(app, ["refresh", str(place), "--back"]).output


@pytest.fixture(scope="module")
def draws() -> Iterator[np.ndarray[Any, Any]]:
    yield stream(0, "cases").random(300)


@pytest.mark.parametrize(
    ("gain", "worst", "passes"), [(0.1, 0.0, True), (-0.1, -0.05, False), (0.0, 0.0, True)]
)
def test_the_rule_is_of_the_paired_difference(
    draws: np.ndarray[Any, Any], gain: float, worst: float, passes: bool
) -> None:
    old = score_mean("retailor", "ndcg@10", draws)
    found = compared("x", score_mean("retailor", "ndcg@10", draws + gain), old, RefreshSettings())
    assert found.decides and found.passes(worst) is passes
    assert found.difference == pytest.approx(gain)
    less = compared(
        "x",
        score_mean("retailor", "loss", draws + gain),
        score_mean("retailor", "loss", draws),
        RefreshSettings(),
    )
    assert less.difference == pytest.approx(-gain), "of a loss, less is better"


def test_other_or_few_cases_decide_nothing(draws: np.ndarray[Any, Any]) -> None:
    a, b = score_mean("retailor", "map", draws), score_mean("retailor", "map", draws[:200])
    assert not compared("x", a, b, RefreshSettings()).decides
    few = compared("x", b, b, RefreshSettings(least_cases=201))
    assert not few.decides and "fewer than 201" in few.reason
    none = replace(b, draws=np.full(1000, np.nan))
    assert "no figure" in compared("x", none, none, RefreshSettings()).reason


def test_what_is_new_to_a_shop(made: Path) -> None:
    shop = clean_of(made / "run")
    train, test = split_by_time(shop, since=shop.events["time"].sort()[-30])  # type: ignore[arg-type]
    assert len(test.events) >= 30
    assert len(since_fit(shop, train).events) == len(test.events)
    assert not len(since_fit(train, shop).events) and not len(since_fit(shop, shop).items)


def test_no_case_is_of_an_item_that_is_gone_or_was_learned_from(made: Path) -> None:
    shop = clean_of(made / "run")
    gone = shop.events["item_id"][0]
    left = of_items(shop, shop.items["item_id"].filter(shop.items["item_id"] != gone))
    assert set(shop.events["item_id"]) - set(left.events["item_id"]) == {gone}
    assert gone not in set(left.judgments["item_id"]) | set(left.reviews["item_id"])
    train, test = split_by_time(shop, test=0.1)
    more = split_by_time(shop, test=0.4)[1].judgments
    assert unseen(test.judgments, train.judgments).equals(test.judgments)
    assert set(unseen(more, train.judgments)["query"]) == set(test.judgments["query"]) < set(more["query"])


def test_an_instant_needs_a_zone(made: Path) -> None:
    plan = make_plan({"shop": {"size": 30}, "split": {"since": "yesterday"}}, made)
    with pytest.raises(ConfigError, match="no instant"):
        run(plan, made / "other")
