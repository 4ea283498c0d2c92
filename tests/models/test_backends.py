"""One setting for the runtime of encoders: the same vectors in each, and clear errors where it is absent."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from unittest.mock import Mock

import numpy as np
import pytest
import torch

from retailor.compress.onnx import compress
from retailor.compress.settings import CompressSettings
from retailor.errors import ConfigError, MissingExtra, ModelError
from retailor.models.encoding import exact_vectors
from retailor.models.hashed import HashEncoder
from retailor.models.local import LocalEncoder
from retailor.models.runtimes.backends import open_encoder
from retailor.models.runtimes.export_process import check
from retailor.models.runtimes.onnx import OnnxEncoder
from retailor.models.runtimes.sessions import Backend
from retailor.testing.models import SAMPLE, tiny_encoder

TEXTS = [*SAMPLE, "一顶蓝色的帐篷", "", " ".join(SAMPLE * 3)]


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("encoder") / "tiny"
    tiny_encoder().save(folder)
    return folder


@pytest.fixture(autouse=True)
def own_cache(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    base = tmp_path_factory.getbasetemp()
    among = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base  # an export takes ten seconds
    monkeypatch.setenv("RETAILOR_CACHE", str(among / "cache"))


@pytest.mark.parametrize("backend", ["auto", "torch", "onnx", "openvino"])
def test_every_backend_gives_the_same_vectors(saved: Path, backend: Backend) -> None:
    wanted = exact_vectors(tiny_encoder(), TEXTS)
    found = open_encoder(saved, backend)
    assert isinstance(found, OnnxEncoder) == (backend != "torch")
    for role in ("passage", "query"):
        assert (found.encode(TEXTS, role=role) * wanted).sum(axis=1).min() > 0.999
    if backend in ("auto", "onnx"):
        np.testing.assert_allclose(found.encode(TEXTS), wanted, atol=1e-5)


def graph_with(saved: Path, folder: Path, **about: str) -> Path:
    """A copy of the graph that the encoder was exported to, described otherwise."""
    found = open_encoder(saved, "onnx")
    assert isinstance(found, OnnxEncoder)
    shutil.copytree(found.folder, folder)
    path = folder / "retailor_encoder.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | about))
    return folder


def test_openvino_in_float32_is_exact(saved: Path, tmp_path: Path) -> None:
    found = OnnxEncoder(graph_with(saved, tmp_path / "graph", engine="openvino"), exact=True)
    assert found.engine == "openvino"
    np.testing.assert_allclose(found.encode(TEXTS), exact_vectors(tiny_encoder(), TEXTS), atol=1e-5)


SIGNALLED = """
import signal, sys
from pathlib import Path
from retailor.models.runtimes.sessions import open_session

