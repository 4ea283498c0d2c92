"""Catalogues and public sets whose rows are changed before a column map reads them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from retailor.shop.files.delimited import Frames
from retailor.shop.files.records import as_number
from retailor.shop.files.sink import Sink
from retailor.shop.readers.exports.heads import columns_of, frames_in, starts_with
from retailor.shop.readers.exports.shaped import read_shaped
from retailor.shop.readers.tabular import Reader, maps_of, read_tabular

WOO_PRODUCTS: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "ID",
            "title": "Name",
            "description": "Description",
            "price": "Regular price",
            "category": "Categories",
            "image": "Images",
            "brand": "Brands",
            "attributes": "attributes",
            "in_stock": "In stock?",
        },
        "instead": {"description": "Short description", "price": "Sale price"},
        "optional": ("description", "price", "category", "image", "brand", "attributes", "in_stock"),
    }
}
WOO_ORDERS: dict[str, Any] = {
    "events": {
        "format": "jsonl",
        "each": "line_items",
        "columns": {
            "user_id": "customer_id",
            "item_id": "line_items.product_id",
            "kind": "status",
            "time": "date_created_gmt",
        },
        "instead": {"user_id": "billing.email"},
        "values": {"kind": {"completed": "buy", "processing": "buy", "on-hold": "buy"}},
        "leave_out": ("kind",),
    },
    "items": {
        "format": "jsonl",
        "each": "line_items",
        "columns": {
            "item_id": "line_items.product_id",
            "title": "line_items.parent_name",
            "price": "line_items.price",
            "currency": "currency",
        },
        "instead": {"title": "line_items.name"},
        "derived": True,
        "optional": ("title", "price", "currency"),
    },
}
MAGENTO: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "sku",
            "title": "name",
            "description": "description",
            "category": "categories",
            "price": "price",
            "image": "base_image",
            "attributes": "additional_attributes",
            "in_stock": "is_in_stock",
        },
        "instead": {"description": "short_description"},
        "optional": ("description", "category", "price", "image", "attributes", "in_stock"),
        "decimal": ".",
    }
}
RECBOLE: dict[str, Any] = {
    "events": {
        "columns": {"user_id": "user_id", "item_id": "item_id", "rating": "rating", "time": "timestamp"},
        "constants": {"kind": "rate"},
        "optional": ("rating", "time"),
        "time_unit": "s",
    },
    "items": {
        "columns": {
            "item_id": "item_id",
            "title": "title",
            "category": "class",
            "brand": "brand",
            "price": "price",
        },
        "optional": ("category", "brand", "price"),
        "decimal": ".",
    },
}
ML_DATS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "ratings": (
        ("user", "movie", "rating", "time"),
        {
            "events": {
                "columns": {"user_id": "user", "item_id": "movie", "rating": "rating", "time": "time"},
                "constants": {"kind": "rate"},
                "time_unit": "s",
            }
        },
    ),
    "movies": (
        ("movie", "title", "genres"),
        {"items": {"columns": {"item_id": "movie", "title": "title", "category": "genres"}}},
    ),
}
WANDS_PRODUCTS: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "product_id",
            "title": "product_name",
            "description": "product_description",
            "category": "category hierarchy",
            "attributes": "product_features",
        },
        "instead": {"category": "product_class"},
        "optional": ("description", "category", "attributes"),
        "list_separator": " / ",
        "quote": None,
    }
}
WANDS_LABELS: dict[str, Any] = {
    "judgments": {
        "columns": {"query": "query", "item_id": "product_id", "grade": "label"},
        "values": {"grade": {"Exact": 2.0, "Partial": 1.0, "Irrelevant": 0.0}},
    }
}
_LISTED = re.compile(r"(?<!\\),\s*")
_ROOTS = ("Default Category/", "Root Catalog/")


def open_woo(paths: Sequence[Path]) -> Reader:
    """Reads WooCommerce's product export (CSV) and orders as its REST interface gives them (JSON)."""
    orders = dict(WOO_ORDERS)
    lowest: dict[str, float] = {}
    for path in paths:
        if "Regular price" in columns_of(path):
            orders.pop("items", None)
            _learn_prices(path, lowest)
    return partial(_read_woo, orders, lowest)


