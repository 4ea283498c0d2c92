"""Reading sentiment: negative, neutral or positive, with calibrated probabilities, of a text or an aspect."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from retailor.config import as_dict, read_settings
from retailor.errors import DataError, ModelError
from retailor.metrics.classify import score_classes
from retailor.metrics.scores import Scores
from retailor.models.cloze import Cloze, MaskedCloze, cloze_of
from retailor.models.local import load_encoder
from retailor.models.shapes import Encoder, Generator, OpenEncoder, TrainableEncoder
from retailor.shop.tables import LABELS, Shop
from retailor.store import artifact
from retailor.tasks.sentiment.fit import AnyReader, Fit, check_tuning, fit_readers
from retailor.tasks.sentiment.fitting import ALONE, BLENDED, BY_MODE, FROZEN, NB_SVM, PANEL, PROMPT, TF_IDF
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import Floats, read_head
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.readers.panel import PanelReader
from retailor.tasks.sentiment.readers.prompt import PromptReader, prompts_of
from retailor.tasks.sentiment.settings import SentimentSettings
from retailor.tasks.sentiment.shapes import UNKNOWN, Sentiment, SentimentQuery
from retailor.tasks.sentiment.texts import (
    AspectReview,
    Examples,
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
        rows = _probabilities(self._made.reader, queries, self._made.prior)
        return [
            _answer(row) if says_something(clean_text(query.text)) else replace(_answer(row), label=UNKNOWN)
            for query, row in zip(queries, rows, strict=True)
        ]

    def evaluate(self, shop: Shop, *, aspects: Sequence[AspectReview] = ()) -> Scores:
        """Accuracy, macro-F1, ECE and more on labelled reviews, beside a majority vote and the baselines.

        Buckets: 'all', and where there are several, 'language …' and 'rating …'.
        """
        examples = read_examples(shop, aspects, once=False)
        scores = Scores()
        for row, (found, seconds) in self.readings(examples.queries).items():
            scores += score_classes(row, examples.y, found, seconds=seconds)
            for bucket, inside in _buckets(examples).items():
                wanted = ("accuracy",) if bucket.startswith("rating") else ("accuracy", "macro_f1")
                part = score_classes(row, examples.y[inside], found[inside], bucket=bucket)
                scores += Scores(tuple(score for score in part if score.metric in wanted))
        return scores

    def readings(self, queries: Sequence[SentimentQuery]) -> dict[str, tuple[Floats, float]]:
        """By row of `evaluate`: unrounded probabilities [n, 3] over LABELS, and the seconds they took."""
        found: dict[str, tuple[Floats, float]] = {}
        readers = self._rows()
        for row, reader in readers.items():
            start = time.perf_counter()
            if row == "retailor" and (same := [name for name in found if readers[name] is reader]):
                found[row] = found[same[0]]
                continue
            heard = None
            if isinstance(reader, BlendedReader):
                heard = found[self._made.row_of(reader.words)][0], found[ALONE][0]
            rows = _probabilities(reader, queries, self._made.prior, heard)
            found[row] = rows, time.perf_counter() - start
        return found

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
        made = self._made
        with artifact.writing(
            folder, self.kind, settings=as_dict(self.settings), card=_card(self.log)
        ) as new:
            made.words[TF_IDF].save(new / TF_IDF)
            made.words[NB_SVM].head.save(new / "nb-svm-head.safetensors")
            blend = made.reader if isinstance(made.reader, BlendedReader) else None
            network = made.reader if blend is None else blend.tuned
            if isinstance(network, VectorReader):
                network.head.save(new / "head.safetensors")
            if isinstance(made.reader, PanelReader):
                made.reader.save(new / PANEL)
            if isinstance(made.reader, PromptReader):
                made.reader.save(new / PROMPT)
            elif not isinstance(made.reader, WordReader):
                made.reader.encoder.save(new / "encoder")
            if made.frozen is not None and made.frozen is not made.reader and self.settings.keep_frozen:
                made.frozen.head.save(new / "frozen-head.safetensors")
                if made.frozen.encoder is not self.encoder:
                    made.frozen.encoder.save(new / "frozen-encoder")
            about = {
                "chosen": made.chosen,
                "prior": made.prior.tolist(),
                "paired": isinstance(network, VectorReader) and network.paired,
                "blend": blend
                and {
                    "words": made.row_of(blend.words),
                    "share": blend.share,
                    "temperature": blend.temperature,
                },
                "log": self.log,
            }
            (new / "sentiment.json").write_text(
                json.dumps(about, ensure_ascii=False, indent=1), encoding="utf-8"
            )

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """A saved reader. Raises DataError that names a missing or corrupt file."""
        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        opened = cache(open_encoder or load_encoder)  # two heads may stand over one encoder
        about = json.loads((folder / "sentiment.json").read_text(encoding="utf-8"))
        chosen = read_settings(SentimentSettings, manifest.settings, str(folder / artifact.MANIFEST))
        counted = WordReader.load(folder / TF_IDF)
        bayes = replace(counted, head=read_head(folder / "nb-svm-head.safetensors")[0])
        words = {TF_IDF: counted, NB_SVM: bayes}
        main: VectorReader | BlendedReader | PanelReader | PromptReader | None = _open(
            opened, folder, "head.safetensors", "encoder", chosen.max_tokens, about["paired"]
        )
        own = "frozen-encoder" if (folder / "frozen-encoder").exists() else "encoder"
        frozen = _open(opened, folder, "frozen-head.safetensors", own, chosen.max_tokens, False)
        if about["chosen"] == FROZEN:
            assert isinstance(main, VectorReader)
            frozen = main
        if about["chosen"] == BLENDED:
            assert isinstance(main, VectorReader)
            blend = about["blend"]
            main = BlendedReader(words[blend["words"]], main, blend["share"], blend["temperature"])
        if (folder / PANEL).exists():
            teacher = folder / PANEL / "teacher"
            main = PanelReader.load(
                folder / PANEL,
                opened(folder / "encoder") if frozen is None else frozen.encoder,
                chosen.max_tokens,
                cls.load(teacher, open_encoder=opened) if teacher.exists() else None,
            )
        if (folder / PROMPT).exists():
            main = PromptReader.load(folder / PROMPT)
        some = main if frozen is None and not isinstance(main, PromptReader) else frozen
        reader = cls.__new__(cls)
        reader._start = None if some is None else some.encoder
        reader._cloze = main.asker.cloze if isinstance(main, PromptReader) else None
        reader.settings, reader.log = chosen, about["log"]
        reader._fitted = Fit(
            main or words[about["chosen"]], words, frozen, about["chosen"], np.array(about["prior"])
        )
        return reader

    @property
    def _made(self) -> Fit:
        if self._fitted is None:
            raise ModelError(
                "this sentiment reader is not fitted yet: call fit(shop) first.", asked="predict"
            )
        return self._fitted

    def _rows(self) -> dict[str, AnyReader | None]:
        rows: dict[str, AnyReader | None] = {"majority": None, **self._made.words}
        if self._made.frozen is not None:
            rows[FROZEN] = self._made.frozen
        if isinstance(self._made.reader, BlendedReader):
            rows[ALONE] = self._made.reader.tuned
        return {**rows, "retailor": self._made.reader}


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


def _probabilities(
    reader: AnyReader | None,
    queries: Sequence[SentimentQuery],
    prior: Floats,
    heard: tuple[Floats, Floats] | None = None,
) -> Floats:
    """Rows [n, C]; the prior where there is no reader, or nothing to read.

    `heard` is what the two readers of a blend have said already, so that they are not asked twice.
    """
    rows = np.tile(prior, (len(queries), 1))
    cleaned = [
        SentimentQuery(clean_text(q.text), clean_text(q.aspect) or None if q.aspect else None)
        for q in queries
    ]
    full = [i for i, query in enumerate(cleaned) if says_something(query.text)]
    if isinstance(reader, BlendedReader) and heard is not None:
        rows[full] = reader.of(heard[0][full], heard[1][full])
    elif reader is not None and full:
        rows[full] = reader.probabilities([cleaned[i] for i in full])
    return rows


def _answer(row: Floats) -> Sentiment:
    found = {label: round(float(p), 4) for label, p in zip(LABELS, row, strict=True)}
    # The label is read off the rounded figures: equal ones then give one label on every machine.
    return Sentiment(max(found, key=lambda label: found[label]), found)


def _buckets(examples: Examples) -> dict[str, Any]:
    """Rows of each bucket that has company: a single language says nothing that 'all' does not."""
    by_language = {
        f"language {name}": np.array(examples.language) == name for name in sorted(set(examples.language))
    }
    stars = np.unique(np.round(examples.rating[~np.isnan(examples.rating)]))
    by_rating = {f"rating {star:.0f}": np.round(examples.rating) == star for star in stars}
    return {
        name: np.flatnonzero(inside)
        for group in (by_language, by_rating)
        if len(group) > 1
        for name, inside in group.items()
    }


def _open(
    opened: OpenEncoder, folder: Path, head: str, encoder: str, max_tokens: int, paired: bool
) -> VectorReader | None:
    if not (folder / head).exists():
        return None
    return VectorReader(opened(folder / encoder), read_head(folder / head)[0], max_tokens, paired)


def _card(log: dict[str, Any]) -> str:
    labels = ", ".join(f"{n:,} {label}" for label, n in log["labels"].items())
    figures = "\n".join(
        f"- {row}: accuracy {found['accuracy']}, macro-F1 {found['macro_f1']}, ECE {found['ece_before']} "
        f"before calibration and {found['ece_after']} after"
        for row, found in log["validation"].items()
    )
    return (
        "# A sentiment reader\n\n"
        f"Fitted on {log['n_labelled']:,} labelled texts ({labels}). It answers by: {log['chosen']}, because "
        f"{log['why']}.\n\nOn held-out training texts ({log['held_out']}):\n\n{figures}\n\n"
        "`encoder/` opens in sentence-transformers. Open all of it with "
        "`retailor.SentimentReader.load(folder)`.\n"
    )
