import gc
import json
import logging
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import numpy as np
import pytest
from pydantic import BaseModel, Field

from retailor.errors import ConfigError, DataError, ModelError, RetailorError
from retailor.models.endpoints.costs import Budget, Tokens, Usage
from retailor.models.endpoints.endpoint import estimate_tokens, retry_after_s
from retailor.models.endpoints.remote import (
    RemoteEncoder,
    RemoteGenerator,
    RemoteSettings,
    is_remote,
    load_remote,
    open_remote,
)
from retailor.models.shapes import Encoder, Generator, TrainableEncoder, TrainableGenerator
from retailor.models.structured import structured
from retailor.testing.models import EncoderContract, GeneratorContract
from retailor.testing.openai_server import OpenAIServer, Scripted
from retailor.testing.toys import HashEncoder

KEY = "sk-very-secret-0123456789"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)


def settings(server: OpenAIServer, **more: object) -> RemoteSettings:
    return RemoteSettings(**{"base_url": server.url, "model": "toy", "backoff_s": 0.01, **more})


def generator(server: OpenAIServer, **more: object) -> RemoteGenerator:
    return RemoteGenerator(settings(server, **more))


class TestRemoteGenerator(GeneratorContract):
    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Iterator[RemoteGenerator]:
        with OpenAIServer() as server:
            yield generator(server)

    def test_load_of_save_writes_the_same(self, made: RemoteGenerator, tmp_path: Path) -> None:
        made.save(tmp_path / "generator")
        loaded = RemoteGenerator.load(tmp_path / "generator")
        assert loaded.generate(self.prompts, max_tokens=8) == made.generate(self.prompts, max_tokens=8)


class TestRemoteEncoder(EncoderContract):
    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Iterator[RemoteEncoder]:
        with OpenAIServer() as server:
            yield RemoteEncoder(settings(server))


# replies --------------------------------------------------------------------------------------------


def test_a_remote_generator_cannot_be_trained() -> None:
    made = load_remote("https://host/v1#m")
    assert isinstance(made, Generator) and not isinstance(made, TrainableGenerator)
    assert made.name == "https://host/v1#m"


def test_replies_keep_the_order_of_the_prompts_under_concurrency() -> None:
    prompts = [f"p{i}" for i in range(12)]
    delays = [Scripted(delay_s=0.15)] + [Scripted(delay_s=0.01)] * 11
    with OpenAIServer(script=delays) as server:
        found = generator(server, max_concurrency=4).generate(prompts, max_tokens=9)
        assert found == [f"echo: {prompt}" for prompt in prompts]
        assert 1 < server.most_at_once <= 4


def test_unicode_goes_there_and_back() -> None:
    with OpenAIServer() as server:
        assert generator(server).generate(["屏幕很好 🙂 “é”"], max_tokens=9) == ["echo: 屏幕很好 🙂 “é”"]
        assert generator(server).generate([], max_tokens=9) == []


def test_the_request_says_what_was_asked() -> None:
    with OpenAIServer() as server:
        generator(server).generate(["hi"], max_tokens=7, temperature=0.5, seed=3)
        body = server.requests[0].body
        assert (body["model"], body["max_tokens"], body["temperature"], body["seed"]) == ("toy", 7, 0.5, 3)


def test_an_endpoint_that_nobody_closes_leaves_no_socket_open() -> None:
    gc.collect()
    with OpenAIServer() as server, warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always", ResourceWarning)
        for _ in range(5):
            model = generator(server)
            model.generate(["a"], max_tokens=5)
            clients = model._endpoint._client
            around: list[object] = [model]
            around.append(around)  # as an error that a test or a notebook keeps does: gone with the collector
            del model, around
            gc.collect()
            assert clients.is_closed()
            del clients
            gc.collect()
    assert [str(each.message) for each in told if each.category is ResourceWarning] == []


def test_a_closed_endpoint_has_closed_its_client_and_opens_another() -> None:
    with OpenAIServer() as server:
        model = generator(server)
        model.generate(["a"], max_tokens=5)
        client = model._endpoint._client
        model.close()
        assert client.is_closed() and model.generate(["b"], max_tokens=5) == ["echo: b"]
        model.close()


