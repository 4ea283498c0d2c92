"""Smaller and faster encoders on three tasks, beside sentence-transformers as it comes on the same cores.

    python benchmarks/compress_frontier.py

MiniLM and what `compress` makes of it, each as the only encoder of three tasks: sentiment of Amazon Polarity
(accuracy of a logistic regression on the vectors), search on Icecat (nDCG@10 by meaning alone, and of the
whole search), recommendation on Beauty (nDCG@10 of EASE with the titles' vectors as a kernel). Every task is
fitted anew on the vectors of each. `kept` is a score's share of that by float32, with its paired interval;
`kept_least` the least of the three, with the interval of that one. Students learn on the training texts of
the three shops. Speeds are of real texts, half reviews and half titles, timed in turn in processes that have
one core or two; the baseline is `sentence-transformers`' encode in float32. Baselines of the score have no
encoder of ours: TF-IDF, BM25, model2vec's own distillation of the same teacher, ONNX Runtime's quantiser as
it comes.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from bench import Bench, begin, parser_of
from choose_tasks import with_others
from encode_speed import real_texts
from encoder_timing import THEIRS
from encoders import encoder_of
from numpy.typing import NDArray
from recommend_beauty import read_shop, some_customers
from search_icecat import read_icecat, some_queries
from sklearn.linear_model import LogisticRegressionCV

from retailor.compress.frontier import ORIGINAL, candidates
from retailor.compress.settings import CompressSettings, StudentSettings
from retailor.metrics.interval import bootstrap_means, bounds, score_mean
from retailor.metrics.ranking import Ranked, graded_ranks, ndcg_at, tied_ranks
from retailor.metrics.scores import Score
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.shapes import Encoder
from retailor.prove.words import WordVectors
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.ease import fit_ease
from retailor.retrieval.histories import Histories
from retailor.seeds import stream
from retailor.shop.read import read
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.scorers.two_tower import Whitening
from retailor.tasks.search.evaluate import judged_items

F32 = NDArray[np.float32]
Cases = Mapping[str, NDArray[np.float64]]
"""By task the worth of each test case."""
KERNEL, RIDGE = 50.0, 200.0
TASKS = {"sentiment": "accuracy", "search": "ndcg@10", "recommend": "ndcg@10"}


@dataclass(frozen=True)
class Shops:
    """What the three tasks are fitted and tested on."""

    reviews: tuple[list[str], NDArray[np.int64]]
    test: tuple[list[str], NDArray[np.int64]]
    icecat: Shop
    queries: list[str]
    beauty: Shop
    last: Histories
    """Of each customer of Beauty all but the last item."""
    asked: NDArray[np.int64]
    """The last."""

    @classmethod
    def of(cls, given: Any) -> Shops:
        reviews = [
            _labelled(given.data, part, n) for part, n in (("train", given.train), ("test", given.test))
        ]
        icecat = with_others(
            some_queries(read_icecat(given.data / "icecat-search"), given.queries), given.items
        )
        beauty = some_customers(read_shop(given.data / "amazon2014-beauty"), given.customers)
        train, test = leave_last_out(beauty)
        rows = {item_id: row for row, item_id in enumerate(read_catalogue(beauty).item_ids)}
        before = train.events.sort("user_id", "time", maintain_order=True)
        grouped = before.group_by("user_id", maintain_order=True).agg("item_id")
        known = dict(zip(grouped["user_id"], grouped["item_id"], strict=True))
        pairs = [
            (known[user], item)
            for user, item in test.events.select("user_id", "item_id").iter_rows()
            if user in known
        ]
        return cls(
            reviews[0], reviews[1], icecat, icecat.judgments["query"].unique(maintain_order=True).to_list(),
            beauty, Histories.of([[rows[item] for item in items] for items, _ in pairs]),
            np.array([rows[item] for _, item in pairs]),
        )  # fmt: skip

    def texts(self) -> list[str]:
        """What a shop has to teach a student and to calibrate on: no query and no test review."""
        return [*self.reviews[0], *titles_of(self.icecat), *read_catalogue(self.beauty).texts]


def titles_of(shop: Shop) -> list[str]:
    return [title or "" for title in shop.items["title"].to_list()]


def _labelled(data: Path, part: str, n: int) -> tuple[list[str], NDArray[np.int64]]:
    shop = read("amazon-polarity", data / "amazon-polarity-10k" / f"{part}.dat.gz")
    rows = shop.reviews[stream(0, "frontier", part).permutation(len(shop.reviews))[:n].tolist()]
    return rows["text"].to_list(), (rows["label"] == "positive").to_numpy().astype(np.int64)


def cases_of(encode: Callable[..., F32], shops: Shops) -> Cases:
    """The worth of each case, the encoder read by every task."""
    return {
        "sentiment": sentiment(encode, shops), "search": search(encode, shops),
        "recommend": recommend(encode(read_catalogue(shops.beauty).texts), shops),
    }  # fmt: skip


def sentiment(encode: Callable[..., Any], shops: Shops) -> NDArray[np.float64]:
    head = LogisticRegressionCV(
        Cs=[0.1, 1, 10, 100],
        cv=4,
        max_iter=2000,
        l1_ratios=(0,),
        scoring="accuracy",
        use_legacy_attributes=False,
    )
    head.fit(encode(shops.reviews[0]), shops.reviews[1])
    return (head.predict(encode(shops.test[0])) == shops.test[1]).astype(np.float64)


def search(encode: Callable[..., F32], shops: Shops) -> NDArray[np.float64]:
    items, asked = encode(titles_of(shops.icecat)), encode(shops.queries, role="query")
    return by_scores(lambda row: items @ asked[row], shops)


def by_scores(scores_of: Callable[[int], F32], shops: Shops) -> NDArray[np.float64]:
    rows = {item_id: row for row, item_id in enumerate(shops.icecat.items["item_id"].to_list())}
    judged = judged_items(shops.icecat.judgments, rows)
    ranks = [
        graded_ranks(scores_of(row), judged[query])
        for row, query in enumerate(shops.queries)
        if query in judged
    ]
    return ndcg_at(Ranked.cases(ranks), 10)


def recommend(vectors: Any, shops: Shops, *, white: bool = True) -> NDArray[np.float64]:
    kernel = Whitening.of(vectors)(vectors) if white else vectors
    matrix = shops.last.matrix(len(read_catalogue(shops.beauty)))
    fitted = fit_ease(matrix, regularisation=RIDGE, kernels=[(KERNEL, kernel)])
    scores = np.asarray(fitted.scores(shops.last), np.float32)
    seen = matrix.toarray() > 0
    seen[np.arange(len(seen)), shops.asked] = False
    scores[seen] = -np.inf
    return ndcg_at(Ranked.single(tied_ranks(scores, shops.asked)), 10)


def made(bench: Bench, shops: Shops) -> dict[str, Path]:
    """Folders of the encoder, of all that `compress` tries, and of what others make of it."""
    given = bench.given
    encoder = encoder_of(given.model, shops.texts())
    student = StudentSettings(max_texts=given.texts, layers_steps=given.steps, table_epochs=given.epochs)
    settings = CompressSettings(keep=0.99, student=student)
    texts = shops.texts()

    def fill(folder: Path, work: Path) -> None:
        encoder.save(folder / ORIGINAL)
        tried = islice(candidates(encoder, texts, settings, work, work), given.tried or None)
        for name, path in list(tried):  # some copy earlier ones
            path.rename(folder / name)
        for name, make in others(encoder) if not given.tried else ():
            make(folder / name)

    folder = bench.store.folder("encoders", fill)
    return {path.name: path for path in sorted(folder.iterdir()) if path.is_dir()}


def others(encoder: LocalEncoder) -> Iterator[tuple[str, Callable[[Path], None]]]:
    """Baselines that are encoders."""
    yield "onnx runtime's own int8", partial(default_int8, encoder)
    yield "model2vec's own distillation", partial(model2vec_own, encoder)


def default_int8(encoder: LocalEncoder, folder: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic

    from retailor.models.runtimes.exporting import describe, export

    folder.mkdir()
    with tempfile.TemporaryDirectory() as place:
        export(encoder, Path(place) / "plain.onnx")
        quantize_dynamic(Path(place) / "plain.onnx", folder / "model.onnx")
    describe(encoder, folder)


def model2vec_own(encoder: LocalEncoder, folder: Path) -> None:
    from model2vec.distill import distill_from_model

    network = encoder.copy().network.float()
    distill_from_model(network, encoder.tokenizer, device="cpu").save_pretrained(folder)  # type: ignore[arg-type]


def told(name: str, cases: Cases, first: Cases) -> list[Score | dict[str, Any]]:
    """Scores, and shares of those of the float32 encoder."""
    rows: list[Score | dict[str, Any]] = []
    shares: list[dict[str, Any]] = []
    for task, values in cases.items():
        rows.append(score_mean(name, f"{task} {TASKS[task]}", values))
        kept = values.mean() / first[task].mean()
        with np.errstate(divide="ignore", invalid="ignore"):  # some draws of few cases have no success
            low, high = bounds(bootstrap_means(values) / bootstrap_means(first[task]))
        share = {"value": kept, "low": low, "high": high, "n": len(values)}
        rows.append({"row": name, "metric": f"{task} kept", **share})
        shares.append(share)
    least = min(shares, key=lambda share: share["value"])
    rows.append({"row": name, "metric": "kept_least", **least, "n": len(shares)})
    return rows


def timed(folders: Mapping[str, Path], texts: list[str], cores: int, rounds: int) -> dict[str, Any]:
    """What `encoder_timing` tells of the folders on so many cores."""
    with tempfile.TemporaryDirectory() as place:
        spec = Path(place) / "spec.json"
        named = {name: str(path) for name, path in folders.items()}
        spec.write_text(json.dumps({"cores": cores, "rounds": rounds, "texts": texts, "folders": named}))
        script = Path(__file__).with_name("encoder_timing.py")
        done = subprocess.run(
            [sys.executable, str(script), str(spec)], capture_output=True, text=True, check=True,
            env={**os.environ, "OMP_NUM_THREADS": str(cores), "TOKENIZERS_PARALLELISM": "false"},
        )  # fmt: skip
    return dict(json.loads(done.stdout.splitlines()[-1]))


def speeds(folders: Mapping[str, Path], given: Any) -> list[dict[str, Any]]:
    """Texts a second, waits and memory; times faster than sentence-transformers, a round each."""
    texts = real_texts(given.data, given.speed_texts, 0)
    all_of = {f"{THEIRS}, float32": folders[ORIGINAL], f"{THEIRS}, bf16": folders[ORIGINAL], **folders}
    rows = []
    for cores in given.cores:
        found = timed(all_of, texts, cores, given.rounds)
        base = found[f"{THEIRS}, float32"]
        on = f"{cores} {'core' if cores == 1 else 'cores'}"
        for name in all_of:
            rates, alone = found[name]["texts_per_s"], found[name]["alone_ms"]
            ratios = [a / b for a, b in zip(rates, base["texts_per_s"], strict=True)]
            single = statistics.median(base["alone_ms"]) / statistics.median(alone)
            for metric, values in (
                (f"{on}, 64 at once: texts_per_s", rates),
                (f"{on}, 64 at once: times_faster", ratios),
            ):
                rows.append({"row": name, "metric": metric, "value": statistics.median(values),
                             "low": min(values), "high": max(values), "n": len(texts)})  # fmt: skip
            for metric, value in (
                (f"{on}, alone: p50_ms", statistics.median(alone)),
                (f"{on}, alone: p99_ms", float(np.quantile(alone, 0.99))),
                (f"{on}, alone: times_faster", single),
            ):
                rows.append({"row": name, "metric": metric, "value": value, "n": len(alone)})
    for name, path in all_of.items() if given.memory else ():
        memory = timed({name: path}, texts[:64], 1, 0)["memory_gib"]
        rows.append({"row": name, "metric": "memory_gib", "value": memory, "n": 64})
    return rows


def main() -> None:
    """Writes results/compress_frontier.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--train", type=int, default=1500, help="reviews to learn from")
    parser.add_argument("--test", type=int, default=1000)
    parser.add_argument("--queries", type=int, default=116)
    parser.add_argument("--items", type=int, default=4000, help="of Icecat")
    parser.add_argument("--customers", type=int, default=1500, help="of Beauty")
    parser.add_argument("--texts", type=int, default=6000, help="that students learn from")
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--epochs", type=float, default=20.0)
    parser.add_argument("--speed-texts", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--tried", type=int, default=0, help="so many candidates alone, and no other's; 0: all"
    )
    parser.add_argument("--cores", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--memory", type=int, default=1, help="0: not measured, a process for each encoder")
    canary = {
        "model": "tiny", "train": 60, "test": 40, "queries": 12, "items": 150, "customers": 60, "texts": 80,
        "steps": 2, "epochs": 1.0, "speed_texts": 16, "rounds": 1, "tried": 4, "cores": [1],
        "memory": 0,
    }  # fmt: skip
    bench = begin(parser, canary=canary, no_key=("rounds", "speed_texts", "cores", "memory"))
    given = bench.given
    shops = Shops.of(given)
    folders = made(bench, shops)
    first = load_encoder(folders[ORIGINAL])
    assert isinstance(first, LocalEncoder)
    first.precision = "32"
    exact = scored(bench, "float32", first, shops)
    rows: list[Score | dict[str, Any]] = told("float32", exact, exact)
    for name, path in folders.items():
        rows += told(name, scored(bench, name, load_encoder(path), shops), exact)
        size = sum(file.stat().st_size for file in path.iterdir() if file.suffix in SIZES)
        rows.append({"row": name, "metric": "megabytes", "value": size / 1e6, "n": 1})
        sys.stderr.write(f"{name}: {[round(row['value'], 4) for row in rows[-2:]]}\n")  # type: ignore[index]
    rows += baselines(shops, exact)
    rows += speeds(folders, given)
    for row in rows:
        one = row if isinstance(row, dict) else vars(row)
        print(f"{one['row']:32}{one['metric']:36}{one['value']:.5g}")
    bench.write(rows, [0])


SIZES = (".onnx", ".safetensors", ".bin")


def scored(bench: Bench, name: str, encoder: Encoder, shops: Shops) -> Cases:
    made = bench.store.tensors(f"score of {name}", lambda work: cases_of(encoder.encode, shops))
    return {task: made[task] for task in TASKS}


def baselines(shops: Shops, exact: Cases) -> list[Score | dict[str, Any]]:
    """Words alone: TF-IDF of each task's texts, and BM25 for search."""
    words = WordVectors(shops.reviews[0])
    titles = titles_of(shops.icecat)
    bm25, meaning = BM25Index.of(titles), WordVectors(titles)
    texts = read_catalogue(shops.beauty).texts
    items = meaning.encode(titles)
    by_words = {
        "sentiment": sentiment(words.encode, shops),
        "search": by_scores(lambda row: items @ meaning.encode([shops.queries[row]])[0], shops),
        "recommend": recommend(WordVectors(texts).encode(texts), shops),
    }
    found = told("tf-idf", by_words, exact)
    found += told("bm25", {"search": by_scores(lambda row: bm25.score(shops.queries[row]), shops)}, exact)
    return found


if __name__ == "__main__":
    main()
