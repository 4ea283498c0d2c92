"""The export of a network in a process of its own: `python -m … FOLDER NEW`. torch and its copies of the
weights take gigabytes, which go with the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from retailor.errors import ModelError, RetailorError
from retailor.models.files import first_line
from retailor.models.runtimes.child import end_with_parent, run
from retailor.models.shapes import Role, TrainableEncoder

LEAST_COSINE = 0.9999
"""Between the vectors of the network and of its graph, both in float32."""
_TEXTS = (
    "a few words", "Waterproof tent for two people, 3.2 kg", "does the zip jam after a year?", "双人轻便帐篷",
    "Kopfhörer mit Mikrofon", "It broke. I sent it back, and they paid. " * 12,
)  # fmt: skip
_ERRORS = (RuntimeError, TypeError, ValueError, AttributeError, KeyError)


def exported_into(folder: Path, new: Path) -> None:
    """Writes the network of a folder as a graph into `new`. Raises ModelError where it cannot be one."""
    command = [sys.executable, "-m", __name__, str(folder), str(new)]
    done = run(command, stderr=subprocess.PIPE)
    if done.returncode < 0:
        raise ModelError(f"the process that exported it was ended by signal {-done.returncode}")
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"the process ended with status {done.returncode}"]
        raise ModelError(lines[-1])


def _export(folder: Path, new: Path) -> None:
    from retailor.models.local import LocalEncoder, load_encoder
    from retailor.models.runtimes.exporting import describe, export, exportable

    encoder = exportable(load_encoder(folder), LocalEncoder)
    export(encoder, new / "model.onnx", weights_apart=True)
    describe(encoder, new)
    check(encoder, new)


def check(encoder: TrainableEncoder, folder: Path) -> None:
    """Raises ModelError where the graph in a folder gives other vectors than its network."""
    from retailor.models.encoding import exact_vectors
    from retailor.models.runtimes.onnx import OnnxEncoder

    graph = OnnxEncoder(folder, engine="onnx")
    roles: tuple[Role, ...] = ("query", "passage")
    for role in roles:
        cosines = (graph.encode(_TEXTS, role=role) * exact_vectors(encoder, _TEXTS, role=role)).sum(axis=1)
        if not cosines.min() >= LEAST_COSINE:
            raise ModelError(f"its graph gives other vectors (cosine {cosines.min():.4f})")


if __name__ == "__main__":
    end_with_parent(Path(sys.argv[2]))
    try:
        _export(Path(sys.argv[1]), Path(sys.argv[2]))
    except RetailorError as error:
        sys.exit(str(error).replace("\n", " "))
    except _ERRORS as error:
        sys.exit(first_line(error))
