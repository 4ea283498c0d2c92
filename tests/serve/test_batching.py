"""Batches fill under load, nobody fails for another, and every wait ends."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from retailor.errors import DataError, ServeError
from retailor.serve.batching import Batcher


class Panic(BaseException):
    """As libraries in Rust raise it: no Exception."""


class Doubler:
    """Doubles numbers; remembers its batches; 13 breaks it, 17 has it panic and -1 is bad data."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.seconds = seconds
        self.batches: list[list[int]] = []
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, queries: Sequence[int]) -> list[int]:
        self.gate.wait(10)
        self.batches.append(list(queries))
        time.sleep(self.seconds)
        if 13 in queries:
            raise ValueError("secret words of a customer")
        if 17 in queries:
            raise Panic("secret words of a customer")
        if -1 in queries:
            raise DataError("-1 cannot be doubled.")
        return [2 * query for query in queries]


def ask_all(batcher: Batcher[int, int], numbers: Sequence[int]) -> list[int | Exception]:
    def one(number: int) -> int | Exception:
        try:
            return batcher.ask(number, str(number))
        except Exception as error:
            return error

    with ThreadPoolExecutor(len(numbers)) as pool:
        return list(pool.map(one, numbers))


def test_each_gets_its_own_answer_and_batches_fill() -> None:
    double = Doubler(0.02)
    batcher = Batcher("double", double, max_batch=16, wait_s=0.01)
    assert ask_all(batcher, range(100, 200)) == [2 * n for n in range(100, 200)]
    assert max(map(len, double.batches)) > 4
    assert all(len(batch) <= 16 for batch in double.batches)
    assert sum(size * n for size, n in batcher.tally.batch_sizes.items()) == 100
    batcher.close()


def test_a_poisoned_request_spoils_only_itself(caplog: pytest.LogCaptureFixture) -> None:
    batcher = Batcher("double", Doubler(), max_batch=50, wait_s=0.2)
    with caplog.at_level(logging.ERROR):
        answers = ask_all(batcher, [1, 13, 2, -1, 3])
    assert [answers[i] for i in (0, 2, 4)] == [2, 4, 6]
    assert isinstance(answers[1], ServeError) and answers[1].status == 500
    assert isinstance(answers[3], DataError)
    assert batcher.tally.n_failed == 2
    assert "ValueError" in caplog.text and "secret" not in caplog.text + str(answers[1])
    batcher.close()


def test_a_panic_spoils_only_its_request(caplog: pytest.LogCaptureFixture) -> None:
    batcher = Batcher("double", Doubler(), max_batch=50, wait_s=0.2, timeout_s=5)
    answers = ask_all(batcher, [1, 17, 2])
    assert (answers[0], answers[2]) == (2, 4)
    assert isinstance(answers[1], ServeError) and answers[1].status == 500
    assert batcher.ask(3, "3") == 6 and "secret" not in caplog.text
    batcher.close()


def test_equal_requests_are_predicted_once() -> None:
    double = Doubler()
    batcher = Batcher("double", double, wait_s=0.2, max_batch=8)
    assert ask_all(batcher, [7] * 8) == [14] * 8
    assert double.batches == [[7]]
    batcher.close()


def test_a_wrong_number_of_answers_is_a_failure_not_a_mix_up() -> None:
    batcher: Batcher[int, int] = Batcher("short", lambda queries: [0] * (len(queries) - 1), wait_s=0.05)
    answers = ask_all(batcher, [1, 2, 3])
    assert all(isinstance(answer, ServeError) and answer.status == 500 for answer in answers)
    batcher.close()


def test_a_full_queue_says_when_to_come_again() -> None:
    double = Doubler()
    double.gate.clear()
    batcher = Batcher("double", double, max_batch=1, wait_s=0, max_queue=3)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(batcher.ask, 0, "0")]
        while len(batcher):
            time.sleep(0.001)
        time.sleep(0.02)
        asked += [pool.submit(batcher.ask, n, str(n)) for n in range(1, 4)]
        while len(batcher) < 3:
            time.sleep(0.001)
        with pytest.raises(ServeError, match=r"busy: 3 requests wait") as error:
            batcher.ask(9, "9")
        double.gate.set()
        assert [future.result() for future in asked] == [0, 2, 4, 6]
    assert error.value.status == 429 and (error.value.retry_after_s or 0) >= 1
    assert batcher.tally.n_rejected == 1
    batcher.close()


def test_a_wait_ends_and_nobody_predicts_for_who_has_left() -> None:
    double = Doubler()
    double.gate.clear()
    # Long enough for three threads to begin on a busy machine: a late one would be told to come again.
    batcher = Batcher("double", double, max_batch=1, wait_s=0, timeout_s=1.5, query_s=0.001)
    answers = ask_all(batcher, [1, 2, 3])
    assert all(isinstance(answer, ServeError) and answer.status == 504 for answer in answers)
    double.gate.set()
    time.sleep(0.05)
    assert sum(map(len, double.batches)) == 1
    assert batcher.ask(5, "5") == 10 and batcher.tally.n_late == 3
    batcher.close()


