"""Somebody who asks for it is forgotten: no file of the run has the id or the words any more."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import polars as pl
import pytest
from fastapi.testclient import TestClient
from typer.testing import CliRunner

from retailor.cli import app
from retailor.errors import ConfigError
from retailor.live.events import recent
from retailor.live.events.log import Log
from retailor.live.people.export import export_of
from retailor.live.people.forgetting import forget_in, receipts_of
from retailor.live.people.scrubbed import scrubbed_csv, scrubbed_html, scrubbed_json
from retailor.live.shapes import Line
from retailor.live.shop import LiveShop
from retailor.live.standing import place_of, set_standing, standing_run
from retailor.plan.run import run
from retailor.plan.settings import make_plan
from retailor.serve.app import make_app
from retailor.serve.service import Service
from retailor.serve.settings import ServeSettings
from retailor.shop.demo import demo_shop
from retailor.shop.gone import Gone, Note
from retailor.shop.pseudonyms import Pseudonyms, ids_of
from retailor.shop.tables import Shop, open_shop
from retailor.store import artifact
from retailor.store.stages import write_json
from retailor.tasks.answer import Answerer
from retailor.tasks.answer.shapes import AnswerQuery
from retailor.tasks.recommend import Recommender, RecommendSettings
from retailor.tasks.recommend.shapes import RecommendQuery
from retailor.tasks.registry import TASKS
from retailor.tasks.review import ReviewSettings, ReviewWriter
from retailor.testing.models import tiny_decoder, tiny_encoder
from retailor.testing.serving import TOY_TASKS, toy_run
from retailor.testing.toys import HashEncoder
from retailor.text.clean_shop import clean

WHO, SAID = "zq-anna-77", "The zqxwibble lid leaks whenever my grandmother Qzelda pours it. Never again!"
NEEDLES = (WHO, "zqxwibble", "Qzelda", "zq-review-1")


def planted(shop: Shop) -> Shop:
    """The shop with one more customer, who did and wrote something."""
    items = shop.items["item_id"]
    own = {"user_id": WHO, "rating": 2.0, "time": datetime(2024, 5, 1, tzinfo=UTC)}
    events = [{**own, "item_id": items[n], "kind": "buy"} for n in range(4)]
    review = {**own, "review_id": "zq-review-1", "item_id": items[0], "text": SAID, "label": "negative"}
    more = Shop.of(
        events=pl.DataFrame(events), reviews=pl.DataFrame([review | {"title": "zqxwibble", "helpful": 99}])
    )
    return shop.with_tables(
        events=pl.concat([shop.events, more.events]), reviews=pl.concat([shop.reviews, more.reviews])
    )


def found_in(folder: Path) -> dict[str, list[str]]:
    """Needle to the files that have it, Parquet read as what it says."""
    found: dict[str, list[str]] = {}
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            text += json.dumps(pl.read_parquet(path).to_dicts(), default=str, ensure_ascii=False)
        for needle in NEEDLES:
            if needle.lower() in text.lower():
                found.setdefault(needle, []).append(str(path.relative_to(folder)))
    return found


@pytest.fixture(scope="module")
def shop() -> Shop:
    return clean(planted(demo_shop(30)))


@pytest.fixture(scope="module")
def fitted(shop: Shop, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of the tasks that keep something of people, as `retailor run` leaves it."""
    # What is beside a run is its own too, so that no other test's files may be: some are corrupt on purpose.
    folder = tmp_path_factory.mktemp("fitted") / "run"
    small = RecommendSettings(two_tower={"enabled": False}, sasrec={"enabled": False})  # type: ignore[arg-type]
    shop.save(folder / "stages" / "clean")
    for task in (
        Recommender(HashEncoder(), small),
        Answerer(HashEncoder()),
        ReviewWriter(tiny_decoder(), ReviewSettings(tune=False, only_own_purchases=True)),
    ):
        task.fit(shop).save(folder / "stages" / f"fit-{task.kind}")
    with artifact.writing(folder / "stages" / "report", "report") as new:
        (new / "report.html").write_text(f"<html><p>A customer: {SAID}</p><p>Others like it.</p></html>")
        write_json(new / "notes.json", ["nothing"])
    kinds = ("recommend", "answer", "review")
    stages = [{"name": "clean", "kind": "shop", "folder": "stages/clean", "fingerprint": ""}]
    stages += [{"name": f"fit-{k}", "kind": k, "folder": f"stages/fit-{k}", "fingerprint": ""} for k in kinds]
    write_json(folder / "run.json", {"name": "kept", "stages": stages})
    return folder


