"""EPRSTMT (FewCLUE): sentiment of Chinese reviews from 32 labels, the mean of the five splits.

    python benchmarks/eprstmt.py

What each step is worth: TF-IDF and a probe on the frozen encoder; the encoder tuned without any label, on
pseudo-labels; a panel of judges that need no label (opinion words, vectors and their main axis) with a
threshold from the 32 labels, over the encoder as it came and over the tuned one; and the panel with a
transfer from online-shopping-10-cats: a further judge that knows its words, then one that was fine-tuned on
its reviews, with its encoder (seed 0 of `online_shopping.py`, made now if it is not kept). Test texts are
taken out of the unlabelled file, and their near-duplicates out of the other shop. Settings were chosen on
the dev parts; `test_public` is read once, at the end. The trainings are shared by the five splits, because
they see none of their labels. A stage that is done is kept in the work folder, and a killed training goes
on: the same command can be given again.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import online_shopping
from bench import Bench, begin, parser_of
from encoders import encoder_of
from keeping import Store
from numpy.typing import NDArray
from remembering import Remembering

from retailor.errors import ModelError
from retailor.metrics.interval import paired_interval, score_mean
from retailor.models.local import LocalEncoder, load_encoder
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.heads import Head, choose_head, class_weights
from retailor.tasks.sentiment.readers.linear import VectorReader, WordReader
from retailor.tasks.sentiment.readers.panel import Panel, seat
from retailor.tasks.sentiment.readers.panel import headed as panel_headed
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.tasks.sentiment.training.pseudo_labels import PseudoTuning, opinion_tuned
from retailor.text.opinions import OpinionWords
from retailor.train.loop import TrainSettings

SPLITS = (0, 1, 2, 3, 4)
BLANK = Head(np.zeros((0, 0)), np.zeros(0))
NEGATIVE, POSITIVE = LABELS.index("negative"), LABELS.index("positive")
Floats = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass(frozen=True)
class Part:
    """Texts and their labels."""

    texts: list[str]
    y: Labels


@dataclass(frozen=True)
class Setup:
    """What all stages share."""

    data: Path
    store: Store
    limit: int | None
    steps: int
    splits: tuple[int, ...]
    tests: int | None
    max_tokens: int = 64

    def training(self, steps: int, rate: float) -> TrainSettings:
        return TrainSettings(
            epochs=1e6, max_steps=steps, batch_size=32, learning_rate=rate, layer_decay=0.9, warmup=0.1,
            freeze_embeddings=True, freeze_layers=4, seed=0,
        )  # fmt: skip


def part(data: Path, name: str, limit: int | None = None) -> Part:
    """One of FewCLUE's files, or its first lines."""
    lines = (data / "eprstmt" / f"{name}.json").read_text(encoding="utf-8").splitlines()[:limit]
    rows = [json.loads(line) for line in lines]
    labels = [POSITIVE if row.get("label") == "Positive" else NEGATIVE for row in rows]
    return Part([row["sentence"] for row in rows], np.array(labels, dtype=np.int64))


def unlabelled(setup: Setup) -> tuple[list[str], int]:
    """The different unlabelled texts that are in no other part, and how many of the test were among them."""
    test = set(part(setup.data, "test_public").texts)
    known = {
        text for i in SPLITS for name in ("train", "dev") for text in part(setup.data, f"{name}_{i}").texts
    }
    texts = list(dict.fromkeys(part(setup.data, "unlabeled").texts))
    kept = [text for text in texts if text not in test and text not in known]
    return kept[: setup.limit], sum(text in test for text in texts)


def tuning(setup: Setup) -> PseudoTuning:
    n = setup.steps * 32
    return PseudoTuning(
        train=setup.training(setup.steps, 1e-4), words=OpinionWords(), max_texts=round(n / 0.6),
        per_class=n // 2, floor=0.55, max_tokens=setup.max_tokens, dropout=0.1, teacher_weight=2.0, seed=0,
    )  # fmt: skip


