"""A conversation on the page, in a real Chromium."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from retailor.shop.tables import Shop
from retailor.testing.serving import toy_run

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or "/usr/bin/chromium"
SERVER = """
import sys
from pathlib import Path
from retailor.serve.server import serve
from retailor.serve.settings import ServeSettings
from retailor.testing.serving import TOY_TASKS
serve(Path(sys.argv[1]), TOY_TASKS, ServeSettings(port=0))
"""


@pytest.fixture(scope="module")
def url(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = toy_run(tmp_path_factory.mktemp("run"), shop)
    log = tmp_path_factory.mktemp("log") / "chat.log"
    with log.open("w") as file:
        command = [sys.executable, "-c", SERVER, str(folder)]
        server = subprocess.Popen(command, stderr=file, env={**os.environ, "OMP_NUM_THREADS": "1"})
    until = time.monotonic() + 60
    while not (found := re.search(r"on (http://[^ ]+:\d+)", log.read_text())):
        assert time.monotonic() < until and server.poll() is None, log.read_text()
        time.sleep(0.05)
    yield found[1]
    server.kill()
    server.wait()


def test_a_customer_talks_to_the_shop(url: str) -> None:
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if not Path(CHROMIUM).exists():
        pytest.skip("chromium is not installed: apt-get install chromium")
    with playwright.sync_playwright() as running:
        browser: Any = running.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_page(locale="en-US")
        page.set_default_timeout(15_000)
        problems: list[str] = []
        page.on("pageerror", lambda error: problems.append(str(error)))
        page.on("console", lambda line: problems.append(line.text) if line.type == "error" else None)
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
        browser.close()
        assert not problems
