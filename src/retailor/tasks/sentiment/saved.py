"""A fitted reader on disk: heads in safetensors, the encoder in `encoder/`, the baselines beside it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from retailor.config import as_dict, saved_settings
from retailor.models.local import load_encoder
from retailor.models.shapes import OpenEncoder
from retailor.store import artifact
from retailor.tasks.sentiment.fit import AnyReader, Fit
from retailor.tasks.sentiment.fitting import BLENDED, FROZEN, NB_SVM, PANEL, PROMPT, TF_IDF
from retailor.tasks.sentiment.readers.blended import BlendedReader
from retailor.tasks.sentiment.readers.heads import read_head
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.readers.panel import OtherReader, PanelReader
from retailor.tasks.sentiment.readers.prompt import PromptReader
from retailor.tasks.sentiment.settings import SentimentSettings

KIND = "sentiment"
HEAD, FROZEN_HEAD, NB_SVM_HEAD = "head.safetensors", "frozen-head.safetensors", "nb-svm-head.safetensors"
ENCODER, FROZEN_ENCODER, ABOUT = "encoder", "frozen-encoder", "sentiment.json"


@dataclass(frozen=True)
class Saved:
    """What a folder holds of a reader."""

    fit: Fit
    settings: SentimentSettings
    log: dict[str, Any]


def save_reader(folder: Path, saved: Saved) -> None:
    """Writes an artifact of kind 'sentiment'."""
    fit, settings = saved.fit, as_dict(saved.settings)
    with artifact.writing(folder, KIND, settings=settings, card=_card(saved.log)) as new:
        fit.words[TF_IDF].save(new / TF_IDF)
        fit.words[NB_SVM].head.save(new / NB_SVM_HEAD)
        _save_answering(new, fit.reader)
        if fit.frozen is not None and fit.frozen is not fit.reader and saved.settings.keep_frozen:
            _save_frozen(new, fit.frozen, fit.reader)
        about = json.dumps(_about(fit, saved.log), ensure_ascii=False, indent=1)
        (new / ABOUT).write_text(about, encoding="utf-8")


def _save_answering(folder: Path, reader: AnyReader) -> None:
    network = _network(reader)
    if network is not None:
        network.head.save(folder / HEAD)
    if isinstance(reader, PanelReader):
        reader.save(folder / PANEL)
    if isinstance(reader, PromptReader):
        reader.save(folder / PROMPT)
    elif not isinstance(reader, WordReader):
        reader.encoder.save(folder / ENCODER)


def _save_frozen(folder: Path, frozen: VectorReader, reader: AnyReader) -> None:
    frozen.head.save(folder / FROZEN_HEAD)
    answering = None if isinstance(reader, WordReader | PromptReader) else reader.encoder
    if frozen.encoder is not answering:
        frozen.encoder.save(folder / FROZEN_ENCODER)


def _network(reader: AnyReader) -> VectorReader | None:
    """The reader with a head over an encoder that answers, alone or in a blend."""
    if isinstance(reader, BlendedReader):
        return reader.tuned
    return reader if isinstance(reader, VectorReader) else None


def _about(fit: Fit, log: dict[str, Any]) -> dict[str, Any]:
    blend, network = fit.reader if isinstance(fit.reader, BlendedReader) else None, _network(fit.reader)
    return {
        "chosen": fit.chosen,
        "prior": fit.prior.tolist(),
        "paired": network is not None and network.paired,
        "blend": blend
        and {"words": fit.row_of(blend.words), "share": blend.share, "temperature": blend.temperature},
        "log": log,
    }


def load_reader(
    folder: Path, open_encoder: OpenEncoder | None, load_teacher: Callable[[Path, OpenEncoder], OtherReader]
) -> Saved:
    """What `save_reader` wrote. Raises DataError that names a missing or corrupt file."""
    manifest = artifact.verify(folder, KIND)
    opened = cache(open_encoder or load_encoder)  # two heads may stand over one encoder
    about = json.loads((folder / ABOUT).read_text(encoding="utf-8"))
    settings = saved_settings(SentimentSettings, manifest.settings, str(folder / artifact.MANIFEST))
    tf_idf = WordReader.load(folder / TF_IDF)
    words = {TF_IDF: tf_idf, NB_SVM: replace(tf_idf, head=read_head(folder / NB_SVM_HEAD)[0])}
    network = _load_probe(opened, folder, HEAD, ENCODER, settings.max_tokens, about["paired"])
    own = FROZEN_ENCODER if (folder / FROZEN_ENCODER).exists() else ENCODER
    frozen = _load_probe(opened, folder, FROZEN_HEAD, own, settings.max_tokens, False)
    if about["chosen"] == FROZEN:
        frozen = network
    if (folder / PANEL).exists():
        encoder = opened(folder / ENCODER) if frozen is None else frozen.encoder
        teacher = folder / PANEL / "teacher"
        other = load_teacher(teacher, opened) if teacher.exists() else None
        reader: AnyReader = PanelReader.load(folder / PANEL, encoder, settings.max_tokens, other)
    else:
        reader = _load_answering(folder, about, words, network)
    fit = Fit(reader, words, frozen, about["chosen"], np.array(about["prior"]))
    return Saved(fit, settings, about["log"])


def _load_answering(
    folder: Path, about: dict[str, Any], words: dict[str, WordReader], network: VectorReader | None
) -> AnyReader:
    """The reader that answers, where it is no panel."""
    if (folder / PROMPT).exists():
        return PromptReader.load(folder / PROMPT)
    if about["chosen"] == BLENDED:
        assert network is not None
        blend = about["blend"]
        return BlendedReader(words[blend["words"]], network, blend["share"], blend["temperature"])
    return words[about["chosen"]] if network is None else network


def _load_probe(
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