def own_encoder(setup: Setup, encoder: LocalEncoder, texts: list[str]) -> tuple[LocalEncoder, float]:
    """The encoder tuned on pseudo-labels of the unlabelled reviews alone, and the seconds it took; kept."""

    def learn(folder: Path, work: Path) -> None:
        tuned = opinion_tuned(encoder, texts, tuning(setup), work=work)
        if tuned.encoder is None:
            raise ModelError(f"pseudo-labels made no encoder: {tuned.why}.")
        sys.stderr.write(f"{tuned.log.get('seconds')} s, {tuned.log.get('n_pseudo_labels')} pseudo-labels\n")
        (folder / "log.json").write_text(json.dumps(tuned.log, ensure_ascii=False), encoding="utf-8")
        tuned.encoder.save(folder / "encoder")

    folder = setup.store.folder("tuned on pseudo-labels", learn)
    found = load_encoder(folder / "encoder")
    assert isinstance(found, LocalEncoder)
    return found, float(json.loads((folder / "log.json").read_text(encoding="utf-8"))["seconds"])


def source_words(setup: Setup, encoder: LocalEncoder, shop: Shop) -> SentimentReader:
    """An NB-SVM fitted on the whole of the other shop."""

    def learn(folder: Path, work: Path) -> None:
        settings = SentimentSettings(mode="nb-svm", word_strengths=(0.1, 0.3), min_count=3)
        SentimentReader(encoder, settings).fit(shop).save(folder / "reader")

    return SentimentReader.load(setup.store.folder("words of the other shop", learn) / "reader")


def source_reader(bench: Bench, encoder: LocalEncoder, shop: Shop) -> SentimentReader:
    """The reader that `online_shopping.py` fine-tunes with seed 0, all its dials as they come."""
    other, store = bench.beside("online_shopping", online_shopping.parser(), online_shopping.CANARY)
    train, _ = online_shopping.split(shop, 0)
    return online_shopping.fitted_reader(encoder, train, 0, other, store)


def remembering(encoder: LocalEncoder) -> Remembering:
    """The encoder, which sees each text once."""
    memory = Remembering(encoder)
    memory.tokenizer = encoder.tokenizer  # type: ignore[attr-defined]
    return memory


def seated(
    setup: Setup, encoder: LocalEncoder, texts: list[str], teacher: SentimentReader | None, name: str
) -> Panel:
    """A panel over the encoder, which remembers what it has encoded."""
    found = seat(
        remembering(encoder), texts, OpinionWords(), max_texts=4000, max_tokens=setup.max_tokens,
        teacher=teacher, work=setup.store.root / "vectors",
    )  # fmt: skip
    if found.panel is None:
        raise ModelError(f"no panel for '{name}': {found.why}.")
    return found.panel


# the five splits ----------------------------------------------------------------------------------


def queries(given: Part) -> list[SentimentQuery]:
    return [SentimentQuery(text) for text in given.texts]


def headed(train: Floats, y: Labels, others: list[Floats]) -> list[Floats]:
    """Margins of `others` by a logistic head on `train`, its strength chosen on five folds of it."""
    weights = class_weights(y, "none", len(LABELS))
    head = choose_head(train, y, "logistic", (1.0, 10.0, 100.0), weights, None, 0).head
    return [margin(head.logits(rows)) for rows in others]


def margin(logits: Floats) -> Floats:
    return np.asarray(logits[:, POSITIVE] - logits[:, NEGATIVE])


def word_margins(train: Part, others: list[Part]) -> list[Floats]:
    """TF-IDF fitted on the 32 labels alone."""
    known = WordReader.counted(queries(train), 1, 200_000)
    weights = class_weights(train.y, "none", len(LABELS))
    fitted = choose_head(known.features(queries(train)), train.y, "svm", (0.1, 1.0), weights, None, 0)
    return [margin(fitted.head.logits(known.features(queries(p)))) for p in others]


