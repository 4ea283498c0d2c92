"""Synonyms in the text that Solr and Elasticsearch read: a line a rule, the merchant's to write.

    # a comment
    pram, stroller, pushchair        each finds the others
    anorak => rain jacket, parka     who asks for an anorak finds these too, and not the other way round

A comma or an arrow after a backslash is a character. A phrase may have several words.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

from retailor.errors import DataError
from retailor.retrieval.tokens import STOP_WORDS, words

Phrase = tuple[str, ...]
"""Index words, in their order."""
Rules = dict[Phrase, tuple[Phrase, ...]]
"""What stands for a phrase."""
MAX_BYTES, MAX_PHRASES, MAX_WORDS = 8_000_000, 50, 8
_COMMENT = re.compile(r"(?:^|\s)#.*")
_COMMA, _ARROW = re.compile(r"(?<!\\),"), re.compile(r"(?<!\\)=>")


def phrase_of(text: str) -> Phrase:
    """The index words of a phrase without stop words; all of them where it has no other."""
    found = words(text, bigrams=False)
    return tuple(word for word in found if word not in STOP_WORDS) or tuple(found)


def lines_of_file(path: Path) -> list[str]:
    """The lines of a file of rules. Raises DataError that names the file, and the line that is no rule."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(f"a file of synonyms has at most {MAX_BYTES:,} bytes.", path=path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except OSError as error:
        raise DataError(f"the synonyms cannot be read ({error.strerror}).", path=path) from None
    except UnicodeDecodeError:
        raise DataError("the synonyms are not UTF-8; save the file so.", path=path) from None
    rules_of(lines, path)
    return lines


def rules_of(lines: Iterable[str], path: Path | None = None) -> Rules:
    """The rules of some lines; those of one phrase add up."""
    found: dict[Phrase, dict[Phrase, None]] = {}
    for number, line in enumerate(lines, 1):
        line = _COMMENT.sub("", line).strip()
        if not line:
            continue
        left, *right = _ARROW.split(line)
        asked, meant = _phrases(left), _phrases(right[0] if right else left)
        if len(right) > 1 or not asked or not meant or (not right and len(asked) < 2):
            raise DataError(
                "this is no rule of synonyms; write 'pram, stroller' or 'anorak => rain jacket'.",
                path=path, row=number, value=line[:80],
            )  # fmt: skip
        if max(len(asked), len(meant)) > MAX_PHRASES or max(map(len, [*asked, *meant])) > MAX_WORDS:
            raise DataError(
                f"a rule has at most {MAX_PHRASES} phrases of {MAX_WORDS} words.", path=path, row=number
            )
        for each in asked:
            found.setdefault(each, {}).update((other, None) for other in meant if other != each)
    return {phrase: tuple(others) for phrase, others in found.items() if others}


def _phrases(text: str) -> list[Phrase]:
    written = (part.replace("\\,", ",").replace("\\=>", "=>").strip() for part in _COMMA.split(text))
    return list(dict.fromkeys(phrase for part in written if (phrase := phrase_of(part))))
