"""Drafted reviews: do they say what the stars say, do they invent, do they copy, are they varied?

    python benchmarks/review_drafts.py

Gift Cards (held-out reviews, 93 % of them five stars; and the same items with one to five stars in turn) and
`amazon-polarity-10k`, whose reviews name no product: there up to two of the shop's terms in the real review
are what the customer wants mentioned. Rows: the decoder as it comes, with the same prompt and no checks; the
nearest review; the template; what `ReviewWriter` drafts; and the real reviews.

`stars_agree`: a reader that none of the systems has seen (TF-IDF and a linear model on other reviews of
`amazon-polarity-10k`) reads the side that the stars stand for; three stars are left out. `invented`: the
share of texts with a number, a name in capitals, a colour or a material that neither the item's row nor the
customer says, by a check of this file's own. `copied`: the share with eight words in a row from a training
review.
`distinct_2` is that of all texts of a row together, over as many words as the shortest row has.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
from bench import Bench, begin, parser_of

from retailor.metrics.generation import corpus_distinct_n, distinct_n, rouge_l, tokens
from retailor.metrics.interval import score_mean
from retailor.models.local import LocalGenerator
from retailor.models.weights import load_model
from retailor.seeds import stream
from retailor.shop.read import read
from retailor.shop.split import split_by_time
from retailor.shop.tables import Shop
from retailor.tasks.review import ReviewSettings, ReviewWriter
from retailor.tasks.review.draft import Drafter, Written
from retailor.tasks.review.facts import source_of
from retailor.tasks.review.past import Past
from retailor.tasks.review.prompts import prompt_of
from retailor.tasks.review.shapes import ReviewQuery
from retailor.tasks.review.templates import template
from retailor.tasks.review.text import tidy
from retailor.testing.models import tiny_decoder
from retailor.text.clean_shop import clean
from retailor.text.fields import structure_items
from retailor.text.terms import mine_terms

N_READER, N_PAST = 6000, 1500
RUN = 8
THINGS = re.compile(
    r"\b(?:black|white|red|blue|green|yellow|pink|gr[ea]y|brown|purple|orange|silver|gold(?:en)?|leather|plastic"
    r"|wood(?:en)?|steel|glass|cotton|metal|rubber|silk|wool|paper|cardboard)\b",
    re.IGNORECASE,
)
NAMED = re.compile(r"(?<=[a-z,] )(?!I\b|I['’])[A-Z][a-z]+")


def polarity(data: Path, part: str) -> tuple[list[str], list[float]]:
    """Texts, and 1 or 5 stars."""
    with gzip.open(data / "amazon-polarity-10k" / f"{part}.dat.gz", "rt", encoding="utf-8") as file:
        rows = [line.rsplit("$LABEL$", 1) for line in file]
    return [text.strip() for text, _ in rows], [5.0 if label.strip() == "1" else 1.0 for _, label in rows]


def reader(data: Path, n: int) -> Callable[[Sequence[str]], list[float]]:
    """Says 5.0 or 1.0 of each text; it learns from reviews that no writer here has."""
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.svm import LinearSVC

    texts, stars = (some[N_PAST : N_PAST + n] for some in polarity(data, "train"))
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=2)
    model = make_pipeline(words, LinearSVC(C=0.5)).fit(texts, stars)
    return lambda some: [float(said) for said in model.predict(list(some))]


def shops(data: Path) -> dict[str, tuple[Shop, Shop]]:
    """Training and test part of each data set."""
    folder = data / "amazon2018-gift-cards"
    files = [folder / "Gift_Cards_5.json.gz", folder / "meta_Gift_Cards.json.gz"]
    gift = clean(read("amazon-2018", *files))
    gift = gift.with_tables(items=structure_items(gift.items))
    return {
        "gift cards": split_by_time(gift, test=0.1),
        "polarity": (_nameless(data, "train"), _nameless(data, "test")),
    }


def _nameless(data: Path, part: str) -> Shop:
    """A shop of one product without a name, for reviews that come without theirs."""
    texts, stars = (some[:N_PAST] for some in polarity(data, part))
    ids = [f"{part}{i}" for i in range(len(texts))]
    reviews = pl.DataFrame({"review_id": ids, "user_id": ids, "text": texts, "rating": stars})
    reviews = reviews.with_columns(item_id=pl.lit("one"), language=pl.lit("en"))
    return clean(Shop.of(items=pl.DataFrame({"item_id": ["one"], "language": ["en"]}), reviews=reviews))


def cases_of(name: str, train: Shop, test: Shop, n: int, seed: int) -> tuple[list[ReviewQuery], list[str]]:
    """What is asked for, and the real reviews."""
    known = set(train.items["item_id"])
    rows = test.reviews.filter(pl.col("text").is_not_null() & pl.col("rating").is_not_null()).to_dicts()
    rows = [row for row in rows if row["item_id"] in known and len(tokens(row["text"])) > 3]
    drawn = sorted(stream(seed, "cases").choice(len(rows), min(n, len(rows)), replace=False))
    rows = [rows[int(i)] for i in drawn]
    terms = [term.text for term in mine_terms(train.reviews["text"].drop_nulls().to_list(), n_terms=200)]
    queries = []
    for row in rows:
        said = (
            [term for term in terms if f" {term} " in row["text"].lower()][:2] if name == "polarity" else []
        )
        queries.append(
            ReviewQuery(row["item_id"], row["rating"], tuple(said), row["user_id"], row["language"] or "en")
        )
    return queries, [row["text"] for row in rows]


def written(
    bench: Bench, writer: ReviewWriter, base: LocalGenerator, queries: Sequence[ReviewQuery]
) -> dict[str, list[Written]]:
    """What each system wrote."""
    past, settings = writer._past, writer.settings
    wanted = [past.wanted(query) for query in queries]
    said = base.generate(
        [prompt_of(want) for want in wanted], max_tokens=settings.max_tokens, temperature=0.7
    )
    near = [past.nearest(want, query) for query, want in zip(queries, wanted, strict=True)]
    drafter = Drafter(past, settings, writer._judge)
    return {
        "prompt-only decoder": [Written(tidy(text, max_chars=settings.max_chars)) for text in said],
        "nearest review": [Written(past.texts[rows[0]] if rows else "") for rows in near],
        "template": [
            Written(template(want, query.seed)) for query, want in zip(queries, wanted, strict=True)
        ],
        "retailor": drafter.write(writer._writer, queries, wanted),
    }


def invents(text: str, source: str) -> bool:
    """Whether a text names a thing that its source does not."""
    there = set(tokens(source))
    said = [*re.findall(r"\d+", text), *THINGS.findall(text), *NAMED.findall(text)]
    return any(word.lower() not in there for word in said)


def figures(
    bucket: str, row: str, said: Sequence[Written], queries: Sequence[ReviewQuery], real: Sequence[str],
    past: Past, read_stars: Callable[[Sequence[str]], list[float]], seed: int,
) -> list[Any]:  # fmt: skip
    texts = [one.body for one in said]
    sides = [(query.rating > 3) - (query.rating < 3) for query in queries]
    told = [i for i, side in enumerate(sides) if side]
    stars = read_stars([texts[i] for i in told])
    sources = [source_of(past.item(query.item_id), query.aspects) for query in queries]
    values = {
        "stars_agree": [float((one > 3) == (sides[i] > 0)) for i, one in zip(told, stars, strict=True)],
        "invented": [float(invents(text, source)) for text, source in zip(texts, sources, strict=True)],
        "copied": [float(past.copies.longest(text).n_tokens >= RUN) for text in texts],
        "template": [float(bool(one.fallback)) for one in said],
        "n_words": [float(len(tokens(text))) for text in texts],
        "distinct_2_a_text": distinct_n(texts, 2),
    }
    if "in turn" not in bucket:
        values["rouge_l"] = rouge_l(texts, real)
    found = [
        replace(score_mean(row, metric, some, seed=seed), bucket=bucket) for metric, some in values.items()
    ]
    for score in found:
        print(f"{bucket:28}{row:22}{score.metric:18}{score.value:8.3f}", flush=True)
    return found


def varied(bucket: str, by_row: dict[str, list[str]]) -> list[dict[str, Any]]:
    """Distinct pairs of all texts together; over equally many words, as it falls with their number."""
    split = {row: tokens(" . ".join(texts)) for row, texts in by_row.items()}
    size = min(map(len, split.values()))
    found = {row: corpus_distinct_n([" ".join(words[:size])]) for row, words in split.items()}
    return [
        {"row": row, "bucket": bucket, "metric": "distinct_2", "value": value, "n": size}
        for row, value in found.items()
    ]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="smollm2", help="a model name, or 'tiny' for that of the tests")
    parser.add_argument("--runtime", default="openvino", choices=("torch", "openvino"))
    parser.add_argument("--cases", type=int, default=100)
    parser.add_argument("--steps", type=int, default=12)
    parser.add_argument("--max-tokens", type=int, default=48)
    parser.add_argument("--max-tries", type=int, default=1)
    parser.add_argument("--reader", type=int, default=N_READER, help="reviews that the reader learns from")
    parser.add_argument("--seed", type=int, default=0)
    small = {"model": "tiny", "runtime": "torch", "cases": 6, "steps": 2, "max_tokens": 16, "reader": 500}
    bench = begin(parser, canary=small)
    given = bench.given
    base: Any = tiny_decoder() if given.model == "tiny" else load_model(given.model, kind="generator")
    base.runtime = given.runtime
    read_stars, rows = reader(given.data, given.reader), []
    for name, (train, test) in shops(given.data).items():
        writer = fitted(bench, name, base, train)
        queries, real = cases_of(name, train, test, given.cases, given.seed)
        buckets = {name: queries}
        if name == "gift cards":
            buckets["gift cards, stars in turn"] = [
                replace(query, rating=1.0 + i % 5) for i, query in enumerate(queries[: given.cases // 2])
            ]
        for bucket, asked in buckets.items():
            said = written(bench, writer, base, asked)
            for query, one in list(zip(asked, said["retailor"], strict=True))[:10]:
                print(f"{query.rating:g} stars: {one.body} [{one.fallback}]", flush=True)
            said["real review"] = [Written(text) for text in real[: len(asked)]]
            if "in turn" in bucket:  # they were written for other stars
                del said["real review"]
            for row, some in said.items():
                rows += figures(bucket, row, some, asked, real, writer._past, read_stars, given.seed)
            rows += varied(bucket, {row: [one.body for one in some] for row, some in said.items()})
    bench.write(rows, [given.seed])


def fitted(bench: Bench, name: str, base: LocalGenerator, train: Shop) -> ReviewWriter:
    given, settings = bench.given, ReviewSettings()
    settings = replace(
        settings,
        train=replace(settings.train, max_steps=given.steps),
        max_held_out=8,
        max_train_tokens=160,
        max_tokens=given.max_tokens,
        max_tries=given.max_tries,
        seed=given.seed,
    )

    def make(folder: Path, work: Path) -> None:
        ReviewWriter(base, settings).fit(train, work=work).save(folder / "writer")

    return ReviewWriter.load(bench.store.folder(f"fit {name}", make) / "writer")


if __name__ == "__main__":
    main()
