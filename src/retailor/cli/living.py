"""Commands about a run that is served: refresh, experiment, drift, forget, export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from retailor.cli.options import Folder, changes, say

if TYPE_CHECKING:
    from retailor.live.events.log import Log
    from retailor.live.watch.drift import Day
    from retailor.live.watch.experiment import Outcome

Change = Annotated[
    list[str] | None, typer.Option("--set", help="A setting of the plan, e.g. --set refresh.days=3")
]


def refresh(
    folder: Folder,
    back: Annotated[
        bool, typer.Option("--back", help="Let the run answer again that answered before the last promotion.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the receipt as JSON.")] = False,
    change: Change = None,
) -> None:
    """Fits a run anew on what has happened since, judges it on the newest days, and promotes it or not.

    The rule is the section [refresh] of the plan. A killed call goes on; servers of the run follow.
    """
    from retailor.live.standing import back as run_back
    from retailor.plan import refresh as refreshing

    if back:
        receipt: dict[str, Any] | None = run_back(folder)
    else:
        receipt = refreshing.refresh(
            folder, overrides=changes(change or []), tell=lambda line: say(line, err=True)
        )
    if receipt is None:
        return
    say(json.dumps(receipt, ensure_ascii=False, indent=1) if as_json else "\n".join(_lines(receipt)))


User = Annotated[str, typer.Argument(help="The customer's id, as the shop knows it, or the pseudonym.")]
Events = Annotated[str | None, typer.Option("--events", help="The log of events, unless the plan names it.")]


def forget(folder: Folder, user: User, events: Events = None) -> None:
    """Forgets a customer: in the log, and in every file of the run and of its refreshes. Prints a receipt.

    Sums over all customers and trained weights forget with the next `retailor refresh`.
    """
    from dataclasses import asdict

    from retailor.live.people.forgetting import forget_in
    from retailor.shop.pseudonyms import ids_of
    from retailor.tasks.registry import TASKS

    found = kept(folder, events)
    ids = ids_of(found.shop, user)
    n_log = found.log.forget(ids) if found.log is not None else 0
    receipt = forget_in(folder, ids, TASKS, n_log=n_log)
    say(json.dumps(asdict(receipt), ensure_ascii=False, indent=1))


def export(
    folder: Folder,
    user: User,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; unset prints.")] = None,
    events: Events = None,
) -> None:
    """Gives all that a run and its log know of one customer, as JSON."""
    from retailor.live.people.export import export_of
    from retailor.shop.pseudonyms import ids_of
    from retailor.shop.tables import open_shop

    found = kept(folder, events)
    known = export_of(ids_of(found.shop, user), open_shop(found.shop), found.log)
    text = json.dumps(known, ensure_ascii=False, indent=1, default=str)
    if out is None:
        say(text)
    else:
        out.write_text(text, encoding="utf-8")
        say(f"written to {out}", err=True)


def experiment(
    folder: Folder,
    events: Events = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    change: Change = None,
) -> None:
    """How the arms of the running experiment do, with intervals that hold however often one looks.

    Exit status 3 where customers are missing from an arm, so that nothing can be trusted.
    """
    from dataclasses import asdict
    from datetime import UTC, datetime

    from retailor.errors import ConfigError
    from retailor.live.events.log import Log
    from retailor.live.watch.experiment import outcome_of
    from retailor.plan.settings import read_plan

    sections = read_plan(folder / "plan.toml", changes(change or [])).sections
    settings = sections["serve"].experiment
    url = events or sections["serve"].events_url or sections["shop"].events_url
    if not settings.name or url is None:
        raise ConfigError(
            "this plan has no experiment, or no log of events: see [serve.experiment].", key="experiment"
        )
    log = Log.known(url)
    found = outcome_of((line for _, line in log.since()), settings, datetime.now(UTC))
    log.close()
    told = asdict(found) | {"mismatched": found.is_mismatched()}
    say(json.dumps(told, indent=1) if as_json else "\n".join(_of_arms(found, settings.confidence)))
    if found.is_mismatched():
        raise typer.Exit(3)


def _of_arms(found: Outcome, confidence: float) -> Iterator[str]:
    if found.is_mismatched():
        yield f"NOT TO BE TRUSTED: {dict(found.n_exposed)} customers cannot have been drawn by the shares."
    for place, arm in enumerate(found.arms):
        line = f"{arm.name} ({arm.share:.0%}): {arm.rate:.4f} of {arm.n:,} customers"
        if arm.lift is not None:
            line += f"; {arm.lift:+.4f}, {arm.low:+.4f} to {arm.high:+.4f} with {confidence:.0%} at any time"
            line += " (decided)" if arm.decides() else ""
        elif place:
            line += "; too few customers, or too few with the goal, in it or in the first arm to compare them"
        yield line


def drift(
    folder: Folder,
    events: Events = None,
    n_days: Annotated[int, typer.Option("--days", min=1, help="How many of the newest days decide.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print every day as JSON.")] = False,
    change: Change = None,
) -> None:
    """Whether the newest days of the log are other than those the run was fitted on, and in what.

    Exit status 4 where one of them is. A false alarm comes no more often than [drift] alarms_per_year.
    """
    from dataclasses import asdict

    from retailor.live.events.recent import CHOSEN, shop_of
    from retailor.live.watch.drift import drift as drifted
    from retailor.plan.settings import read_plan
    from retailor.shop.tables import open_shop

    found = kept(folder, events)
    shop = open_shop(found.shop)
    lines = [line for _, line in found.log.since() if line.what == "event"] if found.log is not None else []
    settings = read_plan(folder / "plan.toml", changes(change or [])).sections["drift"]
    since = shop_of([], [line for line in lines if line.kind in CHOSEN and line.user_id]).events
    days = drifted(shop.events, since, shop.items, settings)
    newest = days[-n_days:]
    if as_json:
        say(json.dumps([asdict(day) for day in days], indent=1, default=str))
    else:
        say("\n".join(_of_day(day) for day in newest) or "the log has no day after those of the fit.")
    if any(day.alarms for day in newest):
        raise typer.Exit(4)


def _of_day(day: Day) -> str:
    told = [
        f"{each.figure} {each.value:.3f} ({max(each.low, 0):.3f} to {each.high:.3f} is usual)"
        for each in day.alarms
    ]
    return f"{day.day}, {day.n:,} events: " + ("; ".join(told) or "as usual")


class Kept(NamedTuple):
    shop: Path
    """The cleaned shop of the run that answers."""
    log: Log | None


def kept(folder: Path, events: str | None) -> Kept:
    from retailor.live.events.log import Log
    from retailor.live.standing import standing_run
    from retailor.plan.run import open_run
    from retailor.plan.settings import read_plan

    done = open_run(standing_run(folder))
    clean = next(done.out / stage.folder for stage in done.stages if stage.name == "clean")
    sections = read_plan(folder / "plan.toml").sections
    url = events or sections["shop"].events_url or sections["serve"].events_url
    return Kept(clean, Log.known(url) if url else None)


def _lines(receipt: dict[str, Any]) -> list[str]:
    if receipt["decision"] == "back":
        return [f"back: {_name(receipt['to'])} answers in the place of {_name(receipt['from'])}"]
    lines = []
    for each in receipt["judged"]:
        if each["difference"] is None:
            lines.append(f"{each['task']}: not judged: {each['reason']}")
            continue
        low, high = each["interval"]
        told = f"; it does not decide: {each['reason']}" if each["reason"] else ""
        lines.append(
            f"{each['task']}: {each['metric']} {each['champion']:.4f} → {each['challenger']:.4f} "
            f"({each['difference']:+.4f}, {low:+.4f} to {high:+.4f}, n = {each['n']:,}){told}"
        )
    lines += [f"not promoted: {reason}" for reason in receipt["reasons"]]
    who = receipt["champion"] if receipt["reasons"] else receipt["challenger"]
    return [*lines, f"{receipt['decision']}: {_name(who['number'])} answers"]


def _name(number: int) -> str:
    return f"refresh {number}" if number else "the run itself"
