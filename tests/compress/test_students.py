"""Smaller encoders: fewer word pieces, fewer layers, a table of word vectors."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from retailor.compress.settings import StudentSettings
from retailor.compress.student import Lessons, n_layers, taught, with_layers, word_table
from retailor.compress.vocabulary import trimmed, trimming
from retailor.errors import DataError, ModelError
from retailor.models.encoder import LocalEncoder
from retailor.models.encoding import exact_vectors
from retailor.models.local import load_encoder
from retailor.models.static import Pairs, StaticEncoder
from retailor.testing.models import SAMPLE, EncoderContract, tiny_encoder

TEXTS = [f"{text} {word}" for text in SAMPLE for word in ("red", "blue", "mug", "lamp", "够亮")]
QUICK = StudentSettings(layers_steps=60, layers_rate=3e-3, table_epochs=30, table_rate=0.01, batch_size=8)


@cache
def teacher() -> LocalEncoder:
    return tiny_encoder([*SAMPLE, "other words that no shop of ours has"])


@cache
def table() -> StaticEncoder:
    return word_table(teacher(), Lessons.of(teacher(), TEXTS, QUICK), QUICK)


class TestTable(EncoderContract):
    def encoder(self):
        return table()

    tolerance = 2e-3  # the table is saved in float16


@cache
def pairs() -> StaticEncoder:
    return word_table(teacher(), Lessons.of(teacher(), TEXTS, QUICK), QUICK, n_pairs=50)


class TestPairs(EncoderContract):
    def encoder(self):
        return pairs()

    tolerance = 2e-3  # saved in float16


class TestTrimmed(EncoderContract):
    def encoder(self):
        return trimmed(teacher(), SAMPLE, n_common=0)


def test_texts_of_the_shop_keep_their_vectors_and_others_are_read_in_smaller_pieces() -> None:
    small = trimmed(teacher(), TEXTS, n_common=0)
    assert small is not None and len(small.tokenizer) < len(teacher().tokenizer)
    np.testing.assert_allclose(exact_vectors(small, TEXTS), exact_vectors(teacher(), TEXTS), atol=1e-6)
    ids = small.token_ids(["no shop of ours"])[0]
    assert small.tokenizer.unk_token_id not in ids and len(ids) > len(
        teacher().token_ids(["no shop of ours"])[0]
    )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.sampled_from(SAMPLE), min_size=1, max_size=4, unique=True))
def test_any_texts_that_a_vocabulary_was_trimmed_for_keep_their_vectors(texts: list[str]) -> None:
    small = trimmed(teacher(), texts, n_common=0)
    assert small is not None
    np.testing.assert_allclose(exact_vectors(small, texts), exact_vectors(teacher(), texts), atol=1e-6)


def test_a_vocabulary_of_unigrams_is_trimmed_too(tmp_path: Path) -> None:
    made = unigram_encoder()
    small = trimmed(made, TEXTS, n_common=0)
    assert small is not None and len(small.tokenizer) < len(made.tokenizer)
    np.testing.assert_allclose(exact_vectors(small, TEXTS), exact_vectors(made, TEXTS), atol=1e-6)
    small.save(tmp_path / "small")
    again = load_encoder(tmp_path / "small")
    np.testing.assert_allclose(exact_vectors(again, TEXTS), exact_vectors(made, TEXTS), atol=1e-5)


@cache
def unigram_encoder(alone: bool = True) -> LocalEncoder:
    """A tiny BERT that reads pieces as XLM-R does: marks first, '<s> A </s>' around a text. Not `alone`: it
    has a word with a letter that is no piece."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    words = sorted({f"▁{word}" for text in [*TEXTS, "spare pieces of other shops"] for word in text.split()})
    letters = sorted({letter for word in words for letter in word})
    words += [] if alone else ["▁xylophone"]
    pieces = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0)]
    pieces += [(letter, -9.0) for letter in letters] + [(word, -2.0) for word in words]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    marks = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, pad_token="<pad>", unk_token="<unk>", **marks)
    config = BertConfig(
        vocab_size=len(fast), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=64, max_position_embeddings=128, pad_token_id=1,
    )  # fmt: skip
    return LocalEncoder(BertModel(config).eval(), fast, name="unigram", max_tokens=64, precision="32")


def test_a_vocabulary_of_merges_or_without_spare_pieces_is_left() -> None:
    assert trimmed(tiny_encoder(SAMPLE), SAMPLE) is None  # the first 10,000 are all there are


