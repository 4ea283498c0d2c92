"""Column maps of logs, orders and reviews that are read without code."""

from __future__ import annotations

from typing import Any

_GA4_KINDS = {"view_item": "view", "add_to_cart": "cart", "add_to_wishlist": "favourite", "purchase": "buy"}
_SEGMENT_KINDS = {
    "Product Viewed": "view",
    "Product Added": "cart",
    "Product Added to Wishlist": "favourite",
    "Product Clicked": "view",
}
_SNOWPLOW = "contexts_com_snowplowanalytics_snowplow_ecommerce_product_1"
_ACTION = "unstruct_event_com_snowplowanalytics_snowplow_ecommerce_snowplow_ecommerce_action_1"
_SNOWPLOW_KINDS = {"product_view": "view", "add_to_cart": "cart", "transaction": "buy"}
_TMALL_DONE = dict.fromkeys(
    (
        "交易成功",
        "卖家已发货，等待买家确认",
        "卖家已发货,等待买家确认",
        "买家已付款，等待卖家发货",
        "买家已付款,等待卖家发货",
        "卖家部分发货",
    ),
    "buy",
)
_JD_DONE = dict.fromkeys(
    (
        "完成",
        "已完成",
        "等待出库",
        "等待确认收货",
        "正在出库",
        "已出库",
        "锁定",
        "等待发货",
        "已发货",
        "配送中",
    ),
    "buy",
)

LOGS: dict[str, dict[str, Any]] = {
    "ga4": {
        "events": {
            "format": "jsonl",
            "each": "items",
            "columns": {
                "user_id": "user_pseudo_id",
                "item_id": "items.item_id",
                "kind": "event_name",
                "time": "event_timestamp",
            },
            "values": {"kind": _GA4_KINDS},
            "leave_out": ("kind",),
            "time_unit": "us",
        },
        "items": {
            "format": "jsonl",
            "each": "items",
            "columns": {
                "item_id": "items.item_id",
                "title": "items.item_name",
                "brand": "items.item_brand",
                "category": "items.item_category",
                "price": "items.price",
            },
            "optional": ("title", "brand", "category", "price"),
            "derived": True,
        },
    },
    "segment": {
        "events": [
            {
                "format": "jsonl",
                "columns": {
                    "user_id": "userId",
                    "item_id": "properties.product_id",
                    "kind": "event",
                    "time": "timestamp",
                },
                "instead": {"user_id": "anonymousId", "item_id": "properties.sku"},
                "values": {"kind": _SEGMENT_KINDS},
                "leave_out": ("kind",),
            },
            {
                "format": "jsonl",
                "each": "properties.products",
                "columns": {
                    "user_id": "userId",
                    "item_id": "properties.products.product_id",
                    "kind": "event",
                    "time": "timestamp",
                },
                "instead": {"user_id": "anonymousId", "item_id": "properties.products.sku"},
                "values": {"kind": {"Order Completed": "buy"}},
                "leave_out": ("kind",),
            },
        ],
        "items": [
            {
                "format": "jsonl",
                "columns": {
                    "item_id": "properties.product_id",
                    "title": "properties.name",
                    "brand": "properties.brand",
                    "category": "properties.category",
                    "price": "properties.price",
                },
                "instead": {"item_id": "properties.sku"},
                "optional": ("title", "brand", "category", "price"),
                "derived": True,
            },
            {
                "format": "jsonl",
                "each": "properties.products",
                "columns": {
                    "item_id": "properties.products.product_id",
                    "title": "properties.products.name",
                    "brand": "properties.products.brand",
                    "category": "properties.products.category",
                    "price": "properties.products.price",
                },
                "instead": {"item_id": "properties.products.sku"},
                "optional": ("title", "brand", "category", "price"),
                "derived": True,
            },
        ],
    },
    "snowplow": {
        "events": {
            "format": "jsonl",
            "each": _SNOWPLOW,
            "columns": {
                "user_id": "domain_userid",
                "item_id": f"{_SNOWPLOW}.id",
                "kind": f"{_ACTION}.type",
                "time": "derived_tstamp",
            },
            "instead": {"user_id": "user_id", "time": "collector_tstamp"},
            "values": {"kind": _SNOWPLOW_KINDS},
            "leave_out": ("kind",),
        },
        "items": {
            "format": "jsonl",
            "each": _SNOWPLOW,
            "columns": {
                "item_id": f"{_SNOWPLOW}.id",
                "title": f"{_SNOWPLOW}.name",
                "brand": f"{_SNOWPLOW}.brand",
                "category": f"{_SNOWPLOW}.category",
                "price": f"{_SNOWPLOW}.price",
                "currency": f"{_SNOWPLOW}.currency",
            },
            "optional": ("title", "brand", "category", "price", "currency"),
            "derived": True,
            "list_separator": "/",
        },
    },
    "yelp": {
        "items": {
            "format": "jsonl",
            "columns": {
                "item_id": "business_id",
                "title": "name",
                "category": "categories",
                "attributes": "attributes",
            },
            "optional": ("category", "attributes"),
            "list_separator": ",",
        },
        "reviews": [
            {
                "format": "jsonl",
                "columns": {
                    "review_id": "review_id",
                    "user_id": "user_id",
                    "item_id": "business_id",
                    "rating": "stars",
                    "text": "text",
                    "helpful": "useful",
                    "time": "date",
                },
            },
            {
                "format": "jsonl",
                "columns": {
                    "user_id": "user_id",
                    "item_id": "business_id",
                    "text": "text",
                    "helpful": "compliment_count",
                    "time": "date",
                },
            },
        ],
        "events": {
            "format": "jsonl",
            "columns": {"user_id": "user_id", "item_id": "business_id", "rating": "stars", "time": "date"},
            "constants": {"kind": "rate"},
        },
    },
    "esci": {
        "judgments": {
            "columns": {"query": "query", "item_id": "product_id", "grade": "esci_label"},
            "values": {"grade": {"E": 3.0, "S": 2.0, "C": 1.0, "I": 0.0}},
        },
        "items": {
            "columns": {
                "item_id": "product_id",
                "title": "product_title",
                "description": "product_description",
                "brand": "product_brand",
                "language": "product_locale",
            },
            "instead": {"description": "product_bullet_point"},
            "attributes": {"color": "product_color"},
            "values": {"language": {"us": "en", "es": "es", "jp": "ja"}},
        },
    },
}
"""Files of JSON lines and Parquet, which say their encoding themselves."""

