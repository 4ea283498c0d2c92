"""What a figure, a weight or a calibration is made from has not seen what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer, AnswerSettings
from retailor.tasks.answer.evidence.features import FEATURES
from retailor.tasks.answer.ranking.cases import cases_of
from retailor.tasks.answer.ranking.ranker import Held, Listed, Ranker, choose_ranker, folds_of
from retailor.tasks.recommend.behaviour import _loss as behaviour_loss
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import Head, choose_head, fit_head
from retailor.tasks.sentiment.readers.linear import VectorReader
from retailor.testing.models import tiny_encoder
from retailor.testing.toys import HashEncoder

# search -------------------------------------------------------------------------------------------


class Meaning:
    """Knows two queries, and which item is meant by each; all else is noise."""

    dim = 16
    name = "meaning"
    meant = {"red kettle": "item 3", "blue towel": "item 4"}  # noqa: RUF012

    def encode(self, texts: Sequence[str], *, role: str = "passage") -> NDArray[np.float32]:
        rows = np.zeros((len(texts), self.dim), np.float32)
        for row, text in zip(rows, texts, strict=True):
            told = self.meant.get(text, text)
            number = [int(word) for word in told.split() if word.isdigit()]
            row[number[0] if number else 15] = 1.0
        return rows

    def save(self, folder: Path) -> None:
        raise AssertionError("nothing is saved here")


def judged(**relevant: str) -> Shop:
    titles = [f"item {i}" for i in range(12)]
    titles[1], titles[2] = "item 1 red kettle", "item 2 blue towel"
    queries = {"red": "red kettle", "blue": "blue towel"}
    return Shop.of(
        items=pl.DataFrame({"item_id": [f"i{i}" for i in range(12)], "title": titles}),
        judgments=pl.DataFrame(
            [(queries[name], item, 1.0) for name, item in relevant.items()],
            schema=["query", "item_id", "grade"],
            orient="row",
        ),
    )


def test_a_query_is_scored_with_weights_that_never_saw_its_judgments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Words are right about one query, meaning about the other; each is scored by weights of the other."""
    monkeypatch.setattr("retailor.tasks.search.weights.PULL", 0.0)  # one query says all
    settings = SearchSettings(n_folds=2)
    shop = judged(red="i1", blue="i4")
    scores = Search(Meaning(), settings).fit(shop).evaluate(shop)
    assert scores.value("bm25", "mrr") == pytest.approx(scores.value("encoder", "mrr"))
    assert scores.value("retailor, first look", "mrr") < 0.9 * scores.value("bm25", "mrr")
    # Told another answer to one query, the search still scores that query as it did.
    told = Search(Meaning(), settings).fit(judged(red="i3", blue="i4"))
    for name in ("ndcg@10", "mrr"):
        asked = shop.with_tables(judgments=shop.judgments.filter(query="red kettle"))
        before = Search(Meaning(), settings).fit(shop).evaluate(asked).value("retailor", name)
        assert told.evaluate(asked).value("retailor", name) == before


# answers ------------------------------------------------------------------------------------------

ANSWERED = Shop.of(
    items=pl.DataFrame({"item_id": ["a", "b"], "title": ["Mug", "Lamp"], "description": ["Round.", "Tall."]}),
    questions=pl.DataFrame(
        {
            "question_id": ["1", "2", "3", "4"],
            "item_id": ["a", "a", "b", "b"],
            "question": ["Does it leak?", "Is it heavy?", "Is it loud?", "Does it dim?"],
            "answer": [
                "Watertight as a drum, never leaks.", "Heavy, about a pound.", "Silent, never loud.",
                "Dims by a turning knob.",
            ],
        }
    ),
)  # fmt: skip


def test_the_own_answer_of_a_question_is_no_evidence_for_it() -> None:
    answerer = Answerer(HashEncoder(), None, AnswerSettings(min_questions=5)).fit(ANSWERED)
    index = answerer._fitted()
    cases = cases_of(ANSWERED.questions, index, max_page=40)
    assert len(cases) == 4
    for case, own in zip(cases, ("1", "2", "3", "4"), strict=True):
        others = [index.question_ids[row] for row in case.earlier]
        assert len(others) == 1 and own not in others
        assert not any(index.sources[row] == "answer" for row in case.page)
    # An own answer among the passages would be quoted word for word.
    scores = answerer.evaluate(ANSWERED)
    assert max(scores.value(row, "token_f1") for row in ("bm25", "encoder", "retailor")) < 0.5


