"""What compression of its encoder costs a task, and a task folder with its encoder compressed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol, Self, TypeVar, runtime_checkable

import numpy as np

from retailor.compress.frontier import Judge, Share
from retailor.compress.onnx import CompressReport, compress
from retailor.compress.settings import CompressSettings
from retailor.errors import MissingTable, ModelError
from retailor.metrics.interval import bounds
from retailor.metrics.scores import OURS, Score, Scores
from retailor.models.local import load_encoder
from retailor.models.shapes import Encoder
from retailor.shop.tables import Shop


@runtime_checkable
class OverEncoder(Protocol):
    """A fitted task that can go on over another encoder of the same vectors."""

    @property
    def encoder(self) -> Encoder | None: ...
    def with_encoder(self, encoder: Encoder) -> Self: ...
    def evaluate(self, shop: Shop) -> Scores: ...
    def save(self, folder: Path) -> None: ...


T = TypeVar("T", bound=OverEncoder)


def loss_after(task: Any, encoder: Encoder, shop: Shop, before: Scores | None = None) -> Scores:
    """Scores on `shop` of the task as it is ('retailor') and over a compressed `encoder` ('compressed').

    `before` are the task's own, where they are known. Raises ModelError for a task whose encoder cannot be
    replaced.
    """
    swapped = _replaceable(task).with_encoder(encoder)
    after = [replace(score, row="compressed") for score in swapped.evaluate(shop) if score.row == "retailor"]
    known = task.evaluate(shop) if before is None else before
    return Scores((*(score for score in known if score.row == "retailor"), *after))


def judge_of(
    tasks: Mapping[str, Any], shop: Shop, metric_of: Callable[[Scores], str]
) -> tuple[Judge, tuple[str, ...]]:
    """What tells the share of each task's score on `shop` that a candidate keeps, and which tasks it judges.

    `metric_of` names the metric of a task's scores, one of which more is better. A task that takes no other
    encoder, has no case there or a score of 0 tells nothing and is left out.
    """
    able = {name: task for name, task in tasks.items() if isinstance(task, OverEncoder)}
    scores = {name: evaluated(task, shop) for name, task in able.items()}
    known = {name: _ours(found, metric_of(found)) for name, found in scores.items() if found}
    before = {
        name: score for name, score in known.items() if score is not None and score.n and score.value > 0
    }

    def judge(encoder: Encoder) -> dict[str, Share]:
        kept = {}
        for name, score in before.items():
            after = _ours(able[name].with_encoder(encoder).evaluate(shop), score.metric)
            if after is not None:
                kept[name] = _share(after, score)
        return kept

    return judge, tuple(before)


def evaluated(task: Any, shop: Shop) -> Scores:
    """The scores of a task; none where the shop has no row of the table that it is evaluated on."""
    try:
        return task.evaluate(shop)  # type: ignore[no-any-return]
    except MissingTable:
        return Scores()


def _ours(scores: Scores, metric: str) -> Score | None:
    return next((s for s in scores if (s.row, s.metric, s.bucket) == (OURS, metric, "all")), None)


def _share(after: Score, before: Score) -> Share:
    """After as a share of before, with the interval of the ratio over the same resamples."""
    low = high = None
    if after.draws is not None and before.draws is not None and after.draws.shape == before.draws.shape:
        with np.errstate(divide="ignore", invalid="ignore"):
            low, high = bounds(after.draws / before.draws)
    return Share(after.value / before.value, low, high, before.n)


def task_loss(
    task: Any,
    shop: Shop,
    before: Scores,
    small: Encoder,
    whole: Encoder,
    *,
    texts: Sequence[str],
    settings: CompressSettings | None = None,
) -> Scores:
    """What compression costs a fitted task on `shop`; no rows for one that takes no other encoder.

    `small` is `whole` compressed. A task that fine-tuned its encoder has that one compressed instead.
    """
    if not isinstance(task, OverEncoder) or task.encoder is None:
        return Scores()
    if answers_by(task, whole, texts):
        return loss_after(task, small, shop, before)
    with TemporaryDirectory() as place:
        compress(task.encoder, Path(place) / "encoder", texts=texts, settings=settings)
        return loss_after(task, load_encoder(Path(place) / "encoder"), shop, before)


def answers_by(task: Any, encoder: Encoder, texts: Sequence[str]) -> bool:
    """Whether the task answers by this very encoder: it has not fine-tuned one of its own."""
    own, few = getattr(task, "encoder", None), texts[:8]
    if not isinstance(own, Encoder) or own.dim != encoder.dim:
        return False
    return bool(np.allclose(own.encode(few), encoder.encode(few), atol=1e-3))


def compress_task(
    task: T, folder: Path, *, texts: Sequence[str], settings: CompressSettings | None = None
) -> CompressReport:
    """The report; `folder` becomes the saved task over its own encoder, compressed."""
    encoder = _replaceable(task).encoder
    if encoder is None:
        raise ModelError("this task answers without an encoder, so there is nothing to compress.")
    with TemporaryDirectory() as place:
        report = compress(encoder, Path(place) / "encoder", texts=texts, settings=settings)
        task.with_encoder(load_encoder(Path(place) / "encoder")).save(folder)
    return report


def _replaceable(task: T) -> T:
    if not isinstance(task, OverEncoder):
        raise ModelError(
            f"a task of kind '{getattr(task, 'kind', type(task).__name__)}' cannot take another encoder.",
            asked="with_encoder",
        )
    return task
