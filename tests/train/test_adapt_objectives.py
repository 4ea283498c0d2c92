"""The objectives beside plain masked words: order, contrast, growth, general text, adapters, packed rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import ConfigError, DataError, ModelError
from retailor.models.local import load_encoder
from retailor.shop.demo import demo_shop
from retailor.testing.models import tiny_decoder, tiny_encoder, tiny_seq2seq
from retailor.text.pairs import shop_pairs
from retailor.train.adapt import AdaptSettings, adapt, adapt_with_log
from retailor.train.lora import merged, with_lora
from retailor.train.objectives.causal_span import packed_rows
from retailor.train.objectives.growth import grown, new_pieces
from retailor.train.objectives.masked_head import swapped
from retailor.train.objectives.order import second_half

THINGS = ("mug", "lamp", "bowl", "chair", "shirt", "phone", "table", "spoon")
TEXTS = [f"{c} {s} {t}. it has a {z} handle" for c in ("red", "blue") for s in ("glass", "steel", "wooden")
         for t in THINGS for z in ("long", "short")]  # fmt: skip
GENERAL = [
    f"the {a} of the {b} was seen" for a in ("king", "river", "war") for b in ("land", "sea", "city", "book")
]
QUICK: dict[str, Any] = {
    "train": {"epochs": 4, "learning_rate": 3e-3, "batch_size": 16},
    "head_steps": 10,
    "held_out": 0.2,
}


def test_order_is_learned_beside_masked_words() -> None:
    adapted, log = adapt_with_log(tiny_encoder(TEXTS), TEXTS, AdaptSettings(**QUICK, objective="order"))
    assert log.objective == "order" and log.perplexity_after < log.perplexity_before
    assert adapted.encode(TEXTS[:2]).shape == (2, 32)


@given(row=st.lists(st.integers(5, 9), max_size=20), n_prompt=st.integers(1, 3), seed=st.integers(0, 9))
def test_halves_are_whole_and_swapping_twice_is_nothing(row: list[int], n_prompt: int, seed: int) -> None:
    ends = np.zeros(10, dtype=bool)
    ends[9] = True
    whole = [1] * n_prompt + row + [2]
    half = second_half(whole, ends, n_prompt)
    if half:
        turned = swapped(whole, half, n_prompt)
        back = n_prompt + len(whole) - 1 - half
        assert whole[half - 1] == 9 and min(half - n_prompt, len(whole) - 1 - half) >= 3
        assert sorted(turned) == sorted(whole) and swapped(turned, back, n_prompt) == whole
    elif 9 in row:
        assert all(min(i + 1, len(row) - i - 1) < 3 for i, token in enumerate(row) if token == 9)


def test_pairs_come_nearer_than_they_were() -> None:
    stuffs = ("glass", "steel", "wooden")
    pairs = [(f"{c} {s} {t}", f"it is a {t} of {s}") for c in ("red", "blue") for s in stuffs for t in THINGS]
    encoder = tiny_encoder([a + " " + b for a, b in pairs])
    settings = AdaptSettings(**QUICK, objective="contrastive")
    adapted, log = adapt_with_log(encoder, TEXTS, settings, pairs=pairs)
    assert log.objective == "contrastive" and log.perplexity_after < 0.9 * log.perplexity_before

    def found(model: Any) -> float:
        rights = list(dict.fromkeys(b for _, b in pairs))
        scores = model.encode([a for a, _ in pairs]) @ model.encode(rights).T
        return float(np.mean([rights[i] == b for i, (_, b) in zip(scores.argmax(1), pairs, strict=True)]))

    assert found(adapted) > found(encoder)


def test_two_dropouts_need_a_dropout() -> None:
    settings = AdaptSettings(**{**QUICK, "train": {**QUICK["train"], "epochs": 1}}, objective="contrastive")
    encoder = tiny_encoder(TEXTS)
    _, log = adapt_with_log(encoder, TEXTS, settings)
    assert log.perplexity_after <= log.perplexity_before
    for module in encoder.network.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with pytest.raises(ConfigError, match="drops nothing"):
        adapt(encoder, TEXTS, settings)


def test_pairs_of_a_shop() -> None:
    shop = demo_shop(20, seed=0)
    titles = set(shop.items["title"])
    described, reviewed = shop_pairs(shop, "descriptions"), shop_pairs(shop, "reviews")
    assert described and all(left in titles and left != right for left, right in described)
    assert reviewed and all(right in titles for _, right in reviewed)
    assert max(pl.Series([right for _, right in reviewed]).value_counts()["count"]) <= 20
    assert set(shop_pairs(shop)) == {*described, *reviewed}


def test_grown_pieces_start_at_the_mean_of_their_parts_and_learn(tmp_path: Path) -> None:
    words = [
        f"{colour} {word}"
        for colour in ("red", "blue", "green", "grey")
        for word in ("flumiboxo", "flumiboxos")
    ]
    told = [f"the {word} for {thing}" for thing in THINGS for word in words]
    encoder = tiny_encoder(["a the red blue green grey for", *THINGS, *"flumiboxos"])
    settings = AdaptSettings(**{**QUICK, "train": {**QUICK["train"], "epochs": 2}}, grow_terms=1)
    new = new_pieces(encoder.tokenizer, told, 1)
    assert list(new) == ["flumiboxo"] and len(new["flumiboxo"]) == 9
    made, n = grown(encoder, told, settings)
    before = encoder.network.get_input_embeddings().weight
    after = made.network.get_input_embeddings().weight
    assert n == 1 and len(after) == len(before) + 1 == len(made.tokenizer)
    torch.testing.assert_close(after[-1], before[new["flumiboxo"]].mean(0))
    torch.testing.assert_close(after[:-1], before)
    assert (
        made.tokenizer.tokenize("a flumiboxo") == ["a", "flumiboxo"]
        or "flumiboxo" in made.tokenizer.get_vocab()
    )
    adapted, log = adapt_with_log(encoder, told, settings)
    assert log.n_new_pieces == 1 and len(encoder.tokenizer) == len(before)
    adapted.save(tmp_path / "grown")
    np.testing.assert_allclose(load_encoder(tmp_path / "grown").encode(told), adapted.encode(told), atol=1e-5)
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(tmp_path / "grown"), device="cpu").encode(
        told[:3], show_progress_bar=False
    )
    np.testing.assert_allclose(theirs, adapted.encode(told[:3]), atol=1e-5)


def test_general_text_is_mixed_in_and_measured(tmp_path: Path) -> None:
    encoder = tiny_encoder([*TEXTS, *GENERAL])
    settings = AdaptSettings(**{**QUICK, "train": {**QUICK["train"], "epochs": 2}}, general_share=0.1)
    _, log = adapt_with_log(encoder, TEXTS, settings, general=GENERAL)
    assert log.n_general == round(log.n_texts / 9) and log.general_before and log.general_after
    (tmp_path / "general.txt").write_text("\n".join(GENERAL), encoding="utf-8")
    again = AdaptSettings(
        **{**QUICK, "train": {**QUICK["train"], "epochs": 2}},
        general_share=0.0,
        general_file=str(tmp_path / "general.txt"),
    )
    _, without = adapt_with_log(encoder, TEXTS, again)
    assert without.n_general == 0 and without.general_before is not None
    with pytest.raises(DataError, match="cannot be read"):
        adapt(encoder, TEXTS, AdaptSettings(general_file=str(tmp_path / "none.txt")))


def test_packed_rows_lose_no_token_and_are_learned_from() -> None:
    decoder = tiny_decoder(TEXTS)
    rows = packed_rows(decoder.tokenizer, TEXTS, 16)
    ids = decoder.tokenizer(TEXTS, add_special_tokens=False)["input_ids"]
    flat = [token for row in rows for token in row]
    end = decoder.tokenizer.eos_token_id
    expected = [decoder.tokenizer.bos_token_id, *(token for row in ids for token in [*row, end])]
    assert flat == expected[: len(flat)] and len(expected) - len(flat) <= 1
    assert {len(row) for row in rows[:-1]} == {16}
    settings = AdaptSettings(
        **{**QUICK, "train": {**QUICK["train"], "epochs": 8}}, packed=True, max_tokens=32
    )
    _, log = adapt_with_log(decoder, TEXTS, settings, general=GENERAL)
    assert log.perplexity_after < 0.9 * log.perplexity_before and log.general_after is not None


@pytest.mark.parametrize("make", [tiny_encoder, tiny_decoder, tiny_seq2seq])
def test_adapters_for_every_backbone(make: Any) -> None:
    model = make(TEXTS)
    fitted = with_lora(model, 4, seed=0)
    trained = [name for name, p in fitted.network.named_parameters() if p.requires_grad]
    assert trained and all("lora" in name for name in trained)
    names = {name for name, _ in model.network.named_parameters()}
    with torch.no_grad():
        for name, p in fitted.network.named_parameters():
            if "lora_B" in name:
                p.fill_(0.01)
    plain = merged(fitted)
    assert {name for name, _ in plain.network.named_parameters()} == names and merged(model) is model
    moved = [
        not torch.equal(p, q)
        for p, q in zip(plain.network.parameters(), model.network.parameters(), strict=True)
    ]
    assert any(moved) and not all(moved)


def test_an_encoder_is_adapted_by_adapters_and_saved_plain() -> None:
    encoder = tiny_encoder(TEXTS)
    adapted, log = adapt_with_log(encoder, TEXTS, AdaptSettings(**QUICK, lora_rank=4))
    assert log.perplexity_after < log.perplexity_before
    assert not any("lora" in name for name, _ in adapted.network.named_parameters())
    table = adapted.network.get_input_embeddings().weight
    assert torch.equal(table, encoder.network.get_input_embeddings().weight)


def test_settings_that_do_not_fit_are_refused_before_any_work() -> None:
    encoder, decoder = tiny_encoder(TEXTS), tiny_decoder(TEXTS)
    for model, bad, message in (
        (decoder, {"grow_terms": 5}, "grow_terms"),
        (encoder, {"grow_terms": 5, "lora_rank": 2}, "must learn"),
        (encoder, {"grow_terms": 5, "train": {"freeze_embeddings": True}}, "must learn"),
        (encoder, {"packed": True}, "packed"),
        (decoder, {"objective": "contrastive"}, "does not fit"),
        (encoder, {"objective": "contrastive", "pairs": "reviews"}, "shop_pairs"),
        (encoder, {"train": {"freeze_layers": 3}}, "this network has 2 layers"),
    ):
        with pytest.raises(ConfigError, match=message):
            adapt(model, TEXTS, AdaptSettings(**{"head_steps": 0, **bad}))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="for the objective 'contrastive'"):
        adapt(encoder, TEXTS, pairs=[("a", "b")])
    with pytest.raises(DataError, match="1 usable pairs"):
        adapt(encoder, TEXTS, AdaptSettings(objective="contrastive"), pairs=[("a", "b"), ("", "c")])
    with pytest.raises(ModelError, match="no network"):
        with_lora(object(), 2, seed=0)
    for bad in (
        {"mask_rate": 1.4},
        {"temperature": 0},
        {"general_share": 1},
        {"grow_terms": -1},
        {"pairs": "x"},
    ):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            AdaptSettings(**bad)  # type: ignore[arg-type]
