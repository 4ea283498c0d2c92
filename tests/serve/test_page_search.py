"""Search on the page: how a query was understood is shown, and can be taken off again."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from retailor.shop.tables import Shop
from retailor.tasks.search import Search
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean


def searched(shop: Shop, served: Callable[..., str], folder: Path) -> str:
    """The address of a server of a search alone."""
    shop = clean(shop)
    shop.save(folder / "clean")
    Search(HashEncoder()).fit(shop).save(folder / "search")
    return served([sys.executable, "-m", "retailor", "serve", str(folder), "--port", "0"])


@pytest.fixture(scope="module")
def url(shop: Shop, served: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return searched(shop, served, tmp_path_factory.mktemp("found"))


def test_filters_are_shown_and_taken_off(page: Any, url: str) -> None:
    page.goto(url)
    page.click("#tab-search")
    page.type("#text", "blank")
    page.wait_for_selector("#text-suggestions option", state="attached")
    offered = page.eval_on_selector_all("#text-suggestions option", "all => all.map(each => each.value)")
    assert offered and all("blank" in each.lower() for each in offered)
    page.fill("#text", "blanket under 600, not red")
    page.keyboard.press("Enter")
    page.wait_for_selector(".understood .filter")
    chips = page.locator(".understood .filters >> nth=0").locator(".filter").all_inner_texts()
    assert chips == ["price: ≤ 600 ×", "words: not red ×"]
    assert "Searched for “blanket”" in page.inner_text(".understood")
    page.click(".understood .filter >> nth=0")
    page.locator(".understood .filters .filter").first.filter(has_text="words").wait_for()
    assert "not red" in page.inner_text(".understood .filters >> nth=0")
    title = page.get_attribute(".card h3", "title")
    page.fill("#text", title)
    page.keyboard.press("Enter")
    page.wait_for_selector(".card mark")
    assert all(each in title for each in page.locator(".card >> nth=0").locator("mark").all_inner_texts())
    page.fill("#text", "qwrtzx pflmb")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=Nothing matches")
    page.click("#language")
    page.wait_for_selector("text=没有符合的商品")


def test_a_bound_that_gave_way_is_told_and_not_asked_for_by_the_next_click(page: Any, url: str) -> None:
    page.goto(url)
    page.click("#tab-search")
    page.fill("#text", "blanket under 1, not red")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=No product is left with price: ≤ 1")
    chips = page.locator(".understood .filters >> nth=0").locator(".filter")
    assert chips.all_inner_texts() == ["words: not red ×"]
    with page.expect_request("**/search") as sent:
        page.click(".understood .filter >> nth=0")
    assert sent.value.post_data_json["filters"] == []


@pytest.fixture(scope="module")
def mugs(served: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    items = [
        {"item_id": f"m{i}", "title": f"mug number {i}", "price": 5.0 + i,
         "currency": "EUR" if i < 8 else "CNY",
         "attributes": [{"name": "Material", "value": "steel" if i % 3 else "glass"}]}
        for i in range(9)
    ]  # fmt: skip
    return searched(Shop.of(items=pl.DataFrame(items)), served, tmp_path_factory.mktemp("mugs"))


def test_an_attribute_and_a_range_of_prices_narrow_what_was_found(page: Any, mugs: str) -> None:
    page.goto(mugs)
    page.click("#tab-search")
    page.fill("#text", "mug")
    page.keyboard.press("Enter")
    page.wait_for_selector("text=9 products")
    page.locator(".understood .filter", has_text="steel 6").click()
    page.wait_for_selector("text=6 products")
    row = page.locator(".understood .filters", has_text="price: ")
    offered = row.locator(".filter").first.inner_text()
    row.locator(".filter").first.click()
    page.wait_for_selector(f"text={offered.split()[-1]} products")
    chips = page.locator(".understood .filters >> nth=0").locator(".filter").all_inner_texts()
    assert chips == ["Material: steel ×", f"price: < {offered.split()[0].split('–')[1]} EUR ×"]
    page.click(".understood .filter >> nth=1")
    page.wait_for_selector("text=6 products")
