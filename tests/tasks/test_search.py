from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import ConfigError, DataError, MissingTable, ModelError
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.shapes import Filter, SearchQuery
from retailor.tasks.search.weights import GRID, best_weights
from retailor.testing.tasks import TaskContract
from retailor.testing.toys import HashEncoder


class TestSearchContract(TaskContract):
    baselines = ("bm25", "encoder")

    def shop(self) -> Shop:
        return demo_shop(60)

    def task(self) -> Search:
        return Search(HashEncoder(), SearchSettings(n_folds=3))

    def queries(self) -> list[Any]:
        return [SearchQuery("portion weigher 5 g", 3), SearchQuery("日霜"), SearchQuery("a gift")]


ITEMS = pl.DataFrame(
    {
        "item_id": ["kettle", "towel", "speaker", "壶"],
        "title": ["Steel kettle 1.7 L", "Cotton bath towel", "Bluetooth speaker XB-43", "不锈钢电热水壶"],
    }
)


@pytest.fixture(scope="module")
def search() -> Search:
    return Search(HashEncoder(), SearchSettings(weights=(0.7, 0.0, 0.3))).fit(Shop.of(items=ITEMS))


@pytest.mark.parametrize(
    ("text", "item_id"),
    [("kettles of steel", "kettle"), ("xb43", "speaker"), ("热水壶", "壶"), ("TOWEL", "towel")],
)
def test_the_item_that_was_meant_is_first(search: Search, text: str, item_id: str) -> None:
    found = search.predict([SearchQuery(text, k=2)])[0].items
    assert found[0].item_id == item_id and len(found) == 2
    assert found[0].score > found[1].score
    assert found[0].reason.startswith("shares words with the query")


def test_what_is_excluded_is_not_found(search: Search) -> None:
    found = search.predict([SearchQuery("kettles of steel", k=9, exclude=("kettle", "none such"))])[0]
    assert {each.item_id for each in found.items} == {"towel", "speaker", "壶"}
    every = SearchQuery("kettle", exclude=tuple(ITEMS["item_id"]))
    assert search.predict([every])[0].items == ()


def test_k_beyond_the_catalogue_gives_the_whole_of_it(search: Search) -> None:
    assert len(search.predict([SearchQuery("kettle", k=50)])[0].items) == 4


@pytest.mark.parametrize(
    ("query", "message"),
    [
        (SearchQuery("  "), "the query is empty"),
        (SearchQuery("a" * 1001), "1,001 characters; at most 1,000"),
        (SearchQuery("kettle", k=0), "k = 0; it goes from 1 to 1000"),
    ],
)
def test_a_query_out_of_bounds_is_an_error(search: Search, query: SearchQuery, message: str) -> None:
    with pytest.raises(DataError, match=message):
        search.predict([query])


def test_settings_out_of_range_are_named() -> None:
    with pytest.raises(ConfigError, match="n_folds"):
        SearchSettings(n_folds=1)


def test_an_unfitted_search_says_so(tmp_path: Any) -> None:
    with pytest.raises(ModelError, match="fit"):
        Search(HashEncoder()).save(tmp_path / "search")


def test_evaluation_needs_judgments(search: Search) -> None:
    with pytest.raises(MissingTable, match="judgments"):
        search.evaluate(Shop.of(items=ITEMS))


def test_a_catalogue_of_bare_numbers_cannot_be_searched() -> None:
    numbers = pl.DataFrame({"item_id": ["1", "2"], "category": [["4756105"], ["982926"]]})
    with pytest.raises(MissingTable, match="no item has a title"):
        Search(HashEncoder()).fit(Shop.of(items=numbers))


def test_weights_are_learned_from_judgments_and_never_scored_on_their_own_query() -> None:
    shop = demo_shop(60)
    search = Search(HashEncoder(), SearchSettings(n_folds=3)).fit(shop)
    assert list(search.weights) in GRID.tolist()
    # Hashed words know nothing that words do not: most of the weight stays with BM25.
    assert search.weights[2] <= 0.6
    queries = set(shop.judgments.filter(pl.col("grade") > 0)["query"])
    assert set(search._made.held_out) == queries
    given = Search(HashEncoder(), SearchSettings(weights=(0.3, 0.3, 0.4))).fit(shop)
    assert given.weights == (0.3, 0.3, 0.4) and not given._made.held_out


