"""What a process has written itself it knows without reading it, where nothing of others lies between."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from retailor.live.shapes import Line
from retailor.live.shop import LiveShop

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)


@pytest.fixture
def shops(tmp_path: Path) -> Iterator[tuple[LiveShop, LiveShop]]:
    both = [LiveShop.open(f"sqlite:///{tmp_path}/live.db") for _ in range(2)]
    with closing(both[0]), closing(both[1]):
        yield both[0], both[1]


def line(n: int, at: datetime = NOW) -> Line:
    return Line(f"e{n}", "event", at, f"u{n % 3}", f"P{n}", "view", None, {"position": n})


def known(shop: LiveShop) -> dict[str, Any]:
    recent = shop.recent
    return {
        "own": {f"u{n}": recent.items_of(f"u{n}") for n in range(3)},
        "numbers": [number for number, _ in recent._events],
        "lines": [each for _, each in recent._events],
        "last": recent.number,
    }


def test_what_it_wrote_it_knows_as_one_who_read_it(
    shops: tuple[LiveShop, LiveShop], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numbers and lines are the same, also with repetitions among them and none of it new."""
    one, other = shops
    monkeypatch.setattr(one, "catch_up", lambda: pytest.fail("it read the log"))
    for request in ([line(1), line(2)], [line(2), line(3), line(3), line(4)], [line(4)]):
        one.take([request])
    assert [(each.n_accepted, each.n_repeated) for each in one.take([[line(5)], [line(1), line(6)]])] == [
        (1, 0), (1, 1),
    ]  # fmt: skip
    other.catch_up()
    assert known(one) == known(other) and known(one)["numbers"] == [1, 2, 3, 4, 5, 6]


def test_what_another_wrote_between_is_read(shops: tuple[LiveShop, LiveShop]) -> None:
    one, other = shops
    one.take([[line(1)]])
    other.take([[line(2)]])
    assert known(other)["numbers"] == [1, 2]
    other.take([[line(3)]])
    one.take([[line(4)]])
    assert known(one)["numbers"] == [1, 2, 3, 4]
    other.forget(["u1"])
    after = datetime.now(UTC) + timedelta(minutes=1)  # what had happened before would be refused
    one.take([[line(7, after), line(8, after)]])
    assert one.recent.items_of("u1") == ("P7",) and one.recent.number == other.recent.number + 2
