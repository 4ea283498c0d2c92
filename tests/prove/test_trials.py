"""The ledgers of recommend, search, answer and review on a toy shop: rows, draws, controls, kept cells."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError, MissingTable, ModelError
from retailor.prove.contract import Cell
from retailor.prove.encoders import averaged, untrained
from retailor.prove.ledger import Ledger, prove
from retailor.prove.settings import ROWS, ProveSettings, bounded
from retailor.prove.trials.recommend import _best_encoder
from retailor.prove.trials.recommend_cases import Asked
from retailor.prove.words import WordVectors
from retailor.shop.demo import demo_shop
from retailor.shop.split import split_by_time
from retailor.shop.tables import Shop
from retailor.tasks.recommend.settings import RecommendSettings
from retailor.tasks.review import ReviewWriter
from retailor.testing.models import tiny_decoder
from retailor.text.clean_shop import clean
from tests.tasks.test_sentiment import encoder


@cache
def shop(n_items: int = 30) -> Shop:
    return clean(demo_shop(n_items, 0))


def tried(task: str, rows: tuple[str, ...], work: Path, **dials: object) -> Ledger:
    given = bounded(2, tasks=(task,), steps=rows, seeds=(0,), max_test=120, **dials)
    # More items, more questions to test on.
    return prove(
        task, shop(48 if task == "answer" else 30), None if task == "review" else encoder(), given, work=work,
        generator=tiny_decoder() if task == "review" else None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("task", "rows", "metric", "unit"),
    [
        ("recommend", ("popularity", "collaborative filter", "frozen encoder"), "ndcg@10", "events"),
        ("search", ("bm25", "frozen encoder"), "ndcg@10", "judged queries"),
        pytest.param(
            "answer", ("bm25", "words, learned ranker"), "map", "questions", marks=pytest.mark.slow
        ),
        ("review", ("template", "nearest review"), "rouge_l", "reviews"),
    ],
)  # fmt: skip
def test_a_ledger_of_every_task(
    task: str, rows: tuple[str, ...], metric: str, unit: str, tmp_path: Path
) -> None:
    ledger = tried(task, rows, tmp_path)
    assert [row.step for row in ledger.rows] == list(rows)
    assert (ledger.metric, ledger.unit) == (metric, unit)
    assert Ledger.from_dict(ledger.to_dict()) == ledger and "stop here" in str(ledger)
    assert ledger.findings[0].control in {step.name for step in ROWS[task] if not step.has_model}
    assert all(np.isfinite([row.score, row.low, row.high]).all() for row in ledger.rows)


def test_a_part_of_the_events_lies_in_a_larger_one_and_is_asked_of_the_same_customers() -> None:
    train, test = split_by_time(shop(), test=0.2)
    given = RecommendSettings()
    asked = Asked.of(train, test, given)
    small, large = (asked.part(n, 1, given) for n in (100, 300))
    assert set(small.events.rows()) < set(large.events.rows()) < set(asked.train.events.rows())
    assert 100 <= len(small.events) < 300
    assert asked.part(100, 2, given).events.rows() != small.events.rows()
    assert small.items["item_id"].to_list() == large.items["item_id"].to_list()
    assert len(asked.cases) >= 20 and asked.cases.customers.max() < len(asked.customers)


def test_the_encoder_that_goes_on_is_the_best_on_validation() -> None:
    def cell(value: float | None) -> Cell:
        return Cell(np.zeros(1), 0.0, 0, 0, value)

    known = {"frozen encoder": cell(0.2), "domain adaptation": cell(0.3), "weights averaged": cell(0.1)}
    assert _best_encoder(known) == "domain adaptation"
    assert _best_encoder({name: cell(None) for name in known}) == "frozen encoder"


def test_an_answerer_of_a_shop_that_has_questions_alone_has_rows_that_learn_nothing(tmp_path: Path) -> None:
    whole = shop(48)
    bare = whole.with_tables(items=whole.items.select("item_id"), reviews=whole.reviews.clear())
    given = bounded(2, tasks=("answer",), steps=("bm25", "words, learned ranker"), seeds=(0,), max_test=120)
    ledger = prove("answer", bare, encoder(), given, work=tmp_path)
    assert [row.cost.examples_seen > 0 for row in ledger.rows] == [False, True]


def test_averaged_weights_lie_between_those_that_they_come_from() -> None:
    first = encoder()
    second = untrained(first, 1)
    middle = averaged(first, second, 0.25)
    for name, value in middle.network.state_dict().items():
        if value.is_floating_point():
            old, new = (one.network.state_dict()[name] for one in (first, second))
            assert np.allclose(value.numpy(), 0.75 * old.numpy() + 0.25 * new.numpy(), atol=1e-6), name


def test_word_vectors_know_words_and_nothing_else() -> None:
    texts = ["red mug", "blue mug", "green tent", "red tent", "a lamp"]
    rows = WordVectors(texts).encode(["red mug", "unknown"])
    assert np.linalg.norm(rows[0]) == pytest.approx(1) and not rows[1].any()


def test_what_cannot_be_proved_is_said(tmp_path: Path) -> None:
    bare = shop().with_tables(items=shop().items.select("item_id"))
    given = ProveSettings(tasks=("recommend",), max_test=50)
    with pytest.raises(MissingTable, match="no item of this shop has a text"):
        prove("recommend", bare, encoder(), given, work=tmp_path)
    with pytest.raises(MissingTable, match="judged queries"):
        prove("search", shop().with_tables(judgments=shop().judgments.head(3)), encoder(), work=tmp_path)
    with pytest.raises(MissingTable, match="questions to test on"):
        prove("answer", shop().with_tables(questions=shop().questions.head(30)), encoder(), work=tmp_path)
    with pytest.raises(ModelError, match="local generator"):
        prove("review", shop(), None, work=tmp_path)
    with pytest.raises(MissingTable, match="none of the rows"):
        prove("review", shop(), None, ProveSettings(steps=("bm25",)), work=tmp_path)
    with pytest.raises(ConfigError, match="known: recommend, search"):
        prove("dance", shop(), None, work=tmp_path)


def test_the_command_finds_leaks_of_a_folder(tmp_path: Path) -> None:
    shop().save(tmp_path / "shop")
    done = CliRunner().invoke(app, ["look", str(tmp_path / "shop"), "--leaks"])
    assert done.exit_code == 0 and "no leak found, of 8 kinds" in done.output


def test_rows_of_review_learn_from_no_preference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are said to have learned from so many reviews, or from none."""
    seen: list[int] = []
    fit = ReviewWriter.fit

    def watched(self: ReviewWriter, shop: Shop, **more: Any) -> ReviewWriter:
        seen.append(len(shop.preferences))
        return fit(self, shop, **more)

    monkeypatch.setattr(ReviewWriter, "fit", watched)
    row = {"item_id": shop().items["item_id"][0], "rating": 4.0, "chosen": "Fine.", "rejected": "A draft."}
    told = shop().with_tables(preferences=pl.DataFrame([row]))
    given = bounded(2, tasks=("review",), steps=("template",), seeds=(0,), max_test=120)
    prove("review", told, None, given, work=tmp_path, generator=tiny_decoder())
    assert seen == [0]
