"""LoRA on the shop's own reviews (Hu et al., 2021), and its exact undoing for the row 'before tuning'."""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from safetensors.torch import load_file, save_file

from retailor.models.hardware import device_of, native_bf16
from retailor.models.shapes import TrainableGenerator
from retailor.train.loop import TrainLog, TrainSettings, train
from retailor.train.lora import Bits, merged, set_aside, with_lora
from retailor.train.losses.functions import n_labels

IGNORED = -100
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Pair:
    """What the model reads and what it should write."""

    prompt: str
    text: str


@dataclass(frozen=True)
class Adapter:
    """A LoRA adapter in PEFT's own format: its configuration and its few weights."""

    config: dict[str, Any]
    weights: dict[str, torch.Tensor]

    def save(self, folder: Path) -> None:
        """Writes the two files that `peft.PeftModel.from_pretrained` opens."""
        folder.mkdir(parents=True, exist_ok=True)
        (folder / CONFIG).write_text(json.dumps(self.config, indent=1), encoding="utf-8")
        save_file(self.weights, folder / WEIGHTS, metadata={"format": "pt"})

    @classmethod
    def load(cls, folder: Path) -> Adapter:
        config = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        return cls(config, load_file(folder / WEIGHTS))


def tune(
    generator: TrainableGenerator,
    pairs: Sequence[Pair],
    held_out: Sequence[Pair],
    settings: TrainSettings,
    *,
    rank: int,
    alpha: int,
    max_tokens: int,
    work: Path | None,
    bits: Bits = 32,
) -> tuple[TrainableGenerator, Adapter, TrainLog, float, float]:
    """A tuned copy (adapter merged in), the adapter, the log, and held-out loss a token before and after.

    With 4 `bits` both losses are of the quantised weights that the adapter was learned over.
    """
    tuned = learner(generator, rank, alpha, settings.seed or 0, bits)
    network: Any = tuned.network
    first = 0 if network.config.is_encoder_decoder else 1  # nothing comes before a decoder's first token

    def loss(model: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        found, labels = token_losses(model, batch)
        return found.sum() / (labels != IGNORED).sum().clamp(min=1)

    def collate(some: Sequence[Pair]) -> Mapping[str, torch.Tensor]:
        prompts, texts = [pair.prompt for pair in some], [pair.text for pair in some]
        return tuned.pairs(prompts, texts, max_tokens=max_tokens)

    def held_out_loss() -> float:
        sums, counts = losses(tuned, held_out, max_tokens)
        return float(sums.sum() / max(1, counts.sum()))

    with set_aside(generator, bits):
        log = train(
            network,
            pairs,
            collate,
            loss,
            settings,
            validate=lambda: -held_out_loss(),
            lengths=[len(pair.prompt) + len(pair.text) for pair in pairs],
            weigh=lambda batch: n_labels(batch["labels"][:, first:]),
            work=work,
            label="review",
            dials=(rank, alpha, max_tokens, bits, list(map(str, held_out))),
        )
    adapter = taken(network, generator.name)
    # The loop validates before its first step, and puts back the best weights at its end.
    values = [value for _, value in log.validations]
    return merged(tuned, generator), adapter, log, -values[0], -max(values)


def losses(
    generator: TrainableGenerator,
    pairs: Sequence[Pair],
    max_tokens: int,
    *,
    half: bool | None = None,
    batch_size: int = 8,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Negative log-likelihood (nats) of each pair's text, and its number of tokens: two arrays [n].

    `half`: in bf16, as a training that they are held against may be; None: where the machine computes in it.
    """
    model: Any = generator.network
    sums, counts = np.zeros(len(pairs)), np.zeros(len(pairs))
    with _evaluating(model), torch.inference_mode(), _autocast(model, half):
        for start in range(0, len(pairs), batch_size):
            some = pairs[start : start + batch_size]
            batch = generator.pairs(
                [pair.prompt for pair in some], [pair.text for pair in some], max_tokens=max_tokens
            )
            place = slice(start, start + len(some))
            sums[place], counts[place] = _row_losses(model, batch)
    return sums, counts


def _row_losses(
    model: Any, batch: Mapping[str, torch.Tensor]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    found, labels = token_losses(model, batch)
    return found.sum(1).double().cpu().numpy(), (labels != IGNORED).sum(1).double().cpu().numpy()


def token_losses(model: Any, batch: Mapping[str, torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """The loss of each token [B, T'] (0 where none is asked for) and the labels they are against [B, T']."""
    labels = batch["labels"]  # [B, T]
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    if model.config.is_encoder_decoder:
        logits = model(**batch).logits
    else:
        # A vocabulary is wide: logits of the prompt, which nobody looks at, would cost more than the layers.
        first = int((labels != IGNORED).any(0).int().argmax())
        keep = labels.shape[1] - max(first, 1) + 1
        fewer = {"logits_to_keep": keep} if _keeps_logits(model) else {}
        logits = model(**inputs, **fewer).logits[:, -keep:-1]
        labels = labels[:, -keep + 1 :]
    found = torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
    )
    return found.view(labels.shape), labels


def _keeps_logits(model: Any) -> bool:
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    return "logits_to_keep" in inspect.signature(base.forward).parameters


def untuned(generator: TrainableGenerator, adapter: Adapter) -> TrainableGenerator:
    """A copy of a tuned generator with the merged adapter taken out again: the base, up to rounding."""
    import peft

    base = generator.copy()
    with _silent():
        config = peft.LoraConfig(**_config_fields(adapter.config))
        network = peft.get_peft_model(base.network, config)  # type: ignore[arg-type]
        negative = {
            name: -weight if ".lora_B." in name else weight for name, weight in adapter.weights.items()
        }
        peft.set_peft_model_state_dict(network, negative)
        network.merge_and_unload()
    return base


def _config_fields(config: dict[str, Any]) -> dict[str, Any]:
    keep = ("task_type", "r", "lora_alpha", "lora_dropout", "bias", "target_modules")
    return {key: config[key] for key in keep}


def learner(
    generator: TrainableGenerator, rank: int, alpha: int, seed: int, bits: Bits
) -> TrainableGenerator:
    """The copy that learns: adapters without dropout, over linear layers in so many bits."""
    seq2seq = generator.network.config.is_encoder_decoder  # type: ignore[union-attr]
    task_type = "SEQ_2_SEQ_LM" if seq2seq else "CAUSAL_LM"
    return with_lora(generator, rank, seed=seed, alpha=alpha, dropout=0.0, bits=bits, task_type=task_type)


def taken(network: Any, base: str) -> Adapter:
    import peft

    config = network.peft_config["default"].to_dict()
    # Sets and enumerations are not JSON; the base's name is for people and for `load_model`.
    plain = json.loads(
        json.dumps(config, default=lambda value: sorted(value) if isinstance(value, set) else str(value))
    )
    plain.update(base_model_name_or_path=base, inference_mode=True, peft_type="LORA")
    weights = peft.get_peft_model_state_dict(network)
    return Adapter(
        plain, {name: value.detach().cpu().clone().contiguous() for name, value in weights.items()}
    )


@contextlib.contextmanager
def _evaluating(model: Any) -> Iterator[None]:
    was = model.training
    model.eval()
    try:
        yield
    finally:
        model.train(was)


def _autocast(model: Any, half: bool | None) -> contextlib.AbstractContextManager[Any]:
    enabled = native_bf16() if half is None else half
    return torch.autocast(device_of(model).type, dtype=torch.bfloat16, enabled=enabled)


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """PEFT warns about tied embeddings and second adapters, which are both as we want them."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
