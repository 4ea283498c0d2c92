"""The table of known exports: by which columns each is told, what becomes what, and what reads it."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from retailor.shop.readers.exports import catalogues, feeds, shopify
from retailor.shop.readers.exports.logs import LOGS, TABLES
from retailor.shop.readers.exports.parts import Export, Part, alone, by_maps, of_map, only

_SNOWPLOW_PRODUCT = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1"

EXPORTS: dict[str, Export] = {
    export.name: export
    for export in (
        Export(
            "shopify",
            "Shopify",
            (
                Part(
                    "products",
                    ("Handle", "Title", "Vendor", "Option1 Name"),
                    shopify.PRODUCTS,
                    "a row a variant: one item a product, its lowest price, its options as attributes",
                ),
                Part(
                    "products",
                    ("URL handle", "Title", "Vendor", "Option1 name"),
                    shopify.PRODUCTS,
                    "the names of columns since 2024",
                ),
                Part(
                    "orders",
                    ("Name", "Email", "Financial Status", "Lineitem name", "Lineitem quantity"),
                    shopify.ORDERS,
                    "a row a line; the SKU becomes the product's handle; refunded and voided ones are "
                    "left out",
                ),
            ),
            shopify.open_shopify,
        ),
        Export(
            "woocommerce",
            "WooCommerce",
            (
                Part(
                    "products",
                    ("ID", "Type", "SKU", "Name", "Regular price", "Categories"),
                    catalogues.WOO_PRODUCTS,
                    "variations are left out; the first category and image; attributes 1, 2, … are gathered",
                ),
                Part(
                    "orders",
                    ("line_items", "customer_id", "date_created_gmt"),
                    catalogues.WOO_ORDERS,
                    "JSON of the REST interface, a row a line",
                ),
            ),
            catalogues.open_woo,
        ),
        Export(
            "magento",
            "Magento, Adobe Commerce",
            (
                Part(
                    "products",
                    ("sku", "attribute_set_code", "product_type", "name", "url_key"),
                    catalogues.MAGENTO,
                    "the default store view; what is not visible is left out; the deepest category",
                ),
            ),
            partial(alone, catalogues.read_magento),
        ),
        Export(
            "google-merchant",
            "Google Merchant feed",
            (
                Part(
                    "products",
                    ("id", "title", "link", "image_link", "availability", "price"),
                    feeds.MERCHANT,
                    "delimited text",
                ),
                Part("products", ("<g:id>",), feeds.MERCHANT, "RSS or Atom"),
            ),
            partial(alone, feeds.read_merchant),
        ),
        Export(
            "json-ld",
            "schema.org in pages",
            (
                Part(
                    "pages",
                    ("application/ld+json",),
                    feeds.SHOWN,
                    "saved HTML, any number of pages, also zipped; Product, Review, Question",
                ),
            ),
            partial(alone, feeds.read_pages),
        ),
        Export(
            "ga4",
            "Google Analytics 4",
            (
                Part(
                    "events",
                    ("event_name", "event_timestamp", "user_pseudo_id", "items"),
                    LOGS["ga4"],
                    "BigQuery's export as JSON lines, a row an item of an event; other events are left out",
                ),
            ),
            partial(by_maps, LOGS["ga4"]),
        ),
        Export(
            "segment",
            "Segment",
            (
                Part(
                    "events",
                    ("event", "anonymousId", "messageId", "properties"),
                    LOGS["segment"],
                    "track calls as JSON lines",
                ),
            ),
            partial(by_maps, LOGS["segment"]),
        ),
        Export(
            "snowplow",
            "Snowplow",
            (
                Part(
                    "events",
                    ("collector_tstamp", "domain_userid", _SNOWPLOW_PRODUCT),
                    LOGS["snowplow"],
                    "enriched events as JSON lines, with the ecommerce entities",
                ),
            ),
            partial(by_maps, LOGS["snowplow"]),
        ),
        Export(
            "judgeme",
            "Judge.me",
            (
                Part(
                    "reviews",
                    ("title", "body", "rating", "review_date", "product_handle"),
                    TABLES["judgeme"],
                    "the product's handle, as in Shopify's files",
                ),
            ),
            partial(by_maps, TABLES["judgeme"]),
        ),
        Export(
            "yotpo",
            "Yotpo",
            (
                Part(
                    "reviews",
                    ("review_content", "review_score", "product_id", "product_title"),
                    TABLES["yotpo"],
                ),
            ),
            partial(by_maps, TABLES["yotpo"]),
        ),
        Export(
            "trustpilot",
            "Trustpilot",
            (Part("reviews", ("Review ID", "Review Stars", "Review Content"), TABLES["trustpilot"]),),
            partial(by_maps, TABLES["trustpilot"]),
        ),
        Export(
            "tmall",
            "Tmall, Taobao",
            (
                Part(
                    "orders",
                    ("买家会员名", "商品ID", "订单状态", "商品标题"),
                    of_map(TABLES["tmall"], {"events": 0, "items": 1}),
                    "GB 18030 or UTF-8; closed and unpaid orders are left out",
                ),
                Part("products", ("宝贝ID", "宝贝标题", "一口价"), of_map(TABLES["tmall"], {"items": 0})),
                Part(
                    "reviews",
                    ("买家昵称", "商品ID", "评价等级", "评价内容"),
                    only(TABLES["tmall"], "reviews"),
                ),
            ),
            partial(by_maps, TABLES["tmall"]),
        ),
        Export(
            "jd",
            "JD",
            (
                Part(
                    "orders",
                    ("下单帐号", "商品ID", "订单状态", "京东价"),
                    of_map(TABLES["jd"], {"events": 0, "items": 1}),
                    "GB 18030 or UTF-8; cancelled orders are left out",
                ),
                Part("products", ("商品编号", "商品名称", "京东价"), of_map(TABLES["jd"], {"items": 0})),
                Part("reviews", ("用户昵称", "商品编号", "评分", "评价内容"), only(TABLES["jd"], "reviews")),
            ),
            partial(by_maps, TABLES["jd"]),
        ),
        Export(
            "recbole",
            "RecBole",
            (
                Part("interactions", ("user_id:token", "item_id:token"), only(catalogues.RECBOLE, "events")),
                Part(
                    "items",
                    ("item_id:token",),
                    only(catalogues.RECBOLE, "items"),
                    "the title is …title or …name",
                ),
                Part("users", ("user_id:token",), {}, "left out"),
            ),
            partial(alone, catalogues.read_recbole),
        ),
        Export(
            "movielens",
            "MovieLens",
            (
                Part(
                    "ratings",
                    ("userId", "movieId", "rating", "timestamp"),
                    only(catalogues.ML_MAPS, "events"),
                ),
                Part("movies", ("movieId", "title", "genres"), only(catalogues.ML_MAPS, "items")),
                Part(
                    "ratings",
                    ("4 fields between '::'",),
                    catalogues.ML_DATS["ratings"][1],
                    "the sets of 2003",
                ),
                Part("movies", ("3 fields between '::'",), catalogues.ML_DATS["movies"][1]),
                Part("tags", ("userId", "movieId", "tag", "timestamp"), {}, "left out"),
            ),
            partial(alone, catalogues.read_movielens),
        ),
        Export(
            "yelp",
            "Yelp",
            (
                Part(
                    "businesses",
                    ("business_id", "name", "is_open", "categories"),
                    only(LOGS["yelp"], "items"),
                ),
                Part(
                    "reviews",
                    ("review_id", "business_id", "stars", "text", "useful"),
                    of_map(LOGS["yelp"], {"reviews": 0, "events": 0}),
                ),
                Part(
                    "tips", ("business_id", "text", "compliment_count"), of_map(LOGS["yelp"], {"reviews": 1})
                ),
            ),
            partial(by_maps, LOGS["yelp"]),
        ),
        Export(
            "esci",
            "Amazon ESCI",
            (
                Part("judgments", ("query", "product_id", "esci_label"), only(LOGS["esci"], "judgments")),
                Part(
                    "products",
                    ("product_id", "product_title", "product_bullet_point"),
                    only(LOGS["esci"], "items"),
                ),
            ),
            partial(by_maps, LOGS["esci"]),
        ),
        Export(
            "wands",
            "WANDS (Wayfair)",
            (
                Part(
                    "products",
                    ("product_id", "product_class", "category hierarchy"),
                    catalogues.WANDS_PRODUCTS,
                ),
                Part(
                    "labels",
                    ("query_id", "product_id", "label"),
                    catalogues.WANDS_LABELS,
                    "with the queries of query.csv",
                ),
                Part("queries", ("query_id", "query", "query_class"), {}),
            ),
            catalogues.open_wands,
        ),
    )
}
"""Name to export."""


def recognised(names: Sequence[str], head: bytes = b"") -> tuple[Export, Part] | None:
    """The export whose columns these are, the one with the most signs where several are; None for none.

    `names` are columns, keys and paths; `head` is what markup begins with.
    """
    known = {*names}
    found = [
        (len(part.signs), export, part)
        for export in EXPORTS.values()
        for part in export.parts
        if all(
            sign in known or (("<" in sign or "/" in sign) and sign.encode() in head) for sign in part.signs
        )
    ]
    return max(found, key=lambda one: one[0])[1:] if found else None