TABLES: dict[str, dict[str, Any]] = {
    "judgeme": {
        "reviews": {
            "columns": {
                "user_id": "reviewer_email",
                "item_id": "product_handle",
                "rating": "rating",
                "title": "title",
                "text": "body",
                "time": "review_date",
            },
            "instead": {"user_id": "reviewer_name", "item_id": "product_id"},
        },
    },
    "yotpo": {
        "reviews": {
            "columns": {
                "review_id": "review_id",
                "user_id": "email",
                "item_id": "product_id",
                "rating": "review_score",
                "title": "review_title",
                "text": "review_content",
                "helpful": "votes_up",
                "time": "date",
            },
            "instead": {"user_id": "display_name"},
            "optional": ("review_id", "user_id", "helpful"),
        },
        "items": {
            "columns": {"item_id": "product_id", "title": "product_title", "image": "product_image_url"},
            "optional": ("image",),
            "derived": True,
        },
    },
    "trustpilot": {
        "reviews": {
            "columns": {
                "review_id": "Review ID",
                "user_id": "Review Consumer User ID",
                "item_id": "Product SKU",
                "rating": "Review Stars",
                "title": "Review Title",
                "text": "Review Content",
                "time": "Review Created (UTC)",
                "language": "Review Language",
            },
            "optional": ("item_id", "user_id", "language"),
        },
        "items": {"columns": {"item_id": "Product SKU", "title": "Product Name"}, "derived": True},
    },
    "tmall": {
        "events": {
            "columns": {
                "user_id": "买家会员名",
                "item_id": "商品ID",
                "kind": "订单状态",
                "time": "订单付款时间",
            },
            "instead": {"time": "订单创建时间"},
            "values": {"kind": _TMALL_DONE},
            "leave_out": ("kind",),
            "time_zone": "Asia/Shanghai",
        },
        "items": [
            {
                "columns": {
                    "item_id": "宝贝ID",
                    "title": "宝贝标题",
                    "category": "宝贝类目",
                    "price": "一口价",
                    "brand": "品牌",
                    "attributes": "宝贝属性",
                    "image": "宝贝图片",
                },
                "optional": ("category", "price", "brand", "attributes", "image"),
                "currency": "CNY",
                "decimal": ".",
            },
            {
                "columns": {"item_id": "商品ID", "title": "商品标题", "price": "商品价格"},
                "optional": ("price",),
                "currency": "CNY",
                "decimal": ".",
                "derived": True,
            },
        ],
        "reviews": {
            "columns": {
                "user_id": "买家昵称",
                "item_id": "商品ID",
                "label": "评价等级",
                "text": "评价内容",
                "time": "评价时间",
            },
            "values": {"label": {"好评": "positive", "中评": "neutral", "差评": "negative"}},
            "constants": {"language": "zh"},
            "time_zone": "Asia/Shanghai",
        },
    },
    "jd": {
        "events": {
            "columns": {"user_id": "下单帐号", "item_id": "商品ID", "kind": "订单状态", "time": "下单时间"},
            "values": {"kind": _JD_DONE},
            "leave_out": ("kind",),
            "time_zone": "Asia/Shanghai",
        },
        "items": [
            {
                "columns": {
                    "item_id": "商品编号",
                    "title": "商品名称",
                    "category": "一级类目",
                    "price": "京东价",
                    "brand": "品牌",
                    "image": "商品主图",
                },
                "optional": ("category", "brand", "image"),
                "currency": "CNY",
                "decimal": ".",
            },
            {
                "columns": {"item_id": "商品ID", "title": "商品名称", "price": "京东价"},
                "currency": "CNY",
                "decimal": ".",
                "derived": True,
            },
        ],
        "reviews": {
            "columns": {
                "user_id": "用户昵称",
                "item_id": "商品编号",
                "rating": "评分",
                "text": "评价内容",
                "time": "评价时间",
            },
            "constants": {"language": "zh"},
            "time_zone": "Asia/Shanghai",
        },
    },
}
"""Delimited files, in whatever encoding they were saved."""
