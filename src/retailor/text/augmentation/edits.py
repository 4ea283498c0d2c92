"""More texts out of few: edits that know what must not change, and paraphrases by a generator."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeVar

import numpy as np

from retailor.config import Field, settings
from retailor.errors import ConfigError, DataError
from retailor.models.shapes import Generator
from retailor.scripts import HAN
from retailor.seeds import derive, stream
from retailor.text.augmentation.facts import facts, is_negation, is_number, is_opinion, names_in
from retailor.text.augmentation.substitutes import pieces, word_neighbours
from retailor.text.languages import language_of

__all__ = ["AugmentSettings", "augment", "augmented", "word_neighbours"]

L = TypeVar("L")
Edit = Literal["synonym", "drop", "swap"]
_LATIN = re.compile(r"[A-Za-z]")
_HAN = re.compile(f"[{HAN}]")
_QUOTES = "\"'“”‘’「」` \n"


@settings
class AugmentSettings:
    """How to make copies of texts."""

    method: Literal["none", "edits", "paraphrase"] = "none"
    """'edits' changes some words; 'paraphrase' asks a generator to say it in other words."""
    copies: int = Field(default=1, ge=1, le=50)
    """Copies a text; there are fewer where a text allows no change."""
    rate: float = Field(default=0.1, gt=0, le=0.5)
    """Part of the words that may change which do, one at the least."""
    edits: tuple[Edit, ...] = Field(default=("synonym", "drop", "swap"), min_length=1)
    pivot: str | None = Field(default=None, min_length=2)
    """Paraphrase by translating into this language and back ('German', say); None asks for other words."""
    temperature: float = Field(default=0.8, ge=0, le=2)
    max_tokens: int = Field(default=256, ge=8)


def augment(
    texts: Sequence[str],
    settings: AugmentSettings,
    *,
    seed: int,
    neighbours: Mapping[str, Sequence[str]] | None = None,
    generator: Generator | None = None,
    protected: Iterable[str] = (),
) -> list[list[str]]:
    """At most `copies` copies of each text, each different from it and from the others; [] each for 'none'.

    `neighbours` says which words can stand for which (`word_neighbours`); when not given it is learned from
    `texts`, and {} replaces none. `protected` are names, brands above all. Numbers, units, negations and
    protected names are in a copy exactly as often as in its text: what a copy cannot keep, is no copy.
    Edits touch no opinion and no name either, and not the words beside a number or after a negation
    (Wei & Zou, EDA, EMNLP 2019, with all that left alone). Copies of a text depend on `seed` and the text.

    Raises ConfigError when 'paraphrase' has no generator.
    """
    if settings.method == "none":
        return [[] for _ in texts]
    names = tuple(dict.fromkeys(protected))
    if settings.method == "paraphrase":
        if generator is None:
            raise ConfigError(
                "'paraphrase' needs a generator: a local one, or the address of a remote one.", key="method"
            )
        return _paraphrased(texts, settings, seed, generator, names)
    known = word_neighbours(texts) if neighbours is None and "synonym" in settings.edits else neighbours
    editor = _Editor(settings, known or {}, names)
    return [editor.copies(text, stream(seed, "augment", text)) for text in texts]


def augmented(
    texts: Sequence[str],
    labels: Sequence[L],
    settings: AugmentSettings,
    *,
    seed: int,
    neighbours: Mapping[str, Sequence[str]] | None = None,
    generator: Generator | None = None,
    protected: Iterable[str] = (),
) -> tuple[list[str], list[L]]:
    """Examples in, examples out: the texts and their copies, and the labels of both. See `augment`."""
    if len(texts) != len(labels):
        raise DataError(f"there are {len(texts)} texts and {len(labels)} labels; each text has one.")
    made = augment(
        texts, settings, seed=seed, neighbours=neighbours, generator=generator, protected=protected
    )
    pairs = list(zip(texts, labels, strict=True))
    pairs += [(copy, label) for copies, label in zip(made, labels, strict=True) for copy in copies]
    return [text for text, _ in pairs], [label for _, label in pairs]


# edits --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Editor:
    settings: AugmentSettings
    neighbours: Mapping[str, Sequence[str]]
    names: tuple[str, ...]

    def copies(self, text: str, draw: np.random.Generator) -> list[str]:
        cut = pieces(text)
        free = _free(cut, text, self.names)
        stated = facts(text, self.names)
        found: dict[str, None] = {}
        for _ in range(2 * self.settings.copies):  # some come out as the text or as each other
            copy = self._edited(cut, free, draw)
            if copy != text and copy.strip() and facts(copy, self.names) == stated:
                found[copy] = None
            if len(found) == self.settings.copies:
                break
        return list(found)

    def _edited(self, cut: list[str], free: list[int], draw: np.random.Generator) -> str:
        """The text with about `rate` of its free words edited."""
        if not free:
            return "".join(cut)
        new = list(cut)
        n_edits = max(1, round(self.settings.rate * len(free)))
        touched: set[int] = set()
        for place in draw.permutation(free).tolist():
            if len(touched) >= n_edits:
                break
            if place not in touched:
                touched |= self._edit(new, place, free, touched, draw)
        return _joined(new)

    def _edit(
        self, new: list[str], place: int, free: list[int], touched: set[int], draw: np.random.Generator
    ) -> set[int]:
        """Edits one word in place; the places that are not to be touched again."""
        after = _next_word(new, place, free)
        synonyms = self.neighbours.get(new[place].lower(), ())
        possible = {"synonym": bool(synonyms), "drop": len(free) > 2, "swap": after not in (None, *touched)}
        kinds = [kind for kind in self.settings.edits if possible[kind]]
        if not kinds:
            return set()
        kind = kinds[int(draw.integers(len(kinds)))]
        if kind == "synonym":
            new[place] = _cased(synonyms[int(draw.integers(len(synonyms)))], new[place])
        elif kind == "drop":
            new[place] = ""
        elif after is not None:
            new[place], new[after] = new[after], new[place]
            return {place, after}
        return {place}


def _free(cut: list[str], text: str, names: tuple[str, ...]) -> list[int]:
    """The numbers of the pieces that edits may touch."""
    chinese = bool(_HAN.search(text))
    words = [i for i, piece in enumerate(cut) if any(letter.isalnum() for letter in piece)]
    fixed = _named(cut, text, names)
    for at, i in enumerate(words):
        piece = cut[i]
        if is_number(piece):
            fixed.update(words[max(0, at - 1) : at + 2])  # its unit, or a word that keeps a unit away
        elif is_negation(piece):
            fixed.update(words[at : at + 2])  # and what is denied
        elif is_opinion(piece) or _is_name(piece, at == 0, chinese):
            fixed.add(i)
    return [i for i in words if i not in fixed]


def _named(cut: list[str], text: str, names: tuple[str, ...]) -> set[int]:
    spans = [match.span() for match in names_in(text, names)]
    found: set[int] = set()
    start = 0
    for i, piece in enumerate(cut):
        end = start + len(piece)
        if any(a < end and start < b for a, b in spans):
            found.add(i)
        start = end
    return found


def _is_name(piece: str, first: bool, chinese: bool) -> bool:
    """Whether a word looks like a name or a model: capitals within a text, Latin letters among Chinese."""
    if chinese and _LATIN.search(piece):
        return True
    return piece[1:] != piece[1:].lower() or (not first and piece[:1].isupper())


def _next_word(new: list[str], place: int, free: list[int]) -> int | None:
    """The free word right after this one, with nothing but a space between."""
    after = place + 1
    if after < len(new) and new[after].isspace():
        after += 1
    return after if after in free and new[after] else None


def _cased(word: str, like: str) -> str:
    return word[:1].upper() + word[1:] if like[:1].isupper() else word


def _joined(new: list[str]) -> str:
    """The pieces as a text; a dropped word takes one of the spaces beside it along."""
    kept: list[str] = []
    dropped = False
    for piece in new:
        if not piece:
            dropped = True
            continue
        between = not kept or kept[-1].isspace()
        if dropped and piece.isspace() and between:
            continue
        if dropped and kept and kept[-1].isspace() and not piece[0].isalnum():
            kept.pop()  # no space is left before a mark
        kept.append(piece)
        dropped = False
    return "".join(kept)


# paraphrases --------------------------------------------------------------------------------------


def _paraphrased(
    texts: Sequence[str],
    settings: AugmentSettings,
    seed: int,
    generator: Generator,
    names: tuple[str, ...],
) -> list[list[str]]:
    found: list[dict[str, None]] = [{} for _ in texts]
    stated = [facts(text, names) for text in texts]
    for number in range(settings.copies):
        own = derive(seed, "augment", "paraphrase", str(number))
        for i, said in enumerate(_said_again(texts, settings, own, generator)):
            copy = said.strip(_QUOTES)
            if _is_copy(copy, texts[i]) and facts(copy, names) == stated[i]:
                found[i][copy] = None
    return [list(copies) for copies in found]


def _said_again(
    texts: Sequence[str], settings: AugmentSettings, seed: int, generator: Generator
) -> list[str]:
    def ask(prompts: list[str]) -> list[str]:
        return generator.generate(
            prompts, max_tokens=settings.max_tokens, temperature=settings.temperature, seed=seed
        )

    if settings.pivot is None:
        return ask([_PROMPTS.get(language_of(text), _PROMPTS["en"]).format(text=text) for text in texts])
    there = ask([_TRANSLATE.format(language=settings.pivot, text=text) for text in texts])
    own = [_LANGUAGES.get(language_of(text), "English") for text in texts]
    return ask([_TRANSLATE.format(language=to, text=text) for to, text in zip(own, there, strict=True)])


_PROMPTS = {
    "en": "Say the following text in other words. Keep its meaning, every name, number and negation. "
    "Answer with the new text alone.\n\n{text}",
    "zh": "请换一种说法改写下面的文字。保留原意、所有名称、数字和否定词，只回答改写后的文字。\n\n{text}",
}
_TRANSLATE = "Translate the following text into {language}. Answer with the translation alone.\n\n{text}"
_LANGUAGES = {
    "zh": "Chinese", "en": "English", "de": "German", "fr": "French", "es": "Spanish", "it": "Italian",
    "pt": "Portuguese", "nl": "Dutch", "ja": "Japanese", "ko": "Korean",
}  # fmt: skip


def _is_copy(copy: str, text: str) -> bool:
    """Whether it is another text of about the same length in the same script."""
    if copy == text.strip() or not 0.4 <= len(copy) / max(len(text), 1) <= 2.5:
        return False
    return bool(_HAN.search(copy)) == bool(_HAN.search(text))
