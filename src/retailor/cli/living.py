"""Commands about a run that is served: refresh, forget, export. Heavy imports wait inside each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from retailor.cli.options import Folder, changes, say

if TYPE_CHECKING:
    from retailor.live.log import Log

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
    from retailor.plan import refresh as refreshing

    if back:
        receipt: dict[str, Any] | None = refreshing.back(folder)
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

    from retailor.live.forgetting import forget_in
    from retailor.tasks.registry import TASKS

    found = _person(folder, user, events)
    n_log = found.log.forget(found.ids) if found.log is not None else 0
    receipt = forget_in(folder, found.ids, TASKS, n_log=n_log)
    say(json.dumps(asdict(receipt), ensure_ascii=False, indent=1))


def export(
    folder: Folder,
    user: User,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="A file; unset prints.")] = None,
    events: Events = None,
) -> None:
    """Gives all that a run and its log know of one customer, as JSON."""
    from retailor.live.export import export_of
    from retailor.shop.tables import open_shop

    found = _person(folder, user, events)
    known = export_of(found.ids, open_shop(found.shop), found.log)
    text = json.dumps(known, ensure_ascii=False, indent=1, default=str)
    if out is None:
        say(text)
    else:
        out.write_text(text, encoding="utf-8")
        say(f"written to {out}", err=True)


class _Person(NamedTuple):
    ids: tuple[str, ...]
    shop: Path
    log: Log | None


def _person(folder: Path, user: str, events: str | None) -> _Person:
    from retailor.live.log import Log
    from retailor.live.standing import standing_run
    from retailor.plan.run import open_run
    from retailor.plan.settings import read_plan
    from retailor.shop.pseudonyms import ids_of

    done = open_run(standing_run(folder))
    clean = next(done.out / stage.folder for stage in done.stages if stage.name == "clean")
    sections = read_plan(folder / "plan.toml").sections
    url = events or sections["shop"].events_url or sections["serve"].events_url
    return _Person(ids_of(clean, user), clean, Log.open(url) if url else None)


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
