"""Thumbs and edits on the page, in a real Chromium: they come to the log as what drafts learn from."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from retailor.live.events.log import Log
from retailor.live.events.preferred import preferences_of
from retailor.live.shapes import Line

Start = Callable[..., Any]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("feedback")


@pytest.fixture(scope="module")
def server(start_server: Start, run_folder: Path, place: Path) -> Any:
    return start_server(run_folder, f"port=0, batch_wait_ms=1, events_url='sqlite:///{place}/live.db'")


def written(place: Path) -> list[Line]:
    with closing(Log.open(f"sqlite:///{place}/live.db")) as log:
        return [line for _, line in log.since() if line.what == "event"]


def item_of(server: Any) -> dict[str, Any]:
    found: dict[str, Any] = httpx.get(f"{server.url}/items", params={"size": 1}).json()["items"][0]
    return found


def drafted(page: Any, server: Any, customer: str = "") -> str:
    """The text of a draft for a product, on the page."""
    who = f"&customer={customer}" if customer else ""
    page.goto(f"{server.url}/#tab=review&item={item_of(server)['item_id']}{who}")
    page.reload()
    page.wait_for_selector("#aspects")
    page.click("button.main")
    page.wait_for_selector(".draft .feedback")
    return str(page.inner_text(".draft .said"))


def test_a_draft_is_liked_and_edited(page: Any, server: Any, place: Path) -> None:
    n_before = len(written(place))
    customer = httpx.get(f"{server.url}/customers").json()["customers"][0]["user_id"]
    text = drafted(page, server, customer)
    page.click(".draft button:has-text('Edit')")
    assert page.input_value(".draft textarea") == text
    page.click("text=Leave it as it was")
    assert page.inner_text(".draft .said") == text and len(written(place)) == n_before

    page.click(".draft button:has-text('Edit')")
    page.fill(".draft textarea", "It is light.\nI took it on two trips.")
    page.screenshot(path=str(place / "edit.png"), full_page=True)
    page.click("text=Send the edited text")
    page.wait_for_selector(".feedback >> text=Thank you")
    assert page.inner_text(".draft .said") == "It is light.\nI took it on two trips."
    assert page.locator(".draft button:has-text('Edit')").count() == 0
    assert page.locator(".draft .thumb:disabled").count() == 2, "they were about the other text"

    page.click("text=Another draft")
    page.wait_for_selector(".draft .thumb:not(:disabled)")
    other = page.inner_text(".draft .said")
    page.click(".draft .thumb[aria-label='This is good']")
    page.wait_for_selector(".draft .thumb[aria-pressed=true]")
    assert page.locator(".draft .thumb:disabled").count() == 2
    page.screenshot(path=str(place / "thumbs.png"), full_page=True)

    edit, thumb = written(place)[n_before:]
    item_id = item_of(server)["item_id"]
    assert (edit.kind, edit.user_id, edit.item_id, edit.rating) == ("edit", customer, item_id, 5.0)
    assert edit.body["about"] == text and edit.body["text"].startswith("It is light.")
    assert (thumb.kind, thumb.body["about"], thumb.item_id, thumb.rating) == ("thumb_up", other, item_id, 5.0)
    table = preferences_of([edit, thumb])
    assert table.select("chosen", "rejected", "rating").rows() == [(edit.body["text"], text, 5.0)]


def test_two_thumbs_of_two_drafts_are_a_preference(page: Any, server: Any, place: Path) -> None:
    n_before = len(written(place))
    texts = []
    for i, sign in enumerate(("This is good", "This is not good")):
        texts.append(drafted(page, server))
        if i:
            page.fill("#aspects", "weight")
            page.click("button.main")
            page.wait_for_selector(".draft .said:has-text('weight')")
            texts[-1] = page.inner_text(".draft .said")
        page.click(f".draft .thumb[aria-label='{sign}']")
        page.wait_for_selector(".draft .thumb[aria-pressed=true]")
    lines = written(place)[n_before:]
    assert all(each.user_id is None and each.body["session_id"] for each in lines)
    assert len({each.body["session_id"] for each in lines}) == 1, "one tab"
    assert preferences_of(lines).select("chosen", "rejected").rows() == [tuple(texts)]


def test_an_answer_is_rated_once_and_stays_so(page: Any, server: Any, place: Path) -> None:
    n_before = len(written(place))
    page.goto(f"{server.url}/#tab=answer&item={item_of(server)['item_id']}")
    page.reload()
    page.wait_for_selector("#question")
    page.fill("#question", "Which material is it made of?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".bubble .feedback")
    answer = page.inner_text(".bubble.shop .said")
    page.click(".bubble .thumb >> nth=1")
    page.wait_for_selector(".bubble .thumb[aria-pressed=true]")
    page.fill("#question", "And what else?")
    page.keyboard.press("Enter")
    page.wait_for_selector(".bubble.shop >> nth=1")
    assert page.locator(".thumb[aria-pressed=true]").count() == 1, "it is drawn again with its thumb"
    page.screenshot(path=str(place / "answers.png"), full_page=True)
    (line,) = written(place)[n_before:]
    assert (line.kind, line.body["about"], line.rating) == ("thumb_down", answer, None)
    assert (
        line.body["query"] == "Which material is it made of?" and line.item_id == item_of(server)["item_id"]
    )
    assert preferences_of([line]).is_empty(), "an answer is no draft"


def test_what_cannot_be_sent_is_told_and_can_be_sent_again(page: Any, server: Any, place: Path) -> None:
    """The same event, with its id: what was taken in before the reply was lost is not counted twice."""
    drafted(page, server)
    sent: list[str] = []

    def lose(route: Any) -> None:
        sent.append(route.request.post_data)
        if len(sent) == 1:
            route.fetch()
            route.abort()
        else:
            route.continue_()

    n_before = len(written(place))
    page.route("**/events", lose)
    page.click(".draft .thumb >> nth=0")
    page.wait_for_selector(".feedback >> text=cannot be reached")
    page.click(".draft .thumb >> nth=0")
    page.wait_for_selector(".draft .thumb[aria-pressed=true]")
    ids = {re.findall('"event_id":"([0-9a-f]+)"', each)[0] for each in sent}
    assert len(sent) == 2 and len(ids) == 1 and len(written(place)) == n_before + 1
    page.problems.clear()  # the console has the request that was lost


def test_who_may_ask_may_not_rate_and_keeps_the_key(
    page: Any, start_server: Start, run_folder: Path, tmp_path: Path
) -> None:
    settings = f"port=0, events_url='sqlite:///{tmp_path}/live.db', api_key_env='ASK', write_key_env='WRITE'"
    server = start_server(run_folder, settings, env={"ASK": "ask", "WRITE": "write"})
    page.goto(server.url)
    page.fill("#key", "ask")
    page.click("#key-dialog button")
    page.wait_for_selector(".card")
    page.click("[data-mode=items]")
    page.click("#choices .choice >> nth=0")
    page.click("#tab-review")
    page.click("button.main")
    page.wait_for_selector(".draft .thumb")
    page.click(".draft .thumb >> nth=0")
    page.wait_for_selector(".feedback >> text=the key of who may write")
    assert not page.is_visible("#key-dialog") and page.locator(".thumb[aria-pressed=true]").count() == 0
    page.click("text=Another draft")
    page.wait_for_selector(".draft .thumb")
    page.problems.clear()  # the console has the 401


def test_without_a_log_there_is_nothing_to_press(page: Any, start_server: Start, run_folder: Path) -> None:
    server = start_server(run_folder)
    page.goto(f"{server.url}/#tab=review&item={item_of(server)['item_id']}")
    page.wait_for_selector("#aspects")
    page.click("button.main")
    page.wait_for_selector(".draft .said")
    assert page.locator(".feedback").count() == 0
