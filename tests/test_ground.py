"""Errors, seeds, settings, artifacts, tables, scores and intervals."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import retailor
from retailor.config import Field, as_dict, read_settings, saved_settings, settings
from retailor.errors import ConfigError, DataError, MissingExtra, MissingTable, first_line, nearest
from retailor.metrics.classify import paired_macro_f1, score_classes
from retailor.metrics.interval import differences, interval, paired_interval, score_mean
from retailor.metrics.scores import Score, Scores, as_text
from retailor.seeds import derive, stream
from retailor.shop.tables import LABELS, SCHEMAS, Shop, label_of_rating, open_shop
from retailor.store import artifact


@settings
class Oven:
    heat: float = Field(0.5, gt=0, lt=1)
    trays: int = 2


@settings
class Kitchen:
    oven: Oven = Field(default_factory=lambda: Oven(heat=0.7, trays=5))
    cooks: int = 1


def test_public_names_are_pinned() -> None:
    assert retailor.__all__ == [
        "Answerer", "Recommender", "ReviewWriter", "Search", "SentimentReader", "Shop", "adapt", "clean",
        "demo_shop", "leave_last_out", "load_model", "look", "mine_terms", "open_shop", "read", "run",
        "split_by_time", "texts",
    ]  # fmt: skip
    for name in retailor.__all__:
        assert getattr(retailor, name) is not None


def test_importing_the_doors_and_the_registry_loads_nothing_heavy() -> None:
    code = (
        "import sys, retailor, retailor.cli, retailor.shop.tables, retailor.models.shapes, "
        "retailor.tasks.registry, retailor.store.artifact, retailor.config; "
        "print(sorted({'torch', 'fastapi', 'sklearn', 'transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"heat": 1.4}, "Oven: 'heat' = 1.4: input should be less than 1."),
        (
            {"tray": 1},
            "Oven: there is no setting 'tray'; known: heat, trays. Did you mean 'trays'?",
        ),
    ],
)
def test_a_bad_setting_is_one_useful_sentence(values: dict[str, float], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Oven(**values)  # type: ignore[arg-type]
    assert str(caught.value) == message


def test_settings_read_from_a_table_and_back() -> None:
    assert read_settings(Oven, as_dict(Oven(heat=0.25)), "[oven]") == Oven(heat=0.25)
    with pytest.raises(ConfigError, match=r"\[oven\]: 'trays' = 'many'"):
        read_settings(Oven, {"trays": "many"}, "[oven]")
    with pytest.raises(AttributeError):
        Oven().heat = 0.1  # type: ignore[misc]


def test_settings_inside_settings_are_laid_over_the_default_of_their_field() -> None:
    assert Kitchen(oven={"heat": 0.1}).oven == Oven(heat=0.1, trays=5)  # type: ignore[arg-type]
    assert read_settings(Kitchen, {"oven": {"trays": 3}}, "[kitchen]").oven == Oven(heat=0.7, trays=3)
    assert Kitchen(oven=Oven(trays=1)).oven == Oven(trays=1)
    assert read_settings(Kitchen, as_dict(Kitchen(cooks=2)), "[kitchen]") == Kitchen(cooks=2)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"oven": {"tray": 1}}, "[kitchen.oven]: there is no setting 'tray'; known: heat, trays."),
        ({"oven": {"heat": 3}}, "[kitchen.oven]: 'heat' = 3: input should be less than 1."),
        ({"oven": 3}, "[kitchen]: 'oven' = 3: input should be"),
        ({"trays": 3}, "[kitchen]: there is no setting 'trays' here: it is 'oven.trays'."),
        ({"oven_trays": 3}, "[kitchen]: there is no setting 'oven_trays' here: it is 'oven.trays'."),
        ({"cook": 3}, "[kitchen]: there is no setting 'cook'; known: oven, cooks."),
    ],
)
def test_a_bad_setting_inside_settings_is_named_with_its_place(
    values: dict[str, object], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        read_settings(Kitchen, values, "[kitchen]")
    assert str(caught.value).startswith(message)


def test_errors_carry_their_parts() -> None:
    error = DataError("no 'rating'.", path="a.jsonl", row=17, column="rating")
    assert str(error) == "a.jsonl line 17: no 'rating'." and (error.row, error.column) == (17, "rating")
    assert (
        str(MissingExtra("openai", install="pip install x"))
        == "openai is not installed: run `pip install x`."
    )
    assert nearest("sentimant", ["sentiment", "answer"]) == "sentiment" and nearest("zzz", ["a"]) is None


def test_streams_depend_on_the_name_and_not_on_order() -> None:
    assert derive(0, "a") == derive(0, "a") != derive(0, "b") != derive(1, "b")
    assert stream(3, "x").integers(1 << 30) == stream(3, "x").integers(1 << 30)


def test_an_artifact_knows_its_bytes(tmp_path: Path) -> None:
    folder = tmp_path / "thing"
    for text in ("one", "two"):
        with artifact.writing(folder, "note", settings={"a": 1}, card="# note") as new:
            (new / "text.txt").write_text(text, encoding="utf-8")
    assert artifact.verify(folder, "note").settings == {"a": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["thing"]
    (folder / "text.txt").write_text("twO", encoding="utf-8")
    with pytest.raises(DataError, match=r"text\.txt: the file is corrupt"):
        artifact.verify(folder)
    (folder / "text.txt").unlink()
    with pytest.raises(DataError, match=r"text\.txt: the file is missing"):
        artifact.verify(folder)
    with pytest.raises(DataError, match="this is a 'note', not a 'shop'"):
        artifact.read_manifest(folder, "shop")
    (folder / "manifest.json").write_text("{", encoding="utf-8")
    with pytest.raises(DataError, match="the manifest is corrupt"):
        artifact.read_manifest(folder)


def test_a_failed_write_leaves_the_old_artifact(tmp_path: Path) -> None:
    with artifact.writing(tmp_path / "a", "note") as new:
        (new / "x").write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match="boom"), artifact.writing(tmp_path / "a", "note") as new:
        (new / "x").write_text("new", encoding="utf-8")
        raise ValueError("boom")
    assert (tmp_path / "a" / "x").read_text(encoding="utf-8") == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_no_artifact_is_never_replaced(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "cat.jpg").write_text("cat", encoding="utf-8")
    for place in ("photos", "photos/cat.jpg"):
        with pytest.raises(DataError, match="does not replace"), artifact.writing(tmp_path / place, "note"):
            pass
    assert (tmp_path / "photos" / "cat.jpg").read_text(encoding="utf-8") == "cat"


def test_the_next_write_sweeps_what_a_kill_left_but_not_what_is_at_work(tmp_path: Path) -> None:
    left = tmp_path / ".a.0123abcd.new"
    left.mkdir()
    with artifact.writing(tmp_path / "a", "note") as first:
        assert not left.exists()
        with artifact.writing(tmp_path / "a", "note"):
            assert first.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_equal_content_has_equal_fingerprints(tmp_path: Path) -> None:
    for name in ("a", "b"):
        with (
            artifact.writing(tmp_path / name, "note") as new,
            artifact.writing(new / "inner", "note") as inner,
        ):
            (inner / "x").write_text("same", encoding="utf-8")
    prints = {artifact.read_manifest(tmp_path / name).fingerprint for name in ("a", "b")}
    assert len(prints) == 1


def test_a_shop_has_every_table_and_saves_and_opens(tmp_path: Path) -> None:
    shop = Shop.of(items=pl.DataFrame({"item_id": ["a"], "title": ["灯"]}))
    assert list(shop.tables()) == list(SCHEMAS) and shop.items.columns == list(SCHEMAS["items"])
    shop.save(tmp_path / "shop")
    for name, frame in open_shop(tmp_path / "shop").tables().items():
        assert frame.equals(getattr(shop, name))
    assert str(shop) == "Shop(1 items)"
    with pytest.raises(MissingTable, match="recommend needs the table 'events'"):
        shop.require("recommend", "items", "events")
    with pytest.raises(DataError, match="has no column 'name'"):
        Shop.of(items=pl.DataFrame({"name": ["x"]}))
    with pytest.raises(DataError, match="has no table 'stuff'"):
        Shop.of(stuff=pl.DataFrame())


def test_stars_become_labels() -> None:
    stars = pl.DataFrame({"r": [1.0, 2.5, 3.0, 3.9, 4.0, 5.0, None]})
    labels = stars.select(label_of_rating(pl.col("r")).alias("label"))["label"].to_list()
    negative, neutral, positive = LABELS
    assert labels == [negative, negative, neutral, neutral, positive, positive, None]


def test_scores_print_and_round_trip() -> None:
    scores = Scores((Score("ease", "recall@10", 0.0751, 0.072, 0.078, 22363),)) + Scores(
        (
            Score("ours", "recall@10", 0.1, 0.09, 0.11, 22363),
            Score("ours", "ndcg@10", 0.05, 0.04, 0.06, 22363),
        )
    )
    assert Scores.from_dicts(json.loads(json.dumps(scores.to_dicts()))) == scores
    assert scores.value("ours", "ndcg@10") == 0.05
    assert str(scores).splitlines()[1].split() == ["ease", "all", "0.0751", "±0.0030", "22,363"]
    with pytest.raises(KeyError):
        scores.value("ours", "mrr")


@pytest.mark.parametrize(
    ("score", "text"),
    [
        (Score("r", "m", 0.43214, 0.42, 0.4444, 90), "0.432 ±0.012"),
        (Score("r", "m", 0.43214, 0.1, 0.7, 9), "0.43 ±0.30"),
        (Score("r", "m", 43.214, 10.0, 70.0, 9), "43 ±30"),
        (Score("r", "m", 0.43214, 0.43212, 0.43216, 9), "0.4321 ±0.0000"),
        (Score("r", "m", 0.5, 0.5, 0.5, 9), "0.5000"),
        (Score("r", "m", 0.5, math.nan, math.nan, 1), "0.5000"),
        (Score("r", "m", math.nan, math.nan, math.nan, 0), "no cases"),
        (Score("r", "m", 0.0, 0.0, 0.0, 0), "no cases"),
    ],
)
def test_a_figure_has_the_digits_that_its_interval_bears(score: Score, text: str) -> None:
    assert as_text(score) == text


def test_a_table_starts_with_our_own_row_and_has_no_nan() -> None:
    empty = Score("tf-idf", "accuracy", math.nan, math.nan, math.nan, 0)
    table = str(Scores((empty, Score("retailor", "accuracy", 0.9, 0.8, 1.0, 50))))
    assert table.splitlines()[1].startswith("retailor") and "nan" not in table


@given(st.lists(st.floats(0, 1), min_size=1, max_size=50))
def test_an_interval_holds_the_mean_of_constant_data_and_is_ordered(values: list[float]) -> None:
    low, high = interval(values, n_resamples=50)
    assert min(values) - 1e-9 <= low <= high <= max(values) + 1e-9


def test_an_interval_covers_the_mean_about_95_times_in_100() -> None:
    rng = np.random.default_rng(0)
    hits = 0
    for i in range(200):
        low, high = interval(rng.normal(1.0, 2.0, 100), n_resamples=300, seed=i)
        hits += low <= 1.0 <= high
    assert 180 <= hits <= 198


def test_a_paired_interval_sees_a_small_steady_gain() -> None:
    base = np.random.default_rng(1).normal(size=400)
    mean, low, high = paired_interval(base + 0.1, base)
    assert mean == pytest.approx(0.1) and 0.09 < low <= high < 0.11
    assert np.isnan(score_mean("x", "m", []).value)


def test_scores_of_the_same_cases_are_paired_whatever_the_metric() -> None:
    rng = np.random.default_rng(2)
    base = rng.normal(size=300)
    ours = base + rng.normal(0.1, 0.2, size=300)
    scores = Scores((score_mean("retailor", "map", ours), score_mean("bm25", "map", base)))
    (gap,) = differences(scores)
    mean, low, high = paired_interval(ours, base)
    assert gap.row == "retailor less bm25" and gap.value == pytest.approx(mean)
    assert (gap.low, gap.high) == pytest.approx((low, high), abs=1e-9)
    truth, right = rng.integers(0, 3, 200), np.eye(3)
    guess = np.where(rng.random(200) < 0.8, truth, (truth + 1) % 3)
    worse = np.where(rng.random(200) < 0.9, guess, (guess + 1) % 3)
    rows = score_classes("retailor", truth, right[guess]) + score_classes("bm25", truth, right[worse])
    found = {gap.metric: gap for gap in differences(rows)}
    assert found["macro_f1"].low == pytest.approx(paired_macro_f1(truth, guess, worse, 3)[1])
    # Figures out of a file, and of other cases, cannot be paired.
    assert not differences(Scores.from_dicts(scores.to_dicts()))
    assert not differences(Scores((scores.rows[0], score_mean("bm25", "map", base[:9]))))


@settings
class Inner:
    epochs: float = 1.0


@settings
class Outer:
    train: Inner = Field(default_factory=lambda: Inner(epochs=2.0))
    seed: int = 0


def test_settings_saved_before_they_nested_are_read_and_others_say_what_to_do() -> None:
    assert saved_settings(Outer, {"epochs": 3.0, "seed": 1}, "here") == Outer(train=Inner(epochs=3.0), seed=1)
    now = Outer(train=Inner(epochs=4.0))
    assert saved_settings(Outer, as_dict(now), "here") == now
    with pytest.raises(DataError, match=r"no setting 'gone'.*fit it again"):
        saved_settings(Outer, {"gone": 1}, "here")


def test_an_error_that_says_nothing_has_its_name() -> None:
    assert first_line(MemoryError()) == "MemoryError" == first_line(MemoryError("  "))
    assert first_line(ValueError(" one\ntwo")) == "one"
