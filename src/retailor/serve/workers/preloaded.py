"""What the workers of a server are forked with, read in the process that they are forked from. It starts no
thread and answers nothing; what cannot be read here a worker reads, and says what is wrong with it."""

from __future__ import annotations

import gc
import os
from contextlib import suppress
from pathlib import Path

TOKENIZERS = "RETAILOR_TOKENIZERS"
"""The environment variable with the folders of tokenizers."""


def _read() -> None:
    from retailor.models.files import read_tokenizer
    from retailor.models.kept_tokenizers import keep, kept
    from retailor.models.runtimes.onnx import graph_tokenizer, holds_graph

    for folder in map(Path, filter(None, os.environ.get(TOKENIZERS, "").split(os.pathsep))):
        with suppress(Exception):
            if kept(folder) is None:
                keep(folder, graph_tokenizer(folder) if holds_graph(folder) else read_tokenizer(folder))


if os.environ.get(TOKENIZERS):
    with suppress(ImportError):
        _read()
    gc.collect()
    gc.freeze()  # a collection would write to what is shared
