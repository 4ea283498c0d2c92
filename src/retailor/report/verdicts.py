"""A verdict a task, in plain words: does our row beat the best cheap baseline, beyond chance?"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from retailor.metrics.scores import OURS, Score, Scores, decimals
from retailor.report.texts import said
from retailor.tasks.reasons import Language

REFERENCES = ("real review",)
"""Rows that show the truth itself: nothing to beat."""
LOWER_IS_BETTER = (
    "perplexity", "loss", "brier", "ece", "error", "calibration", "copy_rate", "fell_back", "aurc",
)  # fmt: skip
DESCRIPTIVE = ("coverage", "novelty", "popularity", "gini")
"""Metrics that say what a list is like: more is neither better nor worse."""
PREFERRED = (
    "ndcg@10", "recall@10", "macro_f1", "accuracy", "map", "mrr", "answer_f1", "token_f1", "rouge_l",
)  # fmt: skip
"""The metric of a verdict: the first of these that the task has."""

LEAST_CASES = 10
"""With fewer, a bootstrap knows too little of the spread to decide anything."""

Outcome = Literal["better", "ahead", "level", "behind", "worse", "unknown"]


@dataclass(frozen=True)
class Verdict:
    """What the figures say about one task, in a word and in a sentence or two."""

    task: str
    outcome: Outcome
    text: str
    metric: str = ""


def lower_is_better(metric: str) -> bool:
    """Whether a smaller figure is the better one."""
    return any(word in metric for word in LOWER_IS_BETTER)


def is_descriptive(metric: str) -> bool:
    """Whether no figure of the metric is the best one."""
    return metric.partition("@")[0] in DESCRIPTIVE


def is_ours(row: str) -> bool:
    """Whether a row is Retailor's own, in any variant."""
    return row == OURS or row.startswith(f"{OURS} ")


def main_metric(scores: Scores, wanted: str = "") -> str:
    """The metric that our own row is judged by: the wanted one, the usual one, or the first there is."""
    ours = list(
        dict.fromkeys(score.metric for score in scores if score.row == OURS and score.bucket == "all")
    )
    found = ours or list(dict.fromkeys(score.metric for score in scores))
    return next((metric for metric in (wanted, *PREFERRED) if metric in found), found[0] if found else "")


def best_baseline(scores: Scores, metric: str) -> Score | None:
    """The best row that is not ours, over all test cases."""
    rows = [
        score
        for score in scores
        if score.metric == metric
        and score.bucket == "all"
        and not is_ours(score.row)
        and score.row not in REFERENCES
        and math.isfinite(score.value)
    ]
    sign = -1 if lower_is_better(metric) else 1
    return max(rows, key=lambda score: sign * score.value, default=None)


def our_score(scores: Scores, metric: str) -> Score | None:
    """Our own figure over all test cases."""
    for score in scores:
        if (score.row, score.metric, score.bucket) == (OURS, metric, "all") and math.isfinite(score.value):
            return score
    return None


def verdict(
    task: str, scores: Scores, wanted: str = "", *, paired: Scores | None = None, language: Language = "en"
) -> Verdict:
    """What the figures of a task say, in a language.

    The paired difference with the best baseline decides where `paired` has it ('retailor less NAME'); else
    the two intervals are compared, which is the more careful reading.
    """
    metric = main_metric(scores, wanted)
    ours, base = our_score(scores, metric), best_baseline(scores, metric)
    if ours is None or not ours.n:
        nothing = said("There was no test case, so nothing can be said.", language)
        return Verdict(task, "unknown", nothing, metric)
    if base is None:
        alone = said("{metric} {ours}; there is no baseline beside it.", language)
        return Verdict(task, "unknown", alone.format(metric=metric, ours=_figure(ours)), metric)
    gap = next((s for s in paired or () if _key(s) == (f"{OURS} less {base.row}", metric, "all")), None)
    outcome = _outcome(ours, base, gap, lower_is_better(metric))
    sentence = said(_SENTENCES[outcome], language).format(
        metric=metric,
        ours=_figure(ours),
        base=_figure(base),
        name=said(base.row, language),
        n=f"{ours.n:,}",
        proof=_proof(gap, ours, base, language),
    )
    return Verdict(
        task, outcome, f"{sentence}{_tuning(scores, metric, language)}{_gap(ours, base, language)}", metric
    )


def _key(score: Score) -> tuple[str, str, str]:
    return score.row, score.metric, score.bucket


def _apart(gap: Score | None, ours: Score, base: Score) -> bool:
    if min(ours.n, base.n) < LEAST_CASES:
        return False
    if gap is not None:
        return gap.low > 0 or gap.high < 0
    return ours.low > base.high or base.low > ours.high


def _proof(gap: Score | None, ours: Score, base: Score, language: Language) -> str:
    """What speaks for it or against it, in words."""
    if gap is not None:
        n = decimals(gap.low, gap.high)
        found = (f"{value:+.{n}f}" for value in (gap.value, gap.low, gap.high))
        return said("the paired difference is {}, 95 % interval {} to {}", language).format(*found)
    apart = _apart(gap, ours, base)
    return said("the 95 % intervals are apart" if apart else "the 95 % intervals overlap", language)


def _outcome(ours: Score, base: Score, gap: Score | None, lower: bool) -> Outcome:
    sign = -1 if lower else 1
    ahead = sign * (ours.value - base.value)
    apart = _apart(gap, ours, base)
    if apart:
        return "better" if ahead > 0 else "worse"
    if ahead == 0:
        return "level"
    return "ahead" if ahead > 0 else "behind"


_SENTENCES: dict[Outcome, str] = {
    "better": "Beats the best baseline: {metric} {ours} against {base} of {name}; {proof} ({n} cases).",
    "ahead": "Ahead of the best baseline, but not beyond doubt: {metric} {ours} against {base} of {name}; "
    "{proof} ({n} cases).",
    "level": "Level with the best baseline: {metric} {ours}, as {name} has ({n} cases). The baseline is "
    "cheaper.",
    "behind": "Not better than the best baseline: {metric} {ours} against {base} of {name}; {proof} "
    "({n} cases).",
    "worse": "Worse than the best baseline: {metric} {ours} against {base} of {name}; {proof} ({n} cases). "
    "Use {name} here.",
}


def _figure(score: Score) -> str:
    return f"{score.value:,.{decimals(score.low, score.high)}f}"


def _tuning(scores: Scores, metric: str, language: Language) -> str:
    """What the row 'before tuning', where there is one, says about the tuning itself."""
    before = next(
        (score for score in scores if score.row == f"{OURS} before tuning" and score.metric == metric), None
    )
    if before is None:
        return ""
    return said(" Before tuning it was {before}.", language).format(before=_figure(before))


def _gap(ours: Score, base: Score, language: Language) -> str:
    few = min(ours.n, base.n)
    if few >= 100:
        return ""
    return said(" With {few} cases, only large differences can show.", language).format(few=few)
