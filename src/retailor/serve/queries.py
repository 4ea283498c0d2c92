"""A file of queries, a line each: the JSON body of a request and its task in it, or words to search for."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import orjson
from pydantic import ValidationError

from retailor.errors import RetailorError
from retailor.shop.tables import Shop
from retailor.shop.view import ShopView
from retailor.tasks.entry import Entry

MOST_QUERIES = 10_000
"""Lines that are read; the rest is left."""
WORDS_TASK = "search"
"""The task of a line that is no JSON: its words."""
FEW_DRAFTS = 3
"""Of all that are asked of a shop: a draft may take seconds."""
_LONGEST_BYTES = 1 << 20


def lines_in(path: Path) -> Iterator[tuple[int, bytes]]:
    """Number and text of each line that is not blank, MOST_QUERIES at most."""
    with path.open("rb") as file:
        lines = enumerate(iter(lambda: file.readline(_LONGEST_BYTES), b""), 1)
        filled = ((number, line.strip()) for number, line in lines if line.strip())
        yield from itertools.islice(filled, MOST_QUERIES)


def query_of(line: bytes, entries: Mapping[str, Entry]) -> tuple[str, Any]:
    """Task and query of a line. Raises ValueError, pydantic's ValidationError among them, for no query."""
    text = line.decode("utf-8")
    body = orjson.loads(text) if text.startswith("{") else {"task": WORDS_TASK, "text": text}
    kind = body.pop("task", None)
    if not isinstance(kind, str) or kind not in entries:
        raise ValueError(f"'task' is none of {', '.join(entries)}")
    return kind, entries[kind].http.body.model_validate(body).query()  # type: ignore[attr-defined]


def reason_of(error: Exception) -> str:
    """What is wrong with a line, without the words of a customer."""
    if isinstance(error, ValidationError):
        return "; ".join(f"{'.'.join(map(str, one['loc']))}: {one['type']}" for one in error.errors()[:2])
    if isinstance(error, RetailorError):
        return f"{getattr(error, 'status', type(error).__name__)}"
    return "not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error).split(":")[0]


def of_shop(shop: Shop, n: int, view: ShopView | None = None) -> list[dict[str, Any]]:
    """Bodies of requests, n a task at most, each with its task: what the shop's customers and texts give."""
    view = view or ShopView.of(shop)
    customers = [str(row["user_id"]) for row in view.find_customers("", 1, n).rows]
    items = view.find_items("", 1, n).rows
    titles = [_few_words(str(row["title"])) for row in items if (row["title"] or "").strip()]
    questions = _some(shop.questions["question"].to_list(), n) or [f"{title}?" for title in titles]
    reviews = _some(shop.reviews["text"].to_list(), n)
    return [
        *({"task": "recommend", "user_id": user_id} for user_id in customers),
        *({"task": "search", "text": title} for title in titles),
        *(
            {"task": "answer", "question": text[:500]}
            for text in questions or [f"{each}?" for each in titles]
        ),
        *({"task": "sentiment", "text": text[:10_000]} for text in reviews or titles),
        *({"task": "review", "item_id": str(row["item_id"])} for row in items[: min(n, FEW_DRAFTS)]),
    ]


def _few_words(title: str) -> str:
    words = title.split()
    return " ".join(words[:3])[:60] if len(words) > 1 else title[:6]


def _some(texts: Sequence[str | None], n: int) -> list[str]:
    return list(dict.fromkeys(text.strip() for text in texts if text and text.strip()))[:n]
