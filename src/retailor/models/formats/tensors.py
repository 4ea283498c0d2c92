"""The tensors of a safetensors checkpoint, and how their names fit those of a network."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open

from retailor.errors import DataError, ModelError
from retailor.models.files import bounded, read_object
from retailor.models.formats.refused import PLAIN_DTYPES, is_quantised, quantised

WRAPPERS = re.compile(
    r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module|_forward_module)\."
)
"""Names that compiling and sharding put into a path, and that no network has itself."""


COMPUTED = re.compile(
    r"(\.attn|\.attention)\.(masked_)?bias$|rotary_emb\.|(^|\.)(position_ids|masked_bias|inv_freq)$"
)
"""Masks and positions that older versions of transformers wrote among the weights."""


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies, and what it is."""

    file: Path
    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True)
class Checkpoint:
    """What is known of some safetensors files from their headers; no tensor has been read yet."""

    folder: Path
    tensors: Mapping[str, Stored]

    def read(self, names: Mapping[str, str]) -> dict[str, torch.Tensor]:
        """The tensors of `names` (theirs → new), under their new names; on the processor."""
        found: dict[str, torch.Tensor] = {}
        by_file: dict[Path, list[str]] = {}
        for name in names:
            by_file.setdefault(self.tensors[name].file, []).append(name)
        for path, own in by_file.items():
            try:
                with safe_open(path, "pt") as file:
                    found.update({names[name]: file.get_tensor(name) for name in own})
            except (SafetensorError, OSError, RuntimeError, ValueError) as error:
                raise _corrupt(path, error) from None
        return found


def read_checkpoint(folder: Path, stem: str = "model") -> Checkpoint:
    """The checkpoint `stem`.safetensors of a folder, or the shards of its index.

    Raises DataError that names a missing, empty, cut off or corrupt file, ModelError when the tensors are
    quantised.
    """
    single, index = folder / f"{stem}.safetensors", folder / f"{stem}.safetensors.index.json"
    tensors = _headers(single) if single.is_file() or not index.is_file() else _shards(index)
    if not tensors:
        raise DataError("the file holds no tensors; fetch it again.", path=single)
    strange = {stored.dtype for stored in tensors.values()} - set(PLAIN_DTYPES)
    packed = [
        stored for name, stored in tensors.items()
        if stored.dtype in ("I8", "U8", "I16", "I32") and len(stored.shape) > 1 and not COMPUTED.search(name)
    ]  # fmt: skip
    if strange or packed or is_quantised(tensors):
        kind = bounded(strange or {stored.dtype for stored in packed} or {"with scales"})
        raise quantised(folder, {"quant_method": f"tensors of {kind}"})
    return Checkpoint(folder, tensors)


def _shards(index: Path) -> dict[str, Stored]:
    listed = read_object(index).get("weight_map")
    if not isinstance(listed, dict) or not listed:
        raise DataError("the index has no weight_map; fetch this model folder again.", path=index)
    names = sorted({str(name) for name in listed.values()})
    for name in names:
        if Path(name).name != name or not name.endswith(".safetensors"):
            raise DataError(f"the index names '{name}', which is no safetensors file beside it.", path=index)
    heads = {name: _headers(index.parent / name) for name in names}
    lost = [key for key, name in listed.items() if key not in heads[name]]
    if lost:
        raise DataError(
            f"{len(lost)} tensors are not in the shard that the index names: {bounded(lost)}; fetch this "
            "model folder again.",
            path=index,
        )
    return {key: heads[name][key] for key, name in listed.items()}


def _headers(path: Path) -> dict[str, Stored]:
    if not path.is_file():
        raise DataError("the weights are missing; fetch the file again.", path=path)
    try:
        with safe_open(path, "pt") as file:
            slices = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118 - it is no dict
            return {
                name: Stored(path, tuple(part.get_shape()), str(part.get_dtype()))
                for name, part in slices.items()
            }
    except (SafetensorError, OSError, ValueError, RuntimeError, AttributeError) as error:
        raise _corrupt(path, error) from None


def _corrupt(path: Path, error: BaseException) -> DataError:
    return DataError(f"the weights are corrupt or cut off ({error}); fetch the file again.", path=path)


def fitted_names(names: Iterable[str], network: torch.nn.Module, folder: Path) -> dict[str, str]:
    """What each of a checkpoint's names is in the network (theirs → ours): wrappers and prefixes taken off.

    A prefix is whatever stands before the names that the network knows; names that fit nothing stay as
    they are. Raises ModelError when two prefixes fit alike (a checkpoint of two networks), or two names
    become one.
    """
    known = set(network.state_dict())
    base = str(getattr(network, "base_model_prefix", ""))
    if base:  # transformers itself adds and takes off this one
        known |= {f"{base}.{name}" for name in known} | {name.removeprefix(f"{base}.") for name in known}
    bare = {name: WRAPPERS.sub("", name) for name in names}
    prefix = _prefix(bare.values(), known, len(network.state_dict()), folder)
    found = {name: plain.removeprefix(prefix) for name, plain in bare.items()}
    twice = [name for name, n in Counter(found.values()).items() if n > 1]
    if twice:
        raise ModelError(
            f"{folder}: the weights hold {bounded(twice)} more than once, under other prefixes; keep one.",
            asked=twice[0],
        )
    return found


def _prefix(names: Iterable[str], known: set[str], n_own: int, folder: Path) -> str:
    """The prefix before most names that the network knows; none where that does as well, or not half fit."""
    counts: Counter[str] = Counter({"": 0})
    for name in names:
        cuts = [0, *(i + 1 for i, letter in enumerate(name) if letter == ".")]
        counts.update(name[:cut] for cut in cuts if name[cut:] in known)
    best = max(counts, key=lambda prefix: (counts[prefix], -len(prefix)))
    if counts[best] == counts[""] or counts[best] < n_own / 2:
        return ""
    rivals = [
        other for other, n in counts.items()
        if n == counts[best] and not other.startswith(best) and not best.startswith(other)
    ]  # fmt: skip
    if rivals:
        raise ModelError(
            f"{folder}: the weights hold more than one network of this kind, under the prefixes "
            f"{bounded([best, *rivals])}; keep the one that is wanted.",
            asked=best,
        )
    return best
