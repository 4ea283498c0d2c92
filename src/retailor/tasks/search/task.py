"""Search by words (BM25) and meaning (encoder vectors), joined with a weight learned from judgments."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from retailor.config import as_dict, saved_settings
from retailor.errors import ConfigError, ModelError
from retailor.metrics.scores import Scores
from retailor.models.pictures.items import ItemPictures
from retailor.models.shapes import Encoder, OpenEncoder
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.search import finding, model
from retailor.tasks.search.evaluate import scores_of
from retailor.tasks.search.fit import fit, refit
from retailor.tasks.search.model import Fitted
from retailor.tasks.search.pictures import taught
from retailor.tasks.search.settings import SearchSettings
from retailor.tasks.search.shapes import Found, SearchQuery, Suggestions, Typed
from retailor.tasks.search.understand import check
from retailor.tasks.search.update import updated
from retailor.tasks.search.weights import Weights, weighed

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
        self.pictures = pictures
        self.log: dict[str, Any] = {}
        self._fitted: Fitted | None = None

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        """Indexes the catalogue and learns the weights. Raises MissingTable without items or their words."""
        self._fitted, self.log = fit(shop, self.encoder, self.settings, work, self.pictures)
        return self

    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self:
        """Indexes the catalogue, with the weights that `before` learned."""
        self._fitted, done = refit(before._made, shop, self.encoder, self.settings, work, self.pictures)
        self.log = {**before.log, "refit": done}
        return self

    def update(self, shop: Shop) -> Self:
        """Takes in items: new ones, and what changed of those that are known.

        Words are indexed as a fit would. Weights, the second look, stars and pictures stay: a new
        item has no picture until the next fit.
        """
        made = self._made
        if len(shop.items):
            items = shop.items.unique("item_id", keep="last", maintain_order=True)
            self._fitted = updated(made, items)
        return self

    def suggest(self, typed: Typed) -> Suggestions:
        """What may be meant by the beginning of a query. Raises DataError for k out of bounds."""
        suggester = self._made.suggester
        assert suggester is not None, "made with the index"
        return suggester.suggest(typed)

    def predict(self, queries: Sequence[SearchQuery]) -> list[Found]:
        """The best items of each query. Raises DataError on an empty or over-long query, or too large a k."""
        made = self._made
        for query in queries:
            check(query, self.settings, sees=made.looks is not None)
        asked = [finding.understood(made, query) for query in queries]
        vectors = made.encoder.encode([each.text for each in asked], role="query")
        return [finding.found(made, *each) for each in zip(queries, asked, vectors, strict=True)]

    @property
    def sees(self) -> bool:
        """Whether queries may have a picture: some item has one."""
        return self._fitted is not None and self._fitted.looks is not None

    def teach_pictures(self, queries: Sequence[SearchQuery], item_ids: Sequence[str]) -> float:
        """What a picture weighs beside words, learned from queries of both and the item that each means, and
        kept from here on. Raises DataError on a query without either."""
        made = self._made
        texts = [query.text for query in queries]
        words = [weighed(made.weights_of(text), z) for text, z in finding.z_scores(made, texts)]
        looks = taught(made.looks, queries, words, [made.rows[item_id] for item_id in item_ids])
        self._fitted = replace(made, looks=looks)
        self.log["picture_weight"] = looks.weight
        return looks.weight

    def with_encoder(self, encoder: Encoder) -> Search:
        """The same search over another encoder of the same vectors; those of the catalogue stay."""
        if encoder.dim != self.encoder.dim:
            raise ModelError(
                f"the encoder '{encoder.name}' has {encoder.dim} dimensions, the catalogue's vectors have "
                f"{self.encoder.dim}."
            )
        twin = copy(self)
        twin.encoder = encoder
        twin._fitted = self._fitted and replace(self._fitted, encoder=encoder).ready()
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
        return finding.ranks(self._made, shop.judgments)

    @property
    def weights(self) -> Weights:
        """What words, details and meaning weigh for a query that the encoder reads."""
        return self._made.weights

    @property
    def unread_weights(self) -> Weights:
        """The same for a query that it does not read."""
        return self._made.unread_weights

    def weights_of(self, query: str) -> Weights:
        """What words, details and meaning weigh for a query: the last less where the encoder cannot read."""
        return self._made.weights_of(query)

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'search', its encoder inside. Raises ModelError before `fit`."""
        made = self._made
        with artifact.writing(folder, self.kind, settings=as_dict(self.settings), card=_CARD) as new:
            model.save(made, new)
            (new / "log.json").write_text(json.dumps(self.log, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """The saved task. Raises DataError that names a missing or corrupt file."""
        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        settings = saved_settings(SearchSettings, manifest.settings, str(folder))
        has_table = "items.parquet" in manifest.files
        made = model.load(folder, settings, has_table=has_table, open_encoder=open_encoder)
        pictures = None if made.looks is None else made.looks.pictures
        task = cls(made.encoder, settings, pictures=pictures)
        task._fitted = made
        task.log = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        return task

    @property
    def _made(self) -> Fitted:
        if self._fitted is None:
            raise ModelError("this search has no catalogue yet: call fit(shop) first.", asked="search")
        return self._fitted


_CARD = """# Search
Items by words (BM25) and meaning (encoder vectors). Open with `retailor.Search.load(folder)`.
"""
