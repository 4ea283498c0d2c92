"""Processes that each hold a share of the weights do what one does, and a share is all that they hold."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from retailor.errors import ConfigError, ModelError
from retailor.retrieval.histories import Histories
from retailor.tasks.recommend.cases import Cases
from retailor.tasks.recommend.scorers.sasrec import fit_sasrec
from retailor.tasks.recommend.scorers.two_tower import fit_two_tower
from retailor.tasks.recommend.settings import RecommendSettings, SasrecSettings
from retailor.testing.models import SAMPLE, tiny_decoder, tiny_encoder, tiny_seq2seq
from retailor.train.adapt import AdaptSettings, adapt_with_log
from retailor.train.checkpoint import own
from retailor.train.devices import check_devices
from retailor.train.loop import TrainLog, train
from retailor.train.lora import with_lora
from retailor.train.losses.adversarial import AdversarialSettings, adversarial
from retailor.train.objectives import causal_span, masked
from retailor.train.settings import DeviceSettings, TrainSettings
from tests.train import test_devices
from tests.train.test_devices import (
    KILLED,
    KINDS,
    _still,
    _texts,
    collate,
    flat,
    killed_goes_on_exactly,
    two_cores,
)

cloudpickle = pytest.importorskip("cloudpickle")
pytest.importorskip("lightning_fabric")
for module in (test_devices, sys.modules[__name__]):  # what is defined here cannot be imported there
    cloudpickle.register_pickle_by_value(module)

IDS = torch.randint(0, 11, (33, 5), generator=torch.Generator().manual_seed(0))
Batch = Mapping[str, torch.Tensor]
Learned = tuple[torch.Tensor, TrainLog]


class Layer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(7, 9), nn.Linear(9, 7)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return rows + self.outer(torch.tanh(self.inner(rows)))


class Tied(nn.Module):
    """Words, layers, and the words again as output; sizes that two processes do not share evenly."""

    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(11, 7)
        self.layers = nn.ModuleList(Layer() for _ in range(3))
        self.unread = nn.Linear(7, 7)
        self.out = nn.Linear(7, 11, bias=False)
        self.out.weight = self.words.weight
        self.register_buffer("seen", torch.zeros(2))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        rows = self.words(ids)
        for layer in self.layers:
            rows = layer(rows)
        out: torch.Tensor = self.out(rows)
        return out


def tied() -> Tied:
    torch.manual_seed(1)
    return Tied()


def read(rows: Sequence[int]) -> Batch:
    return {"ids": IDS[list(rows)]}


def next_words(network: nn.Module, batch: Batch) -> torch.Tensor:
    return nn.functional.cross_entropy(network(batch["ids"]).flatten(0, 1), batch["ids"].roll(1, 1).flatten())


def dials(n: int, **more: Any) -> TrainSettings:
    """So many processes with shares, or one without for 1."""
    return test_devices.dials(n, strategy="fsdp" if n > 1 else "auto", **more)


def trained(n: int, loss: Callable[[Any, Batch], torch.Tensor] = next_words, **more: Any) -> Learned:
    network = tied()
    log = train(network, range(33), read, loss, dials(n, batch_size=8), **more)
    assert type(network) is Tied and network.out.weight is network.words.weight
    return flat(network), log


def alike(one: Learned, two: Learned, start: torch.Tensor) -> None:
    torch.testing.assert_close(two[0], one[0], atol=1e-5, rtol=0)
    assert (two[0] - start).abs().max() > 1e-3
    first, second = one[1], two[1]
    assert first.examples_seen == second.examples_seen and first.best_step == second.best_step
    assert first.n_parameters_trained == second.n_parameters_trained
    np.testing.assert_allclose(first.curve, second.curve, atol=1e-5)
    np.testing.assert_allclose(first.validations, second.validations, atol=1e-5)


@pytest.fixture
def light(monkeypatch: pytest.MonkeyPatch) -> None:
    """Processes that import only what they need."""
    monkeypatch.setattr("retailor.train.fabric._loaded", list)


# the same weights -------------------------------------------------------------------------------------


@two_cores
@pytest.mark.usefixtures("light")
def test_two_processes_with_shares_learn_what_one_learns(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """Tied weights, a last batch of one example, and each process holds half of every weight, no more."""

    def learned(n: int) -> Learned:
        network = tied()

        def noted(rows: Sequence[int]) -> Batch:
            held = {name: len(own(p).flatten()) for name, p in network.named_parameters()}
            (tmp_path / f"{n}-{os.getpid()}").write_text(" ".join(map(str, held.values())))
            return read(rows)

        def loss(network: Any, batch: Batch) -> torch.Tensor:
            there = [len(own(p).flatten()) for p in network.layers.parameters()]
            (tmp_path / f"within-{n}-{os.getpid()}").write_text(" ".join(map(str, there)))
            return next_words(network, batch)

        def validate() -> float:
            with torch.inference_mode():
                return -float(next_words(network, read(range(33))))

        log = train(network, range(33), noted, loss, dials(n, batch_size=8), validate=validate)
        return flat(network), log

    alike(learned(1), learned(2), flat(tied()))
    whole = [p.numel() for p in tied().parameters()]
    (tmp_path / f"2-{os.getpid()}").unlink()
    halves = [[int(n) for n in path.read_text().split()] for path in tmp_path.glob("2-*")]
    assert len(halves) == 2 and [a + b for a, b in zip(*halves, strict=True)] == whole
    assert all(max(half) < max(whole) and sum(half) < 0.6 * sum(whole) for half in halves)
    within = [[int(n) for n in path.read_text().split()] for path in tmp_path.glob("within-2-*")]
    layers = sum(p.numel() for p in tied().layers.parameters())
    assert all(sum(there) < 0.6 * layers for there in within), "no layer is whole but the one that computes"
    assert capfd.readouterr() == ("", "")


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_with_shares_count_as_one_does(kind: str, accumulate: int, light: None) -> None:
    loss, weigh, by_rows = KINDS[kind]

    def learned(n: int) -> Learned:
        network = test_devices.net()
        settings = dials(n, accumulate=accumulate, batch_size=8)
        log = train(network, range(65), collate, loss, settings, weigh=weigh, by_rows=by_rows)
        return flat(network), log

    alike(learned(1), learned(2), flat(test_devices.net()))


HOW = {
    "masked": {},
    "masked frozen": {"train": {"freeze_layers": 1, "layer_decay": 0.5}},
    "masked recomputed": {"train": {"gradient_checkpointing": True, "unfreeze_every": 3}},
    "masked lora": {"lora_rank": 4},
    "order": {"keep": 1.0},
    "contrastive": {},
    "causal": {"train": {"freeze_embeddings": True}},
    "causal lora": {"lora_rank": 4, "train": {"gradient_checkpointing": True}},
    "span": {},
}


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize("how", HOW)
def test_two_processes_with_shares_adapt_as_one_does(
    how: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    objective, given = how.partition(" ")[0], dict(HOW[how])
    for place in (masked, causal_span):
        monkeypatch.setattr(place, "with_lora", partial(with_lora, dropout=0.0))
    make = {"causal": tiny_decoder, "span": tiny_seq2seq}.get(objective, tiny_encoder)
    more: Any = given.pop("train", {})

    def start() -> Any:
        model = _still(make(_texts()))
        for part in model.network.modules():
            if isinstance(getattr(part, "dropout", None), float):
                part.dropout = 0.0
        return model

    def adapted(n: int) -> tuple[torch.Tensor, Any]:
        pairs = [(text, text[::-1]) for text in _texts()] if objective == "contrastive" else None
        settings = AdaptSettings(
            objective=objective, head_steps=5, held_out=0.2, **given,
            train=dials(n, learning_rate=1e-4, batch_size=7, epochs=3, validate_every=3, **more),
        )  # fmt: skip
        made, log = adapt_with_log(start(), _texts(), settings, pairs=pairs)
        return flat(made.network), log

    (one, first), (two, second) = adapted(1), adapted(2)
    torch.testing.assert_close(two, one, atol=1e-5, rtol=0)
    assert (two - flat(start().network)).abs().max() > 1e-4
    if objective == "span":  # whose layers give out views, which torch warns of
        assert capfd.readouterr() == ("", "")
    assert second.perplexity_after == pytest.approx(first.perplexity_after, rel=1e-4)


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize("method", ["fgm", "pgd", "r-drop"])
def test_what_an_attack_finds_within_a_pass_is_found_in_shares(method: Any, light: None) -> None:
    """It takes gradients before the loss is whole, and the pass goes on."""

    def loss(network: nn.Module, batch: Batch) -> torch.Tensor:
        given = AdversarialSettings(method=method, epsilon=0.5)
        return adversarial(next_words, given, logits=lambda each: each.out)(network, batch)  # type: ignore

    def learned(n: int) -> Learned:
        network: Any = tied()
        network.layers.append(nn.Dropout(1e-9))  # r-drop wants one
        log = train(network, range(33), read, loss, dials(n, batch_size=8, accumulate=2))
        return flat(network), log

    alike(learned(1), learned(2), flat(tied()))


@two_cores
@pytest.mark.slow
def test_recommenders_learn_in_shares_as_in_one_process(light: None) -> None:
    """Their validation reads the weights themselves."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 40, rng.integers(2, 9)) for _ in range(63)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    histories = Histories(offsets, np.concatenate(rows).astype(np.int32), np.ones(offsets[-1], np.float32))
    items = rng.normal(size=(40, 6)).astype(np.float32)
    items /= np.linalg.norm(items, axis=1, keepdims=True)
    cases = Cases(np.arange(30), rng.integers(0, 40, 30))

    def learned(strategy: Any) -> list[np.ndarray[Any, Any]]:
        sasrec = SasrecSettings(hidden=16, layers=2, dropout=0.0, item_dropout=0.0, epochs=4.0, batch_size=16)
        on = DeviceSettings(devices=1 if strategy == "auto" else 2, strategy=strategy)
        settings = RecommendSettings(sasrec=sasrec, train=on, max_network_steps=20)
        settings = replace(settings, two_tower=replace(settings.two_tower, dropout=0.0))
        sequences, _ = fit_sasrec(items, 40, histories, settings, cases=cases)
        towers, _ = fit_two_tower(items, histories, settings, cases=cases)
        assert sequences is not None
        # not each weight: what a bias of keys learns is rounding alone
        return [sequences.table, sequences.states(histories), *towers.tensors().values()]

    for one, two in zip(learned("auto"), learned("fsdp"), strict=True):
        np.testing.assert_allclose(two, one, atol=1e-5)


