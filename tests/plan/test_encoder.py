"""'auto' goes by the languages of a shop, and a wrong choice is said."""

from __future__ import annotations

import polars as pl
import pytest

from retailor.plan.encoder import encoder_for, encoder_note, language_shares
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop


def shop(*languages: str | None) -> Shop:
    ids = [f"i{i}" for i in range(len(languages))]
    return Shop.of(
        items=pl.DataFrame({"item_id": ids, "language": languages}, schema_overrides={"language": pl.String})
    )


@pytest.mark.parametrize(
    ("languages", "expected"),
    [
        (["en"] * 30, "minilm"),
        (["en"] * 39 + ["zh"], "minilm"),
        (["en"] * 18 + ["zh"] * 2, "e5"),
        (["en"] * 18 + ["de", "fr"], "e5"),
        (["zh"] * 3, "e5"),
        (["en", "und", "und", None, None], "minilm"),
        ([], "minilm"),
    ],
)
def test_auto_goes_by_the_languages(languages: list[str | None], expected: str) -> None:
    some = shop(*languages)
    assert encoder_for("auto", some) == expected
    assert encoder_for("minilm", some) == "minilm" and encoder_for("some/hub-name", some) == "some/hub-name"


def test_a_wrong_choice_is_said_and_a_right_one_is_not() -> None:
    two, one = shop("en", "en", "zh"), shop("en", "en")
    assert "33% of this shop's texts are in other languages (en 67%, zh 33%)" in encoder_note("minilm", two)
    assert "took 'e5'" in encoder_note("auto", two) and "took 'minilm'" in encoder_note("auto", one)
    assert encoder_note("minilm", one) == encoder_note("e5", two) == encoder_note("auto", shop()) == ""


def test_the_demo_shop_is_read_by_an_encoder_of_both_its_languages() -> None:
    demo = demo_shop(40)
    assert set(language_shares(demo)) == {"en", "zh"} and encoder_for("auto", demo) == "e5"
