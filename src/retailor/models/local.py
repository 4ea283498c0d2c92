"""Models whose networks run here, and how to open their folders.

`load_encoder` opens our artifacts, sentence-transformers folders, plain transformers folders, PEFT
adapters with their base and SavedModels of TensorFlow; `load_generator` opens the same of generators.
"""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch

from retailor.errors import DataError, ModelError
from retailor.models import encoder as encoder_file
from retailor.models import generator as generator_file
from retailor.models import hashed
from retailor.models.encoder import LocalEncoder
from retailor.models.endpoints.limits import check_ids, own_max_tokens, usable_positions
from retailor.models.endpoints.remote import open_remote
from retailor.models.files import first_line, quiet, read_config, read_object, read_tokenizer
from retailor.models.formats import adapters
from retailor.models.formats.filling import read_network
from retailor.models.formats.prefixes import warn_unprompted
from retailor.models.formats.refused import no_safetensors
from retailor.models.formats.sentence_transformers import (
    GENERAL,
    lower_cased,
    read_head,
    read_sentence_folder,
)
from retailor.models.generator import LocalGenerator
from retailor.models.hardware import default_device
from retailor.models.kinds import ENCODER_HALVES, Kind, model_kind
from retailor.models.runtimes.onnx import OnnxEncoder, holds_graph
from retailor.models.saved_model import SavedModelEncoder, holds_saved_model
from retailor.models.shapes import Encoder, Generator
from retailor.models.static import StaticEncoder, is_static
from retailor.store import artifact

__all__ = ["LocalEncoder", "LocalGenerator", "folder_kind", "load_encoder", "load_generator", "model_kind"]


def load_encoder(folder: Path | str) -> Encoder:
    """The encoder of a folder; which kind is read from its files.

    Raises DataError that names a corrupt file, ModelError when the folder holds no encoder that can be used,
    or one whose settings cannot be honoured. What is loaded is filled whole: see `filling.read_network`.
    """
    folder = _existing(folder)
    if (folder / artifact.MANIFEST).exists():
        artifact.verify(folder, "encoder")
    if (folder / hashed.DESCRIPTION).exists():
        return hashed.HashEncoder.load(folder)
    if is_static(folder):
        return StaticEncoder.load(folder)
    if (folder / "remote.json").exists():
        return open_remote(folder)  # type: ignore[return-value]
    if holds_saved_model(folder):
        return SavedModelEncoder.load(folder)
    if (folder / encoder_file.DESCRIPTION).exists():
        return _open_own(folder)
    if (folder / "modules.json").exists():
        return _open_sentence_transformer(folder)
    if (folder / GENERAL).exists() or (folder / "1_Pooling").exists():
        raise DataError(
            "the file is missing, and without it nobody knows how this sentence-transformers folder pools: "
            "fetch it again.",
            path=folder / "modules.json",
        )
    if (folder / adapters.CONFIG).exists():
        return _open_adapted_encoder(folder)
    network, tokenizer = _transformer(folder)
    warn_unprompted(folder, {})
    return LocalEncoder(network, tokenizer, name=folder.name, max_tokens=own_max_tokens(network, tokenizer))


def _existing(folder: Path | str) -> Path:
    folder = Path(folder)
    if not folder.is_dir():
        raise ModelError(f"there is no folder {folder} to load a model from.", asked=str(folder))
    return folder


