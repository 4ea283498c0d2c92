"""The one table of tasks: ours, and those of other packages.

Another package adds a task by an entry point of the group `retailor.tasks` that names its Entry:

    [project.entry-points."retailor.tasks"]
    count = "count_task:ENTRY"
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Mapping
from dataclasses import is_dataclass
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import get_type_hints

from retailor.store import artifact, keys
from retailor.tasks.answer.entry import ENTRY as ANSWER
from retailor.tasks.entry import Entry
from retailor.tasks.recommend.entry import ENTRY as RECOMMEND
from retailor.tasks.review.entry import ENTRY as REVIEW
from retailor.tasks.search.entry import ENTRY as SEARCH
from retailor.tasks.sentiment.entry import ENTRY as SENTIMENT

GROUP = "retailor.tasks"
OURS = (RECOMMEND, SEARCH, ANSWER, SENTIMENT, REVIEW)
TAKEN = frozenset((
    "absent", "adapt", "adapted", "bench", "chat", "choose", "clean", "compress", "compressed",
    "customers", "describe", "distill", "docs", "doctor", "drift", "encoder", "evaluate-policy",
    "evaluate_policy", "evaluation", "events", "experiment", "export", "forget", "generator", "health",
    "init", "insight", "items", "leaks", "ledger", "look", "mcp", "merchant", "metrics", "models",
    "name", "openapi", "page", "picture", "pictures", "plan-size", "plan_size", "profile", "prove",
    "read", "ready", "refit", "refresh", "report", "run", "seed", "serve", "shop", "skip", "split",
    "stock", "suggest", "terms", "train", "v1",
))  # fmt: skip
"""Names of sections, settings, stages, commands and paths that are there already."""


def gather(ours: Iterable[Entry], points: Iterable[EntryPoint]) -> tuple[dict[str, Entry], dict[str, str]]:
    """Name to entry, ours first; and for each task that cannot be had, its name to the reason."""
    tasks = {entry.name: entry for entry in ours}
    refused: dict[str, str] = {}
    for point in sorted(points, key=lambda point: (point.name, point.value)):
        found = _loaded(point)
        reason = found if isinstance(found, str) else _refusal(point, found, tasks)
        if reason:
            refused[point.name] = f"{reason} It comes from {_origin(point)}."
        elif isinstance(found, Entry):
            tasks[found.name] = found
    return tasks, refused


def _loaded(point: EntryPoint) -> Entry | str:
    try:
        found = point.load()
    except (Exception, SystemExit) as error:  # whatever another package does, ours go on
        return f"'{point.value}' does not load: {type(error).__name__}: {error}."
    if not isinstance(found, Entry):
        return f"'{point.value}' is no retailor.tasks.entry.Entry, but a {type(found).__name__}."
    return found


def _refusal(point: EntryPoint, entry: Entry, tasks: Mapping[str, Entry]) -> str:
    """Why the entry is not taken, or ''."""
    if entry.name != point.name:
        return f"its entry calls itself '{entry.name}', and the entry point '{point.name}': name both alike."
    if not re.fullmatch(r"[a-z][a-z0-9_]*", entry.name):
        return "a task's name is in small letters, digits and '_', such as 'count'."
    if entry.name in tasks or entry.name in TAKEN:
        return f"the name '{entry.name}' is taken: choose another."
    return _flaw(entry)


def _flaw(entry: Entry) -> str:
    """What of the entry would stop a door for all tasks, or ''."""
    for part in (entry.settings, entry.answer):
        if not is_dataclass(part):
            return f"{part!r} is no dataclass."
    for body in filter(None, (entry.http.body, entry.http.url)):
        if not callable(getattr(body, "query", None)):
            return f"{body!r} has no method 'query'."
    try:
        get_type_hints(entry.command.query, include_extras=True)
    except Exception as error:
        return f"the options of its command cannot be read: {type(error).__name__}: {error}."
    return ""


def code_of(entry: Entry) -> str:
    """A sha256 (hex) of another package's code, which makes its tasks' stages anew; '' for ours.

    Ours is in the key of every stage (`store.keys`).
    """
    root = entry.make.__module__.partition(".")[0]
    if root == "retailor":
        return ""
    file = Path(sys.modules[root].__file__ or "")
    return keys.sources_sha256(file.parent) if file.name == "__init__.py" else artifact.file_sha256(file)


def _origin(point: EntryPoint) -> str:
    return f"the package '{point.dist.name}'" if point.dist is not None else f"'{point.value}'"


TASKS, REFUSED = gather(OURS, entry_points(group=GROUP))
"""Name to entry of all tasks there are; name to reason of those that cannot be had."""
