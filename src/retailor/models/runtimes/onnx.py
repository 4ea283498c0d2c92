"""An encoder whose graph ONNX Runtime or OpenVINO runs: a compressed one, without torch."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError, ModelError
from retailor.machine import n_cores
from retailor.models.kept_tokenizers import kept
from retailor.models.runtimes.openvino_package import GRAPH
from retailor.models.runtimes.sessions import Engine, open_session
from retailor.models.shapes import Role
from retailor.models.well_formed import well_formed
from retailor.store import artifact

FILES = ("tokenizer.json", "retailor_encoder.json")
GRAPHS = ("model.onnx", GRAPH)
BUDGET_TOKENS = 1024
"""Of one batch, padded. The same on every machine: an int8 graph scales a batch as a whole, so that another
batch would be other vectors."""
POOLINGS = ("mean", "cls", "last")


class OnnxEncoder:
    """Texts in, unit vectors out, from a folder with a graph, `tokenizer.json` and a description.

    The graph, `model.onnx` or OpenVINO's `openvino_model.xml`, takes input_ids, attention_mask and, if it was
    trained with them, token_type_ids, all int64 [batch, length]; its output `last_hidden_state` is float32
    [batch, length, dim]. `engine` is the runtime, that of the description unless given. Batches run beside
    each other, each on one core: a batch that is spread over the cores spends its time waiting for the
    slowest.
    """

    def __init__(
        self,
        folder: Path,
        *,
        n_threads: int | None = None,
        engine: Engine | None = None,
        provider: str = "cpu",
        exact: bool = False,
    ) -> None:
        self.folder = Path(folder)
        graph = next((self.folder / name for name in GRAPHS if (self.folder / name).is_file()), None)
        for path in (graph or self.folder / GRAPHS[0], *(self.folder / name for name in FILES)):
            if not path.is_file():
                raise DataError("the file is missing; compress the encoder again.", path=path)
        assert graph is not None
        about: Mapping[str, Any] = json.loads((self.folder / FILES[1]).read_text(encoding="utf-8"))
        self.name, self.dim = str(about["name"]), int(about["dim"])
        self.pooling = str(about["pooling"])
        if self.pooling not in POOLINGS:
            raise ModelError(
                f"{folder} pools by '{self.pooling}'; a compressed encoder pools by {', '.join(POOLINGS)}.",
                asked=self.pooling,
                can=POOLINGS,
            )
        self.prompts = {"query": "", "passage": "", **about["prompts"]}
        self.max_tokens = int(about["max_tokens"])
        self.tokenizer = kept(self.folder) or graph_tokenizer(self.folder)
        self._pad_id = int(about.get("pad_id", 0))
        self.engine: Engine = engine or ("openvino" if about.get("engine") == "openvino" else "onnx")
        self.session = open_session(graph, self.engine, provider, exact=exact)
        self._threads = ThreadPoolExecutor(n_threads or n_cores(), thread_name_prefix="onnx")

    @classmethod
    def load(cls, folder: Path, engine: Engine | None = None, provider: str = "cpu") -> Self:
        """A compressed encoder. Raises DataError that names a missing or corrupt file."""
        if (Path(folder) / artifact.MANIFEST).exists():
            artifact.verify(folder, "encoder")
        return cls(folder, engine=engine, provider=provider)

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim], in the order of `texts`; [0, dim] for no texts. Long texts are cut."""
        rows = np.zeros((len(texts), self.dim), dtype=np.float32)
        # No more than this at a time: token objects are much larger than their texts.
        for start in range(0, len(texts), 16384):
            window = [self.prompts[role] + text for text in well_formed(texts[start : start + 16384])]
            ids = [made.ids for made in self.tokenizer.encode_batch_fast(window)]
            batches = list(_batches([len(row) for row in ids]))
            tokens = [[ids[i] for i in picked] for picked in batches]
            run: Any = self._threads.map if len(tokens) > 1 else map  # one alone stays in this thread
            for picked, vectors in zip(batches, run(self._unit_rows, tokens), strict=True):
                rows[start + picked] = vectors
        return rows

    def _unit_rows(self, ids: list[list[int]]) -> NDArray[np.float32]:
        width = max(1, max(len(row) for row in ids))
        batch = {name: np.zeros((len(ids), width), dtype=np.int64) for name in self.session.inputs}
        for i, row in enumerate(ids):
            batch["input_ids"][i, : len(row)] = row
            batch["attention_mask"][i, : len(row)] = 1
        batch["input_ids"][batch["attention_mask"] == 0] = self._pad_id
        hidden = self.session.run(batch)  # [B, T, dim]
        vectors = pool(hidden, batch["attention_mask"], self.pooling)
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.maximum(norms, 1e-12), dtype=np.float32)

    def save(self, folder: Path) -> None:
        """Writes the same files as an artifact of kind 'encoder'."""
        about = json.loads((self.folder / FILES[1]).read_text(encoding="utf-8"))
        with artifact.writing(folder, "encoder", settings=about) as new:
            for path in self.folder.iterdir():
                if path.is_file() and path.name != artifact.MANIFEST:
                    shutil.copy(path, new / path.name)

    def __repr__(self) -> str:
        return f"OnnxEncoder({self.name!r}, dim={self.dim}, pooling={self.pooling!r})"


def holds_graph(folder: Path) -> bool:
    """Whether a folder holds an encoder as a graph, and no network."""
    return any((folder / name).is_file() for name in GRAPHS) and not (folder / "model.safetensors").exists()


def pool(hidden: NDArray[np.float32], mask: NDArray[np.int64], pooling: str) -> NDArray[np.float32]:
    """Vectors [B, dim] of hidden states [B, T, dim], padded right: their mean, first or last token."""
    if pooling == "cls":
        return hidden[:, 0]
    if pooling == "last":
        return np.asarray(hidden[np.arange(len(hidden)), mask.sum(axis=1) - 1])
    weights = mask[..., None].astype(np.float32)
    return np.asarray((hidden * weights).sum(axis=1) / np.maximum(weights.sum(axis=1), 1e-9))


def _batches(lengths: Sequence[int]) -> Iterator[NDArray[np.int64]]:
    """Row numbers, longest first, in batches of at most BUDGET_TOKENS once padded (or of one text)."""
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        stop = start + max(1, BUDGET_TOKENS // max(1, int(lengths[order[start]])))
        yield order[start:stop]
        start = stop


def graph_tokenizer(folder: Path) -> Any:
    """The tokenizer beside a graph: of the package tokenizers, without padding, cut where the network ends.

    Raises DataError for a file that cannot be read.
    """
    from tokenizers import Tokenizer

    try:
        about = json.loads((folder / FILES[1]).read_text(encoding="utf-8"))
        found = Tokenizer.from_file(str(folder / FILES[0]))
    except Exception as error:
        raise DataError(f"no tokenizer can be read from it: {error}", path=folder / FILES[0]) from None
    found.no_padding()
    found.enable_truncation(int(about["max_tokens"]))
    return found
