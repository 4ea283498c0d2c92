"""e5, a multilingual encoder of 470 MB, made small for one shop: what is left of the file, and of the score.

    python benchmarks/e5_trimmed.py

Two shops. Icecat, search by meaning alone among the products that were judged (nDCG@10): the vocabulary is
trimmed for the products' titles, queries have no say. Chinese reviews of ten categories (online shopping),
accuracy of a logistic regression on the vectors: it is trimmed for all reviews but those of the test. Each
then in ONNX with weights in int8 (a scale a batch and channel), in int8 blocks and in four-bit blocks, word
vectors in as many bits. `megabytes` is the whole folder, tokenizer included. `kept` is the score's share of
that of the whole encoder in float32, over the same cases, with its paired interval. Half of the cases choose
the smallest that keeps .99 there, 'chosen' is its share on the other half. Baselines: BM25 and TF-IDF. Speeds
are ratios in one run, one core.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from bench import Bench, begin, parser_of
from encoders import encoder_of
from numpy.typing import NDArray
from online_shopping import reviews
from search_icecat import read_icecat, some_queries
from sklearn.linear_model import LogisticRegressionCV

from retailor.compress.frontier import ONNX
from retailor.compress.onnx import fill, nearness
from retailor.compress.settings import CompressSettings, Weights
from retailor.compress.vocabulary import trimmed, trimming
from retailor.metrics.interval import bootstrap_means, bounds, score_mean
from retailor.metrics.ranking import Ranked, graded_ranks, ndcg_at
from retailor.metrics.scores import Score
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.runtimes.exporting import export
from retailor.models.shapes import Encoder, Role
from retailor.prove.words import WordVectors
from retailor.retrieval.bm25 import BM25Index
from retailor.seeds import stream
from retailor.tasks.search.evaluate import judged_items

F32 = NDArray[np.float32]
WHOLE, SLIM, KEEP = "e5, float32", "trimmed, float32", 0.99
MADE: dict[str, Weights] = {
    name.replace("onnx", "trimmed,"): ONNX[name]
    for name in ("onnx int8", "onnx int8 blocks", "onnx int4 blocks")
}


@dataclass(frozen=True)
class Case:
    """A shop's task: two lists of texts in, the worth of each test case out."""

    name: str
    metric: str
    vocabulary: list[str]
    """Texts that decide which word pieces stay."""
    texts: tuple[list[str], list[str]]
    """Items and queries, or reviews to learn from and those of the test."""
    roles: tuple[Role, Role]
    score: Callable[[F32, F32], NDArray[np.float64]]
    words: Callable[[], NDArray[np.float64]]
    """The baseline."""


def search_case(given: Any) -> Case:
    shop = read_icecat(given.data / "icecat-search")
    queries = shop.judgments["query"].unique(maintain_order=True)[: given.queries].to_list()
    shop = some_queries(shop, given.queries)
    titles = [title or "" for title in shop.items["title"].to_list()]
    judged = judged_items(
        shop.judgments, {item_id: row for row, item_id in enumerate(shop.items["item_id"].to_list())}
    )

    def ranked(scores_of: Callable[[int], F32]) -> NDArray[np.float64]:
        some = [(row, query) for row, query in enumerate(queries) if query in judged]
        return ndcg_at(Ranked.cases([graded_ranks(scores_of(row), judged[query]) for row, query in some]), 10)

    def words() -> NDArray[np.float64]:
        bm25 = BM25Index.of(titles)
        return ranked(lambda row: np.asarray(bm25.score(queries[row]), np.float32))

    return Case(
        "Icecat", "ndcg@10", titles, (titles, queries), ("passage", "query"),
        lambda items, asked: ranked(lambda row: items @ asked[row]), words,
    )  # fmt: skip


