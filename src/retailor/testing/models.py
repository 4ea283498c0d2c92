"""Tiny real models for tests, and the contracts of encoders and generators.

The tiny models are real transformers with random weights: every code path, no download, milliseconds.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from retailor.errors import RetailorError
from retailor.models.local import LocalEncoder, LocalGenerator, load_encoder, load_generator

SAMPLE = (
    "A red ceramic mug, 350 ml, safe for the dishwasher.",
    "The blue mug broke after a week. I want my money back!",
    "Great quality, fast delivery, five stars.",
    "Is this lamp bright enough for a desk? Yes, it gives 800 lumen.",
    "Wireless mouse with a silent click and a battery that lasts for months.",
    "红色陶瓷杯，三百五十毫升，可用洗碗机清洗。",
    "质量很好，物流很快，下次还会买。",
    "这个台灯够亮吗？够亮，八百流明。",
)


def tiny_encoder(texts: Sequence[str] | None = None, seed: int = 0) -> LocalEncoder:
    """A random two-layer BERT of 32 dimensions, and the words of `texts` (or of a fixed sample)."""
    from transformers import BertConfig, BertModel

    tokenizer = _wordpiece(SAMPLE if texts is None else texts)
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=128,
        pad_token_id=tokenizer.pad_token_id,
    )
    network = _seeded(lambda: BertModel(config), seed)
    return LocalEncoder(network, tokenizer, name="tiny-encoder", max_tokens=64, precision="32")


def tiny_decoder(texts: Sequence[str] | None = None, seed: int = 0) -> LocalGenerator:
    """A random two-layer Llama of 32 dimensions, with byte-level BPE of `texts` (or a fixed sample)."""
    from transformers import LlamaConfig, LlamaForCausalLM

    tokenizer = _byte_bpe(SAMPLE if texts is None else texts)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        intermediate_size=64,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    network = _seeded(lambda: LlamaForCausalLM(config), seed)
    return LocalGenerator(network, tokenizer, name="tiny-decoder", precision="32")


def tiny_seq2seq(texts: Sequence[str] | None = None, seed: int = 0) -> LocalGenerator:
    """A random two-layer T5 of 32 dimensions, with unigram pieces and sentinels like T5's own."""
    from transformers import T5Config, T5ForConditionalGeneration

    tokenizer = _t5_unigram(SAMPLE if texts is None else texts)
    config = T5Config(
        vocab_size=len(tokenizer),
        d_model=32,
        d_kv=16,
        d_ff=64,
        num_layers=2,
        num_heads=2,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )
    config.decoder_start_token_id = tokenizer.pad_token_id
    network = _seeded(lambda: T5ForConditionalGeneration(config), seed)
    return LocalGenerator(network, tokenizer, name="tiny-seq2seq", precision="32")


def _seeded(make: Any, seed: int) -> Any:
    """What `make` returns under a seed of its own; the caller's random state is as before."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return make().eval()


def _wordpiece(texts: Iterable[str]) -> Any:
    """BERT's tokenizer with the words of the texts; the library's own trainer differs from run to run."""
    from tokenizers import BertWordPieceTokenizer
    from transformers import BertTokenizer

    bare = BertWordPieceTokenizer({"[UNK]": 0, "[SEP]": 1, "[CLS]": 2})
    words: Counter[str] = Counter()
    for text in texts:
        split = bare.pre_tokenizer.pre_tokenize_str(bare.normalizer.normalize_str(text))
        words.update(word for word, _ in split)
    letters = sorted({letter for word in words for letter in word})
    ordered = [word for word, _ in sorted(words.items(), key=lambda pair: (-pair[1], pair[0]))]
    marks = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces = dict.fromkeys([*marks, *letters, *(f"##{letter}" for letter in letters), *ordered[:2000]])
    return BertTokenizer(vocab={piece: i for i, piece in enumerate(pieces)}, model_max_length=128)


def _byte_bpe(texts: Iterable[str]) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import PreTrainedTokenizerFast

    made = ByteLevelBPETokenizer()
    marks = ["<pad>", "<s>", "</s>"]
    made.train_from_iterator(
        texts, vocab_size=800, min_frequency=2, special_tokens=marks, show_progress=False
    )
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made._tokenizer,
        pad_token="<pad>",
        bos_token="<s>",
        eos_token="</s>",
        model_max_length=512,
    )


def _t5_unigram(texts: Iterable[str]) -> Any:
    """Unigram pieces: words of the texts, their letters for everything else; likelier when frequent."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from tokenizers.decoders import Metaspace
    from transformers import PreTrainedTokenizerFast

    sentinels = [f"<extra_id_{i}>" for i in range(100)]
    marks = ["<pad>", "</s>", "<unk>", *sentinels]
    counts: Counter[str] = Counter("▁")
    for text in texts:
        for word in text.split():
            counts.update([f"▁{word}", *word])
    total = counts.total()
    pieces = [(piece, math.log(count / total)) for piece, count in sorted(counts.items())]
    made = Tokenizer(models.Unigram([(mark, 0.0) for mark in marks] + pieces, unk_id=2, byte_fallback=False))
    made.normalizer = normalizers.NFKC()
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = Metaspace()
    made.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=made,
        pad_token="<pad>",
        eos_token="</s>",
        unk_token="<unk>",
        extra_special_tokens=sentinels,
        model_max_length=512,
    )


