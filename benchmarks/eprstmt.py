"""EPRSTMT (FewCLUE): sentiment of Chinese reviews from 32 labels, the mean of the five splits.

    python benchmarks/eprstmt.py --data ../shared/data

What each step is worth: TF-IDF and a probe on the frozen encoder; the encoder tuned without any label, on
pseudo-labels; a panel of judges that need no label (opinion words, vectors and their main axis) with a
threshold from the 32 labels, over the encoder as it came and over the tuned one; and the panel with a
transfer from online-shopping-10-cats: a further judge that knows its words, then one that was fine-tuned on
its reviews, with its encoder (seed 0 of `online_shopping.py`, made now if it is not there). Test texts are
taken out of the unlabelled file, and their near-duplicates out of the other shop. Settings were chosen on
the dev parts; `test_public` is read once, at the end. The trainings are shared by the five splits, because
they see none of their labels. A stage that is done is kept in the work folder, and a killed training goes
on: the same command can be given again.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import online_shopping
from numpy.typing import NDArray
from remembering import Remembering
from schema import RESULTS, write_results

from retailor.errors import ModelError
from retailor.metrics.interval import paired_interval, score_mean
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.weights import load_model
from retailor.shop.tables import LABELS, Shop
from retailor.tasks.sentiment import SentimentReader, SentimentSettings
from retailor.tasks.sentiment.readers.linear import Head, choose_head, class_weights
from retailor.tasks.sentiment.readers.opinions import OpinionWords
from retailor.tasks.sentiment.readers.panel import Panel, seat
from retailor.tasks.sentiment.readers.panel import headed as panel_headed
from retailor.tasks.sentiment.readers.plain import VectorReader, WordReader
from retailor.tasks.sentiment.training.pseudo import PseudoTuning, opinion_tuned
from retailor.tasks.shapes import SentimentQuery
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
class Job:
    """What all stages share."""

    data: Path
    work: Path
    limit: int | None
    steps: int
    max_tokens: int = 64

    def loop(self, steps: int, rate: float) -> TrainSettings:
        return TrainSettings(
            epochs=1e6, max_steps=steps, batch_size=32, learning_rate=rate, layer_decay=0.9, warmup=0.1,
            freeze_embeddings=True, freeze_layers=4, seed=0,
        )  # fmt: skip


def part(data: Path, name: str) -> Part:
    """One of FewCLUE's files."""
    lines = (data / "eprstmt" / f"{name}.json").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    labels = [POSITIVE if row.get("label") == "Positive" else NEGATIVE for row in rows]
    return Part([row["sentence"] for row in rows], np.array(labels, dtype=np.int64))


def unlabelled(job: Job) -> tuple[list[str], int]:
    """The different unlabelled texts that are in no other part, and how many of the test were among them."""
    test = set(part(job.data, "test_public").texts)
    known = {
        text for i in SPLITS for name in ("train", "dev") for text in part(job.data, f"{name}_{i}").texts
    }
    texts = list(dict.fromkeys(part(job.data, "unlabeled").texts))
    kept = [text for text in texts if text not in test and text not in known]
    return kept[: job.limit], sum(text in test for text in texts)


def kept(job: Job, name: str) -> LocalEncoder | None:
    """The encoder of a stage that is done."""
    folder = job.work / name
    found = load_encoder(folder) if folder.exists() else None
    assert found is None or isinstance(found, LocalEncoder)
    return found


def tuning(job: Job) -> PseudoTuning:
    n = job.steps * 32
    return PseudoTuning(
        loop=job.loop(job.steps, 1e-4), words=OpinionWords(), max_texts=round(n / 0.6), per_class=n // 2,
        floor=0.55, max_tokens=job.max_tokens, dropout=0.1, teacher_weight=2.0, seed=0,
    )  # fmt: skip


def own_encoder(job: Job, encoder: LocalEncoder, texts: list[str]) -> LocalEncoder:
    """The encoder tuned on pseudo-labels of the unlabelled reviews alone."""
    done = kept(job, "own")
    if done is None:
        tuned = opinion_tuned(encoder, texts, tuning(job), work=job.work / "own.work")
        done = finished(job, "own", tuned.encoder, tuned.why, tuned.log)
    return done


def finished(job: Job, name: str, encoder: Any, why: str, log: dict[str, Any]) -> LocalEncoder:
    """The encoder of a stage that has just ended, kept with its log."""
    if encoder is None:
        raise ModelError(f"stage '{name}' made no encoder: {why}.")
    sys.stderr.write(f"{name}: {log.get('seconds')} s, {log.get('n_pseudo_labels')} pseudo-labels\n")
    (job.work / f"{name}.json").write_text(json.dumps(log, ensure_ascii=False), encoding="utf-8")
    encoder.save(job.work / name)
    assert isinstance(encoder, LocalEncoder)
    return encoder


