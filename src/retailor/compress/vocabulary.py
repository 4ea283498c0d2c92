"""An encoder with only the word pieces that a shop needs: most weights of a multilingual one are pieces."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import torch

from retailor.models.encoder import LocalEncoder
from retailor.models.well_formed import well_formed

_MARKS = ("▁", "##")
"""What word pieces put before a piece: SentencePiece's space, and WordPiece's sign of an inner piece."""
_BYTE = re.compile(r"<0x[0-9A-F]{2}>")
"""A piece that stands for one byte of a character that is no piece."""


@dataclass(frozen=True)
class Trimming:
    """What taking word pieces out did to `n` texts that had no say in which stay."""

    n_pieces_before: int
    n_pieces: int
    n: int
    same: float
    """The share of the texts that are split as before, so that they keep their vectors."""
    tokens: float
    """Tokens of all texts, times those of before."""
    unknown_before: float
    """The share of tokens that are unknown pieces."""
    unknown: float

    def __str__(self) -> str:
        return (
            f"Word pieces {self.n_pieces_before:,} → {self.n_pieces:,}: of {self.n} texts that had no say in "
            f"it {self.same:.1%} are split as before; {self.tokens:.3f} times the tokens, unknown "
            f"{self.unknown_before:.3%} → {self.unknown:.3%}"
        )


def trimming(before: Any, after: Any, texts: Sequence[str]) -> Trimming:
    """How the tokenizer `after` splits texts beside the one `before`, whole texts without prompts."""
    own, other = _Splitter.of(before), _Splitter.of(after)
    pairs = list(zip(own.pieces(texts), other.pieces(texts), strict=True))
    n_before, n_after = (max(sum(len(pair[i]) for pair in pairs), 1) for i in (0, 1))
    return Trimming(
        own.size, other.size, len(pairs),
        sum(a == b for a, b in pairs) / max(len(pairs), 1), n_after / n_before,
        sum(own.n_unknown(a) for a, _ in pairs) / n_before,
        sum(other.n_unknown(b) for _, b in pairs) / n_after,
    )  # fmt: skip


@dataclass(frozen=True)
class _Splitter:
    """A tokenizer that cuts nothing, and the piece that stands for what it does not know."""

    tokenizer: Any
    unknown: str | None

    @classmethod
    def of(cls, tokenizer: Any) -> Self:
        from tokenizers import Tokenizer

        made = Tokenizer.from_str(getattr(tokenizer, "backend_tokenizer", tokenizer).to_str())
        made.no_truncation()
        made.no_padding()
        model = json.loads(made.to_str())["model"]
        if model.get("unk_id") is not None:
            return cls(made, model["vocab"][model["unk_id"]][0])
        return cls(made, model.get("unk_token"))

    @property
    def size(self) -> int:
        return int(self.tokenizer.get_vocab_size())

    def pieces(self, texts: Sequence[str]) -> list[list[str]]:
        """By name; an unknown one says so, where `tokens` of an encoding have the part of the text."""
        made = self.tokenizer.encode_batch(well_formed(texts), add_special_tokens=False)
        return [[self.tokenizer.id_to_token(one) for one in each.ids] for each in made]

    def n_unknown(self, pieces: Sequence[str]) -> int:
        return sum(piece == self.unknown for piece in pieces)


def trimmed(encoder: LocalEncoder, texts: Sequence[str], *, n_common: int = 10_000) -> LocalEncoder | None:
    """The encoder with the pieces of `texts`, also written small, of all single characters, and the first
    `n_common` of its own.

    A text whose pieces are all kept has the same vector. Other texts are split into smaller pieces: every
    single character that was a piece still is one, and so are single bytes and each piece that single
    characters do not spell. Vocabularies list frequent pieces first. None where nothing can be taken out:
    pieces by merges (byte-level BPE), an odd tokenizer, or a padding id that would move (networks of the
    RoBERTa family count positions from it).
    """
    backend = getattr(encoder.tokenizer, "backend_tokenizer", None)
    made = json.loads(backend.to_str()) if backend is not None else {}
    pieces = _pieces(made.get("model", {}))
    if not pieces:
        return None
    kept = _kept(encoder, made, pieces, texts, n_common)
    if len(kept) >= len(pieces) or not kept:
        return None
    new = {old: i for i, old in enumerate(kept)}
    pad = encoder.tokenizer.pad_token_id
    if pad is not None and new.get(pad) != pad:
        return None
    tokenizer = _tokenizer(encoder, _renumbered(made, kept, new))
    smaller = encoder.with_network(_network(encoder.network, kept, pad))
    smaller.tokenizer, smaller.name = tokenizer, f"{encoder.name}, trimmed"
    return smaller


def _pieces(model: Mapping[str, Any]) -> list[str]:
    """The pieces by id; none where the kind of vocabulary is not one that can lose some."""
    if model.get("type") == "WordPiece":
        return sorted(model["vocab"], key=model["vocab"].__getitem__)
    if model.get("type") == "Unigram":
        return [piece for piece, _ in model["vocab"]]
    return []


def _kept(
    encoder: LocalEncoder, made: Mapping[str, Any], pieces: list[str], texts: Sequence[str], n_common: int
) -> list[int]:
    """Ids in order: used, special, single characters, and common ones."""
    rows = int(encoder.network.get_input_embeddings().weight.shape[0])  # type: ignore[operator]
    used = {one for ids in encoder.token_ids(list(texts)) for one in ids}
    # who asks writes small what a title has in capitals
    used |= {one for ids in encoder.token_ids([text.lower() for text in texts]) for one in ids}
    used |= {one for ids in encoder.token_ids(list(texts[:64]), "query") for one in ids}
    special = {added["id"] for added in made.get("added_tokens", ())} | set(encoder.tokenizer.all_special_ids)
    return sorted(
        i
        for i in used | special | _needed(pieces, made["model"]["type"]) | set(range(n_common))
        if i < min(rows, len(pieces))
    )


def _needed(pieces: Sequence[str], kind: str) -> set[int]:
    """Ids of single characters and bytes, and of the pieces that single characters do not spell."""
    single = {piece for piece in pieces if len(_bare(piece)) <= 1 or _BYTE.fullmatch(piece)}
    return {
        i
        for i, piece in enumerate(pieces)
        if piece in single or any(one not in single for one in _spelled(piece, kind))
    }


def _spelled(piece: str, kind: str) -> list[str]:
    """The single characters, as pieces, that a piece of more of them falls into."""
    if kind == "Unigram":
        return list(piece)
    inner = piece.startswith("##")
    return [f"##{letter}" if i or inner else letter for i, letter in enumerate(piece.removeprefix("##"))]


def _bare(piece: str) -> str:
    for mark in _MARKS:
        piece = piece.removeprefix(mark)
    return piece


def _renumbered(made: dict[str, Any], kept: list[int], new: Mapping[int, int]) -> dict[str, Any]:
    """The tokenizer's description over the kept pieces."""
    model = made["model"]
    if model["type"] == "WordPiece":
        model["vocab"] = {piece: new[i] for piece, i in model["vocab"].items() if i in new}
    else:
        model["vocab"] = [model["vocab"][i] for i in kept]
        model["unk_id"] = new.get(model["unk_id"]) if model.get("unk_id") is not None else None
    made["added_tokens"] = [
        {**added, "id": new[added["id"]]} for added in made.get("added_tokens", ()) if added["id"] in new
    ]
    made["post_processor"] = _with_ids(made.get("post_processor"), new)
    made["truncation"] = made["padding"] = None
    return made


