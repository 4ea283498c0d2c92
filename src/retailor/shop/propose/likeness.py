"""How like the names of columns are to ours, as an encoder sees it."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache

import numpy as np

from retailor.models.shapes import Encoder
from retailor.shop.propose.match import Likeness
from retailor.shop.propose.words import NAMES, NOTHING

_FEW = 12


def likeness_of(encoder: Encoder) -> Likeness:
    """A function of table and header: the column of ours that the header is most like, and how much.

    The likeness is by how much a header is nearer to a column's names than to those of all others.
    """

    @cache
    def known(table: str) -> tuple[list[str], np.ndarray]:
        owners, phrases = [], []
        for ours, tiers in NAMES[table].items():
            for phrase in tiers.split("|")[0].split(",")[:_FEW]:
                owners.append(ours)
                phrases.append(phrase.strip())
        for phrase in NOTHING.split(","):
            owners.append("")
            phrases.append(phrase.strip())
        return owners, encoder.encode(phrases, role="passage")

    @cache
    def like(table: str, header: str) -> Mapping[str, float]:
        owners, rows = known(table)
        near = rows @ encoder.encode([header.replace("_", " ")], role="query")[0]
        best: dict[str, float] = {}
        for owner, value in zip(owners, near.tolist(), strict=True):
            best[owner] = max(value, best.get(owner, -1.0))
        first, second = sorted(best.values(), reverse=True)[:2]
        top = max(best, key=lambda owner: best[owner])
        spread = float(np.std(near)) or 1.0
        sure = min(1.0, (first - second) / spread + 0.5 * (first - float(np.mean(near))) / spread / 3)
        return {top: sure} if top else {}

    return like
