"""The settings of what happens to a run after it is served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from retailor.config import Field, settings
from retailor.errors import ConfigError


@settings
class RefreshSettings:
    """When a run that was fitted anew takes the place of the one that is served."""

    days: float = Field(default=7.0, gt=0)
    """Both are judged by the events of so many of the newest days, and by those of half the time since the
    last fit at most: the other half is there to be learned from."""
    judged: tuple[str, ...] = ("recommend", "search", "answer", "sentiment")
    """Tasks that are compared, where the newest days have cases of them."""
    worst: float = Field(default=-0.005, ge=-1, le=0)
    """The new run may be so much worse in the metric of any of them, and no more …"""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """… with this certainty, by a paired bootstrap over the cases."""
    least_cases: int = Field(default=200, ge=10)
    """With fewer cases a task decides nothing; a refresh in which none decides is not promoted."""
    kept: int = Field(default=2, ge=1)
    """Runs of refreshes that are kept on the disk beside the one that answers; receipts stay for good."""


@settings
class ExperimentSettings:
    """A comparison of two or more ways to answer, each for some of the customers."""

    name: str = Field(default="", pattern=r"^[\w.-]{0,40}$")
    """Empty: there is none. Another name draws the customers' arms anew."""
    task: str = "recommend"
    """The task whose queries the arms change; of customers without an id nothing is changed or counted."""
    arms: Mapping[str, float] = Field(default_factory=lambda: {"control": 0.5, "treated": 0.5})
    """Arm to the share of the customers; the first one is what the others are compared with."""
    changes: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    """Arm to what its queries have in place of what was asked, such as `treated = {diversity = 0.3}`."""
    goal: tuple[str, ...] = ("buy",)
    """Kinds of events that count: a customer with one of them within `days` has reached the goal."""
    days: float = Field(default=7.0, gt=0)
    """How long after the first answer; customers are counted when it is over."""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    planned: int = Field(default=2_000, ge=10)
    """So many customers are expected: there intervals are tightest. They hold at any number."""
    least: int = Field(default=100, ge=10)
    """With fewer customers in an arm there is no interval, nor with fewer than ten who reached the goal."""

    def __post_init__(self) -> None:
        if any(share <= 0 for share in self.arms.values()) or abs(sum(self.arms.values()) - 1) > 1e-6:
            raise ConfigError(
                "experiment.arms: the shares must be above 0 and sum to 1.", key="arms", value=dict(self.arms)
            )
        if strange := sorted(self.changes.keys() - self.arms.keys()):
            raise ConfigError(f"experiment.changes: there is no arm '{strange[0]}'.", key="changes")


@settings
class DriftSettings:
    """When the days of a served shop are told to be other than those that it was fitted on."""

    reference_days: int = Field(default=60, ge=10)
    """So many of the fit's newest days, with enough events, say what is usual."""
    alarms_per_year: float = Field(default=4.0, gt=0, le=365)
    """False alarms that may be, all figures together, where nothing has changed."""
    least_change: float = Field(default=0.02, ge=0)
    """A share that is off by less than this, or a mean price by so small a part, is no alarm."""
    least_events: int = Field(default=100, ge=10)
    """Days with fewer events are left out."""


@settings
class ImpressionSettings:
    """What was shown, kept in the log of events: without it nobody knows what was not chosen."""

    tasks: tuple[Literal["recommend", "search"], ...] = ()
    """Tasks whose answers are written down; their replies then have a `query_id` that a click can name."""
    share: float = Field(default=1.0, gt=0, le=1)
    """The share of the answers that is; a bandit learns from these alone."""
    most: int = Field(default=20, ge=1, le=100)
    """So many places of a list at most."""
    days: float = Field(default=60.0, gt=0)
    """Older ones leave the log."""


@settings
class BanditSettings:
    """Recommendations ordered by what was clicked: linear Thompson sampling over the items' texts."""

    explore: float = Field(default=0.0, ge=0, le=1)
    """The share of the answers whose order is a draw of what may be true; 0: there is no bandit."""
    held: float = Field(default=0.1, gt=0, lt=1)
    """The share of the answers that stay as the recommender has them: what the others are compared with."""
    floor: float = Field(default=0.6, ge=0, le=1)
    """No list has less than this share of the discounted gain of the recommender's own list."""
    worst: float = Field(default=0.0, ge=0, lt=1)
    """It stops where its answers have a choice less often than held ones, by this share of that …"""
    confidence: float = Field(default=0.95, gt=0.5, lt=1)
    """… known with this certainty, however often one looks."""
    pool: int = Field(default=30, ge=2, le=200)
    """So many of the recommender's best are ordered anew."""
    draws: int = Field(default=64, ge=2, le=1000)
    """How many orders there are to draw from between two updates."""
    boldness: float = Field(default=0.5, gt=0, le=2)
    """The deviation of the draws, as a multiple of the posterior's: below 1 it explores less than Thompson
    sampling proper, which loses less (Chapelle & Li 2011)."""
    goal: tuple[str, ...] = ("click", "view", "cart", "buy", "favourite")
    """Kinds of events that count as chosen, where they name the `query_id`."""
    remembered: int = Field(default=100_000, ge=100)
    """It learns from so many of the latest answers; they are read again when a server starts."""
    learn_s: float = Field(default=5.0, gt=0)
    """How often what has come in is learned from."""
