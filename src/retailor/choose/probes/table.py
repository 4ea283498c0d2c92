"""The table of tasks that a model can be chosen for."""

from __future__ import annotations

from collections.abc import Callable

from retailor.choose.probes.answer import answer_probe
from retailor.choose.probes.recommend import recommend_probe
from retailor.choose.probes.review import review_probe
from retailor.choose.probes.search import search_probe
from retailor.choose.probes.sentiment import sentiment_probe
from retailor.choose.shapes import ChooseSettings, Probe
from retailor.errors import looked_up
from retailor.shop.tables import Shop

PROBES: dict[str, Callable[[Shop, ChooseSettings], Probe]] = {
    "recommend": recommend_probe,
    "search": search_probe,
    "answer": answer_probe,
    "sentiment": sentiment_probe,
    "review": review_probe,
}


def probe_of(task: str) -> Callable[[Shop, ChooseSettings], Probe]:
    """What makes a task ready. Raises ConfigError on one that there is not."""
    return looked_up(PROBES, task, key="task", asked="choose")
