"""People forgotten in the rows that a run's sources keep, as a database or a lake had them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from retailor.shop.sources.kept import forget_rows


def forget_kept(run: Path, user_ids: Sequence[str]) -> dict[str, int]:
    """Folder to how many rows of some customers it had, of the folders that the plan of a run keeps rows in.

    Raises DataError where another call is taking rows into one of them.
    """
    path = run / "plan.toml"
    shop = tomllib.loads(path.read_text(encoding="utf-8")).get("shop", {}) if path.is_file() else {}
    kept = [source for source in shop.get("sources", ()) if source.get("keep")]
    found = {each["keep"]: forget_rows(Path(each["keep"]), [*_user_columns(each)], user_ids) for each in kept}
    return {folder: n for folder, n in found.items() if n}


def _user_columns(source: Mapping[str, Any]) -> Iterator[str]:
    for maps in (source.get("tables") or {}).values():
        for one in maps if isinstance(maps, list) else [maps]:
            for names in (one.get("columns", {}), one.get("instead", {})):
                if "user_id" in names:
                    yield names["user_id"]