def test_few_judgments_hardly_move_the_default() -> None:
    shop = demo_shop(60)
    default = np.array(SearchSettings().default_weights)
    moved = []
    for n in (0, 2, len(shop.judgments)):
        weights = Search(HashEncoder()).fit(shop.with_tables(judgments=shop.judgments.head(n))).weights
        moved.append(float(np.abs(np.array(weights) - default).sum()))
    assert moved[0] == 0 and moved[1] <= 0.2 < moved[2]


@given(st.integers(1, 400), st.integers(0, 65), st.integers(0, 65), st.floats(0, 1))
def test_weights_lie_nearer_to_the_default_the_fewer_queries_were_judged(
    n: int, best: int, start: int, height: float
) -> None:
    def distance(times: int) -> float:
        table = np.zeros((times, len(GRID)), dtype=np.float32)
        table[:, best] = height
        return float(np.linalg.norm(np.array(best_weights(table, tuple(GRID[start]))) - GRID[start]))

    assert distance(n) <= distance(10 * n) + 1e-9
    assert best_weights(np.zeros((0, len(GRID)), dtype=np.float32), tuple(GRID[start])) == tuple(GRID[start])


def known_if_ascii(text: str, add_special_tokens: bool) -> Any:
    """A token a word; those with other letters than ASCII are the unknown one, 0."""
    parts = text.split()
    return SimpleNamespace(
        ids=[int(part.isascii()) for part in parts],
        word_ids=list(range(len(parts))),
        offsets=[(text.index(part), text.index(part) + len(part)) for part in parts],
        attention_mask=[1] * len(parts),
    )


class LatinEncoder(HashEncoder):
    tokenizer = SimpleNamespace(unk_token_id=0, backend_tokenizer=SimpleNamespace(encode=known_if_ascii))


def test_a_query_that_the_encoder_cannot_read_is_found_by_words(tmp_path: Any) -> None:
    shop = demo_shop(60)
    chosen = SearchSettings()
    bare = Search(LatinEncoder()).fit(shop.with_tables(judgments=shop.judgments.head(0)))
    assert bare.weights_of("steel kettle") == chosen.default_weights
    assert bare.weights_of("电热水壶") == chosen.unread_weights
    learned = Search(LatinEncoder(), SearchSettings(n_folds=3)).fit(shop)
    assert learned.weights != learned.unread_weights and set(learned._made.held_out)
    fixed = Search(LatinEncoder(), SearchSettings(weights=(0.2, 0.2, 0.6))).fit(shop)
    assert fixed.weights_of("电热水壶") == fixed.weights_of("kettle") == (0.2, 0.2, 0.6)


def test_no_encoder_is_an_error_that_says_what_is_needed() -> None:
    for given_instead in (None, "minilm", 3):
        with pytest.raises(ConfigError, match=r"search needs an encoder.*load_model"):
            Search(given_instead)  # type: ignore[arg-type]


def test_the_ends_of_the_weights_score_as_their_parts() -> None:
    shop = demo_shop(60)
    for weights, row in (((1.0, 0.0, 0.0), "bm25"), ((0.0, 0.0, 1.0), "encoder")):
        scores = Search(HashEncoder(), SearchSettings(weights=weights)).fit(shop).evaluate(shop)
        for metric in ("ndcg@10", "mrr", "recall@10", "recall@100"):
            plain = scores.value("retailor without reading", metric)
            assert plain == pytest.approx(scores.value(row, metric))