def _open_own(folder: Path) -> Encoder:
    """What Retailor saved: an encoder, or a compressed one."""
    if holds_graph(folder):
        return OnnxEncoder.load(folder)
    path = folder / encoder_file.DESCRIPTION
    about = read_object(path)
    network, tokenizer = _transformer(folder)
    try:
        return LocalEncoder(
            network,
            tokenizer,
            name=str(about.get("name") or folder.name),
            pooling=about.get("pooling") or "mean",
            prompts=about.get("prompts"),
            max_tokens=_stated(about.get("max_tokens"), network, tokenizer, folder),
            precision=about.get("precision") or "auto",
            head=read_head(folder, about.get("truncate_dim")) if "pool_prompt" in about else None,
            pool_prompt=bool(about.get("pool_prompt", True)),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise DataError(f"the description is wrong: {first_line(error)}", path=path) from None


def _open_sentence_transformer(folder: Path) -> LocalEncoder:
    found = read_sentence_folder(folder)
    network, tokenizer = _transformer(found.inner)
    warn_unprompted(folder, found.prompts)
    return LocalEncoder(
        network,
        lower_cased(tokenizer) if found.lower_case else tokenizer,
        name=folder.name,
        pooling=found.pooling,
        prompts=found.prompts,
        max_tokens=_stated(found.max_tokens, network, tokenizer, folder),
        head=found.head,
        pool_prompt=found.pool_prompt,
    )


def _stated(length: int | None, network: torch.nn.Module, tokenizer: Any, folder: Path) -> int:
    """The length that a folder states, lowered with a word to what the network has places for; or its own."""
    if length is None:
        return own_max_tokens(network, tokenizer)
    most = usable_positions(network)
    if most is None or length <= most:
        return length
    warnings.warn(
        f"{folder} states texts of {length} tokens, and its network has positions for {most}: texts are cut "
        f"at {most}.",
        stacklevel=4,
    )
    return most


def _open_adapted_encoder(folder: Path) -> LocalEncoder:
    """An adapter without settings of its own: pooled and prompted as its base is."""
    below = _local_encoder(adapters.base_folder(folder))
    network, tokenizer = adapters.merged_adapter(below.network, below.tokenizer, folder)
    made = below.with_network(network)
    made.tokenizer, made.name = tokenizer, folder.name
    check_ids(network, tokenizer, folder)
    return made


def _local_encoder(folder: Path) -> LocalEncoder:
    found = load_encoder(folder)
    if not isinstance(found, LocalEncoder):
        raise ModelError(f"{folder} has no network here that an adapter could change.", asked=str(folder))
    return found


def _transformer(folder: Path) -> tuple[torch.nn.Module, Any]:
    """The network and tokenizer of an encoder's folder, an adapter merged into its base; proven to read."""
    if (folder / adapters.CONFIG).exists():
        below = _local_encoder(adapters.base_folder(folder))
        network, tokenizer = adapters.merged_adapter(below.network, below.tokenizer, folder)
    else:
        network = read_network(_encoder_class(folder), folder).to(default_device())
        tokenizer = read_tokenizer(folder)
    check_ids(network, tokenizer, folder)
    _check_reads(network, tokenizer, folder)
    return _without_pooler_gradient(network), tokenizer


def _encoder_class(folder: Path) -> Any:
    import transformers

    config = read_config(folder)
    if config.model_type in ENCODER_HALVES:
        return getattr(transformers, ENCODER_HALVES[config.model_type])
    if getattr(config, "is_encoder_decoder", False):
        raise ModelError(
            f"{folder} is a generator ('{config.model_type}'), not an encoder.", asked=str(folder)
        )
    return transformers.AutoModel


def _check_reads(network: torch.nn.Module, tokenizer: Any, folder: Path) -> None:
    """Raises ModelError when the network does not make finite hidden states of a short text."""
    made = tokenizer("a", return_token_type_ids=True)
    if any(made.get("token_type_ids") or ()):
        raise ModelError(
            f"{folder}: its tokenizer numbers the segments of a text ('{type(tokenizer).__name__}'), which "
            "Retailor does not feed to the network: choose another model.",
            asked=str(folder),
        )
    device = default_device()
    ids = torch.tensor([made["input_ids"]], device=device)
    try:
        with torch.inference_mode():
            hidden = network(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state
        fits = hidden.shape[:2] == ids.shape and bool(torch.isfinite(hidden).all())
    except Exception as error:
        raise ModelError(
            f"{folder} does not read texts: {first_line(error)}; it may be no text encoder.",
            asked=str(folder),
        ) from None
    if not fits:
        raise ModelError(
            f"{folder}: its network makes no numbers of a text (NaN or infinite).", asked=str(folder)
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
        return open_remote(folder)  # type: ignore[return-value]
    return _open_generator(folder)


def _open_generator(folder: Path) -> LocalGenerator:
    if (folder / adapters.CONFIG).exists():
        return _open_adapted_generator(folder)
    path = folder / generator_file.DESCRIPTION
    description = read_object(path) if path.exists() else {}
    network: Any = read_network(_auto_generator(folder), folder).to(default_device())
    tokenizer = read_tokenizer(folder)
    used = ("decoder_start_token_id",) if network.config.is_encoder_decoder else ()
    check_ids(network, tokenizer, folder, used=used)
    ends = _generation(network, folder)
    return LocalGenerator(
        network,
        tokenizer,
        name=str(description.get("name") or folder.name),
        system=description.get("system"),
        precision=description.get("precision") or "auto",
        runtime=description.get("runtime") or "torch",
        end_ids=ends,
    )


def _generation(network: Any, folder: Path) -> list[int]:
    """The end marks that a folder's generation config names, or its config; the network gets the former."""
    from transformers import GenerationConfig

    path, rows = folder / "generation_config.json", int(network.get_input_embeddings().weight.shape[0])
    named = [path, folder / "config.json"]
    raw = [read_object(one) for one in named if one.exists()]
    said = next((one["eos_token_id"] for one in raw if one.get("eos_token_id") is not None), None)
    ends = [] if said is None else said if isinstance(said, list) else [said]
    if any(not isinstance(one, int) or not 0 <= one < rows for one in ends):
        raise DataError(f"eos_token_id is {said}, and there are tokens 0 to {rows - 1}.", path=folder)
    if path.exists():
        try:
            with quiet():
                network.generation_config = GenerationConfig.from_pretrained(folder, local_files_only=True)
        except Exception as error:
            raise DataError(f"the generation config is wrong: {first_line(error)}", path=path) from None
    if network.config.is_encoder_decoder and network.config.decoder_start_token_id is None:
        network.config.decoder_start_token_id = network.generation_config.decoder_start_token_id
    if network.config.is_encoder_decoder and network.config.decoder_start_token_id is None:
        raise ModelError(
            f"{folder}: no config names decoder_start_token_id, with which this model begins to write.",
            asked="decoder_start_token_id",
        )
    return ends


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


def folder_kind(folder: Path, wanted: Kind | None) -> Kind:
    """What a model folder holds; `wanted` decides where it could be either (a T5 has an encoder too)."""
    if (folder / artifact.MANIFEST).exists():
        kind = artifact.read_manifest(folder).kind
        if kind not in ("encoder", "generator"):
            raise ModelError(f"{folder} is an artifact of kind '{kind}', not a model.", asked=str(folder))
        return kind  # type: ignore[return-value]
    if any((folder / name).exists() for name in ("modules.json", encoder_file.DESCRIPTION)):
        return "encoder"
    if is_static(folder) or holds_saved_model(folder):
        return "encoder"
    if (folder / adapters.CONFIG).exists():
        return adapters.adapter_kind(folder) or folder_kind(adapters.base_folder(folder), wanted)
    if not (folder / "config.json").exists() and not any(folder.glob("*.safetensors")):
        raise no_safetensors(folder, {})
    config = read_config(folder)
    if wanted == "encoder" and config.model_type in ENCODER_HALVES:
        return "encoder"
    return model_kind(config)


def _open_adapted_generator(folder: Path) -> LocalGenerator:
    below = _open_generator(adapters.base_folder(folder))
    network, tokenizer = adapters.merged_adapter(below.network, below.tokenizer, folder)
    check_ids(network, tokenizer, folder)
    return LocalGenerator(
        network,
        tokenizer,
        name=folder.name,
        system=below.system,
        precision=below.precision,
        runtime=below.runtime,
        end_ids=[*below.end_ids, *_generation(network, folder)],
    )
