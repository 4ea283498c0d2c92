"""The parts of the sentiment reader: clauses, cuts, n-grams, calibration."""

import re
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import normalize
from sklearn.svm import LinearSVC

from retailor.metrics.classify import ece
from retailor.tasks.sentiment import SentimentSettings
from retailor.tasks.sentiment.choice import choose, choose_by_loss
from retailor.tasks.sentiment.fit import fit_readers
from retailor.tasks.sentiment.fitting import training_of
from retailor.tasks.sentiment.readers.heads import (
    Head,
    calibration,
    class_weights,
    fit_head,
    softmax,
    temperature_of,
)
from retailor.tasks.sentiment.readers.linear import WordReader, ngrams
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import (
    Examples,
    MiddleCut,
    about,
    folds,
    review_text,
    says_something,
    stratified,
)
from retailor.testing.models import tiny_encoder


@pytest.mark.parametrize(
    ("text", "aspect", "found"),
    [
        ("Great screen, but the battery died.", "battery", "but the battery died."),
        ("Great screen but poor batteries", "screen", "Great screen"),
        ("I like it. The keys are stiff! Fast shipping.", "key", "The keys are stiff!"),
        ("The battery, however, is awful. Nice case.", "battery", "The battery, however, is awful."),
        ("屏幕很好，但是电池不行。物流快", "电池", "但是电池不行。"),
        ("屏幕很好但电池不行", "屏幕", "屏幕很好"),
        ("不但便宜而且好用", "便宜", "不但便宜而且好用"),
        ("Nothing of the kind here.", "battery", "Nothing of the kind here."),
        ("Batteryless design. Fine.", "battery", "Batteryless design. Fine."),
        ("", "battery", ""),
    ],
)
def test_about(text: str, aspect: str, found: str) -> None:
    assert about(text, aspect) == found


@settings(deadline=None, max_examples=50)
@given(st.text(max_size=60), st.text(min_size=1, max_size=5))
def test_about_never_fails_and_adds_no_characters(text: str, aspect: str) -> None:
    assert set(about(text, aspect)) <= set(text) | {" "}


def test_review_text() -> None:
    assert review_text("Great mug", "Holds a lot.") == "Great mug. Holds a lot."
    assert review_text("Great mug!", "Holds a lot.") == "Great mug! Holds a lot."
    assert review_text("很好", "质量不错") == "很好。质量不错"
    assert review_text("Five Stars", "Holds a lot.") == "Holds a lot."
    assert review_text("Great", "Great mug") == "Great mug"
    assert review_text("Great", None) == "Great" and review_text(None, None) == ""


@pytest.mark.parametrize("tokenizer", [None, tiny_encoder().tokenizer], ids=["words", "pieces"])
def test_a_cut_text_keeps_both_ends_and_fits(tokenizer) -> None:
    cut = MiddleCut(tokenizer)
    words = [f"w{i}" for i in range(200)]
    short = cut(" ".join(words), 40)
    assert short.startswith("w0 w1") and short.endswith("w199")
    assert len(cut._spans(short)) <= 41
    assert cut("a short text", 40) == "a short text"
    assert cut("红色陶瓷杯" * 30, 10).endswith("瓷杯")


def test_ngrams_of_words_and_characters() -> None:
    assert list(ngrams("Don't buy it")) == ["don't", "buy", "don't buy", "it", "buy it"]
    assert list(ngrams("很好用")) == ["很", "好", "用", "很好", "好用", "很好用"]
    assert list(ngrams("USB 线 ok")) == ["usb", "线", "ok"]


