"""Adaptation: it learns the shop's words, says so truthfully, and refuses what cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import ConfigError, DataError, ModelError
from retailor.models.shapes import Encoder
from retailor.testing.models import tiny_decoder, tiny_encoder, tiny_seq2seq
from retailor.testing.toys import HashEncoder, ScriptedGenerator
from retailor.train.adapt import AdaptSettings, adapt, adapt_with_log
from retailor.train.objectives.masked_head import MaskedModel
from retailor.train.objectives.masking import Vocabulary, cut_spans, draw_masks, hide, vocabulary
from retailor.train.objectives.settings import head_training_of
from retailor.train.schedule import steps_of

TEXTS = [
    f"{colour} {stuff} {thing} with a {size} handle"
    for colour in ("red", "blue", "green")
    for stuff in ("ceramic", "glass", "steel")
    for thing in ("mug", "lamp", "bowl")
    for size in ("long", "short")
]
CHINESE = [
    f"{a}{b}{c}，质量很好"
    for a in ("红色", "蓝色", "绿色")
    for b in ("陶瓷", "玻璃")
    for c in ("杯子", "台灯")
]
QUICK: dict[str, Any] = {
    "train": {"epochs": 8, "learning_rate": 3e-3, "batch_size": 8},
    "head_steps": 30,
    "held_out": 0.2,
}


def test_masked_words_are_learned_and_the_encoder_itself_is_unchanged() -> None:
    encoder = tiny_encoder(TEXTS)
    before = encoder.encode(TEXTS)
    adapted, log = adapt_with_log(encoder, TEXTS, AdaptSettings(**QUICK))
    assert isinstance(adapted, Encoder)
    assert log.objective == "masked" and (log.n_texts, log.n_held_out) == (43, 11)
    assert log.perplexity_after < 0.9 * log.perplexity_before < 40
    assert log.neighbours_kept is not None and 0 <= log.neighbours_kept <= 1
    np.testing.assert_array_equal(encoder.encode(TEXTS), before)
    assert np.abs(adapted.encode(TEXTS) - before).max() > 1e-3
    assert json.loads(json.dumps(log.to_dict()))["train"]["best_step"] == log.train.best_step


def test_a_few_texts_are_not_read_a_hundred_times_for_the_head_alone() -> None:
    of_head = head_training_of(AdaptSettings())
    assert [steps_of(of_head, n)[1] for n in (1, 30, 64, 5000)] == [20, 20, 40, 100]


def test_the_same_seed_gives_the_same_encoder_and_chinese_works_too() -> None:
    encoder = tiny_encoder(CHINESE)
    settings = AdaptSettings(**{**QUICK, "train": {**QUICK["train"], "epochs": 2}})
    first, second = adapt(encoder, CHINESE, settings), adapt(encoder, CHINESE, settings)
    np.testing.assert_array_equal(first.encode(CHINESE), second.encode(CHINESE))


@pytest.mark.parametrize("lora_rank", [0, 4])
def test_a_decoder_learns_the_next_words(lora_rank: int) -> None:
    adapted, log = adapt_with_log(tiny_decoder(TEXTS), TEXTS, AdaptSettings(**QUICK, lora_rank=lora_rank))
    assert log.objective == "causal" and log.neighbours_kept is None
    assert log.perplexity_after < 0.9 * log.perplexity_before
    assert not any("lora" in name for name, _ in adapted.network.named_parameters())
    assert len(adapted.generate(["red"], max_tokens=3)) == 1


@pytest.mark.parametrize("objective", ["auto", "causal"])
def test_a_seq2seq_model_learns_spans_or_next_words(objective: Any) -> None:
    _, log = adapt_with_log(tiny_seq2seq(TEXTS), TEXTS, AdaptSettings(**QUICK, objective=objective))
    assert log.objective == ("span" if objective == "auto" else "causal")
    assert log.perplexity_after < 0.5 * log.perplexity_before


def test_a_killed_adaptation_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = AdaptSettings(**QUICK)
    whole = adapt(tiny_encoder(TEXTS), TEXTS, settings)
    steps = []
    original = MaskedModel.scores

    def dies(self: MaskedModel, *given: Any) -> Any:
        steps.append(1)
        if len(steps) == 60:
            raise KeyboardInterrupt
        return original(self, *given)

    monkeypatch.setattr(MaskedModel, "scores", dies)
    with pytest.raises(KeyboardInterrupt):
        adapt(tiny_encoder(TEXTS), TEXTS, settings, work=tmp_path)
    resumed, log = adapt_with_log(tiny_encoder(TEXTS), TEXTS, settings, work=tmp_path)
    np.testing.assert_array_equal(resumed.encode(TEXTS), whole.encode(TEXTS))
    assert log.train.examples_seen == 8 * 43


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mask_rate": 1.0}, "mask_rate"),
        ({"mask_rate": 0}, "mask_rate"),
        ({"objective": "masks"}, "objective"),
        ({"keep": -1}, "keep"),
        ({"mask_rat": 0.1}, "mask_rate"),
    ],
)
def test_bad_settings_are_config_errors(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AdaptSettings(**settings)


def test_what_does_not_fit_is_refused_before_any_work() -> None:
    with pytest.raises(ConfigError, match=r"'causal' does not fit tiny-encoder: it learns by masked"):
        adapt(tiny_encoder(), TEXTS, AdaptSettings(objective="causal"))
    with pytest.raises(ConfigError, match=r"'masked' does not fit tiny-decoder: it learns by causal"):
        adapt(tiny_decoder(), TEXTS, AdaptSettings(objective="masked"))
    for model in (HashEncoder(), ScriptedGenerator()):
        with pytest.raises(ModelError, match="no network"):
            adapt(model, TEXTS)
    with pytest.raises(DataError, match="there are 2 different texts"):
        adapt(tiny_encoder(), ["a", "b", "a", "", "  "] * 20)


# masks --------------------------------------------------------------------------------------------

KNOWN = Vocabulary(
    starts=np.array([True, True, True, True, True, False, True, False, False, True]),
    special=np.array([True, True, True, True] + [False] * 6),
    mask_id=3,
    pad_id=0,
)


@given(
    rows=st.lists(st.lists(st.integers(4, 9), min_size=1, max_size=12), min_size=1, max_size=5),
    rate=st.floats(0.05, 0.95), seed=st.integers(0, 99), whole=st.booleans(), n_prompt=st.integers(1, 3),
)  # fmt: skip
def test_laws_of_masks(rows: list[list[int]], rate: float, seed: int, whole: bool, n_prompt: int) -> None:
    width = max(map(len, rows)) + 5
    ids = np.array([[1] * n_prompt + row + [2] + [0] * (width - len(row) - n_prompt - 1) for row in rows])
    draw = np.random.default_rng(seed)
    masks = draw_masks(ids, KNOWN, rate, draw, n_prompt=n_prompt, whole_words=whole)
    assert not masks[KNOWN.special[ids]].any() and masks.any(axis=1).all()
    if whole:
        inside = ~KNOWN.starts[ids[:, 1:]] & ~KNOWN.special[ids[:, :-1]] & ~KNOWN.special[ids[:, 1:]]
        inside[:, : n_prompt - 1] = False
        assert (masks[:, 1:] == masks[:, :-1])[inside].all()
    hidden = hide(ids, masks, KNOWN, np.arange(4, 10), draw)
    assert (hidden == ids)[~masks].all()


def test_masks_come_at_their_rate_and_terms_more_often() -> None:
    draw = np.random.default_rng(0)
    ids = draw.integers(4, 10, (400, 40))
    plain = draw_masks(ids, KNOWN, 0.15, draw)
    assert plain.mean() == pytest.approx(0.15, abs=0.01)
    weights = np.ones(10)
    weights[9] = 3.0
    boosted = draw_masks(ids, KNOWN, 0.15, draw, weights=weights, whole_words=False)
    assert boosted.mean() == pytest.approx(0.15, abs=0.01)
    assert boosted[ids == 9].mean() / boosted[ids == 4].mean() == pytest.approx(3, rel=0.2)


def test_words_are_read_off_the_tokens() -> None:
    encoder = tiny_encoder([*TEXTS, *CHINESE])
    known = vocabulary(encoder.tokenizer)
    tokens = encoder.tokenizer.convert_ids_to_tokens(range(len(encoder.tokenizer)))
    by_token = dict(zip(tokens, known.starts, strict=True))
    assert by_token["mug"] and by_token["杯"] and not by_token["##m"]
    with pytest.raises(ModelError, match="no mask token"):
        vocabulary(tiny_decoder().tokenizer)


@given(
    row=st.lists(st.integers(0, 1000), min_size=1, max_size=80), rate=st.floats(0.05, 0.9),
    seed=st.integers(0, 99),
)  # fmt: skip
def test_spans_and_what_is_left_make_the_text_again(row: list[int], rate: float, seed: int) -> None:
    marks = list(range(2000, 2030))
    left, out = cut_spans(row, marks, rate, np.random.default_rng(seed))
    spans: dict[int, list[int]] = {}
    for token in out:
        if token >= 2000:
            last = spans.setdefault(token, [])
        else:
            last.append(token)
    again = [t for token in left for t in (spans[token] if token >= 2000 else [token])]
    assert again == row
    assert sum(map(len, spans.values())) >= 1 and out[-1] >= 2000


def test_collating_uses_only_the_loops_randomness() -> None:
    torch.manual_seed(3)
    first = np.asarray(torch.randint(1 << 62, ()))
    torch.manual_seed(3)
    assert first == np.asarray(torch.randint(1 << 62, ()))
