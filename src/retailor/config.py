"""Settings: frozen dataclasses whose bad values and unknown names are ConfigErrors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from retailor.errors import ConfigError, DataError, nearest

__all__ = ["Field", "as_dict", "inner_settings", "read_settings", "saved_settings", "settings"]

S = TypeVar("S")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(cls: type[S]) -> type[S]:
    """The class as a frozen, keyword-only, validated dataclass.

    Write limits with `Field`: `rate: float = Field(0.15, gt=0, lt=1)`. A field may be settings itself; a
    table for it, a part of its names, is laid over the default that it has here.
    Raises ConfigError, never a pydantic error, on an unknown name or a bad value.
    """
    made: Any = pydantic_dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(cls)
    made.__init__ = _checked(made, made.__init__)
    return made  # type: ignore[no-any-return]


def _checked(cls: type[Any], init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def checked(self: object, **values: object) -> None:
        try:
            init(self, **_with_inner(cls, values, cls.__name__))
        except ValidationError as error:
            raise _config_error(cls, error, cls.__name__) from None

    return checked


def inner_settings(cls: type[Any]) -> dict[str, type[Any]]:
    """Name to class of those settings of a class that are settings themselves."""
    kinds = {name: field.annotation for name, field in cls.__pydantic_fields__.items()}
    return {name: kind for name, kind in kinds.items() if hasattr(kind, "__pydantic_fields__")}


def _with_inner(cls: type[Any], values: Mapping[str, object], where: str) -> dict[str, object]:
    """The values, each table among them as settings: what it names, over the default of its field."""
    made = dict(values)
    for name, kind in inner_settings(cls).items():
        table = made.get(name)
        if isinstance(table, Mapping):
            default = cls.__pydantic_fields__[name].get_default(call_default_factory=True)
            inside = f"{where[:-1]}.{name}]" if where.endswith("]") else f"{where}.{name}"
            made[name] = read_settings(kind, table, inside, over=default)
    return made


def _config_error(cls: type[Any], error: ValidationError, where: str) -> ConfigError:
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"]) or where
    if first["type"] in ("unexpected_keyword_argument", "extra_forbidden"):
        last = str(first["loc"][-1]) if first["loc"] else key
        return _unknown(cls, last, where)
    return ConfigError(
        f"{where}: '{key}' = {first['input']!r}: {first['msg'][0].lower()}{first['msg'][1:]}.",
        key=key,
        value=first["input"],
    )


def _unknown(cls: type[Any], key: str, where: str) -> ConfigError:
    known = [field.name for field in dataclasses.fields(cls)]
    inside = _inside(cls, key)
    if inside is not None:
        told = f"{where}: there is no setting '{key}' here: it is '{inside}'."
        return ConfigError(told, key=key)
    return ConfigError(
        f"{where}: there is no setting '{key}'; known: {', '.join(known)}.",
        key=key,
        nearest=nearest(key, known),
    )


def _inside(cls: type[Any], key: str) -> str | None:
    """Where a name that stands one level too high belongs: 'epochs' or 'train_epochs' is 'train.epochs'.

    A name of before is where the class says in `MOVED`.
    """
    moved: Mapping[str, str] = getattr(cls, "MOVED", {})
    if key in moved:
        return moved[key]
    for name, kind in inner_settings(cls).items():
        known = {field.name for field in dataclasses.fields(kind)}
        for each in (key, key.removeprefix(f"{name}_")):
            if each in known:
                return f"{name}.{each}"
    return None


def read_settings(cls: type[S], values: Mapping[str, object], where: str, *, over: S | None = None) -> S:
    """`values` (one table of a TOML file, say) as an instance of `cls`, laid over `over` where it is given.

    `where` names the table in messages: `[sentiment]`. Raises ConfigError with the nearest known key.
    """
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise _unknown(cls, key, where)
    before = {} if over is None else {name: getattr(over, name) for name in known}
    try:
        return TypeAdapter(cls).validate_python({**before, **_with_inner(cls, values, where)})
    except ValidationError as error:
        raise _config_error(cls, error, where) from None


def saved_settings(cls: type[S], values: Mapping[str, object], where: str) -> S:
    """The settings that an artifact was saved with; names that stand in a table now are put into it.

    Raises DataError, which says to fit it again, where this version cannot read them.
    """
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    nested: dict[str, Any] = {}
    for key, value in values.items():
        table, _, name = (key if key in known else _inside(cls, key) or key).partition(".")
        if name:
            nested.setdefault(table, {})[name] = value
        else:
            nested[key] = value
    try:
        return read_settings(cls, nested, where)
    except ConfigError as error:
        raise DataError(
            f"saved by another version, whose settings this one does not know ({error}): fit it again.",
            path=where,
        ) from None


def as_dict(value: object) -> dict[str, Any]:
    """The settings as plain JSON-able values, for manifests and resolved plans."""
    dumped = TypeAdapter(type(value)).dump_python(value, mode="json")
    assert isinstance(dumped, dict)
    return dumped
