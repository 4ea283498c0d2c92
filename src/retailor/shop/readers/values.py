"""From raw columns to ours: the value of each kind of column, and what can be wrong with it.

A plain cell is read by Polars, a cell of any other shape once a distinct text by Python. Both look at that
cell alone and at what is known of its column (`Reading`), so a row means the same in any block.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import polars as pl

from retailor.shop.cells.currencies import codes_of, known_first
from retailor.shop.cells.numbers import Amount, NumberForm, read_amount, read_count, read_number, read_rating
from retailor.shop.cells.plain import plain
from retailor.shop.cells.stock import read_stock
from retailor.shop.files.nested import NESTED, loaded, nested_of_text, path_of_text
from retailor.shop.readers.instants import value_of_time, why_no_time
from retailor.shop.readers.readings import Reading, beside, by_value, text_of
from retailor.shop.tables import KINDS, LABELS

ALLOWED = {"kind": KINDS, "label": LABELS}
PRICE_CODES = "codes of the price"
"""The made column beside a price: the currencies that its cell may mean, with commas between."""
_PLAIN_NUMBER = r"^[0-9]{1,15}(?:\.(?:[0-9]{1,2}|[0-9]{4,9}))?$"
_PLAIN_WHOLE = r"^[0-9]{1,15}$"
_PLAIN_RATING = r"^[1-5](?:\.[0-9]{1,9})?$"
_SPLIT = r"\s*(?:>+|&gt;|\||»|›|→|->)\s*"
_SEVERAL = r"^\[.*,.*\]$"


def value_of(how: Reading, kind: Any, raw: pl.Expr, given: Any) -> pl.Expr:
    """The value of type `kind` of a raw column of type `given`; null where there is none or it is wrong."""
    if how.values is not None:
        text = text_of(raw, given).str.strip_chars()
        return text.replace_strict(
            list(how.values), list(how.values.values()), default=None, return_dtype=kind
        )
    if how.name == "time":
        return value_of_time(how, raw, given)
    if kind == pl.Boolean:
        return _stock(raw, given)
    if kind in (pl.Float64, pl.Float32, pl.Int64):
        return _number(how, raw, given).cast(kind, strict=False)
    if how.name == "category":
        return _category(how, raw, given)
    if isinstance(kind, pl.List):
        return _nested(how.name, kind, raw, given)
    text = text_of(raw, given)
    if how.name == "currency":
        return by_value(text, partial(_currency, how.numbers.currency), pl.String)
    if how.name.endswith("_id"):
        return _id(text, given)
    if how.name in ALLOWED:
        text = text.str.strip_chars()
        return pl.when(text.is_in(ALLOWED[how.name])).then(text)
    return text


def why(how: Reading, text: str) -> str:
    """Why a cell that gave no value gave none: a part of a sentence, for the cell stands before it."""
    if how.values is not None or how.name in ALLOWED:
        return f"is not one of {', '.join(list(how.values or ALLOWED[how.name])[:6])}"
    if how.name not in NESTED and text.startswith("[") and loaded(text) is not None:
        return "is a list of several values"
    if how.name not in NESTED and text.startswith("{") and loaded(text) is not None:
        return "is an object with fields, not one value"
    if how.name == "time":
        return why_no_time(how, text)
    if how.name == "currency":
        return _why_no_currency(text)
    if how.name in NESTED:
        return "is no JSON of that kind"
    if how.name.endswith("_id"):
        return "is a float too large to be told from its neighbours: keep ids as text"
    read = _readers(how).get(how.name)
    told = read(text) if read else None
    return told if isinstance(told, str) else "cannot be read"


def _readers(how: Reading) -> dict[str, Callable[[str], Any]]:
    return {
        "price": partial(read_amount, form=how.numbers),
        "grade": partial(read_number, form=how.numbers),
        "relevance": partial(read_number, form=how.numbers),
        "rating": read_rating,
        "helpful": read_count,
        "in_stock": read_stock,
    }


def _number(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    if given.is_numeric():
        value = raw.cast(pl.Float64, strict=False)
    else:
        text = text_of(raw, given).str.strip_chars()
        plain_shape = {"rating": _PLAIN_RATING, "helpful": _PLAIN_WHOLE}.get(how.name, _PLAIN_NUMBER)
        if how.numbers.strict and how.numbers.decimal == "," and how.name != "rating":
            plain_shape = _PLAIN_WHOLE
        read = partial(_float, _readers(how)[how.name])
        is_plain = text.str.contains(plain_shape).fill_null(True)
        value = beside(text.cast(pl.Float64, strict=False), is_plain, text, read, pl.Float64)
    value = pl.when(value.is_finite()).then(value)
    if how.name == "price":
        return pl.when(value >= 0).then(value)
    return pl.when(value.is_between(1, 5)).then(value) if how.name == "rating" else value


def _stock(raw: pl.Expr, given: Any) -> pl.Expr:
    if given == pl.Boolean:
        return raw
    if given.is_numeric():
        return pl.when(raw.is_not_nan() if given.is_float() else pl.lit(True)).then(raw > 0)
    return by_value(text_of(raw, given).str.strip_chars(), _is_there, pl.Boolean)


def _is_there(text: str) -> bool | None:
    told = read_stock(text)
    return told if isinstance(told, bool) else None


def _float(read: Callable[[str], Any], text: str) -> float | None:
    made = read(text)
    return made.value if isinstance(made, Amount) else made if isinstance(made, float) else None


def codes_of_price(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    """The currencies that the cells of a price may mean, with commas between; null where they name none."""
    if given.is_numeric():
        return pl.lit(None, pl.String)
    text = text_of(raw, given).str.strip_chars()
    bare = pl.when(text.str.contains(_PLAIN_NUMBER)).then(None).otherwise(text)
    return by_value(bare, partial(_codes, how.numbers), pl.String)


def _codes(form: NumberForm, text: str) -> str | None:
    amount = read_amount(text, form)
    return ",".join(sorted(amount.codes)) or None if isinstance(amount, Amount) else None


def _currency(default: str | None, text: str) -> str | None:
    codes = codes_of(plain(text), default)
    return next(iter(codes)) if len(codes) == 1 else None


def _why_no_currency(text: str) -> str:
    codes = codes_of(plain(text))
    several = f"can mean {known_first(codes)}: give currency = one of them"
    return several if codes else "is no currency's code or sign"


def _id(text: pl.Expr, given: Any) -> pl.Expr:
    """The id; null where a float is so large that its neighbours look the same, and for a list of several."""
    if given in (pl.Float32, pl.Float64):
        return pl.when(text.cast(pl.Float64, strict=False).abs() < 2**53).then(text)
    text = text.str.strip_chars()
    return pl.when(~text.str.contains(_SEVERAL)).then(text)


def _nested(name: str, kind: Any, raw: pl.Expr, given: Any) -> pl.Expr:
    """A list of structs from the same, whatever their further fields, or from JSON text; else null."""
    if given == pl.String:
        return raw.map_elements(partial(nested_of_text, name), return_dtype=kind)
    wanted = {field.name: field.dtype for field in kind.inner.fields}
    if not (isinstance(given, pl.List) and isinstance(given.inner, pl.Struct)):
        return pl.lit(None, kind)
    have = {field.name for field in given.inner.fields}
    entry = pl.element().struct
    parts = [
        (entry.field(name) if name in have else pl.lit(None)).cast(part, strict=False).alias(name)
        for name, part in wanted.items()
    ]
    return raw.list.eval(pl.struct(parts))


def _category(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    """The path; the first one where an item has several. Made once a distinct text: items share them."""
    if isinstance(given, pl.List):
        return _path(how, raw, given)
    cell = _path(how, pl.col("cell"), given).alias("path")

    def made(cells: pl.Series) -> pl.Series:
        paths = cells.unique().to_frame("cell").with_columns(cell)
        return cells.to_frame("cell").join(paths, on="cell", how="left", maintain_order="left")["path"]

    return raw.map_batches(made, return_dtype=pl.List(pl.String))


def _path(how: Reading, raw: pl.Expr, given: Any) -> pl.Expr:
    separator = how.list_separator
    if not isinstance(given, pl.List):
        text = text_of(raw, given).str.strip_chars()
        listed = pl.when(text.str.contains(r"^[\[({]")).then(text)
        inside = by_value(listed, path_of_text, pl.List(pl.String))
        path = pl.coalesce(inside, pl.concat_list(text))
    else:
        path = raw.list.first() if isinstance(given.inner, pl.List) else raw
        path = path.cast(pl.List(pl.String))
    if separator is not None:
        path = path.list.join(separator).str.split(separator)
    else:  # ["A > B", "A > C"]: each part is a path of its own
        first = path.list.first()
        split = first.str.replace_all(_SPLIT, "\x1f").str.split("\x1f")
        path = pl.when(first.str.contains(_SPLIT)).then(split).otherwise(path)
    path = path.list.eval(pl.element().str.strip_chars()).list.drop_nulls()
    path = path.list.eval(pl.element().filter(pl.element() != ""))
    return pl.when(path.list.len() > 0).then(path).otherwise(None)
