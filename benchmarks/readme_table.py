"""Writes the results table of the README from benchmarks/results/*.json.

Run: python benchmarks/readme_table.py   (`--check` only says whether the table is up to date)
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
HEADLINES = {
    "absa_laptop": ("accuracy",),
    "amazon_polarity": ("accuracy",),
    "answer_hetpqa": ("map",),
    "encode_speed": ("times_faster", "least_cosine"),
    "eprstmt": ("accuracy",),
    "gift_cards": ("ndcg@10", "map", "macro_f1", "rouge_l"),
    "read_speed": ("ratio",),
    "recommend_beauty": ("recall@10", "ndcg@10"),
    "recommend_taobao": ("recall@10", "ndcg@10"),
    "search_icecat": ("ndcg@10",),
}
"""Benchmark to the metrics that the README shows; what is not named here is not shown."""
BUCKETS = ("all", "hetpqa", "epqa", "semipqa")
START, END = "<!-- results: made by benchmarks/readme_table.py -->", "<!-- /results -->"


def table(folder: Path) -> str:
    """A Markdown table: a line a system and benchmark, with the interval of each figure."""
    lines = ["| benchmark | system | metric | value | 95 % interval | n |", "|---|---|---|---|---|---|"]
    for path in sorted(folder.glob("*.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        shown = HEADLINES.get(result["benchmark"], ())
        lines += [
            line(result["benchmark"], row)
            for row in result["rows"]
            if row["metric"] in shown and row.get("bucket", "all") in BUCKETS and "of seed" not in row["row"]
            if ", seed" not in row["row"] and not row["row"].startswith("dev:")
        ]
    return "\n".join(lines)


def line(benchmark: str, row: dict[str, Any]) -> str:
    """One line of the table."""
    has_interval = row["low"] is not None and row["low"] != row["high"]
    between = f"{row['low']:.4f} – {row['high']:.4f}" if has_interval else ""
    bucket = row.get("bucket", "all")
    n = "" if row["n"] is None else f"{row['n']:,}"
    where = benchmark if bucket == "all" else f"{benchmark}: {bucket}"
    return f"| {where} | {row['row']} | {row['metric']} | {row['value']:.4f} | {between} | {n} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    made = f"{before}{START}\n{table(ROOT / 'benchmarks' / 'results')}\n{END}{after}"
    if check:
        sys.exit(0 if made == text else "the README's table is not what the results say")
    readme.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
