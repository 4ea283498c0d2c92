"""A small shop: what is asked of its few customers, and how little their answers may decide."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.metrics.ranking import Ranked, ndcg_at, target_ranks
from retailor.retrieval.blend import ENOUGH, Blend
from retailor.retrieval.histories import Histories
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.blend.coldness import ColdBlend, item_groups
from retailor.tasks.recommend.blend.folds import AS_LEARNED, Rows, Values, ahead, leader, out_of_fold
from retailor.tasks.recommend.blend.tuning import choose_by_coldness, cold_start, drop_parts, values_of
from retailor.tasks.recommend.cases import UNSOLD_A_CASE, Cases, hold_out
from retailor.tasks.recommend.fit import default_blends
from retailor.tasks.recommend.shapes import RecommendQuery

# what is held out ---------------------------------------------------------------------------------


@given(st.integers(0, 400), st.integers(0, 5), st.integers(1, 40))
def test_of_items_without_an_event_as_many_are_asked_for_as_others_stand_beside(
    n_unsold: int, seed: int, n: int
) -> None:
    rng = np.random.default_rng(seed)
    histories = Histories.of([rng.permutation(60)[: rng.integers(1, 5)].tolist() for _ in range(30)])
    rest, cases = hold_out(histories, n, seed, n_unsold=n_unsold)
    left = np.bincount(rest.items, minlength=60)
    new = int((left[cases.targets] == 0).sum())
    assert new <= n_unsold // UNSOLD_A_CASE
    assert len(rest.items) == len(histories.items) - len(cases) and len(cases) <= n
    asked = histories.at(cases.customers)
    assert cases.targets.tolist() == asked.items[asked.offsets[1:] - 1].tolist()


def test_a_shop_of_unsold_items_is_asked_for_them_and_a_shop_of_sold_ones_is_not() -> None:
    alone = Histories.of([[0, 1], [1, 0, 2], [0, 3], [1, 3]])  # nobody but one has 2; nobody keeps 3
    assert hold_out(alone, 10, seed=0)[1].targets.tolist() == [1]
    assert hold_out(alone, 10, seed=0, n_unsold=100)[1].targets.tolist() == [1, 2, 3, 3]


# out of fold --------------------------------------------------------------------------------------


def _measure(targets: np.ndarray) -> Values:
    def ndcg(scores: np.ndarray, rows: Rows) -> np.ndarray:
        return ndcg_at(Ranked.single(target_ranks(scores, targets[rows])), 10)

    return ndcg


def _blocks(n: int, strengths: dict[str, float], n_items: int = 200) -> tuple[dict, np.ndarray]:
    """Noise [n, n_items] by name, in which the target stands out by so many deviations."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, n_items, n)
    z = {name: rng.standard_normal((n, n_items)).astype(np.float32) for name in strengths}
    for name, strength in strengths.items():
        z[name][np.arange(n), targets] += strength
    return z, targets


def test_a_part_that_is_ahead_of_the_blend_is_served_alone() -> None:
    """The default would have the kernels weigh most, which know nothing of these few customers."""
    z, targets = _blocks(100, {"tfidf_kernel": 0.0, "embedding_kernel": 0.0, "popularity": 3.0})
    alone, log = leader(z, tuple(z), _measure(targets), len(targets))
    assert alone == "popularity" == log["served"] and log["popularity"] > log["blend"]


def test_a_blend_that_leads_is_not_given_up() -> None:
    z, targets = _blocks(100, {"tfidf_kernel": 2.0, "sequential_knn": 2.0})
    alone, log = leader(z, tuple(z), _measure(targets), len(targets))
    assert alone is None and log["blend"] > log["tfidf_kernel"]


def test_a_default_that_does_not_suit_gives_way_to_what_was_learned() -> None:
    strengths = {"tfidf_kernel": 0.0, "embedding_kernel": 0.0, "popularity": 2.0, "sequential_knn": 2.0}
    z, targets = _blocks(300, strengths)
    served, log = leader(z, tuple(z), _measure(targets), len(targets))
    assert served == AS_LEARNED and log[AS_LEARNED] > log["blend"]


def test_a_part_outside_the_blend_can_be_served_and_the_others_stay_known() -> None:
    z, targets = _blocks(100, {"tfidf_kernel": 0.0, "popularity": 0.0, "ease": 4.0})
    alone, _ = leader(z, ("tfidf_kernel", "popularity"), _measure(targets), len(targets))
    assert alone == "ease"
    rest = Blend(("tfidf_kernel", "popularity"), (0.6, 0.4))
    only = ColdBlend.only(alone, rest, told=True)
    assert only.used() == ("ease",) and only.names == ("tfidf_kernel", "popularity", "ease")
    assert ColdBlend.of_dict(only.to_dict()).used() == ("ease",)
    new, known = np.array([0]), np.array([1, 2])
    guess = ColdBlend.only(alone, rest, told=False)  # nobody asked for new items: text still speaks of them
    assert guess.of_items("tfidf_kernel", 0, new).tolist() == [1.0]
    assert guess.of_items("ease", 0, new).tolist() == guess.of_items("popularity", 0, new).tolist() == [0.0]
    assert guess.of_items("ease", 1, known).tolist() == [1.0, 1.0]
    assert ColdBlend.only("tfidf_kernel", rest, told=False).used() == ("tfidf_kernel",)


def test_enough_cases_need_no_folds() -> None:
    z, targets = _blocks(ENOUGH, {"tfidf_kernel": 0.0, "popularity": 3.0}, n_items=12)
    assert leader(z, tuple(z), _measure(targets), ENOUGH) == (None, {})


