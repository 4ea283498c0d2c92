"""What `retailor init` says where two columns, or two meanings, are possible."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from retailor.shop.propose.proposal import Found, propose

Row = dict[str, str]


def order(i: int) -> Row:
    return {
        "order_no": f"{1000 + i}", "customer_id": f"C{i % 7}", "sku": f"K-{i % 5}",
        "order_date": f"2024-03-{i + 1:02d}", "qty": "1",
    }  # fmt: skip


def order_zh(i: int) -> Row:
    return {"买家昵称": f"用户{i % 7}", "商品编号": f"H{i % 5}", "下单时间": f"2024-05-{i + 1:02d}"}


def item(i: int) -> Row:
    return {"sku": f"K-{i}", "name": f"Blue mug number {i}", "price": f"{10 + i}.50"}


def review(i: int) -> Row:
    text = f"I have used this mug for {i} days and it is fine so far"
    return {"user_id": f"u{i % 9}", "sku": f"K-{i % 5}", "rating": f"{1 + i % 5}", "review": text}


def review_zh(i: int) -> Row:
    text = f"味道很不错服务员态度也挺好的第{i}次来了"
    return {"用户": f"网友{i % 9}", "评分": f"{1 + i % 5}", "评论": text}


def told(folder: Path, row: Callable[[int], Row], more: Callable[[int], Row] = lambda i: {}) -> list[str]:
    """The doubts about a file of 24 such rows, but for those of zones and currencies, which all have."""
    rows = [{**row(i), **more(i)} for i in range(24)]
    with (folder / "f.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    found: list[Found] = propose([folder / "f.csv"])
    notes = [note for one in found for table in one.tables for note in table.unsure]
    return [note for note in notes if "no zone" not in note and "no currency" not in note]


@pytest.mark.parametrize("row", [order, item, review, order_zh, review_zh])
def test_of_a_file_with_one_column_for_each_of_ours_there_is_no_doubt(
    row: Callable[[int], Row], tmp_path: Path
) -> None:
    assert told(tmp_path, row) == []


@pytest.mark.parametrize(
    ("row", "more", "said"),
    [
        (order, lambda i: {"ship_date": f"2024-04-{i + 1:02d}"}, "time: 'ship_date' could be meant"),
        (order_zh, lambda i: {"付款时间": f"2024-06-{i + 1:02d}"}, "time: '付款时间' could be meant"),
        (item, lambda i: {"sale_price": f"{9 + i}.50"}, "price: 'sale_price' could be meant"),
        (item, lambda i: {"product_id": f"{700 + i}"}, "could be meant as well as 'product_id'"),
        (review, lambda i: {"value_rating": f"{1 + (i + 1) % 5}"}, "rating: 'value_rating' could be meant"),
        (review_zh, lambda i: {"服务评分": f"{1 + (i + 2) % 5}"}, "rating: '服务评分' could be meant"),
        (order, lambda i: {"product_name": f"Blue mug {i % 5}", "list_price": f"{9 + i % 5}.50",
                           "sale_price": f"{8 + i % 5}.50"}, "price: 'sale_price' could be meant"),
    ],
)  # fmt: skip
def test_a_second_column_that_could_be_meant_is_named(
    row: Callable[[int], Row], more: Callable[[int], Row], said: str, tmp_path: Path
) -> None:
    assert any(said in note for note in told(tmp_path, row, more))


def test_a_column_that_says_the_same_again_is_none(tmp_path: Path) -> None:
    assert told(tmp_path, item, lambda i: {"item_id": f"K-{i}"}) == []


@pytest.mark.parametrize(
    ("row", "more", "said"),
    [
        (review, lambda i: {"score": f"{1 + i % 10}"}, "rating: 'score' is called so, but holds 1 to 10"),
        (review, lambda i: {"rating": f"{10 * (1 + i % 10)}"}, "'rating' is called so, but holds 10 to 100"),
        (review_zh, lambda i: {"总分": f"{1 + i % 10}"}, "rating: '总分' is called so, but holds 1 to 10"),
        (review, lambda i: {"rating": f"{i % 2}"}, "rating: none is above 1; stars of 5 are read"),
        (review, lambda i: {"label": f"{7 + i % 3}"}, "label: 'label' is called so, but holds 7 to 9"),
        (order_zh, lambda i: {"行为类型": f"{1 + i % 4}"}, "kind: '行为类型' is called so, but holds 1 to 4"),
        (item, lambda i: {"price": "ask us"}, "price: 'price' is called so, but holds 'ask us'"),
    ],
)  # fmt: skip
def test_a_column_whose_values_forbid_its_name_is_named(
    row: Callable[[int], Row], more: Callable[[int], Row], said: str, tmp_path: Path
) -> None:
    assert any(said in note for note in told(tmp_path, row, more))


@pytest.mark.parametrize(
    ("row", "more", "said"),
    [
        (order, lambda i: {"order_status": "Refunded" if i % 6 == 0 else "Complete"}, "holds 'Refunded'"),
        (order_zh, lambda i: {"订单状态": "交易关闭" if i % 6 == 0 else "交易成功"}, "holds '交易关闭'"),
        (order_zh, lambda i: {"退款状态": "没有申请退款" if i % 6 else "退款成功"}, "holds '退款成功'"),
        (order, lambda i: {"is_cancelled": "no" if i % 6 else "yes"}, "'is_cancelled' holds 'yes'"),
        (order, lambda i: {"refund_amount": "0.00" if i % 6 else "9.50"}, "'refund_amount' holds '9.50'"),
        (order, lambda i: {"qty": "1" if i % 6 else "-1"}, "'qty' goes below 0"),
    ],
)  # fmt: skip
def test_rows_of_orders_that_may_be_no_purchases_are_named(
    row: Callable[[int], Row], more: Callable[[int], Row], said: str, tmp_path: Path
) -> None:
    assert [note for note in told(tmp_path, row, more) if said in note and "count as 'buy' too" in note]


@pytest.mark.parametrize(
    "more",
    [
        lambda i: {"order_status": "Complete" if i % 2 else "Shipped"},
        lambda i: {"product_name": "Return of the king"},
        lambda i: {"is_cancelled": "no", "refund_amount": "0.00"},
        lambda i: {"订单状态": "交易成功", "退款状态": "没有申请退款"},
    ],
)
def test_orders_that_all_stand_raise_no_doubt(more: Callable[[int], Row], tmp_path: Path) -> None:
    assert told(tmp_path, order, more) == []


def test_a_price_does_not_say_that_something_was_bought(tmp_path: Path) -> None:
    def log(i: int) -> Row:
        return {
            "user_id": f"u{i % 7}",
            "product_id": f"P{i % 5}",
            "price": f"{9 + i}.5",
            "ts": f"{17e8 + i:.0f}",
        }

    assert any("'buy' is a guess" in note for note in told(tmp_path, log))
    assert told(tmp_path, log, lambda i: {"page": "home"}) == []  # looked at


@pytest.mark.parametrize(
    ("day", "said"),
    [
        (lambda i: f"{i % 12 + 1:02d}/{i % 11 + 1:02d}/2024", "can be day or month first"),
        (lambda i: f"{i % 12 + 1:02d}/{i % 11 + 1:02d}/24", "nothing says which it is, and false is a guess"),
        (lambda i: f"03/{i + 1:02d}/24", "look at the first rows"),
    ],
)  # fmt: skip
def test_days_that_may_be_months_are_named(day: Callable[[int], str], said: str, tmp_path: Path) -> None:
    assert any(said in note for note in told(tmp_path, order, lambda i: {"order_date": day(i)}))
    assert told(tmp_path, order, lambda i: {"order_date": f"{i + 1:02d}/03/2024"}) == []
