"""Questions with the passages that do and do not answer them: what a ranker learns from and is judged on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.models.shapes import Encoder
from retailor.retrieval.tokens import words
from retailor.seeds import stream
from retailor.tasks.answer.evidence.features import SOURCES, features
from retailor.tasks.answer.evidence.index import PassageIndex
from retailor.tasks.answer.evidence.passages import plain
from retailor.tasks.answer.ranking.ranker import Listed


@dataclass(frozen=True)
class Case:
    """A question with its passages. `relevant` [n]: 1 answers, 0 does not; `labelled`: somebody said so."""

    question: str
    item_id: str | None
    texts: tuple[str, ...]
    sources: tuple[str, ...]
    relevant: tuple[float, ...]
    labelled: bool
    answer: str | None = None
    page: tuple[int, ...] = field(default=(), repr=False)
    """Rows of the item's page that are not among the texts, earlier answers left out."""
    earlier: tuple[int, ...] = field(default=(), repr=False)
    """Rows of the item's earlier answers, to other questions than this one."""


def source_of(name: str | None) -> str:
    """The nearest of SOURCES to what a data set calls a source."""
    known = (name or "").lower()
    aliases = {
        "cqa": "answer",
        "qa": "answer",
        "bullet": "description",
        "desc": "description",
        "osp": "description",
    }
    return known if known in SOURCES else aliases.get(known, "description")


def cases_of(questions: pl.DataFrame, index: PassageIndex, *, max_page: int) -> list[Case]:
    """One case a question, in order."""
    columns = ["question_id", "question", "item_id", "answer", "evidence"]
    return [
        _case(row, index, max_page)
        for row in questions.filter(pl.col("question").is_not_null()).select(columns).iter_rows(named=True)
    ]


def _case(row: dict[str, Any], index: PassageIndex, max_page: int) -> Case:
    evidence = {
        plain(each["text"]): (source_of(each["source"]), float((each["relevance"] or 0) > 0))
        for each in row["evidence"] or []
        if each["text"]
    }
    rows = [int(r) for r in index.page(row["item_id"]) if index.texts[r] not in evidence]
    # An earlier answer may well answer this question too, and nobody has said that it does not.
    page = [r for r in rows if index.sources[r] != "answer"]
    earlier = [r for r in rows if index.sources[r] == "answer" and not _answers(row, index, r)]
    return Case(
        question=row["question"],
        item_id=row["item_id"],
        texts=tuple(evidence),
        sources=tuple(source for source, _ in evidence.values()),
        relevant=tuple(relevant for _, relevant in evidence.values()),
        labelled=bool(evidence),
        answer=row["answer"],
        page=tuple(page[:max_page]),
        earlier=tuple(earlier[:max_page]),
    )


def skeleton(case: Case, index: PassageIndex) -> str:
    """The wording without what names the item or an attribute: questions of one template share it."""
    names = {
        word
        for row in case.page
        if index.sources[row] == "attribute"
        for word in words(index.texts[row].partition(":")[0])
    }
    named = names | index.topic(case.item_id)
    for text, source in zip(case.texts, case.sources, strict=True):
        named |= set(words(text.partition(":")[0])) if source == "attribute" else set()
    return " ".join(word for word in words(case.question, bigrams=False) if word not in named)


def _answers(question: dict[str, Any], index: PassageIndex, row: int) -> bool:
    """Whether the passage is an answer to this very question: of its number, or to the same words.

    A question may have no number, and one that was entered twice has two.
    """
    asked, own = index.questions[row], question["question_id"]
    by_number = own is not None and index.question_ids[row] == own
    return by_number or (asked is not None and asked.split() == question["question"].split())


def answerable(case: Case) -> bool:
    """Whether somebody found an answer: relevant evidence, or an answer in words."""
    return any(case.relevant) or (not case.labelled and bool(case.answer))


def answers_as_evidence(cases: Sequence[Case]) -> list[Case]:
    """The answered cases with their own answers as the evidence, for a shop whose questions have none."""
    return [
        Case(case.question, case.item_id, (case.answer,), ("answer",), (1.0,), True, case.answer, case.page)
        for case in cases
        if case.answer
    ]


def learning_lists(cases: Sequence[Case], *, n_negatives: int, seed: int) -> list[Case]:
    """The cases to learn a ranking from: with labelled negatives as they are, else with negatives drawn.

    They are drawn from the item's page, from other questions of the item and from those of other items, never
    from an evidence of the question. A passage drawn may answer by chance: few of them, many questions.
    """
    rng = stream(seed, "answer", "negatives")
    by_item: dict[str | None, list[int]] = {}
    for i, case in enumerate(cases):
        by_item.setdefault(case.item_id, []).append(i)
    return [
        case
        if not all(case.relevant)
        else _with_negatives(case, cases, by_item[case.item_id], n_negatives, rng)
        for case in cases
        if any(case.relevant)
    ]


def _with_negatives(
    case: Case, cases: Sequence[Case], same: Sequence[int], n: int, rng: np.random.Generator
) -> Case:
    """Half from the same item, half from anywhere."""
    own = [cases[int(i)] for i in rng.permutation(same)[:n]]
    other = [cases[int(i)] for i in rng.integers(len(cases), size=n // 2)]
    drawn: dict[str, str] = {}
    for each in [*own, *other]:
        if each.question != case.question:
            drawn.update(
                (text, source)
                for text, source, relevant in zip(each.texts, each.sources, each.relevant, strict=True)
                if relevant and text not in case.texts
            )
    page = tuple(int(row) for row in rng.permutation(np.array(case.page, dtype=np.int64))[: n // 2])
    return Case(
        case.question,
        case.item_id,
        (*case.texts, *drawn),
        (*case.sources, *drawn.values()),
        (*case.relevant, *(0.0 for _ in drawn)),
        True,
        case.answer,
        page,
    )


def featurise(
    cases: Sequence[Case], index: PassageIndex, encoder: Encoder, *, with_page: bool
) -> list[Listed]:
    """The features of each case's passages, `with_page` those of the rest of the page too, as irrelevant."""
    vector = vectors_of(cases, encoder)
    return [_listed(case, index, vector, with_page) for case in cases]


def vectors_of(cases: Sequence[Case], encoder: Encoder) -> Callable[[str, str], NDArray[np.float32]]:
    """A function from ('query' or 'passage', text) to its vector, all encoded in two batches."""
    asked = list(dict.fromkeys(case.question for case in cases))
    told = list(dict.fromkeys(text for case in cases for text in case.texts))
    known = {("query", text): v for text, v in zip(asked, encoder.encode(asked, role="query"), strict=True)}
    known |= {("passage", text): v for text, v in zip(told, encoder.encode(told), strict=True)}
    return lambda role, text: known[role, text]


def _listed(
    case: Case, index: PassageIndex, vector: Callable[[str, str], NDArray[np.float32]], with_page: bool
) -> Listed:
    asked = vector("query", case.question)
    topic = index.topic(case.item_id)
    told = np.array([vector("passage", text) for text in case.texts], dtype=np.float32).reshape(
        -1, len(asked)
    )
    found = features(
        case.question, topic, case.texts, case.sources, told @ asked, index.lexical, index.chance(asked)
    )
    relevant = np.array(case.relevant, dtype=np.float32)
    if with_page and case.page:
        rows = np.array(case.page, dtype=np.int64)
        found = np.concatenate([found, index.features(case.question, asked, rows, topic)])
        relevant = np.concatenate([relevant, np.zeros(len(rows), dtype=np.float32)])
    return Listed(found, relevant)
