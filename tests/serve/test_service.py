"""A service opens what a run left, remembers answers by fingerprint, and reloads without a pause."""

from __future__ import annotations

import json
import shutil
import threading
from pathlib import Path

import polars as pl
import pytest

from retailor.cache import MemoryCache
from retailor.errors import DataError, ServeError
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.tables import Shop
from retailor.tasks.answer.shapes import AnswerQuery
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.search.shapes import SearchQuery
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.testing.serving import TOY_TASKS, ToyRecommender, ToySentiment, toy_run


def first_customer(service: Service) -> str:
    return str(service.customers().rows[0]["user_id"])


class TestOpening:
    def test_a_run_folder(self, service: Service) -> None:
        ready = service.ready()
        assert ready["ready"] and ready["name"] == "toy"
        assert set(ready["tasks"]) == {"recommend", "search", "answer", "sentiment", "review"}
        assert (ready["n_items"], ready["n_customers"] > 50) == (60, True)

    def test_one_saved_task(self, shop: Shop, tmp_path: Path) -> None:
        ToyRecommender().fit(shop).save(tmp_path / "task")
        service = Service.load(tmp_path / "task", TOY_TASKS)
        assert set(service.ready()["tasks"]) == {"recommend"}
        assert len(service.ask("recommend", RecommendQuery(user_id="anyone", k=3)).answer.items) == 3
        with pytest.raises(ServeError, match="this run has no 'search' task; it has recommend") as error:
            service.ask("search", SearchQuery("tent"))
        assert error.value.status == 501
        service.close()

    def test_a_folder_of_artifacts(self, shop: Shop, tmp_path: Path) -> None:
        ToyRecommender().fit(shop).save(tmp_path / "recommender")
        ToySentiment().fit(shop).save(tmp_path / "sentiment")
        shop.save(tmp_path / "shop")
        service = Service.load(tmp_path, TOY_TASKS)
        assert set(service.ready()["tasks"]) == {"recommend", "sentiment"}
        assert service.ready()["n_items"] == 60
        service.close()

    def test_what_the_catalogue_has_none_of_is_not_shown(self, shop: Shop, tmp_path: Path) -> None:
        """Where the server keeps no events as well."""
        rows = shop.items.with_columns(in_stock=pl.int_range(len(shop.items)) % 2 == 0)
        there = rows.filter(pl.col("in_stock"))["item_id"].to_list()
        service = Service.load(toy_run(tmp_path, shop.with_tables(items=rows)), TOY_TASKS)
        assert service.ready()["n_sold_out"] == 30
        found = service.ask("recommend", RecommendQuery(user_id="nobody", k=100)).answer.items
        assert len(found) > 20 and {each.item_id for each in found} <= {*there}
        title = str(rows.filter(~pl.col("in_stock"))["title"][0])
        assert {each.item_id for each in service.ask("search", SearchQuery(title)).answer.items} <= {*there}
        service.close()

    def test_a_task_that_the_run_left_out_says_why(self, shop: Shop, tmp_path: Path) -> None:
        service = Service.load(toy_run(tmp_path, shop, without=["answer"]), TOY_TASKS)
        with pytest.raises(ServeError, match=r"no 'answer' task; .*: the shop has no data for it"):
            service.ask("answer", AnswerQuery("Is it blue?"))
        assert service.ready()["absent"] == {"answer": "the shop has no data for it"}
        service.close()

    def test_a_task_whose_package_is_missing_is_said_to_be_absent(self, shop: Shop, tmp_path: Path) -> None:
        folder = toy_run(tmp_path, shop)
        record = json.loads((folder / "run.json").read_text())
        stage = {"name": "fit-count", "kind": "count", "folder": "stages/fit-count", "fingerprint": "0"}
        (folder / "run.json").write_text(json.dumps({**record, "stages": [*record["stages"], stage]}))
        service = Service.load(folder, TOY_TASKS)
        assert set(service.ready()["tasks"]) == set(TOY_TASKS)
        assert service.ready()["absent"] == {"count": "the package that has this task is not installed here"}
        service.close()

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("{", "this is no record of a run"),
            ("[]", "this is no record of a run"),
            ('{"name": "x", "stages": [{"kind": "search"}]}', "this is no record of a run"),
            ('{"name": "x", "stages": []}', "there is no task to serve here"),
        ],
    )
    def test_a_broken_record_is_named(self, text: str, message: str, tmp_path: Path) -> None:
        (tmp_path / "run.json").write_text(text)
        with pytest.raises(DataError, match=message) as error:
            Service.load(tmp_path, TOY_TASKS)
        assert str(tmp_path) in str(error.value)

    def test_a_record_cannot_lead_outside(self, run_folder: Path, tmp_path: Path) -> None:
        stage = {"name": "fit-search", "kind": "search", "folder": str(run_folder / "stages" / "fit-search")}
        (tmp_path / "run.json").write_text(json.dumps({"name": "x", "stages": [stage]}))
        with pytest.raises(DataError, match="lies outside of the run"):
            Service.load(tmp_path, TOY_TASKS)

    def test_a_corrupt_file_is_named(self, run_folder: Path, tmp_path: Path) -> None:
        shutil.copytree(run_folder, tmp_path / "run")
        path = tmp_path / "run" / "stages" / "fit-search" / "state.json"
        path.write_text(path.read_text() + " ")
        with pytest.raises(DataError, match=r"fit-search/state\.json: the file is corrupt"):
            Service.load(tmp_path / "run", TOY_TASKS)

    def test_no_folder_and_an_empty_one(self, tmp_path: Path) -> None:
        with pytest.raises(DataError, match="there is no such folder"):
            Service.load(tmp_path / "nowhere", TOY_TASKS)
        with pytest.raises(DataError, match="there is no task to serve here"):
            Service.load(tmp_path, TOY_TASKS)


