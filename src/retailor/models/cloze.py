"""How likely words are in the blank of a text: to a decoder, an encoder-decoder or a masked model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import deepcopy
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.errors import ModelError
from retailor.models.endpoints.limits import check_ids, own_max_tokens
from retailor.models.files import quiet, read_config, read_tokenizer
from retailor.models.formats.filling import read_network
from retailor.models.generator import LocalGenerator
from retailor.models.hardware import InferenceCopy, by_length, default_device, device_of
from retailor.models.local import load_generator
from retailor.models.well_formed import well_formed
from retailor.store import artifact

TEXT, WORD = "{text}", "{word}"
"""What a template has once each: 'Review: {text} All in all, it was {word}.'"""
BUDGET_TOKENS = 2048
GAP = "<extra_id_0>"
"""T5's mark of a span that was cut out; it stands before the span's own words when they are filled in."""

Floats = NDArray[np.float64]
Ids = list[list[int]]
Read = Callable[[list[int], list[int]], Floats]


class Cloze(Protocol):
    """A language model that can be asked for the word in a blank."""

    @property
    def name(self) -> str: ...
    @property
    def tokenizer(self) -> Any: ...
    @property
    def context(self) -> int:
        """The most tokens, template and words counted, that the network has places for."""
        ...

    def word_scores(self, templates: Sequence[str], texts: Sequence[str], words: Sequence[str]) -> Floats:
        """Log-likelihoods [n, templates, words] of each word at WORD, with each text at TEXT."""
        ...

    def save(self, folder: Path) -> None:
        """Writes an artifact that `open_cloze(folder)` opens."""
        ...


def open_cloze(folder: Path) -> Cloze:
    """The model of a folder: a masked language model with its head, or a generator.

    Raises ModelError where it is an encoder without such a head.
    """
    named = getattr(read_config(folder), "architectures", None) or []
    if any(name.endswith("ForMaskedLM") for name in named):
        return MaskedCloze.load(folder)
    return GeneratorCloze(_local(load_generator(folder)))


def cloze_of(model: object) -> Cloze:
    """The model as a Cloze. Raises ModelError for one whose network is not here, as it gives no scores."""
    if isinstance(model, GeneratorCloze | MaskedCloze):
        return model
    return GeneratorCloze(_local(model))


def _local(model: object) -> LocalGenerator:
    if not isinstance(model, LocalGenerator):
        name = getattr(model, "name", type(model).__name__)
        raise ModelError(
            f"'{name}' writes text but does not say how likely a word is: prompts need a local generator, "
            "or a masked language model with its head (`open_cloze(folder)`).",
            asked="prompt",
            can=("generate",),
        )
    return model


class GeneratorCloze:
    """A generator that is asked what comes next, without its chat template: a blank is no question."""

    def __init__(self, generator: LocalGenerator) -> None:
        self.generator = generator
        self._inference = InferenceCopy()

    @property
    def name(self) -> str:
        return self.generator.name

    @property
    def tokenizer(self) -> Any:
        return self.generator.tokenizer

    @property
    def context(self) -> int:
        return self.generator.context

    def word_scores(self, templates: Sequence[str], texts: Sequence[str], words: Sequence[str]) -> Floats:
        """A word's score is the log-likelihood of all its pieces [n, templates, words].

        A decoder reads only what stands before WORD, and a text once for all templates that begin alike.
        Words of one piece cost nothing more, each further stem of a word another pass over the template's
        end.
        """
        network: Any = self._inference.of(self.generator.network, self.generator.precision)
        found = np.zeros((len(texts), len(templates), len(words)))
        shared: dict[str, list[int]] = {}
        for at, template in enumerate(templates):
            head = template if self.generator.is_seq2seq else template.partition(TEXT)[0] + TEXT
            shared.setdefault(head, []).append(at)
        for head, group in shared.items():
            rows = self._rows(head, texts)
            for picked in by_length([len(row) for row in rows], BUDGET_TOKENS):
                read = self._reader(network, [rows[i] for i in picked])
                for at in group:
                    found[picked, at] = self._asked(read, templates[at], words)
        return found

    def _asked(self, read: Read, template: str, words: Sequence[str]) -> Floats:
        """Scores [B, words] of one template over texts that have been read."""
        pieces = [self._pieces(template, word) for word in words]
        # The blank before a word belongs to the word's own piece.
        end = "" if self.generator.is_seq2seq else template.split(WORD)[0].rpartition(TEXT)[2].rstrip(" ")
        ids = self.tokenizer(end, add_special_tokens=False)["input_ids"] if end else []
        parts = [np.zeros(0)] * len(words)
        for stem in dict.fromkeys(tuple(word[:-1]) for word in pieces):
            likely = read(list(ids), list(stem))
            for i, word in enumerate(pieces):
                if tuple(word[:-1]) == stem:
                    parts[i] = np.sum([likely[:, at, piece] for at, piece in enumerate(word)], axis=0)
        return np.stack(parts, axis=1)

    def save(self, folder: Path) -> None:
        self.generator.save(folder)

    @property
    def _gap(self) -> int | None:
        """T5's own mark of a blank."""
        known = self.tokenizer.get_vocab()
        return known.get(GAP) if self.generator.is_seq2seq else None

    def _rows(self, template: str, texts: Sequence[str]) -> Ids:
        """The ids of each text in what stands before the blank, or for T5 in the whole template."""
        filled = [template.replace(WORD, GAP).replace(TEXT, text) for text in well_formed(texts)]
        marks = not getattr(self.tokenizer, "chat_template", None)
        # No text at all is a line without words.
        rows = self.tokenizer([text or "\n" for text in filled], add_special_tokens=marks, verbose=False)[
            "input_ids"
        ]
        if self.generator.is_seq2seq:
            return [list(row) for row in rows]
        return [row[:-1] if row and row[-1] == self.tokenizer.eos_token_id else list(row) for row in rows]

    def _pieces(self, template: str, word: str) -> list[int]:
        """The ids of the word as they follow the template's own words, a blank before it where it has one."""
        before = template.split(WORD)[0].rpartition(TEXT)[2]
        gap = " " if before.endswith(" ") and self._gap is None else ""
        head = before.rstrip(" ") or "."
        alone, both = (
            self.tokenizer(text, add_special_tokens=False)["input_ids"] for text in (head, head + gap + word)
        )
        if self._gap is None and len(both) > len(alone) and both[: len(alone)] == alone:
            return list(both[len(alone) :])
        return list(self.tokenizer(gap + word, add_special_tokens=False)["input_ids"])

    def _reader(self, network: Any, rows: Ids) -> Read:
        """What reads on from some rows: `(end, stem) -> likely [B, len(stem) + 1, V]`."""
        if self.generator.is_seq2seq:
            return self._seq2seq_reader(network, rows)
        device = device_of(network)
        batch = _padded(rows, self.tokenizer.pad_token_id, device)
        with torch.inference_mode():
            known = network.base_model(**batch, use_cache=True).past_key_values

        def read(end: list[int], stem: list[int]) -> Floats:
            more = (end or self.tokenizer("\n", add_special_tokens=False)["input_ids"]) + stem
            ids = torch.tensor([more] * len(rows), device=device)
            mask = torch.cat([batch["attention_mask"], torch.ones_like(ids)], dim=1)
            places = torch.tensor([[len(row)] for row in rows], device=device) + torch.arange(
                len(more), device=device
            )
            with torch.inference_mode():
                out = network.base_model(
                    input_ids=ids, attention_mask=mask, position_ids=places, past_key_values=deepcopy(known),
                    use_cache=True,
                )  # fmt: skip
                last = out.last_hidden_state[:, -len(stem) - 1 :]
                logits = network.get_output_embeddings()(last)
            return _likely(logits)

        return read

    def _seq2seq_reader(self, network: Any, rows: Ids) -> Read:
        device = device_of(network)
        batch = _padded(rows, self.tokenizer.pad_token_id, device)
        first = [network.config.decoder_start_token_id, *([] if self._gap is None else [self._gap])]

        def read(end: list[int], stem: list[int]) -> Floats:
            written = torch.tensor([first + stem] * len(rows), device=device)
            with torch.inference_mode():
                logits = network(**batch, decoder_input_ids=written).logits
            return _likely(logits[:, len(first) - 1 :])

        return read


