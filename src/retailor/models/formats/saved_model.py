"""A SavedModel of TensorFlow: whether its graph only computes, and the function in it that reads texts."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from retailor.errors import DataError, ModelError
from retailor.extras import naming_extras
from retailor.models.files import first_line

GRAPH = "saved_model.pb"
Read = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to rows [n, dim], as the graph gives them."""
_KEPT_STATE = frozenset((
    "VarHandleOp", "ReadVariableOp", "AssignVariableOp", "AssignAddVariableOp",
    "AssignSubVariableOp", "VarIsInitializedOp", "DisableCopyOnRead", "ResourceGather",
    "ResourceGatherNd", "DestroyResourceOp", "HashTableV2", "MutableHashTableV2",
    "MutableDenseHashTableV2", "AnonymousHashTable", "AnonymousMutableHashTable",
    "LookupTableFindV2", "LookupTableSizeV2", "LookupTableImportV2", "LookupTableInsertV2",
    "LookupTableExportV2", "InitializeTableV2", "PartitionedCall", "StatefulPartitionedCall", "If",
    "While", "Case", "Assert", "TensorArrayV3", "TensorArrayReadV3", "TensorArrayWriteV3",
    "TensorArrayGatherV3", "TensorArrayScatterV3", "TensorArraySizeV3", "TensorArrayCloseV3",
    "TensorArrayConcatV3", "TensorArraySplitV3", "RandomUniform", "RandomUniformInt",
    "RandomStandardNormal", "TruncatedNormal", "RandomShuffle", "Multinomial", "StatefulUniform",
    "StatefulStandardNormalV2", "RngReadAndSkip",
))  # fmt: skip
"""Operations with a state that stays in memory; any other with a state is refused."""
_TOUCHES = re.compile(
    r"PyFunc|File|Dataset|Iterator|Reader|Summary|Save|Restore|Checkpoint|Xla|TPU|Rpc|Remote|Collective"
    r"|Debug|CopyHost|Proto|Print|Send|Recv|^_"
)
"""Operations without one that all the same run code, or read, write or send."""
_FROM_FILE = "InitializeTableFromTextFileV2"
"""Reads a list of words: the model's own where a file of its folder is given from outside the graph."""
_FIRST = ("serving_default", "default")
_OUTPUTS = ("default", "outputs", "sentence_embedding", "pooled_output", "embeddings", "output_0")


def is_saved_model(folder: Path) -> bool:
    """Whether a folder holds a SavedModel."""
    return (folder / GRAPH).is_file()


def open_saved_model(folder: Path) -> tuple[Read, str]:
    """What reads texts, and the name of its signature. Raises ModelError where the graph does more than
    compute, or no signature takes one list of texts to one row each; DataError for a corrupt folder."""
    tf = _tensorflow()
    check_graph(folder)
    try:
        model = tf.saved_model.load(str(folder))
    except Exception as error:
        raise DataError(f"TensorFlow cannot open it ({first_line(error)}).", path=folder) from None
    name, function = _chosen(model, folder)

    def read(texts: Sequence[str]) -> NDArray[np.float32]:
        made = function(tf.constant([text.encode() for text in texts], tf.string))
        rows = np.asarray(_rows(made).numpy(), dtype=np.float32)
        if rows.ndim != 2 or len(rows) != len(texts) or not np.isfinite(rows).all():
            raise ModelError(
                f"{folder.name}, signature '{name}': {len(texts)} texts gave numbers of shape {rows.shape}, "
                "some not finite or not a row a text: it is no encoder of texts.",
                asked=name,
            )
        return rows

    read.__dict__["model"] = model  # a function of a model does not keep it alive
    return read, name


@naming_extras()
def _tensorflow() -> Any:
    with _silent():
        import tensorflow as tf

        with suppress(RuntimeError):  # it was used before, by somebody who decided otherwise
            tf.config.set_visible_devices([], "GPU")
    return tf


@contextmanager
def _silent() -> Iterator[None]:
    """Without what TensorFlow writes to standard error when it is loaded: which processor this is."""
    if "tensorflow" in sys.modules:
        yield
        return
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


# whether it only computes -------------------------------------------------------------------------


def check_graph(folder: Path) -> None:
    """Raises ModelError where what runs on opening or reading is more than TensorFlow's own arithmetic:
    Python, operations of other packages, files, the network. A graph is a program, whoever wrote it."""
    graph = _parsed(folder)
    for asset in graph.asset_file_def:
        parts = PurePosixPath(asset.filename.replace("\\", "/"))
        if parts.is_absolute() or ".." in parts.parts:
            raise _refused(folder, f"names a file outside of its folder ('{asset.filename}')")
    functions = {each.signature.name: each for each in graph.graph_def.library.function}
    # What saves and restores is in the graph too, and is called from outside of all functions alone: never.
    reached = set(graph.object_graph_def.concrete_functions)
    reached |= {name for each in functions.values() for name in _calls(each.node_def, functions)}
    for name, function in functions.items():
        if name in reached:
            for node in function.node_def:
                _check_node(folder, node, name, functions)