def sentiment_case(given: Any) -> Case:
    table = reviews(given.data, given.limit or None)[0].reviews
    order = stream(given.seed, "e5 trimmed").permutation(len(table))
    parts = [
        table[np.sort(order[: given.test])],
        table[np.sort(order[given.test : given.test + given.train])],
    ]
    (test, right), (train, known) = (
        (part["text"].to_list(), (part["label"] == "positive").to_numpy().astype(np.int64)) for part in parts
    )
    rest = table[np.sort(order[given.test :])]["text"].to_list()

    def score(learned: Any, asked: Any) -> NDArray[np.float64]:
        head = LogisticRegressionCV(
            Cs=[0.1, 1, 10, 100], cv=4, max_iter=2000, l1_ratios=(0,), scoring="accuracy",
            use_legacy_attributes=False,
        )  # fmt: skip
        return (head.fit(learned, known).predict(asked) == right).astype(np.float64)

    def words() -> NDArray[np.float64]:
        tfidf = WordVectors(train)
        return score(tfidf.encode(train), tfidf.encode(test))

    return Case("Chinese reviews", "accuracy", rest, (train, test), ("passage", "passage"), score, words)


def vectors_of(encoder: Encoder, case: Case) -> tuple[F32, F32]:
    first, second = (
        encoder.encode(texts, role=role) for texts, role in zip(case.texts, case.roles, strict=True)
    )
    return first, second


def slim_vectors(whole: LocalEncoder, slim: LocalEncoder, case: Case, known: Sequence[F32]) -> list[F32]:
    """Those of the trimmed encoder: known ones, but for texts that it splits otherwise."""
    made = []
    for texts, role, rows in zip(case.texts, case.roles, known, strict=True):
        before, after = (
            [one.tokenizer.convert_ids_to_tokens(ids) for ids in one.token_ids(texts, role)]
            for one in (whole, slim)
        )
        other = [i for i, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]
        rows = rows.copy()
        if other:
            rows[other] = slim.encode([texts[i] for i in other], role=role)
        made.append(rows)
    return made


def folders_of(bench: Bench, case: Case, slim: LocalEncoder) -> dict[str, Path]:
    def make(folder: Path, work: Path) -> None:
        with tempfile.TemporaryDirectory() as place:
            plain = Path(place) / "plain.onnx"
            export(slim, plain)
            for name, weights in MADE.items():
                (folder / name).mkdir()
                rows = "int4" if weights == "blocks4" else "int8"
                fill(folder / name, slim, plain, CompressSettings(weights=weights, embeddings=rows))

    folder = bench.store.folder(f"{case.name}: folders", make)
    return {name: folder / name for name in MADE}


def rows_of(bench: Bench, case: Case, whole: LocalEncoder) -> list[Score | dict[str, Any]]:
    slim = trimmed(whole, case.vocabulary, n_common=bench.given.common)
    assert slim is not None
    folders = folders_of(bench, case, slim)
    told = trimming(whole.tokenizer, slim.tokenizer, list(dict.fromkeys(case.texts[1])))
    rows: list[Score | dict[str, Any]] = [
        {"row": SLIM, "bucket": case.name, "metric": metric, "value": value, "n": told.n}
        for metric, value in (
            ("pieces", told.n_pieces), ("pieces_before", told.n_pieces_before),
            ("texts_split_as_before", told.same), ("times_the_tokens", told.tokens),
            ("unknown_before", told.unknown_before), ("unknown", told.unknown),
        )
    ]  # fmt: skip
    found = {}
    for name in (WHOLE, SLIM, *folders):

        def make(_: Path, name: str = name) -> dict[str, NDArray[Any]]:
            if name == SLIM:
                first, second = slim_vectors(
                    whole, slim, case, [found[WHOLE]["first"], found[WHOLE]["second"]]
                )
            else:
                first, second = vectors_of(whole if name == WHOLE else load_encoder(folders[name]), case)
            return {"first": first, "second": second}

        found[name] = bench.store.tensors(f"{case.name}: {name}", make)
    scores = {name: case.score(each["first"], each["second"]) for name, each in found.items()}
    scores["words alone"] = case.words()
    half = stream(bench.given.seed, "e5 trimmed", "half").permutation(len(scores[WHOLE]))
    cut = len(half) // 2
    sizes = {
        WHOLE: _megabytes_of(whole),
        SLIM: _megabytes_of(slim),
        **{n: _megabytes(f) for n, f in folders.items()},
    }
    for name, values in scores.items():
        rows.append(_bucket(score_mean(name, case.metric, values), case))
        rows.append(_kept(name, "kept", values, scores[WHOLE], case))
        if name in found:
            near = nearness(found[WHOLE]["second"], found[name]["second"])
            rows += [
                {"row": name, "bucket": case.name, "metric": metric, "value": value, "n": near.n}
                for metric, value in (
                    ("megabytes", sizes[name]), ("cosine", near.cosine_mean),
                    ("nearest_ten_kept", near.overlap_10),
                )
            ]  # fmt: skip
    able = [n for n in folders if _share(scores[n], scores[WHOLE], half[:cut]) >= KEEP]
    if able:
        chosen = min(able, key=lambda name: sizes[name])
        telling = half[cut:]
        rows.append(_kept(f"chosen: {chosen}", "kept", scores[chosen][telling], scores[WHOLE][telling], case))
    rows += speeds(whole, folders, case, bench.given)
    return rows


