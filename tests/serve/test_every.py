"""Threads that work again and again outlive whatever their work raises."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from retailor.live.news import Follower
from retailor.live.shop import LiveShop
from retailor.serve.events.every import Every
from retailor.serve.events.living import Living


class Panic(BaseException):
    """As libraries in Rust raise it: no Exception."""


class Work:
    """Raises a panic at first; `done` once it was called again."""

    def __init__(self) -> None:
        self.n, self.done = 0, threading.Event()

    def __call__(self, *given: object) -> None:
        self.n += 1
        if self.n == 1:
            raise Panic("words of a customer")
        self.done.set()


def test_what_is_done_every_so_often_is_done_again_after_a_panic(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    every = Every("counting", 0.01, work)
    assert work.done.wait(20)
    every.close(5)
    assert "counting: Panic" in caplog.text and "customer" not in caplog.text


def test_what_is_new_is_taken_in_after_a_panic(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    work, shop = Work(), LiveShop.open(f"sqlite:///{tmp_path}/live.db")
    living = Living(shop, work, absorb_s=60, max_queue=8, timeout_s=5)
    for n in range(2):
        shop.put_item(f"P{n}", {"title": "A lamp"})
        living.soon()
        deadline = threading.Event()
        while work.n <= n and not deadline.wait(0.01):
            assert any(thread.name == "absorbing" for thread in threading.enumerate())
    assert work.done.wait(20)
    living.close(5)
    assert "Panic" in caplog.text and "customer" not in caplog.text


def test_news_are_read_after_a_panic() -> None:
    work = Work()
    follower = Follower(work, lambda: not work.done.is_set())
    while not work.done.is_set():
        follower.know()
        assert any(thread.name == "following" for thread in threading.enumerate())
    follower.close(5)
