"""Toy models with known behaviour: real code paths, no weights."""

from __future__ import annotations

from collections.abc import Sequence

from retailor.models.hashed import HashEncoder

__all__ = ["HashEncoder", "ScriptedGenerator"]


class ScriptedGenerator:
    """A Generator with a queue of replies; when the queue is empty it echoes the end of the prompt."""

    name = "scripted"

    def __init__(self, replies: Sequence[str] = ()) -> None:
        self.replies = list(replies)
        self.prompts: list[str] = []

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[str]:
        self.prompts.extend(prompts)
        return [self.replies.pop(0) if self.replies else prompt[-max_tokens:] for prompt in prompts]
