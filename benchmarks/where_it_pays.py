"""Where a language model pays: regimes in which shops hope for it, each beside the best system without one.

    python benchmarks/where_it_pays.py

*Ours* is the recommender as it comes, which decides on its own held-out customers what of the texts it uses.
The *control* is the better, on the test itself, of two: the same with words (TF-IDF, reduced) in every slot
of the encoder, and the best system without an encoder, chosen on the held-out customers. Intervals are
paired, over the cases of all seeds together; a case that several have is one, worth their mean. NDCG@10 over
every item that can be chosen, the customer's own masked, a tie worth the mean of its orders. There is no
transformer, and f(u, i) learns for `--steps` at most.

- **1 % and 3 % of Beauty's customers**: a draw of customers, and the items that they chose; the last item of
  each is the test.
- **a tenth of the items withheld**: 1.8 % of the customers; a tenth of their items lose all events and are
  asked for.
- **Beauty to another shop**: learned on the 1 %, asked for the last item of customers of a shop of which
  nothing but the catalogue is known.
- **by descriptions, by titles**: Magazines and Gift Cards by themselves, an item known by all that its long
  and messy page says, or by its title (Magazines, cleaned, have none).
- **another language**: a simulated shop whose English catalogue is replaced by a Chinese one: what each
  English-speaking customer would choose there (the simulation knows their tastes), by e5.
- **a sentence**: a new customer, known by a sentence in words that the catalogue does not use
  (`questions/icecat_other_words.jsonl`), among the products of Icecat that are judged for any of these
  sentences; in Chinese by e5. There are no events, and the control is the best of BM25 and
  TF-IDF, as it is or reduced beside it.
"""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import polars as pl
from bench import begin, parser_of
from encoders import encoder_of
from numpy.typing import NDArray
from recommend_beauty import read_shop
from recommend_cold import withheld
from remembering import Remembering
from search_icecat import read_icecat
from search_other_words import lines_of

from retailor.metrics.interval import paired_interval, score_mean
from retailor.metrics.ranking import Ranked, graded_ranks, ndcg_at, tied_ranks
from retailor.metrics.scores import Score
from retailor.models.shapes import Encoder
from retailor.prove.words import WordVectors
from retailor.retrieval.blend import Blend, standardise
from retailor.retrieval.bm25 import BM25Index
from retailor.retrieval.histories import Histories
from retailor.seeds import stream
from retailor.shop.demo.catalogue import make_items
from retailor.shop.demo.customers import likings, make_customers
from retailor.shop.demo.shop import demo_shop
from retailor.shop.read import read
from retailor.shop.split import leave_last_out
from retailor.shop.tables import Shop
from retailor.tasks.recommend import Recommender, RecommendSettings, SasrecSettings
from retailor.tasks.recommend.blend.coldness import ColdBlend, joined
from retailor.tasks.recommend.catalogue import read_catalogue
from retailor.tasks.recommend.fit import understand
from retailor.tasks.recommend.query.ask import text_scores
from retailor.tasks.recommend.scorers.parts import ALL_TEXTS, BY_WORDS, NO_TEXT, OURS, READERS
from retailor.text.clean_shop import clean

F64 = NDArray[np.float64]
Values = Mapping[str, F64]
"""NDCG@10 of each case [n] by row; 'cases' tells one case from another [n], 'took' which system answered."""
Regime = Callable[[int, Path], Values]
"""(seed, work) to the values."""
IN_SLOTS, BEST, BM25, CONTROL = "words in every slot", "best without a model", "bm25", "control"
ROWS = (NO_TEXT, BY_WORDS, ALL_TEXTS)
ABOUT = ("cases", "took")


@dataclass(frozen=True)
class Asked:
    """A shop to learn from, and its cases: histories, what came next, and the items that can be chosen."""

    train: Shop
    histories: Sequence[Sequence[str]]
    targets: Sequence[str]
    left: frozenset[str] | None = None
    """None: all items."""

    @classmethod
    def of(cls, train: Shop, test: Shop) -> Asked:
        """Every test event, with the training events of its customer."""
        past = train.events.sort("time", nulls_last=False, maintain_order=True)
        past = past.group_by("user_id", maintain_order=True).agg("item_id")
        cases = test.events.select("user_id", target="item_id").join(
            past, on="user_id", maintain_order="left"
        )
        cases = cases.filter(~pl.col("target").is_in(pl.col("item_id")))  # what repeats is not asked for
        return cls(train, cases["item_id"].to_list(), cases["target"].to_list())


