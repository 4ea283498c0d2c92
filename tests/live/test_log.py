"""The log: what is acknowledged is there, once, in order."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import sqlalchemy as sa

from retailor.errors import ConfigError
from retailor.live.events.database import _with_write_ahead
from retailor.live.events.log import Log
from retailor.live.shapes import Line
from retailor.live.shop import LiveShop

NOW = datetime.now(UTC).replace(microsecond=0)


def event(key: str, item_id: str = "P1", *, user_id: str = "u1", after_s: int = 0) -> Line:
    return Line(key, "event", NOW + timedelta(seconds=after_s), user_id, item_id, "view")


def test_entries_come_back_as_they_were(url: str) -> None:
    log = Log.open(url)
    lines = [
        event("a"),
        Line("b", "item", NOW, item_id="P2", body={"title": "灯", "price": 2.5}),
        Line("c", "event", NOW, "u2", "P1", "rate", 4.0, {"query": "tent"}),
    ]
    assert log.append(lines) == [None, None, None]
    log.close()
    again = Log.open(url)
    assert [line for _, line in again.since()] == lines
    assert [number for number, _ in again.since()] == [1, 2, 3]
    assert [line.key for _, line in again.since(2)] == ["c"]


def test_a_key_is_written_once(url: str) -> None:
    log = Log.open(url)
    log.append([event("a")])
    assert log.append([event("a"), event("b"), event("b")]) == [event("a"), None, event("b")]
    assert [line.key for _, line in log.since()] == ["a", "b"]


def test_the_same_id_with_another_event_is_refused(url: str) -> None:
    shop = LiveShop.open(url)
    first, second = shop.take([[event("a")], [event("a"), event("b"), event("a", "P9")]])
    assert (first.n_accepted, first.n_repeated, first.refused) == (1, 0, ())
    assert (second.n_accepted, second.n_repeated) == (1, 1)
    assert [each.place for each in second.refused] == [2]
    assert shop.recent.items_of("u1") == ("P1", "P1")


def test_what_another_process_wrote_is_known(url: str) -> None:
    one, other = LiveShop.open(url), LiveShop.open(url)
    one.take([[event("a")]])
    one.remove_item("P5")
    other.catch_up()
    assert other.recent.items_of("u1") == ("P1",)
    assert tuple(other.recent.not_to_show()) == ("P5",)
    assert LiveShop.open(url).recent.items_of("u1") == ("P1",)


def test_items_are_in_the_order_of_their_times(url: str) -> None:
    shop = LiveShop.open(url)
    shop.take([[event("a", "P1", after_s=10), event("b", "P2", after_s=5), event("c", "P3", after_s=7)]])
    assert shop.recent.items_of("u1") == ("P2", "P3", "P1")


def test_what_was_rated_low_is_had_too(url: str) -> None:
    """As in a fit; left out, it would be recommended to who has just blamed it."""
    shop = LiveShop.open(url)
    shop.take([[Line(str(n), "event", NOW, "u1", f"P{n}", "rate", float(n)) for n in (1, 5)]])
    assert shop.recent.items_of("u1") == ("P1", "P5")


def test_stock_comes_and_goes(url: str) -> None:
    shop = LiveShop.open(url)
    shop.set_stock({"P1": 0, "P2": 3})
    assert tuple(shop.recent.not_to_show()) == ("P1",)
    shop.set_stock({"P1": 1})
    shop.put_item("P9", {"title": "New"})
    shop.remove_item("P9")
    assert tuple(shop.recent.not_to_show()) == ("P9",)
    shop.put_item("P9", {"title": "New"})
    assert tuple(shop.recent.not_to_show()) == ()
    known, gone, _ = shop.recent.shop()
    assert known.items.select("item_id", "title").rows() == [("P9", "New")]
    assert not gone


def test_what_was_taken_out_long_ago_stays_out(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = LiveShop.open(url)
    first.remove_item("P5")
    first.set_stock({"P6": 0})
    first.put_item("NEW", {"title": "A lamp"})
    first.take([[event("a")]])
    monkeypatch.setattr("retailor.live.shop.EVENTS_OF", -timedelta(days=1))  # all came in too long ago
    again = LiveShop.open(url)
    assert tuple(again.recent.not_to_show()) == ("P5", "P6")
    assert again.recent.shop()[0].items["item_id"].to_list() == ["NEW"]
    assert again.recent.items_of("u1") == ()


def test_many_writers_at_once(url: str) -> None:
    shop = LiveShop.open(url)

    def write(who: int) -> None:
        for n in range(10):
            shop.take([[event(f"{who}-{n}", f"P{n}", user_id=f"u{who}")]])

    threads = [threading.Thread(target=write, args=(who,)) for who in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(list(shop.log.since())) == 40
    assert all(len(shop.recent.items_of(f"u{who}")) == 10 for who in range(4))


@pytest.mark.parametrize("url", ["nonsense", "mysql://host/db", "sqlite:////no/such/folder/x.db"])
def test_a_url_that_is_no_use(url: str) -> None:
    with pytest.raises(ConfigError, match="events"):
        Log.open(url)


def test_an_error_does_not_tell_the_password() -> None:
    with pytest.raises(ConfigError) as told:
        Log.open("oracle://me:hunter2@host/db")
    assert "hunter2" not in str(told.value)


WRITER = """
import sys
from datetime import UTC, datetime
from retailor.live.events.database import _with_write_ahead
from retailor.live.events.log import Log
from retailor.live.shapes import Line
log, start = Log.open(sys.argv[1]), int(sys.argv[2])
for n in range(start, start + 100_000):
    log.append([Line(str(n), "event", datetime.now(UTC), "u", "P", "view")])
    print(n, flush=True)
