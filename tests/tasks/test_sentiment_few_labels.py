"""Few labels: opinion words, pseudo-labels from unlabelled reviews, contrastive tuning."""

import math
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from retailor.errors import ConfigError, ModelError
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.heads import Head, fit_head
from retailor.tasks.sentiment.readers.linear import VectorReader
from retailor.tasks.sentiment.readers.opinions import word_polarity
from retailor.tasks.sentiment.readers.panel import PanelReader, _axis, seat
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import unlabelled_texts
from retailor.tasks.sentiment.training.contrastive import label_contrast
from retailor.testing.toys import HashEncoder
from retailor.text.opinions import OpinionWords
from tests.tasks.test_sentiment import encoder, toy_shop

TRAIN = {"layer_decay": 1.0, "batch_size": 16}
QUICK = {"pseudo_rate": 3e-3, "pseudo_epochs": 2.0, "train": TRAIN}


def with_unlabelled(n_labelled: int, n: int, language: str = "en") -> Shop:
    """A toy shop of praise and blame, where only the first few reviews have stars."""
    shop = toy_shop(n, labels=("negative", "positive"), language=language, seed=3)
    known = pl.int_range(pl.len()) < n_labelled
    return shop.with_tables(
        reviews=shop.reviews.with_columns(rating=pl.when(known).then(pl.col("rating")).otherwise(None))
    )


@pytest.mark.parametrize(
    ("text", "votes"),
    [
        ("Great mug, I love it", 2),
        ("not great, a waste", -2),
        ("It isn't a great mug", -1),
        ("Never disappointed", 1),
        ("Who doesn't love gift cards!", 1),
        ("No. And who would not love it?", 1),
        ("What's not to love about a card?", 1),
        ("For people who don't love coffee", -1),
        ("What is not great: the lid.", -1),
        ("the greatest of all", 0),
        ("质量太差，非常失望", -2),
        ("很好，不满意", 0),
        ("没有失望，不错", 2),
        ("", 0),
    ],
)
def test_words_vote_and_a_denied_word_votes_for_the_other_side(text: str, votes: int) -> None:
    assert OpinionWords().votes([text]).tolist() == [votes]


def test_other_words_can_be_given() -> None:
    assert OpinionWords(("prima",), ("schlecht",)).votes(["Prima!", "schlecht", "great"]).tolist() == [
        1,
        -1,
        0,
    ]


def test_company_of_opinion_words_tells_the_polarity_of_others() -> None:
    texts = ["great cosy lamp", "awful wobbly lamp"] * 40
    found = word_polarity(texts, OpinionWords())
    assert found is not None and found.n_votes == (40, 40)
    # each of the words is in all texts of one side and in none of the other: log((40 + 1) / (0 + 1))
    assert math.isclose(found.weights["cosy"], math.log(41), rel_tol=1e-9)
    assert found.weights["lamp"] == 0.0
    cosy, wobbly, unknown = found.scores(["cosy", "wobbly", "zzz"])
    assert cosy > 0 > wobbly and unknown == 0


def test_no_polarity_without_votes() -> None:
    assert word_polarity(["lamp on a desk"] * 500, OpinionWords()) is None


def test_label_contrast_against_plain_loops() -> None:
    rng = np.random.default_rng(0)
    vectors, labels = rng.normal(size=(6, 5)), [0, 1, 0, 2, 1, 0]
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    each = []
    for i in range(6):
        partners = [j for j in range(6) if j != i and labels[j] == labels[i]]
        total = sum(math.exp(unit[i] @ unit[j] / 0.1) for j in range(6) if j != i)
        if partners:
            each.append(-np.mean([unit[i] @ unit[j] / 0.1 - math.log(total) for j in partners]))
    found = label_contrast(torch.tensor(vectors), torch.tensor(labels)).item()
    assert math.isclose(found, float(np.mean(each)), rel_tol=1e-5)


