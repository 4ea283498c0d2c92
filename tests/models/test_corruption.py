"""Whatever happened to a folder: a load gives the true vectors, or raises an error of ours."""

from __future__ import annotations

import json
import shutil
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from retailor.errors import RetailorError
from retailor.models.formats.filling import POOLER
from retailor.models.local import LocalEncoder, LocalGenerator
from retailor.models.weights import load_model
from retailor.testing.models import SAMPLE, tiny_decoder, tiny_encoder, tiny_seq2seq

KNOWN = (
    "_orig_mod.",
    "module.",
    "auto_model.",
    "model.",
    "0.auto_model.",
    "encoder.",
    "bert.",
    "roberta.",
    "transformer.",
)
SHAPED = {
    "encoder": (
        "hidden_size",
        "num_hidden_layers",
        "intermediate_size",
        "vocab_size",
        "max_position_embeddings",
        "type_vocab_size",
    ),
    "decoder": ("hidden_size", "num_hidden_layers", "intermediate_size", "vocab_size", "num_key_value_heads"),
    "seq2seq": ("d_model", "d_kv", "d_ff", "num_layers", "vocab_size", "relative_attention_num_buckets"),
}
"""Numbers of a config that show in the shapes of the weights. The others a manifest alone can guard."""
MAKE = {"encoder": tiny_encoder, "decoder": tiny_decoder, "seq2seq": tiny_seq2seq}
quick = settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def answer(found: Any) -> Any:
    """What the law is about: vectors of an encoder, likelihoods of a generator."""
    if isinstance(found, LocalEncoder):
        found.precision = "32"
        return found.encode(SAMPLE[:3])
    assert isinstance(found, LocalGenerator)
    found.precision = "32"
    return found.score(["a red", "blue"], ["mug", "lamp"])


@pytest.fixture(scope="module", params=["encoder", "decoder", "seq2seq", "own encoder", "own decoder"])
def sound(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path, Any]:
    """A kind, its folder and its answer; 'own' ones are whole artifacts with a manifest."""
    kind = str(request.param)
    made: Any = MAKE[kind.removeprefix("own ")]()
    folder = tmp_path_factory.mktemp("sound") / "folder"
    if kind.startswith("own "):
        made.save(folder)
    else:
        made.network.save_pretrained(folder)
        made.tokenizer.save_pretrained(folder)
    return kind, folder, answer(made)


@contextmanager
def copied(folder: Path) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        yield Path(shutil.copytree(folder, Path(name) / "folder"))


