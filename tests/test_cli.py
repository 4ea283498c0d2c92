"""The command line: what goes wrong is one line and a non-zero exit, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from retailor.cli import main
from retailor.errors import ConfigError
from retailor.plan.settings import read_plan
from retailor.serve.settings import ServeSettings
from retailor.store.artifact import retailor_version


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str | Path) -> int:
    """The exit code of the command."""
    monkeypatch.setattr(sys, "argv", ["retailor", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("look", "a-file"), "not a directory"),
        (("read", "taobao", "data.csv", "-o", "a-file"), "does not replace"),
        (("read", "taobao", "data.csv", "-o", "a-file/shop"), "a-file"),
        (("read", "taobao", "data.csv", "-o", "photos"), "a folder of other things"),
        (("read", "taobao", "nothing.csv"), "there is no such file"),
        (("read", "taobao", "data.csv", "--max-rejects", "-1"), "0 or more"),
        (("look", "photos"), "not a Retailor artifact"),
        (("report", "photos"), "no finished run here"),
        (("choose", "photos", "--models", "minilm", "--on", "ray"), "needs --work, a folder that all"),
    ],
)
def test_what_goes_wrong_is_one_line(
    arguments: tuple[str, ...],
    said: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("a-file").touch()
    Path("photos").mkdir()
    Path("photos/cat.jpg").write_text("cat", encoding="utf-8")
    Path("data.csv").write_text("1,2,3,pv,1511600000\n", encoding="utf-8")
    assert run(monkeypatch, *arguments) == 1
    out = capsys.readouterr()
    assert out.out == "" and out.err.startswith("retailor: ") and out.err.count("\n") == 1
    assert said in out.err
    assert Path("photos/cat.jpg").exists() and sorted(p.name for p in tmp_path.iterdir())[0] == "a-file"


def test_the_version_is_told(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "--version") == 0
    assert capsys.readouterr().out == f"retailor {retailor_version()}\n"


def test_a_setting_is_no_section(tmp_path: Path) -> None:
    (tmp_path / "plan.toml").write_text('name = "x"\n', encoding="utf-8")
    with pytest.raises(ConfigError, match="'name' is a setting, not a section"):
        read_plan(tmp_path / "plan.toml", {"name.seed": "1"})


def test_adapt_takes_an_objective_and_any_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from retailor.models.local import load_encoder
    from retailor.shop.demo import demo_shop
    from retailor.testing.models import tiny_encoder

    tiny_encoder().save(tmp_path / "tiny")
    demo_shop(30, 0).save(tmp_path / "shop")
    adapt = (
        "adapt",
        tmp_path / "shop",
        "--model",
        tmp_path / "tiny",
        "-o",
        tmp_path / "made",
        "--steps",
        "2",
    )
    more = ("--objective", "contrastive", "--set", "pairs=reviews", "--set", "train.batch_size=8")
    assert run(monkeypatch, *adapt, *more) == 0
    said = capsys.readouterr().out
    assert said.startswith("Adapted by 'contrastive' on ") and "perplexity went from" in said
    assert load_encoder(tmp_path / "made").dim == 32
    assert not (tmp_path / ".made.work").exists()
    for wrong, said in (
        (("--set", "masc_rate=1"), "mask_rate"),
        (("--set", "mask_rate=1.4"), "mask_rate"),
        (("--objective", "causal"), "does not fit"),
        (("--set", "epochs"), "setting=value"),
    ):
        assert run(monkeypatch, *adapt, *wrong) == 1
        out = capsys.readouterr()
        assert said in out.err and out.err.count("\n") == 1


def test_serve_goes_by_the_plan_and_then_by_its_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    served: list[ServeSettings] = []
    monkeypatch.setattr(
        "retailor.serve.server.serve", lambda folder, tasks, settings, drift: served.append(settings)
    )
    assert run(monkeypatch, "serve", tmp_path) == 0
    (tmp_path / "plan.toml").write_text(
        '[serve]\nport = 8123\nmemory_mb = 7\nhosts = ["shop.test"]\n', encoding="utf-8"
    )
    assert run(monkeypatch, "serve", tmp_path) == 0
    assert (
        run(monkeypatch, "serve", tmp_path, "--port", "0", "--set", "memory_mb=9", "--set", "threads=2") == 0
    )
    plain, planned, changed = served
    assert plain == ServeSettings()
    assert (planned.port, planned.memory_mb, planned.hosts) == (8123, 7, ("shop.test",))
    assert (changed.port, changed.memory_mb, changed.threads) == (0, 9, 2)
    assert run(monkeypatch, "serve", tmp_path, "--set", "memory=9") == 1
    assert "memory_mb" in capsys.readouterr().err
