"""Adapts a pretrained model to a shop's own texts, before any task: masked words, next words, or spans."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray

from retailor import seeds
from retailor.config import Field, settings
from retailor.errors import ConfigError, DataError, ModelError
from retailor.models.shapes import TrainableEncoder, TrainableGenerator
from retailor.train.loop import TrainLog, TrainSettings, train
from retailor.train.losses import causal_lm, seq2seq_lm, similarity_distillation
from retailor.train.masked import MaskedHead, MaskedModel, Masker, full_loss, head_loss, mean_loss
from retailor.train.masking import batch_randomness, cut_spans, sentinels, vocabulary

__all__ = ["AdaptLog", "AdaptSettings", "adapt", "adapt_with_log"]

M = TypeVar("M")
Objective = Literal["masked", "causal", "span"]
LEARNING_RATES = {"masked": 3e-5, "causal": 2e-5, "span": 1e-4, "lora": 2e-4, "head": 1e-3}
LARGE_VOCABULARY = 100_000
LEAST_TEXTS = 10


@settings
class AdaptSettings:
    """How to adapt a model to a shop's texts."""

    objective: Literal["auto", "masked", "causal", "span"] = "auto"
    """'auto' is masked words for an encoder, next words for a decoder, spans for an encoder-decoder."""
    mask_rate: float = Field(default=0.15, gt=0, lt=1)
    """Part of the tokens that is hidden (masked, span)."""
    whole_words: bool = True
    term_boost: float = Field(default=1.0, ge=1)
    """How much likelier the shop's own terms are hidden than other words; 1 treats all alike."""
    keep: float = Field(default=1.0, ge=0)
    """Weight of staying near the encoder as it came: who is whose neighbour may change little; 0 lets go."""
    head_steps: int = Field(default=100, ge=0)
    """Steps in which only the new head learns, so that its first errors do not reach the encoder."""
    lora_rank: int = Field(default=0, ge=0)
    """Train low-rank adapters of this rank instead of all weights (generators); 0 trains all."""
    max_tokens: int = Field(default=128, ge=8)
    max_texts: int | None = Field(default=50_000, ge=1)
    """Adapt on a random sample of so many texts when there are more."""
    held_out: float = Field(default=0.05, gt=0, le=0.5)
    """Part of the texts, at most 512, that is only for measuring."""
    epochs: float = Field(default=1.0, gt=0)
    max_steps: int | None = Field(default=None, ge=1)
    batch_size: int = Field(default=32, ge=1)
    learning_rate: float | None = Field(default=None, gt=0)
    """The objective's own when not given: 3e-5 masked, 2e-5 causal, 1e-4 span, 2e-4 with adapters."""
    weight_decay: float = Field(default=0.01, ge=0)
    warmup: float = Field(default=0.1, ge=0, lt=1)
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    accumulate: int = Field(default=1, ge=1)
    precision: Literal["auto", "32", "bf16"] = "auto"
    patience: int | None = Field(default=3, ge=1)
    validate_every: int | None = Field(default=None, ge=1)
    freeze_embeddings: bool | None = None
    """When not given: only for a vocabulary over 100,000, where training it costs most of the time."""
    seed: int = 0


@dataclass(frozen=True)
class AdaptLog:
    """What an adaptation did; perplexities a token are on the same held-out texts, hidden the same way.

    For 'masked', 'before' is with a head that was fitted to the encoder as it came, and both are over the
    tokens that occur in the shop's texts. `neighbours_kept` is the mean part of a held-out text's ten
    nearest held-out texts that stayed among its ten nearest; None for generators.
    """

    objective: str
    n_texts: int
    n_held_out: int
    perplexity_before: float
    perplexity_after: float
    neighbours_kept: float | None
    seconds: float
    train: TrainLog

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)


def adapt(
    model: M, texts: Sequence[str], settings: AdaptSettings | None = None, *, work: Path | None = None
) -> M:
    """A model of the same kind, adapted to `texts`; `model` itself is unchanged. See `adapt_with_log`."""
    return adapt_with_log(model, texts, settings, work=work)[0]


