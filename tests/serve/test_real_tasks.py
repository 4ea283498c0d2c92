"""The real tasks behind the service and over HTTP, fitted on the demo shop with tiny models."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from retailor.serve.app import ServeSettings, make_app
from retailor.serve.service import Service
from retailor.serve.vectors import CachedEncoder
from retailor.shop.tables import Shop
from retailor.tasks.answer import Answerer
from retailor.tasks.recommend import Recommender
from retailor.tasks.review import ReviewSettings, ReviewWriter
from retailor.tasks.search import Search
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.shapes import RecommendQuery, SearchQuery, Task
from retailor.testing.models import tiny_decoder
from retailor.testing.toys import HashEncoder
from retailor.text.clean import clean

LOADERS: dict[str, Callable[[Path], Task[Any, Any]]] = {
    task.kind: task.load  # type: ignore[attr-defined]
    for task in (Recommender, Search, Answerer, SentimentReader, ReviewWriter)
}


@pytest.fixture(scope="module")
def shop(shop: Shop) -> Shop:
    return clean(shop)


@pytest.fixture(scope="module")
def folder(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("real")
    shop.save(made / "clean")
    encoder = HashEncoder()
    for task in (
        Recommender(encoder),
        Search(encoder),
        Answerer(encoder),
        SentimentReader(encoder, SentimentSettings(mode="frozen")),
        ReviewWriter(tiny_decoder(), ReviewSettings(max_steps=0, max_tokens=24, max_tries=1)),
    ):
        task.fit(shop).save(made / task.kind)
    stages = [{"name": "clean", "kind": "shop", "folder": "clean", "fingerprint": ""}]
    stages += [{"name": f"fit-{kind}", "kind": kind, "folder": kind, "fingerprint": ""} for kind in LOADERS]
    (made / "run.json").write_text(json.dumps({"name": "real", "stages": stages}))
    return made


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    made = Service.load(folder, LOADERS, ServeSettings(hosts=("testserver",)))
    yield made
    made.close()


@pytest.fixture(scope="module")
def client(service: Service) -> TestClient:
    return TestClient(make_app(service))


def test_all_five_answer_over_http(client: TestClient, shop: Shop) -> None:
    item = shop.items.filter(language="en").row(0, named=True)
    event = shop.events.row(0, named=True)
    bodies: dict[str, dict[str, Any]] = {
        "/recommend": {"user_id": event["user_id"], "k": 5},
        "/search": {"text": item["title"], "k": 5},
        "/answer": {"question": "What is it made of?", "item_id": item["item_id"]},
        "/sentiment": {"text": "I love it, great quality."},
        "/review": {"item_id": item["item_id"], "rating": 4},
    }
    replies = {path: client.post(path, json=body) for path, body in bodies.items()}
    assert {path: reply.status_code for path, reply in replies.items()} == dict.fromkeys(bodies, 200)
    assert len(replies["/recommend"].json()["items"]) == 5
    assert replies["/recommend"].json()["items"][0]["reason"]
    assert item["item_id"] in [each["item_id"] for each in replies["/search"].json()["items"]]
    assert sum(replies["/sentiment"].json()["probabilities"].values()) == pytest.approx(1, abs=1e-3)
    assert replies["/review"].json()["generated"]["generated"] is True
    for path, body in bodies.items():
        again = client.post(path, json=body).json()
        assert again == {**replies[path].json(), "cached": True}


def test_new_customers_items_and_words(client: TestClient, shop: Shop) -> None:
    for body in (
        {},
        {"user_id": "never seen"},
        {"item_ids": [shop.items["item_id"][0]]},
        {"text": "a warm tent"},
        {"user_id": shop.events["user_id"][0], "text": "茶", "max_price": 50},
    ):
        reply = client.post("/recommend", json={**body, "k": 3})
        assert reply.status_code == 200, body
        assert len(reply.json()["items"]) <= 3


def test_answers_are_those_of_the_task_alone(service: Service, folder: Path, shop: Shop) -> None:
    alone = Search.load(folder / "search")
    texts = [SearchQuery(text, 5) for text in shop.items["title"].head(8)]
    assert [service.search(query).answer for query in texts] == alone.predict(texts)
    recommender = Recommender.load(folder / "recommend")
    users = [RecommendQuery(user_id=user_id, k=5) for user_id in shop.events["user_id"].unique().sort()[:8]]
    assert [service.recommend(query).answer for query in users] == recommender.predict(users)


def test_encoders_share_one_memory(folder: Path) -> None:
    loaded: dict[str, Any] = {}

    def keep(kind: str) -> Callable[[Path], Task[Any, Any]]:
        def load(path: Path) -> Task[Any, Any]:
            loaded[kind] = LOADERS[kind](path)
            return loaded[kind]  # type: ignore[no-any-return]

        return load

    service = Service.load(folder, {kind: keep(kind) for kind in LOADERS}, ServeSettings())
    encoders = [loaded[kind].encoder for kind in ("recommend", "search", "answer")]
    assert all(isinstance(encoder, CachedEncoder) for encoder in encoders)
    assert len({encoder.fingerprint for encoder in encoders}) == 1
    service.search(SearchQuery("tent", 3))
    before = len(service.cache)
    service.search(SearchQuery("tent", 4))
    assert len(service.cache) == before + 1
    service.close()
