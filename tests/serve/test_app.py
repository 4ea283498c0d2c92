"""The HTTP door: answers, limits, problems, keys and headers; without a network."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from retailor.config import as_dict
from retailor.errors import ConfigError
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.testing.serving import TOY_TASKS, toy_run

GOLDEN = Path(__file__).parent / "openapi.json"


@pytest.fixture(scope="module")
def item_id(client: TestClient) -> str:
    return str(client.get("/items", params={"size": 1}).json()["items"][0]["item_id"])


@pytest.fixture(scope="module")
def user_id(client: TestClient) -> str:
    return str(client.get("/customers", params={"size": 1}).json()["customers"][0]["user_id"])


@pytest.fixture(scope="module")
def locked(run_folder: Path) -> Iterator[TestClient]:
    os.environ["TEST_RETAILOR_KEY"] = "pässwort-1"
    try:
        settings = ServeSettings(hosts=("testserver",), api_key_env="TEST_RETAILOR_KEY")
        service = Service.load(run_folder, TOY_TASKS, settings)
        yield TestClient(make_app(service))
        service.close()
    finally:
        del os.environ["TEST_RETAILOR_KEY"]


class TestAnswers:
    def test_recommend_has_titles_prices_and_reasons(self, client: TestClient, user_id: str) -> None:
        reply = client.post("/recommend", json={"user_id": user_id, "k": 3}).json()
        assert len(reply["items"]) == 3 and reply["known_customer"] is True
        first = reply["items"][0]
        assert first["item"]["title"] and first["reason"] and first["because"][0]["title"]

    def test_reasons_come_in_the_language_of_the_reader_though_the_answer_is_remembered(
        self, client: TestClient, user_id: str
    ) -> None:
        body, said = {"user_id": user_id, "k": 4}, []
        for language in ("en", "zh-CN,zh;q=0.9", "en", None):
            headers = {} if language is None else {"Accept-Language": language}
            for reply in (
                client.post("/recommend", json=body, headers=headers),
                client.get("/recommend", params=body, headers=headers),
            ):
                said.append(reply.json()["items"][0]["reason"])
        assert reply.json()["cached"] is True
        english, chinese = said[0], said[2]
        assert said == [english, english, chinese, chinese, english, english, english, english]
        assert english.startswith("chosen by") and chinese.endswith("顾客选过")

    def test_get_gives_what_post_gives(self, client: TestClient, user_id: str, item_id: str) -> None:
        for path, values in {
            "/recommend": {"user_id": user_id, "k": 2, "item_ids": [item_id, item_id]},
            "/search": {"text": "travel", "k": 2},
            "/answer": {"question": "which material", "item_id": item_id},
            "/sentiment": {"text": "good, but 差"},
        }.items():
            post, get = client.post(path, json=values), client.get(path, params=values)
            assert post.status_code == get.status_code == 200
            assert {**post.json(), "cached": 0} == {**get.json(), "cached": 0}

    def test_suggestions_while_typing(self, client: TestClient) -> None:
        title = client.get("/items", params={"size": 1}).json()["items"][0]["title"]
        for path in ("/suggest", "/v1/suggest"):
            reply = client.get(path, params={"q": title[:3], "k": 50}).json()
            assert {"text": title, "kind": "item", "n": None, "item_id": None} in reply["items"]
        assert client.get("/suggest", params={"q": "", "k": 1}).status_code == 200
        for wrong in ({}, {"q": "x", "k": 0}, {"q": "x", "k": 51}, {"q": "x" * 201}):
            assert client.get("/suggest", params=wrong).status_code == 422
        assert client.post("/suggest", json={"q": "x"}).status_code == 405

    def test_a_new_customer_is_said_to_be_one(self, client: TestClient) -> None:
        reply = client.post("/recommend", json={"user_id": "never seen", "k": 2}).json()
        assert reply["known_customer"] is False and len(reply["items"]) == 2

    def test_an_answer_is_cited_and_a_missing_one_said(self, client: TestClient, item_id: str) -> None:
        known = client.post("/answer", json={"question": "Which material?", "item_id": item_id}).json()
        assert (
            known["known"] and known["evidence"][0]["source"] == "attribute" and known["evidence"][0]["title"]
        )
        unknown = client.post("/answer", json={"question": "Who made the moon?", "item_id": item_id}).json()
        assert not unknown["known"] and unknown["evidence"] == []

    def test_the_dialogue_counts(self, client: TestClient, item_id: str) -> None:
        body = {"question": "And?", "item_id": item_id}
        turn = {"question": "Which material?", "answer": "?"}
        assert not client.post("/answer", json=body).json()["known"]
        assert client.post("/answer", json={**body, "history": [turn]}).json()["known"]

    def test_sentiment_has_probabilities(self, client: TestClient) -> None:
        reply = client.post("/sentiment", json={"text": "I love it"}).json()
        assert reply["label"] == "positive" and sum(reply["probabilities"].values()) == pytest.approx(1)

    def test_a_draft_is_marked_in_the_body_and_in_a_header(self, client: TestClient, item_id: str) -> None:
        for _ in range(2):
            reply = client.post("/review", json={"item_id": item_id, "rating": 4, "aspects": ["weight"]})
            assert reply.json()["generated"]["generated"] is True
            assert reply.headers["X-Generated"] == "true"
        assert reply.json()["cached"] is True

    def test_a_description_is_marked_in_the_body_and_in_a_header(
        self, client: TestClient, item_id: str
    ) -> None:
        reply = client.get("/describe", params={"item_id": item_id, "language": "zh", "seed": 3})
        told = reply.json()
        assert set(told) == {"item_id", "title", "description", "generated"}
        assert told["item_id"] == item_id and told["description"].endswith("'zh' (3).")
        assert told["generated"]["generated"] is True and reply.headers["X-Generated"] == "true"
        assert client.post("/describe", json={"item_id": item_id}).status_code == 405

    @pytest.mark.parametrize(
        ("asked", "status", "detail"),
        [
            ({"item_id": "nope"}, 404, "there is no item 'nope'"),
            ({}, 422, "'item_id': field required"),
            ({"item_id": "x", "language": "english"}, 422, "'language': string should match"),
            ({"item_id": "x", "seed": -1}, 422, "'seed'"),
        ],
    )
    def test_no_description_of_what_is_not_there(
        self, client: TestClient, asked: dict[str, object], status: int, detail: str
    ) -> None:
        reply = client.get("/describe", params=asked)
        assert reply.status_code == status and detail in reply.json()["detail"]

    def test_a_customers_history(self, client: TestClient, user_id: str) -> None:
        reply = client.get("/customers", params={"user_id": user_id, "size": 5}).json()
        assert len(reply["history"]) == 5 and reply["history"][0]["item"]["title"]

    def test_health_ready_and_metrics(self, client: TestClient) -> None:
        assert client.get("/health").json() == {"status": "alive"}
        assert client.get("/ready").json()["ready"] is True
        client.get("/search", params={"text": "metrics"})
        client.get("/search", params={"text": "metrics"})
        text = client.get("/metrics").text
        for name in (
            'retailor_http_requests_total{method="GET",route="/search",status="200"}',
            'retailor_http_request_seconds_bucket{le="0.1",route="/search"}',
            'retailor_task_cache_hits_total{task="search"}',
            'retailor_batch_size_bucket{le="1.0",task="search"}',
            'retailor_queue{task="search"} 0.0',
            "retailor_generated_drafts_total",
        ):
            assert name in text
        assert "metrics" not in text.replace("/metrics", "")


class TestProblems:
    @pytest.mark.parametrize(
        ("path", "body", "status", "detail"),
        [
            ("/recommend", {"kk": 3}, 422, "there is no field 'kk'; it has user_id, item_ids, "),
            ("/recommend", {"user": "u"}, 422, "Did you mean 'user_id'?"),
            ("/recommend", {"k": 0}, 422, "'k': input should be greater than or equal to 1."),
            ("/recommend", {"k": 101}, 422, "'k': input should be less than or equal to 100."),
            ("/recommend", {"k": 10**400}, 422, "'k': "),
            ("/recommend", {"item_ids": ["x"] * 101}, 422, "'item_ids': list should have at most 100 items"),
            ("/recommend", {"item_ids": ["nope"]}, 404, "there is no item 'nope' in this shop."),
            ("/recommend", [1], 422, "the body must be a JSON object."),
            ("/search", {}, 422, "a search has words in 'text', a picture in 'image', or both."),
            ("/search", {"text": "   "}, 422, "a search has words in 'text', a picture in 'image', or both."),
            ("/search", {"text": "mug", "image": 7}, 422, "'image': input should be a valid string."),
            ("/search", {"text": "x" * 501}, 422, "'text': string should have at most 500 characters."),
            ("/search", {"text": 3}, 422, "'text': input should be a valid string."),
            (
                "/answer",
                {"question": "?", "history": [{"q": "?"}]},
                422,
                "'history.0.question': field required.",
            ),
            ("/answer", {"question": "?", "item_id": "nope"}, 404, "there is no item 'nope'"),
            ("/sentiment", {"text": "x" * 10_001}, 422, "at most 10000 characters."),
            ("/sentiment", {"text": "poison"}, 500, "'sentiment' failed on this request"),
            ("/review", {"item_id": "nope"}, 404, "there is no item 'nope'"),
            (
                "/review",
                {"item_id": "x", "rating": 6},
                422,
                "'rating': input should be less than or equal to 5.",
            ),
            ("/review", {"item_id": "x", "language": "english"}, 422, "'language': string should match"),
        ],
    )
    def test_a_bad_request_is_a_sentence(
        self, client: TestClient, path: str, body: Any, status: int, detail: str
    ) -> None:
        reply = client.post(path, json=body)
        assert reply.status_code == status
        assert set(reply.json()) == {"error", "detail"} and detail in reply.json()["detail"]

    @pytest.mark.parametrize(
        ("content", "kind", "status", "error"),
        [
            (b"{", "application/json", 400, "bad_request"),
            (b"", "application/json", 422, "invalid"),
            (b"null", "application/json", 422, "invalid"),
            (b'{"text": "\xff"}', "application/json", 400, "bad_request"),
            (b'{"text": "\\ud800"}', "application/json", 422, "invalid"),
            (b"[" * 9000, "application/json", 400, "bad_request"),
            (b'{"text": "x", "k": 1' + b"0" * 5000 + b"}", "application/json", 400, "bad_request"),
            (b"text=x", "application/x-www-form-urlencoded", 415, "not_json"),
            (b'{"text": "x"}', "text/plain", 415, "not_json"),
            (b'{"text": "' + b"x" * 20_000 + b'"}', "application/json", 413, "too_large"),
        ],
    )
    def test_a_bad_body_is_refused(
        self, client: TestClient, content: bytes, kind: str, status: int, error: str
    ) -> None:
        reply = client.post("/search", content=content, headers={"Content-Type": kind})
        assert (reply.status_code, reply.json()["error"]) == (status, error)

    def test_a_chunked_body_has_the_same_limit(self, client: TestClient) -> None:
        def chunks() -> Iterator[bytes]:
            for _ in range(100):
                yield b" " * 1000

        reply = client.post("/search", content=chunks(), headers={"Content-Type": "application/json"})
        assert reply.status_code == 413 and "20,000 bytes" in reply.json()["detail"]

    def test_addresses_and_methods(self, client: TestClient) -> None:
        assert client.get("/nope").json()["error"] == "not_found"
        assert client.delete("/items").json()["error"] == "method_not_allowed"
        assert client.get("/page/../app.py").status_code == client.get("/page/nope.js").status_code == 404
        assert client.get("/redoc").status_code == 404
        assert client.get("/items", params={"item_id": "nope"}).status_code == 404
        assert client.get("/customers", params={"user_id": "nope"}).status_code == 404
        assert "Did you mean 'text'?" in client.get("/items", params={"txt": "x"}).json()["detail"]

    def test_a_task_that_is_not_in_the_run(self, run_folder: Path, shop: Any, tmp_path: Path) -> None:
        service = Service.load(toy_run(tmp_path, shop, without=["search"]), TOY_TASKS)
        client = TestClient(make_app(service, ServeSettings(hosts=("testserver",))))
        reply = client.get("/search", params={"text": "x"})
        assert reply.status_code == 501 and "has no data for it" in reply.json()["detail"]
        service.close()
        reply = client.get("/recommend")
        assert (reply.status_code, reply.headers["Retry-After"]) == (503, "5")
        assert client.get("/ready").status_code == 503 and client.get("/health").status_code == 200

    def test_no_words_of_a_customer_reach_the_log(
        self, client: TestClient, caplog: pytest.LogCaptureFixture
    ) -> None:
        with caplog.at_level(logging.DEBUG, logger="retailor"):
            client.get("/search", params={"text": "secret wish"}, headers={"X-API-Key": "secret"})
            client.post("/sentiment", json={"text": "secret poison"})
            client.post("/recommend", json={"user_id": "secret", "item_ids": ["secret"]})
            client.get("/secret")
        assert "GET /search 200" in caplog.text and "GET other 404" in caplog.text
        assert "secret" not in caplog.text


class TestKeysHostsAndHeaders:
    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X-API-Key": "wrong"},
            {"X-API-Key": ""},
            {"Authorization": "Basic abc"},
            {"Authorization": "Bearer"},
        ],
    )
    def test_without_the_key_nothing_is_answered(self, locked: TestClient, headers: dict[str, str]) -> None:
        for path in ("/recommend", "/customers", "/items", "/metrics", "/nope"):
            reply = locked.get(path, headers=headers)
            assert (reply.status_code, reply.json()["error"]) == (401, "unauthorized")

    def test_with_the_key_it_is(self, locked: TestClient) -> None:
        key = "pässwort-1".encode()
        for headers in ({b"X-API-Key": key}, {b"Authorization": b"Bearer " + key}):
            assert locked.get("/recommend", headers=headers).status_code == 200  # type: ignore[arg-type]

    def test_the_page_and_the_state_need_no_key(self, locked: TestClient) -> None:
        for path in ("/", "/page/page.js", "/health", "/ready", "/openapi.json"):
            assert locked.get(path).status_code == 200

    def test_a_key_that_should_be_set_and_is_not(self, service: Service) -> None:
        with pytest.raises(ConfigError, match="'NO_SUCH_KEY' should hold the API key, and is not set"):
            make_app(service, ServeSettings(api_key_env="NO_SUCH_KEY"))

    def test_a_foreign_host_name_is_refused(self, client: TestClient, service: Service) -> None:
        assert client.get("/", headers={"Host": "evil.example"}).status_code == 421
        assert client.get("/customers", headers={"Host": "evil.example:80"}).status_code == 421
        local = TestClient(make_app(service, ServeSettings()))
        for name in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert local.get("/health", headers={"Host": name}).status_code == 200
        open_to_all = TestClient(make_app(service, ServeSettings(host="0.0.0.0")))
        assert open_to_all.get("/health", headers={"Host": "shop.example"}).status_code == 200

    def test_every_response_has_the_safe_headers(self, client: TestClient) -> None:
        for reply in (client.get("/recommend"), client.get("/nope"), client.get("/"), client.post("/search")):
            assert reply.headers["X-Content-Type-Options"] == "nosniff"
            assert "default-src 'none'" in reply.headers["Content-Security-Policy"]
        assert client.get("/recommend").headers["Cache-Control"] == "no-store"

    def test_the_page_may_load_only_from_here(self, client: TestClient, service: Service) -> None:
        policy = client.get("/").headers["Content-Security-Policy"]
        assert (
            "script-src 'self'" in policy
            and "img-src 'self' data: blob:;" in policy
            and "unsafe" not in policy
        )
        assert "http" not in client.get("/").text.replace("https://", "http").split("</head>")[0]
        remote = TestClient(make_app(service, ServeSettings(hosts=("testserver",), remote_images=True)))
        assert "blob: https:" in remote.get("/").headers["Content-Security-Policy"]
        assert 'data-remote-images="true"' in remote.get("/").text

    def test_every_file_of_the_page_is_there(self, client: TestClient) -> None:
        for name in ("page.css", "page.js", "parts.js", "words.js", "icon.svg"):
            assert client.get(f"/page/{name}").status_code == 200

    def test_settings_are_checked(self) -> None:
        with pytest.raises(ConfigError, match=r"there is no setting 'prot'.*Did you mean 'port'"):
            ServeSettings(prot=3)  # type: ignore[call-arg]
        with pytest.raises(ConfigError, match="'port' = 70000"):
            ServeSettings(port=70_000)
        assert as_dict(ServeSettings())["host"] == "127.0.0.1"


class TestOpenapi:
    def test_it_is_the_golden_one(self, client: TestClient) -> None:
        found = client.get("/openapi.json").json()
        found["info"]["version"] = "golden"
        text = json.dumps(found, indent=1, ensure_ascii=False, sort_keys=True) + "\n"
        if os.environ.get("RETAILOR_GOLDEN") == "write":
            GOLDEN.write_text(text, encoding="utf-8")
        assert text == GOLDEN.read_text(encoding="utf-8"), "write it anew with RETAILOR_GOLDEN=write"

    def test_the_examples_are_valid_requests(self, client: TestClient) -> None:
        schemas = client.get("/openapi.json").json()["components"]["schemas"]
        bodies = {"/recommend": "RecommendBody", "/search": "SearchBody", "/answer": "DialogueBody",
                  "/sentiment": "SentimentBody", "/review": "ReviewBody"}  # fmt: skip
        for path, name in bodies.items():
            assert client.post(path, json=schemas[name]["example"]).status_code in (200, 404)


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=5,
)
FIELDS = st.sampled_from(
    ["user_id", "item_ids", "text", "k", "exclude", "exclude_seen", "categories", "max_price", "question",
     "item_id", "history", "aspect", "rating", "aspects", "language", "seed", "page", "size"]
)  # fmt: skip


class TestFuzz:
    @given(
        path=st.sampled_from(["/recommend", "/search", "/answer", "/sentiment", "/review"]),
        body=st.dictionaries(FIELDS, ANYTHING | st.just("x"), max_size=4) | ANYTHING,
    )
    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_json_gets_an_answer_or_a_sentence(self, client: TestClient, path: str, body: Any) -> None:
        content = json.dumps(body).encode()
        reply = client.post(path, content=content, headers={"Content-Type": "application/json"})
        assert reply.status_code in (200, 400, 404, 422)
        assert reply.status_code == 200 or set(reply.json()) == {"error", "detail"}

    @given(
        path=st.sampled_from(["/recommend", "/search", "/answer", "/sentiment", "/items", "/customers"]),
        query=st.dictionaries(FIELDS, st.text(max_size=30), max_size=4),
    )
    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    def test_any_address_gets_an_answer_or_a_sentence(
        self, client: TestClient, path: str, query: dict[str, str]
    ) -> None:
        reply = client.get(path, params=query)
        assert reply.status_code in (200, 404, 422)
        assert reply.status_code == 200 or set(reply.json()) == {"error", "detail"}


class TestDoors:
    def test_the_paths_stand_behind_a_version_too(self, client: TestClient) -> None:
        for path in ("/search?text=travel", "/ready", "/openapi.json", "/docs"):
            assert client.get(f"/v1{path}").status_code == client.get(path).status_code == 200
        assert client.get("/v1/search?text=travel").json()["items"]
        assert client.get("/v2/ready").status_code == 404 and client.get("/v1ready").status_code == 404

    def test_a_head_is_a_get_without_a_body(self, client: TestClient) -> None:
        for path in ("/", "/health", "/docs", "/search?text=travel", "/nothing"):
            head, full = client.head(path), client.get(path)
            assert (head.status_code, head.content) == (full.status_code, b"")
            assert head.headers["content-type"] == full.headers["content-type"]

    def test_the_reference_shows_every_path_and_loads_nothing_from_elsewhere(
        self, client: TestClient
    ) -> None:
        page = client.get("/docs")
        assert page.headers["content-type"].startswith("text/html")
        for path, methods in client.get("/openapi.json").json()["paths"].items():
            assert all(f"<code>{method.upper()} {path}</code>" in page.text for method in methods)
        assert "<script" not in page.text and "http://" not in page.text and "https://" not in page.text

    def test_a_key_is_described_where_one_is_asked_for(self, client: TestClient, locked: TestClient) -> None:
        for door, security in ((client, None), (locked, [{"ApiKey": []}, {"Bearer": []}])):
            found = door.get("/openapi.json").json()
            assert set(found["components"]["securitySchemes"]) == {"ApiKey", "Bearer"}
            assert found.get("security") == security
        assert locked.get("/docs").status_code == 200 and locked.get("/v1/items").status_code == 401

    @pytest.mark.parametrize(
        ("path", "body"),
        [
            ("/recommend", {"k": True}),
            ("/recommend", {"k": "5"}),
            ("/recommend", {"k": 5.0}),
            ("/recommend", {"exclude_seen": 1}),
            ("/recommend", {"exclude_seen": "true"}),
            ("/recommend", {"max_price": "5"}),
            ("/recommend", {"max_price": True}),
            ("/recommend", {"currency": "USD"}),
            ("/recommend", {"max_price": 5, "currency": "dollars"}),
            ("/search", {"text": 5}),
            ("/answer", {"question": "how", "history": [{"question": 1, "answer": "x"}]}),
            ("/review", {"item_id": "x", "rating": "4"}),
            ("/review", {"item_id": "x", "seed": False}),
        ],
    )
    def test_a_json_value_of_another_type_is_refused(
        self, client: TestClient, path: str, body: dict[str, Any]
    ) -> None:
        assert client.post(path, json=body).status_code == 422

    def test_whole_numbers_are_numbers_and_addresses_hold_texts(self, client: TestClient) -> None:
        assert client.post("/recommend", json={"max_price": 5, "k": 3}).status_code == 200
        found = client.get("/recommend", params={"k": "3", "exclude_seen": "true", "max_price": "5"})
        assert found.status_code == 200


def test_a_panic_is_a_500_and_its_words_stay_out_of_the_log(
    client: TestClient, service: Service, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Panic(BaseException):
        """As libraries in Rust raise it: no Exception."""

    def find_items(*given: Any) -> Any:
        raise Panic("words of a customer")

    monkeypatch.setattr(service, "find_items", find_items)
    reply = client.get("/items", params={"text": "tent"})
    assert reply.status_code == 500 and "its log says where" in reply.text
    assert "Panic at" in caplog.text and "customer" not in caplog.text
