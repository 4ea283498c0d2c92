"""Families that were taught with a word before each text, which their folders do not always name."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from pathlib import Path

TAUGHT = {
    "E5": (r"(?:^|[-_/])e5[-_](?!mistral)", {"query": "query: ", "passage": "passage: "}),
    "nomic-embed": (
        r"nomic-embed|modernbert-embed", {"query": "search_query: ", "passage": "search_document: "},
    ),
}  # fmt: skip
"""Family to a pattern of its models' names, and the prompts that it was taught with."""


def warn_unprompted(folder: Path, prompts: Mapping[str, str]) -> None:
    """Says so where a folder is named as one of those, and names no prompts: vectors are worse without."""
    snapshot = folder.parent.name == "snapshots"  # the hub's own cache: models--org--name/snapshots/commit
    name = (folder.parent.parent.name if snapshot else folder.name).lower()
    for family, (pattern, taught) in TAUGHT.items():
        if re.search(pattern, name) and not any(prompts.values()):
            warnings.warn(
                f"{folder} names no prompts, and the {family} family was taught with '{taught['query']}' "
                "before "
                f"a query and '{taught['passage']}' before a passage: set `encoder.prompts = {taught}` "
                "and save "
                "the encoder, or write them into config_sentence_transformers.json.",
                stacklevel=5,
            )
