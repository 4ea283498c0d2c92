# ruff: noqa: SIM905 (word lists)
"""Copies of texts: what may change does, and brands, numbers, units and negations never."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.errors import ConfigError, DataError
from retailor.seeds import stream
from retailor.testing.toys import ScriptedGenerator
from retailor.text.augmentation.edits import AugmentSettings, augment, augmented, word_neighbours
from retailor.text.augmentation.facts import facts, is_negation, names_in
from retailor.text.augmentation.substitutes import pieces
from retailor.text.quantities import parse_quantities

EDITS = AugmentSettings(method="edits", copies=3, rate=0.5)
BRANDS = ("Acme", "dr. martens", "海尔", "小米")
ENGLISH = (
    "the red mug of Acme holds 350 ml , 2 packs not good never buy don't isn't dr. martens shoe box "
    "with a handle came in about 5 days $20 no lid 3 x 4 cm twelve cups half without lamp pack of 6"
).split(" ")
CHINESE = (
    "这个 海尔 冰箱 容量 200 升 两 包 不 好 没有 声音 送货 师傅 态度 三 天 到 小米 手机 别 买 颜色 ， 500 克"
).split(" ")
DENIALS = {"not", "never", "no", "without", "don't", "isn't"}
TABLE = {
    "mug": ["cup", "ml"],
    "box": ["carton"],
    "颜色": ["外观"],
    "冰箱": ["包"],
    "handle": ["5"],
    "lid": ["not"],
}


@settings(deadline=None)  # the Chinese dictionary is read at the first word
@given(
    words=st.lists(st.sampled_from(ENGLISH), min_size=1, max_size=14).map(" ".join)
    | st.lists(st.sampled_from(CHINESE), min_size=1, max_size=14).map("".join)
    | st.text(max_size=30),
    seed=st.integers(0, 20),
)
def test_a_copy_states_what_its_text_states(words: str, seed: int) -> None:
    """The law, also against a table of synonyms that would break it."""
    (copies,) = augment([words], EDITS, seed=seed, neighbours=TABLE, protected=BRANDS)
    assert len(set(copies)) == len(copies) <= 3 and words not in copies
    for copy in copies:
        for read in (
            lambda t: Counter(map(str, parse_quantities(t))),
            lambda t: [c for c in t if c.isnumeric() or c in "两半"],
            lambda t: Counter(w for w in t.lower().split() if w in DENIALS),
            lambda t: Counter(c for c in t if c in "不没"),
            lambda t: [t.casefold().count(brand) for brand in ("acme", "dr. martens", "海尔", "小米")],
        ):  # fmt: skip
            assert read(copy) == read(words)


@settings(deadline=None)
@given(text=st.text(max_size=40) | st.lists(st.sampled_from([*ENGLISH, *CHINESE])).map(" ".join))
def test_pieces_join_to_the_text(text: str) -> None:
    assert "".join(pieces(text)) == text


def test_edits_change_what_may_change() -> None:
    text = "The mug has a wide handle and fits my shelf"
    copies = augment([text], EDITS, seed=0, neighbours={"mug": ["cup"], "shelf": ["board"]})[0]
    assert len(copies) == 3 and all(copy[0] == "T" for copy in copies)
    only = AugmentSettings(method="edits", rate=0.5, edits=("synonym",))
    assert augment([text], only, seed=1, neighbours={"mug": ["cup"], "shelf": ["board"]})[0][0] in {
        text.replace("mug", "cup"), text.replace("shelf", "board"),
        text.replace("mug", "cup").replace("shelf", "board"),
    }  # fmt: skip
    dropped = AugmentSettings(method="edits", rate=0.5, edits=("drop",))
    (copy,) = augment([text], dropped, seed=0)[0]
    assert set(copy.split()) < set(text.split()) and "  " not in copy
    for seed in range(4):
        assert " ." not in augment(["wide handles fit small hands."], dropped, seed=seed)[0][0]
    assert augment(["杯子的颜色和手柄"], only, seed=0, neighbours={"颜色": ["外观"]}) == [
        ["杯子的外观和手柄"]
    ]


def test_the_same_seed_gives_the_same_copies_wherever_the_text_stands() -> None:
    texts = ["A wide blue mug with a long handle", "这个杯子的颜色和手柄都是蓝色的"]
    one = augment(texts, EDITS, seed=3, neighbours={})
    assert one == augment(texts, EDITS, seed=3, neighbours={})
    assert one[::-1] == augment(texts[::-1], EDITS, seed=3, neighbours={})
    assert one != augment(texts, EDITS, seed=4, neighbours={})


def test_opinions_and_names_stay() -> None:
    text = "Great sound but the Zorblax speaker broke"
    for seed in range(5):
        for copy in augment([text], EDITS, seed=seed, neighbours={"speaker": ["box"]})[0]:
            assert {"Great", "but", "Zorblax", "broke"} <= set(copy.split())


def test_facts_and_names() -> None:
    assert facts("not 5 ml", ()) != facts("5 ml", ()) and facts("red cup") == facts("blue mug")
    assert facts("特别好") == facts("好") and facts("不好") != facts("好")
    assert [m[0] for m in names_in("acmes Acme ACME海尔冰箱", ("Acme", "海尔"))] == ["Acme", "ACME", "海尔"]
    assert names_in("a text", ()) == names_in("a text", (" ",)) == []
    assert (
        is_negation("Don't") and is_negation("没有") and not is_negation("特别") and not is_negation("knot")
    )


def shop_texts(n: int) -> tuple[list[str], list[int]]:
    """Mug and cup stand in the same places; blender stands elsewhere; hot and cold tell the label."""
    draw, texts, labels = stream(0, "toy"), [], []
    for i in range(n):
        label = i % 2
        thing, colour = draw.choice(["mug", "cup"]), draw.choice(["red", "blue", "green"])
        heat = ("frosty", "toasty")[label]
        texts.append(f"drink {heat} tea from this {colour} {thing} standing beside every kettle daily")
        tool, noise = draw.choice(["blender", "mixer"]), draw.choice(["loud", "quiet"])
        texts.append(f"mince carrots inside that {noise} {tool} whirring under our cupboard nightly")
        labels += [label, label]
    return texts, labels


def test_neighbours_are_learned_from_the_texts_and_kept_apart_by_labels() -> None:
    texts, labels = shop_texts(150)
    found = word_neighbours(texts, dim=8)
    assert found["mug"] == ["cup"] and found["blender"][0] == "mixer" and "this" not in found
    assert found["frosty"][0] == "toasty"
    apart = word_neighbours(texts, labels=labels, dim=8)
    assert apart["mug"] == ["cup"] and "toasty" not in apart.get("frosty", [])
    assert found == word_neighbours(texts, dim=8)
    assert word_neighbours([]) == word_neighbours(["one text"]) == {}
    things = ("杯子", "台灯", "冰箱", "手机", "书包", "裤子", "水果")
    chinese = [f"这个{a}{b}的质量" for a in ("红色", "蓝色", "绿色") for b in things]
    for word, others in word_neighbours(chinese * 5, dim=6).items():
        assert word not in others


def test_paraphrases_that_lose_a_fact_are_no_copies() -> None:
    texts = ["The mug holds 350 ml and does not leak", "杯子容量350毫升，不漏水"]
    replies = ["'350 ml fit into the mug, it does not leak'", "350毫升的杯子，一点也不漏",
               "The mug holds 300 ml and does not leak", "杯子容量350毫升，漏水"]  # fmt: skip
    generator = ScriptedGenerator(replies)
    given_ = AugmentSettings(method="paraphrase", copies=2)
    assert augment(texts, given_, seed=0, generator=generator) == [[replies[0].strip("'")], [replies[1]]]
    assert "Keep its meaning" in generator.prompts[0] and "改写" in generator.prompts[1]
    back = ScriptedGenerator(["Der Becher", "In the mug go 350 ml and it does not leak"])
    pivot = AugmentSettings(method="paraphrase", pivot="German")
    assert augment(texts[:1], pivot, seed=0, generator=back) == [
        ["In the mug go 350 ml and it does not leak"]
    ]
    assert (
        "into German" in back.prompts[0]
        and back.prompts[1].endswith("Der Becher")
        and "English" in back.prompts[1]
    )


def test_examples_in_examples_out_and_what_is_refused() -> None:
    texts, labels = augmented(["a wide mug here", "lamp"], [1, 0], AugmentSettings(method="edits"), seed=0)
    assert texts[:2] == ["a wide mug here", "lamp"] and labels == [1, 0, 1] and len(texts) == 3
    assert augment(["a mug"], AugmentSettings(), seed=0) == [[]]
    with pytest.raises(ConfigError, match="needs a generator"):
        augment(["a mug"], AugmentSettings(method="paraphrase"), seed=0)
    with pytest.raises(DataError, match="2 texts and 1 labels"):
        augmented(["a", "b"], [1], AugmentSettings(), seed=0)
    for bad in (
        {"method": "eda"},
        {"rate": 1.4},
        {"rate": 0},
        {"copies": 0},
        {"edits": ()},
        {"edits": ("flip",)},
    ):
        with pytest.raises(ConfigError, match=next(iter(bad))):
            AugmentSettings(**bad)  # type: ignore[arg-type]
    assert np.all(
        [len(copies) <= 1 for copies in augment(["", "!", "5"], AugmentSettings(method="edits"), seed=0)]
    )
