"""int8 with fixed scales: levelling changes nothing, also where a weight reads words and places."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from retailor.compress.calibrated import calibration, levelled, quantise_calibrated
from retailor.models.encoder import LocalEncoder
from retailor.models.local import load_encoder
from retailor.models.runtimes.exporting import describe, export
from retailor.testing.models import SAMPLE, tiny_encoder
from tests.models.families import FAMILIES


def deberta(folder: Path) -> LocalEncoder:
    next(each for each in FAMILIES if each.name == "DeBERTa-v3").write(folder)
    found = load_encoder(folder)
    assert isinstance(found, LocalEncoder)
    return found


@pytest.mark.parametrize("make", [lambda folder: tiny_encoder(), deberta], ids=["BERT", "DeBERTa"])
def test_levelling_changes_nothing_and_int8_little(
    make: Callable[[Path], LocalEncoder], tmp_path: Path
) -> None:
    encoder = make(tmp_path / "given")
    plain, level, folder = tmp_path / "plain.onnx", tmp_path / "level.onnx", tmp_path / "int8"
    export(encoder, plain)
    batches = calibration(encoder, SAMPLE)
    levelled(plain, level, batches, 0.6)
    before, after = (
        onnxruntime.InferenceSession(str(path)).run(None, batches[0])[0] for path in (plain, level)
    )
    np.testing.assert_allclose(before, after, atol=2e-4)
    assert level.read_bytes() != plain.read_bytes()
    folder.mkdir()
    quantise_calibrated(plain, folder / "model.onnx", batches)
    describe(encoder, folder)
    near = (encoder.encode(SAMPLE) * load_encoder(folder).encode(SAMPLE)).sum(axis=1)
    assert near.min() > 0.99
