"""What each stage of a plan will need of time, memory and disk, told before the run.

The model: seconds = models opened × the time that takes + tokens read, learned from and written × what each
costs + arithmetic of the recommender ÷ the machine's + rows × what cleaning one costs × a factor a stage.
Unit costs are measured on this machine (`units`), volumes on the files (`volumes`); how often a stage reads
its texts, and its factor, are constants here, taken from one run of the demo shop. Memory is that of the
weights, of what training keeps beside them (of adapters alone, in four bits below them, where a section
says so), of activations (Korthikanti et al., 2022, without recomputation)
and of the recommender's matrices; disk that of weights and vectors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from retailor.plan.encoder import encoder_of_shares
from retailor.plan.main_job import stages_of
from retailor.plan.settings import Plan
from retailor.plan.shop_stages import DEMO
from retailor.plan.units import Machine, ModelUnits, encoder_units, generator_units, machine
from retailor.plan.volumes import Volumes, volumes_of
from retailor.seeds import stream
from retailor.train.objectives.settings import head_training_of
from retailor.train.schedule import steps_of
from retailor.train.settings import TrainSettings

GIB = 1 << 30
FLOAT = 4
FOUR_BIT_BYTES = (4 + 0.127) / 8
"""Of a weight in NF4, with its share of the quantised scales (Dettmers et al., 2023)."""
MATRICES = 7
"""Linear layers in a layer of a decoder: four of attention, three after it."""
MOST_HELD_OUT = 512
BASE_BYTES = 900 << 20
"""A process with its libraries loaded."""


@dataclass(frozen=True)
class Need:
    """What a stage will need."""

    stage: str
    seconds: float
    memory_bytes: float
    disk_bytes: float
    most: str
    """What most of the time goes to."""


@dataclass(frozen=True)
class Forecast:
    """What all stages will need on a machine, and where it will not do."""

    needs: tuple[Need, ...]
    machine: Machine
    warnings: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    def __str__(self) -> str:
        width = max(len(need.stage) for need in self.needs)
        lines = [f"{'stage':<{width}}  {'time':>8}  {'memory':>9}  {'disk':>9}  most of it"]
        lines += [
            f"{need.stage:<{width}}  {told(need.seconds):>8}  {_size(need.memory_bytes):>9}  "
            f"{_size(need.disk_bytes):>9}  {need.most}"
            for need in self.needs
        ]
        disk = sum(need.disk_bytes for need in self.needs)
        most = max(need.memory_bytes for need in self.needs)
        seconds = sum(need.seconds for need in self.needs)
        lines += [f"{'in all':<{width}}  {told(seconds):>8}  {_size(most):>9}  {_size(disk):>9}"]
        here = self.machine
        free = f"free here: {_size(here.memory_bytes)} of memory, {_size(here.disk_bytes)} of disk"
        return "\n".join([*lines, free, *(f"warning: {line}" for line in self.warnings)])


def told(seconds: float) -> str:
    """Seconds in words: '40 s', '12 min', '3.5 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _size(n_bytes: float) -> str:
    return f"{n_bytes / GIB:.1f} GiB" if n_bytes >= GIB / 10 else f"{n_bytes / (1 << 20):.0f} MiB"


@dataclass(frozen=True)
class Known:
    """All that a forecast goes by."""

    plan: Plan
    volumes: Volumes
    machine: Machine
    encoder: ModelUnits | None
    generator: ModelUnits | None

    @property
    def row_s(self) -> float:
        """What cleaning a row costs."""
        return self.volumes.seconds["clean"] / max(1.0, self.volumes.n_rows)

    def tokens(self, table: str | None = None) -> float:
        """Of a table's texts; of all."""
        letters = self.volumes.letters[table] if table else sum(self.volumes.letters.values())
        return letters / (self.encoder.letters_a_token if self.encoder else 3.0)

    def texts(self) -> float:
        return self.volumes.rows["items"] + self.volumes.rows["reviews"] + self.volumes.rows["questions"]


