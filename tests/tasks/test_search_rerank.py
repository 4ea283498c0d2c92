"""The second look: the rule, the trees, and that neither is taken where it does not pay."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from retailor.models.hashed import HashEncoder
from retailor.retrieval.bm25 import BM25Index
from retailor.shop.tables import Shop
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.item_table import ItemTable
from retailor.tasks.search.rerank.candidates import Candidates, Catalogue, reordered
from retailor.tasks.search.rerank.features import NAMES, features_of
from retailor.tasks.search.rerank.trees import LEAST_GAIN, OPTIONS, best_option
from retailor.tasks.search.shapes import SearchQuery

COLOURS = ("red", "blue", "green", "black", "white")
KINDS = ("mug", "lamp", "tent", "chair", "knife", "scarf", "kettle", "drill")


def shop(*, judged: int = 40, good: str = "kind") -> Shop:
    """Every colour of every kind with a case for it; queries name a kind and want it, not its case."""
    rows = [
        (f"{kind}-{colour}-case", f"{kind} case {colour}", True)
        if case
        else (f"{kind}-{colour}", f"{colour} {kind} classic edition", False)
        for kind in KINDS
        for colour in COLOURS
        for case in (False, True)
    ]
    items = pl.DataFrame(
        {
            "item_id": [row[0] for row in rows],
            "title": [row[1] for row in rows],
            "category": [["Cases" if row[2] else "Things"] for row in rows],
        }
    )
    asked = [f"{colour} {kind}" for kind in KINDS for colour in COLOURS][:judged]
    judgments = [
        (query, item_id, 3.0 if case == (good == "case") else 0.0)
        for query in asked
        for item_id, title, case in rows
        if set(query.split()) <= set(title.split())
    ]
    return Shop.of(
        items=items, judgments=pl.DataFrame(judgments, schema=["query", "item_id", "grade"], orient="row")
    )


@pytest.fixture(scope="module")
def fitted() -> Search:
    return Search(HashEncoder()).fit(shop())


def test_trees_learn_what_judged_queries_want(fitted: Search) -> None:
    assert fitted.log["order"].startswith("trees")
    orders = fitted.log["ndcg@10_of_orders"]
    assert orders[fitted.log["order"]] >= orders["rule"] + LEAST_GAIN
    [found] = fitted.predict([SearchQuery("blue drill", 3)])
    assert found.items[0].item_id == "drill-blue"
    [other] = Search(HashEncoder()).fit(shop(good="case")).predict([SearchQuery("blue drill", 3)])
    assert other.items[0].item_id == "drill-blue-case"


def test_few_judged_queries_teach_no_trees() -> None:
    assert Search(HashEncoder()).fit(shop(judged=20)).log["order"] == "rule"


def test_trees_are_needed_only_where_they_learned(
    fitted: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted.save(tmp_path / "judged")
    monkeypatch.setitem(sys.modules, "lightgbm", None)
    search = Search(HashEncoder()).fit(shop(judged=20))
    search.save(tmp_path / "search")
    loaded = Search.load(tmp_path / "search", open_encoder=lambda folder: search.encoder)
    assert loaded.predict([SearchQuery("red lamp")]) == search.predict([SearchQuery("red lamp")])
    with pytest.raises(ImportError):
        Search.load(tmp_path / "judged", open_encoder=lambda folder: fitted.encoder)


def test_what_is_saved_and_refitted_scores_the_same(fitted: Search, tmp_path: Path) -> None:
    asked = [SearchQuery("red lamp", 20), SearchQuery("case", 20)]
    expected = fitted.predict(asked)
    fitted.save(tmp_path / "search")
    assert (
        Search.load(tmp_path / "search", open_encoder=lambda folder: fitted.encoder).predict(asked)
        == expected
    )
    assert Search(HashEncoder()).refit(shop(), fitted).predict(asked) == expected


def test_a_judged_query_is_evaluated_by_trees_that_did_not_see_it(fitted: Search) -> None:
    assert fitted._made.reranker is not None
    learned = fitted._made.reranker.learned
    assert set(learned.fold_of) == set(shop().judgments["query"])
    assert all(learned.order_of(query) is learned.by_fold[fold] for query, fold in learned.fold_of.items())
    assert learned.order_of("another") is learned.order


def test_weights_that_are_given_leave_the_first_look_alone() -> None:
    for settings in (SearchSettings(weights=(1.0, 0.0, 0.0)), SearchSettings(n_reranked=0)):
        search = Search(HashEncoder(), settings).fit(shop())
        assert "order" not in search.log
        rows = {s.row: s.value for s in search.evaluate(shop()) if s.metric == "ndcg@10"}
        assert rows["retailor without reading"] == rows["retailor, first look"]


def catalogue(titles: list[str]) -> Catalogue:
    items = pl.DataFrame({"item_id": [f"{i}" for i in range(len(titles))], "title": titles})
    index = BM25Index.of(titles)
    vectors = np.eye(len(titles), 8, dtype=np.float32)
    return Catalogue(index, index, vectors, ItemTable.of(Shop.of(items=items)))


def test_words_weigh_as_far_as_one_item_has_them() -> None:
    """Where no item has the words, meaning alone orders; where one has all of them, they weigh as much."""
    known = catalogue(["red mug", "blue mug", "green lamp"])
    z = np.array([[2, 0, -2], [2, 0, -2], [-1, 0, 1]], dtype=np.float32)
    rows = np.arange(3)
    strange = Candidates("vessel of clay", rows, z, z[0]).by_rule(known)
    assert strange == pytest.approx(Candidates("x", rows, z, z[0]).among[2])
    whole = Candidates("red mug", rows, z, z[0])
    assert whole.by_rule(known) == pytest.approx(whole.among.sum(axis=0))
    part = Candidates("red vessel", rows, z, z[0]).by_rule(known)
    assert strange[0] < part[0] < whole.by_rule(known)[0]


def test_features_have_their_names_and_are_finite() -> None:
    known = catalogue(["red mug", "", "green lamp"])
    z = np.zeros((3, 2), dtype=np.float32)
    rule, category = np.array([3, 2], np.float32), np.array([0.1, 0.2], np.float32)
    found = features_of(Candidates("red (mug", np.array([0, 1]), z, z[0]), known, rule, category)
    assert (found[:, NAMES.index("rule")] == rule).all()
    assert (found[:, NAMES.index("kind_asked")] == category).all()
    assert found.shape == (2, 2 * len(NAMES))
    assert np.isfinite(found).all()
    assert found[0, NAMES.index("title_covered")] > found[1, NAMES.index("title_covered")] == 0


@pytest.mark.parametrize(
    ("means", "option"),
    [
        ((0.5, 0.5, 0.5, 0.5, 0.5, 0.5), "rule"),
        ((0.6, 0.5, 0.5, 0.5, 0.5, 0.5), "first"),
        ((0.6, 0.5, 0.602, 0.5, 0.5, 0.5), "first"),
        ((0.5, 0.5, 0.5, 0.7, 0.6, 0.5), "trees × 1"),
        ((0.5, 0.6, 0.603, 0.59, 0.5, 0.5), "rule"),
    ],
)
def test_an_order_that_does_not_pay_is_not_taken(means: tuple[float, ...], option: str) -> None:
    assert OPTIONS[best_option(np.array([means, means]))] == option


@given(
    arrays(np.float32, 8, elements=st.floats(-5, 5, width=16)),
    st.permutations(range(8)),
    st.integers(0, 8),
)
def test_candidates_come_first_in_their_new_order_and_the_others_stay(
    first: np.ndarray, order: list[int], n: int
) -> None:
    rows = np.argsort(-first, kind="stable")[:n]
    new = np.array(order[:n], dtype=np.float32)
    found = reordered(first, rows, new)
    rest = np.setdiff1d(np.arange(8), rows)
    assert (np.argsort(-found[rows], kind="stable") == np.argsort(-new, kind="stable")).all()
    if n and len(rest):
        assert found[rows].min() > found[rest].max()
    assert np.diff(found[rest]) == pytest.approx(np.diff(first[rest]), abs=1e-4)


def test_the_share_of_words_that_texts_have() -> None:
    index = BM25Index.of(["red mug", "blue mug", "", "lamp"])
    shares = index.covered(["red", "mug", "red"], [0, 1, 2, 3])
    red, mug = index.idf("red"), index.idf("mug")
    assert shares == pytest.approx([1.0, mug / (red + mug), 0.0, 0.0])
    assert index.covered(["unheard"], [0, 3]) == pytest.approx([0, 0])
    assert index.covered([], [0]) == pytest.approx([0])


def test_the_share_is_the_same_of_all_texts_at_once_and_of_each_alone() -> None:
    draw = np.random.default_rng(0)
    texts = [" ".join(draw.choice(["red", "mug", "lamp", "tent", "blue"], 3)) for _ in range(200)]
    index = BM25Index.of(texts)
    asked = ["red", "tent", "unheard", "red"]
    rows = draw.permutation(200)
    alone = [float(index.covered(asked, [row])[0]) for row in rows.tolist()]
    assert index.covered(asked, rows) == pytest.approx(alone)
    assert len({round(each, 6) for each in alone}) == 4, "none, either word, both"


def test_the_rule_and_the_category_are_worked_out_once_a_query(
    fitted: Search, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert fitted._made.reranker is not None and fitted._made.reranker.learned.order.trees is not None
    asked: Counter[str] = Counter()
    for name in ("by_rule", "category"):
        whole = getattr(Candidates, name)

        def counted(self: Candidates, of: Catalogue, name: str = name, whole: Any = whole) -> Any:
            asked[name] += 1
            return whole(self, of)

        monkeypatch.setattr(Candidates, name, counted)
    assert fitted.predict([SearchQuery("red mug")])[0].items
    assert asked == {"by_rule": 1, "category": 1}
