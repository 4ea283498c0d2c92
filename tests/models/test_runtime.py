"""A decoder through OpenVINO: the same contract, the same texts, nothing sent, files derived."""

from __future__ import annotations

import os
import sys
from contextlib import nullcontext
from importlib.util import find_spec
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retailor.errors import MissingExtra, ModelError
from retailor.models.formats import openvino_graph
from retailor.models.formats.openvino_graph import packed
from retailor.models.local import LocalGenerator, load_generator
from retailor.models.runtimes import runtime
from retailor.models.runtimes.decoding import Decoder
from retailor.testing.models import GeneratorContract, tiny_decoder, tiny_seq2seq

if find_spec("openvino") is None:  # importing it whole would import what reports its use
    pytest.skip("without OpenVINO", allow_module_level=True)
PROMPTS = ["Write a review of a red mug.", "Mug?", "用中文写一条评论。"]


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETAILOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def fast(generator: LocalGenerator) -> LocalGenerator:
    generator.runtime = "openvino"
    return generator


class TestFast(GeneratorContract):
    def generator(self) -> LocalGenerator:
        return fast(tiny_decoder())


def test_the_same_texts_as_torch_greedy_and_drawn() -> None:
    ours, torchs = fast(tiny_decoder()), tiny_decoder()
    for temperature in (0.0, 1.3):
        said = [
            one.generate(PROMPTS, max_tokens=24, temperature=temperature, seed=5) for one in (ours, torchs)
        ]
        assert said[0] == said[1] and len(set(said[0])) > 1


def test_changed_weights_change_the_text() -> None:
    generator, other = fast(tiny_decoder()), tiny_decoder(seed=3)
    before = generator.generate(PROMPTS, max_tokens=12, temperature=1.0)
    generator.network.load_state_dict(other.network.state_dict())
    after = generator.generate(PROMPTS, max_tokens=12, temperature=1.0)
    assert after == other.generate(PROMPTS, max_tokens=12, temperature=1.0) != before


@pytest.mark.filterwarnings("ignore")  # PEFT's own
def test_an_adapter_is_merged_first() -> None:
    import peft

    torch.manual_seed(0)
    plain = tiny_decoder()
    config = peft.LoraConfig(
        target_modules="all-linear", task_type="CAUSAL_LM", init_lora_weights=False, lora_alpha=64
    )
    tuned: Any = peft.get_peft_model(plain.copy().network, config)  # type: ignore[arg-type]
    ours, torchs = fast(plain.with_network(tuned)), plain.with_network(tuned)
    torchs.runtime = "torch"
    assert ours.generate(PROMPTS, max_tokens=12) == torchs.generate(PROMPTS, max_tokens=12)
    assert ours.generate(PROMPTS, max_tokens=12) != tiny_decoder().generate(PROMPTS, max_tokens=12)
    assert hasattr(tuned, "merge_and_unload")


def test_eight_bits_say_nearly_what_float32_says(tmp_path: Path) -> None:
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(1)
    small = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 192}
    network = LlamaForCausalLM(LlamaConfig(vocab_size=300, num_key_value_heads=2, **small)).eval()
    model = openvino_graph.graph_of(network)
    wide = openvino_graph.save_graph(model, tmp_path)
    rows, forced = [[5, 6, 7, 8], [9, 10]], [[11, 12, 13], [14, 15, 16]]
    right = np.stack(Decoder(wide, "32").logits(rows, forced))
    size = (tmp_path / "openvino_model.bin").stat().st_size
    (tmp_path / "small").mkdir()
    openvino_graph.pack(model)
    narrow = openvino_graph.save_graph(model, tmp_path / "small")
    said = np.stack(Decoder(narrow, "auto").logits(rows, forced))
    assert np.abs(said - right).max() < 0.1 * right.std()
    assert (tmp_path / "small" / "openvino_model.bin").stat().st_size < 0.4 * size