def test_words_match_the_vectors_of_scikit_learn(tmp_path) -> None:
    from sklearn.feature_extraction.text import TfidfVectorizer

    texts = ["great mug great", "awful mug", "great lamp 很好"]
    reader = WordReader.counted([SentimentQuery(t) for t in texts], 1, 100)
    judge = TfidfVectorizer(analyzer=ngrams, sublinear_tf=True).fit(texts)
    np.testing.assert_allclose(
        reader.features([SentimentQuery(t) for t in texts]).toarray(), judge.transform(texts).toarray()
    )


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", ["svm", "logistic"])
def test_heads_decide_as_scikit_learn_does(kind: str, n_classes: int) -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, n_classes, 200)
    rows = rng.normal(size=(200, 5)) + 2 * np.eye(5)[y]
    weights = np.ones(3)
    head = fit_head(rows, y, kind, 1.0, weights)
    judge = LinearSVC(C=1.0, random_state=0) if kind == "svm" else LogisticRegression(C=1.0)
    judge.fit(rows, y)
    assert (head.logits(rows).argmax(axis=1) == judge.predict(rows)).mean() > 0.99
    if kind == "logistic":
        np.testing.assert_allclose(
            head.probabilities(rows)[:, :n_classes], judge.predict_proba(rows), atol=1e-4
        )


def bags(n: int, n_classes: int, seed: int = 0) -> tuple[Any, Any]:
    """Sparse unit rows of forty words, and labels: each class has words that it uses more."""
    from scipy import sparse

    rng = np.random.default_rng(seed)
    y = rng.integers(0, n_classes, n)
    often = np.where(np.arange(40) % n_classes == y[:, None], 0.6, 0.15)
    counts = rng.poisson(often).astype(np.float64)
    return normalize(sparse.csr_matrix(counts)), y


@pytest.mark.parametrize("n_classes", [2, 3])
def test_an_nb_svm_is_an_svm_over_unit_rows_of_scaled_features(n_classes: int) -> None:
    (rows, y), (others, _) = bags(300, n_classes), bags(50, n_classes, seed=1)
    head = fit_head(rows, y, "nb-svm", 0.3, np.ones(3))
    found = head.logits(others)
    for label in (1,) if n_classes == 2 else (0, 1, 2):
        inside, dense = y == label, rows.toarray()
        here, there = ((dense[part] > 0).sum(axis=0) + 1 for part in (inside, ~inside))
        ratio = np.log(here / here.sum()) - np.log(there / there.sum())
        judge = LinearSVC(C=0.3, random_state=0, max_iter=5000).fit(normalize(dense * ratio), inside)
        np.testing.assert_allclose(
            found[:, label], judge.decision_function(normalize(others.toarray() * ratio)), atol=1e-3
        )


def test_an_nb_svm_says_the_bias_of_a_text_without_its_words_and_survives_its_file(tmp_path) -> None:
    from retailor.tasks.sentiment.readers.heads import read_head

    rows, y = bags(100, 2)
    head = fit_head(rows, y, "nb-svm", 1.0, np.array([0.5, 1.0, 1.5]))
    assert (head.logits(rows[:1] * 0) == head.bias).all()
    head.save(tmp_path / "head.safetensors")
    again, _ = read_head(tmp_path / "head.safetensors")
    assert (again.probabilities(rows) == head.probabilities(rows)).all()


def test_an_nb_svm_hears_a_heavy_class_sooner() -> None:
    rows, y = bags(400, 2)

    def n_second(weight: float) -> int:
        head = fit_head(rows, y, "nb-svm", 0.01, np.array([1.0, weight, 0.0]))
        return int((head.logits(rows)[:, :2].argmax(axis=1) == 1).sum())

    assert n_second(4.0) > n_second(1.0) > n_second(0.25)


def test_a_temperature_mends_too_sure_a_reader() -> None:
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(2000, 3)) * 2
    y = np.array([rng.choice(3, p=row) for row in softmax(logits)])
    sure = logits * 4
    assert temperature_of(sure, y) == pytest.approx(4, rel=0.15)
    figures = calibration(sure, y)
    assert figures["ece_before"] > 0.15 and figures["ece_after"] < 0.05
    assert ece(y, softmax(sure / figures["temperature"])) < 0.05
    assert figures["n"] == 2000


def test_a_handful_of_right_answers_does_not_ask_for_certainty() -> None:
    assert temperature_of(np.eye(3) * 5, np.arange(3)) > 0.3
    assert temperature_of(np.zeros((0, 3)), np.zeros(0, dtype=np.int64)) == 1.0


