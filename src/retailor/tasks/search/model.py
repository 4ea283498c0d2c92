"""What fitting leaves: what is known of the items, what was learned, and how both are kept."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.models.local import load_encoder
from retailor.models.pictures.items import ItemPictures
from retailor.models.pictures.opening import open_pictures
from retailor.models.shapes import Encoder, OpenEncoder
from retailor.retrieval.bm25 import BM25Index
from retailor.tasks.search.item_table import ItemTable
from retailor.tasks.search.nearest import Nearest
from retailor.tasks.search.pictures import Looks
from retailor.tasks.search.presence.presence import Presence
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.rerank.reranker import Reranker
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.spelling import Speller
from retailor.tasks.search.suggest import Suggester
from retailor.tasks.search.synonyms.expansion import Synonyms
from retailor.tasks.search.understand import ties_of
from retailor.tasks.search.weights import SCORERS, Weights
from retailor.text.languages import reads

SUGGESTED = "synonyms.txt"
"""Pairs that the shop's own texts suggest, in the folder of the saved task."""


@dataclass(frozen=True)
class Fitted:
    """A search that knows a shop."""

    encoder: Encoder
    item_ids: Sequence[str]
    words: BM25Index
    catalogue: Catalogue
    nearest: Nearest
    speller: Speller
    suggester: Suggester | None
    weights: Weights
    """Of SCORERS, for queries that the encoder reads."""
    unread_weights: Weights
    """Of the others."""
    held_out: Mapping[str, Weights] = field(default_factory=dict)
    """Those learned without a judged query, by query: `evaluate` never uses some that saw it."""
    least_cosine: float = 0.0
    """Farther away than that are words that mean nothing."""
    n_reranked: int = 0
    reranker: Reranker | None = None
    """None where the settings leave the first look alone."""
    presence: Presence | None = None
    synonym_lines: Sequence[str] = ()
    """The merchant's."""
    suggested: Sequence[str] = ()
    looks: Looks | None = None

    @property
    def lexical(self) -> dict[str, BM25Index]:
        """What is scored by words, and the titles alone."""
        catalogue = self.catalogue
        return {SCORERS[0]: self.words, SCORERS[1]: catalogue.details, "titles": catalogue.titles}

    @property
    def table(self) -> ItemTable:
        """What items can be told apart by."""
        return self.catalogue.table

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each item."""
        return {item_id: row for row, item_id in enumerate(self.item_ids)}

    @cached_property
    def ties(self) -> NDArray[np.int32]:
        """The place of each item [I] among equal scores."""
        return ties_of(self.item_ids)

    @cached_property
    def by_tie(self) -> NDArray[np.int64]:
        """The rows [I] in the order of equal scores."""
        return np.argsort(self.ties)

    def ready(self) -> Fitted:
        """The same with all made that the first who asks would wait for."""
        self.table.ready()
        _ = self.rows, self.by_tie, self.catalogue.categories
        return self

    def reads(self, query: str) -> bool:
        """Whether the encoder knows the script of a query."""
        # No encoder was taught no Latin letters: 'ssd' in two pieces is a name, and 'laptops' a plural.
        return query.isascii() or reads(getattr(self.encoder, "tokenizer", None), query)

    def weights_of(self, query: str) -> Weights:
        """What words, details and meaning weigh for a query: the last less where the encoder cannot read."""
        return self.weights if self.reads(query) else self.unread_weights

    def with_catalogue(self, catalogue: Catalogue) -> Fitted:
        """The same over another catalogue, for all that looks."""
        reranker = self.reranker and replace(self.reranker, catalogue=catalogue)
        return replace(self, catalogue=catalogue, reranker=reranker)

    def with_synonyms(self, suggested: Sequence[str], settings: SearchSettings) -> Fitted:
        """The same by the merchant's synonyms, and by those suggested where the settings take them."""
        lines = [*self.synonym_lines, *(suggested if settings.mined_synonyms else ())]
        synonyms = Synonyms.of(lines, settings.synonym_weight)
        return replace(
            self.with_catalogue(replace(self.catalogue, synonyms=synonyms)), suggested=tuple(suggested)
        )


def save(made: Fitted, folder: Path) -> None:
    """Writes the files of a fitted search into an open artifact folder."""
    for name, index in made.lexical.items():
        (folder / name).mkdir()
        index.save(folder / name)
    made.nearest.save(folder)
    made.table.save(folder)
    if made.suggester is not None:
        made.suggester.save(folder)
    if made.reranker is not None:
        made.reranker.save(folder)
    state: dict[str, Any] = {
        "item_ids": list(made.item_ids),
        "word_counts": made.speller.counts,
        "least_cosine": made.least_cosine,
        "weights": made.weights,
        "unread_weights": made.unread_weights,
        "held_out": dict(made.held_out),
        "synonyms": list(made.synonym_lines),
        "presence": None if made.presence is None else made.presence.plain(),
    }
    if made.looks is not None:
        made.looks.pictures.save(folder / "pictures")
        state["picture_weight"] = made.looks.weight
    (folder / "search.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
    (folder / SUGGESTED).write_text("\n".join([*made.suggested, ""]), encoding="utf-8")
    made.encoder.save(folder / "encoder")


def load(
    folder: Path, settings: SearchSettings, *, has_table: bool, open_encoder: OpenEncoder | None
) -> Fitted:
    """The inverse of `save`. Raises DataError on what an earlier Retailor saved."""
    state = json.loads((folder / "search.json").read_text(encoding="utf-8"))
    table = ItemTable.load(folder) if has_table else None
    if "least_cosine" not in state or table is None or "path" not in table.frame.columns:
        raise DataError("this search was saved by an earlier Retailor: fit it again.", path=folder)
    encoder = (open_encoder or load_encoder)(folder / "encoder")
    lexical = {name: BM25Index.load(folder / name) for name in (*SCORERS[:2], "titles")}
    nearest = Nearest.load(folder, settings)
    looks = None
    if "picture_weight" in state:
        pictures = ItemPictures.load(folder / "pictures", open_pictures)
        looks = Looks.of(pictures, state["item_ids"], state["picture_weight"])
    suggested = folder / SUGGESTED
    catalogue = Catalogue(
        lexical["details"],
        lexical["titles"],
        nearest.vectors,
        table.indexed(lexical["titles"], lexical["details"]),
    )
    made = Fitted(
        encoder=encoder,
        item_ids=state["item_ids"],
        words=lexical[SCORERS[0]],
        catalogue=catalogue,
        nearest=nearest,
        speller=Speller(state["word_counts"]),
        suggester=Suggester.load(folder),
        weights=tuple(state["weights"]),
        unread_weights=tuple(state["unread_weights"]),
        held_out=state["held_out"],
        least_cosine=state["least_cosine"],
        n_reranked=settings.n_reranked,
        reranker=Reranker.load(folder, catalogue) if settings.looks_twice else None,
        presence=Presence.of(state.get("presence")),
        synonym_lines=state.get("synonyms", []),
        looks=looks,
    )
    lines = suggested.read_text(encoding="utf-8").splitlines() if suggested.exists() else []
    return made.with_synonyms(lines, settings).ready()
