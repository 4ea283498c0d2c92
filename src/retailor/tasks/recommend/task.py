"""The recommender: text inside collaborative filtering, a learned taste and what follows what, blended."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import polars as pl
import scipy.sparse as sp
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor import artifact
from retailor.config import as_dict, read_settings
from retailor.errors import DataError, ModelError
from retailor.metrics.ranking import top_items
from retailor.metrics.scores import Scores
from retailor.models.shapes import Encoder
from retailor.retrieval.blend import Blend, standardise
from retailor.retrieval.collab import Histories, Popularity, Scorer
from retailor.shop.tables import Shop
from retailor.tasks.recommend import reasons
from retailor.tasks.recommend.customers import (
    Cases,
    Catalogue,
    Customers,
    hold_out,
    read_cases,
    read_catalogue,
    read_customers,
)
from retailor.tasks.recommend.evaluate import Ranks, rank_cases, scores_of
from retailor.tasks.recommend.parts import (
    WEIGHTS,
    Features,
    fit_parts,
    parts_of,
    systems_of,
    tensors_of,
)
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.taste import Taste, Whitening
from retailor.tasks.recommend.tuning import choose_blends, choose_scales
from retailor.tasks.recommend.vectors import encoded
from retailor.tasks.recommend.words import WordSpace
from retailor.tasks.shapes import Recommendations, Recommended, RecommendQuery

F32 = NDArray[np.float32]
MIN_VALIDATION = 30
MAX_QUERY_CHARS = 2_000
N_BECAUSE = 3


class Recommender:
    """Recommends items to customers. Needs the table `events`; `items` lets it see what they are.

    Without an encoder, or where no item has a text, the parts that need one are not there.
    """

    kind: ClassVar[str] = "recommend"

    def __init__(self, encoder: Encoder | None = None, settings: RecommendSettings | None = None) -> None:
        self.encoder = encoder
        self.settings = settings or RecommendSettings()
        self.log: dict[str, Any] = {}
        self._catalogue = Catalogue((), (), (), np.zeros(0))
        self._customers = Customers((), Histories.of([]))
        self._features = Features(None, None)
        self._words: WordSpace | None = None
        self._whitening: Whitening | None = None
        self._parts: dict[str, Scorer] = {}
        self._systems: dict[str, Blend] = {}

    # fitting --------------------------------------------------------------------------------------

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        """Learns the parts and their blend. Raises MissingTable without events that say something.

        The last event of some customers is held out to learn the weights; then every part is fitted again
        with those events, but for the taste, which stays as it was best on them.
        """
        shop.require("recommend", "events")
        started = time.perf_counter()
        self._catalogue = read_catalogue(shop)
        self._customers = read_customers(shop, self._catalogue, self.settings)
        self._read_texts(work)
        encoded = time.perf_counter()
        histories = self._customers.histories
        self.log = {
            "n_items": len(self._catalogue),
            "n_customers": len(self._customers),
            "n_events": len(histories.items),
            "encoder": None if self._features.meaning is None else getattr(self.encoder, "name", "encoder"),
            "seconds": {"encoding": round(encoded - started, 3)},
        }
        taste = self._learn_blends(histories, work)
        self._parts, log = fit_parts(
            histories,
            len(self._catalogue),
            self._features,
            self.settings,
            taste=taste,
            scales=self.log.get("scales"),
            work=work,
        )
        self.log["seconds"] |= {"parts": log.pop("seconds"), "all": round(time.perf_counter() - started, 3)}
        self.log |= log
        return self

    def _read_texts(self, work: Path | None) -> None:
        """Word features and whitened vectors of the items; none of either where no item has a text."""
        texts = self._catalogue.texts
        self._catalogue = replace(self._catalogue, texts=())
        self._features, self._words, self._whitening = Features(None, None), None, None
        written = [i for i, text in enumerate(texts) if text.strip()]
        if not written:
            return
        self._words = WordSpace.of([texts[i] for i in written])
        words = self._words.features(texts)
        meaning = None
        if self.encoder is not None:
            vectors = np.zeros((len(texts), self.encoder.dim), np.float32)
            vectors[written] = encoded(self.encoder, [texts[i] for i in written], work)
            self._whitening = Whitening.of(vectors[written])
            meaning = self._whitening(vectors)
        self._features = Features(words if words.nnz else None, meaning)

    def _learn_blends(self, histories: Histories, work: Path | None) -> Taste | None:
        """Sets the weights of every system; the taste that was learned on the way, if any."""
        n = min(self.settings.n_validation, max(MIN_VALIDATION, 60_000_000 // max(len(self._catalogue), 1)))
        rest, cases = hold_out(histories, n, self.settings.seed)
        if len(cases) < MIN_VALIDATION:
            some = {name: WEIGHTS.get(name, 1.0) for name in self._names()}
            self._systems = {
                row: Blend(names, tuple(some[name] for name in names) if len(names) > 1 else (1.0,))
                for row, names in systems_of(some).items()
            }
            self.log["validation"] = {"n": len(cases), "note": "too few customers: weights are the defaults"}
            return None
        n_items = len(self._catalogue)
        scales = choose_scales(rest, n_items, self._features, self.settings, cases)
        parts, log = fit_parts(
            rest, n_items, self._features, self.settings, cases=cases, scales=scales, work=work
        )
        self._systems, found = choose_blends(parts, rest, n_items, cases, self.settings)
        self.log["scales"] = scales
        self.log["validation"] = {"n": len(cases), "metric": "ndcg@10", "systems": found}
        self.log["weights"], self.log["dropped"] = (
            self._systems["retailor"].to_dict(),
            found["retailor"]["dropped"],
        )
        self.log["seconds"]["validation"] = log["seconds"]
        if "taste" in log:
            self.log["training"] = log["taste"]
        taste = parts.get("taste")
        return taste if isinstance(taste, Taste) else None

    def _names(self) -> list[str]:
        """The parts that this shop allows."""
        large = len(self._catalogue) > self.settings.max_closed_form
        names = ["popularity", "item-knn", "sequential-knn", "ials" if large else "ease"]
        if self._features.words is not None and self.settings.word_kernel and not large:
            names.append("word kernel")
        if self._features.words is not None and large:
            names.append("shared words")
        if self._features.meaning is not None:
            names += ["meaning kernel"] * (bool(self.settings.meaning_kernel) and not large)
            names += ["taste"] * self.settings.taste
        return names

    # answering ------------------------------------------------------------------------------------

    def predict(self, queries: Sequence[RecommendQuery]) -> list[Recommendations]:
        """The best items of each query, its filters kept. Raises DataError on a bad `k` or an over-long text.

        Customers and items that are not known are no error: the first are new, the second have gone.
        Who gives nothing to go by gets what is popular.
        """
        self._check_fitted()
        for query in queries:
            self._check(query)
        # One at a time: a sum over a batch may differ in its last digit from the same sum alone.
        return [self._recommend(query) for query in queries]

    def _check_fitted(self) -> None:
        if not self._parts:
            raise ModelError("this recommender knows no shop yet: call fit(shop) first.", asked="recommend")

    def _check(self, query: RecommendQuery) -> None:
        if not 1 <= query.k <= self.settings.max_k:
            raise DataError(
                f"k = {query.k}; it goes from 1 to {self.settings.max_k}.", column="k", value=query.k
            )
        if query.text is not None and len(query.text) > MAX_QUERY_CHARS:
            raise DataError(
                f"the text has {len(query.text):,} characters; at most {MAX_QUERY_CHARS:,} are read.",
                column="text",
            )

    def _recommend(self, query: RecommendQuery) -> Recommendations:
        history = self._history(query)
        blend = self._systems["retailor"]
        shares, spread = self._shares(blend, history, query.text)
        total = np.zeros(len(self._catalogue), np.float32)
        for share in shares.values():
            total += share
        total[~self._allowed(query, history)] = -np.inf
        rows = top_items(total[None], query.k, self._catalogue.ties)[0]
        rows = rows[rows >= 0]
        return Recommendations(self._explained(rows, total, shares, blend, spread, history))

    def _history(self, query: RecommendQuery) -> Histories:
        """The customer's known history and the items seen just now, as one."""
        row = self._customers.ix.get(query.user_id, -1) if query.user_id is not None else -1
        known = self._customers.histories.at(np.array([row] if row >= 0 else [], np.int64))
        now = self._catalogue.rows(query.item_ids)
        items = np.concatenate([known.items, np.array(now, np.int32)])
        weights = np.concatenate([known.weights, np.ones(len(now), np.float32)])
        return Histories(np.array([0, len(items)], np.int64), items, weights)

    def _shares(
        self, blend: Blend, history: Histories, text: str | None
    ) -> tuple[dict[str, F32], dict[str, float]]:
        """What each part adds to each item's score [I], by part; and the deviation it was divided by."""
        shares: dict[str, F32] = {}
        spread: dict[str, float] = {}
        for name, weight in blend.to_dict().items() if len(history.items) else ():
            if weight:
                scores = self._parts[name].scores(history)
                spread[name] = float(scores.std())
                shares[name] = np.float32(weight) * standardise(scores)[0]
        if text is not None and text.strip():
            fit = self._text_scores(text)
            if fit.any():
                shares["text"] = np.float32(self.settings.text_weight if shares else 1.0) * fit
        if not any(share.any() for share in shares.values()):
            shares = {"popularity": standardise(self._parts["popularity"].scores(history))[0]}
        return shares, spread

    def _text_scores(self, text: str) -> F32:
        """How well each item's text fits some words [I]: shared words and meaning, as z-scores, summed."""
        found = np.zeros((1, len(self._catalogue)), np.float32)
        if self._words is not None and self._features.words is not None:
            shared: Any = self._features.words @ self._words.features([text]).T
            found += standardise(shared.toarray().T)
        if self.encoder is not None and self._whitening is not None and self._features.meaning is not None:
            vector = self._whitening(self.encoder.encode([text], role="query"))
            found += standardise((self._features.meaning @ vector[0])[None])
        fit: F32 = standardise(found)[0]
        return fit

    def _allowed(self, query: RecommendQuery, history: Histories) -> NDArray[np.bool_]:
        """Which items the query's filters leave [I]. A price limit leaves out items without a known price."""
        allowed = np.ones(len(self._catalogue), bool)
        if query.categories:
            allowed[:] = False
            for name in query.categories:
                allowed[self._catalogue.by_category.get(name.strip().lower(), [])] = True
        if query.max_price is not None:
            allowed &= self._catalogue.prices <= query.max_price
        if query.exclude_seen:
            allowed[history.items] = False
        allowed[self._catalogue.rows(query.exclude)] = False
        return allowed

    def _explained(
        self,
        rows: NDArray[np.int64],
        total: F32,
        shares: Mapping[str, F32],
        blend: Blend,
        spread: Mapping[str, float],
        history: Histories,
    ) -> tuple[Recommended, ...]:
        if not len(rows):
            return ()
        items, carried = reasons.carried(self._parts, blend, spread, history, rows)
        found = []
        for column, row in enumerate(rows):
            order = np.lexsort((self._catalogue.ties[items], -carried[:, column]))
            because = [int(items[i]) for i in order[:N_BECAUSE] if carried[i, column] > 0]
            part = reasons.strongest_part({name: float(share[row]) for name, share in shares.items()})
            found.append(
                Recommended(
                    self._catalogue.item_ids[row],
                    round(float(total[row]), 5),
                    reasons.sentence(
                        part,
                        self._catalogue.title(because[0]) if because else None,
                        int(self.n_seen[row]),
                    ),
                    tuple(self._catalogue.item_ids[one] for one in because),
                )
            )
        return tuple(found)

    # evaluating -----------------------------------------------------------------------------------

    def evaluate(self, shop: Shop) -> Scores:
        """Every system's figures on the events of `shop`, each asked for given the history known by fit.

        The whole catalogue is ranked, ties against us, the customer's own history masked; so an event that
        repeats the history is not asked for. Raises MissingTable without events.
        """
        cases = self.cases(shop)
        ranks = self.ranks(cases)
        return scores_of(ranks, cases, self.n_seen, len(self._customers))

    @property
    def n_seen(self) -> F32:
        """How many customers of the shop of fit have each item [I]."""
        popular = self._parts["popularity"]
        assert isinstance(popular, Popularity)
        return popular.counts

    def cases(self, shop: Shop) -> Cases:
        """What `evaluate` asks for, for tests between systems that need it case by case."""
        self._check_fitted()
        return read_cases(shop, self._catalogue, self._customers, self.settings)[0]

    def ranks(self, cases: Cases) -> Ranks:
        """Where each system ranks the target of each case."""
        self._check_fitted()
        return rank_cases(self._parts, self._systems, cases, self._customers.histories, self._catalogue.ties)

    # keeping --------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'recommend', its encoder inside. Raises ModelError before `fit`."""
        self._check_fitted()
        with artifact.writing(folder, self.kind, settings=as_dict(self.settings), card=_CARD) as new:
            self._catalogue.table().write_parquet(new / "items.parquet")
            pl.DataFrame({"user_id": self._customers.user_ids}, schema={"user_id": pl.String}).write_parquet(
                new / "customers.parquet"
            )
            save_file(self._tensors(), new / "parts.safetensors")
            state = {
                "systems": {row: blend.to_dict() for row, blend in self._systems.items()},
                "vocabulary": None if self._words is None else list(self._words.vocabulary),
                "encoder": self.encoder is not None,
            }
            (new / "recommend.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
            (new / "log.json").write_text(json.dumps(self.log, ensure_ascii=False), encoding="utf-8")
            if self.encoder is not None:
                self.encoder.save(new / "encoder")

    def _tensors(self) -> dict[str, NDArray[Any]]:
        histories, found = self._customers.histories, tensors_of(self._parts)
        found.pop("taste/items", None)  # the same array as the features' meaning
        found["history/offsets"], found["history/items"] = histories.offsets, histories.items
        found["history/weights"] = histories.weights
        if self._features.words is not None:
            for name in ("data", "indices", "indptr"):
                found[f"words/{name}"] = getattr(self._features.words, name)
        if self._words is not None:
            found["words/rarity"] = self._words.rarity
        if self._features.meaning is not None and self._whitening is not None:
            found["meaning/items"] = self._features.meaning
            found["meaning/mean"], found["meaning/rotation"] = self._whitening.mean, self._whitening.rotation
        return {name: np.ascontiguousarray(value) for name, value in found.items()}

    @classmethod
    def load(cls, folder: Path) -> Self:
        """The saved task. Raises DataError that names a missing or corrupt file."""
        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        state = json.loads((folder / "recommend.json").read_text(encoding="utf-8"))
        encoder = None
        if state["encoder"]:
            from retailor.models.local import load_encoder

            encoder = load_encoder(folder / "encoder")
        task = cls(encoder, read_settings(RecommendSettings, manifest.settings, str(folder)))
        task.log = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        task._catalogue = Catalogue.of_table(pl.read_parquet(folder / "items.parquet"))
        task._systems = {
            row: Blend(tuple(weights), tuple(weights.values())) for row, weights in state["systems"].items()
        }
        task._take(load_file(folder / "parts.safetensors"), state["vocabulary"])
        user_ids = tuple(pl.read_parquet(folder / "customers.parquet")["user_id"])
        task._customers = Customers(user_ids, task._customers.histories)
        return task

    def _take(self, tensors: dict[str, NDArray[Any]], vocabulary: list[str] | None) -> None:
        """The inverse of `_tensors`."""
        rooms = ("history/", "words/", "meaning/")
        own = {name: tensors.pop(name) for name in list(tensors) if name.startswith(rooms)}
        self._customers = Customers(
            (), Histories(*(own[f"history/{n}"] for n in ("offsets", "items", "weights")))
        )
        words, meaning = None, own.get("meaning/items")
        if vocabulary is not None:
            self._words = WordSpace({word: i for i, word in enumerate(vocabulary)}, own["words/rarity"])
        if "words/data" in own:
            csr = tuple(own[f"words/{name}"] for name in ("data", "indices", "indptr"))
            words = sp.csr_matrix(csr, shape=(len(self._catalogue), len(vocabulary or ())))
        if meaning is not None:
            self._whitening = Whitening(own["meaning/mean"], own["meaning/rotation"])
            if "taste/candidates" in tensors:
                tensors["taste/items"] = meaning
        self._features = Features(words, meaning)
        self._parts = parts_of(tensors)


_CARD = """# A recommender made by Retailor

Recommends the items of one shop to its customers. `recommend.json` has the weights of the blend, `log.json`
how it was learned, `parts.safetensors` the parts. Open it with `retailor.Recommender.load(folder)`.
"""
