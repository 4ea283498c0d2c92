"""Prices, stars, times, ids and paths as the world writes them: the right value, or a counted loss."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from babel.dates import format_date, format_datetime
from babel.numbers import format_currency, format_decimal
from hypothesis import given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from retailor.errors import ConfigError, DataError
from retailor.shop.cells.currencies import active
from retailor.shop.cells.numbers import Amount, NumberForm, read_amount, read_rating
from retailor.shop.cells.times import TimeForm, read_time
from retailor.shop.read import limit_of, read
from retailor.shop.readers.column_maps import ColumnMap
from retailor.shop.readers.columns import canonical
from retailor.shop.readers.survey import survey
from retailor.shop.tables import Shop
from retailor.shop.unread import Unread

LOCALES = ("en_US", "en_GB", "en_IN", "de_DE", "de_CH", "fr_FR", "fr_CH", "es_ES", "it_IT", "pt_BR",
    "nl_NL", "pl_PL",
           "cs_CZ", "sv_SE", "da_DK", "nb_NO", "fi_FI", "ru_RU", "tr_TR", "zh_CN", "zh_TW", "ja_JP",
            "ko_KR", "hi_IN",
           "ar_EG", "fa_IR", "vi_VN", "id_ID")  # fmt: skip
NOON = datetime(2018, 1, 4, 9, 1, tzinfo=UTC)


def table(columns: dict[str, list[Any]]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(zip(*columns.values(), strict=True))
    return out.getvalue().encode()


def items(folder: Path, prices: list[str], **settings: Any) -> Shop:
    """The shop of a CSV file with these prices."""
    path = folder / "items.csv"
    path.write_bytes(table({"id": list(range(len(prices))), "price": prices}))
    columns = {"item_id": "id", "price": "price"}
    return read("tabular", path, tables={"items": {"columns": columns, "delimiter": ",", **settings}})


def events(folder: Path, times: list[str], **settings: Any) -> Shop:
    """The shop of a CSV file with these times."""
    path = folder / "events.csv"
    path.write_bytes(table({"u": [f"u{i}" for i in range(len(times))], "t": times}))
    how = {"columns": {"user_id": "u", "item_id": "u", "time": "t"}, "constants": {"kind": "buy"}}
    return read("tabular", path, tables={"events": {**how, "delimiter": ",", **settings}})


# prices -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "value", "currency"),
    [
        ("19,99 €", 19.99, "EUR"),
        ("1.299,00 €", 1299.0, "EUR"),
        ("1 299,50", 1299.5, None),
        ("1\u202f299,50\u00a0€", 1299.5, "EUR"),
        ("1'299.90", 1299.9, None),
        ("CHF 1’299.90", 1299.9, "CHF"),
        ("84.02 USD", 84.02, "USD"),
        ("１２９９", 1299.0, None),
        ("￥１，２９９．００", 1299.0, None),
        ("₹1,29,900.00", 129900.0, "INR"),
        ("1.2万", 12000.0, None),
        ("1.2万元", 12000.0, "CNY"),
        ("1.299万元", 12990.0, "CNY"),
        ("人民币 99", 99.0, "CNY"),
        ("¥99元", 99.0, "CNY"),
        ("1,299円", 1299.0, "JPY"),
        ("99元起", 99.0, "CNY"),
        ("١٬٢٩٩٫٥٠", 1299.5, None),
        ("US$ 5", 5.0, "USD"),
        ("US $5.00", 5.0, "USD"),
        ("CA$5", 5.0, "CAD"),
        ("R$ 1.299,00", 1299.0, "BRL"),
        ("$10 - $20", 10.0, None),
        ("10–20 €", 10.0, "EUR"),
        ("from 9.99", 9.99, None),
        ("ab 19,99 €", 19.99, "EUR"),
        ("EUR 19,99 inkl. MwSt.", 19.99, "EUR"),
        ("€ 19.—", 19.0, "EUR"),
        ("19,-", 19.0, None),
        ("Free", 0.0, None),
        ("免费", 0.0, None),
        ("0.299", 0.299, None),
        ("1299.500", 1299.5, None),
        ("1,299,000", 1299000.0, None),
        ("1e5", 100000.0, None),
        (".99", 0.99, None),
    ],
)
def test_a_price_says_what_it_says(text: str, value: float, currency: str | None, tmp_path: Path) -> None:
    shop = items(tmp_path, [text])
    assert shop.items.select("price", "currency").row(0) == (value, currency)
    assert shop.unread.filter(pl.col("column") == "price").is_empty()


@pytest.mark.parametrize(
    "text", ["1.299", "1,299", "12 34", "-5", "(5.00)", "15%", "pack of 6", "€5 USD", "20 - 10",
     "1,2345.6", "1.29.9",
             "5 items", "10K", "$20.00/kg", "9" * 80, "1,29,90", "0,299,000"],
)  # fmt: skip
def test_what_is_no_price_or_can_mean_two_is_null_and_counted(text: str, tmp_path: Path) -> None:
    shop = items(tmp_path, [text, "7"])
    assert shop.items["price"].to_list() == [None, 7.0]
    lost = shop.unread.row(0, named=True)
    assert (lost["table"], lost["column"], lost["n"]) == ("items", "price", 1)
    assert lost["examples"] == [f"'{text[:80]}' (line 2)"] and lost["reason"]


@pytest.mark.parametrize("text", ["N/A", "-", "", "null", "暂无", "None"])
def test_a_cell_that_says_there_is_no_price_is_no_loss(text: str, tmp_path: Path) -> None:
    shop = items(tmp_path, [text, "7"])
    assert shop.items["price"].to_list() == [None, 7.0] and shop.unread.is_empty()


def test_another_cell_of_the_column_settles_the_decimal_sign(tmp_path: Path) -> None:
    assert items(tmp_path, ["1.299", "5,50 €"]).items["price"].to_list() == [1299.0, 5.5]
    assert items(tmp_path, ["1.299", "5.50"]).items["price"].to_list() == [1.299, 5.5]
    assert items(tmp_path, ["1,299"] * 3 + ["1,299.00"]).items["price"].to_list() == [1299.0] * 4
    mixed = items(tmp_path, ["1.299", "5,50", "5.50"])  # two cells contradict each other: nobody is outvoted
    assert mixed.items["price"].to_list() == [None, 5.5, 5.5]
    assert "two numbers" in mixed.unread["reason"][0]


def test_the_map_settles_it_and_then_nothing_else_is_read(tmp_path: Path) -> None:
    texts = ["1.299", "5,50", "5.50", "1'299", "12"]
    assert items(tmp_path, texts, decimal=",").items["price"].to_list() == [1299.0, 5.5, None, 1299.0, 12.0]
    assert items(tmp_path, texts, decimal=".").items["price"].to_list() == [1.299, None, 5.5, 1299.0, 12.0]
    assert items(tmp_path, texts, thousands=".").items["price"].to_list() == [1299.0, 5.5, None, None, 12.0]
    assert items(tmp_path, ["1.299"], thousands="'").items["price"].to_list() == [1.299]


def test_a_sign_of_several_currencies_waits_for_the_map(tmp_path: Path) -> None:
    shop = items(tmp_path, ["$5", "¥5", "5 kr", "5", "5 €"])
    assert shop.items["currency"].to_list() == [None, None, None, None, "EUR"]
    assert shop.items["price"].to_list() == [5.0] * 5
    assert shop.unread["column"].to_list() == ["currency"] * 3
    assert all("give currency" in reason for reason in shop.unread["reason"])
    told = items(tmp_path, ["$5", "¥5", "5", "5 €"], currency="CAD")
    assert told.items["currency"].to_list() == ["CAD", None, "CAD", "EUR"]
    constant = items(tmp_path, ["$5", "84.02 EUR", "7"], constants={"currency": "USD"})
    assert constant.items["currency"].to_list() == ["USD", "EUR", "USD"]
    with pytest.raises(ConfigError, match=r"'Euro': give an ISO 4217 code"):
        items(tmp_path, ["5"], currency="Euro")


def test_a_column_of_currencies_is_read_as_codes(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(
        table(
            {"id": [1, 2, 3, 4, 5], "p": ["5", "$5", "5 €", "5", "5"], "c": ["eur", "US$", "USD", "zzz", ""]}
        )
    )
    columns = {"item_id": "id", "price": "p", "currency": "c"}
    shop = read("tabular", path, tables={"items": {"columns": columns}})
    assert shop.items["currency"].to_list() == ["EUR", "USD", None, None, None]
    assert sorted(shop.unread["reason"]) == [
        "is no currency's code or sign",
        "names another currency than the row's own column",
    ]


money = st.decimals("0.01", "9999999", places=2)


@settings(max_examples=60, deadline=None)
@given(
    st.sampled_from(LOCALES),
    st.lists(money, min_size=1, max_size=8),
    st.sampled_from(["EUR", "USD", "CNY", "JPY", "INR", "SEK", "KWD"]),
)
def test_money_reads_back_as_written_or_is_a_counted_loss(
    name: str, amounts: list[Decimal], code: str
) -> None:
    texts = [format_currency(amount, code, locale=name) for amount in amounts]
    digits = {"JPY": 0, "KWD": 3}.get(code, 2)
    written = [float(round(amount, digits)) for amount in amounts]
    found, losses = canonical_items(texts)
    for text, wanted, price, currency in zip(texts, written, found["price"], found["currency"], strict=True):
        assert price in (wanted, None), (text, price)
        assert currency in (code, None), (text, currency)
    assert found["price"].null_count() == sum(loss.n for loss in losses if loss.column == "price")
    if digits == 2 and code in ("EUR", "INR"):  # two digits after the sign settle it: nothing may be lost
        assert found["price"].to_list() == written, texts


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(LOCALES), st.lists(st.decimals("0", "9999999", places=3), min_size=1, max_size=8))
def test_numbers_read_back_as_written_or_are_a_counted_loss(name: str, amounts: list[Decimal]) -> None:
    texts = [format_decimal(amount, locale=name) for amount in amounts]
    found, losses = canonical_items(texts)
    for text, amount, price in zip(texts, amounts, found["price"], strict=True):
        assert price in (float(amount), None), (text, price)
    assert found["price"].null_count() == sum(loss.n for loss in losses if loss.column == "price")


def canonical_items(texts: list[str]) -> tuple[pl.DataFrame, list[Any]]:
    map = ColumnMap(columns={"item_id": "id", "price": "p"})
    frame = pl.DataFrame({"id": [str(i) for i in range(len(texts))], "p": texts})
    settled = {ours: each for (_, ours), each in survey([("items", map)], [frame], Unread(), "f").items()}
    rows, good, _, losses = canonical("items", map, frame, settled)
    assert good.all()
    return rows, losses


# stars --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "stars"),
    [("4,5", 4.5), ("4.5 out of 5", 4.5), ("4/5", 4.0), ("★★★★☆", 4.0), ("⭐⭐⭐", 3.0), ("4.5分", 4.5),
     ("5星", 5.0),
     ("4,5 von 5 Sternen", 4.5), ("４.５", 4.5), ("5.0 stars", 5.0), ("N/A", None), ("4.500", 4.5)],
)  # fmt: skip
def test_stars(text: str, stars: float | None) -> None:
    assert read_rating(text) == stars


@pytest.mark.parametrize("text", ["8/10", "9", "0", "-3", "★★★★★★", "4 5", "great", "90%", "1e9"])
def test_what_are_no_stars_of_five_is_a_reason(text: str) -> None:
    assert isinstance(read_rating(text), str)


# times --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["2018-01-04 18:01:00+09:00", "2018-01-04 04:01:00 -0500", "2018-01-04 09:01:00 UTC",
     "2018-01-04 09:01:00+00",
     "2018-01-04T09:01Z", "2018-01-04T09:01:00.000Z", "2018-01-04 09:01", "2018/01/04 09:01:00",
      "2018年1月4日 09:01",
     "2018年1月4日 上午9时01分", "Thu, 04 Jan 2018 09:01:00 +0000", "Thu Jan  4 09:01:00 2018",
      "20180104T090100Z",
     "Thu Jan 04 2018 10:01:00 GMT+0100 (Central European Standard Time)", "4. Januar 2018 um 09:01",
     "4 janv. 2018, 09:01:00", "Jan 4, 2018, 9:01:00 AM", "Jan 4th 2018 9:01 am",
      "2018. 1. 4. 오전 9:01:00",
     "2018-01-04T10:01:00+01:00[Europe/Berlin]", "Thu Jan 04 09:01:00 UTC 2018", "１５１５０５６４６０",
      "1515056460",
     "1515056460000", "1515056460000000", "1515056460000000000", "1515056460.0"],
)  # fmt: skip
def test_a_time_says_what_it_says(text: str, tmp_path: Path) -> None:
    assert events(tmp_path, [text]).events["time"].to_list() == [NOON]


@pytest.mark.parametrize(
    "text", ["15115440700000", "50000-01-01", "2018-02-30", "2018-01-04 25:00", "01/02/2018",
     "04/01/18", "29 days ago",
             "2018-01-04 09:01 CST", "0018-01-04", "1890-01-01", "9:01", "1e300", "-1",
              "2018-13-45T99:99:99Z",
             "99999999999999999999999999", "9007199254740992000", "2018-01-04 09:01:00 +99:00", "²⁰¹⁸"],
)  # fmt: skip
def test_a_time_that_cannot_be_read_is_one_reject(text: str, tmp_path: Path) -> None:
    for options in ({}, {"time_zone": "Asia/Shanghai"}):
        shop = events(tmp_path, ["2018-01-04 09:01:00Z", text], **options)
        assert shop.events["time"].to_list() == [NOON] and shop.rejects["line"].to_list() == [3]
        assert shop.rejects["reason"][0].startswith(f"time '{text[:40]}' ")


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_one_time_of_another_unit_is_one_reject(unit: str, tmp_path: Path) -> None:
    factor = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    for other in factor.keys() - {unit}:
        numbers = [str(1515056460 * factor[unit])] * 20 + [str(1515056460 * factor[other])]
        for options in ({}, {"time_unit": unit}):
            shop = events(tmp_path, numbers, **options)
            assert shop.events["time"].to_list() == [NOON] * 20 and shop.rejects["line"].to_list() == [22]


def test_seconds_called_milliseconds_are_noticed(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"is in the year 1970: is it a number of ms\?; as s it is in 2018"):
        events(tmp_path, ["1515056460"] * 3, time_unit="ms")
    early = events(tmp_path, ["1515056460"], time_unit="ms", since="1970-01-01")  # the user means it
    assert early.events["time"][0].year == 1970


def test_the_column_settles_whether_the_day_stands_first(tmp_path: Path) -> None:
    for other, month in (("13/01/2018", 2), ("01/13/2018", 1)):
        shop = events(tmp_path, ["01/02/2018", other])
        assert shop.events["time"][0].month == month and not len(shop.rejects)
    mixed = events(tmp_path, ["01/02/2018", "13/01/2018", "01/13/2018", "03/03/2018"])
    assert [time.day for time in mixed.events["time"]] == [13, 13, 3]
    assert "give day_first" in mixed.rejects["reason"][0]
    for day_first, month in ((True, 2), (False, 1)):
        shop = events(tmp_path, ["01/02/2018", "01/02/18"], day_first=day_first)
        assert [time.month for time in shop.events["time"]] == [month, month]
    assert events(tmp_path, ["13/01/2018", "01/13/2018"], day_first=False).rejects["line"].to_list() == [2]


def test_an_hour_that_the_clocks_skip_is_a_reject(tmp_path: Path) -> None:
    for text in ("2018-03-25 02:30:00", "25 March 2018 02:30"):
        shop = events(tmp_path, ["2018-01-04 10:01", text], time_zone="Europe/Berlin")
        assert shop.events["time"].to_list() == [NOON] and len(shop.rejects) == 1


def test_a_time_may_be_optional_and_the_zone_is_said(tmp_path: Path) -> None:
    shop = events(tmp_path, ["2018-01-04 09:01", "soon"], optional=["time"])
    assert shop.events["time"].to_list() == [NOON, None] and shop.unread["column"].to_list() == ["time"]


@settings(max_examples=120, deadline=None)
@given(
    st.sampled_from(LOCALES),
    st.lists(st.datetimes(datetime(1995, 1, 1), datetime(2037, 12, 31)), min_size=1, max_size=6),
    st.sampled_from(["short", "medium", "long"]),
    st.booleans(),
)
def test_times_read_back_as_written_or_are_a_reject(
    name: str, times: list[datetime], width: str, with_clock: bool
) -> None:
    times = [time.replace(microsecond=0, tzinfo=UTC) for time in times]
    if with_clock:
        texts = [format_datetime(time, width, locale=name) for time in times]
        kept = [time if width != "short" else time.replace(second=0) for time in times]
    else:
        texts = [format_date(time, width, locale=name) for time in times]
        kept = [time.replace(hour=0, minute=0, second=0) for time in times]
    map = ColumnMap(columns={"user_id": "u", "item_id": "u", "time": "t"}, constants={"kind": "buy"})
    frame = pl.DataFrame({"u": [str(i) for i in range(len(texts))], "t": texts})
    settled = {ours: each for (_, ours), each in survey([("events", map)], [frame], Unread(), "f").items()}
    rows, good, reasons, _ = canonical("events", map, frame, settled)
    for at, time in zip(good.arg_true(), rows["time"], strict=True):
        assert time == kept[at], texts[at]
    assert len(reasons) == len(texts) - good.sum()
    if name in ("en_US", "de_DE", "fr_FR", "es_ES", "zh_CN", "ja_JP", "pl_PL", "sv_SE") and width == "medium":
        named = any(letter.isalpha() for letter in format_date(times[0], width, locale=name))
        assert good.all() or not named, texts


# rows, blocks, ids, lists -------------------------------------------------------------------------


cell = st.sampled_from(
    ["1.299", "5,50", "5.50", "$5", "", "x", "-1", "1 299", "12", "2018-01-04", "01/02/2018",
     "1515056460", "13/01/2018",
     "4/5", "9", "A > B", '["A >> B"]', "２", "1e5", "\ufeff3", "null"]
)  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(cell, cell, cell, cell), min_size=1, max_size=12), st.integers(1, 5))
def test_a_row_means_the_same_alone_and_in_any_block(rows: list[tuple[str, ...]], size: int) -> None:
    maps = {
        "items": ColumnMap(columns={"item_id": "i", "price": "a", "category": "b", "title": "c"}),
        "reviews": ColumnMap(
            columns={"item_id": "i", "rating": "a", "time": "b", "text": "c", "helpful": "d"}
        ),
    }
    columns = {name: [row[i] or None for row in rows] for i, name in enumerate("abcd")}
    frame = pl.DataFrame(
        {"i": [f"i{n}" for n in range(len(rows))], **columns}, schema=dict.fromkeys("iabcd", pl.String)
    )
    for name, map in maps.items():
        settled = {ours: each for (_, ours), each in survey([(name, map)], [frame], Unread(), "f").items()}
        blocks = survey([(name, map)], frame.iter_slices(size), Unread(), "f")
        assert settled == {ours: each for (_, ours), each in blocks.items()}
        whole, _, reasons, losses = canonical(name, map, frame, settled)
        parts = [canonical(name, map, part, settled) for part in frame.iter_slices(size)]
        assert_frame_equal(pl.concat([part[0] for part in parts]), whole)
        assert [told for part in parts for told in part[2]] == reasons.to_list()
        assert sum(loss.n for part in parts for loss in part[3]) == sum(loss.n for loss in losses)


def test_one_bad_optional_cell_costs_no_row(tmp_path: Path) -> None:
    shop = items(tmp_path, ["soon"] * 1049 + ["5"])
    assert len(shop.items) == 1050 and not len(shop.rejects)
    assert shop.unread.select("n").item() == 1049 and len(shop.unread["examples"][0]) <= 5


def test_more_losses_than_a_share_are_an_error(tmp_path: Path) -> None:
    path = tmp_path / "items.csv"
    path.write_bytes(table({"id": ["", *range(1, 10)], "p": ["1"] * 5 + ["soon"] * 5}))
    maps = {"items": {"columns": {"item_id": "id", "price": "p"}}}
    assert len(read("tabular", path, tables=maps, max_rejects=0.6).items) == 9
    with pytest.raises(DataError, match=r"5 of 9 cells of items\.price could not be read.*'soon' \(line 7\)"):
        read("tabular", path, tables=maps, max_rejects=0.5)
    with pytest.raises(DataError, match=r"1 of 10 rows could not be read, and max_rejects is 0\.05"):
        read("tabular", path, tables=maps, max_rejects=0.05)
    with pytest.raises(ConfigError, match=r"max_rejects = 1\.5"):
        read("tabular", path, tables=maps, max_rejects=1.5)
    assert (limit_of("5%"), limit_of("0.05"), limit_of("7")) == (0.05, 0.05, 7)
    with pytest.raises(ConfigError, match="a share such as 5%"):
        limit_of("some")


def test_a_table_whose_every_row_is_lost_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_bytes(table({"u": ["a", "b"], "k": ["zz", "zz"]}))
    (tmp_path / "items.csv").write_bytes(table({"id": ["a", "b"]}))
    maps = {
        "events": {"columns": {"user_id": "u", "item_id": "u", "kind": "k"}},
        "items": {"columns": {"item_id": "id"}},
    }
    with pytest.raises(
        DataError, match=r"events\.csv: none of the 2 rows could be read into events; first: .*'zz'"
    ):
        read("tabular", tmp_path / "items.csv", tmp_path / "events.csv", tables=maps)


def test_a_file_of_repeats_is_no_loss(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_bytes(table({"id": ["x", "y"], "t": ["1", "2"]}))
    maps = {"items": {"columns": {"item_id": "id", "title": "t"}}}
    shop = read("tabular", tmp_path / "a.csv", tmp_path / "b.csv", tables=maps)
    assert (len(shop.items), len(shop.rejects)) == (2, 2)


def test_numbers_of_json_mean_one_thing(tmp_path: Path) -> None:
    path = tmp_path / "items.jsonl"
    prices: list[Any] = [1.299, 1299, "1.299,00 €", "1.299", {"amount": 3}, True, 19.5]
    path.write_text("".join(json.dumps({"id": i, "price": price}) + "\n" for i, price in enumerate(prices)))
    shop = read("tabular", path, tables={"items": {"columns": {"item_id": "id", "price": "price"}}})
    assert shop.items["price"].to_list() == [1.299, 1299, 1299, 1299, None, None, 19.5]


def test_ids_stay_apart(tmp_path: Path) -> None:
    texts = ["18446744073709551616", "18446744073709551617", "1e5", "100000.0", "100000", "007", "7", "NaN"]
    path = tmp_path / "items.csv"
    path.write_bytes(table({"id": texts, "t": texts}))
    maps = {"items": {"columns": {"item_id": "id", "title": "t"}}}
    assert read("tabular", path, tables=maps).items["item_id"].to_list() == texts
    pl.DataFrame({"id": [1.0, 2.0**53, 2.0**60, None], "t": list("abcd")}).write_parquet(
        tmp_path / "t.parquet"
    )
    shop = read("tabular", tmp_path / "t.parquet", tables=maps)
    assert shop.items["item_id"].to_list() == ["1"] and shop.rejects["line"].to_list() == [2, 3, 4]
    (tmp_path / "t.jsonl").write_text(
        '{"id": 1e5, "t": "a"}\n{"id": 1e60, "t": "a"}\n{"id": "1e5", "t": "a"}\n'
    )
    shop = read("tabular", tmp_path / "t.jsonl", tables=maps)
    assert shop.items["item_id"].to_list() == ["100000", "1e5"] and shop.rejects["line"].to_list() == [2]


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
@pytest.mark.parametrize("zone", [None, "Asia/Shanghai"])
def test_times_of_parquet_beyond_the_calendar_are_rejects(
    unit: str, zone: str | None, tmp_path: Path
) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    per_s = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}[unit]
    times = pa.array([1515056460 * per_s, 2**53 if unit == "s" else 2**62], pa.timestamp(unit, zone))
    pq.write_table(pa.table({"u": ["a", "b"], "t": times}), tmp_path / "t.parquet")
    how = {"columns": {"user_id": "u", "item_id": "u", "time": "t"}, "constants": {"kind": "buy"}}
    shop = read("tabular", tmp_path / "t.parquet", tables={"events": how})
    assert shop.events["time"].to_list() == [NOON] and shop.rejects["line"].to_list() == [2]
    days = pa.array([17535, 2**31 - 1], pa.date32())
    pq.write_table(pa.table({"u": ["a", "b"], "t": days}), tmp_path / "t.parquet")
    shop = read("tabular", tmp_path / "t.parquet", tables={"events": how})
    assert shop.events["time"].to_list() == [NOON.replace(hour=0, minute=0)] and len(shop.rejects) == 1


@pytest.mark.parametrize(
    ("text", "path"),
    [('["A >> B"]', ["A", "B"]), ("A > B > C", ["A", "B", "C"]), ("A|B", ["A", "B"]), ('["A", "B"]',
     ["A", "B"]),
     ("['A', 'B']", ["A", "B"]), ('[["A", "B"], ["C"]]', ["A", "B"]), ('["A > B", "A > C"]', ["A", "B"]),
     ("A &gt; B", ["A", "B"]), ("A » B", ["A", "B"]), ("[Sale] Shoes", ["[Sale] Shoes"]), ("A/B",
      ["A/B"]),
     ('[{"name": "A"}, {"name": "B"}]', ["A", "B"]), ("服装>>女装", ["服装", "女装"]), ("[]", None),
      ("A & B", ["A & B"])],
)  # fmt: skip
@pytest.mark.parametrize("form", ["csv", "jsonl"])
def test_category_paths(text: str, path: list[str] | None, form: str, tmp_path: Path) -> None:
    file = tmp_path / f"t.{form}"
    if form == "csv":
        file.write_bytes(table({"id": ["1"], "c": [text]}))
    else:
        file.write_text(json.dumps({"id": "1", "c": text}) + "\n")
    shop = read(
        "tabular", file, tables={"items": {"columns": {"item_id": "id", "category": "c"}, "delimiter": ","}}
    )
    assert shop.items["category"].to_list() == [path]


@given(st.text(max_size=30))
def test_no_text_is_a_traceback(text: str) -> None:
    amount = read_amount(text, NumberForm())
    assert amount is None or isinstance(amount, (Amount, str))
    assert isinstance(read_time(text, TimeForm()), (int, str))
    assert isinstance(read_rating(text), (float, str, type(None)))


def test_codes_are_known() -> None:
    assert {"EUR", "USD", "CNY", "JPY"} <= active() and "DEM" not in active()


def test_a_day_is_a_day() -> None:
    made = read_time("4 Jan 2018", TimeForm())
    assert made == int((NOON - timedelta(hours=9, minutes=1)).timestamp() * 1000)


def test_no_page_calls_a_price_without_a_currency_dollars() -> None:
    import retailor.serve

    page = Path(str(retailor.serve.__file__)).parent / "page"
    scripts = list(page.glob("*.js"))
    assert scripts and not [path.name for path in scripts if "USD" in path.read_text(encoding="utf-8")]
