"""Vectors of many texts: with a memo, or in float32 whatever precision an encoder takes for speed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from retailor.models.shapes import Encoder, ExactEncoder, Role, TrainableEncoder
from retailor.progress import track
from retailor.store.artifact import fingerprint
from retailor.store.memo import memo_tensors

BLOCK = 1024
"""Texts that are encoded, shown and kept at once."""


def memo_vectors(
    encoder: Encoder, texts: Sequence[str], *, role: Role = "passage", work: Path | None = None
) -> NDArray[np.float32]:
    """Unit rows [n, dim] of the texts, in their order, with a bar; equal texts are encoded once.

    With `work` every block of texts is kept there: a killed call goes on where it was, and a second call by
    the same encoder for the same texts encodes four. An encoder whose vectors differ in the fourth digit from
    call to call, as an endpoint's may, is not known again.
    """
    unique = list(dict.fromkeys(texts))
    size = getattr(encoder, "block", None) or BLOCK
    blocks = [unique[start : start + size] for start in range(0, len(unique), size)]
    # Two encoders may share a name: the vectors of a few texts tell one's weights from the other's.
    sample = [] if work is None else np.round(encoder.encode(unique[:4], role=role), 4).tolist()

    def rows(block: list[str]) -> NDArray[np.float32]:
        key = "" if work is None else fingerprint(encoder.name, encoder.dim, sample, role, block)
        return memo_tensors(work, "vectors", key, lambda: {"vectors": encoder.encode(block, role=role)})[
            "vectors"
        ]

    made = [rows(block) for block in (track(blocks, "encoding") if len(blocks) > 1 else blocks)]
    if not made:
        return np.zeros((0, encoder.dim), dtype=np.float32)
    found = np.concatenate(made)
    if len(unique) == len(texts):
        return found
    at = {text: i for i, text in enumerate(unique)}
    return found[[at[text] for text in texts]]


def exact_vectors(
    encoder: Encoder, texts: Sequence[str], *, role: Role = "passage", batch_size: int = 32
) -> NDArray[np.float32]:
    """Unit rows [n, dim] in float32, computed in batches of like length and given back in order.

    A text's vector does not depend on its batch by more than about 1e-6. Many texts have a bar. An encoder
    that has one precision only gives what its `encode` gives.
    """
    if isinstance(encoder, ExactEncoder):
        return encoder.encode_exactly(texts, role=role)
    if not isinstance(encoder, TrainableEncoder):
        return encoder.encode(texts, role=role)
    import torch

    rows = np.zeros((len(texts), encoder.dim), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    device = next(encoder.network.parameters()).device
    was_training = encoder.network.training
    encoder.network.eval()
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    with torch.inference_mode():
        for chosen in track(batches, "reading") if len(texts) > BLOCK else batches:
            batch = encoder.tokens([texts[i] for i in chosen], role=role)
            vectors = encoder.vectors({name: value.to(device) for name, value in batch.items()})
            rows[chosen] = torch.nn.functional.normalize(vectors.float(), dim=-1).cpu().numpy()
    encoder.network.train(was_training)
    return rows
