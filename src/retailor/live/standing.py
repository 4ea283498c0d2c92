"""Which run answers for a run's folder: itself, or the refresh of it that was promoted last.

Refreshes of `out/run` lie beside it in `out/run.refresh`: 0001, 0002, …, and `standing.json`, which says
whose turn it is. The file is replaced whole, so that whoever reads it sees the old one or the new one.
"""

from __future__ import annotations

import json
from pathlib import Path

from retailor.errors import DataError
from retailor.store.stages import write_json

STANDING = "standing.json"
RUN = "run"
"""In the folder of a refresh: what it made."""


def refreshes_of(folder: Path) -> Path:
    """Where the refreshes of a run lie, whether or not there are any."""
    folder = Path(folder).resolve()
    return folder.with_name(f"{folder.name}.refresh")


def place_of(folder: Path, number: int) -> Path:
    """The folder of one refresh."""
    return refreshes_of(folder) / f"{number:04d}"


def standing_number(folder: Path) -> int:
    """The number of the refresh that answers, 0 for the run itself. DataError where the record is corrupt."""
    path = refreshes_of(folder) / STANDING
    try:
        return int(json.loads(path.read_text(encoding="utf-8"))["number"])
    except FileNotFoundError:
        return 0
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(f"this does not say which run answers ({error!r}); remove it.", path=path) from None


def run_of(folder: Path, number: int) -> Path:
    """The folder of the run that a refresh made; number 0 is the run itself."""
    return place_of(folder, number) / RUN if number else Path(folder)


def standing_run(folder: Path) -> Path:
    """The folder of the run that answers for this one: itself where nothing was promoted."""
    return run_of(folder, standing_number(folder))


def set_standing(folder: Path, number: int) -> None:
    """Lets another run answer; servers see it within a second or two."""
    refreshes_of(folder).mkdir(parents=True, exist_ok=True)
    write_json(refreshes_of(folder) / STANDING, {"number": number})
