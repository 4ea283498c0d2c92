"""A question about a product without its name: 'how heavy is it?' of 'how heavy is the Hollis tent?'.

Which product is meant goes beside the question. Left in it, its name finds the title and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from difflib import SequenceMatcher
from typing import Any

from retailor.dialogue.acts import without
from retailor.dialogue.pointing import LAST, PLACE, THE_ONE
from retailor.retrieval.tokens import HAS_CHINESE, STOP_WORDS, content_words, words
from retailor.scripts import HAN

_TOKEN = re.compile(rf"[^\W{HAN}]+(?:[-'’.&][^\W{HAN}]+)*|&")
_TIDY = re.compile(r"\b(?:the|from|of)\s+(?=it\b)|\bit(?: one)?(?:\s+it\b)+", re.IGNORECASE)
_MODEL = re.compile(r"model|型号|货号", re.IGNORECASE)
LEAST_SHARED = 3
"""So many Chinese characters in a row are a name."""


def question_of(said: str, details: Mapping[str, Any]) -> str:
    """The turn with 'it' or 它 for the product's name or place; as it is where that leaves no question."""
    chinese = HAS_CHINESE.search(said) is not None
    it = "它" if chinese else "it"
    bare = without(said, "greet", "thanks")
    for pattern in (PLACE, LAST, THE_ONE):
        bare = pattern.sub(f"{it} ", bare)
    bare = _without_han(bare, details) if chinese else _without_latin(bare, details)
    bare = " ".join(_TIDY.sub(lambda match: "it " if "it" in match[0] else "", f"{bare} ").split()).strip(
        " ,，."
    )
    bare = re.sub(r"\b(it) (?:one|ones)\b", r"\1", bare, flags=re.IGNORECASE)
    return bare if content_words(re.sub(r"\bit\b|它", " ", bare)) or _asks_much(bare) else said


def _asks_much(text: str) -> bool:
    """'How much is it?' asks, though every word of it says nothing."""
    return re.search(r"\bhow (?:much|many|long|big)\b|多[少大长重高]", text, re.IGNORECASE) is not None


def _values(details: Mapping[str, Any]) -> list[str]:
    """What attributes say, but the model number: words that may well be asked for."""
    return [pair["value"] for pair in details["attributes"] if not _MODEL.search(pair["name"])]


def _without_latin(said: str, details: Mapping[str, Any]) -> str:
    """Runs of the title's words, two or more, or with the brand."""
    valued = {word for value in _values(details) for word in words(value)}
    brand = set(words(details.get("brand") or ""))
    name = (set(words(details["title"])) - valued - STOP_WORDS) | brand
    runs: list[list[re.Match[str]]] = [[]]
    for match in _TOKEN.finditer(said):
        of_name = match[0] == "&" or set(words(match[0])) & name
        if of_name:
            runs[-1].append(match)
        elif runs[-1]:
            runs.append([])
    for run in reversed([each for each in runs if each]):
        told = {word for match in run for word in words(match[0])}
        if len(run) > 1 or told & brand or any(char.isdigit() for char in run[0][0]):
            said = f"{said[: run[0].start()]}it{said[run[-1].end() :]}"
    return said


def _without_han(said: str, details: Mapping[str, Any]) -> str:
    """The brand, and what else the turn shares with the title in a row."""
    title = details["title"]
    for value in _values(details):
        title = title.replace(value, "\n")
    brand = details.get("brand") or ""
    if brand and brand in said:
        said = said.replace(brand, "它")
    match = SequenceMatcher(None, said, title, autojunk=False).find_longest_match()
    if match.size >= LEAST_SHARED:
        said = f"{said[: match.a]}它{said[match.a + match.size :]}"
    return re.sub(r"它(?:的?那?[个款件把双条]?它)+|它的?那[个款件把双条]", "它", said)
