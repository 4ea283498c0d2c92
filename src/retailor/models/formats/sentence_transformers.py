"""The folder layout of sentence-transformers: every setting of it is honoured, or refused by name."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from retailor.errors import DataError, ModelError
from retailor.models.files import bounded, first_line, read_json, read_object
from retailor.models.formats.filling import check_finite
from retailor.models.formats.refused import python_command
from retailor.models.formats.tensors import read_checkpoint
from retailor.models.pooling import ACTIVATIONS, POOLINGS, Dense, Head, Normed, Pooling, Unit

GENERAL = "config_sentence_transformers.json"
LENGTH_FILES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
RUN = ("Transformer", "Pooling", "Dense", "LayerNorm", "Normalize", "Dropout")
FLAGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_mean_sqrt_len_tokens": "mean_sqrt_len_tokens",
    "pooling_mode_weightedmean_tokens": "weightedmean",
    "pooling_mode_lasttoken": "lasttoken",
}
"""The older way to say how to pool; vectors of several stand in this order."""
ROLES = {
    "query": ("query", "search_query", "retrieval.query", "Retrieval-query", "s2p_query"),
    "passage": (
        "passage", "document", "corpus", "search_document", "retrieval.passage", "Retrieval-document",
        "search_passage",
    ),
}  # fmt: skip
HARMLESS = (
    "torch_dtype",
    "dtype",
    "attn_implementation",
    "use_safetensors",
    "low_cpu_mem_usage",
    "trust_remote_code",
)
"""Arguments of loading that change nothing here: weights are float32, and remote code never runs."""
TEXT_ONLY = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}


@dataclass(frozen=True)
class SentenceFolder:
    """What a folder of sentence-transformers says of an encoder."""

    inner: Path
    """Where the transformer lies."""
    pooling: Pooling
    pool_prompt: bool
    head: Head | None
    prompts: Mapping[str, str]
    max_tokens: int | None
    lower_case: bool


def read_sentence_folder(folder: Path) -> SentenceFolder:
    """The settings of a folder. Raises ModelError for what cannot be honoured, DataError for broken files."""
    modules = _modules(folder)
    kinds = [kind for kind, _ in modules]
    if kinds[:2] != ["Transformer", "Pooling"] or set(kinds[2:]) & {"Transformer", "Pooling"}:
        raise ModelError(
            f"{folder} has the modules {', '.join(kinds) or 'none'}; Retailor runs one Transformer, then one "
            "Pooling, then any of Dense, LayerNorm, Normalize: choose another model.",
            asked=str(folder),
            can=RUN,
        )
    inner, pooled = modules[0][1], read_object(modules[1][1] / "config.json")
    general = _general(folder)
    length, lower = _length(inner)
    return SentenceFolder(
        inner, _pooling(folder, pooled), bool(pooled.get("include_prompt", True)),
        _head(modules[2:], general.get("truncate_dim"), folder), _prompts(general, folder), length, lower,
    )  # fmt: skip


def read_head(folder: Path, truncate_dim: int | None) -> Head | None:
    """The layers after the pooling of one of our own artifacts, which are laid out in the same way."""
    return _head(_modules(folder)[2:], truncate_dim, folder)


def _modules(folder: Path) -> list[tuple[str, Path]]:
    path = folder / "modules.json"
    listed = read_json(path)
    if not isinstance(listed, list) or not all(
        isinstance(one, dict) and isinstance(one.get("type"), str) for one in listed
    ):
        raise DataError("the file should hold a list of modules with a type; fetch it again.", path=path)
    found = []
    for one in listed:
        kind = one["type"].rsplit(".", 1)[-1]
        if kind not in RUN or not one["type"].startswith("sentence_transformers."):
            raise ModelError(
                f"{folder} has the sentence-transformers module {one['type']}; Retailor runs "
                f"{', '.join(RUN)}, and no code of a folder: choose another model.",
                asked=one["type"],
                can=RUN,
            )
        place = folder / str(one.get("path") or "")
        if not place.resolve().is_relative_to(folder.resolve()):
            raise DataError(f"the module {kind} lies outside of the folder ({one['path']}).", path=path)
        found.append((kind, place))
    return found


def _pooling(folder: Path, config: Mapping[str, Any]) -> Pooling:
    said = config.get("pooling_mode")
    if said is None:
        modes = [mode for flag, mode in FLAGS.items() if config.get(flag)]
        modes += [
            name
            for name, on in config.items()
            if name.startswith("pooling_mode_") and on and name not in FLAGS
        ]
    else:
        modes = [str(mode) for mode in said] if isinstance(said, list) else [str(said)]
    own = [{"lasttoken": "last"}.get(mode, mode) for mode in modes] or ["mean"]
    strange = [mode for mode in own if mode not in POOLINGS]
    if strange:
        raise ModelError(
            f"{folder} pools by {', '.join(strange)}; Retailor pools by {', '.join(POOLINGS)}.",
            asked=strange[0],
            can=POOLINGS,
        )
    return "+".join(own)


def _general(folder: Path) -> dict[str, Any]:
    """The settings of the whole folder; says so where vectors are not meant to be compared by their angle."""
    path = folder / GENERAL
    found = read_object(path) if path.exists() else {}
    kind = found.get("model_type") or "SentenceTransformer"
    known = (
        "__version__",
        "prompts",
        "default_prompt_name",
        "similarity_fn_name",
        "truncate_dim",
        "model_type",
    )
    strange = [name for name, value in found.items() if name not in known and value]
    if kind != "SentenceTransformer" or strange:
        what = f"is a {kind}" if kind != "SentenceTransformer" else f"has the settings {bounded(strange)}"
        raise ModelError(
            f"{folder} {what} ({GENERAL}), and Retailor reads sentence-transformers' dense encoders: choose "
            "another model.",
            asked=kind if kind != "SentenceTransformer" else strange[0],
        )
    measure = found.get("similarity_fn_name") or "cosine"
    if measure not in ("cosine", "dot", "euclidean", "manhattan"):
        raise DataError(f"similarity_fn_name is '{measure}', which is no known measure.", path=path)
    if measure != "cosine":
        warnings.warn(
            f"{folder} was made for comparison by {measure}; Retailor's vectors have length one and are "
            "compared by cosine.",
            stacklevel=5,
        )
    return found


def _prompts(config: Mapping[str, Any], folder: Path) -> dict[str, str]:
    """The prompts of the two roles; a default prompt stands for both where they have none of their own."""
    known = config.get("prompts") or {}
    if not isinstance(known, dict) or any(not isinstance(p, str | None) for p in known.values()):
        raise DataError("prompts should be names with texts.", path=folder / GENERAL)
    named = config.get("default_prompt_name")
    if named is not None and named not in known:
        raise DataError(
            f"default_prompt_name is '{named}', and the prompts are {bounded(known) or 'none'}.",
            path=folder / GENERAL,
        )
    default = known.get(named) or ""
    return {
        role: next((known[name] for name in names if known.get(name)), default)
        for role, names in ROLES.items()
    }


def _length(inner: Path) -> tuple[int | None, bool]:
    """The most tokens that the transformer's file states, if any, and whether texts lose their capitals."""
    path = next((inner / name for name in LENGTH_FILES if (inner / name).exists()), None)
    if path is None:
        return None, False
    config = read_object(path)
    length = config.pop("max_seq_length", None)
    lower = bool(config.pop("do_lower_case", False))
    for name in ("tokenizer_args", "processor_kwargs"):
        arguments = dict(config.pop(name, None) or {})
        stated = arguments.pop("model_max_length", None)
        length = stated if length is None else length
        config[name] = arguments
    if length is not None and (not isinstance(length, int) or isinstance(length, bool) or length < 1):
        raise DataError(f"max_seq_length is {length!r}, and should be a number of tokens.", path=path)
    _refuse_settings(config, path)
    return length, lower


