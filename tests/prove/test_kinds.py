"""Kinds of cases: figures over cases that not every seed has, and cold cases against the served answers."""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from retailor.metrics.ranking import Ranked, ndcg_at, tied_ranks
from retailor.prove.contract import Cell, Kind, kept_cell
from retailor.prove.figures import interval, means_of, rows_of
from retailor.prove.kinds import LEAST_CASES, OfKind, of_kind
from retailor.prove.ledger import Ledger, prove
from retailor.prove.picture import write_ledger
from retailor.prove.settings import Step, bounded
from retailor.prove.trials.recommend_cases import COLD_CUSTOMERS, COLD_ITEMS, SELDOM, TEXT_ONLY, Asked
from retailor.prove.trials.recommend_kinds import kinds_of
from retailor.report.ledger import ledger_view
from retailor.retrieval.histories import Histories
from retailor.shop.demo import demo_shop
from retailor.shop.split import leave_last_out, split_by_time
from retailor.shop.tables import Shop
from retailor.tasks.recommend.fit import fit
from retailor.tasks.recommend.model import Fitted
from retailor.tasks.recommend.query.ask import shares_of
from retailor.tasks.recommend.settings import RecommendSettings, SasrecSettings, TwoTowerSettings
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean
from tests.tasks.test_sentiment import encoder

SETTINGS = RecommendSettings(
    two_tower=TwoTowerSettings(enabled=False), sasrec=SasrecSettings(enabled=False), n_test=400
)


@cache
def shop() -> Shop:
    return clean(demo_shop(90, 0))


@cache
def fitted() -> tuple[Asked, Fitted]:
    train, test = leave_last_out(shop())
    asked = Asked.of(train, test, SETTINGS)
    return asked, fit(asked.train, HashEncoder(), SETTINGS, None)[0]


def test_means_over_cases_that_not_every_seed_has_are_those_of_a_loop() -> None:
    rng = np.random.default_rng(0)
    values = rng.random((2, 3, 40))
    values[:, rng.random((3, 40)) < 0.3] = np.nan  # the rows of a size lack the same cases
    drawn = means_of(values)
    assert drawn.shape[0] == 2 and not np.isnan(drawn).any()
    for row, means in zip(values, drawn, strict=True):
        assert means.mean() == pytest.approx(np.nanmean(row), abs=0.01)
    # A plain bootstrap of the same ratio has the same spread.
    plain = []
    for _ in range(2000):
        seeds, cases = rng.integers(0, 3, 3), rng.integers(0, 40, 40)
        plain.append(np.nanmean(values[0][np.ix_(seeds, cases)]))
    assert np.std(plain) == pytest.approx(drawn[0].std(), rel=0.1)
    low, high = interval(values[0])
    assert low < np.nanmean(values[0]) < high


def cell(kind: np.ndarray) -> Cell:
    return Cell(np.full(len(kind), 0.5), 1.0, 10, 5, 0.3, kinds={"cold": kind})


def test_a_row_of_a_kind_counts_its_own_cases_and_its_control_is_the_best_on_them() -> None:
    steps = [Step("popularity", has_model=False), Step("words", has_model=False), Step("frozen")]
    lacks = np.full(20, np.nan)
    seeds = [np.r_[np.ones(30), lacks], np.r_[lacks, np.ones(30)]]
    cells = [[cell(share * one) for one in seeds] for share in (0.6, 0.2, 0.4)]
    rows, finding = rows_of(steps, cells, 100, [0.0] * 3, kind="cold", model="frozen", n_kinds=2)
    assert [row.n_test for row in rows] == [50] * 3 and rows[0].score == pytest.approx(0.6)
    assert (finding.control, finding.model, finding.n_looks) == ("popularity", "frozen", 4)
    assert finding.gain == pytest.approx(-0.2)


def test_of_a_kind_with_too_few_cases_nothing_is_said() -> None:
    steps = [Step("words", has_model=False), Step("frozen")]
    few = np.full(60, np.nan)
    few[: LEAST_CASES - 1] = 1.0
    enough = np.ones(60)
    by_size = {100: [[cell(few)], [cell(few)]], 200: [[cell(enough)], [cell(enough)]]}
    finding = rows_of(steps, by_size[200], 200, [0.0] * 2)[1]
    found = of_kind(Kind("cold", "few"), 1, steps, by_size, {100: finding, 200: finding}, "events")
    assert found.few() == {100: LEAST_CASES - 1} and {row.n for row in found.rows} == {200}
    assert "With 100 events: 19 cases, too few to say." in "\n".join(found.table("events"))
    assert OfKind.from_dict(found.to_dict()) == found


def test_a_kept_cell_knows_which_cases_are_of_a_kind(tmp_path: Path) -> None:
    values = np.array([1.0, np.nan, 0.25])
    again = kept_cell(tmp_path / "one.json", lambda: cell(values))
    assert np.array_equal(again.kinds["cold"], values, equal_nan=True)
    assert "NaN" not in (tmp_path / "one.json").read_text()


def served(made: Fitted, history: Histories, text: str | None, own: np.ndarray, target: int) -> float:
    """NDCG@10 of what the recommender would show, less what the customer has."""
    total = shares_of(made, history, text, 1.0).total()
    total[own] = -np.inf
    return float(ndcg_at(Ranked.single(tied_ranks(total[None], [target])), 10)[0])


