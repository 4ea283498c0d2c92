"""What is asked over HTTP and what comes back, with limits and examples."""

from __future__ import annotations

from pydantic import BaseModel

from retailor.tasks.http import IN_A_URL, Count, Hit, Served, Words, hits, strict
from retailor.tasks.search.shapes import Found, SearchQuery


class SearchBody(BaseModel):
    """Words to find items by."""

    model_config = strict({"text": "warm blanket", "k": 5})
    text: Words
    k: Count = 10

    def query(self) -> SearchQuery:
        return SearchQuery(self.text, self.k)


class SearchUrl(SearchBody):
    model_config = IN_A_URL


class SearchReply(BaseModel):
    items: list[Hit]
    cached: bool


def shown(answer: Found, served: Served) -> SearchReply:
    """Found items with their cards, their reasons in the reader's language."""
    return SearchReply(items=hits(answer.items, served), cached=served.cached)
