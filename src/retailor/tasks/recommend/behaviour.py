"""The encoder, fine-tuned on what customers do: texts of what is chosen together move together.

Contrastive: the last items of a history against the one that came next, the other items of the batch being
the wrong answers (van den Oord et al. 2018). A batch is filled in small groups of items that lie close to
each other, so that some of the wrong answers are hard ones. No item has a number of its own in here: what the
encoder learns holds for items that nobody has chosen yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.config import as_dict
from retailor.models.shapes import TrainableEncoder
from retailor.retrieval.histories import Histories
from retailor.seeds import derive, stream
from retailor.tasks.recommend.settings import RecommendSettings

F32 = NDArray[np.float32]
ITEMS_A_CLUSTER = 50
ASKED = ("left", "right", "chosen", "owned")
"""What a batch has beside tokens."""


@dataclass(frozen=True)
class Moments:
    """Every event that follows another: who chose, where the event lies in the histories, in groups."""

    histories: Histories
    starts: NDArray[np.int64]
    at: NDArray[np.int64]
    groups: tuple[NDArray[np.int64], ...]
    """Numbers of moments [g]: those of a group chose items of one cluster."""

    @classmethod
    def of(cls, histories: Histories, texts: Sequence[str], vectors: F32, size: int, seed: int) -> Self:
        """The moments whose items, both, have a text; `vectors` [I, d] say which items lie close."""
        starts = np.repeat(histories.offsets[:-1], histories.lengths())
        at = np.arange(len(histories.items))
        written = np.array([bool(text.strip()) for text in texts])
        items = histories.items
        follows = at > starts
        follows[1:] &= written[items[1:]] & written[items[:-1]] & (items[1:] != items[:-1])
        starts, at = starts[follows], at[follows]
        clusters = clusters_of(vectors, seed)[items[at]]
        return cls(histories, starts, at, _groups(clusters, size, seed))

    def __len__(self) -> int:
        return len(self.groups)

    def before(self, moment: int, n: int) -> NDArray[np.int32]:
        """The last n items before a moment, oldest first."""
        start, at = self.starts[moment], self.at[moment]
        return self.histories.items[max(start, at - n) : at]


def clusters_of(vectors: F32, seed: int) -> NDArray[np.int64]:
    """A cluster for each item [I], of some fifty items each."""
    from sklearn.cluster import MiniBatchKMeans

    n = max(1, len(vectors) // ITEMS_A_CLUSTER)
    if n == 1:
        return np.zeros(len(vectors), np.int64)
    means = MiniBatchKMeans(n, random_state=derive(seed, "clusters") % 2**31, n_init=1)
    return np.asarray(means.fit_predict(vectors), np.int64)


def _groups(clusters: NDArray[np.int64], size: int, seed: int) -> tuple[NDArray[np.int64], ...]:
    """The rows of `clusters` in random groups of at most `size`, each of one cluster."""
    shuffled = stream(seed, "groups").permutation(len(clusters))
    order = shuffled[np.argsort(clusters[shuffled], kind="stable")]
    edges = np.flatnonzero(np.diff(clusters[order])) + 1
    return tuple(
        part[start : start + size]
        for part in np.split(order, edges)
        for start in range(0, len(part), size)
        if len(part)
    )


def fit_encoder(
    encoder: TrainableEncoder,
    texts: Sequence[str],
    vectors: F32,
    histories: Histories,
    settings: RecommendSettings,
    *,
    work: Path | None = None,
) -> tuple[TrainableEncoder, dict[str, Any]]:
    """An encoder with weights of its own, fine-tuned, and the log of its training.

    `texts` [I] and `vectors` [I, d] are the items' as they are before. The encoder itself, with an empty log,
    when no customer has two events with texts.
    """
    from retailor.train.loop import train
    from retailor.train.settings import TrainSettings

    moments = Moments.of(histories, texts, vectors, settings.tuning.group, settings.tuning.seed)
    if not len(moments):
        return encoder, {}
    tuned = encoder.copy()
    short = [_cut(text, settings.tuning.max_words) for text in texts]
    dials = TrainSettings(
        epochs=1e6,
        max_steps=settings.tuning.steps,
        batch_size=max(1, settings.tuning.batch_size // settings.tuning.group),
        learning_rate=settings.tuning.learning_rate,
        layer_decay=0.9,
        freeze_embeddings=True,
        seed=derive(settings.tuning.seed, "tuning") % 2**31,
        devices=settings.train.devices,
        hosts=settings.train.hosts,
        strategy=settings.train.strategy,
    )
    log = train(
        tuned.network,
        range(len(moments)),
        _collate(tuned, short, moments, settings.tuning.history),
        _loss(tuned, settings.tuning.temperature),
        dials,
        by_rows=False,
        work=work,
        label="tuning",
        dials=as_dict(settings),
    )
    return tuned, log.to_dict()


def _cut(text: str, n_words: int) -> str:
    """The first words of a text; a text without spaces keeps as many characters as they would have."""
    return " ".join(text.split()[:n_words])[: n_words * 8]


def _collate(
    encoder: TrainableEncoder, texts: Sequence[str], moments: Moments, n_before: int
) -> Callable[[Sequence[int]], Mapping[str, Any]]:
    """Batches: tokens of the different items in it [N, T], whose mean each left side is, which is right; the
    items chosen [B] and those owned [B, n_before] by their numbers in the shop, -1 for none."""
    import torch

    def collate(groups: Sequence[int]) -> Mapping[str, Any]:
        chosen = np.concatenate([moments.groups[group] for group in groups])
        before = [moments.before(int(one), n_before) for one in chosen]
        right = moments.histories.items[moments.at[chosen]]
        items, places = np.unique(np.concatenate([*before, right]), return_inverse=True)
        lengths = np.array([len(one) for one in before])
        left = np.zeros((len(chosen), len(items)), np.float32)
        ages = np.concatenate([np.arange(n, 0, -1) for n in lengths])
        left[np.repeat(np.arange(len(chosen)), lengths), places[: lengths.sum()]] = 1 / ages
        owned = np.full((len(chosen), n_before), -1)
        owned[np.repeat(np.arange(len(chosen)), lengths), ages - 1] = np.concatenate(before)
        return {
            **encoder.tokens([texts[item] for item in items]),
            "left": torch.from_numpy(left),
            "right": torch.from_numpy(places[lengths.sum() :].astype(np.int64)),
            "chosen": torch.from_numpy(right.astype(np.int64)),
            "owned": torch.from_numpy(owned),
        }

    return collate


def _loss(encoder: TrainableEncoder, temperature: float) -> Callable[[Any, Mapping[str, Any]], Any]:
    import torch
    from torch.nn import functional as F

    from retailor.train.losses.functions import contrastive
    from retailor.train.losses.shared import gathered

    def loss(network: Any, batch: Mapping[str, Any]) -> torch.Tensor:
        tokens = {name: value for name, value in batch.items() if name not in ASKED}
        unit = F.normalize(encoder.vectors(tokens).float(), dim=-1)  # [N, d]
        left, right = gathered(batch["left"] @ unit), gathered(unit[batch["right"]])
        chosen, owned = gathered(batch["chosen"]), gathered(batch["owned"])
        mine = (owned[:, :, None] == chosen).any(dim=1)  # an item of the history is no wrong answer to it
        same = (chosen[None, :] == chosen[:, None]) | mine  # [B, B]
        return contrastive(left, right, temperature=temperature, same=same)

    return loss
