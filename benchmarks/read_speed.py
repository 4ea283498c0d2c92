"""Reading against a bare Polars scan-to-Parquet of the same file: ratio of times in one run, and peak memory.

Two files are grown from the samples: `UserBehavior.csv` to 5 million rows, Amazon 2018 reviews (gift cards)
to a million. Each reading is a process of its own; bare and ours take turns. A tenth of the CSV is read
besides, to show that memory does not grow with the file.

    python benchmarks/read_speed.py
"""

from __future__ import annotations

import gzip
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import begin, parser_of

SAMPLES = {
    "taobao": Path("taobao/UserBehavior.csv"),
    "amazon-2018": Path("amazon2018-gift-cards/Gift_Cards_5.json.gz"),
}
_CHILD = """
import json, resource, sys, time
from pathlib import Path
import polars as pl
from retailor.shop.read import read_into
how, reader, path, out = sys.argv[1:]
start = time.perf_counter()
if how == "ours":
    rows = sum(read_into(reader, [path], out).rows.values())
elif reader == "taobao":
    rows = 0
    pl.scan_csv(path, has_header=False).sink_parquet(out)
else:
    rows = 0
    pl.scan_ndjson(path, infer_schema_length=3000).sink_parquet(out)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
print(json.dumps({"seconds": seconds, "peak_bytes": peak, "rows": rows}))
"""


def grow_csv(sample: Path, path: Path, n_rows: int) -> int:
    """Rows written: the sample again and again, each time with other customers."""
    rows = [line.split(",", 1) for line in sample.read_text().splitlines() if line.count(",") == 4]
    n = 0
    with path.open("w") as file:
        while n < n_rows:
            part = rows[: n_rows - n]
            file.writelines(f"{int(user) + 200_000 * (n // len(rows))},{rest}\n" for user, rest in part)
            n += len(part)
    return n


def grow_json(sample: Path, path: Path, n_rows: int) -> int:
    """Rows written: the sample again and again, each time with other customers."""
    lines = gzip.decompress(sample.read_bytes()).splitlines(keepends=True)
    n = 0
    with path.open("wb") as file:
        while n < n_rows:
            mark = b'"reviewerID": "A%d-' % (n // len(lines))
            part = lines[: n_rows - n]
            file.writelines(line.replace(b'"reviewerID": "A', mark) for line in part)
            n += len(part)
    return n


def measure(how: str, reader: str, path: Path) -> dict[str, float]:
    """Seconds, peak resident bytes and rows of one reading in a process of its own."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        command = [sys.executable, "-c", _CHILD, how, reader, str(path), f"{folder}/out"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def compare(reader: str, path: Path, n: int, repeats: int) -> list[dict[str, object]]:
    """Result rows of one file: medians over `repeats`, and their ratio."""
    runs = [(measure("bare", reader, path), measure("ours", reader, path)) for _ in range(repeats)]
    rows: list[dict[str, object]] = []
    name = f"{reader} {n:,} rows"
    for i, who in enumerate(("polars", "retailor")):
        seconds = statistics.median(pair[i]["seconds"] for pair in runs)
        peak = max(pair[i]["peak_bytes"] for pair in runs)
        rows.append(
            {"row": f"{name}: {who}", "metric": "seconds", "value": seconds, "n": n, "seconds": seconds}
        )
        rows.append({"row": f"{name}: {who}", "metric": "peak_gib", "value": peak / 2**30, "n": n})
    rows.append({"row": f"{name}: retailor", "metric": "rows", "value": runs[0][1]["rows"], "n": n})
    ratios = sorted(ours["seconds"] / bare["seconds"] for bare, ours in runs)
    middle = statistics.median(ratios)
    rows.append(
        {"row": name, "metric": "ratio", "value": middle, "low": ratios[0], "high": ratios[-1], "n": repeats}
    )
    return rows


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--rows", type=int, default=5_000_000, help="rows of the CSV")
    parser.add_argument("--repeats", type=int, default=5)
    bench = begin(parser, canary={"rows": 20_000, "repeats": 1})
    options = bench.given
    rows: list[dict[str, object]] = []
    with tempfile.TemporaryDirectory() as folder:
        for reader, grow, n_rows, repeats in (
            ("taobao", grow_csv, options.rows // 10, 1),
            ("taobao", grow_csv, options.rows, options.repeats),
            ("amazon-2018", grow_json, options.rows // 5, options.repeats),
        ):
            path = Path(folder) / f"{reader}-{n_rows}"
            n = grow(options.data / SAMPLES[reader], path, n_rows)
            rows += compare(reader, path, n, repeats)
            path.unlink()
    for row in rows:
        print(f"{row['row']:<44}{row['metric']:<10}{row['value']:.3f}")
    print(bench.write(rows, []))


if __name__ == "__main__":
    main()
