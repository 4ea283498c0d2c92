"""A run as it is served: opened from its folder, and grown by what has happened since its fit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from retailor.cache import Cache
from retailor.live.events.recent import Recent
from retailor.live.shapes import NUMBER
from retailor.models.shapes import OpenEncoder
from retailor.serve.batching import Batcher, Tally
from retailor.serve.encoders import shared_encoders
from retailor.serve.opening import Contents, contents_of, opener_of
from retailor.serve.rehearsal import rehearse
from retailor.serve.served import Loaded, ServedRun
from retailor.serve.settings import ServeSettings
from retailor.shop.pseudonyms import pseudonyms_of
from retailor.shop.tables import Shop, open_shop
from retailor.shop.view import ShopView
from retailor.store import artifact
from retailor.store.keys import key_of
from retailor.tasks.entry import Entry
from retailor.tasks.shapes import Task


class Runs:
    """Opens runs for a service, and has them grow. What it gave must be closed once it was asked."""

    def __init__(
        self,
        entries: Mapping[str, Entry],
        settings: ServeSettings,
        cache: Cache,
        tallies: Mapping[str, Tally],
        open_encoder: OpenEncoder | None = None,
    ) -> None:
        """`tallies`: what is counted of each task, in whatever run; `open_encoder` may know open encoders."""
        self._entries, self._settings, self._cache, self._tallies = entries, settings, cache, tallies
        self._open_encoder = open_encoder or opener_of(settings)

    def open(self, folder: Path, recent: Recent | None = None) -> ServedRun:
        """The run in a folder, with what has happened since its fit where that is known.

        DataError where there is none or it is broken; whatever a task raises on loading passes through, and
        nothing of the run is left.
        """
        contents = contents_of(folder, self._entries)
        whole = open_shop(contents.shop) if contents.shop else Shop.of()
        about = artifact.read_manifest(contents.shop).settings if contents.shop else {}
        pictures = Path(self._settings.pictures) if self._settings.pictures else contents.pictures
        run = ServedRun(
            contents.name, {}, contents.absent, ShopView.of(whole),
            Shop.of(items=whole.items, events=whole.events), int(about.get(NUMBER, 0)),
            pseudonyms_of(contents.shop) if contents.shop else None, contents.insight, pictures,
        )  # fmt: skip
        loaded = self._loaded(contents, run.number)
        if self._settings.rehearse:
            rehearse(loaded, whole, run.view)
        run = replace(run, tasks=loaded)
        return run if recent is None else self.grown(run, recent)

    def grown(self, run: ServedRun, recent: Recent, with_events: bool = True) -> ServedRun:
        """The run with the items and events since its fit, in those tasks that can take them in.

        Those tasks answer by another batcher than before; the others are the same objects.
        """
        shop, gone, number = recent.shop(run.number)
        tasks = dict(run.tasks)
        for kind, loaded in run.tasks.items():
            if loaded.entry.update is not None:
                tasks[kind] = self._with(kind, loaded, recent, shop, number, with_events)
        return replace(run, tasks=tasks, view=run.view.since(shop.items, gone, shop.events))

    def _loaded(self, contents: Contents, number: int) -> dict[str, Loaded]:
        # torch runs networks, and what took their place here may be a graph
        compressed = {} if self._settings.backend == "torch" else contents.compressed
        runtime = (self._settings.backend, self._settings.provider)
        door = shared_encoders(self._open_encoder, self._cache, compressed, runtime)
        # A new version of the code, or another encoder, may answer otherwise from the same files.
        small = [artifact.read_manifest(path).fingerprint for path in compressed.values()]
        found = {}
        for kind, path in contents.tasks.items():
            entry = self._entries[kind]
            task = entry.load(path, open_encoder=door)
            fitted = key_of(artifact.read_manifest(path).fingerprint, small, *runtime)
            batcher, adapter = self._batcher(kind, task), TypeAdapter(entry.answer)
            found[kind] = Loaded(entry, task, fitted, fitted, batcher, adapter, task, number, number)
        return found

    def _with(
        self, kind: str, loaded: Loaded, recent: Recent, shop: Shop, number: int, with_events: bool
    ) -> Loaded:
        """The task with what is new; the same object where it knows all."""
        update = loaded.entry.update
        assert update is not None
        if with_events:
            if number <= loaded.number:
                return loaded
            now, known = update(loaded.task, shop), key_of(loaded.fitted, number)
            own = last = number
        else:
            put, _, last = recent.shop(loaded.items_number, events_after=number)
            if put.items.is_empty():
                return loaded
            now = update(loaded.now, put.with_tables(events=put.events.clear()))
            known, own = key_of(loaded.fitted, loaded.number, last), loaded.number
        batcher = self._batcher(kind, now)
        return replace(loaded, now=now, fingerprint=known, batcher=batcher, number=own, items_number=last)

    def _batcher(self, kind: str, task: Task[Any, Any]) -> Batcher[Any, Any]:
        settings = self._settings
        return Batcher(
            kind,
            task.predict,
            # Answers that take seconds each are given as they come, not when the last of a batch is ready.
            max_batch=1 if getattr(task, "query_s", 0.0) >= 1 else settings.max_batch,
            query_s=getattr(task, "query_s", 0.05),
            wait_s=settings.batch_wait_ms / 1000,
            max_queue=settings.max_queue,
            timeout_s=settings.timeout_s,
            tally=self._tallies[kind],
        )
