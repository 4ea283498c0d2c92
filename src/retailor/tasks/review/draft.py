"""From a query to a body: several are asked for, the best that passes is taken; else a template stands in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

from retailor.models.shapes import Generator, TrainableGenerator
from retailor.seeds import derive
from retailor.tasks.review.checks import Judge, can_write, complaint, pruned, recital, score
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import LENGTHS, Wanted, prompt_of
from retailor.tasks.review.settings import ReviewSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.review.templates import template
from retailor.tasks.review.text import is_copied, tidy, without_copies
from retailor.tasks.review.topics import category_of


@dataclass(frozen=True)
class Written:
    """A body, and why a template stands in for the model ('' when it does not)."""

    body: str
    fallback: str = ""


class Drafter:
    """Writes bodies with any generator, over the same past and under the same rules."""

    def __init__(self, past: Past, settings: ReviewSettings, judge: Judge) -> None:
        self.past = past
        self.settings = settings
        self.judge = judge

    def write(
        self, generator: Generator, queries: Sequence[ReviewQuery], wanted: Sequence[Wanted]
    ) -> list[Written]:
        """The bodies: every round asks for several, with another seed, for the queries where none passed.

        A generator is not asked for a language that it cannot write: there a template stands in at once.
        """
        prompts = [self._prompts(generator, query, want) for query, want in zip(queries, wanted, strict=True)]
        mute = {want.language for want in wanted if not can_write(generator, want.language)}
        done = {
            i: Written(template(want, query.seed), f"the model cannot write '{want.language}'")
            for i, (query, want) in enumerate(zip(queries, wanted, strict=True))
            if want.language in mute
        }
        refused: dict[int, Written] = {}
        for attempt in range(self.settings.max_tries):
            left = [i for i in range(len(queries)) if i not in done]
            if not left:
                break
            for i, bodies in self._said(generator, prompts, queries, left, attempt):
                found = [self._judged(said, queries[i], wanted[i]) for said in bodies]
                passed = [one for one in found if not one.fallback]
                if passed:
                    done[i] = max(passed, key=partial(self._score, query=queries[i], wanted=wanted[i]))
                for one in found:
                    refused[i] = _better(refused.get(i), one) if one.fallback else refused.get(i, one)
        for i, written in refused.items():
            done.setdefault(i, self._rescued(written, queries[i], wanted[i]))
        return [done[i] for i in range(len(queries))]

    def _prompts(self, generator: Generator, query: ReviewQuery, wanted: Wanted) -> list[str]:
        """A prompt a draft, which differ in the length that they ask for; the wanted one first."""
        lengths = sorted(LENGTHS, key=lambda n: abs(math.log(n / wanted.n_words)))[: self.settings.n_drafts]
        return [self._prompt(generator, query, replace(wanted, n_words=n)) for n in lengths]

    def _prompt(self, generator: Generator, query: ReviewQuery, wanted: Wanted) -> str:
        if isinstance(generator, TrainableGenerator):
            return prompt_of(wanted)
        past = self.past
        rows = past.nearest(wanted, query, self.settings.n_examples)
        shown = [(past.wanted(self._query_of(row)), past.texts[row][:300]) for row in rows[::-1]]
        return prompt_of(wanted, shown)

    def _query_of(self, row: int) -> ReviewQuery:
        past = self.past
        return ReviewQuery(
            past.reviews["item_id"][row], rating=float(past.stars[row]), language=past.languages[row]
        )

    def _said(
        self,
        generator: Generator,
        prompts: Sequence[Sequence[str]],
        queries: Sequence[ReviewQuery],
        rows: Sequence[int],
        attempt: int,
    ) -> Iterator[tuple[int, list[str]]]:
        """What the generator says to the prompts of each of these rows, with the seed of its query."""
        temperature = self.settings.temperature or (0.8 if attempt else 0.0)
        for seed in dict.fromkeys(queries[i].seed for i in rows):
            same = [i for i in rows if queries[i].seed == seed]
            said = iter(
                generator.generate(
                    [prompt for i in same for prompt in prompts[i]],
                    max_tokens=self.settings.max_tokens,
                    temperature=temperature,
                    seed=derive(self.settings.seed, "review", str(seed), str(attempt)),
                )
            )
            for i in same:
                yield i, list(islice(said, len(prompts[i])))

    def _score(self, written: Written, query: ReviewQuery, wanted: Wanted) -> float:
        astray: list[str] = []
        if wanted.language == "en":  # the everyday words that it goes by are English
            category = category_of(self.past.item(query.item_id))
            astray = self.past.topics.astray(written.body, category, wanted.source)
        return score(written.body, wanted, self.judge, len(astray))

    def _judged(self, said: str, query: ReviewQuery, wanted: Wanted) -> Written:
        text = tidy(said, max_chars=self.settings.max_chars)
        # What is left of a text that needed no more than a cut is better than a template.
        body = pruned(text, wanted, self.judge, self.past.names)
        why = recital(said, wanted) or complaint(body or text, wanted, self.judge, self.past.names)
        if why:
            return Written("", why)
        others = self.past.others(query.user_id)
        if is_copied(body, self.past.copies, others, self.settings.max_copied_tokens):
            return Written(body, "the model repeated another customer's review")
        return Written(body)

    def _rescued(self, refused: Written, query: ReviewQuery, wanted: Wanted) -> Written:
        """The refused body without what it copied, or a template where too little is left."""
        others = self.past.others(query.user_id)
        limit = self.settings.max_copied_tokens
        trimmed = without_copies(refused.body, self.past.copies, others, limit)
        if trimmed and not complaint(trimmed, wanted, self.judge, self.past.names):
            return Written(trimmed)
        return Written(template(wanted, query.seed), refused.fallback)


def _better(old: Written | None, new: Written) -> Written:
    """Of two refused bodies the longer: more may be left of it."""
    return new if old is None or len(new.body) > len(old.body) else old
