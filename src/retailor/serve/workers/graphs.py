"""The encoders of a run as graphs, made before the workers start, so that each need not: in a process of its
own (`python -m … BACKEND PROVIDER FOLDER…`), since who has imported torch keeps it."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path

from retailor.models.runtimes.child import end_with_parent, run
from retailor.models.runtimes.sessions import Backend
from retailor.store import artifact


def graphs_of(folders: Iterable[Path], backend: Backend, provider: str) -> dict[Path, Path]:
    """Encoders in some folders to the graphs that the workers will open; one that stays a network, or fails,
    is left out: a worker says what is wrong with it."""
    found = sorted({path.parent for folder in folders for path in folder.rglob(artifact.MANIFEST)})
    encoders = [path for path in found if artifact.read_manifest(path).kind == "encoder"]
    if backend == "torch" or not encoders:
        return {}
    command = [sys.executable, "-m", __name__, backend, provider, *map(str, encoders)]
    done = run(command)
    pairs = (line.split("\t") for line in done.stdout.splitlines() if line.count("\t") == 1)
    return {Path(folder): Path(graph) for folder, graph in pairs}


if __name__ == "__main__":
    end_with_parent()

    import logging.config

    from retailor.errors import RetailorError
    from retailor.models.runtimes.backends import open_encoder
    from retailor.models.runtimes.onnx import OnnxEncoder
    from retailor.serve.logged import log_settings

    logging.config.dictConfig(log_settings())
    for name in sys.argv[3:]:
        try:
            encoder = open_encoder(Path(name), sys.argv[1], sys.argv[2])  # type: ignore[arg-type]
        except RetailorError:
            continue
        if isinstance(encoder, OnnxEncoder) and encoder.folder != Path(name):
            print(name, encoder.folder, sep="\t")
