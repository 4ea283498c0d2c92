"""The passages of a shop, ready to be searched: an item's page, or the whole catalogue."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import save_file

from retailor.errors import DataError
from retailor.models.encoding import memo_vectors
from retailor.models.shapes import Encoder
from retailor.retrieval.blend import standardise
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.tokens import words
from retailor.seeds import stream
from retailor.store.shared import load_floats
from retailor.tasks.answer.evidence.features import Chance, features
from retailor.tasks.answer.shapes import Evidence

N_CHANCE = 512
MAX_REVIEWS = 50
"""Reviews that are named as the writers of a sentence."""
CATEGORIES = "categories.json"
NAMED = 0.4
"""The share of a title's weight that names the item."""


class PassageIndex:
    """Passages with their words and vectors, an item's together."""

    def __init__(
        self,
        table: pl.DataFrame,
        vectors: NDArray[np.float32],
        lexical: BM25Index,
        categories: Mapping[str, str] | None = None,
    ) -> None:
        self.table, self.vectors, self.lexical = table, vectors, lexical
        self.categories: Mapping[str, str] = categories or {}
        """An item to the path of its category."""
        self.texts: list[str] = table["text"].to_list()
        self.sources: list[str] = table["source"].to_list()
        self.items: list[str | None] = table["item_id"].to_list()
        self.questions: list[str | None] = table["question"].to_list()
        self.question_ids: list[str | None] = table["question_id"].to_list()
        self.reviews: list[list[str]] = table["reviews"].to_list()
        self.stars: list[list[float | None]] = table["stars"].to_list()
        self.headings: list[str | None] = table["heading"].to_list()
        self.paths: list[str | None] = table["path"].to_list()
        self.rules = np.flatnonzero(np.array(self.sources) == "rule")
        """The rows of the shop's own rules."""
        self.matches = match_texts(table)
        self._places = _places(self.items)
        self.titles: dict[str, str] = {}
        for item, source, text in zip(self.items, self.sources, self.texts, strict=True):
            if source == "title" and item is not None:
                self.titles.setdefault(item, text)
        self._topics = {item: frozenset(words(title)) for item, title in self.titles.items()}
        self._item_ids = list(self._places)
        self._item_words = BM25Index.of(
            " ".join(
                self.texts[row]
                for row in range(place.start, place.stop)
                if self.sources[row] in ("title", "attribute")
            )
            for place in self._places.values()
        )
        # The title speaks for the item; the first passage where there is none.
        heads = [self._head(place) for place in self._places.values()]
        self._item_vectors = vectors[heads] if heads else vectors[:0]
        drawn = stream(0, "answer", "chance").permutation(len(vectors))[:N_CHANCE]
        self._chance_vectors = vectors[np.sort(drawn)]

    @classmethod
    def of(
        cls,
        table: pl.DataFrame,
        encoder: Encoder,
        *,
        categories: Mapping[str, str] | None = None,
        work: Path | None = None,
    ) -> Self:
        """The index of the table's passages; their vectors are kept in `work` as they come."""
        matches = match_texts(table)
        # Half precision, as they will be on disk: a loaded index ranks exactly as the fitted one.
        vectors = memo_vectors(encoder, matches, work=work).astype(np.float16).astype(np.float32)
        return cls(table, vectors, BM25Index.of(matches), categories)

    def __len__(self) -> int:
        return len(self.texts)

    def page(self, item_id: str | None) -> NDArray[np.int64]:
        """The rows of an item's passages; none for an unknown item and for None."""
        place = self._places.get(item_id) if item_id is not None else None
        return np.zeros(0, dtype=np.int64) if place is None else np.arange(place.start, place.stop)

    def knows(self, item_id: str) -> bool:
        """Whether the item has a passage."""
        return item_id in self._places

    def topic(self, item_id: str | None) -> frozenset[str]:
        """The words that name the item: a passage of it need not repeat them."""
        return self._topics.get(item_id, frozenset()) if item_id is not None else frozenset()

    def chance(self, vector: NDArray[np.float32]) -> Chance:
        """The cosines of a question with passages drawn at random."""
        cosines = self._chance_vectors @ vector
        if not cosines.size:
            return Chance(0.0, 1.0)
        return Chance(float(cosines.mean()), max(float(cosines.std()), 1e-3))

    def best_of(
        self, question: str, vector: NDArray[np.float32], rows: NDArray[np.int64], n: int
    ) -> NDArray[np.int64]:
        """The n of `rows` that words and meaning together put first, in the order of rows."""
        if len(rows) <= n:
            return rows
        together = _z(self.lexical.subset(question, rows)) + _z(self.vectors[rows] @ vector)
        return np.sort(rows[np.argsort(-together, kind="stable")[:n]])

    def best_anywhere(self, question: str, vector: NDArray[np.float32], n: int) -> NDArray[np.int64]:
        """The n passages of the whole catalogue that words and meaning put first."""
        together = _z(self.lexical.score(question)) + _z(self.vectors @ vector)
        n = min(n, len(together))
        return np.sort(np.argpartition(-together, n - 1)[:n]) if n else np.zeros(0, dtype=np.int64)

    def best_items(self, question: str, vector: NDArray[np.float32], n: int) -> dict[str, float]:
        """The n items that the question is most likely about, with their z-scores."""
        together = _z(self._item_words.score(question)) + _z(self._item_vectors @ vector)
        order = np.argsort(-together, kind="stable")[:n]
        return {self._item_ids[int(row)]: float(together[row]) for row in order}

    def stars_of(self, row: int) -> list[float]:
        """The stars of the reviews that say it, where they have some."""
        return [stars for stars in self.stars[row] if stars is not None]

    def evidence(self, row: int, score: float) -> Evidence:
        """The passage of a row as evidence."""
        return Evidence(
            self.texts[row],
            self.sources[row],
            self.items[row],
            round(score, 6),
            None if self.paths[row] is None else f"{self.paths[row]} › {self.headings[row]}",
            tuple(self.reviews[row][:MAX_REVIEWS]),
        )

    def writers(self, quoted: Sequence[Evidence]) -> int:
        """How many reviews say one of the sentences."""
        said = {(each.item_id, each.text) for each in quoted}
        items = {each.item_id for each in quoted if each.item_id is not None}
        rows = (row for item in items for row in self.page(item).tolist())
        return len(
            {r for row in rows if (self.items[row], self.texts[row]) in said for r in self.reviews[row]}
        )

    def named_in(self, question: str, *, but: str | None) -> str | None:
        """The item, other than `but`, that the question names, by its title; None for none or for several."""
        said = set(words(question))
        best: list[tuple[float, str]] = []
        for item, topic in self._topics.items():
            shared = topic & said
            if item != but and len(shared) > 1:
                best.append((sum(map(self.lexical.idf, shared)), item))
        best.sort(reverse=True)
        if not best or (len(best) > 1 and best[1][0] == best[0][0]):
            return None
        whole = sum(map(self.lexical.idf, self._topics[best[0][1]]))
        return best[0][1] if best[0][0] >= NAMED * whole else None

    def features(
        self, question: str, vector: NDArray[np.float32], rows: NDArray[np.int64], topic: frozenset[str]
    ) -> NDArray[np.float32]:
        """The features [n, F] of some passages for a question."""
        return features(
            question,
            topic,
            [self.matches[row] for row in rows],
            [self.sources[row] for row in rows],
            self.vectors[rows] @ vector,
            self.lexical,
            self.chance(vector),
        )

    def save(self, folder: Path) -> None:
        """Writes passages in Parquet, vectors in safetensors and words into `folder`."""
        self.table.write_parquet(Path(folder) / "passages.parquet")
        save_file({"vectors": self.vectors.astype(np.float16)}, Path(folder) / "vectors.safetensors")
        self.lexical.save(folder)
        told = json.dumps(self.categories, ensure_ascii=False, indent=0)
        (Path(folder) / CATEGORIES).write_text(told, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The saved index. Raises DataError when its parts do not belong together."""
        table = pl.read_parquet(Path(folder) / "passages.parquet")
        if "stars" not in table.columns or not (Path(folder) / CATEGORIES).exists():
            raise DataError("these answers were made by an earlier version; fit the task again.", path=folder)
        vectors = load_floats(Path(folder) / "vectors.safetensors", "vectors")
        lexical = BM25Index.load(folder)
        if not len(table) == len(vectors) == len(lexical):
            raise DataError("passages, vectors and words differ in number; fit the task again.", path=folder)
        return cls(
            table, vectors, lexical, json.loads((Path(folder) / CATEGORIES).read_text(encoding="utf-8"))
        )

    def kept(self, rows: NDArray[np.bool_], reviews: list[list[int]]) -> Self:
        """The index of some of its passages [P], each with its reviews at these places alone."""
        lists: dict[str, list[list[Any]]] = {"reviews": [*self.reviews], "stars": [*self.stars]}
        table = self.table.with_columns(
            pl.Series(
                name,
                [[each[i] for i in some] for each, some in zip(values, reviews, strict=True)],
                dtype=self.table[name].dtype,
            )
            for name, values in lists.items()
        )
        left = table.filter(pl.Series(rows))
        return type(self)(left, self.vectors[rows], self.lexical.kept(rows), self.categories)

    def _head(self, place: range) -> int:
        return next((row for row in place if self.sources[row] == "title"), place.start)


def match_texts(table: pl.DataFrame) -> list[str]:
    """What a question is compared with: an answer with its question, a rule with its heading, a text."""
    return [
        f"{before} {text}" if before else text
        for text, before in table.select("text", pl.coalesce("question", "heading")).iter_rows()
    ]


def _z(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    return standardise(scores[None])[0] if scores.size else scores


def _places(items: Sequence[str | None]) -> dict[str, range]:
    places: dict[str, range] = {}
    for row, item in enumerate(items):
        if item is None:
            continue
        first = places[item].start if item in places else row
        places[item] = range(first, row + 1)
    return places
