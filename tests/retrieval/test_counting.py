"""Links counted on, of histories so many that rows are long: to the last digit what all counted anew give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from retailor.retrieval import counting
from retailor.retrieval.counting import Changed, Counts, How
from retailor.retrieval.histories import Histories
from retailor.retrieval.ragged import Ragged

N_ITEMS, N_USERS, MAX = 120, 300, 10**9


def histories(seed: int = 0) -> Histories:
    rng = np.random.default_rng(seed)
    own = [((rng.zipf(1.4, rng.integers(2, 40)) - 1) % N_ITEMS).tolist() for _ in range(N_USERS)]
    return Histories.of(own, [rng.choice([0.3, 0.6, 1.0], size=len(one)).tolist() for one in own])


def with_events(known: Histories, user: int, *own: int) -> tuple[Ragged, Changed]:
    """The histories with some events more of a customer, and what that changes."""
    before, fresh = known.at(np.array([user])), Histories.of([own], [[0.6] * len(own)])
    items, weights = np.append(before.items, fresh.items), np.append(before.weights, fresh.weights)
    now = Histories(before.offsets + fresh.offsets, items, weights)
    rows = now.rows()
    return (
        known.rows().replaced(np.array([user]), rows.offsets, rows.columns),
        Changed(np.array([user]), before, now, fresh),
    )


def assert_equal(found: Counts, wanted: Counts) -> None:
    for name in ("item_knn", "sequential", "holders"):
        one, other = getattr(found, name).flat(), getattr(wanted, name).flat()
        np.testing.assert_array_equal(one.offsets, other.offsets, err_msg=name)
        for column, values in other.columns.items():
            np.testing.assert_array_equal(one.columns[column], values, err_msg=f"{name} {column}")
    for name in ("popular", "norms", "n_events", "lengths"):
        np.testing.assert_array_equal(getattr(found, name), getattr(wanted, name), err_msg=name)


@pytest.mark.parametrize("n_links", [10, 1000])
@pytest.mark.parametrize("items", [[0], [3], [77], [*range(40)]])
def test_events_change_what_all_counted_anew_changes(
    n_links: int, items: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(counting, "TOO_MANY", 9)
    known = histories()
    rows, changed = with_events(known, 5, *items)
    after = Counts.of(known, N_ITEMS, n_links, MAX).after(rows, changed, n_links, MAX)
    assert after is not None
    assert_equal(after, Counts.of(Histories.of_rows(rows), N_ITEMS, n_links, MAX))
    assert after.n_total == len(known.items) + len(items)


def test_all_are_counted_where_others_are_due_or_most_would_be(monkeypatch: pytest.MonkeyPatch) -> None:
    known = histories()
    counts = Counts.of(known, N_ITEMS, 10, MAX)
    rows, changed = with_events(known, 5, 77)
    assert counts.after(rows, changed, 10, MAX) is not None
    assert counts.after(rows, changed, 9, MAX) is None
    assert counts.after(rows, changed, 10, 20_000) is None, "only the latest events of each are due"
    few = Counts.of(known, N_ITEMS, 10, 20_000)
    assert few.how.latest is not None and few.after(rows, changed, 10, MAX) is None
    monkeypatch.setattr(counting, "TOO_MANY", 0.001)
    assert counts.after(rows, changed, 10, MAX) is None


def test_links_that_are_of_the_histories_are_taken_as_they_are() -> None:
    known = histories()
    counts = Counts.of(known, N_ITEMS, 10, 20_000)
    how = How.of(known, 10, 20_000)
    assert how == counts.how
    made = Counts.known(known, how, *(_part(each) for each in (counts.item_knn, counts.sequential)))
    assert_equal(made, counts)
    assert_equal(made.widened(N_ITEMS + 3), Counts.of(known, N_ITEMS + 3, 10, 20_000))


def _part(links: Ragged) -> counting.ItemToItem:
    return counting.ItemToItem(links, 0.0)


def test_rows_that_are_replaced_leave_the_others_and_who_has_the_table() -> None:
    table = Histories.of([[1, 2], [3], [], [4, 5, 6]]).rows()
    one = table.replaced(np.array([1, 2]), np.array([0, 2, 3]), _columns([7, 8, 9]))
    two = table.replaced(np.array([3]), np.array([0, 0]), _columns([]))
    three = one.widened(5).replaced(np.array([2, 4]), np.array([0, 0, 1]), _columns([5]))
    listed = [[own.items.tolist() for own in _each(rows)] for rows in (table, one, two, three)]
    assert listed == [
        [[1, 2], [3], [], [4, 5, 6]],
        [[1, 2], [7, 8], [9], [4, 5, 6]],
        [[1, 2], [3], [], []],
        [[1, 2], [7, 8], [], [4, 5, 6], [5]],
    ]
    assert [rows.n_entries for rows in (table, one, two, three)] == [6, 8, 3, 8]
    assert np.shares_memory(one.columns["items"], table.columns["items"])


def _columns(items: list[int]) -> dict[str, np.ndarray]:
    return {"items": np.array(items, np.int32), "weights": np.ones(len(items), np.float32)}


def _each(rows: Ragged) -> list[Histories]:
    flat = replace(Histories.of_rows(rows))
    return [flat.at(np.array([row])) for row in range(len(rows))]
