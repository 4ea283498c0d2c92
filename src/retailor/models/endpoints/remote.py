"""Models behind an OpenAI-compatible address: a Generator and an Encoder that hold no weights."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any, Literal, Self, TypeVar

import numpy as np
from numpy.typing import NDArray

from retailor.config import as_dict, read_settings
from retailor.errors import ConfigError, DataError, ModelError
from retailor.models.endpoints.batches import answered, tell_failed
from retailor.models.endpoints.costs import Prices, Tokens, Usage
from retailor.models.endpoints.endpoint import Endpoint, Refused, RemoteSettings, estimate_tokens
from retailor.models.shapes import Role
from retailor.store import artifact

__all__ = [
    "RemoteEncoder",
    "RemoteGenerator",
    "RemoteSettings",
    "Usage",
    "is_remote",
    "load_remote",
    "open_remote",
    "remote_settings",
]

FILE = "remote.json"
T = TypeVar("T")
R = TypeVar("R")


def remote_settings(name: str) -> RemoteSettings:
    """The settings that a name such as `https://host/v1#model-name` stands for."""
    base_url, _, model = name.partition("#")
    if not model:
        raise ConfigError(
            f"'{base_url}' names no model: write it after a '#', as in https://host/v1#model-name.",
            key="model",
        )
    return RemoteSettings(base_url=base_url, model=model)


def load_remote(
    name: str, *, kind: Literal["encoder", "generator"] = "generator"
) -> RemoteGenerator | RemoteEncoder:
    """The remote model that a name such as `https://host/v1#model-name` stands for. Asks nothing yet."""
    found = remote_settings(name)
    return RemoteEncoder(found) if kind == "encoder" else RemoteGenerator(found)


def is_remote(folder: Path) -> bool:
    """Whether a saved model is a remote one."""
    return (Path(folder) / FILE).is_file()


def open_remote(folder: Path) -> RemoteGenerator | RemoteEncoder:
    """A remote model from its artifact, whichever of the two it is."""
    kind = artifact.read_manifest(folder).kind
    return RemoteEncoder.load(folder) if kind == "encoder" else RemoteGenerator.load(folder)


class RemoteGenerator:
    """A Generator that asks for chat completions, or for plain ones where the model has no chat.

    What the endpoint does not take (a seed, a temperature, `max_tokens` under that name) is found out from
    its first refusal and left out from then on.
    """

    def __init__(self, settings: RemoteSettings) -> None:
        self.settings = settings
        self._endpoint = Endpoint(settings)
        self._route = "chat"
        self._limit = "max_tokens"
        self._left_out: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        return f"{self.settings.base_url}#{self.settings.model}"

    @property
    def usage(self) -> Usage:
        """Requests and tokens so far, and what they cost where the settings have prices."""
        return self._endpoint.budget.usage

    def __repr__(self) -> str:
        return f"RemoteGenerator({self.name!r})"

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, temperature: float = 0.0, seed: int = 0
    ) -> list[str]:
        """One continuation a prompt, in order; '' where the model declined to say anything.

        Raises ModelError when a prompt is too long, the budget is spent, or the endpoint cannot answer.
        """
        options = {"temperature": temperature, "seed": seed % 2**31}
        return self._generated(prompts, max_tokens, options)

    def estimate(self, prompts: Sequence[str], *, max_tokens: int) -> Usage:
        """The most that `generate` of these may use and cost, without a retry; nothing is asked."""
        most = [Tokens(estimate_tokens(prompt), max_tokens) for prompt in prompts]
        return Usage.of(len(most), sum(most, Tokens(0)), _prices(self.settings, len(most)))

    def _generated(self, prompts: Sequence[str], max_tokens: int, options: dict[str, Any]) -> list[str]:
        for i, prompt in enumerate(prompts):
            if len(prompt) > self.settings.max_chars:
                raise ModelError(
                    f"prompt {i + 1} has {len(prompt):,} characters, and at most {self.settings.max_chars:,} "
                    "may be sent: shorten it or raise max_chars.",
                    asked="generate",
                )

        if self.settings.goes_as_batch(len(prompts)):
            return self._in_batches(prompts, max_tokens, options)

        def one(prompt: str, stop: Event) -> str:
            return self._one(_sound(prompt), {self._limit: max_tokens, **options}, max_tokens, stop)

        return _in_order(one, prompts, self.settings.max_concurrency)

    def _in_batches(self, prompts: Sequence[str], max_tokens: int, options: dict[str, Any]) -> list[str]:
        """The same through batches; what a batch did not answer is asked for by itself.

        The first prompt goes by itself, and shows what the endpoint takes.
        """
        stop = Event()
        first = self._one(_sound(prompts[0]), {self._limit: max_tokens, **options}, max_tokens, stop)
        sent = {key: value for key, value in options.items() if key not in self._left_out}
        bodies = [
            {**_prompt_field(self._route, _sound(prompt)), self._limit: max_tokens, **sent}
            for prompt in prompts[1:]
        ]
        most = [Tokens(estimate_tokens(prompt), max_tokens) for prompt in prompts[1:]]
        answers = answered(self._endpoint, self._route, bodies, most, [1] * len(bodies))
        made = [None if isinstance(one, str) else self._text(self._route, one) for one in answers]
        tell_failed(self.name, answers)

        def again(i: int, stop: Event) -> str:
            return self._one(_sound(prompts[i]), {self._limit: max_tokens, **options}, max_tokens, stop)

        left = [i for i, one in enumerate(made, 1) if one is None]
        mended = dict(zip(left, _in_order(again, left, self.settings.max_concurrency), strict=True))
        return [first, *(mended.get(i, one) or "" for i, one in enumerate(made, 1))]

    def _one(self, prompt: str, options: dict[str, Any], max_tokens: int, stop: Event) -> str:
        estimate = Tokens(estimate_tokens(prompt), max_tokens)
        # Each round learns one thing about the endpoint, and there are five to learn.
        for _ in range(6):
            route = self._route
            said = _prompt_field(route, prompt)
            sent = {key: value for key, value in options.items() if key not in self._left_out}
            try:
                reply = self._endpoint.ask(route, {**said, **sent}, estimate=estimate, stop=stop)
                return self._text(route, reply)
            except Refused as error:
                options = self._learn(error, route, options)
        raise ModelError(f"{self.name} refused every form of the request.", asked="generate")

    def _learn(self, error: Refused, route: str, options: dict[str, Any]) -> dict[str, Any]:
        """The options to try next. Raises the refusal when it teaches nothing."""
        said = error.said.lower()
        if error.status in (400, 422):
            if "max_completion_tokens" in said and "max_tokens" in options:
                self._limit = "max_completion_tokens"
                return {
                    ("max_completion_tokens" if key == "max_tokens" else key): value
                    for key, value in options.items()
                }
            for name in ("temperature", "seed", "response_format"):
                if name in said and name not in self._left_out:
                    self._left_out |= {name}
                    return options
        no_chat = error.status in (404, 405) or (error.status == 400 and "chat" in said)
        if route == "chat" and no_chat and "model_not_found" not in said:
            self._route = "completions"
            return options
        if error.status in (404, 405):
            self._route = "chat"
        raise error

    def _text(self, route: str, reply: dict[str, Any]) -> str:
        try:
            choice = reply["choices"][0]
            text = choice["message"]["content"] if route == "chat" else choice["text"]
        except (KeyError, IndexError, TypeError):
            raise ModelError(
                f"{self.name} sent a reply without a text in choices[0]: is it an OpenAI-compatible address?",
                asked="generate",
            ) from None
        return text if isinstance(text, str) else ""

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'generator' with the settings, never the key."""
        _save(folder, "generator", {"settings": as_dict(self.settings)})

    @classmethod
    def load(cls, folder: Path) -> Self:
        return cls(read_settings(RemoteSettings, _read(folder, "generator")["settings"], FILE))

    def close(self) -> None:
        """Closes the connections."""
        self._endpoint.close()


