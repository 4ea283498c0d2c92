"""Figures of a profile against counts by hand, its words, and its picture."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from retailor.errors import ConfigError
from retailor.shop.demo import demo_shop
from retailor.shop.look import look, picture
from retailor.shop.tables import Shop, conform


def small() -> Shop:
    def at(day: int) -> datetime:
        return datetime(2024, 1, day, tzinfo=UTC)

    return Shop.of(
        items=pl.DataFrame(
            {
                "item_id": ["a", "b", "c", "d"],
                "title": ["Tea pot", "tea pot ", "水壶 大号", None],
                "price": [1.0, None, None, None],
                "category": [["x"], [], None, ["y"]],
            }
        ),
        events=pl.DataFrame(
            {
                "user_id": ["u", "u", "u", "v", "v", "v"],
                "item_id": ["a", "a", "b", "a", "a", "a"],
                "kind": ["view", "buy", "view", "view", "view", "cart"],
                "time": [at(1), at(2), at(3), at(4), at(5), at(9)],
            }
        ),
        reviews=pl.DataFrame(
            {
                "text": ["good", "Good", "bad", None],
                "rating": [5.0, 5.0, 1.0, 3.0],
                "language": ["en", "en", None, None],
            }
        ),
        rejects=pl.DataFrame(
            {"path": ["f", "f"], "line": [3, 9], "reason": ["kind 'x' is wrong", "kind 'y' is wrong"]}
        ),
    )


def test_the_figures() -> None:
    profile = look(small())
    assert profile.rows == {
        "items": 4,
        "events": 6,
        "reviews": 4,
        "questions": 0,
        "preferences": 0,
        "judgments": 0,
        "rules": 0,
        "facts": 0,
        "rejects": 2,
    }
    assert (profile.n_users, profile.n_items, profile.n_pairs) == (2, 4, 3)
    assert profile.density == pytest.approx(3 / 8)
    assert profile.events_by_kind == {"view": 4, "buy": 1, "cart": 1}
    assert profile.events_per_user["median"] == 3 == profile.events_per_user["max"]
    assert profile.items_by_events == {"0": 2, "1–2": 1, "3–5": 1, "6–10": 0, "more": 0}
    assert profile.ratings == {"1": 1, "3": 1, "5": 2}
    assert profile.duplicates == {"items by title": 1, "reviews by text": 1}
    assert profile.first_time == "2024-01-01T00:00:00Z" and profile.last_time == "2024-01-09T00:00:00Z"
    assert sum(row["n"] for row in profile.rows_by_time) == 6
    assert profile.rejects == {"kind … is wrong": 2}
    missing = {(e["table"], e["column"]): e["share"] for e in profile.missing}
    assert missing["items", "price"] == 0.75 and missing["items", "category"] == 0.5
    assert missing["events", "kind"] == 0
    languages = {(e["table"], e["language"]): e["share"] for e in profile.languages}
    assert languages["items", "Latin script"] == 0.5 and languages["items", "zh"] == 0.25
    assert languages["items", "no letters"] == 0.25 and languages["reviews", "en"] == 0.5


def test_the_words() -> None:
    assert str(look(small())) == WORDS
    assert str(look(Shop.of())) == "rows         none\nrejects      none"


WORDS = """\
rows         4 items, 6 events, 4 reviews
customers    2; items 4; density 37.5000%
events       view 4 (66.7%), buy 1 (16.7%), cart 1 (16.7%)
a customer   min 3, p25 3, median 3, p75 3, p90 3, p99 3, max 3
cold items   0 2 (50.0%), 1–2 1 (25.0%), 3–5 1 (25.0%), 6–10 0 (0.0%), more 0 (0.0%) by number of events
stars        1 1 (25.0%), 3 1 (25.0%), 5 2 (50.0%)
languages    items: Latin script 50.0%, no letters 25.0%, zh 25.0%
languages    reviews: en 50.0%, Latin script 25.0%, no letters 25.0%
missing      items: description 100.0%, brand 100.0%, currency 100.0%, attributes 100.0%, image 100.0%, \
language 100.0%, in_stock 100.0%, price 75.0%, category 50.0%, title 25.0%
missing      events: rating 100.0%
missing      reviews: review_id 100.0%, user_id 100.0%, item_id 100.0%, label 100.0%, title 100.0%, \
helpful 100.0%, time 100.0%, language 50.0%, text 25.0%
duplicates   1 items by title, 1 reviews by text
time         2024-01-01T00:00 to 2024-01-09T00:00 UTC
rejects      2
             2 × kind … is wrong
gaps         items: 1 of 4 have no title, like 'd'"""


@pytest.mark.parametrize(
    ("title", "told"),
    [("Βιβλίο μαγειρικής", "Greek script"), ("ספר בישול", "Hebrew script"), ("หนังสือ", "Thai script")],
)
def test_letters_of_any_script_are_letters(title: str, told: str) -> None:
    items = conform("items", pl.DataFrame({"item_id": ["a"], "title": [title]}))
    assert [each["language"] for each in look(Shop.of(items=items)).languages] == [told]


def test_a_profile_is_json() -> None:
    profile = look(demo_shop(60))
    assert json.loads(json.dumps(profile.to_dict()))["n_items"] >= 60
    assert {e["language"] for e in profile.languages} >= {"en", "zh"}


@pytest.mark.parametrize("shop", [demo_shop(60), small(), Shop.of()], ids=["demo", "small", "empty"])
def test_the_picture_is_drawn(shop: Shop, tmp_path: Path) -> None:
    pytest.importorskip("vl_convert", reason="needs the extra 'report'")
    picture(look(shop), tmp_path / "deep" / "shop.png")
    picture(look(shop), tmp_path / "shop.svg")
    assert (tmp_path / "deep" / "shop.png").read_bytes().startswith(b"\x89PNG")
    svg = (tmp_path / "shop.svg").read_text()
    assert svg.startswith("<svg") and "The shop" in svg


def test_a_picture_of_another_kind_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"must end in \.png or \.svg"):
        picture(look(Shop.of()), tmp_path / "shop.gif")
