"""Nothing planted of a customer is left in what a run leaves: files, what it tells, its report."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError, DataError
from retailor.plan import shop_stages
from retailor.plan.run import Run, run
from retailor.plan.settings import Plan, make_plan
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.store.stages import PASSED
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.registry import TASKS
from retailor.tasks.review import is_generated
from retailor.tasks.review.shapes import ReviewQuery
from retailor.testing.models import tiny_decoder, tiny_encoder

ENV, KEY = "RETAILOR_TEST_PLANTED", "a key of thirty-two characters.."
SAID = ("ann.planted@mail.example{", "555-0123", "+49 30 81726354", "13912345678", "DE89370400440532013000")
WORDS = ("ann.planted@mail.example", "555-0123", "81726354", "13912345678", "DE893704")
MARK = "@planted.example"


def planted(size: int, seed: int) -> Shop:
    """The demo shop with customers called by their addresses, who say in their texts who they are."""
    shop = demo_shop(size, seed)
    who = (pl.col("user_id") + MARK).alias("user_id")
    says = pl.lit(f" I am {SAID[0]}x}}, call {SAID[1]}. ") + pl.lit(f"电话{SAID[3]}，{SAID[2]} {SAID[4]}")
    named = (pl.col("user_id") + MARK + "#" + pl.col("review_id")).alias("review_id")
    return shop.with_tables(
        # one of them wrote and did nothing else, which is told
        events=shop.events.filter(pl.col("user_id") != shop.reviews["user_id"][0]).with_columns(who),
        reviews=shop.reviews.with_columns(named, who, pl.col("text") + says),
        questions=shop.questions.with_columns(pl.col("question") + says, pl.col("answer") + says),
        rejects=pl.DataFrame({"path": ["a"], "line": [1], "reason": [f"customer 'u1{MARK}': no {SAID[0]}"]}),
    )


def plan_of(folder: Path, **shop: object) -> Plan:
    return make_plan(
        {
            "skip": ["adapt", "adapt-generator"],
            "models": {"encoder": "encoder", "generator": "generator"},
            "shop": {"size": 30, **shop},
            "sentiment": {"mode": "frozen"},
            "recommend": {"two_tower": {"epochs": 1.0}, "sasrec": {"enabled": False}},
            "compress": {"n_speed": 4, "n_parity": 8, "rounds": 1},
            "review": {
                "train": {"max_steps": 2}, "max_held_out": 2, "max_evaluated": 2, "max_tries": 1,
                "max_tokens": 8,
            },
        },
        folder,
    )  # fmt: skip


@dataclass(frozen=True)
class Left:
    """A run of the planted shop, and what it told on the way."""

    run: Run
    plan: Plan
    told: tuple[str, ...]


@pytest.fixture(scope="module")
def left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Left]:
    folder = tmp_path_factory.mktemp("private")
    tiny_encoder().save(folder / "encoder")
    tiny_decoder().save(folder / "generator")
    told: list[str] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shop_stages, "demo_shop", planted)
        patch.setenv(ENV, KEY)
        stale = folder / "out" / "stages" / "clean-of-an-earlier-run"
        stale.mkdir(parents=True)
        (stale / "reviews.json").write_text(f"u1{MARK}")
        plan = plan_of(folder, pseudonym_key_env=ENV)
        yield Left(run(plan, folder / "out", tell=told.append), plan, tuple(told))


def said_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Every file of a folder as text: Parquet as its values, anything else as its bytes."""
    for path in sorted(folder.rglob("*")):
        if path.suffix == ".parquet":
            yield str(path), json.dumps(pl.read_parquet(path).to_dicts(), ensure_ascii=False, default=str)
        if path.is_file():
            yield str(path), path.read_bytes().decode("utf-8", "replace")


def test_a_product_is_described_from_a_finished_run(left: Left) -> None:
    item = demo_shop(30, 0).items["item_id"][0]
    done = CliRunner().invoke(app, ["describe", str(left.run.out), item])
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert told["item_id"] == item and told["title"] and told["generated"]["sha256"]
    assert is_generated(told["description"])
    with pytest.raises(DataError, match="no item 'nope'"):
        CliRunner().invoke(app, ["describe", str(left.run.out), "nope"], catch_exceptions=False)


def test_the_needle_is_found_where_it_is(tmp_path: Path) -> None:
    planted(30, 0).save(tmp_path / "shop")
    found = "".join(text for _, text in said_in(tmp_path))
    assert all(word in found for word in (*WORDS, MARK))


def test_no_file_holds_what_was_planted(left: Left) -> None:
    n_files = 0
    for name, text in said_in(left.run.out):
        n_files += 1
        assert not [word for word in (*WORDS, MARK, KEY) if word in text], name
    assert n_files > 50
    assert not [name for name in left.run.absent() if name.startswith("fit-")]