def measured(plan: Plan, out: Path, tell: Callable[[str], None] = lambda line: None) -> Known:
    """The volumes of the plan's shop, and the unit costs of this machine and of the plan's models: seconds.

    Raises what `volumes_of` and `load_model` raise. A model behind an address is not asked.
    """
    tell("counting what the shop has …")
    volumes = volumes_of(plan)
    for name in volumes.cut:
        tell(f"{name}: counted from its first part")
    for source in plan.sources():
        if source.reader != DEMO and not source.files:
            tell(f"{source.reader}: its rows stand in no file and are not counted")
    tell("measuring this machine …")
    texts, models = volumes.some, plan.sections["models"]
    drawn = [texts[i] for i in stream(0, "plan size").permutation(len(texts))]
    here = machine(out)
    encoder = generator = None
    name = encoder_of_shares(models.encoder, shares(volumes.languages))
    if drawn and "://" not in name:
        adapt = plan.sections["adapt"]
        encoder = encoder_units(plan.model(name), drawn, adapt.max_tokens, adapt.train.batch_size)
    if drawn and "review" not in plan.head.skip and "://" not in models.generator:
        generator = generator_units(plan.model(models.generator), drawn, 160)
    return Known(plan, volumes, here, encoder, generator)


def shares(counts: Counter[str]) -> dict[str, float]:
    return {name: n / counts.total() for name, n in counts.items()}


def forecast(known: Known) -> Forecast:
    """What the stages of the plan will need."""
    needs = tuple(_need(known, stage.name) for stage in stages_of(known.plan))
    return Forecast(needs, known.machine, tuple(_warnings(known.machine, needs)))


def _warnings(machine: Machine, needs: tuple[Need, ...]) -> list[str]:
    free = _size(machine.memory_bytes)
    said = [
        f"{need.stage} needs about {_size(need.memory_bytes)} of memory, and {free} are free."
        for need in needs
        if need.memory_bytes > machine.memory_bytes
    ]
    disk = sum(need.disk_bytes for need in needs)
    if disk > machine.disk_bytes:
        said.append(f"the run needs about {_size(disk)} of disk, and {_size(machine.disk_bytes)} are free.")
    return said


# the cost of parts ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Part:
    """A part of a stage's time, and what it needs beside it."""

    what: str
    seconds: float = 0.0
    memory_bytes: float = 0.0
    disk_bytes: float = 0.0


def _need(known: Known, name: str) -> Need:
    parts = _parts_of(known, name)
    seconds = sum(part.seconds for part in parts)
    disk = sum(part.disk_bytes for part in parts)
    longest = max(parts, key=lambda part: part.seconds)
    written = disk / known.machine.write_bytes
    memory = BASE_BYTES + sum(part.memory_bytes for part in parts)
    return Need(name, seconds + written, memory, disk, longest.what)


def _parts_of(known: Known, name: str) -> list[_Part]:
    kind, _, task = name.partition("-")
    if name in MAKERS:
        return MAKERS[name](known)
    if kind in ("fit", "refit", "evaluate") and f"{kind}-{task}" in PASSES:
        return _task(known, kind, task)
    return [_rows(known, 1.0)]


def _rows(known: Known, factor: float) -> _Part:
    return _Part("rows of the shop", known.volumes.n_rows * known.row_s * factor)


def _opened(model: ModelUnits | None, times: float = 1.0) -> _Part:
    if model is None:
        return _Part("opening the model")
    return _Part(f"opening {model.name}", model.open_s * times, model.parameters * FLOAT)


def _read(known: Known, tokens: float) -> _Part:
    if known.encoder is None:
        return _Part("reading texts")
    vectors = known.texts() * known.encoder.hidden * FLOAT
    return _Part("reading texts", tokens / known.encoder.forward, vectors)


def _learned(
    known: Known,
    model: ModelUnits | None,
    n: float,
    given: TrainSettings,
    tokens: float,
    rank: int,
    bits: int,
) -> _Part:
    """A training on n examples of so many tokens, shared out over its devices; of adapters with a `rank`."""
    if model is None or n < 1:
        return _Part("training")
    _, steps = steps_of(given, int(n))
    seen = steps * min(n, given.batch_size * given.accumulate) * tokens
    kept = _kept(model, rank, bits)
    processes = given.devices * given.hosts
    of_layer = 17 * FLOAT * model.hidden * given.batch_size * tokens / processes
    active = of_layer * (1 + model.layers / 17 if given.gradient_checkpointing else model.layers)
    copies = 1 / given.hosts if given.strategy == "fsdp" else given.devices  # on one machine
    return _Part(
        f"training ({steps:,} steps)", seen / model.trained_tokens / processes,
        kept * copies + active * given.devices, 0.0,
    )  # fmt: skip


