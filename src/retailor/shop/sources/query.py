"""What a query is: one SELECT, and nothing that changes a table."""

from __future__ import annotations

import re

from retailor.errors import ConfigError

_SKIPPED = re.compile(
    r"'(?:[^']|'')*'|\"(?:[^\"]|\"\")*\"|`[^`]*`|--[^\n]*|/\*.*?\*/|(\$\w*\$).*?\1", re.DOTALL
)
"""Texts, names in quotes, comments and PostgreSQL's texts between dollars: what stands in them is no SQL."""
_WORD = re.compile(r"[\s(]*([A-Za-z]+)")
_READS = ("select", "with", "values", "table", "from")
_WRITES = re.compile(r"(?i)\b(into|delete\s+from|update\s+\S+\s+set)\b")
"""Beside the first word: what a WITH may do, and SELECT … INTO."""


def one_select(query: str | None) -> str:
    """The query without its last semicolon. Raises ConfigError where it is none, or does not only read."""
    if query is None or not query.strip():
        raise ConfigError(
            "a database needs a 'query', one SELECT that gives the rows, such as "
            "SELECT customer, sku, ordered_at FROM orders.",
            key="query",
        )
    bare = _SKIPPED.sub(lambda found: " " * len(found[0]), query)
    end = len(bare.rstrip().rstrip(";"))
    found = _WORD.match(bare)
    said = found[1].lower() if found else bare.strip()[:20]
    if said not in _READS or ";" in bare[:end] or (written := _WRITES.search(bare)):
        what = "has several statements" if ";" in bare[:end] else f"begins with {said.upper()}"
        if said in _READS and ";" not in bare[:end]:
            what = f"has {' '.join(written[1].upper().split())} in it" if written else what
        raise ConfigError(
            f"'query' {what}: it must be one SELECT, which only reads.", key="query", value=query[:200]
        )
    return query[:end].rstrip()
