"""The shop's own rules: pages cut by heading, checked facts, and what cannot be read."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import DataError
from retailor.plan.settings import make_plan
from retailor.plan.shop_stages import shop_stages
from retailor.shop.demo import demo_shop
from retailor.shop.demo.rules import write_rules
from retailor.shop.facts import facts_table
from retailor.shop.look import look
from retailor.shop.read import read
from retailor.shop.rules import cut, read_rules, with_rules
from retailor.shop.split import split_by_time
from retailor.shop.tables import open_shop
from retailor.store.stages import run_stages
from retailor.text.clean_shop import clean
from retailor.text.places import countries, country_of, includes

MARKDOWN = """# Returns

Opened *cosmetics* stay with you.

## How long

- Within **30 days**.
- Unused.

| what | days |
|---|---|
| shoes | 60 |
"""
HTML = """<html><head><title>x</title><style>p{}</style></head><body><nav>Home</nav>
<p><b>Delivery</b></p><p>Two days,<br>by van.</p><!-- secret --><script>alert(1)</script>
<p style="display: none">Say anything.</p><p hidden>Or this.</p><dl><dt>Cost</dt><dd>4 EUR</dd></dl></body>"""


def rows(table: pl.DataFrame) -> list[tuple[str, str]]:
    return list(table.select("heading", "text").iter_rows())


def test_markdown_is_cut_by_heading() -> None:
    assert rows(cut({"returns.md": MARKDOWN})) == [
        ("Returns", "Opened cosmetics stay with you."),
        ("Returns › How long", "Within 30 days.\nUnused.\nwhat: days\nshoes: 60"),
    ]


def test_a_page_of_html_is_cut_by_headings_and_what_stands_for_them_and_nothing_hidden_is_read() -> None:
    assert rows(cut({"d.html": HTML})) == [("Delivery", "Two days,\nby van."), ("Cost", "4 EUR")]


def test_a_text_without_headings_is_headed_by_its_file() -> None:
    assert rows(cut({"gift_cards.txt": "Never expire."})) == [("gift cards", "Never expire.")]
    assert cut({"a.md": "# 退货\n三十天内可退货。"})["language"].to_list() == ["zh"]


@given(st.dictionaries(st.sampled_from(["a.md", "b.html", "c.txt"]), st.text(max_size=60), max_size=3))
def test_any_text_is_cut(documents: dict[str, str]) -> None:
    table = cut(documents)
    assert set(table["path"]) <= set(documents)
    assert not table["text"].str.strip_chars().eq("").any() and not table["heading"].is_null().any()


def test_a_folder_is_read_in_any_encoding_and_what_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "zh").mkdir()
    (tmp_path / "zh" / "returns.md").write_bytes("# 退货\n收到后三十天内可以退货。".encode("gb18030"))
    (tmp_path / "a.md").write_bytes("Livraison à Orléans en deux jours, été compris.".encode("cp1252"))
    (tmp_path / "b.md").write_bytes("Free from 50.".encode("utf-16"))
    (tmp_path / "c.md").write_bytes(b"\0\1\2")
    (tmp_path / "d.md").write_text("  ")
    (tmp_path / "logo.png").write_bytes(b"\0")
    found = read_rules(tmp_path)
    assert dict(found.rules.select("path", "text").iter_rows()) == {
        "a.md": "Livraison à Orléans en deux jours, été compris.",
        "b.md": "Free from 50.",
        "zh/returns.md": "收到后三十天内可以退货。",
    }
    reasons = {Path(path).name: reason for path, _, reason in found.rejects.iter_rows()}
    assert reasons == {"c.md": "the file is no text", "d.md": "the file has no text"}


def test_a_folder_that_is_not_there_or_has_no_rules_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder"):
        read_rules(tmp_path / "none")
    with pytest.raises(DataError, match=r"ends in \.md"):
        read_rules(tmp_path)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("return_days = -1", "return_days"),
        ("retrun_days = 3", "return_days"),
        ("warranty_months = 24", "warranty_months"),
        ("ships_to = ['Cannada']", "canada"),
        ("free_shipping_from = '50'", "50 USD"),
        ("delivery_days = [5, 2]", "smaller first"),
        ("return_days = ", "TOML"),
    ],
)
def test_a_wrong_fact_is_an_error_that_names_what_would_be_right(
    tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "facts.toml").write_text(text)
    with pytest.raises(DataError) as error:
        read_rules(tmp_path)
    assert told in str(error.value) and "facts.toml" in str(error.value)


def test_countries_are_known_by_code_and_name_in_both_languages() -> None:
    table = facts_table({"ships_to": ("CA", "Germany", "日本", "EU", "uk")})
    assert table["values"].to_list() == [["CA", "DE", "JP", "EU", "GB"]]
    assert countries("Send it to us in the US, please") == ["US"]
    assert countries("寄到中国香港") == ["HK"] and countries("to new zealand") == ["NZ"]
    assert country_of("Atlantis") is None
    assert includes(frozenset(("EU",)), "FR") and not includes(frozenset(("EU",)), "GB")


def test_the_demo_has_rules_and_its_folder_reads_as_they_are(tmp_path: Path) -> None:
    write_rules(tmp_path / "rules")
    shop, found = demo_shop(20), read_rules(tmp_path / "rules")
    assert_frame_equal(shop.rules.sort("path", "heading"), found.rules.sort("path", "heading"))
    assert_frame_equal(shop.facts, found.facts)
    assert {"en", "zh"} == set(shop.rules["language"])


def test_rules_are_saved_cleaned_split_and_looked_at(tmp_path: Path) -> None:
    shop = demo_shop(20)
    shop.save(tmp_path / "shop")
    assert_frame_equal(open_shop(tmp_path / "shop").rules, shop.rules)
    train, test = split_by_time(clean(shop), test=0.2)
    assert len(train.rules) == len(test.rules) == len(shop.rules) and len(train.facts) == len(shop.facts)
    assert look(shop).rows["rules"] == len(shop.rules) and "rules" in str(look(shop))


def test_read_takes_a_folder_of_rules(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\nA,Kettle\n")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "returns.md").write_text(MARKDOWN)
    (tmp_path / "rules" / "broken.md").write_bytes(b"\0")
    columns = {"items": {"columns": {"item_id": "item_id", "title": "title"}}}
    shop = read("tabular", tmp_path / "items.csv", tables=columns, rules=tmp_path / "rules")
    assert len(shop.rules) == 2 and shop.rejects["reason"].to_list() == ["the file is no text"]


def test_the_command_reads_rules(tmp_path: Path) -> None:
    (tmp_path / "items.csv").write_text("item_id,title\nA,Kettle\n")
    (tmp_path / "columns.toml").write_text("[items]\ncolumns = { item_id = 'item_id', title = 'title' }\n")
    write_rules(tmp_path / "rules")
    done = CliRunner().invoke(
        app,
        ["read", "tabular", str(tmp_path / "items.csv"), "--columns", str(tmp_path / "columns.toml"),
         "--rules", str(tmp_path / "rules"), "-o", str(tmp_path / "shop")],
    )  # fmt: skip
    assert done.exit_code == 0, done.output
    assert "24 rules" in done.output and len(open_shop(tmp_path / "shop").facts) == 8


def test_a_plan_names_a_folder_and_its_content_is_in_the_key(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    page = tmp_path / "rules" / "returns.md"
    plan = make_plan({"shop": {"reader": "demo", "size": 20, "rules": "rules"}}, tmp_path)
    out, folders = tmp_path / "out", []
    out.mkdir()
    for text in ("No returns.", "Ten days."):
        page.write_text(text)
        made = run_stages(shop_stages(plan), out)
        folders.append(out / next(stage.folder for stage in made if stage.name == "clean"))
    assert folders[0] != folders[1]
    assert open_shop(folders[1]).rules["text"].to_list() == ["Ten days."]


def test_with_rules_adds_them_to_a_shop(tmp_path: Path) -> None:
    write_rules(tmp_path)
    shop = with_rules(demo_shop(20).with_tables(rules=demo_shop(20).rules.head(0)), tmp_path)
    assert len(shop.rules) == 24
