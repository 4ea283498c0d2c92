"""What fitting leaves: the catalogue, the customers, the parts and their blends; and how it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor.models.shapes import Encoder, OpenEncoder
from retailor.retrieval.blend import Blend
from retailor.retrieval.collaborative import Histories, Popularity, Scorer
from retailor.retrieval.vectors import VectorIndex
from retailor.tasks.recommend.blend.coldness import ColdBlend, Groups, item_groups
from retailor.tasks.recommend.customers import Catalogue, Customers
from retailor.tasks.recommend.query.candidates import Finder, levelled, vectors_of
from retailor.tasks.recommend.scorers.parts import Features, parts_of, tensors_of
from retailor.tasks.recommend.scorers.tfidf import WordSpace
from retailor.tasks.recommend.scorers.two_tower import Whitening
from retailor.tasks.recommend.settings import RecommendSettings

F32 = NDArray[np.float32]
Tensors = dict[str, NDArray[Any]]
BY_MEANING = ("taste", "own words")
"""Parts whose `items` are the features' meaning: kept once."""


@dataclass(frozen=True)
class Understanding:
    """Words and meaning of the items, and the means to read further texts alike."""

    features: Features
    words: WordSpace | None = None
    encoder: Encoder | None = None
    whitening: Whitening | None = None


@dataclass(frozen=True)
class Fitted:
    """A recommender that knows a shop."""

    catalogue: Catalogue
    customers: Customers
    understanding: Understanding
    parts: Mapping[str, Scorer]
    systems: Mapping[str, Blend]
    """The rows that 'retailor' is compared with."""
    blend: ColdBlend
    """The row 'retailor', which answers."""
    finder: Finder | None = None
    """Where a question is answered from candidates: how they are found. None scores every item."""

    @property
    def n_seen(self) -> F32:
        """How many customers have each item [I]."""
        popular = self.parts["popularity"]
        assert isinstance(popular, Popularity)
        return popular.counts

    @cached_property
    def item_groups(self) -> Groups:
        """How cold each item is [I], as a number in coldness.ITEMS."""
        return item_groups(self.n_seen)


def finder_of(
    parts: Mapping[str, Scorer],
    blend: ColdBlend,
    catalogue: Catalogue,
    settings: RecommendSettings,
    indexes: Mapping[str, VectorIndex] | None = None,
) -> Finder | None:
    """How candidates are found for the parts in use; None where every item is scored."""
    if not settings.by_candidates(len(catalogue)):
        return None
    return Finder.of(parts, blend.used(), catalogue.ties, settings.n_candidates, indexes)


def save(fitted: Fitted, folder: Path) -> None:
    """Writes the files of a fitted recommender into an open artifact folder."""
    understanding = fitted.understanding
    fitted.catalogue.table().write_parquet(folder / "items.parquet")
    users = pl.DataFrame({"user_id": fitted.customers.user_ids}, schema={"user_id": pl.String})
    users.write_parquet(folder / "customers.parquet")
    save_file(_tensors(fitted), folder / "parts.safetensors")
    state = {
        "systems": {row: blend.to_dict() for row, blend in fitted.systems.items()},
        "blend": fitted.blend.to_dict(),
        "vocabulary": None if understanding.words is None else list(understanding.words.vocabulary),
        "encoder": understanding.encoder is not None,
    }
    (folder / "recommend.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    if understanding.encoder is not None:
        understanding.encoder.save(folder / "encoder")
    if fitted.finder is not None:
        for name, near in fitted.finder.near.items():
            near.index.save_graph(folder / f"near-{name}.usearch")


def _tensors(fitted: Fitted) -> Tensors:
    histories, known = fitted.customers.histories, fitted.understanding
    found = tensors_of(fitted.parts)
    for name in BY_MEANING:
        found.pop(f"{name}/items", None)  # the same array as the features' meaning
    found["history/offsets"], found["history/items"] = histories.offsets, histories.items
    found["history/weights"] = histories.weights
    if histories.said is not None:
        found["history/said"] = histories.said
    if known.features.words is not None:
        for name in ("data", "indices", "indptr"):
            found[f"words/{name}"] = getattr(known.features.words, name)
    if known.words is not None:
        found["words/rarity"] = known.words.rarity
    if known.features.meaning is not None and known.whitening is not None:
        found["meaning/items"] = known.features.meaning
        found["meaning/mean"], found["meaning/rotation"] = known.whitening.mean, known.whitening.rotation
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def load(folder: Path, settings: RecommendSettings, open_encoder: OpenEncoder | None = None) -> Fitted:
    """The inverse of `save`."""
    state = json.loads((folder / "recommend.json").read_text(encoding="utf-8"))
    encoder = None
    if state["encoder"]:
        from retailor.models.local import load_encoder

        encoder = (open_encoder or load_encoder)(folder / "encoder")
    catalogue = Catalogue.of_table(pl.read_parquet(folder / "items.parquet"))
    tensors = load_file(folder / "parts.safetensors")
    rooms = ("history/", "words/", "meaning/")
    own = {name: tensors.pop(name) for name in list(tensors) if name.startswith(rooms)}
    understanding = _understanding(own, state["vocabulary"], len(catalogue), encoder)
    for name in BY_MEANING:
        if understanding.features.meaning is not None and f"{name}/decay" in tensors:
            tensors[f"{name}/items"] = understanding.features.meaning
    offsets, items, weights = (own[f"history/{name}"] for name in ("offsets", "items", "weights"))
    histories = Histories(offsets, items, weights, own.get("history/said"))
    user_ids = tuple(pl.read_parquet(folder / "customers.parquet")["user_id"])
    systems = {
        row: Blend(tuple(weights), tuple(weights.values())) for row, weights in state["systems"].items()
    }
    blend = ColdBlend.of_dict(state["blend"])
    parts = parts_of(tensors)
    indexes = {
        name: index for name in blend.used() if (index := _index(folder, name, parts[name])) is not None
    }
    finder = finder_of(parts, blend, catalogue, settings, indexes)
    customers = Customers(user_ids, histories)
    return Fitted(catalogue, customers, understanding, parts, systems, blend, finder)


def _index(folder: Path, name: str, part: Scorer) -> VectorIndex | None:
    """The saved graph over the vectors of a part, if there is one."""
    table, path = vectors_of(part), folder / f"near-{name}.usearch"
    if table is None or not path.is_file():
        return None
    return VectorIndex.with_graph(levelled(table), path)


def _understanding(
    own: Tensors, vocabulary: list[str] | None, n_items: int, encoder: Encoder | None
) -> Understanding:
    space = words = whitening = None
    if vocabulary is not None:
        space = WordSpace({word: i for i, word in enumerate(vocabulary)}, own["words/rarity"])
    if "words/data" in own:
        csr = tuple(own[f"words/{name}"] for name in ("data", "indices", "indptr"))
        words = sp.csr_matrix(csr, shape=(n_items, len(vocabulary or ())))
    if "meaning/items" in own:
        whitening = Whitening(own["meaning/mean"], own["meaning/rotation"])
    return Understanding(Features(words, own.get("meaning/items")), space, encoder, whitening)
