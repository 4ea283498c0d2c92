"""New pieces in an encoder's vocabulary for words that the shop uses and the model only knows in parts."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch

from retailor.errors import ConfigError, ModelError
from retailor.models.files import quiet, read_tokenizer
from retailor.models.shapes import TrainableEncoder
from retailor.scripts import HAN
from retailor.text.terms import mine_terms
from retailor.train.objectives.settings import AdaptSettings

KINDS = ("WordPiece", "Unigram")
_HAN_RUN = re.compile(f"[{HAN}]{{2,8}}")


def check_growth(model: Any, given: AdaptSettings, objective: str) -> None:
    """Raises ConfigError or ModelError where new pieces could not be made, or could not learn."""
    if objective in ("causal", "span"):
        raise ConfigError("'grow_terms' is for encoders; a generator's vocabulary stays.", key="grow_terms")
    if given.lora_rank or given.train.freeze_embeddings:
        other = "lora_rank" if given.lora_rank else "train.freeze_embeddings"
        raise ConfigError(
            "'grow_terms' makes pieces whose embeddings must learn, and "
            f"'{other}' keeps embeddings as they are: leave one of the two out.",
            key="grow_terms",
        )
    kind = _description(model.tokenizer)["model"]["type"]
    if kind not in KINDS:
        raise ModelError(
            f"{model.name} cuts words by {kind}, whose vocabulary cannot grow here.", asked=kind, can=KINDS
        )


def grown(
    model: TrainableEncoder, texts: Sequence[str], given: AdaptSettings, work: Path | None = None
) -> tuple[Any, int]:
    """A copy of the encoder whose vocabulary has up to `grow_terms` new pieces, and how many it has.

    The pieces are the commonest words of the shop's mined terms that were cut into parts so far, best terms
    first; the embedding of each starts at the mean of its parts'. The tokenizer stays one that transformers
    and sentence-transformers open.
    """
    made: Any = model.copy()
    if not given.grow_terms:
        return made, 0
    new = new_pieces(model.tokenizer, texts, given.grow_terms, work)
    if not new:
        return made, 0
    made.tokenizer = _extended(model.tokenizer, new)
    _start(made, new)
    return made, len(new)


def new_pieces(
    tokenizer: Any, texts: Sequence[str], n: int, work: Path | None = None
) -> dict[str, list[int]]:
    """Up to `n` new pieces as the tokenizer would write them, each with the ids of its old parts."""
    backend = tokenizer.backend_tokenizer
    found: dict[str, list[int]] = {}
    for term in mine_terms(texts, n_terms=20 * n, work=work):
        for word in term.text.split():
            piece, parts = _piece(backend, word), _parts(tokenizer, word)
            if piece is None or piece in found or tokenizer.unk_token_id in parts:
                continue
            if len(parts) > 1:
                found[piece] = parts
            if len(found) == n:
                return found
    return found


def _piece(backend: Any, word: str) -> str | None:
    """The word as one piece, or None where the tokenizer cuts it before its vocabulary is asked."""
    normal = backend.normalizer.normalize_str(word) if backend.normalizer else word
    cut = backend.pre_tokenizer.pre_tokenize_str(normal) if backend.pre_tokenizer else [(normal, ())]
    if len(cut) != 1 or len(word) < 2:
        return None
    piece = str(cut[0][0])
    # no space stands before most Chinese words
    return piece.lstrip("▁") if _HAN_RUN.fullmatch(word) else piece


def _parts(tokenizer: Any, word: str) -> list[int]:
    """The ids that the word is cut into; for Chinese, as it is within a sentence."""
    if not _HAN_RUN.fullmatch(word):
        return tokenizer(word, add_special_tokens=False)["input_ids"]  # type: ignore[no-any-return]
    ids = tokenizer(f"。{word}", add_special_tokens=False)["input_ids"]
    return [
        i for i, token in zip(ids, tokenizer.convert_ids_to_tokens(ids), strict=True) if token.strip("▁。")
    ]


def _description(tokenizer: Any) -> dict[str, Any]:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise ModelError("this encoder's tokenizer is not one of the tokenizers library, and cannot grow.")
    return json.loads(backend.to_str())  # type: ignore[no-any-return]


def _extended(tokenizer: Any, new: dict[str, list[int]]) -> Any:
    """A tokenizer with the pieces at the end of its vocabulary; the old one is unchanged."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with quiet():
            tokenizer.save_pretrained(folder)
        described = _description(tokenizer)
        _add(described["model"], new, len(tokenizer))
        (folder / "tokenizer.json").write_text(json.dumps(described, ensure_ascii=False), encoding="utf-8")
        (folder / "vocab.txt").unlink(missing_ok=True)
        return read_tokenizer(folder)


def _add(model: dict[str, Any], new: dict[str, list[int]], n_before: int) -> None:
    vocab = model["vocab"]
    if len(vocab) != n_before:
        raise ModelError("this tokenizer has added words beside its vocabulary, and cannot grow.")
    for number, (piece, parts) in enumerate(new.items()):
        if model["type"] == "WordPiece":
            vocab[piece] = n_before + number
        else:
            # likelier than its parts together, so that the best path takes it whole
            vocab.append([piece, sum(vocab[part][1] for part in parts) / len(parts)])


def _start(made: Any, new: dict[str, list[int]]) -> None:
    """Rows for the new pieces, each the mean of its parts' rows."""
    table = made.network.get_input_embeddings().weight
    first = len(made.tokenizer) - len(new)
    if len(made.tokenizer) > len(table):
        with quiet():
            made.network.resize_token_embeddings(len(made.tokenizer), mean_resizing=False)
        table = made.network.get_input_embeddings().weight
    with torch.no_grad():
        for number, parts in enumerate(new.values()):
            table[first + number] = table[parts].mean(dim=0)
