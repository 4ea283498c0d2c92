"""Readers of Amazon Reviews 2014, 2018 and 2023 (McAuley Lab): reviews, metadata, questions.

The role of a file (reviews, metadata, questions) is told by the keys of its first rows; its era is given by
the user and checked on every row, since the three eras look alike enough to be misread in silence.
`style` of 2018 reviews (which variant was bought) has no place in a shop and is left out, as are names,
images and `verified`.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import polars as pl

from retailor.errors import DataError
from retailor.progress import track
from retailor.shop.files.documents import row_blocks
from retailor.shop.files.lines import Block, Reject
from retailor.shop.files.packed import streams
from retailor.shop.files.records import Row, objects
from retailor.shop.files.sink import Sink
from retailor.shop.readers.amazon_eras import ERAS, Era, Foreign, Role, eras_of, role_of
from retailor.shop.readers.amazon_items import item_row
from retailor.shop.readers.amazon_questions import parse_questions
from retailor.shop.readers.amazon_reviews import canonical_events, canonical_reviews, parse_reviews
from retailor.shop.tables import SCHEMAS

_ROWS_FOR_ROLE = 100


def read_era(era: Era, files: Sequence[Path], sink: Sink) -> None:
    """Reads reviews, metadata and question files of one era into the sink.

    A row of another era is a reject that names it. Raises DataError where more rows of a file are of another
    era than of this one, and where a file is none of these.
    """
    _read(era, files, sink)


def read_questions(files: Sequence[Path], sink: Sink) -> None:
    """Reads McAuley question files into the sink. Raises DataError where a file is something else."""
    _read(None, files, sink)


def _read(era: Era | None, files: Sequence[Path], sink: Sink) -> None:
    for path in files:
        for name, stream in streams(path):
            role: Role | None = None
            foreign = Foreign()
            n_before = sink.n_good()

            def reject(line: int, reason: str, name: str = name) -> None:
                sink.reject(name, line, reason)

            for block in track(row_blocks(name, stream, reject, is_row=_is_row), f"reading {path.name}"):
                role = role or role_of_block(name, block, era)
                if role == "questions":
                    sink.add("questions", parse_questions(name, block, reject))
                elif role == "metadata" and era is not None:
                    _add_items(era, name, block, reject, foreign, sink)
                elif role == "reviews" and era is not None:
                    _add_reviews(era, block, reject, foreign, sink)
                else:
                    for line, _ in objects(block, reject):
                        reject(line, "no key of a review, an item or a question")
                foreign.check(name, sink.n_good() - n_before)


def _is_row(row: Row) -> bool:
    return role_of(row) is not None


def role_of_block(name: str, block: Block, era: Era | None) -> Role | None:
    """The role of most of the first rows that have one, or None. Raises DataError for one it cannot read."""
    rows = ((line, row, role_of(row)) for line, row in objects(block, lambda line, reason: None))
    first = list(itertools.islice((each for each in rows if each[2] is not None), _ROWS_FOR_ROLE))
    if not first:
        return None
    role = Counter(role for _, _, role in first).most_common(1)[0][0]
    if role is not None and era is None and role != "questions":
        line, row = next((line, row) for line, row, its in first if its == role)
        found = " or ".join(eras_of(role, row))
        raise DataError(f"no 'question': this is {role}, read it as {found}.", path=name, row=line)
    return role


def _add_reviews(era: Era, block: Block, reject: Reject, foreign: Foreign, sink: Sink) -> None:
    frame = parse_reviews(era, block, reject, foreign)
    sink.add("events", canonical_events(frame))
    sink.add_later("reviews", len(frame), lambda: canonical_reviews(frame))


def _add_items(era: Era, name: str, block: Block, reject: Reject, foreign: Foreign, sink: Sink) -> None:
    lines, rows = [], []
    for line, row in objects(block, reject):
        role = role_of(row)
        if role is not None and role != "metadata":
            reject(line, f"a row of {role} in a file of metadata")
            continue
        made = foreign.reason(era, "metadata", line, row) or item_row(row, era.item)
        if isinstance(made, str):
            reject(line, made)
        else:
            lines.append(line)
            rows.append(made)
    frame = pl.DataFrame(rows, schema=SCHEMAS["items"], orient="row")
    sink.add_items(name, frame, pl.Series(lines, dtype=pl.Int64))


READ: dict[str, Callable[[Sequence[Path], Sink], None]] = {
    **{name: partial(read_era, era) for name, era in ERAS.items()},
    "amazon-questions": read_questions,
}
