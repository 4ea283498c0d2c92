"""What an insight finds: false alarms and found changes of simulated shops, gold aspects, polarity by aspect.

    python benchmarks/insight.py

Changes: shops of 25 items and 8 aspects in which nothing changes are looked at once each, and the share of
them that any alarm is raised in is counted; beside it what a merchant's eye does, the last month against
all before, a z-test a row without correction and with Bonferroni's. Then one aspect of one item gets worse,
and the share that is found is counted by how many reviews there are since. Repeated looks: the same shops
looked at every month of a year.

Aspects: the gold aspects of laptop and phone reviews (SemEval-2014, ABSADatasets), test part, that the
aspects mined from the sentences find, beside as many of the most frequent words; no label is used. The
readers of sentiment are fitted on whole reviews of other goods and read each gold aspect of the test.
The dials were chosen on the train parts; each test is read once.
"""

from __future__ import annotations

import csv
import gzip
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from absa_laptop import aspects as read_aspects
from bench import Bench, begin, parser_of
from encoders import encoder_of
from scipy.stats import norm

from retailor.insight.aspects import Aspects, find_aspects, stem_of
from retailor.insight.changes import Changes, changes_of
from retailor.insight.polarity import OpinionReader, word_reader
from retailor.insight.settings import InsightSettings
from retailor.metrics.interval import paired_interval, score_mean, wilson
from retailor.seeds import stream
from retailor.shop.tables import Shop
from retailor.tasks.sentiment import AspectReview, SentimentReader, SentimentSettings
from retailor.tasks.sentiment.shapes import SentimentQuery
from retailor.text.common_words import CHINESE_GENERAL, ENGLISH_STOP_WORDS

START = datetime(2024, 1, 1, tzinfo=UTC)
DAYS = 360
N_ITEMS, N_ASPECTS = 25, 8
RATE = 0.05
SINCE = (5, 10, 20, 40)
"""Reviews of the item since the change, when it is looked at."""
WORSE = (0.05, 0.50)
"""The share of its reviews that complain before the change and after it."""
PLANTED = ("item", "I0", 0)
QUOTED = pl.DataFrame(
    schema={"row": pl.UInt32, "aspect": pl.Int64, "review_id": pl.String, "item_id": pl.String,
            "category": pl.String, "time": pl.String, "stars": pl.Float64, "sentence": pl.String,
            "negative": pl.Float64, "positive": pl.Float64}
)  # fmt: skip


# simulated shops ------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Simulated:
    """Reviews as `changes_of` takes them, and who complains of what."""

    voices: pl.DataFrame
    opinions: pl.DataFrame


def simulated(seed: int, *, n_since: int = 0) -> Simulated:
    """A shop whose shares of complaints stay; with `n_since`, item 0's aspect 0 gets worse that many reviews
    before the end. A review that is angry complains of several aspects at once, as real ones do."""
    rng = stream(seed, "insight shop")
    shares = rng.beta(1.2, 9, size=(N_ITEMS, N_ASPECTS))
    shares[0, 0] = WORSE[0] if n_since else shares[0, 0]
    sizes = np.clip(rng.lognormal(3.2, 0.8, N_ITEMS).astype(int), 3, 300)
    sizes[0] = 60 + n_since if n_since else sizes[0]
    items = np.repeat(np.arange(N_ITEMS), sizes)
    day = np.concatenate([np.sort(rng.integers(0, DAYS, size)) for size in sizes])
    anger = rng.gamma(1.0, 1.0, len(items))  # mean 1: what makes complaints of one review go together
    chance = np.clip(shares[items] * anger[:, None], 0, 0.95)
    if n_since:
        last = np.arange(sizes[0] - n_since, sizes[0])
        chance[last, 0] = np.clip(WORSE[1] * anger[last], 0, 0.95)
    hits = rng.random(chance.shape) < chance
    rows, aspects = np.nonzero(hits)
    voices = pl.DataFrame(
        {
            "row": np.arange(len(items), dtype=np.uint32),
            "voice": np.arange(len(items), dtype=np.uint32),
            "item_id": [f"I{item}" for item in items],
            "category": [f"C{item % 4}" for item in items],
            "time": [START + timedelta(days=int(each)) for each in day],
            "stars": np.where(hits.sum(axis=1) > 1, 2.0, 4.0),
        }
    ).with_columns(pl.col("time").cast(pl.Datetime("ms", "UTC")))
    told = pl.DataFrame({"row": rows.astype(np.uint32), "aspect": aspects, "says": ["negative"] * len(rows)})
    return Simulated(voices, told)


