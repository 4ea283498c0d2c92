# ruff: noqa: E501 (goldens)
"""One text, cleaned: goldens on the ugliest real strings, and the laws."""

from __future__ import annotations

import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from retailor.text import clean_text as cleaning
from retailor.text.clean_text import clean_text

UGLY = {
    # scraped titles, prices and attribute names of Amazon 2018 metadata
    '<span class="a-size-medium a-color-secondary"': "",
    ' Magazines" />': "Magazines",
    ".a-box-inner{background-color:": "",
    "\n\n\n<script": "",
    "\n    Product Dimensions: \n    ": "Product Dimensions:",
    " Maggiano&#39;s Gift Card": "Maggiano's Gift Card",
    "Buca&#x2019;s d&eacute;cor": "Buca’s décor",
    '<div class="aplus"> <h4>Gift Cards</h4> <img alt="x" src="https://a.b/P/B004.01._SS200_.jpg" width': "Gift Cards",
    '<a href="/gp/help/ref=hp_left_ac?ie=UTF8&nodeId=201293140" target="_blank">Learn more</a> about': "Learn more about",
    "F&amp;W Publications": "F&W Publications",
    "a set.<br /><br />Wired": "a set. Wired",
    "A &lt;script&gt;alert(1)&lt;/script&gt; B": "A B",
    "&amp;amp;lt;b&gt;x": "x",
    # Chinese reviews
    "１、待机：Ａ６２配备了两块电池，Ｔｈｉｎｋｐａｄ嘛": "1、待机：A62配备了两块电池，Thinkpad嘛",
    "＂拥抱＂令人叫绝．日本９８．５％": '"拥抱"令人叫绝。日本98.5%',
    "阿加莎&#183;克里斯蒂": "阿加莎·克里斯蒂",
    "<父母是孩子最好的医生>马悦凌": "<父母是孩子最好的医生>马悦凌",
    "头皮屑去不掉！！！！！": "头皮屑去不掉！！！",
    "好好好好好好，怎么一个好字了得": "好好好，怎么一个好字了得",
    "没有\ue411": "没有",
    "\ufeff做父母\u3000一定": "做父母 一定",
    "还不错。。。。。。": "还不错。。。",
    "很好很好很好很好很好": "很好很好很好",
    # mojibake
    "schÃ¶n": "schön",
    "â€œquotedâ€\x9d": "“quoted”",
    "æˆ‘å¾ˆå–œæ¬¢": "我很喜欢",
    # what must stay
    "I <3 you, size<10 and a<b": "I <3 you, size<10 and a<b",
    "Wow!!! sooo good...": "Wow!!! sooo good...",
    "R&D at AT&T": "R&D at AT&T",
}

MASKED = {
    "See www.amazon.com/gcshipping.": "See [link].",
    "看https://a.com/x?y=1，很好": "看[link]，很好",
    "info.nsf.org/Certified/dwtu/listings.asp?Name=kaz": "[link]",
    "me@x.co.uk，好": "[email]，好",
    "call 1-877-627-4798. I own 4": "call [phone]. I own 4",
    "(555) 234-5678 or +1 (555) 234-5678": "[phone] or [phone]",
    "+49 30 1234 5678": "[phone]",
    "电话13800138000吧": "电话[phone]吧",
    "138 0013 8000": "[phone]",
    "打010-55552277或400-820-8820": "打[phone]或[phone]",
    "有谁会的请指点下，QQ:183915145": "有谁会的请指点下，QQ:[phone]",
}

KEPT = [
    "$1,299.00", "¥12999", "2012-09-28", "09/28/2012", "978-0-306-40615-7", "0306406152", "7806397051",
    "B00005N7NQ", "5555555555555", "Model 110-829-22102", "99010308", "dv7-1211ea", "1440 x 900", "10-13/16\"",
    "100-200-3000", "Amazon.com Gift Card", "10124XZ", "20:30", "1,000,000,000", "SU-4010", "v1.2.3", "118/92/27",
    "1000000000",
]  # fmt: skip


@pytest.mark.parametrize(("dirty", "expected"), UGLY.items())
def test_ugly_strings(dirty: str, expected: str) -> None:
    assert clean_text(dirty) == expected


@pytest.mark.parametrize(("dirty", "expected"), MASKED.items())
def test_contacts_are_masked(dirty: str, expected: str) -> None:
    assert clean_text(dirty) == expected


