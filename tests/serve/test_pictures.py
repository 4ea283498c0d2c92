"""Pictures of items: served small and safe, shown on the page, and a search by a photo."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from fastapi.testclient import TestClient
from PIL import Image

from retailor.models.pictures.efficientnet import EfficientNetLite
from retailor.models.pictures.encoder import LITE0, LocalPictures
from retailor.models.pictures.items import ItemPictures
from retailor.models.pictures.preparing import Preparation
from retailor.seeds import stream
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop, demo_truth
from retailor.shop.demo.drawings import draw_pictures, drawn
from retailor.shop.images import images_of
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.registry import TASKS
from retailor.tasks.search import Search
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean

N = 40


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a search that sees, and pictures beside it: those that were drawn, and some odd ones."""
    import torch

    folder = tmp_path_factory.mktemp("seen")
    draw_pictures(folder / "images", N, 0)
    (folder / "secret.png").write_bytes((next((folder / "images").iterdir())).read_bytes())
    (folder / "images" / "text.png").write_text("no picture")
    (folder / "images" / "link.png").symlink_to(folder / "secret.png")
    photo = Image.new("RGB", (1200, 800), "red")
    about = photo.getexif()
    about[0x010E] = "taken at home"
    photo.save(folder / "images" / "photo.jpg", exif=about)
    shop = clean(demo_shop(N))
    odd = [
        "../secret.png",
        "link.png",
        "text.png",
        "gone.png",
        "https://shop.example/x.png",
        "photo.jpg",
        None,
    ]
    images = [*odd, *shop.items["image"][len(odd) :]]
    shop = Shop.of(**{**{name: getattr(shop, name) for name in ("events", "reviews")},
                      "items": shop.items.with_columns(pl.Series("image", images))})  # fmt: skip
    shop.save(folder / "clean")
    torch.manual_seed(0)
    encoder = LocalPictures(EfficientNetLite().eval(), Preparation(size=64), name="untaught", family=LITE0)
    pictures = ItemPictures.of(images_of(shop.items, folder / "images"), encoder)
    Search(HashEncoder(), pictures=pictures).fit(shop).save(folder / "search")
    Recommender(HashEncoder(), RecommendSettings(max_network_steps=1)).fit(shop).save(folder / "recommend")
    return folder


@pytest.fixture(scope="module")
def client(run: Path) -> Any:
    settings = ServeSettings(hosts=("testserver",), pictures=str(run / "images"))
    service = Service.load(run, TASKS, settings)
    with TestClient(make_app(service)) as made:
        yield made
    service.close()


def test_a_picture_is_sent_small_as_jpeg_and_without_what_the_camera_wrote(client: Any, run: Path) -> None:
    ids = pl.read_parquet(next((run / "clean").glob("items*.parquet")))["item_id"].to_list()
    reply = client.get("/picture", params={"item_id": ids[5]})
    assert reply.status_code == 200 and reply.headers["content-type"] == "image/jpeg"
    assert (
        reply.headers["x-content-type-options"] == "nosniff"
        and "sandbox" in reply.headers["content-security-policy"]
    )
    with Image.open(io.BytesIO(reply.content)) as shown:
        assert shown.format == "JPEG" and max(shown.size) <= 384 and not shown.getexif()
    assert b"taken at home" not in reply.content
    drawn_one = client.get("/picture", params={"item_id": ids[-1]})
    assert (
        drawn_one.status_code == 200
        and client.get("/picture", params={"item_id": ids[-1]}).content == drawn_one.content
    )
    for item_id in (*ids[:5], ids[6]):
        reply = client.get("/picture", params={"item_id": item_id})
        assert (reply.status_code, reply.content) == (204, b""), item_id
    assert client.get("/picture", params={"item_id": "no such item"}).status_code == 404
    ready = client.get("/ready").json()
    assert ready["pictures"] and ready["sees"]
    assert "img-src 'self' data: blob:;" in client.get("/").headers["content-security-policy"]


def test_without_a_folder_there_are_none(run: Path) -> None:
    service = Service.load(run, TASKS, ServeSettings(hosts=("testserver",)))
    with TestClient(make_app(service)) as plain:
        ids = plain.get("/items").json()["items"]
        assert plain.get("/picture", params={"item_id": ids[0]["item_id"]}).status_code == 204
        assert not plain.get("/ready").json()["pictures"]
    service.close()