def test_every_file_forgets_and_the_others_stay(fitted: Path, shop: Shop) -> None:
    assert set(found_in(fitted)) == set(NEEDLES)
    other = shop.events["user_id"].filter(shop.events["user_id"] != WHO)[0]
    query = RecommendQuery(user_id=other, k=5)
    before = Recommender.load(fitted / "stages" / "fit-recommend").predict([query])
    n_before = len(Answerer.load(fitted / "stages" / "fit-answer")._fitted().texts)
    receipt = forget_in(fitted, [WHO], TASKS)
    assert found_in(fitted.parent) == {}
    assert receipt.n_rows == {"events": 4, "reviews": 1, "log": 0}
    assert {Path(each).name for each in receipt.artifacts} == {
        "clean", "fit-recommend", "fit-answer", "fit-review", "report"
    }  # fmt: skip
    for place in (fitted / "stages").iterdir():
        artifact.verify(place)
    assert "Others like it." in (fitted / "stages" / "report" / "report.html").read_text()
    assert [each["who"] for each in receipts_of(fitted)] == [list(receipt.who)]

    after = Recommender.load(fitted / "stages" / "fit-recommend")
    assert after.predict([query]) == before and WHO not in after.user_ids
    answers = Answerer.load(fitted / "stages" / "fit-answer")
    assert n_before - 3 <= len(answers._fitted().texts) < n_before
    answered = answers.predict([AnswerQuery("does the lid leak?", item_id=shop.items["item_id"][0])])[0]
    assert "zqxwibble" not in str(answered)
    ReviewWriter.load(fitted / "stages" / "fit-review")
    # Asked for again, it is no error, and nothing is left to be done.
    assert forget_in(fitted, [WHO], TASKS).artifacts == ()


def line(n: int, who: str, **body: Any) -> Line:
    time = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(seconds=n)
    return Line(f"k{n}-{who}", "event", time, who, "P1", "view", None, body)


def test_the_log_forgets_on_the_disk_and_in_every_server(url: str, tmp_path: Path) -> None:
    mine, theirs = LiveShop.open(url), LiveShop.open(url)
    lines = [
        line(n, who, query="zqxwibble" if who == WHO else "kettle") for n in range(50) for who in (WHO, "u2")
    ]
    mine.take([lines])
    theirs.catch_up()
    assert theirs.recent.items_of(WHO)
    assert mine.forget([WHO, "nobody"]) == 50
    theirs.catch_up()
    for each in (mine, theirs, LiveShop.open(url)):
        assert not each.recent.items_of(WHO) and len(each.recent.items_of("u2")) == 50
        assert set(each.recent.shop()[0].events["user_id"]) == {"u2"}
    assert mine.log.of([WHO]) == [] and len(mine.log.of(["u2"])) == 50
    # The same customer may come again, as somebody new.
    mine.take([[replace(line(99, WHO), time=datetime.now(UTC))]])
    assert mine.recent.items_of(WHO) == ("P1",)
    mine.log.forget([WHO])
    if url.startswith("sqlite"):
        assert "zqxwibble" not in found_in(tmp_path) and WHO not in found_in(tmp_path)


def test_what_is_sent_again_brings_nobody_back(url: str) -> None:
    shop, other = LiveShop.open(url), LiveShop.open(url)
    lines = [line(n, who) for n in range(2) for who in (WHO, "u2")]
    shop.take([lines])
    shop.forget([WHO])
    # By another server too, in one request with what is new, and without a customer.
    late, nobody = line(5, "u3"), replace(line(6, "-"), user_id=None)
    for each in (shop, other):
        first, second = each.take([[*lines, late], [lines[0], nobody]])
        assert [one.place for one in first.refused] == [0, 2] and "was forgotten" in first.refused[0].reason
        assert [one.place for one in second.refused] == [0]
        assert (first.n_accepted, first.n_repeated) == ((1, 2) if each is shop else (0, 3))
        each.catch_up()
        assert not each.log.of([WHO]) and not each.recent.items_of(WHO) and each.recent.items_of("u3")
    # What waited to be written while they were forgotten.
    shop.log.append([line(7, WHO), line(7, "u2")])
    assert not shop.log.of([WHO]) and len(shop.log.of(["u2"])) == 3
    again = replace(line(8, WHO), time=datetime.now(UTC) + timedelta(seconds=1))
    assert shop.take([[again]])[0].n_accepted == 1, "now somebody new"


