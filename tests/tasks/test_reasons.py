"""Reasons: every code in both languages, with the same parts, and the language that a reader asks for."""

import re
from string import Formatter
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.tasks.reasons import SENTENCES, Language, Why, language_of

LANGUAGES: tuple[Language, ...] = get_args(Language)
TITLES = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
LATIN = re.compile("[A-Za-z]")


def fields(pattern: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(pattern) if name}


def test_every_reason_has_both_languages_and_the_same_parts() -> None:
    for code, told in SENTENCES.items():
        assert set(told) == set(LANGUAGES), code
        assert fields(told["en"]) == fields(told["zh"]), code


@pytest.mark.parametrize("code", SENTENCES)
@pytest.mark.parametrize("n", [0, 1, 2, 12_345])
def test_a_chinese_reason_has_no_english_in_it(code: str, n: int) -> None:
    said = Why(code, "水壶", ("壶",), n).text("zh")
    assert said and not LATIN.search(said)
    assert not re.search("[一-鿿]", Why(code, "pot", ("pot",), n).text("en"))


@given(st.sampled_from(sorted(SENTENCES)), TITLES, st.lists(TITLES, max_size=3), st.integers(0, 10**9))
def test_a_title_stands_in_either_language_as_it_is(code: str, title: str, words: list[str], n: int) -> None:
    why = Why(code, title, tuple(words), n)
    for language in LANGUAGES:
        pattern = SENTENCES[code][language]
        assert ("{item}" not in pattern) or f"“{title}”" in why.text(language)


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("zh", "zh"),
        ("zh-CN,zh;q=0.9,en;q=0.8", "zh"),
        ("ZH_hant", "zh"),
        ("en-GB,en;q=0.9,zh;q=0.8", "en"),
        ("en;q=0.3, zh;q=0.8", "zh"),
        ("de,zh;q=0.5", "zh"),
        ("zh;q=0", "en"),
        ("zh;q=nan,en;q=0.1", "en"),
        ("zha,fr", "en"),
        ("*", "en"),
    ],
)
def test_the_language_that_a_reader_likes_best(accepted: str, language: Language) -> None:
    assert language_of(accepted) == language


@given(st.text(max_size=200))
def test_any_header_is_one_of_the_two(accepted: str) -> None:
    assert language_of(accepted) in LANGUAGES
