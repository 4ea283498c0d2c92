"""Backup while it is written to, and restore: the log in both databases, and the folder of a run."""

from __future__ import annotations

import json
import shutil
import sqlite3
import subprocess
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from retailor.errors import DataError
from retailor.live.events.log import Log
from retailor.live.events.restored import Restored, restored
from retailor.live.shapes import NUMBER, Line
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop
from retailor.shop.gone import Note
from retailor.store import artifact
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.serving import TOY_TASKS, ToyRecommender, toy_run

Copy = Callable[[str, Path], str]


def lines(first: int, n: int, user_id: str = "u") -> list[Line]:
    now = datetime.now(UTC)
    return [
        Line(f"k{i}", "event", now, f"{user_id}{i % 7}", f"P{i % 5}", "view") for i in range(first, first + n)
    ]


def copied(url: str, folder: Path) -> str:
    """A backup of the log, by what docs/operate.md says, restored at another place: its URL."""
    place = sa.engine.make_url(url)
    if place.get_backend_name() == "sqlite":
        with (
            closing(sqlite3.connect(str(place.database))) as live,
            closing(sqlite3.connect(folder / "copy.db")) as copy,
        ):
            live.backup(copy, pages=20, sleep=0.001)  # what `.backup` of the sqlite3 command does
        return f"sqlite:///{folder / 'copy.db'}"
    host, name = str(place.query["host"]), f"{place.database}_copy"
    common = ["-h", host, "-U", "retailor"]
    subprocess.run(["pg_dump", *common, "-Fc", "-f", folder / "copy", str(place.database)], check=True)
    subprocess.run(["createdb", *common, name], check=True)
    subprocess.run(["pg_restore", *common, "-d", name, "--exit-on-error", folder / "copy"], check=True)
    return url.replace(f"/{place.database}?", f"/{name}?")


def test_a_backup_in_the_middle_of_writing_has_all_that_was_acknowledged(url: str, tmp_path: Path) -> None:
    log, acknowledged, stop = Log.open(url), [0], threading.Event()

    def write() -> None:
        while not stop.is_set():
            log.append(lines(acknowledged[0], 20))
            acknowledged[0] += 20

    log.append(lines(100_000, 3000))
    thread = threading.Thread(target=write)
    thread.start()
    try:
        while acknowledged[0] < 200:
            pass
        before = acknowledged[0]
        copy_url = copied(url, tmp_path)
        after = acknowledged[0]
    finally:
        stop.set()
        thread.join()
    assert after > before, "it went on while the backup was made"
    copy = Log.known(copy_url)
    keys = [line.key for _, line in copy.since()]
    kept = sorted(int(each[1:]) for each in keys if int(each[1:]) < 100_000)
    assert kept == list(range(len(kept))) and len(kept) % 20 == 0, "whole transactions, none missing between"
    assert len(kept) >= before and len(keys) == 3000 + len(kept)
    # It can be written on: what was acknowledged before is known, numbers go on (PostgreSQL leaves some out).
    (number, _), *_ = copy.since(copy.last() - 1)
    assert copy.append(lines(0, 1))[0] is not None
    copy.append(lines(900_000, 1))
    assert copy.last() > number


def test_a_log_older_than_the_run_goes_on_behind_what_the_run_knows(url: str) -> None:
    log = Log.open(url)
    log.append(lines(0, 5))
    assert restored(log, 5, Note()) == Restored(None, 0) and restored(log, 3, Note()) == Restored(None, 0)
    assert restored(log, 50, Note()) == Restored(51, 0)
    assert restored(log, 50, Note()) == Restored(None, 0), "once"
    log.append(lines(5, 1))
    assert log.last() == 51
    log.forget(["u5"])  # the line with the highest number may be gone: numbers are never given twice
    assert restored(log, 51, Note()) == Restored(None, 0)


def test_an_empty_log_goes_on_behind_too(url: str) -> None:
    log = Log.open(url)
    assert restored(log, 0, Note()) == Restored(None, 0)
    assert restored(log, 7, Note()) == Restored(8, 0)
    log.append(lines(0, 1))
    assert log.last() == 8


