"""A log's URL: a file of SQLite, and where PostgreSQL is installed a fresh database of a real server."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from retailor.live.events.log import Log


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'shop.db'}"
    import sqlalchemy as sa

    socket = request.getfixturevalue("postgresql")
    name = f"shop_{uuid.uuid4().hex[:12]}"
    server = f"postgresql+psycopg://retailor@/{{}}?host={socket}"
    engine = sa.create_engine(server.format("postgres"), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return server.format(name)


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Closes every log that a test opens."""
    opened: list[Log] = []
    open_log = Log.open

    def remembered(url: str) -> Log:
        opened.append(open_log(url))
        return opened[-1]

    monkeypatch.setattr(Log, "open", remembered)
    yield
    for log in opened:
        log.close()