def test_nothing_that_is_told_names_a_customer(left: Left) -> None:
    said = "\n".join((*left.told, *left.run.notes, left.run.report.read_text(encoding="utf-8")))
    assert not [word for word in (*WORDS, MARK, KEY) if word in said]
    assert "customers have no events" in said
    assert f"pseudonyms, under the key in the environment variable '{ENV}'" in said


def test_what_was_read_is_gone_and_nothing_is_made_again(left: Left) -> None:
    read = next(each for each in left.run.stages if each.name == "read")
    assert artifact.verify(left.run.out / read.folder).kind == PASSED == read.kind
    assert not list((left.run.out / read.folder).glob("*.parquet"))
    told: list[str] = []
    again = run(left.plan, left.run.out, tell=told.append)
    assert all(each.skipped for each in again.stages), told
    assert [each.fingerprint for each in again.stages] == [each.fingerprint for each in left.run.stages]


def test_what_was_read_is_read_again_for_who_needs_it(left: Left, tmp_path: Path) -> None:
    shutil.copytree(left.run.out, tmp_path / "out")
    clean = next(each for each in left.run.stages if each.name == "clean")
    shutil.rmtree(tmp_path / "out" / clean.folder)
    again = run(left.plan, tmp_path / "out")
    made = {each.name for each in again.stages if not each.skipped}
    assert made <= {"read", "clean"} and "clean" in made
    before, after = (artifact.read_manifest(out / clean.folder) for out in (left.run.out, again.out))
    assert before.fingerprint == after.fingerprint
    assert not [name for name, text in said_in(again.out) if MARK in text]


def test_customers_are_asked_for_by_the_shops_id_or_the_pseudonym(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENV, KEY)
    with closing(Service.load(left.run.out, TASKS, ServeSettings())) as service:
        own = service.customers().rows[0]["user_id"]
        raw = next(
            user for user in planted(30, 0).events["user_id"] if service.customer(user)[0]["user_id"] == own
        )
        assert raw.endswith(MARK) and own.startswith("p-")
        by_raw, by_own = (service.ask("recommend", RecommendQuery(user_id=one, k=5)) for one in (raw, own))
        assert by_raw.notes["known_customer"] and by_raw.answer == by_own.answer
        nobody = service.ask("recommend", RecommendQuery(user_id="nobody@planted.example"))
        assert nobody.notes["known_customer"] is False
        assert [row["user_id"] for row in service.customers(raw).rows] == [own]
        item = service.find_items().rows[0]["item_id"]
        drafts = [
            service.ask("review", ReviewQuery(item, rating=5.0, user_id=one)).answer for one in (raw, own)
        ]
        assert drafts[0] == drafts[1]
    monkeypatch.delenv(ENV)
    with closing(Service.load(left.run.out, TASKS, ServeSettings())) as service:
        assert service.ask("recommend", RecommendQuery(user_id=own, k=5)).answer == by_own.answer
        assert service.ask("recommend", RecommendQuery(user_id=raw)).notes["known_customer"] is False
    monkeypatch.setenv(ENV, "another key of thirty-two chars.")
    with pytest.raises(ConfigError, match="another key"):
        Service.load(left.run.out, TASKS, ServeSettings())


def test_a_run_without_the_key_does_not_begin(left: Left, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ENV)
    with pytest.raises(ConfigError, match=f"'{ENV}'"):
        run(left.plan, left.run.out / "other")


def test_ids_that_stay_as_they_came_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shop_stages, "demo_shop", planted)
    plan = make_plan(
        {"skip": ["adapt", "refit", "compress", "recommend", "search", "answer", "sentiment", "review"],
         "shop": {"size": 20}}, tmp_path)  # fmt: skip
    done = run(plan, tmp_path / "out")
    assert plan.sections["shop"].pseudonym_key_env is None
    assert any("PERSONAL DATA" in note and "pseudonym_key_env" in note for note in done.notes)
    assert "PERSONAL DATA" in done.report.read_text(encoding="utf-8")
    texts = [text for name, text in said_in(done.out) if "/read-" in name or name.endswith("reviews.parquet")]
    assert texts and not [word for word in WORDS for text in texts if word in text]


def test_the_part_that_the_docs_copy_is_enough_to_serve(left: Left, tmp_path: Path) -> None:
    docs = (Path(__file__).parents[2] / "docs" / "privacy.md").read_text(encoding="utf-8")
    script = docs.split("<<'END'\n")[1].split("END\n")[0]
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=left.run.out, capture_output=True, text=True, check=True
    )
    for name in done.stdout.split():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (left.run.out / name).is_dir() else shutil.copyfile
        copy(left.run.out / name, tmp_path / name)
    with closing(Service.load(tmp_path, TASKS, ServeSettings())) as service:
        assert set(service.ready()["tasks"]) == set(TASKS) and service.customers().n_total