def fitted(
    asked: Asked, encoder: Encoder, dials: Mapping[str, Any], work: Path
) -> tuple[Recommender, Values]:
    """The recommender, and its values of the cases under each system."""
    settings = RecommendSettings(sasrec=SasrecSettings(enabled=False), **dials)
    task = Recommender(encoder, settings).fit(asked.train, work=work)
    made = task._made  # the parts, to rank with each among some items
    ix = made.catalogue.ix
    own = Histories.of([[ix[item] for item in items] for items in asked.histories])
    seen = own.matrix(len(ix)).tocoo()
    targets = np.array([ix[item] for item in asked.targets])
    shut = np.array([asked.left is not None and item not in asked.left for item in made.catalogue.item_ids])
    z = {name: standardise(part.scores(own)) for name, part in made.parts.items()}
    systems: dict[str, Blend | ColdBlend] = {**made.systems, OURS: made.blend}
    values = {}
    for row, blend in systems.items():
        scores = joined(blend, z, own, made.item_groups)
        scores[seen.row, seen.col] = -np.inf
        scores[:, shut] = -np.inf
        values[row] = ndcg_at(Ranked.single(tied_ranks(scores, targets)), 10)
    return task, values


def compared(asked: Asked, encoder: Encoder, dials: Mapping[str, Any], work: Path) -> Values:
    """Ours, what it chose among, and both controls."""
    task, ours = fitted(asked, encoder, dials, work)
    words = WordVectors([text for text in read_catalogue(asked.train).texts if text.strip()])
    _, in_slots = fitted(asked, words, dials, work)
    tried = task.log["validation"].get("systems", {})
    without = [row for row, blend in task._made.systems.items() if not READERS & set(blend.used())]
    best = max(without, key=lambda row: tried[row]["value"]) if tried else BY_WORDS
    texts = tried.get(OURS, {}).get("texts") or {"took": OURS}
    took = np.array([[NO_TEXT, BY_WORDS, OURS].index(texts["took"])], float)
    shown = {row: ours[row] for row in ROWS if row in ours}
    told = [
        crc32(f"{past} {target}".encode())
        for past, target in zip(asked.histories, asked.targets, strict=True)
    ]
    about = {"took": took, "cases": np.array(told, float)}
    return {OURS: ours[OURS], IN_SLOTS: in_slots[OURS], BEST: ours[best]} | shown | about


# regimes ------------------------------------------------------------------------------------------


def young(shop: Shop, n: int, seed: int) -> Shop:
    """The shop with n of its customers, drawn, and the items that they chose; fewer lie in more."""
    users = shop.events["user_id"].unique().sort()
    chosen = users.gather(stream(seed, "small shop").permutation(len(users))[:n]).implode()
    events = shop.events.filter(pl.col("user_id").is_in(chosen))
    return shop.with_tables(
        events=events, items=shop.items.filter(pl.col("item_id").is_in(events["item_id"].implode()))
    )


def tenth_withheld(shop: Shop, seed: int) -> Asked:
    """A tenth of the items without events, and asked for."""
    return Asked.of(*withheld(*leave_last_out(shop), seed))


def elsewhere(home: Shop, other: Shop) -> Asked:
    """Learned at home; asked of the customers of the other shop, among its items."""
    train, test = leave_last_out(other)
    there = Asked.of(train, test)
    both = home.with_tables(items=pl.concat([home.items, other.items]))
    return replace(there, train=both, left=frozenset(other.items["item_id"]))


def sold(shop: Shop) -> Shop:
    """The shop, cleaned, with the items that have an event, each with its first row, and without reviews."""
    shop = clean(shop)
    items = shop.items.unique("item_id", keep="first", maintain_order=True)
    events = shop.events.filter(pl.col("item_id").is_in(items["item_id"].implode()))
    return shop.with_tables(
        events=events,
        items=items.filter(pl.col("item_id").is_in(events["item_id"].implode())),
        reviews=shop.reviews.clear(),
    )


def by_titles(shop: Shop) -> Shop:
    """The shop whose items have nothing but a title."""
    return shop.with_tables(items=shop.items.select("item_id", "title"))


