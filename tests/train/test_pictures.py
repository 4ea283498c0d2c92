"""An encoder that is taught on photos tells them apart, and says what it cannot learn from."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from retailor.errors import DataError, ModelError
from retailor.models.pictures.efficientnet import EfficientNetLite
from retailor.models.pictures.encoder import LITE0, LocalPictures
from retailor.models.pictures.preparing import Preparation
from retailor.train.objectives.pictures import Photos, PictureTuneSettings, tune_pictures
from retailor.train.settings import TrainSettings

SETTINGS = PictureTuneSettings(
    n_views=1,
    n_frozen=15,
    train=TrainSettings(epochs=4.0, batch_size=8, precision="32", learning_rate=2e-3),
)


def untaught() -> LocalPictures:
    torch.manual_seed(0)
    return LocalPictures(EfficientNetLite().eval(), Preparation(size=32, crop=1.0), name="x", family=LITE0)


def striped(n: int, seed: int) -> Photos:
    """Pictures with stripes that lie or stand, of any colours."""
    dice = np.random.default_rng(seed)
    pictures, labels = [], []
    for i in range(n):
        colours = dice.integers(0, 255, (2, 3))
        lines = np.repeat(colours[np.arange(32) // 4 % 2][:, None], 32, axis=1).astype(np.uint8)
        pictures.append(lines if i % 2 else lines.transpose(1, 0, 2).copy())
        labels.append("lying" if i % 2 else "standing")
    return Photos(pictures, labels)


def test_a_taught_encoder_tells_apart_what_it_was_taught(tmp_path: Path) -> None:
    before, photos, others = untaught(), striped(16, 0), striped(8, 1)
    start = [each.clone() for each in before.network.state_dict().values()]
    tuned = tune_pictures(before, photos, SETTINGS, validation=others, work=tmp_path)
    assert all(torch.equal(a, b) for a, b in zip(start, before.network.state_dict().values(), strict=True))
    assert tuned.labels == ("lying", "standing") and tuned.directions.shape == (2, before.dim)
    np.testing.assert_allclose(np.linalg.norm(tuned.directions, axis=1), 1, atol=1e-5)
    lower = [name for name in before.network.state_dict() if name.startswith(("_conv_stem", "_blocks.13."))]
    for name in lower:
        assert torch.equal(before.network.state_dict()[name], tuned.encoder.network.state_dict()[name])
    best = max(value for _, value in tuned.log.validations)
    assert best == dict(tuned.log.validations)[tuned.log.best_step] >= tuned.log.validations[0][1]
    found = tuned.nearest(tuned.encoder.encode_pictures(others.pictures))
    hits = np.mean([one == other for one, other in zip(found, others.labels, strict=True)])
    assert hits == pytest.approx(best, abs=0.13)  # maps are kept in half precision
    losses = [loss for _, loss, _ in tuned.log.curve]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])
    again = tune_pictures(before, photos, SETTINGS, validation=others, work=tmp_path)
    np.testing.assert_array_equal(again.directions, tuned.directions)


def test_what_nothing_can_be_learned_from_is_refused() -> None:
    one = Photos(striped(4, 0).pictures, ["same"] * 4)
    with pytest.raises(DataError, match="two different things"):
        tune_pictures(untaught(), one, SETTINGS)
    other = LocalPictures(torch.nn.Linear(1, 1), Preparation(), name="vit", family="backbone")
    with pytest.raises(ModelError, match="'vit' cannot be taught here"):
        tune_pictures(other, striped(4, 0), SETTINGS)
