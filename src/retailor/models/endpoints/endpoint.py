"""One OpenAI-compatible address, asked with retries and within a budget. Its key never leaves this file."""

from __future__ import annotations

import json
import os
import re
import weakref
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Event, Lock
from typing import Any
from urllib.parse import urlsplit

from retailor.config import Field, settings
from retailor.errors import ConfigError, MissingExtra, ModelError
from retailor.models.endpoints.costs import Budget, Prices, Tokens


@settings
class RemoteSettings:
    """Where a remote model is, and how long, how often and how much it may be asked."""

    base_url: str
    """The address before `/chat/completions` and `/embeddings`; it usually ends in `/v1`."""
    model: str = Field(min_length=1)
    key_env: str = "OPENAI_API_KEY"
    """The environment variable that holds the key. The key itself is never a setting."""
    timeout_s: float = Field(default=60.0, gt=0)
    retries: int = Field(default=4, ge=0, le=20)
    backoff_s: float = Field(default=0.5, ge=0)
    """The wait before the first retry; it doubles with each further one."""
    max_wait_s: float = Field(default=60.0, ge=0)
    """The longest wait for one retry; a server that asks for a longer one ends the call."""
    max_concurrency: int = Field(default=4, ge=1, le=64)
    max_chars: int = Field(default=16_000, ge=1)
    """A longer prompt is an error; a longer text to encode is cut here, as a local encoder cuts it."""
    budget_tokens: int | None = Field(default=None, ge=0)
    """A hard stop over the life of the model: tokens in and out."""
    budget_requests: int | None = Field(default=None, ge=0)
    price_in: float | None = Field(default=None, ge=0)
    """What a million tokens cost that the model reads, in the currency of the bill …"""
    price_out: float | None = Field(default=None, ge=0)
    """… and that it writes."""
    budget_cost: float | None = Field(default=None, ge=0)
    """A hard stop in that currency; it needs both prices."""
    batch_from: int | None = Field(default=None, ge=1)
    """From so many texts or prompts in one call on, they go as a batch: cheaper, and answered within a day.
    A call that is killed goes on with the batch that it sent. None: never."""
    batch_price: float = Field(default=0.5, ge=0, le=1)
    """What a batch costs, as a share of the prices."""
    batch_poll_s: float = Field(default=30.0, gt=0)
    """How often a batch is asked for; less often the longer it takes."""
    batch_wait_h: float = Field(default=25.0, gt=0)
    """How long a call waits for its batches; a later call of the same goes on waiting."""

    def __post_init__(self) -> None:
        _check_address(self.base_url)
        if self.budget_cost is not None and self.prices is None:
            raise ConfigError("'budget_cost' needs 'price_in' and 'price_out'.", key="budget_cost")
        # The value is left out of the message: who puts something else here has put the key.
        if not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key_env):
            raise ConfigError(
                "'key_env' is the name of an environment variable, such as OPENAI_API_KEY, not the key.",
                key="key_env",
            )

    @property
    def prices(self) -> Prices | None:
        """None where one of them is not known."""
        if self.price_in is None or self.price_out is None:
            return None
        return Prices(self.price_in, self.price_out)

    @property
    def batch_prices(self) -> Prices | None:
        """The prices of what goes as a batch."""
        full, share = self.prices, self.batch_price
        return None if full is None else Prices(full.per_million_in * share, full.per_million_out * share)

    def goes_as_batch(self, n: int) -> bool:
        """Whether so many texts or prompts in one call do."""
        return self.batch_from is not None and n >= self.batch_from


def _check_address(base_url: str) -> None:
    parts = urlsplit(base_url)
    if parts.username or parts.password:
        raise ConfigError(
            "'base_url' has a password in it; put the key into the environment variable named by 'key_env'.",
            key="base_url",
        )
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ConfigError(
            f"'base_url' = {base_url!r}: not an address such as https://host/v1.",
            key="base_url",
            value=base_url,
        )


class Refused(ModelError):
    """The endpoint answered with a 4xx that no retry can heal; `said` is its own message, masked."""

    def __init__(self, message: str, *, status: int, said: str) -> None:
        super().__init__(message, asked="a request")
        self.status = status
        self.said = said


