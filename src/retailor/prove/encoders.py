"""Encoders that a ledger compares: without what was learned, adapted to the shop's texts, averaged."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from retailor.config import as_dict
from retailor.errors import ModelError
from retailor.models.encoding import memo_vectors
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.shapes import Encoder
from retailor.prove.contract import Cells, adaptation_pays
from retailor.prove.settings import ProveSettings
from retailor.prove.words import WordVectors
from retailor.seeds import derive
from retailor.shop.tables import Shop
from retailor.store.keys import key_of
from retailor.text.fields import texts

CHANGED = {"domain adaptation", "fine-tuned on behaviour", "weights averaged"}
"""Rows that need an encoder adapted to the shop."""


@dataclass(frozen=True)
class Kept:
    """An encoder made once, and the seconds it took."""

    encoder: LocalEncoder
    seconds: float
    examples_seen: int = 0
    parameters_trained: int = 0


def local(encoder: Encoder | None) -> LocalEncoder:
    """The encoder, if its network is here. Raises ModelError where it is elsewhere."""
    if not isinstance(encoder, LocalEncoder):
        name = getattr(encoder, "name", "none")
        raise ModelError(
            f"the encoder '{name}' has no network here that could be trained from scratch: a ledger needs a "
            "local model, by name or folder.",
            asked=name,
        )
    return encoder


def untrained(encoder: LocalEncoder, seed: int) -> LocalEncoder:
    """The same network and vocabulary with random weights."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive(seed, "from scratch"))
        fresh: Any = type(encoder.network)(encoder.network.config)
    return encoder.with_network(fresh.eval().to(next(encoder.network.parameters()).device))


def averaged(before: LocalEncoder, after: LocalEncoder, share: float) -> LocalEncoder:
    """The encoder whose weights lie at `share` of the way from `before` to `after`.

    WiSE-FT: Wortsman et al., CVPR 2022. Both must have grown out of the same network.
    """
    made = after.copy()
    old = before.network.state_dict()
    mixed = {
        name: value.lerp(old[name].to(value.device), 1 - share) if value.is_floating_point() else value
        for name, value in made.network.state_dict().items()
    }
    made.network.load_state_dict(mixed)
    return made


def kept(folder: Path, make: Callable[[], Kept]) -> Kept:
    """The encoder kept in `folder`, made now if it is not there."""
    log = folder / "log.json"
    if not log.exists():
        made = make()
        made.encoder.save(folder / "model")
        told = {name: value for name, value in vars(made).items() if name != "encoder"}
        log.write_text(json.dumps(told), encoding="utf-8")
    opened = load_encoder(folder / "model")
    assert isinstance(opened, LocalEncoder)
    return Kept(opened, **json.loads(log.read_text(encoding="utf-8")))


def adapted(
    encoder: LocalEncoder,
    train: Shop,
    texts: Sequence[str],
    given: ProveSettings,
    work: Path,
    *,
    keep: float | None,
) -> Kept:
    """The encoder adapted to the shop's texts; `keep` holds its vectors where they were (None: as usual)."""
    from retailor.train.adapt import AdaptSettings, adapt_with_log

    usual, most = AdaptSettings(), given.adapt_steps
    chosen = AdaptSettings(
        train=replace(usual.train, max_steps=most),
        head_steps=usual.head_steps if most is None else min(usual.head_steps, most),
        max_texts=given.adapt_texts, max_tokens=given.max_tokens, keep=usual.keep if keep is None else keep,
    )  # fmt: skip
    mark = key_of(as_dict(chosen), encoder.name, mark_of(encoder, train))[:16]

    def make() -> Kept:
        room = work / f"adapting-{mark}"
        made, log = adapt_with_log(encoder, texts, chosen, work=room)
        shutil.rmtree(room, ignore_errors=True)
        trained = sum(p.numel() for p in made.network.parameters())
        return Kept(made, log.seconds, log.train.examples_seen if log.train else 0, trained)

    return kept(work / f"adapted-{mark}", make)


@dataclass(frozen=True)
class Encoders:
    """What stands in an encoder's place in the rows of one task."""

    own: LocalEncoder
    train: Shop
    given: ProveSettings
    work: Path
    told: Sequence[str] = ()
    """Texts that are read ahead, whose reading is counted apart: those of the catalogue."""
    keep: float | None = None
    """How far adaptation holds the vectors where they were; None: as usual."""

    @cached_property
    def words(self) -> WordVectors:
        """TF-IDF of the texts that are read; of all of the shop's where none are."""
        return WordVectors([text for text in self.told or texts(self.train) if text.strip()])

    @cached_property
    def adapted(self) -> Kept:
        """The encoder adapted to the shop's texts."""
        said = texts(self.train)
        return adapted(self.own, self.train, said, self.given, self.work, keep=self.keep)

    def of(self, step: str, before: Cells) -> Encoder:
        """That of a row of search or of answers."""
        if step in ("bm25", "words, learned ranker"):
            return self.words
        frozen = step == "frozen encoder" or (step == "learned ranker" and not adaptation_pays(before))
        chosen = self.own if frozen else self.adapted.encoder
        self.read(chosen)
        return chosen

    def shared(self) -> dict[str, float]:
        """Seconds by step of what is made once: reading the texts, and adapting to the shop."""
        took = {"frozen encoder": self.read(self.own)}
        if not self.given.steps or CHANGED & set(self.given.steps):
            took["domain adaptation"] = self.adapted.seconds + self.read(self.adapted.encoder)
        return took

    def read(self, encoder: LocalEncoder) -> float:
        """The seconds that reading the texts took for the first time."""
        if not self.told:
            return 0.0
        mark = key_of(mark_of(encoder, self.train), list(self.told))[:16]
        return _seconds_of(self.work, mark, lambda: memo_vectors(encoder, list(self.told), work=self.work))


def mark_of(encoder: Encoder, train: Shop) -> Any:
    """What tells the encoder's weights and the shop's texts: some vectors, and hashes of three tables."""
    vectors = np.round(encoder.encode(["a", "好"]), 3).tolist()
    told = (train.reviews, train.items.select(pl.col(pl.String)), train.questions.select(pl.col(pl.String)))
    return vectors, [int(table.hash_rows(seed=0).sum() or 0) for table in told]


def _seconds_of(work: Path, name: str, make: Callable[[], object]) -> float:
    """The seconds that a first call took; `work` keeps them, since a second finds things made."""
    path = work / "seconds" / f"{name}.json"
    started = time.perf_counter()
    make()
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(time.perf_counter() - started), encoding="utf-8")
    return float(json.loads(path.read_text(encoding="utf-8")))