def _learn_prices(path: Path, lowest: dict[str, float]) -> None:
    """The lowest price among the variations of each product, which has none of its own, by its id or SKU."""
    for frame, _ in frames_in(path):
        if not {"Parent", "Regular price"} <= {*frame.columns}:
            continue
        for parent, price in frame.select("Parent", "Regular price").drop_nulls().iter_rows():
            amount = as_number(price)
            if amount is not None:
                key = parent.removeprefix("id:").strip()
                lowest[key] = min(amount, lowest.get(key, amount))


def _read_woo(orders: dict[str, Any], lowest: dict[str, float], files: Sequence[Path], sink: Sink) -> None:
    for path in files:
        if starts_with(path) in (b"{", b"["):
            read_tabular(maps_of(orders), [path], sink)
        else:
            read_shaped(WOO_PRODUCTS, path, sink, partial(_woo, lowest, sink, path))


def _woo(lowest: dict[str, float], sink: Sink, path: Path, frames: Frames) -> Frames:
    """Products alone: a variation is no item, for reviews and the page of it are its parent's."""
    n_left = 0
    for frame, lines in frames:
        if "Type" in frame.columns and len(frame):
            is_own = frame["Type"].str.to_lowercase().str.contains("variation").not_().fill_null(True)
            n_left += int((~is_own).sum())
            frame, lines = frame.filter(is_own), lines.filter(is_own)
        made = {
            "attributes": pl.Series(
                [_woo_details(row) for row in frame.iter_rows(named=True)], dtype=pl.String
            )
        }
        if len(frame) and "Regular price" in frame.columns:
            prices = [_woo_price(row, lowest) for row in frame.iter_rows(named=True)]
            made["Regular price"] = pl.Series(prices, dtype=pl.String)
        for name in ("Categories", "Images"):
            if name in frame.columns:
                made[name] = pl.Series([_first(cell) for cell in frame[name]], dtype=pl.String)
        yield frame.with_columns(**made), lines
    if n_left:
        sink.unread.remark(
            str(path), f"items: {n_left:,} variations are left out, their product stands for them"
        )


def _woo_price(row: dict[str, Any], lowest: dict[str, float]) -> str | None:
    price = row["Regular price"] or row.get("Sale price")
    found = [lowest[row[key]] for key in ("ID", "SKU") if row.get(key) in lowest]
    return price or (f"{min(found):g}" if found else None)


def _first(cell: str | None) -> str | None:
    return None if cell is None else _LISTED.split(cell)[0].replace("\\,", ",")


def _woo_details(row: dict[str, Any]) -> str | None:
    found, i = {}, 1
    while f"Attribute {i} name" in row:
        name, values = row[f"Attribute {i} name"], row.get(f"Attribute {i} value(s)")
        if name and values:
            found[name] = values
        i += 1
    return orjson.dumps(found).decode() if found else None


def read_magento(files: Sequence[Path], sink: Sink) -> None:
    """Reads Magento's product export: of the default store view, what customers can see."""
    for path in files:
        read_shaped(MAGENTO, path, sink, partial(_magento, sink, path))


def _magento(sink: Sink, path: Path, frames: Frames) -> Frames:
    n_views = n_hidden = 0
    for frame, lines in frames:
        if len(frame):
            is_seen = pl.Series([True] * len(frame))
            if "store_view_code" in frame.columns:
                default = frame["store_view_code"].fill_null("default").is_in(["default", "all", "admin"])
                n_views += int((~default).sum())
                is_seen = is_seen & default
            if "visibility" in frame.columns:
                hidden = (frame["visibility"] == "Not Visible Individually").fill_null(False) & is_seen
                n_hidden += int(hidden.sum())
                is_seen = is_seen & ~hidden
            frame, lines = frame.filter(is_seen), lines.filter(is_seen)
        if "categories" in frame.columns:
            paths = pl.Series([_deepest(cell) for cell in frame["categories"]], dtype=pl.String)
            frame = frame.with_columns(categories=paths)
        yield frame, lines
    for n, what in (
        (n_views, "rows of other store views"),
        (n_hidden, "products that are not visible by themselves"),
    ):
        if n:
            sink.unread.remark(str(path), f"items: {n:,} {what} are left out")


