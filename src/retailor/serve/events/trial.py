"""An experiment while it is served: queries changed by the customer's arm, and who was answered by which."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from pydantic import ValidationError

from retailor.errors import ConfigError
from retailor.live.settings import ExperimentSettings
from retailor.live.shapes import Line
from retailor.live.watch.experiment import arm_of, exposure
from retailor.serve.events.unwritten import Unwritten
from retailor.tasks.entry import Entry

MAX_KNOWN = 1_000_000
"""Customers who are remembered to have been told of; the log takes a customer once anyway."""


class Trial:
    """Safe from any thread. Raises ConfigError for a task or a change that there is not."""

    def __init__(self, settings: ExperimentSettings, entries: Mapping[str, Entry]) -> None:
        if settings.task not in entries:
            raise ConfigError(f"experiment.task: there is no task '{settings.task}'.", key="task")
        self.settings = settings
        self._changes = {
            arm: _values(entries[settings.task], arm, change) for arm, change in settings.changes.items()
        }
        self._lock = threading.Lock()
        self._known: set[str] = set()
        self._new = Unwritten(MAX_KNOWN)

    def query(self, kind: str, query: Any) -> Any:
        """The query as the customer's arm has it."""
        arm = self.arm(kind, getattr(query, "user_id", None))
        return query if arm is None else replace(query, **self._changes.get(arm, {}))

    def note(self, kind: str, user_id: str | None) -> None:
        """Notes, once a customer, that they are answered by their arm."""
        if kind != self.settings.task or user_id is None:
            return
        with self._lock:
            if user_id not in self._known:
                if len(self._known) >= MAX_KNOWN:
                    self._known.clear()
                self._known.add(user_id)
                self._new.add(exposure(self.settings, user_id, datetime.now(UTC)))

    def arm(self, kind: str, user_id: str | None) -> str | None:
        """The arm that a customer's query of a task was answered by."""
        return arm_of(self.settings, user_id) if user_id is not None and kind == self.settings.task else None

    def write(self, append: Callable[[Sequence[Line]], Any]) -> None:
        """Writes what is not yet written; what cannot be is kept for the next time."""
        self._new.write(append)

    def forget(self, user_ids: Sequence[str]) -> None:
        """What was not yet written of some customers never is."""
        self._new.forget(user_ids)
        with self._lock:
            self._known -= set(user_ids)


def _values(entry: Entry, arm: str, change: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the query that a change gives, checked as those of a request."""
    body: Any = entry.http.body
    for name in change:
        if name not in body.model_fields or name == "user_id":
            known = ", ".join(each for each in body.model_fields if each != "user_id")
            raise ConfigError(f"experiment.changes.{arm}: there is no '{name}'; known: {known}.", key=name)
    try:
        query = body.model_validate(dict(change)).query()
    except ValidationError as error:
        told = error.errors()[0]["msg"]
        raise ConfigError(f"experiment.changes.{arm}: {told}.", key="changes") from None
    return {name: getattr(query, name) for name in change}
