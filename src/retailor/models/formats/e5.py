"""Reads multilingual-e5-small from its 4-bit file: magic E5S1, tokenizer, normaliser, tensors.

Layout (little-endian): a header, the unigram pieces with their scores, the entries in which the normaliser
differs from NFKC, then the tensors: float32, or Q4_0, blocks of 32 values in 18 bytes (a float16 scale and
16 bytes, low nibbles first; value = (nibble − 8) × scale).
"""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.models.encoder import LocalEncoder
from retailor.models.hardware import default_device

MAX_TOKENS = 512
FULL_TILDE, PLACEHOLDER = "\uff5e", "\ue000"
PROMPTS = {"query": "query: ", "passage": "passage: "}
FIXED = {
    "emb.word": "embeddings.word_embeddings.weight",
    "emb.pos": "embeddings.position_embeddings.weight",
    "emb.type": "embeddings.token_type_embeddings.weight",
    "emb.ln": "embeddings.LayerNorm",
}
IN_LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
KINDS = {"w": "weight", "b": "bias"}


@dataclass(frozen=True)
class E5File:
    """Everything in the file; tensors are float32 and flat."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    types: int
    epsilon: float
    pieces: list[str]
    scores: NDArray[np.float32]
    normal: dict[str, str]
    """What a character becomes, where that is not its NFKC."""
    tensors: dict[str, NDArray[np.float32]]


class _Reader:
    def __init__(self, path: Path) -> None:
        self.data, self.at, self.path = path.read_bytes(), 0, path

    def take(self, form: str) -> tuple[Any, ...]:
        try:
            values = struct.unpack_from("<" + form, self.data, self.at)
        except struct.error:
            raise DataError("the file is cut off; install its package again.", path=self.path) from None
        self.at += struct.calcsize("<" + form)
        return values

    def array(self, kind: str, n: int) -> NDArray[Any]:
        return np.frombuffer(self.bytes(n * np.dtype(kind).itemsize), kind)

    def bytes(self, n: int) -> bytes:
        if self.at + n > len(self.data):
            raise DataError("the file is cut off; install its package again.", path=self.path)
        self.at += n
        return self.data[self.at - n : self.at]


def read_file(path: Path) -> E5File:
    """The parsed file. Raises DataError when it is cut off or of another format."""
    reader = _Reader(path)
    if reader.bytes(4) != b"E5S1":
        raise DataError("this is not an E5S1 file.", path=path)
    reader.take("I")
    hidden, layers, heads, intermediate, vocabulary, positions, types = reader.take("7i")
    (epsilon,) = reader.take("f")
    _, n_pieces = reader.take("2i")
    reader.take("4i")
    (n_bytes,) = reader.take("Q")
    offsets = reader.array("<u4", n_pieces + 1)
    scores = reader.array("<f4", n_pieces)
    blob = reader.bytes(n_bytes)
    pieces = [blob[a:b].decode() for a, b in pairwise(offsets)]
    normal = _normaliser(reader)
    return E5File(
        hidden, layers, heads, intermediate, vocabulary, positions, types, epsilon,
        pieces, scores, normal, _tensors(reader),
    )  # fmt: skip


def _normaliser(reader: _Reader) -> dict[str, str]:
    n_entries, _ = reader.take("iI")
    normal = {}
    for _ in range(n_entries):
        point, n = reader.take("IB")
        normal[chr(point)] = "".join(map(chr, reader.take(f"{n}I")))
    return normal


def _tensors(reader: _Reader) -> dict[str, NDArray[np.float32]]:
    (n_tensors,) = reader.take("i")
    heads = []
    for _ in range(n_tensors):
        (n_name,) = reader.take("H")
        name = reader.bytes(n_name).decode()
        heads.append((name, *reader.take("BIQQ")))
    start = len(reader.data) - max(offset + n_bytes for *_, offset, n_bytes in heads)
    found = {}
    for name, _, n_values, offset, n_bytes in heads:
        reader.at = start + offset
        raw = reader.bytes(n_bytes)
        found[name] = np.frombuffer(raw, "<f4") if n_bytes == 4 * n_values else q4_values(raw)
    return found


def q4_values(raw: bytes) -> NDArray[np.float32]:
    """Float32 values of Q4_0 blocks, flat."""
    blocks = np.frombuffer(raw, np.uint8).reshape(-1, 18)
    scales = blocks[:, :2].copy().view("<f2").astype(np.float32)  # [n, 1]
    nibbles = np.concatenate([blocks[:, 2:] & 15, blocks[:, 2:] >> 4], axis=1)  # [n, 32]
    return ((nibbles.astype(np.float32) - 8) * scales).reshape(-1)


def state_dict(file: E5File) -> dict[str, torch.Tensor]:
    """The tensors under the names of transformers' BertModel, in its shapes."""
    found = {}
    for name, values in file.tensors.items():
        full = _full_name(name)
        rows = values.reshape(-1, _columns(file, name)) if full.endswith("weight") else values
        if full.endswith("LayerNorm.weight"):
            rows = values
        found[full] = torch.from_numpy(np.array(rows))
    return found


