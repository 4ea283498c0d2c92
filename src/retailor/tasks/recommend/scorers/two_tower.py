"""Two towers, f(u, i) = h_uᵀ W h_i over the encoder's vectors, learned from what customers chose next.

h_i is the whitened vector of the item's text and h_u the mean of the customer's items, newer ones weighing
more. W is the identity plus a learned low-rank part on either side with a bend in it (SiLU); at the start the
learned part is zero, so that training can only add to what the language model knows. No item has a number of
its own in here: what has a text has a score.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from retailor.config import as_dict
from retailor.metrics.ranking import Ranked, ndcg_at, target_ranks
from retailor.retrieval.growing import appended
from retailor.retrieval.histories import Histories, Tensors
from retailor.seeds import derive, stream
from retailor.store.memo import digest
from retailor.tasks.recommend.cases import Cases, n_scored
from retailor.tasks.recommend.settings import RecommendSettings

F32 = NDArray[np.float32]
LAYERS = ("down", "bias", "up")
TOWER_ROWS = 100_000


@dataclass(frozen=True)
class Whitening:
    """Centre and rotation that give the catalogue's vectors unit covariance."""

    mean: F32  # [d]
    rotation: F32  # [d, d]

    @classmethod
    def of(cls, vectors: F32) -> Self:
        """From vectors [I, d]. The covariance is shrunk towards a round one, by d of I + d parts.

        Without that a catalogue of few items would come out with every item as far from every other.
        """
        mean = vectors.mean(axis=0, dtype=np.float64)
        centred = vectors - mean
        values, axes = np.linalg.eigh(centred.T @ centred / max(len(vectors), 1))
        share = vectors.shape[1] / sum(vectors.shape)
        values = (1 - share) * np.maximum(values, 0) + share * max(values.mean(), 1e-12)
        scale = 1 / np.sqrt(values)
        return cls(mean.astype(np.float32), ((axes * scale) @ axes.T).astype(np.float32))

    @cached_property
    def axes(self) -> F32:
        """Unit axes [d, d] of whitened vectors, the least stretched first: along it the vectors vary most."""
        return np.asarray(np.linalg.eigh(self.rotation.astype(np.float64))[1], np.float32)

    def __call__(self, vectors: F32) -> F32:
        """Whitened unit rows [n, d]; a zero row stays zero, since a text that says nothing has no place."""
        white = (vectors - self.mean) @ self.rotation
        white[~vectors.any(axis=1)] = 0
        return unit(white)


def unit(rows: NDArray[np.floating]) -> F32:
    """The rows with length 1; zero rows stay zero."""
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-9), np.float32)


@dataclass(frozen=True)
class TwoTower:
    """The learned f(u, i): whitened items [I, d], the same as candidates, and both towers of W."""

    items: F32
    candidates: F32
    customer: Mapping[str, F32]
    item: Mapping[str, F32]
    decay: float

    def scores(self, histories: Histories) -> F32:
        """f(u, i) [B, I]; 0 everywhere for a history without events."""
        mean = histories.matrix(len(self.items), decay=self.decay) @ self.items
        return self.wanted(np.asarray(mean, np.float32)) @ self.candidates.T

    def wanted(self, means: F32) -> F32:
        """h_uᵀ W of weighted means of items [B, d]."""
        return unit(_tower(self.customer, unit(means)))

    def with_items(self, vectors: F32, whole: F32 | None = None) -> TwoTower:
        """The same with further whitened items [m, d] at the end; `whole`: all items, where it is at hand."""
        items = appended(self.items, vectors) if whole is None else whole
        return replace(self, items=items, candidates=appended(self.candidates, _tower(self.item, vectors)))

    def tensors(self) -> Tensors:
        sides = {"customer": self.customer, "item": self.item}
        named = {f"{side}.{name}": values for side, some in sides.items() for name, values in some.items()}
        decay = np.array([self.decay], np.float64)
        return {"items": self.items, "candidates": self.candidates, "decay": decay, **named}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        customer, item = (
            {name: tensors[f"{side}.{name}"] for name in LAYERS} for side in ("customer", "item")
        )
        return cls(tensors["items"], tensors["candidates"], customer, item, float(tensors["decay"][0]))


