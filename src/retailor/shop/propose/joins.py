"""Columns that hold the ids of a catalogue, told by the values that they share with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from retailor.shop.propose.match import Match
from retailor.shop.propose.profile import Profile
from retailor.shop.propose.values import NEVER, fit

_FEW = 3
_LEAST = 0.1
_PLAIN = 0.4
"""What a join of small numbers is worth: those of customers and of orders overlap by chance."""

Side = tuple[Mapping[str, Profile], Match | None]


def ids_by_join(sides: Sequence[Side]) -> dict[int, dict[str, float]]:
    """Number of a side to its columns whose values are ids of items, and how sure that is, from 0 to 1.

    Of a catalogue it is the column that joins best: a shop's orders may name the SKU, and not the first id.
    """
    catalogues = [i for i, (_, match) in enumerate(sides) if match and match.table == "items"]
    found: dict[int, dict[str, float]] = {}
    for at in catalogues:
        keys = {
            name: seen
            for name, seen in sides[at][0].items()
            if seen.n_distinct >= _FEW and seen.distinct > 0.5 and fit("items", "item_id", seen) != NEVER
        }
        totals = dict.fromkeys(keys, 0.0)
        joins: dict[str, list[tuple[int, str, float]]] = {name: [] for name in keys}
        for i, (profiles, match) in enumerate(sides):
            if i == at or (match and match.table == "items"):
                continue
            for key, known in keys.items():
                best = max(
                    ((_overlap(seen, known), name) for name, seen in profiles.items()), default=(0.0, "")
                )
                if best[0] > 0:
                    totals[key] += best[0]
                    joins[key].append((i, best[1], best[0]))
        chosen = max(totals, key=lambda key: totals[key], default=None)
        if chosen is None or not totals[chosen]:
            continue
        found.setdefault(at, {})[chosen] = max(share for _, _, share in joins[chosen])
        for i, name, share in joins[chosen]:
            found.setdefault(i, {})[name] = max(share, found.get(i, {}).get(name, 0.0))
    return found


def _overlap(seen: Profile, known: Profile) -> float:
    """How sure it is that a column holds ids of the other, by the share of its values that are there."""
    if seen.n_distinct < _FEW or fit("events", "item_id", seen) == NEVER:
        return 0.0
    shared = seen.values & known.values
    if len(shared) < _FEW or len(shared) < _LEAST * len(seen.values):
        return 0.0
    share = len(shared) / len(seen.values)
    small = seen.whole > 0.9 and all(len(value) < 5 for value in shared)
    return share * (_PLAIN if small else 1.0)