def test_weights_that_read_as_much_right_are_told_apart_by_log_loss() -> None:
    from retailor.tasks.sentiment.training.tuned import _figure

    y = np.array([0, 0, 0, 2, 2, 2])
    unsure, sure = np.zeros((6, 3)), np.zeros((6, 3))
    unsure[np.arange(6), y] = [0.1, 2.0, 0.1, 2.0, 0.1, 2.0]
    sure[np.arange(6), y] = 2.0
    assert _figure(y, unsure, "macro_f1") == _figure(y, sure, "macro_f1")
    assert _figure(y, unsure, "log_loss") < _figure(y, sure, "log_loss") < 0
    # Too sure by a factor is no fault: a temperature follows.
    assert _figure(y, sure * 2, "log_loss") == pytest.approx(_figure(y, sure, "log_loss"), abs=0.1)


def test_class_weights_leave_the_mean_at_one() -> None:
    y = np.array([0] * 10 + [2] * 90)
    for how in ("none", "sqrt", "balanced"):
        weights = class_weights(y, how, 3)
        assert (weights[y].mean() == pytest.approx(1) and weights[1] == 0) or how == "none"
    balanced = class_weights(y, "balanced", 3)
    assert 10 * balanced[0] == pytest.approx(90 * balanced[2])


def test_a_head_survives_its_file(tmp_path) -> None:
    from retailor.tasks.sentiment.readers.heads import read_head

    head = Head(np.arange(6.0).reshape(3, 2), np.array([0.0, -1e9, 1.0]), 1.7)
    head.save(tmp_path / "head.safetensors")
    again, _ = read_head(tmp_path / "head.safetensors")
    rows = np.random.default_rng(0).normal(size=(4, 2))
    assert (again.probabilities(rows) == head.probabilities(rows)).all()
    assert (head.probabilities(rows)[:, 1] == 0).all()


@settings(deadline=None, max_examples=40)
@given(st.lists(st.integers(0, 2), min_size=4, max_size=60), st.integers(0, 5))
def test_splits_cover_every_case_once(labels: list[int], seed: int) -> None:
    y = np.array(labels)
    train, held = stratified(y, 0.2, seed)
    assert sorted([*train, *held]) == list(range(len(y)))
    assert set(y[train]) == set(y)
    number = folds(y, 5, seed)
    for label in set(labels):
        counts = np.bincount(number[y == label], minlength=5)
        assert counts.max() - counts.min() <= 1


def test_the_blend_answers_unless_another_clearly_leads_it() -> None:
    noise = np.random.default_rng(0).normal(0, 0.3, 100)
    level = {"tf-idf": 0.30, "nb-svm": 0.33, "frozen probe": 0.36, "fine-tuned": 0.27, "blended": 0.29}

    def cases(**more: float) -> dict[str, np.ndarray]:
        rows = {**level, **{name.replace("_", "-"): value for name, value in more.items()}}
        return {row: value + noise + 0.3 * np.roll(noise, i) for i, (row, value) in enumerate(rows.items())}

    assert choose_by_loss(cases()) == "blended"
    assert choose_by_loss(cases(tf_idf=0.05)) == "tf-idf"
    without = {row: loss for row, loss in cases().items() if row != "blended"}
    assert choose_by_loss(without) == "fine-tuned"
    assert choose_by_loss({row: loss[:1] for row, loss in cases(tf_idf=0.0).items()}) == "blended"


def test_what_chooses_can_be_asked_for_and_few_labels_take_the_last_of_equals() -> None:
    def chosen(few_labels: bool, rows: dict[str, float], **dials: Any) -> str:
        y = np.zeros(40, dtype=np.int64)
        logits = {row: np.tile([value, 0.0, 0.0], (40, 1)) for row, value in rows.items()}
        figures = {row: {"accuracy": value / 10, "macro_f1": 0.5} for row, value in rows.items()}
        fitting: Any = SimpleNamespace(
            settings=SentimentSettings(**dials), few_labels=few_labels, tested=y, logits=logits,
            log={"validation": figures},
        )  # fmt: skip
        return choose(fitting, rows)[0]

    many = {"tf-idf": 2.0, "frozen probe": 1.0, "fine-tuned": 3.0}
    assert chosen(False, many) == chosen(False, many, select_by="accuracy") == "fine-tuned"
    assert chosen(False, many, select_by="macro_f1") == "tf-idf"
    assert chosen(False, many, mode="frozen") == "frozen probe"
    assert chosen(True, {"tf-idf": 9.0, "nb-svm": 9.0, "frozen probe": 1.0, "panel": 1.0}) == "panel"
    assert chosen(True, {"tf-idf": 9.0, "nb-svm": 9.0, "frozen probe": 2.0, "panel": 1.0}) == "frozen probe"
    assert chosen(True, {"tf-idf": 9.0, "nb-svm": 9.0, "frozen probe": 1.0}) == "frozen probe"