class TestAsking:
    def test_answers_are_those_of_the_task(self, service: Service, shop: Shop) -> None:
        user_id = first_customer(service)
        query = RecommendQuery(user_id=user_id, k=5)
        assert service.ask("recommend", query).answer == ToyRecommender().fit(shop).predict([query])[0]

    def test_the_second_time_comes_from_the_cache_and_is_equal(self, service: Service) -> None:
        item_id = service.find_items().rows[0]["item_id"]
        for kind, query in [
            ("search", SearchQuery("travel lightweight")),
            ("answer", AnswerQuery("what material?", history=(("a", "b"),))),
            ("sentiment", SentimentQuery("soft and good")),
            ("review", ReviewQuery(item_id, 4.0, ("weight",))),
            ("recommend", RecommendQuery(text="warm")),
        ]:
            first, second = service.ask(kind, query), service.ask(kind, query)
            assert (first.cached, second.cached) == (False, True)
            assert first.answer == second.answer

    def test_a_customer_without_a_history_is_like_a_new_one(self, service: Service) -> None:
        unknown = service.ask("recommend", RecommendQuery(user_id="never seen", k=4))
        assert unknown.notes["known_customer"] is False
        assert unknown.answer == service.ask("recommend", RecommendQuery(k=4)).answer
        known = service.ask("recommend", RecommendQuery(user_id=first_customer(service)))
        assert known.notes["known_customer"] is True

    def test_unknown_items_are_left_out_and_named(self, service: Service) -> None:
        item_id = service.find_items().rows[0]["item_id"]
        reply = service.ask("recommend", RecommendQuery(item_ids=("nope", item_id), k=3))
        assert reply.notes["unknown_items"] == ["nope"]
        assert reply.answer == service.ask("recommend", RecommendQuery(item_ids=(item_id,), k=3)).answer

    def test_only_unknown_items_is_not_found(self, service: Service) -> None:
        for ask in (
            lambda: service.ask("recommend", RecommendQuery(item_ids=("nope",))),
            lambda: service.ask("answer", AnswerQuery("Is it blue?", item_id="nope")),
            lambda: service.ask("review", ReviewQuery("nope")),
            lambda: service.items(("nope",)),
        ):
            with pytest.raises(ServeError, match="there is no item 'nope'") as error:
                ask()
            assert error.value.status == 404

    def test_the_view_agrees_with_the_tables(self, service: Service, shop: Shop) -> None:
        pages = [service.find_items(page=page, size=25) for page in (1, 2, 3)]
        ids = [row["item_id"] for page in pages for row in page.rows]
        assert sorted(ids) == sorted(shop.items["item_id"].to_list()) and pages[0].n_total == 60
        counts = [row["n_events"] for page in pages for row in page.rows]
        assert counts == sorted(counts, reverse=True) and sum(counts) == len(shop.events)
        user_id = first_customer(service)
        customer, history = service.customer(user_id, 1000)
        mine = shop.events.filter(user_id=user_id)
        assert customer["n_events"] == len(history) == len(mine)
        times = [event["time"] for event in history]
        assert times == sorted(times, reverse=True)

    def test_items_are_found_by_words_taken_literally(self, service: Service) -> None:
        title = service.find_items().rows[0]["title"]
        assert title in [row["title"] for row in service.find_items(title.lower()).rows]
        assert service.find_items(".*").n_total == service.find_items("[").n_total == 0
        assert service.customers("(").n_total == 0

    def test_customers_can_be_hidden(self, run_folder: Path) -> None:
        service = Service.load(run_folder, TOY_TASKS, ServeSettings(show_customers=False))
        for ask in (service.customers, lambda: service.customer("U1")):
            with pytest.raises(ServeError, match="does not show customers") as error:
                ask()
            assert error.value.status == 403
        service.close()

    def test_after_close_it_is_not_ready(self, run_folder: Path) -> None:
        service = Service.load(run_folder, TOY_TASKS)
        service.close()
        assert service.ready()["ready"] is False
        with pytest.raises(ServeError) as error:
            service.ask("search", SearchQuery("tent"))
        assert error.value.status == 503