def _tower(weights: Mapping[str, F32], rows: F32) -> F32:
    """rows + up · SiLU(down · rows + bias) [n, d], a block of rows at a time."""
    if len(rows) > TOWER_ROWS:
        parts = (rows[start : start + TOWER_ROWS] for start in range(0, len(rows), TOWER_ROWS))
        return np.concatenate([_tower(weights, part) for part in parts])
    inner = rows @ weights["down"].T + weights["bias"]
    inner = inner / (1 + np.exp(-np.clip(inner, -60, 60)))
    return np.asarray(rows + inner @ weights["up"].T, np.float32)


def untrained(items: F32, decay: float) -> TwoTower:
    """W = identity: the cosine of the customer's mean with each item."""
    d = items.shape[1]
    zero = {"down": np.zeros((1, d)), "bias": np.zeros(1), "up": np.zeros((d, 1))}
    side = {name: values.astype(np.float32) for name, values in zero.items()}
    return TwoTower(items, items, side, side, decay)


def fit_two_tower(
    items: F32,
    histories: Histories,
    settings: RecommendSettings,
    *,
    cases: Cases | None = None,
    work: Path | None = None,
) -> tuple[TwoTower, dict[str, Any]]:
    """The two towers learned by softmax over the catalogue, and the log of its training.

    Every event after a customer's first is an example, predicted from the events before it. With `cases`
    (customers of `histories` and what came next) the best weights on them are kept. Untrained, with an empty
    log, when no customer has two events.
    """
    from retailor.train.loop import train
    from retailor.train.settings import TrainSettings

    examples = _Examples.of(items, histories, settings.decay)
    if not len(examples):
        return untrained(items, settings.decay), {}
    network = _network(items, settings)
    dials = TrainSettings(
        epochs=settings.two_tower.epochs,
        max_steps=settings.max_network_steps,
        batch_size=min(settings.two_tower.batch_size, max(8, len(examples) // 40)),
        learning_rate=settings.two_tower.learning_rate,
        weight_decay=0.01,
        precision="bf16" if len(items) > 2000 else "32",
        patience=2,
        # The name of a stream is part of its seed: another name would be another figure.
        seed=derive(settings.seed, "taste") % 2**31,
        devices=settings.train.devices,
        hosts=settings.train.hosts,
        strategy=settings.train.strategy,
    )
    log = train(
        network,
        range(len(examples)),
        examples.collate,
        _loss(len(items), settings),
        dials,
        validate=None if cases is None else _validation(network, items, histories, cases, settings),
        work=work,
        label="two_tower",
        dials=(as_dict(settings), None if cases is None else digest(cases.customers, cases.targets)),
    )
    return network.finished(settings.decay), log.to_dict()


@dataclass(frozen=True)
class _Examples:
    """Every prefix of every history: where it starts, the event that follows it, and the means to come."""

    items: F32
    histories: Histories
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    decay: float

    @classmethod
    def of(cls, items: F32, histories: Histories, decay: float) -> Self:
        starts = np.repeat(histories.offsets[:-1], histories.lengths())
        ends = np.arange(len(histories.items))
        follows = ends > starts
        return cls(items, histories, starts[follows], ends[follows], decay)

    def __len__(self) -> int:
        return len(self.ends)

    def collate(self, chosen: Sequence[int]) -> Mapping[str, Any]:
        """Means of the items before [B, d], and the item that came [B]."""
        import torch

        rows = np.asarray(chosen)
        starts, ends = self.starts[rows], self.ends[rows]
        lengths = ends - starts
        offsets = np.concatenate([[0], np.cumsum(lengths)])
        at = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], lengths)
        before = Histories(offsets, self.histories.items[at], self.histories.weights[at])
        means = before.matrix(len(self.items), decay=self.decay) @ self.items
        targets = self.histories.items[ends].astype(np.int64)
        return {"means": torch.from_numpy(unit(means)), "targets": torch.from_numpy(targets)}