def other_language(size: int, seed: int) -> Asked:
    """English-speaking customers of a demo shop learned from on English items, and asked what they would
    choose of the Chinese ones, which nobody has had."""
    shop, items, customers = demo_shop(size, seed), make_items(size, seed), make_customers(2 * size, seed)
    english = {each.user_id for each in customers if each.language.code == "en"}
    chinese = np.array([item.language.code == "zh" for item in items])
    ids = np.array([item.item_id for item in items])
    known = shop.events.filter(
        pl.col("user_id").is_in(list(english)), ~pl.col("item_id").is_in(ids[chinese].tolist())
    )
    past = known.group_by("user_id", maintain_order=True).agg("item_id")
    rows = {each.user_id: row for row, each in enumerate(customers)}
    liked, rng = likings(items, customers)[:, chinese], stream(seed, "other language")
    targets = [
        str(rng.choice(ids[chinese], p=liked[rows[user]] / liked[rows[user]].sum()))
        for user in past["user_id"]
    ]
    train = shop.with_tables(events=known, reviews=shop.reviews.clear())
    return Asked(train, past["item_id"].to_list(), targets, frozenset(ids[chinese].tolist()))


def by_sentence(shop: Shop, language: str, encoder: Encoder, n: int) -> Values:
    """NDCG@10 by graded judgments of what a new customer's sentence finds, of n sentences at most."""
    asked = [row for row in lines_of("icecat_other_words") if row["language"] == language][:n]
    judged = shop.judgments.filter(pl.col("query").is_in([row["judged_as"] for row in asked]))
    items = shop.items.filter(pl.col("item_id").is_in(judged["item_id"].implode()))
    catalogue = read_catalogue(shop.with_tables(items=items))
    grades = {
        (query, item): grade for query, item, grade in judged.select("query", "item_id", "grade").iter_rows()
    }
    texts = catalogue.texts
    words = WordVectors([text for text in texts if text.strip()])
    readers = {OURS: encoder, IN_SLOTS: words, BEST: None}
    wanted = [
        np.array([grades.get((each["judged_as"], item), 0.0) for item in catalogue.item_ids])
        for each in asked
    ]
    queries = [each["query"] for each in asked]
    found = {BM25: list(BM25Index.of(texts).scores(queries))}
    for row, reader in readers.items():
        known, _ = understand(texts, reader, None)
        found[row] = [text_scores(known, query, len(texts)) for query in queries]
    return {"cases": np.arange(len(asked), dtype=float)} | {
        row: ndcg_at(Ranked.cases(list(map(graded_ranks, scores, wanted))), 10)
        for row, scores in found.items()
    }


# figures ------------------------------------------------------------------------------------------


def pooled(draws: Sequence[Values], row: str) -> F64:
    """The values of every case; of one that several draws have the mean, since it is no other case."""
    _, case = np.unique(np.concatenate([draw["cases"] for draw in draws]), return_inverse=True)
    values: F64 = np.bincount(case, np.concatenate([draw[row] for draw in draws])) / np.bincount(case)
    return values


def rows_of(regime: str, draws: Sequence[Values], seconds: float) -> Iterator[Score]:
    """Ours, the controls, and ours less each, over the cases of all draws; what the language model gives."""
    shown = [row for row in draws[0] if row not in ABOUT and all(row in draw for draw in draws)]
    values = {row: pooled(draws, row) for row in shown}
    controls = [values[row] for row in (IN_SLOTS, BEST, BM25) if row in values]
    values[CONTROL] = max(controls, key=lambda each: float(each.mean()))
    for row, value in values.items():
        yield score_mean(row, "ndcg@10", value, bucket=regime, seconds=seconds)
    for row in (CONTROL, *ROWS):
        if row in values:
            figures = paired_interval(values[OURS], values[row])
            yield Score(f"{OURS} less {row}", "ndcg@10", *figures, len(values[row]), 0.0, regime)
    if base := float(values[CONTROL].mean()):
        lead = paired_interval(values[OURS], values[CONTROL])
        share = [each / base for each in lead]
        yield Score("share of the language model", "gain", *share, len(values[CONTROL]), 0.0, regime)
    if "took" in draws[0]:
        for i, row in enumerate(ROWS):
            took = float(np.mean([draw["took"][0] == i for draw in draws]))
            yield Score(f"took: {row}", "share of draws", took, took, took, len(draws), 0.0, regime)


