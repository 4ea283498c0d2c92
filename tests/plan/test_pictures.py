"""A plan's section [pictures]: its stage, what makes it anew, and the tasks that are given what it saw."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image

from retailor.errors import DataError, MissingTable
from retailor.models.pictures.efficientnet import EfficientNetLite
from retailor.models.pictures.encoder import LITE0, LocalPictures
from retailor.models.pictures.items import ItemPictures
from retailor.models.pictures.opening import open_pictures
from retailor.models.pictures.preparing import Preparation
from retailor.plan.main_job import stages_of
from retailor.plan.pictures import picture_note, picture_stages, seeing
from retailor.plan.settings import make_plan
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.registry import TASKS


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("model") / "encoder"
    LocalPictures(EfficientNetLite().eval(), Preparation(size=32), name="untaught", family=LITE0).save(folder)
    return folder


def plan_of(folder: Path, model: Path, **more: Any) -> Any:
    return make_plan({"name": "x", "pictures": {"model": str(model), "folder": "."}, **more}, folder)


def shop_with(folder: Path, images: list[str | None]) -> dict[str, Path]:
    ids = [str(i) for i in range(len(images))]
    items = pl.DataFrame({"item_id": ids, "title": [f"thing {i}" for i in ids], "image": images})
    Shop.of(items=items).save(folder / "clean")
    return {"clean": folder / "clean"}


def test_the_tasks_that_can_see_are_given_what_was_seen(tmp_path: Path, model: Path) -> None:
    for name, colour in (("a", "red"), ("b", "blue")):
        Image.new("RGB", (40, 40), colour).save(tmp_path / f"{name}.png")
    plan = plan_of(tmp_path, model)
    inputs = shop_with(tmp_path, ["a.png", "b.png", "gone.png", None, "https://shop.example/x.png"])
    stage = picture_stages(plan)[0]
    stage.make(inputs, tmp_path / "seen", tmp_path / "work")
    found = ItemPictures.load(tmp_path / "seen", open_pictures)
    assert found.item_ids == ("0", "1") and sum(found.unread.values()) == 2
    given = {"pictures": tmp_path / "seen"}
    assert {name for name, entry in TASKS.items() if entry.with_pictures} == {"search", "recommend"}
    entry = TASKS["recommend"]
    task: Any = seeing(entry, entry.make(None, None, entry.settings()), given)
    np.testing.assert_array_equal(task.pictures.vectors, found.vectors)
    note = picture_note(given)
    assert "2 items have a picture" in note and "1 × no such file" in note and picture_note(inputs) == ""
    before = stage.key
    Image.new("RGB", (40, 40), "green").save(tmp_path / "b.png")
    assert picture_stages(plan)[0].key != before


def test_a_shop_without_pictures_has_no_such_stage(tmp_path: Path, model: Path) -> None:
    plain = make_plan({"name": "x"}, tmp_path)
    assert picture_stages(plain) == [] and "pictures" not in plain.to_dict()
    assert not [stage.name for stage in stages_of(plain) if "pictures" in (stage.name, *stage.needs)]
    asked = {stage.name: stage.needs for stage in stages_of(plan_of(tmp_path, model))}
    assert "pictures" in asked["fit-search"] and "pictures" in asked["refit-recommend"]
    assert "pictures" not in asked["fit-answer"]
    assert picture_stages(plan_of(tmp_path, model, skip=["pictures"])) == []
    stage = picture_stages(plan_of(tmp_path, model))[0]
    with pytest.raises(MissingTable, match=r"no item .*: 1 × no such file"):
        stage.make(shop_with(tmp_path, ["gone.png", None]), tmp_path / "seen", tmp_path / "work")
    with pytest.raises(DataError, match="no such folder"):
        other = {"reader": "amazon-2018", "files": ["meta.json"]}
        picture_stages(make_plan({"name": "x", "shop": other, "pictures": {"folder": "nowhere"}}, tmp_path))
    demo = {"name": "x", "shop": {"reader": "demo", "size": 20}, "pictures": {"folder": "drawn"}}
    drawn = make_plan(demo, tmp_path)
    picture_stages(drawn)
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == sorted(
        demo_shop(20).items["image"]
    )
    elsewhere = make_plan(drawn.settled().to_dict(), tmp_path / "run")
    assert elsewhere.sections["pictures"].folder == str(tmp_path / "drawn"), (
        "a refresh reads the run's own plan"
    )
