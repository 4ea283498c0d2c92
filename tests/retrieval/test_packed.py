"""Packed vectors: what is found through codes, what stays in memory, and files that do not fit."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from retailor.errors import DataError
from retailor.retrieval import packed
from retailor.retrieval.packed import CODES, Kept, PackedVectors, on_disk
from retailor.retrieval.vectors import VectorIndex
from retailor.seeds import stream
from retailor.store.shared import is_on_the_disk

KINDS: tuple[Kept, ...] = ("int8", "pca", "binary")


def unit(rows: NDArray[np.floating]) -> NDArray[np.float32]:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def crowded(n: int, dim: int = 96, seed: int = 0) -> NDArray[np.float32]:
    """Unit vectors in clusters, all of them to one side, as those of an encoder are."""
    centres = stream(0, "test", "centres").normal(size=(1_000, dim)) + 2
    draw = stream(seed, "test", "packed")
    return unit(centres[draw.integers(0, 1_000, n)] + 0.7 * draw.normal(size=(n, dim)))


@pytest.mark.parametrize("kept", KINDS)
def test_the_truly_nearest_are_found(kept: Kept) -> None:
    known, asked = crowded(20_000), crowded(40, seed=1)
    index = PackedVectors.of(known.astype(np.float16), kept)
    rows, products = index.search(asked, 10)
    true = VectorIndex(known).search(asked, 10)[0]
    hits = [len(np.intersect1d(a, b)) for a, b in zip(rows, true, strict=True)]
    assert np.mean(hits) >= 9.7
    whole = known.astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(products, np.einsum("bkd,bd->bk", whole[rows], asked), atol=1e-6)
    assert (np.diff(products, axis=1) <= 0).all()


def test_codes_without_a_look_at_the_vectors_would_miss_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packed, "LEAST", 10)
    known, asked = crowded(20_000), crowded(40, seed=1)
    rows = PackedVectors.of(known, "binary").search(asked, 10)[0]
    true = VectorIndex(known).search(asked, 10)[0]
    assert np.mean([len(np.intersect1d(a, b)) for a, b in zip(rows, true, strict=True)]) < 9


@pytest.mark.parametrize(("kept", "most"), [("int8", 1 / 4), ("pca", 1 / 16), ("binary", 1 / 16)])
def test_what_stays_in_memory(kept: Kept, most: float) -> None:
    known = crowded(20_000)
    axes = 4 * 96 * 24 if kept == "pca" else 0
    assert PackedVectors.of(known, kept).size_bytes <= known.nbytes * most + 4 * 96 + axes


def test_pca_keeps_the_directions_along_which_vectors_differ() -> None:
    flat = stream(0, "test", "flat").normal(size=(5_000, 20)) @ stream(1, "test", "axes").normal(
        size=(20, 96)
    )
    index = PackedVectors.of(unit(flat + 3), "pca")
    assert index.codes.shape == (5_000, 24) and index.variance > 0.999
    # the best 24 of 96 directions of noise have little more than their share, and a look at the whole finds
    round_ = PackedVectors.of(unit(stream(2, "test", "round").normal(size=(5_000, 96))), "pca")
    assert 0.24 < round_.variance < 0.4
    assert PackedVectors.of(flat, "int8").variance == 1.0


@pytest.mark.parametrize("kept", KINDS)
@pytest.mark.parametrize("dim", [1, 7, 96])
def test_few_vectors_are_compared_whole(kept: Kept, dim: int) -> None:
    known = unit(stream(0, "few").normal(size=(40, dim)))
    index = PackedVectors.of(known, kept)
    rows, products = index.search(known[:3], 99)
    true_rows, true_products = VectorIndex(known).search(known[:3], 99)
    np.testing.assert_array_equal(rows, true_rows)
    np.testing.assert_allclose(products, true_products, atol=1e-6)
    assert index.search(known[:0], 5)[0].shape == (0, 5)
    assert PackedVectors.of(known[:0], kept).search(known[:2], 5)[0].shape == (2, 0)


@given(n=st.integers(1, 300), k=st.integers(1, 50), kept=st.sampled_from(KINDS), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_rows_are_different_and_best_first(n: int, k: int, kept: Kept, seed: int) -> None:
    known = crowded(n, dim=12, seed=seed)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packed, "LEAST", 5)
        rows, products = PackedVectors.of(known, kept).search(known[:1], k)
    assert rows.shape == (1, min(k, n)) and len(set(rows[0])) == min(k, n)
    assert rows.min() >= 0 and rows.max() < n and (np.diff(products) <= 0).all()


@pytest.mark.parametrize("kept", KINDS)
def test_saved_beside_vectors_on_the_disk(kept: Kept, tmp_path: Path) -> None:
    known = crowded(3_000)
    save_file({"other": np.zeros(3), "vectors": known.astype(np.float16)}, tmp_path / "whole.safetensors")
    whole = on_disk(tmp_path / "whole.safetensors", "vectors")
    assert is_on_the_disk(whole)
    np.testing.assert_array_equal(whole, known.astype(np.float16))
    index = PackedVectors.of(whole, kept)
    index.save(tmp_path)
    again = PackedVectors.load(tmp_path, whole)
    for ours, theirs in zip(again.search(known[:5], 20), index.search(known[:5], 20), strict=True):
        np.testing.assert_array_equal(ours, theirs)


def test_what_does_not_fit_is_refused(tmp_path: Path) -> None:
    known = crowded(600)
    with pytest.raises(DataError, match="cannot be read"):
        PackedVectors.load(tmp_path, known)
    PackedVectors.of(known, "binary").save(tmp_path)
    with pytest.raises(DataError, match="do not fit"):
        PackedVectors.load(tmp_path, known[:-1])
    save_file(load_file(tmp_path / CODES), tmp_path / CODES, metadata={"kept": "int4"})
    with pytest.raises(DataError, match="do not fit"):
        PackedVectors.load(tmp_path, known)
    with pytest.raises(DataError, match="finite"):
        PackedVectors.of(np.full((3, 4), np.nan, np.float32), "binary")
    with pytest.raises(DataError, match="the query has 3 numbers"):
        PackedVectors.of(known, "int8").search(np.zeros((1, 3), np.float32), 1)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"not a table",
        (2).to_bytes(8, "little") + b"{}",
        (10**9).to_bytes(8, "little"),
        (58).to_bytes(8, "little") + b'{"vectors":{"dtype":"F16","shape":[9,9],"data_offsets":[0,2]}}',
        (58).to_bytes(8, "little") + b'{"vectors":{"dtype":"I64","shape":[1,1],"data_offsets":[0,8]}}',
    ],
)
def test_a_file_without_the_table_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "whole.safetensors").write_bytes(content)
    with pytest.raises(DataError, match=r"whole\.safetensors"):
        on_disk(tmp_path / "whole.safetensors", "vectors")


@given(seed=st.integers(0, 99), dim=st.sampled_from([1, 63, 64, 65, 130]))
@settings(max_examples=20, deadline=None)
def test_sums_by_planes_are_those_of_signs(seed: int, dim: int) -> None:
    draw = stream(seed, "planes")
    rows, asked = draw.normal(size=(30, dim)), draw.normal(size=dim).astype(np.float32)
    found = packed._signed_sums(packed._bits(rows.astype(np.float32)), asked)
    step = float(asked.max() - asked.min()) / (2**packed.PLANES - 1)
    np.testing.assert_allclose(found, np.sign(rows) @ asked, atol=dim * step / 2 + 1e-4)
