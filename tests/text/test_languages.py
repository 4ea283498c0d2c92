from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from retailor.text.languages import language_of, reads

TEXTS = {
    "en": [
        "This is a great gift card",
        "Prada Candy Spray",
        "I love it, thanks [link]",
        "A case for iPhone (手机)",
    ],
    "zh": ["蒙牛牛奶很好喝", "iPhone手机壳", "性价比不错，推荐", "T恤 M号 纯棉"],
    "ja": ["すばらしい商品です", "東京タワーの写真", "コーヒー豆"],
    "ko": ["정말 좋아요", "배송이 빨라요 thanks"],
    "de": ["Das ist sehr gut", "Schöne Tasche für die Arbeit"],
    "fr": ["Très bon produit, je suis content", "La qualité est là"],
    "es": ["Muy bueno para el precio", "No es lo que esperaba, pero está bien"],
    "it": ["Ottimo prodotto, sono molto contento", "Il colore non è come nella foto"],
    "pt": ["Muito bom, não tenho do que reclamar", "Chegou antes do prazo e em bom estado"],
    "nl": ["Het is een goed product", "Ik ben er zeer blij met"],
    "ru": ["Очень хороший товар"],
    "und": ["", "ok", "!!!", "12345", "[phone]", "好"],
}


@pytest.mark.parametrize(("code", "text"), [(code, text) for code, all_ in TEXTS.items() for text in all_])
def test_language(code: str, text: str) -> None:
    assert language_of(text) == code


def tokenizer_of(pieces: list[tuple[int, int | None, str]], text: str, pads: int = 0) -> Any:
    """A tokenizer that cuts `text` into (id, word, piece) and pads; 0 is unknown."""
    start, spans = 0, []
    for _, _, piece in pieces:
        start = text.index(piece, start)
        spans.append((start, start + len(piece)))
        start += len(piece)
    made = SimpleNamespace(
        ids=[each[0] for each in pieces] + [9] * pads,
        word_ids=[each[1] for each in pieces] + [None] * pads,
        offsets=spans + [(0, 0)] * pads,
        attention_mask=[1] * len(pieces) + [0] * pads,
    )
    backend = SimpleNamespace(encode=lambda text, add_special_tokens: made)
    return SimpleNamespace(backend_tokenizer=backend, unk_token_id=0)


@pytest.mark.parametrize("pads", [0, 20])
@pytest.mark.parametrize(
    ("text", "pieces", "read"),
    [
        ("headphones", [(1, 0, "head"), (2, 0, "phones")], True),
        ("双人帐篷", [(0, 0, "双"), (3, 1, "人"), (0, 2, "帐"), (0, 3, "篷")], False),
        ("双人帐篷", [(1, 0, "双"), (3, 0, "人"), (4, 0, "帐"), (5, 0, "篷")], True),
        ("ухо", [(1, 0, "у"), (2, 0, "х"), (3, 0, "о")], False),
        ("vitamin c", [(1, 0, "vitamin"), (2, 1, "c")], True),
        ("", [], True),
    ],
)
def test_what_a_tokenizer_reads(
    text: str, pieces: list[tuple[int, int | None, str]], read: bool, pads: int
) -> None:
    assert reads(tokenizer_of(pieces, text, pads), text) == read
    assert reads(None, text)
