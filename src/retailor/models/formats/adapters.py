"""Merges a PEFT adapter into its base: every one of its weights finds its place, or it is an error."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch

from retailor.errors import MissingExtra, ModelError, RetailorError
from retailor.models.files import bounded, first_line, quiet, read_object, read_tokenizer
from retailor.models.formats.filling import HEADS, check_finite
from retailor.models.formats.refused import python_command
from retailor.models.formats.tensors import Checkpoint, read_checkpoint
from retailor.models.kinds import Kind

CONFIG = "adapter_config.json"
STEM = "adapter_model"
MERGED = ("LORA", "IA3", "LOHA", "LOKR", "OFT", "BOFT")
"""Kinds of adapters that are added into the weights of their base."""
KINDS: dict[str, Kind] = {
    "CAUSAL_LM": "generator",
    "SEQ_2_SEQ_LM": "generator",
    "FEATURE_EXTRACTION": "encoder",
    "SEQ_CLS": "encoder",
    "TOKEN_CLS": "encoder",
    "QUESTION_ANS": "encoder",
}
"""By task_type: the kind of the model that an adapter is for."""
OUTER = "base_model.model."


def adapter_kind(folder: Path) -> Kind | None:
    """What an adapter's own config says of its kind, or None where it says nothing."""
    return KINDS.get(str(read_object(folder / CONFIG).get("task_type")))


def base_folder(folder: Path) -> Path:
    """Where the base of an adapter lies: within its folder, beside it, or where its config says.

    Raises ModelError that names the base when it is in none of these places.
    """
    base = str(read_object(folder / CONFIG).get("base_model_name_or_path") or "")
    beside = folder.resolve().parent / Path(base).name
    places = [folder / base, Path(base), beside] if base else []
    for place in places:
        if place.is_dir() and place.resolve() != folder.resolve():
            if (place / CONFIG).exists():
                raise ModelError(
                    f"{folder} is an adapter for '{base}', which is an adapter too: merge that one first "
                    "(load it here and save it).",
                    asked=base,
                )
            return place
    raise ModelError(
        f"{folder} is an adapter for '{base}', which is not a folder here: put the base model into {beside} "
        f"or set base_model_name_or_path in {CONFIG} to its folder.",
        asked=base,
    )


def merged_adapter(network: Any, tokenizer: Any, folder: Path) -> tuple[torch.nn.Module, Any]:
    """The base's network with the adapter of `folder` in its weights, and the tokenizer that goes with it.

    New tokens of the adapter's own tokenizer get rows, which the adapter must fill. Raises ModelError for an
    adapter that is pickled, without weights, of another base or of a kind that cannot be merged, DataError
    for a corrupt file.
    """
    about = read_object(folder / CONFIG)
    kind = str(about.get("peft_type")).upper()
    if kind not in MERGED:
        raise ModelError(
            f"{folder} is an adapter of the kind {kind}; Retailor merges {', '.join(MERGED)}: choose one of "
            "those, or a model with its own weights.",
            asked=kind,
            can=MERGED,
        )
    checkpoint = _checkpoint(folder)
    if any((folder / name).exists() for name in ("tokenizer_config.json", "tokenizer.json")):
        tokenizer = read_tokenizer(folder)
    n_known = int(network.get_input_embeddings().weight.shape[0])
    try:
        with torch.random.fork_rng(devices=[]), warnings.catch_warnings(), quiet():
            warnings.simplefilter("ignore")  # peft asks transformers under names of last year
            _resize(network, tokenizer, checkpoint)
            plain = _merged(network, about, checkpoint)
    except RetailorError:
        raise
    except ImportError:
        raise MissingExtra("peft", install="pip install 'retailor[models]'") from None
    except Exception as error:
        raise ModelError(
            f"{folder}: the adapter does not fit its base: {first_line(error)}", asked=str(folder)
        ) from None
    _check_new_rows(plain, n_known, folder)
    check_finite(plain, folder)
    for parameter in plain.parameters():
        parameter.requires_grad_(parameter.is_floating_point())  # peft had frozen them
    return plain.eval(), tokenizer


def _checkpoint(folder: Path) -> Checkpoint:
    if any((folder / f"{STEM}.safetensors{end}").is_file() for end in ("", ".index.json")):
        return read_checkpoint(folder, STEM)
    if any(folder.glob("adapter_model*.bin")) or any(folder.glob("adapter_model*.pt")):
        source, target = (str(folder / f"{STEM}.{end}") for end in ("bin", "safetensors"))
        code = (
            "import torch, safetensors.torch as s; "
            f"s.save_file(torch.load({source!r}, weights_only=True), {target!r})"
        )
        raise ModelError(
            f"{folder} has its adapter as {STEM}.bin, a pickle that can run code, so it is not loaded: "
            f"convert it once, if you trust it, with `{python_command(code)}`.",
            asked=str(folder),
            can=(f"{STEM}.safetensors",),
        )
    raise ModelError(
        f"{folder} has no {STEM}.safetensors: the adapter is without its weights; fetch that file.",
        asked=str(folder),
        can=(f"{STEM}.safetensors",),
    )


