"""Shopify: products with their variants in the rows below, and orders with their lines below."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import orjson
import polars as pl

from retailor.shop.files.delimited import Frames
from retailor.shop.files.sink import Sink
from retailor.shop.readers.exports.heads import columns_of, frames_in
from retailor.shop.readers.exports.shaped import read_shaped, renamed, row_groups
from retailor.shop.readers.tabular import Reader

NEW_NAMES = {
    "URL handle": "Handle",
    "Description": "Body (HTML)",
    "SKU": "Variant SKU",
    "Price": "Variant Price",
    "Product image URL": "Image Src",
    "Product category": "Product Category",
    "Barcode": "Variant Barcode",
    "Inventory quantity": "Variant Inventory Qty",
    "Inventory tracker": "Variant Inventory Tracker",
    "Continue selling when out of stock": "Variant Inventory Policy",
    **{f"Option{i} name": f"Option{i} Name" for i in (1, 2, 3)},
    **{f"Option{i} value": f"Option{i} Value" for i in (1, 2, 3)},
}
"""What Shopify has called the columns since 2024, to what it called them before."""
PRODUCTS: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "Handle",
            "title": "Title",
            "description": "Body (HTML)",
            "brand": "Vendor",
            "category": "Product Category",
            "price": "Variant Price",
            "image": "Image Src",
            "attributes": "options",
            "in_stock": "in stock",
        },
        "instead": {"category": "Type"},
        "optional": ("description", "brand", "category", "price", "image", "attributes", "in_stock"),
        "decimal": ".",
    }
}
ORDERS: dict[str, Any] = {
    "events": {
        "columns": {"user_id": "Email", "item_id": "item", "kind": "Financial Status", "time": "Created at"},
        "instead": {"user_id": "Phone"},
        "values": {
            "kind": dict.fromkeys(
                ("paid", "authorized", "pending", "partially_paid", "partially_refunded"), "buy"
            )
        },
        "leave_out": ("kind",),
    }
}
ORDERED_ITEMS: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "item",
            "title": "Lineitem name",
            "brand": "Vendor",
            "price": "Lineitem price",
            "currency": "Currency",
        },
        "optional": ("brand", "price", "currency"),
        "decimal": ".",
        "derived": True,
    }
}
"""What orders say of items, for a shop whose products are not there."""
_OF_THE_ORDER = ("Email", "Phone", "Financial Status", "Created at", "Paid at", "Currency")


def open_shopify(paths: Sequence[Path]) -> Reader:
    """A reader that knows the SKUs in the product files among `paths`: orders name these, no products."""
    skus: dict[str, str] = {}
    titles: dict[str, str] = {}
    for path in paths:
        if "Title" in columns_of(path, NEW_NAMES):
            _learn(path, skus, titles)
    return partial(_read, skus, titles)


def _read(skus: dict[str, str], titles: dict[str, str], files: Sequence[Path], sink: Sink) -> None:
    for path in files:
        if "Lineitem name" in columns_of(path):
            tables = ORDERS if titles else {**ORDERS, **ORDERED_ITEMS}
            read_shaped(tables, path, sink, partial(_orders, skus, titles))
        else:
            read_shaped(PRODUCTS, path, sink, lambda frames: _products(renamed(NEW_NAMES)(frames)))


def _learn(path: Path, skus: dict[str, str], titles: dict[str, str]) -> None:
    for frame, _ in row_groups(renamed(NEW_NAMES)(frames_in(path)), "Handle"):
        for column, known in (("Variant SKU", skus), ("Title", titles)):
            if column in frame.columns:
                for handle, name in frame.select("Handle", column).drop_nulls().iter_rows():
                    known.setdefault(name.strip(), handle.strip())


def _products(frames: Frames) -> Frames:
    """A row a product: the first that each column says, the lowest price, and the options."""
    for frame, lines in row_groups(frames, "Handle"):
        others = [name for name in frame.columns if name != "Handle"]
        price = pl.col("Variant Price").cast(pl.Float64, strict=False)
        grouped = frame.with_columns(line=lines).group_by("Handle", maintain_order=True)
        made = grouped.agg(
            *(pl.col(name).drop_nulls().first() for name in others if name != "Variant Price"),
            *(
                [pl.col("Variant Price").sort_by(price, nulls_last=True).first()]
                if "Variant Price" in others
                else []
            ),
            pl.col("line").first(),
            _in_stock(others).alias("in stock"),
            *(
                pl.col(f"Option{i} Value").drop_nulls().unique(maintain_order=True).alias(f"values {i}")
                for i in (1, 2, 3)
                if f"Option{i} Value" in others
            ),
        )
        options = pl.Series([_options(row) for row in made.iter_rows(named=True)], dtype=pl.String)
        yield made.with_columns(options=options).drop("line"), made["line"].cast(pl.Int64)


def _in_stock(columns: Sequence[str]) -> pl.Expr:
    """Whether a variant can be bought: there are some, or it is sold without being counted or beyond that.

    None where the export has no counts.
    """
    if "Variant Inventory Qty" not in columns:
        return pl.lit(None, pl.String).first()
    count = pl.col("Variant Inventory Qty").cast(pl.Float64, strict=False)
    can = count > 0
    if "Variant Inventory Policy" in columns:
        can |= pl.col("Variant Inventory Policy").str.to_lowercase().is_in(["continue", "true"])
    if "Variant Inventory Tracker" in columns:
        can |= count.is_not_null() & pl.col("Variant Inventory Tracker").is_null()
    told = can.drop_nulls()
    return pl.when(told.len() > 0).then(told.any()).cast(pl.String)


def _options(row: dict[str, Any]) -> str | None:
    found = {}
    for i in (1, 2, 3):
        name, values = row.get(f"Option{i} Name"), row.get(f"values {i}")
        if name and name != "Title" and values:
            found[name] = ", ".join(values)
    return orjson.dumps(found).decode() if found else None


def _orders(skus: dict[str, str], titles: dict[str, str], frames: Frames) -> Frames:
    """A row a line of an order, with what only its first row says, and the product that the line is of."""
    for frame, lines in row_groups(frames, "Name"):
        said = [name for name in _OF_THE_ORDER if name in frame.columns]
        frame = frame.with_columns(pl.col(said).forward_fill().over("Name"))
        pairs = zip(
            frame["Lineitem sku"] if "Lineitem sku" in frame.columns else [None] * len(frame),
            frame["Lineitem name"],
            strict=True,
        )
        items = [_item(sku, name, skus, titles) for sku, name in pairs]
        yield frame.with_columns(item=pl.Series(items, dtype=pl.String)), lines


def _item(sku: str | None, name: str | None, skus: dict[str, str], titles: dict[str, str]) -> str | None:
    """The product's handle by its SKU, or by its title before ' - ' and the variant; else the SKU itself."""
    if sku and sku.strip() in skus:
        return skus[sku.strip()]
    title = (name or "").strip()
    while title:
        if title in titles:
            return titles[title]
        title = title.rpartition(" - ")[0]
    return sku or name