def source_words(job: Job, encoder: LocalEncoder, shop: Shop) -> SentimentReader:
    """An NB-SVM fitted on the whole of the other shop."""
    folder = job.work / "source-words"
    if not folder.exists():
        settings = SentimentSettings(mode="nb-svm", word_strengths=(0.1, 0.3), min_count=3)
        SentimentReader(encoder, settings).fit(shop).save(folder)
    return SentimentReader.load(folder)


def remembering(encoder: LocalEncoder) -> Remembering:
    """The encoder, which sees each text once."""
    memory = Remembering(encoder)
    memory.tokenizer = encoder.tokenizer  # type: ignore[attr-defined]
    return memory


def seated(
    job: Job, encoder: LocalEncoder, texts: list[str], teacher: SentimentReader | None, name: str
) -> Panel:
    """A panel over the encoder, which remembers what it has encoded."""
    found = seat(
        remembering(encoder), texts, OpinionWords(), max_texts=4000, max_tokens=job.max_tokens,
        teacher=teacher, work=job.work / "own.work",
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
    job: Job, panels: dict[str, Panel], tuned: dict[str, VectorReader], last: str
) -> dict[str, Floats]:
    """By row: hits [5, n] on the part `last` ('dev' or 'test_public') of each split."""
    found: dict[str, list[Floats]] = {}
    for i in SPLITS:
        train = part(job.data, f"train_{i}")
        held = part(job.data, f"dev_{i}" if last == "dev" else last)
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


def rows_of(found: dict[str, Floats], seconds: dict[str, float]) -> list[dict[str, Any]]:
    """Means over splits, with the interval over texts and the spread over splits, and steps between rows."""
    rows: list[dict[str, Any]] = []
    before = ""
    for row, hits in found.items():
        score = score_mean(row, "accuracy", hits.mean(axis=0), seconds=seconds.get(row, 0.0))
        rows.append({**vars(score), "spread": float(hits.mean(axis=1).std(ddof=1))})
        if before:
            value, low, high = paired_interval(hits.mean(axis=0), found[before].mean(axis=0))
            rows.append({"row": f"{row} - {before}", "metric": "accuracy", "value": value, "low": low,
                         "high": high, "n": hits.shape[1]})  # fmt: skip
        before = row
    return rows


def main() -> None:
    """Writes results/eprstmt.json."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments.add_argument("--limit", type=int, help="so many unlabelled and source texts: a rehearsal")
    arguments.add_argument("--steps", type=int, default=150, help="steps of each training, of 32 texts")
    arguments.add_argument("--dev", action="store_true", help="score the dev parts only, and stop")
    arguments.add_argument("--work", type=Path, default=Path("build/eprstmt"))
    given = arguments.parse_args()
    work = given.work / ("all" if given.limit is None else str(given.limit))
    work.mkdir(parents=True, exist_ok=True)
    job = Job(given.data, work, given.limit, given.steps)
    encoder = load_model("e5", kind="encoder")
    assert isinstance(encoder, LocalEncoder)
    texts, n_in_test = unlabelled(job)
    shop, left_out = online_shopping.reviews(given.data, given.limit)
    words = source_words(job, encoder, shop)
    source = SentimentReader.load(online_shopping.kept_reader(given.data, 0))
    tuned = own_encoder(job, encoder, texts)
    frozen = {
        row: VectorReader(remembering(one), BLANK, job.max_tokens)
        for row, one in (("frozen probe", encoder), ("tuned on pseudo-labels", tuned))
    }
    assert isinstance(source.encoder, LocalEncoder)
    panels = {
        "panel": seated(job, encoder, texts, None, "panel"),
        "panel, tuned": seated(job, tuned, texts, None, "tuned"),
        "panel, transfer of words": seated(job, encoder, texts, words, "words"),
        "panel, transfer": seated(job, source.encoder, texts, source, "transfer"),
    }
    dev = rows_of(split_hits(job, panels, frozen, "dev"), {})
    sys.stderr.write("dev\n" + "\n".join(f"{r['row']:<60} {r['value']:.4f}" for r in dev) + "\n")
    if given.dev:
        return
    log = json.loads((work / "own.json").read_text(encoding="utf-8"))
    seconds = dict.fromkeys(("tuned on pseudo-labels", "panel, tuned"), log["seconds"])
    results = rows_of(split_hits(job, panels, frozen, "test_public"), seconds)
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
    folder = RESULTS if given.limit is None else work
    command = f"python benchmarks/{Path(sys.argv[0]).name} --steps {job.steps}"
    path = write_results("eprstmt", results, SPLITS, command, folder=folder)
    lines = [f"{r['row']:<50} {r['metric']:<10} {r['value']:.4f}" for r in results]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
