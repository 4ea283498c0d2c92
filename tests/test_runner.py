"""Shards over a cluster of Ray: the same as in a loop, whoever is killed; and what is refused at once."""

from __future__ import annotations

import os
import threading
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from retailor import cluster, runner
from retailor.choose.rank import choose
from retailor.choose.shapes import ChooseSettings
from retailor.errors import ConfigError, DataError, MissingExtra, MissingTable, ModelError
from retailor.models import encoding
from retailor.models.encoding import memo_vectors
from retailor.plan.run import run
from retailor.plan.settings import make_plan
from retailor.shop.demo import demo_shop
from retailor.store import artifact
from retailor.store.keys import made_by
from retailor.store.stages import Stage, run_stages
from retailor.testing.models import SAMPLE, tiny_encoder
from retailor.testing.toys import HashEncoder
from retailor.text import by_blocks, corpus
from retailor.text.clean_shop import clean
from retailor.text.fields import texts
from retailor.text.terms import mine_terms
from tests.tasks.test_sentiment import toy_shop

pytest.importorskip("ray")
TEXTS = [f"{SAMPLE[i % 5]} {i}" for i in range(400)]


def written(folder: Path, pause: float, shard: int) -> Path:
    """Squares of a shard, slowly; who made it is noted."""
    path = folder / f"{shard}.txt"
    if not path.exists():
        time.sleep(pause)
        (folder / f"{shard}.by-{os.getpid()}-{time.time_ns()}").touch()
        new = folder / f"{shard}.{os.getpid()}.new"
        new.write_text(str(shard**2))
        new.replace(path)
    return path


def values(paths: list[Path]) -> list[int]:
    return [int(path.read_text()) for path in paths]


def test_here_it_is_a_plain_loop(tmp_path: Path) -> None:
    with runner.running("local", tmp_path):
        assert not runner.is_away()
        found = runner.over_shards(partial(written, tmp_path, 0.0), range(5), "squares")
    assert values(found) == [0, 1, 4, 9, 16]
    assert len(list(tmp_path.glob("*.by-*"))) == 5
    runner.over_shards(partial(written, tmp_path, 0.0), range(5), "squares")
    assert len(list(tmp_path.glob("*.by-*"))) == 5