class Endpoint:
    """The client of one address. Safe to use from many threads."""

    def __init__(self, settings: RemoteSettings) -> None:
        self.settings = settings
        self.budget = Budget(
            settings.budget_tokens, settings.budget_requests, settings.budget_cost, settings.prices
        )
        self._lock = Lock()
        self._client: Any = None
        self._closes: Callable[[], Any] = lambda: None

    def ask(self, route: str, body: Mapping[str, Any], *, estimate: Tokens, stop: Event) -> dict[str, Any]:
        """The JSON object that `route` ('chat', 'completions', 'embeddings') replies to `body`.

        `estimate` is the most tokens the request may cost; `stop` ends the waiting between tries.
        Raises Refused on a 4xx, ModelError on everything else that cannot be healed by trying again.
        """
        said = {"model": self.settings.model, **body}
        return self._parsed(self._tried(lambda client: _send(client, route, said), estimate, stop))

    def upload(self, lines: bytes) -> str:
        """The id of a file of requests, a JSON object a line, that a batch can be made of."""
        given = {"file": ("requests.jsonl", lines), "purpose": "batch"}
        return str(self._object(lambda client: client.files.with_raw_response.create(**given))["id"])

    def start_batch(self, file_id: str, path: str, mark: str) -> dict[str, Any]:
        """A new batch of the file's requests to `path`. `mark` is how `batches` knows it again."""
        given: dict[str, Any] = {"input_file_id": file_id, "endpoint": path, "metadata": {"mark": mark}}
        made = {**given, "completion_window": "24h"}
        return self._object(lambda client: client.batches.with_raw_response.create(**made))

    def batch(self, batch_id: str) -> dict[str, Any]:
        """What the endpoint says of a batch: its status, and the files with its answers."""
        return self._object(lambda client: client.batches.with_raw_response.retrieve(batch_id))

    def batches(self) -> list[dict[str, Any]]:
        """The latest hundred batches of this account."""
        found = self._object(lambda client: client.batches.with_raw_response.list(limit=100)).get("data")
        return [each for each in found or () if isinstance(each, dict)]

    def content(self, file_id: str) -> str:
        """The text of a file of the account's."""
        return self._tried(
            lambda client: str(client.files.with_raw_response.content(file_id).http_response.text)
        )

    def delete(self, file_id: str) -> None:
        """Takes a file of the account's away."""
        self._object(lambda client: client.files.with_raw_response.delete(file_id))

    def _object(self, send: Callable[[Any], Any]) -> dict[str, Any]:
        return self._parsed(self._tried(lambda client: str(send(client).http_response.text)))

    def _tried(
        self, send: Callable[[Any], str], estimate: Tokens | None = None, stop: Event | None = None
    ) -> str:
        """The raw reply; asked again where that may help. Without an estimate no tokens are counted."""
        client = self._open()
        import openai

        stop = stop or Event()
        for attempt in range(1, self.settings.retries + 2):
            wanted = estimate or Tokens(0)
            if estimate is not None:
                self.budget.reserve(wanted)
            used = Tokens(0)
            try:
                reply = send(client)
                used = _tokens_of(reply, wanted) if estimate is not None else used
                return reply
            except openai.APITimeoutError as error:
                # The server may well have done the work: the budget has to believe so.
                used = wanted
                wait_s = self._wait_s(error, attempt)
            except openai.APIError as error:
                wait_s = self._wait_s(error, attempt)
            finally:
                if estimate is not None:
                    self.budget.settle(wanted, used)
            if stop.wait(wait_s):
                break
        raise ModelError(f"{self._where} was not asked again: another request had failed.")

    def close(self) -> None:
        """Closes the connections; a later question opens new ones."""
        with self._lock:
            client, self._client = self._client, None
        if client is not None:
            self._closes()

    @property
    def _where(self) -> str:
        parts = urlsplit(self.settings.base_url)
        return f"{parts.scheme}://{parts.netloc}{parts.path}"

    def _key(self) -> str:
        # Local servers want no key, but the client insists on one.
        return os.environ.get(self.settings.key_env, "").strip() or "no-key"

    def _open(self) -> Any:
        try:
            from openai import OpenAI
        except ImportError:
            raise MissingExtra(
                "openai, which asks remote models,", install="pip install 'retailor[remote]'"
            ) from None
        with self._lock:
            if self._client is None:
                self._client = OpenAI(
                    base_url=self.settings.base_url,
                    api_key=self._key(),
                    timeout=self.settings.timeout_s,
                    max_retries=0,
                )
                # Of an endpoint that nobody closed the client alone would be closed in no set order: its
                # sockets may go before it, each with a warning.
                self._closes = weakref.finalize(self, self._client.close)
            return self._client

    def _parsed(self, reply: str) -> dict[str, Any]:
        try:
            found = json.loads(reply)
        except ValueError:
            found = None
        if not isinstance(found, dict):
            raise ModelError(
                f"{self._where} sent something that is not a JSON object ({self._masked(reply, 60)!r}): "
                "is it an OpenAI-compatible address? Most end in /v1."
            )
        return found

    def _masked(self, text: str, n_chars: int = 200) -> str:
        """The text in one bounded line, without the key."""
        line = " ".join(text.replace(self._key(), "***").split())
        return line if len(line) <= n_chars else line[: n_chars - 1] + "…"

    def _wait_s(self, error: Any, attempt: int) -> float:
        """How long to wait before the next try. Raises ModelError when there should be none."""
        status = getattr(error, "status_code", None)
        said = self._masked(str(getattr(error, "message", "") or error))
        hopeless = status is not None and status < 500 and status not in (408, 409, 425, 429)
        if hopeless or error.code == "insufficient_quota":
            raise Refused(self._refusal(status, said), status=status or 0, said=said) from None
        wait_s: float | None = self._asked_wait_s(error)
        if wait_s is not None and wait_s > self.settings.max_wait_s:
            raise ModelError(
                f"{self._where} asks to wait {wait_s:,.0f} s ({status}), more than max_wait_s = "
                f"{self.settings.max_wait_s:g}: try again then."
            ) from None
        if attempt > self.settings.retries:
            raise ModelError(self._exhausted(error, status, said, attempt)) from None
        backoff_s = self.settings.backoff_s * 2.0 ** (attempt - 1)
        return max(wait_s or 0.0, min(backoff_s, self.settings.max_wait_s))

    @staticmethod
    def _asked_wait_s(error: Any) -> float | None:
        headers = getattr(getattr(error, "response", None), "headers", None) or {}
        return retry_after_s(headers.get("retry-after"), datetime.now(UTC))

    def _refusal(self, status: int | None, said: str) -> str:
        if status in (401, 403):
            return (
                f"{self._where} refused the key ({status}): put a valid one into the environment variable "
                f"{self.settings.key_env}. It said: {said}"
            )
        if status == 404:
            return (
                f"{self._where} knows no model '{self.settings.model}', or the address is incomplete (404): "
                f"check the name, and that the address ends as the server wants (often /v1). It said: {said}"
            )
        if status == 429:
            return f"{self._where} says that the account's quota is used up (429): top it up. It said: {said}"
        return f"{self._where} refused the request ({status}). It said: {said}"

    def _exhausted(self, error: Any, status: int | None, said: str, n_tries: int) -> str:
        tries = f"{n_tries} {'try' if n_tries == 1 else 'tries'}"
        if type(error).__name__ == "APITimeoutError":
            return (
                f"{self._where} gave no reply within {self.settings.timeout_s:g} s, in {tries}: "
                "raise timeout_s, or look at the server."
            )
        if status is None:
            return f"{self._where} cannot be reached, in {tries} ({said}): check the address."
        if status == 429:
            return f"{self._where} is still rate-limited after {tries} (429): lower max_concurrency or wait."
        return f"{self._where} failed in {tries} ({status}). It said: {said}"


def retry_after_s(header: str | None, now: datetime) -> float | None:
    """The seconds that a Retry-After header (a number or an HTTP date) asks for, if any."""
    if not header:
        return None
    try:
        return max(0.0, float(header))
    except ValueError:
        pass
    try:
        return max(0.0, (parsedate_to_datetime(header) - now).total_seconds())
    except (ValueError, TypeError):
        return None


def estimate_tokens(text: str) -> int:
    """A generous guess of the tokens in a text: a third of its UTF-8 bytes, one at least."""
    return max(1, -(-len(text.encode()) // 3))


def _send(client: Any, route: str, body: dict[str, Any]) -> str:
    resources = {
        "chat": client.chat.completions,
        "completions": client.completions,
        "embeddings": client.embeddings,
    }
    # The raw reply: the client's own parsing turns a malformed one into an object of Nones.
    return str(resources[route].with_raw_response.create(**body).http_response.text)


def _tokens_of(reply: str, estimate: Tokens) -> Tokens:
    try:
        counted = json.loads(reply)["usage"]
        total = int(counted["total_tokens"])
        n_in = int(counted.get("prompt_tokens", total))
        return Tokens(n_in, total - n_in)
    except (ValueError, KeyError, TypeError, AttributeError):
        return estimate
