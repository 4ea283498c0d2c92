"""Exports of shop systems, feeds, logs and review services: each is told by its columns and read."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import DataError
from retailor.shop.files.xml import xml_rows
from retailor.shop.propose.proposal import propose
from retailor.shop.read import read
from retailor.shop.readers.exports.reference import reference
from retailor.shop.readers.exports.shaped import row_groups
from retailor.shop.readers.exports.table import EXPORTS
from retailor.shop.tables import Shop
from retailor.testing.readers import ReaderContract

HERE = Path(__file__).parent / "exports"
DOCS = Path(__file__).parent.parent.parent / "docs"

READ: list[tuple[str, tuple[str, ...], dict[str, int], list[Any]]] = [
    (
        "shopify",
        ("shopify_orders.csv", "shopify_products.csv"),
        {"items": 4, "events": 6},
        ["harbour-tee", "Harbour T-shirt", 24.0],
    ),
    (
        "woocommerce",
        ("woocommerce_orders.json", "woocommerce_products.csv"),
        {"items": 4, "events": 6},
        ["201", "Oak chair", 149.0],
    ),
    ("magento", ("magento_products.csv",), {"items": 4}, ["MB-BAG", "Trail duffle", 45.0]),
    ("google-merchant", ("google_merchant.tsv",), {"items": 5}, ["K-11", "Garden shears", 24.95]),
    ("google-merchant", ("google_merchant.xml",), {"items": 5}, ["K-11", "Garden shears", 24.95]),
    (
        "json-ld",
        ("schema_org.html",),
        {"items": 1, "reviews": 2, "questions": 2},
        ["CG-4", "Coffee grinder CG-4", 189.0],
    ),
    ("ga4", ("ga4_events.jsonl",), {"items": 4, "events": 9}, ["SKU_1", "Trail shoe", 89.0]),
    (
        "segment",
        ("segment_events.jsonl",),
        {"items": 3, "events": 8},
        ["507f1", "Board game Monopole", 18.99],
    ),
    ("snowplow", ("snowplow_events.jsonl",), {"items": 3, "events": 7}, ["P125", "Baseball cap", 20.0]),
    ("judgeme", ("judgeme_reviews.csv",), {"reviews": 4}, []),
    ("yotpo", ("yotpo_reviews.csv",), {"items": 3, "reviews": 4}, ["HL-1", "Head lamp", None]),
    ("trustpilot", ("trustpilot_reviews.csv",), {"items": 3, "reviews": 4}, ["DL-1", "Desk lamp", None]),
    (
        "tmall",
        ("tmall_orders.csv", "tmall_items.csv", "tmall_reviews.csv"),
        {"items": 4, "events": 4, "reviews": 4},
        ["680000000011", "保温杯不锈钢大容量男女便携水杯", 89.0],
    ),
    (
        "jd",
        ("jd_orders.csv", "jd_items.csv", "jd_reviews.csv"),
        {"items": 4, "events": 4, "reviews": 4},
        ["100012345671", "机械键盘 87键 青轴", 299.0],
    ),
    (
        "recbole",
        ("recbole.inter", "recbole.item", "recbole.user"),
        {"items": 5, "events": 8},
        ["242", "Harbour Lights", None],
    ),
    (
        "movielens",
        ("movielens_ratings.csv", "movielens_movies.csv", "movielens_tags.csv"),
        {"items": 5, "events": 8},
        ["1", "Tin Soldiers (1995)", None],
    ),
    (
        "movielens",
        ("ml1m_ratings.dat", "ml1m_movies.dat"),
        {"items": 3, "events": 5},
        ["1193", "One Flew Away (1975)", None],
    ),
    (
        "yelp",
        ("yelp_business.json", "yelp_review.json", "yelp_tip.json"),
        {"items": 5, "events": 6, "reviews": 10},
        ["b000000000000000000000", "Blue Crab Shack", None],
    ),
    (
        "esci",
        ("esci_examples.parquet", "esci_products.parquet"),
        {"items": 4, "judgments": 6},
        ["B0A", "Clear case for iPhone 12", None],
    ),
    (
        "wands",
        ("wands_label.csv", "wands_product.csv", "wands_query.csv"),
        {"items": 4, "judgments": 5},
        ["0", "solid wood platform bed", None],
    ),
]
"""Reader, files, rows by table, and the first item."""


def of(reader: str, *names: str) -> Shop:
    return read(reader, *(HERE / name for name in names))


@pytest.mark.parametrize(("reader", "files", "rows", "first"), READ, ids=[f"{r[0]}-{r[1][0]}" for r in READ])
def test_an_export_becomes_tables(
    reader: str, files: tuple[str, ...], rows: dict[str, int], first: list[Any]
) -> None:
    shop = of(reader, *files)
    assert {name: len(t) for name, t in shop.tables().items() if len(t) and name != "unread"} == rows
    if first:
        assert list(shop.items.select("item_id", "title", "price").row(0)) == first
    known = set(shop.items["item_id"])
    assert not rows.get("items") or set(shop.events["item_id"]) <= known


def test_every_export_is_tried_and_every_one_is_told_by_its_columns() -> None:
    assert {reader for reader, *_ in READ} == {*EXPORTS}
    for reader, files, *_ in READ:
        assert {found.reader for found in propose([HERE / name for name in files])} == {reader}


def test_orders_of_shopify_name_the_product_of_the_sku_or_of_the_title() -> None:
    events = of("shopify", "shopify_orders.csv", "shopify_products.csv").events
    assert events["item_id"].to_list() == [
        "harbour-tee", "ridge-mug", "canvas-tote", "wool-cap", "harbour-tee", "wool-cap",
    ]  # fmt: skip
    assert events["user_id"][1] == "anna@example.test" and events["time"].null_count() == 0
    alone = of("shopify", "shopify_orders.csv")
    assert alone.events["item_id"][0] == "HT-S-N" and alone.items["title"][0] == "Harbour T-shirt - S / Navy"


def test_products_of_shopify_under_the_names_of_today_read_the_same(tmp_path: Path) -> None:
    text = (HERE / "shopify_products.csv").read_text("utf-8")
    old = (
        "Handle,Title,Body (HTML)",
        "Option1 Name,Option1 Value",
        "Variant SKU",
        "Variant Price",
        "Image Src",
    )
    new = ("URL handle,Title,Description", "Option1 name,Option1 value", "SKU", "Price", "Product image URL")
    for one, other in zip(old, new, strict=True):
        text = text.replace(one, other, 1)
    (tmp_path / "p.csv").write_text(text, "utf-8")
    assert read("shopify", tmp_path / "p.csv").items.equals(of("shopify", "shopify_products.csv").items)
    assert propose([tmp_path / "p.csv"])[0].reader == "shopify"


def test_guests_of_woocommerce_are_told_apart_by_their_address(tmp_path: Path) -> None:
    orders = json.loads((HERE / "woocommerce_orders.json").read_text("utf-8"))[:3]
    for order, address in zip(orders, ("a@x.test", "b@x.test", ""), strict=True):
        order |= {"customer_id": 0, "status": "completed", "billing": {"email": address}}
    (tmp_path / "o.json").write_text(json.dumps(orders), "utf-8")
    shop = read("woocommerce", tmp_path / "o.json")
    assert set(shop.events["user_id"]) == {"a@x.test", "b@x.test"}  # not one customer '0'
    assert len(shop.rejects) == len(orders[2]["line_items"])  # nobody's


def test_closed_orders_are_no_purchases_and_are_counted(tmp_path: Path) -> None:
    from retailor.shop.read import read_into

    for name, status in (("tmall_orders.csv", "交易关闭"), ("jd_orders.csv", "已取消")):
        count = read_into(name.split("_")[0], [HERE / name], tmp_path / name)
        assert count.rows["events"] == 4 and count.rejects == 0
        assert any(f"1 rows of another 订单状态 are left out: '{status}' 1" in told for told in count.remarks)


def test_what_a_log_says_of_no_item_is_counted(tmp_path: Path) -> None:
    from retailor.shop.read import read_into

    count = read_into("ga4", [HERE / "ga4_events.jsonl"], tmp_path / "shop")
    assert count.rejects == 0
    assert any("3 objects have no entries in 'items'" in told for told in count.remarks)
    assert any("'view_item_list' 2" in told for told in count.remarks)


@pytest.mark.parametrize("indent", [None, 1])
def test_objects_without_entries_are_counted_on_however_many_lines_they_stand(
    indent: int | None, tmp_path: Path
) -> None:
    from retailor.shop.read import read_into

    rows = [{"user": f"u{i}", "lines": [{"sku": "A"}, {"sku": "B"}] if i else []} for i in range(5)]
    (tmp_path / "o.json").write_text(json.dumps(rows, indent=indent), "utf-8")
    columns = {"user_id": "user", "item_id": "lines.sku"}
    tables = {"events": {"each": "lines", "columns": columns, "constants": {"kind": "buy"}}}
    count = read_into("tabular", [tmp_path / "o.json"], tmp_path / "shop", tables=tables)
    assert count.rows["events"] == 8
    assert any("1 objects have no entries in 'lines'" in told for told in count.remarks)


def test_the_encoding_of_an_export_is_told_by_its_bytes(tmp_path: Path) -> None:
    text = (HERE / "tmall_reviews.csv").read_bytes().decode("gb18030")
    for encoding in ("utf-8", "utf-8-sig", "gb18030", "utf-16"):
        (tmp_path / "r.csv").write_bytes(text.encode(encoding))
        shop = read("tmall", tmp_path / "r.csv")
        assert shop.reviews["text"][2] == "拉链一周就坏了，客服也不理人"
        assert shop.reviews["label"].to_list() == ["positive", "neutral", "negative", "positive"]


def test_pages_come_zipped_and_a_page_without_products_is_a_reject(tmp_path: Path) -> None:
    page = (HERE / "schema_org.html").read_text("utf-8")
    with zipfile.ZipFile(tmp_path / "pages.zip", "w") as archive:
        archive.writestr("a.html", page)
        archive.writestr("b.html", page.replace("CG-4", "CG-5"))
        archive.writestr("about.html", "<html><body>We are a shop.</body></html>")
        archive.writestr("odd.html", '<script type="application/ld+json">{"@type": Product</script>')
    shop = read("json-ld", tmp_path / "pages.zip")
    assert shop.items["item_id"].to_list() == ["CG-4", "CG-5"] and len(shop.reviews) == 4
    assert sorted(shop.rejects["path"].str.split("/").list.last()) == ["about.html", "odd.html", "odd.html"]
    assert {"name": "Steps", "value": "40"} in shop.items["attributes"][0].to_list()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (
            '<!DOCTYPE a [<!ENTITY b "bb">]><rss><channel><item><id>&b;</id></item></channel></rss>',
            "document type",
        ),
        ("<rss><channel><item><id>1</id>", "cut off or broken"),
        ("<feed><thing/></feed>", "holds none of <item>"),
        ("<rss><channel><item><name>1</name></item></channel></rss>", "no product feed"),
    ],
)
def test_xml_that_is_no_feed_says_why(text: str, said: str, tmp_path: Path) -> None:
    (tmp_path / "feed.xml").write_text(text, "utf-8")
    with pytest.raises(DataError, match=said):
        read("google-merchant", tmp_path / "feed.xml")


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("size", [1, 7, 1 << 20])
def test_a_document_type_is_seen_in_any_encoding_and_over_the_ends_of_pieces(
    encoding: str, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retailor.shop.files.xml._PIECE", size)
    text = '\ufeff<!DOCTYPE a [<!ENTITY b "bb">]><rss><item><id>&b;</id></item></rss>'
    with pytest.raises(DataError, match="document type"):
        list(xml_rows("feed.xml", io.BufferedReader(io.BytesIO(text.encode(encoding)))))


def test_a_packed_feed_reads_the_same(tmp_path: Path) -> None:
    (tmp_path / "feed.xml.gz").write_bytes(gzip.compress((HERE / "google_merchant.xml").read_bytes()))
    found = read("google-merchant", tmp_path / "feed.xml.gz").items
    assert found.equals(of("google-merchant", "google_merchant.xml").items)


def test_another_systems_file_is_an_error_that_names_a_column() -> None:
    with pytest.raises(DataError, match="no column"):
        of("shopify", "movielens_tags.csv")
    with pytest.raises(DataError, match="no column"):
        of("judgeme", "yotpo_reviews.csv")


def test_rows_of_one_product_stay_together_over_blocks() -> None:
    import polars as pl

    keys = ["a", None, "b", "b", "c", "a"]
    frame = pl.DataFrame({"key": keys, "n": range(6)})
    lines = pl.int_range(6, eager=True, dtype=pl.Int64)
    for cut in range(7):
        parts = [(frame[:0], lines[:0]), (frame[:cut], lines[:cut]), (frame[cut:], lines[cut:])]
        whole = [(f["key"].to_list(), at.to_list()) for f, at in row_groups(iter(parts), "key") if len(f)]
        assert [n for _, at in whole for n in at] == list(range(6))
        ends = {at[-1] for _, at in whole}
        assert ends <= {1, 3, 4, 5} and [k for ks, _ in whole for k in ks] == ["a", "a", "b", "b", "c", "a"]


def test_the_docs_have_the_table_of_the_code() -> None:
    assert reference() in (DOCS / "files.md").read_text(encoding="utf-8")


class TestJudgeme(ReaderContract):
    reader = "judgeme"
    file_name = "reviews.csv"
    n_header = 1
    broken = b"1,2"

    def lines(self) -> list[bytes]:
        rows = [
            f"Très bon {i},Ça marche bien,5,2024-03-2{i} 10:11:12 UTC,a@example.test,h{i}" for i in range(4)
        ]
        return [
            row.encode() for row in ["title,body,rating,review_date,reviewer_email,product_handle", *rows]
        ]

    def rows(self) -> dict[str, int]:
        return {"reviews": 4}


class TestShopifyProducts(ReaderContract):
    reader = "shopify"
    file_name = "products.csv"
    n_header = 1
    broken = b"1,2"

    def lines(self) -> list[bytes]:
        rows = ["mug,Müsli mug,North,18.50", "mug,,,17.00", "bag,Bag,North,9.00", "cap,Cap,North,8.00"]
        return [row.encode() for row in ["Handle,Title,Vendor,Variant Price", *rows]]

    def rows(self) -> dict[str, int]:
        return {"items": 3}


class TestGa4(ReaderContract):
    reader = "ga4"

    def lines(self) -> list[bytes]:
        items = [{"item_id": f"i{i}", "item_name": f"Café {i}"} for i in range(4)]
        event = {"event_name": "view_item", "event_timestamp": "1705312800000000", "user_pseudo_id": "u"}
        return [json.dumps({**event, "items": [item]}, ensure_ascii=False).encode() for item in items]

    def rows(self) -> dict[str, int]:
        return {"items": 4, "events": 4}
