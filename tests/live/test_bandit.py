"""The bandit: beliefs that are the exact posterior, lists that keep the floor, propensities that are true."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy import stats

from retailor.live.bandits.bandit import Learner, features_for
from retailor.live.bandits.beliefs import BASE, Beliefs, features_of, looks
from retailor.live.bandits.mixture import Mixture, floored, kept_gain
from retailor.live.bandits.policies import base, beliefs_of, by_panel, logged
from retailor.live.bandits.policies import given as given_lists
from retailor.live.bandits.shown import KEY, Shown, joined, shown_of
from retailor.live.events.log import Log
from retailor.live.settings import BanditSettings
from retailor.live.shapes import Line
from retailor.seeds import stream

NOW = datetime(2026, 11, 20, tzinfo=UTC)
ITEMS = tuple(f"i{n}" for n in range(12))
SETTINGS = BanditSettings(explore=0.5, held=0.2, draws=16, pool=12)


def traits(item_ids: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[int(each[1:]) % 3 - 1.0, int(each[1:]) % 2] for each in item_ids]).reshape(-1, 2)


def shown(n: int, items: Sequence[str] = ITEMS[:4], **more: Any) -> Shown:
    values: dict[str, Any] = {
        "propensities": (0.5,) * len(items), "pool": ITEMS, "by": "draw", "seen": ("i1", "i2"),
        "user_id": f"u{n % 7}", "time": NOW + timedelta(seconds=n),
    }  # fmt: skip
    return Shown(f"q{n}", "recommend", tuple(items), **(values | more))


def click(n: int, item_id: str, query: int, kind: str = "click", user_id: str = "u1") -> Line:
    body = {"query_id": f"q{query}"}
    return Line(f"e{n}", "event", NOW + timedelta(seconds=n), user_id, item_id, kind, body=body)


def some_lines(n: int, seed: int = 0) -> list[Line]:
    """n answers, half of them with a choice."""
    rng, lines = stream(seed, "lines"), []
    for number in range(n):
        one = shown(number, rng.permutation(ITEMS)[:4].tolist(), by=str(rng.choice(["base", "mean", "draw"])))
        lines.append(one.line())
        if rng.random() < 0.5:
            lines.append(click(number, str(rng.choice(one.items)), number, user_id=str(one.user_id)))
    return lines


def test_a_line_says_all_that_was_shown() -> None:
    for one in (
        shown(1),
        shown(2, propensities=None, arm="treated", first=21),
        shown(3, pool=(), user_id=None),
    ):
        assert shown_of(one.line()) == one


def test_the_posterior_is_that_of_the_whole_linear_model() -> None:
    """Beside the slow way: items as columns of one design matrix."""
    rng, dim, n = stream(0, "posterior"), 5, 300
    features, items = rng.normal(size=(n, dim)), rng.integers(len(ITEMS), size=n)
    look, chosen = rng.choice([1.0, 0.6, 0.4], size=n), rng.random(n) < 0.3
    ids = [ITEMS[row] for row in items]
    made = Beliefs(dim)
    for part in np.array_split(np.arange(n), 7):
        made.add_shown(features[part], [ids[row] for row in part], look[part])
        made.add_chosen(
            features[part][chosen[part]], [ids[row] for row in part if chosen[row]], look[part][chosen[part]]
        )
    panel = made.panel(1_000, 0)
    assert made._spreads is not None
    traits_spread, items_spread = made._spreads
    variance = made.rate * (1 - made.rate)
    spreads = np.array([1.0] * 3 + [traits_spread] * (dim - 3) + [items_spread] * len(ITEMS))
    design = look[:, None] * np.concatenate([features, np.eye(len(ITEMS))[items]], axis=1)
    ridge = variance / (made.rate * spreads) ** 2
    system = design.T @ design + np.diag(ridge)
    right = design.T @ chosen
    right[BASE] += ridge[BASE] * 2 * made.rate
    mean = np.linalg.solve(system, right)
    covariance = variance * np.linalg.inv(system)
    asked = rng.normal(size=(len(ITEMS), dim))
    scores = panel.scores(asked, ITEMS)
    whole = np.concatenate([asked, np.eye(len(ITEMS))], axis=1)
    np.testing.assert_allclose(scores[0], whole @ mean, atol=1e-9)
    deviation = np.sqrt(np.einsum("ij,jk,ik->i", whole, covariance, whole))
    np.testing.assert_allclose(scores[1:].std(axis=0), deviation, rtol=0.12)
    assert np.abs(scores[1:].mean(axis=0) - scores[0]).max() < 5 * deviation.max() / np.sqrt(1_000)


def test_how_much_texts_and_items_tell_is_chosen_by_the_evidence() -> None:
    """Beside the density of what was seen, as one normal distribution."""
    rng, dim, n = stream(1, "evidence"), 5, 120
    features, items = rng.normal(size=(n, dim)), rng.integers(len(ITEMS), size=n)
    look, chosen = rng.choice([1.0, 0.6], size=n), rng.random(n) < 0.3
    ids, made = [ITEMS[row] for row in items], Beliefs(dim)
    made.add_shown(features, ids, look)
    made.add_chosen(features[chosen], [ids[row] for row in np.flatnonzero(chosen)], look[chosen])
    design = look[:, None] * np.concatenate([features, np.eye(len(ITEMS))[items]], axis=1)
    start = np.zeros(dim + len(ITEMS))
    start[BASE] = 2 * made.rate
    told, slow = [], []
    for pair in ((0.25, 1.0), (1.0, 0.25), (2.0, 0.5)):
        spreads = np.array([1.0] * 3 + [pair[0]] * (dim - 3) + [pair[1]] * len(ITEMS))
        covariance = made.rate * (1 - made.rate) * np.eye(n)
        covariance += design @ np.diag((made.rate * spreads) ** 2) @ design.T
        slow.append(stats.multivariate_normal(design @ start, covariance).logpdf(chosen.astype(float)))
        told.append(made._solved(*pair).evidence)
    np.testing.assert_allclose(np.diff(told), np.diff(slow), atol=1e-6)


def test_before_anything_is_known_the_order_is_the_recommenders() -> None:
    made = Beliefs(3 + 4)
    features = features_of(np.zeros((12, 2)), np.zeros(2), np.arange(1.0, 13.0))
    assert np.argsort(-made.panel(4, 0).scores(features, ITEMS)[0]).tolist() == list(range(12))


@given(
    arrays(np.float64, st.tuples(st.integers(2, 9), st.integers(1, 15)), elements=st.floats(-5, 5)),
    st.integers(1, 15),
    st.floats(0, 1),
)
def test_no_list_goes_below_the_floor(scores: NDArray[np.float64], k: int, floor: float) -> None:
    k = min(k, scores.shape[1])
    lists = floored(scores, k, floor)
    assert (kept_gain(lists) >= floor - 1e-9).all()
    assert all(len(set(row)) == k for row in lists.tolist()) and lists.max() < scores.shape[1]
    free = floored(scores, k, 0.0)
    assert (free == np.argsort(-scores, axis=1, kind="stable")[:, :k]).all()
    assert (floored(scores, k, 1.0) == np.arange(k)).all()


@given(
    arrays(np.float64, st.tuples(st.integers(3, 9), st.integers(2, 8)), elements=st.floats(-1, 1)),
    st.floats(0, 1),
    st.floats(0.05, 0.9),
)
def test_propensities_are_the_probabilities_of_what_is_drawn(
    scores: NDArray[np.float64], explore: float, held: float
) -> None:
    n = scores.shape[1]
    made = Mixture.of(scores, n, BanditSettings(explore=explore, held=held, floor=0.3))
    assert made.weights.sum() == pytest.approx(1) and made.weights[0] == held
    exact = np.array([made.weights @ (made.lists == item) for item in range(n)])  # [item, place]
    np.testing.assert_allclose(exact.sum(axis=0), 1)  # something stands at every place
    np.testing.assert_allclose(exact.sum(axis=1), 1)  # all of the pool is shown somewhere
    middles = np.cumsum(made.weights) - made.weights / 2
    for number, places in enumerate(made.lists):
        told = made.propensities(places)
        np.testing.assert_allclose(told, exact[places, np.arange(n)])
        if made.weights[number] > 1e-9:
            assert made.draw(middles[number]) == number and (told > 0).all()


@pytest.fixture
def log(tmp_path: Path) -> Any:
    with closing(Log.open(f"sqlite:///{tmp_path}/live.db")) as made:
        yield made


def same(one: Learner, other: Learner) -> bool:
    if one.panel is None or other.panel is None:
        return one.panel is other.panel
    features = features_of(traits(ITEMS), np.ones(2), np.arange(1.0, 13.0))
    a, b = (each.panel.scores(features, ITEMS)[0] for each in (one, other) if each.panel is not None)
    return bool(np.allclose(a, b)) and one.state == other.state


def learned(log: Log, settings: BanditSettings = SETTINGS) -> Learner:
    made = Learner(log, settings)
    made.learn(traits, "a")
    return made


def test_it_learns_as_lines_come_and_who_starts_again_knows_the_same(log: Log) -> None:
    lines, made = some_lines(200), Learner(log, SETTINGS)
    assert made.learn(traits, "a") and made.panel is None
    for start in range(0, len(lines), 37):
        log.append(lines[start : start + 37])
        assert made.learn(traits, "a")
        assert not made.learn(traits, "a"), "nothing is new"
    assert made.state.n_answers == 200 and made.state.n_chosen == sum(each.what == "event" for each in lines)
    assert same(made, learned(log))
    made.learn(traits, "another fit")
    assert same(made, learned(log))


def test_a_choice_may_come_before_the_line_of_its_answer_and_counts_once(log: Log) -> None:
    early = [click(1, "i1", 0), shown(0).line(), click(2, "i1", 0), click(3, "i9", 0), click(4, "i2", 7)]
    log.append([*early, click(5, "i2", 0, kind="rate")])
    assert learned(log).state.n_chosen == 1


def test_who_was_forgotten_is_not_in_what_is_believed(log: Log) -> None:
    lines = some_lines(300)
    log.append(lines)
    made = learned(log)
    before = made.panel
    log.forget(["u3"])
    assert made.learn(traits, "a") and made.panel is not before
    with closing(Log.open("sqlite://")) as other:
        other.append([each for each in lines if each.user_id != "u3"])
        never = learned(other)
    assert 0 < made.state.n_answers < 300 and same(made, never)
    made.forget()
    assert made.panel is None
    made.learn(traits, "a")
    assert same(made, never)


def test_it_learns_from_the_latest_answers_alone(log: Log) -> None:
    log.append(some_lines(300))
    few = SETTINGS.__class__(explore=0.5, remembered=100)
    assert learned(log, few).state.n_answers == 100


def test_it_stops_where_it_is_worse_than_the_recommender(log: Log) -> None:
    def lines(rate: float, n: int = 4_000) -> Sequence[Line]:
        rng, found = stream(0, "stop"), []
        for number in range(n):
            by = "base" if rng.random() < 0.2 else "draw"
            found.append(shown(number, by=by).line())
            if rng.random() < (0.3 if by == "base" else rate):
                found.append(click(number, "i1", number))
        return found

    log.append(lines(0.15))
    made = learned(log)
    assert (
        made.state.is_stopped and made.panel is None and made.state.high is not None and made.state.high < 0
    )
    with closing(Log.open("sqlite://")) as other:
        other.append(lines(0.3))
        fine = learned(other)
    assert not fine.state.is_stopped and fine.panel is not None
    assert fine.state.low is not None and fine.state.low < 0 < (fine.state.high or 0)


def test_old_answers_leave_the_log_and_nothing_else_does(log: Log) -> None:
    log.append(some_lines(50))
    n_events = sum(line.what == "event" for _, line in log.since())
    assert log.drop_answers(NOW + timedelta(seconds=20)) == 20
    left = [line for _, line in log.since()]
    assert sum(line.what == "shown" for line in left) == 30
    assert sum(line.what == "event" for line in left) == n_events


def test_policies_beside_the_log(log: Log) -> None:
    lines = some_lines(400)
    answers = joined(lines, SETTINGS.goal)
    assert len(answers) == 400 and all(chosen <= set(one.items) for one, chosen in answers)
    own = logged(answers, base, traits)
    places = [[item_id == ITEMS[place] for place, item_id in enumerate(one.items)] for one, _ in answers]
    np.testing.assert_allclose(own.policy, np.array(places, float))
    assert own.chosen.sum() == sum(len(chosen) for _, chosen in answers)
    assert len(set(own.customers)) == 7
    panel = beliefs_of(answers[:200], traits).panel(16, 0)
    found = logged(answers[200:], by_panel(panel, SETTINGS, traits), traits)
    one = answers[200][0]
    mixture = Mixture.of(panel.scores(features_for(one, traits, ITEMS), ITEMS), 4, SETTINGS)
    at = [ITEMS.index(each) for each in one.items]
    np.testing.assert_allclose(found.policy[0], mixture.propensities(np.array(at)))
    file = logged(answers, given_lists({one.query_id: one.items for one, _ in answers}), traits)
    assert file.policy.min() == 1 and np.allclose(file.expected, file.predicted)


def test_an_answer_of_another_task_is_none_of_its(log: Log) -> None:
    log.append([Line(KEY + "s", "shown", NOW, body={**shown(0).line().body, "task": "search"})])
    assert learned(log).state.n_answers == 0 and looks(1, 2)[0] == 1
