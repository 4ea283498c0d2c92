"""What is found of each model: candidates are shards, and on a cluster each is a task of its own."""

from __future__ import annotations

import json
import re
import time
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from retailor.choose.probes.table import probe_of
from retailor.choose.shapes import Candidate, ChooseSettings, Probe
from retailor.config import as_dict
from retailor.models.weights import load_model
from retailor.runner import over_shards
from retailor.scripts import CJK
from retailor.shop.tables import Shop
from retailor.store.keys import key_of
from retailor.store.memo import files_sha256, memo_json

LICENCES = {"minilm": "Apache-2.0", "e5": "MIT", "smollm2": "Apache-2.0"}
N_TIMED = 200
"""Texts that are read against the clock."""
_WORD = re.compile(rf"[{CJK}]|(?:(?![{CJK}])\w)+")
_LICENCE = re.compile(r"^license:\s*(\S+)", re.MULTILINE)


@dataclass(frozen=True)
class Asked:
    """What a probe is made of, wherever it is made."""

    shop: Shop
    task: str
    settings: ChooseSettings
    mark: str = field(default_factory=lambda: uuid.uuid4().hex)
    """Its own among all that a process is given."""


_ready: dict[str, Probe] = {}


def looked_at(models: Sequence[str], probe: Probe, asked: Asked, work: Path | None) -> list[Candidate]:
    """The candidates in the order of the models; with `work` each is kept there, and made once."""
    _ready.clear()
    if work is None:
        return [_look(name, probe) for name in models]
    work = work.resolve()
    _ready[asked.mark] = probe
    told = (asked.task, as_dict(asked.settings), probe.n, probe.texts, dict(probe.control))
    shards = [(name, work / f"candidate-{key_of(*told, name, _content(name))[:16]}.json") for name in models]
    find = partial(_kept, asked)
    away = [each for each in shards if "://" not in each[0]]  # the key of an address is here alone
    made = [*over_shards(find, away, "models"), *(find(each) for each in shards if each not in away)]
    kept = {path: Candidate(**json.loads(path.read_text(encoding="utf-8"))) for path in made}
    return [kept[path] for _, path in shards]


def _kept(asked: Asked, shard: tuple[str, Path]) -> Path:
    """The file with what is found of a model, made where it is not there."""
    name, path = shard

    def find() -> dict[str, Any]:
        if asked.mark not in _ready:
            _ready.clear()
            _ready[asked.mark] = probe_of(asked.task)(asked.shop, asked.settings)
        return asdict(_look(name, _ready[asked.mark]))

    memo_json(path, find)
    return path


def _content(name: str) -> str:
    """Tells a model's folder from what was there before; '' where a model has a name alone."""
    folder = Path(name)
    return files_sha256([folder]) if folder.is_dir() else ""


def _look(name: str, probe: Probe) -> Candidate:
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
