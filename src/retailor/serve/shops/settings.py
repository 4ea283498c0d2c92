"""Which shops a server has, by a file or by the command line, and that nothing of one is another's."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from retailor.errors import ConfigError, DataError, nearest
from retailor.live.settings import DriftSettings
from retailor.live.standing import refreshes_of
from retailor.plan.settings import changed
from retailor.serve.door.keys import ROLES, Keys
from retailor.serve.settings import ServeSettings

if TYPE_CHECKING:
    from sqlalchemy.engine import URL

_NAME = re.compile("[a-z0-9](?:[a-z0-9-]{0,38}[a-z0-9])?")
OF_THE_SERVER = (
    "host", "port", "threads", "header_timeout_s", "body_timeout_s", "max_connections", "stop_timeout_s",
    "workers", "backend", "provider",
)  # fmt: skip
"""What one process can have only once; `threads` of them are each shop's own."""
_HERE = ("localhost", "127.0.0.1", "::1")
_PORTS = {"postgresql": "5432"}
_SCHEMA = re.compile(r"(?:-c\s*|--)search[_-]path=([^\s,]+)")
"""The first schema of a search path: there the table is made."""
_HEAD = ("operator_key_env", "serve", "shops")


@dataclass(frozen=True)
class OneShop:
    """A shop that is to be served."""

    name: str
    folder: Path
    settings: ServeSettings
    drift: DriftSettings | None = None


@dataclass(frozen=True)
class Asked:
    """Which shops are asked for: where each run is, and its settings; `serve` has what is said of all."""

    places: Mapping[str, str]
    own: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    serve: Mapping[str, Any] = field(default_factory=dict)
    operator_key_env: str | None = None
    """The variable with the key of who runs the server: who may read the figures of all shops."""

    def server(self, options: Mapping[str, Any], overrides: Mapping[str, str]) -> ServeSettings:
        """What the process has once, by the file, `options` and `overrides`; no run's plan says it."""
        once = (*OF_THE_SERVER, "hosts")
        values = {key: value for key, value in _laid(self.serve, options).items() if key in once}
        ours = {key: text for key, text in overrides.items() if key in once}
        return changed(ServeSettings, values, ours, "[serve]")

    def settings_of(
        self, name: str, planned: Mapping[str, Any], options: Mapping[str, Any], overrides: Mapping[str, str]
    ) -> ServeSettings:
        """Those of one shop: of its run's plan, over it what is said of all, then of it alone.

        In a text `{shop}` is the shop's name, and `{SHOP}` the name as a variable has it.
        """
        values = _laid(_laid(planned, self.serve), _laid(self.own.get(name, {}), options))
        said = changed(ServeSettings, values, overrides, f"[shops.{name}]")
        server = self.server(options, overrides)
        words = {
            key: value.replace("{shop}", name).replace("{SHOP}", name.upper().replace("-", "_"))
            for key, value in vars(said).items()
            if isinstance(value, str)
        }
        return replace(said, **{**words, **{key: getattr(server, key) for key in OF_THE_SERVER}})


def asked_for(file: str | None, pairs: Sequence[str]) -> Asked:
    """What a file, or else pairs, ask for. Raises ConfigError for both and for neither."""
    if (file is None) == (not pairs):
        raise ConfigError(
            "serve takes the folder of a run, or a file of shops, or --shop NAME=RUN for each of several.",
            key="shop",
        )
    return asked_by(pairs) if file is None else read_shops(Path(file))


def asked_by(pairs: Sequence[str]) -> Asked:
    """What `--shop NAME=RUN`, said once for each, asks for. Raises ConfigError."""
    places: dict[str, str] = {}
    for pair in pairs:
        name, is_there, place = pair.partition("=")
        if not is_there or not place:
            raise ConfigError(f"--shop takes NAME=RUN, not '{pair}'.", key="shop", value=pair)
        if name in places:
            raise ConfigError(f"--shop: two shops are called '{name}'.", key="shop", value=name)
        places[_checked(name)] = place
    return Asked(places)


