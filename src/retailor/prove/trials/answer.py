"""The rows of answering: words, the learned ranker over words, a language model, and what questions teach."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from retailor.config import as_dict
from retailor.errors import MissingTable
from retailor.prove.contract import Cell, Cells, Inputs, Trial
from retailor.prove.encoders import Encoders, local, mark_of
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.evidence.features import FEATURES

LEAST_TEST = 20
NEVER = 1_000_000_000
"""Questions to be learned from at least: more than there are."""
HELD_OUT = 0.2
"""Of the questions, to validate on."""


def answer_trial(inputs: Inputs) -> Trial:
    """Answering, ready to be tried. Raises MissingTable with too few questions to learn from and test on."""
    train, test, given = inputs.train, inputs.test, inputs.given
    train.require("the ledger of answer", "questions")
    test.require("the ledger of answer", "questions")
    own = local(inputs.encoder)
    base = replace(inputs.dials or AnswerSettings(), wording="quote")
    asked = test.with_tables(questions=test.questions.head(given.max_test))
    encoders = Encoders(own, train, given, inputs.work)
    trying = _Trying(train, asked, metric_of(asked.questions), encoders, base, inputs.work)
    return Trial(
        task="answer",
        model=own.name,
        metric=trying.metric,
        unit="questions",
        n_all=len(train.questions),
        make=trying.cell,
        mark=[mark_of(own, train), mark_of(own, asked), as_dict(base)],
        shared=encoders.shared,
    )


@dataclass(frozen=True)
class _Trying:
    train: Shop
    test: Shop
    metric: str
    encoders: Encoders
    base: AnswerSettings
    work: Path

    def cell(self, step: str, n: int, seed: int, before: Cells) -> Cell:
        learns = step in ("words, learned ranker", "learned ranker")
        part, held = self._parts(n, seed)
        # All rows quote the same passages, earlier answers too; a row that learns nothing asks for too many.
        least = self.base.min_questions if learns else NEVER
        settings = replace(self.base, seed=seed, min_questions=least)
        answerer = Answerer(self.encoders.of(step, before), None, settings).fit(part, work=self.work)
        row = "bm25" if step == "bm25" else "retailor"
        told = answerer.case_values(held).get(self.metric, {}).get(row)
        return Cell(
            answerer.case_values(self.test)[self.metric][row],
            seconds=float(answerer.log["index_seconds" if step == "bm25" else "seconds"]),
            examples_seen=len(part.questions) if learns else 0,
            parameters_trained=len(FEATURES) + 1 if learns else 0,
            validation=None if told is None or len(told) < LEAST_TEST else float(told.mean()),
        )

    def _parts(self, n: int, seed: int) -> tuple[Shop, Shop]:
        """The shop with so many questions, drawn, and the questions that it is validated on.

        A smaller part of the same seed lies in a larger one; 0 takes them all.
        """
        questions = self.train.questions
        order = stream(seed, "prove", "questions").permutation(len(questions))[: n or None]
        n_held = round(HELD_OUT * len(order))
        held, kept = order[:n_held], order[n_held:]
        return (
            self.train.with_tables(questions=questions[np.sort(kept).tolist()]),
            self.train.with_tables(questions=questions[np.sort(held).tolist()]),
        )


def metric_of(questions: pl.DataFrame) -> str:
    """What the test questions can be judged by: evidence of both kinds, else answers in words.

    Raises MissingTable where there are too few of either.
    """
    relevance = pl.col("evidence").list.eval(pl.element().struct.field("relevance").fill_null(0) > 0)
    told = questions.filter(pl.col("question").is_not_null()).select(
        both=(relevance.list.any() & ~relevance.list.all()).fill_null(False),
        answered=pl.col("answer").is_not_null(),
    )
    counts = {"map": int(told["both"].sum()), "rouge_l": int(told["answered"].sum())}
    for metric, n in counts.items():
        if n >= LEAST_TEST:
            return metric
    raise MissingTable(
        f"a ledger of answer needs {LEAST_TEST} questions to test on, with evidence or an answer, and there "
        f"are {max(counts.values())}."
    )