def adapt_with_log(
    model: M, texts: Sequence[str], settings: AdaptSettings | None = None, *, work: Path | None = None
) -> tuple[M, AdaptLog]:
    """The adapted model, and what the adaptation did.

    With a `work` folder a second call goes on where a killed one stopped. The weights that did best on
    held-out texts are kept, those that came included: a hopeless adaptation leaves the model as it was.

    Raises ConfigError when the objective does not fit the model, ModelError when the model cannot be trained
    (a remote or compressed one), DataError when there are fewer than ten different texts.
    """
    given = AdaptSettings() if settings is None else settings
    objective = _objective(model, given)
    started = time.perf_counter()
    learned, held_out = _divided(texts, given)
    made: Any
    if objective == "masked":
        made, figures = _adapt_encoder(cast(TrainableEncoder, model), learned, held_out, given, work)
    else:
        made, figures = _adapt_generator(model, learned, held_out, given, work, objective)
    before, after, neighbours, log = figures
    return made, AdaptLog(
        objective=objective,
        n_texts=len(learned),
        n_held_out=len(held_out),
        perplexity_before=_perplexity(before),
        perplexity_after=_perplexity(after),
        neighbours_kept=neighbours,
        seconds=time.perf_counter() - started,
        train=log,
    )


def _perplexity(loss: float) -> float:
    return math.exp(min(loss, 700.0))


def _objective(model: Any, given: AdaptSettings) -> Objective:
    """The objective for this model, or the reason why it cannot be."""
    if isinstance(model, TrainableEncoder):
        can: tuple[Objective, ...] = ("masked",)
    elif isinstance(model, TrainableGenerator):
        both = getattr(model.network.config, "is_encoder_decoder", False)
        can = ("span", "causal") if both else ("causal",)
    else:
        raise ModelError(
            f"{getattr(model, 'name', type(model).__name__)} has no network here that could be trained: "
            "adapt a local model, then compress or serve it.",
            asked="adapt",
        )
    wanted = can[0] if given.objective == "auto" else given.objective
    if wanted not in can:
        raise ConfigError(
            f"objective '{wanted}' does not fit {getattr(model, 'name', 'this model')}: it learns by "
            f"{' or '.join(can)}.",
            key="objective",
            value=wanted,
        )
    if given.lora_rank and wanted == "masked":
        raise ConfigError("lora_rank is for generators; an encoder is adapted whole.", key="lora_rank")
    return wanted


def _divided(texts: Sequence[str], given: AdaptSettings) -> tuple[list[str], list[str]]:
    """Different texts that are not empty: those to learn from, and those to measure on."""
    unique = list(dict.fromkeys(text for text in texts if text and text.strip()))
    if len(unique) < LEAST_TEXTS:
        raise DataError(
            f"there are {len(unique)} different texts, and adapting needs {LEAST_TEXTS} at the least."
        )
    order = seeds.stream(given.seed, "adapt", "texts").permutation(len(unique))[: given.max_texts]
    n_out = min(512, max(1, round(len(order) * given.held_out)))
    return [unique[i] for i in sorted(order[n_out:])], [unique[i] for i in sorted(order[:n_out])]


def _train_settings(given: AdaptSettings, rate: float, vocabulary_size: int, **more: Any) -> TrainSettings:
    frozen = given.freeze_embeddings
    values = {
        "epochs": given.epochs,
        "max_steps": given.max_steps,
        "batch_size": given.batch_size,
        "learning_rate": rate,
        "weight_decay": given.weight_decay,
        "warmup": given.warmup,
        "schedule": given.schedule,
        "layer_decay": given.layer_decay,
        "accumulate": given.accumulate,
        "precision": given.precision,
        "patience": given.patience,
        "validate_every": given.validate_every,
        "freeze_embeddings": vocabulary_size > LARGE_VOCABULARY if frozen is None else frozen,
        "seed": given.seed,
    }
    return TrainSettings(**{**values, **more})


# encoders -----------------------------------------------------------------------------------------

Figures = tuple[float, float, float | None, TrainLog]


