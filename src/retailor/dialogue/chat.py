"""Who answers a turn: the planner, or a model in its place that uses the same tools."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from retailor.dialogue.planner import respond
from retailor.dialogue.shapes import Call, Door, Reply, State


class Talker(Protocol):
    """A turn to its reply; `tell` hears of each tool as it is used."""

    def __call__(
        self, text: str, state: State, door: Door, tell: Callable[[Call], None] = ..., /
    ) -> Reply: ...


def talker(model: str = "") -> Talker:
    """The planner; or, with a name such as `https://host/v1#model-name`, that model behind its checks."""
    if not model:
        return respond
    from retailor.dialogue.assistant import Assistant

    return Assistant.open(model)