def test_layers_are_taken_evenly_and_counted() -> None:
    assert n_layers(teacher()) == 2
    one = with_layers(teacher(), 1)
    assert n_layers(one) == 1 and one.network.config.num_hidden_layers == 1
    assert n_layers(teacher()) == 2  # the whole one is as it was
    np.testing.assert_array_equal(
        exact_vectors(with_layers(teacher(), 2), TEXTS), exact_vectors(teacher(), TEXTS)
    )
    with pytest.raises(ModelError, match="no 3 layers"):
        with_layers(teacher(), 3)


def test_a_student_comes_nearer_to_its_teacher_on_texts_that_it_was_not_taught() -> None:
    seen, unseen = TEXTS[::2], TEXTS[1::2]
    wanted = exact_vectors(teacher(), unseen)
    student = tiny_encoder([*SAMPLE, "other words that no shop of ours has"], seed=5)
    before = (exact_vectors(student, unseen) * wanted).sum(axis=1).mean()
    taught(student, Lessons.of(teacher(), seen, QUICK), QUICK)
    after = (exact_vectors(student, unseen) * wanted).sum(axis=1).mean()
    assert after > before + 0.2


def test_a_taught_table_is_nearer_than_where_it_starts() -> None:
    wanted = exact_vectors(teacher(), TEXTS)
    start = StaticEncoder.of_pieces(teacher(), TEXTS)
    before = (start.encode(TEXTS) * wanted).sum(axis=1).mean()
    assert (table().encode(TEXTS) * wanted).sum(axis=1).mean() > before + 0.02


def test_a_table_says_nothing_of_pieces_that_it_does_not_know() -> None:
    rows = table().encode(["", "☃☃"])
    assert not rows.any()
    assert table().encode(["red mug", "red mug ☃"])[0] @ table().encode(["red mug ☃"])[0] > 0.999


def test_a_folder_of_model2vec_opens_with_its_weights_and_mapping(tmp_path: Path) -> None:
    from safetensors.numpy import load_file, save_file

    table().save(tmp_path / "one")
    other = tmp_path / "other"
    other.mkdir()
    rows = load_file(tmp_path / "one" / "model.safetensors")["embeddings"]
    mapping = np.arange(len(rows))[::-1].copy()
    weights = np.full(len(rows), 2.0, dtype=np.float64)
    save_file(
        {"embeddings": rows[mapping], "mapping": mapping, "weights": weights}, other / "model.safetensors"
    )
    for name in ("tokenizer.json", "config.json"):
        (other / name).write_text((tmp_path / "one" / name).read_text())
    np.testing.assert_allclose(
        load_encoder(other).encode(SAMPLE), load_encoder(tmp_path / "one").encode(SAMPLE), atol=1e-6
    )
    about = json.loads((other / "config.json").read_text())
    assert about["model_type"] == "model2vec"
    save_file({"embeddings": rows[:3]}, other / "model.safetensors")
    with pytest.raises(DataError, match="3 rows for the"):
        load_encoder(other)


def test_lessons_are_each_text_once_and_half_of_them_queries_where_prompts_differ() -> None:
    asked = tiny_encoder([*SAMPLE, "query passage :"])
    plain = Lessons.of(asked, ["a mug", "a mug", " ", "a lamp"], QUICK)
    assert plain.texts == plain.prompted == ("a mug", "a lamp")
    asked.prompts = {"query": "query: ", "passage": "passage: "}
    lessons = Lessons.of(asked, list(SAMPLE), replace(QUICK, max_texts=5))
    assert len(lessons.texts) == 5 and set(lessons.texts) <= set(SAMPLE)
    assert [text.split(":")[0] for text in lessons.prompted] == [
        "passage",
        "query",
        "passage",
        "query",
        "passage",
    ]
    for text, role, vector in zip(lessons.texts, ["passage", "query"] * 3, lessons.vectors, strict=False):
        np.testing.assert_allclose(vector, exact_vectors(asked, [text], role=role)[0], atol=1e-5)


