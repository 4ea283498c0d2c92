"""Prompts: a small language model that knows such reviews fills the blank, a few labels do the rest."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch

from retailor.errors import ConfigError, ModelError
from retailor.models.cloze import GeneratorCloze
from retailor.models.local import LocalGenerator
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.prompt import CONTENT_FREE, KNOWN, Asker, Prompts, prompts_of
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.testing.models import tiny_decoder
from retailor.testing.tasks import TaskContract
from retailor.testing.toys import HashEncoder
from tests.models.test_cloze import masked_folder
from tests.tasks.test_sentiment import QUERIES, toy_shop

WORDS = {"negative": "bad", "neutral": "okay", "positive": "good"}
TEMPLATE = "{text}\nAll in all, it was {word}."
SETTINGS = {"templates": (TEMPLATE,), "verbalisers": {label: (word,) for label, word in WORDS.items()}}


@cache
def decoder() -> LocalGenerator:
    """A tiny decoder that has learned from 600 reviews of the toy shop what each was, all in all."""
    rows = toy_shop(600, seed=7).reviews
    stars = {1.0: "bad", 3.0: "okay", 5.0: "good"}
    prompts = [f"{text}\nAll in all, it was" for text in rows["text"]]
    words = [f" {stars[rating]}" for rating in rows["rating"]]
    made = tiny_decoder([prompt + word for prompt, word in zip(prompts, words, strict=True)])
    made.precision = "32"
    optimiser = torch.optim.AdamW(made.network.parameters(), lr=4e-3)
    draw = np.random.default_rng(0)
    for _ in range(60):
        rows_ix = draw.integers(0, len(prompts), 24)
        batch = made.pairs([prompts[i] for i in rows_ix], [words[i] for i in rows_ix], max_tokens=64)
        loss = made.network(**batch).loss
        loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    made.network.eval()
    return made


def reader(**more) -> SentimentReader:
    settings = SentimentSettings(**{"mode": "prompt", **SETTINGS, **more})
    return SentimentReader(HashEncoder(), settings, generator=decoder())


class TestPrompted(TaskContract):
    baselines = ("majority", "tf-idf", "nb-svm", "frozen probe")

    def shop(self) -> Shop:
        return toy_shop(60)

    def test_shop(self) -> Shop:
        return toy_shop(30, seed=1)

    test_shop.__test__ = False  # type: ignore[attr-defined]

    def task(self) -> SentimentReader:
        return reader()

    def queries(self) -> list[SentimentQuery]:
        return QUERIES

    def test_a_batch_gives_what_singles_give(self, fitted: SentimentReader) -> None:
        """To the fourth digit: a language model's padding moves the seventh, and that may turn the fourth."""
        queries = self.queries()
        for query, together in zip(queries, fitted.predict(queries), strict=True):
            alone = fitted.predict([query])[0]
            assert alone.label == together.label
            assert alone.probabilities == pytest.approx(together.probabilities, abs=1.5e-4)


def test_it_answers_by_prompts_and_opens_again(tmp_path: Path) -> None:
    made = reader().fit(toy_shop(30), work=tmp_path / "work")
    assert made.log["chosen"] == "prompt" and made.encoder is None
    scores = made.evaluate(toy_shop(90, seed=1))
    assert scores.value("retailor", "accuracy") > 0.8
    made.save(tmp_path / "reader")
    again = SentimentReader.load(tmp_path / "reader")
    assert again.predict(QUERIES) == made.predict(QUERIES)
    assert again.evaluate(toy_shop(30, seed=2)).value("frozen probe", "accuracy") is not None
    with pytest.raises(ModelError, match="no encoder to replace"):
        made.with_encoder(HashEncoder())


def test_auto_tries_prompts_only_with_a_generator_and_few_labels() -> None:
    few_labels = reader(mode="auto").fit(toy_shop(30))
    assert "prompt" in few_labels.log["validation"] and few_labels.log["chosen"] == "prompt"
    alone = SentimentReader(HashEncoder(), SentimentSettings()).fit(toy_shop(30))
    assert "prompt" not in alone.log["validation"]
    many = reader(mode="auto", few_labels=0).fit(toy_shop(60))
    assert "prompt" not in many.log["validation"]


def test_a_content_free_text_has_even_odds_after_calibration() -> None:
    prompts = Prompts((TEMPLATE,), (("bad",), ("okay",), ("good",)))
    asker = Asker.calibrated(GeneratorCloze(decoder()), {"any": prompts}, 64)
    found = asker.log_odds([SentimentQuery(text) for text in CONTENT_FREE])
    assert found.mean(axis=0) == pytest.approx(np.zeros(3), abs=1e-6)
    assert found.sum(axis=1) == pytest.approx(np.zeros(3), abs=1e-6)


def test_a_text_gets_the_prompts_of_its_language() -> None:
    prompts = prompts_of(SentimentSettings())
    asker = Asker.calibrated(GeneratorCloze(decoder()), prompts, 64)
    assert asker._language("这个杯子很好，我很喜欢") == "zh"
    assert asker._language("Der Becher ist schön") == "any"
    assert asker.log_odds([SentimentQuery("很好"), SentimentQuery("great mug")]).shape == (2, len(LABELS))


def test_the_encoders_own_head_is_asked(tmp_path: Path) -> None:
    from retailor.models.local import load_encoder

    encoder = load_encoder(masked_folder(tmp_path / "bert"))
    chosen = SentimentSettings(mode="prompt", prompt_model="encoder")
    made = SentimentReader(encoder, chosen).fit(toy_shop(40))
    made.save(tmp_path / "reader")
    assert SentimentReader.load(tmp_path / "reader").predict(QUERIES) == made.predict(QUERIES)


def test_a_run_asks_the_plans_generator(tmp_path: Path) -> None:
    from retailor.plan.main_job import stages_of
    from retailor.plan.settings import make_plan

    def needs(**sentiment: object) -> tuple[str, ...]:
        plan = make_plan({"skip": ["review"], "sentiment": sentiment}, tmp_path)
        return next(stage.needs for stage in stages_of(plan) if stage.name == "fit-sentiment")

    assert needs(mode="prompt") == ("split", "adapt", "adapt-generator")
    assert needs(candidates=["frozen", "prompt"]) == ("split", "adapt", "adapt-generator")
    assert needs() == needs(mode="prompt", prompt_model="encoder") == ("split", "adapt")


def test_what_cannot_be_asked_is_said_at_once() -> None:
    with pytest.raises(ModelError, match="prompts need a language model"):
        SentimentReader(HashEncoder(), SentimentSettings(mode="prompt"))
    with pytest.raises(ModelError, match="head for masked"):
        SentimentReader(HashEncoder(), SentimentSettings(mode="prompt", prompt_model="encoder"))
    with pytest.raises(ModelError, match="local generator"):
        SentimentReader(HashEncoder(), SentimentSettings(mode="prompt"), generator=HashEncoder())  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="once"):
        prompts_of(SentimentSettings(templates=("it was {word}",)))
    with pytest.raises(ConfigError, match="each of negative"):
        prompts_of(SentimentSettings(verbalisers={"positive": ("good",)}))
    assert all("{text}" in template for own in KNOWN.values() for template in own.templates)
