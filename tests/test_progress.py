"""Bars on a terminal: one at a time, and none left behind."""

import io

import pytest

from retailor.progress import track


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def terminal_of(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    """Within the test: what a fixture puts there is replaced before the test begins."""
    made = Terminal()
    monkeypatch.setattr("sys.stderr", made)
    monkeypatch.setenv("TERM", "xterm")
    return made


def test_no_bar_without_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    assert list(track([1, 2], "outer")) == [1, 2]
    assert capsys.readouterr().err == ""


def test_a_bar_within_a_bar_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    passed = [(a, b) for a in track([1, 2], "outer") for b in track([3, 4], "inner")]
    assert passed == [(1, 3), (1, 4), (2, 3), (2, 4)]
    assert "outer" in terminal.getvalue() and "inner" not in terminal.getvalue()


def test_a_bar_that_was_left_makes_room(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = terminal_of(monkeypatch)
    for _ in track([1, 2, 3], "left"):
        break
    with pytest.raises(ZeroDivisionError):
        for one in track([0], "failed"):
            1 / one
    assert list(track([1], "next")) == [1]
    assert "next" in terminal.getvalue()
