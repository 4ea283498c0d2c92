"""Which shops a server has: by a file, by the command line, and what is refused before anything is opened."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from retailor.errors import ConfigError, DataError, RetailorError
from retailor.serve.door.keys import Keys
from retailor.serve.settings import ServeSettings
from retailor.serve.shops.server import serve_shops
from retailor.serve.shops.settings import Asked, OneShop, asked_by, asked_for, check_apart, read_shops
from retailor.testing.serving import TOY_TASKS

FILE = """
operator_key_env = "OPERATOR"
[serve]
host = "0.0.0.0"
port = 8080
events_url = "sqlite:///{shop}.db"
api_key_env = "{SHOP}_KEY"
bandit = {floor = 0.7}
impressions = {tasks = ["recommend"]}
[shops.north]
run = "out/north"
[shops.far-south]
run = "s3://bucket/south"
max_queue = 7
bandit = {explore = 0.3}
"""


def test_a_file_names_shops_and_what_all_of_them_have(tmp_path: Path) -> None:
    (tmp_path / "shops.toml").write_text(FILE)
    asked = read_shops(tmp_path / "shops.toml")
    assert asked.places == {"north": str(tmp_path / "out/north"), "far-south": "s3://bucket/south"}
    planned = {"port": 99, "max_queue": 5, "memory_mb": 1, "bandit": {"pool": 40}}
    north = asked.settings_of("north", planned, {}, {})
    south = asked.settings_of("far-south", planned, {"memory_mb": 2}, {"max_batch": "3", "port": "81"})
    assert (north.host, north.port, north.max_queue, north.memory_mb) == ("0.0.0.0", 8080, 5, 1)
    assert (south.port, south.max_queue, south.memory_mb, south.max_batch) == (81, 7, 2, 3)
    assert (north.events_url, south.events_url) == ("sqlite:///north.db", "sqlite:///far-south.db")
    assert (north.api_key_env, south.api_key_env) == ("NORTH_KEY", "FAR_SOUTH_KEY")
    assert (south.bandit.explore, south.bandit.floor, south.bandit.pool) == (0.3, 0.7, 40)
    assert asked.server({}, {"port": "82"}).port == 82 and asked.operator_key_env == "OPERATOR"


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("[shops", "not valid TOML"),
        ("[serve]\nport = 1", "no shop"),
        ("[shop.a]\nrun = 'x'", "Did you mean 'shops'|no 'shop'"),
        ("[shops.a]\nport = 1", "needs run"),
        ("[shops.a]\nrun = 3", "needs run"),
        ("[shops.a]\nrun = 'x'\nport = 3", "'port' is the server's"),
        ("[shops.A]\nrun = 'x'", "cannot name a shop"),
        ("[shops.'a/b']\nrun = 'x'", "cannot name a shop"),
        ("[shops.-a]\nrun = 'x'", "cannot name a shop"),
        ("[shops.a]\nrun = 'x'\n[shops.a]\nrun = 'y'", "not valid TOML"),
        ("operator_key_env = 3\n[shops.a]\nrun = 'x'", "the name of a variable"),
    ],
)
def test_a_bad_file_is_told(said: str, told: str, tmp_path: Path) -> None:
    path = tmp_path / "shops.toml"
    path.write_text(said)
    with pytest.raises(RetailorError, match=told):
        read_shops(path)


def test_an_unknown_setting_names_its_shop(tmp_path: Path) -> None:
    asked = Asked({"a": "x"}, {"a": {"max_quue": 3}})
    with pytest.raises(ConfigError, match=r"\[shops.a\].*max_quue"):
        asked.settings_of("a", {}, {}, {})


@pytest.mark.parametrize(
    ("pairs", "told"),
    [
        (["a=x", "a=y"], "two shops are called 'a'"), (["a"], "takes NAME=RUN"), (["a="], "takes NAME=RUN"),
        (["=x"], "cannot name"), (["a b=x"], "cannot name"), ([f"{'a' * 41}=x"], "cannot name"),
        (["店=x"], "cannot name"), (["a\n=x"], "cannot name"),
    ],
)  # fmt: skip
def test_bad_names_and_doubled_ones_are_told(pairs: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        asked_by(pairs)


def test_a_file_or_pairs_not_both_not_neither() -> None:
    assert asked_for(None, ["a=x", "b=y=z"]).places == {"a": "x", "b": "y=z"}
    for file, pairs in (("f.toml", ["a=x"]), (None, [])):
        with pytest.raises(ConfigError, match="serve takes"):
            asked_for(file, pairs)
    with pytest.raises(DataError, match="cannot be read"):
        asked_for("/no/such.toml", [])


def shops_of(folder: Path, **more: dict[str, Any]) -> list[OneShop]:
    return [OneShop(name, folder / name, ServeSettings(**values)) for name, values in more.items()]


def test_what_two_shops_may_not_have_in_common(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"A": "one", "B": "two", "C": "one", "ADMIN": "three"}.items():
        monkeypatch.setenv(name, value)
    good = shops_of(
        tmp_path,
        a={"api_key_env": "A", "events_url": f"sqlite:///{tmp_path}/a.db"},
        b={"api_key_env": "B", "admin_key_env": "ADMIN", "events_url": f"sqlite:///{tmp_path}/b.db"},
    )
    check_apart(good, Keys())
    bad: dict[str, list[OneShop]] = {
        "a key of the shops 'a' and 'b' is the same": shops_of(
            tmp_path, a={"api_key_env": "A"}, b={"api_key_env": "B", "admin_key_env": "C"}
        ),
        "have one log of events": shops_of(
            tmp_path, a={"events_url": f"sqlite:///{tmp_path}/x.db"}, b={"events_url": f"sqlite:///{tmp_path}/./x.db"}
        ),
        "one log": shops_of(
            tmp_path, a={"events_url": "postgresql+psycopg://u:p@h/d"}, b={"events_url": "postgresql+psycopg://v:q@h/d"}
        ),
        "are one run": [good[0], OneShop("b", tmp_path / "x" / ".." / "a", ServeSettings())],
        "within the other": [good[0], OneShop("b", tmp_path / "a.refresh" / "0001" / "run", ServeSettings())],
        "a run within": [OneShop("a", tmp_path / "a" / "inner", ServeSettings()), good[0]],
    }  # fmt: skip
    for told, shops in bad.items():
        with pytest.raises(ConfigError, match=told):
            check_apart(shops, Keys())
    with pytest.raises(ConfigError, match="operator's"):
        check_apart(good, Keys.of(ServeSettings(api_key_env="ADMIN")))


PG = "postgresql+psycopg://u:p@h/d"
OF_NORTH = "?options=-csearch_path%3Dnorth"


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (PG, "postgresql://v@h:5432/d", True),
        (PG, f"{PG}?sslmode=require", True),
        (PG, "postgresql://H./d", True),
        (PG, "postgresql://h/e", False),
        (PG, "postgresql://i/d", False),
        (PG, "postgresql://h:5433/d", False),
        ("postgresql:///d", "postgresql://127.0.0.1/d", True),
        ("postgresql:///d?host=/run/pg", "postgresql:///d", True),
        ("postgresql://h/d", "postgresql:///d?host=h&port=5432", True),
        ("postgresql://d@h", "postgresql://x@h/d", True),
        (PG + OF_NORTH, PG, False),
        (PG + OF_NORTH, PG + OF_NORTH.replace("north", "south"), False),
        (PG + OF_NORTH, "postgresql://h/d?options=--search_path%3Dnorth,public", True),
        (PG, f"{PG}?options=-c%20search_path%3Dpublic", True),
        ("sqlite:///DIR/a.db", "sqlite:///DIR/link.db", True),
        ("sqlite:///DIR/a.db", "sqlite:///DIR/hard.db", True),
        ("sqlite:///DIR/new.db", "sqlite:///DIR/x/../new.db", True),
        ("sqlite:///DIR/a.db", "sqlite:///DIR/b.db", False),
        ("sqlite://", "sqlite://", False),
    ],
)
def test_one_log_however_it_is_written(one: str, other: str, is_same: bool, tmp_path: Path) -> None:
    """Two shops in one would each find what the other's customers did."""
    (tmp_path / "a.db").touch()
    (tmp_path / "b.db").touch()
    (tmp_path / "link.db").symlink_to(tmp_path / "a.db")
    (tmp_path / "hard.db").hardlink_to(tmp_path / "a.db")
    urls = {
        name: {"events_url": url.replace("DIR", str(tmp_path))} for name, url in (("a", one), ("b", other))
    }
    shops = shops_of(tmp_path, **urls)
    if is_same:
        with pytest.raises(ConfigError, match="have one log of events"):
            check_apart(shops, Keys())
    else:
        check_apart(shops, Keys())