def _kept(model: ModelUnits, rank: int, bits: int) -> float:
    """Bytes of the copy that learns and, of each weight that trains, of gradient, two moments and best."""
    if not rank:
        return 4 * FLOAT * model.trained + FLOAT * model.parameters
    words = model.parameters - model.trained
    base = FOUR_BIT_BYTES * model.trained + FLOAT * words if bits == 4 else FLOAT * model.parameters
    adapters = MATRICES * 2 * rank * model.hidden * model.layers
    return base + 5 * FLOAT * adapters


# the stages -------------------------------------------------------------------------------------------

PASSES: Mapping[str, tuple[float, float, float, float, float]] = {
    "fit-search": (1, 1, 0, 0, 0), "evaluate-search": (0.6, 0, 0, 0, 0), "refit-search": (1, 1, 0, 0, 0),
    "fit-answer": (1, 1, 0.6, 1, 0), "evaluate-answer": (0.6, 0, 0, 0.5, 0),
    "refit-answer": (1, 1, 0.2, 0, 0), "fit-recommend": (1, 1, 0, 0, 0),
    "evaluate-recommend": (0.6, 0, 0, 0, 0), "refit-recommend": (1, 1, 0, 0, 0),
    "fit-sentiment": (1, 0, 1, 0, 0), "evaluate-sentiment": (0.6, 0, 0.1, 0, 0),
    "refit-sentiment": (1, 0, 1, 0, 0), "fit-review": (0, 0, 0, 0, 0),
    "evaluate-review": (0, 0, 0, 0, 0), "refit-review": (0, 0, 0, 0, 10),
}  # fmt: skip
"""A stage to how often it opens the encoder, how often that reads all items, reviews and questions, and what
its rows cost beside, in cleanings of a row."""


def _task(known: Known, kind: str, task: str) -> list[_Part]:
    opens, items, reviews, questions, rows = PASSES[f"{kind}-{task}"]
    tokens = items * known.tokens("items") + reviews * known.tokens("reviews")
    tokens += questions * known.tokens("questions")
    parts = [_opened(known.encoder if opens else known.generator, opens or 1), _rows(known, rows)]
    parts.append(_read(known, tokens))
    if f"{kind}-{task}" in EXTRA:
        parts += EXTRA[f"{kind}-{task}"](known)
    return parts


def _adapted(known: Known) -> list[_Part]:
    given, model = known.plan.sections["adapt"], known.encoder
    n = min(known.texts(), given.max_texts or known.texts())
    n_out = min(MOST_HELD_OUT, max(1, round(n * given.held_out)))
    a_text = min(given.max_tokens, known.tokens() / max(1.0, known.texts()))
    _, steps = steps_of(given.train, max(1, int(n - n_out)))
    checks = 2 + steps / (given.train.validate_every or max(1, n / given.train.batch_size))
    of_head = steps_of(head_training_of(given), max(1, int(n - n_out)))[1] if given.head_steps else 0
    read = of_head * given.train.batch_size + (n if given.keep else 0) + (checks + 2) * n_out
    weights = 0 if model is None else model.parameters * FLOAT
    return [
        _opened(model),
        _read(known, read * a_text),
        _learned(known, model, n - n_out, given.train, a_text, given.lora_rank, given.lora_bits),
        _Part("the adapted model", 0.0, 0.0, weights),
    ]


def _sentiment(known: Known) -> list[_Part]:
    given = known.plan.sections["sentiment"]
    n = known.volumes.rows["reviews"]
    a_text = min(given.max_tokens, known.tokens("reviews") / max(1.0, n))
    weights = 0 if known.encoder is None else known.encoder.parameters * FLOAT
    if given.mode in ("frozen", "tf-idf", "nb-svm"):
        return [_Part("words")]
    rank, bits = given.lora_rank, given.lora_bits
    learned = _learned(known, known.encoder, n, given.train, a_text, rank, bits)
    return [learned, _Part("a reader", disk_bytes=weights)]


