"""Which sentences speak of what, in both languages, and what is mined from a shop's own reviews."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from retailor.insight.aspects import Aspect, Aspects, find_aspects, stem_of
from retailor.insight.general import GENERAL, NO_ASPECTS
from retailor.insight.settings import InsightSettings
from retailor.models.hashed import HashEncoder

EVERY = Aspects.of([Aspect(g.key, g.english, g.chinese, patterns=(g.en, g.zh)) for g in GENERAL])


def _named(aspects: Aspects, sentence: str) -> dict[str, str]:
    return {aspects.all[ix].key: words for ix, words in aspects.in_sentence(sentence).items()}


@pytest.mark.parametrize(
    ("sentence", "keys"),
    [
        ("Far too expensive for what it is.", {"price"}),
        ("Shipping took three weeks!", {"delivery"}),
        ("It fell apart within a month", {"durability"}),
        ("The box was dented, but customer service was kind.", {"packaging", "service"}),
        ("They replaced it at no charge.", set()),
        ("It still holds a charge.", {"battery"}),
        ("I love it", set()),
        ("物流太慢，包装也破了", {"delivery", "packaging"}),
        ("性价比高，做工不错", {"price", "quality"}),
        ("有一股刺鼻的味道", {"smell"}),
        ("很喜欢", set()),
        ("衣服太大，袖子太长", {"size"}),
        ("跟图片差别太大，申请难度太大，等的时间太长", set()),
        ("味道太大", {"smell"}),
        ("It is too glossy for my taste.", set()),
        ("The taste is odd.", {"taste"}),
    ],
)
def test_general_aspects_in_both_languages(sentence: str, keys: set[str]) -> None:
    found = set(_named(EVERY, sentence))
    assert keys <= found
    assert found or not keys
    if not keys:
        assert found == set()


@given(st.text(max_size=60))
def test_any_text_can_be_looked_into_and_words_are_its_own(text: str) -> None:
    for words in EVERY.in_sentence(text).values():
        assert words in text


def test_the_longest_words_win() -> None:
    aspects = Aspects.of(
        [*EVERY.all, Aspect("battery door", "battery door", "battery door", ("battery door",))]
    )
    assert set(_named(aspects, "The Battery doors broke off.")) == {"battery door", "durability"}
    assert "battery" in _named(aspects, "The battery is fine.")


@pytest.mark.parametrize(
    ("word", "stem"),
    [("zips", "zip"), ("Batteries", "battery"), ("boxes", "box"), ("glass", "glass"), 
     ("USB ports", "usb port"), ("touch-pads", "touch pad"), ("", ""), ("ads", "ad"), ("拉链", "拉链")],
)  # fmt: skip
def test_stems(word: str, stem: str) -> None:
    assert stem_of(word) == stem


def test_no_aspect_lists_a_word_of_an_aspect() -> None:
    assert not {word for word in NO_ASPECTS if _named(EVERY, word)} - {"seller", "商家", "礼物", "drop"}


SAYINGS = (
    "The zipper is stuck.", "All zippers broke, a pity.", "With a better zipper and I would be happy.",
    "My zipper came off after a walk.", "Good zippers, at last.", "Why no second zipper?",
)  # fmt: skip
CHINESE_SAYINGS = ("拉链卡住了。", "拉链很顺滑。", "换了拉链才好。", "就是拉链容易坏。", "没想到拉链这么好。")


def _reviews() -> tuple[list[str], list[str]]:
    """Reviews of a tent that speak of its zipper, in both languages, and the titles of what they are of."""
    texts, titles = [], []
    for i in range(30):
        texts.append(f"{SAYINGS[i % 6]} {i} nights in this tent, a fine tent.")
        texts.append(f"{CHINESE_SAYINGS[i % 5]}第{i}次用这帐篷，帐篷不错。")
        titles += ["Tent for two", "双人帐篷"]
    return texts, titles


def test_terms_are_mined_and_products_names_are_none() -> None:
    texts, titles = _reviews()
    aspects = find_aspects(texts, titles, InsightSettings(), names=["Tents"])
    own = {form.lower() for aspect in aspects.all if not aspect.patterns[0] for form in aspect.forms}
    assert any(re.match("zipper", form) for form in own)
    assert "拉链" in own
    assert not own & {"tent", "tents", "帐篷"}


def test_opinions_and_kinds_of_the_product_are_no_aspects() -> None:
    says = ("Good goods, the family tent is a tent.", "All goods are good!", "My family tent: good.")
    chinese = ("垃圾，拉链是垃圾。", "差劲的拉链，恶心。", "恶心，太差劲，垃圾，这拉链！")
    texts = [f"{each} Day {i}." for i in range(10) for each in says]
    texts += [f"{each}第{i}天。" for i in range(10) for each in chinese]
    aspects = find_aspects(texts, ["Zelt"] * len(texts), InsightSettings(), names=["Tents"])
    assert {form for aspect in aspects.all for form in aspect.forms} == {"拉链"}


def test_few_reviews_make_no_aspect() -> None:
    assert find_aspects(["Nice price."], ["A"], InsightSettings()).all == ()
    assert find_aspects([], [], InsightSettings()).all == ()
    one = find_aspects(["Nice price."] * 1, ["A"], InsightSettings(min_reviews=1))
    assert [aspect.key for aspect in one.all] == ["price"]


def test_an_encoder_joins_near_terms_of_one_language() -> None:
    class Same(HashEncoder):
        def _direction(self, word: str):  # type: ignore[no-untyped-def]
            return super()._direction("zip" if word in ("zip", "zipper") else word)

    texts, titles = _reviews()
    texts += [
        f"The zip was sold as a zip {i}. All zips break, no rainfly, poor rainflies." for i in range(30)
    ]
    titles += ["Tent"] * 30
    apart = find_aspects(texts, titles, InsightSettings())
    joined = find_aspects(texts, titles, InsightSettings(join=0.9), encoder=Same())
    assert len(joined.all) == len(apart.all) - 1
    assert any({"zip", "zipper"} <= {stem_of(form) for form in aspect.forms} for aspect in joined.all)
