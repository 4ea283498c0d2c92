"""A small demo shop with real search and answers over a toy encoder, behind a Service."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer
from retailor.tasks.registry import TASKS
from retailor.tasks.search import Search
from retailor.testing.serving import TOY_TASKS, ToyRecommender
from retailor.testing.toys import HashEncoder

_TENTS = [
    (
        "T1",
        "Hollis Dome Tent",
        "Hollis",
        120.0,
        "USD",
        {"Colour": "navy", "Weight": "2.1 kg", "Sleeps": "2 people"},
    ),
    (
        "T2",
        "Sorrel Ridge Tent XR-200",
        "Sorrel",
        80.0,
        "USD",
        {"Colour": "red", "Weight": "3.4 kg", "Sleeps": "4 people"},
    ),
    (
        "T3",
        "Hollis Family Tent",
        "Hollis",
        240.0,
        "USD",
        {"Colour": "blue", "Weight": "6.0 kg", "Sleeps": "6 people"},
    ),
]
_KETTLES = [
    ("K1", "Quillon Electric Kettle", "Quillon", 35.0, "USD", {"Material": "glass", "Weight": "900 g"}),
    ("K2", "Sorrel Steel Kettle", "Sorrel", 55.0, "USD", {"Material": "steel", "Weight": "1.2 kg"}),
]
_CHINESE = [
    ("C1", "云岭登山包", "云岭", 300.0, "CNY", {"颜色": "黑色", "重量": "1.1公斤"}),
    ("C2", "北屿登山包", "北屿", 450.0, "CNY", {"颜色": "红色", "重量": "800克"}),
    ("C3", "初白登山包 大号", "初白", 520.0, "CNY", {"颜色": "黑色", "重量": "1.6公斤"}),
]
_CATEGORIES = {"T": ["Outdoor", "Tents"], "K": ["Kitchen", "Kettles"], "C": ["户外", "登山包"]}


def _items() -> pl.DataFrame:
    rows = [
        {
            "item_id": item_id,
            "title": title,
            "description": None,
            "brand": brand,
            "category": _CATEGORIES[item_id[0]],
            "price": price,
            "currency": currency,
            "attributes": [{"name": name, "value": value} for name, value in attributes.items()],
            "language": "zh" if item_id[0] == "C" else "en",
        }
        for item_id, title, brand, price, currency, attributes in (*_TENTS, *_KETTLES, *_CHINESE)
    ]
    return pl.DataFrame(rows)


def _reviews() -> pl.DataFrame:
    rows = [
        {
            "review_id": f"R{n}",
            "user_id": f"u{n}",
            "item_id": item,
            "rating": stars,
            "text": text,
            "label": None,
        }
        for n, (item, stars, text) in enumerate(
            [("T1", 5.0, "It kept us dry in the rain."), ("T2", 2.0, "It leaked in the first rain.")]
        )
    ]
    return pl.DataFrame(rows)


@pytest.fixture(scope="session")
def shop() -> Shop:
    events = pl.DataFrame({"user_id": ["u0", "u1", "u1"], "item_id": ["T1", "T2", "K1"], "kind": ["buy"] * 3})
    return Shop.of(items=_items(), reviews=_reviews(), events=events)


@pytest.fixture(scope="session")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("talk")
    shop.save(place / "clean")
    Search(HashEncoder()).fit(shop).save(place / "search")
    Answerer(HashEncoder()).fit(shop).save(place / "answer")
    ToyRecommender().fit(shop).save(place / "recommend")
    return place


@pytest.fixture(scope="session")
def door(folder: Path) -> Iterator[Service]:
    entries = {**TASKS, "recommend": TOY_TASKS["recommend"]}
    service = Service.load(folder, entries, ServeSettings(batch_wait_ms=0.0))
    yield service
    service.close()
