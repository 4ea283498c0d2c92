"""The log of a living shop: one table, only ever added to; what is acknowledged is on the disk."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import sqlalchemy as sa

from retailor.errors import ConfigError
from retailor.live.events.database import down, go_on_behind, one_at_a_time, opened, swept
from retailor.live.shapes import Line
from retailor.shop.gone import hash_of

MANY = 500
"""Rows of one statement: SQLite binds 32,766 values at most."""
_NUMBER = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_TABLE = sa.Table(
    "retailor_log",
    sa.MetaData(),
    sa.Column("number", _NUMBER, primary_key=True, autoincrement=True),
    sa.Column("key", sa.String, nullable=False, unique=True),
    sa.Column("what", sa.String(8), nullable=False),
    sa.Column("time", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.String, index=True),
    sa.Column("item_id", sa.String),
    sa.Column("kind", sa.String(16)),
    sa.Column("rating", sa.Float),
    sa.Column("body", sa.JSON, nullable=False),
    sa.Column("received", sa.BigInteger, nullable=False),
    sqlite_autoincrement=True,
)  # fmt: skip
"""Times in milliseconds since 1970; `number` is the order of arrival and is never given twice."""
_SHOWN = _TABLE.c.what == sa.literal_column("'shown'")
_BY_SHOWN = sa.Index("retailor_log_shown", _TABLE.c.number, sqlite_where=_SHOWN, postgresql_where=_SHOWN)
"""Answers are found without the events between them."""
_FORGOT = _TABLE.c.what == sa.literal_column("'forgot'")
_BY_FORGOT = sa.Index("retailor_log_forgot", _TABLE.c.time, sqlite_where=_FORGOT, postgresql_where=_FORGOT)
DROPPED = 5_000
"""Answers deleted in one transaction, so that nobody waits for long to write."""
_BY_KEY = sa.select(_TABLE).where(_TABLE.c.key.in_(sa.bindparam("keys", expanding=True)))
_LAST = sa.select(sa.func.max(_TABLE.c.number))


@dataclass(frozen=True)
class Appended:
    """What became of lines."""

    found: list[Line | None]
    """A line's own place: the line that was there already under its key, None where there was none."""
    new: list[tuple[int, Line]]
    """Those that were written, with their numbers."""
    gone: frozenset[str] = frozenset()
    """Keys of those of customers who were forgotten after what they tell of."""