def split_hits(
    setup: Setup, panels: dict[str, Panel], tuned: dict[str, VectorReader], last: str
) -> dict[str, Floats]:
    """By row: hits [5, n] on the part `last` ('dev' or 'test_public') of each split."""
    found: dict[str, list[Floats]] = {}
    for i in setup.splits:
        train = part(setup.data, f"train_{i}")
        held = part(setup.data, f"dev_{i}" if last == "dev" else last, setup.tests)
        margins = {"tf-idf": word_margins(train, [held])[0]}
        for row, reader in tuned.items():
            rows = [reader.features(queries(p)) for p in (train, held)]
            margins[row] = headed(rows[0], train.y, [rows[1]])[0]
        for row, panel in panels.items():
            weights = class_weights(train.y, "none", len(LABELS))
            judged, _, _ = panel_headed(panel, queries(train), train.y, weights, None, 0)
            found_in = judged.probabilities(queries(held))
            margins[row] = np.asarray(found_in[:, POSITIVE] - found_in[:, NEGATIVE])
        for row, values in margins.items():
            predicted = np.where(values > 0, POSITIVE, NEGATIVE)
            found.setdefault(row, []).append((predicted == held.y).astype(np.float64))
    return {row: np.array(hits) for row, hits in found.items()}


def spread(hits: Floats) -> float:
    """The standard deviation over splits; 0 for a single one."""
    return float(hits.mean(axis=1).std(ddof=1)) if len(hits) > 1 else 0.0


def rows_of(found: dict[str, Floats], seconds: dict[str, float]) -> list[dict[str, Any]]:
    """Means over splits, with the interval over texts and the spread over splits, and steps between rows."""
    rows: list[dict[str, Any]] = []
    before = ""
    for row, hits in found.items():
        score = score_mean(row, "accuracy", hits.mean(axis=0), seconds=seconds.get(row, 0.0))
        rows.append({**vars(score), "spread": spread(hits)})
        if before:
            value, low, high = paired_interval(hits.mean(axis=0), found[before].mean(axis=0))
            rows.append({"row": f"{row} - {before}", "metric": "accuracy", "value": value, "low": low,
                         "high": high, "n": hits.shape[1]})  # fmt: skip
        before = row
    return rows


def main() -> None:
    """Writes results/eprstmt.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--encoder", default="e5")
    parser.add_argument("--limit", type=int, help="so many unlabelled and source texts")
    parser.add_argument("--tests", type=int, help="so many test texts")
    parser.add_argument("--splits", type=int, nargs="+", default=list(SPLITS))
    parser.add_argument("--steps", type=int, default=150, help="steps of each training, of 32 texts")
    small = {"tests": 80, "splits": [0, 1], "steps": 2}
    bench = begin(parser, canary={**online_shopping.CANARY, **small})
    given = bench.given
    setup = Setup(given.data, bench.store, given.limit, given.steps, tuple(given.splits), given.tests)
    texts, n_in_test = unlabelled(setup)
    encoder = encoder_of(given.encoder, texts)
    shop, left_out = online_shopping.reviews(given.data, given.limit)
    words, source = source_words(setup, encoder, shop), source_reader(bench, encoder, shop)
    tuned, seconds = own_encoder(setup, encoder, texts)
    frozen = {
        row: VectorReader(remembering(one), BLANK, setup.max_tokens)
        for row, one in (("frozen probe", encoder), ("tuned on pseudo-labels", tuned))
    }
    assert isinstance(source.encoder, LocalEncoder)
    panels = {
        "panel": seated(setup, encoder, texts, None, "panel"),
        "panel, tuned": seated(setup, tuned, texts, None, "tuned"),
        "panel, transfer of words": seated(setup, encoder, texts, words, "words"),
        "panel, transfer": seated(setup, source.encoder, texts, source, "transfer"),
    }
    dev = rows_of(split_hits(setup, panels, frozen, "dev"), {})
    sys.stderr.write("dev\n" + "\n".join(f"{r['row']:<60} {r['value']:.4f}" for r in dev) + "\n")
    took = dict.fromkeys(("tuned on pseudo-labels", "panel, tuned"), seconds)
    results = rows_of(split_hits(setup, panels, frozen, "test_public"), took)
    # The dev parts differ, so there is no interval over texts.
    results += [
        {"row": f"dev: {row['row']}", "metric": "accuracy", "value": row["value"], "spread": row["spread"]}
        for row in dev
        if "spread" in row
    ]
    results += [
        {"row": "test texts in the unlabelled file, removed", "metric": "n", "value": n_in_test},
        *({"row": f"online-shopping: {why}", "metric": "n", "value": n} for why, n in left_out.items()),
    ]
    path = bench.write(results, given.splits)
    lines = [f"{r['row']:<50} {r['metric']:<10} {r['value']:.4f}" for r in results]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
