"""`retailor init`: what files are, which column is which, and a plan that reads them."""

from __future__ import annotations

import json
import shutil
import sys
import tomllib
import zipfile
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.cli import main
from retailor.errors import ConfigError
from retailor.plan.settings import read_plan
from retailor.plan.shop_stages import shop_stages
from retailor.shop.files.encodings import encoding_of
from retailor.shop.propose.door import files_in, rules_in
from retailor.shop.propose.names import likeness, scores, words_of
from retailor.shop.propose.proposal import propose
from retailor.shop.propose.sample import samples
from retailor.shop.propose.values import labels_of
from retailor.shop.propose.write import plan_text, toml
from retailor.shop.read import read
from retailor.shop.tables import Shop, open_shop
from tests.shop.init_figures import EXPORTS, figures

ITEMS = """sku,name,brand,category,price,color,image_url
A1,Steel bottle 1 l,Acme,Kitchen > Bottles,"1.299,00 €",Blue,https://x.test/a.jpg
A2,Tent for two,Campo,Outdoor > Tents,"89,90 €",Green,https://x.test/b.jpg
A3,Wool hat,Campo,Clothes,"9,90 €",,https://x.test/c.jpg
A4,Lamp,Acme,Lights,"19,90 €",Red,https://x.test/d.jpg
"""
ORDERS = """order_id,customer_number,article,quantity,ordered_at
1,C1,A1,1,2024-01-03T10:00Z
1,C1,A2,1,2024-01-03T10:00Z
2,C2,A3,2,2024-01-04T10:00Z
3,C3,A4,2,2024-01-06T10:00Z
"""
REVIEWS = """商品编号,买家昵称,评分,评价内容,评价时间
A1,小明,5,质量很好，物流也很快，非常满意的一次购物,2024-01-03 10:00
A2,小红,1,帐篷漏水，客服态度差，再也不会买了,2024-01-05 11:00
A3,阿强,4,帽子很暖和，就是颜色和图片有点不一样,2024-01-06 12:00
"""


