"""`retailor evaluate-policy`: what another order of the recommendations would have been worth."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from retailor.cli.living import Change, Events, kept
from retailor.cli.options import Folder, changes, say
from retailor.errors import DataError

if TYPE_CHECKING:
    from retailor.live.bandits.offpolicy import Evaluation
    from retailor.live.bandits.policies import Answers, Policy
    from retailor.live.settings import BanditSettings


def evaluate_policy(
    folder: Folder,
    policy: Annotated[
        str,
        typer.Argument(
            help="base: the recommender's own order; bandit: that of [serve.bandit], learned from the older "
            "half of the answers and judged by the newer; or a file of lists, a JSON line "
            '{"query_id": …, "items": [ … ]} an answer.'
        ),
    ],
    events: Events = None,
    days: Annotated[float | None, typer.Option(help="By the answers of so many of the latest days.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    change: Change = None,
) -> None:
    """What another order of the recommendations would have been worth, by what was shown and clicked.

    Nothing is shown to anybody. Refuses where the log cannot tell it.
    """
    from dataclasses import asdict

    from retailor.live.bandits.offpolicy import evaluate
    from retailor.live.bandits.policies import logged

    settings = _settings(folder, change)
    answers = _answers(folder, events, days, settings)
    traits = _traits(folder)
    chosen, left = _policy(policy, answers, settings, traits)
    found = evaluate(logged(left, chosen, traits))
    say(json.dumps(asdict(found), indent=1) if as_json else "\n".join(_lines(policy, found)))


def _settings(folder: Path, change: list[str] | None) -> BanditSettings:
    from retailor.plan.settings import read_plan

    serve: Any = read_plan(folder / "plan.toml", changes(change or [])).sections["serve"]
    return serve.bandit  # type: ignore[no-any-return]


def _answers(folder: Path, events: str | None, days: float | None, settings: BanditSettings) -> Answers:
    from datetime import UTC, datetime, timedelta

    from retailor.errors import ConfigError
    from retailor.live.bandits.shown import joined

    log = kept(folder, events).log
    if log is None:
        raise ConfigError("this plan names no log of events; give one with --events.", key="events_url")
    answers = joined((line for _, line in log.answers()), settings.goal)
    log.close()
    if days is not None:
        since = datetime.now(UTC) - timedelta(days=days)
        answers = [each for each in answers if each[0].time >= since]
    return answers


def _traits(folder: Path) -> Any:
    from retailor.cli.ask import task_of
    from retailor.live.standing import standing_run
    from retailor.plan.run import open_run
    from retailor.tasks.registry import TASKS

    return task_of(open_run(standing_run(folder)), TASKS["recommend"]).traits


def _policy(name: str, answers: Answers, settings: BanditSettings, traits: Any) -> tuple[Policy, Answers]:
    """The policy, and the answers that it is judged by: none that it learned from."""
    from retailor.live.bandits.policies import base, beliefs_of, by_panel, given

    if name == "base":
        return base, answers
    if name == "bandit":
        half = len(answers) // 2
        if not half:
            raise DataError("the log has too few answers to learn from one half and judge by the other.")
        panel = beliefs_of(answers[:half], traits).panel(settings.draws, half, boldness=settings.boldness)
        return by_panel(panel, settings, traits), answers[half:]
    return given(_lists(Path(name))), answers


def _lists(path: Path) -> dict[str, tuple[str, ...]]:
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise DataError(
            "a policy is 'base', 'bandit' or a file of lists, and there is no such file.", path=path
        ) from None
    found = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            found[str(row["query_id"])] = tuple(map(str, row["items"]))
        except (ValueError, KeyError, TypeError):
            raise DataError(
                'a line must be {"query_id": …, "items": [ … ]}.', path=path, row=number
            ) from None
    return found


def _lines(policy: str, found: Evaluation) -> Iterator[str]:
    yield (
        f"{policy}: by {found.n_answers:,} answers to {found.n_customers:,} customers, worth "
        f"{found.effective:,.0f} of its own (the log has {found.cover:.0%} of what it would show)"
    )
    names = {
        "shown": "as it was shown", "ips": "by propensities", "snips": "self-normalised", 
        "dr": "doubly robust",
    }  # fmt: skip
    for name, told in names.items():
        one = getattr(found, name)
        yield f"{told + ':':17s} {one.value:.4f} chosen an answer, {one.low:.4f} to {one.high:.4f} with 95%"
    gain = found.gain
    verdict = "better" if gain.low > 0 else "worse" if gain.high < 0 else "not told apart"
    yield (
        f"{'the difference:':17s} {gain.value:+.4f}, {gain.low:+.4f} to {gain.high:+.4f} ({verdict}); it "
        "holds where a choice depends on the item and its place alone"
    )