def test_a_declined_reply_is_an_empty_text() -> None:
    said = {"choices": [{"message": {"role": "assistant", "content": None}}]}
    with OpenAIServer(script=[Scripted(body=said)]) as server:
        assert generator(server).generate(["hi"], max_tokens=5) == [""]


def test_a_base_without_chat_is_asked_for_plain_completions_from_then_on() -> None:
    with OpenAIServer(routes=["completions"]) as server:
        model = generator(server)
        assert model.generate(["a"], max_tokens=5) == ["echo: a"]
        assert model.generate(["b"], max_tokens=5) == ["echo: b"]
        paths = [request.path for request in server.requests]
        assert paths == ["/v1/chat/completions", "/v1/completions", "/v1/completions"]


def test_parameters_that_the_endpoint_does_not_take_are_left_out() -> None:
    refusals = [
        "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens' instead.",
        "Unsupported value: 'temperature' does not support 0.0",
        "Extra inputs are not permitted: seed",
    ]
    script = [Scripted(400, {"error": {"message": message}}) for message in refusals]
    with OpenAIServer(script=script) as server:
        model = generator(server)
        assert model.generate(["a"], max_tokens=5) == ["echo: a"]
        assert model.generate(["b"], max_tokens=5) == ["echo: b"]
        for request in server.requests[-2:]:
            assert set(request.body) == {"model", "messages", "max_completion_tokens"}


# failures -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503])
def test_a_passing_failure_is_tried_again(status: int) -> None:
    with OpenAIServer(script=[Scripted(status), Scripted(status)]) as server:
        assert generator(server).generate(["hi"], max_tokens=5) == ["echo: hi"]
        assert len(server.requests) == 3


def test_retry_after_is_obeyed() -> None:
    with OpenAIServer(script=[Scripted(429, headers={"Retry-After": "0.3"})]) as server:
        before = datetime.now(UTC)
        generator(server).generate(["hi"], max_tokens=5)
        assert (datetime.now(UTC) - before).total_seconds() >= 0.3


def test_retry_after_longer_than_we_wait_ends_the_call() -> None:
    script = [Scripted(429, headers={"Retry-After": "3600"})]
    with OpenAIServer(script=script) as server, pytest.raises(ModelError, match="asks to wait 3,600 s"):
        generator(server, max_wait_s=5).generate(["hi"], max_tokens=5)


def test_retry_after_as_a_date_or_as_nonsense() -> None:
    now = datetime(2024, 5, 1, tzinfo=UTC)
    assert retry_after_s(format_datetime(now + timedelta(seconds=30)), now) == 30
    assert retry_after_s(format_datetime(now - timedelta(seconds=30)), now) == 0
    assert retry_after_s("soon", now) is None and retry_after_s(None, now) is None


@pytest.mark.parametrize(
    ("scripted", "message"),
    [
        (Scripted(401), r"refused the key \(401\): put a valid one into .* variable OPENAI_API_KEY"),
        (Scripted(403), r"refused the key \(403\)"),
        (Scripted(404, {"error": {"message": "x", "code": "model_not_found"}}), r"knows no model 'toy'"),
        (Scripted(422), r"refused the request \(422\). It said: .*scripted failure 422"),
        (Scripted(429, {"error": {"message": "no", "code": "insufficient_quota"}}), "quota is used up"),
        (Scripted(200, "<html>Welcome</html>"), r"not a JSON object \('<html>Welcome</html>'\)"),
        (Scripted(200, "[1]"), "not a JSON object"),
        (Scripted(200, {"choices": []}), r"without a text in choices\[0\]"),
        (Scripted(200, {"choices": [{"message": None}]}), r"without a text in choices\[0\]"),
    ],
)
def test_a_lasting_failure_is_one_useful_sentence_at_once(scripted: Scripted, message: str) -> None:
    with OpenAIServer(script=[scripted] * 2) as server:
        with pytest.raises(ModelError, match=message):
            generator(server, retries=5).generate(["hi"], max_tokens=5)
        assert len(server.requests) <= 2


