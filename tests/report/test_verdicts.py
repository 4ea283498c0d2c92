import pytest

from retailor.metrics.scores import Score, Scores
from retailor.report.verdicts import (
    best_baseline,
    is_descriptive,
    lower_is_better,
    main_metric,
    verdict,
)


def scores(
    ours: tuple[float, float], base: tuple[float, float], metric: str = "accuracy", n: int = 900
) -> Scores:
    return Scores(
        (
            Score("weak", metric, base[0] + (9 if metric == "perplexity" else -0.3), 0, 1, n),
            Score("tf-idf", metric, base[0], base[0] - base[1], base[0] + base[1], n),
            Score("retailor", metric, ours[0], ours[0] - ours[1], ours[0] + ours[1], n),
        )
    )


@pytest.mark.parametrize(
    ("ours", "base", "outcome", "said"),
    [
        (
            (0.9, 0.01),
            (0.8, 0.01),
            "better",
            "Beats the best baseline: accuracy 0.900 against 0.800 of tf-idf",
        ),
        ((0.81, 0.02), (0.8, 0.02), "ahead", "not beyond doubt"),
        ((0.8, 0.02), (0.8, 0.02), "level", "The baseline is cheaper"),
        ((0.79, 0.02), (0.8, 0.02), "behind", "Not better than the best baseline"),
        ((0.7, 0.01), (0.8, 0.01), "worse", "Use tf-idf here."),
    ],
)
def test_a_verdict_says_what_the_intervals_say(
    ours: tuple[float, float], base: tuple[float, float], outcome: str, said: str
) -> None:
    found = verdict("sentiment", scores(ours, base))
    assert found.outcome == outcome and said in found.text


def test_lower_is_better_for_perplexity() -> None:
    found = verdict("review", scores((14.0, 1.0), (20.0, 1.0), "perplexity"))
    assert found.outcome == "better" and "14.0 against 20.0 of tf-idf" in found.text


@pytest.mark.parametrize(
    ("metric", "lower", "descriptive"),
    [
        ("aurc", True, False),
        ("ece", True, False),
        ("recall@10", False, False),
        ("gini@10", False, True),
        ("popularity@10", False, True),
    ],
)
def test_every_metric_has_its_direction(metric: str, lower: bool, descriptive: bool) -> None:
    assert lower_is_better(metric) is lower and is_descriptive(metric) is descriptive


def test_few_cases_are_said() -> None:
    assert "With 32 cases" in verdict("x", scores((0.9, 0.01), (0.8, 0.01), n=32)).text
    assert "With" not in verdict("x", scores((0.9, 0.01), (0.8, 0.01))).text


def test_variants_of_ours_and_the_truth_are_no_baselines() -> None:
    rows = Scores(
        tuple(
            Score(row, "rouge_l", value, value, value, 200)
            for row, value in {
                "template": 0.1,
                "retailor before tuning": 0.3,
                "real review": 1.0,
                "retailor": 0.2,
            }.items()
        )
    )
    best = best_baseline(rows, "rouge_l")
    assert best is not None and best.row == "template"
    assert "Before tuning it was 0.3000" in verdict("review", rows).text


def test_the_main_metric_is_the_wanted_the_usual_or_the_first() -> None:
    rows = Scores(tuple(Score("retailor", metric, 1, 1, 1, 1) for metric in ("speed", "mrr", "ndcg@10")))
    assert main_metric(rows) == "ndcg@10" and main_metric(rows, "speed") == "speed"
    assert main_metric(rows, "gone") == "ndcg@10" and main_metric(Scores()) == ""


def test_nothing_to_say_without_cases_or_baselines() -> None:
    assert verdict("x", Scores()).outcome == "unknown"
    alone = Scores((Score("retailor", "mrr", 0.5, 0.4, 0.6, 9),))
    assert "no baseline beside it" in verdict("x", alone).text


@pytest.mark.parametrize(
    ("gap", "outcome", "said"),
    [
        ((0.002, 0.018), "better", "the paired difference is +0.0100, 95\u00a0% interval +0.0020 to +0.0180"),
        ((-0.002, 0.022), "ahead", "not beyond doubt"),
    ],
)
def test_the_paired_difference_decides_where_the_intervals_overlap(
    gap: tuple[float, float], outcome: str, said: str
) -> None:
    rows = scores((0.81, 0.02), (0.80, 0.02))
    paired = Scores((Score("retailor less tf-idf", "accuracy", 0.01, *gap, 900),))
    found = verdict("sentiment", rows, paired=paired)
    assert found.outcome == outcome and said.replace("\u00a0", " ") in found.text.replace("\u00a0", " ")
    assert verdict("sentiment", rows).outcome == "ahead"
