"""Choosing a backbone: LogME against the evidence itself, and a ranking with a known right answer."""

import math
import shutil
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.stats import multivariate_normal

from retailor.choose import candidates
from retailor.choose.candidates import tokenizer_fit
from retailor.choose.logme import logme
from retailor.choose.rank import choose
from retailor.choose.shapes import Candidate, ChooseSettings, Probe
from retailor.errors import ConfigError, DataError
from retailor.testing.toys import HashEncoder
from tests.tasks.test_sentiment import encoder, toy_shop


def evidence(features: np.ndarray, target: np.ndarray) -> float:
    """The greatest log evidence a text, by a general optimiser over the normal density itself."""

    def minus(logs: np.ndarray) -> float:
        alpha, beta = np.exp(logs)
        covariance = np.eye(len(target)) / beta + features @ features.T / alpha
        return -float(multivariate_normal(np.zeros(len(target)), covariance).logpdf(target)) / len(target)

    return -minimize(minus, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-6, "fatol": 1e-10}).fun


@pytest.mark.parametrize("dim", [3, 40])
def test_logme_is_the_greatest_evidence(dim: int) -> None:
    rng = np.random.default_rng(dim)
    features, labels = rng.normal(size=(30, dim)), rng.integers(0, 2, 30)
    features[:, 0] += 2 * labels
    plain = np.mean([evidence(features, (labels == one).astype(float)) for one in (0, 1)])
    assert math.isclose(logme(features, labels), plain, rel_tol=1e-4, abs_tol=1e-4)


def test_features_that_tell_the_labels_rank_before_noise() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 200)
    noise = rng.normal(size=(200, 8))
    assert logme(noise + 3 * np.eye(3, 8)[labels], labels) > logme(noise, labels)
    assert math.isnan(logme(noise, np.zeros(200)))


def test_tokenizer_fit_counts_pieces_and_strangers() -> None:
    tokenizer = encoder().tokenizer
    assert tokenizer_fit(tokenizer, ["the great mug", "杯子"]) == (1.0, 0.0)
    assert tokenizer_fit(tokenizer, ["the zebra"]) == (1.0, 0.5)
    assert tokenizer_fit(None, ["the"]) == (None, None)


def test_the_model_that_knows_the_words_is_first(tmp_path) -> None:
    encoder().save(tmp_path / "words")
    HashEncoder(2).save(tmp_path / "narrow")  # two dimensions cannot hold the shop's words
    found = choose(
        toy_shop(120), [str(tmp_path / "narrow"), str(tmp_path / "words")], ChooseSettings(sample=100)
    )
    assert [one.model for one in found.candidates] == [str(tmp_path / "words"), str(tmp_path / "narrow")]
    assert found.candidates[0].figures["probe"] > found.candidates[1].figures["probe"] and found.n == 100
    assert "take" in str(found) and found.to_dict()["by"] == "logme"


def test_nothing_to_choose_from_is_an_error() -> None:
    with pytest.raises(ConfigError, match="minilm"):
        choose(toy_shop(40), [])
    with pytest.raises(DataError, match="20 labelled"):
        choose(toy_shop(10), ["minilm"])


def test_what_was_found_of_a_model_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    encoder().save(tmp_path / "words")
    HashEncoder(2).save(tmp_path / "narrow")
    looked: list[str] = []
    look = candidates._look

    def watched(name: str, probe: Probe) -> Candidate:
        looked.append(Path(name).name)
        return look(name, probe)

    monkeypatch.setattr(candidates, "_look", watched)
    names, given = [str(tmp_path / "narrow"), str(tmp_path / "words")], ChooseSettings(sample=100)
    first = choose(toy_shop(120), names[:1], given, work=tmp_path / "kept")
    both = choose(toy_shop(120), names, given, work=tmp_path / "kept")
    assert looked == ["narrow", "words"]
    assert [one.model for one in both.candidates] == names[::-1] and first.candidates[0] == both.candidates[1]
    plain = choose(toy_shop(120), names, given)
    assert [one.figures for one in plain.candidates] == [one.figures for one in both.candidates]
    HashEncoder(3).save(tmp_path / "narrow2")
    shutil.rmtree(tmp_path / "narrow")
    (tmp_path / "narrow2").rename(tmp_path / "narrow")
    looked.clear()
    choose(toy_shop(120), names, given, work=tmp_path / "kept")
    assert looked == ["narrow"], "another model in the same folder is looked at"
    choose(toy_shop(121), names, ChooseSettings(sample=100, seed=1), work=tmp_path / "kept")
    assert looked == ["narrow", "narrow", "words"]
