"""New events: what an update counts of them alone is, to the last digit, what counting all of them gives."""

from __future__ import annotations

import shutil
from copy import copy
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import HealthCheck, given
from hypothesis import settings as trials
from hypothesis import strategies as st

from retailor.errors import MissingTable
from retailor.retrieval import counting, ragged
from retailor.retrieval.counting import Counts
from retailor.retrieval.histories import Histories, Scorer
from retailor.shop.gone import Gone
from retailor.shop.tables import TIME, Shop, open_shop
from retailor.store import artifact
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend import customers as customers_room
from retailor.tasks.recommend import update as updating
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.customers import Customers, read_customers
from retailor.tasks.recommend.forget import forget
from retailor.tasks.recommend.model import Fitted
from retailor.tasks.recommend.scorers.makers import counted
from retailor.tasks.recommend.scorers.parts import tensors_of
from retailor.tasks.recommend.shapes import RecommendQuery

DAY = datetime(2026, 1, 1, tzinfo=UTC)
COUNTED = ("popularity", "item_knn", "sequential_knn", "user_frequency", "user_recency", "tifu_knn", "up_cf")
N_USERS, N_ITEMS = 12, 9
Event = tuple[int, int, str, int]
"""A customer, an item, a kind, and the hours since DAY."""
KINDS = ("view", "cart", "buy")
EVENTS = st.tuples(
    st.integers(0, N_USERS + 2), st.integers(0, N_ITEMS + 2), st.sampled_from(KINDS), st.integers(-50, 50)
)
BATCHES = st.lists(st.lists(EVENTS, min_size=1, max_size=6), min_size=1, max_size=3)
"""Customers, items and times that are known or not; an event may come twice."""
SHAPES: dict[str, dict[str, Any]] = {
    "long histories": {},
    "short histories, few links": {"max_history": 4, "n_links": 2},
    "few pairs": {"max_history": 6, "n_links": 3, "max_pairs": 150},
    "baskets": {"max_history": 5, "n_links": 3, "repeats": True},
    "candidates": {"max_history": 5, "n_links": 3, "retrieval": "approximate", "max_closed_form": 1,
                   "factors": 4},
}  # fmt: skip


@pytest.fixture(autouse=True)
def _never_all(monkeypatch: pytest.MonkeyPatch) -> None:
    """In shops as small as these most of it would be counted again; rows are put end to end now and then."""
    monkeypatch.setattr(counting, "TOO_MANY", 99)
    monkeypatch.setattr(updating, "MANY", 99)
    monkeypatch.setattr(ragged, "LEAST", 20)


def shop_of(events: list[Event]) -> Shop:
    rows = [
        {"user_id": f"u{user:02d}", "item_id": f"i{item:02d}", "kind": kind,
         "time": DAY + timedelta(hours=at)}
        for user, item, kind, at in events
    ]  # fmt: skip
    return Shop.of(events=pl.DataFrame(rows))


def first_events() -> list[Event]:
    rng = np.random.default_rng(5)
    items = (rng.zipf(1.6, 90) - 1) % N_ITEMS
    return [
        (int(rng.integers(N_USERS)), int(item), KINDS[int(rng.integers(3))], int(rng.integers(-900, -100)))
        for item in items
    ]


@pytest.fixture(scope="module", params=list(SHAPES))
def base(request: pytest.FixtureRequest) -> Recommender:
    more = SHAPES[request.param]
    settings = RecommendSettings(two_tower={"enabled": False}, sasrec={"enabled": False}, **more)  # type: ignore[arg-type]
    return Recommender(None, settings).fit(shop_of(first_events()))


def plain(before: Fitted, shop: Shop, after: Fitted, settings: RecommendSettings) -> dict[str, Any]:
    """The tensors of all counted parts, with every history made one by one and every pair counted."""
    known = {
        user: _events(before.customers.at(np.array([row])))
        for row, user in enumerate(before.customers.user_ids)
    }
    fresh = read_customers(shop, read_catalogue(shop), settings)
    ids = read_catalogue(shop).item_ids
    newest = max((each[2] for own in known.values() for each in own), default=0)
    for row, user in enumerate(fresh.user_ids):
        new = [
            (after.catalogue.ix[ids[item]], weight, basket + newest)
            for item, weight, basket in _events(fresh.at(np.array([row])))
        ]
        known[user] = (known.get(user, []) + new)[-settings.max_history :]
    histories = Histories.of(
        [[each[0] for each in own] for own in known.values()],
        [[each[1] for each in own] for own in known.values()],
    )
    if settings.repeats:
        numbers = [each[2] for own in known.values() for each in own]
        histories = replace(histories, baskets=np.array(numbers, np.int32))
    assert list(known) == list(after.customers.user_ids)
    assert after.customers.ix == {user: row for row, user in enumerate(known)}
    for name in ("offsets", "items", "weights", "baskets"):
        np.testing.assert_array_equal(
            getattr(after.customers.histories, name), getattr(histories, name), err_msg=name
        )
    made = counted(histories, histories.matrix(len(after.catalogue)), settings)
    return tensors_of({name: make() for name, make in made.items()})


