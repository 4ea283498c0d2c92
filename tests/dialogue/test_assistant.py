"""A model in the planner's place: the same tools, and no words that these did not find."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from retailor.dialogue.assistant import MAX_CALLS, MAX_ROUNDS, Assistant, _after
from retailor.dialogue.chat import talker
from retailor.dialogue.faithful import refusal
from retailor.dialogue.planner import respond
from retailor.dialogue.shapes import Call, Result, State
from retailor.dialogue.tools import TOOLS
from retailor.models.endpoints.endpoint import Endpoint, RemoteSettings
from retailor.serve.service import Service
from retailor.testing.openai_server import OpenAIServer, Scripted

pytest.importorskip("openai")


def calls(*wanted: tuple[str, Any]) -> Scripted:
    """The endpoint asks for tools."""
    tools = [
        {"id": f"c{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(wanted)
    ]
    return Scripted(
        body={"choices": [{"message": {"role": "assistant", "content": None, "tool_calls": tools}}]}
    )


def says(text: str) -> Scripted:
    return Scripted(body={"choices": [{"message": {"role": "assistant", "content": text}}]})


@pytest.fixture
def ask(door: Service) -> Callable[..., Any]:
    def asked(said: str, script: Sequence[Scripted], state: State | None = None) -> Any:
        with OpenAIServer(script=script) as server:
            settings = RemoteSettings(base_url=server.url, model="toy", retries=0)
            with closing(Endpoint(settings)) as endpoint:
                reply = Assistant(endpoint)(said, state or State(), door)
        return reply, server.requests

    return asked


def test_it_uses_tools_and_its_words_are_given(ask: Callable[..., Any]) -> None:
    script = [calls(("search", {"text": "tent"})), says("The Sorrel Ridge Tent XR-200 [T2] costs 80.00 USD.")]
    reply, requests = ask("a cheap tent?", script)
    assert reply.by == "model" and reply.text.startswith("The Sorrel") and reply.items == ("T2",)
    assert reply.tools == ("search",) and set(reply.state.listed) == {"T1", "T2", "T3"}
    assert {each["function"]["name"] for each in requests[0].body["tools"]} == set(TOOLS)
    told = requests[1].body["messages"][-1]
    assert told["role"] == "tool" and told["tool_call_id"] == "c0" and "Sorrel Ridge Tent" in told["content"]


@pytest.mark.parametrize(
    "words",
    [
        "The Sorrel Ridge Tent XR-200 [T2] costs 79.99 USD.",  # a price that no tool found
        "The Sorrel Ridge Tent XR-200 [T2] costs 240.00 USD.",  # another product's price
        "The Sorrel Ridge Tent XR-200 [T2] weighs 3.4 g.",  # the number with another unit
        "The Coleman Sundome [T2] costs 80.00 USD.",  # a name that is in no result
        "Take the XR-300 [T2] for 80.00 USD.",  # a model that is in no result
        "The Sorrel Ridge Tent [T2] is never out of stock.",  # a denial that nobody made
        "The Sorrel Ridge Tent [T2] glows in darkness, repels wolves and cooks splendid breakfasts daily.",
        "",
    ],
)
def test_words_that_no_tool_found_give_way_to_the_planner(
    ask: Callable[..., Any], door: Service, words: str
) -> None:
    reply, _ = ask("a cheap tent?", [calls(("search", {"text": "tent"})), says(words)])
    assert reply.by == "planner" and reply.notes["model"]
    assert replace(reply, notes={}) == respond("a cheap tent?", State(), door)


def test_without_a_tool_nothing_is_said(ask: Callable[..., Any]) -> None:
    reply, _ = ask("a cheap tent?", [says("We have tents.")])
    assert reply.by == "planner" and reply.notes["model"] == "no tool was used"


@pytest.mark.parametrize(
    "wanted",
    [("search", {"text": ""}), ("search", {"words": "tent"}), ("search", {"text": "tent", "k": 10_000}),
     ("item", {"item_id": "nothing"}), ("delete_shop", {}), ("compare", {"item_ids": ["T1"]}), ("item", [1])],
)  # fmt: skip
def test_arguments_that_will_not_do_are_told_and_not_used(ask: Callable[..., Any], wanted: Any) -> None:
    script = [
        calls(wanted),
        calls(("item", {"item_id": "T1"})),
        says("The Hollis Dome Tent [T1] weighs 2.1 kg."),
    ]
    reply, requests = ask("how heavy is the Hollis Dome Tent?", script)
    assert requests[1].body["messages"][-1]["content"].startswith("error: ")
    assert reply.by == "model" and reply.tools == ("item",) and reply.state.focus == "T1"


def test_rounds_and_tools_are_bounded(ask: Callable[..., Any]) -> None:
    many = calls(*[("search", {"text": "tent"})] * 5)
    reply, requests = ask("a tent?", [many] * 20)
    assert len(requests) == MAX_ROUNDS and reply.by == "planner"
    n_refused = sum("no more tools" in str(each) for each in requests[-1].body["messages"])
    assert n_refused == 5 * (MAX_ROUNDS - 1) - MAX_CALLS


@pytest.mark.parametrize(
    "broken",
    [Scripted(500), Scripted(401), Scripted(body="<html>"), Scripted(body={"choices": []}),
     Scripted(body={"choices": [{"message": {"tool_calls": [7]}}]})],
)  # fmt: skip
def test_a_broken_endpoint_leaves_the_planner(ask: Callable[..., Any], broken: Scripted) -> None:
    reply, _ = ask("do you have kettles?", [broken])
    assert reply.by == "planner" and set(reply.items) == {"K1", "K2"}


def test_an_upset_customer_never_reaches_the_model(ask: Callable[..., Any]) -> None:
    reply, requests = ask("This is unacceptable, I want a human!", [])
    assert reply.handover is not None and not requests


def test_the_state_and_earlier_turns_go_along(ask: Callable[..., Any], door: Service) -> None:
    state = respond("how heavy is the Hollis Dome Tent?", State(), door).state
    script = [calls(("answer", {"question": "what colour is it?", "item_id": "T1"})), says("Colour: navy.")]
    reply, requests = ask("and its colour?", script, state)
    sent = requests[0].body["messages"]
    assert "Hollis Dome Tent [T1]" in sent[0]["content"] and [each["role"] for each in sent[1:]] == [
        "user",
        "assistant",
        "user",
    ]
    assert reply.by == "model" and reply.state.focus == "T1"


def test_what_was_compared_was_spoken_of(ask: Callable[..., Any]) -> None:
    script = [
        calls(("compare", {"item_ids": ["T1", "T2"]})),
        says("The Sorrel Ridge Tent XR-200 [T2] costs 80.00 USD."),
    ]
    reply, _ = ask("compare them", script)
    assert reply.by == "model" and reply.state.pair == ("T1", "T2")
    assert [each.item_id for each in reply.state.recent] == ["T1", "T2"] and reply.state.focus == "T2"


def test_a_talker_is_the_planner_unless_a_model_is_named() -> None:
    assert talker() is respond
    assert isinstance(talker("http://127.0.0.1:1/v1#toy"), Assistant)


def test_a_list_may_be_numbered(door: Service) -> None:
    result = TOOLS["search"](door, {"text": "kettle"})
    call = Call("search", {"text": "kettle"}, result)
    text = (
        "Here are two:\n\n1. Quillon Electric Kettle [K1], 35.00 USD\n2. Sorrel Steel Kettle [K2], 55.00 USD"
    )
    assert refusal(text, "kettles", [call]) is None
    assert refusal(text.replace("35.00", "55.00"), "kettles", [call]) is not None


def test_a_wish_that_a_model_recommended_for_is_kept_as_one() -> None:
    found = Result({"items": []}, ("T1", "T2"))
    assert _after(State(), "recommend", {"text": "a gift"}, found).wished
    assert not _after(State(wished=True), "recommend", {"item_id": "T1"}, found).wished
    assert not _after(State(wished=True), "search", {"text": "tents"}, found).wished
    for told, near in (
        ({"is_nearest": True}, True),
        ({"met": False}, True),
        ({"met": True}, False),
        ({}, False),
    ):
        result = Result(told, ("T1",))
        assert _after(State(near=not near), "filter", {"text": "tents"}, result).near is near
