"""Which run answers for a run's folder: itself, or the refresh of it that was promoted last.

Refreshes of `out/run` lie beside it in `out/run.refresh`: 0001, 0002, …, and `standing.json`, which says
whose turn it is. The file is replaced whole, so that whoever reads it sees the old one or the new one.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from retailor.errors import DataError
from retailor.store.stages import write_json

STANDING = "standing.json"
RUN = "run"
"""In the folder of a refresh: what it made."""
RECEIPT, BEGUN = "receipt.json", "begun.json"
"""In the same place: how it ended, and what it is about."""


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


def promote(folder: Path, number: int) -> dict[str, Any]:
    """The receipt of letting one run answer by hand: a refresh, or with 0 the run itself.

    Raises DataError where there is no such run, or it was not judged.
    """
    if number and not (place_of(folder, number) / RECEIPT).exists():
        raise DataError(f"refresh {number} of this run is not there, or was not judged yet.", path=folder)
    if not (run_of(folder, number) / "run.json").is_file():
        raise DataError("this run is not there any more.", path=run_of(folder, number))
    before = standing_number(folder)
    set_standing(folder, number)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    receipt: dict[str, Any] = {"at": at, "from": before, "to": number, "decision": "by hand"}
    write_json(refreshes_of(folder) / f"by-hand-{at.replace(':', '')}.json", receipt)
    return receipt


def back(folder: Path) -> dict[str, Any]:
    """The receipt of letting the run answer that answered before. Raises DataError where none did."""
    number = standing_number(folder)
    if not number:
        raise DataError("no refresh of this run was promoted: there is nothing to go back to.", path=folder)
    before = int(json.loads((place_of(folder, number) / BEGUN).read_text(encoding="utf-8"))["champion"])
    if not run_of(folder, before).is_dir():
        raise DataError("the run that answered before is not there any more.", path=run_of(folder, before))
    set_standing(folder, before)
    at = datetime.now(UTC).isoformat(timespec="seconds")
    receipt: dict[str, Any] = {"at": at, "from": number, "to": before, "decision": "back"}
    write_json(refreshes_of(folder) / f"back-{at.replace(':', '')}.json", receipt)
    return receipt
