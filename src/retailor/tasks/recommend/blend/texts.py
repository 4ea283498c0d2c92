"""Which texts pay: none, words, or words and an encoder beside them, by customers that were held out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from retailor.retrieval.blend import trust
from retailor.tasks.recommend.blend.folds import N_ERRORS, N_FOLDS, Floats, Values, out_of_fold
from retailor.tasks.recommend.scorers.parts import BY_WORDS, NO_TEXT, OURS, PARTS

FROM_CHEAP_TO_DEAR = (NO_TEXT, BY_WORDS, OURS)
SAID = {NO_TEXT: "no text", BY_WORDS: "words alone", OURS: "words and the encoder"}


@dataclass(frozen=True)
class Texts:
    """The system that answers, and how each of those that could was scored out of fold."""

    row: str
    """OURS, BY_WORDS or NO_TEXT."""
    scored: Mapping[str, tuple[Floats, Floats]]
    """NDCG@10 of each case, drawn to the defaults and as learned; none where there was no choice."""
    log: Mapping[str, Any]


def choose_texts(
    z: Mapping[str, np.ndarray],
    systems: Mapping[str, Sequence[str]],
    values: Values,
    n_cases: int,
    wanted: str,
) -> Texts:
    """What pays of the texts, by z-scores [n, I] of the parts that each of `systems` has.

    Each is scored on customers that its weights have not seen, and the best is taken; of equals the cheapest.
    OURS, unscored, where there is no encoder to be left out, or the setting `text` (`wanted`) names it.
    """
    rows = [row for row in FROM_CHEAP_TO_DEAR if row in systems]
    if len(rows) == 1 or wanted != "auto":
        return Texts(OURS, {}, {})
    n_folds = N_FOLDS if trust(n_cases) < 1 else 2  # many cases settle the weights in half of them
    scored = {
        row: out_of_fold({name: z[name] for name in systems[row]}, values, n_cases, n_folds) for row in rows
    }
    means = {row: float(scored[row][0].mean()) for row in rows}
    took, rival = sorted(rows, key=lambda row: -means[row])[:2]
    gaps = scored[took][0] - scored[rival][0]
    around = float(N_ERRORS * gaps.std() / np.sqrt(n_cases))
    log = {
        "took": took,
        "ndcg@10": means,
        "n": n_cases,
        "rival": rival,
        "lead": float(gaps.mean()),
        "±": around,
    }
    return Texts(took, scored, log)


def told(log: Mapping[str, Any], served: str | None = None) -> str:
    """What was taken and why, in a sentence; and that a part answers alone, where `served` is one."""
    means = ", ".join(f"{value:.3f} with {SAID[row]}" for row, value in log["ndcg@10"].items())
    sure = "more" if abs(log["lead"]) > log["±"] else "no more"
    alone = f" The part '{served}' leads that blend and answers alone." if served in PARTS else ""
    return (
        f"answers by {SAID[log['took']]}: on {log['n']:,} held-out customers NDCG@10 is {means}; "
        f"the lead on {SAID[log['rival']]} is {log['lead']:+.3f} ± {log['±']:.3f}, {sure} than chance.{alone}"
    )
