"""Several processes do what one does: weights, validations, kills, and what is refused before any work."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file
from torch import nn

from retailor.errors import ConfigError, MissingExtra, ModelError
from retailor.retrieval.histories import Histories
from retailor.tasks.recommend.scorers.sasrec import fit_sasrec
from retailor.tasks.recommend.settings import RecommendSettings, SasrecSettings
from retailor.testing.models import SAMPLE, tiny_decoder, tiny_encoder
from retailor.train.adapt import AdaptSettings, adapt_with_log
from retailor.train.devices import Alone, check_devices, n_devices, rows_of, share_of
from retailor.train.loop import TrainLog, train
from retailor.train.lora import with_lora
from retailor.train.losses import functions
from retailor.train.losses.shared import gathered
from retailor.train.objectives import causal_span, masked
from retailor.train.settings import DeviceSettings, TrainSettings

cloudpickle = pytest.importorskip("cloudpickle")
pytest.importorskip("lightning_fabric")
# What is defined here cannot be imported there.
cloudpickle.register_pickle_by_value(sys.modules[__name__])

two_cores = pytest.mark.skipif(n_devices("cpu") < 2, reason="needs two cores")
X = torch.randn(65, 8, generator=torch.Generator().manual_seed(0))
Batch = Mapping[str, torch.Tensor]


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(8, 16), nn.Tanh(), nn.Linear(16, 12))


def flat(network: nn.Module) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in network.parameters()])


def dials(n: int, **more: Any) -> TrainSettings:
    usual: dict[str, Any] = {"epochs": 2, "batch_size": 16, "learning_rate": 1e-2, "precision": "32"}
    return TrainSettings(devices=n, **{**usual, **more})


# the same weights -------------------------------------------------------------------------------------


def _class_weights() -> torch.Tensor:
    return torch.tensor([0.2, 1.0, 5.0])


def _tokens(network: nn.Module, batch: Batch) -> torch.Tensor:
    return functions.masked_lm(network(batch["x"]).view(-1, 4, 3), batch["labels"])


def _weighted(network: nn.Module, batch: Batch) -> torch.Tensor:
    logits = network(batch["x"])[:, :3]
    return functions.cross_entropy(logits, batch["labels"][:, 0], weights=_class_weights())


def _pairs(network: nn.Module, batch: Batch) -> torch.Tensor:
    left, right = gathered(network(batch["x"])), gathered(network(batch["x"].flip(1)))
    return functions.contrastive(left, right)


KINDS: dict[str, tuple[Any, Any, bool]] = {
    "tokens": (_tokens, lambda batch: functions.n_labels(batch["labels"]), True),
    "classes": (_weighted, lambda b: functions.n_labels(b["labels"][:, 0], weights=_class_weights()), True),
    "pairs": (_pairs, None, False),
}


def collate(rows: Sequence[int]) -> Batch:
    labels = torch.randint(-1, 3, (len(rows), 4))  # hidden words are drawn here
    return {"x": X[list(rows)], "labels": labels.where(labels >= 0, -100)}


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_learns(kind: str, accumulate: int) -> None:
    """Also with the last batch of one example alone, and with labels unevenly shared."""
    alike(kind, accumulate)


@two_cores
def test_two_processes_learn_what_one_learns_in_short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard that always runs: the rest of them wait for half a minute of imports in each process."""
    monkeypatch.setattr("retailor.train.fabric._loaded", list)
    alike("tokens", 1, n=17)


def alike(kind: str, accumulate: int, n: int = 65) -> None:
    """Asserts that one process and two end with the same weights and the same log."""
    loss, weigh, by_rows = KINDS[kind]

    def learned(devices: int) -> tuple[torch.Tensor, TrainLog]:
        network = net()
        settings = dials(devices, accumulate=accumulate, batch_size=8)
        validate: Callable[[], float] = lambda: -float(network(X).square().mean())  # noqa: E731
        log = train(
            network, range(n), collate, loss, settings, weigh=weigh, by_rows=by_rows, validate=validate
        )
        return flat(network), log

    (one, first), (two, second) = learned(1), learned(2)
    torch.testing.assert_close(two, one, atol=1e-5, rtol=0)
    assert first.best_step == second.best_step and first.examples_seen == second.examples_seen
    np.testing.assert_allclose(first.validations, second.validations, atol=1e-5)
    np.testing.assert_allclose(first.curve, second.curve, atol=1e-5)


def _texts() -> list[str]:
    words = [word for text in SAMPLE[:5] for word in text.split()]
    rng = np.random.default_rng(0)
    return [" ".join(rng.choice(words, size=rng.integers(3, 9))) for _ in range(61)]