def test_cold_cases_are_answered_as_the_recommender_answers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("retailor.prove.trials.recommend_kinds.LEAST_CASES", 1000)
    asked, made = fitted()
    n = len(asked.cases)
    found = kinds_of(made, made.blend, asked, np.zeros(n), made.understanding, tmp_path, masked=True)
    wrote = np.flatnonzero(~np.isnan(found[TEXT_ONLY]))
    assert len(wrote) >= LEAST_CASES and all(asked.written[i] for i in wrote)
    cold = np.flatnonzero(~np.isnan(found[COLD_CUSTOMERS]))
    assert len(cold) == n  # too few are really cold, so that all are asked with their latest events
    differ = 0
    for i in range(n):
        row, target = int(asked.cases.customers[i]), int(asked.cases.targets[i])
        whole = made.customers.histories.at(np.array([row]))
        short, none = whole.latest(SELDOM), whole.latest(0)
        differ += abs(served(made, short, None, whole.items, target) - found[COLD_CUSTOMERS][i]) > 1e-5
        if i in wrote:
            told = served(made, none, asked.written[i], whole.items, target)
            differ += abs(told - found[TEXT_ONLY][i]) > 1e-5
    assert differ <= 1  # sums in another order may part a tie
    nothing = kinds_of(made, made.blend, asked, np.zeros(n), None, tmp_path, masked=True)[TEXT_ONLY]
    assert np.array_equal(np.isnan(nothing), np.isnan(found[TEXT_ONLY]))


def test_customers_that_really_are_cold_are_taken_as_they_are_where_there_are_enough(tmp_path: Path) -> None:
    asked, made = fitted()
    values = np.arange(len(asked.cases), dtype=float)
    found = kinds_of(made, made.blend, asked, values, None, tmp_path, masked=True)[COLD_CUSTOMERS]
    events = asked.train.events.select("user_id", "item_id").group_by("user_id")
    counts = events.agg(n=pl.len(), n_items=pl.col("item_id").n_unique())
    known = {user: (n, n_items) for user, n, n_items in counts.iter_rows()}
    assert (~np.isnan(found)).sum() >= LEAST_CASES
    for i, row in enumerate(asked.cases.customers):
        n, n_items = (0, 0) if row < 0 else known[asked.customers.user_ids[row]]
        if n_items > SELDOM or not n:
            assert np.isnan(found[i])
        elif n <= SELDOM:  # of more, some are the same item again
            assert found[i] == values[i]
    assert "1 to 2 events" in asked.kinds()[1].about


def test_a_cold_item_is_one_that_two_customers_at_most_have(tmp_path: Path) -> None:
    asked, made = fitted()
    values = np.arange(len(asked.cases), dtype=float)
    found = kinds_of(made, made.blend, asked, values, None, tmp_path, masked=True)[COLD_ITEMS]
    pairs = asked.train.events.select("user_id", "item_id").unique()
    counts = dict(pairs["item_id"].value_counts().iter_rows())
    for i, target in enumerate(asked.cases.targets):
        few = counts.get(made.catalogue.item_ids[target], 0) <= SELDOM
        assert (found[i] == values[i]) if few else np.isnan(found[i])


def test_what_a_customer_wrote_is_the_latest_review_of_another_item() -> None:
    asked, _ = fitted()
    texts = {
        (user, f"{title}. {text}" if title else text): item
        for user, item, title, text in asked.train.reviews.select(
            "user_id", "item_id", "title", "text"
        ).iter_rows()
    }
    for row, target, text in zip(asked.cases.customers, asked.cases.targets, asked.written, strict=True):
        if text:
            item = texts[asked.customers.user_ids[row], text]
            assert item != asked.catalogue.item_ids[target]
    without = asked.train.with_tables(reviews=asked.train.reviews.clear())
    assert not any(Asked.of(without, leave_last_out(shop())[1], SETTINGS).written)


def test_a_ledger_of_recommend_has_a_curve_a_kind(tmp_path: Path) -> None:
    train, test = split_by_time(shop(), test=0.2)
    given = bounded(
        2, tasks=("recommend",), steps=("popularity", "with words", "frozen encoder"), seeds=(0, 1),
        shares=(0.3, 1.0), max_test=80,
    )  # fmt: skip
    ledger = prove("recommend", train, encoder(), given, work=tmp_path / "work", test=test)
    assert [each.name for each in ledger.kinds] == [COLD_ITEMS, COLD_CUSTOMERS, TEXT_ONLY]
    assert Ledger.from_dict(ledger.to_dict()) == ledger
    whole = next(each for each in ledger.kinds if each.name == COLD_CUSTOMERS)
    assert set(whole.cases) == set(ledger.sizes()) and len(whole.rows) == 2 * 3
    assert {row.step for row in whole.rows} == {row.step for row in ledger.rows}
    written = next(each for each in ledger.kinds if each.name == TEXT_ONLY)
    popular = [row.score for row in written.rows if row.step == "popularity"]
    assert all(0 <= score <= 1 for score in popular)
    view = ledger_view(ledger.to_dict())
    assert [each["name"] for each in view["kinds"]] == [each.name for each in ledger.kinds]
    charts = {each["name"]: each["chart"] for each in view["kinds"]}
    assert all(("<svg" in charts[kind.name]) == bool(kind.rows) for kind in ledger.kinds)
    write_ledger(ledger, tmp_path)
    svg, table = ((tmp_path / f"ledger.{end}").read_text() for end in ("svg", "txt"))
    assert f"Only {COLD_CUSTOMERS}" in svg and f"{COLD_ITEMS}: " in table
