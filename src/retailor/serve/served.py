"""What is served at one moment: a run's tasks with their batchers, its shop, and what has happened since."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from retailor.errors import ServeError
from retailor.live.events.recent import Recent
from retailor.serve.batching import Batcher
from retailor.shop.hidden import Hidden
from retailor.shop.pseudonyms import Pseudonyms
from retailor.shop.tables import Shop
from retailor.shop.view import ShopView
from retailor.tasks.entry import Entry
from retailor.tasks.shapes import Task


@dataclass(frozen=True)
class Reply:
    """An answer, and what the server knows about it."""

    answer: Any
    fingerprint: str
    cached: bool
    view: ShopView
    """The shop that it is of."""
    notes: Mapping[str, Any] = field(default_factory=dict)
    """What `Entry.checked` noted of the query."""
    key: str | None = None
    """All that made the reply, but for the language; None where each one is noted, and so another."""
    query_id: str = ""
    """What a click on one of its items names; '' where what was shown is not noted."""


@dataclass(frozen=True)
class Understood:
    """A query as a task gets it, whose it is, and what was noted of it."""

    query: Any
    user_id: str | None
    notes: Mapping[str, Any]


@dataclass(frozen=True)
class Loaded:
    """A task that answers."""

    entry: Entry
    task: Task[Any, Any]
    """As it was fitted."""
    fitted: str
    """The fingerprint of that."""
    fingerprint: str
    """Of what answers: another one, and no remembered answer is its."""
    batcher: Batcher[Any, Any]
    adapter: TypeAdapter[Any]
    now: Task[Any, Any]
    """As it answers: with what has happened since."""
    number: int = 0
    """Of the last entry of the log that the task knows."""
    items_number: int = 0
    """Of the last one whose items it knows: new items do not wait for events to be counted."""

    def read(self, value: bytes | None) -> Any:
        """The answer in a cache entry; one that does not read (another version wrote it) is a miss."""
        if value is None:
            return None
        try:
            return self.adapter.validate_json(value)
        except ValidationError:
            return None


@dataclass(frozen=True)
class ServedRun:
    """What is served at one moment. A reload puts a whole new one in its place."""

    name: str
    tasks: Mapping[str, Loaded]
    absent: Mapping[str, str]
    view: ShopView
    shop: Shop
    """Its items and events, as they were fitted."""
    number: int = 0
    """Of the last line of the log that they have in them."""
    pseudonyms: Pseudonyms | None = None
    insight: Path | None = None
    pictures: Path | None = None
    """Where the paths of the items' pictures start."""

    @property
    def sees(self) -> bool:
        """Whether a search may be made by a picture."""
        return any(getattr(loaded.now, "sees", False) for loaded in self.tasks.values())

    def own(self, user_id: str | None) -> str | None:
        """The id that this run knows a customer by, from the shop's own id or from that one itself."""
        return user_id if user_id is None or self.pseudonyms is None else self.pseudonyms.of(user_id)

    def task(self, kind: str) -> Loaded:
        """The task of that name. ServeError 501 that says why there is none."""
        if kind not in self.tasks:
            why = f": {self.absent[kind]}" if kind in self.absent else "."
            raise ServeError(
                f"this run has no '{kind}' task; it has {', '.join(self.tasks)}{why}", status=501
            )
        return self.tasks[kind]

    def is_answering(self) -> bool:
        """Whether a question waits or is being answered."""
        return any(loaded.batcher.is_busy() for loaded in self.tasks.values())

    def parts(self) -> list[weakref.ref[Any]]:
        """Itself and what answers, to tell whether anybody has them still."""
        tasks = self.tasks.values()
        return [weakref.ref(each) for each in (self, *tasks, *(loaded.batcher for loaded in tasks))]

    def close(self, timeout_s: float) -> None:
        """Answers what waits, and ends the threads."""
        for loaded in self.tasks.values():
            loaded.batcher.close(timeout_s)


@dataclass(frozen=True)
class Since:
    """What has happened after what a task knows, beside what the catalogue says of its stock."""

    recent: Recent
    number: int
    sold_out: Hidden

    def items_of(self, user_id: str) -> tuple[str, ...]:
        return self.recent.items_of(user_id, self.number)

    def not_to_show(self) -> Hidden:
        return self.recent.not_to_show(self.sold_out)


def state_of(run: ServedRun | None, *, show_insight: bool) -> dict[str, Any]:
    """Whether questions can be answered, and what: tasks with fingerprints, those left out, sizes."""
    if run is None:
        return {
            "ready": False, "name": "", "tasks": {}, "absent": {}, "n_items": 0, "n_sold_out": 0,
            "n_customers": 0, "insight": False, "pictures": False, "sees": False,
        }  # fmt: skip
    return {
        "ready": True,
        "name": run.name,
        "tasks": {kind: loaded.fingerprint[:12] for kind, loaded in run.tasks.items()},
        "absent": dict(run.absent),
        "n_items": run.view.n_items,
        "n_sold_out": len(run.view.sold_out),
        "n_customers": run.view.n_customers,
        "insight": run.insight is not None and show_insight,
        "pictures": run.pictures is not None and run.pictures.is_dir(),
        "sees": run.sees,
    }
