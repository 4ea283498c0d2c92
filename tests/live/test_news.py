"""What another worker has told of is known before the next answer, and a slow database holds nobody up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import ServeError
from retailor.live import news as news_of
from retailor.live.news import News
from retailor.live.shop import LiveShop


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[tuple[LiveShop, LiveShop]]:
    """Two workers of a log."""
    both = [LiveShop.open(f"sqlite:///{tmp_path}/live.db", News(tmp_path / "news", n, 2)) for n in (0, 1)]
    with closing(both[0]), closing(both[1]):
        yield both[0], both[1]


def took(work: Callable[[], Any]) -> float:
    began = time.monotonic()
    work()
    return time.monotonic() - began


def test_what_one_is_told_the_other_knows_before_it_answers(shops: tuple[LiveShop, LiveShop]) -> None:
    one, other = shops
    for n in range(5):
        one.set_stock({f"P{n}": 0})
        assert other.is_behind()
        other.know_news()
        assert tuple(other.recent.not_to_show()) == tuple(f"P{i}" for i in range(n + 1))


def test_a_slow_database_holds_up_the_first_for_a_moment_and_nobody_else(
    shops: tuple[LiveShop, LiveShop], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, other = shops
    other._follower._wait_s = 0.3  # type: ignore[union-attr]
    goes_on, since = threading.Event(), other.log.since
    n_reading: list[int] = []

    def slow(*given: Any, **named: Any) -> Any:
        n_reading.append(1)
        goes_on.wait(30)
        return since(*given, **named)

    monkeypatch.setattr(other.log, "since", slow)
    one.set_stock({"P1": 0})
    with ThreadPoolExecutor(8) as pool:
        waited = list(pool.map(lambda _: took(other.know_news), range(8)))
    assert all(0.25 < each < 5 for each in waited) and len(n_reading) == 1
    assert max(took(other.know_news) for _ in range(20)) < 0.2
    assert tuple(other.recent.not_to_show()) == ()
    goes_on.set()
    while other.is_behind():
        time.sleep(0.01)
    one.set_stock({"P2": 0})
    other.know_news()
    assert tuple(other.recent.not_to_show()) == ("P1", "P2"), "it is waited for again"


def test_a_database_that_is_down_holds_up_nobody(
    shops: tuple[LiveShop, LiveShop], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    one, other = shops
    with monkeypatch.context() as patch:

        def down(*given: Any, **named: Any) -> Any:
            raise ServeError("it does not answer", status=503)

        patch.setattr(other.log, "since", down)
        one.set_stock({"P1": 0})
        assert took(other.know_news) < news_of.LONGEST_S
        while "does not answer" not in caplog.text:
            time.sleep(0.01)
    other.know_news()  # has it read again, and need not wait
    while other.is_behind():
        time.sleep(0.01)
    assert tuple(other.recent.not_to_show()) == ("P1",)
