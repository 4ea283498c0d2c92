"""Adapters over weights in four bits. The road is run on the processor, where it is refused otherwise."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from retailor.errors import ConfigError, MissingExtra, ModelError
from retailor.models.hardware import in_four_bits
from retailor.models.local import load_encoder, load_generator
from retailor.tasks.review.learning.prefer import Preference, liked, prefer
from retailor.tasks.review.learning.tune import Pair, tune
from retailor.tasks.review.settings import PreferenceSettings, ReviewSettings
from retailor.tasks.review.task import ReviewWriter
from retailor.tasks.sentiment.fit import check_tuning
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.task import SentimentReader
from retailor.tasks.sentiment.texts import Examples
from retailor.tasks.sentiment.training.tuned import Tuning, fine_tune
from retailor.testing.models import tiny_decoder, tiny_encoder, tiny_seq2seq
from retailor.train import lora
from retailor.train.adapt import AdaptSettings, adapt, adapt_with_log
from retailor.train.checkpoint import identity, weights_of
from retailor.train.devices import n_devices
from retailor.train.loop import TrainSettings, train
from retailor.train.lora import check_bits, merged, quantised, set_aside, with_lora
from retailor.train.objectives import causal_span
from tests.models.families import ENCODERS, GENERATORS, Family

THINGS = ("mug", "lamp", "bowl", "chair", "shirt", "phone", "table", "spoon")
TEXTS = [f"{c} {s} {t}. it has a {z} handle" for c in ("red", "blue") for s in ("glass", "steel", "wooden")
         for t in THINGS for z in ("long", "short")]  # fmt: skip
QUICK: dict[str, Any] = {
    "train": {"epochs": 2, "learning_rate": 3e-3, "batch_size": 16, "precision": "32"},
    "head_steps": 10,
    "held_out": 0.2,
}


@pytest.fixture
def four(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Four bits on the processor too. Its own way to lay out weights for AVX-512 is none of a GPU's."""
    pytest.importorskip("bitsandbytes")
    import bitsandbytes

    monkeypatch.setattr(lora, "FOUR_BIT_DEVICES", ("cpu", "cuda"))
    monkeypatch.setattr(bitsandbytes.nn.modules, "has_avx512bf16", lambda: False)
    yield


def layers_of(network: nn.Module) -> dict[str, Any]:
    return {name: part for name, part in network.named_modules() if type(part).__name__ == "Linear4bit"}


def state(network: nn.Module) -> dict[str, torch.Tensor]:
    return {name: p.detach().clone() for name, p in network.named_parameters()}


def gpt2() -> Any:
    """The tiny decoder around GPT-2, whose linear layers lie the other way."""
    from transformers import GPT2Config, GPT2LMHeadModel

    held = tiny_decoder(TEXTS)
    torch.manual_seed(0)
    config = GPT2Config(vocab_size=len(held.tokenizer), n_embd=32, n_layer=2, n_head=2, n_positions=128)
    return held.with_network(GPT2LMHeadModel(config).eval())


MAKERS = [tiny_encoder, tiny_decoder, tiny_seq2seq, lambda texts: gpt2()]
NAMES = ["encoder", "decoder", "seq2seq", "gpt2"]


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_linear_layers_are_packed_and_nothing_else_of_the_model_is(make: Any) -> None:
    model = make(TEXTS)
    before = state(model.network)
    made = quantised(model)
    packed = layers_of(made.network)
    assert packed and in_four_bits(made.network) and not in_four_bits(model.network)
    for name, part in packed.items():
        plain = model.network.get_submodule(name).weight
        # half a byte a weight; the scales, a byte a block of 64, are padded to whole blocks of 256
        assert part.weight.dtype == torch.uint8 and part.weight.numel() == plain.numel() // 2, name
        assert part.weight.quant_state.nested and part.weight.quant_type == "nf4", name
    output = getattr(model.network, "get_output_embeddings", lambda: None)()
    for name, p in made.network.named_parameters():
        if name.rpartition(".")[0] not in packed:
            assert (
                torch.equal(p, before[name]) and p.data_ptr() != model.network.get_parameter(name).data_ptr()
            )
    assert output is None or made.network.get_output_embeddings() is not output
    assert not any(name.endswith((".wo", "lm_head")) for name in packed)
    for name, p in model.network.named_parameters():
        assert torch.equal(p, before[name]), name
    assert len(made.tokenizer) == len(model.tokenizer)


