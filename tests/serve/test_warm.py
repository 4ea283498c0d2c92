"""Answers are made before anyone asks, from a file of queries; what is no query is counted, not shown."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import ConfigError
from retailor.live.settings import BanditSettings, ExperimentSettings, ImpressionSettings
from retailor.serve.queries import MOST_QUERIES
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.serve.warm import Warmer
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.search.shapes import SearchQuery
from retailor.testing.serving import TOY_TASKS


def warmer_of(service: Service, path: Path, text: str) -> Warmer:
    path.write_text(text, encoding="utf-8", errors="surrogateescape")
    return Warmer(service, TOY_TASKS, path)


def test_what_was_warmed_is_answered_from_the_cache(service: Service, tmp_path: Path) -> None:
    customer = str(service.customers().rows[0]["user_id"])
    text = f'tent\n\n{{"task": "recommend", "user_id": "{customer}", "k": 3}}\n两人帐篷\n'
    done = warmer_of(service, tmp_path / "queries", text).warm()
    assert (done.n_asked, done.n_refused) == (3, 0)
    assert str(done) == "3 answers are made before anyone asks"
    assert service.ask("recommend", RecommendQuery(user_id=customer, k=3)).cached
    assert service.ask("search", SearchQuery("tent")).cached
    assert service.ask("search", SearchQuery("两人帐篷")).cached
    assert not service.ask("search", SearchQuery("stove")).cached


def test_whom_a_warmed_query_names_was_shown_nothing_and_is_in_no_arm(
    run_folder: Path, tmp_path: Path
) -> None:
    settings = ServeSettings(
        events_url=f"sqlite:///{tmp_path}/live.db",
        experiment=ExperimentSettings(name="x", changes={"treated": {"k": 4}, "control": {"k": 4}}),
        impressions=ImpressionSettings(tasks=("recommend",)),
        bandit=BanditSettings(explore=0.5, pool=9),
    )
    with closing(Service.load(run_folder, TOY_TASKS, settings)) as service:
        customer = str(service.customers().rows[0]["user_id"])
        line = f'{{"task": "recommend", "user_id": "{customer}", "k": 3}}'
        assert warmer_of(service, tmp_path / "queries", line).warm().n_asked == 1
        assert service._living is not None
        service._living._tell()
        assert service.live().log.last() == 0
        query = RecommendQuery(user_id=customer, k=3)
        reply = service.ask("recommend", query, is_shown=True)
        assert reply.cached and len(reply.answer.items) == 4, "by the arm, and with a bandit's pool"
        service._living._tell()
        assert [line.what for _, line in service.live().log.since()] == ["exposed", "shown"]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"task": "dance"}', "'task' is none of"),
        ('{"user_id": "secret"}', "'task' is none of"),
        ('{"task": ["secret"]}', "'task' is none of"),
        ('{"task": "recommend", "user_id": "secret", "k": "5"}', "k: int_type"),
        ('{"task": "search", "secret": 1}', "secret: extra_forbidden|text: missing|value_error"),
        ('{"task": "recommend", ', "unexpected end of data|unexpected"),
        ("secret " * 100, "string_too_long"),
        ("\udcff\udcfe", "not UTF-8"),
        ('{"task": "review", "item_id": "secret"}', "404"),
    ],
)
def test_what_is_no_query_is_counted_with_its_line_and_without_its_words(
    service: Service, tmp_path: Path, line: str, reason: str
) -> None:
    done = warmer_of(service, tmp_path / "queries", f"tent\n{line}\n").warm()
    assert (done.n_asked, done.n_refused) == (1, 1)
    assert done.first.startswith("first line 2: ")
    assert any(one in done.first for one in reason.split("|")), done.first
    assert "secret " not in done.first


def test_a_file_without_end_is_read_to_a_bound(service: Service, tmp_path: Path) -> None:
    done = warmer_of(service, tmp_path / "queries", '{"task": "dance"}\n' * (MOST_QUERIES + 5)).warm()
    assert done.n_refused == MOST_QUERIES


def test_a_file_that_is_not_there_is_named_before_anything_is_served(
    service: Service, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read from .*queries"):
        Warmer(service, TOY_TASKS, tmp_path / "queries")


def test_it_stops_between_two_answers_and_begins_anew(
    service: Service, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="retailor.serve")
    warmer = warmer_of(service, tmp_path / "queries", "tent\n" * 50)
    stop = threading.Event()
    stop.set()
    assert warmer.warm(stop).n_asked == 0
    warmer.start()
    warmer.start()
    while "50 answers are made" not in caplog.text:
        time.sleep(0.01)
    warmer.close()


def test_a_stop_while_it_begins_waits_for_it_and_nothing_begins_after(
    service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A reload begins it in a thread of its own, and a server may be stopped at that moment."""
    beginning, may = threading.Event(), threading.Event()

    class Late(threading.Thread):
        def start(self) -> None:
            if self.name == "warm":
                beginning.set()
                may.wait(10)
            super().start()

    warmer = warmer_of(service, tmp_path / "queries", "tent\n" * 50)
    monkeypatch.setattr(threading, "Thread", Late)
    reload, stopped = Late(target=warmer.start), []
    reload.start()
    assert beginning.wait(10)
    stop = Late(target=lambda: stopped.append(warmer.close()))
    stop.start()
    stop.join(0.1)
    assert not stopped
    may.set()
    stop.join(10)
    reload.join(10)
    assert stopped == [None]
    warmer.start()
    assert warmer._thread is not None and not warmer._thread.is_alive()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no SIGHUP here")
def test_a_server_warms_at_the_start_and_after_each_reload(
    start_server: Callable[..., Any], run_folder: Path, tmp_path: Path
) -> None:
    path = tmp_path / "queries"
    path.write_text("tent\nstove\n")
    server = start_server(run_folder, f"port=0, warm_file={str(path)!r}")
    for times in (1, 2):
        until = time.monotonic() + 20
        while server.log.read_text().count("2 answers are made before anyone asks") < times:
            assert time.monotonic() < until, server.log.read_text()
            time.sleep(0.02)
        os.kill(server.process.pid, signal.SIGHUP)
    assert server.stop() == 0