@pytest.mark.parametrize("ids", [[None] * 4, ["1", "2", "3", None], ["9", "2", "3", "4"]])
def test_an_own_answer_is_known_by_its_question_where_no_number_tells(ids: list[str | None]) -> None:
    """Null numbers, some null, and a question that was entered again under another number."""
    told = ANSWERED.questions
    index = Answerer(HashEncoder(), None, AnswerSettings(min_questions=5)).fit(ANSWERED)._fitted()
    bare = ANSWERED.with_tables(questions=told.with_columns(question_id=pl.lit(None, pl.String)))
    unnumbered = Answerer(HashEncoder(), None, AnswerSettings(min_questions=5)).fit(bare)._fitted()
    asked = told.with_columns(question_id=pl.Series(ids, dtype=pl.String))
    for one in (index, unnumbered):
        for case, own in zip(cases_of(asked, one, max_page=40), told["answer"], strict=True):
            assert len(case.earlier) == 1 and one.texts[case.earlier[0]] != own


def test_an_answer_of_the_same_number_is_no_evidence_for_another_wording() -> None:
    index = Answerer(HashEncoder(), None, AnswerSettings(min_questions=5)).fit(ANSWERED)._fitted()
    asked = ANSWERED.questions.with_columns(question=pl.lit("In other words?"))
    for case, own in zip(cases_of(asked, index, max_page=40), ANSWERED.questions["answer"], strict=True):
        assert len(case.earlier) == 1 and index.texts[case.earlier[0]] != own


def noise(n: int, seed: int, signal: float) -> list[Listed]:
    """Questions of six passages; the first feature tells the right one a little, the others nothing."""
    rng = np.random.default_rng(seed)
    lists = []
    for _ in range(n):
        features = rng.standard_normal((6, len(FEATURES))).astype(np.float32)
        features[:, FEATURES.index("of_another_kind")] = 0
        features[0, 0] += signal
        lists.append(Listed(features, np.eye(6, dtype=np.float32)[0]))
    return lists


def test_confidence_is_learned_from_questions_that_the_ranker_has_not_seen() -> None:
    """On few questions the ranker knows its own by heart; its confidence must be that on new ones.

    Each new question is asked twice, the second time without its answer, as calibration does.
    """
    sure, right = [], []
    for seed in range(6):
        lists = noise(40, seed, signal=2.0)
        folds = folds_of([str(i) for i in range(len(lists))], seed=seed)
        ranker, _ = choose_ranker(lists, folds, {"questions": Held(lists, folds)})
        for each in noise(200, seed + 100, signal=2.0):
            logits = ranker.logits(each.features)
            sure += [ranker.confidence(float(logits.max())), ranker.confidence(float(logits[1:].max()))]
            right += [float(np.argmax(logits) == 0), 0.0]
    assert np.mean(right) - 0.08 < np.mean(sure) < np.mean(right) + 0.03


# sentiment ----------------------------------------------------------------------------------------


class Stop(Exception):
    pass