def _network(items: F32, settings: RecommendSettings) -> Any:
    import torch
    from torch import nn
    from torch.nn import functional as F

    class Tower(nn.Module):
        """rows + up · SiLU(down · rows + bias), `up` zero at the start."""

        def __init__(self, dim: int, hidden: int) -> None:
            super().__init__()
            self.down, self.up = nn.Linear(dim, hidden), nn.Linear(hidden, dim, bias=False)
            self.drop = nn.Dropout(settings.two_tower.dropout)
            nn.init.normal_(self.down.weight, std=1.0)
            nn.init.zeros_(self.down.bias)
            nn.init.zeros_(self.up.weight)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            out: torch.Tensor = rows + self.up(self.drop(F.silu(self.down(rows))))
            return out

        def numpy(self) -> dict[str, F32]:
            tensors = (self.down.weight, self.down.bias, self.up.weight)
            return {
                name: t.detach().float().cpu().numpy().copy() for name, t in zip(LAYERS, tensors, strict=True)
            }

    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("items", torch.from_numpy(items), persistent=False)
            self.customer = Tower(items.shape[1], settings.two_tower.hidden)
            self.item = Tower(items.shape[1], settings.two_tower.hidden)
            self.log_scale = nn.Parameter(torch.tensor([float(np.log(15.0))]))

        def forward(self, means: torch.Tensor, rows: torch.Tensor | None = None) -> torch.Tensor:
            """Logits [B, I], or [B, len(rows)] of some candidates."""
            assert isinstance(self.items, torch.Tensor)
            some = self.items if rows is None else self.items[rows]
            wanted = F.normalize(self.customer(means).float(), dim=1) * self.log_scale.exp()
            logits: torch.Tensor = wanted @ self.item(some).T
            return logits

        def finished(self, decay: float) -> TwoTower:
            item = self.item.numpy()
            return TwoTower(items, _tower(item, items), self.customer.numpy(), item, decay)

    with torch.random.fork_rng():
        torch.manual_seed(derive(settings.seed, "taste weights") % 2**31)
        return Network()


def _loss(n_items: int, settings: RecommendSettings) -> Callable[[Any, Mapping[str, Any]], Any]:
    """Cross entropy over the catalogue, or over the batch's targets and a uniform sample of the rest."""
    import torch
    from torch.nn import functional as F

    def full(network: Any, batch: Mapping[str, Any]) -> torch.Tensor:
        logits: torch.Tensor = network(batch["means"])
        return F.cross_entropy(logits.float(), batch["targets"])

    def sampled(network: Any, batch: Mapping[str, Any]) -> torch.Tensor:
        others = torch.randint(n_items, (settings.max_softmax,), device=batch["targets"].device)
        rows, places = torch.unique(torch.cat([batch["targets"], others]), return_inverse=True)
        logits = network(batch["means"], rows).float()
        return F.cross_entropy(logits, places[: len(batch["targets"])])

    return full if n_items <= settings.max_softmax else sampled


def _validation(
    network: Any, items: F32, histories: Histories, cases: Cases, settings: RecommendSettings
) -> Callable[[], float]:
    """NDCG@10 on at most 2,000 of the cases, what the customer has being masked unless repeats count."""
    chosen = stream(settings.seed, "taste validation").permutation(len(cases))
    chosen = chosen[: n_scored(2000, len(items))]
    asked = histories.at(cases.customers[chosen])
    targets, seen = cases.targets[chosen], asked.matrix(len(items)).tocoo()

    def ndcg() -> float:
        scores = network.finished(settings.decay).scores(asked)
        if not settings.repeats:
            scores[seen.row, seen.col] = -np.inf
        return float(ndcg_at(Ranked.single(target_ranks(scores, targets)), 10).mean())

    return ndcg
