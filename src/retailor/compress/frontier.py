"""The search for the fastest encoder that keeps a share of what the tasks score, on this machine."""

from __future__ import annotations

import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from retailor.compress.calibrated import calibration, quantise_calibrated
from retailor.compress.graph import shrink_embeddings
from retailor.compress.onnx import (
    Parity,
    fill,
    nearness,
    sample_of,
)
from retailor.compress.settings import CompressSettings, Weights
from retailor.compress.student import Lessons, n_layers, taught, with_layers, word_table
from retailor.compress.vocabulary import Trimming, trimmed, trimming
from retailor.models.encoder import LocalEncoder
from retailor.models.encoding import exact_vectors
from retailor.models.local import load_encoder
from retailor.models.runtimes.exporting import describe, export, exportable
from retailor.models.shapes import Encoder
from retailor.progress import track
from retailor.seeds import stream
from retailor.store import artifact

ORIGINAL = "original"
ONNX: dict[str, Weights] = {
    "onnx float32": "float32", "onnx int8": "dynamic", "onnx int8 blocks": "blocks",
    "onnx int4 blocks": "blocks4",
}  # fmt: skip
"""A candidate's name to how its weights are kept."""
_BATCH = 64
_ONE_BY_ONE = 64  # texts of which each is timed alone


@dataclass(frozen=True)
class Share:
    """How much of a task's score a candidate keeps, over `n` cases, with its paired 95 % interval."""

    value: float
    low: float | None
    high: float | None
    n: int

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return f"{self.value:.3f} (n {self.n})"
        return f"{self.value:.3f} ({self.low:.3f}–{self.high:.3f}, n {self.n})"


Judge = Callable[[Encoder], Mapping[str, Share]]
"""A candidate to the share that it keeps, a task each."""


@dataclass(frozen=True)
class Candidate:
    """One encoder that was tried: what it costs and what it keeps."""

    name: str
    size_bytes: int
    texts_per_s: float
    """In batches of 64, as `encode` is called, splitting into tokens included."""
    one_ms: float
    """Median of a text alone."""
    p99_ms: float
    parity: Parity
    kept: Mapping[str, Share] = field(default_factory=dict)

    def keeps(self, share: float, *, nearest: bool = False) -> bool:
        """Whether every task keeps the share; and so do the ten nearest, where asked or without a task."""
        if (nearest or not self.kept) and self.parity.overlap_10 < share:
            return False
        return all(found.value >= share for found in self.kept.values())


