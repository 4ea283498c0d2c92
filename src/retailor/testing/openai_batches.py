"""Files and batches of the test server, kept as a real one keeps them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from email import message_from_bytes
from email.policy import HTTP
from threading import Lock
from typing import Any

Answer = Callable[[str, Mapping[str, Any]], tuple[int, Any]]
"""Path and body of a request to the status and body of its reply."""


class Batches:
    """Answers every line of a batch when it is made, and says so after it was asked for `polls` times."""

    def __init__(self, answer: Answer, polls: int, ends_as: str, drops: Callable[[int], bool]) -> None:
        """`drops` names lines, by number, that are not answered; `ends_as` is the last status."""
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict[str, Any]] = {}
        self._answer, self._polls, self._ends_as, self._drops = answer, polls, ends_as, drops
        self._asked: dict[str, int] = {}
        self._lock = Lock()

    def reply(self, method: str, path: str, kind: str, body: bytes) -> tuple[int, Any]:
        """Status and body of the reply to a request below /v1/files or /v1/batches."""
        what, _, rest = path.removeprefix("/v1/").partition("/")
        name, _, more = rest.partition("/")
        with self._lock:
            if what == "files":
                return self._file(method, name, more, kind, body)
            if method == "POST":
                return self._started(json.loads(body))
            if not name:
                return 200, {"object": "list", "data": list(self.batches.values())[::-1], "has_more": False}
            return (200, self._now(name)) if name in self.batches else (404, _told(f"no batch {name}"))

    def _file(self, method: str, name: str, more: str, kind: str, body: bytes) -> tuple[int, Any]:
        if method == "POST":
            return 200, {"id": self._kept(_upload(kind, body)), "object": "file", "purpose": "batch"}
        if name not in self.files:
            return 404, _told(f"no file {name}")
        if method == "DELETE":
            del self.files[name]
            return 200, {"id": name, "deleted": True}
        return 200, self.files[name].decode() if more == "content" else {"id": name, "object": "file"}

    def _kept(self, data: bytes) -> str:
        name = f"file-{len(self.files) + len(self._asked) + 1:04d}-{id(data) % 10_000}"
        self.files[name] = data
        return name

    def _started(self, asked: Mapping[str, Any]) -> tuple[int, Any]:
        lines = [json.loads(line) for line in self.files[asked["input_file_id"]].splitlines()]
        good: list[bytes] = []
        bad: list[bytes] = []
        for i, line in enumerate(lines):
            if self._drops(i):
                continue
            status, body = self._answer(line["url"], line["body"])
            told = {"custom_id": line["custom_id"], "response": {"status_code": status, "body": body}}
            (good if status == 200 else bad).append(json.dumps(told).encode())
        name = f"batch-{len(self.batches) + 1:04d}"
        self.batches[name] = {
            "id": name, "object": "batch", "endpoint": asked["endpoint"], "status": "validating",
            "metadata": asked.get("metadata"), "input_file_id": asked["input_file_id"],
            "request_counts": {"total": len(lines), "completed": 0, "failed": 0},
            "ready": {"output_file_id": self._kept(b"\n".join(good[::-1])),
                      "error_file_id": self._kept(b"\n".join(bad)) if bad else None,
                      "request_counts": {"total": len(lines), "completed": len(good), "failed": len(bad)}},
        }  # fmt: skip
        self._asked[name] = 0
        return 200, {key: value for key, value in self.batches[name].items() if key != "ready"}

    def _now(self, name: str) -> dict[str, Any]:
        self._asked[name] += 1
        batch = self.batches[name]
        if self._asked[name] > self._polls:
            batch["status"] = self._ends_as
            if self._ends_as == "failed":
                batch["errors"] = {"data": [{"message": "the file has too many tokens"}]}
            else:
                batch |= batch.get("ready", {})
        elif self._asked[name] > 1:
            batch["status"] = "in_progress"
        return {key: value for key, value in batch.items() if key != "ready"}


def _upload(kind: str, body: bytes) -> bytes:
    """The file in a form of several parts."""
    form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + body, policy=HTTP)
    part = next(one for one in form.iter_parts() if one.get_filename())
    data = part.get_payload(decode=True)
    assert isinstance(data, bytes)
    return data


def _told(message: str) -> dict[str, Any]:
    return {"error": {"message": message, "type": "error", "code": None}}
