"""Many requests as batches of an OpenAI-compatible endpoint: sent, waited for, fetched; a kill loses none.

A batch is a file of requests, a line each, which the endpoint answers within a day at a lower price. What was
sent is written down in the user's cache before and after each step, so that the same call, made again, goes
on with the batches that are under way instead of paying for new ones.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from retailor.errors import ModelError
from retailor.models.endpoints.costs import Tokens
from retailor.models.endpoints.endpoint import Endpoint
from retailor.progress import track
from retailor.store.artifact import fingerprint, owned
from retailor.store.user_cache import cache_folder

MAX_LINES = 50_000
"""Of a batch, and of texts in it; more go as several."""
MAX_BYTES = 100_000_000
KEPT_DAYS = 30
"""Batches that nobody asked for again are forgotten after so long."""
_PATHS = {"chat": "/v1/chat/completions", "completions": "/v1/completions", "embeddings": "/v1/embeddings"}
_DONE = ("completed", "expired", "cancelled")
"""Ends of a batch that have answers; those that are missing are of lines that failed."""
_SLOWEST = 10
Answer = dict[str, Any] | str
"""The reply to a request as it would have come by itself, or what is said to have gone wrong."""


def answered(
    endpoint: Endpoint,
    route: str,
    bodies: Sequence[Mapping[str, Any]],
    most: Sequence[Tokens],
    n_texts: Sequence[int],
) -> list[Answer]:
    """The answer to each request, in order. `most` are the tokens that each may use at most.

    Raises ModelError where a batch as a whole is refused, passes the budget, or is not ready within
    `batch_wait_h`; the same call goes on with it then.
    """
    lines = [
        json.dumps({"custom_id": str(i), "method": "POST", "url": _PATHS[route],
                    "body": {"model": endpoint.settings.model, **body}}, ensure_ascii=False).encode()
        for i, body in enumerate(bodies)
    ]  # fmt: skip
    about = (endpoint.settings.base_url, endpoint.settings.model, route)
    place = cache_folder() / "batches" / fingerprint(*about, [line.decode() for line in lines])[:24]
    place.parent.mkdir(parents=True, exist_ok=True)
    _sweep(place)
    lock = owned(place.with_suffix(".lock"))
    if lock is None:
        raise ModelError("another call waits for the same batch: wait for that one.", asked=route)
    try:
        place.mkdir(exist_ok=True)
        parts = [_Part(endpoint, place, number, chosen) for number, chosen in _parts(lines, n_texts)]
        # Held for all before anything is sent, and not twice where an earlier call of the same did not end.
        budget, wanted = endpoint.budget, sum(most, Tokens(0))
        budget.reserve_batch(wanted, len(lines), endpoint.settings.batch_prices, place.name)
        for part in parts:
            part.send(route, lines)
        _wait(parts, endpoint)
        found: dict[int, Answer] = {}
        for part in parts:
            found |= part.take()
        budget.settle_batch(wanted, sum(map(_used, found.values()), Tokens(0)), place.name)
        for part in parts:
            part.clear()
        shutil.rmtree(place, ignore_errors=True)
        return [found.get(i, "no answer in the batch") for i in range(len(lines))]
    finally:
        place.with_suffix(".lock").unlink(missing_ok=True)
        lock.release()


def tell_failed(name: str, answers: Sequence[Answer]) -> None:
    """Warns of the lines that failed, by what was said, each how often."""
    said = Counter(one for one in answers if isinstance(one, str))
    if said:
        told = "; ".join(f"{n:,} × {what}" for what, n in said.most_common(5))
        warnings.warn(
            f"{name}: {said.total():,} of {len(answers):,} requests of a batch failed and are asked again by "
            f"themselves, at full price ({told}).",
            stacklevel=4,
        )


def _parts(lines: Sequence[bytes], n_texts: Sequence[int]) -> Iterator[tuple[int, range]]:
    """Number and rows of each batch, within what an endpoint takes."""
    start = number = texts = size = 0
    for i, line in enumerate(lines):
        if i > start and (texts + n_texts[i] > MAX_LINES or size + len(line) > MAX_BYTES):
            yield number, range(start, i)
            start, number, texts, size = i, number + 1, 0, 0
        texts, size = texts + n_texts[i], size + len(line) + 1
    if len(lines) > start:
        yield number, range(start, len(lines))


class _Part:
    """One batch, and the file that says how far it is."""

    def __init__(self, endpoint: Endpoint, place: Path, number: int, rows: range) -> None:
        self.rows, self._endpoint = rows, endpoint
        self._path = place / f"{number:04d}.json"
        self._mark = f"{place.name}-{number}"
        self._state: dict[str, Any] = (
            json.loads(self._path.read_text(encoding="utf-8")) if self._path.exists() else {}
        )
        self._batch: dict[str, Any] = {}

    def send(self, route: str, lines: Sequence[bytes]) -> None:
        """Sends it, if no earlier call did: the endpoint is asked before, for a killed one may have."""
        if "done" in self._state:  # a call was killed while it cleared up: its answers are lost
            self.clear()
            self._state = {}
        if "batch" in self._state:
            return
        if "file" in self._state:
            mine = [each for each in self._endpoint.batches() if _mark_of(each) == self._mark]
            if mine:
                self._write(batch=mine[0]["id"])
                return
        else:
            self._write(file=self._endpoint.upload(b"\n".join(lines[i] for i in self.rows) + b"\n"))
        made = self._endpoint.start_batch(self._state["file"], _PATHS[route], self._mark)
        self._write(batch=made["id"])

    def is_done(self) -> bool:
        """Whether the endpoint is through with it. Raises ModelError where it refused the whole."""
        self._batch = self._endpoint.batch(self._state["batch"])
        status = self._batch.get("status")
        if status == "failed":
            self._path.unlink()
            told = (self._batch.get("errors") or {}).get("data") or [{}]
            raise ModelError(
                f"{self._endpoint.settings.model}: the endpoint refused a batch of {len(self.rows):,} "
                f"requests: {str(told[0].get('message') or 'no reason is given')[:200]}.",
                asked="a batch",
            )
        return status in _DONE

    def told(self) -> int:
        """Requests that are answered so far."""
        counts = self._batch.get("request_counts") or {}
        return int(counts.get("completed") or 0) + int(counts.get("failed") or 0)

    def take(self) -> dict[int, Answer]:
        """The answers by row."""
        files = [self._batch.get(name) for name in ("output_file_id", "error_file_id")]
        found: dict[int, Answer] = {}
        for file_id in filter(None, files):
            for line in self._endpoint.content(file_id).splitlines():
                if (read := _read(line)) is not None and read[0] in self.rows:
                    found[read[0]] = read[1]
        self._state["files"] = [name for name in (*files, self._state.get("file")) if name]
        return found

    def clear(self) -> None:
        """Deletes what lies at the endpoint: it is the shop's texts."""
        self._write(done=True)
        for file_id in self._state["files"]:
            with suppress(ModelError):  # it is gone, or goes by itself
                self._endpoint.delete(file_id)

    def _write(self, **more: Any) -> None:
        self._state |= more
        new = self._path.with_suffix(".new")
        new.write_text(json.dumps(self._state), encoding="utf-8")
        new.replace(self._path)


