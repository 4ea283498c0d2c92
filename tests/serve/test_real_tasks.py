"""The real tasks behind the service and over HTTP, fitted on the demo shop with tiny models."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from retailor.models.local import load_encoder
from retailor.models.shapes import Encoder, Role
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.answer import Answerer
from retailor.tasks.recommend import Recommender
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.registry import TASKS
from retailor.tasks.review import ReviewSettings, ReviewWriter
from retailor.tasks.search import Search
from retailor.tasks.search.shapes import SearchQuery
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.testing.models import tiny_decoder
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean


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
        ReviewWriter(tiny_decoder(), ReviewSettings(tune=False, max_tokens=24, max_tries=1)),
    ):
        task.fit(shop).save(made / task.kind)
    stages = [{"name": "clean", "kind": "shop", "folder": "clean", "fingerprint": ""}]
    stages += [{"name": f"fit-{kind}", "kind": kind, "folder": kind, "fingerprint": ""} for kind in TASKS]
    (made / "run.json").write_text(json.dumps({"name": "real", "stages": stages}))
    return made


@pytest.fixture(scope="module")
def service(folder: Path) -> Iterator[Service]:
    made = Service.load(folder, TASKS, ServeSettings(hosts=("testserver",)))
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
    assert [service.ask("search", query).answer for query in texts] == alone.predict(texts)
    recommender = Recommender.load(folder / "recommend")
    users = [RecommendQuery(user_id=user_id, k=5) for user_id in shop.events["user_id"].unique().sort()[:8]]
    assert [service.ask("recommend", query).answer for query in users] == recommender.predict(users)


def test_tasks_share_one_encoder_and_its_vectors(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[Path] = []
    encoded: list[str] = []
    encode = HashEncoder.encode

    def seen(self: HashEncoder, texts: Sequence[str], *, role: Role = "passage") -> Any:
        encoded.extend(texts)
        return encode(self, texts, role=role)

    def opening(path: Path) -> Encoder:
        opened.append(path)
        return load_encoder(path)

    monkeypatch.setattr(HashEncoder, "encode", seen)
    monkeypatch.setattr("retailor.serve.runs.opener_of", lambda settings: opening)
    service = Service.load(folder, TASKS, ServeSettings())
    assert len(opened) == 1
    encoded.clear()
    service.ask("search", SearchQuery("a warm tent", 3))
    service.ask("search", SearchQuery("a warm tent", 4))
    assert encoded == ["a warm tent"]
    recommended = [service.ask("recommend", RecommendQuery(text="a warm tent", k=k)) for k in (3, 4)]
    assert not any(reply.cached for reply in recommended)
    assert len(encoded) <= 2  # once more where the task reads it in another role
    encoded.clear()
    assert not service.ask("sentiment", SentimentQuery("I love its price.")).cached
    assert not service.ask("sentiment", SentimentQuery("I love its price.", "price")).cached
    assert encoded == ["I love its price."]
    service.close()


def test_the_compressed_encoder_answers(folder: Path, tmp_path: Path) -> None:
    """What the plan compressed is what is served: here a twin with other vectors, to be told apart."""
    run = tmp_path / "run"
    shutil.copytree(folder, run)
    fingerprint = artifact.read_manifest(run / "search" / "encoder").fingerprint
    with artifact.writing(run / "compress", "compressed", settings={"stands_for": [fingerprint]}) as new:
        HashEncoder(seed=7).save(new / "encoder")
    record = json.loads((run / "run.json").read_text())
    record["stages"].append({"name": "compress", "kind": "compressed", "folder": "compress"})
    (run / "run.json").write_text(json.dumps(record))
    queries = [SearchQuery(text, 5) for text in ("a warm tent", "茶")]
    small = Search.load(run / "search").with_encoder(HashEncoder(seed=7))
    with closing(Service.load(run, TASKS, ServeSettings())) as service:
        assert [service.ask("search", query).answer for query in queries] == small.predict(queries)
    with closing(Service.load(folder, TASKS, ServeSettings())) as service:
        assert [service.ask("search", query).answer for query in queries] != small.predict(queries)


def test_an_item_that_is_put_is_found_within_seconds_and_so_is_its_new_title(
    folder: Path, shop: Shop, tmp_path: Path
) -> None:
    settings = ServeSettings(hosts=("testserver",), events_url=f"sqlite:///{tmp_path}/live.db")
    with closing(Service.load(folder, TASKS, settings)) as living, TestClient(make_app(living)) as client:

        def first(text: str) -> dict[str, Any]:
            return dict(client.post("/search", json={"text": text, "k": 1}).json()["items"][0])

        def found(text: str, item_id: str, title: str) -> None:
            until = time.monotonic() + 5
            while (first(text)["item_id"], first(text)["item"]["title"]) != (item_id, title):
                assert time.monotonic() < until
                time.sleep(0.05)

        old = shop.items.filter(language="en").row(0, named=True)
        for item_id, title in (("N1", "Zorblax hand warmer"), ("N2", "竹制砧板"), ("N1", "Quibbling jar")):
            assert client.put(f"/items/{item_id}", json={"title": title}).status_code == 200
            found(title, item_id, title)
        assert client.put(f"/items/{old['item_id']}", json={"title": "Frobnicator"}).status_code == 200
        found("frobnicator", old["item_id"], "Frobnicator")
        assert client.delete("/items/N2").status_code == 200
        assert first("竹制砧板")["item_id"] != "N2"