def test_who_was_forgotten_after_the_backup_does_not_come_back_with_it(url: str) -> None:
    log = Log.open(url)
    log.append([*lines(0, 14), Line("stock", "stock", datetime.now(UTC), item_id="P1", body={"n": 1})])
    note = Note().with_people(["u3", "never here"], datetime.now(UTC) + timedelta(seconds=1))
    assert restored(log, 0, note) == Restored(None, 2)
    assert {line.user_id for _, line in log.since()} == {None, *(f"u{i}" for i in range(7) if i != 3)}
    # Who comes again later is somebody new.
    early = Note().with_people(["u4"], datetime.now(UTC) - timedelta(days=1))
    assert restored(log, 0, early) == Restored(None, 0)


def server(run: Path, url: str) -> Any:
    return closing(Service.load(run, TOY_TASKS, ServeSettings(events_url=url, absorb_s=30)))


def recommended(service: Service, user_id: str) -> list[str]:
    answer = service.ask("recommend", RecommendQuery(user_id=user_id, k=50)).answer
    return [each.item_id for each in answer.items]


def test_a_server_on_a_restored_log_takes_no_new_event_for_an_old_one(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The run was fitted on 40 lines, of which the backup has 10: the next 30 events were taken for known."""
    shop = demo_shop(30)
    run = toy_run(tmp_path / "run", shop)
    shop.save(run / "stages" / "clean", settings={NUMBER: 40})
    url = f"sqlite:///{tmp_path}/old.db"
    log = Log.open(url)
    log.append([Line(f"k{i}", "event", datetime.now(UTC), "u", "P1", "view") for i in range(10)])
    log.close()
    with server(run, url) as service:
        assert "goes on at line 41" in caplog.text
        item = recommended(service, "somebody new")[0]
        service.live().take([[Line("fresh", "event", datetime.now(UTC), "somebody new", item, "view")]])
        assert item not in recommended(service, "somebody new")
    caplog.clear()
    with server(run, url) as service:
        assert item not in recommended(service, "somebody new") and "goes on" not in caplog.text


def test_a_copy_of_a_run_is_the_run_and_a_bad_copy_is_named(tmp_path: Path) -> None:
    run = toy_run(tmp_path / "run", demo_shop(30))
    shutil.copytree(run, tmp_path / "backup")
    with closing(Service.load(run, TOY_TASKS)) as before:
        want = recommended(before, "u"), before.ready()
    shutil.rmtree(run)
    shutil.copytree(tmp_path / "backup", run)
    with closing(Service.load(run, TOY_TASKS)) as after:
        assert (recommended(after, "u"), after.ready()) == want
    state = run / "stages" / "fit-recommend" / "state.json"
    state.write_bytes(state.read_bytes()[:-10])
    with pytest.raises(DataError, match=r"state\.json.*corrupt"):
        Service.load(run, TOY_TASKS)
    state.unlink()
    with pytest.raises(DataError, match=r"state\.json.*missing"):
        Service.load(run, TOY_TASKS)


def test_a_copy_taken_while_stages_are_made_anew_is_whole_or_told(tmp_path: Path) -> None:
    """A stage is renamed into place: a copy has the old one or the new one, or says which file it lacks."""
    shop = demo_shop(30)
    run, stop = toy_run(tmp_path / "run", shop), threading.Event()
    fitted = ToyRecommender().fit(shop)

    def make() -> None:
        while not stop.is_set():
            fitted.save(run / "stages" / "fit-recommend")

    thread = threading.Thread(target=make)
    thread.start()
    outcomes = []
    try:
        for i in range(15):
            try:
                shutil.copytree(run, tmp_path / f"copy{i}")
                artifact.verify(tmp_path / f"copy{i}" / "stages" / "fit-recommend", "recommend")
                outcomes.append("whole")
            except (DataError, OSError, shutil.Error) as error:
                outcomes.append(str(error))
    finally:
        stop.set()
        thread.join()
    assert all(each == "whole" or "fit-recommend" in each for each in outcomes)
    assert "whole" in outcomes and json.loads((run / "run.json").read_text())["name"] == "toy"
