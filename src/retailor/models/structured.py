"""Answers of a remote model as checked objects of a form, and not as text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from retailor.errors import ModelError
from retailor.models.endpoints.remote import RemoteGenerator

M = TypeVar("M", bound=BaseModel)
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


def structured(
    generator: RemoteGenerator, prompts: Sequence[str], form: type[M], *, max_tokens: int, tries: int = 2
) -> list[M]:
    """One object of the form a prompt, in order.

    The endpoint is given the form's JSON schema, in the request where it takes one and in the prompt always;
    an answer that is not of the form is asked for again, with what is wrong with it. Raises ModelError that
    names the first that is not, after `tries`; the tokens of all tries count into the budget.
    """
    schema = form.model_json_schema()
    told = "Answer with JSON alone, without any other word, of this schema:\n" + json.dumps(
        schema, ensure_ascii=False
    )
    options = {
        "temperature": 0.0,
        "response_format": {"type": "json_schema", "json_schema": {"name": form.__name__, "schema": schema}},
    }
    asked = [f"{prompt}\n\n{told}" for prompt in prompts]
    found: dict[int, M] = {}
    wrong: dict[int, str] = {}
    for _ in range(tries):
        left = [i for i in range(len(prompts)) if i not in found]
        again = [asked[i] + _mended(wrong.get(i)) for i in left]
        for i, answer in zip(left, generator._generated(again, max_tokens, options), strict=True):
            made = _read(form, answer)
            if isinstance(made, str):
                wrong[i] = made
            else:
                found[i] = made
    left = [i for i in range(len(prompts)) if i not in found]
    if left:
        raise ModelError(
            f"{generator.name} answered {len(left)} of {len(prompts)} prompts not as {form.__name__}, in "
            f"{tries} tries "
            f"each; prompt {left[0] + 1}: {wrong.get(left[0], 'nothing')}. Give more max_tokens, or "
            "another model.",
            asked="structured",
        )
    return [found[i] for i in range(len(prompts))]


def _mended(wrong: str | None) -> str:
    return "" if wrong is None else f"\n\nYour last answer was not of this schema: {wrong}."


def _read(form: type[M], answer: str) -> M | str:
    """The object, or what is wrong with the answer."""
    fenced = _FENCE.match(answer)
    try:
        value: Any = json.loads(fenced[1] if fenced else answer)
    except ValueError as error:
        return f"it is no JSON ({error})"
    try:
        return form.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
