"""The table of the docs: what becomes what of each export, as the code has it."""

from __future__ import annotations

from typing import Any

from retailor.shop.readers.exports.table import EXPORTS


def reference() -> str:
    """The table of the docs: what becomes what, a row a kind of file."""
    lines = ["| reader | files | what becomes what | |", "|---|---|---|---|"]
    for export in EXPORTS.values():
        for part in export.parts:
            told = "; ".join(_told(table, map) for table, map in part.tables.items() if map)
            lines.append(f"| `{export.name}` | {export.system}: {part.what} | {told} | {part.notes} |")
    return "\n".join(lines)


def _told(table: str, maps: Any) -> str:
    several = maps if isinstance(maps, list) else [maps]
    pairs: dict[str, str] = {}
    for map in several:
        for ours, source in map["columns"].items():
            second = map.get("instead", {}).get(ours)
            names = f"`{source.rpartition('.')[2]}`" + (
                f" or `{second.rpartition('.')[2]}`" if second else ""
            )
            pairs.setdefault(ours, f"{names} → {ours}")
        for detail, source in map.get("attributes", {}).items():
            pairs.setdefault(f"attribute {detail}", f"`{source}` → attribute {detail}")
    return f"**{table}**: " + ", ".join(pairs.values())