def test_label_contrast_of_lonely_texts_is_zero_with_a_gradient() -> None:
    vectors = torch.ones(2, 3, requires_grad=True)
    value = label_contrast(vectors, torch.tensor([0, 1]))
    value.backward()
    assert value.item() == 0 and vectors.grad is not None


def test_unlabelled_texts_are_those_without_label_and_stars() -> None:
    shop = with_unlabelled(5, 20)
    rest = shop.reviews["text"].to_list()[5:]
    assert unlabelled_texts(shop) == list(dict.fromkeys(rest))


@pytest.mark.parametrize("language", ["en", "zh"])
def test_pseudo_labels_beat_the_frozen_probe_on_few_labels(language: str) -> None:
    settings = SentimentSettings(mode="pseudo-labels", **QUICK)
    reader = SentimentReader(encoder(), settings).fit(with_unlabelled(16, 320, language))
    test = toy_shop(200, labels=("negative", "positive"), language=language, seed=9)
    scores = reader.evaluate(test)
    assert reader.log["chosen"] == "pseudo-labels"
    teachers = reader.log["pseudo_labels"]["teachers"]
    assert teachers[0] == "opinion words" and teachers[-1] == "frozen vectors"
    assert scores.value("retailor", "accuracy") > max(0.9, scores.value("frozen probe", "accuracy"))


def test_fine_tuning_starts_at_the_encoder_tuned_on_pseudo_labels() -> None:
    train = {**TRAIN, "epochs": 2.0, "learning_rate": 1e-6}
    dials = {"mode": "fine-tuned", "few_labels": 0, **QUICK, "train": train}
    readers = {
        start: SentimentReader(encoder(), SentimentSettings(start_encoder=start, **dials)).fit(
            with_unlabelled(16, 320)
        )
        for start in ("given", "pseudo-labels")
    }
    test = toy_shop(200, labels=("negative", "positive"), seed=9)
    accuracy = {
        start: reader.evaluate(test).value("retailor", "accuracy") for start, reader in readers.items()
    }
    assert accuracy["pseudo-labels"] > max(0.9, accuracy["given"])
    log = readers["pseudo-labels"].log
    assert (
        log["chosen"] == "fine-tuned" and log["validation"]["fine-tuned"]["start_encoder"] == "pseudo-labels"
    )
    assert "pseudo_labels" not in readers["given"].log


def test_fine_tuning_starts_as_given_where_no_pseudo_label_can_be_had() -> None:
    chosen = SentimentSettings(
        mode="fine-tuned", start_encoder="pseudo-labels", few_labels=0, train={"max_steps": 1}
    )
    reader = SentimentReader(encoder(), chosen).fit(toy_shop(40))
    assert reader.log["validation"]["fine-tuned"]["start_encoder"] == "given"
    assert "0 unlabelled reviews" in reader.log["not_tried"]["pseudo-labels"]


def test_auto_without_unlabelled_reviews_says_why_it_did_not_try() -> None:
    reader = SentimentReader(encoder()).fit(toy_shop(40))
    assert "0 unlabelled reviews" in reader.log["not_tried"]["panel"]
    assert reader.log["chosen"] == "frozen probe"


def test_a_reader_of_another_shop_can_teach() -> None:
    teacher = SentimentReader(HashEncoder(256), SentimentSettings(mode="tf-idf"))
    teacher.fit(toy_shop(200, labels=("negative", "positive"), seed=5))
    settings = SentimentSettings(mode="pseudo-labels", **QUICK)
    reader = SentimentReader(encoder(), settings).fit(with_unlabelled(16, 300), teacher=teacher)
    assert "another reader" in reader.log["pseudo_labels"]["teachers"]
    assert reader.predict([SentimentQuery("an awful mug on my desk useless")])[0].label == "negative"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_a_panel_reads_with_a_handful_of_labels_and_is_saved(language: str, tmp_path) -> None:
    reader = SentimentReader(encoder()).fit(with_unlabelled(12, 320, language))
    test = toy_shop(100, labels=("negative", "positive"), language=language, seed=9)
    scores = reader.evaluate(test)
    assert reader.log["chosen"] == "panel"
    assert scores.value("retailor", "accuracy") > max(0.9, scores.value("frozen probe", "accuracy"))
    reader.save(tmp_path / "reader")
    queries = [SentimentQuery(text) for text in test.reviews["text"].to_list()[:20]]
    assert SentimentReader.load(tmp_path / "reader").predict(queries) == reader.predict(queries)