def _adapt_encoder(
    model: TrainableEncoder, learned: list[str], held_out: list[str], given: AdaptSettings, work: Path | None
) -> tuple[TrainableEncoder, Figures]:
    made = model.copy()
    targets = model.encode(learned) if given.keep else None
    masker, counts = _masker(made, learned, held_out, given, targets)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seeds.derive(given.seed, "adapt", "head"))
        joined = MaskedModel(made.network, MaskedHead(made.dim, masker.kept, counts))
    joined.to(next(made.network.parameters()).device)
    fixed = _fixed_batches(masker, range(len(learned), len(masker.rows)), given)

    def value() -> float:
        return -mean_loss(joined, fixed)

    lengths = [len(row) for row in masker.rows[: len(learned)]]
    _fit_head(joined, masker, lengths, given, work)
    joined.eval()
    before = -value()
    log = train(
        joined,
        range(len(learned)),
        masker.collate,
        full_loss(made, given.keep, similarity_distillation),
        _train_settings(given, given.learning_rate or LEARNING_RATES["masked"], len(masker.place)),
        validate=value,
        lengths=lengths,
        work=work,
        label="adapt",
    )
    return made, (before, -value(), _neighbours_kept(model, made, held_out), log)


def _masker(
    encoder: Any, learned: list[str], held_out: list[str], given: AdaptSettings, targets: Any
) -> tuple[Masker, NDArray[np.int64]]:
    """The masker of all texts, those held out last, and how often each kept token occurs."""
    known = vocabulary(encoder.tokenizer)
    rows = [_shortened(row, given.max_tokens) for row in _ids(encoder, [*learned, *held_out])]
    counts = np.bincount(np.concatenate([np.asarray(row) for row in rows]), minlength=len(known.starts))
    counts[known.special] = 0
    kept = np.flatnonzero(counts)
    place = np.full(len(counts), -1, dtype=np.int64)
    place[kept] = np.arange(len(kept))
    if targets is not None:
        targets = np.concatenate([targets, np.zeros((len(held_out), targets.shape[1]), np.float32)])
    weights = _term_weights(encoder, learned, given, len(counts)) if given.term_boost > 1 else None
    n_prompt = len(_ids(encoder, [""])[0]) - 1
    masker = Masker(
        rows, known, kept, place, given.mask_rate, given.whole_words, max(n_prompt, 1), weights, targets
    )
    return masker, counts[kept]


def _ids(encoder: Any, texts: list[str]) -> list[list[int]]:
    if hasattr(encoder, "token_ids"):
        return encoder.token_ids(texts)  # type: ignore[no-any-return]
    return encoder.tokenizer(texts)["input_ids"]  # type: ignore[no-any-return]


def _shortened(row: list[int], n: int) -> list[int]:
    return row if len(row) <= n else [*row[: n - 1], row[-1]]


def _term_weights(encoder: Any, texts: list[str], given: AdaptSettings, n_ids: int) -> NDArray[np.float64]:
    """One a token id: `term_boost` for the tokens that the shop's terms are made of, else 1."""
    from retailor.text.terms import mine_terms

    weights = np.ones(n_ids)
    terms = [term.text for term in mine_terms(texts)]
    if terms:
        for row in encoder.tokenizer(terms, add_special_tokens=False)["input_ids"]:
            weights[row] = given.term_boost
    return weights


