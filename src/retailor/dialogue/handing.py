"""When a person should take over, and what that person is told."""

from __future__ import annotations

from typing import Literal

from retailor.dialogue.refer import Look
from retailor.dialogue.saying import named
from retailor.dialogue.shapes import Handover, State

MAX_UNKNOWN = 2
"""So many turns in a row without an answer, and a person takes over."""
MAX_SUMMARY = 900
_REASONS = {
    "upset": ("The customer is upset.", "顾客情绪不满。"),
    "asked": ("The customer asks for a person.", "顾客要求人工客服。"),
    "unknown": ("The shop's texts did not answer twice.", "店内资料两次未能回答。"),
    "order": ("The customer asks about an order.", "顾客询问订单。"),
}


def handover(
    reason: Literal["upset", "asked", "unknown", "order"], said: str, state: State, look: Look
) -> Handover:
    """The signal with its summary: the reason, the products spoken of, and the customer's last words."""
    chinese = state.language == "zh"
    ids = dict.fromkeys(
        [*([state.focus] if state.focus else []), *(m.item_id for m in reversed(state.recent))]
    )
    names = [named(details) for each in ids if (details := look(each)) is not None][:4]
    words = [*(turn.said for turn in state.turns), said]
    labels = ("商品：", "搜索：", "顾客说：") if chinese else ("Products: ", "Searched for: ", "Said: ")
    parts = [_REASONS[reason][chinese]]
    if names:
        parts.append(labels[0] + "; ".join(names))
    if state.words:
        parts.append(labels[1] + state.words)
    parts.append(labels[2] + " / ".join(f"“{each}”" for each in words))
    return Handover(reason, "\n".join(parts)[:MAX_SUMMARY])
