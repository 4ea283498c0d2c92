"""PEFT folders: merged into their base whole, or one clear error."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from retailor.errors import DataError, ModelError, RetailorError
from retailor.models.local import LocalEncoder, LocalGenerator, load_encoder, load_generator
from retailor.models.weights import load_model
from retailor.testing.models import SAMPLE, tiny_decoder, tiny_encoder, tiny_seq2seq

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:.*tie_word_embeddings.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*remote file.*:UserWarning"),
    pytest.mark.filterwarnings("ignore:.*embedding layers.*:UserWarning"),
]


def tuned(network: Any, config: Any, task: str | None = None) -> Any:
    """The network under an adapter that changes something."""
    from peft import get_peft_model

    config.task_type = task
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = get_peft_model(network, config)
    torch.manual_seed(1)
    with torch.no_grad():
        for parameter in made.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter) * 0.05)
    return made.eval()


def lora(**values: Any) -> Any:
    from peft import LoraConfig

    return LoraConfig(r=2, **{"target_modules": "all-linear", **values})


def write(made: Any, folder: Path, base: Path | str, **values: Any) -> Path:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made.save_pretrained(folder)
    path = folder / "adapter_config.json"
    config = {**json.loads(path.read_text()), "base_model_name_or_path": str(base), **values}
    path.write_text(json.dumps(config))
    return folder


@pytest.fixture
def base(tmp_path: Path) -> Path:
    tiny_decoder().save(tmp_path / "base")
    return tmp_path / "base"


def generator(folder: Path) -> LocalGenerator:
    found = load_model(folder)
    assert isinstance(found, LocalGenerator)
    return found


def likely(network: Any) -> Any:
    return tiny_decoder().with_network(network).score(["a red"], ["mug"])


@pytest.fixture
def adapter(base: Path, tmp_path: Path) -> Path:
    return write(tuned(tiny_decoder().network, lora(), "CAUSAL_LM"), tmp_path / "adapter", base)


def kinds() -> dict[str, Any]:
    from peft import IA3Config, LoHaConfig, LoKrConfig, OFTConfig

    targets = ["q_proj", "v_proj", "down_proj"]
    return {
        "lora": lora(),
        "dora": lora(use_dora=True),
        "rslora": lora(use_rslora=True, target_modules=targets),
        "lora with whole modules": lora(target_modules=targets, modules_to_save=["norm"]),
        "ia3": IA3Config(target_modules=targets, feedforward_modules=["down_proj"]),
        "loha": LoHaConfig(r=2, target_modules=targets),
        "lokr": LoKrConfig(r=2, target_modules=targets),
        "oft": OFTConfig(r=0, oft_block_size=4, target_modules=targets),
    }


@pytest.mark.parametrize("kind", list(kinds()))
def test_every_kind_that_is_merged(base: Path, tmp_path: Path, kind: str) -> None:
    made = tuned(tiny_decoder().network, kinds()[kind], "CAUSAL_LM")
    expected = likely(made)
    found = generator(write(made, tmp_path / "adapter", base))
    assert abs(expected - tiny_decoder().score(["a red"], ["mug"])) > 1e-5
    np.testing.assert_allclose(found.score(["a red"], ["mug"]), expected, atol=1e-4)
    assert not hasattr(found.network, "peft_config") and all(
        p.requires_grad for p in found.network.parameters()
    )


@pytest.mark.parametrize("where", ["absolute", "within", "beside"])
def test_the_base_is_found(base: Path, adapter: Path, tmp_path: Path, where: str) -> None:
    expected = generator(adapter).score(["a red"], ["mug"])
    moved = {"absolute": base, "within": adapter / "base", "beside": tmp_path / "model"}[where]
    base.rename(moved)
    name = {"absolute": str(moved), "within": "base", "beside": "org/model"}[where]
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": name}))
    np.testing.assert_allclose(generator(adapter).score(["a red"], ["mug"]), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["org/nowhere", "", None, "adapter"])
def test_a_base_that_is_not_here_is_named(adapter: Path, name: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": name}))
    with pytest.raises(ModelError, match=rf"adapter for '{name or ''}', which is not a folder here: put"):
        load_generator(adapter)


def test_an_adapter_of_an_adapter_is_refused(adapter: Path, tmp_path: Path) -> None:
    second = write(tuned(tiny_decoder().network, lora(), "CAUSAL_LM"), tmp_path / "second", adapter)
    with pytest.raises(ModelError, match="which is an adapter too"):
        load_generator(second)


# weights ------------------------------------------------------------------------------------------


def test_a_pickled_adapter_is_not_loaded_and_the_advice_works(adapter: Path) -> None:
    expected = generator(adapter).score(["a red"], ["mug"])
    path = adapter / "adapter_model.safetensors"
    torch.save(load_file(path), path.with_suffix(".bin"))
    path.unlink()
    for load in (load_generator, load_model):
        with pytest.raises(ModelError, match=r"adapter_model\.bin, a pickle that can run code") as raised:
            load(adapter)
    advised = re.search(r"`(python .*)`", str(raised.value))
    assert advised is not None
    code = shlex.split(advised[1])[2]
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True)
    np.testing.assert_allclose(generator(adapter).score(["a red"], ["mug"]), expected, atol=1e-6)


def test_an_adapter_without_weights_is_one_clear_error(adapter: Path) -> None:
    (adapter / "adapter_model.safetensors").unlink()
    with pytest.raises(ModelError, match="the adapter is without its weights"):
        load_generator(adapter)


@pytest.mark.parametrize("size", [0, 7, 300, 3000])
def test_a_cut_adapter_is_named(adapter: Path, size: int) -> None:
    path = adapter / "adapter_model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"adapter_model\.safetensors: the weights are corrupt or cut off"):
        load_generator(adapter)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda w: dict(list(w.items())[2:]), "its weights lack"),
        (
            lambda w: {
                **w,
                "base_model.model.model.layers.7.self_attn.q_proj.lora_A.weight": torch.ones(2, 32),
            },
            "no place",
        ),
        (lambda w: {n: torch.ones(3, 3) for n in w}, "does not fit its base"),
        (lambda w: {n: t * float("nan") for n, t in w.items()}, "no numbers|does not fit|NaN"),
        (lambda w: {n.replace("q_proj", "query"): t for n, t in w.items()}, "its weights lack"),
    ],
)
def test_weights_that_do_not_fit_are_an_error(adapter: Path, change: Any, says: str) -> None:
    path = adapter / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)
    with pytest.raises(RetailorError, match=says):
        load_generator(adapter)


@pytest.mark.parametrize("prefix", ["base_model.model.module.", "module.base_model.model.", "_orig_mod.", ""])
def test_prefixes_of_an_adapter_are_taken_off(adapter: Path, prefix: str) -> None:
    expected = generator(adapter).score(["a red"], ["mug"])
    path = adapter / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({prefix + name.removeprefix("base_model.model."): t for name, t in weights.items()}, path)
    np.testing.assert_allclose(generator(adapter).score(["a red"], ["mug"]), expected, atol=1e-6)


def test_the_name_of_an_adapter_within_its_names_is_taken_off(adapter: Path) -> None:
    expected = generator(adapter).score(["a red"], ["mug"])
    path = adapter / "adapter_model.safetensors"
    weights = load_file(path)
    save_file({name.replace(".weight", ".default.weight"): t for name, t in weights.items()}, path)
    np.testing.assert_allclose(generator(adapter).score(["a red"], ["mug"]), expected, atol=1e-6)


@pytest.mark.parametrize(
    "kind", ["PREFIX_TUNING", "PROMPT_TUNING", "P_TUNING", "ADAPTION_PROMPT", "XLORA", "WOBBLE", None]
)
def test_kinds_that_cannot_be_merged_are_refused(adapter: Path, kind: Any) -> None:
    path = adapter / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "peft_type": kind}))
    with pytest.raises(ModelError, match=f"of the kind {str(kind).upper()}; Retailor merges LORA"):
        load_generator(adapter)


@pytest.mark.parametrize("text", ["{", "[]", '{"peft_type": "LORA"}', ""])
def test_a_config_that_is_broken_is_an_error_of_ours(adapter: Path, text: str) -> None:
    (adapter / "adapter_config.json").write_text(text)
    with pytest.raises(RetailorError, match="adapter"):
        load_model(adapter)


def test_the_base_must_be_sound_too(base: Path, adapter: Path) -> None:
    (base / "manifest.json").unlink()
    path = base / "model.safetensors"
    weights = load_file(path)
    weights.pop("model.layers.1.mlp.up_proj.weight")
    save_file(weights, path)
    with pytest.raises(ModelError, match=r"base: the weights lack 1 of"):
        load_generator(adapter)


# new tokens ---------------------------------------------------------------------------------------


def with_new_tokens(base: Path, folder: Path, *, brought: bool) -> tuple[Path, Any]:
    made = tiny_decoder()
    network: Any = made.network
    made.tokenizer.add_tokens(["<|im_start|>", "<|im_end|>"])
    network.resize_token_embeddings(len(made.tokenizer), mean_resizing=False)
    config = lora(target_modules=["q_proj"], modules_to_save=["embed_tokens", "lm_head"] if brought else None)
    network = tuned(network, config, "CAUSAL_LM")
    expected = made.with_network(network).score(["a <|im_start|>"], ["mug <|im_end|>"])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        network.save_pretrained(folder, save_embedding_layers=brought)
    made.tokenizer.save_pretrained(folder)
    path = folder / "adapter_config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "base_model_name_or_path": str(base)}))
    return folder, expected


def test_new_tokens_get_their_rows_first(base: Path, tmp_path: Path) -> None:
    folder, expected = with_new_tokens(base, tmp_path / "adapter", brought=True)
    found = generator(folder)
    network: Any = found.network
    assert network.get_input_embeddings().weight.shape[0] == len(found.tokenizer)
    np.testing.assert_allclose(found.score(["a <|im_start|>"], ["mug <|im_end|>"]), expected, atol=1e-4)
    found.save(tmp_path / "saved")
    again = generator(tmp_path / "saved")
    np.testing.assert_allclose(again.score(["a <|im_start|>"], ["mug <|im_end|>"]), expected, atol=1e-4)


def test_new_tokens_whose_rows_nobody_brings_are_an_error(base: Path, tmp_path: Path) -> None:
    folder, _ = with_new_tokens(base, tmp_path / "adapter", brought=False)
    n = len(tiny_decoder().tokenizer)
    with pytest.raises(ModelError, match=rf"knows {n + 2} tokens, its base has embeddings for {n}, and"):
        load_generator(folder)


# encoders and encoder-decoders --------------------------------------------------------------------


def encoder(folder: Path) -> LocalEncoder:
    found = load_model(folder)
    assert isinstance(found, LocalEncoder)
    found.precision = "32"
    return found


@pytest.mark.parametrize("task", ["FEATURE_EXTRACTION", None])
def test_an_adapter_of_an_encoder_is_merged(tmp_path: Path, task: str | None) -> None:
    below = tiny_encoder()
    below.pooling, below.prompts = "cls", {"query": "mouse ", "passage": ""}
    below.save(tmp_path / "base")
    made = tuned(tiny_encoder().network, lora(), task)
    expected = below.with_network(made).encode(SAMPLE, role="query")
    found = encoder(write(made, tmp_path / "adapter", tmp_path / "base"))
    assert np.abs(expected - below.encode(SAMPLE, role="query")).max() > 1e-3
    np.testing.assert_allclose(found.encode(SAMPLE, role="query"), expected, atol=1e-5)
    assert found.name == "adapter" and found.pooling == "cls"
    found.save(tmp_path / "saved")
    np.testing.assert_allclose(encoder(tmp_path / "saved").encode(SAMPLE, role="query"), expected, atol=1e-5)


def test_an_adapter_of_a_classifier_gives_its_encoder(tmp_path: Path) -> None:
    from transformers import BertForSequenceClassification

    tiny_encoder().save(tmp_path / "base")
    body: Any = tiny_encoder().network
    whole = BertForSequenceClassification(body.config)
    whole.bert.load_state_dict(body.state_dict())
    made = tuned(whole, lora(target_modules=["query", "value"]), "SEQ_CLS")
    expected = tiny_encoder().with_network(made.base_model.model.bert).encode(SAMPLE)
    found = encoder(write(made, tmp_path / "adapter", tmp_path / "base"))
    assert np.abs(expected - tiny_encoder().encode(SAMPLE)).max() > 1e-3
    np.testing.assert_allclose(found.encode(SAMPLE), expected, atol=1e-5)


def test_an_adapter_within_a_sentence_transformers_folder(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "base")
    made = tuned(tiny_encoder().network, lora(), "FEATURE_EXTRACTION")
    expected = tiny_encoder().with_network(made).encode(SAMPLE)
    tiny_encoder().save(tmp_path / "st")
    for name in ("manifest.json", "model.safetensors", "config.json", "retailor_encoder.json"):
        (tmp_path / "st" / name).unlink()
    write(made, tmp_path / "st", tmp_path / "base")
    np.testing.assert_allclose(encoder(tmp_path / "st").encode(SAMPLE), expected, atol=1e-5)


def test_an_adapter_of_another_base_is_an_error(tmp_path: Path) -> None:
    tiny_encoder().save(tmp_path / "base")
    made = tuned(tiny_decoder().network, lora(target_modules=["q_proj"]), "FEATURE_EXTRACTION")
    with pytest.raises(ModelError, match=r"does not fit its base|do not fit"):
        load_encoder(write(made, tmp_path / "adapter", tmp_path / "base"))


def test_an_adapter_of_an_encoder_decoder(tmp_path: Path) -> None:
    tiny_seq2seq().save(tmp_path / "base")
    made = tuned(tiny_seq2seq().network, lora(target_modules=["q", "v"]), "SEQ_2_SEQ_LM")
    expected = tiny_seq2seq().with_network(made).score(["a red"], ["mug"])
    found = generator(write(made, tmp_path / "adapter", tmp_path / "base"))
    np.testing.assert_allclose(found.score(["a red"], ["mug"]), expected, atol=1e-4)
