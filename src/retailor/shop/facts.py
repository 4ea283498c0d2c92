"""Checked facts of a shop: a few rules as values, which no answer may contradict."""

from __future__ import annotations

import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any

import polars as pl

from retailor.config import Field, read_settings, settings
from retailor.errors import ConfigError, DataError, nearest
from retailor.shop.tables import SCHEMAS
from retailor.text.places import country_of, known_countries
from retailor.text.quantities import parse_quantities

FACTS_FILE = "facts.toml"
_MONEY = ("free_shipping_from", "shipping_cost")
_RANGES = ("dispatch_days", "delivery_days")


@settings
class Facts:
    """`facts.toml`, in the folder of rules. What is left out is not checked."""

    ships_to: tuple[str, ...] | None = None
    """Countries, by ISO code or name in English or Chinese; 'EU' and 'worldwide' stand for many."""
    return_days: int | None = Field(default=None, ge=0)
    """Days after delivery within which goods are taken back; 0: they are not."""
    exchange_days: int | None = Field(default=None, ge=0)
    dispatch_days: int | tuple[int, int] | None = None
    """Working days until an order leaves the shop: the most, or from and to."""
    delivery_days: int | tuple[int, int] | None = None
    """Working days from order to door: the most, or from and to."""
    free_shipping_from: str | None = None
    """The value of an order from which delivery is free, as '50 USD'; '0 USD': always."""
    shipping_cost: str | None = None
    payment: tuple[str, ...] | None = None
    """Every way to pay."""
    pickup: bool | None = None
    """Whether goods can be collected from the shop."""


def read_facts(path: Path) -> pl.DataFrame:
    """The table `facts` of a file. Raises DataError that names the wrong value and what would be right."""
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:
        raise DataError(f"cannot be read as TOML: {error}.", path=path) from None
    try:
        return facts_table(values, path.name)
    except ConfigError as error:
        raise DataError(str(error), path=path) from None


def facts_table(values: dict[str, Any], path: str = FACTS_FILE) -> pl.DataFrame:
    """The table `facts`: a row a fact that is given. Raises ConfigError on an unknown name or a bad value."""
    given = read_settings(Facts, values, path)
    rows = [
        {"name": field.name, "values": _values(field.name, getattr(given, field.name)), "path": path}
        for field in fields(given)  # type: ignore[arg-type]
        if getattr(given, field.name) is not None
    ]
    return pl.DataFrame(rows, schema=SCHEMAS["facts"])


def _values(name: str, value: Any) -> list[str]:
    if name == "ships_to":
        return [_country(each) for each in value]
    if name in _MONEY:
        return [_money(name, value)]
    if name in _RANGES:
        low, high = value if isinstance(value, tuple) else (0, value)
        if not 0 <= low <= high:
            raise ConfigError(
                f"'{name}' = {value}: days from and to, the smaller first.", key=name, value=value
            )
        return [str(low), str(high)]
    return [str(each).strip() for each in value] if isinstance(value, tuple) else [str(value).lower()]


def _country(name: str) -> str:
    code = country_of(name)
    if code is None:
        raise ConfigError(
            f"'ships_to' has '{name}', which is no country that is known; give its ISO code or its name.",
            key="ships_to",
            value=name,
            nearest=nearest(name.lower(), known_countries()),
        )
    return code


def _money(name: str, value: str) -> str:
    found = [each for each in parse_quantities(value) if each.dimension == "money"]
    if len(found) != 1:
        raise ConfigError(
            f"'{name}' = '{value}': one amount with its currency, as '50 USD'.", key=name, value=value
        )
    return f"{found[0].value:g} {found[0].unit}"