@given(st.integers(2, 3 * ENOUGH), st.floats(1e-6, 2) | st.just(-1e-6))
def test_few_cases_must_show_a_clear_lead_and_enough_only_a_lead(n: int, shift: float) -> None:
    noise = np.random.default_rng(0).standard_normal(n)
    noise -= noise.mean()
    found = ahead(noise + shift, np.zeros(n))
    assert found == (shift > (0 if n >= ENOUGH else 1.96 * noise.std() / np.sqrt(n)))
    assert shift < 0 or not ahead(np.zeros(n), noise + shift)


def test_no_case_is_scored_by_weights_that_saw_it() -> None:
    z, targets = _blocks(40, {"tfidf_kernel": 1.0, "popularity": 0.5})
    plain, seen, scored = _measure(targets), set(), []

    def spy(scores: np.ndarray, rows: Rows) -> np.ndarray:
        assert not isinstance(rows, slice)
        if len(rows) > 20:  # learning: what is scored next must not be among these
            seen.clear()
            seen.update(rows.tolist())
        else:
            assert seen.isdisjoint(rows.tolist())
            scored.extend(rows.tolist())
        return plain(scores, rows)

    found = out_of_fold(z, spy, 40)
    assert sorted(scored) == sorted(2 * list(range(40))) and found[0].shape == (40,)


# weights by coldness ------------------------------------------------------------------------------


def _shop_of_groups(n: int) -> tuple[dict, Histories, Cases, np.ndarray]:
    z, targets = _blocks(n, {"tfidf_kernel": 1.5, "sequential_knn": 1.5}, n_items=40)
    return z, Histories.of([[]] * n), Cases(np.arange(n), targets), item_groups(np.arange(40) % 8)


def test_weights_of_a_group_are_drawn_to_those_of_all_by_its_size(monkeypatch: pytest.MonkeyPatch) -> None:
    z, asked, cases, items = _shop_of_groups(250)
    start = ColdBlend.plain(Blend(tuple(z), (1.0, 0.1)))
    some, log = choose_by_coldness(start, z, asked, cases, items, told=True)
    monkeypatch.setattr("retailor.tasks.recommend.blend.tuning.trust", lambda n: 1.0)
    whole, again = choose_by_coldness(start, z, asked, cases, items, told=True)
    assert log and log == again
    np.testing.assert_allclose(some.weights, 0.25 * whole.weights + 0.75 * start.weights)


def test_new_items_that_are_asked_for_have_weights_of_their_own() -> None:
    z, asked, cases, items = _shop_of_groups(250)
    z["sequential_knn"][:, items == 0] = -3  # it knows that new items are not chosen
    values = values_of(asked, Cases(cases.customers, 1 + cases.targets % 7), 40)
    start = Blend(tuple(z), (1.0, 1.0))
    told, derived = (cold_start(start, z, asked, items, values, told=told) for told in (True, False))
    assert told.of_items("sequential_knn", 0, np.array([0])).tolist() == [1.0]
    assert derived.of_items("sequential_knn", 0, np.array([0])).tolist() == [0.0]


def test_few_cases_drop_no_part_that_weighs_anything() -> None:
    z, asked, _, items = _shop_of_groups(60)
    z["popularity"] = np.zeros_like(z["tfidf_kernel"])
    blend = ColdBlend.plain(Blend(tuple(z), (1.0, 0.5, 0.1)))

    def nothing(scores: np.ndarray) -> float:
        return 1.0

    assert drop_parts(blend, z, asked, items, nothing, 0.0, told=True, sure=False)[1] == {}
    idle = ColdBlend.plain(Blend(tuple(z), (1.0, 0.5, 0.0)))
    assert set(drop_parts(idle, z, asked, items, nothing, 0.0, told=True, sure=False)[1]) == {"popularity"}
    assert len(drop_parts(blend, z, asked, items, nothing, 0.0, told=True)[1]) == 2


@pytest.mark.parametrize(("n", "weight"), [(0, 0.0), (ENOUGH // 2, 0.25), (10 * ENOUGH, 0.5)])
def test_a_network_that_nothing_has_checked_weighs_by_its_customers(n: int, weight: float) -> None:
    _, blend = default_blends(["tfidf_kernel", "two_tower"], n)
    assert blend.of_items("two_tower", 0, np.array([2])).tolist() == [weight]


# a whole shop -------------------------------------------------------------------------------------


def test_customers_who_choose_by_words_among_unsold_items_are_served_by_words() -> None:
    """Nearly every item is chosen once at most: links and popularity say nothing of what comes next."""
    rng = np.random.default_rng(0)
    themes = [f"{a}ware {b}work" for a in ("tea", "iron", "glass", "wood") for b in ("lace", "stone", "leaf")]
    items = pl.DataFrame(
        {"item_id": [f"i{i:04}" for i in range(1200)], "title": [themes[i % 12] for i in range(1200)]}
    )
    start, rows = datetime(2024, 1, 1, tzinfo=UTC), []
    own = {user: rng.permutation(np.arange(user % 12, 1200, 12))[:4] for user in range(60)}
    for place in range(4):
        rows += [(f"u{u:02}", f"i{own[u][place]:04}", start + timedelta(days=place)) for u in own]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
    shop = Shop.of(items=items, events=events.with_columns(kind=pl.lit("buy")))
    task = Recommender(None, RecommendSettings(sasrec=SasrecSettings(enabled=False))).fit(shop)
    assert task.log["validation"]["n"] > 50  # not only customers of items that another has chosen too
    share = []
    queries = [RecommendQuery(user_id=f"u{user:02}", k=10) for user in range(12)]
    for user, answer in enumerate(task.predict(queries)):
        share += [int(item.item_id[1:]) % 12 == user % 12 for item in answer.items]
    assert np.mean(share) == 1
