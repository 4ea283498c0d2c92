"""Every block of code in the docs works: parsed, its names looked up, its plans read, some of it run."""

from __future__ import annotations

import ast
import importlib
import inspect
import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import typer.main

import retailor as rt
from retailor.cli import app
from retailor.plan.settings import Head, Plan, make_plan

ROOT = Path(__file__).parent.parent
PAGES = sorted([*ROOT.glob("docs/*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md"])
FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```", re.MULTILINE | re.DOTALL)
PROGRAMS = {"cd", "curl", "export", "kill", "mail", "ray", "mkdocs", "pre-commit", "rsync"}
"""Of others: they are in the docs, and not ours to check."""


@dataclass(frozen=True)
class Block:
    page: str
    line: int
    kind: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(*kinds: str) -> list[Block]:
    found = []
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for each in FENCE.finditer(text):
            line, told = text.count("\n", 0, each.start()) + 1, each[3]
            found.append(Block(str(page.relative_to(ROOT)), line, each[2], told))
    return [block for block in found if block.kind in kinds]


def test_every_block_is_of_a_kind_that_is_checked() -> None:
    others = {each[2] for page in PAGES for each in FENCE.finditer(page.read_text(encoding="utf-8"))}
    assert others <= {"python", "sh", "toml", "json", ""}


# Python -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("block", blocks("python"), ids=str)
def test_python_compiles_and_names_what_is_there(block: Block) -> None:
    tree = ast.parse(block.text)
    known = known_names(tree)
    for call in (node for node in ast.walk(tree) if isinstance(node, ast.Call)):
        target = looked_up(call.func, known)
        if target is not None:
            check_call(target, call, ast.unparse(call))


def known_names(tree: ast.AST) -> dict[str, Any]:
    """What the block imports, imported; `rt` is the package in every block, as on the first page."""
    known: dict[str, Any] = {"rt": rt}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = importlib.import_module(alias.name)
                known[alias.asname or alias.name.split(".")[0]] = module
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(node.module)
            known |= {alias.asname or alias.name: getattr(module, alias.name) for alias in node.names}
    return known


def looked_up(node: ast.expr, known: dict[str, Any]) -> Any:
    """What a name or a dotted one of the block stands for; None where it is a variable of the block's own."""
    if isinstance(node, ast.Name):
        return known.get(node.id)
    if isinstance(node, ast.Attribute):
        base = looked_up(node.value, known)
        return None if base is None else getattr(base, node.attr)
    return None


def check_call(target: Any, call: ast.Call, told: str) -> None:
    try:
        signature = inspect.signature(target)
    except (ValueError, TypeError):
        return
    given = [keyword.arg for keyword in call.keywords]
    if None in given or any(isinstance(each, ast.Starred) for each in call.args):
        return
    places = call.args[: next((i for i, each in enumerate(call.args) if is_dots(each)), len(call.args))]
    try:
        signature.bind_partial(*places, **dict.fromkeys(filter(None, given)))
    except TypeError as error:
        pytest.fail(f"{told}: {error}")


def is_dots(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is ...


@pytest.mark.slow
def test_the_first_lines_of_the_readme_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As they stand, but on a demo shop and with an encoder that opens in no time."""
    from retailor.shop.demo import demo_shop
    from retailor.testing.toys import HashEncoder

    text = next(block.text for block in blocks("python") if block.page == "README.md")
    for name, made in (
        ("read", lambda *given: demo_shop(40)),
        ("load_model", lambda name: HashEncoder()),
        ("adapt", lambda model, texts: model),
    ):
        assert f"rt.{name}(" in text
        monkeypatch.setitem(vars(rt), name, made)
    monkeypatch.chdir(tmp_path)
    exec(compile(text, "README.md", "exec"), {"print": lambda scores: None})
    assert (tmp_path / "out" / "gift-cards" / "manifest.json").exists()


# plans and JSON -----------------------------------------------------------------------------------


@pytest.mark.parametrize("block", blocks("toml"), ids=str)
def test_toml_parses_and_a_plan_has_settings_that_exist(block: Block, tmp_path: Path) -> None:
    told = tomllib.loads(block.text)
    sections = set(make_plan({}, tmp_path).sections) | {"prove", "pictures", "train"}
    if set(told) <= sections | set(Head.__dataclass_fields__):
        assert isinstance(make_plan(told, tmp_path), Plan)


@pytest.mark.parametrize("block", blocks("json"), ids=str)
def test_json_parses(block: Block) -> None:
    json.loads(block.text)


@pytest.mark.parametrize("plan", sorted(ROOT.glob("plans/*.toml")), ids=lambda path: path.name)
def test_the_plans_that_come_along_are_read(plan: Path) -> None:
    make_plan(tomllib.loads(plan.read_text(encoding="utf-8")), plan.parent)


# the shell ----------------------------------------------------------------------------------------


def lines_of(block: Block) -> Iterator[list[str]]:
    """The commands of a block, word by word: pipes and chains taken apart, comments and variables gone."""
    text = re.sub(r"\\\n\s*", " ", re.sub(r"<<'?(\w+)'?\n.*?\n\1\n", "\n", block.text, flags=re.DOTALL))
    text = re.sub(r"(^|\s)#[^\n]*", r"\1", text)
    for line in re.findall(r"(?:'[^']*'|[^'\n])+", text):  # a text in quotes may have several lines
        words = shlex.split(line, comments=True)
        command: list[str] = []
        for word in [*words, ";"]:
            if word in ("|", "||", "&&", "&", ";", ">", ">>"):
                if command:
                    yield command
                command = []
            else:
                command.append(word)


@pytest.mark.parametrize("block", blocks("sh"), ids=str)
def test_commands_and_their_options_exist(block: Block) -> None:
    for words in lines_of(block):
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words = words[1:]
        if words:
            check_command(Path(words[0]).name, words[1:])


def check_command(program: str, words: list[str]) -> None:
    if program == "retailor":
        check_retailor(words)
    elif program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert set(words) <= set(targets), words
    elif program == "pip":
        check_extras(words)
    elif program.startswith("python"):
        check_python(words)
    else:
        assert program in PROGRAMS or "." in program, f"'{program}' is no program that the docs may use"


def check_python(words: list[str]) -> None:
    if words[:1] == ["-m"]:
        assert words[1] == "venv" or find_spec(words[1]), words
    elif words and words[0].endswith(".py"):
        assert (ROOT / words[0]).exists() or Path(words[0]).stem.isupper(), words


def check_retailor(words: list[str]) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    assert words and words[0] in commands, f"retailor {' '.join(words[:1])}"
    known = {name for each in commands[words[0]].params for name in (*each.opts, *each.secondary_opts)}
    for word in words[1:]:
        if word.startswith("-") and len(word) > 1 and word != "--help":
            assert word.split("=")[0] in known, f"retailor {words[0]} has no option '{word}'"


def check_extras(words: list[str]) -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in words:
        if found := re.search(r"\[([\w,-]+)\]", word):
            assert set(found[1].split(",")) <= set(extras), word


# the site -----------------------------------------------------------------------------------------


def test_the_reference_has_every_public_name() -> None:
    text = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    named = re.findall(r"^::: ([\w.]+)$", text, re.MULTILINE)
    assert {f"{home}.{name}" for name, home in rt._HOME.items()} <= set(named)
    for each in named:
        module, _, name = each.rpartition(".")
        assert inspect.getdoc(getattr(importlib.import_module(module), name)), each


def test_the_menu_has_every_page() -> None:
    text = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    menu = set(re.findall(r"([\w.-]+\.md)\b", text.partition("nav:")[2]))
    assert menu == {page.name for page in ROOT.glob("docs/*.md")}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        path, _, place = target.partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        other = page if not path else (page.parent / path)
        assert other.exists(), target
        if place and other.suffix == ".md":
            assert place in anchors(other), target


def anchors(page: Path) -> set[str]:
    """The places that headings make, as the site and hubs of code make them."""
    heads = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[\s]+", "-", re.sub(r"[^\w\s-]", "", head.lower()).strip()) for head in heads}


@pytest.mark.slow
@pytest.mark.skipif(find_spec("mkdocs") is None, reason="pip install 'retailor[docs]'")
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    reference = (tmp_path / "api" / "index.html").read_text(encoding="utf-8")
    assert "split_by_time" in reference and "Raises" in reference
    chinese = (tmp_path / "start.zh" / "index.html").read_text(encoding="utf-8")
    assert "换成自己的店" in chinese
    asked = re.findall(r'(?:src|href)="(https?://[^"]+\.(?:js|css|woff2?))"', reference + chinese)
    assert asked == [], "the site loads nothing from elsewhere"
