"""What fitting leaves: the catalogue, the customers, the parts and their blends; and how it is kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray
from safetensors.numpy import save_file

from retailor.errors import DataError
from retailor.models.encoding import memo_vectors
from retailor.models.pictures.items import ItemPictures
from retailor.models.shapes import Encoder, OpenEncoder
from retailor.retrieval.blend import Blend
from retailor.retrieval.counting import Counts, How
from retailor.retrieval.histories import Histories, Scorer
from retailor.retrieval.item_to_item import ItemToItem
from retailor.retrieval.neighbours import COUNTING
from retailor.retrieval.popularity import Popularity
from retailor.retrieval.vectors import VectorIndex
from retailor.store.shared import load_arrays
from retailor.tasks.recommend.blend.coldness import ColdBlend, Groups, item_groups
from retailor.tasks.recommend.catalogue import Catalogue
from retailor.tasks.recommend.customers import Customers
from retailor.tasks.recommend.query.candidates import Finder, vectors_of
from retailor.tasks.recommend.scorers.parts import Features, parts_of, tensors_of
from retailor.tasks.recommend.scorers.tfidf import TfidfVectorizer
from retailor.tasks.recommend.scorers.two_tower import Whitening
from retailor.tasks.recommend.settings import RecommendSettings

F32 = NDArray[np.float32]
Tensors = dict[str, NDArray[Any]]
FORMAT = 2
"""Of what `save` writes; another when the names in it change."""
BY_EMBEDDINGS = ("two_tower", "user_reviews")
"""Parts whose `items` are the features' embeddings: kept once."""


@dataclass(frozen=True)
class Understanding:
    """TF-IDF and embeddings of the items, and the means to read further texts alike."""

    features: Features
    vectorizer: TfidfVectorizer | None = None
    encoder: Encoder | None = None
    whitening: Whitening | None = None
    between: F32 = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    """Directions [k, d] between the languages of the items' embeddings: none where there is one language."""


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
    how: How | None = None
    """How the neighbours were counted of the customers' histories; None where they are of others, such as
    those of a fit that held some events out, or of people who were forgotten since."""

    def counts(self, settings: RecommendSettings) -> Counts:
        """What is counted of the histories, and can be counted on: made once, by the size of the shop."""
        found: Counts | None = vars(self).get("_counts")
        if found is None:
            found = self._counted(settings)
            vars(self)["_counts"] = found
        return found.widened(len(self.catalogue))

    def _counted(self, settings: RecommendSettings) -> Counts:
        histories, n_items = self.customers.histories, len(self.catalogue)
        if self.how is None:
            return Counts.of(histories, n_items, settings.links(n_items), settings.max_pairs)
        knn, after = self.parts["item_knn"], self.parts["sequential_knn"]
        assert isinstance(knn, ItemToItem) and isinstance(after, ItemToItem)
        return Counts.known(histories, self.how, knn, after)

    def with_counts(self, counts: Counts | None) -> Self:
        """The same, which need not be counted again."""
        if counts is not None:
            vars(self)["_counts"] = counts
        return self

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


def review_embeddings(known: Understanding, reviews: Sequence[str], work: Path | None) -> F32 | None:
    """The whitened embeddings [R, d] of what customers wrote, if there is anything to read and to read by."""
    if not reviews or known.encoder is None or known.whitening is None:
        return None
    return known.whitening(memo_vectors(known.encoder, list(reviews), work=work))


