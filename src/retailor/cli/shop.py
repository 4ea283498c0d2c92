"""Commands about a shop's data: read, look, terms. Heavy imports wait inside each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from retailor.cli.options import ShopFolder, say
from retailor.errors import ConfigError

Files = Annotated[list[Path], typer.Argument(help="The raw files, in any order.")]
MaxRejects = Annotated[
    str | None,
    typer.Option(
        "--max-rejects", help="More unreadable rows than this are an error: a number, or a share such as 5%."
    ),
]
Columns = Annotated[
    Path | None,
    typer.Option("--columns", help="TOML file with the column maps of reader 'tabular', one a table."),
]

Rules = Annotated[
    Path | None,
    typer.Option("--rules", help="Folder with the shop's own rules: Markdown or HTML, and facts.toml."),
]


Sources = Annotated[
    list[str],
    typer.Argument(
        help="The raw files, in any order; or one address: a database (a URL of SQLAlchemy), a file of "
        "DuckDB, a folder of Parquet, Delta or Iceberg, s3://…"
    ),
]
Query = Annotated[str | None, typer.Option(help="Of a database: one SELECT that gives the rows.")]
PasswordEnv = Annotated[
    str | None, typer.Option("--password-env", help="The environment variable that holds its password.")
]
TimeColumn = Annotated[
    str | None,
    typer.Option(
        "--time-column", help="When a row came to be: a later read takes only what is new (--keep)."
    ),
]
Keep = Annotated[
    str | None, typer.Option("--keep", help="Folder for the rows that were taken, as they came.")
]


def read(
    reader: Annotated[str, typer.Argument(help="Format of the files; a wrong name lists them all.")],
    files: Sources,
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the shop's tables.")] = Path(
        "out/shop"
    ),
    max_rejects: MaxRejects = None,
    columns: Columns = None,
    rules: Rules = None,
    query: Query = None,
    password_env: PasswordEnv = None,
    time_column: TimeColumn = None,
    keep: Keep = None,
) -> None:
    """Reads raw files, or rows of a database or a lake, into a shop: canonical tables as Parquet, unreadable
    rows counted and kept."""
    from retailor.shop.joins import gaps_in
    from retailor.shop.read import limit_of, read_sources, source_of

    limit = None if max_rejects is None else limit_of(max_rejects)
    options = {"query": query, "password_env": password_env, "time_column": time_column, "keep": keep}
    source = source_of(reader, files, _columns(columns), options)
    count = read_sources([source], out, max_rejects=limit, rules=rules)
    say("\n".join([str(count), *(f"  {gap}" for gap in gaps_in(out))]))
    say(f"written to {out}; look at it with: retailor look {out}")


def init(
    files: Annotated[list[Path], typer.Argument(help="Any files of the shop, or folders of them.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The plan to write.")] = Path("plan.toml"),
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Write the plan without asking.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write it over a plan that is there.")] = False,
    encoder: Annotated[
        str | None, typer.Option(help="An encoder that also compares the names of columns, such as e5.")
    ] = None,
) -> None:
    """Looks at any files, says what each is, and writes a plan with a column map that can be run."""
    from retailor.shop.propose.door import describe, files_in, rules_in, write_plan
    from retailor.shop.propose.preview import preview
    from retailor.shop.propose.proposal import propose

    if out.exists() and not replace:
        raise ConfigError(
            f"{out} is there already: name another with --out, or give --replace.", key="out", value=str(out)
        )
    likeness = None
    if encoder is not None:
        from retailor.models.weights import load_model
        from retailor.shop.propose.likeness import likeness_of

        likeness = likeness_of(load_model(encoder, kind="encoder"))
    rules = rules_in(files)
    found = propose(files_in(files, rules), likeness)
    say(describe(found, rules))
    say(f"\n{preview(found)}")
    if not yes:
        typer.confirm(f"\nWrite {out}?", abort=True, err=True)
    write_plan(found, out, rules[0] if rules else None)
    say(f"written to {out}; look it over, then: retailor run {out}")


def look(
    shop: ShopFolder,
    picture: Annotated[Path | None, typer.Option(help="Also draw it: a .png or .svg file.")] = None,
    leaks: Annotated[
        bool,
        typer.Option(
            "--leaks", help="Instead: what the test part gives away, of a shop's folder, a run or a plan."
        ),
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Profiles a shop: sizes, sparsity, languages, missing fields, duplicates, cold items, time span."""
    from retailor.shop import look as looking
    from retailor.shop.tables import open_shop

    if leaks:
        say(_leaks(shop, as_json=as_json))
        return
    profile = looking.look(open_shop(shop))
    say(json.dumps(profile.to_dict(), ensure_ascii=False, indent=1) if as_json else str(profile))
    if picture is not None:
        looking.picture(profile, picture)
        say(f"drawn to {picture}")


def _leaks(source: Path, *, as_json: bool) -> str:
    """The leaks of a shop that is split, or of one that is not, split by time as `prove` does."""
    from retailor.plan.shops import shop_and_split
    from retailor.shop.leaks import find_leaks
    from retailor.shop.split import split_by_time

    found = shop_and_split(source)
    train, test = (found.train, found.test) if found.test else split_by_time(found.train, test=0.2)
    leaks = find_leaks(train, test)
    return json.dumps(leaks.to_dict(), ensure_ascii=False, indent=1) if as_json else str(leaks)


def terms(
    shop: ShopFolder,
    n: Annotated[int, typer.Option("-n", help="How many terms.", min=1)] = 50,
) -> None:
    """Mines the shop's domain terms, English and Chinese, best first."""
    from retailor.shop.tables import open_shop
    from retailor.text.fields import texts
    from retailor.text.terms import mine_terms

    for term in mine_terms(texts(open_shop(shop)), n_terms=n):
        say(f"{term.score:8.3f}  {term.count:7,}  {term.language}  {term.text}")


def _columns(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    import tomllib

    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError(f"--columns: cannot read {path}: {error}", key="columns", value=str(path)) from None
