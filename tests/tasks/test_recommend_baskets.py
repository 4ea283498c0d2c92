"""The next order: every item of it is asked for, repeats count when they are said to."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from retailor.errors import DataError
from retailor.metrics.scores import Scores
from retailor.retrieval.histories import Histories
from retailor.shop.gone import Gone
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.cases import hold_out
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.customers import read_customers
from retailor.tasks.recommend.evaluate.baskets import ranks_of, read_baskets
from retailor.tasks.recommend.forget import forget
from retailor.tasks.recommend.scorers.user_history import UserHistory
from retailor.tasks.recommend.shapes import RecommendQuery

START = datetime(2024, 1, 1, tzinfo=UTC)


def _orders(orders: list[tuple[str, int, list[str]]]) -> pl.DataFrame:
    """Events of (customer, day, items)."""
    rows = [(user, item, "buy", START + timedelta(days=day)) for user, day, items in orders for item in items]
    return pl.DataFrame(rows, schema=["user_id", "item_id", "kind", "time"], orient="row")


def _shop(n_users: int = 90, n_orders: int = 5, seed: int = 0) -> tuple[Shop, Shop]:
    """Everybody buys two staples of their own in most orders, and something of a fashion that changes."""
    rng = np.random.default_rng(seed)
    staples = rng.integers(12, size=(n_users, 2))
    train, test = [], []
    for user in range(n_users):
        for day in range(n_orders):
            own = [f"staple{item}" for item in staples[user] if rng.random() < 0.8]
            own.insert(rng.integers(len(own) + 1), f"fashion{rng.integers(8)}")
            order = (f"u{user:02}", day, own)
            (test if day == n_orders - 1 else train).append(order)
    return Shop.of(events=_orders(train)), Shop.of(events=_orders(test))


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    settings = RecommendSettings(repeats=True, protocol="next-basket", sasrec=SasrecSettings(enabled=False))
    return Recommender(None, settings).fit(_shop()[0])


def _value(scores: Scores, row: str, bucket: str = "all") -> float:
    return next(s.value for s in scores if (s.row, s.metric, s.bucket) == (row, "recall@10", bucket))


def test_what_is_bought_again_and_again_is_in_the_next_order(fitted: Recommender) -> None:
    scores = fitted.evaluate(_shop()[1])
    assert _value(scores, "personal frequency", "repeats") > 0.95
    assert _value(scores, "retailor", "repeats") > 0.95
    assert _value(scores, "retailor") > _value(scores, "popularity") + 0.1
    assert {s.bucket for s in scores} == {"all", "repeats", "new items"}
    n = {s.bucket: s.n for s in scores if s.row == "retailor" and s.metric == "recall@10"}
    assert n["all"] == 90


def test_a_next_basket_has_what_was_chosen_before_and_says_so(fitted: Recommender) -> None:
    before = _counts("u03")
    found = fitted.next_basket("u03", k=3).items
    assert max(before, key=lambda item: before[item]) in {one.item_id for one in found}
    assert any("chosen before" in one.reason for one in found)
    never = fitted.predict([RecommendQuery(user_id="u03", k=5)])[0].items
    assert not {one.item_id for one in never} & set(before)


def _counts(user: str) -> dict[str, int]:
    own = _shop()[0].events.filter(pl.col("user_id") == user)["item_id"]
    return dict(own.value_counts().iter_rows())


def test_without_repeats_only_new_items_of_the_order_are_asked_for() -> None:
    train, test = _shop()
    task = Recommender(
        None, RecommendSettings(protocol="next-basket", sasrec=SasrecSettings(enabled=False))
    ).fit(train)
    scores = task.evaluate(test)
    assert {s.bucket for s in scores} == {"all"}
    assert "personal frequency" not in {s.row for s in scores}
    assert 0 < next(iter(scores)).n < 90


def test_the_first_order_after_the_history_is_asked_and_an_unknown_item_cannot_be_found(
    fitted: Recommender,
) -> None:
    later = _orders(
        [("u00", 9, ["fashion1", "nowhere", "fashion1"]), ("u00", 10, ["fashion2"]), ("new", 9, ["fashion1"])]
    )
    made = fitted._made
    found = read_baskets(Shop.of(events=later), made.catalogue, made.customers, fitted.settings)
    assert len(found) == 1 and found.owners.tolist() == [0, 0]
    assert found.items.tolist() == [made.catalogue.ix["fashion1"], -1]


def test_without_repeats_what_was_chosen_before_is_not_asked_for(fitted: Recommender) -> None:
    before, made = next(iter(_counts("u00"))), fitted._made
    never = next(item for item in made.catalogue.ix if item not in _counts("u00"))
    later = Shop.of(events=_orders([("u00", 9, [before, never])]))
    for repeats, asked in ((True, {before, never}), (False, {never})):
        settings = replace(fitted.settings, repeats=repeats)
        found = read_baskets(later, made.catalogue, made.customers, settings)
        assert set(found.items.tolist()) == {made.catalogue.ix[item] for item in asked}
        assert found.known.tolist() == [int(row) == made.catalogue.ix[before] for row in found.items]


def test_the_figures_of_a_basket_are_of_ten_places(
    fitted: Recommender, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two items, one is at the first place and the other at the last that counts, or just behind it."""
    from retailor.tasks.recommend.evaluate import baskets as room

    for last, recall in ((10, 1.0), (11, 0.5)):
        ranks = np.array([[1, 1], [last, last]])
        monkeypatch.setattr(
            room, "basket_ranks", lambda *_, ranks=ranks, **__: ({"one": ranks}, {"one": 0.0})
        )
        asked = room.Baskets(np.array([0]), np.array([0, 0]), np.array([0, 1]), np.array([True, True]))
        scores = room.basket_scores({}, {}, asked, Histories.of([[0]]), 20, fitted.settings)
        assert scores.value("one", "recall@10") == recall
        second = np.log(2) / np.log(last + 1) if last == 10 else 0.0
        ideal = 1 + np.log(2) / np.log(3)
        assert scores.value("one", "ndcg@10") == pytest.approx((1 + second) / ideal)


