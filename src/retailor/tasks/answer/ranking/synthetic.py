"""Questions made from a catalogue: attributes asked for in many wordings, and what no page tells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from retailor.retrieval.tokens import HAS_CHINESE, content_words
from retailor.seeds import stream
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.question.kinds import asked, tells, told
from retailor.tasks.answer.ranking import templates
from retailor.tasks.answer.ranking.cases import Case
from retailor.tasks.answer.ranking.templates import Use

UNANSWERABLE = 0.5
"""Questions that the page does not tell, for each one that an attribute answers."""


def synthetic_cases(
    index: PassageIndex, items: Sequence[str], use: Use, *, n: int, max_page: int, seed: int
) -> list[Case]:
    """Up to n questions that an attribute answers, and half as many that nothing on their page does.

    Names of attributes are dealt out as the wordings are: what is learned or chosen on is not judged on.
    """
    known = set(items)
    rows = [r for r, source in enumerate(index.sources) if source == "attribute" and index.items[r] in known]
    names = _names(index, rows, use, seed)
    rows = [row for row in rows if _name(index, row) in names]
    rng = stream(seed, "answer", f"made to {use}")
    chosen = np.sort(rng.permutation(len(rows))[:n])
    answered = [_answered(index, rows[int(i)], use, max_page, rng) for i in chosen]
    unknown: list[Case] = []
    for i in rng.permutation(len(rows)):
        if len(unknown) >= UNANSWERABLE * len(answered):
            break
        unknown += _unanswerable(index, rows[int(i)], rows, use, max_page, rng)
    return answered + unknown


def _name(index: PassageIndex, row: int) -> str:
    return index.texts[row].partition(":")[0].strip()


def _names(index: PassageIndex, rows: Sequence[int], use: Use, seed: int) -> set[str]:
    """The names dealt to this use; all of them where there are too few to deal."""
    found = sorted({_name(index, row) for row in rows})
    order = stream(seed, "answer", "names").permutation(len(found))
    dealt = {found[int(i)] for i in order[("learn", "choose", "judge").index(use) :: 3]}
    return dealt if len(found) >= 6 else set(found)


def _question(name: str, use: Use, rng: np.random.Generator) -> str:
    """Two in three without the attribute's name, where its kind has such wordings."""
    chinese = HAS_CHINESE.search(name) is not None
    kind = next((k for k in sorted(told(name)) if templates.own(k, chinese=chinese, use=use)), None)
    wordings = templates.own(kind, chinese=chinese, use=use) if kind and rng.random() < 2 / 3 else []
    wordings = wordings or templates.named(name if chinese else name.lower(), chinese=chinese, use=use)
    return wordings[int(rng.integers(len(wordings)))]


def _answered(index: PassageIndex, row: int, use: Use, max_page: int, rng: np.random.Generator) -> Case:
    name, value = _name(index, row), index.texts[row].partition(":")[2].strip()
    kinds = told(name)
    # What else tells of the same may well answer too.
    page = tuple(
        int(r)
        for r in index.page(index.items[row])
        if r != row and value not in index.texts[r] and not (kinds & told(index.texts[r]))
    )
    return Case(
        _question(name, use, rng),
        index.items[row],
        (index.texts[row],),
        ("attribute",),
        (1.0,),
        True,
        value,
        page[:max_page],
    )


def _unanswerable(
    index: PassageIndex, row: int, rows: Sequence[int], use: Use, max_page: int, rng: np.random.Generator
) -> list[Case]:
    """One about other goods, one that hardly a page tells, or for what only other items tell.

    [] where the page may tell it.
    """
    item = index.items[row]
    page = [int(r) for r in index.page(item)]
    chinese = HAS_CHINESE.search(_name(index, row)) is not None
    drawn = rng.random()
    if drawn < 2 / 3:
        strange = (templates.strangers if drawn < 1 / 3 else templates.untold)(chinese=chinese, use=use)
        question = strange[int(rng.integers(len(strange)))]
    else:
        other = _name(index, rows[int(rng.integers(len(rows)))])
        if (HAS_CHINESE.search(other) is not None) != chinese:
            return []
        if any(_name(index, r) == other or told(other) & told(index.texts[r]) for r in page):
            return []
        question = _question(other, use, rng)
    kinds = asked(question)
    if any(tells(kind, question, index.texts[r]) for kind in kinds for r in page):
        return []
    words = set(content_words(question))
    if not kinds and any(len(words & set(content_words(index.matches[r]))) > len(words) / 2 for r in page):
        return []
    return [Case(question, item, (), (), (), True, None, tuple(page[:max_page]))]
