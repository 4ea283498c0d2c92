"""An insight as files: one HTML page, a CSV a kind of record, and all records in one JSON."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl

from retailor.insight.insight import Insight
from retailor.insight.page import write_page
from retailor.insight.view import aspect_name
from retailor.store.stages import write_json

PAGE, RECORDS = "insight.html", "insight.json"


def write_insight(insight: Insight, folder: Path, name: str) -> list[Path]:
    """The paths of the files in `folder`, which is made: page, records and tables.

    A cell that a spreadsheet would take for a formula gets an apostrophe before it, for reviews are anyone's.
    """
    folder.mkdir(parents=True, exist_ok=True)
    records = to_dict(insight)
    paths = [write_page(insight, name, folder / PAGE), folder / RECORDS]
    write_json(paths[1], records)
    tables: dict[str, Sequence[Mapping[str, Any]]] = {
        "aspects": records["figures"],
        "complaints": _with_quotes(records["complaints"]),
        "changes": _with_quotes(records["changes"]),
        "questions": [_flat(gap) for gap in records["questions"]["gaps"]],
        "summaries": _sentences(records["summaries"]),
        "periods": records["periods"],
    }
    for table, rows in tables.items():
        paths.append(_write_csv(folder / f"{table}.csv", rows))
    paths.append(_write_sentences(insight, folder / "sentences.csv"))
    return paths


def to_dict(insight: Insight) -> dict[str, Any]:
    """Everything but the single sentences, as JSON-able records."""
    names = {ix: aspect_name(insight, ix, "en") for ix in range(-1, len(insight.aspects.all))}
    titles = insight.titles

    def named(row: Mapping[str, Any]) -> dict[str, Any]:
        title = {"title": titles.get(row["key"], "")} if row.get("level") == "item" else {}
        return {**row, "aspect": names[row["aspect"]], **title}

    return {
        "read_by": insight.read_by,
        "seconds": dict(insight.seconds),
        "counted": {
            "reviews": len(insight.voices.table),
            "left_out": {
                "empty": insight.voices.n_empty,
                "copies": insight.voices.n_copies,
                "earlier_of_same_customer": insight.voices.n_earlier,
            },
            "sentences": len(insight.mentions),
        },
        "aspects": [
            {
                "aspect": each.english,
                "chinese": each.chinese,
                "words": list(each.forms),
                "own": not each.patterns[0],
            }
            for each in insight.aspects.all
        ],
        "figures": [named(row) for row in insight.figures.to_dicts()],
        "complaints": [named(asdict(each)) for each in insight.complaints],
        "changes": [named(asdict(each)) for each in insight.changes.found],
        "tested": {
            "n": insight.changes.n_tested,
            "false_alarms": insight.settings.false_alarms,
            "timed": insight.changes.timed,
        },
        "questions": asdict(insight.questions),
        "summaries": [
            {
                **asdict(each),
                "title": titles.get(each.item_id, ""),
                "said": [
                    {**asdict(one), "aspects": [names[aspect] for aspect in one.aspects]} for one in each.said
                ],
            }
            for each in insight.summaries
        ],
        "periods": [
            {**row, "period": row["period"].isoformat(), "aspect": names[row["aspect"]]}
            for row in insight.periods.to_dicts()
        ],
    }


def _with_quotes(rows: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Rows of a CSV: the quotes as 'sentence [review or row]', one beside the other."""
    found = []
    for row in rows:
        flat = {key: value for key, value in row.items() if key != "quotes"}
        for number, quote in enumerate(row["quotes"], start=1):
            flat[f"quote {number}"] = (
                f"{quote['sentence']} [{quote['review_id'] or 'row ' + str(quote['row'])}]"
            )
        found.append(flat)
    return found


def _flat(gap: Mapping[str, Any]) -> dict[str, Any]:
    facts = [
        f"{fact['text']} [{fact['source']} {fact['question_id'] or 'row ' + str(fact['row'])}]"
        for fact in gap["facts"]
    ]
    return {**gap, "questions": " | ".join(gap["questions"]), "facts": " | ".join(facts)}


def _sentences(summaries: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "item_id": each["item_id"],
            "title": each["title"],
            "customers": each["n_voices"],
            "says": said["says"],
            "aspects": ", ".join(said["aspects"]),
            **said["quote"],
        }
        for each in summaries
        for said in each["said"]
    ]


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> Path:
    columns = list(dict.fromkeys(key for row in rows for key in row))
    with path.open("w", encoding="utf-8-sig", newline="") as file:  # spreadsheets know UTF-8 by its mark
        writer = csv.DictWriter(file, columns)
        writer.writeheader()
        for row in rows:
            writer.writerow({key: plain_cell(value) for key, value in row.items()})
    return path


def plain_cell(value: Any) -> Any:
    """A cell that no spreadsheet runs (OWASP: CSV injection)."""
    return f"'{value}" if isinstance(value, str) and value[:1] in "=+-@\t\r" and value else value


def _write_sentences(insight: Insight, path: Path) -> Path:
    names = [aspect_name(insight, ix, "en") for ix in range(len(insight.aspects.all))]
    table = insight.mentions.select(
        "row", "review_id", "item_id", "time", "stars",
        pl.col("aspect").map_elements(lambda ix: names[ix], return_dtype=pl.String),
        "words", pl.col("negative").round(4), pl.col("positive").round(4), "sentence",
    ).with_columns(pl.col(pl.String).map_elements(plain_cell, return_dtype=pl.String))  # fmt: skip
    table.write_csv(path, include_bom=True)
    return path
