"""What tasks make of pictures: search by one, and recommendations that see."""

from __future__ import annotations

import base64
import io
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from fastapi.testclient import TestClient
from PIL import Image

from retailor.errors import DataError
from retailor.models.pictures import items as room
from retailor.models.pictures.items import ItemPictures
from retailor.seeds import stream
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop, demo_truth
from retailor.shop.demo.drawings import draw_pictures, drawn
from retailor.shop.images import images_of
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.registry import TASKS
from retailor.tasks.search import Search, SearchSettings, model
from retailor.tasks.search.entry import ENTRY
from retailor.tasks.search.shapes import SearchQuery
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean

COLOURS = {"red": (200, 20, 20), "green": (20, 180, 40), "blue": (20, 40, 200), "yellow": (220, 210, 30)}


class ByColour:
    """An encoder that sees the mean colour."""

    name, dim = "colour", 3

    def encode_pictures(self, pictures: Any) -> np.ndarray:
        rows = np.array([each.mean((0, 1)) for each in pictures], np.float32).reshape(-1, 3)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        folder.mkdir()


def png(colour: tuple[int, int, int]) -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (24, 24), colour).save(file, "PNG")
    return file.getvalue()


def as_query(colour: tuple[int, int, int]) -> str:
    return base64.b64encode(png(colour)).decode()


def coloured(n_each: int, folder: Path) -> pl.DataFrame:
    """Mugs and towels of four colours that their texts do not tell; the last item has no picture."""
    rows = []
    for i in range(n_each):
        for name, colour in COLOURS.items():
            kind = "mug" if i % 2 else "towel"
            (folder / f"{name}{i}.png").write_bytes(png(tuple(min(255, part + 3 * i) for part in colour)))
            rows.append((f"{name}-{i}", f"a {kind} number {i}", f"{name}{i}.png"))
    rows.append(("unseen", "a mug that nobody drew", None))
    return pl.DataFrame(rows, schema=["item_id", "title", "image"], orient="row")


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> tuple[Shop, ItemPictures]:
    folder = tmp_path_factory.mktemp("pictures")
    shop = Shop.of(items=coloured(4, folder))
    return shop, ItemPictures.of(images_of(shop.items, folder), ByColour())


@pytest.fixture(scope="module")
def search(shop: tuple[Shop, ItemPictures]) -> Search:
    return Search(HashEncoder(), SearchSettings(weights=(0.7, 0.0, 0.3)), pictures=shop[1]).fit(shop[0])


def found(search: Search, query: SearchQuery) -> list[str]:
    return [each.item_id for each in search.predict([query])[0].items]


@pytest.mark.parametrize("name", COLOURS)
def test_a_picture_finds_what_looks_like_it(search: Search, name: str) -> None:
    query = SearchQuery("", 4, image=as_query(COLOURS[name]))
    answer = search.predict([query])[0]
    assert {each.item_id.partition("-")[0] for each in answer.items} == {name}
    assert answer.items[0].reason == "looks like the picture" and not answer.is_nearest
    assert answer.n_found == 16
    every = found(search, replace(query, k=50))
    assert len(every) == 16 and "unseen" not in every  # what nobody has seen is no answer to a picture


def test_words_and_a_picture_find_what_has_both(search: Search) -> None:
    query = SearchQuery("mug", 2, image=as_query(COLOURS["blue"]))
    assert set(found(search, query)) == {"blue-1", "blue-3"}
    assert "looks like the picture and shares words" in search.predict([query])[0].items[0].reason
    assert "unseen" in found(search, replace(query, k=50))


def test_nothing_is_said_of_the_looks_of_an_item_that_nobody_has_seen(search: Search) -> None:
    for words, reason in (
        ("mug", "shares words with the query (“mug”)"),
        ("кружка", "close in meaning"),
    ):
        answer = search.predict([SearchQuery(words, 50, image=as_query(COLOURS["blue"]))])[0]
        assert {each.reason for each in answer.items if each.item_id == "unseen"} == {reason}


def test_an_item_that_comes_while_serving_has_no_picture_yet(shop: tuple[Shop, ItemPictures]) -> None:
    made = Search(HashEncoder(), SearchSettings(weights=(0.7, 0.0, 0.3)), pictures=shop[1]).fit(shop[0])
    made.update(Shop.of(items=pl.DataFrame({"item_id": ["late"], "title": ["a mug that came late"]})))
    red = SearchQuery("", 4, image=as_query(COLOURS["red"]))
    assert {each.partition("-")[0] for each in found(made, red)} == {"red"}
    assert found(made, SearchQuery("late"))[0] == "late"


def test_words_alone_are_answered_as_without_pictures(
    search: Search, shop: tuple[Shop, ItemPictures]
) -> None:
    blind = Search(HashEncoder(), SearchSettings(weights=(0.7, 0.0, 0.3))).fit(shop[0])
    for words in ("mug", "towel number 2", "drew"):
        assert search.predict([SearchQuery(words)]) == blind.predict([SearchQuery(words)])
    with pytest.raises(DataError, match=r"knows no pictures: .*\[pictures\]"):
        blind.predict([SearchQuery("mug", image=as_query(COLOURS["red"]))])


