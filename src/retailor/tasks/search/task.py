"""Search by words (BM25) and meaning (encoder vectors), joined with a weight learned from judgments."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from retailor.config import as_dict, saved_settings
from retailor.errors import ConfigError, DataError, MissingTable, ModelError
from retailor.metrics.ranking import graded_ranks, top_items
from retailor.metrics.scores import Scores
from retailor.models.encoding import memo_vectors
from retailor.models.local import load_encoder
from retailor.models.pictures.items import ItemPictures
from retailor.models.pictures.opening import open_pictures
from retailor.models.shapes import Encoder, OpenEncoder
from retailor.progress import track
from retailor.retrieval.bm25 import BM25Index
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.search import understand as reading
from retailor.tasks.search.evaluate import ROWS, judged_items, scores_of
from retailor.tasks.search.item_table import ItemTable, meanings, texts_of
from retailor.tasks.search.nearest import Nearest, scored
from retailor.tasks.search.pictures import Looks, taught
from retailor.tasks.search.presence.nonsense import least_cosine
from retailor.tasks.search.presence.presence import Presence
from retailor.tasks.search.presence.signs import Asked
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.rerank.reranker import Found as FirstLook
from retailor.tasks.search.rerank.reranker import Reranker
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.shapes import Found, SearchQuery, Suggestions, Typed
from retailor.tasks.search.spelling import Speller
from retailor.tasks.search.suggest import Suggester
from retailor.tasks.search.synonyms.expansion import Synonyms
from retailor.tasks.search.synonyms.mined import lines_of, mined_pairs
from retailor.tasks.search.synonyms.rules import lines_of_file
from retailor.tasks.search.understand import Chosen, Understood, check, choose, understand
from retailor.tasks.search.update import Indexed, halved, with_items, with_vectors
from retailor.tasks.search.weights import SCORERS, Learned, Weights, learned_weights, ndcg_of_weights, weighed
from retailor.tasks.shapes import Recommended
from retailor.text.fields import is_language
from retailor.text.languages import is_one_piece, reads

F32 = NDArray[np.float32]

SUGGESTED = "synonyms.txt"
"""Pairs that the shop's own texts suggest, in the folder of the saved task."""

__all__ = ["Search", "SearchSettings"]


