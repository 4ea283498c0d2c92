"""The training loop: what it learns, what it restores, what it survives."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retailor.errors import ConfigError, DataError, ModelError
from retailor.store import keys
from retailor.testing.models import SAMPLE, tiny_encoder
from retailor.train.checkpoint import Checkpoints, weights_of
from retailor.train.loop import Batch, TrainLog, TrainSettings, layer_groups, train
from retailor.train.losses import functions
from retailor.train.schedule import epoch_batches, rate_factor, steps_of

X = torch.randn(64, 8, generator=torch.Generator().manual_seed(0))
TRUE = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))


def net(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.Dropout(0.1), nn.Linear(16, 3)).eval()


def collate(rows: Sequence[int]) -> Mapping[str, torch.Tensor]:
    return {"x": X[list(rows)], "y": X[list(rows)] @ TRUE}


def loss(network: nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
    return (network(batch["x"]) - batch["y"]).square().mean()


def fit(network: nn.Module, work: Path | None = None, validate: Any = None, **settings: Any) -> TrainLog:
    given = {"epochs": 10, "batch_size": 8, "learning_rate": 0.01, **settings}
    return train(network, range(64), collate, loss, TrainSettings(**given), validate=validate, work=work)


def weights(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def test_it_learns_and_logs() -> None:
    network = net()
    log = fit(network)
    assert log.curve[-1][1] < 0.5 * log.curve[0][1]
    assert log.curve[-1][0] == 80 and log.examples_seen == 640 and log.best_step == 80
    assert log.n_parameters_trained == weights(network).numel()
    assert not network.training
    assert json.loads(json.dumps(log.to_dict()))["best_step"] == 80


def test_the_same_seed_gives_the_same_weights_and_leaves_randomness_alone() -> None:
    before = torch.get_rng_state()
    first, second, third = net(), net(), net()
    torch.set_rng_state(before)
    fit(first)
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(100)
    fit(second)
    fit(third, seed=1)
    assert torch.equal(weights(first), weights(second))
    assert not torch.equal(weights(first), weights(third))


def test_the_best_weights_come_back() -> None:
    network, seen = net(), []

    def validate() -> float:
        assert not network.training
        seen.append(weights(network).clone())
        return [0.1, 0.2, 0.9, 0.3, 0.2, 0.1, 0.0][len(seen) - 1]

    log = fit(network, validate=validate, validate_every=5, patience=3, epochs=100)
    assert log.best_step == 10 and log.validations[0] == (0, 0.1)
    assert [step for step, _ in log.validations] == [0, 5, 10, 15, 20, 25]
    assert torch.equal(weights(network), seen[2])


def test_training_that_only_harms_leaves_the_network_as_it_came() -> None:
    network = net()
    before, values = weights(network), iter(range(0, -100, -1))
    assert fit(network, validate=lambda: next(values)).best_step == 0
    assert torch.equal(weights(network), before)


def test_accumulation_equals_a_larger_batch() -> None:
    one, two = (nn.Linear(8, 3) for _ in range(2))
    two.load_state_dict(one.state_dict())
    for network, size, accumulate in ((one, 16, 1), (two, 4, 4)):
        settings = TrainSettings(epochs=1, batch_size=size, accumulate=accumulate, learning_rate=0.01)
        assert train(network, range(64), collate, loss, settings).curve[-1][0] == 4
    torch.testing.assert_close(weights(one), weights(two))


# Kinds of losses over logits [B, T, 3]: by tokens, by tokens that look ahead, by weighted classes of texts.
CLASS_WEIGHTS = torch.tensor([0.2, 1.0, 5.0])


def _ahead(batch: Batch) -> float:
    return functions.n_labels(batch["labels"][:, 1:])


def _weighed(batch: Batch) -> float:
    return functions.n_labels(batch["labels"][:, 0], weights=CLASS_WEIGHTS)


KINDS: dict[str, tuple[Any, Any]] = {
    "masked": (functions.masked_lm, lambda batch: functions.n_labels(batch["labels"])),
    "seq2seq": (functions.seq2seq_lm, lambda batch: functions.n_labels(batch["labels"])),
    "causal": (functions.causal_lm, _ahead),
    "weighted": (lambda z, y: functions.cross_entropy(z[:, 0], y[:, 0], weights=CLASS_WEIGHTS), _weighed),
    "smoothed": (
        lambda z, y: functions.cross_entropy(z[:, 0], y[:, 0], weights=CLASS_WEIGHTS, smoothing=0.1), _weighed
    ),
    "examples": (lambda z, y: z.square().mean(), None),
}  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@settings(deadline=None, max_examples=10)
@given(
    labels=st.lists(
        st.lists(st.sampled_from([-100, -100, 0, 1, 2]), min_size=4, max_size=4), min_size=3, max_size=32
    ),
    size=st.integers(1, 9),
)
def test_a_step_of_several_batches_is_that_of_one(kind: str, labels: list[list[int]], size: int) -> None:
    """The first step's gradient, whatever each batch has to count and however small the last one is."""
    loss_of, weigh = KINDS[kind]
    table = torch.tensor(labels)
    n = len(labels)

    def some(rows: Sequence[int]) -> Batch:
        return {"x": X[list(rows)], "labels": table[list(rows)]}

    def gradient(batch_size: int) -> torch.Tensor:
        torch.manual_seed(0)
        network = nn.Linear(8, 12)
        before = weights(network)
        dials = TrainSettings(
            batch_size=batch_size, accumulate=-(-n // batch_size), max_steps=1, clip=0, warmup=0.0,
            learning_rate=1.0, schedule="constant", weight_decay=0,
        )  # fmt: skip

        def mean(module: nn.Module, batch: Batch) -> torch.Tensor:
            return loss_of(module(batch["x"]).view(-1, 4, 3), batch["labels"])  # type: ignore[no-any-return]

        with mock.patch("torch.optim.AdamW", lambda groups, lr, fused: torch.optim.SGD(groups, lr=lr)):
            log = train(network, range(n), some, mean, dials, weigh=weigh)
        assert len(log.curve) == 1
        return torch.cat([weights(network) - before, torch.tensor([log.curve[0][1]])])

    torch.testing.assert_close(gradient(n), gradient(size), atol=1e-5, rtol=1e-4)


def test_a_loss_that_is_not_finite_says_what_to_lower() -> None:
    with pytest.raises(ModelError, match=r"fit: the loss became nan at step 1 of 8: lower learning_rate"):
        train(net(), range(64), collate, lambda n, b: loss(n, b) * float("nan"),
              TrainSettings(batch_size=8), label="fit")  # fmt: skip


def test_no_examples_and_nothing_to_train_are_errors() -> None:
    with pytest.raises(DataError, match="no examples"):
        train(net(), [], collate, loss, TrainSettings())
    with pytest.raises(ModelError, match="frozen"):
        train(net().requires_grad_(False), range(64), collate, loss, TrainSettings())


@pytest.mark.parametrize(
    "bad", [{"epochs": 0}, {"learning_rate": -1}, {"layer_decay": 2}, {"schedule": "step"}, {"batch_sise": 3}]
)
def test_bad_settings_are_config_errors(bad: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        TrainSettings(**bad)


def test_resume_from_a_checkpoint_gives_the_same_weights_and_log(tmp_path: Path) -> None:
    whole, log = net(), None
    log = fit(whole, validate=lambda: -float(loss(whole, collate(range(64)))), validate_every=7)

    killed = net()
    calls = []

    def dies(network: nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 45:
            raise KeyboardInterrupt
        return loss(network, batch)

    def again(network: nn.Module, function: Any) -> TrainLog:
        return train(
            network, range(64), collate, function,
            TrainSettings(epochs=10, batch_size=8, learning_rate=0.01, validate_every=7),
            validate=lambda: -float(loss(network, collate(range(64)))), work=tmp_path, checkpoint_every_s=0,
        )  # fmt: skip

    with pytest.raises(KeyboardInterrupt):
        again(killed, dies)
    resumed = net()
    calls.clear()
    second = again(resumed, dies)
    assert len(calls) == 80 - 44
    assert torch.equal(weights(resumed), weights(whole))
    assert (second.curve, second.validations, second.best_step) == (log.curve, log.validations, log.best_step)
    assert {path.suffix for path in tmp_path.iterdir()} == {".safetensors"}
    calls.clear()
    third = net()
    again(third, dies)
    assert not calls and torch.equal(weights(third), weights(whole))


def test_a_checkpoint_of_another_training_or_a_cut_off_one_is_not_used(tmp_path: Path) -> None:
    fit(net(), work=tmp_path)
    other = net()
    fit(other, work=tmp_path, learning_rate=0.02)
    fresh = net()
    fit(fresh, learning_rate=0.02)
    assert torch.equal(weights(other), weights(fresh))
    path = tmp_path / "train.checkpoint.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    again = net()
    fit(again, work=tmp_path, learning_rate=0.02)
    assert torch.equal(weights(again), weights(fresh))


@pytest.mark.parametrize("change", ["nothing", "one value", "dials", "seed", "code", "library"])
def test_only_the_same_training_goes_on(change: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values, calls = X.clone(), []

    def read(rows: Sequence[int]) -> Mapping[str, torch.Tensor]:
        return {"x": values[list(rows)], "y": values[list(rows)] @ TRUE}

    def counted(network: nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        calls.append(1)
        return loss(network, batch)

    def once(seed: int = 0, dials: object = None) -> int:
        calls.clear()
        settings = TrainSettings(epochs=2, batch_size=8, seed=seed)
        train(net(), range(64), read, counted, settings, work=tmp_path, dials=dials)
        return len(calls)

    assert once() == 16 and once() == 0
    if change == "one value":
        values[63, 7] += 1e-3
    if change == "code":
        monkeypatch.setattr(keys, "code_sha256", lambda: "other")
    if change == "library":
        monkeypatch.setattr(keys, "library_versions", dict)
    again = once(seed=int(change == "seed"), dials={"margin": 0.2} if change == "dials" else None)
    assert again == (0 if change == "nothing" else 16)


def test_the_best_weights_of_another_training_are_not_taken_for_ones_own(tmp_path: Path) -> None:
    for mark in ("one", "other"):
        network = net(seed=len(mark))
        own, optimizer = Checkpoints(tmp_path, "train", mark), torch.optim.AdamW(network.parameters())
        own.write(network, optimizer, (5, weights_of(network)), {})
        found = own.read(network, optimizer)
        assert found is not None and found[1] is not None
        assert all(torch.equal(found[1][name], value) for name, value in weights_of(network).items())


KILLED = """
import sys, time, hashlib, json
from pathlib import Path
import torch
from torch import nn
from retailor.train.loop import TrainSettings, train
torch.manual_seed(0)
x = torch.randn(256, 8)
network = nn.Sequential(nn.Linear(8, 64), nn.Dropout(0.2), nn.Linear(64, 8))
def loss(n, b):
    time.sleep(float(sys.argv[2]))
    return (n(b["x"]) - b["x"].flip(1)).square().mean()
log = train(network, range(256), lambda rows: {"x": x[list(rows)]}, loss,
            TrainSettings(epochs=20, batch_size=8, learning_rate=1e-3), work=Path(sys.argv[1]),
            validate=lambda: -float((network(x) - x.flip(1)).square().mean()), checkpoint_every_s=0.05)
digest = hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in network.parameters())).hexdigest()
print(json.dumps([digest, log.curve, log.validations]))
"""


def test_a_training_that_is_really_killed_goes_on_exactly(tmp_path: Path) -> None:
    def start(folder: str, pause: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", "-c", KILLED, str(tmp_path / folder), pause],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    whole, killed = start("whole", "0"), start("killed", "0.02")
    checkpoint = tmp_path / "killed" / "train.checkpoint.safetensors"
    for _ in range(1200):
        if checkpoint.exists():
            break
        time.sleep(0.05)
    time.sleep(0.3)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL and checkpoint.exists()
    resumed = start("killed", "0")
    (out, errors), (expected, _) = resumed.communicate(), whole.communicate()
    assert out == expected and errors == ""


def test_every_example_comes_once_an_epoch_and_similar_lengths_together() -> None:
    lengths = np.random.default_rng(0).integers(1, 200, 1000)
    batches = epoch_batches(1000, 16, seed=1, epoch=2, lengths=lengths.tolist())
    assert sorted(i for batch in batches for i in batch) == list(range(1000))
    padded = sum(len(batch) * max(lengths[batch]) for batch in batches)
    assert padded < 1.1 * lengths.sum()
    assert batches == epoch_batches(1000, 16, seed=1, epoch=2, lengths=lengths.tolist())
    assert batches != epoch_batches(1000, 16, seed=1, epoch=3, lengths=lengths.tolist())


@given(
    n=st.integers(1, 300), size=st.integers(1, 50), accumulate=st.integers(1, 4), warmup=st.floats(0, 0.9),
    epochs=st.floats(0.1, 5), schedule=st.sampled_from(["linear", "cosine", "constant"]),
)  # fmt: skip
def test_schedule_laws(
    n: int, size: int, accumulate: int, warmup: float, epochs: float, schedule: Any
) -> None:
    settings = TrainSettings(
        batch_size=size, accumulate=accumulate, warmup=warmup, epochs=epochs, schedule=schedule
    )
    an_epoch, total = steps_of(settings, n)
    factors = [rate_factor(settings, step, total) for step in range(1, total + 1)]
    assert an_epoch >= 1 and total >= 1
    assert all(0 < factor <= 1 for factor in factors)
    top = factors.index(max(factors))
    assert factors[top:] == sorted(factors[top:], reverse=True)


def test_layers_far_from_the_output_learn_slower_and_biases_do_not_decay() -> None:
    network = tiny_encoder().network
    groups = layer_groups(network, TrainSettings(layer_decay=0.5, weight_decay=0.1))
    names = {id(p): name for name, p in network.named_parameters()}
    found = {names[id(p)]: group for group in groups for p in group["params"]}
    assert len(found) == sum(1 for p in network.parameters() if p.requires_grad)
    query = "encoder.layer.{}.attention.self.query.{}"
    assert found[query.format(1, "weight")]["scale"] == 0.5
    assert found[query.format(0, "weight")]["scale"] == 0.25
    assert found["embeddings.word_embeddings.weight"]["scale"] == 0.125
    assert found[query.format(1, "weight")]["weight_decay"] == 0.1
    assert found[query.format(1, "bias")]["weight_decay"] == 0
    assert found["embeddings.LayerNorm.weight"]["weight_decay"] == 0


def test_frozen_embeddings_stay_and_are_free_again_after() -> None:
    encoder = tiny_encoder()
    table = encoder.network.embeddings.word_embeddings.weight
    before = table.detach().clone()
    texts = ["a red mug", "a blue lamp"] * 4
    log = train(
        encoder.network, texts, encoder.tokens, lambda n, b: encoder.vectors(b).square().mean(),
        TrainSettings(batch_size=4, learning_rate=0.01, freeze_embeddings=True),
    )  # fmt: skip
    assert torch.equal(table, before) and table.requires_grad
    assert log.n_parameters_trained == sum(p.numel() for p in encoder.network.parameters()
                                           if p.requires_grad) - table.numel()  # fmt: skip


def test_low_layers_stay_frozen_or_open_later() -> None:
    network = tiny_encoder().network
    lowest = {n for n, _ in network.named_parameters() if n.startswith(("embeddings", "encoder.layer.0"))}
    before = {name: p.detach().clone() for name, p in network.named_parameters()}

    def spread(network: nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        return network(**batch).last_hidden_state.pow(4).mean()  # type: ignore[no-any-return]

    def changed(**dials: Any) -> set[str]:
        moved = copy.deepcopy(network)
        settings = TrainSettings(batch_size=4, learning_rate=0.01, **dials)
        train(moved, SAMPLE, tiny_encoder().tokens, spread, settings)
        assert all(p.requires_grad for p in moved.parameters())
        return {name for name, p in moved.named_parameters() if not torch.equal(p, before[name])}

    assert changed(freeze_layers=1) and not changed(freeze_layers=1) & lowest
    assert not changed(unfreeze_every=2, max_steps=2) & {
        n for n in before if n.startswith(("emb", "encoder"))
    }
    opened = changed(unfreeze_every=1, epochs=2, max_steps=3)
    assert any("layer.0" in name for name in opened) and not any(name.startswith("emb") for name in opened)
    with pytest.raises(ConfigError, match="this network has 2 layers"):
        changed(freeze_layers=5)


def test_an_encoder_notices_that_training_changed_its_weights() -> None:
    encoder = tiny_encoder()
    encoder.precision = "auto"
    texts = ["a red mug", "a blue lamp", "it broke", "five stars"]
    before = encoder.encode(texts)
    train(
        encoder.network, texts, encoder.tokens, lambda n, b: encoder.vectors(b).square().mean(),
        TrainSettings(batch_size=2, learning_rate=0.05, precision="32"),
    )  # fmt: skip
    after = encoder.encode(texts)
    assert np.abs(after - before).max() > 1e-3
    fresh = encoder.copy()
    np.testing.assert_array_equal(after, fresh.encode(texts))
