"""What the recommender learns by steps: a transformer over sequences, an encoder tuned on behaviour."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from retailor.retrieval.histories import Histories
from retailor.tasks.recommend import RecommendSettings, SasrecSettings, TuningSettings
from retailor.tasks.recommend.behaviour import Moments, clusters_of, fit_encoder
from retailor.tasks.recommend.cases import hold_out
from retailor.tasks.recommend.scorers.sasrec import SASRec, fit_sasrec, padded
from retailor.testing.models import tiny_encoder

N_ITEMS = 12


def _rounds(n: int, length: int = 5, seed: int = 0) -> Histories:
    """Customers who walk round the items from a random start: item i is followed by i + 1."""
    starts = np.random.default_rng(seed).integers(0, N_ITEMS, n)
    return Histories.of([[(start + step) % N_ITEMS for step in range(length)] for start in starts])


@pytest.fixture(scope="module")
def walked() -> SASRec:
    settings = RecommendSettings(
        sasrec=SasrecSettings(hidden=32, layers=1, epochs=20.0, learning_rate=1e-2, dropout=0.1)
    )
    rest, cases = hold_out(_rounds(120), 24, seed=0)
    found, log = fit_sasrec(None, N_ITEMS, rest, settings, cases=cases)
    assert found is not None and log["examples_seen"] > 0
    return found


def test_what_follows_is_learned(walked: SASRec) -> None:
    asked = _rounds(40, length=3, seed=1)
    last = asked.items[asked.offsets[1:] - 1]
    scores = walked.scores(asked)
    assert (scores.argmax(axis=1) == (last + 1) % N_ITEMS).mean() > 0.9


def test_a_history_has_the_same_scores_alone_and_in_company(walked: SASRec) -> None:
    asked = Histories.of([[3, 4], [], [1, 2, 3, 4, 5, 6], [7]])
    together = walked.scores(asked)
    assert not together[1].any()
    for row in range(4):
        np.testing.assert_allclose(walked.scores(asked.at(np.array([row])))[0], together[row], atol=1e-4)


def test_it_comes_back_from_its_tensors(walked: SASRec) -> None:
    again = SASRec.of(walked.tensors())
    asked = _rounds(5, seed=2)
    np.testing.assert_array_equal(again.scores(asked), walked.scores(asked))


def test_an_item_without_events_is_known_by_its_text_alone() -> None:
    """Items 12 and 13 have no events; 12 has the text of item 3 and scores like it, 13 has none."""
    texts = np.zeros((N_ITEMS + 2, N_ITEMS), np.float32)
    texts[:N_ITEMS] = np.eye(N_ITEMS)
    texts[12] = texts[3]
    settings = RecommendSettings(sasrec=SasrecSettings(hidden=32, layers=1, epochs=30.0, item_dropout=0.5))
    found, _ = fit_sasrec(texts, N_ITEMS + 2, _rounds(120), settings)
    assert found is not None
    scores = found.scores(Histories.of([[0, 1, 2]]))[0]
    assert scores[12] > np.median(scores) and scores[12] > scores[13]


def test_nobody_with_two_events_leaves_no_transformer() -> None:
    assert fit_sasrec(None, 3, Histories.of([[0], [2]]), RecommendSettings()) == (None, {})


def test_padding_keeps_the_latest_items_in_order() -> None:
    items, lengths = padded(Histories.of([[1, 2, 3, 4], [], [5]]), 3)
    assert items.tolist() == [[2, 3, 4], [0, 0, 0], [5, 0, 0]]
    assert lengths.tolist() == [3, 0, 1]


# the encoder --------------------------------------------------------------------------------------

SIDES = ("kettle teapot porcelain", "drill hammer steel")


def _choices() -> tuple[list[str], Histories]:
    """Twelve items of two kinds whose words cross what is chosen together: red goes with red."""
    texts = [f"{('red', 'blue')[i % 2]} {SIDES[i // 6]}" for i in range(12)]
    rng = np.random.default_rng(0)
    histories = [rng.permutation(np.arange(side, 12, 2))[:4].tolist() for side in (0, 1) for _ in range(30)]
    return texts, Histories.of(histories)


def test_texts_of_what_is_chosen_together_move_together(tmp_path: Path) -> None:
    texts, histories = _choices()
    encoder = tiny_encoder(texts)
    before = encoder.encode(texts)
    settings = RecommendSettings(
        tuning=TuningSettings(steps=30, batch_size=24, learning_rate=3e-3, history=2)
    )
    tuned, log = fit_encoder(encoder, texts, before, histories, settings, work=tmp_path)
    after = tuned.encode(texts)

    def gap(vectors: NDArray[np.float32]) -> float:
        cosines = vectors @ vectors.T
        same = np.equal.outer(np.arange(12) % 2, np.arange(12) % 2)
        return float(cosines[same].mean() - cosines[~same].mean())

    assert gap(after) > gap(before) + 0.3
    assert log["curve"][-1][1] < log["curve"][0][1]
    np.testing.assert_array_equal(encoder.encode(texts), before)  # the encoder given is not changed
    again, _ = fit_encoder(encoder, texts, before, histories, settings, work=tmp_path)
    np.testing.assert_array_equal(again.encode(texts), after)  # a done training is not done again


def test_moments_leave_out_first_events_repeats_and_items_without_text() -> None:
    texts = ["a", "b", "", "d"]
    histories = Histories.of([[0, 1, 2, 3], [1, 1, 0], [3]])
    moments = Moments.of(histories, texts, np.eye(4, dtype=np.float32), size=2, seed=0)
    at = sorted(int(moments.at[one]) for group in moments.groups for one in group)
    assert at == [1, 6]  # 0→1 and 1→0; 1→2→3 has no text between, 1→1 is a repeat
    assert [len(group) for group in moments.groups] in ([2], [1, 1])
    for group in moments.groups:
        for one in group:
            assert moments.before(int(one), 3).tolist() == ([0] if moments.at[one] == 1 else [1, 1])


def test_clusters_hold_items_that_lie_close() -> None:
    vectors = np.repeat(np.eye(4, dtype=np.float32), 50, axis=0)
    clusters = clusters_of(vectors, seed=0).reshape(4, 50)
    assert all(len(set(row)) == 1 for row in clusters) and len(set(clusters[:, 0])) == 4
