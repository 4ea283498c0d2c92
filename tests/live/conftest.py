"""A log's URL: a file of SQLite, and where PostgreSQL is installed a fresh database of a real server."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from retailor.live.log import Log


def _program(name: str) -> str | None:
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def _run(*command: str) -> None:
    """As somebody else where we are root: PostgreSQL does not run as root."""
    other = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []
    subprocess.run([*other, *command], check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Path]:
    """The folder with the socket of a server of its own."""
    initdb, control = _program("initdb"), _program("pg_ctl")
    if initdb is None or control is None:
        pytest.skip("PostgreSQL is not installed")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        if os.geteuid() == 0:
            shutil.chown(folder, "postgres")
        _run(initdb, "-D", f"{folder}/data", "-A", "trust", "-U", "retailor")
        options = f"-k {folder} -c listen_addresses='' -c fsync=on"
        _run(control, "-D", f"{folder}/data", "-o", options, "-l", f"{folder}/log", "-w", "start")
        try:
            yield folder
        finally:
            _run(control, "-D", f"{folder}/data", "-m", "immediate", "stop")


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
