"""Answers questions from the shop's own text: finds evidence and answers from it, or says that it cannot."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray

from retailor.config import as_dict, saved_settings
from retailor.errors import DataError, MissingTable, ModelError
from retailor.metrics.scores import Scores
from retailor.models.local import load_encoder, load_generator
from retailor.models.shapes import Encoder, Generator, OpenEncoder
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.answer import worded
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.evidence.instructions import is_instruction
from retailor.tasks.answer.evidence.passages import categories_of, passages
from retailor.tasks.answer.question import dialogue
from retailor.tasks.answer.question.parts import parts
from retailor.tasks.answer.quoting import Quoting
from retailor.tasks.answer.ranking.cases import Case, cases_of
from retailor.tasks.answer.ranking.learn import Learner, Synthetic
from retailor.tasks.answer.ranking.ranker import Ranker, default_ranker
from retailor.tasks.answer.ranking.scores import case_values, judge_cases
from retailor.tasks.answer.ranking.synthetic import synthetic_cases
from retailor.tasks.answer.ranking.templates import Use
from retailor.tasks.answer.rules.facts import CheckedFacts
from retailor.tasks.answer.settings import AnswerSettings
from retailor.tasks.answer.shapes import Answered, AnswerQuery

__all__ = ["AnswerSettings", "Answerer"]

N_SYNTHETIC = 300
"""Questions that attributes answer, made for each use."""


class Answerer:
    """Answers from the catalogue. Needs `items`, `reviews` or `questions`; questions teach it to rank."""

    kind: ClassVar[str] = "answer"

    def __init__(
        self, encoder: Encoder, generator: Generator | None = None, settings: AnswerSettings | None = None
    ) -> None:
        self.encoder, self.generator = encoder, generator
        self.settings = settings or AnswerSettings()
        self.ranker: Ranker = default_ranker()
        self.log: dict[str, Any] = {}
        self.facts = CheckedFacts()
        self._index: PassageIndex | None = None

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        """Indexes the shop's passages, learns to rank them, and when not to answer. Raises MissingTable."""
        started = time.perf_counter()
        self._read(shop, work)
        self._learn(shop)
        self.log |= {"ranker": self.ranker.to_dict(), "seconds": round(time.perf_counter() - started, 3)}
        return self

    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self:
        """Indexes the whole shop's passages, with what `before` learned of ranking and of not answering."""
        self._read(shop, work)
        self.ranker, self.log = before.ranker, {**before.log, "refit": self.log}
        return self

    def _read(self, shop: Shop, work: Path | None) -> None:
        started = time.perf_counter()
        left_out: Counter[str] = Counter()
        table = passages(
            shop,
            left_out=left_out,
            max_per_item=self.settings.max_passages_per_item,
            max_review_sentences=self.settings.max_review_sentences_per_item,
            max_chars=self.settings.max_passage_chars,
        )
        if not len(table):
            raise MissingTable(
                "answer needs the table 'items', 'reviews' or 'questions', and this shop has no text in them."
            )
        self._index = PassageIndex.of(table, self.encoder, categories=categories_of(shop.items), work=work)
        self.facts = CheckedFacts.of(shop.facts.iter_rows())
        counts = table["source"].value_counts(sort=True).iter_rows()
        # Texts that give orders to a machine are no evidence: `instructions`.
        self.log = {
            "n_left_out": dict(left_out),
            "n_passages": dict(counts),
            "index_seconds": round(time.perf_counter() - started, 3),
        }

    def _learn(self, shop: Shop) -> None:
        """The ranker, from the shop's questions and from synthetic ones. See `learn`."""
        index, settings = self._fitted(), self.settings
        sample = shop.questions.sample(
            min(len(shop.questions), settings.max_questions), seed=settings.seed, shuffle=True
        )
        cases = cases_of(sample, index, max_page=settings.n_candidates)
        synthetic = Synthetic(self._synthetic(shop, "learn"), self._synthetic(shop, "choose"))
        learner = Learner(index, self.encoder, settings.min_questions, settings.n_negatives, settings.seed)
        self.ranker, log = learner.ranker(cases, synthetic)
        self.log |= log

    def _synthetic(self, shop: Shop, use: Use) -> list[Case]:
        items, settings = shop.items["item_id"].to_list(), self.settings
        return synthetic_cases(
            self._fitted(), items, use, n=N_SYNTHETIC, max_page=settings.n_candidates, seed=settings.seed
        )

    def predict(self, queries: Sequence[AnswerQuery]) -> list[Answered]:
        """One answer a query. Raises DataError on an empty or over-long question or turn."""
        quoting = Quoting(self._fitted(), self.ranker, self.settings, self.facts)
        for query in queries:
            self._check(query)
        split = [parts(question) for question in self._standalone(queries)]
        vectors = iter(self.encoder.encode([part for each in split for part in each], role="query"))
        answers = [
            quoting.answer(query, [(part, next(vectors)) for part in each])
            for query, each in zip(queries, split, strict=True)
        ]
        return self._generated(queries, answers)

    def _standalone(self, queries: Sequence[AnswerQuery]) -> list[str]:
        n = self.settings.max_history
        histories = [_without_orders(query.history[-n:] if n else ()) for query in queries]
        asked = [
            dialogue.standalone(query.question, history)
            for query, history in zip(queries, histories, strict=True)
        ]
        follow = [i for i, history in enumerate(histories) if history]
        if self.generator is None or not follow:
            return asked
        prompts = [dialogue.prompt(queries[i].question, histories[i]) for i in follow]
        for i, text in zip(follow, self.generator.generate(prompts, max_tokens=60), strict=True):
            asked[i] = dialogue.checked(text, queries[i].question, histories[i]) or asked[i]
        return asked

    def _generated(self, queries: Sequence[AnswerQuery], answers: list[Answered]) -> list[Answered]:
        """Quotes in the generator's words, where these pass the check; the others as they are.

        Rules of the shop, values, counts and comparisons are told as they are.
        """
        known = [i for i, answer in enumerate(answers) if answer.form in ("quote", "verdict")]
        if self.generator is None or not known:
            return answers
        prompts = [worded.prompt(queries[i].question, answers[i].evidence) for i in known]
        written = self.generator.generate(prompts, max_tokens=self.settings.max_answer_tokens)
        for i, text in zip(known, written, strict=True):
            passed = worded.checked(
                text,
                queries[i].question,
                answers[i].evidence,
                max_new_words=self.settings.max_new_words,
                verdict=answers[i].verdict,
                facts=self.facts,
            )
            if passed is not None:
                answers[i] = replace(answers[i], text=passed, form="worded")
        return answers

    def with_encoder(self, encoder: Encoder) -> Answerer:
        """The same answerer over another encoder of the same vectors; those of the passages stay."""
        if encoder.dim != self.encoder.dim:
            raise ModelError(
                f"the encoder '{encoder.name}' has {encoder.dim} dimensions, the passages' vectors have "
                f"{self.encoder.dim}."
            )
        twin = copy(self)
        twin.encoder = encoder
        return twin

    def evaluate(self, shop: Shop) -> Scores:
        """Ranking of evidence, overlap of answers and knowing when not to answer, on the shop's questions.

        A shop without questions is asked questions made from its own attributes: the bucket says so. The log
        then has what answering more, or less, would cost.
        """
        index, settings = self._fitted(), self.settings
        caution, bucket = Quoting(index, self.ranker, settings).caution, "all"
        cases: list[Case] = cases_of(shop.questions, index, max_page=settings.n_candidates)
        if not cases:
            bucket = "made questions"
            cases = self._synthetic(shop, "judge")
        if not cases:
            raise MissingTable(
                "the evaluation of answer needs the table 'questions', or attributes of items to ask for, "
                "and this shop has none."
            )
        found = judge_cases(cases, index, self.encoder, self.ranker, caution=caution, bucket=bucket)
        self.log = {**self.log, "coverage": {"caution": round(caution, 4), **found.to_dict()}}
        return found.scores

    def case_values(self, shop: Shop) -> dict[str, dict[str, NDArray[np.float64]]]:
        """Metric to row to a value a question of the shop that the metric can judge, in order."""
        index, settings = self._fitted(), self.settings
        cases = cases_of(shop.questions, index, max_page=settings.n_candidates)
        caution = Quoting(index, self.ranker, settings).caution
        return case_values(cases, index, self.encoder, self.ranker, caution=caution)

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'answer', models inside; a generator that cannot save is left out."""
        index = self._fitted()
        with artifact.writing(folder, self.kind, settings=as_dict(self.settings), card=_CARD) as new:
            index.save(new)
            _write(new / "ranker.json", self.ranker.to_dict())
            _write(new / "log.json", self.log)
            _write(new / "facts.json", {"values": dict(self.facts.values), "path": self.facts.path})
            self.encoder.save(new / "encoder")
            if hasattr(self.generator, "save"):
                cast(Any, self.generator).save(new / "generator")

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """The saved task. Raises DataError that names a missing or corrupt file."""
        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        generator = load_generator(folder / "generator") if (folder / "generator").is_dir() else None
        task = cls(
            (open_encoder or load_encoder)(folder / "encoder"),
            generator,
            saved_settings(AnswerSettings, manifest.settings, str(folder)),
        )
        task._index = PassageIndex.load(folder)
        task.ranker = Ranker.from_dict(json.loads((folder / "ranker.json").read_text(encoding="utf-8")))
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        values = {name: tuple(each) for name, each in facts["values"].items()}
        task.facts = CheckedFacts(values, facts["path"])
        task.log = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        return task

    def _fitted(self) -> PassageIndex:
        if self._index is None:
            raise ModelError("this answerer has no passages yet: call fit(shop) first.", asked="answer")
        return self._index

    def _check(self, query: AnswerQuery) -> None:
        if not query.question.strip():
            raise DataError("the question is empty; ask something.", column="question", value=query.question)
        limit = self.settings.max_question_chars
        for text in (query.question, *(asked for asked, _ in query.history)):
            if len(text) > limit:
                raise DataError(
                    f"a question has {len(text):,} characters; at most {limit:,} are read, so shorten it.",
                    column="question",
                )


def _without_orders(history: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """The turns that speak to the shop, and not to a machine: what was said before is data."""
    return tuple(turn for turn in history if not any(is_instruction(text) for text in turn))


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1), encoding="utf-8")


_CARD = """# Answers
Answers questions from the passages in `passages.parquet`. Open with `retailor.Answerer.load(folder)`.
"""
