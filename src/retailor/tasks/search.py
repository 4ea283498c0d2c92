"""Search by words (BM25) and meaning (encoder vectors), joined with a weight learned from judgments."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor import artifact
from retailor.config import Field, as_dict, read_settings, settings
from retailor.errors import DataError, ModelError
from retailor.metrics.interval import score_mean
from retailor.metrics.scores import Scores
from retailor.models.shapes import Encoder
from retailor.progress import track
from retailor.retrieval.lexical import BM25Index
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.shapes import Found, Recommended, SearchQuery

GRID = tuple(round(0.05 * step, 2) for step in range(21))
METRICS = ("ndcg@10", "mrr", "recall@10", "recall@100")


@settings
class SearchSettings:
    """`weight`: the share of meaning in the score: 0 words alone, 1 meaning alone, None learned."""

    weight: float | None = Field(default=None, ge=0, le=1)
    default_weight: float = Field(default=0.5, ge=0, le=1)
    """Taken when the shop has fewer than `min_queries` judged queries."""
    min_queries: int = Field(default=20, ge=2)
    n_folds: int = Field(default=10, ge=2)
    k1: float = Field(default=1.2, gt=0)
    b: float = Field(default=0.75, ge=0, le=1)
    words_of_attributes: bool = False
    """Attribute values among the words: finds more, ranks worse where titles already say the essential."""
    max_query_chars: int = Field(default=1000, gt=0)
    max_k: int = Field(default=1000, gt=0)
    seed: int = 0


class Search:
    """Finds items by words and meaning. Needs the table `items`; `judgments` teach it the blend."""

    kind: ClassVar[str] = "search"

    def __init__(self, encoder: Encoder, settings: SearchSettings | None = None) -> None:
        self.encoder = encoder
        self.settings = settings or SearchSettings()
        self.weight = self.settings.default_weight
        self.log: dict[str, Any] = {}
        self._item_ids: list[str] = []
        self._words: BM25Index | None = None
        self._vectors: NDArray[np.float32] = np.zeros((0, encoder.dim), dtype=np.float32)
        # The weight learned without a judged query, by query: `evaluate` never uses one that saw it.
        self._held_out: dict[str, float] = {}

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        """Indexes the catalogue and learns the weight. Raises MissingTable without items."""
        shop.require("search", "items")
        started = time.perf_counter()
        self._item_ids = shop.items["item_id"].to_list()
        self._words = BM25Index.of(
            _word_texts(shop.items, self.settings.words_of_attributes), k1=self.settings.k1, b=self.settings.b
        )
        self._vectors = _rounded(self.encoder.encode(_word_texts(shop.items, False)))
        self.log = {"n_items": len(self._item_ids), "index_seconds": time.perf_counter() - started}
        self._learn_weight(shop)
        self.log["seconds"] = time.perf_counter() - started
        return self

    def predict(self, queries: Sequence[SearchQuery]) -> list[Found]:
        """The best items of each query. Raises DataError on an empty or over-long query, or too large a k."""
        for query in queries:
            self._check(query)
        vectors = self.encoder.encode([query.text for query in queries], role="query")
        return [self._found(query, vector) for query, vector in zip(queries, vectors, strict=True)]

    def evaluate(self, shop: Shop) -> Scores:
        """nDCG@10, MRR and recall over the whole catalogue, an unjudged item counting as irrelevant.

        Queries without a relevant item in the catalogue are left out. A query that the weight was learned on
        is scored with a weight learned without it. Raises MissingTable without judgments.
        """
        shop.require("the evaluation of search", "judgments")
        judged = self._judged(shop)
        parts, seconds = self._parts(list(judged))
        rows: dict[str, Callable[[int, str], NDArray[np.float32]]] = {
            "bm25": lambda i, _: parts[0][i],
            "encoder": lambda i, _: parts[1][i],
            "retailor": lambda i, q: blend(parts[0][i], parts[1][i], self._held_out.get(q, self.weight)),
        }
        found = Scores()
        for row, score in rows.items():
            cases = [measure(score(i, query), judged[query]) for i, query in enumerate(judged)]
            table = np.array(cases, dtype=np.float64).reshape(-1, len(METRICS))
            found += Scores(
                tuple(
                    score_mean(row, metric, table[:, column], seconds=seconds)
                    for column, metric in enumerate(METRICS)
                )
            )
        return found

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'search', its encoder inside. Raises ModelError before `fit`."""
        words = self._index()
        with artifact.writing(folder, self.kind, settings=as_dict(self.settings), card=_CARD) as new:
            words.save(new)
            save_file({"vectors": self._vectors.astype(np.float16)}, new / "vectors.safetensors")
            state = {"item_ids": self._item_ids, "weight": self.weight, "held_out": self._held_out}
            (new / "search.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
            (new / "log.json").write_text(json.dumps(self.log, ensure_ascii=False), encoding="utf-8")
            self.encoder.save(new / "encoder")

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The saved task. Raises DataError that names a missing or corrupt file."""
        from retailor.models.local import load_encoder

        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        task = cls(
            load_encoder(folder / "encoder"), read_settings(SearchSettings, manifest.settings, str(folder))
        )
        state = json.loads((folder / "search.json").read_text(encoding="utf-8"))
        task._item_ids, task.weight = state["item_ids"], state["weight"]
        task._held_out = state["held_out"]
        task._words = BM25Index.load(folder)
        task._vectors = load_file(folder / "vectors.safetensors")["vectors"].astype(np.float32)
        task.log = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        return task

    def _index(self) -> BM25Index:
        if self._words is None:
            raise ModelError("this search has no catalogue yet: call fit(shop) first.", asked="search")
        return self._words

    def _check(self, query: SearchQuery) -> None:
        if not query.text.strip():
            raise DataError("the query is empty; give at least one word.", column="text", value=query.text)
        if len(query.text) > self.settings.max_query_chars:
            raise DataError(
                f"the query has {len(query.text):,} characters; at most {self.settings.max_query_chars:,} "
                "are read, so shorten it.",
                column="text",
            )
        if not 1 <= query.k <= self.settings.max_k:
            raise DataError(
                f"k = {query.k}; it goes from 1 to {self.settings.max_k}.", column="k", value=query.k
            )

    def _found(self, query: SearchQuery, vector: NDArray[np.float32]) -> Found:
        words, meaning = self._index().score(query.text), self._vectors @ vector
        scores = blend(words, meaning, self.weight)
        return Found(
            tuple(
                Recommended(self._item_ids[row], round(float(scores[row]), 5), _reason(words[row]))
                for row in best(scores, query.k)
            )
        )

    def _parts(self, queries: Sequence[str]) -> tuple[tuple[list[Any], list[Any]], float]:
        """Words' and meaning's scores of each query, [D] each, and the seconds they took."""
        started = time.perf_counter()
        index = self._index()
        vectors = self.encoder.encode(list(queries), role="query")
        words = [index.score(query) for query in track(queries, "scoring", len(queries))]
        meaning = [self._vectors @ vector for vector in vectors]
        return (words, meaning), time.perf_counter() - started

    def _judged(self, shop: Shop) -> dict[str, NDArray[np.float32]]:
        """Query to the grade of every item [D], of queries that have a relevant item."""
        ix = {item_id: row for row, item_id in enumerate(self._item_ids)}
        judged: dict[str, NDArray[np.float32]] = {}
        for query, item_id, grade in shop.judgments.select("query", "item_id", "grade").iter_rows():
            if query and item_id in ix and grade is not None and grade > 0:
                judged.setdefault(query, np.zeros(len(ix), dtype=np.float32))[ix[item_id]] = grade
        return judged

    def _learn_weight(self, shop: Shop) -> None:
        judged = self._judged(shop)
        self._held_out = {}
        self.log["n_judged_queries"] = len(judged)
        if self.settings.weight is not None or len(judged) < self.settings.min_queries:
            given = self.settings.weight
            self.weight = self.settings.default_weight if given is None else given
            self.log["weight"] = self.weight
            return
        queries = list(judged)
        parts, _ = self._parts(queries)
        table = np.array(
            [
                [measure(blend(parts[0][i], parts[1][i], weight), judged[query])[0] for weight in GRID]
                for i, query in enumerate(queries)
            ]
        )  # [Q, grid]
        self.weight = _best_weight(table)
        folds = (
            stream(self.settings.seed, "search", "folds").permutation(len(queries)) % self.settings.n_folds
        )
        by_fold = {int(fold): _best_weight(table[folds != fold]) for fold in np.unique(folds)}
        self._held_out = {query: by_fold[int(fold)] for query, fold in zip(queries, folds, strict=True)}
        curve = dict(zip(map(str, GRID), table.mean(axis=0).round(5).tolist(), strict=True))
        self.log |= {"weight": self.weight, "weights_by_fold": sorted(by_fold.values()), "ndcg@10": curve}


def blend(words: NDArray[np.float32], meaning: NDArray[np.float32], weight: float) -> NDArray[np.float32]:
    """(1 − weight) · z(words) + weight · z(meaning), z over the catalogue [D]."""
    return np.asarray((1 - weight) * _z(words) + weight * _z(meaning), dtype=np.float32)


def _z(scores: NDArray[np.float32]) -> NDArray[np.float32]:
    spread = float(scores.std()) if scores.size else 0.0
    return (scores - scores.mean()) / spread if spread > 1e-9 else np.zeros_like(scores)


def best(scores: NDArray[np.float32], k: int) -> NDArray[np.int64]:
    """The rows of the best k scores, best first, ties by row."""
    if k < len(scores):
        edge = np.partition(scores, -k)[-k]
        rows = np.flatnonzero(scores >= edge)
    else:
        rows = np.arange(len(scores))
    return rows[np.lexsort((rows, -scores[rows]))][:k]


def measure(scores: NDArray[np.float32], grades: NDArray[np.float32]) -> list[float]:
    """METRICS of one ranking of the whole catalogue: gain = grade, discount = 1 / log2(rank + 1)."""
    top = best(scores, 100)
    discount = 1 / np.log2(np.arange(2, 12))
    ideal = np.sort(grades)[::-1][:10]
    gained = grades[top[:10]]
    ndcg = float(gained @ discount[: len(gained)]) / float(ideal @ discount[: len(ideal)])
    rank = 1 + int((scores > scores[grades > 0].max()).sum())
    n_relevant = int((grades > 0).sum())
    recall = [float((grades[top[:k]] > 0).sum()) / n_relevant for k in (10, 100)]
    return [ndcg, 1 / rank, *recall]


def _best_weight(table: NDArray[np.float64]) -> float:
    """The grid weight of the highest mean; of equal ones, the middle one."""
    means = table.mean(axis=0)
    highest = np.flatnonzero(means >= means.max() - 1e-9)
    return GRID[int(highest[len(highest) // 2])]


def _word_texts(items: pl.DataFrame, attributes: bool) -> list[str]:
    """What BM25 reads of each item: title, brand, category, description, and attributes when asked."""
    texts = []
    for item in items.select("title", "brand", "category", "description", "attributes").iter_rows(named=True):
        parts = [item["title"], item["brand"], *(item["category"] or []), item["description"]]
        if attributes:
            parts += [f"{each['name']} {each['value']}" for each in item["attributes"] or []]
        texts.append(" ".join(part for part in parts if part))
    return texts


def _rounded(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """As they will be on disk: half precision, so that a loaded task ranks exactly as the fitted one."""
    return vectors.astype(np.float16).astype(np.float32)


def _reason(words: float) -> str:
    return "shares words with the query" if words > 0 else "close in meaning"


_CARD = """# Search
Items by words (BM25) and meaning (encoder vectors). Open with `retailor.Search.load(folder)`.
"""