def _prompt_field(route: str, prompt: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": prompt}]} if route == "chat" else {"prompt": prompt}


class RemoteEncoder:
    """An Encoder that asks for embeddings; its dimension is found with the first reply."""

    def __init__(
        self,
        settings: RemoteSettings,
        *,
        batch_size: int = 64,
        prefixes: tuple[str, str] = ("", ""),
        dim: int | None = None,
    ) -> None:
        """`prefixes` stand before a query and a passage: ('query: ', 'passage: ') for the E5 family."""
        self.settings = settings
        self._endpoint = Endpoint(settings)
        self._batch_size = batch_size
        self._prefixes = prefixes
        self._dim = dim

    @property
    def name(self) -> str:
        return f"{self.settings.base_url}#{self.settings.model}"

    @property
    def usage(self) -> Usage:
        """Requests and tokens so far, and what they cost where the settings have prices."""
        return self._endpoint.budget.usage

    @property
    def dim(self) -> int:
        """The length of a vector; the first look may cost one request."""
        if self._dim is None:
            self._dim = self._batch([" "], Event()).shape[1]
        return self._dim

    def __repr__(self) -> str:
        return f"RemoteEncoder({self.name!r})"

    def encode(self, texts: Sequence[str], *, role: Role = "passage") -> NDArray[np.float32]:
        """Unit rows [n, dim], in the order of `texts`. Raises ModelError when the endpoint cannot answer."""
        prefix = self._prefixes[0 if role == "query" else 1]
        # Endpoints refuse an empty text; a blank one is the nearest thing to it.
        sent = [_sound(prefix + text)[: self.settings.max_chars] or " " for text in texts]
        batches = [sent[i : i + self._batch_size] for i in range(0, len(sent), self._batch_size)]
        if not batches:
            return np.zeros((0, self.dim), dtype=np.float32)
        if self.settings.goes_as_batch(len(sent)):
            return self._in_batches(batches)
        return np.concatenate(_in_order(self._batch, batches, self.settings.max_concurrency))

    def estimate(self, texts: Sequence[str], *, role: Role = "passage") -> Usage:
        """The most that `encode` of these may use and cost, without a retry; nothing is asked."""
        prefix = self._prefixes[0 if role == "query" else 1]
        n_tokens = sum(estimate_tokens((prefix + text)[: self.settings.max_chars]) for text in texts)
        n_requests = -(-len(texts) // self._batch_size)
        return Usage.of(n_requests, Tokens(n_tokens), _prices(self.settings, len(texts)))

    @property
    def block(self) -> int | None:
        """How many texts `encode` should be given at once, where that matters: a batch takes all it can."""
        return None if self.settings.batch_from is None else 1_000_000

    def _in_batches(self, requests: Sequence[Sequence[str]]) -> NDArray[np.float32]:
        """The same through batches; what a batch did not answer is asked for by itself."""
        bodies = [{"input": list(texts), "encoding_format": "float"} for texts in requests]
        most = [Tokens(sum(map(estimate_tokens, texts))) for texts in requests]
        answers = answered(self._endpoint, "embeddings", bodies, most, [len(texts) for texts in requests])
        tell_failed(self.name, answers)
        left = [texts for texts, one in zip(requests, answers, strict=True) if isinstance(one, str)]
        mended = iter(_in_order(self._batch, left, self.settings.max_concurrency))
        return np.concatenate([
            next(mended) if isinstance(one, str) else _unit(self._rows(one, len(texts)))
            for texts, one in zip(requests, answers, strict=True)
        ])  # fmt: skip

    def _batch(self, texts: Sequence[str], stop: Event) -> NDArray[np.float32]:
        reply = self._endpoint.ask(
            "embeddings",
            {"input": list(texts), "encoding_format": "float"},
            estimate=Tokens(sum(map(estimate_tokens, texts))),
            stop=stop,
        )
        return _unit(self._rows(reply, len(texts)))

    def _rows(self, reply: dict[str, Any], n: int) -> NDArray[np.float64]:
        try:
            data = sorted(reply["data"], key=lambda entry: int(entry["index"]))
            rows = np.array([entry["embedding"] for entry in data], dtype=np.float64)
        except (KeyError, TypeError, ValueError):
            rows = np.zeros(0)
        dim = self._dim or (rows.shape[1] if rows.ndim == 2 else 0)
        if rows.shape != (n, dim) or not dim or not math.isfinite(rows.sum()):
            raise ModelError(
                f"{self.name} did not send {n} vectors of one length: is it a model for embeddings?",
                asked="encode",
            )
        self._dim = dim
        return rows

    def save(self, folder: Path) -> None:
        """Writes an artifact of kind 'encoder' with the settings, never the key."""
        told = {"batch_size": self._batch_size, "prefixes": self._prefixes, "dim": self._dim}
        _save(folder, "encoder", {"settings": as_dict(self.settings), **told})

    @classmethod
    def load(cls, folder: Path) -> Self:
        told = _read(folder, "encoder")
        query, passage = told["prefixes"]
        return cls(
            read_settings(RemoteSettings, told["settings"], FILE),
            batch_size=told["batch_size"],
            prefixes=(query, passage),
            dim=told["dim"],
        )

    def close(self) -> None:
        """Closes the connections."""
        self._endpoint.close()


def _prices(settings: RemoteSettings, n: int) -> Prices | None:
    return settings.batch_prices if settings.goes_as_batch(n) else settings.prices


def _unit(rows: NDArray[np.float64]) -> NDArray[np.float32]:
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.maximum(norms, 1e-12), dtype=np.float32)


def _in_order(ask: Callable[[T, Event], R], things: Sequence[T], n_threads: int) -> list[R]:
    """`ask` of each thing, in order, in threads. The first failure ends the others and is raised."""
    stop = Event()

    def guarded(thing: T) -> R | None:
        if stop.is_set():
            return None
        try:
            return ask(thing, stop)
        except BaseException:
            stop.set()
            raise

    with ThreadPoolExecutor(max_workers=max(1, min(n_threads, len(things)))) as pool:
        futures = [pool.submit(guarded, thing) for thing in things]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]
    return [future.result() for future in futures]  # type: ignore[misc]


def _sound(text: str) -> str:
    """The text without halves of characters, which no JSON can carry."""
    return text.encode("utf-8", "replace").decode()


def _save(folder: Path, kind: str, told: dict[str, Any]) -> None:
    with artifact.writing(folder, kind, settings=told) as new:
        (new / FILE).write_text(json.dumps(told, indent=1, ensure_ascii=False), encoding="utf-8")


def _read(folder: Path, kind: str) -> dict[str, Any]:
    artifact.verify(folder, kind)
    try:
        found = json.loads((Path(folder) / FILE).read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"there is no {FILE}, so this is not a remote model.", path=folder) from None
    assert isinstance(found, dict)
    return found
