"""Several who forget at once, by threads or processes, wait for each other and undo nothing."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import ServeError
from retailor.live.people import forgetting
from retailor.live.people.forgetting import LOCK, forget_in, one_at_a_time, receipts_of
from retailor.live.standing import refreshes_of
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop
from retailor.shop.gone import Note
from retailor.shop.tables import Shop, open_shop
from retailor.testing.serving import TOY_TASKS, toy_run

HOLD = """
import fcntl, os, sys, time
held = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.flock(held, fcntl.LOCK_EX)
print("held", flush=True)
time.sleep(600)
"""


@pytest.fixture
def shop() -> Shop:
    return demo_shop(30)


def test_all_are_forgotten_who_were_at_once(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = toy_run(tmp_path / "run", shop)
    edited: Callable[..., bool] = forgetting._edited
    at_work: list[Any] = []
    most: list[int] = []

    def slowly(*given: Any) -> bool:
        at_work.append(given)
        most.append(len(at_work))
        time.sleep(0.02)
        done = edited(*given)
        at_work.pop()
        return done

    monkeypatch.setattr(forgetting, "_edited", slowly)
    people = sorted(set(shop.events["user_id"]))[:4]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda who: forget_in(run, [who], TOY_TASKS), people))
    note = Note.read(run)
    assert all(note.hash_of(who) in note.people for who in people) and len(receipts_of(run)) == 4
    assert not set(people) & set(open_shop(run / "stages" / "clean").events["user_id"])
    state = json.loads((run / "stages" / "fit-recommend" / "state.json").read_text())
    assert not set(people) & set(state["seen"]) and max(most) == 1


def test_a_server_waits_for_another_process_and_not_for_ever(shop: Shop, tmp_path: Path) -> None:
    run = toy_run(tmp_path / "run", shop)
    people = sorted(set(shop.events["user_id"]))
    refreshes_of(run).mkdir()
    command = [sys.executable, "-c", HOLD, str(refreshes_of(run) / LOCK)]
    with (
        closing(Service.load(run, TOY_TASKS, ServeSettings(timeout_s=0.3))) as service,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder,
    ):
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "held\n"
            with pytest.raises(ServeError, match="somebody else is being forgotten") as told:
                service.forget(people[0])
            assert told.value.status == 503 and told.value.retry_after_s
            assert service.customer(people[0])
        finally:
            holder.kill()
        holder.wait()
        assert service.forget(people[0]).n_rows["events"] > 0, "a holder that was killed holds nothing"
        with pytest.raises(ServeError, match="no customer"):
            service.customer(people[0])


def test_who_holds_it_may_hold_it_twice(tmp_path: Path) -> None:
    run = tmp_path / "run"
    with one_at_a_time(run), one_at_a_time(run, wait_s=0.1), ThreadPoolExecutor(1) as pool:
        other = pool.submit(one_at_a_time(run, wait_s=0.1).__enter__)
        with pytest.raises(ServeError):
            other.result()
    with one_at_a_time(tmp_path / "run", wait_s=0.1):
        pass