def test_a_panel_with_a_teacher_is_saved_with_it(tmp_path) -> None:
    teacher = SentimentReader(HashEncoder(256), SentimentSettings(mode="tf-idf")).fit(toy_shop(200, seed=5))
    reader = SentimentReader(HashEncoder(64), SentimentSettings(mode="panel"))
    reader.fit(with_unlabelled(16, 300), teacher=teacher)
    reader.save(tmp_path / "reader")
    again = SentimentReader.load(tmp_path / "reader")
    query = [SentimentQuery("a great mug on my desk love it"), SentimentQuery("...")]
    assert again.predict(query) == reader.predict(query) and reader.predict(query)[0].label == "positive"


def test_the_axis_is_the_principal_one_that_agrees_with_the_words() -> None:
    draw = np.random.default_rng(0)
    opinion = draw.choice([-1.0, 1.0], 400)
    rows = draw.normal(0, 0.1, (400, 8)) + 5
    rows[:, 0] += draw.normal(0, 3, 400)  # what the texts are about, wider than what they think of it
    rows[:, 3] -= opinion
    told = opinion + draw.normal(0, 1.5, 400)
    found = _axis(rows, told)
    assert found is not None
    margins = found.logits(rows)[:, 1]
    assert (np.sign(margins - np.median(margins)) == opinion).mean() > 0.9
    assert margins.mean() == pytest.approx(0, abs=1e-9)
    assert _axis(rows, draw.normal(size=400)) is None
    assert _axis(np.ones((400, 8)), told) is None  # vectors that are all alike have no axis


def test_labels_are_a_judge_and_read_what_no_opinion_word_says(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    praises = draw.random(400) < 0.5
    sides = {True: ["aster", "birch", "cedar"], False: ["delta", "ember", "fjord"]}
    texts = [
        f"{' '.join(draw.choice(sides[bool(side)], 2))} mug number {i}" for i, side in enumerate(praises)
    ]
    blank = VectorReader(HashEncoder(256), Head(np.zeros((2, 256)), np.zeros(2)), 32)
    rows = blank.vectors(texts, exact=False)
    y = np.where(praises, LABELS.index("positive"), LABELS.index("negative"))
    labelled = fit_head(rows[:40], y[:40], "logistic", 10.0, np.ones(3))
    alone = seat(HashEncoder(256), texts[40:], OpinionWords(), max_texts=400, max_tokens=32)
    told = seat(HashEncoder(256), texts[40:], OpinionWords(), max_texts=400, max_tokens=32, labelled=labelled)
    assert alone.panel is None and told.panel is not None
    assert "labels" in told.panel.judges()
    assert ((told.scores > 0) == praises[40:]).mean() > 0.9
    reader = PanelReader(told.panel, Head(np.eye(3), np.zeros(3)))
    reader.save(tmp_path / "panel")
    again = PanelReader.load(tmp_path / "panel", HashEncoder(256), 32, None)
    queries = [SentimentQuery(text) for text in texts[:20]]
    np.testing.assert_allclose(again.panel.scores(queries), told.panel.scores(queries), atol=1e-5)


def test_pseudo_labels_read_labels_unless_they_are_few() -> None:
    shop = with_unlabelled(40, 320)
    for few_labels, read in ((0, True), (200, False)):
        dials = {"mode": "pseudo-labels", "few_labels": few_labels, **QUICK, "pseudo_epochs": 0.1}
        reader = SentimentReader(encoder(), SentimentSettings(**dials)).fit(shop)
        assert ("labels" in reader.log["pseudo_labels"]["teachers"]) == read


def test_contrastive_tuning_reads_a_toy_shop_and_shows_its_folds() -> None:
    chosen = SentimentSettings(mode="contrastive", contrastive_steps=12, **QUICK)
    reader = SentimentReader(encoder(), chosen).fit(toy_shop(48, labels=("negative", "positive")))
    assert reader.log["validation"]["contrastive"]["n"] == 48
    test = toy_shop(100, labels=("negative", "positive"), seed=9)
    assert reader.evaluate(test).value("retailor", "accuracy") > 0.85


@pytest.mark.parametrize(
    "more",
    [
        {"adversarial": "fgm"},
        {"adversarial": "r-drop"},
        {"mixup": 0.4},
        {"lora_rank": 4},
        {"train": {"unfreeze_every": 1, "schedule": "cosine"}},
        {"train": {"freeze_layers": 1, "accumulate": 2}},
    ],
)
def test_wrappers_change_the_training_and_not_the_road(more: dict[str, Any]) -> None:
    dials = {"mode": "fine-tuned", "few_labels": 0, "augment": {"method": "edits"}, **QUICK, **more}
    dials["train"] = {**TRAIN, "max_steps": 3, **more.get("train", {})}
    reader = SentimentReader(encoder(), SentimentSettings(**dials)).fit(toy_shop(60))
    assert reader.log["chosen"] == "fine-tuned" and len(reader.log["training"]["curve"]) == 3


def test_what_cannot_be_is_said_at_once() -> None:
    with pytest.raises(ModelError, match="cannot be trained"):
        SentimentReader(HashEncoder(), SentimentSettings(mode="contrastive"))
    with pytest.raises(ConfigError, match="candidates"):
        SentimentSettings(candidates=("tf-idf",))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="this network has 2 layers"):
        SentimentReader(encoder(), SentimentSettings(train={"freeze_layers": 9}))
    for more in ({"lora_rank": 4}, {"train": {"freeze_layers": 1}}):
        with pytest.raises(ConfigError, match="word embeddings that it disturbs are frozen"):
            SentimentSettings(adversarial="fgm", **more)  # type: ignore[arg-type]


