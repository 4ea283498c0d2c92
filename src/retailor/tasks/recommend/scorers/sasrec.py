"""SASRec: a transformer over the customer's items in order, each known by its number and by its text.

Kang & McAuley (ICDM 2018), with a softmax over items in place of sampled pairs. An item's vector is
one learned for it alone plus a projection of its text vector; in training the first is dropped at random, so
that an item without events still has a place by its text. Without text vectors it is plain SASRec.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
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
I64 = NDArray[np.int64]
N_HEADS = 2
N_CHECKED = 2_000


@dataclass(frozen=True)
class SASRec:
    """The learned transformer: its weights by name, and the finished vector of every item [I, d]."""

    table: F32
    weights: Mapping[str, F32]

    def scores(self, histories: Histories) -> F32:
        """How well each item follows the history [B, I]; 0 everywhere for a history without events."""
        return self.states(histories) @ self.table.T

    def states(self, histories: Histories) -> F32:
        """What the history asks for [B, d]; 0 for one without events."""
        import torch

        network = self._network
        items, lengths = padded(histories, network.place.num_embeddings)
        if not items.size:
            return np.zeros((len(histories), self.table.shape[1]), np.float32)
        with torch.inference_mode():
            hidden = network.states(torch.from_numpy(self.table[items])).numpy()
        last = hidden[np.arange(len(items)), np.maximum(lengths - 1, 0)]
        return np.where(lengths[:, None] > 0, last, np.float32(0))

    def with_items(self, n: int, vectors: F32 | None) -> SASRec:
        """The same transformer with n further items, known by their whitened texts [n, t] if by anything."""
        more = np.zeros((n, self.table.shape[1]), np.float32)
        if vectors is not None and "project.weight" in self.weights:
            more += vectors @ self.weights["project.weight"].T + self.weights["project.bias"]
        return SASRec(appended(self.table, more), self.weights)

    @cached_property
    def _network(self) -> Any:
        import torch

        length, hidden = self.weights["place.weight"].shape
        n_layers = len({name.split(".")[2] for name in self.weights if name.startswith("blocks.layers.")})
        network = _network(0, None, hidden, n_layers, length, 0.0, 0)
        own = {name: torch.from_numpy(np.array(values)) for name, values in self.weights.items()}
        network.load_state_dict(own, strict=False)
        return network.eval()

    def tensors(self) -> Tensors:
        return {"table": self.table, **{f"weights.{name}": values for name, values in self.weights.items()}}

    @classmethod
    def of(cls, tensors: Mapping[str, NDArray[Any]]) -> Self:
        named = {key.partition(".")[2]: value for key, value in tensors.items() if key.startswith("weights.")}
        return cls(tensors["table"], named)


def padded(histories: Histories, length: int) -> tuple[I64, I64]:
    """The last items of each history, filled up at the right with item 0 [B, L], and their number [B]."""
    lengths = np.minimum(histories.lengths(), length)
    width = int(lengths.max(initial=0))
    columns = np.arange(width)
    at = (histories.offsets[1:] - lengths)[:, None] + columns
    inside = columns < lengths[:, None]
    items = np.zeros((len(histories), width), np.int64)
    items[inside] = histories.items[at[inside]]
    return items, lengths


def fit_sasrec(
    items: F32 | None,
    n_items: int,
    histories: Histories,
    settings: RecommendSettings,
    *,
    cases: Cases | None = None,
    work: Path | None = None,
) -> tuple[SASRec | None, dict[str, Any]]:
    """The transformer learned by predicting every next item, and the log of its training.

    `items` [I, t] are whitened text vectors. With `cases` the best weights on them are kept. None, with an
    empty log, when no customer has two events.
    """
    from retailor.train.loop import train
    from retailor.train.losses.functions import n_labels
    from retailor.train.settings import TrainSettings

    rows = np.flatnonzero(histories.lengths() > 1)
    if not len(rows):
        return None, {}
    length = min(settings.sasrec.length, int(histories.lengths().max()) - 1)
    network = _network(
        n_items,
        items,
        settings.sasrec.hidden,
        settings.sasrec.layers,
        length,
        settings.sasrec.dropout,
        derive(settings.seed, "sequence weights") % 2**31,
    )
    seen = np.bincount(histories.items, minlength=n_items) > 0
    batch_size = min(settings.sasrec.batch_size, max(8, len(rows) // 10))
    dials = TrainSettings(
        epochs=settings.sasrec.epochs,
        max_steps=settings.max_network_steps,
        batch_size=batch_size,
        learning_rate=settings.sasrec.learning_rate,
        weight_decay=0.01,
        precision="bf16" if n_items > 2000 else "32",
        patience=3,
        validate_every=2 * -(-len(rows) // batch_size),
        # The name of a stream is part of its seed: another name would be another figure.
        seed=derive(settings.seed, "sequence") % 2**31,
        devices=settings.train.devices,
        hosts=settings.train.hosts,
        strategy=settings.train.strategy,
    )
    log = train(
        network,
        rows.tolist(),
        _collate(histories, length),
        _loss(n_items, settings),
        dials,
        validate=None if cases is None else _validation(network, seen, histories, cases, settings),
        weigh=lambda batch: n_labels(batch["targets"]),
        work=work,
        label="sasrec",
        dials=(as_dict(settings), None if cases is None else digest(cases.customers, cases.targets)),
    )
    return _finished(network, seen), log.to_dict()


def _collate(histories: Histories, length: int) -> Callable[[Sequence[int]], Mapping[str, Any]]:
    """Inputs [B, L] and the item that follows each [B, L], −100 beyond the end."""
    import torch

    def collate(rows: Sequence[int]) -> Mapping[str, Any]:
        items, lengths = padded(histories.at(np.asarray(rows)), length + 1)
        inputs, targets = items[:, :-1], items[:, 1:].copy()
        targets[np.arange(targets.shape[1]) >= lengths[:, None] - 1] = -100
        return {"inputs": torch.from_numpy(inputs), "targets": torch.from_numpy(targets)}

    return collate


def _network(
    n_items: int, items: F32 | None, hidden: int, n_layers: int, length: int, dropout: float, seed: int
) -> Any:
    import torch
    from torch import nn

    class Transformer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.own = nn.Embedding(n_items, hidden)
            nn.init.normal_(self.own.weight, std=0.02)
            if items is not None:
                self.register_buffer("texts", torch.from_numpy(items), persistent=False)
                self.project = nn.Linear(items.shape[1], hidden)
            self.place = nn.Embedding(length, hidden)
            nn.init.normal_(self.place.weight, std=0.02)
            self.drop = nn.Dropout(dropout)
            block = nn.TransformerEncoderLayer(
                hidden,
                N_HEADS if hidden % N_HEADS == 0 else 1,
                2 * hidden,
                dropout,
                "gelu",
                batch_first=True,
                norm_first=True,
            )
            self.blocks = nn.TransformerEncoder(
                block, n_layers, norm=nn.LayerNorm(hidden), enable_nested_tensor=False
            )

        def vectors(self, kept: torch.Tensor | None = None) -> torch.Tensor:
            """Every item's vector [I, d]; `kept` [I] says of which items the own part counts."""
            own = self.own.weight if kept is None else self.own.weight * kept[:, None]
            return own + self.project(self.texts) if items is not None else own

        def states(self, vectors: torch.Tensor) -> torch.Tensor:
            """[B, L, d] of item vectors [B, L, d]: each place sees itself and what came before."""
            n = vectors.shape[1]
            ahead = torch.ones(n, n, dtype=torch.bool, device=vectors.device).triu(1)
            out: torch.Tensor = self.blocks(self.drop(vectors + self.place.weight[:n]), mask=ahead)
            return out

    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return Transformer()


