"""What a report is made of. Everything but the title may be absent; the page then says so."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from retailor.errors import ConfigError, nearest
from retailor.metrics.scores import Scores

Curve = Sequence[tuple[int, float]]
"""(step, value) points."""


@dataclass(frozen=True)
class ReportData:
    """Everything a report shows; plain values, so that it can be put together from any run."""

    title: str
    scores: Mapping[str, Scores] = field(default_factory=dict)
    """A task's name to its figures, baselines among them."""
    paired: Mapping[str, Scores] = field(default_factory=dict)
    """A task's name to the differences of our row and each other, over the same test cases."""
    profile: Mapping[str, Any] | None = None
    """A profile of the shop as plain values: figures, tables (lists of mappings), groups (mappings)."""
    curves: Mapping[str, Curve] = field(default_factory=dict)
    """A training's name to its (step, loss)."""
    validations: Mapping[str, Curve] = field(default_factory=dict)
    """A training's name to its (step, value), higher is better."""
    coverage: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """A task's name to what answering more costs: `risks` [(percent answered, share wrong)], the bound
    `caution` on its confidence, and `answered_percent` and share `wrong` there."""
    compression: Mapping[str, Any] | None = None
    """A compression report as plain values: sizes, speeds, nearness, and `scores`, a task's rows before
    ('retailor') and after ('compressed'). Any other list of mappings becomes a table."""
    ledgers: Sequence[Mapping[str, Any]] = ()
    """Ledgers as plain values (`Ledger.to_dict()`), one a task: encoder, metric, verdicts, rows."""
    examples: Mapping[str, Sequence[Mapping[str, Any]]] = field(default_factory=dict)
    """A task's name to real predictions on the test part."""
    settings: Mapping[str, Any] | str | None = None
    """The resolved settings, nested or as TOML text."""
    commands: Sequence[str] = ()
    """What to type to make this again, and to serve it."""
    versions: Mapping[str, str] = field(default_factory=dict)
    seeds: Mapping[str, int] = field(default_factory=dict)
    stages: Mapping[str, float] = field(default_factory=dict)
    """A stage's name to its seconds."""
    notes: Sequence[str] = ()
    """What a reader must know: what was left out, what is simulated."""
    terms: Sequence[str] = ()
    """The shop's own words, the most telling first."""
    main_metrics: Mapping[str, str] = field(default_factory=dict)
    """A task's name to the metric that its verdict is about, where it is not the usual one."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> ReportData:
        """The same from a mapping; scores may be plain rows. Raises ConfigError on an unknown key."""
        known = [part.name for part in dataclasses.fields(cls)]
        for key in values:
            if key not in known:
                raise ConfigError(
                    f"a report has no part '{key}'; it has {', '.join(known)}.",
                    key=key,
                    nearest=nearest(key, known),
                )
        tables = {
            part: {
                task: found if isinstance(found, Scores) else Scores.from_dicts(found)
                for task, found in values.get(part, {}).items()
            }
            for part in ("scores", "paired")
        }
        return cls(**{**values, **tables})
