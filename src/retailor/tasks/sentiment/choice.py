"""Which readers a fit tries, and which of them answers."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from retailor.metrics.classify import log_loss_cases
from retailor.tasks.sentiment.fitting import BLENDED, BY_MODE, FROZEN, PROMPT, TUNED, WORDS, Fitting
from retailor.tasks.sentiment.readers.heads import Floats, cross_calibrated
from retailor.tasks.sentiment.settings import SentimentSettings


def candidates(settings: SentimentSettings, *, few_labels: bool, prompts: bool) -> list[str]:
    """The rows that the mode asks for, beside the baselines; few labels try a language model if given one."""
    if settings.mode == "auto" and few_labels:
        asked = [PROMPT] if prompts else []
        return list(dict.fromkeys([*(row for row in settings.candidates if row != "frozen"), *asked]))
    if settings.mode == "auto":
        return [TUNED, BLENDED]
    return [BY_MODE[settings.mode]] if settings.mode != "frozen" else []


def choose(fitting: Fitting, readers: Iterable[str]) -> tuple[str, str]:
    """Which of the candidates, cheapest first, answers, and why in words.

    The best on held-out texts; by log loss, where there is one, 'blended' unless another leads it (see
    `choose_by_loss`). With few labels the last of equals: it has read more than the labels.
    """
    settings, rows = fitting.settings, list(readers)
    wanted = BY_MODE.get(settings.mode)
    if wanted in rows:
        return wanted, "it is the mode that was asked for"
    if fitting.few_labels:
        # Folds of a few texts cannot tell words from chance, and these readers have no words but theirs.
        rows = [row for row in reversed(rows) if row not in WORDS]
        if rows == [FROZEN]:
            return FROZEN, f"there are fewer than {settings.few_labels} labelled texts"
    by = settings.select_by
    if by == "log_loss":
        y = fitting.tested
        cases = {row: log_loss_cases(y, cross_calibrated(fitting.logits[row], y)) for row in rows}
        best = choose_by_loss(cases)
        values = {row: float(loss.mean()) for row, loss in cases.items()}
    else:
        values = {row: fitting.log["validation"][row][by] or 0.0 for row in rows}
        best = max(values, key=lambda row: values[row])
    found = ", ".join(f"{row} {value:.4f}" for row, value in values.items())
    return best, f"chosen by {by} on held-out training texts ({found})"


def choose_by_loss(cases: Mapping[str, Floats]) -> str:
    """The row to take by the log loss [n] of each on the same held-out texts, cheapest first.

    'blended' unless another's is lower by more than two standard errors of the paired difference: it reads
    what the others read, so it is seldom far behind the best of them, while the best of so few texts often is
    (`benchmarks/sentiment_auto.py`). Without it the row of the least.
    """
    best = min(cases, key=lambda row: float(cases[row].mean()))
    if BLENDED not in cases:
        return best
    behind = cases[BLENDED] - cases[best]
    error = behind.std(ddof=1) / math.sqrt(len(behind)) if len(behind) > 1 else math.inf
    return best if behind.mean() > 2 * error else BLENDED
