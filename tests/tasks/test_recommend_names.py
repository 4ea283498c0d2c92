"""Names of before: settings and saved recommenders that have them say in one sentence what to do."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path
from typing import Any

import pytest

from retailor.config import as_dict, read_settings
from retailor.errors import ConfigError, DataError
from retailor.store import artifact
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend.blend.coldness import BY_TEXT
from retailor.tasks.recommend.model import BY_EMBEDDINGS
from retailor.tasks.recommend.query import reasons
from retailor.tasks.recommend.scorers.parts import KERNELS, PARTS, SYSTEMS
from retailor.tasks.recommend.settings import MOVED


def _value(settings: Any, key: str) -> Any:
    for name in key.split("."):
        settings = getattr(settings, name)
    return settings


@pytest.mark.parametrize(
    ("old", "new"), [*MOVED.items(), ("tuning_steps", "tuning.steps"), ("tuning_seed", "tuning.seed")]
)
def test_a_flat_name_of_before_is_told_where_its_setting_is(old: str, new: str) -> None:
    for where in ("[recommend]", "task.json"):
        with pytest.raises(ConfigError, match=re.escape(f"no setting '{old}' here: it is '{new}'")):
            read_settings(RecommendSettings, {old: 1}, where)
    with pytest.raises(ConfigError, match=re.escape(f"it is '{new}'")):
        RecommendSettings(**{old: 1})
    assert not dataclasses.is_dataclass(_value(RecommendSettings(), new))


def test_a_table_of_settings_is_laid_over_its_defaults() -> None:
    made = read_settings(RecommendSettings, {"sasrec": {"hidden": 16}}, "[recommend]")
    default = RecommendSettings()
    assert (
        made.sasrec == dataclasses.replace(default.sasrec, hidden=16) and made.two_tower == default.two_tower
    )
    assert read_settings(RecommendSettings, as_dict(made), "task.json") == made
    with pytest.raises(ConfigError, match=r"\[recommend\.two_tower\].*'hiden'"):
        read_settings(RecommendSettings, {"two_tower": {"hiden": 16}}, "[recommend]")


@pytest.mark.parametrize("settings", [{"taste_epochs": 1.0, "sequence": False}, {"seed": 3}])
def test_a_recommender_saved_before_the_parts_had_these_names_says_fit_it_again(
    tmp_path: Path, settings: dict[str, Any]
) -> None:
    with artifact.writing(tmp_path / "old", "recommend", settings=settings) as new:
        (new / "recommend.json").write_text('{"systems": {"item-knn": {"item-knn": 1.0}}, "blend": {}}')
    with pytest.raises(DataError, match=r"saved in format 1, .*: fit it again"):
        Recommender.load(tmp_path / "old")


def test_every_name_of_a_part_is_in_the_table() -> None:
    asked = {name for names in SYSTEMS.values() for name in names}
    asked |= {*BY_TEXT, *BY_EMBEDDINGS, *KERNELS, *reasons.BY_TEXT, *reasons.BY_OTHERS} - {"text"}
    assert asked == asked & set(PARTS) and set(PARTS) == {
        name for names in SYSTEMS.values() for name in names
    }