@pytest.mark.parametrize("text", KEPT)
def test_numbers_that_are_no_contacts_stay(text: str) -> None:
    assert clean_text(f"It is {text}, really") == f"It is {text}, really"


SCRAPS = st.sampled_from(
    ["<", ">", "&", "&amp;", "&lt;", "b>", "<b>", "</b>", "<span class=", '"', "/>", "script", "<script>", "<!--", "-->",
     "{", "}", ".a{", "#", "www.", "http://", ".com", "/", "@", "a", "好", "。", "！", "．", "ａ", "１", "＜", "＞", "\u3000",
     " ", "\n", "\x00", "\x9d", "Ã", "¶", "â€", "\u200b", "\ufeff", "é", "e\u0301", "\ud800", "1", "5", "-", "138",
     "00138000", "555-234-5678", "(", ")", "+", "QQ", "锟斤拷", "&#60;", "&#x3C", "<td>", "<table>", "<textarea>", "<title>"]
)  # fmt: skip
NASTY = st.one_of(st.text(max_size=60), st.lists(SCRAPS, max_size=14).map("".join))


@given(NASTY)
@example("&lt;<b>&gt;")
@example("<b>&lt;b&gt;</b>")
@example("ｗｗｗ.a.com")
@example("a.\u200bb.com/x")
def test_cleaning_twice_changes_nothing(text: str) -> None:
    once = clean_text(text)
    assert clean_text(once) == once


@given(NASTY)
def test_what_counts_as_clean_is_what_no_step_changes(text: str) -> None:
    if cleaning._is_clean(text):
        assert cleaning._pass(text, cleaning._STEPS) == text
        lines = cleaning._pass(text, cleaning._STEPS_OF_LINES)
        assert lines == text


@given(NASTY)
def test_the_result_is_one_line_of_readable_characters(text: str) -> None:
    cleaned = clean_text(text)
    assert cleaned == cleaned.strip() and "\n" not in cleaned and "  " not in cleaned
    assert not any(ord(char) < 32 or 0xD800 <= ord(char) < 0xF900 for char in cleaned)


@pytest.mark.parametrize("text", ["<" * 20_000, "a" * 50_000, "<b " * 10_000, '"   ' * 10_000, "1-" * 20_000,
                                  "a." * 20_000, "&amp;" * 10_000, "好坏" * 20_000, "www." * 10_000, "{.a" * 10_000,
                                  "&" + "amp;" * 12_000, ".a" * 9_000 + "{}" * 9_000, "@a." * 10_000, "(5" * 20_000])  # fmt: skip
def test_hostile_texts_take_no_time(text: str) -> None:
    start = time.process_time()
    clean_text(text)
    assert time.process_time() - start < 3.0


@pytest.mark.parametrize(
    ("dirty", "lines"),
    [
        ("<ul><li>One two</li><li>Three</ul>after", "One two\nThree\nafter"),
        ("<p>One</p>\n<p>Two\nstill two</p>", "One\n\nTwo still two"),
        ("a\r\nb\n\n\n\nc  d \n e", "a\nb\n\nc d\ne"),
        ("• a\n• b", "• a\n• b"),
        ("a\n<b>c</b>", "a\nc"),
        ("<table><tr><td>a</td><td>b</td></tr><tr><td>c</td></table>", "a b\nc"),
        ("好\u2028吗", "好\n吗"),
    ],
)
def test_lines_stay_where_they_are_asked_for(dirty: str, lines: str) -> None:
    assert clean_text(dirty, lines=True) == lines
    assert "\n" not in clean_text(dirty)


LINES = st.sampled_from(
    [
        "\n",
        "\r\n",
        "\r",
        "\u2028",
        "\x85",
        "\x0b",
        "<p>",
        "</p>",
        "<br/>",
        "<li>",
        "</li>",
        "<tr>",
        "<td>",
        "&lt;br&gt;",
    ]
)


@given(st.lists(st.one_of(LINES, SCRAPS), max_size=14).map("".join))
def test_cleaning_lines_twice_changes_nothing(text: str) -> None:
    once = clean_text(text, lines=True)
    assert clean_text(once, lines=True) == once
    assert once == once.strip() and "\n\n\n" not in once
    assert all(line == line.strip() and "  " not in line for line in once.split("\n"))
