"""From files to a proposal: what each is, which reader opens it, and which of its columns become ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from retailor.shop.propose.doubts import doubts
from retailor.shop.propose.joins import ids_by_join
from retailor.shop.propose.maps import derived_items, map_of, ratings_as_events
from retailor.shop.propose.match import Hints, Likeness, Match, matches
from retailor.shop.propose.profile import Profile, profile
from retailor.shop.propose.sample import Columns, Sample, samples
from retailor.shop.readers.exports.table import recognised

_MARKUP = 1 << 16
"""Bytes of a page or feed that are looked at for what it is."""
WHAT = {
    "items": "catalogue",
    "events": "events",
    "reviews": "reviews",
    "questions": "questions",
    "judgments": "judgments of search results",
}


@dataclass(frozen=True)
class Table:
    """A column map that a file was found to need."""

    table: str
    settings: Mapping[str, Any]
    """Of a ColumnMap."""
    unsure: tuple[str, ...] = ()
    """What a person should look at, in words."""


@dataclass(frozen=True)
class Found:
    """What one stream of a file is."""

    sample: Sample
    reader: str | None
    """'tabular', or the name of a known format; None where nothing is known."""
    what: str
    tables: tuple[Table, ...] = ()
    unused: tuple[str, ...] = ()
    """Columns that become nothing."""


@dataclass(frozen=True)
class View:
    """Rows of a sample: its own, or the entries of a list in them."""

    sample: Sample
    each: str | None
    profiles: Mapping[str, Profile]

    @property
    def cells(self) -> Columns:
        """The columns themselves."""
        return self.sample.columns if self.each is None else self.sample.lists[self.each]

    def hints(self, item_ids: Mapping[str, float], likeness: Likeness | None) -> Hints:
        """What is known beside the columns."""
        has_names = self.sample.layout.get("header", True)
        return Hints(item_ids, likeness, self.sample.is_json, has_names)


@dataclass
class _Guess:
    view: View
    match: Match | None = None
    item_ids: Mapping[str, float] = field(default_factory=dict)


def propose(paths: Sequence[Path], likeness: Likeness | None = None, *, known: bool = True) -> list[Found]:
    """What each stream of the files is, in their order. Raises DataError for a file that no reader opens.

    Every file is matched by itself; where one then is a catalogue, columns of the others that hold its ids
    are told by them, and all are matched again. `known`: whether exports of known systems are told.
    """
    whole = [sample for path in paths for sample in samples(path)]
    guesses = [_Guess(view) for sample in whole for view in views(sample)]
    for guess in guesses:
        guess.match = _best(guess, likeness)
    for i, ids in ids_by_join([(guess.view.profiles, guess.match) for guess in guesses]).items():
        guesses[i].item_ids = ids
        guesses[i].match = _best(guesses[i], likeness)
    told = {id(sample): found for sample in whole if known and (found := _of_export(sample))}
    return _with_what_is_missing(whole, guesses, told)


def _of_export(sample: Sample) -> Found | None:
    """What a sample is where its columns are those of a known export."""
    keys = {part for path in sample.columns for part in (path, path.split(".")[0])}
    names = [*keys, *sample.lists, *(name for columns in sample.lists.values() for name in columns)]
    if not sample.layout.get("header", True):
        names = [f"{len(sample.columns)} fields between '{sample.layout.get('delimiter')}'"]
    found = recognised(names, sample.head[:_MARKUP])
    if found is None:
        return None
    export, part = found
    tables = [
        Table(table, map)
        for table, maps in part.tables.items()
        for map in (maps if isinstance(maps, list) else [maps])
    ]
    return Found(sample, export.name, f"{export.system}, {part.what}", tuple(tables))


def views(sample: Sample) -> list[View]:
    """The rows of a sample itself, and those of each list of objects in them."""
    own = View(sample, None, {name: profile(cells) for name, cells in sample.columns.items()})
    return [
        own,
        *(
            View(sample, each, {name: profile(cells) for name, cells in columns.items()})
            for each, columns in sample.lists.items()
        ),
    ]


def _best(guess: _Guess, likeness: Likeness | None) -> Match | None:
    found = matches(guess.view.profiles, guess.view.hints(guess.item_ids, likeness))
    each = guess.view.each
    if each is not None:  # the list itself must hold what the row is about
        found = [one for one in found if any(name.startswith(f"{each}.") for name in one.columns.values())]
    return found[0] if found else None


def _with_what_is_missing(
    whole: Sequence[Sample], guesses: Sequence[_Guess], told: Mapping[int, Found]
) -> list[Found]:
    """The proposals; items come out of other tables where there is no catalogue, events out of reviews."""
    tables = {guess.match.table for guess in guesses if guess.match and id(guess.view.sample) not in told}
    tables |= {part.table for one in told.values() for part in one.tables if not part.settings.get("derived")}
    made = []
    for sample in whole:
        if id(sample) in told:
            made.append(told[id(sample)])
            continue
        own = [guess for guess in guesses if guess.view.sample is sample and guess.match]
        if not own:
            made.append(Found(sample, None, "nothing known", unused=tuple(sample.columns)))
            continue
        parts: list[Table] = []
        used: set[str] = set()
        for guess in _apart(own):
            assert guess.match is not None
            for table, settings, unsure in _tables_of(guess, guess.match, tables):
                parts.append(Table(table, settings, tuple(unsure)))
                used |= {*settings.get("columns", {}).values(), *settings.get("attributes", {}).values()}
        what = " and ".join(
            dict.fromkeys(WHAT[part.table] for part in parts if not part.settings.get("derived"))
        )
        lists = [each for each in sample.lists if not any(name.startswith(f"{each}.") for name in used)]
        unused = tuple(name for name in [*sample.columns, *lists] if name not in used)
        made.append(Found(sample, "tabular", what, tuple(parts), unused))
    return made


def _apart(own: Sequence[_Guess]) -> list[_Guess]:
    """The views of one sample that stand beside each other: its rows, and the best of its lists."""
    rows = [guess for guess in own if guess.view.each is None]
    if any(guess.match and guess.match.table == "items" for guess in rows):
        return rows  # what a catalogue lists inside an item is of the item
    lists = sorted(
        (guess for guess in own if guess.view.each is not None),
        key=lambda guess: -(guess.match.fit if guess.match else 0.0),
    )
    if any(guess.match and guess.match.table == "questions" for guess in rows):
        # what a question lists are its answers, and no reviews
        return [one for one in lists if one.match and one.match.table == "questions"][:1] or rows
    return [*rows, *lists[:1]]


def _tables_of(guess: _Guess, match: Match, tables: set[str]) -> list[tuple[str, dict[str, Any], list[str]]]:
    view, hints = guess.view, guess.view.hints(guess.item_ids, None)
    settings, unsure = map_of(match, view.cells, view.profiles, hints)
    unsure = [*doubts(match, view.profiles, hints), *unsure]
    if "encoding" in view.sample.layout:
        unsure.append(
            f"encoding: {view.sample.layout['encoding']} by the bytes; look whether letters are right"
        )
    made = [(match.table, settings, unsure)]
    if match.table == "reviews" and "events" not in tables and (more := ratings_as_events(match)):
        made.append(("events", more, []))
    if (
        match.table != "items"
        and "items" not in tables
        and (of_items := derived_items(match, view.profiles, hints))
    ):
        made.append(("items", *of_items))
    layout = _layout(view.sample)
    if view.each is not None:
        layout["each"] = view.each
    return [(table, {**layout, **map}, notes) for table, map, notes in made]


def _layout(sample: Sample) -> dict[str, Any]:
    """What a map must say for its reader to see the columns of the sample, and does not see by itself."""
    layout = dict(sample.layout)
    suffixes = [suffix.lower() for suffix in Path(sample.name).suffixes]
    is_named_json = any(suffix in (".json", ".jsonl", ".ndjson") for suffix in suffixes)
    if layout.get("format") == "parquet" or (layout.get("format") == "jsonl") == is_named_json:
        layout.pop("format", None)
    return layout


def merged(found: Sequence[Found]) -> list[Found]:
    """The same with one map for files of one shape: the map's `files` names them all."""
    kept: list[Found] = []
    names: dict[int, list[str]] = {}
    for one in found:
        same = next((i for i, other in enumerate(kept) if _same(one, other)), None)
        if same is None:
            names[len(kept)] = [one.sample.name]
            kept.append(one)
        else:
            names[same].append(one.sample.name)
    return [
        replace(
            one,
            tables=tuple(
                replace(table, settings={"files": names[i], **table.settings}) for table in one.tables
            ),
        )
        for i, one in enumerate(kept)
    ]


def _same(one: Found, other: Found) -> bool:
    return bool(one.tables) and [(t.table, t.settings) for t in one.tables] == [
        (t.table, t.settings) for t in other.tables
    ]
