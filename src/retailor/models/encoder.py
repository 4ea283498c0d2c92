"""An encoder whose network runs here: a transformer, a pooling, unit rows."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.models.endpoints.limits import check_max_tokens
from retailor.models.files import quiet, read_object
from retailor.models.formats.sentence_transformers import layout
from retailor.models.hardware import InferenceCopy, Precision, by_length, check_plain, device_of
from retailor.models.kept_tokenizers import splitter_of
from retailor.models.pooling import POOLINGS, Head, Pooling, pool
from retailor.models.shapes import Role
from retailor.models.well_formed import well_formed
from retailor.store import artifact

DESCRIPTION = "retailor_encoder.json"
BUDGET_TOKENS = {"cpu": 1024, "cuda": 32768}
"""Padded tokens a batch: on a processor the activations should stay in its cache."""
WINDOW = 16384
POOLED = "pooled_mask"
"""In a batch: the tokens that are pooled, where they are not all that are read."""

__all__ = ["POOLINGS", "LocalEncoder", "Pooling", "pool"]


class LocalEncoder:
    """Texts in, unit vectors out; `network` holds the float32 weights that training changes.

    `prompts` are put before a text by its role; without `pool_prompt` they are read and not pooled. `head` is
    what follows the pooling; training leaves it as it is. Encoding runs on a copy in bf16 where the hardware
    has it; the copy is made again by itself when the weights have changed.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        tokenizer: Any,
        *,
        name: str,
        pooling: Pooling = "mean",
        prompts: Mapping[str, str] | None = None,
        max_tokens: int = 256,
        precision: Precision = "auto",
        head: Head | None = None,
        pool_prompt: bool = True,
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.name = name
        self.pooling: Pooling = pooling
        self.prompts = {"query": "", "passage": "", **(prompts or {})}
        self.max_tokens = max_tokens
        self.precision: Precision = precision
        self.head = head
        self.pool_prompt = pool_prompt
        self._lock = threading.Lock()
        self._inference = InferenceCopy()
        self._splitter: tuple[tuple[int, int], Any] | None = None

    @property
    def max_tokens(self) -> int:
        """The most tokens of a text that are read, prompt and marks counted; it may be set at any time.

        Setting it raises ModelError for more than the network has positions for.
        """
        return self._max_tokens

    @max_tokens.setter
    def max_tokens(self, value: int) -> None:
        self._max_tokens = check_max_tokens(self.network, self.tokenizer, value, self.name)

    @property
    def hidden(self) -> int:
        """Numbers of a hidden state."""
        config: Any = self.network.config
        return int(getattr(config, "hidden_size", None) or config.d_model)

    @property
    def dim(self) -> int:
        pooled = self.hidden * len(self.pooling.split("+"))
        return self.head.dim(pooled) if self.head else pooled

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim], in the order of `texts`; [0, dim] for no texts. Long texts are cut."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        network = self._inference.of(self.network, self.precision)
        budget = BUDGET_TOKENS.get(device_of(network).type, BUDGET_TOKENS["cpu"])
        for start in range(0, len(texts), WINDOW):
            ids = self.token_ids(texts[start : start + WINDOW], role)
            n_prompt = self._n_unpooled(role)
            for picked in by_length([len(row) for row in ids], budget):
                rows[start + picked] = self._unit_rows(network, [ids[i] for i in picked], n_prompt)
        return rows

    def _unit_rows(
        self, network: torch.nn.Module, ids: list[list[int]], n_prompt: int
    ) -> NDArray[np.float32]:
        batch = self._padded(ids, device_of(network), n_prompt)
        with torch.inference_mode():
            unit = torch.nn.functional.normalize(self._vectors(network, batch).float(), dim=-1)
        return unit.cpu().numpy()  # type: ignore[no-any-return]

    def _padded(
        self, ids: list[list[int]], device: torch.device, n_prompt: int = 0
    ) -> dict[str, torch.Tensor]:
        width = max(1, max(len(row) for row in ids))
        tokens = np.full((len(ids), width), self._pad_id, dtype=np.int64)
        mask = np.zeros((len(ids), width), dtype=np.int64)
        for i, row in enumerate(ids):
            tokens[i, : len(row)] = row
            mask[i, : len(row)] = 1
        batch = {"input_ids": tokens, "attention_mask": mask}
        if n_prompt:
            pooled = mask.copy()
            pooled[:, :n_prompt] = 0
            # a text that was cut within its prompt is pooled whole
            batch[POOLED] = np.where(pooled.any(axis=1, keepdims=True), pooled, mask)
        return {name: torch.from_numpy(array).to(device) for name, array in batch.items()}

    @property
    def _pad_id(self) -> int:
        """The id that fills up a batch; where there is none, any will do, since nothing attends to it."""
        config: Any = self.network.config
        for found in (self.tokenizer.pad_token_id, getattr(config, "pad_token_id", None)):
            if found is not None:
                return int(found)
        return 0

    def _n_unpooled(self, role: Role) -> int:
        """The tokens at the beginning of a text that are read and not pooled: the prompt's, or none."""
        if self.pool_prompt or not self.prompts[role]:
            return 0
        ids = self.token_ids([""], role)[0]
        return len(ids) - (1 if ids and ids[-1] in self.tokenizer.all_special_ids else 0)

    def token_ids(self, texts: Sequence[str], role: Role = "passage") -> list[list[int]]:
        """Ids a text, with its prompt and special tokens, truncated to `max_tokens`."""
        splitter = self._own_splitter()
        prompted = [self.prompts[role] + text for text in well_formed(texts)]
        if splitter is None:
            made = self.tokenizer(prompted, truncation=True, max_length=self.max_tokens)
            return made["input_ids"]  # type: ignore[no-any-return]
        return [made.ids for made in splitter.encode_batch_fast(prompted)]

    def _own_splitter(self) -> Any:
        """A tokenizer for `encode` alone: the shared one changes in every call, and threads would clash."""
        from tokenizers import Tokenizer

        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if not isinstance(backend, Tokenizer):
            return None
        state = (len(self.tokenizer), self.max_tokens)
        with self._lock:
            if self._splitter is None or self._splitter[0] != state:
                own = splitter_of(self.tokenizer, self.max_tokens)
                if own is None:
                    own = Tokenizer.from_str(backend.to_str())
                    own.no_padding()
                    own.enable_truncation(self.max_tokens)
                self._splitter = (state, own)
            return self._splitter[1]

    def tokens(self, texts: Sequence[str], *, role: Role = "passage") -> Mapping[str, torch.Tensor]:
        """input_ids and attention_mask [B, T] on the network's device, padded right and truncated."""
        return self._padded(self.token_ids(texts, role), device_of(self.network), self._n_unpooled(role))

    def vectors(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Pooled vectors [B, dim] in float32, with gradient, not normalised."""
        return self._vectors(self.network, batch)

    def _vectors(self, network: torch.nn.Module, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        read = {name: rows for name, rows in batch.items() if name != POOLED}
        return self.pooled(network(**read).last_hidden_state, batch.get(POOLED, batch["attention_mask"]))

    def pooled(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """Float32 vectors [B, dim] of hidden states [B, T, hidden]."""
        vectors = pool(hidden, mask, self.pooling)
        return vectors if self.head is None else self.head.to(vectors.device)(vectors)  # type: ignore[no-any-return]

    def n_tokens(self, texts: Sequence[str], *, role: Role = "passage") -> list[int]:
        """Tokens a text, prompt and special tokens counted, after truncation: for length-bucketed batches."""
        return [len(row) for row in self.token_ids(texts, role)]

    def copy(self) -> Self:
        """An encoder with weights of its own, equal to these."""
        return self.with_network(copy.deepcopy(self.network))

    def with_network(self, network: torch.nn.Module) -> Self:
        """The same encoder around another network of the same shape."""
        return type(self)(
            network,
            self.tokenizer,
            name=self.name,
            pooling=self.pooling,
            prompts=self.prompts,
            max_tokens=self.max_tokens,
            precision=self.precision,
            head=self.head,
            pool_prompt=self.pool_prompt,
        )

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'encoder', which sentence-transformers opens too, prompts included.

        Raises ModelError for weights that are packed in four bits.
        """
        check_plain(self.network, self.name)
        description = {
            "name": self.name,
            "dim": self.dim,
            "hidden": self.hidden,
            "pooling": self.pooling,
            "pool_prompt": self.pool_prompt,
            "truncate_dim": self.head.truncate_dim if self.head else None,
            "prompts": self.prompts,
            "max_tokens": self.max_tokens,
            "precision": self.precision,
        }
        with artifact.writing(folder, "encoder", settings=description, card=_card(description)) as new:
            with quiet():
                self.network.save_pretrained(new)  # type: ignore[operator]
                self._save_tokenizer(new)
            for path, value in {DESCRIPTION: description, **layout(description, self.head)}.items():
                (new / path).parent.mkdir(exist_ok=True)
                (new / path).write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")
            if self.head:
                self._save_head(new)

    def _save_tokenizer(self, folder: Path) -> None:
        """The tokenizer as it is read with here: cut at `max_tokens`, without the cut of an earlier call."""
        backend = getattr(self.tokenizer, "backend_tokenizer", None)
        if backend is not None:
            backend.no_truncation()
            backend.no_padding()
        self.tokenizer.save_pretrained(folder)
        path = folder / "tokenizer_config.json"
        config = {**read_object(path), "model_max_length": self.max_tokens}
        path.write_text(json.dumps(config, indent=2, ensure_ascii=False), encoding="utf-8")

    def _save_head(self, folder: Path) -> None:
        from safetensors.torch import save_file

        assert self.head is not None
        for i, (kind, step) in enumerate(self.head.named_steps(), start=2):
            state = {name: tensor.cpu().contiguous() for name, tensor in step.state_dict().items()}
            if state:
                save_file(state, folder / f"{i}_{kind}" / "model.safetensors")

    def __repr__(self) -> str:
        return f"LocalEncoder({self.name!r}, dim={self.dim}, pooling={self.pooling!r})"


def _card(description: Mapping[str, Any]) -> str:
    return (
        f"# {description['name']}\n\nA text encoder: {description['dim']} dimensions, "
        f"{description['pooling']} pooling, unit vectors, up to {description['max_tokens']} tokens.\n\n"
        "```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        'SentenceTransformer(".").encode(["a text"])\n```\n'
    )
