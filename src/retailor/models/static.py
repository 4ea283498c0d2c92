"""An encoder that is a table: the vector of a text is the mean of those of its word pieces, and of pairs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.models.files import read_object
from retailor.models.shapes import Role, TrainableEncoder
from retailor.models.well_formed import well_formed
from retailor.store import artifact

CONFIG, TABLE, TOKENIZER = "config.json", "model.safetensors", "tokenizer.json"
MODEL_TYPE, WITH_PAIRS = "model2vec", "retailor-word-pairs"
PAIRS = "pairs.safetensors"
MAX_TOKENS = 512
WINDOW = 16384
_SMOOTHING = 1e-3  # a of a / (a + p), Arora, Liang and Ma, ICLR 2017


@dataclass(frozen=True)
class Pairs:
    """Vectors of pieces that follow each other, in the order of their keys."""

    keys: NDArray[np.int64]
    """first · 2³² + second [n], each once, in order."""
    table: NDArray[Any]
    """[n, dim]"""

    @classmethod
    def common(cls, ids: Sequence[Sequence[int]], most: int, dim: int) -> Self:
        """The pairs that are in most of the texts, at least in two, with vectors of zeros."""
        seen = [np.unique(pair_keys(row)) for row in ids if len(row) > 1]
        keys, counts = np.unique(np.concatenate(seen or [np.zeros(0, np.int64)]), return_counts=True)
        order = np.lexsort((keys, -counts))[:most]
        kept = np.sort(keys[order[counts[order] > 1]])
        return cls(kept, np.zeros((len(kept), dim), np.float32))

    def rows(self, ids: Sequence[int]) -> NDArray[np.int64]:
        """Where in the table the known pairs of a text are, in order."""
        keys = pair_keys(ids)
        if not len(keys) or not len(self.keys):
            return np.zeros(0, np.int64)
        at = np.minimum(np.searchsorted(self.keys, keys), len(self.keys) - 1)
        return np.asarray(at[self.keys[at] == keys], np.int64)


def pair_keys(ids: Sequence[int]) -> NDArray[np.int64]:
    """A number for each two pieces that follow each other."""
    row = np.asarray(ids, np.int64)
    return row[:-1] << 32 | row[1:]


class StaticEncoder:
    """Texts in, unit vectors out: means of rows of a table [pieces, dim]. A text without a known piece is 0.

    The folder is one of model2vec, which opens it; the table is saved in float16. Word order makes no
    difference, and a query has the vector of a passage. With `pairs` the vectors of known pairs are added,
    over the same number of pieces: then order does, and model2vec does not open it.
    """

    def __init__(
        self,
        table: NDArray[Any],
        tokenizer: Any,
        *,
        name: str,
        max_tokens: int = MAX_TOKENS,
        pairs: Pairs | None = None,
    ) -> None:
        self.table, self.pairs = table, pairs
        self.name, self.max_tokens = name, max_tokens
        self.tokenizer = tokenizer
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(max_tokens)
        self._unknown = _unknown_id(tokenizer)

    @property
    def dim(self) -> int:
        return int(self.table.shape[1])

    @classmethod
    def of_pieces(cls, encoder: TrainableEncoder, texts: Sequence[str]) -> Self:
        """The table of what an encoder makes of each piece alone, weighed by how rare it is in `texts`."""
        from tokenizers import Tokenizer

        backend = getattr(encoder.tokenizer, "backend_tokenizer", encoder.tokenizer)
        made = json.loads(backend.to_str())
        made["post_processor"] = made["padding"] = None
        own = Tokenizer.from_str(json.dumps(made))
        pieces = [own.id_to_token(i) or "" for i in range(own.get_vocab_size())]
        table = encoder.encode([piece.removeprefix("##").replace("▁", " ").strip() for piece in pieces])
        start = cls(table, own, name=f"{encoder.name}, word vectors")
        counts = np.bincount(
            [one for row in start.token_ids(texts) for one in row], minlength=len(pieces)
        ).astype(np.float64)
        share = counts / max(counts.sum(), 1)
        return start.with_table(table * (_SMOOTHING / (_SMOOTHING + share))[:, None].astype(np.float32))

    def with_table(self, table: NDArray[Any], pairs: Pairs | None = None) -> Self:
        """The same pieces with other vectors."""
        return type(self)(table, self.tokenizer, name=self.name, max_tokens=self.max_tokens, pairs=pairs)

    def token_ids(self, texts: Sequence[str]) -> list[list[int]]:
        """The known pieces of each text."""
        made = self.tokenizer.encode_batch_fast(well_formed(texts), add_special_tokens=False)
        return [[one for one in each.ids if one != self._unknown] for each in made]

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim], in the order of `texts`; [0, dim] for no texts."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        for start in range(0, len(texts), WINDOW):
            ids = self.token_ids(texts[start : start + WINDOW])
            rows[start : start + len(ids)] = _summed(ids, self.table)
            if self.pairs is not None:
                pairs = [self.pairs.rows(row) for row in ids]
                rows[start : start + len(ids)] += _summed(pairs, self.pairs.table)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'encoder' that model2vec opens too."""
        from safetensors.numpy import save_file

        about = {
            "model_type": MODEL_TYPE if self.pairs is None else WITH_PAIRS,
            "architectures": ["StaticModel"], "normalize": True,
            "hidden_dim": self.dim, "seq_length": self.max_tokens, "name": self.name,
        }  # fmt: skip
        with artifact.writing(folder, "encoder", settings=about, card=_card(self)) as new:
            save_file({"embeddings": np.ascontiguousarray(self.table, dtype=np.float16)}, new / TABLE)
            if self.pairs is not None:
                kept: dict[str, NDArray[Any]] = {
                    "keys": self.pairs.keys,
                    "table": self.pairs.table.astype(np.float16),
                }
                save_file(kept, new / PAIRS)
            self.tokenizer.save(str(new / TOKENIZER))
            (new / CONFIG).write_text(json.dumps(about, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The encoder of a folder of ours or of model2vec. Raises DataError that names a wrong file."""
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = Path(folder)
        about = read_object(folder / CONFIG)
        try:
            tensors = load_file(folder / TABLE)
            tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        except Exception as error:
            raise DataError(f"no table of word vectors can be read: {error}", path=folder) from None
        table = _weighed(tensors, folder)
        if len(table) < tokenizer.get_vocab_size():
            raise DataError(
                f"it has {len(table)} rows for the {tokenizer.get_vocab_size()} pieces of its tokenizer.",
                path=folder / TABLE,
            )
        length = int(about.get("seq_length") or MAX_TOKENS)
        pairs = _pairs(folder, table) if about.get("model_type") == WITH_PAIRS else None
        name = str(about.get("name") or folder.name)
        return cls(table, tokenizer, name=name, max_tokens=length, pairs=pairs)

    def __repr__(self) -> str:
        return f"StaticEncoder({self.name!r}, dim={self.dim}, pieces={len(self.table)})"


def is_static(folder: Path) -> bool:
    """Whether a folder holds a table of word vectors."""
    path = folder / CONFIG
    return path.exists() and read_object(path).get("model_type") in (MODEL_TYPE, WITH_PAIRS)


def _summed(ids: Sequence[Sequence[int] | NDArray[np.int64]], table: NDArray[Any]) -> NDArray[np.float32]:
    """The sums of the rows of each list [n, dim]."""
    from scipy.sparse import csr_array

    ends = np.cumsum([0, *map(len, ids)])
    flat = np.fromiter((one for row in ids for one in row), dtype=np.int64, count=int(ends[-1]))
    used, at = np.unique(flat, return_inverse=True)
    counted = csr_array((np.ones(len(flat), np.float32), at, ends), shape=(len(ids), len(used)))
    return np.asarray(counted @ table[used].astype(np.float32), np.float32)


def _pairs(folder: Path, table: NDArray[Any]) -> Pairs:
    from safetensors.numpy import load_file

    try:
        found = load_file(folder / PAIRS)
        pairs = Pairs(found["keys"], found["table"])
    except Exception as error:
        raise DataError(f"no vectors of pairs can be read: {error}", path=folder / PAIRS) from None
    fits = pairs.table.ndim == 2 and pairs.table.shape == (len(pairs.keys), table.shape[1])
    if not fits or not (np.diff(pairs.keys) > 0).all():
        raise DataError("the vectors of pairs do not fit the table.", path=folder / PAIRS)
    return pairs


def _weighed(tensors: Mapping[str, NDArray[Any]], folder: Path) -> NDArray[Any]:
    """The rows by piece, with the weights and the mapping that newer folders of model2vec keep apart."""
    if "embeddings" not in tensors or tensors["embeddings"].ndim != 2:
        raise DataError("it has no table 'embeddings' [pieces, dim].", path=folder / TABLE)
    table = tensors["embeddings"]
    if "mapping" in tensors:
        table = table[tensors["mapping"]]
    if "weights" in tensors:
        table = table.astype(np.float32) * tensors["weights"].astype(np.float32)[:, None]
    return table


def _unknown_id(tokenizer: Any) -> int | None:
    model = json.loads(tokenizer.to_str())["model"]
    if model.get("unk_id") is not None:
        return int(model["unk_id"])
    token = model.get("unk_token")
    return None if token is None else tokenizer.token_to_id(token)


def _card(encoder: StaticEncoder) -> str:
    if encoder.pairs is not None:
        return (
            f"# {encoder.name}\n\nA table of {len(encoder.table):,} word vectors of {encoder.dim} dimensions "
            f"('{TABLE}') and one of {len(encoder.pairs.keys):,} pairs that follow each other ('{PAIRS}': "
            "keys are first · 2³² + second); a text is the sum of both, as a unit vector.\n"
        )
    return (
        f"# {encoder.name}\n\nA table of {len(encoder.table):,} word vectors of {encoder.dim} dimensions; "
        "a text is the mean of its pieces, as a unit vector.\n\n"
        "```python\nfrom model2vec import StaticModel\n\n"
        'StaticModel.from_pretrained(".").encode(["a text"])\n```\n'
    )