def test_several_workers_are_for_one_shop(tmp_path: Path) -> None:
    two = "[shops.a]\nrun = 'a'\n[shops.b]\nrun = 'b'\n"
    (tmp_path / "shops.toml").write_text(f"[serve]\nworkers = 2\n{two}")
    settings = read_shops(tmp_path / "shops.toml").server({}, {})
    with pytest.raises(ConfigError, match="for several workers, serve each shop by itself"):
        serve_shops(shops_of(tmp_path, a={}, b={}), TOY_TASKS, settings)
    (tmp_path / "shops.toml").write_text("[shops.a]\nrun = 'a'\nworkers = 2\n")
    with pytest.raises(ConfigError, match=r"'workers' is the server's"):
        read_shops(tmp_path / "shops.toml")


def test_a_broken_run_keeps_all_shut_and_is_named(
    run_folder: Path, tmp_path: Path, start: Callable[..., None]
) -> None:
    """Before anything listens: whoever starts the server is there to read it."""
    broken = tmp_path / "broken"
    shutil.copytree(run_folder, broken)
    (broken / "stages" / "fit-search" / "state.json").write_text("{}")
    with pytest.raises(ConfigError, match=r"the shop 'south' cannot be served: .*state.json"):
        start([OneShop("north", run_folder, ServeSettings()), OneShop("south", broken, ServeSettings())])
    with pytest.raises(ConfigError, match=r"the shop 'b' cannot be served: .*no such folder"):
        start([OneShop("b", tmp_path / "nothing", ServeSettings())])


def test_what_a_library_fails_of_names_the_shop_and_no_words(
    run_folder: Path, start: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failed(*given: Any, **named: Any) -> Any:
        raise ValueError("the words of a customer")

    monkeypatch.setattr("retailor.serve.service.Service.load", failed)
    with pytest.raises(
        ConfigError, match=r"the shop 'b' cannot be served: ValueError at .*test_shops"
    ) as told:
        start([OneShop("b", run_folder, ServeSettings())])
    assert "words" not in str(told.value)


def test_a_key_that_is_not_set_keeps_all_shut(run_folder: Path, start: Callable[..., None]) -> None:
    with pytest.raises(ConfigError, match="NOT_SET_ANYWHERE"):
        start([OneShop("a", run_folder, ServeSettings(api_key_env="NOT_SET_ANYWHERE"))])


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Serving, which must never come so far as to listen."""
    monkeypatch.setattr(
        "retailor.serve.server._Server.run", lambda *given, **named: pytest.fail("it listened")
    )

    def begin(shops: list[OneShop]) -> None:
        serve_shops(shops, TOY_TASKS, ServeSettings(port=0))

    return begin