def said(row: Score) -> str:
    """The plain sentence of a regime, from its share."""
    if row.low > 0:
        return f"{row.bucket}: the language model gives {row.value:+.0%} ({row.low:+.0%} to {row.high:+.0%})."
    if row.high < 0:
        return f"{row.bucket}: without a language model it is better, by {-row.value:.0%}."
    return f"{row.bucket}: words do as well ({row.value:+.0%}, {row.low:+.0%} to {row.high:+.0%})."


def regimes(given: Namespace) -> dict[str, Regime]:
    """Every regime's name, and what gives its values of a seed."""
    beauty = read_shop(given.data / "amazon2014-beauty")
    icecat = read_icecat(given.data / "icecat-search")
    shops = {
        name: sold(read("amazon-2018", *sorted((given.data / f"amazon2018-{folder}").glob("*.gz"))))
        for name, folder in (("Magazines", "magazine"), ("Gift Cards", "gift-cards"))
    }

    @cache
    def encoder(name: str) -> Encoder:
        return Remembering(encoder_of(name, read_catalogue(beauty).texts))

    def of(make: Callable[[int], Asked], model: str = given.model) -> Regime:
        def run(seed: int, work: Path) -> Values:
            dials = {"seed": seed, "validation_seed": seed, "max_network_steps": given.steps}
            return compared(make(seed), encoder(model), dials, work)

        return run

    few, some, most = (round(share * given.customers) for share in (0.01, 0.018, 0.03))
    found = {"another language": of(lambda seed: other_language(given.size, seed), given.other_model)}
    for name, shop in shops.items():
        whole, titles = (Asked.of(*leave_last_out(each)) for each in (shop, by_titles(shop)))
        found[f"{name} by descriptions"] = of(lambda seed, whole=whole: whole)
        if 2 * shop.items["title"].count() > len(shop.items):  # cleaned, few are left of Magazines'
            found[f"{name} by titles"] = of(lambda seed, titles=titles: titles)
    found["1 % of Beauty's customers"] = of(lambda seed: Asked.of(*leave_last_out(young(beauty, few, seed))))
    for name, shop in shops.items():
        found[f"Beauty to {name}"] = of(lambda seed, shop=shop: elsewhere(young(beauty, few, seed), shop))
    for code, language, model in (("en", "English", given.model), ("zh", "Chinese", given.other_model)):
        found[f"a sentence in {language}"] = lambda seed, work, code=code, model=model: by_sentence(
            icecat, code, encoder(model), given.sentences
        )
    found["a tenth of the items withheld"] = of(lambda seed: tenth_withheld(young(beauty, some, seed), seed))
    found["3 % of Beauty's customers"] = of(lambda seed: Asked.of(*leave_last_out(young(beauty, most, seed))))
    return found


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("--other-model", default="e5", help="where Chinese is read")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--customers", type=int, default=22_363, help="of Beauty, of which shares are drawn")
    parser.add_argument("--size", type=int, default=200, help="of the demo shop, in items")
    parser.add_argument("--sentences", type=int, default=50, help="of each language")
    parser.add_argument("--steps", type=int, default=200, help="of f(u, i) at most")
    parser.add_argument("--only", nargs="+", help="these regimes alone, by a word of their names")
    canary = {
        "model": "tiny", "other_model": "tiny", "seeds": [0], "customers": 6_000, "size": 40, "sentences": 5,
        "steps": 2, "only": ["1 %", "language", "Beauty to Magazines", "sentence in English"],
    }  # fmt: skip
    bench = begin(parser, canary=canary, no_key=("only",))
    given, rows = bench.given, []
    for name, run in regimes(given).items():
        if given.only and not any(word in name for word in given.only):
            continue
        seeds = given.seeds[:1] if "sentence" in name else given.seeds  # nothing is drawn there
        started = time.perf_counter()
        draws = [
            bench.store.tensors(f"{name} seed {seed}", lambda work, run=run, seed=seed: run(seed, work), seed)
            for seed in seeds
        ]
        rows += rows_of(name, draws, time.perf_counter() - started)
        for row in (row for row in rows if row.bucket == name):
            around = f"[{row.low:.4f}, {row.high:.4f}]"
            print(f"{row.bucket:32} {row.row:50} {row.value:8.4f} {around} n {row.n:,}")
            if row.metric == "gain":
                print(said(row), flush=True)
    bench.write(rows, given.seeds)


if __name__ == "__main__":
    main()
