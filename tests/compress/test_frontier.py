"""The search for a smaller encoder: what is tried, what is taken, and how it is told."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest

from retailor.compress.frontier import ORIGINAL, Candidate, Frontier, Share, _pick, search
from retailor.compress.onnx import Parity
from retailor.compress.settings import CompressSettings, StudentSettings
from retailor.compress.tasks import judge_of
from retailor.errors import ModelError
from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Scores
from retailor.models.encoding import exact_vectors
from retailor.models.local import load_encoder
from retailor.report.compression import compression_view
from retailor.testing.models import SAMPLE, tiny_encoder
from retailor.testing.toys import HashEncoder

TEXTS = [f"{text} {i}" for i in range(4) for text in SAMPLE]
QUICK = CompressSettings(
    keep=0.9, n_speed=8, rounds=1, student=StudentSettings(layers_steps=4, table_epochs=1.0)
)


@cache
def searched() -> tuple[TemporaryDirectory, Frontier, list[str]]:
    place, judged = TemporaryDirectory(), []

    def judge(encoder):
        judged.append(encoder.name)
        return {
            "search": Share(0.95, 0.9, 1.0, 40),
            "answer": Share(0.2 if "layer" in encoder.name else 1, 0, 1, 9),
        }

    found = search(
        tiny_encoder(),
        Path(place.name) / "small",
        texts=TEXTS,
        held_out=TEXTS[:20],
        settings=QUICK,
        judge=judge,
    )
    return place, found, judged


def test_every_kind_is_tried_and_measured() -> None:
    _, found, judged = searched()
    names = [one.name for one in found.candidates]
    assert names == [
        ORIGINAL, "onnx float32", "onnx int8", "onnx int8 blocks", "onnx int4 blocks", "onnx int8 calibrated",
        "openvino", "openvino int8", "1 layer, onnx int8", "word vectors",
        "word and pair vectors",
    ]  # fmt: skip
    assert len(judged) == len(names)
    for one in found.candidates:
        assert one.texts_per_s > 0 and one.p99_ms >= one.one_ms > 0 and one.size_bytes > 0


def test_what_is_taken_keeps_enough_of_every_task_and_opens() -> None:
    place, found, _ = searched()
    assert "layer" not in found.chosen
    assert found.taken().keeps(0.9)
    small = load_encoder(Path(place.name) / "small")
    if "onnx" in found.chosen or "openvino" in found.chosen:
        np.testing.assert_allclose(small.encode(TEXTS), exact_vectors(tiny_encoder(), TEXTS), atol=0.2)
    told = json.loads((Path(place.name) / "small" / "frontier.json").read_text())
    assert told["chosen"] == found.chosen and len(told["candidates"]) == len(found.candidates)
    assert found.chosen in str(found) and "←" in str(found)


def one(name: str, speed: float, *, overlap: float = 1.0, size: int = 10, ms: float = 1.0, **kept: float):
    shares = {task: Share(value, value, value, 30) for task, value in kept.items()}
    return Candidate(name, size, speed, ms, ms, Parity(10, 1.0, 1.0, overlap), shares)


def test_the_fastest_that_keeps_the_share_and_the_budgets_is_picked() -> None:
    tried = [
        one(ORIGINAL, 1.0, a=1.0, b=1.0), one("slow", 2.0, a=1.0, b=1.0), one("fast", 9.0, a=1.0, b=0.98),
        one("middle", 5.0, a=0.99, b=1.2, size=50_000_000), one("light", 4.0, a=0.995, b=0.991, ms=7.0),
    ]  # fmt: skip
    settings = replace(QUICK, keep=0.99)
    assert _pick(tried, settings).chosen == "middle"
    assert _pick(tried, replace(settings, budget_mb=20.0)).chosen == "light"
    assert _pick(tried, replace(settings, budget_mb=20.0, budget_ms=5.0)).chosen == "slow"
    assert _pick(tried, replace(settings, keep=0.97)).chosen == "fast"
    none = _pick(tried[:1] + tried[2:3], replace(settings, budget_mb=1.0))
    assert none.chosen == ORIGINAL and "Nothing that was tried keeps 99.0% within 1 MB" in none.why


def test_what_keeps_enough_and_is_slower_is_not_taken() -> None:
    tried = [one(ORIGINAL, 3.0, size=100), one("slow", 2.0), one("poor", 9.0, overlap=0.2)]
    found = _pick(tried, replace(QUICK, keep=0.9))
    assert found.chosen == ORIGINAL and "keeps 90.0% and is faster: the encoder stays" in found.why
    assert (
        _pick(tried, replace(QUICK, keep=0.9, budget_mb=0.00005)).chosen == "slow"
    )  # the original is too large


def test_without_a_task_the_nearest_texts_decide() -> None:
    tried = [one(ORIGINAL, 1.0), one("near", 2.0, overlap=0.99), one("far", 9.0, overlap=0.5)]
    assert _pick(tried, replace(QUICK, keep=0.95)).chosen == "near"
    assert _pick(tried, replace(QUICK, keep=0.5)).chosen == "far"


def test_the_nearest_texts_decide_too_for_a_task_that_cannot_be_judged() -> None:
    tried = [
        one(ORIGINAL, 1.0, search=1.0),
        one("near", 2.0, overlap=0.99, search=1.0),
        one("far", 9.0, overlap=0.5, search=1.0),
    ]
    settings = replace(QUICK, keep=0.95)
    assert _pick(tried, settings).chosen == "far"
    found = _pick(tried, settings, ["recommend"])
    assert found.chosen == "near" and "of the ten nearest texts for recommend" in found.why


def test_the_frontier_leaves_out_what_is_slower_and_keeps_less() -> None:
    tried = (
        one(ORIGINAL, 1.0),
        one("near", 2.0, overlap=0.99),
        one("worse", 1.5, overlap=0.9),
        one("far", 9.0, overlap=0.5),
    )
    assert Frontier(tried, "near", 0.9, "").best() == (ORIGINAL, "near", "far")


class Toy:
    """A task whose every case is worth the first number of an encoder's vector of a text, at least 0."""

    encoder = None

    def __init__(self, worth: float) -> None:
        self.worth = worth

    def save(self, folder: Path) -> None: ...

    def with_encoder(self, encoder):
        return Toy(encoder)

    def evaluate(self, shop) -> Scores:
        return Scores((score_mean("retailor", "ndcg@10", np.full(20, self.worth) * np.arange(1, 21)),))


def test_a_judge_pairs_the_cases_and_leaves_out_what_tells_nothing() -> None:
    tasks = {"good": Toy(0.8), "none": Toy(0.0), "recommend": object()}  # the last takes no other encoder
    judge, judged = judge_of(tasks, None, lambda scores: "ndcg@10")
    kept = judge(0.4)
    assert set(kept) == {"good"} == set(judged)
    share = kept["good"]
    assert share.n == 20 and share.value == pytest.approx(0.5)
    assert (share.low, share.high) == pytest.approx((0.5, 0.5))  # the same cases: the ratio does not spread


def test_an_encoder_without_a_network_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="no network here"):
        search(HashEncoder(), tmp_path / "x", texts=TEXTS, held_out=TEXTS, settings=QUICK)


def test_the_report_shows_all_that_was_tried() -> None:
    _, found, _ = searched()
    told = {**found.report("tiny"), "scores": {}}
    view = compression_view(told)
    assert [row["name"] for row in view["tried"]] == [one.name for one in found.candidates]
    assert view["why"] == found.why and not view["rest"]
    assert "<svg" in dict(view["charts"])["Search"]
