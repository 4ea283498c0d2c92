"""The sentiment reader on toy shops whose stars follow a lexicon, so that a tiny network must learn them."""

import json
import re
from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from tokenizers import BertWordPieceTokenizer
from transformers import BertConfig, BertModel, BertTokenizerFast

from retailor.errors import ConfigError, DataError, ModelError
from retailor.models.local import LocalEncoder, load_encoder
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import AspectReview, SentimentReader, SentimentSettings
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.testing.tasks import TaskContract
from retailor.testing.toys import HashEncoder

WORDS = {
    "en": {
        "negative": ["broke", "awful", "refund", "useless"],
        "neutral": ["okay", "average", "acceptable", "fine"],
        "positive": ["great", "love", "excellent", "perfect"],
    },
    "zh": {
        "negative": ["很差", "失望", "退货", "坏了"],
        "neutral": ["一般", "还行", "凑合", "普通"],
        "positive": ["很好", "喜欢", "满意", "完美"],
    },
}
FILLER = {
    "en": [
        "the",
        "mug",
        "arrived",
        "on",
        "monday",
        "and",
        "i",
        "put",
        "it",
        "on",
        "my",
        "desk",
        "by",
        "a",
        "lamp",
    ],
    "zh": ["杯子", "周一", "到", "的", "放", "在", "桌上", "旁边", "有", "灯"],
}
STARS = {"negative": 1.0, "neutral": 3.0, "positive": 5.0}


def toy_text(rng: np.random.Generator, label: str, language: str = "en") -> str:
    words = list(rng.choice(FILLER[language], 6))
    for word in rng.choice(WORDS[language][label], 2):
        words.insert(int(rng.integers(0, len(words) + 1)), word)
    return ("" if language == "zh" else " ").join(words)


def toy_shop(n: int, *, labels=LABELS, shares=None, language: str = "en", seed: int = 0) -> Shop:
    rng = np.random.default_rng(seed)
    drawn = rng.choice(labels, n, p=shares)
    return Shop.of(
        reviews=pl.DataFrame(
            {
                "review_id": [str(i) for i in range(n)],
                "rating": [STARS[label] for label in drawn],
                "text": [toy_text(rng, label, language) for label in drawn],
                "language": [language] * n,
            }
        )
    )


