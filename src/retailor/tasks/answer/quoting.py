"""From a question to an answer in quotes: its evidence, ranked, and whether it is enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.tokens import content_words
from retailor.tasks.answer import wording
from retailor.tasks.answer.evidence.features import is_beside, is_yes_no, of_one_script
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.forms import compared
from retailor.tasks.answer.forms.assortment import SHOWN, Range, range_in
from retailor.tasks.answer.forms.held import held, may_hold
from retailor.tasks.answer.forms.measures import limit_in
from retailor.tasks.answer.forms.naming import is_named, looks_for, only_names
from retailor.tasks.answer.forms.overall import overall, side_asked
from retailor.tasks.answer.forms.stance import says_of, stance
from retailor.tasks.answer.forms.superlative import Superlative, superlative_in
from retailor.tasks.answer.forms.superlative import compared as compared_values
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.question.parts import compares
from retailor.tasks.answer.ranking.ranker import Ranker
from retailor.tasks.answer.rules.contradictions import contradicted
from retailor.tasks.answer.rules.facts import CheckedFacts
from retailor.tasks.answer.rules.of_shop import OfShop
from retailor.tasks.answer.settings import AnswerSettings
from retailor.tasks.answer.shapes import Answered, AnswerQuery, Evidence

RULES_BEHIND = 1.0
"""A rule of the shop answers a question on a product's page only where it is so much better than the page."""

UNRANKED = -10.0
"""The score of a sentence that was counted and not ranked."""


def is_of_opinion(question: str) -> bool:
    """Whether the question asks for what customers think, and for no fact."""
    asked = kinds.asked(question)
    return any(kind.sort == "opinion" for kind in asked) and not any(kind.sort == "fact" for kind in asked)


def may_judge(question: str, each: Evidence) -> bool:
    """Whether a passage can tell what is thought: people wrote it, or it speaks of a kind that is asked."""
    return each.source in ("review", "answer", "rule") or any(
        kinds.tells(kind, question, each.text) for kind in kinds.asked(question)
    )