class MaskedCloze:
    """A masked language model with its own head: a word is as many masks as it has pieces."""

    def __init__(self, network: torch.nn.Module, tokenizer: Any, *, name: str) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.name = name
        self._inference = InferenceCopy()

    @classmethod
    def load(cls, folder: Path) -> MaskedCloze:
        """The model of a transformers folder. Raises ModelError when it has no head for masked words."""
        from transformers import AutoModelForMaskedLM

        named = getattr(read_config(folder), "architectures", None) or []
        if not any(name.endswith("ForMaskedLM") for name in named):
            kind = ", ".join(named) or "model without a name"
            raise ModelError(
                f"{folder} has no head for masked words (it is a {kind}): prompts need one, or a generator.",
                asked="prompt",
            )
        network = read_network(AutoModelForMaskedLM, folder).to(default_device()).eval()
        tokenizer = read_tokenizer(folder)
        check_ids(network, tokenizer, folder)
        return cls(network, tokenizer, name=folder.name)

    @property
    def context(self) -> int:
        return own_max_tokens(self.network, self.tokenizer)

    def word_scores(self, templates: Sequence[str], texts: Sequence[str], words: Sequence[str]) -> Floats:
        """A word's score is the mean log-likelihood of its pieces, each at its own mask.

        Schick & Schütze, 2021.
        """
        network: Any = self._inference.of(self.network, "auto")
        pieces = [self.tokenizer(word, add_special_tokens=False)["input_ids"] for word in words]
        lengths = sorted({len(word) for word in pieces})
        found = np.zeros((len(texts), len(templates), len(words)))
        for at, template in enumerate(templates):
            for n in lengths:
                using = [i for i, word in enumerate(pieces) if len(word) == n]
                rows = self._rows(template, texts, n)
                for picked in by_length([len(row) for row in rows], BUDGET_TOKENS):
                    likely = self._at_masks(network, [rows[i] for i in picked])
                    for i in using:
                        each = [likely[:, k, piece] for k, piece in enumerate(pieces[i])]
                        found[picked, at, i] = np.mean(each, axis=0)
        return found

    def _rows(self, template: str, texts: Sequence[str], n_masks: int) -> Ids:
        blank = template.replace(WORD, self.tokenizer.mask_token * n_masks)
        # A text that spells the mask itself must not be read as one.
        clean = [text.replace(self.tokenizer.mask_token, " ") for text in well_formed(texts)]
        filled = [blank.replace(TEXT, text) for text in clean]
        return [list(row) for row in self.tokenizer(filled, verbose=False)["input_ids"]]

    def _at_masks(self, network: Any, rows: Ids) -> Floats:
        """Log-likelihoods [B, masks, V] at the masks."""
        batch = _padded(rows, self.tokenizer.pad_token_id, device_of(network))
        at = torch.tensor(
            [[i for i, piece in enumerate(row) if piece == self.tokenizer.mask_token_id] for row in rows]
        )
        each = torch.arange(len(rows)).unsqueeze(1)
        with torch.inference_mode():
            logits = network(**batch).logits
            return _likely(logits[each.to(logits.device), at.to(logits.device)])

    def save(self, folder: Path) -> None:
        with artifact.writing(folder, "masked", settings={"name": self.name}) as new, quiet():
            self.network.save_pretrained(new)  # type: ignore[operator]
            self.tokenizer.save_pretrained(new)


def _likely(logits: torch.Tensor) -> Floats:
    return _plain(torch.log_softmax(logits.float(), dim=-1))


def _plain(rows: torch.Tensor) -> Floats:
    return rows.double().cpu().numpy()  # type: ignore[no-any-return]


def _padded(rows: Ids, pad: int, device: torch.device) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask [B, T], padded right."""
    width = max(len(row) for row in rows)
    ids = torch.tensor([row + [pad] * (width - len(row)) for row in rows], device=device)
    mask = torch.tensor([[1] * len(row) + [0] * (width - len(row)) for row in rows], device=device)
    return {"input_ids": ids, "attention_mask": mask}
