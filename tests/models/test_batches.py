"""Batches of an endpoint: half the price, answers in order, and a kill that pays for nothing twice."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retailor.errors import ModelError
from retailor.models.encoding import memo_vectors
from retailor.models.endpoints import batches
from retailor.models.endpoints.remote import RemoteEncoder, RemoteGenerator, RemoteSettings
from retailor.testing.openai_server import OpenAIServer, Scripted

KEY = "sk-very-secret-0123456789"
TEXTS = [f"mug number {i}, 红" for i in range(50)]


@pytest.fixture(autouse=True)
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "batches"


def settings(server: OpenAIServer, **more: Any) -> RemoteSettings:
    about = {
        "base_url": server.url,
        "model": "toy",
        "backoff_s": 0.01,
        "batch_from": 10,
        "batch_poll_s": 0.01,
    }
    return RemoteSettings(**{**about, **more})


def asked(server: OpenAIServer, path: str) -> int:
    return sum(received.path.split("?")[0] == f"/v1/{path}" for received in server.requests)


def test_vectors_of_a_batch_are_those_of_single_requests(cache: Path) -> None:
    with OpenAIServer(key=KEY) as server:
        whole = RemoteEncoder(settings(server), batch_size=4)
        rows = whole.encode(TEXTS)
        assert asked(server, "embeddings") == 0 and asked(server, "batches") == 1
        np.testing.assert_allclose(
            rows, RemoteEncoder(settings(server, batch_from=None)).encode(TEXTS), atol=1e-6
        )
        assert whole.encode(TEXTS[:9]).shape == (9, 16) and asked(server, "batches") == 1
        assert server.batches.files == {}, "the shop's texts are deleted there"
    assert not [path for path in cache.iterdir() if path.is_dir()]


def test_completions_come_in_order_and_the_first_shows_what_the_endpoint_takes() -> None:
    def reply(prompt: str) -> str:
        return prompt.upper()

    with OpenAIServer(reply=reply, routes=("completions",)) as server:
        made = RemoteGenerator(settings(server)).generate(TEXTS, max_tokens=5)
        assert made == [text.upper() for text in TEXTS]
        assert asked(server, "chat/completions") == asked(server, "completions") == 1
        told = next(iter(server.batches.batches.values()))
        assert told["endpoint"] == "/v1/completions" and KEY not in json.dumps(told)


def test_it_costs_half_and_that_is_told_before_and_after() -> None:
    prices = {"price_in": 1000.0, "price_out": 0.0}
    with OpenAIServer() as server:
        encoder = RemoteEncoder(settings(server, **prices), batch_size=4)
        full = RemoteEncoder(settings(server, batch_from=None, **prices), batch_size=4)
        before, dear = encoder.estimate(TEXTS).cost, full.estimate(TEXTS).cost
        assert before is not None and dear is not None and before == pytest.approx(dear / 2)
        encoder.encode(TEXTS)
        full.encode(TEXTS)
        assert encoder.usage.n_tokens == full.usage.n_tokens > 0
        assert encoder.usage.cost == pytest.approx(full.usage.cost / 2)  # type: ignore[operator]
        tight = RemoteEncoder(settings(server, budget_cost=before * 0.9, **prices), batch_size=4)
        n = len(server.requests)
        with pytest.raises(ModelError, match=r"batch of 13 requests may need .* budget_cost"):
            tight.encode(TEXTS)
        assert len(server.requests) == n, "held before anything is sent"
        RemoteEncoder(settings(server, budget_cost=before, **prices), batch_size=4).encode(TEXTS)


def test_lines_that_fail_are_counted_and_asked_again_by_themselves() -> None:
    with OpenAIServer(batch_ends_as="expired", batch_drops=lambda i: i in (1, 5)) as server:
        encoder = RemoteEncoder(settings(server), batch_size=4)
        with pytest.warns(
            UserWarning, match=r"2 of 13 requests of a batch failed .*2 × no answer in the batch"
        ):
            rows = encoder.encode(TEXTS)
        assert asked(server, "embeddings") == 2
        np.testing.assert_allclose(
            rows, RemoteEncoder(settings(server, batch_from=None)).encode(TEXTS), atol=1e-6
        )
    with OpenAIServer(batch_drops=lambda i: i == 3) as server, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = RemoteGenerator(settings(server)).generate(TEXTS, max_tokens=5)
        assert made == [f"echo: {text}" for text in TEXTS]


class Killed(BaseException):
    """As a kill: nothing of ours catches it."""


@pytest.mark.parametrize("at", ["upload", "start_batch", "batch", "content", "delete"])
@pytest.mark.parametrize("after", [False, True])
def test_a_killed_call_goes_on_with_what_it_has_sent(
    monkeypatch: pytest.MonkeyPatch, at: str, after: bool
) -> None:
    from retailor.models.endpoints.endpoint import Endpoint

    real = getattr(Endpoint, at)

    def killed(*given: Any) -> Any:
        if after:
            real(*given)
        raise Killed

    with OpenAIServer() as server:
        monkeypatch.setattr(Endpoint, at, killed)
        with pytest.raises(Killed):
            RemoteEncoder(settings(server), batch_size=4).encode(TEXTS)
        monkeypatch.setattr(Endpoint, at, real)
        encoder = RemoteEncoder(settings(server), batch_size=4)
        rows = encoder.encode(TEXTS)
        # Killed while it cleared up, after all was there: only then is it asked for again.
        assert len(server.batches.batches) == (2 if at == "delete" else 1)
        assert server.batches.files == {} or (at, after) == ("upload", True)
        np.testing.assert_allclose(
            rows, RemoteEncoder(settings(server, batch_from=None)).encode(TEXTS), atol=1e-6
        )


def test_what_is_refused_or_not_ready_says_so_and_can_go_on() -> None:
    refused = pytest.raises(ModelError, match="refused a batch of 13 requests: the file has too many tokens")
    with OpenAIServer(batch_ends_as="failed") as server, refused:
        RemoteEncoder(settings(server), batch_size=4).encode(TEXTS)
    with OpenAIServer(batch_polls=3) as server:
        slow = RemoteEncoder(settings(server, batch_wait_h=1e-9), batch_size=4)
        with pytest.raises(ModelError, match=r"not ready after .* make the same call again"):
            slow.encode(TEXTS)
        assert RemoteEncoder(settings(server), batch_size=4).encode(TEXTS).shape == (50, 16)
        assert len(server.batches.batches) == 1
    with OpenAIServer(script=[Scripted(status=500), Scripted(), Scripted(status=429)]) as server:
        assert RemoteEncoder(settings(server), batch_size=4).encode(TEXTS).shape == (50, 16)


def test_what_is_too_much_for_one_batch_goes_as_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batches, "MAX_LINES", 20)
    with OpenAIServer() as server:
        encoder = RemoteEncoder(settings(server), batch_size=4)
        rows = encoder.encode(TEXTS)
        assert asked(server, "files") == 3 == len(server.batches.batches)
        np.testing.assert_allclose(
            rows, RemoteEncoder(settings(server, batch_from=None)).encode(TEXTS), atol=1e-6
        )
        prices = {"price_in": 1.0, "price_out": 0.0}
        most = RemoteEncoder(settings(server, **prices), batch_size=4).estimate(TEXTS).cost
        tight = RemoteEncoder(settings(server, budget_cost=(most or 0) * 0.9, **prices), batch_size=4)
        n = asked(server, "files")
        with pytest.raises(ModelError, match="budget_cost"):
            tight.encode(TEXTS)
        assert asked(server, "files") == n, "held for all before the first is sent"
    monkeypatch.setattr(batches, "MAX_LINES", 50_000)
    monkeypatch.setattr(batches, "MAX_BYTES", 700)
    with OpenAIServer() as server:
        assert RemoteEncoder(settings(server), batch_size=4).encode(TEXTS).shape == (50, 16)
        assert len(server.batches.batches) > 3


def test_a_catalogue_is_one_batch_and_kept(tmp_path: Path) -> None:
    texts = [f"item {i}" for i in range(2500)]
    with OpenAIServer() as server:
        encoder = RemoteEncoder(settings(server))
        rows = memo_vectors(encoder, texts, work=tmp_path / "work")
        assert rows.shape == (2500, 16) and len(server.batches.batches) == 1
        memo_vectors(encoder, texts, work=tmp_path / "work")
        assert len(server.batches.batches) == 1