def _with_ids(part: Any, new: Mapping[int, int]) -> Any:
    """A post-processor with new ids: templates list them under 'ids', BERT's and RoBERTa's as pairs."""
    if isinstance(part, list) and len(part) == 2 and isinstance(part[0], str) and isinstance(part[1], int):
        return [part[0], new[part[1]]]
    if isinstance(part, list):
        return [_with_ids(one, new) for one in part]
    if isinstance(part, dict):
        return {
            key: [new[one] for one in value] if key == "ids" else _with_ids(value, new)
            for key, value in part.items()
        }
    return part


def _tokenizer(encoder: LocalEncoder, made: dict[str, Any]) -> Any:
    from tokenizers import Tokenizer
    from transformers import PreTrainedTokenizerFast

    names = ("pad_token", "unk_token", "cls_token", "sep_token", "mask_token", "bos_token", "eos_token")
    marks = {name: getattr(encoder.tokenizer, name, None) for name in names}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=Tokenizer.from_str(json.dumps(made)),
        **{name: mark for name, mark in marks.items() if mark is not None},
    )


def _network(network: torch.nn.Module, kept: list[int], pad: int | None) -> torch.nn.Module:
    smaller: Any = copy.deepcopy(network)
    old = smaller.get_input_embeddings()
    rows = torch.nn.Embedding(len(kept), old.weight.shape[1], padding_idx=old.padding_idx)
    rows.weight.data = old.weight.data[torch.tensor(kept)].clone()
    smaller.set_input_embeddings(rows.to(old.weight.device))
    smaller.config.vocab_size = len(kept)
    return smaller  # type: ignore[no-any-return]
