"""How well evidence is ranked, answers worded and ignorance admitted, beside BM25 and the bare encoder.

Where several passages are tied for the best, every figure is the mean over them: the order in which a list
came can help no system.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.generation import rouge_l, token_f1
from retailor.metrics.interval import score_mean
from retailor.metrics.ranking import (
    Ranked,
    average_precision_at,
    graded_ranks,
    hit_at,
    ndcg_at,
    reciprocal_rank,
)
from retailor.metrics.scores import Scores
from retailor.models.shapes import Encoder
from retailor.tasks.answer import wording
from retailor.tasks.answer.evidence.features import features
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.ranking.cases import Case, answerable, vectors_of
from retailor.tasks.answer.ranking.ranker import Ranker
from retailor.tasks.answer.shapes import Evidence

Figure = tuple[str, str, list[float]]
"""A metric, the system's row, and a value a case."""
Trial = tuple[NDArray[np.float64], NDArray[np.float32]]
"""The scores of three systems [3, n] for a page, and which passages answer [n]."""
Vectors = Callable[[str, str], NDArray[np.float32]]

ROWS = ("bm25", "encoder", "retailor")


@dataclass(frozen=True)
class Scored:
    """A case's passages with three systems' scores [3, n], in the order of ROWS.

    `relevant` [m] is of the first m: whether the earlier answers after them are relevant, nobody has said.
    """

    case: Case
    texts: tuple[str, ...]
    sources: tuple[str, ...]
    relevant: NDArray[np.float32]
    scores: NDArray[np.float64]


@dataclass(frozen=True)
class Judged:
    """The figures, and what answering more costs."""

    scores: Scores
    risks: tuple[tuple[float, float], ...]
    """(percent of the questions answered, the surest first; share of these answers that are wrong)."""
    answered: float
    """Percent of the questions that are answered at the bound."""
    wrong: float
    """Share of wrong answers among them."""

    def to_dict(self) -> dict[str, Any]:
        """What a log keeps beside the figures."""
        told = {"answered_percent": self.answered, "wrong": self.wrong}
        return {**told, "risks": [list(point) for point in self.risks]}


def judge_cases(
    cases: Sequence[Case],
    index: PassageIndex,
    encoder: Encoder,
    ranker: Ranker,
    *,
    caution: float,
    bucket: str,
) -> Judged:
    """All figures of the cases, and the curve of risk over coverage; what no case allows is left out."""
    started = time.perf_counter()
    vector = vectors_of(cases, encoder)
    ranked = [_rank(case, index, vector("query", case.question), vector, ranker) for case in cases]
    seconds = time.perf_counter() - started
    found = [*_ranking(ranked), *_wording(ranked, ranker, caution), *_ignorance(ranked, ranker, caution)]
    scores = Scores(
        tuple(
            score_mean(row, metric, values, bucket=bucket, seconds=seconds)
            for metric, row, values in found
            if len(values)
        )
    )
    return Judged(scores, *_coverage(_trials(ranked), ranker, caution))


def case_values(
    cases: Sequence[Case], index: PassageIndex, encoder: Encoder, ranker: Ranker, *, caution: float
) -> dict[str, dict[str, NDArray[np.float64]]]:
    """Metric to row to a value a case, of how evidence is ranked and answers are worded."""
    vector = vectors_of(cases, encoder)
    ranked = [_rank(case, index, vector("query", case.question), vector, ranker) for case in cases]
    found: dict[str, dict[str, NDArray[np.float64]]] = {}
    for metric, row, values in (*_ranking(ranked), *_wording(ranked, ranker, caution)):
        found.setdefault(metric, {})[row] = np.array(values, np.float64)
    return found


def _coverage(
    trials: Sequence[Trial], ranker: Ranker, caution: float
) -> tuple[tuple[tuple[float, float], ...], float, float]:
    """The curve of our system, and the point on it at which it stops answering."""
    best = np.array([float(scores[2].max()) for scores, _ in trials])
    right = np.array([float((relevant[_best(scores[2])] > 0).mean()) for scores, relevant in trials])
    if not len(best):
        return (), 0.0, 0.0
    curve = risks(best, right)
    share = 100 * np.arange(1, len(curve) + 1) / len(curve)
    n = int(sum(ranker.confidence(value) >= caution for value in best))
    points = tuple((round(float(x), 2), round(float(y), 4)) for x, y in zip(share, curve, strict=True))
    return points, round(100 * n / len(best), 2), points[n - 1][1] if n else 0.0


def _rank(
    case: Case, index: PassageIndex, asked: NDArray[np.float32], vector: Vectors, ranker: Ranker
) -> Scored:
    """The evidence of the case first, then the rest of the item's page, then its earlier answers."""
    rows = np.array([*case.page, *case.earlier], dtype=np.int64)
    told = np.array([vector("passage", text) for text in case.texts], dtype=np.float32).reshape(
        -1, len(asked)
    )
    texts = (*case.texts, *(index.matches[row] for row in rows))
    sources = (*case.sources, *(index.sources[row] for row in rows))
    cosines = np.concatenate([told, index.vectors[rows]]) @ asked
    topic = index.topic(case.item_id)
    found = features(case.question, topic, texts, sources, cosines, index.lexical, index.chance(asked))
    scores = np.stack([index.lexical.weigh(case.question, texts), cosines, ranker.logits(found)])
    relevant = np.array([*case.relevant, *(0.0 for _ in case.page)], dtype=np.float32)
    shown = (*case.texts, *(index.texts[row] for row in rows))
    return Scored(case, shown, sources, relevant, scores)


