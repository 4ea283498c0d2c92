"""A decoder that is bound to a form writes nothing else, whatever its weights say."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Literal

import pytest
from pydantic import BaseModel, Field, model_validator

from retailor.errors import MissingExtra, ModelError
from retailor.models.generator import LocalGenerator
from retailor.models.structured import structured
from retailor.testing.models import tiny_decoder, tiny_seq2seq


class Verdict(BaseModel):
    stars: Annotated[int, Field(ge=1, le=5)]
    side: Literal["good", "bad", "一般"]
    again: bool


PROMPTS = ["a mug that leaks", "红杯子很好", "", "the tent " * 30]


@pytest.fixture(scope="module", params=["torch", "openvino"])
def generator(request: pytest.FixtureRequest) -> LocalGenerator:
    made = tiny_decoder()
    if request.param == "openvino":
        made.runtime, made.precision = "openvino", "32"
    return made


def test_objects_of_the_form_come_in_order_alone_as_together(generator: LocalGenerator) -> None:
    found = structured(generator, PROMPTS, Verdict, max_tokens=60)
    assert len(found) == 4 and all(isinstance(each, Verdict) for each in found)
    assert found == [structured(generator, [each], Verdict, max_tokens=60)[0] for each in PROMPTS]
    assert structured(generator, [], Verdict, max_tokens=60) == []


def test_samples_are_of_the_form_too_and_differ(generator: LocalGenerator) -> None:
    made = [
        generator.generate(
            PROMPTS[:2], max_tokens=60, temperature=1.5, seed=seed, schema=Verdict.model_json_schema()
        )
        for seed in range(3)
    ]
    assert all(Verdict.model_validate_json(text) for texts in made for text in texts)
    assert len({tuple(texts) for texts in made}) > 1


def test_rows_that_end_early_do_not_hold_the_others(generator: LocalGenerator) -> None:
    schema = {"type": "array", "items": {"type": "boolean"}, "maxItems": 12}
    made = generator.generate(PROMPTS * 3, max_tokens=120, temperature=2.0, seed=1, schema=schema)
    lengths = {len(json.loads(text)) for text in made}
    assert len(lengths) > 1, "arrays of several lengths in one batch"


def test_no_room_for_the_whole_is_an_error_that_says_so(generator: LocalGenerator) -> None:
    with pytest.raises(
        ModelError, match=r"1 of 1 prompts not as Verdict, in 1 try each.*no JSON.*Give more max_tokens"
    ):
        structured(generator, ["a mug"], Verdict, max_tokens=4)


def test_what_a_schema_cannot_say_is_checked_after() -> None:
    class Never(Verdict):
        @model_validator(mode="after")
        def _no(self) -> Never:
            raise ValueError("never right")

    with pytest.raises(ModelError, match="never right"):
        structured(tiny_decoder(), ["a mug"], Never, max_tokens=60)


def test_a_schema_that_is_none_is_an_error() -> None:
    with pytest.raises(ModelError, match="this schema cannot bind a decoder"):
        tiny_decoder().generate(["a mug"], max_tokens=5, schema={"type": "nonsense"})


def test_a_tokenizer_that_a_grammar_cannot_read_is_an_error() -> None:
    with pytest.raises(ModelError, match="a grammar cannot bind this tokenizer"):
        structured(tiny_seq2seq(), ["a mug"], Verdict, max_tokens=60)


def test_without_the_library_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("llguidance", "llguidance.torch"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(MissingExtra, match=r"retailor\[models\]"):
        structured(tiny_decoder(), ["a mug"], Verdict, max_tokens=60)


def test_an_object_of_any_fields_stays_one() -> None:
    schema = {"type": "object", "minProperties": 1}
    made = tiny_decoder().generate(["a mug"], max_tokens=200, temperature=1.0, schema=schema)
    assert made[0].startswith('{"')
