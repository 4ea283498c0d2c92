"""The reference of settings says what the classes say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from retailor.config import inner_settings
from retailor.plan.reference import TOP, docstrings, reference
from retailor.plan.settings import ASKED, SECTIONS, Head, ShopPlan

ROOT = Path(__file__).parent.parent.parent


def test_the_reference_is_that_of_the_code() -> None:
    assert (ROOT / "docs" / "settings.md").read_text(encoding="utf-8") == reference(
        {**SECTIONS, **ASKED}, Head
    )


def test_an_inner_setting_has_the_default_of_the_field_that_it_stands_in() -> None:
    text = reference(SECTIONS, Head)
    table = text[text.index("## [sentiment.train]") :].split("\n## ")[0]
    assert "| `epochs` | `2.0` |" in table and "| `layer_decay` | `0.9` |" in table
    assert "The training of the fine-tuned network" in table


def test_a_docstring_belongs_to_the_setting_above_it() -> None:
    said = docstrings(ShopPlan)
    assert said["size"] == "Number of items of the demo shop." and said["files"].startswith("Paths;")


@pytest.mark.parametrize("name", re.findall(r"`([a-z_.]+)`(?:,| \|)", TOP.split("|---|---|")[1]))
def test_the_ten_that_matter_are_there(name: str) -> None:
    *path, last = name.split(".")
    cls = {**SECTIONS, **ASKED}[path[0]] if path else Head
    for inner in path[1:]:
        cls = inner_settings(cls)[inner]
    assert last in cls.__pydantic_fields__, name