def _loss(n_items: int, settings: RecommendSettings) -> Callable[[Any, Mapping[str, Any]], Any]:
    """Cross entropy over the catalogue, or over the batch's targets and a uniform sample of the rest."""
    import torch
    from torch.nn import functional as F

    def loss(network: Any, batch: Mapping[str, Any]) -> torch.Tensor:
        device = batch["inputs"].device
        kept = None
        if hasattr(network, "project"):  # without a text nothing would be left of an item
            kept = (torch.rand(n_items, device=device) >= settings.sasrec.item_dropout).float()
        table = network.vectors(kept)
        there = batch["targets"] >= 0
        states = network.states(table[batch["inputs"]])[there]
        targets = batch["targets"][there]
        if n_items > settings.max_softmax:
            others = torch.randint(n_items, (settings.max_softmax,), device=device)
            rows, places = torch.unique(torch.cat([targets, others]), return_inverse=True)
            table, targets = table[rows], places[: len(targets)]
        return F.cross_entropy((states @ table.T).float(), targets)

    return loss


def _finished(network: Any, seen: NDArray[np.bool_]) -> SASRec:
    """The network as a part; items without an event keep only what their text says."""
    import torch

    from retailor.train.checkpoint import whole

    with torch.inference_mode():
        table = network.vectors(torch.from_numpy(seen).to(network.own.weight)).float().cpu().numpy().copy()
    weights = {
        name: whole(value).detach().float().cpu().numpy().copy()
        for name, value in network.named_parameters()
        if not name.startswith("own.")
    }
    return SASRec(table, weights)


def _validation(
    network: Any, seen: NDArray[np.bool_], histories: Histories, cases: Cases, settings: RecommendSettings
) -> Callable[[], float]:
    """NDCG@10 on at most N_CHECKED of the cases, what the customer has being masked unless repeats count."""
    chosen = stream(settings.seed, "sequence validation").permutation(len(cases))
    chosen = chosen[: n_scored(N_CHECKED, len(seen))]
    asked = histories.at(cases.customers[chosen])
    targets, own = cases.targets[chosen], asked.matrix(len(seen)).tocoo()

    def ndcg() -> float:
        scores = _finished(network, seen).scores(asked)
        if not settings.repeats:
            scores[own.row, own.col] = -np.inf
        return float(ndcg_at(Ranked.single(target_ranks(scores, targets)), 10).mean())

    return ndcg