def test_held_out_texts_do_not_say_which_words_count() -> None:
    """Words that held-out texts alone have are no features of the trial, but of the reader."""
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(["good", "bad", "mug", "lamp"], 4)) for _ in range(200)]
    y = np.array([2 if text.count("good") >= text.count("bad") else 0 for text in texts])
    held = stratified(y, 0.1, 0)[1]
    for i in held[:2]:
        texts[i] += " zanzibar"
    queries = tuple(SentimentQuery(text) for text in texts)
    examples = Examples(queries, y, np.full(200, np.nan), ("en",) * 200, {})
    made, log = fit_readers(
        None, SentimentSettings(mode="tf-idf", few_labels=0), examples, paired=False, work=None
    )
    assert "zanzibar" in made.words["tf-idf"].vocabulary and "zanzibar" in made.words["nb-svm"].vocabulary
    others = replace(examples, queries=tuple(SentimentQuery(t.replace(" zanzibar", "")) for t in texts))
    _, plain = fit_readers(
        None, SentimentSettings(mode="tf-idf", few_labels=0), others, paired=False, work=None
    )
    for row in ("tf-idf", "nb-svm"):
        assert log["validation"][row]["log_loss"] == pytest.approx(plain["validation"][row]["log_loss"])


@pytest.mark.parametrize(
    "texts", [[chr(0x1F600 + i) for i in range(16)], [f"word{i}" for i in range(16)]], ids=["emoji", "once"]
)
def test_texts_without_a_common_word_are_read_all_the_same(texts: list[str]) -> None:
    y = np.array([0, 2] * 8)
    examples = Examples(tuple(map(SentimentQuery, texts)), y, np.full(16, np.nan), ("en",) * 16, {})
    settings = SentimentSettings(mode="nb-svm", few_labels=0)
    made, _ = fit_readers(None, settings, examples, paired=False, work=None)
    rows = made.reader.probabilities([SentimentQuery("nothing known"), SentimentQuery(texts[0])])
    assert np.isfinite(rows).all() and rows.sum(axis=1) == pytest.approx(1.0)


@pytest.mark.parametrize("text", ["...", "?!?!", "—", "。。。", "[link]", " ~ ", "_", "\u200b"])
def test_nothing_to_read(text: str) -> None:
    assert not says_something(text)


@pytest.mark.parametrize(
    "text", ["k", "好", "10/10", "👍", "★★☆☆☆", ":)", ":-(", "<3", "^_^", "ок", "[link] no"]
)
def test_something_to_read(text: str) -> None:
    assert says_something(text)


@given(st.text(alphabet="!?.,;-_…。！？~ ", max_size=30).filter(lambda text: not re.search(r"[;_-]", text)))
def test_marks_alone_say_nothing(text: str) -> None:
    assert not says_something(text)


@pytest.mark.parametrize(
    ("n_pieces", "asked", "frozen"),
    [(250_000, None, True), (30_000, None, False), (30_000, True, True), (250_000, False, False)],
)
def test_word_embeddings_of_a_large_vocabulary_are_left_alone(
    n_pieces: int, asked: bool | None, frozen: bool
) -> None:
    encoder: Any = SimpleNamespace(tokenizer=range(n_pieces))
    given = SentimentSettings(train={"freeze_embeddings": asked})  # type: ignore[arg-type]
    assert training_of(given, encoder, 0).freeze_embeddings is frozen
