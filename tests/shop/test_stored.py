"""A saved shop reads a table when it is asked for it, and no other one than was there when it was opened."""

from __future__ import annotations

import pickle
import shutil
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from retailor.errors import DataError, MissingTable
from retailor.shop.tables import SCHEMAS, Shop, open_shop

ITEMS = pl.DataFrame({"item_id": ["a", "b"], "title": ["cup", "pot"], "price": [1.0, None]})
EVENTS = pl.DataFrame(
    {"user_id": ["u", "u", "v"], "item_id": ["a", "b", "a"], "kind": ["buy", "view", "buy"]}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    Shop.of(items=ITEMS, events=EVENTS).save(tmp_path / "shop")
    return tmp_path / "shop"


def read_of(shop: Shop) -> set[str]:
    return set(vars(shop)) & set(SCHEMAS)


def test_only_what_is_asked_for_is_read(folder: Path) -> None:
    shop = open_shop(folder)
    assert not read_of(shop)
    assert shop.n_rows("events") == 3 and shop.n_rows("reviews") == 0
    users = shop.scan("events").select(pl.col("user_id").n_unique()).collect().item()
    assert users == 2 and not read_of(shop)
    assert shop.items["title"].to_list() == ["cup", "pot"] and read_of(shop) == {"items"}
    assert shop.items is shop.items


def test_every_table_is_that_of_memory(folder: Path) -> None:
    there, shop = Shop.of(items=ITEMS, events=EVENTS), open_shop(folder)
    for name in SCHEMAS:
        assert_frame_equal(shop.scan(name).collect(), there.scan(name).collect())
        assert shop.n_rows(name) == there.n_rows(name)
    for name, frame in there.tables().items():
        assert_frame_equal(shop.tables()[name], frame)
    assert str(open_shop(folder)) == str(there)
    with pytest.raises(DataError, match="a shop has no table 'nothing'"):
        shop.with_tables(nothing=ITEMS)
    with pytest.raises(AttributeError):
        _ = shop.nothing  # type: ignore[attr-defined]


def test_replaced_tables_are_in_memory_and_the_others_stay_where_they_are(folder: Path) -> None:
    shop = open_shop(folder).with_tables(events=EVENTS.head(1))
    assert read_of(shop) == {"events"}
    assert shop.n_rows("events") == 1 and shop.scan("events").collect().height == 1
    assert shop.items.height == 2


def test_what_is_missing_is_named_without_reading(folder: Path) -> None:
    shop = open_shop(folder)
    shop.require("recommend", "events", "items")
    with pytest.raises(MissingTable, match="answer needs the table 'questions'"):
        shop.require("answer", "questions")
    assert not read_of(shop)


def test_a_file_that_was_replaced_is_not_read_in_silence(folder: Path) -> None:
    shop = open_shop(folder)
    before = shop.items
    shutil.rmtree(folder)
    Shop.of(items=ITEMS.reverse(), events=EVENTS.reverse()).save(folder)
    assert shop.items is before
    for ask in (lambda: shop.events, lambda: shop.scan("events"), lambda: shop.n_rows("events")):
        with pytest.raises(DataError, match=r"events\.parquet: the file is another than when the shop"):
            ask()
    shutil.rmtree(folder)
    with pytest.raises(DataError, match="open it again"):
        _ = shop.events


def test_another_process_and_who_outlives_the_folder_get_the_tables(folder: Path) -> None:
    again = pickle.loads(pickle.dumps(open_shop(folder)))
    whole = open_shop(folder).in_memory()
    shutil.rmtree(folder)
    for shop in (again, whole):
        assert read_of(shop) == set(SCHEMAS)
        assert_frame_equal(shop.events, Shop.of(events=EVENTS).events)
