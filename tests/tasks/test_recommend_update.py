"""New items alone: nothing is counted again, what was counted has room for them."""

from __future__ import annotations

from copy import copy
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend import update as updating
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.toys import HashEncoder

SHOP = demo_shop(60)
NEW = Shop.of(items=SHOP.items.head(2).with_columns(pl.format("new-{}", "item_id").alias("item_id")))


def fitted(**more: Any) -> Recommender:
    settings = RecommendSettings(two_tower={"enabled": False}, sasrec={"enabled": False}, **more)  # type: ignore[arg-type]
    return Recommender(HashEncoder(), settings).fit(SHOP)


@pytest.fixture(scope="module", params=["exact", "approximate"])
def recommender(request: pytest.FixtureRequest) -> Recommender:
    more = (
        {} if request.param == "exact" else {"retrieval": "approximate", "max_closed_form": 1, "factors": 8}
    )
    return fitted(**more)


def test_counted_parts_are_as_they_were_with_room_for_the_new(recommender: Recommender) -> None:
    before, made = recommender._made, copy(recommender).update(NEW)._made
    old, n = len(before.catalogue), len(made.catalogue)
    assert n == old + 2
    popular, was = (
        made.parts["popularity"].tensors()["counts"],
        before.parts["popularity"].tensors()["counts"],
    )
    assert popular[:old].tolist() == was.tolist() and popular[old:].tolist() == [0, 0]
    for name in ("item_knn", "sequential_knn"):
        links, kept = made.parts[name].links, before.parts[name].links  # type: ignore[attr-defined]
        assert links.shape == (n, n) and links[old:].nnz == links[:, old:].nnz == 0 and kept.nnz > 0
        assert (links[:old, :old] != kept).nnz == 0
    assert kept.shape == (old, old), "what answers meanwhile is left alone"


def test_nothing_is_counted_for_items_alone(
    recommender: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(updating, "counted", lambda *given: pytest.fail("counted again"))
    copy(recommender).update(NEW)


def test_an_updated_recommender_is_saved_and_answers_the_same(
    recommender: Recommender, tmp_path: Path
) -> None:
    """Its graphs lack the new items: they are made again when it is loaded."""
    after = copy(recommender).update(NEW)
    after.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    title = NEW.items["title"][0]
    for query in (RecommendQuery(text=title, k=5), RecommendQuery(user_id=SHOP.events["user_id"][0], k=5)):
        want, got = ([each.item_id for each in task.predict([query])[0].items] for task in (after, loaded))
        assert got == want
    assert "new-" in str(after.predict([RecommendQuery(text=title, k=5)]))
