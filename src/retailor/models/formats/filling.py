"""A network whose every weight comes from its folder: anything else is an error, never a random number."""

from __future__ import annotations

import re
import warnings
from collections.abc import Collection
from pathlib import Path
from typing import Any

import torch

from retailor.errors import DataError, ModelError, RetailorError
from retailor.models.files import bounded, first_line, quiet, read_config, read_object
from retailor.models.formats.refused import WEIGHTS, no_safetensors
from retailor.models.formats.tensors import COMPUTED, Checkpoint, fitted_names, read_checkpoint

POOLER = re.compile(r"(^|\.)pooler\.")
"""Poolers of transformers take no part in our vectors: a folder may lack them."""
HEADS = re.compile(
    r"^(\w+\.)?(cls|lm_head\w*|classifier\w*|pre_classifier|score|scores|qa_outputs|pooler|predictions\w*"
    r"|seq_relationship|\w*_predictions|generator_lm_head|vocab_\w+|logits_proj|sequence_summary|pred_layer"
    r"|head|mlm\w*|mlm_head|sop_classifier|final_logits_bias|multiple_choice_head|logit_scale|decoder|crf"
    r"|embed_out|output_projection|span_\w+|loss\w*|criterion\w*|dropout|position_ids)(\.|$)"
)
"""Output layers of other uses of a network: a folder may have them beside it."""
DEPTHS = (
    "num_hidden_layers",
    "num_layers",
    "n_layer",
    "encoder_layers",
    "decoder_layers",
    "num_decoder_layers",
)


def check_weights(folder: Path) -> Checkpoint:
    """The folder's checkpoint. Raises ModelError without safetensors, DataError when they are corrupt."""
    if not any((folder / name).is_file() for name in WEIGHTS):
        path = folder / "config.json"
        raise no_safetensors(folder, read_object(path) if path.is_file() else {})
    return read_checkpoint(folder)


def read_network(auto: Any, folder: Path) -> torch.nn.Module:
    """The network of a folder in float32, in evaluation mode; `auto` is AutoModel, its like or a class.

    Every parameter is filled from the folder, but poolers, which nothing here reads and which are zeros
    where the folder has none. Prefixes before the names are taken off. Raises ModelError that names what is
    missing, of another shape or left over inside the network; DataError that names a corrupt file, or
    weights that are no numbers.
    """
    config = read_config(folder)
    checkpoint = check_weights(folder)
    try:
        with torch.random.fork_rng(devices=[]), quiet():
            shell = _shell(auto, config, folder, checkpoint)
            names = fitted_names(checkpoint.tensors, shell, folder)
            _check_shapes(shell, checkpoint, names)
            network, report = type(shell).from_pretrained(  # type: ignore[attr-defined]
                None,
                config=config,
                state_dict=checkpoint.read(names),
                dtype=torch.float32,
                output_loading_info=True,
            )
    except RetailorError:
        raise
    except Exception as error:
        raise ModelError(
            f"{folder}: the weights and config.json do not fit: {first_line(error)}", asked=str(folder)
        ) from None
    network.config.name_or_path = network.name_or_path = str(folder)  # what peft writes down as the base
    _check_filled(network, report["missing_keys"], folder)
    _check_left_over(network, report["unexpected_keys"], folder)
    check_finite(network, folder)
    return network.eval()  # type: ignore[no-any-return]


def _shell(auto: Any, config: Any, folder: Path, checkpoint: Checkpoint) -> torch.nn.Module:
    """The network without its weights."""
    for name in DEPTHS:
        depth = getattr(config, name, None)
        if isinstance(depth, int) and depth > max(len(checkpoint.tensors), 1000):
            raise ModelError(
                f"{folder}: config.json says {name} = {depth}, and there are "
                f"{len(checkpoint.tensors)} tensors.",
                asked=name,
            )
    with torch.device("meta"):
        return auto.from_config(config) if hasattr(auto, "from_config") else auto(config)  # type: ignore[no-any-return]


def _check_shapes(shell: torch.nn.Module, checkpoint: Checkpoint, names: dict[str, str]) -> None:
    own = {name: tuple(tensor.shape) for name, tensor in shell.state_dict().items()}
    wrong = {
        f"{new} is {checkpoint.tensors[old].shape} and should be {own[new]}"
        for old, new in names.items()
        if new in own and checkpoint.tensors[old].shape != own[new]
    }
    if wrong:
        raise ModelError(
            f"{checkpoint.folder}: the weights have other shapes than config.json says: {bounded(wrong, 3)}.",
            asked=str(checkpoint.folder),
        )


def _check_filled(network: Any, missing: Collection[str], folder: Path) -> None:
    lost = {name for name in missing if not POOLER.search(name)}
    if lost:
        n = len(network.state_dict())
        raise ModelError(
            f"{folder}: the weights lack {len(lost)} of the {n} tensors that config.json asks for: "
            f"{bounded(lost)}; fetch the folder again, or the config.json that belongs to these weights.",
            asked=min(lost),
        )
    with torch.no_grad():
        for name in missing:
            network.get_parameter(name).zero_()


def _check_left_over(network: torch.nn.Module, left: Collection[str], folder: Path) -> None:
    """Raises ModelError for tensors that the network would have to compute with; warns of unknown ones."""
    strange = {name for name in left if not COMPUTED.search(name) and not _is_head(network, name)}
    within = {name for name in strange if any(_is_within(network, own) for own in _spellings(network, name))}
    if within:
        raise ModelError(
            f"{folder}: the weights go further than config.json says: {len(within)} tensors have no place "
            f"in the network: {bounded(within)}; fetch the config.json that belongs to these weights.",
            asked=min(within),
        )
    if strange:
        warnings.warn(
            f"{folder}: {len(strange)} tensors of the weights are not used: {bounded(strange)}.", stacklevel=4
        )


def _spellings(network: torch.nn.Module, name: str) -> tuple[str, ...]:
    """A tensor's name with the network's own prefix and without."""
    base = str(getattr(network, "base_model_prefix", ""))
    return (name, f"{base}.{name}", name.removeprefix(f"{base}."))


def _is_head(network: torch.nn.Module, name: str) -> bool:
    """Whether it belongs to an output layer, and the network has none of that name."""
    found = HEADS.match(name)
    if found is None:
        return False
    return not any(_submodule(network, own) for own in _spellings(network, name[: found.end(2)]))


def _submodule(network: torch.nn.Module, name: str) -> Any:
    own: Any = network
    for part in name.split("."):
        own = getattr(own, part, None)
    return own if isinstance(own, torch.nn.Module) else None


def _is_within(network: torch.nn.Module, name: str) -> bool:
    """Whether a tensor would lie in a module, or in a list of layers, that the network has."""
    parts = name.split(".")[:-1]
    own: Any = network
    for i, part in enumerate(parts):
        own = getattr(own, part, None)
        if not isinstance(own, torch.nn.Module):
            return i > 0
    return bool(parts)


def check_finite(network: torch.nn.Module, folder: Path) -> None:
    """Raises DataError when a weight is NaN or infinite."""
    for name, parameter in network.state_dict().items():
        # One sum tells: it is not finite where any weight is not.
        if parameter.is_floating_point() and not torch.isfinite(parameter.sum()):
            if torch.isfinite(parameter).all():
                continue
            n = int((~torch.isfinite(parameter)).sum())
            raise DataError(
                f"{n} of the {parameter.numel()} weights of {name} are no numbers (NaN or infinite); "
                "fetch the weights again.",
                path=folder,
            )