def test_a_critic_of_domains_uses_the_unlabelled_reviews_and_keeps_what_is_learned() -> None:
    shop = toy_shop(240, labels=("negative", "positive"), seed=3)
    known = pl.int_range(pl.len()) < 160
    shop = shop.with_tables(
        reviews=shop.reviews.with_columns(rating=pl.when(known).then(pl.col("rating")).otherwise(None))
    )
    train = {**TRAIN, "learning_rate": 3e-3, "epochs": 3.0, "validate_every": None}
    dials = {"mode": "fine-tuned", "few_labels": 0, "train": train}
    alone, pressed = (
        SentimentReader(encoder(), SentimentSettings(**dials, domain_weight=weight)).fit(shop)
        for weight in (0.0, 0.3)
    )
    # half as many unlabelled texts beside the labelled ones, in as many steps
    n, more = (reader.log["training"]["examples_seen"] for reader in (alone, pressed))
    assert n < more <= 1.6 * n
    assert pressed.log["training"]["n_parameters_trained"] > alone.log["training"]["n_parameters_trained"]
    test = toy_shop(60, labels=("negative", "positive"), seed=1)
    assert pressed.evaluate(test).value("retailor", "accuracy") > 0.85
    with pytest.raises(ConfigError, match="one of the two"):
        SentimentReader(encoder(), SentimentSettings(domain_weight=0.3, mixup=0.4))


@pytest.mark.parametrize(
    ("mode", "log"),
    [("fine-tuned", "training"), ("contrastive", "contrastive"), ("pseudo-labels", "pseudo_labels")],
)
def test_max_steps_bounds_every_training(mode: str, log: str) -> None:
    chosen = SentimentSettings(mode=mode, few_labels=0, **{**QUICK, "train": {**TRAIN, "max_steps": 2}})  # type: ignore[arg-type]
    made = SentimentReader(encoder(), chosen).fit(with_unlabelled(60, 320)).log[log]
    assert len(made.get("training", made)["curve"]) == 2