def test_a_server_that_starts_looks_for_nobody_who_is_not_in_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url, looked = f"sqlite:///{tmp_path}/live.db", []
    mine = LiveShop.open(url)
    mine.take([[line(n, f"u{n}") for n in range(20)]])
    mine.forget(["u3"])
    monkeypatch.setattr(recent, "hash_of", lambda each, salt: looked.append(each))
    started = LiveShop.open(url)
    assert not looked and not started.recent.items_of("u3") and started.recent.items_of("u4")
    mine.log.forget(["u4"])
    started.catch_up()
    assert "u4" in looked


@pytest.fixture
def client(tmp_path: Path, shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Iterator[TestClient]:
    monkeypatch.setenv("ASK", "ask-key")
    monkeypatch.setenv("WRITE", "write-key")
    settings = ServeSettings(
        hosts=("testserver",), events_url=f"sqlite:///{tmp_path}/live.db", api_key_env="ASK",
        write_key_env="WRITE", cache_url=f"lmdb:{tmp_path}/cache",
    )  # fmt: skip
    service = Service.load(toy_run(tmp_path / "run", shop), TOY_TASKS, settings)
    with TestClient(make_app(service)) as made:
        yield made
    service.close()


def test_over_http_a_customer_is_forgotten_by_who_may_write(
    client: TestClient, tmp_path: Path, shop: Shop
) -> None:
    ask, write = {"X-API-Key": "ask-key"}, {"X-API-Key": "write-key"}
    event = {
        "event_id": "e1", "kind": "search", "time": datetime.now(UTC).isoformat(), "user_id": WHO,
        "query": "zqxwibble", "item_id": shop.items["item_id"][9],
    }  # fmt: skip
    assert client.post("/events", json={"events": [event]}, headers=write).json()["accepted"] == 1
    own = set(shop.events.filter(pl.col("user_id") == WHO)["item_id"])
    asked = {"user_id": WHO, "k": 100}
    first = client.post("/recommend", json=asked, headers=ask).json()
    assert not own & {each["item_id"] for each in first["items"]}
    assert client.delete(f"/customers/{WHO}", headers=ask).status_code == 401
    reply = client.delete(f"/customers/{WHO}", headers=write).json()
    taken = client.post("/events", json={"events": [event]}, headers=write).json()  # by who had no reply
    assert taken["accepted"] == 0 and "was forgotten" in str(taken)
    assert reply["rows"] == {"events": 4, "reviews": 1, "log": 1} and WHO not in str(reply)
    again = client.post("/recommend", json=asked, headers=ask).json()
    assert own <= {each["item_id"] for each in again["items"]}, "now somebody new"
    assert client.get("/customers", params={"user_id": WHO}, headers=ask).status_code == 404
    assert found_in(tmp_path) == {}


@pytest.mark.parametrize("who", ["a/b", "../x", "用户 1", "u1?x=1", "u%31", "-", "u1/"])
def test_an_id_of_odd_characters_is_forgotten_over_http_and_no_other(
    client: TestClient, shop: Shop, who: str
) -> None:
    write, ask = {"X-API-Key": "write-key"}, {"X-API-Key": "ask-key"}
    item_id, now = shop.items["item_id"][9], datetime.now(UTC).isoformat()
    events = [
        {"event_id": f"e{n}", "kind": "view", "time": now, "user_id": each, "item_id": item_id}
        for n, each in enumerate((who, "u1", "a", "b", "x", "用户 12"))
    ]
    assert client.post("/events", json={"events": events}, headers=write).json()["accepted"] == 6
    path = f"/customers/{quote(who, safe='')}"
    assert client.delete(path, headers=ask).status_code == 401
    assert client.delete(path, headers=write).json()["rows"] == {"events": 0, "reviews": 0, "log": 1}


def test_the_receipt_counts_the_shop_that_is_served_and_not_its_parts(tmp_path: Path, shop: Shop) -> None:
    folder = toy_run(tmp_path / "run", shop)
    with artifact.writing(folder / "stages" / "split-1", "split") as new:
        shop.save(new / "train")
        Shop.of().save(new / "test")
    assert forget_in(folder, [WHO], TOY_TASKS).n_rows == {"events": 4, "reviews": 1, "log": 0}


def test_a_refresh_that_answers_without_a_receipt_is_kept_and_one_that_does_not_is_given_up(
    tmp_path: Path, shop: Shop
) -> None:
    folder = toy_run(tmp_path / "run", shop)
    for number in (1, 2):
        toy_run(place_of(folder, number) / "run", shop)
    set_standing(folder, 1)
    receipt = forget_in(folder, [WHO], TOY_TASKS)
    assert standing_run(folder).is_dir() and not place_of(folder, 2).exists()
    assert receipt.n_rows["events"] == 4 and found_in(tmp_path) == {}
    set_standing(folder, 0)
    assert WHO not in set(open_shop(_clean(standing_run(folder))).events["user_id"]), "nor after going back"


def _clean(run_folder: Path) -> Path:
    stages = json.loads((run_folder / "run.json").read_text())["stages"]
    return next(run_folder / each["folder"] for each in stages if each["kind"] == "shop")


def test_a_server_without_a_run_says_so(tmp_path: Path, shop: Shop) -> None:
    run_folder = toy_run(tmp_path / "run", shop)
    with closing(
        Service.load(run_folder / "stages" / "fit-search", TOY_TASKS, ServeSettings(hosts=("testserver",)))
    ) as one:
        assert TestClient(make_app(one)).delete("/customers/u1").status_code == 501


def test_the_files_read_again_do_not_bring_them_back(shop: Shop, tmp_path: Path) -> None:
    note = Note().with_people([WHO], datetime(2024, 6, 1, tzinfo=UTC))
    note.write(tmp_path)
    may, july = (datetime(2024, month, 1, tzinfo=UTC) for month in (5, 7))
    told = {"item_id": "P1", "rating": 4.0, "chosen": "Good.", "rejected": "Bad."}
    rows = [
        {"user_id": user, "time": time, **told}
        for user, time in ((WHO, may), (WHO, None), (WHO, july), ("u2", None))
    ]
    shop = shop.with_tables(preferences=pl.DataFrame(rows))
    assert WHO not in (tmp_path / "forgotten.json").read_text()
    read = Note.read(tmp_path)
    assert read == note
    left = read.without(shop)
    assert WHO not in set(left.events["user_id"]) | set(left.reviews["user_id"])
    assert len(left.events) == len(shop.events) - 4
    liked = left.preferences.select("user_id", pl.col("time").dt.month()).rows()
    assert liked == [(WHO, 7), ("u2", None)], "what came after is somebody new"
    later = shop.with_tables(events=shop.events.with_columns(pl.col("time") + timedelta(days=60)))
    assert len(read.without(later).events) == len(later.events), "what came after is somebody new"
    untimed = shop.with_tables(events=shop.events.with_columns(time=pl.lit(None, shop.events["time"].dtype)))
    assert WHO not in set(read.without(untimed).events["user_id"])
    assert Note().without(shop) is shop


@pytest.mark.parametrize(
    ("text", "quotes"),
    [
        (SAID, True),
        ("She said: The zqxwibble lid leaks whenever my grandmother…", True),
        (SAID.upper(), True),
        ("“Never again!”", False),
        ("The lid is fine.", False),
        ("", False),
    ],
)  # fmt: skip
def test_what_quotes_somebody(text: str, quotes: bool) -> None:
    gone = Gone(frozenset({WHO}), frozenset(), (" ".join(SAID.lower().split()).rstrip("!"),))
    assert gone.wrote(text) is quotes
    assert gone.names(f"customer '{WHO}': no") and not gone.names(f"{WHO}8") and not gone.names("anna")


def test_files_are_scrubbed_by_what_they_are_made_of() -> None:
    gone = Gone(frozenset({WHO}), frozenset(), ("leaks & drips all over the table",))
    quote = "Leaks & drips all over the table."
    assert json.loads(scrubbed_json(json.dumps({"a": [quote, 3], WHO: "x"}), gone)) == {
        "a": ["[forgotten]", 3], "[forgotten]": "x"
    }  # fmt: skip
    page = (
        f'<p title="{quote.replace("&", "&amp;")}">Leaks &amp; drips all over the table.</p><b>A &amp; B</b>'
    )
    assert scrubbed_html(page, gone) == '<p title="[forgotten]">[forgotten]</p><b>A &amp; B</b>'
    assert scrubbed_csv(f'a,"{quote}"\nb,c\n', gone) == "a,[forgotten]\nb,c\n"
    for scrub, text in ((scrubbed_json, '{"a":1}'), (scrubbed_html, "<p>x</p>"), (scrubbed_csv, 'a,"b"\n')):
        assert scrub(text, gone) == text, "a file that has nothing of them stays as it is, byte by byte"


def test_a_pseudonym_or_the_key_is_needed(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("K", "a key of more than sixteen characters")
    hidden = Pseudonyms.of_env("K")
    hidden.shop(shop).save(tmp_path / "clean", settings=hidden.about())
    assert ids_of(tmp_path / "clean", WHO) == (WHO, hidden.of(WHO))
    monkeypatch.delenv("K")
    assert ids_of(tmp_path / "clean", hidden.of(WHO)) == (hidden.of(WHO),)
    with pytest.raises(ConfigError, match="pseudonyms"):
        ids_of(tmp_path / "clean", WHO)


def test_a_person_gets_all_their_data(shop: Shop, tmp_path: Path) -> None:
    with closing(Log.open(f"sqlite:///{tmp_path}/live.db")) as log:
        log.append([line(1, WHO, query="zqxwibble"), line(2, "u2")])
        known = json.loads(json.dumps(export_of([WHO], shop, log), default=str))
    assert len(known["events"]) == 4 and known["reviews"][0]["review_id"] == "zq-review-1"
    assert [each["body"]["query"] for each in known["log"]] == ["zqxwibble"]


@pytest.mark.slow
def test_a_whole_run_and_its_refresh_forget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from retailor.plan import shop_stages
    from retailor.plan.refresh import refresh

    monkeypatch.setattr(shop_stages, "demo_shop", lambda size, seed: planted(demo_shop(size, seed)))
    tiny_encoder().save(tmp_path / "encoder")
    tiny_decoder().save(tmp_path / "generator")
    plan = make_plan(
        {
            "skip": ["adapt", "adapt-generator", "compress"],
            "models": {"encoder": "encoder", "generator": "generator"},
            "shop": {"size": 30},
            "serve": {"events_url": f"sqlite:///{tmp_path}/live.db"},
            "sentiment": {"mode": "frozen"},
            "recommend": {"two_tower": {"enabled": False}, "sasrec": {"enabled": False}},
            "review": {"tune": False, "max_held_out": 2, "max_evaluated": 2, "max_tries": 1, "max_tokens": 8},
            "refresh": {"worst": -1.0, "least_cases": 20},
        },
        tmp_path,
    )  # fmt: skip
    folder = run(plan, tmp_path / "run").out
    new = [line(n * 3600, f"u{n % 40}") for n in range(300)] + [line(n, WHO) for n in range(5)]
    items = open_shop(next((folder / "stages").glob("clean-*[!n]"))).items["item_id"]
    new = [Line(e.key, e.what, e.time, e.user_id, items[n % 30], "view") for n, e in enumerate(new)]
    with closing(Log.open(f"sqlite:///{tmp_path}/live.db")) as log:
        log.append(new)
    assert refresh(folder) is not None
    runner = CliRunner()
    told = runner.invoke(app, ["export", str(folder), WHO])
    assert told.exit_code == 0 and len(json.loads(told.output)["log"]) == 5
    done = runner.invoke(app, ["forget", str(folder), WHO])
    assert done.exit_code == 0 and json.loads(done.output)["n_rows"]["log"] == 5
    (tmp_path / "run.refresh" / ".lock").unlink(missing_ok=True)
    assert found_in(tmp_path) == {}
    later = [
        Line(f"l{n}", "event", new[-6].time + timedelta(hours=n), f"u{n % 40}", items[n % 30], "view")
        for n in range(1, 300)
    ]
    with closing(Log.open(f"sqlite:///{tmp_path}/live.db")) as log:
        log.append(later)
    receipt = refresh(folder)
    assert receipt is not None and receipt["number"] == 2 and receipt["forgotten"]
    assert found_in(tmp_path) == {}, "the files that are read again have not brought them back"
    assert (place_of(folder, 2) / "run" / "run.json").exists()
