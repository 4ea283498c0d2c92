"""Google Merchant feeds, delimited or XML, and the JSON-LD that shops put into their pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import orjson
import polars as pl
from selectolax.lexbor import LexborHTMLParser

from retailor.errors import DataError
from retailor.shop.cells.ids import content_ids
from retailor.shop.cells.stock import read_stock
from retailor.shop.files.nested import pairs_of
from retailor.shop.files.packed import streams
from retailor.shop.files.records import as_text
from retailor.shop.files.sink import Sink
from retailor.shop.files.xml import xml_rows
from retailor.shop.readers.exports.heads import starts_with
from retailor.shop.readers.exports.shaped import read_shaped, renamed
from retailor.shop.readers.tabular import Tally, add_frame, maps_of, tell

MERCHANT: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "id",
            "title": "title",
            "description": "description",
            "brand": "brand",
            "category": "product_type",
            "price": "price",
            "image": "image_link",
            "in_stock": "availability",
        },
        "instead": {"category": "google_product_category"},
        "attributes": {
            "color": "color",
            "size": "size",
            "material": "material",
            "pattern": "pattern",
            "gender": "gender",
            "age group": "age_group",
            "condition": "condition",
        },
        "optional": ("description", "brand", "category", "price", "image", "in_stock"),
        "decimal": ".",
    }
}
_LONGEST_PAGE = 16 << 20
_PRODUCTS = ("product", "productgroup", "individualproduct", "productmodel", "book", "vehicle")
_MOST_NODES = 100_000
_ATTRIBUTES = ("color", "size", "material", "pattern", "model", "gtin13", "gtin", "mpn")

Node = Mapping[str, Any]
Rows = dict[str, list[dict[str, Any]]]


def read_merchant(files: Sequence[Path], sink: Sink) -> None:
    """Reads product feeds: delimited text, RSS or Atom."""
    for path in files:
        if starts_with(path) != b"<":
            read_shaped(
                MERCHANT, path, sink, renamed({"image link": "image_link", "product type": "product_type"})
            )
            continue
        maps = maps_of(MERCHANT)
        for name, stream in streams(path):
            tally = Tally()
            for batch in xml_rows(name, stream):
                columns = dict.fromkeys(key for _, row in batch for key in row)
                frame = pl.DataFrame(
                    {key: pl.Series([row.get(key) for _, row in batch], dtype=pl.String) for key in columns}
                )
                if not {"id", "title"} <= {*columns}:
                    raise DataError(
                        "its elements have no <id> and <title>: it is no product feed.", path=name
                    )
                add_frame(
                    maps, name, frame, pl.Series([n for n, _ in batch], dtype=pl.Int64), sink, {}, tally
                )
            tell(name, tally, sink)


def read_pages(files: Sequence[Path], sink: Sink) -> None:
    """Reads saved pages: products, reviews, and questions with answers, as schema.org describes them."""
    for path in files:
        for name, stream in streams(path):
            rows: Rows = {"items": [], "reviews": [], "questions": []}
            page = _page(name, stream)
            for text in _scripts(page):
                try:
                    value = orjson.loads(text)
                except orjson.JSONDecodeError as error:
                    sink.reject(name, 1, f"its JSON-LD is no JSON ({error})")
                    continue
                for node in nodes(value):
                    _take(node, rows)
            if not any(rows.values()):
                sink.reject(name, 1, "no product, review or question in JSON-LD")
            _put(name, rows, sink)


def _page(name: str, stream: IO[bytes]) -> bytes:
    data = b""
    while part := stream.read1(1 << 20):  # type: ignore[attr-defined]
        data += part
        if len(data) > _LONGEST_PAGE:
            raise DataError(f"this page is longer than {_LONGEST_PAGE >> 20} MiB.", path=name)
    return data


def _scripts(page: bytes) -> list[str]:
    """The JSON-LD of a page; a file that is JSON itself is all of it."""
    if page.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"["):
        return [page.decode("utf-8-sig", "replace")]
    found = LexborHTMLParser(page).css('script[type="application/ld+json"]')
    return [text for node in found if (text := (node.text() or "").strip())]


def nodes(value: Any) -> Iterator[Node]:
    """Every object with a type, in whatever it stands; products are not looked into."""
    left, n = [value], 0
    while left and n < _MOST_NODES:
        one, n = left.pop(0), n + 1
        if isinstance(one, list):
            left[:0] = one
        elif isinstance(one, Mapping):
            if _is(one, *_PRODUCTS, "question", "review"):
                yield one
            else:
                left[:0] = [each for each in one.values() if isinstance(each, (list, Mapping))]


def _is(node: Node, *kinds: str) -> bool:
    types = node.get("@type")
    return any(
        isinstance(each, str) and each.rpartition("/")[2].lower() in kinds
        for each in (types if isinstance(types, list) else [types])
    )


def _take(node: Node, rows: Rows) -> None:
    if _is(node, "question"):
        answers = _all(node.get("acceptedAnswer")) or _all(node.get("suggestedAnswer"))
        answer = next((as_text(each.get("text")) for each in answers if isinstance(each, Mapping)), None)
        question = as_text(node.get("name") or node.get("text"))
        rows["questions"] += [{"question": question, "answer": answer}] if question else []
    elif _is(node, "review"):
        about = next((one for one in _all(node.get("itemReviewed")) if isinstance(one, Mapping)), {})
        rows["reviews"].append(_review(node, _id(about)))
    else:
        item = _id(node)
        rows["items"].append(_item(node, item))
        reviews = [
            each for each in _all(node.get("review") or node.get("reviews")) if isinstance(each, Mapping)
        ]
        rows["reviews"] += [_review(each, item) for each in reviews]


def _all(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _text(value: Any) -> str | None:
    """A text, the name of an object, or the first of a list of them."""
    for one in _all(value):
        if isinstance(one, Mapping):
            one = (
                one.get("name")
                or one.get("url")
                or one.get("contentUrl")
                or one.get("@value")
                or one.get("@id")
            )
        if (text := as_text(one)) is not None:
            return text.strip()
    return None


def _id(node: Node) -> str | None:
    for key in ("sku", "productID", "productGroupID", "mpn", "gtin13", "gtin", "@id", "url"):
        if text := _text(node.get(key)):
            return text
    return None


def _item(node: Node, item: str | None) -> dict[str, Any]:
    offers = [one for one in _all(node.get("offers")) if isinstance(one, Mapping)]
    offers += [each for one in offers for each in _all(one.get("offers")) if isinstance(each, Mapping)]
    price = next((p for one in offers if (p := as_text(one.get("price", one.get("lowPrice"))))), None)
    currency = next((c for one in offers if (c := as_text(one.get("priceCurrency")))), None)
    details = {name: text for name in _ATTRIBUTES if (text := _text(node.get(name)))}
    more = pairs_of([one for one in _all(node.get("additionalProperty")) if isinstance(one, Mapping)]) or []
    details |= {pair["name"]: pair["value"] for pair in more}
    return {
        "item_id": item,
        "title": _text(node.get("name")),
        "description": as_text(node.get("description")),
        "brand": _text(node.get("brand") or node.get("manufacturer")),
        "category": _text(node.get("category")),
        "price": price,
        "currency": currency,
        "image": _text(node.get("image")),
        "in_stock": _availability(offers),
        "attributes": orjson.dumps(details).decode() if details else None,
    }


def _availability(offers: Sequence[Node]) -> str | None:
    """What the offers of a product say: 'InStock' where one of them does."""
    said = [text for one in offers if (text := as_text(one.get("availability")))]
    return next((text for text in said if read_stock(text) is True), said[0] if said else None)


def _review(node: Node, item: str | None) -> dict[str, Any]:
    stars = next((one for one in _all(node.get("reviewRating")) if isinstance(one, Mapping)), {})
    best = as_text(stars.get("bestRating")) or "5"
    rating = as_text(stars.get("ratingValue"))
    return {
        "user_id": _text(node.get("author")),
        "item_id": item,
        "title": as_text(node.get("name") or node.get("headline")),
        "text": as_text(node.get("reviewBody") or node.get("description")),
        "time": as_text(node.get("datePublished")),
        "rating": rating if rating is None or best in ("5", "5.0") else f"{rating}/{best}",
        "language": as_text(node.get("inLanguage")),
    }


SHOWN: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "sku",
            "title": "name",
            "description": "description",
            "brand": "brand.name",
            "category": "category",
            "price": "offers.price",
            "currency": "offers.priceCurrency",
            "image": "image",
            "in_stock": "offers.availability",
            "attributes": "additionalProperty",
        },
        "instead": {"item_id": "productID"},
    },
    "reviews": {
        "columns": {
            "user_id": "author.name",
            "rating": "reviewRating.ratingValue",
            "title": "name",
            "text": "reviewBody",
            "time": "datePublished",
        }
    },
    "questions": {"columns": {"question": "Question.name", "answer": "acceptedAnswer.text"}},
}
"""For the table of the docs: what this code does."""
_COLUMNS = {
    "items": (
        "item_id",
        "title",
        "description",
        "brand",
        "category",
        "price",
        "currency",
        "image",
        "in_stock",
        "attributes",
    ),
    "reviews": ("user_id", "item_id", "title", "text", "rating", "time", "language"),
    "questions": ("question", "answer"),
}
_MAPS = {
    table: maps_of(
        {table: {"columns": {name: name for name in names}, "optional": ["time"] if "time" in names else []}}
    )
    for table, names in _COLUMNS.items()
}


def _put(name: str, rows: Rows, sink: Sink) -> None:
    for table, found in rows.items():
        if not found:
            continue
        columns = _COLUMNS[table]
        frame = pl.DataFrame(
            {key: pl.Series([row.get(key) for row in found], dtype=pl.String) for key in columns}
        )
        if table == "items":  # a page names a product again and again
            frame = frame.unique("item_id", keep="first", maintain_order=True)
        if table == "questions":
            frame = frame.filter(pl.Series(content_ids(frame, *columns)).is_first_distinct())
        add_frame(_MAPS[table], name, frame, pl.repeat(1, len(frame), dtype=pl.Int64, eager=True), sink)
