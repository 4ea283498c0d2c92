"""The figures of answers: no list's order helps anybody, a tie is worth the mean of what it may be."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retailor.metrics.generation import token_f1
from retailor.metrics.scores import Scores
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer
from retailor.tasks.answer.ranking.scores import risks
from retailor.testing.toys import HashEncoder

QUESTIONS = {
    "Is the mug safe in a microwave?": ["Yes, in any microwave.", "Blue.", "Made of clay.", "Light."],
    "How tall is the lamp?": ["It is 40 cm tall.", "Black.", "The bulb is extra.", "Tall people like it."],
    "杯子可以放洗碗机吗？": ["可以放洗碗机。", "蓝色。", "很轻。", "送礼很好。"],
}  # fmt: skip


class Mute(HashEncoder):
    """Gives every text the same vector."""

    def encode(self, texts: Sequence[str], *, role: str = "passage") -> NDArray[np.float32]:
        return np.full((len(texts), self.dim), self.dim**-0.5, np.float32)


def asked(order: Sequence[int]) -> Shop:
    """Each question with its passages in this order, the first of each being the one that answers."""
    rows = [
        {
            "question_id": str(i),
            "question": question,
            "answer": texts[0],
            "evidence": [
                {"text": texts[j], "source": "description", "relevance": float(j == 0)} for j in order
            ],
        }
        for i, (question, texts) in enumerate(QUESTIONS.items())
    ]
    items = pl.DataFrame(
        {"item_id": ["m"], "title": ["Mug"], "description": ["A mug of clay, blue and light."]}
    )
    return Shop.of(items=items, questions=pl.DataFrame(rows))


def scores(encoder: HashEncoder, order: Sequence[int]) -> Scores:
    return (
        Answerer(encoder)
        .fit(asked(range(4)).with_tables(questions=Shop.of().questions))
        .evaluate(asked(order))
    )


@pytest.mark.parametrize("encoder", [HashEncoder(), Mute()])
def test_the_order_of_the_list_changes_no_figure(encoder: HashEncoder) -> None:
    first = scores(encoder, (0, 1, 2, 3))
    for order in ((3, 2, 1, 0), (2, 0, 3, 1)):
        for score, other in zip(first, scores(encoder, order), strict=True):
            assert (score.row, score.metric) == (other.row, other.metric)
            assert score.value == pytest.approx(other.value, abs=1e-9), (score.row, score.metric)


def test_an_encoder_that_says_nothing_reads_what_a_random_order_reads() -> None:
    found = scores(Mute(), (0, 1, 2, 3))
    assert found.value("encoder", "map") == pytest.approx(np.mean([1, 1 / 2, 1 / 3, 1 / 4]))
    assert found.value("encoder", "hit@1") == 0.25
    assert found.value("encoder", "ndcg@5") == pytest.approx(np.mean(1 / np.log2([2, 3, 4, 5])))
    # Its quotes are as good as a passage drawn at random.
    drawn = [token_f1(texts, [texts[0]] * 4).mean() for texts in QUESTIONS.values()]
    assert found.value("encoder", "token_f1") == pytest.approx(np.mean(drawn))


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from([0.0, 0.5, 1.0])), min_size=1, max_size=6))
def test_risks_of_equally_sure_answers_are_the_mean_of_all_their_orders(
    trials: list[tuple[int, float]],
) -> None:
    orders = [
        order for order in itertools.permutations(trials) if list(order) == sorted(order, key=lambda t: -t[0])
    ]
    expected = [
        np.cumsum([1 - right for _, right in order]) / np.arange(1, len(trials) + 1) for order in orders
    ]
    sure, right = (np.array(part, float) for part in zip(*trials, strict=True))
    np.testing.assert_allclose(risks(sure, right), np.mean(expected, axis=0), atol=1e-12)


def test_the_log_says_what_answering_more_would_cost() -> None:
    shop = demo_shop(60)
    answerer = Answerer(HashEncoder()).fit(shop)
    answerer.evaluate(shop)
    told = answerer.log["coverage"]
    shares, wrong = zip(*told["risks"], strict=True)
    assert shares[-1] == 100 and list(shares) == sorted(shares) and all(0 <= each <= 1 for each in wrong)
    assert 0 < told["answered_percent"] <= 100 and told["caution"] == round(answerer.ranker.caution, 4)
    assert told["wrong"] <= wrong[-1] + 1e-9