def holds(folder: Path, true: Any) -> bool:
    """Whether it loaded; asserts that it then gave the true answer, twice. Warnings are not looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            first, second = (answer(load_model(folder)) for _ in range(2))
        except RetailorError as error:
            assert len(str(error)) < 2000
            return False
    np.testing.assert_allclose(first, true, atol=1e-5)
    np.testing.assert_array_equal(first, second)
    return True


def rewritten(folder: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    weights = {name: tensor.clone() for name, tensor in load_file(folder / "model.safetensors").items()}
    save_file(
        {name: tensor.contiguous() for name, tensor in change(weights).items()}, folder / "model.safetensors"
    )


@quick
@given(data=st.data())
def test_a_tensor_that_is_dropped(sound: tuple[str, Path, Any], data: st.DataObject) -> None:
    kind, folder, true = sound
    name = data.draw(st.sampled_from(sorted(load_file(folder / "model.safetensors"))))
    with copied(folder) as place:
        rewritten(place, lambda weights: {n: t for n, t in weights.items() if n != name})
        assert holds(place, true) == (bool(POOLER.search(name)) and not kind.startswith("own"))


@quick
@given(prefixes=st.lists(st.sampled_from(KNOWN), min_size=1, max_size=3), data=st.data())
def test_names_under_known_prefixes(
    sound: tuple[str, Path, Any], prefixes: list[str], data: st.DataObject
) -> None:
    kind, folder, true = sound
    everything = data.draw(st.booleans())
    names = sorted(load_file(folder / "model.safetensors"))
    chosen = set(names if everything else data.draw(st.lists(st.sampled_from(names), min_size=1)))
    prefix = "".join(prefixes)
    with copied(folder) as place:
        rewritten(place, lambda weights: {(prefix if n in chosen else "") + n: t for n, t in weights.items()})
        loaded = holds(place, true)
        assert not everything or loaded == (not kind.startswith("own"))


@quick
@given(name=st.text("abcxyz._019", min_size=1, max_size=12), data=st.data())
def test_names_that_become_other_names(sound: tuple[str, Path, Any], name: str, data: st.DataObject) -> None:
    _, folder, true = sound
    old = data.draw(st.sampled_from(sorted(load_file(folder / "model.safetensors"))))
    new = data.draw(st.sampled_from([name, f"{name}.{old}", f"{old}.{name}", old.replace("weight", name)]))
    with copied(folder) as place:
        rewritten(place, lambda weights: {(new if n == old else n): t for n, t in weights.items()})
        holds(place, true)


@quick
@given(data=st.data(), turn=st.sampled_from(["t", "cut", "longer", "flat", "empty", "int", "half", "nan"]))
def test_a_tensor_of_another_shape_or_kind(
    sound: tuple[str, Path, Any], data: st.DataObject, turn: str
) -> None:
    _, folder, true = sound
    name = data.draw(st.sampled_from(sorted(load_file(folder / "model.safetensors"))))
    turns: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
        "t": lambda t: t.T if t.dim() == 2 and t.shape[0] != t.shape[1] else t,
        "cut": lambda t: t[:-1],
        "longer": lambda t: torch.cat([t, t[:1]]),
        "flat": lambda t: t.flatten(),
        "empty": lambda t: t[:0],
        "int": lambda t: torch.zeros_like(t, dtype=torch.int8) if t.dim() == 2 else t,
        "half": lambda t: t.half().float(),
        "nan": lambda t: t * float("nan"),
    }
    with copied(folder) as place:
        rewritten(place, lambda weights: {**weights, name: turns[turn](weights[name])})
        if turn == "half":
            answer_of_half(place)
        else:
            holds(place, true)


def answer_of_half(folder: Path) -> None:
    """Other numbers in the right places: two loads that agree, or a manifest that objects."""
    with suppress(RetailorError):
        np.testing.assert_array_equal(*(answer(load_model(folder)) for _ in range(2)))


@quick
@given(data=st.data(), share=st.floats(0, 1))
def test_a_file_that_is_cut_or_gone(sound: tuple[str, Path, Any], data: st.DataObject, share: float) -> None:
    _, folder, true = sound
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    # What a generation config adds, no other file knows: without it a load is another one, not a random one.
    name = data.draw(st.sampled_from([file for file in files if file.name != "generation_config.json"]))
    with copied(folder) as place:
        if data.draw(st.booleans()):
            (place / name).unlink()
        else:
            whole = (place / name).read_bytes()
            (place / name).write_bytes(whole[: int(len(whole) * share)])
        holds(place, true)


@quick
@given(
    data=st.data(), value=st.one_of(st.integers(-3, 200), st.sampled_from(["x", None, 1e9, 10**12, [1], 0.5]))
)
def test_a_config_with_another_number(sound: tuple[str, Path, Any], data: st.DataObject, value: Any) -> None:
    kind, folder, true = sound
    name = data.draw(st.sampled_from(SHAPED[kind.removeprefix("own ")]))
    with copied(folder) as place:
        path = place / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), name: value}))
        holds(place, true)


@pytest.mark.slow
@settings(quick, max_examples=400)
@given(data=st.data())
def test_bytes_that_were_changed(sound: tuple[str, Path, Any], data: st.DataObject) -> None:
    """A folder without a manifest may then hold other numbers; it is never an error of another kind."""
    _, folder, _ = sound
    files = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    name = data.draw(st.sampled_from(files))
    with copied(folder) as place:
        raw = bytearray((place / name).read_bytes())
        for _ in range(data.draw(st.integers(1, 4))):
            at = data.draw(st.integers(0, min(len(raw), 4000) - 1))
            raw[at] = data.draw(st.integers(0, 255))
        (place / name).write_bytes(bytes(raw))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            answer_of_half(place)