@pytest.mark.usefixtures("four")
def test_a_large_layer_takes_an_eighth_of_float32_and_a_quarter_of_bf16() -> None:
    plain = nn.Linear(512, 512, bias=False)
    part: Any = lora._four_bit(plain, torch.device("cpu"))
    scales = part.weight.quant_state
    n_bytes = part.weight.nbytes + scales.absmax.nbytes + scales.state2.absmax.nbytes
    assert plain.weight.nbytes / n_bytes == pytest.approx(8 / (1 + 0.127 / 4), rel=0.01)
    x = torch.randn(4, 512)
    assert torch.corrcoef(torch.stack([part(x).flatten(), plain(x).flatten()]))[0, 1] > 0.99


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("make", MAKERS, ids=NAMES)
def test_merged_is_the_plain_weights_and_what_the_adapters_add(make: Any) -> None:
    model = make(TEXTS)
    fitted = with_lora(model, 4, seed=0, bits=4)
    trained = [name for name, p in fitted.network.named_parameters() if p.requires_grad]
    assert trained and all("lora" in name for name in trained)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, p in fitted.network.named_parameters():
            if "lora_B" in name:
                p.normal_(0, 0.1)
    deltas = {
        name.removeprefix("base_model.model."): part.get_delta_weight("default")
        for name, part in fitted.network.named_modules()
        if hasattr(part, "get_delta_weight")
    }
    plain = merged(fitted, model)
    assert not layers_of(plain.network) and not in_four_bits(plain.network)
    assert all(p.requires_grad for p in plain.network.parameters())
    for name, p in plain.network.named_parameters():
        layer, _, kind = name.rpartition(".")
        expected = model.network.get_parameter(name).detach()
        if kind == "weight" and layer in deltas:
            delta = deltas[layer]
            expected = expected + (delta.T if delta.shape != expected.shape or make is MAKERS[3] else delta)
            assert not torch.equal(p, model.network.get_parameter(name))
        assert torch.equal(p, expected), name
    with pytest.raises(ModelError, match="give `merged` the plain model"):
        merged(fitted)
    assert merged(model) is model


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("make", "objective"),
    [(tiny_encoder, "masked"), (tiny_encoder, "contrastive"), (tiny_decoder, "causal"),
     (tiny_seq2seq, "span")],
)  # fmt: skip
def test_every_objective_learns_over_four_bits(make: Any, objective: Any) -> None:
    model = make(TEXTS)
    before = state(model.network)
    settings = AdaptSettings(**QUICK, objective=objective, lora_rank=4, lora_bits=4)
    adapted, log = adapt_with_log(model, TEXTS, settings)
    assert log.perplexity_after < log.perplexity_before and log.train.best_step > 0
    assert not layers_of(adapted.network) and not any(
        "lora" in n for n, _ in adapted.network.named_parameters()
    )
    assert all(torch.equal(p, before[name]) for name, p in model.network.named_parameters())
    if objective == "causal":  # what was learned is there without the quantised weights too
        assert adapted.mean_loss(TEXTS) < model.mean_loss(TEXTS)
    moved = [name for name, p in adapted.network.named_parameters() if not torch.equal(p, before[name])]
    assert moved and not any("embed" in name or "norm" in name.lower() for name in moved)


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize(
    ("make", "auto"), [(tiny_encoder, "AutoModel"), (tiny_decoder, "AutoModelForCausalLM")]
)
def test_what_is_saved_is_plain(make: Any, auto: str, tmp_path: Path) -> None:
    import transformers

    settings = AdaptSettings(**QUICK, lora_rank=4, lora_bits=4)
    adapted = adapt(make(TEXTS), TEXTS, settings)
    adapted.save(tmp_path / "saved")
    config = json.loads((tmp_path / "saved" / "config.json").read_text())
    assert "quantization_config" not in config and config.get("dtype", "float32") == "float32"
    opened = getattr(transformers, auto).from_pretrained(tmp_path / "saved")
    assert not layers_of(opened)
    for name, p in opened.named_parameters():
        assert torch.equal(p, adapted.network.get_parameter(name)), name


@pytest.mark.usefixtures("four")
def test_a_quantised_model_is_not_saved(tmp_path: Path) -> None:
    for model in (tiny_encoder(TEXTS), tiny_decoder(TEXTS)):
        for made in (quantised(model), with_lora(model, 2, seed=0, bits=4)):
            with pytest.raises(ModelError, match="four bits"):
                made.save(tmp_path / "saved")


