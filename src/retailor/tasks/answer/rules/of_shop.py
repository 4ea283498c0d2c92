"""Questions about the shop itself: its checked facts first, then its rules, never what customers write."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from retailor.tasks.answer import wording
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.question import kinds
from retailor.tasks.answer.rules.contradictions import contradicted
from retailor.tasks.answer.rules.facts import CheckedFacts, Told
from retailor.tasks.answer.shapes import Answered, Evidence
from retailor.tasks.answer.wording import is_chinese

_NUMBER = re.compile(r"\d+(?:\.\d+)?")


@dataclass(frozen=True)
class OfShop:
    """Where answers about the shop come from."""

    index: PassageIndex
    facts: CheckedFacts

    def rows(self, question: str, page: NDArray[np.int64]) -> tuple[NDArray[np.int64], list[int]]:
        """The rules, and rows of the item's page, that tell what is asked; and those that a fact denies.

        Customers' words and titles tell no rule. Rules in the question's language, where there are any.
        """
        wanted = kinds.rules_asked(question)
        own = [row for row in self.index.rules.tolist() if self._tells(question, row, wanted)]
        spoken = [row for row in own if is_chinese(self.index.texts[row]) == is_chinese(question)]
        item = [
            row
            for row in page.tolist()
            if self.index.sources[row] not in ("review", "title", "rule")
            and self._tells(question, row, wanted)
        ]
        rows = [*item, *(spoken or own)]
        denied = [row for row in rows if self.denies(row)]
        return np.array([row for row in rows if row not in set(denied)], dtype=np.int64), denied

    def denies(self, row: int) -> bool:
        """Whether a checked fact says otherwise than the passage."""
        return contradicted(self.index.texts[row], self.facts, source=self.index.sources[row]) is not None

    def _tells(self, question: str, row: int, wanted: Sequence[kinds.Kind]) -> bool:
        return any(kinds.tells(kind, question, self.index.matches[row]) for kind in wanted)

    def told(self, question: str, found: Sequence[Evidence], denied: Sequence[int]) -> Answered | None:
        """The answer of the checked facts, with the rules that say the same; None where none is asked for.

        It says so where the shop has a text that says otherwise.
        """
        told = self.facts.told(question)
        if not told:
            return None
        text = wording.sentences_joined([each.text for each in told])
        against = [row for row in denied if self._is_against(row, told)]
        if against:
            text = wording.sentences_joined([text, wording.overruled(question, self.index.texts[against[0]])])
        evidence = tuple(self.evidence(each) for each in told)
        rules = tuple(each for each in found if each.source == "rule" and self._says(each, told))[:1]
        return Answered(text, True, 1.0, (*evidence, *rules), "rule", told[0].verdict)

    def _says(self, rule: Evidence, told: Sequence[Told]) -> bool:
        """Whether a rule has the numbers of the facts that were told, or these have none."""
        numbers = {
            n for each in told for value in self.facts.values[each.name] for n in _NUMBER.findall(value)
        }
        return numbers <= {f"{float(n):g}" for n in _NUMBER.findall(rule.text)}

    def _is_against(self, row: int, told: Sequence[Told]) -> bool:
        name = contradicted(self.index.texts[row], self.facts, source=self.index.sources[row])
        return name in {each.name for each in told}

    def evidence(self, told: Told) -> Evidence:
        """The checked fact, as evidence."""
        values = ", ".join(self.facts.values[told.name])
        return Evidence(f"{told.name}: {values}", "fact", None, 0.0, f"{self.facts.path} › {told.name}")