def test_a_student_is_taught_what_its_teacher_makes_of_queries() -> None:
    asked = tiny_encoder([*SAMPLE, "query passage :"])
    asked.prompts = {"query": "query: ", "passage": "passage: "}
    student = tiny_encoder([*SAMPLE, "query passage :"], seed=5)
    student.prompts = dict(asked.prompts)
    wanted = exact_vectors(asked, TEXTS, role="query")
    before = (exact_vectors(student, TEXTS, role="query") * wanted).sum(axis=1).mean()
    taught(student, Lessons.of(asked, TEXTS, QUICK), QUICK)
    assert (exact_vectors(student, TEXTS, role="query") * wanted).sum(axis=1).mean() > before + 0.2
    assert student.prompts == asked.prompts


def test_no_text_becomes_unknown_that_was_known() -> None:
    made = unigram_encoder(alone=False)  # no single "x", which only "xylophone" has
    small = trimmed(made, ["red mug"], n_common=0)
    assert small is not None
    pieces = set(small.tokenizer.get_vocab())
    assert "▁xylophone" in pieces and "▁spare" not in pieces
    assert small.tokenizer.unk_token_id not in small.token_ids(["xylophone spare pieces"])[0]


@settings(max_examples=50, deadline=None)
@given(st.text(alphabet="abcdelmopr ", max_size=30))
def test_words_of_known_letters_stay_known(text: str) -> None:
    told = trimming(unigram_encoder().tokenizer, spare().tokenizer, [text])
    assert told.unknown <= told.unknown_before and told.tokens >= 1


@cache
def spare() -> LocalEncoder:
    small = trimmed(unigram_encoder(), ["red mug"], n_common=0)
    assert small is not None
    return small


def test_what_a_smaller_vocabulary_does_to_other_texts_is_counted() -> None:
    told = trimming(unigram_encoder().tokenizer, spare().tokenizer, ["red mug", "spare", "☃ mug"])
    assert (told.n, told.same) == (3, pytest.approx(2 / 3))
    # red, mug; spare falls into "▁" and five letters; "☃ mug" is "▁", unknown, mug to both
    before, after = 2 + 1 + 3, 2 + 6 + 3
    assert told.tokens == pytest.approx(after / before)
    assert told.unknown_before == pytest.approx(1 / before) and told.unknown == pytest.approx(1 / after)
    assert f"{told.n_pieces_before:,} → {told.n_pieces:,}" in str(told)


def test_pairs_that_texts_share_are_learned_and_tell_the_order_of_words(tmp_path: Path) -> None:
    others = ("blue", "lamp", "with", "for", "and", "a")
    texts = [f"{pair} {one}" for pair in ("red mug", "mug red") for one in others]
    vectors = np.zeros((12, teacher().dim), np.float32)
    vectors[:6, 0], vectors[6:, 1] = 1, 1
    lessons = Lessons(tuple(texts), tuple(texts), vectors)
    made, plain = (word_table(teacher(), lessons, QUICK, n_pairs=n) for n in (50, 0))
    assert made.pairs is not None and 2 <= len(made.pairs.keys) <= 50
    unseen = ["red mug red mug", "mug red mug red"]
    assert (made.encode(texts) * vectors).sum(axis=1).min() > 0.9
    assert (plain.encode(texts) * vectors).sum(axis=1).max() < 0.8  # .707 for both orders
    assert made.encode(unseen)[0] @ vectors[0] > made.encode(unseen)[1] @ vectors[0] + 0.1
    np.testing.assert_allclose(*plain.encode(unseen), atol=1e-6)
    made.save(tmp_path / "pairs")
    (tmp_path / "pairs" / "pairs.safetensors").write_bytes(b"")
    with pytest.raises(DataError, match=r"pairs\.safetensors"):
        StaticEncoder.load(tmp_path / "pairs")


def test_pairs_are_found_by_hand() -> None:
    found = Pairs.common([[1, 2, 3], [2, 3, 1, 2], [5, 6], [2, 3, 2, 3]], 2, 4)
    assert found.keys.tolist() == [(1 << 32) + 2, (2 << 32) + 3] and found.table.shape == (2, 4)
    assert found.rows([1, 2, 3, 9, 2, 3]).tolist() == [0, 1, 1]
    assert found.rows([7]).tolist() == [] and len(Pairs.common([[1], []], 9, 4).keys) == 0


def test_the_pieces_of_texts_written_small_stay() -> None:
    made = unigram_encoder()
    small = trimmed(made, ["RED MUG", "a Spare Lamp"], n_common=0)
    assert small is not None
    assert {"▁red", "▁mug", "▁spare", "▁lamp"} <= set(small.tokenizer.get_vocab())
    assert "▁pieces" not in small.tokenizer.get_vocab()
