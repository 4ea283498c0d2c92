"""Settings: frozen dataclasses whose bad values and unknown names are ConfigErrors."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass as pydantic_dataclass

from retailor.errors import ConfigError, nearest

__all__ = ["Field", "as_dict", "read_settings", "settings"]

S = TypeVar("S")


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(Field,))
def settings(cls: type[S]) -> type[S]:
    """The class as a frozen, keyword-only, validated dataclass.

    Write limits with `Field`: `rate: float = Field(0.15, gt=0, lt=1)`.
    Raises ConfigError, never a pydantic error, on an unknown name or a bad value.
    """
    made: Any = pydantic_dataclass(frozen=True, kw_only=True, config=ConfigDict(extra="forbid"))(cls)
    made.__init__ = _checked(made, made.__init__)
    return made  # type: ignore[no-any-return]


def _checked(cls: type[Any], init: Callable[..., None]) -> Callable[..., None]:
    @wraps(init)
    def checked(self: object, **values: object) -> None:
        try:
            init(self, **values)
        except ValidationError as error:
            raise _config_error(cls, error, cls.__name__) from None

    return checked


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
    return ConfigError(
        f"{where}: there is no setting '{key}'; known: {', '.join(known)}.",
        key=key,
        nearest=nearest(key, known),
    )


def read_settings(cls: type[S], values: Mapping[str, object], where: str) -> S:
    """`values` (one table of a TOML file, say) as an instance of `cls`.

    `where` names the table in messages: `[sentiment]`. Raises ConfigError with the nearest known key.
    """
    known = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for key in values:
        if key not in known:
            raise _unknown(cls, key, where)
    try:
        return TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        raise _config_error(cls, error, where) from None


def as_dict(value: object) -> dict[str, Any]:
    """The settings as plain JSON-able values, for manifests and resolved plans."""
    dumped = TypeAdapter(type(value)).dump_python(value, mode="json")
    assert isinstance(dumped, dict)
    return dumped
