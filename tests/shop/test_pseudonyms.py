"""Pseudonyms: stable under a key, unlike under another, never without one; personal ids are seen."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.errors import ConfigError
from retailor.shop.look import look
from retailor.shop.pseudonyms import Pseudonyms, personal_ids, pseudonyms_of
from retailor.shop.read import read_into
from retailor.shop.tables import Shop, open_shop
from retailor.text.clean_shop import clean

ENV, KEY = "RETAILOR_TEST_PSEUDONYMS", "0123456789abcdef"


@pytest.fixture
def hidden(monkeypatch: pytest.MonkeyPatch) -> Pseudonyms:
    monkeypatch.setenv(ENV, KEY)
    return Pseudonyms.of_env(ENV)


def customers(*ids: str | None) -> Shop:
    return Shop.of(events=pl.DataFrame({"user_id": list(ids)}, schema={"user_id": pl.String}))


@given(st.sets(st.text(min_size=1, max_size=30), min_size=2, max_size=20))
def test_ids_stay_apart_and_are_the_same_again(ids: set[str]) -> None:
    one, other = Pseudonyms(ENV, KEY.encode()), Pseudonyms(ENV, b"another key, as long")
    found = {one.of(each) for each in ids}
    assert len(found) == len(ids)
    assert found == {Pseudonyms(ENV, KEY.encode()).of(each) for each in ids}
    assert found == {one.of(each) for each in found}
    assert not found & {other.of(each) for each in ids}


def test_an_id_is_the_hmac_of_it() -> None:
    # printf me@x.org | openssl dgst -sha256 -hmac 0123456789abcdef: the first 128 bits, in base 32
    digest = bytes.fromhex("ee9395e3cb10a7178e6d2e9b1091f142")
    wanted = base64.b32encode(digest).decode().lower().rstrip("=")
    assert Pseudonyms(ENV, KEY.encode()).of("me@x.org") == f"p-{wanted}"


def test_every_id_of_a_person_is_hashed_and_nulls_stay(hidden: Pseudonyms) -> None:
    shop = Shop.of(
        events=pl.DataFrame({"user_id": ["me@x.org", None], "item_id": ["i", "i"]}),
        reviews=pl.DataFrame({"review_id": ["me@x.org-1"], "user_id": ["me@x.org"], "text": ["good"]}),
        questions=pl.DataFrame({"question_id": ["me@x.org?"], "question": ["Is it?"]}),
        rejects=pl.DataFrame({"path": ["a"], "line": [1], "reason": ["customer 'u17' without an item"]}),
    )
    found = hidden.shop(shop)
    assert found.events["user_id"].to_list() == [hidden.of("me@x.org"), None]
    assert found.reviews["user_id"][0] == found.events["user_id"][0] != found.reviews["review_id"][0]
    assert found.rejects["reason"].to_list() == ["customer … without an item"]
    assert found.reviews["text"][0] == "good" and found.events["item_id"].to_list() == ["i", "i"]
    assert "me@x.org" not in str([table.to_dicts() for table in found.tables().values()])
    assert KEY not in repr(hidden)


@pytest.mark.parametrize("key", [None, "", "   ", "too short"])
def test_no_key_is_an_error_that_says_how_to_make_one(
    key: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENV, raising=False)
    if key is not None:
        monkeypatch.setenv(ENV, key)
    with pytest.raises(ConfigError, match=rf"'{ENV}' .*openssl rand") as caught:
        Pseudonyms.of_env(ENV)
    assert "too short" not in str(caught.value)


def test_a_shop_knows_its_key(hidden: Pseudonyms, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    customers("u").save(tmp_path / "plain")
    hidden.shop(customers("u")).save(tmp_path / "hidden", settings=hidden.about())
    assert pseudonyms_of(tmp_path / "plain") is None
    assert pseudonyms_of(tmp_path / "hidden") == hidden
    assert KEY not in (tmp_path / "hidden" / "manifest.json").read_text(encoding="utf-8")
    monkeypatch.setenv(ENV, "another key, as long")
    with pytest.raises(ConfigError, match="another key"):
        pseudonyms_of(tmp_path / "hidden")
    monkeypatch.delenv(ENV)
    assert pseudonyms_of(tmp_path / "hidden") is None


@pytest.mark.parametrize(
    ("ids", "counts"),
    [
        (["me@x.org", "you@例子.公司", "u1", None, "me@x.org"], {"email": 2}),
        (["+4930123456", *map(str, range(100))], {"phone": 1}),
        (["13800138000", "13900139000", "555-234-5678"], {"phone": 3}),
        (["11010519491231002X", "u2"], {"id": 1}),
        (["DE89370400440532013000"], {"account": 1}),
        (["A1YJEY40YUW4SE", "user_17", "u@home", "550e8400-e29b-41d4-a716-446655440000"], {}),
        ([str(10_000_000_000 + 97_000_003 * i) for i in range(500)], {}),  # some are like a mobile by chance
        ([str(i) for i in range(2000)], {}),
        (["2018-01-04", "12.50", "p-aaaaaaaaaaaaaaaaaaaaaaaaaa"], {}),
    ],
)
def test_ids_that_reach_a_person_are_seen(ids: list[str | None], counts: dict[str, int]) -> None:
    assert personal_ids(customers(*ids)) == counts
    profile = look(customers(*ids))
    assert profile.personal_ids == counts
    assert ("PERSONAL DATA" in str(profile)) == bool(counts)
    assert "pseudonym_key_env" in str(profile) or not counts
    assert "me@x.org" not in str(profile) and "me@x.org" not in str(profile.to_dict())


def test_what_could_not_be_read_is_told_without_contacts(hidden: Pseudonyms, tmp_path: Path) -> None:
    rows: list[object] = [{"user": "u17", "item": "i", "said": "good", "stars": stars} for stars in (1, 5, 4)]
    rows += [{"user": "u17", "item": "i", "said": "bad", "stars": "mail me@x.org{} or +4930123456"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)) + '\n{"user": me@x.org\n')
    columns = {"user_id": "user", "item_id": "item", "text": "said", "rating": "stars"}
    tables = {"reviews": {"columns": columns}}
    count = read_into("tabular", [tmp_path / "rows.jsonl"], tmp_path / "shop", tables=tables)
    shop = open_shop(tmp_path / "shop")
    assert len(shop.unread) + len(shop.rejects) >= 2
    told = [str(count), look(shop).to_dict(), *(table.to_dicts() for table in clean(shop).tables().values())]
    assert not any(word in str(told) for word in ("me@x.org", "4930123456"))
    quiet = hidden.shop(clean(shop))
    assert not any(word in str(quiet.unread.to_dicts()) for word in ("mail", "u17"))
    assert quiet.unread["n"].to_list() == shop.unread["n"].to_list()
