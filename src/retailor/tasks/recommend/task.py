"""The recommender: collaborative filtering with text inside, two towers and what follows what, blended."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from retailor.config import as_dict, read_settings
from retailor.errors import DataError, ModelError
from retailor.extras import naming_extras
from retailor.metrics.scores import Scores
from retailor.models.pictures.items import ItemPictures
from retailor.models.shapes import Encoder, OpenEncoder
from retailor.retrieval.blend import Blend
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.recommend import model
from retailor.tasks.recommend.blend.coldness import ColdBlend
from retailor.tasks.recommend.cases import Cases, read_cases
from retailor.tasks.recommend.evaluate.baskets import basket_ranks, basket_scores, read_baskets
from retailor.tasks.recommend.evaluate.next_item import Ranks, rank_cases, scores_of
from retailor.tasks.recommend.explored import seen, traits
from retailor.tasks.recommend.fit import fit
from retailor.tasks.recommend.query.ask import recommend
from retailor.tasks.recommend.scorers.parts import OURS
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.recommend.shapes import Recommendations, RecommendQuery
from retailor.tasks.recommend.update import refitted, updated

MAX_QUERY_CHARS = 2_000


class Recommender:
    """Recommends items to customers. Needs the table `events`; `items` lets it see what they are.

    Without an encoder, or where no item has a text, the parts that need one are not there.
    """

    kind: ClassVar[str] = "recommend"

    def __init__(
        self,
        encoder: Encoder | None = None,
        settings: RecommendSettings | None = None,
        *,
        pictures: ItemPictures | None = None,
    ) -> None:
        self.encoder = encoder
        self.pictures = pictures
        self.settings = settings or RecommendSettings()
        self.log: dict[str, Any] = {}
        self._fitted: model.Fitted | None = None

    @naming_extras()
    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        """Learns the parts and their blend. Raises MissingTable without events that say something."""
        shop.require("recommend", "events")
        self._fitted, self.log = fit(shop, self.encoder, self.settings, work, self.pictures)
        return self

    @naming_extras()
    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self:
        """Counts, solves and indexes the whole shop; weights, encoder and trained networks are `before`'s."""
        scales = before.log.get("scales") or {}
        self._fitted, done = refitted(before._made, shop, self.settings, scales, work, self.pictures)
        self.log = {**before.log, "refit": done}
        return self

    @naming_extras()
    def update(self, shop: Shop) -> Self:
        """Takes in new events and items at once, such as a day's; what needs a fit stays until the next one.

        Events must be new: those that fit has seen would count twice. A new item is recommended by its text.
        """
        self._fitted, done = updated(self._made, shop, self.settings, self.log.get("scales") or {})
        self.log = {**self.log, "updates": [*self.log.get("updates", ()), done]}
        return self

    def predict(self, queries: Sequence[RecommendQuery]) -> list[Recommendations]:
        """The best items of each query, its filters kept. Raises DataError on a bad `k` or an over-long text.

        Customers and items that are not known are no error: the first are new, the second have gone.
        Who gives nothing to go by gets what is popular.
        """
        fitted = self._made
        for query in queries:
            self._check(query)
        # One at a time: a sum over a batch may differ in its last digit from the same sum alone.
        return [recommend(fitted, query, text_weight=self.settings.text_weight) for query in queries]

    def scanning(self) -> Self:
        """The same recommender, scoring every item for every question: what candidates are measured by."""
        task = type(self)(self.encoder, replace(self.settings, retrieval="exact"))
        task._fitted, task.log = replace(self._made, finder=None), self.log
        return task

    def similar(self, item_id: str, *, k: int = 10) -> Recommendations:
        """The items whose texts are nearest. Raises DataError on an item that is not in the catalogue."""
        return self._with(RecommendQuery(item_ids=(item_id,), k=k, by="similar"))

    def next_basket(self, user_id: str, *, k: int = 10) -> Recommendations:
        """What the customer's next order may have; with the setting `repeats` also what was chosen before."""
        return self.predict([RecommendQuery(user_id=user_id, k=k, exclude_seen=not self.settings.repeats)])[0]

    def together(self, item_id: str, *, k: int = 10) -> Recommendations:
        """The items that its customers chose too. Raises DataError on an item that is not there."""
        return self._with(RecommendQuery(item_ids=(item_id,), k=k, by="together"))

    def _with(self, query: RecommendQuery) -> Recommendations:
        if query.item_ids[-1] not in self._made.catalogue.ix:
            raise DataError(
                f"there is no item '{query.item_ids[-1]}' in the catalogue.",
                column="item_id",
                value=query.item_ids[-1],
            )
        return self.predict([query])[0]

    def seen(self, query: RecommendQuery) -> tuple[str, ...] | None:
        """The customer's latest items, oldest first; None for a query whose order is fixed by what it
        asks."""
        return seen(self._made, query)

    def traits(self, item_ids: Sequence[str]) -> NDArray[np.float64]:
        """What the encoder makes of the items' texts, in few directions [n, t]; zero for an unknown item."""
        return traits(self._made, item_ids)

    @property
    def _made(self) -> model.Fitted:
        if self._fitted is None:
            raise ModelError("this recommender knows no shop yet: call fit(shop) first.", asked="recommend")
        return self._fitted

    def _check(self, query: RecommendQuery) -> None:
        if not 1 <= query.k <= self.settings.max_k:
            raise DataError(
                f"k = {query.k}; it goes from 1 to {self.settings.max_k}.", column="k", value=query.k
            )
        if not 0 <= query.diversity <= 1:
            raise DataError(
                f"diversity = {query.diversity}; it goes from 0, the plain order, to 1.",
                column="diversity",
                value=query.diversity,
            )
        if query.by not in ("customer", "similar", "together"):
            raise DataError(f"by = '{query.by}'; it is customer, similar or together.", column="by")
        if query.currency and query.max_price is None:
            raise DataError("currency needs the max_price that is in it.", column="currency")
        if query.by != "customer" and not query.item_ids:
            raise DataError(f"by = '{query.by}' needs an item in item_ids.", column="item_ids")
        if query.text is not None and len(query.text) > MAX_QUERY_CHARS:
            raise DataError(
                f"the text has {len(query.text):,} characters; at most {MAX_QUERY_CHARS:,} are read.",
                column="text",
            )

    @naming_extras()
    def evaluate(self, shop: Shop) -> Scores:
        """Every system's figures on the events of `shop`, each asked for given the history known by fit.

        The whole catalogue is ranked, a tie as the mean of its orders, the customer's own history masked; so
        an event that repeats the history is not asked for, unless the setting `repeats` has nothing masked.
        Under the protocol 'next-basket' a case is every item of a customer's first order in `shop`. Raises
        MissingTable without events.
        """
        if self.settings.protocol == "next-basket":
            return self._basket_scores(shop)
        cases, made = self.cases(shop), self._made
        return scores_of(
            self.ranks(cases),
            cases,
            self.n_seen,
            len(made.customers),
            histories=made.customers.histories,
            categories=made.catalogue.category_shares,
        )

    def _basket_scores(self, shop: Shop) -> Scores:
        made = self._made
        baskets = read_baskets(shop, made.catalogue, made.customers, self.settings)
        return basket_scores(
            made.parts,
            {**made.systems, OURS: made.blend},
            baskets,
            made.customers.histories,
            len(made.catalogue),
            self.settings,
        )

    def basket_ranks(self, shop: Shop) -> tuple[NDArray[np.int64], NDArray[np.int64], list[str]]:
        """Best and worst rank [T, 2] of every item of each customer's first order in `shop`, the number of
        its order [T], and whose each order is, by the system that answers."""
        made = self._made
        baskets = read_baskets(shop, made.catalogue, made.customers, self.settings)
        found, _ = basket_ranks(
            made.parts, {OURS: made.blend}, baskets, made.customers.histories, len(made.catalogue),
            masked=not self.settings.repeats,
        )  # fmt: skip
        return found[OURS], baskets.owners, [made.customers.user_ids[row] for row in baskets.customers]

    @property
    def n_seen(self) -> NDArray[np.float32]:
        """How many customers of the shop of fit have each item [I]."""
        return self._made.n_seen

    @property
    def user_ids(self) -> Sequence[str]:
        """The known customers, in the rows that `cases` speaks of."""
        return self._made.customers.user_ids

    def cases(self, shop: Shop) -> Cases:
        """What `evaluate` asks for, for tests between systems that need it case by case."""
        made = self._made
        return read_cases(shop, made.catalogue, made.customers, self.settings)[0]

    def ranks(self, cases: Cases, *, latest: int | None = None) -> Ranks:
        """Where each system ranks the target of each case; `latest` lets it see only so many last events."""
        made = self._made
        histories = made.customers.histories
        if latest is not None:
            histories = histories.latest(latest)
        systems: dict[str, Blend | ColdBlend] = {**made.systems, OURS: made.blend}
        return rank_cases(
            made.parts, systems, cases, histories, made.catalogue.ties, masked=not self.settings.repeats
        )

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'recommend', its encoder inside. Raises ModelError before `fit`."""
        made = self._made
        with artifact.writing(folder, self.kind, settings=as_dict(self.settings), card=_CARD) as new:
            model.save(made, new)
            (new / "log.json").write_text(json.dumps(self.log, ensure_ascii=False), encoding="utf-8")

    @classmethod
    @naming_extras()
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """The saved task. Raises DataError that names a missing or corrupt file, or an older format."""
        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        model.check_format(folder)
        settings = read_settings(RecommendSettings, manifest.settings, str(folder))
        fitted = model.load(folder, settings, open_encoder)
        task = cls(fitted.understanding.encoder, settings)
        task._fitted = fitted
        task.log = json.loads((folder / "log.json").read_text(encoding="utf-8"))
        return task


_CARD = """# A recommender made by Retailor

Recommends the items of one shop to its customers. `recommend.json` has the weights of the blend, `log.json`
how it was learned, `parts.safetensors` the parts. Open it with `retailor.Recommender.load(folder)`.
"""
