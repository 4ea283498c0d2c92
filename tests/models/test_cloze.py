"""Scores of words in a blank, against a plain sum over the pieces of the whole text."""

from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import BertConfig, BertForMaskedLM

from retailor.errors import ModelError
from retailor.models.cloze import GeneratorCloze, MaskedCloze, cloze_of, open_cloze
from retailor.testing.models import tiny_decoder, tiny_encoder, tiny_seq2seq
from retailor.testing.toys import HashEncoder

TEMPLATE = "{text} it was {word}."
TEXTS = ["a red mug and a lamp", "the blue mug"]
WORDS = ["red", "blue lamp", "mug"]


def masked_folder(folder: Path) -> Path:
    """A random BERT with a head for masked words, as transformers saves it."""
    tokenizer = tiny_encoder().tokenizer
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=2,
            intermediate_size=64, max_position_embeddings=128, pad_token_id=tokenizer.pad_token_id,
        )  # fmt: skip
        BertForMaskedLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def scores(cloze, texts=TEXTS):
    """Scores [n, W] of the words in the one template."""
    return cloze.word_scores([TEMPLATE], texts, WORDS)[:, 0]


def plain(generator, prompt: str, word: str) -> float:
    """The log-likelihood of the word after the prompt, one text and one piece at a time."""
    ids = generator.tokenizer(prompt)["input_ids"]
    pieces = generator.tokenizer(" " + word, add_special_tokens=False)["input_ids"]
    total = 0.0
    for piece in pieces:
        with torch.inference_mode():
            logits = generator.network(input_ids=torch.tensor([ids])).logits[0, -1]
        total += float(torch.log_softmax(logits.double(), -1)[piece])
        ids = [*ids, piece]
    return total


def test_a_decoder_scores_whole_words_after_the_text() -> None:
    generator = tiny_decoder()
    generator.precision = "32"
    found = scores(GeneratorCloze(generator))
    wanted = [[plain(generator, f"{text} it was", word) for word in WORDS] for text in TEXTS]
    assert found == pytest.approx(np.array(wanted), abs=1e-4)


def test_a_masked_model_reads_each_piece_at_its_own_mask(tmp_path: Path) -> None:
    cloze = open_cloze(masked_folder(tmp_path / "bert"))
    assert isinstance(cloze, MaskedCloze)
    found = scores(cloze)
    token = cloze.tokenizer
    for i, text in enumerate(TEXTS):
        for j, word in enumerate(WORDS):
            pieces = token(word, add_special_tokens=False)["input_ids"]
            blank = token.mask_token * len(pieces)
            ids = token(TEMPLATE.replace("{word}", blank).replace("{text}", text))["input_ids"]
            with torch.inference_mode():
                likely = torch.log_softmax(cloze.network(input_ids=torch.tensor([ids])).logits[0], -1)
            at = [k for k, piece in enumerate(ids) if piece == token.mask_token_id]
            wanted = np.mean([float(likely[a, piece]) for a, piece in zip(at, pieces, strict=True)])
            assert found[i, j] == pytest.approx(wanted, abs=0.05)  # bf16, where the hardware has it


@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_scores_are_the_same_alone_in_a_batch_and_saved(make, tmp_path: Path) -> None:
    generator = make()
    generator.precision = "32"
    cloze = cloze_of(generator)
    found = scores(cloze)
    assert (found < 0).all() and np.isfinite(found).all()
    alone = np.concatenate([scores(cloze, [text]) for text in TEXTS])
    assert found == pytest.approx(alone, abs=1e-4)
    cloze.save(tmp_path / "kept")
    assert scores(open_cloze(tmp_path / "kept")) == pytest.approx(found, abs=1e-4)


def test_what_gives_no_scores_is_said(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="local generator"):
        cloze_of(HashEncoder())
    tiny_encoder().save(tmp_path / "encoder")
    with pytest.raises(ModelError, match="no head for masked words"):
        MaskedCloze.load(tmp_path / "encoder")


@pytest.mark.parametrize("make", [tiny_decoder, tiny_seq2seq])
def test_templates_that_begin_alike_are_asked_as_if_alone(make) -> None:
    generator = make()
    generator.precision = "32"
    cloze = GeneratorCloze(generator)
    templates = [TEMPLATE, "{text} in short: {word}", "Review: {text}\n{word}"]
    texts = [*TEXTS, ""]
    found = cloze.word_scores(templates, texts, WORDS)
    alone = [cloze.word_scores([template], texts, WORDS) for template in templates]
    assert found == pytest.approx(np.concatenate(alone, axis=1), abs=1e-4)
