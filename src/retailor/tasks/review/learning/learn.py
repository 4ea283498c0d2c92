"""A writer learns from a shop's preferences, and keeps what it learned only where that cost nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from retailor.models.shapes import TrainableGenerator
from retailor.seeds import derive, stream
from retailor.tasks.review.checks import Judge
from retailor.tasks.review.learning.guard import NAMES, Known, changes
from retailor.tasks.review.learning.prefer import Preference, prefer, preferences_of
from retailor.tasks.review.learning.tune import Adapter
from retailor.tasks.review.past import Past
from retailor.tasks.review.settings import PREFERENCE_RATE, PreferenceSettings, ReviewSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.train.settings import TrainSettings


@dataclass(frozen=True)
class Learned:
    """What came of the preferences: a log that says why; writer and adapter where it is the better one."""

    log: dict[str, Any]
    writer: TrainableGenerator | None = None
    adapter: Adapter | None = None


def learn(
    writer: TrainableGenerator,
    table: pl.DataFrame,
    past: Past,
    judge: Callable[[], Judge],
    settings: ReviewSettings,
    work: Path | None,
) -> Learned:
    """Learns from a table of preferences; `judge` reads the sentiment of drafts, and is asked for once.

    Preferences of one item are all learned from or all held out. The reviews that drafts are checked on are
    those of the newest of `past` that tuning only measured itself on, but for those that came of an edit
    which is learned from.
    """
    given = settings.preferences
    usable, dropped = preferences_of(table, past, max_per_customer=given.max_per_customer)
    log: dict[str, Any] = {"n": len(usable), "dropped": dropped, "learned": False}
    if len(usable) < given.least:
        return Learned({**log, "why": f"{len(usable)} can be used, and {given.least} are the least"})
    learned, held_out = _parted(usable, given.held_out, settings.seed)
    if not learned or not held_out:
        return Learned({**log, "why": "all of them are about one item, so nothing can be held out"})
    known = known_of(learned, held_out, past, min(given.n_checked, n_held_out(settings, len(past))))
    if not known.texts:
        return Learned({**log, "why": "all reviews that it could be checked on came of edits"})
    tuned, adapter, training = prefer(
        writer,
        learned,
        held_out,
        given,
        train_settings=_train_settings(given, len(learned), settings.seed),
        max_tokens=settings.max_train_tokens,
        work=work,
        bits=settings.lora_bits,
    )
    log |= {**training.to_dict(), "n_learned": len(learned), "n_held_out": len(held_out)}
    found = changes(
        writer,
        tuned,
        known,
        past,
        judge(),
        given,
        max_tokens=settings.max_train_tokens,
        max_new_tokens=settings.max_tokens,
        seed=derive(settings.seed, "review", "preferences checked"),
    )
    log["changes"] = [each.to_dict() for each in found]
    fallen = [NAMES[each.name] for each in found if not each.stands]
    values = [value for _, value in training.validations]
    if max(values) <= values[0]:
        return Learned({**log, "why": "no step lowered the loss of the held-out preferences"})
    if fallen:
        return Learned({**log, "why": f"it would have cost {' and '.join(fallen)}"})
    return Learned({**log, "learned": True}, tuned, adapter)


def n_held_out(settings: ReviewSettings, n: int) -> int:
    """How many of n reviews, the newest, no training learns from."""
    return max(1, min(settings.max_held_out, n // 5))


def _parted(
    usable: Sequence[Preference], share: float, seed: int
) -> tuple[list[Preference], list[Preference]]:
    """(learned, held out), cut between items; the smallest number of items that is at least the share."""
    items = sorted({one.item_id for one in usable})
    order = stream(seed, "review", "preferences").permutation(len(items))
    out: set[str] = set()
    for place in order[:-1]:
        if sum(one.item_id in out for one in usable) >= share * len(usable):
            break
        out.add(items[int(place)])
    return [one for one in usable if one.item_id not in out], [one for one in usable if one.item_id in out]


def known_of(learned: Sequence[Preference], held_out: Sequence[Preference], past: Past, n: int) -> Known:
    """What is measured before and after: of the n newest reviews those that are no text learned from."""
    seen = {(one.item_id, one.chosen) for one in learned}
    newest = range(max(0, len(past) - n), len(past))
    rows = [row for row in newest if (past.reviews["item_id"][row], past.texts[row]) not in seen]
    labels = past.labels()
    wanted = [
        past.wanted(
            ReviewQuery(
                past.reviews["item_id"][row], float(past.stars[row]),
                user_id=past.users[row], language=past.languages[row],
            ),
            before=row,
        )
        for row in rows
    ]  # fmt: skip
    return Known(held_out, wanted, [labels[row] for row in rows], [past.texts[row] for row in rows])


def _train_settings(given: PreferenceSettings, n: int, seed: int) -> TrainSettings:
    train = given.train.resolved(rate=PREFERENCE_RATE, seed=seed)
    n_steps = max(1, round(train.epochs * n / train.batch_size))
    n_steps = min(n_steps, train.max_steps or n_steps)
    return replace(train, validate_every=train.validate_every or max(1, n_steps // 4))
