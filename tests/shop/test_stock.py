"""Whether there is any of an item: what catalogues write, and who is told of what."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from retailor.cache.shapes import cache_key
from retailor.cli.ask import _answer
from retailor.models.hashed import HashEncoder
from retailor.shop.cells.stock import read_stock
from retailor.shop.demo import demo_shop
from retailor.shop.hidden import Hidden, sold_out
from retailor.shop.look import look
from retailor.shop.propose.proposal import propose
from retailor.shop.read import read
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.search import Search
from retailor.tasks.search.shapes import SearchQuery
from retailor.testing.serving import TOY_TASKS, ToyRecommender

EXPORTS = Path(__file__).parent / "exports"


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("12", True), ("0", False), ("-3", False), ("3.0", True), ("0.0", False), ("1,200", True),
        ("３", True), ("12 pcs", True), ("0 pcs", False), ("5件", True), ("10+", True), (">50", True),
        ("0 left", False),
        ("in_stock", True), ("In Stock", True), ("out of stock", False), ("out-of-stock", False),
        ("InStock", True), ("https://schema.org/OutOfStock", False), ("http://schema.org/InStock", True),
        ("in stock (12)", True), ("Out of stock (back in May)", False), ("TRUE", True), ("no", False),
        ("有货", True), ("无货", False), ("库存充足", True), ("售罄", False), ("无", False),
    ],
)  # fmt: skip
def test_counts_and_words(cell: str, told: bool) -> None:
    assert read_stock(cell) is told


@pytest.mark.parametrize("cell", ["preorder", "backorder", "<5", "€5", "1,5", "a few", "in stock from May"])
def test_what_says_neither_is_not_guessed(cell: str) -> None:
    assert read_stock(cell) == "is neither a count nor words for 'in stock' or 'out of stock'"


def catalogue(folder: Path, cells: list[str], **more: Any) -> Shop:
    rows = "".join(f"{i};{cell}\n" for i, cell in enumerate(cells))
    (folder / "items.csv").write_text("id;left\n" + rows, "utf-8")
    columns = {"item_id": "id", "in_stock": "left"}
    return read("tabular", folder / "items.csv", tables={"items": {"columns": columns, **more}})


def test_a_cell_that_says_neither_is_counted_and_its_item_stays(tmp_path: Path) -> None:
    shop = catalogue(tmp_path, ["4", "", "on its way", "sold out", "n/a"])
    assert shop.items["in_stock"].to_list() == [True, None, None, False, None]
    assert shop.unread.select("column", "n", "examples").rows() == [
        ("in_stock", 1, ["'on its way' (line 4)"])
    ]
    assert tuple(sold_out(shop.items)) == ("3",)
    told = look(shop)
    assert told.stock == {"in stock": 1, "out of stock": 1, "not said": 3}
    assert "stock        in stock 1 (20.0%), out of stock 1 (20.0%), not said 3 (60.0%)" in str(told)


def test_a_map_may_say_what_cells_mean(tmp_path: Path) -> None:
    shop = catalogue(tmp_path, ["A", "Z", "?"], values={"in_stock": {"A": True, "Z": False}})
    assert shop.items["in_stock"].to_list() == [True, False, None]


def test_numbers_and_truth_values_of_files_with_types(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": ["a", "b", "c"], "n": [2.0, 0.0, float("nan")], "is": [True, False, None]})
    for column in ("n", "is"):
        frame.select("id", column).write_parquet(tmp_path / f"{column}.parquet")
        how = {"columns": {"item_id": "id", "in_stock": column}}
        found = read("tabular", tmp_path / f"{column}.parquet", tables={"items": how})
        assert found.items["in_stock"].to_list() == [True, False, None]


@pytest.mark.parametrize("header", ["库存", "Stock Quantity", "availability", "inventory_level", "In stock?"])
def test_the_column_is_found_by_its_name(header: str, tmp_path: Path) -> None:
    rows = "".join(f"S-{i},Lamp with {i} bulbs,{9 + i}.50,{i % 4}\n" for i in range(30))
    (tmp_path / "goods.csv").write_text(f"sku,title,price,{header}\n{rows}", "utf-8")
    (table,) = propose([tmp_path / "goods.csv"])[0].tables
    assert table.settings["columns"]["in_stock"] == header


def test_a_column_by_which_nothing_would_be_shown_is_unsure(tmp_path: Path) -> None:
    for name, left in (("none", "0"), ("some", "3")):
        rows = "".join(f"S-{i},Lamp with {i} bulbs,{left if i == 7 else 0}\n" for i in range(30))
        (tmp_path / f"{name}.csv").write_text(f"sku,title,stock\n{rows}", "utf-8")
    none, some = (propose([tmp_path / f"{name}.csv"])[0].tables[0].unsure for name in ("none", "some"))
    assert "in_stock: by 'stock' there is none of any item, and none would be shown" in none
    assert not any(each.startswith("in_stock") for each in some)


def test_a_count_of_an_order_is_no_stock(tmp_path: Path) -> None:
    rows = "".join(f"u{i % 7},S-{i % 5},{1 + i % 3},2026-03-{1 + i % 28:02d}\n" for i in range(60))
    (tmp_path / "orders.csv").write_text(f"customer,sku,quantity,ordered\n{rows}", "utf-8")
    assert propose([tmp_path / "orders.csv"])[0].unused == ("quantity",)


@pytest.mark.parametrize(
    ("reader", "name", "told"),
    [
        ("google-merchant", "google_merchant.xml", [True, True, False, True, True]),
        ("magento", "magento_products.csv", None),
        ("woocommerce", "woocommerce_products.csv", None),
        ("json-ld", "schema_org.html", None),
    ],
)
def test_exports_say_it(reader: str, name: str, told: list[bool] | None) -> None:
    found = read(reader, EXPORTS / name).items["in_stock"].to_list()
    assert found == told if told else set(found) <= {True, False} and found


def test_a_product_of_shopify_is_there_while_a_variant_is(tmp_path: Path) -> None:
    rows = [
        "a,A,0,deny,shopify", "a,,3,deny,shopify",  # the second variant is there
        "b,B,0,deny,shopify",
        "c,C,-2,continue,shopify",  # sold beyond what there is
        "d,D,0,deny,",  # nobody counts it
        "e,E,,deny,shopify",
    ]  # fmt: skip
    head = (
        "Handle,Title,Variant Inventory Qty,Variant Inventory Policy,Variant Inventory Tracker,Variant Price"
    )
    (tmp_path / "p.csv").write_text("\n".join([head, *(f"{row},9" for row in rows)]), "utf-8")
    items = read("shopify", tmp_path / "p.csv").items
    assert dict(items.select("item_id", "in_stock").iter_rows()) == {
        "a": True, "b": False, "c": True, "d": True, "e": None
    }  # fmt: skip


def test_a_hidden_set_has_one_short_text_and_finds_its_rows_once() -> None:
    hidden, places = Hidden(["b", "x", "a"]), {"a": 4, "b": 1, "c": 0}
    assert hidden.rows(places).tolist() == [1, 4]
    assert hidden.rows(places) is hidden.rows(places)
    assert hidden.rows({"x": 3}).tolist() == [3] and Hidden().rows(places).tolist() == []
    assert hidden == Hidden(["x", "a", "b"]) and hash(hidden) == hash(Hidden(["a", "b", "x"]))
    assert cache_key("t", "f", hidden) == cache_key("t", "f", Hidden(["x", "a", "b"]))
    assert len({cache_key("t", "f", Hidden(each)) for each in ([], ["a"], ["a", "b"], ["ab"])}) == 4
    for _ in range(40):
        hidden.rows({"a": 0})
    assert len(hidden._rows) <= 8


def test_of_several_offers_one_that_is_there_is_enough(tmp_path: Path) -> None:
    offers = [{"price": 9, "availability": f"https://schema.org/{one}"} for one in ("OutOfStock", "InStock")]
    for name, some in (("a", offers), ("b", offers[:1]), ("c", [{"price": 9}])):
        node = {"@type": "Product", "sku": name, "name": "Lamp", "offers": some}
        page = f'<script type="application/ld+json">{json.dumps(node)}</script>'
        (tmp_path / f"{name}.html").write_text(page, "utf-8")
    items = read("json-ld", *sorted(tmp_path.glob("*.html"))).items
    assert dict(items.select("item_id", "in_stock").iter_rows()) == {"a": True, "b": False, "c": None}


def test_what_is_hidden_is_neither_recommended_nor_found() -> None:
    shop = demo_shop(60)
    recommender, search = Recommender().fit(shop), Search(HashEncoder()).fit(shop)
    best = recommender.predict([RecommendQuery(k=3)])[0].items[0].item_id
    left = recommender.predict([RecommendQuery(k=60, hidden=Hidden([best, "no such item"]))])[0].items
    assert best not in {each.item_id for each in left} and len(left) > 10
    title = str(shop.items.filter(pl.col("item_id") == best)["title"][0])
    for hidden, there in ((Hidden(), True), (Hidden([best]), False)):
        found = search.predict([SearchQuery(title, 60, hidden=hidden)])[0].items
        assert (best in {each.item_id for each in found}) is there


def test_the_commands_do_not_show_what_there_is_none_of(tmp_path: Path) -> None:
    shop = demo_shop(60)
    ToyRecommender().fit(shop).save(tmp_path / "recommend")
    rows = shop.items.with_columns(in_stock=pl.int_range(len(shop.items)) % 2 == 0)
    shop.with_tables(items=rows).save(tmp_path / "clean")
    stages = [SimpleNamespace(name=name, kind=name, folder=name) for name in ("clean", "recommend")]
    run: Any = SimpleNamespace(out=tmp_path, stages=stages)
    answer = _answer(run, TOY_TASKS["recommend"], RecommendQuery(k=100), None)
    there = {*rows.filter("in_stock")["item_id"]}
    assert answer.items and {each.item_id for each in answer.items} <= there
