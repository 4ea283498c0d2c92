"""From a question to an answer in quotes: its evidence, ranked, and whether it is enough."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from retailor.tasks.answer import kinds, wording
from retailor.tasks.answer.contradictions import contradicted
from retailor.tasks.answer.facts import CheckedFacts
from retailor.tasks.answer.index import PassageIndex
from retailor.tasks.answer.of_shop import OfShop
from retailor.tasks.answer.parts import compares
from retailor.tasks.answer.ranker import Ranker
from retailor.tasks.answer.settings import AnswerSettings
from retailor.tasks.answer.shapes import Answered, AnswerQuery, Evidence

RULES_BEHIND = 1.0
"""A rule of the shop answers a question on a product's page only where it is so much better than the page."""


@dataclass(frozen=True)
class Quoting:
    """Answers questions in the words of the passages that rank first."""

    index: PassageIndex
    ranker: Ranker
    settings: AnswerSettings
    facts: CheckedFacts = field(default_factory=CheckedFacts)

    @property
    def caution(self) -> float:
        """An answer is given from this probability on."""
        return self.ranker.caution if self.settings.caution is None else self.settings.caution

    def answer(self, query: AnswerQuery, each_part: Sequence[tuple[str, NDArray[np.float32]]]) -> Answered:
        """The answers of a question's parts in one, as sure as the surest; it says what is not known."""
        answers = [self._of_part(query, part, vector) for part, vector in each_part]
        known = [each for each in answers if each.known]
        if len(answers) == 1 or not known:
            return answers[0]
        texts = list(dict.fromkeys(each.text for each in known))
        if len(known) < len(answers):
            texts.append(wording.unknown_rest(query.question))
        evidence = tuple(dict.fromkeys(passage for each in known for passage in each.evidence[:1]))
        text = wording.sentences_joined(texts)
        return Answered(text, True, max(each.confidence for each in known), evidence)

    def _of_part(self, query: AnswerQuery, question: str, vector: NDArray[np.float32]) -> Answered:
        if kinds.rules_asked(question):
            return self._of_shop(query, question, vector)
        if query.item_id is not None and compares(question):
            return self._compared(query, question, vector)
        on_page = query.item_id is not None
        found = self._on_page(query.item_id, question, vector) if query.item_id is not None else (
            self._anywhere(question, vector)
        )  # fmt: skip
        confidence = round(self.ranker.confidence(found[0].score), 6) if found else 0.0
        if confidence < self.caution:
            return self._unknown(query, confidence)
        # Further evidence is shown only when it is about the same item as the best.
        same = [each for each in found if each.item_id == found[0].item_id]
        title = None if on_page else self.index.titles.get(found[0].item_id or "")
        if same[0].source == "review":
            same = self._opinions(question, same)
            writers = self.index.writers(same[: wording.MAX_QUOTES])
            text = wording.opinions(question, same[: wording.MAX_QUOTES], writers, title=title)
        else:
            text = wording.compose(question, same[0], title=title)
        return Answered(text, True, confidence, tuple(same[: self.settings.n_evidence]))

    def _of_shop(self, query: AnswerQuery, question: str, vector: NDArray[np.float32]) -> Answered:
        """What the shop itself says: a checked fact, else a written rule, else that it is not known."""
        item, shop = query.item_id, OfShop(self.index, self.facts)
        page = self.index.page(item) if item is not None else np.zeros(0, dtype=np.int64)
        rows, denied = shop.rows(question, page)
        found = self._ranked(question, vector, rows, self.index.topic(item), 0.0)
        told = shop.told(question, found, denied)
        if told is not None:
            return told
        if not found:
            return self._unknown(query, 0.0)
        # That it tells what is asked is known by its kind: the ranker, which learned on products, only orders.
        confidence = max(round(self.ranker.confidence(found[0].score), 6), self.caution)
        same = [each for each in found if each.item_id == found[0].item_id]
        text = wording.compose(question, same[0])
        return Answered(text, True, confidence, tuple(same[: self.settings.n_evidence]), "rule")

    def _opinions(self, question: str, found: Sequence[Evidence]) -> list[Evidence]:
        """The sentences of customers that are sure enough and about the same, best first."""
        about = [kind for kind in kinds.asked(question) if kind.sort == "opinion"]
        return [
            each
            for n, each in enumerate(found)
            if n == 0
            or (
                each.source == "review"
                and self.ranker.confidence(each.score) >= self.caution
                and (not about or any(kinds.tells(kind, question, each.text) for kind in about))
            )
        ]

    def _compared(self, query: AnswerQuery, question: str, vector: NDArray[np.float32]) -> Answered:
        """The same fact of both items, where the question names another and asks for a fact; else unknown."""
        own, other = query.item_id, self.index.named_in(question, but=query.item_id)
        facts = any(kind.sort == "fact" for kind in kinds.asked(question))
        if own is None or other is None or not facts:
            return self._unknown(query, 0.0)
        best = [self._named_fact(item, question, vector) for item in (own, other)]
        if best[0] is None or best[1] is None:
            return self._unknown(query, 0.0)
        text = wording.comparison(question, best[0], best[1], self.index.titles.get(other, other))
        sure = min(self.ranker.confidence(each.score) for each in best if each)
        return Answered(text, True, round(sure, 6), (best[0], best[1]))

    def _named_fact(self, item_id: str, question: str, vector: NDArray[np.float32]) -> Evidence | None:
        """The item's best attribute whose name tells a fact that is asked for."""
        wanted = {kind.name for kind in kinds.asked(question)}
        for each in self._on_page(item_id, question, vector):
            if each.source == "attribute" and wanted & kinds.told(each.text.partition(":")[0]):
                return each
        return None

    def _unknown(self, query: AnswerQuery, confidence: float) -> Answered:
        text = wording.unknown_text(query.question, item=query.item_id is not None)
        return Answered(text, known=False, confidence=confidence, form="unknown")

    def _on_page(self, item_id: str, question: str, vector: NDArray[np.float32]) -> list[Evidence]:
        rows = self.index.best_of(question, vector, self.index.page(item_id), self.settings.n_candidates)
        own = self._ranked(question, vector, rows, self.index.topic(item_id), 0.0)
        return sorted([*own, *self._rules(question, vector)], key=lambda each: -each.score)

    def _rules(self, question: str, vector: NDArray[np.float32]) -> list[Evidence]:
        """The shop's rules, where the question asks for nothing that only a product's page tells."""
        asked = {kind.name for kind in kinds.asked(question)}
        if asked - {"guarantee", "service"} or not len(self.index.rules):
            return []
        rows = self.index.best_of(question, vector, self.index.rules, self.settings.n_candidates // 4)
        return self._ranked(question, vector, rows, frozenset(), -RULES_BEHIND)

    def _anywhere(self, question: str, vector: NDArray[np.float32]) -> list[Evidence]:
        """From the pages of the items it may be about; the further from the question, the less they count."""
        items = self.index.best_items(question, vector, self.settings.n_items)
        highest = max(items.values(), default=0.0)
        found: list[Evidence] = []
        for item_id, score in items.items():
            rows = self.index.best_of(
                question, vector, self.index.page(item_id), self.settings.n_candidates // 2
            )
            found += self._ranked(question, vector, rows, self.index.topic(item_id), score - highest)
        found += self._rules(question, vector)
        return sorted(found, key=lambda each: -each.score)

    def _ranked(
        self,
        question: str,
        vector: NDArray[np.float32],
        rows: NDArray[np.int64],
        topic: frozenset[str],
        bonus: float,
    ) -> list[Evidence]:
        rows = rows[[not self._denied(row) for row in rows.tolist()]] if self.facts.values else rows
        if not len(rows):
            return []
        logits = self.ranker.logits(self.index.features(question, vector, rows, topic)) + bonus
        order = np.argsort(-logits, kind="stable")
        return [
            self.index.evidence(row, float(logit))
            for row, logit in zip(rows[order].tolist(), logits[order], strict=True)
        ]

    def _denied(self, row: int) -> bool:
        """Whether a checked fact says otherwise than the passage: then it is never quoted."""
        return contradicted(self.index.texts[row], self.facts, source=self.index.sources[row]) is not None