def test_a_body_too_large_says_what_is_allowed(run: Path) -> None:
    service = Service.load(run, TASKS, ServeSettings(hosts=("testserver",), max_body_bytes=5000))
    with TestClient(make_app(service)) as small:
        reply = small.post("/search", json={"image": "A" * 6000})
        assert reply.status_code == 413 and "the 5,000 bytes of max_body_bytes" in reply.json()["detail"]
    service.close()


def test_what_the_demo_draws_is_told_by_no_text() -> None:
    shop, looks = demo_shop(N), demo_truth(N).looks
    told = " ".join([*shop.items["title"], *shop.items["description"].drop_nulls()]).lower()
    assert {look.pattern for look in looks.values()} == {"plain", "striped", "dotted", "checkered"}
    assert not [word for word in ("striped", "dotted", "checkered", "条纹", "圆点", "格子") if word in told]
    one = next(iter(looks.values()))
    first, again, other = (np.asarray(drawn(one, stream(0, name)), float) for name in ("a", "a", "b"))
    assert (first == again).all() and (first != other).any()


@pytest.fixture(scope="module")
def url(run: Path, served: Callable[..., str]) -> str:
    code = (
        "import sys; from pathlib import Path; from retailor.serve.server import serve; "
        "from retailor.serve.settings import ServeSettings; from retailor.tasks.registry import TASKS; "
        "serve(Path(sys.argv[1]), TASKS, ServeSettings(port=0, pictures=sys.argv[2]))"
    )
    return served([sys.executable, "-c", code, str(run), str(run / "images")])


def seen(page: Any) -> bool:
    """Whether a picture of some item comes to be shown, of the size that it has."""
    page.wait_for_selector(".card .tile img")
    for _ in range(100):
        if page.eval_on_selector_all(".card .tile img", "all => all.some(each => each.naturalWidth > 9)"):
            return True
        page.wait_for_timeout(100)
    return False


@pytest.mark.slow
def test_the_page_shows_pictures_and_finds_by_a_photo(page: Any, url: str, run: Path, tmp_path: Path) -> None:
    page.goto(url)
    assert seen(page)
    looks = demo_truth(N).looks
    wanted = sorted(pl.read_parquet(next((run / "clean").glob("items*.parquet")))["item_id"].to_list()[7:])[0]
    big = drawn(looks[wanted], stream(0, "drawing", wanted)).resize((3000, 3000))
    big.save(tmp_path / "photo.png")
    page.click("#tab-search")
    with page.expect_request(lambda asked: asked.url.endswith("/search")) as sent:
        page.set_input_files(".photo input", tmp_path / "photo.png")
    assert len(sent.value.post_data) < 128 * 1024 and '"text"' not in sent.value.post_data
    page.wait_for_selector("#panel .card")
    assert page.locator(".photo canvas").count() == 1
    assert page.get_attribute("#text", "required") is None
    page.click("#language")
    page.wait_for_selector("text=或用图片找")
    assert page.locator(".photo canvas").count() == 1, "the photo stays when the language changes"
    page.click(".photo .cross")
    page.wait_for_selector("text=选择图片")
    assert page.get_attribute("#text", "required") is not None
    (tmp_path / "no.png").write_text("no picture")
    page.set_input_files(".photo input", tmp_path / "no.png")
    page.wait_for_selector("text=这个文件不是可以显示的图片")


@pytest.mark.slow
def test_with_a_key_pictures_are_fetched_with_it(page: Any, run: Path, served: Callable[..., str]) -> None:
    code = (
        "import sys; from pathlib import Path; from retailor.serve.server import serve; "
        "from retailor.serve.settings import ServeSettings; from retailor.tasks.registry import TASKS; "
        "serve(Path(sys.argv[1]), TASKS, ServeSettings(port=0, pictures=sys.argv[2], api_key_env='SHOP_KEY'))"
    )
    address = served([sys.executable, "-c", code, str(run), str(run / "images")], env={"SHOP_KEY": "hunter2"})
    page.goto(address)
    page.evaluate("sessionStorage.setItem('retailor-key', 'hunter2')")
    page.problems.clear()  # the first question was refused, as it should be
    page.reload()
    assert seen(page)
