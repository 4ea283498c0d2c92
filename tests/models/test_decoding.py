"""Prompts continued at once: beginnings read once, rows that join and leave, each with its own text."""

from __future__ import annotations

import threading
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.errors import ModelError
from retailor.models.runtimes import runtime
from retailor.models.runtimes.decoding import Decoder, Job
from retailor.models.runtimes.prefixes import Prefixes, in_common
from retailor.testing.models import tiny_decoder

IDS = st.lists(st.integers(0, 2), min_size=1, max_size=6)
HEAD = [5 + i % 9 for i in range(40)]
ROWS = [[*HEAD, 7], [*HEAD, 9, 11, 6], [*HEAD[:30], 12, 12], [6, 5, 8]]
END = -1  # no id: texts are as long as asked


@given(st.lists(IDS, min_size=1, max_size=4))
def test_what_rows_begin_with_leaves_each_an_id(rows: list[list[int]]) -> None:
    n = in_common(rows)
    assert all(row[:n] == rows[0][:n] and len(row) > n for row in rows)
    assert len({tuple(row[: n + 1]) for row in rows}) > 1 or n + 1 == min(map(len, rows))


def states(n: int, value: float = 0.0) -> dict[str, Any]:
    made = np.full((1, 2, n, 4), value, np.float32)
    made[0, 0, :, 0] = np.arange(n)
    return {"past": made}


def test_the_longest_beginning_is_found_and_cut() -> None:
    kept = Prefixes()
    assert kept.longest([1, 2]) == (0, {})
    kept.keep([1, 2, 3, 4], states(4))
    kept.keep([1, 2, 9], states(3, 5.0))
    n, found = kept.longest([1, 2, 3, 7])
    assert n == 3 and found["past"].shape == (1, 2, 3, 4) and found["past"][0, 1, 0, 0] == 0
    assert kept.longest([1, 2, 9, 9, 9])[1]["past"][0, 1, 0, 0] == 5
    assert kept.longest([2, 1])[0] == 0
    kept.keep([1, 2, 3, 4, 5], states(5))  # has the first one's
    assert len(kept) == 2 and kept.longest([1, 2, 3, 4, 5, 6])[0] == 5


def test_the_one_used_longest_ago_goes_first() -> None:
    kept = Prefixes(most_bytes=2 * states(10)["past"].nbytes)
    for first in (1, 2):
        kept.keep([first] * 10, states(10))
    kept.longest([1, 1])
    kept.keep([3] * 10, states(10))
    assert kept.longest([1] * 9)[0] == 9 and kept.longest([2] * 9)[0] == 0 and len(kept) == 2
    kept.keep([4] * 30, states(30))  # alone too much
    assert len(kept) == 2 and kept.size_bytes <= kept.most_bytes


needs_openvino = pytest.mark.skipif(find_spec("openvino") is None, reason="without OpenVINO")


