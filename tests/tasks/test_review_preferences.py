import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from retailor.metrics.generation import tokens
from retailor.models.local import LocalGenerator
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.review import ReviewSettings, ReviewWriter
from retailor.tasks.review.learning.guard import NAMES, Known, changes
from retailor.tasks.review.learning.learn import known_of, learn
from retailor.tasks.review.learning.prefer import Preference, dpo_loss, liked, prefer, preferences_of
from retailor.tasks.review.learning.tune import Pair, losses
from retailor.tasks.review.marks import with_notice
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import prompt_of, rounded_length
from retailor.tasks.review.settings import PreferenceSettings
from retailor.tasks.review.shapes import ReviewQuery
from retailor.testing.models import tiny_decoder, tiny_seq2seq
from retailor.text.clean_shop import clean
from retailor.train.settings import TrainSettings

PREFERENCES = PreferenceSettings(
    least=8,
    max_fall=1,
    max_loss_rise=9,
    n_checked=4,
    train=replace(PreferenceSettings().train, max_steps=30, learning_rate=1e-2),
)
SMALL = ReviewSettings(
    train=replace(ReviewSettings().train, max_steps=4, learning_rate=3e-3),
    preferences=PREFERENCES,
    max_evaluated=3,
    max_tokens=16,
    max_tries=1,
)


@pytest.fixture(scope="module")
def shop() -> Shop:
    return clean(demo_shop(40))


@pytest.fixture(scope="module")
def table(shop: Shop) -> pl.DataFrame:
    """Whoever liked a draft liked the one that says 'sturdy'."""
    rows = [
        {
            "user_id": f"u{i}",
            "item_id": item_id,
            "rating": 5.0,
            "chosen": "A sturdy thing, sturdy and good.",
            "rejected": "Nice colour, arrived on time and is nice.",
            "language": "en",
        }
        for i, item_id in enumerate(shop.items["item_id"].to_list() * 2)
    ]
    return shop.with_tables(preferences=pl.DataFrame(rows)).preferences


def decoder(shop: Shop) -> LocalGenerator:
    return tiny_decoder(shop.reviews["text"].to_list()[:100])


@pytest.fixture(scope="module")
def fitted(shop: Shop, table: pl.DataFrame) -> ReviewWriter:
    return ReviewWriter(decoder(shop), SMALL).fit(shop.with_tables(preferences=table))


@given(st.lists(st.tuples(*[st.floats(-50, 0)] * 4), min_size=1, max_size=5), st.floats(0.01, 2))
def test_the_loss_is_that_of_the_paper(rows: list[tuple[float, ...]], beta: float) -> None:
    now = torch.tensor([row[0] for row in rows] + [row[1] for row in rows], dtype=torch.float64)
    before = torch.tensor([row[2] for row in rows] + [row[3] for row in rows], dtype=torch.float64)
    plain = [np.logaddexp(0, -beta * ((c - c0) - (r - r0))) for c, r, c0, r0 in rows]
    assert float(dpo_loss(now, before, beta)) == pytest.approx(np.mean(plain), rel=1e-6, abs=1e-9)


def held(shop: Shop, table: pl.DataFrame, n: int = 8) -> list[Preference]:
    past, _ = Past.of(shop, max_reviews=100)
    return preferences_of(table, past, max_per_customer=99)[0][:n]


def dials(**changed: Any) -> TrainSettings:
    told = {"max_steps": 1, "batch_size": 8, "learning_rate": 1e-4, "epochs": 1.0, **changed}
    return replace(PREFERENCES.train, **told).resolved(rate=1e-4, seed=0)


@pytest.mark.parametrize("precision", ["auto", "32", "bf16"])
@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_the_first_step_prefers_nothing_in_the_precision_of_the_loop(
    shop: Shop, table: pl.DataFrame, precision: str, make: Callable[..., LocalGenerator]
) -> None:
    # A wide vocabulary of likely words: what is read in bf16 and in float32 differs by tenths of a nat.
    given = make(shop.reviews["text"].to_list()[:100])
    with torch.no_grad():
        for weight in given.network.parameters():
            weight.mul_(4)
    some = held(shop, table)
    settings = replace(PREFERENCES, keep=0.0, beta=1.0)
    log = prefer(
        given, some, some, settings, train_settings=dials(precision=precision), max_tokens=200, work=None
    )[2]
    first, before = log.curve[0][1], log.validations[0][1]
    assert before == pytest.approx(-np.log(2), abs=1e-6)
    assert first == pytest.approx(np.log(2), abs=1e-5 if precision != "bf16" else 0.05)


def test_dropout_is_off_while_it_learns_and_on_again(shop: Shop, table: pl.DataFrame) -> None:
    given = tiny_seq2seq(shop.reviews["text"].to_list()[:100])
    tuned = prefer(
        given, held(shop, table), held(shop, table), PREFERENCES, train_settings=dials(), max_tokens=200,
        work=None,
    )[0]  # fmt: skip
    rates = {module.p for module in tuned.network.modules() if isinstance(module, torch.nn.Dropout)}
    assert rates == {given.network.config.dropout_rate} and 0 not in rates


