"""How many columns `retailor init` gets right, file by file, where nobody says what the files are."""

from __future__ import annotations

import shutil
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path

from retailor.shop.propose.proposal import propose

EXPORTS = Path(__file__).parent / "exports"


@dataclass(frozen=True)
class Figures:
    """Of the columns that should become something, or did; `n_all` and `right_all` count the others too."""

    n: int
    right: int
    n_all: int
    right_all: int
    wrong: tuple[str, ...]


def figures(expected: Path) -> dict[str, Figures]:
    """By file, each looked at by itself, under a name that says nothing, and without the known formats."""
    wanted = tomllib.loads(expected.read_text(encoding="utf-8"))
    return {name: _of_file(expected.parent / name, columns) for name, columns in wanted.items()}


def _of_file(path: Path, wanted: dict[str, str]) -> Figures:
    with tempfile.TemporaryDirectory() as folder:
        nameless = Path(folder) / f"f{path.suffix}"
        shutil.copyfile(path, nameless)
        (found,) = propose([nameless], known=False)
    got: dict[str, str] = {}
    for table in found.tables:
        for ours, source in table.settings.get("columns", {}).items():
            if table.table == "events" and any(t.table == "reviews" for t in found.tables):
                continue  # ratings as events say the same again
            if not (table.settings.get("derived") and ours == "item_id"):
                got.setdefault(source, f"{table.table}.{ours}")
        for source in table.settings.get("attributes", {}).values():
            got.setdefault(source, "items.attributes")
    names = dict.fromkeys([*found.sample.columns, *wanted, *got])
    wrong = []
    right_all = n = right = 0
    for name in names:
        fine = got.get(name, "") in wanted.get(name, "").split("|")
        matters = bool(wanted.get(name) or got.get(name))
        right_all += fine
        n += matters
        right += fine and matters
        if not fine:
            wrong.append(f"{name}: {got.get(name, 'nothing')}, not {wanted.get(name) or 'nothing'}")
    return Figures(n, right, len(names), right_all, tuple(wrong))


def main() -> None:
    """Prints the figures of both parts."""
    for part in ("expected.toml", "later/expected.toml", "last/expected.toml"):
        if not (EXPORTS / part).exists():
            continue
        found = figures(EXPORTS / part)
        for name, one in found.items():
            print(f"{name}: {one.right} of {one.n}; {'; '.join(one.wrong)}")
        n, right = (sum(getattr(one, name) for one in found.values()) for name in ("n", "right"))
        n_all, right_all = (
            sum(getattr(one, name) for one in found.values()) for name in ("n_all", "right_all")
        )
        print(f"{part}: {right / n:.3f} of {n} that matter, {right_all / n_all:.3f} of all {n_all}\n")


if __name__ == "__main__":
    main()
