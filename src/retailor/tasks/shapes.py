"""What every task promises, and the listed item that more than one of them gives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, Self, TypeVar, runtime_checkable

from retailor.metrics.scores import Scores
from retailor.models.shapes import OpenEncoder
from retailor.shop.tables import Shop
from retailor.tasks.reasons import Why

Query = TypeVar("Query", contravariant=True)
Answer = TypeVar("Answer")


@runtime_checkable
class Refittable(Protocol):
    """A task that can be fitted again with what was chosen: after `evaluate`, on what was held out for it.

    `before` is the same task, fitted on a part of `shop`. Its weights, dials and trained networks are taken
    over or trained the same way; whatever is counted, solved or indexed is made anew of the whole shop.
    """

    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self: ...


@runtime_checkable
class Task(Protocol[Query, Answer]):
    """fit, predict, evaluate, save, load: the whole life of a task.

    `fit` takes the tables it needs and names the one that is missing; with a `work` folder it keeps its
    checkpoints there, and a second call with the same folder goes on where a killed one stopped.
    `evaluate` scores the task beside its cheap baselines, all fitted on the shop of `fit`.
    """

    kind: ClassVar[str]

    def fit(self, shop: Shop, *, work: Path | None = None) -> Self: ...
    def predict(self, queries: Sequence[Query]) -> list[Answer]:
        """One answer a query: same length, same order."""
        ...

    def evaluate(self, shop: Shop) -> Scores: ...
    def save(self, folder: Path) -> None: ...
    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """The saved task. `open_encoder` opens the encoder inside, if it has one; None: `load_encoder`."""
        ...


@dataclass(frozen=True)
class Recommended:
    """One recommended item; `reason` says in words which evidence carried it."""

    item_id: str
    score: float
    reason: str = ""
    because: tuple[str, ...] = ()
    """The history items that carried it, strongest first."""
    why: Why | None = None
    """The reason as a code with its parts, for a reader of another language; `reason` is its English."""

    @classmethod
    def of(cls, item_id: str, score: float, why: Why, because: tuple[str, ...] = ()) -> Self:
        """One item whose reason is worded here; the score is rounded to five digits."""
        return cls(item_id, round(score, 5), why.text(), because, why)
