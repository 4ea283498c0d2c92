"""A log that came back from a backup, older than the run beside it: numbers go on, and nobody comes back."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from retailor.live.events.log import Log
from retailor.shop.gone import Note


@dataclass(frozen=True)
class Restored:
    """What had to be done: the number at which the log goes on, None where it need not be moved, and how many
    lines of people who had been forgotten since were deleted again."""

    goes_on_at: int | None
    n_forgotten: int


def restored(log: Log, number: int, note: Note) -> Restored:
    """Makes a log fit to be written on beside a run that was fitted on the lines up to `number`.

    Lines that it lost are in the run, or nowhere. New ones get numbers behind those that the run knows, or
    they would be taken for some of these; and what people did before `note` forgot them is deleted again.
    Changes nothing where the log is newer. ServeError 503 when the database does not answer.
    """
    is_behind = log.go_on_behind(number)
    until = {
        user_id: datetime.fromisoformat(at).astimezone(UTC)
        for user_id in (log.user_ids() if note.people else ())
        if (at := note.people.get(note.hash_of(user_id))) is not None
    }
    return Restored(number + 1 if is_behind else None, log.forget_until(until) if until else 0)