def _resize(network: Any, tokenizer: Any, checkpoint: Checkpoint) -> None:
    """As many rows as the adapter brings, or as its tokenizer knows tokens; new ones hold no number."""
    table = network.get_input_embeddings()
    n_rows = int(table.weight.shape[0])
    own = next(name for name, module in network.named_modules() if module is table).rpartition(".")[2]
    brought = [
        stored.shape[0]
        for name, stored in checkpoint.tensors.items()
        if re.search(rf"\.{re.escape(own)}(\.base_layer)?\.weight$", name)
    ]
    wanted = brought[0] if brought else max(n_rows, max(tokenizer.get_vocab().values(), default=-1) + 1)
    if wanted == n_rows:
        return
    network.resize_token_embeddings(wanted, mean_resizing=False)
    with torch.no_grad():
        for layer in (network.get_input_embeddings(), network.get_output_embeddings()):
            if layer is not None:
                layer.weight[n_rows:] = float("nan")


def _check_new_rows(network: Any, n_known: int, folder: Path) -> None:
    """Raises ModelError when a row of a new token was filled by nobody."""
    for layer in (network.get_input_embeddings(), network.get_output_embeddings()):
        if layer is not None and not torch.isfinite(layer.weight[n_known:].sum()):
            raise ModelError(
                f"{folder}: the adapter's tokenizer knows {len(layer.weight)} tokens, its base has "
                f"embeddings for {n_known}, and the adapter does not bring the rows of the new ones: save it "
                "with its embeddings (modules_to_save or save_embedding_layers of peft).",
                asked=str(folder),
            )


def _merged(network: Any, about: dict[str, Any], checkpoint: Checkpoint) -> Any:
    from peft import PeftConfig, get_peft_model, set_peft_model_state_dict
    from peft.utils import get_peft_model_state_dict

    config = PeftConfig.from_pretrained(str(checkpoint.folder))
    config.task_type = None  # so that peft looks for no head of the task
    config.inference_mode = True
    _drop_heads(network, config, about)
    model = get_peft_model(network, config)
    below = set(model.state_dict())
    wanted = set(get_peft_model_state_dict(model, save_embedding_layers=False))
    names = _fitted(checkpoint.tensors, wanted | below, str(network.base_model_prefix))
    weights = checkpoint.read(names)
    strange = {name for name in set(weights) - wanted - below if not HEADS.match(name.removeprefix(OUTER))}
    lost = wanted - set(weights) - below
    if strange or lost:
        what = f"lack {bounded(lost)}" if lost else f"have no place for {bounded(strange)}"
        raise ModelError(
            f"{checkpoint.folder}: the adapter and its base '{about.get('base_model_name_or_path')}' do not "
            f"fit: its weights {what}.",
            asked=str(checkpoint.folder),
        )
    set_peft_model_state_dict(model, {name: weights[name] for name in set(weights) & (wanted | below)})
    return model.merge_and_unload(safe_merge=True)


def _drop_heads(network: Any, config: Any, about: dict[str, Any]) -> None:
    """Takes modules that the network does not have, heads of a task, from those that the adapter replaces."""
    asked = about.get("modules_to_save") or []
    there = {part for name, _ in network.named_modules() for part in name.split(".")}
    kept = [name for name in asked if name.rpartition(".")[2] in there]
    gone = [name for name in asked if name not in kept and not HEADS.match(name)]
    if gone:
        raise ModelError(
            f"the adapter replaces {bounded(gone)}, which its base does not have.", asked=str(gone[0])
        )
    if hasattr(config, "modules_to_save"):
        config.modules_to_save = kept or None


def _fitted(names: Iterable[str], known: set[str], base: str) -> dict[str, str]:
    """What each of an adapter's names is in the model (theirs → ours), its prefix taken off or put before."""
    bare = {name: re.sub(r"(lora_\w+|modules_to_save)\.default(?=\.|$)", r"\1", name) for name in names}
    bare = {name: plain.replace(".modules_to_save.", ".") for name, plain in bare.items()}
    starts = {""}
    for plain in bare.values():
        parts = plain.split(".")
        starts |= {".".join(parts[:n]) + "." for n in range(1, len(parts))}
    ends = ("", OUTER, f"{OUTER}{base}.")

    def moved(plain: str, start: str, end: str) -> str:
        return end + plain.removeprefix(start) if plain.startswith(start) else plain

    def fits(pair: tuple[str, str]) -> tuple[int, int]:
        return sum(moved(plain, *pair) in known for plain in bare.values()), -len(pair[0])

    start, end = max(((s, e) for s in sorted(starts) for e in ends), key=fits)
    return {name: moved(plain, start, end) for name, plain in bare.items()}
