"""What a person should look at before a proposal is believed: what else could have been meant."""

from __future__ import annotations

import re
from collections.abc import Mapping

from retailor.shop.cells.stock import read_stock
from retailor.shop.propose.match import LEAST, SURE, Hints, Match, score, words_for
from retailor.shop.propose.names import Words, is_of_item, scores
from retailor.shop.propose.profile import Profile
from retailor.shop.propose.values import NEVER, fit

_NEAR = 0.1
"""A column that fits so much less could be meant as well."""
_NAMED = 0.75
_ALIKE = 0.5
"""Columns whose cells differ so often and hold the same say the same twice; all stars hold 1 to 5."""
_SHOWN = 4
_JOINED = 0.5
_TELLING = ("kind", "rating", "label", "grade", "price", "time")
"""Columns of ours whose values can forbid what a name says."""
_LEAST_TOP = 4
"""Stars of 5 have one of so many or more among them."""
_UNDONE = re.compile(
    r"(?i)cancel|refund|return|void|fail|unpaid|chargeback|storn|erstatt"
    r"|取消|关闭|退款|退货|未付|待付|未支付|待支付|作废"
)
_NO = re.compile(r"(?i)(?:0+(?:[.,]0+)?|no|not .*|n|f|false|none|nein|否|无.*|没有.*|未)$")
_LONGEST_STATE = 40
_MOST_STATES = 60
_COUNTED = frozenset(("quantity", "amount", "total"))
_COUNTED_ZH = ("数量", "金额", "件数")


def doubts(match: Match, profiles: Mapping[str, Profile], hints: Hints) -> list[str]:
    """A line for each column of ours that is not sure, that another could be, or whose name another has."""
    notes = [
        f"{ours} = {name!r}: {match.scores[ours]:.0%} sure"
        for ours, name in match.columns.items()
        if match.scores[ours] < SURE
    ]
    notes += rivals(match.table, match.columns, profiles, hints)
    notes += _refused(match, profiles, hints)
    if "rating" in match.columns and 0 < profiles[match.columns["rating"]].high < _LEAST_TOP:
        notes.append(f"rating: none is above {profiles[match.columns['rating']].high:g}; stars of 5 are read")
    if "in_stock" in match.columns:
        name = match.columns["in_stock"]
        if profiles[name].n and not any(read_stock(cell) is True for cell in profiles[name].values):
            notes.append(f"in_stock: by {name!r} there is none of any item, and none would be shown")
    return notes


def rivals(
    table: str, columns: Mapping[str, str], profiles: Mapping[str, Profile], hints: Hints
) -> list[str]:
    """A line for each of our columns that unused ones fit nearly as well, or well enough by themselves."""
    notes = []
    for ours, name in columns.items():
        if ours == "item_id" and hints.item_ids.get(name, 0.0) > _JOINED:
            continue  # a catalogue says so
        least = max(LEAST, min(SURE, score(table, ours, name, profiles[name], hints) - _NEAR))
        others = [
            other
            for other, seen in profiles.items()
            if other not in columns.values()
            and not (seen.distinct > _ALIKE and seen.values == profiles[name].values)
            and score(table, ours, other, seen, hints) >= least
        ]
        if others:
            notes.append(f"{ours}: {_listed(others)} could be meant as well as {name!r}")
    return notes


def _refused(match: Match, profiles: Mapping[str, Profile], hints: Hints) -> list[str]:
    """Columns that are called what ours is, and hold what ours cannot: a score of 10, kinds in numbers."""
    notes = []
    for name, seen in profiles.items():
        if name in match.columns.values() or not seen.n or not hints.has_names or seen.objects > 0:
            continue
        named = scores(match.table, words_for(name, hints))
        for ours in _TELLING:
            if named.get(ours, 0.0) >= _NAMED and fit(match.table, ours, seen) == NEVER:
                notes.append(f"{ours}: {name!r} is called so, but holds {_span(seen)}: it is not used")
    return notes


def _span(seen: Profile) -> str:
    if seen.low < seen.high:
        return f"{seen.low:g} to {seen.high:g}"
    return _listed(sorted(seen.values))


def undone(match: Match, profiles: Mapping[str, Profile], hints: Hints) -> list[str]:
    """What says that some rows of orders are no purchases, though all are read as such."""
    notes = []
    for name, seen in profiles.items():
        words = words_for(name, hints)
        if name in match.columns.values() or is_of_item(words) or not seen.n:
            continue
        if seen.n_distinct <= _MOST_STATES and seen.length <= _LONGEST_STATE:
            notes += _of_states(name, words, seen)
        if seen.low < 0 and (_COUNTED & {*words} or any(one in "".join(words) for one in _COUNTED_ZH)):
            notes.append(f"kind: {name!r} goes below 0: such rows, which may be returns, count as 'buy' too")
    return notes


def _of_states(name: str, words: Words, seen: Profile) -> list[str]:
    said = sorted(value for value in seen.values if not _NO.match(value))
    told = [value for value in said if _UNDONE.search(value)]
    if told:
        return [
            f"kind: {name!r} holds {_listed(told)}: such rows count as 'buy' too; kind = {name!r} with "
            "values and leave_out would leave them out"
        ]
    if said and any(map(_UNDONE.search, words)):
        return [f"kind: {name!r} holds {_listed(said)}: such rows count as 'buy' too"]
    return []


def _listed(names: list[str]) -> str:
    told = ", ".join(repr(name[:_LONGEST_STATE]) for name in names[:_SHOWN])
    return told + (" …" if len(names) > _SHOWN else "")
