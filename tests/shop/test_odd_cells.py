"""Values of another shape than their column has: lists, objects, and the ends of wide types."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.shop.read import read
from retailor.shop.tables import Shop

ITEMS = {"items": {"columns": {"item_id": "id", "title": "t", "price": "p"}}}
REVIEWS = {"reviews": {"columns": {"item_id": "id", "rating": "p", "text": "t"}}}
EVENTS = {"events": {"columns": {"user_id": "u", "item_id": "i", "time": "t"}, "constants": {"kind": "buy"}}}


def read_json(folder: Path, rows: list[dict[str, Any]], tables: dict[str, Any] = ITEMS) -> Shop:
    (folder / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return read("tabular", folder / "t.jsonl", tables=tables)


def read_parquet(folder: Path, columns: dict[str, Any], tables: dict[str, Any] = ITEMS) -> Shop:
    pq.write_table(pa.table(columns), folder / "t.parquet")
    return read("tabular", folder / "t.parquet", tables=tables)


@pytest.mark.parametrize(("tables", "column"), [(ITEMS, "price"), (REVIEWS, "rating")])
@settings(max_examples=15, deadline=None)
@given(cells=st.lists(st.lists(st.sampled_from([1.5, 2.25, 4.0]), max_size=3), min_size=1, max_size=4))
def test_a_list_of_one_is_its_value_and_one_of_several_is_counted(
    tmp_path_factory: pytest.TempPathFactory, tables: dict[str, Any], column: str, cells: list[list[float]]
) -> None:
    folder = tmp_path_factory.mktemp("lists")
    ids = [f"i{i}" for i in range(len(cells))]
    rows = [{"id": one, "t": "a", "p": cell} for one, cell in zip(ids, cells, strict=True)]
    column_of = pa.array(cells, pa.list_(pa.float64()))
    expected = [cell[0] if len(cell) == 1 else None for cell in cells]
    for shop in (
        read_json(folder, rows, tables),
        read_parquet(folder, {"id": ids, "t": ["a"] * len(ids), "p": column_of}, tables),
    ):
        table = next(iter(tables))
        assert getattr(shop, table)[column].to_list() == expected
        assert sum(shop.unread["n"]) == sum(len(cell) > 1 for cell in cells)
        assert set(shop.unread["reason"]) <= {"is a list of several values"}


def test_an_object_for_a_price_or_a_rating_is_named_as_one(tmp_path: Path) -> None:
    cell = {"amount": 9.99, "currency": "USD"}
    shops = [read_json(tmp_path, [{"id": "a", "t": "x", "p": cell}, {"id": "b", "t": "y", "p": 3}])]
    shops.append(read_parquet(tmp_path, {"id": ["a"], "t": ["x"], "p": pa.array([cell])}))
    shops.append(read_parquet(tmp_path, {"id": ["a"], "t": ["x"], "p": pa.array([[cell]])}, REVIEWS))
    for shop in shops:
        assert shop.unread["reason"].to_list() == ["is an object with fields, not one value"]


def test_several_ids_in_one_cell_are_no_id(tmp_path: Path) -> None:
    shops = [
        read_json(tmp_path, [{"id": ["a"], "t": "x", "p": 1}, {"id": ["b", "c"], "t": "y", "p": 2}]),
        read_parquet(tmp_path, {"id": pa.array([["a"], ["b", "c"]]), "t": ["x", "y"], "p": [1.0, 2.0]}),
    ]
    for shop in shops:
        assert shop.items["item_id"].to_list() == ["a"]
        assert "is a list of several values" in shop.rejects["reason"][0]


def test_decimals_of_any_width_are_numbers(tmp_path: Path) -> None:
    for kind in (pa.decimal128(38, 3), pa.decimal256(76, 3)):
        cells = pa.array([Decimal("9.990"), Decimal("1.299"), None], kind)
        for column, n_lists in ((cells, 0), (pa.array([[c] for c in cells.to_pylist()], pa.list_(kind)), 1)):
            if n_lists and kind == pa.decimal256(76, 3):
                continue  # a list of such is JSON text
            shop = read_parquet(tmp_path, {"id": ["a", "b", "c"], "t": ["x"] * 3, "p": column})
            assert shop.items["price"].to_list() == [9.99, 1.299, None] and not len(shop.unread)
    ids = pa.array([Decimal(10**37), Decimal(10**37 + 1)], pa.decimal128(38, 0))
    shop = read_parquet(tmp_path, {"id": ids, "t": ["x", "y"], "p": [1.0, 2.0]})
    assert shop.items["item_id"].to_list() == [str(10**37), str(10**37 + 1)]


_2017 = 1_500_000_000
_LAST = 2**63 - 1
_FAR = 86_400_000 * 10**11


@pytest.mark.parametrize(
    "cells",
    [
        *(
            pa.array([_2017 * 10**power, last, -last], pa.int64()).cast(pa.timestamp(unit, zone))
            for unit, power, last in (
                ("s", 0, _LAST // 1000), ("ms", 3, _LAST), ("us", 6, _LAST), ("ns", 9, _LAST)
            )
            for zone in (None, "Asia/Shanghai")
        ),
        pa.array([17_361, 2**31 - 1, -(2**31)], pa.int32()).cast(pa.date32()),
        pa.array([17_361 * 86_400_000, _FAR, -_FAR], pa.int64()).view(pa.date64()),
    ],
    ids=lambda cells: str(cells.type),
)  # fmt: skip
def test_times_at_the_ends_of_their_types_are_rejects(cells: Any, tmp_path: Path) -> None:
    shop = read_parquet(tmp_path, {"u": ["u"] * 3, "i": ["i"] * 3, "t": cells}, EVENTS)
    assert shop.events["time"].dt.strftime("%Y-%m").to_list() == ["2017-07"]
    assert shop.rejects["line"].to_list() == [2, 3]


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.uint32()])
def test_numbers_of_parquet_settle_their_unit_as_texts_do(kind: Any, tmp_path: Path) -> None:
    cells = pa.array([_2017 + i for i in range(20)], pa.int64()).cast(kind)
    shop = read_parquet(tmp_path, {"u": ["u"] * 20, "i": ["i"] * 20, "t": cells}, EVENTS)
    assert len(shop.events) == 20 and shop.events["time"].dt.year().unique().to_list() == [2017]
    as_text = read_json(tmp_path, [{"u": "u", "i": "i", "t": _2017 + i} for i in range(20)], EVENTS)
    assert shop.events.sort("time").equals(as_text.events.sort("time"))
