"""The settings of what happens to a run after it is served."""

from __future__ import annotations

from retailor.config import Field, settings


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
