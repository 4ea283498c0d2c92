"""A blend that knows how cold the customer and the item are: weights a group of each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.retrieval.blend import Blend
from retailor.retrieval.histories import Histories

F32 = NDArray[np.float32]
Groups = NDArray[np.int64]
CUSTOMERS = ("few events", "more events")
FEW_EVENTS = 3
ITEMS = ("never seen", "seldom seen", "more often seen")
SELDOM = 5
BY_TEXT = ("tfidf_kernel", "embedding_kernel", "picture_kernel", "two_tower", "tfidf", "user_reviews")
"""Parts that can score an item without events by its text; the others have no say about it."""


@dataclass(frozen=True)
class ColdBlend:
    """What each part's z-scores weigh [customer groups, item groups, parts]."""

    names: tuple[str, ...]
    weights: NDArray[np.float64]

    @classmethod
    def of(cls, blend: Blend) -> Self:
        """The weights of `blend` for all groups, less those of parts with no say about new items.

        The others then weigh as much more as makes up for them, so that new items are not behind by default.
        """
        plain = cls.plain(blend)
        return cls(blend.names, without_say(blend.names, plain.weights))

    @classmethod
    def plain(cls, blend: Blend) -> Self:
        """The weights of `blend` for all groups alike."""
        weights = np.array(blend.weights, np.float64)
        return cls(blend.names, np.tile(weights, (len(CUSTOMERS), len(ITEMS), 1)))

    @classmethod
    def only(cls, part: str, rest: Blend, *, told: bool) -> Self:
        """One part alone. New items that it does not know keep what the text parts of `rest` say of them,
        unless it was chosen by cases that asked for such items too (`told`)."""
        names = tuple(dict.fromkeys((*rest.names, part)))
        alone = cls.plain(Blend(names, tuple(float(name == part) for name in names)))
        if told or part in BY_TEXT:
            return alone
        by_text = np.array([rest.to_dict().get(name, 0.0) * (name in BY_TEXT) for name in names])
        if by_text.any():
            alone.weights[:, 0] = by_text / by_text.sum()
        return alone

    def with_new(self, rest: Blend) -> ColdBlend:
        """The same, but for items never seen: of them the text parts of `rest` speak, as loud as all do here.

        Itself where `rest` has no text part.
        """
        names = tuple(dict.fromkeys((*self.names, *rest.names)))
        by_text = np.array([rest.to_dict().get(name, 0.0) * (name in BY_TEXT) for name in names])
        if not by_text.any():
            return self
        weights = np.zeros((len(CUSTOMERS), len(ITEMS), len(names)))
        weights[:, :, : len(self.names)] = self.weights
        loud = weights[:, 1:].mean(axis=1).sum(axis=1)
        weights[:, 0] = loud[:, None] * by_text / by_text.sum()
        return ColdBlend(names, weights)

    def used(self) -> tuple[str, ...]:
        """The parts that weigh anything to anybody."""
        return tuple(name for i, name in enumerate(self.names) if self.weights[:, :, i].any())

    def of_items(self, name: str, customer: int, items: Groups) -> F32:
        """What a part weighs for each item [I], given the customer's group and the items' groups [I]."""
        return np.asarray(self.weights[customer, items, self.names.index(name)], np.float32)

    def join_standardised(self, z: Mapping[str, F32], customers: Groups, items: Groups) -> F32:
        """Σ weight × z-scores [B, I]."""
        total: F32 = np.zeros((len(customers), len(items)), np.float32)
        for name in self.used():
            table = self.weights[:, :, self.names.index(name)].astype(np.float32)
            for group in np.unique(customers):
                rows = customers == group
                total[rows] += z[name][rows] * table[group][items]
        return total

    def to_dict(self) -> dict[str, Any]:
        """Weights by customer group, item group and part."""
        return {
            customer: {
                item: dict(zip(self.names, self.weights[i, j].tolist(), strict=True))
                for j, item in enumerate(ITEMS)
            }
            for i, customer in enumerate(CUSTOMERS)
        }

    @classmethod
    def of_dict(cls, weights: Mapping[str, Any]) -> Self:
        """The inverse of `to_dict`."""
        names = tuple(weights[CUSTOMERS[0]][ITEMS[0]])
        table = [[[weights[c][i][name] for name in names] for i in ITEMS] for c in CUSTOMERS]
        return cls(names, np.array(table, np.float64))


def without_say(names: Sequence[str], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """The weights with those of parts that know no item by its text taken from new items."""
    speak = np.array([name in BY_TEXT for name in names])
    known = weights[:, 1:].mean(axis=1)  # [customer groups, parts]
    heard = known[:, speak].sum(axis=1)
    if not (heard > 0).all():
        return weights
    changed = weights.copy()
    changed[:, 0] = np.where(speak, known * (known.sum(axis=1) / heard)[:, None], 0)
    return changed


def customer_groups(histories: Histories) -> Groups:
    """The number in CUSTOMERS of each customer [B]."""
    return (histories.lengths() > FEW_EVENTS).astype(np.int64)


def item_groups(n_seen: NDArray[np.floating]) -> Groups:
    """The number in ITEMS of each item [I]."""
    return (n_seen > 0).astype(np.int64) + (n_seen > SELDOM)


def joined(blend: Blend | ColdBlend, z: Mapping[str, F32], histories: Histories, items: Groups) -> F32:
    """Scores [B, I] of z-scores under either kind of blend; `items` are the items' groups [I]."""
    if isinstance(blend, ColdBlend):
        return blend.join_standardised(z, customer_groups(histories), items)
    return blend.join_standardised(z)
