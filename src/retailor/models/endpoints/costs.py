"""What asking an endpoint costs: tokens, prices, and a budget that is held before anything is sent."""

from __future__ import annotations

from dataclasses import dataclass, replace
from threading import Lock

from retailor.errors import ModelError


@dataclass(frozen=True)
class Tokens:
    """Tokens in and out, of one request or of many."""

    n_in: int
    n_out: int = 0

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(self.n_in + other.n_in, self.n_out + other.n_out)

    def __sub__(self, other: Tokens) -> Tokens:
        return Tokens(self.n_in - other.n_in, self.n_out - other.n_out)

    @property
    def total(self) -> int:
        return self.n_in + self.n_out


@dataclass(frozen=True)
class Prices:
    """Of a million tokens, in the currency of the endpoint's bill."""

    per_million_in: float
    per_million_out: float

    def of(self, tokens: Tokens) -> float:
        return (tokens.n_in * self.per_million_in + tokens.n_out * self.per_million_out) / 1e6


@dataclass(frozen=True)
class Usage:
    """What was asked of an endpoint, or will be at most; tokens as it counted them, else as estimated."""

    n_requests: int = 0
    n_tokens: int = 0
    n_tokens_in: int = 0
    n_tokens_out: int = 0
    cost: float | None = None
    """None without prices."""

    @classmethod
    def of(cls, n_requests: int, tokens: Tokens, prices: Prices | None) -> Usage:
        cost = None if prices is None else prices.of(tokens)
        return cls(n_requests, tokens.total, tokens.n_in, tokens.n_out, cost)

    def __str__(self) -> str:
        asked = f"{self.n_requests:,} {'request' if self.n_requests == 1 else 'requests'}"
        told = f"{asked}, {self.n_tokens:,} tokens"
        told += f" ({self.n_tokens_in:,} in, {self.n_tokens_out:,} out)"
        return told if self.cost is None else f"{told}, costing {self.cost:,.4f}"


class Budget:
    """Counts requests and tokens, and refuses the request that could pass a limit before it is sent."""

    def __init__(
        self,
        max_tokens: int | None,
        max_requests: int | None,
        max_cost: float | None = None,
        prices: Prices | None = None,
    ) -> None:
        self.prices = prices
        self._max_tokens, self._max_requests, self._max_cost = max_tokens, max_requests, max_cost
        self._lock = Lock()
        self._requests, self._used, self._reserved = 0, Tokens(0), Tokens(0)
        self._batches: dict[str, Prices | None] = {}
        self._discount = 0.0
        """What batches cost less than their tokens would have."""

    @property
    def usage(self) -> Usage:
        with self._lock:
            counted = Usage.of(self._requests, self._used, self.prices)
            return counted if counted.cost is None else replace(counted, cost=self._spent(Tokens(0)))

    def reserve(self, wanted: Tokens) -> None:
        """Sets tokens aside for one request. Raises ModelError when they, or what they cost, are not left."""
        with self._lock:
            if self._max_requests is not None and self._requests >= self._max_requests:
                raise ModelError(
                    f"the budget of {self._max_requests:,} requests is spent: raise budget_requests.",
                    asked="a request",
                )
            after = self._used + self._reserved + wanted
            if self._max_tokens is not None and after.total > self._max_tokens:
                raise ModelError(
                    f"the budget of {self._max_tokens:,} tokens is spent: {self._used.total:,} are used, "
                    "and the "
                    f"next request may need {wanted.total:,}; raise budget_tokens to go on.",
                    asked=f"{wanted.total} tokens",
                )
            dear = self._spent(self._reserved + wanted)
            if self._max_cost is not None and self.prices and dear > self._max_cost:
                raise ModelError(
                    f"the budget of {self._max_cost:,.4f} is spent: {self._spent(Tokens(0)):,.4f} are "
                    "used, "
                    f"and the next request may cost {self.prices.of(wanted):,.4f}; raise budget_cost to "
                    "go on.",
                    asked=f"{wanted.total} tokens",
                )
            self._requests += 1
            self._reserved += wanted

    def reserve_batch(self, wanted: Tokens, n_requests: int, prices: Prices | None, batch: str) -> None:
        """The same for a batch of many requests at prices of its own; one that is set aside already stays."""
        with self._lock:
            if batch in self._batches:
                return
            n, tokens = self._requests + n_requests, self._used + self._reserved + wanted
            cost = self._spent(self._reserved) + (prices.of(wanted) if prices else 0.0)
            for name, most, would in (
                ("budget_requests", self._max_requests, n),
                ("budget_tokens", self._max_tokens, tokens.total),
                ("budget_cost", self._max_cost, cost),
            ):
                if most is not None and would > most:
                    raise ModelError(
                        f"the batch of {n_requests:,} requests may need {wanted.total:,} tokens"
                        f"{f' and cost {prices.of(wanted):,.4f}' if prices else ''}, and with what is used "
                        f"that is {would:,.6g} of {name} = {most:,.6g}: raise it, or send less.",
                        asked=f"{wanted.total} tokens",
                    )
            self._batches[batch] = prices
            self._requests += n_requests
            self._reserved += wanted

    def settle_batch(self, wanted: Tokens, used: Tokens, batch: str) -> None:
        """Turns what was set aside for a batch into what it used, at its prices."""
        with self._lock:
            prices = self._batches.pop(batch)
            self._reserved -= wanted
            self._used += used
            if self.prices and prices:
                self._discount += self.prices.of(used) - prices.of(used)

    def _spent(self, more: Tokens) -> float:
        """What all that was used and `more` at full prices cost; 0 without prices."""
        return 0.0 if self.prices is None else self.prices.of(self._used + more) - self._discount

    def settle(self, reserved: Tokens, used: Tokens) -> None:
        """Turns a reservation into what was really used."""
        with self._lock:
            self._reserved -= reserved
            self._used += used
