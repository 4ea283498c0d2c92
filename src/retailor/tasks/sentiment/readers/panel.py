"""A panel of judges that need no label: opinion words, vectors and their main axis, a reader of another shop.

Each judge says how much a text praises; the panel adds up what they say, and a few labels only have to tell
where praise begins: two numbers to learn, instead of as many as the encoder has dimensions.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from retailor.models.shapes import Encoder
from retailor.seeds import stream
from retailor.shop.tables import LABELS
from retailor.tasks.sentiment.readers.heads import Floats, Head, Labels, calibration, fit_head, read_head
from retailor.tasks.sentiment.readers.linear import VectorReader
from retailor.tasks.sentiment.readers.opinions import WordPolarity, word_polarity
from retailor.tasks.sentiment.shapes import Sentiment, SentimentQuery
from retailor.tasks.sentiment.texts import about, folds
from retailor.text.opinions import OpinionWords

LEAST_TEXTS = 200
SURE_PART, PROBE_STRENGTH = 0.4, 10.0
N_AXES, LEAST_AGREEMENT = 10, 0.5
NEGATIVE, POSITIVE = LABELS.index("negative"), LABELS.index("positive")
CONSTANT, STRENGTH = 0.3, 1.0
"""A small constant feature is an intercept that is regularised: 32 labels know little about a threshold."""


class OtherReader(Protocol):
    """All that is asked of a reader of another shop."""

    def predict(self, queries: Sequence[SentimentQuery]) -> list[Sentiment]: ...
    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class Panel:
    """Judges of a shop's texts; each is heard less its median over the shop, in units of its deviation."""

    polarity: WordPolarity | None
    vectors: VectorReader
    """Unit vectors come from here; its head holds the probe on them, over two classes: blame and praise."""
    labelled: Head | None
    """A probe on them that learned from labels, as a head over LABELS; None if nobody has told it any."""
    axis: Head | None
    """The principal axis of the shop's vectors along which its opinions lie, as a head; None if none does."""
    teacher: OtherReader | None
    teacher_weight: float
    centres: Floats  # [judges]
    scales: Floats  # [judges]

    def scores(self, queries: Sequence[SentimentQuery], rows: Floats | None = None) -> Floats:
        """How much each text praises [n], the sum over judges; `rows` are their vectors, when known."""
        given = self.vectors.features(queries) if rows is None else rows
        judged = np.stack([*self._others(queries), *self._of_vectors(given)])  # [judges, n]
        return self._weights(len(judged)) @ ((judged - self.centres[:, None]) / self.scales[:, None])

    def _weights(self, n: int) -> Floats:
        """Of the first `n` judges; those that labels have taught count more than those that none has."""
        weights = np.ones(n)
        first = 0 if self.polarity is None else 1
        n_taught = (self.teacher is not None) + (self.labelled is not None)
        weights[first : first + n_taught] = self.teacher_weight
        return weights

    def _of_vectors(self, rows: Floats) -> list[Floats]:
        """Raw scores [n] of heads over vectors: of the labels and of the axis, if any, and of the probe."""
        heads = [*([] if self.axis is None else [self.axis]), self.vectors.head]
        return [*self._of_labels(rows), *(_margin(head, rows) for head in heads)]

    def _of_labels(self, rows: Floats) -> list[Floats]:
        if self.labelled is None:
            return []
        logits = self.labelled.logits(rows)
        return [np.asarray(logits[:, POSITIVE] - logits[:, NEGATIVE])]

    def _others(self, queries: Sequence[SentimentQuery]) -> list[Floats]:
        """Raw scores [n] of the judges that are no vectors, words first."""
        found = []
        if self.polarity is not None:
            texts = [q.text if q.aspect is None else about(q.text, q.aspect) for q in queries]
            found.append(self.polarity.scores(texts))
        if self.teacher is not None:
            answers = [answer.probabilities for answer in self.teacher.predict(list(queries))]
            odds = [np.log((a["positive"] + 1e-3) / (a["negative"] + 1e-3)) for a in answers]
            found.append(np.array(odds, dtype=np.float64))
        return found

    def judges(self) -> list[str]:
        words = ["opinion words"] if self.polarity is not None else []
        another = ["another reader"] if self.teacher is not None else []
        another += ["labels"] if self.labelled is not None else []
        return [*words, *another, *(["main axis"] if self.axis is not None else []), "frozen vectors"]


@dataclass(frozen=True)
class Seated:
    """The panel, and its scores [n] of the texts it was seated with; None and a reason where it cannot be."""

    panel: Panel | None
    scores: Floats
    texts: list[str]
    why: str = ""


