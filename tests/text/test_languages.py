from __future__ import annotations

import pytest

from retailor.text.languages import language_of

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