def _tuned(known: Known) -> list[_Part]:
    given = known.plan.sections["review"]
    if known.generator is None or not given.tune:
        return [_Part("the past")]
    part = _learned(
        known, known.generator, known.volumes.rows["reviews"], given.train, given.max_train_tokens,
        given.rank, given.lora_bits,
    )  # fmt: skip
    held = given.max_held_out * given.max_train_tokens * 5 / known.generator.forward
    return [part, _Part("held-out reviews", held, disk_bytes=known.generator.parameters * FLOAT)]


def _drafted(known: Known) -> list[_Part]:
    given = known.plan.sections["review"]
    if known.generator is None:
        return [_Part("drafts")]
    written = given.max_evaluated * given.n_drafts * given.max_tries * given.max_tokens
    return [_Part("drafts", written / known.generator.generated)]


def _networks(known: Known, validated: bool = True) -> list[_Part]:
    """The recommender: ridge over all pairs of items, two towers, SASRec; all twice where it validates."""
    given, rows = known.plan.sections["recommend"], known.volumes.rows
    items, events, dim = rows["items"], rows["events"], known.encoder.hidden if known.encoder else 384
    closed = items <= given.max_closed_form
    ridge = 40 * items**3 if closed else 20 * events * given.factors**2
    seen = min(items, given.max_softmax)
    total = given.max_network_steps
    tower = given.two_tower
    n = max(0.0, events - known.volumes.customers)
    size = min(tower.batch_size, max(8, n // 40))
    steps = min(total, tower.epochs * n / max(1.0, size)) if tower.enabled else 0
    towers = steps * 6 * (2 * (size + seen) * dim * tower.hidden + size * seen * dim)
    own = given.sasrec
    dense = own.enabled and items <= own.max_items and events / max(1.0, items) >= own.min_density
    length = min(own.length, events / max(1.0, known.volumes.customers))
    batch = min(own.batch_size, max(8.0, known.volumes.customers / 10))
    sequence = min(total, own.epochs * known.volumes.customers / batch) if dense else 0
    attended = own.layers * 8 * own.hidden**2 + seen * own.hidden
    layers = sequence * 6 * (batch * length * attended + items * dim * own.hidden)
    pairs = 4 * FLOAT * 2 * items**2 if closed else FLOAT * items * given.factors * 4
    links = 8 * items * given.links(int(items)) * 4
    flops = (4 if validated else 2) * (ridge + towers + layers)
    return [
        _Part("the recommender's arithmetic", flops / known.machine.flops, pairs + links),
        _Part("its parts", disk_bytes=links + items * dim * FLOAT * 3),
    ]


def _compressed(known: Known) -> list[_Part]:
    given, model = known.plan.sections["compress"], known.encoder
    read = (given.n_parity + given.n_speed * given.rounds) * 8.0
    size = 0 if model is None else model.parameters
    parts = [_opened(model, 4), _read(known, read * 24), _Part("graphs", disk_bytes=size * 1.3)]
    if given.keep is not None:
        taught = TrainSettings(max_steps=given.student.layers_steps, batch_size=given.student.batch_size)
        parts.append(_learned(known, model, known.texts(), taught, 40.0, 0, 32))
    return parts


def _understood(known: Known) -> list[_Part]:
    return [_opened(known.encoder), _read(known, known.tokens("reviews") / 10)]


MAKERS: Mapping[str, Callable[[Known], list[_Part]]] = {
    "read": lambda known: [_Part("files", known.volumes.seconds["read"])],
    "look": lambda known: [_Part("rows of the shop", known.volumes.seconds["look"])],
    "clean": lambda known: [_Part("rows of the shop", known.volumes.seconds["clean"])],
    "split": lambda known: [_rows(known, 0.15)],
    "report": lambda known: [_rows(known, 12)],
    "adapt": _adapted,
    "compress": _compressed,
    "insight": _understood,
}
EXTRA: Mapping[str, Callable[[Known], list[_Part]]] = {
    "fit-recommend": _networks, "refit-recommend": partial(_networks, validated=False),
    "fit-sentiment": _sentiment, "refit-sentiment": _sentiment,
    "fit-review": _tuned, "evaluate-review": _drafted,
}  # fmt: skip