def _refuse_settings(config: dict[str, Any], path: Path) -> None:
    """Raises ModelError for a setting of the transformer that would change its vectors and is not known."""
    plain = {
        "transformer_task": "feature-extraction",
        "module_output_name": "token_embeddings",
        "modality_config": TEXT_ONLY,
    }
    for name, value in config.items():
        left = value
        if isinstance(value, dict) and name.endswith(("_args", "_kwargs")):
            left = {key: one for key, one in value.items() if key not in HARMLESS}
        if left and name != "unpad_inputs" and left != plain.get(name):
            raise ModelError(
                f"{path} sets {name} = {json.dumps(left)[:200]}, which Retailor does not know how to honour: "
                "choose another model.",
                asked=name,
            )


def _head(modules: list[tuple[str, Path]], truncate_dim: Any, folder: Path) -> Head | None:
    """The layers after the pooling, or None; a last Normalize is what `encode` does anyhow."""
    if truncate_dim is not None and (not isinstance(truncate_dim, int) or truncate_dim < 1):
        raise DataError(f"truncate_dim is {truncate_dim!r}, and should be a number.", path=folder / GENERAL)
    layers = [(kind, place) for kind, place in modules if kind != "Dropout"]
    while layers and layers[-1][0] == "Normalize":
        layers.pop()
    if not layers and truncate_dim is None:
        return None
    return Head([_step(kind, place) for kind, place in layers], truncate_dim).eval().requires_grad_(False)


