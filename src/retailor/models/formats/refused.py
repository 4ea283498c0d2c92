"""Model folders that are not loaded, and what to do instead: pickles, quantised weights, own code."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from retailor.errors import ModelError

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")
QUANTISED_BY = {
    "bitsandbytes": "bitsandbytes accelerate",
    "gptq": "gptqmodel optimum",
    "awq": "gptqmodel optimum",
    "compressed-tensors": "compressed-tensors",
    "fp8": "accelerate",
    "fbgemm_fp8": "fbgemm-gpu",
    "hqq": "hqq",
    "torchao": "torchao",
    "quanto": "optimum-quanto",
    "aqlm": "aqlm",
    "eetq": "eetq",
}
"""By the quant_method of a config: the packages that read it."""
OLDER_NOTES = {"quantize_config.json": "gptq", "quant_config.json": "awq", "hf_quant_config.json": "modelopt"}
QUANTISED_TENSORS = re.compile(
    r"\.(qweight|qzeros|scales|g_idx|weight_scale(_inv)?|weight_packed|weight_zero_point|absmax|quant_map"
    r"|quant_state\..*|SCB|weight_format|W_q|input_scale)$"
)
PLAIN_DTYPES = ("F64", "F32", "F16", "BF16", "I64", "I32", "I16", "I8", "U8", "BOOL")
HEADS = {
    "ForCausalLM": "AutoModelForCausalLM",
    "LMHeadModel": "AutoModelForCausalLM",
    "ForConditionalGeneration": "AutoModelForSeq2SeqLM",
    "ForMaskedLM": "AutoModelForMaskedLM",
    "ForPreTraining": "AutoModelForPreTraining",
    "ForSequenceClassification": "AutoModelForSequenceClassification",
    "ForTokenClassification": "AutoModelForTokenClassification",
    "ForQuestionAnswering": "AutoModelForQuestionAnswering",
    "ForMultipleChoice": "AutoModelForMultipleChoice",
}
"""By the end of an architecture's name: the class that keeps its output layer."""


def refuse_config(folder: Path, raw: Mapping[str, Any]) -> None:
    """Raises ModelError for a config.json of a quantised model, or that asks for code or other weights."""
    refuse_remote_code(folder, raw)
    named = raw.get("architectures") or []
    if not isinstance(named, list) or not all(isinstance(name, str) for name in named):
        raise ModelError(
            f"{folder}/config.json has architectures = {named!r}, which should be a list of names."
        )
    for part in (raw, *(value for value in raw.values() if isinstance(value, Mapping))):
        if part.get("quantization_config"):
            raise quantised(folder, part["quantization_config"])
    for name, method in OLDER_NOTES.items():
        if (folder / name).is_file():
            raise quantised(folder, {"quant_method": method})
    if raw.get("transformers_weights"):
        raise ModelError(
            f"{folder}/config.json names other weights ('{raw['transformers_weights']}') than "
            f"{WEIGHTS[0]}: only that file is loaded; take transformers_weights out of config.json.",
            asked=str(raw["transformers_weights"]),
            can=WEIGHTS,
        )


def refuse_remote_code(folder: Path, raw: Mapping[str, Any]) -> None:
    """Raises ModelError when a config names classes of the folder's own."""
    named = raw.get("auto_map")
    if not named:
        return
    classes = named.values() if isinstance(named, Mapping) else [named]
    flat = [str(one) for each in classes for one in (each if isinstance(each, list) else [each]) if one]
    raise ModelError(
        f"{folder} needs code of its own ({', '.join(flat[:4])}; trust_remote_code), which Retailor never "
        "runs: choose a model that transformers knows itself. Where its own class for "
        f"'{raw.get('model_type', 'this model')}' gives the same, take auto_map out of the folder's configs.",
        asked=flat[0] if flat else "auto_map",
    )


