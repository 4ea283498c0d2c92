"""A follow-up question made to stand alone, with what earlier turns were about."""

from __future__ import annotations

import re
from collections.abc import Sequence

from retailor.retrieval.tokens import content_words
from retailor.tasks.answer.question import kinds

_REFERS = re.compile(
    r"\b(?:it|its|it's|they|them|their|this|that|these|those|one|ones|the same)\b|它|他|她|这|那|其",
    re.IGNORECASE,
)
_CONTINUES = re.compile(
    r"^\s*(?:and|or|what about|how about|also|then)\b|^(?:那|还有|另外|以及)|呢[？?]?\s*$", re.IGNORECASE
)
_ONE = re.compile(r"\b(?:the|that|this|a) (?:\w+ )?ones?\b|[那这]个", re.IGNORECASE)
_WHICH = frozenset(("colour", "material", "people", "edition", "liking"))
_NAMED = re.compile(r"colou?r|material|\bmade?\b|颜色|材质|材料", re.IGNORECASE)
_ASKING_WORDS = "else more tell know please thank thanks help want need like get much many"
_ASKING = frozenset(_ASKING_WORDS.split())


def standalone(question: str, history: Sequence[tuple[str, str]]) -> str:
    """The question with the words it leaves out, taken from the latest turn that has them.

    'and its weight?' takes the things that were spoken of; 'what about the blue towel?' takes what was asked.
    """
    for earlier, _ in reversed(history):
        missing = _missing(question, earlier)
        if missing is None:
            return question
        if missing:
            return f"{question} {' '.join(missing)}"
    return question


def _missing(question: str, earlier: str) -> list[str] | None:
    """Words of `earlier` to carry over; [] when it has none to give, None when the question needs none."""
    own = set(content_words(question))
    follows = bool(_CONTINUES.search(question))
    things, asked = _split(earlier)
    if own and _ONE.search(question) and not _asks(question):
        return [word for word in (*asked, *things) if word not in own]
    has_thing = bool(_split(question)[0])
    if (follows or not own) and has_thing and not _asks(question):
        return [word for word in asked if word not in own]
    if (follows or _REFERS.search(question) or not own) and not has_thing:
        return [word for word in things if word not in own]
    return None


def _asks(text: str) -> bool:
    """Whether the text asks for something, rather than only saying which one ('the red one')."""
    return any(kind.name not in _WHICH for kind in kinds.asked(text)) or bool(_NAMED.search(text))


def _split(question: str) -> tuple[list[str], list[str]]:
    """The content words that name things, and those that say what is asked of them."""
    things: list[str] = []
    asked: list[str] = []
    for word in dict.fromkeys(content_words(question)):
        if word not in _ASKING:
            (asked if _asks(word) else things).append(word)
    return things, asked


def prompt(question: str, history: Sequence[tuple[str, str]]) -> str:
    """What a generator is asked: the last question, complete in itself."""
    turns = "\n".join(f"Customer: {asked}\nShop: {answered}" for asked, answered in history)
    return (
        "Rewrite the customer's last question so that it can be understood alone. Keep its language, add "
        f"nothing else, answer nothing.\n\n{turns}\nCustomer: {question}\n\nRewritten question:"
    )


def checked(rewritten: str, question: str, history: Sequence[tuple[str, str]]) -> str | None:
    """A generated rewriting; None when it has words that nobody said or leaves out the question's."""
    line = rewritten.strip().split("\n")[0].strip().strip('"“”')
    new = set(content_words(line))
    said = {word for turn in history for text in turn for word in content_words(text)}
    own = set(content_words(question))
    return line if new and own <= new and new <= own | said else None
