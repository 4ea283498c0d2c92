"""The page, driven in a real Chromium against a real server."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from retailor.serve.door.problems import CODES
from retailor.shop.tables import Shop
from retailor.testing.serving import toy_run

DESK, PHONE = {"width": 1280, "height": 900}, {"width": 390, "height": 844}
SCRIPT = "<script>document.title='broken'</script><img src=x onerror=\"document.title='broken'\">"


@pytest.fixture(scope="module")
def server(start_server: Callable[..., Any], run_folder: Path) -> Any:
    return start_server(run_folder)


def test_a_merchant_does_everything(page: Any, server: Any) -> None:
    page.goto(server.url)
    assert "For a new visitor" in page.inner_text("#panel")
    page.wait_for_selector(".card")

    page.click(".choice >> nth=2")
    user_id = page.get_attribute(".choice >> nth=2", "data-id")
    page.wait_for_selector(".seen")
    page.wait_for_selector(".card .reason")
    assert f"For customer {user_id}" in page.inner_text("#panel")
    assert page.locator(".card").count() == 12
    assert any(letter.isdigit() for letter in page.inner_text(".card .line >> nth=0"))

    page.click("[data-mode=items]")
    page.wait_for_selector("#choices .tile")
    page.click("#choices .choice >> nth=0")
    title = page.inner_text(".chip-text >> nth=1")

    page.click("#tab-answer")
    assert title in page.inner_text("#panel")
    page.fill("#question", "Which material is it made of?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".evidence li")
    assert "attribute" in page.inner_text(".evidence")
    page.fill("#question", "And what else?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".bubble.shop >> nth=1")
    page.click("text=New conversation")
    page.fill("#question", "Who made the moon?")
    page.click("button.main")
    page.wait_for_selector(".bubble.unknown")
    assert "Not in the shop's data" in page.inner_text(".bubble.unknown")

    page.click("#tab-sentiment")
    page.fill("#text", "I love it, it is great")
    page.click("button.main")
    page.wait_for_selector(".verdict")
    assert page.inner_text(".verdict .label") == "positive" and "%" in page.inner_text(".share.best")

    page.click("#tab-review")
    page.fill("#aspects", "weight, colour")
    page.click("button.main")
    page.wait_for_selector(".draft")
    assert "Generated draft" in page.inner_text(".marked") and "weight" in page.inner_text(".draft .said")
    page.click("text=Another draft")
    page.wait_for_selector(".draft")

    page.click("#tab-search")
    page.fill("#text", title.split()[0])
    page.keyboard.press("Enter")
    page.wait_for_selector(".card, #panel .empty")
    assert "item=" in page.url and f"customer={user_id}" in page.url
    page.reload()
    page.wait_for_selector(".chip >> nth=1")
    assert page.inner_text(".chip-text >> nth=0") == user_id


def test_reasons_come_in_the_language_of_the_page(page: Any, server: Any) -> None:
    page.goto(server.url)
    page.wait_for_selector(".card .reason")
    assert "chosen by" in page.inner_text(".card .reason >> nth=0")
    page.click("#language")
    page.wait_for_selector(".card .reason:has-text('顾客选过')")
    page.click("#language")
    page.wait_for_selector(".card .reason:has-text('chosen by')")


def test_by_keyboard_alone(page: Any, server: Any) -> None:
    page.goto(server.url)
    page.wait_for_selector(".card")
    page.focus("#tab-recommend")
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-search"
    page.keyboard.press("End")
    assert page.get_attribute("#tab-chat", "aria-selected") == "true"
    page.keyboard.press("ArrowLeft")
    assert page.get_attribute("#tab-review", "aria-selected") == "true"
    assert "Choose a product first" in page.inner_text("#panel")
    page.keyboard.press("Home")
    page.focus(".choice >> nth=0")
    page.keyboard.press("Enter")
    page.wait_for_selector(".chip .cross")
    page.focus(".chip .cross")
    page.keyboard.press("Enter")
    page.wait_for_selector(".chip", state="detached")
    unnamed = page.evaluate(
        """[...document.querySelectorAll('button, input, select, textarea')].filter((each) =>
        each.checkVisibility() && !each.innerText && !each.getAttribute('aria-label') && !each.labels?.length
        ).map((each) => each.outerHTML)"""
    )
    assert unnamed == []


def test_languages_and_themes_are_kept(page: Any, server: Any) -> None:
    page.goto(server.url)
    page.wait_for_selector(".card")
    page.click("#language")
    assert page.inner_text("#tab-recommend") == "推荐" and page.get_attribute("html", "lang") == "zh"
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")
    page.click("#theme")
    page.click("#theme")
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") != light
    page.reload()
    page.wait_for_selector(".card")
    assert page.inner_text("#tab-recommend") == "推荐"
    assert page.get_attribute("html", "data-theme") == "dark"
    missing = page.evaluate(
        """import('/page/words.js').then(({ WORDS }) =>
        Object.keys({ ...WORDS.en, ...WORDS.zh }).filter((key) => !WORDS.en[key] || !WORDS.zh[key]))"""
    )
    assert missing == []
    codes = page.evaluate("import('/page/words.js').then(({ PROBLEMS_ZH }) => Object.keys(PROBLEMS_ZH))")
    assert sorted(codes) == sorted(CODES.values())


def test_on_a_phone_nothing_is_cut(page: Any, server: Any) -> None:
    page.set_viewport_size(PHONE)
    page.goto(server.url)
    page.wait_for_selector(".card")
    assert not page.is_visible("#find")
    page.click("#picker-toggle")
    page.fill("#find", "U")
    page.wait_for_timeout(300)
    page.click(".choice >> nth=0")
    page.wait_for_selector(".seen")
    assert not page.is_visible("#find")
    for tab in ("recommend", "search", "answer", "sentiment", "review"):
        page.click(f"#tab-{tab}")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), tab


def test_lists_can_be_paged_and_searched(page: Any, server: Any) -> None:
    page.goto(server.url)
    page.wait_for_selector(".choice")
    first = page.inner_text(".choice >> nth=0")
    assert page.is_disabled("#previous")
    page.click("#next")
    page.wait_for_selector("#pages:has-text('2 of')")
    assert page.inner_text(".choice >> nth=0") != first
    page.fill("#find", "no such customer")
    page.wait_for_selector("#choices .empty")
    assert "Nobody and nothing found" in page.inner_text("#choices")


def test_a_shop_cannot_put_markup_into_the_page(
    page: Any, shop: Shop, start_server: Callable[..., Any], tmp_path: Path
) -> None:
    pixel = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
    rows = shop.items.to_dicts()
    for i, row in enumerate(rows):
        row["title"] += SCRIPT
        row["image"] = pixel if i % 2 else "https://elsewhere.example/picture.png"
    hostile = shop.with_tables(items=pl.DataFrame(rows, schema=shop.items.schema))
    server = start_server(toy_run(tmp_path, hostile, without=["answer"]))
    page.goto(server.url)
    page.wait_for_selector(".card")
    page.wait_for_selector(".card .tile img")
    assert page.title() == "toy · Retailor" and "<" not in page.inner_text(".card h3 >> nth=0")
    sources = page.eval_on_selector_all(".tile img", "all => all.map((each) => each.src.slice(0, 5))")
    assert set(sources) == {"data:"}
    page.click("#tab-answer")
    assert "This run has no “Ask” task" in page.inner_text("#panel")
    assert "has no data for it" in page.inner_text("#panel")


def test_it_asks_for_the_key_and_says_what_fails(
    page: Any, start_server: Callable[..., Any], run_folder: Path
) -> None:
    server = start_server(run_folder, "port=0, api_key_env='PAGE_KEY'", env={"PAGE_KEY": "open sesame"})
    page.goto(server.url)
    page.wait_for_selector("#key-dialog[open]")
    page.fill("#key", "open sesame")
    page.click("#key-form button")
    page.wait_for_selector(".card")
    page.click("#tab-sentiment")
    page.fill("#text", "poison")
    page.click("button.main")
    page.wait_for_selector(".failure")
    assert "failed on this request" in page.inner_text(".failure")
    page.click("#language")
    page.fill("#text", "poison")
    page.click("button.main")
    page.wait_for_selector(".failure:has-text('服务器处理这个请求时出错。')")
    assert "服务器的说明：" in page.inner_text(".failure")
    page.click("#language")
    page.click("button.main")
    page.wait_for_selector(".failure:has-text('That did not work')")
    server.stop()
    page.click(".failure button")
    page.wait_for_selector("text=The server cannot be reached.")
    expected = ("401", "500", "ERR_CONNECTION_REFUSED")
    page.problems[:] = [each for each in page.problems if not any(code in each for code in expected)]