def init(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    monkeypatch.setattr(sys, "argv", ["retailor", "init", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def shop_files(folder: Path) -> list[Path]:
    (folder / "items.csv").write_text(ITEMS, "utf-8")
    (folder / "orders.csv").write_text(ORDERS, "utf-8")
    (folder / "reviews.csv").write_bytes(REVIEWS.encode("gb18030"))
    return [folder / name for name in ("orders.csv", "reviews.csv", "items.csv")]


def read_by(plan: Path, folder: Path) -> Shop:
    """The shop as the plan's own first stage reads it."""
    stage = shop_stages(read_plan(plan))[0]
    stage.make({}, folder / "read", folder / "work")
    return open_shop(folder / "read")


@pytest.mark.parametrize("part", ["expected.toml", "later/expected.toml", "last/expected.toml"])
def test_of_the_columns_of_files_that_nobody_has_named_nineteen_of_twenty_are_right(part: str) -> None:
    found = figures(EXPORTS / part)
    n, right = (sum(getattr(one, name) for one in found.values()) for name in ("n", "right"))
    told = [f"{name}: {wrong}" for name, one in found.items() for wrong in one.wrong]
    assert n >= 50 and right / n >= 0.95, told


def test_the_plan_that_is_written_reads_the_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = shop_files(tmp_path)
    plan = tmp_path / "plans" / "mine.toml"
    assert init(monkeypatch, *files, "--yes", "-o", plan) == 0
    said = capsys.readouterr().out
    assert "items.csv: catalogue (4 rows)" in said and "color → items.attributes (color)" in said
    assert "events, as they would be read:" in said and "not used: order_id, quantity" in said
    shop = read_by(plan, tmp_path)
    assert shop.items.select("item_id", "price", "currency").row(0) == ("A1", 1299.0, "EUR")
    assert shop.events["kind"].unique().to_list() == ["buy"] and len(shop.events) == 4
    assert shop.reviews["text"][1] == "帐篷漏水，客服态度差，再也不会买了" and not len(shop.rejects)
    assert "# unsure: times that name no zone" in plan.read_text("utf-8")


def test_a_plan_of_several_formats_reads_them_all_catalogue_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("shopify_orders.csv", "shopify_products.csv", "judgeme_reviews.csv", "ga4_events.jsonl"):
        (tmp_path / name).write_bytes((EXPORTS / name).read_bytes())
    (tmp_path / "faq.csv").write_text(
        "question,answer\nDo you ship to Oslo?,Yes.\nIs it wool?,It is.\n", "utf-8"
    )
    assert init(monkeypatch, tmp_path, "-y", "-o", tmp_path / "plan.toml") == 0
    plan = read_plan(tmp_path / "plan.toml")
    assert plan.sections["shop"].sources[0].reader == "shopify"
    shop = read_by(tmp_path / "plan.toml", tmp_path)
    sizes = {name: len(table) for name, table in shop.tables().items() if len(table)}
    assert sizes == {"items": 8, "events": 15, "reviews": 4, "questions": 2}


def test_a_plan_is_not_replaced_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    files = shop_files(tmp_path)
    plan = tmp_path / "plan.toml"
    plan.write_text("name = 'mine'\n", "utf-8")
    assert init(monkeypatch, *files, "-y", "-o", plan) == 1
    assert "is there already" in capsys.readouterr().err and plan.read_text("utf-8") == "name = 'mine'\n"
    assert init(monkeypatch, *files, "-y", "--replace", "-o", plan) == 0
    assert read_plan(plan).head.name == "plan"


def test_without_yes_it_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = shop_files(tmp_path)
    monkeypatch.setattr(
        "typer.confirm", lambda text, **more: (_ for _ in ()).throw(__import__("typer").Abort())
    )
    assert init(monkeypatch, *files, "-o", tmp_path / "plan.toml") == 1
    assert not (tmp_path / "plan.toml").exists()


@pytest.mark.parametrize(
    ("name", "data", "said"),
    [
        ("nothing.csv", b"a,b\n1,2\n3,4\n", "nothing in these files is a table of a shop"),
        ("empty.csv", b"", "the file is empty"),
        ("photo.csv", b"\x89PNG\r\n\x1a\n" + b"\0" * 40, "a PNG image"),
        ("cut.json", b'[{"sku": "1", "name": "A"}, {"sku":', "cut off or broken"),
        ("about.html", b"<html><body>We are a shop</body></html>", "nothing in these files"),
    ],
)
def test_files_that_are_no_tables_say_why(
    name: str, data: bytes, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    (tmp_path / name).write_bytes(data)
    assert init(monkeypatch, tmp_path / name, "-y", "-o", tmp_path / "plan.toml") == 1
    err = capsys.readouterr().err
    assert said in err and err.count("\n") == 1 and not (tmp_path / "plan.toml").exists()


def test_files_of_one_shape_share_a_map_and_one_of_another_keeps_its_own(tmp_path: Path) -> None:
    for year in (2023, 2024):
        (tmp_path / f"orders_{year}.csv").write_text(ORDERS.replace("2024", str(year)), "utf-8")
    (tmp_path / "items.csv").write_text(ITEMS, "utf-8")
    found = propose(sorted(tmp_path.glob("*.csv")))
    plan = tomllib.loads(plan_text(found, tmp_path, "x"))
    (events,) = plan["shop"]["tables"]["events"]
    assert events["files"] == ["orders_2023.csv", "orders_2024.csv"]
    assert plan["shop"]["tables"]["items"][0]["files"] == ["items.csv"]


def test_a_catalogue_is_not_read_out_of_reviews_that_have_its_columns(tmp_path: Path) -> None:
    """Reviews have an id and a title too: each map says which file it is for."""
    (tmp_path / "items.csv").write_text("product_id,title\nA1,Hat\nA2,Cap\nA3,Bag\n", "utf-8")
    (tmp_path / "reviews.csv").write_text(
        "product_id,title,text,rating\nA1,Great,I wear it all day and at night too,5\n"
        "A2,Bad,It fell apart when I looked at it,1\nA3,Fine,It does what a bag has to do,4\n",
        "utf-8",
    )
    found = propose([tmp_path / "items.csv", tmp_path / "reviews.csv"])
    (tmp_path / "plan.toml").write_text(plan_text(found, tmp_path, "x"), "utf-8")
    shop = read_by(tmp_path / "plan.toml", tmp_path)
    assert shop.items["title"].to_list() == ["Hat", "Cap", "Bag"] and len(shop.reviews) == 3
    assert not len(shop.rejects)


@pytest.mark.parametrize(
    ("other", "joins"),
    [("id", "code"), ("sku", "barcode"), ("product_id", "gtin"), ("商品ID", "条码"), ("编号", "货号")],
)
def test_of_two_ids_the_one_that_joins_is_taken(other: str, joins: str, tmp_path: Path) -> None:
    (tmp_path / "c.csv").write_text(
        f"{other},{joins},title\n" + "".join(f"{i},X-{i}7,Thing {i}\n" for i in range(1, 9)), "utf-8"
    )
    (tmp_path / "o.csv").write_text(
        "no,buyer,ref,day\n" + "".join(f"{i},b{i % 3},X-{i}7,2024-01-0{i}\n" for i in range(1, 9)), "utf-8"
    )
    catalogue, orders = propose([tmp_path / "c.csv", tmp_path / "o.csv"])
    assert catalogue.tables[0].settings["columns"]["item_id"] == joins
    assert orders.tables[0].settings["columns"]["item_id"] == "ref"
    assert not [note for note in catalogue.tables[0].unsure if other in note]  # the join settles it


@pytest.mark.parametrize(
    ("question", "answers", "text", "who"),
    [("question", "answers", "text", "user"), ("问题", "回答", "内容", "用户")],
)
def test_what_a_question_lists_are_answers_and_no_reviews(
    question: str, answers: str, text: str, who: str, tmp_path: Path
) -> None:
    said = [{text: "It is warm enough, I think", who: "u"}, {text: "Not for me, it was too thin", who: "v"}]
    rows = [
        {"product_id": f"P{i % 3}", question: f"Is scarf {i} fit for winter?", answers: said}
        for i in range(9)
    ]
    (tmp_path / "q.json").write_text(json.dumps(rows, ensure_ascii=False), "utf-8")
    (found,) = propose([tmp_path / "q.json"])
    assert [table.table for table in found.tables] == ["questions"]
    assert found.tables[0].settings["columns"]["answer"] == f"{answers}.{text}"


def test_reviews_without_stars_are_no_ratings(tmp_path: Path) -> None:
    rows = [f"u{i},A{i % 3},I liked this thing very much number {i},{1 + i % 5}" for i in range(9)]
    for header, tables in (
        ("user_id,sku,text,stars", ["reviews", "events"]),
        ("user_id,sku,text,shelf", ["reviews"]),
    ):
        (tmp_path / "r.csv").write_text("\n".join([header, *rows]), "utf-8")
        (found,) = propose([tmp_path / "r.csv"])
        assert [table.table for table in found.tables] == tables


def test_ids_in_json_are_those_of_the_object_that_they_stand_in(tmp_path: Path) -> None:
    rows = [
        {"account": {"id": f"c{i % 4}"}, "goods": {"id": f"g{i % 6}", "name": f"Cup number {i % 6}"},
         "page": "home", "coupons": [{"code": f"X{i}"}]}
        for i in range(12)
    ]  # fmt: skip
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    (found,) = propose([tmp_path / "a.jsonl"])
    assert found.tables[0].settings["columns"] == {"user_id": "account.id", "item_id": "goods.id"}
    assert "coupons" in found.unused  # lists too are said to be lost


def test_what_is_no_table_in_a_folder_is_passed_by(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    for name in ("pictures/a.jpg", "b.csv", ".hidden", "readme.md"):
        (tmp_path / name).write_text("x", "utf-8")
    assert files_in([tmp_path, tmp_path / "b.csv"]) == [tmp_path / "b.csv"]


def test_reviews_whose_times_are_partly_words_are_kept(tmp_path: Path) -> None:
    rows = [f"A{i},I liked this thing very much number {i},5,2024-01-0{i}" for i in range(1, 9)]
    (tmp_path / "r.csv").write_text(
        "\n".join(["sku,text,stars,date", *rows, "A9,Fine for me and all,4,14 days ago"])
    )
    found = propose([tmp_path / "r.csv"])
    (tmp_path / "plan.toml").write_text(plan_text(found, tmp_path, "x"), "utf-8")
    shop = read_by(tmp_path / "plan.toml", tmp_path)
    assert len(shop.reviews) == 9 and shop.reviews["time"].null_count() == 1


def test_members_of_a_zip_are_looked_at_each(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        archive.writestr("data/items.csv", ITEMS)
        archive.writestr("data/orders.csv", ORDERS)
    found = propose([tmp_path / "all.zip"])
    assert [one.what for one in found] == ["catalogue", "events"]
    (tmp_path / "plan.toml").write_text(plan_text(found, tmp_path, "x"), "utf-8")
    shop = read_by(tmp_path / "plan.toml", tmp_path)
    assert (len(shop.items), len(shop.events)) == (4, 4)


def test_a_log_without_a_header_is_read_by_its_values(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text(
        "u1,A1,pv,1511600000\nu1,A2,cart,1511600100\nu2,A2,buy,1511600200\nu3,A3,fav,1511600300\n", "utf-8"
    )
    (found,) = propose([tmp_path / "log.csv"])
    assert found.tables[0].settings["columns"] == {"user_id": "1", "item_id": "2", "kind": "3", "time": "4"}
    assert any("36% sure" in note for note in found.tables[0].unsure)


def test_a_name_is_worth_nothing_where_the_values_forbid_it(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(
        "sku,title,price,image,brand\n1,Hat,ask us,none yet,Acme\n2,Cap,call,later,Acme\n", "utf-8"
    )
    (found,) = propose([tmp_path / "i.csv"])
    assert set(found.tables[0].settings["columns"]) == {"item_id", "title", "brand"}
    assert found.unused == ("price", "image")


@pytest.mark.parametrize("encoding", ["utf-8", "gb18030", "big5", "cp1252"])
def test_an_encoding_is_told_by_its_bytes(encoding: str) -> None:
    text = {"cp1252": "Größe, café, naïve: für die schöne Küche, Straße und Möbel\n"}.get(
        encoding,
        "這個杯子的品質很好,我每天都在用,下次還會再買\n"
        if encoding == "big5"
        else "这个杯子质量很好，下次还会再买\n",
    )
    found = encoding_of(text.encode(encoding) * 20)
    assert found == (None if encoding == "utf-8" else encoding)


@pytest.mark.parametrize("encoding", ["cp1251", "cp1252", "gb18030"])
def test_an_encoding_that_the_file_does_not_say_is_unsure(encoding: str, tmp_path: Path) -> None:
    name = {"cp1251": "Красная кружка", "cp1252": "Größe für Möbel", "gb18030": "红色杯子很好看"}[encoding]
    rows = "".join(f"S{i},{name} {i}\n" for i in range(9))
    (tmp_path / "i.csv").write_bytes(f"sku,name\n{rows}".encode(encoding))
    (found,) = propose([tmp_path / "i.csv"])
    assert any(note.startswith("encoding: ") for note in found.tables[0].unsure)
    (tmp_path / "i.csv").write_text(f"sku,name\n{rows}", "utf-8")
    assert not propose([tmp_path / "i.csv"])[0].tables[0].unsure


def test_an_encoder_tells_a_header_whose_words_are_not_known(tmp_path: Path) -> None:
    (tmp_path / "i.csv").write_text(
        "sku,Bezeichnung\n" + "".join(f"S{i},Red hat number {i}\n" for i in range(5)), "utf-8"
    )
    assert propose([tmp_path / "i.csv"])[0].reader is None
    like = lambda table, header: {"title": 1.0} if header == "Bezeichnung" else {}  # noqa: E731
    assert propose([tmp_path / "i.csv"], like)[0].tables[0].settings["columns"]["title"] == "Bezeichnung"


def test_a_likeness_is_made_of_an_encoder() -> None:
    from retailor.shop.propose.likeness import likeness_of

    class Letters:
        """Tells texts apart by their letters."""

        def encode(self, texts: list[str], *, role: str = "passage") -> np.ndarray:
            rows = np.array(
                [[text.lower().count(chr(97 + i)) for i in range(26)] for text in texts], np.float32
            )
            return rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1)

    like = likeness_of(Letters())  # type: ignore[arg-type]
    best = like("items", "descriptions")
    assert list(best) == ["description"] and 0.2 < best["description"] <= 1


def test_the_head_of_a_long_file_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailor.shop.propose.sample.HEAD_BYTES", 2_000)
    rows = [{"sku": f"S{i}", "name": f"Red hat {i}", "price": i + 0.5} for i in range(500)]
    (tmp_path / "a.json").write_text(json.dumps({"n": 500, "products": rows}), "utf-8")
    (tmp_path / "b.csv").write_text("sku,name\n" + "".join(f"S{i},Hat {i}\n" for i in range(5_000)), "utf-8")
    for path in tmp_path.iterdir():
        (sample,) = samples(path)
        assert sample.cut and 10 < sample.n_rows < 500
        (found,) = propose([path])
        assert found.what == "catalogue"


@given(st.text(max_size=30))
def test_any_text_is_a_string_of_toml(text: str) -> None:
    whole = text.encode("utf-8", "ignore").decode()
    assert tomllib.loads(f"x = {toml({whole: [whole, 1, True]})}") == {"x": {whole: [whole, 1, True]}}


@given(
    st.lists(
        st.sampled_from(["product", "name", "id", "review", "商品", "rating", "of"]), min_size=1, max_size=4
    )
)
def test_a_name_is_most_like_itself(words: list[str]) -> None:
    name = words_of("_".join(words))
    assert likeness(name, name) == 1.0
    assert all(0 <= value <= 1 for value in scores("items", name).values())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("customerNumber", ("customer", "number")),
        ("cust_no", ("customer", "number")),
        ("HTMLBody", ("html", "body")),
        ("g:image_link", ("image", "link")),
        ("user_id:token", ("user", "id")),
        ("商品ID", ("商品id",)),
        ("Categories", ("category",)),
    ],
)
def test_the_words_of_a_column(name: str, words: tuple[str, ...]) -> None:
    assert words_of(name) == words


def test_column_maps_say_their_files_lists_seconds_details_and_what_they_leave_out(tmp_path: Path) -> None:
    rows = [
        {
            "user": "u1",
            "what": "order",
            "lines": [{"sku": "A", "t": "Hat", "colour": "red"}, {"ean": "B", "t": "Cap"}],
        },
        {
            "user": None,
            "mail": "m@x.test",
            "what": "order",
            "lines": [{"sku": "C", "t": "Bag", "colour": "-"}],
        },
        {"user": "u3", "what": "visit", "lines": [{"sku": "A"}]},
        {"user": "u4", "what": "order", "lines": []},
    ]
    (tmp_path / "o.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    shop = read(
        "tabular",
        tmp_path / "o.jsonl",
        tables={
            "events": {
                "files": ["o.*"],
                "each": "lines",
                "columns": {"user_id": "user", "item_id": "lines.sku", "kind": "what"},
                "instead": {"user_id": "mail", "item_id": "lines.ean"},
                "values": {"kind": {"order": "buy"}},
                "leave_out": ["kind"],
            },
            "items": {
                "each": "lines",
                "columns": {"item_id": "lines.sku", "title": "lines.t"},
                "instead": {"item_id": "lines.ean"},
                "attributes": {"color": "lines.colour"},
                "derived": True,
            },
        },
    )
    assert shop.events.select("user_id", "item_id").rows() == [("u1", "A"), ("u1", "B"), ("m@x.test", "C")]
    assert shop.items.sort("item_id")["title"].to_list() == ["Hat", "Cap", "Bag"] and not len(shop.rejects)
    assert shop.items.sort("item_id")["attributes"].to_list() == [
        [{"name": "color", "value": "red"}],
        None,
        None,
    ]


@pytest.mark.parametrize(
    ("table", "map", "said"),
    [
        ("events", {"leave_out": ["kind"]}, "leave_out has 'kind'"),
        ("events", {"attributes": {"color": "c"}}, "only 'items' have attributes"),
        ("events", {"instead": {"time": "t"}}, "instead has 'time'"),
        ("events", {"delimiter": "::"}, "needs quote = ''"),
    ],
)
def test_a_map_that_cannot_be_meant_is_an_error(
    table: str, map: dict[str, object], said: str, tmp_path: Path
) -> None:
    (tmp_path / "o.csv").write_text("u,i\n1,2\n", "utf-8")
    columns = {"columns": {"user_id": "u", "item_id": "i"}, "constants": {"kind": "buy"}}
    with pytest.raises(ConfigError, match=said):
        read("tabular", tmp_path / "o.csv", tables={table: {**columns, **map}})


def test_numbers_in_spreadsheet_armour_are_bare(tmp_path: Path) -> None:
    (tmp_path / "o.csv").write_text('u,i\n="001","a ""b"""\n"x",="2"\n', "utf-8")
    tables = {"events": {"columns": {"user_id": "u", "item_id": "i"}, "constants": {"kind": "buy"}}}
    rows = read("tabular", tmp_path / "o.csv", tables=tables).events.select("user_id", "item_id").rows()
    assert rows == [("001", 'a "b"'), ("x", "2")]


def test_attributes_may_be_pairs_in_a_text(tmp_path: Path) -> None:
    cells = ["color=Blue,size=M", "材质:不锈钢;容量:500ml", "a : b | c:d:e", '{"x": 1}', "just a text"]
    pl.DataFrame({"i": [str(i) for i in range(5)], "t": ["T"] * 5, "a": cells}).write_csv(tmp_path / "i.csv")
    tables = {"items": {"columns": {"item_id": "i", "title": "t", "attributes": "a"}}}
    found = read("tabular", tmp_path / "i.csv", tables=tables).items["attributes"].to_list()
    pairs = [[(one["name"], one["value"]) for one in each or []] for each in found]
    assert pairs == [
        [("color", "Blue"), ("size", "M")],
        [("材质", "不锈钢"), ("容量", "500ml")],
        [("a", "b"), ("c", "d:e")],
        [("x", "1")],
        [],
    ]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ({"0", "1"}, {"0": "negative", "1": "positive"}),
        ({"-1", "1"}, {"-1": "negative", "1": "positive"}),
        ({"-1", "0", "1"}, {"-1": "negative", "0": "neutral", "1": "positive"}),
        ({"1", "2"}, {"1": "negative", "2": "positive"}),
        ({"0.0", "1.0"}, {"0.0": "negative", "1.0": "positive"}),
        ({"0", "1", "2"}, {"0": "negative", "1": "neutral", "2": "positive"}),
        ({"0", "4"}, {"0": "negative", "4": "positive"}),
        ({"pos", "neg"}, {"pos": "positive", "neg": "negative"}),
        ({"好评", "差评"}, {"好评": "positive", "差评": "negative"}),
        ({"1", "2", "3", "4", "5"}, {}),  # stars
        ({"7", "9"}, {}),
        ({"1"}, {}),  # of what scale nobody knows
    ],
)
def test_numbers_are_labels_as_a_whole_scale(values: set[str], labels: dict[str, str]) -> None:
    assert labels_of(frozenset(values)) == labels


def test_labels_in_numbers_are_said_to_be_unsure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = "".join(
        f"{i % 2},a review of some length number {i} that says a thing or two\n" for i in range(40)
    )
    (tmp_path / "r.csv").write_text(f"label,review\n{rows}", encoding="utf-8")
    assert init(monkeypatch, tmp_path / "r.csv", "--yes", "-o", tmp_path / "plan.toml") == 0
    told = capsys.readouterr().out + (tmp_path / "plan.toml").read_text("utf-8")
    assert told.count("0 is negative, 1 is positive; nothing but custom says so") == 2


def test_a_folder_of_rules_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shop_files(tmp_path)
    for name, text in (
        ("shop rules/delivery.md", "# Delivery\nWithin two days."),
        ("shop rules/more/returns.html", "<h1>Returns</h1><p>14 days.</p>"),
        ("shop rules/facts.toml", ""),
        ("政策/退货.txt", "七天内可以退货。"),
        ("photos/readme.md", "# Photos"), ("photos/orders.csv", "a,b\n1,2\n"),  # not only pages
        ("pages/item.html", "<p>An item</p>"),  # no rules by its name
    ):  # fmt: skip
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text, "utf-8")
    found = rules_in([tmp_path])
    assert [folder.name for folder in found] == ["shop rules", "政策"]
    left = {path.relative_to(tmp_path).as_posix() for path in files_in([tmp_path], found)}
    assert left == {"orders.csv", "reviews.csv", "items.csv", "photos/orders.csv", "pages/item.html"}
    assert rules_in([tmp_path / "orders.csv"]) == [] == rules_in([tmp_path / "shop rules"])
    monkeypatch.chdir(tmp_path)
    for name in ("photos", "pages"):
        shutil.rmtree(tmp_path / name)
    assert init(monkeypatch, ".", "-y") == 0
    told = capsys.readouterr().out
    assert "shop rules: the shop's own rules" in told and "政策: rules as well, left out" in told
    plan = read_plan(tmp_path / "plan.toml")
    assert plan.rules() == tmp_path / "shop rules"
    assert read_by(tmp_path / "plan.toml", tmp_path).rules["heading"].to_list() == ["Delivery", "Returns"]
