"""Grocery products by photo: a photo taken in a shop, with or without a word, and which of 81 it shows.

    python benchmarks/grocery_pictures.py

The shop has of each product a title, a category, a description and one iconic picture. A query is a photo of
the test part, the name of the product's category ("Apple", "Milk"; 42 of them), or both. No customer typed
that name: it is the catalogue's own, by the photo's label, so that words never miss. The encoder learns from
the photos of the train part and the iconic pictures; the best epoch, the weight of a picture beside words and
the strength of the logistic regression are chosen on the validation part. hit@1 and hit@10 among all 81
products, by the order in which `Search` gives them.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from bench import Bench, begin
from numpy.typing import NDArray
from picture_photos import CANARY, F32, Once, hits, logistic, opened, options, read_photos, taught

from retailor.metrics.interval import difference, score_mean
from retailor.metrics.scores import Score
from retailor.models.pictures.decoding import decode
from retailor.models.pictures.items import ItemPictures
from retailor.models.pictures.opening import load_pictures
from retailor.models.weights import load_model
from retailor.shop.images import images_of
from retailor.shop.tables import Shop
from retailor.tasks.search import Search
from retailor.tasks.search.shapes import SearchQuery
from retailor.train.objectives.pictures import Photos

ONE_ANSWER = (
    "picture alone, frozen, 1-NN among train photos",
    "picture alone, frozen, logistic regression",
)
"""Rows that say which product it is, and no order of the others."""
N_ITEMS = 81


def main() -> None:
    bench = begin(options(__doc__), canary=CANARY)
    rows = list(run(bench))
    bench.write(rows, bench.given.seeds)
    for row in rows:
        print(f"{row.row:52} {row.metric:8} {row.value:.4f} [{row.low:.4f}, {row.high:.4f}] n {row.n:,}")


def run(bench: Bench) -> Iterator[Score]:
    """The rows."""
    given, folder = bench.given, bench.given.data / "grocery-pictures"
    shop = shop_of(folder)
    train, check, test = (
        read_photos(folder, "item_id", part, given.photos) for part in ("train", "val", "test")
    )
    own = [(image.item_id, decode(image.data)) for image in images_of(shop.items, folder)]
    known = Photos([*train[0].pictures, *(p for _, p in own)], [*train[0].labels, *(i for i, _ in own)])
    asked, checked = queries(test, shop), queries(check, shop)
    frozen = Once(load_pictures("efficientnet"), [*known.pictures, *check[0].pictures, *test[0].pictures])
    rows = plain_rows(frozen, known, check[0], test[0])
    encoder = load_model("minilm", kind="encoder")
    search = Search(encoder, pictures=ItemPictures.of(images_of(shop.items, folder), frozen)).fit(shop)
    rows["text alone"] = places(search, [SearchQuery(q.text) for q in asked], test[0].labels)
    rows |= seen_rows(search, asked, checked, test[0].labels, check[0].labels, ", frozen")
    for seed in given.seeds:
        mark = f", seed {seed}" if len(given.seeds) > 1 else ""
        made = taught(known, check[0], given.views, given.steps, seed)
        tuned = opened(bench.store.folder(f"taught{mark}", made, seed), known)
        once = Once(tuned.encoder, [*check[0].pictures, *test[0].pictures])
        pictures = ItemPictures(once, tuned.labels, tuned.directions)
        search = Search(encoder, pictures=pictures).fit(shop)
        rows |= seen_rows(search, asked, checked, test[0].labels, check[0].labels, mark)
    yield from scores_of(rows)


def seen_rows(
    search: Search,
    asked: Sequence[SearchQuery],
    checked: Sequence[SearchQuery],
    truth: Sequence[str],
    known: Sequence[str],
    mark: str,
) -> dict[str, NDArray[np.int64]]:
    """The places by picture alone, and by both, weighed as the queries `checked` teach it."""
    alone = places(search, [SearchQuery("", image=q.image) for q in asked], truth)
    print(f"weight of the picture{mark}: {search.teach_pictures(checked, known)}")
    return {f"picture alone{mark}": alone, f"retailor{mark}": places(search, asked, truth)}


def scores_of(rows: Mapping[str, NDArray[np.int64]]) -> Iterator[Score]:
    """hit@1 and hit@10 of each row, and what ours has more than each half of it alone."""
    scores = {row: score_mean(row, "hit@1", (at == 1).astype(float)) for row, at in rows.items()}
    yield from scores.values()
    for row, at in rows.items():
        if row not in ONE_ANSWER:
            yield score_mean(row, "hit@10", (at <= 10).astype(float))
    for row in (row for row in rows if row.startswith("retailor")):
        for other in ("text alone", f"picture alone{row.removeprefix('retailor')}"):
            if (found := difference(scores[row], scores[other])) is not None:
                yield found


def shop_of(folder: Path) -> Shop:
    """The products as a shop has them."""
    items = pl.read_ndjson(folder / "items.jsonl")
    return Shop.of(items=items.with_columns(category=pl.concat_list("category")))


def queries(photos: tuple[Photos, list[bytes]], shop: Shop) -> list[SearchQuery]:
    """A query of each photo and the name of its product's category."""
    words = dict(zip(shop.items["item_id"], shop.items["category"].list.first(), strict=True))
    return [
        SearchQuery(words[label], image=base64.b64encode(data).decode())
        for label, data in zip(photos[0].labels, photos[1], strict=True)
    ]


def places(search: Search, asked: Sequence[SearchQuery], truth: Sequence[str]) -> NDArray[np.int64]:
    """The place of the product that each query means [n], from 1; N_ITEMS + 1 where it is not found."""
    found = []
    for query, item_id in zip(asked, truth, strict=True):
        answer = search.predict([replace(query, k=N_ITEMS, read=False)])[0]
        ids = [each.item_id for each in answer.items]
        found.append(ids.index(item_id) + 1 if item_id in ids else N_ITEMS + 1)
    return np.array(found)


def plain_rows(frozen: Once, known: Photos, check: Photos, test: Photos) -> dict[str, NDArray[np.int64]]:
    """What 1-NN among the photos, and a logistic regression on frozen vectors, say; place 1 where right."""
    train, vectors = frozen.encode_pictures(known.pictures), frozen.encode_pictures(test.pictures)
    nearest: F32 = train @ vectors.T
    model = logistic(train, known.labels, frozen.encode_pictures(check.pictures), check.labels)
    answers = ([known.labels[i] for i in nearest.argmax(axis=0)], model.predict(vectors))
    return {
        row: np.where(hits(found, test.labels) == 1, 1, N_ITEMS + 1)
        for row, found in zip(ONE_ANSWER, answers, strict=True)
    }


if __name__ == "__main__":
    main()
