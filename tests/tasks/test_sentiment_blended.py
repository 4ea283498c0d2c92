"""A fine-tuned network and the words, heard together."""

from pathlib import Path

import numpy as np
import pytest

from retailor.metrics.classify import log_loss_cases
from retailor.shop.tables import Shop
from retailor.tasks.sentiment import SentimentReader
from retailor.tasks.sentiment.readers.blended import BlendedReader, blended, mixed
from retailor.tasks.sentiment.readers.heads import Head, softmax, temperature_of
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.testing.tasks import TaskContract
from retailor.testing.toys import HashEncoder
from tests.tasks.test_sentiment import QUERIES, TUNE, toy_shop, trained


class TestBlended(TaskContract):
    baselines = ("majority", "tf-idf", "nb-svm", "frozen probe", "retailor without words")

    def shop(self) -> Shop:
        return toy_shop(300)

    def test_shop(self) -> Shop:
        return toy_shop(60, seed=1)

    test_shop.__test__ = False  # type: ignore[attr-defined]

    def task(self) -> SentimentReader:
        return trained("blended", **TUNE)

    def queries(self) -> list[SentimentQuery]:
        return QUERIES

    def test_it_learns_the_lexicon_and_opens_again(self, fitted: SentimentReader, tmp_path: Path) -> None:
        log = fitted.log["validation"]
        assert fitted.log["chosen"] == "blended"
        assert log["blended"]["words"] == min(("tf-idf", "nb-svm"), key=lambda row: log[row]["log_loss"])
        assert fitted.evaluate(self.test_shop()).value("retailor", "accuracy") > 0.9
        queries = [SentimentQuery("a great mug"), SentimentQuery("..."), SentimentQuery("broke at once")]
        rows, _ = fitted.readings(queries)["retailor"]
        told = [list(answer.probabilities.values()) for answer in fitted.predict(queries)]
        assert rows == pytest.approx(np.array(told), abs=1e-4)
        fitted.save(tmp_path / "reader")
        again = SentimentReader.load(tmp_path / "reader")
        assert again.evaluate(self.test_shop()).value("retailor without words", "accuracy") is not None
        assert again.with_encoder(again.encoder).predict(QUERIES) == fitted.predict(QUERIES)  # type: ignore[arg-type]


def readers() -> tuple[WordReader, VectorReader]:
    blank = Head(np.zeros((3, 0)), np.zeros(3))
    return WordReader({}, np.zeros(0), blank), VectorReader(HashEncoder(), blank, 32)


def test_the_share_of_the_words_is_the_one_with_the_least_loss() -> None:
    draw = np.random.default_rng(0)
    y = draw.integers(0, 3, 400)
    told = np.eye(3)[y]
    words, tuned = told + draw.normal(0, 0.8, told.shape), told + draw.normal(0, 0.8, told.shape)
    both, figures, logits = blended(*readers(), words, tuned, y)
    assert 0.3 < both.share < 0.7

    def loss(share: float) -> float:
        logits = mixed(softmax(words), softmax(tuned), share)
        return float(log_loss_cases(y, softmax(logits / temperature_of(logits, y))).mean())

    assert loss(both.share) <= min(loss(0.0), loss(0.95))
    assert figures["accuracy"] > (tuned.argmax(axis=1) == y).mean()
    assert figures["accuracy"] == pytest.approx((logits.argmax(axis=1) == y).mean())


def test_words_that_say_nothing_are_left_out() -> None:
    draw = np.random.default_rng(0)
    y = draw.integers(0, 3, 400)
    told = np.eye(3)[y] * 2 + draw.normal(0, 0.5, (400, 3))
    both, _, _ = blended(*readers(), draw.normal(0, 1, told.shape), told, y)
    assert both.share <= 0.1
    assert isinstance(both, BlendedReader) and both.probabilities([]).shape == (0, 3)
    logits = mixed(softmax(told), softmax(told * 2), 0.25)
    assert softmax(logits) == pytest.approx(softmax(told * 1.75))
