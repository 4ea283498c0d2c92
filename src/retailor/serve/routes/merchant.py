"""The routes behind the merchant's page: what came in, arms, drift, the bandit, and which run answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from datetime import UTC, datetime
from pathlib import Path
from threading import Lock
from typing import Any

from fastapi import FastAPI
from filelock import FileLock
from pydantic import BaseModel, Field

from retailor.errors import DataError, ServeError
from retailor.live import standing
from retailor.live.standing import RECEIPT, refreshes_of, run_of, set_standing, standing_number
from retailor.live.watch.drift import Day
from retailor.serve.events.watch import Watch
from retailor.serve.metrics import Metrics
from retailor.serve.routes.bodies import Problem
from retailor.serve.service import Service
from retailor.tasks.http import strict

_REFUSED: dict[int | str, dict[str, Any]] = {
    409: {"model": Problem, "description": "There is no such run, or none to go back to."}
}
N_HOURS = 48
N_DAYS = 14
N_RUNS = 10


class Came(BaseModel):
    """How many events of a kind happened in an hour."""

    hour: datetime
    kind: str
    n: int


class ArmReply(BaseModel):
    """An arm of the experiment; lift and bounds are beside the first arm, null with too few customers."""

    name: str
    share: float
    n: int
    rate: float | None
    lift: float | None
    low: float | None
    high: float | None


class ExperimentReply(BaseModel):
    """The experiment as it stood when it was counted."""

    name: str
    arms: list[ArmReply]
    mismatched: bool


class AlarmReply(BaseModel):
    """A figure outside its limits."""

    figure: str
    value: float
    low: float | None
    high: float


class DayReply(BaseModel):
    """A day, and in what it was other than usual."""

    day: str
    n: int
    figures: dict[str, float]
    alarms: list[AlarmReply]


class JudgedReply(BaseModel):
    """A task that both runs were asked, on days that neither had seen."""

    task: str
    metric: str
    n: int
    champion: float | None
    challenger: float | None
    difference: float | None
    interval: list[float] | None


class RunReply(BaseModel):
    """A refresh; number 0 is the run itself."""

    number: int
    ended: str | None
    decision: str | None
    reasons: list[str]
    judged: list[JudgedReply]
    answers: bool
    can_answer: bool


class BanditReply(BaseModel):
    """How the bandit stands: shares of answers with a choice where it ordered, and where lists were held."""

    explore: float
    floor: float
    answers: int
    chosen: int
    items: int
    held: float | None
    ordered: float | None
    low: float | None
    high: float | None
    is_stopped: bool


class MerchantReply(BaseModel):
    """What the merchant's page shows. Null: the server does not do that."""

    name: str
    came_in: list[Came] | None
    shown: int | None
    counted_at: datetime | None
    experiment: ExperimentReply | None
    drift: list[DayReply] | None
    no_drift: str
    runs: list[RunReply]
    bandit: BanditReply | None


class PromoteBody(BaseModel):
    """Which refresh is to answer; 0 is the run itself."""

    model_config = strict({"number": 1})
    number: int = Field(ge=0, le=9999)


def add_merchant(app: FastAPI, service: Service, metrics: Metrics) -> None:
    """Adds the routes; the guard asks for the key of who may administer."""
    changing = Lock()
    folder = refreshes_of(service.folder)

    @contextmanager
    def alone() -> Iterator[None]:
        """One change at a time, of all workers."""
        with changing, FileLock(folder / ".turn.lock") if folder.is_dir() else nullcontext():
            yield

    @app.get("/merchant/state", tags=["shop"])
    def merchant() -> MerchantReply:
        """What came in, arms and lift, drift, runs, and the bandit. Needs the key of who may administer."""
        return _state(service, metrics)

    @app.post("/merchant/promote", tags=["shop"], responses=_REFUSED)
    def promote(body: PromoteBody) -> MerchantReply:
        """Lets a refresh answer, or with 0 the run itself; no request fails meanwhile."""
        with alone():
            _stand(service, lambda folder: standing.promote(folder, body.number))
        return _state(service, metrics)

    @app.post("/merchant/back", tags=["shop"], responses=_REFUSED)
    def back() -> MerchantReply:
        """Lets the run answer again that answered before the last promotion."""
        with alone():
            _stand(service, standing.back)
        return _state(service, metrics)