def test_close_answers_who_waits_and_takes_nobody_new() -> None:
    double = Doubler(0.01)
    batcher = Batcher("double", double, max_batch=2)
    with ThreadPoolExecutor(10) as pool:
        asked = [pool.submit(batcher.ask, n, str(n)) for n in range(10)]
        while not double.batches:
            time.sleep(0.001)
        time.sleep(0.005)
        batcher.close()
        results = [future.exception() or future.result() for future in asked]
    assert all(
        result == 2 * n or (isinstance(result, ServeError) and result.status == 503)
        for n, result in enumerate(results)
    )
    with pytest.raises(ServeError) as error:
        batcher.ask(1, "1")
    assert error.value.status == 503


def test_a_task_that_hangs_does_not_hang_close() -> None:
    double = Doubler()
    double.gate.clear()
    batcher = Batcher("double", double, max_batch=1, timeout_s=0.2)
    with ThreadPoolExecutor(3) as pool:
        asked = [pool.submit(batcher.ask, n, str(n)) for n in range(3)]
        time.sleep(0.02)
        batcher.close(timeout_s=0.05)
        statuses = {getattr(future.exception(), "status", None) for future in asked}
    double.gate.set()
    assert statuses <= {503, 504}


def test_who_cannot_be_answered_in_time_is_told_at_once() -> None:
    """Twelve at once, of which four can be done in time: the others need not wait to hear it."""
    double = Doubler(0.2)
    batcher = Batcher("double", double, max_batch=1, wait_s=0.0, timeout_s=0.9, query_s=0.2)
    began = time.monotonic()
    found = ask_all(batcher, range(100, 112))
    refused = [each for each in found if isinstance(each, ServeError)]
    assert all(error.status == 429 and (error.retry_after_s or 0) >= 1 for error in refused)
    assert len(refused) >= 7 and time.monotonic() - began < 3
    assert sum(isinstance(each, int) for each in found) >= 2
    batcher.close()


def test_a_run_that_drags_on_tells_how_long_the_next_will_wait() -> None:
    double = Doubler()
    double.gate.clear()
    batcher = Batcher("double", double, max_batch=1, timeout_s=5.0, query_s=0.001)
    first = threading.Thread(target=batcher.ask, args=(100, "100"))
    first.start()
    time.sleep(0.1)
    batcher._running = (time.monotonic() - 10, 1)  # as if it had been at work for ten seconds
    with pytest.raises(ServeError, match="is busy") as told:
        batcher.ask(101, "101")
    assert told.value.status == 429
    double.gate.set()
    first.join()
    assert batcher.ask(102, "102") == 204
    batcher.close()


def test_equal_ones_that_are_on_their_way_are_predicted_once() -> None:
    double = Doubler()
    double.gate.clear()
    batcher = Batcher("double", double, max_batch=1, wait_s=0, max_queue=1, timeout_s=5)
    with ThreadPoolExecutor(20) as pool:
        first = pool.submit(batcher.ask, 7, "seven")
        while batcher._running is None:
            time.sleep(0.001)
        others = [pool.submit(batcher.ask, 7, "seven") for _ in range(10)]  # more than the queue would hold
        while batcher.tally.n_joined < 10:
            time.sleep(0.001)
        double.gate.set()
        assert [each.result() for each in (first, *others)] == [14] * 11
    assert double.batches == [[7]]
    assert batcher.ask(7, "seven") == 14 and double.batches == [[7], [7]]  # what is answered is not kept
    batcher.close()


def test_who_gives_up_takes_nobody_along() -> None:
    double = Doubler()
    double.gate.clear()
    batcher = Batcher("double", double, max_batch=1, wait_s=0, timeout_s=0.3)
    with ThreadPoolExecutor(4) as pool:
        blocked = pool.submit(batcher.ask, 1, "one")
        while batcher._running is None:
            time.sleep(0.001)
        first = pool.submit(batcher.ask, 2, "two")
        time.sleep(0.2)
        second = pool.submit(batcher.ask, 2, "two")
        for each in (blocked, first):
            with pytest.raises(ServeError, match="took longer"):
                each.result()
        double.gate.set()
        assert second.result() == 4
    assert double.batches == [[1], [2]]
    batcher.close()


def test_all_who_wait_for_a_broken_one_are_told_and_the_next_is_tried() -> None:
    double = Doubler(0.05)
    batcher = Batcher("double", double, wait_s=0.02)
    with ThreadPoolExecutor(5) as pool:
        asked = [pool.submit(batcher.ask, -1, "bad") for _ in range(5)]
        for each in asked:
            with pytest.raises(DataError, match="cannot be doubled"):
                each.result()
    assert not batcher._flying
    batcher.close()