def looked_at(shop: Simulated, until: datetime | None = None) -> Changes:
    """What the package's own test calls, of the reviews until a day."""
    voices = shop.voices if until is None else shop.voices.filter(pl.col("time") < until)
    opinions = shop.opinions.join(voices.select("row"), on="row", how="semi")
    return changes_of(voices, opinions, QUOTED, RATE, 1)


def last_month(shop: Simulated) -> list[float]:
    """p by item and aspect of 'more complaints in the last 30 days than before', a z-test of two shares."""
    recent = pl.col("time") >= START + timedelta(days=DAYS - 30)
    counts = shop.voices.group_by("item_id").agg(n=pl.len(), late=recent.sum())
    hits = shop.opinions.join(shop.voices, on="row").group_by("item_id", "aspect")
    joined = hits.agg(k=pl.len(), k_late=recent.sum()).join(counts, on="item_id")
    found = []
    for _, _, k, k_late, n, late in joined.iter_rows():
        if 0 < late < n:
            spread = (k / n * (1 - k / n) * (1 / late + 1 / (n - late))) ** 0.5
            gap = k_late / late - (k - k_late) / (n - late)
            found.append(float(norm.sf(gap / spread)) if spread else 1.0)
    return found


def false_alarms(bench: Bench) -> list[dict[str, Any]]:
    """The share of shops without a change in which each way raises an alarm."""

    def make(work: Path) -> dict[str, Any]:
        found = np.zeros((bench.given.shops, 3))
        for seed in range(bench.given.shops):
            shop = simulated(seed)
            chances = last_month(shop)
            found[seed] = (
                bool(looked_at(shop).found),
                min(chances, default=1.0) <= RATE / max(len(chances), 1),
                min(chances, default=1.0) <= RATE,
            )
        return {"alarms": found}

    found = bench.store.tensors("false alarms", make)["alarms"]
    rows = ("retailor", "last month, z-test, Bonferroni", "last month, z-test")
    return [share(row, "false_alarms", found[:, i]) for i, row in enumerate(rows)]


def repeated_looks(bench: Bench) -> dict[str, Any]:
    """The share of shops without a change in which any of twelve monthly reports raises an alarm."""

    def make(work: Path) -> dict[str, Any]:
        months = [START + timedelta(days=30 * month) for month in range(1, 13)]
        shops = (simulated(seed) for seed in range(bench.given.looks))
        alarms = [any(looked_at(shop, month).found for month in months) for shop in shops]
        return {"alarms": np.array(alarms, float)}

    return share("retailor, twelve looks", "false_alarms", bench.store.tensors("looks", make)["alarms"])


def power(bench: Bench) -> Iterator[dict[str, Any]]:
    """The share of planted changes that are found, and how far off they are dated, by reviews since."""
    for n_since in SINCE:
        found = bench.store.tensors(f"planted, {n_since}", partial(_planted, bench, n_since), n_since)[
            "found"
        ]
        bucket = {"bucket": f"{n_since} reviews since"}
        yield {**share("retailor", "found", found[:, 0]), **bucket}
        yield {**share("last month, z-test, Bonferroni, of any item", "found", found[:, 1]), **bucket}
        known = found[:, 2][~np.isnan(found[:, 2])]
        if len(known):
            off = float(np.median(known))
            yield {"row": "retailor", "metric": "reviews_off", "value": off, "n": len(known), **bucket}


def _planted(bench: Bench, n_since: int, work: Path) -> dict[str, Any]:
    found = np.full((bench.given.planted, 3), np.nan)
    for number in range(bench.given.planted):
        shop = simulated(100_000 + 1000 * n_since + number, n_since=n_since)
        calls = (c for c in looked_at(shop).found if c.worse and (c.level, c.key, c.aspect) == PLANTED)
        hit = next(calls, None)
        chances = last_month(shop)
        found[number, 0] = hit is not None
        found[number, 1] = min(chances, default=1.0) <= RATE / max(len(chances), 1)
        if hit is not None:
            found[number, 2] = abs(hit.n_before - 60)
    return {"found": found}