@pytest.mark.usefixtures("four")
def test_resume_gives_the_same_bits_of_adapters_alone(tmp_path: Path) -> None:
    model = tiny_decoder(TEXTS)

    def again(work: Path | None, dies: int = 0) -> tuple[Any, Any]:
        made = with_lora(model, 4, seed=0, bits=4)
        steps = 0

        def loss(network: nn.Module, batch: Any) -> torch.Tensor:
            nonlocal steps
            steps += 1
            if steps == dies:
                raise KeyboardInterrupt
            logits = network(**batch).logits[:, :-1]
            return nn.functional.cross_entropy(logits.flatten(0, 1), batch["labels"][:, 1:].flatten())

        log = train(
            made.network, TEXTS, lambda some: made.plain(some, max_tokens=32), loss,
            TrainSettings(epochs=2, batch_size=16, learning_rate=3e-3, precision="32"),
            validate=lambda: -float(loss(made.network, made.plain(TEXTS[:16], max_tokens=32))),
            work=work, checkpoint_every_s=0,
        )  # fmt: skip
        return made, log

    whole, expected = again(None)
    with pytest.raises(KeyboardInterrupt):
        again(tmp_path, dies=8)
    from safetensors import safe_open

    with safe_open(tmp_path / "train.checkpoint.safetensors", "pt") as file:
        kept = [name for name in file.keys() if name.startswith("weight/")]  # noqa: SIM118
    assert kept and all("lora_" in name or "inv_freq" in name for name in kept)
    resumed, log = again(tmp_path)
    assert log.curve == expected.curve and log.validations == expected.validations
    one, two = weights_of(resumed.network), weights_of(whole.network)
    assert one.keys() == two.keys() and all(torch.equal(one[name], two[name]) for name in one)
    plain = [merged(each, model).network for each in (resumed, whole)]
    for p, q in zip(*(network.parameters() for network in plain), strict=True):
        assert torch.equal(p, q)


@pytest.mark.usefixtures("four")
def test_the_same_weights_are_the_same_training_and_others_are_another() -> None:
    def mark(seed: int, bits: Any = 4) -> str:
        return identity(with_lora(tiny_decoder(TEXTS, seed), 2, seed=0, bits=bits).network)

    assert mark(0) == mark(0) and len({mark(0), mark(1), mark(0, 32)}) == 3


@pytest.mark.usefixtures("four")
def test_an_encoder_reads_by_its_quantised_weights_and_by_a_copy_of_them(monkeypatch: Any) -> None:
    model = tiny_encoder(TEXTS)
    fitted = with_lora(model, 4, seed=0, bits=4)
    plain, packed = model.encode(TEXTS), fitted.encode(TEXTS)
    assert (plain * packed).sum(1).min() > 0.9 and not np.array_equal(plain, packed)
    monkeypatch.setattr("retailor.models.hardware.native_bf16", lambda kind=None: True)
    half = fitted.encode(TEXTS)  # a copy in bf16: the packed weights in it stay packed
    np.testing.assert_allclose(half, packed, atol=0.05)
    inner = fitted._inference.of(fitted.network, "auto")
    assert inner is not fitted.network and layers_of(inner).keys() == layers_of(fitted.network).keys()
    assert all(part.weight.dtype == torch.uint8 for part in layers_of(inner).values())
    assert all(p.dtype == torch.float32 for n, p in fitted.network.named_parameters() if "lora" in n)
    again = copy.deepcopy(fitted.network)
    ids = torch.tensor([[5, 6, 7]])
    with torch.inference_mode():
        one, two = (net(input_ids=ids).last_hidden_state for net in (again, fitted.network))
    assert torch.equal(one, two)


@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_a_generator_writes_and_scores_by_its_quantised_weights(make: Any) -> None:
    model = make(TEXTS)
    fitted = with_lora(model, 4, seed=0, bits=4)
    assert len(fitted.generate(TEXTS[:2], max_tokens=4)) == 2
    scores = fitted.score(TEXTS[:4], TEXTS[4:8])
    assert scores == pytest.approx(model.score(TEXTS[:4], TEXTS[4:8]), abs=0.5)
    assert not np.array_equal(scores, model.score(TEXTS[:4], TEXTS[4:8]))


@pytest.mark.usefixtures("four")
def test_activations_may_be_computed_again_over_four_bits() -> None:
    found = []
    for again in (False, True):
        dials = {**QUICK["train"], "epochs": 1, "gradient_checkpointing": again}
        settings = AdaptSettings(**{**QUICK, "train": dials}, lora_rank=4, lora_bits=4)
        network = adapt(tiny_decoder(TEXTS), TEXTS, settings).network
        found.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    assert torch.equal(*found)