def test_the_learned_weights_are_the_best_of_the_grid() -> None:
    shop = demo_shop(60)
    learned = Search(HashEncoder(), SearchSettings(n_folds=2)).fit(shop)
    best = learned.log["ndcg@10"]["best"]
    assert best >= max(learned.log["ndcg@10"][name] for name in ("words", "details", "meaning"))
    for weights in ((0.4, 0.2, 0.4), (0.1, 0.1, 0.8)):
        fixed = Search(HashEncoder(), SearchSettings(weights=weights)).fit(shop).evaluate(shop)
        assert fixed.value("retailor", "ndcg@10") <= best + 1e-3


def test_a_search_of_before_says_that_it_must_be_fitted_again(tmp_path: Path) -> None:
    import json

    from retailor.store import artifact

    Search(HashEncoder()).fit(demo_shop(60)).save(tmp_path / "search")
    state = json.loads((tmp_path / "search" / "search.json").read_text(encoding="utf-8"))
    del state["least_cosine"]
    with artifact.writing(tmp_path / "before", "search") as new:
        for path in (tmp_path / "search").iterdir():
            if path.is_dir():
                shutil.copytree(path, new / path.name)
            elif path.name not in ("manifest.json", "README.md"):
                shutil.copy(path, new / path.name)
        (new / "search.json").write_text(json.dumps(state), encoding="utf-8")
    with pytest.raises(DataError, match="fit it again"):
        Search.load(tmp_path / "before")


def test_what_means_nothing_is_said_to_match_nothing_and_pages_are_stable() -> None:
    search = Search(HashEncoder()).fit(demo_shop(60))
    first, rest = search.predict([SearchQuery("steel", k=3), SearchQuery("steel", k=3, offset=3)])
    both = search.predict([SearchQuery("steel", k=6)])[0]
    assert first.items + rest.items == both.items and first.n_found == rest.n_found > 0
    assert not both.is_nearest and search.predict([SearchQuery("qwrtzx")])[0].is_nearest
    cheap = search.predict([SearchQuery("steel", k=20, sort="price")])[0]
    assert len(cheap.items) == min(20, cheap.n_found)
    with pytest.raises(DataError, match="offset = 999"):
        search.predict([SearchQuery("steel", offset=999)])


def test_a_bound_that_leaves_out_all_that_have_the_words_gives_way_and_one_asked_for_holds() -> None:
    rows = [(f"h{i}", f"headphones number {i}", 50.0 + i) for i in range(3)]
    rows += [(f"b{i}", f"lip balm number {i}", 5.0 + i) for i in range(3)]
    items = pl.DataFrame(rows, schema=["item_id", "title", "price"], orient="row")
    search = Search(HashEncoder()).fit(Shop.of(items=items.with_columns(currency=pl.lit("USD"))))

    def asked(text: str):
        return search.predict([SearchQuery(text, 6)])[0]

    without = asked("headphones under 20")
    assert [item.item_id[0] for item in without.items[:3]] == ["h"] * 3 and without.n_found == 3
    assert [each.text for each in without.relaxed] == ["under 20"] and without.filters == without.relaxed
    held = search.predict([SearchQuery("headphones", 6, (Filter("price", "<=", 20.0),))])[0]
    assert held.is_nearest and held.n_found == 0 and {item.item_id[0] for item in held.items} == {"b"}
    assert not asked("headphones under 51.5").is_nearest and asked("headphones under 51.5").n_found == 2
    assert not asked("lip balm under 20").is_nearest and not asked("headphones").is_nearest


def test_pages_in_an_order_by_price_are_those_of_one_list() -> None:
    """Also behind the best that are ordered together."""
    n = 450
    items = pl.DataFrame(
        {"item_id": [f"m{i}" for i in range(n)], "title": [f"steel mug {i}" for i in range(n)]}
    )
    items = items.with_columns(price=pl.Series([float(i * 7919 % 1009) for i in range(n)]))
    search = Search(HashEncoder()).fit(Shop.of(items=items))
    whole = search.predict([SearchQuery("steel mug", n, sort="price")])[0]
    assert len({each.item_id for each in whole.items}) == n == whole.n_found
    for offset in (0, 150, 180, 390, 440):
        one = search.predict([SearchQuery("steel mug", 60, sort="price", offset=offset)])[0]
        assert one.items == whole.items[offset : offset + 60]
