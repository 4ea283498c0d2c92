"""Compression of an encoder into one ONNX file with int8 weights, and what it costs and saves."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.compress.graph import Bits, quantise, quantise_blocks, shrink_embeddings
from retailor.compress.settings import CompressSettings
from retailor.compress.speed import Speeds, speeds
from retailor.config import as_dict
from retailor.errors import DataError
from retailor.models.encoding import exact_vectors
from retailor.models.runtimes.exporting import describe, export, exportable
from retailor.models.runtimes.onnx import OnnxEncoder
from retailor.models.shapes import Encoder, TrainableEncoder
from retailor.seeds import stream
from retailor.store import artifact


@dataclass(frozen=True)
class Parity:
    """How near the compressed vectors are to the original's, over `n` texts."""

    n: int
    cosine_mean: float
    cosine_min: float
    overlap_10: float
    """The share of each text's ten nearest texts (fewer, when there are fewer) that are still among them."""


@dataclass(frozen=True)
class CompressReport:
    """What compression did to an encoder: nearness, size and speed."""

    name: str
    weights: str
    embeddings: str
    parity: Parity
    size_before_bytes: int
    size_after_bytes: int
    texts_per_s: dict[str, float]
    """By runtime: 'torch float32', 'torch bf16' where the processor has it, 'onnx float32', 'compressed'."""
    n_speed: int

    @property
    def size_ratio(self) -> float:
        """How many times smaller: the float32 weights against the ONNX file."""
        return self.size_before_bytes / self.size_after_bytes

    def speed_ratio(self, against: str = "torch float32") -> float:
        """How many times faster than another runtime, in the same run."""
        return self.texts_per_s["compressed"] / self.texts_per_s[against]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values, the ratios among them."""
        ratios = {name: self.speed_ratio(name) for name in self.texts_per_s if name != "compressed"}
        return {**asdict(self), "size_ratio": self.size_ratio, "speed_ratios": ratios}

    def __str__(self) -> str:
        near, ratios = self.parity, self.to_dict()["speed_ratios"]
        speed = ", ".join(f"{value:.2f} × {name}" for name, value in ratios.items())
        return (
            f"{self.name}: {self.size_before_bytes / 1e6:.1f} → {self.size_after_bytes / 1e6:.1f} MB "
            f"({self.size_ratio:.1f} × smaller); speed {speed}; cosine {near.cosine_mean:.4f} on average, "
            f"{near.cosine_min:.4f} at worst; {near.overlap_10:.1%} of the ten nearest kept ({near.n} texts)"
        )


def compress(
    encoder: Encoder, folder: Path, *, texts: Sequence[str], settings: CompressSettings | None = None
) -> CompressReport:
    """The report; `folder` becomes an artifact of kind 'encoder' that `load_encoder` and ONNX Runtime open.

    `texts` are the shop's own, unseen in training where possible: nearness and speed are measured on them.
    Raises ModelError for an encoder without a network inside, DataError with fewer than two texts.
    """
    chosen = settings or CompressSettings()
    encoder = exportable(encoder, TrainableEncoder)  # type: ignore[type-abstract]
    sample = sample_of(texts, chosen)
    with tempfile.TemporaryDirectory() as place:
        plain = Path(place) / "float32.onnx"
        export(encoder, plain)
        small = Path(place) / "encoder"
        small.mkdir()
        fill(small, encoder, plain, chosen)
        report = _measured(encoder, plain, small, sample, chosen)
        (small / "compress.json").write_text(json.dumps(report.to_dict(), indent=1), encoding="utf-8")
        with artifact.writing(folder, "encoder", settings=as_dict(chosen), card=_card(report)) as new:
            for path in small.iterdir():
                shutil.copy(path, new / path.name)
    return report


def sample_of(texts: Sequence[str], chosen: CompressSettings) -> list[str]:
    full = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(full) < 2:
        raise DataError("compress needs at least two different texts to compare vectors on.")
    n = min(len(full), max(chosen.n_parity, chosen.n_speed))
    return [full[i] for i in stream(chosen.seed, "compress", "texts").permutation(len(full))[:n]]


def fill(folder: Path, encoder: TrainableEncoder, plain: Path, chosen: CompressSettings) -> None:
    """Writes the files of a compressed encoder."""
    model = folder / "model.onnx"
    if chosen.weights == "dynamic":
        quantise(plain, model, per_channel=chosen.per_channel, reduce_range=chosen.reduce_range)
    elif chosen.weights in ("blocks", "blocks4"):
        bits: Bits = 8 if chosen.weights == "blocks" else 4
        quantise_blocks(plain, model, block_size=chosen.block_size, bits=bits)
    else:
        shutil.copy(plain, model)
    shrink_embeddings(model, chosen.embeddings)
    describe(encoder, folder)


def _measured(
    encoder: TrainableEncoder, plain: Path, folder: Path, sample: list[str], chosen: CompressSettings
) -> CompressReport:
    small = OnnxEncoder(folder)
    compared = sample[: chosen.n_parity]
    found: Speeds = speeds(
        encoder, plain, folder / "model.onnx", sample[: chosen.n_speed], rounds=chosen.rounds
    )
    return CompressReport(
        name=encoder.name,
        weights=chosen.weights,
        embeddings=chosen.embeddings,
        parity=nearness(exact_vectors(encoder, compared), small.encode(compared)),
        size_before_bytes=sum(p.numel() * 4 for p in encoder.network.parameters()),
        size_after_bytes=(folder / "model.onnx").stat().st_size,
        texts_per_s=found,
        n_speed=min(len(sample), chosen.n_speed),
    )


def nearness(before: NDArray[np.float32], after: NDArray[np.float32]) -> Parity:
    """How near the unit rows `after` [n, dim] are to those `before`."""
    cosines = (before * after).sum(axis=1)
    k = min(10, len(before) - 1)
    kept = [len(set(a) & set(b)) for a, b in zip(_nearest(before, k), _nearest(after, k), strict=True)]
    return Parity(len(before), float(cosines.mean()), float(cosines.min()), float(np.mean(kept)) / max(k, 1))


def _nearest(rows: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    near = rows @ rows.T  # [n, n]
    np.fill_diagonal(near, -np.inf)
    return np.argsort(-near, axis=1, kind="stable")[:, :k]


def _card(report: CompressReport) -> str:
    return (
        f"# {report.name}, compressed\n\n{report}.\n\n"
        "It runs in plain ONNX Runtime; `retailor_encoder.json` tells the pooling, and the prompt to put "
        "before a text:\n\n"
        "```python\nimport numpy as np, onnxruntime, tokenizers\n\n"
        'made = tokenizers.Tokenizer.from_file("tokenizer.json").encode("a text")\n'
        'session = onnxruntime.InferenceSession("model.onnx")\n'
        'whole = {"input_ids": made.ids, "attention_mask": made.attention_mask, '
        '"token_type_ids": made.type_ids}\n'
        "inputs = {i.name: np.array([whole[i.name]]) for i in session.get_inputs()}\n"
        "hidden = session.run(None, inputs)[0][0]  # [tokens, dim]\n"
        "vector = hidden.mean(0) / np.linalg.norm(hidden.mean(0))\n```\n"
    )
