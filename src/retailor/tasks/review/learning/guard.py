"""What a writer that learned from preferences may not have lost: measured before and after, on what it did
not learn from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.interval import paired_interval
from retailor.models.shapes import TrainableGenerator
from retailor.tasks.review.checks import Judge
from retailor.tasks.review.facts import invented
from retailor.tasks.review.learning.prefer import Preference, liked
from retailor.tasks.review.learning.tune import Pair, losses
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import Wanted, prompt_of
from retailor.tasks.review.settings import PreferenceSettings
from retailor.tasks.review.text import tidy

HIGHER = ("liked", "agreement", "faithful")
NAMES = {
    "liked": "held-out preferences that it ranks as people did",
    "agreement": "drafts that sound like their stars",
    "faithful": "drafts that invent no fact",
    "loss": "loss a token of real reviews",
}


@dataclass(frozen=True)
class Known:
    """What both writers are measured on: preferences, and held-out reviews with what a draft of each should
    be like, its label and its text."""

    preferences: Sequence[Preference]
    wanted: Sequence[Wanted]
    labels: Sequence[str]
    texts: Sequence[str]


@dataclass(frozen=True)
class Change:
    """One figure before and after, the interval of its change over cases, and whether it may stand."""

    name: str
    before: float
    after: float
    low: float
    high: float
    n: int
    stands: bool

    def to_dict(self) -> dict[str, Any]:
        return dict(vars(self))


def changes(
    before: TrainableGenerator,
    after: TrainableGenerator,
    known: Known,
    past: Past,
    judge: Judge,
    settings: PreferenceSettings,
    *,
    max_tokens: int,
    max_new_tokens: int,
    seed: int,
) -> list[Change]:
    """Every figure of the two, in the order of `NAMES`; drafts are what the model says, before any check."""
    old, new = (
        measured(each, known, past, judge, max_tokens=max_tokens, max_new_tokens=max_new_tokens, seed=seed)
        for each in (before, after)
    )
    return [_change(name, old[name], new[name], settings, seed) for name in NAMES]


def measured(
    generator: TrainableGenerator,
    known: Known,
    past: Past,
    judge: Judge,
    *,
    max_tokens: int,
    max_new_tokens: int,
    seed: int,
) -> dict[str, NDArray[np.float64]]:
    """One value a case, by the names of `NAMES`: of preferences `liked`, of reviews the others."""
    prompts = [prompt_of(want) for want in known.wanted]
    said = generator.generate(prompts, max_tokens=max_new_tokens, temperature=0.7, seed=seed)
    texts = [tidy(each, max_chars=4 * max_new_tokens) for each in said]
    names = past.names
    made_up = [
        invented(text, want.source, language=want.language, stars=want.stars, names=names)
        for text, want in zip(texts, known.wanted, strict=True)
    ]
    pairs = [Pair(prompt, text) for prompt, text in zip(prompts, known.texts, strict=True)]
    sums, counts = losses(generator, pairs, max_tokens)
    return {
        "liked": liked(generator, known.preferences, max_tokens),
        "agreement": np.array(
            [float(read == label) for read, label in zip(judge(texts), known.labels, strict=True)]
        ),
        # A text that says nothing invents nothing, and is no draft.
        "faithful": np.array(
            [float(bool(text) and not why) for text, why in zip(texts, made_up, strict=True)]
        ),
        "loss": sums / np.maximum(counts, 1),
    }


def _change(name: str, old: Any, new: Any, settings: PreferenceSettings, seed: int) -> Change:
    change, low, high = paired_interval(new, old, seed=seed)
    if name == "liked":
        stands = change >= 0
    elif name in HIGHER:
        stands = change >= -settings.max_fall
    else:
        stands = change <= settings.max_loss_rise
    return Change(name, float(old.mean()), float(new.mean()), low, high, len(new), stands)
