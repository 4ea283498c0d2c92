"""What a loss sees of the other processes of its training: the rows of the whole batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from torch import Tensor

Gather = Callable[[Tensor], Tensor]
_GATHER: ContextVar[Gather | None] = ContextVar("gather", default=None)


@contextmanager
def gathering(gather: Gather | None) -> Iterator[None]:
    """While it lasts, the losses of this thread see what `gather` makes of their rows; their own for None."""
    token = _GATHER.set(gather)
    try:
        yield
    finally:
        _GATHER.reset(token)


def gathered(rows: Tensor) -> Tensor:
    """The rows [n, …] of every process's share of the batch, with their gradients; `rows` itself alone.

    What a term that compares the rows of a batch must go through, and one with a count of its own, so that
    it is that of the whole batch in every process. Rows of two calls come in the same order.
    """
    gather = _GATHER.get()
    return rows if gather is None else gather(rows)
