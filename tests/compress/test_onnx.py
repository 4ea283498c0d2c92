"""Compression of a tiny encoder, judged by ONNX Runtime without any of our own code in between."""

import logging
import re
import shutil
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime
import pytest
import tokenizers
import torch

from retailor.compress.graph import four_bits
from retailor.compress.onnx import compress, nearness
from retailor.compress.settings import CompressSettings
from retailor.compress.tasks import compress_task, loss_after, task_loss
from retailor.errors import ConfigError, DataError, ModelError
from retailor.models.encoding import exact_vectors
from retailor.models.local import load_encoder
from retailor.models.runtimes.exporting import export
from retailor.models.runtimes.onnx import OnnxEncoder
from retailor.store import artifact
from retailor.testing.models import SAMPLE, EncoderContract, tiny_encoder
from retailor.testing.toys import HashEncoder

FAST = {"n_speed": 4, "rounds": 1}
KINDS = ("blocks", "blocks4", "dynamic", "float32")


@cache
def tiny():
    encoder = tiny_encoder()
    # Larger than the limit below which tables are left as they are.
    encoder.network.resize_token_embeddings(1200)
    return encoder


@cache
def built() -> tuple[TemporaryDirectory, dict]:
    place = TemporaryDirectory()
    plain, reports = Path(place.name) / "plain.onnx", {}
    export(tiny(), plain)  # once: each takes seconds
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("retailor.compress.onnx.export", lambda encoder, path: shutil.copy(plain, path))
        for kind in KINDS:
            chosen = CompressSettings(weights=kind, **FAST)
            reports[kind] = compress(tiny(), Path(place.name) / kind, texts=SAMPLE, settings=chosen)
    return place, reports


@pytest.fixture
def original():
    return tiny()


@pytest.fixture
def folders():
    place, reports = built()
    return Path(place.name), reports


class TestBlocks(EncoderContract):
    def encoder(self):
        return load_encoder(Path(built()[0].name) / "blocks")


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_stay_near_those_of_the_original(original, folders, kind: str) -> None:
    place, reports = folders
    encoder = load_encoder(place / kind)
    assert isinstance(encoder, OnnxEncoder) and encoder.name == "tiny-encoder" and encoder.dim == 32
    cosines = (encoder.encode(SAMPLE) * exact_vectors(original, SAMPLE)).sum(axis=1)
    assert cosines.min() > (0.9 if kind == "blocks4" else 0.995)
    found = reports[kind].parity
    assert found.n == len(SAMPLE) and found.cosine_mean == pytest.approx(cosines.mean(), abs=1e-3)
    assert reports[kind].size_after_bytes == (place / kind / "model.onnx").stat().st_size


def test_a_graph_with_float32_weights_and_embeddings_is_exact(original, tmp_path: Path) -> None:
    chosen = CompressSettings(weights="float32", embeddings="float32", **FAST)
    compress(original, tmp_path / "same", texts=SAMPLE, settings=chosen)
    encoder = load_encoder(tmp_path / "same")
    np.testing.assert_allclose(encoder.encode(SAMPLE), exact_vectors(original, SAMPLE), atol=1e-5)


