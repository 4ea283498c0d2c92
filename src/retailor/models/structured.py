"""Answers of a model as checked objects of a form, and not as text."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from retailor.errors import ModelError
from retailor.models.endpoints.remote import RemoteGenerator
from retailor.models.generator import LocalGenerator

M = TypeVar("M", bound=BaseModel)
_FENCE = re.compile(r"^\s*```(?:json)?\s*(.*?)\s*```\s*$", re.DOTALL)


def structured(
    generator: RemoteGenerator | LocalGenerator,
    prompts: Sequence[str],
    form: type[M],
    *,
    max_tokens: int,
    tries: int = 2,
) -> list[M]:
    """One object of the form a prompt, in order.

    A decoder that runs here can write nothing but JSON of the form's schema. An endpoint is given the schema,
    in the request where it takes one; it is in the prompt always, and an answer that is not of the form is
    asked for again, with what is wrong with it. Raises ModelError that names the first that is not, after
    `tries`: of a decoder one that has no room to end, or meets no check of the form that a schema cannot say.
    The tokens of all tries count into the budget.
    """
    schema = form.model_json_schema()
    told = "Answer with JSON alone, without any other word, of this schema:\n" + json.dumps(
        schema, ensure_ascii=False
    )
    asked = [f"{prompt}\n\n{told}" for prompt in prompts]
    found: dict[int, M] = {}
    wrong: dict[int, str] = {}
    tries = 1 if isinstance(generator, LocalGenerator) else tries
    for _ in range(tries):
        left = [i for i in range(len(prompts)) if i not in found]
        again = [asked[i] + _mended(wrong.get(i)) for i in left]
        for i, answer in zip(
            left, _answers(generator, again, max_tokens, form.__name__, schema), strict=True
        ):
            made = _read(form, answer)
            if isinstance(made, str):
                wrong[i] = made
            else:
                found[i] = made
    left = [i for i in range(len(prompts)) if i not in found]
    if left:
        raise ModelError(
            f"{generator.name} answered {len(left)} of {len(prompts)} prompts not as {form.__name__}, in "
            f"{tries} {'try' if tries == 1 else 'tries'} "
            f"each; prompt {left[0] + 1}: {wrong.get(left[0], 'nothing')}. Give more max_tokens, or "
            "another model.",
            asked="structured",
        )
    return [found[i] for i in range(len(prompts))]


def _answers(
    generator: RemoteGenerator | LocalGenerator,
    prompts: Sequence[str],
    max_tokens: int,
    name: str,
    schema: dict[str, Any],
) -> list[str]:
    if isinstance(generator, LocalGenerator):
        return generator.generate(prompts, max_tokens=max_tokens, schema=schema)
    options = {
        "temperature": 0.0,
        "response_format": {"type": "json_schema", "json_schema": {"name": name, "schema": schema}},
    }
    return generator._generated(prompts, max_tokens, options)


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