def _deepest(cell: str | None) -> str | None:
    """'Gear > Bags' of 'Default Category/Gear,Default Category/Gear/Bags'."""
    if cell is None:
        return None
    path = max(cell.split(","), key=lambda one: one.count("/")).strip()
    for root in _ROOTS:
        path = path.removeprefix(root)
    return path.replace("/", " > ")


def read_recbole(files: Sequence[Path], sink: Sink) -> None:
    """Reads RecBole's atomic files: interactions and items; those of users are left out with a remark."""
    for path in files:
        columns = [name.partition(":")[0] for name in columns_of(path)]
        if "item_id" not in columns:
            sink.unread.remark(str(path), "it is about users, for whom a shop has no table: left out")
            continue
        read_shaped(RECBOLE, path, sink, _atomic, delimiter="\t", quote=None)


def _atomic(frames: Frames) -> Frames:
    for frame, lines in frames:
        plain = {name: name.partition(":")[0] for name in frame.columns}
        title = next(
            (new for new in plain.values() if new in ("title", "name") or new.endswith(("_title", "_name"))),
            "",
        )
        category = next(
            (new for new in plain.values() if new in ("categories", "category", "genre", "genres", "class")),
            "",
        )
        usual = {title: "title", category: "class"}
        yield frame.rename({old: usual.get(new, new) for old, new in plain.items()}), lines


def read_movielens(files: Sequence[Path], sink: Sink) -> None:
    """Reads MovieLens, its CSV files and the older ones with '::' between; tags are left out."""
    for path in files:
        if path.suffix == ".dat":
            _read_dat(path, sink)
            continue
        columns = columns_of(path)
        if "rating" in columns or "genres" in columns:
            read_tabular(maps_of(ML_MAPS), [path], sink)
        else:
            sink.unread.remark(str(path), "it holds neither ratings nor movies: left out")


ML_MAPS: dict[str, Any] = {
    "events": {
        "columns": {"user_id": "userId", "item_id": "movieId", "rating": "rating", "time": "timestamp"},
        "constants": {"kind": "rate"},
        "time_unit": "s",
    },
    "items": {"columns": {"item_id": "movieId", "title": "title", "category": "genres"}},
}


def _read_dat(path: Path, sink: Sink) -> None:
    n_fields = {"ratings": 4, "movies": 3}
    with path.open("rb") as file:
        n = file.readline().count(b"::") + 1
    kind = next((kind for kind, count in n_fields.items() if count == n), None)
    if kind is None:
        sink.unread.remark(str(path), "it holds neither ratings nor movies: left out")
        return
    names, tables = ML_DATS[kind]
    read_shaped(tables, path, sink, names=names, delimiter="::", quote=None)


def open_wands(paths: Sequence[Path]) -> Reader:
    """A reader that knows the queries among `paths`: the labels only number them."""
    queries: dict[str, str] = {}
    for path in paths:
        for frame, _ in frames_in(path):
            if {"query_id", "query"} <= {*frame.columns}:
                queries |= {
                    key: text for key, text in frame.select("query_id", "query").iter_rows() if key and text
                }
    return partial(_read_wands, queries)


def _read_wands(queries: dict[str, str], files: Sequence[Path], sink: Sink) -> None:
    for path in files:
        columns = columns_of(path)
        if "label" in columns:
            read_shaped(WANDS_LABELS, path, sink, partial(_asked, queries), delimiter="\t", quote=None)
        elif "query" not in columns:
            read_shaped(WANDS_PRODUCTS, path, sink, delimiter="\t", quote=None)


def _asked(queries: dict[str, str], frames: Frames) -> Frames:
    for frame, lines in frames:
        asked = pl.Series([queries.get(key) for key in frame["query_id"]], dtype=pl.String)
        yield frame.with_columns(query=asked), lines