def test_it_opens_in_plain_onnx_runtime_as_its_card_says(folders, monkeypatch) -> None:
    folder = folders[0] / "blocks"
    code = re.search(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert code and "retailor" not in code[1]
    monkeypatch.chdir(folder)
    found: dict = {}
    exec(code[1], found)
    np.testing.assert_allclose(found["vector"], load_encoder(folder).encode(["a text"])[0], atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_vectors_do_not_depend_on_the_number_of_cores(folders, kind: str) -> None:
    texts = [f"{text} {i} " + "and so on " * (i % 7) for i in range(40) for text in SAMPLE]
    one, four = (OnnxEncoder(folders[0] / kind, n_threads=n) for n in (1, 4))
    np.testing.assert_array_equal(one.encode(texts), four.encode(texts))


def test_batch_and_length_are_free(folders) -> None:
    folder = folders[0] / "blocks"
    session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
    tokens = tokenizers.Tokenizer.from_file(str(folder / "tokenizer.json"))
    for n, text in ((1, "mug"), (3, "a red mug for the dishwasher"), (7, "word " * 9)):
        ids = np.array([tokens.encode(text).ids] * n)
        hidden = session.run(None, {"input_ids": ids, "attention_mask": np.ones_like(ids)})[0]
        assert hidden.shape == (*ids.shape, 32)


def test_word_embeddings_are_int8_with_a_scale_a_row(folders, original) -> None:
    model = onnx.load(folders[0] / "blocks" / "model.onnx")
    tables = {tuple(t.dims): t.data_type for t in model.graph.initializer if len(t.dims) == 2}
    assert tables[1200, 32] == onnx.TensorProto.INT8
    assert tables[1200, 1] == onnx.TensorProto.FLOAT
    onnx.checker.check_model(onnx.load(folders[0] / "dynamic" / "model.onnx"))


def test_four_bits_are_a_scale_for_32_numbers_and_keep_what_was_rounded_so_before(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(size=(1200, 64)).astype(np.float32)
    values[3] = 0
    codes, scales = four_bits(values)
    assert codes.min() == -8 and codes.max() <= 7 and scales.shape == (1200, 2)
    made = (codes.reshape(1200, 2, 32) * scales[..., None]).reshape(values.shape)
    assert np.abs(made - values).max() <= np.abs(scales).max() * 1.001  # 7.5 is cut to 7
    np.testing.assert_array_equal(four_bits(made)[0], codes)

    encoder = tiny_encoder()
    encoder.network.resize_token_embeddings(1200)
    table = encoder.network.get_input_embeddings()
    with torch.no_grad():
        table.weight.copy_(torch.from_numpy(as_four_bits(table.weight.detach().numpy())))
    chosen = CompressSettings(weights="float32", embeddings="int4", **FAST)
    compress(encoder, tmp_path / "small", texts=SAMPLE, settings=chosen)
    np.testing.assert_allclose(
        load_encoder(tmp_path / "small").encode(SAMPLE), exact_vectors(encoder, SAMPLE), atol=1e-5
    )
    tables = {t.name: t for t in onnx.load(tmp_path / "small" / "model.onnx").graph.initializer}
    assert [len(t.raw_data) for t in tables.values() if t.data_type == onnx.TensorProto.INT4] == [1200 * 16]


def as_four_bits(values):
    codes, scales = four_bits(values)
    return (codes.reshape(len(values), -1, 32) * scales[..., None]).reshape(values.shape)


def test_files_are_those_of_the_contract_and_tell_nothing_of_this_machine(folders) -> None:
    folder = folders[0] / "blocks"
    assert {path.name for path in folder.iterdir()} == {
        "model.onnx", "tokenizer.json", "retailor_encoder.json",
        "compress.json", "README.md", "manifest.json",
    }  # fmt: skip
    assert artifact.verify(folder, "encoder").settings["weights"] == "blocks"
    assert b"site-packages" not in (folder / "model.onnx").read_bytes()
    assert str(Path.home()).encode() not in (folder / "model.onnx").read_bytes()


def test_nothing_is_left_behind_in_the_logging_of_the_process(original, tmp_path: Path, capsys) -> None:
    before = list(logging.getLogger().handlers), list(logging.getLogger().filters)
    compress(original, tmp_path / "a", texts=SAMPLE, settings=CompressSettings(**FAST))
    assert (logging.getLogger().handlers, logging.getLogger().filters) == before
    said = capsys.readouterr()
    assert said.out == "" and said.err == ""


def test_the_report_is_plain_and_says_what_was_gained(folders) -> None:
    report = folders[1]["blocks"]
    found = report.to_dict()
    assert set(found["speed_ratios"]) >= {"torch float32", "onnx float32"}
    assert found["size_ratio"] == pytest.approx(found["size_before_bytes"] / found["size_after_bytes"])
    assert report.speed_ratio("torch float32") > 0
    assert "× smaller" in str(report) and "ten nearest kept (8 texts)" in str(report)


def test_parity_by_hand() -> None:
    rows = np.eye(4, dtype=np.float32)
    same = nearness(rows, rows)
    assert (same.cosine_mean, same.cosine_min, same.overlap_10) == (1.0, 1.0, 1.0)
    line = np.array([[1, 0], [0.9, 0.1], [0, 1], [0.1, 0.9]] + [[0.7, 0.7]] * 9, dtype=np.float32)
    turned = line[:, ::-1].copy()
    assert nearness(line, turned).overlap_10 == 1.0
    assert nearness(line, turned).cosine_min < 0.2


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ModelError, match="'hash-64' has no network"):
        compress(HashEncoder(), Path("never"), texts=SAMPLE)
    with pytest.raises(DataError, match="two different texts"):
        compress(tiny_encoder(), Path("never"), texts=["one", "one", ""])
    with pytest.raises(ConfigError, match="'weights'"):
        CompressSettings(weights="int4")


def test_a_cut_off_model_is_named(folders, tmp_path: Path) -> None:
    encoder = load_encoder(folders[0] / "blocks")
    encoder.save(tmp_path / "copy")
    path = tmp_path / "copy" / "model.onnx"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(DataError, match=r"model\.onnx"):
        load_encoder(tmp_path / "copy")
    (tmp_path / "copy" / "manifest.json").unlink()
    with pytest.raises(ModelError, match="ONNX Runtime cannot open"):
        OnnxEncoder(tmp_path / "copy")


def test_a_sentiment_reader_over_its_compressed_encoder(tmp_path: Path) -> None:
    import polars as pl

    from retailor.shop.tables import Shop
    from retailor.tasks.sentiment import SentimentReader, SentimentSettings
    from retailor.tasks.sentiment.shapes import SentimentQuery
    from retailor.train.settings import TrainSettings

    texts = [f"{word} mug number {i}" for i in range(40) for word in ("great", "awful")]
    shop = Shop.of(reviews=pl.DataFrame({"text": texts, "rating": [5.0, 1.0] * 40}))
    chosen = SentimentSettings(
        mode="fine-tuned", train=TrainSettings(max_steps=12, learning_rate=3e-3, epochs=2.0)
    )
    reader = SentimentReader(tiny_encoder(texts), chosen).fit(shop)
    report = compress_task(reader, tmp_path / "small", texts=texts, settings=CompressSettings(**FAST))
    small = SentimentReader.load(tmp_path / "small")
    assert isinstance(small.encoder, OnnxEncoder) and report.parity.cosine_min > 0.99
    assert report.name == "tiny-encoder" and reader.log["training"]["best_step"] >= 0
    near = (small.encoder.encode(texts[:9]) * reader.encoder.encode(texts[:9])).sum(axis=1)
    assert near.min() > 0.99  # to the fine-tuned encoder, that is, not to the one it came from
    queries = [SentimentQuery("great mug"), SentimentQuery("awful mug")]
    assert [a.label for a in small.predict(queries)] == [a.label for a in reader.predict(queries)]
    scores = loss_after(reader, small.encoder, shop)
    assert {score.row for score in scores} == {"retailor", "compressed"}
    assert scores.value("compressed", "accuracy") == pytest.approx(
        scores.value("retailor", "accuracy"), abs=0.05
    )


def test_loss_after_names_a_task_that_cannot_take_another_encoder() -> None:
    from retailor.shop.tables import Shop

    with pytest.raises(ModelError, match="cannot take another encoder"):
        loss_after(object(), HashEncoder(), Shop.of())


def test_what_compression_costs_the_tasks_over_one_encoder(original, folders) -> None:
    from retailor.shop.demo import demo_shop
    from retailor.tasks.answer import Answerer
    from retailor.tasks.search import Search

    shop, small = demo_shop(30, 0), load_encoder(folders[0] / "float32")
    for task in (Search(original).fit(shop), Answerer(original).fit(shop)):
        before = task.evaluate(shop)
        found = task_loss(task, shop, before, small, original, texts=SAMPLE)
        assert [score.row for score in found][-1] == "compressed" and task.encoder is original
        for score in before:
            if score.row == "retailor":
                assert found.value("compressed", score.metric) == pytest.approx(score.value, abs=0.02)
        with pytest.raises(ModelError, match="has 64 dimensions"):
            task.with_encoder(HashEncoder())
    assert not len(task_loss(object(), shop, before, small, original, texts=SAMPLE))
