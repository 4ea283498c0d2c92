"""Where an arm ends and a window closes, whose customers count, how surely several arms are told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest

from retailor.live.settings import ExperimentSettings
from retailor.live.shapes import Line
from retailor.live.watch import experiment
from retailor.live.watch.experiment import (
    LEAST_EACH,
    Arm,
    Outcome,
    arm_of,
    exposure,
    half_width,
    mismatch,
    outcome_of,
    sequence,
)
from retailor.seeds import stream

NOW = datetime(2026, 11, 20, tzinfo=UTC)
THREE = ExperimentSettings(name="x", arms={"a": 0.5, "b": 0.25, "c": 0.25})
WEEK = timedelta(days=7)
TICK = timedelta(milliseconds=1)


class Drawn:
    """A hash that is given beforehand; it keeps what was hashed."""

    def __init__(self, number: int) -> None:
        self.number, self.texts = number, list[bytes]()

    def __call__(self, text: bytes, digest_size: int) -> Drawn:
        self.texts.append(text)
        return self

    def digest(self) -> bytes:
        return self.number.to_bytes(8, "little")


@pytest.mark.parametrize(
    ("number", "arm"),
    [
        (0, "a"), (2**63 - 2**11, "a"), (2**63, "b"), (3 * 2**62 - 2**11, "b"), (3 * 2**62, "c"),
        (2**64 - 2**12, "c"), (2**64 - 1, "c"),
    ],
)  # fmt: skip
def test_an_arm_begins_where_the_one_before_ends(
    number: int, arm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last one has what rounding leaves: 2^64 - 1 is 1 as a float."""
    monkeypatch.setattr(experiment.hashlib, "blake2b", Drawn(number))
    assert arm_of(THREE, "u1") == arm


def test_name_and_id_do_not_run_into_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = Drawn(0)
    monkeypatch.setattr(experiment.hashlib, "blake2b", drawn)
    for name, user_id in (("ab", "c"), ("a", "bc")):
        arm_of(ExperimentSettings(name=name), user_id)
    assert len(set(drawn.texts)) == 2


def test_a_customer_is_exposed_once_an_experiment() -> None:
    one, other = (exposure(ExperimentSettings(name=name), "u1", NOW) for name in ("x", "y"))
    assert one.key != other.key and "u1" not in one.key and one.user_id == "u1"
    assert exposure(ExperimentSettings(name="x"), "u1", NOW + WEEK).key == one.key
    assert exposure(ExperimentSettings(name="x"), "u2", NOW).key != one.key


def exposed(user_id: str | None, at: datetime, arm: str, name: str = "x") -> Line:
    return Line(f"x{user_id}{at}{arm}", "exposed", at, user_id, body={"experiment": name, "arm": arm})


def bought(user_id: str, at: datetime, kind: str = "buy") -> Line:
    return Line(f"b{user_id}{at}{kind}", "event", at, user_id, "P1", kind)


def rates(lines: Sequence[Line], now: datetime = NOW) -> dict[str, tuple[int, float]]:
    """Arm to customers whose days are over, and the share that reached the goal."""
    found = outcome_of(lines, THREE, now)
    assert found == outcome_of(lines[::-1], THREE, now), "in whatever order they come"
    return {each.name: (each.n, each.rate) for each in found.arms if each.n}


def test_the_window_opens_with_the_answer_and_closes_before_its_end() -> None:
    at = NOW - 2 * WEEK
    for when, counts in ((-TICK, 0.0), (0 * TICK, 1.0), (WEEK - TICK, 1.0), (WEEK, 0.0)):
        assert rates([exposed("u", at, "a"), bought("u", at + when)]) == {"a": (1, counts)}, when
    assert rates([exposed("u", at, "a"), bought("u", at, "cart")]) == {"a": (1, 0.0)}
    assert rates([exposed("u", at, "a"), bought("v", at)]) == {"a": (1, 0.0)}
    many = [exposed("u", at, "a"), bought("u", at - WEEK), bought("u", at + TICK), bought("u", at + 2 * WEEK)]
    assert rates(many) == {"a": (1, 1.0)}


def test_customers_count_when_their_days_are_over_and_not_before() -> None:
    lines = [exposed("u", NOW - WEEK, "a")]
    assert rates(lines) == {"a": (1, 0.0)} and rates(lines, NOW - TICK) == {}
    assert outcome_of(lines, THREE, NOW - TICK).n_exposed == {"a": 1, "b": 0, "c": 0}


def test_the_first_answer_counts_whoever_comes_again() -> None:
    at = NOW - 3 * WEEK
    lines = [exposed("u", at, "b"), exposed("u", at + WEEK, "a"), bought("u", at + WEEK + TICK)]
    assert rates(lines) == {"b": (1, 0.0)}
    assert outcome_of(lines, THREE, NOW).n_exposed == {"a": 0, "b": 1, "c": 0}


def test_who_is_of_another_experiment_or_of_no_arm_counts_nowhere() -> None:
    at = NOW - 2 * WEEK
    lines = [
        exposed("u", at, "a"),
        exposed("v", at, "a", "y"),
        exposed(None, at, "a"),
        exposed("w", at, "gone"),
    ]
    assert rates(lines) == {"a": (1, 0.0)}
    assert outcome_of(lines, THREE, NOW).n_exposed == {"a": 1, "b": 0, "c": 0}