def _stand(service: Service, change: Callable[[Path], Any]) -> None:
    """Lets another run answer; where it cannot be loaded, the one of now goes on."""
    before = standing_number(service.folder)
    try:
        change(service.folder)
    except DataError as error:
        # Without the folder, which is nobody's business here.
        raise ServeError(str(error).removeprefix(f"{error.path}: "), status=409) from None
    try:
        service.reload()
    except BaseException as error:
        set_standing(service.folder, before)
        if isinstance(error, DataError):
            told = str(error).removeprefix(f"{error.path}: ")
            raise ServeError(
                f"that run cannot be loaded ({told}); the one of now goes on.", status=409
            ) from None
        raise


def _state(service: Service, metrics: Metrics) -> MerchantReply:
    recent, watch, showing = service.recent(), service.watch(), service.showing()
    learner = None if showing is None else showing.learner
    return MerchantReply(
        name=service.ready()["name"],
        came_in=None if recent is None else _came(recent.came_in()),
        shown=None if showing is None else metrics.n_shown(),
        counted_at=None if watch is None else watch.counted_at,
        experiment=None if watch is None else _experiment(watch),
        drift=None if watch is None else [_day(day) for day in watch.days[-N_DAYS:]],
        no_drift="" if watch is None else watch.no_drift,
        runs=_runs(service.folder),
        bandit=None if showing is None or learner is None else BanditReply(
            explore=showing.bandit.explore, floor=showing.bandit.floor, answers=learner.state.n_answers,
            chosen=learner.state.n_chosen, items=learner.state.n_items, held=learner.state.held,
            ordered=learner.state.ordered, low=learner.state.low, high=learner.state.high,
            is_stopped=learner.state.is_stopped,
        ),
    )  # fmt: skip


def _came(counts: dict[tuple[int, str], int]) -> list[Came]:
    since = int(datetime.now(UTC).timestamp() // 3600) - N_HOURS
    found = sorted((hour, kind, n) for (hour, kind), n in counts.items() if hour > since)
    return [Came(hour=datetime.fromtimestamp(3600 * hour, UTC), kind=kind, n=n) for hour, kind, n in found]


def _experiment(watch: Watch) -> ExperimentReply | None:
    found = watch.outcome
    if found is None:
        return None
    arms = [
        ArmReply(
            name=arm.name, share=arm.share, n=arm.n, rate=arm.rate if arm.n else None, lift=arm.lift,
            low=arm.low, high=arm.high,
        )
        for arm in found.arms
    ]  # fmt: skip
    return ExperimentReply(name=found.name, arms=arms, mismatched=found.is_mismatched())


def _day(day: Day) -> DayReply:
    alarms = [
        AlarmReply(
            figure=each.figure, value=each.value, low=each.low if each.low > -1e300 else None, high=each.high
        )
        for each in day.alarms
    ]
    return DayReply(day=str(day.day), n=day.n, figures=day.figures, alarms=alarms)


def _runs(folder: Path) -> list[RunReply]:
    """The newest refreshes, and the run itself; none where the folder is no run."""
    if not (folder / "run.json").is_file():
        return []
    now = standing_number(folder)
    found = []
    for path in sorted(refreshes_of(folder).glob(f"[0-9]*/{RECEIPT}"), reverse=True)[:N_RUNS]:
        receipt = json.loads(path.read_text(encoding="utf-8"))
        number = int(receipt["number"])
        found.append(
            RunReply(
                number=number, ended=receipt["ended"], decision=receipt["decision"],
                reasons=receipt["reasons"], judged=[_judged(each) for each in receipt["judged"]],
                answers=number == now, can_answer=(run_of(folder, number) / "run.json").is_file(),
            )
        )  # fmt: skip
    own = RunReply(
        number=0, ended=None, decision=None, reasons=[], judged=[], answers=now == 0, can_answer=True
    )
    return [*found, own]


def _judged(row: dict[str, Any]) -> JudgedReply:
    names = ("task", "metric", "n", "champion", "challenger", "difference", "interval")
    return JudgedReply.model_validate({name: row.get(name) for name in names})
