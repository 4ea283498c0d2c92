"""A load fills the network from its folder, or says what is wrong; never random weights."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Callable
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

Weights = dict[str, torch.Tensor]


def plain_folder(made: Any, folder: Path) -> Path:
    """A folder as transformers itself writes it."""
    made.network.save_pretrained(folder)
    made.tokenizer.save_pretrained(folder)
    return folder


def rewrite(folder: Path, change: Callable[[Weights], Weights], name: str = "model.safetensors") -> None:
    weights = {key: tensor.clone() for key, tensor in load_file(folder / name).items()}
    save_file({key: tensor.contiguous() for key, tensor in change(weights).items()}, folder / name)


def set_config(folder: Path, name: str = "config.json", **values: Any) -> None:
    found = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps({**found, **values}))


def renamed(by: Callable[[str], str]) -> Callable[[Weights], Weights]:
    return lambda weights: {by(name): tensor for name, tensor in weights.items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return plain_folder(tiny_encoder(), tmp_path / "e")


def vectors(folder: Path) -> Any:
    encoder = load_model(folder, kind="encoder")
    encoder.precision = "32"
    return encoder.encode(SAMPLE)


TRUE = tiny_encoder().encode(SAMPLE)

PREFIXES = (
    "_orig_mod.",
    "module.",
    "auto_model.",
    "model.",
    "0.auto_model.",
    "0.model.",
    "bert.",
    "encoder.",
    "roberta.",
    "module._orig_mod.",
    "_orig_mod.module.",
    "model.encoder.",
    "model.bert.",
    "0.auto_model.bert.",
    "backbone.",
    "module.0.auto_model._orig_mod.bert.",
    "transformer.",
    "_fsdp_wrapped_module.",
    "net.body.",
)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_are_taken_off(folder: Path, prefix: str) -> None:
    rewrite(folder, renamed(lambda name: prefix + name))
    np.testing.assert_allclose(vectors(folder), TRUE, atol=1e-6)


@pytest.mark.parametrize("wrapper", ["_orig_mod.", "_checkpoint_wrapped_module."])
def test_wrappers_within_a_name_are_taken_off(folder: Path, wrapper: str) -> None:
    rewrite(folder, renamed(lambda name: name.replace("encoder.layer.1.", f"encoder.layer.1.{wrapper}")))
    np.testing.assert_allclose(vectors(folder), TRUE, atol=1e-6)


def test_a_prefix_before_some_names_alone_is_taken_off(folder: Path) -> None:
    rewrite(folder, renamed(lambda name: f"module.{name}" if "layer" in name else name))
    np.testing.assert_allclose(vectors(folder), TRUE, atol=1e-6)


def test_two_networks_in_one_file_are_not_guessed_between(folder: Path) -> None:
    rewrite(
        folder,
        lambda weights: {
            f"{side}.{name}": tensor + (side == "b") for name, tensor in weights.items() for side in "ab"
        },
    )
    with pytest.raises(ModelError, match=r"more than one network.*a\., b\."):
        vectors(folder)


def test_a_tensor_under_two_names_is_not_guessed_between(folder: Path) -> None:
    key = "encoder.layer.0.output.dense.weight"
    rewrite(folder, lambda weights: {**weights, f"_orig_mod.{key}": weights[key] + 1})
    with pytest.raises(ModelError, match=f"hold {re.escape(key)} more than once"):
        vectors(folder)


@pytest.mark.parametrize("prefix", ["", "module.", "bert."])
@pytest.mark.parametrize(
    "head", ["cls.predictions.bias", "classifier.weight", "lm_head.weight", "qa_outputs.bias"]
)
def test_unused_heads_may_be_there(folder: Path, prefix: str, head: str) -> None:
    rewrite(folder, lambda weights: {**renamed(lambda n: prefix + n)(weights), head: torch.ones(3, 3)})
    np.testing.assert_allclose(vectors(folder), TRUE, atol=1e-6)


def test_an_unknown_part_beside_the_network_is_said(folder: Path) -> None:
    rewrite(folder, lambda weights: {**weights, "projection.weight": torch.ones(3, 3)})
    with pytest.warns(UserWarning, match=r"1 tensors of the weights are not used: projection\.weight"):
        np.testing.assert_allclose(vectors(folder), TRUE, atol=1e-6)


def test_a_pooler_that_is_missing_is_zeros_and_leaves_randomness_alone(folder: Path) -> None:
    rewrite(folder, lambda weights: {n: t for n, t in weights.items() if "pooler" not in n})
    before = torch.get_rng_state()
    encoder = load_encoder(folder)
    assert torch.equal(torch.get_rng_state(), before)
    assert isinstance(encoder, LocalEncoder)
    network: Any = encoder.network
    assert not network.pooler.dense.weight.any()
    np.testing.assert_allclose(vectors(folder), TRUE, atol=1e-6)


@pytest.mark.parametrize(
    "gone",
    [
        "encoder.layer.1.",
        "embeddings.word_embeddings",
        "embeddings.LayerNorm.bias",
        "encoder.",
        "attention.self.key",
    ],
)
@pytest.mark.parametrize("prefix", ["", "_orig_mod."])
def test_what_is_missing_is_named(folder: Path, gone: str, prefix: str) -> None:
    lost = [n for n in load_file(folder / "model.safetensors") if gone in n]
    rewrite(folder, lambda weights: {prefix + n: t for n, t in weights.items() if gone not in n})
    with pytest.raises(ModelError, match=rf"the weights lack {len(lost)} of the 39 tensors") as raised:
        load_encoder(folder)
    assert sorted(lost)[0] in str(raised.value) and len(str(raised.value)) < 900


def test_names_that_fit_nothing_are_missing_ones(folder: Path) -> None:
    rewrite(folder, renamed(lambda name: name.replace(".", "_")))
    with pytest.raises(ModelError, match="lack 37 of the 39"):
        load_encoder(folder)


def test_weights_deeper_than_the_config_are_named(folder: Path, tmp_path: Path) -> None:
    set_config(folder, num_hidden_layers=1)
    with pytest.raises(
        ModelError, match=r"go further than config.json says: 16 .*encoder\.layer\.1\."
    ) as raised:
        load_encoder(folder)
    assert "and 11 more" in str(raised.value)
    set_config(folder, num_hidden_layers=3)
    with pytest.raises(ModelError, match=r"lack 16 of the 55 .*encoder\.layer\.2\."):
        load_encoder(folder)
    set_config(folder, num_hidden_layers=10**9)
    with pytest.raises(ModelError, match="num_hidden_layers = 1000000000, and there are 39 tensors"):
        load_encoder(folder)


def test_parts_that_the_network_would_have_to_compute_with_are_errors(folder: Path) -> None:
    rewrite(folder, lambda weights: {**weights, "encoder.layer.0.adapter.down.weight": torch.ones(2, 2)})
    with pytest.raises(
        ModelError, match=r"no place in the network: encoder\.layer\.0\.adapter\.down\.weight"
    ):
        load_encoder(folder)


@pytest.mark.parametrize(
    "values", [{"hidden_size": 64}, {"vocab_size": 10**9}, {"intermediate_size": 65}, {"type_vocab_size": 3}]
)
def test_other_shapes_are_named(folder: Path, values: dict[str, int]) -> None:
    set_config(folder, **values)
    with pytest.raises(
        ModelError, match=r"other shapes than config\.json says: .*\(\d+, \d+\) and should be"
    ):
        load_encoder(folder)


@pytest.mark.parametrize(
    "values",
    [
        {"hidden_act": "wobble"},
        {"num_attention_heads": 5},
        {"num_attention_heads": 0},
        {"hidden_size": "32"},
        {"hidden_size": -1},
        {"model_type": "wobble"},
        {"model_type": 3},
        {"pad_token_id": 10**6},
        {"num_hidden_layers": "two"},
        {"layer_norm_eps": "x"},
        {"architectures": 3},
    ],
)
def test_a_config_that_cannot_be_is_an_error_of_ours(folder: Path, values: dict[str, Any]) -> None:
    set_config(folder, **values)
    with pytest.raises(RetailorError, match=str(folder)):
        vectors(folder)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_are_named(folder: Path, value: float) -> None:
    def spoil(weights: Weights) -> Weights:
        weights["encoder.layer.1.output.dense.weight"][3, 4] = value
        return weights

    rewrite(folder, spoil)
    with pytest.raises(
        DataError, match=r"1 of the 2048 weights of encoder\.layer\.1\.output\.dense\.weight are no"
    ):
        load_encoder(folder)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floats_become_float32(folder: Path, dtype: torch.dtype) -> None:
    rewrite(folder, lambda weights: {n: t.to(dtype) for n, t in weights.items()})
    set_config(folder, dtype=str(dtype).removeprefix("torch."))
    encoder = load_encoder(folder)
    assert isinstance(encoder, LocalEncoder)
    assert {p.dtype for p in encoder.network.parameters()} == {torch.float32}
    assert np.abs(vectors(folder) - TRUE).max() < 0.02


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2, torch.int8, torch.uint8])
def test_packed_weights_are_refused(folder: Path, dtype: torch.dtype) -> None:
    rewrite(folder, lambda weights: {n: t.to(dtype) if "dense" in n else t for n, t in weights.items()})
    with pytest.raises(ModelError, match="quantised weights"):
        load_encoder(folder)


# files --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [0, 4, 8, 100, 5000])
def test_a_file_that_was_cut_is_named(folder: Path, size: int) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(DataError, match=r"model\.safetensors: the weights are corrupt or cut off"):
        load_encoder(folder)


def test_a_file_without_tensors_is_named(folder: Path) -> None:
    save_file({}, folder / "model.safetensors")
    with pytest.raises(DataError, match=r"model\.safetensors: the file holds no tensors"):
        load_encoder(folder)


@pytest.fixture
def sharded(folder: Path) -> Path:
    weights = load_file(folder / "model.safetensors")
    names, where = sorted(weights), {}
    for i, part in enumerate((names[:20], names[20:]), start=1):
        file = f"model-0000{i}-of-00002.safetensors"
        save_file({name: weights[name].clone() for name in part}, folder / file)
        where.update(dict.fromkeys(part, file))
    (folder / "model.safetensors").unlink()
    index = {"metadata": {}, "weight_map": where}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    return folder


def test_shards_are_read_and_a_missing_or_cut_one_is_named(sharded: Path) -> None:
    np.testing.assert_allclose(vectors(sharded), TRUE, atol=1e-6)
    path = sharded / "model-00002-of-00002.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-10])
    with pytest.raises(DataError, match=r"model-00002-of-00002\.safetensors: the weights are corrupt"):
        load_encoder(sharded)
    path.unlink()
    with pytest.raises(DataError, match=r"model-00002-of-00002\.safetensors: the weights are missing"):
        load_encoder(sharded)


def test_an_index_that_is_wrong_is_named(sharded: Path) -> None:
    path = sharded / "model.safetensors.index.json"
    listed = json.loads(path.read_text())
    moved = {**listed["weight_map"], "encoder.layer.9.bias": "model-00001-of-00002.safetensors"}
    path.write_text(json.dumps({"weight_map": moved}))
    with pytest.raises(DataError, match=r"not in the shard that the index names: encoder\.layer\.9\.bias"):
        load_encoder(sharded)
    for wrong in (
        {"weight_map": {"a": "../../etc/passwd"}},
        {"weight_map": {"a": "b.bin"}},
        {},
        [1],
        {"weight_map": 3},
    ):
        path.write_text(json.dumps(wrong))
        with pytest.raises(DataError, match=r"index\.json"):
            load_encoder(sharded)
    path.write_text("{")
    with pytest.raises(DataError, match=r"index\.json: the file is not JSON"):
        load_encoder(sharded)


def test_a_shard_that_the_index_forgot_leaves_tensors_missing(sharded: Path) -> None:
    path = sharded / "model.safetensors.index.json"
    listed = json.loads(path.read_text())["weight_map"]
    path.write_text(json.dumps({"weight_map": {k: v for k, v in listed.items() if "00001" in v}}))
    with pytest.raises(ModelError, match="the weights lack 17 of the 39"):
        load_encoder(sharded)


def test_a_config_cannot_name_other_weights(folder: Path) -> None:
    torch.save({}, folder / "other.bin")
    set_config(folder, transformers_weights="other.bin")
    with pytest.raises(ModelError, match=r"names other weights \('other\.bin'\)"):
        load_encoder(folder)


# formats that are not loaded ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("about", "method", "install"),
    [
        (
            {"quant_method": "bitsandbytes", "load_in_4bit": True},
            "4-bit quantised weights (bitsandbytes)",
            "bitsandbytes",
        ),
        ({"load_in_8bit": True}, "8-bit quantised weights (bitsandbytes)", "bitsandbytes"),
        ({"quant_method": "gptq", "bits": 4}, "4-bit quantised weights (gptq)", "gptqmodel"),
        ({"quant_method": "awq", "bits": 4}, "4-bit quantised weights (awq)", "gptqmodel"),
        (
            {"quant_method": "compressed-tensors"},
            "quantised weights (compressed-tensors)",
            "compressed-tensors",
        ),
        ({"quant_method": "fp8"}, "quantised weights (fp8)", "accelerate"),
        ({"quant_method": "hqq"}, "quantised weights (hqq)", "hqq"),
        ({"quant_method": "brandnew"}, "quantised weights (brandnew)", "the package of that method"),
    ],
)
@pytest.mark.parametrize("make", [tiny_encoder, tiny_decoder])
def test_quantised_folders_say_what_to_install_or_to_choose(
    tmp_path: Path, make: Any, about: dict[str, Any], method: str, install: str
) -> None:
    folder = plain_folder(make(), tmp_path / "q")
    set_config(folder, quantization_config=about)
    with pytest.raises(ModelError, match=re.escape(method)) as raised:
        load_model(folder)
    assert install in str(raised.value) and "not quantised" in str(raised.value)


@pytest.mark.parametrize("name", ["quantize_config.json", "quant_config.json", "hf_quant_config.json"])
def test_older_notes_of_quantisation_are_read_too(folder: Path, name: str) -> None:
    (folder / name).write_text('{"bits": 4}')
    with pytest.raises(ModelError, match="quantised weights"):
        load_encoder(folder)


@pytest.mark.parametrize("end", ["qweight", "weight_scale", "weight_packed", "absmax", "SCB"])
def test_quantised_tensors_are_known_without_a_note(folder: Path, end: str) -> None:
    rewrite(folder, lambda weights: {**weights, f"encoder.layer.0.output.dense.{end}": torch.ones(3)})
    with pytest.raises(ModelError, match="quantised weights"):
        load_encoder(folder)


def test_gguf_beside_safetensors_changes_nothing(folder: Path) -> None:
    (folder / "model-q4.gguf").write_bytes(b"GGUF")
    np.testing.assert_allclose(vectors(folder), TRUE, atol=1e-6)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("onnx/model.onnx", "weights for onnx alone"),
        ("model.onnx", "weights for onnx alone"),
        ("openvino/openvino_model.xml", "weights for openvino alone"),
        ("q4.gguf", "GGUF weights alone"),
        ("tf_model.h5", "TensorFlow weights"),
        ("flax_model.msgpack", "Flax weights"),
        ("rust_model.ot", "Rust"),
        ("weights.pt", r"weights\.pt, a pickle"),
        ("notes.txt", "there are no weights to load"),
    ],
)
def test_other_weights_alone_are_told_apart(folder: Path, name: str, says: str) -> None:
    (folder / "model.safetensors").unlink()
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"x")
    for load in (load_encoder, load_model):
        with pytest.raises(ModelError, match=f"no model.safetensors.*{says}|{says}"):
            load(folder)
    (folder / "config.json").unlink()
    with pytest.raises(RetailorError, match=f"{says}|config.json: the file is missing"):
        load_model(folder)


@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json"])
@pytest.mark.parametrize(
    "classes", [{"AutoModel": "modeling_x.XModel"}, {"AutoTokenizer": ["tok.XModel", None]}]
)
def test_code_of_a_folder_is_refused_with_its_class(
    folder: Path, where: str, classes: dict[str, Any]
) -> None:
    (folder / "modeling_x.py").write_text("raise SystemExit('it ran')")
    set_config(folder, where, auto_map=classes)
    with pytest.raises(ModelError, match=r"needs code of its own \(\w+\.XModel; trust_remote_code\)"):
        load_model(folder)


ARCHITECTURES = [
    (tiny_decoder, None, "AutoModelForCausalLM"),
    (tiny_decoder, [], "AutoModelForCausalLM"),
    (tiny_seq2seq, None, "AutoModelForSeq2SeqLM"),
    (tiny_encoder, None, "AutoModel"),
    (tiny_encoder, ["BertForMaskedLM"], "AutoModelForMaskedLM"),
    (tiny_encoder, ["BertForSequenceClassification"], "AutoModelForSequenceClassification"),
    (tiny_seq2seq, ["T5EncoderModel"], "T5EncoderModel"),
]


@pytest.mark.parametrize(("make", "architectures", "auto"), ARCHITECTURES)
def test_the_advice_for_a_pickle_keeps_every_layer(
    tmp_path: Path, make: Any, architectures: list[str] | None, auto: str
) -> None:
    folder = plain_folder(make(), tmp_path / "p")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    if architectures is not None:
        set_config(folder, architectures=architectures)
    with pytest.raises(ModelError, match=rf"pytorch_model\.bin, a pickle .*import {auto} as M;"):
        load_model(folder)


@pytest.mark.slow
def test_the_advice_for_a_pickle_works_as_it_is_written(tmp_path: Path) -> None:
    made = tiny_decoder()
    network: Any = made.network
    network.config.tie_word_embeddings = False
    network.lm_head.weight = torch.nn.Parameter(network.lm_head.weight.detach() * 2)
    folder = plain_folder(made, tmp_path / "it's a p")
    torch.save(network.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError) as raised:
        load_model(folder)
    advised = re.search(r"`(python .*)`", str(raised.value))
    assert advised is not None
    command = shlex.split(advised[1])
    subprocess.run([sys.executable, *command[1:]], check=True, capture_output=True)
    again = load_generator(folder)
    assert isinstance(again, LocalGenerator)
    assert torch.equal(dict(again.network.named_parameters())["lm_head.weight"], network.lm_head.weight)


# generators ---------------------------------------------------------------------------------------


def test_a_head_that_is_tied_may_be_absent_and_one_that_is_not_may_not(tmp_path: Path) -> None:
    made = tiny_decoder()
    folder = plain_folder(made, tmp_path / "g")
    assert "lm_head.weight" not in load_file(folder / "model.safetensors")
    again = load_generator(folder)
    assert isinstance(again, LocalGenerator)
    again.precision = "32"
    np.testing.assert_allclose(again.score(["a"], ["mug"]), made.score(["a"], ["mug"]), atol=1e-5)
    set_config(folder, tie_word_embeddings=False)
    with pytest.raises(ModelError, match=r"lack 1 of the \d+ .*lm_head\.weight"):
        load_generator(folder)


def test_a_generator_whose_embeddings_and_head_are_both_absent_is_an_error(tmp_path: Path) -> None:
    folder = plain_folder(tiny_decoder(), tmp_path / "g")
    rewrite(folder, lambda weights: {n: t for n, t in weights.items() if "embed_tokens" not in n})
    with pytest.raises(ModelError, match=r"lack \d of the"):
        load_generator(folder)


@pytest.mark.parametrize(
    "prefix", ["_orig_mod.", "module.", "model.", "base_model.", "module._orig_mod.model."]
)
@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_prefixes_of_generators_are_taken_off(tmp_path: Path, make: Any, prefix: str) -> None:
    made = make()
    folder = plain_folder(made, tmp_path / "g")
    rewrite(folder, renamed(lambda name: prefix + name))
    again = load_generator(folder)
    assert isinstance(again, LocalGenerator)
    again.precision = "32"
    np.testing.assert_allclose(again.score(["a"], ["mug"]), made.score(["a"], ["mug"]), atol=1e-5)


@pytest.mark.parametrize("gone", ["layers.1.", "mlp.up_proj", "norm", "block.0.", "SelfAttention.q"])
def test_what_a_generator_lacks_is_named(tmp_path: Path, gone: str) -> None:
    make = tiny_seq2seq if gone[0] in "bS" else tiny_decoder
    folder = plain_folder(make(), tmp_path / "g")
    rewrite(folder, lambda weights: {n: t for n, t in weights.items() if gone not in n})
    with pytest.raises(ModelError, match=r"the weights lack \d+ of the \d+ tensors"):
        load_generator(folder)


@pytest.mark.parametrize("kind", ["T5", "MT5", "UMT5"])
def test_the_encoder_half_of_the_t5_family(tmp_path: Path, kind: str) -> None:
    import transformers
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    made = tiny_seq2seq()
    config = getattr(transformers, f"{kind}Config")(**made.network.config.to_diff_dict())  # type: ignore[union-attr,operator]
    torch.manual_seed(0)
    network = getattr(transformers, f"{kind}ForConditionalGeneration")(config).eval()
    network.save_pretrained(tmp_path / "t5")
    made.tokenizer.save_pretrained(tmp_path / "t5")
    assert isinstance(load_model(tmp_path / "t5"), LocalGenerator)
    encoder = load_model(tmp_path / "t5", kind="encoder")
    assert isinstance(encoder, LocalEncoder) and type(encoder.network).__name__ == f"{kind}EncoderModel"
    encoder.precision = "32"
    singles = np.concatenate([encoder.encode([text]) for text in SAMPLE])
    np.testing.assert_allclose(encoder.encode(SAMPLE), singles, atol=1e-5)
    body = Transformer(str(tmp_path / "t5"))
    judge = SentenceTransformer(modules=[body, Pooling(32, "mean"), Normalize()], device="cpu")
    np.testing.assert_allclose(encoder.encode(SAMPLE), judge.encode(list(SAMPLE)), atol=1e-5)
    encoder.save(tmp_path / "saved")
    again = load_model(tmp_path / "saved")
    np.testing.assert_allclose(again.encode(SAMPLE), encoder.encode(SAMPLE), atol=1e-6)
    theirs = SentenceTransformer(str(tmp_path / "saved"), device="cpu").encode(list(SAMPLE))
    np.testing.assert_allclose(theirs, encoder.encode(SAMPLE), atol=1e-5)