def _full_name(name: str) -> str:
    if name in FIXED:
        return FIXED[name]
    stem, _, kind = name.rpartition(".")
    if stem in FIXED:
        return f"{FIXED[stem]}.{KINDS[kind]}"
    layer, _, part = stem.partition(".")
    return f"encoder.layer.{int(layer[1:])}.{IN_LAYER[part]}.{KINDS[kind]}"


def _columns(file: E5File, name: str) -> int:
    return file.intermediate if name.endswith("fo.w") else file.hidden


def build_tokenizer(file: E5File) -> Any:
    """XLM-R's unigram tokenizer: its normaliser, metaspace always in front, `<s> A </s>`."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers
    from tokenizers.processors import TemplateProcessing
    from transformers import PreTrainedTokenizerFast

    pieces = list(zip(file.pieces, map(float, file.scores), strict=True))
    made = Tokenizer(models.Unigram(pieces, unk_id=file.pieces.index("<unk>"), byte_fallback=False))
    made.normalizer = normalizers.Sequence(_normal_rules(file.normal))
    made.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="always")
    made.decoder = decoders.Metaspace(prepend_scheme="always")
    start, end = file.pieces.index("<s>"), file.pieces.index("</s>")
    made.post_processor = TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", start), ("</s>", end)]
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made,
        bos_token="<s>",
        eos_token="</s>",
        cls_token="<s>",
        sep_token="</s>",
        unk_token="<unk>",
        pad_token="<pad>",
        mask_token=AddedToken("<mask>", lstrip=True),
        model_max_length=MAX_TOKENS,
    )


def _normal_rules(normal: dict[str, str]) -> list[Any]:
    """NFKC and what differs from it: control characters vanish, odd spaces are spaces, `～` stays itself."""
    from tokenizers import Regex, normalizers

    gone = "".join(char for char, value in normal.items() if value == "")
    spaces = "".join(char for char, value in normal.items() if value == " ")
    return [
        normalizers.Replace(Regex(f"[{re.escape(gone)}]"), ""),
        normalizers.Replace(Regex(f"[{re.escape(spaces)}]"), " "),
        normalizers.Replace(FULL_TILDE, PLACEHOLDER),
        normalizers.NFKC(),
        normalizers.Replace(PLACEHOLDER, FULL_TILDE),
        normalizers.Replace(Regex(" {2,}"), " "),
        normalizers.Strip(left=True, right=True),
    ]


def read_e5(path: Path) -> LocalEncoder:
    """The encoder of the file, in float32. Raises DataError when it is cut off or not such a file."""
    from transformers import BertConfig, BertModel

    file = read_file(path)
    config = BertConfig(
        vocab_size=file.vocabulary,
        hidden_size=file.hidden,
        num_hidden_layers=file.layers,
        num_attention_heads=file.heads,
        intermediate_size=file.intermediate,
        max_position_embeddings=file.positions,
        type_vocab_size=file.types,
        layer_norm_eps=file.epsilon,
        pad_token_id=file.pieces.index("<pad>"),
    )
    weights = state_dict(file)
    # not in the file and not in our vectors; there, so that other libraries open the folder without a remark
    weights["pooler.dense.weight"] = torch.zeros(file.hidden, file.hidden)
    weights["pooler.dense.bias"] = torch.zeros(file.hidden)
    with torch.random.fork_rng(devices=[]):  # the random weights that come first are nobody's business
        network: torch.nn.Module = BertModel(config)
    network.load_state_dict(weights, assign=True)
    return LocalEncoder(
        network.eval().to(default_device()),
        build_tokenizer(file),
        name="e5",
        prompts=PROMPTS,
        max_tokens=MAX_TOKENS,
    )
