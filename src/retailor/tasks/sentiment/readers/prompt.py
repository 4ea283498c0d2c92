"""A reader that asks a language model: which of a few words would fill the blank after the text?

Templates and verbalisers after Schick & Schütze (2021, PET), calibrated by inputs that say nothing (Zhao et
al. 2021); a small head over the log-odds is all that the labels have to teach.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from retailor.errors import ConfigError
from retailor.models.cloze import TEXT, WORD, Cloze, open_cloze
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.readers.heads import Floats, Head, read_head
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import MiddleCut, about
from retailor.text.clean_shop import language_of

CONTENT_FREE = ("N/A", "...", "")
ANY = "any"


@dataclass(frozen=True)
class Prompts:
    """Templates with TEXT and WORD once each, and the words of each label, in the order of LABELS."""

    templates: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]


KNOWN: Mapping[str, Prompts] = {
    ANY: Prompts(
        (
            "Review: {text}\nSentiment: {word}",
            "{text}\nIn short: {word}.",
            "{text}\nAll in all, it was {word}.",
        ),
        (("negative",), ("neutral",), ("positive",)),
    ),
    "zh": Prompts(
        ("{text}\n总之，很{word}。", "{text}\n这个商品真的很{word}。", "{text}\n评价：{word}"),
        (("差",), ("一般",), ("好",)),
    ),
}
"""By language; ANY is for all others."""


def prompts_of(settings: SentimentSettings) -> dict[str, Prompts]:
    """The prompts by language; templates or verbalisers of the settings stand for all languages.

    Raises ConfigError on a template without its places, and on labels that are unknown or have no word.
    """
    for template in settings.templates:
        if template.count(TEXT) != 1 or template.count(WORD) != 1:
            raise ConfigError(
                f"the template {template!r} must have {TEXT} once and {WORD} once, as in "
                f"{KNOWN[ANY].templates[0]!r}.",
                key="templates",
                value=template,
            )
    given = settings.verbalisers
    if given and (
        set(given) != set(LABELS) or not all(all(given[label]) and given[label] for label in LABELS)
    ):
        raise ConfigError(
            f"verbalisers need a word or more for each of {', '.join(LABELS)}, and only for these.",
            key="verbalisers",
            value=given,
        )
    words = tuple(given[label] for label in LABELS) if given else ()
    if settings.templates and words:
        return {ANY: Prompts(settings.templates, words)}
    return {
        language: Prompts(settings.templates or known.templates, words or known.words)
        for language, known in KNOWN.items()
    }


@dataclass(frozen=True)
class Asker:
    """A language model with prompts: how much likelier each label's words are than after no text at all."""

    cloze: Cloze
    prompts: Mapping[str, Prompts]
    bases: Mapping[str, Floats]  # [templates, C] by language, of content-free inputs
    max_tokens: int

    @classmethod
    def calibrated(cls, cloze: Cloze, prompts: Mapping[str, Prompts], max_tokens: int) -> Asker:
        bases = {
            language: _by_label(cloze, own.templates, CONTENT_FREE, own.words).mean(axis=0)
            for language, own in prompts.items()
        }
        return cls(cloze, prompts, bases, max_tokens)

    def log_odds(self, queries: Sequence[SentimentQuery]) -> Floats:
        """Rows [n, C] that sum to zero, the mean over the templates of a text's language."""
        texts = [q.text if q.aspect is None else about(q.text, q.aspect) for q in queries]
        languages = np.array([self._language(text) for text in texts])
        cut = MiddleCut(self.cloze.tokenizer)
        found = np.zeros((len(texts), len(LABELS)))
        for language in sorted(set(languages)):
            rows, own = np.flatnonzero(languages == language), self.prompts[language]
            n_tokens = max(min(self.max_tokens, self.cloze.context - self._longest(own)), 1)
            some = [cut(texts[i], n_tokens) for i in rows]
            asked = _by_label(self.cloze, own.templates, some, own.words)
            found[rows] = (asked - self.bases[language]).mean(axis=1)
        return np.asarray(found - found.mean(axis=1, keepdims=True))

    @property
    def mark(self) -> Any:
        """What tells it from another: the prompts, the length, and what its model says to no text."""
        bases = {name: base.round(4).tolist() for name, base in self.bases.items()}
        return {name: vars(own) for name, own in self.prompts.items()}, self.max_tokens, bases

    def _longest(self, own: Prompts) -> int:
        """Tokens of the longest template and the longest word, and the sequence's own marks."""
        words = [word for some in own.words for word in some]
        known = self.cloze.tokenizer
        return sum(max(len(ids) for ids in known(list(part))["input_ids"]) for part in (own.templates, words))

    def _language(self, text: str) -> str:
        language = language_of(text)
        return language if language in self.prompts else ANY


def _by_label(
    cloze: Cloze, templates: Sequence[str], texts: Sequence[str], words: Sequence[Sequence[str]]
) -> Floats:
    """Log of the mean likelihood of each label's words [n, templates, C]."""
    scores = cloze.word_scores(templates, texts, [word for some in words for word in some])
    ends = np.cumsum([len(some) for some in words])[:-1]
    parts = [np.logaddexp.reduce(p, axis=2) - np.log(p.shape[2]) for p in np.split(scores, ends, axis=2)]
    return np.stack(parts, axis=2)


@dataclass(frozen=True)
class PromptReader:
    """A language model's log-odds with a head: `probabilities(queries) -> [n, C]`, as the other readers."""

    asker: Asker
    head: Head

    def probabilities(self, queries: Sequence[SentimentQuery]) -> Floats:
        if not queries:
            return np.zeros((0, len(self.head.bias)))
        return self.head.probabilities(features(self.asker.log_odds(queries)))

    def save(self, folder: Path) -> None:
        """Writes the prompts, the head, and the language model in `model/`."""
        folder.mkdir()
        asker = self.asker
        told = {
            "prompts": {name: vars(own) for name, own in asker.prompts.items()},
            "bases": {name: base.tolist() for name, base in asker.bases.items()},
            "max_tokens": asker.max_tokens,
        }
        text = json.dumps(told, ensure_ascii=False, indent=1)
        (folder / "prompts.json").write_text(text, encoding="utf-8")
        self.head.save(folder / "head.safetensors")
        asker.cloze.save(folder / "model")

    @classmethod
    def load(cls, folder: Path) -> PromptReader:
        """The reader in a folder that `save` wrote."""
        told: dict[str, Any] = json.loads((folder / "prompts.json").read_text(encoding="utf-8"))
        prompts = {
            name: Prompts(tuple(own["templates"]), tuple(tuple(some) for some in own["words"]))
            for name, own in told["prompts"].items()
        }
        bases = {name: np.array(base) for name, base in told["bases"].items()}
        asker = Asker(open_cloze(folder / "model"), prompts, bases, told["max_tokens"])
        return cls(asker, read_head(folder / "head.safetensors")[0])


def features(log_odds: Floats) -> Floats:
    """What the head sees [n, 2]: how much likelier praise is than blame, and the middle than both."""
    negative, neutral, positive = log_odds.T
    return np.stack([positive - negative, neutral - (positive + negative) / 2], axis=1)
