"""What is no longer served leaves the memory, though collections pass over what a server has loaded."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from retailor.live.shapes import Line
from retailor.serve import memory
from retailor.serve.memory import leave_alone_what_is_loaded
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.serving import TOY_TASKS, ToyRecommender, toy_run

made: list[weakref.ref[Any]] = []


class Ring(ToyRecommender):
    """A task that holds itself, as networks do: only a collection frees it."""

    def __init__(self, state: dict[str, Any] | None = None) -> None:
        super().__init__(state)
        self.me = self
        made.append(weakref.ref(self))

    def update(self, shop: Shop) -> Ring:  # type: ignore[override]
        return Ring(ToyRecommender(self.state).update(shop).state)


TASKS = {
    **TOY_TASKS,
    "recommend": replace(TOY_TASKS["recommend"], load=Ring.load, update=lambda task, shop: task.update(shop)),
}


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    made.clear()
    monkeypatch.setattr(memory, "_leaves_alone", False)
    monkeypatch.setattr(memory, "LOOK_AFTER_S", (0.1,) * 50)
    yield
    gc.unfreeze()


def n_alive() -> int:
    return sum(each() is not None for each in made)


def until(done: Callable[[], bool], timeout_s: float = 20) -> None:
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < timeout_s
        time.sleep(0.02)


def happens(service: Service, number: int) -> None:
    line = Line(f"e{number}", "event", datetime.now(UTC), "new", "P1", "view")
    service.live().take([[line]])
    service.absorb()


def test_a_reload_lets_go_of_what_had_taken_in_events(shop: Shop, tmp_path: Path) -> None:
    """Both the task as it was fitted and as it had grown, each time; nor is a thread of theirs left."""
    settings = ServeSettings(events_url=f"sqlite:///{tmp_path}/live.db", absorb_s=600)
    before = set(threading.enumerate())  # a service that other tests share may stand open in this process
    with closing(Service.load(toy_run(tmp_path / "run", shop), TASKS, settings)) as service:
        happens(service, 0)
        leave_alone_what_is_loaded()
        assert n_alive() == 2
        for number in range(1, 4):
            happens(service, number)
            service.ask("recommend", RecommendQuery("new", k=number))
            service.reload()
            assert n_alive() == 2, f"reload {number}"
        service.ask("recommend", RecommendQuery("new", k=9))
        names = [each.name for each in threading.enumerate() if each not in before]
        assert names.count("batch-recommend") == 1
        assert gc.get_freeze_count() > 100_000


def test_what_somebody_answers_with_is_let_go_later(shop: Shop, tmp_path: Path) -> None:
    with closing(Service.load(toy_run(tmp_path / "run", shop), TASKS, ServeSettings())) as service:
        leave_alone_what_is_loaded()
        held: Any = service._now()
        service.reload()
        assert n_alive() == 2
        held = held.close(1)  # the answer was given
        until(lambda: n_alive() == 1)
        until(lambda: gc.get_freeze_count() > 100_000)


def test_who_left_nothing_alone_is_not_interfered_with(shop: Shop, tmp_path: Path) -> None:
    before = gc.get_freeze_count()
    with closing(Service.load(toy_run(tmp_path / "run", shop), TASKS, ServeSettings())) as service:
        service.reload()
        assert gc.get_freeze_count() == before


def test_a_run_that_fails_while_it_grows_leaves_no_thread(shop: Shop, tmp_path: Path) -> None:
    def broken(task: Any, shop: Shop) -> Any:
        raise ValueError("no")

    tasks = {**TOY_TASKS, "search": replace(TOY_TASKS["search"], update=broken)}
    settings = ServeSettings(events_url=f"sqlite:///{tmp_path}/live.db", absorb_s=600)
    with closing(Service.load(toy_run(tmp_path / "run", shop), tasks, settings)) as service:
        service.ask("recommend", RecommendQuery("new", k=3))
        before = threading.active_count()
        for number in range(3):
            with pytest.raises(ValueError, match="no"):
                happens(service, number)
            with pytest.raises(ValueError, match="no"):
                service.reload()
        assert threading.active_count() == before
        assert service.ask("recommend", RecommendQuery("new", k=3)).answer.items
