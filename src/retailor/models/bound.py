"""Continuations that can only be JSON of a schema: at each step what would leave it is ruled out."""

from __future__ import annotations

import json
import weakref
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from retailor.errors import ModelError
from retailor.extras import naming_extras
from retailor.models.files import first_line

_TOKENS: weakref.WeakKeyDictionary[Any, tuple[tuple[int, tuple[int, ...]], Any]] = weakref.WeakKeyDictionary()


class JsonBound:
    """A transformers logits processor that leaves each row the tokens alone that go on with JSON of a schema,
    and an end mark where it is whole (llguidance). Fields that the schema does not name are not written,
    unless it asks for them.

    It is asked once a step for all rows, the ids that were taken being the last of each.
    """

    @naming_extras()
    def __init__(
        self, schema: Mapping[str, Any], n_rows: int, tokenizer: Any, end_ids: Sequence[int]
    ) -> None:
        self._schema, self._n_rows = _closed(dict(schema)), n_rows
        self._tokenizer, self._end_ids = tokenizer, tuple(end_ids)
        self._rows: list[Any] = []
        import llguidance.torch

        self._masks = llguidance.torch

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        if not self._rows:
            self._rows = self._matchers(scores.shape[-1])
        else:
            for row, taken in zip(self._rows, input_ids[:, -1].tolist(), strict=True):
                if not row.is_stopped():  # an ended row is told its last id again
                    row.consume_token(taken)
        bound = scores.float().cpu().clone()
        mask = self._masks.allocate_token_bitmask(1, scores.shape[-1])
        for place, row in enumerate(self._rows):
            self._masks.fill_next_token_bitmask(row, mask)  # of what is whole an end mark alone
            self._masks.apply_token_bitmask_inplace(bound[place : place + 1], mask)
        return bound.to(scores)

    def _matchers(self, n_logits: int) -> list[Any]:
        from llguidance import LLMatcher

        tokens = _tokens_of(self._tokenizer, n_logits, self._end_ids)
        grammar = LLMatcher.grammar_from_json_schema(
            json.dumps(self._schema), overrides={"whitespace_flexible": False}
        )
        first = LLMatcher(tokens, grammar, log_level=0)
        if first.is_error():
            raise ModelError(f"this schema cannot bind a decoder: {first.get_error().splitlines()[0]}")
        return [first, *(first.deep_copy() for _ in range(self._n_rows - 1))]


def _closed(schema: Any) -> Any:
    """The schema whose objects have no fields but those that it names, where it names some and does not ask
    for others."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: _closed(value) for name, value in schema.items()}
    return {"additionalProperties": False, **made} if "properties" in schema else made


def _tokens_of(tokenizer: Any, n_logits: int, end_ids: tuple[int, ...]) -> Any:
    """The tokenizer as llguidance reads it, made once: it takes a second."""
    from llguidance.hf import from_tokenizer

    key = (n_logits, end_ids)
    known = _TOKENS.get(tokenizer)
    if known is None or known[0] != key:
        try:
            made = from_tokenizer(tokenizer, n_vocab=n_logits, eos_token=list(end_ids))
        except ValueError as error:
            raise ModelError(
                f"a grammar cannot bind this tokenizer ({first_line(error)}): take a decoder whose pieces "
                "are bytes."
            ) from None
        known = _TOKENS[tokenizer] = (key, made)
    return known[1]