def _parsed(folder: Path) -> Any:
    """The one graph of a SavedModel that TensorFlow 2 opens without running what stands outside functions."""
    from google.protobuf.message import DecodeError
    from tensorflow.core.protobuf import saved_model_pb2

    found = saved_model_pb2.SavedModel()
    try:
        found.ParseFromString((folder / GRAPH).read_bytes())
    except (DecodeError, OSError) as error:
        raise DataError(f"this is no SavedModel ({first_line(error)}).", path=folder / GRAPH) from None
    if len(found.meta_graphs) != 1 or not found.meta_graphs[0].HasField("object_graph_def"):
        raise ModelError(
            f"{folder.name} was saved by TensorFlow 1, whose graphs are not opened here: take the model's "
            "version for TensorFlow 2, or save it anew with tf.saved_model.save.",
            asked=str(folder),
        )
    return found.meta_graphs[0]


def _calls(nodes: Iterable[Any], functions: Mapping[str, Any]) -> Iterable[str]:
    """The functions that some nodes call, directly or as an argument."""
    for node in nodes:
        if node.op in functions:
            yield node.op
        for value in node.attr.values():
            for named in (value.func, *value.list.func):
                if named.name:
                    yield named.name


def _is_given(given: str, where: str, functions: Mapping[str, Any], depth: int = 8) -> bool:
    """Whether an input of a node is what somebody outside of all functions gives."""
    if ":" in given or not depth:
        return False
    at = [each.name for each in functions[where].signature.input_arg].index(given)
    calls = [
        (caller, node)
        for caller, function in functions.items()
        for node in function.node_def
        if where in _calls([node], functions)
    ]
    return all(
        (node.op == where or node.op.endswith("PartitionedCall"))
        and _is_given(node.input[at], caller, functions, depth - 1)
        for caller, node in calls
    )


def _check_node(folder: Path, node: Any, where: str, functions: Mapping[str, Any]) -> None:
    from tensorflow.python.framework import op_def_registry

    known = op_def_registry.get(node.op)
    if node.op in functions or (known is not None and node.op in _KEPT_STATE):
        return
    if known is None:
        raise _refused(folder, f"has '{node.op}' in '{where}', which is an operation of another package")
    if node.op == _FROM_FILE and _is_given(node.input[1], where, functions):
        return
    if known.is_stateful or _TOUCHES.search(node.op):
        raise _refused(folder, f"has '{node.op}' in '{where}', which may run code, or read or write a file")


def _refused(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"the SavedModel {folder.name} {why}. Retailor opens graphs that only compute with TensorFlow's own "
        "operations: choose another model, or save it anew without that.",
        asked=str(folder),
    )


# which function reads texts -----------------------------------------------------------------------


def _chosen(model: Any, folder: Path) -> tuple[str, Any]:
    """The signature from one list of texts to one row each, and a function of a tensor of texts."""
    fitting = {}
    for name, function in model.signatures.items():
        taken = function.structured_input_signature[1]
        if len(taken) == 1 and _is_texts(next(iter(taken.values()))) and _named(function.structured_outputs):
            fitting[name] = function
    if not fitting and callable(model) and any(map(_takes_texts, _concrete(model))):
        return "__call__", model
    name = next((one for one in _FIRST if one in fitting), None)
    if name is None and len(fitting) == 1:
        name = next(iter(fitting))
    if name is None:
        told = [f"{one} of {_inputs(function)}" for one, function in model.signatures.items()]
        shown = "; ".join(told) or "no signature"
        raise ModelError(
            f"{folder.name} has {shown}: Retailor needs one that takes one list of texts (strings [n]) and "
            "gives one row of numbers each [n, dim], called 'serving_default' or 'default' where several do.",
            asked="encode",
        )
    function = fitting[name]
    key = next(iter(function.structured_input_signature[1]))
    return name, lambda texts: function(**{key: texts})


def _concrete(model: Any) -> Sequence[Any]:
    # Only what was saved as a function has these; `__call__` of its class alone has none.
    return tuple(getattr(model.__call__, "concrete_functions", ()))


def _takes_texts(function: Any) -> bool:
    import tensorflow as tf

    given = [one for one in function.structured_input_signature[0] if isinstance(one, tf.TensorSpec)]
    made = function.structured_outputs
    named = made if isinstance(made, Mapping) else {"": made}
    return len(given) == 1 and _is_texts(given[0]) and _named(named) is not None


def _is_texts(spec: Any) -> bool:
    return spec.dtype.name == "string" and spec.shape.rank in (1, None)


def _inputs(function: Any) -> str:
    specs = sorted(function.structured_input_signature[1].items())
    return ", ".join(f"{name}: {spec.dtype.name} {list(spec.shape)}" for name, spec in specs) or "nothing"


def _named(outputs: Any) -> str | None:
    """The name of the rows among the outputs of a signature, where it is clear which they are."""
    rows = [
        name
        for name, spec in outputs.items()
        if hasattr(spec, "dtype")
        and spec.dtype.is_floating
        and (spec.shape.rank is None or spec.shape.rank == 2)
    ]
    known = [name for name in _OUTPUTS if name in rows]
    return known[0] if known else rows[0] if len(rows) == 1 else None


def _rows(made: Any) -> Any:
    return made[_named(made)] if isinstance(made, Mapping) else made
