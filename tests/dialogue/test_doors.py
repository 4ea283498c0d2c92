"""The doors of a conversation: /chat as JSON and as events, the command line, MCP."""

from __future__ import annotations

import io
import json
import os
import sys
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from pathlib import Path
from typing import Any

import anyio
import pytest
from fastapi.testclient import TestClient

from retailor.dialogue.http import StateBody
from retailor.dialogue.planner import respond
from retailor.dialogue.shapes import MAX_FILTERS, Mention, State, Turn
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.tasks.search.shapes import Filter
from retailor.testing.serving import toy_run


@pytest.fixture(scope="module")
def client(door: Service) -> Iterator[TestClient]:
    with TestClient(make_app(door, ServeSettings(hosts=("testserver",)))) as made:
        yield made


def test_the_state_travels_with_the_client(client: TestClient) -> None:
    first = client.post("/v1/chat", json={"message": "tents"}).json()
    second = client.post(
        "/v1/chat", json={"message": "how heavy is the second one?", "state": first["state"]}
    ).json()
    assert second["state"]["focus"] == first["items"][1]["item_id"]
    assert [each["tool"] for each in second["tools"]] == ["answer"] and second["sources"]
    assert second["known"] and second["handover"] is None and second["by"] == "planner"


def test_events_come_one_by_one_and_end_with_the_reply(client: TestClient) -> None:
    body = {"message": "do you have kettles?"}
    plain = client.post("/chat", json=body).json()
    streamed = client.post("/chat", json=body, headers={"Accept": "text/event-stream"})
    assert streamed.headers["content-type"].startswith("text/event-stream")
    events = [
        dict(line.split(": ", 1) for line in each.split("\n")) for each in streamed.text.strip().split("\n\n")
    ]
    assert [each["event"] for each in events] == ["tool", *["text"] * 3, "reply"]
    assert json.loads(events[-1]["data"]) == plain
    assert "\n".join(json.loads(each["data"])["line"] for each in events[1:4]) == plain["text"]


def test_a_failure_within_events_is_a_problem(client: TestClient) -> None:
    reply = client.post("/chat", json={"message": "\u0001"}, headers={"Accept": "text/event-stream"})
    assert reply.text.startswith("event: problem") and '"status": 422' in reply.text


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"message": ""},
        {"message": "x" * 501},
        {"message": "hi", "state": {"focus": 1}},
        {"message": "hi", "state": {"listed": ["T1"] * 11}},
        {"message": "hi", "state": {"turns": [{"said": "x" * 301, "reply": ""}]}},
        {"message": "hi", "state": {"turns": [{"said": "x", "reply": ""}] * 7}},
        {"message": "hi", "state": {"filters": [{"field": "os.system", "op": "=", "value": "x"}]}},
        {"message": "hi", "state": {"filters": [{"field": "price", "op": "<=", "value": "abc"}]}},
        {"message": "hi", "state": {"filters": [{"field": "rating", "op": ">=", "value": "good"}]}},
        {
            "message": "hi",
            "state": {"filters": [{"field": "quantity", "op": "=", "value": 3, "unit": "ells"}]},
        },
        {"message": "hi", "state": {"n_unknown": -1}},
        {"message": "hi", "state": {"admin": True}},
        {"message": "hi", "user_id": "u1"},
    ],
)
def test_a_body_out_of_bounds_is_refused(client: TestClient, body: Any) -> None:
    assert client.post("/chat", json=body).status_code == 422


def test_products_that_the_shop_no_longer_has_are_dropped_from_the_state(client: TestClient) -> None:
    state = {"focus": "gone", "listed": ["gone", "T2"], "recent": [{"item_id": "gone"}]}
    reply = client.post("/chat", json={"message": "how heavy is the first one?", "state": state}).json()
    assert reply["state"]["focus"] == "T2"


def test_every_state_that_comes_back_may_be_sent_again(door: Service) -> None:
    state = State()
    for said in [
        "tents under 250 dollars, not sorrel",
        "the first",
        "compare the first two",
        "气死我了",
        "x" * 500,
        "cheaper",
    ]:
        state = respond(said, state, door).state
        body = StateBody.model_validate_json(StateBody.of(state).model_dump_json())
        assert body.state(door) == state


@pytest.mark.parametrize(
    "said",
    [
        "tents but not " + "x" * 400,
        "登山包 不要" + "很" * 300,
        "tents under " + "9" * 400,
        "tents of " + "9" * 400 + " kg",
        "tent, " + "not sorrel, " * 38,
        "tents, " + ", ".join(f"not q{n}" for n in range(55)),
    ],
)
def test_whatever_was_asked_for_the_state_may_be_sent_again(client: TestClient, said: str) -> None:
    first = client.post("/chat", json={"message": said})
    assert first.status_code == 200
    again = client.post("/chat", json={"message": "in red?", "state": first.json()["state"]})
    assert again.status_code == 200


