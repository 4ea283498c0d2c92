"""Many requests, one transaction: each is told its own, none waits for ever, none spoils another."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from retailor.errors import ServeError
from retailor.live.shapes import Line, Taken
from retailor.serve.events.group_commit import GroupCommit

T = TypeVar("T")


def line(key: str) -> Line:
    return Line(key, "event", datetime(2026, 11, 1, tzinfo=UTC))


def in_a_loop(work: Coroutine[Any, Any, T]) -> T:
    """What the work gives, in a thread of its own: a browser's test may have left a loop in this one."""
    with ThreadPoolExecutor(1) as threads:
        return threads.submit(asyncio.run, work).result()


class Panic(BaseException):
    """As libraries in Rust raise it: no Exception."""


class Disk:
    """Remembers its transactions; 'bad' and 'panic' break one, `gate` holds it up."""

    def __init__(self) -> None:
        self.transactions: list[int] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, requests: Sequence[Sequence[Line]]) -> list[Taken]:
        self.gate.wait(10)
        if any(each.key == "bad" for lines in requests for each in lines):
            raise ValueError("words of a customer")
        if any(each.key == "panic" for lines in requests for each in lines):
            raise Panic("words of a customer")
        self.transactions.append(len(requests))
        return [Taken(len(lines), 0) for lines in requests]


@pytest.fixture
def disk() -> Disk:
    return Disk()


@pytest.fixture
def commits(disk: Disk) -> Iterator[GroupCommit]:
    made = GroupCommit(disk, max_waiting=5, timeout_s=0.5)
    yield made
    disk.gate.set()
    made.close(5)


async def together(commits: GroupCommit, requests: Sequence[Sequence[Line]]) -> list[Taken | BaseException]:
    return await asyncio.gather(*map(commits.take, requests), return_exceptions=True)


def test_what_comes_meanwhile_is_written_together_and_each_gets_its_own(
    disk: Disk, commits: GroupCommit
) -> None:
    async def go() -> list[Taken | BaseException]:
        disk.gate.clear()
        first = asyncio.create_task(commits.take([line("a")]))
        await asyncio.sleep(0.05)
        rest = [asyncio.create_task(commits.take([line(f"{n}-{m}") for m in range(n)])) for n in (0, 2, 3)]
        await asyncio.sleep(0)
        disk.gate.set()
        return await asyncio.gather(first, *rest)

    assert in_a_loop(go()) == [Taken(1, 0), Taken(0, 0), Taken(2, 0), Taken(3, 0)]
    assert disk.transactions == [1, 3]


@pytest.mark.parametrize("key", ["bad", "panic"])
def test_one_that_cannot_be_written_spoils_no_other(disk: Disk, commits: GroupCommit, key: str) -> None:
    async def go() -> list[Taken | BaseException]:
        disk.gate.clear()
        waiting = asyncio.create_task(together(commits, [[line("a")], [line(key)], [line("b")]]))
        await asyncio.sleep(0.05)
        disk.gate.set()
        return await waiting

    first, bad, last = in_a_loop(go())
    assert first == last == Taken(1, 0)
    assert isinstance(bad, ServeError) and bad.status == 500 and "customer" not in str(bad)


def test_too_many_are_sent_away_and_nobody_waits_for_ever(disk: Disk, commits: GroupCommit) -> None:
    async def go() -> list[Taken | BaseException]:
        disk.gate.clear()
        first = asyncio.create_task(commits.take([line("a")]))
        await asyncio.sleep(0.05)
        return [
            *await together(commits, [[line(str(n))] for n in range(7)]),
            *await asyncio.gather(first, return_exceptions=True),
        ]

    started = time.monotonic()
    found = in_a_loop(go())
    assert [getattr(each, "status", 0) for each in found] == [504] * 5 + [429] * 2 + [504]
    assert time.monotonic() - started < 5


def test_loops_of_several_threads_are_each_told(commits: GroupCommit) -> None:
    told: list[list[Taken | BaseException]] = []
    threads = [
        threading.Thread(target=lambda n=n: told.append(in_a_loop(together(commits, [[line(f"{n}")]]))))
        for n in range(4)
    ]  # fmt: skip
    for each in threads:
        each.start()
    for each in threads:
        each.join(5)
    assert told == [[Taken(1, 0)]] * 4


def test_what_waits_is_written_before_it_closes_and_nothing_after(disk: Disk, commits: GroupCommit) -> None:
    async def go() -> list[Taken | BaseException]:
        disk.gate.clear()
        waiting = asyncio.create_task(together(commits, [[line("a")], [line("b")]]))
        await asyncio.sleep(0.05)
        threading.Timer(0.05, disk.gate.set).start()
        await asyncio.to_thread(commits.close, 5)
        return [*await waiting, *await together(commits, [[line("c")]])]

    first, second, late = in_a_loop(go())
    assert first == second == Taken(1, 0)
    assert isinstance(late, ServeError) and late.status == 503


def test_a_transaction_gives_way_to_a_question_and_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """While one is answered, events gather; when none is, or it takes long, they are written."""
    monkeypatch.setattr("retailor.serve.events.group_commit.GIVE_WAY_S", 1.0)
    answering = threading.Event()
    answering.set()
    written: list[int] = []

    def write(requests: Sequence[Sequence[Line]]) -> list[Taken]:
        written.append(len(requests))
        return [Taken(len(lines), 0) for lines in requests]

    writer = GroupCommit(write, max_waiting=99, timeout_s=5, is_answering=answering.is_set)

    async def events() -> None:
        first = asyncio.create_task(writer.take([]))
        await asyncio.sleep(0.02)
        assert not written, "a question is being answered"
        rest = [asyncio.create_task(writer.take([])) for _ in range(4)]
        await asyncio.sleep(0)
        answering.clear()
        await asyncio.gather(first, *rest)
        assert written == [5]
        answering.set()
        await asyncio.wait_for(writer.take([]), 4)
        assert written == [5, 1], "a question that takes long holds up no event"

    in_a_loop(events())
    writer.close(1)