@pytest.fixture(scope="module", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RETAILOR_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@cache
def graph() -> Path:
    return runtime._graph_of(tiny_decoder().network, "32")


@cache
def alone(place: int, max_tokens: int) -> list[int]:
    return Decoder(graph(), "32", least=99).continued(Job([ROWS[place]], max_tokens, [END], 0))[0]


@needs_openvino
def test_rows_that_begin_alike_are_read_once_and_say_what_they_say_alone() -> None:
    decoder = Decoder(graph(), "32")
    assert decoder.continued(Job(ROWS[:2], 12, [END], 0)) == [alone(0, 12), alone(1, 12)]
    assert decoder.n_read == 40 + 2 * 3
    # known from before: thirty ids of the head, and all of it
    assert decoder.continued(Job([ROWS[2]], 12, [END], 0)) == [alone(2, 12)]
    assert decoder.n_read == 46 + 2
    assert decoder.continued(Job(ROWS[1::-1], 12, [END], 0)) == [alone(1, 12), alone(0, 12)]
    assert decoder.n_read == 48 + 2 * 3
    assert decoder.continued(Job(ROWS, 12, [END], 0)) == [alone(i, 12) for i in range(4)]


@needs_openvino
def test_a_row_leaves_at_its_end_mark_and_the_others_go_on() -> None:
    end = alone(0, 12)[3]
    wanted = [row[: row.index(end)] if end in row else row for row in (alone(i, 12) for i in range(4))]
    assert any(len(row) < 12 for row in wanted)
    assert Decoder(graph(), "32").continued(Job(ROWS, 12, [end], 0)) == wanted


class Meets:
    """A logits processor that changes nothing; at its third step it does something else."""

    def __init__(self, then: Any) -> None:
        self.n, self.then = 0, then

    def __call__(self, ids: Any, scores: Any) -> Any:
        self.n += 1
        if self.n == 3:
            self.then()
        return scores


@needs_openvino
def test_a_call_joins_others_in_flight_and_leaves_before_them() -> None:
    decoder, ended = Decoder(graph(), "32"), []
    found: dict[int, Any] = {}

    def call(place: int, max_tokens: int, processors: Any = ()) -> None:
        found[place] = decoder.continued(Job([ROWS[place]], max_tokens, [END], 0, processors))
        ended.append(place)

    others = [threading.Thread(target=call, args=(place, 5)) for place in (1, 3)]

    def come() -> None:
        for other in others:
            other.start()
        while len(decoder._waiting) < 2:
            threading.Event().wait(0.005)

    def wait() -> None:
        while len(ended) < 2:  # they are done while the first still flies
            threading.Event().wait(0.005)

    first = Meets(come)
    last = Meets(wait)
    last.n = -20
    call(0, 40, [first, last])
    assert found == {0: [alone(0, 40)], 1: [alone(1, 5)], 3: [alone(3, 5)]} and ended[2] == 0
    assert decoder.n_steps == 39  # none for the others alone


@needs_openvino
def test_threads_that_call_at_once_have_their_own_texts() -> None:
    decoder, found = Decoder(graph(), "32"), {}
    start = threading.Barrier(8)

    def call(i: int) -> None:
        start.wait()
        found[i] = decoder.continued(Job([ROWS[i % 4]], 6 + i, [END], 0))[0]

    threads = [threading.Thread(target=call, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == {i: alone(i % 4, 6 + i) for i in range(8)}


@needs_openvino
def test_what_goes_wrong_with_one_call_is_its_own() -> None:
    decoder = Decoder(graph(), "32")
    said: list[BaseException] = []

    def fail() -> None:
        raise ValueError("no such word")

    def call() -> None:
        with pytest.raises(ValueError, match="no such word") as error:
            decoder.continued(Job([ROWS[1]], 20, [END], 0, [Meets(fail)]))
        said.append(error.value)

    other = threading.Thread(target=call)

    def come() -> None:
        other.start()
        while not decoder._waiting:
            threading.Event().wait(0.005)

    assert decoder.continued(Job([ROWS[0]], 20, [END], 0, [Meets(come)])) == [alone(0, 20)]
    other.join(60)
    assert said
    assert decoder.continued(Job([ROWS[3]], 5, [END], 0)) == [alone(3, 5)]
    assert decoder.continued(Job([], 5, [END], 0)) == []


def flown(decoder: Decoder, first: Job, *others: Job) -> list[Any]:
    """What each call gave or raised: the others come while the first, which has a `Meets`, is continued."""
    found: list[Any] = [None] * (1 + len(others))

    def call(i: int, job: Job) -> None:
        try:
            found[i] = decoder.continued(job)
        except BaseException as error:
            found[i] = error

    threads = [threading.Thread(target=call, args=(i + 1, job)) for i, job in enumerate(others)]

    def come() -> None:
        for n, thread in enumerate(threads):
            thread.start()
            while thread.is_alive() and len(decoder._waiting) <= n:
                threading.Event().wait(0.005)

    first.processors = [Meets(come), *first.processors]
    call(0, first)
    for thread in threads:
        thread.join(60)
        assert not thread.is_alive()
    return found


@needs_openvino
def test_a_prompt_that_cannot_be_read_is_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(graph(), "32")
    read = decoder._infer_new

    def infer(ids: Any, *given: Any) -> Any:
        if (ids == 14).any():
            raise MemoryError("as many as those")
        return read(ids, *given)

    monkeypatch.setattr(decoder, "_infer_new", infer)
    bad, good = Job([[6, 14]], 9, [END], 0), Job([ROWS[1]], 9, [END], 0)
    found = flown(decoder, Job([ROWS[0]], 20, [END], 0), bad, good)
    assert (found[0], found[2]) == ([alone(0, 20)], [alone(1, 9)]) and isinstance(found[1], MemoryError)


@needs_openvino
def test_who_leads_may_be_interrupted() -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    decoder = Decoder(graph(), "32")
    last = Meets(stop)
    last.n = -6  # at its ninth step
    wide = Job([ROWS[3]] * 32, 9, [END], 0)  # no room for them meanwhile
    found = flown(decoder, Job([ROWS[0]], 20, [END], 0, [last]), Job([ROWS[1]], 30, [END], 0), wide)
    assert isinstance(found[0], KeyboardInterrupt)
    assert isinstance(found[1], ModelError) and "ask again" in str(found[1])
    assert found[2] == [alone(3, 9)] * 32
    assert decoder.continued(Job([ROWS[1]], 5, [END], 0)) == [alone(1, 5)]


@needs_openvino
def test_who_waits_may_be_interrupted_and_costs_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    decoder = Decoder(graph(), "32")
    wait = decoder._changed.wait

    def waited(timeout: float | None = None) -> bool:
        monkeypatch.setattr(decoder._changed, "wait", wait)
        raise KeyboardInterrupt

    monkeypatch.setattr(decoder._changed, "wait", waited)
    found = flown(decoder, Job([ROWS[0]], 20, [END], 0), Job([ROWS[1]], 40, [END], 0))
    assert found[0] == [alone(0, 20)] and isinstance(found[1], KeyboardInterrupt)
    assert decoder._flight is None and not decoder._waiting


CALLS = st.lists(
    st.tuples(st.lists(st.integers(0, 3), min_size=1, max_size=3), st.integers(1, 12), st.integers(0, 20)),
    min_size=2,
    max_size=50,
)


@needs_openvino
@settings(max_examples=8)
@given(CALLS)
def test_any_calls_at_once_give_what_each_gives_alone(calls: list[tuple[list[int], int, int]]) -> None:
    decoder, start, found = Decoder(graph(), "32"), threading.Barrier(len(calls)), [None] * len(calls)

    def call(i: int) -> None:
        places, n, later_ms = calls[i]
        start.wait()
        threading.Event().wait(later_ms / 1000)
        found[i] = decoder.continued(Job([ROWS[place] for place in places], n, [END], 0))  # type: ignore[call-overload]

    threads = [threading.Thread(target=call, args=(i,)) for i in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert found == [[alone(place, 12)[:n] for place in places] for places, n, _ in calls]
    assert decoder._flight is None and not decoder._waiting
