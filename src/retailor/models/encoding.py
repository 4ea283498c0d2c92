"""Vectors of many texts: with a memo, or in float32 whatever precision an encoder takes for speed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file

from retailor.models.shapes import Encoder, ExactEncoder, Role, TrainableEncoder
from retailor.progress import track
from retailor.runner import over_shards
from retailor.store.artifact import fingerprint
from retailor.store.memo import Tensors, memo_path, memo_tensors

BLOCK = 1024
"""Texts that are encoded, shown and kept at once."""
MARKING = ("blue tent for two", "quiet, and it lasts", "一顶蓝色的帐篷", "12.99")
"""Their vectors tell an encoder from another one of its name."""


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
    if work is None:
        shown = track(blocks, "encoding") if len(blocks) > 1 else blocks
        made = [encoder.encode(block, role=role) for block in shown]
    else:
        # Two encoders may share a name: the vectors of a few texts tell one's weights from the other's.
        sample = np.round(encoder.encode(unique[:4], role=role), 4).tolist()
        keyed = [(fingerprint(encoder.name, encoder.dim, sample, role, block), block) for block in blocks]
        reads = partial(_kept_vectors, Sent(encoder, work), role, work)
        # the key of an address is here alone
        paths = map(reads, keyed) if "://" in encoder.name else over_shards(reads, keyed, "encoding")
        made = [_vectors_at(path) for path in paths]
    if not made:
        return np.zeros((0, encoder.dim), dtype=np.float32)
    found = np.concatenate(made)
    if len(unique) == len(texts):
        return found
    at = {text: i for i, text in enumerate(unique)}
    return found[[at[text] for text in texts]]


def _kept_vectors(sent: Sent, role: Role, work: Path, shard: tuple[str, list[str]]) -> Path:
    """The file with the vectors of a block of texts, made where it is not there."""
    key, block = shard

    def make() -> Tensors:
        return {"vectors": sent.encoder.encode(block, role=role)}

    memo_tensors(work, "vectors", key, make)
    return memo_path(work, "vectors", key)


def _vectors_at(path: Path) -> NDArray[np.float32]:
    found: NDArray[np.float32] = load_file(path)["vectors"]
    return found


class Sent:
    """An encoder; to another process it travels as the folder that it is saved in, below `work`."""

    def __init__(self, encoder: Encoder, work: Path) -> None:
        self.encoder, self.work = encoder, work

    def __reduce__(self) -> tuple[Callable[[Path], Sent], tuple[Path]]:
        return _opened, (saved_in(self.encoder, self.work),)


def saved_in(encoder: Encoder, work: Path) -> Path:
    """The folder below `work` with an encoder as it is now, saved there where it is not."""
    mark = fingerprint(encoder.name, encoder.dim, np.round(encoder.encode(MARKING), 5).tolist())
    folder = work.resolve() / "encoders" / mark[:16]
    if not folder.exists():
        encoder.save(folder)
    return folder


@lru_cache(1)
def _opened(folder: Path) -> Sent:
    """Once a process: shards come one after the other."""
    from retailor.models.local import load_encoder

    return Sent(load_encoder(folder), folder.parent.parent)


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
