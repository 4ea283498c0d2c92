"""Gift Cards (Amazon Reviews 2018, 5-core) end to end: every stage, every task that the data allow.

Run: python benchmarks/gift_cards.py --data ../shared/data

2,972 reviews, 93 % of them five stars: read the intervals before the figures. The run stays in `--out`.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from schema import write_results

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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--out", type=Path, default=Path("out/gift-cards"))
    arguments = parser.parse_args()
    plan = read_plan(PLAN)
    names = [Path(name).name for name in plan.sections["shop"].files]
    files = [str((arguments.data / "amazon2018-gift-cards" / name).resolve()) for name in names]
    values = plan.to_dict()
    values["shop"]["files"] = files
    done = run(make_plan(values, PLAN.parent), arguments.out, tell=print)
    for task, scores in done.scores.items():
        print(f"\n{task}\n{scores}")
    print(write_results("gift_cards", rows_of(done), [plan.head.seed], "python benchmarks/gift_cards.py"))


if __name__ == "__main__":
    main()
