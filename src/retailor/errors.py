"""Every error that Retailor raises on purpose.

    RetailorError
    ├── DataError      a file, row, column or value of the shop is wrong
    │   └── MissingTable   a task needs a table that this shop does not have
    ├── ConfigError    a setting is unknown or out of range
    ├── ModelError     a model cannot do what was asked of it
    ├── MissingExtra   an optional package is not installed
    └── ServeError     a request cannot be answered

A message is one sentence: what is wrong with which value; what would be right; what to do.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class RetailorError(Exception):
    """The root of the tree: catch this to catch them all."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _as_it_was, (type(self), self.args, vars(self))


def _as_it_was(kind: type[RetailorError], args: tuple[object, ...], state: dict[str, Any]) -> RetailorError:
    """An error that came from another process: its message is made already."""
    error = kind.__new__(kind)
    error.args = args
    vars(error).update(state)
    return error


class DataError(RetailorError):
    """A file, row, column or value is wrong; the parts that are known are attributes."""

    def __init__(
        self,
        message: str,
        *,
        path: str | Path | None = None,
        row: int | None = None,
        column: str | None = None,
        value: object = None,
    ) -> None:
        self.path = None if path is None else str(path)
        self.row = row
        self.column = column
        self.value = value
        place = "" if path is None else f"{path}{'' if row is None else f' line {row}'}: "
        super().__init__(place + message)


class MissingTable(DataError):
    """A task needs a table that this shop does not have, or that has no usable rows."""


class ConfigError(RetailorError):
    """A setting is unknown or out of range; `nearest` is the known key most like it."""

    def __init__(self, message: str, *, key: str, value: object = None, nearest: str | None = None) -> None:
        self.key = key
        self.value = value
        self.nearest = nearest
        hint = f" Did you mean '{nearest}'?" if nearest else ""
        super().__init__(f"{message}{hint}")


class ModelError(RetailorError):
    """A model cannot do what was asked; `can` lists what it can do."""

    def __init__(self, message: str, *, asked: str = "", can: Iterable[str] = ()) -> None:
        self.asked = asked
        self.can = tuple(can)
        super().__init__(message)


class MissingExtra(RetailorError):
    """A package is not installed; `install` is the exact command that installs it."""

    def __init__(self, what: str, *, install: str) -> None:
        self.install = install
        super().__init__(f"{what} is not installed: run `{install}`.")


class ServeError(RetailorError):
    """A request cannot be answered; `status` is the HTTP status for it."""

    def __init__(self, message: str, *, status: int, retry_after_s: float | None = None) -> None:
        self.status = status
        self.retry_after_s = retry_after_s
        super().__init__(message)


def first_line(error: BaseException) -> str:
    """What another's error says first, or its name where it says nothing, as MemoryError does."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def nearest(key: str, known: Iterable[str]) -> str | None:
    """The known name most like `key`, or None when nothing is close."""
    found = difflib.get_close_matches(key, list(known), n=1, cutoff=0.5)
    return found[0] if found else None


def looked_up(table: Mapping[str, T], name: str, *, key: str, asked: str) -> T:
    """The entry of a table. Raises ConfigError with those that there are; `asked`: by which command."""
    if name not in table:
        raise ConfigError(
            f"{asked}: '{name}' is no {key} it knows; known: {', '.join(table)}.",
            key=key,
            value=name,
            nearest=nearest(name, table),
        )
    return table[name]
