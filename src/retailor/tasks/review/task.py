"""Drafts of reviews from item, stars, aspects and the customer's earlier reviews, marked as generated."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from threading import Lock
from typing import Any, ClassVar, Self

import polars as pl

from retailor.config import as_dict, saved_settings
from retailor.errors import DataError, ModelError
from retailor.extras import naming_extras
from retailor.metrics.scores import Scores
from retailor.models.local import load_generator
from retailor.models.shapes import Generator, OpenEncoder, TrainableGenerator
from retailor.shop.tables import Shop
from retailor.store import artifact
from retailor.tasks.review.checks import Judge, judge_of
from retailor.tasks.review.describe import describe
from retailor.tasks.review.draft import Drafter, Written
from retailor.tasks.review.evaluate import Case, fit_judge
from retailor.tasks.review.learning.from_reviews import from_reviews
from retailor.tasks.review.learning.learn import learn
from retailor.tasks.review.learning.tune import Adapter, untuned
from retailor.tasks.review.marks import body_of, is_generated, is_untouched, mark, marks, with_notice
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import Wanted
from retailor.tasks.review.settings import ReviewSettings
from retailor.tasks.review.shapes import Draft, ReviewQuery
from retailor.tasks.review.systems import BASE, TUNED, UNTAUGHT, Asked, scored, systems
from retailor.tasks.review.templates import title_of
from retailor.text.clean_text import clean_text
from retailor.train.lora import check_bits

__all__ = ["ReviewSettings", "ReviewWriter", "body_of", "is_generated", "is_untouched", "mark"]


class ReviewWriter:
    """fit tunes a copy of the generator with LoRA where it can be trained; else prompts carry real examples.

    A draft that copies from somebody else, is in the wrong language or says nothing is tried again, trimmed,
    and at last replaced by a template; `Draft.generated` then says so. `generated["at"]` is the UTC time at
    which the writer was fitted, not the time of the call: equal requests give equal drafts.
    """

    kind: ClassVar[str] = "review"
    query_s: ClassVar[float] = 5.0
    """About what a draft takes on two cores: a server that knows no better yet goes by it."""

    def __init__(self, generator: Generator, settings: ReviewSettings | None = None) -> None:
        self.generator = generator
        self.settings = settings or ReviewSettings()
        self.log: dict[str, Any] = {}
        self._writer: Generator = generator
        self._adapter: Adapter | None = None
        self._preferred: Adapter | None = None
        self._base: Generator | None = generator
        self._untaught: Generator | None = None
        self._fitted: Past | None = None
        self._at = ""
        self._describing = Lock()  # a server asks from several threads

    @cached_property
    def _judge(self) -> Judge:
        """Reads whether a draft sounds like its stars. Fitted when first asked."""
        return judge_of(self._past, lambda past: fit_judge(past, half=0))

    @property
    def _past(self) -> Past:
        if self._fitted is None:
            raise ModelError("this review writer is not fitted yet: call fit(shop) first.", asked="predict")
        return self._fitted

    # fit --------------------------------------------------------------------------------------------

    @naming_extras()
    def fit(self, shop: Shop, *, work: Path | None = None) -> Self:
        """The writer, fitted on the shop's reviews. Raises DataError when they are missing."""
        if isinstance(self.generator, TrainableGenerator):
            check_bits(self.settings.lora_bits)
        shop.require("review", "items", "reviews")
        dropped = self._read(shop)
        if not len(self._past):
            raise DataError(f"review needs reviews with text, stars and a known item: {dropped}.")
        self.log = {"n_reviews": len(self._past), "dropped": dropped, "tuned": False}
        self._writer, self._adapter, self._base = self.generator, None, self.generator
        self._preferred = self._untaught = None
        if isinstance(self.generator, TrainableGenerator) and self.settings.tune and len(self._past) > 1:
            done = from_reviews(self.generator, self._past, self.settings, work)
            self.log |= done.log
            if done.writer is not None:
                self._writer, self._adapter = done.writer, done.adapter
        if isinstance(self._writer, TrainableGenerator) and len(shop.preferences):
            self._learn(self._writer, shop.preferences, work)
        # As it will be read back: a loaded writer has the same log.
        self.log = json.loads(json.dumps(self.log))
        self._at = datetime.now(UTC).isoformat(timespec="seconds")
        return self

    def refit(self, shop: Shop, before: Self, *, work: Path | None = None) -> Self:
        """Reads the whole shop's reviews; the generator stays as `before` tuned it."""
        shop.require("review", "items", "reviews")
        dropped = self._read(shop)
        self.generator, self._base = before.generator, before._base
        self._writer, self._adapter = before._writer, before._adapter
        self._preferred, self._untaught = before._preferred, before._untaught
        self.log = {**before.log, "refit": {"n_reviews": len(self._past), "dropped": dropped}}
        self._at = before._at
        return self

    def _read(self, shop: Shop) -> dict[str, int]:
        """Takes in the shop's reviews; how many were left out, by reason."""
        self._fitted, dropped = Past.of(
            shop,
            max_reviews=self.settings.max_reviews,
            keep_purchases=self.settings.only_own_purchases,
        )
        vars(self).pop("_judge", None)
        return dropped

    def _learn(self, writer: TrainableGenerator, table: pl.DataFrame, work: Path | None) -> None:
        if not self.settings.preferences.learn:
            return
        judge = partial(fit_judge, self._past, half=1)
        done = learn(writer, table, self._past, judge, self.settings, work)
        self.log["preferences"] = done.log
        if done.writer is not None:
            self._writer, self._preferred, self._untaught = done.writer, done.adapter, writer

    # predict ----------------------------------------------------------------------------------------

    def predict(self, queries: Sequence[ReviewQuery]) -> list[Draft]:
        """One marked draft a query, in order; the same query and seed give the same draft.

        Raises DataError on an unknown item, stars outside 1–5, or, with `only_own_purchases`, an item that
        the customer did not buy.
        """
        for query in queries:
            self._check_bought(query)
        wanted = [self._past.wanted(query) for query in queries]
        drafter = Drafter(self._past, self.settings, self._judge)
        # One by one: in bf16 a near tie may fall otherwise in a batch, and a draft must not depend on that.
        return [
            self._draft(query, want, drafter.write(self._writer, [query], [want])[0])
            for query, want in zip(queries, wanted, strict=True)
        ]

    def describe(self, item_id: str, *, language: str | None = None, seed: int = 0) -> Draft:
        """A marked description of an item, from its row alone, by the generator as it was before tuning.

        Raises DataError on an unknown item, or one of which the catalogue says nothing.
        """
        item = self._past.item(item_id)
        spoken = language or self._past.language_of(item)
        with self._describing:
            found = describe(
                self._untuned(),
                item,
                self._past.names,
                language=spoken,
                n_drafts=self.settings.n_drafts,
                seed=seed,
            )
        text = with_notice(found.text, spoken, is_template=bool(found.fallback))
        generated = marks(
            text, item_id=item_id, by=self._writer.name, at=self._at, language=spoken, fallback=found.fallback
        )
        return Draft(text, clean_text(item["title"] or ""), item_id, 0.0, generated)

    def _check_bought(self, query: ReviewQuery) -> None:
        if self.settings.only_own_purchases and not self._past.bought(query.user_id, query.item_id):
            who = "nobody's purchase is named" if query.user_id is None else "this customer did not buy it"
            raise DataError(
                f"item '{query.item_id}': {who}, and this shop drafts reviews only of a customer's own "
                "purchases: ask with the user_id of somebody who bought it.",
                column="user_id",
            )

    def _draft(self, query: ReviewQuery, wanted: Wanted, written: Written) -> Draft:
        text = with_notice(written.body, wanted.language, is_template=bool(written.fallback))
        generated = marks(
            text,
            item_id=query.item_id,
            by=self._writer.name,
            at=self._at,
            language=wanted.language,
            fallback=written.fallback,
        )
        if wanted.n_left_out:
            generated["aspects_left_out"] = wanted.n_left_out
        return Draft(text, title_of(wanted), query.item_id, query.rating, generated)

    # evaluate ---------------------------------------------------------------------------------------

    def evaluate(self, shop: Shop) -> Scores:
        """Drafts for at most `max_evaluated` held-out reviews, against the real ones.

        `agreement`: a judge fitted on the training reviews reads the sentiment that the stars stand for;
        `copy_rate`: the longest run shared with another's training review, over the length; `perplexity`: a
        token of the real reviews, of the writer before and after tuning; `fell_back`: the share of templates.
        The row 'real review' shows the same of the held-out reviews themselves.
        """
        asked = Asked.of(shop, self._past, self.settings)
        judge = fit_judge(self._past, half=1)
        return scored(asked, self._past, self._systems(asked), judge, self._generators(), self.settings)

    def drafted(self, shop: Shop, row: str) -> tuple[list[str], list[Case]]:
        """What one row of `evaluate` writes for the held-out reviews, and those reviews."""
        asked = Asked.of(shop, self._past, self.settings)
        for name, written, _ in self._systems(asked):
            if name == row:
                return [one.body for one in written], list(asked.cases)
        raise ModelError(f"this writer has no row '{row}'.", asked=row)

    def _systems(self, asked: Asked) -> Iterator[tuple[str, list[Written], float]]:
        drafter = Drafter(self._past, self.settings, self._judge)
        return systems(asked, self._past, self._generators(), drafter)

    def _generators(self) -> list[tuple[str, Generator]]:
        base = [] if self._adapter is None else [(BASE, self._untuned())]
        untaught = [] if self._preferred is None else [(UNTAUGHT, self._without_preferences())]
        return [*base, *untaught, (TUNED, self._writer)]

    def _untuned(self) -> Generator:
        """The generator before tuning; after `load` it is the tuned one with the adapter taken out."""
        if self._base is None:
            tuned = self._without_preferences()
            assert isinstance(tuned, TrainableGenerator)
            self._base = tuned if self._adapter is None else untuned(tuned, self._adapter)
        return self._base

    def _without_preferences(self) -> Generator:
        """The generator before it learned from preferences; after `load` with their adapter taken out."""
        if self._preferred is None:
            return self._writer
        if self._untaught is None:
            assert isinstance(self._writer, TrainableGenerator)
            self._untaught = untuned(self._writer, self._preferred)
        return self._untaught

    # disk -------------------------------------------------------------------------------------------

    def save(self, folder: Path) -> None:
        """Writes `generator/` (tuned, opens in transformers), `adapter/` (opens in PEFT), and the reviews.

        Raises ModelError when the generator is of a kind that cannot be saved.
        """
        past = self._past
        save = getattr(self._writer, "save", None)
        if save is None:
            raise ModelError(f"the generator '{self._writer.name}' cannot be saved.", asked="save")
        with artifact.writing(folder, self.kind, settings=as_dict(self.settings), card=_card(self)) as new:
            past.save(new)
            save(new / "generator")
            if self._adapter is not None:
                self._adapter.save(new / "adapter")
            if self._preferred is not None:
                self._preferred.save(new / "preferences")
            state = {"at": self._at, "log": self.log}
            (new / "state.json").write_text(json.dumps(state, indent=1, ensure_ascii=False), encoding="utf-8")

    @classmethod
    def load(cls, folder: Path, *, open_encoder: OpenEncoder | None = None) -> Self:
        """A saved writer. Raises DataError that names a missing or corrupt file."""
        folder = Path(folder)
        manifest = artifact.verify(folder, cls.kind)
        generator: Generator = load_generator(folder / "generator")
        made = cls(generator, saved_settings(ReviewSettings, manifest.settings, "the saved review writer"))
        state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
        made._fitted, made._at, made.log = Past.load(folder), state["at"], state["log"]
        if (folder / "adapter").is_dir():
            made._adapter, made._base = Adapter.load(folder / "adapter"), None
        if (folder / "preferences").is_dir():
            made._preferred, made._base = Adapter.load(folder / "preferences"), None
        return made


def _card(writer: ReviewWriter) -> str:
    return (
        f"# Review writer\n\nDrafts reviews with `{writer.generator.name}`; each is marked as generated.\n\n"
        "- `generator/`: opens in transformers (`from_pretrained`), or holds a remote address.\n"
        "- `preferences/`: what was learned from preferences, another adapter, on top of that one.\n"
        "- `adapter/`: the LoRA adapter alone, opens in `peft.PeftModel.from_pretrained` on the base model.\n"
        "- `reviews.parquet`, `items.parquet`: what the drafts stand on; contacts are masked.\n"
    )
