"""A real OpenAI-compatible HTTP server on a free loopback port, for tests: it echoes, and fails on demand.

with OpenAIServer(script=[Scripted(status=429), Scripted(status=500)]) as server:
    generator = load_remote(f"{server.url}#toy")
    assert generator.generate(["hi"], max_tokens=5) == ["echo: hi"]
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from retailor.testing.openai_batches import Batches
from retailor.testing.toys import HashEncoder


@dataclass(frozen=True)
class Scripted:
    """The reply to one request, instead of the right one; `body` None with status 200 is the right one."""

    status: int = 200
    body: str | Mapping[str, Any] | None = None
    """A string is sent as it is; a mapping as JSON."""
    headers: Mapping[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


@dataclass(frozen=True)
class Received:
    """One request as it came."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]


class OpenAIServer:
    """Use it in a `with` block. `requests` holds what it received, `most_at_once` how many it had in hand."""

    def __init__(
        self,
        *,
        script: Sequence[Scripted] = (),
        reply: Callable[[str], str] | None = None,
        key: str | None = None,
        models: Sequence[str] = (),
        routes: Sequence[str] = ("chat/completions", "completions", "embeddings"),
        dim: int = 16,
        delay_s: float = 0.0,
        usage: bool = True,
        batch_polls: int = 1,
        batch_ends_as: str = "completed",
        batch_drops: Callable[[int], bool] = lambda line: False,
    ) -> None:
        """Scripted replies are used up first, one a request; then `reply(prompt)` answers.

        Without a `reply` it echoes the prompt, and at a temperature above 0 its seed too: a toy of sampling.

        A `key` is asked for when given, and only `models` exist when given. Vectors are a HashEncoder's,
        three times as long as they should be, and sent in reverse order with their index. Batches are done
        after `batch_polls` questions, with the status `batch_ends_as`, all lines but those that
        `batch_drops` names answered.
        """
        self.script = list(script)
        self.requests: list[Received] = []
        self.most_at_once = 0
        self._reply, self._key, self._models, self._routes = reply, key, tuple(models), tuple(routes)
        self._encoder, self._delay_s, self._usage = HashEncoder(dim), delay_s, usage
        self.batches = Batches(self._of_line, batch_polls, batch_ends_as, batch_drops)
        self._now = 0
        self._lock = threading.Lock()
        self._http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        """The address to give to a client, with its /v1."""
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    def _answer(self, received: Received, method: str, raw: bytes) -> Scripted:
        with self._lock:
            self.requests.append(received)
            scripted = self.script.pop(0) if self.script else Scripted(delay_s=self._delay_s)
            self._now += 1
            self.most_at_once = max(self.most_at_once, self._now)
        time.sleep(scripted.delay_s)
        with self._lock:
            self._now -= 1
        if scripted.status == 200 and scripted.body is None:
            return self._right(received, method, raw)
        return scripted if scripted.body is not None else _failure(scripted)

    def _right(self, received: Received, method: str, raw: bytes) -> Scripted:
        route = received.path.removeprefix("/v1/")
        model = received.body.get("model")
        if self._key is not None and received.headers.get("authorization") != f"Bearer {self._key}":
            return _error(401, f"Incorrect API key provided: {received.headers.get('authorization')}")
        if route.split("/")[0].split("?")[0] in ("files", "batches"):
            path = received.path.split("?")[0]
            status, body = self.batches.reply(method, path, received.headers.get("content-type", ""), raw)
            return Scripted(status, body)
        if route not in self._routes:
            return _error(404, f"no route /{route}")
        if self._models and model not in self._models:
            return _error(404, f"The model '{model}' does not exist", code="model_not_found")
        return Scripted(
            body=self._embeddings(received.body) if route == "embeddings" else self._said(received)
        )

    def _of_line(self, path: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Of a request in a batch, as of one by itself."""
        key = {} if self._key is None else {"authorization": f"Bearer {self._key}"}
        reply = self._right(Received(path, key, body), "POST", b"")
        return reply.status, reply.body

    def _said(self, received: Received) -> dict[str, Any]:
        chat = "messages" in received.body
        prompt = received.body["messages"][-1]["content"] if chat else received.body["prompt"]
        sampled = f" (seed {received.body.get('seed')})" if received.body.get("temperature") else ""
        text = self._reply(prompt) if self._reply else f"echo: {prompt}{sampled}"
        said = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
        return {
            "id": "toy",
            "object": "chat.completion" if chat else "text_completion",
            "choices": [{"index": 0, "finish_reason": "stop", **said}],
            **self._counted(prompt, text),
        }

    def _embeddings(self, body: Mapping[str, Any]) -> dict[str, Any]:
        texts = [body["input"]] if isinstance(body["input"], str) else list(body["input"])
        vectors = (3 * self._encoder.encode(texts)).tolist()
        data = [{"object": "embedding", "index": i, "embedding": vector} for i, vector in enumerate(vectors)]
        return {"object": "list", "data": data[::-1], **self._counted(" ".join(texts), "")}

    def _counted(self, prompt: str, text: str) -> dict[str, Any]:
        told, said = len(prompt.split()), len(text.split())
        usage = {"prompt_tokens": told, "completion_tokens": said, "total_tokens": told + said}
        return {"usage": usage} if self._usage else {}


def _error(status: int, message: str, code: str | None = None) -> Scripted:
    return Scripted(status, {"error": {"message": message, "type": "error", "code": code}})


def _failure(scripted: Scripted) -> Scripted:
    told = _error(scripted.status, f"scripted failure {scripted.status}")
    return Scripted(scripted.status, told.body, scripted.headers)


def _handler(server: OpenAIServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers.get("content-length", 0))
            raw = self.rfile.read(size)
            is_json = self.headers.get("content-type", "").startswith("application/json")
            body = json.loads(raw or b"{}") if is_json else {}
            headers = {key.lower(): value for key, value in self.headers.items()}
            self._send(server._answer(Received(self.path, headers, body), self.command, raw))

        do_GET = do_DELETE = do_POST  # noqa: N815 (names of the standard library)

        def _send(self, reply: Scripted) -> None:
            plain = isinstance(reply.body, str)
            text = reply.body if isinstance(reply.body, str) else json.dumps(reply.body)
            data = text.encode()
            try:
                self.send_response(reply.status)
                self.send_header("content-type", "text/html" if plain else "application/json")
                self.send_header("content-length", str(len(data)))
                for key, value in reply.headers.items():
                    self.send_header(key, value)
                self.end_headers()
                self.wfile.write(data)
            except (BrokenPipeError, ConnectionResetError):
                # The client gave up waiting, as a test of timeouts wants it to.
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:
            """Silent: a test's output is not a server's log."""

    return Handler
