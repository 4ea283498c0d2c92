"""What a plan will need: told by volumes and unit costs, and where it will not fit."""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError, DataError
from retailor.plan import size, units, volumes
from retailor.plan.main_job import stages_of
from retailor.plan.settings import Plan, make_plan
from retailor.plan.size import Known, forecast, told
from retailor.plan.units import Machine, ModelUnits
from retailor.plan.volumes import Volumes, volumes_of

GIB = 1 << 30
HERE = Machine("cpu", 2, 16 * GIB, 16 * GIB, 40 * GIB, 5e10, 2e8)
ENCODER = ModelUnits("e5", 118_000_000, 21_600_000, 12, 384, 6.0, 3000.0, 700.0)
GENERATOR = ModelUnits("smollm2", 135_000_000, 106_000_000, 30, 576, 3.0, 500.0, 150.0, generated=15.0)


def known(rows: int = 1000, machine: Machine = HERE, **sections: Mapping[str, Any]) -> Known:
    names = ("items", "events", "reviews", "questions")
    made = Volumes(
        rows=Counter(dict.fromkeys(names, rows)), letters=Counter(dict.fromkeys(names, 90 * rows)),
        seconds=Counter(read=1.0, look=0.3, clean=0.001 * rows), customers=rows / 2,
    )  # fmt: skip
    return Known(make_plan(sections, Path()), made, machine, ENCODER, GENERATOR)


def needs(of: Known) -> dict[str, size.Need]:
    return {need.stage: need for need in forecast(of).needs}


def test_every_stage_of_a_plan_has_its_need() -> None:
    of = known()
    found = needs(of)
    assert list(found) == [stage.name for stage in stages_of(of.plan)]
    assert all(need.seconds > 0 and need.memory_bytes > 0 for need in found.values())
    assert found["adapt"].disk_bytes == ENCODER.parameters * 4


@settings(max_examples=10, deadline=None)
@given(fewer=st.integers(10, 100_000), times=st.floats(1.0, 50.0))
def test_more_of_a_shop_needs_no_less(fewer: int, times: float) -> None:
    small, large = needs(known(fewer)), needs(known(int(fewer * times)))
    for name, need in small.items():
        if name.endswith("recommend"):  # a larger catalogue gets factors in place of a ridge over all pairs
            continue
        assert large[name].seconds >= need.seconds * 0.999, name
        assert large[name].memory_bytes >= need.memory_bytes * 0.999, name


def test_training_is_shared_out_over_devices_and_memory_is_not() -> None:
    one = needs(known(adapt={"train": {"epochs": 20.0}}))["adapt"]
    two = needs(known(adapt={"train": {"epochs": 20.0}}, train={"devices": 2}))["adapt"]
    assert 0.45 * one.seconds < two.seconds < 0.7 * one.seconds
    assert two.memory_bytes > one.memory_bytes
    in_shares = {"devices": 2, "strategy": "fsdp"}
    shares = needs(known(adapt={"train": {"epochs": 20.0}}, train=in_shares))["adapt"]
    assert shares.memory_bytes == pytest.approx(one.memory_bytes), "each process holds half"
    less = needs(known(adapt={"train": {"gradient_checkpointing": True}}))["adapt"]
    assert less.memory_bytes < one.memory_bytes


def test_adapters_keep_little_and_weights_in_four_bits_less() -> None:
    whole, adapters, packed = (
        needs(known(adapt=dials))["adapt"].memory_bytes
        for dials in ({}, {"lora_rank": 8}, {"lora_rank": 8, "lora_bits": 4})
    )
    weights = 21_600_000  # of the encoder, but for its word embeddings
    assert whole - adapters == pytest.approx(16 * weights - 5 * 4 * 7 * 16 * 384 * 12)
    assert adapters - packed == pytest.approx((4 - 0.516) * weights, rel=1e-3)
    large = replace(GENERATOR, parameters=8_030_000_000, trained=7_500_000_000, layers=32, hidden=4096)
    made = replace(known(review={"lora_bits": 4}), generator=large)
    plain = replace(known(), generator=large)
    saved = needs(plain)["fit-review"].memory_bytes - needs(made)["fit-review"].memory_bytes
    assert saved / GIB == pytest.approx(24.3, abs=0.1)


