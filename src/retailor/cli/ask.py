"""Commands that ask a task of a finished run: one a task, made of its Entry."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from retailor.cli.options import Folder, say
from retailor.errors import RetailorError
from retailor.tasks.entry import Entry, Extra, NothingHappened, with_pseudonym

if TYPE_CHECKING:
    from retailor.plan.run import Run


def command_of(entry: Entry, extra: Extra | None = None) -> Callable[..., None]:
    """`retailor NAME RUN …`, of a task or an extra: the parameters, hints and help of its query, after the
    run's folder."""
    command = extra.command if extra else entry.command

    def asked(folder: Path, **given: Any) -> None:
        from retailor.live.standing import standing_run
        from retailor.plan.run import open_run

        done = open_run(standing_run(folder))
        answer = _answer(done, entry, command.query(**given), extra)
        for line in command.lines(answer, _title_in(done)):
            say(line)

    query = command.query
    hints = {"folder": Folder, **get_type_hints(query, include_extras=True), "return": None}
    first = inspect.Parameter("folder", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    parameters = [first, *inspect.signature(query).parameters.values()]
    made: Any = asked
    made.__signature__ = inspect.Signature(
        [each.replace(annotation=hints[each.name]) for each in parameters], return_annotation=None
    )
    made.__annotations__, made.__doc__, made.__name__ = hints, query.__doc__, (extra or entry).name
    return asked


def _answer(done: Run, entry: Entry, query: Any, extra: Extra | None) -> Any:
    """The answer of one task of a run to one query, or to one of an extra."""
    from retailor.shop.hidden import sold_out
    from retailor.shop.pseudonyms import pseudonyms_of
    from retailor.shop.tables import open_shop

    clean = _clean(done)
    query = with_pseudonym(query, pseudonyms_of(clean) if clean else None)
    if clean and extra is None:
        query = entry.after(query, NothingHappened(sold_out(open_shop(clean).items)))
    task = task_of(done, entry)
    return extra.ask(task, query) if extra else task.predict([query])[0]


def task_of(done: Run, entry: Entry) -> Any:
    """The fitted task of a run. Raises RetailorError that says why there is none."""
    for stage in reversed(done.stages):  # the last of a kind is the one that is served
        if stage.kind == entry.name:
            return entry.load(done.out / stage.folder)
    reason = done.absent().get(f"fit-{entry.name}", "the plan left it out")
    raise RetailorError(f"this run has no task '{entry.name}': {reason.rstrip('.')}.")


def _clean(done: Run) -> Path | None:
    """The folder of the run's cleaned shop."""
    return next((done.out / stage.folder for stage in done.stages if stage.name == "clean"), None)


def _title_in(done: Run) -> Callable[[str], str]:
    """Item id to title, or to ''; the shop is opened when the first is asked for."""

    @cache
    def titles() -> dict[str, str]:
        from retailor.shop.tables import open_shop

        clean = _clean(done)
        items = open_shop(clean).items.select("item_id", "title").iter_rows() if clean else ()
        return {item_id: title or "" for item_id, title in items}

    return lambda item_id: titles().get(item_id, "")
