# ruff: noqa: E501 (goldens)
"""Masking, both sides: what reaches a person goes, what is a fact of a product stays."""

from __future__ import annotations

import gzip
import json
import os
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

import phonenumbers
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.shop.demo import demo_shop
from retailor.text.clean_text import clean_text
from retailor.text.private import mask

MASKED = {
    "write to me@x.org{} now": "write to [email]{} now",
    "{me@x.org}": "{[email]}",
    "me@x.org{color:red}": "[email]{color:red}",
    "a@x.org）谢谢，b@y.com。": "[email]）谢谢，[email]。",
    "联系a.b+c@mail.qq.com【急】": "联系[email]【急】",
    "邮箱me@x.org谢谢": "邮箱[email]谢谢",
    "<me@x.org>,(you@y.co.uk)|it's@z.io": "<[email]>,([email])|[email]",
    "用户@例子.公司 почта@пример.рф müller@münchen.de": "[email] [email] [email]",
    '"john doe"@x.org, root@[203.0.113.5]': "[email], [email]",
    "name (at) host dot com": "[email]",
    "john [at] mail [dot] co [dot] uk": "[email]",
    "john.smith at gmail dot com; joe @ gmail.com": "[email]; [email]",
    "me＠x．ｏｒｇ": "[email]",
    "me@x.org13800138000": "[email][phone]",
    "It was 555-1234{x}": "It was [phone]{x}",
    "ring me 6123 4567 or 6123 4568": "ring me [phone] or [phone]",
    "my number is 555 1234": "my number is [phone]",
    "打85552277，座机 8552-7701，电话:6552 7701。": "打[phone]，座机 [phone]，电话:[phone]。",
    "手机号13912345678 微信13800138000": "手机号[phone] 微信[phone]",
    "+49 (0)30 / 123 45 67, 0049 30 1234567": "[phone], [phone]",
    "١٣٨٠٠١٣٨٠٠٠": "[phone]",
    "(11) 91234-5678, 02-2345-6789 台北, 07911 123456": "[phone], [phone] 台北, [phone]",
    "WhatsApp:+8613800138000【": "WhatsApp:[phone]【",
    "身份证11010519491231002X。": "身份证[id]。",
    "4111 1111 1111 1111 and 378282246310005": "[account] and [account]",
    "DE89 3704 0044 0532 0130 00 and GB82WEST12345698765432": "[account] and [account]",
    "from 93.184.216.34 or 2001:4860:4860::8888": "from [address] or [address]",
    "见https://a.com/x?y=me@x.org。": "见[link]。",
}
KEPT = [
    "look at amazon dot com", "meet at home. In time", "logo@2x.png", "buy 2 @ $5.99 each", "@shop thanks", "好吃@小明",
    "$555-1234", "size 200-1500 mm", "200-1200", "model 555-1234", "型号:555-1234", "2015-2016 season", "20/12/2015",
    "order #112-1234567-1234567", "手机5000000像素", "4111111111111112", "DE89370400440532013001", "110105194912310021",
    "192.168.1.1", "firmware 93.184.216.34", "version 1.2.3.4", "at 10:30:15", "00:1A:2B:3C:4D:5E", "12 345 678 views",
    "resolution 1920 1080", "iPhone 12 128GB 2020", "978-7-5366-9293-0", "EAN 4006381333931", "012345678905",
    "Sizes 36 38 40 42 44", "打折后1234567元", "call on 12/05/2015", "2402-2480 MHz", "1200-3000 rpm",
    "Bluetooth 2402-2480", "WLAN 5150-5250, 5725-5850", "PH315-52-7914",
    "1 299,50 €", "1'299'500.00", "Xerox 016-2014-00 fuser", "30 x 40 x 50 cm", "100 000 000 km", "Nokia 3310 2017",
    "I called them 3 times in 2015 and 2016", "20150131", "尺寸:1200*600*750mm", "1080P 60Hz 144Hz", "LGA1151 DDR4-3200",
]  # fmt: skip


@pytest.mark.parametrize(("text", "expected"), MASKED.items())
def test_what_reaches_a_person_is_masked(text: str, expected: str) -> None:
    assert mask(text) == expected


@pytest.mark.parametrize("text", KEPT)
def test_facts_of_products_stay(text: str) -> None:
    assert mask(text) == text
    assert mask(f"它是{text}，good") == f"它是{text}，good"


@pytest.mark.parametrize(
    "after", list("{}[]()<>,;:!?\"'|/\\*#~") + list("，。！？；：、（）【】《》“”…好") + ["{x}", "\n"]
)
@pytest.mark.parametrize(
    "found", ["me.you+x@mail.example.org", "555-234-5678", "+442071838750", "13800138000"]
)
def test_whatever_follows(found: str, after: str) -> None:
    for text in (f"{found}{after}", f"ok {found}{after} ok", f"给{found}{after}"):
        assert found[:6] not in clean_text(text) and "[" in clean_text(text), text


# formats of the world -----------------------------------------------------------------------------

PLAIN = ("I left my number {} there.", "{}", "老板人很好，{}，推荐", "请找我：{}。")
CUED = ("Call me at {}, please.", "My phone number is {}.", "电话：{}，谢谢", "有问题联系我{}吧")


