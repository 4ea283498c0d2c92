"""An encoder whose network runs here: a transformer, a pooling, unit rows."""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from retailor import artifact
from retailor.models.files import quiet
from retailor.models.hardware import InferenceCopy, Precision, by_length, device_of
from retailor.models.shapes import Role
from retailor.models.strings import well_formed

Pooling = Literal["mean", "cls", "last"]
POOLINGS: tuple[Pooling, ...] = ("mean", "cls", "last")
DESCRIPTION = "retailor_encoder.json"
BUDGET_TOKENS = {"cpu": 1024, "cuda": 32768}
"""Padded tokens a batch: on a processor the activations should stay in its cache."""
WINDOW = 16384


class LocalEncoder:
    """Texts in, unit vectors out; `network` holds the float32 weights that training changes.

    `prompts` are put before a text by its role. Encoding runs on a copy in bf16 where the hardware has it;
    the copy is made again by itself when the weights have changed.
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
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.name = name
        self.pooling: Pooling = pooling
        self.prompts = {"query": "", "passage": "", **(prompts or {})}
        self.max_tokens = max_tokens
        self.precision: Precision = precision
        self._lock = threading.Lock()
        self._inference = InferenceCopy()
        self._splitter: tuple[int, Any] | None = None

    @property
    def dim(self) -> int:
        config: Any = self.network.config
        return int(getattr(config, "hidden_size", None) or config.d_model)

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim], in the order of `texts`; [0, dim] for no texts. Long texts are cut."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        network = self._inference.of(self.network, self.precision)
        budget = BUDGET_TOKENS.get(device_of(network).type, BUDGET_TOKENS["cpu"])
        for start in range(0, len(texts), WINDOW):
            ids = self.token_ids(texts[start : start + WINDOW], role)
            for picked in by_length([len(row) for row in ids], budget):
                rows[start + picked] = self._unit_rows(network, [ids[i] for i in picked])
        return rows

    def _unit_rows(self, network: torch.nn.Module, ids: list[list[int]]) -> NDArray[np.float32]:
        batch = self._padded(ids, device_of(network))
        with torch.inference_mode():
            hidden = network(**batch).last_hidden_state  # [B, T, dim]
            vectors = pool(hidden, batch["attention_mask"], self.pooling)
            unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
        return unit.cpu().numpy()  # type: ignore[no-any-return]

    def _padded(self, ids: list[list[int]], device: torch.device) -> dict[str, torch.Tensor]:
        width = max(1, max(len(row) for row in ids))
        tokens = np.full((len(ids), width), self.tokenizer.pad_token_id or 0, dtype=np.int64)
        mask = np.zeros((len(ids), width), dtype=np.int64)
        for i, row in enumerate(ids):
            tokens[i, : len(row)] = row
            mask[i, : len(row)] = 1
        return {
            "input_ids": torch.from_numpy(tokens).to(device),
            "attention_mask": torch.from_numpy(mask).to(device),
        }

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
        size = len(self.tokenizer)
        with self._lock:
            if self._splitter is None or self._splitter[0] != size:
                own = Tokenizer.from_str(backend.to_str())
                own.no_padding()
                own.enable_truncation(self.max_tokens)
                self._splitter = (size, own)
            return self._splitter[1]

    def tokens(self, texts: Sequence[str], *, role: Role = "passage") -> Mapping[str, torch.Tensor]:
        """input_ids and attention_mask [B, T] on the network's device, padded right and truncated."""
        return self._padded(self.token_ids(texts, role), device_of(self.network))

    def vectors(self, batch: Mapping[str, torch.Tensor]) -> torch.Tensor:
        """Pooled vectors [B, dim] in float32, with gradient, not normalised."""
        hidden = self.network(**batch).last_hidden_state
        return pool(hidden, batch["attention_mask"], self.pooling)

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
        )

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'encoder', which sentence-transformers opens too, prompts included."""
        description = {
            "name": self.name,
            "dim": self.dim,
            "pooling": self.pooling,
            "prompts": self.prompts,
            "max_tokens": self.max_tokens,
            "precision": self.precision,
        }
        with artifact.writing(folder, "encoder", settings=description, card=_card(description)) as new:
            with quiet():
                self.network.save_pretrained(new)  # type: ignore[operator]
                self.tokenizer.save_pretrained(new)
            for path, value in _layout(description):
                (new / path).parent.mkdir(exist_ok=True)
                (new / path).write_text(json.dumps(value, indent=1, ensure_ascii=False), encoding="utf-8")

    def __repr__(self) -> str:
        return f"LocalEncoder({self.name!r}, dim={self.dim}, pooling={self.pooling!r})"


def pool(hidden: torch.Tensor, mask: torch.Tensor, pooling: Pooling) -> torch.Tensor:
    """Float32 vectors [B, dim] of hidden states [B, T, dim]: the mean, the first or the last real token."""
    if pooling == "cls":
        return hidden[:, 0].float()
    if pooling == "last":
        places = torch.arange(mask.shape[1], device=mask.device)
        last = (mask * places).argmax(dim=1)  # right-most real token, whichever side the padding is on
        return hidden[torch.arange(len(hidden), device=hidden.device), last].float()
    weights = mask.unsqueeze(-1).to(torch.float32)
    return (hidden.float() * weights).sum(1) / weights.sum(1).clamp(min=1e-9)


def _layout(description: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """The small files of sentence-transformers' layout, and our own description."""
    yield DESCRIPTION, description
    yield (
        "modules.json",
        [
            {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for i, (path, kind) in enumerate(
                [("", "Transformer"), ("1_Pooling", "Pooling"), ("2_Normalize", "Normalize")]
            )
        ],
    )
    yield (
        "1_Pooling/config.json",
        {
            "word_embedding_dimension": description["dim"],
            "pooling_mode_cls_token": description["pooling"] == "cls",
            "pooling_mode_mean_tokens": description["pooling"] == "mean",
            "pooling_mode_lasttoken": description["pooling"] == "last",
            "include_prompt": True,
        },
    )
    yield "2_Normalize/config.json", {}
    yield "sentence_bert_config.json", {"max_seq_length": description["max_tokens"], "do_lower_case": False}
    prompts = dict(description["prompts"])
    yield (
        "config_sentence_transformers.json",
        {
            "prompts": {**prompts, "document": prompts["passage"]},
            "default_prompt_name": "passage" if prompts["passage"] else None,
            "similarity_fn_name": "cosine",
        },
    )


def _card(description: Mapping[str, Any]) -> str:
    return (
        f"# {description['name']}\n\nA text encoder: {description['dim']} dimensions, "
        f"{description['pooling']} pooling, unit vectors, up to {description['max_tokens']} tokens.\n\n"
        "```python\nfrom sentence_transformers import SentenceTransformer\n\n"
        'SentenceTransformer(".").encode(["a text"])\n```\n'
    )
