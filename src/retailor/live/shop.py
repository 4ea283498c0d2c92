"""A living shop: its log, and what of it the next answer must know."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from retailor.live.events.log import Log
from retailor.live.events.reading import MAX_LATE
from retailor.live.events.recent import Recent
from retailor.live.news import LONGEST_S, Follower, News
from retailor.live.shapes import Line, Refused, Taken

EVENTS_OF = timedelta(days=1) + MAX_LATE
"""Events that came in earlier are left to the next run; items and stock are known however old."""
_OTHER = "its 'event_id' is that of another event; nothing was changed."
_FORGOTTEN = "its customer was forgotten after its 'time'; nothing of it was kept."


class LiveShop:
    """What happens in a shop: written down first, then known. Every method may be called from any thread."""

    def __init__(self, log: Log, news: News | None = None) -> None:
        self.log, self.recent, self.news = log, Recent(), news
        self.forgot: Callable[[Sequence[str]], None] = lambda user_ids: None
        """Called with who was forgotten, here or by another process, where something of them was known."""
        self._reading = threading.Lock()
        self._follower = None if news is None else Follower(self.catch_up, self.is_behind)
        self._first = datetime.now(UTC) - EVENTS_OF

    @classmethod
    def open(cls, url: str, news: News | None = None) -> Self:
        """With all that the log of that URL has of late. Raises ConfigError where it cannot be opened."""
        shop = cls(Log.open(url), news)
        shop.catch_up()
        return shop

    def catch_up(self) -> None:
        """Takes in what this process or another has written."""
        with self._reading:
            lines = self.log.since(self.recent.number, events_from=self._first)
            if not self.recent.number:
                # The log has nothing of who was forgotten: to look for them costs most, and finds nobody.
                lines = (each for each in lines if each[1].what != "forgot")
            gone = self.recent.add(lines)
        if gone:
            self.forgot(gone)

    def is_behind(self) -> bool:
        """Whether another worker has told of what must be known before the next answer."""
        return self.news is not None and self.news.newest() > self.recent.number

    def know_news(self) -> None:
        """Takes in what another worker has told of: before each answer. What cannot be read soon waits: no
        question is held up for longer than a second, and only the first."""
        if self._follower is not None:
            self._follower.know()

    def _tell(self) -> None:
        self.catch_up()
        if self.news is not None:
            self.news.tell(self.recent.number)

    def take(self, requests: Sequence[Sequence[Line]]) -> list[Taken]:
        """Writes the events of several requests at once; each gets what became of its own."""
        lines = [each for request in requests for each in request]
        if not lines:
            return [Taken(0, 0) for _ in requests]
        done = self.log.append_numbered(lines)
        there = iter(done.found)
        taken = [_taken(request, [next(there) for _ in request], done.gone) for request in requests]
        if done.new and not self._knew_all_before(done.new):
            self.catch_up()
        return taken

    def _knew_all_before(self, new: Sequence[tuple[int, Line]]) -> bool:
        """Takes in what was just written, where nothing unknown lies before it: it need not be read."""
        with self._reading:
            if new[0][0] != self.recent.number + 1:
                return False
            gone = self.recent.add(new)
        if gone:
            self.forgot(gone)
        return True

    def put_item(self, item_id: str, columns: Mapping[str, Any]) -> None:
        """A new item, or one that has changed: its row as it is from now on."""
        self._write("item", item_id, columns)

    def remove_item(self, item_id: str) -> None:
        """Takes an item out, until it is put again."""
        self._write("gone", item_id, {})

    def set_stock(self, counts: Mapping[str, float]) -> None:
        """How many there are of each item; of those with none nothing is shown until there are some."""
        now = datetime.now(UTC)
        self.log.append([_own("stock", item_id, {"n": n}, now) for item_id, n in counts.items()])
        self._tell()

    def forget(self, user_ids: Sequence[str]) -> int:
        """Forgets what some customers did; how many lines of the log that was."""
        n = self.log.forget(user_ids)
        self._tell()
        return n

    def _write(self, what: Any, item_id: str, body: Mapping[str, Any]) -> None:
        self.log.append([_own(what, item_id, body, datetime.now(UTC))])
        self._tell()

    def close(self) -> None:
        """Lets go of the log."""
        if self._follower is not None:
            self._follower.close(LONGEST_S)
        self.log.close()


def _own(what: Any, item_id: str, body: Mapping[str, Any], now: datetime) -> Line:
    return Line(uuid.uuid4().hex, what, now, item_id=item_id, body=body)


def _taken(request: Sequence[Line], there: Sequence[Line | None], gone: Collection[str]) -> Taken:
    """A line that is there already is a repetition, unless it tells something else under the same id."""
    refused = [
        Refused(i, _FORGOTTEN if line.key in gone else _OTHER)
        for i, (line, old) in enumerate(zip(request, there, strict=True))
        if line.key in gone or (old is not None and old != line)
    ]
    n_new = sum(old is None and line.key not in gone for line, old in zip(request, there, strict=True))
    return Taken(n_new, len(request) - n_new - len(refused), tuple(refused))
