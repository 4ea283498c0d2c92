"""A decoder through OpenVINO: graphs derived from the network's weights, made once and kept in the cache."""

from __future__ import annotations

import copy
import hashlib
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from retailor.errors import ModelError
from retailor.models.files import first_line
from retailor.models.formats.openvino_graph import graph_of, pack, save_graph
from retailor.models.hardware import Precision, weights_state
from retailor.models.runtimes.decoding import Decoder, Job
from retailor.models.runtimes.openvino_package import GRAPH, openvino
from retailor.models.runtimes.prefixes import LEAST
from retailor.store.memo import memo_folder, sweep
from retailor.store.user_cache import cache_folder

Runtime = Literal["torch", "openvino"]
KEPT = 6
"""Graphs of weights that stay in the cache, beside those used lately."""
TOLERANCE = 1e-2
"""How far, of the spread of the logits, a float32 graph may be from the network it was traced from."""


class Graphs:
    """The compiled graph of a network, made again when its weights change. Calls at once share its batch."""

    def __init__(self) -> None:
        self.least = LEAST
        """Tokens in common from which on they are read once."""
        self._lock = threading.Lock()
        self._made: tuple[object, Decoder] | None = None

    def continued(
        self,
        network: torch.nn.Module,
        precision: Precision,
        ids: Sequence[Sequence[int]],
        *,
        max_tokens: int,
        ends: Sequence[int],
        pad: int,
        processors: Sequence[Any],
    ) -> list[list[int]]:
        """New ids a row, up to an end mark and without it; `processors` change the logits as in transformers.

        Raises MissingExtra without OpenVINO, ModelError for a network that it does not run right.
        """
        with self._lock:
            state = (precision, weights_state(network))
            if self._made is None or self._made[0] != state:
                self._made = None
                self._made = state, Decoder(_graph_of(network, precision), precision, least=self.least)
            decoder = self._made[1]
        return decoder.continued(Job(ids, max_tokens, ends, pad, processors))


def _graph_of(network: Any, precision: Precision) -> Path:
    """The graph's file, in the cache under the hash of the weights."""
    if hasattr(network, "merge_and_unload"):
        network = copy.deepcopy(network).merge_and_unload()
    if network.config.is_encoder_decoder:
        raise ModelError(
            f"OpenVINO runs decoders here, and this is an encoder-decoder ('{network.config.model_type}'): "
            "leave runtime at 'torch'.",
            asked="openvino",
            can=("torch",),
        )
    _check_length_free(network.config)
    key = (_weights_sha256(network), network.config.to_json_string(), precision)
    label = f"openvino-{'float32' if precision == '32' else 'int8'}"

    def make(folder: Path) -> None:
        try:
            model = graph_of(network)
            _check(network, save_graph(model, folder))
            if precision != "32":
                pack(model)
                save_graph(model, folder)
        except (RuntimeError, TypeError, ValueError, AttributeError, KeyError) as error:
            raise ModelError(
                f"OpenVINO cannot run a '{network.config.model_type}' ({first_line(error)}): "
                "leave runtime at 'torch'.",
                asked="openvino",
                can=("torch",),
            ) from None

    openvino()
    folder, was_there = memo_folder(cache_folder(), label, key, make)
    if not was_there:
        sweep(folder.parent, "openvino", folder, KEPT)
    return folder / GRAPH


def _check_length_free(config: Any) -> None:
    """Raises ModelError for a network that reads long texts otherwise than its short trace."""
    layers = set(getattr(config, "layer_types", None) or ())
    windowed = bool(getattr(config, "sliding_window", None)) and getattr(config, "use_sliding_window", True)
    if layers - {"full_attention"} if layers else windowed:
        why = "not every layer attends to all that was read"
    elif (kind := _rope_of(config)) in ("dynamic", "longrope"):
        why = f"its positions ('{kind}') change with the length"
    else:
        return
    raise ModelError(
        f"OpenVINO cannot run this '{config.model_type}' ({why}): leave runtime at 'torch'.",
        asked="openvino",
        can=("torch",),
    )


def _rope_of(config: Any) -> str:
    given = getattr(config, "rope_parameters", None) or {}
    return str(given.get("rope_type", "default"))


def _weights_sha256(network: torch.nn.Module) -> str:
    found = hashlib.sha256()
    for name, weight in sorted(network.state_dict().items()):
        found.update(f"{name} {tuple(weight.shape)}".encode())
        found.update(weight.detach().float().cpu().contiguous().numpy().data)
    return found.hexdigest()


def _check(network: Any, graph: Path) -> None:
    """Raises ValueError when the graph does not say what the network says of a padded batch, step by step."""
    decoder, forced, was = Decoder(graph, "32", least=2), [[10, 11], [12, 13]], network.training
    try:
        network.eval()
        # with nothing in common, three ids in common, and the same read before
        for rows in (
            [[5, 6, 7, 8, 9], [7, 6]],
            [[5, 6, 7, 8, 9], [5, 6, 7, 4]],
            [[5, 6, 7, 8], [5, 6, 7, 4]],
        ):
            steps = decoder.logits(rows, forced)
            for row, (first, new) in enumerate(zip(rows, forced, strict=True)):
                with torch.inference_mode():
                    wanted = network(input_ids=torch.tensor([first + new])).logits[0].float().numpy()
                for i, step in enumerate(steps):
                    right = wanted[len(first) - 1 + i]
                    if np.abs(step[row] - right).max() > TOLERANCE * max(right.std(), 1e-6):
                        raise ValueError("its graph gives other logits than the network")
    finally:
        network.train(was)