@pytest.mark.parametrize("words", ["asdfgh", "杯子"])
def test_words_that_nothing_is_known_of_leave_the_order_to_the_picture(search: Search, words: str) -> None:
    picture = as_query(COLOURS["blue"])
    alone, both = (search.predict([SearchQuery(text, 50, image=picture)])[0] for text in ("", words))
    assert search.predict([SearchQuery(words)])[0].is_nearest
    assert [each.item_id for each in both.items] == [each.item_id for each in alone.items]
    assert {each.reason for each in both.items} == {"looks like the picture"} and not both.is_nearest


def test_base64_may_come_in_lines(search: Search) -> None:
    plain = as_query(COLOURS["red"])
    lines = "\r\n".join(plain[at : at + 20] for at in range(0, len(plain), 20)) + "\n"
    assert found(search, SearchQuery("", image=lines)) == found(search, SearchQuery("", image=plain))


@pytest.mark.parametrize(
    ("image", "why"), [("no base64!", "no base64"), (base64.b64encode(b"words").decode(), "none of JPEG")]
)
def test_what_is_no_picture_is_refused(search: Search, image: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        search.predict([SearchQuery("mug", image=image)])


def test_a_page_of_another_site_may_send_its_data_url(search: Search) -> None:
    plain, data = as_query(COLOURS["red"]), "data:image/png;base64," + as_query(COLOURS["red"])
    assert found(search, SearchQuery("", image=plain)) == found(search, SearchQuery("", image=data))


def test_what_a_picture_weighs_is_learned_and_kept(
    shop: tuple[Shop, ItemPictures], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Search(HashEncoder(), SearchSettings(weights=(0.7, 0.0, 0.3)), pictures=shop[1]).fit(shop[0])
    meant = [(name, i) for name in COLOURS for i in (0, 1)]
    queries = [SearchQuery(f"number {i}", image=as_query(COLOURS[name])) for name, i in meant]
    weight = made.teach_pictures(queries, [f"{name}-{i}" for name, i in meant])
    assert 0 < weight < 1 and made.log["picture_weight"] == weight
    assert [found(made, replace(query, k=1))[0] for query in queries] == [f"{name}-{i}" for name, i in meant]
    with pytest.raises(DataError, match="words and a picture"):
        made.teach_pictures([SearchQuery("mug")], ["red-1"])
    made.save(tmp_path / "search")
    monkeypatch.setattr(model, "open_pictures", lambda folder: ByColour())
    again = Search.load(tmp_path / "search")
    assert again.predict(queries) == made.predict(queries)


def test_a_path_that_leads_elsewhere_is_not_followed(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(png(COLOURS["red"]))
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    (inside / "own.png").write_bytes(png(COLOURS["blue"]))
    (inside / "ring.png").symlink_to("gnir.png")
    (inside / "gnir.png").symlink_to("ring.png")
    names = ["own.png", "../secret.png", "link.png", str(tmp_path / "secret.png"), "gone.png", "a\0b", "  ",
             None, "x" * 5000, "https://example.com/x.png", "ring.png"]  # fmt: skip
    items = pl.DataFrame({"item_id": [str(i) for i in range(len(names))], "image": names})
    seen = {each.item_id: each for each in images_of(items, inside)}
    assert seen["0"].data and not any(each.data for each in seen.values() if each.item_id != "0")
    assert "6" not in seen and "7" not in seen
    assert all("out of the folder" in seen[i].why for i in "123") and seen["4"].why == "no such file"
    assert "network" in seen["9"].why


def test_a_picture_is_sent_over_http(search: Search, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model, "open_pictures", lambda folder: ByColour())
    search.save(tmp_path / "run" / "search")
    settings = ServeSettings(hosts=("testserver",), batch_wait_ms=1.0)
    with TestClient(make_app(Service.load(tmp_path / "run", TASKS, settings))) as client:
        sent = {"image": as_query(COLOURS["green"]), "k": 3}
        reply = client.post("/search", json=sent).json()
        assert {each["item_id"].partition("-")[0] for each in reply["items"]} == {"green"}
        assert reply["items"][0]["reason"] == "looks like the picture"
        chinese = client.post("/search", json=sent, headers={"Accept-Language": "zh"}).json()
        assert chinese["items"][0]["reason"] == "与图片相似" and chinese["cached"]
        bad = client.post("/search", json={"image": "aGVsbG8="})
        assert bad.status_code == 422 and "is none of JPEG" in bad.json()["detail"]
        huge = client.post("/search", json={"image": "a" * settings.max_body_bytes})
        assert huge.status_code == 413


def test_a_picture_is_named_on_the_command_line(tmp_path: Path) -> None:
    (tmp_path / "red.png").write_bytes(png(COLOURS["red"]))
    query = ENTRY.command.query
    assert query("mug", image=tmp_path / "red.png") == SearchQuery("mug", image=as_query(COLOURS["red"]))
    assert query("mug") == SearchQuery("mug")
    with pytest.raises(typer.BadParameter, match="words, a picture"):
        query(" ")
    for wrong in (tmp_path, tmp_path / "gone.png"):
        with pytest.raises(DataError, match="cannot be read"):
            query("", image=wrong)


# recommend ----------------------------------------------------------------------------------------


def by_taste(n_users: int, items: pl.DataFrame) -> pl.DataFrame:
    """Everybody buys what is of one colour; the items whose number is 3 are new, and nobody has them."""
    dice = np.random.default_rng(0)
    start, rows = datetime(2024, 1, 1, tzinfo=UTC), []
    known = [each for each in items["item_id"] if not each.endswith("-3") and each != "unseen"]
    for user in range(n_users):
        colour = [*COLOURS][user % 4]
        own = [each for each in known if each.startswith(colour)]
        for day, item in enumerate(dice.permutation(own)[:2]):
            rows.append((f"u{user}", str(item), "buy", start + timedelta(days=day)))
    return pl.DataFrame(rows, schema=["user_id", "item_id", "kind", "time"], orient="row")


SETTINGS = RecommendSettings(sasrec=SasrecSettings(enabled=False))


def test_a_new_item_is_recommended_by_its_looks(shop: tuple[Shop, ItemPictures]) -> None:
    items = shop[0].items.with_columns(title=pl.lit("a thing"))
    whole = Shop.of(items=items, events=by_taste(40, items))
    seeing = Recommender(None, SETTINGS, pictures=shop[1]).fit(whole)
    assert "picture_kernel" in seeing._made.parts and seeing.log["n_pictures"] == 16
    assert "retailor without pictures" in seeing._made.systems
    hits = 0
    for user in range(4):
        answer = seeing.predict([RecommendQuery(user_id=f"u{user}", k=2)])[0]
        hits += any(one.item_id == f"{[*COLOURS][user % 4]}-3" for one in answer.items)
    assert hits == 4
    again = Recommender(None, SETTINGS, pictures=shop[1]).refit(whole, seeing)
    query = [RecommendQuery(user_id="u1", k=5)]
    assert [one.item_id for one in again.predict(query)[0].items] == [
        one.item_id for one in seeing.predict(query)[0].items
    ]


def test_a_shop_without_pictures_is_fitted_as_before(shop: tuple[Shop, ItemPictures]) -> None:
    whole = Shop.of(items=shop[0].items, events=by_taste(40, shop[0].items))
    nothing = replace(shop[1], item_ids=(), vectors=np.zeros((0, 3), np.float32))
    plain, blind = (Recommender(None, SETTINGS, pictures=each).fit(whole) for each in (None, nothing))
    for user in range(5):
        query = [RecommendQuery(user_id=f"u{user}", k=10)]
        assert plain.predict(query) == blind.predict(query)
    assert plain._made.parts.keys() == blind._made.parts.keys() and "picture_kernel" not in plain._made.parts
    assert room.KIND == "pictures"


class ByGrid(ByColour):
    """An encoder that sees six by six colours, and how much each square changes."""

    name, dim = "grid", 6 * 6 * 4

    def encode_pictures(self, pictures: Any) -> np.ndarray:
        rows = []
        for each in pictures:
            side = min(each.shape[:2]) // 6
            squares = each[: side * 6, : side * 6].reshape(6, side, 6, side, 3).astype(np.float32)
            rows.append(
                np.concatenate([squares.mean((1, 3)).ravel(), 2 * squares.std((1, 3)).mean(-1).ravel()])
            )
        made = np.array(rows, np.float32).reshape(-1, self.dim)
        made = made - made.mean(1, keepdims=True)
        return made / np.linalg.norm(made, axis=1, keepdims=True)


def test_words_and_a_photo_together_find_what_neither_finds(tmp_path: Path) -> None:
    """The demo's texts tell the product, its pictures shape and pattern: both together name one item."""
    size = 150
    shop, looks = demo_shop(size), demo_truth(size).looks
    draw_pictures(tmp_path, size, 0)
    encoder = ByGrid()
    pictures = ItemPictures.of(images_of(shop.items, tmp_path), encoder)
    search = Search(HashEncoder(), pictures=pictures).fit(clean(shop))

    def asked(row: dict[str, Any], *, words: bool, photo: bool) -> SearchQuery:
        """The category that many are of, and another drawing of the same look."""
        file = io.BytesIO()
        drawn(looks[row["item_id"]], stream(1, "photo", row["item_id"])).save(file, "PNG")
        text = row["category"][-1] if words else ""
        image = base64.b64encode(file.getvalue()).decode() if photo else ""
        return SearchQuery(text, 1, image=image, read=False)

    hits = {}
    for name, (words, photo) in {
        "words": (True, False),
        "photo": (False, True),
        "both": (True, True),
    }.items():
        rows = list(shop.items.iter_rows(named=True))
        found = search.predict([asked(row, words=words, photo=photo) for row in rows])
        right = [each.items[0].item_id == row["item_id"] for each, row in zip(found, rows, strict=True)]
        hits[name] = float(np.mean(right))
    assert hits["both"] > max(hits["words"], hits["photo"]) + 0.1