def seen(pictures: ItemPictures | None, catalogue: Catalogue) -> F32 | None:
    """The whitened vectors [I, p] of the items' pictures, zero for an item without one; None without any."""
    table = None if pictures is None else pictures.at(catalogue.item_ids)
    has_one = None if table is None else table.any(axis=1)
    if table is None or has_one is None or has_one.sum() < 2:
        return None
    return Whitening.of(table[has_one])(table)


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
    users = pl.DataFrame({"user_id": list(fitted.customers.user_ids)}, schema={"user_id": pl.String})
    users.write_parquet(folder / "customers.parquet")
    save_file(_tensors(fitted), folder / "parts.safetensors")
    state = {
        "format": FORMAT,
        "systems": {row: blend.to_dict() for row, blend in fitted.systems.items()},
        "blend": fitted.blend.to_dict(),
        "vocabulary": None if understanding.vectorizer is None else list(understanding.vectorizer.vocabulary),
        "encoder": understanding.encoder is not None,
        "counted": None if fitted.how is None else {"counting": COUNTING, **asdict(fitted.how)},
    }
    (folder / "recommend.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    if understanding.encoder is not None:
        understanding.encoder.save(folder / "encoder")
    if fitted.finder is not None:
        for name, near in fitted.finder.near.items():
            if len(near.index) < len(fitted.catalogue):
                continue  # it lacks items that an update took in, and is built when it is loaded
            near.index.save_graph(folder / f"near-{name}.usearch")


def _tensors(fitted: Fitted) -> Tensors:
    histories, known = fitted.customers.histories, fitted.understanding
    found = tensors_of(fitted.parts)
    for name in BY_EMBEDDINGS:
        found.pop(f"{name}/items", None)  # the same array as the features' embeddings
    found["history/offsets"], found["history/items"] = histories.offsets, histories.items
    found["history/weights"] = histories.weights
    if histories.reviews is not None:
        found["history/reviews"] = histories.reviews
    if histories.baskets is not None:
        found["history/baskets"] = histories.baskets
    if known.features.tfidf is not None:
        for name in ("data", "indices", "indptr"):
            found[f"item_tfidf/{name}"] = getattr(known.features.tfidf, name)
    if known.vectorizer is not None:
        found["item_tfidf/idf"] = known.vectorizer.idf
    if known.features.embeddings is not None and known.whitening is not None:
        found["item_embeddings/items"] = known.features.embeddings
        found["item_embeddings/mean"] = known.whitening.mean
        found["item_embeddings/rotation"] = known.whitening.rotation
        if len(known.between):
            found["item_embeddings/between"] = known.between
    return {name: np.ascontiguousarray(value) for name, value in found.items()}


def load(folder: Path, settings: RecommendSettings, open_encoder: OpenEncoder | None = None) -> Fitted:
    """The inverse of `save`."""
    state = _state(folder)
    encoder = None
    if state["encoder"]:
        from retailor.models.local import load_encoder

        encoder = (open_encoder or load_encoder)(folder / "encoder")
    catalogue = Catalogue.of_table(pl.read_parquet(folder / "items.parquet"))
    tensors = load_arrays(folder / "parts.safetensors")
    rooms = ("history/", "item_tfidf/", "item_embeddings/")
    own = {name: tensors.pop(name) for name in list(tensors) if name.startswith(rooms)}
    understanding = _understanding(own, state["vocabulary"], len(catalogue), encoder)
    for name in BY_EMBEDDINGS:
        if understanding.features.embeddings is not None and f"{name}/decay" in tensors:
            tensors[f"{name}/items"] = understanding.features.embeddings
    offsets, items, weights = (own[f"history/{name}"] for name in ("offsets", "items", "weights"))
    histories = Histories(offsets, items, weights, own.get("history/reviews"), own.get("history/baskets"))
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
    return Fitted(
        catalogue, customers, understanding, parts, systems, blend, finder, _how(state.get("counted"))
    )


def _how(told: Mapping[str, Any] | None) -> How | None:
    """What `save` noted of the counting; None where another Retailor counted, or nobody said."""
    if told is None or told["counting"] != COUNTING:
        return None
    return How(told["n_links"], told["latest"])


def check_format(folder: Path) -> None:
    """Raises DataError where another Retailor wrote the recommender, and named what is in it otherwise."""
    found = _state(folder).get("format", 1)
    if found != FORMAT:
        raise DataError(
            f"this recommender was saved in format {found}, with other names of its parts and settings; this "
            f"Retailor reads format {FORMAT}: fit it again.",
            path=folder,
            value=found,
        )


def _state(folder: Path) -> dict[str, Any]:
    state = json.loads((folder / "recommend.json").read_text(encoding="utf-8"))
    assert isinstance(state, dict)
    return state


def _index(folder: Path, name: str, part: Scorer) -> VectorIndex | None:
    """The saved graph over the vectors of a part, if there is one."""
    table, path = vectors_of(part), folder / f"near-{name}.usearch"
    if table is None or not path.is_file():
        return None
    return VectorIndex.with_graph(table, path)


def _understanding(
    own: Tensors, vocabulary: list[str] | None, n_items: int, encoder: Encoder | None
) -> Understanding:
    vectorizer = tfidf = whitening = None
    if vocabulary is not None:
        vectorizer = TfidfVectorizer({word: i for i, word in enumerate(vocabulary)}, own["item_tfidf/idf"])
    if "item_tfidf/data" in own:
        csr = tuple(own[f"item_tfidf/{name}"] for name in ("data", "indices", "indptr"))
        tfidf = sp.csr_matrix(csr, shape=(n_items, len(vocabulary or ())))
    if "item_embeddings/items" in own:
        whitening = Whitening(own["item_embeddings/mean"], own["item_embeddings/rotation"])
    features = Features(tfidf, own.get("item_embeddings/items"))
    between = own.get("item_embeddings/between", np.zeros((0, 0), np.float32))
    return Understanding(features, vectorizer, encoder, whitening, between)
