"""`retailor insight` on a bare shop, and the mistakes that it names."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError, DataError
from retailor.shop.tables import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    said = [f"Awful smell, the {i}th time. Fine price." for i in range(6)]
    reviews = pl.DataFrame({"item_id": ["A"] * 6, "text": said})
    Shop.of(reviews=reviews, items=pl.DataFrame({"item_id": ["A"], "title": ["Tent"]})).save(
        tmp_path / "shop"
    )
    return tmp_path / "shop"


def test_a_bare_shop_is_told_of(shop: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(
        app, ["insight", str(shop), "--out", str(tmp_path / "out"), "--set", "min_reviews=2"]
    )
    assert done.exit_code == 0, done.output
    assert "Tent: smell: 6 of 6 who wrote about it complain" in done.output
    assert "no times" in done.output
    assert (tmp_path / "out" / "insight.html").is_file()


def test_mistakes_are_named(shop: Path, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such shop or run"):
        CliRunner().invoke(app, ["insight", str(tmp_path / "none")], catch_exceptions=False)
    with pytest.raises(ConfigError, match="min_review"):
        CliRunner().invoke(app, ["insight", str(shop), "--set", "min_review=2"], catch_exceptions=False)
