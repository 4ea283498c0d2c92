"""Ranks models for a task of a shop before any of them is trained."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from retailor.choose.probes.table import probe_of
from retailor.choose.shapes import Candidate, Choice, ChooseSettings, Probe
from retailor.errors import ConfigError, nearest
from retailor.models.weights import load_model
from retailor.scripts import CJK
from retailor.shop.tables import Shop

LICENCES = {"minilm": "Apache-2.0", "e5": "MIT", "smollm2": "Apache-2.0"}
N_TIMED = 200
"""Texts that are read against the clock."""
_WORD = re.compile(rf"[{CJK}]|(?:(?![{CJK}])\w)+")
_LICENCE = re.compile(r"^license:\s*(\S+)", re.MULTILINE)


def choose(
    shop: Shop, models: Sequence[str], settings: ChooseSettings | None = None, *, task: str = "sentiment"
) -> Choice:
    """The named models, ranked for a task of the shop; each reads a sample, and none is trained.

    Raises ConfigError without a model, on a task or a figure that there is not, DataError and MissingTable
    when the shop has too little to ask them.
    """
    given = settings or ChooseSettings()
    if not models:
        raise ConfigError("choose: name one model at the least, for example 'minilm'.", key="models")
    probe = probe_of(task)(shop, given)
    by = given.by or probe.figures[0]
    if by not in probe.figures:
        raise ConfigError(
            f"by: '{by}' is no figure of {task}; known: {', '.join(probe.figures)}.",
            key="by",
            value=by,
            nearest=nearest(by, probe.figures),
        )
    found = [_looked_at(name, probe) for name in dict.fromkeys(models)]
    found.sort(key=lambda one: one.figures[by], reverse=True)
    return Choice(task, tuple(found), by, probe.n, probe.unit, probe.beside, probe.control, probe.notes)


def _looked_at(name: str, probe: Probe) -> Candidate:
    model = load_model(name, kind=probe.kind)
    pieces, unknown = tokenizer_fit(getattr(model, "tokenizer", None), probe.texts)
    network = getattr(model, "network", None)
    started = time.perf_counter()
    texts_per_s = _speed(model, probe)
    figures = dict(probe.look(model))
    if texts_per_s is None:  # a generator reads what it is looked at with
        texts_per_s = probe.n / max(time.perf_counter() - started, 1e-9)
    return Candidate(
        model=name,
        figures=figures,
        pieces_a_word=pieces,
        unknown=unknown,
        texts_per_s=texts_per_s,
        n_parameters=None if network is None else sum(p.numel() for p in network.parameters()),
        licence=_licence(name, model),
    )


def _speed(model: Any, probe: Probe) -> float | None:
    """Texts a second that an encoder reads."""
    if probe.kind != "encoder":
        return None
    some = list(probe.texts[:N_TIMED])
    model.encode(some[:2], role="query")  # the first call makes the copy that computes
    started = time.perf_counter()
    model.encode(some, role="query")
    return len(some) / max(time.perf_counter() - started, 1e-9)


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


def _licence(name: str, model: Any) -> str:
    """As far as it is written down: for the built-in models, or in a folder's model card."""
    if name in LICENCES:
        return LICENCES[name]
    card = Path(name) / "README.md"
    found = _LICENCE.search(card.read_text(encoding="utf-8")) if card.exists() else None
    return found[1] if found else "not stated"
