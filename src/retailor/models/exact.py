"""Vectors in float32, whatever precision an encoder takes for speed."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from retailor.models.shapes import Role, TrainableEncoder


def exact_vectors(
    encoder: TrainableEncoder, texts: Sequence[str], *, role: Role = "passage", batch_size: int = 32
) -> NDArray[np.float32]:
    """Unit rows [n, dim] in float32, computed in batches of like length and given back in order.

    A text's vector does not depend on its batch by more than about 1e-6.
    """
    import torch

    rows = np.zeros((len(texts), encoder.dim), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    device = next(encoder.network.parameters()).device
    was_training = encoder.network.training
    encoder.network.eval()
    with torch.inference_mode():
        for start in range(0, len(order), batch_size):
            chosen = order[start : start + batch_size]
            batch = encoder.tokens([texts[i] for i in chosen], role=role)
            vectors = encoder.vectors({name: value.to(device) for name, value in batch.items()})
            rows[chosen] = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    encoder.network.train(was_training)
    return rows
