"""The contracts on tiny real models, and what is particular to local ones."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from retailor.errors import DataError, ModelError
from retailor.models.encoder import pool
from retailor.models.hardware import by_length
from retailor.models.local import LocalEncoder, LocalGenerator, load_encoder, load_generator
from retailor.models.sampling import nucleus, sampler
from retailor.models.shapes import TrainableEncoder, TrainableGenerator
from retailor.models.weights import load_model
from retailor.models.well_formed import well_formed
from retailor.store import artifact
from retailor.testing.models import (
    SAMPLE,
    EncoderContract,
    GeneratorContract,
    tiny_decoder,
    tiny_encoder,
    tiny_seq2seq,
)
from retailor.testing.toys import HashEncoder


class TestTinyEncoder(EncoderContract):
    def encoder(self) -> LocalEncoder:
        return tiny_encoder()


class TestTinyEncoderInHalf(EncoderContract):
    tolerance = 0.02

    def encoder(self) -> LocalEncoder:
        made = tiny_encoder()
        made.precision = "auto"
        return made


class TestTinyDecoder(GeneratorContract):
    def generator(self) -> LocalGenerator:
        return tiny_decoder()


class TestTinySeq2Seq(GeneratorContract):
    def generator(self) -> LocalGenerator:
        return tiny_seq2seq()


class TestHashEncoder(EncoderContract):
    def encoder(self) -> HashEncoder:
        return HashEncoder()


def test_local_models_satisfy_the_shapes() -> None:
    assert isinstance(tiny_encoder(), TrainableEncoder)
    assert isinstance(tiny_decoder(), TrainableGenerator)
    assert isinstance(tiny_seq2seq(), TrainableGenerator)


def test_tiny_models_are_the_same_in_another_process() -> None:
    code = (
        "from retailor.testing.models import tiny_encoder, tiny_seq2seq\n"
        "print(tiny_encoder().encode(['a red mug']).tobytes().hex(), "
        "tiny_seq2seq().generate(['a red mug'], max_tokens=8)[0].encode().hex())"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True, text=True, env={**os.environ, "PYTHONHASHSEED": "7"},
    )  # fmt: skip
    here = tiny_encoder().encode(["a red mug"]).tobytes().hex()
    there = tiny_seq2seq().generate(["a red mug"], max_tokens=8)[0].encode().hex()
    assert done.stderr == "" and done.stdout.split() == [here, *([there] if there else [])]


def test_making_a_tiny_model_leaves_randomness_alone() -> None:
    before = torch.get_rng_state()
    tiny_encoder()
    assert torch.equal(torch.get_rng_state(), before)


def test_vectors_with_gradient_are_those_of_encode() -> None:
    encoder = tiny_encoder()
    vectors = encoder.vectors(encoder.tokens(SAMPLE))
    assert vectors.requires_grad
    unit = torch.nn.functional.normalize(vectors, dim=-1).detach().numpy()
    np.testing.assert_allclose(unit, encoder.encode(SAMPLE), atol=1e-5)


def test_encode_does_not_see_dropout_and_leaves_the_mode() -> None:
    encoder = tiny_encoder()
    expected = encoder.encode(SAMPLE)
    encoder.network.train()
    np.testing.assert_allclose(encoder.encode(SAMPLE), expected, atol=1e-6)
    assert encoder.network.training


def test_prompts_go_before_the_text_of_their_role() -> None:
    encoder = tiny_encoder()
    encoder.prompts = {"query": "mouse ", "passage": ""}
    np.testing.assert_allclose(
        encoder.encode(["lamp"], role="query"), encoder.encode(["mouse lamp"]), atol=1e-6
    )


@pytest.mark.parametrize("pooling", ["mean", "cls", "last"])
def test_pooling_against_plain_loops(pooling: Any) -> None:
    hidden = torch.randn(3, 4, 5)
    mask = torch.tensor([[1, 1, 1, 1], [1, 1, 0, 0], [1, 0, 0, 0]])
    for row, n, found in zip(hidden, (4, 2, 1), pool(hidden, mask, pooling), strict=True):
        expected = {"mean": row[:n].mean(0), "cls": row[0], "last": row[n - 1]}[pooling]
        torch.testing.assert_close(found, expected)


def test_batches_keep_their_token_budget() -> None:
    lengths = [5, 300, 1, 64, 64, 64, 7, 2000]
    batches = list(by_length(lengths, 200))
    assert sorted(int(i) for batch in batches for i in batch) == list(range(8))
    assert all(len(batch) == 1 or len(batch) * max(lengths[i] for i in batch) <= 200 for batch in batches)


def test_many_threads_may_encode_at_once() -> None:
    encoder = tiny_encoder()
    expected = encoder.encode(SAMPLE)
    wrong: list[float] = []

    def work() -> None:
        for _ in range(20):
            wrong.append(float(np.abs(encoder.encode(SAMPLE) - expected).max()))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(wrong) == 80 and max(wrong) < 1e-5


def test_a_copy_has_weights_of_its_own() -> None:
    encoder = tiny_encoder()
    expected, other = encoder.encode(SAMPLE), encoder.copy()
    with torch.no_grad():
        for parameter in other.network.parameters():
            parameter.mul_(1.5)
    np.testing.assert_array_equal(encoder.encode(SAMPLE), expected)
    assert np.abs(other.encode(SAMPLE) - expected).max() > 1e-3


# generators ---------------------------------------------------------------------------------------


def test_pairs_look_only_at_the_completion() -> None:
    generator = tiny_decoder()
    batch = generator.pairs(["red mug", "a much longer prompt"], ["great", "bad one"], max_tokens=32)
    for i, text in enumerate(["great", "bad one"]):
        labels = batch["labels"][i]
        seen = labels[labels != -100]
        assert generator.tokenizer.decode(seen, skip_special_tokens=True) == text
        assert seen[-1] == generator.tokenizer.eos_token_id
        assert torch.equal(batch["input_ids"][i][labels != -100], seen)
    assert batch["attention_mask"].sum(1).tolist() == [(row != 0).sum().item() for row in batch["input_ids"]]


@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_long_pairs_are_cut_on_both_sides(make: Any) -> None:
    generator = make()
    batch = generator.pairs(["mug " * 100, "mug"], ["great " * 100, "great " * 100], max_tokens=24)
    assert batch["input_ids"].shape[1] <= 24 and batch["labels"].shape[1] <= 24
    assert (batch["labels"] != -100).sum(1).min() >= 12


def test_the_chat_template_is_used_and_the_system_message_too() -> None:
    generator = tiny_decoder()
    generator.tokenizer.chat_template = (
        "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant]"
    )
    generator.system = "Be brief."

    def shown(room: int) -> str:
        ids = generator.prompt_ids(["Great quality, fast delivery"], room=room)[0]
        assert len(ids) <= room
        return str(generator.tokenizer.decode(ids))

    assert shown(200) == "[system] Be brief.\n[user] Great quality, fast delivery\n[assistant]"
    cut = shown(len(generator.prompt_ids([""], room=200)[0]) + 3)
    assert cut.startswith("[system] Be brief.\n[user] ") and cut.endswith("ivery\n[assistant]")


def test_scores_are_the_log_likelihoods_of_the_network() -> None:
    generator = tiny_decoder()
    prompt, completion = "a red", " mug"
    ids = generator.pairs([prompt], [completion], max_tokens=64)
    with torch.no_grad():
        chances = generator.network(input_ids=ids["input_ids"]).logits.log_softmax(-1)[0]
    places = [i for i, label in enumerate(ids["labels"][0].tolist()) if label != -100]
    expected = np.mean([chances[i - 1, ids["input_ids"][0, i]].item() for i in places])
    found = generator.score([prompt, "a longer prompt that pads"], [completion, "x"])
    assert found[0] == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_mean_loss_of_random_weights_is_near_that_of_guessing(make: Any) -> None:
    generator = make()
    found = generator.mean_loss(SAMPLE)
    assert found == pytest.approx(np.log(len(generator.tokenizer)), rel=0.35)
    assert np.isnan(generator.mean_loss([]))


def test_a_context_that_is_too_short_is_named() -> None:
    with pytest.raises(ModelError, match="context of 512 tokens, so max_tokens = 512"):
        tiny_decoder().generate(["a"], max_tokens=512)


def test_a_prompt_longer_than_the_context_still_gets_an_answer() -> None:
    assert len(tiny_decoder().generate(["mug " * 2000, ""], max_tokens=4)) == 2


def test_gumbel_samples_follow_the_probabilities() -> None:
    chances = torch.tensor([[0.5, 0.3, 0.15, 0.05]])
    counts = np.zeros(4)
    for i in range(4000):
        (processor,) = sampler([f"prompt {i}"], 1.0, 1.0, seed=0)
        counts[int(processor(torch.zeros(1, 1), chances.log()).argmax())] += 1
    np.testing.assert_allclose(counts / 4000, chances[0], atol=0.03)
    assert sampler(["a"], 0.0, 1.0, seed=0) == []


def test_nucleus_keeps_the_smallest_set_that_has_the_mass() -> None:
    rows = torch.tensor([[0.5, 0.3, 0.15, 0.05], [0.01, 0.97, 0.01, 0.01]]).log()
    assert torch.isfinite(nucleus(rows, 0.7)).tolist() == [
        [True, True, False, False],
        [False, True, False, False],
    ]


# folders ------------------------------------------------------------------------------------------


def test_a_saved_encoder_opens_in_sentence_transformers(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = tiny_encoder()
    encoder.prompts = {"query": "mouse ", "passage": "lamp "}
    encoder.save(tmp_path / "encoder")
    judge = SentenceTransformer(str(tmp_path / "encoder"), device="cpu")
    np.testing.assert_allclose(judge.encode(list(SAMPLE)), encoder.encode(SAMPLE), atol=1e-5)
    np.testing.assert_allclose(judge.encode_document(list(SAMPLE)), encoder.encode(SAMPLE), atol=1e-5)
    np.testing.assert_allclose(
        judge.encode_query(list(SAMPLE)), encoder.encode(SAMPLE, role="query"), atol=1e-5
    )
    assert judge.max_seq_length == encoder.max_tokens


def test_a_folder_of_sentence_transformers_opens_here(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = tiny_encoder()
    encoder.pooling = "cls"
    encoder.save(tmp_path / "ours")
    judge = SentenceTransformer(str(tmp_path / "ours"), device="cpu")
    judge.save(str(tmp_path / "theirs"))
    opened = load_model(tmp_path / "theirs")
    assert isinstance(opened, LocalEncoder) and opened.pooling == "cls"
    np.testing.assert_allclose(opened.encode(SAMPLE), encoder.encode(SAMPLE), atol=0.02)


@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_a_saved_generator_opens_in_transformers(make: Any, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM, AutoTokenizer

    generator = make()
    generator.save(tmp_path / "generator")
    auto = AutoModelForSeq2SeqLM if generator.is_seq2seq else AutoModelForCausalLM
    network = auto.from_pretrained(tmp_path / "generator")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "generator")
    ids = torch.tensor(generator.prompt_ids(["a red mug"], room=64))
    rows = network.generate(
        input_ids=ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False
    )
    new = rows[0, 1:] if generator.is_seq2seq else rows[0, ids.shape[1] :]
    expected = generator.generate(["a red mug"], max_tokens=8)[0]
    assert tokenizer.decode(new, skip_special_tokens=True).strip() == expected


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.filterwarnings("ignore:Model has `tie_word_embeddings:UserWarning")
def test_adapters_save_merged_and_load_from_a_peft_folder(tmp_path: Path) -> None:
    from peft import LoraConfig, get_peft_model

    base = tiny_decoder()
    base.save(tmp_path / "base")
    opened = load_generator(tmp_path / "base")
    assert isinstance(opened, LocalGenerator)
    network = get_peft_model(opened.network, LoraConfig(r=2, target_modules="all-linear"))
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            if "lora_B" in name:
                parameter.fill_(0.05)
    tuned = opened.with_network(network)
    expected = tuned.score(["a red"], ["mug"])
    assert abs(expected - base.score(["a red"], ["mug"])) > 1e-4
    tuned.save(tmp_path / "merged")
    network.save_pretrained(tmp_path / "adapter")
    for folder in ("merged", "adapter"):
        again = load_model(tmp_path / folder)
        assert isinstance(again, LocalGenerator)
        np.testing.assert_allclose(again.score(["a red"], ["mug"]), expected, atol=1e-4)


def test_a_pickle_is_not_loaded_and_the_error_says_how_to_convert(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "e")
    (tmp_path / "e" / artifact.MANIFEST).unlink()
    (tmp_path / "e" / "model.safetensors").rename(tmp_path / "e" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin, a pickle .*save_pretrained"):
        load_encoder(tmp_path / "e")


def test_a_cut_off_file_is_named_without_a_manifest_too(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "e")
    (tmp_path / "e" / artifact.MANIFEST).unlink()
    path = tmp_path / "e" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-50])
    with pytest.raises(DataError, match=r"model\.safetensors: the weights are corrupt"):
        load_encoder(tmp_path / "e")
    path.unlink()
    with pytest.raises(ModelError, match=r"no model\.safetensors"):
        load_encoder(tmp_path / "e")


def test_a_module_that_cannot_be_run_is_named(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "e")
    for name in (artifact.MANIFEST, "retailor_encoder.json"):
        (tmp_path / "e" / name).unlink()
    modules = tmp_path / "e" / "modules.json"
    modules.write_text(modules.read_text().replace("models.Normalize", "models.CNN"))
    with pytest.raises(ModelError, match="CNN"):
        load_model(tmp_path / "e")


def test_encoder_and_generator_folders_are_told_apart(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "e")
    tiny_decoder().save(tmp_path / "g")
    (tmp_path / "g" / artifact.MANIFEST).unlink()
    with pytest.raises(ModelError, match=r"kind 'encoder'.* 'generator' is needed: use smollm2"):
        load_model(tmp_path / "e", kind="generator")
    with pytest.raises(DataError, match="'encoder', not a 'generator'"):
        load_generator(tmp_path / "e")
    assert isinstance(load_model(tmp_path / "g"), LocalGenerator)
    with pytest.raises(ModelError, match="no folder"):
        load_encoder(tmp_path / "none")


def test_the_encoder_of_a_t5_can_be_used_alone(tmp_path: Path) -> None:
    tiny_seq2seq().save(tmp_path / "t5")
    (tmp_path / "t5" / artifact.MANIFEST).unlink()
    encoder = load_model(tmp_path / "t5", kind="encoder")
    assert isinstance(encoder, LocalEncoder) and encoder.encode(SAMPLE).shape == (len(SAMPLE), 32)


def test_halves_of_characters_are_joined_or_replaced() -> None:
    broken = ["a mug", "杯子", "smile \ud83d\ude00", "half \ud83d"]
    assert well_formed(broken) == ["a mug", "杯子", "smile 😀", "half �"]
    assert len(tiny_decoder().generate(broken, max_tokens=2)) == 4