def _share(values: NDArray[np.float64], first: NDArray[np.float64], some: NDArray[np.int64]) -> float:
    return float(values[some].mean() / max(first[some].mean(), 1e-12))


def _kept(
    name: str, metric: str, values: NDArray[np.float64], first: NDArray[np.float64], case: Case
) -> dict[str, Any]:
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = bounds(bootstrap_means(values) / bootstrap_means(first))
    return {
        "row": name, "bucket": case.name, "metric": metric, "low": low, "high": high, "n": len(values),
        "value": values.mean() / max(first.mean(), 1e-12),
    }  # fmt: skip


def _bucket(score: Score, case: Case) -> dict[str, Any]:
    return {**vars(score), "bucket": case.name}


def _megabytes(folder: Path) -> float:
    return sum(path.stat().st_size for path in folder.iterdir()) / 1e6


def _megabytes_of(encoder: LocalEncoder) -> float:
    """As a folder would have it: float32 weights, and the tokenizer."""
    with tempfile.TemporaryDirectory() as place:
        encoder.save(Path(place) / "encoder")
        return _megabytes(Path(place) / "encoder")


def speeds(whole: LocalEncoder, folders: dict[str, Path], case: Case, given: Any) -> list[dict[str, Any]]:
    """Texts a second as a ratio to the whole encoder, a round each."""
    texts = case.texts[1][: given.speed_texts]
    opened: dict[str, Encoder] = {
        WHOLE: whole,
        **{name: load_encoder(path) for name, path in folders.items()},
    }
    for encoder in opened.values():
        encoder.encode(texts[:4])
    took: dict[str, list[float]] = {name: [] for name in opened}
    for _ in range(given.rounds):
        for name, encoder in opened.items():
            started = time.process_time()
            encoder.encode(texts)
            took[name].append(time.process_time() - started)
    return [
        {
            "row": name, "bucket": case.name, "metric": "times_faster", "n": len(texts),
            "value": statistics.median(ratios), "low": min(ratios), "high": max(ratios),
        }
        for name, seconds in took.items()
        for ratios in ([a / b for a, b in zip(took[WHOLE], seconds, strict=True)],)
    ]  # fmt: skip


def main() -> None:
    """Writes results/e5_trimmed.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="e5")
    parser.add_argument("--queries", type=int, default=135)
    parser.add_argument("--train", type=int, default=600, help="reviews that the regression learns from")
    parser.add_argument("--test", type=int, default=600)
    parser.add_argument("--limit", type=int, default=0, help="reviews of the shop; 0 for all")
    parser.add_argument("--common", type=int, default=10_000, help="first pieces of the vocabulary that stay")
    parser.add_argument("--speed-texts", type=int, default=32)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seed", type=int, default=0)
    canary = {
        "model": "tiny", "queries": 12, "train": 60, "test": 40, "limit": 300, "common": 0,
        "speed_texts": 16, "rounds": 1,
    }  # fmt: skip
    bench = begin(parser, canary=canary, no_key=("rounds", "speed_texts"))
    rows: list[Score | dict[str, Any]] = []
    for make in (search_case, sentiment_case):
        case = make(bench.given)
        spare = ["pieces that no text of the shop has, spare ones"]
        whole = encoder_of(bench.given.model, [*case.vocabulary[:200], *spare])
        whole.precision = "32"
        rows += rows_of(bench, case, whole)
        for row in rows[-40:]:
            one = row if isinstance(row, dict) else vars(row)
            sys.stderr.write(f"{one['bucket']:16}{one['row']:28}{one['metric']:24}{one['value']:.5g}\n")
    bench.write(rows, [bench.given.seed])


if __name__ == "__main__":
    main()