def seat(
    encoder: Encoder,
    texts: Sequence[str],
    words: OpinionWords,
    *,
    max_texts: int,
    max_tokens: int,
    teacher: OtherReader | None = None,
    teacher_weight: float = 2.0,
    labelled: Head | None = None,
    seed: int = 0,
    work: Path | None = None,
) -> Seated:
    """A panel for the shop of these unlabelled texts; at most `max_texts` of them are encoded.

    `labelled` is a head over LABELS on the encoder's vectors. The probe on them learns from the texts of
    which the words, the teacher and that head are surest, the surest two fifths of either side.
    """
    nobody = np.zeros(0)
    if len(texts) < LEAST_TEXTS:
        return Seated(None, nobody, [], f"{len(texts):,} unlabelled reviews are fewer than {LEAST_TEXTS}")
    polarity = word_polarity(texts, words)
    if polarity is None and teacher is None and labelled is None:
        return Seated(None, nobody, [], "too few of the unlabelled reviews have a word of praise or of blame")
    sample = _sample(list(texts), max_texts, seed)
    queries = [SentimentQuery(text) for text in sample]
    blank = VectorReader(encoder, Head(np.zeros((2, encoder.dim)), np.zeros(2)), max_tokens)
    first = Panel(polarity, blank, labelled, None, teacher, teacher_weight, np.zeros(0), np.ones(0))
    others = first._others(queries)
    rows = blank.vectors(blank.inputs(queries), exact=False, work=work)
    scores = np.stack([*others, *first._of_labels(rows)])
    told = first._weights(len(scores)) @ _standard(scores)
    second = replace(first, vectors=replace(blank, head=_probe(rows, told)), axis=_axis(rows, told))
    judged = np.stack([*others, *second._of_vectors(rows)])
    scales = np.maximum(judged.std(axis=1), 1e-9)
    panel = replace(second, centres=np.median(judged, axis=1), scales=scales)
    return Seated(panel, panel._weights(len(judged)) @ _standard(judged), sample)


def _sample(texts: list[str], n: int, seed: int) -> list[str]:
    order = stream(seed, "sentiment", "unlabelled").permutation(len(texts))[:n]
    return [texts[i] for i in sorted(order)]


def _standard(scores: Floats) -> Floats:
    """Rows of scores with median 0 and deviation 1: half of the texts praise, as far as a judge can tell."""
    centred = scores - np.median(scores, axis=1, keepdims=True)
    return np.asarray(centred / np.maximum(scores.std(axis=1, keepdims=True), 1e-9))


def _probe(rows: Floats, told: Floats) -> Head:
    """A head over unit vectors that learns from the surest of what the others told."""
    centre = rows.mean(axis=0)
    # Vectors of a multilingual encoder crowd around their mean; regularisation should see what is left.
    scale = max(float(np.linalg.norm(rows - centre, axis=1).mean()), 1e-9)
    low, high = np.quantile(told, [SURE_PART, 1 - SURE_PART])
    surest = np.flatnonzero((told < low) | (told > high))
    moved = (rows[surest] - centre) / scale
    fitted = fit_head(moved, (told[surest] > high).astype(np.int64), "logistic", PROBE_STRENGTH, np.ones(2))
    weight = fitted.weight / scale
    return Head(weight, fitted.bias - weight @ centre)


def _axis(rows: Floats, told: Floats) -> Head | None:
    """The principal axis of the vectors that agrees best with what the others told; None if none does.

    Where opinions are what reviews differ in most, an axis that nobody taught reads them better than a probe
    that also learns its teachers' errors.
    """
    moved = rows - rows.mean(axis=0)
    _, axes = np.linalg.eigh(moved.T @ moved)  # the largest last
    main = axes[:, ::-1][:, :N_AXES]
    along = moved @ main
    spread = along.std(axis=0) * told.std()
    agreement = (along * (told - told.mean())[:, None]).mean(axis=0) / np.maximum(spread, 1e-9)
    best = int(np.argmax(np.abs(agreement)))
    if abs(agreement[best]) < LEAST_AGREEMENT:
        return None
    axis = np.sign(agreement[best]) * main[:, best]
    return Head(np.stack([np.zeros_like(axis), axis]), np.array([0.0, -float(rows.mean(axis=0) @ axis)]))


def _margin(head: Head, rows: Floats) -> Floats:
    logits = head.logits(rows)
    return np.asarray(logits[:, 1] - logits[:, 0])