def test_the_derived_files_are_made_once_and_few_are_kept() -> None:
    graph = runtime._graph_of(tiny_decoder(seed=9).network, "32")
    folder, made = graph.parent, graph.stat().st_mtime_ns
    assert runtime._graph_of(tiny_decoder(seed=9).network, "32") == graph
    assert graph.stat().st_mtime_ns == made
    for i in range(runtime.KEPT + 3):
        (folder.parent / f"openvino-old{i}").mkdir(exist_ok=True)
    for each in folder.parent.glob("openvino-*"):
        os.utime(each, (0, 0))
    folder = runtime._graph_of(tiny_decoder(seed=10).network, "32").parent
    left = [path for path in folder.parent.glob("openvino-*") if path.is_dir()]
    assert folder in left and len(left) <= runtime.KEPT


def test_save_keeps_the_runtime_and_the_weights_are_the_source(tmp_path: Path) -> None:
    generator = fast(tiny_decoder())
    generator.save(tmp_path / "g")
    opened = load_generator(tmp_path / "g")
    assert isinstance(opened, LocalGenerator) and opened.runtime == "openvino"
    assert not list((tmp_path / "g").glob("openvino*")) and list((tmp_path / "g").glob("*.safetensors"))
    assert opened.copy().runtime == "openvino"


def test_an_encoder_decoder_is_refused() -> None:
    with pytest.raises(ModelError, match="decoders"):
        fast(tiny_seq2seq()).generate(PROMPTS, max_tokens=4)


@pytest.mark.parametrize(
    ("dials", "why"),
    [
        ({"sliding_window": 8}, "not every layer"),
        ({"sliding_window": 8, "layer_types": ["full_attention", "full_attention"]}, ""),
        ({"layer_types": ["sliding_attention", "full_attention"]}, "not every layer"),
        ({"sliding_window": 8, "use_sliding_window": False}, ""),
        ({"rope_parameters": {"rope_type": "dynamic", "factor": 2.0}}, "'dynamic'"),
        ({"rope_parameters": {"rope_type": "default"}}, ""),
        ({}, ""),
    ],
)
def test_a_network_that_reads_long_texts_otherwise_is_refused(dials: dict[str, Any], why: str) -> None:
    """A short trace gives its logits for short texts, and others for long ones."""
    config = SimpleNamespace(model_type="mistral", **dials)
    refused: Any = pytest.raises(ModelError, match=why) if why else nullcontext()
    with refused:
        runtime._check_length_free(config)


def test_a_window_is_refused_before_anything_is_traced() -> None:
    from transformers import MistralConfig, MistralForCausalLM

    small = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 16}
    network = MistralForCausalLM(
        MistralConfig(vocab_size=32, num_key_value_heads=1, sliding_window=8, **small)
    )
    with pytest.raises(ModelError, match="leave runtime at 'torch'"):
        runtime._graph_of(network, "32")


def test_a_graph_that_says_other_things_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runtime, "TOLERANCE", 0.0)
    with pytest.raises(ModelError, match="other logits"):
        fast(tiny_decoder(seed=77)).generate(PROMPTS, max_tokens=4)


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"retailor\[fast\]"):
        fast(tiny_decoder(seed=5)).generate(PROMPTS, max_tokens=4)


def test_nothing_that_reports_home_is_imported() -> None:
    fast(tiny_decoder()).generate(PROMPTS, max_tokens=1)
    assert "openvino" in sys.modules
    reporting = ("openvino_telemetry", "openvino.tools.ovc")
    assert [name for name in sys.modules if name.startswith(reporting)] == []


@settings(max_examples=40, deadline=None)
@given(arrays(np.float32, (4, 128), elements=st.floats(-8, 8, width=32)))
def test_packed_weights_are_off_by_half_a_step(weights: Any) -> None:
    codes, scales, zeros = packed(weights)
    again = ((codes - zeros) * scales).reshape(weights.shape)
    step = np.repeat(scales[..., 0], weights.shape[1] // scales.shape[1], axis=1)
    flat = np.repeat(np.ptp(weights.reshape(*codes.shape), axis=-1) == 0, codes.shape[-1], axis=1)
    assert (np.abs(again - weights) <= np.where(flat, 1e-5, 0.501 * step + 1e-5)).all()