class Search:
    """Finds items by words, meaning and picture. Needs the table `items`; `judgments` teach it the blend."""

    kind: ClassVar[str] = "search"

    def __init__(
        self,
        encoder: Encoder,
        settings: SearchSettings | None = None,
        *,
        pictures: ItemPictures | None = None,
    ) -> None:
        if not isinstance(encoder, Encoder):
            raise ConfigError(
                f"search needs an encoder, and was given {encoder!r}; give load_model('minilm'), "
                "or load_model('e5') for a shop that is not English.",
                key="encoder",
                value=encoder,
            )
        self.encoder = encoder
        self.settings = settings or SearchSettings()
        self.weights: Weights = self.settings.weights or self.settings.default_weights
        self.unread_weights: Weights = self.settings.weights or self.settings.unread_weights
        self.log: dict[str, Any] = {}
        self._item_ids: list[str] = []
        self._rows: dict[str, int] = {}
        self._lexical: dict[str, BM25Index] = {}
        self._nearest = Nearest(np.zeros((0, encoder.dim), dtype=np.float32))
        self._tie: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
        self._table = ItemTable.of(Shop.of())
        self._speller = Speller({})
        self._least_cosine = 0.0
        # The weights learned without a judged query, by query: `evaluate` never uses some that saw it.
        self._held_out: dict[str, Weights] = {}
        self._catalogue: Catalogue | None = None
        self._reranker: Reranker | None = None
        self._presence: Presence | None = None
        self._synonyms = Synonyms()
        self._synonym_lines: list[str] = []
        self._suggested: list[str] = []
        self._suggester: Suggester | None = None
        self.pictures = pictures
        self._looks: Looks | None = None

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        """Indexes the catalogue and learns the weights. Raises MissingTable without items or their words."""
        started = time.perf_counter()
        self._index(shop, work)
        self._mine_synonyms(shop)
        self._learn(shop)
        self._learn_presence(shop)
        self.log["seconds"] = round(time.perf_counter() - started, 3)
        return self

    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self:
        """Indexes the catalogue, with the weights that `before` learned."""
        self._index(shop, work)
        self.weights, self.unread_weights = before.weights, before.unread_weights
        self._held_out = before._held_out
        self._reranker = self._new_reranker(before._reranker)
        self._presence, self._suggested = before._presence, before._suggested
        self._use_synonyms()
        self._looks = self._looks and self._looks.weighing_as(before._looks)
        self.log = {**before.log, "refit": self.log}
        return self

    def update(self, shop: Shop) -> Self:
        """Takes in items: new ones, and what changed of those that are known.

        Words are indexed as a fit would. Weights, the second look, stars and pictures stay: a new
        item has no picture until the next fit.
        """
        self._check_fitted()
        if not len(shop.items):
            return self
        items = shop.items.unique("item_id", keep="last", maintain_order=True)
        new = [item_id for item_id in items["item_id"] if item_id not in self._rows]
        self._set_items([*self._item_ids, *new])
        rows = [self._rows[item_id] for item_id in items["item_id"]]
        known = Indexed(self._lexical, self._table, self._speller, self._suggester)
        self._lexical, self._table, self._speller, self._suggester = with_items(known, rows, items)
        vectors = with_vectors(self._nearest.vectors, rows, self.encoder.encode(meanings(items)))
        self._nearest = self._nearest.updated(vectors, rows)
        self._looks = self._looks and self._looks.with_room(len(self._item_ids))
        self._catalogue = self._new_catalogue()
        self._reranker = self._new_reranker(self._reranker)
        return self

    def _index(self, shop: Shop, work: Path | None) -> None:
        shop.require("search", "items")
        started = time.perf_counter()
        words = texts_of(shop.items)
        if not any(map(is_language, words["details"])):
            raise MissingTable(
                "search needs words in the table 'items': no item has a title or a description."
            )
        self._set_items(shop.items["item_id"].to_list())
        self._lexical = {
            name: BM25Index.of(texts, k1=self.settings.k1, b=self.settings.b) for name, texts in words.items()
        }
        vectors = halved(memo_vectors(self.encoder, meanings(shop.items), work=work))
        self._nearest = Nearest.of(vectors, self.settings)
        self._table = ItemTable.of(shop)
        self._speller = Speller.of(words["details"])
        self._suggester = Suggester.of(shop)
        self._looks = Looks.of(self.pictures, self._item_ids, self.settings.picture_weight)
        path = self.settings.synonyms
        self._synonym_lines = [] if path is None else lines_of_file(Path(path))
        self._use_synonyms()
        new = self._new_reranker()
        self._reranker = new and new.weighing(self.settings.category_weight)
        self._least_cosine = least_cosine(self.encoder, vectors)
        self.log = {"n_items": len(self._item_ids), "index_seconds": round(time.perf_counter() - started, 3)}

    def _new_reranker(self, before: Reranker | None = None) -> Reranker | None:
        """With what `before` learned; None where the settings leave the first look alone."""
        if self.settings.weights is not None or not self.settings.n_reranked:
            return None
        assert self._catalogue is not None, "made with the index"
        return Reranker(self._catalogue) if before is None else replace(before, catalogue=self._catalogue)

    def _mine_synonyms(self, shop: Shop) -> None:
        """Suggests synonyms, and takes them where the settings do."""
        assert self._catalogue is not None, "made with the index"
        judged = judged_items(shop.judgments, self._rows)
        pairs = mined_pairs(self._catalogue, self.encoder, judged.items())
        self._suggested = lines_of(pairs)
        self.log["suggested_synonyms"] = len(pairs)
        self._use_synonyms()

    def _use_synonyms(self) -> None:
        """The merchant's synonyms, and those suggested where the settings take them, for all that looks."""
        lines = [*self._synonym_lines, *(self._suggested if self.settings.mined_synonyms else ())]
        self._synonyms = Synonyms.of(lines, self.settings.synonym_weight)
        self._catalogue = self._new_catalogue()
        self._reranker = self._new_reranker(self._reranker) if self._reranker else None

    def _new_catalogue(self) -> Catalogue:
        titles = self._lexical["titles"]
        return Catalogue(self._lexical["details"], titles, self._nearest.vectors, self._table, self._synonyms)

    def _learn_presence(self, shop: Shop) -> None:
        """When to say that nothing fits, from the shop's own titles and judged queries."""
        assert self._catalogue is not None, "made with the index"
        judged = [query for query in judged_items(shop.judgments, self._rows) if self._reads(query)]
        share, seed = self.settings.false_alarms, self.settings.seed
        self._presence = Presence.learned(
            self._catalogue, self.encoder, judged, false_alarms=share, seed=seed
        )
        self.log["nothing_fits"] = None if self._presence is None else self._presence.log

    def suggest(self, typed: Typed) -> Suggestions:
        """What may be meant by the beginning of a query. Raises DataError for k out of bounds."""
        self._check_fitted()
        assert self._suggester is not None, "made with the index"
        return self._suggester.suggest(typed)

    def predict(self, queries: Sequence[SearchQuery]) -> list[Found]:
        """The best items of each query. Raises DataError on an empty or over-long query, or too large a k."""
        self._check_fitted()
        for query in queries:
            check(query, self.settings, sees=self._looks is not None)
        understood = [self._understood(query) for query in queries]
        vectors = self.encoder.encode([each.text for each in understood], role="query")
        return [self._found(*each) for each in zip(queries, understood, vectors, strict=True)]

    @property
    def sees(self) -> bool:
        """Whether queries may have a picture: some item has one."""
        return self._looks is not None

    def teach_pictures(self, queries: Sequence[SearchQuery], item_ids: Sequence[str]) -> float:
        """What a picture weighs beside words, learned from queries of both and the item that each means, and
        kept from here on. Raises DataError on a query without either."""
        self._check_fitted()
        words = [weighed(self.weights_of(query), z) for query, z in self._scored([q.text for q in queries])]
        self._looks = taught(self._looks, queries, words, [self._rows[item_id] for item_id in item_ids])
        self.log["picture_weight"] = self._looks.weight
        return self._looks.weight

    def with_encoder(self, encoder: Encoder) -> Search:
        """The same search over another encoder of the same vectors; those of the catalogue stay."""
        if encoder.dim != self.encoder.dim:
            raise ModelError(
                f"the encoder '{encoder.name}' has {encoder.dim} dimensions, the catalogue's vectors have "
                f"{self.encoder.dim}."
            )
        twin = copy(self)
        twin.encoder = encoder
        return twin

    def evaluate(self, shop: Shop) -> Scores:
        """ndcg@10, mrr and recall over the whole catalogue, an unjudged item counting as irrelevant.

        Queries without a relevant item in the catalogue are left out. A query that the weights were learned
        on is scored with weights learned without it. Raises MissingTable without judgments.
        """
        shop.require("the evaluation of search", "judgments")
        started = time.perf_counter()
        return scores_of(self.ranks(shop), time.perf_counter() - started)

    def ranks(self, shop: Shop) -> dict[str, list[Any]]:
        """Row to `metrics.ranking.graded_ranks` of each judged query of the shop; see `evaluate`."""
        judged = judged_items(shop.judgments, self._rows)
        ranks: dict[str, list[Any]] = {row: [] for row in ROWS}
        understood = {query: self._understood(SearchQuery(query)) for query in judged}
        texts = dict.fromkeys([*judged, *(each.text for each in understood.values())])
        scored = dict(self._scored(list(texts)))
        for query in judged:
            scores, of_rest = scored[query], scored[understood[query].text]
            weights = self._held_out.get(query, self.weights_of(query))
            chosen, every = choose(self._table, understood[query].filters), choose(self._table, ())
            rows = (
                scores[0],
                scores[2],
                chosen.ordered(self._scores(query, understood[query].text, of_rest, weights, chosen)),
                self._scores(query, query, scores, weights, every),
                chosen.ordered(weighed(weights, of_rest)),
            )
            for row, of_items in zip(ROWS, rows, strict=True):
                ranks[row].append(graded_ranks(of_items, judged[query]))
        return ranks

    def weights_of(self, query: str) -> Weights:
        """What words, details and meaning weigh for a query: the last less where the encoder cannot read."""
        return self.weights if self._reads(query) else self.unread_weights

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'search', its encoder inside. Raises ModelError before `fit`."""
        self._check_fitted()
        with artifact.writing(folder, self.kind, settings=as_dict(self.settings), card=_CARD) as new:
            for name, index in self._lexical.items():
                (new / name).mkdir()
                index.save(new / name)
            self._nearest.save(new)
            self._table.save(new)
            if self._suggester is not None:
                self._suggester.save(new)
            if self._reranker is not None:
                self._reranker.save(new)
            state = {
                "item_ids": self._item_ids,
                "word_counts": self._speller.counts,
                "least_cosine": self._least_cosine,
                "weights": self.weights,
                "unread_weights": self.unread_weights,
                "held_out": self._held_out,
                "synonyms": self._synonym_lines,
                "presence": None if self._presence is None else self._presence.plain(),
            }
            if self._looks is not None:
                self._looks.pictures.save(new / "pictures")
                state["picture_weight"] = self._looks.weight
            _write(new / "search.json", state)
            (new / SUGGESTED).write_text("\n".join([*self._suggested, ""]), encoding="utf-8")
            _write(new / "log.json", self.log)
            self.encoder.save(new / "encoder")

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """The saved task. Raises DataError that names a missing or corrupt file."""
        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        encoder = (open_encoder or load_encoder)(folder / "encoder")
        task = cls(encoder, saved_settings(SearchSettings, manifest.settings, str(folder)))
        state = json.loads((folder / "search.json").read_text(encoding="utf-8"))
        table = ItemTable.load(folder) if "items.parquet" in manifest.files else None
        if "least_cosine" not in state or table is None or "path" not in table.frame.columns:
            raise DataError("this search was saved by an earlier Retailor: fit it again.", path=folder)
        task._set_items(state["item_ids"])
        task.weights, task.unread_weights = tuple(state["weights"]), tuple(state["unread_weights"])
        task._held_out, task._least_cosine = state["held_out"], state["least_cosine"]
        task._table, task._speller = table, Speller(state["word_counts"])
        task._lexical = {name: BM25Index.load(folder / name) for name in (*SCORERS[:2], "titles")}
        task._nearest = Nearest.load(folder, task.settings)
        if "picture_weight" in state:
            task.pictures = ItemPictures.load(folder / "pictures", open_pictures)
            task._looks = Looks.of(task.pictures, task._item_ids, state["picture_weight"])
        task._suggester, task._synonym_lines = Suggester.load(folder), state.get("synonyms", [])
        suggested = folder / SUGGESTED
        task._suggested = suggested.read_text(encoding="utf-8").splitlines() if suggested.exists() else []
        task._use_synonyms()
        task._presence = Presence.of(state.get("presence"))
        task._reranker = task._new_reranker()
        if task._reranker is not None:
            task._reranker = Reranker.load(folder, task._reranker.catalogue)
        task.log = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        return task

    def _set_items(self, item_ids: list[str]) -> None:
        self._item_ids = item_ids
        self._rows = {item_id: row for row, item_id in enumerate(item_ids)}
        self._tie = reading.ties_of(item_ids)

    def _check_fitted(self) -> None:
        if not self._lexical:
            raise ModelError("this search has no catalogue yet: call fit(shop) first.", asked="search")

    def _understood(self, query: SearchQuery) -> Understood:
        tokenizer = getattr(self.encoder, "tokenizer", None)
        return understand(query, self._table, self._speller, lambda word: is_one_piece(tokenizer, word))

    def _found(self, query: SearchQuery, understood: Understood, vector: F32) -> Found:
        gone = [self._rows[item_id] for item_id in query.exclude if item_id in self._rows]
        chosen = choose(self._table, understood.filters).without(gone)
        weights = self.weights_of(understood.text)
        look = scored(
            self._lexical,
            self._nearest,
            understood.text,
            vector,
            self._synonyms,
            (chosen.allowed, chosen.wanted),
        )
        raw, scores = look.raw, self._scores("", understood.text, look.z, weights, chosen)
        matches = np.asarray((raw[0] != 0) | (raw[1] != 0), np.bool_)
        seen = np.zeros_like(matches)
        if understood.text and self._reads(understood.text):
            matches |= raw[2] >= self._least_cosine
            if not self._fits(understood.text, raw[2], look.z[2]):
                matches[:] = False
        if query.image and self._looks is not None:
            seen = self._looks.seen
            scores, chosen, matches = self._looks.found(query.image, understood.text, scores, chosen, matches)
        elif reading.words_are_elsewhere(raw[:2], chosen.allowed):
            matches[:] = False
        found = np.flatnonzero(matches & chosen.allowed & chosen.wanted)
        rows = reading.page(query, scores, chosen, found, self._table, self._tie)
        otherwise = self._said_otherwise(understood.text)
        whys = reading.whys(rows, raw, self._table, understood, seen, otherwise)
        return Found(
            tuple(
                Recommended.of(self._item_ids[row], float(scores[row]), why)
                for row, why in zip(rows, whys, strict=True)
            ),
            searched=understood.text,
            filters=understood.filters,
            mended=understood.mended,
            n_found=len(found),
            is_nearest=not (matches & chosen.allowed).any(),
            relaxed=chosen.relaxed,
            facets=self._table.facets(found),
        )

    def _said_otherwise(self, text: str) -> NDArray[np.bool_]:
        """Which items [I] have none of the words of a query, where synonyms were searched for."""
        if not self._synonyms.found(text):
            return np.zeros(len(self._item_ids), np.bool_)
        return np.asarray(self._lexical["details"].score(text) == 0, np.bool_)

    def _fits(self, text: str, cosines: F32, z: F32) -> bool:
        """Whether the shop has what is asked for, as far as that can be told."""
        if self._presence is None or self._catalogue is None:
            return True
        return self._presence.fits(Asked(text, cosines, z), self._catalogue)

    def _scores(self, judged: str, text: str, z: F32, weights: Weights, chosen: Chosen) -> F32:
        """The scores of all items [I] for the words `text`; `judged` is the query that taught, '' for any."""
        first = weighed(weights, z)
        if self._reranker is None or not self._reads(text):
            return first
        return self._reranker.scores(self._first_look(text, z, first, chosen), judged)

    def _first_look(self, text: str, z: F32, first: F32, chosen: Chosen) -> FirstLook:
        n = min(self.settings.n_reranked, len(first))
        return FirstLook(text, z, first, top_items(chosen.ordered(first)[None], n, self._tie)[0])

    def _scored(self, queries: Sequence[str]) -> list[tuple[str, F32]]:
        """Each query with the z-scores of every item by each scorer [3, I]."""
        vectors = self.encoder.encode(list(queries), role="query")
        pairs = track(zip(queries, vectors, strict=True), "searching", len(queries))
        return [
            (query, scored(self._lexical, self._nearest, query, vector, self._synonyms).z)
            for query, vector in pairs
        ]

    def _learn(self, shop: Shop) -> None:
        """The weights from all judged queries, and without each fold of them, of both kinds of queries."""
        judged, settings = judged_items(shop.judgments, self._rows), self.settings
        learned = Learned(
            settings.weights or settings.default_weights, settings.weights or settings.unread_weights
        )
        if settings.weights is None and judged:
            queries = list(judged)
            read = np.array([self._reads(query) for query in queries])
            ndcg = np.array([ndcg_of_weights(z, judged[query]) for query, z in self._scored(queries)])
            learned = learned_weights(queries, ndcg, read, settings)
        self.weights, self.unread_weights = learned.weights, learned.unread_weights
        self._held_out = learned.held_out
        self.log |= {"n_judged_queries": len(judged), **learned.log}
        self.log["weights"] = dict(zip(SCORERS, self.weights, strict=True))
        self.log["unread_weights"] = dict(zip(SCORERS, self.unread_weights, strict=True))
        if self._reranker is not None:
            self._reranker = self._reranker.learn(
                self._first_looks([query for query in judged if self._reads(query)]),
                judged,
                n_folds=settings.n_folds,
                seed=settings.seed,
            )
            self.log |= self._reranker.learned.log

    def _first_looks(self, queries: Sequence[str]) -> list[FirstLook]:
        every, own = choose(self._table, ()), self._held_out
        scored = self._scored(queries)
        return [self._first_look(q, z, weighed(own.get(q, self.weights), z), every) for q, z in scored]

    def _reads(self, query: str) -> bool:
        # No encoder was taught no Latin letters: 'ssd' in two pieces is a name, and 'laptops' a plural.
        return query.isascii() or reads(getattr(self.encoder, "tokenizer", None), query)


def _write(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")


_CARD = """# Search
Items by words (BM25) and meaning (encoder vectors). Open with `retailor.Search.load(folder)`.
"""