@dataclass(frozen=True)
class Frontier:
    """All that was tried, and which was taken."""

    candidates: tuple[Candidate, ...]
    chosen: str
    keep: float
    why: str
    pieces: Trimming | None = None
    """What the smaller vocabulary did to the texts held out; None where it is as it was."""

    def taken(self) -> Candidate:
        """The candidate that was taken."""
        return next(one for one in self.candidates if one.name == self.chosen)

    def first(self) -> Candidate:
        """The encoder as it was."""
        return self.candidates[0]

    def best(self) -> tuple[str, ...]:
        """Names on the frontier: no other is both faster and keeps as much."""
        return tuple(
            one.name
            for one in self.candidates
            if not any(
                other.texts_per_s > one.texts_per_s and _least(other) >= _least(one)
                for other in self.candidates
            )
        )

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON-able values."""
        return {
            "chosen": self.chosen, "keep": self.keep, "why": self.why, "frontier": list(self.best()),
            "candidates": [{**asdict(one), "kept_least": _least(one)} for one in self.candidates],
            "pieces": None if self.pieces is None else {**asdict(self.pieces), "told": str(self.pieces)},
        }  # fmt: skip

    def report(self, name: str) -> dict[str, Any]:
        """What was taken, told as `CompressReport.to_dict` tells it, and all that was tried."""
        taken, first = self.taken(), self.first()
        speed = {one.name: one.texts_per_s for one in self.candidates}
        return {
            "name": name, "weights": taken.name, "parity": asdict(taken.parity),
            "size_before_bytes": first.size_bytes, "size_after_bytes": taken.size_bytes,
            "size_ratio": first.size_bytes / taken.size_bytes, "texts_per_s": speed,
            "speed_ratios": {ORIGINAL: taken.texts_per_s / first.texts_per_s}, "search": self.to_dict(),
        }  # fmt: skip

    def __str__(self) -> str:
        head = f"{'encoder':28} {'MB':>7} {'texts/s':>9} {'ms':>7} {'p99 ms':>7} {'nearest':>8}  kept"
        lines = [head]
        for one in self.candidates:
            kept = ", ".join(f"{task} {share}" for task, share in one.kept.items())
            mark = " ←" if one.name == self.chosen else ""
            lines.append(
                f"{one.name:28} {one.size_bytes / 1e6:7.1f} {one.texts_per_s:9.0f} {one.one_ms:7.2f} "
                f"{one.p99_ms:7.2f} {one.parity.overlap_10:8.3f}  {kept}{mark}"
            )
        return "\n".join([*lines, *(() if self.pieces is None else (str(self.pieces),)), self.why])


def search(
    encoder: Encoder,
    folder: Path,
    *,
    texts: Sequence[str],
    held_out: Sequence[str],
    settings: CompressSettings,
    judge: Judge | None = None,
    unjudged: Sequence[str] = (),
    work: Path | None = None,
) -> Frontier:
    """The frontier; `folder` becomes the encoder that was taken, an artifact that `load_encoder` opens.

    `texts` teach the students and decide which word pieces stay; speed and nearness are measured on
    `held_out`, what is kept by `judge`: on cases that nobody reports, since the best of many is picked by
    them. The ten nearest texts must be kept too where there is no judge, and for tasks that read by this
    encoder and cannot be judged, `unjudged`. Without `settings.keep` all must be kept. Raises ModelError for
    an encoder without a network, or whose pooling no runtime has; DataError with fewer than two texts.
    """
    whole = exportable(encoder, LocalEncoder)
    sample = sample_of(held_out, settings)
    before = exact_vectors(whole, sample[: settings.n_parity])
    with tempfile.TemporaryDirectory() as place:
        made = dict(candidates(whole, texts, settings, Path(place), work))
        opened: dict[str, Encoder] = {
            ORIGINAL: whole,
            **{name: load_encoder(path) for name, path in made.items()},
        }
        sizes = {ORIGINAL: _weights_bytes(whole), **{name: _size(path) for name, path in made.items()}}
        times = _timed(opened, sample[: settings.n_speed], settings.rounds)
        found = [
            Candidate(
                name, sizes[name], *times[name],
                parity=nearness(before, each.encode(sample[: settings.n_parity])),
                kept={} if judge is None else dict(judge(each)),
            )
            for name, each in opened.items()
        ]  # fmt: skip
        result = replace(_pick(found, settings, unjudged), pieces=_pieces(whole, opened, held_out))
        _keep(made.get(result.chosen), whole, folder, result)
    return result


def candidates(
    encoder: LocalEncoder, texts: Sequence[str], settings: CompressSettings, place: Path, work: Path | None
) -> Iterator[tuple[str, Path]]:
    """Name and folder of each candidate, the surest first."""
    slim = trimmed(encoder, texts) or encoder
    plain = place / "plain.onnx"
    export(slim, plain)
    for name, weights in ONNX.items():
        yield name, _onnx(place / name, slim, plain, weights, settings)
    yield from _calibrated(slim, plain, texts, settings, place)
    lessons = Lessons.of(encoder, texts, settings.student)
    whole = n_layers(slim)
    half = max(1, whole // 2)
    for count in sorted({half, max(1, whole // 3), 1} - {whole, 0}, reverse=True) if whole else ():
        student = with_layers(slim, count)
        inner = None if work is None else work / f"student-{count}"
        # a step of fewer layers takes less: all learn for about the same time
        steps = settings.student.layers_steps * half // count
        taught(student, lessons, replace(settings.student, layers_steps=steps), inner)
        export(student, plain)
        name = f"{count} {'layer' if count == 1 else 'layers'}, onnx int8"
        yield name, _onnx(place / name, student, plain, "dynamic", settings)
    for name, n_pairs in (("word vectors", 0), ("word and pair vectors", settings.student.n_pairs)):
        if n_pairs or name == "word vectors":
            inner = None if work is None else work / name.replace(" ", "-")
            word_table(slim, lessons, settings.student, inner, n_pairs=n_pairs).save(place / name)
            yield name, place / name


def _calibrated(
    encoder: LocalEncoder, plain: Path, texts: Sequence[str], settings: CompressSettings, place: Path
) -> Iterator[tuple[str, Path]]:
    """int8 with fixed scales, and the same graph and the float32 one through OpenVINO."""
    drawn = stream(settings.seed, "compress", "calibration").permutation(len(texts))
    some = [texts[i] for i in drawn[: settings.n_calibration] if texts[i].strip()]
    if not some:
        return
    folder = place / "onnx int8 calibrated"
    folder.mkdir()
    batches = calibration(encoder, some)
    quantise_calibrated(plain, folder / "model.onnx", batches)
    shrink_embeddings(folder / "model.onnx", settings.embeddings)
    describe(encoder, folder)
    yield folder.name, folder
    if find_spec("openvino") is None:
        return
    for name, graph in (("openvino", place / "onnx float32"), ("openvino int8", folder)):
        (place / name).mkdir()
        shutil.copy(graph / "model.onnx", place / name / "model.onnx")
        describe(encoder, place / name, "openvino")
        yield name, place / name


def _onnx(
    folder: Path, encoder: LocalEncoder, plain: Path, weights: Weights, settings: CompressSettings
) -> Path:
    folder.mkdir()
    rows = "int4" if weights == "blocks4" else settings.embeddings
    fill(folder, encoder, plain, replace(settings, weights=weights, embeddings=rows))
    return folder


def _pieces(whole: LocalEncoder, opened: Mapping[str, Encoder], texts: Sequence[str]) -> Trimming | None:
    """What the candidates' vocabulary did to texts that had no say in it."""
    tokenizer = next((made.tokenizer for name, made in opened.items() if name in ONNX), None)  # type: ignore[attr-defined]
    found = None if tokenizer is None else trimming(whole.tokenizer, tokenizer, list(dict.fromkeys(texts)))
    return found if found is not None and found.n_pieces < found.n_pieces_before else None