@two_cores
@pytest.mark.slow
def test_shares_in_half_precision_learn_nearly_the_same(light: None) -> None:
    def learned(n: int) -> tuple[TrainLog, nn.Module]:
        network = tied()
        return train(network, range(33), read, next_words, dials(n, precision="bf16")), network

    (first, one), (second, two) = learned(1), learned(2)
    torch.testing.assert_close(flat(two), flat(one), atol=2e-2, rtol=0)
    np.testing.assert_allclose(first.curve, second.curve, atol=5e-2)


# validation -------------------------------------------------------------------------------------------


@two_cores
@pytest.mark.slow
def test_with_shares_all_validate_the_first_is_believed_and_the_best_comes_back(
    tmp_path: Path, light: None
) -> None:
    def learned(n: int) -> Learned:
        network, parent = tied(), os.getpid()

        def validate() -> float:
            assert (os.getpid() != parent) == (n > 1)
            said = tmp_path / f"{n}-{os.getpid()}"
            with said.open("a") as file:
                file.write(f"{float(torch.rand(())):.6f} {float(next_words(network, read([1]))):.5f}\n")
            count = len(said.read_text().split("\n")) - 2
            return [0.1, 0.3, 0.2, 0.2, 0.2, 0.2][count] + (os.getpid() % 7) * 1e-9

        settings = dials(n, epochs=50, patience=2, validate_every=2, batch_size=8)
        log = train(network, range(33), read, next_words, settings, validate=validate, work=tmp_path / str(n))
        assert {path.suffix for path in (tmp_path / str(n)).iterdir()} == {".safetensors"}
        return flat(network), log

    alike(learned(1), (two := learned(2)), flat(tied()))
    assert two[1].best_step == 2
    (alone,) = [path.read_text() for path in tmp_path.glob("1-*")]
    first, second = [path.read_text() for path in tmp_path.glob("2-*")]
    assert first == second and len(first.splitlines()) == 4, "the same dice and the same network in both"
    assert first.splitlines()[1:] == alone.splitlines()[1:], "and as in one that is alone, once it is seeded"