class TestCacheAndReload:
    def test_answers_stay_over_a_restart_on_disk(self, run_folder: Path, tmp_path: Path) -> None:
        settings = ServeSettings(cache_url=f"lmdb:{tmp_path}/cache")
        query = SearchQuery("travel")
        first = Service.load(run_folder, TOY_TASKS, settings)
        answer = first.ask("search", query).answer
        first.close()
        second = Service.load(run_folder, TOY_TASKS, settings)
        reply = second.ask("search", query)
        assert reply.cached and reply.answer == answer
        second.close()

    def test_a_dead_redis_is_no_customers_problem(self, run_folder: Path) -> None:
        service = Service.load(run_folder, TOY_TASKS, ServeSettings(cache_url="redis://127.0.0.1:1/0"))
        assert not service.ask("search", SearchQuery("travel")).cached
        assert service.ask("search", SearchQuery("travel")).cached
        assert service.cache.n_failures >= 2
        service.close()

    def test_a_foreign_cache_entry_is_a_miss(self, run_folder: Path) -> None:
        service = Service.load(run_folder, TOY_TASKS)
        query = SearchQuery("travel")
        answer = service.ask("search", query).answer
        cache = service.cache
        for key in [*cache._small, *cache._main]:  # type: ignore[attr-defined]
            cache.put(key, b'{"items": "another shape"}')
        reply = service.ask("search", query)
        assert not reply.cached and reply.answer == answer
        service.close()

    def test_a_retrain_forgets_old_answers(self, shop: Shop, tmp_path: Path) -> None:
        service = Service.load(toy_run(tmp_path, shop), TOY_TASKS)
        before = service.ask("recommend", RecommendQuery(k=5))
        half = shop.with_tables(events=shop.events.head(len(shop.events) // 3))
        shutil.rmtree(tmp_path / "stages")
        toy_run(tmp_path, half, name="smaller")
        service.reload()
        after = service.ask("recommend", RecommendQuery(k=5))
        assert service.ready()["name"] == "smaller"
        assert not after.cached and after.fingerprint != before.fingerprint and after.answer != before.answer
        service.close()

    def test_a_failed_reload_leaves_the_old_run(self, run_folder: Path, tmp_path: Path) -> None:
        service = Service.load(run_folder, TOY_TASKS)
        with pytest.raises(DataError):
            service.reload(tmp_path)
        assert service.folder == run_folder and service.ask("search", SearchQuery("travel")).answer.items
        service.close()

    def test_no_request_fails_while_it_reloads(self, run_folder: Path) -> None:
        service = Service.load(run_folder, TOY_TASKS, ServeSettings(cache_url="memory:?size_mb=0"))
        errors: list[Exception] = []
        stop = threading.Event()

        def ask(thread: int) -> None:
            n = 0
            while not stop.is_set():
                n += 1
                try:
                    service.ask("search", SearchQuery(f"travel {thread} {n}"))
                except Exception as error:
                    errors.append(error)

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(6)]
        for thread in threads:
            thread.start()
        for _ in range(8):
            service.reload()
        stop.set()
        for thread in threads:
            thread.join()
        assert not errors and service.tallies["search"].n_requests > 20
        service.close()


@pytest.mark.parametrize(
    ("settings", "size_mb"),
    [
        (ServeSettings(), 64),
        (ServeSettings(memory_mb=8), 8),
        (ServeSettings(memory_mb=8, cache_url="memory:?size_mb=3"), 3),
    ],
)
def test_memory_takes_what_the_settings_say(run_folder: Path, settings: ServeSettings, size_mb: int) -> None:
    service = Service.load(run_folder, TOY_TASKS, settings)
    assert isinstance(service.cache, MemoryCache) and service.cache.size_bytes == size_mb * 2**20
    service.close()


def test_memory_in_front_of_a_folder_takes_it_too(run_folder: Path, tmp_path: Path) -> None:
    service = Service.load(run_folder, TOY_TASKS, ServeSettings(memory_mb=8, cache_url=f"lmdb:{tmp_path}"))
    assert service.cache.fast.size_bytes == 8 * 2**20  # type: ignore[attr-defined]
    service.close()