"""


def killed(url: str, start: int, after: int) -> int:
    """The last number that a writer acknowledged before it was killed, some way behind `after` of them."""
    command = [sys.executable, "-c", WRITER, url, str(start)]
    told = start - 1
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            told = int(line)
            if told == start + after:
                os.kill(process.pid, signal.SIGKILL)
    return told


@pytest.mark.parametrize("n_kills", [2, pytest.param(50, marks=pytest.mark.slow)])
def test_nothing_acknowledged_is_lost_by_a_kill(url: str, n_kills: int) -> None:
    start = 0
    for kill in range(n_kills):
        told = killed(url, start, 3 + 7 * kill)
        there = {line.key for _, line in Log.open(url).since()}
        assert {str(n) for n in range(told + 1)} <= there
        start = max(map(int, there)) + 1


def test_an_index_of_today_is_made_once_by_those_who_open_a_log_of_before(url: str) -> None:
    log, start = Log.open(url), threading.Barrier(8)
    for _ in range(5):
        with log._engine.begin() as connection:
            connection.execute(sa.text("DROP INDEX retailor_log_forgot"))

        def open_it(number: int) -> int:
            start.wait()
            return Log.open(url).last()

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(open_it, range(8))) == [0] * 8
    with log._engine.connect() as connection:
        found = sa.inspect(connection).get_indexes("retailor_log")
    assert "retailor_log_forgot" in {each["name"] for each in found}


class _Busy:
    """A cursor of a file that another process turns to write-ahead logging; SQLite does not wait."""

    def __init__(self, *codes: int) -> None:
        self.codes = list(codes)

    def execute(self, statement: str) -> None:
        if self.codes:
            error = sqlite3.OperationalError("no")
            error.sqlite_errorcode = self.codes.pop(0)
            raise error


def test_a_new_log_is_opened_by_one_while_another_makes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = _Busy(sqlite3.SQLITE_BUSY, 517)  # 517: SQLITE_BUSY_SNAPSHOT
    _with_write_ahead(busy)
    assert not busy.codes
    with pytest.raises(sqlite3.OperationalError):
        _with_write_ahead(_Busy(sqlite3.SQLITE_CANTOPEN))
    monkeypatch.setattr("retailor.live.events.database.BUSY_S", 0)
    with pytest.raises(sqlite3.OperationalError):
        _with_write_ahead(_Busy(*[sqlite3.SQLITE_BUSY] * 9))
    with pytest.raises(ConfigError, match="cannot be opened"):
        Log.open(f"sqlite:///{tmp_path}/no/such/folder.db")