def _still(model: Any) -> Any:
    """Without dropout, whose noise is each process's own."""
    for part in model.network.modules():
        if isinstance(part, nn.Dropout):
            part.p = 0.0
        if hasattr(part, "dropout_prob"):
            part.dropout_prob = 0.0
    return model


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize("how", ["masked", "order", "contrastive", "causal", "masked lora", "causal lora"])
def test_two_processes_adapt_as_one_does(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    objective, _, lora = how.partition(" ")
    for module in (masked, causal_span):
        monkeypatch.setattr(module, "with_lora", partial(with_lora, dropout=0.0))

    def start() -> Any:
        return _still(tiny_decoder(_texts()) if objective == "causal" else tiny_encoder(_texts()))

    def adapted(n: int) -> tuple[torch.Tensor, Any]:
        pairs = [(text, text[::-1]) for text in _texts()] if objective == "contrastive" else None
        settings = AdaptSettings(
            objective=objective,  # type: ignore[arg-type]
            head_steps=5, held_out=0.2, lora_rank=4 if lora else 0,
            train=dials(n, learning_rate=1e-4, batch_size=7, epochs=3, validate_every=3),
        )  # fmt: skip
        made, log = adapt_with_log(start(), _texts(), settings, pairs=pairs)
        return flat(made.network), log

    (one, first), (two, second) = adapted(1), adapted(2)
    torch.testing.assert_close(two, one, atol=1e-5, rtol=0)
    assert (two - flat(start().network)).abs().max() > 1e-4
    assert second.perplexity_after == pytest.approx(first.perplexity_after, rel=1e-4)


@two_cores
@pytest.mark.slow
def test_two_processes_learn_sequences_as_one_does() -> None:
    rng = np.random.default_rng(0)
    rows = [rng.integers(0, 40, rng.integers(2, 9)) for _ in range(63)]
    offsets = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    histories = Histories(offsets, np.concatenate(rows).astype(np.int32), np.ones(offsets[-1], np.float32))
    items = rng.normal(size=(40, 6)).astype(np.float32)

    def learned(n: int) -> np.ndarray[Any, Any]:
        sasrec = SasrecSettings(hidden=16, layers=1, dropout=0.0, item_dropout=0.0, epochs=2.0, batch_size=16)
        settings = RecommendSettings(sasrec=sasrec, train=DeviceSettings(devices=n))
        made, _ = fit_sasrec(items, 40, histories, settings)
        assert made is not None
        return made.table

    one, two = learned(1), learned(2)
    np.testing.assert_allclose(two, one, atol=1e-5)


@two_cores
@pytest.mark.slow
def test_a_loop_in_two_processes_stops_early_and_validates_once(tmp_path: Path) -> None:

    def learned(n: int) -> tuple[torch.Tensor, TrainLog, str]:
        network, said = net(), tmp_path / f"{n}.txt"

        def validate() -> float:
            with said.open("a") as file:
                file.write(f"{os.getpid()}\n")
            return [0.1, 0.3, 0.2, 0.2, 0.2, 0.2][len(said.read_text().split()) - 1]

        settings = dials(n, epochs=50, patience=2, validate_every=2)
        work = tmp_path / str(n)
        log = train(network, range(65), collate, _tokens, settings, validate=validate, work=work,
                    weigh=lambda batch: functions.n_labels(batch["labels"]))  # fmt: skip
        assert {path.suffix for path in work.iterdir()} == {".safetensors"}
        return flat(network), log, said.read_text()

    (one, first, _), (two, second, validated) = learned(1), learned(2)
    torch.testing.assert_close(two, one, atol=1e-5, rtol=0)
    assert second.validations == first.validations and second.best_step == first.best_step == 2
    assert len(set(validated.split())) == 1 and str(os.getpid()) not in validated


# kills ------------------------------------------------------------------------------------------------

KILLED = """
import hashlib, os, sys, time
from pathlib import Path
import torch
from torch import nn
from retailor.train.loop import TrainSettings, train

def main():
    torch.manual_seed(0)
    x = torch.randn(256, 8)
    network = nn.Sequential(nn.Linear(8, 64), nn.Dropout(0.2), nn.Linear(64, 8))
    folder, pause = Path(sys.argv[1]), float(sys.argv[2])
    def loss(n, b):
        time.sleep(pause)
        if pause:
            (folder.parent / f"pid-{os.getpid()}").touch()
        return (n(b["x"]) - b["x"].flip(1)).square().mean()
    train(network, range(256), lambda rows: {"x": x[list(rows)]}, loss,
          TrainSettings(epochs=8, batch_size=8, learning_rate=1e-3, devices=2), work=folder,
          validate=lambda: -float((network(x) - x.flip(1)).square().mean()), checkpoint_every_s=0.05)
    print(hashlib.sha256(b"".join(p.detach().numpy().tobytes() for p in network.parameters())).hexdigest())

if __name__ == "__main__":
    main()
"""


@two_cores
@pytest.mark.slow
@pytest.mark.parametrize("who", ["all", "one process"])
def test_a_training_in_two_processes_that_is_killed_goes_on_exactly(who: str, tmp_path: Path) -> None:
    killed_goes_on_exactly(KILLED, who, tmp_path)


def killed_goes_on_exactly(text: str, who: str, place: Path) -> dict[str, torch.Tensor]:
    """Kills a script's training and gives it again; what the checkpoint in between had."""
    script = place / "script.py"
    script.write_text(text)

    def start(folder: str, pause: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-W", "error", str(script), str(place / folder / "work"), pause],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    for folder in ("whole", "killed"):
        (place / folder).mkdir()
    expected, said = start("whole", "0").communicate(timeout=120)
    assert expected and said == ""
    killed = start("killed", "0.02")
    checkpoint = place / "killed" / "work" / "train.checkpoint.safetensors"
    _wait(checkpoint.exists)
    workers = [int(path.name[4:]) for path in (place / "killed").glob("pid-*")]
    assert len(workers) == 2 and killed.pid not in workers
    os.kill(killed.pid if who == "all" else workers[1], signal.SIGKILL)
    out, said = killed.communicate(timeout=60)
    assert out == "" and (who == "all" or "ended by SIGKILL: run the same again" in said.splitlines()[-1])
    _wait(lambda: not any(_alive(pid) for pid in workers))
    kept = load_file(checkpoint)
    resumed = start("killed", "0").communicate(timeout=120)
    assert resumed == (expected, "")
    return kept


def _alive(pid: int) -> bool:
    try:
        return "zombie" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


def _wait(ready: Callable[[], bool]) -> None:
    for _ in range(600):
        if ready():
            return
        time.sleep(0.1)
    raise AssertionError("waited for a minute")


@two_cores
@pytest.mark.slow
def test_what_goes_wrong_in_a_process_is_said_here(capfd: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(ModelError, match=r"^fit: the loss became nan at step 1 of 10: lower learning_rate"):
        train(net(), range(65), collate, lambda n, b: _tokens(n, b) * float("nan"), dials(2), label="fit")

    def odd(rows: Sequence[int]) -> Batch:
        return {**collate(rows), "all": torch.ones(3)}

    with pytest.raises(ModelError, match=r"'all' of shape \(3,\) cannot be shared out by the rows of 16"):
        train(net(), range(65), odd, _tokens, dials(2), label="fit")
    assert capfd.readouterr() == ("", "")


# shares -----------------------------------------------------------------------------------------------


@dataclass
class Some(Alone):
    rank: int = 0
    size: int = 1


@given(n=st.integers(1, 40), size=st.integers(1, 9))
def test_every_example_is_in_one_share(n: int, size: int) -> None:
    rows = torch.arange(n)[:, None]
    shares = [list(share_of(Some(rank, size), range(n))) for rank in range(size)]
    assert sorted(i for share in shares for i in share) == list(range(n))
    assert max(map(len, shares)) - min(map(len, shares)) <= 1
    for rank, share in enumerate(shares):
        assert rows_of(Some(rank, size), {"i": rows}, n)["i"].flatten().tolist() == (share or [0])


# what is refused --------------------------------------------------------------------------------------


def test_more_devices_than_there_are_are_refused_before_any_work() -> None:
    n = n_devices("cpu")
    with pytest.raises(ConfigError, match=f"devices = {n + 1}, and there (is|are) {n} .*set devices = {n}"):
        check_devices(DeviceSettings(devices=n + 1), torch.device("cpu"))
    with pytest.raises(ConfigError, match="'strategy' = 'zero': input should be 'auto', 'ddp' or 'fsdp'"):
        DeviceSettings(strategy="zero")  # type: ignore[arg-type]
    called: list[int] = []
    with pytest.raises(ConfigError, match="devices"):
        train(net(), range(4), called.append, _tokens, dials(n + 1))  # type: ignore[arg-type]
    assert not called


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailor.train.devices.find_spec", lambda name: None)
    monkeypatch.setattr("retailor.train.devices.n_devices", lambda kind: 2)
    with pytest.raises(MissingExtra, match=r"pip install 'retailor\[devices\]'"):
        check_devices(DeviceSettings(devices=2), torch.device("cpu"))
    check_devices(DeviceSettings(), torch.device("cpu"))


def test_one_device_loads_nothing_of_it() -> None:
    code = (
        "import sys, torch; from retailor.train.loop import train, TrainSettings\n"
        "train(torch.nn.Linear(2, 2), range(4), lambda rows: {'x': torch.ones(len(rows), 2)},\n"
        "      lambda n, b: n(b['x']).square().mean(), TrainSettings(max_steps=1))\n"
        "assert not {'lightning_fabric', 'cloudpickle'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


# gradient checkpointing -------------------------------------------------------------------------------


def test_gradient_checkpointing_changes_no_weight_and_is_off_again() -> None:
    def learned(wanted: bool) -> torch.Tensor:
        encoder = tiny_encoder()
        loss: Any = lambda n, b: encoder.vectors(b).pow(4).mean()  # noqa: E731
        settings = replace(dials(1), gradient_checkpointing=wanted, epochs=1.0)
        train(encoder.network, SAMPLE, encoder.tokens, loss, settings)
        assert not any(getattr(part, "gradient_checkpointing", False) for part in encoder.network.modules())
        return flat(encoder.network)

    torch.testing.assert_close(learned(True), learned(False), atol=1e-6, rtol=0)
    with pytest.raises(ConfigError, match="Sequential cannot compute its layers' output again"):
        train(net(), range(4), collate, _tokens, dials(1, gradient_checkpointing=True))