def _step(kind: str, place: Path) -> nn.Module:
    path = place / "config.json"
    config = read_object(path) if kind != "Normalize" or path.exists() else {}
    if any(config.get(name, "sentence_embedding") not in (None, "sentence_embedding")
           for name in ("module_input_name", "module_output_name")):  # fmt: skip
        raise ModelError(
            f"{place} works on {config['module_input_name']}; Retailor runs {kind} on pooled vectors alone.",
            asked=str(config["module_input_name"]),
        )
    if kind == "Normalize":
        return Unit()
    try:
        with torch.random.fork_rng(devices=[]):
            made = _dense(config, place) if kind == "Dense" else Normed(int(config["dimension"]))
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise DataError(f"the settings of this {kind} are wrong: {first_line(error)}.", path=path) from None
    return _filled(made, place)


def _dense(config: Mapping[str, Any], place: Path) -> Dense:
    said = str(config.get("activation_function") or "torch.nn.modules.activation.Tanh")
    name = said.rsplit(".", 1)[-1]
    if not said.startswith("torch.nn.modules.") or name not in ACTIVATIONS:
        raise ModelError(
            f"{place} has the activation {said}; Retailor runs {', '.join(ACTIVATIONS)}.",
            asked=said,
            can=ACTIVATIONS,
        )
    return Dense(
        int(config["in_features"]),
        int(config["out_features"]),
        bias=bool(config.get("bias", True)),
        activation=name,
        residual=bool(config.get("use_residual", False)),
    )


def _filled(step: nn.Module, place: Path) -> nn.Module:
    """The layer with the weights of its folder, each of them."""
    if not (place / "model.safetensors").is_file():
        root = str(place.parent)
        code = f"from sentence_transformers import SentenceTransformer as S; S({root!r}).save({root!r})"
        raise ModelError(
            f"{place} has no model.safetensors"
            + (", and pytorch_model.bin is a pickle that can run code" if any(place.glob("*.bin")) else "")
            + f": convert the folder once, if you trust it, with `{python_command(code)}`.",
            asked=str(place),
        )
    checkpoint = read_checkpoint(place)
    weights = checkpoint.read({name: name for name in checkpoint.tensors})
    try:
        step.load_state_dict({name: tensor.float() for name, tensor in weights.items()})
    except RuntimeError as error:
        why = " ".join(str(error).split())[:300]
        raise ModelError(
            f"{place}: the weights and config.json do not fit: {why}", asked=str(place)
        ) from None
    check_finite(step, place)
    return step


def lower_cased(tokenizer: Any) -> Any:
    """A tokenizer like it that reads every text without capitals.

    It is of the general class, since one of BERT's own, when saved and read again, makes its normaliser anew.
    """
    from tokenizers import normalizers
    from transformers import PreTrainedTokenizerFast

    backend, first = tokenizer.backend_tokenizer, normalizers.Lowercase()
    own = backend.normalizer
    backend.normalizer = first if own is None else normalizers.Sequence([first, own])
    marks = {name: mark for name, mark in tokenizer.special_tokens_map.items() if isinstance(mark, str)}
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=backend, model_max_length=tokenizer.model_max_length, **marks
    )


def layout(description: Mapping[str, Any], head: Head | None) -> dict[str, Any]:
    """The small files of the layout, by path, for an encoder of ours. The weights of `head` stand apart."""
    steps = [("Transformer", ""), ("Pooling", "1_Pooling")]
    files: dict[str, Any] = {}
    for kind, step in head.named_steps() if head else ():
        steps.append((kind, f"{len(steps)}_{kind}"))
        files[f"{steps[-1][1]}/config.json"] = step.described()
    steps.append(("Normalize", f"{len(steps)}_Normalize"))
    files[f"{steps[-1][1]}/config.json"] = {}
    files["modules.json"] = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(steps)
    ]
    modes = [{"last": "lasttoken"}.get(mode, mode) for mode in description["pooling"].split("+")]
    files["1_Pooling/config.json"] = {
        "word_embedding_dimension": description["hidden"],
        **(
            {flag: mode in modes for flag, mode in FLAGS.items()}
            if _in_old_order(modes)
            else {"pooling_mode": modes}
        ),
        "include_prompt": description["pool_prompt"],
    }
    files[LENGTH_FILES[0]] = {"max_seq_length": description["max_tokens"], "do_lower_case": False}
    prompts = dict(description["prompts"])
    files[GENERAL] = {
        "prompts": {**prompts, "document": prompts["passage"]},
        "default_prompt_name": "passage" if prompts["passage"] else None,
        "similarity_fn_name": "cosine",
        **({"truncate_dim": head.truncate_dim} if head and head.truncate_dim else {}),
    }
    return files


def _in_old_order(modes: list[str]) -> bool:
    """Whether flags can say it, which older versions of sentence-transformers read too."""
    return modes == [mode for mode in FLAGS.values() if mode in modes]