@two_cores
@pytest.mark.slow
def test_an_encoder_in_shares_encodes_where_others_would_copy_it(light: None) -> None:
    """Where there is bf16 a copy of the network predicts; one in shares cannot be copied."""
    encoder: Any = _still(tiny_encoder())
    encoder.precision = "auto"

    def validate() -> float:
        from retailor.models import hardware

        hardware.native_bf16 = lambda *_: True  # type: ignore[assignment]
        return float(np.abs(encoder.encode(list(SAMPLE))).sum())

    settings = replace(dials(2), epochs=1.0)
    log = train(encoder.network, SAMPLE, encoder.tokens,
                lambda n, b: encoder.vectors(b).pow(4).mean(), settings, validate=validate)  # fmt: skip
    assert log.validations[0][1] == pytest.approx(np.abs(tiny_encoder().encode(list(SAMPLE))).sum(), rel=1e-5)
    assert log.validations[1][1] != log.validations[0][1]


# kills ------------------------------------------------------------------------------------------------


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize("who", ["all", "one process"])
def test_a_training_in_shares_that_is_killed_goes_on_exactly(who: str, tmp_path: Path) -> None:
    changed = KILLED.replace("epochs=8", "epochs=2").replace("devices=2)", 'devices=2, strategy="fsdp")')
    changed = changed.replace(
        "nn.Sequential(nn.Linear(8, 64), nn.Dropout(0.2), nn.Linear(64, 8))",
        "nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, 0.2), 2, nn.LayerNorm(8), False)",
    )
    assert changed.count("fsdp") == changed.count("EncoderLayer") == 1
    kept, name = killed_goes_on_exactly(changed, who, tmp_path), "layers.1.linear1.weight"
    assert kept[f"weight/{name}"].shape == kept[f"moment/exp_avg/{name}"].shape == (16, 8), "whole tensors"


