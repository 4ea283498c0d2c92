"""Learning from preferences, under a rule that is known: sober drafts are liked better than shouting ones.

    python benchmarks/review_preferences.py

Gift Cards. The decoder as it comes writes two drafts for each of some items; a simulated customer likes the
one with fewer superlatives and exclamation marks, of two alike the shorter, and one time in ten errs. Rows:
the decoder as it comes; the same tuned on the liked drafts alone, which needs no preference; and what
learned from the preferences. All draft for items of which none has learned, with the same seed.

`loud`: superlatives and exclamation marks a draft; `words`: how long a draft is; `loud_per_100_words`: of all
drafts of a row together, which shorter drafts alone do not change. `liked`: the share of held-out preferences
that a row ranks as the customers did. `agreement`, `faithful`: drafts that sound like their stars by a model
of the real reviews, and that invent no fact. `perplexity`: a token of real reviews. Drafts are what the
decoder says, before any check. `kept` says whether the writer keeps what it learned, by its own rule.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from bench import Bench, begin, parser_of
from numpy.typing import NDArray
from review_drafts import shops

from retailor.metrics.generation import tokens
from retailor.metrics.interval import bootstrap_means, bounds, paired_interval, score_mean
from retailor.models.shapes import TrainableGenerator
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.tasks.review.evaluate import fit_judge
from retailor.tasks.review.learning.guard import Known, changes, measured
from retailor.tasks.review.learning.prefer import Preference, prefer
from retailor.tasks.review.learning.tune import Pair, tune
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import Wanted, prompt_of
from retailor.tasks.review.settings import PREFERENCE_RATE, PreferenceSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.review.text import tidy
from retailor.testing.models import tiny_decoder

SUPERLATIVES = re.compile(
    r"!|\b(?:best|perfect(?:ly)?|amazing|awesome|fantastic|great(?:est)?|excellent|wonderful|incredible"
    r"|love[ds]?|very|so|really|highly|extremely|absolutely|definitely|always|never|worst|terrible|awful"
    r"|horrible)\b",
    re.IGNORECASE,
)
ERRS = 0.1
Values = Mapping[str, NDArray[np.float64]]
"""By metric one value a case."""
BASE = "the decoder as it comes"


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--pairs", type=int, default=120)
    parser.add_argument("--drafts", type=int, default=40)
    parser.add_argument("--steps", type=int, default=48)
    parser.add_argument("--tokens", type=int, default=48)
    parser.add_argument("--tiny", type=int, default=0, help="1: a random decoder of two layers")
    parser.add_argument("--seed", type=int, default=0)
    canary = {"pairs": 16, "drafts": 4, "steps": 4, "tokens": 12, "tiny": 1}
    bench = begin(parser, canary=canary)
    print(bench.write(measure(bench, bench.given.data), [bench.given.seed]))


def measure(bench: Bench, data: Path) -> list[dict[str, Any]]:
    """Tidy rows of all systems."""
    given = bench.given
    train, _ = shops(data)["gift cards"]
    past, _ = Past.of(train, max_reviews=3000)
    base = tiny_decoder() if given.tiny else load_model("smollm2")
    wanted, rows = asked(past, given.pairs + given.drafts, given.seed)
    pairs = preferences(base, wanted[: given.pairs], given)
    cut = len(pairs) - len(pairs) // 4
    learned, held_out = pairs[:cut], pairs[cut:]
    settings = PreferenceSettings(least=2)
    dials = replace(settings.train, max_steps=given.steps, seed=given.seed).resolved(
        rate=PREFERENCE_RATE, seed=given.seed
    )
    dials = replace(dials, validate_every=max(1, given.steps // 4))
    liked_texts, rest = ([Pair(one.prompt, one.chosen) for one in some] for some in (learned, held_out))
    lora = {"rank": 8, "alpha": 16, "max_tokens": 224, "work": None}
    tuned = tune(base, liked_texts, rest, replace(dials, learning_rate=3e-4), **lora)[0]
    taught, _, log = prefer(
        base, learned, held_out, settings, train_settings=dials, max_tokens=224, work=None
    )
    judge = fit_judge(past, half=1)
    labels = past.labels()
    known = Known(
        held_out,
        wanted[given.pairs :],
        [labels[row] for row in rows[given.pairs :]],
        [past.texts[row] for row in rows[given.pairs :]],
    )
    sizes = {"max_tokens": 224, "max_new_tokens": given.tokens, "seed": given.seed + 1}
    systems: dict[str, TrainableGenerator] = {
        BASE: base, "tuned on the liked drafts": tuned, "retailor": taught
    }  # fmt: skip
    found = {row: measured(each, known, past, judge, **sizes) for row, each in systems.items()}
    for row, each in systems.items():
        said = drafts(each, known.wanted, given)
        found[row] |= {"loud": np.array([loud(text) for text in said]),
                       "words": np.array([float(len(tokens(text))) for text in said])}  # fmt: skip
    kept = all(one.stands for one in changes(base, taught, known, past, judge, settings, **sizes))
    values = [value for _, value in log.validations]
    return [
        *(row for name in systems for row in told(name, found[name])),
        *(a_hundred_words(name, found[name]) for name in systems),
        *(
            apart(name, BASE, metric, found[name], found[BASE])
            for name in systems if name != BASE
            for metric in ("loud", "words", "liked", "agreement", "faithful", "loss")
        ),
        *(
            a_hundred_words(f"{name} less {BASE}", found[name], found[BASE])
            for name in systems if name != BASE
        ),
        {"row": "retailor", "metric": "kept", "value": float(kept and max(values) > values[0]), "n": 1},
    ]  # fmt: skip


def asked(past: Past, n: int, seed: int) -> tuple[list[Wanted], list[int]]:
    """What to draft, one an item as far as they go, and the rows of the reviews that it is taken from."""
    order = stream(seed, "preferences").permutation(len(past))
    seen: dict[str, int] = {}
    ids = past.reviews["item_id"].to_list()
    for row in order:
        seen.setdefault(ids[int(row)], int(row))
    rows = list(seen.values())[:n]
    queries = [ReviewQuery(ids[row], float(past.stars[row]), language="en") for row in rows]
    return [past.wanted(query) for query in queries], rows


def drafts(generator: TrainableGenerator, wanted: Sequence[Wanted], given: Any, more: int = 0) -> list[str]:
    prompts = [prompt_of(want) for want in wanted]
    said = generator.generate(prompts, max_tokens=given.tokens, temperature=0.8, seed=given.seed + 100 + more)
    return [tidy(each, max_chars=600) for each in said]


def preferences(base: TrainableGenerator, wanted: Sequence[Wanted], given: Any) -> list[Preference]:
    """Two drafts of each, and which the simulated customer liked; equal ones say nothing."""
    rng = stream(given.seed, "customers")
    one, two = (drafts(base, wanted, given, more) for more in (1, 2))
    found = []
    for want, a, b in zip(wanted, one, two, strict=True):
        errs = rng.random() < ERRS
        if not a or not b or a == b:
            continue
        better = (loud(a), len(tokens(a))) <= (loud(b), len(tokens(b)))
        chosen, rejected = (a, b) if better != errs else (b, a)
        found.append(Preference(prompt_of(want), chosen, rejected, want.title))
    return found


def loud(text: str) -> float:
    return float(len(SUPERLATIVES.findall(text)))


def told(row: str, found: Mapping[str, NDArray[np.float64]]) -> list[dict[str, Any]]:
    rows = []
    for metric, values in found.items():
        score = score_mean(row, metric, values)
        rows.append({"row": row, "metric": metric, "value": score.value, "low": score.low, "high": score.high,
                     "n": score.n})  # fmt: skip
    return rows


def apart(
    row: str, beside: str, metric: str, ours: Mapping[str, NDArray[np.float64]],
    theirs: Mapping[str, NDArray[np.float64]],
) -> dict[str, Any]:  # fmt: skip
    value, low, high = paired_interval(ours[metric], theirs[metric])
    return {
        "row": f"{row} less {beside}", "metric": metric, "value": value, "low": low, "high": high,
        "n": len(ours[metric]),
    }  # fmt: skip


def a_hundred_words(
    row: str,
    found: Mapping[str, NDArray[np.float64]],
    beside: Mapping[str, NDArray[np.float64]] | None = None,
) -> dict[str, Any]:
    """Loud words in a hundred, a ratio over all drafts; its interval draws drafts, of both rows the same."""

    def ratio(one: Values) -> tuple[float, NDArray[np.float64]]:
        loud_, words = (bootstrap_means(one[name]) for name in ("loud", "words"))
        return 100 * one["loud"].sum() / max(one["words"].sum(), 1), 100 * loud_ / np.maximum(words, 1e-9)

    (value, drawn), (other, theirs) = ratio(found), (0.0, 0.0) if beside is None else ratio(beside)
    low, high = bounds(drawn - theirs, around=value - other)
    return {"row": row, "metric": "loud_per_100_words", "value": value - other, "low": low, "high": high,
            "n": len(found["loud"])}  # fmt: skip


if __name__ == "__main__":
    main()
