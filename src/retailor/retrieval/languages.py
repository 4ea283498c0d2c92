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

from retailor.scripts import SCRIPTS
from retailor.text.languages import LATIN_SCRIPT, reads, script_of

F32 = NDArray[np.float32]
LEAST = 3
"""A language of fewer texts has no mean to speak of."""
N_ASKED = 50
"""So many texts of a language tell whether an encoder reads it."""


def read_scripts(texts: Sequence[str], tokenizer: Any) -> list[str]:
    """The script of each text [n], and '' where an encoder's tokenizer does not know what is of that script
    in most of them: its vectors of these say little, and their mean nothing. A text without letters counts
    as Latin. Where there is no tokenizer to ask, no script is known to be read, and all are ''."""
    if tokenizer is None:
        return [""] * len(texts)
    told = pl.DataFrame({"text": pl.Series(texts, dtype=pl.String)}).select(script_of(pl.col("text")))
    found: list[str] = told.to_series().fill_null(LATIN_SCRIPT).to_list()
    for code, script in SCRIPTS.items():  # no encoder was taught no Latin letters
        own = [text for text, one in zip(texts, found, strict=True) if one == code]
        some = [" ".join(re.findall(f"[{script}]+", text)) for text in own[:: max(1, len(own) // N_ASKED)]]
        if some and np.mean([reads(tokenizer, each) for each in some]) < 0.5:
            found = ["" if one == code else one for one in found]
    return found


def directions_between(vectors: NDArray[np.floating], scripts: Sequence[str]) -> F32:
    """Orthonormal directions [g − 1, d] between the means of vectors [n, d] of g scripts that at least LEAST
    are in; none [0, d] where there are not two such. What is in none has ''."""
    groups = np.array(scripts, dtype=str)
    names, sizes = np.unique(groups[groups != ""], return_counts=True)
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