def drawn(n: int, settings: ExperimentSettings = THREE) -> tuple[list[Line], np.ndarray[Any, Any], list[str]]:
    rng = stream(5, "edges")
    arms = [str(each) for each in rng.choice(["a", "b", "c"], n, p=[0.5, 0.25, 0.25])]
    buys = rng.random(n) < np.where([each == "b" for each in arms], 0.5, 0.2)
    at = NOW - 3 * WEEK
    lines = [exposed(f"u{i}", at + i * TICK, arm) for i, arm in enumerate(arms)]
    lines += [bought(f"u{i}", at + i * TICK) for i in range(n) if buys[i]]
    return lines, buys.astype(float), arms


def test_of_several_arms_each_is_told_from_the_first_by_the_two_alone() -> None:
    """And all intervals together are wrong as seldom as one would be."""
    lines, y, arms = drawn(2_000)
    settings = replace(THREE, planned=700, confidence=0.9)
    found = {each.name: each for each in outcome_of(lines, settings, NOW).arms}
    for name in ("b", "c"):
        both = np.array([each in ("a", name) for each in arms])
        treated = np.array([each == name for each in arms])[both]
        d, half = sequence(y[both], treated, 0.25 / 0.75, alpha=0.05, planned=700)
        one = found[name]
        assert one.lift == pytest.approx(d[-1]) and one.high is not None and one.low is not None
        assert one.high - one.low == pytest.approx(2 * half[-1])
        assert one.low == pytest.approx(d[-1] - half[-1])
    assert found["b"].decides() and found["b"].lift > 0 and not found["c"].decides()  # type: ignore[operator]
    assert found["a"].lift is None


def test_there_is_an_interval_from_the_least_on_in_both_arms() -> None:
    lines, _, arms = drawn(400)
    n_b = arms.count("b")
    for least, is_there in ((n_b, True), (n_b + 1, False)):
        one = outcome_of(lines, replace(THREE, least=least), NOW).arms[1]
        assert one.n == n_b and (one.lift is not None) is is_there
    few = [each for each in lines if each.body.get("arm") != "a" or int(str(each.user_id)[1:]) < 170]
    n_a = sum(each.body.get("arm") == "a" for each in few)
    assert LEAST_EACH < n_a < n_b
    for least, is_there in ((n_a, True), (n_a + 1, False)):
        one = outcome_of(few, replace(THREE, least=least), NOW).arms[1]
        assert one.n == n_b and (one.lift is not None) is is_there, "of the first one, too"


@pytest.mark.parametrize("kind", range(4))
def test_each_arm_must_have_some_with_the_goal_and_some_without(kind: int) -> None:
    counts = [LEAST_EACH + 20] * 4
    for n, is_told in ((LEAST_EACH, True), (LEAST_EACH - 1, False)):
        counts[kind] = n
        y = np.repeat([0.0, 1.0, 0.0, 1.0], counts)
        treated = np.repeat([False, False, True, True], counts)
        assert math.isfinite(sequence(y, treated, 0.5)[1][-1]) is is_told


def test_an_interval_that_touches_zero_decides_nothing() -> None:
    one = Arm("b", 0.5, 100, 0.2, 0.1)
    for low, high, decides in ((0.0, 0.2, False), (0.01, 0.2, True), (-0.2, 0.0, False), (-0.2, -0.01, True)):
        assert replace(one, low=low, high=high).decides() is decides
    assert not one.decides() and not replace(one, low=0.1).decides()


def test_the_width_is_least_where_it_was_planned() -> None:
    """Of all plans, that of so many customers gives the narrowest interval at so many."""
    at = {planned: float(half_width(5_000, planned=planned)) for planned in (500, 5_000, 50_000)}
    assert min(at, key=lambda planned: at[planned]) == 5_000
    assert half_width(5_000, alpha=0.01) > half_width(5_000, alpha=0.05)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1), (0.2, 0.3, 0.5)])
def test_the_evidence_of_a_mismatch_is_the_ratio_of_likelihoods(shares: tuple[float, ...]) -> None:
    """One customer after the other: each time the prior's share of an arm over the planned one."""
    rng, prior = stream(6, "ratio"), [10_000.0 * each for each in shares]
    counts, told = [0] * len(shares), 1.0
    assert mismatch(counts, shares) == pytest.approx(1.0)
    for arm in rng.choice(len(shares), 2_000):
        told *= prior[arm] / sum(prior) / shares[arm]
        prior[arm] += 1
        counts[arm] += 1
    assert mismatch(counts, shares) == pytest.approx(told, rel=1e-6)


def test_a_mismatch_is_told_from_one_in_a_hundred_on_and_never_overflows() -> None:
    def is_told(evidence: float) -> bool:
        return Outcome("x", (), {}, evidence).is_mismatched()

    assert [is_told(each) for each in (1.0, 99.9, 100.0, 1e9)] == [False, False, True, True]
    with np.errstate(over="raise"):
        assert math.isfinite(mismatch([10_000_000, 0], [0.5, 0.5]))