@pytest.mark.usefixtures("four")
def test_a_generator_is_tuned_over_four_bits() -> None:
    model = tiny_decoder(TEXTS)
    pairs = [Pair("write:", text) for text in TEXTS[:32]]
    settings = TrainSettings(epochs=3, learning_rate=3e-3, batch_size=8, precision="32", seed=0)
    tuned, adapter, _, before, after = tune(
        model, pairs, pairs[:8], settings, rank=4, alpha=8, max_tokens=64, work=None, bits=4
    )
    assert after < before and not layers_of(tuned.network)
    texts = [pair.text for pair in pairs]
    prompts = [pair.prompt for pair in pairs]
    assert tuned.score(prompts, texts).mean() > model.score(prompts, texts).mean()  # type: ignore[attr-defined]
    assert adapter.weights and all(weight.is_floating_point() for weight in adapter.weights.values())


@pytest.mark.usefixtures("four")
def test_preferences_are_learned_beside_the_quantised_generator() -> None:
    model = tiny_decoder(TEXTS)
    some = [Preference("write:", TEXTS[i], TEXTS[-1 - i], str(i)) for i in range(16)]
    settings = PreferenceSettings(keep=0.0, beta=1.0, rank=4)
    train_settings = TrainSettings(epochs=3, learning_rate=3e-3, batch_size=16, precision="32", seed=0)
    tuned, _, log = prefer(
        model, some, some, settings, train_settings=train_settings, max_tokens=64, work=None, bits=4
    )
    # what was there before is the network in four bits: the first step finds no difference
    assert log.curve[0][1] == pytest.approx(np.log(2), abs=1e-5)
    assert log.validations[-1][1] > log.validations[0][1] and not layers_of(tuned.network)
    assert liked(tuned, some, 64).mean() > liked(model, some, 64).mean()


@pytest.mark.usefixtures("four")
def test_a_reader_of_sentiment_is_tuned_over_four_bits() -> None:
    texts = [f"{word} {thing}" for word in ("good", "bad") for thing in THINGS]
    encoder = tiny_encoder(texts)
    before = state(encoder.network)
    queries = tuple(SentimentQuery(text) for text in texts)
    y, stars = np.repeat([2, 0], len(THINGS)), np.full(len(texts), np.nan)
    examples = Examples(queries, y, stars, ("en",) * len(texts), {})
    tuning = Tuning(
        TrainSettings(epochs=8, learning_rate=3e-3, batch_size=8, precision="32", seed=0), max_tokens=32,
        dropout=0.0, label_smoothing=0.0, stop_by="log_loss", paired=False, lora_rank=4, lora_bits=4,
    )  # fmt: skip
    made = fine_tune(encoder, None, examples, examples, np.ones(3), tuning, None)
    first, best = made.log.validations[0][1], max(value for _, value in made.log.validations)
    assert best > first and not layers_of(made.reader.encoder.network)  # type: ignore[attr-defined]
    assert all(torch.equal(p, before[name]) for name, p in encoder.network.named_parameters())
    check_tuning(encoder, SentimentSettings(mode="fine-tuned", lora_rank=4, lora_bits=4))


def test_a_reader_of_sentiment_is_refused_when_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "default_device", lambda: torch.device("cpu"))
    settings = SentimentSettings(mode="fine-tuned", lora_rank=4, lora_bits=4)
    with pytest.raises(ConfigError, match="needs a GPU"):
        SentimentReader(tiny_encoder(TEXTS), settings)


def test_on_a_processor_it_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "default_device", lambda: torch.device("cpu"))
    settings = AdaptSettings(**QUICK, lora_rank=4, lora_bits=4)
    for model in (tiny_encoder(TEXTS), tiny_decoder(TEXTS)):
        with pytest.raises(ConfigError, match="networks are on cpu here: set lora_bits = 32") as told:
            adapt(model, [], settings)  # no texts either: that is told later
        assert told.value.key == "lora_bits"
    with pytest.raises(ConfigError, match="needs a GPU"):
        with_lora(tiny_decoder(TEXTS), 4, seed=0, bits=4)
    check_bits(32)


def test_a_review_writer_is_refused_before_it_reads_its_shop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "default_device", lambda: torch.device("cpu"))
    writer = ReviewWriter(tiny_decoder(TEXTS), ReviewSettings(lora_bits=4))
    with pytest.raises(ConfigError, match="needs a GPU"):
        writer.fit(None)  # type: ignore[arg-type]


def test_without_the_package_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lora, "FOUR_BIT_DEVICES", ("cpu", "cuda"))
    real = lora.find_spec
    monkeypatch.setattr(lora, "find_spec", lambda name: None if name == "bitsandbytes" else real(name))
    with pytest.raises(MissingExtra, match=r"retailor\[quantised\]"):
        adapt(tiny_decoder(TEXTS), TEXTS, AdaptSettings(lora_rank=4, lora_bits=4))


