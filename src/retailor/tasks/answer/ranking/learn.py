"""Learning which passage answers: from a shop's questions where it has them, and from synthetic ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.models.shapes import Encoder
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.ranking.cases import (
    Case,
    answerable,
    answers_as_evidence,
    featurise,
    learning_lists,
    skeleton,
)
from retailor.tasks.answer.ranking.ranker import Held, Listed, Ranker, choose_ranker, folds_of

ALWAYS = -2
"""The fold of what every ranker may learn from, as nothing like it chooses between them."""


@dataclass(frozen=True)
class Synthetic:
    """Synthetic questions to learn from, and others, in other wordings, to choose on."""

    learn: Sequence[Case]
    choose: Sequence[Case]


@dataclass(frozen=True)
class Learner:
    """What learning needs besides the questions."""

    index: PassageIndex
    encoder: Encoder
    min_questions: int
    n_negatives: int
    seed: int

    def ranker(self, cases: Sequence[Case], synthetic: Synthetic) -> tuple[Ranker, dict[str, Any]]:
        """The ranker, and what taught it.

        From evidence where the questions have it, made ones beside it, else from their answers; what
        is learned is kept as far as it wins on wordings that it was not learned from. Made questions alone
        teach the bound only: others of their kind are no judge of what was learned from them.
        """
        taught, told = self._taught(cases)
        lists, folds, held = self._from_questions(cases, told, with_page=taught != "answers")
        if taught == "evidence":
            own = self._pages([case for case in synthetic.learn if case.texts])
            lists, folds = [*lists, *own], np.concatenate([folds, np.full(len(own), ALWAYS)])
        if synthetic.choose:
            held["made"] = Held(self._pages(synthetic.choose), np.full(len(synthetic.choose), -1))
        ranker, how = choose_ranker(lists, folds, held)
        log = {"taught_by": taught if how["learned_share"] else "the default", **how}
        n_made = len(synthetic.choose) + (len(synthetic.learn) if taught == "evidence" else 0)
        counts = {"n_questions": len(told), "n_made": n_made}
        return ranker, {**log, **counts, "n_unanswered": _n_unknown(held)}

    def _taught(self, cases: Sequence[Case]) -> tuple[str, list[Case]]:
        """What teaches, and the answered cases that do."""
        told = [case for case in cases if any(case.relevant)]
        if len(told) >= self.min_questions:
            return "evidence", told
        told = answers_as_evidence(cases)
        return ("answers", told) if len(told) >= self.min_questions else ("made questions", [])

    def _from_questions(
        self, cases: Sequence[Case], told: Sequence[Case], *, with_page: bool
    ) -> tuple[list[Listed], NDArray[np.int64], dict[str, Held]]:
        """The lists to learn from with their folds, and the questions, unanswered ones too, to choose on."""
        if not told:
            return [], np.zeros(0, dtype=np.int64), {}
        drawn = learning_lists(told, n_negatives=self.n_negatives, seed=self.seed)
        # Answers are drawn against answers alone: beside other sources, the source would give them away.
        lists = featurise(drawn, self.index, self.encoder, with_page=with_page)
        whole = [replace(each, page=case.page) for each, case in zip(drawn, told, strict=True)]
        pages = self._pages(whole) if with_page else lists
        unknown = [case for case in cases if (case.texts or case.page) and not answerable(case)]
        folds = folds_of([skeleton(case, self.index) for case in (*told, *unknown)], seed=self.seed)
        # Of one wording nothing can be held out: it is learned from, and not chosen on.
        held = {"questions": Held([*pages, *self._pages(unknown)], folds)} if folds.max() > 0 else {}
        return list(lists), folds[: len(told)], held

    def _pages(self, cases: Sequence[Case]) -> list[Listed]:
        return featurise(cases, self.index, self.encoder, with_page=True)


def _n_unknown(held: dict[str, Held]) -> int:
    """How many of the shop's own held questions have no answer on their page."""
    own = held.get("questions")
    return sum(not (page.relevant > 0).any() for page in own.pages) if own else 0
