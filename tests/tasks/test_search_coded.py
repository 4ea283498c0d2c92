"""Names as numbers: what they count is what a query of the table counts."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.tasks.search.coded import Coded, nearest_quantile

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
    has = [any(name is not None and name.lower() == "sony" for name in each) for each in lists]
    assert coded.having(lambda name: name.lower() == "sony").tolist() == has


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=40), st.sampled_from([0.25, 0.5, 0.75]))
def test_a_quantile_is_that_of_the_table(values: list[float], q: float) -> None:
    assert nearest_quantile(np.sort(values), q) == pl.Series(values).quantile(q)


@pytest.mark.parametrize("dtype", [pl.String, pl.List(pl.String)])
def test_a_column_of_nothing_has_no_names(dtype: pl.DataType) -> None:
    for values in ([], [None, None]):
        coded = Coded.of(pl.Series("name", values, dtype=dtype))
        assert coded.counts(np.arange(len(values)), 5) == () and not coded.having(lambda name: True).any()
