"""A usual day raises no alarm more often than was asked; a day that is other does."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from scipy import stats
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError, DataError
from retailor.live.events.log import Log
from retailor.live.settings import DriftSettings
from retailor.live.shapes import Line
from retailor.live.watch.drift import Day, drift, tolerance
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.store.stages import write_json

START = datetime(2023, 1, 1, tzinfo=UTC)
SETTINGS = DriftSettings()
ITEMS = pl.DataFrame(
    {
        "item_id": [f"P{n}" for n in range(200)],
        "category": [[f"c{n % 8}"] for n in range(200)],
        "price": [1.0 + n % 37 for n in range(200)],
    }
)


def days(n_days: int, first: int, per_day: int = 250, seed: int = 0, **other: object) -> pl.DataFrame:
    """Days whose shares wander about a little, as those of a shop do."""
    rng = stream(seed, f"days {first}")
    weight = 1.0 / np.arange(1, 201) ** 0.5
    minutes = [timedelta(minutes=i) for i in range(per_day)]
    users, ids, kinds = [], [], []
    for day in range(first, first + n_days):
        jitter = weight * rng.gamma(20.0, 1 / 20, 8)[np.arange(200) % 8]
        if other.get("categories"):
            jitter[np.arange(200) % 8 == 0] *= 4
        bought = rng.choice(200, per_day, p=jitter / jitter.sum())
        ids += ["N1" if other.get("unknown") and i < 20 else f"P{n}" for i, n in enumerate(bought)]
        kinds += np.where(rng.random(per_day) < (0.5 if other.get("kinds") else 0.9), "view", "buy").tolist()
        n_new = int(rng.binomial(per_day, 0.5 if other.get("new") else 0.1))
        users += [f"n{day}-{i}" for i in range(n_new)]
        users += [f"u{n}" for n in rng.integers(0, 500, per_day - n_new)]
    times = [START + timedelta(days=first + day) + each for day in range(n_days) for each in minutes]
    made = pl.DataFrame({"user_id": users, "item_id": ids, "kind": kinds, "time": times})
    return made.with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))


@pytest.fixture(scope="module")
def fitted() -> pl.DataFrame:
    return days(90, 0)


def alarms_of(found: list[Day]) -> set[str]:
    return {alarm.figure for day in found for alarm in day.alarms}


def test_over_a_thousand_days_without_drift_there_are_no_more_alarms_than_asked(fitted: pl.DataFrame) -> None:
    found = drift(fitted, days(1_000, 90), ITEMS, SETTINGS)
    assert len(found) == 1_000
    assert sum(bool(each.alarms) for each in found) <= 4.0 / 365 * 1_000


@pytest.mark.parametrize(
    ("other", "figure"),
    [
        ("unknown", "unknown items"),
        ("new", "new customers"),
        ("kinds", "kinds"),
        ("categories", "categories"),
    ],
)
def test_a_day_that_is_other_is_told_and_why(fitted: pl.DataFrame, other: str, figure: str) -> None:
    assert figure in alarms_of(drift(fitted, days(1, 90, **{other: True}), ITEMS, SETTINGS))


def test_other_prices_are_told(fitted: pl.DataFrame) -> None:
    dear = days(1, 90).with_columns(item_id=pl.lit("P36"))
    assert "price" in alarms_of(drift(fitted, dear, ITEMS, SETTINGS))


def test_a_quiet_day_is_no_other_day(fitted: pl.DataFrame) -> None:
    found = drift(fitted, days(200, 90, per_day=110), ITEMS, SETTINGS)
    assert sum(bool(each.alarms) for each in found) <= 3
    assert drift(fitted, days(1, 90, per_day=50, kinds=True), ITEMS, SETTINGS)[0].alarms == ()


def test_a_fit_of_few_days_has_nothing_to_compare_with(fitted: pl.DataFrame) -> None:
    with pytest.raises(DataError, match="10 are needed"):
        drift(days(5, 0), days(1, 90), ITEMS, SETTINGS)
    with pytest.raises(DataError, match="with times"):
        drift(fitted.clear(), days(1, 90), ITEMS, SETTINGS)


@pytest.mark.parametrize(("n", "alpha"), [(20, 0.01), (60, 0.002)])
def test_the_bound_holds_the_share_as_often_as_it_says(n: int, alpha: float) -> None:
    rng, k = stream(1, "tolerance"), tolerance(n, alpha)
    sample = rng.standard_normal((4_000, n))
    outside = stats.norm.sf(sample.mean(axis=1) + k * sample.std(axis=1, ddof=1))
    assert (outside <= alpha).mean() == pytest.approx(0.95, abs=0.015)


def test_the_command_ends_with_a_status_that_a_timer_can_use(tmp_path: Path, fitted: pl.DataFrame) -> None:
    url = f"sqlite:///{tmp_path}/live.db"
    Shop.of(items=ITEMS, events=fitted).save(tmp_path / "stages" / "clean")
    with artifact.writing(tmp_path / "stages" / "report", "report") as new:
        write_json(new / "notes.json", [])
    stages = [
        {
            "name": name,
            "kind": kind,
            "folder": f"stages/{name}",
            "fingerprint": "",
            "seconds": 0,
            "skipped": True,
        }
        for name, kind in (("clean", "shop"), ("report", "report"))
    ]
    write_json(tmp_path / "run.json", {"name": "x", "stages": stages})
    (tmp_path / "plan.toml").write_text(f'[serve]\nevents_url = "{url}"\n')
    usual, other = days(1, 90), days(1, 91, kinds=True, unknown=True)
    for day, status, told in ((usual, 0, "as usual"), (other, 4, "unknown items 0.080")):
        with closing(Log.open(url)) as log:
            log.append(
                [
                    Line(
                        f"{each['time']}",
                        "event",
                        each["time"],
                        each["user_id"],
                        each["item_id"],
                        each["kind"],
                    )
                    for each in day.iter_rows(named=True)
                ]
            )
        found = CliRunner().invoke(app, ["drift", str(tmp_path)])
        assert found.exit_code == status and told in found.output, found.output
    for command in (["drift"], ["forget"], ["export"]):
        who = ["u1"] if command != ["drift"] else []
        lost = CliRunner().invoke(app, [*command, str(tmp_path), *who, "--events", "sqlite:///no/such.db"])
        assert isinstance(lost.exception, ConfigError) and "no/such.db" in str(lost.exception)