def test_conditions_may_go_on_for_ever(client: TestClient) -> None:
    reply = client.post("/chat", json={"message": "tents"}).json()
    for n in range(25):
        body = {"message": f"not q{n} please", "state": reply["state"]}
        reply = client.post("/chat", json=body).json()
    assert 0 < len(reply["state"]["filters"]) <= MAX_FILTERS


@pytest.mark.parametrize("value", ["NaN", "1e999"])
def test_a_number_that_is_none_is_refused(client: TestClient, value: str) -> None:
    body = {"message": "hi", "state": {"filters": [{"field": "price", "op": "<=", "value": 0.125}]}}
    raw = json.dumps(body).replace("0.125", value)
    reply = client.post("/chat", content=raw, headers={"Content-Type": "application/json"})
    assert reply.status_code == 422


def test_the_command_reads_a_pipe(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from retailor.cli.chat import chat
    from retailor.tasks import registry
    from retailor.testing.serving import TOY_TASKS

    monkeypatch.setitem(registry.TASKS, "recommend", TOY_TASKS["recommend"])
    monkeypatch.setattr(
        sys,
        "stdin",
        io.StringIO("do you have kettles?\n\nhow heavy is the Sorrel Steel Kettle?\nI want a human\n"),
    )
    chat(folder)
    said = capsys.readouterr().out
    assert "[K1]" in said and "1.2 kg" in said and "  | Products: Sorrel Steel Kettle [K2]" in said


SERVER = """
import sys
from pathlib import Path
from retailor.tasks import registry
from retailor.testing.serving import TOY_TASKS
registry.TASKS.update(TOY_TASKS)
from retailor.cli.chat import mcp
mcp(Path(sys.argv[1]))
"""


async def _shop(client: Any) -> tuple[Any, ...]:
    return (
        await client.list_tools(),
        await client.call_tool("search", {"text": "steel kettle"}),
        await client.call_tool("item", {"item_id": "K1"}),
        await client.call_tool("search", {"words": "kettle"}),
        await client.call_tool("buy", {}),
    )


def _check(tools: Any, found: Any, item: Any, wrong: Any, none: Any) -> None:
    assert [each.name for each in tools.tools] == [
        "search", "filter", "item", "answer", "compare", "recommend",
    ]  # fmt: skip
    assert all(each.annotations.read_only_hint for each in tools.tools)
    assert {each["item_id"] for each in json.loads(found.content[0].text)["items"]} == {"K2", "K1"}
    assert json.loads(item.content[0].text)["item"]["title"] == "Quillon Electric Kettle"
    assert wrong.is_error and "'text'" in wrong.content[0].text
    assert none.is_error and "there is no tool 'buy'" in none.content[0].text


def _apart(visit: Callable[[], Awaitable[tuple[Any, ...]]]) -> tuple[Any, ...]:
    """In a thread of its own: a browser of other tests keeps a loop running in the main one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, visit).result()


def test_another_assistant_shops_here_over_mcp(door: Service) -> None:
    mcp = pytest.importorskip("mcp")
    from retailor.dialogue.mcp import make_server

    async def visit() -> tuple[Any, ...]:
        async with mcp.Client(make_server(door)) as client:
            return await _shop(client)

    _check(*_apart(visit))


@pytest.mark.slow
def test_the_command_speaks_mcp_on_its_standard_streams(shop: Shop, tmp_path: Path) -> None:
    mcp = pytest.importorskip("mcp")
    toy_run(tmp_path, shop)

    async def visit() -> tuple[Any, ...]:
        about = mcp.StdioServerParameters(
            command=sys.executable, args=["-c", SERVER, str(tmp_path)], env=dict(os.environ)
        )
        async with mcp.stdio_client(about) as streams, mcp.ClientSession(*streams) as session:
            hello = await session.initialize()
            assert "Texts of reviews" in hello.instructions
            return await _shop(session)

    _check(*_apart(visit))


def test_a_state_comes_back_from_the_client_as_it_went(door: Service) -> None:
    state = State(
        language="zh", focus="T1", listed=("T1", "T2"), pair=("T1", "T3"), recent=(Mention("T2", "tents"),),
        words="a wish", wished=True, near=True, filters=(Filter("price", "<=", 5.0, "USD"),), sort="price",
        question="how heavy is it?", turns=(Turn("hi", "hello"),), n_unknown=1,
    )  # fmt: skip
    told = {each.name for each in fields(State) if getattr(state, each.name) != getattr(State(), each.name)}
    assert told == {each.name for each in fields(State)}
    assert StateBody.of(state).state(door) == state
