"""A conversation on the page, in a real Chromium."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from retailor.shop.tables import Shop
from retailor.testing.serving import toy_run

SERVER = """
import sys
from pathlib import Path
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings
from retailor.testing.serving import TOY_TASKS
serve(Path(sys.argv[1]), TOY_TASKS, ServeSettings(port=0))
"""


@pytest.fixture(scope="module")
def url(shop: Shop, served: Callable[..., str], tmp_path_factory: pytest.TempPathFactory) -> str:
    return served([sys.executable, "-c", SERVER, str(toy_run(tmp_path_factory.mktemp("run"), shop))])


def test_a_customer_talks_to_the_shop(page: Any, url: str) -> None:
    page.goto(url)
    page.click("#tab-chat")
    for said in ("steel kettle", "what weight has the second one?", "this is unacceptable"):
        n = page.locator(".bubble.shop").count()
        page.fill("#message", said)
        page.keyboard.press("Enter")
        page.wait_for_selector(f".bubble.shop >> nth={n}")
    bubbles = page.locator(".bubble.shop").all_inner_texts()
    assert "[K1], 35.00 USD" in bubbles[0] and "search" in bubbles[0]
    assert page.locator(".bubble.shop >> nth=0").locator(".seen").count() == 2
    assert "weigh" in bubbles[1].lower() and "Evidence (" in bubbles[1]
    assert "For the colleague who takes over" in bubbles[2] and "Kettle [K" in bubbles[2]
    page.click("#language")
    page.click("text=新的对话")
    page.fill("#message", "你好")
    page.click("button.main")
    page.wait_for_selector("text=您好！")
    assert page.locator(".bubble.shop").count() == 1
