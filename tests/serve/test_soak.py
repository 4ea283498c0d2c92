"""Twice what a server can do, for minutes: it sheds, stays flat, and is itself again at once."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest

SECONDS = float(os.environ.get("RETAILOR_SOAK_S", "600"))
QUERY_S = 0.02
RATE = 2 / QUERY_S
"""Requests a second: twice of what one thread can answer."""


def resident_bytes(pid: int) -> int:
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return int(fields[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="memory is read from /proc")
def test_twice_the_load_is_shed_and_memory_stays_flat(
    start_server: Callable[..., Any], run_folder: Path
) -> None:
    server = start_server(run_folder, "port=0, max_batch=1, max_queue=16, memory_mb=8")
    statuses: Counter[int] = Counter()
    numbers, began, memory = count(), time.monotonic(), []

    def ask(client: httpx.Client, until: float) -> None:
        while (now := time.monotonic()) < until:
            number = next(numbers)
            due = began + number / RATE
            time.sleep(max(0.0, min(due - now, until - now)))
            body = {"text": f"sleep {QUERY_S}{number:08d}"}
            try:
                statuses[client.post(f"{server.url}/sentiment", json=body).status_code] += 1
            except httpx.TransportError:  # an idle connection may be closed just as the client takes it up
                statuses[0] += 1

    with (
        httpx.Client(timeout=60, limits=httpx.Limits(max_connections=200)) as client,
        ThreadPoolExecutor(80) as pool,
    ):
        asked = [pool.submit(ask, client, began + SECONDS) for _ in range(80)]
        while time.monotonic() < began + SECONDS:
            time.sleep(SECONDS / 60)
            memory.append(resident_bytes(server.process.pid))
        for future in asked:
            future.result()
        assert set(statuses) <= {0, 200, 429} and statuses[429] > 0.2 * statuses[200], statuses
        assert statuses[0] <= 0.001 * statuses.total(), statuses
        time.sleep(2)
        replies = [client.post(f"{server.url}/sentiment", json={"text": f"good {i}"}) for i in range(10)]
        assert [reply.status_code for reply in replies] == [200] * 10
    settled = memory[len(memory) // 3 :]
    assert max(settled) <= 1.05 * settled[0], [round(size / 2**20) for size in memory]
    assert server.stop() == 0