@pytest.mark.parametrize(
    ("status", "message"),
    [(429, r"still rate-limited after 3 tries \(429\)"), (500, r"failed in 3 tries \(500\)")],
)
def test_failures_that_do_not_pass_end_after_the_retries(status: int, message: str) -> None:
    with OpenAIServer(script=[Scripted(status)] * 9) as server:
        with pytest.raises(ModelError, match=message):
            generator(server, retries=2).generate(["hi"], max_tokens=5)
        assert len(server.requests) == 3


def test_a_slow_endpoint_times_out() -> None:
    with OpenAIServer(delay_s=0.5) as server:
        model = generator(server, timeout_s=0.1, retries=1)
        with pytest.raises(ModelError, match=r"no reply within 0.1 s, in 2 tries"):
            model.generate(["hi"], max_tokens=5)
        # What timed out may have been paid for.
        assert model.usage.n_requests == 2 and model.usage.n_tokens >= 10


def test_an_address_where_nobody_listens() -> None:
    with OpenAIServer() as server:
        gone = settings(server, retries=0)
    with pytest.raises(ModelError, match="cannot be reached, in 1 try"):
        RemoteGenerator(gone).generate(["hi"], max_tokens=5)


def test_one_failure_ends_the_other_requests() -> None:
    with OpenAIServer(script=[Scripted(401)], delay_s=0.02) as server:
        with pytest.raises(ModelError, match="refused the key"):
            generator(server, max_concurrency=2).generate(["x"] * 40, max_tokens=5)
        assert len(server.requests) < 10


def test_a_prompt_that_is_too_long_is_never_sent() -> None:
    with OpenAIServer() as server:
        with pytest.raises(ModelError, match="prompt 2 has 11 characters, and at most 10"):
            generator(server, max_chars=10).generate(["ok", "x" * 11], max_tokens=5)
        assert not server.requests


# budget ---------------------------------------------------------------------------------------------


def test_the_token_budget_is_a_hard_stop() -> None:
    with OpenAIServer() as server:
        model = generator(server, budget_tokens=30, max_concurrency=1)
        with pytest.raises(ModelError, match="budget of 30 tokens is spent"):
            model.generate(["one two"] * 50, max_tokens=8)
        used = sum(request.body["max_tokens"] for request in server.requests)
        assert model.usage.n_tokens <= 30 and used > 0
        before = len(server.requests)
        with pytest.raises(ModelError, match="raise budget_tokens"):
            model.generate(["one two " * 20], max_tokens=8)
        assert len(server.requests) == before


def test_usage_is_what_the_endpoint_counts_or_the_estimate() -> None:
    with OpenAIServer() as server:
        model = generator(server)
        model.generate(["one two"], max_tokens=8)
        assert (model.usage.n_requests, model.usage.n_tokens) == (1, 5)
    with OpenAIServer(usage=False) as server:
        model = generator(server)
        model.generate(["one two"], max_tokens=8)
        assert model.usage.n_tokens == estimate_tokens("one two") + 8


def test_the_request_budget_counts_retries_too() -> None:
    with OpenAIServer(script=[Scripted(500)] * 9) as server:
        with pytest.raises(ModelError, match="budget of 3 requests is spent"):
            generator(server, budget_requests=3, retries=8).generate(["hi"], max_tokens=5)
        assert len(server.requests) == 3


def test_a_budget_of_nothing_sends_nothing() -> None:
    with OpenAIServer() as server:
        for more in ({"budget_tokens": 0}, {"budget_requests": 0}):
            with pytest.raises(ModelError, match="spent"):
                generator(server, **more).generate(["hi"], max_tokens=5)
        assert not server.requests


def test_reservations_hold_while_requests_are_out() -> None:
    budget = Budget(10, None)
    budget.reserve(Tokens(6))
    with pytest.raises(ModelError, match="may need 6"):
        budget.reserve(Tokens(2, 4))
    budget.settle(Tokens(6), Tokens(2))
    budget.reserve(Tokens(1, 5))


# the key --------------------------------------------------------------------------------------------


