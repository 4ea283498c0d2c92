"""Synonyms in the text that Solr and Elasticsearch read: a line a rule, the merchant's to write.

    # a comment
    pram, stroller, pushchair        each finds the others
    anorak => rain jacket, parka     who asks for an anorak finds these too, and not the other way round

A comma or an arrow after a backslash is a character. A phrase may have several words, and all of them count:
"vitamin a" is not "vitamin c". How much there may be is bounded, since what is written here is read whole and
searched for at every query.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from retailor.errors import DataError
from retailor.retrieval.tokens import words

Phrase = tuple[str, ...]
"""Index words, in their order."""
Rules = dict[Phrase, tuple[Phrase, ...]]
"""What stands for a phrase."""
MAX_BYTES, MAX_PHRASES, MAX_WORDS = 8_000_000, 50, 8
"""Of the file; of a line, and so for one phrase by all lines; of a phrase."""
MAX_PAIRS = 500_000
"""Of a phrase and what stands for it, by all lines: a hundred bytes each, in memory."""
_COMMENT = re.compile(r"(?:^|\s)#.*")
_COMMA, _ARROW = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)=>")


def phrase_of(text: str) -> Phrase:
    """The index words of a phrase, stop words too: "bag for life" is asked for and written with its 'for'."""
    return tuple(words(text, bigrams=False))


def lines_of_file(path: Path) -> list[str]:
    """The lines of a file of rules. Raises DataError that names the file, and the line that is no rule."""
    try:
        with path.open("rb") as file:
            read = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise DataError(f"the synonyms cannot be read ({error.strerror}).", path=path) from None
    if len(read) > MAX_BYTES:
        raise DataError(f"a file of synonyms has at most {MAX_BYTES:,} bytes.", path=path)
    try:
        lines = read.decode("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise DataError("the synonyms are not UTF-8; save the file so.", path=path) from None
    rules_of(lines, path)
    return lines


def rules_of(lines: Iterable[str], path: Path | None = None) -> Rules:
    """The rules of some lines; those of one phrase add up. Raises DataError that names the line which is no
    rule, or with which there is too much."""
    found: dict[Phrase, dict[Phrase, None]] = {}
    n_pairs = 0
    for number, line in enumerate(lines, 1):
        line = _COMMENT.sub("", line).strip()
        if not line:
            continue
        asked, meant = _rule(line, number, path)
        for each in asked:
            others = found.setdefault(each, {})
            before = len(others)
            others.update((other, None) for other in meant if other != each)
            n_pairs += len(others) - before
            if len(others) > MAX_PHRASES:
                raise DataError(
                    f"with this line more than {MAX_PHRASES} phrases stand for one; leave some out.",
                    path=path, row=number, value=" ".join(each),
                )  # fmt: skip
        if n_pairs > MAX_PAIRS:
            raise DataError(
                f"with this line more than {MAX_PAIRS:,} pairs of a phrase and another stand in the file.",
                path=path,
                row=number,
            )
    return {phrase: tuple(others) for phrase, others in found.items() if others}


def _rule(line: str, number: int, path: Path | None) -> tuple[list[Phrase], list[Phrase]]:
    """What is asked, and what is found by it."""
    left, *right = _ARROW.split(line)
    asked = _phrases(left)
    meant = _phrases(right[0]) if right else asked
    if len(right) > 1 or not asked or not meant or (not right and len(asked) < 2):
        raise DataError(
            "this is no rule of synonyms; write 'pram, stroller' or 'anorak => rain jacket'.",
            path=path, row=number, value=line[:80],
        )  # fmt: skip
    if max(len(asked), len(meant)) > MAX_PHRASES or max(map(len, [*asked, *meant])) > MAX_WORDS:
        raise DataError(
            f"a rule has at most {MAX_PHRASES} phrases of {MAX_WORDS} words.", path=path, row=number
        )
    return asked, meant


def _phrases(text: str) -> list[Phrase]:
    written = (part.replace("\\,", ",").replace("\\=>", "=>").strip() for part in _COMMA.split(text))
    return list(dict.fromkeys(phrase for part in written if (phrase := phrase_of(part))))
