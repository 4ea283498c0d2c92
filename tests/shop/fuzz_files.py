"""Mutated files for every reader: none may end in a traceback, none may take long.

python tests/shop/fuzz_files.py --files 50000 --seed 1
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import io
import json
import lzma
import random
import sys
import tarfile
import tempfile
import time
import traceback
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from retailor.errors import RetailorError
from retailor.shop.files.packed import found
from retailor.shop.files.sink import Sink
from retailor.shop.read import read_into, reader_of

MOST_S_PER_MB = 20.0
_TIMES = ["2024-01-02 10:00:00", "1588687728923", "15115440700000", "50000-01-01", "", "01/02/2024", "NaN"]
_NUMBERS = ["1", "-0", "5e0", "1e999", "9" * 25, "NaN", "4.5", "19,99 €", "1'299.90", "true", "null", "0x1"]
_TEXTS = [
    "fine",
    "好 gift",
    "a\0b",
    '12" screen',
    "x,y;z|t\tq",
    "it's",
    "\\d",
    "[1]",
    "{'a': 1}",
    " ",
    "\u2028é",
]
_NASTY = [
    b"\0",
    b"\xff\xfe",
    b'"',
    b"'",
    b"\\",
    b"\\ud83d",
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\t",
    b"NaN",
    b"Infinity",
    b"-",
    b"1e999",
    b"9" * 40,
    b"\xef\xbb\xbf",
    b"\\u0000",
    b"null",
    b":",
    b"PK\x03\x04",
    b"[" * 3000,
    b'{"a":' * 1200,
    b" " * 5000,
    b"\n" * 5000,
    b"PAR1",
    b"\x1f\x8b",
    b'""',
    b'","',
    b"$LABEL$",
]
MAPS: dict[str, Any] = {
    "items": {
        "columns": {
            "item_id": "id",
            "title": "name",
            "price": "price",
            "category": "path",
            "attributes": "specs",
        },
        "optional": ["price", "category", "attributes", "title"],
    },
    "events": {
        "columns": {"user_id": "u", "item_id": "i", "kind": "k", "time": "t", "rating": "s"},
        "optional": ["time", "rating"],
    },
    "reviews": {
        "columns": {"user_id": "who.id", "item_id": "item", "rating": "stars", "text": "body", "time": "at"},
        "optional": ["user_id", "time"],
        "time_unit": "ms",
    },
}


def _items(draw: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "id": draw.choice([i, str(i), 2**70 + i]),
            "name": draw.choice(_TEXTS),
            "price": draw.choice(_NUMBERS),
            "path": draw.choice([None, ["A", "B"], [["A"], ["B"]], "A > B", {"x": 1}]),
            "specs": draw.choice(
                [None, {"colour": "red", "n": 3}, [{"name": "a", "value": 1}], '{"a": 1}', 7]
            ),
        }
        for i in range(draw.randint(1, 12))
    ]


def _events(draw: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "u": f"u{i}",
            "i": i % 3,
            "k": draw.choice(["buy", "view", "rate", "x"]),
            "t": draw.choice(_TIMES),
            "s": draw.choice([None, 5, *_NUMBERS]),
        }
        for i in range(draw.randint(1, 12))
    ]


def _reviews(draw: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "who": draw.choice([{"id": i}, None, i]),
            "item": f"i{i}",
            "stars": draw.choice([1, "5", 9, None]),
            "body": draw.choice([*_TEXTS, None, 5, ["a", "b"]]),
            "at": draw.choice([1588687728923, *_TIMES]),
        }
        for i in range(draw.randint(1, 12))
    ]


def _amazon(era: str, role: str) -> Callable[[random.Random], list[dict[str, Any]]]:
    def rows(draw: random.Random) -> list[dict[str, Any]]:
        new = era == "amazon-2023"
        made = []
        for i in range(draw.randint(1, 12)):
            text, number = (
                draw.choice([*_TEXTS, None, 5, ["a"], True]),
                draw.choice([1, 5.0, "4", 9, None, True]),
            )
            if role == "questions":
                row = {
                    "asin": f"B{i}",
                    "question": text,
                    "answer": text,
                    "unixTime": draw.choice([1403852400, *_TIMES]),
                }
                if draw.random() < 0.3:
                    row = {
                        "asin": f"B{i}",
                        "questions": [{"questionText": text, "answers": [{"answerText": text}]}],
                    }
            elif role == "metadata":
                row = {
                    "parent_asin" if new else "asin": f"B{i}",
                    "title": text,
                    "price": draw.choice(_NUMBERS),
                    "details": draw.choice([{"Weight": text}, '{"a": 1}', "{x", None, [1]]),
                    "categories": draw.choice([[["A", "B"]], ["A"], None, "A", 5]),
                    "images": [{"large": text}],
                }
            elif new:
                row = {
                    "user_id": f"A{i}",
                    "parent_asin": f"B{i}",
                    "rating": number,
                    "text": text,
                    "title": text,
                    "timestamp": draw.choice([1588687728923, 2**70, *_TIMES]),
                    "helpful_vote": number,
                }
            else:
                row = {
                    "reviewerID": f"A{i}",
                    "asin": f"B{i}",
                    "overall": number,
                    "reviewText": text,
                    "summary": text,
                    "unixReviewTime": draw.choice([1252800000, -1, 2**62, *_TIMES]),
                    "helpful": draw.choice([[1, 2], [], "x", None]),
                    "vote": draw.choice(["1,234", None, 3]),
                }
            made.append(row)
        return made

    return rows


def _csv(draw: random.Random, rows: list[dict[str, Any]]) -> bytes:
    mark = draw.choice([",", "\t", ";", "|"])
    quoted = draw.random() < 0.5

    def cell(value: Any) -> str:
        text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
        return '"' + text.replace('"', '""') + '"' if quoted and (mark in text or '"' in text) else text

    lines = [mark.join(rows[0]), *(mark.join(map(cell, row.values())) for row in rows)]
    return draw.choice(["\n", "\r\n", "\n\n"]).join([*lines, ""]).encode()


def _json(draw: random.Random, rows: list[dict[str, Any]]) -> bytes:
    ascii = draw.random() < 0.5
    match draw.randrange(7):
        case 0:
            text = json.dumps(rows, ensure_ascii=ascii, indent=draw.choice([None, 1, 4]))
        case 1:
            text = json.dumps(
                {"count": len(rows), "products": rows}, ensure_ascii=ascii, indent=draw.choice([None, 2])
            )
        case 2:
            text = "\n".join(json.dumps(row, ensure_ascii=ascii, indent=2) for row in rows)
        case 3:
            text = "\n".join(map(repr, rows))
        case _:
            text = "\n".join(json.dumps(row, ensure_ascii=ascii) for row in rows) + "\n"
    return text.encode("utf-8", "surrogatepass")


def _parquet(draw: random.Random, rows: list[dict[str, Any]]) -> bytes:
    n = len(rows)
    kinds = [
        pa.array([str(row) for row in rows]),
        pa.array(range(n)),
        pa.array([2**53] * n, pa.timestamp("s")),
        pa.array([1] * n, pa.timestamp("ms", "Mars/Phobos")),
        pa.nulls(n),
        pa.array([[("a", 1)]] * n, pa.map_(pa.string(), pa.int64())),
        pa.array([[None]] * n, pa.list_(pa.null())),
        pa.array([{"a": None}] * n, pa.struct([("a", pa.null())])),
        pa.array([1] * n, pa.decimal256(60, 2)),
        pa.array(["x"] * n).dictionary_encode(),
        pa.array([1] * n, pa.duration("s")),
        pa.array([b"\xff\0"] * n),
        pa.array([float("nan")] * n),
        pa.array([1] * n, pa.time32("s")),
        pa.array([True] * n),
        pa.array([[["a"]]] * n),
        pa.array([2**62] * n, pa.timestamp("ns", "UTC")),
        pa.array([1] * n, pa.date32()),
        pa.array([[{"name": "a", "value": 1}]] * n),
        pa.array(["view"] * n),
        pa.array([5] * n, pa.float16()),
    ]
    table = pa.table({key: draw.choice(kinds) for key in rows[0]})
    out = io.BytesIO()
    pq.write_table(table, out, compression=draw.choice(["none", "snappy", "zstd"]))
    return out.getvalue()


def _lines(draw: random.Random) -> bytes:
    return "".join(
        draw.choice(
            [
                f"{t}$LABEL${draw.randrange(3)}\n",
                f"u{i} i1 i2\n",
                f"u{i},i,c,{draw.choice(['pv', 'buy'])},1511544070\n",
                f"1\t2\t{t}\tage\t0\n",
                f"qid,question,candidate,label,title\n{i},{t},x,1,t\n",
            ]
        )
        for i, t in enumerate(draw.choices(_TEXTS, k=9))
    ).encode()


def a_file(draw: random.Random) -> tuple[str, str, bytes]:
    """A reader, a file name and the bytes of a good file."""
    if draw.random() < 0.15:
        plain = [
            "taobao",
            "amazon-polarity",
            "amazon2014-beauty",
            "hetpqa",
            "epqa",
            "online-shopping-10-cats",
            "eprstmt",
            "icecat",
        ]
        return draw.choice(plain), draw.choice(["t.csv", "t.txt", "t.json"]), _lines(draw)
    if draw.random() < 0.45:
        era = draw.choice(["amazon-2014", "amazon-2018", "amazon-2023"])
        role = draw.choice(["reviews", "metadata", "questions"])
        reader = "amazon-questions" if role == "questions" and draw.random() < 0.8 else era
        return reader, "t.jsonl", _json(draw, _amazon(era, role)(draw))
    rows = draw.choice([_items, _events, _reviews])(draw)
    kind = draw.choice(["csv", "csv", "json", "json", "parquet"])
    if kind == "csv":
        return "tabular", draw.choice(["t.csv", "t.tsv", "t.txt"]), _csv(draw, rows)
    if kind == "json":
        return "tabular", "t.json", _json(draw, rows)
    return "tabular", "t.parquet", _parquet(draw, rows)


def broken(draw: random.Random, data: bytes) -> bytes:
    """The same bytes with a few of them flipped, cut, spliced, doubled, or laid out anew."""
    for _ in range(draw.choice([0, 1, 1, 2, 3, 8])):
        at = draw.randrange(len(data) + 1)
        to = min(len(data), at + draw.choice([1, 1, 4, 30, 400]))
        match draw.randrange(9):
            case 0:
                data = data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
            case 1:
                data = data[:at]
            case 2:
                data = data[:at] + data[to:]
            case 3:
                data = data[:to] + data[at:]
            case 4 | 5:
                data = data[:at] + draw.choice(_NASTY) + data[at:]
            case 6:
                lines = data.split(b"\n")
                draw.shuffle(lines)
                data = b"\n".join(lines)
            case 7:
                data = data[:at] + draw.randbytes(to - at) + data[to:]
            case 8:
                a, b = draw.choice(
                    [
                        (b'"', b"'"),
                        (b",", b";"),
                        (b":", b"="),
                        (b"\n", b"\r"),
                        (b"{", b"["),
                        (b"0", b"9" * 20),
                    ]
                )
                data = data.replace(a, b, draw.choice([1, 5, 1000]))
    return data


def packed(draw: random.Random, name: str, data: bytes) -> tuple[str, bytes]:
    """The file in another encoding, compression or archive, most often as it is."""
    if draw.random() < 0.12 and not name.endswith("parquet"):
        encoding = draw.choice(["utf-16", "utf-16-le", "utf-16-be", "utf-32", "utf-8-sig", "gbk", "latin-1"])
        data = data.decode("utf-8", "replace").encode(encoding, "replace")
    match draw.randrange(16):
        case 0 | 1:
            return name + ".gz", gzip.compress(data, 1)
        case 2:
            return name + ".bz2", bz2.compress(data, 1)
        case 3:
            return name + ".xz", lzma.compress(data, preset=0)
        case 4 | 5:
            out = io.BytesIO()
            with zipfile.ZipFile(out, "w", draw.choice([0, 8, 12, 14])) as archive:
                archive.writestr(name, data)
                archive.writestr("b/" + name, data[: len(data) // 2])
            return name + ".zip", out.getvalue()
        case 6:
            out = io.BytesIO()
            with tarfile.open(fileobj=out, mode=draw.choice(["w", "w:gz"])) as tar:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            return name + ".tar", out.getvalue()
        case 7:
            return name + ".gz", gzip.compress(gzip.compress(data, 1), 1)
    return name, data


class _Dry(Sink):
    """Makes what it is given, and writes nothing."""

    def _pack(self, table: str, make: Callable[[], pl.DataFrame]) -> None:
        make().to_arrow()


def try_one(seed: int, folder: Path) -> tuple[str, float, int, str | None]:
    """What came of one file: outcome, seconds, bytes, and the traceback where there is one."""
    draw = random.Random(seed)
    reader, name, data = a_file(draw)
    data = broken(draw, data)
    name, data = packed(draw, name, data)
    if draw.random() < 0.4:
        data = broken(draw, data)
    path = folder / f"{seed}-{name}"
    path.write_bytes(data)
    tables = MAPS if reader == "tabular" else None
    start, told, outcome = time.process_time(), None, "read"
    try:
        if seed % 50:
            with _Dry(folder) as sink:
                reader_of(reader, tables)([found(path)], sink)
            outcome = "read" if sink.n_good() else "no rows"
        else:
            read_into(reader, [path], folder / f"{seed}-shop", tables=tables)
    except RetailorError as error:
        outcome = f"refused: {type(error).__name__}"
        if not str(error).strip():
            told = "an error without words"
    except BaseException:
        outcome, told = "TRACEBACK", traceback.format_exc()
    seconds = time.process_time() - start
    if seconds > MOST_S_PER_MB * max(len(data) / 1e6, 0.05):
        outcome, told = "SLOW", f"{seconds:.1f} s for {len(data):,} bytes"
    if told is None:
        path.unlink()
    return outcome, seconds, len(data), told


def fuzz(seeds: Sequence[int], folder: Path, tell: Callable[[str], None] = lambda line: None) -> Counter[str]:
    """Outcomes of files by their seeds; `tell` gets each fault."""
    outcomes: Counter[str] = Counter()
    for n, seed in enumerate(seeds):
        outcome, _, _, told = try_one(seed, folder)
        outcomes[outcome] += 1
        if told is not None:
            tell(f"seed {seed}: {outcome}: {told}")
        if n % 1000 == 999:
            print(n + 1, dict(outcomes), file=sys.stderr, flush=True)
    return outcomes


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    first = options.seed * 1_000_000
    with tempfile.TemporaryDirectory() as place:
        print(fuzz(range(first, first + options.files), Path(place), lambda line: print(line, flush=True)))
