"""Real files. The expected counts come from zcat, wc, awk and Python's csv module, not from the readers."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from retailor.errors import DataError
from retailor.shop.read import read
from retailor.shop.tables import Shop, open_shop

pytestmark = pytest.mark.data
DATA = Path(os.environ.get("RETAILOR_DATA", "../shared/data"))


def load(reader: str, *names: str, max_rejects: int | None = None) -> Shop:
    paths = [DATA / name for name in names]
    for path in paths:
        if not path.exists():
            pytest.skip(f"needs {path}: set RETAILOR_DATA to the folder of the benchmark data")
    return read(reader, *paths, max_rejects=max_rejects)


def sizes(shop: Shop) -> dict[str, int]:
    return {name: len(table) for name, table in shop.tables().items() if len(table)}


def counted(column: pl.Series) -> dict[object, int]:
    return dict(column.value_counts().iter_rows())


GIFT_CARDS = ("amazon2018-gift-cards/Gift_Cards_5.json.gz", "amazon2018-gift-cards/meta_Gift_Cards.json.gz")
MAGAZINES = (
    "amazon2018-magazine/Magazine_Subscriptions_5.json.gz",
    "amazon2018-magazine/meta_Magazine_Subscriptions.json.gz",
)


def test_gift_cards(tmp_path: Path) -> None:
    shop = load("amazon-2018", *GIFT_CARDS, max_rejects=0)
    assert sizes(shop) == {"items": 1547, "events": 2972, "reviews": 2972}
    assert shop.events["user_id"].n_unique() == 458 and shop.events["item_id"].n_unique() == 148
    assert counted(shop.reviews["rating"]) == {1: 22, 2: 11, 3: 33, 4: 154, 5: 2752}
    assert counted(shop.reviews["label"]) == {"negative": 33, "neutral": 33, "positive": 2906}
    assert shop.reviews["text"].null_count() == 6
    assert (shop.reviews["helpful"] > 0).sum() == 208
    assert shop.items["price"].count() == 358 == shop.items["currency"].count()
    first = shop.reviews.row(0, named=True)
    assert (first["user_id"], first["text"]) == ("A31UBHTUUIFJUT", "Another great gift.")
    assert first["time"] == datetime(2018, 6, 17, tzinfo=UTC)
    item = shop.items.row(0, named=True)
    assert item["title"] == "Serendipity 3 $100.00 Gift Card" and item["category"] == ["Gift Cards"] * 2
    assert {"name": "Product Dimensions", "value": "3.4 x 2.1 inches ; 1.44 ounces"} in item["attributes"]
    shop.save(tmp_path / "shop")
    for name, table in open_shop(tmp_path / "shop").tables().items():
        assert_frame_equal(table, shop.tables()[name])


def test_magazines_with_messy_metadata() -> None:
    shop = load("amazon-2018", *MAGAZINES)
    assert sizes(shop) == {"items": 2320, "events": 2375, "reviews": 2375, "rejects": 3385 - 2320}
    assert shop.rejects["reason"].str.contains("already described").all()
    assert counted(shop.reviews["rating"]) == {1: 102, 2: 118, 3: 239, 4: 375, 5: 1541}
    assert shop.items["price"].count() == 0  # style sheets, scripts and nothing


@pytest.mark.parametrize("files", [GIFT_CARDS[:1], GIFT_CARDS[1:]])
@pytest.mark.parametrize("era", ["amazon-2014", "amazon-2023"])
def test_another_era_is_named(era: str, files: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match=r"line 1: no '.*', but '.*': this is amazon-2018, read it as that"):
        load(era, *files)


def test_questions_as_python_literals() -> None:
    shop = load("amazon-questions", "qa-appliances/qa_Appliances.json.gz", max_rejects=0)
    assert sizes(shop) == {"questions": 9011}
    assert shop.questions["item_id"].n_unique() == 1153
    assert shop.questions["time"].count() == 8590  # "29 days ago" is no time
    assert shop.questions["answer"][0] == "I replaced my old one with this without a hitch."


def test_taobao_with_its_cut_off_line() -> None:
    shop = load("taobao", "taobao/UserBehavior.csv")
    assert sizes(shop) == {"items": 55344, "events": 84440, "rejects": 36}
    assert counted(shop.events["kind"]) == {"view": 75837, "cart": 4497, "favourite": 2356, "buy": 1750}
    assert shop.rejects.row(-1)[1] == 84476 and "cut off" in shop.rejects.row(-1)[2]
    assert shop.rejects["reason"].str.contains("lies outside 2017-11-24T16:00:00Z").sum() == 35
    assert shop.events.row(0) == (
        "1",
        "2268318",
        "view",
        None,
        datetime(2017, 11, 24, 17, 21, 10, tzinfo=UTC),
    )


def test_sequences_of_beauty() -> None:
    shop = load(
        "amazon2014-beauty", "amazon2014-beauty/items.jsonl", "amazon2014-beauty/sequences.txt", max_rejects=0
    )
    assert sizes(shop) == {"items": 12101, "events": 198502}
    assert shop.events["user_id"].n_unique() == 22363
    assert shop.events.head(2)["item_id"].to_list() == ["B004756YJA", "B004ZT0SSG"]
    assert shop.items["category"][0].to_list() == ["Beauty", "Makeup", "Face", "Concealers & Neutralizers"]


def test_ten_categories() -> None:
    shop = load("online-shopping-10-cats", "online-shopping-10-cats/online_shopping_10_cats.csv")
    assert sizes(shop) == {"items": 10, "reviews": 62773, "rejects": 1}
    assert shop.rejects["line"].to_list() == [36427]
    by_item = counted(shop.reviews["item_id"])
    assert (by_item["书籍"], by_item["热水器"], by_item["平板"]) == (3851, 574, 10000)
    assert counted(shop.reviews.filter(item_id="书籍")["label"]) == {"positive": 2100, "negative": 1751}


def test_eprstmt_with_and_without_labels() -> None:
    shop = load(
        "eprstmt", "eprstmt/train_0.json", "eprstmt/test_public.json", "eprstmt/unlabeled.json", max_rejects=0
    )
    assert sizes(shop) == {"reviews": 32 + 610 + 19565}
    assert shop.reviews["label"].null_count() == 19565
    assert (shop.reviews["label"][32 : 32 + 610] == "negative").sum() == 305


def test_amazon_polarity() -> None:
    shop = load(
        "amazon-polarity",
        "amazon-polarity-10k/train.dat.gz",
        "amazon-polarity-10k/test.dat.gz",
        max_rejects=0,
    )
    assert sizes(shop) == {"reviews": 10000}
    assert counted(shop.reviews["label"]) == {"positive": 3947 + 967, "negative": 4053 + 1033}


def test_hetpqa_plain_and_ranked() -> None:
    shop = load("hetpqa", "hetpqa/train.csv", "hetpqa/dev.csv", "hetpqa/test.csv", max_rejects=0)
    assert sizes(shop) == {"questions": 3693 + 398 + 2289}
    assert counted(shop.questions["evidence"].list.len()) == {1: 6380}
    ranked = load("hetpqa", "hetpqa/ranking_dev.csv", max_rejects=0).questions
    evidence = ranked["evidence"].explode().struct.unnest()
    assert len(ranked) == 509 and len(evidence) == 2731
    assert counted(evidence["relevance"]) == {0: 2083, 1: 648}
    assert counted(evidence["source"])["description"] == 496


def test_epqa() -> None:
    shop = load("epqa", "epqa/dev.csv")
    evidence = shop.questions["evidence"].explode().struct.unnest()
    assert len(shop.questions) == 977 and len(evidence) == 9769
    assert counted(evidence["relevance"]) == {0: 6414, 1: 1042, 2: 2313}
    assert shop.rejects["line"].to_list() == [8827]
    assert shop.items["title"][0] == "Frigidaire 240337103 Crisper Pan for Refrigerator"


def test_semipqa() -> None:
    evidence = load("semipqa", "semipqa/ranking_dev.csv", max_rejects=0).questions["evidence"]
    assert len(evidence) == 954
    assert counted(evidence.explode().struct.field("relevance")) == {0: 12375, 1: 867}


def test_icecat() -> None:
    zips = [f"icecat-search/{i}.json.zip" for i in range(1, 5)]
    shop = load("icecat", *zips, "icecat-search/Broad_Query_Set_rated.csv", max_rejects=0)
    assert sizes(shop) == {"items": 19406, "judgments": 3668}
    assert shop.judgments["query"].n_unique() == 135
    assert shop.judgments.join(shop.items, on="item_id", how="anti").is_empty()
    first = shop.items.row(0, named=True)
    assert (first["brand"], first["price"]) == ("Xerox", 49.95)
    assert {"name": "printing colours", "value": "Black"} in first["attributes"]
