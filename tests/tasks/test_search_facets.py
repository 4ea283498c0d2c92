"""Names as numbers: what they count is what a query of the table counts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.tasks.search import facets
from retailor.tasks.search.facets import Coded, nearest_quantiles, price_facet

NAMES = st.one_of(st.none(), st.sampled_from(["Sony", "sony", "索尼", "Ä", "b", "z", "éclair", ""]))


@given(st.lists(NAMES, max_size=30), st.data())
def test_counts_are_those_of_the_table(names: list[str | None], data: st.DataObject) -> None:
    rows = np.array(
        sorted(data.draw(st.sets(st.sampled_from(range(len(names)))) if names else st.just(set()))), int
    )
    column = pl.Series("name", names, dtype=pl.String)
    part = column[rows].drop_nulls().value_counts(sort=True, name="n")
    wanted = part.sort(["n", "name"], descending=[True, False]).head(3).rows() if len(part) else []
    assert list(Coded.of(column).counts(rows, 3)) == [(name, n) for name, n in wanted]


@given(st.lists(st.lists(NAMES, max_size=3), min_size=1, max_size=20), st.data())
def test_a_row_of_several_names_counts_for_each(lists: list[list[str | None]], data: st.DataObject) -> None:
    lists = [list(dict.fromkeys(each)) for each in lists]
    rows = np.array(sorted(data.draw(st.sets(st.sampled_from(range(len(lists)))))), int)
    coded = Coded.of(pl.Series("names", lists, dtype=pl.List(pl.String)))
    wanted: dict[str, int] = {}
    for row in rows:
        for name in lists[row]:
            if name is not None:
                wanted[name] = wanted.get(name, 0) + 1
    assert dict(coded.counts(rows, 99)) == wanted
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(facets, "FEW", 0)  # looked up row by row, and through a table of all
        assert dict(coded.counts(rows, 99)) == wanted
        patch.setattr(facets, "FEW", 1_000)
        assert dict(coded.counts(rows, 99)) == wanted
    has = [any(name is not None and name.lower() == "sony" for name in each) for each in lists]
    assert coded.having("SONY").tolist() == has
    assert coded.having("Sony", folded=False).tolist() == ["Sony" in each for each in lists]


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.sampled_from([0.25, 0.5, 0.75]))
def test_a_quantile_is_that_of_the_table(values: list[float], q: float) -> None:
    assert nearest_quantiles(np.array(values), (q,))[0] == pl.Series(values).quantile(q)


@pytest.mark.parametrize("dtype", [pl.String, pl.List(pl.String)])
def test_a_column_of_nothing_has_no_names(dtype: pl.DataType) -> None:
    for values in ([], [None, None]):
        coded = Coded.of(pl.Series("name", values, dtype=dtype))
        assert coded.counts(np.arange(len(values)), 5) == () and not coded.having("sony").any()


PRICES = st.one_of(
    st.just(float("nan")),
    st.floats(0, 5e7),
    st.sampled_from([0.0, 9.99, 10.0, 10.5, 1e6, 1.25e6, float("inf")]),
)


@given(st.lists(PRICES, max_size=40))
def test_prices_are_in_one_range_each_and_one_range_alone_is_none(values: list[float]) -> None:
    counts = price_facet(np.array(values, np.float64)).counts
    known = [value for value in values if np.isfinite(value)]
    assert len(counts) != 1 and "e+" not in str(counts)
    for name, n in counts:
        low, _, high = name.rstrip("+").partition("–")
        assert n == sum(float(low) <= each < (float(high) if high else np.inf) for each in known) > 0
    assert sum(n for _, n in counts) in (0, len(known))
    assert counts or len({float(f"{each:.2g}") for each in known}) < 5


def test_two_prices_are_two_ranges() -> None:
    assert price_facet(np.array([39.0, 12.0])).counts == (("0–39", 1), ("39+", 1))
    assert price_facet(np.array([2e6, 1.2e6])).counts == (("0–2000000", 1), ("2000000+", 1))
