"""What was taken in, in the shop of the next run."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from retailor.live.events.history import last_number, with_log
from retailor.live.events.preferred import preferences_of
from retailor.live.shapes import Line
from retailor.live.shop import LiveShop
from retailor.shop.demo import demo_shop

NOW = datetime.now(UTC).replace(microsecond=0)


def buy(key: str, item_id: str, user_id: str = "u-new") -> Line:
    return Line(key, "event", NOW, user_id, item_id, "buy")


def test_items_and_events_join_the_shop(url: str) -> None:
    shop = demo_shop(30)
    first, second, third = shop.items["item_id"][:3]
    live = LiveShop.open(url)
    live.put_item(first, {"title": "Another title", "price": 3.0})
    live.put_item("NEW", {"title": "A lamp"})
    live.remove_item(second)
    live.take([[buy("a", third), Line("b", "event", NOW, "u-new", None, "search", body={"query": "x"})]])
    grown = with_log(shop, url, last_number(url))
    titles = dict(grown.items.select("item_id", "title").iter_rows())
    assert (titles[first], titles["NEW"]) == ("Another title", "A lamp")
    assert second not in titles
    assert len(titles) == len(grown.items) == len(shop.items)
    assert len(grown.events) == len(shop.events) + 1
    assert grown.events.row(-1, named=True)["item_id"] == third


def test_later_lines_wait_for_the_next_run(url: str) -> None:
    shop = demo_shop(30)
    live = LiveShop.open(url)
    live.take([[buy("a", "P1")]])
    number = last_number(url)
    live.take([[buy("b", "P2")]])
    assert with_log(shop, url, number).events["item_id"][-1] == "P1"


def test_what_the_shop_has_already_is_there_once(url: str) -> None:
    shop = demo_shop(30)
    live = LiveShop.open(url)
    live.take([[buy("a", "P1")]])
    once = with_log(shop, url, last_number(url))
    assert with_log(once, url, last_number(url)).events.equals(once.events)


def test_an_item_put_after_it_was_taken_out_is_there(url: str) -> None:
    shop = demo_shop(30)
    item_id = shop.items["item_id"][0]
    live = LiveShop.open(url)
    live.remove_item(item_id)
    live.put_item(item_id, {"title": "Back again"})
    titles = dict(with_log(shop, url, last_number(url)).items.select("item_id", "title").iter_rows())
    assert titles[item_id] == "Back again"


def test_a_run_does_not_count_what_it_was_fitted_on(url: str) -> None:
    live = LiveShop.open(url)
    live.take([[buy("a", "P1")]])
    number = last_number(url)
    live.take([[buy("b", "P2")]])
    assert live.recent.shop(number)[0].events["item_id"].to_list() == ["P2"]
    assert live.recent.items_of("u-new", number) == ("P2",)
    assert NOW + timedelta(0) == live.recent.shop()[0].events["time"][0]


def told(
    key: str, kind: str, draft: str, text: str | None = None, *, stars: float | None = 4.0,
    user_id: str | None = "u-new", session_id: str = "s1",
) -> Line:  # fmt: skip
    body = {"about": draft, "session_id": session_id} | ({} if text is None else {"text": text})
    return Line(key, "event", NOW, user_id, "P1", kind, stars, body)


def test_edits_and_thumbs_of_drafts_become_preferences(url: str) -> None:
    shop = demo_shop(30)
    live = LiveShop.open(url)
    lines = [
        told("a", "edit", "A draft.", "A better text."),
        told("b", "thumb_down", "Dull, and it says nothing of the lamp."),
        told("x", "thumb_up", "Liked by somebody else, of the same product.", user_id="u-else"),
        told("y", "thumb_up", "颜色很好看，质量也不错"),
        told("c", "thumb_up", "Lively, it says how the lamp is."),
        told("g", "thumb_down", "Not signed in, and it is dull.", user_id=None),
        told("h", "thumb_up", "Not signed in either, but it is another.", user_id=None, session_id="s2"),
        told("i", "thumb_up", "The same session, and it is good.", user_id=None),
        told("d", "thumb_up", "Liked, and nothing beside it."),
        told("e", "thumb_down", "Of other stars.", stars=1.0),
        told("f", "thumb_up", "An answer, which has no stars.", stars=None),
    ]
    live.take([lines])
    grown = with_log(shop, url, last_number(url))
    pairs = grown.preferences.select("user_id", "item_id", "rating", "chosen", "rejected").rows()
    assert pairs == [
        ("u-new", "P1", 4.0, "A better text.", "A draft."),
        ("u-new", "P1", 4.0, "Lively, it says how the lamp is.", "Dull, and it says nothing of the lamp."),
        (None, "P1", 4.0, "The same session, and it is good.", "Not signed in, and it is dull."),
    ]  # fmt: skip
    assert grown.preferences["language"].to_list() == ["en", "en", "en"]
    assert with_log(grown, url, last_number(url)).preferences.equals(grown.preferences)
    assert len(grown.events) == len(shop.events), "to like a draft is not to choose a product"


def test_the_oldest_thumbs_are_paired_first_and_each_is_used_once() -> None:
    kinds = {"one": "thumb_up", "two": "thumb_up", "three": "thumb_down", "four": "thumb_down"}
    lines = [told(key, kind, f"A draft of the lamp that says {key}.") for key, kind in kinds.items()]
    found = preferences_of([*lines, told("five", "thumb_down", "A draft of the lamp, and no more.")])
    pairs = [tuple(text.split()[-1] for text in row) for row in found.select("chosen", "rejected").rows()]
    assert pairs == [("one.", "three."), ("two.", "four.")]


def test_a_text_without_words_leaves_the_language_to_the_other() -> None:
    found = preferences_of([told("a", "edit", "The lamp is bright and the switch is stiff.", "5/5")])
    assert found["language"].to_list() == ["en"]
    assert preferences_of([told("a", "edit", "4", "5/5")])["language"].to_list() == [None]


def test_what_is_about_no_draft_is_no_preference() -> None:
    """An answer to a question has no stars, and may be edited or liked as well."""
    lines = [
        told("a", "edit", "It fits a desk of 60 cm.", "It fits any desk.", stars=None),
        told("b", "thumb_up", "It fits a desk of 60 cm.", stars=None),
        told("c", "thumb_down", "It fits no desk at all, I think.", stars=None),
    ]
    assert not len(preferences_of(lines))
