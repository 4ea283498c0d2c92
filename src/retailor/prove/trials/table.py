"""The table of tasks that have a ledger."""

from __future__ import annotations

from collections.abc import Callable

from retailor.errors import looked_up
from retailor.prove.contract import Inputs, Trial
from retailor.prove.trials.answer import answer_trial
from retailor.prove.trials.recommend import recommend_trial
from retailor.prove.trials.review import review_trial
from retailor.prove.trials.search import search_trial
from retailor.prove.trials.sentiment import sentiment_trial

TRIALS: dict[str, Callable[[Inputs], Trial]] = {
    "recommend": recommend_trial,
    "search": search_trial,
    "answer": answer_trial,
    "sentiment": sentiment_trial,
    "review": review_trial,
}
"""Task to what makes it ready."""


def trial_of(task: str) -> Callable[[Inputs], Trial]:
    """What makes the task ready. Raises ConfigError on one that has no ledger."""
    return looked_up(TRIALS, task, key="task", asked="prove")