@pytest.mark.parametrize("keep", [0.0, 2.0])
def test_stopping_watches_all_of_the_loss(shop: Shop, table: pl.DataFrame, keep: float) -> None:
    given, some = decoder(shop), held(shop, table)
    log = prefer(
        given, some, some, replace(PREFERENCES, keep=keep), train_settings=dials(), max_tokens=200, work=None
    )[2]
    sums, counts = losses(given, [Pair(one.prompt, one.chosen) for one in some], 200, half=False)
    whole = np.log(2) + keep * (sums / counts).mean()
    assert -log.validations[0][1] == pytest.approx(whole, rel=1e-5)
    assert log.curve[0][1] == pytest.approx(whole, rel=1e-5), "one batch of all: what is learned by"


def test_of_a_customer_the_newest_are_used(shop: Shop, table: pl.DataFrame) -> None:
    past, _ = Past.of(shop, max_reviews=100)
    hour = [datetime(2024, 1, 1, n, tzinfo=UTC) for n in range(6)]
    rows = [
        ("u", hour[3]),
        ("u", hour[1]),
        ("u", None),
        ("v", None),
        ("u", hour[2]),
        (None, None),
        (None, None),
    ]
    told = table.head(len(rows)).with_columns(
        pl.Series("user_id", [user for user, _ in rows]),
        pl.Series("time", [time for _, time in rows], table["time"].dtype),
        chosen=pl.lit("Text ") + pl.int_range(len(rows)).cast(pl.String),
    )  # fmt: skip
    found, dropped = preferences_of(told, past, max_per_customer=2)
    assert [one.chosen for one in found] == ["Text 0", "Text 3", "Text 4", "Text 5", "Text 6"]
    assert dropped == {"older than the newest 2 of a customer": 2}
    strict = replace(SMALL, preferences=replace(PREFERENCES, max_per_customer=1))
    writer = ReviewWriter(decoder(shop), strict).fit(
        shop.with_tables(preferences=table.with_columns(user_id=pl.lit("u")))
    )
    assert writer.log["preferences"]["why"].startswith("1 can be used")


def test_what_is_checked_on_was_not_learned_from(shop: Shop, table: pl.DataFrame) -> None:
    past, _ = Past.of(shop, max_reviews=100)
    newest = len(past) - 1
    seen = Preference("", past.texts[newest], "", past.reviews["item_id"][newest])
    assert known_of([], [], past, 3).texts == past.texts[-3:]
    assert known_of([seen], [], past, 3).texts == past.texts[-3:-1]


def test_a_writer_that_learned_ranks_as_people_did(fitted: ReviewWriter) -> None:
    log = json.loads(json.dumps(fitted.log))["preferences"]
    found = {each["name"]: each for each in log["changes"]}
    assert log["learned"] and list(found) == list(NAMES)
    assert found["liked"]["after"] == 1.0 and log["n_learned"] + log["n_held_out"] == log["n"]
    first, best = log["validations"][0][1], max(value for _, value in log["validations"])
    assert best > first


def test_what_was_learned_is_kept_apart_and_can_be_taken_out(
    fitted: ReviewWriter, shop: Shop, tmp_path: Path
) -> None:
    fitted.save(tmp_path / "review")
    loaded = ReviewWriter.load(tmp_path / "review")
    rows = ("retailor before tuning", "retailor before preferences", "retailor")
    there, here = (
        [task.evaluate(shop).value(row, "perplexity") for row in rows] for task in (loaded, fitted)
    )
    assert there == pytest.approx(here, rel=1e-3)
    assert here[1] < here[0] and len(set(here)) == 3
    names = {path.name for path in (tmp_path / "review" / "preferences").iterdir()}
    assert names == {"adapter_config.json", "adapter_model.safetensors"}


def test_equal_fits_give_equal_weights_and_a_killed_one_goes_on(
    fitted: ReviewWriter, shop: Shop, table: pl.DataFrame, tmp_path: Path
) -> None:
    again = ReviewWriter(decoder(shop), SMALL).fit(shop.with_tables(preferences=table), work=tmp_path)
    resumed = ReviewWriter(decoder(shop), SMALL).fit(shop.with_tables(preferences=table), work=tmp_path)
    assert again._preferred is not None and resumed._preferred is not None
    assert fitted._preferred is not None
    for name, weight in fitted._preferred.weights.items():
        assert torch.equal(weight, again._preferred.weights[name])
        assert torch.equal(weight, resumed._preferred.weights[name])


def test_too_few_are_counted_and_change_nothing(shop: Shop, table: pl.DataFrame) -> None:
    writer = ReviewWriter(decoder(shop), SMALL).fit(shop.with_tables(preferences=table.head(7)))
    assert writer.log["preferences"]["why"] == "7 can be used, and 8 are the least"
    one = table.with_columns(item_id=pl.lit(table["item_id"][0]))
    told = ReviewWriter(decoder(shop), SMALL).fit(shop.with_tables(preferences=one)).log["preferences"]
    assert not told["learned"] and "one item" in told["why"]


