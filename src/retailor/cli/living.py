"""Commands about a run that is served: refresh. Heavy imports wait inside each."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer

from retailor.cli.options import Folder, changes, say

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
