"""The one training loop: adaptation and every task go through it.

Plain PyTorch on one device. For several, each is a process of its own that runs this same loop on its share
of every batch (`devices`, `fabric`), and what the first leaves in the folder is read back. Every step seeds
torch's generator from the seed and the number of the step, so a training that was killed and resumed gives
the same weights, bit by bit, as one that was not.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor, nn

from retailor import seeds
from retailor.config import as_dict
from retailor.errors import DataError, ModelError
from retailor.models.hardware import native_bf16
from retailor.progress import track
from retailor.train.checkpoint import Checkpoints, batches_sha256, identity, put_weights, weights_of, whole
from retailor.train.devices import (
    Alone,
    World,
    check_devices,
    check_shares,
    in_main_memory,
    meeting_folder,
    rows_of,
    several,
    share_of,
)
from retailor.train.losses.shared import gathering
from retailor.train.schedule import (
    checkpointed_gradients,
    epoch_batches,
    frozen_embeddings,
    frozen_layers,
    layer_groups,
    open_at,
    rate_factor,
    steps_of,
)
from retailor.train.settings import RATE, TrainLog, TrainSettings

if TYPE_CHECKING:
    from retailor.train.fabric import Processes

__all__ = ["TrainLog", "TrainSettings", "layer_groups", "train"]

E = TypeVar("E")
Batch = Mapping[str, Tensor]
Loss = Callable[[nn.Module, Batch], Tensor]
CURVE_POINTS = 500
SMALL_NETWORK = 1_000_000
UNSHARED = (
    "{}: the training has ended on another machine, and what it left is not here: the folder must lie on "
    "storage that all machines share."
)


@dataclass
class _State:
    """What changes while training, and is kept in a checkpoint."""

    step: int = 0
    stale: int = 0
    examples_seen: int = 0
    seconds: float = 0.0
    best_value: float = -math.inf
    best_step: int = -1
    done: bool = False
    losses: list[float] = field(default_factory=list)
    curve: list[tuple[int, float, float]] = field(default_factory=list)
    validations: list[tuple[int, float]] = field(default_factory=list)


def train(
    network: nn.Module,
    examples: Sequence[E],
    collate: Callable[[Sequence[E]], Batch],
    loss: Loss,
    settings: TrainSettings,
    *,
    validate: Callable[[], float] | None = None,
    lengths: Sequence[int] | None = None,
    weigh: Callable[[Batch], float] | None = None,
    by_rows: bool = True,
    work: Path | None = None,
    label: str = "train",
    dials: object = None,
    checkpoint_every_s: float = 60.0,
) -> TrainLog:
    """The log; `network` is trained in place, and left in the mode (train or eval) it came in.

    `collate` makes a batch of some examples and `loss` a scalar of the network and a batch; both may draw
    from torch's global generator, and from nothing else that is random. `validate` is called with the network
    in evaluation mode, before the first step and then every `validate_every` steps; higher is better, and the
    best weights are put back at the end. `lengths` (one an example) makes batches of similar length.
    `weigh` says what the loss of a batch is a mean over (`losses.n_labels` of its labels, for one over tokens
    or weighted classes); its examples when not given. Batches that share a step count by it, so that the step
    is that of one large batch. A term that compares the rows of a batch still sees those of its own alone.
    With several `devices` each process reads a share of every batch, and such a term goes through
    `losses.shared.gathered`. `by_rows` says that each tensor of a batch has one row an example: a share is
    then rows of what one process would have read, with the same words hidden, else a batch of its own.
    With a `work` folder the training leaves checkpoints there, and the same call goes on from them: give
    trainings that share a folder different labels. The same is what has the same settings, start, code and
    libraries, reads the same batches in its first epoch, and has the same `dials`: JSON-able, what else
    decides, such as the settings of the loss and the texts that `validate` reads.

    With the strategy 'fsdp' every process holds a share of the network, and all of them compute what the loss
    and `validate` compute with it: each calls `validate`, which asks for the same in all of them.

    Raises DataError when there are no examples, ConfigError when there are fewer layers than are to be
    frozen, fewer devices than asked for or weights that cannot be shared out, ModelError when the loss is
    not finite or a process has ended.
    """
    if not len(examples):
        raise DataError(f"{label}: there are no examples to train on.")
    device = next(network.parameters()).device
    check_devices(settings, device)
    was_training = network.training
    asked = _Asked(network, settings, examples, collate, loss, validate, lengths, weigh, by_rows, label,
                   checkpoint_every_s)  # fmt: skip
    with (
        frozen_embeddings(network, bool(settings.freeze_embeddings)),
        frozen_layers(network, settings.freeze_layers),
        checkpointed_gradients(network, settings.gradient_checkpointing),
        _own_randomness(),
        in_main_memory(network, settings.strategy == "fsdp"),
        meeting_folder(settings, work) as folder,
    ):
        if settings.strategy == "fsdp":
            check_shares(network)
        run = _Run(asked, Alone())
        run.resume(None if folder is None else Path(folder).resolve(), dials)
        try:
            if not run.state.done:
                run.train_on_several(device.type) if several(settings) else run.train()
        finally:
            network.train(was_training)
        return run.log()


@dataclass(frozen=True)
class _Asked:
    """What `train` was called with; all of it travels to a process of its own."""

    network: nn.Module
    settings: TrainSettings
    examples: Sequence[Any]
    collate: Callable[[Sequence[Any]], Batch]
    loss: Loss
    validate: Callable[[], float] | None
    lengths: Sequence[int] | None
    weigh: Callable[[Batch], float] | None
    by_rows: bool
    label: str
    checkpoint_every_s: float


@dataclass(frozen=True)
class _Part:
    """A batch of a step as this process reads it."""

    batch: Batch
    weight: float
    empty: bool = False
    """It stands for no example at all: there were fewer than processes."""


@contextmanager
def _own_randomness() -> Iterator[None]:
    """torch's global generators are the caller's again afterwards."""
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        yield


def _seed(seed: int, device: torch.device) -> None:
    # torch.manual_seed would keep a stack trace a call for as long as CUDA is not in use
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed_all(seed)


class _Run:
    """One training under way."""

    def __init__(self, asked: _Asked, world: World) -> None:
        self.asked, self.world = asked, world
        self.network, self.settings, self.label = asked.network, asked.settings, asked.label
        settings = asked.settings
        self.n_examples = len(asked.examples)
        self.rate, self.seed = settings.learning_rate or RATE, settings.seed or 0
        self.an_epoch, self.total = steps_of(settings, self.n_examples)
        self.trained = [p for p in self.network.parameters() if p.requires_grad]
        if not self.trained:
            raise ModelError(f"{self.label}: no weight of the network is to be trained: all are frozen.")
        self.device = self.trained[0].device
        self.optimizer = torch.optim.AdamW(layer_groups(self.network, settings), lr=0.0, fused=True)
        self.autocast = torch.autocast(
            self.device.type,
            dtype=torch.bfloat16,
            enabled=in_half(settings, self.network),
            cache_enabled=True,
        )
        self.checkpoints = Checkpoints(None, self.label, "")
        self.state = _State()
        self.best: dict[str, Tensor] | None = None

    def resume(self, work: Path | None, dials: object) -> None:
        """Goes on from what the same training has left in `work`, and will leave its own there."""
        if work is None:
            return
        read = batches_sha256(self._first_epoch())
        own, lengths = as_dict(self.settings), list(self.asked.lengths or ())
        mark = identity(self.network, self.label, own, self.n_examples, lengths, dials, read)
        self.go_on(Checkpoints(work, self.label, mark))

    def go_on(self, checkpoints: Checkpoints) -> None:
        """Goes on from what is kept there, if anything is."""
        self.checkpoints = checkpoints
        found = self.checkpoints.read(self.network, self.optimizer)
        if found is not None:
            state, self.best = found
            state.pop("best_file")
            state["curve"] = [tuple(point) for point in state["curve"]]
            state["validations"] = [tuple(point) for point in state["validations"]]
            self.state = _State(**state)

    def train_on_several(self, kind: str) -> None:
        """Trains in processes of their own, on devices of a kind; what they leave is taken over."""
        from retailor.train.fabric import launched, on_hosts

        asked, checkpoints = self.asked, self.checkpoints
        n, hosts = self.settings.devices, self.settings.hosts

        def work(world: Processes) -> None:
            _in_process(asked, checkpoints, world)

        if hosts == 1:
            launched(work, n, kind, self.label)
        else:
            on_hosts(work, hosts, n, self.label)
        self.go_on(checkpoints)
        if not self.state.done:
            raise DataError(UNSHARED.format(self.label), path=checkpoints.work)

    def train(self) -> None:
        state, validate = self.state, self.asked.validate
        before, started = state.seconds, time.perf_counter()
        written = started
        every = self.settings.validate_every or self.an_epoch
        if validate is not None and not state.validations:
            self._validated(validate)
        self.network.train()
        forward = self.world.forward(self.network, self.asked.loss)
        for batches in self._tracked():
            self._step([[self.asked.examples[i] for i in batch] for batch in batches], forward)
            now = time.perf_counter()
            state.seconds = before + now - started
            last = state.step == self.total
            if validate is not None and (state.step % every == 0 or last):
                self._validated(validate)
                self.network.train()
            if self._given_up():
                break
            if self.world.agreed(now - written >= self.asked.checkpoint_every_s and not last):
                self._write()
                written = time.perf_counter()
        self._finish(before + time.perf_counter() - started)

    def _first_epoch(self) -> Iterator[Batch]:
        """The batches that the first epoch reads."""
        dials = self.settings
        batches = epoch_batches(self.n_examples, dials.batch_size, self.seed, 0, self.asked.lengths)
        for i, batch in enumerate(batches[: self.total * dials.accumulate]):
            _seed(seeds.derive(self.seed, "step", str(i // dials.accumulate + 1)), self.device)
            yield self.asked.collate([self.asked.examples[i] for i in batch])

    def _tracked(self) -> Iterator[list[list[int]]]:
        """The batches of each step that is left, in order, with a bar in the first process."""
        steps = self._steps()
        return track(steps, self.label, total=self.total - self.state.step) if not self.world.rank else steps

    def _steps(self) -> Iterator[list[list[int]]]:
        size = self.settings.accumulate
        while self.state.step < self.total:
            epoch, first = divmod(self.state.step, self.an_epoch)
            batches = epoch_batches(
                self.n_examples, self.settings.batch_size, self.seed, epoch, self.asked.lengths
            )
            for step in range(first, self.an_epoch):
                if self.state.step < self.total:
                    yield batches[step * size : (step + 1) * size]

    def _step(self, groups: list[list[Any]], forward: Callable[[Batch], Tensor]) -> None:
        state, settings, world = self.state, self.settings, self.world
        step = state.step + 1
        _seed(seeds.derive(self.seed, "step", str(step)), self.device)
        mean = 0.0
        given = [self._part(group) for group in groups]
        if world.rank:  # every process drops out units of its own
            _seed(seeds.derive(self.seed, "step", str(step), "process", str(world.rank)), self.device)
        for one, part in zip(given, self._shares(given), strict=True):
            there = {name: tensor.to(self.device) for name, tensor in one.batch.items()}
            world.empty = one.empty
            with world.syncing(one is given[-1]):
                with self.autocast:
                    value = forward(there)
                world.backward(value * (part * world.size))  # what is exchanged is a mean over processes
            mean += value.item() * part
        mean = world.sum(mean)
        self._check(mean, "loss", step)
        if settings.clip:
            norm = whole(nn.utils.get_total_norm([p.grad for p in self.trained if p.grad is not None]))
            nn.utils.clip_grads_with_norm_(self.trained, settings.clip, norm)
            self._check(norm.item(), "gradient", step)
        rate = self.rate * rate_factor(settings, step, self.total)
        for group_ in self.optimizer.param_groups:
            group_["lr"] = rate * group_["scale"] * open_at(settings, group_["below_top"], step)
        self.optimizer.step()
        # the fused step changes weights without telling; copies made for inference must notice
        torch.autograd.graph.increment_version(self.trained)
        self.optimizer.zero_grad(set_to_none=True)
        state.step = step
        state.examples_seen += sum(map(len, groups))
        self._note(mean, rate)

    def _part(self, group: list[Any]) -> _Part:
        """What this process reads of a batch, and what that counts."""
        own, collate, weigh = share_of(self.world, group), self.asked.collate, self.asked.weigh
        if self.world.size > 1 and self.asked.by_rows:
            batch = rows_of(self.world, collate(group), len(group))
        else:
            batch = collate(own or group[:1])
        if not own:
            return _Part(batch, 0.0, empty=True)
        return _Part(batch, weigh(batch) if weigh else len(own))

    def _shares(self, given: list[_Part]) -> list[float]:
        """What each batch of a step counts, 1 in all over all processes; alike where none has any weight."""
        total = self.world.sum(sum(one.weight for one in given))
        alike = 1 / (len(given) * self.world.size)
        return [one.weight / total if total else alike for one in given]

    def _note(self, loss: float, rate: float) -> None:
        """One point of the curve for several steps, when there are many."""
        state = self.state
        state.losses.append(loss)
        if state.step % math.ceil(self.total / CURVE_POINTS) == 0 or state.step == self.total:
            state.curve.append((state.step, sum(state.losses) / len(state.losses), rate))
            state.losses.clear()

    def _check(self, value: float, what: str, step: int) -> None:
        if math.isfinite(value):
            return
        lower = f"lower learning_rate (now {self.rate:g})"
        if self.autocast._enabled:
            lower += " or set precision = '32'"
        raise ModelError(
            f"{self.label}: the {what} became {value} at step {step} of {self.total}: {lower}.", asked=what
        )

    def _validated(self, validate: Callable[[], float]) -> None:
        self.network.eval()
        with torch.no_grad():
            value = self.world.of_first(lambda: float(validate()))
        state = self.state
        state.validations.append((state.step, value))
        if value > state.best_value:
            state.best_value, state.best_step, state.stale = value, state.step, 0
            self.best = weights_of(self.network)
        else:
            state.stale += 1

    def _given_up(self) -> bool:
        return self.settings.patience is not None and self.state.stale >= self.settings.patience

    def _write(self) -> None:
        best = None if self.best is None else (self.state.best_step, self.best)
        first = not self.world.rank
        self.checkpoints.write(self.network, self.optimizer, best, vars(self.state), first=first)

    def _finish(self, seconds: float) -> None:
        state = self.state
        if self.best is None:
            state.best_step = state.step
        else:
            put_weights(self.network, self.best)
            self.best = None
        state.seconds, state.done = seconds, True
        self._write()

    def log(self) -> TrainLog:
        state = self.state
        return TrainLog(
            curve=tuple(state.curve),
            validations=tuple(state.validations),
            seconds=state.seconds,
            examples_seen=state.examples_seen,
            n_parameters_trained=sum(p.numel() for p in self.trained),
            best_step=state.best_step,
        )


def _in_process(asked: _Asked, checkpoints: Checkpoints, world: Processes) -> None:
    """The training as one of several processes; the first one leaves it in the folder."""
    if asked.settings.strategy == "fsdp":
        from retailor.train.sharded import Sharded

        world = Sharded(world.fabric, asked.network)
    else:
        asked.network.to(world.device)
    run = _Run(asked, world)
    run.go_on(checkpoints)
    with gathering(world.gathered):
        run.train()


def in_half(settings: TrainSettings, network: nn.Module) -> bool:
    """Whether `train` computes in bf16. A small network gains nothing from it and loses digits."""
    if settings.precision == "auto":
        return native_bf16() and sum(p.numel() for p in network.parameters()) >= SMALL_NETWORK
    return settings.precision == "bf16"
