"""Arms are sticky, peeking is safe, and a sample ratio that cannot be is told."""

from __future__ import annotations

import math
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError
from retailor.live.events.log import Log
from retailor.live.settings import ExperimentSettings
from retailor.live.shapes import Line
from retailor.live.watch.experiment import arm_of, exposure, mismatch, outcome_of, sequence
from retailor.seeds import stream
from retailor.serve.app import make_app
from retailor.serve.events.trial import Trial
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.serving import TOY_TASKS, ToyRecommender, toy_run

NOW = datetime(2026, 11, 20, tzinfo=UTC)
SETTINGS = ExperimentSettings(name="x")


def test_arms_are_sticky_drawn_by_the_shares_and_anew_by_another_name() -> None:
    three = ExperimentSettings(name="x", arms={"a": 0.2, "b": 0.5, "c": 0.3})
    users = [f"u{n}" for n in range(20_000)]
    arms = [arm_of(three, each) for each in users]
    # Of this very hash: another one would move every customer at the next release.
    drawn = [arm_of(SETTINGS, each) for each in ("u1", "u2", "u3", "u5", "客")]
    assert drawn == ["control", "control", "control", "treated", "treated"]
    for arm, share in three.arms.items():
        assert arms.count(arm) / len(arms) == pytest.approx(share, abs=0.012)
    other = [arm_of(ExperimentSettings(name="y", arms=three.arms), each) for each in users]
    same = sum(a == b for a, b in zip(arms, other, strict=True)) / len(users)
    assert same == pytest.approx(0.2**2 + 0.5**2 + 0.3**2, abs=0.015)


@pytest.mark.parametrize(("rate", "share"), [(0.5, 0.5), (0.1, 0.5), (0.2, 0.2), (0.02, 0.1), (0.98, 0.1)])
def test_peeking_after_every_customer_is_safe(rate: float, share: float) -> None:
    rng, n, first = stream(0, f"A/A {rate} {share}"), 4_000, 200
    alarms = 0
    for _ in range(10):
        y, treated = rng.random((100, n)) < rate, rng.random((100, n)) < share
        d, half = sequence(y, treated, share, planned=2_000)
        alarms += int((np.abs(d) > half)[:, first:].any(axis=1).sum())
    assert alarms <= 50, "5 % of 1,000"


def test_a_real_lift_is_found_and_the_interval_holds_it() -> None:
    rng, n = stream(1, "lift"), 6_000
    treated = rng.random((200, n)) < 0.5
    y = rng.random((200, n)) < np.where(treated, 0.26, 0.20)
    d, half = sequence(y, treated, 0.5)
    assert ((d - half)[:, -1] > 0).mean() > 0.9
    assert (np.abs(d - 0.06) <= half)[:, 200:].all(axis=1).mean() >= 0.95


def test_where_few_reached_the_goal_there_is_no_interval() -> None:
    y, treated = np.zeros(2_000), np.arange(2_000) % 2 == 0
    y[:19] = 1
    assert np.isinf(sequence(y, treated, 0.5)[1]).all() and np.isinf(sequence(1 - y, treated, 0.5)[1]).all()
    y[:20] = 1
    assert np.isfinite(sequence(np.roll(y, 7), treated, 0.5)[1][-1])


def test_the_width_is_that_of_the_formula() -> None:
    rng = stream(2, "width")
    y, treated = rng.random(500), rng.random(500) < 0.3
    d, half = sequence(y, treated, 0.3, alpha=0.1, planned=400)
    rho2 = (-2 * math.log(0.1) + math.log(-2 * math.log(0.1)) + 1) / 400
    spread = y[treated].var(ddof=1) / 0.3 + y[~treated].var(ddof=1) / 0.7
    told = math.sqrt(
        spread * 2 * (500 * rho2 + 1) / (500**2 * rho2) * math.log(math.sqrt(500 * rho2 + 1) / 0.1)
    )
    assert half[-1] == pytest.approx(told) and d[-1] == pytest.approx(y[treated].mean() - y[~treated].mean())


def test_sample_ratios_that_cannot_be_are_told_and_others_seldom() -> None:
    rng = stream(3, "ratios")
    counts = np.cumsum(rng.random((300, 20_000)) < 0.5, axis=1)[:, 99::100]
    n = np.arange(100, 20_001, 100)
    wrong = sum(
        any(mismatch([a, m - a], [0.5, 0.5]) >= 100 for a, m in zip(row, n, strict=True))
        for row in counts[:100]
    )
    assert wrong <= 3
    assert mismatch([9_000, 10_000], [0.5, 0.5]) >= 100
    assert mismatch([10_000, 10_050], [0.5, 0.5]) < 1
    assert mismatch([1_000, 4_000, 5_000], [0.1, 0.4, 0.5]) < 1


def lines_of(n: int, lift: float) -> list[Line]:
    """n customers, exposed one an hour, some of whom buy a day later and some only after the window."""
    rng, found = stream(4, "customers"), []
    start = NOW - timedelta(days=10) - timedelta(hours=n)
    for i in range(n):
        line = exposure(SETTINGS, f"u{i}", start + timedelta(hours=i))
        found.append(line)
        rate = 0.2 + lift * (line.body["arm"] == "treated")
        after = 1 if rng.random() < rate else 8
        found.append(Line(f"e{i}", "event", line.time + timedelta(days=after), f"u{i}", "P1", "buy"))
        found.append(Line(f"b{i}", "event", line.time - timedelta(hours=1), f"u{i}", "P1", "buy"))
    return found


