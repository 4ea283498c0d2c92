"""A fine-tuned network and the words together: they err on different texts, and words cost little."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from retailor.metrics.classify import log_loss_cases
from retailor.models.shapes import Encoder
from retailor.tasks.sentiment.readers.heads import Floats, Labels, calibration, softmax, temperature_of
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.texts import folds

SHARES: tuple[float, ...] = tuple(np.round(np.arange(0, 1, 0.05), 2).tolist())
"""Of the words; 0 leaves them out."""
_LEAST, _NEVER = 1e-30, -1e9


@dataclass(frozen=True)
class BlendedReader:
    """softmax((share · words + (1 − share) · network) / temperature), of the log-probabilities of both."""

    words: WordReader
    tuned: VectorReader
    share: float
    temperature: float

    @property
    def encoder(self) -> Encoder:
        return self.tuned.encoder

    def with_encoder(self, encoder: Encoder) -> BlendedReader:
        """The same reader over another encoder of the same vectors."""
        return replace(self, tuned=self.tuned.with_encoder(encoder))

    def probabilities(self, queries: Sequence[SentimentQuery]) -> Floats:
        return self.of(self.words.probabilities(queries), self.tuned.probabilities(queries))

    def of(self, words: Floats, tuned: Floats) -> Floats:
        """Probabilities [n, C] of what the two have said already, each with probabilities [n, C]."""
        return softmax(mixed(words, tuned, self.share) / self.temperature)


def mixed(words: Floats, tuned: Floats, share: float) -> Floats:
    """Logits [n, C] of two rows of probabilities; what both hold impossible stays so."""
    known = (words > 0) | (tuned > 0)
    of_words, of_tuned = (np.log(np.maximum(rows, _LEAST)) for rows in (words, tuned))
    return np.where(known, share * of_words + (1 - share) * of_tuned, _NEVER)


def blended(
    words: WordReader, tuned: VectorReader, held_words: Floats, held_tuned: Floats, y: Labels
) -> tuple[BlendedReader, dict[str, float], Floats]:
    """The reader with the share of the words that has the least held-out log loss; figures and logits.

    `held_words` and `held_tuned` [n, C] are logits on texts that neither reader had seen. The figures and
    the logits are cross-fitted: of each half of the texts with the share that the other half chose, so that
    the choice of a share does not flatter them.
    """
    said = softmax(held_words / words.head.temperature), softmax(held_tuned / tuned.head.temperature)
    half = folds(y, 2, 0) == 0
    logits = np.empty(held_tuned.shape)
    for part, other in ((half, ~half), (~half, half)):
        share = _share((said[0][other], said[1][other]), y[other])
        logits[part] = mixed(said[0][part], said[1][part], share)
    share = _share(said, y)
    temperature = temperature_of(mixed(*said, share), y)
    figures = {**calibration(logits, y), "temperature": temperature}
    return BlendedReader(words, tuned, share, temperature), figures, logits


def _share(said: tuple[Floats, Floats], y: Labels) -> float:
    """Of SHARES the one whose mixture has the least log loss once calibrated; of equals the least."""

    def loss(share: float) -> float:
        logits = mixed(*said, share)
        return float(log_loss_cases(y, softmax(logits / temperature_of(logits, y))).sum())

    return min(SHARES, key=loss)
