"""Whether a model's words say only what the tools found: numbers, prices, names, and no more than that."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from retailor.dialogue.shapes import Call
from retailor.retrieval.tokens import STOP_WORDS, content_words, words
from retailor.tasks.answer.worded import numbers
from retailor.tasks.answer.wording import NEGATION
from retailor.text.common_words import english_share

MAX_NEW_WORDS = 0.35
"""The share of content words that neither tools nor customer used."""
_PLACE_IN_LIST = re.compile(r"^\s*(?:\d{1,2}[.)、]|[-*•])\s*", re.MULTILINE)
_NAME = re.compile(r"(?<![\w'’-])[A-Z][\w&'’-]+")
_CODE = re.compile(r"(?<![\w-])(?=[\w-]*\d)(?=[\w-]*[A-Za-z])[\w-]{3,}")
_UNCOMMON = english_share("qzxv")
"""What a word has that is none of the commonest of English: it may be a name."""
_SENTENCE = re.compile(r"(?<=[.!?。！？；;])\s+|\n|(?<=[。！？；])")
_GLUE = (
    "here found option look happy help show available price cost star rated product item shop like also both "
    "first second one following match fit choose choice recommend suggest customer say cheaper lighter "
    "better compare between while whereas come offer sell hello sure yes let know want another question"
)


def refusal(text: str, said: str, calls: Sequence[Call]) -> str | None:
    """Why the words are not to be given, or None where they may be."""
    bare = _PLACE_IN_LIST.sub("", text.replace("\n\n", "\n")).strip()
    if not bare:
        return "it is empty"
    if not calls:
        return "no tool was used"
    known = "\n".join(_texts(calls))
    strange = _strange_name(bare, f"{known}\n{said}")
    if strange is not None:
        return f"'{strange}' is in no result"
    misplaced = _misplaced(bare, said, calls)
    if misplaced is not None:
        return f"'{misplaced}' is not said of this product"
    return "it says what the tools did not find" if _says_more(bare, said, known) else None


def _says_more(bare: str, said: str, known: str) -> bool:
    """Whether the words have a number or a denial that no result has, or too many words of their own."""
    denies = NEGATION.search(bare) is not None and NEGATION.search(known) is None
    if denies or not numbers(bare) <= numbers(known):
        return True
    allowed = {*words(known), *words(said), *words(_GLUE), *STOP_WORDS}
    told = content_words(bare)
    new = [word for word in told if word not in allowed]
    return bool(told) and len(new) / len(told) > MAX_NEW_WORDS


def _texts(calls: Sequence[Call]) -> Iterator[str]:
    """All that the tools found, a text a leaf."""
    for call in calls:
        yield from _leaves(call.result.data)


def _leaves(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield str(name).replace("_", " ")
            yield from _leaves(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from _leaves(each)
    elif isinstance(value, float):
        yield f"{value:g} {value:.1f} {value:.2f}"
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _strange_name(text: str, known: str) -> str | None:
    """A name or a code that nobody said: a capital within a sentence, an uncommon word at its start."""
    lower = known.lower()
    for match in _CODE.finditer(text):
        if match[0].lower() not in lower:
            return match[0]
    for match in _NAME.finditer(text):
        word = match[0].lower().removesuffix("'s").removesuffix("’s")
        if word in lower or set(content_words(word)) <= set(content_words(known)):
            continue
        begins = re.search(r"(?:^|[.!?:;\n]\s*|[\"“(]\s*)$", text[: match.start()]) is not None
        if not begins or english_share(word) <= _UNCOMMON:
            return match[0]
    return None


def _misplaced(text: str, said: str, calls: Sequence[Call]) -> str | None:
    """A number in a sentence about one product that no result about this product has."""
    own = _by_item(calls)
    asked = numbers(said)
    for sentence in _SENTENCE.split(text):
        about = [item for item, (title, _) in own.items() if item in sentence or title in sentence]
        if len(about) != 1:
            continue
        title, told = own[about[0]]
        rest = sentence.replace(title, "").replace(about[0], "")
        for number in sorted(numbers(rest) - asked):
            if number not in told:
                return number
    return None


def _by_item(calls: Sequence[Call]) -> dict[str, tuple[str, set[str]]]:
    """Item id to its title and the numbers that results about it have."""
    found: dict[str, tuple[str, set[str]]] = {}
    for call in calls:
        data = call.result.data
        rows = [*data.get("items", ()), *([data["item"]] if "item" in data else ())]
        for place, row in enumerate(rows):
            title, told = found.setdefault(row["item_id"], (str(row["title"]), set()))
            told |= numbers("\n".join(_leaves(row)))
            for values in data.get("facts", {}).values():
                told |= numbers(str(values[place]))
            found[row["item_id"]] = (title, told)
    for call in calls:
        item_id = call.arguments.get("item_id")
        if call.tool == "answer" and item_id in found:
            found[item_id][1].update(numbers("\n".join(_leaves(call.result.data))))
    return found
