"""What lines of the log say beside their words: whose they are, of which worker, where an error came from."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar, copy_context
from functools import partial
from typing import Any

_SHOP: ContextVar[str] = ContextVar("shop", default="")


@contextmanager
def of_shop(name: str) -> Iterator[None]:
    """What is logged meanwhile is of a shop; '' where there is one alone."""
    token = _SHOP.set(name)
    try:
        yield
    finally:
        _SHOP.reset(token)


def kept(work: Callable[..., Any]) -> Callable[..., Any]:
    """Some work for a thread of its own: what it logs is of the shop that it is begun for."""
    return partial(copy_context().run, work)


class Whose(logging.Filter):
    """Gives each record `shop`: its name, a colon and a space; '' where there is one alone."""

    def filter(self, record: logging.LogRecord) -> bool:
        name = _SHOP.get()
        record.shop = f"{name}: " if name else ""
        return True


def log_settings(worker: int | None = None) -> dict[str, Any]:
    """Where the log goes; of several workers each says which it is."""
    who = "" if worker is None else f"worker {worker}: "
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"plain": {"format": f"%(asctime)s %(levelname)s {who}%(shop)s%(message)s"}},
        "filters": {"whose": {"()": Whose}},
        "handlers": {
            "stderr": {"class": "logging.StreamHandler", "formatter": "plain", "filters": ["whose"]}
        },
        "loggers": {
            "uvicorn": {"handlers": ["stderr"], "level": "WARNING", "propagate": False},
            "retailor": {"handlers": ["stderr"], "level": "INFO", "propagate": False},
        },
    }


def place_of(error: BaseException) -> str:
    """Where in the code an error came from: its message may be a customer's words."""
    place, trace = "?", error.__traceback__
    while trace is not None:
        place, trace = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}", trace.tb_next
    return place