def answered_another(question: str, earlier: str | None) -> bool:
    """Whether an earlier answer was given to a question for other facts, or for facts and not opinions."""
    if earlier is None:
        return False
    opinion = is_of_opinion(question)
    now, then = (
        {k.name for k in kinds.asked(q) if opinion or k.sort != "opinion"} for q in (question, earlier)
    )
    return bool(now) and bool(then) and not now & then


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
        answers = [self._with_times(part, self._of_part(query, part, vector)) for part, vector in each_part]
        known = [each for each in answers if each.known]
        if len(answers) == 1 or not known:
            return answers[0]
        texts = list(dict.fromkeys(each.text for each in known))
        if len(known) < len(answers):
            texts.append(wording.unknown_rest(query.question))
        evidence = tuple(dict.fromkeys(passage for each in known for passage in each.evidence[:1]))
        text = wording.sentences_joined(texts)
        return Answered(text, True, max(each.confidence for each in known), evidence)

    def _with_times(self, question: str, answer: Answered) -> Answered:
        """The answer to how fast delivery is with what the shop has checked, before what customers say."""
        if not any(kind.name == "delivery" for kind in kinds.asked(question)) or answer.form == "rule":
            return answer
        told = self.facts.times(question)
        if told is None:
            return answer
        shop = OfShop(self.index, self.facts)
        text = wording.sentences_joined([told.text, answer.text] if answer.known else [told.text])
        evidence = (shop.evidence(told), *answer.evidence)
        return replace(answer, text=text, known=True, confidence=1.0, evidence=evidence, verdict=told.verdict)

    def _of_part(self, query: AnswerQuery, question: str, vector: NDArray[np.float32]) -> Answered:
        if query.item_id is not None and (told := self._on_the_whole(query.item_id, question)) is not None:
            return told
        if kinds.rules_asked(question):
            return self._of_shop(query, question, vector)
        if query.item_id is None and (told := self._of_catalogue(query, question)) is not None:
            return told
        if query.item_id is not None and compares(question) and limit_in(question) is None:
            return self._compared(query, question, vector)
        on_page = query.item_id is not None
        found = self._on_page(query.item_id, question, vector) if query.item_id is not None else (
            self._anywhere(question, vector)
        )  # fmt: skip
        measured = self._measured(question, found) if on_page else None
        if measured is not None:
            return measured
        found = self._able(question, found, on_page=on_page)
        confidence = round(self.ranker.confidence(found[0].score), 6) if found else 0.0
        if confidence < self.caution:
            return self._unknown(query, confidence)
        # Further evidence is shown only when it is about the same item as the best.
        same = [each for each in found if each.item_id == found[0].item_id]
        named = on_page or found[0].source == "title"
        title = None if named else self.index.titles.get(found[0].item_id or "")
        if same[0].item_id is not None and (same[0].source == "review" or is_of_opinion(question)):
            answer = self._counted(question, same, title, confidence)
            if answer is not None:
                return answer
        if same[0].source == "review":
            same = self._opinions(question, same)
            writers = self.index.writers(same[: wording.MAX_QUOTES])
            text = wording.opinions(question, same[: wording.MAX_QUOTES], writers, title=title)
            return Answered(text, True, confidence, self._shown(same), "opinions")
        text, verdict = wording.compose(question, same[0], title=title), wording.verdict_of(question, same[0])
        return Answered(text, True, confidence, self._shown(same), "verdict" if verdict else "quote", verdict)

    def _shown(self, found: Sequence[Evidence]) -> tuple[Evidence, ...]:
        return tuple(found[: self.settings.n_evidence])

    def _measured(self, question: str, found: Sequence[Evidence]) -> Answered | None:
        """The value that is asked for with its unit, held against the question's limit where it has one."""
        told = held(question, found)
        if told is None or (told.verdict is None and told.value.converted is None):
            return None
        text = wording.with_value(question, told.evidence, told.value, told.verdict, title=None)
        confidence = max(round(self.ranker.confidence(told.evidence.score), 6), self.caution)
        return Answered(text, True, confidence, (told.evidence,), "value", told.verdict, told.value)

    def _counted(
        self, question: str, found: Sequence[Evidence], title: str | None, confidence: float
    ) -> Answered | None:
        """What the item's customers say, counted; after what its page says where that comes first.

        None where fewer than two take a side.
        """
        item = found[0].item_id
        if item is None:
            return None
        rows = [row for row in self.index.page(item).tolist() if not self._denied(row)]
        said = stance(question, self.index, item, rows)
        if said.verdict is None:
            return None
        scores = {each.text: each.score for each in found if each.source == "review"}
        sides = [self._by_score(side, scores) for side in (said.yes, said.no)]
        text = wording.counted(
            question, said.counts, *([e.text for e in side] for side in sides), title=title
        )
        evidence = [each for pair in zip_longest(*sides) for each in pair if each is not None]
        verdict = said.verdict if is_yes_no(question) else None
        own = found[0]
        if own.source in ("attribute", "description"):
            text = wording.sentences_joined([wording.compose(question, own, title=title), text])
            evidence.insert(0, own)
            verdict = wording.verdict_of(question, own) or verdict
        n = max(self.settings.n_evidence, 2)
        return Answered(text, True, confidence, tuple(evidence[:n]), "opinions", verdict, counts=said.counts)

    def _on_the_whole(self, item_id: str, question: str) -> Answered | None:
        """What customers think of the product; None where the question asks of one thing."""
        side = side_asked(question, self.index.topic(item_id))
        if side is None:
            return None
        rows = [row for row in self.index.page(item_id).tolist() if not self._denied(row)]
        said = overall(self.index, rows)
        praise, blame = (
            [self.index.evidence(row, UNRANKED) for row in each[: wording.MAX_QUOTES - 1]]
            for each in (said.praise, said.blame)
        )
        text = said.in_words(question, side, [each.text for each in praise], [each.text for each in blame])
        quoted = {"good": praise, "bad": blame}.get(side) or [
            each for pair in zip_longest(praise, blame) for each in pair if each is not None
        ]
        verdict = said.verdict(side) if is_yes_no(question) else None
        return Answered(text, True, 1.0, tuple(quoted), "opinions", verdict, counts=said.counts)

    def _by_score(self, rows: Sequence[int], scores: Mapping[str, float]) -> list[Evidence]:
        found = [self.index.evidence(row, scores.get(self.index.texts[row], UNRANKED)) for row in rows]
        return sorted(found, key=lambda each: -each.score)

    def _of_shop(self, query: AnswerQuery, question: str, vector: NDArray[np.float32]) -> Answered:
        """What the shop itself says: a checked fact, else a written rule, else that it is not known."""
        item, shop = query.item_id, OfShop(self.index, self.facts)
        rows, denied = shop.rows(question, self.index.page(item))
        found = self._ranked(question, vector, rows, self.index.topic(item), 0.0)
        told = shop.told(question, found, denied)
        if told is not None:
            return told
        if not found:
            return self._unknown(query, 0.0)
        # Its kind says that it tells what is asked: the ranker, which learned on products, only orders.
        confidence = max(round(self.ranker.confidence(found[0].score), 6), self.caution)
        same = [each for each in found if each.item_id == found[0].item_id]
        text = wording.compose(question, same[0])
        return Answered(text, True, confidence, tuple(same[: self.settings.n_evidence]), "rule")

    def _opinions(self, question: str, found: Sequence[Evidence]) -> list[Evidence]:
        """The sentences of customers that are sure enough and about the same, best first."""
        return [
            each
            for n, each in enumerate(found)
            if n == 0
            or (
                each.source == "review"
                and self.ranker.confidence(each.score) >= self.caution
                and says_of(question, each.text, self.index.topic(each.item_id), self.index.lexical.idf)
            )
        ]

    def _compared(self, query: AnswerQuery, question: str, vector: NDArray[np.float32]) -> Answered:
        """The attributes of both items, where the question names another that shares some."""
        own, other = query.item_id, self.index.named_in(question, but=query.item_id)
        rows = [] if own is None or other is None else compared.table(question, self.index, own, other)
        if other is None or not rows:
            return self._unknown(query, 0.0)
        shown = tuple(row for row, _, _ in rows)
        verdict = compared.verdict(question, shown)
        text = wording.comparison(question, shown, verdict, self.index.titles.get(other, other))
        evidence = compared.cited(self.index, rows)
        return Answered(text, True, 1.0, evidence, "comparison", verdict, table=shown, other_id=other)

    def _able(self, question: str, found: Sequence[Evidence], *, on_page: bool) -> list[Evidence]:
        """The passages that can answer a question of this form, and are of a product that it names."""
        able = [each for each in found if may_hold(question, each)]
        if is_of_opinion(question):
            able = [each for each in able if may_judge(question, each)]
        if looks_for(question) and not on_page:
            return able
        if not kinds.asked(question):  # what sounds near in another script, where the page has its own
            able = [each for each in able if of_one_script(question, each.text)] or able
        able = [each for each in able if not only_names(question, each)]
        return [each for each in able if on_page or is_named(question, each.item_id, self.index)]

    def _of_catalogue(self, query: AnswerQuery, question: str) -> Answered | None:
        """The first of a kind, or what there is of it; None where the question asks neither."""
        asked = superlative_in(question)
        if asked is not None:
            return self._superlative(query, question, asked)
        wide = range_in(question, self.index)
        return None if wide is None else self._range(question, wide)

    def _superlative(self, query: AnswerQuery, question: str, asked: Superlative) -> Answered:
        """The first of a kind of products by what is compared, and of how many."""
        found = compared_values(asked, self.index)
        if found is None:
            return self._unknown(query, 0.0)
        first = found.ranked[0]
        told = f"{first[1]:g}" if asked.kind == "stars" else None
        name = self.index.titles.get(first[0], first[0])
        text = wording.superlative(
            question,
            asked.adjective,
            name,
            first[2],
            told,
            len(found.ranked),
            found.category,
            found.ties(),
            currency=found.unit if asked.kind == "price" else "",
        )
        evidence = tuple(each for _, _, each in found.ranked[: max(self.settings.n_evidence, 2)])
        return Answered(text, True, 1.0, evidence, "superlative")

    def _range(self, question: str, wide: Range) -> Answered:
        """That the shop has a kind of products, how many, and some of them."""
        shown = [
            next(iter(self.index.page(item))) for item in wide.items[: max(SHOWN, self.settings.n_evidence)]
        ]
        titles = [self.index.titles.get(item, item) for item in wide.items[:SHOWN]]
        evidence = tuple(self.index.evidence(int(row), 0.0) for row in shown)
        text = wording.of_range(question, wide.category, len(wide.items), titles)
        return Answered(text, True, 1.0, evidence, "range", "yes" if is_yes_no(question) else None)

    def _unknown(self, query: AnswerQuery, confidence: float) -> Answered:
        text = wording.unknown_text(query.question, item=query.item_id is not None)
        return Answered(text, known=False, confidence=confidence, form="unknown")

    def _on_page(self, item_id: str, question: str, vector: NDArray[np.float32]) -> list[Evidence]:
        rows = self.index.best_of(question, vector, self.index.page(item_id), self.settings.n_candidates)
        topic = self.index.topic(item_id)
        if limit_in(question) is None:  # 'under two kilos?' asks for a value by no word of its own
            asked = set(content_words(question)) - topic
            rows = rows[[not is_beside(question, asked, self.index.matches[row]) for row in rows.tolist()]]
        own = self._ranked(question, vector, rows, topic, 0.0)
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
        rows = np.array([row for row in rows.tolist() if not self._refused(question, row)], dtype=np.int64)
        if not len(rows):
            return []
        logits = self.ranker.logits(self.index.features(question, vector, rows, topic)) + bonus
        order = np.argsort(-logits, kind="stable")
        return [
            self.index.evidence(row, float(logit))
            for row, logit in zip(rows[order].tolist(), logits[order], strict=True)
        ]

    def _refused(self, question: str, row: int) -> bool:
        """Whether the passage cannot be quoted: a fact denies it, or it answered what is not asked now."""
        return self._denied(row) or answered_another(question, self.index.questions[row])

    def _denied(self, row: int) -> bool:
        """Whether a checked fact says otherwise than the passage: then it is never quoted."""
        return contradicted(self.index.texts[row], self.facts, source=self.index.sources[row]) is not None
