"""A Service answers queries from a run's fitted tasks: batched, remembered, reloadable. It knows no HTTP."""

from __future__ import annotations

import threading
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson
import polars as pl
from pydantic import TypeAdapter

from retailor.cache import Cache, cache_key
from retailor.errors import ServeError
from retailor.extras import naming_extras
from retailor.live.forgetting import Receipt, forget_in
from retailor.live.recent import Recent
from retailor.live.settings import DriftSettings
from retailor.live.shapes import NUMBER, Taken
from retailor.live.standing import standing_run
from retailor.models.shapes import OpenEncoder
from retailor.serve.batching import Batcher, Tally
from retailor.serve.encoders import shared_encoders
from retailor.serve.events.living import Living, living_of, mend_log
from retailor.serve.opening import cache_of, contents_of, nearest_cache, opener_of
from retailor.serve.rehearsal import rehearse
from retailor.serve.routes.item_pictures import small_jpeg
from retailor.serve.served import Loaded, Reply, ServedRun, Since, Understood, state_of
from retailor.serve.settings import ServeSettings
from retailor.shop.pseudonyms import ids_of, pseudonyms_of
from retailor.shop.tables import Shop, open_shop
from retailor.shop.view import Page, ShopView
from retailor.store import artifact
from retailor.store.keys import key_of
from retailor.tasks.entry import Entry, Extra, no_item, with_pseudonym
from retailor.tasks.shapes import Task

if TYPE_CHECKING:
    from retailor.live.news import News
    from retailor.live.shop import LiveShop
    from retailor.serve.events.showing import Showing
    from retailor.serve.events.watch import Watch

INSIGHT = "insight.html"
MOST_QUERIES = 4096
"""Requests whose query is known without parsing them again."""