def share(row: str, metric: str, hits: Any) -> dict[str, Any]:
    """A share with its Wilson interval."""
    low, high = wilson(hits.sum(), len(hits))
    return {
        "row": row,
        "metric": metric,
        "value": float(hits.mean()),
        "low": float(low),
        "high": float(high),
        "n": len(hits),
    }


# real aspects ---------------------------------------------------------------------------------------


def gold_of(data: Path, name: str) -> tuple[list[AspectReview], list[AspectReview]]:
    """(train, test) of a set of aspects; Chinese without the spaces between its characters."""
    files = {"laptop": ("absa-laptop", "Laptops_Train.xml.seg", "Laptops_Test_Gold.xml.seg"),
             "phone": ("absa-phone-zh", "phone.train.txt", "phone.test.txt")}  # fmt: skip
    folder, *parts = files[name]
    train, test = (read_aspects(data / folder / part) for part in parts)
    if name == "laptop":
        return [_plain(one) for one in train], [_plain(one) for one in test]
    return [_dense(one) for one in train], [_dense(one) for one in test]


def _plain(one: AspectReview) -> AspectReview:
    text = one.text.replace("-LRB-", "(").replace("-RRB-", ")").replace(" n't", "n't")
    return AspectReview(text, one.aspect, one.label)


def _dense(one: AspectReview) -> AspectReview:
    return AspectReview(one.text.replace(" ", ""), one.aspect.replace(" ", ""), one.label)


def mining(bench: Bench, name: str) -> Iterator[Any]:
    """The share of gold aspects found, by mention and by distinct one, and of mined ones that are gold."""
    train, test = gold_of(bench.given.data, name)
    texts = list(dict.fromkeys(one.text for one in [*train, *test]))
    mined = find_aspects(texts, [""] * len(texts), InsightSettings())
    own = [aspect for aspect in mined.all if not aspect.patterns[0]]
    ways = {"retailor": mined, "most frequent words": frequent(texts, len(mined.all), name)}
    gold = {stem_of(one.aspect) for one in [*train, *test]}
    for row, aspects in ways.items():
        hits = np.array([_finds(aspects, one) for one in test], float)
        yield {**vars(score_mean(row, "recall", hits)), "bucket": f"{name}, mentions"}
        distinct: dict[str, bool] = {}
        for one, hit in zip(test, hits, strict=True):
            distinct[stem_of(one.aspect)] = distinct.get(stem_of(one.aspect), False) or bool(hit)
        yield {**share(row, "recall", np.array([*distinct.values()], float)), "bucket": f"{name}, distinct"}
        some = own if row == "retailor" else aspects.all
        right = np.array([any(_within(stem_of(a.key), each) for each in gold) for a in some], float)
        yield {**share(row, "precision", right), "bucket": f"{name}, mined words"}


def _finds(aspects: Aspects, one: AspectReview) -> bool:
    """Whether words that name an aspect in the sentence are in those of the gold one, or hold them."""
    gold = stem_of(one.aspect)
    return any(_within(stem_of(words), gold) for words in aspects.in_sentence(one.text).values())


def _within(a: str, b: str) -> bool:
    if not (a.isascii() and b.isascii()):
        return a in b or b in a
    return f" {a} " in f" {b} " or f" {b} " in f" {a} "


def frequent(texts: Sequence[str], n: int, name: str) -> Aspects:
    """The `n` words in most texts that are none of grammar: what the cheapest of all miners finds."""
    from retailor.insight.aspects import Aspect

    counts: Counter[str] = Counter()
    for text in texts:
        counts.update({stem_of(word) for word in _words(text, name)})
    words = [word for word, _ in counts.most_common(n)]
    return Aspects.of([Aspect(word, word, word, (word,)) for word in words])


