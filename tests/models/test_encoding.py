"""Vectors of many texts: order, repeated texts, and going on after a kill."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from retailor.models.encoding import BLOCK, memo_vectors
from retailor.models.shapes import Role

TEXTS = [f"text {i}" for i in range(2 * BLOCK + 10)]


class Counting:
    """An encoder that counts the texts that it has seen, and is killed after so many calls."""

    name, dim = "counting", 3

    def __init__(self, calls: int = 1000, turn: float = 0.0) -> None:
        self.calls, self.turn, self.seen = calls, turn, 0

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        self.calls -= 1
        if self.calls < 0:
            raise KeyboardInterrupt
        self.seen += len(texts)
        angles = np.array([crc32(text.encode()) % 1000 / 1000 + self.turn for text in texts])
        return np.stack([np.cos(angles), np.sin(angles), 0 * angles], axis=1).astype(np.float32)

    def save(self, folder: Path) -> None: ...


def test_in_order_and_equal_texts_once() -> None:
    encoder = Counting()
    rows = memo_vectors(encoder, [*TEXTS, "text 3", TEXTS[-1]])
    assert encoder.seen == len(TEXTS)
    np.testing.assert_array_equal(rows, Counting().encode([*TEXTS, "text 3", TEXTS[-1]]))


def test_no_texts() -> None:
    assert memo_vectors(Counting(), []).shape == (0, 3)


def test_goes_on_where_it_was_killed(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        memo_vectors(Counting(calls=3), TEXTS, work=tmp_path)  # one call tells the encoder, two make blocks
    encoder = Counting()
    rows = memo_vectors(encoder, TEXTS, work=tmp_path)
    assert encoder.seen < len(TEXTS) - BLOCK
    np.testing.assert_array_equal(rows, Counting().encode(TEXTS))


def test_another_encoder_of_the_same_name_is_not_taken_for_it(tmp_path: Path) -> None:
    first = memo_vectors(Counting(), TEXTS, work=tmp_path)
    second = memo_vectors(Counting(turn=0.001), TEXTS, work=tmp_path)
    assert np.abs(first - second).max() > 1e-4


def test_a_role_has_vectors_of_its_own(tmp_path: Path) -> None:
    encoder = Counting()
    memo_vectors(encoder, TEXTS, work=tmp_path)
    memo_vectors(encoder, TEXTS, role="query", work=tmp_path)
    assert encoder.seen > 2 * len(TEXTS)


def test_a_corrupt_block_is_made_again(tmp_path: Path) -> None:
    rows = memo_vectors(Counting(), TEXTS, work=tmp_path)
    broken = next(iter(tmp_path.glob("vectors-*")))
    broken.write_bytes(b"cut off")
    np.testing.assert_array_equal(memo_vectors(Counting(), TEXTS, work=tmp_path), rows)