@cache
def encoder() -> LocalEncoder:
    """A tiny BERT over whole words. (Training a tokenizer breaks ties at random, and so would the tests.)"""
    texts = toy_shop(300).reviews["text"].to_list() + toy_shop(200, language="zh").reviews["text"].to_list()
    pieces = sorted({word for text in texts for word in re.findall(r"[a-z]+|[\u4e00-\u9fff]", text)})
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *pieces]
    made = BertWordPieceTokenizer(vocab={word: i for i, word in enumerate(vocabulary)})
    config = BertConfig(
        vocab_size=len(vocabulary),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = BertModel(config).eval()
    tokenizer = BertTokenizerFast(tokenizer_object=made._tokenizer, model_max_length=128)
    return LocalEncoder(network, tokenizer, name="words", max_tokens=128, precision="32")


def trained(mode: str = "auto", **more) -> SentimentReader:
    return SentimentReader(encoder(), SentimentSettings(mode=mode, **more))


TUNE = {
    "train": {
        "epochs": 6.0,
        "learning_rate": 3e-3,
        "layer_decay": 1.0,
        "batch_size": 16,
        "validate_every": 20,
    }
}
QUERIES = [
    SentimentQuery("i put the great mug on my desk love it"),
    SentimentQuery("the awful lamp broke on my desk"),
    SentimentQuery("..."),
    SentimentQuery("okay and average " * 60),
    SentimentQuery("great mug, but the lamp is useless", aspect="lamp"),
]


class TestFineTuned(TaskContract):
    baselines = ("majority", "tf-idf", "nb-svm", "frozen probe")

    def shop(self) -> Shop:
        return toy_shop(300)

    def test_shop(self) -> Shop:
        return toy_shop(60, seed=1)

    test_shop.__test__ = False  # type: ignore[attr-defined]

    def task(self) -> SentimentReader:
        return trained("fine-tuned", **TUNE)

    def queries(self) -> list[SentimentQuery]:
        return QUERIES

    def test_it_learns_the_lexicon(self, fitted: SentimentReader) -> None:
        scores = fitted.evaluate(self.test_shop())
        assert scores.value("retailor", "accuracy") > 0.9
        assert scores.value("majority", "accuracy") < 0.6
        labels = [answer.label for answer in fitted.predict(QUERIES[:2])]
        assert labels == ["positive", "negative"]

    def test_probabilities_are_over_the_three_labels(self, fitted: SentimentReader) -> None:
        for query, answer in zip(QUERIES, fitted.predict(QUERIES), strict=True):
            assert tuple(answer.probabilities) == LABELS
            assert sum(answer.probabilities.values()) == pytest.approx(1, abs=2e-4)
            if query.text == "...":
                assert answer.label == "unknown"
            else:
                assert answer.probabilities[answer.label] == max(answer.probabilities.values())

    def test_an_aspect_is_read_from_its_own_clause(self, fitted: SentimentReader) -> None:
        query = SentimentQuery("the awful lamp on my desk useless, but i love the great mug", aspect="lamp")
        assert fitted.predict([query])[0].label == "negative"

    def test_the_log_is_plain_json_and_tells_how_it_was_made(self, fitted: SentimentReader) -> None:
        log = json.loads(json.dumps(fitted.log))
        assert log["chosen"] == "fine-tuned" and log["mode"] == "fine-tuned"
        assert set(log["validation"]) == {"tf-idf", "nb-svm", "frozen probe", "fine-tuned", "blended"}
        assert log["training"]["curve"][0][1] > log["training"]["curve"][-1][1]
        assert log["n_validation"] == pytest.approx(0.1 * log["n_labelled"], abs=3)

    def test_the_encoder_opens_in_sentence_transformers(
        self, fitted: SentimentReader, tmp_path: Path
    ) -> None:
        from sentence_transformers import SentenceTransformer

        fitted.save(tmp_path / "task")
        judge = SentenceTransformer(str(tmp_path / "task" / "encoder"), device="cpu")
        ours = load_encoder(tmp_path / "task" / "encoder")
        texts = ["great mug", "awful lamp on my desk"]
        np.testing.assert_allclose(judge.encode(texts), ours.encode(texts), atol=1e-5)

    def test_in_bulk_it_reads_the_same_by_the_encoder_itself(
        self, fitted: SentimentReader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked: list[int] = []
        encode = type(fitted.encoder).encode
        monkeypatch.setattr(
            type(fitted.encoder),
            "encode",
            lambda self, texts, **k: asked.append(1) or encode(self, texts, **k),
        )
        expected = [answer.label for answer in fitted.predict(QUERIES)]
        assert not asked, "one answer at a time is exact"
        assert [answer.label for answer in fitted.in_bulk().predict(QUERIES)] == expected and asked

    def test_another_encoder_can_take_its_place(self, fitted: SentimentReader) -> None:
        twin = fitted.with_encoder(fitted.encoder)
        assert twin.predict(QUERIES) == fitted.predict(QUERIES)
        with pytest.raises(ModelError, match="64 dimensions, the reader needs 32"):
            fitted.with_encoder(HashEncoder(64))


class TestFrozenAndFew(TaskContract):
    """An encoder that cannot be trained, and few labels: 'auto' takes the probe."""

    baselines = ("majority", "tf-idf", "nb-svm", "frozen probe")

    def shop(self) -> Shop:
        return toy_shop(60)

    def test_shop(self) -> Shop:
        return toy_shop(90, seed=1)

    test_shop.__test__ = False  # type: ignore[attr-defined]

    def task(self) -> SentimentReader:
        return SentimentReader(HashEncoder())

    def queries(self) -> list[SentimentQuery]:
        return QUERIES

    def test_the_probe_answers(self, fitted: SentimentReader) -> None:
        assert fitted.log["chosen"] == "frozen probe" and "fewer than 200" in fitted.log["why"]
        assert fitted.log["held_out"] == "five folds, in turn"
        assert fitted.evaluate(self.test_shop()).value("retailor", "accuracy") > 0.8


class TestWords(TaskContract):
    baselines = ("majority", "tf-idf", "nb-svm")

    def shop(self) -> Shop:
        return toy_shop(120, language="zh")

    def task(self) -> SentimentReader:
        return SentimentReader(HashEncoder(), SentimentSettings(mode="tf-idf"))

    def queries(self) -> list[SentimentQuery]:
        return [SentimentQuery("杯子很好，喜欢"), SentimentQuery("坏了，退货"), SentimentQuery("...")]

    def test_it_reads_chinese(self, fitted: SentimentReader) -> None:
        assert [a.label for a in fitted.predict(self.queries()[:2])] == ["positive", "negative"]
        assert fitted.evaluate(toy_shop(60, language="zh", seed=1)).value("tf-idf", "accuracy") > 0.95


class TestNaiveBayesWords(TestWords):
    def task(self) -> SentimentReader:
        return SentimentReader(HashEncoder(), SentimentSettings(mode="nb-svm"))

    def test_it_opens_again_as_it_was(self, fitted: SentimentReader, tmp_path: Path) -> None:
        assert fitted.log["chosen"] == "nb-svm" and fitted.encoder is None
        fitted.save(tmp_path / "task")
        again = SentimentReader.load(tmp_path / "task")
        assert again.predict(self.queries()) == fitted.predict(self.queries())


def test_auto_takes_the_best_on_validation_and_says_so() -> None:
    reader = trained("auto", **TUNE).fit(toy_shop(260))
    figures = {row: found["log_loss"] for row, found in reader.log["validation"].items()}
    assert set(figures) == {"tf-idf", "nb-svm", "frozen probe", "fine-tuned", "blended"}
    assert figures[reader.log["chosen"]] <= min(figures.values()) + 0.01
    assert "log_loss" in reader.log["why"]


@pytest.mark.parametrize(
    ("n", "asked", "stop_by"),
    [(60, "auto", "last"), (60, "accuracy", "accuracy"), (420, "auto", "macro_f1")],
)
def test_few_held_out_texts_do_not_choose_between_weights(n: int, asked: str, stop_by: str) -> None:
    shop = toy_shop(n)
    reader = trained("fine-tuned", few_labels=0, validation=0.5, train={"max_steps": 2}, stop_by=asked)
    reader.fit(shop)
    assert reader.log["validation"]["fine-tuned"]["stop_by"] == stop_by
    training = reader.log["training"]
    assert (stop_by == "last") == (not training["validations"])
    assert stop_by != "last" or training["best_step"] == 2


def test_auto_without_a_trainable_encoder_says_what_it_did_not_try() -> None:
    reader = SentimentReader(HashEncoder()).fit(toy_shop(260))
    why = "the encoder 'hash-64' cannot be trained"
    assert reader.log["not_tried"] == {"fine-tuned": why, "blended": why}


@pytest.mark.parametrize("mode", ["frozen", "tf-idf", "nb-svm", "fine-tuned", "blended"])
def test_a_label_that_training_never_had_is_never_predicted(mode: str, tmp_path: Path) -> None:
    reader = trained(mode, train={"max_steps": 20, "learning_rate": 3e-3})
    reader.fit(toy_shop(240, labels=("negative", "positive")))
    assert reader.log["absent_labels"] == ["neutral"]
    answers = reader.predict([SentimentQuery(text) for text in toy_shop(30, seed=2).reviews["text"]])
    assert {answer.label for answer in answers} == {"negative", "positive"}
    assert all(answer.probabilities["neutral"] == 0 for answer in answers)
    scores = reader.evaluate(toy_shop(30, labels=("negative", "positive"), seed=3))
    assert scores.value("retailor", "accuracy") > 0.6


def test_weights_help_the_rare_labels_of_a_lopsided_shop() -> None:
    shares = [0.04, 0.03, 0.93]
    shop, test = toy_shop(400, shares=shares), toy_shop(400, shares=shares, seed=1)

    def recall(how: str) -> float:
        # sixteen dimensions for thirty words: the labels overlap, as they do in a real shop
        settings = SentimentSettings(mode="frozen", class_weights=how, strengths=(10.0,))
        reader = SentimentReader(HashEncoder(16), settings).fit(shop)
        return reader.evaluate(test).value("retailor", "balanced_accuracy")

    assert recall("balanced") > recall("none") + 0.05


def test_labels_come_before_stars_and_automatic_titles_are_left_out() -> None:
    reviews = pl.DataFrame(
        {
            "title": ["Five Stars", "Love it", None, None],
            "text": ["broke", "Love it so much", "", "never rated"],
            "rating": [5.0, 5.0, 3.0, None],
            "label": ["negative", None, None, None],
        }
    )
    from retailor.tasks.sentiment.texts import read_examples

    found = read_examples(Shop.of(reviews=reviews), once=True)
    assert [query.text for query in found.queries] == ["broke", "Love it so much"]
    assert [LABELS[i] for i in found.y] == ["negative", "positive"]
    assert found.dropped == {"unlabelled": 1, "empty": 1, "repeated": 0}


def test_repeated_texts_cannot_sit_on_both_sides_of_the_validation() -> None:
    from retailor.tasks.sentiment.texts import read_examples

    shop = toy_shop(20)
    twice = shop.with_tables(reviews=pl.concat([shop.reviews, shop.reviews]))
    found = read_examples(twice, once=True)
    assert len(set(found.queries)) == len(found) == 40 - found.dropped["repeated"]
    assert len(read_examples(twice, once=False)) == 40


def test_one_label_is_nothing_to_learn() -> None:
    with pytest.raises(DataError, match="at least two labels, and all 50 are 'positive'"):
        SentimentReader(HashEncoder()).fit(toy_shop(50, labels=("positive",)))
    unrated = toy_shop(5)
    blank = unrated.with_tables(reviews=unrated.reviews.with_columns(rating=pl.lit(None)))
    with pytest.raises(DataError, match="with a label or a rating"):
        SentimentReader(HashEncoder()).fit(blank)


def test_what_cannot_be_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match="'hash-64' cannot be trained"):
        SentimentReader(HashEncoder(), SentimentSettings(mode="fine-tuned"))
    with pytest.raises(ModelError, match="call fit"):
        SentimentReader(HashEncoder()).predict([SentimentQuery("great")])
    with pytest.raises(ConfigError, match="Did you mean 'epochs'"):
        SentimentSettings(train={"epoch": 2})
    with pytest.raises(ConfigError, match=r"no setting 'epochs' here: it is 'train\.epochs'"):
        SentimentSettings(epochs=2)
    with pytest.raises(ConfigError, match="'dropout'"):
        SentimentSettings(dropout=1.4)


def test_aspects_of_one_sentence_are_told_apart_when_trained_on() -> None:
    rng = np.random.default_rng(0)

    def pairs(n: int) -> list[AspectReview]:
        made = []
        for _ in range(n):
            first, second = rng.choice(["negative", "positive"], 2)
            text = f"mug {rng.choice(WORDS['en'][first])} . lamp {rng.choice(WORDS['en'][second])}"
            made += [AspectReview(text, "mug", str(first)), AspectReview(text, "lamp", str(second))]
        return made

    reader = SentimentReader(HashEncoder(256), SentimentSettings(mode="frozen"))
    reader.fit(Shop.of(), aspects=pairs(150))
    test = pairs(60)
    scores = reader.evaluate(Shop.of(), aspects=test)
    assert scores.value("retailor", "accuracy") > 0.95
    assert scores.value("tf-idf", "accuracy") > 0.95
    text = "mug great . lamp useless"
    found = reader.predict([SentimentQuery(text, "mug"), SentimentQuery(text, "lamp")])
    assert [answer.label for answer in found] == ["positive", "negative"]
    with pytest.raises(DataError, match="label 'good'"):
        reader.fit(Shop.of(), aspects=[AspectReview("a mug", "mug", "good")])


def test_the_same_seed_gives_the_same_reader() -> None:
    def answers() -> list:
        return trained("fine-tuned", train={"max_steps": 8}).fit(toy_shop(220)).predict(QUERIES)

    assert answers() == answers()


def test_a_killed_fit_goes_on_from_its_work_folder(tmp_path: Path) -> None:
    first = trained("fine-tuned", train={"max_steps": 8}).fit(toy_shop(220), work=tmp_path)
    again = trained("fine-tuned", train={"max_steps": 8}).fit(toy_shop(220), work=tmp_path)
    assert again.predict(QUERIES) == first.predict(QUERIES)
    assert again.log["training"]["curve"] == first.log["training"]["curve"]


def test_buckets_by_language_and_stars() -> None:
    both = Shop.of(reviews=pl.concat([toy_shop(90).reviews, toy_shop(90, language="zh").reviews]))
    scores = SentimentReader(HashEncoder()).fit(both).evaluate(both)
    buckets = {score.bucket for score in scores}
    assert buckets == {"all", "language en", "language zh", "rating 1", "rating 3", "rating 5"}
    assert {s.metric for s in scores if s.bucket == "rating 1"} == {"accuracy"}


@pytest.mark.parametrize("text", ["", "   ", "\n"])
def test_an_empty_text_is_an_error(text: str) -> None:
    reader = SentimentReader(HashEncoder(64), SentimentSettings(mode="tf-idf")).fit(toy_shop(60))
    with pytest.raises(DataError, match="query 2 is empty"):
        reader.predict([SentimentQuery("great"), SentimentQuery(text)])


def test_a_text_that_says_nothing_is_unknown_with_the_shares_of_training() -> None:
    reader = SentimentReader(HashEncoder(64), SentimentSettings(mode="tf-idf")).fit(toy_shop(60))
    for answer in reader.predict(
        [SentimentQuery(text) for text in ("...", "<br>", "?!", "https://a.example/b")]
    ):
        assert answer.label == "unknown"
        assert list(answer.probabilities.values()) == pytest.approx(reader._made.prior.tolist(), abs=1e-4)
    assert reader.predict([SentimentQuery("great ...")])[0].label != "unknown"
