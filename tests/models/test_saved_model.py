"""SavedModels of TensorFlow: frozen encoders in every task, and graphs that do more than compute refused."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from retailor.compress.settings import StudentSettings
from retailor.compress.student import distilled
from retailor.errors import DataError, ModelError
from retailor.models.saved_model import SavedModelEncoder
from retailor.models.weights import load_model
from retailor.testing.models import SAMPLE, EncoderContract, tiny_encoder

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(find_spec("tensorflow") is None, reason="pip install 'retailor[tfhub]'"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
]
DIM = 24


def written(folder: Path, read: Callable[[Any, Any], Any] | None = None, **more: Any) -> Path:
    """A tiny SavedModel: the mean of rows of a table, words by their hash, and two that are in a list."""
    import tensorflow as tf

    listed = folder.parent / "words.txt"
    folder.parent.mkdir(parents=True, exist_ok=True)
    listed.write_text("mug\nlamp\n", encoding="utf-8")

    class Words(tf.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            rows = np.random.default_rng(0).standard_normal((1 << 10, DIM))
            self.rows = tf.Variable(rows.astype(np.float32))
            words = tf.lookup.TextFileInitializer(
                str(listed), tf.string, tf.lookup.TextFileIndex.WHOLE_LINE, tf.int64,
                tf.lookup.TextFileIndex.LINE_NUMBER,
            )  # fmt: skip
            self.words = tf.lookup.StaticVocabularyTable(words, (1 << 10) - 2)

        def mean(self, texts: Any) -> Any:
            pieces = tf.strings.unicode_split(tf.strings.lower(texts), "UTF-8")
            ids = tf.ragged.map_flat_values(self.words.lookup, pieces)
            rows = tf.ragged.map_flat_values(lambda i: tf.gather(self.rows, i), ids)
            none = tf.RaggedTensor.from_tensor(tf.zeros([tf.shape(texts)[0], 1, DIM]))
            return tf.reduce_mean(tf.concat([rows, none], axis=1), axis=1)

        @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])  # type: ignore[untyped-decorator]
        def __call__(self, texts: Any) -> Any:
            return self.mean(texts) if read is None else read(self, texts)

    model = Words()
    for name, made in more.items():
        setattr(model, name, made(model))
    signatures = {name: getattr(model, name).get_concrete_function() for name in more}
    tf.saved_model.save(model, str(folder), signatures=signatures)
    listed.unlink()
    return folder


def signature(outputs: Callable[[Any, Any], Any], *specs: Any) -> Callable[[Any], Any]:
    import tensorflow as tf

    given = specs or (tf.TensorSpec([None], tf.string, name="inputs"),)

    def made(model: Any) -> Any:
        return tf.function(lambda *texts: outputs(model, *texts), input_signature=given)

    return made


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return written(tmp_path_factory.mktemp("tf") / "words")


class TestContract(EncoderContract):
    def encoder(self) -> Any:
        import tempfile

        # kept while the class lasts: the graph reads its words from the folder
        type(self).place = tempfile.TemporaryDirectory()  # type: ignore[attr-defined]
        return load_model(written(Path(type(self).place.name) / "words"), kind="encoder")  # type: ignore[attr-defined]


def test_it_says_what_tensorflow_says_and_opens_there_alone(folder: Path, tmp_path: Path) -> None:
    import tensorflow as tf

    encoder = load_model(folder)
    assert (encoder.name, encoder.dim, encoder.signature) == ("words", DIM, "__call__")
    encoder.save(tmp_path / "saved")
    for place in (folder, tmp_path / "saved" / "saved_model"):
        rows = np.array(tf.saved_model.load(str(place))(list(SAMPLE)))
        rows /= np.linalg.norm(rows, axis=1, keepdims=True)
        np.testing.assert_allclose(encoder.encode(SAMPLE), rows, atol=1e-6)
    texts = [f"{text} {i}" for i in range(20) for text in SAMPLE]
    np.testing.assert_allclose(encoder.encode(texts)[77:78], encoder.encode(texts[77:78]), atol=1e-6)


def test_an_archive_opens_once_and_stays(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path / "cache"))
    with tarfile.open(tmp_path / "tiny.tar.gz", "w:gz") as made:
        made.add(folder, arcname=".")
    first = load_model(tmp_path / "tiny.tar.gz", kind="encoder")
    np.testing.assert_array_equal(first.encode(SAMPLE), load_model(folder).encode(SAMPLE))
    assert first.name == "tiny" and len([*(tmp_path / "cache").glob("tfhub-*/manifest.json")]) == 1
    monkeypatch.setattr("retailor.models.saved_model._converted", None)
    assert load_model(tmp_path / "tiny.tar.gz").name == "tiny"


def test_the_signature_is_found_by_what_it_takes_and_gives(tmp_path: Path) -> None:
    import tensorflow as tf

    both = written(
        tmp_path / "both",
        serving_default=signature(lambda model, texts: {"outputs": model.mean(texts)}),
        other=signature(lambda model, texts: {"outputs": -model.mean(texts)}),
    )
    assert load_model(both).signature == "serving_default"
    named = written(
        tmp_path / "named",
        use=signature(lambda model, texts: {"n": tf.strings.length(texts), "default": model.mean(texts),
                                            "half": model.mean(texts)[:, :3]}),
    )  # fmt: skip
    found = load_model(named)
    assert (found.signature, found.dim) == ("use", DIM)
    np.testing.assert_allclose(found.encode(SAMPLE), load_model(both).encode(SAMPLE), atol=1e-6)


def test_what_reads_no_texts_is_said(tmp_path: Path) -> None:
    import tensorflow as tf

    ids = tf.TensorSpec([None, None], tf.int32, name="ids")
    pair = [tf.TensorSpec([None], tf.string, name=name) for name in ("input", "context")]
    wrong = {
        "ids: int32": signature(lambda model, ids: {"outputs": tf.gather(model.rows, ids[:, 0])}, ids),
        "context: string .*input: string": signature(lambda model, a, b: {"outputs": model.mean(a)}, *pair),
        "one row of numbers": signature(
            lambda model, texts: {"a": model.mean(texts), "b": model.mean(texts)}
        ),
    }
    for i, (told, made) in enumerate(wrong.items()):
        place = written(
            tmp_path / f"wrong{i}", lambda model, texts: tf.strings.length(texts), serving_default=made
        )
        with pytest.raises(ModelError, match=told):
            load_model(place)


def test_a_graph_that_does_more_than_compute_is_never_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    touched = tmp_path / "touched"

    def python(model: Any, texts: Any) -> Any:
        tf.py_function(lambda: touched.write_text("ran"), [], [])
        return model.mean(texts)

    def inner(model: Any, texts: Any) -> Any:
        return tf.cond(tf.size(texts) > 3, lambda: tf.io.read_file("/etc/hostname"), lambda: texts[0])

    bad: dict[str, Callable[[Any, Any], Any]] = {
        "EagerPyFunc": python,
        "ReadFile": lambda model, texts: model.mean(texts + inner(model, texts)),
        "WriteFile": lambda model, texts: (tf.io.write_file(str(touched), texts[0]), model.mean(texts))[1],
        "MatchingFiles": lambda model, texts: model.mean(tf.io.matching_files("/etc/*")),
        "PrintV2": lambda model, texts: (
            tf.print(texts, output_stream=f"file://{touched}"),
            model.mean(texts),
        )[1],
    }
    real = tf.saved_model.load
    monkeypatch.setattr(tf.saved_model, "load", lambda folder: pytest.fail(f"{folder} was opened"))
    for op, read in bad.items():
        place = written(tmp_path / op, read)
        with pytest.raises(ModelError, match=rf"the SavedModel {op} has '{op}' in '"):
            load_model(place)
    monkeypatch.setattr(tf.saved_model, "load", real)
    assert not touched.exists()


def changed(folder: Path, out: Path, change: Callable[[Any], None]) -> Path:
    from tensorflow.core.protobuf import saved_model_pb2

    shutil.copytree(folder, out)
    graph = saved_model_pb2.SavedModel()
    graph.ParseFromString((out / "saved_model.pb").read_bytes())
    change(graph.meta_graphs[0])
    (out / "saved_model.pb").write_bytes(graph.SerializeToString())
    return out


def test_graphs_that_somebody_made_up_are_refused(folder: Path, tmp_path: Path) -> None:
    def node(graph: Any, op: str) -> Any:
        functions = graph.graph_def.library.function
        return next(one for each in functions for one in each.node_def if one.op == op)

    def of_another_package(graph: Any) -> None:
        node(graph, "StringLower").op = "SentencepieceOp"

    def out_of_the_folder(graph: Any) -> None:
        graph.asset_file_def[0].filename = "../../../etc/passwd"

    def words_from_anywhere(graph: Any) -> None:
        for function in graph.graph_def.library.function:
            for each in function.node_def:
                if each.op == "InitializeTableFromTextFileV2":
                    each.input[1] = "elsewhere:output:0"

    def restores_when_read(graph: Any) -> None:
        """What saves the weights is in every graph; here reading a text would call it."""
        saver = next(f for f in graph.graph_def.library.function if "traced_save" in f.signature.name)
        node(graph, "StringLower").op = saver.signature.name

    def of_tensorflow_1(graph: Any) -> None:
        graph.ClearField("object_graph_def")

    for change, told in (
        (of_another_package, "'SentencepieceOp' .* of another package"),
        (out_of_the_folder, "names a file outside of its folder"),
        (words_from_anywhere, "'InitializeTableFromTextFileV2'"),
        (restores_when_read, "(SaveV2|ShardedFilename|MergeV2Checkpoints)"),
        (of_tensorflow_1, "saved by TensorFlow 1"),
    ):
        with pytest.raises(ModelError, match=told):
            load_model(changed(folder, tmp_path / change.__name__, change))
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "saved_model.pb").write_bytes(b"\x0a\xff")
    with pytest.raises(DataError, match=r"no SavedModel|cannot open"):
        load_model(tmp_path / "cut")


def test_a_student_learns_from_it_and_is_trained_on(folder: Path, tmp_path: Path) -> None:
    teacher = SavedModelEncoder.load(folder)
    texts = [f"{a} {b}" for a in SAMPLE for b in ("red", "blue", "for a desk", "很好", "!")]
    student = tiny_encoder(texts)
    made = distilled(
        teacher, student, texts, StudentSettings(layers_steps=150, layers_rate=3e-3, batch_size=16)
    )

    def apart(encoder: Any) -> float:
        own, wanted = encoder.encode(texts), teacher.encode(texts)
        return float(np.abs(own @ own.T - wanted @ wanted.T).mean())

    assert apart(made) < 0.4 * apart(student) and made.dim == 32
    made.save(tmp_path / "student")
    assert hasattr(load_model(tmp_path / "student"), "network")