def test_what_does_not_fit_is_warned_of() -> None:
    assert forecast(known()).warnings == ()
    small = replace(HERE, memory_bytes=GIB, disk_bytes=GIB // 10)
    said = forecast(known(machine=small)).warnings
    assert any(line.startswith("adapt needs about") and "1.0 GiB are free" in line for line in said)
    assert said[-1].startswith("the run needs about") and "of disk" in said[-1]
    assert "warning: adapt needs about" in str(forecast(known(machine=small)))


@pytest.mark.parametrize(("seconds", "said"), [(0.2, "0 s"), (89, "89 s"), (600, "10 min"), (7200, "2.0 h")])
def test_times_in_words(seconds: float, said: str) -> None:
    assert told(seconds) == said


# volumes ----------------------------------------------------------------------------------------------

MAPS = {"events": {"columns": {"user_id": "u", "item_id": "i", "time": "t"}, "constants": {"kind": "buy"}}}


def _plan(folder: Path, name: str) -> Plan:
    return make_plan({"shop": {"reader": "tabular", "files": [name], "tables": MAPS}}, folder)


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz", "events.parquet"])
def test_a_large_file_is_counted_from_its_first_part(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    n = 60_000
    frame = pl.DataFrame({
        "u": [f"user-{i % 700}" for i in range(n)], "i": [f"item-{i % 997}" for i in range(n)],
        "t": [f"2024-01-{i % 28 + 1:02d}" for i in range(n)],
    })  # fmt: skip
    if name.endswith("parquet"):
        frame.write_parquet(tmp_path / name)
    else:
        text = frame.write_csv().encode()
        (tmp_path / name).write_bytes(gzip.compress(text) if name.endswith("gz") else text)
    whole = volumes_of(_plan(tmp_path, name))
    assert whole.rows["events"] == n and whole.customers == 700 and not whole.cut
    monkeypatch.setattr(volumes, "WHOLE_BYTES", 1000)
    monkeypatch.setattr(volumes, "CUT_ROWS", 5_000)
    monkeypatch.setattr("retailor.shop.propose.sample.HEAD_BYTES", 100_000)
    part = volumes_of(_plan(tmp_path, name))
    assert part.rows["events"] == pytest.approx(n, rel=0.15)
    assert part.cut == [name]


def test_a_large_demo_shop_is_counted_from_a_small_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(volumes, "DEMO_ITEMS", 40)
    found = volumes_of(make_plan({"shop": {"size": 400}}, Path()))
    assert found.rows["items"] == 400 and 5_000 < found.rows["events"] < 15_000
    assert found.letters["reviews"] > 1000 and found.some


def test_a_plan_without_a_row_says_so(tmp_path: Path) -> None:
    (tmp_path / "events.csv").write_text("a,b\n1,2\n")
    with pytest.raises(DataError, match="no row could be read of this plan's files"):
        volumes_of(_plan(tmp_path, "events.csv"))


# the command ------------------------------------------------------------------------------------------


def test_the_command_prints_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plan.toml").write_text("[shop]\nsize = 40\n")
    monkeypatch.setattr(size, "encoder_units", lambda *_: ENCODER)
    monkeypatch.setattr(size, "generator_units", lambda *_: GENERATOR)
    monkeypatch.setattr(size, "machine", lambda _: HERE)
    done = CliRunner().invoke(app, ["plan-size", str(tmp_path / "plan.toml")])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[0].split() == ["stage", "time", "memory", "disk", "most", "of", "it"]
    assert any(line.startswith("fit-recommend") for line in lines) and "in all" in done.stdout


def test_this_machine_is_measured(tmp_path: Path) -> None:
    found = units.machine(tmp_path / "not" / "there")
    assert found.memory_bytes > 0 and found.disk_bytes > 0 and found.flops > 1e6 and found.write_bytes > 1e4


# [train] ----------------------------------------------------------------------------------------------


def test_train_is_laid_under_every_section_that_trains() -> None:
    plan = make_plan({"train": {"devices": 2}, "sentiment": {"train": {"devices": 1, "epochs": 1.0}}}, Path())
    asked = {
        name: section.train.devices for name, section in plan.sections.items() if hasattr(section, "train")
    }
    assert asked == {"adapt": 2, "recommend": 2, "review": 2, "sentiment": 1}
    assert plan.sections["sentiment"].train.layer_decay == 0.9  # the section's own defaults stay
    again = make_plan(plan.to_dict(), Path())
    assert again.sections == plan.sections
    with pytest.raises(ConfigError, match=r"\[train\]: 'devices'"):
        make_plan({"train": {"devices": 0}}, Path())


def test_four_bits_without_a_gpu_end_a_run_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from retailor.plan.run import run
    from retailor.train import lora

    monkeypatch.setattr(lora, "default_device", lambda: torch.device("cpu"))
    for more in ({"adapt": {"lora_rank": 8, "lora_bits": 4}}, {"review": {"lora_bits": 4}}):
        plan = make_plan({"shop": {"size": 20}, **more}, tmp_path)
        with pytest.raises(ConfigError, match="lora_bits = 4 needs a GPU"):
            run(plan, tmp_path / "out")
        assert not any((tmp_path / "out").glob("stages/*"))


def test_a_run_on_more_devices_than_there_are_ends_before_any_work(tmp_path: Path) -> None:
    from retailor.plan.run import run

    plan = make_plan({"train": {"devices": 4096}, "shop": {"size": 20}}, tmp_path)
    with pytest.raises(ConfigError, match="devices = 4096, and there"):
        run(plan, tmp_path / "out")
    assert not any((tmp_path / "out").glob("stages/*"))