def test_the_key_comes_from_the_environment_and_is_shown_nowhere(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    caplog.set_level(logging.DEBUG)
    with OpenAIServer(key=KEY) as server:
        monkeypatch.setenv("SHOP_KEY", KEY)
        model = generator(server, key_env="SHOP_KEY")
        assert model.generate(["hi"], max_tokens=5) == ["echo: hi"]
        model.save(tmp_path / "model")
        shown = [repr(model), repr(model.settings), str(vars(model)), caplog.text]
        shown += [path.read_text() for path in (tmp_path / "model").iterdir()]
        assert not any(KEY in text for text in shown)


def test_a_server_that_echoes_the_key_does_not_bring_it_into_the_message(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with OpenAIServer(key="another") as server, pytest.raises(ModelError) as caught:
        generator(server).generate(["hi"], max_tokens=5)
    assert KEY not in str(caught.value) and "***" in str(caught.value)
    assert caught.value.__suppress_context__ and KEY not in caplog.text


def test_settings_that_would_hold_a_key_are_refused_without_showing_it() -> None:
    for more in ({"key_env": KEY}, {"base_url": f"https://user:{KEY}@host/v1"}):
        with pytest.raises(ConfigError, match="environment variable") as caught:
            RemoteSettings(**{"base_url": "https://host/v1", "model": "m", **more})
        assert KEY not in str(caught.value)


@pytest.mark.parametrize("address", ["host/v1", "ftp://host", "https://", ""])
def test_an_address_that_is_none(address: str) -> None:
    with pytest.raises(ConfigError, match="not an address such as https://host/v1"):
        RemoteSettings(base_url=address, model="m")


def test_a_name_without_a_model() -> None:
    with pytest.raises(ConfigError, match="https://host/v1#model-name"):
        load_remote("https://host/v1")


# saving ---------------------------------------------------------------------------------------------


def test_saved_models_open_again(tmp_path: Path) -> None:
    with OpenAIServer(dim=8) as server:
        for kind in ("generator", "encoder"):
            made = load_remote(f"{server.url}#toy", kind=kind)  # type: ignore[arg-type]
            made.save(tmp_path / kind)
            opened = open_remote(tmp_path / kind)
            assert type(opened) is type(made) and opened.settings == made.settings
            assert is_remote(tmp_path / kind)
    with pytest.raises(DataError, match="this is a 'generator', not a 'encoder'"):
        RemoteEncoder.load(tmp_path / "generator")


# vectors --------------------------------------------------------------------------------------------


def test_vectors_are_unit_rows_in_order_over_batches() -> None:
    texts = [f"cup number {i}" for i in range(11)] + ["", "杯子"]
    with OpenAIServer(dim=8) as server:
        encoder = RemoteEncoder(settings(server), batch_size=4)
        found = encoder.encode(texts)
        expected = HashEncoder(8).encode([text or " " for text in texts])
        assert found.dtype == np.float32 and encoder.dim == 8 and len(server.requests) == 4
        assert isinstance(encoder, Encoder) and not isinstance(encoder, TrainableEncoder)
        assert np.allclose(found, expected, atol=1e-5)
        assert encoder.encode([]).shape == (0, 8)


def test_prefixes_stand_before_queries_and_passages_and_long_texts_are_cut() -> None:
    with OpenAIServer() as server:
        encoder = RemoteEncoder(settings(server, max_chars=12), prefixes=("query: ", "passage: "))
        encoder.encode(["a cup of tea"], role="query")
        encoder.encode(["a cup of tea"])
        assert [request.body["input"] for request in server.requests] == [["query: a cup"], ["passage: a c"]]


@pytest.mark.parametrize(
    "data",
    [
        [],
        [{"index": 0, "embedding": []}],
        [{"index": 0, "embedding": [1.0, None]}],
        [{"index": 0, "embedding": "AAAA"}],
        [{"embedding": [1.0]}],
        [{"index": 0, "embedding": [1.0]}, {"index": 1, "embedding": [1.0]}],
    ],
)
def test_malformed_vectors(data: list[object]) -> None:
    script, message = [Scripted(body={"data": data})], "did not send 1 vectors of one length"
    with OpenAIServer(script=script) as server, pytest.raises(ModelError, match=message):
        RemoteEncoder(settings(server)).encode(["a"])


def test_every_error_is_one_of_ours() -> None:
    weird = [Scripted(200, ""), Scripted(500, "oops"), Scripted(418), Scripted(200, {"data": 3})]
    for scripted in weird:
        with OpenAIServer(script=[scripted] * 9) as server, pytest.raises(RetailorError):
            RemoteEncoder(settings(server, retries=1)).encode(["a"])


# what it costs ------------------------------------------------------------------------------------


def test_the_cost_is_told_before_and_after_and_never_passes_the_budget() -> None:
    prices = {"price_in": 1000.0, "price_out": 3000.0, "budget_cost": 0.2, "max_concurrency": 1}
    with OpenAIServer() as server:
        model = generator(server, **prices)
        before = model.estimate(["one two", "one two"], max_tokens=8)
        assert before == Usage(2, 22, 6, 16, pytest.approx(0.054)) and not server.requests
        model.generate(["one two", "one two"], max_tokens=8)
        after = model.usage
        assert after == Usage(2, 10, 4, 6, pytest.approx(0.022)) and after.cost <= before.cost  # type: ignore[operator]
        assert str(after) == "2 requests, 10 tokens (4 in, 6 out), costing 0.0220"
        with pytest.raises(ModelError, match=r"budget of 0\.2000 is spent: .* may cost 0\.0270; raise"):
            model.generate(["one two"] * 50, max_tokens=8)
        assert model.usage.cost is not None and model.usage.cost <= 0.2
        encoder = RemoteEncoder(settings(server, price_in=2.0, price_out=0.0), prefixes=("query: ", ""))
        assert encoder.estimate(["a mug"] * 65, role="query").n_requests == 2
        encoder.encode(["a mug"])
        assert encoder.usage.cost == pytest.approx(2 * 2e-6) and encoder.usage.n_tokens_out == 0
    assert generator(server).estimate(["a"], max_tokens=1).cost is None
    with pytest.raises(ConfigError, match="needs 'price_in' and 'price_out'"):
        settings(server, budget_cost=1.0, price_in=1.0)


# answers of a form --------------------------------------------------------------------------------


class Verdict(BaseModel):
    item: str
    stars: int = Field(ge=1, le=5)


def said(prompt: str) -> str:
    item = prompt.split("\n")[0]
    stars = 9 if item == "wrong at first" and "not of this schema" not in prompt else 4
    made = json.dumps({"item": item, "stars": 7 if item == "always wrong" else stars})
    return f"```json\n{made}\n```" if item == "fenced" else made


def test_answers_are_objects_of_the_form_asked_for_again_where_they_are_not() -> None:
    with OpenAIServer(reply=said) as server:
        model = generator(server)
        found = structured(model, ["mug", "fenced", "wrong at first", "红杯"], Verdict, max_tokens=30)
        assert [each.item for each in found] == ["mug", "fenced", "wrong at first", "红杯"]
        assert [each.stars for each in found] == [4, 4, 4, 4] and len(server.requests) == 5
        form = server.requests[0].body["response_format"]["json_schema"]
        assert form["name"] == "Verdict" and form["schema"]["required"] == ["item", "stars"]
        assert model.usage.n_requests == 5
        with pytest.raises(
            ModelError, match=r"1 of 2 prompts not as Verdict.*prompt 2: stars: Input should be less"
        ):
            structured(model, ["mug", "always wrong"], Verdict, max_tokens=30)


def test_an_endpoint_without_forms_is_asked_in_words() -> None:
    refusal = Scripted(400, {"error": {"message": "Unknown parameter: response_format", "type": "error"}})
    with OpenAIServer(reply=said, script=[refusal]) as server:
        model = generator(server)
        assert structured(model, ["mug"], Verdict, max_tokens=30)[0].stars == 4
        assert structured(model, ["cup"], Verdict, max_tokens=30)[0].item == "cup"
        assert ["response_format" in each.body for each in server.requests] == [True, False, False]
    with (
        OpenAIServer(reply=lambda prompt: "I would rather not.") as server,
        pytest.raises(ModelError, match="it is no JSON"),
    ):
        structured(generator(server), ["mug"], Verdict, max_tokens=30)