class Log:
    """A log in the database of a URL, such as `sqlite:///shop.db` or `postgresql+psycopg://host/shop`.

    Every method may be called from any thread. A database that does not answer is a ServeError 503.
    """

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine

    @classmethod
    def open(cls, url: str) -> Self:
        """The log, made where there is none. Raises ConfigError when the URL or its database is no use."""
        return cls(opened(url, _TABLE.metadata, (_BY_SHOWN, _BY_FORGOT)))

    @classmethod
    def known(cls, url: str) -> Self:
        """The log, which must be there already: a wrong path would pass for a log that has nothing."""
        try:
            place = sa.engine.make_url(url)
        except sa.exc.ArgumentError:
            return cls.open(url)
        if place.get_backend_name() == "sqlite" and not Path(place.database or "").is_file():
            raise ConfigError(
                f"there is no log of events in the file '{place.database}'; a path without a slash in front "
                "is seen from the folder that the command is called in: go there, or give the whole path.",
                key="events_url",
            )
        return cls.open(url)

    def append(self, lines: Sequence[Line]) -> list[Line | None]:
        """What `append_numbered` found in the place of each line."""
        return self.append_numbered(lines).found

    def append_numbered(self, lines: Sequence[Line]) -> Appended:
        """Writes all lines, or none of them, and returns when they are on the disk.

        A line whose key is there already is not written; nor is one of a customer who was forgotten after
        what it tells of: sent again, or on its way meanwhile, it would bring them back. Raises ServeError 503
        when the database does not answer.
        """
        first: dict[str, Line] = {}
        for each in lines:
            first.setdefault(each.key, each)
        received = _ms(datetime.now(UTC))
        try:
            with self._engine.begin() as connection:
                one_at_a_time(connection)
                old = self._by_key(connection, list(first))
                new = [each for key, each in first.items() if key not in old]
                gone = self._gone(connection, new)
                new = [each for each in new if each.key not in gone]
                last = 0
                if new:
                    rows = [_row(each) | {"received": received} for each in new]
                    connection.execute(_TABLE.insert(), rows)
                    last = int(connection.scalar(_LAST) or 0)  # nobody else writes meanwhile
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None
        found: list[Line | None] = []
        for each in lines:
            found.append(old.get(each.key))
            if each.key not in gone:
                old.setdefault(each.key, first[each.key])
        return Appended(found, list(enumerate(new, last - len(new) + 1)), gone)

    def _gone(self, connection: sa.Connection, lines: Sequence[Line]) -> frozenset[str]:
        """The keys of lines whose customers were forgotten after what they tell of."""
        theirs = [each for each in lines if each.user_id is not None]
        if not theirs:
            return frozenset()
        oldest = min(_ms(each.time) for each in theirs)
        rows = connection.execute(sa.select(_TABLE).where(_FORGOT, _TABLE.c.time >= oldest))
        forgot = [_line(row) for row in rows]
        return frozenset(each.key for each in theirs if _is_of(each, forgot)) if forgot else frozenset()

    def _by_key(self, connection: sa.Connection, keys: list[str]) -> dict[str, Line]:
        found: dict[str, Line] = {}
        for i in range(0, len(keys), MANY):
            rows = connection.execute(_BY_KEY, {"keys": keys[i : i + MANY]})
            found |= {row.key: _line(row) for row in rows}
        return found

    def since(
        self, number: int = 0, *, until: int | None = None, events_from: datetime | None = None
    ) -> Iterator[tuple[int, Line]]:
        """(number, line) of the lines after a number, in order.

        `events_from`: of events, those that came no earlier; what was put, taken out or counted is there all.
        """
        chosen = sa.select(_TABLE).where(_TABLE.c.number > number).order_by(_TABLE.c.number)
        if until is not None:
            chosen = chosen.where(_TABLE.c.number <= until)
        if events_from is not None:
            late = _TABLE.c.received >= _ms(events_from)
            chosen = chosen.where(sa.or_(late, _TABLE.c.what.not_in(("event", "shown"))))
        yield from self._read(chosen)

    def answers(self, number: int = 0) -> Iterator[tuple[int, Line]]:
        """(number, line), after a number and in order, of what was shown, of events that name an answer, and
        of who was forgotten."""
        what = _TABLE.c.what
        names = sa.and_(what == "event", _TABLE.c.body["query_id"].as_string().is_not(None))
        chosen = sa.select(_TABLE).where(_TABLE.c.number > number).order_by(_TABLE.c.number)
        yield from self._read(chosen.where(sa.or_(what.in_(("shown", "forgot")), names)))

    def reached(self, goal: Collection[str]) -> Iterator[tuple[int, Line]]:
        """(number, line), in order, of who was answered by an arm, and of events of the kinds of a goal."""
        what = _TABLE.c.what
        goals = sa.and_(what == "event", _TABLE.c.kind.in_(list(goal)))
        yield from self._read(
            sa.select(_TABLE).where(sa.or_(what == "exposed", goals)).order_by(_TABLE.c.number)
        )

    def number_of_answer(self, n: int) -> int:
        """The number behind which the latest n answers are; 0 where there are no more."""
        chosen = sa.select(_TABLE.c.number).where(_SHOWN)
        try:
            with self._engine.connect().execution_options(reads=True) as connection:
                found = connection.scalar(chosen.order_by(_TABLE.c.number.desc()).offset(n).limit(1))
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None
        return int(found or 0)

    def drop_answers(self, before: datetime) -> int:
        """Deletes what was shown before an instant; how many answers that was."""
        oldest = sa.select(_TABLE.c.number, _TABLE.c.time).where(_SHOWN).order_by(_TABLE.c.number)
        n = 0
        try:
            while True:
                with self._engine.begin() as connection:
                    one_at_a_time(connection)
                    rows = connection.execute(oldest.limit(DROPPED)).all()
                    old = [row.number for row in rows if row.time < _ms(before)]
                    for i in range(0, len(old), MANY):
                        connection.execute(_TABLE.delete().where(_TABLE.c.number.in_(old[i : i + MANY])))
                n += len(old)
                if len(old) < DROPPED:
                    return n
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None

    def _read(self, chosen: sa.Select[Any]) -> Iterator[tuple[int, Line]]:
        try:
            with self._engine.connect().execution_options(reads=True, yield_per=10_000) as connection:
                rows = connection.execute(chosen)
                for row in rows:
                    yield row.number, _line(row)
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None

    def forget(self, user_ids: Sequence[str]) -> int:
        """Deletes the lines of some customers; how many there were.

        SQLite keeps no bytes of them, PostgreSQL some in its log of writes until that is recycled.

        A line in their place, which names nobody, has every server of the log forget them too.
        """
        mine = _TABLE.c.user_id.in_(list(user_ids))
        lines = [_forgot(each) for each in user_ids]
        try:
            with self._engine.begin() as connection:
                one_at_a_time(connection)
                n = int(connection.execute(_TABLE.delete().where(mine)).rowcount)
                now = _ms(datetime.now(UTC))
                connection.execute(_TABLE.insert(), [_row(each) | {"received": now} for each in lines])
            swept(self._engine, _TABLE.name)
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None
        return n

    def forget_until(self, people: Mapping[str, datetime]) -> int:
        """Deletes what came in of some customers until an instant each; how many lines that was."""
        column = _TABLE.c
        try:
            with self._engine.begin() as connection:
                one_at_a_time(connection)
                n = sum(
                    connection.execute(
                        _TABLE.delete().where(column.user_id == user_id, column.received <= _ms(at))
                    ).rowcount
                    for user_id, at in people.items()
                )
            if n:
                swept(self._engine, _TABLE.name)
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None
        return n

    def user_ids(self) -> list[str]:
        """The customers that lines name."""
        chosen = sa.select(_TABLE.c.user_id).where(_TABLE.c.user_id.is_not(None)).distinct()
        try:
            with self._engine.connect().execution_options(reads=True) as connection:
                return list(connection.scalars(chosen))
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None

    def go_on_behind(self, number: int) -> bool:
        """Has the next line get a number behind this one; whether it would have had another."""
        try:
            with self._engine.begin() as connection:
                one_at_a_time(connection)
                return go_on_behind(connection, _TABLE.name, number)
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None

    def of(self, user_ids: Sequence[str]) -> list[tuple[int, Line]]:
        """The lines of some customers, in order."""
        chosen = sa.select(_TABLE).where(_TABLE.c.user_id.in_(list(user_ids))).order_by(_TABLE.c.number)
        try:
            with self._engine.connect().execution_options(reads=True) as connection:
                return [(row.number, _line(row)) for row in connection.execute(chosen)]
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None

    def last(self) -> int:
        """The number of the last line, 0 where there is none."""
        try:
            with self._engine.connect().execution_options(reads=True) as connection:
                return int(connection.scalar(_LAST) or 0)
        except sa.exc.SQLAlchemyError as error:
            raise down(error) from None

    def close(self) -> None:
        """Lets go of the database."""
        self._engine.dispose()


def _forgot(user_id: str) -> Line:
    salt = secrets.token_hex(16)
    body = {"salt": salt, "hash": hash_of(user_id, salt)}
    return Line(f"forgot-{secrets.token_hex(16)}", "forgot", datetime.now(UTC), body=body)


def _is_of(line: Line, gone: Sequence[Line]) -> bool:
    """Whether a line is of somebody who was forgotten after it."""
    return line.user_id is not None and any(
        line.time <= each.time and hash_of(line.user_id, str(each.body["salt"])) == each.body["hash"]
        for each in gone
    )


def _ms(time: datetime) -> int:
    return round(time.timestamp() * 1000)


def _row(line: Line) -> dict[str, Any]:
    names = ("key", "what", "user_id", "item_id", "kind", "rating")
    return {name: getattr(line, name) for name in names} | {
        "time": _ms(line.time),
        "body": dict(line.body),
    }


def _line(row: Any) -> Line:
    time = datetime.fromtimestamp(row.time / 1000, UTC)
    return Line(row.key, row.what, time, row.user_id, row.item_id, row.kind, row.rating, row.body)
