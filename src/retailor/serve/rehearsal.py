"""A first question to each task before anyone asks: what it imports and makes keeps no customer waiting."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping

import orjson

from retailor.serve.queries import of_shop, query_of
from retailor.serve.served import Loaded
from retailor.shop.tables import Shop
from retailor.shop.view import ShopView

SLOW_S = 1.0
"""Tasks whose answers are thought to take longer are not asked: they write."""
_log = logging.getLogger("retailor.serve")


def rehearse(tasks: Mapping[str, Loaded], shop: Shop, view: ShopView) -> None:
    """Asks each task what the shop itself gives; nothing is counted, remembered or noted.

    One that fails says so in the log, and will say it to who asks.
    """
    entries = {kind: loaded.entry for kind, loaded in tasks.items()}
    asked: set[str] = set()
    for body in of_shop(shop, 1, view):
        kind = body["task"]
        if kind not in tasks or kind in asked or getattr(tasks[kind].now, "query_s", 0.0) >= SLOW_S:
            continue
        asked.add(kind)
        began = time.monotonic()
        try:
            _, query = query_of(orjson.dumps(body), entries)
            tasks[kind].now.predict([tasks[kind].entry.checked(query, view)[0]])
        except Exception as error:  # the words of a message may be a customer's
            _log.warning("'%s' failed on the first question: %s", kind, type(error).__name__)
        else:
            _log.debug("'%s' answered a first question in %.1f s", kind, time.monotonic() - began)