def test_four_bits_are_for_adapters() -> None:
    for kind in (AdaptSettings, SentimentSettings):
        with pytest.raises(ConfigError, match="set lora_rank, 8 for") as told:
            kind(lora_bits=4)
        assert told.value.key == "lora_bits"
        with pytest.raises(ConfigError, match="lora_bits"):
            kind(lora_rank=4, lora_bits=8)  # type: ignore[arg-type]


class _Elsewhere:
    """A network on a device that is not here."""

    def __init__(self) -> None:
        self.places = ["cuda:1"]

    def parameters(self) -> Iterator[Any]:
        yield SimpleNamespace(device=torch.device(self.places[-1]))

    def to(self, device: Any) -> None:
        self.places.append(str(device))


def test_a_plain_model_waits_in_memory_and_is_back_where_it_was() -> None:
    model = SimpleNamespace(network=_Elsewhere())
    with pytest.raises(KeyError), set_aside(model, 4):
        raise KeyError
    assert model.network.places == ["cuda:1", "cpu", "cuda:1"]
    with set_aside(model, 32):
        assert len(model.network.places) == 3
    with set_aside(tiny_decoder(TEXTS), 4):
        pass


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of others, while they write the folder
@pytest.mark.usefixtures("four")
@pytest.mark.parametrize("family", [*ENCODERS, *GENERATORS], ids=lambda family: family.name)
def test_every_family_reads_and_learns_over_four_bits(family: Family, tmp_path: Path) -> None:
    if family.kind == "static" or "code of its own" in family.name:
        pytest.skip("no linear layer, or not opened")
    family.write(tmp_path / "model")
    texts = TEXTS[:3]
    model: Any = (load_encoder if family.kind == "encoder" else load_generator)(tmp_path / "model")
    fitted = with_lora(model, 4, seed=0, bits=4)

    def read(each: Any) -> torch.Tensor:
        if family.kind == "encoder":
            return each.vectors(each.tokens(texts))  # type: ignore[no-any-return]
        return each.network(**each.plain(texts, max_tokens=32)).logits  # type: ignore[no-any-return]

    plain, packed = read(model).flatten(), read(fitted).flatten()
    assert torch.cosine_similarity(plain, packed, dim=0) > 0.8
    packed.square().mean().backward()
    some = [p for name, p in fitted.network.named_parameters() if "lora_B" in name]
    assert sum(p.grad is not None and bool(p.grad.abs().sum()) for p in some) > len(some) / 2
    for p, q in zip(merged(fitted, model).network.parameters(), model.network.parameters(), strict=True):
        assert torch.equal(p, q), "adapters that have learned nothing add nothing"


@pytest.mark.slow
@pytest.mark.skipif(n_devices("cpu") < 2, reason="needs two cores")
@pytest.mark.usefixtures("four")
def test_two_processes_learn_over_four_bits_as_one_does(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(causal_span, "with_lora", partial(with_lora, dropout=0.0))
    found = []
    for n in (1, 2):
        dials = {**QUICK["train"], "epochs": 1, "devices": n, "strategy": "auto" if n == 1 else "ddp"}
        settings = AdaptSettings(**{**QUICK, "train": dials}, lora_rank=4, lora_bits=4)
        network = adapt(tiny_decoder(TEXTS), TEXTS, settings).network
        found.append(torch.cat([p.detach().flatten() for p in network.parameters()]))
    torch.testing.assert_close(found[0], found[1], atol=1e-4, rtol=0)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("place", ["cpu", "cuda"])
def test_on_a_gpu_the_packed_copy_trains_there_and_the_plain_one_comes_back(place: str) -> None:
    pytest.importorskip("bitsandbytes")
    model = tiny_decoder(TEXTS)
    model.network.to(place)
    before = state(model.network)
    fitted = with_lora(model, 4, seed=0, bits=4)
    assert {p.device.type for p in fitted.network.parameters()} == {"cuda"} and layers_of(fitted.network)
    found = []
    for _ in range(2):
        adapted, log = adapt_with_log(model, TEXTS, AdaptSettings(**QUICK, lora_rank=4, lora_bits=4))
        assert log.perplexity_after < log.perplexity_before
        assert {p.device.type for p in adapted.network.parameters()} == {place}
        found.append(torch.cat([p.detach().flatten() for p in adapted.network.parameters()]))
    assert torch.equal(*found)
    for name, p in model.network.named_parameters():
        assert p.device.type == place and torch.equal(p, before[name]), name
