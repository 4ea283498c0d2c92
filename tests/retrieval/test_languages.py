"""Vectors of several languages without what tells these apart."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray

from retailor.models.shapes import Role
from retailor.retrieval.blend import standardise
from retailor.retrieval.languages import directions_between, read_scripts, without
from retailor.shop.tables import Shop, conform
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.query.ask import text_scores
from retailor.tasks.search import Search, SearchSettings
from retailor.tasks.search.presence.nonsense import least_cosine
from retailor.tasks.search.presence.signs import Asked
from retailor.tasks.search.rerank.candidates import Catalogue
from retailor.tasks.search.shapes import SearchQuery
from retailor.testing.models import tiny_encoder

CANNOT_TELL = object()
"""A tokenizer that does not say what it knows, so that all counts as read."""


def test_a_text_is_of_the_script_that_most_of_its_words_are_in() -> None:
    told = {
        "Tent for two": "latin", "双人帐篷": "zh", "iPhone 15 Pro 手机壳": "zh",
        "Nike Air Zoom Max 鞋": "latin",
        "二人用テント": "ja", "커피 메이커": "ko", "Кофеварка": "ru", "قهوة عربية": "ar", "βιβλίο": "el",
        "123 - 4": "latin", "": "latin",
    }  # fmt: skip
    assert read_scripts(list(told), CANNOT_TELL) == list(told.values())
    assert read_scripts([], CANNOT_TELL) == []


def vectors_in_two(n: int = 40, dim: int = 12) -> tuple[NDArray[np.float32], NDArray[np.str_]]:
    rng = np.random.default_rng(0)
    second = np.arange(n) % 2
    made = rng.normal(size=(n, dim)) + np.outer(second, np.eye(dim)[0] * 30)
    return made.astype(np.float32), np.array(["latin", "zh"])[second]


def test_between_two_languages_is_one_direction_and_afterwards_nothing() -> None:
    vectors, groups = vectors_in_two()
    found = directions_between(vectors, groups.tolist())
    assert found.shape == (1, 12) and abs(float(found[0, 0])) > 0.99
    assert np.linalg.norm(found[0]) == pytest.approx(1, abs=1e-5)
    left = without(vectors, found)
    np.testing.assert_allclose(left @ found.T, 0, atol=1e-4)
    np.testing.assert_allclose(
        left[groups == "latin"].mean(0) - left[groups == "zh"].mean(0), [0] * 12, atol=1e-3
    )


def test_three_languages_have_two_directions() -> None:
    vectors, _ = vectors_in_two()
    found = directions_between(vectors, ["latin", "zh", "ru", "zh"] * 10)
    assert found.shape == (2, 12)
    np.testing.assert_allclose(found @ found.T, np.eye(2), atol=1e-5)


@pytest.mark.parametrize(
    "groups", [["zh"] * 40, ["zh"] * 38 + ["ru"] * 2, ["zh"] * 20 + [""] * 20, [""] * 40]
)
def test_one_language_is_left_to_the_bit(groups: list[str]) -> None:
    vectors, _ = vectors_in_two()
    found = directions_between(vectors, groups)
    assert found.shape == (0, 12) and without(vectors, found) is vectors


def test_a_script_that_the_encoder_does_not_read_is_in_no_group() -> None:
    tokenizer = tiny_encoder(["a tent for two", "a lamp"]).tokenizer
    texts = ["a tent for two", "帐篷 tent tent tent", "一顶蓝色的帐篷", "a lamp"]
    assert read_scripts(texts, tokenizer) == ["latin", "latin", "", "latin"]
    assert read_scripts(texts, None) == [""] * 4


class Biased:
    """Knows three kinds of things in two languages, and puts each language far apart from the other."""

    name, dim = "biased", 8
    tokenizer = CANNOT_TELL
    kinds = (("tent", "帐篷"), ("lamp", "灯"), ("knife", "刀"))

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        made = np.zeros((len(texts), self.dim), np.float32)
        for i, text in enumerate(texts):
            made[i, 0 if text.isascii() else 1] = 3
            for k, words in enumerate(self.kinds):
                made[i, 2 + k] = any(word in text for word in words)
            made[i, 5 + i % 3] = 0.01
        return made / np.linalg.norm(made, axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        folder.mkdir(parents=True)

    @classmethod
    def load(cls, folder: Path) -> Any:
        return cls()


def bilingual() -> Shop:
    titles = [f"{word} number {i}" for i in range(4) for word in ("tent", "lamp", "knife")]
    titles += [f"好用的{word}{'一二三四'[i]}号" for i in range(4) for word in ("帐篷", "灯", "刀")]
    rows = {"item_id": [f"P{i}" for i in range(len(titles))], "title": titles}
    return Shop.of(items=conform("items", pl.DataFrame(rows)))


def found(search: Search, text: str, k: int = 8) -> list[str]:
    return [each.item_id for each in search.predict([SearchQuery(text, k, read=False)])[0].items]


def test_what_is_meant_comes_before_what_is_in_the_language_of_the_query(tmp_path: Path) -> None:
    search = Search(Biased()).fit(bilingual())
    titles = dict(bilingual().items.select("item_id", "title").iter_rows())
    for query, kind in (("tent", ("tent", "帐篷")), ("帐篷", ("tent", "帐篷")), ("lamp", ("lamp", "灯"))):
        assert all(any(word in titles[each] for word in kind) for each in found(search, query)), query
    apart = Search(Biased(), SearchSettings(across_languages=False)).fit(bilingual())
    assert all(titles[each].isascii() for each in found(apart, "tent"))
    search.save(tmp_path / "search")
    again = Search.load(tmp_path / "search", open_encoder=lambda folder: Biased())
    assert found(again, "lamp") == found(search, "lamp")
    new = Shop.of(items=conform("items", pl.DataFrame({"item_id": ["N"], "title": ["新的灯五号"]})))
    assert "N" in found(again.update(new), "lamp", 9)


def test_what_is_recommended_for_words_is_of_both_languages(tmp_path: Path) -> None:
    shop = bilingual()
    titles = dict(shop.items.select("item_id", "title").iter_rows())
    choices = [(f"u{i % 5}", f"P{i}", i) for i in range(20)]
    events = pl.DataFrame(choices, schema=["user_id", "item_id", "time"], orient="row")
    events = events.with_columns(pl.from_epoch("time").dt.replace_time_zone("UTC"), kind=pl.lit("buy"))
    settings = RecommendSettings(sasrec=SasrecSettings(enabled=False))
    made = Recommender(Biased(), settings).fit(Shop.of(items=shop.items, events=conform("events", events)))
    made.save(tmp_path / "recommend")
    again = Recommender.load(tmp_path / "recommend", open_encoder=lambda folder: Biased())
    for one in (made, again):
        known = one._made.understanding
        assert len(known.between) == 1
        for query, kind in (("a tent please", ("tent", "帐篷")), ("我要一个帐篷", ("tent", "帐篷"))):
            best = np.argsort(-text_scores(known, query, len(titles)))[:8]
            found = [titles[one._made.catalogue.item_ids[row]] for row in best]
            assert all(any(word in title for word in kind) for title in found), found


def test_whether_anything_fits_is_told_by_the_encoders_own_cosines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each language has lost another part of its vectors: how near the nearest are says less of these."""
    learned: list[NDArray[np.floating]] = []
    asked: list[Asked] = []

    class Told:
        @classmethod
        def learned(cls, catalogue: Catalogue, *given: Any, **more: Any) -> Told:
            learned.append(catalogue.vectors)
            return cls()

        def fits(self, one: Asked, catalogue: Catalogue) -> bool:
            asked.append(one)
            return True

        log: ClassVar[dict[str, Any]] = {}

    monkeypatch.setattr("retailor.tasks.search.fit.Presence", Told)
    encoder = Biased()
    search = Search(encoder).fit(bilingual())
    vectors = encoder.encode([*bilingual().items["title"]])
    np.testing.assert_allclose(learned[0], vectors, atol=2e-3)
    found(search, "lamp")
    wanted = vectors @ encoder.encode(["lamp"], role="query")[0]
    np.testing.assert_allclose(asked[0].cosines, wanted, atol=2e-3)
    np.testing.assert_allclose(asked[0].z, standardise(wanted[None])[0], atol=0.02)
    assert search._made.least_cosine == pytest.approx(least_cosine(encoder, vectors), abs=2e-3)
    level = search._made.nearest.vectors
    assert search._made.least_cosine != pytest.approx(least_cosine(encoder, np.asarray(level)), abs=2e-3)
