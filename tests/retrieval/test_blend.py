"""A blend keeps what helps, drops what does not, and does not care about scale."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import DataError
from retailor.metrics.ranking import Ranked, ndcg_at, target_ranks
from retailor.retrieval.blend import ENOUGH, Blend, choose_weights, shrunk, standardise, trust


@given(st.floats(0.01, 100), st.floats(-50, 50))
def test_z_scores_forget_scale_and_offset(scale: float, offset: float) -> None:
    scores = np.random.default_rng(0).standard_normal((3, 40))
    np.testing.assert_allclose(standardise(scores * scale + offset), standardise(scores), atol=1e-3)


def test_z_scores_have_mean_0_and_deviation_1() -> None:
    z = standardise(np.random.default_rng(0).exponential(size=(4, 1000)))
    np.testing.assert_allclose(z.mean(axis=1), 0, atol=1e-5)
    np.testing.assert_allclose(z.std(axis=1), 1, atol=1e-5)


def test_a_scorer_that_knows_nothing_has_no_say() -> None:
    assert not standardise(np.full((2, 7), 0.1)).any()


def test_hidden_items_stay_hidden_and_out_of_the_mean() -> None:
    z = standardise(np.array([[1.0, 3.0, -np.inf]]))
    np.testing.assert_allclose(z, [[-1, 1, -np.inf]])


def test_a_join_is_the_weighted_sum_of_z_scores() -> None:
    a, b = np.random.default_rng(0).standard_normal((2, 3, 9))
    joined = Blend(("a", "b", "c"), (1.0, 0.5, 0.0)).join({"a": a, "b": b})
    np.testing.assert_allclose(joined, standardise(a) + 0.5 * standardise(b), atol=1e-6)
    with pytest.raises(DataError, match="nothing to blend"):
        Blend(("a",), (0.0,)).join({"a": a})
    with pytest.raises(DataError, match="a weight a name"):
        Blend(("a",), ())


def test_weights_are_learned_and_noise_is_dropped() -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 50, 400)
    truth = np.zeros((400, 50))
    truth[np.arange(400), targets] = 2.0
    blocks = {
        "half": truth + rng.standard_normal(truth.shape),
        "other half": 100 * (truth + rng.standard_normal(truth.shape)),
        "constant": np.ones_like(truth),
    }

    def measure(scores: np.ndarray) -> float:
        return float(ndcg_at(Ranked.single(target_ranks(scores, targets)), 10).mean())

    blend, log = choose_weights(blocks, measure)
    assert set(blend.used()) == {"half", "other half"}
    assert "constant" in log["dropped"]
    assert log["value"] > max(log["alone"].values()) + 0.05
    assert log["value"] == pytest.approx(measure(blend.join(blocks)))
    strict, log = choose_weights(blocks, measure, least_gain=0.9)
    assert len(strict.used()) == 1


WEIGHTS = st.lists(st.floats(0, 10), min_size=3, max_size=3)
NAMES = ("a", "b", "c")


@given(WEIGHTS, WEIGHTS, st.integers(0, 2 * ENOUGH))
def test_few_cases_leave_the_default_and_enough_leave_what_was_learned(
    learned: list[float], default: list[float], n: int
) -> None:
    blend, prior = Blend(NAMES, tuple(learned)), dict(zip(NAMES, default, strict=True))
    assert shrunk(blend, prior, ENOUGH) is blend and shrunk(blend, prior, 10 * ENOUGH) is blend
    if not sum(learned) or not sum(default):
        return
    ends = [np.array(one) / sum(one) for one in (default, learned)]
    np.testing.assert_allclose(shrunk(blend, prior, 0).weights, ends[0])
    some = np.array(shrunk(blend, prior, n).weights)
    some = some / some.sum()
    np.testing.assert_allclose(some, ends[0] + trust(n) * (ends[1] - ends[0]), atol=1e-9)
    assert trust(n) <= trust(n + 1) <= 1


def test_without_a_default_for_any_name_all_weigh_alike() -> None:
    assert shrunk(Blend(("a", "b"), (1.0, 0.0)), {}, 0).weights == (0.5, 0.5)
