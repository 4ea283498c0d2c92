"""How much a plan's shop has to say: rows and letters by table, from its files or the first part of them."""

from __future__ import annotations

import gzip
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import polars as pl

from retailor.errors import DataError
from retailor.plan.settings import Plan
from retailor.plan.shop_stages import DEMO
from retailor.shop.demo import demo_shop
from retailor.shop.files.packed import found, is_parquet, streams
from retailor.shop.look import look
from retailor.shop.propose.sample import head_of
from retailor.shop.read import read_sources
from retailor.shop.sources.settings import Source
from retailor.shop.tables import Shop, open_shop
from retailor.text.clean_shop import clean
from retailor.text.fields import structure_items, texts

WHOLE_BYTES = 32 << 20
"""Files that are together no larger are read whole."""
DEMO_ITEMS = 500
"""A larger demo shop is counted from one of this size."""
CUT_ROWS = 100_000
MOST_TEXTS = 5_000
TABLES = ("items", "events", "reviews", "questions")


@dataclass
class Volumes:
    """Rows and letters by table, distinct customers, seconds of the first stages, and some of the texts."""

    rows: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    letters: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    seconds: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    customers: float = 0.0
    some: list[str] = field(default_factory=list)
    cut: list[str] = field(default_factory=list)
    """Files of which the first part was read."""
    languages: Counter[str] = field(default_factory=Counter)
    """Texts whose language is known, by language."""

    @property
    def n_rows(self) -> float:
        return sum(self.rows.values())


def volumes_of(plan: Plan) -> Volumes:
    """The volumes of the plan's shop. Raises DataError where no file has a row that can be read."""
    made = Volumes()
    for shop, factor, seconds in _parts(plan, made):
        _add(made, shop, factor, seconds)
    if not sum(made.rows[name] for name in TABLES):
        raise DataError("no row could be read of this plan's files: `retailor read` says why.")
    return made


def _parts(plan: Plan, made: Volumes) -> Iterator[tuple[Shop, float, float]]:
    """Shops that are parts of it, how many times what was read of each there is, and seconds of reading."""
    asked = plan.sections["shop"]
    if asked.reader == DEMO and not asked.sources:
        n = min(asked.size, DEMO_ITEMS)
        started = time.perf_counter()
        shop = demo_shop(n, plan.head.seed)
        yield shop, asked.size / n, time.perf_counter() - started
        return
    whole = sum(found(path).stat().st_size for path in plan.files()) <= WHOLE_BYTES
    with tempfile.TemporaryDirectory() as folder:
        for i, (source, path) in enumerate(_files(plan)):
            part, factor = (path, 1.0) if whole else _cut(path, Path(folder) / str(i))
            if factor > 1:
                made.cut.append(path.name)
            into = Path(folder) / f"{i}.shop"
            started = time.perf_counter()
            try:
                read_sources([replace(source, files=(str(part),))], into)
            except DataError:
                continue  # rules, or a file that tells only beside others
            yield open_shop(into), factor, time.perf_counter() - started


def _files(plan: Plan) -> Iterator[tuple[Source, Path]]:
    return ((source, found(name)) for source in plan.sources() for name in source.files)


def _cut(path: Path, folder: Path) -> tuple[Path, float]:
    """The first part of a file under its own name, and how many times that there is; what cannot be cut as
    it is."""
    folder.mkdir()
    part = folder / path.name
    if is_parquet(path):
        n = pl.scan_parquet(path).select(pl.len()).collect().item()
        pl.scan_parquet(path).head(CUT_ROWS).collect().write_parquet(part)
        return part, max(1.0, n / CUT_ROWS)
    if path.suffix in (".zip", ".bz2", ".xz"):
        return path, 1.0
    head, cut = next(head_of(name, stream) for name, stream in streams(path))
    if not cut:
        return path, 1.0
    packed = gzip.compress(head) if path.suffix == ".gz" else head
    part.write_bytes(packed)
    return part, path.stat().st_size / len(packed)


def _add(made: Volumes, shop: Shop, factor: float, read_s: float) -> None:
    started = time.perf_counter()
    look(shop)
    looked = time.perf_counter()
    tidy = clean(shop)
    tidy = tidy.with_tables(items=structure_items(tidy.items))
    cleaned = time.perf_counter()
    for name, seconds in (("read", read_s), ("look", looked - started), ("clean", cleaned - looked)):
        made.seconds[name] += seconds * factor
    for name in TABLES:
        table = getattr(tidy, name)
        made.rows[name] += len(table) * factor
        made.letters[name] += _letters(table) * factor
    made.customers += tidy.events["user_id"].n_unique() * factor
    made.some += texts(tidy)[: MOST_TEXTS - len(made.some)]
    for table in (tidy.items, tidy.reviews):
        made.languages.update(name for name in table["language"].drop_nulls() if name != "und")


def _letters(table: pl.DataFrame) -> int:
    named = [name for name in ("title", "description", "text", "question", "answer") if name in table.columns]
    return int(sum(table[name].str.len_chars().sum() or 0 for name in named))