def quantised(folder: Path, about: Any) -> ModelError:
    """The error for quantised weights: by which method, what reads it, what to choose instead."""
    said = about if isinstance(about, Mapping) else {}
    method = str(said.get("quant_method") or "").lower()
    if not method and (said.get("load_in_4bit") or said.get("load_in_8bit")):
        method = "bitsandbytes"
    bits = 4 if said.get("load_in_4bit") else 8 if said.get("load_in_8bit") else said.get("bits")
    size = f"{bits}-bit " if isinstance(bits, int) else ""
    needs = QUANTISED_BY.get(method)
    install = f"`pip install {needs}`" if needs else "the package of that method"
    return ModelError(
        f"{folder} has {size}quantised weights ({method or 'of an unnamed method'}), and Retailor loads "
        "plain ones (float32, float16, bfloat16): choose the model's folder that is not quantised. Or make "
        f"one: {install}, load it with transformers, and save `model.dequantize()`.",
        asked=method or "quantised",
        can=PLAIN_DTYPES[:4],
    )


def no_safetensors(folder: Path, raw: Mapping[str, Any]) -> ModelError:
    """The error for a folder without safetensors: says what is there, and how to convert it."""
    names = sorted(path.name for path in folder.iterdir())
    if any(name.startswith("pytorch_model") and name.endswith(".bin") for name in names):
        return _pickle(folder, "pytorch_model.bin", raw)
    for kind in ("onnx", "openvino"):
        if kind in names or any(name.endswith({"onnx": ".onnx", "openvino": "openvino_model.xml"}[kind])
                                for name in names):  # fmt: skip
            return _without(
                folder,
                f"weights for {kind} alone",
                "fetch its model.safetensors too: those are what is loaded",
            )
    for end, what in ((".gguf", "GGUF weights"), ("tf_model.h5", "TensorFlow weights"),
                      (".msgpack", "Flax weights"), (".ot", "Rust weights")):  # fmt: skip
        if any(name.endswith(end) for name in names):
            return _without(folder, f"{what} alone", "fetch the same model's safetensors folder")
    for name in names:
        if name.endswith((".bin", ".pt", ".pth", ".ckpt", ".pkl")) and "training_args" not in name:
            return _pickle(folder, name, raw)
    return ModelError(
        f"{folder} has no model.safetensors, so there are no weights to load.", asked=str(folder), can=WEIGHTS
    )


def _without(folder: Path, has: str, do: str) -> ModelError:
    return ModelError(f"{folder} has no model.safetensors, and {has}: {do}.", asked=str(folder), can=WEIGHTS)


def _pickle(folder: Path, name: str, raw: Mapping[str, Any]) -> ModelError:
    auto, place = keeping_class(raw), str(folder)
    code = f"from transformers import {auto} as M; M.from_pretrained({place!r}).save_pretrained({place!r})"
    return ModelError(
        f"{folder} has its weights as {name}, a pickle that can run code, so it is not "
        f"loaded: convert it once, if you trust it, with `{python_command(code)}`.",
        asked=str(folder),
        can=WEIGHTS,
    )


def python_command(code: str) -> str:
    """A line for the shell that runs the code."""
    return f"python -c {shlex.quote(code)}"


def keeping_class(raw: Mapping[str, Any]) -> str:
    """The auto class of transformers that keeps every layer of the config's architecture."""
    from retailor.models.kinds import DECODERS, ENCODER_HALVES

    for name in raw.get("architectures") or []:
        for end, found in HEADS.items():
            if str(name).endswith(end):
                return found
        if str(name).endswith("EncoderModel") and raw.get("model_type") in ENCODER_HALVES:
            return ENCODER_HALVES[str(raw["model_type"])]
        return "AutoModel"
    if raw.get("is_encoder_decoder") or raw.get("model_type") in ENCODER_HALVES:
        return "AutoModelForSeq2SeqLM"
    return "AutoModelForCausalLM" if raw.get("model_type") in DECODERS else "AutoModel"


def is_quantised(names: Iterable[str]) -> bool:
    """Whether some tensor's name is one that only quantised weights have."""
    return any(QUANTISED_TENSORS.search(name) for name in names)
