"""What a network can take is checked when it is loaded, and when it is changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from retailor.errors import DataError, ModelError
from retailor.models.endpoints.limits import own_max_tokens, usable_positions
from retailor.models.local import LocalEncoder, LocalGenerator, load_encoder, load_generator
from retailor.testing.models import SAMPLE, tiny_decoder, tiny_encoder, tiny_seq2seq

LONG = ["mug lamp " * 300]


def like(kind: str, **values: Any) -> Any:
    """A tiny random encoder of another family, with the tokenizer of the tiny one."""
    import transformers

    tokenizer = tiny_encoder().tokenizer
    config = getattr(transformers, f"{kind}Config")(
        **{
            "vocab_size": len(tokenizer),
            "hidden_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 40,
            "pad_token_id": 1,
            **values,
        }
    )
    torch.manual_seed(0)
    return getattr(transformers, f"{kind}Model")(config).eval()


def write(network: Any, folder: Path, **tokenizer: Any) -> Path:
    network.save_pretrained(folder)
    tiny_encoder().tokenizer.save_pretrained(folder)
    change(folder, "tokenizer_config.json", **tokenizer)
    return folder


def change(folder: Path, name: str, **values: Any) -> None:
    path = folder / name
    found = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps({**found, **values}))


@pytest.mark.parametrize(
    ("kind", "values", "usable"),
    [
        ("Roberta", {}, 38),
        ("XLMRoberta", {}, 38),
        ("Camembert", {}, 38),
        ("Roberta", {"pad_token_id": 0}, 39),
        ("MPNet", {}, 38),
        ("Bert", {}, 40),
        ("Electra", {}, 40),
        ("Albert", {"embedding_size": 16}, 40),
    ],
)
def test_the_places_of_a_family_are_used_up_to_the_last_and_no_more(
    tmp_path: Path, kind: str, values: dict[str, Any], usable: int
) -> None:
    network = like(kind, **values)
    assert usable_positions(network) == usable
    folder = write(network, tmp_path / "e", model_max_length=10**30)
    encoder = load_encoder(folder)
    assert isinstance(encoder, LocalEncoder) and encoder.max_tokens == usable
    assert encoder.n_tokens(LONG) == [usable] and np.isfinite(encoder.encode(LONG)).all()
    with pytest.raises(ModelError, match=rf"max_tokens = {usable + 1}: .*has {usable} positions"):
        encoder.max_tokens = usable + 1
    encoder.save(tmp_path / "saved")
    change(tmp_path / "saved", "retailor_encoder.json", max_tokens=usable + 2)
    (tmp_path / "saved" / "manifest.json").unlink()
    with pytest.warns(UserWarning, match=f"texts of {usable + 2} tokens"):
        again = load_encoder(tmp_path / "saved")
    assert isinstance(again, LocalEncoder) and again.max_tokens == usable


def test_a_t5_has_no_end_but_the_one_it_is_given() -> None:
    made = tiny_seq2seq()
    network: Any = made.network.get_encoder()  # type: ignore[operator]
    assert usable_positions(network) is None
    made.tokenizer.model_max_length = 10**30
    assert own_max_tokens(network, made.tokenizer) == 512


@pytest.mark.parametrize("wrong", [0, 2, -5, 129, 10**9, 3.0, "many", True, None])
def test_max_tokens_that_cannot_be(wrong: Any) -> None:
    encoder = tiny_encoder()
    with pytest.raises(ModelError, match=r"its tokenizer adds 2 marks .* it takes 3 to 128"):
        encoder.max_tokens = wrong
    assert encoder.max_tokens == 64


def test_max_tokens_changed_after_the_first_encode_takes_effect_and_is_saved(tmp_path: Path) -> None:
    from sentence_transformers import SentenceTransformer

    encoder = tiny_encoder()
    first = encoder.encode(LONG)
    encoder.max_tokens = 10
    assert encoder.n_tokens(LONG) == [10] and encoder.tokens(LONG)["input_ids"].shape == (1, 10)
    short = encoder.encode(LONG)
    assert np.abs(short - first).max() > 1e-4
    for n, expected in ((10, short), (100, None), (128, None)):
        encoder.max_tokens = n
        encoder.save(tmp_path / str(n))
        again = load_encoder(tmp_path / str(n))
        assert isinstance(again, LocalEncoder) and again.max_tokens == n and again.n_tokens(LONG) == [n]
        assert encoder.copy().max_tokens == n
        judge = SentenceTransformer(str(tmp_path / str(n)), device="cpu")
        assert judge.max_seq_length == n
        for found in (again.encode(LONG), judge.encode(LONG)):
            np.testing.assert_allclose(found, encoder.encode(LONG), atol=1e-5)
        if expected is not None:
            np.testing.assert_allclose(encoder.encode(LONG), expected, atol=1e-6)
        assert json.loads((tmp_path / str(n) / "tokenizer.json").read_text())["truncation"] is None


@pytest.mark.parametrize("make", [tiny_encoder, tiny_decoder, tiny_seq2seq])
def test_a_tokenizer_larger_than_the_embeddings_says_both_sizes(tmp_path: Path, make: Any) -> None:
    made = make()
    n = len(made.tokenizer)
    made.network.save_pretrained(tmp_path / "m")
    made.tokenizer.add_tokens(["<new>", "<newer>"])
    made.tokenizer.save_pretrained(tmp_path / "m")
    load = load_encoder if make is tiny_encoder else load_generator
    with pytest.raises(
        ModelError, match=f"tokenizer knows {n + 2} tokens and the network has embeddings for {n}"
    ):
        load(tmp_path / "m")


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("config.json", {"decoder_start_token_id": 10**6}),
        ("generation_config.json", {"eos_token_id": [1, 10**6]}),
        ("generation_config.json", {"eos_token_id": -1}),
        ("generation_config.json", {"eos_token_id": "x"}),
    ],
)
def test_special_ids_without_an_embedding_are_named(
    tmp_path: Path, name: str, values: dict[str, Any]
) -> None:
    made: Any = tiny_seq2seq()
    made.network.save_pretrained(tmp_path / "g")
    made.tokenizer.save_pretrained(tmp_path / "g")
    change(tmp_path / "g", name, **values)
    with pytest.raises((ModelError, DataError), match=next(iter(values))):
        load_generator(tmp_path / "g")


def test_an_encoder_without_a_padding_token_reads_batches_as_singles(tmp_path: Path) -> None:
    folder = write(like("Roberta"), tmp_path / "e")
    change(folder, "tokenizer_config.json", pad_token=None)
    encoder = load_encoder(folder)
    assert isinstance(encoder, LocalEncoder)
    encoder.tokenizer.pad_token = None
    encoder.precision = "32"
    singles = np.concatenate([encoder.encode([text]) for text in SAMPLE])
    np.testing.assert_allclose(encoder.encode(SAMPLE), singles, atol=1e-5)


def test_a_folder_without_the_words_of_its_tokenizer_is_an_error(tmp_path: Path) -> None:
    folder = write(like("Bert"), tmp_path / "e")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match="no usable tokenizer"):
        load_encoder(folder)
    (folder / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    with pytest.raises(ModelError, match="no pieces but its special ones"):
        load_encoder(folder)


# generators ---------------------------------------------------------------------------------------


def always(made: LocalGenerator, ids: list[int]) -> None:
    """Makes the generator write these ids one after another, whatever it is asked."""
    network: Any = made.network
    network.generate = lambda **asked: torch.cat(
        [asked["input_ids"], torch.tensor([ids] * len(asked["input_ids"]))], dim=1
    )


@pytest.mark.parametrize("where", ["generation_config.json", "config.json"])
def test_every_end_mark_of_a_folder_ends_an_answer(tmp_path: Path, where: str) -> None:
    made = tiny_decoder()
    made.tokenizer.add_tokens(["<|eot_id|>", "<end_of_turn>"])
    network: Any = made.network
    network.resize_token_embeddings(len(made.tokenizer), mean_resizing=False)
    network.save_pretrained(tmp_path / "g")
    made.tokenizer.save_pretrained(tmp_path / "g")
    first, second = (made.tokenizer.convert_tokens_to_ids(t) for t in ("<|eot_id|>", "<end_of_turn>"))
    if where == "config.json":
        (tmp_path / "g" / "generation_config.json").unlink()
    change(tmp_path / "g", where, eos_token_id=[first, second])
    found = load_generator(tmp_path / "g")
    assert isinstance(found, LocalGenerator)
    assert set(found.end_ids) == {made.tokenizer.eos_token_id, first, second}
    mug, lamp = (made.tokenizer(word)["input_ids"][0] for word in ("mug", "lamp"))
    for end in found.end_ids:
        always(found, [mug, end, lamp, lamp])
        assert found.generate(["a"], max_tokens=4) == [made.tokenizer.decode([mug]).strip()]
    del found.network.generate  # type: ignore[attr-defined]
    assert found.copy().end_ids == found.end_ids
    found.save(tmp_path / "saved")
    again = load_generator(tmp_path / "saved")
    assert isinstance(again, LocalGenerator) and set(again.end_ids) == set(found.end_ids)


def test_generation_stops_at_each_end_mark(tmp_path: Path) -> None:
    made = tiny_decoder()
    ids = made.prompt_ids(["a red mug"], room=100)
    network: Any = made.network
    free = network.generate(input_ids=torch.tensor(ids), max_new_tokens=6, do_sample=False, eos_token_id=None)
    first = int(free[0, len(ids[0])])
    ended = LocalGenerator(network, made.tokenizer, name="x", precision="32", end_ids=[first])
    assert ended.generate(["a red mug"], max_tokens=6) == [""]


def test_a_generator_without_an_end_mark_is_an_error() -> None:
    made = tiny_decoder()
    made.tokenizer.eos_token = None
    with pytest.raises(ModelError, match="x has no end mark"):
        LocalGenerator(made.network, made.tokenizer, name="x")
    given = LocalGenerator(made.network, made.tokenizer, name="x", end_ids=[2])
    assert given.tokenizer.eos_token_id == 2 and given.plain(["mug"], max_tokens=9)["input_ids"][0, -1] == 2


CHAT = "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant]"
TEMPLATES = {
    "knows it": (CHAT, "[system] Be brief.\n[user] Hi\n[assistant]"),
    "refuses it": (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('No system role') }}{% endif %}" + CHAT,
        "[user] Be brief.\n\nHi\n[assistant]",
    ),
    "drops it": (
        "{% for m in messages if m['role'] != 'system' %}[{{ m['role'] }}] {{ m['content'] }}\n"
        "{% endfor %}[assistant]",
        "[user] Be brief.\n\nHi\n[assistant]",
    ),
    "takes the first message alone": (
        "[user] {{ messages[0]['content'] }}\n[assistant]",
        "[user] Be brief.\n\nHi\n[assistant]",
    ),
    "fails on other roles": (
        "{% for m in messages %}{% set n = {'user': 'U'}[m['role']] %}{{ n.lower() }}: {{ m['content'] }}\n"
        "{% endfor %}",
        "u: Be brief.\n\nHi\n",
    ),
    "is not there": (None, "Be brief.\nHi"),
}


@pytest.mark.parametrize("kind", list(TEMPLATES))
def test_the_system_text_is_read_whatever_the_template_knows(kind: str) -> None:
    template, expected = TEMPLATES[kind]
    made = tiny_decoder()
    made.tokenizer.chat_template = template
    made.system = "Be brief."
    assert made._templated("Hi") == expected
    made.system = None
    assert "Be brief." not in made._templated("Hi") and "Hi" in made._templated("Hi")


@pytest.mark.parametrize(
    "template", ["{{ nobody.knows() }}", "{% if", "no question here", "{{ raise_exception('x') }}"]
)
def test_a_template_that_cannot_write_a_question_is_named_at_loading(tmp_path: Path, template: str) -> None:
    tiny_decoder().save(tmp_path / "g")
    (tmp_path / "g" / "manifest.json").unlink()
    (tmp_path / "g" / "chat_template.jinja").write_text(template)
    with pytest.raises(ModelError, match="its chat template"):
        load_generator(tmp_path / "g")
