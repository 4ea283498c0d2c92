"""`retailor evaluate-policy` on a run with a log of what was shown."""

from __future__ import annotations

import json
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from retailor.cli import app, policy
from retailor.live.bandits.mixture import Mixture
from retailor.live.bandits.shown import Shown
from retailor.live.events.log import Log
from retailor.live.settings import BanditSettings
from retailor.live.shapes import Line
from retailor.seeds import stream
from tests.live.test_bandit import ITEMS, NOW, click, traits

PLAN = 'name = "x"\n[shop]\nevents_url = "{url}"\n'


def lines(n: int, *, known: bool = True) -> list[Line]:
    """Answers of a bandit that draws among many orders; the first three items are liked."""
    rng, found = stream(0, "policy"), list[Line]()
    mixture = Mixture.of(
        np.concatenate([np.zeros((1, 6)), rng.normal(size=(40, 6))]), 3,
        BanditSettings(explore=1.0, held=0.3, floor=0.0),
    )  # fmt: skip
    for number in range(n):
        places = mixture.lists[mixture.draw(rng.random())]
        told = tuple(map(float, mixture.propensities(places))) if known else None
        one = Shown(
            f"q{number}", "recommend", tuple(ITEMS[p] for p in places), told, NOW, f"u{number % 400}",
            pool=ITEMS[:6], by="draw",
        )  # fmt: skip
        found.append(one.line())
        for place in places:
            if rng.random() < (0.5 if place < 3 else 0.05):
                found.append(click(len(found), ITEMS[place], number))
    return found


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    url = f"sqlite:///{tmp_path}/live.db"
    (tmp_path / "plan.toml").write_text(PLAN.format(url=url))
    monkeypatch.setattr(policy, "_traits", lambda folder: traits)
    monkeypatch.setattr(policy, "kept", lambda folder, events: policy_kept(url))
    return tmp_path


def policy_kept(url: str) -> Any:
    from retailor.cli.living import Kept

    return Kept(Path(), Log.open(url))


def asked(run: Path, *arguments: str) -> Any:
    return CliRunner().invoke(app, ["evaluate-policy", str(run), *arguments])


def fill(run: Path, made: list[Line]) -> None:
    with closing(Log.open(f"sqlite:///{run}/live.db")) as log:
        log.append(made)


def test_it_tells_what_the_recommenders_own_order_is_worth(run: Path) -> None:
    fill(run, lines(2_000))
    found = json.loads(asked(run, "base", "--json").output)
    for name in ("ips", "snips", "dr"):
        assert found[name]["low"] <= 1.5 <= found[name]["high"], name
        assert found[name]["low"] > found["shown"]["value"]
    assert found["gain"]["low"] > 0 and found["n_answers"] == 2_000 and found["n_customers"] == 400
    told = asked(run, "base").output
    assert "doubly robust" in told and "(better)" in told


def test_a_bandit_is_judged_by_answers_that_it_did_not_learn_from(run: Path) -> None:
    fill(run, lines(3_000))
    settings = ["--set", "serve.bandit.explore=0.0", "--set", "serve.bandit.held=0.01"]
    found = json.loads(
        asked(run, "bandit", "--json", *settings, "--set", 'serve.impressions.tasks=["recommend"]').output
    )
    assert found["n_answers"] == 1_500 and found["gain"]["low"] > 0


def test_lists_of_a_file(run: Path, tmp_path: Path) -> None:
    made = lines(1_500)
    fill(run, made)
    path = tmp_path / "lists.jsonl"
    rows = [
        {"query_id": each.key.removeprefix("shown-"), "items": list(ITEMS[:3])}
        for each in made
        if each.what == "shown"
    ]
    path.write_text("\n".join(json.dumps(row) for row in rows))
    same, base = (json.loads(asked(run, each, "--json").output) for each in (str(path), "base"))
    assert same["dr"] == pytest.approx(base["dr"])
    path.write_text(json.dumps(rows[0]))
    assert "none for an answer of the log" in str(asked(run, str(path)).exception)
    path.write_text("{}")
    assert "a line must be" in str(asked(run, str(path)).exception)
    assert "there is no such file" in str(asked(run, "best").exception)


def test_it_refuses_where_the_log_cannot_tell(run: Path) -> None:
    assert "no answers" in str(asked(run, "base").exception)
    unknown = lines(300, known=False)
    fill(run, unknown)
    assert "no known propensity" in str(asked(run, "base").exception)


def test_the_recommender_alone_shows_one_order_and_so_only_that_is_valued(run: Path, tmp_path: Path) -> None:
    alone = [
        replace(each, body={**each.body, "items": list(ITEMS[:3]), "propensities": [1.0] * 3, "by": "task"})
        if each.what == "shown"
        else each
        for each in lines(600)
    ]
    fill(run, alone)
    assert asked(run, "base").exit_code == 0
    path = tmp_path / "lists.jsonl"
    other = [
        {"query_id": each.key.removeprefix("shown-"), "items": list(ITEMS[1:4])}
        for each in alone
        if each.what == "shown"
    ]
    path.write_text("\n".join(json.dumps(row) for row in other))
    assert "are worth 0 of this policy's own" in str(asked(run, str(path)).exception)