def _events(history: Histories) -> list[tuple[int, float, int]]:
    baskets = np.zeros(len(history.items), int) if history.baskets is None else history.baskets
    return list(zip(history.items.tolist(), history.weights.tolist(), baskets.tolist(), strict=True))


def parts_of(made: Fitted) -> dict[str, Scorer]:
    return {name: part for name, part in made.parts.items() if name in COUNTED}


def tensors(made: Fitted) -> dict[str, Any]:
    return tensors_of(parts_of(made))


def assert_equal(found: dict[str, Any], wanted: dict[str, Any]) -> None:
    assert found.keys() == wanted.keys()
    for name, values in wanted.items():
        np.testing.assert_array_equal(found[name], values, err_msg=name)


def answers(task: Recommender) -> list[Any]:
    users = [f"u{user:02d}" for user in range(N_USERS + 3)]
    return task.predict([RecommendQuery(user_id=user, k=6, exclude_seen=False) for user in users])


@trials(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
def test_events_one_after_the_other_give_what_all_counted_anew_give(
    base: Recommender, batches: list[list[Event]]
) -> None:
    task = copy(base)
    for batch in batches:
        before = task._made
        was = tensors(before)
        task = copy(task).update(shop_of(batch))
        assert_equal(tensors(task._made), plain(before, shop_of(batch), task._made, task.settings))
        assert_equal(tensors(before), was)


@trials(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(BATCHES)
def test_answers_are_those_of_parts_that_were_counted_anew(
    base: Recommender, batches: list[list[Event]]
) -> None:
    task = copy(base)
    for batch in batches:
        task = task.update(shop_of(batch))
    made = task._made
    histories = made.customers.histories
    again = counted(histories, histories.matrix(len(made.catalogue)), task.settings)
    other = copy(task)
    parts = {**made.parts, **{name: make() for name, make in again.items()}}
    customers = Customers(tuple(made.customers.user_ids), histories)
    other._fitted = replace(made, parts=parts, customers=customers)
    assert answers(task) == answers(other)
    both = [RecommendQuery(item_ids=("i00",), by="together", k=6)]
    assert task.predict(both) == other.predict(both)


def test_two_updates_of_one_recommender_know_nothing_of_each_other(base: Recommender) -> None:
    """A served recommender answers while the next one is made, and the one after that is made of it too."""
    before = answers(base)
    one, two = (
        shop_of([(0, 1, "buy", 1), (14, 0, "buy", 2)]),
        shop_of([(0, 3, "view", 1), (13, 10, "buy", 2)]),
    )
    first = copy(base).update(one)
    said, was = answers(first), tensors(first._made)
    second = copy(base).update(two)
    third = copy(first).update(two)
    assert answers(base) == before and answers(first) == said
    assert_equal(tensors(first._made), was)
    assert_equal(tensors(second._made), tensors(copy(base).update(two)._made))
    assert_equal(tensors(third._made), tensors(copy(base).update(one).update(two)._made))
    assert "u14" not in second._made.customers.ix and "u13" not in first._made.customers.ix
    assert "i10" not in first._made.catalogue.ix and list(first._made.customers.user_ids)[-1] == "u14"


def test_one_event_of_a_large_shop_counts_nothing_else_again(
    base: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = copy(base).update(shop_of([(0, 1, "buy", 1)]))
    monkeypatch.setattr(Counts, "of", lambda *given: pytest.fail("all was counted"))
    monkeypatch.setattr(Counts, "known", lambda *given: pytest.fail("all was looked at"))
    matrix = Histories.matrix

    def of_few(histories: Histories, n_items: int, **more: float) -> sp.csr_matrix:
        assert len(histories) < N_USERS, "a table of all was made"
        return matrix(histories, n_items, **more)

    monkeypatch.setattr(Histories, "matrix", of_few)
    task = task.update(shop_of([(0, 2, "buy", 2)]))
    assert "histories" not in vars(task._made.customers)


def test_most_of_a_shop_is_counted_with_the_rest(base: Recommender, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "TOO_MANY", 0.01)
    many, told = shop_of([(user, user % N_ITEMS, "buy", 1) for user in range(N_USERS)]), base._made
    after = copy(base).update(many)
    assert_equal(tensors(after._made), plain(told, many, after._made, base.settings))


def test_items_between_events(base: Recommender) -> None:
    items = Shop.of(items=pl.DataFrame({"item_id": ["new-1", "new-2"], "title": ["a lamp", "a chair"]}))
    later = shop_of([(0, 1, "buy", 1), (1, 11, "view", 3)])
    task = copy(base).update(shop_of([(0, 2, "buy", 0)])).update(items)
    before = task._made
    after = copy(task).update(later)._made
    assert_equal(tensors(after), plain(before, later, after, base.settings))
    links: Any = after.parts["item_knn"]
    assert sp.issparse(links.table()) and links.table().shape == (len(after.catalogue),) * 2


def test_an_updated_recommender_is_itself_when_it_is_loaded(base: Recommender, tmp_path: Path) -> None:
    task = copy(base).update(shop_of([(0, 1, "buy", 1), (14, 10, "view", 2), (3, 1, "cart", -99)]))
    task.save(tmp_path / "saved")
    loaded = Recommender.load(tmp_path / "saved")
    assert answers(loaded) == answers(task)
    assert_equal(tensors(loaded._made), tensors(task._made))
    assert loaded._made.how == task._made.how is not None
    more = shop_of([(14, 1, "buy", 3)])
    assert_equal(tensors(copy(loaded).update(more)._made), tensors(copy(task).update(more)._made))


def test_links_that_are_not_of_the_histories_are_counted_anew(base: Recommender, tmp_path: Path) -> None:
    """Of people who were forgotten the sums stay until there is something new."""
    task = copy(base).update(shop_of([(0, 1, "buy", 1)]))
    task.save(tmp_path / "saved")
    written = artifact.read_manifest(tmp_path / "saved").settings
    with artifact.writing(tmp_path / "left", task.kind, settings=written) as new:
        shutil.copytree(tmp_path / "saved", new, dirs_exist_ok=True)
        assert forget(new, Gone(frozenset({"u03"})))
    loaded = Recommender.load(tmp_path / "left")
    assert loaded._made.how is None and "u03" not in loaded._made.customers.ix
    more = shop_of([(14, 1, "buy", 3)])
    after = copy(loaded).update(more)
    assert_equal(tensors(after._made), plain(loaded._made, more, after._made, loaded.settings))


def test_links_that_another_version_counted_are_counted_anew(
    base: Recommender, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = copy(base).update(shop_of([(0, 1, "buy", 1)]))
    task.save(tmp_path / "saved")
    monkeypatch.setattr("retailor.tasks.recommend.model.COUNTING", 0)
    assert Recommender.load(tmp_path / "saved")._made.how is None


def test_reviews_stay_with_their_events() -> None:
    histories = replace(Histories.of([[1, 2], [3]]), reviews=np.array([7, -1, 8], np.int32))
    fresh = Customers(("b", "c"), Histories.of([[4], [5]]))
    after, changed = Customers(("a", "b"), histories).with_events(fresh, 9)
    assert after.histories.reviews is not None and after.histories.reviews.tolist() == [7, -1, 8, -1, -1]
    assert after.histories.items.tolist() == [1, 2, 3, 4, 5] and changed.rows.tolist() == [1, 2]


def test_more_customers_than_are_compared_keep_the_parts_that_were(base: Recommender) -> None:
    made = base._made
    if "tifu_knn" not in made.parts:
        return
    task = copy(base)
    task.settings = replace(base.settings, max_compared=len(made.customers))
    after = task.update(shop_of([(14, 11, "buy", 1)]))._made
    for name in ("tifu_knn", "up_cf"):
        part, was = after.parts[name], made.parts[name]
        assert part.customers.shape == (was.customers.shape[0], len(after.catalogue))  # type: ignore[attr-defined]
    assert answers(task)


@pytest.mark.parametrize("on_disk", [True, False])
def test_many_events_are_read_in_parts_to_the_same_histories(
    on_disk: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    rng, n = np.random.default_rng(0), 3_000
    events = pl.DataFrame(
        {
            "user_id": [None if not each else f"customer number {each}" for each in rng.integers(0, 200, n)],
            "item_id": [f"item {each}" for each in rng.integers(0, 60, n)],
            "kind": rng.choice(["buy", "view", "cart"], n).tolist(),
            "rating": rng.choice([1.0, 3.0, 5.0, None], n).tolist(),
            "time": pl.Series(rng.integers(0, 50, n) * 1000).cast(TIME),
        }
    )
    shop = Shop.of(events=events)
    settings = RecommendSettings(min_rating=3.0)
    whole = read_customers(shop, read_catalogue(shop), settings)
    monkeypatch.setattr(customers_room, "AT_ONCE", 10)
    if on_disk:
        shop.save(tmp_path / "shop")
        shop = open_shop(tmp_path / "shop")
    parts = read_customers(shop, read_catalogue(shop), settings)
    assert parts.user_ids == whole.user_ids
    for name in ("offsets", "items", "weights"):
        np.testing.assert_array_equal(getattr(parts.histories, name), getattr(whole.histories, name))
    assert on_disk is ("events" not in vars(shop))
    with pytest.raises(MissingTable, match="none of its kinds"):
        read_customers(shop, read_catalogue(shop), RecommendSettings(behaviours={"wish": 1.0}))
