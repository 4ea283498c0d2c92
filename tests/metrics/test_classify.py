"""Every metric against scikit-learn, and against answers one can count by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sk

from retailor.metrics import classify as ours

CASES = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40)


def a_draw(n: int = 300, n_classes: int = 3, seed: int = 0):
    rng = np.random.default_rng(seed)
    rows = rng.dirichlet(np.ones(n_classes), n)
    return rng.integers(0, n_classes, n), rows


@settings(deadline=None, max_examples=60)
@given(CASES)
def test_labels_metrics_agree_with_sklearn(cases: list[tuple[int, int]]) -> None:
    true, predicted = np.array(cases).T
    assert ours.accuracy(true, predicted) == pytest.approx(sk.accuracy_score(true, predicted))
    assert ours.macro_f1(true, predicted, 3) == pytest.approx(
        sk.f1_score(true, predicted, labels=np.unique(true), average="macro", zero_division=0)
    )
    recalls = sk.recall_score(true, predicted, labels=np.unique(true), average=None, zero_division=0)
    assert ours.balanced_accuracy(true, predicted, 3) == pytest.approx(recalls.mean())
    assert (
        ours.confusion(true, predicted, 3) == sk.confusion_matrix(true, predicted, labels=[0, 1, 2])
    ).all()


def test_every_row_of_a_table_is_averaged_over_the_same_classes() -> None:
    """The classes of the cases: one that never occurs counts for nobody, whoever predicts it."""
    true = [0, 0, 0, 1, 1, 1]
    careful, wild = [0, 0, 1, 1, 1, 1], [0, 0, 2, 1, 1, 1]
    assert ours.macro_f1(true, careful, 3) == pytest.approx((4 / 5 + 6 / 7) / 2)
    assert ours.macro_f1(true, wild, 3) == pytest.approx((4 / 5 + 1) / 2)
    assert ours.macro_f1(true, [0] * 6, 3) == pytest.approx(1 / 3)
    for predicted in (careful, wild):
        rows = np.eye(3)[predicted]
        assert ours.score_classes("x", true, rows).value("x", "macro_f1") == pytest.approx(
            ours.macro_f1(true, predicted, 3)
        )


def test_class_f1_agrees_with_sklearn_and_is_nan_for_a_class_that_never_occurs() -> None:
    true, predicted = [0, 0, 1, 1, 1], [0, 1, 1, 1, 0]
    found = ours.class_f1(true, predicted, 3)
    assert found[:2] == pytest.approx(sk.f1_score(true, predicted, average=None))
    assert np.isnan(found[2])


def test_probability_metrics_agree_with_sklearn() -> None:
    true, rows = a_draw()
    assert ours.log_loss_cases(true, rows).mean() == pytest.approx(sk.log_loss(true, rows))
    assert ours.brier_cases(true, rows).mean() == pytest.approx(
        sk.brier_score_loss(true, rows, labels=[0, 1, 2], scale_by_half=False)
    )


def test_ece_against_a_slow_reference() -> None:
    true, rows = a_draw(500)
    confidence, hit = rows.max(axis=1), rows.argmax(axis=1) == true
    slow = 0.0
    for i in range(15):
        inside = (confidence > i / 15) & (confidence <= (i + 1) / 15)
        if inside.any():
            slow += inside.mean() * abs(hit[inside].mean() - confidence[inside].mean())
    assert ours.ece(true, rows) == pytest.approx(slow)


def test_ece_by_hand() -> None:
    sure = np.tile([0.9, 0.1], (10, 1))
    assert ours.ece([0] * 9 + [1], sure) == pytest.approx(0.0)
    assert ours.ece([1] * 10, sure) == pytest.approx(0.9)


def test_score_classes_holds_each_value_in_its_interval() -> None:
    true, rows = a_draw(80)
    scores = ours.score_classes("mine", true, rows, bucket="language en")
    metrics = [score.metric for score in scores]
    assert metrics == ["accuracy", "macro_f1", "balanced_accuracy", "ece", "brier", "log_loss"]
    for score in scores:
        assert score.low <= score.value <= score.high and score.low < score.high
        assert (score.row, score.n, score.bucket) == ("mine", 80, "language en")


def test_no_cases_is_nan_not_an_error() -> None:
    for score in ours.score_classes("mine", [], np.zeros((0, 3))):
        assert np.isnan(score.value) and score.n == 0


def test_the_interval_of_macro_f1_covers_the_truth_about_as_often_as_it_says() -> None:
    hits = 0
    for seed in range(40):
        rng = np.random.default_rng(seed)
        true = rng.integers(0, 2, 200)
        predicted = np.where(rng.random(200) < 0.8, true, 1 - true)
        score = ours.score_macro_f1("mine", true, predicted, 2)
        hits += score.low <= 0.8 <= score.high
    assert hits >= 34


def test_paired_macro_f1_is_tighter_than_two_single_intervals() -> None:
    rng = np.random.default_rng(0)
    true = rng.integers(0, 3, 400)
    worse = np.where(rng.random(400) < 0.6, true, 0)
    better = np.where(rng.random(400) < 0.3, true, worse)
    value, low, high = ours.paired_macro_f1(true, better, worse, 3)
    assert 0 < low <= value <= high
    assert value == pytest.approx(ours.macro_f1(true, better, 3) - ours.macro_f1(true, worse, 3))
    single = ours.score_macro_f1("better", true, better, 3)
    assert high - low < single.high - single.low
    assert ours.paired_macro_f1(true, worse, worse, 3) == (0.0, 0.0, 0.0)
    assert ours.paired_macro_f1(true, better, worse, 3, seed=0) == (value, low, high)
    assert ours.paired_macro_f1(true, better, worse, 3, seed=1) != (value, low, high)
