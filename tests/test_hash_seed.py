"""No figure follows the order of a set: two processes with other hash seeds give the same digits."""

from __future__ import annotations

import os
import subprocess
import sys

import polars as pl
import pytest

from retailor.shop.tables import Shop
from retailor.tasks.recommend.catalogue import read_catalogue

SCORES = """
import json
from retailor.shop.demo import demo_shop
from retailor.shop.split import leave_last_out, split_by_time
from retailor.tasks.answer import Answerer
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings, TwoTowerSettings
from retailor.tasks.search import Search
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.testing.toys import HashEncoder
from retailor.text.fields import item_texts
from retailor.text.terms import mine_terms

shop = demo_shop(60)
train, test = split_by_time(shop, test=0.2)
tasks = [
    Recommender(
        HashEncoder(),
        RecommendSettings(two_tower=TwoTowerSettings(enabled=False), sasrec=SasrecSettings(enabled=False)),
    ),
    Search(HashEncoder()),
    Answerer(HashEncoder()),
    SentimentReader(HashEncoder(), SentimentSettings(mode="nb-svm")),
]
for task in tasks:
    for score in task.fit(train).evaluate(test):
        print(task.kind, score.row, score.metric, score.bucket, score.value.hex(), score.low.hex())
print(mine_terms(item_texts(shop.items)))
"""


def figures(hash_seed: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", SCORES],
        env={**os.environ, "PYTHONHASHSEED": hash_seed, "OMP_NUM_THREADS": "1"},
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout.splitlines()


def test_categories_are_numbered_in_the_order_in_which_they_come() -> None:
    path = [f"Step {i}" for i in range(12)]
    items = pl.DataFrame(
        {"item_id": ["a", "b"], "title": ["Mug", "Lamp"], "category": [path, [*path, "New"]]}
    )
    catalogue = read_catalogue(Shop.of(items=items))
    assert list(catalogue.by_category) == [*(name.lower() for name in path), "new"]


@pytest.mark.slow
def test_figures_do_not_follow_the_hash_seed() -> None:
    first, second = figures("1"), figures("2")
    assert any("miscalibration@10" in line for line in first) and len(first) > 50
    assert [pair for pair in zip(first, second, strict=True) if pair[0] != pair[1]] == []
