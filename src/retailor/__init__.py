"""Retailor tailors a pretrained language model to a shop, and proves on the shop's own data that it paid.

Names are loaded when they are first used, so that `import retailor` is quick and loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from retailor.models.weights import load_model as load_model
    from retailor.plan.run import run as run
    from retailor.shop.demo import demo_shop as demo_shop
    from retailor.shop.look import look as look
    from retailor.shop.read import read as read
    from retailor.shop.split import leave_last_out as leave_last_out
    from retailor.shop.split import split_by_time as split_by_time
    from retailor.shop.tables import Shop as Shop
    from retailor.shop.tables import open_shop as open_shop
    from retailor.tasks.answer import Answerer as Answerer
    from retailor.tasks.recommend import Recommender as Recommender
    from retailor.tasks.review import ReviewWriter as ReviewWriter
    from retailor.tasks.search import Search as Search
    from retailor.tasks.sentiment import SentimentReader as SentimentReader
    from retailor.text.clean_shop import clean as clean
    from retailor.text.fields import texts as texts
    from retailor.text.terms import mine_terms as mine_terms
    from retailor.train.adapt import adapt as adapt

_HOME = {
    "Answerer": "retailor.tasks.answer",
    "Recommender": "retailor.tasks.recommend",
    "ReviewWriter": "retailor.tasks.review",
    "Search": "retailor.tasks.search",
    "SentimentReader": "retailor.tasks.sentiment",
    "Shop": "retailor.shop.tables",
    "adapt": "retailor.train.adapt",
    "clean": "retailor.text.clean_shop",
    "demo_shop": "retailor.shop.demo",
    "leave_last_out": "retailor.shop.split",
    "load_model": "retailor.models.weights",
    "look": "retailor.shop.look",
    "mine_terms": "retailor.text.terms",
    "open_shop": "retailor.shop.tables",
    "read": "retailor.shop.read",
    "run": "retailor.plan.run",
    "split_by_time": "retailor.shop.split",
    "texts": "retailor.text.fields",
}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'retailor' has no attribute '{name}'")
    from retailor.extras import naming_extras

    with naming_extras():
        return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])
