"""The one table of scripts: ranges of code points, to stand inside the brackets of a regular expression."""

from __future__ import annotations

HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Ideographs of Chinese, Japanese and Korean, with extensions A to G and the compatibility forms."""
KANA = "\u3041-\u30ff\u31f0-\u31ff"
HANGUL = "\u1100-\u11ff\u3130-\u318f\uac00-\ud7af"
CJK = HAN + KANA + HANGUL
"""Scripts that put no space between words, or few."""

SCRIPTS = {
    "ja": KANA,
    "ko": HANGUL,
    "zh": HAN,
    "ru": "\u0400-\u04ff",
    "el": "\u0370-\u03ff",
    "he": "\u0590-\u05ff",
    "ar": "\u0600-\u06ff",
    "hi": "\u0900-\u097f",
    "th": "\u0e00-\u0e7f",
}
"""Language to the script that gives it away, or that is its commonest user's."""
LATIN = "A-Za-z\u00c0-\u024f"
