"""Which texts the recommender uses: what pays on customers that were held out, and what it says of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from retailor.metrics.ranking import Ranked, ndcg_at, target_ranks
from retailor.models.hashed import HashEncoder
from retailor.report.labels import label
from retailor.retrieval.blend import ENOUGH, Blend
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.blend.coldness import ColdBlend
from retailor.tasks.recommend.blend.folds import Rows, Values, out_of_fold
from retailor.tasks.recommend.blend.texts import choose_texts, told
from retailor.tasks.recommend.scorers.parts import ALL_TEXTS, BY_WORDS, NO_TEXT, OURS, systems_of
from retailor.tasks.recommend.shapes import RecommendQuery

PARTS = ("tfidf_kernel", "embedding_kernel", "ease", "popularity")
SYSTEMS = {row: names for row, names in systems_of(dict.fromkeys(PARTS)).items() if row.startswith(OURS)}


def _asked(strengths: dict[str, float], n: int, n_items: int = 120) -> tuple[dict[str, np.ndarray], Values]:
    """Noise [n, n_items] by part, in which the target stands out by so many deviations; and the measure."""
    rng = np.random.default_rng(0)
    targets = rng.integers(0, n_items, n)
    z = {name: rng.standard_normal((n, n_items)).astype(np.float32) for name in PARTS}
    for name, strength in strengths.items():
        z[name][np.arange(n), targets] += strength

    def ndcg(scores: np.ndarray, rows: Rows) -> np.ndarray:
        return ndcg_at(Ranked.single(target_ranks(scores, targets[rows])), 10)

    return z, ndcg


def test_what_could_be_chosen_differs_by_its_texts_alone() -> None:
    assert SYSTEMS == {
        OURS: ("tfidf_kernel", "embedding_kernel", "popularity"),
        BY_WORDS: ("tfidf_kernel", "popularity"),
        NO_TEXT: ("ease", "popularity"),
    }
    assert set(systems_of(dict.fromkeys(("tfidf_kernel", "ease", "popularity", "sasrec")))) & {
        BY_WORDS, NO_TEXT,
    } == set()  # without an encoder there is nothing to choose  # fmt: skip
    assert BY_WORDS not in systems_of(dict.fromkeys(("embedding_kernel", "ease", "popularity")))
    read = systems_of(dict.fromkeys((*PARTS, "sasrec", "user_reviews", "two_tower")))
    assert read[BY_WORDS] == ("tfidf_kernel", "popularity")  # those read what the encoder made


@pytest.mark.parametrize(
    ("strengths", "row"),
    [
        ({"embedding_kernel": 3.0, "tfidf_kernel": 1.0}, OURS),
        ({"embedding_kernel": 0.0, "tfidf_kernel": 3.0}, BY_WORDS),
        ({"ease": 3.0}, NO_TEXT),
    ],
)
@pytest.mark.parametrize("n", [150, ENOUGH])
def test_the_texts_that_pay_are_taken(strengths: dict[str, float], row: str, n: int) -> None:
    z, values = _asked(strengths, n)
    found = choose_texts(z, SYSTEMS, values, n, "auto")
    assert found.row == row == found.log["took"]
    assert found.log["ndcg@10"][row] == max(found.log["ndcg@10"].values()) and found.log["n"] == n
    assert set(found.scored) == set(SYSTEMS)
    if n < ENOUGH:
        again = out_of_fold({name: z[name] for name in SYSTEMS[row]}, values, n)
        assert np.array_equal(found.scored[row], again)


def test_an_encoder_that_adds_nothing_is_left_out() -> None:
    z, values = _asked({"tfidf_kernel": 3.0}, 400)
    z["embedding_kernel"], z["popularity"] = z["tfidf_kernel"], 0 * z["popularity"]  # the same again
    assert choose_texts(z, SYSTEMS, values, 400, "auto").row == BY_WORDS


def test_what_is_asked_for_is_not_chosen() -> None:
    z, values = _asked({"tfidf_kernel": 3.0}, 100)
    assert choose_texts(z, SYSTEMS, values, 100, "encoder").row == OURS
    assert choose_texts(z, {OURS: SYSTEMS[OURS]}, values, 100, "auto").scored == {}


def test_it_says_why_in_both_languages() -> None:
    z, values = _asked({"tfidf_kernel": 3.0}, 200)
    said = told(choose_texts(z, SYSTEMS, values, 200, "auto").log)
    assert said.startswith("answers by words alone: on 200 held-out customers NDCG@10 is 0.")
    chinese = label(f"recommend, note: {said}")
    assert chinese.startswith("推荐，说明：回答依据：只看词语；在 200 位留出的顾客上")
    alone = told(choose_texts(z, SYSTEMS, values, 200, "auto").log, "user_reviews")
    assert alone == f"{said} The part 'user_reviews' leads that blend and answers alone."
    assert label(f"recommend, note: {alone}") == f"{chinese}单独的部件“顾客自己的评论”领先，由它回答。"


def test_of_new_items_everything_that_reads_speaks() -> None:
    warm = ColdBlend.plain(Blend(("ease", "popularity"), (2.0, 1.0)))
    blend = warm.with_new(Blend(("tfidf_kernel", "embedding_kernel", "popularity"), (1.0, 3.0, 5.0)))
    new, known = np.array([0]), np.array([1, 2])
    assert blend.of_items("embedding_kernel", 0, new).tolist() == [2.25]  # three of four parts of 2 + 1
    assert blend.of_items("ease", 1, new).tolist() == blend.of_items("popularity", 1, new).tolist() == [0.0]
    assert blend.of_items("ease", 1, known).tolist() == [2.0, 2.0]
    assert blend.of_items("tfidf_kernel", 1, known).tolist() == [0.0, 0.0]
    assert warm.with_new(Blend(("popularity",), (1.0,))) is warm


# a whole shop -------------------------------------------------------------------------------------


def _shop(words_tell: bool) -> Shop:
    """Eighty customers who keep to one of eight themes; titles name the theme, or nothing."""
    rng = np.random.default_rng(1)
    themes = ("tea", "iron", "glass", "wood", "wool", "salt", "rope", "clay")
    titles = [f"{themes[i % 8] if words_tell else 'thing'} article no{i}" for i in range(400)]
    items = pl.DataFrame({"item_id": [f"i{i:03}" for i in range(400)], "title": titles})
    start, rows = datetime(2024, 1, 1, tzinfo=UTC), []
    for user in range(80):
        own = rng.permutation(np.arange(user % 8, 400, 8))[:5]
        rows += [(f"u{user:02}", f"i{one:03}", start + timedelta(days=day)) for day, one in enumerate(own)]
    events = pl.DataFrame(rows, schema=["user_id", "item_id", "time"], orient="row")
    return Shop.of(items=items, events=events.with_columns(kind=pl.lit("buy")))


def _fit(shop: Shop, **dials: object) -> Recommender:
    settings = RecommendSettings(sasrec=SasrecSettings(enabled=False), max_network_steps=5, **dials)  # type: ignore[arg-type]
    return Recommender(HashEncoder(), settings).fit(shop)


def test_a_shop_takes_what_pays_and_shows_the_others_beside_it() -> None:
    task = _fit(_shop(words_tell=True))
    took = task.log["validation"]["systems"][OURS]["texts"]
    assert took["took"] in (BY_WORDS, OURS) and took["ndcg@10"][NO_TEXT] < took["ndcg@10"][took["took"]]
    assert task.log["note"] == told(took)
    rows = set(task._made.systems)
    assert {NO_TEXT, BY_WORDS} <= rows and (ALL_TEXTS in rows) == (took["took"] != OURS)


def test_words_asked_for_are_the_recommender_without_an_encoder() -> None:
    shop, query = _shop(words_tell=True), RecommendQuery(user_id="u03", k=10)
    words = _fit(shop, text="words")
    plain = Recommender(None, RecommendSettings(sasrec=SasrecSettings(enabled=False))).fit(shop)
    assert words.log["encoder"] is None and "note" not in words.log
    assert words.predict([query]) == plain.predict([query])


def test_an_encoder_asked_for_stays_whatever_pays() -> None:
    task = _fit(_shop(words_tell=False), text="encoder")
    assert "note" not in task.log and ALL_TEXTS not in task._made.systems
    assert task.log["validation"]["systems"][OURS]["texts"] == {}
