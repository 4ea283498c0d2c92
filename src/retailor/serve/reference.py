"""The reference of the HTTP interface, a page at /docs: made of the OpenAPI description, without a script."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from retailor.serve.door.guard import VERSION

SCHEMES = {
    "ApiKey": {"type": "apiKey", "in": "header", "name": "X-API-Key"},
    "Bearer": {"type": "http", "scheme": "bearer"},
}
OPEN_PATHS = ("/health", "/ready")


def described(schema: dict[str, Any], *, asks_for_key: bool, base: str = "") -> dict[str, Any]:
    """The OpenAPI description with the addresses that the paths stand behind, and how a key is sent."""
    plain = {"url": base or "/", "description": "The same, without the version."}
    schema["servers"] = [{"url": base + VERSION}, plain]
    schema.setdefault("components", {})["securitySchemes"] = SCHEMES
    if asks_for_key:
        schema["security"] = [{name: []} for name in SCHEMES]
        for path in OPEN_PATHS:
            for operation in schema["paths"].get(path, {}).values():
                operation["security"] = []
    return schema


def reference_page(schema: Mapping[str, Any]) -> str:
    """The page as HTML, every text escaped; it loads nothing but the page's style sheet."""
    title = escape(f"{schema['info']['title']} {schema['info']['version']}")
    body = "".join(
        _operation(schema, method, path, operation)
        for path, methods in schema["paths"].items()
        for method, operation in methods.items()
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<link rel="stylesheet" href="page/page.css"></head><body><main class="reference">'
        f"<h1>{title}</h1><p>{escape(schema['info'].get('description', ''))}</p>"
        f"<p>Every path also stands behind <code>{VERSION}</code>. "
        '<a href="openapi.json">openapi.json</a> has all of it for machines.</p>'
        f"{body}</main></body></html>"
    )


def _operation(schema: Mapping[str, Any], method: str, path: str, operation: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(kind)}</td><td>{escape(more)}</td></tr>"
        for name, kind, more in _fields(schema, operation)
    )
    example = _body(schema, operation).get("example")
    statuses = ", ".join(
        f"{status} {answer.get('description', '')}".strip()
        for status, answer in operation["responses"].items()
    )
    return (
        f"<section><h2><code>{method.upper()} {escape(path)}</code></h2>"
        f"<p>{escape(operation.get('description', ''))}</p>"
        + (f"<table><tbody>{rows}</tbody></table>" if rows else "")
        + (f"<pre>{escape(json.dumps(example, ensure_ascii=False))}</pre>" if example else "")
        + f"<p><small>{escape(statuses)}</small></p></section>"
    )


def _body(schema: Mapping[str, Any], operation: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of the JSON body, or an empty one."""
    content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
    return _resolved(schema, content.get("schema", {}))


def _resolved(schema: Mapping[str, Any], part: Mapping[str, Any]) -> Mapping[str, Any]:
    name = part.get("$ref", "").rsplit("/", 1)[-1]
    return schema["components"]["schemas"][name] if name else part


def _fields(schema: Mapping[str, Any], operation: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Name, type and limits of what a request may say."""
    for given in operation.get("parameters", ()):
        yield given["name"], *_told(given["schema"], given.get("required", False))
    body = _body(schema, operation)
    for name, value in body.get("properties", {}).items():
        yield name, *_told(value, name in body.get("required", ()))


def _told(value: Mapping[str, Any], required: bool) -> tuple[str, str]:
    some = [each for each in value.get("anyOf", [value]) if each.get("type") != "null"]
    kinds = " or ".join(str(each.get("type", "object")) for each in some)
    limits = {
        key: limit
        for each in some
        for key, limit in each.items()
        if key in ("minimum", "maximum", "minLength", "maxLength", "maxItems", "pattern", "enum")
    }
    said = ["required" if required else f"default {json.dumps(value.get('default'))}"]
    return kinds, "; ".join(said + [f"{key} {limit}" for key, limit in limits.items()])