@pytest.mark.slow
def test_vectors_of_a_cluster_are_those_of_one_machine(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(encoding, "BLOCK", 32)
    encoder = tiny_encoder()
    (tmp_path / "away").mkdir()
    alone = memo_vectors(encoder, TEXTS, work=tmp_path / "here")
    with runner.running("ray", tmp_path / "away"):
        assert runner.is_away()
        found = memo_vectors(encoder, TEXTS, work=tmp_path / "away")
    np.testing.assert_allclose(found, alone, atol=1e-4)
    assert len(list((tmp_path / "away").glob("*.safetensors"))) == 13
    assert not list((tmp_path / "away").glob("*.new")) + list((tmp_path / "away").glob(".seen*"))


@pytest.mark.slow
def test_terms_and_candidates_of_a_cluster_are_those_of_one_machine(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(corpus, "BLOCK", 100)
    away = tmp_path / "away"
    away.mkdir()
    some = list(texts(demo_shop()))
    tiny_encoder().save(tmp_path / "tiny")
    HashEncoder(2).save(tmp_path / "narrow")
    models, given = [str(tmp_path / "narrow"), str(tmp_path / "tiny")], ChooseSettings(sample=60)
    here = choose(toy_shop(120), models, given)
    with runner.running("ray", away):
        assert mine_terms(some, work=away) == mine_terms(some)
        found = choose(toy_shop(120), models, given, work=away)
    assert len(list(away.glob("terms-*.safetensors"))) == -(-len(set(some)) // 100)
    assert [(one.model, one.figures) for one in found.candidates] == [
        (one.model, one.figures) for one in here.candidates
    ]
    assert found.notes[-1].startswith("Texts a second are of the machine of the cluster")


@pytest.mark.slow
def test_texts_cleaned_on_a_cluster_are_those_of_one_machine(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(by_blocks, "BLOCK", 100)
    messy = demo_shop()
    reviews = messy.reviews.with_columns(text="<b>" + pl.col("text") + "</b>  ", language=None)
    messy = messy.with_tables(reviews=reviews)
    here = clean(messy)
    assert here.reviews["language"].null_count() < len(here.reviews)
    with runner.running("ray", tmp_path):
        away = clean(messy, tmp_path / "work")
    for name, frame in here.tables().items():
        assert away.tables()[name].equals(frame), name
    kept = [path.name.rpartition("-")[0] for path in (tmp_path / "work").glob("*.json")]
    assert {"cleaning", "cleaning-lines", "languages"} == set(kept) and len(kept) > 10
    clean(messy, tmp_path / "none")
    assert not (tmp_path / "none").exists(), "here it is a plain loop"


@pytest.mark.slow
def test_a_node_that_is_killed_costs_its_own_shards(ray_cluster: Any, tmp_path: Path) -> None:
    lost = ray_cluster.add_node(num_cpus=1)

    def kill() -> None:
        while len(list(tmp_path.glob("*.by-*"))) < 6:
            time.sleep(0.05)
        ray_cluster.remove_node(lost, allow_graceful=False)

    killing = threading.Thread(target=kill)
    killing.start()
    with runner.running("ray", tmp_path):
        found = runner.over_shards(partial(written, tmp_path, 0.3), range(40), "squares")
    killing.join()
    assert values(found) == [i**2 for i in range(40)]
    again = len(list(tmp_path.glob("*.by-*"))) - 40
    assert again <= 2, "only what was on its way there is made again"


@pytest.mark.slow
def test_what_a_shard_raises_is_raised_here(
    ray_cluster: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "RETRIES", 1)
    with runner.running("ray", tmp_path):
        with pytest.raises(MissingTable, match=r"^shop: no rows\.$") as found:
            runner.over_shards(refusing, range(3), "refusing")
        assert found.value.path == "shop"
        with pytest.raises(ModelError, match="dying: a part of the work was lost 2 times"):
            runner.over_shards(dying, range(2), "dying")
        with pytest.raises(DataError, match="must lie on storage that all machines share"):
            runner.over_shards(of_its_own, range(2), "own")


def refusing(shard: int) -> Path:
    raise MissingTable("no rows.", path="shop")


def dying(shard: int) -> Path:
    os._exit(1)


def of_its_own(shard: int) -> Path:
    """A path at which each process has another file."""
    return Path("/proc/self/stat")


@pytest.mark.slow
def test_stages_that_need_nothing_of_each_other_are_made_side_by_side(
    ray_cluster: Any, tmp_path: Path
) -> None:
    stages = [
        Stage("first", "a", leaves),
        Stage("left", "b", partial(meets, "right"), ("first",), away=True),
        Stage("right", "b", partial(meets, "left"), ("first",), away=True),
        Stage("none", "b", refuses, ("first",), may_be_absent=True, away=True),
        Stage("last", "c", leaves, ("left", "right"), takes_absent=True),
    ]
    with runner.running("ray", tmp_path):
        done = run_stages(stages, tmp_path / "out")
    assert [(each.name, each.kind) for each in done] == [
        ("first", "a"), ("left", "b"), ("right", "b"), ("none", "absent"), ("last", "c"),
    ]  # fmt: skip
    assert all(each.skipped for each in run_stages(stages, tmp_path / "out")), "the same artifacts as here"


def leaves(inputs: Any, folder: Path, work: Path) -> None:
    with artifact.writing(folder, "x"):
        pass


def meets(other: str, inputs: Any, folder: Path, work: Path) -> None:
    """Ends when the other one has begun; it has shards of its own, while all places are taken."""
    assert runner.is_away()
    runner.over_shards(partial(written, work, 0.0), range(4), "squares")
    (work.parent / f"begun-{folder.name.rpartition('-')[0]}").touch()
    for _ in range(1200):
        if (work.parent / f"begun-{other}").exists():
            return leaves(inputs, folder, work)
        time.sleep(0.1)
    raise AssertionError(f"{other} has not begun")


def refuses(inputs: Any, folder: Path, work: Path) -> None:
    raise MissingTable("no rows.")


@pytest.mark.slow
def test_a_ledger_of_a_cluster_is_that_of_one_machine(ray_cluster: Any, tmp_path: Path) -> None:
    from retailor.prove.ledger import prove
    from tests.prove.test_prove import TINY, encoder, toy_shop

    given = replace(TINY, labels=(40,), steps=("cheap baseline", "pretrained, frozen"), seeds=(0, 1))
    alone = prove("sentiment", toy_shop(300), encoder(), given, work=tmp_path / "here")
    (tmp_path / "away").mkdir()
    heard: list[str] = []
    with runner.running("ray", tmp_path):
        found = prove("sentiment", toy_shop(300), encoder(), given, work=tmp_path / "away", tell=heard.append)
    assert [(row.step, row.score, row.low, row.gain) for row in found.rows] == [
        (row.step, row.score, row.low, row.gain) for row in alone.rows
    ]
    assert len(heard) == 4 and heard[-1].startswith("sentiment, 40 labels, ")


# what is refused --------------------------------------------------------------------------------------


@pytest.mark.parametrize("on", ["spark", "ray://", "ray://here", "ray://here:x", "http://127.0.0.1:1"])
def test_a_place_that_is_none_is_named(on: str, tmp_path: Path) -> None:
    said = pytest.raises(ConfigError, match="is no place to run on: local, ray or ray://host:port")
    with said, runner.running(on, tmp_path):
        pass


@pytest.mark.parametrize("on", ["ray", "ray://127.0.0.1:9"])
def test_a_cluster_that_does_not_answer_is_said_at_once(
    on: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_ADDRESS", "127.0.0.1:9")
    with pytest.raises(ConfigError, match=f"no Ray cluster at '{on}'"), runner.running(on, tmp_path):
        pass


def test_a_relative_folder_is_the_same_on_another_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[str, Path]] = []

    def refuse(on: str, shared: Path) -> None:
        seen.append((on, shared))
        raise ConfigError("no.", key="on")

    monkeypatch.setattr("retailor.plan.run.running", refuse)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError, match=r"^no\.$"):
        run(make_plan({"shop": {"size": 20}}, Path()), "run", on="ray")
    assert seen == [("ray", tmp_path.resolve() / "run")]


def test_what_a_machine_says_of_itself(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("x")
    answer = cluster.probe()(str(token))
    assert answer == {"made_by": made_by(), "unseen": ""} and len(list(tmp_path.iterdir())) == 2
    cluster.refuse("10.0.0.2", answer, tmp_path)
    unseen = cluster.probe()(str(tmp_path / "not" / "there"))
    with pytest.raises(ConfigError, match=r"10\.0\.0\.2 of the cluster does not see .*No such file"):
        cluster.refuse("10.0.0.2", unseen, tmp_path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [({"python": "3.9.1"}, "has python 3.9.1"), ({"code": "0"}, "has another version of Retailor: install"),
     ({"torch": "1.0"}, r"has torch 1\.0 \(here ")],
)  # fmt: skip
def test_a_machine_with_other_versions_is_refused(changed: dict[str, str], said: str, tmp_path: Path) -> None:
    answer = {"made_by": {**made_by(), **changed}, "unseen": ""}
    with pytest.raises(ConfigError, match=said):
        cluster.refuse("10.0.0.2", answer, tmp_path)
    with pytest.raises(ConfigError, match="Retailor is not installed there"):
        cluster.refuse("10.0.0.2", {"error": "Retailor is not installed there"}, tmp_path)


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_machine_that_dies_while_it_is_asked_is_of_no_cluster(
    is_gone: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = {"NodeManagerAddress": "10.0.0.1", "Resources": {"CPU": 2.0}}
    dead = {"NodeManagerAddress": "10.0.0.2", "Resources": {"CPU": 1.0}}
    listed = [{"a": here, "b": dead}, {"a": here} if is_gone else {"a": here, "b": dead}]
    monkeypatch.setattr(runner, "_alive", lambda: listed.pop(0))
    told = [{"made_by": made_by(), "unseen": ""}, {"error": "the node doesn't exist any more"}]
    monkeypatch.setattr(runner, "_asked", lambda nodes, token: told)
    if is_gone:
        assert runner._checked(tmp_path).cpus_a_node == 2
    else:
        with pytest.raises(ConfigError, match=r"10\.0\.0\.2"):
            runner._checked(tmp_path)


def test_errors_cross_to_another_process_whole() -> None:
    import pickle

    for error in (
        DataError("x", path="p", row=3),
        MissingExtra("ray", install="pip"),
        ConfigError("y", key="k"),
    ):
        error.add_note("in a stage")
        again = pickle.loads(pickle.dumps(error))
        assert type(again) is type(error) and str(again) == str(error) and vars(again) == vars(error)