def _timed(
    encoders: Mapping[str, Encoder], texts: Sequence[str], rounds: int
) -> dict[str, tuple[float, float, float]]:
    """Texts a second in batches, and the median and the 99th percentile of milliseconds for a text alone.

    Each round times every encoder in turn, so that a busy machine slows them all; of batches the best counts.
    """
    best, alone = dict.fromkeys(encoders, float("inf")), {name: list[float]() for name in encoders}
    for _ in track(range(rounds), "timing"):
        for name, encoder in encoders.items():
            seconds = sum(_seconds(encoder, texts[at : at + _BATCH]) for at in range(0, len(texts), _BATCH))
            best[name] = min(best[name], seconds)
            alone[name] += [_seconds(encoder, [text]) * 1e3 for text in texts[:_ONE_BY_ONE]]
    return {
        name: (len(texts) / best[name], float(np.median(took)), float(np.quantile(took, 0.99)))
        for name, took in alone.items()
    }


def _seconds(encoder: Encoder, texts: Sequence[str]) -> float:
    start = time.perf_counter()
    encoder.encode(texts)
    return time.perf_counter() - start


def _pick(found: Sequence[Candidate], settings: CompressSettings, unjudged: Sequence[str] = ()) -> Frontier:
    keep = 1.0 if settings.keep is None else settings.keep
    able = [one for one in found if one.keeps(keep, nearest=bool(unjudged)) and _affordable(one, settings)]
    chosen = max(able, key=lambda one: one.texts_per_s, default=found[0])
    if chosen is not found[0]:
        times = chosen.texts_per_s / found[0].texts_per_s
        too = f", and of the ten nearest texts for {', '.join(unjudged)}" if unjudged else ""
        why = f"'{chosen.name}' is the fastest that keeps {keep:.1%}{too}: {times:.1f} times the original."
        return Frontier(tuple(found), chosen.name, keep, why)
    limits = [
        f"{value:g} {unit}"
        for value, unit in ((settings.budget_ms, "ms"), (settings.budget_mb, "MB"))
        if value is not None
    ]
    within = f" within {' and '.join(limits)}" if limits else ""
    faster = " and is faster" if able else ""
    why = f"Nothing that was tried keeps {keep:.1%}{within}{faster}: the encoder stays as it is."
    return Frontier(tuple(found), ORIGINAL, keep, why)


def _affordable(one: Candidate, settings: CompressSettings) -> bool:
    in_time = settings.budget_ms is None or one.one_ms <= settings.budget_ms
    return in_time and (settings.budget_mb is None or one.size_bytes <= settings.budget_mb * 1e6)


def _least(one: Candidate) -> float:
    return min((share.value for share in one.kept.values()), default=one.parity.overlap_10)


def _keep(source: Path | None, encoder: LocalEncoder, folder: Path, result: Frontier) -> None:
    """Writes the folder of what was taken."""
    if source is None:
        encoder.save(folder)
        return
    card = f"# {encoder.name}, as '{result.chosen}'\n\n{result.why}\n"
    with artifact.writing(folder, "encoder", settings={"chosen": result.chosen}, card=card) as new:
        for path in source.iterdir():
            if path.name not in (artifact.MANIFEST, artifact.CARD):
                shutil.copy(path, new / path.name)
        (new / "frontier.json").write_text(json.dumps(result.to_dict(), indent=1), encoding="utf-8")


def _weights_bytes(encoder: LocalEncoder) -> int:
    return sum(p.numel() * 4 for p in encoder.network.parameters())


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.iterdir() if path.suffix in (".onnx", ".safetensors"))