class Service:
    """The tasks of one run folder, or of one saved task. Every method may be called from any thread."""

    def __init__(
        self,
        folder: Path,
        entries: Mapping[str, Entry],
        settings: ServeSettings,
        cache: Cache,
        open_encoder: OpenEncoder | None = None,
    ) -> None:
        self.folder = Path(folder)
        self.standing = self.folder
        """The run that answers: that of the folder, or the refresh of it that was promoted last."""
        self.settings = settings
        self.cache = cache
        self._near = nearest_cache(cache)
        """The part of the cache that is in this process's memory: there are replies as they were sent."""
        self.known_queries = Known(MOST_QUERIES)
        """What requests ask, by their address or body."""
        self.tallies: dict[str, Tally] = {kind: Tally() for kind in entries}
        self.entries = entries
        self._open_encoder = open_encoder
        self._reloading, self._forgetting = threading.Lock(), threading.Lock()
        self._run: ServedRun | None = None
        self._living: Living | None = None

    @classmethod
    def load(
        cls,
        folder: Path,
        entries: Mapping[str, Entry],
        settings: ServeSettings | None = None,
        drift: DriftSettings | None = None,
        news: News | None = None,
        *,
        space: str = "",
        open_encoder: OpenEncoder | None = None,
    ) -> Self:
        """An open service of tasks among `entries`, such as `registry.TASKS`; `news`: as one of the workers
        of a server.

        `space` keeps its cache apart from those of others at the same URL; `open_encoder` may know encoders
        that are open already.
        Raises DataError when the folder holds no task or a broken one.
        """
        settings = settings or ServeSettings()
        service = cls(folder, entries, settings, cache_of(settings, space), open_encoder)
        try:
            service.reload()
            with naming_extras():
                if settings.events_url is not None:
                    mend_log(settings.events_url, service.folder, service._now())
                service._living = living_of(
                    service.settings, entries, service.absorb, lambda: service._run,
                    drift or DriftSettings(), news,
                )  # fmt: skip
        except BaseException:
            service.close()
            raise
        return service

    def reload(self, folder: Path | None = None) -> None:
        """Serves what is in the folder now; the old tasks answer until the new ones can: no request fails.

        When loading fails the error passes through and the old tasks go on.
        """
        with self._reloading:
            standing = standing_run(Path(folder or self.folder))
            new = self._open(standing)
            old, self._run = self._run, new
            self.standing = standing
            self.folder = Path(folder or self.folder)
            if old is not None:
                old.close(self.settings.timeout_s)

    def _open(self, folder: Path) -> ServedRun:
        contents = contents_of(folder, self.entries)
        whole = open_shop(contents.shop) if contents.shop else Shop.of()
        about = artifact.read_manifest(contents.shop).settings if contents.shop else {}
        number = int(about.get(NUMBER, 0))
        view = ShopView.of(whole)
        # torch runs networks, and what took their place here may be a graph
        compressed = {} if self.settings.backend == "torch" else contents.compressed
        runtime = (self.settings.backend, self.settings.provider)
        opener = self._open_encoder or opener_of(self.settings)
        door = shared_encoders(opener, self.cache, compressed, runtime)
        # A new version of the code, or another encoder, may answer otherwise from the same files.
        small = [artifact.read_manifest(path).fingerprint for path in compressed.values()]
        fitted = {
            kind: self.entries[kind].load(path, open_encoder=door) for kind, path in contents.tasks.items()
        }
        made = {kind: artifact.read_manifest(path).fingerprint for kind, path in contents.tasks.items()}
        tasks = {
            kind: self._loaded(kind, task, key_of(made[kind], small, *runtime), number)
            for kind, task in fitted.items()
        }
        hidden = pseudonyms_of(contents.shop) if contents.shop else None
        shop = Shop.of(items=whole.items, events=whole.events)
        pictures = Path(self.settings.pictures) if self.settings.pictures else contents.pictures
        if self.settings.rehearse:
            rehearse(tasks, whole, view)
        run = ServedRun(
            contents.name, tasks, contents.absent, view, shop, number, hidden, contents.insight, pictures
        )
        return run if self._living is None else self._grown(run, self._living.shop.recent)

    def _loaded(self, kind: str, task: Task[Any, Any], fitted: str, number: int) -> Loaded:
        entry = self.entries[kind]
        batcher = self._batcher(kind, task)
        return Loaded(entry, task, fitted, fitted, batcher, TypeAdapter(entry.answer), task, number, number)

    def _batcher(self, kind: str, task: Task[Any, Any]) -> Batcher[Any, Any]:
        return Batcher(
            kind,
            task.predict,
            # Answers that take seconds each are given as they come, not when the last of a batch is ready.
            max_batch=1 if getattr(task, "query_s", 0.0) >= 1 else self.settings.max_batch,
            query_s=getattr(task, "query_s", 0.05),
            wait_s=self.settings.batch_wait_ms / 1000,
            max_queue=self.settings.max_queue,
            timeout_s=self.settings.timeout_s,
            tally=self.tallies[kind],
        )

    def close(self) -> None:
        """Answers what waits, then lets go of the tasks and the cache."""
        with self._reloading:
            old, self._run = self._run, None
            if old is not None:
                old.close(self.settings.timeout_s)
        # Not while nobody may change the run: its thread may be about to.
        if self._living is not None:
            self._living.close(self.settings.timeout_s)
        self.cache.close()

    # what happens after the fit

    def live(self) -> LiveShop:
        """What happens in the shop. ServeError 501 where the server keeps no events."""
        if self._living is None:
            raise ServeError(
                "this server keeps no events; start it with `--events sqlite:///FILE`.", status=501
            )
        return self._living.shop

    async def take(self, rows: Sequence[Any]) -> Taken:
        """Takes in events, as they were sent; what is accepted is on the disk. ServeError 501, 429, 503."""
        self.live()
        assert self._living is not None
        return await self._living.take(rows, self._now().own)

    def forget(self, user_id: str) -> Receipt:
        """Forgets a customer: log, memory, caches, and every file of the run; the receipt names nobody.

        What is served afterwards is the run without them. ServeError 501 where the folder is no run.
        """
        shop = contents_of(self.standing, self.entries).shop
        if shop is None or not (self.folder / "run.json").exists():
            raise ServeError("only a run can forget a customer; this server has none.", status=501)
        ids = ids_of(shop, user_id)
        with self._forgetting:
            n_log = self._living.forget(ids) if self._living is not None else 0
            receipt = forget_in(self.folder, ids, self.entries, n_log=n_log)
            self.reload()
            self.clear()
        return receipt

    def absorb_soon(self) -> None:
        """Has what changed in the catalogue known within a moment."""
        if self._living is not None:
            self._living.soon()

    def absorb(self, with_events: bool = True) -> None:
        """Serves tasks that know what has happened since the fit; no request fails meanwhile.

        Without events, which take the longer the larger the shop is, what is put in the catalogue is known.
        """
        recent = self.live().recent
        with self._reloading:
            old = self._run
            if old is None:
                return
            new = self._run = self._grown(old, recent, with_events)
            for kind, loaded in old.tasks.items():
                if new.tasks[kind] is not loaded:
                    loaded.batcher.close(self.settings.timeout_s)

    def _grown(self, run: ServedRun, recent: Recent, with_events: bool = True) -> ServedRun:
        """The run with the items and events since its fit, in those tasks that can take them in."""
        shop, gone, number = recent.shop(run.number)
        tasks = dict(run.tasks)
        for kind, loaded in run.tasks.items():
            if loaded.entry.update is None:
                continue
            if with_events and number > loaded.number:
                task = loaded.entry.update(loaded.task, shop)
                made = self._loaded(kind, task, loaded.fitted, number)
                tasks[kind] = replace(made, task=loaded.task, fingerprint=key_of(loaded.fitted, number))
            elif not with_events:
                put, _, last = recent.shop(loaded.items_number, events_after=number)
                if put.items.is_empty():
                    continue
                put = put.with_tables(events=put.events.clear())
                made = self._loaded(kind, loaded.entry.update(loaded.now, put), loaded.fitted, loaded.number)
                known = key_of(loaded.fitted, loaded.number, last)
                tasks[kind] = replace(made, task=loaded.task, fingerprint=known, items_number=last)
        items = pl.concat([shop.items, run.shop.items]).unique("item_id", keep="first", maintain_order=True)
        items = items.filter(~pl.col("item_id").is_in(list(gone)))
        events = pl.concat([run.shop.events, shop.events])
        return replace(run, tasks=tasks, view=ShopView.of(Shop.of(items=items, events=events)))

    # asking

    def ask(self, kind: str, query: Any, *, is_shown: bool = False) -> Reply:
        """The answer of the task `kind`. ServeError 501 when the run has none, 404 for an unknown item.

        `is_shown`: whether a customer will see it, so that it is noted, and ordered by a bandit, where the
        settings say so.
        """
        run = self._now()
        loaded = run.task(kind)
        asked = self._asked(kind, query, run, loaded)
        living = self._living
        if living is not None and living.trial is not None:
            living.trial.note(kind, asked.user_id)
        self.tallies[kind].add("n_requests")
        if living is None or living.showing is None or not is_shown:
            answer, loaded, cached = self._answered(kind, asked.query, loaded)
            key = _reply_key(kind, loaded, run, asked)
            return Reply(answer, loaded.fingerprint, cached, run.view, asked.notes, key)
        shown = living.showing.asked(kind, asked.query, asked.user_id, loaded)
        answer, loaded, cached = self._answered(kind, shown.wide, loaded)
        arm = None if living.trial is None else living.trial.arm(kind, asked.user_id)
        answer, query_id = living.showing.shown(kind, shown, answer, loaded, arm)
        return Reply(answer, loaded.fingerprint, cached, run.view, asked.notes, query_id=query_id)

    def remembered(self, kind: str, query: Any, language: str) -> bytes | None:
        """The reply to a query as it was sent, counted as asked and answered; None where it must be made.

        It waits for nothing. Raises as `ask`.
        """
        run, living = self._now(), self._living
        if living is not None and (living.shop.is_behind() or living.notes(kind)):
            return None
        loaded = run.task(kind)
        asked = self._asked(kind, query, run, loaded)
        key = _reply_key(kind, loaded, run, asked)
        body = None if key is None else self._near.get(f"{key} {language}")
        if body is not None:
            if living is not None and living.trial is not None:
                living.trial.note(kind, asked.user_id)
            self.tallies[kind].add_hit()
        return body

    def keep_reply(self, key: str, language: str, body: bytes) -> None:
        """Remembers a reply as it was sent; `key` is that of the `Reply`."""
        self._near.put(f"{key} {language}", body)

    def clear(self) -> None:
        """Forgets every answer, reply and query."""
        self.cache.clear()
        self.known_queries.clear()

    def warm(self, kind: str, query: Any) -> None:
        """Makes and remembers the answer that a customer will be shown, and notes nobody: no arm, no showing.

        Raises as `ask`.
        """
        run = self._now()
        loaded = run.task(kind)
        asked = self._asked(kind, query, run, loaded)
        showing, wide = self.showing(), asked.query
        if showing is not None:
            wide = showing.asked(kind, wide, asked.user_id, loaded).wide
        self._answered(kind, wide, loaded)

    def _asked(self, kind: str, query: Any, run: ServedRun, loaded: Loaded) -> Understood:
        """The query as the task gets it: by the customer's arm, after what has happened, checked."""
        query = with_pseudonym(query, run.pseudonyms)
        user_id = getattr(query, "user_id", None)
        if self._living is not None:
            self._living.shop.know_news()
            if self._living.trial is not None:
                query = self._living.trial.query(kind, query)
            query = loaded.entry.after(query, Since(self._living.shop.recent, loaded.number))
        query, notes = loaded.entry.checked(query, run.view)
        return Understood(query, user_id, notes)

    def _answered(self, kind: str, query: Any, loaded: Loaded) -> tuple[Any, Loaded, bool]:
        """The answer, the task that gave it, and whether it was remembered."""
        key = cache_key(kind, loaded.fingerprint, query)
        remembered = loaded.read(self.cache.get(key))
        if remembered is not None:
            self.tallies[kind].add("n_hits")
            return remembered, loaded, True
        try:
            answer = loaded.batcher.ask(query, key)
        except ServeError as error:
            current = self._now().task(kind)
            if error.status != 503 or current is loaded:
                raise
            loaded, key = current, cache_key(kind, current.fingerprint, query)
            answer = current.batcher.ask(query, key)
        return self._remember(key, answer, loaded), loaded, False

    def ask_extra(self, kind: str, extra: Extra, query: Any) -> Reply:
        """The answer of the task `kind` to an extra of its entry. ServeError 501 when the run has none."""
        run = self._now()
        loaded = run.task(kind)
        query = extra.checked(query, run.view)[0] if extra.checked else query
        return Reply(extra.ask(loaded.task, query), loaded.fingerprint, False, run.view)

    def _remember(self, key: str, answer: Any, loaded: Loaded) -> Any:
        """The answer as a later request will get it from the cache, so that both are equal."""
        try:
            value = orjson.dumps(answer, default=dict, option=orjson.OPT_SERIALIZE_NUMPY)
        except TypeError:
            return answer
        read = loaded.read(value)
        if read is None:
            return answer
        self.cache.put(key, value)
        return read

    def _now(self) -> ServedRun:
        run = self._run
        if run is None:
            raise ServeError("the server is not ready; ask again later.", status=503, retry_after_s=5.0)
        return run

    # the shop

    def items(self, item_ids: tuple[str, ...]) -> Page:
        """The items with these ids, in this order. ServeError 404 that names the first unknown one."""
        view = self._now().view
        cards = [view.card(item_id) for item_id in item_ids]
        for item_id, card in zip(item_ids, cards, strict=True):
            if card is None:
                raise no_item(item_id)
        return Page(tuple(card for card in cards if card is not None), len(cards))

    def details(self, item_id: str) -> dict[str, Any]:
        """All that the catalogue says of an item, with its stars. ServeError 404 for an unknown one."""
        found = self._now().view.details(item_id)
        if found is None:
            raise no_item(item_id)
        return found

    def picture(self, item_id: str) -> bytes | None:
        """A small JPEG of the item; None where there is none that can be shown. ServeError 404."""
        run, (card,) = self._now(), self.items((item_id,)).rows
        return None if run.pictures is None else small_jpeg(run.pictures, card["image"], self.cache)

    def find_items(self, text: str = "", page: int = 1, size: int = 20) -> Page:
        """Items by words in the title, the most popular first."""
        return self._now().view.find_items(text, page, size)

    def customers(self, text: str = "", page: int = 1, size: int = 20) -> Page:
        """Customers by a part of the id, those with the longest history first. 403 when not to be shown."""
        self._check_customers_shown()
        run = self._now()
        own = run.own(text) or ""
        # Whoever types the shop's own id finds who goes by its pseudonym; part of an id is part of that.
        return run.view.find_customers(own if run.view.knows_customer(own) else text, page, size)

    def customer(self, user_id: str, n: int = 20) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        """A customer and the last `n` events. ServeError 404 for an unknown one, 403 when not to be shown."""
        self._check_customers_shown()
        run = self._now()
        found = run.view.history(run.own(user_id) or user_id, n)
        if found is None:
            raise ServeError("there is no customer with this id and a history.", status=404)
        return found

    def insight(self) -> str:
        """The page of what customers say. ServeError 403 when not to be shown, 404 when the run has none."""
        if not self.settings.show_insight:
            raise ServeError("this server does not show what customers say.", status=403)
        folder = self._now().insight
        if folder is None or not (folder / INSIGHT).is_file():
            raise ServeError("this run has no insight; make one with `retailor run`.", status=404)
        return (folder / INSIGHT).read_text(encoding="utf-8")

    def _check_customers_shown(self) -> None:
        if not self.settings.show_customers:
            raise ServeError("this server does not show customers.", status=403)

    # its state

    def ready(self) -> dict[str, Any]:
        """Whether it can answer, and what: tasks with fingerprints, those left out with reasons, sizes."""
        return state_of(self._run, show_insight=self.settings.show_insight)

    def showing(self) -> Showing | None:
        """What is shown, where it is noted."""
        return None if self._living is None else self._living.showing

    def watch(self) -> Watch | None:
        """What is counted now and then, where the server keeps events."""
        return None if self._living is None else self._living.watch

    def recent(self) -> Recent | None:
        """What has happened since the fit, where the server keeps events."""
        return None if self._living is None else self._living.shop.recent

    def queued(self) -> dict[str, int]:
        """Task kind to how many requests wait for it."""
        run = self._run
        return {} if run is None else {kind: len(loaded.batcher) for kind, loaded in run.tasks.items()}


def _reply_key(kind: str, loaded: Loaded, run: ServedRun, asked: Understood) -> str | None:
    """All that a reply is made of, but for its language: what answers, the query with what has happened since
    the fit, its notes, and the shop that it is shown with. None for a query that has no exact text."""
    parts = [kind, run.view.number, asked.query, dict(asked.notes)]
    try:
        return cache_key("reply", loaded.fingerprint, parts)
    except TypeError:
        return None


class Known:
    """Requests to what they ask; when there are more than so many it begins anew. Safe from any thread."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._found: dict[Hashable, Any] = {}

    def get(self, asked: Hashable) -> Any:
        return self._found.get(asked)

    def put(self, asked: Hashable, query: Any) -> None:
        if len(self._found) >= self._most:
            self._found = {}
        self._found[asked] = query

    def clear(self) -> None:
        self._found = {}