def _words(text: str, name: str) -> list[str]:
    if name == "laptop":
        words = [word.strip(".,!?()\"'").lower() for word in text.split()]
        return [word for word in words if len(word) > 2 and word.isalpha() and word not in ENGLISH_STOP_WORDS]
    import rjieba

    return [word for word in rjieba.cut(text) if len(word) > 1 and word not in CHINESE_GENERAL]


# polarity -------------------------------------------------------------------------------------------


def reviews_of(data: Path, name: str, limit: int) -> Shop:
    """Whole reviews of other goods, labelled negative and positive."""
    if name == "laptop":
        with gzip.open(data / "amazon-polarity-10k" / "train.dat.gz", "rt", encoding="utf-8") as file:
            pairs = [line.rstrip("\n").rpartition("$LABEL$")[::2] for line in file][:limit]
    else:
        path = data / "online-shopping-10-cats" / "online_shopping_10_cats.csv"
        with path.open(encoding="utf-8-sig", newline="") as file:
            rows = [(row["review"], row["label"]) for row in csv.DictReader(file) if row["review"]]
        pairs = [rows[i] for i in stream(0, "chinese reviews").permutation(len(rows))[:limit]]
    labels = {"0": "negative", "1": "positive"}
    frame = {"text": [text for text, _ in pairs], "label": [labels[label.strip()] for _, label in pairs]}
    return Shop.of(reviews=pl.DataFrame(frame))


def polarity(bench: Bench, name: str) -> Iterator[Any]:
    """Accuracy on the gold aspects that are for or against, for whole sentences and for their clauses."""
    _, test = gold_of(bench.given.data, name)
    test = [one for one in test if one.label != "neutral"]
    y = np.array([one.label == "positive" for one in test])

    def make(work: Path) -> dict[str, Any]:
        shop = reviews_of(bench.given.data, name, bench.given.labels)
        words = word_reader(shop)
        assert words is not None
        encoder = encoder_of(bench.given.encoder, shop.reviews["text"])
        settings = SentimentSettings(mode="frozen", few_labels=0, max_tokens=64)
        fitted = SentimentReader(encoder, settings).fit(shop, work=work)
        whole, about = [SentimentQuery(one.text) for one in test], [_query(one) for one in test]
        found = {}
        for row, reader in (("opinion words", OpinionReader()), ("words", words), ("encoder", fitted)):
            for way, queries in (("aspect", about), ("sentence", whole)):
                rows = [each.probabilities for each in reader.predict(queries)]
                said = [each["positive"] > each["negative"] for each in rows]
                found[f"{row}, {way}"] = np.array(said, float)
        return found

    found = bench.store.tensors(f"polarity, {name}", make, name)
    hits = {row: (said == y).astype(float) for row, said in found.items()}
    hits["majority"] = (y == (y.mean() > 0.5)).astype(float)
    for row, right in hits.items():
        yield {**vars(score_mean(row, "accuracy", right)), "bucket": name}
    for row in ("words", "encoder"):
        value, low, high = paired_interval(hits[f"{row}, aspect"], hits[f"{row}, sentence"])
        yield {"row": f"{row}, aspect less sentence", "metric": "accuracy", "value": value, "low": low,
               "high": high, "n": len(y), "bucket": name}  # fmt: skip


def _query(one: AspectReview) -> SentimentQuery:
    return SentimentQuery(one.text, one.aspect)


def main() -> None:
    """Writes results/insight.json."""
    parser = parser_of(__doc__)
    parser.add_argument("--shops", type=int, default=1000)
    parser.add_argument("--looks", type=int, default=40)
    parser.add_argument("--planted", type=int, default=100)
    parser.add_argument("--labels", type=int, default=2000)
    parser.add_argument("--encoder", default="e5")
    bench = begin(parser, canary={"shops": 20, "looks": 3, "planted": 4, "labels": 300, "encoder": "tiny"})
    rows: list[Any] = [*false_alarms(bench), repeated_looks(bench), *power(bench)]
    for name in ("laptop", "phone"):
        rows += [*mining(bench, name), *polarity(bench, name)]
    path = bench.write(rows, [0])
    lines = [f"{r.get('bucket', ''):<22} {r['row']:<44} {r['metric']:<12} {r['value']:.4f}" for r in rows]
    sys.stderr.write("\n".join([*lines, str(path), ""]))


if __name__ == "__main__":
    main()
