"""Answering: whether the passage that answers lies nearer to the question than the others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.choose.shapes import ChooseSettings, Probe
from retailor.errors import DataError
from retailor.metrics.ranking import Ranked, average_precision_at, graded_ranks
from retailor.models.shapes import Encoder
from retailor.retrieval.bm25 import BM25Index
from retailor.seeds import stream
from retailor.shop.tables import Shop

LEAST, N_OTHERS = 20, 9
DRAWN = "No question has evidence of both kinds: its answer stands among the answers of nine others."


@dataclass(frozen=True)
class _Case:
    question: str
    passages: tuple[str, ...]
    relevant: tuple[bool, ...]


def answer_probe(shop: Shop, given: ChooseSettings) -> Probe:
    """Mean average precision of the passages that answer, among those of their question.

    Where questions have no evidence, their answers among those of others. Raises DataError with fewer than 20
    of either.
    """
    judged = _judged(shop)
    cases = judged if len(judged) >= LEAST else _drawn(shop, given)
    cases = [
        cases[row] for row in stream(given.seed, "choose", "cases").permutation(len(cases))[: given.sample]
    ]
    passages = tuple(dict.fromkeys(text for case in cases for text in case.passages))
    questions = tuple(case.question for case in cases)
    place = {text: row for row, text in enumerate(passages)}
    rows = [np.array([place[text] for text in case.passages]) for case in cases]

    def look(encoder: Encoder) -> Mapping[str, float]:
        asked, told = encoder.encode(questions, role="query"), encoder.encode(passages, role="passage")
        near = [told[own] @ one for own, one in zip(rows, asked, strict=True)]
        return {"closeness": _map(near, cases)}

    index = BM25Index.of(passages)
    words = [index.subset(case.question, own) for case, own in zip(cases, rows, strict=True)]
    return Probe(
        "answer", "questions", len(cases), passages, ("closeness",), look,
        beside="BM25", control={"closeness": _map(words, cases)},
        notes=() if len(judged) >= LEAST else (DRAWN,),
    )  # fmt: skip


def _judged(shop: Shop) -> list[_Case]:
    """Questions with evidence that answers and evidence that does not."""
    found = []
    for question, evidence in shop.questions.select("question", "evidence").drop_nulls().iter_rows():
        told = {each["text"]: (each["relevance"] or 0) > 0 for each in evidence if each["text"]}
        if question.strip() and len(set(told.values())) == 2:
            found.append(_Case(question, tuple(told), tuple(told.values())))
    return found


def _drawn(shop: Shop, given: ChooseSettings) -> list[_Case]:
    told = (
        shop.questions.select("question", "answer").drop_nulls().unique("answer", maintain_order=True).rows()
    )
    if len(told) < LEAST:
        raise DataError(f"choose needs {LEAST} questions with evidence or an answer; there are {len(told)}.")
    chance = stream(given.seed, "choose", "others")
    found = []
    for row, (question, answer) in enumerate(told):
        others = [told[other][1] for other in chance.permutation(len(told))[: N_OTHERS + 1] if other != row][
            :N_OTHERS
        ]
        found.append(_Case(question, (answer, *others), (True, *[False] * len(others))))
    return found


def _map(scores: Sequence[NDArray[np.floating]], cases: Sequence[_Case]) -> float:
    told = [graded_ranks(row, case.relevant) for row, case in zip(scores, cases, strict=True)]
    return float(average_precision_at(Ranked.cases(told)).mean())
