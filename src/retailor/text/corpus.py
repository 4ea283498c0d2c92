"""What term mining counts of texts, block by block; on a cluster, blocks are its tasks.

A block is cleaned, told apart by language, and cut into words; what is left for the command is to number the
words of all blocks alike. So a corpus is the same, to the order of its words, however it was cut into blocks.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from retailor.progress import track
from retailor.runner import over_shards
from retailor.store.artifact import fingerprint
from retailor.store.memo import Tensors, memo_path, memo_tensors
from retailor.text.clean_text import clean_text
from retailor.text.languages import language_of
from retailor.text.ngrams import BREAK, Ints

BLOCK = 4096
"""Texts of a shard."""
_TOKEN = re.compile(r"[A-Za-z\u00c0-\u024f][\w'&+-]*(?:\.(?:com|net|org|[a-z](?=\.)))?|\d[\w.,]*|[^\w\s]")
_MARK = re.compile(r"\[(?:link|email|phone)\]")


@dataclass(frozen=True)
class Corpus:
    """Texts as term mining reads them; equal ones were left out."""

    n_characters: Counter[str] = field(default_factory=Counter)
    """By language, of cleaned texts; what has no letters counts as English."""
    symbols: Ints = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    """English: the numbers of its words in order, BREAK at punctuation and at each text's end."""
    forms: dict[str, Counter[str]] = field(default_factory=dict)
    """English: each word in lower case, in the order of their numbers, and how it is written."""
    characters: str = ""
    """Chinese: the texts, each on a line."""
    counts: Counter[str] = field(default_factory=Counter)
    """Chinese: words of the dictionary, as often as they stand there."""
    tags: dict[str, str] = field(default_factory=dict)
    """Chinese: the part of speech of each, where it first stands."""


def corpus_of(texts: Iterable[str], language: str | None = None, work: Path | None = None) -> Corpus:
    """The texts, read in blocks. `language` ('en' or 'zh') skips telling them apart.

    With `work` each block is kept there under its content: a killed call goes on where it was.
    """
    unique = list(dict.fromkeys(texts))
    blocks = [unique[start : start + BLOCK] for start in range(0, len(unique), BLOCK)]
    if work is None:
        shown = track(blocks, "reading") if len(blocks) > 1 else blocks
        return _joined([_read(block, language) for block in shown])
    keyed = [(fingerprint(language, block), block) for block in blocks]
    made = over_shards(partial(_kept, language, work), keyed, "reading")
    return _joined([_opened(path) for path in made])


@cache
def cutter() -> Any:
    """One of our own, so that nobody else's added words are seen."""
    import rjieba

    return rjieba.Jieba()


def _kept(language: str | None, work: Path, shard: tuple[str, list[str]]) -> Path:
    """The file of a block's corpus, made where it is not there."""
    key, block = shard

    def make() -> Tensors:
        read = _read(block, language)
        told = {
            name: getattr(read, name) for name in ("n_characters", "forms", "characters", "counts", "tags")
        }
        return {
            "symbols": read.symbols,
            "told": np.frombuffer(json.dumps(told, ensure_ascii=False).encode(), dtype=np.uint8),
        }

    memo_tensors(work, "terms", key, make)
    return memo_path(work, "terms", key)


def _opened(path: Path) -> Corpus:
    kept = load_file(path)
    told = json.loads(kept["told"].tobytes())
    return Corpus(
        Counter(told["n_characters"]),
        kept["symbols"],
        {word: Counter(forms) for word, forms in told["forms"].items()},
        told["characters"],
        Counter(told["counts"]),
        told["tags"],
    )


def _read(texts: Sequence[str], language: str | None) -> Corpus:
    """One block."""
    apart: dict[str, list[str]] = {}
    for text in texts:
        cleaned = _MARK.sub(" ", clean_text(text))
        code = language or language_of(cleaned)
        apart.setdefault("en" if code == "und" else code, []).append(cleaned)
    symbols, forms = _english(apart.get("en", ()))
    counts, tags = _chinese(apart.get("zh", ()))
    n_characters = Counter({code: sum(map(len, own)) for code, own in apart.items()})
    return Corpus(n_characters, symbols, forms, "\n".join(apart.get("zh", ())), counts, tags)


def _english(texts: Iterable[str]) -> tuple[Ints, dict[str, Counter[str]]]:
    numbers: dict[str, int] = {}
    forms: dict[str, Counter[str]] = {}
    symbols: list[int] = []
    for text in texts:
        for token in _TOKEN.findall(text):
            word = token.lower().strip("'-").removesuffix("'s")
            if not word or not (word[0].isalnum()):
                symbols.append(BREAK)
                continue
            symbols.append(numbers.setdefault(word, len(numbers)))
            forms.setdefault(word, Counter())[token.strip("'-").removesuffix("'s")] += 1
        symbols.append(BREAK)
    return np.array(symbols, dtype=np.int64), forms


def _chinese(texts: Iterable[str]) -> tuple[Counter[str], dict[str, str]]:
    counts: Counter[str] = Counter()
    tags: dict[str, str] = {}
    for text in texts:
        for word, tag in cutter().tag(text):
            word = word.upper() if word.isascii() else word
            counts[word] += 1
            tags.setdefault(word, tag)
    return counts, tags


def _joined(blocks: Sequence[Corpus]) -> Corpus:
    """The corpora of blocks as that of all their texts; words are numbered in the order of their firsts."""
    whole = Corpus()
    numbers: dict[str, int] = {}
    symbols = [whole.symbols]
    for block in blocks:
        whole.n_characters.update(block.n_characters)
        table = np.array([numbers.setdefault(word, len(numbers)) for word in block.forms] + [BREAK])
        symbols.append(table[block.symbols])  # BREAK takes the last
        for word, forms in block.forms.items():
            whole.forms.setdefault(word, Counter()).update(forms)
        whole.counts.update(block.counts)
        for word, tag in block.tags.items():
            whole.tags.setdefault(word, tag)
    characters = "\n".join(block.characters for block in blocks if block.characters)
    return Corpus(
        whole.n_characters, np.concatenate(symbols), whole.forms, characters, whole.counts, whole.tags
    )
