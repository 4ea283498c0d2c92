"""What it costs a served recommender to take in a new item or new events, by the size of the shop.

    python benchmarks/update_cost.py

A made-up recommender of so many items, put together from its parts and not fitted: customers (one to five
items) with four events each, popularity, links to twenty items (item_knn), factors, TF-IDF of titles, and a
two-tower over made-up vectors of 64 dimensions, answering by candidates. The encoder is a hash of words: what
a real one costs for a text is apart and the same at every size. No graph is built over the vectors, as an
update builds none; the rows that one would find are not asked for.

Each row is an update on top of the one before: `cpu_s` processor seconds of one thread, the median of some,
from the least to the most; `growth_ratio` beside the smallest size. What a server does about it (a thread of
its own, several items at once) is not in here.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import numpy as np
import polars as pl
import scipy.sparse as sp
from bench import begin, parser_of

from retailor.metrics.ranking import top_items
from retailor.retrieval.blend import Blend
from retailor.retrieval.histories import Histories
from retailor.retrieval.ials import Factors
from retailor.retrieval.item_to_item import ItemToItem
from retailor.retrieval.popularity import Popularity
from retailor.retrieval.vectors import VectorIndex
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.prices import Prices
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend.blend.coldness import ColdBlend
from retailor.tasks.recommend.catalogue import Catalogue
from retailor.tasks.recommend.customers import Customers
from retailor.tasks.recommend.model import Fitted, Understanding
from retailor.tasks.recommend.query.candidates import Finder, Near, Popular, TfidfPostings, vectors_of
from retailor.tasks.recommend.scorers.parts import Features
from retailor.tasks.recommend.scorers.tfidf import TfidfScorer, TfidfVectorizer
from retailor.tasks.recommend.scorers.two_tower import Whitening, untrained
from retailor.testing.toys import HashEncoder

EVENTS_EACH, LINKS, WORDS_EACH, FACTORS, DIM = 4, 20, 6, 32, 64
VOCABULARY = [f"{first}{second}" for first in "bdfgklmnprst" for second in ("on", "ara", "ite", "elo", "ux")]
WHAT = (
    ("one new item", 1, True),
    ("a hundred new items", 100, True),
    ("one event", 1, False),
    ("a thousand events", 1000, False),
)
"""Name, how many, and whether they are items."""
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def recommender(n_items: int, seed: int) -> Recommender:
    """A recommender of so many items, its parts drawn."""
    rng = stream(seed, "update cost", str(n_items))
    ids = tuple(f"P{row:08d}" for row in range(n_items))
    words = rng.integers(0, len(VOCABULARY), (n_items, WORDS_EACH))
    titles = tuple(" ".join(VOCABULARY[w] for w in row) for row in words)
    prices = Prices(np.full(n_items, 9.0), (), np.full(n_items, -1, np.int32))
    catalogue = Catalogue(ids, titles, (("Shop", "Things"),) * n_items, prices)
    n_users = max(2, n_items // 5)
    items = rng.integers(0, n_items, n_users * EVENTS_EACH).astype(np.int32)
    offsets = np.arange(0, len(items) + 1, EVENTS_EACH).astype(np.int64)
    histories = Histories(offsets, items, np.ones(len(items), np.float32))
    customers = Customers(tuple(f"u{row}" for row in range(n_users)), histories)
    indptr = np.arange(0, LINKS * n_items + 1, LINKS)
    links = (
        rng.random(LINKS * n_items).astype(np.float32),
        rng.integers(0, n_items, LINKS * n_items),
        indptr,
    )
    vectorizer = TfidfVectorizer(
        {word: i for i, word in enumerate(VOCABULARY)}, np.ones(len(VOCABULARY), np.float32)
    )
    values = np.full(words.size, 1 / np.sqrt(WORDS_EACH), np.float32)
    tfidf = sp.csr_matrix(
        (values, words.ravel(), np.arange(0, words.size + 1, WORDS_EACH)), shape=(n_items, len(VOCABULARY))
    )
    tfidf.sum_duplicates()
    vectors = rng.standard_normal((n_items, DIM), dtype=np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    parts = {
        "popularity": Popularity(np.bincount(items, minlength=n_items).astype(np.float32)),
        "item_knn": ItemToItem(sp.csr_matrix(links, shape=(n_items, n_items)), decay=1.0),
        "factors": Factors(rng.standard_normal((n_items, FACTORS), dtype=np.float32), 1.0, 1.0),
        "tfidf": TfidfScorer(tfidf, 1.0),
        "two_tower": untrained(vectors, 1.0),
    }
    whitening = Whitening(np.zeros(DIM, np.float32), np.eye(DIM, dtype=np.float32))
    encoder = HashEncoder(DIM)
    understanding = Understanding(Features(tfidf, vectors), vectorizer, encoder, whitening)
    blend = ColdBlend.plain(Blend(tuple(parts), (1.0,) * len(parts)))
    settings = RecommendSettings(retrieval="approximate")
    task = Recommender(encoder, settings)
    near = {}
    for name, part in parts.items():
        if (table := vectors_of(part)) is not None:
            near[name] = Near.of(table, VectorIndex(np.zeros((n_items, 1), np.float32), "approximate"))
    counts = parts["popularity"].tensors()["counts"][None]
    best = top_items(counts, settings.n_candidates, catalogue.ties)[0]
    finder = Finder(
        settings.n_candidates, best, Popular.of(counts[0]), near, TfidfPostings.of(tfidf, catalogue.ties)
    )
    task._fitted = Fitted(catalogue, customers, understanding, parts, {}, blend, finder)
    return task


def new_items(n: int, place: int) -> Shop:
    rows = [
        {"item_id": f"new-{place}-{i}", "title": f"{VOCABULARY[i % len(VOCABULARY)]} {VOCABULARY[place]}",
         "category": ["Shop", "Things"], "price": 9.0}
        for i in range(n)
    ]  # fmt: skip
    return Shop.of(items=pl.DataFrame(rows))


def new_events(n: int, place: int, task: Recommender) -> Shop:
    known = task._made
    rows = [
        {"user_id": known.customers.user_ids[(place * n + i) % len(known.customers)], "kind": "buy",
         "item_id": known.catalogue.item_ids[(7 * i + place) % len(known.catalogue)], "time": NOW}
        for i in range(n)
    ]  # fmt: skip
    return Shop.of(events=pl.DataFrame(rows))


def measure(given: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """Tidy rows, the small sizes first."""
    first: dict[str, float] = {}
    for n_items in given.sizes:
        task = recommender(n_items, given.seed)
        task.update(new_items(1, 50))  # the first one makes room, and works out what was not asked for yet
        for name, n, of_items in WHAT:
            took = []
            for place in range(given.rounds):
                shop = new_items(n, place + 20 * (n > 1)) if of_items else new_events(n, place, task)
                started = time.process_time()
                task.update(shop)
                took.append(time.process_time() - started)
            value = float(np.median(took))
            bucket = f"{n_items:,} items"
            row = {"row": name, "bucket": bucket, "n": len(took)}
            yield {**row, "metric": "cpu_s", "value": value, "low": min(took), "high": max(took)}
            yield {**row, "metric": "growth_ratio", "value": value / first.setdefault(name, value)}
            print(f"{bucket:18s} {name:20s} {value:.4f} s ({min(took):.4f} to {max(took):.4f})", flush=True)
        yield {"row": "what is known then", "bucket": f"{n_items:,} items", "metric": "items",
               "value": len(task._made.catalogue), "n": 1}  # fmt: skip


def main() -> None:
    """Writes results/update_cost.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000, 1_000_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    bench = begin(parser, canary={"sizes": [500, 2_000], "rounds": 2})
    bench.write(list(measure(bench.given)), [bench.given.seed])


if __name__ == "__main__":
    main()