# modules of a layer -----------------------------------------------------------------------------------


def _inner_alone(network: Any, batch: Batch) -> torch.Tensor:
    rows = network.words(batch["ids"])
    for layer in network.layers:
        rows = layer.outer(layer.inner(rows))
    out: torch.Tensor = network.out(rows).square().mean()
    return out


@two_cores
@pytest.mark.slow
def test_a_loss_may_call_a_module_of_a_layer_by_itself(light: None) -> None:
    alike(trained(1, _inner_alone), trained(2, _inner_alone), flat(tied()))

    def both(network: Any, batch: Batch) -> torch.Tensor:
        return next_words(network, batch) + _inner_alone(network, batch)

    said = r"^the loss calls a Layer, and a part of it by itself: set strategy = 'ddp'\.$"
    with pytest.raises(ModelError, match=said):
        trained(2, both)


def test_layers_are_elements_of_outermost_lists_that_share_nothing() -> None:
    from retailor.train.sharded import layers_of

    network = tied()
    assert layers_of(network) == list(network.layers)
    network.layers[1].outer.weight = network.layers[0].outer.weight  # type: ignore[union-attr, assignment]
    assert layers_of(network) == [network.layers[2]]
    seq2seq: Any = tiny_seq2seq().network
    assert layers_of(seq2seq) == [*seq2seq.encoder.block, *seq2seq.decoder.block]
    bert: Any = tiny_encoder().network
    assert layers_of(bert) == list(bert.encoder.layer)
    assert layers_of(with_lora(tiny_encoder(), 2, seed=0).network)
    assert layers_of(test_devices.net()) == []


# what is refused --------------------------------------------------------------------------------------


def test_what_cannot_be_shared_out_is_refused_before_any_work(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[int] = []

    def refused(network: nn.Module, said: str) -> None:
        with pytest.raises(ConfigError, match=said):
            train(network, range(33), called.append, next_words, dials(2))  # type: ignore[arg-type]
        assert not called

    monkeypatch.setattr("retailor.train.devices.n_devices", lambda kind: 2)
    network: Any = tied()
    network.scale = nn.Parameter(torch.tensor(1.0))
    refused(network, "strategy = 'fsdp', and 'scale' of this network is a single number, which cannot be sh")
    network = tied()
    network.layers[0].half()
    refused(network, "the weights that train are float16 and float32, which cannot be shared out: set strat")
    network = tied()
    network.packed = nn.Parameter(torch.zeros(4, dtype=torch.uint8), requires_grad=False)
    refused(network, "'packed' of this network is packed in few bits, which cannot be shared out")
    with pytest.raises(ConfigError, match=r"for GPUs of CUDA and for processors, and .* on mps here"):
        check_devices(DeviceSettings(strategy="fsdp"), torch.device("mps"))


@pytest.mark.gpu
@pytest.mark.slow
def test_shares_on_gpus_learn_what_one_gpu_learns(light: None) -> None:
    n = torch.cuda.device_count()
    if not n:
        pytest.skip("needs a GPU")

    def learned(strategy: Any) -> Learned:
        network = tied().cuda()
        settings = replace(dials(1, batch_size=8), strategy=strategy, devices=n if strategy == "fsdp" else 1)
        log = train(network, range(33), read, next_words, settings)
        return flat(network).cpu(), log

    alike(learned("auto"), learned("fsdp"), flat(tied()))
