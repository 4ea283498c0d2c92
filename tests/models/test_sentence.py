"""Folders of sentence-transformers: the same vectors as theirs, or a word on what cannot be honoured."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from retailor.errors import DataError, ModelError, RetailorError
from retailor.models.formats.sentence_transformers import LENGTH_FILES
from retailor.models.local import LocalEncoder, load_encoder
from retailor.models.weights import load_model
from retailor.testing.models import SAMPLE, tiny_decoder, tiny_encoder

TEXTS = [*SAMPLE, "mug", "A Red MUG is not a red mug", "lamp " * 200]


def folder_of(
    place: Path, *modules: Any, pooling: Any = "mean", include_prompt: bool = True, **settings: Any
) -> Path:
    """A folder as sentence-transformers itself writes it, around a tiny BERT."""
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling, Transformer

    made = tiny_encoder()
    network: Any = made.network
    network.save_pretrained(place / "body")
    made.tokenizer.save_pretrained(place / "body")
    body = Transformer(str(place / "body"))
    after = Pooling(32, pooling, include_prompt=include_prompt)
    SentenceTransformer(modules=[body, after, *modules], device="cpu", **settings).save(str(place / "st"))
    return place / "st"


def theirs(folder: Path, texts: list[str] = TEXTS, **asked: Any) -> Any:
    from sentence_transformers import SentenceTransformer

    judge = SentenceTransformer(str(folder), device="cpu")
    return judge.encode(texts, normalize_embeddings=True, **asked)


def ours(folder: Path) -> LocalEncoder:
    found = load_model(folder)
    assert isinstance(found, LocalEncoder)
    found.precision = "32"
    return found


def edit(folder: Path, name: str, **values: Any) -> None:
    path = folder / name
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, **values}))


def agrees(folder: Path, again: Path) -> LocalEncoder:
    """Asserts that we and they make the same vectors, from the folder and from what we save of it."""
    found, expected = ours(folder), theirs(folder)
    np.testing.assert_allclose(found.encode(TEXTS), expected, atol=1e-5)
    assert found.dim == expected.shape[1]
    found.save(again)
    saved = load_encoder(again)
    np.testing.assert_allclose(saved.encode(TEXTS), expected, atol=1e-5)
    np.testing.assert_allclose(theirs(again), expected, atol=1e-5)
    batch = found.tokens(TEXTS)
    unit = torch.nn.functional.normalize(found.vectors(batch), dim=-1).detach().numpy()
    np.testing.assert_allclose(unit, expected, atol=1e-5)
    return found


POOLINGS = [
    "cls",
    "mean",
    "max",
    "mean_sqrt_len_tokens",
    "weightedmean",
    "lasttoken",
    ("cls", "mean"),
    ("mean", "max", "cls"),
    ("max", "mean_sqrt_len_tokens"),
    ("weightedmean", "lasttoken", "mean"),
]


@pytest.mark.parametrize("pooling", POOLINGS)
def test_every_pooling(tmp_path: Path, pooling: Any) -> None:
    agrees(folder_of(tmp_path, pooling=pooling), tmp_path / "again")


@pytest.mark.parametrize(
    "flags", [("cls_token",), ("mean_tokens", "cls_token"), ("lasttoken", "max_tokens"), ()]
)
def test_the_older_flags_of_pooling(tmp_path: Path, flags: tuple[str, ...]) -> None:
    folder = folder_of(tmp_path)
    names = (
        "cls_token",
        "max_tokens",
        "mean_tokens",
        "mean_sqrt_len_tokens",
        "weightedmean_tokens",
        "lasttoken",
    )
    old = {"word_embedding_dimension": 32, **{f"pooling_mode_{name}": name in flags for name in names}}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(old))
    agrees(folder, tmp_path / "again")


def heads() -> dict[str, list[Any]]:
    from sentence_transformers.sentence_transformer.modules import Dense, Dropout, LayerNorm, Normalize

    torch.manual_seed(0)
    norm = LayerNorm(32)
    torch.nn.init.normal_(norm.norm.weight)
    return {
        "dense": [Dense(32, 12)],
        "dense without activation": [Dense(32, 12, activation_function=torch.nn.Identity()), Normalize()],
        "dense with gelu and no bias": [Dense(32, 40, bias=False, activation_function=torch.nn.GELU())],
        "two of them": [Dense(32, 12), Dense(12, 8, activation_function=torch.nn.ReLU()), Normalize()],
        "with a residual": [Dense(32, 32, use_residual=True)],
        "with a projected residual": [Dense(32, 8, use_residual=True), Normalize()],
        "layer norm": [norm, Normalize()],
        "unit, then dense": [Normalize(), Dense(32, 12)],
        "dropout": [Dropout(0.5), Normalize()],
        "normalize": [Normalize()],
    }


@pytest.mark.parametrize("kind", list(heads()))
def test_every_layer_after_the_pooling(tmp_path: Path, kind: str) -> None:
    agrees(folder_of(tmp_path, *heads()[kind]), tmp_path / "again")


def test_truncated_vectors(tmp_path: Path) -> None:
    found = agrees(folder_of(tmp_path, *heads()["dense"], truncate_dim=5), tmp_path / "again")
    assert found.dim == 5 and found.copy().dim == 5


PROMPTS = [
    {"prompts": {"query": "mouse ", "document": "lamp "}},
    {"prompts": {"query": "mouse "}},
    {"prompts": {"foo": "desk "}, "default_prompt_name": "foo"},
    {"prompts": {"query": "mouse ", "document": "lamp "}, "default_prompt_name": "document"},
    {"prompts": {"query": "", "document": ""}},
    {},
]


@pytest.mark.parametrize(
    ("include", "pooling"), [(True, "mean"), (False, "mean"), (False, "cls"), (False, "weightedmean")]
)
@pytest.mark.parametrize("settings", PROMPTS)
def test_prompts_are_put_before_a_text_and_pooled_or_not(
    tmp_path: Path, settings: dict[str, Any], include: bool, pooling: str
) -> None:
    folder = folder_of(tmp_path, pooling=pooling, include_prompt=include, **settings)
    found, prompts = ours(folder), settings.get("prompts", {})
    default = prompts.get(settings.get("default_prompt_name"), "")
    found.save(tmp_path / "again")
    for encoder in (found, load_encoder(tmp_path / "again")):
        for role, name in (("query", "query"), ("passage", "document")):
            expected = theirs(folder, prompt=prompts.get(name) or default)
            np.testing.assert_allclose(encoder.encode(TEXTS, role=role), expected, atol=1e-5)  # type: ignore[arg-type]
    batch = found.tokens(TEXTS, role="query")
    unit = torch.nn.functional.normalize(found.vectors(batch), dim=-1).detach().numpy()
    np.testing.assert_allclose(unit, found.encode(TEXTS, role="query"), atol=1e-5)
    np.testing.assert_allclose(
        found.copy().encode(TEXTS, role="query"), found.encode(TEXTS, role="query"), atol=1e-6
    )


def test_a_text_that_was_cut_within_its_prompt_still_has_a_vector(tmp_path: Path) -> None:
    found = ours(folder_of(tmp_path, pooling="max", include_prompt=False, prompts={"query": "mouse " * 9}))
    found.max_tokens = 6
    rows = found.encode(["a mug", ""], role="query")
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("named", ["search_query", "retrieval.query", "Retrieval-query", "s2p_query"])
def test_other_names_of_the_roles(tmp_path: Path, named: str) -> None:
    folder = folder_of(tmp_path, prompts={named: "mouse ", "search_document": "lamp "})
    assert ours(folder).prompts == {"query": "mouse ", "passage": "lamp "}


@pytest.mark.parametrize("name", LENGTH_FILES)
def test_the_length_and_the_capitals_under_every_name_of_their_file(tmp_path: Path, name: str) -> None:
    folder = folder_of(tmp_path)
    cased = json.loads((folder / "tokenizer.json").read_text())
    cased["normalizer"] = {"type": "Sequence", "normalizers": []}
    (folder / "tokenizer.json").write_text(json.dumps(cased))
    edit(folder, "tokenizer_config.json", do_lower_case=False)
    (folder / "sentence_bert_config.json").unlink()
    edit(folder, name, max_seq_length=9, do_lower_case=True)
    found = agrees(folder, tmp_path / "again") if name == LENGTH_FILES[0] else ours(folder)
    np.testing.assert_allclose(found.encode(TEXTS), theirs(folder), atol=1e-5)
    assert found.max_tokens == 9
    assert found.token_ids(["A RED mug"]) == found.token_ids(["a red mug"])


@pytest.mark.parametrize(
    ("stated", "tokenizer", "expected"), [(None, 77, 77), (None, 10**30, 128), (50, 77, 50)]
)
def test_a_length_that_is_absent_is_the_model_s_own(
    tmp_path: Path, stated: int | None, tokenizer: int, expected: int
) -> None:
    folder = folder_of(tmp_path)
    edit(folder, "tokenizer_config.json", model_max_length=tokenizer)
    (folder / "sentence_bert_config.json").write_text(
        json.dumps({"max_seq_length": stated} if stated else {})
    )
    assert ours(folder).max_tokens == expected
    (folder / "sentence_bert_config.json").unlink()
    assert ours(folder).max_tokens == min(tokenizer, 128)


def test_a_length_above_the_positions_is_lowered_with_a_word(tmp_path: Path) -> None:
    folder = folder_of(tmp_path)
    edit(folder, "sentence_bert_config.json", max_seq_length=514)
    with pytest.warns(UserWarning, match="states texts of 514 tokens, and its network has positions for 128"):
        assert ours(folder).max_tokens == 128


@pytest.mark.parametrize("length", [0, -1, "many", 1.5, True])
def test_a_length_that_cannot_be_is_an_error(tmp_path: Path, length: Any) -> None:
    folder = folder_of(tmp_path)
    edit(folder, "sentence_bert_config.json", max_seq_length=length)
    with pytest.raises(DataError, match="max_seq_length"):
        load_encoder(folder)


def test_vectors_that_were_made_for_another_measure_are_said(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, similarity_fn_name="dot")
    with pytest.warns(UserWarning, match="comparison by dot; Retailor's vectors have length one"):
        np.testing.assert_allclose(ours(folder).encode(TEXTS), theirs(folder), atol=1e-5)


# what is refused ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return folder_of(tmp_path_factory.mktemp("built"))


@pytest.fixture
def folder(built: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(built, tmp_path / "st"))


@pytest.mark.parametrize(
    "kind",
    [
        "sentence_transformers.models.WeightedLayerPooling",
        "sentence_transformers.models.WordEmbeddings",
        "sentence_transformers.models.CNN",
        "sentence_transformers.models.LSTM",
        "sentence_transformers.models.BoW",
        "sentence_transformers.models.Router",
        "sentence_transformers.models.Asym",
        "custom_st.Transformer",
        "sentence_transformers.models.StaticEmbedding",
        "modeling.Pooling",
        "sentence_transformers.models.CLIPModel",
    ],
)
def test_modules_that_are_not_run_are_refused(folder: Path, kind: str) -> None:
    at = 0 if "former" in kind or "Embedding" in kind else 1
    modules = json.loads((folder / "modules.json").read_text())
    modules[at]["type"] = kind
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ModelError, match=f"module {kind}"):
        load_encoder(folder)


@pytest.mark.parametrize("order", [[0], [1, 0], [0, 0, 1], [0, 1, 1], []])
def test_modules_in_another_order_are_refused(folder: Path, order: list[int]) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    (folder / "modules.json").write_text(json.dumps([modules[i] for i in order]))
    with pytest.raises(ModelError, match="one Transformer, then one Pooling"):
        load_encoder(folder)


@pytest.mark.parametrize("wrong", ["{", "{}", "[1]", '[{"path": ""}]', "3", ""])
def test_a_list_of_modules_that_is_none(folder: Path, wrong: str) -> None:
    (folder / "modules.json").write_text(wrong)
    with pytest.raises(DataError, match=r"modules\.json"):
        load_encoder(folder)


def test_a_module_outside_of_the_folder_is_refused(folder: Path) -> None:
    modules = json.loads((folder / "modules.json").read_text())
    modules[1]["path"] = "../body"
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(DataError, match="outside of the folder"):
        load_encoder(folder)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}),
        ("sentence_bert_config.json", {"query_length": 32}),
        ("sentence_bert_config.json", {"processing_kwargs": {"text": {"max_length": 5}}}),
        ("sentence_bert_config.json", {"tokenizer_args": {"padding_side": "left"}}),
        ("sentence_bert_config.json", {"model_args": {"output_hidden_states": True}}),
        ("sentence_bert_config.json", {"brand_new": 3}),
        ("config_sentence_transformers.json", {"model_type": "SparseEncoder"}),
        ("config_sentence_transformers.json", {"query_prefix": "[Q] "}),
        ("config_sentence_transformers.json", {"truncate_dim": "five"}),
        ("config_sentence_transformers.json", {"prompts": ["a"]}),
        ("config_sentence_transformers.json", {"prompts": {"query": 3}}),
        ("config_sentence_transformers.json", {"default_prompt_name": "nobody"}),
        ("config_sentence_transformers.json", {"similarity_fn_name": "vibes"}),
        ("1_Pooling/config.json", {"pooling_mode": "attention"}),
        ("1_Pooling/config.json", {"pooling_mode": ["mean", "attention"]}),
    ],
)
def test_settings_that_are_not_honoured_are_refused(folder: Path, name: str, values: dict[str, Any]) -> None:
    edit(folder, name, **values)
    with pytest.raises(
        RetailorError,
        match="|".join([*values, *map(str, values.values()), "attention"][:3])
        .replace("[", r"\[")
        .replace("{", r"\{")
        .replace("(", r"\("),
    ):
        load_encoder(folder)


@pytest.mark.parametrize(
    "values", [{"tokenizer_args": {"model_max_length": 33}}, {"model_args": {"dtype": "float16"}}]
)
def test_arguments_of_loading_that_are_known(folder: Path, values: dict[str, Any]) -> None:
    edit(folder, "sentence_bert_config.json", **values)
    assert ours(folder).max_tokens == (33 if "tokenizer_args" in values else 128)


def test_a_dense_layer_with_weights_that_do_not_fit(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *heads()["dense"])
    place = folder / "2_Dense"
    good = load_file(place / "model.safetensors")
    for spoiled, says in (
        ({"linear.bias": good["linear.bias"]}, "Missing key"),
        ({**good, "linear.extra": torch.ones(3)}, "Unexpected key"),
        ({**good, "linear.bias": torch.ones(3)}, "size mismatch"),
        ({**good, "linear.bias": good["linear.bias"] * float("nan")}, "no numbers"),
    ):
        save_file(spoiled, place / "model.safetensors")
        with pytest.raises(RetailorError, match=says):
            load_encoder(folder)
    (place / "model.safetensors").write_bytes(b"123")
    with pytest.raises(DataError, match="corrupt or cut off"):
        load_encoder(folder)
    (place / "model.safetensors").rename(place / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"pytorch_model\.bin is a pickle.*SentenceTransformer as S"):
        load_encoder(folder)
    edit(folder, "2_Dense/config.json", activation_function="my_package.Wobble")
    with pytest.raises(ModelError, match=r"my_package\.Wobble"):
        load_encoder(folder)
    edit(
        folder, "2_Dense/config.json", activation_function="torch.nn.modules.activation.Tanh", in_features="x"
    )
    with pytest.raises(DataError, match="settings of this Dense are wrong"):
        load_encoder(folder)
    edit(folder, "2_Dense/config.json", module_input_name="token_embeddings")
    with pytest.raises(ModelError, match="token_embeddings"):
        load_encoder(folder)


@pytest.mark.parametrize(
    "gone", ["modules.json", "1_Pooling/config.json", "2_Dense/config.json", "config.json"]
)
def test_a_file_that_is_missing_is_named(tmp_path: Path, gone: str) -> None:
    folder = folder_of(tmp_path, *heads()["dense"])
    (folder / gone).unlink()
    with pytest.raises(DataError, match=f"{gone}: the file is missing"):
        load_encoder(folder)


@pytest.mark.parametrize("kind", ["onnx", "openvino"])
def test_a_folder_for_another_runtime_alone_is_refused(folder: Path, kind: str) -> None:
    (folder / kind).mkdir()
    shutil.move(folder / "model.safetensors", folder / kind / "model.bin")
    with pytest.raises(ModelError, match=f"weights for {kind} alone: fetch its model.safetensors too"):
        load_model(folder)


def test_a_decoder_as_the_transformer(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

    made = tiny_decoder()
    network: Any = made.network
    network.save_pretrained(tmp_path / "body")
    made.tokenizer.save_pretrained(tmp_path / "body")
    body = Transformer(str(tmp_path / "body"))
    SentenceTransformer(modules=[body, Pooling(32, "lasttoken"), Normalize()], device="cpu").save(
        str(tmp_path / "st")
    )
    found = ours(tmp_path / "st")
    np.testing.assert_allclose(found.encode(SAMPLE), theirs(tmp_path / "st", list(SAMPLE)), atol=1e-5)


@pytest.mark.parametrize(
    "values", [{"pooling": "max"}, {"pooling": "cls+mean"}, {"pool_prompt": False}, {"head": True}]
)
def test_what_cannot_be_compressed_is_said_before_any_work(tmp_path: Path, values: dict[str, Any]) -> None:
    from retailor.compress.onnx import compress
    from retailor.models.pooling import Head

    made = tiny_encoder()
    for name, value in values.items():
        setattr(made, name, Head([], 5) if name == "head" else value)
    with pytest.raises(ModelError, match="what is compressed pools by mean, cls, last"):
        compress(made, tmp_path / "c", texts=SAMPLE)
