"""Search by picture: what items look like, and what that weighs beside words."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError
from retailor.models.pictures.decoding import MAX_BYTES, decode
from retailor.models.pictures.items import ItemPictures
from retailor.retrieval.blend import standardise
from retailor.tasks.search.choosing import Chosen
from retailor.tasks.search.shapes import SearchQuery

F32 = NDArray[np.float32]
WEIGHTS = tuple(round(0.1 * tenth, 1) for tenth in range(11))
"""Of the picture beside the words: those that are tried."""


@dataclass(frozen=True)
class Looks:
    """What the items look like: unit vectors [I, dim], zero for an item without a picture."""

    pictures: ItemPictures
    table: F32
    weight: float
    """Of the picture in a query of both; the words have the rest."""

    @classmethod
    def of(cls, pictures: ItemPictures | None, item_ids: Sequence[str], weight: float) -> Looks | None:
        """None where no item of the catalogue has a picture."""
        table = None if pictures is None else pictures.at(item_ids)
        if pictures is None or table is None or not table.any():
            return None
        # Half precision, as they will be on disk: a loaded task ranks exactly as the fitted one.
        return cls(pictures, table.astype(np.float16).astype(np.float32), weight)

    @property
    def seen(self) -> NDArray[np.bool_]:
        """Which items have a picture [I]."""
        return np.asarray(self.table.any(axis=1), np.bool_)

    @property
    def blind(self) -> NDArray[np.int64]:
        """The rows of items without a picture."""
        return np.flatnonzero(~self.seen)

    def with_room(self, n_items: int) -> Looks:
        """The same of so many items: those behind the last one have no picture until the next fit."""
        room = np.zeros((n_items, self.table.shape[1]), np.float32)
        room[: len(self.table)] = self.table
        return replace(self, table=room)

    def weighing_as(self, other: Looks | None) -> Looks:
        """The same with the weight that another has learned."""
        return self if other is None else replace(self, weight=other.weight)

    def scores(self, image: str) -> F32:
        """z-scores [I] by likeness to a picture in base64; an item without one has what the least like has.

        Raises DataError on what is no picture.
        """
        return self.scores_of(self.pictures.encoder.encode_pictures([decode(from_base64(image))])[0])

    def scores_of(self, vector: F32) -> F32:
        """The same of the vector [dim] of a picture."""
        likeness = self.table @ vector
        likeness[self.blind] = np.nan
        z: F32 = standardise(likeness[None])[0]
        z[self.blind] = z[np.isfinite(z)].min()
        return z

    def joined(self, words: F32, picture: F32) -> F32:
        """Scores [I] of a query of both, from those by its words and the z-scores by its picture."""
        own = picture.copy()
        own[self.blind] = 0  # nothing is known: the words alone speak for or against it
        joined: F32 = (1 - self.weight) * standardise(words[None])[0] + self.weight * own
        return joined.astype(np.float32)

    def found(
        self, image: str, text: str, words: F32, chosen: Chosen, matches: NDArray[np.bool_]
    ) -> tuple[F32, Chosen, NDArray[np.bool_]]:
        """Scores, what may be shown and what matches [I] of a query with a picture, from those by its words.

        Every item that has a picture is more or less like it; one without is no answer to a picture alone.
        Words that match nothing say nothing: the picture alone is asked for.
        """
        seen, has_one = self.scores(image), self.seen
        if not text or not matches.any():
            return seen, chosen.without(self.blind.tolist()), has_one
        return self.joined(words, seen), chosen, np.logical_or(matches, has_one)


def from_base64(image: str) -> bytes:
    """The bytes of a picture that came as text, in lines or not, 'data:…;base64,' before it or not.

    Raises DataError.
    """
    told = image.partition(",")[2] if image.startswith("data:") else image
    if len(told) > MAX_BYTES * 4 // 3 + 4:
        raise DataError(f"the picture has more than {MAX_BYTES:,} bytes; send a smaller one.", column="image")
    try:
        return base64.b64decode("".join(told.split()), validate=True)
    except (binascii.Error, ValueError):
        raise DataError("the picture is no base64; send the bytes of its file so.", column="image") from None


def taught(
    looks: Looks | None, queries: Sequence[SearchQuery], words: Sequence[F32], rows: Sequence[int]
) -> Looks:
    """The same with the weight of WEIGHTS by which the item meant stands highest, by mean reciprocal rank.

    `words` are the scores [I] of each query by its words, `rows` the items that are meant. Of weights that do
    equally well the middle one. Raises DataError on a query without words or a picture.
    """
    if looks is None or any(not (query.image and query.text.strip()) for query in queries):
        raise DataError("what a picture weighs is learned from queries of words and a picture.")
    seen = [looks.scores(query.image) for query in queries]
    means = []
    for weight in WEIGHTS:
        scores = [replace(looks, weight=weight).joined(*each) for each in zip(words, seen, strict=True)]
        ranks = [(each >= each[row]).sum() for each, row in zip(scores, rows, strict=True)]
        means.append(float(np.mean(1 / np.array(ranks, dtype=np.float64))))
    best = [weight for weight, mean in zip(WEIGHTS, means, strict=True) if mean >= max(means) - 1e-9]
    return replace(looks, weight=best[len(best) // 2])