signal.signal(signal.SIGTERM, lambda number, frame: print("heard", flush=True))
first, second = (open_session(Path(sys.argv[1]), "openvino") for _ in range(2))
del first
del second
signal.raise_signal(signal.SIGTERM)
"""


def test_a_signal_is_heard_after_graphs_of_openvino_are_closed(saved: Path) -> None:
    found = open_encoder(saved, "onnx")
    assert isinstance(found, OnnxEncoder)
    command = [sys.executable, "-c", SIGNALLED, str(found.folder / "model.onnx")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    assert (done.returncode, done.stdout) == (0, "heard\n"), signal.Signals(-done.returncode)


def test_a_network_is_exported_once(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = open_encoder(saved, "onnx").encode(TEXTS)
    monkeypatch.setattr("retailor.models.runtimes.backends.exported_into", None)  # not callable again
    np.testing.assert_array_equal(open_encoder(saved, "onnx").encode(TEXTS), first)


def test_weights_lie_beside_the_graph(saved: Path) -> None:
    found = open_encoder(saved)
    assert isinstance(found, OnnxEncoder)
    graph, weights = found.folder / "model.onnx", found.folder / "model.weights"
    assert weights.stat().st_size > graph.stat().st_size
    assert weights.stat().st_mode == graph.stat().st_mode


def test_auto_goes_on_with_torch_and_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    encoder = tiny_encoder()
    encoder.pooling = "max"  # which no graph pools by
    encoder.save(tmp_path / "max")
    with pytest.raises(ModelError, match=r"cannot be exported.*pools by 'max'") as told:
        open_encoder(tmp_path / "max", "onnx")
    exported_into = Mock(side_effect=told.value)
    monkeypatch.setattr("retailor.models.runtimes.backends.exported_into", exported_into)
    with caplog.at_level("INFO"):
        assert isinstance(open_encoder(tmp_path / "max"), LocalEncoder)
    assert "pools by 'max'" in caplog.text


@pytest.mark.parametrize(
    ("absent", "said"),
    [
        ("device", ""),
        ("package", r"'onnxscript' is not installed: .*retailor\[compress\]"),
        ("cache", "Not a directory"),
        ("room", "the disk is full"),
        ("memory", "ended by signal 9"),
    ],
)
def test_auto_is_torch_on_a_gpu_and_where_no_graph_can_be_made(
    saved: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    absent: str,
    said: str,
) -> None:
    backends = "retailor.models.runtimes.backends"
    if absent == "device":
        monkeypatch.setattr("retailor.models.hardware.default_device", lambda: torch.device("cuda"))
        monkeypatch.setattr("retailor.models.local.load_encoder", lambda folder: "torch's")
    elif absent == "package":
        monkeypatch.setattr(f"{backends}.find_spec", lambda name: None if name == "onnxscript" else name)
    elif absent == "cache":
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path / "file" / "cache"))
    elif absent == "room":
        monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path))
        full = Mock(side_effect=ModelError("OSError: [Errno 28] No space left on device"))
        monkeypatch.setattr(f"{backends}.exported_into", full)
    else:
        monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path))
        killed = subprocess.CompletedProcess([], -9, "", "a warning that says nothing of it\n")
        monkeypatch.setattr("retailor.models.runtimes.export_process.run", lambda *given, **named: killed)
    with caplog.at_level("INFO"):
        assert not isinstance(open_encoder(saved), OnnxEncoder)
    assert re.search(said, caplog.text) and bool(said) == ("torch computes the encoder" in caplog.text)


def test_a_graph_that_gives_other_vectors_is_refused(saved: Path, tmp_path: Path) -> None:
    check(tiny_encoder(), graph_with(saved, tmp_path / "same"))
    with pytest.raises(ModelError, match="gives other vectors"):
        check(tiny_encoder(), graph_with(saved, tmp_path / "other", pooling="cls"))


def test_a_graph_runs_in_both_runtimes_and_not_in_torch(tmp_path: Path) -> None:
    settings = CompressSettings(weights="blocks", n_speed=4, rounds=1)
    compress(tiny_encoder(), tmp_path / "small", texts=SAMPLE, settings=settings)
    wanted = open_encoder(tmp_path / "small").encode(TEXTS)
    found = open_encoder(tmp_path / "small", "onnx")
    assert isinstance(found, OnnxEncoder) and found.engine == "onnx"
    np.testing.assert_array_equal(found.encode(TEXTS), wanted)
    with pytest.raises(ModelError, match="torch does not run"):
        open_encoder(tmp_path / "small", "torch")


def test_what_has_no_network_is_opened_as_it_is(tmp_path: Path) -> None:
    HashEncoder().save(tmp_path / "hashed")
    assert isinstance(open_encoder(tmp_path / "hashed", "openvino"), HashEncoder)


@pytest.mark.parametrize("provider", ["cuda", "tensorrt", "directml", "cann", "abacus"])
def test_a_provider_that_is_not_here_is_named(saved: Path, provider: str) -> None:
    import onnxruntime

    if provider == "cuda" and "CUDAExecutionProvider" in onnxruntime.get_available_providers():
        pytest.skip("it is here")
    with pytest.raises(ModelError, match=f"has no '{provider}' on this machine") as told:
        open_encoder(saved, "onnx", provider)
    assert "cpu" in told.value.can
    with pytest.raises(ModelError, match="OpenVINO has no"):
        open_encoder(saved, "openvino", provider)
    with pytest.raises(ConfigError, match="a provider is for"):
        open_encoder(saved, "auto", provider)


def test_a_provider_that_gives_way_in_silence_is_refused(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnxruntime

    both = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: both)
    real = onnxruntime.InferenceSession
    cpu = both[1:]
    monkeypatch.setattr(
        onnxruntime, "InferenceSession", lambda path, options, providers: real(path, options, cpu)
    )
    with pytest.raises(ModelError, match="driver or device is missing"):
        open_encoder(saved, "onnx", "cuda")


def test_a_runtime_that_is_not_installed_names_its_extra(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    open_encoder(saved, "onnx")  # exported
    monkeypatch.setitem(sys.modules, "openvino", None)
    with pytest.raises(MissingExtra, match=r"retailor\[fast\]"):
        open_encoder(saved, "openvino")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(MissingExtra, match=r"retailor\[compress\]"):
        open_encoder(saved, "onnx")
