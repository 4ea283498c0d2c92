# ruff: noqa: E501 (Markdown)
"""The reference of all settings, made of their classes: names, limits, defaults and docstrings."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

from retailor.config import inner_settings

TOP = """# Settings

Every setting of a plan, made by `python -m retailor.plan.reference > docs/settings.md`; a test keeps it true. Each has a default, and
`retailor run plan.toml --set section.name=value` changes one for a run. These ten are worth a thought; leave the others alone until a
figure tells you otherwise.

| setting | when to change it |
|---|---|
| `shop.reader`, `shop.files` | always: your data (`retailor read --help` lists the readers) |
| `models.encoder` | `auto` goes by the languages of the shop; `retailor choose` ranks others on your data |
| `split.by` | `leave-last-out` where customers come once in a while and dates are poor |
| `skip` | leave out a stage or a task that you do not need: the run is shorter by it |
| `recommend.repeats` | true where the same is bought again: groceries, supplies |
| `recommend.tuning.steps` | some hundreds where customers are many and the encoder may learn from what they choose |
| `sentiment.mode` | `auto` tries the cheap ones and takes what is best on held-out reviews |
| `answer.caution` | how sure it must be before it answers; else it says that it does not know |
| `shop.pseudonym_key_env` | a key of the shop's own: ids of customers become a keyed hash |
| `serve.api_key_env` | who may ask the server |
"""


def reference(sections: Mapping[str, type[Any]], top: type[Any]) -> str:
    """All settings in Markdown: the head of the plan, then a table a section, inner settings after their own."""
    parts = [TOP, "## The top of the file\n\n" + _table(top)]
    for name, cls in sections.items():
        parts.extend(_section(name, cls))
    return "\n".join(parts)


def n_settings(sections: Mapping[str, type[Any]], top: type[Any]) -> int:
    """How many settings there are."""
    return sum(1 for cls in (top, *sections.values()) for _ in _leaves(cls))


def _leaves(cls: type[Any]) -> Iterator[str]:
    inner = inner_settings(cls)
    for name in cls.__pydantic_fields__:
        if name in inner:
            yield from (f"{name}.{each}" for each in _leaves(inner[name]))
        else:
            yield name


def _section(name: str, cls: type[Any], default: Any = None, of_field: str = "") -> Iterator[str]:
    """A table of the class and of its inner settings; `default` is what these are in the class around them."""
    yield f"## [{name}]\n\n{_about(cls)}{of_field}{_table(cls, default)}"
    said = docstrings(cls)
    for field, inner in inner_settings(cls).items():
        told = f"{said[field]}\n\n" if field in said else ""
        yield from _section(f"{name}.{field}", inner, _default(cls, field, default), told)


def _default(cls: type[Any], name: str, instance: Any) -> Any:
    if instance is not None:
        return getattr(instance, name)
    return cls.__pydantic_fields__[name].get_default(call_default_factory=True)


def _about(cls: type[Any]) -> str:
    said = inspect.cleandoc(cls.__doc__ or "")
    return said + "\n\n" if said and not said.startswith(f"{cls.__name__}(") else ""


def _table(cls: type[Any], default: Any = None) -> str:
    inner, said = inner_settings(cls), docstrings(cls)
    rows = ["| name | default | takes | what it is |", "|---|---|---|---|"]
    for name, field in cls.__pydantic_fields__.items():
        if name in inner:
            continue
        usual = "" if field.is_required() else _shown(_default(cls, name, default))
        takes = _limits(_kind(field.annotation), field.metadata)
        rows.append(f"| `{name}` | {usual} | {takes} | {said.get(name, '')} |")
    return "\n".join(rows) + "\n"


def docstrings(cls: type[Any]) -> dict[str, str]:
    """Field to the text that stands below it in the source, on one line."""
    body = ast.parse(textwrap.dedent(inspect.getsource(cls))).body[0]
    found, before = {}, ""
    for node in getattr(body, "body", []):
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            before = node.target.id
        elif before and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            found[before] = " ".join(str(node.value.value).split()).replace("|", "\\|")
            before = ""
    return found


def _shown(value: Any) -> str:
    if value is None or value == () or value == "":
        return "none" if value is None else "empty"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, Mapping):
        return f"`{', '.join(f'{key} = {each}' for key, each in value.items())}`"
    return f"`{list(value) if isinstance(value, tuple) else value}`"


def _kind(annotation: Any) -> str:
    if get_origin(annotation) is Literal:
        return ", ".join(f"`{each}`" for each in get_args(annotation))
    if annotation in (int, float, str, bool):
        return {int: "a whole number", float: "a number", str: "text", bool: "true or false"}[annotation]
    parts = [_kind(each) for each in get_args(annotation) if each not in (type(None), Ellipsis)]
    if get_origin(annotation) is tuple:
        return f"a list of {parts[0]}"
    if get_origin(annotation) in (dict, Mapping) or (
        parts and len(parts) == 2 and "Mapping" in str(annotation)
    ):
        return "a table"
    return " or ".join(parts) if parts else "a table"


def _limits(kind: str, metadata: list[Any]) -> str:
    words = {"gt": "above", "ge": "from", "lt": "below", "le": "to"}
    told = [
        f"{word} {getattr(each, name):,}"
        for each in metadata
        for name, word in words.items()
        if getattr(each, name, None) is not None
    ]
    return ", ".join([kind, *told])


def main() -> None:
    """Prints the reference of all sections of a plan."""
    from retailor.plan.settings import ASKED, SECTIONS, Head

    print(reference({**SECTIONS, **ASKED}, Head), end="")


if __name__ == "__main__":
    main()