def numbers(form: int) -> Iterator[str]:
    kinds = (phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE)
    for region in sorted(phonenumbers.SUPPORTED_REGIONS):
        for kind in kinds:
            found = phonenumbers.example_number_for_type(region, kind)
            if found is not None:
                yield phonenumbers.format_number(found, form)


@pytest.mark.parametrize(
    ("form", "sentences", "least"),
    [
        (phonenumbers.PhoneNumberFormat.E164, PLAIN + CUED, 0.99),
        (phonenumbers.PhoneNumberFormat.INTERNATIONAL, PLAIN + CUED, 0.99),
        (phonenumbers.PhoneNumberFormat.NATIONAL, CUED, 0.96),
        (phonenumbers.PhoneNumberFormat.NATIONAL, PLAIN, 0.74),  # "601 123 456" may be any number
    ],
)
def test_numbers_of_every_country(form: int, sentences: tuple[str, ...], least: float) -> None:
    told = [sentence.format(number) for number in numbers(form) for sentence in sentences]
    assert len(told) > 1000
    hidden = [not any(char.isdigit() for char in mask(text)) for text in told]
    assert sum(hidden) / len(told) >= least


# facts of products --------------------------------------------------------------------------------


def _share_touched(texts: set[str]) -> float:
    marks = ("[phone]", "[account]", "[id]", "[address]", "[email]")
    return sum(any(mark in mask(text) for mark in marks) for text in texts) / len(texts)


def test_the_demo_catalogue_stays() -> None:
    items = demo_shop(300).items
    texts = {str(value) for row in items.iter_rows() for value in row if value is not None}
    assert len(texts) > 1000 and _share_touched(texts) == 0


def data(name: str) -> Path:
    folder = Path(os.environ.get("RETAILOR_DATA", "../shared/data")) / name
    if not folder.exists():
        pytest.skip(f"needs {folder}: set RETAILOR_DATA to the folder of the benchmark data")
    return folder


@pytest.mark.data
def test_a_real_catalogue_stays() -> None:
    texts = set()
    for path in sorted(data("icecat-search").glob("*.json.zip"))[:2]:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith(".json") and not name.startswith("__"):
                    rows = json.loads(archive.read(name))
                    texts |= {
                        str(v) for row in rows for v in row.values() if isinstance(v, (str, float, int))
                    }
    assert len(texts) > 30_000
    assert _share_touched({text for text in texts if len(text) < 400}) <= 0.001


@pytest.mark.data
def test_titles_and_prices_of_gift_cards_stay() -> None:
    with gzip.open(data("amazon2018-gift-cards") / "meta_Gift_Cards.json.gz", "rt") as file:
        rows = [json.loads(line) for line in file]
    facts = {
        str(row[key]) for row in rows for key in ("title", "brand", "price", "asin", "rank") if row.get(key)
    }
    assert len(facts) > 1000 and _share_touched(facts) <= 0.001


# laws ---------------------------------------------------------------------------------------------

SCRAPS = st.sampled_from(
    ["me", "@", "x.org", ".", "com", " (at) ", " dot ", "{", "}", '"', "好", "，", " ", "\n", "-", "+", "(", ")", "/", "0", "1",
     "555", "1234", "13800138000", "call ", "电话", "model ", "$", " mm", "元", "DE89370400440532013000", "4111111111111111",
     "11010519491231002X", "8.8.8.8", "::1", "https://a.b/", "www.", "[phone]", "[email]", " or ", "＠", "１", "\u00a0", "–"]
)  # fmt: skip


@given(st.one_of(st.text(max_size=60), st.lists(SCRAPS, max_size=16).map("".join)))
def test_masking_twice_changes_nothing(text: str) -> None:
    once = mask(text)
    assert mask(once) == once


@given(
    st.emails(),
    st.sampled_from(["", " ", "好", "，", "(", "{"]),
    st.sampled_from(["", " ", "好", "。", ")", "{}", "}"]),
)
def test_any_address_is_masked(address: str, before: str, after: str) -> None:
    assert address not in mask(before + address + after)
    assert "@" not in mask(before + address + after)


@given(st.integers(10**7, 10**14).map(str), st.sampled_from([" ", "-", ".", "/", ") "]), st.integers(1, 3))
def test_any_grouping_after_a_plus_is_masked(digits: str, sign: str, size: int) -> None:
    number = "+" + digits[:size] + sign + digits[size:]
    assert mask(f"dial {number} now") == "dial [phone] now"


@pytest.mark.parametrize("scrap", ["a", "1", "@", "a@", "a@b.", "+1", "1-", "call ", "电话1", "(1", "1 ", "DE89", "4111 ", "::", "1.",
                                   "a at b dot ", "a (at) ", '"', "555-1234 or ", "call 5551234 or ", "[phone]", "好@", "0 0"])  # fmt: skip
def test_time_grows_as_the_text(scrap: str) -> None:
    text = scrap * (60_000 // len(scrap))
    started = time.process_time()
    mask(text)
    assert time.process_time() - started < 3.0
