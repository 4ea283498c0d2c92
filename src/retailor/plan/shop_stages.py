"""The first stages of the main job: from a shop's files to a clean shop, and the part that is held out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from retailor.config import as_dict
from retailor.errors import ConfigError
from retailor.extras import naming_extras
from retailor.live.shapes import NUMBER
from retailor.plan.settings import Plan, ShopPlan
from retailor.shop.demo import demo_shop
from retailor.shop.gone import Note
from retailor.shop.leaks import find_leaks
from retailor.shop.look import look
from retailor.shop.pseudonyms import Pseudonyms, without_quotes
from retailor.shop.read import read_sources
from retailor.shop.rules import with_rules
from retailor.shop.split import instant, leave_last_out, split_by_time
from retailor.shop.tables import open_shop
from retailor.store import artifact
from retailor.store.stages import Stage, write_json
from retailor.text.clean_shop import clean
from retailor.text.fields import structure_items

Inputs = Mapping[str, Path]
DEMO = "demo"


def shop_stages(plan: Plan) -> list[Stage]:
    """Read, look, clean, split, leaks of the split. Raises ConfigError where the plan names no files."""
    shop = plan.sections["shop"]
    for each in plan.sources():
        if each.reader != DEMO and not each.files and not each.is_remote:
            raise ConfigError(f"[shop]: reader '{each.reader}' needs 'files'.", key="files")
        if each.reader == DEMO and shop.sources:
            raise ConfigError("[shop]: name a reader for 'files', or give 'sources' alone.", key="reader")
    log = (_log_number(shop),) if shop.events_url else ()
    source = [artifact.file_sha256(path) if path.is_file() else str(path) for path in plan.files()]
    rules = plan.rules()
    source += files_key(rules) if rules is not None else []
    settings = {k: v for k, v in as_dict(shop).items() if k not in ("files", "rules", "pseudonym_key_env")}
    settings["sources"] = [
        [each.reader, as_dict(each)["tables"], len(files)]
        for each, files in (zip(plan.sources(), plan.files_by_source(), strict=True) if shop.sources else ())
    ]
    names = [path.name for path in plan.files()]
    hidden = Pseudonyms.of_env(shop.pseudonym_key_env) if shop.pseudonym_key_env else None
    known = (hidden.about(),) if hidden else ()
    look_at = partial(_look, hidden is not None)
    return [
        # What was read is as customers wrote it: it goes when it has been looked at and cleaned.
        Stage(
            "read",
            "shop",
            partial(_read, plan),
            (),
            (settings, names, source, plan.head.seed, *log),
            passing=True,
        ),
        Stage("look", "profile", look_at, ("read",), ("without quotes",) if hidden else ()),
        Stage("clean", "shop", partial(_clean, hidden), ("read",), known),
        Stage("split", "split", partial(_split, plan), ("clean",), (as_dict(plan.sections["split"]),)),
        Stage("leaks", "leaks", _leaks, ("split",)),
    ]


def _read(plan: Plan, inputs: Inputs, folder: Path, work: Path) -> None:
    shop, rules = plan.sections["shop"], plan.rules()
    if shop.reader == DEMO and not shop.sources:
        made = demo_shop(shop.size, plan.head.seed)
        (made if rules is None else with_rules(made, rules)).save(folder)
    else:
        read_sources(plan.sources(), folder, max_rejects=shop.max_rejects, rules=rules, taken=plan.taken)
    if shop.events_url:
        from retailor.live.events.history import with_log

        number = _log_number(shop)
        with_log(open_shop(folder), shop.events_url, number).save(folder, settings={NUMBER: number})


def _log_number(shop: ShopPlan) -> int:
    """Of the last line of the log that is taken."""
    if shop.events_until is not None:
        return shop.events_until
    assert shop.events_url is not None
    with naming_extras():
        from retailor.live.events.history import last_number

        return last_number(shop.events_url)


def files_key(folder: Path) -> list[Any]:
    """The files below a folder by name and content; the folder's name where there is none."""
    if not folder.is_dir():
        return [str(folder)]
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return [[path.relative_to(folder).as_posix(), artifact.file_sha256(path)] for path in files]


def _look(quiet: bool, inputs: Inputs, folder: Path, work: Path) -> None:
    shop = Note.read(folder.parent.parent).without(open_shop(inputs["read"]))
    profile = look(without_quotes(shop) if quiet else shop)
    with artifact.writing(folder, "profile") as new:
        write_json(new / "profile.json", profile.to_dict())


def _clean(hidden: Pseudonyms | None, inputs: Inputs, folder: Path, work: Path) -> None:
    note = Note.read(folder.parent.parent)
    shop = clean(note.without(open_shop(inputs["read"])), work)
    shop = shop.with_tables(items=structure_items(shop.items))
    read = artifact.read_manifest(inputs["read"]).settings
    about = {name: read[name] for name in (NUMBER,) if name in read} | (hidden.about() if hidden else {})
    # Somebody may have been forgotten by the pseudonym alone.
    (note.without(hidden.shop(shop)) if hidden else shop).save(folder, settings=about)


def _leaks(inputs: Inputs, folder: Path, work: Path) -> None:
    found = find_leaks(*(open_shop(inputs["split"] / part) for part in ("train", "test")))
    with artifact.writing(folder, "leaks") as new:
        write_json(new / "leaks.json", {**found.to_dict(), "lines": found.lines()})


def _split(plan: Plan, inputs: Inputs, folder: Path, work: Path) -> None:
    settings = plan.sections["split"]
    shop = open_shop(inputs["clean"])
    by_time = settings.by == "time"
    since = None if settings.since is None else instant(settings.since)
    train, test = split_by_time(shop, test=settings.test, since=since) if by_time else leave_last_out(shop)
    with artifact.writing(folder, "split", settings=as_dict(settings)) as new:
        train.save(new / "train")
        test.save(new / "test")