def test_the_goal_counts_within_its_days_and_only_when_they_are_over() -> None:
    found = outcome_of(lines_of(3_000, 0.1), SETTINGS, NOW)
    control, treated = found.arms
    assert control.n + treated.n == 3_000 == sum(found.n_exposed.values())
    assert control.rate == pytest.approx(0.2, abs=0.03) and treated.rate == pytest.approx(0.3, abs=0.03)
    assert treated.decides() and treated.low is not None and treated.low > 0 and control.lift is None
    assert not found.is_mismatched()
    early = outcome_of(lines_of(3_000, 0.1), SETTINGS, NOW - timedelta(days=10))
    assert early.arms[0].n + early.arms[1].n == 3_000 - 7 * 24 + 1
    assert sum(early.n_exposed.values()) == 3_000
    few = outcome_of(lines_of(150, 0.1), SETTINGS, NOW)
    assert few.arms[1].lift is None


def test_customers_missing_from_an_arm_are_told() -> None:
    lines = [
        each for n, each in enumerate(lines_of(4_000, 0.0)) if each.body.get("arm") != "treated" or n % 4
    ]
    assert outcome_of(lines, SETTINGS, NOW).is_mismatched()


def service_of(place: Path, **changes: object) -> Service:
    trial = ExperimentSettings(name="x", changes={"treated": changes})
    settings = ServeSettings(hosts=("testserver",), events_url=f"sqlite:///{place}/live.db", experiment=trial)
    return Service.load(place / "run", TOY_TASKS, settings)


def test_a_server_answers_by_the_arm_also_after_a_restart_and_notes_who_was_in_it(tmp_path: Path) -> None:
    shop = demo_shop(60)
    toy_run(tmp_path / "run", shop)
    best = ToyRecommender().fit(shop).predict([RecommendQuery(k=1)])[0].items[0].item_id
    for _ in range(2):
        with closing(service_of(tmp_path, exclude=[best])) as service:
            client = TestClient(make_app(service))
            for n in range(12):
                found = client.post("/recommend", json={"user_id": f"new{n}", "k": 60}).json()["items"]
                treated = arm_of(SETTINGS, f"new{n}") == "treated"
                assert (best in [each["item_id"] for each in found]) is not treated
            assert client.post("/recommend", json={"k": 60}).status_code == 200
    with (
        closing(service_of(tmp_path)) as service,
        closing(Log.open(f"sqlite:///{tmp_path}/live.db")) as log,
    ):
        lines = [line for _, line in log.since() if line.what == "exposed"]
        assert sorted(str(each.user_id) for each in lines) == sorted(f"new{n}" for n in range(12)), (
            "each once"
        )
        text = TestClient(make_app(service)).get("/metrics").text
        n_treated = sum(arm_of(SETTINGS, f"new{n}") == "treated" for n in range(12))
        assert f'retailor_experiment_customers{{arm="treated",experiment="x"}} {n_treated}.0' in text
        service.forget("new0")
        assert not log.of(["new0"])


def test_the_command_tells_lift_and_mismatch(tmp_path: Path) -> None:
    plan = f'[serve]\nevents_url = "sqlite:///{tmp_path}/live.db"\n[serve.experiment]\nname = "x"\n'
    (tmp_path / "plan.toml").write_text(plan)
    with closing(Log.open(f"sqlite:///{tmp_path}/live.db")) as log:
        log.append(lines_of(1_000, 0.2))
    told = CliRunner().invoke(app, ["experiment", str(tmp_path)])
    assert told.exit_code == 0 and "(decided)" in told.output and "treated (50%)" in told.output
    arms = ["--set", "serve.experiment.arms.control=0.9", "--set", "serve.experiment.arms.treated=0.1"]
    other = CliRunner().invoke(app, ["experiment", str(tmp_path), *arms])
    assert other.exit_code == 3 and "NOT TO BE TRUSTED" in other.output
    few = CliRunner().invoke(app, ["experiment", str(tmp_path), "--set", "serve.experiment.least=1500"])
    assert "too few customers" in few.output and "(decided)" not in few.output
    away = CliRunner().invoke(app, ["experiment", str(tmp_path), "--events", f"sqlite:///{tmp_path}/no.db"])
    assert isinstance(away.exception, ConfigError) and "no.db" in str(away.exception)
    assert not (tmp_path / "no.db").exists(), "a wrong path is no log that has nothing"
    none = CliRunner().invoke(app, ["experiment", str(tmp_path), "--set", "serve.experiment.name="])
    assert isinstance(none.exception, ConfigError)


@pytest.mark.parametrize("change", [{"nothing": 1}, {"diversity": 3.0}, {"user_id": "u1"}])
def test_a_change_that_cannot_be_is_refused_at_the_start(change: dict[str, object]) -> None:
    with pytest.raises(ConfigError, match=r"experiment\.changes\.treated"):
        Trial(ExperimentSettings(name="x", changes={"treated": change}), TOY_TASKS)


@pytest.mark.parametrize(
    "bad", [{"arms": {"a": 0.5, "b": 0.4}}, {"arms": {"a": 1.0, "b": 0.0}}, {"changes": {"z": {}}}]
)
def test_arms_that_cannot_be(bad: dict[str, object]) -> None:
    with pytest.raises(ConfigError):
        ExperimentSettings(name="x", **bad)  # type: ignore[arg-type]
