"""Reading sentiment: negative, neutral or positive, with calibrated probabilities, of a text or an aspect."""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

from retailor.errors import DataError, ModelError
from retailor.metrics.scores import Scores
from retailor.models.cloze import Cloze, MaskedCloze, cloze_of
from retailor.models.shapes import Encoder, Generator, OpenEncoder, TrainableEncoder
from retailor.shop.tables import Shop
from retailor.tasks.sentiment.answers import answer_of, probabilities
from retailor.tasks.sentiment.evaluate import readings, scores_of
from retailor.tasks.sentiment.fit import Fit, check_tuning, fit_readers
from retailor.tasks.sentiment.fitting import BY_MODE
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import Floats
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.readers.prompt import PromptReader, prompts_of
from retailor.tasks.sentiment.saved import Saved, load_reader, save_reader
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery
from retailor.tasks.sentiment.texts import (
    AspectReview,
    read_examples,
    says_something,
    unlabelled_texts,
)
from retailor.text.clean_shop import clean_text

__all__ = ["AspectReview", "SentimentReader", "SentimentSettings"]


class SentimentReader:
    """Reads the sentiment of texts; fitted on a shop's labelled or rated reviews.

    Answers are computed in float32 and probabilities rounded to four decimals, so that a text gets the same
    answer alone and in any batch. (An int8 encoder scales each batch as a whole, and a language model that
    prompts ask runs in bf16 where it can, unless its `precision` is '32': there they may differ, a prompt in
    float32 by its last digit.)
    """

    kind: ClassVar[str] = "sentiment"

    def __init__(
        self,
        encoder: Encoder,
        settings: SentimentSettings | None = None,
        *,
        generator: Generator | Cloze | None = None,
    ) -> None:
        """`generator` is the language model that prompts ask: a local one, or one with masked words."""
        self._start: Encoder | None = encoder
        self.settings = settings or SentimentSettings()
        self.log: dict[str, Any] = {}
        self._fitted: Fit | None = None
        self._cloze = _cloze(encoder, generator, self.settings)
        trains = self.settings.mode in ("fine-tuned", "blended", "pseudo-labels", "contrastive")
        if trains and not isinstance(encoder, TrainableEncoder):
            raise ModelError(
                f"the encoder '{encoder.name}' cannot be trained, so mode '{self.settings.mode}' is not "
                "possible; use 'frozen' or 'auto'.",
                asked="fine-tuning",
                can=("encode",),
            )
        if isinstance(encoder, TrainableEncoder):
            check_tuning(encoder, self.settings)

    def fit(
        self,
        shop: Shop,
        *,
        work: Path | None = None,
        aspects: Sequence[AspectReview] = (),
        teacher: SentimentReader | None = None,
    ) -> Self:
        """Trains on `shop.reviews` (the label, or else the stars) and on `aspects`, where given.

        Reviews without label and stars serve few labels: they get pseudo-labels from opinion words and, where
        given, from `teacher`, a reader of another shop. With aspects the fine-tuned network reads
        "aspect [SEP] text"; without, a question about an aspect is answered from the clauses that mention it.
        Raises DataError when there is nothing to learn from.
        """
        if not aspects:
            shop.require("sentiment", "reviews")
        examples = read_examples(shop, aspects, once=True)
        self._fitted, self.log = fit_readers(
            self._start,
            self.settings,
            examples,
            paired=bool(aspects),
            work=work,
            unlabelled=unlabelled_texts(shop),
            teacher=teacher,
            cloze=self._cloze,
        )
        return self

    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self:
        """Fits the whole shop by what `before` chose to answer by; the other candidates are not tried."""
        mode: Any = next(mode for mode, row in BY_MODE.items() if row == before._made.chosen)
        asked, self.settings = self.settings, replace(self.settings, mode=mode)
        self.fit(shop, work=work)
        self.settings = asked
        self.log = {**before.log, "refit": self.log}
        return self

    @property
    def encoder(self) -> Encoder | None:
        """The encoder that answers, fine-tuned if it was; None where none does. Before `fit`, the given."""
        if self._fitted is None:
            return self._start
        reader = self._fitted.reader
        return None if isinstance(reader, WordReader | PromptReader) else reader.encoder

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]:
        """The sentiment of each query.

        A text in which nothing can be read ("...") is 'unknown', with the shares of labels that training had
        as its probabilities. Raises DataError on an empty text, before any is read.
        """
        for number, query in enumerate(queries, start=1):
            if not query.text.strip():
                raise DataError(
                    f"the text of query {number} is empty; give at least one word, or leave the query out.",
                    column="text",
                    value=query.text,
                )
        rows = probabilities(self._made.reader, queries, self._made.prior)
        return [
            answer_of(row, known=says_something(clean_text(query.text)))
            for query, row in zip(queries, rows, strict=True)
        ]

    def evaluate(self, shop: Shop, *, aspects: Sequence[AspectReview] = ()) -> Scores:
        """Accuracy, macro-F1, ECE and more on labelled reviews, beside a majority vote and the baselines.

        Buckets: 'all', and where there are several, 'language …' and 'rating …'.
        """
        return scores_of(self._made, read_examples(shop, aspects, once=False))

    def readings(self, queries: Sequence[SentimentQuery]) -> dict[str, tuple[Floats, float]]:
        """By row of `evaluate`: unrounded probabilities [n, 3] over LABELS, and the seconds they took."""
        return readings(self._made, queries)

    def with_encoder(self, encoder: Encoder) -> SentimentReader:
        """The same reader over another encoder of the same vectors: a compressed one, say."""
        made = self._made
        if isinstance(made.reader, WordReader | PromptReader):
            raise ModelError(f"this reader answers by {made.chosen}, so it has no encoder to replace.")
        if encoder.dim != made.reader.encoder.dim:
            raise ModelError(
                f"the encoder '{encoder.name}' has {encoder.dim} dimensions, the reader needs "
                f"{made.reader.encoder.dim}."
            )
        twin = copy(self)
        twin._fitted = replace(made, reader=made.reader.with_encoder(encoder))
        return twin

    def in_bulk(self) -> SentimentReader:
        """The same reader in its encoder's own precision: for many texts, where no fourth digit counts.

        Where bf16 is native it is several times as fast. A panel, a prompt and words read as ever.
        """
        reader = self._made.reader
        if isinstance(reader, BlendedReader):
            reader = replace(reader, tuned=replace(reader.tuned, exact=False))
        elif isinstance(reader, VectorReader):
            reader = replace(reader, exact=False)
        twin = copy(self)
        twin._fitted = replace(self._made, reader=reader)
        return twin

    def save(self, folder: Path) -> None:
        """Writes an artifact: heads in safetensors, the encoder in `encoder/`, the baselines beside it."""
        save_reader(folder, Saved(self._made, self.settings, self.log))

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """A saved reader. Raises DataError that names a missing or corrupt file."""
        saved = load_reader(
            Path(folder), open_encoder, lambda path, opened: cls.load(path, open_encoder=opened)
        )
        reader, fit = cls.__new__(cls), saved.fit
        reader.settings, reader.log, reader._fitted = saved.settings, saved.log, fit
        reader._cloze = fit.reader.asker.cloze if isinstance(fit.reader, PromptReader) else None
        start = fit.reader if fit.frozen is None else fit.frozen
        reader._start = None if isinstance(start, WordReader | PromptReader) else start.encoder
        return reader

    @property
    def _made(self) -> Fit:
        if self._fitted is None:
            raise ModelError(
                "this sentiment reader is not fitted yet: call fit(shop) first.", asked="predict"
            )
        return self._fitted


def _cloze(encoder: Encoder, given: Generator | Cloze | None, settings: SentimentSettings) -> Cloze | None:
    """What prompts ask, where this reader may prompt; settings that cannot be are an error now."""
    prompts_of(settings)
    if settings.prompts and settings.prompt_model == "encoder":
        return MaskedCloze.load(_folder_of(encoder))
    if settings.prompts and given is None:
        raise ModelError(
            "prompts need a language model: give `generator=load_model('smollm2')`, or set "
            "prompt_model = 'encoder' for an encoder whose folder has a head for masked words.",
            asked="prompt",
        )
    asks = settings.prompts or (settings.mode == "auto" and given is not None)
    return cloze_of(given) if asks else None


def _folder_of(encoder: Encoder) -> Path:
    """Where the encoder's network was opened from."""
    place = str(getattr(getattr(encoder, "network", None), "name_or_path", ""))
    if not place or not Path(place).is_dir():
        raise ModelError(
            f"the encoder '{encoder.name}' was not opened from a folder that could have a head for masked "
            "words: give a generator instead.",
            asked="prompt",
        )
    return Path(place)
