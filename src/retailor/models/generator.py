"""A generator whose network runs here: a decoder (GPT, Llama family) or an encoder-decoder (T5 family)."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.errors import ModelError
from retailor.models.bound import JsonBound
from retailor.models.endpoints.chat import knows_system, start_id, written
from retailor.models.files import quiet
from retailor.models.hardware import InferenceCopy, Precision, by_length, check_plain, device_of
from retailor.models.runtimes.runtime import Graphs, Runtime
from retailor.models.sampling import sampler
from retailor.models.well_formed import well_formed
from retailor.store import artifact

DESCRIPTION = "retailor_generator.json"
BUDGET_TOKENS = 16384
IGNORED = -100
DEFAULT_CONTEXT = 1024


class LocalGenerator:
    """Prompts in, continuations out; a chat model reads each prompt as one user message.

    `system` goes before it: as a message where the model's chat template knows such a one, else in the user's
    turn. A continuation ends at the tokenizer's end mark or at any of `end_ids`. In float32 a prompt gets the
    same greedy continuation alone and in a batch; in bf16 a near tie may fall the other way.
    `runtime` 'openvino' generates through a graph derived from the weights: with 8-bit weights for precision
    'auto', in float32 for '32'. Training, saving and likelihoods are torch's either way.

    Raises ModelError when there is no end mark, or the chat template cannot write a question.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        tokenizer: Any,
        *,
        name: str,
        system: str | None = None,
        precision: Precision = "auto",
        runtime: Runtime = "torch",
        end_ids: Sequence[int] = (),
    ) -> None:
        self.network = network
        self.tokenizer = tokenizer
        self.name = name
        self.system = system
        self.precision: Precision = precision
        self.runtime: Runtime = runtime
        self._inference, self._graphs = InferenceCopy(), Graphs()
        own = [] if tokenizer.eos_token_id is None else [tokenizer.eos_token_id]
        self.end_ids = tuple(dict.fromkeys([*own, *end_ids]))
        if not self.end_ids:
            raise ModelError(
                f"{name} has no end mark: neither its tokenizer nor a generation config names an eos token.",
                asked="eos_token",
            )
        if tokenizer.eos_token_id is None:
            tokenizer.eos_token = tokenizer.convert_ids_to_tokens(self.end_ids[0])
        if tokenizer.pad_token_id is None:
            tokenizer.pad_token = tokenizer.eos_token
        self._system_known: tuple[str, bool] | None = None
        if self._template:
            self._knows_system()

    @property
    def is_seq2seq(self) -> bool:
        """Whether an encoder reads the prompt (T5), instead of the decoder itself."""
        return bool(self.network.config.is_encoder_decoder)  # type: ignore[union-attr]

    @property
    def context(self) -> int:
        """The most tokens, prompt and continuation together, that the network has positions for."""
        return int(getattr(self.network.config, "max_position_embeddings", None) or DEFAULT_CONTEXT)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_tokens: int,
        temperature: float = 0.0,
        seed: int = 0,
        top_p: float = 1.0,
        schema: Mapping[str, Any] | None = None,
    ) -> list[str]:
        """One continuation a prompt, in order, without the prompt. Temperature 0 is greedy.

        With a JSON `schema` a continuation is JSON of it, as far as `max_tokens` let it come. Sampling takes
        its noise from `seed` and the prompt, so that a batch gives what singles give.
        A prompt that is too long loses its beginning. Raises ModelError when `max_tokens` leaves no room, or
        for a schema or a tokenizer that cannot be bound.
        """
        ids = self.prompt_ids(prompts, room=self._room(max_tokens))
        answers = [""] * len(prompts)
        for picked in by_length([len(row) + max_tokens for row in ids], BUDGET_TOKENS):
            processors = sampler([prompts[i] for i in picked], temperature, top_p, seed)
            if schema is not None:
                processors.insert(0, JsonBound(schema, len(picked), self.tokenizer, self.end_ids))
            made = self._continued([ids[i] for i in picked], max_tokens, processors)
            for i, text in zip(picked, made, strict=True):
                answers[i] = text
        return answers

    def _room(self, max_tokens: int) -> int:
        room = self.context if self.is_seq2seq else self.context - max_tokens
        if room < 1 or max_tokens < 1:
            raise ModelError(
                f"{self.name} has a context of {self.context} tokens, so max_tokens = {max_tokens} "
                f"cannot be: ask for 1 to {self.context - 1}.",
                asked=str(max_tokens),
            )
        return room

    def _continued(self, ids: list[list[int]], max_tokens: int, processors: list[Any]) -> list[str]:
        if self.runtime == "openvino":
            made = self._graphs.continued(
                self.network,
                self.precision,
                ids,
                max_tokens=max_tokens,
                ends=self.end_ids,
                pad=self.tokenizer.pad_token_id,
                processors=processors,
            )
        else:
            made = self._by_torch(ids, max_tokens, processors)
        return [text.strip() for text in self.tokenizer.batch_decode(made, skip_special_tokens=True)]

    def _by_torch(self, ids: list[list[int]], max_tokens: int, processors: list[Any]) -> list[list[int]]:
        """New ids a row, up to an end mark and without it."""
        from transformers import GenerationConfig

        network = self._inference.of(self.network, self.precision)
        batch = _stack(ids, self.tokenizer.pad_token_id, device_of(network), left=not self.is_seq2seq)
        config: Any = network.config
        plan = GenerationConfig(  # type: ignore[no-untyped-call]
            max_new_tokens=max_tokens,
            do_sample=False,
            pad_token_id=self.tokenizer.pad_token_id,
            eos_token_id=list(self.end_ids),
            decoder_start_token_id=getattr(config, "decoder_start_token_id", None),
            forced_bos_token_id=getattr(network.generation_config, "forced_bos_token_id", None),
        )
        with torch.inference_mode(), quiet():
            rows = network.generate(**batch, generation_config=plan, logits_processor=processors)  # type: ignore[operator]
        new = rows[:, 1:] if self.is_seq2seq else rows[:, batch["input_ids"].shape[1] :]
        return [self._before_end(row) for row in new.tolist()]

    def _before_end(self, row: list[int]) -> list[int]:
        """The ids up to the first end mark, which need not be a special token of the tokenizer."""
        return row[: next((i for i, one in enumerate(row) if one in self.end_ids), len(row))]

    def prompt_ids(self, prompts: Sequence[str], *, room: int) -> list[list[int]]:
        """Token ids a prompt, chat template included; at most `room`, the beginning of the prompt cut off."""
        ids = self._encoded([self._templated(prompt) for prompt in prompts])
        return [
            row if len(row) <= room else self._cut(prompt, room)
            for prompt, row in zip(prompts, ids, strict=True)
        ]

    def _templated(self, prompt: str) -> str:
        if not self._template:
            return f"{self.system}\n{prompt}" if self.system else prompt
        if self.system is None:
            return written(self.tokenizer, [{"role": "user", "content": prompt}])
        if not self._knows_system():
            return written(
                self.tokenizer, [{"role": "user", "content": f"{self.system}\n\n{prompt}".strip()}]
            )
        system = {"role": "system", "content": self.system}
        return written(self.tokenizer, [system, {"role": "user", "content": prompt}])

    @property
    def _template(self) -> str:
        return str(getattr(self.tokenizer, "chat_template", None) or "")

    def _knows_system(self) -> bool:
        """Whether the template has a system message; asked once a template."""
        if self._system_known is None or self._system_known[0] != self._template:
            self._system_known = (self._template, knows_system(self.tokenizer, self.name))
        return self._system_known[1]

    def _encoded(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        own_marks = not self._template
        made = self.tokenizer(well_formed(texts), add_special_tokens=own_marks, verbose=False)["input_ids"]
        # a decoder that ends its prompt with end-of-text would continue with nothing
        if not self.is_seq2seq:
            made = [row[:-1] if row and row[-1] == self.tokenizer.eos_token_id else row for row in made]
        return [row or [start_id(self.tokenizer)] for row in made]

    def _cut(self, prompt: str, room: int) -> list[int]:
        """Ids of the longest end of the prompt that fits: the template around it stays whole if it can."""
        raw = self._raw([prompt])[0]
        keep = room - len(self._encoded([self._templated("")])[0])
        while keep > 0:
            text = self.tokenizer.decode(raw[-keep:], skip_special_tokens=True)
            row = self._encoded([self._templated(text)])[0]
            if len(row) <= room:
                return row
            keep -= len(row) - room
        return self._encoded([self._templated("")])[0][-room:]

    def _raw(self, texts: Sequence[str]) -> list[list[int]]:
        if not texts:
            return []
        return self.tokenizer(well_formed(texts), add_special_tokens=False, verbose=False)["input_ids"]  # type: ignore[no-any-return]

    def pairs(
        self, prompts: Sequence[str], completions: Sequence[str], *, max_tokens: int
    ) -> Mapping[str, torch.Tensor]:
        """input_ids, attention_mask, labels [B, T]; labels are −100 on prompts and padding.

        A pair longer than `max_tokens` is cut so that each side keeps at least half of them; the completion
        ends with the end mark unless it was cut. The labels of an encoder-decoder stand apart.
        """
        asked = self.prompt_ids(prompts, room=max_tokens)
        answers = self._answers(completions)
        device, pad = device_of(self.network), self.tokenizer.pad_token_id
        if self.is_seq2seq:
            labels = _stack([row[:max_tokens] for row in answers], IGNORED, device)["input_ids"]
            return {**_stack(asked, pad, device), "labels": labels}
        rows, seen = [], []
        for prompt, question, answer in zip(prompts, asked, answers, strict=True):
            answer = answer[: max_tokens - min(len(question), max_tokens // 2)]
            room = max_tokens - len(answer)
            head = question if len(question) <= room else self._cut(prompt, room)
            rows.append(head + answer)
            seen.append([IGNORED] * len(head) + answer)
        return {**_stack(rows, pad, device), "labels": _stack(seen, IGNORED, device)["input_ids"]}

    def _answers(self, texts: Sequence[str]) -> list[list[int]]:
        """Ids of what is to be written; of an encoder-decoder with its own marks: BART's begin with one."""
        eos = self.tokenizer.eos_token_id
        if not self.is_seq2seq:
            return [[*row, eos] for row in self._raw(texts)]
        made = self.tokenizer(well_formed(texts), verbose=False)["input_ids"] if texts else []
        return [row if row and row[-1] == eos else [*row, eos] for row in made]

    def score(
        self, prompts: Sequence[str], completions: Sequence[str], *, max_tokens: int = 512
    ) -> NDArray[np.float64]:
        """Mean log-likelihood a completion token, a pair [n]: higher means the model finds it likelier."""
        sums, counts = self._likelihoods(prompts, completions, max_tokens)
        return sums / np.maximum(counts, 1)

    def mean_loss(self, texts: Sequence[str], *, max_tokens: int = 256) -> float:
        """Mean negative log-likelihood a token over all texts (nats); its exponential is the perplexity.

        A decoder reads the text alone, without its chat template. NaN when there is no token to predict.
        """
        sums, counts = self._likelihoods(None, texts, max_tokens)
        return float(-sums.sum() / counts.sum()) if counts.sum() else float("nan")

    def _likelihoods(
        self, prompts: Sequence[str] | None, texts: Sequence[str], max_tokens: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        network = self._inference.of(self.network, self.precision)
        sums, counts = np.zeros(len(texts)), np.zeros(len(texts))
        lengths = [min(len(row) + 1, max_tokens) for row in self._raw(texts)]
        for picked in by_length(lengths, BUDGET_TOKENS // 8):
            some = [texts[i] for i in picked]
            if prompts is None:
                batch = self.plain(some, max_tokens=max_tokens)
            else:
                batch = self.pairs([prompts[i] for i in picked], some, max_tokens=max_tokens)
            sums[picked], counts[picked] = _log_likelihood(network, batch, self.is_seq2seq)
        return sums, counts

    def plain(self, texts: Sequence[str], *, max_tokens: int) -> Mapping[str, torch.Tensor]:
        """Whole texts to learn to continue: like `pairs`, with nothing before the text and no template."""
        if self.is_seq2seq:
            return self.pairs([""] * len(texts), texts, max_tokens=max_tokens)
        eos, device = [self.tokenizer.eos_token_id], device_of(self.network)
        start = [start_id(self.tokenizer)]
        rows = [(start + row + eos)[:max_tokens] for row in self._raw(texts)]
        labels = [[IGNORED, *row[1:]] for row in rows]
        return {
            **_stack(rows, self.tokenizer.pad_token_id, device),
            "labels": _stack(labels, IGNORED, device)["input_ids"],
        }

    def stacked(
        self, inputs: Sequence[Sequence[int]], labels: Sequence[Sequence[int]]
    ) -> Mapping[str, torch.Tensor]:
        """input_ids, attention_mask and labels of rows of ids, padded right; for an encoder-decoder."""
        device = device_of(self.network)
        made = _stack(inputs, self.tokenizer.pad_token_id, device)
        return {**made, "labels": _stack(labels, IGNORED, device)["input_ids"]}

    def copy(self) -> Self:
        """A generator with weights of its own, equal to these."""
        return self.with_network(copy.deepcopy(self.network))

    def with_network(self, network: torch.nn.Module) -> Self:
        """The same generator around another network of the same shape."""
        return type(self)(
            network,
            self.tokenizer,
            name=self.name,
            system=self.system,
            precision=self.precision,
            runtime=self.runtime,
            end_ids=self.end_ids,
        )

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'generator' that transformers opens too; adapters are merged in.

        Raises ModelError where those were fitted over four bits: merge them with `train.lora.merged` first.
        """
        description = {
            "name": self.name,
            "system": self.system,
            "seq2seq": self.is_seq2seq,
            "precision": self.precision,
            "runtime": self.runtime,
        }
        merged: Any = self.network
        check_plain(merged, self.name)
        if _is_peft(merged):
            merged = copy.deepcopy(merged).merge_and_unload()
        with artifact.writing(folder, "generator", settings=description, card=_card(description)) as new:
            with quiet():
                merged.save_pretrained(new)
                self.tokenizer.save_pretrained(new)
            text = json.dumps(description, indent=1, ensure_ascii=False)
            (new / DESCRIPTION).write_text(text, encoding="utf-8")

    def __repr__(self) -> str:
        return f"LocalGenerator({self.name!r}, {'seq2seq' if self.is_seq2seq else 'decoder'})"


def _is_peft(network: torch.nn.Module) -> bool:
    return hasattr(network, "merge_and_unload")


def _stack(
    rows: Sequence[Sequence[int]], pad: int, device: torch.device, *, left: bool = False
) -> dict[str, torch.Tensor]:
    """input_ids and attention_mask [B, T] of rows of ids, padded on one side."""
    width = max((len(row) for row in rows), default=0)
    ids = np.full((len(rows), width), pad, dtype=np.int64)
    mask = np.zeros((len(rows), width), dtype=np.int64)
    for i, row in enumerate(rows):
        place = slice(width - len(row), width) if left else slice(0, len(row))
        ids[i, place] = row
        mask[i, place] = 1
    return {
        "input_ids": torch.from_numpy(ids).to(device),
        "attention_mask": torch.from_numpy(mask).to(device),
    }


def _log_likelihood(
    network: torch.nn.Module, batch: Mapping[str, torch.Tensor], seq2seq: bool
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum of log-likelihoods and number of the labelled tokens, a row."""
    with torch.inference_mode():
        logits = network(**batch).logits
        labels = batch["labels"]
        if not seq2seq:
            logits, labels = logits[:, :-1], labels[:, 1:]
        losses = torch.nn.functional.cross_entropy(
            logits.float().flatten(0, 1), labels.flatten(), ignore_index=IGNORED, reduction="none"
        ).view(labels.shape)
    return -losses.sum(1).double().cpu().numpy(), (labels != IGNORED).sum(1).double().cpu().numpy()


def _card(description: Mapping[str, Any]) -> str:
    kind = "Seq2SeqLM" if description["seq2seq"] else "CausalLM"
    return (
        f"# {description['name']}\n\nA text generator.\n\n```python\n"
        f"from transformers import AutoModelFor{kind}, AutoTokenizer\n\n"
        f'AutoModelFor{kind}.from_pretrained("."), AutoTokenizer.from_pretrained(".")\n```\n'
    )