def test_without_an_order_to_ask_for_it_says_so(fitted: Recommender) -> None:
    untimed = _orders([("u00", 9, ["fashion1"])]).with_columns(time=pl.lit(None, pl.Datetime("ms", "UTC")))
    for events in (untimed, _orders([("stranger", 9, ["fashion1"])])):
        with pytest.raises(DataError, match="next-basket needs later events"):
            fitted.evaluate(Shop.of(events=events))


@pytest.mark.filterwarnings("ignore:OpenBLAS:RuntimeWarning", "ignore:Intel MKL:RuntimeWarning")
def test_candidates_give_the_next_baskets_of_a_scan_and_a_day_later_too() -> None:
    settings = RecommendSettings(repeats=True, sasrec=SasrecSettings(enabled=False), retrieval="approximate")
    train, later = _shop()
    task = Recommender(None, settings).fit(train).update(later)
    for user in ("u00", "u07", "u42"):
        found, true = (some.next_basket(user).items for some in (task, task.scanning()))
        assert [(one.item_id, one.because) for one in found] == [(one.item_id, one.because) for one in true]


def test_a_last_event_that_repeats_is_held_out_only_where_repeats_count() -> None:
    histories = Histories.of([[0, 1, 0], [1, 2], [2]])
    assert hold_out(histories, 9, 0)[1].customers.tolist() == [1]
    rest, cases = hold_out(histories, 9, 0, repeats=True)
    assert cases.targets.tolist() == [0, 2] and rest.lengths().tolist() == [2, 1, 1]


def test_of_baskets_the_whole_last_one_is_held_out() -> None:
    made = Histories.of([[0, 1, 0, 2], [1, 2], [2, 2, 3]])
    numbers = np.array([1, 1, 2, 2, 4, 4, 5, 6, 6], np.int32)
    histories = Histories(made.offsets, made.items, made.weights, None, numbers)
    rest, cases = hold_out(histories, 9, 0, repeats=True, n_unsold=100)
    assert cases.customers.tolist() == [0, 2] and rest.lengths().tolist() == [2, 2, 1]
    assert rest.items.tolist() == [0, 1, 1, 2, 2]
    assert cases.targets[0] in (0, 2) and cases.targets[1] in (2, 3)
    drawn = {int(hold_out(histories, 9, seed, repeats=True, n_unsold=100)[1].targets[0]) for seed in range(9)}
    assert drawn == {0, 2}