# the reader ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class PanelReader:
    """A panel with a head over its score: `probabilities(queries) -> [n, C]`, as the other readers."""

    panel: Panel
    head: Head

    @property
    def encoder(self) -> Encoder:
        return self.panel.vectors.encoder

    def with_encoder(self, encoder: Encoder) -> PanelReader:
        """The same reader over another encoder of the same vectors."""
        vectors = replace(self.panel.vectors, encoder=encoder)
        return replace(self, panel=replace(self.panel, vectors=vectors))

    def probabilities(self, queries: Sequence[SentimentQuery]) -> Floats:
        if not queries:
            return np.zeros((0, len(self.head.bias)))
        return self.head.probabilities(features(self.panel.scores(queries)))

    def save(self, folder: Path) -> None:
        """Writes the panel and its head; the encoder is saved by the task."""
        folder.mkdir()
        panel = self.panel
        weights = None if panel.polarity is None else panel.polarity.weights
        told = {
            "weights": weights,
            "n_votes": None if panel.polarity is None else panel.polarity.n_votes,
            "teacher_weight": panel.teacher_weight,
        }
        text = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
        (folder / "words.json").write_text(text, encoding="utf-8")
        self.head.save(folder / "head.safetensors", centres=panel.centres, scales=panel.scales)
        panel.vectors.head.save(folder / "probe.safetensors")
        if panel.labelled is not None:
            panel.labelled.save(folder / "labelled.safetensors")
        if panel.axis is not None:
            panel.axis.save(folder / "axis.safetensors")
        if panel.teacher is not None:
            panel.teacher.save(folder / "teacher")

    @classmethod
    def load(
        cls, folder: Path, encoder: Encoder, max_tokens: int, teacher: OtherReader | None
    ) -> PanelReader:
        """The reader in a folder that `save` wrote, over the encoder and the teacher given."""
        told: dict[str, Any] = json.loads((folder / "words.json").read_text(encoding="utf-8"))
        head, arrays = read_head(folder / "head.safetensors")
        vectors = VectorReader(encoder, read_head(folder / "probe.safetensors")[0], max_tokens)
        known = told["weights"]
        polarity = None if known is None else WordPolarity(known, tuple(told["n_votes"]))
        labelled, axis = (
            read_head(path)[0] if path.exists() else None
            for path in (folder / "labelled.safetensors", folder / "axis.safetensors")
        )
        panel = Panel(
            polarity,
            vectors,
            labelled,
            axis,
            teacher,
            told["teacher_weight"],
            arrays["centres"],
            arrays["scales"],
        )
        return cls(panel, head)


def features(scores: Floats) -> Floats:
    """What the head sees of the panel's scores [n]: [n, 3], the score, its size and a constant."""
    return np.stack([scores, CONSTANT * np.abs(scores), np.full(len(scores), CONSTANT)], axis=1)


def fit_panel_head(rows: Floats, y: Labels, weights: Floats) -> Head:
    """A head over `features`; between two labels the size of a score says nothing, and has no weight."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(y)
    weight, bias = np.zeros((len(weights), 3)), np.full(len(weights), -1e9)
    bias[present] = 0.0
    if len(present) < 2:
        return Head(weight, bias)
    used = np.array([0, 1, 2]) if len(present) > 2 else np.array([0, 2])
    model = LogisticRegression(
        C=STRENGTH,
        fit_intercept=False,
        max_iter=1000,
        class_weight={int(c): float(weights[c]) for c in present},
    )
    model.fit(rows[:, used], y)
    for at, row in zip(present if len(model.coef_) > 1 else present[1:], model.coef_, strict=True):
        weight[at, used] = row
    return Head(weight, bias)


def headed(
    panel: Panel,
    queries: Sequence[SentimentQuery],
    y: Labels,
    weights: Floats,
    held: Labels | None,
    seed: int,
) -> tuple[PanelReader, dict[str, float], Floats]:
    """The reader with a head fitted on these labels, its held-out figures and logits (see `choose_head`)."""
    rows = features(panel.scores(queries))
    number = folds(y, 5, seed) if held is None else np.isin(np.arange(len(y)), held).astype(np.int64)
    parts = list(range(number.max() + 1)) if held is None else [1]
    logits = np.zeros((len(y), len(weights)))
    for part in parts:
        rest = number != part
        logits[~rest] = fit_panel_head(rows[rest], y[rest], weights).logits(rows[~rest])
    tested = np.isin(number, parts)
    figures = calibration(logits[tested], y[tested])
    head = replace(fit_panel_head(rows, y, weights), temperature=figures["temperature"])
    return PanelReader(panel, head), figures, logits[tested]
