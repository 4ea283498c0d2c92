"""Opens the files of a model folder: safetensors only, no code from the folder, no noise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from retailor.errors import DataError, ModelError

WEIGHTS = ("model.safetensors", "model.safetensors.index.json")


@contextmanager
def quiet() -> Iterator[None]:
    """Transformers without progress bars and load reports while it lasts; its settings come back after."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()  # type: ignore[no-untyped-call]
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def read_json(path: Path) -> Any:
    """The value of a JSON file. Raises DataError that names the file when it is missing or unreadable."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError("the file is missing; fetch or make this model folder again.", path=path) from None
    except ValueError as error:
        raise DataError(
            f"the file is not JSON ({error}); fetch this model folder again.", path=path
        ) from None


def check_weights(folder: Path) -> None:
    """Raises ModelError when the folder has no safetensors, DataError when they are cut off or corrupt."""
    if not any((folder / name).is_file() for name in WEIGHTS):
        raise _no_safetensors(folder)
    for path in sorted(folder.glob("model*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                file.keys()
        except (SafetensorError, OSError) as error:
            raise DataError(
                f"the weights are corrupt or cut off ({error}); fetch the file again.", path=path
            ) from None


def _no_safetensors(folder: Path) -> ModelError:
    if any(folder.glob("pytorch_model*.bin")):
        return ModelError(
            f"{folder} has its weights as pytorch_model.bin, a pickle that can run code, so it is not "
            "loaded: convert it once, if you trust it, with `python -c "
            '"from transformers import AutoModel as M; '
            f"M.from_pretrained('{folder}').save_pretrained('{folder}')\"`.",
            asked=str(folder),
            can=WEIGHTS,
        )
    return ModelError(
        f"{folder} has no model.safetensors, so there are no weights to load.", asked=str(folder), can=WEIGHTS
    )


def read_config(folder: Path) -> Any:
    """The transformers config of a folder. Raises DataError when there is none, ModelError when unknown."""
    from transformers import AutoConfig

    read_json(folder / "config.json")
    try:
        with quiet():
            return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (ValueError, OSError, KeyError) as error:
        raise ModelError(
            f"{folder}: transformers does not know this model: {_first(error)}", asked=str(folder)
        ) from None


def read_network(auto: Any, folder: Path) -> torch.nn.Module:
    """The network of a folder in float32, in evaluation mode; `auto` is AutoModel or one of its kind."""
    check_weights(folder)
    try:
        with quiet():
            network: torch.nn.Module = auto.from_pretrained(
                folder,
                local_files_only=True,
                trust_remote_code=False,
                use_safetensors=True,
                dtype=torch.float32,
            )
    except (ValueError, OSError, RuntimeError, SafetensorError) as error:
        raise ModelError(
            f"{folder}: the weights and config.json do not fit: {_first(error)}", asked=str(folder)
        ) from None
    return network.eval()


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder. Raises ModelError when there is none."""
    from transformers import AutoTokenizer

    try:
        with quiet():
            return AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ModelError(
            f"{folder}: no usable tokenizer (tokenizer.json) here: {_first(error)}", asked=str(folder)
        ) from None


def _first(error: BaseException) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
