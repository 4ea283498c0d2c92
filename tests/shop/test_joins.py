"""What does not join is said, with what would help."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from retailor.shop.demo import demo_shop
from retailor.shop.joins import gaps, gaps_in
from retailor.shop.look import look
from retailor.shop.tables import Shop


def shop(known: list[str], used: list[str], **more: pl.DataFrame) -> Shop:
    events = pl.DataFrame({"user_id": ["u"] * len(used), "item_id": used, "kind": ["buy"] * len(used)})
    items = pl.DataFrame(
        {"item_id": known, "title": ["t"] * len(known)}, schema={"item_id": pl.String, "title": pl.String}
    )
    return Shop.of({"items": items, "events": events, **more})


def test_a_shop_that_joins_has_no_gaps() -> None:
    assert gaps(shop(["a", "b"], ["a", "a", "b"])) == [] and gaps(Shop.of()) == []


@pytest.mark.parametrize(
    ("known", "used", "way"),
    [
        (["123", "124"], ["00123", "00124", "x"], "without leading zeros: '00123' against '123'"),
        (["AB-1"], ["ab-1", "x"], "in small letters: 'ab-1' against 'AB-1'"),
        (["a"], [" a", "x"], "without the white space around them: ' a' against 'a'"),
        (["7"], ["7.0", "x"], "without a '.0' at the end: '7.0' against '7'"),
        (["AB1"], ["ab-1", "x"], "without dashes, dots and spaces: 'ab-1' against 'AB1'"),
    ],
)
def test_unknown_items_are_counted_and_what_would_help_is_said(
    known: list[str], used: list[str], way: str
) -> None:
    gap = gaps(shop(known, used * 2))[0]
    assert (gap.table, gap.n, gap.of) == ("events", 2 * len(used), 2 * len(used))
    assert gap.hint == f"{2 * (len(used) - 1)} would join {way}"
    assert set(gap.examples) <= set(used) and str(gap).startswith(
        f"events: {2 * len(used)} of {2 * len(used)} rows"
    )


def test_ids_that_two_items_would_share_are_not_suggested() -> None:
    assert gaps(shop(["01", "1"], ["001"]))[0].hint == ""


def test_every_table_that_names_items_is_looked_at() -> None:
    more = {
        "reviews": pl.DataFrame({"user_id": ["silent", "u"], "item_id": ["zz", "a"], "text": ["x", "y"]}),
        "questions": pl.DataFrame({"item_id": ["zz", None], "question": ["?", "?"]}),
        "judgments": pl.DataFrame({"query": ["q"], "item_id": ["zz"], "grade": [1.0]}),
    }
    found = {(gap.table, gap.what): (gap.n, gap.of) for gap in gaps(shop(["a"], ["a"], **more))}
    lacks = "rows are about items that the catalogue lacks"
    assert found == {
        ("reviews", lacks): (1, 2),
        ("questions", lacks): (1, 1),
        ("judgments", lacks): (1, 1),
        ("reviews", "customers have no events"): (1, 2),
    }


def test_items_without_a_title_and_a_shop_without_a_catalogue() -> None:
    bare = Shop.of(items=pl.DataFrame({"item_id": ["a", "b", "c"], "title": [None, " ", "t"]}))
    assert [(gap.table, gap.what, gap.n, gap.of) for gap in gaps(bare)] == [("items", "have no title", 2, 3)]
    assert "there is no catalogue" in str(gaps(shop([], ["a"]))[0])


@pytest.mark.parametrize("made", [demo_shop(60), Shop.of()], ids=["demo", "empty"])
def test_a_saved_shop_says_the_same_as_one_in_memory(made: Any, tmp_path: Path) -> None:
    made.save(tmp_path / "shop")
    assert gaps_in(tmp_path / "shop") == gaps(made)


def test_look_says_it() -> None:
    profile = look(shop(["123"], ["0123"]))
    assert profile.gaps and profile.gaps[0] in str(profile) and "leading zeros" in str(profile)
