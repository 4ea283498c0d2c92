"""The figures of drafted reviews: beside the real ones, beside the baselines, and how much was copied."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.generation import bleu, distinct_n, rouge_l, tokens
from retailor.metrics.interval import bootstrap_means, bounds, score_mean
from retailor.metrics.scores import Score
from retailor.tasks.review.checks import Judge
from retailor.tasks.review.past import Past

MAX_JUDGED = 5000


@dataclass(frozen=True)
class Case:
    """One held-out review: who wrote it, the label of its stars, and its text."""

    user_id: str | None
    label: str
    text: str


def fit_judge(past: Past, *, half: int) -> Judge:
    """Reads the sentiment of a text: TF-IDF of words and characters and a linear model, on training reviews.

    It learns from one half of the reviews (0 or 1): what refuses drafts must not be what scores them. It only
    judges whether a draft sounds like its stars; the row of real reviews shows its own accuracy.
    """
    labels, texts = (some[-2 * MAX_JUDGED :][half::2] for some in (past.labels(), past.texts))
    if len(set(labels)) < 2:
        return lambda some: [labels[0] if labels else "positive"] * len(some)
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    features = make_union(
        TfidfVectorizer(tokenizer=tokens, token_pattern=None, ngram_range=(1, 2), sublinear_tf=True),
        TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 4), sublinear_tf=True, max_features=50_000),
    )
    model = make_pipeline(features, LogisticRegression(C=10, class_weight="balanced", max_iter=500))
    model.fit(texts, labels)
    return lambda some: [str(label) for label in model.predict(list(some))] if some else []


def figures(
    row: str, texts: Sequence[str], cases: Sequence[Case], past: Past, judge: Judge, seconds: float, seed: int
) -> list[Score]:
    """The figures of one system's texts, a text a case."""
    real = [case.text for case in cases]
    values: Mapping[str, NDArray[np.float64]] = {
        "rouge_l": rouge_l(texts, real),
        "bleu": bleu(texts, real),
        **own_figures(texts, cases, past, judge),
    }
    return [score_mean(row, metric, found, seconds=seconds, seed=seed) for metric, found in values.items()]


def own_figures(
    texts: Sequence[str], cases: Sequence[Case], past: Past, judge: Judge
) -> dict[str, NDArray[np.float64]]:
    """The figures that need no reference: they are shown for the real reviews too."""
    agrees = [said == case.label for said, case in zip(judge(texts), cases, strict=True)]
    return {
        "distinct_2": distinct_n(texts, 2),
        "copy_rate": np.array([_copied(text, case, past) for text, case in zip(texts, cases, strict=True)]),
        "agreement": np.array(agrees, dtype=np.float64),
    }


def _copied(text: str, case: Case, past: Past) -> float:
    size = len(tokens(text))
    return past.copies.longest(text, allowed=past.others(case.user_id)).n_tokens / size if size else 0.0


def perplexity_score(row: str, sums: NDArray[np.float64], counts: NDArray[np.float64], *, seed: int) -> Score:
    """Perplexity a token of the held-out reviews, and its interval over reviews."""
    # The same seed draws the same reviews for both means, so their ratio is a bootstrap of the ratio.
    means = bootstrap_means(sums, seed=seed) / np.maximum(bootstrap_means(counts, seed=seed), 1e-9)
    value = float(sums.sum() / counts.sum())
    bounded = [float(np.exp(min(figure, 700.0))) for figure in (value, *bounds(means, around=value))]
    return Score(row, "perplexity", bounded[0], bounded[1], bounded[2], len(sums))
