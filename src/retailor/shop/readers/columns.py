"""Rows of a file as rows of a table, by its column map: which are good, what is wrong with the others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

import polars as pl

from retailor.errors import DataError, nearest
from retailor.shop.cells.currencies import known_first
from retailor.shop.cells.ids import content_ids
from retailor.shop.readers.column_maps import REQUIRED, ColumnMap, Settled, constant
from retailor.shop.readers.instants import outside
from retailor.shop.readers.readings import Reading, says_none, text_of
from retailor.shop.readers.values import PRICE_CODES, codes_of_price, value_of, why
from retailor.shop.tables import SCHEMAS, label_of_rating

Fault = tuple[pl.Expr, pl.Expr]
"""True where a row is wrong, and the words for it."""
N_EXAMPLES = 3
_OURS = "our "
"""Before the names of made columns, for a file may use our names for something else."""


@dataclass(frozen=True)
class Loss:
    """Cells of one column that could not be read and are null: why, how many, and which rows, as examples."""

    column: str
    reason: str
    n: int
    examples: list[tuple[int, str]]
    """Row of the frame, and what stood there."""


def canonical(
    table: str, map: ColumnMap, frame: pl.DataFrame, settled: Mapping[str, Settled] | None = None
) -> tuple[pl.DataFrame, pl.Series, pl.Series, list[Loss]]:
    """(good rows of the table, which rows of `frame` they are, reasons of the others in order, lost cells).

    `settled`: by our column. Values are made for all rows at once; words are found only for what looks wrong.
    """
    how = {name: map.reading(name, (settled or {}).get(name)) for name in SCHEMAS[table]}
    made = _values(table, map, how, frame)
    both = frame.lazy().with_columns(value.alias(_OURS + name) for name, value in made.items()).collect()
    both = _without_empty_texts(both)
    lost = _lost(map, both)
    faults = _faults(table, map, how, both, lost)
    strange = both.select(pl.any_horizontal(bad for bad, _ in faults).fill_null(False).alias("bad"))["bad"]
    good = ~strange
    reasons = pl.Series([], dtype=pl.String)
    at = pl.int_range(len(both), eager=True)
    if strange.any():
        reasons = _told(both.filter(strange), faults)
        both, at = both.filter(good), at.filter(good)
    losses = [
        loss
        for name, gone in lost.items()
        if name not in must(table, map)
        for loss in _losses(name, both.filter(gone), at.filter(both.select(gone).to_series()), map, how[name])
    ]
    names = [name for name in made if name != PRICE_CODES]
    if PRICE_CODES in made:
        both, more = _with_currency(map, both, at)
        names = list(dict.fromkeys([*names, "currency"]))
        losses += more
    rows = both.select(pl.col(_OURS + name).alias(name) for name in names)
    if table == "reviews" and "label" not in made and "rating" in made:
        rows = rows.with_columns(label=label_of_rating(pl.col("rating")))
    return _with_ids(table, rows), good, reasons, losses


def _values(
    table: str, map: ColumnMap, how: Mapping[str, Reading], frame: pl.DataFrame
) -> dict[str, pl.Expr]:
    """Our column to its value, of those that the file or a constant of the map fills."""
    made: dict[str, pl.Expr] = {}
    for name, kind in SCHEMAS[table].items():
        source = map.columns.get(name)
        if source is not None and source in frame.columns:
            made[name] = value_of(how[name], kind, pl.col(source), frame.schema[source])
            if name == "price":
                made[PRICE_CODES] = codes_of_price(how[name], pl.col(source), frame.schema[source])
        elif name in map.constants:
            made[name] = pl.lit(constant(table, name, map.constants[name]), kind)
    details = {name: source for name, source in map.attributes.items() if source in frame.columns}
    if details:
        made["attributes"] = _with_details(made.get("attributes"), details, frame)
    return made


def _with_details(listed: pl.Expr | None, details: Mapping[str, str], frame: pl.DataFrame) -> pl.Expr:
    """The attributes of a column of them, and those that stand in a column each; null without any."""
    kind = SCHEMAS["items"]["attributes"]
    texts = {
        name: text_of(pl.col(source), frame.schema[source]).str.strip_chars()
        for name, source in details.items()
    }
    pairs = pl.concat_list(
        pl.struct(
            pl.lit(name).alias("name"),
            pl.when(~says_none(text).fill_null(True)).then(text).alias("value"),
        )
        for name, text in texts.items()
    ).list.eval(pl.element().filter(pl.element().struct.field("value").is_not_null()))
    whole = pairs if listed is None else pl.concat_list(listed.fill_null(pl.lit([], kind)), pairs)
    return pl.when(whole.list.len() > 0).then(whole).otherwise(pl.lit(None, kind))


def _without_empty_texts(both: pl.DataFrame) -> pl.DataFrame:
    ours = [c for c, kind in both.schema.items() if c.startswith(_OURS) and kind == pl.String]
    empty = [c for c in ours if (both[c] == "").any()]
    return both.with_columns(pl.when(pl.col(c) != "").then(pl.col(c)).alias(c) for c in empty)


def must(table: str, map: ColumnMap) -> tuple[str, ...]:
    """Our columns whose unreadable cells reject the row: what the table needs, and the time.

    A row whose time is lost would stand on the wrong side of a split by time, so that the map must allow it.
    """
    return REQUIRED[table] if "time" in map.optional else (*REQUIRED[table], "time")


def _lost(map: ColumnMap, both: pl.DataFrame) -> dict[str, pl.Expr]:
    """Our column to where a cell has something in it and gave no value; columns without such are left out."""
    found = {}
    for name, source in map.columns.items():
        if source not in both.columns or isinstance(both.schema[source], (pl.List, pl.Struct)):
            continue
        if both[_OURS + name].null_count():
            text = text_of(pl.col(source), both.schema[source])
            found[name] = pl.col(_OURS + name).is_null() & ~says_none(text).fill_null(True)
    return found


def _losses(name: str, gone: pl.DataFrame, at: pl.Series, map: ColumnMap, how: Reading) -> list[Loss]:
    """The lost cells of a column, a reason an entry."""
    if not len(gone):
        return []
    source = map.columns[name]
    texts = gone.select(text_of(pl.col(source), gone.schema[source]).str.strip_chars().alias("text"))["text"]
    return _by_reason(name, texts, at, lambda text: why(how, text))


def _by_reason(name: str, texts: pl.Series, at: pl.Series, reason: Callable[[str], str]) -> list[Loss]:
    counts = (
        pl.DataFrame({"text": texts, "at": at})
        .group_by("text", maintain_order=True)
        .agg(pl.len().alias("n"), pl.col("at").first())
    )
    found: dict[str, Loss] = {}
    for text, n, first in counts.iter_rows():
        told = reason(text)
        old = found.get(told, Loss(name, told, 0, []))
        examples = [*old.examples, (first, text)][:N_EXAMPLES]
        found[told] = Loss(name, told, old.n + n, examples)
    return list(found.values())


def _with_currency(map: ColumnMap, both: pl.DataFrame, at: pl.Series) -> tuple[pl.DataFrame, list[Loss]]:
    """The currency of each price: what its column, its cell or the map says; null where they disagree."""
    codes, price = pl.col(_OURS + PRICE_CODES), pl.col(_OURS + "price")
    single = pl.when(~codes.str.contains(",", literal=True)).then(codes)
    mapped = "currency" in map.columns and _OURS + "currency" in both.columns
    said = pl.col(_OURS + "currency") if mapped else pl.lit(map.currency, pl.String)
    fits = codes.is_null() | said.is_null() | codes.str.contains(said)
    made: pl.Expr
    if mapped:
        usual = pl.when(price.is_not_null()).then(pl.lit(map.currency, pl.String))
        made = pl.when(fits).then(pl.coalesce(said, single, usual))
    elif "currency" in map.constants:
        made = pl.coalesce(single, pl.col(_OURS + "currency"))
    else:
        made = pl.coalesce(single, pl.when(price.is_not_null() & codes.is_null()).then(said))
    both = both.with_columns(made.alias(_OURS + "currency"))
    wrong = pl.col(_OURS + "currency").is_null() & price.is_not_null() & codes.is_not_null()
    gone = both.filter(wrong)
    if not len(gone):
        return both, []
    source = map.columns["price"]
    texts = gone[source].str.strip_chars()
    meant = dict(zip(texts, gone[_OURS + PRICE_CODES], strict=True))
    return both, _by_reason(
        "currency", texts, at.filter(both.select(wrong).to_series()), lambda text: _no_currency(meant[text])
    )


def _no_currency(codes: str) -> str:
    if "," not in codes:
        return "names another currency than the row's own column"
    return f"has a sign of several currencies ({known_first(codes.split(','))}): give currency = one of them"


def _told(rows: pl.DataFrame, faults: list[Fault]) -> pl.Series:
    """The words of the first fault of each row."""
    names = [f"fault {i}" for i in range(len(faults))]
    bad = rows.with_columns(bad.fill_null(False).alias(n) for n, (bad, _) in zip(names, faults, strict=True))
    told = rows.with_columns(words.alias(n) for n, (_, words) in zip(names, faults, strict=True))
    pairs = zip(bad.select(names).iter_rows(), told.select(names).iter_rows(), strict=True)
    return pl.Series([words[flags.index(True)] for flags, words in pairs], dtype=pl.String)


def _faults(
    table: str, map: ColumnMap, how: Mapping[str, Reading], both: pl.DataFrame, lost: Mapping[str, pl.Expr]
) -> list[Fault]:
    """What can be wrong with a row of raw and made columns, the first one to tell first."""
    faults: list[Fault] = []
    for name, gone in lost.items():
        if name in must(table, map):
            source = map.columns[name]
            text = text_of(pl.col(source), both.schema[source]).str.strip_chars()
            faults.append((gone, text.map_elements(partial(_words, how[name]), return_dtype=pl.String)))
    if "time" in map.columns and map.columns["time"] in both.columns:
        limits = outside(how["time"], pl.col(_OURS + "time"))
        faults += [limits] if limits else []
    for name in REQUIRED[table]:
        source = map.columns.get(name, name)
        told = f"no {name}" + (f" (column '{source}' is empty)" if source != name else "")
        faults.append((pl.col(_OURS + name).is_null(), pl.lit(told)))
    if table == "reviews":
        said = [_OURS + name for name in ("text", "title", "rating") if _OURS + name in both.columns]
        none = pl.all_horizontal(pl.col(column).is_null() for column in said) if said else pl.lit(True)
        faults.append((none, pl.lit("neither text, title nor rating")))
    return faults or [(pl.lit(False), pl.lit(""))]


def _words(how: Reading, text: str) -> str:
    return f"{how.name} '{text[:40]}' {why(how, text)}"


def _with_ids(table: str, rows: pl.DataFrame) -> pl.DataFrame:
    """Reviews and questions without an id of their own get one from their content."""
    name, content = {
        "reviews": ("review_id", ("user_id", "item_id", "time", "rating", "title", "text")),
        "questions": ("question_id", ("item_id", "question", "answer", "time")),
    }.get(table, ("", ()))
    if not name or name in rows.columns:
        return rows
    known = [column for column in content if column in rows.columns]
    return rows.with_columns(content_ids(rows, *known).alias(name))


def missing_column(name: str, source: str, known: list[str], line: int) -> DataError:
    """The error for a file that lacks a column of the map, with the nearest one it has."""
    like = nearest(source, known)
    shown = ", ".join(column[:40] for column in known[:20]) + (" …" if len(known) > 20 else "")
    hint = f" Did you mean '{like}'?" if like else ""
    return DataError(f"no column '{source}'; it has {shown}.{hint}", path=name, row=line, column=source)
