"""What the workers of a server have once: weights, arrays and tokenizers, the same as those that are read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from safetensors.numpy import load_file, save_file

from retailor.models import kept_tokenizers
from retailor.models.files import read_tokenizer
from retailor.models.hardware import InferenceCopy
from retailor.models.local import load_encoder
from retailor.store.shared import SHARED, load_arrays, load_floats, mapped, shared_tensors
from retailor.testing.models import SAMPLE, tiny_encoder

TYPES = st.sampled_from([np.float32, np.float16, np.int64, np.uint8, np.bool_])


@pytest.fixture
def group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "group"
    folder.mkdir()
    monkeypatch.setenv(SHARED, str(folder))
    return folder


@given(TYPES.flatmap(lambda kind: arrays(kind, st.tuples(st.integers(0, 5), st.integers(0, 3)))))
def test_a_mapped_file_is_the_one_that_is_read(
    tmp_path_factory: pytest.TempPathFactory, array: object
) -> None:
    path = tmp_path_factory.mktemp("mapped") / "a.safetensors"
    save_file({"a": np.asarray(array), "b": np.arange(3, dtype=np.int8), "c": np.ones((2, 2))}, path)
    read, seen = load_file(path), mapped(path)
    assert read.keys() == seen.keys()
    for name, values in read.items():
        assert values.dtype == seen[name].dtype and values.shape == seen[name].shape
        np.testing.assert_array_equal(values, seen[name])


def test_what_is_written_to_it_stays_here(group: Path, tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_file({"a": np.zeros(4, np.float32)}, path)
    load_arrays(path)["a"][:] = 1
    assert not load_arrays(path)["a"].any()


def test_what_is_computed_is_computed_once(group: Path, tmp_path: Path) -> None:
    n = 0

    def make() -> dict[str, np.ndarray]:
        nonlocal n
        n += 1
        return {"a": np.full(3, n, np.float32)}

    found = [shared_tensors("test", ["key"], make)["a"][0] for _ in range(3)]
    assert (n, found) == (1, [1.0] * 3)
    assert shared_tensors("test", ["another"], make)["a"][0] == 2
    path = tmp_path / "half.safetensors"
    save_file({"vectors": np.ones((2, 2), np.float16)}, path)
    assert load_floats(path, "vectors").dtype == np.float32
    save_file({"vectors": np.zeros((2, 2), np.float16)}, tmp_path / "new")
    (tmp_path / "new").replace(path)
    assert not load_floats(path, "vectors").any(), "another file of that name is another one"


def test_half_weights_are_those_of_the_copy(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("retailor.models.hardware.native_bf16", lambda kind=None: True)
    network = tiny_encoder().network
    one, two = InferenceCopy().of(network, "auto"), InferenceCopy().of(network, "auto")
    monkeypatch.delenv(SHARED)
    alone = InferenceCopy().of(network, "auto")
    for name, values in alone.state_dict().items():
        assert one.state_dict()[name].equal(values) and two.state_dict()[name].equal(values), name
    assert len(list(group.glob("bf16-*.safetensors"))) == 1


def test_a_kept_tokenizer_splits_as_one_that_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept_tokenizers, "_kept", {})
    monkeypatch.setattr(kept_tokenizers, "_splitters", {})
    tiny_encoder().save(tmp_path / "encoder")
    read = load_encoder(tmp_path / "encoder")
    kept_tokenizers.keep(tmp_path / "encoder", read_tokenizer(tmp_path / "encoder"))
    first, second = load_encoder(tmp_path / "encoder"), load_encoder(tmp_path / "encoder")
    assert first.tokenizer is second.tokenizer is not read.tokenizer
    second.max_tokens = 4
    for encoder in (first, second, first):
        read.max_tokens = encoder.max_tokens
        assert encoder.token_ids(SAMPLE) == read.token_ids(SAMPLE)
    assert first._own_splitter() is kept_tokenizers.splitter_of(first.tokenizer, first.max_tokens)
    assert second._own_splitter() is not first._own_splitter()
    other = tiny_encoder(["some other words"])
    other.save(tmp_path / "other")
    assert load_encoder(tmp_path / "other").tokenizer is not first.tokenizer
