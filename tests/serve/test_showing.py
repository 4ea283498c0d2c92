"""What a server shows is noted with its propensities, forgotten and exported, and ordered by a bandit."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from retailor.errors import ConfigError, ServeError
from retailor.live.bandits.shown import Shown, shown_of
from retailor.live.people.export import export_of
from retailor.live.shapes import Line
from retailor.serve.app import make_app
from retailor.serve.events.unwritten import Unwritten
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.testing.serving import TOY_TASKS

NOTED = {"tasks": ["recommend", "search"]}
BANDIT = {"explore": 0.6, "learn_s": 0.05, "pool": 20, "floor": 0.2}


@contextmanager
def served(run: Path, place: Path, **more: Any) -> Iterator[tuple[TestClient, Service]]:
    values: dict[str, Any] = {"impressions": NOTED, "absorb_s": 30.0} | more
    settings = ServeSettings(
        hosts=("testserver",), batch_wait_ms=1, events_url=f"sqlite:///{place}/live.db", **values
    )
    with closing(Service.load(run, TOY_TASKS, settings)) as service:
        yield TestClient(make_app(service)), service


def noted(service: Service) -> list[Shown]:
    assert service._living is not None
    service._living._tell()
    return [shown_of(line) for _, line in service.live().log.since() if line.what == "shown"]


def until(done: Callable[[], bool], timeout_s: float = 20) -> None:
    started = time.monotonic()
    while not done():
        assert time.monotonic() - started < timeout_s
        time.sleep(0.02)


def clicked(client: TestClient, reply: dict[str, Any], user_id: str, place: int = 0) -> None:
    event = {
        "event_id": f"{reply['query_id']}-{place}", "kind": "click", "time": datetime.now(UTC).isoformat(),
        "user_id": user_id, "item_id": reply["items"][place]["item_id"], "query_id": reply["query_id"],
        "position": place + 1,
    }  # fmt: skip
    assert client.post("/events", json={"events": [event]}).json()["accepted"] == 1


def test_nothing_is_noted_unless_it_is_asked_for(run_folder: Path, tmp_path: Path) -> None:
    with served(run_folder, tmp_path, impressions={}) as (client, service):
        assert client.post("/recommend", json={"user_id": "u1"}).json()["query_id"] is None
        assert service.live().log.last() == 0


def test_what_was_shown_is_a_line_that_a_click_can_name(run_folder: Path, tmp_path: Path, shop: Shop) -> None:
    known = shop.events["user_id"][0]
    with served(run_folder, tmp_path) as (client, service):
        reply = client.post("/recommend", json={"user_id": known, "k": 3}).json()
        again = client.get("/recommend", params={"user_id": known, "k": 3}).json()
        assert again["cached"] and again["query_id"] != reply["query_id"], "each showing has its own name"
        found = client.post("/search", json={"text": shop.items["title"][0], "k": 2}).json()
        client.post("/recommend", json={"user_id": "a stranger", "k": 2})
        first, _, third, stranger = noted(service)
        assert first.query_id == reply["query_id"] and first.user_id == known and first.by == "task"
        assert list(first.items) == [each["item_id"] for each in reply["items"]]
        assert first.propensities == (1.0, 1.0, 1.0) and first.pool == ()
        assert third.query_id == found["query_id"] and third.task == "search" and third.user_id is None
        assert stranger.user_id == "a stranger"
        clicked(client, reply, known)
        assert [each.query_id for each in noted(service)].count(reply["query_id"]) == 1


def test_tasks_that_show_no_list_answer_as_before(run_folder: Path, tmp_path: Path, shop: Shop) -> None:
    """They ended with a 500 where impressions were on."""
    item_id = shop.items["item_id"][0]
    with served(run_folder, tmp_path, impressions={"tasks": ["recommend", "search"]}) as (client, service):
        for task, body in (
            ("sentiment", {"text": "good"}),
            ("answer", {"question": "Which material?", "item_id": item_id}),
            ("review", {"item_id": item_id, "rating": 5}),
        ):
            got = client.post(f"/{task}", json=body)
            assert got.status_code == 200 and "query_id" not in got.json(), got.text
        assert not noted(service)


def test_a_share_of_the_answers_and_the_first_places_alone(run_folder: Path, tmp_path: Path) -> None:
    with served(run_folder, tmp_path, impressions={**NOTED, "share": 0.5, "most": 2}) as (client, service):
        replies = [client.post("/recommend", json={"user_id": f"u{n}", "k": 5}).json() for n in range(60)]
        found = noted(service)
        assert 12 < len(found) < 48 and all(len(each.items) == 2 for each in found)
        assert sorted(each.query_id for each in found) == sorted(
            each["query_id"] for each in replies if each["query_id"]
        )


def test_conversations_are_not_taken_for_lists_that_were_seen(run_folder: Path, tmp_path: Path) -> None:
    with served(run_folder, tmp_path) as (client, service):
        reply = client.post("/chat", json={"message": "What is popular?"})
        assert reply.status_code == 200 and noted(service) == []


def test_they_are_forgotten_and_exported_with_the_customer(run_folder: Path, tmp_path: Path) -> None:
    with served(run_folder, tmp_path) as (client, service):
        for n in range(6):
            client.post("/recommend", json={"user_id": f"u{n % 2}", "k": 3})
        assert len(noted(service)) == 6
        client.post("/recommend", json={"user_id": "u1", "k": 3})  # not yet written
        told = export_of(["u1"], Shop.of(), service.live().log)["log"]
        assert [each["what"] for each in told] == ["shown"] * 3
        assert service._living is not None
        service._living.forget(["u1"])
        assert [each.user_id for each in noted(service)] == ["u0"] * 3


def test_the_arm_of_an_experiment_is_noted(run_folder: Path, tmp_path: Path) -> None:
    with served(run_folder, tmp_path, experiment={"name": "x"}) as (client, service):
        for n in range(20):
            client.post("/recommend", json={"user_id": f"u{n}", "k": 3})
        client.post("/recommend", json={"k": 3})
        arms = {each.user_id: each.arm for each in noted(service)}
        assert set(arms.values()) == {"control", "treated", None} and arms[None] is None


def test_a_bandit_learns_orders_and_tells_how_probable_it_was(run_folder: Path, tmp_path: Path) -> None:
    with served(run_folder, tmp_path, bandit=BANDIT) as (client, service):
        learner = service._living.showing.learner  # type: ignore[union-attr]
        assert learner is not None
        base = [each["item_id"] for each in client.post("/recommend", json={"k": 20}).json()["items"]]
        for n in range(30):  # before anything is known the list is the recommender's
            reply = client.post("/recommend", json={"user_id": f"u{n}", "k": 5}).json()
            if learner.panel is None:
                assert [each["item_id"] for each in reply["items"]] == base[:5]
            clicked(client, reply, f"u{n}", n % 5)
        until(lambda: learner.panel is not None)
        for n in range(80):
            body = {"user_id": f"v{n}", "k": 5}
            reply = client.post("/recommend", json=body).json()
            assert len(reply["items"]) == 5
            assert {each["item_id"] for each in reply["items"]} <= set(base)
        found = [each for each in noted(service) if str(each.user_id).startswith("v")]
        assert {each.by for each in found} == {"base", "mean", "draw"}
        for each in found:
            assert list(each.pool) == base and each.propensities is not None
            least = {"base": 0.1, "mean": 0.9 * 0.4, "draw": 0.9 * 0.6 / 64}[each.by]
            assert all(least - 1e-6 <= p <= 1 for p in each.propensities)
        assert len({each.items for each in found}) > 5
        similar = {"item_ids": [base[3]], "by": "similar", "k": 3}
        client.post("/recommend", json=similar)
        client.post("/recommend", json={"user_id": "v1", "k": 30})
        *_, last, many = noted(service)
        assert last.by == "task" or last.by in ("base", "mean", "draw")
        assert len(many.items) == 20 and len(many.pool) == 30, "no fewer are asked for than are shown"


def test_who_starts_again_knows_what_was_learned_and_not_who_was_forgotten(
    run_folder: Path, tmp_path: Path
) -> None:
    def learner_of(service: Service) -> Any:
        return service._living.showing.learner  # type: ignore[union-attr]

    with served(run_folder, tmp_path, bandit=BANDIT) as (client, service):
        for n in range(20):
            clicked(
                client, client.post("/recommend", json={"user_id": f"u{n % 4}", "k": 5}).json(), f"u{n % 4}"
            )
        noted(service)
        until(lambda: learner_of(service).state.n_chosen == 20)
        before = learner_of(service).state
    with served(run_folder, tmp_path, bandit=BANDIT) as (client, service):
        until(lambda: learner_of(service).state == before)
        service._living.forget(["u1"])  # type: ignore[union-attr]
        until(lambda: learner_of(service).state.n_answers == 15 and learner_of(service).panel is not None)
        assert learner_of(service).state.n_chosen == 15


def test_a_bandit_without_a_log_of_what_was_shown_is_refused() -> None:
    with pytest.raises(ConfigError, match="learns from what was shown"):
        ServeSettings(bandit={"explore": 0.1})  # type: ignore[arg-type]


def line(n: int, user_id: str = "u") -> Line:
    return Line(f"k{n}", "shown", datetime.now(UTC), user_id)


def test_lines_wait_while_the_log_is_away_and_the_oldest_go_first() -> None:
    waiting, written = Unwritten(3), list[Line]()

    def away(lines: Any) -> None:
        waiting.add(line(9))
        raise ServeError("away", status=503)

    for n in range(4):
        waiting.add(line(n))
    with pytest.raises(ServeError):
        waiting.write(away)
    waiting.write(written.extend)
    assert [each.key for each in written] == ["k2", "k3", "k9"] and waiting.n_lost == 2
    waiting.add(line(1, "gone"))
    waiting.add(line(2))
    waiting.forget(["gone"])
    written.clear()
    waiting.write(written.extend)
    assert [each.key for each in written] == ["k2"]


def test_whoever_is_forgotten_while_lines_are_on_their_way_is_not_written_behind_it() -> None:
    waiting, at_work, go_on = Unwritten(5), threading.Event(), threading.Event()
    waiting.add(Line("k", "shown", datetime(2026, 11, 1, tzinfo=UTC), "u1"))
    done: list[str] = []

    def append(lines: Any) -> None:
        at_work.set()
        assert go_on.wait(10)
        done.append("written")

    def forget() -> None:
        waiting.forget(["u1"])
        done.append("forgotten")

    writing = threading.Thread(target=waiting.write, args=(append,))
    writing.start()
    assert at_work.wait(10)
    forgetting = threading.Thread(target=forget)
    forgetting.start()
    time.sleep(0.05)
    go_on.set()
    writing.join(10)
    forgetting.join(10)
    assert done == ["written", "forgotten"], "so that what is deleted from the log then has it all"
