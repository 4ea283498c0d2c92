"""Writes benchmarks/results/*.json as tables: the claims into the README, every system into docs/results.md.

    python benchmarks/readme_table.py

With `--check` nothing is written: the exit status is 1 where a page is not what the files say. A result whose
canary (`canaries.py`) no longer gives the figures that it gave when the result was made is marked as stale.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import canaries

ROOT = Path(__file__).parent.parent
START, END = "<!-- results: made by benchmarks/readme_table.py -->", "<!-- /results -->"


@dataclass(frozen=True)
class Claim:
    """One line of the README: a row of ours in a benchmark, and the rows that stand beside it."""

    benchmark: str
    what: str
    metric: str
    beside: Mapping[str, str]
    """Row of the results to the name it is shown by."""
    ours: str = "retailor"
    bucket: str = "all"
    setting: str = ""
    """What differs from what a user gets by default; nothing for the default itself."""


BEAUTY = {
    "popularity": "popularity",
    "ease + sequential-knn (ids only)": "EASE + kNN",
    "tf-idf kernel + knn (control)": "TF-IDF kernel + kNN",
    "retailor, tf-idf-svd in every slot (control)": "ours with TF-IDF for the language model",
}
BASKETS = {
    "popularity": "popularity",
    "personal top frequency": "personal top frequency",
    "tifu-knn": "TIFU-kNN",
    "up-cf": "UP-CF",
}
LOOKED = "one rule of the blend was changed after a look at this test: docs/log.md, 2026-11-24"
AGAIN = "looked at several times: two kinds of fault were mended after the first look"
TUNED = "retailor, encoder tuned on behaviour"
LARGE = "settings of a large catalogue: candidates, factors in place of the closed form"
BLENDED = "mode = 'blended', 3 epochs at 1e-4, 160 tokens"
SIX = "MiniLM, its first three layers, its first layer, it untrained; e5, its first six layers"
SMALL = {
    "onnx runtime's own int8": "ONNX Runtime's own int8",
    "model2vec's own distillation": "model2vec's own distillation",
}
KEPT = {"tf-idf": "TF-IDF", **SMALL, "openvino": "the whole in OpenVINO"}
CLAIMS = (
    *(
        Claim("recommend_beauty", f"{what} ({LOOKED})", metric, BEAUTY, **ours)
        for what, metric in (("next item, Amazon Beauty", "ndcg@10"), ("the same", "recall@10"))
        for ours in ({}, {"ours": TUNED, "setting": "tuning.steps = 400"})
    ),
    Claim("recommend_cold", "items never sold before, Amazon Beauty", "recall@10", BEAUTY),
    Claim("recommend_cold", "items never sold before, Amazon Beauty", "recall@10", BEAUTY,
          ours="retailor, no transformer", setting="sasrec.enabled = false"),
    Claim("recommend_taobao", "next item, Taobao (ids only)", "recall@10",
          {"popularity": "popularity", "item-knn": "item-kNN", "ials": "iALS", "sequential-knn": "kNN",
           "tf-idf + knn": "words of categories + kNN"}),
    *(
        Claim("recommend_tafeng", f"{what}repeats counting", metric, BASKETS,
              setting="repeats = true, sasrec.enabled = false")
        for what, metric in (("next basket, Ta-Feng, ", "recall@10"), ("the same, ", "ndcg@10"))
    ),
    Claim("grocery_pictures",
          "which of 81 groceries a photo taken in a shop shows, beside it the name of its category, which no "
          "customer typed: it comes from the photo's label", "hit@1",
          {"text alone": "that name alone", "picture alone": "the photo alone",
           "retailor, frozen": "both, no photo learned from"},
          setting="the encoder taught on 972 photos and the catalogue's 81 pictures"),
    Claim("grocery_pictures", "the same, by the photo alone", "hit@1",
          {"picture alone, frozen": "nothing learned",
           "picture alone, frozen, logistic regression": "logistic regression"},
          ours="picture alone", setting="the encoder taught on 972 photos and the catalogue's 81 pictures"),
    Claim("clothing_pictures", "which of ten kinds of clothes a photo shows", "accuracy",
          {"1-nn, frozen": "1-NN", "logistic regression, frozen": "logistic regression"},
          setting="the encoder taught on 600 photos"),
    *(
        Claim("small_shops", f"next item, {share} of Amazon Beauty's customers, three draws", "ndcg@10",
              {"popularity": "popularity", "ease + sequential-knn": "EASE + kNN",
               "tf-idf kernel + knn": "TF-IDF kernel + kNN",
               "retailor, weights as learned": "weights as learned"},
              bucket=f"{share} of the customers", setting="sasrec.enabled = false, 30 steps of f(u, i)")
        for share in ("2%", "6%", "20%", "100%")
    ),
    *(
        Claim(name, f"ten best of {size:,} items of a simulated shop, one by one, milliseconds",
              "p99_ms", {"scan": "scan of every item"}, ours="candidates", bucket=f"{size} items",
              setting=LARGE)
        for name, size in (("recommend_scale", 100_000), ("recommend_scale", 1_000_000),
                           ("recommend_scale_large", 4_000_000))
    ),
    Claim("insight", "alarms in shops in which nothing changed, stated: at most .05 (less is better)",
          "false_alarms",
          {"last month, z-test, Bonferroni": "last month, z-test, Bonferroni",
           "last month, z-test": "last month, z-test"}),
    Claim("insight", "an aspect that got worse, 40 reviews later", "found",
          {"last month, z-test, Bonferroni, of any item": "last month, z-test, Bonferroni, any item at all"},
          bucket="40 reviews since"),
    *(
        Claim("insight", f"aspects that customers speak of, {kind} reviews, no labels", "recall",
              {"most frequent words": "as many of the most frequent words"}, bucket=f"{name}, mentions")
        for kind, name in (("laptop", "laptop"), ("phone (Chinese)", "phone"))
    ),
    Claim("gift_cards", "next item, Gift Cards", "ndcg@10",
          {"recommend: popularity": "popularity", "recommend: ease + sequential-knn": "EASE + kNN"},
          ours="recommend: retailor", setting="plans/gift-cards.toml"),
    Claim("gift_cards", "sentiment, Gift Cards", "macro_f1",
          {"sentiment: majority": "majority", "sentiment: tf-idf": "TF-IDF",
           "sentiment: frozen probe": "frozen"}, ours="sentiment: retailor", setting="plans/gift-cards.toml"),
    Claim("gift_cards", "drafting reviews, Gift Cards", "rouge_l",
          {"review: template": "template", "review: nearest review": "nearest review",
           "review: retailor before tuning": "before tuning"}, ours="review: retailor",
          setting="plans/gift-cards.toml"),
    Claim("review_drafts",
          "drafts whose side a reader of other reviews takes for that of the stars, all kinds of goods",
          "stars_agree", {"prompt-only decoder": "the prompt alone", "nearest review": "nearest review",
           "real review": "the real reviews"}, bucket="polarity", setting="generator = 'smollm2'"),
    Claim("review_drafts", "the same, Gift Cards", "stars_agree",
          {"prompt-only decoder": "the prompt alone", "nearest review": "nearest review",
           "real review": "the real reviews"}, bucket="gift cards", setting="generator = 'smollm2'"),
    Claim("review_drafts",
          "drafts of Gift Cards that name what neither item nor customer says (less is better)", "invented",
          {"prompt-only decoder": "the prompt alone", "template": "template",
           "real review": "the real reviews"}, bucket="gift cards", setting="generator = 'smollm2'"),
    Claim("search_icecat", "search, Icecat, weights learned on other judged queries", "ndcg@10",
          {"bm25": "BM25", "encoder": "encoder"}),
    Claim("search_icecat", "search, Icecat, without judgments", "ndcg@10",
          {"bm25": "BM25", "encoder": "encoder"}, ours="without judgments",
          setting="a shop without judgments"),
    Claim("search_kinds", "items of the kind that is asked for, the simulated demo shop, English and Chinese "
          "(these queries were looked at for earlier figures too)", "ndcg@10",
          {"bm25": "BM25", "encoder": "encoder",
           "without judgments, languages apart": "languages left apart"},
          ours="without judgments", bucket="kept", setting="encoder = 'e5', a shop without judgments"),
    Claim("search_kinds", "the same queries, recommended for", "ndcg@10",
          {"recommended, words alone": "TF-IDF", "recommended, meaning alone": "encoder"},
          ours="recommended", bucket="kept", setting="encoder = 'e5', a customer who is not known"),
    Claim("answer_words", "answers in words, hetpqa test", "rouge_l",
          {"copying the evidence": "copying the best evidence",
           "copying, attributes as words": "the same, attributes as plain words"}),
    Claim("answer_subjqa", "the span that answers, SubjQA electronics test", "span_f1",
          {"first": "the first sentence", "bm25": "BM25", "encoder": "encoder"}),
    Claim("answer_subjqa", "area under risk and coverage, the same (less is better)", "aurc",
          {"by length": "by length", "bm25": "BM25", "encoder": "encoder"}),
    Claim("answer_by_hand", "questions as customers ask them, the simulated demo shop, English and Chinese",
          "useful or rightly silent", {"e5, a shop without questions": "without the shop's questions"},
          ours="e5", setting="encoder = 'auto', which takes e5 here"),
    Claim("answer_by_hand", "the same", "useful or rightly silent",
          {"minilm, a shop without questions": "without the shop's questions"}, ours="minilm",
          setting="encoder = 'minilm'"),
    Claim("answer_by_hand", "asked of products whose pages do not tell, the same (less is better)",
          "answered, though no page tells", {"e5, a shop without questions": "without the shop's questions"},
          ours="e5", setting="encoder = 'auto', which takes e5 here"),
    Claim("dialogue", f"turns of conversations with the demo shop, English and Chinese ({AGAIN})",
          "turns right", {"each turn alone": "each turn alone"}),
    *(
        Claim("answer_hetpqa", f"evidence for a question, {bucket}", "map",
              {"bm25": "BM25", "encoder": "encoder"}, bucket=bucket)
        for bucket in ("hetpqa", "epqa", "semipqa")
    ),
    *(
        Claim(f"amazon_polarity{suffix}", "sentiment, 8,000 labels", "accuracy",
              {"tf-idf": "TF-IDF", "nb-svm": "NB-SVM", "frozen probe": "frozen",
               "fine-tuned": "fine-tuned alone", "from scratch": "from scratch"}, **ours)
        for suffix, encoder in (("_minilm", ""), ("", "encoder = 'e5', "))
        for ours in ({"setting": encoder.rstrip(", ")}, {"ours": "blended", "setting": encoder + BLENDED})
    ),
    Claim("amazon_polarity", "sentiment, 64 labels", "accuracy",
          {"tf-idf, 64 labels": "TF-IDF", "frozen probe, 64 labels": "frozen", "panel, 64 labels": "panel"},
          ours="pseudo-labels, 64 labels", setting="encoder = 'e5', tuned on pseudo-labels, frozen after"),
    Claim("eprstmt", "sentiment in Chinese, 32 labels", "accuracy",
          {"tf-idf": "TF-IDF", "frozen probe": "frozen", "tuned on pseudo-labels": "tuned on pseudo-labels"},
          ours="panel", setting="encoder = 'e5', the panel alone"),
    Claim("eprstmt", "the same", "accuracy",
          {"tf-idf": "TF-IDF", "panel": "without them"}, ours="panel, transfer of words",
          setting="encoder = 'e5', the panel with the words of another shop"),
    Claim("online_shopping", "sentiment in Chinese, 56,000 labels, three draws", "accuracy",
          {"tf-idf": "TF-IDF", "nb-svm": "NB-SVM", "frozen probe": "frozen",
           "fine-tuned": "fine-tuned alone"},
          ours="blended", setting="encoder = 'e5', mode = 'blended', 1 epoch at 1e-4, four layers frozen"),
    Claim("online_shopping_leave_one_out", "sentiment of a category without labels", "accuracy",
          {"tf-idf": "TF-IDF", "frozen probe": "frozen", "fine-tuned": "fine-tuned",
           "+ domain-adversarial": "the critic alone",
           "+ pseudo-labels": "pseudo-labels alone"},
          ours="+ pseudo-labels, domain-adversarial",
          setting="encoder = 'e5', start_encoder = 'pseudo-labels', domain_weight = 0.3"),
    Claim("absa_laptop", "sentiment by aspect (cases are aspects, several a sentence)", "accuracy",
          {"majority": "majority", "tf-idf": "TF-IDF", "nb-svm": "NB-SVM", "frozen probe": "frozen",
           "fine-tuned": "no other shop, no words", "transfer, fine-tuned": "no words"},
          ours="blended, transferred",
          setting="mode = 'blended', encoder = e5 tuned on Amazon reviews of all kinds"),
    *(
        Claim("ledger", f"sentiment, {n} labels, every step of the ledger", "accuracy",
              {"cheap baseline": "TF-IDF", "from scratch": "from scratch", "pretrained, frozen": "frozen",
               "fine-tuned": "fine-tuned", "augmentation": "augmented as well",
               "adversarial": "and adversarial", "layer-wise rates": "and layer-wise rates"},
              ours="domain adaptation", bucket=f"{n} labels", setting="fine-tuned after domain adaptation")
        for n in (64, 512)
    ),
    *(
        Claim("choose", f"six encoders ({SIX}) ranked before training, τ with fine-tunes, {language}",
              "kendall", {f"{shop}: ranked by probe": "by a probe"}, ours=f"{shop}: ranked by logme")
        for shop, language in (("amazon-polarity", "English"), ("online-shopping", "Chinese"))
    ),
    *(
        Claim("choose_tasks", f"NDCG@10 lost by taking the encoder ranked first of four, {task} ({shop})",
              "lost by taking the first", {f"{task}, {place}: ranked by closeness": "by closeness"},
              ours=f"{task}, {place}: ranked by {by}")
        for task, by in (("recommend", "linear map"), ("search", "with words"))
        for place, shop in (("beauty", "Amazon Beauty"), ("icecat", "Icecat"), ("demo", "simulated"))
    ),
    *(
        Claim("transfer_curve", f"next item, 600 of Amazon Beauty's customers, {n:,} of their events",
              "ndcg@10",
              {"popularity": "popularity", "collaborative filter": "collaborative filter",
               "with words": "with words", "everything without a model": "everything without a model",
               "frozen encoder": "frozen encoder, no words"},
              ours="everything blended", bucket=f"{n:,} events", setting="MiniLM, sasrec.enabled = false")
        for n in (576, 1730, 5765)
    ),
    *(
        Claim(f"transfer_curve{name}", f"next item, {kind} alone, {shop} ({n:,} events)", "ndcg@10",
              {"popularity": "popularity", "collaborative filter": "collaborative filter",
               "with words": "with words", "everything without a model": "everything without a model",
               "frozen encoder": "frozen encoder, no words"},
              ours="everything blended", bucket=f"{kind}, {n:,} events",
              setting="MiniLM, sasrec.enabled = false")
        for name, shop, n, kinds in (
            ("", "600 of Amazon Beauty's customers", 576, ("cold items", "cold customers")),
            ("_magazines", "Magazines", 192, ("cold items", "cold customers", "text-only customers")),
            ("_gift_cards", "Gift Cards", 251, ("cold items", "cold customers", "text-only customers")),
        )
        for kind in kinds
    ),
    *(
        Claim("forecast", f"share of forecasts of curves by {unit} with the truth in their 80 % interval",
              "truth inside", {}, ours="forecast, 80 % interval", bucket=unit,
              setting="rows without a language model")
        for unit in ("labels", "events")
    ),
    Claim("encode_speed", "encoding in bf16, times sentence-transformers in bf16", "times_faster", {},
          ours="retailor, bf16 against sentence-transformers, bf16"),
    Claim("encode_speed", "encoding in bf16, times sentence-transformers in float32", "times_faster", {},
          ours="retailor, bf16 against sentence-transformers, float32"),
    *(
        Claim("compress_frontier", f"share kept of MiniLM's score, {what}", f"{task} kept", beside,
              ours="word and pair vectors", setting="`compress`, vectors of words and pairs")
        for task, what, beside in (
            ("sentiment", "sentiment", KEPT),
            ("search", "search by meaning alone, Icecat", {"bm25": "BM25", **KEPT}),
            ("recommend", "recommendation, Beauty", KEPT),
        )
    ),
    *(
        Claim("compress_frontier", f"texts a second on {cores}, times sentence-transformers in float32",
              f"{cores}, 64 at once: times_faster", {**SMALL, "openvino": "the whole in OpenVINO"},
              ours="word and pair vectors", setting="`compress`, vectors of words and pairs")
        for cores in ("1 core", "2 cores")
    ),
    Claim("read_speed", "reading 5 M rows, times bare Polars (less is better)", "ratio", {},
          ours="taobao 5,000,000 rows"),
    Claim("read_speed", "reading 1 M lines of JSON, the same", "ratio", {},
          ours="amazon-2018 1,000,000 rows"),
    Claim("generate_speed", "tokens a second, one prompt on one core, times transformers in float32",
          "times_faster", {"retailor, as it comes": "without the runtime"},
          ours="retailor, runtime = 'openvino'", bucket="1 at once, 1 core", setting="runtime = 'openvino'"),
    Claim("suggest_speed", "suggestions while typing, 1 M titles, milliseconds", "p99_ms", {},
          ours="suggest", bucket="1000000 titles", setting="a simulated shop, one by one"),
    Claim("cache_hits", "requests answered from memory, Zipf 0.9 with scans (simulated)", "hit_rate",
          {"least recently used": "the least recently used goes"}, bucket="Zipf 0.9, with scans"),
    *(
        Claim("serve_speed", f"{what}, a second", "requests_per_s", {"plain": "plain FastAPI + faiss"},
              bucket=bucket, setting="MiniLM, simulated shop")
        for what, bucket in (
            ("recommendations asked for before, 8 connections", "recommend, hot, 8 connections"),
            ("searches in new words, 1 connection", "search, distinct, 1 connection"),
            ("searches in new words, 8 connections", "search, distinct, 8 connections"),
            ("recommendations by new words, 8 connections", "recommend, words, 8 connections"),
        )
    ),
    Claim("live_events", "events taken in, 500 a request, a second", "events_per_s",
          {"bare insert, 500 a transaction": "bare insert"}, ours="retailor, 500 a request",
          setting="--events sqlite:///"),
    Claim("bandit", "choices missed an answer, simulated shops with new items (less is better)",
          "missed_late",
          {"recommender alone": "recommender alone", "learned, never explored": "never explored",
           "epsilon-greedy, 5 %": "ε-greedy 5 %"}, setting="explore = 1, without `held`"),
    Claim("live_events", "events taken in beside 100 recommendations a second, a second", "events_per_s", {},
          ours="retailor, beside 100 recommendations a second", setting="--events sqlite:///"),
    Claim("live_events", "the same, 20 a request as a page gathers them", "events_per_s", {},
          ours="retailor, 20 a request, beside 100 recommendations a second",
          setting="--events sqlite:///"),
    Claim("soak", "half an hour at twice the load: p99 of the answers, times one alone (less is better)",
          "times_alone_ratio", {"as it comes": "as it comes"}, ours="max_in_flight 4",
          setting="max_in_flight = 4"),
    Claim("train_devices", "a step of the smallest network, ms over a bare loop (less is better)",
          "over_ms", {"retailor, one device": "without Fabric"}, ours="retailor, Fabric, one process",
          bucket="smallest", setting="train.strategy = 'ddp'"),
)  # fmt: skip
"""In the order of the README; a row that the results do not have has no line."""

BEFORE_CANARIES = {
    "recommend_beauty": {"retailor": TUNED},
    "recommend_cold": {"retailor": "retailor, no transformer"},
    "amazon_polarity": {"retailor": "blended"},
    "online_shopping": {"retailor": "blended"},
    "absa_laptop": {"retailor": "blended, transferred"},
    "encode_speed": {"retailor": "retailor, bf16 against sentence-transformers, float32"},
}
"""What rows are called today that results made before canaries called otherwise."""

LEFT_OUT = (", seed", "of seed")
"""Rows of single seeds, which the mean stands for."""


HEAD = [
    "| what | metric | beside it | system | value | 95 % interval | n | made at |",
    "|---|---|---|---|---|---|---|---|",
]


def claims(results: Mapping[str, Any]) -> str:
    """Markdown tables, a line a claim: what stands beside us, our system, its figure and what made it.

    Those whose result is stale stand by themselves, folded, below the others.
    """
    fresh, old = [], []
    for claim in CLAIMS:
        line = _line(claim, results.get(claim.benchmark))
        if line:
            (old if canaries.stale(results[claim.benchmark]) else fresh).append(line)
    n_stale = sum(bool(canaries.stale(result)) for result in results.values())
    told = f"{n_stale} of {len(results)} files of results are stale."
    if not old:
        return "\n".join([*HEAD, *fresh, "", told])
    summary = (
        f"<details><summary>Stale: {len(old)} lines made by earlier code, until it is run again</summary>"
    )
    return "\n".join([*HEAD, *fresh, "", told, "", summary, "", *HEAD, *old, "", "</details>"])


def _line(claim: Claim, result: Any) -> str:
    rows = {row["row"]: row for row in rows_of(result, claim.metric, claim.bucket)}
    if claim.ours not in rows:
        return ""
    ours = rows[claim.ours]
    beside = " · ".join(
        f"{name} {rows[row]['value']:.4f}" for row, name in claim.beside.items() if row in rows
    )
    system = f"Retailor with {claim.setting}" if claim.setting else "**Retailor**"
    return (
        f"| {claim.what} | {claim.metric} | {beside} | {system} | **{ours['value']:.4f}** "
        f"| {between(ours)} | {cases(ours)} | {made_at(result)} |"
    )


REGIMES = {
    "a sentence in Chinese": "new customers' Chinese sentences over an English catalogue",
    "a sentence in English": "new customers' sentences in other words than the catalogue's",
    "another language": "a catalogue replaced by one in another language (simulated)",
    "Beauty to Gift Cards": "a shop without events, by a model of another (Beauty → Gift Cards)",
    "Beauty to Magazines": "a shop without events (Beauty → Magazines)",
    "1 % of Beauty's customers": "a young shop (1 % of Beauty's customers)",
    "3 % of Beauty's customers": "one of three times as many (3 %)",
    "Magazines by descriptions": "long, messy pages (Magazines)",
    "Gift Cards by descriptions": "pages of Gift Cards",
    "Gift Cards by titles": "titles of Gift Cards",
    "a tenth of the items withheld": "items that nobody has chosen yet (Beauty)",
}
"""Regimes of `where_it_pays`, as the README calls them."""


def where_it_pays(results: Mapping[str, Any]) -> str:
    """A paragraph: in which regimes the language model gives something, each with its share; or nothing."""
    result = results.get("where_it_pays")
    if result is None:
        return ""
    gains = [row for row in result["rows"] if row["metric"] == "gain"]
    values = {
        (row["bucket"], row["row"]): row["value"] for row in result["rows"] if row["metric"] == "ndcg@10"
    }
    told: dict[str, list[str]] = {"more": [], "level": [], "less": []}
    for row in sorted(gains, key=lambda row: -row["value"]):
        kind = "more" if row["low"] > 0 else "less" if row["high"] < 0 else "level"
        regime = row["bucket"]
        share = f"{row['value']:+.0%} ({row['low']:+.0%} to {row['high']:+.0%}, n {row['n']:,})"
        if row["value"] > 1:  # of next to nothing a share says nothing
            share = (
                f"{values[regime, 'retailor']:.3f} against {values[regime, 'control']:.3f} (n {row['n']:,})"
            )
        told[kind].append(f"{REGIMES.get(regime, regime)} {share}")
    said = {
        "more": "it gives more NDCG@10 than the best of two or three systems without one",
        "level": "it cannot be told from the best of them",
        "less": "words are better",
    }
    parts = [f"{words}: {'; '.join(told[kind])}" for kind, words in said.items() if told[kind]]
    how = "small shops, frozen MiniLM, e5 where Chinese is read"
    where = f"({how}; `benchmarks/where_it_pays.py`, {made_at(result)})"
    return f"**Where the language model pays** {where}: {'. Elsewhere '.join(parts)}.\n\n"


def made_at(result: Mapping[str, Any]) -> str:
    """The commit of a result, and why it is stale where it is."""
    why = canaries.stale(result)
    return f"`{result['commit'][:7]}`" + (f", stale: {why}" if why else "")


def every_row(results: Mapping[str, Any]) -> str:
    """A page: a table a benchmark with every system, bucket and metric."""
    page = ["# Results", "", "Made by `python benchmarks/readme_table.py` from `benchmarks/results/`.", ""]
    for name, result in results.items():
        seeds = ", ".join(map(str, result["seeds"])) or "none"
        page += [f"## {name}", "", f"`{result['command']}`", ""]
        why = canaries.stale(result)
        page += [f"**Stale: {why}.**", ""] if why else []
        page += [f"Commit {result['commit']}; {result['machine']}; {result['date'][:10]}; seeds: {seeds}."]
        page += [f"{result['seconds']:,.0f} s; {_stages(result)}."] if "stages" in result else []
        page += [
            "",
            "| system | bucket | metric | value | 95 % interval | n | made |",
            "|---|---|---|---|---|---|---|",
        ]
        page += [
            f"| {row['row']} | {row.get('bucket', 'all')} | {row['metric']} | {row['value']:.4f} "
            f"| {between(row)} | {cases(row)} | {row.get('made', '')} |"
            for row in result["rows"]
            if not any(mark in row["row"] for mark in LEFT_OUT) and row["value"] is not None
        ]
        page.append("")
    return "\n".join(page)


def _stages(result: Mapping[str, Any]) -> str:
    told = [f"{name} {stage['made']}" for name, stage in result["stages"].items()]
    return f"stages: {', '.join(told)}" if told else "nothing kept"


def rows_of(result: Any, metric: str, bucket: str) -> Iterator[dict[str, Any]]:
    """The rows of a result with that metric in that bucket."""
    if result is None:
        return
    renamed = {} if result.get("canary") else BEFORE_CANARIES.get(result["benchmark"], {})
    for row in result["rows"]:
        if row["metric"] == metric and row.get("bucket", "all") == bucket:
            yield {**row, "row": renamed.get(row["row"], row["row"])}


def between(row: Mapping[str, Any]) -> str:
    """The interval of a row, or nothing where it has none."""
    has_interval = row["low"] is not None and row["low"] != row["high"]
    return f"{row['low']:.4f} – {row['high']:.4f}" if has_interval else ""


def cases(row: Mapping[str, Any]) -> str:
    """How many test cases, and of how many different texts where several are of one."""
    if row["n"] is None:
        return ""
    return f"{row['n']:,}" + (f" of {row['n_texts']:,} texts" if "n_texts" in row else "")


def pages(readme: str, results: Mapping[str, Any]) -> dict[Path, str]:
    """What README.md and docs/results.md are to be."""
    before, rest = readme.split(START)
    told = where_it_pays(results) + claims(results)
    return {
        ROOT / "README.md": f"{before}{START}\n{told}\n{END}{rest.split(END)[1]}",
        ROOT / "docs" / "results.md": every_row(results),
    }


def faults(results: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with files of results, however their tables look."""
    for name, result in results.items():
        if result["benchmark"] != name and result.get("canary"):
            yield f"results/{name}.json says that it is '{result['benchmark']}'"
        if result.get("canary") and result["commit"].endswith("+"):
            yield f"results/{name}.json was made from a tree that differs from its commit"
        if name not in canaries.runs.BY_NAME:
            yield f"results/{name}.json: no command of benchmarks/runs.py makes it"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=canaries.RAW)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    paths = sorted(canaries.RESULTS.glob("*.json"))
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    wrong = list(faults(results))
    for path, page in pages((ROOT / "README.md").read_text(encoding="utf-8"), results).items():
        if not check:
            path.write_text(page, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != page:
            wrong.append(f"{path.name} is not what the results say: run python benchmarks/readme_table.py")
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
