"""A Service answers queries from a run's fitted tasks: batched, remembered, reloadable. It knows no HTTP."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import orjson

from retailor.cache import Cache, cache_key
from retailor.errors import ServeError
from retailor.extras import naming_extras
from retailor.live.events.recent import Recent
from retailor.live.people.forgetting import Receipt, forget_in, one_at_a_time
from retailor.live.settings import DriftSettings
from retailor.live.shapes import Taken
from retailor.live.standing import standing_run
from retailor.models.shapes import OpenEncoder
from retailor.serve.batching import Tally
from retailor.serve.browsing import Browsing
from retailor.serve.events.living import Living, living_of, mend_log
from retailor.serve.known import Known
from retailor.serve.memory import let_go
from retailor.serve.opening import cache_of, contents_of, nearest_cache
from retailor.serve.runs import Runs
from retailor.serve.served import Loaded, Reply, ServedRun, Since, Understood, state_of
from retailor.serve.settings import ServeSettings
from retailor.shop.pseudonyms import ids_of
from retailor.tasks.entry import Entry, Extra, Happened, NothingHappened, with_pseudonym

if TYPE_CHECKING:
    from retailor.live.news import News
    from retailor.live.shop import LiveShop
    from retailor.serve.events.showing import Showing
    from retailor.serve.events.watch import Watch

MOST_QUERIES = 4096
"""Requests whose query is known without parsing them again."""


class Service(Browsing):
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
        self._runs = Runs(entries, settings, cache, self.tallies, open_encoder)
        self._reloading = threading.Lock()
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
            new = self._runs.open(standing, self.recent())
            old, self._run = self._run, new
            self.standing = standing
            self.folder = Path(folder or self.folder)
            if old is not None:
                old.close(self.settings.timeout_s)
                gone, old = old.parts(), None
                let_go(gone)

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

        What is served afterwards is the run without them. One at a time, of all servers and commands:
        ServeError 503 where others take longer than `timeout_s`; 501 where the folder is no run.
        """
        shop = contents_of(self.standing, self.entries).shop
        if shop is None or not (self.folder / "run.json").exists():
            raise ServeError("only a run can forget a customer; this server has none.", status=501)
        ids = ids_of(shop, user_id)
        with one_at_a_time(self.folder, wait_s=self.settings.timeout_s):
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
            new = self._run = self._runs.grown(old, recent, with_events)
            for kind, loaded in old.tasks.items():
                if new.tasks[kind] is not loaded:
                    loaded.batcher.close(self.settings.timeout_s)

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
        asked = self._asked(kind, query, run, loaded, waits=False)
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

    def _asked(
        self, kind: str, query: Any, run: ServedRun, loaded: Loaded, *, waits: bool = True
    ) -> Understood:
        """The query as the task gets it: by the customer's arm, after what has happened, checked.

        `waits`: for what other workers have told of.
        """
        query = with_pseudonym(query, run.pseudonyms)
        user_id = getattr(query, "user_id", None)
        if self._living is not None:
            if waits:
                self._living.shop.know_news()
            if self._living.trial is not None:
                query = self._living.trial.query(kind, query)
        query = loaded.entry.after(query, self._happened(run, loaded))
        query, notes = loaded.entry.checked(query, run.view)
        return Understood(query, user_id, notes)

    def _happened(self, run: ServedRun, loaded: Loaded) -> Happened:
        """What has happened since a task was fitted, where the server keeps events."""
        recent, sold_out = self.recent(), run.view.sold_out
        return NothingHappened(sold_out) if recent is None else Since(recent, loaded.number, sold_out)

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

    # its state

    def ready(self) -> dict[str, Any]:
        """Whether it can answer, and what: tasks with fingerprints, those left out with reasons, sizes."""
        state = state_of(self._run, show_insight=self.settings.show_insight)
        return {**state, "events": self._living is not None}

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
