"""Vectors of texts in several languages, without what tells the languages apart.

A multilingual encoder puts texts of one language beside each other: a query finds what is written as it is
itself before what it means. The languages of a catalogue lie apart along few directions, those between the
means of their vectors; inner products with vectors that have no part along these compare across languages.
(After Yang, Yang, Cer & Darve, EMNLP 2021, who take each language's principal components away.)
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from retailor.scripts import LATIN, SCRIPTS
from retailor.text.languages import reads

F32 = NDArray[np.float32]
LEAST = 3
"""A language of fewer texts has no mean to speak of."""
N_ASKED = 50
"""So many texts of a language tell whether an encoder reads it."""
UNSPACED = ("ja", "ko", "zh", "th")
"""Written without spaces between words, or with few: a letter of theirs counts for a word."""


def scripts_of(texts: Sequence[str]) -> NDArray[np.int64]:
    """The script that most words of each text are in [n], a number each; 0 for Latin, and for none.

    Japanese is told from Chinese by its syllables.
    """
    text = pl.col("text")
    counts = [
        text.str.count_matches(f"[{script}]" if code in UNSPACED else f"[{script}]+")
        for code, script in {"": LATIN, **SCRIPTS}.items()
    ]
    found = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(
        one.cast(pl.Int64).alias(str(i)) for i, one in enumerate(counts)
    )
    many = found.to_numpy().astype(np.int64)
    ja, zh = (1 + list(SCRIPTS).index(code) for code in ("ja", "zh"))
    is_japanese = (many[:, ja] > 0) & (many[:, ja] * 10 >= many[:, zh])
    many[is_japanese, ja] += many[is_japanese, zh]
    many[is_japanese, zh] = 0
    best = many[:, 1:].argmax(axis=1) + 1 if len(many) else np.zeros(0, np.int64)
    return np.where(many[np.arange(len(many)), best] >= np.maximum(many[:, 0], 1), best, 0)


def read_scripts(texts: Sequence[str], tokenizer: Any) -> NDArray[np.int64]:
    """The script of each text [n], as `scripts_of`, and -1 where an encoder's tokenizer does not know what
    is of that script in most of them: its vectors of these say little, and their mean nothing. Where there is
    no tokenizer to ask, no script is known to be read, and all are -1."""
    groups = scripts_of(texts)
    if tokenizer is None:
        return np.full_like(groups, -1)
    for group, script in enumerate(SCRIPTS.values(), start=1):  # no encoder was taught no Latin letters
        rows = np.flatnonzero(groups == group)
        some = rows[:: max(1, len(rows) // N_ASKED)]
        own = [" ".join(re.findall(f"[{script}]+", texts[row])) for row in some]
        if own and np.mean([reads(tokenizer, each) for each in own]) < 0.5:
            groups[rows] = -1
    return groups


def directions_between(vectors: NDArray[np.floating], groups: NDArray[np.integer]) -> F32:
    """Orthonormal directions [g − 1, d] between the means of vectors [n, d] of g groups of at least LEAST;
    none [0, d] where there are not two such. Who is in no group has -1."""
    names, sizes = np.unique(groups[groups >= 0], return_counts=True)
    means = np.array([
        np.asarray(vectors[groups == name], np.float64).mean(axis=0) for name in names[sizes >= LEAST]
    ])  # fmt: skip
    if len(means) < 2:
        return np.zeros((0, vectors.shape[1]), np.float32)
    _, spread, found = np.linalg.svd(means[1:] - means[0], full_matrices=False)
    return np.asarray(found[spread > 1e-6], np.float32)


def without(vectors: F32, directions: F32) -> F32:
    """The vectors [n, d] less their parts along orthonormal directions [k, d]."""
    if not len(directions):
        return vectors
    return np.asarray(vectors - (vectors @ directions.T) @ directions, np.float32)
