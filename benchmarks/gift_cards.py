"""Gift Cards (Amazon Reviews 2018, 5-core) end to end: every stage, every task that the data allow.

    python benchmarks/gift_cards.py

2,972 reviews, 93 % of them five stars: read the intervals before the figures.
"""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

from bench import begin, parser_of

from retailor.plan.run import Run, run
from retailor.plan.settings import make_plan, read_plan
from retailor.plan.summary import read_json

PLAN = Path(__file__).parent.parent / "plans" / "gift-cards.toml"


def rows_of(done: Run) -> list[dict[str, Any]]:
    """Every score of the run, a stage's seconds, and what compression cost."""
    rows: list[dict[str, Any]] = []
    for task, scores in done.scores.items():
        rows += [{**row, "row": f"{task}: {row['row']}"} for row in scores.to_dicts()]
    for stage in done.stages:
        rows.append({"row": f"stage: {stage.name}", "metric": "seconds", "value": stage.seconds})
        if stage.kind == "compressed":
            report = read_json(done.out / stage.folder / "report.json")
            rows += [
                {"row": "compress", "metric": name, "value": value}
                for name, value in report.items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            ]
    return rows


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--lines", type=int, help="so many lines of each file")
    parser.add_argument("--skip", nargs="*", default=[], help="steps to leave out, beside those of the plan")
    bench = begin(parser, canary={"lines": 120, "skip": ["adapt", "compress", "review"]})
    given = bench.given
    work = given.work or Path("build/gift_cards")
    plan = read_plan(PLAN)
    values = plan.to_dict()
    files = [bench.given.data / "amazon2018-gift-cards" / Path(name).name for name in values["shop"]["files"]]
    if given.lines:
        files = [first_lines(path, given.lines, work) for path in files]
    values["shop"]["files"] = [str(path.resolve()) for path in files]
    values["skip"] = [*values["skip"], *given.skip]
    done = run(make_plan(values, PLAN.parent), work / "run", tell=print)
    for task, scores in done.scores.items():
        print(f"\n{task}\n{scores}")
    for stage in done.stages:
        bench.store.stages[stage.name] = {
            "made": "kept" if stage.skipped else "now",
            "seconds": stage.seconds,
        }
    print(bench.write(rows_of(done), [plan.head.seed]))


def first_lines(path: Path, n: int, folder: Path) -> Path:
    """A file of the same name with the first lines of another one."""
    folder.mkdir(parents=True, exist_ok=True)
    with gzip.open(path, "rb") as old, gzip.open(folder / path.name, "wb") as new:
        new.writelines(line for _, line in zip(range(n), old, strict=False))
    return folder / path.name


if __name__ == "__main__":
    main()