def read_shops(path: Path) -> Asked:
    """What a TOML file asks for: `[shops.NAME]` with `run` and settings, `[serve]` for all of them.

    A folder is looked for from the file's. Raises DataError for no TOML, ConfigError for what it says.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"cannot be read ({error.strerror}).", path=path) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"this is not valid TOML: {error}.", path=path) from None
    for key in said:
        if key not in _HEAD:
            raise ConfigError(
                f"{path}: there is no '{key}' in a file of shops; it has {', '.join(_HEAD)}.",
                key=key, nearest=nearest(key, _HEAD),
            )  # fmt: skip
    shops = said.get("shops")
    if not isinstance(shops, dict) or not shops:
        raise ConfigError(f'{path}: no shop; write [shops.NAME] with run = "FOLDER".', key="shops")
    places: dict[str, str] = {}
    own: dict[str, dict[str, Any]] = {}
    for name, table in shops.items():
        where = f"{path}: [shops.{_checked(name)}]"
        if not isinstance(table, dict) or not isinstance(table.get("run"), str):
            raise ConfigError(f'{where} needs run = "FOLDER", where its run lies.', key="run")
        own[name] = {key: value for key, value in table.items() if key != "run"}
        for key in own[name]:
            if key in OF_THE_SERVER:
                raise ConfigError(
                    f"{where}: '{key}' is the server's, and said once, in [serve].", key=key, value=name
                )
        place = table["run"]
        places[name] = place if "://" in place else str(path.parent / place)
    key_env = said.get("operator_key_env")
    if key_env is not None and not isinstance(key_env, str):
        raise ConfigError(f"{path}: 'operator_key_env' is the name of a variable.", key="operator_key_env")
    return Asked(places, own, said.get("serve", {}), key_env)


def check_apart(shops: Sequence[OneShop], operator: Keys) -> None:
    """That no two shops have a run, a log of events or a key in common; else ConfigError names both."""
    for i, one in enumerate(shops):
        for other in shops[:i]:
            both = f"the shops '{other.name}' and '{one.name}'"
            if _same_run(one.folder, other.folder):
                raise ConfigError(
                    f"{both} are one run, or a run within the other's: {one.folder}.", key="run"
                )
            if one.settings.events_url is not None and _log(one) == _log(other):
                raise ConfigError(
                    f"{both} have one log of events, in which each would find the other's; "
                    "write {shop} where the name stands in its URL.",
                    key="events_url",
                )
            if _keys(Keys.of(one.settings)) & _keys(Keys.of(other.settings)):
                raise ConfigError(f"a key of {both} is the same; each shop has keys of its own.", key="shops")
        if _keys(Keys.of(one.settings)) & _keys(operator):
            raise ConfigError(
                f"a key of the shop '{one.name}' is the operator's, who sees figures of all shops.",
                key="operator_key_env",
            )


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"'{name}' cannot name a shop: at most 40 of a-z, 0-9 and '-', which neither begins nor ends it.",
            key="shops",
            value=name,
        )
    return name


def _laid(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Both, what is said above holds; tables are laid over each other."""
    made = dict(below)
    for key, value in above.items():
        is_table = isinstance(value, Mapping) and isinstance(made.get(key), Mapping)
        made[key] = _laid(made[key], value) if is_table else value
    return made


def _keys(keys: Keys) -> set[bytes]:
    return {key for role in ROLES if (key := getattr(keys, role)) is not None}


def _same_run(one: Path, other: Path) -> bool:
    """Whether one folder, or one below the other or its refreshes: what is forgotten there is in both."""
    a, b = one.resolve(), other.resolve()
    return any(
        x == y or x.is_relative_to(y) or x.is_relative_to(refreshes_of(y)) for x, y in ((a, b), (b, a))
    )


def _log(shop: OneShop) -> object:
    """What tells one log of events from another: where it is, not how it is written."""
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    if shop.settings.events_url is None:
        return None
    try:
        url = make_url(shop.settings.events_url)
    except ArgumentError:
        return shop.settings.events_url  # it is told when it is opened
    return _file_of(url) if url.get_backend_name() == "sqlite" else _database_of(url)


def _file_of(url: URL) -> object:
    """A file is known by its place on the disk, where it is there: a link leads to it, too."""
    named = (url.database or "").removeprefix("file:")
    if named in ("", ":memory:"):
        return object()  # each has its own
    path = Path(named).resolve()
    try:
        about = path.stat()
    except OSError:
        return "sqlite", path
    return "sqlite", about.st_dev, about.st_ino


def _database_of(url: URL) -> object:
    """Host, port, database and schema, with what a client takes where they are not said; how it connects says
    nothing of where to."""
    said = {key: value if isinstance(value, str) else ",".join(value) for key, value in url.query.items()}
    host = (said.get("hostaddr") or said.get("host") or url.host or "localhost").lower().rstrip(".")
    host = "localhost" if host in _HERE or host.startswith("/") else host
    port = str(url.port or said.get("port") or _PORTS.get(url.get_backend_name(), ""))
    database = url.database or said.get("dbname") or url.username or said.get("user")
    schema = _SCHEMA.findall(said.get("options", ""))
    return url.get_backend_name(), host, port, database, schema[-1] if schema else "public"
