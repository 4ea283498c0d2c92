"""A picture encoder whose network runs here: a backbone, or one half of an image–text model."""

from __future__ import annotations

import copy
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.models.files import quiet
from retailor.models.hardware import device_of
from retailor.models.pictures.decoding import Pixels
from retailor.models.pictures.efficientnet import FEATURES
from retailor.models.pictures.preparing import Preparation
from retailor.models.shapes import Role
from retailor.models.well_formed import well_formed
from retailor.store import artifact

F32 = NDArray[np.float32]
KIND = "picture-encoder"
DESCRIPTION = "retailor_pictures.json"
BATCH = 16
LITE0 = "efficientnet-lite0"


class LocalPictures:
    """Pictures in, unit vectors out; `network` holds the float32 weights.

    `family` says how it is asked: 'efficientnet-lite0' (features of pixels), 'clip' (an image–text model of
    transformers), 'backbone' (a vision model of transformers: its pooled output, or its first place).
    """

    def __init__(self, network: torch.nn.Module, preparation: Preparation, *, name: str, family: str) -> None:
        self.network = network
        self.preparation = preparation
        self.name = name
        self.family = family

    @property
    def dim(self) -> int:
        if self.family == LITE0:
            return FEATURES
        config: Any = self.network.config
        if self.family == "backbone":
            return int(getattr(config, "hidden_size", None) or config.hidden_sizes[-1])
        own = getattr(config, "projection_dim", None)
        return int(own or config.vision_config.hidden_size)

    def encode_pictures(self, pictures: Sequence[Pixels]) -> F32:
        """Unit rows [n, dim] of the middle of each picture, in their order."""
        rows = np.zeros((len(pictures), self.dim), np.float32)
        was_training = self.network.training
        self.network.eval()
        for start in range(0, len(pictures), BATCH):
            batch = self.preparation.middle(pictures[start : start + BATCH])
            with torch.inference_mode():
                found = self.features(torch.from_numpy(batch).to(device_of(self.network)))
            rows[start : start + BATCH] = torch.nn.functional.normalize(found.float(), dim=-1).cpu().numpy()
        self.network.train(was_training)
        return rows

    def features(self, pixels: torch.Tensor) -> torch.Tensor:
        """Vectors [B, dim] of pixels [B, 3, size, size], with gradient, not normalised."""
        if self.family == LITE0:
            # channels last: depthwise convolutions of a processor are several times faster
            return self.network(pixels.contiguous(memory_format=torch.channels_last))  # type: ignore[no-any-return]
        if self.family == "clip":
            return _tensor(self.network.get_image_features(pixel_values=pixels))  # type: ignore[operator]
        return _tensor(self.network(pixel_values=pixels))

    def copy(self) -> Self:
        """An encoder with weights of its own, equal to these."""
        made = copy.copy(self)
        made.network = copy.deepcopy(self.network)
        return made

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'picture-encoder'."""
        about = {
            "name": self.name,
            "dim": self.dim,
            "family": self.family,
            "preparation": asdict(self.preparation),
        }
        with artifact.writing(folder, KIND, settings=about, card=_card(about)) as new:
            self._save_network(new)
            (new / DESCRIPTION).write_text(json.dumps(about, indent=1), encoding="utf-8")

    def _save_network(self, folder: Path) -> None:
        if self.family == LITE0:
            from safetensors.torch import save_file

            state = {name: value.cpu().contiguous() for name, value in self.network.state_dict().items()}
            save_file(state, folder / "model.safetensors")
        else:
            with quiet():
                self.network.save_pretrained(folder)  # type: ignore[operator]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name!r}, dim={self.dim})"


class LocalPicturesAndTexts(LocalPictures):
    """An image–text model: `encode` puts texts where `encode_pictures` puts what they describe."""

    def __init__(
        self, network: torch.nn.Module, tokenizer: Any, preparation: Preparation, *, name: str
    ) -> None:
        super().__init__(network, preparation, name=name, family="clip")
        self.tokenizer = tokenizer

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> F32:
        """Unit rows [n, dim], in the order of `texts`; long texts are cut."""
        rows = np.zeros((len(texts), self.dim), np.float32)
        config: Any = self.network.config
        longest = int(config.text_config.max_position_embeddings)
        # SigLIP was taught with every text filled up to its longest, and reads no mask.
        filled = {"padding": "max_length"} if config.model_type.startswith("siglip") else {"padding": True}
        for start in range(0, len(texts), BATCH):
            batch = self.tokenizer(
                well_formed(texts[start : start + BATCH]),
                truncation=True, max_length=longest, return_tensors="pt", **filled,
            )  # fmt: skip
            known = {name: batch[name] for name in ("input_ids", "attention_mask") if name in batch}
            there = {name: value.to(device_of(self.network)) for name, value in known.items()}
            with torch.inference_mode():
                found = _tensor(self.network.get_text_features(**there))  # type: ignore[operator]
            rows[start : start + BATCH] = torch.nn.functional.normalize(found.float(), dim=-1).cpu().numpy()
        return rows

    def _save_network(self, folder: Path) -> None:
        super()._save_network(folder)
        self.tokenizer.save_pretrained(folder)


def _tensor(found: Any) -> torch.Tensor:
    """The pooled vectors [B, dim] of what a vision model of transformers gives."""
    if isinstance(found, torch.Tensor):
        return found
    pooled = getattr(found, "pooler_output", None)
    made: torch.Tensor = found.last_hidden_state[:, 0] if pooled is None else pooled
    return made.flatten(1)


def _card(about: dict[str, Any]) -> str:
    return f"# {about['name']}\n\nA picture encoder: {about['dim']} dimensions, unit vectors.\n"