def test_the_head_that_fine_tuning_starts_at_has_not_seen_the_held_out_texts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    rng = np.random.default_rng(0)
    words = ["a", "red", "blue", "mug", "lamp", "broke", "fine", "good", "bad", "it", "was"]
    texts = [" ".join(rng.permutation(words)) + f" {i}" for i in range(90)]
    shop = Shop.of(
        reviews=pl.DataFrame(
            {
                "review_id": [str(i) for i in range(90)],
                "text": texts,
                "rating": rng.choice([1.0, 3.0, 5.0], 90).tolist(),
                "language": ["en"] * 90,
            }
        )
    )
    seen: dict[str, Any] = {}

    def stop(encoder: Any, start: Any, examples: Any, held: Any, weights: Any, *_: Any) -> None:
        seen.update(start=start, examples=examples, held=held, weights=weights)
        raise Stop

    monkeypatch.setattr("retailor.tasks.sentiment.training.tuned.fine_tune", stop)
    task = SentimentReader(tiny_encoder(), SentimentSettings(mode="fine-tuned"))
    with pytest.raises(Stop):
        task.fit(shop)
    examples, held = seen["examples"], seen["held"]
    assert len(held) and len(examples) + len(held) == 90
    assert not {q.text for q in examples.queries} & {q.text for q in held.queries}
    blank = VectorReader(tiny_encoder(), Head(np.zeros((0, 0)), np.zeros(0)), SentimentSettings().max_tokens)

    def head(queries: list[Any], y: Any, strength: float) -> Head:
        rows = blank.vectors(blank.inputs(queries), exact=False)
        return fit_head(rows, y, "logistic", strength, seen["weights"])

    def nearest(queries: list[Any], y: Any) -> float:
        """How far the start is from a head of these texts, at the strength that fits best."""
        heads = [head(queries, y, strength) for strength in SentimentSettings().strengths]
        return min(float(np.abs(one.weight - seen["start"].weight).max()) for one in heads)

    without = nearest(list(examples.queries), examples.y)
    both = nearest([*examples.queries, *held.queries], np.concatenate([examples.y, held.y]))
    assert without < 1e-6 < 1e-3 < both


@pytest.mark.parametrize("temperature", [0.5, 1.0, 4.0])
def test_a_temperature_is_applied_to_what_is_said(temperature: float) -> None:
    rng = np.random.default_rng(0)
    rows, weight = rng.normal(size=(20, 4)), rng.normal(size=(3, 4))
    scaled = Head(weight / temperature, np.zeros(3))
    said = Head(weight, np.zeros(3), temperature=temperature).probabilities(rows)
    np.testing.assert_allclose(said, scaled.probabilities(rows))
    words, network = (rng.dirichlet(np.ones(3), 20) for _ in range(2))
    both: Any = BlendedReader(None, None, 0.3, temperature).of(words, network)  # type: ignore[arg-type]
    logits = (0.3 * np.log(words) + 0.7 * np.log(network)) / temperature
    np.testing.assert_allclose(both, np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True))
    assert temperature == 1.0 or np.abs(said - Head(weight, np.zeros(3)).probabilities(rows)).max() > 0.05


def test_a_chosen_head_keeps_the_temperature_that_was_calibrated() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 90)
    rows = np.eye(3)[y] + rng.normal(0, 1, (90, 3))
    fitted = choose_head(rows, y, "logistic", [100.0], np.ones(3), None, 0)
    assert fitted.head.temperature == pytest.approx(fitted.figures["temperature"])
    assert abs(fitted.head.temperature - 1) > 0.01


# recommend ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("temperature", [0.05, 0.5, 2.0])
def test_learning_from_behaviour_is_at_the_temperature_that_was_set(temperature: float) -> None:
    """Two orthogonal pairs, each the other's wrong answer: a loss of log(1 + exp(−1 / temperature))."""

    class Same:
        def vectors(self, tokens: dict[str, Any]) -> Any:
            return tokens["ids"]

    eye = torch.eye(2)
    batch = {"ids": eye, "left": eye, "right": torch.arange(2), "chosen": torch.arange(2),
             "owned": torch.full((2, 1), -1)}  # fmt: skip
    found = float(behaviour_loss(Same(), temperature)(None, batch))  # type: ignore[arg-type]
    assert found == pytest.approx(np.log1p(np.exp(-1 / temperature)), rel=1e-4, abs=1e-7)


@pytest.mark.parametrize(("slope", "offset"), [(0.5, 0.0), (2.0, -1.0)])
def test_confidence_in_an_answer_is_at_the_slope_and_offset_that_were_calibrated(
    slope: float, offset: float
) -> None:
    ranker = Ranker(np.zeros(len(FEATURES)), 0.0, slope, offset)
    for logit in (-1.0, 0.3, 2.0):
        assert ranker.confidence(logit) == pytest.approx(1 / (1 + np.exp(-(slope * logit + offset))))
