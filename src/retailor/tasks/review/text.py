"""From what a model said to a text that can be offered: tidied, ended, bounded, and nobody else's."""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from retailor.metrics.generation import CopyIndex, tokens
from retailor.scripts import CJK
from retailor.text.clean_shop import clean_text
from retailor.text.fields import sentences

_LABEL = re.compile(r"^\s*(?:(?:customer |product )?review|draft|评论|评价|草稿)(?: text)?\s*[:：]\s*", re.I)
_ROLE = re.compile(r"\n\s*(?:user|assistant|system|product|stars|商品|评分)\s*[:：]?.*", re.I | re.S)
_END = re.compile(r"[.!?。！？…][\"'”’)）]*$")
_IS_CJK = re.compile(f"[{CJK}]")
_MASKED = re.compile(r"\[[a-z]+\]|<[a-z]+>|\S+@\S+|https?://\S+|\+?\d[\d\s().-]{7,}\d", re.I)


def join(parts: list[str]) -> str:
    """Sentences as one text: a space between them, and none after a Chinese one."""
    text = ""
    for part in parts:
        text += part if not text or (_IS_CJK.search(text[-2:]) or text[-1] in "。！？") else f" {part}"
    return text


def private_free(text: str) -> str:
    """The text without the sentences that name an address, a link or a number to call, masked or not."""
    return join([part for part in sentences(text) if not _MASKED.search(part)])


def tidy(said: str, *, max_chars: int) -> str:
    """What a model said as the body of a review: no label, no other roles, no half sentence, no repeats."""
    text = _ROLE.sub("", _LABEL.sub("", said.strip()))
    text = clean_text(text.strip('"“”「」 \n'))
    kept: list[str] = []
    for part in sentences(private_free(text)):
        if part in kept:
            continue
        if sum(map(len, kept)) + len(part) > max_chars:
            break
        kept.append(part)
    # The last one may be what the limit on tokens left of a sentence.
    if len(kept) > 1 and not _END.search(kept[-1]):
        kept.pop()
    return join(kept)[:max_chars]


def too_long_a_copy(text: str, n_tokens: int) -> int:
    """The longest run a text may share with another's, in tokens: double where these are characters."""
    return 2 * n_tokens if len(_IS_CJK.findall(text)) * 2 > len(tokens(text)) else n_tokens


def is_copied(text: str, index: CopyIndex, others: NDArray[np.bool_], n_tokens: int) -> bool:
    """Whether the text shares more than `n_tokens` in a row with one of the `others` [sources]."""
    return index.longest(text, allowed=others).n_tokens > too_long_a_copy(text, n_tokens)


def without_copies(text: str, index: CopyIndex, others: NDArray[np.bool_], n_tokens: int) -> str:
    """The text without the sentences that carry copied runs; '' when nothing is left."""
    parts = sentences(text)
    while parts and is_copied(join(parts), index, others, n_tokens):
        run = index.longest(join(parts), allowed=others)
        seen, worst = 0, 0
        for i, part in enumerate(parts):
            if seen <= run.start + run.n_tokens // 2:
                worst = i
            seen += len(tokens(part))
        parts.pop(worst)
    return join(parts)
