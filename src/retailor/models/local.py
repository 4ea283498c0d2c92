"""Models whose networks run here, and how to open their folders.

`load_encoder` opens our artifacts, sentence-transformers folders and plain transformers folders;
`load_generator` opens our artifacts, transformers folders and PEFT adapters with their base.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any, Literal

from retailor import artifact
from retailor.errors import ModelError
from retailor.models import encoder as encoder_file
from retailor.models import generator as generator_file
from retailor.models.encoder import POOLINGS, LocalEncoder, Pooling
from retailor.models.files import read_config, read_json, read_network, read_tokenizer
from retailor.models.generator import LocalGenerator
from retailor.models.hardware import default_device
from retailor.models.shapes import Encoder, Generator

__all__ = ["LocalEncoder", "LocalGenerator", "load_encoder", "load_generator"]

DEFAULT_MAX_TOKENS = 256
DECODERS = ("gpt2", "gpt_neox", "llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "phi3", "smollm3")


def load_encoder(folder: Path | str) -> Encoder:
    """The encoder of a folder; which kind is read from its files.

    Raises DataError that names a corrupt file, ModelError when the folder holds no encoder that can be used.
    """
    folder = _existing(folder)
    if (folder / artifact.MANIFEST).exists():
        artifact.verify(folder, "encoder")
    if (folder / "hash.json").exists():
        # the shipped test encoder lives on a higher floor, so it is found by name
        return import_module("retailor.testing.toys").HashEncoder.load(folder)  # type: ignore[no-any-return]
    if (folder / "remote.json").exists():
        return _open_remote(folder)  # type: ignore[no-any-return]
    if (folder / "model.onnx").exists() and not (folder / "model.safetensors").exists():
        return import_module("retailor.models.onnx").OnnxEncoder.load(folder)  # type: ignore[no-any-return]
    if (folder / encoder_file.DESCRIPTION).exists():
        return _open_encoder(folder, folder, read_json(folder / encoder_file.DESCRIPTION))
    if (folder / "modules.json").exists():
        return _open_sentence_transformer(folder)
    return _open_encoder(folder, folder, {"name": folder.name})


def _existing(folder: Path | str) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder} to load a model from.", asked=str(folder))
    return folder


def _open_sentence_transformer(folder: Path) -> LocalEncoder:
    paths = {
        module["type"].rsplit(".", 1)[-1]: module["path"] for module in read_json(folder / "modules.json")
    }
    strange = sorted(set(paths) - {"Transformer", "Pooling", "Normalize"})
    if strange or "Transformer" not in paths:
        raise ModelError(
            f"{folder} has the sentence-transformers module {strange or 'none of type Transformer'}; "
            "Retailor runs Transformer, Pooling and Normalize: choose another model.",
            asked=str(folder),
            can=("Transformer", "Pooling", "Normalize"),
        )
    inner = folder / paths["Transformer"]
    description: dict[str, Any] = {"name": folder.name, "pooling": _pooling(folder, paths)}
    lengths = inner / "sentence_bert_config.json"
    if lengths.exists():
        description["max_tokens"] = read_json(lengths).get("max_seq_length")
    general = folder / "config_sentence_transformers.json"
    if general.exists():
        description["prompts"] = _prompts(read_json(general))
    return _open_encoder(folder, inner, description)


def _pooling(folder: Path, paths: dict[str, str]) -> Pooling:
    if "Pooling" not in paths:
        return "mean"
    config = read_json(folder / paths["Pooling"] / "config.json")
    flags = {
        "pooling_mode_cls_token": "cls",
        "pooling_mode_lasttoken": "last",
        "pooling_mode_mean_tokens": "mean",
    }
    modes = [str(config["pooling_mode"])] if "pooling_mode" in config else []
    modes += [mode for flag, mode in flags.items() if config.get(flag)]
    modes += [
        flag for flag, on in config.items() if flag.startswith("pooling_mode_") and on and flag not in flags
    ]
    modes = [{"lasttoken": "last"}.get(mode, mode) for mode in modes] or ["mean"]
    if len(modes) > 1 or modes[0] not in POOLINGS:
        raise ModelError(
            f"{folder} pools by {', '.join(modes)}; Retailor pools by one of {', '.join(POOLINGS)}.",
            asked=modes[-1],
            can=POOLINGS,
        )
    return modes[0]  # type: ignore[return-value]


def _prompts(config: dict[str, Any]) -> dict[str, str]:
    """The prompts of the two roles; a default prompt stands for both where they have none of their own."""
    known = config.get("prompts") or {}
    default = known.get(config.get("default_prompt_name") or "", "")
    passage = next((known[name] for name in ("passage", "document", "corpus") if known.get(name)), default)
    return {"query": known.get("query") or default, "passage": passage}


def _open_encoder(folder: Path, inner: Path, description: dict[str, Any]) -> LocalEncoder:
    from transformers import AutoModel, T5EncoderModel

    config = read_config(inner)
    auto = T5EncoderModel if config.model_type in ("t5", "mt5") else AutoModel
    if config.is_encoder_decoder and auto is AutoModel:
        raise ModelError(
            f"{folder} is a generator ('{config.model_type}'), not an encoder.", asked=str(folder)
        )
    tokenizer = read_tokenizer(inner)
    limits = (
        description.get("max_tokens") or DEFAULT_MAX_TOKENS,
        getattr(config, "max_position_embeddings", None) or 1 << 30,
        tokenizer.model_max_length,
    )
    return LocalEncoder(
        _without_pooler_gradient(read_network(auto, inner)).to(default_device()),
        tokenizer,
        name=description.get("name") or folder.name,
        pooling=description.get("pooling") or "mean",
        prompts=description.get("prompts"),
        max_tokens=int(min(limits)),
        precision=description.get("precision") or "auto",
    )


def _without_pooler_gradient(network: Any) -> Any:
    """BERT's own pooler takes no part in our vectors, so it is no weight to train either."""
    pooler = getattr(network, "pooler", None)
    if pooler is not None:
        pooler.requires_grad_(False)
    return network