def _fixed_batches(masker: Masker, numbers: Sequence[int], given: AdaptSettings) -> list[Any]:
    """The held-out texts, masked once and for all."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeds.derive(given.seed, "adapt", "held out"))
        return [masker.collate(numbers[i : i + 32]) for i in range(0, len(numbers), 32)]


def _fit_head(
    joined: MaskedModel, masker: Masker, lengths: list[int], given: AdaptSettings, work: Path | None
) -> None:
    """Trains the head alone, on the encoder as it is."""
    if not given.head_steps:
        return
    trained = [p for p in joined.body.parameters() if p.requires_grad]
    for parameter in trained:
        parameter.requires_grad_(False)
    try:
        train(
            joined, range(len(lengths)), masker.collate, head_loss,
            _train_settings(given, LEARNING_RATES["head"], 0, epochs=1000.0, max_steps=given.head_steps,
                            accumulate=1, patience=None, validate_every=None),
            lengths=lengths, work=work, label="adapt-head",
        )  # fmt: skip
    finally:
        for parameter in trained:
            parameter.requires_grad_(True)


def _neighbours_kept(before: TrainableEncoder, after: TrainableEncoder, texts: list[str]) -> float | None:
    k = min(10, len(texts) - 2)
    if k < 1:
        return None
    nearest = []
    for encoder in (before, after):
        rows = encoder.encode(texts)
        cosines = rows @ rows.T
        np.fill_diagonal(cosines, -np.inf)
        nearest.append(np.argpartition(-cosines, k, axis=1)[:, :k])
    return float(np.mean([len(set(a) & set(b)) / k for a, b in zip(*nearest, strict=True)]))


# generators ---------------------------------------------------------------------------------------


def _adapt_generator(
    model: Any, learned: list[str], held_out: list[str], given: AdaptSettings, work: Path | None,
    objective: Objective,
) -> tuple[Any, Figures]:  # fmt: skip
    made = _with_adapters(model, given) if given.lora_rank else model.copy()
    collate = _spans(made, given) if objective == "span" else _plain(made, given)
    fixed = _fixed_texts(collate, held_out, given)
    loss_of = causal_lm if not made.is_seq2seq else seq2seq_lm

    def loss(network: Any, batch: Any) -> torch.Tensor:
        return loss_of(network(**batch).logits, batch["labels"])

    def value() -> float:
        return -_mean_of(made.network, fixed, loss)

    before = -value()
    rate = given.learning_rate or LEARNING_RATES["lora" if given.lora_rank else objective]
    log = train(
        made.network,
        learned,
        collate,
        loss,
        _train_settings(given, rate, len(made.tokenizer)),
        validate=value,
        lengths=[len(text) for text in learned],
        work=work,
        label="adapt",
    )
    after = -value()
    if given.lora_rank:
        made = made.with_network(made.network.merge_and_unload())
    return made, (before, after, None, log)


def _with_adapters(model: Any, given: AdaptSettings) -> Any:
    from peft import LoraConfig, get_peft_model

    config = LoraConfig(
        r=given.lora_rank, lora_alpha=2 * given.lora_rank, target_modules="all-linear", lora_dropout=0.05
    )
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # peft asks transformers under a name of last year
        torch.default_generator.manual_seed(seeds.derive(given.seed, "adapt", "lora"))
        return model.with_network(get_peft_model(model.copy().network, config))


def _plain(generator: Any, given: AdaptSettings) -> Any:
    def collate(texts: Sequence[str]) -> Any:
        return generator.plain(texts, max_tokens=given.max_tokens)

    return collate


def _spans(generator: Any, given: AdaptSettings) -> Any:
    marks = sentinels(generator.tokenizer)
    eos = generator.tokenizer.eos_token_id

    def collate(texts: Sequence[str]) -> Any:
        draw = batch_randomness()
        rows = generator.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        cut = [cut_spans(row[: given.max_tokens - 1] or [eos], marks, given.mask_rate, draw) for row in rows]
        return generator.stacked([[*left, eos] for left, _ in cut], [[*out, eos] for _, out in cut])

    return collate


def _fixed_texts(collate: Any, texts: list[str], given: AdaptSettings) -> list[Any]:
    ordered = sorted(texts, key=len)
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seeds.derive(given.seed, "adapt", "held out"))
        return [collate(ordered[i : i + 16]) for i in range(0, len(ordered), 16)]


def _mean_of(network: Any, batches: list[Any], loss: Any) -> float:
    total, n = 0.0, 0
    was_training = network.training
    network.eval()
    with torch.inference_mode():
        for batch in batches:
            n_labels = int((batch["labels"] >= 0).sum())
            total += loss(network, batch).item() * n_labels
            n += n_labels
    network.train(was_training)
    return total / max(n, 1)