def _wait(parts: Sequence[_Part], endpoint: Endpoint) -> None:
    """Asks, less and less often, until all are done. Raises ModelError after `batch_wait_h`."""
    settings, started = endpoint.settings, time.monotonic()
    left, n_all = list(parts), sum(len(part.rows) for part in parts)
    for asked in track(range(1, sys.maxsize), f"waiting for a batch of {n_all:,} requests"):
        left = [part for part in left if not part.is_done()]
        if not left:
            return
        if time.monotonic() - started > settings.batch_wait_h * 3600:
            raise ModelError(
                f"{settings.model}: a batch of {n_all:,} requests is not ready after "
                f"{settings.batch_wait_h:g} h ({sum(part.told() for part in parts):,} are answered): make "
                "the same call again to go on waiting.",
                asked="a batch",
            )
        time.sleep(settings.batch_poll_s * min(asked, _SLOWEST))


def _mark_of(batch: Mapping[str, Any]) -> str | None:
    return (batch.get("metadata") or {}).get("mark")


def _read(line: str) -> tuple[int, Answer] | None:
    """The row and the answer of a line; None for what is no line of a batch."""
    try:
        told = json.loads(line)
        row = int(told["custom_id"])
        reply = told.get("response") or {}
        body = reply.get("body")
        if reply.get("status_code") == 200 and isinstance(body, dict):
            return row, body
        wrong = told.get("error") or (body or {}).get("error") or {}
        said = wrong.get("message") or wrong.get("code") or f"status {reply.get('status_code')}"
        return row, " ".join(str(said).split())[:120]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def _used(answer: Answer) -> Tokens:
    if isinstance(answer, str):
        return Tokens(0)
    counted = answer.get("usage") or {}
    total = int(counted.get("total_tokens") or 0)
    n_in = int(counted.get("prompt_tokens") or total)
    return Tokens(n_in, total - n_in)


def _sweep(place: Path) -> None:
    """Takes away what was sent too long ago for any endpoint to have it still."""
    for folder in place.parent.iterdir():
        if folder.is_dir() and time.time() - folder.stat().st_mtime > KEPT_DAYS * 86_400:
            shutil.rmtree(folder, ignore_errors=True)