def _ranking(ranked: Sequence[Scored]) -> list[Figure]:
    """Over the labelled list where it has both kinds of evidence, else over the list and the item's page."""
    ranks: dict[str, list[tuple[NDArray[np.int64], NDArray[np.float64]]]] = {row: [] for row in ROWS}
    for each in ranked:
        n = len(each.case.texts)
        labelled = each.relevant[:n]
        n = n if labelled.any() and not labelled.all() else len(each.relevant)
        relevant = each.relevant[:n]
        if not relevant.any() or relevant.all():
            continue
        for row, scores in zip(ROWS, each.scores, strict=True):
            ranks[row].append(graded_ranks(scores[:n], relevant))
    return [
        (metric, row, values.tolist())
        for row, cases in ranks.items()
        for metric, values in measures(Ranked.cases(cases)).items()
    ]


def measures(ranked: Ranked) -> dict[str, NDArray[np.float64]]:
    """map, mrr, hit@1 and ndcg@5 of each case [n]."""
    return {
        "map": average_precision_at(ranked),
        "mrr": reciprocal_rank(ranked),
        "hit@1": hit_at(ranked, 1),
        "ndcg@5": ndcg_at(ranked, 5),
    }


def _wording(ranked: Sequence[Scored], ranker: Ranker, caution: float) -> list[Figure]:
    """Overlap of what is said with what a person answered; the baselines quote their best passage.

    Where there is no passage at all, the baselines say nothing.
    """
    answered = [each for each in ranked if each.case.answer and answerable(each.case)]
    said = {
        name: [(_quotes(each, row), each.case.answer or "") for each in answered]
        for row, name in enumerate(ROWS[:2])
    }
    said["retailor"] = [(_sayings(each, ranker, caution), each.case.answer or "") for each in answered]
    return [
        (metric, row, [float(scorer(any_of, [told] * len(any_of)).mean()) for any_of, told in pairs])
        for metric, scorer in {"rouge_l": rouge_l, "token_f1": token_f1}.items()
        for row, pairs in said.items()
    ]


def _best(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The places of the highest score."""
    return np.flatnonzero(scores == scores.max())


def _quotes(each: Scored, row: int) -> list[str]:
    return [each.texts[top] for top in _best(each.scores[row])] if each.texts else [""]


def _sayings(each: Scored, ranker: Ranker, caution: float) -> list[str]:
    logits = each.scores[2]
    if not len(logits) or ranker.confidence(float(logits.max())) < caution:
        return [wording.unknown_text(each.case.question, item=True)]
    return [
        wording.compose(
            each.case.question,
            Evidence(each.texts[top], each.sources[top], each.case.item_id or "", float(logits[top])),
        )
        for top in _best(logits)
    ]


def _ignorance(ranked: Sequence[Scored], ranker: Ranker, caution: float) -> list[Figure]:
    """Whether it answers just what can be answered, and the errors when the surest are answered first.

    `known_accuracy` is over questions with and without an answer; where all have one, each is asked a second
    time without its evidence. `aurc`, the area under the risk–coverage curve, is over the same trials.
    """
    trials = _trials(ranked)
    figures: list[Figure] = []
    for row, name in enumerate(ROWS):
        best = [float(scores[row].max()) for scores, _ in trials]
        right = [float((relevant[_best(scores[row])] > 0).mean()) for scores, relevant in trials]
        known = [name != "retailor" or ranker.confidence(value) >= caution for value in best]
        told = [bool(relevant.any()) for _, relevant in trials]
        figures.append(("known_accuracy", name, [float(a == b) for a, b in zip(known, told, strict=True)]))
        figures.append(("aurc", name, risks(np.array(best), np.array(right)).tolist()))
    return figures


def _trials(ranked: Sequence[Scored]) -> list[Trial]:
    """Questions with and without an answer; where all have one, each a second time without its evidence."""
    trials = [
        (each.scores[:, : len(each.relevant)], each.relevant)
        for each in ranked
        if len(each.relevant) and (each.case.labelled or not answerable(each.case))
    ]
    if trials and all(relevant.any() for _, relevant in trials):
        trials += [(s[:, r <= 0], r[r <= 0]) for s, r in trials if (r <= 0).any()]
    return trials


def risks(confidence: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors among the i surest, as a share [n]; their mean is the AURC (Geifman & El-Yaniv 2017).

    `right` is 1, 0, or between them the chance of being right. Equally sure ones come in any order.
    """
    _, group, counts = np.unique(-confidence, return_inverse=True, return_counts=True)
    wrong = np.bincount(group, 1 - right) / counts
    return np.asarray(np.cumsum(np.repeat(wrong, counts)) / np.arange(1, len(group) + 1))
