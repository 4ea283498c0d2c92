"""The ledger: figures against plain references, cells that are kept, and a toy shop from end to end."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError, DataError, ModelError
from retailor.prove.contract import Cell, kept_cell
from retailor.prove.figures import Cost, interval, row_of, rows_of, said, verdict
from retailor.prove.ledger import Ledger, prove
from retailor.prove.picture import write_ledger
from retailor.prove.settings import ROWS, ProveSettings, Step, bounded
from retailor.prove.trials.sentiment import drawn, reader_settings
from retailor.shop.tables import LABELS
from retailor.testing.toys import HashEncoder
from tests.tasks.test_sentiment import encoder, toy_shop

COST = Cost(1.0, 64, 10)
STEPS = tuple(step.name for step in ROWS["sentiment"])
TINY = ProveSettings(
    labels=(40, 0), seeds=(0,), test=0.3, min_steps=2, adapt_steps=2, scratch_times=1, max_tokens=32,
    train=replace(ProveSettings().train, max_steps=2, batch_size=8),
)  # fmt: skip


def test_the_gain_is_paired_and_its_interval_holds_it() -> None:
    rng = np.random.default_rng(0)
    above = (rng.random((3, 400)) < 0.7).astype(float)
    hits = np.maximum(above, rng.random((3, 400)) < 0.3)  # never worse, and better in a tenth of the cases
    row = row_of("fine-tuned", 64, hits, COST, ("frozen", above))
    assert row.gain == pytest.approx((hits - above).mean())
    assert row.gain_low is not None and 0 < row.gain_low < row.gain < (row.gain_high or 0)
    assert row.told_apart() and row.spread == pytest.approx(hits.mean(axis=1).std(ddof=1))


def test_an_interval_over_seeds_is_wider_than_over_cases_alone() -> None:
    values = np.repeat([[0.0], [1.0], [0.5]], 200, axis=1)  # seeds differ, cases do not
    low, high = interval(values)
    assert low < 0.25 and high > 0.75
    assert interval(np.ones((2, 50))) == pytest.approx((1.0, 1.0))


def test_verdict_in_words() -> None:
    one, none = np.ones((2, 50)), np.zeros((2, 50))
    rows = [row_of("augmentation", 64, one, COST, ("fine-tuned", none)),
            row_of("augmentation", 8000, one, COST, ("fine-tuned", one))]  # fmt: skip
    assert verdict("augmentation", rows) == (
        "augmentation: +100.0 ± 0.0 points with 64 labels, not distinguishable from zero with 8,000 labels "
        "(+0.0 ± 0.0)"
    )


def cells(*values: float, n: int = 60, validation: float | None = None) -> list[Cell]:
    """A cell a seed, of equal cases."""
    return [Cell(np.full(n, value), 1.0, 10, 5, validation) for value in values]


def test_stop_is_the_cheapest_row_that_cannot_be_told_from_the_best() -> None:
    steps = [Step("words", has_model=False), Step("frozen"), Step("tuned"), Step("more")]
    noise = np.random.default_rng(0).normal(0, 0.2, (4, 400))
    means = np.array([0.3, 0.5, 0.49, 0.505])[:, None]
    made = [[Cell(one, 1.0, 1, 1)] for one in means + noise - noise.mean(axis=1, keepdims=True)]
    rows, finding = rows_of(steps, made, 100, [0.0] * 4)
    assert (finding.stop, finding.best) == ("frozen", "more")
    assert (finding.control, finding.model) == ("words", "more")
    assert [row.mark for row in rows] == ["", "stop", "", "best"]


def test_the_control_is_the_best_row_without_a_model_on_validation_not_on_the_test() -> None:
    steps = [Step("popularity", has_model=False), Step("words", has_model=False), Step("frozen")]
    made = [cells(0.5, validation=0.1), cells(0.4, validation=0.3), cells(0.6, validation=0.35)]
    _, finding = rows_of(steps, made, 10, [0.0] * 3)
    assert (finding.control, finding.model) == ("words", "frozen")
    assert finding.gain == pytest.approx(0.2)
    blind = [[replace(one, validation=None) for one in each] for each in made]
    assert rows_of(steps, blind, 10, [0.0] * 3)[1].control == "popularity"


@pytest.mark.parametrize(("ours", "words"), [(0.9, "pays"), (0.1, "costs"), (0.5, "is enough")])
def test_a_merchant_is_told_what_to_do(ours: float, words: str) -> None:
    steps = [Step("words", has_model=False), Step("frozen")]
    _, finding = rows_of(steps, [cells(0.5, 0.5), cells(ours, ours)], 1234, [0.0] * 2)
    told = said(finding, "events")
    assert told.startswith("With 1,234 events") and words in told and "Stop at" in told


def test_more_looks_make_wider_intervals_and_a_larger_ledger_is_harder_to_please() -> None:
    rng = np.random.default_rng(1)
    values = rng.normal(0.02, 0.15, (1, 300))
    widths = [np.diff(interval(values, n_looks=n))[0] for n in (1, 3, 9)]
    assert widths[0] < widths[1] < widths[2]


def test_bounded_bounds_every_training() -> None:
    given = bounded(7, tasks=("recommend",))
    assert (given.train.max_steps, given.adapt_steps, given.behaviour_steps) == (7, 7, 7)
    assert bounded(None) == ProveSettings()


def test_a_smaller_draw_is_a_balanced_part_of_a_larger_one() -> None:
    shop = toy_shop(300)
    small, large = (drawn(shop, n, 1).reviews["review_id"].to_list() for n in (30, 60))
    assert set(small) < set(large)
    stars = drawn(shop, 30, 1).reviews["rating"].to_list()
    assert [stars.count(star) for star in (1.0, 3.0, 5.0)] == [10, 10, 10]
    assert drawn(shop, 30, 2).reviews["review_id"].to_list() != small


def test_a_cell_is_made_once(tmp_path) -> None:
    made = Cell(np.array([1.0, 0.0, 1.0]), 2.5, 64, 7)
    path = tmp_path / "cells" / "one.json"
    first = kept_cell(path, lambda: made)
    again = kept_cell(path, lambda: pytest.fail("made twice"))
    assert first.values.tolist() == again.values.tolist() == [1, 0, 1]
    assert again.parameters_trained == 7


def test_each_row_differs_from_the_one_above_by_its_step_alone() -> None:
    from retailor.config import as_dict

    made = [as_dict(reader_settings(step, 0, 64, ProveSettings())) for step in STEPS[3:]]
    changed = [{k for k in a if a[k] != b[k]} for a, b in pairwise(made)]
    assert changed == [set(), {"augment"}, {"adversarial"}, {"train"}]
    before, after = made[-2]["train"], made[-1]["train"]
    assert {k for k in before if before[k] != after[k]} == {"layer_decay"}


@pytest.mark.parametrize("most", [1, 5, 60, None])
@pytest.mark.parametrize("step", STEPS[2:])
def test_the_most_steps_bound_every_row(step, most) -> None:
    for n_labels in (8, 512, 5000):
        made = reader_settings(step, 0, n_labels, ProveSettings(train={"max_steps": most})).train
        assert made.max_steps is None or most is None or made.max_steps <= most
    n = ProveSettings().min_steps * (ProveSettings().scratch_times if step == "from scratch" else 1)
    made = reader_settings(step, 0, 8, ProveSettings()).train
    assert made.max_steps in (None, n)


@pytest.fixture(scope="module")
def toy(tmp_path_factory):
    work = tmp_path_factory.mktemp("ledger")
    shop = toy_shop(130)
    lines: list[str] = []
    return shop, work, prove("sentiment", shop, encoder(), TINY, work=work, tell=lines.append), lines


def test_a_ledger_has_every_step_and_costs(toy) -> None:
    _, _, ledger, lines = toy
    assert [row.step for row in ledger.rows] == list(STEPS) * 2
    assert len(lines) == 2 * len(STEPS)
    first, last = ledger.rows[0], ledger.rows[-1]
    assert first.against is None and last.against == "adversarial"
    assert ledger.rows[4].cost.shared_seconds > 0
    assert ledger.rows[1].cost.parameters_trained > ledger.rows[2].cost.parameters_trained > 0
    assert len(ledger.verdicts) == len(STEPS) - 1 and Ledger.from_dict(ledger.to_dict()) == ledger
    assert [finding.control in STEPS[:2] for finding in ledger.findings] == [True, True]
    assert all(sum("stop" in row.mark for row in ledger.rows if row.n == n) == 1 for n in ledger.sizes())


def test_a_second_call_makes_no_cell_again(toy, monkeypatch) -> None:
    shop, work, ledger, _ = toy
    monkeypatch.setattr(
        "retailor.prove.trials.sentiment.sentiment_cell", lambda *_: pytest.fail("made again")
    )
    assert prove("sentiment", shop, encoder(), TINY, work=work) == ledger


def test_a_ledger_is_written_as_table_and_picture(toy, tmp_path) -> None:
    _, _, ledger, _ = toy
    write_ledger(ledger, tmp_path)
    assert (tmp_path / "ledger.svg").read_text().startswith("<svg")
    assert "40 labels" in (tmp_path / "ledger.txt").read_text()


def test_the_report_shows_every_row_the_curve_and_the_verdicts(toy) -> None:
    from retailor.report.page import ReportData, page

    _, _, ledger, _ = toy
    html = page(ReportData("Cups", ledgers=[ledger.to_dict()]))
    assert "What each step of transfer was worth" in html
    for row in ledger.rows:
        assert f"{row.score:.4f}" in html and row.step in html
    assert html.count("<svg") == 2 + 1  # two numbers of labels, and the curve
    assert all(verdict.partition(": ")[2] in html for verdict in ledger.verdicts)
    assert "What each step" not in page(ReportData("Cups"))


def test_a_plan_with_the_section_makes_a_ledger_and_its_report_shows_it(tmp_path) -> None:
    from retailor.plan.run import run
    from retailor.plan.settings import make_plan, read_plan

    encoder().save(tmp_path / "encoder")
    rows = toy_shop(130).reviews.select("review_id", "rating", "text")
    rows.write_csv(tmp_path / "reviews.csv")
    columns = {name: name for name in rows.columns}
    plan = {
        "skip": ["adapt", "compress", "recommend", "search", "answer", "sentiment", "review"],
        "models": {"encoder": "encoder"},
        "split": {"test": 0.3},
        "shop": {"reader": "tabular", "files": ["reviews.csv"],
                 "tables": {"reviews": {"columns": columns}}},
    }  # fmt: skip
    dials = {"labels": [40, 0], "seeds": [0], "steps": ["cheap baseline", "pretrained, frozen"]}
    assert "prove" not in make_plan(plan, tmp_path).to_dict()
    done = run(make_plan({**plan, "prove": dials}, tmp_path), tmp_path / "out")
    html = done.report.read_text(encoding="utf-8")
    assert "What each step of transfer was worth" in html and "with 40 labels" in html
    assert [verdict.partition(": ")[0] for verdict in done.verdicts[-1:]] == ["pretrained, frozen"]
    assert len(done.verdicts) == 2 + 1 and all("Stop at" in told for told in done.verdicts[:2])
    folder = next(tmp_path / "out" / stage.folder for stage in done.stages if stage.name == "prove-sentiment")
    assert {"prove-recommend", "prove-search", "prove-answer"} <= set(done.absent())
    assert {"ledger.json", "ledger.svg", "ledger.txt"} <= {path.name for path in folder.iterdir()}
    assert "prove" in read_plan(tmp_path / "out" / "plan.toml").sections


def test_what_cannot_be_proved_is_said_at_once(tmp_path) -> None:
    with pytest.raises(ModelError, match="trained from scratch"):
        prove("sentiment", toy_shop(60), HashEncoder(), work=tmp_path)
    with pytest.raises(DataError, match="to test on"):
        prove("sentiment", toy_shop(30), encoder(), TINY, work=tmp_path)
    with pytest.raises(ConfigError):
        ProveSettings(steps=("magic",))
    with pytest.raises(ConfigError, match="above 0 and at most 1"):
        ProveSettings(shares=(0.1, 1.5))
    with pytest.raises(ConfigError, match=r"train\.layer_decay = 1\.0"):
        ProveSettings(train={"layer_decay": 1.0})  # type: ignore[arg-type]
    assert len(LABELS) == 3


def test_the_command_refuses_an_unknown_task(tmp_path) -> None:
    toy_shop(60).save(tmp_path / "shop")
    done = CliRunner().invoke(app, ["prove", str(tmp_path / "shop"), "--task", "dance"])
    assert done.exit_code != 0 and "sentiment" in str(done.exception)
