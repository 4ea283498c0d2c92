"""What a fitted sentiment reader says of a test, row by row: the same for every benchmark of sentiment."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retailor.tasks.sentiment import SentimentReader
from retailor.tasks.sentiment.fitting import ALONE, TUNED
from retailor.tasks.sentiment.shapes import SentimentQuery

Stage = dict[str, NDArray[np.float64]]
"""By row: probabilities [n, 3] of the test cases, and under 'seconds ROW' the training time [1]."""


def as_blended(found: Stage) -> Stage:
    """The same rows, the reader's own called 'blended': it has settings that nobody gets by default."""
    return {name.replace("retailor", "blended"): rows for name, rows in found.items()}


def read_rows(reader: SentimentReader, queries: Sequence[SentimentQuery]) -> Stage:
    """Every row of the reader; the network of a blended one is 'fine-tuned'."""
    found: Stage = {}
    names = {"retailor": reader.log["chosen"]}
    for name, (rows, _) in reader.readings(queries).items():
        row = TUNED if name == ALONE else name
        log = reader.log["validation"].get(names.get(row, row), {})
        found[row] = np.ascontiguousarray(rows)
        found[f"seconds {row}"] = np.array([log.get("seconds", 0.0)])
    return found
