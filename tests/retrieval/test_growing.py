"""Tables that grow: equal to a copy, and nobody sees what another wrote."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from retailor.retrieval import growing
from retailor.retrieval.growing import appended, longer, stacked, widened, with_places


@given(st.lists(st.integers(0, 5), min_size=1, max_size=8), st.booleans())
def test_rows_behind_rows(sizes: list[int], wide: bool) -> None:
    shape = (3,) if wide else ()
    parts = [
        np.random.default_rng(i).random((size, *shape)).astype(np.float32) for i, size in enumerate(sizes)
    ]
    table = parts[0]
    for i, part in enumerate(parts[1:], 2):
        table = appended(table, part)
        assert type(table) is np.ndarray and table.dtype == np.float32
        np.testing.assert_array_equal(table, np.concatenate(parts[:i]))


def test_the_newest_grows_in_place_and_an_older_one_is_copied() -> None:
    first = appended(np.arange(100.0), np.array([100.0]))
    second = appended(first, np.array([101.0]))
    assert np.shares_memory(first, second) and len(first) == 101
    other = appended(first, np.array([-1.0]))
    assert not np.shares_memory(first, other) and (second[-1], other[-1]) == (101.0, -1.0)
    part = appended(second[1:], np.array([7.0]))
    assert not np.shares_memory(part, second) and part[0] == 1.0
    assert appended(second, np.zeros(0)) is second


def test_a_copy_of_all_is_due_once_in_many() -> None:
    table, copies = appended(np.zeros(800), np.zeros(1)), 0
    for _ in range(300):
        grown = appended(table, np.ones(1))
        copies += not np.shares_memory(grown, table)
        table = grown
    assert copies <= 3 and len(table) == 1101


def test_threads_that_grow_the_same_rows_write_nowhere_twice() -> None:
    base = appended(np.zeros(64), np.zeros(1))
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: appended(base, np.full(3, float(i))), range(50)))
    assert all((each[65:] == i).all() and not each[:65].any() for i, each in enumerate(made))


@pytest.mark.parametrize("n_new", [0, 1, 7])
def test_sparse_rows(n_new: int) -> None:
    some = sp.random_array((20, 6), density=0.3, format="csr", rng=0, dtype=np.float32)
    some = sp.csr_matrix(some)
    table = some
    for i in range(1, 4):
        new = sp.csr_matrix(sp.random_array((n_new, 6), density=0.5, format="csr", rng=i, dtype=np.float32))
        before = table.copy()
        grown = stacked(table, new)
        assert (grown != sp.vstack([table, new])).nnz == 0 and grown.shape == (table.shape[0] + n_new, 6)
        assert (table != before).nnz == 0
        table = grown


def test_links_with_room() -> None:
    links = sp.csr_matrix(np.eye(3, dtype=np.float32))
    wide = widened(widened(links, 5), 6)
    assert wide.shape == (6, 6) and (wide[:3, :3] != links).nnz == 0 and wide.nnz == 3


@given(st.lists(st.integers(0, 4), max_size=6))
def test_names_that_grow_are_those_of_a_tuple_and_a_dictionary(sizes: list[int]) -> None:
    names, places = ("a", "b", "c"), {"a": 0, "b": 1, "c": 2}
    known, ix = names, places
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(growing, "LEAST", 3)
        for step, size in enumerate(sizes):
            more = tuple(f"{step}-{i}" for i in range(size))
            before = tuple(known), dict(ix)
            grown, there = longer(known, more), with_places(ix, more)
            sibling, elsewhere = longer(known, ("other",)), with_places(ix, ("other",))
            assert (tuple(known), dict(ix)) == before
            assert sibling[-1] == "other" and elsewhere["other"] == len(before[0]) and "other" not in there
            known, ix, names = grown, there, names + more
            assert known == names and len(known) == len(ix) == len(names) and known[-1] == names[-1]
            assert known[1:-1] == names[1:-1] and list(known) == list(names)
            assert dict(ix) == {name: row for row, name in enumerate(names)} and ix.get("nobody") is None
            with pytest.raises(IndexError):
                known[-len(names) - 1]
