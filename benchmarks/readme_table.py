"""Writes benchmarks/results/*.json as tables: the claims into the README, every system into docs/results.md.

Run: python benchmarks/readme_table.py   (`--check` only says whether both are up to date)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
START, END = "<!-- results: made by benchmarks/readme_table.py -->", "<!-- /results -->"


@dataclass(frozen=True)
class Claim:
    """One line of the README: our row of a benchmark, and the rows that stand beside it."""

    benchmark: str
    what: str
    metric: str
    beside: Mapping[str, str]
    """Row of the results to the name it is shown by."""
    ours: str = "retailor"
    bucket: str = "all"


BEAUTY = {
    "popularity": "popularity",
    "ease + sequential-knn (ids only)": "EASE + kNN",
    "tf-idf kernel + knn (control)": "TF-IDF kernel + kNN",
    "retailor, tf-idf-svd in every slot (control)": "ours with TF-IDF for the language model",
}
CLAIMS = (
    Claim("recommend_beauty", "next item, Amazon Beauty", "ndcg@10", BEAUTY),
    Claim("recommend_beauty", "the same", "recall@10", BEAUTY),
    Claim("recommend_cold", "items never sold before, Amazon Beauty", "recall@10", BEAUTY),
    Claim("recommend_taobao", "next item, Taobao (ids only)", "recall@10",
          {"popularity": "popularity", "item-knn": "item-kNN", "ials": "iALS", "sequential-knn": "kNN",
           "shared words + knn": "words of categories + kNN"}),
    *(
        Claim("recommend_scale", f"ten best of {size:,} items, one at a time, milliseconds", "p99_ms",
              {"scan": "scan of every item"}, ours="candidates", bucket=f"{size} items")
        for size in (100_000, 1_000_000)
    ),
    Claim("gift_cards", "next item, Gift Cards", "ndcg@10",
          {"recommend: popularity": "popularity", "recommend: ease + sequential-knn": "EASE + kNN"},
          ours="recommend: retailor"),
    Claim("gift_cards", "sentiment, Gift Cards", "macro_f1",
          {"sentiment: majority": "majority", "sentiment: tf-idf": "TF-IDF",
           "sentiment: frozen probe": "frozen"}, ours="sentiment: retailor"),
    Claim("gift_cards", "drafting reviews, Gift Cards", "rouge_l",
          {"review: template": "template", "review: nearest review": "nearest review",
           "review: retailor before tuning": "before tuning"}, ours="review: retailor"),
    Claim("search_icecat", "search, Icecat", "ndcg@10", {"bm25": "BM25", "encoder": "encoder"}),
    *(
        Claim("answer_hetpqa", f"evidence for a question, {bucket}", "map",
              {"bm25": "BM25", "encoder": "encoder"}, bucket=bucket)
        for bucket in ("hetpqa", "epqa", "semipqa")
    ),
    Claim("amazon_polarity", "sentiment, 8,000 labels", "accuracy",
          {"tf-idf": "TF-IDF", "nb-svm": "NB-SVM", "frozen probe": "frozen",
           "fine-tuned": "fine-tuned alone"}),
    Claim("amazon_polarity_minilm", "the same with the smaller encoder", "accuracy",
          {"tf-idf": "TF-IDF", "frozen probe": "frozen", "from scratch": "from scratch"}),
    Claim("amazon_polarity", "sentiment, 64 labels", "accuracy",
          {"tf-idf, 64 labels": "TF-IDF", "frozen probe, 64 labels": "frozen", "panel, 64 labels": "panel"},
          ours="pseudo-labels, 64 labels"),
    Claim("eprstmt", "sentiment in Chinese, 32 labels", "accuracy",
          {"tf-idf": "TF-IDF", "frozen probe": "frozen", "tuned on pseudo-labels": "tuned on pseudo-labels"},
          ours="panel"),
    Claim("eprstmt", "the same, with another shop's words", "accuracy",
          {"tf-idf": "TF-IDF", "panel": "without them"}, ours="panel, transfer of words"),
    Claim("online_shopping", "sentiment in Chinese, 56,000 labels", "accuracy",
          {"tf-idf": "TF-IDF", "nb-svm": "NB-SVM", "frozen probe": "frozen",
           "fine-tuned": "fine-tuned alone"}),
    Claim("online_shopping_leave_one_out", "sentiment of a category without labels", "accuracy",
          {"tf-idf": "TF-IDF", "frozen probe": "frozen", "fine-tuned": "fine-tuned",
           "+ domain-adversarial": "the critic alone",
           "+ pseudo-labels": "pseudo-labels alone"},
          ours="+ pseudo-labels, domain-adversarial"),
    Claim("absa_laptop", "sentiment by aspect", "accuracy",
          {"majority": "majority", "tf-idf": "TF-IDF", "nb-svm": "NB-SVM", "frozen probe": "frozen",
           "fine-tuned": "no other shop, no words", "transfer, fine-tuned": "no words"}),
    *(
        Claim("ledger", f"sentiment, {n} labels, every step of the ledger", "accuracy",
              {"cheap baseline": "TF-IDF", "from scratch": "from scratch", "pretrained, frozen": "frozen",
               "fine-tuned": "fine-tuned", "augmentation": "augmented as well",
               "adversarial": "and adversarial", "layer-wise rates": "and layer-wise rates"},
              ours="domain adaptation", bucket=f"{n} labels")
        for n in (64, 512)
    ),
    Claim("choose", "six encoders ranked before training, Kendall's τ with fine-tunes", "kendall",
          {"amazon-polarity: ranked by probe": "by a probe"}, ours="amazon-polarity: ranked by logme"),
    Claim("choose", "the same in Chinese", "kendall",
          {"online-shopping: ranked by probe": "by a probe"}, ours="online-shopping: ranked by logme"),
    Claim("encode_speed", "encoding, times sentence-transformers", "times_faster", {}),
    Claim("read_speed", "reading 5 M rows, times bare Polars (less is better)", "ratio", {},
          ours="taobao 5,000,000 rows"),
    Claim("read_speed", "reading 1 M lines of JSON, the same", "ratio", {},
          ours="amazon-2018 1,000,000 rows"),
)  # fmt: skip
"""In the order of the README; a benchmark without results has no line."""

LEFT_OUT = (", seed", "of seed")
"""Rows of single seeds, which the mean stands for."""


def claims(results: Mapping[str, Any]) -> str:
    """A Markdown table, a line a claim: what stands beside us, ours with its interval, and n."""
    lines = ["| what | metric | beside it | Retailor | 95 % interval | n |", "|---|---|---|---|---|---|"]
    for claim in CLAIMS:
        rows = {row["row"]: row for row in rows_of(results.get(claim.benchmark), claim.metric, claim.bucket)}
        if claim.ours in rows:
            ours = rows[claim.ours]
            beside = " · ".join(
                f"{name} {rows[row]['value']:.4f}" for row, name in claim.beside.items() if row in rows
            )
            lines.append(
                f"| {claim.what} | {claim.metric} | {beside} | **{ours['value']:.4f}** | {between(ours)} "
                f"| {number(ours['n'])} |"
            )
    return "\n".join(lines)


def every_row(results: Mapping[str, Any]) -> str:
    """A page: a table a benchmark with every system, bucket and metric."""
    page = ["# Results", "", "Made by `python benchmarks/readme_table.py` from `benchmarks/results/`.", ""]
    for name, result in results.items():
        seeds = ", ".join(map(str, result["seeds"])) or "none"
        page += [f"## {name}", "", f"`{result['command']}`", ""]
        page += [f"{result['machine']}; {result['date'][:10]}; seeds: {seeds}.", ""]
        page += ["| system | bucket | metric | value | 95 % interval | n |", "|---|---|---|---|---|---|"]
        page += [
            f"| {row['row']} | {row.get('bucket', 'all')} | {row['metric']} | {row['value']:.4f} "
            f"| {between(row)} | {number(row['n'])} |"
            for row in result["rows"]
            if not any(mark in row["row"] for mark in LEFT_OUT) and row["value"] is not None
        ]
        page.append("")
    return "\n".join(page)


def rows_of(result: Any, metric: str, bucket: str) -> Iterator[dict[str, Any]]:
    """The rows of a result with that metric in that bucket."""
    for row in [] if result is None else result["rows"]:
        if row["metric"] == metric and row.get("bucket", "all") == bucket:
            yield row


def between(row: Mapping[str, Any]) -> str:
    """The interval of a row, or nothing where it has none."""
    has_interval = row["low"] is not None and row["low"] != row["high"]
    return f"{row['low']:.4f} – {row['high']:.4f}" if has_interval else ""


def number(n: int | None) -> str:
    return "" if n is None else f"{n:,}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    paths = sorted((ROOT / "benchmarks" / "results").glob("*.json"))
    results = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in paths}
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    before, rest = text.split(START)
    made = {
        ROOT / "README.md": f"{before}{START}\n{claims(results)}\n{END}{rest.split(END)[1]}",
        ROOT / "docs" / "results.md": every_row(results),
    }
    for path, page in made.items():
        if not check:
            path.write_text(page, encoding="utf-8")
        elif not path.exists() or path.read_text(encoding="utf-8") != page:
            sys.exit(f"{path.name} is not what the results say: run python benchmarks/readme_table.py")


if __name__ == "__main__":
    main()