def test_what_would_cost_too_much_is_not_kept(shop: Shop, table: pl.DataFrame) -> None:
    strict = replace(SMALL, preferences=replace(PREFERENCES, max_loss_rise=0.0, keep=0.0, beta=0.01))
    writer = ReviewWriter(decoder(shop), strict).fit(shop.with_tables(preferences=table))
    told = writer.log["preferences"]
    assert not told["learned"] and told["why"] == "it would have cost loss a token of real reviews"
    assert writer._preferred is None


def test_a_writer_is_not_taught_where_it_shall_not(shop: Shop, table: pl.DataFrame) -> None:
    off = replace(SMALL, preferences=replace(PREFERENCES, learn=False))
    assert "preferences" not in ReviewWriter(decoder(shop), off).fit(shop.with_tables(preferences=table)).log


def test_rows_that_cannot_be_used_are_counted(shop: Shop) -> None:
    item_id = shop.items["item_id"][0]
    good = {"item_id": item_id, "rating": 4.0, "chosen": "Works well enough.", "rejected": "It is a thing."}
    rows = [
        {**good, "rejected": with_notice("It is a thing.", "en")},
        {**good, "item_id": "none"},
        {**good, "rating": None},
        {**good, "rating": 9.0},
        {**good, "chosen": " "},
        {**good, "chosen": with_notice("It is a thing.", "en")},
    ]
    past, _ = Past.of(shop, max_reviews=100)
    given = Shop.of(preferences=pl.DataFrame(rows)).preferences
    found, dropped = preferences_of(given, past, max_per_customer=9)
    assert [(one.chosen, one.rejected) for one in found] == [("Works well enough.", "It is a thing.")]
    assert dropped == {
        "of unknown items": 1, "without stars": 2, "without both texts": 1, "of two equal texts": 1
    }  # fmt: skip


def test_the_prompt_asks_for_the_length_of_the_draft_and_contacts_are_left_out(shop: Shop) -> None:
    item_id, long = shop.items["item_id"][0], "It is a thing of many words. " * 12
    said = "Works well. Write to me: me@x.org today."
    row = {"item_id": item_id, "rating": 4.0, "chosen": said, "rejected": long}
    past, _ = Past.of(shop, max_reviews=100)
    given = Shop.of(preferences=pl.DataFrame([row])).preferences
    (found,), _ = preferences_of(given, past, max_per_customer=9)
    assert found.chosen == "Works well."
    asked = past.wanted(ReviewQuery(item_id, 4.0))
    words = rounded_length(len(tokens(long.strip())))
    assert found.prompt == prompt_of(replace(asked, n_words=words)) != prompt_of(replace(asked, n_words=1))
    assert words != rounded_length(2)


def test_two_texts_that_are_as_likely_are_ranked_in_no_order(shop: Shop) -> None:
    same = Preference("Draft:", "A sturdy thing.", "A sturdy thing.", "P1")
    other = Preference("Draft:", "A sturdy thing.", "Qqq zzz xxx.", "P1")
    assert liked(decoder(shop), [same], 200).tolist() == [0.0]
    assert len(liked(decoder(shop), [same, other, same], 200)) == 3


def test_the_guard_sees_a_worse_writer(shop: Shop, table: pl.DataFrame) -> None:
    past, _ = Past.of(shop, max_reviews=100)
    before, after = decoder(shop), decoder(shop).copy()
    with torch.no_grad():
        for weight in after.network.parameters():
            weight.mul_(0.3)
    known = Known(preferences_of(table.head(6), past, max_per_customer=9)[0], [], [], [])
    row = len(past) - 1
    wanted = past.wanted(ReviewQuery(past.reviews["item_id"][row], float(past.stars[row])), before=row)
    known = replace(known, wanted=[wanted], labels=["positive"], texts=[past.texts[row]])
    said: list[int] = []

    def judge(texts: object) -> list[str]:
        said.append(1)
        return ["positive" if len(said) == 1 else "negative"]

    found = changes(
        before, after, known, past, judge, PreferenceSettings(max_loss_rise=9),
        max_tokens=200, max_new_tokens=12, seed=0,
    )  # fmt: skip
    by_name = {each.name: each for each in found}
    assert (by_name["agreement"].before, by_name["agreement"].after) == (1.0, 0.0)
    assert not by_name["agreement"].stands and by_name["loss"].stands
    assert set(liked(before, known.preferences, 200)) <= {0.0, 1.0}


def test_learning_leaves_the_writer_it_was_given_alone(shop: Shop, table: pl.DataFrame) -> None:
    given = decoder(shop)
    before = {name: value.clone() for name, value in given.network.state_dict().items()}
    past, _ = Past.of(shop, max_reviews=100)
    done = learn(given, table, past, lambda: lambda texts: ["positive"] * len(texts), SMALL, None)
    assert done.writer is not None
    assert all(torch.equal(value, before[name]) for name, value in given.network.state_dict().items())
