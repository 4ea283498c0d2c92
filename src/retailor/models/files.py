"""Opens the small files of a model folder: JSON, config, tokenizer; no code from the folder, no noise."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from retailor.errors import DataError, ModelError
from retailor.models.formats.refused import refuse_config, refuse_remote_code
from retailor.models.kept_tokenizers import kept

VOCABULARIES = ("tokenizer.json", "vocab.txt", "vocab.json", "tekken.json", "*.model", "*.spm", "*.tiktoken")
WITHOUT_VOCABULARY = ("ByT5", "Canine", "Perceiver", "MyT5")
"""Tokenizers that read bytes or characters, and have no file of pieces."""
PROBE = "A red mug, 350 ml: très bien! 红色陶瓷杯"


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
    except (ValueError, OSError, RecursionError) as error:
        raise DataError(
            f"the file is not JSON ({error}); fetch this model folder again.", path=path
        ) from None


def read_object(path: Path) -> dict[str, Any]:
    """The object of a JSON file. Raises DataError that names the file when it holds anything else."""
    found = read_json(path)
    if not isinstance(found, dict):
        raise DataError("the file should hold a JSON object; fetch this model folder again.", path=path)
    return found


def read_config(folder: Path) -> Any:
    """The transformers config of a folder.

    Raises DataError when there is none, ModelError when it is unknown, of a quantised model, or asks for
    code from the folder.
    """
    from transformers import AutoConfig

    raw = read_object(folder / "config.json")
    refuse_config(folder, raw)
    try:
        with quiet():
            return AutoConfig.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except Exception as error:
        raise ModelError(
            f"{folder}: transformers does not know this model, or its config.json is wrong: "
            f"{first_line(error)}",
            asked=str(folder),
        ) from None


def read_tokenizer(folder: Path) -> Any:
    """The tokenizer of a folder. Raises ModelError when there is none, or none with a vocabulary."""
    from transformers import AutoTokenizer

    there = kept(folder)
    if there is not None:
        return there
    path = folder / "tokenizer_config.json"
    about = read_object(path) if path.exists() else {}
    refuse_remote_code(folder, about)
    _check_vocabulary_files(folder, about)
    try:
        with quiet():
            made = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
    except (KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # a panic of the tokenizers library is no Exception
        raise _no_tokenizer(folder, first_line(error)) from None
    if len(made) <= len(set(made.all_special_ids)):
        raise _no_tokenizer(folder, "it has no pieces but its special ones")
    if not about:
        _check_guess(folder, made)
    return made


def _check_vocabulary_files(folder: Path, about: dict[str, Any]) -> None:
    """Without these files transformers would make a tokenizer that knows no words, and say nothing."""
    if str(about.get("tokenizer_class")).startswith(WITHOUT_VOCABULARY):
        return
    if not any(True for name in VOCABULARIES for _ in folder.glob(name)):
        raise _no_tokenizer(folder, "there is none of tokenizer.json, vocab.txt, *.model")
    alone = not any((folder / name).exists() for name in ("tokenizer.json", "vocab.txt"))
    if alone and (folder / "vocab.json").exists() and not (folder / "merges.txt").exists():
        raise _no_tokenizer(folder, "vocab.json is without its merges.txt")


def _check_guess(folder: Path, made: Any) -> None:
    """Without tokenizer_config.json its class is a guess: it must cut a text as tokenizer.json does."""
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.exists():
        return
    own = Tokenizer.from_file(str(path))
    own.no_truncation()
    own.no_padding()
    if own.encode(PROBE).ids != made(PROBE)["input_ids"]:
        raise _no_tokenizer(
            folder, "tokenizer_config.json is missing, and tokenizer.json alone is not enough"
        )


def _no_tokenizer(folder: Path, why: str) -> ModelError:
    return ModelError(
        f"{folder}: no usable tokenizer (tokenizer.json) here: {why}; fetch this model folder again.",
        asked=str(folder),
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its name; not over 300 characters."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def bounded(names: Any, n: int = 5) -> str:
    """The first few of some names, sorted, and how many more there are."""
    ordered = sorted(names)
    more = f" and {len(ordered) - n} more" if len(ordered) > n else ""
    return ", ".join(ordered[:n]) + more