def test_the_same_item_in_two_baskets_is_two_events() -> None:
    events = _orders([("u", 0, ["a", "a"]), ("u", 1, ["a"]), ("u", 2, ["b", "a"]), ("v", 2, ["a"])])
    shop, catalogue = Shop.of(events=events), read_catalogue(Shop.of(events=events))
    once = read_customers(shop, catalogue, RecommendSettings()).histories
    assert once.lengths().tolist() == [3, 1] and once.baskets is None
    again = read_customers(shop, catalogue, RecommendSettings(repeats=True)).histories
    assert again.lengths().tolist() == [4, 1] and again.basket_ages().tolist() == [3, 2, 1, 1, 1]


def test_baskets_are_kept_and_grow(fitted: Recommender, tmp_path: Path) -> None:
    fitted.save(tmp_path / "r")
    again = Recommender.load(tmp_path / "r")
    assert again.next_basket("u03", k=5) == fitted.next_basket("u03", k=5)
    known = again._made.customers.histories
    again.update(Shop.of(events=_orders([("u03", 9, ["staple1", "staple2"]), ("new", 9, ["staple1"])])))
    grown = again._made.customers.histories
    row = again._made.customers.ix["u03"]
    own = grown.at(np.array([row])).basket_ages()
    before = known.at(np.array([row])).basket_ages()
    assert own.tolist() == [*(before + 1), 1, 1]
    assert len(again.next_basket("new", k=3).items) == 3


def test_who_is_forgotten_is_in_no_basket_any_more(fitted: Recommender, tmp_path: Path) -> None:
    fitted.save(tmp_path / "r")
    settings = artifact.read_manifest(tmp_path / "r").settings
    with artifact.writing(tmp_path / "left", fitted.kind, settings=settings) as new:
        shutil.copytree(tmp_path / "r", new, dirs_exist_ok=True)
        assert forget(new, Gone(frozenset({"u03"})))
    before, after = fitted._made, Recommender.load(tmp_path / "left")._made
    left = np.delete(np.arange(90), before.customers.ix["u03"])
    expected = before.customers.histories.at(left)
    np.testing.assert_array_equal(after.customers.histories.basket_ages(), expected.basket_ages())
    for name in ("tifu_knn", "up_cf"):
        own, known = after.parts[name], before.parts[name]
        for table in ("customers", "bought")[: 1 + (name == "up_cf")]:
            np.testing.assert_array_equal(
                getattr(own, table).toarray(), getattr(known, table)[left].toarray()
            )
    scores = after.parts["up_cf"].scores(expected)
    assert scores.shape[0] == 89 and np.isfinite(scores).all()


def test_own_choices_count_every_time_and_lately_weighs_more() -> None:
    histories = Histories.of([[2, 0, 2], []])
    often = UserHistory(4, 0.0).scores(histories)
    np.testing.assert_allclose(often, [[1, 0, 2, 0], [0, 0, 0, 0]])
    np.testing.assert_allclose(UserHistory(4, 1.0).scores(histories)[0], [1 / 2, 0, 1 / 3 + 1, 0])


def test_ranks_of_several_targets_are_those_of_a_plain_sort() -> None:
    rng = np.random.default_rng(0)
    for _ in range(30):
        scores = rng.integers(0, 6, size=20).astype(np.float32)
        scores[rng.integers(20, size=3)] = -np.inf
        targets = rng.permutation(20)[:4]
        found = ranks_of(scores, np.append(targets, -1))
        for target, (best, worst) in zip(targets, found.tolist(), strict=False):
            places = [i + 1 for i, one in enumerate(sorted(-scores)) if one == -scores[target]]
            hidden = not np.isfinite(scores[target])
            assert (best, worst) == ((1 << 40,) * 2 if hidden else (places[0], places[-1]))
        assert found[-1].tolist() == [1 << 40] * 2
