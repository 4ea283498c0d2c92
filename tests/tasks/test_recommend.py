"""The recommender: its contract, shops with a known answer, filters, cold items and cold customers."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import scipy.sparse as sp
from numpy.typing import NDArray

from retailor.errors import DataError, MissingTable, ModelError
from retailor.models.shapes import Role
from retailor.retrieval.blend import Blend
from retailor.retrieval.ease import fit_ease, with_new_items
from retailor.retrieval.histories import Histories, Scorer
from retailor.retrieval.item_to_item import ItemToItem
from retailor.retrieval.popularity import Popularity
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings, TwoTowerSettings
from retailor.tasks.recommend.cases import Cases, hold_out
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.customers import read_customers
from retailor.tasks.recommend.evaluate.next_item import rank_cases
from retailor.tasks.recommend.fit import understand
from retailor.tasks.recommend.query import reasons
from retailor.tasks.recommend.query.ask import reads_text, recommend, text_scores
from retailor.tasks.recommend.query.related import diverse
from retailor.tasks.recommend.scorers.parts import Features
from retailor.tasks.recommend.scorers.tfidf import TfidfVectorizer
from retailor.tasks.recommend.scorers.two_tower import Whitening, fit_two_tower, untrained
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.testing.tasks import TaskContract
from retailor.testing.toys import HashEncoder

START = datetime(2024, 1, 1, tzinfo=UTC)


def _time_split(shop: Shop) -> tuple[Shop, Shop]:
    events = shop.events.sort("time")
    n = int(0.9 * len(events))
    return shop.with_tables(events=events[:n]), shop.with_tables(events=events[n:])


class TestContract(TaskContract):
    baselines = ("popularity", "item-knn", "ease", "sequential-knn", "tf-idf kernel + knn")

    def shop(self) -> Shop:
        return _time_split(demo_shop(60))[0]

    def test_shop(self) -> Shop:
        return _time_split(demo_shop(60))[1]

    test_shop.__test__ = False  # type: ignore[attr-defined]

    def task(self) -> Recommender:
        return Recommender(HashEncoder(), RecommendSettings(two_tower=TwoTowerSettings(epochs=1.0)))

    def queries(self) -> list[Any]:
        shop = self.shop()
        users, items = shop.events["user_id"].unique().sort(), shop.items["item_id"]
        return [
            RecommendQuery(user_id=users[0]),
            RecommendQuery(user_id=users[1], item_ids=(items[0], items[7]), k=3),
            RecommendQuery(item_ids=(items[3],), text="something warm", k=5, max_price=50.0),
            RecommendQuery(text="a gift for a dog"),
            RecommendQuery(),
        ]


# the checkerboard: even customers choose even items -----------------------------------------------


def _events(choices: list[tuple[str, str]], kind: str = "buy") -> pl.DataFrame:
    return pl.DataFrame(
        {
            "user_id": [user for user, _ in choices],
            "item_id": [item for _, item in choices],
            "kind": [kind] * len(choices),
            "time": [START + timedelta(hours=i) for i in range(len(choices))],
        }
    )


SIDES = ("kettle teapot porcelain", "drill hammer steel")


def _checkerboard(n_users: int = 80, n_items: int = 24, n_each: int = 5, seed: int = 0) -> Shop:
    """Items of a side share words; the last item of each side has none of the events."""
    rng = np.random.default_rng(seed)
    items = pl.DataFrame(
        {
            "item_id": [f"i{i:02}" for i in range(n_items)],
            "title": [f"{SIDES[i % 2]} number{i}" for i in range(n_items)],
            "category": [["all", ("tea", "tools")[i % 2]] for i in range(n_items)],
            "price": [float(i) if i != 4 else None for i in range(n_items)],
        }
    )
    sold = np.arange(n_items - 2)
    choices = []
    for user in range(n_users):
        side = rng.permutation(sold[sold % 2 == user % 2])
        choices += [(f"u{user:02}", f"i{i:02}") for i in side[:n_each]]
    return Shop.of(items=items, events=_events(choices))


def _side(item_id: str) -> int:
    return int(item_id[1:]) % 2


@pytest.fixture(scope="module")
def fitted() -> Recommender:
    return Recommender(HashEncoder(), RecommendSettings(two_tower=TwoTowerSettings(epochs=2.0))).fit(
        _checkerboard()
    )


def test_even_customers_are_recommended_even_items(fitted: Recommender) -> None:
    answers = fitted.predict([RecommendQuery(user_id=f"u{user:02}", k=5) for user in range(20)])
    for user, answer in enumerate(answers):
        assert [_side(item.item_id) for item in answer.items] == [user % 2] * 5


def test_words_that_the_encoder_does_not_read_are_said_and_have_no_say(fitted: Recommender) -> None:
    from tests.tasks.test_sentiment import encoder

    known = replace(fitted._made.understanding, encoder=encoder())  # its tokenizer has no Greek
    assert not reads_text(known, "σκηνή για δύο") and reads_text(known, "the great mug")
    assert not text_scores(
        replace(known, vectorizer=None), "σκηνή για δύο", len(fitted._made.catalogue)
    ).any()
    made = replace(fitted._made, understanding=known)
    answer = recommend(made, RecommendQuery(text="σκηνή για δύο"), text_weight=1.0)
    assert answer.unread_text and answer.items
    assert not recommend(made, RecommendQuery(text=""), text_weight=1.0).unread_text


def test_words_that_only_some_item_has_weigh_less_than_what_all_mean() -> None:
    """One rare word in common is no reason to come before what is meant; a whole title is one."""
    words = [f"{a}{b}{a}" for a in "bdfgklmn" for b in "aeiou"]
    titles = [f"{word} {words[i - 1]}" for i, word in enumerate(words)]

    class Meaning(HashEncoder):
        """Whatever is asked is near to the last ten items."""

        def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
            found = super().encode(texts)
            return super().encode(titles[-10:]).mean(axis=0)[None] if role == "query" else found

    known, _ = understand(tuple(titles), Meaning(), None)
    some = " ".join(words[1:24:3])
    assert text_scores(replace(known, encoder=None), some, len(titles)).argmax() < 24
    assert text_scores(known, some, len(titles)).argmax() >= len(titles) - 10
    assert text_scores(known, titles[3], len(titles)).argmax() == 3


def test_a_new_item_is_recommended_from_its_text_alone(fitted: Recommender) -> None:
    for user, new in (("u00", "i22"), ("u01", "i23")):
        items = fitted.predict([RecommendQuery(user_id=user, k=24)])[0].items
        ids = [item.item_id for item in items]
        assert ids.index(new) < 7, ids
        assert all(_side(one) == _side(new) for one in ids[: ids.index(new)])
        assert "nobody has chosen it yet; its text is close to" in items[ids.index(new)].reason


def test_new_customers_by_items_by_words_and_by_nothing(fitted: Recommender) -> None:
    by_item, by_words, nothing, unknown = fitted.predict(
        [
            RecommendQuery(item_ids=("i01",), k=5),
            RecommendQuery(text="looking for a porcelain teapot", k=5),
            RecommendQuery(k=5),
            RecommendQuery(user_id="nobody", item_ids=("gone",), k=5),
        ]
    )
    assert {_side(item.item_id) for item in by_item.items} == {1}
    assert {_side(item.item_id) for item in by_words.items} == {0}
    assert "words" in by_words.items[0].reason
    assert nothing == unknown
    assert "customers" in nothing.items[0].reason


def test_because_names_items_of_the_history(fitted: Recommender) -> None:
    answer = fitted.predict([RecommendQuery(item_ids=("i01", "i02", "i03"), k=4)])[0]
    for item in answer.items:
        assert item.because and set(item.because) <= {"i01", "i02", "i03"}
        same = [one for one in item.because if _side(one) == _side(item.item_id)]
        assert item.because[0] == same[0]


@pytest.mark.parametrize(
    ("part", "title", "because", "n", "shared", "said"),
    [
        (
            "tfidf_kernel",
            "Steel kettles, 1.7 l",
            "A kettle of STEEL",
            3,
            True,
            "shares “Steel”, “kettles” and customers with “A kettle of STEEL”",
        ),
        ("tfidf_kernel", "Steel pan", "Pan", 3, False, "shares “pan” with “Pan”"),
        ("tfidf_kernel", "Steel pan", "Wool sock", 3, True, "customers who chose “Wool sock” chose this too"),
        (
            "tfidf_kernel",
            "Steel pan",
            "Wool sock",
            3,
            False,
            "chosen by customers with a history like this one",
        ),
        ("embedding_kernel", "Steel pan", "Pot", 3, True, "close to “Pot” in meaning and in who chose it"),
        ("embedding_kernel", "Steel pan", "Pot", 3, False, "close to “Pot” in meaning"),
        ("sequential_knn", "Steel pan", "Pot", 3, True, "customers who chose “Pot” went on to this"),
        ("sequential_knn", "Steel pan", "Pot", 1, True, "a customer who chose “Pot” went on to this"),
        ("two_tower", "Pan", "Pan", 0, False, "nobody has chosen it yet; its text is close to “Pan” (“Pan”)"),
        ("sasrec", "Steel pan", None, 0, False, "nobody has chosen it yet"),
        ("popularity", "Steel pan", None, 0, False, "nobody has chosen it yet"),
        ("popularity", "Steel pan", None, 1, False, "chosen by one customer"),
        ("popularity", "Steel pan", None, 1234, False, "chosen by 1,234 customers"),
        (
            "similar",
            "不锈钢水壶 黑色",
            "水壶 白色",
            3,
            False,
            "its text is close to that of “水壶 白色” (“水壶”)",
        ),
        ("together", "Steel pan", "Pot", 1, True, "chosen by a customer of “Pot”"),
        ("user_reviews", "Steel pan", None, 0, False, "its text is close to what the customer wrote"),
    ],
)
def test_reasons_say_what_the_tables_bear_out(
    part: str, title: str, because: str | None, n: int, shared: bool, said: str
) -> None:
    assert reasons.why(part, title, because, n, shared=shared).text() == said


def test_a_reason_is_of_the_strongest_part_that_has_one_and_names_the_item_that_it_is_from() -> None:
    pulls = {"two_tower": np.array([0.1, 0.9]), "sequential_knn": np.array([0.5, 0.0])}
    shares = {"two_tower": 0.4, "sequential_knn": 0.6, "popularity": 0.1}
    assert reasons.reason_of(shares, pulls, True) == ("sequential_knn", 0)
    assert reasons.reason_of({**shares, "two_tower": 0.7}, pulls, True) == ("two_tower", 1)
    assert reasons.reason_of({**shares, "popularity": 0.7}, pulls, True) == ("popularity", None)
    assert reasons.reason_of({**shares, "popularity": 0.7}, pulls, False) == ("sequential_knn", 0)
    nothing = {name: -np.ones(2) for name in pulls}
    assert reasons.reason_of(shares, nothing, True) == ("popularity", None)
    assert reasons.reason_of(shares, {name: np.zeros(0) for name in pulls}, False) == ("popularity", None)


def test_no_reason_contradicts_the_tables(fitted: Recommender) -> None:
    """Of every item recommended to some customers: whether anybody chose it, and whether one chose both."""
    shop = _checkerboard()
    titles = dict(zip(shop.items["item_id"], shop.items["title"], strict=True))
    has = {user: set(some["item_id"]) for (user,), some in shop.events.group_by("user_id")}
    queries = [RecommendQuery(user_id=f"u{user:02}", k=24) for user in range(0, 80, 7)]
    for query, answer in zip(queries, fitted.predict(queries), strict=True):
        for item in answer.items:
            owners = [own for own in has.values() if item.item_id in own]
            assert ("nobody has chosen it yet" in item.reason) == (not owners)
            assert set(item.because) <= has[str(query.user_id)]
            if "who chose “" in item.reason or "and customers" in item.reason:
                named = next(one for one in item.because if f"“{titles[one]}”" in item.reason)
                assert any(named in own for own in owners)


def test_filters_leave_only_what_was_asked_for(fitted: Recommender) -> None:
    user = RecommendQuery(user_id="u00", k=24)
    seen = set(_checkerboard().events.filter(pl.col("user_id") == "u00")["item_id"])

    def ids(**changes: Any) -> list[str]:
        query = RecommendQuery(**{**vars(user), **changes})
        return [item.item_id for item in fitted.predict([query])[0].items]

    assert seen.isdisjoint(ids()) and len(ids()) == 24 - len(seen)
    assert seen < set(ids(exclude_seen=False))
    assert "i22" not in ids(exclude=("i22", "no such item"))
    assert {_side(one) for one in ids(categories=(" TOOLS ",))} == {1}
    assert ids(categories=("toys",)) == []
    cheap = ids(max_price=6.0, exclude_seen=False)
    assert sorted(cheap) == ["i00", "i01", "i02", "i03", "i05", "i06"]
    assert len(ids(k=2)) == 2


def test_a_bad_query_is_named(fitted: Recommender) -> None:
    with pytest.raises(DataError, match="k = 0; it goes from 1 to 1000"):
        fitted.predict([RecommendQuery(k=0)])
    with pytest.raises(DataError, match="2,001 characters"):
        fitted.predict([RecommendQuery(text="x" * 2001)])
    with pytest.raises(DataError, match="currency needs the max_price"):
        fitted.predict([RecommendQuery(currency="USD")])
    with pytest.raises(ModelError, match="call fit"):
        Recommender(None).predict([RecommendQuery()])


def test_the_order_of_the_tables_changes_nothing() -> None:
    shop = _checkerboard()
    order = np.random.default_rng(1).permutation(len(shop.items))
    moved = shop.with_tables(items=shop.items[order])
    settings = RecommendSettings(two_tower=TwoTowerSettings(enabled=False))
    queries = [RecommendQuery(user_id=f"u{user:02}", k=8) for user in range(6)]
    for a, b in zip(
        Recommender(None, settings).fit(shop).predict(queries),
        Recommender(None, settings).fit(moved).predict(queries),
        strict=True,
    ):
        assert [item.item_id for item in a.items] == [item.item_id for item in b.items]


def test_without_texts_no_language_model_is_pretended() -> None:
    shop = _checkerboard().with_tables(items=pl.DataFrame(schema={"item_id": pl.String}))
    task = Recommender(HashEncoder()).fit(shop)
    assert task.log["encoder"] is None
    rows = {score.row for score in task.evaluate(_next_events(shop))}
    assert {"popularity", "item-knn", "ease", "retailor"} <= rows
    assert not rows & {"tf-idf kernel + knn", "encoder kernel + knn", "two-tower alone"}
    answer = task.predict([RecommendQuery(user_id="u00", text="teapot", k=5)])[0]
    assert {_side(item.item_id) for item in answer.items} == {0}


def test_numbers_of_categories_are_words_and_no_language() -> None:
    shop = _checkerboard()
    items = shop.items.select(
        "item_id", category=pl.concat_list(pl.col("item_id").hash().mod(3).cast(pl.String))
    )
    task = Recommender(HashEncoder()).fit(shop.with_tables(items=items))
    assert task.log["encoder"] is None
    rows = {score.row for score in task.evaluate(_next_events(shop))}
    assert "tf-idf kernel + knn" in rows and "encoder kernel + knn" not in rows


def _next_events(shop: Shop) -> Shop:
    """One more item of the own side for every customer, and an event of an item that nobody sells."""
    choices = []
    for user in range(80):
        own = set(shop.events.filter(pl.col("user_id") == f"u{user:02}")["item_id"])
        choices.append(
            (f"u{user:02}", next(f"i{i:02}" for i in range(user % 2, 22, 2) if f"i{i:02}" not in own))
        )
    return shop.with_tables(events=_events([*choices, ("u00", "unheard of")]))


def test_scores_know_the_checkerboard(fitted: Recommender) -> None:
    scores = fitted.evaluate(_next_events(_checkerboard()))
    assert scores.value("retailor", "recall@10") > 0.9
    assert scores.value("popularity", "recall@10") < 0.8
    assert {score.n for score in scores if score.row == "retailor" and score.metric == "mrr"} >= {81, 1}
    assert scores.value("retailor", "recall@10", "item seen 0") == 0
    for metric in ("coverage@10", "novelty@10", "popularity@10", "gini@10"):
        assert scores.value("retailor", metric) >= 0
    # A list of the own side has the categories of the own side; one of what is popular has both.
    assert scores.value("retailor", "miscalibration@10") < scores.value("popularity", "miscalibration@10")


def test_a_tie_has_all_its_places_and_the_own_history_is_masked() -> None:
    links = ItemToItem(
        sp.csr_matrix(np.array([[0, 1, 1, 0], [9, 0, 0, 0], [0] * 4, [0] * 4], np.float32)), 0.0
    )
    histories = Histories.of([[0], [1, 0]])
    cases = Cases(np.array([0, 1, 1]), np.array([1, 2, 3]))
    parts: dict[str, Scorer] = {"knn": links, "popularity": Popularity(np.array([2, 1, 0, 0], np.float32))}
    ranks = rank_cases(
        parts, {"knn": Blend(("knn",), (1.0,))}, cases, histories, np.arange(4, dtype=np.uint64)
    )
    assert ranks.ranks["knn"].tolist() == [[1, 2], [1, 1], [2, 2]]


def test_a_repeat_and_a_seen_item_are_not_asked_for(fitted: Recommender) -> None:
    shop = _checkerboard()
    seen = shop.events.filter(pl.col("user_id") == "u00")["item_id"][0]
    events = _events([("u00", seen), ("u00", "i22"), ("u00", "i22"), ("stranger", "i03")])
    cases = fitted.cases(shop.with_tables(events=events))
    assert sorted(cases.customers.tolist()) == [-1, 0]
    assert fitted.ranks(cases).ranks["retailor"].shape == (2, 2)


# reading ------------------------------------------------------------------------------------------


def test_behaviours_weigh_by_kind_and_low_ratings_can_be_left_out() -> None:
    events = pl.DataFrame(
        {
            "user_id": ["a", "a", "a", "b", None],
            "item_id": ["x", "x", "y", "z", "x"],
            "kind": ["view", "cart", "rate", "rate", "buy"],
            "rating": [None, None, 2.0, 5.0, None],
            "time": [START + timedelta(hours=i) for i in range(5)],
        }
    )
    shop = Shop.of(events=events)
    catalogue = read_catalogue(shop)
    customers = read_customers(shop, catalogue, RecommendSettings())
    assert customers.user_ids == ("a", "b")
    np.testing.assert_allclose(customers.histories.weights, [0.6, 1.0, 1.0])
    strict = read_customers(shop, catalogue, RecommendSettings(min_rating=3))
    assert strict.histories.lengths().tolist() == [1, 1]
    with pytest.raises(MissingTable, match=r"none of its kinds \(buy, cart, rate, view\)"):
        read_customers(shop, catalogue, RecommendSettings(behaviours={"favourite": 1.0}))


def test_what_is_held_out_is_the_last_event_and_new_to_its_customer() -> None:
    histories = Histories.of([[0, 1, 2], [3], [1, 2, 1], [2, 0]])
    rest, cases = hold_out(histories, 10, seed=0)
    assert cases.customers.tolist() == [0, 3]
    assert cases.targets.tolist() == [2, 0]
    assert [rest.items[a:b].tolist() for a, b in itertools.pairwise(rest.offsets)] == [
        [0, 1],
        [3],
        [1, 2, 1],
        [2],
    ]
    assert len(hold_out(histories, 1, seed=0)[1]) == 1
    alone = Histories.of([[0, 1], [1, 0, 2], [0, 3], [1, 3]])  # nobody but one has 2; nobody keeps 3
    rest, cases = hold_out(alone, 10, seed=0)
    assert cases.targets.tolist() == [1] and set(rest.items.tolist()) == {0, 1, 2, 3}


def test_word_features_are_unit_rows_of_known_words() -> None:
    texts = ["red kettle", "red drill", "", "kettle kettle"]
    features = TfidfVectorizer.of(texts).features([*texts, "violin"]).toarray()
    np.testing.assert_allclose(np.linalg.norm(features, axis=1), [1, 1, 0, 1, 0], atol=1e-6)
    assert features.shape[1] == 2


# the two towers --------------------------------------------------------------------------------


def _vectors(n: int, dim: int, seed: int = 0) -> NDArray[np.float32]:
    return np.random.default_rng(seed).standard_normal((n, dim)).astype(np.float32)


def test_whitening_makes_directions_alike_and_keeps_nothing_at_zero() -> None:
    vectors = _vectors(4000, 6) * np.array([10, 5, 1, 1, 0.5, 0.5], np.float32) + 3
    vectors[7] = 0
    white = Whitening.of(vectors)(vectors)
    assert not white[7].any()
    np.testing.assert_allclose(np.linalg.norm(white[:7], axis=1), 1, atol=1e-5)
    spread = np.linalg.eigvalsh(np.cov(white.T))
    assert spread.max() < 1.6 * spread.min()


def test_the_two_towers_learn_a_turn_that_no_cosine_knows() -> None:
    """Customers go from item i to the item that lies where i does, but turned: W must learn the turn."""
    n, dim = 60, 8
    vectors = Whitening.of(_vectors(n, dim))(_vectors(n, dim))
    turned = np.roll(vectors, 1, axis=1)
    follows = np.argmax(turned @ vectors.T - 9 * np.eye(n), axis=1)
    histories = Histories.of([[i, int(follows[i])] for i in range(n) for _ in range(20)])
    settings = RecommendSettings(
        two_tower=TwoTowerSettings(epochs=12.0, batch_size=256, hidden=64, dropout=0.0)
    )
    towers, log = fit_two_tower(vectors, histories, settings)
    asked = Histories.of([[i] for i in range(n)])

    def hits(scores: NDArray[np.float32]) -> float:
        return float((np.argsort(-scores, axis=1)[:, :3] == follows[:, None]).any(axis=1).mean())

    assert hits(towers.scores(asked)) > 0.8 > 0.4 > hits(untrained(vectors, 1.0).scores(asked))
    assert log["examples_seen"] == 12 * 1200
    again, _ = fit_two_tower(vectors, histories, settings)
    np.testing.assert_array_equal(again.candidates, towers.candidates)


def test_the_two_towers_over_a_sample_of_a_large_catalogue_learn_too() -> None:
    vectors = Whitening.of(_vectors(60, 8))(_vectors(60, 8))
    follows = np.argmax(np.roll(vectors, 1, axis=1) @ vectors.T - 9 * np.eye(60), axis=1)
    histories = Histories.of([[i, int(follows[i])] for i in range(60) for _ in range(20)])
    settings = RecommendSettings(
        two_tower=TwoTowerSettings(epochs=8.0, batch_size=256, dropout=0.0), max_softmax=20
    )
    towers, _ = fit_two_tower(vectors, histories, settings)
    scores = towers.scores(Histories.of([[i] for i in range(60)]))
    plain = untrained(vectors, 1.0).scores(Histories.of([[i] for i in range(60)]))
    rows = np.arange(60)
    assert (scores > scores[rows, follows][:, None]).mean() < (
        plain > plain[rows, follows][:, None]
    ).mean() / 2


def test_nobody_with_two_events_leaves_the_two_towers_untrained() -> None:
    towers, log = fit_two_tower(_vectors(5, 4), Histories.of([[1], [2], []]), RecommendSettings())
    assert log == {}
    assert not towers.scores(Histories.of([[]])).any()


@pytest.mark.filterwarnings("ignore:OpenBLAS:RuntimeWarning", "ignore:Intel MKL:RuntimeWarning")
def test_a_catalogue_too_large_for_a_closed_form(tmp_path: Path) -> None:
    settings = RecommendSettings(max_closed_form=10, max_softmax=10, two_tower=TwoTowerSettings(epochs=4.0))
    task = Recommender(HashEncoder(), settings).fit(_checkerboard())
    rows = {score.row for score in task.evaluate(_next_events(_checkerboard()))}
    assert {"ials", "tf-idf + knn", "two-tower alone", "retailor"} <= rows
    assert not rows & {"ease", "tf-idf kernel + knn"}
    queries = [RecommendQuery(user_id=f"u{user:02}", k=5) for user in range(6)]
    answers = task.predict(queries)
    for user, answer in enumerate(answers):
        assert [_side(item.item_id) for item in answer.items] == [user % 2] * 5
    task.save(tmp_path / "task")
    assert Recommender.load(tmp_path / "task").predict(queries) == answers


def test_few_customers_get_the_default_weights() -> None:
    task = Recommender(HashEncoder()).fit(_checkerboard(n_users=6))
    assert "too few" in task.log["validation"]["note"]
    assert task.predict([RecommendQuery(user_id="u00", k=3)])[0].items


def test_a_shop_without_events_for_anybody_twice_still_answers() -> None:
    events = _events([(f"u{i}", f"i{i % 3}") for i in range(9)])
    task = Recommender(None).fit(Shop.of(events=events))
    assert len(task.predict([RecommendQuery(user_id="u0", k=2)])[0].items) == 2


class _Counting(HashEncoder):
    n_encoded = 0

    def encode(self, texts: Any, *, role: Any = "passage") -> NDArray[np.float32]:
        self.n_encoded += len(texts)
        return super().encode(texts, role=role)


def test_a_second_fit_in_the_same_work_folder_encodes_and_trains_nothing_again(tmp_path: Path) -> None:
    settings = RecommendSettings(two_tower=TwoTowerSettings(epochs=1.0))
    encoders = _Counting(), _Counting(), _Counting(32)
    first, again, other = (
        Recommender(encoder, settings).fit(_checkerboard(), work=tmp_path) for encoder in encoders
    )
    assert [encoder.n_encoded for encoder in encoders] == [28, 4, 28]
    query = RecommendQuery(user_id="u00")
    assert first.predict([query]) == again.predict([query]) != other.predict([query])
    for path in tmp_path.glob("vectors-*"):
        path.write_bytes(b"half written")
    broken = Recommender(HashEncoder(), settings).fit(_checkerboard(), work=tmp_path)
    assert broken.predict([query]) == first.predict([query])


# lists and neighbours -----------------------------------------------------------------------------


def test_similar_items_share_words_and_bought_together_share_customers(fitted: Recommender) -> None:
    for found in (fitted.similar("i22", k=5), fitted.together("i02", k=5)):
        assert len(found.items) == 5 and {_side(item.item_id) for item in found.items} == {0}
    assert "text" in fitted.similar("i22").items[0].reason
    assert fitted.together("i02").items[0].because == ("i02",)
    assert fitted.together("i22").items == ()  # nobody has chosen it
    with pytest.raises(DataError, match="no item 'nothing'"):
        fitted.similar("nothing")
    with pytest.raises(DataError, match="needs an item"):
        fitted.predict([RecommendQuery(by="together")])
    cheap = fitted.predict([RecommendQuery(item_ids=("i22",), by="similar", max_price=5.0, k=24)])[0]
    assert {item.item_id for item in cheap.items} <= {"i00", "i01", "i02", "i03", "i05"}


def test_diversity_takes_what_is_unlike_the_items_before() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.8, 0.6]], np.float32)
    ties = np.arange(4, dtype=np.uint64)
    scores = np.array([4.0, 3.9, 1.0, 3.0], np.float32)

    def order(diversity: float) -> list[int]:
        return [int(row) for row in diverse(scores, 3, diversity, Features(None, vectors), ties)]

    assert order(0.0) == [0, 1, 3]
    assert order(0.7) == [0, 2, 3]
    scores[2] = -np.inf
    assert 2 not in order(1.0)


def test_a_diverse_list_is_asked_for_by_a_dial(fitted: Recommender) -> None:
    plain, mixed = fitted.predict(
        [RecommendQuery(user_id="u00", k=6), RecommendQuery(user_id="u00", k=6, diversity=0.95)]
    )
    assert len(mixed.items) == 6 and mixed.items[0] == plain.items[0]
    assert {_side(item.item_id) for item in mixed.items} == {0, 1}
    with pytest.raises(DataError, match="diversity"):
        fitted.predict([RecommendQuery(diversity=1.5)])


# a day's new events and items ---------------------------------------------------------------------


def test_new_items_and_events_are_taken_in_without_a_fit(tmp_path: Path) -> None:
    task = Recommender(
        HashEncoder(),
        RecommendSettings(two_tower=TwoTowerSettings(epochs=1.0), sasrec=SasrecSettings(epochs=1.0)),
    )
    task.fit(_checkerboard())
    items = pl.DataFrame({"item_id": ["n0", "n1"], "title": [f"{SIDES[i]} number9{i}" for i in (0, 1)]})
    events = _events([("u00", "i20"), ("new", "i01"), ("new", "i03"), ("new", "n1")])
    before = float(task.n_seen.sum())
    task.update(Shop.of(items=items, events=events))
    assert task.log["updates"] == [{"new_items": 2, "new_customers": 1, "events": 404}]
    assert float(task.n_seen.sum()) in (before + 3, before + 4)  # u00 may have had i20
    known, fresh = task.predict([RecommendQuery(user_id="u00", k=26), RecommendQuery(user_id="new", k=26)])
    ids = [item.item_id for item in known.items]
    assert ids.index("n0") < 13 and "i20" not in ids
    assert {_side(item.item_id) for item in fresh.items[:6] if item.item_id[0] == "i"} == {1}
    task.save(tmp_path / "updated")
    again = Recommender.load(tmp_path / "updated").predict([RecommendQuery(user_id="new", k=26)])
    assert again[0] == fresh


def test_links_of_a_new_item_are_those_of_a_fit_that_had_it() -> None:
    rng = np.random.default_rng(0)
    features = rng.normal(size=(31, 6)).astype(np.float32)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    matrix = sp.csr_matrix((rng.random((50, 31)) < 0.2) * (np.arange(31) < 30), dtype=np.float32)
    whole = fit_ease(matrix, regularisation=5.0, kernels=[(3.0, features)])
    known = fit_ease(matrix[:, :30], regularisation=5.0, kernels=[(3.0, features[:30])])
    grown = with_new_items(known, 3.0 * features[:30] @ features[30:].T, 3.0 + 5.0)
    np.testing.assert_allclose(grown.links.toarray()[:, 30], whole.links.toarray()[:, 30], atol=1e-5)
    np.testing.assert_allclose(grown.links.toarray()[30], whole.links.toarray()[30], atol=1e-5)
    with pytest.raises(ModelError, match="closed form"):
        with_new_items(ItemToItem(known.links, 1.0), features[:30, :1], 8.0)


def test_the_latest_events_of_each_customer() -> None:
    some = Histories.of([[1, 2, 3], [], [4]]).latest(2)
    assert some.items.tolist() == [2, 3, 4] and some.lengths().tolist() == [2, 0, 1]
