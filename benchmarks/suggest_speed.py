"""Suggestions while typing, against the number of titles.

    python benchmarks/suggest_speed.py

A generated shop: titles of four to nine words out of 30,000 made-up ones (Zipf) and, every fifth, of Chinese
characters; 200 categories, 2,000 brands. Beginnings of one to fourteen letters of the words inside them, a
tenth with a wrong letter, are typed one at a time. `p50_ms` and `p99_ms` are of eight suggestions in one
thread, without HTTP; `seconds` is what making the entries takes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import numpy as np
import polars as pl
from bench import begin, parser_of

from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.search.shapes import Typed
from retailor.tasks.search.suggest import Suggester

N_WORDS = 30_000
EVERY_CHINESE = 5


def made_shop(n: int, seed: int) -> Shop:
    """The shop with `n` titles."""
    draw = stream(seed, "suggest", "shop")
    letters = np.array(list("etaoinshrdlucmfwypvbgkjqxz"))
    chances = 1 / np.arange(1, len(letters) + 1)
    lengths = draw.integers(3, 11, N_WORDS)
    drawn = draw.choice(letters, size=(N_WORDS, 10), p=chances / chances.sum())
    vocabulary = np.array(["".join(row[:size]) for row, size in zip(drawn, lengths, strict=True)])
    share = 1 / np.arange(1, N_WORDS + 1)
    words = draw.choice(vocabulary, size=(n, 9), p=share / share.sum())
    characters = np.array([chr(0x4E00 + i) for i in range(2_000)])
    share = 1 / np.arange(1, 2_001)
    chinese = draw.choice(characters, size=(n // EVERY_CHINESE + 1, 12), p=share / share.sum())
    sizes = draw.integers(4, 10, n)
    titles = [
        "".join(chinese[i // EVERY_CHINESE]) if i % EVERY_CHINESE == 0 else " ".join(words[i, : sizes[i]])
        for i in range(n)
    ]
    return Shop.of(
        items=pl.DataFrame(
            {
                "item_id": [f"P{i}" for i in range(n)],
                "title": titles,
                "brand": [f"{vocabulary[i % 2_000]} & co" for i in range(n)],
                "category": [[f"{vocabulary[i % 200]} goods"] for i in range(n)],
            }
        )
    )


def typed_in(shop: Shop, n: int, seed: int) -> Iterator[str]:
    """`n` beginnings of words inside titles; a tenth with a wrong letter."""
    draw = stream(seed, "suggest", "typed")
    titles = shop.items["title"]
    for place in draw.integers(0, len(titles), n):
        title = titles[int(place)]
        starts = [0, *[i + 1 for i, letter in enumerate(title) if letter == " "]]
        start = int(draw.choice(starts))
        text = title[start : start + int(draw.integers(1, 15))]
        if draw.random() < 0.1 and len(text) > 4:
            wrong = int(draw.integers(1, len(text)))
            text = f"{text[:wrong]}z{text[wrong + 1 :]}"
        yield text


def main() -> None:
    """Writes results/suggest_speed.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000])
    parser.add_argument("--asked", type=int, default=5_000)
    bench = begin(parser, canary={"sizes": [2_000], "asked": 200})
    rows = []
    for size in bench.given.sizes:
        shop = made_shop(size, 0)
        started = time.perf_counter()
        suggester = Suggester.of(shop)
        seconds = time.perf_counter() - started
        waits_ms, n_found = [], 0
        for text in typed_in(shop, bench.given.asked, 1):
            started = time.perf_counter()
            found = suggester.suggest(Typed(text, 8))
            waits_ms.append(1000 * (time.perf_counter() - started))
            n_found += bool(found.items)
        figures = {
            "p50_ms": float(np.quantile(waits_ms, 0.5)),
            "p99_ms": float(np.quantile(waits_ms, 0.99)),
            "found": n_found / bench.given.asked,
        }
        rows += [
            {"row": "suggest", "bucket": f"{size} titles", "metric": metric, "value": value,
             "n": bench.given.asked, "seconds": seconds}
            for metric, value in figures.items()
        ]  # fmt: skip
    bench.write(rows, seeds=[0])


if __name__ == "__main__":
    main()
