"""Clothes by photo: which of ten categories a photo shows.

    python benchmarks/clothing_pictures.py

The encoder learns from the photos of the train part; the best epoch, and the strength of the logistic
regression on frozen vectors, are chosen on the validation part.
"""

from __future__ import annotations

from collections.abc import Iterator

from bench import Bench, begin
from picture_photos import CANARY, F32, Once, hits, logistic, opened, options, read_photos, taught

from retailor.metrics.interval import difference, score_mean
from retailor.metrics.scores import Score
from retailor.models.pictures.opening import load_pictures


def main() -> None:
    bench = begin(options(__doc__), canary=CANARY)
    rows = list(run(bench))
    bench.write(rows, bench.given.seeds)
    for row in rows:
        print(f"{row.row:40} {row.metric:8} {row.value:.4f} [{row.low:.4f}, {row.high:.4f}] n {row.n:,}")


def run(bench: Bench) -> Iterator[Score]:
    """The rows."""
    given, folder = bench.given, bench.given.data / "clothing-pictures"
    train, check, test = (
        read_photos(folder, "category", part, given.photos)[0] for part in ("train", "validation", "test")
    )
    frozen = Once(load_pictures("efficientnet"), [*train.pictures, *check.pictures, *test.pictures])
    known, vectors = frozen.encode_pictures(train.pictures), frozen.encode_pictures(test.pictures)
    nearest: F32 = known @ vectors.T
    model = logistic(known, train.labels, frozen.encode_pictures(check.pictures), check.labels)
    rows = {
        "1-nn, frozen": [train.labels[i] for i in nearest.argmax(axis=0)],
        "logistic regression, frozen": model.predict(vectors),
    }
    for seed in given.seeds:
        mark = f", seed {seed}" if len(given.seeds) > 1 else ""
        made = bench.store.folder(f"taught{mark}", taught(train, check, given.views, given.steps, seed), seed)
        tuned = opened(made, train)
        rows[f"retailor{mark}"] = tuned.nearest(tuned.encoder.encode_pictures(test.pictures))
    scores = {row: score_mean(row, "accuracy", hits(found, test.labels)) for row, found in rows.items()}
    yield from scores.values()
    for row in rows:
        other = scores["logistic regression, frozen"]
        if row.startswith("retailor") and (found := difference(scores[row], other)) is not None:
            yield found


if __name__ == "__main__":
    main()