class EncoderContract:
    """Subclass, and override `encoder`; `tolerance` is how far a batch may be from singles."""

    texts: tuple[str, ...] = SAMPLE
    tolerance: float = 1e-4

    def encoder(self) -> Any:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Any:
        return cls().encoder()

    def test_rows_are_unit_float32(self, made: Any) -> None:
        rows = made.encode(self.texts)
        assert rows.shape == (len(self.texts), made.dim) and rows.dtype == np.float32
        np.testing.assert_allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-3)

    def test_the_order_is_that_of_the_texts(self, made: Any) -> None:
        rows = made.encode(self.texts)
        np.testing.assert_allclose(made.encode(self.texts[::-1])[::-1], rows, atol=self.tolerance)

    def test_a_batch_gives_what_singles_give(self, made: Any) -> None:
        singles = np.concatenate([made.encode([text]) for text in self.texts])
        np.testing.assert_allclose(made.encode(self.texts), singles, atol=self.tolerance)

    def test_edges(self, made: Any) -> None:
        assert made.encode([]).shape == (0, made.dim)
        rows = made.encode(["", " ", "word " * 5000, "\u0000\ud83d\ude00"])
        assert np.isfinite(rows).all()
        assert made.encode(["a text"], role="query").shape == (1, made.dim)

    def test_load_of_save_gives_the_same_vectors(self, made: Any, tmp_path: Path) -> None:
        made.save(tmp_path / "encoder")
        loaded = load_encoder(tmp_path / "encoder")
        assert (loaded.name, loaded.dim) == (made.name, made.dim)
        np.testing.assert_allclose(loaded.encode(self.texts), made.encode(self.texts), atol=self.tolerance)

    def test_a_corrupt_file_is_named(self, made: Any, tmp_path: Path) -> None:
        made.save(tmp_path / "encoder")
        path = max((tmp_path / "encoder").glob("*.*"), key=lambda file: file.stat().st_size)
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
        with pytest.raises(RetailorError, match=path.name.replace(".", r"\.")):
            load_encoder(tmp_path / "encoder")


class GeneratorContract:
    """Subclass, and override `generator`."""

    prompts: tuple[str, ...] = ("Write a review of a red mug.", "Mug?", "用中文写一条评论。")
    max_tokens: int = 12

    def generator(self) -> Any:
        raise NotImplementedError

    @pytest.fixture(scope="class")
    @classmethod
    def made(cls) -> Any:
        return cls().generator()

    def test_one_continuation_a_prompt_in_order(self, made: Any) -> None:
        answers = made.generate(self.prompts, max_tokens=self.max_tokens)
        assert len(answers) == len(self.prompts) and all(isinstance(answer, str) for answer in answers)
        assert made.generate(self.prompts[::-1], max_tokens=self.max_tokens) == answers[::-1]
        assert made.generate([], max_tokens=self.max_tokens) == []

    def test_a_batch_gives_what_singles_give(self, made: Any) -> None:
        for temperature in (0.0, 1.0):
            batch = made.generate(self.prompts, max_tokens=self.max_tokens, temperature=temperature, seed=3)
            assert batch == [
                made.generate([prompt], max_tokens=self.max_tokens, temperature=temperature, seed=3)[0]
                for prompt in self.prompts
            ]

    def test_the_seed_decides_a_sample(self, made: Any) -> None:
        def draw(seed: int) -> list[str]:
            answers: list[str] = made.generate(
                self.prompts, max_tokens=self.max_tokens, temperature=1.5, seed=seed
            )
            return answers

        assert draw(1) == draw(1)
        assert draw(1) != draw(2)

    def test_load_of_save_writes_the_same(self, made: Any, tmp_path: Path) -> None:
        made.save(tmp_path / "generator")
        loaded = load_generator(tmp_path / "generator")
        assert loaded.name == made.name
        assert loaded.generate(self.prompts, max_tokens=8) == made.generate(self.prompts, max_tokens=8)
