"""Choosing a model for each task: the one that can hold the words is first, and the figures are right."""

from functools import cache
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

from retailor.choose.probes.answer import answer_probe
from retailor.choose.probes.recommend import _asked, _mapped, _ndcg, _pairs, recommend_probe
from retailor.choose.probes.review import review_probe
from retailor.choose.probes.search import search_probe
from retailor.choose.rank import choose
from retailor.choose.shapes import ChooseSettings
from retailor.cli import app
from retailor.errors import ConfigError, DataError, ModelError
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.tasks.recommend.scorers.two_tower import Whitening, unit
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import Wanted
from retailor.tasks.review.shapes import ReviewQuery
from retailor.testing.models import tiny_decoder
from retailor.testing.toys import HashEncoder, ScriptedGenerator
from retailor.text.clean_shop import clean

GIVEN = ChooseSettings(sample=200, max_texts=300)


@cache
def shop(n_items: int = 60) -> Shop:
    return clean(demo_shop(n_items, 0))


@pytest.mark.parametrize("task", ["recommend", "search", "answer"])
def test_the_model_that_can_hold_the_words_is_first(task: str, tmp_path: Path) -> None:
    HashEncoder(256).save(tmp_path / "wide")
    HashEncoder(2).save(tmp_path / "narrow")
    names = [str(tmp_path / "narrow"), str(tmp_path / "wide")]
    found = choose(shop(), names, GIVEN, task=task)
    assert [one.model for one in found.candidates] == names[::-1]
    assert found.n >= 20 and found.control and found.beside in str(found)
    assert all(np.isfinite(list(one.figures.values())).all() for one in found.candidates)


def test_a_model_that_words_are_ahead_of_is_said_to_be_needless(tmp_path: Path) -> None:
    HashEncoder(2).save(tmp_path / "narrow")
    found = choose(shop(), [str(tmp_path / "narrow")], GIVEN, task="search")
    assert "'BM25' is as good, without a model" in str(found)


def test_steps_of_a_customer_end_with_what_is_asked_for() -> None:
    asked = _asked(shop(), GIVEN)
    before, after = _pairs(asked, np.arange(3))
    lengths = asked.rest.lengths()[asked.cases.customers[:3]]
    assert len(after) == before.shape[0] == lengths.sum()
    assert [int(after[end - 1]) for end in np.cumsum(lengths)] == asked.cases.targets[:3].tolist()


def test_what_a_customer_has_chosen_is_not_among_the_answers() -> None:
    asked = _asked(shop(), GIVEN)
    scores = np.zeros((len(asked.cases), len(asked.texts)), np.float32)
    scores[np.arange(len(scores)), asked.cases.targets] = 1
    own = asked.rest.at(asked.cases.customers)
    scores[own.owners(), own.items] = 2
    assert _ndcg(scores, asked).tolist() == [1.0] * len(asked.cases)


def test_a_map_that_learns_nothing_leaves_closeness_as_it_is() -> None:
    asked = _asked(shop(), GIVEN)
    items = Whitening.of(HashEncoder(64).encode(asked.texts))(HashEncoder(64).encode(asked.texts))
    wanted = unit(asked.customers() @ items)
    folds = np.arange(len(wanted)) % 5
    held = _mapped(wanted, items, asked, folds, 1e9)
    assert np.allclose(held, wanted @ items.T, atol=1e-3)


def test_a_map_without_a_penalty_is_least_squares() -> None:
    asked = _asked(shop(), GIVEN)
    items = unit(HashEncoder(6).encode(asked.texts))
    wanted = unit(asked.customers() @ items)
    folds = np.arange(len(wanted)) % 5
    before, after = _pairs(asked, np.flatnonzero(folds != 0))
    plain = np.linalg.lstsq(unit(before @ items).astype(np.float64), items[after], rcond=None)[0]
    found = _mapped(wanted, items, asked, folds, 1e-9)[folds == 0]
    assert np.allclose(found, wanted[folds == 0] @ plain @ items.T, atol=1e-3)


def test_customers_whose_item_nobody_else_chose_are_asked_too() -> None:
    few = shop().events.group_by("item_id", maintain_order=True).head(3)
    asked = _asked(shop().with_tables(events=few), GIVEN)
    left = np.bincount(asked.rest.items, minlength=len(asked.texts))
    assert (left[asked.cases.targets] == 0).any()


def test_a_review_is_not_in_the_prompt_of_its_own_draft(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int | None] = []
    wanted = Past.wanted

    def noted(self: Past, query: ReviewQuery, *, before: int | None = None) -> Wanted:
        seen.append(before)
        return wanted(self, query, before=before)

    monkeypatch.setattr(Past, "wanted", noted)
    probe = review_probe(shop(), ChooseSettings(sample=20))
    assert len(seen) == probe.n and seen == sorted(seen, key=lambda row: -1 if row is None else row)
    assert None not in seen


def test_no_more_items_are_read_than_may_be() -> None:
    assert len(_asked(shop(), ChooseSettings(sample=200, max_texts=50)).texts) <= 50
    assert len(search_probe(shop(), ChooseSettings(max_texts=50)).texts) == 50


def test_a_shop_without_judgments_asks_with_its_titles() -> None:
    told = shop().with_tables(judgments=shop().judgments.clear())
    probe = search_probe(told, GIVEN)
    assert probe.unit == "titles" and any("Without judged queries" in note for note in probe.notes)
    assert probe.look(HashEncoder(256))["closeness"] > probe.look(HashEncoder(2))["closeness"]


def test_a_shop_without_evidence_asks_for_answers_among_those_of_others() -> None:
    bare = shop().questions.with_columns(evidence=pl.lit(None, dtype=shop().questions.schema["evidence"]))
    probe = answer_probe(shop().with_tables(questions=bare), GIVEN)
    assert any("nine others" in note for note in probe.notes) and probe.n >= 20
    chance = float(np.mean([1 / place for place in range(1, 11)]))
    assert probe.control["closeness"] > chance


def test_a_generator_is_judged_by_the_characters_of_reviews() -> None:
    probe = review_probe(shop(), ChooseSettings(sample=20))
    found = probe.look(tiny_decoder())
    assert found["-bits a character"] < 0 and probe.kind == "generator"
    assert -6 < probe.control["-bits a character"] < -2
    with pytest.raises(ModelError, match="local generator"):
        probe.look(ScriptedGenerator())


def test_too_little_to_choose_by_is_an_error() -> None:
    empty = Shop.of(items=shop().items.head(5), events=shop().events.head(4))
    for make in (recommend_probe, search_probe, answer_probe, review_probe):
        with pytest.raises(DataError, match="choose needs 20"):
            make(empty, GIVEN)
    with pytest.raises(ConfigError, match="known: recommend, search"):
        choose(shop(), ["minilm"], task="dance")
    with pytest.raises(ConfigError, match="known: closeness"):
        choose(shop(), ["minilm"], ChooseSettings(by="logme"), task="answer")


def test_the_command_knows_every_task(tmp_path: Path) -> None:
    shop().save(tmp_path / "shop")
    HashEncoder(16).save(tmp_path / "words")
    said = CliRunner().invoke(
        app, ["choose", str(tmp_path / "shop"), "--models", str(tmp_path / "words"), "--task", "answer"]
    )
    assert said.exit_code == 0 and "best closeness over" in said.output
