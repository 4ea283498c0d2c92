"""Ranks encoders for a shop before any of them is trained."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from retailor.choose.logme import logme
from retailor.config import Field, settings
from retailor.errors import ConfigError, DataError
from retailor.models.shapes import Encoder
from retailor.models.weights import load_model
from retailor.scripts import CJK
from retailor.seeds import stream
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment.readers.heads import choose_head, class_weights
from retailor.tasks.sentiment.texts import Examples, read_examples

LICENCES = {"minilm": "Apache-2.0", "e5": "MIT"}
_WORD = re.compile(rf"[{CJK}]|(?:(?![{CJK}])\w)+")
_LICENCE = re.compile(r"^license:\s*(\S+)", re.MULTILINE)
STRENGTHS = (0.1, 1.0, 10.0)


@settings
class ChooseSettings:
    """What a candidate is looked at with."""

    sample: int = Field(default=500, ge=20)
    """Labelled reviews, drawn at random."""
    by: Literal["logme", "probe"] = "logme"
    """What ranks; the other is shown beside it."""
    seed: int = 0


@dataclass(frozen=True)
class Candidate:
    """What is known of a model before training it on the shop."""

    model: str
    logme: float
    """Log evidence a text of its centred vectors for the labels."""
    probe: float
    """Accuracy of a linear probe on five folds."""
    pieces_a_word: float | None
    """Tokens a word, or a Chinese character; None where the tokenizer is out of reach."""
    unknown: float | None
    """Share of tokens that the tokenizer does not know."""
    texts_per_s: float
    """Encoding the sample on this machine, once."""
    n_parameters: int | None
    dim: int
    licence: str


@dataclass(frozen=True)
class Choice:
    """The candidates, best first."""

    candidates: tuple[Candidate, ...]
    by: str
    n: int
    majority: float
    """The share of the commonest label: what no probe may fall behind."""

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return asdict(self)

    def __str__(self) -> str:
        """A plain text table, and what to take in words."""
        head = (
            f"{'model':<24}{'logme':>9}{'probe':>8}{'pieces':>8}{'unknown':>9}{'texts/s':>9}{'weights':>13}"
        )
        lines = [f"{head}  licence", *map(_line, self.candidates)]
        first = self.candidates[0]
        said = f"take '{first.model}': best {self.by} over {self.n:,} reviews (majority {self.majority:.3f})"
        return "\n".join([*lines, "", said + _warning(first)])


def _line(one: Candidate) -> str:
    pieces = "–" if one.pieces_a_word is None else f"{one.pieces_a_word:.2f}"
    unknown = "–" if one.unknown is None else f"{one.unknown:.1%}"
    weights = "–" if one.n_parameters is None else f"{one.n_parameters:,}"
    name = f"{one.model[-23:]:<24}{one.logme:>9.4f}{one.probe:>8.3f}{pieces:>8}{unknown:>9}"
    return f"{name}{one.texts_per_s:>9.0f}{weights:>13}  {one.licence}"


def _warning(one: Candidate) -> str:
    if one.unknown is not None and one.unknown > 0.05:
        return f"; but its tokenizer does not know {one.unknown:.0%} of the tokens"
    return ""


def choose(shop: Shop, models: Sequence[str], settings: ChooseSettings | None = None) -> Choice:
    """The named encoders, ranked for reading sentiment in the shop; each encodes a sample once.

    Raises ConfigError without a model, DataError when there are fewer than 20 labelled reviews or one label.
    """
    given = settings or ChooseSettings()
    if not models:
        raise ConfigError("choose: name one model at the least, for example 'minilm'.", key="models")
    examples = _sample(shop, given)
    found = [_looked_at(name, examples, given) for name in dict.fromkeys(models)]
    found.sort(key=lambda one: getattr(one, given.by), reverse=True)
    majority = float(np.bincount(examples.y).max() / len(examples))
    return Choice(tuple(found), given.by, len(examples), majority)


def _sample(shop: Shop, given: ChooseSettings) -> Examples:
    examples = read_examples(shop, once=True)
    if len(examples) < 20 or len(np.unique(examples.y)) < 2:
        raise DataError("choose needs 20 labelled or rated reviews of two labels at the least.")
    order = stream(given.seed, "choose").permutation(len(examples))[: given.sample]
    return examples.take(np.sort(order))


def _looked_at(name: str, examples: Examples, given: ChooseSettings) -> Candidate:
    encoder = load_model(name, kind="encoder")
    texts = [query.text for query in examples.queries]
    encoder.encode(texts[:2], role="query")  # the first call makes the copy that computes
    start = time.perf_counter()
    rows = encoder.encode(texts, role="query").astype(np.float64)
    seconds = time.perf_counter() - start
    centred = rows - rows.mean(axis=0)
    centred /= max(float(np.linalg.norm(centred, axis=1).mean()), 1e-12)
    weights = class_weights(examples.y, "none", len(LABELS))
    probe = choose_head(centred, examples.y, "logistic", STRENGTHS, weights, None, given.seed)
    pieces, unknown = tokenizer_fit(getattr(encoder, "tokenizer", None), texts)
    network = getattr(encoder, "network", None)
    return Candidate(
        model=name,
        logme=logme(centred, examples.y),
        probe=float(probe.figures["accuracy"]),
        pieces_a_word=pieces,
        unknown=unknown,
        texts_per_s=len(texts) / max(seconds, 1e-9),
        n_parameters=None if network is None else sum(p.numel() for p in network.parameters()),
        dim=encoder.dim,
        licence=_licence(name, encoder),
    )


def tokenizer_fit(tokenizer: Any, texts: Sequence[str]) -> tuple[float | None, float | None]:
    """(tokens a word, share of unknown tokens); a Chinese character counts as a word. None without one."""
    if tokenizer is None:
        return None, None
    rows = tokenizer(list(texts), add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
    n_words = sum(len(_WORD.findall(text)) for text in texts)
    ids = np.concatenate([np.asarray(row, dtype=np.int64) for row in rows])
    unknown = getattr(tokenizer, "unk_token_id", None)
    share = 0.0 if unknown is None else float((ids == unknown).mean()) if len(ids) else 0.0
    return len(ids) / max(n_words, 1), share


def _licence(name: str, encoder: Encoder) -> str:
    """As far as it is written down: for the built-in models, or in a folder's model card."""
    if name in LICENCES:
        return LICENCES[name]
    card = Path(name) / "README.md"
    found = _LICENCE.search(card.read_text(encoding="utf-8")) if card.exists() else None
    return found[1] if found else "not stated"
