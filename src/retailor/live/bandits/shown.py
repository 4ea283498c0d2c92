"""What an answer showed, and with which probability each item stood where it stood: a line of the log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from retailor.live.shapes import Line

KEY = "shown-"
N_SEEN = 10
"""So many of the customer's latest items are kept beside: what was known of them when they were answered."""


@dataclass(frozen=True)
class Shown:
    """An answer as it was shown. `query_id` is what a click names."""

    query_id: str
    task: str
    items: tuple[str, ...]
    """Best first."""
    propensities: tuple[float, ...] | None
    """Of each item: how probable it was that it stood there; None where nobody knows."""
    time: datetime
    user_id: str | None = None
    first: int = 1
    """The place of the first item: another than 1 on later pages."""
    pool: tuple[str, ...] = ()
    """What the order was chosen from, in the order of the task itself; empty where nothing was chosen."""
    seen: tuple[str, ...] = ()
    """The customer's latest items by then, oldest first."""
    by: str = "task"
    """Whose order it is: that of the task, `base` (held as the task has it), `mean` or `draw` of a bandit."""
    arm: str | None = None
    run: str = ""
    """The beginning of the fingerprint of what answered."""

    def line(self) -> Line:
        """The line of the log."""
        body: dict[str, Any] = {
            "task": self.task, "items": list(self.items), "by": self.by, "run": self.run,
            "propensities": None if self.propensities is None else [round(p, 6) for p in self.propensities],
        }  # fmt: skip
        body |= {name: list(getattr(self, name)) for name in ("pool", "seen") if getattr(self, name)}
        body |= {"first": self.first} if self.first != 1 else {}
        body |= {"arm": self.arm} if self.arm is not None else {}
        return Line(KEY + self.query_id, "shown", self.time, self.user_id, body=body)


def shown_of(line: Line) -> Shown:
    """The inverse of `Shown.line`."""
    body = line.body
    told = body.get("propensities")
    return Shown(
        line.key.removeprefix(KEY),
        str(body["task"]),
        tuple(body["items"]),
        None if told is None else tuple(map(float, told)),
        line.time,
        line.user_id,
        int(body.get("first", 1)),
        tuple(body.get("pool", ())),
        tuple(body.get("seen", ())),
        str(body["by"]),
        body.get("arm"),
        str(body.get("run", "")),
    )


@dataclass(frozen=True)
class Chosen:
    """An item of an answer that was chosen."""

    query_id: str
    item_id: str
    kind: str


def chosen_of(line: Line) -> Chosen | None:
    """The choice that an event tells, None where it names no answer."""
    query_id = line.body.get("query_id") if line.what == "event" else None
    if not query_id or line.item_id is None or line.kind is None:
        return None
    return Chosen(str(query_id), line.item_id, line.kind)


def joined(
    lines: Iterable[Line], goal: Iterable[str], *, task: str = "recommend"
) -> list[tuple[Shown, frozenset[str]]]:
    """Each answer of a task with those of its items that were chosen, in the order in which they were shown.

    An item counts once, however often it was clicked; choices that name an answer or an item that is not
    there are left out.
    """
    kinds, shown = set(goal), dict[str, Shown]()
    chosen: dict[str, set[str]] = {}
    for line in lines:
        if line.what == "shown":
            one = shown_of(line)
            if one.task == task:
                shown[one.query_id] = one
        elif (found := chosen_of(line)) is not None and found.kind in kinds:
            chosen.setdefault(found.query_id, set()).add(found.item_id)
    nothing: Mapping[str, set[str]] = {}
    return [
        (one, frozenset(chosen.get(one.query_id, nothing)) & frozenset(one.items)) for one in shown.values()
    ]
