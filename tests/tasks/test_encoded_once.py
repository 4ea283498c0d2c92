"""`evaluate` encodes a text once, whoever of the systems it compares wants its vector."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from retailor.models.shapes import Role
from retailor.shop.demo import demo_shop
from retailor.shop.split import split_by_time
from retailor.tasks.answer import Answerer
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings, TwoTowerSettings
from retailor.tasks.search import Search
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.testing.toys import HashEncoder


class Spy(HashEncoder):
    """Remembers what it was asked to encode."""

    def __init__(self) -> None:
        super().__init__(64)
        self.asked: Counter[tuple[str, Role]] = Counter()
        self.calls = 0

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        self.calls += bool(len(texts))
        self.asked.update((text, role) for text in texts)
        return super().encode(texts, role=role)


NO_NETWORKS = RecommendSettings(
    two_tower=TwoTowerSettings(enabled=False), sasrec=SasrecSettings(enabled=False)
)
TASKS: dict[str, tuple[Callable[[Spy], Any], int]] = {
    "recommend": (lambda spy: Recommender(spy, NO_NETWORKS), 0),
    "search": (lambda spy: Search(spy), 1),
    "answer": (lambda spy: Answerer(spy), 2),
    "sentiment, frozen": (lambda spy: SentimentReader(spy, SentimentSettings(mode="frozen")), 1),
    "sentiment, panel": (lambda spy: SentimentReader(spy, SentimentSettings(mode="panel")), 1),
    "sentiment, auto": (lambda spy: SentimentReader(spy, SentimentSettings(mode="auto")), 1),
    "sentiment, words": (lambda spy: SentimentReader(spy, SentimentSettings(mode="tf-idf")), 1),
}  # fmt: skip


@pytest.mark.parametrize("name", TASKS)
def test_evaluate_encodes_a_text_once(name: str) -> None:
    """In few batches, too: a call a text is slow on any hardware."""
    make, calls = TASKS[name]
    train, test = split_by_time(demo_shop(60), test=0.2)
    spy = Spy()
    task = make(spy).fit(train)
    spy.asked.clear()
    spy.calls = 0
    task.evaluate(test)
    assert not {text: n for text, n in spy.asked.items() if n > 1}
    assert spy.calls <= calls
