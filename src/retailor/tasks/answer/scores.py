"""How well evidence is ranked, answers worded and ignorance admitted, beside BM25 and the bare encoder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.generation import rouge_l, token_f1
from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Scores
from retailor.models.shapes import Encoder
from retailor.tasks.answer import wording
from retailor.tasks.answer.cases import Case, answerable, vectors_of
from retailor.tasks.answer.features import features
from retailor.tasks.answer.index import PassageIndex
from retailor.tasks.answer.ranker import Ranker
from retailor.tasks.shapes import Evidence

Figure = tuple[str, str, list[float]]
"""A metric, the system's row, and a value a case."""
Vectors = Callable[[str, str], NDArray[np.float32]]

ROWS = ("bm25", "encoder", "retailor")


@dataclass(frozen=True)
class Ranked:
    """A case's passages with three systems' scores [3, n], in the order of ROWS.

    `relevant` [m] is of the first m: whether the earlier answers after them are relevant, nobody has said.
    """

    case: Case
    texts: tuple[str, ...]
    sources: tuple[str, ...]
    relevant: NDArray[np.float32]
    scores: NDArray[np.float64]


def evaluate_cases(
    cases: Sequence[Case],
    index: PassageIndex,
    encoder: Encoder,
    ranker: Ranker,
    *,
    caution: float,
    bucket: str,
) -> Scores:
    """All figures of the cases. A metric that no case allows is left out."""
    started = time.perf_counter()
    vector = vectors_of(cases, encoder)
    ranked = [_rank(case, index, vector("query", case.question), vector, ranker) for case in cases]
    seconds = time.perf_counter() - started
    found = [*_ranking(ranked), *_wording(ranked, ranker, caution), *_ignorance(ranked, ranker, caution)]
    return Scores(
        tuple(
            score_mean(row, metric, values, bucket=bucket, seconds=seconds)
            for metric, row, values in found
            if len(values)
        )
    )


def _rank(
    case: Case, index: PassageIndex, asked: NDArray[np.float32], vector: Vectors, ranker: Ranker
) -> Ranked:
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
    return Ranked(case, shown, sources, relevant, scores)


def _ranking(ranked: Sequence[Ranked]) -> list[Figure]:
    """Over the labelled list where it has both kinds of evidence, else over the list and the item's page."""
    figures: dict[tuple[str, str], list[float]] = {}
    for each in ranked:
        n = len(each.case.texts)
        labelled = each.relevant[:n]
        n = n if labelled.any() and not labelled.all() else len(each.relevant)
        relevant = each.relevant[:n]
        if not relevant.any() or relevant.all():
            continue
        for row, scores in zip(ROWS, each.scores, strict=True):
            for metric, value in measure(scores[:n], relevant).items():
                figures.setdefault((metric, row), []).append(value)
    return [(metric, row, values) for (metric, row), values in figures.items()]


def measure(scores: NDArray[np.float64], relevant: NDArray[np.float32]) -> dict[str, float]:
    """map, mrr, hit@1 and ndcg@5 of one list with at least one relevant passage; ties in the list's order."""
    hits = relevant[np.argsort(-scores, kind="stable")] > 0
    ranks = np.flatnonzero(hits) + 1
    discount = 1 / np.log2(np.arange(2, 7))
    gained = float(hits[:5] @ discount[: len(hits[:5])])
    return {
        "map": float(np.mean(np.arange(1, len(ranks) + 1) / ranks)),
        "mrr": float(1 / ranks[0]),
        "hit@1": float(hits[0]),
        "ndcg@5": gained / float(discount[: min(5, len(ranks))].sum()),
    }


def _wording(ranked: Sequence[Ranked], ranker: Ranker, caution: float) -> list[Figure]:
    """Overlap of what is said with what a person answered; the baselines quote their best passage.

    Where there is no passage at all, the baselines say nothing.
    """
    answered = [each for each in ranked if each.case.answer and answerable(each.case)]
    references = [each.case.answer or "" for each in answered]
    said = {name: [_quote(each, row) for each in answered] for row, name in enumerate(ROWS[:2])}
    said["retailor"] = [_say(each, ranker, caution) for each in answered]
    scorers = {"rouge_l": rouge_l, "token_f1": token_f1}
    return [
        (metric, row, scorer(texts, references).tolist())
        for metric, scorer in scorers.items()
        for row, texts in said.items()
    ]


def _quote(each: Ranked, row: int) -> str:
    return each.texts[int(np.argmax(each.scores[row]))] if each.texts else ""


def _say(each: Ranked, ranker: Ranker, caution: float) -> str:
    logits = each.scores[2]
    top = int(np.argmax(logits)) if len(logits) else -1
    if top < 0 or ranker.confidence(float(logits[top])) < caution:
        return wording.unknown_text(each.case.question, item=True)
    best = Evidence(each.texts[top], each.sources[top], each.case.item_id or "", float(logits[top]))
    return wording.compose(each.case.question, best)


def _ignorance(ranked: Sequence[Ranked], ranker: Ranker, caution: float) -> list[Figure]:
    """Whether it answers just what can be answered, and the errors when the surest are answered first.

    `known_accuracy` is over questions with and without an answer; where all have one, each is asked a second
    time without its evidence. `aurc`, the area under the risk–coverage curve, is over the same trials.
    """
    trials = [
        (each.scores[:, : len(each.relevant)], each.relevant)
        for each in ranked
        if len(each.relevant) and (each.case.labelled or not answerable(each.case))
    ]
    if trials and all(relevant.any() for _, relevant in trials):
        trials += [(s[:, r <= 0], r[r <= 0]) for s, r in trials if (r <= 0).any()]
    figures: list[Figure] = []
    for row, name in enumerate(ROWS):
        tops = [int(np.argmax(scores[row])) for scores, _ in trials]
        best = [float(scores[row, top]) for (scores, _), top in zip(trials, tops, strict=True)]
        right = [bool(relevant[top] > 0) for (_, relevant), top in zip(trials, tops, strict=True)]
        known = [name != "retailor" or ranker.confidence(value) >= caution for value in best]
        told = [bool(relevant.any()) for _, relevant in trials]
        figures.append(("known_accuracy", name, [float(a == b) for a, b in zip(known, told, strict=True)]))
        figures.append(("aurc", name, risks(np.array(best), np.array(right, dtype=bool)).tolist()))
    return figures


def risks(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Errors among the i surest, as a share [n]; their mean is the AURC (Geifman & El-Yaniv 2017)."""
    order = np.argsort(-confidence, kind="stable")
    return np.asarray(np.cumsum(~right[order]) / np.arange(1, len(order) + 1))
