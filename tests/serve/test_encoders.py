"""An encoder that remembers gives the same vectors, and encodes each text once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from retailor.cache import MemoryCache
from retailor.models.shapes import Encoder, Role
from retailor.serve.encoders import CachedEncoder
from retailor.testing.toys import HashEncoder


class Counting(HashEncoder):
    """Remembers which texts it was asked to encode."""

    def __init__(self, dim: int = 64) -> None:
        super().__init__(dim)
        self.asked: list[str] = []

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        self.asked += texts
        return super().encode(texts, role=role)


CACHED = CachedEncoder(HashEncoder(), MemoryCache(), "a")


@given(st.lists(st.text(max_size=10), max_size=8))
def test_the_vectors_are_those_of_the_encoder(texts: list[str]) -> None:
    expected = HashEncoder().encode(texts)
    for _ in range(2):
        found = CACHED.encode(texts)
        assert found.dtype == np.float32 and found.shape == (len(texts), 64)
        np.testing.assert_array_equal(found, expected)


def test_each_text_is_encoded_once_a_role_and_fingerprint() -> None:
    encoder, cache = Counting(), MemoryCache()
    first = CachedEncoder(encoder, cache, "a")
    first.encode(["x", "y", "x"])
    first.encode(["y", "z"])
    assert encoder.asked == ["x", "y", "z"]
    first.encode(["x"], role="query")
    CachedEncoder(encoder, cache, "b").encode(["x"])
    assert encoder.asked == ["x", "y", "z", "x", "x"]


def test_it_is_an_encoder_and_a_broken_entry_is_made_anew() -> None:
    cache = MemoryCache()
    encoder = CachedEncoder(HashEncoder(), cache, "a")
    assert isinstance(encoder, Encoder) and encoder.name == "hash-64"
    expected = encoder.encode(["x"])
    for key in [*cache._small, *cache._main]:
        cache.put(key, b"broken")
    np.testing.assert_array_equal(encoder.encode(["x"]), expected)