def load_generator(folder: Path | str) -> Generator:
    """The generator of a folder: our artifact, a transformers folder, or a PEFT adapter with its base.

    Raises DataError that names a corrupt file, ModelError when the folder holds no generator.
    """
    folder = _existing(folder)
    if (folder / artifact.MANIFEST).exists():
        artifact.verify(folder, "generator")
    if (folder / "remote.json").exists():
        return _open_remote(folder)  # type: ignore[no-any-return]
    return _open_generator(folder)


def _open_remote(folder: Path) -> Any:
    return import_module("retailor.models.remote").open_remote(folder)


def _open_generator(folder: Path) -> LocalGenerator:
    if (folder / "adapter_config.json").exists():
        return _open_adapter(folder)
    path = folder / generator_file.DESCRIPTION
    description = read_json(path) if path.exists() else {}
    return LocalGenerator(
        read_network(_auto_generator(folder), folder).to(default_device()),
        read_tokenizer(folder),
        name=description.get("name") or folder.name,
        system=description.get("system"),
        precision=description.get("precision") or "auto",
    )


def _auto_generator(folder: Path) -> Any:
    from transformers import AutoModelForCausalLM, AutoModelForSeq2SeqLM

    config = read_config(folder)
    if model_kind(config) != "generator":
        raise ModelError(
            f"{folder} is an encoder ('{config.model_type}'), which cannot write text: "
            "load a decoder or a T5, for example 'smollm2'.",
            asked=str(folder),
        )
    return AutoModelForSeq2SeqLM if config.is_encoder_decoder else AutoModelForCausalLM


def folder_kind(
    folder: Path, wanted: Literal["encoder", "generator"] | None
) -> Literal["encoder", "generator"]:
    """What a model folder holds; `wanted` decides where it could be either (a T5 has an encoder too)."""
    if (folder / artifact.MANIFEST).exists():
        kind = artifact.read_manifest(folder).kind
        if kind not in ("encoder", "generator"):
            raise ModelError(f"{folder} is an artifact of kind '{kind}', not a model.", asked=str(folder))
        return kind  # type: ignore[return-value]
    if (folder / "adapter_config.json").exists():
        return "generator"
    if (folder / "modules.json").exists():
        return "encoder"
    config = read_config(folder)
    if wanted == "encoder" and config.model_type in ("t5", "mt5"):
        return "encoder"
    return model_kind(config)


def model_kind(config: Any) -> Literal["encoder", "generator"]:
    """Told from the architectures that a transformers config names."""
    named = "".join(getattr(config, "architectures", None) or [])
    if config.is_encoder_decoder:
        return "generator"
    if not named:
        return "generator" if config.model_type in DECODERS else "encoder"
    return "generator" if "CausalLM" in named or "LMHeadModel" in named else "encoder"


def _open_adapter(folder: Path) -> LocalGenerator:
    from peft import PeftModel

    base = read_json(folder / "adapter_config.json").get("base_model_name_or_path") or ""
    place = folder / base if (folder / base).is_dir() else Path(base)
    if not base or not place.is_dir():
        raise ModelError(
            f"{folder} is an adapter for '{base}', which is not a folder here: put the base model in "
            "a folder and set base_model_name_or_path in adapter_config.json to it.",
            asked=base,
        )
    below = _open_generator(place)
    merged = PeftModel.from_pretrained(below.network, folder).merge_and_unload()
    return LocalGenerator(
        merged.eval(),
        read_tokenizer(folder) if (folder / "tokenizer_config.json").exists() else below.tokenizer,
        name=folder.name,
        system=below.system,
        precision=below.precision,
    )
