"""The table of known exports: by which columns each is told, what becomes what, and what reads it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from retailor.shop.files.encodings import encodings_in
from retailor.shop.files.sink import Sink
from retailor.shop.readers.column_maps import sources
from retailor.shop.readers.exports import catalogues, feeds, shopify
from retailor.shop.readers.exports.heads import columns_of
from retailor.shop.readers.exports.logs import LOGS, TABLES
from retailor.shop.readers.tabular import Maps, Reader, maps_of, read_tabular

Open = Callable[[Sequence[Path]], Reader]
"""Takes all files of a source, and gives what reads each of them."""


@dataclass(frozen=True)
class Part:
    """One kind of file of an export."""

    what: str
    """In words: 'products'."""
    signs: tuple[str, ...]
    """Columns that tell it, or paths of JSON; of markup a piece of its text."""
    tables: Mapping[str, Any]
    """Column maps: what becomes what. Of code, what it does with the rows it has made."""
    notes: str = ""


@dataclass(frozen=True)
class Export:
    """A system, and the files that it exports."""

    name: str
    system: str
    parts: tuple[Part, ...]
    open: Open


def _maps(tables: Mapping[str, Any], paths: Sequence[Path]) -> Reader:
    """Reads by column maps alone, in the encoding of each file; without derived items where there is a catalogue."""
    maps = maps_of(tables)
    own = [map for table, map in maps if table == "items" and not map.derived]
    if own and any({*sources(map)} <= {*columns_of(path)} for path in paths for map in own):
        maps = [(table, map) for table, map in maps if not map.derived]
    return partial(_read_maps, maps)


def _read_maps(maps: Maps, files: Sequence[Path], sink: Sink) -> None:
    for path in files:
        encoding = next((one for one in encodings_in(path).values() if one), None)
        read_tabular([(table, replace(map, encoding=encoding)) for table, map in maps], [path], sink)


def _plainly(reader: Reader, paths: Sequence[Path]) -> Reader:
    return reader


def _only(tables: Mapping[str, Any], *names: str) -> dict[str, Any]:
    return {name: tables[name] for name in names}


def _of_map(tables: Mapping[str, Any], at: Mapping[str, int]) -> dict[str, Any]:
    """The tables of one kind of file: of a list of maps the one at a number."""
    return {
        name: tables[name][i] if isinstance(tables[name], list) else tables[name] for name, i in at.items()
    }


_SNOWPLOW_PRODUCT = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1"

EXPORTS: dict[str, Export] = {
    export.name: export
    for export in (
        Export(
            "shopify", "Shopify",
            (
                Part("products", ("Handle", "Title", "Vendor", "Option1 Name"), shopify.PRODUCTS,
                     "a row a variant: one item a product, its lowest price, its options as attributes"),
                Part("products", ("URL handle", "Title", "Vendor", "Option1 name"), shopify.PRODUCTS,
                     "the names of columns since 2024"),
                Part("orders", ("Name", "Email", "Financial Status", "Lineitem name", "Lineitem quantity"),
                     shopify.ORDERS, "a row a line; the SKU becomes the product's handle; refunded and voided ones are "
                     "left out"),
            ),
            shopify.open_shopify,
        ),
        Export(
            "woocommerce", "WooCommerce",
            (
                Part("products", ("ID", "Type", "SKU", "Name", "Regular price", "Categories"), catalogues.WOO_PRODUCTS,
                     "variations are left out; the first category and image; attributes 1, 2, … are gathered"),
                Part("orders", ("line_items", "customer_id", "date_created_gmt"), catalogues.WOO_ORDERS,
                     "JSON of the REST interface, a row a line"),
            ),
            catalogues.open_woo,
        ),
        Export(
            "magento", "Magento, Adobe Commerce",
            (
                Part("products", ("sku", "attribute_set_code", "product_type", "name", "url_key"), catalogues.MAGENTO,
                     "the default store view; products that are not visible are left out; the deepest category"),
            ),
            partial(_plainly, catalogues.read_magento),
        ),
        Export(
            "google-merchant", "Google Merchant feed",
            (
                Part("products", ("id", "title", "link", "image_link", "availability", "price"), feeds.MERCHANT,
                     "delimited text"),
                Part("products", ("<g:id>",), feeds.MERCHANT, "RSS or Atom"),
            ),
            partial(_plainly, feeds.read_merchant),
        ),
        Export(
            "json-ld", "schema.org in pages",
            (
                Part("pages", ("application/ld+json",), feeds.SHOWN,
                     "saved HTML, any number of pages, also zipped; Product, Review, Question"),
            ),
            partial(_plainly, feeds.read_pages),
        ),
        Export(
            "ga4", "Google Analytics 4",
            (
                Part("events", ("event_name", "event_timestamp", "user_pseudo_id", "items"), LOGS["ga4"],
                     "BigQuery's export as JSON lines, a row an item of an event; other events are left out"),
            ),
            partial(_maps, LOGS["ga4"]),
        ),
        Export(
            "segment", "Segment",
            (
                Part("events", ("event", "anonymousId", "messageId", "properties"), LOGS["segment"],
                     "track calls as JSON lines"),
            ),
            partial(_maps, LOGS["segment"]),
        ),
        Export(
            "snowplow", "Snowplow",
            (
                Part("events", ("collector_tstamp", "domain_userid", _SNOWPLOW_PRODUCT), LOGS["snowplow"],
                     "enriched events as JSON lines, with the ecommerce entities"),
            ),
            partial(_maps, LOGS["snowplow"]),
        ),
        Export(
            "judgeme", "Judge.me",
            (
                Part("reviews", ("title", "body", "rating", "review_date", "product_handle"), TABLES["judgeme"],
                     "the product's handle, as in Shopify's files"),
            ),
            partial(_maps, TABLES["judgeme"]),
        ),
        Export(
            "yotpo", "Yotpo",
            (Part("reviews", ("review_content", "review_score", "product_id", "product_title"), TABLES["yotpo"]),),
            partial(_maps, TABLES["yotpo"]),
        ),
        Export(
            "trustpilot", "Trustpilot",
            (Part("reviews", ("Review ID", "Review Stars", "Review Content"), TABLES["trustpilot"]),),
            partial(_maps, TABLES["trustpilot"]),
        ),
        Export(
            "tmall", "Tmall, Taobao",
            (
                Part("orders", ("买家会员名", "商品ID", "订单状态", "商品标题"), _of_map(TABLES["tmall"], {"events": 0, "items": 1}),
                     "GB 18030 or UTF-8; closed and unpaid orders are left out"),
                Part("products", ("宝贝ID", "宝贝标题", "一口价"), _of_map(TABLES["tmall"], {"items": 0})),
                Part("reviews", ("买家昵称", "商品ID", "评价等级", "评价内容"), _only(TABLES["tmall"], "reviews")),
            ),
            partial(_maps, TABLES["tmall"]),
        ),
        Export(
            "jd", "JD",
            (
                Part("orders", ("下单帐号", "商品ID", "订单状态", "京东价"), _of_map(TABLES["jd"], {"events": 0, "items": 1}),
                     "GB 18030 or UTF-8; cancelled orders are left out"),
                Part("products", ("商品编号", "商品名称", "京东价"), _of_map(TABLES["jd"], {"items": 0})),
                Part("reviews", ("用户昵称", "商品编号", "评分", "评价内容"), _only(TABLES["jd"], "reviews")),
            ),
            partial(_maps, TABLES["jd"]),
        ),
        Export(
            "recbole", "RecBole",
            (
                Part("interactions", ("user_id:token", "item_id:token"), _only(catalogues.RECBOLE, "events")),
                Part("items", ("item_id:token",), _only(catalogues.RECBOLE, "items"), "the title is …title or …name"),
                Part("users", ("user_id:token",), {}, "left out"),
            ),
            partial(_plainly, catalogues.read_recbole),
        ),
        Export(
            "movielens", "MovieLens",
            (
                Part("ratings", ("userId", "movieId", "rating", "timestamp"), _only(catalogues.ML_MAPS, "events")),
                Part("movies", ("movieId", "title", "genres"), _only(catalogues.ML_MAPS, "items")),
                Part("ratings", ("4 fields between '::'",), catalogues.ML_DATS["ratings"][1], "the sets of 2003"),
                Part("movies", ("3 fields between '::'",), catalogues.ML_DATS["movies"][1]),
                Part("tags", ("userId", "movieId", "tag", "timestamp"), {}, "left out"),
            ),
            partial(_plainly, catalogues.read_movielens),
        ),
        Export(
            "yelp", "Yelp",
            (
                Part("businesses", ("business_id", "name", "is_open", "categories"), _only(LOGS["yelp"], "items")),
                Part("reviews", ("review_id", "business_id", "stars", "text", "useful"),
                     _of_map(LOGS["yelp"], {"reviews": 0, "events": 0})),
                Part("tips", ("business_id", "text", "compliment_count"), _of_map(LOGS["yelp"], {"reviews": 1})),
            ),
            partial(_maps, LOGS["yelp"]),
        ),
        Export(
            "esci", "Amazon ESCI",
            (
                Part("judgments", ("query", "product_id", "esci_label"), _only(LOGS["esci"], "judgments")),
                Part("products", ("product_id", "product_title", "product_bullet_point"), _only(LOGS["esci"], "items")),
            ),
            partial(_maps, LOGS["esci"]),
        ),
        Export(
            "wands", "WANDS (Wayfair)",
            (
                Part("products", ("product_id", "product_class", "category hierarchy"), catalogues.WANDS_PRODUCTS),
                Part("labels", ("query_id", "product_id", "label"), catalogues.WANDS_LABELS,
                     "with the queries of query.csv"),
                Part("queries", ("query_id", "query", "query_class"), {}),
            ),
            catalogues.open_wands,
        ),
    )
}  # fmt: skip
"""Name to export."""


def recognised(names: Sequence[str], head: bytes = b"") -> tuple[Export, Part] | None:
    """The export whose columns these are, the one with the most signs where several are; None for no known one.

    `names` are columns, keys and paths; `head` is what markup begins with.
    """
    known = {*names}
    found = [
        (len(part.signs), export, part)
        for export in EXPORTS.values()
        for part in export.parts
        if all(sign in known or ("<" in sign or "/" in sign) and sign.encode() in head for sign in part.signs)
    ]
    return max(found, key=lambda one: one[0])[1:] if found else None


def reference() -> str:
    """The table of the docs: what becomes what, a row a kind of file."""
    lines = ["| reader | files | what becomes what | |", "|---|---|---|---|"]
    for export in EXPORTS.values():
        for part in export.parts:
            told = "; ".join(_told(table, map) for table, map in part.tables.items() if map)
            lines.append(f"| `{export.name}` | {export.system}: {part.what} | {told} | {part.notes} |")
    return "\n".join(lines)


def _told(table: str, maps: Any) -> str:
    several = maps if isinstance(maps, list) else [maps]
    pairs: dict[str, str] = {}
    for map in several:
        for ours, source in map["columns"].items():
            second = map.get("instead", {}).get(ours)
            names = f"`{source.rpartition('.')[2]}`" + (
                f" or `{second.rpartition('.')[2]}`" if second else ""
            )
            pairs.setdefault(ours, f"{names} → {ours}")
        for detail, source in map.get("attributes", {}).items():
            pairs.setdefault(f"attribute {detail}", f"`{source}` → attribute {detail}")
    return f"**{table}**: " + ", ".join(pairs.values())
